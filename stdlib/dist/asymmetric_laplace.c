/* SPDX-License-Identifier: MIT */
/*
 * asymmetric_laplace.c - AsymmetricLaplace(loc, scale, asymmetry k) on the real line, scale
 * > 0, k > 0: a Laplace whose left side is of scale k scale, its right of scale / k.
 *
 *   log p(x)   -k z above loc, z / k below, minus log(scale (k + 1/k)),  z = (x - loc) / scale
 *   P(X <= x)  e^(z/k) / (1 + k^-2) below loc;  P(X > x) = e^(-k z) / (1 + k^2) above
 *   mean loc + scale (1/k - k), variance scale^2 (k^2 + k^-2)
 *   entropy    1 + log(scale (k + 1/k))
 *   KL(q||p)   log(T_p / T_q) + E_q (x - loc_p)+ / r_p + E_q (loc_p - x)+ / l_p - 1, with
 *              the scales l = k scale of the left and r = scale / k of the right, T = l + r
 *
 * Parameters as in pyro.distributions.AsymmetricLaplace.
 * Source: Kotz, Kozubowski, Podgorski, The Laplace Distribution and Generalizations, 2001,
 * chapter 3.
 */
#include "pointwise.h"

/* log(1 + k^2), for k beyond the range of its square as well. */
static double log1p_square(double k)
{
    return k > 1e8 ? 2 * log(k) : log1p(k * k);
}

static double log_prob(double x, double loc, double scale, double k)
{
    const double z = (x - loc) / scale;
    return (z < 0 ? z / k : -z * k) - log(scale) - (log1p_square(k) - log(k));
}

static double log_prob_slope(int input, double x, double loc, double scale, double k)
{
    const double z = (x - loc) / scale, slope = z < 0 ? 1 / k : z > 0 ? -k : 0;

    switch (input) {
    case 0:
        return slope / scale;
    case 1:
        return -slope / scale;
    case 2:
        return -(1 + z * slope) / scale;
    }
    return (1 / k - k) / (1 + k * k) - (z < 0 ? z / (k * k) : z);
}

/* z and k as they are seen from the side that `upper` asks about: below 0, log P(X <= x) =
 * z / k - log(1 + k^-2); above, the rest of a tail of weight 1 / (1 + k^2). */
static double log_tail(int upper, double x, double loc, double scale, double k)
{
    const double z = (upper ? -1 : 1) * (x - loc) / scale, a = upper ? 1 / k : k;
    if (z < 0)
        return z / a - log1p_square(1 / a);
    const double beyond = exp(-z * a - log1p_square(a));
    return beyond < 0.5 ? log1p(-beyond)
                        : log(a * a - expm1(-z * a)) - log1p_square(a);
}

static double log_tail_slope(int input, int upper, double x, double loc, double scale,
                             double k)
{
    const double z = (x - loc) / scale;
    const int natural = (z < 0) != upper;       /* which tail is an exponential */
    const double slope = z < 0 ? 1 / k : -k;    /* its derivative by z */
    const double factor = natural ? 1 : -exp(log_tail(!upper, x, loc, scale, k) -
                                             log_tail(upper, x, loc, scale, k));
    switch (input) {
    case 0:
        return factor * slope / scale;
    case 1:
        return -factor * slope / scale;
    case 2:
        return -factor * z * slope / scale;
    }
    return factor * (z < 0 ? 2 / (k * (1 + k * k)) - z / (k * k) : -2 / (k + 1 / k) - z);
}

static double quantile(int upper, double p, double loc, double scale, double k)
{
    const double a = upper ? 1 / k : k, log_p = log(p) + log1p_square(1 / a);
    const double z = log_p <= 0 ? a * log_p : -(log1p(-p) + log1p_square(a)) / a;
    return loc + scale * (upper ? -z : z);
}

static double mean(double loc, double scale, double k)
{
    return loc + scale * (1 / k - k);
}

static double mean_slope(int input, double loc, double scale, double k)
{
    (void)loc;
    return input == 0 ? 1 : input == 1 ? 1 / k - k : -scale * (1 + 1 / (k * k));
}

static double variance(double loc, double scale, double k)
{
    (void)loc;
    return scale * scale * (k * k + 1 / (k * k));
}

static double variance_slope(int input, double loc, double scale, double k)
{
    if (input == 0)
        return 0;
    return input == 1 ? 2 * variance(loc, scale, k) / scale
                      : 2 * scale * scale * (k - 1 / (k * k * k));
}

static double entropy(double loc, double scale, double k)
{
    (void)loc;
    return 1 + log(scale) + log1p_square(k) - log(k);
}

static double entropy_slope(int input, double loc, double scale, double k)
{
    (void)loc;
    return input == 0 ? 0 : input == 1 ? 1 / scale : (k - 1 / k) / (1 + k * k);
}

/* ---- KL ---------------------------------------------------------------------------- */

