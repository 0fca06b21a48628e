# SPDX-License-Identifier: MIT
"""The special functions of kiln/maths.h at many digits -> special.json.

Per function rows of [arguments, value, effect]: the relative change of the value when
each argument moves by one unit in its last place (of a double, 2^-52 of it at the most),
summed over the arguments; the change itself where the value is 0. A function can be asked
for no more. Points: the bulk, tails, both sides of roots, poles and of the places where
the library's code branches, denormals, 1e-30 to 1e30, infinities and NaN.

    special.py [NAME ...]       makes the named functions' rows again, or all
"""

import json
import struct
import sys
from fractions import Fraction
from functools import cache
from pathlib import Path

from mpmath import besseli, erf, exp, expm1, inf, isfinite, isnan, log, log1p, loggamma
from mpmath import mp, mpf, nan, pi, psi, quad, sqrt, tanh, workdps

from golden import write_json
from special_tails import (beta_density, beta_inverse, beta_tails, check, gamma_density,
                           gamma_inverse, gamma_tails)

mp.dps = 50
ULP = mpf(2) ** -52


def to_float(x):
    try:
        return struct.unpack("f", struct.pack("f", x))[0]
    except OverflowError:
        return x


def as_double(x):
    """What the value is once rounded; the range of mpmath's numbers has no end."""
    return float(x) if abs(x) > mpf(2) ** -1080 or isnan(x) else 0.0


# ---- One argument ----------------------------------------------------------------------


def erfc(x):
    return mp.erfc(x) if abs(x) < 1000 else mpf(1 - mp.sign(x))


def log_ndtr(x):
    if x < -1000:
        t, term, total = -1 / (x * x), mpf(1), mpf(0)
        for k in range(1, 12):
            term *= (2 * k - 1) * t
            total += term
        return log1p(total) - log(-x) - x * x / 2 - log(2 * pi) / 2
    return log(erfc(-x / sqrt(2)) / 2) if x < 0 else log1p(-erfc(x / sqrt(2)) / 2)


def log_ndtr_slope(x):
    if x > 1000:
        return mpf(0)
    with workdps(80 + 2 * int(mp.log10(1 + abs(x)))):
        return exp(-x * x / 2 - log(2 * pi) / 2 - log_ndtr(x))


def ndtri(p):
    """Newton's method on the logarithm of the lower tail, which is concave."""
    if p == mpf(1) / 2:
        return mpf(0)
    if 2 * p > 1:
        return -ndtri(1 - p)
    x = -sqrt(-2 * log(p))
    for _ in range(200):
        move = (log_ndtr(x) - log(p)) / log_ndtr_slope(x)
        x -= move
        if abs(move) < mpf(10) ** -40 * abs(x):
            return x
    raise ArithmeticError(p)


def erfinv(x):
    if abs(x) > mpf("0.5"):
        return -ndtri((1 - abs(x)) / 2) / sqrt(2) * mp.sign(x)
    y = x * sqrt(pi) / 2
    for _ in range(100):
        move = (erf(y) - x) * sqrt(pi) / 2 * exp(y * y)
        y -= move
        if abs(move) <= mpf(10) ** -40 * abs(y):
            return y
    raise ArithmeticError(x)


def log_bessel_i0(x):
    with workdps(mp.dps + 2 * int(abs(mp.log10(abs(x))))):
        return log(besseli(0, abs(x)))


def bessel_ratio(x):
    """I1 / I0 for x > 0 with digits to spare for 1 - it."""
    return besseli(1, x) / besseli(0, x)


def bessel_ratio_slope(x):
    with workdps(80 + 4 * int(abs(mp.log10(abs(x))))):
        r = bessel_ratio(abs(x))
        return 1 - r / abs(x) - r * r


def softplus_at(x):
    return log1p(exp(-abs(x))) + max(x, 0)


def log_gamma(x):
    return loggamma(x).real


def normal_density(x):
    return exp(-x * x / 2) / sqrt(2 * pi) if abs(x) < 1000 else mpf(0)


EDGES = [0.0, inf, -inf, nan]
TINY = [5e-324, 1e-310, 1e-40, 1e-30, -5e-324, -1e-310, -1e-40, -1e-30]
HUGE = [1e30, 1e300, -1e30, -1e300]
REAL = [0.5, -0.5, 1, -1, 0.1, -0.1, 3.25, -3.25, 1e-3, -1e-3]
POSITIVE = [5e-324, 1e-310, 1e-40, 1e-30, 1e-10, 1e-3, 0.1, 0.3, 0.5, 0.75, 0.99, 1, 1.25,
            2, 5, 20, 100, 1e4, 1e10, 1e30, 1e300, -1, -1e-30, -1e30]
