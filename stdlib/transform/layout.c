/* SPDX-License-Identifier: MIT */
/*
 * layout.c - transforms that move elements and change none: permute, reshape. Their
 * log |det J| is 0.
 */
#include "transform.h"

#include <inttypes.h>
#include <string.h>

static void no_volume(ppl_tensor **log_abs_det, const ppl_tensor *x, int axes)
{
    if (log_abs_det)
        *log_abs_det = ppl__transform_zeros(x, axes);
}

/* ---- Permute ----------------------------------------------------------------------- */

/* The attr: rows of the last axis, for both ways. */
typedef struct order {
    int64_t n;
    ppl_tensor *forward, *inverse;
} order;

static ppl_tensor *pick(const ppl_transform *self, ppl_tensor *t, ppl_tensor *rows,
                        ppl_tensor **log_abs_det)
{
    const order *o = self->attr;
    if (ppl_dim(t, -1) != o->n) {
        ppl_fail(self->ctx, PPL_ESHAPE, "permute: a value of shape %s; the permutation "
                 "has %" PRId64 " elements", SHAPE_OF(t), o->n);
        return NULL;
    }
    no_volume(log_abs_det, t, 1);
    return ppl_index_select(t, -1, rows);
}

static ppl_tensor *permute_forward(const ppl_transform *self, ppl_tensor *x,
                                   ppl_tensor **log_abs_det)
{
    return pick(self, x, ((const order *)self->attr)->forward, log_abs_det);
}

static ppl_tensor *permute_inverse(const ppl_transform *self, ppl_tensor *y,
                                   ppl_tensor **log_abs_det)
{
    return pick(self, y, ((const order *)self->attr)->inverse, log_abs_det);
}

static int permute_same(const ppl_transform *a, const ppl_transform *b)
{
    const order *o = a->attr, *p = b->attr;
    return o->n == p->n && memcmp(ppl_data(o->forward), ppl_data(p->forward),
                                  (size_t)o->n * sizeof(int64_t)) == 0;
}

static int permute_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    (void)inverse;
    return shape->dim[shape->rank - 1] == ((const order *)self->attr)->n;
}

static const ppl_transform_type permute = {
    .name = "permute", .flags = PPL_LINEAR, .forward = permute_forward,
    .inverse = permute_inverse, .shape = permute_shape, .same = permute_same
};

/* The rows that undo `permutation`; NULL, with the error recorded, if it is none. */
static int64_t *undoing(ppl_ctx *c, const int64_t *permutation, int64_t n)
{
    if (n < 0) {
        ppl_fail(c, PPL_EINVAL, "permute: %" PRId64 " elements; 0 at least must be", n);
        return NULL;
    }
    int64_t *back = ppl_alloc(c, (size_t)n * sizeof *back);
    for (int64_t i = 0; back && i < n; i++)
        back[i] = -1;
    for (int64_t i = 0; back && i < n; i++) {
        const int64_t at = permutation[i];
        if (at < 0 || at >= n || back[at] >= 0) {
            ppl_fail(c, PPL_EINVAL, "permute: element %" PRId64 " is %" PRId64 "; each "
                     "of 0 to %" PRId64 " must be there once", i, at, n - 1);
            return NULL;
        }
        back[at] = i;
    }
    return back;
}

ppl_transform *ppl_transform_permute(ppl_ctx *c, const int64_t *permutation, int64_t n)
{
    order *o = c && ppl_ok(c) ? ppl_alloc(c, sizeof *o) : NULL;
    const int64_t *back = o ? undoing(c, permutation, n) : NULL;
    if (!back)
        return NULL;
    *o = (order){ n, ppl_from_integers(c, PPL_SHAPE(n), permutation),
                  ppl_from_integers(c, PPL_SHAPE(n), back) };
    if (!o->forward || !o->inverse)
        return NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &permute, .domain = ppl_constraint_real_vector,
        .codomain = ppl_constraint_real_vector, .attr = o });
}

