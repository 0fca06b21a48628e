# SPDX-License-Identifier: MIT
"""Families of vectors and matrices -> distributions/<family>.json, kl/<family>.json.

Log-densities are written from their definitions in mpmath; entropies, moments and KL are
closed forms, compared in this script with scipy's, PyTorch's or numerical integration.
"""

import sys

import numpy as np
import scipy.stats
import torch
from mpmath import log, log1p, loggamma, mpf, nan, pi, psi

from event_table import exact, kl_record, near, plain, record, rounded, write_family, write_kl
from matrices import diag, inverse, log_det, plus, quadratic, square, times, trace, transpose
from multivariate_matrices import make_lkj, make_matrix_normal, make_wishart


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


# LowRankMultivariateNormal: of loc, W, D


def low_rank_covariance(W, D):
    return plus(times(W, transpose(W)), diag(D))


def low_rank(x, loc, W, D):
    return normal(x, loc, low_rank_covariance(W, D))


def low_rank_kl(q, p):
    return normal_kl([q[0], low_rank_covariance(*q[1:])],
                     [p[0], low_rank_covariance(*p[1:])])


LOW_RANK = [  # loc, W, D, x; not for floats
    ([2, 1], [[1], [0.5]], [0.5, 0.5], [2, 1]), ([2, 1], [[1], [0.5]], [0.5, 0.5], [9, 3.4]),
    ([0], [[1]], [1], [0.5]), ([0], [[3]], [0.25], [-7]),
    ([0, 0, 0], [[1], [2], [3]], [1, 1, 1], [1, 2, -3]),
    ([0, 0, 0], [[1, 0], [2, 1], [3, -1]], [1, 0.5, 2], [1, 2, -3]),
    ([1, 2, 3, 4], [[1, 0], [0.5, 1], [-1, 1], [0, 2]], [1, 2, 3, 4], [0, 0, 0, 0]),
    ([1, 2, 3, 4], [[1, 0], [0.5, 1], [-1, 1], [0, 2]], [1, 2, 3, 4], [100, -50, 3, 0]),
    ([0, 0], [[1, 2], [3, 4]], [1, 1], [1, 1]),
    ([0, 0], [[1, 2, 3], [3, 2, 1]], [0.5, 0.25], [1, -1]),
    ([0, 0], [[0], [0]], [1, 4], [1, 1]), ([0, 0, 0], [[1e3], [1e3], [1e3]], [1, 1, 1],
                                           [1000, 1001, 999]),
    ([0, 0, 0], [[1e4], [1e4], [-1e4]], [1e-4, 1e-4, 1e-4], [100, 100.0078125, -100], 1),
    ([0, 0], [[1e-4], [1e-4]], [1e4, 1e4], [50, -100]),
    ([0, 0], [[1e-6], [2e-6]], [1e-12, 1e-12], [1e-6, 3e-6]),
    ([5, 6, 7], [[1, 0.5], [0.5, 1], [0, 1]], [0.0625, 4, 1], [5.5, 6.5, 6]),
    ([0, 0, 0], [[1, 1], [1, 1], [1, 1]], [1, 2, 3], [1, 0, -1]),
    ([0] * 5, [[1, 0], [1, 0], [0, 1], [0, 1], [1, 1]], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5]),
    ([0, 0], [[2], [1]], [1e-3, 1e3], [4, 30]), ([0.25, 0.5], [[0.5], [-0.5]], [0.25, 0.125],
                                                 [0, 1]),
]


