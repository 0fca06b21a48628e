# SPDX-License-Identifier: MIT
"""RelaxedBernoulli and RelaxedOneHotCategorical -> distributions/<name>.json.

Densities as Maddison, Mnih and Teh (2017) write them (appendix B.1; equation 10), in
products of powers by mpmath, against PyTorch's; distribution functions are checked by
quadrature of densities.
"""

import torch
from mpmath import exp, inf, log, loggamma, mp, mpf, quad, workdps

import event_table
import table
from families import sigmoid

mp.dps = 60


def odds(p):
    if not 0 < p < 1:
        raise ValueError("no probability")
    return p / (1 - p)


def bernoulli(odds_of):
    def law(x, t, weight):
        if not 0 < x < 1:
            return -inf
        a, y = odds_of(weight), 1 - x
        return log(t * a * x ** (-t - 1) * y ** (-t - 1) / (a * x ** -t + y ** -t) ** 2)
    return law


def log_cdf(odds_of):
    """Of S((log a + e) / t): e is logistic."""
    return lambda x, t, w: log(1 / (1 + odds_of(w) * (x / (1 - x)) ** -t))


def log_survival(odds_of):
    return lambda x, t, w: log(1 / (1 + (x / (1 - x)) ** t / odds_of(w)))


def expect(f, t, a, power=0):
    """Of f(z), z = (a + e) / t with e logistic, in panels next to the steps of both. It is
    made about 1 for quad, where it is a moment of that power of e^z."""
    size = exp(power * abs(a) / max(t, power))
    cuts = {c + s * k for c, s in ((0, 1), (-a, min(t, 1)))
            for k in (0, *(s * k for s in (-1, 1) for k in (1, 2, 4, 7, 11, 16, 24, 36, 54, 80, 110,
                                                            150)))}
    with workdps(30):
        return quad(lambda e: size * f((a + e) / t) * sigmoid(e) * sigmoid(-e),
                    sorted(cuts)) / size


def moments(odds_of):
    """By that expectation at minus its logit, so that no digits are lost next to 1."""
    def lower_mean(t, w):
        return expect(sigmoid, t, -abs(log(odds_of(w))), 1)

    def mean(t, w):
        return lower_mean(t, w) if odds_of(w) <= 1 else 1 - lower_mean(t, w)

    def variance(t, w):
        m = lower_mean(t, w)
        return expect(lambda z: (sigmoid(z) - m) ** 2, t, -abs(log(odds_of(w))), 2)

    def entropy(t, w):
        return 2 - log(t) + expect(lambda z: log(sigmoid(z)) + log(sigmoid(-z)), t,
                                   log(odds_of(w)))

    return {"mean": mean, "variance": variance, "entropy": entropy}


PROBS = [  # temperature, probability, value
    (0.75, 0.625, 0.5), (0.75, 0.625, 0.01), (0.75, 0.625, 0.99), (2, 0.25, 0.3),
    (2, 0.25, 0.9), (1, 0.5, 0.2), (1, 0.5, 0.75), (0.1, 0.5, 1e-10), (0.1, 0.5, 0.999999),
    (0.1, 0.5, 0.5), (10, 0.9, 0.6), (10, 0.9, 0.1), (100, 0.5, 0.51), (1e-3, 0.5, 0.25),
    (1e-3, 0.3, 1e-300), (3, 1e-10, 0.5), (3, 1e-10, 1e-3), (0.5, 1 - 2.0 ** -30, 0.9),
    (0.5, 1e-300, 1e-5), (1e3, 0.75, 0.500125), (0.25, 0.875, 0.0625)]
