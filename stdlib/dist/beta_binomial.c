/* SPDX-License-Identifier: MIT */
/*
 * beta_binomial.c - BetaBinomial(concentration1 a, concentration0 b, total_count n) on the
 * counts 0 .. n: Binomial(n, p) where p is Beta(a, b).
 *
 *   log p(k)   log C(n,k) + log B(k + a, n - k + b) - log B(a, b)
 *   mean n a/s, variance n (a/s) (b/s) (s + n)/(s + 1), s = a + b
 *   entropy, cdf   sums of -p log p and of masses (strides.h); quantile by search
 *   draw       of the Binomial whose p is drawn, in logarithms as small a and b underflow
 *
 * Written as a quotient of three Binomial masses (counts.c), so that nothing cancels as a
 * and b grow and the Binomial is neared. total_count has no gradient.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 6.2.2.
 */
#include "counts.h"

enum { ONE, ZERO, TOTAL };                  /* the parameters */

static double log_mass(const ppl__count_dist *d, double k)
{
    return ppl__log_beta_binomial(k, d->param[TOTAL], d->param[ONE], d->param[ZERO]);
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const double n = d->param[TOTAL], s = d->param[ONE] + d->param[ZERO];

    return i == TOTAL ? 0
                      : ppl__digamma_difference(d->param[i], i == ONE ? k : n - k) -
                            ppl__digamma_difference(s, n);
}

static const ppl__count_kind kind;

/* Each tail by its own masses. */
static double cdf(const ppl__count_dist *d, double k, int upper)
{
    if (k >= d->param[TOTAL])
        return !upper;
    return upper ? ppl__count_masses(&kind, d, -1, k + 1, INFINITY)
                 : ppl__count_masses(&kind, d, -1, 0, k + 1);
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    const double s = d->param[ONE] + d->param[ZERO];

    *most = d->param[TOTAL];
    *mean = *most * (d->param[ONE] / s);
    *deviation = sqrt(*mean * (d->param[ZERO] / s) * (1 + (*most - 1) / (s + 1)));
}

/* By the masses of the side of k that is not the mean's. */
static double cdf_slope(const ppl__count_dist *d, double k, int i)
{
    double mean, deviation, most;

    spread(d, &mean, &deviation, &most);
    if (i == TOTAL || k >= most)
        return 0;
    return k < mean ? ppl__count_masses(&kind, d, i, 0, k + 1)
                    : -ppl__count_masses(&kind, d, i, k + 1, INFINITY);
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    double log_g[2];

    ppl_rng_gamma(rng, 1, element, d->param[ONE], &log_g[0]);
    ppl_rng_gamma(rng, 4, element, d->param[ZERO], &log_g[1]);
    const ppl__odds o = ppl__odds_of(1, log_g[0] - log_g[1]);
    return ppl__binomial_draw(rng, 0, element, d->param[TOTAL], o.p[1], o.p[0]);
}

static const ppl__count_kind kind = {
    0, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw
};

/* ---- Moments, values --------------------------------------------------------------- */

static ppl_tensor *share(const ppl_dist *d, int i)
{
    return ppl_div(d->param[i], ppl_add(d->param[ONE], d->param[ZERO]));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(ppl_to_float(d->param[TOTAL]), share(d, ONE));
}

/* (s + n) / (s + 1) as 1 + (n - 1) / (s + 1). */
static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *s = ppl_add(d->param[ONE], d->param[ZERO]);
    ppl_tensor *less = ppl_affine(ppl_to_float(d->param[TOTAL]), 1, -1);
    ppl_tensor *wider = ppl_affine(ppl_div(less, ppl_affine(s, 1, 1)), 1, 1);
    return ppl_mul(ppl_mul(mean(d), share(d, ZERO)), wider);
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    double n;
    return ppl__same_throughout(d, TOTAL, &n)
               ? ppl__integers_from(d->ctx, 0, ppl__count_of(n)) : NULL;
}

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)lower;
    *upper = d->param[TOTAL];
}

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_beta_binomial(ppl_tensor *concentration1, ppl_tensor *concentration0,
                            ppl_tensor *total_count)
{
    ppl_tensor *params[] = { concentration1, concentration0, total_count };
    return ppl_dist_make(&ppl_family_beta_binomial, params, &kind);
}

const ppl_family ppl_family_beta_binomial = {
    .name = "beta_binomial",
    .params = 3,
    .param_name = { "concentration1", "concentration0", "total_count" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive,
                          &ppl_constraint_nonnegative_integer },
    .param_dtype = { PPL_F32, PPL_F32, PPL_I64 },
    .support = &ppl_constraint_nonnegative_integer,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    PPL__COUNT_ROW,
    PPL__COUNT_CDF,
    .entropy = ppl__count_entropy,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
    .bounds = bounds,
};
