# SPDX-License-Identifier: MIT
"""Golden numbers of families whose support has one end -> distributions/<family>.json and
kl/<family>.json, by univariate.py.

Closed forms in mpmath at 50 digits, from the textbooks that the families' files name.
"""

from mpmath import (atan, e1, erf, erfc, euler, exp, expm1, gamma, gammainc, inf, log, log1p, mp,
                    mpf, pi, quad, sqrt, workdps)

from univariate import write_univariate

mp.dps = 50

HUGE = mpf(10) ** 60


def rising(scale, top=inf):
    """Cuts of a positive density around its scale."""
    return [0, scale / 1000, scale / 10, scale, 4 * scale, 20 * scale, top]


class Positive:
    pairs = [((a,), (b,)) for a, b in (
        (2.4, 5.5), (5.5, 2.4), (1, 1), (1e-3, 1), (1, 1e-3), (0.5, 0.5001), (17, 20),
        (1e-20, 2e-20), (0.7, 0.1))]

    @staticmethod
    def range(*_):
        return mpf(0), HUGE


class HalfCauchy(Positive):
    points = [((scale,), x) for scale, x in (
        (1, 0), (1, 1e-300), (1, 1e-8), (1, 0.35), (1.2, 1), (1, 3), (1, 1e6), (1, 1e30),
        (2.5, 0), (2.5, 0.4), (2.5, 70), (0.1, 0.1), (0.1, 25), (1e-30, 2e-30), (1e-30, 1),
        (1e30, 3e29), (1e30, 1), (7, 6.5), (7, 1e3), (0.3, 1e-4), (40, 38))]
    probabilities = ("1e-30", "1e-12", "0.001", "0.5", "0.75", "0.99")
    survivals = ("1e-30", "1e-17", "0.001", "0.25")
    checked = []

    @staticmethod
    def log_prob(x, scale):
        return log(2 / (pi * scale)) - log1p((x / scale) ** 2) if x >= 0 else -inf

    @staticmethod
    def cdf(x, scale):
        return 2 / pi * atan(x / scale)

    @staticmethod
    def survival(x, scale):
        return 2 / pi * atan(scale / x) if x > 0 else mpf(1)

    @staticmethod
    def entropy(scale):
        return log(2 * pi * scale)

    @staticmethod
    def mean(scale):
        return inf

    variance = mean

    @staticmethod
    def kl(q, p):
        return log((q[0] + p[0]) ** 2 / (4 * q[0] * p[0]))

    @staticmethod
    def kl_cuts(q, p):
        return rising(*q)


class HalfNormal(Positive):
    points = [((scale,), x) for scale, x in (
        (1, 0), (1, 1e-300), (1, 1e-8), (1, 0.35), (1.2, 1), (1, 3), (1, 9), (1, 38),
        (2.5, 0), (2.5, 0.4), (2.5, 70), (0.1, 0.1), (0.1, 2.5), (1e-30, 2e-30),
        (1e30, 3e29), (1e30, 1), (7, 6.5), (7, 1e3), (0.3, 1e-4), (40, 38), (1, 60))]
    checked = [((1,), rising(mpf(1), 40)), ((2.5,), rising(mpf(2.5), 100))]

    @staticmethod
    def log_prob(x, scale):
        return -(x / scale) ** 2 / 2 + log(2 / pi) / 2 - log(scale) if x >= 0 else -inf

    @staticmethod
    def cdf(x, scale):
        return erf(x / scale / sqrt(2))

    @staticmethod
    def survival(x, scale):
        return erfc(x / scale / sqrt(2))

    @staticmethod
    def entropy(scale):
        return mpf(1) / 2 + log(pi / 2) / 2 + log(scale)

    @staticmethod
    def mean(scale):
        return sqrt(2 / pi) * scale

    @staticmethod
    def variance(scale):
        return (1 - 2 / pi) * scale ** 2

    @staticmethod
    def kl(q, p):
        r = q[0] / p[0]
        return (r * r - 1) / 2 - log(r)

    @staticmethod
    def kl_cuts(q, p):
        return rising(q[0], 40 * q[0])


