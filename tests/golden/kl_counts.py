# SPDX-License-Identifier: MIT
"""Golden KL(q||p), in nats, of two families of counts -> kl_counts.json.

By summing q (log q - log p) in mpmath until nothing is added; no closed form enters. Where p
excludes a count that q does not the KL is "inf". At an "edge" of parameters there are no
differences to compare gradients with.
"""

from mpmath import exp, inf, log, loggamma, mp, mpf

from golden import write_json

mp.dps = 40


def log_beta(a, b):
    return loggamma(a) + loggamma(b) - loggamma(a + b)


def log_choose(n, k):
    return loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1)


def sigmoid(x):
    return 1 / (1 + exp(-x))


def power(k, x):
    """k log x with 0 log 0 = 0."""
    return mpf(0) if k == 0 else k * log(x) if x else -inf


# Log-masses of a count k, -inf where there is none.

def bernoulli_probs(k, p):
    return binomial(k, 1, p)


def bernoulli_logits(k, logit):
    return binomial(k, 1, sigmoid(logit))


def beta_binomial(k, a, b, n):
    return log_choose(n, k) + log_beta(a + k, b + n - k) - log_beta(a, b) if k <= n else -inf


def binomial(k, n, p):
    return log_choose(n, k) + power(k, p) + power(n - k, 1 - p) if k <= n else -inf


def binomial_logits(k, n, logit):
    return binomial(k, n, sigmoid(logit))


def discrete_uniform(k, low, high):
    return -log(high - low + 1) if low <= k <= high else -inf


def gamma_poisson(k, r, rate):
    return negative_binomial(k, r, 1 / (1 + rate))


def geometric(k, p):
    return power(k, 1 - p) + log(p)


def geometric_logits(k, logit):
    return geometric(k, sigmoid(logit))


def negative_binomial(k, r, p):
    return loggamma(r + k) - loggamma(r) - loggamma(k + 1) + power(k, p) + r * log(1 - p)


def negative_binomial_logits(k, r, logit):
    return negative_binomial(k, r, sigmoid(logit))


def negative_binomial_mean(k, mean, r):
    return negative_binomial(k, r, mean / (r + mean))


def poisson(k, rate):
    return power(k, rate) - rate - loggamma(k + 1)


POINTS = {
    "bernoulli_probs": [(0.25,), (0.75,)], "bernoulli_logits": [(-1,)],
    "beta_binomial": [(2, 5, 10), (0.5, 0.75, 40)], "binomial": [(12, 0.25), (40, 0.5)],
    "binomial_logits": [(8, -1.5)], "discrete_uniform": [(0, 40), (-3, 10), (2, 60)],
    "gamma_poisson": [(1, 2), (0.5, 0.125)], "geometric": [(0.25,), (0.03125,)],
    "geometric_logits": [(0.5,)],
    "negative_binomial": [(2.5, 0.5), (40, 0.9375), (2.5, 0.25)],
    "negative_binomial_logits": [(0.25, 1.5)], "negative_binomial_mean": [(20, 0.5), (1000, 16)],
    "poisson": [(3.5,), (700.5,), (0.0009765625,)]}
# Of one family, in closed form: kl/<family>.json.
CLOSED = [{"bernoulli_probs", "bernoulli_logits"}, {"binomial", "binomial_logits"},
          {"discrete_uniform"}, {"geometric", "geometric_logits"}, {"poisson"}]
# And edges.
MORE = [("poisson", (0,), "geometric", (0.25,)), ("binomial", (0, 0.5), "poisson", (3,)),
        ("binomial", (7, 0), "negative_binomial", (2, 0.5)),
        ("binomial", (7, 1), "negative_binomial", (2, 0.5)),
        ("geometric", (1,), "poisson", (2.5,)), ("negative_binomial", (2, 0), "poisson", (2,)),
        ("poisson", (3,), "negative_binomial", (2, 0)), ("poisson", (3,), "geometric", (1,)),
        ("negative_binomial", (3, 0.25), "binomial", (10 ** 6, 0.25)),
        ("poisson", (3,), "discrete_uniform", (0, 10 ** 6)),
        ("poisson", (5e3,), "discrete_uniform", (1, 10 ** 6)),
        ("beta_binomial", (3, 4, 20), "beta_binomial", (3, 4, 20)),
        ("negative_binomial", (3, 0.25), "negative_binomial", (3, 0.25)),
        ("negative_binomial_mean", (1e4, 1e4), "poisson", (1e4,)),
        ("poisson", (1e4,), "negative_binomial_mean", (1e4, 1e4)),
        ("beta_binomial", (30, 3, 1000), "binomial", (1000, 0.9))]


def largest(name, params):
    """The largest count; for its family there is none but by the last parameter."""
    at = {"beta_binomial": 2, "binomial": 0, "binomial_logits": 0, "discrete_uniform": 1}
    if name.startswith("bernoulli"):
        return 1
    if name in ("poisson", "negative_binomial", "geometric"):
        nothing = {"poisson": 0, "negative_binomial": 0, "geometric": 1}[name]
        if params[-1] == nothing:
            return 0
    if name == "binomial" and params[1] == 0:
        return 0
    return params[at[name]] if name in at else inf


def at_edge(name, params):
    return name in ("binomial", "geometric", "negative_binomial", "poisson") and \
        params[-1] in (0, 1) and (name != "poisson" or params[0] == 0)


def divergence(q, params_q, p, params_p):
    exact_q, exact_p = [mpf(a) for a in params_q], [mpf(a) for a in params_p]
    last, mass_q, mass_p = largest(q, params_q), globals()[q], globals()[p]
    if last > largest(p, params_p):
        return inf
    total, kl, k = mpf(0), mpf(0), 0
    while k <= last:
        log_q = mass_q(k, *exact_q)
        term = exp(log_q)
        total += term
        if term > 0:
            log_p = mass_p(k, *exact_p)
            if log_p == -inf:
                return inf
            kl += term * (log_q - log_p)
        k += 1
        if total > 0.5 and term < mpf(10) ** -35:
            break
    assert abs(total - 1) < mpf(10) ** -25, (q, params_q, total)
    return kl


def main():
    pairs = [(q, params_q, p, params_p) for q in POINTS if q != "discrete_uniform" for p in POINTS
             if not any({q, p} <= closed for closed in CLOSED)
             for params_q in POINTS[q] for params_p in POINTS[p]
             if (q, params_q) != (p, params_p)]
    records = []
    for q, params_q, p, params_p in pairs + MORE:
        kl = divergence(q, params_q, p, params_p)
        assert kl > 0 or (q, params_q) == (p, params_p) or abs(kl) < 1e-30, (q, params_q, p, kl)
        records.append({"from": q, "to": p, "q": params_q, "p": params_p,
                        "kl": kl if kl > 1e-30 else 0,
                        "edge": int(at_edge(q, params_q) or at_edge(p, params_p))})
    write_json(__file__, {"records": records})


if __name__ == "__main__":
    main()
