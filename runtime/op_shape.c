/* SPDX-License-Identifier: MIT */
/*
 * op_shape.c - other shapes of the same elements, parts of tensors, and joining them.
 *
 * Whatever leaves the elements where they are is a view (reshape, head, row, slice along
 * axis 0): no copy, no entry on the tape, and its adjoint is a part of its base's. The
 * rest copies, in pieces as long as the layout allows.
 */
#include "ops.h"

#include <inttypes.h>
#include <string.h>

static size_t size_of(const ppl_tensor *t)
{
    return ppl__dtype_size((ppl_dtype)t->dtype);
}

/* 1 if an operation may begin on t; else with the error recorded, unless t is NULL. */
static int begin(const ppl_tensor *t, const char *what)
{
    return t && t->ctx->status == PPL_OK && ppl__check(t->ctx, t, what) == PPL_OK;
}

/* ---- Views ------------------------------------------------------------------------- */

/* Puts what is left into the dimension that is -1; 0 if that makes no shape for n. */
static int complete(ppl_shape *shape, int64_t n)
{
    int64_t known = 1;
    int open = -1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == -1 && open < 0)
            open = i;
        else if (shape->dim[i] < 0 ||
                 (shape->dim[i] > 0 && known > n / shape->dim[i] + 1))
            return 0;
        else
            known *= shape->dim[i];
    }
    if (open >= 0 && known > 0)
        shape->dim[open] = n / known;
    return ppl__shape_numel(shape) == n;
}

ppl_tensor *ppl_reshape(ppl_tensor *t, ppl_shape shape)
{
    char text[2][PPL_SHAPE_TEXT];
    if (!begin(t, "reshape: input 0"))
        return NULL;
    ppl_shape clean = { shape.rank, { 0 } };
    if (shape.rank >= 0 && shape.rank <= PPL_MAX_RANK)
        memcpy(clean.dim, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
    else if (ppl__shape_check(t->ctx, "reshape", &shape) != PPL_OK)
        return NULL;
    if (!complete(&clean, t->numel)) {
        ppl_fail(t->ctx, PPL_ESHAPE, "reshape: shape %s cannot become %s; both must have "
                 "as many elements (one dimension may be -1)",
                 ppl_shape_text(&t->shape, text[0]), ppl_shape_text(&shape, text[1]));
        return NULL;
    }
    return ppl__same_shape(&clean, &t->shape) ? t : ppl__view(t, clean, 0);
}

/* Rows start to stop - 1 of axis 0. */
static ppl_tensor *rows(ppl_tensor *t, int64_t start, int64_t stop)
{
    if (start == 0 && stop == t->shape.dim[0])
        return t;
    ppl_shape shape = t->shape;
    shape.dim[0] = stop - start;
    return ppl__view(t, shape,
                     start * (int64_t)ppl__split_at(&t->shape, 0).inner);
}

ppl_tensor *ppl_head(ppl_tensor *t, int64_t n)
{
    char text[PPL_SHAPE_TEXT];
    if (!begin(t, "head: input 0") || ppl__axis("head", t, t->shape.rank, 0) < 0)
        return NULL;
    if (n >= 0 && n <= t->shape.dim[0])
        return rows(t, 0, n);
    ppl_fail(t->ctx, PPL_EINVAL, "head: shape %s has no first %" PRId64 " rows",
             ppl_shape_text(&t->shape, text), n);
    return NULL;
}

ppl_tensor *ppl_row(ppl_tensor *t, int64_t i)
{
    char text[PPL_SHAPE_TEXT];
    if (!begin(t, "row: input 0") || ppl__axis("row", t, t->shape.rank, 0) < 0)
        return NULL;
    if (i < 0 || i >= t->shape.dim[0]) {
        ppl_fail(t->ctx, PPL_EINVAL, "row: shape %s has no row %" PRId64,
                 ppl_shape_text(&t->shape, text), i);
        return NULL;
    }
    ppl_shape shape = { t->shape.rank - 1, { 0 } };
    for (int k = 0; k < shape.rank; k++)
        shape.dim[k] = t->shape.dim[k + 1];
    return ppl__view(t, shape, i * (int64_t)ppl__split_at(&t->shape, 0).inner);
}

ppl_tensor *ppl_detach(ppl_tensor *t)
{
    if (!begin(t, "detach: input 0"))
        return NULL;
    ppl_tensor *same = ppl__tensor_make(t->ctx, (ppl_dtype)t->dtype, t->shape, t->data);
    if (same)
        same->sites = t->sites;
    if (same && ppl__moves(t))
        same->flags = PPL__MOVES;
    return same;
}

/* ---- slice along an inner axis ----------------------------------------------------- */

typedef struct range {
    int64_t axis, start, stop;
} range;

/* The whole as [outer, n, inner] and the part as [outer, n', inner]; run is n' inner. */
static void slice_steps(const ppl_tensor *out, ppl__split *whole, size_t *skip,
                        size_t *run)
{
    const range *r = out->attr;
    *whole = ppl__split_at(&out->input[0]->shape, (int)r->axis);
    *skip = (size_t)r->start * whole->inner;
    *run = (size_t)out->shape.dim[r->axis] * whole->inner;
}

static ppl_status slice_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const range *r = attr;
    (void)op, (void)count;
    *dtype = (ppl_dtype)inputs[0]->dtype;
    *shape = inputs[0]->shape;
    shape->dim[r->axis] = r->stop - r->start;
    return PPL_OK;
}

