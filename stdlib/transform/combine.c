/* SPDX-License-Identifier: MIT */
/*
 * combine.c - transforms made of others: inverse, composition, more axes to an event, and
 * events whose parts go different ways.
 *
 * A part whose events have fewer axes than the whole's leaves log |det J| for each of
 * several events: those are summed.
 */
#include "transform.h"

#include <inttypes.h>

/* The first part, unless there is none. */
static ppl_ctx *ctx_of(ppl_transform *const *transforms, int n)
{
    return n > 0 && transforms[0] ? transforms[0]->ctx : NULL;
}

/* sum += t. */
static ppl_tensor *add_to(ppl_tensor *sum, ppl_tensor *t)
{
    return sum ? ppl_add(sum, t) : t;
}

/* ---- Inverse ----------------------------------------------------------------------- */

static ppl_tensor *negated(ppl_tensor *t, ppl_tensor **log_abs_det)
{
    if (log_abs_det && *log_abs_det)
        *log_abs_det = ppl_neg(*log_abs_det);
    return t;
}

static ppl_tensor *inverse_forward(const ppl_transform *self, ppl_tensor *x,
                                   ppl_tensor **log_abs_det)
{
    return negated(ppl_transform_inverse(self->part[0], x, log_abs_det), log_abs_det);
}

static ppl_tensor *inverse_inverse(const ppl_transform *self, ppl_tensor *y,
                                   ppl_tensor **log_abs_det)
{
    return negated(ppl_transform_forward(self->part[0], y, log_abs_det), log_abs_det);
}

static int inverse_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    return ppl_transform_shape(self->part[0], shape, !inverse);
}

static ppl_tensor *part_decreasing(const ppl_transform *self)
{
    const ppl_transform *t = self->part[0];
    return t->type->decreasing ? t->type->decreasing(t) : NULL;
}

static const ppl_transform_type inverse_type = {
    .name = "inverse", .flags = PPL_ELEMENTWISE | PPL_LINEAR, .forward = inverse_forward,
    .inverse = inverse_inverse, .shape = inverse_shape, .decreasing = part_decreasing
};

ppl_transform *ppl_transform_invert(ppl_transform *t)
{
    if (!t || t->type == &inverse_type)
        return t ? (ppl_transform *)(uintptr_t)t->part[0] : NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = t->ctx, .type = &inverse_type, .domain = t->codomain,
        .codomain = t->domain, .part = (const ppl_transform *const *)&t, .parts = 1 });
}

/* ---- Composition ------------------------------------------------------------------- */

static ppl_tensor *compose_forward(const ppl_transform *self, ppl_tensor *x,
                                   ppl_tensor **log_abs_det)
{
    int axes = ppl__domain_dim(self);
    ppl_tensor *sum = NULL, *own;
    for (int i = 0; i < self->parts; i++) {
        const ppl_transform *t = self->part[i];
        const int more = axes - ppl__domain_dim(t);
        x = ppl_transform_forward(t, x, log_abs_det ? &own : NULL);
        if (log_abs_det)
            sum = add_to(sum, ppl__transform_sum(own, more));
        axes = ppl__codomain_dim(t) + more;
    }
    if (log_abs_det)
        *log_abs_det = sum;
    return x;
}

static ppl_tensor *compose_inverse(const ppl_transform *self, ppl_tensor *y,
                                   ppl_tensor **log_abs_det)
{
    int axes = ppl__codomain_dim(self);
    ppl_tensor *sum = NULL, *own;
    for (int i = self->parts; i-- > 0;) {
        const ppl_transform *t = self->part[i];
        const int more = axes - ppl__codomain_dim(t);
        y = ppl_transform_inverse(t, y, log_abs_det ? &own : NULL);
        if (log_abs_det)
            sum = add_to(sum, ppl__transform_sum(own, more));
        axes = ppl__domain_dim(t) + more;
    }
    if (log_abs_det)
        *log_abs_det = sum;
    return y;
}

