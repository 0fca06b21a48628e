/* SPDX-License-Identifier: MIT */
/*
 * cauchy.c - Cauchy(loc, scale) on the real line, scale > 0.
 *
 *   log p(x)   -log pi - log scale - log(1 + z^2),  z = (x - loc) / scale
 *   P(X <= x)  atan2(1, -z) / pi
 *   mean and variance do not exist: NaN; entropy log(4 pi) + log scale
 *   KL(q||p)   log(1 + ((scale_q - scale_p)^2 + (loc_q - loc_p)^2) / (4 scale_q scale_p))
 *
 * Sources: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 16; the KL: Chyzak, Nielsen, A closed-form formula for the Kullback-Leibler
 * divergence between Cauchy distributions, 2019.
 */
#include "pointwise.h"

#define STANDARD_ENTROPY 2.5310242469692907930      /* log(4 pi) */
#define STANDARD_MEAN NAN
#define STANDARD_VARIANCE NAN

static double standard_log_prob(double z)
{
    const double a = fabs(z);
    return -1.1447298858494001741 - (a > 1e150 ? 2 * log(a) : log1p(z * z));
}

static double standard_score(double z)
{
    return -2 / (z + 1 / z);
}

static double standard_log_tail(int upper, double z)
{
    z = upper ? -z : z;
    return z < 0 ? log(atan2(1, -z) / PPL__PI) : log1p(-atan2(1, z) / PPL__PI);
}

static double standard_log_tail_slope(int upper, double z)
{
    const double density = 1 / (1 + z * z);
    return upper ? -density / atan2(1, z) : density / atan2(1, -z);
}

static double standard_quantile(int upper, double p)
{
    const double z = p < 0.5 ? -1 / tan(PPL__PI * p) : 1 / tan(PPL__PI * (1 - p));
    return upper ? -z : z;
}

#include "location_scale.h"

/* Of r = scale_q / scale_p and the difference of the locs in units of scale_p: with t = r
 * - 1, log(1 + (t^2 + z^2) / (4 r)). */
static double kl(double loc_q, double scale_q, double loc_p, double scale_p)
{
    const double r = scale_q / scale_p, t = (scale_q - scale_p) / scale_p;
    const double z = (loc_q - loc_p) / scale_p;
    return log1p((t * t + z * z) / (4 * r));
}

static double kl_slope(int input, double loc_q, double scale_q, double loc_p,
                       double scale_p)
{
    const double r = scale_q / scale_p, t = (scale_q - scale_p) / scale_p;
    const double z = (loc_q - loc_p) / scale_p;
    const double by_z = 2 * z / ((1 + r) * (1 + r) + z * z);
    const double by_r = (t * (1 + r) - z * z) / (r * ((1 + r) * (1 + r) + z * z));

    switch (input) {
    case 0:
        return by_z / scale_p;
    case 1:
        return by_r / scale_p;
    case 2:
        return -by_z / scale_p;
    }
    return -(by_z * z + by_r * r) / scale_p;
}

LOCATION_SCALE_OPERATIONS("cauchy")
PPL__KL(2, "cauchy")

ppl_dist *ppl_cauchy(ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { loc, scale };
    return ppl_dist_make(&ppl_family_cauchy, params, NULL);
}

const ppl_family ppl_family_cauchy = {
    .name = "cauchy",
    LOCATION_SCALE_ROW,
    .kl = kl_of,
};
