/* SPDX-License-Identifier: MIT */
/*
 * tensor.c - making and reading tensors, shapes, views, stretching and its transpose.
 *
 * A record (struct ppl_tensor) lies in the context's arena of records, its elements in
 * the arena of data; a single element lies in the record itself, so that a scalar takes
 * one allocation. Records are all of one size: a pointer kept past its epoch still points
 * to a record, whose epoch tells.
 */
#include "ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Shapes ------------------------------------------------------------------------ */

static const char *dtype_text(ppl_dtype dtype)
{
    static const char *const text[] = {
        [PPL_F32] = "f32", [PPL_F64] = "f64", [PPL_I64] = "integers",
        [PPL_MASK] = "a mask"
    };
    return text[dtype];
}

const char *ppl_shape_text(const ppl_shape *shape, char buffer[PPL_SHAPE_TEXT])
{
    size_t used = 0;
    buffer[used++] = '[';
    for (int i = 0; i < shape->rank && i < PPL_MAX_RANK; i++)
        used += (size_t)snprintf(buffer + used, PPL_SHAPE_TEXT - used, "%s%" PRId64,
                                 i ? "," : "", shape->dim[i]);
    buffer[used++] = ']';
    buffer[used] = '\0';
    return buffer;
}

ppl_status ppl__shape_check(ppl_ctx *c, const char *what, const ppl_shape *shape)
{
    char text[PPL_SHAPE_TEXT];
    if (shape->rank < 0 || shape->rank > PPL_MAX_RANK)
        return ppl_fail(c, PPL_ESHAPE, "%s: a shape of rank %d; ranks are 0 to %d", what,
                        shape->rank, PPL_MAX_RANK);
    int64_t most = INT64_MAX / (int64_t)sizeof(double);
    int empty = 0;
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dim[i];
        if (dim < 0)
            return ppl_fail(c, PPL_ESHAPE, "%s: shape %s: dimensions are 0 or more", what,
                            ppl_shape_text(shape, text));
        empty |= dim == 0;
        most = dim > 0 ? most / dim : most;
    }
    if (most < 1 && !empty)
        return ppl_fail(c, PPL_ESHAPE, "%s: shape %s has more elements than memory has",
                        what, ppl_shape_text(shape, text));
    return PPL_OK;
}

/* ---- Records ----------------------------------------------------------------------- */

ppl_tensor *ppl__record(ppl_ctx *c)
{
    ppl_tensor *t = ppl__arena_alloc(&c->nodes, sizeof *t);
    if (!t)
        return NULL;
    t->ctx = c;
    t->op = NULL;
    t->data = NULL;
    t->grad = NULL;
    t->base = NULL;
    t->offset = 0;
    t->sites = NULL;
    t->input = NULL;
    t->operand = NULL;
    t->attr = NULL;
    t->deferred = NULL;
    t->serial = ++c->tensor_serial;
    t->epoch = c->epoch[c->epoch_depth].serial;
    t->epoch_depth = (unsigned char)c->epoch_depth;
    t->inputs = 0;
    t->holds = 0;
    t->flags = 0;
    t->partly = 0;
    t->prepared_epoch[0] = t->prepared_epoch[1] = 0;
    return t;
}

int ppl__make_elements(ppl_tensor *t)
{
    t->data = t->numel <= 1 ? t->element
              : ppl__arena_alloc(&t->ctx->data, (size_t)t->numel *
                                 ppl__dtype_size((ppl_dtype)t->dtype));
    return t->data != NULL;
}

ppl_tensor *ppl__tensor_make(ppl_ctx *c, ppl_dtype dtype, ppl_shape shape, void *data)
{
    ppl_tensor *t = ppl__record(c);
    if (!t)
        return NULL;
    t->dtype = (unsigned char)dtype;
    t->shape = shape;
    t->numel = ppl__shape_numel(&shape);
    t->data = data;
    return data || ppl__make_elements(t) ? t : NULL;
}

