# SPDX-License-Identifier: MIT
"""Stable -> distributions/stable.json.

Densities, tails and their derivatives by the trapezoid rule over s = log |t| of the inversion
integral along a straight ray, at as many digits as cancel and 25 more: another contour and
another rule than the library's, which integrates where the phase is constant. Compared in
this script with closed forms and with scipy's levy_stable. Quantiles are of those points.
Entropies by quadrature in doubles, from inversion along the real line and a series.
"""

import cmath
import functools
import math

import numpy as np
from mpmath import (erfc, exp, inf, isfinite, log, log1p, mp, mpc, mpf, nan, pi, sqrt, tan,
                    workdps)
from scipy.stats import levy_stable

from table import write_family

STEPS = 64  # to a unit of s: e^-80 of what the integrand is at angles 0.2 away


def exponent(a, b, x, v, exponential, tangent, constant_pi):
    """Of the integrand at t = e^v, and its derivatives by x, a, b."""
    t = exponential(v)
    if a == 1:
        shift = t * v * 2 / constant_pi
        return (-1j * x * t - t - 1j * b * shift, -1j * t,
                -t * v - 1j * b * shift * v / 2, -1j * shift)
    power, slant = exponential(a * v), tangent(constant_pi * a / 2)
    slope = constant_pi / 2 * (1 + slant * slant)
    return (-1j * x * t - power - 1j * b * slant * (t - power), -1j * t,
            -v * power - 1j * b * (slope * (t - power) - slant * v * power),
            -1j * slant * (t - power))


def ray(a, b, x):
    """The angle of the ray beside which the integrand stays lowest, and its logarithm there."""
    a, b, x = float(a), float(b), float(x)
    if abs(a - 1) < 1e-6:
        a = 1.0

    def highest(angle):
        top, s, last = -math.inf, -10.0, 6 / min(1, a) + 3
        while s < last:
            try:
                top = max(top, s + exponent(a, b, x, complex(s, -angle), cmath.exp, math.tan,
                                            math.pi)[0].real)
            except OverflowError:
                return math.inf
            s += 0.125
        end = exponent(a, b, x, complex(last, -angle), cmath.exp, math.tan, math.pi)[0].real
        return top if end < -100 else math.inf

    return min((max(highest(k / 20 + d) for d in (-0.2, 0, 0.2)), k / 20)
               for k in range(-28, 29))


def integrals(a, b, x, lost, angle):
    """Density and P(X > x), each with its derivatives by x, a, b, where so many digits
    cancel."""
    span = 2.4 * (lost + 25)
    with workdps(lost + 40):
        h = mpf(1) / STEPS
        density, tail = [mpf(0)] * 4, [mpf(0)] * 4
        tail[0] = mpf(1) / 2 - mpf(angle) / pi
        s = -mpf(round(span / min(1, float(a))))
        while True:
            v = s - mpc(0, angle)
            p, *by = exponent(a, b, x, v, exp, tan, pi)
            e = exp(p)
            whole = e * exp(v)
            density = [f + h / pi * (d * whole).real for f, d in zip(density, [1, *by])]
            tail = [f + h / pi * (d * e).imag for f, d in zip(tail, [1, *by])]
            s += h
            if p.real + s < -span and p.real < -40:
                return density, tail


def standard(a, b, x):
    top, angle = ray(a, b, x)
    assert top < 1e4, (a, b, x)
    allowed = 10
    while True:
        density, tail = integrals(a, b, x, allowed, angle)
        least = min(abs(density[0]), abs(tail[0]), abs(1 - tail[0]))
        lost = (max(top, 0) - log(least)) / 2.3
        if lost <= allowed:
            return density, tail
        allowed = int(lost) + 5


def panels(cuts):
    """Nodes and weights between the cuts."""
    x, w = np.polynomial.legendre.leggauss(40)
    low, high = np.array(cuts[:-1])[:, None], np.array(cuts[1:])[:, None]
    return ((low + high) / 2 + (high - low) / 2 * x).ravel(), ((high - low) / 2 * w).ravel()


