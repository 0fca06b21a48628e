# SPDX-License-Identifier: MIT
"""The Deep Markov Model as a loop in PyTorch, without Pyro: what a good programmer writes.

Only the running sequences are computed (sorted by length, a prefix of rows), the RNN runs
packed. With --batched the transition and the emitter, whose inputs are all known once the
guide's loop is done, run over all time steps at once; without it, step by step as the
model reads.

    torch_dmm.py --data FILE [--elbo meanfield|trace] [--threads N] [--batched]
"""

import argparse
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils.rnn import PackedSequence

import chorales
from chorales import EMISSION, NOTES, RNN, TRANSITION, Z
from serve import serve, timed


class Dmm(nn.Module):
    def __init__(self):
        super().__init__()
        self.emit = nn.Sequential(nn.Linear(Z, EMISSION), nn.ReLU(),
                                  nn.Linear(EMISSION, EMISSION), nn.ReLU(),
                                  nn.Linear(EMISSION, NOTES))
        self.gate = nn.Sequential(nn.Linear(Z, TRANSITION), nn.ReLU(),
                                  nn.Linear(TRANSITION, Z), nn.Sigmoid())
        self.proposed = nn.Sequential(nn.Linear(Z, TRANSITION), nn.ReLU(),
                                      nn.Linear(TRANSITION, Z))
        self.to_loc, self.to_scale = nn.Linear(Z, Z), nn.Linear(Z, Z)
        nn.init.eye_(self.to_loc.weight)
        nn.init.zeros_(self.to_loc.bias)
        self.z_to_hidden = nn.Linear(Z, RNN)
        self.hidden_to_loc, self.hidden_to_scale = nn.Linear(RNN, Z), nn.Linear(RNN, Z)
        self.rnn = nn.RNN(NOTES, RNN, nonlinearity="relu")
        self.z_0, self.z_q_0 = nn.Parameter(torch.zeros(Z)), nn.Parameter(torch.zeros(Z))
        self.h_0 = nn.Parameter(torch.zeros(RNN))

    def transition(self, z):
        gate, proposed = self.gate(z), self.proposed(z)
        loc = (1 - gate) * self.to_loc(z) + gate * proposed
        return loc, softplus(self.to_scale(torch.relu(proposed)))

    def guide_step(self, z, h):
        hidden = (torch.tanh(self.z_to_hidden(z)) + h) / 2
        return self.hidden_to_loc(hidden), softplus(self.hidden_to_scale(hidden))

    def states(self, reverse, active, back):
        """The RNN's states, packed in order of time."""
        packed = PackedSequence(reverse, torch.tensor(active))
        h_0 = self.h_0.expand(1, active[0], RNN).contiguous()
        return self.rnn(packed, h_0)[0].data[back]


def log_normal(z, loc, scale):
    return (-((z - loc) / scale) ** 2 / 2 - scale.log() - math.log(2 * math.pi) / 2).sum()


def divergence(q, p, z, analytic):
    (loc_q, scale_q), (loc_p, scale_p) = q, p
    if not analytic:
        return log_normal(z, loc_q, scale_q) - log_normal(z, loc_p, scale_p)
    ratio = scale_q / scale_p
    return ((ratio ** 2 + ((loc_q - loc_p) / scale_p) ** 2 - 1) / 2 - ratio.log()).sum()


def bernoulli(x, logits):
    return (x * logits - softplus(logits)).sum()


def loss(model, x, reverse, active, back, weight, analytic, batched):
    h = model.states(reverse, active, back).split(active)
    z, z_q, total, kept = model.z_0.expand(active[0], Z), None, 0, []
    previous = model.z_q_0.expand(active[0], Z)
    xs = x.split(active)
    for t, n in enumerate(active):
        q = model.guide_step(previous[:n], h[t])
        z_q = q[0] + q[1] * torch.randn_like(q[0])
        if batched:
            kept.append((z[:n], q[0], q[1], z_q))
        else:
            p = model.transition(z[:n])
            total = total + weight * divergence(q, p, z_q, analytic)
            total = total - bernoulli(xs[t], model.emit(z_q))
        z = previous = z_q
    if batched:
        before, loc, scale, z = (torch.cat(part) for part in zip(*kept))
        kl = divergence((loc, scale), model.transition(before), z, analytic)
        total = weight * kl - bernoulli(x, model.emit(z))
    return total


class ClippedAdam:
    """Pyro's rule on foreach kernels: elementwise clipping, a decaying rate."""

    def __init__(self, params):
        self.params, self.step_count = list(params), 0
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        self.step_count += 1
        b1, b2 = chorales.BETAS
        lr = chorales.LR * chorales.DECAY ** self.step_count
        grads = [p.grad.clamp_(-chorales.CLIP, chorales.CLIP) for p in self.params]
        torch._foreach_add_(grads, self.params, alpha=chorales.WEIGHT_DECAY)
        torch._foreach_lerp_(self.m, grads, 1 - b1)
        torch._foreach_mul_(self.v, b2)
        torch._foreach_addcmul_(self.v, grads, grads, 1 - b2)
        size = lr * math.sqrt(1 - b2 ** self.step_count) / (1 - b1 ** self.step_count)
        roots = torch._foreach_sqrt(self.v)
        torch._foreach_add_(roots, 1e-8)
        torch._foreach_addcdiv_(self.params, self.m, roots, -size)
        for p in self.params:
            p.grad = None


def pack(batch):
    """x and the reversed x packed in order of time, and where each step's state is."""
    lengths = [len(roll) for roll in batch]
    active = [sum(n > t for n in lengths) for t in range(lengths[0])]
    offset = np.concatenate([[0], np.cumsum(active)[:-1]])
    x = np.concatenate([[batch[b][t] for b in range(n)] for t, n in enumerate(active)])
    reverse = np.concatenate([[batch[b][lengths[b] - 1 - t] for b in range(n)]
                              for t, n in enumerate(active)])
    back = np.concatenate([[offset[lengths[b] - 1 - t] + b for b in range(n)]
                           for t, n in enumerate(active)])
    return torch.from_numpy(x), torch.from_numpy(reverse), active, torch.from_numpy(back)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--elbo", default="meanfield", choices=("meanfield", "trace"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batched", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    rolls, generator = chorales.load(options.data), np.random.default_rng(0)
    model = Dmm()
    optimiser, frames, step = ClippedAdam(model.parameters()), sum(map(len, rolls)), 0
    steps_per_epoch = -(-len(rolls) // chorales.BATCH)

    def epoch():
        nonlocal step
        total = 0.0
        for batch in chorales.minibatches(rolls, generator):
            weight = chorales.annealing(step, steps_per_epoch)
            value = loss(model, *pack(batch), weight, options.elbo == "meanfield",
                         options.batched)
            value.backward()
            optimiser.step()
            total, step = total + float(value.detach()), step + 1
        return total / frames

    epoch()
    last = 0.0

    def work():
        nonlocal last

        def once():
            nonlocal last
            last = epoch()
        return {"epoch, s": timed(once), "loss, nats per step": last}

    serve({"program": "PyTorch loop", "version": torch.__version__,
           "threads": options.threads, "elbo": options.elbo}, work)


if __name__ == "__main__":
    main()
