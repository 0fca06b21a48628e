# SPDX-License-Identifier: MIT
"""Families of vectors and matrices -> distributions/<family>.json, kl/<family>.json.

Log-densities are written from their definitions in mpmath; entropies, moments and KL are
closed forms, compared in this script with scipy's, PyTorch's or numerical integration.
"""

import sys

import numpy as np
import scipy.stats
from mpmath import log, loggamma, mpf, nan, pi, psi

from event_table import exact, kl_record, near, record, write_family, write_kl
from matrices import (dot, inverse, log_det, lower, plus, quadratic, square, times, trace,
                      transpose)


def plain(x):
    """As scipy takes it."""
    return np.array([plain(item) for item in x]) if isinstance(x, list) else float(x)


# Dirichlet


def dirichlet(x, a):
    return (sum((c - 1) * log(t) if c != 1 else mpf(0) for c, t in zip(a, x))
            + loggamma(sum(a)) - sum(map(loggamma, a)))


def dirichlet_entropy(a):
    total = sum(a)
    return (sum(map(loggamma, a)) - loggamma(total) + (total - len(a)) * psi(0, total)
            - sum((c - 1) * psi(0, c) for c in a))


def dirichlet_mean(a):
    return [c / sum(a) for c in a]


def dirichlet_variance(a):
    total = sum(a)
    return [c * (total - c) / (total ** 2 * (total + 1)) for c in a]


def dirichlet_covariance(a):
    total = sum(a)
    return [[(c * ((i == j) * total - d)) / (total ** 2 * (total + 1))
             for j, d in enumerate(a)] for i, c in enumerate(a)]


def dirichlet_mode(a):
    return [(c - 1) / (sum(a) - len(a)) if min(a) > 1 else nan for c in a]


def dirichlet_kl(q, p):
    (q,), (p,) = q, p
    log_beta = [sum(map(loggamma, a)) - loggamma(sum(a)) for a in (q, p)]
    return log_beta[1] - log_beta[0] + sum(
        (c - d) * (psi(0, c) - psi(0, sum(q))) for c, d in zip(q, p))


def make_dirichlet():
    points = [
        ([2.4, 3, 6], [0.2, 0.45, 0.35]), ([3.2, 1.2, 0.4], [0.3, 0.4, 0.3]),
        ([1, 1, 1], [0.25, 0.5, 0.25]), ([1, 2, 3], [0, 0.5, 0.5]),
        ([0.5, 0.5], [0.125, 0.875]), ([1e-3, 1e-3, 1e-3], [1e-300, 1, 1e-200]),
        ([1e-10, 2, 1], [1e-30, 0.75, 0.25]), ([1e-30, 1], [0.5, 0.5]),
        ([1e3, 2e3, 3e3], [0.1666, 0.3334, 0.5]), ([1e4, 1e4], [0.51, 0.49]),
        ([1e5, 1e-5, 1], [0.999, 1e-8, 0.00099999]), ([4], [1]),
        ([0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]), ([5, 4, 3, 2, 1], [0.2] * 5),
        ([30, 0.25, 7], [0.8, 1e-12, 0.2]), ([2, 2, 2], [1e-100, 0.5, 0.5]),
        ([1.5, 1e-4], [1 - 2 ** -40, 2 ** -40]), ([7.5, 7.5, 7.5, 7.5], [0.25] * 4),
        ([100, 1, 0.01], [0.95, 0.05, 1e-60]), ([0.75, 20, 1e2, 3], [0.01, 0.2, 0.75, 0.04]),
        ([12, 0.5], [0.25, 0.75]), ([1e6, 1e6, 1e6], [0.3333, 0.3333, 0.3334]),
    ]
    answers = dict(entropy=dirichlet_entropy, mean=dirichlet_mean,
                   variance=dirichlet_variance, covariance=dirichlet_covariance,
                   mode=dirichlet_mode)
    for a, x in points:
        if abs(sum(x) - 1) < 1e-12 and len(a) > 1 and min(x) > 0 and min(a) > 1e-4:
            law, b = scipy.stats.dirichlet(plain(a)), exact(a)
            near(law.logpdf(plain(x)), dirichlet(exact(x), b), 1e-8)
            near(law.entropy(), dirichlet_entropy(b), 1e-8)
            near(law.var(), dirichlet_variance(b))
            near(law.cov(), dirichlet_covariance(b))
    write_family("dirichlet", [record(dirichlet, [a], x, **answers) for a, x in points],
                 [[[2.5, 1.25, 4]], [[0.5, 0.125, 0.75]], [[30, 4, 8]]])
    pairs = [
        ([2.4, 3, 6], [3.2, 1.2, 0.4]), ([1, 1, 1], [2, 2, 2]), ([0.5, 0.25], [4, 3]),
        ([30, 40, 50, 60], [31, 39, 50.5, 61]), ([1e-3, 1], [1, 1e-3]), ([5], [7]),
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]), ([1e3, 2e3], [2e3, 1e3]), ([2, 5], [2, 5]),
    ]
    write_kl("dirichlet", [kl_record(dirichlet_kl, [q], [p]) for q, p in pairs])
    near(dirichlet_kl([exact([2.4, 3, 6])], [exact([3.2, 1.2, 0.4])]), 3.9953233869, 1e-9)