class LogNormal:
    points = [
        ((1.4, 0.4), 5.5), ((0.4, 0.5), 6.4), ((1.4, 2.6), 5.5), ((0, 1), 1), ((0, 1), 1e-8),
        ((0, 1), 1e-300), ((0, 1), 0.25), ((0, 1), 7), ((0, 1), 1e6), ((0, 1), 1e30),
        ((-3, 0.25), 0.05), ((-3, 0.25), 0.01), ((-3, 0.25), 0.2), ((20, 5), 1e7),
        ((20, 5), 1e15), ((0, 0.001), 1.0025), ((0, 0.001), 0.995), ((-60, 4), 1e-25),
        ((60, 4), 1e28), ((2, 30), 1e-30), ((2, 30), 1e30), ((0.5, 1e-3), 1.65)]
    probabilities = ("1e-30", "0.001", "0.03125", "0.5", "0.75", "0.99")
    survivals = ("1e-30", "0.001", "0.25")
    checked = [((0, 0.5), [0, 0.1, 0.5, 1, 2, 5, 20, 200])]
    pairs = [((0, 1), (1, 2)), ((1, 2), (0, 1)), ((0.5, 1.5), (0.5, 1.5)), ((-2, 0.25), (3, 4)),
             ((3, 4), (-2, 0.25)), ((0, 1e-4), (0, 1)), ((0.5, 1), (0.5001, 1.0001)),
             ((100, 3), (90, 3)), ((0.1, 0.02), (-0.05, 0.3))]

    @staticmethod
    def range(loc, scale):
        return exp(loc - 50 * scale), exp(loc + 50 * scale)

    @staticmethod
    def log_prob(x, loc, scale):
        z = (log(x) - loc) / scale
        return -z * z / 2 - log(2 * pi) / 2 - log(scale) - log(x)

    @staticmethod
    def cdf(x, loc, scale):
        return erfc(-(log(x) - loc) / scale / sqrt(2)) / 2

    @staticmethod
    def survival(x, loc, scale):
        return erfc((log(x) - loc) / scale / sqrt(2)) / 2

    @staticmethod
    def entropy(loc, scale):
        return loc + mpf(1) / 2 + log(2 * pi) / 2 + log(scale)

    @staticmethod
    def mean(loc, scale):
        return exp(loc + scale ** 2 / 2)

    @staticmethod
    def variance(loc, scale):
        return expm1(scale ** 2) * exp(2 * loc + scale ** 2)

    @staticmethod
    def kl(q, p):
        r = q[1] / p[1]
        return (r * r + ((q[0] - p[0]) / p[1]) ** 2 - 1) / 2 - log(r)

    @staticmethod
    def kl_cuts(q, p):
        return [exp(q[0] + k * q[1]) for k in range(-13, 14, 2)] if q[1] < 3 else None


class Pareto:
    points = [
        ((1, 2.5), 1), ((1, 2.5), 1.0001), ((1, 2.5), 4), ((1, 2.5), 1e6), ((1.3, 4.5), 2),
        ((1.3, 4.5), 30), ((0.5, 0.75), 0.5), ((0.5, 0.75), 3), ((0.5, 0.75), 1e12),
        ((2, 1.5), 2.25), ((2, 1.5), 1e4), ((10, 40), 10.25), ((10, 40), 14), ((3, 2), 3.5),
        ((3, 1), 3.5), ((1e-30, 3), 2.5e-30), ((1e30, 3), 1.5e30), ((1, 1e-3), 1e30),
        ((1, 1e6), 1.000001), ((1, 1e30), 1), ((1, 1e-30), 2), ((7, 3.25), 8)]
    checked = [((1, 2.5), rising(mpf(1))[3:]), ((1.3, 4.5), [mpf(1.3), 2, 5, 20, inf])]
    pairs = [((1.3, 4.5), (1.1, 3)), ((1, 1), (1, 1)), ((2, 3), (2, 5)), ((2, 5), (2, 3)),
             ((1, 3), (1.5, 3)), ((3, 0.5), (0.01, 0.25)), ((5, 40), (4.99, 40.5)),
             ((1e-3, 2), (9e-4, 2.0001)), ((1e10, 2), (1e5, 3))]

    @staticmethod
    def range(scale, alpha):
        return scale, scale * mpf(10) ** 700

    @staticmethod
    def log_prob(x, scale, alpha):
        return log(alpha) + alpha * log(scale) - (alpha + 1) * log(x) if x >= scale else -inf

    @staticmethod
    def cdf(x, scale, alpha):
        return -expm1(alpha * log(scale / x))

    @staticmethod
    def survival(x, scale, alpha):
        return (scale / x) ** alpha

    @staticmethod
    def entropy(scale, alpha):
        return log(scale / alpha) + 1 + 1 / alpha

    @staticmethod
    def mean(scale, alpha):
        return alpha * scale / (alpha - 1) if alpha > 1 else inf

    @staticmethod
    def variance(scale, alpha):
        return alpha * scale ** 2 / ((alpha - 1) ** 2 * (alpha - 2)) if alpha > 2 else inf

    @staticmethod
    def kl(q, p):
        if q[0] < p[0]:
            return inf
        return p[1] * log(q[0] / p[0]) + log(q[1] / p[1]) + p[1] / q[1] - 1

    @staticmethod
    def kl_cuts(q, p):
        return [q[0], 2 * q[0], 10 * q[0], inf] if q[0] >= p[0] else None