def make_low_rank():
    for loc, W, D, x, *narrow in LOW_RANK:
        law = torch.distributions.LowRankMultivariateNormal(
            *(torch.tensor(plain(exact(a))) for a in (loc, W, D)))
        if not narrow:
            near(law.log_prob(torch.tensor(plain(exact(x)))).item(),
                 low_rank(*exact([x, loc, W, D])), 1e-7)
    write_family("low_rank_multivariate_normal", [record(
        low_rank, [loc, W, D], x, f64_only=bool(narrow),
        entropy=lambda loc, W, D: normal_entropy(loc, low_rank_covariance(W, D)),
        mean=lambda loc, W, D: loc, mode=lambda loc, W, D: loc,
        variance=lambda loc, W, D: diagonal(low_rank_covariance(W, D)),
        covariance=lambda loc, W, D: low_rank_covariance(W, D))
        for loc, W, D, x, *narrow in LOW_RANK],
        [[[1, 2], [[1], [0.5]], [0.5, 0.25]], [[0, -1], [[2], [-1]], [1, 1]],
         [[3, 3], [[0.25], [0.5]], [2, 0.5]]])
    write_kl("low_rank_multivariate_normal", [kl_record(low_rank_kl, q, p) for q, p in (
        ([[0, 0], [[1], [0.5]], [0.5, 0.5]], [[1, 0], [[0], [1]], [1, 2]]),
        ([[0], [[1]], [1]], [[2], [[3]], [0.5]]),
        ([[1, 2], [[1], [0.5]], [0.5, 0.5]], [[1, 2], [[1], [0.5]], [0.5, 0.5]]),
        ([[0, 0, 0], [[1, 0], [2, 1], [3, -1]], [1, 0.5, 2]],
         [[1, 1, 1], [[1], [2], [3]], [1, 1, 1]]),
        ([[0, 0, 0], [[1], [2], [3]], [1, 1, 1]],
         [[1, 1, 1], [[1, 0], [2, 1], [3, -1]], [1, 0.5, 2]]),
        ([[0, 0], [[1, 2], [3, 4]], [1, 1]], [[0, 0], [[4, 3], [2, 1]], [2, 2]]),
        ([[1, 2, 3, 4], [[1, 0], [0.5, 1], [-1, 1], [0, 2]], [1, 2, 3, 4]],
         [[0, 0, 0, 0], [[1, 1], [1, 1], [1, 1], [1, 0]], [4, 3, 2, 1]]),
        ([[0, 0], [[0], [0]], [1, 4]], [[0, 1], [[1], [1]], [1, 1]]))])


# MultivariateStudentT: of df, loc, L


def student_t(x, df, loc, L):
    n, S = len(x), square(L)
    return (loggamma((df + n) / 2) - loggamma(df / 2) - mpf(n) / 2 * log(pi * df)
            - log_det(S) / 2
            - (df + n) / 2 * log1p(quadratic(S, plus(x, loc, -1)) / df))


def student_t_entropy(df, loc, L):
    n = len(loc)
    return (log_det(square(L)) / 2 + mpf(n) / 2 * log(df * pi) + loggamma(df / 2)
            - loggamma((df + n) / 2) + (df + n) / 2 * (psi(0, (df + n) / 2) - psi(0, df / 2)))


def student_t_covariance(df, loc, L):
    scale = df / (df - 2) if df > 2 else mpf("inf") if df > 1 else nan
    return [[scale * x if x != 0 or df > 2 else nan for x in row] for row in square(L)]


