# SPDX-License-Identifier: MIT
"""Quantiles and entropies of mixtures, with their derivatives -> mixture.json.

Laws of one number by their densities and tails in mpmath. Quantiles by bisection; entropies by
quadrature between places that all components tell, or by sums; derivatives are differences at
many digits, in the weights (which need not sum to 1), then in the components' parameters.
Checked here: total mass, and entropies of single components against closed forms.
"""

from multiprocessing import Pool
from pathlib import Path

from mpmath import (atan, betainc, binomial, erfc, exp, gamma, gammainc, inf, log, loggamma, mp,
                    mpf, nan, pi, quad, sqrt, workdps)

from golden import write_json

mp.dps = 40


def of_counts(mass, top):
    def lower(k, *p):
        return sum((mass(j, *p) for j in range(int(k) + 1)), mpf(0)) if k >= 0 else mpf(0)

    def upper(k, *p):
        total, j = mpf(0), max(int(k) + 1, 0)
        while j <= top(*p):
            term = mass(j, *p)
            total += term
            if term < total * mpf(10) ** -35 and mass(j + 1, *p) < term:
                break
            j += 1
        return total
    return mass, lower, upper, None


# name: density (or mass), P(X <= x), P(X > x), the places where a quadrature is cut.
LAWS = {
    "normal": (lambda x, m, s: exp(-((x - m) / s) ** 2 / 2) / s / sqrt(2 * pi),
               lambda x, m, s: erfc((m - x) / s / sqrt(2)) / 2,
               lambda x, m, s: erfc((x - m) / s / sqrt(2)) / 2,
               lambda m, s: [m + k * s for k in (-40, -14, -7, -3, 0, 3, 7, 14, 40)]),
    "logistic": (lambda x, m, s: 1 / (exp((x - m) / s / 2) + exp((m - x) / s / 2)) ** 2 / s,
                 lambda x, m, s: 1 / (1 + exp((m - x) / s)),
                 lambda x, m, s: 1 / (1 + exp((x - m) / s)),
                 lambda m, s: [m + k * s for k in (-400, -90, -30, -8, 0, 8, 30, 90, 400)]),
    "laplace": (lambda x, m, s: exp(-abs(x - m) / s) / 2 / s,
                lambda x, m, s: exp((x - m) / s) / 2 if x < m else 1 - exp((m - x) / s) / 2,
                lambda x, m, s: exp((m - x) / s) / 2 if x > m else 1 - exp((x - m) / s) / 2,
                lambda m, s: [m + k * s for k in (-400, -90, -30, -8, 0, 8, 30, 90, 400)]),
    "cauchy": (lambda x, m, s: s / (s * s + (x - m) ** 2) / pi,
               lambda x, m, s: atan(s / (m - x)) / pi if x < m else 0.5 + atan((x - m) / s) / pi,
               lambda x, m, s: atan(s / (x - m)) / pi if x > m else 0.5 + atan((m - x) / s) / pi,
               lambda m, s: [m + k * s * mpf(10) ** e for k in (-1, 1)
                             for e in (0, 1, 2, 3, 5, 8, 12, 20, 30, 40)] + [m]),
    "exponential": (lambda x, r: r * exp(-r * x) if x >= 0 else mpf(0),
                    lambda x, r: 1 - exp(-r * x) if x > 0 else mpf(0),
                    lambda x, r: exp(-r * x) if x > 0 else mpf(1),
                    lambda r: [0] + [k / r for k in (1, 4, 12, 40, 100, 400)]),
    "gamma": (lambda x, a, r: r ** a * x ** (a - 1) * exp(-r * x) / gamma(a) if x > 0 else mpf(0),
              lambda x, a, r: gammainc(a, 0, r * x, regularized=True) if x > 0 else mpf(0),
              lambda x, a, r: gammainc(a, r * x, inf, regularized=True) if x > 0 else mpf(1),
              lambda a, r: [0] + [a / r * mpf(10) ** -e for e in (60, 30, 15, 8, 4, 2, 1)]
              + [k * (a + 1) / r for k in (1, 2, 4, 8, 20, 50, 200)]),
    "log_normal": (lambda x, m, s: exp(-((log(x) - m) / s) ** 2 / 2) / s / x / sqrt(2 * pi)
                   if x > 0 else mpf(0),
                   lambda x, m, s: erfc((m - log(x)) / s / sqrt(2)) / 2 if x > 0 else mpf(0),
                   lambda x, m, s: erfc((log(x) - m) / s / sqrt(2)) / 2 if x > 0 else mpf(1),
                   lambda m, s: [0] + [exp(m + k * s) for k in (-40, -14, -8, -5, -3, -2, -1, 0, 1, 2,
                                                               3, 5, 8, 14, 40)]),
    "beta": (lambda x, a, b: x ** (a - 1) * (1 - x) ** (b - 1) * gamma(a + b) / gamma(a) / gamma(b)
             if 0 < x < 1 else mpf(0),
             lambda x, a, b: betainc(a, b, 0, min(max(x, 0), 1), regularized=True),
             lambda x, a, b: betainc(b, a, 0, min(max(1 - x, 0), 1), regularized=True),
             lambda a, b: [0, 1] + [mpf(10) ** -e for e in (60, 30, 15, 6, 3, 1)]
             + [1 - mpf(10) ** -e for e in (35, 15, 6, 3, 1)] + [a / (a + b)]),
    "poisson": of_counts(lambda k, r: exp(k * log(r) - r - loggamma(k + 1)), lambda r: inf),
    "geometric": of_counts(lambda k, p: p * (1 - p) ** k, lambda p: inf),
    "binomial": of_counts(lambda k, n, p: binomial(n, k) * p ** k * (1 - p) ** (n - k)
                          if k <= n else mpf(0), lambda n, p: n),
}
COUNTS = ("poisson", "geometric", "binomial")


