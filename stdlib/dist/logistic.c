/* SPDX-License-Identifier: MIT */
/*
 * logistic.c - Logistic(loc, scale) on the real line, scale > 0.
 *
 *   log p(x)   -|z| - 2 log(1 + e^-|z|) - log scale,  z = (x - loc) / scale
 *   P(X <= x)  1 / (1 + e^-z)
 *   mean loc, variance pi^2 / 3 scale^2, entropy 2 + log scale
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 23.
 */
#include "pointwise.h"

#define STANDARD_ENTROPY 2
#define STANDARD_MEAN 0
#define STANDARD_VARIANCE (PPL__PI * PPL__PI / 3)

static double standard_log_prob(double z)
{
    const double a = fabs(z);
    return -a - 2 * log1p(exp(-a));
}

static double standard_score(double z)
{
    return -tanh(z / 2);
}

static double standard_log_tail(int upper, double z)
{
    z = upper ? -z : z;
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

static double standard_log_tail_slope(int upper, double z)
{
    return upper ? -1 / (1 + exp(-z)) : 1 / (1 + exp(z));
}

static double standard_quantile(int upper, double p)
{
    const double z = p > 0.25 && p < 0.75 ? log1p((2 * p - 1) / (1 - p))
                                          : log(p) - log1p(-p);
    return upper ? -z : z;
}

#include "location_scale.h"

LOCATION_SCALE_OPERATIONS("logistic")

ppl_dist *ppl_logistic(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_logistic, params, NULL);
}

const ppl_family ppl_family_logistic = {
    .name = "logistic",
    LOCATION_SCALE_ROW,
};
