# SPDX-License-Identifier: MIT
"""Golden numbers of families made of Gamma draws -> distributions/<family>.json and
kl/<family>.json, by univariate.py.

Closed forms in mpmath at 50 digits, from the textbooks that the families' files name.
"""

from mpmath import (betainc, digamma, gammainc, inf, log, log1p, loggamma, mp, mpf, nan, pi)

from univariate import write_univariate

mp.dps = 50


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


class Few:
    """Bisections of incomplete functions take their time: few of them."""
    probabilities = ("1e-20", "0.001", "0.5", "0.9")
    survivals = ("1e-15", "0.25")


class InverseGamma(Few):
    points = [
        ((2.4, 3.2), 5.5), ((2.4, 3.2), 0.5), ((1, 1), 1), ((1, 1), 1e6), ((0.5, 0.5), 1e-2),
        ((0.5, 0.5), 30), ((7, 1e3), 150), ((7, 1e3), 40),
        ((20, 2), 0.1), ((100, 10), 0.1), ((100, 10), 0.2), ((200, 10), 0.05), ((3, 1e30), 4e29),
        ((3, 1e-30), 5e-31), ((1.5, 2), 1e-2), ((4.5, 0.25), 0.0625), ((50, 40), 0.75),
        ((5, 1), 1e3), ((2.0001, 4), 3), ((6, 2), 0.25), ((0.01, 1), 2)]
    checked = [((2.4, 3.2), [0, 0.1, 0.5, 1, 2, 5, 20, inf])]
    pairs = [((2.4, 3.2), (3.2, 2.4)), ((3.2, 2.4), (2.4, 3.2)), ((1, 1), (1, 1)),
             ((0.1, 2), (1.5, 0.3)), ((1.5, 0.3), (0.1, 2)), ((100, 10), (80, 9)),
             ((1, 2.4), (1, 5.5)), ((0.5, 1e-3), (0.6, 2e-3))]

    @staticmethod
    def range(a, b):
        return b / 300, b * mpf(10) ** 42

    @staticmethod
    def log_prob(x, a, b):
        return a * log(b) - loggamma(a) - (a + 1) * log(x) - b / x

    @staticmethod
    def cdf(x, a, b):
        return gammainc(a, b / x, inf, regularized=True)

    @staticmethod
    def survival(x, a, b):
        return gammainc(a, 0, b / x, regularized=True)

    @staticmethod
    def entropy(a, b):
        return a + log(b) + loggamma(a) - (1 + a) * digamma(a)

    @staticmethod
    def mean(a, b):
        return b / (a - 1) if a > 1 else inf

    @staticmethod
    def variance(a, b):
        return b ** 2 / ((a - 1) ** 2 * (a - 2)) if a > 2 else inf

    @staticmethod
    def kl(q, p):
        (a_q, b_q), (a_p, b_p) = q, p
        return ((a_q - a_p) * digamma(a_q) - loggamma(a_q) + loggamma(a_p)
                + a_p * log(b_q / b_p) + a_q * (b_p / b_q - 1))

    @staticmethod
    def kl_cuts(q, p):
        return [0, 0.01, 0.1, 0.5, 1, 2, 5, 20, 100, inf] if 0.5 < q[0] < 10 else None


class Chi2(Few):
    points = [((df,), x) for df, x in (
        (2, 0), (2, 1), (2, 700), (1, 1e-6), (1, 3), (1, 40), (4.5, 2), (4.5, 1e-5), (4.5, 60),
        (0.01, 1e-6), (0.01, 0.5), (10, 9.5), (10, 0.25), (30, 20), (100, 80), (100, 180),
        (1000, 1010), (1000, 700), (3, 0.5), (0.5, 2), (7, 6.25))]
    checked = [((4.5,), [0, 0.1, 1, 4, 10, 40, 200])]
    pairs = [((q,), (p,)) for q, p in (
        (2, 3), (3, 2), (1, 1), (0.5, 4), (4, 0.5), (100, 80), (10, 10.01), (7, 30))]

    @staticmethod
    def range(df):
        return mpf(0), 1000 * (df + 10)

    @staticmethod
    def log_prob(x, df):
        if x < 0:
            return -inf
        return ((0 if df == 2 else (df / 2 - 1) * log(x)) - x / 2 - df / 2 * log(2)
                - loggamma(df / 2))

    @staticmethod
    def cdf(x, df):
        return gammainc(df / 2, 0, x / 2, regularized=True) if x > 0 else mpf(0)

    @staticmethod
    def survival(x, df):
        return gammainc(df / 2, x / 2, inf, regularized=True) if x > 0 else mpf(1)

    @staticmethod
    def entropy(df):
        return df / 2 + log(2) + loggamma(df / 2) + (1 - df / 2) * digamma(df / 2)

    @staticmethod
    def mean(df):
        return df

    @staticmethod
    def variance(df):
        return 2 * df

    @staticmethod
    def kl(q, p):
        (a,), (b,) = q, p
        return (a - b) / 2 * digamma(a / 2) - loggamma(a / 2) + loggamma(b / 2)

    @staticmethod
    def kl_cuts(q, p):
        return [0, 0.01, 0.1, 1, 4, 10, 40, 100, 300] if 1 <= q[0] < 20 else None


