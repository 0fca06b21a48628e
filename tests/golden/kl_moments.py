# SPDX-License-Identifier: MIT
"""Golden KL(q||p), in nats, of two families of one real number by what log p asks of q's moments
-> kl_moments.json.

By Gauss and Legendre's rule in doubles, of q (log q - log p) over a coordinate in which q's density
falls off exponentially, cut where a density has a kink; no closed form enters. "inf" where q's
support is not within p's, and where the integral diverges: by q's exponent at 0 and by its tail.
kl_cross.py does so in mpmath for fewer pairs, and takes long.
"""

import numpy as np
from numpy import arcsinh, exp, inf, log, log1p, pi, sinh
from scipy.special import betaln, gammaln

from golden import write_json

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def normal(x, loc, scale):
    return -((x - loc) / scale) ** 2 / 2 - log(scale) - log(2 * pi) / 2


def truncated_normal(x, loc, scale, low, high):
    from scipy.stats import norm
    a, b = (low - loc) / scale, (high - loc) / scale
    return normal(x, loc, scale) - log(norm.cdf(b) - norm.cdf(a))


def asymmetric_laplace(x, loc, scale, k):
    z = (x - loc) / scale
    return np.where(z < 0, z / k, -z * k) - log(scale * (k + 1 / k))


def kumaraswamy(log_x, a, b):
    return log(a * b) + (a - 1) * log_x + (b - 1) * log(-np.expm1(a * log_x))


def logistic(x, loc, scale):
    z = abs(x - loc) / scale
    return -z - 2 * log1p(exp(-z)) - log(scale)


def soft_laplace(x, loc, scale):
    z = abs(x - loc) / scale
    return log(2 / pi / scale) - z - log1p(exp(-2 * z))


def student_t(x, df, loc, scale):
    z = (x - loc) / scale
    return -(df + 1) / 2 * log1p(z * z / df) - log(scale) - log(df) / 2 - betaln(df / 2, 0.5)


def fisher(log_x, m, n):
    return (-betaln(m / 2, n / 2) + m / 2 * log(m / n) + (m / 2 - 1) * log_x
            - (m + n) / 2 * log1p(m / n * exp(log_x)))


def gamma(x, log_x, a, b):
    return a * log(b) - gammaln(a) + (a - 1) * log_x - b * x


def beta(log_x, log_1mx, a, b):
    return (a - 1) * log_x + (b - 1) * log_1mx - betaln(a, b)


# Log-densities of x, log x and log(1 - x) on the support.
DENSITY = {
    "asymmetric_laplace": lambda x, y, z, *p: asymmetric_laplace(x, *p),
    "beta": lambda x, y, z, a, b: beta(y, z, a, b),
    "beta_proportion": lambda x, y, z, m, k: beta(y, z, m * k, (1 - m) * k),
    "cauchy": lambda x, y, z, *p: student_t(x, 1, *p),
    "chi2": lambda x, y, z, df: gamma(x, y, df / 2, 0.5),
    "continuous_bernoulli": lambda x, y, z, p: x * log(p) + (1 - x) * log(1 - p)
        + log(log(p / (1 - p)) / (2 * p - 1)),
    "exponential": lambda x, y, z, r: log(r) - r * x,
    "fisher_snedecor": lambda x, y, z, *p: fisher(y, *p),
    "gamma": lambda x, y, z, *p: gamma(x, y, *p),
    "gompertz": lambda x, y, z, a, b: log(a * b) + b * x - a * np.expm1(b * x),
    "gumbel": lambda x, y, z, l, s: -(x - l) / s - exp(-(x - l) / s) - log(s),
    "half_cauchy": lambda x, y, z, s: log(2 / pi / s) - log1p((x / s) ** 2),
    "half_normal": lambda x, y, z, s: normal(x, 0, s) + log(2),
    "inverse_gamma": lambda x, y, z, *p: gamma(exp(-y), -y, *p) - 2 * y,
    "kumaraswamy": lambda x, y, z, a, b: kumaraswamy(y, a, b),
    "laplace": lambda x, y, z, *p: asymmetric_laplace(x, *p, 1),
    "log_normal": lambda x, y, z, *p: normal(y, *p) - y,
    "log_uniform": lambda x, y, z, l, h: -y - log(log(h / l)),
    "logistic": lambda x, y, z, *p: logistic(x, *p),
    "normal": lambda x, y, z, *p: normal(x, *p),
    "pareto": lambda x, y, z, s, a: log(a) + a * log(s) - (a + 1) * y,
    "soft_laplace": lambda x, y, z, *p: soft_laplace(x, *p),
    "student_t": lambda x, y, z, *p: student_t(x, *p),
    "truncated_normal": lambda x, y, z, *p: truncated_normal(x, *p),
    "uniform": lambda x, y, z, l, h: -log(h - l) + 0 * x,
    "weibull": lambda x, y, z, s, k: log(k / s) + (k - 1) * (y - log(s)) - (x / s) ** k}
