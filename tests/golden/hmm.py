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
from matrices import inverse, log_det, lower, plus, quadratic, times, transpose

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
                                "categorical": categorical_states(),
                                "gaussian": make_gaussian()})


# Gaussian states: all that is observed is one normal vector


def joint(m, L, F, b, Q, H, d, R, T):
    """Mean and covariance of z_1 .. z_T, x_1 .. x_T, as lists of all numbers in a row."""
    n, k = len(m), len(d[0])
    mean, z = [], m
    # x and z are affine in independent noise: rows of coefficients.
    size = n + T * (n + k)
    state = [[mpf(0)] * size for _ in range(n)]
    for i in range(n):
        state[i][:n] = L[i][:i + 1] + [mpf(0)] * (n - i - 1)
    states, seen, means_x = [], [], []
    for t in range(T):
        step = transpose(at(F, t))
        z = plus(times(step, z), at(b, t))
        state = times(step, state)
        for i in range(n):
            for j in range(i + 1):
                state[i][n + t * n + j] += at(Q, t)[i][j]
        out = times(transpose(at(H, t)), state)
        for i in range(k):
            for j in range(i + 1):
                out[i][n + T * n + t * k + j] += at(R, t)[i][j]
        mean += z
        means_x += plus(times(transpose(at(H, t)), z), at(d, t))
        states += state
        seen += out
    return mean, states, means_x, seen


def gaussian(x, m, L, F, b, Q, H, d, R):
    T = len(x)
    _, _, mean, seen = joint(m, lower(L), F, b, [lower(q) for q in Q], H, d,
                             [lower(r) for r in R], T)
    flat = [t for row in x for t in row]
    S = times(seen, transpose(seen))
    return -(quadratic(S, plus(flat, mean, -1)) + log_det(S) +
             len(flat) * log(2 * pi)) / 2


def moments(m, L, F, b, Q, H, d, R, T):
    _, _, mean, seen = joint(m, L, F, b, Q, H, d, R, T)
    S, k = times(seen, transpose(seen)), len(d[0])
    rows = lambda v: [v[t * k:(t + 1) * k] for t in range(T)]
    return dict(mean=rows(mean), mode=rows(mean),
                variance=rows([S[i][i] for i in range(len(S))]),
                entropy=(log_det(S) + len(S) * (1 + log(2 * pi))) / 2)


def conditioned(x, m, L, F, b, Q, H, d, R):
    """Means and covariances of z_1 .. z_T given x, from the joint normal."""
    T, n = len(x), len(m)
    mean, states, mean_x, seen = joint(m, L, F, b, Q, H, d, R, T)
    S, C = times(seen, transpose(seen)), times(states, transpose(seen))
    flat = [t for row in x for t in row]
    gain = times(C, inverse(S))
    loc = plus(mean, times(gain, plus(flat, mean_x, -1)))
    P = plus(times(states, transpose(states)), times(gain, transpose(C)), -1)
    part = lambda t: [row[t * n:(t + 1) * n] for row in P[t * n:(t + 1) * n]]
    return [loc[t * n:(t + 1) * n] for t in range(T)], [part(t) for t in range(T)]