def shares(weights):
    return [w / sum(weights) for w in weights]


def mixed(parts, weights, which, x):
    """Of all components; `which` 0: density, 1: P(X <= x), 2: P(X > x)."""
    return sum(w * LAWS[name][which](x, *p) for w, (name, p) in zip(shares(weights), parts))


def is_whole(parts):
    return parts[0][0] in COUNTS


def times_log(p):
    return -p * log(p) if p > 0 else mpf(0)


def expect(f, parts, weights):
    """The integral or sum of f(density)."""
    if is_whole(parts):
        k, total, mass = 0, mpf(0), mpf(0)
        while mass < 1 - mpf(10) ** -36 and k < 20000:
            p = mixed(parts, weights, 0, k)
            mass += p
            total += f(p)
            k += 1
        return total
    cuts = sorted({mpf(c) for name, p in parts for c in LAWS[name][3](*p)})
    return quad(lambda x: f(mixed(parts, weights, 0, x)), cuts)


def entropy(parts, weights):
    return expect(times_log, parts, weights)


def quantile(parts, weights, p, upper):
    low, high = mpf(-1), mpf(2)
    while mixed(parts, weights, 2, high) > 1e-31:
        high *= 2
    while not is_whole(parts) and mixed(parts, weights, 1, low) > 1e-31:
        low *= 2
    while high - low > abs(high) * mpf(10) ** -30:
        middle = (low + high) / 2
        if is_whole(parts):
            middle = mp.floor(middle)
            if middle in (low, high):
                break
        at = mixed(parts, weights, 2 if upper else 1, middle)
        low, high = (middle, high) if (at > p if upper else at < p) else (low, middle)
    return high


def slopes(f, parts, weights, step):
    """In the weights, then in the parameters of each part; nan for numbers of trials."""
    found = []
    for i, w in enumerate(weights):
        found.append((f(parts, [*weights[:i], w + step * w, *weights[i + 1:]])
                      - f(parts, [*weights[:i], w - step * w, *weights[i + 1:]])) / (2 * step * w))
    for i, (name, p) in enumerate(parts):
        for k, a in enumerate(p):
            if name == "binomial" and k == 0:
                found.append(nan)
                continue
            h = step * (abs(a) or mpf(1))
            both = [f([*parts[:i], (name, [*p[:k], a + sign * h, *p[k + 1:]]), *parts[i + 1:]],
                      weights) for sign in (1, -1)]
            found.append((both[0] - both[1]) / (2 * h))
    return found