class Gompertz(Positive):
    points = [
        ((1, 1), 0), ((1, 1), 1e-8), ((1, 1), 0.5), ((1, 1), 3), ((1, 1), 6), ((0.25, 2), 0.75),
        ((0.25, 2), 3), ((0.01, 0.5), 0), ((0.01, 0.5), 8), ((0.01, 0.5), 15), ((5, 0.1), 1),
        ((5, 0.1), 20), ((40, 3), 0.01), ((1e3, 1), 1e-3), ((1e6, 1), 2e-6), ((1e-6, 1), 13),
        ((1e-30, 1), 68), ((1e30, 1), 1e-30), ((2, 1e30), 1e-31), ((2, 1e-30), 1e29),
        ((2.5, 1), 1e-300), ((0.5, 4), 0.3)]
    pairs = [
        ((1, 1), (0.25, 2)), ((0.25, 2), (1, 1)), ((1, 1), (1, 1)), ((0.01, 0.5), (0.03, 0.25)),
        ((0.03, 0.25), (0.01, 0.5)), ((5, 0.125), (4, 0.25)), ((40, 3), (20, 5)),
        ((1e-6, 1), (2e-6, 0.9)), ((2.5, 1), (2.501, 1.001)), ((100, 2), (1, 30)),
        ((0.5, 4), (0.001, 9)), ((0.01, 1), (1e-4, 4)), ((0.01, 4), (0.5, 0.125))]
    checked = [((1, 1), [0, 0.1, 1, 3, 6]), ((0.25, 2), [0, 0.1, 1, 2, 4]),
               ((40, 3), [0, 0.01, 0.1, 1]), ((2.5, 1), [0, 0.1, 1, 2, 5])]

    @staticmethod
    def range(*_):
        return mpf(0), mpf(1000)

    @staticmethod
    def log_prob(x, c, b):
        return log(c * b) + b * x - c * expm1(b * x) if x >= 0 else -inf

    @staticmethod
    def cdf(x, c, b):
        return -expm1(-c * expm1(b * x)) if b * x < 300 else mpf(1)

    @staticmethod
    def survival(x, c, b):
        return exp(-c * expm1(b * x)) if b * x < 300 else mpf(0)

    @staticmethod
    def mean(c, b):
        if c > 1e8:  # e^c E1(c) by its asymptotic series
            return sum((-1) ** n * mp.factorial(n) / c ** (n + 1) for n in range(12)) / b
        return exp(c) * e1(c) / b

    @staticmethod
    def variance(c, b):
        """By u = c (e^(b x) - 1), which is Exponential(1)."""
        m = Gompertz.mean(c, mpf(1))
        cuts = [0, *(mpf(10) ** k for k in range(-36, 1, 4)), 4, 16, 50, 120]
        with workdps(40):
            return quad(lambda u: exp(-u) * (log1p(u / c) / m - 1) ** 2, cuts) * (m / b) ** 2

    @staticmethod
    def entropy(c, b):
        return 1 - log(c * b) - Gompertz.mean(c, mpf(1))

    @staticmethod
    def kl(q, p):
        """By E e^(h w), an incomplete gamma function."""
        (c_q, b_q), (c_p, b_p) = q, p
        h = b_p / b_q
        grown = exp(c_q) * c_q ** -h * gammainc(1 + h, c_q, inf)
        return (log(c_q * b_q / (c_p * b_p)) + (1 - h) * exp(c_q) * e1(c_q) - 1
                + c_p * (grown - 1))

    @staticmethod
    def kl_cuts(q, p):
        top = log(1 + 80 / q[0]) / q[1]
        return [top * i / 8 for i in range(9)]


