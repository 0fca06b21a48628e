# SPDX-License-Identifier: MIT
"""Golden KL(q||p), in nats, of two Kumaraswamys, with gradients -> kl/kumaraswamy.json.

By quadrature in mpmath of q (log q - log p), and for the gradients of q (log q - log p) d log q
and -q d log p, over w = log s, where P_q(X > x) = e^-s; no closed form enters.
"""

from mpmath import exp, expm1, linspace, log, log1p, mp, mpf, quad

from table import write_kl

mp.dps = 30

POINTS = [((2.5, 0.75), (1.5, 2)), ((1.5, 2), (2.5, 0.75)), ((0.5, 0.25), (3, 0.5)),
          ((2, 5), (2, 5)), ((1, 1), (0.3, 40)), ((30, 200), (25, 100)), ((0.05, 3), (2, 0.7)),
          ((2, 0.125), (7, 0.125)), ((3, 4), (3, 4.001)), ((5, 3), (5.001, 3)),
          ((0.7, 0.02), (0.4, 3))]


def log_density(a, b, log_x):
    return log(a * b) + (a - 1) * log_x + (b - 1) * log(-expm1(a * log_x))


def scores(a, b, log_x):
    rest = -expm1(a * log_x)
    return [1 / a + log_x - (b - 1) * (1 - rest) / rest * log_x, 1 / b + log(rest)]


def record(q, p):
    exact_q, exact_p = [mpf(x) for x in q], [mpf(x) for x in p]
    a, b = exact_q

    def expect(f):
        def integrand(w):
            s = exp(w) / b
            log_x = (log1p(-exp(-s)) if s > 1 else log(-expm1(-s))) / a
            return exp(w - exp(w)) * f(log_x)
        return quad(integrand, linspace(-75, 5, 41))

    def ratio(log_x):
        return log_density(*exact_q, log_x) - log_density(*exact_p, log_x)

    kl = expect(ratio) if q != p else mpf(0)
    d_q = [expect(lambda t, i=i: ratio(t) * scores(*exact_q, t)[i]) for i in range(2)]
    d_p = [-expect(lambda t, i=i: scores(*exact_p, t)[i]) for i in range(2)]
    return {"q": exact_q, "p": exact_p, "kl": kl, "d_q": d_q,
            "d_p": d_p if q != p else [mpf(0)] * 2}


if __name__ == "__main__":
    write_kl("kumaraswamy", [record(q, p) for q, p in POINTS])
