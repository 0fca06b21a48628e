/* SPDX-License-Identifier: MIT */
/*
 * transform.c - what all transforms share: making one, applying it, shapes, equality.
 *
 * The kinds are rows of functions in the files beside this one, written on the public
 * headers alone. y and log |det J| come from one call, so that what both need (the output
 * of a flow's network, say) is computed once and nothing has to be remembered in between.
 */
#include "transform.h"

#include <string.h>

/* ---- Making ------------------------------------------------------------------------ */

static int parts_ok(const ppl_transform *like)
{
    for (int i = 0; i < like->tensors; i++)
        if (!like->tensor[i])
            return 0;
    for (int i = 0; i < like->parts; i++) {
        if (!like->part[i])
            return 0;
        if (like->part[i]->ctx != like->ctx)
            ppl_fail(like->ctx, PPL_EINVAL, "%s: part %d, %s, belongs to another context",
                     like->type->name, i, like->part[i]->type->name);
    }
    for (int i = 0; i < like->tensors; i++)
        if (ppl_tensor_ctx(like->tensor[i]) != like->ctx)
            ppl_fail(like->ctx, PPL_EINVAL, "%s: tensor %d belongs to another context",
                     like->type->name, i);
    return ppl_ok(like->ctx) && like->domain.type && like->codomain.type;
}

ppl_transform *ppl_transform_make(const ppl_transform *like)
{
    if (!like->ctx || !ppl_ok(like->ctx) || !parts_ok(like))
        return NULL;
    const size_t tensors = (size_t)like->tensors * sizeof *like->tensor;
    const size_t parts = (size_t)like->parts * sizeof *like->part;
    ppl_transform *t = ppl_alloc(like->ctx, sizeof *t + tensors + parts);
    if (!t)
        return NULL;
    *t = *like;
    t->tensor = tensors ? memcpy(t + 1, like->tensor, tensors) : NULL;
    t->part = parts ? memcpy((char *)(t + 1) + tensors, like->part, parts) : NULL;
    return t;
}

/* ---- Applying ---------------------------------------------------------------------- */

/* 1 if `t` may be applied to x; else with the error recorded, unless either is NULL. */
static int applies(const ppl_transform *t, const ppl_tensor *x, int axes,
                   ppl_tensor **log_abs_det)
{
    if (log_abs_det)
        *log_abs_det = NULL;
    if (!t || !x || !ppl_ok(t->ctx))
        return 0;
    if (ppl_rank(x) < axes)
        ppl_fail(t->ctx, PPL_ESHAPE, "%s: a value of shape %s; its events have %d axes",
                 t->type->name, SHAPE_OF(x), axes);
    else if (log_abs_det && (ppl_transform_flags(t) & PPL_NOT_INJECTIVE))
        ppl_fail(t->ctx, PPL_EUNSUPPORTED, "%s: several values have one image, so there "
                 "is no log |det J|; take a bijection", t->type->name);
    return ppl_ok(t->ctx);
}

/* y if all came out, else NULL in both. */
static ppl_tensor *both(ppl_tensor *y, ppl_tensor **log_abs_det)
{
    if (log_abs_det && (!y || !*log_abs_det)) {
        *log_abs_det = NULL;
        return NULL;
    }
    return y;
}

ppl_tensor *ppl_transform_forward(const ppl_transform *t, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    if (!applies(t, x, t ? ppl__domain_dim(t) : 0, log_abs_det))
        return NULL;
    return both(t->type->forward(t, x, log_abs_det), log_abs_det);
}

ppl_tensor *ppl_transform_inverse(const ppl_transform *t, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    if (!applies(t, y, t ? ppl__codomain_dim(t) : 0, log_abs_det))
        return NULL;
    return both(t->type->inverse(t, y, log_abs_det), log_abs_det);
}

