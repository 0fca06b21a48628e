# SPDX-License-Identifier: MIT
"""Tails below a double's range; densities, entropies, moments and KLs at extreme parameters
-> far.json.

Rows of densities: family, params, value, log_prob, slopes in value and params. Of tails:
family, params, value, upper (1: log P(X > x), else log P(X <= x)), the logarithm, slopes in
value and params. Of quantiles: family, params, value (a probability), upper (1: of P(X > x),
else of P(X <= x)), the quantile, slopes in probability and params. Of entropies, means,
variances: the number and slopes in params; of KLs: q,
p, kl, slopes in those. Of pairs (from, to: two families): params, q's and then p's, kl, slopes.
Incomplete functions by their series (NIST DLMF 8.7.1, 8.17.8) and a continued fraction (8.9.2)
of 4,000 terms, slopes by differences, in mpmath at 80 digits.
"""

from mpmath import (cot, digamma, e1, erfc, euler, exp, expm1, inf, isinf, log, log1p, loggamma, mp,
                    mpf, pi, sqrt, workdps)

from golden import write_json

mp.dps = 80


def log_series(ratio):
    """log of the sum of the products of ratio(1), ratio(2), .."""
    total, term, n = mpf(1), mpf(1), 0
    while abs(term) > total * mpf(10) ** -78:
        n += 1
        term *= ratio(n)
        total += term
    return log(total)


def log_p(a, x):
    return a * log(x) - x - loggamma(a + 1) + log_series(lambda n: x / (a + n))


def log_q(a, x):
    f = x + 8003 - a
    for n in range(4000, -1, -1):
        f = x + 2 * n + 1 - a - (n + 1) * (n + 1 - a) / f
    return a * log(x) - x - loggamma(a) - log(f)


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


def log_i(a, b, x, rest):
    """The series from the end that x is at."""
    return (a * log(x) + b * log(rest) - log_beta(a, b) - log(a)
            + log_series(lambda n: (a + b + n - 1) / (a + n) * x))


def normal_mass(low, high):
    return (erfc(low / sqrt(mpf(2))) - erfc(high / sqrt(mpf(2)))) / 2


TAILS = {
    "gamma": lambda upper, x, a, b: (log_q if upper else log_p)(a, b * x),
    "inverse_gamma": lambda upper, x, a, b: (log_p if upper else log_q)(a, b / x),
    "chi2": lambda upper, x, df: (log_q if upper else log_p)(df / 2, x / 2),
    "beta": lambda upper, x, a, b:
        log_i(b, a, 1 - x, x) if upper else log_i(a, b, x, 1 - x),
    "beta_proportion": lambda upper, x, m, k: TAILS["beta"](upper, x, m * k, (1 - m) * k),
    "fisher_snedecor": lambda upper, x, a, b:
        log_i(b / 2, a / 2, b / (a * x + b), a * x / (a * x + b)) if upper
        else log_i(a / 2, b / 2, a * x / (a * x + b), b / (a * x + b)),
    "student_t": lambda upper, x, df, loc, scale: log_i(
        df / 2, mpf(1) / 2, df / (df + ((x - loc) / scale) ** 2),
        ((x - loc) / scale) ** 2 / (df + ((x - loc) / scale) ** 2)) - log(mpf(2)),
    "kumaraswamy": lambda upper, x, a, b: log(-expm1(b * log1p(-x ** a))),
    "truncated_normal": lambda upper, x, loc, scale, low, high: log(
        normal_mass(*((x - loc) / scale, (high - loc) / scale) if upper
                    else ((low - loc) / scale, (x - loc) / scale))
        / normal_mass((low - loc) / scale, (high - loc) / scale)),
}
POINTS = {
    "gamma": [((0.75, 1), 722, 1), ((0.75, 1.125), 1e16, 1), ((50, 1), 2000, 1),
              ((5000, 1), 1e4, 1), ((50, 1), 1e-6, 0), ((5000, 1), 3000, 0),
              ((1e5, 1), 8e4, 0), ((300, 2), 0.5, 0), ((1e-10, 1), 800, 1)],
    "inverse_gamma": [((50, 1), 2e-4, 0), ((0.25, 0.125), 1.5e-4, 0), ((50, 1), 1e6, 1)],
    "chi2": [((1.5,), 1400, 1), ((400,), 1, 0)],
    "beta": [((50, 2), 1e-10, 0), ((2e4, 2e4), 0.2, 0), ((2e4, 2e4), 0.75, 1),
             ((1000, 1e-3), 0.4, 0), ((1e5, 0.3), 0.9, 0), ((0.5, 1e5), 0.01, 1)],
    "beta_proportion": [((0.5, 4e4), 0.2, 0), ((0.01, 3000), 0.5, 1)],
    "fisher_snedecor": [((500, 50), 1e-5, 0), ((50, 500), 1e5, 1), ((1e4, 1e4), 2, 1)],
    "student_t": [((1e6, 0, 1), 50, 1), ((1000, 0, 1), 1000, 1), ((1000, 0.5, 2), -1000, 0),
                  ((30, 0.125, 2), -1e25, 0)],
    "kumaraswamy": [((50, 2), 1e-10, 0), ((350, 0.0078125), 1e-13, 0)],
    "truncated_normal": [((0, 1, -20000, 20000), -1e4, 0), ((0, 1, -20000, 20000), 1e4, 1)],
}


