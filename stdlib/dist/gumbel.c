/* SPDX-License-Identifier: MIT */
/*
 * gumbel.c - Gumbel(loc, scale) on the real line, scale > 0: of maxima, the tail is on
 * the right.
 *
 *   log p(x)   -z - e^-z - log scale,  z = (x - loc) / scale
 *   P(X <= x)  exp(-e^-z)
 *   mean loc + gamma scale, variance pi^2 / 6 scale^2, entropy 1 + gamma + log scale, with
 *              Euler's constant gamma
 *   KL(q||p)   gumbel_kl.h
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 22.
 */
#include "gumbel_kl.h"

#define STANDARD_ENTROPY (1 + PPL__EULER)
#define STANDARD_MEAN PPL__EULER
#define STANDARD_VARIANCE (PPL__PI * PPL__PI / 6)

static double standard_log_prob(double z)
{
    const double t = exp(-z);
    return isinf(t) ? -t : -z - t;
}

static double standard_score(double z)
{
    return expm1(-z);
}

static double standard_log_tail(int upper, double z)
{
    const double t = exp(-z);
    if (!upper)
        return -t;
    return t < 1e-9 ? -z - t / 2 : ppl__log1mexp(t);
}

static double standard_log_tail_slope(int upper, double z)
{
    const double t = exp(-z);
    if (!upper)
        return t;
    return t < 1e-300 ? -1 : t > 700 ? -t * exp(-t) : -t / expm1(t);
}

static double standard_quantile(int upper, double p)
{
    return upper ? -log(-log1p(-p)) : -log(-log(p));
}

#include "location_scale.h"

static double kl(double loc_q, double scale_q, double loc_p, double scale_p)
{
    return ppl__gumbel_kl(scale_q / scale_p, (scale_q - scale_p) / scale_p,
                          (loc_q - loc_p) / scale_p);
}

static double kl_slope(int input, double loc_q, double scale_q, double loc_p,
                       double scale_p)
{
    const double r = scale_q / scale_p, d = (loc_q - loc_p) / scale_p;

    switch (input) {
    case 0:
        return ppl__gumbel_kl_by_d(r, d) / scale_p;
    case 1:
        return ppl__gumbel_kl_by_r(r, d) / scale_p;
    case 2:
        return -ppl__gumbel_kl_by_d(r, d) / scale_p;
    }
    return -(r * ppl__gumbel_kl_by_r(r, d) + d * ppl__gumbel_kl_by_d(r, d)) / scale_p;
}

LOCATION_SCALE_OPERATIONS("gumbel")
PPL__KL(2, "gumbel")

ppl_dist *ppl_gumbel(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_gumbel, params, NULL);
}

const ppl_family ppl_family_gumbel = {
    .name = "gumbel",
    LOCATION_SCALE_ROW,
    .kl = kl_of,
};
