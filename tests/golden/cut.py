# SPDX-License-Identifier: MIT
"""Golden numbers of cut and folded distributions -> distributions/<family>.json, by
univariate.py.

A cut distribution is its base's density and cdf in mpmath, divided by the mass between
the bounds, which is taken from whichever tail is less; its moments and entropy are integrals
of the density, by panels that grow from where it lies, and of counts sums. A folded one adds the
base's at x and at -x; its moments are integrals of that.
"""

from functools import lru_cache

from mpmath import atan, exp, expm1, inf, log, mp, mpf, pi, quad, workdps

from univariate import write_univariate

mp.dps = 50


class Logistic:
    params = 2

    @staticmethod
    def log_prob(x, loc, scale):
        z = (x - loc) / scale
        return -z - log(scale) - 2 * log(1 + exp(-z))

    @staticmethod
    def cdf(x, loc, scale):
        return 1 / (1 + exp(-(x - loc) / scale))

    @staticmethod
    def survival(x, loc, scale):
        return 1 / (1 + exp((x - loc) / scale))


class Weibull:
    params = 2

    @staticmethod
    def log_prob(x, scale, k):
        z = x / scale
        return log(k / scale) + (k - 1) * log(z) - z ** k if x > 0 else -inf

    @staticmethod
    def cdf(x, scale, k):
        return -expm1(-(x / scale) ** k) if x > 0 else mpf(0)

    @staticmethod
    def survival(x, scale, k):
        return exp(-(x / scale) ** k) if x > 0 else mpf(1)


class Laplace:
    params = 2

    @staticmethod
    def log_prob(x, loc, scale):
        return -abs(x - loc) / scale - log(2 * scale)

    @staticmethod
    def cdf(x, loc, scale):
        return exp((x - loc) / scale) / 2 if x < loc else 1 - exp((loc - x) / scale) / 2

    @staticmethod
    def survival(x, loc, scale):
        return Laplace.cdf(2 * loc - x, loc, scale)


class Cauchy:
    params = 2

    @staticmethod
    def log_prob(x, loc, scale):
        return -log(pi * scale) - log(1 + ((x - loc) / scale) ** 2)

    @staticmethod
    def cdf(x, loc, scale):
        if x == -inf or x == inf:
            return mpf(x > 0)
        return atan((x - loc) / scale) / pi + mpf(1) / 2

    @staticmethod
    def survival(x, loc, scale):
        return Cauchy.cdf(2 * loc - x, loc, scale)


class Gumbel:
    params = 2

    @staticmethod
    def log_prob(x, loc, scale):
        z = (x - loc) / scale
        return -z - exp(-z) - log(scale)

    @staticmethod
    def cdf(x, loc, scale):
        return exp(-exp(-(x - loc) / scale))

    @staticmethod
    def survival(x, loc, scale):
        return -expm1(-exp(-(x - loc) / scale))


def cut(base, two_sided, side=None):
    """The class of univariate.py of `base` between two bounds, or beyond or below one."""

    def split(params):
        own, rest = params[:base.params], list(params[base.params:])
        low = rest.pop(0) if two_sided or side == "left" else -inf
        high = rest.pop(0) if two_sided or side == "right" else inf
        return own, low, high

    def between(a, b, own):
        """P(a < X < b)"""
        if b <= a:
            return mpf(0)
        with workdps(mp.dps + 30):
            lower = base.cdf(a, *own) if a > -inf else mpf(0)
            upper = base.survival(b, *own) if b < inf else mpf(0)
            if lower > 0.5:
                return base.survival(a, *own) - upper
            return (base.cdf(b, *own) if b < inf else 1) - lower if upper > 0.5 else \
                1 - lower - upper

    def panels(log_prob, low, high, kinks):
        """Ends of panels that double in length from each finite end and kink, as far as
        there is anything."""
        ends = {e for e in (low, high, *kinks) if low <= e <= high and abs(e) < inf}
        for start in tuple(ends):
            size = min(1 / exp(log_prob(start)), abs(start) + 1)
            for sign in (-1, 1):
                step = size / 4
                while low < start + sign * step < high:
                    ends.add(start + sign * step)
                    if log_prob(start + sign * step) < -150:
                        break
                    step *= 2
        return sorted(ends)

    @lru_cache(None)
    def moments(params):
        """Mean, variance and entropy."""
        own, low, high = split(params)
        with workdps(40):
            law = lambda t: Cut.log_prob(t, *params)
            ends = panels(law, low, high, own[:1] if base in (Laplace, Gumbel, Cauchy) else ())

            def expect(f):
                return sum(quad(lambda t: f(t) * exp(law(t)), pair)
                           for pair in zip(ends, ends[1:]))

            assert abs(expect(lambda t: 1) - 1) < mpf(10) ** -25, params
            entropy = expect(lambda t: -law(t))
            if base is Cauchy and max(-low, high) == inf:
                return inf if high == inf else -inf, inf, entropy
            mean = expect(lambda t: t)
            return mean, expect(lambda t: (t - mean) ** 2), entropy

    class Cut:
        probabilities = ("1e-12", "0.001", "0.75")
        survivals = ("1e-17", "0.25")
        checked = []

        @staticmethod
        def mean(*params):
            return moments(params)[0]

        @staticmethod
        def variance(*params):
            return moments(params)[1]

        @staticmethod
        def entropy(*params):
            return moments(params)[2]

        @staticmethod
        def range(*params):
            _, low, high = split(params)
            return low if low > -inf else mpf(-100), high if high < inf else mpf(10) ** 25

        @staticmethod
        def log_prob(x, *params):
            own, low, high = split(params)
            if not low <= x <= high:
                return -inf
            return base.log_prob(x, *own) - log(between(low, high, own))

        @staticmethod
        def cdf(x, *params):
            own, low, high = split(params)
            return between(low, min(x, high), own) / between(low, high, own)

        @staticmethod
        def survival(x, *params):
            own, low, high = split(params)
            return between(max(x, low), high, own) / between(low, high, own)

    return Cut


