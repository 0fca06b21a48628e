# SPDX-License-Identifier: MIT
"""Families of matrices -> distributions/<family>.json, kl/<family>.json; called by
multivariate.py. From the same sources as there."""

import numpy as np
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from mpmath import beta, log, loggamma, mpf, nan, pi, psi, sqrt

from event_table import exact, kl_record, near, plain, record, rounded, write_family, write_kl
from matrices import (dot, eye, inverse, log_det, plus, scaled, square, times, trace,
                      transpose)

EIGHT = [  # factors of scales
    [[1]], [[2]], [[1, 0], [0.5, 0.75]], [[2, 0], [-1, 0.5]],
    [[1, 0, 0], [0.5, 1, 0], [0.25, 0.5, 1]], [[0.5, 0, 0], [-0.25, 1, 0], [1, 0.5, 2]],
    [[1e-3, 0], [0, 1e3]], [[1, 0, 0, 0], [1, 1, 0, 0], [0, -1, 1, 0], [0.5, 0, 0.5, 1]],
]


def entry_products(V, f):
    """The matrix of f(V_ij, V_ii V_jj)."""
    n = range(len(V))
    return [[f(V[i][j], V[i][i] * V[j][j]) for j in n] for i in n]


# Wishart


def log_multigamma(a, n):
    return mpf(n * (n - 1)) / 4 * log(pi) + sum(loggamma(a - mpf(j) / 2) for j in range(n))


def multidigamma(a, n):
    return sum(psi(0, a - mpf(j) / 2) for j in range(n))


def wishart(X, v, V):
    n = len(X)
    return ((v - n - 1) / 2 * log_det(X) - trace(times(inverse(V), X)) / 2
            - v * n / 2 * log(2) - v / 2 * log_det(V) - log_multigamma(v / 2, n))


def wishart_entropy(v, V):
    n = len(V)
    return (mpf(n + 1) / 2 * log_det(V) + mpf(n * (n + 1)) / 2 * log(2)
            + log_multigamma(v / 2, n) - (v - n - 1) / 2 * multidigamma(v / 2, n)
            + v * n / 2)


def wishart_kl(q, p):
    (v, V), (w, W) = q, p
    n = len(V)
    return (w / 2 * (log_det(W) - log_det(V)) + v / 2 * (trace(times(inverse(W), V)) - n)
            + log_multigamma(w / 2, n) - log_multigamma(v / 2, n)
            + (v - w) / 2 * multidigamma(v / 2, n))


WISHART = [  # df, factor of the scale, factor of the value; not for floats
    (1, [[1]], [[0.5]]), (0.5, [[2]], [[3]]), (7, [[1]], [[2.5]]),
    (3, [[1, 0], [0.5, 0.75]], [[1, 0], [0.25, 2]]),
    (1.5, [[1, 0], [0.5, 0.75]], [[1, 0], [0.25, 0.125]]),
    (10, [[2, 0], [-1, 0.5]], [[5, 0], [-3, 2]]),
    (3.5, EIGHT[4], [[2, 0, 0], [1, 1, 0], [0, 0.5, 1.5]]),
    (2.25, EIGHT[4], [[0.5, 0, 0], [0.25, 0.5, 0], [0.125, 0.25, 0.5]]),
    (30, EIGHT[5], [[3, 0, 0], [-1, 6, 0], [5, 2, 10]]),
    (4, EIGHT[6], [[3e-3, 0], [1, 1.5e3]], 1), (100, [[1, 0], [0.5, 0.75]],
                                                [[9.5, 0], [5, 7]]),
    (1e4, [[1, 0], [0.5, 0.75]], [[101, 0], [50, 74]], 1),
    (1e6, [[1, 0], [0.5, 0.75]], [[1001.5, 0], [501, 752]], 1),
    (5, EIGHT[7], [[2, 0, 0, 0], [1, 2, 0, 0], [1, 0, 2, 0], [0, 1, 1, 2]]),
    (3.0625, EIGHT[7], [[1, 0, 0, 0], [1, 0.5, 0, 0], [1, 0, 0.25, 0], [0, 1, 1, 0.125]]),
    (3, [[1, 0], [0, 1]], [[1e-3, 0], [0, 1e-3]], 1),
    (3, [[1, 0], [0, 1]], [[30, 0], [10, 20]]),
    (1.0009765625, [[1, 0], [0, 1]], [[1, 0], [0, 0.03125]]),
    (6, [[1e5, 0], [1e5, 1e5]], [[2e5, 0], [3e5, 1e5]]), (2, [[1e-4]], [[1e-4]]),
    (8, [[0.5, 0], [0.25, 0.5]], [[1, 0], [1, 1]]),
]

