# SPDX-License-Identifier: MIT
"""The incomplete gamma and beta functions at many digits, for special.py.

Both are tails of a density that is log-concave over a suitable variable (log t, and
logit t): the lesser tail is integrated by Gauss and Legendre's rule, with weights 1, g,
g^2 .. beside it, g the derivative of the log density in a shape, whose integrals are the
derivatives of the tail. No series or fraction of the library is used. Rules of 16 and 24
points have to agree to 12 digits, which leaves the second with 18 and more.
"""

from functools import cache
from statistics import NormalDist

from mpmath import exp, expm1, log, log1p, loggamma, mp, mpf, psi, workdps

DIGITS = 50


@cache
def rule(count):
    """Nodes and weights on [0, 1], by Newton's method on the Legendre polynomial."""
    pairs = []
    for i in range(count):
        t = mp.cos(mp.pi * (i + mpf(3) / 4) / (count + mpf(1) / 2))
        for _ in range(7):
            before, here = mpf(1), t
            for n in range(2, count + 1):
                before, here = here, ((2 * n - 1) * t * here - (n - 1) * before) / n
            slope = count * (t * here - before) / (t * t - 1)
            t -= here / slope
        pairs.append(((1 + t) / 2, 1 / ((1 - t * t) * slope * slope)))
    return pairs


def tail_integrals(exponent, weights, cuts):
    """The integrals over s > 0 of exp(exponent(s)) times each of weights(s), a list; of
    it alone if there are no weights, by one rule. `exponent` is concave, 0 at 0 and
    hardly rising; `cuts` are where its scale changes."""
    size = mpf(1)
    while exponent(size) < -1:
        size /= 2
    while exponent(size) > -1:
        size *= 2
    ends = {mpf(0)} | {size * 2 ** k for k in range(-3, 8)}
    ends = sorted(ends | {mpf(c) for c in cuts if c < 128 * size})

    def total(count, weights=weights or (lambda s: [mpf(1)])):
        sums, sizes = [mpf(0)] * len(weights(mpf(0))), [mpf(0)] * len(weights(mpf(0)))
        for low, high in zip(ends, ends[1:]):
            if exponent(low) < -70:
                break
            for node, weight in rule(count):
                s = low + (high - low) * node
                w = (high - low) * weight * exp(exponent(s))
                for i, g in enumerate(weights(s)):
                    sums[i] += w * g
                    sizes[i] += w * abs(g)
        return sums, sizes

    fine, sizes = total(24)
    for a, b, size in zip(total(16)[0] if weights else fine, fine, sizes):
        assert abs(a - b) <= mpf(10) ** -12 * size, (a, b, ends)
    return fine


def gamma_density(a, x):
    """x times the density of Gamma(a, 1) at x."""
    with workdps(DIGITS + 2 * int(abs(mp.log10(a)) + abs(mp.log10(x)))):
        return exp(a * log(x) - x - loggamma(a))


