/* SPDX-License-Identifier: MIT */
/*
 * negative_binomial.c - NegativeBinomial on the counts 0, 1, 2, .. of successes, each of
 * probability p, before r failures, for real r > 0; the same as a Poisson whose rate is
 * Gamma(r, rate b) with b = q/p, q = 1 - p. Four parameterisations:
 *
 *   total_count r, probs p          0 <= p < 1
 *   total_count r, logits           p = sigmoid(logits)
 *   mean m, concentration r         p = m / (r + m)
 *   concentration r, rate b         p = 1 / (1 + b): GammaPoisson
 *
 *   log p(k)   log Gamma(r + k) - log Gamma(r) - log k! + k log p + r log q
 *   mean r p/q, variance r p/q^2; entropy by the sum of -p log p
 *   cdf        I_q(r, k + 1), the regularised incomplete beta function
 *   quantile   by search
 *   draw       of the Poisson whose rate is drawn, in logarithms as small r underflow
 *
 * p = 1 is allowed and has no mass at any count. With d = (r + k) p - k the derivatives are -d in the logit and, in r, log(1 - d/r) and
 * what Stirling's formula leaves over; neither cancels as r grows and Poisson is neared.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 5.
 */
#include "counts.h"
#include "stirling.h"

enum { PROBS, LOGITS, MEAN, RATE };

/* Which parameter is r, and which is the other. */
static int shape_of(int form) { return form == MEAN; }
static int other_of(int form) { return form != MEAN; }

/* Parameters that make a distribution, in the terms of the formulas. */
typedef struct terms {
    double r, p, q, log_p, log_q;
    double logit_slope[2];              /* of log(p/q), by parameter */
} terms;

static terms terms_of(const ppl__count_dist *d)
{
    const double r = d->param[shape_of(d->form)], x = d->param[other_of(d->form)];
    terms t = { .r = r };

    if (d->form == PROBS || d->form == LOGITS) {
        const ppl__odds o = ppl__odds_of(d->form == LOGITS, x);
        t.p = o.p[1], t.q = o.p[0], t.log_p = o.log_p[1], t.log_q = o.log_p[0];
        t.logit_slope[1] = d->form == LOGITS ? 1 : 1 / t.p / t.q;
        return t;
    }
    /* p/q = m/r, or 1/b. */
    const double success = d->form == MEAN ? x : 1, failure = d->form == MEAN ? r : x;
    t.p = success / (success + failure);
    t.q = failure / (success + failure);
    t.log_p = -log1p(failure / success);
    t.log_q = -log1p(success / failure);
    t.logit_slope[0] = d->form == MEAN ? 1 / x : 0;
    t.logit_slope[1] = d->form == MEAN ? -1 / r : -1 / x;
    return t;
}

/* r p - k q. */
static double excess(const terms *t, double k)
{
    return t->r * t->p - k * t->q;
}

static double log_mass_of(const terms *t, double k)
{
    if (k < 0)
        return -INFINITY;
    if (k == 0)
        return t->r * t->log_q;
    return ppl__log_binomial(k, t->r, -excess(t, k), t->log_p, t->log_q) -
           log1p(k / t->r);
}

static double log_mass(const ppl__count_dist *d, double k)
{
    const terms t = terms_of(d);

    return log_mass_of(&t, k);
}

/* psi(r + k) - psi(r) + log q. */
static double slope_in_r(const terms *t, double k)
{
    if (t->r < 10)
        return ppl__digamma_difference(t->r, k) + t->log_q;
    return log1p(-excess(t, k) / t->r) + k / t->r / (t->r + k) / 2 +
           ppl__stirling_slope(t->r + k) - ppl__stirling_slope(t->r);
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const terms t = terms_of(d);
    const double by_logit = -excess(&t, k);

    if (i != shape_of(d->form))
        return k == 0 && d->form == PROBS ? -t.r / t.q : by_logit * t.logit_slope[i];
    return slope_in_r(&t, k) + by_logit * t.logit_slope[i];
}

/* The sum of the masses above k: for r so small that all but the mass of 0 is rounding. */
static double sum_above(const terms *t, double k)
{
    double sum = 0, mass = 1;

    for (k++; mass > 1e-17 * sum; k++)
        sum += mass = exp(log_mass_of(t, k));
    return sum;
}

