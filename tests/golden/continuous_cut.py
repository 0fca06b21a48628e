# SPDX-License-Identifier: MIT
"""Golden numbers of the truncated Normal and of the von Mises distribution ->
distributions/<family>.json and kl/<family>.json, by univariate.py.

Closed forms in mpmath at 50 digits; the von Mises cdf by its Fourier series.
"""

from functools import lru_cache

from mpmath import (besseli, cos, erfc, exp, inf, log, mp, mpf, npdf, pi, sin, sqrt)

from univariate import write_univariate

mp.dps = 50


def between(a, b):
    """P(a < Z < b) of a standard normal Z, by the lesser tails."""
    with mp.workdps(mp.dps + 60):
        if a > 0:
            return (erfc(a / sqrt(2)) - erfc(b / sqrt(2))) / 2
        if b < 0:
            return between(-b, -a)
        return 1 - (erfc(-a / sqrt(2)) + erfc(b / sqrt(2))) / 2


class TruncatedNormal:
    points = [
        ((0, 1, -1, 2), 0.5), ((0, 1, -1, 2), -0.75), ((0, 1, -1, 2), 1.999), ((0.5, 2, -1, 3), 1),
        ((0.5, 2, -1, 3), 2.5), ((0, 1, 6, 40), 6.125), ((0, 1, 6, 40), 8), ((0, 1, 30, 31), 30.01),
        ((0, 1, -40, -6), -6.25), ((0, 1, -31, -30), -30.03125), ((5, 2, -30, -4), -4.5),
        ((0, 1, 0, 3), 1), ((0, 1, 0.5, 0.5 + 2.0 ** -20), 0.5 + 2.0 ** -22),
        ((1e3, 1, -1, 1), 0.9990234375), ((0, 1e30, -1, 1), 0.5), ((0, 1, -0.125, 0.0625), 0.03125),
        ((-2, 0.5, -1, 4), -0.5), ((3, 4, 2, 2.5), 2.25), ((0, 1, 100, 200), 100.0078125),
        ((2, 3, -50, 60), 4), ((0, 1, -1e30, 1e30), 1.5), ((7, 0.25, 9, 10), 9.0625)]
    checked = [((0.5, 2, -1, 3), [-1, 0, 1, 3]), ((0, 1, 6, 40), [6, 6.5, 7, 9, 40]),
               ((5, 2, -30, -4), [-30, -10, -6, -4])]
    pairs = [
        ((0.5, 2, -1, 3), (0, 1, -2, 4)), ((0, 1, -1, 2), (0.5, 3, -1, 2)),
        ((0, 1, -1, 2), (0, 1, -1, 2)), ((0, 1, -1, 2), (0, 1, -2, 4)), ((0, 1, -2, 4), (0, 1, -1, 2)),
        ((0, 1, 6, 40), (1, 2, 5, 50)), ((1, 2, 5, 50), (0, 1, 5, 60)), ((5, 2, -30, -4), (4, 3, -40, -3)),
        ((0, 1, 30, 31), (0.5, 1, 30, 32)), ((0, 1, -1e30, 2), (1, 2, -1e30, 2)),
        ((0, 1, -1, 1e30), (1, 2, -3, 1e30)), ((3, 4, 2, 2.5), (-1, 0.5, 1.5, 2.5)),
        ((0, 1, -1, 2), (0.001, 1.001, -1, 2)), ((2, 0.5, 0, 4), (9, 1, -1, 5))]
    probabilities = ("1e-20", "0.001", "0.5", "0.9")
    survivals = ("1e-15", "0.25")

    @staticmethod
    def range(loc, scale, low, high):
        return low, high

    @staticmethod
    def log_prob(x, loc, scale, low, high):
        if not low <= x <= high:
            return -inf
        z = (x - loc) / scale
        mass = between((low - loc) / scale, (high - loc) / scale)
        return -z * z / 2 - log(2 * pi) / 2 - log(scale) - log(mass)

    @staticmethod
    def cdf(x, loc, scale, low, high):
        return (between((low - loc) / scale, (x - loc) / scale)
                / between((low - loc) / scale, (high - loc) / scale))

    @staticmethod
    def survival(x, loc, scale, low, high):
        return (between((x - loc) / scale, (high - loc) / scale)
                / between((low - loc) / scale, (high - loc) / scale))

    @staticmethod
    def moments(loc, scale, low, high):
        """Mean and variance of (x - loc) / scale, the entropy of it."""
        with mp.workdps(mp.dps + 60):
            a, b = (low - loc) / scale, (high - loc) / scale
            mass = between(a, b)
            p_a, p_b = npdf(a) / mass, npdf(b) / mass
            at_a, at_b = (t * p_t if abs(t) < inf else 0 for t, p_t in ((a, p_a), (b, p_b)))
            m, square = p_a - p_b, 1 + at_a - at_b
            return m, square - m * m, square / 2 + log(2 * pi) / 2 + log(mass)

    @staticmethod
    def mean(loc, scale, low, high):
        return loc + scale * TruncatedNormal.moments(loc, scale, low, high)[0]

    @staticmethod
    def variance(loc, scale, low, high):
        return scale ** 2 * TruncatedNormal.moments(loc, scale, low, high)[1]

    @staticmethod
    def entropy(loc, scale, low, high):
        return log(scale) + TruncatedNormal.moments(loc, scale, low, high)[2]

    @staticmethod
    def kl(q, p):
        if q[2] < p[2] or q[3] > p[3]:
            return inf
        with mp.workdps(mp.dps + 60):
            m, v, entropy = TruncatedNormal.moments(*q)
            m, v = q[0] + q[1] * m, q[1] ** 2 * v
            mass = between((p[2] - p[0]) / p[1], (p[3] - p[0]) / p[1])
            return (((m - p[0]) ** 2 + v) / p[1] ** 2 / 2 + log(2 * pi) / 2 + log(p[1])
                    + log(mass) - entropy - log(q[1]))

    @staticmethod
    def kl_cuts(q, p):
        if q[2] < p[2] or q[3] > p[3]:
            return None
        low, high = max(q[2], q[0] - 12 * q[1]), min(q[3], q[0] + 12 * q[1])
        if q[2] > q[0] + 5 * q[1]:
            low, high = q[2], min(q[3], q[2] + 8 * q[1])
        elif q[3] < q[0] - 4 * q[1]:
            low, high = max(q[2], q[3] - 8 * q[1]), q[3]
        return [low + (high - low) * i / 5 for i in range(6)]


