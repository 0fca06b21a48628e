# SPDX-License-Identifier: MIT
"""Matrices as lists of rows of mpf, for the log-densities of multivariate.py and hmm.py:
textbook loops, which suffice for a few rows at many digits."""

from mpmath import log, mpf, sqrt


def eye(n):
    return [[mpf(i == j) for j in range(n)] for i in range(n)]


def diag(v):
    return [[v[i] if i == j else mpf(0) for j in range(len(v))] for i in range(len(v))]


def transpose(a):
    return [list(row) for row in zip(*a)]


def times(a, b):
    """A B, or A v."""
    if not isinstance(b[0], list):
        return [sum((x * y for x, y in zip(row, b)), mpf(0)) for row in a]
    columns = transpose(b)
    return [[sum((x * y for x, y in zip(row, c)), mpf(0)) for c in columns] for row in a]


def plus(a, b, scale=1):
    """a + scale b."""
    if isinstance(a, list):
        return [plus(x, y, scale) for x, y in zip(a, b)]
    return a + scale * b


def scaled(a, scale):
    return [scaled(x, scale) for x in a] if isinstance(a, list) else a * scale


def lower(a):
    return [[x if j <= i else mpf(0) for j, x in enumerate(row)]
            for i, row in enumerate(a)]


def dot(a, b):
    return sum((x * y for x, y in zip(a, b)), mpf(0))


def trace(a):
    return sum((a[i][i] for i in range(len(a))), mpf(0))


def inverse(a):
    """By elimination with pivoting."""
    n = len(a)
    rows = [list(map(mpf, a[i])) + eye(n)[i] for i in range(n)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                f = rows[i][k]
                rows[i] = [x - f * y for x, y in zip(rows[i], rows[k])]
    return [row[n:] for row in rows]


def log_det(a):
    """log |det a| by elimination with pivoting."""
    rows, total = [list(map(mpf, row)) for row in a], mpf(0)
    for k in range(len(rows)):
        pivot = max(range(k, len(rows)), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        total += log(abs(rows[k][k]))
        for i in range(k + 1, len(rows)):
            f = rows[i][k] / rows[k][k]
            rows[i] = [x - f * y for x, y in zip(rows[i], rows[k])]
    return total


def cholesky(a):
    n = len(a)
    l = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            left = a[i][j] - dot(l[i][:j], l[j][:j])
            l[i][j] = sqrt(left) if i == j else left / l[j][j]
    return l


def square(l):
    """L L^T of the lower triangle of l."""
    l = lower(l)
    return times(l, transpose(l))


def quadratic(a, v):
    """v^T A^-1 v."""
    return dot(v, times(inverse(a), v))