LOGITS = [
    (0.75, 0.5, 0.5), (0.75, 0.5, 0.01), (0.75, 0.5, 0.99), (2, -1, 0.3), (2, -1, 0.9),
    (1, 0, 0.2), (1, 0, 0.75), (0.1, 0, 1e-10), (0.1, 3, 0.999999), (0.1, -3, 0.5),
    (10, 2, 0.6), (10, 2, 0.1), (100, 0, 0.51), (1e-3, 0, 0.25), (1e-3, -1, 1e-300),
    (3, -23, 0.5), (3, -700, 1e-3), (0.5, 20, 0.9), (0.5, 700, 0.99), (1e3, 1, 0.500125),
    (0.25, 2, 0.0625), (1e30, 1, 0.5), (1, 1e30, 0.5)]
QUANTILES = [1e-6, 1e-3, 0.1, 0.3, 0.5, 0.77, 0.99]


def quantile(odds_of, t, w, p):
    z = (log(odds_of(w)) + log(p / (1 - p))) / t
    return sigmoid(z)


def make_bernoulli():
    mp.dps = 400
    for name, odds_of, points, few in (
            ("relaxed_bernoulli", odds, PROBS, [(0.75, 0.625), (2, 0.25)]),
            ("relaxed_bernoulli_logits", exp, LOGITS, [(0.75, 0.5), (2, -1)])):
        law, records = bernoulli(odds_of), []
        for t, w, x in points:
            huge = max(t, abs(w)) > 1e20
            answers = {} if huge else {
                "cdf": lambda x, t, w: exp(log_cdf(odds_of)(x, t, w)),
                "log_cdf": log_cdf(odds_of), "log_survival": log_survival(odds_of),
                **moments(odds_of)}
            if huge:  # no mpmath has these powers
                d = w - t * log(mpf(x) / (1 - mpf(x)))
                records.append({"params": [t, w], "value": x, "log_prob": float(
                    log(t) - abs(d) - 2 * mp.log1p(exp(-abs(d))) - log(mpf(x))
                    - log(1 - mpf(x)))})
                continue
            records.append(table.record(law, (t, w), x, **answers))
            if 0.1 <= t <= 10 and 1e-6 < x < 0.9999 and 1e-3 < float(odds_of(mpf(w))) < 1e3:
                key = "probs" if odds_of is odds else "logits"
                peer = torch.distributions.RelaxedBernoulli(
                    torch.tensor(t, dtype=torch.double),
                    **{key: torch.tensor(w, dtype=torch.double)})
                found = peer.log_prob(torch.tensor(x, dtype=torch.double))
                assert abs(float(found) - law(mpf(x), mpf(t), mpf(w))) < 1e-7, (t, w, x)
        for t, w in few:
            with workdps(30):
                for x in (0.2, 0.7):
                    mass = quad(lambda s: exp(law(s, mpf(t), mpf(w))), [0, 0.01, 0.1, x])
                    assert abs(mass - exp(log_cdf(odds_of)(mpf(x), t, mpf(w)))) < 1e-9
                found = [quad(f, [0, 1e-9, 1e-3, 0.1, 0.9, 0.999, 1 - 1e-9, 1]) for f in (
                    lambda s: s * exp(law(s, mpf(t), mpf(w))),
                    lambda s: -law(s, mpf(t), mpf(w)) * exp(law(s, mpf(t), mpf(w)))
                    if 0 < s < 1 else 0)]
                for own, f in zip(found, ("mean", "entropy")):
                    assert abs(own - moments(odds_of)[f](mpf(t), mpf(w))) < 1e-9, (t, w, f)
        rows = [{"params": [t, w], key: p, "value": quantile(odds_of, t, mpf(w), q)}
                for t, w in few for p in map(mpf, QUANTILES)
                for key, q in (("probability", p), ("survival", 1 - p))]
        table.write_family(name, records, rows)


def one_hot(weight_of):
    def law(x, t, w):
        a, n = [weight_of(b) for b in w], len(w)
        below = sum(b * y ** -t for b, y in zip(a, x))
        return loggamma(mpf(n)) + (n - 1) * log(t) + sum(
            log(b * y ** (-t - 1) / below) for b, y in zip(a, x))
    return law


