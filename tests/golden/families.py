# SPDX-License-Identifier: MIT
"""Log-densities of the families and expectations under them, from their definitions, by
mpmath.

An expectation is a quadrature (or a sum over the support) that shares no formula with the
closed forms it checks. The function to be averaged gets the *coordinate* in which the
integral is easy: the value itself for Normal and Exponential, log x for Gamma, (log x,
log(1 - x)) for Beta.
"""

from mpmath import exp, linspace, log, log1p, loggamma, mpf, pi, quad, sqrt


def xlogy(x, y):
    """x log y with 0 log 0 = 0."""
    return mpf(0) if x == 0 else x * log(y)


def softplus(x):
    return log1p(exp(x)) if x < 0 else x + log1p(exp(-x))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def log_softmax(logits):
    top = max(logits)
    norm = top + log(sum(exp(x - top) for x in logits))
    return [x - norm for x in logits]


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


# Log-densities in the coordinate.

def normal(x, loc, scale):
    return -((x - loc) / scale) ** 2 / 2 - log(scale) - log(2 * pi) / 2


def exponential(x, rate):
    return log(rate) - rate * x


def gamma(log_x, a, rate):
    power = mpf(0) if a == 1 else (a - 1) * log_x
    return a * log(rate) + power - rate * exp(log_x) - loggamma(a)


def beta(logs, a, b):
    powers = (mpf(0) if c == 1 else (c - 1) * log_x for c, log_x in zip((a, b), logs))
    return sum(powers) - log_beta(a, b)


# Expectations of f(coordinate). Beyond the cuts the density is below e^-100 of its peak.

def expect_normal(f, loc, scale):
    weighted = quad(lambda u: f(loc + scale * u) * exp(-u * u / 2), linspace(-16, 16, 17))
    return weighted / sqrt(2 * pi)


def expect_exponential(f, rate):
    return quad(lambda u: f(u / rate) * exp(-u), linspace(0, 140, 15))


def expect_gamma(f, a, rate):
    mode, below = log(a), 16 / sqrt(a) + 130 / a
    cuts = linspace(mode - below, mode, 15) + linspace(mode, mode + log1p(below), 11)[1:]
    return quad(lambda u: f(u - log(rate)) * exp(a * u - exp(u) - loggamma(a)), cuts)


def expect_beta(f, a, b):
    mode, width = log(a / b), 16 * sqrt(1 / a + 1 / b)
    low, high = mode - width - 130 / a, mode + width + 130 / b

    def integrand(u):
        logs = -softplus(-u), -softplus(u)
        return f(logs) * exp(a * logs[0] + b * logs[1] - log_beta(a, b))

    return quad(integrand, linspace(low, mode, 15) + linspace(mode, high, 15)[1:])
