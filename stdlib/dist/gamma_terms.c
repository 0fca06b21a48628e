/* SPDX-License-Identifier: MIT */
/*
 * gamma_terms.c - the terms of gamma_terms.h.
 */
#include "gamma_terms.h"

/* Pairs of terms of a fraction, that suffice there. */
#define FAR_TERMS 100

double ppl__gamma_kernel(double a, double y)
{
    if (isinf(y))
        return -INFINITY;
    return -a * ppl__excess_of((y - a) / a, y / a) + log(a) / 2 - PPL__HALF_LOG_TWO_PI -
           ppl__stirling(a);
}

double ppl__beta_rest(double a, double b)
{
    return PPL__HALF_LOG_TWO_PI + ppl__stirling(a) + ppl__stirling(b) -
           ppl__stirling(a + b);
}

double ppl__beta_kernel(double a, double b, const ppl__beta_point *p)
{
    return -a * ppl__excess_of(p->t_w, p->r_w) - b * ppl__excess_of(p->t_v, p->r_v) +
           (log(a) + log(b / (a + b))) / 2 - ppl__beta_rest(a, b);
}

double ppl__beta_entropy(double a, double b)
{
    const double s = a + b;
    return (log(a / s) + log(b / s) - log(s)) / 2 + ppl__beta_rest(a, b) +
           (a - 1) * ppl__lambda(a) + (b - 1) * ppl__lambda(b) - (s - 2) * ppl__lambda(s);
}

double ppl__beta_kl(double a_q, double b_q, double a_p, double b_p)
{
    const double q = a_q + b_q, p = a_p + b_p;
    return p * (ppl__kl_share(a_p / p, a_q / q, log(a_p / p), log(a_q / q)) +
                ppl__kl_share(b_p / p, b_q / q, log(b_p / p), log(b_q / q))) +
           ppl__gamma_divergence_rest(a_q, a_p) + ppl__gamma_divergence_rest(b_q, b_p) -
           ppl__gamma_divergence_rest(q, p);
}

/* log P(X > x) if `upper`, else log P(X <= x), of Gamma(a, 1), far out, from its density and
 * a continued fraction (NIST DLMF 8.9.2; 8.17.22, whose limit it is); slope[0] = d / d log x,
 * slope[1] = d / da: of the density, log x - psi(a), less the fraction's own. */
static double gamma_far_tail(int upper, double x, double a, double slope[2])
{
    const double by_a = ppl__log_ratio(x, a) + ppl__lambda(a);
    double f = 1, f_a = 0;

    if (upper) {
        f = x + 83 - a;
        f_a = -1;
        for (int n = 40; n >= 0; n--) {
            const double share = (n + 1) / f;
            f_a = -1 + share + share * (n + 1 - a) * f_a / f;
            f = x + 2 * n + 1 - a - share * (n + 1 - a);
        }
        slope[0] = -f;
        slope[1] = by_a - f_a / f;
        return ppl__gamma_kernel(a, x) - log(f);
    }
    for (int m = FAR_TERMS; m >= 0; m--) {
        double c = (m + 1) * (x / (a + 2 * m + 1) / (a + 2 * m + 2));
        f_a = c / f * (-1 / (a + 2 * m + 1) - 1 / (a + 2 * m + 2) - f_a / f);
        f = 1 + c / f;
        c = -(a + m) / (a + 2 * m) * (x / (a + 2 * m + 1));
        f_a = c / f * (m / (a + m) / (a + 2 * m) - 1 / (a + 2 * m + 1) - f_a / f);
        f = 1 + c / f;
    }
    slope[0] = a * f;
    slope[1] = by_a - 1 / a - f_a / f;
    return ppl__gamma_kernel(a, x) - log(a * f);
}

double ppl__gamma_log_tail(int upper, double x, double a, double slope[2])
{
    const double below = ppl_maths_gamma_p(a, x), above = ppl_maths_gamma_q(a, x);
    const double own = upper ? above : below, other = upper ? below : above;
    const double sign = upper ? -1 : 1, log_t = own < 0.5 ? log(own) : log1p(-other);
    double unasked[2];

    if (own < PPL__FAR_TAIL && x > 0 && x < INFINITY)
        return gamma_far_tail(upper, x, a, slope ? slope : unasked);
    if (slope) {
        slope[0] = sign * exp(ppl__gamma_kernel(a, x) - log_t);
        slope[1] = sign * ppl_maths_gamma_p_slope(a, x) / own;
    }
    return log_t;
}

/* log P(X <= x) of a Beta(a, b) far out, rest = 1 - x, likewise (DLMF 8.17.22); slope[0] = d /
 * d logit x, slope[1] = d / da, slope[2] = d / db. */
static double beta_far_tail(double x, double rest, double a, double b, double slope[3])
{
    const double s = a + b;
    const ppl__beta_point p = ppl__beta_point_of(x, rest, a, b);
    double f = 1, f_a = 0, f_b = 0;

    for (int m = FAR_TERMS; m >= 0; m--) {
        const double low = a + 2 * m, middle = low + 1, high = low + 2;
        double c = (b - m - 1) / middle * ((m + 1) * x / high);
        f_b = ((m + 1) * x / middle / high - c * f_b / f) / f;
        f_a = c / f * (-1 / middle - 1 / high - f_a / f);
        f = 1 + c / f;
        c = -(a + m) / low * ((s + m) / middle * x);
        f_b = c / f * (1 / (s + m) - f_b / f);
        f_a = c / f * (m / (a + m) / low + 1 / (s + m) - 1 / middle - f_a / f);
        f = 1 + c / f;
    }
    slope[0] = a * f;
    slope[1] = log(p.r_w) + ppl__lambda(a) - ppl__lambda(s) - 1 / a - f_a / f;
    slope[2] = log(p.r_v) + ppl__lambda(b) - ppl__lambda(s) - f_b / f;
    return ppl__beta_kernel(a, b, &p) - log(a * f);
}

double ppl__beta_log_tail(int upper, double x, double rest, double a, double b,
                                        double slope[3])
{
    const double below = ppl_maths_beta_i_split(a, b, x, rest);
    const double above = ppl_maths_beta_i_split(b, a, rest, x);
    const double own = upper ? above : below, other = upper ? below : above;
    const double sign = upper ? -1 : 1, log_t = own < 0.5 ? log(own) : log1p(-other);
    double turned[3];

    if (own < PPL__FAR_TAIL && x > 0 && rest > 0) {
        const double far = upper ? beta_far_tail(rest, x, b, a, turned)
                                 : beta_far_tail(x, rest, a, b, turned);
        for (int k = 0; slope && k < 3; k++)
            slope[k] = !upper ? turned[k] : k == 0 ? -turned[0] : turned[3 - k];
        return far;
    }
    if (slope) {
        const ppl__beta_point p = ppl__beta_point_of(x, rest, a, b);
        ppl_maths_beta_i_split_slopes(a, b, x, rest, slope + 1);
        slope[0] = sign * exp(ppl__beta_kernel(a, b, &p) - log_t);
        slope[1] *= sign / own;
        slope[2] *= sign / own;
    }
    return log_t;
}

double ppl__beta_quantile(int upper, double p, double a, double b)
{
    const double below = upper ? 1 - p : p, above = upper ? p : 1 - p;
    return below <= 0.5 ? ppl_maths_beta_i_inverse(a, b, below)
                        : 1 - ppl_maths_beta_i_inverse(b, a, above);
}
