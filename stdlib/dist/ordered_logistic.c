/* SPDX-License-Identifier: MIT */
/*
 * ordered_logistic.c - OrderedLogistic(predictor h, cutpoints c [..,K-1]) on categories
 * 0 .. K-1; c never decreasing. Category k is that between c_(k-1) and c_k, which are
 * infinite at both ends, of h plus a standard logistic number.
 *
 *   log p(k)   log(S(b) - S(a)) = log S(b) + log S(-a) + log(1 - e^(a - b)),
 *              a = c_(k-1) - h, b = c_k - h, S(t) = 1 / (1 + e^-t); -inf for any other k
 *   d/db       S(-b) + 1 / (e^(b - a) - 1);  d/da  -S(a) - 1 / (e^(b - a) - 1);
 *   d/dh       S(a) - S(-b)
 *   P(X <= k)  S(c_k - h), its logarithms log S(c_k - h) and log S(h - c_k)
 *   mean, variance, entropy   sums over k;  KL(q||p)  sum_k q(k) (log q(k) - log p(k))
 *   draw       how many c lie below h + log(u / (1 - u))
 *
 * b - a is c_k - c_(k-1), without h, so that a narrow interval keeps its digits. Where
 * two cutpoints are equal the category between them has no mass.
 * Source: McCullagh, Regression Models for Ordinal Data, J. R. Stat. Soc. B 42 (1980).
 */
#include "counts.h"
#include "event.h"
#include "pointwise.h"

enum { PREDICTOR, CUTPOINTS };              /* the parameters */

/* A category's interval: a, b, b - a. */
typedef struct interval {
    double a, b, width;
} interval;

/* Of category k of n + 1. */
static interval interval_of(size_t n, const double *c, double h, size_t k)
{
    interval i = { -INFINITY, INFINITY, INFINITY };

    if (k > 0)
        i.a = c[k - 1] - h;
    if (k < n)
        i.b = c[k] - h;
    if (k > 0 && k < n)
        i.width = c[k] - c[k - 1];
    return i;
}

/* log S(t), S(t). */
static double log_sigmoid(double t)
{
    return t < 0 ? t - log1p(exp(t)) : -log1p(exp(-t));
}

static double sigmoid(double t)
{
    return t < 0 ? exp(t) / (1 + exp(t)) : 1 / (1 + exp(-t));
}

static double log_mass(size_t n, const double *c, double h, size_t k)
{
    const interval i = interval_of(n, c, h, k);

    return log_sigmoid(i.b) + log_sigmoid(-i.a) + ppl__log1mexp(i.width);
}

/* Adds g times the derivatives of category k's log mass. */
static void add_slopes(const ppl__event *e, size_t n, size_t k, double g)
{
    const interval i = interval_of(n, e->in[1], *e->in[0], k);
    const double inside = ppl__odds_beyond(i.width);

    if (e->d[0])
        *e->d[0] += g * (sigmoid(i.a) - sigmoid(-i.b));
    if (e->d[1] && k > 0)
        e->d[1][k - 1] -= g * (sigmoid(i.a) + inside);
    if (e->d[1] && k < n)
        e->d[1][k] += g * (sigmoid(-i.b) + inside);
}

/* ---- log_prob: predictor, cutpoints, x --------------------------------------------- */

static int is_category(double x, size_t n)
{
    return x >= 0 && x <= (double)n;
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const double x = *e->in[2];

    *y = is_category(x, n) ? log_mass(n, e->in[1], *e->in[0], (size_t)x) : -INFINITY;
}

static void log_prob_gradient(const ppl__event *e)
{
    if (*e->y > -INFINITY)
        add_slopes(e, e->dim[1][0], (size_t)*e->in[2], *e->g);
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 0, 1, 0 }, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "ordered_logistic log_prob", log_prob_formula)

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { d->param[PREDICTOR], d->param[CUTPOINTS], x };
    return log_prob_op_apply(in, d, NULL, 0);
}

/* ---- All masses at once: predictor, cutpoints -------------------------------------- */

static ppl_shape one_more(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[1][0] + 1);
}