class StudentT(Few):
    points = [
        ((3, 0, 1), 0.5), ((3, 0, 1), -2), ((1, 0, 1), 1.5), ((1, 0, 1), -1e10), ((2, 0, 1), 40),
        ((4.5, 1.25, 0.5), 1), ((4.5, 1.25, 0.5), 4), ((30, -3, 2), -4.5), ((30, -3, 2), 20),
        ((0.5, 0, 1), 1e6), ((0.5, 0, 1), 0.25), ((100, 0, 1), 3), ((100, 0, 1), -9),
        ((1000, 0, 1), 0.75), ((1000, 0, 1), 5), ((7, 0, 1e30), 2.5e30), ((7, 0, 1e-30), -4e-30),
        ((2.5, 1e6, 30), 999940), ((0.01, 0, 1), 1e20), ((10, 0, 1), 1e-8), ((1.5, 2, 3), 7)]
    checked = [((4.5, 1.25, 0.5), [-inf, -3, 0, 1, 1.25, 1.5, 2.5, 6, inf])]

    @staticmethod
    def range(df, loc, scale):
        return loc - scale * mpf(10) ** 70, loc + scale * mpf(10) ** 70

    @staticmethod
    def log_prob(x, df, loc, scale):
        return (loggamma((df + 1) / 2) - loggamma(df / 2) - log(pi * df) / 2 - log(scale)
                - (df + 1) / 2 * log1p(((x - loc) / scale) ** 2 / df))

    @staticmethod
    def beyond(z, df):
        return betainc(df / 2, mpf(1) / 2, 0, df / (df + z * z), regularized=True) / 2

    @staticmethod
    def cdf(x, df, loc, scale):
        z = (x - loc) / scale
        return StudentT.beyond(z, df) if z < 0 else 1 - StudentT.beyond(z, df)

    @staticmethod
    def survival(x, df, loc, scale):
        return StudentT.cdf(2 * loc - x, df, loc, scale)

    @staticmethod
    def entropy(df, loc, scale):
        a = df / 2
        return ((df + 1) / 2 * (digamma(a + mpf(1) / 2) - digamma(a)) + log(df) / 2
                + log_beta(a, mpf(1) / 2) + log(scale))

    @staticmethod
    def mean(df, loc, scale):
        return loc if df > 1 else nan

    @staticmethod
    def variance(df, loc, scale):
        return scale ** 2 * df / (df - 2) if df > 2 else inf if df > 1 else nan


