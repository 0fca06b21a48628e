/* SPDX-License-Identifier: MIT */
/*
 * laplace.c - Laplace(loc, scale) on the real line, scale > 0.
 *
 *   log p(x)   -|z| - log(2 scale),  z = (x - loc) / scale; its slope is 0 at loc
 *   P(X <= x)  e^z / 2 below loc, 1 - e^-z / 2 above
 *   mean loc, variance 2 scale^2, entropy 1 + log 2 + log scale
 *   KL(q||p)   (r - 1 - log r) + r (d - (1 - e^-d)),  r = scale_q / scale_p,
 *              d = |loc_q - loc_p| / scale_q
 *
 * The KL is regrouped so that both terms are at least 0.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 24.
 */
#include "pointwise.h"

#define STANDARD_ENTROPY (1 + PPL__LOG_TWO)
#define STANDARD_MEAN 0
#define STANDARD_VARIANCE 2

static double standard_log_prob(double z)
{
    return -fabs(z) - PPL__LOG_TWO;
}

static double standard_score(double z)
{
    return (z < 0) - (z > 0);
}

static double standard_log_tail(int upper, double z)
{
    z = upper ? -z : z;
    return z < 0 ? z - PPL__LOG_TWO : log1p(-exp(-z) / 2);
}

static double standard_log_tail_slope(int upper, double z)
{
    const double a = upper ? -z : z, slope = a < 0 ? 1 : exp(-a) / (2 - exp(-a));
    return upper ? -slope : slope;
}

static double standard_quantile(int upper, double p)
{
    const double z = p < 0.5 ? log(2 * p) : -log(2 * (1 - p));
    return upper ? -z : z;
}

#include "location_scale.h"

static double kl(double loc_q, double scale_q, double loc_p, double scale_p)
{
    const double r = scale_q / scale_p, t = (scale_q - scale_p) / scale_p;
    return ppl__excess_f64(t, log(r)) + r * ppl__lag(fabs(loc_q - loc_p) / scale_q);
}

static double kl_slope(int input, double loc_q, double scale_q, double loc_p,
                       double scale_p)
{
    const double r = scale_q / scale_p, t = (scale_q - scale_p) / scale_p;
    const double d = fabs(loc_q - loc_p) / scale_q, sign = loc_q < loc_p ? -1 : 1;

    switch (input) {
    case 0:
        return -sign * expm1(-d) / scale_p;
    case 1:
        return (t + r * (expm1(-d) + d * exp(-d))) / scale_q;
    case 2:
        return sign * expm1(-d) / scale_p;
    }
    return -(t + r * ppl__lag(d)) / scale_p;
}

LOCATION_SCALE_OPERATIONS("laplace")
PPL__KL(2, "laplace")

ppl_dist *ppl_laplace(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_laplace, params, NULL);
}

const ppl_family ppl_family_laplace = {
    .name = "laplace",
    LOCATION_SCALE_ROW,
    .kl = kl_of,
};