def beta_entropy(a, b):
    return (log_beta(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b)
            + (a + b - 2) * digamma(a + b))


def f_entropy(df1, df2):
    a, b = df1 / 2, df2 / 2
    return (log_beta(a, b) + (1 - a) * digamma(a) - (1 + b) * digamma(b)
            + (a + b) * digamma(a + b) + log(b / a))


ENTROPIES = {
    "gamma": lambda a, b: a - log(b) + loggamma(a) + (1 - a) * digamma(a),
    "inverse_gamma": lambda a, b: a + log(b) + loggamma(a) - (1 + a) * digamma(a),
    "chi2": lambda df: df / 2 + log(mpf(2)) + loggamma(df / 2) + (1 - df / 2) * digamma(df / 2),
    "beta": beta_entropy,
    "beta_proportion": lambda m, k: beta_entropy(m * k, (1 - m) * k),
    "fisher_snedecor": f_entropy,
    "student_t": lambda df, loc, scale: (
        (df + 1) / 2 * (digamma((df + 1) / 2) - digamma(df / 2)) + log(df) / 2
        + log_beta(df / 2, mpf(1) / 2) + log(scale)),
    "gompertz": lambda c, b: 1 - log(c * b) - exp(c) * e1(c),
}
LARGE = {
    "gompertz": [(1e-11, 2), (1e-30, 0.5)],
    "gamma": [(1e6, 2), (1e12, 1e3), (1e30, 1)], "inverse_gamma": [(1e6, 2), (1e30, 1)],
    "chi2": [(1e6,), (1e30,)], "beta": [(1e6, 3e6), (1e12, 1e12), (1e30, 5)],
    "beta_proportion": [(0.25, 1e8), (0.5, 1e20)],
    "fisher_snedecor": [(1e6, 10), (1e10, 1e12), (5, 1e20), (0.5, 1.5)],
    "student_t": [(1e4, 0, 1), (1e8, 0, 2), (1e20, 0, 1)],
}


def kumaraswamy_moment(n, a, b):
    return exp(log(b) + log_beta(1 + n / a, b))


MEANS = {"kumaraswamy": lambda a, b: kumaraswamy_moment(1, a, b)}
VARIANCES = {"kumaraswamy": lambda a, b: (kumaraswamy_moment(2, a, b)
                                          - kumaraswamy_moment(1, a, b) ** 2)}
SHAPES = {"kumaraswamy": [(2, 1e-9), (1e-9, 2), (1e13, 3), (0.5, 1e-12), (3, 1e9), (1e-9, 1e-9),
                          (1e20, 1e-3), (100, 0.0078125), (40, 1e12), (1e-15, 1e-15)]}


def gamma_kl(a_q, b_q, a_p, b_p):
    return ((a_q - a_p) * digamma(a_q) - loggamma(a_q) + loggamma(a_p)
            + a_p * log(b_q / b_p) + a_q * (b_p / b_q - 1))


def beta_kl(a_q, b_q, a_p, b_p):
    psi = digamma(a_q + b_q)
    return (log_beta(a_p, b_p) - log_beta(a_q, b_q) + (a_q - a_p) * (digamma(a_q) - psi)
            + (b_q - b_p) * (digamma(b_q) - psi))


KLS = {
    "gamma": gamma_kl, "beta": beta_kl,
    "beta_proportion": lambda m, k, n, j: beta_kl(m * k, (1 - m) * k, n * j, (1 - n) * j),
}
PAIRS = {
    "gamma": [(1e8, 1e8, 2e8, 2e8), (1e10, 3, 1.5e10, 4), (1e6, 1, 1e6, 1.0009765625)],
    "beta": [(1e6, 1e6, 2e6, 2e6), (1e10, 3e10, 1.25e10, 3.5e10), (1e8, 5, 2e8, 10)],
    "beta_proportion": [(0.25, 1e8, 0.25, 2e8), (0.5, 1e12, 0.5009765625, 1e12)],
}