@cache
def gamma_tails(a, x, slopes=True):
    """P, Q, dP/da and d2P/da2 of finite a and x > 0; P and Q alone without slopes."""
    # The lesser, of which the other is made: for small a P is about x^a.
    front, upper = gamma_density(a, x), x > a or (a < 1 and a * log(x) > -0.7)
    with workdps(DIGITS + int(abs(mp.log10(a)))):
        log_x, one, two = log(x), psi(0, a), psi(1, a)
        sign = 1 if upper else -1

        def exponent(s):
            return sign * a * s - x * expm1(sign * s)

        def weights(s):
            g = log_x + sign * s - one
            return [mpf(1), g, g * g - two]

        last = 60 + (int(abs(log_x)) // 2 if upper else 0)
        cuts = [2 * k for k in range(last)] if a < 100 else []
        integrals = tail_integrals(exponent, slopes and weights, cuts)
        least, *by = [front * t for t in integrals]
        if upper:
            return 1 - least, least, *[-t for t in by]
        return least, 1 - least, *by


def beta_density(a, b, x, y):
    """x (1-x) times the density of Beta(a, b) at x, y = 1 - x."""
    with workdps(DIGITS + 2 * int(abs(mp.log10(a)) + abs(mp.log10(b)))):
        return exp(a * log(x) + b * log(y) + loggamma(a + b) - loggamma(a) - loggamma(b))


@cache
def beta_tails(a, b, x, y, slopes=True):
    """I, 1 - I, dI/da, dI/db, and the second derivatives aa, ab, bb; y = 1 - x exactly.
    I and 1 - I alone without slopes."""
    upper = b * x > a * y
    if a < 1 and b * x < 1:     # where I is about x^a / (a B(a, b))
        upper |= a * log(x) - log(a) - log_beta(a, b) > -0.7
    elif b < 1 and a * y < 1:
        upper &= b * log(y) - log(b) - log_beta(a, b) < -0.7
    if not upper:
        return lower_beta(a, b, x, y, slopes)
    if not slopes:
        return lower_beta(b, a, y, x, slopes)[::-1]
    q, p, by_b, by_a, bb, ab, aa = lower_beta(b, a, y, x, slopes)
    return p, q, -by_a, -by_b, -aa, -ab, -bb


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


def lower_beta(a, b, x, y, slopes):
    """The same, from the integral below x."""
    front = beta_density(a, b, x, y)
    with workdps(DIGITS + int(abs(mp.log10(a)) + abs(mp.log10(b)))):
        n = a + b
        at_a, at_b = log(x) - psi(0, a) + psi(0, n), log(y) - psi(0, b) + psi(0, n)
        a1, b1, n1 = psi(1, a), psi(1, b), psi(1, n)

        # log((1 - t) / y) is -log_rest, by the lesser of x and y, which has all digits.
        def log_rest(s):
            return log1p(x * expm1(-s)) if x < y else log1p(y * expm1(s)) - s

        def exponent(s):
            return -a * s - n * log_rest(s)

        def weights(s):
            move = log_rest(s)
            g, h = at_a - s - move, at_b - move
            return [mpf(1), g, h, g * g - a1 + n1, g * h + n1, h * h - b1 + n1]

        cuts = [2 * k for k in range(60 + int(max(log(x / y), 0)) // 2)]
        values = [front * t for t in tail_integrals(exponent, slopes and weights, cuts)]
        return values[0], 1 - values[0], *values[1:]


def root(error, x, step):
    """Newton's method in log x (or logit) from x: error(x) gives its derivative too."""
    for _ in range(200):
        value, slope = error(x)
        move = max(min(-value / slope, step), -step)
        x += move
        if abs(move) < mpf(10) ** -30 * (1 + abs(x)):
            return x
    raise ArithmeticError(f"no root near {x}")


def normal_quantile(p, q):
    """Roughly, to start from."""
    least = max(float(min(p, q)), 1e-300)
    return NormalDist().inv_cdf(least) * (1 if p < q else -1)


def gamma_inverse(a, p, q):
    """log x with P(a, x) = p = 1 - q: Newton on the log of the lesser."""
    def error(u):
        x = exp(u)
        below, above = gamma_tails(a, x, False)
        d = gamma_density(a, x)
        return (log(below / p), d / below) if p < q else (log(above / q), -d / above)

    # Where P is x^a / Gamma(a + 1), or near the mean (Wilson and Hilferty).
    start = (log(p) + loggamma(a + 1)) / a
    if a > 1:
        base = 1 - 1 / (9 * a) + normal_quantile(p, q) / (3 * mp.sqrt(a))
        if base > mpf("0.4"):
            start = log(a) + 3 * log(base)
    elif start > -1:
        start = log(max(-log(q / a), mpf(10) ** -3))
    return root(error, start, mpf(2) if a < 100 else 20 / mp.sqrt(a))


def beta_inverse(a, b, p):
    """logit x with I_x(a, b) = p."""
    q = 1 - p

    def error(l):
        x, y = 1 / (1 + exp(-l)), 1 / (1 + exp(l))
        below, above = beta_tails(a, b, x, y, False)
        d = beta_density(a, b, x, y)
        return (log(below / p), d / below) if p < q else (log(above / q), -d / above)

    start = log(a / b)
    if min(a, b) > 1:
        start += normal_quantile(p, q) * mp.sqrt(1 / a + 1 / b)
    low = (log(p) + log(a) + log_beta(a, b)) / a
    high = -(log(q) + log(b) + log_beta(a, b)) / b
    if low < min(start, 0) - 2 and a < 1:
        start = low
    elif high > max(start, 0) + 2 and b < 1:
        start = high
    return root(error, start, mpf(10) if min(a, b) < 10 else 20 / mp.sqrt(min(a, b)))


def check():
    """Against mpmath's hypergeometric functions, where these are quick."""
    for a, x in ((mpf("0.3"), mpf(2)), (mpf(7), mpf("2.5")), (mpf(40), mpf(61))):
        for i, way in enumerate(({"b": x}, {"a": x})):
            other = mp.gammainc(a, regularized=True, **way)
            assert abs(gamma_tails(a, x)[i] / other - 1) < mpf(10) ** -25
    for a, b, x in ((mpf("0.3"), mpf(2), mpf("0.7")), (mpf(7), mpf(5), mpf("0.125"))):
        other = mp.betainc(a, b, 0, x, regularized=True)
        assert abs(beta_tails(a, b, x, 1 - x)[0] / other - 1) < mpf(10) ** -25
