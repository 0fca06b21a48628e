/* SPDX-License-Identifier: MIT */
/*
 * dist.c - what all distributions share: making one, its event dims and mask, and the way
 * from a family's row to the public functions.
 *
 * A distribution is one record in the arena. Making one and asking for a log_prob cost a
 * check of shapes and, when validating, one pass over the parameters and over the value;
 * nothing is copied, and nothing is broadcast where the shapes are equal already.
 */
#include "constraint.h"
#include "ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Shapes ------------------------------------------------------------------------ */

static ppl_shape without_last(const ppl_shape *shape, int count)
{
    ppl_shape s = *shape;
    while (count-- > 0)
        s.dim[--s.rank] = 0;
    return s;
}

/* 1 if the last `count` axes of both are the same; both have so many. */
static int same_last(const ppl_shape *a, const ppl_shape *b, int count)
{
    int i = 1;
    while (i <= count && a->dim[a->rank - i] == b->dim[b->rank - i])
        i++;
    return i > count;
}

/* The axis of `wide` that `from` does not broadcast along, or -1 if it broadcasts. */
static int misfit(const ppl_shape *from, const ppl_shape *wide)
{
    int lead = wide->rank - from->rank;
    if (lead < 0)
        return 0;
    for (int i = 0; i < from->rank; i++)
        if (from->dim[i] != wide->dim[i + lead] && from->dim[i] != 1)
            return i + lead;
    return -1;
}

/* Widens `batch` by a shape it broadcasts against; 0 if it does not. */
static int widen(ppl_shape *batch, const ppl_shape *other)
{
    ppl_shape joined = batch->rank >= other->rank ? *batch : *other;
    for (int i = 1; i <= batch->rank && i <= other->rank; i++) {
        int64_t a = batch->dim[batch->rank - i], b = other->dim[other->rank - i];
        if (a != b && a != 1 && b != 1)
            return 0;
        joined.dim[joined.rank - i] = a == 1 ? b : a;
    }
    *batch = joined;
    return 1;
}

static ppl_shape param_batch(const ppl_family *f, ppl_tensor *const *params, int i)
{
    return without_last(&params[i]->shape, f->param_event_dim[i]);
}

/* Parameter k does not broadcast against one of those before it: says which and where. */
static void fail_broadcast(ppl_ctx *c, const ppl_family *f, ppl_tensor *const *params,
                           int k)
{
    ppl_shape late = param_batch(f, params, k), early, both;
    char text[2][PPL_SHAPE_TEXT];
    int i = 0, axis = 1;
    for (;; i++) {
        early = param_batch(f, params, i);
        both = late;
        if (!widen(&both, &early))
            break;
    }
    for (; axis <= late.rank && axis <= early.rank; axis++) {
        int64_t a = early.dim[early.rank - axis], b = late.dim[late.rank - axis];
        if (a != b && a != 1 && b != 1)
            break;
    }
    ppl_fail(c, PPL_ESHAPE, "%s: %s %s and %s %s do not broadcast: axis %d is %" PRId64
             " against %" PRId64 "; make them equal or 1", f->name, f->param_name[i],
             ppl_shape_text(&params[i]->shape, text[0]), f->param_name[k],
             ppl_shape_text(&params[k]->shape, text[1]),
             (early.rank > late.rank ? early.rank : late.rank) - axis,
             early.dim[early.rank - axis], late.dim[late.rank - axis]);
}

/* The shape that the parameters broadcast to, their own event axes left out. */
static int batch_of(ppl_ctx *c, const ppl_family *f, ppl_tensor *const *params,
                    ppl_shape *batch)
{
    if (f->params > 0 && f->param_event_dim[0] == 0)
        *batch = params[0]->shape;      /* from where it is: a copy waits for its rank */
    else
        *batch = f->params > 0 ? param_batch(f, params, 0) : PPL_SCALAR;
    for (int i = 1; i < f->params; i++) {
        if (f->param_event_dim[i] == 0 && ppl__same_shape(&params[i]->shape, batch))
            continue;
        ppl_shape other = param_batch(f, params, i);
        if (!widen(batch, &other)) {
            fail_broadcast(c, f, params, i);
            return 0;
        }
    }
    return 1;
}

