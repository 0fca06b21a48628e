# SPDX-License-Identifier: MIT
"""The Deep Markov Model in NumPyro: jit-compiled SVI with `scan` over time, padded and
masked. Minibatches are padded to multiples of --bucket steps, so that a few shapes are
compiled once each; the compilation is behind the set-up and reported apart. The inputs of
emitter and transition are all known once the guide's scan is done, so the model computes
them for all time steps at once, which suits XLA best.

    numpyro_dmm.py --data FILE [--elbo meanfield|trace] [--threads N] [--bucket 16]
"""

import argparse
import os
import time

import numpy as np

import chorales
from chorales import EMISSION, NOTES, RNN, TRANSITION, Z
from serve import serve, timed

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--elbo", default="meanfield", choices=("meanfield", "trace"))
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--bucket", type=int, default=16)
options = parser.parse_args()
os.environ["XLA_FLAGS"] = (f"--xla_cpu_multi_thread_eigen={str(options.threads > 1).lower()} "
                           f"intra_op_parallelism_threads={options.threads}")

import jax                                  # noqa: E402  (reads XLA_FLAGS)
import jax.numpy as jnp                     # noqa: E402
import numpyro                              # noqa: E402
import numpyro.distributions as dist        # noqa: E402
from jax.nn import relu, sigmoid, softplus  # noqa: E402
from numpyro import handlers                # noqa: E402
from numpyro.contrib.control_flow import scan   # noqa: E402
from numpyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO  # noqa: E402
from numpyro.optim import _NumPyroOptim     # noqa: E402


def layer(name, into, out, identity=False):
    """The parameters of a linear map, looked up outside of scans, as a function."""
    bound = 1 / into ** 0.5
    spread = dist.Uniform(-bound, bound)
    weight = numpyro.param(f"{name}.weight", lambda key: jnp.eye(into) if identity
                           else spread.sample(key, (into, out)))
    bias = numpyro.param(f"{name}.bias", lambda key: jnp.zeros(out) if identity
                         else spread.sample(key, (out,)))
    return lambda x: x @ weight + bias


def transition_of():
    gate_in, gate_out = layer("trans.gate_in", Z, TRANSITION), layer("trans.gate_out", TRANSITION, Z)
    proposed_in = layer("trans.proposed_in", Z, TRANSITION)
    proposed_out = layer("trans.proposed_out", TRANSITION, Z)
    to_loc, to_scale = layer("trans.loc", Z, Z, identity=True), layer("trans.sig", Z, Z)

    def transition(z):
        gate = sigmoid(gate_out(relu(gate_in(z))))
        proposed = proposed_out(relu(proposed_in(z)))
        loc = (1 - gate) * to_loc(z) + gate * proposed
        return loc, softplus(to_scale(relu(proposed)))
    return transition


def emitter_of():
    first, second = layer("emit.first", Z, EMISSION), layer("emit.second", EMISSION, EMISSION)
    third = layer("emit.third", EMISSION, NOTES)
    return lambda z: third(relu(second(relu(first(z)))))


def model(x, reverse, mask, back, weight):
    transition, emit = transition_of(), emitter_of()
    start = jnp.broadcast_to(numpyro.param("z_0", jnp.zeros(Z)), (x.shape[1], Z))

    def step(z, now):
        with handlers.scale(scale=weight):
            z = numpyro.sample("z", dist.Normal(*transition(z)).mask(now[:, None]).to_event(1))
        return z, z

    _, zs = scan(step, start, mask)
    observed = dist.Bernoulli(logits=emit(zs)).mask(mask[..., None]).to_event(1)
    numpyro.sample("x", observed, obs=x)


