# SPDX-License-Identifier: MIT
"""Golden KL(q||p), in nats, of the first same-family pairs, with gradients -> kl/<family>.json.

Closed forms in mpmath at 400 digits, rounded once to double. Checked here: each value
against E_q[log q - log p] by quadrature or summation, each gradient against numerical
differentiation of the closed form, and some values against ten-digit numbers from
elsewhere.

0 log 0 is 0. A derivative at an edge is the one-sided limit; "nan" means that it is not
defined (always so where the KL is infinite) and is not to be tested.
"""

from mpmath import diff, digamma, exp, inf, log, loggamma, mp, mpf, nan, psi, workdps

import families
from families import log_beta, log_softmax, sigmoid, softplus, xlogy
from table import write_kl

mp.dps = 400  # so that logits of 800 count, and what cancels exactly comes out as 0


def ratio(x, y):
    """x / y with 0 / 0 = 0."""
    return mpf(0) if x == 0 else x / y


def log_ratio(x, y):
    """log(x / y); not defined at 0 / 0."""
    return nan if x == 0 and y == 0 else log(x) - log(y) if y else inf


# Each pair gives (kl, d_q, d_p).

def normal(q, p):
    (loc_q, scale_q), (loc_p, scale_p) = q, p
    shift, spread = (loc_q - loc_p) / scale_p, scale_q / scale_p
    return ((spread ** 2 + shift ** 2 - 1) / 2 - log(spread),
            [shift / scale_p, spread / scale_p - 1 / scale_q],
            [-shift / scale_p, (1 - spread ** 2 - shift ** 2) / scale_p])


def bernoulli_probs(q, p):
    (q,), (p,) = q, p
    if (q > 0 and p == 0) or (q < 1 and p == 1):
        return inf, [nan], [nan]
    kl = sum(xlogy(a, ratio(a, b)) for a, b in ((q, p), (1 - q, 1 - p)))
    return (kl, [log_ratio(q, p) - log_ratio(1 - q, 1 - p)],
            [ratio(1 - q, 1 - p) - ratio(q, p)])


def bernoulli_logits(q, p):
    (x,), (y,) = q, p
    prob, not_prob = sigmoid(x), sigmoid(-x)
    kl = prob * (softplus(-y) - softplus(-x)) + not_prob * (softplus(y) - softplus(x))
    return kl, [prob * not_prob * (x - y)], [sigmoid(y) - prob]


def categorical_probs(q, p):
    total_q, total_p = sum(q), sum(p)
    q, p = [x / total_q for x in q], [x / total_p for x in p]
    if any(a > 0 and b == 0 for a, b in zip(q, p)):
        return inf, [nan] * len(q), [nan] * len(p)
    kl = sum(xlogy(a, ratio(a, b)) for a, b in zip(q, p))
    return (kl, [(log_ratio(a, b) - kl) / total_q for a, b in zip(q, p)],
            [(1 - ratio(a, b)) / total_p for a, b in zip(q, p)])


def categorical_logits(q, p):
    logs_q, logs_p = log_softmax(q), log_softmax(p)
    q, p = [exp(x) for x in logs_q], [exp(x) for x in logs_p]
    if any(a > 0 and b == 0 for a, b in zip(q, p)):
        return inf, [nan] * len(q), [nan] * len(p)
    ratios = [x - y if a else mpf(0) for a, x, y in zip(q, logs_q, logs_p)]
    kl = sum(a * r for a, r in zip(q, ratios))
    return kl, [a * (r - kl) for a, r in zip(q, ratios)], [b - a for a, b in zip(q, p)]


def gamma(q, p):
    (a_q, b_q), (a_p, b_p) = q, p
    kl = ((a_q - a_p) * digamma(a_q) - loggamma(a_q) + loggamma(a_p)
          + a_p * log(b_q / b_p) + a_q * (b_p / b_q - 1))
    return (kl,
            [(a_q - a_p) * psi(1, a_q) + b_p / b_q - 1, a_p / b_q - a_q * b_p / b_q ** 2],
            [digamma(a_p) - digamma(a_q) + log(b_q / b_p), a_q / b_q - a_p / b_p])


