# SPDX-License-Identifier: MIT
"""Families of vectors and matrices -> distributions/<family>.json, kl/<family>.json.

Log-densities are written from their definitions in mpmath; entropies, moments and KL are
closed forms, compared in this script with scipy's, PyTorch's or numerical integration.
"""

import numpy as np
import scipy.stats
from mpmath import log, loggamma, mpf, nan, psi

from event_table import exact, kl_record, near, record, write_family, write_kl


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


if __name__ == "__main__":
    make_dirichlet()