# Both sides of the poles and of some roots; beyond 10 digamma has another way.
GAMMA = [5e-324, 1e-310, 1e-40, 1e-30, 1e-10, 1e-3, 0.1, 0.25, 0.49, 0.51, 0.75, 0.99,
         0.999999, 1.000001, 1.01, 1.25, 1.46, 1.461632, 1.4616321449683623, 1.47, 1.75,
         1.99, 1.999999, 2.000001, 2.01, 2.25, 2.29, 2.31, 3, 4.75, 6.99, 7.01, 9.99, 10,
         10.01, 11.5, 12.5, 50, 100, 1e3, 1e4, 1e6, 1e10, 1e30, 1e300,
         -5e-324, -1e-40, -1e-30, -1e-10, -1e-3, -0.25, -0.5, -0.504, -0.5041, -0.75,
         -0.999, -1.001, -1.5, -1.573, -1.5735, -1.999, -2.4570247, -2.457, -2.5, -2.611,
         -2.7476, -2.7477, -3.5, -3.955, -4.0391, -5.25, -9.5, -10.03125, -12.75, -30.5,
         -100.25, -1000.125, -1e5 - 0.5]
NORMAL = [*TINY, *REAL, 0.7, -0.7, 2, -2, 4, -4, 5, -5, 5.3, -5.3, 6, -6, 8.2, -8.2, 8.3,
          -8.3, 9, -9, 10, -10, 12.75, -12.75, 13.5, -13.5, 14, -14, 20, -20, 30, -30, 36,
          -36, 37.5, -37.5, 38.4, -38.4, 38.6, -38.6, 45, -45, 49.9, -49.9, 50.1, -50.1,
          100, -100, 1e4, -1e4, 1e10, -1e10, *HUGE, 9e159, -9e159, 1.1e160, -1.1e160]
ERROR = [*TINY, *REAL, 0.25, 0.9, 1.5, -1.5, 2.2, 2.4, 2.6, 3.9, 4.3, 5.8, 5.95, 6.1, 8,
         9.3, 10, 12, 15, 20, 25, 26, 26.5, 26.6, 27.2, 27.3, 30, -4.3, -6, -30, *HUGE]
# AS 241 branches at 0.075 and 0.925, and at the tail exp(-25).
TAILS = [5e-324, 1e-310, 1e-300, 1e-100, 1e-45, 1e-40, 1e-38, 1e-30, 1e-20, 1.38e-11,
         1.39e-11, 1e-10, 1e-5, 0.001, 0.02, 0.0749, 0.0751]
PROBABILITY = [*TAILS, 0.25, 0.4, 0.49, 0.4999, 0.5, 0.5001, 0.51, 0.75, 0.9249, 0.9251,
               0.99, 0.9999, 1 - 1e-7, 1 - 1.38e-11, 1 - 1.39e-11, 1 - 1e-15,
               1 - 2 ** -53, 1, -1e-30, -0.5, 1.0000001, 2, 1e30, -1e30]
ERROR_OF = [*TINY, 1e-10, 1e-3, 0.1, 0.3, 0.5, 0.51, 0.75, 0.849, 0.851, 0.95, 0.999,
            1 - 1e-6, 1 - 2.7e-11, 1 - 2.8e-11, 1 - 1e-15, 1 - 2 ** -53, 1, -1e-3, -0.3,
            -0.5, -0.849, -0.851, -0.999, -1, 1.0000001, -1.0000001, 2, 1e30, -1e30]
# log I1 has its root near 1.5207; 14 is where the asymptotic form starts.
BESSEL = [5e-324, 1e-310, 1e-160, 1e-40, 1e-30, 1e-20, 1e-10, 1e-5, 1e-3, 0.1, 0.5, 1,
          1.5, 1.5206, 1.53, 2, 2.5, 3, 5, 8, 10, 13, 13.9, 13.99, 14, 14.01, 14.1, 15,
          20, 28, 50, 100, 700, 720, 1e4, 1e7, 1e10, 1e16, 1e30, 1e155, 1e200, 1e300]
ANGLES = [*TINY, *REAL, 0.7853981633974483, 1.5707963267948966, 3.141592653589793,
          6.283185307179586, 14.9, 15.1, 22, 124.9, 125.1, 355, 38999, 39001, 1e5, -1e5,
          1e7, 1e10, 9.9e13, 1.1e14, 1e15, 1e22, *HUGE]