def guide(x, reverse, mask, back, weight):
    bound = 1 / RNN ** 0.5
    spread = dist.Uniform(-bound, bound)
    w_ih = numpyro.param("rnn.w_ih", lambda key: spread.sample(key, (NOTES, RNN)))
    w_hh = numpyro.param("rnn.w_hh", lambda key: spread.sample(key, (RNN, RNN)))
    bias = numpyro.param("rnn.bias", lambda key: spread.sample(key, (2, RNN)))
    h_0 = numpyro.param("h_0", jnp.zeros(RNN))
    projected = reverse @ w_ih + bias.sum(0)

    def rnn(h, x_t):
        h = relu(x_t + h @ w_hh)
        return h, h

    _, h = jax.lax.scan(rnn, jnp.broadcast_to(h_0, (x.shape[1], RNN)), projected)
    h = jnp.take_along_axis(h, back[..., None], axis=0)
    to_hidden, to_loc = layer("combiner.hidden", Z, RNN), layer("combiner.loc", RNN, Z)
    to_scale = layer("combiner.scale", RNN, Z)
    start = jnp.broadcast_to(numpyro.param("z_q_0", jnp.zeros(Z)), (x.shape[1], Z))

    def step(z, now):
        h_t, mask_t = now
        hidden = 0.5 * (jnp.tanh(to_hidden(z)) + h_t)
        q = dist.Normal(to_loc(hidden), softplus(to_scale(hidden)))
        with handlers.scale(scale=weight):
            z = numpyro.sample("z", q.mask(mask_t[:, None]).to_event(1))
        return z, None

    scan(step, start, (h, mask))


def clipped_adam():
    """Pyro's rule, as numpyro.optim.ClippedAdam has no decay of rate and weights."""
    b1, b2 = chorales.BETAS

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return params, zeros, zeros

    def update(i, grads, state):
        params, m, v = state
        t = i + 1.0
        size = (chorales.LR * chorales.DECAY ** t * jnp.sqrt(1 - b2 ** t) / (1 - b1 ** t))
        grads = jax.tree.map(lambda g, p: jnp.clip(g, -chorales.CLIP, chorales.CLIP)
                             + chorales.WEIGHT_DECAY * p, grads, params)
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, grads)
        params = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) + 1e-8),
                              params, m, v)
        return params, m, v

    return _NumPyroOptim(lambda: (init, update, lambda state: state[0]))


def padded(batch):
    """Time first, as scans want it; a last minibatch is filled up with empty sequences."""
    length = -(-len(batch[0]) // options.bucket) * options.bucket
    batch = batch + [np.zeros((0, NOTES), np.float32)] * (chorales.BATCH - len(batch))
    x, reverse, mask = chorales.padded(batch, length)
    back = np.array([[(len(roll) - 1 - t) % length for roll in batch] for t in range(length)])
    return x.swapaxes(0, 1), reverse.swapaxes(0, 1), mask.T.astype(bool), back


def main():
    rolls, generator = chorales.load(options.data), np.random.default_rng(0)
    elbo = TraceMeanField_ELBO() if options.elbo == "meanfield" else Trace_ELBO()
    svi = SVI(model, guide, clipped_adam(), elbo)
    frames, step, compiled = sum(map(len, rolls)), 0, {}
    steps_per_epoch = -(-len(rolls) // chorales.BATCH)
    first = padded(next(chorales.minibatches(rolls, np.random.default_rng(1))))
    state = svi.init(jax.random.PRNGKey(0), *first, 0.2)
    update = jax.jit(svi.update)
    start = time.perf_counter()
    longest = max(map(len, rolls))
    for length in range(options.bucket, longest + options.bucket, options.bucket):
        arguments = padded([np.ones((length, NOTES), np.float32)] * chorales.BATCH)
        compiled[length] = update.lower(state, *arguments, 0.2).compile()
    compilation = time.perf_counter() - start

    def epoch():
        nonlocal state, step
        losses = []
        for batch in chorales.minibatches(rolls, generator):
            arguments = padded(batch)
            weight = np.float32(chorales.annealing(step, steps_per_epoch))
            state, loss = compiled[len(arguments[0])](state, *arguments, weight)
            losses.append(loss)
            step += 1
        return float(sum(losses)) / frames

    epoch()
    last = 0.0

    def work():
        nonlocal last

        def once():
            nonlocal last
            last = epoch()
        return {"epoch, s": timed(once), "loss, nats per step": last}

    serve({"program": "NumPyro", "version": numpyro.__version__, "jax": jax.__version__,
           "threads": options.threads, "elbo": options.elbo,
           "compilation, s": compilation, "shapes compiled": len(compiled)}, work)


if __name__ == "__main__":
    main()
