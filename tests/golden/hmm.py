# SPDX-License-Identifier: MIT
"""Hidden Markov models -> distributions/discrete_hmm.json, distributions/gaussian_hmm.json,
hmm.json (filters and posteriors).

Discrete states: the sum over all paths, in mpmath. Both are compared with Pyro's
DiscreteHMM and GaussianHMM in this script.
"""

import sys
from itertools import product
from pathlib import Path

import pyro.distributions
import torch
from mpmath import exp, log, mpf, pi

from event_table import exact, near, record, write_family
from golden import plain, write_json

torch.set_default_dtype(torch.float64)


def log_softmax(x):
    norm = log(sum(map(exp, x)))
    return [t - norm for t in x]


def normal(x, loc, scale):
    return -((x - loc) / scale) ** 2 / 2 - log(scale) - log(2 * pi) / 2


def tensor(x):
    return torch.tensor(plain(x))


# Discrete states


def at(rows, t):
    """What holds at step t: one for all steps, or one each."""
    return rows[t] if len(rows) > 1 else rows[0]


def path_weights(initial, transition, observed):
    """log p(path, x) of every path z_0 .. z_T; observed(t, j) = log p(x_t | z_t = j)."""
    S, T = len(initial), observed.T
    first = log_softmax(initial)
    steps = [[log_softmax(row) for row in rows] for rows in transition]
    for z in product(range(S), repeat=T + 1):
        yield z, first[z[0]] + sum(at(steps, t)[z[t]][z[t + 1]] + observed(t, z[t + 1])
                                   for t in range(T))


class Normals:
    def __init__(self, x, loc, scale):
        self.x, self.loc, self.scale, self.T = x, loc, scale, len(x)

    def __call__(self, t, j):
        return normal(self.x[t], at(self.loc, t)[j], at(self.scale, t)[j])


class Categories:
    """x_t of probabilities probs[t or 0][j]."""

    def __init__(self, x, probs):
        self.x, self.probs, self.T = x, probs, len(x)

    def __call__(self, t, j):
        row = at(self.probs, t)[j]
        return log(row[self.x[t]] / sum(row))


def total(initial, transition, observed):
    return log(sum(exp(w) for _, w in path_weights(initial, transition, observed)))


def discrete(x, initial, transition, loc, scale):
    return total(initial, transition, Normals(x, loc, scale))


def marginals(initial, transition, observed):
    """P(z_t = j | x) for t = 1 .. T."""
    S, T = len(initial), observed.T
    sums = [[mpf(0)] * S for _ in range(T)]
    mass = mpf(0)
    for z, weight in path_weights(initial, transition, observed):
        p = exp(weight)
        mass += p
        for t in range(T):
            sums[t][z[t + 1]] += p
    return [[s / mass for s in row] for row in sums]


