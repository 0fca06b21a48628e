# SPDX-License-Identifier: MIT
"""Golden numbers of families on the whole real line -> distributions/<family>.json and
kl/<family>.json, by univariate.py. Those of bounded support: continuous_bounded.py,
continuous_positive.py.

Closed forms in mpmath at 50 digits, from the textbooks that the families' files name.
"""

from mpmath import atan, euler, exp, expm1, gamma, inf, log, log1p, mp, mpf, pi

from univariate import write_univariate

mp.dps = 50

REAL = (-mpf(10) ** 45, mpf(10) ** 45)


def around(loc, scale, width=60):
    return [loc - width * scale, loc - 8 * scale, loc - scale, loc, loc + scale,
            loc + 8 * scale, loc + width * scale]


def whole(loc, scale):
    return [-inf, loc - 8 * scale, loc - scale, loc, loc + scale, loc + 8 * scale, inf]


def union(q, p, width=60):
    """Cuts around two members of location-scale families."""
    return sorted(set(around(q[0], q[1], width) + [x for x in around(p[0], p[1], width)
                                                   if abs(x - q[0]) < width * q[1]]))


class LocationScale:
    points = [
        ((0, 1), 0.5), ((0, 1), -0.25), ((0, 1), 1e-8), ((0, 1), -1e-20), ((0, 1), 3),
        ((0, 1), -5), ((0, 1), 40), ((0, 1), -40), ((0, 1), 600), ((0, 1), -600),
        ((1.25, 0.5), 1.5), ((1.25, 0.5), -3), ((1.25, 0.5), 20.5), ((-3, 4), 11.5),
        ((-3, 4), -20), ((100, 1e-3), 100.0025), ((100, 1e-3), 99.99), ((1e6, 30), 999940),
        ((0, 1e30), 2.5e30), ((0, 1e30), -3), ((0, 1e-30), 1.5e-30), ((1e-30, 1e-30), -4e-30),
        ((-7e29, 1e30), 1e30)]
    checked = [((0, 1), around(mpf(0), mpf(1))), ((1.25, 0.5), around(mpf(1.25), mpf(0.5)))]
    pairs = [((0, 1), (1, 2)), ((1, 2), (0, 1)), ((0.5, 1.5), (0.5, 1.5)), ((0, 1), (0, 1.25)),
             ((0, 1), (0.125, 1)), ((3, 0.25), (2.5, 0.5)), ((-1, 4), (2, 0.75)),
             ((1e3, 10), (990, 14)), ((0.25, 1e-4), (0.25025, 2e-4))]
    kl_cuts = staticmethod(union)

    @staticmethod
    def range(*_):
        return REAL


class Cauchy(LocationScale):
    checked = [((0, 1), whole(mpf(0), mpf(1)))]
    probabilities = ("1e-30", "1e-12", "0.001", "0.03125", "0.5", "0.75", "0.99")
    survivals = ("1e-30", "1e-17", "0.001", "0.25")

    @staticmethod
    def log_prob(x, loc, scale):
        return -log(pi * scale) - log1p(((x - loc) / scale) ** 2)

    @staticmethod
    def cdf(x, loc, scale):
        z = (x - loc) / scale
        return atan(-1 / z) / pi if z < 0 else mpf(1) / 2 + atan(z) / pi

    @staticmethod
    def survival(x, loc, scale):
        return Cauchy.cdf(2 * loc - x, loc, scale)

    @staticmethod
    def entropy(loc, scale):
        return log(4 * pi * scale)

    @staticmethod
    def kl(q, p):
        return log(((q[1] + p[1]) ** 2 + (q[0] - p[0]) ** 2) / (4 * q[1] * p[1]))

    @staticmethod
    def kl_cuts(q, p):
        return sorted(set(whole(*q) + whole(*p)))


class Laplace(LocationScale):
    @staticmethod
    def log_prob(x, loc, scale):
        return -abs(x - loc) / scale - log(2 * scale)

    @staticmethod
    def cdf(x, loc, scale):
        z = (x - loc) / scale
        return exp(z) / 2 if z < 0 else 1 - exp(-z) / 2

    @staticmethod
    def survival(x, loc, scale):
        return Laplace.cdf(2 * loc - x, loc, scale)

    @staticmethod
    def entropy(loc, scale):
        return 1 + log(2 * scale)

    @staticmethod
    def mean(loc, scale):
        return loc

    @staticmethod
    def variance(loc, scale):
        return 2 * scale ** 2

    @staticmethod
    def kl(q, p):
        d = abs(q[0] - p[0])
        return (log(p[1] / q[1]) + d / p[1] + q[1] / p[1] * exp(-d / q[1]) - 1)


class Logistic(LocationScale):
    @staticmethod
    def log_prob(x, loc, scale):
        z = abs(x - loc) / scale
        return -z - 2 * log1p(exp(-z)) - log(scale)

    @staticmethod
    def cdf(x, loc, scale):
        return 1 / (1 + exp(-(x - loc) / scale))

    @staticmethod
    def survival(x, loc, scale):
        return 1 / (1 + exp((x - loc) / scale))

    @staticmethod
    def entropy(loc, scale):
        return 2 + log(scale)

    @staticmethod
    def mean(loc, scale):
        return loc

    @staticmethod
    def variance(loc, scale):
        return pi ** 2 / 3 * scale ** 2


class SoftLaplace(LocationScale):
    @staticmethod
    def log_prob(x, loc, scale):
        z = abs(x - loc) / scale
        return log(2 / pi) - z - log1p(exp(-2 * z)) - log(scale)

    @staticmethod
    def cdf(x, loc, scale):
        return 2 / pi * atan(exp((x - loc) / scale))

    @staticmethod
    def survival(x, loc, scale):
        return 2 / pi * atan(exp(-(x - loc) / scale))

    @staticmethod
    def entropy(loc, scale):
        return log(2 * pi * scale)

    @staticmethod
    def mean(loc, scale):
        return loc

    @staticmethod
    def variance(loc, scale):
        return pi ** 2 / 4 * scale ** 2


