# SPDX-License-Identifier: MIT
"""Golden numbers of the first families -> distributions/<family>.json, one file each, and
of implicit derivatives and special functions -> distributions.json. Families added since
have scripts of their own, by subject, on table.py.

Closed forms in mpmath at 50 digits, rounded once to double. Checked here: gradients
against numerical differentiation, entropy and moments against quadrature, implicit
derivatives against the integral of the score, values against the ten-digit numbers of
Pyro's own test fixtures. Parameters and values are doubles and are taken as exact.

At an edge of the support a derivative is the limit from inside.
"""

from mpmath import betainc, diff, digamma, erfc, exp, expm1, gammainc, inf, log, log1p, loggamma
from mpmath import mp, mpf, nan, pi, psi, quad, sqrt, workdps
from scipy.special import betaincinv, gammaincinv

import families
from families import log_beta, log_softmax, sigmoid, softplus, xlogy
from golden import write_json
from table import all_slopes, quantile, slope, write_family
from univariate import log_of

mp.dps = 50


def over(x, y):
    """x / y with 0 / 0 = 0 and x / 0 = inf."""
    if x == 0:
        return mpf(0)
    return x * inf if y == 0 else x / y


# Each family gives (log_prob, d_value, d_params, entropy, mean, variance).

def normal(x, loc, scale):
    u = (x - loc) / scale
    return (families.normal(x, loc, scale), -u / scale, [u / scale, (u * u - 1) / scale],
            log(2 * pi) / 2 + mpf(1) / 2 + log(scale), loc, scale ** 2)


def bernoulli_probs(x, p):
    mass = p if x else 1 - p
    return (log(mass), None, [over(mpf(1) if x else mpf(-1), mass)],
            -xlogy(p, p) - xlogy(1 - p, 1 - p), p, p * (1 - p))


def bernoulli_logits(x, logit):
    p, not_p = sigmoid(logit), sigmoid(-logit)
    return (-softplus(-logit if x else logit), None, [not_p if x else -p],
            p * softplus(-logit) + not_p * softplus(logit), p, p * not_p)


def categorical_probs(k, *weights):
    total = sum(weights)
    probs = [w / total for w in weights]
    score = [(over(mpf(1), weights[k]) if j == k else mpf(0)) - 1 / total
             for j in range(len(weights))]
    return log(probs[k]), None, score, -sum(xlogy(p, p) for p in probs), nan, nan


def categorical_logits(k, *logits):
    logs = log_softmax(logits)
    probs = [exp(x) for x in logs]
    entropy = -sum(p * x for p, x in zip(probs, logs) if p)
    return logs[k], None, [(j == k) - p for j, p in enumerate(probs)], entropy, nan, nan


def gamma(x, a, rate):
    return (families.gamma(log(x), a, rate), over(a - 1, x) - rate,
            [log(rate) + log(x) - digamma(a), a / rate - x],
            a - log(rate) + loggamma(a) + (1 - a) * digamma(a), a / rate, a / rate ** 2)


def beta(x, a, b):
    total, logs = a + b, (log(x), log1p(-x) if x < 1 else -inf)
    psi_a, psi_b, psi_total = digamma(a), digamma(b), digamma(total)
    entropy = log_beta(a, b) - (a - 1) * psi_a - (b - 1) * psi_b + (total - 2) * psi_total
    return (families.beta(logs, a, b), over(a - 1, x) - over(b - 1, 1 - x),
            [logs[0] + psi_total - psi_a, logs[1] + psi_total - psi_b],
            entropy, a / total, a * b / total ** 2 / (total + 1))


def exponential(x, rate):
    return (families.exponential(x, rate), -rate, [1 / rate - x],
            1 - log(rate), 1 / rate, 1 / rate ** 2)


def delta(x, v, log_density):
    return (log_density if x == v else -inf, mpf(0), [mpf(0), mpf(1)],
            -log_density, v, mpf(0))


# The masses of 0 .. K-1, for tails and quantiles.

