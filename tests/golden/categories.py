# SPDX-License-Identifier: MIT
"""Families of categories with events, or with events as parameters ->
distributions/<family>.json, kl/<family>.json: OneHotCategorical, Multinomial,
DirichletMultinomial, OrderedLogistic.

Masses by their definitions in mpmath. Checked here: masses sum to 1 over all values, and
have the moments and entropies given; masses and entropies against scipy.stats and Pyro's
fixtures; KLs against sums of q log(q / p).
"""

import itertools
import sys

import scipy.stats
from mpmath import binomial as choose
from mpmath import exp, inf, log, loggamma, mp, mpf, nan

from event_table import exact, kl_record, near, plain, record, write_family, write_kl
from families import log_softmax, sigmoid, xlogy

mp.dps = 50


def log_probs(w):
    if min(w) < 0:
        raise ValueError("no probability")
    return [log(x / sum(w)) if x > 0 else -inf for x in w]


def times_log(x, log_p):
    return mpf(0) if x == 0 else x * log_p


def covariance_of(scale, m):
    return [[scale * ((i == j) * a - a * b) for j, b in enumerate(m)]
            for i, a in enumerate(m)]


def diagonal(S):
    return [S[i][i] for i in range(len(S))]


def categorical_kl(q, p):
    return sum(times_log(exp(a), a - b) if a > -inf else mpf(0) for a, b in zip(q, p))


def unit(k, n):
    return [int(i == k) for i in range(n)]


def vectors(total, n):
    """All counts of n categories with that sum."""
    for cuts in itertools.combinations(range(total + n - 1), n - 1):
        ends = (-1, *cuts, total + n - 1)
        yield [b - a - 1 for a, b in zip(ends, ends[1:])]


def check_sums(law, values, mean=None, covariance=None, entropy=None):
    """`law(x)` sums to 1 over the values, with these moments."""
    masses = [(x, exp(law(x))) for x in values]
    near(sum(p for _, p in masses), 1)
    if mean:
        n = range(len(mean))
        near([sum(p * x[i] for x, p in masses) for i in n], mean)
        near([[sum(p * (x[i] - mean[i]) * (x[j] - mean[j]) for x, p in masses) for j in n]
              for i in n], covariance)
    if entropy is not None:
        near(sum(-p * log(p) for _, p in masses if p > 0), entropy)


# OneHotCategorical, by probs and by logits


PROBS = [[0.1, 0.6, 0.3], [0.125, 0.25, 0.5, 0.125], [3, 1, 8], [0, 1, 2], [1, 0, 0, 4],
         [1e-30, 1, 1], [1e-300, 1, 1e-200], [1e30, 2e30], [5], [1] * 8,
         [1, 1e-9, 1e-12], [0.3, 0.3, 0.4]]
LOGITS = [[0.5, -1, 2, 0], [100, 101, 98, 99], [0, 0], [-700, 0, 700], [1e30, 0, -1e30],
          [3], [0] * 6, [1e-9, 0, 0], [-1, -2, -3, -4, -5], [-400, -400.5], [0, -40, -80],
          [2, 1]]
PROB_PAIRS = [([0.1, 0.6, 0.3], [0.2, 0.4, 0.4]), ([3, 1, 8], [1, 1, 1]), ([5], [2]),
              ([0.3, 0.3, 0.4], [0.3, 0.3, 0.4]), ([1, 1e-9], [1e-9, 1]),
              ([0.25] * 4, [1, 2, 3, 4]), ([1, 2], [2, 1]), ([1e-30, 1], [0.5, 0.5])]
LOGIT_PAIRS = [([0.5, -1, 2], [0, 0, 0]), ([1, 2], [2, 1]), ([3], [4]),
               ([0, -40], [-40, 0]), ([100, 101, 98], [98, 99, 100]), ([0, 0], [0, 0]),
               ([-1, -2, -3, -4], [0, 0, 0, 1]), ([-700, 0], [700, 0])]


def made(forms, mass):
    """mass(x, .., log p) by weights."""
    return lambda x, *params: mass(x, *params[:-1], forms(params[-1]))


def one_hot(x, log_p):
    return sum(times_log(t, a) for t, a in zip(x, log_p))