STUDENT_T = [  # df, loc, L, x; not for floats
    (1.5, [0.2, 0.3], [[0.8, 0], [1.3, 0.4]], [-3, 2]), (1, [0], [[1]], [0.5]),
    (5, [0], [[2]], [-4]), (0.5, [1, 1], [[1, 0], [0, 1]], [2, 3]),
    (3, [0, 0, 0], [[1, 0, 0], [0.5, 1, 0], [0.25, 0.5, 1]], [1, -2, 3]),
    (30, [1, 2, 3], [[2, 0, 0], [-1, 3, 0], [0.5, 0.25, 1]], [0, 0, 0]),
    (4, [0, 0], [[1, 0], [0.5, 0.75]], [1e3, -1e3]),
    (2.5, [0, 0], [[1, 0], [0.5, 0.75]], [1e8, 1e8]),
    (1e3, [0, 0], [[1, 0], [0.5, 0.75]], [1, 1]), (1e6, [0, 0], [[1, 0], [0.5, 0.75]], [1, 2]),
    (1e10, [0, 0], [[1, 0], [0.5, 0.75]], [1, 3]), (1e15, [0, 0], [[1, 0], [0, 1]], [2, 1]),
    (1e-3, [0, 0], [[1, 0], [0.5, 0.75]], [1, 1]), (8, [0.5], [[1e-5]], [0.50002], 1),
    (20, [0, 0, 0, 0], [[1, 0, 0, 0], [1, 1, 0, 0], [0, -1, 1, 0], [0.5, 0, 0.5, 1]],
     [1, 2, 3, 4]),
    (2, [0, 0], [[1, 0], [0, 1]], [0, 0]), (7, [1e5, 0], [[1e4, 0], [0, 1]], [2e5, 3]),
    (0.125, [0, 0], [[1, 0], [0, 1]], [1e-3, 2e-3]), (50, [0, 0], [[1, 0], [-1, 1]], [20, 30]),
    (12, [3, 4], [[0.5, 0], [0.25, 0.25]], [3.5, 4.5]),
]


def make_student_t():
    records = []
    for df, loc, L, x, *narrow in STUDENT_T:
        values = exact([df, loc, L])
        law = scipy.stats.multivariate_t(plain(values[1]), plain(square(values[2])),
                                         float(df))
        if df < 1e5 and not narrow:
            near(law.logpdf(plain(exact(x))), student_t(exact(x), *values), 1e-9)
            near(law.entropy(), student_t_entropy(*values), 1e-6)
        records.append(record(
            student_t, [df, loc, L], x, ["free", "free", "lower"], f64_only=bool(narrow),
            entropy=student_t_entropy, mode=lambda df, loc, L: loc,
            mean=lambda df, loc, L: loc if df > 1 else [nan] * len(loc),
            variance=lambda df, loc, L: diagonal(student_t_covariance(df, loc, L)),
            covariance=student_t_covariance))
    near(student_t(*exact([[-3, 2], 1.5, [0.2, 0.3], [[0.8, 0], [1.3, 0.4]]])),
         -10.0562281498, 1e-9)
    write_family("multivariate_student_t", records, [
        [9, [0.5, -1], [[1, 0], [0.75, 0.5]]], [20, [0, 0.25], [[0.5, 0], [-0.25, 2]]],
        [12.5, [3, 2], [[2, 0], [1, 1]]]])


# LogisticNormal: of loc, scale. R_k is the sum of what comes after x_k.


def logistic_normal(x, loc, scale):
    total = mpf(0)
    for k in range(len(loc)):
        rest = sum(x[k + 1:])
        z = (log(x[k] / rest * (len(loc) - k)) - loc[k]) / scale[k]
        total += (-z * z / 2 - log(scale[k]) - log(2 * pi) / 2
                  - log(x[k] * rest / (x[k] + rest)))
    return total


def logistic_normal_kl(q, p):
    return normal_kl(*([loc, diag([s * s for s in scale])] for loc, scale in (q, p)))


