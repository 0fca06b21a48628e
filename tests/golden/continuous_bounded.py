# SPDX-License-Identifier: MIT
"""Golden numbers of families on an interval -> distributions/<family>.json and
kl/<family>.json, by univariate.py.

Closed forms in mpmath at 50 digits, from the textbooks that the families' files name.
"""

from mpmath import beta, euler, exp, expm1, inf, log, log1p, mp, mpf, psi, sinh

from univariate import write_univariate

mp.dps = 50


class Uniform:
    points = [
        ((0, 1), 0.5), ((0, 1), 0.25), ((0, 1), 1e-300), ((0, 1), 1 - 2.0 ** -53), ((2, 2.5), 2.2),
        ((-3, 0), -2), ((-3, 0), -1e-20), ((-3, 5), 4.75), ((-3, 5), -2.5), ((0, 1e30), 1),
        ((0, 1e30), 7e29), ((-1e-30, 1e-30), 2e-31), ((-1e-30, 1e-30), -9e-31),
        ((1e6, 1000001), 1000000.25), ((1e6, 1000001), 1000000.9375), ((-0.125, 0.375), 0.0625),
        ((-1e30, 1e30), 0), ((-1e30, 1e30), 1), ((100, 1e4), 150), ((100, 1e4), 9999),
        ((-7, -6.5), -6.875)]
    checked = [((2, 2.5), [2, 2.5]), ((-3, 5), [-3, 5])]
    pairs = [((0, 1), (-1, 2)), ((0, 1), (0, 1)), ((0.25, 0.5), (0, 1)), ((2, 3), (1, 3)),
             ((2, 3), (2, 5)), ((0, 1), (0, 1 + 1e-9)), ((0, 1), (0.5, 2)), ((0, 3), (0, 2)),
             ((-1e30, 1e30), (-2e30, 3e30)), ((1e-30, 2e-30), (0, 1))]
    probabilities = ("0", "1e-300", "0.001", "0.03125", "0.5", "0.75", "0.99", "1")
    survivals = ("0", "1e-17", "0.001", "0.25", "1")

    @staticmethod
    def range(low, high):
        return low, high

    @staticmethod
    def log_prob(x, low, high):
        return -log(high - low)

    @staticmethod
    def cdf(x, low, high):
        return (x - low) / (high - low)

    @staticmethod
    def survival(x, low, high):
        return (high - x) / (high - low)

    @staticmethod
    def entropy(low, high):
        return log(high - low)

    @staticmethod
    def mean(low, high):
        return (low + high) / 2

    @staticmethod
    def variance(low, high):
        return (high - low) ** 2 / 12

    @staticmethod
    def kl(q, p):
        inside = p[0] <= q[0] and q[1] <= p[1]
        return log((p[1] - p[0]) / (q[1] - q[0])) if inside else inf

    @staticmethod
    def kl_cuts(q, p):
        return [q[0], q[1]] if p[0] <= q[0] and q[1] <= p[1] else None


class LogUniform(Uniform):
    points = [
        ((1, 10), 2), ((1, 10), 1.0001), ((1, 10), 9.999), ((0.5, 4), 1), ((0.5, 4), 3),
        ((1e-30, 1e30), 1e-20), ((1e-30, 1e30), 1), ((1e-30, 1e30), 3e25), ((100, 101), 100.25),
        ((100, 101), 100.875), ((1, 1 + 2.0 ** -20), 1 + 2.0 ** -22), ((1e-8, 1e-3), 2e-8),
        ((1e-8, 1e-3), 5e-4), ((2, 3), 2.5), ((2, 3), 2.0625), ((0.25, 1e10), 7e8),
        ((0.25, 1e10), 0.5), ((1e29, 1e30), 2e29), ((1e-30, 2e-30), 1.5e-30), ((3, 4), 3.75),
        ((3, 4), 3.25)]
    checked = [((1, 10), [1, 10]), ((2, 3), [2, 3])]
    pairs = [((2, 3), (1, 4)), ((1, 2), (1, 2)), ((2, 3), (2, 5)), ((2, 3), (1, 3)),
             ((1, 2), (1, 2.0000001)), ((1, 2), (1.5, 3)), ((1, 4), (0.5, 2)),
             ((1e-30, 1e30), (1e-31, 1e31)), ((0.25, 0.5), (1e-20, 1))]

    @staticmethod
    def log_prob(x, low, high):
        return -log(x) - log(log(high / low))

    @staticmethod
    def cdf(x, low, high):
        return log(x / low) / log(high / low)

    @staticmethod
    def survival(x, low, high):
        return log(high / x) / log(high / low)

    @staticmethod
    def entropy(low, high):
        return log(log(high / low)) + log(low * high) / 2

    @staticmethod
    def mean(low, high):
        return (high - low) / log(high / low)

    @staticmethod
    def variance(low, high):
        return (high ** 2 - low ** 2) / (2 * log(high / low)) - LogUniform.mean(low, high) ** 2

    @staticmethod
    def kl(q, p):
        inside = p[0] <= q[0] and q[1] <= p[1]
        return log(log(p[1] / p[0]) / log(q[1] / q[0])) if inside else inf

    @staticmethod
    def kl_cuts(q, p):
        inside = p[0] <= q[0] and q[1] <= p[1]
        return [q[0] * (q[1] / q[0]) ** (mpf(k) / 60) for k in range(61)] if inside else None