# MultivariateNormal: by covariance S, by precision, by the factor L


def normal(x, loc, S):
    return -(quadratic(S, plus(x, loc, -1)) + log_det(S) + len(x) * log(2 * pi)) / 2


def normal_entropy(loc, S):
    return (log_det(S) + len(loc) * (1 + log(2 * pi))) / 2


def normal_kl(q, p):
    (loc_q, S_q), (loc_p, S_p) = q, p
    return (log_det(S_p) - log_det(S_q) + trace(times(inverse(S_p), S_q)) - len(loc_q)
            + quadratic(S_p, plus(loc_p, loc_q, -1))) / 2


def diagonal(S):
    return [S[i][i] for i in range(len(S))]


NORMAL_POINTS = [  # loc, L, x; not for floats
    ([2, 1], [[1, 0], [0.5, 0.75]], [2, 1]),
    ([2, 1], [[1, 0], [0.5, 0.75]], [9, 3.4]),
    ([0], [[1]], [0.5]), ([-3], [[0.25]], [7]), ([1e10], [[1e5]], [1.00003e10], 1),
    ([0, 0, 0], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [1, -2, 3]),
    ([1, 2, 3], [[2, 0, 0], [-1, 3, 0], [0.5, 0.25, 1]], [0, 0, 0]),
    ([1, 2, 3], [[2, 0, 0], [-1, 3, 0], [0.5, 0.25, 1]], [100, -200, 50]),
    ([0.5, -0.5], [[1e-5, 0], [1e-5, 2e-5]], [0.50001, -0.50003], 1),
    ([0, 0], [[1e8, 0], [-3e8, 1e8]], [1e8, 2e9]),
    ([0, 1], [[1, 0], [0.999, 0.03125]], [0.25, 1.5], 1),
    ([0, 1], [[1, 0], [1, 2 ** -12]], [0.25, 1.25], 1),
    ([0, 0, 0, 0], [[1, 0, 0, 0], [0.5, 1, 0, 0], [0.25, 0.5, 1, 0],
                    [0.125, 0.25, 0.5, 1]], [1, 1, 1, 1]),
    ([4, 3, 2, 1], [[3, 0, 0, 0], [1, 2, 0, 0], [0, -1, 2, 0], [2, 0, 1, 1.5]],
     [4.5, 1, 3, -2]),
    ([0, 0], [[1e-15, 0], [0, 1e15]], [2e-15, -3e15]),
    ([0, 0], [[1e-3, 0], [0, 1e3]], [1e-2, 30]),
    ([1, 1], [[0.5, 0], [-0.5, 0.5]], [1e6, -1e6]),
    ([7, 8, 9], [[0.125, 0, 0], [0.0625, 0.25, 0], [-0.0625, 0.125, 0.5]],
     [7.25, 8.125, 8.75]),
    ([0, 0, 0, 0, 0], [[1, 0, 0, 0, 0], [-0.5, 1, 0, 0, 0], [0.5, -0.5, 1, 0, 0],
                       [-0.5, 0.5, -0.5, 1, 0], [0.5, -0.5, 0.5, -0.5, 1]],
     [0.5, -0.25, 1, 2, -1]),
    ([10, -10], [[4, 0], [3, 2]], [11, -8]), ([0.25, 0.5], [[0.75, 0], [0.25, 0.5]], [0, 0]),
]