/* ---- Validation -------------------------------------------------------------------- */

/* 1 if d's mask leaves out the batch element that element i of a value belongs to. */
static int left_out(const ppl_dist *d, const ppl_tensor *value, size_t i)
{
    const ppl_tensor *mask = d->mask;
    if (!mask)
        return 0;
    int batch = value->shape.rank - d->event_dim, lead = batch - mask->shape.rank;
    size_t at = 0, stride = 1;
    for (int a = value->shape.rank; a-- > 0 && a >= lead;) {
        size_t size = (size_t)value->shape.dim[a], coordinate = i % size;
        i /= size;
        if (a >= batch)
            continue;
        size_t kept = (size_t)mask->shape.dim[a - lead];
        at += kept == 1 ? 0 : coordinate * stride;
        stride *= kept;
    }
    return !((const unsigned char *)mask->data)[at];
}

/* Fails on the first of t's values that violates k, unless d's mask leaves it out. */
static int satisfies(const ppl_family *f, const char *what, const ppl_constraint *k,
                     const ppl_tensor *t, const ppl_dist *d)
{
    const size_t event = ppl__event_size(k, t), n = (size_t)t->numel;
    char text[PPL__VIOLATION_TEXT];
    for (size_t i = 0;; i += event) {
        i = ppl__first_violation(k, t, i);
        if (i >= n)
            return t->ctx->status == PPL_OK;
        if (!d || !left_out(d, t, i)) {
            ppl_fail(t->ctx, PPL_ECONSTRAINT, "%s: %s%s", f->name, what,
                     ppl__violation_text(k, t, i, text));
            return 0;
        }
    }
}

/* Which element of t, broadcast to `shape`, stands at element i of that. */
static size_t place_beside(const ppl_tensor *t, const ppl_shape *shape, size_t i)
{
    size_t at = 0, stride = 1;
    for (int a = 1; a <= shape->rank && a <= t->shape.rank; a++) {
        size_t size = (size_t)shape->dim[shape->rank - a];
        size_t own = (size_t)t->shape.dim[t->shape.rank - a];
        at += own == 1 ? 0 : i % size * stride;
        stride *= own;
        i /= size;
    }
    return at;
}

static double beside(const ppl_tensor *t, const ppl_tensor *value, size_t i)
{
    return ppl__number_at(t, place_beside(t, &value->shape, i));
}

/* "uniform: value[3] is 5.2; it must be at most 4". An infinite bound is none. */
static void fail_bounds(const ppl_dist *d, const ppl_tensor *value, size_t i,
                        const ppl_tensor *lower, const ppl_tensor *upper)
{
    const double bound[2] = { lower ? beside(lower, value, i) : -INFINITY,
                              upper ? beside(upper, value, i) : INFINITY };
    char index[PPL_SHAPE_TEXT], is[64], low[64] = "", high[64] = "";
    ppl__number_text(value, i, is, sizeof is);
    if (!isinf(bound[0]))
        snprintf(low, sizeof low, "%s%.9g", isinf(bound[1]) ? "at least " : "between ",
                 bound[0]);
    if (!isinf(bound[1]))
        snprintf(high, sizeof high, "%s%.9g", isinf(bound[0]) ? "at most " : " and ",
                 bound[1]);
    ppl_fail(d->ctx, PPL_ECONSTRAINT, "%s: value%s is %s; it must be %s%s",
             d->family->name,
             ppl__index_text(&value->shape, i, value->shape.rank, 1, index), is, low,
             high);
}