POINTS = {
    "asymmetric_laplace": [(0.4, 0.9, 1.5), (-0.75, 0.5, 0.75)],
    "beta": [(2.4, 3.6), (1.5, 0.75)], "beta_proportion": [(0.4, 5)], "cauchy": [(0.5, 2)],
    "chi2": [(5,), (1.5,)], "continuous_bernoulli": [(0.3,)], "exponential": [(1.5,)],
    "fisher_snedecor": [(3, 7)], "gamma": [(2.4, 3.6), (0.75, 0.5)], "gompertz": [(0.5, 1.5)],
    "gumbel": [(0.4, 0.9)], "half_cauchy": [(0.75,)], "half_normal": [(1.2,)],
    "inverse_gamma": [(3.5, 2), (0.75, 1)], "kumaraswamy": [(2.5, 0.75), (0.75, 3)],
    "laplace": [(0.4, 0.9)], "log_normal": [(0.3, 0.5)], "log_uniform": [(0.2, 0.9), (1.5, 4)],
    "logistic": [(0.4, 0.9)], "normal": [(0.7, 1.3)], "pareto": [(1.3, 4.5), (0.5, 0.75)],
    "soft_laplace": [(0.4, 0.9)], "student_t": [(3.5, 0.3, 0.7), (1.5, 0, 1), (0.75, 1, 2)],
    "truncated_normal": [(0.7, 1.3, -0.5, 0.9), (0, 1, 0.25, 0.75), (2, 0.5, 0.125, inf),
                         (0.5, 2, -inf, inf)],
    "uniform": [(0.2, 0.9), (1.5, 3), (-1, 2)], "weibull": [(1.2, 2.5), (0.5, 0.75)]}
UNIT = {"beta", "beta_proportion", "continuous_bernoulli", "kumaraswamy"}
REAL = {"asymmetric_laplace", "cauchy", "gumbel", "laplace", "logistic", "normal",
        "soft_laplace", "student_t"}
# What of q has a closed form, and what p asks for.
GAMMAS = {"chi2", "exponential", "gamma"}
BETAS = {"beta", "beta_proportion"}
POWER = GAMMAS | BETAS | {"half_normal", "inverse_gamma", "kumaraswamy", "log_normal",
                          "log_uniform", "pareto", "weibull"}
LOG_X = POWER | {"uniform"}
DISTANCE = {"laplace", "logistic", "normal", "uniform"}
ALL = set(DENSITY)
TARGETS = {
    "asymmetric_laplace": DISTANCE, "beta": BETAS | {"kumaraswamy", "uniform"},
    "beta_proportion": BETAS | {"kumaraswamy", "uniform"}, "chi2": LOG_X,
    "continuous_bernoulli": ALL, "exponential": ALL, "gamma": LOG_X,
    "gumbel": GAMMAS | {"normal", "uniform"}, "half_normal": ALL, "inverse_gamma": POWER,
    "kumaraswamy": BETAS, "laplace": DISTANCE | {"asymmetric_laplace"}, "log_normal": POWER,
    "log_uniform": LOG_X, "normal": ALL, "pareto": LOG_X, "truncated_normal": ALL, "uniform": ALL,
    "weibull": POWER}