def fold(base):
    @lru_cache(None)
    def moments(loc, scale):
        with workdps(40):
            ends = sorted({mpf(0), *(e for k in range(-40, 41, 4)
                                     if (e := abs(loc) + k * scale) > 0),
                           abs(loc) + 160 * scale})

            def expect(f):
                return quad(lambda t: f(t) * exp(Folded.log_prob(t, loc, scale)), ends)

            assert abs(expect(lambda t: 1) - 1) < mpf(10) ** -25, (loc, scale)
            mean = expect(lambda t: t)
            return (mean, expect(lambda t: (t - mean) ** 2),
                    expect(lambda t: -Folded.log_prob(t, loc, scale)))

    class Folded:
        probabilities = ("1e-12", "0.001", "0.75")
        survivals = ("1e-17", "0.25")

        @staticmethod
        def mean(*params):
            return moments(*params)[0]

        @staticmethod
        def variance(*params):
            return moments(*params)[1]

        @staticmethod
        def entropy(*params):
            return moments(*params)[2]

        @staticmethod
        def range(*params):
            return mpf(0), mpf(10) ** 4

        @staticmethod
        def log_prob(x, *params):
            return log(exp(base.log_prob(x, *params)) + exp(base.log_prob(-x, *params)))

        @staticmethod
        def cdf(x, *params):
            return base.cdf(x, *params) - base.cdf(-x, *params)

        @staticmethod
        def survival(x, *params):
            return base.survival(x, *params) + base.cdf(-x, *params)

    return Folded


def family(points, checked, *made):
    kind = fold(*made) if len(made) == 1 else cut(*made)
    kind.points, kind.checked = points, checked
    return kind