/* Fails on the first value beyond the bounds that the parameters set. */
static int within_bounds(const ppl_dist *d, const ppl_tensor *value)
{
    ppl_tensor *lower = NULL, *upper = NULL;
    d->family->bounds(d, &lower, &upper);
    for (size_t i = 0; i < (size_t)value->numel && d->ctx->status == PPL_OK; i++) {
        double x = ppl__number_at(value, i);
        if ((lower && !(x >= beside(lower, value, i))) ||
            (upper && !(x <= beside(upper, value, i))))
            if (!left_out(d, value, i))
                fail_bounds(d, value, i, lower, upper);
    }
    return d->ctx->status == PPL_OK;
}

/* What the event at element i of a value must be, of its own parameters. */
static ppl_constraint support_of(const ppl_dist *d, const ppl_tensor *value, size_t i)
{
    const ppl_family *f = d->family;
    ppl_shape batch = without_last(&value->shape, f->event_dim);
    double param[PPL_MAX_PARAMS] = { 0 };
    for (int a = 1; a <= f->event_dim; a++)
        i /= (size_t)value->shape.dim[value->shape.rank - a];
    for (int k = 0; k < f->params; k++)
        if (f->param_event_dim[k] == 0)
            param[k] = ppl__number_at(d->param[k], place_beside(d->param[k], &batch, i));
    return f->support_at(param);
}

/* Fails on the first event that is not what its own parameters admit. What one event must
 * be is looked for in those behind it as well, as mostly they must be the same. */
static int in_own_support(const ppl_dist *d, const ppl_tensor *value)
{
    const size_t n = (size_t)value->numel;
    ppl_constraint k = { .type = NULL };
    for (size_t i = 0, event = 1, bad = 0; i < n; i += event) {
        const ppl_constraint own = support_of(d, value, i);
        if (own.type != k.type || own.lower != k.lower || own.upper != k.upper || bad < i) {
            k = own;
            event = ppl__event_size(&k, value);
            bad = ppl__first_violation(&k, value, i);
        }
        if (i == bad && !left_out(d, value, i)) {
            char text[PPL__VIOLATION_TEXT];
            ppl_fail(d->ctx, PPL_ECONSTRAINT, "%s: value%s", d->family->name,
                     ppl__violation_text(&k, value, i, text));
            return 0;
        }
    }
    return d->ctx->status == PPL_OK;
}

/* The values of an enumerable family of integers are those it enumerates, unless it says
 * more exactly which they are. */
static int in_support(const ppl_dist *d, const ppl_tensor *value)
{
    const ppl_family *f = d->family;
    ppl_constraint listed;
    const ppl_constraint *k = f->support;
    if (value->dtype == PPL_I64 && f->enumerate && !f->bounds) {
        const ppl_tensor *values = f->enumerate(d);
        if (!values || values->dtype != PPL_I64 || values->numel < 1)
            return d->ctx->status == PPL_OK;
        const int64_t *v = values->data;
        listed = ppl_integer_interval(v[0], v[values->numel - 1]);
        k = &listed;
    }
    return (!k || satisfies(f, "value", k, value, d)) &&
           (!f->bounds || within_bounds(d, value)) &&
           (!f->support_at || in_own_support(d, value));
}

/* Fails on the first element at which parameter i does not lie below the next; integers
 * may be equal. */
static int check_ascending(const ppl_dist *d, int i)
{
    const ppl_tensor *low = d->param[i], *high = d->param[i + 1];
    const char *const *name = d->family->param_name + i;
    const int whole = d->family->param_dtype[i] == PPL_I64;
    ppl_shape batch = without_last(&d->shape, d->family->event_dim);
    char index[PPL_SHAPE_TEXT], text[2][64];
    size_t n = 1;
    for (int a = 0; a < batch.rank; a++)
        n *= (size_t)batch.dim[a];
    for (size_t k = 0; k < n; k++) {
        size_t l = place_beside(low, &batch, k), h = place_beside(high, &batch, k);
        const double above = ppl__number_at(low, l) - ppl__number_at(high, h);
        if (above < 0 || (whole && above <= 0))
            continue;
        ppl__number_text(low, l, text[0], sizeof text[0]);
        ppl__number_text(high, h, text[1], sizeof text[1]);
        const char *where = ppl__index_text(&batch, k, batch.rank, 1, index);
        ppl_fail(d->ctx, PPL_ECONSTRAINT, "%s: %s%s is %s and %s%s is %s; %s must %s "
                 "%s", d->family->name, name[0], where, text[0], name[1], where, text[1],
                 name[0], whole ? "not be above" : "be below", name[1]);
        return 0;
    }
    return 1;
}