/* ---- Reshape ----------------------------------------------------------------------- */

typedef struct shapes {
    ppl_shape from, to;
} shapes;

/* Replaces the event `from` at the end of `shape` by `to`; 0 if it is not there. */
static int replace_event(ppl_shape *shape, const ppl_shape *from, const ppl_shape *to)
{
    const int batch = shape->rank - from->rank;
    for (int a = 0; a < from->rank; a++)
        if (batch < 0 || shape->dim[batch + a] != from->dim[a])
            return 0;
    if (batch + to->rank > PPL_MAX_RANK)
        return 0;
    shape->rank = batch + to->rank;
    for (int a = batch; a < PPL_MAX_RANK; a++)
        shape->dim[a] = a < shape->rank ? to->dim[a - batch] : 0;
    return 1;
}

static int reshape_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    const shapes *s = self->attr;
    return inverse ? replace_event(shape, &s->to, &s->from)
                   : replace_event(shape, &s->from, &s->to);
}

static ppl_tensor *reshaped(const ppl_transform *self, ppl_tensor *t, int inverse,
                            ppl_tensor **log_abs_det)
{
    const shapes *s = self->attr;
    ppl_shape shape = ppl_tensor_shape(t);
    if (!ppl_transform_shape(self, &shape, inverse))
        return NULL;
    no_volume(log_abs_det, t, inverse ? s->to.rank : s->from.rank);
    return ppl_reshape(t, shape);
}

static ppl_tensor *reshape_forward(const ppl_transform *self, ppl_tensor *x,
                                   ppl_tensor **log_abs_det)
{
    return reshaped(self, x, 0, log_abs_det);
}

static ppl_tensor *reshape_inverse(const ppl_transform *self, ppl_tensor *y,
                                   ppl_tensor **log_abs_det)
{
    return reshaped(self, y, 1, log_abs_det);
}

static int reshape_same(const ppl_transform *a, const ppl_transform *b)
{
    return memcmp(a->attr, b->attr, sizeof(shapes)) == 0;
}

static const ppl_transform_type reshape = {
    .name = "reshape", .flags = PPL_LINEAR, .forward = reshape_forward,
    .inverse = reshape_inverse, .shape = reshape_shape, .same = reshape_same
};

/* The shape with what is beyond its rank 0; its number of elements in *count, -1 if a
 * length is below 0. */
static ppl_shape clean(ppl_shape shape, int64_t *count)
{
    *count = 1;
    for (int a = 0; a < PPL_MAX_RANK; a++) {
        if (a < shape.rank)
            *count = *count < 0 || shape.dim[a] < 0 ? -1 : *count * shape.dim[a];
        else
            shape.dim[a] = 0;
    }
    return shape;
}

ppl_transform *ppl_transform_reshape(ppl_ctx *c, ppl_shape from, ppl_shape to)
{
    shapes *s = c && ppl_ok(c) ? ppl_alloc(c, sizeof *s) : NULL;
    int64_t count[2];
    if (!s)
        return NULL;
    *s = (shapes){ clean(from, &count[0]), clean(to, &count[1]) };
    if (count[0] < 0 || count[1] < 0)
        ppl_fail(c, PPL_ESHAPE, "reshape: events %s and %s; no axis can be shorter than 0",
                 SHAPE_TEXT(from), SHAPE_TEXT(to));
    else if (count[0] != count[1])
        ppl_fail(c, PPL_ESHAPE, "reshape: events %s and %s have %" PRId64 " and %" PRId64
                 " elements; both must have as many", SHAPE_TEXT(from), SHAPE_TEXT(to),
                 count[0], count[1]);
    if (!ppl_ok(c))
        return NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &reshape, .domain = ppl__real_of(c, from.rank),
        .codomain = ppl__real_of(c, to.rank), .attr = s });
}