static void slice_forward(ppl_tensor *out)
{
    const ppl_tensor *t = out->input[0];
    ppl__split whole;
    size_t skip, run;
    slice_steps(out, &whole, &skip, &run);
    for (size_t o = 0; o < whole.outer; o++)
        memcpy(ppl__at(out, out->data, o * run),
               ppl__at(t, t->data, o * whole.n * whole.inner + skip), run * size_of(t));
}

static void slice_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl__split whole;
    size_t skip, run;
    (void)i;
    slice_steps(out, &whole, &skip, &run);
    for (size_t o = 0; o < whole.outer; o++)
        out->ctx->kernels->add(run, ppl__at(out, out->grad, o * run),
                               ppl__at(out, grad, o * whole.n * whole.inner + skip));
}

static const ppl_op slice_row = {
    "slice", 1, 0, slice_shape, slice_forward, slice_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_slice(ppl_tensor *t, int axis, int64_t start, int64_t stop)
{
    char text[PPL_SHAPE_TEXT];
    if (!begin(t, "slice: input 0") ||
        (axis = ppl__axis("slice", t, t->shape.rank, axis)) < 0)
        return NULL;
    if (start < 0 || start > stop || stop > t->shape.dim[axis]) {
        ppl_fail(t->ctx, PPL_EINVAL, "slice: axis %d of shape %s has no elements %" PRId64
                 " to %" PRId64 " (stop not included)", axis,
                 ppl_shape_text(&t->shape, text), start, stop);
        return NULL;
    }
    if (axis == 0)
        return rows(t, start, stop);
    const range r = { axis, start, stop };
    return ppl_apply(&slice_row, &t, 1, &r, sizeof r);
}

/* ---- transpose --------------------------------------------------------------------- */

typedef struct swap {
    int first, second;              /* first < second */
} swap;

/* to [A,q,B,p,C] = from [A,p,B,q,C], p and q the swapped axes of `shape`, not empty. */
static void exchange(const ppl_tensor *out, const ppl_shape *shape, const char *from,
                     char *to)
{
    const swap *s = out->attr;
    size_t size = size_of(out);
    ppl__split left = ppl__split_at(shape, s->first);
    ppl__split right = ppl__split_at(shape, s->second);
    size_t p = left.n, q = right.n, c = right.inner;
    size_t b = right.outer / (left.outer * p), block = p * b * q * c * size;
    for (size_t a = 0; a < left.outer; a++, from += block, to += block) {
        if (b * c == 1 && out->dtype == out->ctx->dtype) {
            out->ctx->kernels->transpose(p, q, from, to);
            continue;
        }
        for (size_t i = 0; i < p; i++)
            for (size_t j = 0; j < b; j++)
                for (size_t k = 0; k < q; k++)
                    memcpy(to + ((k * b + j) * p + i) * c * size,
                           from + ((i * b + j) * q + k) * c * size, c * size);
    }
}

static ppl_status transpose_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                  void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_shape *from = &inputs[0]->shape;
    const swap *s = attr;
    (void)op, (void)count;
    *dtype = (ppl_dtype)inputs[0]->dtype;
    *shape = *from;
    shape->dim[s->first] = from->dim[s->second];
    shape->dim[s->second] = from->dim[s->first];
    return PPL_OK;
}