/* ---- Making ------------------------------------------------------------------------ */

/* 1 if parameter i can be one: usable, floating, of enough axes, in its constraint. */
static int check_param(ppl_ctx *c, const ppl_family *f, const ppl_tensor *t, int i)
{
    char text[PPL_SHAPE_TEXT];
    if (!ppl__usable(c, t)) {
        snprintf(text, sizeof text, "%s: %s", f->name, f->param_name[i]);
        ppl__check(c, t, text);
    } else if (t->dtype != c->dtype && t->dtype != f->param_dtype[i]) {
        ppl_fail(c, PPL_EDTYPE, "%s: %s is %s; it must be %s (ppl_to_float converts)",
                 f->name, f->param_name[i], t->dtype == PPL_I64 ? "integers" : "a mask",
                 f->param_dtype[i] == PPL_I64 ? "integers or floating" : "floating");
    } else if (t->shape.rank < f->param_event_dim[i]) {
        ppl_fail(c, PPL_ESHAPE, "%s: %s has shape %s; it needs %d %s at least", f->name,
                 f->param_name[i], ppl_shape_text(&t->shape, text),
                 f->param_event_dim[i], f->param_event_dim[i] == 1 ? "axis" : "axes");
    } else if (c->validating && f->param_constraint[i]) {
        satisfies(f, f->param_name[i], f->param_constraint[i], t, NULL);
    }
    return c->status == PPL_OK;
}

/* An uninitialised record; NULL after an error, so that a failed model drains. */
static ppl_dist *record(ppl_ctx *c)
{
    return c->status == PPL_OK ? ppl__arena_alloc(&c->data, sizeof(ppl_dist)) : NULL;
}

static ppl_dist *copy_of(const ppl_dist *d)
{
    ppl_dist *copy = record(d->ctx);
    if (copy)
        *copy = *d;
    return copy;
}

/* Appends the axes of one value to the batch that d->shape is so far. */
static int append_event(ppl_dist *d)
{
    ppl_shape event = d->family->event_shape ? d->family->event_shape(d) : PPL_SCALAR;
    if (d->shape.rank + event.rank > PPL_MAX_RANK) {
        ppl_fail(d->ctx, PPL_ESHAPE, "%s: %d batch axes and %d of a value are more than "
                 "%d", d->family->name, d->shape.rank, event.rank, PPL_MAX_RANK);
        return 0;
    }
    for (int i = 0; i < event.rank; i++)
        d->shape.dim[d->shape.rank++] = event.dim[i];
    return d->ctx->status == PPL_OK;
}

/* Widens the batch by that of the parts. */
static int join_parts(ppl_dist *d)
{
    ppl_shape params = d->shape;
    char text[2][PPL_SHAPE_TEXT];
    if (!d->parts || widen(&d->shape, &d->parts->batch))
        return 1;
    ppl_fail(d->ctx, PPL_ESHAPE, "%s: parameters of batch %s and parts of batch %s do not "
             "broadcast; make their axes equal or 1", d->family->name,
             ppl_shape_text(&params, text[0]),
             ppl_shape_text(&d->parts->batch, text[1]));
    return 0;
}

