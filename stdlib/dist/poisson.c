/* SPDX-License-Identifier: MIT */
/*
 * poisson.c - Poisson(rate r) on the counts 0, 1, 2, ..; r >= 0.
 *
 *   log p(k)   k log r - r - log k!
 *   mean r, variance r; entropy by the sum of -p log p
 *   cdf        Q(k + 1, r), the regularised upper incomplete gamma function; survival P
 *   quantile   by search
 *   KL(q||p)   q log(q / p) - q + p, of the rates
 *
 * Rate 0 has all its mass at 0. Beyond rates of 2^53 counts are multiples of powers of 2.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 4.
 */
#include "counts.h"

static double log_mass(const ppl__count_dist *d, double k)
{
    return ppl__log_poisson(k, d->param[0]);
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const double rate = d->param[i];

    return k == 0 ? -1 : (k - rate) / rate;
}

static double cdf(const ppl__count_dist *d, double k, int upper)
{
    return upper ? ppl_maths_gamma_p(k + 1, d->param[0])
                 : ppl_maths_gamma_q(k + 1, d->param[0]);
}

static double cdf_slope(const ppl__count_dist *d, double k, int i)
{
    return -exp(ppl__log_poisson(k, d->param[i]));
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    *mean = d->param[0];
    *deviation = sqrt(d->param[0]);
    *most = INFINITY;
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    return ppl__poisson_draw(rng, 0, element, d->param[0]);
}

static const ppl__count_kind kind = {
    0, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw
};

/* ---- KL ---------------------------------------------------------------------------- */

static void kl_value(const ppl__span *s, void *out)
{
    const double *q = s->in[0], *p = s->in[1];
    double *y = out;

    for (size_t i = 0; i < s->n; i++)
        y[i] = ppl__kl_share(q[i], p[i], log(q[i]), log(p[i]));
}

static void kl_slope(const ppl__span *s, int input, void *slope)
{
    const double *q = s->in[0], *p = s->in[1];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const double t = p[i] - q[i];
        if (t == 0)
            d[i] = 0;
        else if (input == 1)
            d[i] = t / p[i];
        else
            d[i] = fabs(t) < 0.1 * q[i] ? -log1p(t / q[i]) : log(q[i]) - log(p[i]);
    }
}

static const ppl__formula kl_formula = PPL__IN_DOUBLE(2, kl_value, kl_slope);
PPL__FORMULA_OP(kl_op, "poisson kl", kl_formula)

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return ppl_apply(&kl_op, in, 2, NULL, 0);
}

/* ---- Row --------------------------------------------------------------------------- */

static ppl_tensor *rate_of(const ppl_dist *d)
{
    return d->param[0];
}

ppl_dist *ppl_poisson(ppl_tensor *rate)
{
    return ppl_dist_make(&ppl_family_poisson, &rate, &kind);
}

const ppl_family ppl_family_poisson = {
    .name = "poisson",
    .params = 1,
    .param_name = { "rate" },
    .param_constraint = { &ppl_constraint_nonnegative },
    .support = &ppl_constraint_nonnegative_integer,
    .flags = PPL_DISCRETE,
    .mean = rate_of,
    .entropy = ppl__count_entropy,
    .variance = rate_of,
    .kl = kl,
    PPL__COUNT_ROW,
    PPL__COUNT_CDF,
};
