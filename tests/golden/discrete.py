# SPDX-License-Identifier: MIT
"""Golden numbers of the families of counts -> distributions/<family>.json, kl/<family>.json.

Masses by their definitions in mpmath; distribution functions by summing masses, which
shares nothing with the incomplete gamma and beta functions under test. Checked here: that
masses sum to 1 and have the moments given, KLs against sums of q log(q / p), and masses
against scipy.stats and torch.distributions.
"""

from mpmath import binomial as choose
from mpmath import exp, floor, inf, log, log1p, loggamma, mp, mpf, nan, psi, sqrt, workdps

import scipy.stats
import torch

from families import sigmoid, softplus, xlogy
from table import kl_record, record, write_family, write_kl

mp.dps = 60


# ---- Masses: log p(k, *params) ---------------------------------------------------------

def poisson(k, rate):
    return xlogy(k, rate) - rate - loggamma(k + 1) if k >= 0 else -inf


def of_odds(log_p, log_q, k, failures):
    """k log p + failures log q with 0 log 0 = 0."""
    return (mpf(0) if k == 0 else k * log_p) + (mpf(0) if failures == 0 else failures * log_q)


def log_odds(p):
    if not 0 <= p <= 1:
        raise ValueError("no probability")  # so that slopes are taken from inside
    return (log(p) if p > 0 else -inf), (log1p(-p) if p < 1 else -inf)


def log_logits(x):
    return -softplus(-x), -softplus(x)


def log_choose(n, k):
    return loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1)


def binomial(k, n, p):
    return log_choose(n, k) + of_odds(*log_odds(p), k, n - k) if 0 <= k <= n else -inf


def binomial_logits(k, n, x):
    return log_choose(n, k) + of_odds(*log_logits(x), k, n - k) if 0 <= k <= n else -inf


def geometric(k, p):
    return of_odds(*log_odds(p), 1, k) if k >= 0 else -inf


def geometric_logits(k, x):
    return of_odds(*log_logits(x), 1, k) if k >= 0 else -inf


def rising(r, k):
    """log Gamma(r + k) / (Gamma(r) k!)."""
    return loggamma(r + k) - loggamma(r) - loggamma(k + 1)


def negative_binomial(k, r, p):
    return rising(r, k) + of_odds(*log_odds(p), k, r) if k >= 0 else -inf


def negative_binomial_logits(k, r, x):
    return rising(r, k) + of_odds(*log_logits(x), k, r) if k >= 0 else -inf


def negative_binomial_mean(k, m, r):
    return rising(r, k) + of_odds(log(m / (r + m)), log(r / (r + m)), k, r) if k >= 0 else -inf


def gamma_poisson(k, a, rate):
    return rising(a, k) + of_odds(-log1p(rate), log(rate / (1 + rate)), k, a) if k >= 0 else -inf


def beta_binomial(k, a, b, n):
    if not 0 <= k <= n:
        return -inf
    return (log_choose(n, k) + loggamma(k + a) + loggamma(n - k + b) - loggamma(n + a + b)
            - loggamma(a) - loggamma(b) + loggamma(a + b))


def discrete_uniform(k, low, high):
    return -log(high - low + 1) if low <= k <= high else -inf


# ---- Moments: (mean, variance, entropy or None), of the parameters ---------------------

MOMENTS = {
    "poisson": lambda rate: (rate, rate),
    "binomial": lambda n, p: (n * p, n * p * (1 - p)),
    "binomial_logits": lambda n, x: (n * sigmoid(x), n * sigmoid(x) * sigmoid(-x)),
    "geometric": lambda p: ((1 - p) / p, (1 - p) / p ** 2,
                            -log(p) - xlogy(1 - p, 1 - p) / p),
    "geometric_logits": lambda x: (exp(-x), exp(-x) * (1 + exp(-x)),
                                   softplus(-x) + exp(-x) * softplus(x)),
    "negative_binomial": lambda r, p: (r * p / (1 - p), r * p / (1 - p) ** 2),
    "negative_binomial_logits": lambda r, x: (r * exp(x), r * exp(x) * (1 + exp(x))),
    "negative_binomial_mean": lambda m, r: (m, m + m * m / r),
    "gamma_poisson": lambda a, b: (a / b, a / b * (1 + 1 / b)),
    "beta_binomial": lambda a, b, n: (
        n * a / (a + b), n * a * b * (a + b + n) / (a + b) ** 2 / (a + b + 1)),
    "discrete_uniform": lambda low, high: (
        (low + high) / 2, ((high - low + 1) ** 2 - 1) / 12, log(high - low + 1))}