/* The context of what a distribution is made of; NULL if a part is missing. */
static ppl_ctx *ctx_of(const ppl_family *family, ppl_tensor *const *params,
                       const ppl_dist_parts *parts)
{
    ppl_ctx *c = NULL;
    for (int i = 0; i < family->params && !c; i++)
        c = ppl_tensor_ctx(params[i]);
    for (int i = 0; parts && i < parts->dists; i++) {
        if (!parts->dist[i])
            return NULL;
        c = c ? c : parts->dist[i]->ctx;
    }
    for (int i = 0; parts && i < parts->tensors; i++) {
        if (!parts->tensor[i])
            return NULL;
        c = c ? c : parts->tensor[i]->ctx;
    }
    return c;
}

static int check_parts(ppl_dist *d, const ppl_dist_parts *parts)
{
    for (int i = 0; i < parts->dists; i++)
        if (parts->dist[i]->ctx != d->ctx)
            ppl_fail(d->ctx, PPL_EINVAL, "%s: %s belongs to another context",
                     d->family->name, parts->dist[i]->family->name);
    for (int i = 0; i < parts->tensors; i++)
        ppl__check(d->ctx, parts->tensor[i], d->family->name);
    return d->ctx->status == PPL_OK;
}

/* A copy of the parts and their arrays; 0 if there is no memory, or one is of elsewhere. */
static int keep_parts(ppl_dist *d, const ppl_dist_parts *parts)
{
    ppl_dist_parts *copy;
    size_t dists, tensors;
    d->parts = NULL;
    if (!parts)
        return 1;
    dists = (size_t)parts->dists * sizeof *parts->dist;
    tensors = (size_t)parts->tensors * sizeof *parts->tensor;
    if (!check_parts(d, parts) ||
        !(copy = ppl__arena_alloc(&d->ctx->data, sizeof *copy + dists + tensors)))
        return 0;
    char *arrays = (char *)(copy + 1);
    *copy = *parts;
    copy->dist = dists ? memcpy(arrays, parts->dist, dists) : NULL;
    copy->tensor = tensors ? memcpy(arrays + dists, parts->tensor, tensors) : NULL;
    d->parts = copy;
    return 1;
}

ppl_dist *ppl_dist_make(const ppl_family *family, ppl_tensor *const *params,
                        const void *attr)
{
    return ppl_dist_make_of(family, params, NULL, attr);
}

ppl_dist *ppl_dist_make_of(const ppl_family *family, ppl_tensor *const *params,
                           const ppl_dist_parts *parts, const void *attr)
{
    ppl_ctx *c = ctx_of(family, params, parts);
    ppl_dist *d = c ? record(c) : NULL;
    if (!d)
        return NULL;
    memset(d->param, 0, sizeof d->param);
    for (int i = 0; i < family->params; i++) {
        if (!check_param(c, family, params[i], i))
            return NULL;
        d->param[i] = params[i];
    }
    d->ctx = c;
    d->family = family;
    d->event_dim = family->event_dim;
    d->mask = NULL;
    d->attr = attr;
    if (!keep_parts(d, parts) || !batch_of(c, family, params, &d->shape) ||
        !join_parts(d))
        return NULL;
    if (family->event_shape && !append_event(d))
        return NULL;
    for (int i = 0; c->validating && i + 1 < family->params; i++)
        if ((family->ascending >> i & 1) && !check_ascending(d, i))
            return NULL;
    return d;
}

ppl_shape ppl_dist_batch_shape(const ppl_dist *d)
{
    return d ? without_last(&d->shape, d->event_dim) : PPL_SCALAR;
}

/* d's mask for a batch whose last n axes become part of the event. */
static int mask_before_event(ppl_dist *d, int n)
{
    ppl_shape shape = d->mask->shape;
    char text[PPL_SHAPE_TEXT];
    for (; n > 0 && shape.rank > 0; n--) {
        if (shape.dim[--shape.rank] != 1) {
            ppl_fail(d->ctx, PPL_ESHAPE, "event: the mask %s of %s tells elements of one "
                     "event apart; use ppl_event first, then ppl_masked with a mask of "
                     "whole events", ppl_shape_text(&d->mask->shape, text),
                     d->family->name);
            return 0;
        }
        shape.dim[shape.rank] = 0;
    }
    d->mask = ppl_reshape(d->mask, shape);
    return d->mask != NULL;
}