def make_logistic_normal():
    points = [
        ([0], [1], [0.5, 0.5]), ([1], [0.5], [0.75, 0.25]), ([0, 0], [1, 1], [0.25, 0.5, 0.25]),
        ([1, -1], [0.5, 2], [0.125, 0.125, 0.75]), ([0, 0], [1, 1], [1e-10, 0.5, 0.5]),
        ([0, 0], [1, 1], [0.5, 0.5, 1e-10]), ([3, 2, 1], [1, 2, 3], [0.25] * 4),
        ([0, 0, 0], [0.25, 0.5, 0.125], [0.25, 0.25, 0.25, 0.25]),
        ([-5, 5], [1, 1], [0.0078125, 0.9765625, 0.015625]), ([0.5], [1e-3], [0.625, 0.375]),
        ([20], [5], [0.9999990463256836, 9.5367431640625e-07]), ([0], [1e5], [0.5, 0.5]),
        ([0] * 4, [1] * 4, [0.125, 0.25, 0.125, 0.25, 0.25]), ([2], [1], [0.875, 0.125]),
        ([0, 1], [2, 2], [0.0625, 0.9375 - 2 ** -20, 2 ** -20]),
        ([0, 0], [1, 1], [2 ** -30, 2 ** -31, 1 - 3 * 2 ** -31]),
        ([1, 2, 3, 4], [1, 1, 1, 1], [0.5, 0.25, 0.125, 0.0625, 0.0625]),
        ([-1], [3], [0.03125, 0.96875]), ([0.25, 0.75], [0.5, 0.5], [0.5, 0.25, 0.25]),
        ([0, 0], [0.125, 8], [0.375, 0.5, 0.125]),
    ]
    for loc, scale, x in points:
        law = torch.distributions.LogisticNormal(*(torch.tensor(plain(exact(a)))
                                                   for a in (loc, scale)))
        if min(x) > 1e-8 and max(x) < 1 - 1e-6:
            near(law.log_prob(torch.tensor(plain(exact(x)))).item(),
                 logistic_normal(*exact([x, loc, scale])), 1e-8)
    write_family("logistic_normal", [record(logistic_normal, [loc, scale], x)
                                     for loc, scale, x in points],
                 [[[0.5, -1], [1, 0.5]], [[0, 0], [2, 1]]])
    write_kl("logistic_normal", [kl_record(logistic_normal_kl, q, p) for q, p in (
        ([[0], [1]], [[1], [2]]), ([[0, 1], [1, 2]], [[1, 0], [2, 1]]),
        ([[0, 0], [1, 1]], [[0, 0], [1, 1]]), ([[5], [0.125]], [[0], [1]]),
        ([[1, 2, 3], [1, 2, 3]], [[3, 2, 1], [1, 1, 1]]), ([[0], [1e3]], [[0], [1]]),
        ([[0, 0], [0.5, 0.25]], [[0.25, 0.5], [0.5, 0.25]]), ([[-1], [3]], [[-2], [2]]))])


# GaussianRandomWalk and ZeroSumNormal: of one scale


def walk_covariance(T, s):
    return [[s * s * min(i, j) for j in range(1, T + 1)] for i in range(1, T + 1)]


def random_walk(x, s):
    return normal(x, [mpf(0)] * len(x), walk_covariance(len(x), s))


def steps_kl(count):
    """Of `count` independent normal numbers of mean 0."""
    def kl(q, p):
        ratio = q[0] / p[0]
        return count * ((ratio * ratio - 1) / 2 - log(ratio))
    return kl


def make_random_walk():
    values = [(1, [0.5]), (2, [1, -1]), (0.5, [0, 0, 0]), (1, [1, 2, 3, 4]),
              (3, [10, 20, 15, 5]), (1e-5, [1e-5, 3e-5]), (1e5, [1e5, -3e5, 2e5]),
              (1, [50, -50]), (0.25, [0.25, 0.5, 0.5, 0.25, 0]), (7, [1] * 6),
              (1e-10, [1e-10]), (1e10, [3e10]), (2, [0.125, 0.25, 0.5]), (1, [-3, -2]),
              (0.75, [0.75, 1.5, 0.75]), (4, [4, 8, 12, 16, 20, 24]), (1, [1e3]),
              (0.125, [1, -1, 1, -1]), (5, [2, 4]), (1.5, [3])]
    records = []
    for s, x in values:
        T = len(x)
        records.append(record(
            random_walk, [s], x, attr=[T], mean=lambda s: [mpf(0)] * T,
            entropy=lambda s: normal_entropy([mpf(0)] * T, walk_covariance(T, s)),
            mode=lambda s: [mpf(0)] * T, covariance=lambda s: walk_covariance(T, s),
            variance=lambda s: diagonal(walk_covariance(T, s))))
    write_family("gaussian_random_walk", records,
                 [dict(params=[mpf(s)], attr=[3]) for s in (1, 0.25, 5)])
    write_kl("gaussian_random_walk", [kl_record(steps_kl(T), [q], [p], attr=[T]) for T, q, p
                                      in ((1, 1, 2), (2, 3, 1), (3, 1, 1), (4, 0.5, 0.25),
                                          (5, 1e3, 1), (1, 1e-3, 1), (2, 1, 1.0625),
                                          (6, 2, 3))])
    q, p = ([[mpf(0)] * 3, walk_covariance(3, mpf(s))] for s in (1, 2))
    near(steps_kl(3)([mpf(1)], [mpf(2)]), normal_kl(q, p))