FAMILIES = {
    "folded_gumbel": family(
        [((0.5, 1.25), 0.25), ((0.5, 1.25), 3), ((0.5, 1.25), 12), ((-3, 0.25), 2.5),
         ((-3, 0.25), 3.25), ((-3, 0.25), 0.5), ((100, 50), 30), ((100, 50), 160), ((0, 1), 1),
         ((0, 1), 2.5), ((0, 1), 30), ((2, 4), 0.125), ((2, 4), 7), ((-1, 2), 1),
         ((-1, 2), 4), ((-1, 2), 0.25), ((1, 0.75), 0.5), ((1, 0.75), 1.5), ((5, 1), 4),
         ((5, 1), 6)],
        [((0.5, 1.25), [0, 0.5, 2, 8, 60]), ((-1, 2), [0, 1, 4, 10, 90])], Gumbel),
    "folded_logistic": family(
        [((0.5, 1.25), 0.25), ((0.5, 1.25), 3), ((0.5, 1.25), 12), ((-3, 0.25), 2.5),
         ((-3, 0.25), 3.25), ((-3, 0.25), 0.5), ((100, 50), 30), ((100, 50), 160), ((0, 1), 1),
         ((0, 1), 2.5), ((0, 1), 60), ((2, 4), 0.125), ((2, 4), 7), ((-1, 2), 1),
         ((-1, 2), 40), ((-1, 2), 0.25), ((1, 0.75), 0.5), ((1, 0.75), 1.5), ((5, 1), 4),
         ((-5, 1), 6)],
        [((0.5, 1.25), [0, 0.5, 2, 8, 100]), ((-1, 2), [0, 1, 4, 10, 150])], Logistic),
    "truncated_laplace": family(
        [((0.5, 1.25, -1, 3), 0.25), ((0.5, 1.25, -1, 3), -0.75),
         ((0.5, 1.25, -1, 3), 2.5), ((0.5, 1.25, -1, 3), 3), ((1, 0.25, 0.375, 4), 0.75), ((1, 0.25, 0.375, 4), 3),
         ((0, 1, 6, 40), 6.5), ((0, 1, 6, 40), 12), ((0, 1, 50, 60), 50.25),
         ((0, 1, 50, 60), 53), ((0, 1, -40, -6), -7.5), ((0, 1, -70, -60), -61),
         ((0, 1, -70, -60), -64), ((2, 3, -5, 1), -2), ((2, 3, 2.5, 3), 2.75),
         ((-1, 0.5, -4, -1.5), -1.75), ((3, 2, 1, 9), 8), ((3, 2, 1, 9), 1.25),
         ((100, 50, 40, 260), 90), ((100, 50, 40, 260), 180), ((0, 8, -1, 2), 0.5)],
        [((0.5, 1.25, -1, 3), [-1, 0.5, 3]), ((2, 3, -5, 1), [-5, 1])], Laplace, True),
    "left_truncated_cauchy": family(
        [((0.5, 1.25, -1), 0.25), ((0.5, 1.25, -1), -0.75), ((0.5, 1.25, -1), 40),
         ((0.5, 1.25, -1), 2), ((1, 0.25, 1.5), 1.625), ((1, 0.25, 1.5), 30),
         ((1, 0.25, 1.5), 1e6), ((0, 1, 1e8), 1.5e8), ((0, 1, 1e8), 1e9),
         ((0, 1, -1e8), 3), ((0, 1, 0), 0.5), ((0, 1, 0), 8), ((-3, 0.5, 4), 5), ((-3, 0.5, 4), 12),
         ((100, 50, 90), 95), ((100, 50, 90), 300), ((2, 4, -30), -20), ((2, 4, -30), 1),
         ((5, 1, 4.75), 5), ((5, 1, 4.75), 4.875)],
        [((0.5, 1.25, -1), [-1, 0, 1, 4, 20, 1e3, 1e6, inf])], Cauchy, False, "left"),
    "right_truncated_gumbel": family(
        [((0.5, 1.25, 2), 0.25), ((0.5, 1.25, 2), -1.5), ((0.5, 1.25, 2), 1.875),
         ((0.5, 1.25, 2), 2), ((1, 0.75, 2.5), 1), ((1, 0.75, 2.5), 2.25),
         ((0, 1, -2), -2.5), ((0, 1, -2), -2.125), ((0, 1, -5), -5.125), ((0, 1, -5), -5.5), ((0, 1, 30), 2),
         ((0, 1, 30), 29), ((-3, 0.25, -2.5), -3), ((-3, 0.25, -2.5), -2.75),
         ((100, 50, 60), 20), ((100, 50, 60), 55), ((100, 50, 400), 300), ((2, 4, 0), -3),
         ((2, 4, 0), -0.5), ((5, 0.5, 5), 4.5)],
        [((0.5, 1.25, 2), [-8, -3, 0, 2]), ((2, 4, 0), [-30, -10, 0])],
        Gumbel, False, "right"),
    "truncated_weibull": family(
        [((1.25, 2, 0.5, 3), 1), ((1.25, 2, 0.5, 3), 0.5), ((1.25, 2, 0.5, 3), 2.75),
         ((1.25, 2, 0.5, 3), 3), ((1, 0.75, 0.25, 4), 0.5), ((1, 0.75, 0.25, 4), 3.5),
         ((3, 30, 1, 2.75), 2.5), ((3, 30, 1, 2.75), 2.625), ((1, 0.5, 100, 900), 120),
         ((1, 0.5, 100, 900), 400), ((2, 3, 12, 14), 12.125), ((2, 3, 12, 14), 12.5),
         ((2, 3, 0.001, 0.01), 0.0075), ((2, 1, 10, 20), 11), ((5, 1.5, 4, 4.5), 4.25),
         ((5, 1.5, 4, 4.5), 4.375), ((0.5, 4, 0.25, 0.75), 0.5),
         ((0.5, 4, 0.25, 0.75), 0.625), ((40, 0.75, 10, 90), 44), ((40, 0.75, 10, 90), 88), ((1, 1, 0.5, 3), 1.5)],
        [((1.25, 2, 0.5, 3), [0.5, 1, 2, 3]), ((1, 0.75, 0.25, 4), [0.25, 1, 4])],
        Weibull, True),
}


def main(names=FAMILIES):
    for name in names:
        write_univariate(name, FAMILIES[name])


if __name__ == "__main__":
    main()
