# SPDX-License-Identifier: MIT
"""Counts cut on one side or on both -> distributions/<name>.json.

Masses are products of the ratios of neighbouring ones in mpmath, divided by their sum;
moments and distribution functions are sums of them. Checked here: masses against the base's
own where nothing is cut; a geometric law cut below is the same law further up.
"""

from functools import lru_cache

from mpmath import inf, log, mp, mpf

from discrete import negative_binomial, poisson
from table import record, write_family

mp.dps = 60


def of_poisson(k, rate):
    return rate / (k + 1)


def of_negative_binomial(k, r, p):
    return (r + k) / (k + 1) * p


def cut(ratio, own, two_sided):
    """The functions of record() of the law in which `ratio`(k, *params) is P(k + 1) / P(k),
    of `own` parameters, then the bounds."""

    def split(params):
        return params[:own], params[own], params[own + 1] if two_sided else inf

    @lru_cache(None)
    def masses(params):
        """From the lower bound, where it is 1, to the upper or to where they vanish; their
        sum."""
        p, low, high = split(params)
        found, k, total = [], low, mpf(0)
        while k <= high and (k < low + 9 or found[-1] > total * mpf(10) ** -90):
            found.append(found[-1] * ratio(k - 1, *p) if found else mpf(1))
            total += found[-1]
            k += 1
        return found, total

    def expect(f, params):
        found, total = masses(params)
        return sum(f(params[own] + i) * m for i, m in enumerate(found)) / total

    def log_prob(k, *params):
        (found, total), at = masses(params), k - params[own]
        return log(found[int(at)] / total) if 0 <= at < len(found) else -inf

    def mean(*params):
        return expect(lambda k: k, params)

    def variance(*params):
        m = mean(*params)
        return expect(lambda k: (k - m) ** 2, params)

    def entropy(*params):
        return sum(-log_prob(params[own] + i, *params) * m
                   for i, m in enumerate(masses(params)[0])) / masses(params)[1]

    def cdf(k, *params):
        return expect(lambda j: j <= k, params)

    def log_survival(k, *params):
        above = expect(lambda j: j > k, params)
        return log(above) if above > 0 else -inf

    return log_prob, {"entropy": entropy, "mean": mean, "variance": variance, "cdf": cdf,
                      "log_survival": log_survival}


FAMILIES = {
    "left_truncated_poisson": (of_poisson, 1, False, [  # rate, low, count
        (4.5, 2, 2), (4.5, 2, 3), (4.5, 2, 6), (4.5, 2, 12), (4.5, 0, 0), (4.5, 0, 5),
        (0.125, 1, 1), (0.125, 1, 2), (0.125, 4, 5), (2, 30, 30), (2, 30, 31), (2, 30, 33),
        (100.25, 90, 95), (100.25, 90, 120), (100.25, 150, 151), (1000, 1000, 1010),
        (1000, 1000, 1050), (1000, 1200, 1203), (20, 3, 18), (0.5, 2, 2), (7, 12, 14),
        (4.5, 2, 2)]),
    "truncated_poisson": (of_poisson, 1, True, [  # rate, low, high, count
        (4.5, 2, 6, 2), (4.5, 2, 6, 4), (4.5, 2, 6, 6), (4.5, 0, 3, 0), (4.5, 0, 3, 2),
        (4.5, 9, 9, 9), (4.5, 0, 90, 7), (2, 40, 60, 40), (2, 40, 60, 42), (100, 0, 20, 20),
        (100, 0, 20, 15), (100.25, 90, 110, 100), (100.25, 90, 110, 91),
        (1000, 900, 1500, 1000), (1000, 0, 800, 797), (0.125, 0, 1, 0), (0.125, 0, 1, 1),
        (20, 15, 25, 16), (7, 3, 4, 4), (7, 3, 4, 3), (30, 1, 10000, 25), (4.5, 2, 6, 5)]),
    "left_truncated_negative_binomial": (of_negative_binomial, 2, False, [  # total, probs, low
        (3, 0.25, 2, 2), (3, 0.25, 2, 4), (3, 0.25, 2, 9), (2.5, 0.5, 0, 0), (2.5, 0.5, 0, 3),
        (0.125, 0.75, 1, 1), (0.125, 0.75, 1, 6), (8, 0.9375, 100, 130), (8, 0.9375, 100, 300),
        (8, 0.9375, 200, 201), (40, 0.5, 60, 61), (40, 0.5, 60, 75), (1, 0.875, 30, 30),
        (1, 0.875, 30, 45), (3, 0.25, 40, 40), (3, 0.25, 40, 42), (0.5, 0.96875, 10, 80),
        (100, 0.125, 3, 14), (100, 0.125, 40, 41), (6, 0.75, 7, 20), (3, 0.25, 2, 3)]),
}


def check():
    for base, ratio, *params in ((poisson, of_poisson, mpf("4.5")),
                                 (negative_binomial, of_negative_binomial, mpf(3), mpf("0.25"))):
        law = cut(ratio, len(params), False)[0]
        for k in map(mpf, (0, 3, 20)):
            assert abs(law(k, *params, mpf(0)) - base(k, *params)) < mpf(10) ** -50
    found = cut(lambda k, p: 1 - p, 1, False)[1]
    for p, low in ((mpf("0.3"), mpf(5)), (mpf("0.01"), mpf(100))):
        assert abs(found["mean"](p, low) - low - (1 - p) / p) < mpf(10) ** -50
        assert abs(found["variance"](p, low) - (1 - p) / p ** 2) < mpf(10) ** -50
        assert abs(found["entropy"](p, low) + log(p) + (1 - p) / p * log(1 - p)) < mpf(10) ** -50


def main():
    check()
    for name, (ratio, own, two_sided, points) in FAMILIES.items():
        law, answers = cut(ratio, own, two_sided)
        counts = range(own, own + 1 + two_sided)
        write_family(name, [record(law, params, k, discrete=True, counts=counts, **answers)
                            for *params, k in points])


if __name__ == "__main__":
    main()