static void masses_value(const ppl__event *e, double *y)
{
    for (size_t k = 0, n = e->dim[1][0]; k <= n; k++)
        y[k] = log_mass(n, e->in[1], *e->in[0], k);
}

static void masses_gradient(const ppl__event *e)
{
    for (size_t k = 0, n = e->dim[1][0]; k <= n; k++)
        if ((e->g[k] < 0 || e->g[k] > 0) && e->y[k] > -INFINITY)
            add_slopes(e, n, k, e->g[k]);
}

static const ppl__event_formula masses_formula = {
    .inputs = 2, .axes = { 0, 1 }, .event = one_more, .value = masses_value,
    .gradient = masses_gradient
};
PPL__EVENT_OP(masses_op, "ordered_logistic masses", masses_formula)

/* [..,K]: log p(k) of each k. */
static ppl_tensor *log_masses(const ppl_dist *d)
{
    return masses_op_apply(d->param, NULL, NULL, 0);
}

/* Those of no mass do not count. */
static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *log_p = log_masses(d), *p = ppl_exp(log_p), *zero = ppl_scalar(d->ctx, 0);
    return ppl_neg(ppl_sum(ppl_where(ppl_less(zero, p), ppl_mul(p, log_p), zero), -1));
}

/* [..,K]: p(k) (k - about)^power. */
static ppl_tensor *moment(const ppl_dist *d, ppl_tensor *about, int power)
{
    const int64_t K = ppl_dim(d->param[CUTPOINTS], -1) + 1;
    ppl_tensor *k = ppl_to_float(ppl__integers_from(d->ctx, 0, K - 1));
    ppl_tensor *off = about ? ppl_sub(k, about) : k, *terms = ppl_exp(log_masses(d));
    for (int i = 0; i < power; i++)
        terms = ppl_mul(terms, off);
    return terms;
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_sum(moment(d, NULL, 1), -1);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *about = mean(d);
    if (!about)
        return NULL;
    ppl_shape column = ppl_tensor_shape(about);
    column.dim[column.rank++] = 1;
    return ppl_sum(moment(d, ppl_reshape(about, column), 2), -1);
}

/* ---- KL: log masses of q, of p ----------------------------------------------------- */

static void kl_value(const ppl__event *e, double *y)
{
    const double *q = e->in[0], *p = e->in[1];

    *y = 0;
    for (size_t k = 0; k < e->dim[0][0]; k++)
        *y += ppl__kl_share(exp(q[k]), exp(p[k]), q[k], p[k]);
}

static void kl_gradient(const ppl__event *e)
{
    const double *q = e->in[0], *p = e->in[1];

    for (size_t k = 0; k < e->dim[0][0]; k++) {
        const double mass = exp(q[k]);
        if (e->d[0] && mass > 0)
            e->d[0][k] += *e->g * mass * (q[k] - p[k]);
        if (e->d[1])
            e->d[1][k] += *e->g * (exp(p[k]) - mass);
    }
}

static const ppl__event_formula kl_formula = {
    .inputs = 2, .axes = { 1, 1 }, .value = kl_value, .gradient = kl_gradient
};
PPL__EVENT_OP(kl_op, "ordered_logistic kl", kl_formula)

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    const int64_t K[] = { ppl_dim(q->param[CUTPOINTS], -1) + 1,
                          ppl_dim(p->param[CUTPOINTS], -1) + 1 };

    if (K[0] != K[1]) {
        ppl_fail(q->ctx, PPL_ESHAPE, "kl: q has %lld categories and p has %lld; they "
                 "must have the same", (long long)K[0], (long long)K[1]);
        return NULL;
    }
    ppl_tensor *in[] = { log_masses(q), log_masses(p) };
    return kl_op_apply(in, NULL, NULL, 0);
}

/* ---- Distribution function, values, draws ------------------------------------------ */

/* Which function of S(c_k - h), or `upper` of S(h - c_k). */
typedef struct tail {
    int upper, logarithm;
} tail;

/* Below 0 and from K - 1 on it is level. */
static void tail_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const tail *a = e->attr;
    const double x = floor(*e->in[2]);
    double t = x < 0 ? -INFINITY : INFINITY;

    if (x >= 0 && x < (double)n)
        t = e->in[1][(size_t)x] - *e->in[0];
    t = a->upper ? -t : t;
    *y = isnan(x) ? x : a->logarithm ? log_sigmoid(t) : sigmoid(t);
}