ppl_dist *ppl_event(ppl_dist *d, int n)
{
    char text[PPL_SHAPE_TEXT];
    if (!d || n == 0)
        return d;
    if (n < 0 || n > d->shape.rank - d->event_dim) {
        ppl_shape batch = ppl_dist_batch_shape(d);
        ppl_fail(d->ctx, PPL_ESHAPE, "event: %s has batch %s, which has not %d axes to "
                 "become part of the event; 0 to %d can", d->family->name,
                 ppl_shape_text(&batch, text), n, batch.rank);
        return NULL;
    }
    d = copy_of(d);
    if (!d || (d->mask && !mask_before_event(d, n)))
        return NULL;
    d->event_dim += n;
    return d;
}

ppl_dist *ppl_masked(ppl_dist *d, ppl_tensor *mask)
{
    static const char *const name[] = { "f32", "f64", "i64", "mask" };
    char text[2][PPL_SHAPE_TEXT];
    if (!d || !mask || ppl__check(d->ctx, mask, "masked: the mask") != PPL_OK)
        return mask ? NULL : d;
    ppl_shape batch = ppl_dist_batch_shape(d);
    if (mask->dtype != PPL_MASK)
        ppl_fail(d->ctx, PPL_EDTYPE, "masked: expected a mask (PPL_MASK), got %s; make "
                 "one with ppl_from_mask or ppl_less", name[mask->dtype]);
    else if (misfit(&mask->shape, &batch) >= 0)
        ppl_fail(d->ctx, PPL_ESHAPE, "masked: a mask of shape %s does not broadcast to "
                 "the batch %s of %s; it counts batch axes only, not those of an event",
                 ppl_shape_text(&mask->shape, text[0]), ppl_shape_text(&batch, text[1]),
                 d->family->name);
    d = copy_of(d);
    if (d)
        d->mask = d->mask ? ppl_and(d->mask, mask) : mask;
    return d && d->mask ? d : NULL;
}

ppl_dist *ppl_expand_dist(ppl_dist *d, ppl_shape batch)
{
    char text[2][PPL_SHAPE_TEXT];
    if (!d || ppl__shape_check(d->ctx, "expand_dist", &batch) != PPL_OK)
        return NULL;
    ppl_shape old = ppl_dist_batch_shape(d);
    if (misfit(&old, &batch) >= 0 || batch.rank + d->event_dim > PPL_MAX_RANK) {
        ppl_fail(d->ctx, PPL_ESHAPE, "expand_dist: the batch %s of %s does not broadcast "
                 "to %s", ppl_shape_text(&old, text[0]), d->family->name,
                 ppl_shape_text(&batch, text[1]));
        return NULL;
    }
    for (int i = batch.rank; i < PPL_MAX_RANK; i++)
        batch.dim[i] = 0;
    for (int i = old.rank; i < d->shape.rank; i++)
        batch.dim[batch.rank++] = d->shape.dim[i];
    d = copy_of(d);
    if (d)
        d->shape = batch;
    return d;
}

const ppl_sites *ppl_dist_sites(const ppl_dist *d)
{
    ppl_ctx *c = d->ctx;
    const ppl_sites *set = d->mask ? d->mask->sites : NULL;
    for (int i = 0; i < d->family->params; i++)
        set = ppl__sites_join(c, set, d->param[i]->sites);
    for (int i = 0; d->parts && i < d->parts->tensors; i++)
        set = ppl__sites_join(c, set, d->parts->tensor[i]->sites);
    for (int i = 0; d->parts && i < d->parts->dists; i++)
        set = ppl__sites_join(c, set, ppl_dist_sites(d->parts->dist[i]));
    return set;
}

/* ---- Asking ------------------------------------------------------------------------ */

ppl_tensor *ppl_dist_sample(ppl_dist *d, const ppl_rng *rng)
{
    return d && d->ctx->status == PPL_OK ? d->family->sample(d, rng) : NULL;
}

