/* SPDX-License-Identifier: MIT */
/*
 * bernoulli.c - Bernoulli(p) on {0, 1}; p = probs, or p = sigmoid(logits).
 *
 *   log p(x)   x log p + (1 - x) log(1 - p), with 0 log 0 = 0; so also for x between
 *   by logits  -t |l| - softplus(-|l|),  t = 1 - x where l > 0, x elsewhere
 *   cdf        1 - p from 0 up to 1: that of a count
 *   mean p, variance p (1 - p), entropy -p log p - (1 - p) log(1 - p)
 *   KL(q||p)   q log(q/p) + (1 - q) log((1 - q)/(1 - p)); inf where p excludes what q
 *              does not
 *
 * Logits keep their precision where p rounds to 1. KL mixes the two parameterisations
 * freely: each side is brought to p, 1 - p and their logarithms.
 * Source: Johnson, Kemp, Kotz, Univariate Discrete Distributions (2005), ch. 3.
 */
#ifdef REAL

/* w log v with 0 log 0 = 0; w / v with 0 / 0 = 0. */
static inline REAL LOOP(times)(REAL w, REAL log_v) { return w == 0 ? 0 : w * log_v; }
static inline REAL LOOP(over)(REAL w, REAL v) { return w == 0 ? 0 : w / v; }

static void LOOP(probs)(const ppl__span *s, void *out)
{
    const REAL *x = s->in[0], *p = s->in[1];
    REAL log_p[PPL__SPAN], *restrict y = out;

    MATHS(log, s->n, p, log_p);
    for (size_t i = 0; i < s->n; i++)
        y[i] = -p[i];
    MATHS(log1p, s->n, y, y);
    for (size_t i = 0; i < s->n; i++)
        y[i] = LOOP(times)(x[i], log_p[i]) + LOOP(times)(1 - x[i], y[i]);
}

static void LOOP(probs_slope)(const ppl__span *s, int input, void *slope)
{
    const REAL *x = s->in[0], *p = s->in[1];
    REAL log_p[PPL__SPAN], *restrict d = slope;

    if (input == 0) {
        MATHS(log, s->n, p, log_p);
        for (size_t i = 0; i < s->n; i++)
            d[i] = -p[i];
        MATHS(log1p, s->n, d, d);
        for (size_t i = 0; i < s->n; i++)
            d[i] = log_p[i] - d[i];
        return;
    }
    for (size_t i = 0; i < s->n; i++)
        d[i] = LOOP(over)(x[i], p[i]) - LOOP(over)(1 - x[i], 1 - p[i]);
}

/* -|l| of a block. */
static void LOOP(below)(size_t n, const REAL *logit, REAL *restrict y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = logit[i] > 0 ? -logit[i] : logit[i];
}

static void LOOP(logits)(const ppl__span *s, void *out)
{
    const REAL *x = s->in[0], *logit = s->in[1];
    REAL *restrict y = out;

    LOOP(below)(s->n, logit, y);
    MATHS(softplus, s->n, y, y);
    for (size_t i = 0; i < s->n; i++) {
        const REAL t = logit[i] > 0 ? 1 - x[i] : -x[i];
        y[i] = -LOOP(times)(t, logit[i]) - y[i];
    }
}

/* x - sigmoid(l), from the tail of sigmoid that does not round to 1. */
static void LOOP(logits_slope)(const ppl__span *s, int input, void *slope)
{
    const REAL *x = s->in[0], *logit = s->in[1];
    REAL *restrict d = slope;

    if (input == 0) {
        for (size_t i = 0; i < s->n; i++)
            d[i] = logit[i];
        return;
    }
    LOOP(below)(s->n, logit, d);
    MATHS(sigmoid, s->n, d, d);
    for (size_t i = 0; i < s->n; i++)
        d[i] = logit[i] > 0 ? x[i] * d[i] - (1 - x[i]) * (1 - d[i])
                            : x[i] * (1 - d[i]) - (1 - x[i]) * d[i];
}

#else

#include "counts.h"

#define LOOPS "bernoulli.c"
#include "loops.h"

/* ---- Drawing: 1 where a uniform number is below p ---------------------------------- */

static void draw_probs(const ppl__span *s, void *out)
{
    const double *p = s->in[0], *u = ppl__noise_of(s);
    double *y = out;
    for (size_t i = 0; i < s->n; i++)
        y[i] = u[i] < p[i];
}