ppl_tensor *ppl__view(ppl_tensor *t, ppl_shape shape, int64_t offset)
{
    void *data = ppl__at(t, t->data, (size_t)offset);
    ppl_tensor *view = ppl__tensor_make(t->ctx, (ppl_dtype)t->dtype, shape, data);
    if (!view)
        return NULL;
    view->base = t->base ? t->base : t;
    view->offset = t->offset + offset;
    view->sites = t->sites;
    view->flags = PPL__VIEW;
    if (t->flags & (PPL__REQUIRES_GRAD | PPL__MOVES))
        view->flags |= PPL__MOVES;
    if (t->ctx->grad_enabled)
        view->flags |= t->flags & PPL__REQUIRES_GRAD;
    return view;
}

ppl_status ppl__check(ppl_ctx *c, const ppl_tensor *t, const char *what)
{
    if (ppl__usable(c, t))
        return PPL_OK;
    if (!t)
        return ppl_fail(c, PPL_EINVAL, "%s is NULL", what);
    if (t->ctx != c)
        return ppl_fail(c, PPL_EINVAL, "%s belongs to another context", what);
    return ppl_fail(c, PPL_ESTALE, "%s was made in an epoch that has ended; copy it out "
                    "with ppl_read, or open the epoch around both uses", what);
}

ppl_status ppl__check_numbered(ppl_ctx *c, const char *what, const ppl_tensor *t, int i)
{
    char text[128];
    if (ppl__usable(c, t))
        return PPL_OK;
    snprintf(text, sizeof text, "%s %d", what, i);
    return ppl__check(c, t, text);
}

ppl_status ppl__need_dtype(const char *what, const ppl_tensor *t, int i, ppl_dtype dtype)
{
    static const char *const mend[] = {
        [PPL_F32] = "; ppl_to_float converts", [PPL_F64] = "; ppl_to_float converts",
        [PPL_I64] = "; ppl_from_integers makes them",
        [PPL_MASK] = "; ppl_less and ppl_from_mask make one"
    };
    if (t->dtype == dtype)
        return PPL_OK;
    return ppl_fail(t->ctx, PPL_EDTYPE, "%s: input %d is %s where %s must be%s", what, i,
                    dtype_text((ppl_dtype)t->dtype), dtype_text(dtype), mend[dtype]);
}

/* ---- Making ------------------------------------------------------------------------ */

/* NULL while there is an error, or with one recorded if the arguments make no tensor. */
static ppl_tensor *make(ppl_ctx *c, const char *what, ppl_dtype dtype,
                        const ppl_shape *shape, const void *source, void *data)
{
    if (!c || c->status != PPL_OK || ppl__shape_check(c, what, shape) != PPL_OK)
        return NULL;
    ppl_shape clean = { shape->rank, { 0 } };
    for (int i = 0; i < shape->rank; i++)
        clean.dim[i] = shape->dim[i];
    if (!source && ppl__shape_numel(&clean) > 0) {
        ppl_fail(c, PPL_EINVAL, "%s: the elements are NULL", what);
        return NULL;
    }
    return ppl__tensor_make(c, dtype, clean, data);
}

void ppl__add_number(const ppl_ctx *c, void *element, double value)
{
    if (c->dtype == PPL_F32)
        *(float *)element += (float)value;
    else
        *(double *)element += value;
}

ppl_tensor *ppl_full(ppl_ctx *c, ppl_shape shape, double value)
{
    ppl_tensor *t = c ? make(c, "full", c->dtype, &shape, &value, NULL) : NULL;
    if (t)
        c->kernels->fill((size_t)t->numel, value, t->data);
    return t;
}

ppl_tensor *ppl_scalar(ppl_ctx *c, double value)
{
    ppl_tensor *t = c && c->status == PPL_OK ? ppl__record(c) : NULL;
    if (!t)
        return NULL;
    t->dtype = (unsigned char)c->dtype;
    t->shape = PPL_SCALAR;
    t->numel = 1;
    t->data = t->element;
    c->kernels->fill(1, value, t->data);
    return t;
}