ppl_status ppl__dist_fits(const ppl_dist *d, const ppl_tensor *value)
{
    const ppl_family *f = d->family;
    int integers = f->value_dtype == PPL_I64;
    char text[2][PPL_SHAPE_TEXT];
    if (value->dtype != (integers ? PPL_I64 : d->ctx->dtype))
        return ppl_fail(d->ctx, PPL_EDTYPE, "%s: the value is not %s (%s)", f->name,
                        integers ? "integers" : "floating",
                        integers ? "ppl_from_integers makes them"
                                 : "ppl_to_float converts integers and masks");
    if (!ppl__same_shape(&value->shape, &d->shape) &&
        (misfit(&d->shape, &value->shape) >= 0 ||
         !same_last(&d->shape, &value->shape, f->event_dim)))
        return ppl_fail(d->ctx, PPL_ESHAPE, "%s: a value of shape %s does not fit the "
                        "distribution's shape %s; reshape the value or the parameters",
                        f->name, ppl_shape_text(&value->shape, text[0]),
                        ppl_shape_text(&d->shape, text[1]));
    return PPL_OK;
}

/* Tries it out, and takes the error back unless it is another one. */
int ppl_dist_admits(const ppl_dist *d, const ppl_tensor *value, char *why, size_t size)
{
    char before[PPL_ERROR_TEXT + 1];
    if (!d || !value || d->ctx->status != PPL_OK)
        return 0;
    ppl_ctx *c = d->ctx;
    ppl_status reported = c->reported;
    ppl_error_hook hook = c->hook;
    memcpy(before, c->error, sizeof before);
    c->hook = NULL;
    int admits = ppl__dist_fits(d, value) == PPL_OK && in_support(d, value);
    c->hook = hook;
    if (c->status == PPL_OK || c->status == PPL_ENOMEM)
        return admits && c->status == PPL_OK;
    snprintf(why, size, "%.*s", (int)strcspn(c->error, "\n"), c->error);
    c->status = PPL_OK;
    c->reported = reported;
    memcpy(c->error, before, sizeof before);
    return 0;
}

/* One number for each batch element from one for each value. */
static ppl_tensor *per_batch(const ppl_dist *d, ppl_tensor *t)
{
    int axes = d->event_dim - d->family->event_dim;
    if (axes > 0)
        t = ppl_sum_last(t, axes);
    return t && d->mask ? ppl_where(d->mask, t, ppl_scalar(d->ctx, 0)) : t;
}

ppl_tensor *ppl_log_prob(ppl_dist *d, ppl_tensor *value)
{
    if (!d || d->ctx->status != PPL_OK)
        return NULL;
    if (ppl__check(d->ctx, value, "log_prob: the value") != PPL_OK ||
        ppl__dist_fits(d, value) != PPL_OK ||
        (d->ctx->validating && !in_support(d, value)))
        return NULL;
    return per_batch(d, d->family->log_prob(d, value));
}

/* t at `shape`, to which it broadcasts. */
static ppl_tensor *at_shape(ppl_tensor *t, const ppl_shape *shape)
{
    return !t || ppl__same_shape(&t->shape, shape) ? t : ppl_expand(t, *shape);
}

/* What an optional function of the row gives; PPL_EUNSUPPORTED if there is none. */
static ppl_tensor *ask(const ppl_dist *d, const char *what,
                       ppl_tensor *(*function)(const ppl_dist *d))
{
    if (!d || d->ctx->status != PPL_OK)
        return NULL;
    if (!function) {
        ppl_fail(d->ctx, PPL_EUNSUPPORTED, "%s: it has no %s in closed form; estimate it "
                 "from samples", d->family->name, what);
        return NULL;
    }
    return function(d);
}

ppl_tensor *ppl_entropy(ppl_dist *d)
{
    ppl_tensor *t = ask(d, "entropy", d ? d->family->entropy : NULL);
    if (!t)
        return NULL;
    ppl_shape values = without_last(&d->shape, d->family->event_dim);
    return per_batch(d, at_shape(t, &values));
}