WISHART_PAIRS = [
    (3, [[1]], 5, [[2]]), (3, EIGHT[2], 3, EIGHT[3]), (4.5, EIGHT[2], 3, EIGHT[2]),
    (7, EIGHT[4], 4, EIGHT[5]), (2.5, EIGHT[4], 20, EIGHT[4]), (5, EIGHT[7], 5, EIGHT[7]),
    (1.25, [[1, 0], [0, 1]], 3, EIGHT[3]), (100, EIGHT[3], 90, EIGHT[2]),
    (1e4, EIGHT[2], 1.0001e4, EIGHT[2]),
]


def inverse_wishart(X, v, V):
    n = len(X)
    return (v / 2 * log_det(V) - (v + n + 1) / 2 * log_det(X)
            - trace(times(V, inverse(X))) / 2 - v * n / 2 * log(2)
            - log_multigamma(v / 2, n))


def inverse_wishart_entropy(v, V):
    """The inverse has the log-Jacobian -(n + 1) log |X|."""
    n = len(V)
    log_det_mean = log_det(V) - n * log(2) - multidigamma(v / 2, n)
    return wishart_entropy(v, inverse(V)) + (n + 1) * log_det_mean


def inverse_wishart_variance(v, V):
    n = len(V)
    if v <= n + 3:
        return entry_products(V, lambda c, d: mpf("inf") if v > n + 1 else nan)
    under = (v - n) * (v - n - 1) ** 2 * (v - n - 3)
    return entry_products(
        V, lambda c, d: ((v - n + 1) * c * c + (v - n - 1) * d) / under)


def scaled_or_nan(V, scale, ok):
    return [[x * scale if ok else nan for x in row] for row in V]


WISHARTS = {
    "wishart": (wishart, lambda q, p: wishart_kl(q, p), scipy.stats.wishart, dict(
        entropy=wishart_entropy, mean=lambda v, V: scaled(V, v),
        mode=lambda v, V: scaled_or_nan(V, v - len(V) - 1, v >= len(V) + 1),
        variance=lambda v, V: entry_products(V, lambda c, d: v * (c * c + d)))),
    "inverse_wishart": (
        inverse_wishart,
        lambda q, p: wishart_kl([q[0], inverse(q[1])], [p[0], inverse(p[1])]),
        scipy.stats.invwishart, dict(
            entropy=inverse_wishart_entropy,
            mean=lambda v, V: scaled_or_nan(V, 1 / (v - len(V) - 1) if v != len(V) + 1
                                            else nan, v > len(V) + 1),
            mode=lambda v, V: scaled(V, 1 / (v + len(V) + 1)),
            variance=inverse_wishart_variance)),
}


def make_wishart():
    for name, (log_prob, kl, law, answers) in WISHARTS.items():
        for suffix, param, whole, kind in (
                ("", lambda L: rounded(square(exact(L))), lambda V: V, "symmetric"),
                ("_cholesky", exact, square, "lower")):
            records = []
            for v, L, C, *narrow in WISHART:
                V, X = param(L), rounded(square(exact(C)))
                if name == "inverse_wishart":       # typical values of the inverse
                    X = rounded(times(square(exact(L)), times(inverse(X),
                                                              square(exact(L)))))
                if not narrow:
                    frozen = law(float(v), plain(whole(V)))
                    near(frozen.logpdf(plain(X)), log_prob(X, mpf(v), whole(V)), 1e-9)
                    if name == "wishart":
                        near(frozen.entropy(), wishart_entropy(mpf(v), whole(V)), 1e-9)
                records.append(record(
                    lambda x, d, a: log_prob(x, d, whole(a)), [v, V], X, ["free", kind],
                    "symmetric", f64_only=bool(narrow),
                    **{key: lambda d, a, f=f: f(d, whole(a)) for key, f in answers.items()}))
            points = [[v, param(L)] for v, L in (
                (9, EIGHT[2]), (12.5, EIGHT[3]), (10, [[0.5, 0], [1, 1]]))]
            write_family(name + suffix, records, points)
            write_kl(name + suffix, [kl_record(
                lambda q, p: kl([q[0], whole(q[1])], [p[0], whole(p[1])]),
                [v, param(L)], [w, param(M)], ["free", kind])
                for v, L, w, M in WISHART_PAIRS])
        check_wishart(name, log_prob, kl, law)