def masses(name, *params):
    if name.startswith("bernoulli"):
        (p,) = params
        return [1 - p, p] if name == "bernoulli_probs" else [sigmoid(-p), sigmoid(p)]
    if name == "categorical_probs":
        return [p / sum(params) for p in params]
    return [exp(x) for x in log_softmax(params)]


def tail(name, x, params, upper):
    return sum((p for k, p in enumerate(masses(name, *params)) if (k > x) == upper), mpf(0))


def tails(name, x, params):
    """cdf and its derivatives, log_cdf, log_survival."""
    below, above = (tail(name, x, params, upper) for upper in (False, True))
    logs = [log1p(-other) if other < own else log(own) if own > 0 else -inf
            for own, other in ((below, above), (above, below))]
    slopes = [nan if abs(p) == inf else
              slope(lambda t, i=i: tail(name, x, [*params[:i], t, *params[i + 1:]], False), p)
              for i, p in enumerate(params)]
    return {"cdf": below, "d_cdf": [nan, *slopes], "log_cdf": logs[0],
            "log_survival": logs[1]}


def with_discrete_tails(name, records):
    """Adds the tails; the records of quantiles: the least k with P(X <= k) >= p, and with
    P(X > k) <= p."""
    for r in records:
        r.update(tails(name, r["value"], r["params"]))
    records = []
    for params in dict.fromkeys(p for p, _ in TABLES[name][1]):
        exact = [mpf(p) for p in params]
        for p in ("2e-300", "2e-20", "0.03", "0.15", "0.37", "0.55", "0.81", "0.9987"):
            for key, upper in (("probability", False), ("survival", True)):
                k = next(k for k in range(len(exact) + 1)
                         if (tail(name, k, exact, True) <= mpf(p) if upper
                             else tail(name, k, exact, False) >= mpf(p)))
                records.append({"params": exact, key: mpf(p), "value": k})
    return records


# Points: (parameters, value).

NORMAL = [
    ((0, 1), 0), ((0, 1), 1), ((0, 1), -1), ((0, 1), 8.5), ((0, 1), -38),
    ((0, 1), 1e-300), ((2, 4), 2), ((50, 100), 50), ((0.3, 0.7), -1.25),
    ((-1.5, 2.25), 3.1), ((1e8, 1), 1e8 + 1), ((-1e6, 1e3), -1.002e6), ((0, 1e-3), 2e-3),
    ((0, 1e-8), 3e-8), ((1, 1e-5), 1.00002), ((0, 1e5), -2.5e5), ((3, 1e10), 1e10),
    ((0.1, 0.1), 0.1), ((0, 1), 1e6), ((-7, 0.5), 13), ((2.5, 1e-2), 2.4999),
    ((1e-4, 3e-4), -5e-4), ((12, 37), -250), ((0, 1e150), 1e150)]

BERNOULLI_PROBS = [((p,), x) for x in (0, 1) for p in (
    0, 1e-300, 1e-12, 1e-3, 0.25, 0.3, 0.5, 0.6, 0.9, 0.999, 1 - 1e-12, 1)]

BERNOULLI_LOGITS = [((logit,), x) for x in (0, 1) for logit in (
    -800, -100, -36.5, -10, -1.25, -0.1, 0, 1e-10, 0.5, 2, 17, 40, 710)]

CATEGORICAL_PROBS = [
    *(((0.1, 0.6, 0.3), k) for k in range(3)), *(((2, 3, 5), k) for k in range(3)),
    *(((0, 0.25, 0.75), k) for k in range(3)),
    *(((1e-12, 1, 1e-3, 4), k) for k in range(4)), ((0.7,), 0), ((0, 1), 0), ((0, 1), 1),
    ((0.5, 0.5), 1), ((1e-20, 1e20), 0), ((0.1, 0.2, 0.3, 0.4), 2),
    ((30, 20, 0, 10, 40), 2), ((30, 20, 0, 10, 40), 4), ((0.125,) * 8, 5),
    ((1e-300, 1e-300, 2e-300), 2)]

