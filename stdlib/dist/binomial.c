/* SPDX-License-Identifier: MIT */
/*
 * binomial.c - Binomial(total_count n, p) on the counts 0 .. n of successes in n trials;
 * p = probs, or p = sigmoid(logits), and q = 1 - p.
 *
 *   log p(k)   log C(n,k) + k log p + (n - k) log q, with 0 log 0 = 0
 *   mean n p, variance n p q; entropy by the sum of -p log p
 *   cdf        I_q(n - k, k + 1), the regularised incomplete beta function
 *   quantile   by search
 *   KL(q||p)   n times that of one trial where both have n trials; infinite where q has
 *              more (and p_q > 0); where it has fewer, by the sum over k of what the
 *              binomial coefficients differ by (within 40 standard deviations)
 *
 * total_count has no gradient. Logits keep their precision where p rounds to 1.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 3.
 */
#include "counts.h"

enum { PROBS, LOGITS };
enum { TOTAL, CHANCE };                     /* the parameters */

static ppl__odds odds(const ppl__count_dist *d)
{
    return ppl__odds_of(d->form, d->param[CHANCE]);
}

/* k - n p, p having been rounded. */
static double excess(double n, double k, const ppl__odds *o)
{
    return o->p[1] <= 0.5 ? fma(-n, o->p[1], k) : fma(n, o->p[0], k - n);
}

static double mass(double n, double k, const ppl__odds *o)
{
    return k < 0 || k > n ? -INFINITY
                          : ppl__log_binomial(k, n - k, excess(n, k, o), o->log_p[1],
                                              o->log_p[0]);
}

static double log_mass(const ppl__count_dist *d, double k)
{
    const ppl__odds o = odds(d);

    return mass(d->param[TOTAL], k, &o);
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const double n = d->param[TOTAL];
    const ppl__odds o = odds(d);

    if (i == TOTAL)
        return 0;
    if (d->form == LOGITS)
        return excess(n, k, &o);
    return o.p[0] == 0 || o.p[1] == 0
               ? ppl__over(k, o.p[1]) - ppl__over(n - k, o.p[0])
               : excess(n, k, &o) / o.p[0] / o.p[1];
}

static double cdf(const ppl__count_dist *d, double k, int upper)
{
    const double n = d->param[TOTAL];
    const ppl__odds o = odds(d);

    if (k >= n)
        return !upper;
    return upper ? ppl_maths_beta_i_split(k + 1, n - k, o.p[1], o.p[0])
                 : ppl_maths_beta_i_split(n - k, k + 1, o.p[0], o.p[1]);
}

/* d I_q(n - k, k + 1) / dp = -n times the mass of k among n - 1. */
static double cdf_slope(const ppl__count_dist *d, double k, int i)
{
    const double n = d->param[TOTAL];
    const ppl__odds o = odds(d);

    if (i == TOTAL || k >= n)
        return 0;
    const double by_prob = -n * exp(mass(n - 1, k, &o));
    return d->form == LOGITS ? by_prob * o.p[0] * o.p[1] : by_prob;
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    const ppl__odds o = odds(d);

    *most = d->param[TOTAL];
    *mean = *most * o.p[1];
    *deviation = sqrt(*mean * o.p[0]);
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    const ppl__odds o = odds(d);

    return ppl__binomial_draw(rng, 0, element, d->param[TOTAL], o.p[1], o.p[0]);
}

static const ppl__count_kind kind[] = {
    { PROBS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw },
    { LOGITS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw }
};

/* ---- Moments, values --------------------------------------------------------------- */

static int by_logits(const ppl_dist *d)
{
    return d->family == &ppl_family_binomial_logits;
}