COUNTS = {"binomial": (0,), "binomial_logits": (0,), "beta_binomial": (2,),
          "discrete_uniform": (0, 1)}


def least(name, params):
    return params[0] if name == "discrete_uniform" else mpf(0)


def most(name, params):
    if name.startswith("binomial"):
        return params[0]
    return params[-1] if name in ("beta_binomial", "discrete_uniform") else inf


# ---- Distribution functions ------------------------------------------------------------

SUMMED = 200  # counts at most


def lower_sum(name, k, params):
    mass, low = globals()[name], int(least(name, params))
    return sum((exp(mass(mpf(j), *params)) for j in range(low, int(k) + 1)), mpf(0))


def upper_sum(name, k, params):
    mass, j, total, top = globals()[name], int(k) + 1, mpf(0), most(name, params)
    while j <= top:
        term = exp(mass(mpf(j), *params))
        total += term
        j += 1
        if term <= total * mpf(10) ** -45 and j > MOMENTS[name](*params)[0]:
            break
    return total


def entropy_sum(name, params):
    """The sum of -p log p, within 40 deviations and where masses fall off as slowly more."""
    mean, variance, *_ = MOMENTS[name](*params)
    reach = 40 * sqrt(variance) + 150 * max(1, variance / mean if mean else 1)
    low, high = (int(min(max(t, 0), most(name, params))) for t in (mean - reach, mean + reach))
    assert high - low < 200000
    masses = [globals()[name](mpf(k), *params) for k in range(low, high + 1)]
    return sum((-exp(l) * l for l in masses if l > -inf), mpf(0))


def is_summed(name, params):
    mean, variance, *_ = MOMENTS[name](*params)
    return variance < 1e6 and (not mean or variance / mean < 100)


def answers(name, k, params):
    """Those that a record of this point can have."""
    moments = MOMENTS[name]
    found = {"mean": lambda *a: moments(*a)[0], "variance": lambda *a: moments(*a)[1]}
    if len(moments(*params)) > 2:
        found["entropy"] = lambda *a: moments(*a)[2]
    elif is_summed(name, params):
        found["entropy"] = lambda *a: entropy_sum(name, a)
    if 0 <= k - least(name, params) < SUMMED:
        found["cdf"] = lambda t, *a: lower_sum(name, t, a)
        found["log_survival"] = lambda t, *a: log_survival(name, t, a)
    return found


def log_survival(name, k, params):
    below = lower_sum(name, k, params)
    mean, variance, *_ = MOMENTS[name](*params)
    if 1 - below > 1e-30 or variance > 100 * mean:
        return log1p(-below) if variance <= 1e20 * mean else nan
    above = upper_sum(name, k, params)
    return log(above) if above > 0 else -inf


def quantiles(name, params):
    """The least counts that reach some probabilities."""
    found = []
    for p in (0, 1e-3, 0.1, 0.3, 0.5, 0.77, 0.99, 1 - 1e-6):
        k, total = least(name, params), mpf(0)
        while True:
            total += exp(globals()[name](k, *params))
            if total >= mpf(p):
                break
            k += 1
        found.append({"params": list(params), "probability": p, "value": int(k)})
    return found


# ---- Points: (parameters, count) -------------------------------------------------------

BIG = 2 ** 24 + 1  # which float does not have