# The function, its domain, its points, and what it is at the points of a dictionary. NaN
# outside the domain and of NaN.
POLES = "below 0, the integers"
UNARY = {
    "exp": (exp, (-inf, inf), [*TINY, *REAL, 0.34, 0.35, 2, -2, 10, -10, 50, -50, 87.3,
                               -87.3, 88.7, 88.8, -103.9, -104.5, 700, -700, 709.7, 709.8,
                               -708.3, -708.5, -745.1, -745.3, *HUGE],
                               {inf: inf, -inf: 0}),
    "log": (log, (0, inf), [*POSITIVE, 1 - 2 ** -53, 1 + 2 ** -52, 0.7, 0.71, 1.4, 1.42,
                            0.999, 1.001], {0.0: -inf, inf: inf}),
    "log1p": (log1p, (-1, inf), [*TINY, 1e-10, -1e-10, 1e-3, -1e-3, 0.3, -0.3, 0.42, -0.5,
                                 1, 2, -0.9, -0.999, -1 + 2 ** -53, 10, 1e4, 1e10, 1e30,
                                 1e300, -1, -1.5, -1e30], {inf: inf, mpf(-1): -inf}),
    "expm1": (expm1, (-inf, inf), [*TINY, *REAL, 1e-10, -1e-10, 0.34, 0.35, -0.34, 2, -2,
                                   10, -10, 37, -37, 88.7, 709.7, 709.8, -1000, 1e30,
                                   -1e30],
              {inf: inf, -inf: -1}),
    "sqrt": (sqrt, (0, inf), POSITIVE, {0.0: 0, inf: inf}),
    "sin": (mp.sin, (-inf, inf), ANGLES, {inf: nan, -inf: nan}),
    "cos": (mp.cos, (-inf, inf), ANGLES, {inf: nan, -inf: nan}),
    "atan": (mp.atan, (-inf, inf), [*TINY, *REAL, 0.4, 0.45, 2, 2.4, 10, -10, 1e4, 1e10,
                                    *HUGE],
             {inf: pi / 2, -inf: -pi / 2}),
    "tanh": (tanh, (-inf, inf), [*TINY, *REAL, 0.3, 0.55, 2, 5, 8.6, 8.7, 9.1, 15, 18.7,
                                 19.1, 22, -22, 100, -100, *HUGE], {inf: 1, -inf: -1}),
    "sigmoid": (lambda x: 1 / (1 + exp(-x)), (-inf, inf),
                [*TINY, *REAL, 2, -2, 10, -10, 17, -17, 37, -37, 87, -87, -88.8, -103,
                 -104, 700, -700, -709, -740, -745.1, -746, *HUGE], {inf: 1, -inf: 0}),
    "softplus": (softplus_at, (-inf, inf),
                 [*TINY, *REAL, 2, -2, 10, -10, 17, -17, 37, -37, 87, -87, -88.8, -103,
                  -104, 700, -700, -709, -740, -745.1, -746, *HUGE], {inf: inf, -inf: 0}),
    "lgamma": (log_gamma, (-inf, inf), [*GAMMA, -4, -1e30, 1.7, 2.5, 1e305, 3e305],
               {0.0: inf, inf: inf, -inf: inf, mpf(1): 0, mpf(2): 0, POLES: inf}),
    "digamma": (lambda x: psi(0, x), (-inf, inf), [*GAMMA, -4, -1e30],
                {0.0: nan, inf: inf, -inf: nan, POLES: nan}),
    "trigamma": (lambda x: psi(1, x), (-inf, inf), [*GAMMA, -4, -1e30],
                 {0.0: inf, inf: 0, -inf: nan, POLES: inf}),
    "trigamma_slope": (lambda x: psi(2, x), (-inf, inf), [*GAMMA, -4, -1e30],
                       {0.0: nan, inf: 0, -inf: nan, POLES: nan}),
    "erf": (erf, (-inf, inf), ERROR, {inf: 1, -inf: -1}),
    "erf_slope": (lambda x: 2 / sqrt(pi) * exp(-x * x), (-inf, inf), ERROR,
                  {inf: 0, -inf: 0}),
    "erfc": (erfc, (-inf, inf), ERROR, {inf: 0, -inf: 2}),
    "erfinv": (erfinv, (-1, 1), ERROR_OF, {mpf(1): inf, mpf(-1): -inf}),
    "erfinv_slope": (lambda x: sqrt(pi) / 2 * exp(erfinv(x) ** 2), (-1, 1), ERROR_OF,
                     {mpf(1): inf, mpf(-1): inf}),
    "ndtr": (lambda x: erfc(-x / sqrt(2)) / 2, (-inf, inf), NORMAL, {inf: 1, -inf: 0}),
    "ndtr_slope": (normal_density, (-inf, inf), NORMAL, {inf: 0, -inf: 0}),
    "ndtri": (ndtri, (0, 1), PROBABILITY, {0.0: -inf, mpf(1): inf}),
    "ndtri_slope": (lambda p: 1 / normal_density(ndtri(p)), (0, 1), PROBABILITY,
                    {0.0: inf, mpf(1): inf}),
    "log_ndtr": (log_ndtr, (-inf, inf), NORMAL, {inf: 0, -inf: -inf}),
    "log_ndtr_slope": (log_ndtr_slope, (-inf, inf), NORMAL, {inf: 0, -inf: inf}),
    "log_bessel_i0": (log_bessel_i0, (-inf, inf), [*BESSEL, -1, -20],
                      {0.0: 0, inf: inf, -inf: inf}),
    "log_bessel_i0_slope": (lambda x: bessel_ratio(abs(x)) * mp.sign(x), (-inf, inf),
                            [*BESSEL, -1, -20], {0.0: 0, inf: 1, -inf: -1}),
    "log_bessel_i1": (lambda x: log(besseli(1, x)), (0, inf), [*BESSEL, -1, -20],
                      {0.0: -inf, inf: inf}),
    "log_bessel_i1_slope": (lambda x: 1 / bessel_ratio(x) - 1 / x, (0, inf),
                            [*BESSEL, -1, -20], {0.0: inf, inf: 1}),
    "bessel_ratio": (lambda x: bessel_ratio(abs(x)) * mp.sign(x), (-inf, inf),
                     [*BESSEL, -1, -20], {0.0: 0, inf: 1, -inf: -1}),
    "bessel_ratio_slope": (bessel_ratio_slope, (-inf, inf), [*BESSEL, -1, -20],
                           {0.0: 0.5, inf: 0, -inf: 0}),
}