def moves(parts, weights, x, upper):
    """How a quantile moves, as the tail at it stays."""
    with workdps(120):
        p = mixed(parts, weights, 0, x)
        return [nan if p == 0 else (s if upper else -s) / p for s in slopes(
            lambda a, w: mixed(a, w, 2 if upper else 1, x), parts, weights, mpf(10) ** -15)]


PROBABILITIES = [(1e-30, 0), (1e-9, 0), (0.01, 0), (0.3, 0), (0.5, 0), (0.8125, 0), (0.2, 1),
                 (1e-3, 1), (1e-12, 1), (1e-30, 1)]


def record(parts, weights, f64_only=0):
    parts = [(name, [mpf(a) for a in p]) for name, p in parts]
    weights = [mpf(w) for w in weights]
    r = {"components": [name for name, _ in parts], "params": [p for _, p in parts],
         "weights": weights, "quantiles": []}
    if f64_only:  # more than a float can tell
        r["f64_only"] = 1
    for p, upper in PROBABILITIES:
        x = quantile(parts, weights, mpf(p), upper)
        q = {"survival" if upper else "probability": p, "value": x}
        if not is_whole(parts):
            q["d_value"] = moves(parts, weights, x, upper)
        r["quantiles"].append(q)
    assert abs(expect(lambda p: p, parts, weights) - 1) < mpf(10) ** -14, parts
    r["entropy"] = entropy(parts, weights)
    r["d_entropy"] = slopes(entropy, parts, weights, mpf(10) ** -8)
    return r


def check():
    m = mpf("0.75")
    for parts, expected in (([("normal", [m, 2 * m])], log(2 * m) + log(2 * pi * mp.e) / 2),
                            ([("cauchy", [m, m])], log(4 * pi * m)),
                            ([("exponential", [m])], 1 - log(m)),
                            ([("laplace", [m, m])], 1 + log(2 * m))):
        assert abs(entropy(parts, [mpf(2)]) - expected) < mpf(10) ** -15, parts


MIXTURES = [
    ([("normal", [-1, 0.5]), ("normal", [2, 1.25]), ("normal", [0.25, 3])], [1, 2, 0.5]),
    ([("normal", [-40, 1]), ("normal", [40, 0.125])], [3, 1]),
    ([("normal", [0, 1]), ("normal", [0, 1e-5])], [1, 1]),
    ([("normal", [0, 1]), ("normal", [5, 1e-3])], [1, 1e-6], 1),
    ([("normal", [100, 1]), ("laplace", [99, 0.5])], [0.25, 0.75]),
    ([("cauchy", [-2, 0.5]), ("cauchy", [3, 2])], [1, 3]),
    ([("cauchy", [0, 1]), ("normal", [1, 0.25])], [0.5, 1]),
    ([("logistic", [-1, 0.5]), ("normal", [2, 1])], [2, 1]),
    ([("exponential", [1]), ("exponential", [25])], [0.75, 0.25]),
    ([("gamma", [0.5, 1]), ("gamma", [7, 2])], [1, 1]),
    ([("log_normal", [0, 0.5]), ("gamma", [2, 0.5]), ("exponential", [3])], [1, 2, 1]),
    ([("exponential", [1]), ("normal", [-1, 1])], [1, 2]),
    ([("beta", [2, 5]), ("beta", [6, 2])], [2, 1]),
    ([("beta", [0.5, 0.75]), ("beta", [3, 3])], [1, 1]),
    ([("poisson", [1.5]), ("poisson", [12])], [1, 3]),
    ([("poisson", [0.25]), ("poisson", [4000])], [1, 1.5]),
    ([("geometric", [0.25]), ("binomial", [40, 0.625]), ("poisson", [60])], [2, 1, 1]),
]


def main():
    check()
    with Pool() as pool:
        write_json(Path(__file__), {"records": pool.starmap(record, MIXTURES)})


if __name__ == "__main__":
    main()