static ppl_tensor *from_doubles(ppl_ctx *c, const char *what, const ppl_shape *shape,
                                const double *data)
{
    ppl_tensor *t = c ? make(c, what, c->dtype, shape, data, NULL) : NULL;
    if (!t)
        return NULL;
    for (int64_t i = 0; c->dtype == PPL_F32 && i < t->numel; i++)
        ((float *)t->data)[i] = (float)data[i];
    if (c->dtype == PPL_F64 && t->numel > 0)
        memcpy(t->data, data, (size_t)t->numel * sizeof *data);
    return t;
}

ppl_tensor *ppl_from_doubles(ppl_ctx *c, ppl_shape shape, const double *data)
{
    return from_doubles(c, "from_doubles", &shape, data);
}

ppl_tensor *ppl_from_integers(ppl_ctx *c, ppl_shape shape, const int64_t *data)
{
    ppl_tensor *t = make(c, "from_integers", PPL_I64, &shape, data, NULL);
    if (t && t->numel > 0)
        memcpy(t->data, data, (size_t)t->numel * sizeof *data);
    return t;
}

ppl_tensor *ppl_from_mask(ppl_ctx *c, ppl_shape shape, const unsigned char *data)
{
    ppl_tensor *t = make(c, "from_mask", PPL_MASK, &shape, data, NULL);
    for (int64_t i = 0; t && i < t->numel; i++)
        ((unsigned char *)t->data)[i] = data[i] != 0;
    return t;
}

ppl_tensor *ppl_wrap(ppl_ctx *c, ppl_dtype dtype, ppl_shape shape, const void *data)
{
    if (!c || c->status != PPL_OK)
        return NULL;
    if ((unsigned)dtype > PPL_MASK) {
        ppl_fail(c, PPL_EINVAL, "wrap: there is no dtype %d", (int)dtype);
        return NULL;
    }
    if (dtype <= PPL_F64 && dtype != c->dtype) {
        ppl_fail(c, PPL_EDTYPE, "wrap: the elements are %s, the context's are %s; copy "
                 "them with ppl_from_doubles", dtype_text(dtype), dtype_text(c->dtype));
        return NULL;
    }
    return make(c, "wrap", dtype, &shape, data, (void *)(uintptr_t)data);
}

ppl_tensor *ppl_variable(ppl_ctx *c, ppl_shape shape, const double *data)
{
    ppl_tensor *t = from_doubles(c, "variable", &shape, data);
    if (!t)
        return NULL;
    t->flags = PPL__REQUIRES_GRAD | PPL__LEAF;
    /* At once: an adjoint made in an inner epoch would end with it. */
    size_t size = (size_t)t->numel * ppl__dtype_size(c->dtype);
    t->grad = t->numel <= 1 ? &t->element[1] : ppl__arena_alloc(&c->data, size);
    t->flags |= PPL__ZEROS;
    return t->grad ? memset(t->grad, 0, size), t : NULL;
}

/* ---- Reading ----------------------------------------------------------------------- */

ppl_ctx *ppl_tensor_ctx(const ppl_tensor *t) { return t ? t->ctx : NULL; }
ppl_dtype ppl_tensor_dtype(const ppl_tensor *t)
{
    return t ? (ppl_dtype)t->dtype : PPL_F32;
}
ppl_shape ppl_tensor_shape(const ppl_tensor *t) { return t ? t->shape : PPL_SCALAR; }
int ppl_rank(const ppl_tensor *t) { return t ? t->shape.rank : 0; }
int64_t ppl_numel(const ppl_tensor *t) { return t ? t->numel : 0; }

uint64_t ppl_tensor_serial(const ppl_tensor *t)
{
    return t ? t->serial : 0;
}