def beta(q, p):
    total_q = sum(q)
    excess = [a - b for a, b in zip(q, p)]
    kl = (log_beta(*p) - log_beta(*q) + sum(d * digamma(a) for d, a in zip(excess, q))
          - sum(excess) * digamma(total_q))
    mean_q, mean_p = ([digamma(a) - digamma(sum(c)) for a in c] for c in (q, p))
    return (kl,
            [d * psi(1, a) - sum(excess) * psi(1, total_q) for d, a in zip(excess, q)],
            [b - a for a, b in zip(mean_q, mean_p)])


def exponential(q, p):
    (rate_q,), (rate_p,) = q, p
    ratio_p = rate_p / rate_q
    return (ratio_p - 1 - log(ratio_p), [(1 - ratio_p) / rate_q],
            [1 / rate_q - 1 / rate_p])


def delta(q, p):
    (v_q, density_q), (v_p, density_p) = q, p
    if v_q != v_p:
        return inf, [nan, nan], [nan, nan]
    return density_q - density_p, [mpf(0), mpf(1)], [mpf(0), mpf(-1)]


# The same by definition, E_q[log q - log p].

def average(name, q, p):
    if name == "delta":
        return q[1] - p[1] if q[0] == p[0] else inf
    if name in ("bernoulli_probs", "bernoulli_logits"):
        q, p = ([[1 - x, x] for (x,) in (q, p)] if name == "bernoulli_probs"
                else [[1 / (1 + exp(x)), 1 / (1 + exp(-x))] for (x,) in (q, p)])
    elif name == "categorical_logits":
        q, p = ([exp(x) for x in logits] for logits in (q, p))
    if name.startswith(("bernoulli", "categorical")):
        pairs = [(a / sum(q), b / sum(p)) for a, b in zip(q, p) if a]
        return sum(a * log(a / b) if b else inf for a, b in pairs)
    log_density, expect = getattr(families, name), getattr(families, "expect_" + name)
    return expect(lambda t: log_density(t, *q) - log_density(t, *p), *q)


PAIRS = {
    "normal": (normal, [
        ((0, 1), (1, 2)), ((1, 2), (0, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 1)),
        ((0.3, 0.7), (0.3, 0.7)), ((-2, 0.1), (3, 4)), ((3, 4), (-2, 0.1)),
        ((0, 1e-4), (0, 1)), ((0.5, 1), (0.5001, 1.0001)), ((100, 3), (90, 3)),
        ((0.1, 0.02), (-0.05, 0.3)), ((0, 1e3), (5, 1))]),
    "bernoulli_probs": (bernoulli_probs, [((q,), (p,)) for q, p in (
        (0.5, 0.25), (0.25, 0.5), (0.75, 0.2), (0.3, 0.3), (1e-6, 0.4), (0.999, 0.001),
        (0.9, 0.9001), (1e-12, 1e-9), (0, 0.3), (1, 0.3), (0, 0), (1, 1), (0.3, 0),
        (0.3, 1), (0, 1), (1, 0))]),
    "bernoulli_logits": (bernoulli_logits, [((q,), (p,)) for q, p in (
        (0, -1.1), (-1.1, 0), (2, -3), (0.7, 0.7), (-40, 1), (1, -40), (30, -30),
        (800, 1), (1, 800), (-800, -750), (0.1, 0.10001), (800, -800))]),
    "categorical_probs": (categorical_probs, [
        ((0.1, 0.6, 0.3), (0.2, 0.4, 0.4)), ((0.2, 0.4, 0.4), (0.1, 0.6, 0.3)),
        ((0.6, 0.4), (0.4, 0.6)), ((0.1, 0.2, 0.3, 0.4), (0.4, 0.3, 0.2, 0.1)),
        ((2, 3, 5), (30, 20, 10)), ((1, 1, 1), (1, 1, 1)), ((1e-9, 1, 2), (0.5, 1e-6, 1)),
        ((0.7,), (0.2,)), ((0, 0.4, 0.6), (0.2, 0.3, 0.5)), ((0, 0, 1), (0.2, 0.3, 0.5)),
        ((0, 0.4, 0.6), (0, 0.5, 0.5)), ((0.2, 0.3, 0.5), (0, 0.4, 0.6)),
        ((1, 0), (0, 1))]),
    "categorical_logits": (categorical_logits, [
        ((0.1, -0.6, 1.3), (0.2, 0.4, -0.4)), ((0.2, 0.4, -0.4), (0.1, -0.6, 1.3)),
        ((0, 0), (0, 0)), ((1000, 1001, 998), (-5, -4, -3)), ((-300, 0, 300), (0, 0, 0)),
        ((0, 0, 0), (-300, 0, 300)), ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1)), ((7,), (-7,)),
        (("-inf", 0, 1), (0.5, 0.5, 1)), (("-inf", 0, 1), ("-inf", 1, 0)),
        ((0.5, 0.5, 1), ("-inf", 0, 1))]),
    "gamma": (gamma, [
        ((2.4, 3.2), (3.2, 2.4)), ((3.2, 2.4), (2.4, 3.2)), ((1, 1), (1, 1)),
        ((2.4, 3.2), (2.4, 3.2)), ((0.1, 2), (1.5, 0.3)), ((1.5, 0.3), (0.1, 2)),
        ((100, 10), (80, 9)), ((1, 2.4), (1, 5.5)), ((0.5, 1e-3), (0.6, 2e-3)),
        ((500, 500), (0.5, 0.5))]),
    "beta": (beta, [
        ((2.4, 3.6), (3.7, 2.5)), ((3.7, 2.5), (2.4, 3.6)), ((1, 1), (1, 1)),
        ((5, 2), (5, 2)), ((0.5, 0.5), (2, 2)), ((2, 2), (0.5, 0.5)),
        ((0.1, 3), (3, 0.1)), ((60, 40), (1, 1)), ((200, 300), (180, 310)),
        ((0.2, 0.3), (0.25, 0.3))]),
    "exponential": (exponential, [((q,), (p,)) for q, p in (
        (2.4, 5.5), (5.5, 2.4), (1, 1), (1e-3, 1e3), (1e3, 1e-3), (0.5, 0.5001), (17, 20),
        (1e-6, 2e-6), (0.7, 0.1))]),
    "delta": (delta, [
        ((0, 0), (0, 0)), ((1.5, 0), (1.5, 0)), ((1.5, 0.25), (1.5, 0)),
        ((1.5, 0), (1.5, 0.25)), ((-2, 3), (-2, -4)), ((1e10, -1), (1e10, 1)),
        ((0, 0), (1, 0)), ((1, 0.5), (1 + 2.0 ** -52, 0.5))])}

