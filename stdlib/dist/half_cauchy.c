/* SPDX-License-Identifier: MIT */
/*
 * half_cauchy.c - HalfCauchy(scale) on x >= 0, scale > 0: |Cauchy(0, scale)|.
 *
 *   log p(x)   log(2 / pi) - log scale - log(1 + z^2),  z = x / scale
 *   P(X <= x)  2/pi atan z
 *   mean and variance infinite, entropy log(2 pi) + log scale
 *   KL(q||p)   log(1 + (scale_q - scale_p)^2 / (4 scale_q scale_p)), that of the Cauchys
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 16.
 */
#include "pointwise.h"

#define LOG_TWO_OVER_PI -0.45158270528945486473

static double scaled_log_prob(double x, double scale)
{
    const double z = x / scale, far = z > 1e150 ? 2 * log(z) : log1p(z * z);
    return x < 0 ? -INFINITY : LOG_TWO_OVER_PI - far;
}

/* By x: -2 x / (x^2 + scale^2), with no square to overflow. */
static double log_prob_slope(int input, double x, double scale)
{
    if (x < 0)
        return 0;
    if (input == 0)
        return -2 / (x + scale * (scale / x));
    const double z = x / scale;
    return (2 / (1 + 1 / z / z) - 1) / scale;
}

static double log_tail(int upper, double x, double scale)
{
    const double z = x / scale;
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    if (upper)
        return z > 1 ? log(2 / PPL__PI * atan(1 / z)) : log1p(-2 / PPL__PI * atan(z));
    return z < 1 ? log(2 / PPL__PI * atan(z)) : log1p(-2 / PPL__PI * atan(1 / z));
}

static double log_tail_slope(int input, int upper, double x, double scale)
{
    const double z = x / scale, density = 1 / (1 + z * z);
    if (x < 0)
        return 0;
    const double slope = (upper ? -density / atan2(1, z) : density / atan(z)) / scale;
    return input == 0 ? slope : -z * slope;
}

static double quantile(int upper, double p, double scale)
{
    if (upper)
        return scale * (p < 0.5 ? 1 / tan(PPL__PI / 2 * p) : tan(PPL__PI / 2 * (1 - p)));
    return scale * (p < 0.5 ? tan(PPL__PI / 2 * p) : 1 / tan(PPL__PI / 2 * (1 - p)));
}

static double kl(double scale_q, double scale_p)
{
    const double t = (scale_q - scale_p) / scale_p;
    return log1p(t * t / (4 * (1 + t)));
}

static double kl_slope(int input, double scale_q, double scale_p)
{
    const double r = scale_q / scale_p, t = (scale_q - scale_p) / scale_p;
    return input == 0 ? t / (r * (1 + r)) / scale_p : -t / (1 + r) / scale_p;
}

PPL__SCALED_LOG_PROB(1, "half_cauchy")
PPL__TAILS(1, "half_cauchy")
PPL__QUANTILES(1, "half_cauchy")
PPL__DRAWS_OF_QUANTILES(1, "half_cauchy")
PPL__KL(1, "half_cauchy")

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[0]), 1, 2 * PPL__HALF_LOG_TWO_PI);
}

static ppl_tensor *infinity(const ppl_dist *d)
{
    return ppl_scalar(d->ctx, INFINITY);
}

ppl_dist *ppl_half_cauchy(ppl_tensor *scale)
{
    return ppl_dist_make(&ppl_family_half_cauchy, &scale, NULL);
}

const ppl_family ppl_family_half_cauchy = {
    .name = "half_cauchy",
    .params = 1,
    .param_name = { "scale" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy,
    .mean = infinity,
    .variance = infinity,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