CATEGORICAL_LOGITS = [
    *(((0.1, -0.6, 1.3), k) for k in range(3)),
    *(((1000, 1001, 998.5), k) for k in range(3)),
    *(((-700, 0, 700), k) for k in range(3)),
    *((("-inf", 0.5, -0.5), k) for k in range(3)),
    *(((-20, 3, 1e-3, 4), k) for k in range(4)), ((5,), 0), ((0, 0), 1), ((0, -40), 1),
    ((0.25,) * 8, 5), ((-1e4, -1e4 + 1), 0), ((1, 2, 3, 4, 5), 0), ((1, 2, 3, 4, 5), 4)]

GAMMA = [
    ((2.4, 3.2), 5.5), ((2.4, 2.4), 5.5), ((3.2, 3.2), 4.4), ((2.4, 3.2), 4.4),
    ((1, 1), 1), ((1, 1), 0), ((1, 2.5), 0), ((2, 1), 0), ((37.5, 0.1), 0),
    ((0.01, 1), 1e-20), ((0.01, 1), 1e-200), ((0.01, 3), 2), ((0.1, 0.2), 1e-5),
    ((0.5, 0.5), 1e-10), ((0.5, 0.5), 30), ((0.9, 1e-3), 800), ((1.0001, 4), 0.2),
    ((2, 1), 700), ((7, 1e3), 6e-3), ((20, 2), 9.5), ((100, 10), 10), ((100, 10), 4),
    ((1000, 10), 103), ((1000, 0.02), 5.1e4), ((1e4, 1e4), 1.01), ((5, 1), 1e-100)]

BETA = [
    ((2.4, 3.6), 0.4), ((3.7, 2.5), 0.6), ((2.4, 2.5), 0.5), ((3.6, 2.5), 0.4),
    ((1, 1), 0.3), ((1, 1), 0), ((1, 1), 1), ((1, 2.5), 0), ((2.5, 1), 1), ((2, 3), 0),
    ((2, 3), 1), ((1, 3), 1), ((0.5, 0.5), 0.5), ((0.5, 0.5), 1e-300),
    ((0.5, 0.5), 1 - 2.0 ** -52), ((0.01, 0.01), 1e-100), ((0.01, 0.02), 0.25),
    ((0.3, 7), 1e-5), ((7, 0.3), 0.9999), ((2, 2), 1e-8), ((2, 2), 1 - 1e-8),
    ((50, 50), 0.52), ((50, 50), 0.1), ((1000, 3), 0.998), ((3, 1000), 0.002),
    ((1000, 1000), 0.49), ((1e-3, 5), 1e-12)]

EXPONENTIAL = [
    ((2.4,), 5.5), ((5.5,), 3.2), ((2.4,), 3.2), ((1,), 0), ((2.5,), 0), ((1e-3,), 0),
    ((1,), 1), ((1,), 1e-300), ((1,), 745), ((0.5,), 1e4), ((1e-3,), 700),
    ((1e-3,), 1e-3), ((1e3,), 1e-3), ((1e3,), 2.5), ((1e8,), 3e-9), ((1e-8,), 2e8),
    ((0.1,), 25), ((17,), 0.06), ((3.3,), 0.303), ((1e150,), 1e-150), ((0.7,), 1e-5)]

DELTA = [((v, d), x) for v, d, x in (
    (0, 0, 0), (0, 0, 1), (0, 0, -1e-300), (1.5, 0, 1.5), (1.5, 0, 1.5 + 2.0 ** -51),
    (-2.25, 0, -2.25), (-2.25, 0, 2.25), (1e10, 0, 1e10), (1e-10, 0, 1e-10),
    (1e-10, 0, 0), (0, 1.25, 0), (0, 1.25, 0.5), (1.5, -0.75, 1.5), (1.5, -0.75, 1),
    (-3, 20, -3), (-3, 20, -3.5), (0.1, -40, 0.1), (0.1, -40, 0.3), (7, 1e-8, 7),
    (7, -1e5, 7), (1e300, 3, 1e300), (2, 0.5, -2))]