/* The scales of both, on the side where p's peak lies from q's (r) and on the other (l). */
typedef struct sides {
    int mirrored;                           /* p's peak lies to the left */
    double d, l_q, r_q, l_p, r_p;           /* d: between the peaks */
    double total, w_l, w_r;                 /* l_q + r_q, and their shares of it */
} sides;

static sides make_sides(double loc_q, double scale_q, double k_q, double loc_p,
                        double scale_p, double k_p)
{
    sides s = { .mirrored = loc_p < loc_q, .d = fabs(loc_p - loc_q) };

    s.l_q = s.mirrored ? scale_q / k_q : scale_q * k_q;
    s.r_q = s.mirrored ? scale_q * k_q : scale_q / k_q;
    s.l_p = s.mirrored ? scale_p / k_p : scale_p * k_p;
    s.r_p = s.mirrored ? scale_p * k_p : scale_p / k_p;
    s.total = s.l_q + s.r_q;
    s.w_l = s.l_q / s.total;
    s.w_r = s.r_q / s.total;
    return s;
}

/* Regrouped: with a = r_q / r_p, b = l_q / l_p and u = d / r_q, what is left of each side's
 * scale and of the weights of sides, and what the distance adds. */
static double kl(double loc_q, double scale_q, double k_q, double loc_p, double scale_p,
                 double k_p)
{
    const sides s = make_sides(loc_q, scale_q, k_q, loc_p, scale_p, k_p);
    const double a = s.r_q / s.r_p, b = s.l_q / s.l_p, u = s.d / s.r_q;
    const double log_a = ppl__log_ratio(s.r_q, s.r_p);
    const double log_b = ppl__log_ratio(s.l_q, s.l_p);
    const double wider = s.w_r * ((s.r_p - s.r_q) / s.r_q) +
                         s.w_l * ((s.l_p - s.l_q) / s.l_q);

    return s.w_r * ppl__excess_f64((s.r_q - s.r_p) / s.r_p, log_a) +
           s.w_l * ppl__excess_f64((s.l_q - s.l_p) / s.l_p, log_b) +
           (s.w_r * log_a + s.w_l * log_b + log1p(wider)) +
           s.w_r * (u * (b - a) + (a + s.r_q / s.l_p) * ppl__lag(u));
}

/* By the scales of the sides, from E_q of what lies beyond loc_p (far) and before (near). */
static double kl_slope(int input, double loc_q, double scale_q, double k_q, double loc_p,
                       double scale_p, double k_p)
{
    const sides s = make_sides(loc_q, scale_q, k_q, loc_p, scale_p, k_p);
    const double u = s.d / s.r_q, fall = exp(-u), far = s.r_q * s.w_r * fall;
    const double near = s.l_q * s.w_l + s.r_q * (s.w_l * u + s.w_r * ppl__lag(u));
    const double both = 1 / s.r_p + 1 / s.l_p, sign = s.mirrored ? -1 : 1;
    const double by_d = 1 / s.l_p - s.w_r * fall * both;
    const int of_p = input > 2;
    const double scale = of_p ? scale_p : scale_q, k = of_p ? k_p : k_q;
    double by_r, by_l;

    if (input == 0 || input == 3)
        return (input == 3 ? sign : -sign) * by_d;
    if (of_p) {
        by_r = 1 / (s.l_p + s.r_p) - far / s.r_p / s.r_p;
        by_l = 1 / (s.l_p + s.r_p) - near / s.l_p / s.l_p;
    } else {
        by_r = -1 / s.total - 1 / s.l_p +
               both * (fall * (2 * s.w_r + s.d / s.total) - far / s.total);
        by_l = -1 / s.total + 1 / s.l_p - both * far / s.total;
    }
    const double right = s.mirrored ? by_l : by_r, left = s.mirrored ? by_r : by_l;
    return input % 3 == 1 ? left * k + right / k : scale * (left - right / k / k);
}

PPL__LOG_PROB(3, "asymmetric_laplace")
PPL__TAILS(3, "asymmetric_laplace")
PPL__QUANTILES(3, "asymmetric_laplace")
PPL__DRAWS_OF_QUANTILES(3, "asymmetric_laplace")
PPL__MOMENT(3, "asymmetric_laplace", mean)
PPL__MOMENT(3, "asymmetric_laplace", variance)
PPL__MOMENT(3, "asymmetric_laplace", entropy)
PPL__KL(3, "asymmetric_laplace")

ppl_dist *ppl_asymmetric_laplace(ppl_tensor *loc, ppl_tensor *scale, ppl_tensor *asymmetry)
{
    ppl_tensor *params[] = { loc, scale, asymmetry };
    return ppl_dist_make(&ppl_family_asymmetric_laplace, params, NULL);
}

const ppl_family ppl_family_asymmetric_laplace = {
    .name = "asymmetric_laplace",
    .params = 3,
    .param_name = { "loc", "scale", "asymmetry" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_positive,
                          &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