class Levy:
    points = [
        ((0, 1), 1), ((0, 1), 1e-2), ((0, 1), 2e-4), ((0, 1), 0.5), ((0, 1), 30), ((0, 1), 1e12),
        ((1.5, 2), 1.75), ((1.5, 2), 2.5), ((1.5, 2), 40), ((-3, 0.25), -2.75), ((-3, 0.25), 5),
        ((100, 0.5), 100.25), ((0, 1e-8), 3e-9), ((0, 1e-30), 2e-30), ((0, 1e30), 1e29),
        ((0, 1e30), 1e35), ((-1e6, 3), -999999), ((0.25, 7), 1), ((0.25, 7), 0.5),
        ((2, 1e-3), 2.0625), ((0, 5), 1e6)]
    checked = []
    probabilities = ("1e-300", "1e-12", "0.001", "0.03125", "0.5", "0.75", "0.99")
    survivals = ("1e-20", "0.001", "0.25")

    @staticmethod
    def range(loc, scale):
        return loc, loc + HUGE * scale

    @staticmethod
    def log_prob(x, loc, scale):
        y = x - loc
        return log(scale / (2 * pi)) / 2 - 3 * log(y) / 2 - scale / (2 * y)

    @staticmethod
    def cdf(x, loc, scale):
        return erfc(sqrt(scale / (2 * (x - loc))))

    @staticmethod
    def survival(x, loc, scale):
        return erf(sqrt(scale / (2 * (x - loc))))

    @staticmethod
    def entropy(loc, scale):
        return (1 + 3 * euler + log(16 * pi * scale ** 2)) / 2

    @staticmethod
    def mean(loc, scale):
        return inf

    variance = mean


class Weibull(Positive):
    points = [
        ((1, 1), 0), ((1, 1), 1e-300), ((1, 1), 1), ((1, 1), 40), ((2.5, 1), 0), ((1, 2), 0.5),
        ((1, 2), 4), ((3, 0.5), 1e-20), ((3, 0.5), 2), ((3, 0.5), 1e4), ((0.4, 7), 0.35),
        ((0.4, 7), 0.05), ((0.4, 7), 0.6), ((10, 100), 9.9), ((10, 100), 10.25),
        ((10, 1e4), 9.999), ((1, 0.01), 1e-50), ((1, 0.01), 1e30), ((1e30, 1.5), 2e30),
        ((1e-30, 1.5), 5e-31), ((2, 1e6), 2.000001), ((1, 1e-3), 0.5), ((5, 3.25), 6)]
    checked = [((1, 1), rising(mpf(1), 120)), ((1, 2), rising(mpf(1), 10)),
               ((0.4, 7), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8])]
    pairs = [((1, 1), (2, 1)), ((1, 2), (1, 1)), ((1, 1), (1, 2)), ((0.5, 1.5), (0.5, 1.5)),
             ((3, 4), (2, 0.75)), ((3, 0.75), (2, 1.25)), ((1e3, 10), (990, 14)),
             ((1e-20, 2), (2e-20, 2.5)), ((2, 3), (2.0001, 3.0001))]

    @staticmethod
    def range(scale, k):
        return mpf(0), scale * mpf(700) ** (1 / k)

    @staticmethod
    def log_prob(x, scale, k):
        if x < 0:
            return -inf
        power = 0 if k == 1 else (k - 1) * log(x / scale)
        return log(k / scale) + power - (x / scale) ** k

    @staticmethod
    def cdf(x, scale, k):
        return -expm1(-(x / scale) ** k)

    @staticmethod
    def survival(x, scale, k):
        return exp(-(x / scale) ** k)

    @staticmethod
    def entropy(scale, k):
        return euler * (1 - 1 / k) + log(scale / k) + 1

    @staticmethod
    def mean(scale, k):
        return scale * gamma(1 + 1 / k)

    @staticmethod
    def variance(scale, k):
        return scale ** 2 * (gamma(1 + 2 / k) - gamma(1 + 1 / k) ** 2)

    @staticmethod
    def kl(q, p):
        return (log(q[1] / q[0] ** q[1]) - log(p[1] / p[0] ** p[1])
                + (q[1] - p[1]) * (log(q[0]) - euler / q[1])
                + (q[0] / p[0]) ** p[1] * gamma(p[1] / q[1] + 1) - 1)

    @staticmethod
    def kl_cuts(q, p):
        return [q[0] * mpf(t) ** (1 / q[1]) for t in (0, 1e-9, 1e-3, 0.1, 1, 4, 20, 100)]


FAMILIES = {"gompertz": Gompertz, "half_cauchy": HalfCauchy, "half_normal": HalfNormal,
            "levy": Levy, "log_normal": LogNormal, "pareto": Pareto, "weibull": Weibull}


def main():
    for name, family in FAMILIES.items():
        write_univariate(name, family)


if __name__ == "__main__":
    main()
