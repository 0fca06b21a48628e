/* SPDX-License-Identifier: MIT */
/*
 * log_normal.c - LogNormal(loc, scale) on x > 0, scale > 0: exp of Normal(loc, scale).
 *
 *   log p(x)   -z^2 / 2 - log scale - log(2 pi) / 2 - log x,  z = (log x - loc) / scale
 *   mean exp(loc + scale^2 / 2), variance (e^(scale^2) - 1) mean^2
 *   entropy    loc + 1/2 + log(2 pi) / 2 + log scale
 *   draw       exp(loc + scale eps), eps standard normal
 *   KL(q||p)   that of the two Normals
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 14.
 */
#include "normal_tails.h"

static double scaled_log_prob(double x, double loc, double scale)
{
    const double log_x = log(x), z = (log_x - loc) / scale;
    return x > 0 ? -z * z / 2 - PPL__HALF_LOG_TWO_PI - log_x : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double loc, double scale)
{
    const double z = (log(x) - loc) / scale;
    if (!(x > 0))
        return 0;
    return input == 0 ? -(1 + z / scale) / x : (input == 1 ? z : z * z - 1) / scale;
}

static double log_tail(int upper, double x, double loc, double scale)
{
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    return ppl__normal_log_tail(upper, (log(x) - loc) / scale);
}

static double log_tail_slope(int input, int upper, double x, double loc, double scale)
{
    const double z = (log(x) - loc) / scale;
    if (x <= 0)
        return 0;
    const double slope = ppl__normal_log_tail_slope(upper, z) / scale;
    return input == 0 ? slope / x : input == 1 ? -slope : -z * slope;
}

static double quantile(int upper, double p, double loc, double scale)
{
    return exp(loc + scale * ppl__normal_quantile(upper, p));
}

static double draw(double eps, double loc, double scale)
{
    return exp(loc + scale * eps);
}

static double draw_slope(int input, double x, double eps, double loc, double scale)
{
    (void)loc, (void)scale;
    return input == 0 ? x : x * eps;
}

static double mean(double loc, double scale)
{
    return exp(loc + scale * scale / 2);
}

static double mean_slope(int input, double loc, double scale)
{
    return (input == 0 ? 1 : scale) * mean(loc, scale);
}

static double variance(double loc, double scale)
{
    return expm1(scale * scale) * exp(2 * loc + scale * scale);
}

static double variance_slope(int input, double loc, double scale)
{
    const double square = scale * scale;
    return input == 0 ? 2 * variance(loc, scale)
                      : 2 * scale * exp(2 * loc + square) * (2 * expm1(square) + 1);
}

PPL__SCALED_LOG_PROB(2, "log_normal")
PPL__TAILS(2, "log_normal")
PPL__QUANTILES(2, "log_normal")
PPL__DRAWS(2, "log_normal", ppl_rng_normals)
PPL__MOMENT(2, "log_normal", mean)
PPL__MOMENT(2, "log_normal", variance)

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_add(d->param[0], ppl_entropy(ppl_normal(d->param[0], d->param[1])));
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl_family_normal.kl(q, p);
}

ppl_dist *ppl_log_normal(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_log_normal, params, NULL);
}

const ppl_family ppl_family_log_normal = {
    .name = "log_normal",
    .params = 2,
    .param_name = { "loc", "scale" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },
    .support = &ppl_constraint_positive,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
