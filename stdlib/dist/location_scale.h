/* SPDX-License-Identifier: MIT */
/*
 * location_scale.h - a family of x = loc + scale z from its standard member, that of z:
 *
 *   standard_log_prob(z), standard_score(z)        log density, and its derivative
 *   standard_log_tail(upper, z), .._slope          as log_tail of pointwise.h
 *   standard_quantile(upper, p)
 *   STANDARD_ENTROPY, STANDARD_MEAN, STANDARD_VARIANCE
 *
 * which the file defines before it includes this one; operations and row are at the end.
 */
#include "pointwise.h"

static double scaled_log_prob(double x, double loc, double scale)
{
    return standard_log_prob((x - loc) / scale);
}

static double log_prob_slope(int input, double x, double loc, double scale)
{
    const double z = (x - loc) / scale, slope = standard_score(z);
    return (input == 0 ? slope : input == 1 ? -slope : -1 - z * slope) / scale;
}

static double log_tail(int upper, double x, double loc, double scale)
{
    return standard_log_tail(upper, (x - loc) / scale);
}

static double log_tail_slope(int input, int upper, double x, double loc, double scale)
{
    const double z = (x - loc) / scale, slope = standard_log_tail_slope(upper, z) / scale;
    return input == 0 ? slope : input == 1 ? -slope : -z * slope;
}

static double quantile(int upper, double p, double loc, double scale)
{
    return loc + scale * standard_quantile(upper, p);
}

static double quantile_slope(int input, int upper, double p, double loc, double scale)
{
    const double z = standard_quantile(upper, p);
    (void)loc;
    return input == 0 ? scale / (p * standard_log_tail_slope(upper, z))
                      : input == 1 ? 1 : z;
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl_affine(ppl_log(d->param[1]), 1, STANDARD_ENTROPY);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_add(d->param[0], ppl_affine(d->param[1], STANDARD_MEAN, 0));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_affine(ppl_mul(d->param[1], d->param[1]), STANDARD_VARIANCE, 0);
}

#define LOCATION_SCALE_OPERATIONS(family)                                                \
    PPL__SCALED_LOG_PROB(2, family)                                                      \
    PPL__TAILS(2, family)                                                                \
    PPL__SLOPED_QUANTILES(2, family)                                                     \
    PPL__DRAWS_OF_SLOPED_QUANTILES(2, family)

#define LOCATION_SCALE_ROW                                                               \
    .params = 2, .param_name = { "loc", "scale" },                                       \
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive },              \
    .support = &ppl_constraint_real, .flags = PPL_REPARAM, .sample = sample,             \
    .log_prob = log_prob_at, .entropy = entropy, .mean = mean, .variance = variance,     \
    PPL__TAIL_FUNCTIONS, PPL__QUANTILE_FUNCTIONS
