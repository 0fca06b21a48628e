# SPDX-License-Identifier: MIT
"""The Deep Markov Model in Pyro, in the idiom of Pyro's own example: modules, a plate, a
scale, masked and padded time steps, ClippedAdam, Trace_ELBO or TraceMeanField_ELBO.

    pyro_dmm.py --data FILE [--elbo meanfield|trace] [--threads N]
"""

import argparse

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.optim import ClippedAdam
from torch import nn
from torch.nn.functional import softplus

import chorales
from chorales import EMISSION, NOTES, RNN, TRANSITION, Z
from serve import serve, timed


class Emitter(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin_z_to_hidden = nn.Linear(Z, EMISSION)
        self.lin_hidden_to_hidden = nn.Linear(EMISSION, EMISSION)
        self.lin_hidden_to_input = nn.Linear(EMISSION, NOTES)

    def forward(self, z):
        hidden = torch.relu(self.lin_z_to_hidden(z))
        hidden = torch.relu(self.lin_hidden_to_hidden(hidden))
        return torch.sigmoid(self.lin_hidden_to_input(hidden))


class GatedTransition(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin_gate_z_to_hidden = nn.Linear(Z, TRANSITION)
        self.lin_gate_hidden_to_z = nn.Linear(TRANSITION, Z)
        self.lin_proposed_mean_z_to_hidden = nn.Linear(Z, TRANSITION)
        self.lin_proposed_mean_hidden_to_z = nn.Linear(TRANSITION, Z)
        self.lin_sig = nn.Linear(Z, Z)
        self.lin_z_to_loc = nn.Linear(Z, Z)
        self.lin_z_to_loc.weight.data = torch.eye(Z)
        self.lin_z_to_loc.bias.data = torch.zeros(Z)

    def forward(self, z):
        gate = torch.relu(self.lin_gate_z_to_hidden(z))
        gate = torch.sigmoid(self.lin_gate_hidden_to_z(gate))
        proposed = torch.relu(self.lin_proposed_mean_z_to_hidden(z))
        proposed = self.lin_proposed_mean_hidden_to_z(proposed)
        loc = (1 - gate) * self.lin_z_to_loc(z) + gate * proposed
        return loc, softplus(self.lin_sig(torch.relu(proposed)))


class Combiner(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin_z_to_hidden = nn.Linear(Z, RNN)
        self.lin_hidden_to_loc = nn.Linear(RNN, Z)
        self.lin_hidden_to_scale = nn.Linear(RNN, Z)

    def forward(self, z, h):
        hidden = 0.5 * (torch.tanh(self.lin_z_to_hidden(z)) + h)
        return self.lin_hidden_to_loc(hidden), softplus(self.lin_hidden_to_scale(hidden))


class Dmm(nn.Module):
    def __init__(self):
        super().__init__()
        self.emitter, self.trans, self.combiner = Emitter(), GatedTransition(), Combiner()
        self.rnn = nn.RNN(NOTES, RNN, nonlinearity="relu", batch_first=True)
        self.z_0, self.z_q_0 = nn.Parameter(torch.zeros(Z)), nn.Parameter(torch.zeros(Z))
        self.h_0 = nn.Parameter(torch.zeros(1, 1, RNN))

    def model(self, x, reverse, mask, lengths, weight):
        pyro.module("dmm", self)
        z = self.z_0.expand(len(x), Z)
        with pyro.plate("z_minibatch", len(x)):
            for t in pyro.markov(range(1, x.size(1) + 1)):
                loc, scale = self.trans(z)
                now = mask[:, t - 1:t]
                with poutine.scale(scale=weight):
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, scale).mask(now).to_event(1))
                pyro.sample(f"obs_x_{t}",
                            dist.Bernoulli(self.emitter(z)).mask(now).to_event(1),
                            obs=x[:, t - 1])

    def guide(self, x, reverse, mask, lengths, weight):
        pyro.module("dmm", self)
        packed = nn.utils.rnn.pack_padded_sequence(reverse, lengths, batch_first=True)
        h_0 = self.h_0.expand(1, len(x), RNN).contiguous()
        h = nn.utils.rnn.pad_packed_sequence(self.rnn(packed, h_0)[0], batch_first=True)[0]
        h = torch.stack([nn.functional.pad(row[:n].flip(0), (0, 0, 0, h.size(1) - n))
                         for row, n in zip(h, lengths.tolist())])
        z = self.z_q_0.expand(len(x), Z)
        with pyro.plate("z_minibatch", len(x)):
            for t in pyro.markov(range(1, x.size(1) + 1)):
                loc, scale = self.combiner(z, h[:, t - 1])
                with poutine.scale(scale=weight):
                    z = pyro.sample(f"z_{t}", dist.Normal(loc, scale)
                                    .mask(mask[:, t - 1:t]).to_event(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--elbo", default="meanfield", choices=("meanfield", "trace"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    pyro.set_rng_seed(0)
    pyro.enable_validation(False)
    rolls, generator = chorales.load(options.data), np.random.default_rng(0)
    dmm = Dmm()
    optimiser = ClippedAdam({"lr": chorales.LR, "betas": chorales.BETAS,
                             "clip_norm": chorales.CLIP, "lrd": chorales.DECAY,
                             "weight_decay": chorales.WEIGHT_DECAY})
    elbo = TraceMeanField_ELBO() if options.elbo == "meanfield" else Trace_ELBO()
    svi = SVI(dmm.model, dmm.guide, optimiser, loss=elbo)
    frames, step = sum(map(len, rolls)), 0
    steps_per_epoch = -(-len(rolls) // chorales.BATCH)

    def epoch():
        nonlocal step
        total = 0.0
        for batch in chorales.minibatches(rolls, generator):
            x, reverse, mask = map(torch.from_numpy, chorales.padded(batch))
            lengths = torch.tensor([len(roll) for roll in batch])
            weight = chorales.annealing(step, steps_per_epoch)
            total, step = total + svi.step(x, reverse, mask, lengths, weight), step + 1
        return total / frames

    epoch()
    last = 0.0

    def work():
        nonlocal last

        def once():
            nonlocal last
            last = epoch()
        return {"epoch, s": timed(once), "loss, nats per step": last}

    serve({"program": "Pyro", "version": pyro.__version__, "torch": torch.__version__,
           "threads": options.threads, "elbo": options.elbo}, work)


if __name__ == "__main__":
    main()