NORMAL_PAIRS = [
    ([0, 0], [[1, 0], [0, 1]], [1, -1], [[2, 0], [0.5, 1]]),
    ([2, 1], [[1, 0], [0.5, 0.75]], [2, 1], [[1, 0], [0.5, 0.75]]),
    ([1, 2, 3], [[2, 0, 0], [-1, 3, 0], [0.5, 0.25, 1]],
     [0, 0, 1], [[1, 0, 0], [0.5, 1, 0], [0.25, 0.5, 1]]),
    ([0], [[3]], [1], [[0.5]]), ([5, 5], [[0.125, 0], [0, 8]], [0, 0], [[1, 0], [1, 1]]),
    ([0, 0], [[1e4, 0], [1e4, 1e4]], [1, 1], [[1, 0], [-0.5, 1]]),
    ([0, 0, 0, 0], [[1, 0, 0, 0], [0.5, 1, 0, 0], [0.25, 0.5, 1, 0],
                    [0.125, 0.25, 0.5, 1]],
     [1, 0, -1, 0], [[3, 0, 0, 0], [1, 2, 0, 0], [0, -1, 2, 0], [2, 0, 1, 1.5]]),
    ([0.25, 0.5], [[0.75, 0], [0.25, 0.5]], [0.5, 0.25], [[0.625, 0], [0.375, 0.5]]),
]


def rounded(S):
    """Nearest doubles, exactly symmetric."""
    return [[mpf(float(S[max(i, j)][min(i, j)])) for j in range(len(S))]
            for i in range(len(S))]


NORMAL_FORMS = {  # the parameter beside loc: of L, the covariance of it, how it moves
    "multivariate_normal": (lambda L: rounded(square(exact(L))), lambda S: S, "symmetric"),
    "multivariate_normal_precision": (
        lambda L: rounded(inverse(square(exact(L)))), inverse, "symmetric"),
    "multivariate_normal_cholesky": (exact, square, "lower"),
}


def make_normal():
    for name, (param, covariance, kind) in NORMAL_FORMS.items():
        def log_prob(x, loc, a):
            return normal(x, loc, covariance(a))

        answers = dict(
            entropy=lambda loc, a: normal_entropy(loc, covariance(a)),
            mean=lambda loc, a: loc, mode=lambda loc, a: loc,
            variance=lambda loc, a: diagonal(covariance(a)),
            covariance=lambda loc, a: covariance(a))
        records = []
        for loc, L, x, *narrow in NORMAL_POINTS:
            a = param(L)
            S = plain(covariance(a))
            if not narrow and np.linalg.cond(S) < 1e6:
                law = scipy.stats.multivariate_normal(plain(exact(loc)), S)
                near(law.logpdf(plain(exact(x))), log_prob(exact(x), exact(loc), a), 1e-9)
            records.append(record(log_prob, [loc, a], x, ["free", kind],
                                  f64_only=bool(narrow), **answers))
        points = [[loc, param(L)] for loc, L in (
            ([0.5, -1], [[1, 0], [0.75, 0.5]]), ([0, 0.25], [[0.5, 0], [-0.25, 2]]),
            ([3, 2], [[2, 0], [1, 1]]))]
        write_family(name, records, points)

        def kl(q, p):
            return normal_kl([q[0], covariance(q[1])], [p[0], covariance(p[1])])

        write_kl(name, [kl_record(kl, [m, param(L)], [n, param(M)], ["free", kind])
                        for m, L, n, M in NORMAL_PAIRS])
    check_normal_kl()


def check_normal_kl():
    """The closed form against the mean of log q - log p over Gauss-Hermite nodes, which is
    exact for squares."""
    node, weight = np.polynomial.hermite_e.hermegauss(4)
    weight = weight / weight.sum()
    for m, L, n, M in NORMAL_PAIRS[:3]:
        grid = np.array(np.meshgrid(*[node] * len(m), indexing="ij")).reshape(len(m), -1)
        mass = np.prod(np.array(np.meshgrid(*[weight] * len(m), indexing="ij")).reshape(
            len(m), -1), axis=0)
        x = (np.array(m, float)[:, None] + np.array(L, float) @ grid).T
        S, T = (np.array(a, float) @ np.array(a, float).T for a in (L, M))
        q, p = (scipy.stats.multivariate_normal(np.array(a, float), b)
                for a, b in ((m, S), (n, T)))
        near((mass * (q.logpdf(x) - p.logpdf(x))).sum(),
             normal_kl([exact(m), square(exact(L))], [exact(n), square(exact(M))]), 1e-9)


MAKERS = {"dirichlet": make_dirichlet, "normal": make_normal}


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
