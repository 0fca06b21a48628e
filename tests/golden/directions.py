# SPDX-License-Identifier: MIT
"""ProjectedNormal -> distributions/projected_normal.json.

The integral over the radius by its recursion from erfc, at so many digits that nothing is
lost; the mean by a confluent hypergeometric function. Compared in this script with Pyro's
closed forms for 2, 3 and 4 numbers, and with quadrature.
"""

import pyro.distributions
import torch
from mpmath import erfc, exp, gamma, hyp1f1, log, mp, mpf, pi, quad, sqrt, workdps

from event_table import exact, near, plain, record, write_family


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def log_radius(D, t):
    """log of the integral of r^(D-1) e^(r t - r^2/2) over r > 0."""
    with workdps(mp.dps + 400):
        low, high = exp(t * t / 2) * sqrt(pi / 2) * erfc(-t / sqrt(mpf(2))), None
        high = 1 + t * low
        for n in range(1, D):
            low, high = high, n * low + t * high
        return log(low)


def projected_normal(x, m):
    return -dot(m, m) / 2 - len(m) * log(2 * pi) / 2 + log_radius(len(m), dot(x, m))


def mean(m):
    half = mpf(len(m)) / 2
    share = gamma(half + mpf(1) / 2) / sqrt(mpf(2)) / gamma(half + 1) * hyp1f1(
        mpf(1) / 2, half + 1, -dot(m, m) / 2)
    return [share * a for a in m]


def covariance(m):
    """The second moments across m and along it, less the mean's product."""
    n, square, center = mpf(len(m)), dot(m, m), mean(m)
    across, along = (hyp1f1(1, n / 2 + 1 + k, -square / 2) / (n + 2 * k) for k in (0, 1))
    return [[across * (i == k) + along * a * b - center[i] * center[k]
             for k, b in enumerate(m)] for i, a in enumerate(m)]


def variance(m):
    return [row[i] for i, row in enumerate(covariance(m))]


def mode(m):
    length = sqrt(dot(m, m))
    return [a / length if length else mpf("nan") for a in m]


def unit(x):
    length = sum(a * a for a in x) ** 0.5
    return [a / length for a in x]


POINTS = [
    ([0, 0], [1, 0]), ([0, 0, 0], [0.6, 0, 0.8]), ([1, 2], [1, 2]), ([1, 2], [-1, -2]),
    ([1, 2], [2, -1]), ([0.5, -1, 2], [1, 1, 1]), ([0.5, -1, 2], [-0.5, 1, -2]),
    ([0.01, 0.02, 0], [1, 2, 3]), ([1e-8, 0, 0], [-1, 0, 1]), ([10, 3, -4], [10, 3, -3]),
    ([10, 3, -4], [-10, 4, 1]), ([30, 40], [3, 4]), ([30, 40], [-3, -4]),
    ([300, -400, 100], [3, -4, 1]), ([300, -400, 100], [-3, 4, -1]),
    ([1e4, 1e4], [1, 1.0001]), ([0, 11.9], [0, 1]), ([0, 12.1], [0, 1]),
    ([11.9, 0, 0], [1, 0, 0]), ([12.1, 0, 0], [1, 0, 0]), ([0, 0, -300, 0], [0, 0, -1, 0]),
    ([0, 1e4], [0, 1]), ([25] + [0] * 11, [1] + [0] * 11), ([0, 0, 5], [1, 0, 0]), ([1, 1, 1, 1], [1, -1, 1, 1]),
    ([2, 0, -1, 3], [-1, 2, 0.5, -3]), ([0.3] * 10, [1, -1] * 5), ([3] * 10, [-1] * 10),
    ([3] * 10, [1] * 9 + [0.5]), ([0, 0, 0, 0, 0], [1, 2, 3, 4, 5]),
    ([0.125] * 30, [1] * 29 + [-1]), ([-2] * 30, [1] * 29 + [2]),
]


if __name__ == "__main__":
    records = []
    for m, x in POINTS:
        x = unit(x)
        records.append(record(projected_normal, (m,), x, mean=mean, variance=variance,
                              covariance=covariance, mode=mode))
        at, of = exact(x), exact(m)
        if len(m) < 5 and abs(dot(of, of)) < 200:
            t, total = dot(at, of), mpf(len(m)) - 1
            with workdps(25):
                peak = (t + sqrt(t * t + 4 * total)) / 2
                top = peak * t - peak * peak / 2
                mass = quad(lambda r: r ** total * exp(r * t - r * r / 2 - top),
                            [max(0, peak + k) for k in (-12, -8, -5, -2, 0, 2, 5, 8, 12)])
            near(log(mass) + top, log_radius(len(m), t), 1e-15)
            law = pyro.distributions.ProjectedNormal(torch.tensor(plain(of)).double())
            if t > -4:
                near(law.log_prob(torch.tensor(plain(at))).item(),
                     projected_normal(at, of), 1e-11)
            along = quad(lambda a: exp(-dot(of, of) * mp.sin(a) ** 2 / 2)
                         * mp.cos(a) ** len(m), [0, 0.1, 0.5, pi / 2])
            near([sqrt(2 / pi) * along * a for a in of], mean(of))
            if len(m) == 2:
                found = [quad(lambda a: mp.cos(a) ** k * exp(projected_normal(
                    [mp.cos(a), mp.sin(a)], of)), [-pi, -2, -1, 0, 1, 2, pi]) for k in (1, 2)]
                near(found[1] - found[0] ** 2, variance(of)[0])
    write_family("projected_normal", records,
                 [([0.5, -1, 2],), ([0.25, 0, 0.125],), ([-6, 3, -4],)])
