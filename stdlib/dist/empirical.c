/* SPDX-License-Identifier: MIT */
/*
 * empirical.c - Empirical(samples x_1 .. x_S, log_weights v): one of the samples, x_i
 * with probability w_i, w = softmax(v).
 *
 *   log p(x)   log of the sum of w_i over the samples equal to x, bit by bit of a number;
 *              -inf where there is none
 *   mean       sum_i w_i x_i, variance sum_i w_i (x_i - mean)^2, element by element
 *   draw       the first sample whose cumulated weight exceeds a uniform number
 *
 * An event is what lies behind the axis of S; the rank of log_weights tells it from the
 * batch (pyro.distributions.Empirical). Samples may be integers. A family is made for
 * each number of axes; all are of the kind ppl_family_empirical.
 */
#include "event.h"

#include "../shape_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- log_prob: x [E], samples [S,E], log_weights [S] ------------------------------- */

static int matches(const ppl__event *e, size_t i)
{
    const size_t E = e->dim[0][0];
    size_t k = 0;

    while (k < E && e->in[0][k] == e->in[1][i * E + k])
        k++;
    return k == E;
}

/* log of the sum of e^v, over the samples equal to x or over all. */
static double log_total(const ppl__event *e, int matching)
{
    const double *v = e->in[2];
    double top = -INFINITY, sum = 0;

    for (size_t i = 0; i < e->dim[2][0]; i++)
        if (v[i] > top && (!matching || matches(e, i)))
            top = v[i];
    for (size_t i = 0; top > -INFINITY && i < e->dim[2][0]; i++)
        if (!matching || matches(e, i))
            sum += exp(v[i] - top);
    return top + log(sum);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    *y = log_total(e, 1) - log_total(e, 0);
    for (size_t k = 0; k < e->dim[0][0]; k++)
        if (isnan(e->in[0][k]))
            *y = NAN;
}

/* By v_i: its share of the matching weights, less w_i. */
static void log_prob_gradient(const ppl__event *e)
{
    const double all = log_total(e, 0), same = e->y[0] + all;

    for (size_t i = 0; e->d[2] && e->y[0] > -INFINITY && i < e->dim[2][0]; i++) {
        const double v = e->in[2][i];
        e->d[2][i] += e->g[0] * ((matches(e, i) ? exp(v - same) : 0) - exp(v - all));
    }
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 2, 1 }, .value = log_prob_value,
    .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "empirical log_prob", log_prob_formula)

/* ---- Drawing: samples [S,E], log_weights [S] --------------------------------------- */

static ppl_shape drawn_shape(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[0][1]);
}

static size_t drawn(const ppl__event *e)
{
    const double *v = e->in[1];
    const size_t S = e->dim[1][0];
    double top = -INFINITY, sum = 0, left;
    size_t chosen = 0;

    for (size_t i = 0; i < S; i++)
        top = v[i] > top ? v[i] : top;
    for (size_t i = 0; i < S; i++)
        sum += exp(v[i] - top);
    left = sum * ppl_rng_uniform(e->attr, 0, e->index, 0);
    /* The last sample of any weight takes what rounding leaves over. */
    for (size_t i = 0; i < S && left >= 0; i++) {
        const double w = exp(v[i] - top);
        chosen = w > 0 ? i : chosen;
        left -= w;
    }
    return chosen;
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t E = e->dim[0][1];

    memcpy(y, e->in[0] + drawn(e) * E, E * sizeof *y);
}

static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 2, 1 }, .event = drawn_shape, .value = draw_value
};
static const ppl__event_formula draw_integers_formula = {
    .inputs = 2, .axes = { 2, 1 }, .event = drawn_shape, .value = draw_value,
    .integers = 1
};
PPL__EVENT_OP(draw_op, "empirical sample", draw_formula)
PPL__EVENT_OP(draw_integers_op, "empirical sample", draw_integers_formula)

/* ---- The row ----------------------------------------------------------------------- */

static int event_axes(const ppl_dist *d)
{
    return d->family->event_dim;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, event_axes(d));
}

/* The last `axes` axes of t as one. */
static ppl_tensor *in_a_row(ppl_tensor *t, int axes)
{
    ppl_shape s = ppl_tensor_shape(t);
    int64_t n = 1;

    if (axes == 0)
        return ppl__one_more_axis(t);
    while (axes-- > 0) {
        n *= s.dim[--s.rank];
        s.dim[s.rank] = 0;
    }
    s.dim[s.rank++] = n;
    return ppl_reshape(t, s);
}

