/* SPDX-License-Identifier: MIT */
/*
 * stirling.h - what Stirling's formula leaves over: log Gamma and digamma of large numbers
 * without the terms that cancel in a density (a log a grows, the density does not).
 *
 *   log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + r(a)
 *   psi(a)       = log a - 1 / (2 a) + r'(a)
 *
 * Source: NIST Digital Library of Mathematical Functions, 5.11.1 and 5.11.2.
 */
#ifndef KILN_STIRLING_H
#define KILN_STIRLING_H

#include <kiln/maths.h>

#include <math.h>

#define PPL__HALF_LOG_TWO_PI 0.91893853320467274178

/* r(a), a > 0. */
static inline double ppl__stirling(double a)
{
    const double w = 1 / (a * a);
    double y;

    if (a < 10) {
        ppl_maths_lgamma(PPL_F64, 1, &a, &y);
        return y - (a - 0.5) * log(a) + a - PPL__HALF_LOG_TWO_PI;
    }
    y = 1.0 / 1188 + w * (-691.0 / 360360 + w * (1.0 / 156));
    y = 1.0 / 1260 + w * (-1.0 / 1680 + w * y);
    return (1.0 / 12 + w * (-1.0 / 360 + w * y)) / a;
}

/* r'(a), a > 0. */
static inline double ppl__stirling_slope(double a)
{
    const double w = 1 / (a * a);
    double y;

    if (a < 10) {
        ppl_maths_digamma(PPL_F64, 1, &a, &y);
        return y - log(a) + 0.5 / a;
    }
    y = -1.0 / 132 + w * (691.0 / 32760 + w * (-1.0 / 12));
    y = -1.0 / 252 + w * (1.0 / 240 + w * y);
    return w * (-1.0 / 12 + w * (1.0 / 120 + w * y));
}

#endif