ppl_tensor *ppl_dist_mean(ppl_dist *d)
{
    ppl_tensor *t = ask(d, "mean", d ? d->family->mean : NULL);
    return t ? at_shape(t, &d->shape) : NULL;
}

ppl_tensor *ppl_dist_variance(ppl_dist *d)
{
    ppl_tensor *t = ask(d, "variance", d ? d->family->variance : NULL);
    return t ? at_shape(t, &d->shape) : NULL;
}

ppl_tensor *ppl_dist_mode(ppl_dist *d)
{
    ppl_tensor *t = ask(d, "mode", d ? d->family->mode : NULL);
    return t ? at_shape(t, &d->shape) : NULL;
}

ppl_tensor *ppl_dist_covariance(ppl_dist *d)
{
    ppl_tensor *t = ask(d, "covariance", d ? d->family->covariance : NULL);
    if (!t)
        return NULL;
    ppl_shape shape = d->shape;
    if (shape.rank == PPL_MAX_RANK) {
        char text[PPL_SHAPE_TEXT];
        ppl_fail(d->ctx, PPL_ESHAPE, "%s: a covariance of values of shape %s would have "
                 "more than %d axes", d->family->name, ppl_shape_text(&shape, text),
                 PPL_MAX_RANK);
        return NULL;
    }
    shape.dim[shape.rank] = shape.dim[shape.rank - 1];
    shape.rank++;
    return at_shape(t, &shape);
}

/* cdf or icdf, elementwise, at the shape that d's and the argument's broadcast to. */
static ppl_tensor *ask_at(const ppl_dist *d, const char *what, ppl_tensor *x,
                          ppl_tensor *(*function)(const ppl_dist *d, ppl_tensor *x))
{
    if (!d || d->ctx->status != PPL_OK || ppl__check(d->ctx, x, what) != PPL_OK)
        return NULL;
    if (!function) {
        ppl_fail(d->ctx, PPL_EUNSUPPORTED, "%s: it has no %s in closed form",
                 d->family->name, what);
        return NULL;
    }
    ppl_shape shape = d->shape;
    char text[2][PPL_SHAPE_TEXT];
    if (!widen(&shape, &x->shape)) {
        ppl_fail(d->ctx, PPL_ESHAPE, "%s: the %s of %s does not broadcast to the "
                 "distribution's shape %s", d->family->name, what,
                 ppl_shape_text(&x->shape, text[0]), ppl_shape_text(&d->shape, text[1]));
        return NULL;
    }
    return at_shape(function(d, x), &shape);
}

ppl_tensor *ppl_cdf(ppl_dist *d, ppl_tensor *value)
{
    return ask_at(d, "cdf", value, d ? d->family->cdf : NULL);
}

ppl_tensor *ppl_icdf(ppl_dist *d, ppl_tensor *probability)
{
    return ask_at(d, "icdf", probability, d ? d->family->icdf : NULL);
}

ppl_tensor *ppl_log_cdf(ppl_dist *d, ppl_tensor *value)
{
    if (d && !d->family->log_cdf)
        return ppl_log(ppl_cdf(d, value));
    return ask_at(d, "log_cdf", value, d ? d->family->log_cdf : NULL);
}

ppl_tensor *ppl_log_survival(ppl_dist *d, ppl_tensor *value)
{
    if (d && !d->family->log_survival)
        return ppl_log1p(ppl_neg(ppl_cdf(d, value)));
    return ask_at(d, "log_survival", value, d ? d->family->log_survival : NULL);
}

ppl_tensor *ppl_inverse_survival(ppl_dist *d, ppl_tensor *probability)
{
    if (d && !d->family->inverse_survival)
        return ppl_icdf(d, ppl_affine(probability, -1, 1));
    return ask_at(d, "inverse_survival", probability,
                  d ? d->family->inverse_survival : NULL);
}
