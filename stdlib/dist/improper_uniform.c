/* SPDX-License-Identifier: MIT */
/*
 * improper_uniform.c - ImproperUniform(support): the same density everywhere.
 *
 *   log p(x)   0 within the support, -inf outside
 *   draw       none: the density has no integral, or one that nobody knows
 *
 * A flat prior, for what needs a support and a density alone (pyro.distributions.
 * ImproperUniform). A family is made for each, as the support is the family's; all are of
 * the kind ppl_family_improper_uniform.
 */
#include "event.h"

#include "../shape_text.h"

#include <string.h>

/* ---- log_prob: x, its elements in a row -------------------------------------------- */

/* A value, which may hold several of the constraint's. */
typedef struct values {
    ppl_constraint support;
    ppl_shape event, own;                   /* of a value; of the constraint's own */
    size_t size;                            /* of `own` */
} values;

static size_t room(const ppl__event *e)
{
    return e->dim[0][0];
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const values *v = e->attr;
    const size_t n = e->dim[0][0];

    *y = 0;
    for (size_t i = 0; i < n; i++)
        if (isnan(e->in[0][i]))
            *y = NAN;
    memcpy(e->work, e->in[0], n * sizeof *e->work);
    for (size_t i = 0; *y == 0 && i < n; i += v->size)
        if (!v->support.type->check(&v->support, e->work + i, &v->own))
            *y = -INFINITY;
}

static void no_gradient(const ppl__event *e)
{
    (void)e;
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 1, .axes = { 1 }, .work = room, .value = log_prob_value,
    .gradient = no_gradient
};
PPL__EVENT_OP(log_prob_op, "improper_uniform log_prob", log_prob_formula)

/* ---- The row ----------------------------------------------------------------------- */

static const values *values_of(const ppl_dist *d)
{
    return d->attr;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return values_of(d)->event;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    ppl_fail(d->ctx, PPL_EUNSUPPORTED, "improper_uniform: nothing can be drawn from it, "
             "as it is no distribution; give the site a value (ppl_condition, a guide) "
             "or a start within the support (ppl_init_to_uniform, ppl_init_to_value)");
    return NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const values *v = values_of(d);
    ppl_shape batch = ppl_tensor_shape(x);
    int64_t n = 1, count = 1;

    for (int a = 0; a < v->event.rank; a++) {
        n *= v->event.dim[a];
        batch.dim[--batch.rank] = 0;
    }
    for (int a = 0; a < batch.rank; a++)
        count *= batch.dim[a];
    x = ppl_reshape(x, PPL_SHAPE(count, n));
    return x ? ppl_reshape(log_prob_op_apply(&x, NULL, v, sizeof *v), batch) : NULL;
}

/* The row of values with this support and so many axes. */
static const ppl_family *family_of(ppl_ctx *c, const ppl_constraint *support, int axes)
{
    ppl_family *f = ppl_alloc(c, sizeof *f);
    if (f) {
        *f = ppl_family_improper_uniform;
        f->kind = &ppl_family_improper_uniform;
        f->support = support;
        f->event_dim = axes;
    }
    return f;
}

ppl_dist *ppl_improper_uniform(ppl_ctx *c, ppl_constraint support, ppl_shape batch,
                               ppl_shape event)
{
    char must[PPL_CONSTRAINT_TEXT];
    const int own = support.type ? ppl_constraint_event_dim(&support) : 0;

    if (!c || !ppl_ok(c))
        return NULL;
    if (!support.type) {
        ppl_fail(c, PPL_EINVAL, "improper_uniform: the support is no constraint; give "
                 "PPL_REAL or another of kiln/constraint.h");
        return NULL;
    }
    int good = event.rank >= own && event.rank <= PPL_MAX_RANK;
    for (int a = 0; good && a < event.rank; a++)
        good = event.dim[a] >= 0;
    if (!good) {
        ppl_fail(c, PPL_ESHAPE, "improper_uniform: no events of shape %s; they must have "
                 "%d to %d axes, as a value is to be %s", SHAPE_TEXT(event), own,
                 PPL_MAX_RANK, ppl_constraint_text(&support, must));
        return NULL;
    }
    values *v = ppl_alloc(c, sizeof *v);
    ppl_tensor *zero = ppl_full(c, batch, 0);
    if (!v || !zero)
        return NULL;
    *v = (values){ .support = support, .event = event, .own = { own, { 0 } }, .size = 1 };
    for (int a = 0; a < own; a++) {
        v->own.dim[a] = event.dim[event.rank - own + a];
        v->size *= (size_t)v->own.dim[a];
    }
    const ppl_dist_parts parts = { .tensor = &zero, .tensors = 1, .batch = batch };
    const ppl_family *family = family_of(c, &v->support, event.rank);
    return family ? ppl_dist_make_of(family, NULL, &parts, v) : NULL;
}

const ppl_family ppl_family_improper_uniform = {
    .name = "improper_uniform",
    .support = &ppl_constraint_real,
    .flags = PPL_IMPROPER,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
};
