# SPDX-License-Identifier: MIT
"""Nanoseconds per value and gradient of three log densities over unconstrained numbers:
eight schools (centred, 10 numbers), a logistic regression (1,000 x 20), a hidden Markov
model of 3 states over 500 steps (12 numbers). Both peers loop where their language's cost
is not seen: NumPyro inside one compiled loop, stanli in a C loop over its C function.

    gradients.py --peer numpyro|stanli [--model NAME]

The data are made by formulas (bench/gradient.c has the same), so that the log densities
at a common point can be compared; they are printed.
"""

import argparse
import ctypes
import os
import subprocess
import tempfile
import time

import numpy as np

from serve import serve

parser = argparse.ArgumentParser()
parser.add_argument("--peer", required=True, choices=("numpyro", "stanli"))
parser.add_argument("--model", default="all",
                    choices=("all", "eight schools", "logistic", "hmm"))
options = parser.parse_args()

Y = np.array([28, 8, -3, 7, -1, 1, 18, 12], float)
SIGMA = np.array([15, 10, 16, 11, 9, 11, 10, 18], float)
ROWS, COLUMNS, STATES, STEPS = 1000, 20, 3, 500
X = np.sin(np.arange(ROWS * COLUMNS) * 0.7 + 1).reshape(ROWS, COLUMNS)
LABEL = (np.sin(np.arange(ROWS) * 1.3) + X[:, 0] > 0).astype(int)
SERIES = np.sin(np.arange(STEPS) * 0.31) * 2 + np.cos(np.arange(STEPS) * 1.7)
SIZE = {"eight schools": 10, "logistic": 20, "hmm": 12}
LOOPS = {"eight schools": 200000, "logistic": 2000, "hmm": 1000}


def point(size):
    return 0.1 * np.sin(np.arange(size) + 1.0)


def numpyro_runs():
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=false "
                               "intra_op_parallelism_threads=1")
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer.util import initialize_model
    jax.config.update("jax_enable_x64", True)

    def eight_schools():
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        with numpyro.plate("school", 8):
            theta = numpyro.sample("theta", dist.Normal(mu, tau))
            numpyro.sample("y", dist.Normal(theta, SIGMA), obs=Y)

    def logistic():
        beta = numpyro.sample("beta", dist.Normal(0, 1).expand([COLUMNS]).to_event(1))
        numpyro.sample("label", dist.Bernoulli(logits=X @ beta).to_event(1), obs=LABEL)

    def hmm():
        logits = numpyro.sample("logits", dist.Normal(0, 1).expand([STATES, STATES]).to_event(2))
        loc = numpyro.sample("loc", dist.Normal(0, 2).expand([STATES]).to_event(1))
        move = jax.nn.log_softmax(logits, -1)
        emit = dist.Normal(loc, 1).log_prob(jnp.asarray(SERIES)[:, None])

        def step(alpha, now):
            return jax.nn.logsumexp(alpha[:, None] + move, 0) + now, None

        alpha, _ = jax.lax.scan(step, jnp.full(STATES, -jnp.log(STATES)), emit)
        numpyro.factor("series", jax.nn.logsumexp(alpha))

    names = {"eight schools": (eight_schools, ("mu", "tau", "theta")),
             "logistic": (logistic, ("beta",)), "hmm": (hmm, ("logits", "loc"))}
    runs = {}
    for name, (model, sites) in names.items():
        potential = initialize_model(jax.random.PRNGKey(0), model).potential_fn
        shapes = {"mu": (), "tau": (), "theta": (8,), "beta": (COLUMNS,),
                  "logits": (STATES, STATES), "loc": (STATES,)}

        def density(x, sites=sites, potential=potential, shapes=shapes):
            parts, at = {}, 0
            for site in sites:
                count = int(np.prod(shapes[site], dtype=int))
                parts[site] = x[at:at + count].reshape(shapes[site])
                at += count
            return -potential(parts)

        both = jax.value_and_grad(density)

        @jax.jit
        def loop(x, count, both=both):
            def body(_, carry):
                total, x = carry
                value, gradient = both(x)
                return total + value, x + 1e-12 * gradient
            return jax.lax.fori_loop(0, count, body, (0.0, x))

        x = jnp.asarray(point(SIZE[name]))
        loop(x, 1)[0].block_until_ready()
        runs[name] = (lambda count, loop=loop, x=x: loop(x, count)[0].block_until_ready(),
                      float(density(x)))
    return {"program": "NumPyro", "version": numpyro.__version__, "jax": jax.__version__}, runs