static void transpose_forward(ppl_tensor *out)
{
    const ppl_tensor *t = out->input[0];
    if (t->numel > 0)
        exchange(out, &t->shape, t->data, out->data);
}

static void transpose_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl_ctx *c = out->ctx;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    void *turned = ppl__arena_alloc(&c->data, (size_t)out->numel * size_of(out));
    (void)i;
    if (turned && out->numel > 0) {
        exchange(out, &out->shape, out->grad, turned);
        c->kernels->add((size_t)out->numel, turned, grad);
    }
    ppl__arena_release(&c->data, mark);
}

static const ppl_op transpose_row = {
    "transpose", 1, 0, transpose_shape, transpose_forward, transpose_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_transpose(ppl_tensor *t, int axis, int other)
{
    if (!begin(t, "transpose: input 0") ||
        (axis = ppl__axis("transpose", t, t->shape.rank, axis)) < 0 ||
        (other = ppl__axis("transpose", t, t->shape.rank, other)) < 0)
        return NULL;
    if (axis == other)
        return t;
    const swap s = { axis < other ? axis : other, axis < other ? other : axis };
    return ppl_apply(&transpose_row, &t, 1, &s, sizeof s);
}

/* ---- expand ------------------------------------------------------------------------ */

static ppl_status expand_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    const ppl_shape *to = attr;
    char text[2][PPL_SHAPE_TEXT];
    (void)count;
    *dtype = (ppl_dtype)t->dtype;
    if (ppl__shape_check(t->ctx, op->name, to) != PPL_OK)
        return PPL_ESHAPE;
    int fits = t->shape.rank <= to->rank;
    for (int i = 1; fits && i <= t->shape.rank; i++) {
        int64_t dim = t->shape.dim[t->shape.rank - i];
        fits = dim == 1 || dim == to->dim[to->rank - i];
    }
    if (!fits)
        return ppl_fail(t->ctx, PPL_ESHAPE,
                        "%s: shape %s does not stretch to %s; from the last axis on, "
                        "dimensions must be equal or 1",
                        op->name, ppl_shape_text(&t->shape, text[0]),
                        ppl_shape_text(to, text[1]));
    shape->rank = to->rank;
    memcpy(shape->dim, to->dim, (size_t)to->rank * sizeof *to->dim);
    return PPL_OK;
}

static void expand_forward(ppl_tensor *out)
{
    const ppl_tensor *t = out->input[0];
    ppl__expand_into((ppl_dtype)out->dtype, out->shape, out->data, t->shape, t->data);
}

static void expand_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl__reduce_into(out->ctx, out->input[i]->shape, grad, out->shape, out->grad);
}

static const ppl_op expand_row = {
    "expand", 1, 0, expand_shape, expand_forward, expand_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_expand(ppl_tensor *t, ppl_shape shape)
{
    if (t && ppl__usable(t->ctx, t) && ppl__same_shape(&t->shape, &shape))
        return t;
    return ppl_apply(&expand_row, &t, 1, &shape, sizeof shape);
}

/* ---- concat, stack ----------------------------------------------------------------- */

/* The attr is the axis. Both rows see an output [outer, n] and inputs [outer, n_i]. */
static size_t outer_of(const ppl_tensor *out)
{
    return ppl__split_at(&out->shape, *(int *)out->attr).outer;
}

static ppl_status one_dtype(const ppl_op *op, ppl_tensor *const *inputs, int count,
                            ppl_dtype *dtype)
{
    *dtype = (ppl_dtype)inputs[0]->dtype;
    for (int i = 1; i < count; i++)
        if (ppl__need_dtype(op->name, inputs[i], i, *dtype) != PPL_OK)
            return PPL_EDTYPE;
    return PPL_OK;
}

static ppl_status join_mismatch(const ppl_op *op, ppl_tensor *const *inputs, int i,
                                const char *exception)
{
    char text[2][PPL_SHAPE_TEXT];
    return ppl_fail(inputs[0]->ctx, PPL_ESHAPE,
                    "%s: input 0 has shape %s, input %d %s; they must agree%s",
                    op->name, ppl_shape_text(&inputs[0]->shape, text[0]), i,
                    ppl_shape_text(&inputs[i]->shape, text[1]), exception);
}

static ppl_status concat_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    int *axis = attr;
    *shape = inputs[0]->shape;
    if ((*axis = ppl__axis(op->name, inputs[0], shape->rank, *axis)) < 0)
        return PPL_ESHAPE;
    for (int i = 1; i < count; i++) {
        ppl_shape other = inputs[i]->shape;
        int64_t dim = other.rank == shape->rank ? other.dim[*axis] : 0;
        other.dim[*axis] = shape->dim[*axis];
        if (!ppl__same_shape(&other, shape))
            return join_mismatch(op, inputs, i, " but for the axis joined");
        shape->dim[*axis] += dim;
    }
    return one_dtype(op, inputs, count, dtype);
}