def make_one_hot():
    for name, forms, weights, pairs, points in (
            ("one_hot_categorical", log_probs, PROBS, PROB_PAIRS,
             [[[0.125, 0.25, 0.5, 0.125]], [[3, 0.5, 1, 8]]]),
            ("one_hot_categorical_logits", log_softmax, LOGITS, LOGIT_PAIRS,
             [[[0.5, -1, 2, 0]], [[10, 11, 8, 9]]])):
        answers = dict(
            entropy=lambda w, f=forms: -sum(times_log(exp(a), a) for a in f(w)),
            mean=lambda w, f=forms: [exp(a) for a in f(w)],
            variance=lambda w, f=forms: [exp(a) * (1 - exp(a)) for a in f(w)],
            covariance=lambda w, f=forms: covariance_of(1, [exp(a) for a in f(w)]))
        records = []
        for w in weights:
            for k in sorted({0, len(w) // 2, len(w) - 1}):
                if w[k] != 0 or forms is log_softmax:
                    records.append(record(made(forms, one_hot), [w], unit(k, len(w)),
                                          discrete=True, **answers))
            check_sums(lambda x, w=exact(w): made(forms, one_hot)(x, w),
                       [unit(k, len(w)) for k in range(len(w))],
                       *(answers[k](exact(w)) for k in ("mean", "covariance", "entropy")))
        write_family(name, records, points)
        write_kl(name, [kl_record(lambda q, p, f=forms: categorical_kl(f(q[0]), f(p[0])),
                                  [q], [p]) for q, p in pairs])


# Multinomial


def multinomial(x, total, log_p):
    return loggamma(total + 1) + sum(times_log(t, a) - loggamma(t + 1)
                                     for t, a in zip(x, log_p))


def mean_log_factorial(total, log_p):
    if log_p == -inf or total == 0:
        return mpf(0)
    p = exp(log_p)
    q, mass = 1 - p, []
    for k in range(int(total) + 1):
        mass.append((choose(total, k) * p ** k * q ** (total - k)) * loggamma(k + 1))
    return sum(mass)


def multinomial_entropy(total, log_p):
    if total > 20000:
        return nan
    return (-loggamma(total + 1) - total * sum(times_log(exp(a), a) for a in log_p)
            + sum(mean_log_factorial(total, a) for a in log_p))


COUNTS = [  # total, probs, x
    (8, [0.1, 0.6, 0.3], [2, 4, 2]), (8, [0.2, 0.4, 0.4], [1, 4, 3]),
    (0, [1, 2, 3], [0, 0, 0]), (1, [1, 2, 3], [0, 1, 0]), (5, [0, 1, 3], [0, 2, 3]),
    (5, [7], [5]), (40, [1, 1, 1, 1], [10, 9, 11, 10]), (40, [1, 1, 1, 1], [40, 0, 0, 0]),
    (100, [1e-6, 1, 1], [0, 60, 40]), (100, [1e-6, 1, 1], [3, 57, 40]),
    (1000, [0.5, 0.25, 0.25], [510, 240, 250]), (20000, [3, 5], [7433, 12567]),
    (1000000, [0.2, 0.3, 0.5], [200123, 299900, 499977]),
    (10 ** 12, [1, 1], [500000000123, 499999999877]), (3, [1e-30, 1], [1, 2]),
    (7, [1e-200, 1, 1e-100], [1, 5, 1]), (12, [1e30, 2e30, 1e30], [3, 6, 3]),
    (2, [0.25] * 8, [0, 0, 1, 0, 0, 1, 0, 0]), (300, [1, 1e-3], [299, 1]),
    (30, [0.999999, 1e-6], [30, 0]), (64, [1, 2, 4, 8, 16], [2, 4, 8, 17, 33])]
LOGIT_COUNTS = [
    (8, [0.5, -1, 2, 0], [1, 0, 6, 1]), (3, [100, 101, 98], [1, 2, 0]),
    (40, [0, 0], [20, 20]), (40, [0, -40], [40, 0]), (40, [0, -40], [38, 2]),
    (5, [-700, 0, 700], [1, 1, 3]), (1000, [1, 2, 3], [92, 240, 668]),
    (10 ** 9, [0, 0, 0], [333000000, 333300000, 333700000]), (0, [1, 2], [0, 0]),
    (1, [1, 2], [1, 0]), (17, [3], [17]), (2, [1e30, 0, -1e30], [2, 0, 0]),
    (250, [-1, -2, -3, -4], [160, 59, 22, 9]), (6, [0] * 6, [1] * 6),
    (6, [0] * 6, [6, 0, 0, 0, 0, 0]), (64, [1e-9, 0, 0], [21, 22, 21]),
    (500, [0, -3], [476, 24]), (12, [-400, -400.5], [8, 4]), (9, [2, 1], [9, 0]),
    (33, [0.25, 0.5, 0.75, 1, 1.25], [4, 5, 7, 8, 9])]


def make_multinomial():
    for name, forms, counts, pairs, points in (
            ("multinomial", log_probs, COUNTS, PROB_PAIRS,
             [[40, [0.125, 0.25, 0.5, 0.125]], [7, [3, 0.5, 1, 8]],
              [1000, [1, 0.001, 2, 7]]]),
            ("multinomial_logits", log_softmax, LOGIT_COUNTS, LOGIT_PAIRS,
             [[40, [0.5, -1, 2, 0]], [7, [10, 11, 8, 9]], [1000, [0, -7, 1, 3]]])):
        def p(w, f=forms):
            return [exp(a) for a in f(w)]

        answers = dict(
            entropy=lambda n, w, f=forms: multinomial_entropy(n, f(w)),
            mean=lambda n, w: [n * t for t in p(w)],
            variance=lambda n, w: [n * t * (1 - t) for t in p(w)],
            covariance=lambda n, w: covariance_of(n, p(w)))
        for n, w, x in counts:
            law, (m, v) = made(forms, multinomial), exact([n, w])
            if n <= 8:
                check_sums(lambda t: law(t, m, v), vectors(n, len(w)),
                           *(answers[k](m, v) for k in ("mean", "covariance", "entropy")))
            if n <= 1000 and law(exact(x), m, v) > -300:
                near(scipy.stats.multinomial(n, plain(p(v))).logpmf(x),
                     law(exact(x), m, v), 1e-7)
        write_family(name, [
            record(made(forms, multinomial), [n, w], x, ["count", "free"], discrete=True,
                   **answers) for n, w, x in counts], points)
        trials = (3, 1, 40, 7, 0, 1000, 5, 2)
        write_kl(name, [kl_record(
            lambda q, p, f=forms: q[0] * categorical_kl(f(q[1]), f(p[1])), [n, q], [n, p],
            ["count", "free"]) for n, (q, p) in zip(trials, pairs)])
    for (n, w, x), value in zip(COUNTS, (-3.0161635784, -2.3886834324)):
        near(multinomial(x, n, log_probs(exact(w))), value, 1e-9)


# DirichletMultinomial


def dirichlet_multinomial(x, total, a):
    return (loggamma(total + 1) + loggamma(sum(a)) - loggamma(total + sum(a))
            + sum(loggamma(t + b) - loggamma(t + 1) - loggamma(b) for t, b in zip(x, a)))


CONCENTRATIONS = [
    (1, [0.1, 0.6, 0.3], [0, 1, 0]), (8, [0.5, 1, 2], [0, 2, 6]),
    (8, [3, 3, 0.1], [5, 2, 1]),
    (0, [1, 2], [0, 0]), (5, [4], [5]), (40, [1, 1, 1, 1], [10, 9, 11, 10]),
    (40, [1e-3, 1e-3], [40, 0]), (40, [1e-3, 1e-3], [20, 20]), (7, [1e-30, 1], [1, 6]),
    (7, [1e30, 2e30], [2, 5]), (100, [1e8, 2e8, 1e8], [24, 51, 25]),
    (1000, [30, 0.25, 7], [800, 1, 199]),
    (1000000, [2.5, 4, 1], [400000, 500000, 100000]),
    (3, [1e-300, 1e-300], [3, 0]), (12, [5, 4, 3, 2, 1], [4, 3, 3, 1, 1]),
    (2, [0.25] * 8, [0, 0, 1, 0, 0, 1, 0, 0]), (300, [1e4, 1e4], [151, 149]),
    (64, [0.5, 0.5], [0, 64]), (10, [1e6, 1e-6], [10, 0]), (10, [1e6, 1e-6], [9, 1]),
    (25, [12, 0.75, 3], [20, 0, 5])]


def make_dirichlet_multinomial():
    def share(a):
        return [b / sum(a) for b in a]

    def scale(n, a):
        return n * (n + sum(a)) / (1 + sum(a))

    def entropy(n, a):
        """By the counts' own masses, of BetaBinomials."""
        if n > 1000:
            return mp.nan
        A = sum(a)

        def mean_of(b):
            return sum(mp.exp(dirichlet_multinomial([x, n - x], n, [b, A - b]))
                       * (loggamma(x + b) - loggamma(b) - loggamma(x + 1))
                       for x in range(int(n) + 1))

        return (loggamma(n + A) - loggamma(A) - loggamma(n + 1)
                - sum(mean_of(b) for b in a)) if len(a) > 1 else mpf(0)

    answers = dict(
        entropy=entropy,
        mean=lambda n, a: [n * m for m in share(a)],
        variance=lambda n, a: diagonal(covariance_of(scale(n, a), share(a))),
        covariance=lambda n, a: covariance_of(scale(n, a), share(a)))
    mp.dps = 120  # Gammas of 1e30 cancel
    records = []
    for n, a, x in CONCENTRATIONS:
        m, b = exact([n, a])
        if n <= 8:
            check_sums(lambda t: dirichlet_multinomial(t, m, b), vectors(n, len(a)),
                       *(answers[k](m, b) for k in ("mean", "covariance", "entropy")))
        if n <= 1000 and 1e-4 < min(a) and max(a) < 1e5:
            near(scipy.stats.dirichlet_multinomial(plain(b), n).logpmf(x),
                 dirichlet_multinomial(exact(x), m, b), 1e-8)
        records.append(record(dirichlet_multinomial, [n, a], x, ["count", "free"],
                              discrete=True, **answers))
    mp.dps = 50
    write_family("dirichlet_multinomial", records,
                 [[40, [2.5, 1.25, 4]], [7, [0.5, 0.125, 0.75]], [1000, [30, 4, 8]]])
    for (n, a, x), value in zip(CONCENTRATIONS, (-0.5108256238, -2.5405138224,
                                                 -4.7155205287)):
        near(dirichlet_multinomial(x, n, exact(a)), value, 1e-9)


# OrderedLogistic


def ordered_logistic(k, h, c):
    """In the upper half from the upper end, so that all digits are there."""
    if list(c) != sorted(c):
        raise ValueError("not ordered")
    ends = [-inf, *(t - h for t in c), inf][int(k):int(k) + 2]
    if ends[0] > 0:
        ends = [-ends[1], -ends[0]]
    below, above = (mpf(t > 0) if abs(t) == inf else sigmoid(t) for t in ends)
    return log(above - below) if above > below else -inf


def ordered_masses(h, c):
    return [ordered_logistic(k, h, c) for k in range(len(c) + 1)]


ORDERED = [
    (1, [0, 1, 2], 1), (-0.5, [0, 1, 2], 0), (0.5, [0, 1, 2], 1), (1.5, [0, 1, 2], 2),
    (2.5, [0, 1, 2], 3), (0, [0], 0), (0, [0], 1), (0.25, [], 0), (100, [0, 1, 2], 0),
    (100, [0, 1, 2], 1), (-100, [0, 1, 2], 3), (-700, [0, 1, 2], 2), (3, [-1e3, 1e3], 1),
    (3, [-1e3, 1e3], 0), (0, [1, 1 + 2 ** -40], 1), (5, [1e-9, 2e-9], 1),
    (0.75, [-2, -1, 0, 1, 2], 3), (0.75, [-2, -1, 0, 1, 2], 5), (1e6, [1e6, 1000001], 1),
    (-3, [-2.5, 4], 2), (0.125, [-0.5, 0.25, 0.25, 1], 3), (-1e4, [0, 1], 1),
    (0, [-30, 30], 1)]


def make_ordered_logistic():
    def entropy(h, c):
        return -sum(times_log(exp(a), a) for a in ordered_masses(h, c) if a > -inf)

    def mean(h, c):
        return sum(k * exp(a) for k, a in enumerate(ordered_masses(h, c)))

    def variance(h, c):
        return sum((k - mean(h, c)) ** 2 * exp(a) for k, a in enumerate(ordered_masses(h, c)))

    def kl(q, p):
        return categorical_kl(ordered_masses(*q), ordered_masses(*p))

    for h, c, k in ORDERED:
        near(sum(exp(a) for a in ordered_masses(*exact([h, c]))), 1)
    write_family("ordered_logistic", [
        record(ordered_logistic, [h, c], k, discrete=True, entropy=entropy, mean=mean,
               variance=variance) for h, c, k in ORDERED],
                 [[0.5, [-1, 0.75, 2]], [-1.25, [-2, -1.5, 1]], [3, [0, 0.5, 4]]])
    write_kl("ordered_logistic", [kl_record(kl, q, p) for q, p in (
        ((1, [0, 1, 2]), (0, [0, 1, 2])), ((0, [0]), (3, [1])), ((0, []), (1, [])),
        ((0.5, [-1, 0.75, 2]), (-1.25, [-2, -1.5, 1])), ((2, [0, 1]), (2, [0, 1])),
        ((-20, [0, 1, 2]), (20, [0, 1, 2])), ((3, [0, 0.5, 4]), (3.001, [0, 0.5, 4])),
        ((1, [-3, -2, -1, 1, 4]), (0, [-1, 0, 0.5, 1, 2])))])
    for (h, c, k), value in zip(ORDERED, (-1.4650840135, -0.4740769842, -1.4068291137,
                                          -1.4068291137, -0.4740769842)):
        near(ordered_logistic(k, *exact([h, c])), value, 1e-9)


MAKERS = {"dirichlet_multinomial": make_dirichlet_multinomial,
          "multinomial": make_multinomial, "one_hot": make_one_hot,
          "ordered_logistic": make_ordered_logistic}


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