POINTS = {
    "poisson": [
        ((2,), 0), ((3,), 1), ((6,), 4), ((0,), 0), ((0,), 1), ((1e-30,), 0), ((1e-30,), 1),
        ((1e-300,), 2), ((0.5,), 20), ((0.001,), 3), ((10,), 10), ((10,), 40), ((25.5,), 3),
        ((100,), 100), ((100,), 150), ((1e3,), 900), ((1e3,), 1001), ((1e6,), 10 ** 6 + 5),
        ((1e6,), 0), ((1e7,), BIG), ((1.6e7,), BIG), ((1e12,), 10 ** 12 - 10 ** 6),
        ((1e15,), 10 ** 15 + 3 * 10 ** 7), ((1e30,), 7), ((123.456,), 2000), ((-1,), 0)][:-1],
    "binomial": [
        ((8, 0.6), 4), ((8, 0.3), 2), ((8, 0.2), 6), ((7, 0.4), 3), ((0, 0.3), 0),
        ((1, 0.25), 1), ((5, 0), 0), ((5, 0), 1), ((5, 1), 5), ((5, 1), 4), ((10, 1e-30), 0),
        ((10, 1e-30), 1), ((10, 1e-30), 10), ((40, 1 - 2.0 ** -53), 39), ((100, 0.5), 50),
        ((100, 0.5), 99), ((1000, 0.001), 3), ((1000, 0.999), 990), ((10 ** 6, 0.25), 250123),
        ((BIG, 0.5), BIG // 2), ((BIG, 1e-7), 2), ((BIG, 0.75), BIG),
        ((10 ** 12, 0.3), 3 * 10 ** 11 + 10 ** 6), ((10 ** 9, 1e-9), 1), ((20, 0.1), 20)],
    "binomial_logits": [
        ((8, 0.4), 4), ((8, -0.85), 2), ((8, 0), 8), ((0, 3), 0), ((5, -800), 0),
        ((5, -800), 1), ((5, 800), 5), ((5, 800), 4), ((10, 40), 9), ((10, -40), 1),
        ((100, 2.5), 93), ((100, 2.5), 5), ((1000, -7), 1), ((1000, 7), 999),
        ((10 ** 6, -1), 268941), ((BIG, 0.25), BIG // 2), ((BIG, -16), 2),
        ((10 ** 9, -20), 3), ((3, 1e-10), 2), ((50, -0.1), 20), ((50, -0.1), 50)],
    "geometric": [
        ((0.3,), 0), ((0.3,), 4), ((0.5,), 1), ((0.75,), 30), ((1,), 0), ((1,), 3),
        ((1e-30,), 0), ((1e-30,), 10 ** 9), ((1e-10,), 10 ** 10), ((1e-3,), 1000),
        ((1e-3,), 10), ((0.999,), 5), ((1 - 2.0 ** -53,), 1), ((1 - 2.0 ** -53,), 0),
        ((0.1,), 300), ((0.01,), 700), ((1e-7,), BIG), ((0.9,), 0), ((0.25,), 12),
        ((0.62,), 2), ((2.0 ** -20,), 1234)],
    "geometric_logits": [
        ((-1,), 0), ((-1,), 4), ((0,), 1), ((1.5,), 30), ((40,), 0), ((40,), 1), ((40,), 3),
        ((-70,), 0), ((-70,), 10 ** 9), ((-23,), 10 ** 10), ((-7,), 1000), ((7,), 5),
        ((700,), 1), ((-700,), 3), ((-2.2,), 300), ((-16,), BIG), ((2.25,), 0),
        ((1e-12,), 12), ((0.5,), 2), ((-3,), 100), ((-5,), 1234)],
    "negative_binomial": [
        ((2, 0.5), 3), ((5, 0.25), 0), ((5, 0.25), 1), ((0.5, 0.75), 10), ((1, 0.4), 7),
        ((1e-30, 0.5), 0), ((1e-30, 0.5), 1), ((1e-5, 0.9), 40), ((3, 0), 0), ((3, 0), 2),
        ((10, 1e-30), 0), ((10, 1e-30), 1), ((1e30, 3e-30), 2), ((1e12, 4e-12), 9),
        ((1e8, 0.25), 33333300), ((0.1, 0.999), 500), ((2, 1 - 2.0 ** -20), 10 ** 6),
        ((100, 0.5), 100), ((100, 0.5), 0), ((16, 0.75), 48), ((9.5, 0.6), 200),
        ((2.5, 0.9), BIG), ((10.25, 0.3), 4), ((40, 0.01), 30)],
    "negative_binomial_logits": [
        ((2, 0), 3), ((5, -1), 0), ((5, -1), 1), ((0.5, 1.25), 10), ((1e-30, 2), 1),
        ((1e-5, 3), 40), ((3, -690), 0), ((3, -700), 2), ((1e30, -68), 2), ((1e12, -26), 9),
        ((0.1, 7), 500), ((2, 14), 10 ** 6), ((2, 40), 3), ((100, 0), 100), ((16, 1), 48),
        ((9.5, 0.4), 200), ((10.25, -0.8), 4), ((40, -4.5), 30), ((1e8, -1), 36787900),
        ((7, 0.125), 7)],
    "negative_binomial_mean": [
        ((3, 2), 3), ((1, 5), 0), ((1, 5), 1), ((20, 0.5), 10), ((1e-30, 2), 0),
        ((1e-30, 2), 1), ((2, 1e-30), 0), ((2, 1e-30), 3), ((3, 1e30), 2), ((4, 1e12), 9),
        ((1e6, 1e30), 10 ** 6), ((1e6, 1e9), 999000), ((1e6, 2), 10 ** 6), ((50, 9.75), 51),
        ((50, 10.25), 51), ((1000, 3), 10), ((0.01, 40), 1), ((8, 8), 8), ((12.5, 100), 40),
        ((100, 0.1), 1400), ((1e30, 1), 5)],
    "gamma_poisson": [
        ((1, 2), 0), ((1, 2), 1), ((1, 2), 4), ((1, 3), 4), ((0.5, 0.125), 10),
        ((30, 0.25), 100), ((1e-30, 1), 1), ((1e-5, 1e-3), 40), ((1e12, 1e12), 2),
        ((1e30, 1e30), 3), ((3e30, 1e30), 0), ((2, 1e-6), 10 ** 6), ((2, 1e30), 0),
        ((2, 1e30), 1), ((2, 1e-30), 10), ((40, 10), 4), ((9.5, 2), 200), ((10.5, 3), 1),
        ((0.25, 0.25), 0), ((100, 1), 100), ((7, 0.01), 1000)],
    "beta_binomial": [
        ((2, 5, 8), 4), ((2, 5, 8), 2), ((2, 5, 7), 3), ((2, 5, 9), 8), ((2, 5, 0), 0),
        ((1, 1, 10), 3), ((0.5, 0.75, 40), 0), ((0.5, 0.75, 40), 40), ((0.5, 0.75, 40), 17),
        ((1e-30, 1, 5), 0), ((1e-30, 1, 5), 2), ((1, 1e-30, 5), 5), ((1e-5, 1e-5, 10), 10),
        ((1e30, 3e30, 12), 4), ((1e12, 1e12, 100), 40), ((1e30, 1, 5), 5), ((1e30, 1, 5), 4),
        ((30, 3, 1000), 950), ((1e8, 3e8, 10 ** 6), 250100), ((2, 2, 10 ** 6), 10 ** 6),
        ((0.01, 5, BIG), 3), ((100, 200, BIG), BIG // 3), ((10.5, 9.5, 20), 11),
        ((1e5, 2, 30), 27)],
    "discrete_uniform": [
        *(((1, 6), k) for k in (1, 2, 5, 6)), *(((-3, 12), k) for k in (-3, -1, 0, 12)),
        *(((0, 0), k) for k in (0,)), *(((-1000, 1000), k) for k in (-1000, 3, 200, 1000)),
        ((0, BIG), BIG), ((BIG, BIG), BIG), ((BIG, BIG + 1), BIG + 1),
        ((-(2 ** 50), 2 ** 50), 12345), ((7, 8), 7), ((7, 8), 8), ((-20, -10), -20),
        ((-20, -10), -13), ((100, 1100), 900)]}

QUANTILES = {
    "poisson": [(3.5,), (1e-3,), (400,)], "binomial": [(10, 0.3), (400, 0.875)],
    "binomial_logits": [(10, -1), (400, 1.5)], "geometric": [(0.3,), (0.001,), (1,)],
    "geometric_logits": [(-1,), (-5,), (40,)],
    "negative_binomial": [(2.5, 0.5), (0.25, 0.875), (40, 0.75)],
    "negative_binomial_logits": [(2.5, 0.5), (0.25, 2)],
    "negative_binomial_mean": [(3, 2), (200, 16)], "gamma_poisson": [(1, 2), (30, 0.25)],
    "beta_binomial": [(2, 5, 8), (0.5, 0.75, 40), (30, 3, 1000)],
    "discrete_uniform": [(1, 6), (-1000, 500)]}


# ---- Second opinions -------------------------------------------------------------------

def check_sums(name, params):
    """Masses sum to 1, with the moments given; where that is quickly summed."""
    mean, variance, *rest = MOMENTS[name](*params)
    low, high = int(least(name, params)), most(name, params)
    reach = mean + 60 * sqrt(variance) + 150
    if not max(abs(low), min(high, reach)) < 1200 or (
            high == inf and variance > 4 * mean):
        return 0
    with workdps(80):
        mass = [(mpf(k), globals()[name](mpf(k), *params))
                for k in range(low, int(min(high, reach)) + 1)]
        moments = [sum(exp(l) * f(k, l) for k, l in mass if l > -inf) for f in (
            lambda k, l: 1, lambda k, l: k, lambda k, l: (k - mean) ** 2, lambda k, l: -l)]
    for found, expected in zip(moments, (1, mean, variance, *rest)):
        assert abs(found - expected) < mpf(10) ** -20 * (1 + abs(expected)), (name, params)
    return 1


def check_peers(name, params, k, value):
    """scipy and torch, where they keep their digits."""
    p = [float(x) for x in params]
    doubles = [torch.tensor(x, dtype=torch.double) for x in p]
    peers = {
        "poisson": (lambda: scipy.stats.poisson.logpmf(k, *p), torch.distributions.Poisson),
        "binomial": (lambda: scipy.stats.binom.logpmf(k, *p),
                     lambda n, q: torch.distributions.Binomial(int(n), q)),
        "binomial_logits": (None, lambda n, x: torch.distributions.Binomial(int(n), logits=x)),
        "geometric": (lambda: scipy.stats.geom.logpmf(k + 1, *p),
                      torch.distributions.Geometric),
        "geometric_logits": (None, lambda x: torch.distributions.Geometric(logits=x)),
        "negative_binomial": (lambda: scipy.stats.nbinom.logpmf(k, p[0], 1 - p[1]),
                              torch.distributions.NegativeBinomial),
        "negative_binomial_logits": (
            None, lambda r, x: torch.distributions.NegativeBinomial(r, logits=x)),
        "negative_binomial_mean": (
            lambda: scipy.stats.nbinom.logpmf(k, p[1], p[1] / (p[0] + p[1])), None),
        "gamma_poisson": (lambda: scipy.stats.nbinom.logpmf(k, p[0], p[1] / (1 + p[1])), None),
        "beta_binomial": (lambda: scipy.stats.betabinom.logpmf(k, int(p[2]), *p[:2]), None),
        "discrete_uniform": (lambda: scipy.stats.randint.logpmf(k, p[0], p[1] + 1), None)}
    moderate = value > -50 and k < 1000 and all(
        1e-3 <= abs(x) <= 1e3 and not 0.9995 < x < 1 for x in p) and not (
        "logits" in name and abs(p[-1]) > 8)
    if not moderate:
        return 0
    by_scipy, by_torch = peers[name]
    if by_scipy and params != (1,):
        assert abs(by_scipy() - value) < 1e-9 * (1 + abs(value)), (name, params, k)
    if by_torch:
        found = by_torch(*doubles).log_prob(torch.tensor(float(k), dtype=torch.double))
        assert abs(float(found) - value) < 1e-6 * (1 + abs(value)), (name, params, k)
    return 1


# ---- KL --------------------------------------------------------------------------------

def kl_by_sum(name, q, p):
    """The sum of q log(q / p), by definition."""
    mass, total = globals()[name], mpf(0)
    k, top, mean = least(name, q), most(name, q), MOMENTS[name](*q)[0]
    while k <= top:
        log_q, log_p = mass(k, *q), mass(k, *p)
        if log_q > -inf == log_p:
            return inf
        term = exp(log_q) * (log_q - log_p) if log_q > -inf else mpf(0)
        total += term
        if k > mean + 10 and abs(term) + exp(log_q) < mpf(10) ** -55:
            break
        k += 1
    return total


def share(q, p):
    return xlogy(q, q / p) if p else (mpf(0) if q == 0 else inf)


def trial(q, p):
    return share(q, p) + share(1 - q, 1 - p)


KLS = {
    "poisson": lambda q, p: share(q[0], p[0]) - q[0] + p[0],
    "binomial": lambda q, p: (q[0] * trial(q[1], p[1]) if q[0] == p[0]
                              else kl_by_sum("binomial", q, p)),
    "binomial_logits": lambda q, p: kl_by_sum("binomial_logits", q, p),
    "geometric": lambda q, p: trial(q[0], p[0]) / q[0],
    "geometric_logits": lambda q, p: (
        softplus(-p[0]) - softplus(-q[0]) + exp(-q[0]) * (softplus(p[0]) - softplus(q[0]))),
    "discrete_uniform": lambda q, p: (
        inf if q[0] < p[0] or q[1] > p[1] else log((p[1] - p[0] + 1) / (q[1] - q[0] + 1)))}

PAIRS = {
    "poisson": [((a,), (b,)) for a, b in (
        (3, 6), (6, 3), (1, 1), (0.5, 0.5001), (1e-3, 40), (40, 1e-3), (0, 2), (2, 0),
        (150, 151), (1e-30, 1e-20), (12.25, 3.5))],
    "binomial": [
        ((8, 0.3), (8, 0.45)), ((8, 0.45), (8, 0.3)), ((20, 0.5), (20, 0.5)),
        ((100, 1e-6), (100, 0.4)), ((5, 0), (5, 0.25)), ((5, 1), (5, 0.25)),
        ((5, 0.25), (5, 0)), ((5, 0), (5, 0)), ((40, 0.9), (40, 0.9001)),
        ((9, 0.25), (8, 0.25)), ((9, 0), (8, 0.25)), ((8, 0.25), (9, 0.25)),
        ((3, 0.75), (12, 0.2)), ((0, 0.5), (4, 0.25)), ((0, 0.5), (0, 0.25)),
        ((50, 0.02), (60, 0.9))],
    "binomial_logits": [
        ((8, -1), (8, 0.5)), ((8, 0.5), (8, -1)), ((20, 0), (20, 0)), ((5, -40), (5, 1)),
        ((5, 40), (5, 1)), ((5, 1), (5, -40)), ((40, 2), (40, 2.0001)), ((9, 1), (8, 1)),
        ((8, 1), (9, 1)), ((3, 1.5), (12, -1.25))],
    "geometric": [((a,), (b,)) for a, b in (
        (0.3, 0.5), (0.5, 0.3), (0.25, 0.25), (1, 0.5), (0.5, 0.500001), (0.9, 0.01),
        (0.05, 0.9), (0.999, 0.002), (0.75, 0.25))],
    "geometric_logits": [((a,), (b,)) for a, b in (
        (-1, 0), (0, -1), (0.5, 0.5), (30, 0), (0, 1e-6), (2, -4), (-3, 2), (7, -6), (0, 30))],
    "discrete_uniform": [
        ((1, 6), (1, 6)), ((1, 6), (0, 6)), ((0, 6), (1, 6)), ((2, 2), (-5, 5)),
        ((-5, 5), (2, 2)), ((0, 10), (5, 20)), ((0, 0), (0, 0)), ((-100, 100), (-1000, 1000)),
        ((0, 3), (0, 1023))]}


def at_edge(r, i):
    """x log x has no slope at 0 for differences to find; i: where the parameter stands."""
    if r["kl"] < inf and r["q"][-1] in (0, 1) and i < len(r["q"]):
        r["d_q"][i] = nan if r["q"][i] == r["p"][i] else inf if r["q"][i] else -inf


def main():
    for name, points in POINTS.items():
        mass, counts, records, summed, asked = globals()[name], COUNTS.get(name, ()), [], 0, 0
        for params, k in points:
            exact = tuple(mpf(p) for p in params)
            with workdps(80):
                records.append(record(mass, exact, k, discrete=True, counts=counts,
                                      **answers(name, k, exact)))
            asked += check_peers(name, params, k, records[-1]["log_prob"])
        for params in {p for p, _ in points}:
            summed += check_sums(name, tuple(mpf(p) for p in params))
        assert summed >= 5 and (asked >= 5 or name == "discrete_uniform"), (name, summed, asked)
        write_family(name, records, [
            row for params in QUANTILES.get(name, ())
            for row in quantiles(name, tuple(mpf(p) for p in params))])
    for name, pairs in PAIRS.items():
        records = []
        for q, p in pairs:
            with workdps(80):
                r = kl_record(KLS[name], q, p, counts=COUNTS.get(name, ()))
                by_sum = kl_by_sum(name, *([mpf(x) for x in side] for side in (q, p)))
            at_edge(r, len(COUNTS.get(name, ())))
            assert r["kl"] == by_sum or abs(r["kl"] - by_sum) < mpf(10) ** -30, (name, q, p)
            records.append(r)
        write_kl(name, records)


if __name__ == "__main__":
    main()
