/* SPDX-License-Identifier: MIT */
/*
 * levy.c - Levy(loc, scale c) on x > loc, c > 0: loc + c / Z^2 with Z standard normal, the
 * stable distribution of stability 1/2 and skew 1.
 *
 *   log p(x)   log(c / (2 pi)) / 2 - 3/2 log(x - loc) - c / (2 (x - loc))
 *   P(X <= x)  P(|Z| > z),  z = sqrt(c / (x - loc))
 *   mean and variance infinite, entropy (1 + 3 gamma + log(16 pi)) / 2 + log c, with Euler's
 *              constant gamma
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 15 (the inverse Gaussian's limit).
 */
#include "normal_tails.h"

static double log_prob(double x, double loc, double scale)
{
    const double y = x - loc;
    return y > 0 ? log(scale) / 2 - PPL__HALF_LOG_TWO_PI - 1.5 * log(y) - scale / y / 2
                 : ppl__outside(y);
}

static double log_prob_slope(int input, double x, double loc, double scale)
{
    const double y = x - loc, slope = (scale / y - 3) / (2 * y);
    if (!(y > 0))
        return 0;
    return input == 0 ? slope : input == 1 ? -slope : (1 / scale - 1 / y) / 2;
}

static double log_tail(int upper, double x, double loc, double scale)
{
    if (x <= loc)
        return upper ? 0 : -INFINITY;
    return ppl__half_normal_log_tail(!upper, sqrt(scale / (x - loc)));
}

static double log_tail_slope(int input, int upper, double x, double loc, double scale)
{
    const double y = x - loc, z = sqrt(scale / y);
    if (!(y > 0))
        return 0;
    const double slope = ppl__half_normal_log_tail_slope(!upper, z) * z / 2;  /* by log z^2 */
    return slope * (input == 0 ? -1 / y : input == 1 ? 1 / y : 1 / scale);
}

static double quantile(int upper, double p, double loc, double scale)
{
    const double z = ppl__half_normal_quantile(!upper, p);
    return loc + scale / (z * z);
}

PPL__LOG_PROB(2, "levy")
PPL__TAILS(2, "levy")
PPL__QUANTILES(2, "levy")
PPL__DRAWS_OF_QUANTILES(2, "levy")

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[1]), 1,
                      (1 + 3 * PPL__EULER + log(16 * PPL__PI)) / 2);
}

static ppl_tensor *infinity(const ppl_dist *d)
{
    return ppl_scalar(d->ctx, INFINITY);
}

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)upper;
    *lower = d->param[0];
}

ppl_dist *ppl_levy(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_levy, params, NULL);
}

const ppl_family ppl_family_levy = {
    .name = "levy",
    .params = 2,
    .param_name = { "loc", "scale" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy,
    .mean = infinity,
    .variance = infinity,
    .bounds = bounds,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