static ppl_status stack_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_shape *part = &inputs[0]->shape;
    int *axis = attr;
    if (part->rank == PPL_MAX_RANK)
        return ppl_fail(inputs[0]->ctx, PPL_ESHAPE,
                        "%s: the inputs have rank %d, the most there is; ppl_concat "
                        "joins along an axis they have",
                        op->name, PPL_MAX_RANK);
    if ((*axis = ppl__axis(op->name, inputs[0], part->rank + 1, *axis)) < 0)
        return PPL_ESHAPE;
    for (int i = 1; i < count; i++)
        if (!ppl__same_shape(part, &inputs[i]->shape))
            return join_mismatch(op, inputs, i, "");
    shape->rank = part->rank + 1;
    for (int i = 0; i < shape->rank; i++)
        shape->dim[i] = i == *axis ? count : part->dim[i < *axis ? i : i - 1];
    return one_dtype(op, inputs, count, dtype);
}

static void join_forward(ppl_tensor *out)
{
    size_t outer = outer_of(out), size = size_of(out);
    char *to = out->data;
    for (size_t o = 0; o < outer; o++)
        for (int i = 0; i < out->inputs; i++) {
            const ppl_tensor *t = out->input[i];
            size_t run = (size_t)t->numel / outer * size;
            memcpy(to, (const char *)t->data + o * run, run);
            to += run;
        }
}

static void join_vjp(ppl_tensor *out, int i, void *grad)
{
    size_t outer = outer_of(out), before = 0;
    if (outer == 0)
        return;
    for (int k = 0; k < i; k++)
        before += (size_t)out->input[k]->numel / outer;
    size_t run = (size_t)out->input[i]->numel / outer, all = (size_t)out->numel / outer;
    for (size_t o = 0; o < outer; o++)
        out->ctx->kernels->add(run, ppl__at(out, out->grad, o * all + before),
                               ppl__at(out, grad, o * run));
}

static const ppl_op concat_row = {
    "concat", -1, 0, concat_shape, join_forward, join_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_concat(ppl_tensor *const *tensors, int count, int axis)
{
    return ppl_apply(&concat_row, tensors, count, &axis, sizeof axis);
}

static const ppl_op stack_row = {
    "stack", -1, 0, stack_shape, join_forward, join_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_stack(ppl_tensor *const *tensors, int count, int axis)
{
    return ppl_apply(&stack_row, tensors, count, &axis, sizeof axis);
}

/* ---- index_select, gather_last ----------------------------------------------------- */

/* PPL_OK if all of `index` are within an axis of `dim`. */
static ppl_status indices_within(const ppl_op *op, const ppl_tensor *index, int axis,
                                 int64_t dim)
{
    const int64_t *at = index->data;
    for (int64_t i = 0; i < index->numel; i++)
        if (at[i] < 0 || at[i] >= dim)
            return ppl_fail(index->ctx, PPL_EINVAL,
                            "%s: index %" PRId64 " at position %" PRId64
                            ", but axis %d has %" PRId64 " elements",
                            op->name, at[i], i, axis, dim);
    return PPL_OK;
}

static ppl_status select_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0], *index = inputs[1];
    int *axis = attr;
    char text[PPL_SHAPE_TEXT];
    (void)count;
    *dtype = (ppl_dtype)t->dtype;
    if (ppl__need_dtype(op->name, index, 1, PPL_I64) != PPL_OK)
        return PPL_EDTYPE;
    if ((*axis = ppl__axis(op->name, t, t->shape.rank, *axis)) < 0)
        return PPL_ESHAPE;
    if (index->shape.rank != 1)
        return ppl_fail(t->ctx, PPL_ESHAPE,
                        "%s: the indices have shape %s; rank 1 is due", op->name,
                        ppl_shape_text(&index->shape, text));
    *shape = t->shape;
    shape->dim[*axis] = index->numel;
    return indices_within(op, index, *axis, t->shape.dim[*axis]);
}