static int compose_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    for (int i = 0; i < self->parts; i++)
        if (!ppl_transform_shape(self->part[inverse ? self->parts - 1 - i : i], shape,
                                 inverse))
            return 0;
    return 1;
}

/* 1 where an odd number of the parts decreases. */
static ppl_tensor *compose_decreasing(const ppl_transform *self)
{
    ppl_tensor *odd = NULL;
    for (int i = 0; i < self->parts; i++) {
        const ppl_transform *t = self->part[i];
        ppl_tensor *own = t->type->decreasing ? t->type->decreasing(t) : NULL;
        if (own && odd) {
            ppl_tensor *neither = ppl_and(ppl_not(odd), ppl_not(own));
            odd = ppl_and(ppl_not(neither), ppl_not(ppl_and(odd, own)));
        } else if (own) {
            odd = own;
        }
    }
    return odd;
}

static const ppl_transform_type compose_type = {
    .name = "compose", .flags = PPL_ELEMENTWISE | PPL_LINEAR, .forward = compose_forward,
    .inverse = compose_inverse, .shape = compose_shape, .decreasing = compose_decreasing
};

/* `k`, with more axes to one value so that it has `axes`. */
static ppl_constraint widened(ppl_ctx *c, ppl_constraint k, int axes)
{
    return ppl_constraint_independent(c, k, axes - ppl_constraint_event_dim(&k));
}

ppl_transform *ppl_transform_compose(ppl_transform *const *transforms, int n)
{
    ppl_ctx *c = ctx_of(transforms, n);
    int into = 0, out = 0;
    for (int i = 0; i < n; i++)
        if (!transforms[i])
            return NULL;
    if (!c || n == 1)
        return c ? transforms[0] : NULL;
    /* The fewest axes of an event that every part has room in, at either end. */
    for (int i = n; i-- > 0;) {
        const int less = into - ppl__codomain_dim(transforms[i]);
        into = ppl__domain_dim(transforms[i]) + (less > 0 ? less : 0);
    }
    for (int i = 0; i < n; i++) {
        const int less = out - ppl__domain_dim(transforms[i]);
        out = ppl__codomain_dim(transforms[i]) + (less > 0 ? less : 0);
    }
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &compose_type,
        .domain = widened(c, transforms[0]->domain, into),
        .codomain = widened(c, transforms[n - 1]->codomain, out),
        .part = (const ppl_transform *const *)transforms, .parts = n });
}

/* ---- More axes to an event --------------------------------------------------------- */

static int more_axes(const ppl_transform *self)
{
    return ppl__domain_dim(self) - ppl__domain_dim(self->part[0]);
}

static ppl_tensor *independent_forward(const ppl_transform *self, ppl_tensor *x,
                                       ppl_tensor **log_abs_det)
{
    ppl_tensor *y = ppl_transform_forward(self->part[0], x, log_abs_det);
    if (log_abs_det && *log_abs_det)
        *log_abs_det = ppl__transform_sum(*log_abs_det, more_axes(self));
    return y;
}

static ppl_tensor *independent_inverse(const ppl_transform *self, ppl_tensor *y,
                                       ppl_tensor **log_abs_det)
{
    ppl_tensor *x = ppl_transform_inverse(self->part[0], y, log_abs_det);
    if (log_abs_det && *log_abs_det)
        *log_abs_det = ppl__transform_sum(*log_abs_det, more_axes(self));
    return x;
}

static int independent_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    return ppl_transform_shape(self->part[0], shape, inverse);
}

static int independent_same(const ppl_transform *a, const ppl_transform *b)
{
    return more_axes(a) == more_axes(b);
}

static const ppl_transform_type independent_type = {
    .name = "independent", .flags = PPL_ELEMENTWISE | PPL_LINEAR,
    .forward = independent_forward, .inverse = independent_inverse,
    .shape = independent_shape, .decreasing = part_decreasing, .same = independent_same
};

