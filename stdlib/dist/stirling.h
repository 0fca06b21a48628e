/* SPDX-License-Identifier: MIT */
/*
 * stirling.h - what Stirling's formula leaves over: log Gamma and digamma of large
 * numbers without the terms that cancel in a density (a log a grows, the density does
 * not).
 *
 *   log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + r(a)
 *   psi(a)       = log a - 1 / (2 a) + r'(a)
 *
 * Source: NIST Digital Library of Mathematical Functions, 5.11.1 and 5.11.2.
 */
#ifndef KILN_STIRLING_H
#define KILN_STIRLING_H

#include "density.h"

#define PPL__HALF_LOG_TWO_PI 0.91893853320467274178

/* r(a), a > 0. */
static inline double ppl__stirling(double a)
{
    const double w = 1 / (a * a);
    double y;

    if (a < 10)
        return ppl_maths_lgamma_at(a) - (a - 0.5) * log(a) + a - PPL__HALF_LOG_TWO_PI;
    y = 1.0 / 1188 + w * (-691.0 / 360360 + w * (1.0 / 156));
    y = 1.0 / 1260 + w * (-1.0 / 1680 + w * y);
    return (1.0 / 12 + w * (-1.0 / 360 + w * y)) / a;
}

/* r'(a), a > 0. */
static inline double ppl__stirling_slope(double a)
{
    const double w = 1 / (a * a);
    double y;

    if (a < 10)
        return ppl_maths_digamma_at(a) - log(a) + 0.5 / a;
    y = -1.0 / 132 + w * (691.0 / 32760 + w * (-1.0 / 12));
    y = -1.0 / 252 + w * (1.0 / 240 + w * y);
    return w * (-1.0 / 12 + w * (1.0 / 120 + w * y));
}

/* log(1 + t) - t, t > -1. */
static inline double ppl__log1p_rest(double t)
{
    return fabs(t) <= 0.1 ? ppl__log1p_minus_f64(t) : log1p(t) - t;
}

/* log Gamma(a + step) - log Gamma(a) - step log a, a > 0, step >= 0: to 0 as a grows. */
static inline double ppl__lgamma_step(double a, double step)
{
    const double t = step / a;
    return a * ppl__log1p_rest(t) + (step - 0.5) * log1p(t) + ppl__stirling(a + step) -
           ppl__stirling(a);
}

/* psi(a + step) - psi(a) - step / a, likewise. */
static inline double ppl__digamma_step(double a, double step)
{
    return ppl__log1p_rest(step / a) + step / (2 * a * (a + step)) +
           ppl__stirling_slope(a + step) - ppl__stirling_slope(a);
}

/* log Gamma(p) - log Gamma(q) + (q - p) psi(q) >= 0: the KL of Gammas of one rate. By
 * p log(p/q) - (p - q) >= 0, (p - q)/q - log(p/q) >= 0 and what Stirling leaves over. */
static inline double ppl__gamma_divergence(double q, double p)
{
    const double t = (p - q) / q, log_ratio = log(p / q);

    return ppl__kl_share(p, q, log(p), log(q)) + ppl__excess_f64(t, log_ratio) / 2 +
           ppl__stirling(p) - ppl__stirling(q) + (q - p) * ppl__stirling_slope(q);
}

#endif