def check_wishart(name, log_prob, kl, law):
    """Entropy and KL against the means over scipy's draws, within 4 standard errors."""
    for v, L, w, M in (WISHART_PAIRS[1], WISHART_PAIRS[3]):
        V, W = plain(square(exact(L))), plain(square(exact(M)))
        q, p = law(float(v), V), law(float(w), W)
        x = np.moveaxis(q.rvs(200000, random_state=7), 0, -1)
        log_q, log_p = q.logpdf(x), p.logpdf(x)
        for values, value in (
                (log_q - log_p, kl([mpf(v), exact(V.tolist())], [mpf(w), exact(W.tolist())])),
                (-log_q, WISHARTS[name][3]["entropy"](mpf(v), exact(V.tolist())))):
            error = values.std() / np.sqrt(len(values))
            assert abs(values.mean() - value) < 4 * error, (name, values.mean(), value)


# LKJ, of correlation matrices and of their factors


def lkj_norm(n, c):
    top = c + mpf(n - 1) / 2
    return sum(mpf(i) / 2 * log(pi) + loggamma(top - mpf(i) / 2) - loggamma(top)
               for i in range(1, n))


def lkj(R, c):
    return (c - 1) * log_det(R) - lkj_norm(len(R), c)


def lkj_cholesky(L, c):
    n = len(L)
    return sum((2 * (c - 1) + n - 1 - i) * log(L[i][i]) for i in range(1, n)) - \
        lkj_norm(n, c)


def lkj_rows(n, c):
    """For each row i: the Beta's parameters of L_ii^2."""
    return [(c + mpf(n - 1 - i) / 2, mpf(i) / 2) for i in range(1, n)]


def mean_log_diagonal(n, c):
    return [(psi(0, a) - psi(0, a + b)) / 2 for a, b in lkj_rows(n, c)]


def lkj_entropy(n, correlation):
    def entropy(c):
        return lkj_norm(n, c) - sum(
            (2 * (c - 1) + (0 if correlation else n - 2 - k)) * m
            for k, m in enumerate(mean_log_diagonal(n, c)))
    return entropy


def lkj_mean(n, correlation):
    def mean(c):
        if correlation:
            return eye(n)
        on = [mpf(1)] + [beta(a + mpf(1) / 2, b) / beta(a, b) for a, b in lkj_rows(n, c)]
        return [[on[i] if i == j else mpf(0) for j in range(n)] for i in range(n)]
    return mean


def lkj_variance(n, correlation):
    def variance(c):
        top, mean = c + mpf(n - 1) / 2, lkj_mean(n, False)(c)
        rows = [[mpf(0)] * n for _ in range(n)]
        for i in range(1, n):
            for j in range(i):
                rows[i][j] = 1 / (2 * top)
                rows[j][i] = rows[i][j] if correlation else mpf(0)
            a, b = lkj_rows(n, c)[i - 1]
            rows[i][i] = mpf(0) if correlation else a / (a + b) - mean[i][i] ** 2
        return rows
    return variance


def lkj_kl(n):
    def kl(q, p):
        (c,), (d,) = q, p
        return (sum(2 * (c - d) * m for m in mean_log_diagonal(n, c)) - lkj_norm(n, c)
                + lkj_norm(n, d))
    return kl


def correlation_factor(rows):
    """A factor with unit rows from numbers below the diagonal."""
    return [
        row + [sqrt(1 - dot(row, row))] + [mpf(0)] * (len(rows) - len(row))
        for row in exact([[]] + rows)]


LKJ = [  # concentration, below the diagonal of the factor; not for floats
    (1, [[0.5]]), (0.5, [[-0.75]]), (3, [[0.125]]), (1, [[0.5], [0.25, 0.5]]),
    (2.5, [[0.5], [0.25, 0.5]]), (0.25, [[-0.25], [0.5, -0.125]]),
    (10, [[0.25], [0.125, -0.125]]), (1, [[0], [0, 0]]), (2, [[0], [0, 0]]),
    (0.75, [[0.5], [0.5, 0.25], [-0.5, 0.25, 0.5]]), (4, [[0.5], [0.5, 0.25], [-0.5, 0.25, 0.5]]),
    (1, [[0.5], [0.5, 0.25], [-0.5, 0.25, 0.5], [0.25, 0.25, 0.25, 0.25]]),
    (1.5, [[0.5], [0.5, 0.25], [-0.5, 0.25, 0.5], [0.25, 0.25, 0.25, 0.25]]),
    (1e-3, [[0.5], [0.25, 0.25]]), (1e-9, [[0.5], [0.25, 0.25]], 1),
    (1e-17, [[0.5]], 1), (3e-18, [[0.5], [0.25, 0.25]], 1), (100, [[0.0625], [0.03125, 0.0625]]),
    (1e4, [[0.0078125]], 1), (1e6, [[0.0009765625], [0, 0.0009765625]], 1),
    (2, [[0.9990234375]], 1), (0.5, [[0.5], [0, 0.9375]], 1), (1, [[-0.875]]),
    (7, [[0.25], [-0.25, 0.25], [0.25, -0.25, 0.25]]),
]


