# SPDX-License-Identifier: MIT
"""ZeroInflated and Hurdle over bases of counts -> distributions/<name>.json.

Masses by their definitions in mpmath, distribution functions by summing masses. Checked
here: masses sum to 1 and have the moments given; Pyro's ZeroInflatedPoisson.
"""

import sys

import torch
from mpmath import exp, inf, log, log1p, mp, mpf, nan

from discrete import beta_binomial, binomial, poisson
from families import sigmoid
from table import record, write_family

mp.dps = 130


def zero_inflated(base, gate_of=lambda g: g):
    def law(k, gate, *params):
        g = gate_of(gate)
        if not 0 <= g <= 1:
            raise ValueError("no probability")
        mass = (1 - g) * exp(base(k, *params)) + (g if k == 0 else 0)
        return log(mass) if mass > 0 else -inf
    return law


def hurdle(base):
    def law(k, gate, *params):
        if not 0 <= gate <= 1:
            raise ValueError("no probability")
        mass = gate if k == 0 else (
            (1 - gate) * exp(base(k, *params)) / (1 - exp(base(mpf(0), *params))))
        return log(mass) if mass > 0 else -inf
    return law


def lower(law):
    return lambda k, *params: sum(
        (exp(law(mpf(j), *params)) for j in range(int(k) + 1)), mpf(0))


def log_survival(law, top):
    """By the upper masses, which keep their digits."""
    def tail(k, *params):
        total, j = mpf(0), int(k) + 1
        while j <= top(*params):
            term = exp(law(mpf(j), *params))
            total += term
            j += 1
            if term < total * mpf(10) ** -110 and j > k + 60:
                break
        return log(total) if total > 0 else -inf
    return tail


def moments_zero_inflated(gate_of, moments):
    def mean(gate, *params):
        return (1 - gate_of(gate)) * moments(*params)[0]

    def variance(gate, *params):
        g, (m, v) = gate_of(gate), moments(*params)
        return (1 - g) * (v + g * m * m)
    return mean, variance


def moments_hurdle(base, moments):
    def ratio(gate, *params):
        return (1 - gate) / (1 - exp(base(mpf(0), *params)))

    def mean(gate, *params):
        return ratio(gate, *params) * moments(*params)[0]

    def variance(gate, *params):
        r, (m, v) = ratio(gate, *params), moments(*params)
        return r * (v + m * m) - (r * m) ** 2
    return mean, variance


def of_poisson(rate):
    return rate, rate


def of_binomial(n, p):
    return n * p, n * p * (1 - p)


def of_beta_binomial(a, b, n):
    return n * a / (a + b), n * a * b * (a + b + n) / (a + b) ** 2 / (a + b + 1)


def entropy_of(law, top):
    """The sum of -p log p."""
    def entropy(*params):
        total, k = mpf(0), 0
        while k <= top(*params):
            l = law(mpf(k), *params)
            term = -exp(l) * l if l > -inf else mpf(0)
            total += term
            k += 1
            if k > 60 and exp(law(mpf(k), *params)) < mpf(10) ** -60 and k > 20 * params[-1]:
                break
        return total
    return entropy


def quantiles(law, params):
    """The least counts that reach some probabilities."""
    exact, found = [mpf(p) for p in params], []
    for p in (0, 1e-3, 0.1, 0.3, 0.5, 0.77, 0.99, 1 - 1e-6):
        k, total = 0, mpf(0)
        while True:
            total += exp(law(mpf(k), *exact))
            if total >= mpf(p):
                break
            k += 1
        found.append({"params": exact, "probability": p, "value": k})
    for p in (0.999, 0.6, 0.2, 0.05, 1e-9):
        k, above = 0, 1 - exp(law(mpf(0), *exact))
        while above > mpf(p):
            k += 1
            above -= exp(law(mpf(k), *exact))
        found.append({"params": exact, "survival": p, "value": k})
    return found


def endless(*params):
    return inf


POISSON = [  # gate, rate, count
    (0.25, 3.5, 0), (0.25, 3.5, 1), (0.25, 3.5, 4), (0.25, 3.5, 20), (0.5, 0.125, 0),
    (0.5, 0.125, 1), (0.5, 0.125, 3), (0.875, 100.25, 0), (0.875, 100.25, 90),
    (0.875, 100.25, 150), (0, 2, 0), (0, 2, 3), (0.0625, 1e-3, 0), (0.0625, 1e-3, 1),
    (1e-12, 30, 0), (1e-12, 30, 25), (1 - 2.0 ** -40, 5, 0), (1 - 2.0 ** -40, 5, 5),
    (1e-30, 1000, 0), (1e-30, 1000, 1010), (0.3, 12, 12), (0.9, 40, 60), (0.75, 7, 2)]