TABLES = {
    "normal": (normal, NORMAL), "bernoulli_probs": (bernoulli_probs, BERNOULLI_PROBS),
    "bernoulli_logits": (bernoulli_logits, BERNOULLI_LOGITS),
    "categorical_probs": (categorical_probs, CATEGORICAL_PROBS),
    "categorical_logits": (categorical_logits, CATEGORICAL_LOGITS),
    "gamma": (gamma, GAMMA), "beta": (beta, BETA),
    "exponential": (exponential, EXPONENTIAL), "delta": (delta, DELTA)}

# log_prob of test fixtures of Pyro, from an earlier computation in double.
FIXTURES = {
    ("exponential", (2.4,), 5.5): -12.3245312626,
    ("exponential", (5.5,), 3.2): -15.8952519078,
    ("exponential", (2.4,), 3.2): -6.8045312626,
    ("gamma", (2.4, 3.2), 5.5): -12.6386500498, ("gamma", (2.4, 2.4), 5.5): -8.9290870237,
    ("gamma", (3.2, 3.2), 4.4): -7.9837922457, ("gamma", (2.4, 3.2), 4.4): -9.4310510216,
    ("beta", (2.4, 3.6), 0.4): 0.6467554653, ("beta", (3.7, 2.5), 0.6): 0.6658783087,
    ("beta", (2.4, 2.5), 0.5): 0.5168878838, ("beta", (3.6, 2.5), 0.4): 0.2128041906,
    ("normal", (2, 4), 2): -2.3052328943, ("normal", (50, 100), 50): -5.5241087192,
    ("bernoulli_probs", (0.25,), 1): -1.3862943611,
    ("bernoulli_probs", (0.25,), 0): -0.2876820724,
    ("categorical_probs", (0.1, 0.6, 0.3), 2): -1.2039728043}


def check_gradient(family, x, params, d_value, d_params):
    """Against numerical differentiation of log_prob, at 120 digits."""
    point = [x, *params]
    for i, expected in enumerate([d_value, *d_params]):
        if expected is None or abs(point[i]) == inf:
            continue
        size = abs(point[i]) or mpf(1)  # in relative steps: 1e-300 is among the points

        def f(step):
            return family(*point[:i], point[i] + step * size, *point[i + 1:])[0]

        with workdps(120):
            error = abs(diff(f, 0) - expected * size)
        assert error < 1e-20 * (1 + abs(expected) * size), (family.__name__, point, i)


def check_moments(name, params, entropy, mean, variance):
    """Normalisation, entropy, mean and variance by quadrature."""
    log_density = getattr(families, name)
    expect = getattr(families, "expect_" + name)
    value = {"gamma": exp, "beta": lambda logs: exp(logs[0])}.get(name, lambda x: x)
    with workdps(30):
        for f, expected, size in (
                (lambda t: mpf(1), mpf(1), 1), (value, mean, abs(mean) + sqrt(variance)),
                (lambda t: -log_density(t, *params), entropy, 1 + abs(entropy)),
                (lambda t: (value(t) - mean) ** 2, variance, variance)):
            mean_f = expect(lambda t: f(t) / size, *params)
            assert abs(mean_f - expected / size) < 1e-18, (name, params)


def at_edge(name, x, params):
    """Whether the value or a parameter stands where log_prob cannot be differentiated."""
    return ((name in ("gamma", "beta", "exponential") and x == 0)
            or (name == "beta" and x == 1)
            or (name == "bernoulli_probs" and params[0] in (0, 1))
            or (name == "categorical_probs" and 0 in params))