static double cdf(const ppl__count_dist *d, double k, int upper)
{
    const terms t = terms_of(d);

    if (upper && t.r < 1e-6 && t.log_p < -1e-3)
        return sum_above(&t, k);
    return upper ? ppl_maths_beta_i_split(k + 1, t.r, t.p, t.q)
                 : ppl_maths_beta_i_split(t.r, k + 1, t.q, t.p);
}

/* d I_q(r, k + 1) / d logit = -(r + k) p mass(k). */
static double cdf_slope(const ppl__count_dist *d, double k, int i)
{
    const terms t = terms_of(d);
    const double by_logit_over_p = -(t.r + k) * exp(log_mass_of(&t, k));
    double by_shape[2] = { 0 };

    if (i == other_of(d->form) && d->form == PROBS)
        return by_logit_over_p / t.q;
    if (i == shape_of(d->form))
        ppl_maths_beta_i_slopes(t.r, k + 1, t.q, by_shape);
    return by_shape[0] + by_logit_over_p * t.p * t.logit_slope[i];
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    const terms t = terms_of(d);

    *mean = t.r * t.p / t.q;
    *deviation = sqrt(*mean / t.q);
    *most = INFINITY;
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    const terms t = terms_of(d);

    return ppl__gamma_poisson_draw(rng, 0, element, t.r, t.log_p - t.log_q);
}

static const ppl__count_kind kind[] = {
    { PROBS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw },
    { LOGITS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw },
    { MEAN, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw },
    { RATE, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw }
};

/* ---- Moments ----------------------------------------------------------------------- */

static int form_of(const ppl_dist *d)
{
    return ((const ppl__count_kind *)d->attr)->form;
}

/* p/q, but for means. */
static ppl_tensor *odds(const ppl_dist *d)
{
    ppl_tensor *x = d->param[1];
    switch (form_of(d)) {
    case PROBS:
        return ppl_div(x, ppl_affine(x, -1, 1));
    case LOGITS:
        return ppl_exp(x);
    }
    return ppl_div(ppl_scalar(d->ctx, 1), x);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return form_of(d) == MEAN ? d->param[0] : ppl_mul(d->param[0], odds(d));
}

/* mean / q = mean (1 + p/q). */
static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d);
    ppl_tensor *ratio = form_of(d) == MEAN ? ppl_div(m, d->param[1]) : odds(d);
    return ppl_mul(m, ppl_affine(ratio, 1, 1));
}

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_dist *make(const ppl_family *family, int form, ppl_tensor *a, ppl_tensor *b)
{
    ppl_tensor *params[] = { a, b };
    return ppl_dist_make(family, params, &kind[form]);
}

ppl_dist *ppl_gamma_poisson(ppl_tensor *concentration, ppl_tensor *rate)
{
    return make(&ppl_family_gamma_poisson, RATE, concentration, rate);
}

ppl_dist *ppl_negative_binomial(ppl_tensor *total_count, ppl_tensor *probs)
{
    return make(&ppl_family_negative_binomial, PROBS, total_count, probs);
}

ppl_dist *ppl_negative_binomial_logits(ppl_tensor *total_count, ppl_tensor *logits)
{
    return make(&ppl_family_negative_binomial_logits, LOGITS, total_count, logits);
}

ppl_dist *ppl_negative_binomial_mean(ppl_tensor *mean_of, ppl_tensor *concentration)
{
    return make(&ppl_family_negative_binomial_mean, MEAN, mean_of, concentration);
}

#define ROW(text, first, second, constraint)                                             \
    {                                                                                    \
        .name = text, .params = 2, .param_name = { first, second },                      \
        .param_constraint = { &ppl_constraint_positive, &constraint },                   \
        .support = &ppl_constraint_nonnegative_integer, .flags = PPL_DISCRETE,           \
        .entropy = ppl__count_entropy, .mean = mean, .variance = variance,               \
        PPL__COUNT_ROW, PPL__COUNT_CDF                                                   \
    }

const ppl_family ppl_family_gamma_poisson =
    ROW("gamma_poisson", "concentration", "rate", ppl_constraint_positive);
const ppl_family ppl_family_negative_binomial =
    ROW("negative_binomial", "total_count", "probs", ppl_constraint_unit_interval);
const ppl_family ppl_family_negative_binomial_logits =
    ROW("negative_binomial_logits", "total_count", "logits", ppl_constraint_real);
const ppl_family ppl_family_negative_binomial_mean =
    ROW("negative_binomial_mean", "mean", "concentration", ppl_constraint_positive);
