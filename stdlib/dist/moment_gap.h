/* SPDX-License-Identifier: MIT */
/*
 * moment_gap.h - variances from moments E[x^n] = Gamma(1 + n u), n = 1 and 2 (Weibull, u =
 * 1 / concentration), or Gamma(1 + n u) Gamma(1 + b) / Gamma(1 + b + n u) (Kumaraswamy):
 * variance = E[x^2] (1 - e^-D), where D = log E[x^2] - 2 log E[x] is small when u is, and
 * is then its expansion in u,
 *
 *   D = sum over n >= 2 of (2^n - 2) u^n / n! (psi_(n-1)(1) - psi_(n-1)(1 + b))
 *
 * with the polygamma functions psi_n. b is infinite for the Weibull.
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
    return ppl_maths_digamma_at(1 + u) - (isinf(b) ? 0 : ppl_maths_digamma_at(1 + b + u));
}

enum { PPL__GAP, PPL__GAP_BY_U, PPL__GAP_BY_B };

/* D, or its derivative in u or in b. */
static inline double ppl__moment_gap(int which, double u, double b)
{
    double sum = 0, power = u;                              /* u^n / n! */

    if (u > 1.0 / 64) {
        if (which == PPL__GAP)
            return ppl__log_moment(2 * u, b) - 2 * ppl__log_moment(u, b);
        if (which == PPL__GAP_BY_U)
            return 2 * (ppl__log_moment_by_u(2 * u, b) - ppl__log_moment_by_u(u, b));
        return 2 * ppl_maths_digamma_at(1 + b + u) - ppl_maths_digamma_at(1 + b + 2 * u) -
               ppl_maths_digamma_at(1 + b);
    }
    for (int n = 2; n < 14; n++) {
        const double factor = ldexp(1, n) - 2;
        if (which == PPL__GAP_BY_B) {
            power *= u / n;
            sum -= factor * power * ppl__polygamma_beyond(n, b);
            continue;
        }
        power *= which == PPL__GAP ? u / n : n == 2 ? 1 : u / (n - 1);
        sum += factor * power *
               (ppl_maths_polygamma(n - 1, 1) - ppl__polygamma_beyond(n - 1, b));
    }
    return sum;
}

#endif
