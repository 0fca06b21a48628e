# SPDX-License-Identifier: MIT
"""Families made of values, that are not of one number -> distributions/<family>.json, and
what only Empiricals of numbers have -> empirical.json.

Definitions in mpmath; compared in this script with Pyro's, and entropies with scipy's.
"""

from pathlib import Path

import pyro.distributions
import scipy.stats
import torch
from mpmath import exp, inf, log, log1p, mpf

from event_table import exact, near, plain, record, slopes, write_family
from golden import write_json


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


def atoms(samples, v):
    """The distinct samples of some weight, in order, and theirs."""
    total = {}
    for w, s in zip(shares(v), samples):
        key = tuple(s) if isinstance(s, list) else s
        if w > 0:
            total[key] = total.get(key, 0) + w
    return sorted(total.items())


def entropy(samples, v):
    masses = [w for _, w in atoms(samples, v)]
    return -sum(w * (log(w) if w < 0.5 else log1p(w - 1)) for w in masses)


def tail(x, samples, v, upper):
    return sum((w for w, s in zip(shares(v), samples) if (s > x) == upper), mpf(0))


def log_tail(x, samples, v, upper):
    own, other = tail(x, samples, v, upper), tail(x, samples, v, not upper)
    return log1p(-other) if other < own else log(own) if own > 0 else -inf


def of_number(samples, v):
    """One Empirical of numbers: at every sample, between them and beyond."""
    samples, v = exact(samples), exact(v)
    ordered = sorted(set(samples))
    places = ordered + [(a + b) / 2 for a, b in zip(ordered, ordered[1:])]
    places += [ordered[0] - 1, ordered[-1] + 1]
    points = [{"value": x, "cdf": tail(x, samples, v, False),
               "d_cdf": slopes(lambda u, x=x: tail(x, samples, u, False), v),
               "log_cdf": log_tail(x, samples, v, False),
               "log_survival": log_tail(x, samples, v, True)} for x in places]
    found, quantiles = atoms(samples, v), []
    for p in (0, 1e-20, 1e-3, 0.0625, 0.3, 0.55, 0.77, 0.9, 1 - 1e-9):
        least = next(x for x, _ in found if tail(x, samples, v, False) >= p)
        quantiles.append({"probability": p, "value": least})
        least = next(x for x, _ in found if tail(x, samples, v, True) <= p)
        quantiles.append({"survival": p, "value": least})
    near(entropy(samples, v), scipy.stats.entropy([float(w) for _, w in found]))
    return {"samples": samples, "log_weights": v, "entropy": entropy(samples, v),
            "d_entropy": slopes(lambda u: entropy(samples, u), v), "points": points,
            "quantiles": quantiles}


def make_numbers():
    write_json(Path(__file__).with_name("empirical"), {"records": [
        of_number([3, -1, 3, 0.5], [0, 0.25, 1, 0.5]), of_number([2], [5]),
        of_number([1, 2, 3, 4, 5], [-40, 0, 1, 0.5, -60]),
        of_number([0.25, -7, 1e10, 0.25, 3], [700, 701, 699, "-inf", 698]),
        of_number([1, 1, 1, 0], [0, 0, 0, -30]), of_number([-1e-3, 0, 1e-3], [0, 1, 0]),
        of_number([5, 4, 3, 2, 1, 0, -1, -2], [0.1, 2, -3, 0.5, -1, 1, 0, 0.75])]})


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
                                  variance=variance, entropy=entropy))
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
    make_numbers()
    make_unit()