ONE_HOT_PROBS = [  # temperature, weights, value
    (0.75, [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]), (2, [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]),
    (0.1, [0.1, 0.6, 0.3], [1e-10, 0.9, 0.0999999999]), (1, [1, 1, 1], [0.25, 0.5, 0.25]),
    (1, [3, 0.5, 1, 8], [0.1, 0.2, 0.3, 0.4]), (10, [1, 2], [0.4, 0.6]),
    (0.01, [1, 2], [1e-30, 1]), (0.5, [1, 2], [1e-300, 1]), (1e-3, [1, 1], [0.5, 0.5]),
    (1e3, [1, 2], [0.4999, 0.5001]), (0.5, [4], [1]), (0.5, [1e-30, 1], [0.5, 0.5]),
    (3, [1e-30, 1, 1], [1e-12, 0.5, 0.5]), (0.25, [1, 2, 3, 4, 5], [0.2] * 5),
    (1.5, [1e30, 2e30], [0.125, 0.875]), (0.7, [1] * 8, [0.125] * 8),
    (0.3, [0.25, 0.75], [0.99, 0.01]), (0.3, [0.25, 0.75], [0.01, 0.99]),
    (5, [2, 3, 5], [0.05, 0.05, 0.9]), (0.06, [5, 1, 1], [0.999, 5e-4, 5e-4])]
ONE_HOT_LOGITS = [
    (0.75, [0.5, -1, 2, 0], [0.2, 0.1, 0.6, 0.1]), (2, [0.5, -1, 2, 0], [0.25] * 4),
    (0.1, [0, 1, 2], [1e-10, 0.1, 0.9]), (1, [0, 0, 0], [0.25, 0.5, 0.25]),
    (1, [100, 101, 98], [0.3, 0.5, 0.2]), (10, [1, 2], [0.4, 0.6]),
    (0.01, [1, 2], [1e-30, 1]), (0.5, [-700, 700], [1e-300, 1]), (1e-3, [0, 0], [0.5, 0.5]),
    (1e3, [0, 1], [0.4999, 0.5001]), (0.5, [4], [1]), (0.5, [-69, 0], [0.5, 0.5]),
    (3, [-40, 0, 0], [1e-12, 0.5, 0.5]), (0.25, [1, 2, 3, 4, 5], [0.2] * 5),
    (1.5, [-400, -400.5], [0.125, 0.875]), (0.7, [0] * 8, [0.125] * 8),
    (0.3, [-1, 1], [0.99, 0.01]), (0.3, [-1, 1], [0.01, 0.99]),
    (5, [2, 3, 5], [0.05, 0.05, 0.9]), (0.06, [5, 1, 1], [0.999, 5e-4, 5e-4])]


def make_one_hot():
    for name, weight_of, points, few in (
            ("relaxed_one_hot_categorical", lambda w: w, ONE_HOT_PROBS,
             [[0.75, [0.125, 0.25, 0.5]], [2, [3, 0.5, 1]]]),
            ("relaxed_one_hot_categorical_logits", exp, ONE_HOT_LOGITS,
             [[0.75, [0.5, -1, 2]], [2, [3, 4, 2.5]]])):
        law = one_hot(weight_of)
        mp.dps = 400
        records = [event_table.record(law, [t, w], x) for t, w, x in points]
        mp.dps = 60
        for t, w, x in points:
            if 0.1 <= t <= 10 and min(x) > 1e-6 and abs(sum(x) - 1) < 1e-9:
                key = "logits" if weight_of is exp else "probs"
                peer = torch.distributions.RelaxedOneHotCategorical(
                    torch.tensor(t, dtype=torch.double),
                    **{key: torch.tensor(w, dtype=torch.double)})
                if min(w) > (1e-6 if key == "probs" else -50):
                    found = peer.log_prob(torch.tensor(x, dtype=torch.double))
                    value = law(*event_table.exact([x, t, w]))
                    assert abs(float(found) - value) < 1e-7 * (1 + abs(value)), (t, w, x)
        event_table.write_family(name, records, few)


if __name__ == "__main__":
    make_bernoulli()
    make_one_hot()
