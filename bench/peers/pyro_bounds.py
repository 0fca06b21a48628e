# SPDX-License-Identifier: MIT
"""Kiln's Deep Markov Model judged by Pyro: the bounds that Pyro gives for the weights of a
checkpoint of examples/dmm, and those of a training run in Pyro, as examples/dmm logs them.

    pyro_bounds.py --data FILE --checkpoint FILE.safetensors
    pyro_bounds.py --data FILE --epochs N [--elbo trace|meanfield] [--every N] [--threads N]
"""

import argparse
import time

import numpy as np
import pyro
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.optim import ClippedAdam

import chorales
from pyro_dmm import Dmm


def arguments(batch, weight):
    """What model and guide take."""
    x, reverse, mask = map(torch.from_numpy, chorales.padded(batch))
    return x, reverse, mask, torch.tensor([len(roll) for roll in batch]), weight


def bound(svi, rolls):
    """Of all sequences at once, at weight 1, in nats per time step."""
    batch = sorted(rolls, key=len, reverse=True)
    return svi.evaluate_loss(*arguments(batch, 1.0)) / sum(map(len, rolls))


def load(dmm, path):
    """The parameters of a checkpoint, found by their names."""
    from safetensors.torch import load_file

    stored = load_file(path)
    own = dmm.state_dict()
    dmm.load_state_dict({name: stored[name].reshape(own[name].shape) for name in own})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--elbo", default="trace", choices=("meanfield", "trace"))
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    pyro.set_rng_seed(options.seed)
    pyro.enable_validation(False)
    splits = [chorales.load(options.data, split) for split in ("train", "valid", "test")]
    generator, dmm = np.random.default_rng(options.seed), Dmm()
    if options.checkpoint:
        load(dmm, options.checkpoint)
    optimiser = ClippedAdam({"lr": chorales.LR, "betas": chorales.BETAS,
                             "clip_norm": chorales.CLIP, "lrd": chorales.DECAY,
                             "weight_decay": chorales.WEIGHT_DECAY})
    svi = SVI(dmm.model, dmm.guide, optimiser,
              loss=TraceMeanField_ELBO() if options.elbo == "meanfield" else Trace_ELBO())
    frames, step = sum(map(len, splits[0])), 0
    steps_per_epoch = -(-len(splits[0]) // chorales.BATCH)
    print("epoch,seconds,train_bound,valid_bound,test_bound")
    if options.checkpoint:
        print("0,0," + ",".join(f"{bound(svi, rolls):.4f}" for rolls in splits))
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        for batch in chorales.minibatches(splits[0], generator):
            weight = chorales.annealing(step, steps_per_epoch)
            total, step = total + svi.step(*arguments(batch, weight)), step + 1
        if epoch % options.every == 0:
            print(f"{epoch},{time.perf_counter() - start:.0f},{total / frames:.4f},"
                  f"{bound(svi, splits[1]):.4f},{bound(svi, splits[2]):.4f}", flush=True)


if __name__ == "__main__":
    main()
