# SPDX-License-Identifier: MIT
"""The chorales as the peers' programs need them, and the settings of Pyro's DMM example."""

import json

import numpy as np

NOTES, Z, EMISSION, TRANSITION, RNN = 88, 100, 100, 200, 600
BATCH, LR, BETAS, CLIP, DECAY, WEIGHT_DECAY = 20, 3e-4, (0.96, 0.999), 10.0, 0.99996, 2.0
ANNEAL_EPOCHS, MIN_ANNEAL = 1000, 0.2


def load(path, split="train"):
    """A list of arrays [T,88] of 0 and 1."""
    with open(path) as file:
        pieces = json.load(file)[split]
    rolls = []
    for piece in pieces:
        roll = np.zeros((len(piece), NOTES), np.float32)
        for t, chord in enumerate(piece):
            roll[t, [int(note) - 21 for note in chord if note >= 0]] = 1
        rolls.append(roll)
    return rolls


def minibatches(rolls, generator):
    """One epoch: lists of sequences in random order, each list longest first."""
    order = generator.permutation(len(rolls))
    for start in range(0, len(rolls), BATCH):
        batch = [rolls[i] for i in order[start:start + BATCH]]
        yield sorted(batch, key=len, reverse=True)


def annealing(step, steps_per_epoch):
    """The weight of the KL terms at a step counted from 0."""
    share = min(1.0, (step + 1) / (ANNEAL_EPOCHS * steps_per_epoch))
    return MIN_ANNEAL + (1 - MIN_ANNEAL) * share


def padded(batch, length=None):
    """[B,T,88], the same with each sequence's own steps reversed, and the mask [B,T]."""
    length = length or len(batch[0])
    x = np.zeros((len(batch), length, NOTES), np.float32)
    reverse, mask = x.copy(), np.zeros((len(batch), length), np.float32)
    for row, roll in enumerate(batch):
        x[row, :len(roll)] = roll
        reverse[row, :len(roll)] = roll[::-1]
        mask[row, :len(roll)] = 1
    return x, reverse, mask
