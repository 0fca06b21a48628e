# SPDX-License-Identifier: MIT
"""Golden log densities of censored values, with gradients -> censored.json.

Tails in mpmath at 50 digits, differentiated numerically. Checked here against NumPyro's
distributions (jax, 64 bits), value and gradient, where it does not clip probabilities.
"""

import jax
import numpyro.distributions as dist
from mpmath import erfc, inf, log, mp, mpf, pi, sqrt

from cut import Gumbel, Laplace, Weibull
from golden import write_json
from table import slope

mp.dps = 50
jax.config.update("jax_enable_x64", True)


class Normal:
    @staticmethod
    def log_prob(x, loc, scale):
        return -((x - loc) / scale) ** 2 / 2 - log(scale) - log(2 * pi) / 2

    @staticmethod
    def cdf(x, loc, scale):
        return erfc((loc - x) / scale / sqrt(2)) / 2

    @staticmethod
    def survival(x, loc, scale):
        return Normal.cdf(2 * loc - x, loc, scale)


BASES = {"gumbel": (Gumbel, dist.Gumbel), "laplace": (Laplace, dist.Laplace),
         "normal": (Normal, dist.Normal), "weibull": (Weibull, dist.Weibull)}


def left(base, x, params, censored):
    return log(base.cdf(x, *params)) if censored[0] else base.log_prob(x, *params)


def right(base, x, params, censored):
    return log(base.survival(x, *params)) if censored[0] else base.log_prob(x, *params)


def interval(base, x, params, censored):
    lower, upper = x
    if censored == (1, 1):
        return log(base.cdf(lower, *params) + base.survival(upper, *params))
    if censored == (1, 0):
        return log(base.cdf(upper, *params))
    if censored == (0, 1):
        return log(base.survival(lower, *params))
    if lower == upper:
        return base.log_prob(lower, *params)
    with mp.workdps(mp.dps + 400):
        return log(base.cdf(upper, *params) - base.cdf(lower, *params))


KINDS = {"left": (left, dist.LeftCensoredDistribution),
         "right": (right, dist.RightCensoredDistribution),
         "interval": (interval, dist.IntervalCensoredDistribution)}

ONE = [("weibull", (3, 2), (0.5, 2, 7)), ("weibull", (1.5, 0.75), (0.125, 1, 30)),
       ("normal", (0.5, 2), (-3, 0.25, 8)), ("normal", (0, 1), (-30, 30)),
       ("gumbel", (1, 0.75), (-0.5, 1, 6)), ("laplace", (-1, 2), (-5, 0, 4, 200))]
PAIRS = [("weibull", (3, 2), ((2, 5), (6, 9), (0.25, 0.5), (2.5, 2.5))),
         ("normal", (0.5, 2), ((-3, 1), (4, 9), (-8, -7), (1, 1))),
         ("normal", (0, 1), ((30, 31), (-32, -30))), ("gumbel", (1, 0.75), ((-1, 0), (0.5, 4))),
         ("laplace", (-1, 2), ((-6, 3), (90, 95), (-1.5, -1.5)))]


def number(f, points):
    """The derivatives of f in each of the numbers."""
    return [slope(lambda t, i=i: f([*points[:i], t, *points[i + 1:]]), p)
            for i, p in enumerate(points)]


def check(kind, base, params, censored, x, r):
    """NumPyro's value and gradient; it clips what rounds to 0 or 1."""
    if r["log_prob"] < -12:
        return
    exact, slopes = float(r["log_prob"]), [float(a) for a in r["d_params"]]
    made, value = KINDS[kind][1], jax.numpy.array(x, dtype=float)

    def f(p, v):
        return made(BASES[base][1](*p), *map(bool, censored)).log_prob(v).sum()

    p = [float(a) for a in params]
    assert abs(float(f(p, value)) - exact) < 1e-7 * (1 + abs(exact)), r
    for found, expected in zip(map(float, jax.grad(f)(p, value)), slopes):
        assert found != found or abs(found - expected) < 1e-6 * (1 + abs(expected)), r


def record(kind, base, params, censored, x):
    f, own = KINDS[kind][0], BASES[base][0]
    pair = isinstance(x, tuple)
    exact = [mpf(a) for a in params]
    at = [mpf(a) for a in (x if pair else (x,))]

    def of(numbers):
        value = tuple(numbers[:len(at)]) if pair else numbers[0]
        return f(own, value, numbers[len(at):], censored)

    def moved(numbers):                     # a point is moved as one
        return of([numbers[0], *numbers]) if pair and at[0] == at[1] else of(numbers)

    together = pair and at[0] == at[1] and censored == (0, 0)
    slopes = (number(moved, [*at[1:], *exact]) if together else number(of, [*at, *exact]))
    if together:                            # by the lower end, which is the one that counts
        slopes.insert(1, mpf(0))
    r = {"kind": kind, "base": base, "params": exact, "censored": list(censored),
         "value": at, "log_prob": of([*at, *exact]), "d_value": slopes[:len(at)],
         "d_params": slopes[len(at):]}
    assert abs(r["log_prob"]) < inf
    check(kind, base, params, censored, x, r)
    return r


def main():
    records = [record(kind, base, params, (c,), x) for kind in ("left", "right")
               for base, params, points in ONE for x in points for c in (0, 1)]
    records += [record("interval", base, params, (a, b), x) for base, params, points in PAIRS
                for x in points for a in (0, 1) for b in (0, 1)
                if x[0] != x[1] or a + b == 0]
    write_json(__file__, {"records": records})


if __name__ == "__main__":
    main()