def zero_sum(x, s):
    numbers = [t for row in x for t in row] if isinstance(x[0], list) else x
    free = (len(x) - 1) * (len(x[0]) - 1) if isinstance(x[0], list) else len(x) - 1
    return -sum(t * t for t in numbers) / (2 * s * s) - free * (log(s) + log(2 * pi) / 2)


def zero_sum_covariance(n, s):
    return [[s * s * ((i == j) - mpf(1) / n) for j in range(n)] for i in range(n)]


def make_zero_sum():
    values = [
        (1, [0]), (1, [0.5, -0.5]), (2, [1, 1, -2]), (0.5, [0, 0, 0]), (3, [10, -4, -6]),
        (1e5, [1e5, -3e5, 2e5]), (1e-5, [2 ** -16, -2 ** -16]), (1, [30, -30]),
        (0.25, [0.25, 0.5, -0.75]), (7, [1, -1, 1, -1]), (2, [0.5, 0.25, 0.25, -1]),
        (1, [[1, -1], [-1, 1]]), (2, [[1, 1, -2], [-1, -1, 2]]), (0.5, [[0, 0], [0, 0]]),
        (3, [[5, -5], [3, -3], [-8, 8]]), (1, [[1, 2, -3], [4, -6, 2], [-5, 4, 1]]),
        (1e3, [[1e3, -1e3], [-1e3, 1e3]]), (0.125, [[0.5, -0.5], [-0.5, 0.5]]),
        (1, [[0, 0, 0]]), (4, [8, -4, -2, -1, -1]),
    ]
    records = []
    for s, x in values:
        shape = [len(x), len(x[0])] if isinstance(x[0], list) else [len(x)]
        free, share = mpf(1), mpf(1)
        for n in shape:
            free, share = free * (n - 1), share * (1 - mpf(1) / n)
        spread = lambda t: ([[t] * shape[1] for _ in range(shape[0])] if len(shape) > 1
                            else [t] * shape[0])
        records.append(record(
            zero_sum, [s], x, attr=shape, mean=lambda s: spread(mpf(0)),
            mode=lambda s: spread(mpf(0)), variance=lambda s: spread(s * s * share),
            entropy=lambda s: free * (mpf(1) / 2 + log(2 * pi) / 2 + log(s))))
        if len(shape) == 1 and shape[0] > 1:
            # The first n - 1 numbers have a density; the isometry's factor is sqrt(n).
            n, S = shape[0], zero_sum_covariance(shape[0], mpf(s))
            S = [row[:-1] for row in S[:-1]]
            near(normal(exact(x)[:-1], [mpf(0)] * (n - 1), S) - log(mpf(n)) / 2,
                 zero_sum(exact(x), mpf(s)), 1e-12)
    write_family("zero_sum_normal", records,
                 [dict(params=[mpf(s)], attr=[2, 3]) for s in (1, 0.25, 5)])
    write_kl("zero_sum_normal", [
        kl_record(steps_kl(free), [q], [p], attr=shape) for shape, free, q, p in (
            ([2], 1, 1, 2), ([3], 2, 3, 1), ([2, 3], 2, 1, 1), ([3, 3], 4, 0.5, 0.25),
            ([6], 5, 1e3, 1), ([2, 2], 1, 1e-3, 1), ([3], 2, 1, 1.0625), ([1], 0, 2, 3))])


# CAR: of loc, correlation, conditional precision, adjacency


