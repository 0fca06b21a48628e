# SPDX-License-Identifier: MIT
"""Nanoseconds per value of what bench/distributions.c measures: the sum of a million log
densities with its gradients in values and parameters, and a million draws. One thread; each
peer at its best: arguments unchecked (kiln checks them), NumPyro compiled before it is timed.

    distributions.py --peer torch|numpyro [--dtype f32|f64]
"""

import argparse
import os
import time

import numpy as np

from serve import serve

VALUES, CATEGORIES = 1000000, 100

parser = argparse.ArgumentParser()
parser.add_argument("--peer", required=True, choices=("torch", "numpyro"))
parser.add_argument("--dtype", default="f32", choices=("f32", "f64"))
options = parser.parse_args()

numbers = 0.5 + 2 * np.random.default_rng(1).random((3, VALUES))
numbers = numbers.astype({"f32": np.float32, "f64": np.float64}[options.dtype])


def torch_runs():
    import torch
    import torch.distributions as dist
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.Distribution.set_default_validate_args(False)
    x, *arrays = (torch.tensor(row, requires_grad=True) for row in numbers)
    singles = [a.detach()[0].clone().requires_grad_() for a in arrays]

    def density(family, params):
        def run():
            for t in (x, *params):
                t.grad = None
            family(*params).log_prob(x).sum().backward()
        return run

    def draws(family, *params):
        d = family(*(torch.tensor(p, dtype=x.dtype) for p in params))
        return lambda: d.sample((VALUES,))

    return ({"program": "PyTorch", "version": torch.__version__}, dist, arrays, singles,
            density, draws)


def numpyro_runs():
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=false "
                               "intra_op_parallelism_threads=1")
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    jax.config.update("jax_enable_x64", options.dtype == "f64")
    x, *arrays = (jnp.asarray(row) for row in numbers)
    singles = [a[0] for a in arrays]

    def density(family, params):
        def total(x, *params):
            return family(*params, validate_args=False).log_prob(x).sum()
        both = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2)))
        return lambda: jax.block_until_ready(both(x, *params))

    def draws(family, *params):
        params = [jnp.asarray(p, x.dtype) for p in params]
        draw = jax.jit(lambda key, *params: family(*params, validate_args=False).sample(
            key, (VALUES,)))
        key = jax.random.PRNGKey(1)
        return lambda: jax.block_until_ready(draw(key, *params))

    return ({"program": "NumPyro", "version": numpyro.__version__, "jax": jax.__version__},
            dist, arrays, singles, density, draws)


def main():
    about, dist, arrays, singles, density, draws = (
        torch_runs() if options.peer == "torch" else numpyro_runs())
    weights = numbers[0][:CATEGORIES].tolist()
    runs = {
        "Normal log_prob and gradients": density(dist.Normal, arrays),
        "Normal log_prob and gradients, single parameters": density(dist.Normal, singles),
        "Gamma log_prob and gradients": density(dist.Gamma, arrays),
        "Gamma log_prob and gradients, single parameters": density(dist.Gamma, singles),
        "Normal draws": draws(dist.Normal, 1, 2),
        "Gamma(2.5) draws": draws(dist.Gamma, 2.5, 1.5),
        "Gamma(0.5) draws": draws(dist.Gamma, 0.5, 1.5),
        "Categorical draws, 100 categories": draws(dist.Categorical, weights),
    }
    for run in runs.values():
        run()
    about["threads"] = 1
    about["of"] = "a million values, ns per value"

    def work():
        measures = {}
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            measures[f"{name}, {options.dtype}"] = (
                1e9 * (time.perf_counter() - start) / VALUES)
        return measures

    serve(about, work)


if __name__ == "__main__":
    main()