static void select_forward(ppl_tensor *out)
{
    const ppl_tensor *t = out->input[0];
    const int64_t *index = out->input[1]->data;
    ppl__split s = ppl__split_at(&t->shape, *(int *)out->attr);
    size_t n = (size_t)out->input[1]->numel;
    for (size_t o = 0; o < s.outer; o++)
        for (size_t k = 0; k < n; k++)
            memcpy(ppl__at(out, out->data, (o * n + k) * s.inner),
                   ppl__at(t, t->data, (o * s.n + (size_t)index[k]) * s.inner),
                   s.inner * size_of(t));
}

static void select_vjp(ppl_tensor *out, int i, void *grad)
{
    const int64_t *index = out->input[1]->data;
    ppl__split s = ppl__split_at(&out->input[0]->shape, *(int *)out->attr);
    size_t n = (size_t)out->input[1]->numel;
    (void)i;
    for (size_t o = 0; o < s.outer; o++)
        for (size_t k = 0; k < n; k++)
            out->ctx->kernels->add(
                s.inner, ppl__at(out, out->grad, (o * n + k) * s.inner),
                ppl__at(out, grad, (o * s.n + (size_t)index[k]) * s.inner));
}

static const ppl_op select_row = {
    "index_select", 2, 0, select_shape, select_forward, select_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_index_select(ppl_tensor *t, int axis, ppl_tensor *index)
{
    return ppl_apply(&select_row, (ppl_tensor *[]){ t, index }, 2, &axis, sizeof axis);
}

static ppl_status gather_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0], *index = inputs[1];
    char text[2][PPL_SHAPE_TEXT];
    (void)count, (void)attr;
    *dtype = (ppl_dtype)t->dtype;
    if (ppl__need_dtype(op->name, index, 1, PPL_I64) != PPL_OK)
        return PPL_EDTYPE;
    int last = t->shape.rank - 1;
    ppl_shape lead = { last, { 0 } };
    for (int i = 0; i < last; i++)
        lead.dim[i] = t->shape.dim[i];
    if (last < 0 || !ppl__same_shape(&lead, &index->shape))
        return ppl_fail(t->ctx, PPL_ESHAPE,
                        "%s: indices %s do not fit shape %s; t [..,K] needs index [..]",
                        op->name, ppl_shape_text(&index->shape, text[0]),
                        ppl_shape_text(&t->shape, text[1]));
    *shape = lead;
    return indices_within(op, index, last, t->shape.dim[last]);
}

/* Where the chosen element of row r stands in t. */
static size_t chosen(const ppl_tensor *out, size_t r)
{
    const ppl_shape *shape = &out->input[0]->shape;
    const int64_t *index = out->input[1]->data;
    return r * (size_t)shape->dim[shape->rank - 1] + (size_t)index[r];
}

static void gather_forward(ppl_tensor *out)
{
    const ppl_tensor *t = out->input[0];
    for (size_t r = 0; r < (size_t)out->numel; r++)
        memcpy(ppl__at(out, out->data, r), ppl__at(t, t->data, chosen(out, r)),
               size_of(t));
}

static void gather_vjp(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    for (size_t r = 0; r < (size_t)out->numel; r++)
        out->ctx->kernels->add(1, ppl__at(out, out->grad, r),
                               ppl__at(out, grad, chosen(out, r)));
}

static const ppl_op gather_row = {
    "gather_last", 2, 0, gather_shape, gather_forward, gather_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_gather_last(ppl_tensor *t, ppl_tensor *index)
{
    return ppl_apply(&gather_row, (ppl_tensor *[]){ t, index }, 2, NULL, 0);
}