/* No gradient goes to the samples: which is drawn is the score function's. */
static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_tensor *in[] = { ppl_detach(in_a_row(d->param[0], event_axes(d))),
                         ppl_detach(d->param[1]) };
    ppl_tensor *x = d->family->value_dtype == PPL_I64
                        ? draw_integers_op_apply(in, d, rng, sizeof *rng)
                        : draw_op_apply(in, d, rng, sizeof *rng);
    return x ? ppl_reshape(x, d->shape) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const int axes = event_axes(d);
    ppl_tensor *in[] = { in_a_row(x, axes), in_a_row(d->param[0], axes), d->param[1] };

    return in[0] && in[1] ? log_prob_op_apply(in, d, NULL, 0) : NULL;
}

/* sum_i w_i t_i of t [..,S,event]. */
static ppl_tensor *weighted(const ppl_dist *d, ppl_tensor *t)
{
    ppl_tensor *w = ppl_softmax(d->param[1], -1);

    for (int a = 0; a < event_axes(d); a++)
        w = ppl__one_more_axis(w);
    return ppl_sum(ppl_mul(w, t), -1 - event_axes(d));
}

static ppl_tensor *numbers_of(const ppl_dist *d)
{
    return d->family->value_dtype == PPL_I64 ? ppl_to_float(d->param[0]) : d->param[0];
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return weighted(d, numbers_of(d));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *m = mean(d);
    ppl_shape s = ppl_tensor_shape(m);
    const int at = s.rank - event_axes(d);

    if (!m)
        return NULL;
    for (int a = s.rank++; a > at; a--)
        s.dim[a] = s.dim[a - 1];
    s.dim[at] = 1;
    ppl_tensor *t = ppl_sub(numbers_of(d), ppl_reshape(m, s));
    return weighted(d, ppl_mul(t, t));
}

/* ---- The values, of events that are numbers ---------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Those of all samples, each once. */
static ppl_tensor *enumerate(const ppl_dist *d)
{
    const int64_t n = ppl_numel(d->param[0]);
    double *x = ppl_alloc(d->ctx, (size_t)n * sizeof *x);
    int64_t *whole = ppl_alloc(d->ctx, (size_t)n * sizeof *whole), count = 0;

    if (!x || !whole)
        return NULL;
    ppl_read(d->param[0], x, n);
    qsort(x, (size_t)n, sizeof *x, by_size);
    for (int64_t i = 0; i < n; i++)
        if (count == 0 || x[i] > x[count - 1])
            x[count++] = x[i];
    for (int64_t i = 0; i < count; i++)
        whole[i] = (int64_t)x[i];
    return d->family->value_dtype == PPL_I64
               ? ppl_from_integers(d->ctx, PPL_SHAPE(count), whole)
               : ppl_from_doubles(d->ctx, PPL_SHAPE(count), x);
}

/* ---- Making ------------------------------------------------------------------------ */

/* The row for events of so many axes, of integers or not. */
static const ppl_family *family_of(ppl_ctx *c, int axes, ppl_dtype dtype)
{
    ppl_family *f = ppl_alloc(c, sizeof *f);
    if (!f)
        return NULL;
    *f = ppl_family_empirical;
    f->kind = &ppl_family_empirical;
    f->event_dim = axes;
    f->param_event_dim[0] = axes + 1;
    if (axes > 0) {
        f->flags &= ~(unsigned)PPL_ENUMERABLE;
        f->enumerate = NULL;
    }
    if (dtype == PPL_I64) {
        f->value_dtype = f->param_dtype[0] = PPL_I64;
        f->support = f->param_constraint[0] = &ppl_constraint_integer;
    }
    return f;
}

ppl_dist *ppl_empirical(ppl_tensor *samples, ppl_tensor *log_weights)
{
    ppl_ctx *c = ppl_tensor_ctx(samples);
    const int rank = ppl_rank(log_weights), axes = ppl_rank(samples) - rank;

    if (!c || !log_weights || !ppl_ok(c))
        return NULL;
    if (rank < 1 || axes < 0 || ppl_dim(log_weights, -1) < 1 ||
        ppl_dim(samples, rank - 1) != ppl_dim(log_weights, -1)) {
        ppl_fail(c, PPL_ESHAPE, "empirical: samples %s and log_weights %s; the last axis "
                 "of log_weights counts the samples, at least one, and is that axis of "
                 "samples", SHAPE_OF(samples), SHAPE_OF(log_weights));
        return NULL;
    }
    ppl_tensor *params[] = { samples, log_weights };
    const ppl_family *family = family_of(c, axes, ppl_tensor_dtype(samples));
    return family ? ppl_dist_make(family, params, NULL) : NULL;
}

const ppl_family ppl_family_empirical = {
    .name = "empirical",
    .params = 2,
    .param_name = { "samples", "log_weights" },
    .param_constraint = { &ppl_constraint_real, &ppl__logits_constraint },
    .param_event_dim = { 1, 1 },
    .support = &ppl_constraint_real,
    .flags = PPL_DISCRETE | PPL_ENUMERABLE,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .mean = mean,
    .variance = variance,
    .enumerate = enumerate,
};
