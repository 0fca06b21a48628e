/* SPDX-License-Identifier: MIT */
/*
 * relaxed_one_hot_categorical.c - RelaxedOneHotCategorical(temperature t, probs or logits
 * [..,K]) on the simplex; a = log p, t > 0.
 *
 *   draw       x = softmax(s), s_k = (a_k + e_k) / t, e_k standard Gumbel
 *   log p(x)   log Gamma(K) + (K - 1) log t + sum_k (v_k - log x_k) - K log sum_k e^v_k,
 *              v_k = a_k - t log x_k
 *   slopes     with c_k = 1 - K softmax(v)_k: c_k in a_k, (K - 1) / t - sum_k c_k log x_k
 *              in t, -(t c_k + 1) / x_k in x_k
 *   of a draw  dx_j = x_j (ds_j - sum_k x_k ds_k)
 *
 * All in logarithms and in double; a component of a draw that would be 0 is the least
 * normal number. On a face, m components being 0, log p is infinite with the sign of
 * m - (K - m) t, NaN where that is 0; -inf where a component is negative.
 * Source: Maddison, Mnih, Teh, The Concrete Distribution (2017), equations 10 and 22.
 */
#include "weights.h"

#include <kiln/relaxed.h>

#include <float.h>

enum { TEMPERATURE, WEIGHTS };              /* the parameters */

typedef struct node {
    int logits;
    ppl_rng rng;
} node;

/* p, a, and two numbers more for each component. */
static size_t four_rows(const ppl__event *e)
{
    return 4 * e->dim[0][0];
}

static void load(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    ppl__load_weights(n, ((const node *)e->attr)->logits, e->in[0], e->work, e->work + n);
}

/* log sum e^v. */
static double log_sum(size_t n, const double *v)
{
    double top = -INFINITY, sum = 0;

    for (size_t k = 0; k < n; k++)
        top = v[k] > top ? v[k] : top;
    for (size_t k = 0; k < n; k++)
        sum += exp(v[k] - top);
    return top + log(sum);
}

/* By a of the softmax of v: for logits as it is, else over the weights. */
static void add_by_weights(const ppl__event *e, const double *by_a)
{
    const int logits = ((const node *)e->attr)->logits;

    for (size_t k = 0; e->d[0] && k < e->dim[0][0]; k++)
        if (by_a[k] < 0 || by_a[k] > 0)
            e->d[0][k] += logits ? by_a[k] : by_a[k] / e->in[0][k];
}

/* ---- log_prob: weights, t, x ------------------------------------------------------- */

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[2], *a = e->work + n, t = *e->in[1], K = (double)n;
    double *v = e->work + 2 * n, *log_x = e->work + 3 * n, sum = 0, zeros = 0;

    if (e->fresh & 1)
        load(e);
    ppl_maths_log(PPL_F64, n, x, log_x);
    for (size_t k = 0; k < n; k++) {
        zeros += x[k] == 0;
        v[k] = a[k] - t * log_x[k];
    }
    const double all = log_sum(n, v);
    for (size_t k = 0; k < n; k++)
        sum += v[k] - all - log_x[k];
    *y = zeros > 0 ? (zeros - (K - zeros) * t) * INFINITY
                   : ppl_maths_lgamma_at(K) + (K - 1) * log(t) + sum;
    for (size_t k = 0; k < n; k++)
        if (x[k] < 0)
            *y = -INFINITY;
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[2], *a = e->work + n, t = *e->in[1], K = (double)n;
    double *v = e->work + 2 * n, *log_x = e->work + 3 * n;

    if (isinf(*e->y))
        return;
    load(e);
    ppl_maths_log(PPL_F64, n, x, log_x);
    for (size_t k = 0; k < n; k++)
        v[k] = a[k] - t * log_x[k];
    const double all = log_sum(n, v);
    if (e->d[1])
        *e->d[1] += *e->g * (K - 1) / t;
    for (size_t k = 0; k < n; k++) {
        const double slope = 1 - K * exp(v[k] - all);
        if (e->d[1])
            *e->d[1] -= *e->g * slope * log_x[k];
        if (e->d[2])
            e->d[2][k] -= *e->g * (t * slope + 1) / x[k];
        v[k] = *e->g * slope;
    }
    add_by_weights(e, v);
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 0, 1 }, .work = four_rows, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "relaxed_one_hot_categorical log_prob", log_prob_formula)

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const node attr = { .logits = ppl__by_logits(d, WEIGHTS) };
    ppl_tensor *in[] = { d->param[WEIGHTS], d->param[TEMPERATURE], x };
    return log_prob_op_apply(in, d, &attr, sizeof attr);
}