def beta_entropy(a, b):
    return (log_beta(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b)
            + (a + b - 2) * digamma(a + b))


def gamma_entropy(a, b):
    return a - log(b) + loggamma(a) + (1 - a) * digamma(a)


def beta_inverse_gamma(a, b, c, d):
    """E 1/x = (a + b - 1) / (a - 1), infinite where a <= 1."""
    if a <= 1:
        return inf
    return (-beta_entropy(a, b) - c * log(d) + loggamma(c) + d * (a + b - 1) / (a - 1)
            + (c + 1) * (digamma(a) - digamma(a + b)))


def kumaraswamy_inverse_gamma(a, b, c, d):
    assert a <= 1  # E 1/x is infinite
    return inf


def beta_proportion_weibull(m, n, s, k):
    a, b = m * n, (1 - m) * n
    power = exp(loggamma(a + k) - loggamma(a) + loggamma(n) - loggamma(n + k) - k * log(s))
    return (-beta_entropy(a, b) - log(k) + k * log(s) - (k - 1) * (digamma(a) - digamma(n))
            + power)


def half_normal_weibull(s, t, k):
    log_x = log(s) - (euler + log(2)) / 2
    power = exp(k * log(s * sqrt(mpf(2)) / t) + loggamma((k + 1) / 2)) / sqrt(pi)
    return -log(s) - log(pi / 2) / 2 - mpf(1) / 2 - log(k) + k * log(t) - (k - 1) * log_x + power


def gamma_gumbel(a, b, l, s):
    return (-gamma_entropy(a, b) + log(s) + (a / b - l) / s
            + exp(l / s - a * log(1 + 1 / (b * s))))


def logistic_laplace(m, s, l, t):
    off = abs(m - l)
    return -log(s) - 2 + log(2 * t) + (off + 2 * s * log1p(exp(-off / s))) / t


def uniform_chi2(low, high, n):
    log_x = (high * log(high) - low * log(low)) / (high - low) - 1
    return (-log(high - low) + n / 2 * log(mpf(2)) + loggamma(n / 2) - (n / 2 - 1) * log_x
            + (low + high) / 4)


def uniform_laplace(low, high, l, s):
    """l below low."""
    return -log(high - low) + log(2 * s) + ((low + high) / 2 - l) / s


OF_TWO = {
    ("beta", "inverse_gamma"): beta_inverse_gamma,
    ("kumaraswamy", "inverse_gamma"): kumaraswamy_inverse_gamma,
    ("beta_proportion", "weibull"): beta_proportion_weibull,
    ("half_normal", "weibull"): half_normal_weibull, ("gamma", "gumbel"): gamma_gumbel,
    ("chi2", "gumbel"): lambda n, l, s: gamma_gumbel(n / 2, mpf(1) / 2, l, s),
    ("logistic", "laplace"): logistic_laplace, ("uniform", "chi2"): uniform_chi2,
    ("uniform", "laplace"): uniform_laplace,
}
TWO = {
    ("beta", "inverse_gamma"): [(0.34, 0.28, 2, 2.5), (3e5, 8e8, 0.5, 12)],
    ("kumaraswamy", "inverse_gamma"): [(0.5, 0.3, 2, 1)],
    ("beta_proportion", "weibull"): [(0.0703125, 0.0078125, 4.5, 6400)],
    ("half_normal", "weibull"): [(0.03125, 1100, 1600)],
    ("gamma", "gumbel"): [(2e9, 1e8, 1.25, 0.0009765625)], ("chi2", "gumbel"): [(7e5, 9300, 0.5)],
    ("logistic", "laplace"): [(0.5, 7500, 2e11, 0.25)],
    ("uniform", "chi2"): [(1595.75, 1595.7501, 0.5)],
    ("uniform", "laplace"): [(0.0001, 0.0002, -740, 2)],
}


DENSITIES = {"beta": lambda x, a, b: (a - 1) * log(x) + (b - 1) * log1p(-x) - log_beta(a, b)}
NARROW = {"beta": [((1e8, 1e8), 0.5), ((1e12, 3e12), 0.25), ((1e6, 2e6), 0.3330078125),
                   ((0.5, 1e8), 1e-9), ((3, 1e10), 1e-10), ((3e4, 1e-3), 0.99), ((2e4, 2e4), 0.2)]}


def standard(z):
    return lambda p, loc, scale: loc + scale * z(p)