ppl_transform *ppl_transform_independent(ppl_transform *t, int axes)
{
    if (!t || axes == 0)
        return t;
    return ppl_transform_make(&(ppl_transform){
        .ctx = t->ctx, .type = &independent_type,
        .domain = ppl_constraint_independent(t->ctx, t->domain, axes),
        .codomain = ppl_constraint_independent(t->ctx, t->codomain, axes),
        .part = (const ppl_transform *const *)&t, .parts = 1 });
}

/* ---- Parts of one event ------------------------------------------------------------ */

/* The attr of cat: lengths along the axis, before and after; of stack NULL. */
typedef struct lengths {
    const int64_t *before, *after;
} lengths;

/* Part i's elements, from *start on: of x, or of y if `back`; moves *start behind. */
static ppl_tensor *piece(const ppl_transform *self, int i, int back, ppl_tensor *t,
                         int64_t *start)
{
    const lengths *l = self->attr;
    const int axis = -(back ? ppl__codomain_dim(self) : ppl__domain_dim(self));
    const int64_t length = !l ? 1 : back ? l->after[i] : l->before[i];
    ppl_shape shape;
    t = ppl_slice(t, axis, *start, *start + length);
    *start += length;
    if (!t || l)
        return t;
    shape = ppl_tensor_shape(t);
    for (int a = shape.rank + axis; a + 1 < shape.rank; a++)
        shape.dim[a] = shape.dim[a + 1];
    shape.dim[--shape.rank] = 0;
    return ppl_reshape(t, shape);
}

/* What all parts take along the axis: of x, or of y if `back`. */
static int64_t total(const ppl_transform *self, int back)
{
    const lengths *l = self->attr;
    int64_t all = l ? 0 : self->parts;
    for (int i = 0; l && i < self->parts; i++)
        all += back ? l->after[i] : l->before[i];
    return all;
}

static int fits(const ppl_transform *self, const ppl_tensor *t, int back)
{
    const int axis = -(back ? ppl__codomain_dim(self) : ppl__domain_dim(self));
    const int64_t all = total(self, back);
    if (ppl_dim(t, axis) == all)
        return 1;
    ppl_fail(self->ctx, PPL_ESHAPE, "%s: a value of shape %s; axis %d must have %" PRId64
             " elements for its parts", self->type->name, SHAPE_OF(t), axis, all);
    return 0;
}

static ppl_tensor *joined(const ppl_transform *self, ppl_tensor *t, int back,
                          ppl_tensor **log_abs_det)
{
    const int axis = -(back ? ppl__domain_dim(self) : ppl__codomain_dim(self));
    ppl_tensor **out = ppl_alloc(self->ctx, (size_t)self->parts * sizeof *out);
    ppl_tensor *sum = NULL, *own;
    int64_t start = 0;
    if (!out || !fits(self, t, back))
        return NULL;
    for (int i = 0; i < self->parts; i++) {
        const ppl_transform *part = self->part[i];
        const int more = ppl__domain_dim(self) - !self->attr - ppl__domain_dim(part);
        out[i] = (back ? ppl_transform_inverse : ppl_transform_forward)(
            part, piece(self, i, back, t, &start), log_abs_det ? &own : NULL);
        if (log_abs_det)
            sum = add_to(sum, ppl__transform_sum(own, more));
    }
    if (log_abs_det)
        *log_abs_det = sum;
    return (self->attr ? ppl_concat : ppl_stack)(out, self->parts, axis);
}

static ppl_tensor *joined_forward(const ppl_transform *self, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    return joined(self, x, 0, log_abs_det);
}

static ppl_tensor *joined_inverse(const ppl_transform *self, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    return joined(self, y, 1, log_abs_det);
}

