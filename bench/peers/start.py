# SPDX-License-Identifier: MIT
"""One step of SVI on the README's coin, and out (bench/start.c).

    start.py --peer pyro|numpyro
"""

import argparse
import json

TOSS = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]


def pyro_step():
    import pyro
    import pyro.distributions as dist
    import torch
    from pyro.infer import SVI, Trace_ELBO
    positive = dist.constraints.positive

    def model():
        fairness = pyro.sample("fairness", dist.Beta(10.0, 10.0))
        with pyro.plate("tosses", 10):
            pyro.sample("toss", dist.Bernoulli(fairness), obs=torch.tensor(TOSS))

    def guide():
        heads = pyro.param("heads", torch.tensor(15.0), constraint=positive)
        tails = pyro.param("tails", torch.tensor(15.0), constraint=positive)
        pyro.sample("fairness", dist.Beta(heads, tails))

    loss = SVI(model, guide, pyro.optim.Adam({"lr": 1e-3}), Trace_ELBO()).step()
    return {"program": "Pyro", "version": pyro.__version__, "loss": loss}


def numpyro_step():
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import SVI, Trace_ELBO
    positive = dist.constraints.positive

    def model():
        fairness = numpyro.sample("fairness", dist.Beta(10.0, 10.0))
        with numpyro.plate("tosses", 10):
            numpyro.sample("toss", dist.Bernoulli(fairness), obs=jnp.array(TOSS))

    def guide():
        heads = numpyro.param("heads", 15.0, constraint=positive)
        tails = numpyro.param("tails", 15.0, constraint=positive)
        numpyro.sample("fairness", dist.Beta(heads, tails))

    svi = SVI(model, guide, numpyro.optim.Adam(1e-3), Trace_ELBO())
    _, loss = svi.update(svi.init(jax.random.PRNGKey(0)))
    return {"program": "NumPyro", "version": numpyro.__version__, "loss": float(loss)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True, choices=("pyro", "numpyro"))
    step = pyro_step if parser.parse_args().peer == "pyro" else numpyro_step
    print(json.dumps(step()), flush=True)