BINOMIAL = [  # logit of the gate, trials, probability, count
    (-1, 12, 0.25, 0), (-1, 12, 0.25, 3), (-1, 12, 0.25, 12), (0.5, 40, 0.5, 0),
    (0.5, 40, 0.5, 22), (0.5, 40, 0.5, 40), (30, 8, 0.3, 0), (30, 8, 0.3, 2),
    (-30, 8, 0.3, 0), (-30, 8, 0.3, 2), (-600, 8, 0.3, 0), (-600, 100, 0.75, 0),
    (600, 8, 0.3, 0), (600, 8, 0.3, 5), (0, 0, 0.5, 0), (0, 1, 0.125, 1), (2, 100, 0.9, 95),
    (-2, 100, 0.9, 0), (1e-9, 5, 0.5, 0), (3, 1000, 0.0625, 70), (-4, 30, 0.01, 0)]
BETA_BINOMIAL = [  # gate, concentrations, trials, count
    (0.25, 2, 5, 10, 0), (0.25, 2, 5, 10, 1), (0.25, 2, 5, 10, 10), (0.5, 0.03125, 2, 6, 0),
    (0.5, 0.03125, 2, 6, 1), (0.5, 0.03125, 2, 6, 6), (0.75, 30, 3, 1000, 0),
    (0.75, 30, 3, 1000, 900), (0.75, 30, 3, 1000, 1000), (0.125, 1, 1, 10, 0),
    (0.125, 1, 1, 10, 4), (1e-9, 8, 2, 50, 0), (1e-9, 8, 2, 50, 40), (0.875, 0.5, 0.75, 40, 17),
    (0.875, 0.5, 0.75, 40, 40), (0.5, 5, 40, 7, 1), (0.5, 5, 40, 7, 7), (0.3, 12, 12, 64, 31),
    (0.3, 12, 12, 64, 1), (0.0625, 3, 0.25, 2, 2), (0.0625, 3, 0.25, 2, 1)]


def check(law, params, moments, top=400):
    masses = [(k, exp(law(mpf(k), *params))) for k in range(top)]
    mean, variance = (f(*params) for f in moments)
    for found, expected in ((sum(p for _, p in masses), 1),
                            (sum(k * p for k, p in masses), mean),
                            (sum((k - mean) ** 2 * p for k, p in masses), variance)):
        assert abs(found - expected) < mpf(10) ** -20 * (1 + abs(expected)), params


def write(name, law, points, moments, top, counts=(), asked=()):
    mean, variance = moments
    records = []
    for *params, k in points:
        exact = [mpf(p) for p in params]
        answers = {"mean": mean, "variance": variance}
        if max(params) < 200:
            answers["entropy"] = entropy_of(law, top)
        # A cdf by way of 1 - P(X > k) has no digits below the gate's.
        if k < 200 and (k == 0 or exp(law(mpf(0), *exact)) > 1e-3):
            answers.update(cdf=lower(law), log_survival=log_survival(law, top))
        records.append(record(law, params, k, discrete=True, counts=counts, **answers))
        if max(params) < 60:
            check(law, exact, moments)
    write_family(name, records, [row for p in asked for row in quantiles(law, p)])


def main():
    write("zero_inflated_poisson", zero_inflated(poisson), POISSON,
          moments_zero_inflated(lambda g: g, of_poisson), endless,
          asked=((0.25, 3.5), (0.875, 100.25)))
    write("zero_inflated_binomial_logits", zero_inflated(binomial, sigmoid), BINOMIAL,
          moments_zero_inflated(sigmoid, of_binomial), lambda g, n, p: n, counts=(1,),
          asked=((-1, 12, 0.25), (2, 100, 0.9)))
    write("hurdle_poisson", hurdle(poisson),
          [p for p in POISSON if p[:2] != (0.0625, 1e-3) and p != (0, 2, 0)],
          moments_hurdle(poisson, of_poisson), endless,
          asked=((0.25, 3.5), (0.5, 0.125), (0.875, 100.25)))
    write("hurdle_beta_binomial", hurdle(beta_binomial), BETA_BINOMIAL,
          moments_hurdle(beta_binomial, of_beta_binomial), lambda g, a, b, n: n, counts=(3,),
          asked=((0.25, 2, 5, 10), (0.5, 0.03125, 2, 6)))
    from pyro.distributions import ZeroInflatedPoisson
    for gate, rate, k in ((0.25, 3.5, 0), (0.25, 3.5, 4), (0.875, 100.25, 90)):
        found = ZeroInflatedPoisson(torch.tensor(rate, dtype=torch.double),
                                    gate=torch.tensor(gate, dtype=torch.double)).log_prob(
            torch.tensor(float(k), dtype=torch.double))
        assert abs(float(found) - zero_inflated(poisson)(mpf(k), mpf(gate), mpf(rate))) < 1e-9


if __name__ == "__main__":
    main()