int ppl_requires_grad(const ppl_tensor *t)
{
    return t && (t->flags & PPL__REQUIRES_GRAD) != 0;
}

int64_t ppl_dim(const ppl_tensor *t, int axis)
{
    int rank = ppl_rank(t);
    if (axis < 0 && axis >= -rank)
        axis += rank;
    return axis >= 0 && axis < rank ? t->shape.dim[axis] : 0;
}

/* 1 if t's elements may be read; what the caller does with them in this run is then tainted.
 * (Outside of a run nothing is; an ELBO that reads the terms of many sites would gather a
 * set of all.) */
static int open_to_read(const ppl_tensor *t, const char *what)
{
    if (!t || ppl__check(t->ctx, t, what) != PPL_OK)
        return 0;
    if (t->ctx->program && ppl__moves(t))
        ppl__program_read(t->ctx->program);
    if (t->ctx->running && t->sites && t->sites != t->ctx->taint)
        t->ctx->taint = ppl_sites_union(t->ctx, t->ctx->taint, t->sites);
    return 1;
}

static double number_at(const ppl_tensor *t, int64_t i)
{
    switch ((ppl_dtype)t->dtype) {
    case PPL_F32:
        return ((const float *)t->data)[i];
    case PPL_F64:
        return ((const double *)t->data)[i];
    case PPL_I64:
        return (double)((const int64_t *)t->data)[i];
    case PPL_MASK:
        break;
    }
    return ((const unsigned char *)t->data)[i];
}

double ppl_item(const ppl_tensor *t)
{
    return open_to_read(t, "item: the tensor") && t->numel == 1 ? number_at(t, 0)
                                                                : (double)NAN;
}

int64_t ppl_read(const ppl_tensor *t, double *out, int64_t count)
{
    int readable = open_to_read(t, "read: the tensor");
    for (int64_t i = 0; i < count && (!readable || i < t->numel); i++)
        out[i] = readable ? number_at(t, i) : (double)NAN;
    return readable ? t->numel : 0;
}

const void *ppl_data(const ppl_tensor *t)
{
    return open_to_read(t, "data: the tensor") ? t->data : NULL;
}

double ppl_total(const ppl_tensor *t)
{
    if (!open_to_read(t, "total: the tensor"))
        return (double)NAN;
    if (t->dtype == t->ctx->dtype && t->numel != 1)
        return t->ctx->kernels->sum((size_t)t->numel, t->data);
    double total = 0;
    for (int64_t i = 0; i < t->numel; i++)
        total += number_at(t, i);
    return total;
}

/* ---- Stretching, and its transpose ------------------------------------------------- */

/* Adjoining axes that are all kept or all stretched, as one. One step along it is `block`
 * elements of the stretched array and `from` elements of the other. */
typedef struct span {
    size_t count, block, from;
    int kept;
} span;

/* The spans of `shape` against `from`, outermost first; returns how many. */
static int spans_of(const ppl_shape *shape, const ppl_shape *from, span *spans)
{
    int n = 0, lead = shape->rank - from->rank;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 1)
            continue;
        int kept = i >= lead && from->dim[i - lead] == shape->dim[i];
        if (n == 0 || spans[n - 1].kept != kept)
            spans[n++] = (span){ 1, 1, 1, kept };
        spans[n - 1].count *= (size_t)shape->dim[i];
    }
    for (int i = n - 2; i >= 0; i--) {
        const span *inner = &spans[i + 1];
        spans[i].block = inner->block * inner->count;
        spans[i].from = inner->from * (inner->kept ? inner->count : 1);
    }
    return n;
}

