/* SPDX-License-Identifier: MIT */
/*
 * soft_laplace.c - SoftLaplace(loc, scale) on the real line, scale > 0: a Laplace whose
 * peak is smooth, also known as the hyperbolic secant distribution.
 *
 *   log p(x)   -log(pi cosh z) - log scale,  z = (x - loc) / scale
 *   P(X <= x)  2/pi atan(e^z)
 *   mean loc, variance pi^2 / 4 scale^2, entropy log(2 pi) + log scale
 *
 * Parameters as in pyro.distributions.SoftLaplace.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 23.11.
 */
#include "pointwise.h"

#define STANDARD_ENTROPY (2 * PPL__HALF_LOG_TWO_PI)
#define STANDARD_MEAN 0
#define STANDARD_VARIANCE (PPL__PI * PPL__PI / 4)

#define LOG_TWO_OVER_PI -0.45158270528945486473

static double standard_log_prob(double z)
{
    const double a = fabs(z);
    return LOG_TWO_OVER_PI - a - log1p(exp(-2 * a));
}

static double standard_score(double z)
{
    return -tanh(z);
}

static double standard_log_tail(int upper, double z)
{
    z = upper ? -z : z;
    if (z < -30)                            /* atan(e^z) = e^z */
        return z + LOG_TWO_OVER_PI;
    return z < 0 ? log(2 / PPL__PI * atan(exp(z))) : log1p(-2 / PPL__PI * atan(exp(-z)));
}

static double standard_log_tail_slope(int upper, double z)
{
    const double a = upper ? -z : z, e = exp(-fabs(a));
    const double angle = a < 0 ? atan(e) : PPL__PI / 2 - atan(e);
    const double slope = a < -30 ? 1 : e / ((1 + e * e) * angle);
    return upper ? -slope : slope;
}

static double standard_quantile(int upper, double p)
{
    const double z = p < 0.5 ? log(tan(PPL__PI / 2 * p)) : -log(tan(PPL__PI / 2 * (1 - p)));
    return upper ? -z : z;
}

#include "location_scale.h"

LOCATION_SCALE_OPERATIONS("soft_laplace")

ppl_dist *ppl_soft_laplace(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_soft_laplace, params, NULL);
}

const ppl_family ppl_family_soft_laplace = {
    .name = "soft_laplace",
    LOCATION_SCALE_ROW,
};