def make_lkj():
    for name, log_prob, correlation in (("lkj", lkj, True),
                                        ("lkj_cholesky", lkj_cholesky, False)):
        records = []
        for c, rows, *narrow in LKJ:
            L, n = rounded_rows(correlation_factor(rows)), len(rows) + 1
            value = rounded(square(L)) if correlation else L
            if not correlation and c > 0.01:
                law = torch.distributions.LKJCholesky(
                    n, torch.tensor(float(c), dtype=torch.float64))
                near(law.log_prob(torch.tensor(plain(L))).item(), lkj_cholesky(L, mpf(c)),
                     1e-9)
            records.append(record(
                log_prob, [c], value, None, "symmetric" if correlation else "lower",
                attr=[n], f64_only=bool(narrow), entropy=lkj_entropy(n, correlation),
                mean=lkj_mean(n, correlation), variance=lkj_variance(n, correlation)))
        points = [dict(params=[mpf(c)], attr=[3]) for c in (1.5, 0.75, 4)]
        write_family(name, records, points)
        write_kl(name, [kl_record(lkj_kl(n), [c], [d], attr=[n]) for n, c, d in (
            (2, 1, 2), (2, 3, 0.5), (3, 1, 1), (3, 0.25, 2), (3, 5, 1.5), (4, 1, 3),
            (5, 2, 1), (1, 2, 1), (3, 1e3, 1.001e3))])
    check_lkj()


def rounded_rows(L):
    return [[mpf(float(x)) for x in row] for row in L]


def check_lkj():
    """Two rows: a density in one correlation. Three: total mass, by two integrals."""
    for c, d in ((1.5, 0.75), (3, 4)):
        def density(r, c=c):
            return float(np.exp(float(lkj([[1, mpf(r)], [mpf(r), 1]], mpf(c)))))

        near(scipy.integrate.quad(density, -1, 1)[0], 1, 1e-8)
        near(scipy.integrate.quad(lambda r: -density(r) * np.log(density(r)), -1, 1)[0],
             lkj_entropy(2, True)(mpf(c)), 1e-7)
        near(scipy.integrate.quad(lambda r: density(r) * np.log(
            density(r) / density(r, d)), -1, 1)[0], lkj_kl(2)([mpf(c)], [mpf(d)]), 1e-7)
    # Three rows: the exponents of row 1, over an interval, and of row 2, over a disc.
    first = scipy.integrate.quad(lambda r: (1 - r * r) ** 1.5, -1, 1)[0]
    second = scipy.integrate.quad(lambda r: 2 * np.pi * r * (1 - r * r), 0, 1)[0]
    near(float(np.log(first * second)), lkj_norm(3, mpf(2)), 1e-8)


# MatrixNormal: of M, A, B


def matrix_normal(X, M, A, B):
    n, p = len(M), len(M[0])
    U, V, d = square(A), square(B), plus(X, M, -1)
    return -(trace(times(times(inverse(V), transpose(d)), times(inverse(U), d)))
             + p * log_det(U) + n * log_det(V) + n * p * log(2 * pi)) / 2


def matrix_normal_entropy(M, A, B):
    n, p = len(M), len(M[0])
    return (p * log_det(square(A)) + n * log_det(square(B))
            + n * p * (1 + log(2 * pi))) / 2


def matrix_normal_variance(M, A, B):
    U, V = square(A), square(B)
    return [[U[i][i] * V[j][j] for j in range(len(V))] for i in range(len(U))]


def matrix_normal_kl(q, p):
    (M, A, B), (N, C, D) = q, p
    n, k, d = len(M), len(M[0]), plus(M, N, -1)
    U, V = inverse(square(C)), inverse(square(D))
    return (k * (log_det(square(C)) - log_det(square(A)))
            + n * (log_det(square(D)) - log_det(square(B)))
            + trace(times(U, square(A))) * trace(times(V, square(B))) - n * k
            + trace(times(times(V, transpose(d)), times(U, d)))) / 2


