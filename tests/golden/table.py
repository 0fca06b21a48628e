# SPDX-License-Identifier: MIT
"""The records of one family of distributions -> distributions/<family>.json, and of KL
divergences within it -> kl/<family>.json.

A family is its log-density in mpmath, and the points where it is asked; the derivatives
come from differentiating that numerically at many digits, which is independent of the
hand-written gradients under test. cdf, entropy, mean and variance are closed forms, or
quadrature where there is none; what is given is checked against quadrature where
`support` says over what.
"""

from pathlib import Path

from mpmath import diff, inf, isfinite, mp, mpf, nan, quad, workdps

from golden import write_json

mp.dps = 50


def write_family(name, records, quantiles=()):
    """At least 20 records; `quantiles`: records of params, probability, value."""
    assert len(records) >= 20, (name, len(records))
    data = {"records": records}
    if quantiles:
        data["quantiles"] = list(quantiles)
    folder = Path(__file__).with_name("distributions")
    folder.mkdir(exist_ok=True)
    write_json(folder / name, data)


def write_kl(name, records):
    """At least 8 records of q, p, kl, d_q, d_p."""
    assert len(records) >= 8, (name, len(records))
    folder = Path(__file__).with_name("kl")
    folder.mkdir(exist_ok=True)
    write_json(folder / name, {"records": records})


def slope(f, x):
    """f'(x), in steps relative to x, one-sided where the other side is outside."""
    size = abs(x) or mpf(1)
    digits = 100 + int(abs(mp.log10(size)))  # so that a step from 1e-300 shows
    for direction in (0, 1, -1):
        with workdps(digits):
            try:
                d = diff(lambda h: f(x + h * size), 0, direction=direction) / size
            except (ValueError, ZeroDivisionError, TypeError):
                continue
        if isinstance(d, mpf) and isfinite(d):
            return d
    return nan


OF_VALUE = ("cdf", "log_cdf", "log_survival")


def all_slopes(f, x, params, counts):
    """The derivatives of f(x, *params) in x and in each parameter; nan for counts."""
    point = [x, *params]
    return [nan if i in counts else
            slope(lambda t, i=i: f(*point[:i], t, *point[i + 1:]), p)
            for i, p in enumerate(point)]


def record(log_prob, params, x, discrete=False, counts=(), **answers):
    """One point. `answers`: cdf(x, *params), log_cdf, log_survival, entropy(*params), mean,
    variance, or absent. The cdf is differentiated as well (d_cdf: value, parameters).
    `counts`: the indices of the parameters that are integers."""
    counts = [i + 1 for i in counts] + [0] * discrete
    exact = [mpf(p) for p in params]
    x = mpf(x)
    at = log_prob(x, *exact)
    assert at < inf
    r = {"params": exact, "value": int(x) if discrete else x, "log_prob": at}
    if at > -inf:
        slopes = all_slopes(log_prob, x, exact, counts)
        if not discrete:
            r["d_value"] = slopes[0]
        r["d_params"] = slopes[1:]
    for name, f in answers.items():
        r[name] = f(x, *exact) if name in OF_VALUE else f(*exact)
    if "cdf" in answers:
        r["d_cdf"] = all_slopes(answers["cdf"], x, exact, counts)
        if not discrete and r["cdf"] in (0, 1):  # a kink, at an end of the support
            r["d_cdf"] = [nan for _ in r["d_cdf"]]
    return r


def quantile(cdf, params, probability, low, high, survival=None):
    """The record of icdf at one probability, by bisection between low and high; of
    inverse_survival where survival(x, *params) is given."""
    exact, p = [mpf(a) for a in params], mpf(probability)
    low, high = mpf(low), mpf(high)
    for _ in range(400):
        middle = (low + high) / 2
        below = survival(middle, *exact) > p if survival else cdf(middle, *exact) < p
        low, high = (middle, high) if below else (low, middle)
    key = "survival" if survival else "probability"
    return {"params": exact, key: p, "value": (low + high) / 2}


def check_moments(log_prob, params, cuts, entropy=None, mean=None, variance=None):
    """Total mass 1, and the closed forms given, against quadrature over `cuts`."""
    exact = [mpf(p) for p in params]

    def expect(f):
        with workdps(30):
            return quad(lambda t: f(t) * mp.exp(log_prob(t, *exact)), cuts)

    assert abs(expect(lambda t: 1) - 1) < 1e-12, params
    m = expect(lambda t: t)
    for value, found in (
            (entropy, lambda: expect(lambda t: -log_prob(t, *exact))), (mean, lambda: m),
            (variance, lambda: expect(lambda t: (t - m) ** 2))):
        if value is not None and isfinite(value(*exact)):
            assert abs(found() - value(*exact)) < 1e-10 * (1 + abs(value(*exact))), params


def kl_record(kl, q, p, counts=()):
    """One pair of members; `kl(q, p)` the closed form, of two lists of parameters.
    `counts`: the indices of the parameters that are integers."""
    exact_q, exact_p = [mpf(a) for a in q], [mpf(a) for a in p]

    def moved(side, i, t):
        sides = [list(exact_q), list(exact_p)]
        sides[side][i] = t
        return kl(*sides)

    value = kl(exact_q, exact_p)
    r = {"q": exact_q, "p": exact_p, "kl": value}
    for side, key, params in ((0, "d_q", exact_q), (1, "d_p", exact_p)):
        r[key] = [nan if i in counts or value == inf else
                  slope(lambda t, i=i: moved(side, i, t), a)
                  for i, a in enumerate(params)]
    return r


def check_kl(value, log_q, q, log_p, p, cuts):
    """A KL against the quadrature of q (log q - log p) over `cuts`."""
    exact_q, exact_p = [mpf(a) for a in q], [mpf(a) for a in p]
    with workdps(30):
        found = quad(lambda t: mp.exp(log_q(t, *exact_q)) * (
            log_q(t, *exact_q) - log_p(t, *exact_p)), cuts)
    assert abs(found - value) < 1e-10 * (1 + abs(value)), (q, p, found, value)