class Gumbel(LocationScale):
    points = [(params, x) for params, x in LocationScale.points if (x - params[0]) / params[1]
              > -100] + [((0, 1), -6), ((2, 0.5), -1.5)]
    checked = [((0, 1), [-7, -3, 0, 3, 20, 150])]

    @staticmethod
    def log_prob(x, loc, scale):
        z = (x - loc) / scale
        return -z - exp(-z) - log(scale)

    @staticmethod
    def cdf(x, loc, scale):
        z = (x - loc) / scale
        return exp(-exp(-z)) if z > -1000 else mpf(0)

    @staticmethod
    def survival(x, loc, scale):
        z = (x - loc) / scale
        return -expm1(-exp(-z)) if z > -1000 else mpf(1)

    @staticmethod
    def entropy(loc, scale):
        return 1 + euler + log(scale)

    @staticmethod
    def mean(loc, scale):
        return loc + euler * scale

    @staticmethod
    def variance(loc, scale):
        return pi ** 2 / 6 * scale ** 2

    @staticmethod
    def kl(q, p):
        d, r = (q[0] - p[0]) / p[1], q[1] / p[1]
        return log(p[1] / q[1]) + d + euler * r + exp(-d) * gamma(1 + r) - 1 - euler

    @staticmethod
    def kl_cuts(q, p):
        return [q[0] + q[1] * z for z in (-7, -5, -3, -1, 0, 1, 3, 10, 30, 100, 150)]


class AsymmetricLaplace:
    points = [
        ((0, 1, 1), 0.5), ((0, 1, 1), -0.5), ((1, 1, 2), 2), ((2, 2, 0.5), -1),
        ((-50, 10, 2.5), 10), ((0, 1, 2), 1e-8), ((0, 1, 2), -1e-8), ((0, 1, 0.5), 300),
        ((0, 1, 0.5), -300), ((0, 1, 3), 200), ((0, 1, 3), -1000), ((0.5, 2, 1.25), 0.75),
        ((0.5, 2, 1.25), -3.5), ((0, 1, 1e-3), 5), ((0, 1, 1e-3), -0.002), ((0, 1, 1e3), 1e-3),
        ((0, 1, 1e3), -40), ((0, 1e30, 0.75), 3e30), ((0, 1e-30, 1.5), -2e-30),
        ((0, 1, 1e30), -1e29), ((0, 1, 1e-30), 1e29), ((1e4, 3, 0.9), 9990), ((0, 1, 4), 0.0625)]
    pairs = [
        ((0, 1, 1), (0.5, 2, 1.25)), ((0.5, 2, 1.25), (0, 1, 1)), ((0, 1, 2), (0, 1, 2)),
        ((0, 1, 2), (0, 1, 0.5)), ((3, 0.5, 0.75), (-4, 2, 1.5)),
        ((-4, 2, 1.5), (3, 0.5, 0.75)), ((1, 1, 0.9), (1.001, 1.001, 0.901)),
        ((100, 50, 3), (120, 30, 2)), ((0, 1, 0.125), (0.25, 8, 4)), ((0, 0.25, 1), (9, 1, 1))]
    checked = [((0, 1, 1), around(mpf(0), mpf(1), 100)),
               ((0.5, 2, 1.25), around(mpf(0.5), mpf(2), 100))]

    @staticmethod
    def log_prob(x, loc, scale, k):
        z = (x - loc) / scale
        return (z / k if z < 0 else -z * k) - log(scale * (k + 1 / k))

    @staticmethod
    def cdf(x, loc, scale, k):
        z = (x - loc) / scale
        return (exp(z / k) / (1 + k ** -2) if z < 0
                else (k ** 2 - expm1(-z * k)) / (1 + k ** 2))

    @staticmethod
    def survival(x, loc, scale, k):
        return AsymmetricLaplace.cdf(2 * loc - x, loc, scale, 1 / k)

    @staticmethod
    def entropy(loc, scale, k):
        return 1 + log(scale * (k + 1 / k))

    @staticmethod
    def mean(loc, scale, k):
        return loc + scale * (1 / k - k)

    @staticmethod
    def variance(loc, scale, k):
        return scale ** 2 * (k ** 2 + k ** -2)

    @staticmethod
    def range(*_):
        return REAL

    @staticmethod
    def kl(q, p):
        """By E (x - loc_p)+ and E (loc_p - x)+, in scales left and right of the peaks."""
        d = p[0] - q[0]
        (l_q, r_q), (l_p, r_p) = ((s * k, s / k) for _, s, k in (q, p))
        if d < 0:
            d, l_q, r_q, l_p, r_p = -d, r_q, l_q, r_p, l_p
        far = r_q ** 2 / (l_q + r_q) * exp(-d / r_q)
        near = d - r_q + l_q + far
        return log((l_p + r_p) / (l_q + r_q)) + far / r_p + near / l_p - 1

    @staticmethod
    def kl_cuts(q, p):
        return sorted({*around(q[0], q[1] * max(q[2], 1 / q[2])), p[0]})


FAMILIES = {"asymmetric_laplace": AsymmetricLaplace, "cauchy": Cauchy, "gumbel": Gumbel,
            "laplace": Laplace, "logistic": Logistic, "soft_laplace": SoftLaplace}


def main():
    for name, family in FAMILIES.items():
        write_univariate(name, family)


if __name__ == "__main__":
    main()
