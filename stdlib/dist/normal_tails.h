/* SPDX-License-Identifier: MIT */
/*
 * normal_tails.h - the tails of the standard normal Z and of |Z| as functions for
 * pointwise.h: log P(Z > z) if `upper`, else log P(Z <= z), and the same of |Z|; their
 * derivatives; their inverses.
 */
#ifndef KILN_NORMAL_TAILS_H
#define KILN_NORMAL_TAILS_H

#include "pointwise.h"

/* density / P(Z > z). Far out it is z over 1 - 1/z^2 + 3/z^4 - 15/z^6 + .. (Abramowitz,
 * Stegun 26.2.12), as the logarithms there would cancel. */
static inline double ppl__normal_hazard(double z)
{
    const double w = 1 / (z * z);
    if (z > 50)
        return z / (1 - w * (1 - w * (3 - w * (15 - w * 105))));
    return exp(-z * z / 2 - PPL__HALF_LOG_TWO_PI - ppl_maths_log_ndtr_at(-z));
}

static inline double ppl__normal_log_tail(int upper, double z)
{
    return ppl_maths_log_ndtr_at(upper ? -z : z);
}

static inline double ppl__normal_log_tail_slope(int upper, double z)
{
    return upper ? -ppl__normal_hazard(z) : ppl__normal_hazard(-z);
}

static inline double ppl__normal_quantile(int upper, double p)
{
    return upper ? -ppl_maths_ndtri_at(p) : ppl_maths_ndtri_at(p);
}

static inline double ppl__half_normal_log_tail(int upper, double z)
{
    if (upper)
        return z < 0.5 ? log1p(-ppl_maths_erf_at(z * PPL__SQRT_HALF))
                       : PPL__LOG_TWO + ppl_maths_log_ndtr_at(-z);
    return z < 1 ? log(ppl_maths_erf_at(z * PPL__SQRT_HALF))
                 : log1p(-ppl_maths_erfc_at(z * PPL__SQRT_HALF));
}

static inline double ppl__half_normal_log_tail_slope(int upper, double z)
{
    if (upper)
        return -ppl__normal_hazard(z);
    return exp(PPL__LOG_TWO - z * z / 2 - PPL__HALF_LOG_TWO_PI) /
           ppl_maths_erf_at(z * PPL__SQRT_HALF);
}

static inline double ppl__half_normal_quantile(int upper, double p)
{
    return upper ? -ppl_maths_ndtri_at(p / 2) : ppl_maths_erfinv_at(p) / PPL__SQRT_HALF;
}

/* A Normal given low <= x <= high, its TruncatedNormal (truncated_normal.c). */
ppl_dist *ppl__truncate_normal(const ppl_dist *d, ppl_tensor *low, ppl_tensor *high);

#endif