@functools.cache
def entropy(a, b):
    """In doubles, of the law of scale 1 without its location: -f log f by quadrature, f next to
    0 by its inversion over t = u^4, in which t^a is smooth where 4 a is whole, and far out by
    its series; or in closed form, or nan."""
    if a == 2:
        return log(4 * pi) / 2 + mpf(1) / 2
    if a == 1 and b == 0:
        return log(4 * pi)
    if a == 0.5 and abs(b) == 1:
        return (1 + 3 * mp.euler + log(16 * pi)) / 2
    if a == 1 or 4 * a % 1 or a < 0.75 or abs(b) > 0.95:
        return nan
    rate = 1 - 1j * b * math.tan(math.pi * a / 2)
    far = 40 if a > 1 else 3
    u, w = panels(np.linspace(0, 45 ** (0.25 / a), 200))

    def near(y, rate):
        t = u ** 4
        return (np.exp(-1j * y * t - rate * t ** a) @ (w * 4 * u ** 3)).real / math.pi

    def series(y, rate):
        return sum(((-rate) ** n * math.exp(math.lgamma(n * a + 1) - math.lgamma(n + 1))
                    * 1j ** (-n * a - 1)).real * y ** (-n * a - 1)
                   for n in range(1, 60)) / math.pi

    total = 0
    for side in (rate, rate.conjugate()):
        y, weight = panels(np.linspace(0, far, 60))
        f = np.array([near(x, side) for x in y])
        s, also = panels(np.linspace(math.log(far), 60 / a, 60))
        f, weight = np.append(f, series(np.exp(s), side)), np.append(weight, also * np.exp(s))
        total -= weight @ (f * np.log(f))
    return mpf(total)


def answers(params, value):
    a, b, scale, loc = map(mpf, params)
    x = (mpf(value) - loc) / scale
    r = {"params": [a, b, scale, loc], "value": mpf(value)}
    ends = b * tan(pi * a / 2) if a < 1 and abs(b) == 1 else None
    r["mean"] = loc - b * scale * tan(pi * a / 2) if a > 1 else nan
    r["variance"] = 2 * scale ** 2 if a == 2 else inf
    r["entropy"] = entropy(float(a), float(b)) + log(scale)
    if ends is not None and (x + ends) * b <= 0:
        below = b > 0
        return r | {"log_prob": -inf, "cdf": 0 if below else 1,
                    "log_cdf": -inf if below else 0, "log_survival": 0 if below else -inf}
    density, tail = standard(a, b, x)

    def by_all(by):
        return [by[0] / scale, by[1], by[2], -x * by[0] / scale, -by[0] / scale]

    slopes = by_all([d / density[0] for d in density[1:]])
    slopes[3] -= 1 / scale
    lower = 1 - tail[0]
    return r | {
        "log_prob": log(density[0]) - log(scale), "d_value": slopes[0], "d_params": slopes[1:],
        "cdf": lower, "d_cdf": by_all([-d for d in tail[1:]]),
        "log_cdf": log1p(-tail[0]) if tail[0] < lower else log(lower),
        "log_survival": log(tail[0]) if tail[0] < lower else log1p(-lower)}