def table(name):
    """The records of one family."""
    family, points = TABLES[name]
    discrete = name.startswith(("bernoulli", "categorical"))
    records, checked = [], set()
    for params, value in points:
        exact, x = [mpf(p) for p in params], value if discrete else mpf(value)
        log_prob, d_value, d_params, *moments = family(x, *exact)
        assert log_prob < inf
        assert abs(log_prob - FIXTURES.get((name, params, value), log_prob)) < 1e-10 or (
            log_prob == -inf)
        if log_prob > -inf and name != "delta" and not at_edge(name, x, exact):
            check_gradient(family, x, exact, d_value, d_params)
        # The quadrature is made for concentrations that are not extreme.
        moderate = name in ("normal", "exponential") or (
            name in ("gamma", "beta") and all(0.05 < p < 2000 for p in params))
        if moderate and params not in checked:
            check_moments(name, exact, *moments)
            checked.add(params)
        derivatives = {"d_params": d_params} if discrete else {
            "d_value": d_value, "d_params": d_params}
        records.append({"params": exact, "value": x, "log_prob": log_prob, **derivatives,
                        **dict(zip(("entropy", "mean", "variance"), moments))})
    assert len(records) >= 20
    return records


# Implicit reparameterisation: x(u, a) = F^-1(u; a) has dx/da = -(dF/da) / density.

def implicit(x, params, log_density, scores, cdf):
    """The record of one point; dF/da is also the integral of density times score to x."""
    d_params = []
    for i, param in enumerate(params):
        slope = diff(lambda c: cdf(*params[:i], c, *params[i + 1:]), param)

        def integrand(v):  # t = x e^(-v/a): smooth also where the density is singular
            log_t = log(x) - v / params[0]
            return exp(log_density(log_t) + log_t) * scores(log_t)[i] / params[0]

        with workdps(30):
            cuts = [0, 1e-3, 0.1, 1, 5, 10, 20, 40, 80, 160, 320, 640]
            integral = quad(integrand, cuts)
        assert abs(integral / slope - 1) < 1e-15, (params, x)
        d_params.append(-slope / exp(log_density(log(x))))
    return {"params": params, "value": x, "d_params": d_params}


def short(x):
    """A double of six decimal digits: the point need not be the quantile exactly."""
    return float(f"{x:.5e}")


def gamma_implicit():
    records = []
    for a in (0.01, 0.05, 0.3, 1, 2.5, 10, 100, 1000):
        for quantile in (0.001, 0.1, 0.5, 0.9, 0.999):
            x = mpf(short(gammaincinv(a, quantile)))
            records.append(implicit(
                x, [mpf(a)], lambda log_t: families.gamma(log_t, mpf(a), 1),
                lambda log_t: [log_t - digamma(a)],
                lambda c: gammainc(c, 0, x, regularized=True)))
    return records


def beta_implicit():
    records = []
    for pair in ((0.02, 0.5), (0.3, 0.3), (0.5, 2), (1, 1), (2.5, 1.5), (0.7, 30),
                 (30, 0.9), (10, 10), (200, 3), (1000, 1000)):
        for quantile in (0.001, 0.3, 0.7, 0.999):
            a, b = (mpf(c) for c in pair)
            x = short(betaincinv(*pair, quantile))
            x = mpf(x if x < 0.5 else 1 - short(betaincinv(*pair[::-1], 1 - quantile)))

            def logs(log_t):
                return log_t, log(-expm1(log_t))

            def scores(log_t):
                means = digamma(a) - digamma(a + b), digamma(b) - digamma(a + b)
                return [log_c - mean for log_c, mean in zip(logs(log_t), means)]

            records.append(implicit(
                x, [a, b], lambda log_t: families.beta(logs(log_t), a, b), scores,
                lambda *c: betainc(*c, 0, x, regularized=True)))
    return records


NEAR = (-1e-3, -1e-6, -1e-10, 0, 1e-10, 1e-6, 1e-3)
SPECIAL = [
    -170.5, -100.7, -50.5, -20.7, -10.5, -5.25, -4.5, -3.3, -2.5, -1.5, -1.001, -0.999,
    -0.9, -0.5, -0.1, -1e-3, -1e-6, -1e-10, 1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.05,
    0.1, 0.25, 0.5, 0.75, 0.9, *(1 + d for d in NEAR), 1.25, 1.4616321449683622, 1.5,
    1.75, *(2 + d for d in NEAR), 2.5, 3, 4.5, 6.3, 8, 9.9, 10, 12, 15.5, 20, 33.3, 50,
    100, 171.5, 500, 1e3, 1e4, 1e6, 1e8, 1e10]