STAN = {
    "eight schools": ("""
        data { vector[8] y; vector[8] sigma; }
        parameters { real mu; real<lower=0> tau; vector[8] theta; }
        model {
          target += normal_lpdf(mu | 0, 5);
          target += cauchy_lpdf(tau | 0, 5) + log(2);
          target += normal_lpdf(theta | mu, tau);
          target += normal_lpdf(y | theta, sigma);
        }""", lambda: {"y": Y, "sigma": SIGMA}),
    "logistic": (f"""
        data {{ matrix[{ROWS}, {COLUMNS}] x; array[{ROWS}] int label; }}
        parameters {{ vector[{COLUMNS}] beta; }}
        model {{
          target += normal_lpdf(beta | 0, 1);
          target += bernoulli_logit_glm_lpmf(label | x, 0, beta);
        }}""", lambda: {"x": X, "label": LABEL}),
    "hmm": (f"""
        data {{ vector[{STEPS}] y; }}
        parameters {{ array[3] vector[3] logits; vector[3] loc; }}
        model {{
          array[3] vector[3] move;
          vector[3] alpha;
          for (i in 1:3) {{
            target += normal_lpdf(logits[i] | 0, 1);
            move[i] = log_softmax(logits[i]);
          }}
          target += normal_lpdf(loc | 0, 2);
          alpha = rep_vector(-log(3), 3);
          for (t in 1:{STEPS}) {{
            vector[3] next;
            for (k in 1:3) {{
              vector[3] from;
              for (i in 1:3) from[i] = alpha[i] + move[i][k];
              next[k] = log_sum_exp(from) + normal_lpdf(y[t] | loc[k], 1);
            }}
            alpha = next;
          }}
          target += log_sum_exp(alpha);
        }}""", lambda: {"y": SERIES}),
}

LOOP = """
typedef int (*gradient)(void *, const double *, double *, double *);
int loop(gradient f, void *model, double *x, long n, long count) {
    double value, slope[64];
    for (long i = 0; i < count; i++) {
        if (f(model, x, &value, slope)) return 1;
        for (long k = 0; k < n; k++) x[k] += 1e-12 * slope[k];
    }
    return 0;
}
"""


def stanli_runs():
    import stanli
    folder = tempfile.mkdtemp()
    with open(f"{folder}/loop.c", "w") as file:
        file.write(LOOP)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", f"{folder}/loop.so",
                    f"{folder}/loop.c"], check=True)
    loop = ctypes.CDLL(f"{folder}/loop.so").loop
    loop.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_double),
                     ctypes.c_long, ctypes.c_long]
    gradient = ctypes.cast(stanli._lib.stanli_grad, ctypes.c_void_p)
    runs = {}
    for name, (code, data) in STAN.items():
        model = stanli.Model(stan_code=code, data=data())
        x = point(SIZE[name])
        assert model.n_unconstrained == len(x)

        def run(count, model=model, x=x):
            buffer = x.copy()
            pointer = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
            assert loop(gradient, model._m, pointer, len(buffer), count) == 0
        runs[name] = run, model.log_prob_grad(x)[0]
    return {"program": "stanli", "version": "0.24.0"}, runs


def main():
    about, runs = numpyro_runs() if options.peer == "numpyro" else stanli_runs()
    about["log density"] = {name: value for name, (_, value) in runs.items()}
    about["threads"] = 1

    def work():
        measures = {}
        for name, (run, _) in runs.items():
            if options.model in ("all", name):
                start = time.perf_counter()
                run(LOOPS[name])
                seconds = time.perf_counter() - start
                measures[f"{name}, ns per gradient"] = 1e9 * seconds / LOOPS[name]
        return measures

    serve(about, work)


if __name__ == "__main__":
    main()