class Kumaraswamy:
    points = [
        ((2, 5), 0.25), ((2, 5), 1e-20), ((2, 5), 0.9), ((1, 1), 0), ((1, 1), 0.3), ((1, 1), 1),
        ((1, 3), 0), ((3, 1), 1), ((0.5, 0.5), 0.5), ((0.5, 0.5), 1e-300),
        ((0.5, 0.5), 1 - 2.0 ** -52), ((0.01, 2), 1e-100), ((0.01, 2), 0.25), ((7, 0.3), 0.9999),
        ((0.3, 7), 1e-5), ((50, 50), 0.9), ((50, 50), 0.95), ((1e3, 3), 0.999),
        ((1e3, 1e-3), 0.9999), ((1e-3, 1e3), 1e-200), ((1e4, 1e4), 0.999), ((20, 2.5), 0.97),
        ((1.25, 4), 0.125), ((1e30, 2), 1 - 2.0 ** -52), ((2, 1e30), 1e-15)]
    checked = [((2, 5), [0, 0.1, 0.3, 0.6, 1]), ((7, 3), [0, 0.3, 0.6, 0.8, 0.9, 1]),
               ((50, 50), [0, 0.5, 0.8, 0.9, 0.95, 1])]

    @staticmethod
    def range(*_):
        return mpf(0), mpf(1)

    @staticmethod
    def log_prob(x, a, b):
        if not 0 <= x <= 1:
            return -inf
        return (log(a * b) + (0 if a == 1 else (a - 1) * log(x))
                + (0 if b == 1 else (b - 1) * log1p(-x ** a)))

    @staticmethod
    def cdf(x, a, b):
        return -expm1(b * log1p(-x ** a)) if x < 1 else mpf(1)

    @staticmethod
    def survival(x, a, b):
        return (1 - x ** a) ** b

    @staticmethod
    def entropy(a, b):
        return 1 - 1 / b + (1 - 1 / a) * (psi(0, b + 1) + euler) - log(a * b)

    @staticmethod
    def mean(a, b):
        return b * beta(1 + 1 / a, b)

    @staticmethod
    def variance(a, b):
        with mp.workdps(150):
            return b * beta(1 + 2 / a, b) - (b * beta(1 + 1 / a, b)) ** 2


