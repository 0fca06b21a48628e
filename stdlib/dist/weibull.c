/* SPDX-License-Identifier: MIT */
/*
 * weibull.c - Weibull(scale, concentration k) on x >= 0, scale > 0, k > 0.
 *
 *   log p(x)   log(k / scale) + (k - 1) log(x / scale) - e,  e = (x / scale)^k; infinite at
 *              0 where k < 1
 *   P(X > x)   exp(-e)
 *   mean scale Gamma(1 + 1/k), variance scale^2 (Gamma(1 + 2/k) - Gamma(1 + 1/k)^2)
 *   entropy    gamma (1 - 1/k) + log(scale / k) + 1, with Euler's constant gamma
 *   KL(q||p)   gumbel_kl.h
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 21.
 */
#include "gumbel_kl.h"
#include "moment_gap.h"

static double log_prob(double x, double scale, double k)
{
    const double y = ppl__log_ratio(x, scale), power = k == 1 ? 0 : (k - 1) * y;
    if (!(x >= 0) || k * y >= INFINITY)             /* where power may be infinite as well */
        return ppl__outside(x);
    return log(k / scale) + power - exp(k * y);
}

static double log_prob_slope(int input, double x, double scale, double k)
{
    const double y = ppl__log_ratio(x, scale);
    if (!(x >= 0))
        return 0;
    if (input == 0)
        return k == 1 ? -1 / scale : (k - 1 - k * exp(k * y)) / x;
    return input == 1 ? k * expm1(k * y) / scale : 1 / k - y * expm1(k * y);
}

static double log_tail(int upper, double x, double scale, double k)
{
    const double e = exp(k * ppl__log_ratio(x, scale));
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    if (upper)
        return -e;
    return e < 1e-9 ? k * ppl__log_ratio(x, scale) - e / 2 : ppl__log1mexp(e);
}

static double log_tail_slope(int input, int upper, double x, double scale, double k)
{
    const double y = ppl__log_ratio(x, scale), e = exp(k * y);
    /* By log e: of log P(X > x) = -e, or of log P(X <= x) = log(1 - exp(-e)). */
    const double slope = upper ? -e : e < 1e-300 ? 1 : e * ppl__odds_beyond(e);
    if (x <= 0 || slope == 0)
        return 0;
    return slope * (input == 0 ? k / x : input == 1 ? -k / scale : y);
}

static double quantile(int upper, double p, double scale, double k)
{
    const double e = upper ? -log(p) : -log1p(-p);
    return scale * exp(log(e) / k);
}

static double mean(double scale, double k)
{
    return scale * exp(ppl__log_moment(1 / k, INFINITY));
}

static double mean_slope(int input, double scale, double k)
{
    const double m = mean(scale, k);
    return input == 0 ? m / scale : -m * ppl_maths_digamma_at(1 + 1 / k) / (k * k);
}

static double variance(double scale, double k)
{
    return scale * scale * exp(ppl__log_moment(2 / k, INFINITY)) *
           -expm1(-ppl__moment_gap(1 / k, INFINITY));
}

static double variance_slope(int input, double scale, double k)
{
    const double u = 1 / k, v = variance(scale, k);
    if (input == 0)
        return 2 * v / scale;
    return -u * u * (2 * ppl_maths_digamma_at(1 + u) * v +
                     scale * scale * exp(ppl__log_moment(2 * u, INFINITY)) *
                         ppl__moment_gap_by_u(u, INFINITY));
}

static double entropy(double scale, double k)
{
    return PPL__EULER * (1 - 1 / k) + log(scale / k) + 1;
}

static double entropy_slope(int input, double scale, double k)
{
    return input == 0 ? 1 / scale : (PPL__EULER / k - 1) / k;
}

static double kl(double scale_q, double k_q, double scale_p, double k_p)
{
    return ppl__gumbel_kl(k_p / k_q, (k_p - k_q) / k_q,
                          -k_p * ppl__log_ratio(scale_q, scale_p));
}

static double kl_slope(int input, double scale_q, double k_q, double scale_p, double k_p)
{
    const double r = k_p / k_q, y = ppl__log_ratio(scale_q, scale_p), d = -k_p * y;

    switch (input) {
    case 0:
        return -k_p / scale_q * ppl__gumbel_kl_by_d(r, d);
    case 1:
        return -r / k_q * ppl__gumbel_kl_by_r(r, d);
    case 2:
        return k_p / scale_p * ppl__gumbel_kl_by_d(r, d);
    }
    return ppl__gumbel_kl_by_r(r, d) / k_q - y * ppl__gumbel_kl_by_d(r, d);
}

PPL__LOG_PROB(2, "weibull")
PPL__TAILS(2, "weibull")
PPL__QUANTILES(2, "weibull")
PPL__DRAWS_OF_QUANTILES(2, "weibull")
PPL__MOMENT(2, "weibull", mean)
PPL__MOMENT(2, "weibull", variance)
PPL__MOMENT(2, "weibull", entropy)
PPL__KL(2, "weibull")

ppl_dist *ppl_weibull(ppl_tensor *scale, ppl_tensor *concentration)
{
    ppl_tensor *params[] = { scale, concentration };
    return ppl_dist_make(&ppl_family_weibull, params, NULL);
}

const ppl_family ppl_family_weibull = {
    .name = "weibull",
    .params = 2,
    .param_name = { "scale", "concentration" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
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
