/* SPDX-License-Identifier: MIT */
/*
 * gumbel_kl.h - the KL of two Gumbels, which is that of two Weibulls as well: log of a
 * Weibull(scale, concentration) is -Gumbel(-log scale, 1 / concentration).
 *
 * With r = scale_q / scale_p = 1 + t and d = (loc_q - loc_p) / scale_p,
 *
 *   KL = -log r + d + gamma t + e^-d Gamma(1 + r) - 1
 *      = (d - 1 + e^-d) + e^-d (Gamma(2 + t) - 1) + gamma t - log r
 *
 * Source: Bauckhage, Computing the Kullback-Leibler divergence between two Weibull
 * distributions, 2013.
 */
#ifndef KILN_GUMBEL_KL_H
#define KILN_GUMBEL_KL_H

#include "pointwise.h"

static inline double ppl__gumbel_kl(double r, double t, double d)
{
    const double log_gamma = ppl_maths_lgamma_at(1 + r);
    if (fabs(d) < 1 && fabs(t) < 1)
        return d + expm1(-d) + exp(-d) * expm1(log_gamma) + PPL__EULER * t - log(r);
    return d - 1 + exp(log_gamma - d) + PPL__EULER * t - log(r);
}

/* The derivatives in r and in d. */
static inline double ppl__gumbel_kl_by_r(double r, double d)
{
    return PPL__EULER - 1 / r +
           exp(ppl_maths_lgamma_at(1 + r) - d) * ppl_maths_digamma_at(1 + r);
}

static inline double ppl__gumbel_kl_by_d(double r, double d)
{
    return -expm1(ppl_maths_lgamma_at(1 + r) - d);
}

#endif