def unary_rows(f, domain, points, edges):
    """Every point, and the float next to it, at which the test of floats is made."""
    doubles = {float(x) for x in [*points, *EDGES]} - {0.0}
    wanted = {x for x in doubles | {to_float(x) for x in doubles} if x == x} | {0.0}
    if POLES in edges:
        edges = edges | {x: edges[POLES] for x in wanted if x < 0 and x == x // 1}
    edges = {float(x): y for x, y in edges.items() if x != POLES}
    rows = []
    for x in sorted(wanted):
        at, effect = mpf(x), mpf(0)
        if x in edges:
            value = edges[x]
        elif not domain[0] <= x <= domain[1]:
            value = nan
        else:
            with workdps(mp.dps + int(mp.log10(1 + abs(at)))):
                value = +f(at)
                beside = at * (1 + ULP)
                inside = domain[0] <= beside <= domain[1]
                moved = f(beside if inside else at * (1 - ULP))
                if value != 0 and isfinite(moved):
                    effect = abs(moved / value - 1)
        rows.append([[x], as_double(mpf(value)), float(f"{float(effect):.2g}")])
    rows.append([[nan], nan, 0])
    return rows


# ---- Several arguments -----------------------------------------------------------------


def row(point, value, *conditions):
    """`conditions`: argument times derivative over value, for each argument."""
    effect = sum(abs(c) for c in conditions) * ULP
    return [list(point), as_double(mpf(value)), float(f"{float(min(effect, 1e300)):.2g}")]


def numerical(f, point, moving=None):
    """A row by moving each argument (those of `moving`) a little."""
    exact = [mpf(x) for x in point]
    value = f(*exact)
    conditions = []
    for i in moving or range(len(point)):
        moved = [x * (1 + ULP) if j == i else x for j, x in enumerate(exact)]
        conditions.append((f(*moved) - value) / (value or 1) / ULP)
    return row(point, value, *conditions)


def exact_rows(cases):
    return [[list(at), mpf(value), 0] for *at, value in cases]


# Shapes around 12 (Temme's expansion), 20 and 200 (the slope's ways), x around 3/2,
# a + 1/2, a + 1, 0.4 a and 2.2 a.
GAMMA_POINTS = [
    (1e-300, 1e-5), (1e-300, 2.0), (1e-30, 1e-300), (1e-30, 0.5), (1e-30, 30.0),
    (1e-10, 1e-5), (1e-10, 1.0), (1e-10, 1.6), (1e-3, 1e-300), (1e-3, 1e-10), (1e-3, 0.5),
    (1e-3, 1.49), (1e-3, 1.51), (1e-3, 5.0), (0.1, 1e-5), (0.1, 0.4), (0.1, 1.4),
    (0.1, 1.6), (0.1, 20.0), (0.1, 690.0), (0.5, 1e-300), (0.5, 1e-10), (0.5, 0.1),
    (0.5, 0.9), (0.5, 1.49), (0.5, 1.51), (0.5, 10.0), (0.5, 300.0), (0.5, 700.0),
    (0.9, 1.3), (0.999, 0.01), (0.999, 2.0), (1, 1e-30), (1, 0.5), (1, 1.9), (1, 2.1),
    (1, 50.0), (1.5, 1e-200), (1.5, 1.4), (1.5, 2.4), (1.5, 2.6), (2.5, 0.01), (2.5, 2.5),
    (2.5, 3.6), (2.5, 30.0), (5, 1e-10), (5, 4.0), (5, 5.6), (5, 6.1), (5, 40.0),
    (11.99, 4.7), (11.99, 12.0), (11.99, 27.0), (12, 4.79), (12, 4.81), (12, 12.0),
    (12.5, 27.4), (12.5, 27.6), (12.5, 60.0), (19.9, 20.2), (20.1, 20.4), (20.1, 1.0),
    (50, 10.0), (50, 19.9), (50, 20.1), (50, 45.0), (50, 52.0), (50, 109.0), (50, 111.0),
    (50, 300.0), (100, 0.5), (100, 100.0), (199, 199.0), (199.9, 201.0), (201, 190.0),
    (201, 205.0), (500, 199.0), (500, 201.0), (500, 510.0), (500, 1099.0), (500, 1101.0),
    (1e3, 700.0), (1e3, 1e3), (1e3, 1100.0), (1e3, 2300.0), (1e4, 9500.0), (1e4, 1e4),
    (1e4, 10400.0), (1e6, 970000.0), (1e6, 999000.0), (1e6, 1e6), (1e6, 1002000.0),
    (1e6, 1030000.0), (1e10, 9999000000.0), (1e10, 1e10), (1e10, 1.00002e10),
    (1e15, 1e15), (1e15, 1.0000001e15), (1e15, 9.999999e14), (1e30, 1e30),
    (1e30, 9.999999999999999e29), (1e30, 1e28),
    (4.5e8, 1.5e-25), (3e6, 4e-300), (300, 1e-30), (300, 18.7), (300, 18.8)]
GAMMA_LIMITS = [(2.0, 0.0, 0.0), (2.0, inf, 1.0), (inf, 2.0, 0.0), (0.5, 0.0, 0.0),
                (0.0, 1.0, nan), (-1.0, 1.0, nan), (2.0, -1.0, nan), (nan, 1.0, nan),
                (1.0, nan, nan), (inf, inf, nan)]


def gamma_p(a, x):
    p, _, by_a, _ = gamma_tails(mpf(a), mpf(x))
    return row((a, x), p, gamma_density(mpf(a), mpf(x)) / p, a * by_a / p)


def gamma_q(a, x):
    _, q, by_a, _ = gamma_tails(mpf(a), mpf(x))
    return row((a, x), q, gamma_density(mpf(a), mpf(x)) / q, a * by_a / q)


def gamma_p_slope(a, x):
    exact, at = mpf(a), mpf(x)
    _, _, by_a, by_a_a = gamma_tails(exact, at)
    moved = gamma_density(exact, at) * (log(at) - psi(0, exact))
    return row((a, x), by_a, moved / by_a, exact * by_a_a / by_a)


def gamma_slope(a, x):
    """d log x / da; the third argument is made by the test, log x."""
    exact, at = mpf(a), mpf(x)
    _, _, by_a, by_a_a = gamma_tails(exact, at)
    with workdps(120):
        d, offset = gamma_density(exact, at), log(at) - psi(0, exact)
    value = -by_a / d
    return row((a, x), value, (offset + value * (exact - at)) / value,
               exact * (by_a_a / d + value * offset) / value)


SHAPES = [1e-3, 0.05, 0.3, 0.5, 0.9, 1, 1.5, 4, 11.5, 13, 40, 150, 1e3, 1e6, 1e12]
LOWER = [1e-300, 1e-30, 1e-5, 0.01, 0.3, 0.5, 0.75, 0.99, 1 - 1e-10]


def inverse_rows(upper):
    rows = []
    for i, a in enumerate(SHAPES):
        for p in LOWER[i % 2::2] + [0.5]:
            exact, at = mpf(a), mpf(p)
            ends = (1 - at, at) if upper else (at, 1 - at)
            # Where x would be no normal number, log P = a log x.
            if log(ends[0]) / exact < -690:
                continue
            x = exp(gamma_inverse(exact, *ends))
            _, _, by_a, _ = gamma_tails(exact, x)
            d = gamma_density(exact, x)
            rows.append(row((a, p), x, at / d, exact * by_a / d))
    edge = [(0.0, inf), (1.0, 0.0)] if upper else [(0.0, 0.0), (1.0, inf)]
    return rows + exact_rows([(2.0, p, x) for p, x in edge] + [
        (2.0, -0.1, nan), (2.0, 1.1, nan), (0.0, 0.5, nan), (-1.0, 0.5, nan),
        (inf, 0.5, nan), (nan, 0.5, nan), (2.0, nan, nan)])


# 2,000 is where both shapes count as large.
BETA_POINTS = [
    (1e-300, 1, 0.5), (1e-30, 5, 1e-300), (1e-10, 1e3, 1e-20), (1e-60, 1e-60, 0.25),
    (5, 1e-10, 0.93), (1e-10, 5, 0.07), (0.17, 2.3e-14, 0.98), (0.02, 1e-7, 0.6),
    (1e-20, 6e-5, 0.25), (7e-15, 57, 0.0019), (45, 7e-11, 0.002), (1e6, 1e-8, 1 - 2e-6),
    (1e-30, 1e-30, 1e-30), (1e-10, 1e-10, 0.3), (1e-10, 5, 0.9), (1e-3, 1e-3, 1e-300),
    (1e-3, 1e-3, 0.5), (1e-3, 0.1, 0.999), (1e-3, 20, 1e-5), (0.05, 0.05, 1e-10),
    (0.3, 2, 0.7), (0.5, 0.5, 1e-300), (0.5, 0.5, 1e-10), (0.5, 0.5, 0.25),
    (0.5, 0.5, 0.75), (0.5, 0.5, 1 - 2 ** -53), (0.5, 5, 0.1), (0.9, 0.9, 0.49),
    (1, 1, 1e-300), (1, 1, 0.3), (1, 1, 0.9), (1, 3, 0.25), (1, 1e6, 1e-6), (1.5, 4, 0.2),
    (1.5, 4, 0.5), (2, 2, 0.5), (2, 30, 1e-5), (2, 30, 0.9), (5, 0.5, 0.999),
    (7, 5, 0.125), (7, 5, 0.58), (7, 5, 0.6), (20, 0.5, 0.01), (20, 0.5, 0.97),
    (20, 3, 0.88), (40, 60, 0.1), (40, 60, 0.39), (40, 60, 0.41), (40, 60, 0.9),
    (100, 0.01, 0.5), (100, 0.01, 0.9999), (100, 100, 0.5), (100, 1e4, 0.009),
    (300, 2, 0.99), (1e3, 1e3, 0.48), (1e3, 1e3, 0.5), (1e3, 1e3, 0.75),
    (1999, 1999, 0.5), (1999, 1999, 0.49), (2001, 2001, 0.49), (2001, 2001, 0.5),
    (2001, 2001, 0.53), (2001, 1999, 0.5), (1e4, 0.5, 0.9999), (1e4, 1e4, 0.497),
    (1e4, 3e3, 0.76), (1e4, 1e6, 0.0099), (1e4, 1e6, 0.0102), (1e6, 1e6, 0.499),
    (1e6, 1e6, 0.5), (1e6, 1e6, 0.5005), (1e6, 1e5, 0.91), (1e6, 1e5, 0.9),
    (1e6, 3, 1 - 1e-6), (1e6, 3, 0.9999), (1e8, 0.5, 1 - 1e-8), (1e8, 1e8, 0.49995),
    (1e10, 1e10, 0.500001), (1e10, 5, 1 - 5e-10), (1e10, 1e3, 1 - 1e-7),
    (1e15, 1e15, 0.5), (1e15, 1e15, 0.50000001), (1e15, 1e-3, 1 - 1e-15),
    (1e15, 2, 1 - 2e-15), (1e30, 1e30, 0.5)]
BETA_LIMITS = [(2.0, 3.0, 0.0, 0.0), (2.0, 3.0, 1.0, 1.0), (0.0, 1.0, 0.5, nan),
               (1.0, 0.0, 0.5, nan), (-1.0, 1.0, 0.5, nan), (1.0, 1.0, -0.1, nan),
               (1.0, 1.0, 1.1, nan), (nan, 1.0, 0.5, nan), (1.0, nan, 0.5, nan),
               (1.0, 1.0, nan, nan)]
# Points that only 1 - x can tell.
SPLIT_POINTS = [(0.5, 0.5, 1e-20), (5, 0.1, 1e-30), (2, 0.5, 1e-300),
                (1e-3, 1e-3, 1e-100), (1e10, 3, 1e-10), (1e20, 2, 1e-20), (40, 60, 0.4),
                (1e6, 1e-3, 1e-12), (0.01, 50, 1e-18), (3, 3, 1e-200)]


def beta_part(index, a, b, x, y, point):
    """Value 0 and its derivatives 2 and 3 (in a and b), by the index in beta_tails."""
    a, b = mpf(a), mpf(b)
    tails, d = beta_tails(a, b, x, y), beta_density(a, b, x, y)
    value, n = tails[index], a + b
    # By x: of I, the density; of dI/da, that times log x - digamma(a) + digamma(n).
    if index == 0:
        factor, second = 1, (tails[2], tails[3])
    elif index == 2:
        factor, second = log(x) - psi(0, a) + psi(0, n), (tails[4], tails[5])
    else:
        factor, second = log(y) - psi(0, b) + psi(0, n), (tails[5], tails[6])
    # In units of the lesser of x and 1 - x, which is the one that is exact, where split.
    scale = 1 / y if len(point) == 3 else 1 / max(x, y)
    return row(point, value, d * factor * scale / value, a * second[0] / value,
               b * second[1] / value)


def beta_rows(index, points):
    with workdps(80):
        return [beta_part(index, a, b, mpf(x), 1 - mpf(x), (a, b, x))
                for a, b, x in points]


def split_rows(index):
    """[a, b, x, rest]: x and 1 - x, of which the lesser is exact."""
    rows = []
    with workdps(400):
        for a, b, small in SPLIT_POINTS:
            s, rest = mpf(small), 1 - mpf(small)
            rows.append(beta_part(index, a, b, s, rest, (a, b, small, float(rest))))
            rows.append(beta_part(index, a, b, rest, s, (a, b, float(rest), small)))
    return rows


def beta_inverse_rows():
    rows = []
    pairs = [(1e-3, 1e-3), (0.01, 5), (0.05, 0.3), (0.5, 0.5), (0.5, 20), (1, 1),
             (1, 0.5), (1.5, 4), (2, 300), (7, 5), (40, 60), (100, 0.01), (150, 150),
             (1e3, 2), (1900, 2100), (2100, 2200), (1e4, 0.5), (1e5, 1e6), (1e6, 1e6),
             (1e10, 5), (1e10, 1e10), (2, 1e-4), (0.17, 1e-6)]
    for i, (a, b) in enumerate(pairs):
        for p in LOWER[i % 3::3] + [0.4 * b if b < 1e-3 else 0.4]:
            a, b, at = mpf(a), mpf(b), mpf(p)
            with workdps(80):
                if (log(at) + log(a) + log_beta(a, b)) / a < -690:
                    continue
                l = beta_inverse(a, b, at)
                if abs(l) > 1000:
                    continue
                x, y = 1 / (1 + exp(-l)), 1 / (1 + exp(l))
                tails, d = beta_tails(a, b, x, y), beta_density(a, b, x, y)
                rows.append(row((a, b, p), x, at * y / d, a * tails[2] * y / d,
                                b * tails[3] * y / d))
    return rows + exact_rows([(2.0, 3.0, 0.0, 0.0), (2.0, 3.0, 1.0, 1.0),
                              (2.0, 3.0, -0.1, nan), (2.0, 3.0, 1.1, nan),
                              (0.0, 3.0, 0.5, nan), (2.0, -3.0, 0.5, nan),
                              (inf, 3.0, 0.5, nan), (nan, 3.0, 0.5, nan),
                              (2.0, 3.0, nan, nan)])


def polygamma(n, x):
    return psi(int(n), x)


def digamma_rise(a, b):
    with workdps(60 + int(abs(mp.log10(a)) + abs(mp.log10(b or 1)))):
        return psi(0, a + b) - psi(0, a)


def log_beta(a, b):
    with workdps(60 + int(abs(mp.log10(a)) + abs(mp.log10(b)))):
        return loggamma(a) + loggamma(b) - loggamma(a + b)


@cache
def debye(count):
    """The polynomials U_k of DLMF 10.41.9, lists of coefficients."""
    polynomials = [[Fraction(1)]]
    for _ in range(count):
        u = polynomials[-1]
        new = [Fraction(0)] * (len(u) + 3)
        for n, c in enumerate(u):
            new[n + 1] += c * (Fraction(n, 2) + Fraction(1, 8 * (n + 1)))
            new[n + 3] -= c * (Fraction(n, 2) + Fraction(5, 8 * (n + 3)))
        polynomials.append(new)
    return [[mpf(c.numerator) / c.denominator for c in u] for u in polynomials]


def log_bessel_i(v, x):
    if v < 1000:
        return log(besseli(v, x))
    z = x / v
    with workdps(60 + int(abs(mp.log10(z)))):
        root = sqrt(1 + z * z)
        terms = [mp.polyval(u[::-1], 1 / root) / v ** k for k, u in enumerate(debye(20))]
        return (v * (root + log(z / (1 + root))) - log(2 * pi * v * root) / 2 +
                log(sum(terms)))


def owens_t(h, a):
    """With t = tan u there is no denominator; cut by the scales of t, 1 / h and 1."""
    h, end = abs(h), abs(a)
    cuts = {k * end / 4 for k in range(5)} | {mpf(2) ** k for k in range(100)}
    cuts |= {k / h for k in range(1, 15)} if h > 0 else set()

    def integrand(u):
        return exp(-h * h * mp.tan(u) ** 2 / 2)

    value = quad(integrand, sorted(mp.atan(t) for t in cuts if t <= end),
                 method="gauss-legendre")
    return exp(-h * h / 2) * value / (2 * pi) * mp.sign(a)


POLYGAMMA = [(n, x) for n in (0, 1, 2, 3, 5, 10, 20, 60)
             for x in (1e-30, 1e-3, 0.5, 1.4616321449683623, 13.9, 25.0, 1e3, 1e10)
             if not (n > 9 and x < 1e-10)] + [(1, 1e30), (2, 1e30), (0, 1e300),
                                              (100, 1.5), (150, 40.0), (4, 3.75),
                                              (7, 1e-10)]
DIGAMMA_RISE = [(a, b) for a in (1e-30, 1e-3, 0.5, 1.4616321449683623, 13.9, 25.0, 1e3, 1e30)
                for b in (1e-30, 1e-9, 3e-4, 0.7, 12.0, 1e6, 1e30)]
LOG_BETA = [(1e-300, 1e-300), (1e-300, 1.0), (1e-30, 1e30), (1e-30, 5.0), (1e-10, 1e-10),
            (1e-3, 0.5), (1e-3, 1e10), (0.1, 0.1), (0.5, 0.5), (0.5, 1.0), (0.999, 1.0),
            (0.999, 1e6), (1, 1), (1, 1e-5), (1, 1.001), (1.001, 1), (1.5, 0.6), (2, 2),
            (2.5, 11.9), (2.5, 12.1), (5, 300), (12, 12), (30, 1e5), (0.4, 3.5),
            (1e3, 1e3), (1e5, 2), (1e10, 0.25), (1e10, 1e10), (1e15, 3), (1e30, 1e30),
            (1e30, 2), (1e300, 1)]
# Series, asymptotic form and uniform expansion meet at v = 40, x = 40 and x = v^2 / 2.
LOG_BESSEL = [(v, x) for v in (0, 0.5, 1, 2.75, 8.5, 9, 20, 39.9, 40, 40.1, 100, 999)
              for x in (1e-300, 1e-10, 0.3, 2.5, 39.0, 41.0, 300.0, 1e4)
              if not (v > 30 and x == 0.3)] + [
    (1e-300, 1.0), (1e-10, 1e-5), (1e-3, 700.0), (5.5, 1e30), (30, 449.0), (30, 451.0),
    (1e3, 1e-300), (1e4, 1.0), (1e4, 1e4), (1e4, 1e8), (1e6, 3e6), (1e10, 1e10),
    (1e10, 1e-10), (1e30, 1e30), (1e30, 1.0), (100, 1e30)]
OWEN = [(0.0, 0.5), (0.0, 1.0), (0.0, 1e30), (1e-30, 0.5), (1e-10, 3.0), (0.1, 1e-30),
        (0.1, 0.1), (0.1, 0.9), (0.5, 0.99), (0.5, 1.01), (0.5, 5.0), (1, 0.01), (1, 1),
        (1, 1.5), (1, 100.0), (2, 0.3), (2, 0.999), (2.5, 2.0), (4, 0.75), (4, 4.0),
        (5, 0.01), (6, 1), (6.5, 0.4375), (7, 0.97), (10, 0.5), (10, 1.4), (10, 1.01),
        (13.9, 1.0), (14.1, 1.0), (20, 0.7), (20, 1e-3), (30, 1.0), (37, 0.5),
        (37, 1.001), (37, 1e-5), (37, 1e10), (1e-5, 1e4), (1e-3, 1e6), (-1, 0.5),
        (1, -0.5), (-2, -3.0)]


MORE = {
    "gamma_p": lambda: [gamma_p(*g) for g in GAMMA_POINTS] + exact_rows(GAMMA_LIMITS),
    "gamma_q": lambda: [gamma_q(*g) for g in GAMMA_POINTS] + exact_rows(
        (a, x, 1 - y) for a, x, y in GAMMA_LIMITS),
    "gamma_p_inverse": lambda: inverse_rows(False),
    "gamma_q_inverse": lambda: inverse_rows(True),
    "gamma_p_slope": lambda: [gamma_p_slope(*g) for g in GAMMA_POINTS] + exact_rows(
        [(2.0, 0.0, 0.0), (2.0, inf, 0.0), (0.0, 1.0, nan), (-1.0, 1.0, nan),
         (inf, 1.0, nan), (2.0, -1.0, nan), (nan, 1.0, nan), (1.0, nan, nan)]),
    "gamma_slope": lambda: [gamma_slope(*g) for g in GAMMA_POINTS] + exact_rows(
        [(0.0, 1.0, nan), (-1.0, 1.0, nan), (inf, 1.0, nan), (nan, 1.0, nan),
         (1.0, nan, nan), (2.0, inf, nan)]),
    "beta_i": lambda: beta_rows(0, BETA_POINTS) + exact_rows(BETA_LIMITS),
    "beta_i_split": lambda: split_rows(0),
    "beta_i_inverse": beta_inverse_rows,
    "beta_i_slope_a": lambda: beta_rows(2, BETA_POINTS) + exact_rows(
        [(*at, 0.0 if at[2] == 1 else y) for *at, y in BETA_LIMITS]),
    "beta_i_slope_b": lambda: beta_rows(3, BETA_POINTS) + exact_rows(
        [(*at, 0.0 if at[2] == 1 else y) for *at, y in BETA_LIMITS]),
    "beta_i_split_slope_a": lambda: split_rows(2),
    "beta_i_split_slope_b": lambda: split_rows(3),
    "polygamma": lambda: [
        numerical(polygamma, at, (1,)) for at in POLYGAMMA] + exact_rows(
        [(1.0, 0.0, inf), (2.0, 0.0, -inf), (0.0, 0.0, nan), (1.0, -1.5, nan),
         (1.0, inf, 0.0), (0.0, inf, inf), (-1.0, 1.0, nan), (1.0, nan, nan)]),
    "digamma_rise": lambda: [numerical(digamma_rise, at) for at in DIGAMMA_RISE] + exact_rows(
        [(1.0, 0.0, 0.0), (inf, 1.0, 0.0), (1.0, inf, inf), (0.0, 1.0, nan), (1.0, -1.0, nan),
         (nan, 1.0, nan), (1.0, nan, nan)]),
    "log_beta": lambda: [numerical(log_beta, at) for at in LOG_BETA] + exact_rows(
        [(0.0, 1.0, inf), (1.0, 0.0, inf), (1.0, inf, -inf), (-1.0, 1.0, nan),
         (nan, 1.0, nan)]),
    "log_bessel_i": lambda: [
        numerical(log_bessel_i, at) for at in LOG_BESSEL] + exact_rows(
        [(0.0, 0.0, 0.0), (1.0, 0.0, -inf), (1.0, inf, inf), (-1.0, 1.0, nan),
         (1.0, -1.0, nan), (inf, 1.0, nan), (nan, 1.0, nan), (1.0, nan, nan)]),
    "owens_t": lambda: [numerical(owens_t, at) for at in OWEN] + exact_rows(
        [(1.0, 0.0, 0.0), (inf, 1.0, 0.0), (0.0, inf, 0.25), (nan, 1.0, nan),
         (1.0, nan, nan)]),
}

if __name__ == "__main__":
    check()
    path = Path(__file__).with_suffix(".json")
    data = json.loads(path.read_text()) if sys.argv[1:] else {}
    for name in sys.argv[1:] or [*UNARY, *MORE]:
        data[name] = unary_rows(*UNARY[name]) if name in UNARY else MORE[name]()
        assert len(data[name]) >= 20, name
    write_json(__file__, {name: data[name] for name in [*UNARY, *MORE]})
