/* SPDX-License-Identifier: MIT */
/*
 * weights.c - what families of vectors of categories have from their weights (weights.h).
 */
#include "weights.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

int ppl__has_categories(const ppl_family *family, int i, const ppl_tensor *weights)
{
    if (!weights || ppl_rank(weights) == 0 || ppl_dim(weights, -1) > 0)
        return 1;
    ppl_fail(ppl_tensor_ctx(weights), PPL_ESHAPE, "%s: %s has shape %s, which is no "
             "category at all; its last axis counts the categories", family->name,
             family->param_name[i], SHAPE_OF(weights));
    return 0;
}

int ppl__by_logits(const ppl_dist *d, int i)
{
    return d->family->param_constraint[i] == &ppl__logits_constraint;
}

ppl_dist ppl__categories(const ppl_dist *d, int i)
{
    ppl_dist index = { .ctx = d->ctx, .shape = d->shape };

    for (int a = 0; a < d->family->event_dim; a++)
        index.shape.dim[--index.shape.rank] = 0;
    index.param[0] = d->param[i];
    index.family = ppl__by_logits(d, i) ? &ppl_family_categorical_logits
                                        : &ppl_family_categorical;
    return index;
}

ppl_tensor *ppl__probabilities(const ppl_dist *d, int i)
{
    ppl_tensor *w = d->param[i];

    return ppl__by_logits(d, i) ? ppl_softmax(w, -1)
                                : ppl_div(w, ppl__one_more_axis(ppl_sum(w, -1)));
}

/* ---- 1 - p: weights ---------------------------------------------------------------- */

/* p, log p. */
static size_t rest_work(const ppl__event *e)
{
    return 2 * e->dim[0][0];
}

/* The sum of the others. */
static void rest_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *p = e->work;
    double before = 0;

    ppl__load_weights(n, *(const int *)e->attr, e->in[0], e->work, e->work + n);
    for (size_t k = n; k-- > 0;)
        y[k] = k + 1 < n ? y[k + 1] + p[k + 1] : 0;
    for (size_t k = 0; k < n; k++) {
        y[k] += before;
        before += p[k];
    }
}

/* By a logit p_k (sum_j g_j p_j - g_k); by a weight that over p_k and their sum. */
static void rest_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const int logits = *(const int *)e->attr;
    const double sum = ppl__load_weights(n, logits, e->in[0], e->work, e->work + n);
    const double *p = e->work;
    double mean = 0;

    for (size_t k = 0; k < n; k++)
        mean += e->g[k] * p[k];
    for (size_t k = 0; k < n; k++)
        e->d[0][k] += (mean - e->g[k]) * (logits ? p[k] : 1 / sum);
}

static const ppl__event_formula rest_formula = {
    .inputs = 1, .axes = { 1 }, .event = ppl__event_like_first, .work = rest_work,
    .value = rest_value, .gradient = rest_gradient
};
PPL__EVENT_OP(rest_op, "rest of probabilities", rest_formula)

ppl_tensor *ppl__category_variance(const ppl_dist *d, int i)
{
    const int logits = ppl__by_logits(d, i);
    ppl_tensor *w = d->param[i];

    return ppl_mul(ppl__probabilities(d, i),
                   rest_op_apply(&w, NULL, &logits, sizeof logits));
}

ppl_tensor *ppl__category_covariance(const ppl_dist *d, int i)
{
    ppl_tensor *p = ppl__probabilities(d, i), *square = ppl_mul(p, p);
    ppl_tensor *others = ppl_sub(ppl_outer(p, p), ppl_matrix_embed(square, PPL_DIAGONAL));

    return ppl_sub(ppl_matrix_embed(ppl__category_variance(d, i), PPL_DIAGONAL), others);
}