def support(name, params):
    if name in UNIT:
        return 0, 1
    if name in REAL:
        return -inf, inf
    if name in ("log_uniform", "truncated_normal", "uniform"):
        return params[-2:]
    return (params[0], inf) if name == "pareto" else (0, inf)


def diverges(q, a, p, b):
    """By q's tail, x^-(t + 1), against the power in -log p; by its exponent k - 1 at 0."""
    tail = {"cauchy": 1, "fisher_snedecor": a[-1] / 2, "half_cauchy": 1, "inverse_gamma": a[0],
            "pareto": a[-1], "student_t": a[0]}.get(q, inf)
    growth = {"normal": 2, "half_normal": 2, "truncated_normal": 2, "weibull": b[-1],
              "exponential": 1, "gamma": 1, "chi2": 1}.get(p, 0)
    at_zero = {"gamma": a[0], "beta": a[0], "kumaraswamy": a[0], "weibull": a[-1],
               "half_normal": 1, "exponential": 1, "chi2": a[0] / 2,
               "beta_proportion": a[0] * a[-1]}.get(q, inf)
    return growth >= tail or (p == "inverse_gamma" and at_zero <= 1)


def coordinate(low, high, u):
    """x, log |x|, log(1 - x) and log dx/du."""
    with np.errstate(all="ignore"):
        if low == -inf:
            x = sinh(u)
            return x, log(abs(x)), log(abs(1 - x)), log(np.cosh(u))
        if high == inf:
            x = low + exp(u)
            return x, u if low == 0 else log(abs(x)), log(abs(1 - x)), u
        rest = log1p(exp(-abs(u)))
        near, far = np.minimum(u, 0) - rest, np.minimum(-u, 0) - rest
        if (low, high) == (0, 1):
            return exp(near), near, far, near + far
        x = low + (high - low) * exp(near)
        return x, log(abs(x)), log(abs(1 - x)), log(high - low) + near + far


def divergence(q, a, p, b):
    (low, high), (p_low, p_high) = support(q, a), support(p, b)
    if low < p_low or high > p_high or diverges(q, a, p, b):
        return inf
    cuts = set(np.arange(-200 if low > -inf else -60, 60.5, 0.25))
    if low == -inf:
        cuts |= {arcsinh(d[-2 if len(d) == 2 else 0]) for n, d in ((q, a), (p, b)) if "laplace" in n}
    elif high < inf and "laplace" in p and low < b[0] < high:
        cuts.add(log((b[0] - low) / (high - b[0])))
    cuts = np.array(sorted(cuts))
    half = np.diff(cuts) / 2
    u = ((cuts[1:] + cuts[:-1]) / 2)[:, None] + half[:, None] * NODES
    x, log_x, log_1mx, log_slope = coordinate(low, high, u)
    with np.errstate(all="ignore"):
        log_q = DENSITY[q](x, log_x, log_1mx, *a)
        weight = exp(log_q + log_slope) * WEIGHTS * half[:, None]
        terms = np.where(weight > 1e-200, weight * (log_q - DENSITY[p](x, log_x, log_1mx, *b)), 0)
    assert abs(np.sum(weight[weight > 1e-200]) - 1) < 3e-13, (q, a, np.sum(weight))
    return np.sum(terms)


def main():
    records = []
    for q, members in POINTS.items():
        for p, having in TARGETS.items():
            if q == p or q not in having:
                continue
            for a in members:
                for b in POINTS[p]:
                    kl = divergence(q, a, p, b)
                    assert kl > 0 or {q, p} == {"chi2", "gamma"}, (q, a, p, b, kl)
                    records.append({"from": q, "to": p, "q": a, "p": b, "kl": kl, "edge": 0})
    write_json(__file__, {"records": records})


if __name__ == "__main__":
    main()