ONE, ROOT = [[1]], [[1, 0], [0.5, 0.75]]
MATRIX_NORMAL = [  # M, A, B, X; not for floats
    ([[0]], ONE, ONE, [[1]]), ([[2]], [[3]], [[0.5]], [[-4]]),
    ([[0, 1]], ONE, ROOT, [[1, 2]]), ([[0], [1]], ROOT, ONE, [[1], [2]]),
    ([[0, 1], [2, 3]], ROOT, [[2, 0], [-1, 0.5]], [[1, 1], [1, 1]]),
    ([[0, 1], [2, 3]], ROOT, [[2, 0], [-1, 0.5]], [[0, 1], [2, 3]]),
    ([[0, 1, 2], [2, 3, 4]], ROOT, EIGHT[4], [[1, 1, 1], [1, 1, 1]]),
    ([[0, 1], [2, 3], [4, 5]], EIGHT[5], ROOT, [[1, 0], [1, 5], [-3, 1]]),
    ([[0, 0, 0]] * 3, EIGHT[4], EIGHT[5], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    ([[0, 0]], ONE, [[1e5, 0], [0, 1e-5]], [[2e5, 3e-5]]),
    ([[1e6, 0], [0, 1e6]], ROOT, ROOT, [[1e6, 1], [2, 1.000001e6]], 1),
    ([[0, 0], [0, 0]], [[1, 0], [1, 0.001]], ROOT, [[1, 0], [1, 0.5]], 1),
    ([[0.5] * 4], ONE, EIGHT[7], [[1, -1, 1, -1]]), ([[1, 2], [3, 4]], ROOT, ROOT,
                                                    [[100, 200], [-300, 50]]),
    ([[0] * 2] * 4, EIGHT[7], ROOT, [[1, 2], [3, 4], [5, 6], [7, 8]]),
    ([[0.25]], [[1e-10]], [[1e10]], [[0.5]]), ([[3, 3]], [[2]], [[1, 0], [0, 1]], [[4, 2]]),
    ([[1], [2], [3]], EIGHT[4], [[0.25]], [[1.5], [2.5], [2]]),
    ([[0, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]),
    ([[0, 1], [2, 3]], [[0.125, 0], [0.0625, 0.25]], [[8, 0], [4, 2]], [[1, 1], [1, 1]]),
]


def make_matrix_normal():
    kinds = ["free", "lower", "lower"]
    records = []
    for M, A, B, X, *narrow in MATRIX_NORMAL:
        values = exact([M, A, B])
        if not narrow and max(np.linalg.cond(plain(a)) for a in values[1:]) < 1e4:
            near(scipy.stats.matrix_normal(
                plain(values[0]), plain(square(values[1])), plain(square(values[2]))
            ).logpdf(plain(exact(X))), matrix_normal(exact(X), *values), 1e-8)
        records.append(record(
            matrix_normal, [M, A, B], X, kinds, f64_only=bool(narrow),
            entropy=matrix_normal_entropy, variance=matrix_normal_variance,
            mean=lambda M, A, B: M, mode=lambda M, A, B: M))
    write_family("matrix_normal", records, [
        [[[0, 1], [2, 3]], ROOT, [[2, 0], [-1, 0.5]]],
        [[[1, 0], [0, -1]], [[0.5, 0], [1, 1]], ROOT],
        [[[1, 1], [1, 1]], [[1, 0], [0, 2]], [[1, 0], [-0.5, 0.5]]]])
    write_kl("matrix_normal", [kl_record(matrix_normal_kl, q, p, kinds) for q, p in (
        ([[[0]], ONE, ONE], [[[1]], [[2]], [[3]]]),
        ([[[0, 1]], ONE, ROOT], [[[1, 0]], [[2]], [[1, 0], [0, 1]]]),
        ([[[0], [1]], ROOT, ONE], [[[0], [1]], ROOT, ONE]),
        ([[[0, 1], [2, 3]], ROOT, [[2, 0], [-1, 0.5]]],
         [[[1, 1], [1, 1]], [[1, 0], [0, 2]], ROOT]),
        ([[[0, 1], [2, 3]], ROOT, [[2, 0], [-1, 0.5]]],
         [[[0, 1], [2, 3]], [[1, 0], [0.5, 0.8125]], [[2, 0], [-1, 0.4375]]]),
        ([[[0, 1, 2], [2, 3, 4]], ROOT, EIGHT[4]],
         [[[0, 0, 0], [1, 1, 1]], [[2, 0], [1, 1]], EIGHT[5]]),
        ([[[0, 0, 0]] * 3, EIGHT[4], EIGHT[5]], [[[1, 1, 1]] * 3, EIGHT[5], EIGHT[4]]),
        ([[[1], [2], [3]], EIGHT[4], [[0.25]]], [[[1], [2], [2]], EIGHT[5], [[4]]]))])