class FisherSnedecor(Few):
    points = [
        ((3, 5), 0.5), ((3, 5), 4), ((2, 6), 0), ((2, 6), 1.25), ((1, 1), 1e-6), ((1, 1), 1e6),
        ((10, 4.5), 0.25), ((10, 4.5), 30), ((0.5, 9), 0.001), ((0.5, 9), 2), ((100, 80), 1.1),
        ((100, 80), 0.5), ((1000, 6), 3), ((6, 1000), 2.5), ((7, 0.25), 1e10), ((4, 12), 1e-10),
        ((30, 30), 1), ((30, 30), 5), ((2.5, 300), 0.75), ((0.01, 5), 1e-30), ((12, 20), 0.9)]
    checked = [((3, 9), [0, 0.01, 0.1, 0.5, 1, 2, 5, 30, inf])]

    @staticmethod
    def range(*_):
        return mpf(0), mpf(10) ** 35

    @staticmethod
    def log_prob(x, df1, df2):
        a, b = df1 / 2, df2 / 2
        if x < 0:
            return -inf
        return (a * log(df1 / df2) + (0 if a == 1 else (a - 1) * log(x)) - log_beta(a, b)
                - (a + b) * log1p(df1 / df2 * x))

    @staticmethod
    def cdf(x, df1, df2):
        return betainc(df1 / 2, df2 / 2, 0, df1 * x / (df1 * x + df2), regularized=True)

    @staticmethod
    def survival(x, df1, df2):
        return betainc(df2 / 2, df1 / 2, 0, df2 / (df1 * x + df2), regularized=True)

    @staticmethod
    def entropy(df1, df2):
        a, b = df1 / 2, df2 / 2
        return (log_beta(a, b) + (1 - a) * digamma(a) - (1 + b) * digamma(b)
                + (a + b) * digamma(a + b) + log(b / a))

    @staticmethod
    def mean(df1, df2):
        return df2 / (df2 - 2) if df2 > 2 else inf

    @staticmethod
    def variance(df1, df2):
        if df2 <= 4:
            return inf
        return 2 * df2 ** 2 * (df1 + df2 - 2) / (df1 * (df2 - 2) ** 2 * (df2 - 4))


class BetaProportion(Few):
    points = [
        ((0.5, 2), 0.3), ((0.5, 4), 0.25), ((0.25, 8), 0.1), ((0.25, 8), 0.9), ((0.4, 6), 0.4),
        ((0.75, 1), 0.5), ((0.5, 1), 1e-300), ((0.5, 1), 1 - 2.0 ** -52), ((0.1, 0.2), 0.25),
        ((0.96, 7.3), 0.9999), ((0.04, 7.3), 1e-5), ((0.5, 100), 0.52), ((0.5, 100), 0.1),
        ((0.9, 1000), 0.91), ((0.01, 1000), 0.002), ((0.5, 2000), 0.49), ((0.001, 5), 1e-12),
        ((0.5, 1e-3), 0.5), ((0.3, 20), 0.35), ((0.7, 20), 0.35), ((0.6, 3.5), 0.8)]
    checked = [((0.25, 8), [0, 0.05, 0.2, 0.5, 0.8, 1]), ((0.4, 6), [0, 0.1, 0.4, 0.7, 1])]
    pairs = [((0.4, 6), (0.6, 6.25)), ((0.6, 6.25), (0.4, 6)), ((0.5, 2), (0.5, 2)),
             ((0.5, 1), (0.5, 4)), ((0.5, 4), (0.5, 1)), ((0.03125, 3), (0.96875, 3)),
             ((0.6, 100), (0.5, 2)), ((0.375, 500), (0.36, 490)), ((0.4, 0.5), (0.45, 0.55))]

    @staticmethod
    def range(*_):
        return mpf(0), mpf(1)

    @staticmethod
    def log_prob(x, m, k):
        a, b = m * k, (1 - m) * k
        return ((0 if a == 1 else (a - 1) * log(x)) + (0 if b == 1 else (b - 1) * log1p(-x))
                - log_beta(a, b))

    @staticmethod
    def cdf(x, m, k):
        return betainc(m * k, (1 - m) * k, 0, x, regularized=True)

    @staticmethod
    def survival(x, m, k):
        return betainc((1 - m) * k, m * k, 0, 1 - x, regularized=True)

    @staticmethod
    def entropy(m, k):
        a, b = m * k, (1 - m) * k
        return log_beta(a, b) - (a - 1) * digamma(a) - (b - 1) * digamma(b) + (k - 2) * digamma(k)

    @staticmethod
    def mean(m, k):
        return m

    @staticmethod
    def variance(m, k):
        return m * (1 - m) / (k + 1)

    @staticmethod
    def kl(q, p):
        (a, b), (c, d) = ((m * k, (1 - m) * k) for m, k in (q, p))
        return (log_beta(c, d) - log_beta(a, b) + (a - c) * digamma(a) + (b - d) * digamma(b)
                + (c + d - a - b) * digamma(a + b))

    @staticmethod
    def kl_cuts(q, p):
        return [0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1] if 3 < q[1] < 50 else None


FAMILIES = {"beta_proportion": BetaProportion, "chi2": Chi2, "fisher_snedecor": FisherSnedecor,
            "inverse_gamma": InverseGamma, "student_t": StudentT}


def main(names=FAMILIES):
    for name in names:
        write_univariate(name, FAMILIES[name])


if __name__ == "__main__":
    main()