DISCRETE = [  # initial, transition, loc, scale, x
    ([0, 0], [[[1, 0], [0, 1]]], [[-1, 1]], [[1, 0.5]], [0.5, -0.25]),
    ([2, -1], [[[1, 0], [0, 1]]], [[-1, 1]], [[1, 0.5]], [0.5]),
    ([0.5, -0.5, 1], [[[1, 0, -1], [0.5, 2, 0], [0, 0, 3]]], [[-2, 0, 2]], [[1, 1, 1]],
     [0.25, -1, 2]),
    ([0, 1], [[[1, 0], [0, 1]], [[0, 2], [-1, 0]], [[0.5, 0], [0.25, 0]]],
     [[-1, 1], [0, 2], [1, 3]], [[1, 0.5], [0.25, 2], [1, 1]], [0, 1, 2]),
    ([0], [[[0]]], [[0.5]], [[2]], [1, 2, 3]),
    ([0, 0], [[[30, 0], [0, 30]]], [[-1, 1]], [[0.125, 0.125]], [-1, 1, -1]),
    ([100, 101], [[[1000, 999], [-500, -500]]], [[0, 1]], [[1, 1]], [0.5, 0.25]),
    ([0, 0], [[[0, 0], [0, 0]]], [[0, 0]], [[1, 1]], [50, -50]),
    ([0, -800], [[[0, -800], [-800, 0]]], [[0, 100]], [[1, 1]], [100, 100]),
    ([0, 0], [[[1, 0], [0, 1]]], [[-1, 1]], [[1e-4, 1e4]], [-1, 5000]),
    ([1, 2, 3, 4], [[[1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 0, 0], [2, 0, 2, 0]]],
     [[0, 1, 2, 3]], [[1, 1, 0.5, 0.5]], [0.5, 3]),
    ([0.25, 0], [[[0, 0.5], [0.75, 0]], [[1, 0], [0, 1]]], [[0, 1]], [[1, 1]], [0, 1]),
    ([0.25, 0], [[[0, 0.5], [0.75, 0]]], [[0, 1], [1, 0]], [[1, 1], [2, 2]], [0, 1]),
    ([0, 0.5, 0], [[[0, 1, 2], [2, 0, 1], [1, 2, 0]]], [[1, 2, 3]], [[1, 2, 4]],
     [1, 1, 4, -1]),
    ([3, 0], [[[0, 0], [5, -5]]], [[-10, 10]], [[3, 3]], [0, 0, 0, 0, 0, 0]),
    ([0, 0], [[[0.125, 0], [0, 0.125]]], [[0.5, 0.75]], [[1, 1]], [0.5] * 7),
    ([-1, 1], [[[2, 1], [1, 2]]], [[1e3, -1e3]], [[100, 100]], [900, -1100, 0]),
    ([0, 0, 0, 0, 0], [[[1 if i == j else 0 for j in range(5)] for i in range(5)]],
     [[-2, -1, 0, 1, 2]], [[0.5] * 5], [0.25, 1.5, -0.75]),
    ([1, -1], [[[0, 3], [3, 0]]], [[0, 4]], [[1, 1]], [4, 0, 4, 0]),
    ([1, -1], [[[0, 3], [3, 0]]], [[0, 4]], [[1, 1]], [0, 0, 0, 0]),
]


def make_discrete():
    records = []
    for initial, transition, loc, scale, x in DISCRETE:
        params = [initial, transition, loc, scale]
        hmm = pyro.distributions.DiscreteHMM(
            tensor(exact(initial)), tensor(exact(transition)),
            pyro.distributions.Normal(tensor(exact(loc)), tensor(exact(scale))))
        near(hmm.log_prob(tensor(exact(x))).item(), discrete(exact(x), *exact(params)))
        records.append(record(discrete, params, x, attr=[len(x)]))
    points = [dict(params=exact([initial, transition, loc, scale]), attr=[2])
              for initial, transition, loc, scale in (
                  ([0, 1], [[[1, 0], [0, 2]]], [[-1, 2]], [[1, 0.5]]),
                  ([1, 0.5], [[[0, 3], [1, 0]]], [[0.25, 1]], [[0.5, 0.25]]))]
    write_family("discrete_hmm", records, points)


def discrete_states():
    """Filters and posteriors, of normal and of categorical observations."""
    cases = []
    for initial, transition, loc, scale, x in DISCRETE:
        i, a, l, s = exact([initial, transition, loc, scale])
        observed = Normals(exact(x), l, s)
        rows = marginals(i, a, observed)
        hmm = pyro.distributions.DiscreteHMM(
            tensor(i), tensor(a), pyro.distributions.Normal(tensor(l), tensor(s)))
        near(hmm.filter(tensor(exact(x))).probs, rows[-1], 1e-10)
        cases.append(dict(params=[i, a, l, s], value=exact(x), filter=rows[-1],
                          posterior=rows))
    return cases


def categorical_states():
    cases = []
    for initial, transition, probs, x in (
            ([0, 1], [[[1, 0], [0, 2]]], [[[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]],
             [2, 0, 1, 2]),
            ([0.5, 0, 0], [[[0, 1, 2], [2, 0, 1], [1, 2, 0]]],
             [[[0.5, 0.5], [0.25, 0.75], [1, 0]]], [1, 1, 0]),
            ([0, 0], [[[3, 0], [0, 3]], [[0, 3], [3, 0]]],
             [[[1, 2], [3, 1]], [[0.5, 0.5], [0.75, 0.25]]], [0, 1])):
        i, a, p = exact([initial, transition, probs])
        observed = Categories(x, p)
        rows = marginals(i, a, observed)
        cases.append(dict(params=[i, a, p], value=x, log_prob=total(i, a, observed),
                          filter=rows[-1], posterior=rows))
    return cases


def make_states():
    write_json(Path(__file__), {"discrete": discrete_states(),
                                "categorical": categorical_states()})


MAKERS = {"discrete": make_discrete, "states": make_states}


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