static void draw_logits(const ppl__span *s, void *out)
{
    const double *u = ppl__noise_of(s);
    double *y = out;
    ppl_maths_sigmoid(PPL_F64, s->n, s->in[0], y);
    for (size_t i = 0; i < s->n; i++)
        y[i] = u[i] < y[i];
}

/* ---- As a count: its tails and quantiles ------------------------------------------- */

enum { PROBS, LOGITS };

static double log_mass(const ppl__count_dist *d, double k)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);

    return k == 0 || k == 1 ? o.log_p[k == 1] : -INFINITY;
}

static double log_mass_slope(const ppl__count_dist *d, double k, int i)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[i]);

    if (d->form == LOGITS)
        return k == 1 ? o.p[0] : -o.p[1];
    return k == 1 ? 1 / o.p[1] : -1 / o.p[0];
}

static double count_cdf(const ppl__count_dist *d, double k, int upper)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[0]);

    return k < 1 ? o.p[upper] : k >= 1 ? !upper : k;
}

static double count_cdf_slope(const ppl__count_dist *d, double k, int i)
{
    const ppl__odds o = ppl__odds_of(d->form, d->param[i]);

    return k >= 1 ? 0 : d->form == LOGITS ? -o.p[0] * o.p[1] : -1;
}

static void spread(const ppl__count_dist *d, double *mean, double *deviation, double *most)
{
    (void)d;
    *mean = *deviation = *most = 1;
}

static const ppl__count_kind kind[] = {
    { PROBS, log_mass, log_mass_slope, count_cdf, count_cdf_slope, spread, NULL },
    { LOGITS, log_mass, log_mass_slope, count_cdf, count_cdf_slope, spread, NULL }
};

/* ---- KL of any two parameterisations ----------------------------------------------- */

typedef struct kl_attr {
    int logits[2];                          /* of q, of p */
} kl_attr;

/* A block of one side: P(1), P(0), their logarithms. */
typedef struct side {
    double p[2][PPL__SPAN], log_p[2][PPL__SPAN];
} side;

static void load(int logits, size_t n, const double *x, side *s)
{
    for (size_t i = 0; i < n; i++) {
        s->p[0][i] = logits ? x[i] : 1 - x[i];
        s->p[1][i] = logits ? -x[i] : x[i];
        s->log_p[0][i] = -x[i];
    }
    if (!logits) {
        ppl_maths_log1p(PPL_F64, n, s->log_p[0], s->log_p[0]);
        ppl_maths_log(PPL_F64, n, x, s->log_p[1]);
        return;
    }
    for (int k = 0; k < 2; k++) {
        ppl_maths_softplus(PPL_F64, n, s->p[k], s->log_p[k]);
        for (size_t i = 0; i < n; i++) {
            s->log_p[k][i] = -s->log_p[k][i];
            s->p[k][i] = -s->p[k][i];
        }
        ppl_maths_sigmoid(PPL_F64, n, s->p[k], s->p[k]);
    }
}

static void kl_value(const ppl__span *s, void *out)
{
    const kl_attr *a = s->attr;
    double *y = out;
    side q, p;

    load(a->logits[0], s->n, s->in[0], &q);
    load(a->logits[1], s->n, s->in[1], &p);
    for (size_t i = 0; i < s->n; i++)
        y[i] = ppl__kl_share(q.p[0][i], p.p[0][i], q.log_p[0][i], p.log_p[0][i]) +
               ppl__kl_share(q.p[1][i], p.p[1][i], q.log_p[1][i], p.log_p[1][i]);
}

/* dKL/dq = logit(q) - logit(p), dKL/dp = (1 - q)/(1 - p) - q/p; times p (1 - p) for a
 * logit. */