@lru_cache(None)
def weights(k, digits):
    """I_n(k) / I_0(k) for n = 1, 2, .. to where they vanish."""
    with mp.workdps(digits):
        found, n = [], 1
        while not found or found[-1] > mpf(10) ** -digits:
            found.append(besseli(n, k) / besseli(0, k))
            n += 1
        return found


class VonMises:
    points = [
        ((0.5, 1.2), 1), ((0.5, 2), 1), ((3, 0.5), 2), ((0.3, 0.5), 2), ((0, 1), 0), ((0, 1), 3),
        ((0, 1e-8), 1), ((0, 1e-3), -2), ((-1, 0.25), 2.5), ((-3, 4), 3), ((-3, 4), -2.5),
        ((2, 30), 2.25), ((2, 30), 1), ((2, 90), 1.875), ((0.25, 110), 0.3125), ((1, 200), 0.9),
        ((1, 200), 0.625), ((-2, 15), -1.5), ((0, 50), 0.25), ((3.125, 10), -3), ((1.5, 7), 0.75)]
    pairs = [((0.5, 1.2), (0.25, 2)), ((0.25, 2), (0.5, 1.2)), ((0, 1), (0, 1)), ((0, 1), (3, 1)),
             ((0, 30), (0.125, 40)), ((1, 200), (1.0625, 180)), ((0, 1e-3), (0, 2e-3)),
             ((-3, 4), (3, 5)), ((0, 0.5), (1, 90))]
    checked = []
    probabilities = ("1e-6", "0.001", "0.5", "0.9")
    survivals = ("1e-5", "0.25")

    @staticmethod
    def range(*_):
        return -pi, pi

    @staticmethod
    def log_prob(x, loc, k):
        return k * cos(x - loc) - log(2 * pi * besseli(0, k))

    @staticmethod
    def integral(t, k):
        """Of the density from loc on: t / (2 pi) + sum of I_n / I_0 sin(n t) / (n pi)."""
        return t / (2 * pi) + sum(w * sin(n * t) / (n * pi) for n, w in
                                  enumerate(weights(k, mp.dps + 20), 1))

    @staticmethod
    def cdf(x, loc, k):
        return VonMises.integral(x - loc, k) - VonMises.integral(-pi - loc, k)

    @staticmethod
    def survival(x, loc, k):
        return VonMises.integral(pi - loc, k) - VonMises.integral(x - loc, k)

    @staticmethod
    def mean(loc, k):
        return loc

    @staticmethod
    def variance(loc, k):
        return 1 - besseli(1, k) / besseli(0, k)

    @staticmethod
    def entropy(loc, k):
        return log(2 * pi * besseli(0, k)) - k * besseli(1, k) / besseli(0, k)

    @staticmethod
    def kl(q, p):
        ratio = besseli(1, q[1]) / besseli(0, q[1])
        return (log(besseli(0, p[1])) - log(besseli(0, q[1]))
                + ratio * (q[1] - p[1] * cos(q[0] - p[0])))

    @staticmethod
    def kl_cuts(q, p):
        return [-pi, -2, -1, 0, 1, 2, pi] if q[1] < 10 else None


FAMILIES = {"truncated_normal": TruncatedNormal, "von_mises": VonMises}


def main(names=FAMILIES):
    for name in names:
        write_univariate(name, FAMILIES[name])


if __name__ == "__main__":
    main()
