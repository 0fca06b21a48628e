/* SPDX-License-Identifier: MIT */
/*
 * uniform.c - Uniform(low, high) on low <= x <= high.
 *
 *   log p(x)   -log(high - low), at both ends too; its slope in x is 0
 *   P(X <= x)  (x - low) / (high - low)
 *   mean (low + high) / 2, variance (high - low)^2 / 12, entropy log(high - low)
 *   KL(q||p)   log((high_p - low_p) / (high_q - low_q)) where p's interval covers q's,
 *              inf where it does not
 */
#include "pointwise.h"

static double log_prob(double x, double low, double high)
{
    return x >= low && x <= high ? -log(high - low) : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double low, double high)
{
    if (input == 0 || !(x >= low && x <= high))
        return 0;
    return (input == 1 ? 1 : -1) / (high - low);
}

static double log_tail(int upper, double x, double low, double high)
{
    const double below = (x - low) / (high - low), above = (high - x) / (high - low);
    if (x <= low || x >= high)
        return (x <= low) == upper ? 0 : -INFINITY;
    if (upper)
        return below < 0.5 ? log1p(-below) : log(above);
    return above < 0.5 ? log1p(-above) : log(below);
}

static double log_tail_slope(int input, int upper, double x, double low, double high)
{
    const double width = high - low;
    if (!(x >= low && x <= high))
        return 0;
    if (input == 0)
        return upper ? -1 / (high - x) : 1 / (x - low);
    if (input == 1)
        return upper ? 1 / width : -(high - x) / (x - low) / width;
    return upper ? (x - low) / (high - x) / width : -1 / width;
}

static double quantile(int upper, double p, double low, double high)
{
    const double from_low = upper ? 1 - p : p, from_high = upper ? p : 1 - p;
    return from_low < from_high ? low + from_low * (high - low)
                                : high - from_high * (high - low);
}

static double quantile_slope(int input, int upper, double p, double low, double high)
{
    if (input == 0)
        return upper ? low - high : high - low;
    return (input == 2) == upper ? 1 - p : p;
}

static double draw(double u, double low, double high)
{
    return quantile(0, u, low, high);
}

static double draw_slope(int input, double x, double u, double low, double high)
{
    (void)x, (void)low, (void)high;
    return input == 0 ? 1 - u : u;
}

static double kl(double low_q, double high_q, double low_p, double high_p)
{
    const double more = (low_q - low_p) + (high_p - high_q);
    if (low_q < low_p || high_q > high_p)
        return INFINITY;
    return log1p(more / (high_q - low_q));
}

static double kl_slope(int input, double low_q, double high_q, double low_p,
                       double high_p)
{
    if (low_q < low_p || high_q > high_p)
        return 0;
    return (input == 0 || input == 3 ? 1 : -1) /
           (input < 2 ? high_q - low_q : high_p - low_p);
}

PPL__LOG_PROB(2, "uniform")
PPL__TAILS(2, "uniform")
PPL__SLOPED_QUANTILES(2, "uniform")
PPL__DRAWS(2, "uniform", ppl_rng_uniforms)
PPL__KL(2, "uniform")

static ppl_tensor *width(const ppl_dist *d)
{
    return ppl_sub(d->param[1], d->param[0]);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_log(width(d));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_affine(ppl_add(d->param[0], d->param[1]), 0.5, 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_affine(ppl_mul(width(d), width(d)), 1.0 / 12, 0);
}

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    *lower = d->param[0];
    *upper = d->param[1];
}

ppl_dist *ppl_uniform(ppl_tensor *low, ppl_tensor *high)
{
    ppl_tensor *params[] = { low, high };
    return ppl_dist_make(&ppl_family_uniform, params, NULL);
}

const ppl_family ppl_family_uniform = {
    .name = "uniform",
    .params = 2,
    .param_name = { "low", "high" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_real },
    .ascending = 1,
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .kl = kl_of,
    .bounds = bounds,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
