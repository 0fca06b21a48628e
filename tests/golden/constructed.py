# SPDX-License-Identifier: MIT
"""Families made of values, that are not of one number -> distributions/<family>.json.

Definitions in mpmath; compared in this script with Pyro's.
"""

import pyro.distributions
import torch
from mpmath import exp, inf, log, mpf

from event_table import exact, near, plain, record, write_family


# Empirical: samples, log_weights


def shares(v):
    total = sum(exp(a) for a in v)
    return [exp(a) / total for a in v]


def empirical(x, samples, v):
    mass = sum(w for w, s in zip(shares(v), samples) if s == x)
    return log(mass) if mass else -inf


def mean(samples, v):
    return [sum(w * s[k] for w, s in zip(shares(v), samples))
            for k in range(len(samples[0]))]


def variance(samples, v):
    m = mean(samples, v)
    return [sum(w * (s[k] - m[k]) ** 2 for w, s in zip(shares(v), samples))
            for k in range(len(m))]


def make_empirical():
    three = [[0.5, -1], [2, 0.25], [0.5, -1]]
    four = [[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0.5]]
    members = [
        (three, [0, 0, 0]), (three, [1.5, -0.25, 0.75]), (three, [-1000, -1001, -999]),
        (three, [700, -700, 0]), (three, ["-inf", 0.5, 1]), (four, [0.1, -2, 0.3, 1e-3]),
        (four, [-40, 0, 40, 3]), ([[1e300], [-1e-300]], [0, 0.5]), ([[7, 8]], [3])]
    records = []
    for samples, v in members:
        seen = []
        for x in samples:
            if x in seen:
                continue
            seen.append(x)
            records.append(record(empirical, (samples, v), x, discrete=True, mean=mean,
                                  variance=variance))
            law = pyro.distributions.Empirical(
                torch.tensor(plain(exact(samples))), torch.tensor(plain(exact(v))))
            near(law.mean.tolist(), mean(*exact([samples, v])))
            if max(plain(exact(v))) < 700 and samples != [[1e300], [-1e-300]]:
                near(law.log_prob(torch.tensor(plain(exact(x)))).item(),
                     empirical(*exact([x, samples, v])))
                near(law.variance.tolist(), variance(*exact([samples, v])))
    records.append(record(empirical, (three, [0.5, 1, 2]), [0.5, 1], discrete=True))
    for r in records:
        if r["log_prob"] == -inf:
            r["d_params"][1] = [mpf(0)] * len(r["params"][1])
        r["d_params"][0] = [[mpf(0)] * len(s) for s in r["params"][0]]
    write_family("empirical", records, [
        (three, [1.5, -0.25, 0.75]), ([[-0.25, 3], [1, 1], [4, -2]], [0.1, -3, 0.4])])


# Unit: log_factor


def make_unit():
    factors = [0, 1, -1, 0.5, -0.25, 3.75, 1e-300, -1e-300, 1e300, -1e300, 700, -700,
               1e10, -1e10, 0.1, -0.3, 17, -42.5, 1e-8, -1e-8, "-inf"]
    write_family("unit", [record(lambda x, f: f, (f,), []) for f in factors],
                 [(0.5,), (-3,)])


if __name__ == "__main__":
    make_empirical()
    make_unit()