static void tail_gradient(const ppl__event *e)
{
    const tail *a = e->attr;
    const double x = floor(*e->in[2]);

    if (!(x >= 0 && x < (double)e->dim[1][0]))
        return;
    const double t = e->in[1][(size_t)x] - *e->in[0];
    const double other = a->upper ? -sigmoid(t) : sigmoid(-t);
    const double slope = *e->g * other * (a->logarithm ? 1 : *e->y);
    if (e->d[0])
        *e->d[0] -= slope;
    if (e->d[1])
        e->d[1][(size_t)x] += slope;
}

static const ppl__event_formula tail_formula = {
    .inputs = 3, .axes = { 0, 1, 0 }, .value = tail_value, .gradient = tail_gradient
};
PPL__EVENT_OP(tail_op, "ordered_logistic cdf", tail_formula)

static ppl_tensor *tail_of(const ppl_dist *d, ppl_tensor *x, tail a)
{
    ppl_tensor *in[] = { d->param[PREDICTOR], d->param[CUTPOINTS], x };
    return tail_op_apply(in, d, &a, sizeof a);
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return tail_of(d, x, (tail){ 0, 0 });
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return tail_of(d, x, (tail){ 0, 1 });
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return tail_of(d, x, (tail){ 1, 1 });
}

/* The least k with P(X <= k) >= p; or, the attr, P(X > k) <= p. No gradient. */
static void icdf_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const double *c = e->in[1], h = *e->in[0], p = *e->in[2];
    const int upper = *(const int *)e->attr;
    size_t k = 0;

    while (k < n && !(upper ? sigmoid(h - c[k]) <= p : sigmoid(c[k] - h) >= p))
        k++;
    *y = p >= 0 && p <= 1 && !isnan(h) ? (double)k : NAN;
}

static const ppl__event_formula icdf_formula = {
    .inputs = 3, .axes = { 0, 1, 0 }, .value = icdf_value
};
PPL__EVENT_OP(icdf_op, "ordered_logistic icdf", icdf_formula)

static ppl_tensor *quantile(const ppl_dist *d, ppl_tensor *probability, int upper)
{
    ppl_tensor *in[] = { d->param[PREDICTOR], d->param[CUTPOINTS], probability };
    return icdf_op_apply(in, d, &upper, sizeof upper);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, 0);
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, 1);
}

static ppl_tensor *enumerate(const ppl_dist *d)
{
    return ppl__integers_from(d->ctx, 0, ppl_dim(d->param[CUTPOINTS], -1));
}

static void draw_value(const ppl__event *e, double *y)
{
    const double u = ppl_rng_uniform(e->attr, 0, e->index, 0);
    const double t = *e->in[0] + log(u) - log1p(-u), *c = e->in[1];

    *y = isnan(t) ? -1 : 0;
    for (size_t k = 0; k < e->dim[1][0] && c[k] < t; k++)
        (*y)++;
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 0, 1 }, .integers = 1, .value = draw_value
};
PPL__EVENT_OP(draw_op, "ordered_logistic sample", draw_formula)

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return draw_op_apply(d->param, d, rng, sizeof *rng);
}

/* ---- Row --------------------------------------------------------------------------- */

ppl_dist *ppl_ordered_logistic(ppl_tensor *predictor, ppl_tensor *cutpoints)
{
    ppl_tensor *params[] = { predictor, cutpoints };
    return ppl_dist_make(&ppl_family_ordered_logistic, params, NULL);
}

const ppl_family ppl_family_ordered_logistic = {
    .name = "ordered_logistic",
    .params = 2,
    .param_name = { "predictor", "cutpoints" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_ordered_vector },
    .param_event_dim = { 0, 1 },
    .support = &ppl_constraint_nonnegative_integer,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .value_dtype = PPL_I64,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .cdf = cdf,
    .log_cdf = log_cdf,
    .log_survival = log_survival,
    .icdf = icdf,
    .inverse_survival = inverse_survival,
    .enumerate = enumerate,
    .kl = kl,
};