# By p = P(X <= x). Where x is an end of the support, or loc, to all digits of a double.
QUANTILES = {
    "cauchy": standard(lambda p: -cot(pi * p)),
    "gumbel": standard(lambda p: -log(-log(p))),
    "laplace": standard(lambda p: log(2 * p) if p < 0.5 else -log(2 * (1 - p))),
    "logistic": standard(lambda p: log(p / (1 - p))),
    "soft_laplace": standard(lambda p: -log(cot(pi * p / 2))),
    "uniform": lambda p, low, high: low + p * (high - low),
    "log_uniform": lambda p, low, high: low * (high / low) ** p,
    "pareto": lambda p, scale, alpha: scale * (1 - p) ** (-1 / alpha),
    "kumaraswamy": lambda p, a, b: (1 - (1 - p) ** (1 / b)) ** (1 / a),
}
ENDS = {
    "cauchy": [((-0.5, 1e-10), 0.515625, 0), ((-100, 1e7), 1e-195, 0), ((1, 2), 1e-160, 1)],
    "gumbel": [((88, 1e-10), 0.078125, 0), ((88, 1e-20), 0.25, 1)],
    "laplace": [((-72, 1e-10), 0.03125, 0), ((72, 1e-20), 0.75, 1)],
    "logistic": [((-146, 1e-10), 0.546875, 0), ((146, 1e-20), 0.03125, 1)],
    "soft_laplace": [((1000, 1e-10), 0.25, 0)],
    "uniform": [((-1, 2), 1e-170, 0), ((1, 2), 1e-18, 0), ((1, 3), 1e-20, 1)],
    "log_uniform": [((2, 300), 1e-70, 0), ((1, 3), 1e-20, 1)],
    "pareto": [((0.125, 1.5), 1e-34, 0), ((2, 1e10), 0.25, 0), ((2, 1e20), 0.25, 1)],
    "kumaraswamy": [((0.25, 0.3), 1 - 2.0 ** -52, 0), ((2, 0.015625), 0.75, 0),
                    ((0.5, 0.05), 1e-10, 1)],
}


def slopes(f, args):
    """Central differences, of relative error 1e-40 or so."""
    found = []
    for i, x in enumerate(args):
        h = (abs(x) or mpf(1)) * mpf(10) ** -22
        sides = [f(*args[:i], x + h * k, *args[i + 1:]) for k in (-2, -1, 1, 2)]
        found.append((8 * (sides[2] - sides[1]) - (sides[3] - sides[0])) / (12 * h))
    return [float(d) for d in found]


def tail(family, params, x, upper):
    def f(*args):
        return TAILS[family](upper, *args)
    args = [mpf(v) for v in (x, *params)]
    return {"family": family, "params": params, "value": x, "upper": upper,
            "log_tail": float(f(*args)), "slopes": slopes(f, args)}


def quantile(family, params, p, upper):
    def f(p, *args):
        return QUANTILES[family](1 - p if upper else p, *args)
    args = [mpf(v) for v in (p, *params)]
    with workdps(400):
        return {"family": family, "params": params, "value": p, "upper": upper,
                "quantile": float(f(*args)), "slopes": slopes(f, args)}


def density(family, params, x):
    args = [mpf(v) for v in (x, *params)]
    return {"family": family, "params": params, "value": x,
            "log_prob": float(DENSITIES[family](*args)),
            "slopes": slopes(DENSITIES[family], args)}


def of_params(table, name, family, params):
    args = [mpf(v) for v in params]
    return {"family": family, "params": params, name: float(table[family](*args)),
            "slopes": slopes(table[family], args)}


def of_two(pair, params):
    args = [mpf(v) for v in params]
    kl = OF_TWO[pair](*args)
    return {"from": pair[0], "to": pair[1], "params": params, "kl": float(kl),
            "slopes": [0.0] * len(args) if isinf(kl) else slopes(OF_TWO[pair], args)}


write_json("far.json", {
    "densities": [density(f, *point) for f, points in NARROW.items() for point in points],
    "tails": [tail(f, *point) for f, points in POINTS.items() for point in points],
    "quantiles": [quantile(f, *end) for f, ends in ENDS.items() for end in ends],
    "entropies": [of_params(ENTROPIES, "entropy", f, p) for f, all in LARGE.items() for p in all],
    "means": [of_params(MEANS, "mean", f, p) for f, all in SHAPES.items() for p in all],
    "variances": [of_params(VARIANCES, "variance", f, p)
                  for f, all in SHAPES.items() for p in all],
    "kls": [of_params(KLS, "kl", f, p) for f, all in PAIRS.items() for p in all],
    "pairs": [of_two(f, p) for f, all in TWO.items() for p in all]})