KNOWN = {
    ("normal", (0, 1), (1, 2)): 0.4431471806, ("normal", (1, 2), (0, 1)): 1.3068528194,
    ("normal", (1, 1), (0, 1)): 0.5, ("gamma", (2.4, 3.2), (3.2, 2.4)): 0.4668072008,
    ("beta", (2.4, 3.6), (3.7, 2.5)): 0.5798466553,
    ("exponential", (2.4,), (5.5,)): 0.4623873118,
    ("categorical_probs", (0.1, 0.6, 0.3), (0.2, 0.4, 0.4)): 0.0876597251,
    ("bernoulli_probs", (0.5,), (0.25,)): 0.1438410362}


def check_gradient(pair, q, p, gradients):
    """Against numerical differentiation; leaves out infinite and undefined ones."""
    point = [*q, *p]
    for index, expected in enumerate(gradients):
        if not abs(expected) < inf or abs(point[index]) == inf:
            continue

        def f(x):
            moved = [*point[:index], x, *point[index + 1:]]
            return pair(moved[:len(q)], moved[len(q):])[0]

        edge = point[index] in (0, 1) and pair in (bernoulli_probs, categorical_probs)
        with workdps(1000 if pair is bernoulli_logits else 120):
            inwards = -1 if pair is bernoulli_probs and point[index] == 1 else 1
            slope = diff(f, point[index], direction=inwards if edge else 0)
        assert abs(slope - expected) < 1e-25 * (1 + abs(expected)), (pair, q, p, index)


def main():
    for name, (pair, points) in PAIRS.items():
        assert len(points) >= 8
        records = []
        for q, p in points:
            exact_q, exact_p = [mpf(x) for x in q], [mpf(x) for x in p]
            kl, d_q, d_p = pair(exact_q, exact_p)
            with workdps(1000 if "logits" in name else 32):
                check = average(name, exact_q, exact_p)
            assert kl == check or abs(kl - check) < 1e-18 * (1 + abs(check)), (name, q, p)
            known = KNOWN.get((name, q, p))
            assert known is None or abs(kl - known) < 1e-10
            if kl < inf and name != "delta":
                check_gradient(pair, exact_q, exact_p, [*d_q, *d_p])
            records.append({"q": exact_q, "p": exact_p, "kl": kl, "d_q": d_q, "d_p": d_p})
        write_kl(name, records)


if __name__ == "__main__":
    main()
