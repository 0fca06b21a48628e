/* SPDX-License-Identifier: MIT */
/*
 * gumbel_kl.h - the KL of two Gumbels, which is that of two Weibulls as well: log of a
 * Weibull(scale, concentration) is -Gumbel(-log scale, 1 / concentration).
 *
 * With r = scale_q / scale_p = 1 + t and d = (loc_q - loc_p) / scale_p,
 *
 *   KL = -log r + d + gamma t + e^-d Gamma(1 + r) - 1
 *      = (e^x - 1 - x) + L + (t - log r), L = log Gamma(2 + t) - psi(2) t, x = L + psi(2) t - d,
 *
 * three terms of which none is negative, psi(2) = 1 - gamma.
 *
 * Source: Bauckhage, Computing the Kullback-Leibler divergence between two Weibull
 * distributions, 2013.
 */
#ifndef KILN_GUMBEL_KL_H
#define KILN_GUMBEL_KL_H

#include "pointwise.h"
#include "stirling.h"

static inline double ppl__gumbel_kl(double r, double t, double d)
{
    const double convex = ppl__gamma_divergence(2, 1 + r);
    const double x = convex + (1 - PPL__EULER) * t - d;
    return ppl__excess_f64(expm1(x), x) + convex + ppl__excess_f64(t, log(r));
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