/* ---- Drawing: weights, t ----------------------------------------------------------- */

static void scores(const ppl__event *e, double *s)
{
    const size_t n = e->dim[0][0];
    const ppl_rng *rng = &((const node *)e->attr)->rng;

    for (size_t k = 0; k < n; k++)
        s[k] = (e->work[n + k] - log(-log(ppl_rng_uniform(rng, 0, e->index * n + k, 0)))) /
               *e->in[1];
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double least = ppl_tensor_dtype(e->out) == PPL_F32 ? (double)FLT_MIN : DBL_MIN;
    double *s = e->work + 2 * n;

    if (e->fresh & 1)
        load(e);
    scores(e, s);
    const double all = log_sum(n, s);
    for (size_t k = 0; k < n; k++) {
        y[k] = exp(s[k] - all);
        y[k] = y[k] < least ? least : y[k];
    }
}

static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *x = e->y, *g = e->g, t = *e->in[1];
    double *s = e->work + 2 * n, *by_a = e->work + 3 * n, mean = 0;
    size_t top = 0;

    load(e);
    scores(e, s);
    for (size_t k = 1; k < n; k++)
        top = x[k] > x[top] ? k : top;
    /* From the largest component's adjoint on: what all share has no part in it. */
    for (size_t k = 0; k < n; k++)
        mean += (g[k] - g[top]) * x[k];
    for (size_t k = 0; k < n; k++) {
        by_a[k] = e->work[k] > 0 ? x[k] * (g[k] - g[top] - mean) / t : 0;
        if (e->d[1] && e->work[k] > 0)
            *e->d[1] -= by_a[k] * s[k];
    }
    add_by_weights(e, by_a);
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 1, 0 }, .event = ppl__event_like_first, .work = four_rows,
    .value = draw_value, .gradient = draw_gradient
};
PPL__EVENT_OP(draw_op, "relaxed_one_hot_categorical sample", draw_formula)

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const node attr = { ppl__by_logits(d, WEIGHTS), *rng };
    ppl_tensor *in[] = { d->param[WEIGHTS], d->param[TEMPERATURE] };
    return draw_op_apply(in, d, &attr, sizeof attr);
}

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, WEIGHTS, 1);
}

static ppl_dist *make(const ppl_family *family, ppl_tensor *temperature,
                      ppl_tensor *weights)
{
    ppl_tensor *params[] = { temperature, weights };
    return ppl__has_categories(family, WEIGHTS, weights)
               ? ppl_dist_make(family, params, NULL) : NULL;
}

ppl_dist *ppl_relaxed_one_hot_categorical(ppl_tensor *temperature, ppl_tensor *probs)
{
    return make(&ppl_family_relaxed_one_hot_categorical, temperature, probs);
}

ppl_dist *ppl_relaxed_one_hot_categorical_logits(ppl_tensor *temperature,
                                                 ppl_tensor *logits)
{
    return make(&ppl_family_relaxed_one_hot_categorical_logits, temperature, logits);
}

#define ROW(text, param, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 2, .param_name = { "temperature", param },               \
        .param_constraint = { &ppl_constraint_positive, &constraint },                   \
        .param_event_dim = { 0, 1 }, .support = &ppl_constraint_simplex, .event_dim = 1, \
        .flags = PPL_REPARAM, .event_shape = event_shape, .sample = sample,              \
        .log_prob = log_prob                                                             \
    }

const ppl_family ppl_family_relaxed_one_hot_categorical =
    ROW("relaxed_one_hot_categorical", "probs", ppl__probs_constraint);
const ppl_family ppl_family_relaxed_one_hot_categorical_logits =
    ROW("relaxed_one_hot_categorical_logits", "logits", ppl__logits_constraint);
