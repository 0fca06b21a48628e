# SPDX-License-Identifier: MIT
"""What the scripts of families of one real number share.

A family is a class of static functions of mpmath numbers: log_prob(x, *params), cdf,
survival, and where there are closed forms entropy(*params), mean, variance, kl(q, p). Its
`points` are (params, x); `checked` are those members (params, cuts) whose mass and moments
are compared with quadrature over the cuts; `range(*params)` is where quantiles lie, of the
probabilities below; `pairs` are (q, p) of a KL, `kl_cuts(q, p)` the cuts of its quadrature
(None: not checked, since infinite).
"""

from mpmath import inf, log, log1p, mp, mpf

from table import check_kl, check_moments, kl_record, quantile, record, write_family, write_kl

mp.dps = 50

PROBABILITIES = ("1e-300", "1e-12", "0.001", "0.03125", "0.5", "0.75", "0.99")
SURVIVALS = ("1e-200", "1e-17", "0.001", "0.25")


def optional(family, *names):
    return {name: getattr(family, name) for name in names if hasattr(family, name)}


def log_of(tail, other):
    def logarithm(x, *params):
        p, rest = tail(x, *params), other(x, *params)
        return log1p(-rest) if rest < p else log(p) if p > 0 else -inf
    return logarithm


def quantiles(family):
    records, seen = [], []
    for params, *_ in family.points:
        if params in seen or len(seen) == 4:
            continue
        seen.append(params)
        exact = [mpf(p) for p in params]
        low, high = family.range(*exact)
        for p in getattr(family, "probabilities", PROBABILITIES):
            records.append(quantile(family.cdf, params, p, low, high))
        for p in getattr(family, "survivals", SURVIVALS):
            records.append(quantile(family.cdf, params, p, low, high, family.survival))
    return records


def write_univariate(name, family):
    answers = optional(family, "cdf", "entropy", "mean", "variance")
    if hasattr(family, "survival"):
        answers.update(log_cdf=log_of(family.cdf, family.survival),
                       log_survival=log_of(family.survival, family.cdf))
    records = [record(family.log_prob, params, x, **answers) for params, x in family.points]
    for params, cuts in family.checked:
        check_moments(family.log_prob, params, cuts,
                      **optional(family, "entropy", "mean", "variance"))
    write_family(name, records, quantiles(family) if hasattr(family, "range") else ())
    if hasattr(family, "kl"):
        write_divergences(name, family)


def write_divergences(name, family):
    pairs = []
    for q, p in family.pairs:
        r = kl_record(family.kl, q, p)
        cuts = family.kl_cuts([mpf(a) for a in q], [mpf(a) for a in p])
        if cuts:
            check_kl(r["kl"], family.log_prob, q, family.log_prob, p, cuts)
        pairs.append(r)
    write_kl(name, pairs)