def car_covariance(loc, r, t, W):
    return inverse([[t * ((i == j) * sum(W[i]) - r * W[i][j]) for j in range(len(W))]
                    for i in range(len(W))])


def car(x, *params):
    return normal(x, params[0], car_covariance(*params))


PAIR, LINE = [[0, 1], [1, 0]], [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
RING = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
UNEVEN = [[0, 2, 0.5], [2, 0, 1], [0.5, 1, 0]]
CAR = [  # loc, correlation, precision, adjacency, x; not for floats
    ([0, 0], 0.5, 1, PAIR, [1, -1]), ([1, 2], -0.5, 2, PAIR, [0, 0]),
    ([0, 0], 0, 1, PAIR, [1, 1]), ([0, 0], 0.9375, 1, PAIR, [1, 1]),
    ([0, 0], 0.999, 1, PAIR, [5, 5], 1), ([0, 0, 0], 0.5, 1, LINE, [1, 2, 3]),
    ([1, 0, -1], 0.25, 0.5, LINE, [0, 0, 0]), ([0, 0, 0], -0.75, 4, LINE, [1, -1, 1]),
    ([0, 0, 0], 0.5, 1, UNEVEN, [1, 2, 3]), ([1, 1, 1], 0.875, 10, UNEVEN, [1, 1.25, 0.75]),
    ([0, 0, 0], -0.5, 0.125, UNEVEN, [10, -5, 5]), ([0] * 4, 0.5, 1, RING, [1, 2, 3, 4]),
    ([1, 2, 3, 4], 0.75, 2, RING, [4, 3, 2, 1]), ([0] * 4, -0.9375, 1, RING, [1, -1, 1, -1]),
    ([0] * 4, 0.125, 1e5, RING, [1e-3, 2e-3, -1e-3, 0]), ([0, 0], 0.5, 1e-5, PAIR, [500, -300]),
    ([1e3, 1e3], 0.5, 1, PAIR, [1001, 998]), ([0, 0, 0], 0.75, 3, [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
                                              [0.5, 0.25, -0.5]),
    ([0, 0], 0.5, 1, [[1, 1], [1, 0]], [1, -1]), ([0, 0, 0], 0.0625, 1, LINE, [30, 20, -10]),
]


def make_car():
    kinds = ["free", "free", "free", "symmetric"]
    answers = dict(
        entropy=lambda *a: normal_entropy(a[0], car_covariance(*a)), mean=lambda *a: a[0],
        mode=lambda *a: a[0], variance=lambda *a: diagonal(car_covariance(*a)),
        covariance=car_covariance)
    write_family("car", [record(car, params, x, kinds, f64_only=bool(narrow), **answers)
                         for *params, x, narrow in
                         (row if len(row) == 6 else (*row, 0) for row in CAR)],
                 [[[0, 1, 2], 0.5, 1, LINE], [[1, 0, 0], -0.25, 2, UNEVEN],
                  [[0, 0, 0], 0.75, 0.5, UNEVEN]])
    near(car(*exact([[1, 2, 3], [0, 0, 0], 0.5, 1, LINE])),
         scipy.stats.multivariate_normal([0, 0, 0], np.linalg.inv(
             np.diag([1, 2, 1]) - 0.5 * np.array(LINE))).logpdf([1, 2, 3]), 1e-10)
    write_kl("car", [kl_record(
        lambda q, p: normal_kl([q[0], car_covariance(*q)], [p[0], car_covariance(*p)]),
        CAR[i][:4], CAR[j][:4], kinds) for i, j in (
            (0, 1), (1, 3), (2, 2), (5, 8), (8, 9), (9, 10), (11, 12), (12, 13), (17, 5))])


MAKERS = {"car": make_car, "dirichlet": make_dirichlet, "lkj": make_lkj,
          "logistic_normal": make_logistic_normal, "low_rank": make_low_rank,
          "matrix_normal": make_matrix_normal, "normal": make_normal,
          "random_walk": make_random_walk, "student_t": make_student_t,
          "wishart": make_wishart, "zero_sum": make_zero_sum}


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
