/* SPDX-License-Identifier: MIT */
/*
 * gamma_terms.h - what densities made of Gammas and Betas have in common, written so that
 * nothing cancels as the concentrations grow (stirling.h).
 *
 *   lambda(a) = log a - psi(a) = 1/(2 a) - r'(a)
 *   log(y^a e^-y / Gamma(a)) = -a e(t) + log(a) / 2 - log(2 pi) / 2 - r(a),  y = a (1 + t)
 *   log(w^a v^b / B(a, b)) = -a e(t_w) - b e(t_v) + log(a b / s) / 2 - log(2 pi) / 2 - R,
 *       v = 1 - w, s = a + b, w = a / s (1 + t_w), v = b / s (1 + t_v), R = r(a) + r(b) - r(s)
 *
 * with e(t) = t - log(1 + t) >= 0.
 */
#ifndef KILN_GAMMA_TERMS_H
#define KILN_GAMMA_TERMS_H

#include "pointwise.h"
#include "stirling.h"

/* log a - psi(a). */
static inline double ppl__lambda(double a)
{
    return 0.5 / a - ppl__stirling_slope(a);
}

/* t - log(1 + t), from t and r = 1 + t: near 0 one is known better, at -1 the other. */
static inline double ppl__excess_of(double t, double r)
{
    return ppl__excess_f64(t, t < -0.5 ? log(r) : log1p(t));
}

/* log(y^a e^-y / Gamma(a)). */
static inline double ppl__gamma_kernel(double a, double y)
{
    if (isinf(y))
        return -INFINITY;
    return -a * ppl__excess_of((y - a) / a, y / a) + log(a) / 2 - PPL__HALF_LOG_TWO_PI -
           ppl__stirling(a);
}

/* log B(a, b) without its terms in log a, log b and log(a + b). */
static inline double ppl__beta_rest(double a, double b)
{
    return PPL__HALF_LOG_TWO_PI + ppl__stirling(a) + ppl__stirling(b) -
           ppl__stirling(a + b);
}

/* A point w of a Beta(a, b), relative to its mean m = a / (a + b): t_w = w / m - 1, r_w =
 * w / m; the same of v = 1 - w. */
typedef struct ppl__beta_point {
    double t_w, r_w, t_v, r_v;
} ppl__beta_point;

/* log(w^a v^b / B(a, b)). */
static inline double ppl__beta_kernel(double a, double b, const ppl__beta_point *p)
{
    return -a * ppl__excess_of(p->t_w, p->r_w) - b * ppl__excess_of(p->t_v, p->r_v) +
           (log(a) + log(b / (a + b))) / 2 - ppl__beta_rest(a, b);
}

/* log P(X > x) if `upper`, else log P(X <= x), of Gamma(a, 1) and of Beta(a, b), rest = 1 -
 * x: from the tail itself, from the other where that is the lesser, or, where it underflows,
 * from its density and a series (NIST DLMF 8.7.1, 8.17.8) or continued fraction (8.9.2). */
static inline double ppl__gamma_log_tail(int upper, double x, double a)
{
    const double below = ppl_maths_gamma_p(a, x), above = ppl_maths_gamma_q(a, x);
    const double own = upper ? above : below, other = upper ? below : above;
    double sum = 1, term = 1;

    if (own > 0 || isnan(own))
        return own < 0.5 ? log(own) : log1p(-other);
    if (upper) {
        for (int n = 40; n > 0; n--)
            sum = x + 2 * n + 1 - a - (n + 1) * (n + 1 - a) / (n == 40 ? x + 83 - a : sum);
        return ppl__gamma_kernel(a, x) - log(x + 1 - a - (1 - a) / sum);
    }
    for (int n = 1; n < 10000 && term > 1e-17 * sum; n++)
        sum += term *= x / (a + n);
    return ppl__gamma_kernel(a, x) + log(sum / a);
}

static inline double ppl__beta_log_tail(int upper, double x, double rest, double a, double b)
{
    const double below = ppl_maths_beta_i_split(a, b, x, rest);
    const double above = ppl_maths_beta_i_split(b, a, rest, x);
    const double own = upper ? above : below, other = upper ? below : above;
    double sum = 1, term = 1;

    if (own > 0 || isnan(own))
        return own < 0.5 ? log(own) : log1p(-other);
    if (upper)
        return ppl__beta_log_tail(0, rest, x, b, a);
    for (int n = 0; n < 10000 && term > 1e-17 * sum; n++)
        sum += term *= (a + b + n) / (a + 1 + n) * x;
    return a * log(x) + b * log(rest) - ppl_maths_log_beta(a, b) + log(sum / a);
}

/* The quantile of a Beta(a, b), from the end that is nearer. */
static inline double ppl__beta_quantile(int upper, double p, double a, double b)
{
    const double below = upper ? 1 - p : p, above = upper ? p : 1 - p;
    return below <= 0.5 ? ppl_maths_beta_i_inverse(a, b, below)
                        : 1 - ppl_maths_beta_i_inverse(b, a, above);
}

/* slope / exp(log_t), the derivative of log_t in a shape; `leading` where that underflows. */
static inline double ppl__shape_slope(double slope, double log_t, double leading)
{
    const double t = exp(log_t);
    return t > 1e-290 ? slope / t : leading;
}

#endif