POINTS = [
    ((1.5, 0.3, 1, 0), 0.5), ((1.5, 0.3, 1, 0), -0.5), ((2, 0, 1, 0), 0.5),
    ((2, 0.5, 1.5, -1), -4), ((1, 0, 1, 0), 0), ((1, 0, 2, 0.5), 3), ((1, 0, 1, 0), -30),
    ((1, 0.5, 2, 0.25), 2), ((1, -1, 1, 0), 3), ((1, 1, 1, 0), -1), ((0.5, 1, 1, 0), -0.9),
    ((0.5, 1, 1, 0), 0.5), ((0.5, 1, 2, 1), 1e3), ((0.5, 1, 1, 0), -1.5),
    ((0.5, -1, 1, 0), 2), ((0.5, -0.7, 1, 0), 0.25), ((1.9, 0, 1, 0), 5),
    ((1.99, -0.5, 1, 0), 8), ((1.0001, 0.75, 1, 0), 0.5), ((0.9999, -0.25, 1, 0), -2),
    ((1 + 2.0 ** -30, 0.5, 1, 0), 1.25), ((1 - 2.0 ** -40, 1e-9, 1, 0), 0.5),
    ((0.125, 0.25, 1, 0), 1e5), ((0.25, 0.75, 1, 0), 0.25), ((1.5, 0.25, 1, 0), 1e6),
    ((1.25, -1, 0.5, 3), 3.5), ((1.5, -0.9375, 1, 0), 4), ((1.75, 0.125, 1e-3, 5), 5.002),
    ((0.75, -0.25, 1e5, -1e5), 3e5), ((1.9375, 1, 1, 0), -5), ((1.25, 0.625, 1, 0), -1e10),
    ((1.999, 0, 1, 0), 12), ((0.875, 0.5, 1, 0), 0),
    ((1.125, 1, 1, 0), -2), ((0.9375, 1, 1, 0), -3), ((1.5, 0, 10, 50), 35),
    # Where the library takes a series of the heavy tail, and skews next to 1 and -1.
    ((0.6, 1, 1, 0), 0.5), ((0.6, 1, 1, 0), 1e20), ((0.6, 1, 1, 0), -1.3),
    ((0.3, -0.99, 1, 0), -2), ((0.3, -0.99, 1, 0), 1e6), ((0.9, 0.5, 1, 0), 4),
    ((0.9, 0.5, 1, 0), 1e13), ((1.5, -0.9995, 1, 0), 3), ((1.5, -0.99999, 1, 0), -2),
    ((0.6, 0.9999, 1, 0), -1), ((0.6, 0.99999, 1, 0), 1e6), ((0.75, -0.9996, 2, 1), 5),
    ((1.25, 0.9999, 1, 0), 12), ((1.75, 0.9998, 1, 0), 12), ((1.5, -0.9999, 1, 0), 12),
    ((0.6, -0.9999, 1, 0), 12), ((0.9, -1, 1, 0), -1e4), ((0.3, -0.99, 1, 0), -1e38)]


def check(r):
    a, b, scale, loc = (float(p) for p in r["params"])
    x = float(r["value"])
    if not isfinite(r["log_prob"]):
        return
    z = (r["value"] - r["params"][3]) / r["params"][2]
    if a == 2:
        assert abs(r["log_prob"] + z * z / 4 + log(4 * pi) / 2 + log(mpf(scale))) < 1e-20
        assert abs(r["cdf"] / (erfc(-z / 2) / 2) - 1) < 1e-20
    elif a == 1 and b == 0:
        assert abs(r["log_prob"] + log1p(z * z) + log(pi) + log(mpf(scale))) < 1e-20
    elif a == 0.5 and b == 1:
        y = z + 1
        assert abs(r["log_prob"] + log(2 * pi) / 2 + 1.5 * log(y) + 1 / (2 * y)
                   + log(mpf(scale))) < 1e-20
        assert abs(r["cdf"] - erfc(1 / sqrt(2 * y))) < 1e-20
    elif 0.2 < a and abs(z) < 10 and abs(a - 1) > 0.01 and r["log_prob"] > -10:
        levy_stable.parameterization = "S0"
        assert abs(levy_stable.logpdf(x, a, b, loc, scale) - float(r["log_prob"])) < 1e-5, r
        assert abs(levy_stable.cdf(x, a, b, loc, scale) - float(r["cdf"])) < 1e-6, r


def quantiles(r):
    """At the doubles next to r's tails, by a step of Newton: its error is their rounding's
    square."""
    if not isfinite(r["log_prob"]):
        return []
    density, found = exp(r["log_prob"]), []
    for name, sign in (("probability", 1), ("survival", -1)):
        tail = exp(r["log_cdf" if sign == 1 else "log_survival"])
        if 1e-300 < tail < 0.9:
            p = mpf(float(tail))
            found.append({"params": r["params"], name: p,
                          "value": r["value"] + sign * (p - tail) / density})
    return found


if __name__ == "__main__":
    records, inverse = [], []
    for point in POINTS:
        records.append(answers(*point))
        check(records[-1])
        inverse += quantiles(records[-1])
    write_family("stable", records, inverse)
