# SPDX-License-Identifier: MIT
"""What an effect costs in Pyro: the programs of bench/sites.c, in Pyro.

    pyro_sites.py [--sites 1000]
"""

import argparse

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO

from serve import serve, timed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sites", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    pyro.enable_validation(False)
    zero, one = torch.tensor(0.0), torch.tensor(1.0)

    def model(sites):
        d = dist.Normal(zero, one)
        for i in range(sites):
            pyro.sample(f"z_{i}", d)

    def guide(sites):
        loc = pyro.param("loc", torch.tensor(0.0))
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        for i in range(sites):
            pyro.sample(f"z_{i}", dist.Normal(loc, scale))

    def deep(sites):
        stacked = model
        for _ in range(8):
            stacked = poutine.scale(stacked, scale=1.0)
        poutine.trace(stacked).get_trace(sites)

    trace = poutine.trace(model).get_trace(options.sites)

    def step(elbo, sites):
        svi = SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), elbo)
        return lambda: svi.step(sites)

    runs = {"run": lambda: model(options.sites),
            "traced": lambda: poutine.trace(model).get_trace(options.sites),
            "replayed and traced": lambda: poutine.trace(
                poutine.replay(model, trace=trace)).get_trace(options.sites),
            "traced under eight scale handlers": lambda: deep(options.sites),
            "step of trace ELBO": step(Trace_ELBO(), options.sites),
            "step of mean-field ELBO": step(TraceMeanField_ELBO(), options.sites)}
    small = {n: step(TraceMeanField_ELBO(), n) for n in (1, 10)}
    for run in [*runs.values(), *small.values()]:
        run()

    def work():
        measures = {f"{name}, ns per site": 1e9 * timed(run) / options.sites
                    for name, run in runs.items()}
        for n, run in small.items():
            measures[f"step of mean-field ELBO, {n} site{'s' * (n > 1)}, us"] = 1e6 * min(
                timed(run) for _ in range(5))
        return measures

    serve({"program": "Pyro", "version": pyro.__version__, "torch": torch.__version__,
           "threads": 1}, work)


if __name__ == "__main__":
    main()