int ppl_transform_shape(const ppl_transform *t, ppl_shape *shape, int inverse)
{
    const ppl_shape from = *shape;
    if (!t || !ppl_ok(t->ctx))
        return 0;
    const int axes = inverse ? ppl__codomain_dim(t) : ppl__domain_dim(t);
    if (shape->rank >= axes && (!t->type->shape || t->type->shape(t, shape, inverse)))
        return ppl_ok(t->ctx);
    ppl_fail(t->ctx, PPL_ESHAPE, "%s: it %s values of shape %s", t->type->name,
             inverse ? "has no" : "does not take", SHAPE_TEXT(from));
    return 0;
}

unsigned ppl_transform_flags(const ppl_transform *t)
{
    unsigned flags = t ? t->type->flags : 0;
    for (int i = 0; t && i < t->parts; i++) {
        const unsigned part = ppl_transform_flags(t->part[i]);
        flags = (flags & part & (PPL_ELEMENTWISE | PPL_LINEAR)) |
                ((flags | part) & PPL_NOT_INJECTIVE);
    }
    return flags;
}

/* ---- Equality ---------------------------------------------------------------------- */

/* Equal elements count only of constants: of what no gradient and no latent is behind. */
static int same_tensor(const ppl_tensor *a, const ppl_tensor *b)
{
    const ppl_shape s = ppl_tensor_shape(a), r = ppl_tensor_shape(b);
    const ppl_dtype dtype = ppl_tensor_dtype(a);
    if (a == b)
        return 1;
    if (ppl_requires_grad(a) || ppl_requires_grad(b) || ppl_tensor_sites(a) ||
        ppl_tensor_sites(b) || ppl_tensor_dtype(b) != dtype || s.rank != r.rank)
        return 0;
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] != r.dim[i])
            return 0;
    return memcmp(ppl_data(a), ppl_data(b), (size_t)ppl_numel(a) *
                  (dtype == PPL_F32 ? 4 : dtype == PPL_MASK ? 1 : 8)) == 0;
}

int ppl_transform_equal(const ppl_transform *a, const ppl_transform *b)
{
    if (a == b)
        return a != NULL;
    if (!a || !b || a->type->forward != b->type->forward || a->tensors != b->tensors ||
        a->parts != b->parts || (a->type->same && !a->type->same(a, b)))
        return 0;
    for (int i = 0; i < a->tensors; i++)
        if (!same_tensor(a->tensor[i], b->tensor[i]))
            return 0;
    for (int i = 0; i < a->parts; i++)
        if (!ppl_transform_equal(a->part[i], b->part[i]))
            return 0;
    return 1;
}

/* ---- For the kinds ----------------------------------------------------------------- */

ppl_tensor *ppl__transform_zeros(const ppl_tensor *x, int axes)
{
    ppl_shape shape = ppl_tensor_shape(x);
    while (axes-- > 0)
        shape.dim[--shape.rank] = 0;
    return x ? ppl_full(ppl_tensor_ctx(x), shape, 0) : NULL;
}

ppl_tensor *ppl__transform_sum(ppl_tensor *t, int axes)
{
    return axes > 0 ? ppl_sum_last(t, axes) : t;
}

int ppl__transform_widen(ppl_shape *shape, const ppl_tensor *other)
{
    const ppl_shape s = ppl_tensor_shape(other);
    ppl_shape wide = shape->rank >= s.rank ? *shape : s;
    for (int i = 1; i <= s.rank && i <= shape->rank; i++) {
        const int64_t a = shape->dim[shape->rank - i], b = s.dim[s.rank - i];
        if (a != b && a != 1 && b != 1)
            return 0;
        wide.dim[wide.rank - i] = a == 1 ? b : a;
    }
    *shape = wide;
    return 1;
}

ppl_constraint ppl__real_of(ppl_ctx *c, int axes)
{
    return axes == 0   ? PPL_REAL
           : axes == 1 ? ppl_constraint_real_vector
                       : ppl_constraint_independent(c, PPL_REAL, axes);
}