I2 = [[1, 0], [0, 1]]
F2, Q2, H2 = [[0.75, 0.25], [-0.25, 0.5]], [[0.5, 0], [0.25, 0.75]], [[1], [0.5]]
GAUSSIAN = [  # m, L, F, b, Q, H, d, R, x; factors of covariances; not for floats
    ([0], [[1]], [[[1]]], [[0]], [[[1]]], [[[1]]], [[0]], [[[1]]], [[0.5]]),
    ([0], [[1]], [[[1]]], [[0]], [[[1]]], [[[1]]], [[0]], [[[1]]],
     [[0.5], [1], [-1], [2], [0.25]]),
    ([1], [[2]], [[[0.5]]], [[0.25]], [[[0.5]]], [[[2]]], [[1]], [[[0.25]]], [[3], [2], [1]]),
    ([0, 1], I2, [F2], [[0, 0]], [Q2], [H2], [[0]], [[[0.5]]], [[1], [0], [2]]),
    ([0, 1], [[1, 0], [0.5, 1]], [F2], [[0.5, -0.5]], [Q2], [[[1, 0.5], [0, 1]]],
     [[0.25, 1]], [[[1, 0], [0.5, 0.5]]], [[1, 0], [0.5, 2]]),
    ([0, 1], [[1, 0], [0.5, 1]], [F2, I2, [[0, 1], [1, 0]]], [[0, 1], [1, 0], [0.5, 0.5]],
     [Q2, I2, [[2, 0], [1, 0.5]]], [H2, [[0], [1]], [[1], [1]]], [[0], [1], [2]],
     [[[1]], [[2]], [[0.5]]], [[1], [2], [3]]),
    ([0, 0, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
     [[[1, 0, 0], [0.5, 1, 0], [0.125, 0.5, 1]]], [[0, 0, 0]],
     [[[0.125, 0, 0], [0.25, 0.125, 0], [0.5, 0.25, 0.125]]], [[[0], [0], [1]]], [[0]],
     [[[0.5]]], [[1], [2], [4], [7]]),
    ([0], [[1e3]], [[[1]]], [[0]], [[[1e-3]]], [[[1]]], [[0]], [[[1e-2]]],
     [[5], [5.125], [5.0625]], 1),
    ([0, 1], I2, [F2], [[0, 0]], [Q2], [H2], [[0]], [[[1e-6]]], [[1], [0], [2]], 1),
    ([0, 1], I2, [F2], [[0, 0]], [[[1e-6, 0], [0, 1e-6]]], [H2], [[0]], [[[1]]],
     [[1], [0], [2]], 1),
    ([0, 1], I2, [F2], [[0, 0]], [Q2], [H2], [[0]], [[[1e6]]], [[1], [0], [2e6]], 1),
    ([0], [[1]], [[[0]]], [[0]], [[[1]]], [[[1]]], [[0]], [[[1]]], [[2], [-2]]),
    ([0], [[1]], [[[-1]]], [[1]], [[[0.5]]], [[[-2]]], [[1]], [[[1]]], [[100], [-100]]),
    ([2, -2], [[0.5, 0], [0, 0.5]], [I2], [[0, 0]], [I2], [[[1, 0, 1], [0, 1, 1]]],
     [[0, 0, 1]], [[[1, 0, 0], [0.5, 1, 0], [0, 0.5, 1]]], [[1, 2, 3], [0, -1, 1]]),
    ([0], [[1]], [[[1]], [[2]]], [[0]], [[[1]]], [[[1]]], [[0]], [[[1]]], [[1], [2]]),
    ([0], [[1]], [[[1]]], [[0], [1]], [[[1]]], [[[1]]], [[0]], [[[1]], [[3]]], [[1], [2]]),
    ([0], [[1]], [[[1]]], [[0]], [[[1]], [[2]]], [[[1]], [[0.5]]], [[0], [1]], [[[1]]],
     [[1], [2]]),
    ([0, 0], I2, [[[0.5, -0.5], [0.5, 0.5]]], [[1, 1]], [I2], [H2], [[0]], [[[1]]],
     [[1], [1], [1], [1], [1], [1]]),
    ([1e3, 1e-3], [[1e2, 0], [0, 1e-2]], [I2], [[0, 0]], [[[10, 0], [0, 1e-3]]],
     [[[1], [1e4]]], [[0]], [[[1]]], [[1000], [1100]], 1),
    ([0.5], [[0.25]], [[[0.9375]]], [[0.0625]], [[[0.125]]], [[[1]]], [[0]], [[[0.5]]],
     [[0.5], [0.75], [1], [0.25]]),
]


def make_gaussian():
    records, cases = [], []
    kinds = ["free", "lower", "free", "free", "lower", "free", "free", "lower"]
    for m, L, F, b, Q, H, d, R, x, *narrow in GAUSSIAN:
        params, value = [m, L, F, b, Q, H, d, R], exact(x)
        values = exact(params)
        law = pyro.distributions.MultivariateNormal
        hmm = pyro.distributions.GaussianHMM(
            law(tensor(values[0]), scale_tril=tensor(values[1])), tensor(values[2]),
            law(tensor(values[3]), scale_tril=tensor(values[4])), tensor(values[5]),
            law(tensor(values[6]), scale_tril=tensor(values[7])), duration=len(x))
        loc, P = conditioned(value, *values)
        if not narrow and F != [[[0]]]:
            near(hmm.log_prob(tensor(value)).item(), gaussian(value, *values), 1e-10)
            last = hmm.filter(tensor(value))
            near(last.loc, loc[-1], 1e-9)
            near(last.covariance_matrix, P[-1], 1e-9)
        r = record(gaussian, params, x, kinds, attr=[len(x)], f64_only=bool(narrow))
        r.update(moments(*values, len(x)))
        records.append(r)
        cases.append(dict(params=values, value=value, loc=loc, covariance=P))
    points = [dict(params=exact(list(p)), attr=[2]) for p in (
        ([0, 1], [[1, 0], [0.5, 1]], [F2], [[0.5, -0.5]], [Q2], [H2], [[0.25]], [[[0.5]]]),
        ([1, 0], [[0.5, 0], [0, 0.25]], [[[1, 0.5], [0, 0.5]]], [[0, 0.25]],
         [[[1, 0], [-0.5, 0.5]]], [[[2], [-1]]], [[1]], [[[1]]]))]
    write_family("gaussian_hmm", records, points)
    return cases


MAKERS = {"discrete": make_discrete, "states": make_states}


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