/* The shape that the parts' images have together; all must agree but along the axis. */
static int joined_shape(const ppl_transform *self, ppl_shape *shape, int inverse)
{
    const lengths *l = self->attr;
    const int axis = shape->rank - (inverse ? ppl__codomain_dim(self)
                                            : ppl__domain_dim(self));
    ppl_shape own = *shape;
    int64_t all = 0;
    if (shape->dim[axis] != total(self, inverse))
        return 0;
    for (int i = 0; i < self->parts; i++) {
        own = *shape;
        if (l) {
            own.dim[axis] = inverse ? l->after[i] : l->before[i];
        } else {
            for (int a = axis; a + 1 < own.rank; a++)
                own.dim[a] = own.dim[a + 1];
            own.dim[--own.rank] = 0;
        }
        if (!ppl_transform_shape(self->part[i], &own, inverse))
            return 0;
        all += l ? own.dim[axis] : 1;
    }
    if (!l) {
        own.rank++;
        for (int a = own.rank; --a > axis;)
            own.dim[a] = own.dim[a - 1];
    }
    own.dim[axis] = all;
    *shape = own;
    return 1;
}

static int cat_same(const ppl_transform *a, const ppl_transform *b)
{
    const lengths *l = a->attr, *m = b->attr;
    for (int i = 0; l && m && i < a->parts; i++)
        if (l->before[i] != m->before[i])
            return 0;
    return !l == !m && ppl__domain_dim(a) == ppl__domain_dim(b);
}

static const ppl_transform_type cat_type = {
    .name = "cat", .flags = PPL_LINEAR, .forward = joined_forward,
    .inverse = joined_inverse, .shape = joined_shape, .same = cat_same
};
static const ppl_transform_type stack_type = {
    .name = "stack", .flags = PPL_LINEAR, .forward = joined_forward,
    .inverse = joined_inverse, .shape = joined_shape, .same = cat_same
};

/* The domains of the parts, then their codomains; NULL on error. */
static ppl_constraint *ends(ppl_ctx *c, ppl_transform *const *transforms, int n)
{
    ppl_constraint *k = c && ppl_ok(c) ? ppl_alloc(c, 2 * (size_t)n * sizeof *k) : NULL;
    for (int i = 0; k && i < n; i++) {
        if (!transforms[i])
            return NULL;
        k[i] = transforms[i]->domain;
        k[n + i] = transforms[i]->codomain;
    }
    return k;
}

/* The lengths before and, for parts that map along the axis, after; NULL on error. */
static const lengths *lengths_of(ppl_ctx *c, ppl_transform *const *transforms,
                                 const int64_t *length, int n, int axis)
{
    lengths *l = ppl_alloc(c, sizeof *l);
    int64_t *copy = ppl_alloc(c, 2 * (size_t)n * sizeof *copy);
    if (!l || !copy)
        return NULL;
    for (int i = 0; i < n; i++) {
        ppl_shape own = PPL_SHAPE(length[i]);
        copy[i] = length[i];
        if (axis == -1 && ppl__domain_dim(transforms[i]) == 1 &&
            !ppl_transform_shape(transforms[i], &own, 0))
            return NULL;
        copy[n + i] = own.dim[0];
    }
    *l = (lengths){ copy, copy + n };
    return l;
}

ppl_transform *ppl_transform_cat(ppl_transform *const *transforms, const int64_t *length,
                                 int n, int axis)
{
    ppl_ctx *c = ctx_of(transforms, n);
    const ppl_constraint *k = ends(c, transforms, n);
    const lengths *l = k ? lengths_of(c, transforms, length, n, axis) : NULL;
    if (!l)
        return NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &cat_type,
        .domain = ppl_constraint_cat(c, k, l->before, n, axis),
        .codomain = ppl_constraint_cat(c, k + n, l->after, n, axis),
        .part = (const ppl_transform *const *)transforms, .parts = n, .attr = l });
}

ppl_transform *ppl_transform_stack(ppl_transform *const *transforms, int n)
{
    ppl_ctx *c = ctx_of(transforms, n);
    const ppl_constraint *k = ends(c, transforms, n);
    if (!k)
        return NULL;
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = &stack_type, .domain = ppl_constraint_stack(c, k, n),
        .codomain = ppl_constraint_stack(c, k + n, n),
        .part = (const ppl_transform *const *)transforms, .parts = n });
}
