# SPDX-License-Identifier: MIT
"""Golden KL(q||p), in nats, of two families of one real number -> kl_cross.json.

By quadrature of q (log q - log p) in mpmath, q's density in a coordinate in which it is
smooth; no closed form enters. Where q's support is not within p's the KL is "inf". Some
values are checked against ten-digit numbers from elsewhere.
"""

from mpmath import beta as beta_function
from mpmath import exp, inf, linspace, log, loggamma, mp, mpf, pi, quad

from golden import write_json

mp.dps = 30


# Log-densities on the support; -inf outside.

def beta(x, a, b):
    return (a - 1) * log(x) + (b - 1) * log(1 - x) - log(beta_function(a, b))


def continuous_bernoulli(x, p):
    odds = log(p) - log(1 - p)
    norm = log(odds / (2 * p - 1)) if p != mpf(1) / 2 else log(mpf(2))
    return x * log(p) + (1 - x) * log(1 - p) + norm


def exponential(x, rate):
    return log(rate) - rate * x


def gamma(x, a, b):
    return a * log(b) - loggamma(a) + (a - 1) * log(x) - b * x


def gumbel(x, loc, scale):
    z = (x - loc) / scale
    return -z - exp(-z) - log(scale)


def half_normal(x, scale):
    return log(2) / 2 - log(pi) / 2 - log(scale) - (x / scale) ** 2 / 2


def laplace(x, loc, scale):
    return -log(2 * scale) - abs(x - loc) / scale


def log_normal(x, loc, scale):
    return normal(log(x), loc, scale) - log(x)


def logistic(x, loc, scale):
    z = abs(x - loc) / scale
    return -z - 2 * log(1 + exp(-z)) - log(scale)


def normal(x, loc, scale):
    return -((x - loc) / scale) ** 2 / 2 - log(scale) - log(2 * pi) / 2


def pareto(x, scale, alpha):
    return log(alpha) + alpha * log(scale) - (alpha + 1) * log(x)


def uniform(x, low, high):
    return -log(high - low)


def weibull(x, scale, k):
    return log(k / scale) + (k - 1) * log(x / scale) - (x / scale) ** k


REAL, POSITIVE, UNIT = (-inf, inf), (0, inf), (0, 1)
SUPPORT = {
    "beta": lambda *p: UNIT, "continuous_bernoulli": lambda *p: UNIT,
    "exponential": lambda *p: POSITIVE, "gamma": lambda *p: POSITIVE,
    "gumbel": lambda *p: REAL, "half_normal": lambda *p: POSITIVE,
    "laplace": lambda *p: REAL, "log_normal": lambda *p: POSITIVE,
    "logistic": lambda *p: REAL, "normal": lambda *p: REAL,
    "pareto": lambda scale, alpha: (scale, inf), "uniform": lambda low, high: (low, high),
    "weibull": lambda *p: POSITIVE}
DENSITY = {name: globals()[name] for name in SUPPORT}
POINTS = {
    "beta": [(2.4, 3.6), (1.5, 0.75)], "continuous_bernoulli": [(0.3,), (0.85,)],
    "exponential": [(1.5,), (0.25,)], "gamma": [(2.4, 3.6), (0.75, 0.5)],
    "gumbel": [(0.4, 0.9), (-1, 0.25)], "half_normal": [(1.2,), (0.5,)],
    "laplace": [(0.4, 0.9), (-1, 0.5)], "log_normal": [(0.3, 0.5), (-1, 0.25)],
    "logistic": [(0.4, 0.9), (-1, 0.5)], "normal": [(0.7, 1.3), (-0.5, 0.25)],
    "pareto": [(1.3, 4.5), (0.5, 3)], "uniform": [(0.2, 0.9), (0, 0.75), (1.5, 3), (-1, 2)],
    "weibull": [(1.2, 2.5), (0.5, 0.75)]}
TARGETS = ["beta", "continuous_bernoulli", "exponential", "gamma", "gumbel", "laplace",
           "normal", "pareto", "uniform"]
# Pairs without a closed form here.
WITHOUT = {
    *((q, "gumbel") for q in ("beta", "continuous_bernoulli", "half_normal", "laplace",
                              "log_normal", "logistic", "pareto", "weibull")),
    *((q, "laplace") for q in POINTS if q != "normal"),
    ("continuous_bernoulli", "beta"), ("continuous_bernoulli", "gamma"),
    ("continuous_bernoulli", "pareto")}

# Ten-digit numbers from elsewhere.
KNOWN = {
    ("beta", (2.4, 3.6), "normal", (0.7, 1.3)): 1.518097,
    ("exponential", (1.5,), "gumbel", (0.4, 0.9)): 0.492355,
    ("gamma", (2.4, 3.6), "gumbel", (0.4, 0.9)): 0.586877,
    ("gumbel", (0.4, 0.9), "normal", (0.7, 1.3)): 0.117902,
    ("laplace", (0.4, 0.9), "normal", (0.7, 1.3)): 0.099433,
    ("normal", (0.7, 1.3), "gumbel", (0.4, 0.9)): 0.580410,
    ("normal", (0.7, 1.3), "laplace", (0.4, 0.9)): 0.089536,
    ("pareto", (1.3, 4.5), "normal", (0.7, 1.3)): 1.553456,
    ("uniform", (0.2, 0.9), "gumbel", (0.4, 0.9)): 1.285961}


def coordinate(low, high):
    """x(u), log dx/du and cuts in u: tails far beyond the mass on either side."""
    if low == -inf:
        return (lambda u: u), (lambda u: mpf(0)), linspace(-60, 60, 121)
    if high == inf:
        return (lambda u: low + exp(u)), (lambda u: u), linspace(-160, 40, 101)

    def logistic_map(u):
        return low + (high - low) / (1 + exp(-u))

    def slope(u):
        return log(high - low) - abs(u) - 2 * log(1 + exp(-abs(u)))

    return logistic_map, slope, linspace(-90, 90, 91)


def divergence(q, params_q, p, params_p):
    exact_q, exact_p = [mpf(a) for a in params_q], [mpf(a) for a in params_p]
    low, high = (mpf(end) for end in SUPPORT[q](*exact_q))
    p_low, p_high = SUPPORT[p](*exact_p)
    if low < p_low or high > p_high:
        return inf
    x_of, log_slope, cuts = coordinate(low, high)

    if low == -inf:                 # where a density has a kink
        cuts = sorted({*cuts, exact_q[0], exact_p[0]})

    def integrand(u):
        x = x_of(u)
        if x <= low or x >= high:
            return mpf(0)
        log_q = DENSITY[q](x, *exact_q)
        return exp(log_q + log_slope(u)) * (log_q - DENSITY[p](x, *exact_p))

    return quad(integrand, cuts)


def main():
    records = []
    for q, members in POINTS.items():
        for p in TARGETS:
            if q == p or ((q, p) in WITHOUT and divergence(
                    q, members[0], p, POINTS[p][0]) < inf):
                continue
            for params_q in members:
                for params_p in POINTS[p]:
                    kl = divergence(q, params_q, p, params_p)
                    known = KNOWN.get((q, params_q, p, params_p), kl)
                    assert kl == known or abs(kl - known) < 1e-6, (q, p, kl, known)
                    assert kl > 0
                    records.append({"from": q, "to": p, "q": params_q, "p": params_p,
                                    "kl": kl})
    write_json(__file__, {"records": records})


if __name__ == "__main__":
    main()
