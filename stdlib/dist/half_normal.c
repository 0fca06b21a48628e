/* SPDX-License-Identifier: MIT */
/*
 * half_normal.c - HalfNormal(scale) on x >= 0, scale > 0: |Normal(0, scale)|.
 *
 *   log p(x)   -z^2 / 2 - log scale + log(2 / pi) / 2,  z = x / scale
 *   P(X <= x)  erf(z / sqrt 2)
 *   mean sqrt(2 / pi) scale, variance (1 - 2 / pi) scale^2
 *   entropy    1/2 + log(pi / 2) / 2 + log scale
 *   draw       scale |eps|, eps standard normal
 *   KL(q||p)   that of the two Normals
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 13.
 */
#include "normal_tails.h"

#define HALF_LOG_HALF_PI 0.22579135264472743236

static double scaled_log_prob(double x, double scale)
{
    const double z = x / scale;
    return x < 0 ? -INFINITY : -z * z / 2 - HALF_LOG_HALF_PI;
}

static double log_prob_slope(int input, double x, double scale)
{
    const double z = x / scale;
    return x < 0 ? 0 : (input == 0 ? -z : z * z - 1) / scale;
}

static double log_tail(int upper, double x, double scale)
{
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    return ppl__half_normal_log_tail(upper, x / scale);
}

static double log_tail_slope(int input, int upper, double x, double scale)
{
    const double z = x / scale;
    if (x < 0)
        return 0;
    const double slope = ppl__half_normal_log_tail_slope(upper, z) / scale;
    return input == 0 ? slope : -z * slope;
}

static double quantile(int upper, double p, double scale)
{
    return scale * ppl__half_normal_quantile(upper, p);
}

static double draw(double eps, double scale)
{
    return scale * fabs(eps);
}

static double draw_slope(int input, double x, double eps, double scale)
{
    (void)input, (void)x, (void)scale;
    return fabs(eps);
}

static double kl(double scale_q, double scale_p)
{
    const double t = (scale_q - scale_p) / scale_p;
    return t * t / 2 + ppl__excess_f64(t, log(scale_q / scale_p));
}

static double kl_slope(int input, double scale_q, double scale_p)
{
    const double t = (scale_q - scale_p) / scale_p, excess = t * (2 + t);   /* r^2 - 1 */
    return input == 0 ? excess / scale_q : -excess / scale_p;
}

PPL__SCALED_LOG_PROB(1, "half_normal")
PPL__TAILS(1, "half_normal")
PPL__QUANTILES(1, "half_normal")
PPL__DRAWS(1, "half_normal", ppl_rng_normals)
PPL__KL(1, "half_normal")

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[0]), 1, 0.5 + HALF_LOG_HALF_PI);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_affine(d->param[0], sqrt(2 / PPL__PI), 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_affine(ppl_mul(d->param[0], d->param[0]), 1 - 2 / PPL__PI, 0);
}

ppl_dist *ppl_half_normal(ppl_tensor *scale)
{
    return ppl_dist_make(&ppl_family_half_normal, &scale, NULL);
}

const ppl_family ppl_family_half_normal = {
    .name = "half_normal",
    .params = 1,
    .param_name = { "scale" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