static void kl_slope(const ppl__span *s, int input, void *slope)
{
    const kl_attr *a = s->attr;
    const double *x[2] = { s->in[0], s->in[1] };
    double *d = slope;
    side q, p;

    load(a->logits[0], s->n, x[0], &q);
    load(a->logits[1], s->n, x[1], &p);
    for (size_t i = 0; i < s->n; i++) {
        const double logit_q = a->logits[0] ? x[0][i] : q.log_p[1][i] - q.log_p[0][i];
        const double logit_p = a->logits[1] ? x[1][i] : p.log_p[1][i] - p.log_p[0][i];
        if (input == 0)
            d[i] = logit_q == logit_p ? 0 : logit_q - logit_p;
        else if (a->logits[1])
            d[i] = p.p[1][i] - q.p[1][i];
        else
            d[i] = over_f64(q.p[0][i], p.p[0][i]) - over_f64(q.p[1][i], p.p[1][i]);
        if (input == 0 && a->logits[0])
            d[i] *= q.p[0][i] * q.p[1][i];
    }
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__formula probs_formula = PPL__LOOPS(2, probs, probs_slope);
static const ppl__formula logits_formula = PPL__LOOPS(2, logits, logits_slope);
static const ppl__formula draw_probs_formula = PPL__VALUE_IN_DOUBLE(1, draw_probs);
static const ppl__formula draw_logits_formula = PPL__VALUE_IN_DOUBLE(1, draw_logits);
static const ppl__formula kl_formula = PPL__IN_DOUBLE(2, kl_value, kl_slope);
PPL__FORMULA_OP(probs_op, "bernoulli log_prob", probs_formula)
PPL__FORMULA_OP(logits_op, "bernoulli_logits log_prob", logits_formula)
PPL__FORMULA_ROW(draw_probs_op, "bernoulli sample", draw_probs_formula, NULL)
PPL__FORMULA_ROW(draw_logits_op, "bernoulli_logits sample", draw_logits_formula, NULL)
PPL__FORMULA_OP(kl_op, "bernoulli kl", kl_formula)

static int by_logits(const ppl_dist *d)
{
    return d->family == &ppl_family_bernoulli_logits;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const double *uniform = ppl__noise(d, rng, ppl_rng_uniforms);
    ppl_tensor *in = ppl__whole_param(d, 0);
    return uniform ? ppl_apply(by_logits(d) ? &draw_logits_op : &draw_probs_op, &in, 1,
                               &uniform, sizeof uniform) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return ppl_apply(by_logits(d) ? &logits_op : &probs_op, in, 2, NULL, 0);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return by_logits(d) ? ppl_sigmoid(d->param[0]) : d->param[0];
}

/* P(0), without the rounding of 1 - sigmoid. */
static ppl_tensor *rest(const ppl_dist *d)
{
    return by_logits(d) ? ppl_sigmoid(ppl_neg(d->param[0]))
                        : ppl_affine(d->param[0], -1, 1);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_mul(mean(d), rest(d));
}

/* 0 log 0 is left out by ppl_where: neither value nor gradient is NaN at p = 0 or 1. */
static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *t = d->param[0], *zero = ppl_scalar(d->ctx, 0);
    if (by_logits(d))
        return ppl_add(ppl_mul(mean(d), ppl_softplus(ppl_neg(t))),
                       ppl_mul(rest(d), ppl_softplus(t)));
    ppl_tensor *log_rest = ppl_log1p(ppl_neg(t));
    ppl_tensor *one = ppl_where(ppl_less(zero, t), ppl_mul(t, ppl_log(t)), zero);
    ppl_tensor *other = ppl_where(ppl_less(t, ppl_scalar(d->ctx, 1)),
                                  ppl_mul(rest(d), log_rest), zero);
    return ppl_neg(ppl_add(one, other));
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    return ppl_from_doubles(d->ctx, PPL_SHAPE(2), (const double[]){ 0, 1 });
}

ppl_tensor *ppl__bernoulli_kl(const ppl_dist *q, const ppl_dist *p)
{
    const kl_attr attr = { { by_logits(q), by_logits(p) } };
    ppl_tensor *in[] = { q->param[0], p->param[0] };
    return ppl_apply(&kl_op, in, 2, &attr, sizeof attr);
}

ppl_dist *ppl_bernoulli(ppl_tensor *probs)
{
    return ppl_dist_make(&ppl_family_bernoulli, &probs, &kind[PROBS]);
}

ppl_dist *ppl_bernoulli_logits(ppl_tensor *logits)
{
    return ppl_dist_make(&ppl_family_bernoulli_logits, &logits, &kind[LOGITS]);
}

const ppl_family ppl_family_bernoulli = {
    .name = "bernoulli",
    .params = 1,
    .param_name = { "probs" },
    .param_constraint = { &ppl_constraint_unit_interval },
    .support = &ppl_constraint_boolean,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
    PPL__COUNT_CDF,
    .kl = ppl__bernoulli_kl,
};

const ppl_family ppl_family_bernoulli_logits = {
    .name = "bernoulli_logits",
    .params = 1,
    .param_name = { "logits" },
    .param_constraint = { &ppl_constraint_real },
    .support = &ppl_constraint_boolean,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
    PPL__COUNT_CDF,
    .kl = ppl__bernoulli_kl,
};

#endif