class ContinuousBernoulliLogits:
    """By the density's usual form, e^(n x) n / (e^n - 1)."""
    points = [((n,), x) for n, x in (
        (0, 0), (0, 0.25), (0, 1), (1e-8, 0.25), (-1e-8, 0.75), (1e-3, 0.125), (0.5, 0.9),
        (-0.5, 0.2), (0.99, 0.5), (1.01, 0.6), (-1.01, 0.3), (3, 0.01), (3, 0.97), (-4, 0.001),
        (-4, 0.75), (20, 0.9), (20, 1e-20), (-30, 0.03125), (-30, 0.999), (700, 0.998),
        (-800, 1e-3), (1e4, 0.9999), (-1e4, 1e-5), (1e-30, 0.5), (0.25, 1e-300),
        (1e12, 1 - 2.0 ** -40), (-1e12, 3e-12), (-1e30, 2e-30))]
    checked = [((n,), [0, 0.25, 0.75, 1]) for n in (0.5, -4, 3)]
    pairs = [((q,), (p,)) for q, p in (
        (0, 1), (1, 0), (0.5, 0.5), (-3, 2), (2, -3), (0.1, 0.10001), (40, -40), (1e-6, 2e-6),
        (300, 310), (-1e12, -3e12), (1e30, 0.25), (1e8, -1e8), (-2e20, -2.5))]

    @staticmethod
    def range(*_):
        return mpf(0), mpf(1)

    @staticmethod
    def log_prob(x, n):
        if not 0 <= x <= 1:
            return -inf
        with mp.workdps(1000):
            return n * x + (log(n / expm1(n)) if n else 0)

    @staticmethod
    def cdf(x, n):
        return expm1(n * x) / expm1(n) if n else x

    @staticmethod
    def survival(x, n):
        return ContinuousBernoulliLogits.cdf(1 - x, -n)

    # Near n = 0 these cancel, also at the tiny steps of a numerical derivative.
    @staticmethod
    def mean(n):
        with mp.workdps(400):
            return 1 / (1 - exp(-n)) - 1 / n if n else mpf(1) / 2

    @staticmethod
    def variance(n):
        with mp.workdps(400):
            return 1 / n ** 2 - 1 / (4 * sinh(n / 2) ** 2) if n else mpf(1) / 12

    @staticmethod
    def entropy(n):
        return -n * ContinuousBernoulliLogits.mean(n) + (log(expm1(n) / n) if n else 0)

    @staticmethod
    def kl(q, p):
        (n,), (m,) = q, p
        norm = ContinuousBernoulliLogits.log_prob
        return ((n - m) * ContinuousBernoulliLogits.mean(n) + norm(mpf(0), n)
                - norm(mpf(0), m))

    @staticmethod
    def kl_cuts(q, p):
        return [0, 0.01, 0.1, 0.5, 0.9, 0.99, 1] if abs(q[0]) < 100 else None


def by_probs(name, moments=True):
    """A function of probs from one of logits."""
    f = getattr(ContinuousBernoulliLogits, name)
    if moments:
        return staticmethod(lambda p: f(log(p) - log1p(-p)))
    return staticmethod(lambda x, p: f(x, log(p) - log1p(-p)))


class ContinuousBernoulli:
    points = [((p,), x) for p, x in (
        (0.5, 0), (0.5, 0.25), (0.5, 1), (0.50000001, 0.25), (0.4999999, 0.75), (0.501, 0.125),
        (0.62, 0.9), (0.3, 0.2), (0.26, 0.5), (0.7, 0.6), (0.1, 0.3), (0.95, 0.01),
        (0.95, 0.97), (0.02, 0.001), (0.02, 0.75), (1 - 1e-10, 0.9), (1 - 1e-10, 1e-20),
        (1e-13, 0.03125), (1e-13, 0.999), (1e-300, 1e-3), (1e-30, 1e-3), (0.9, 1e-300))]
    checked = [((p,), [0, 0.25, 0.75, 1]) for p in (0.62, 0.02)]
    pairs = [((q,), (p,)) for q, p in (
        (0.5, 0.75), (0.75, 0.5), (0.3, 0.3), (0.1, 0.9), (0.9, 0.05), (0.51, 0.510001),
        (1e-12, 1 - 1e-12), (0.5000001, 0.5), (0.7, 0.31))]
    log_prob, cdf, survival = (by_probs(name, False) for name in ("log_prob", "cdf", "survival"))
    mean, variance, entropy = (by_probs(name) for name in ("mean", "variance", "entropy"))
    range = ContinuousBernoulliLogits.range

    @staticmethod
    def kl(q, p):
        return ContinuousBernoulliLogits.kl(*([log(a) - log1p(-a) for a in s] for s in (q, p)))

    @staticmethod
    def kl_cuts(q, p):
        return [0, 0.01, 0.1, 0.5, 0.9, 0.99, 1]


FAMILIES = {"continuous_bernoulli": ContinuousBernoulli,
            "continuous_bernoulli_logits": ContinuousBernoulliLogits,
            "kumaraswamy": Kumaraswamy, "log_uniform": LogUniform, "uniform": Uniform}


def main():
    for name, family in FAMILIES.items():
        write_univariate(name, family)


if __name__ == "__main__":
    main()
