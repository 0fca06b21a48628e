/* SPDX-License-Identifier: MIT */
/*
 * geometric.c - Geometric(p) on the counts 0, 1, 2, .. of failures before the first
 * success; p = probs, or p = sigmoid(logits), and q = 1 - p.
 *
 *   log p(k)   k log q + log p
 *   mean q/p, variance q/p^2, entropy -log p - (q/p) log q
 *   cdf        1 - q^(k+1); quantile by search
 *   draw       floor(log u / log q), u uniform in (0,1)
 *   KL(q||p)   that of one trial, over P_q(success)
 *
 * p = 1 has all its mass at 0. p = 0 has no mass at any count: log_prob is -inf, and a
 * draw the largest count that there is.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 5.2.
 */
#include "counts.h"

enum { PROBS, LOGITS };

static double log_mass(const ppl__count_dist *d, double k)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);

    return k < 0 ? -INFINITY : ppl__times_log(k, o.log_p[0]) + o.log_p[1];
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[i]);

    /* q - k p, which nearly cancels where k is about the mean. */
    const double by_logit = o.p[1] < 0.5 ? fma(-(k + 1), o.p[1], 1) : o.p[0] - k * o.p[1];

    if (d->form == LOGITS)
        return by_logit;
    return o.p[0] == 0 ? 1 : by_logit / o.p[0] / o.p[1];
}

static double cdf(const ppl__count_dist *d, double k, int upper)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);
    const double log_rest = (k + 1) * o.log_p[0];

    return upper ? exp(log_rest) : -expm1(log_rest);
}

static double cdf_slope(const ppl__count_dist *d, double k, int i)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[i]);
    const double by_prob = (k + 1) * exp(ppl__times_log(k, o.log_p[0]));

    return d->form == LOGITS ? by_prob * o.p[0] * o.p[1] : by_prob;
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);

    *mean = *deviation = o.p[0] / o.p[1];
    *most = INFINITY;
}

static int64_t draw(const ppl__count_dist *d, const ppl_rng *rng, uint64_t element)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);
    const double k = floor(log(ppl_rng_uniform(rng, 0, element, 0)) / o.log_p[0]);

    return k >= 0 ? ppl__count_of(k) : -1;
}

static const ppl__count_kind kind[] = {
    { PROBS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw },
    { LOGITS, log_mass, log_mass_slope, cdf, cdf_slope, spread, draw }
};

/* ---- Moments, entropy -------------------------------------------------------------- */

static int by_logits(const ppl_dist *d)
{
    return d->family == &ppl_family_geometric_logits;
}

/* q/p = e^-logit. */
static ppl_tensor *mean(const ppl_dist *d)
{
    ppl_tensor *x = d->param[0];
    return by_logits(d) ? ppl_exp(ppl_neg(x)) : ppl_div(ppl_affine(x, -1, 1), x);
}

/* (q/p) / p, where 1/p = 1 + q/p. */
static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d);
    return by_logits(d) ? ppl_mul(m, ppl_affine(m, 1, 1)) : ppl_div(m, d->param[0]);
}

static void entropy_value(const ppl__span *s, void *out)
{
    const double *x = s->in[0];
    double *y = out;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds o = ppl__odds_of(*(const int *)s->attr, x[i]);
        y[i] = -o.log_p[1] - ppl__times_log(o.p[0], o.log_p[0]) / o.p[1];
    }
}

/* dH/dp = log(q) / p^2. */
static void entropy_slope(const ppl__span *s, int input, void *slope)
{
    const int logits = *(const int *)s->attr;
    const double *x = s->in[input];
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds o = ppl__odds_of(logits, x[i]);
        d[i] = (logits ? ppl__times_log(o.p[0], o.log_p[0]) : o.log_p[0] / o.p[1]) /
               o.p[1];
    }
}

/* ---- KL ---------------------------------------------------------------------------- */

typedef struct kl_attr {
    int logits[2];                          /* of q, of p */
} kl_attr;

static void kl_value(const ppl__span *s, void *out)
{
    const kl_attr *a = s->attr;
    double *y = out;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds q = ppl__odds_of(a->logits[0], ((const double *)s->in[0])[i]);
        const ppl__odds p = ppl__odds_of(a->logits[1], ((const double *)s->in[1])[i]);
        y[i] = ppl__odds_kl(&q, &p) / q.p[1];
    }
}

static void kl_slope(const ppl__span *s, int input, void *slope)
{
    const kl_attr *a = s->attr;
    const double *kl = s->y;
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const ppl__odds q = ppl__odds_of(a->logits[0], ((const double *)s->in[0])[i]);
        const ppl__odds p = ppl__odds_of(a->logits[1], ((const double *)s->in[1])[i]);
        if (input == 0)
            d[i] = (ppl__odds_kl_by_q(&q, &p) - kl[i]) * (a->logits[0] ? q.p[0] : 1 / q.p[1]);
        else
            d[i] = (a->logits[1] ? p.p[1] - q.p[1] : ppl__odds_kl_by_p(&q, &p)) / q.p[1];
    }
}

static const ppl__formula entropy_formula = PPL__IN_DOUBLE(1, entropy_value, entropy_slope);
static const ppl__formula kl_formula = PPL__IN_DOUBLE(2, kl_value, kl_slope);
PPL__FORMULA_OP(entropy_op, "geometric entropy", entropy_formula)
PPL__FORMULA_OP(kl_op, "geometric kl", kl_formula)

static ppl_tensor *entropy(const ppl_dist *d)
{
    const int logits = by_logits(d);
    return ppl_apply(&entropy_op, d->param, 1, &logits, sizeof logits);
}

ppl_tensor *ppl__geometric_kl(const ppl_dist *q, const ppl_dist *p)
{
    const kl_attr attr = { { by_logits(q), by_logits(p) } };
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return ppl_apply(&kl_op, in, 2, &attr, sizeof attr);
}

/* ---- Rows -------------------------------------------------------------------------- */

ppl_dist *ppl_geometric(ppl_tensor *probs)
{
    return ppl_dist_make(&ppl_family_geometric, &probs, &kind[PROBS]);
}

ppl_dist *ppl_geometric_logits(ppl_tensor *logits)
{
    return ppl_dist_make(&ppl_family_geometric_logits, &logits, &kind[LOGITS]);
}

#define ROW(text, param, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 1, .param_name = { param },                              \
        .param_constraint = { &constraint },                                             \
        .support = &ppl_constraint_nonnegative_integer, .flags = PPL_DISCRETE,           \
        .entropy = entropy, .mean = mean, .variance = variance,                          \
        .kl = ppl__geometric_kl, PPL__COUNT_ROW, PPL__COUNT_CDF                          \
    }

const ppl_family ppl_family_geometric =
    ROW("geometric", "probs", ppl_constraint_unit_interval);
const ppl_family ppl_family_geometric_logits =
    ROW("geometric_logits", "logits", ppl_constraint_real);