def log_abs_gamma(x):
    return loggamma(x).real


def special(function):
    """Pairs (x, function(x)); lgamma is log |Gamma|."""
    assert len(SPECIAL) >= 60
    return [[float(x), function(mpf(x))] for x in SPECIAL]


def normal_cdf(x, loc, scale):
    return erfc((loc - x) / scale / sqrt(2)) / 2


def gamma_cdf(x, a, rate):
    return gammainc(a, 0, rate * x, regularized=True)


def gamma_survival(x, a, rate):
    return gammainc(a, rate * x, inf, regularized=True)


def beta_cdf(x, a, b):
    return betainc(a, b, 0, x, regularized=True)


# cdf, survival, and where the quantiles of these members lie.
TAILS = {
    "normal": (normal_cdf, lambda x, loc, scale: normal_cdf(2 * loc - x, loc, scale),
               [((0, 1), -60, 60), ((-1.5, 2.25), -60, 60)]),
    "exponential": (lambda x, rate: -expm1(-rate * x), lambda x, rate: exp(-rate * x),
                    [((2.4,), 0, 1000), ((1e-3,), 0, 1e7)]),
    "gamma": (gamma_cdf, gamma_survival,
              [((2.4, 3.2), 0, 1000), ((0.1, 0.2), 0, 1e5), ((100, 10), 0, 1000)]),
    "beta": (beta_cdf, lambda x, a, b: beta_cdf(1 - x, b, a),
             [((2.4, 3.6), 0, 1), ((0.5, 0.5), 0, 1), ((50, 50), 0, 1)])}


def with_tails(name, records):
    """Adds the cdf with its derivatives and logarithms; the records of quantiles."""
    cdf, survival, members = TAILS[name]
    for r in records:
        x, params = r["value"], r["params"]
        concentrated = name in ("gamma", "beta") and max(params) > 2000
        if concentrated or (name in ("gamma", "beta") and x in (0, 1)):
            continue  # mpmath takes too long, or there is a kink
        r["cdf"], r["log_cdf"] = cdf(x, *params), log_of(cdf, survival)(x, *params)
        r["log_survival"] = log_of(survival, cdf)(x, *params)
        if 0 < r["cdf"] < 1:
            r["d_cdf"] = all_slopes(cdf, x, params, [])
    return [quantile(cdf, params, p, low, high, tail) for params, low, high in members
            for p in ("1e-20", "0.001", "0.25", "0.5", "0.9") for tail in (None, survival)]


def with_step(name, records):
    """The same of a Delta, flat but at its value."""
    for r in records:
        below = r["value"] >= r["params"][0]
        r["cdf"], r["log_cdf"], r["log_survival"] = (
            (mpf(1), mpf(0), -inf) if below else (mpf(0), -inf, mpf(0)))
        r["d_cdf"] = [nan if r["value"] == r["params"][0] else mpf(0), mpf(0), mpf(0)]
    return [{"params": [v, d], tail: p, "value": v}
            for v, d in ((-2.5, 0.25), (1e-3, 0)) for tail in ("probability", "survival")
            for p in (0, 1e-20, 0.5, 1)]


def main():
    for name in TABLES:
        records = table(name)
        with_all = (with_step if name == "delta" else
                    with_tails if name in TAILS else with_discrete_tails)
        write_family(name, records, with_all(name, records))
    data = {"gamma_implicit": gamma_implicit(), "beta_implicit": beta_implicit()}
    data["lgamma"] = special(log_abs_gamma)
    data["digamma"] = special(digamma)
    data["trigamma"] = special(lambda x: psi(1, x))
    write_json(__file__, data)


if __name__ == "__main__":
    main()
