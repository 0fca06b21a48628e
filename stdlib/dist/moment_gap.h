/* SPDX-License-Identifier: MIT */
/*
 * moment_gap.h - variances from moments E[x^n] = Gamma(1 + n u), n = 1 and 2 (Weibull, u =
 * 1 / concentration), or Gamma(1 + n u) Gamma(1 + b) / Gamma(1 + b + n u) (Kumaraswamy):
 * variance = E[x^2] (1 - e^-D), where D = log E[x^2] - 2 log E[x] is small when u is, and
 * is then its expansion in u,
 *
 *   D = sum over n >= 2 of (2^n - 2) u^n / n! (psi_(n-1)(1) - psi_(n-1)(1 + b))
 *
 * with the polygamma functions psi_n. b is infinite for the Weibull. Where b is small so is D,
 * the integral from 0 to b of its derivative in b.
 */
#ifndef KILN_MOMENT_GAP_H
#define KILN_MOMENT_GAP_H

#include "pointwise.h"

/* psi_n(1 + b), which vanishes as b grows. */
static inline double ppl__polygamma_beyond(int n, double b)
{
    return isinf(b) ? 0 : ppl_maths_polygamma(n, 1 + b);
}

static inline double ppl__log_moment(double u, double b)
{
    return isinf(b) ? ppl_maths_lgamma_at(1 + u) : log(b) + ppl_maths_log_beta(1 + u, b);
}

/* d log E[x] / du. */
static inline double ppl__log_moment_by_u(double u, double b)
{
    return isinf(b) ? ppl_maths_digamma_at(1 + u) : -ppl_maths_digamma_rise(1 + u, b);
}

enum { PPL__GAP_TERMS = 14 };

/* D's derivative in b. */
static inline double ppl__moment_gap_by_b(double u, double b)
{
    double sum = 0, power = u;                              /* u^n / n! */

    if (u > (1 + b) / 64)
        return ppl_maths_digamma_rise(1 + b, u) - ppl_maths_digamma_rise(1 + b + u, u);
    for (int n = 2; n < PPL__GAP_TERMS; n++) {
        power *= u / n;
        sum -= (ldexp(1, n) - 2) * power * ppl__polygamma_beyond(n, b);
    }
    return sum;
}

/* psi_n(1) - psi_n(1 + b), n > 0; of small b by the middle, where terms of even order in b
 * are none. */
static inline double ppl__polygamma_fall(int n, double b)
{
    if (b > 3e-4)
        return ppl_maths_polygamma(n, 1) - ppl__polygamma_beyond(n, b);
    return -b * (ppl_maths_polygamma(n + 1, 1 + b / 2) +
                 b * b / 24 * ppl_maths_polygamma(n + 3, 1 + b / 2));
}

/* D. */
static inline double ppl__moment_gap(double u, double b)
{
    /* Gauss and Legendre's rule of four nodes. */
    static const double node[] = { 0.069431844202973713, 0.33000947820757187,
                                   0.66999052179242813, 0.93056815579702629 };
    static const double weight[] = { 0.17392742256872693, 0.32607257743127307,
                                     0.32607257743127307, 0.17392742256872693 };
    double sum = 0, power = u;                              /* u^n / n! */

    if (b < 1.0 / 64) {
        for (int i = 0; i < 4; i++)
            sum += weight[i] * ppl__moment_gap_by_b(u, b * node[i]);
        return b * sum;
    }
    if (u > 1.0 / 64)
        return ppl__log_moment(2 * u, b) - 2 * ppl__log_moment(u, b);
    for (int n = 2; n < PPL__GAP_TERMS; n++) {
        power *= u / n;
        sum += (ldexp(1, n) - 2) * power * ppl__polygamma_fall(n - 1, b);
    }
    return sum;
}

/* D's derivative in u. */
static inline double ppl__moment_gap_by_u(double u, double b)
{
    double sum = 0, power = u;                              /* u^(n - 1) / (n - 1)! */

    if (u > 1.0 / 64)
        return 2 * (ppl__log_moment_by_u(2 * u, b) - ppl__log_moment_by_u(u, b));
    for (int n = 2; n < PPL__GAP_TERMS; n++) {
        power *= n == 2 ? 1 : u / (n - 1);
        sum += (ldexp(1, n) - 2) * power * ppl__polygamma_fall(n - 1, b);
    }
    return sum;
}

#endif