/* n P(1), or n P(0). */
static ppl_tensor *share(const ppl_dist *d, int outcome)
{
    ppl_tensor *x = d->param[CHANCE];
    if (by_logits(d))
        x = ppl_sigmoid(outcome ? x : ppl_neg(x));
    else if (!outcome)
        x = ppl_affine(x, -1, 1);
    return ppl_mul(ppl_to_float(d->param[TOTAL]), x);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return share(d, 1);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *x = d->param[CHANCE];
    return ppl_mul(share(d, 0), by_logits(d) ? ppl_sigmoid(x) : x);
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

/* ---- KL ---------------------------------------------------------------------------- */

typedef struct kl_attr {
    int logits[2];                          /* of q, of p */
} kl_attr;

/* log C(n,k), by the mass where p is k/n and no deviance is left. */
static double log_choose(double n, double k)
{
    const double log_p = log(k / n), log_q = log1p(-k / n);

    return ppl__log_binomial(k, n - k, 0, log_p, log_q) - ppl__times_log(k, log_p) -
           ppl__times_log(n - k, log_q);
}

/* The mean over k of n_q trials of log C(n_q,k) - log C(n_p,k), or its derivative in the
 * logit: the mean with the weight k - n_q p_q. n_q < n_p. */
static double coefficients(double n_q, double n_p, const ppl__odds *q, int sloped)
{
    const double centre = n_q * q->p[1], reach = 40 * sqrt(centre * q->p[0]) + 40;
    const double low = fmax(floor(centre - reach), 0), high = fmin(centre + reach, n_q);
    double sum = 0;

    for (double k = low; k <= high; k++) {
        const double weight = sloped ? excess(n_q, k, q) : 1;
        sum += ppl__times_log(exp(mass(n_q, k, q)) * weight,
                              log_choose(n_q, k) - log_choose(n_p, k));
    }
    return sum;
}

static double kl_of(double n_q, double n_p, const ppl__odds *q, const ppl__odds *p)
{
    if (n_q > n_p && q->p[1] > 0)
        return INFINITY;
    const double kl = n_q == 0 ? 0 : n_q * ppl__odds_kl(q, p);
    if (n_q == n_p)
        return kl;
    return kl - (n_p - n_q) * p->log_p[0] + coefficients(n_q, n_p, q, 0);
}

static double kl_slope_of(double n_q, double n_p, const ppl__odds *q, const ppl__odds *p,
                          const kl_attr *a, int input)
{
    if (input == 0 || input == 2 || (n_q > n_p && q->p[1] > 0))
        return 0;
    if (input == 3)
        return a->logits[1] ? n_p * p->p[1] - n_q * q->p[1]
                            : n_q * ppl__odds_kl_by_p(q, p) +
                                  (n_p - n_q) / p->p[0];
    const double scale = q->p[0] * q->p[1], by_q = n_q * ppl__odds_kl_by_q(q, p);
    const double more = n_q < n_p ? coefficients(n_q, n_p, q, 1) : 0;
    return a->logits[0] ? by_q * scale + more : by_q + ppl__over(more, scale);
}

#define KL_LOOP(expression)                                                              \
    const kl_attr *a = s->attr;                                                          \
    double *y = out;                                                                     \
    for (size_t i = 0; i < s->n; i++) {                                                  \
        const double n_q = ((const double *)s->in[0])[i];                                \
        const double n_p = ((const double *)s->in[2])[i];                                \
        const ppl__odds q = ppl__odds_of(a->logits[0], ((const double *)s->in[1])[i]);   \
        const ppl__odds p = ppl__odds_of(a->logits[1], ((const double *)s->in[3])[i]);   \
        y[i] = expression;                                                               \
    }

static void kl_value(const ppl__span *s, void *out)
{
    KL_LOOP(kl_of(n_q, n_p, &q, &p))
}

static void kl_slope(const ppl__span *s, int input, void *out)
{
    KL_LOOP(kl_slope_of(n_q, n_p, &q, &p, a, input))
}

static const ppl__formula kl_formula = PPL__IN_DOUBLE(4, kl_value, kl_slope);
PPL__FORMULA_OP(kl_op, "binomial kl", kl_formula)

ppl_tensor *ppl__binomial_kl(const ppl_dist *q, const ppl_dist *p)
{
    const kl_attr attr = { { by_logits(q), by_logits(p) } };
    ppl_tensor *in[] = { q->param[0], q->param[1], p->param[0], p->param[1] };
    return ppl_apply(&kl_op, in, 4, &attr, sizeof attr);
}

/* ---- Rows -------------------------------------------------------------------------- */

ppl_dist *ppl_binomial(ppl_tensor *total_count, ppl_tensor *probs)
{
    ppl_tensor *params[] = { total_count, probs };
    return ppl_dist_make(&ppl_family_binomial, params, &kind[PROBS]);
}

ppl_dist *ppl_binomial_logits(ppl_tensor *total_count, ppl_tensor *logits)
{
    ppl_tensor *params[] = { total_count, logits };
    return ppl_dist_make(&ppl_family_binomial_logits, params, &kind[LOGITS]);
}

#define ROW(text, param, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 2, .param_name = { "total_count", param },               \
        .param_constraint = { &ppl_constraint_nonnegative_integer, &constraint },        \
        .param_dtype = { PPL_I64 }, .support = &ppl_constraint_nonnegative_integer,      \
        .flags = PPL_DISCRETE | PPL_ENUMERABLE, .mean = mean, .variance = variance,      \
        .enumerate = enumerate, .bounds = bounds, .kl = ppl__binomial_kl,                \
        .entropy = ppl__count_entropy, PPL__COUNT_ROW, PPL__COUNT_CDF                    \
    }

const ppl_family ppl_family_binomial =
    ROW("binomial", "probs", ppl_constraint_unit_interval);
const ppl_family ppl_family_binomial_logits =
    ROW("binomial_logits", "logits", ppl_constraint_real);