static void expand_spans(size_t size, const span *s, int n, char *dst, const char *src)
{
    if (n == 0 || (n == 1 && s->kept)) {
        memcpy(dst, src, size * (n ? s->count : 1));
    } else if (s->kept) {
        for (size_t i = 0; i < s->count; i++)
            expand_spans(size, s + 1, n - 1, dst + i * s->block * size,
                         src + i * s->from * size);
    } else {
        size_t filled = s->block * size, all = filled * s->count;
        expand_spans(size, s + 1, n - 1, dst, src);
        for (size_t more; filled < all; filled += more) {
            more = filled < all - filled ? filled : all - filled;
            memcpy(dst + filled, dst, more);
        }
    }
}

void ppl__expand_into(ppl_dtype dtype, ppl_shape shape, void *dst, ppl_shape from,
                      const void *src)
{
    span spans[PPL_MAX_RANK];
    if (ppl__shape_numel(&shape) > 0)
        expand_spans(ppl__dtype_size(dtype), spans, spans_of(&shape, &from, spans), dst,
                     src);
}

static void reduce_spans(const ppl_ctx *c, const span *s, int n, char *dst,
                         const char *src)
{
    size_t size = ppl__dtype_size(c->dtype);
    if (n == 0 || (n == 1 && s->kept)) {
        c->kernels->add(n ? s->count : 1, src, dst);
    } else if (n == 1) {
        ppl__add_number(c, dst, c->kernels->sum(s->count, src));
    } else if (n == 2 && !s->kept) {
        c->kernels->add_rows(s->count, s->block, src, s->block, dst);
    } else {
        for (size_t i = 0; i < s->count; i++)
            reduce_spans(c, s + 1, n - 1, dst + (s->kept ? i * s->from * size : 0),
                         src + i * s->block * size);
    }
}

void ppl__reduce_into(const ppl_ctx *c, ppl_shape from, void *dst, ppl_shape shape,
                      const void *src)
{
    span spans[PPL_MAX_RANK];
    if (ppl__shape_numel(&shape) > 0)
        reduce_spans(c, spans, spans_of(&shape, &from, spans), dst, src);
}

/* ---- Axes and broadcasting --------------------------------------------------------- */

int ppl__axis(const char *what, const ppl_tensor *t, int rank, int axis)
{
    char text[PPL_SHAPE_TEXT];
    if (axis >= -rank && axis < rank)
        return axis < 0 ? axis + rank : axis;
    if (rank == 0)
        ppl_fail(t->ctx, PPL_ESHAPE, "%s: a scalar, of shape [], has no axis %d", what,
                 axis);
    else if (axis == PPL_ALL)
        ppl_fail(t->ctx, PPL_ESHAPE, "%s: takes one axis, not PPL_ALL; flatten with "
                 "ppl_reshape", what);
    else
        ppl_fail(t->ctx, PPL_ESHAPE,
                 "%s: shape %s has no axis %d; axes are 0 to %d, or -1 to -%d from the "
                 "end",
                 what, ppl_shape_text(&t->shape, text), axis, rank - 1, rank);
    return -1;
}

ppl_status ppl__broadcast_shape(const char *what, ppl_tensor *const *inputs, int count,
                                int skip, ppl_shape *shape)
{
    *shape = inputs[0]->shape;
    for (int k = 1; k < count; k++) {
        const ppl_shape *other = &inputs[k]->shape;
        ppl_shape joined = shape->rank >= other->rank ? *shape : *other;
        for (int i = skip + 1; i <= shape->rank && i <= other->rank; i++) {
            int64_t a = shape->dim[shape->rank - i], b = other->dim[other->rank - i];
            if (a != b && a != 1 && b != 1) {
                char text[2][PPL_SHAPE_TEXT];
                return ppl_fail(inputs[0]->ctx, PPL_ESHAPE, "%s: shapes %s and %s do not "
                                "broadcast: axis %d is %" PRId64 " against %" PRId64
                                "; make them equal or 1", what,
                                ppl_shape_text(shape, text[0]),
                                ppl_shape_text(other, text[1]), joined.rank - i, a, b);
            }
            joined.dim[joined.rank - i] = a == 1 ? b : a;
        }
        *shape = joined;
    }
    return PPL_OK;
}
