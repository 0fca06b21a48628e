/* SPDX-License-Identifier: MIT */
/*
 * one_hot_categorical.c - OneHotCategorical: vectors x [..,K] that are 0 but for one
 * element, which is 1; p = probs / sum(probs), or p = softmax(logits).
 *
 *   log p(x)   sum_k x_k log p_k, with 0 log 0 = 0, for any x: a straight-through draw
 *              (relaxed.h) has the gradient log p_k in x_k from it
 *   mean p, variance p (1 - p), covariance diag p - p p^T
 *   entropy, draw, KL(q||p): a Categorical's
 *
 * Source: Johnson, Kotz, Balakrishnan, Discrete Multivariate Distributions, 1997,
 * chapter 35.
 */
#include "counts.h"
#include "weights.h"

#include <kiln/matrix.h>

/* ---- log_prob: x, weights ---------------------------------------------------------- */

typedef struct weights_attr {
    int logits;
} weights_attr;

/* p and log p. */
static size_t log_prob_work(const ppl__event *e)
{
    return 2 * e->dim[1][0];
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const double *x = e->in[0], *log_p = e->work + n;
    const weights_attr *attr = e->attr;
    double sum = 0;

    if (e->fresh & 2)
        ppl__load_weights(n, attr->logits, e->in[1], e->work, e->work + n);
    for (size_t k = 0; k < n; k++)
        sum += x[k] == 0 ? 0 : x[k] * log_p[k];
    *y = sum;
}

/* By a weight: (x_k / p_k - sum x) / sum of weights; by a logit p_k times that. */
static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0];
    const double *x = e->in[0], *p = e->work, *log_p = e->work + n, g = e->g[0];
    const weights_attr *attr = e->attr;
    double all = 0;

    const double sum = ppl__load_weights(n, attr->logits, e->in[1], e->work, e->work + n);
    for (size_t k = 0; k < n; k++)
        all += x[k];
    for (size_t k = 0; k < n; k++) {
        if (e->d[0])
            e->d[0][k] += g * log_p[k];
        if (e->d[1])
            e->d[1][k] += attr->logits ? g * (x[k] - all * p[k])
                                       : g * ((x[k] == 0 ? 0 : x[k] / p[k]) - all) / sum;
    }
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 2, .axes = { 1, 1 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "one_hot_categorical log_prob", log_prob_formula)

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const weights_attr attr = { ppl__by_logits(d, 0) };
    ppl_tensor *in[] = { x, d->param[0] };
    return log_prob_op_apply(in, d, &attr, sizeof attr);
}

/* ---- From the Categorical ---------------------------------------------------------- */

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const ppl_dist index = ppl__categories(d, 0);
    const int64_t K = ppl_dim(d->param[0], -1);
    ppl_tensor *k = ppl__one_more_axis(index.family->sample(&index, rng));
    return ppl_to_float(ppl_equal(k, ppl__integers_from(d->ctx, 0, K - 1)));
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const ppl_dist index = ppl__categories(d, 0);
    return index.family->entropy(&index);
}

ppl_tensor *ppl__one_hot_categorical_kl(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_dist from = ppl__categories(q, 0), to = ppl__categories(p, 0);
    return ppl__categorical_kl(&from, &to);
}

/* ---- Moments, values --------------------------------------------------------------- */

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl__probabilities(d, 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl__category_variance(d, 0);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return ppl__category_covariance(d, 0);
}

/* The unit vectors, [K,K]. */
static ppl_tensor *enumerate(const ppl_dist *d)
{
    ppl_tensor *ones = ppl_full(d->ctx, PPL_SHAPE(ppl_dim(d->param[0], -1)), 1);
    return ppl_matrix_embed(ones, PPL_DIAGONAL);
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_dist *make(const ppl_family *family, ppl_tensor *weights)
{
    return ppl__has_categories(family, 0, weights) ? ppl_dist_make(family, &weights, NULL)
                                                   : NULL;
}

ppl_dist *ppl_one_hot_categorical(ppl_tensor *probs)
{
    return make(&ppl_family_one_hot_categorical, probs);
}

ppl_dist *ppl_one_hot_categorical_logits(ppl_tensor *logits)
{
    return make(&ppl_family_one_hot_categorical_logits, logits);
}

#define ROW(text, param, constraint)                                                     \
    {                                                                                    \
        .name = text, .params = 1, .param_name = { param },                              \
        .param_constraint = { &constraint }, .param_event_dim = { 1 },                   \
        .support = &ppl_constraint_one_hot, .event_dim = 1,                              \
        .flags = PPL_DISCRETE | PPL_ENUMERABLE, .event_shape = event_shape,              \
        .sample = sample, .log_prob = log_prob, .entropy = entropy, .mean = mean,        \
        .variance = variance, .covariance = covariance, .enumerate = enumerate,          \
        .kl = ppl__one_hot_categorical_kl                                                \
    }

const ppl_family ppl_family_one_hot_categorical =
    ROW("one_hot_categorical", "probs", ppl__probs_constraint);
const ppl_family ppl_family_one_hot_categorical_logits =
    ROW("one_hot_categorical_logits", "logits", ppl__logits_constraint);
