/* SPDX-License-Identifier: MIT */
/*
 * op_reduce.c - sums, means, maxima and their kin over one axis, a run of axes, or all.
 *
 * Adjoining axes are one axis of a contiguous array, so every reduction is over the
 * middle of [outer, n, inner]. Cost: one pass. The loops accumulate sums in double.
 */
#include "ops.h"

#include <string.h>

/* The axes that are reduced: `count` from `first` on. */
typedef struct axes {
    int first, count;
} axes;

/* Unrolled where it is called, it would be a kilobyte each time. */
static __attribute__((noinline)) ppl__split split_of(const ppl_tensor *out)
{
    const axes *a = out->attr;
    const ppl_shape *shape = &out->input[0]->shape;
    ppl__split s = { 1, 1, 1 };
    for (int i = 0; i < shape->rank; i++) {
        size_t dim = (size_t)shape->dim[i];
        *(i < a->first ? &s.outer : i < a->first + a->count ? &s.n : &s.inner) *= dim;
    }
    return s;
}

/* Counts the axis from the front; all of them for PPL_ALL. */
static ppl_status reduced_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    axes *a = attr;
    (void)count;
    if (ppl__need_dtype(op->name, t, 0, *dtype) != PPL_OK)
        return PPL_EDTYPE;
    if (a->first == PPL_ALL)
        *a = (axes){ 0, t->shape.rank };
    else if ((a->first = ppl__axis(op->name, t, t->shape.rank, a->first)) < 0)
        return PPL_ESHAPE;
    shape->rank = t->shape.rank - a->count;
    for (int i = 0; i < shape->rank; i++)
        shape->dim[i] = t->shape.dim[i < a->first ? i : i + a->count];
    return PPL_OK;
}

/* A maximum needs elements. */
static ppl_status max_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                            void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    ppl_status status = reduced_shape(op, inputs, count, attr, dtype, shape);
    if (status == PPL_OK && inputs[0]->numel == 0 && ppl__shape_numel(shape) > 0) {
        char text[PPL_SHAPE_TEXT];
        return ppl_fail(inputs[0]->ctx, PPL_ESHAPE,
                        "%s: shape %s has no elements to take one of",
                        op->name, ppl_shape_text(&inputs[0]->shape, text));
    }
    return status;
}

/* One axis, which stays. */
static ppl_status kept_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                             void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    axes *a = attr;
    (void)count;
    if (ppl__need_dtype(op->name, t, 0, *dtype) != PPL_OK)
        return PPL_EDTYPE;
    if ((a->first = ppl__axis(op->name, t, t->shape.rank, a->first)) < 0)
        return PPL_ESHAPE;
    *shape = t->shape;
    return PPL_OK;
}

/* ---- Rows -------------------------------------------------------------------------- */

static void sum_forward(ppl_tensor *out)
{
    ppl__split s = split_of(out);
    out->ctx->kernels->sum_axis(s.outer, s.n, s.inner, out->input[0]->data, out->data);
}

static void sum_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl__split s = split_of(out);
    (void)i;
    out->ctx->kernels->sum_axis_vjp(s.outer, s.n, s.inner, 1, out->grad, grad);
}

/* The adjoint times a factor to a gradient of which nothing stands there yet. */
static void spread(const ppl_tensor *out, double factor, void *grad)
{
    const ppl_ctx *c = out->ctx;
    ppl__split s = split_of(out);
    if (s.inner != 1) {
        memset(grad, 0, s.outer * s.n * s.inner * ppl__dtype_size(c->dtype));
        c->kernels->sum_axis_vjp(s.outer, s.n, s.inner, factor, out->grad, grad);
        return;
    }
    const size_t n = out->input[0]->flags & PPL__EVEN ? 1 : s.n;
    for (size_t o = 0; o < s.outer; o++) {
        double g = c->kernels->sum(1, ppl__at(out, out->grad, o));
        c->kernels->fill(n, factor * g, ppl__at(out, grad, o * s.n));
    }
}

static void sum_vjp_all(ppl_tensor *out, void *const *grads, unsigned fresh)
{
    if (fresh)
        spread(out, 1, grads[0]);
    else if (grads[0])
        sum_vjp(out, 0, grads[0]);
}

static const ppl_op sum_row = {
    "sum", 1, PPL__SPREADS, reduced_shape, sum_forward, sum_vjp, NULL, sum_vjp_all, NULL
};

static void mean_forward(ppl_tensor *out)
{
    ppl__split s = split_of(out);
    sum_forward(out);
    out->ctx->kernels->affine((size_t)out->numel, 1 / (double)s.n, 0, out->data,
                              out->data);
}

static void mean_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl__split s = split_of(out);
    (void)i;
    out->ctx->kernels->sum_axis_vjp(s.outer, s.n, s.inner, 1 / (double)s.n, out->grad,
                                    grad);
}

static void mean_vjp_all(ppl_tensor *out, void *const *grads, unsigned fresh)
{
    if (fresh)
        spread(out, 1 / (double)split_of(out).n, grads[0]);
    else if (grads[0])
        mean_vjp(out, 0, grads[0]);
}

static const ppl_op mean_row = {
    "mean", 1, PPL__SPREADS, reduced_shape, mean_forward, mean_vjp, NULL, mean_vjp_all, NULL
};

/* A row whose loop is kernels->name_axis; `extra` are the arrays its adjoint needs. */
#define ROW(name, shape, extra)                                                          \
    static void name##_forward(ppl_tensor *out)                                          \
    {                                                                                    \
        ppl__split s = split_of(out);                                                    \
        out->ctx->kernels->name##_axis(s.outer, s.n, s.inner, out->input[0]->data,       \
                                       out->data);                                       \
    }                                                                                    \
    static void name##_vjp(ppl_tensor *out, int i, void *grad)                           \
    {                                                                                    \
        ppl__split s = split_of(out);                                                    \
        (void)i;                                                                         \
        const ppl__kernels *k = out->ctx->kernels;                                       \
        k->name##_axis_vjp(s.outer, s.n, s.inner, extra, out->grad, grad);               \
    }                                                                                    \
    static const ppl_op name##_row = {                                                   \
        #name, 1, 0, shape, name##_forward, name##_vjp, NULL, NULL, NULL                 \
    };
#define X_AND_Y out->input[0]->data, out->data
#define Y_ALONE out->data

ROW(max, max_shape, X_AND_Y)
ROW(logsumexp, reduced_shape, X_AND_Y)
ROW(softmax, kept_shape, Y_ALONE)
ROW(log_softmax, kept_shape, Y_ALONE)

/* ---- Entry points ------------------------------------------------------------------ */

#define ENTRY(name)                                                                      \
    ppl_tensor *ppl_##name(ppl_tensor *t, int axis)                                      \
    {                                                                                    \
        return ppl_apply(&name##_row, &t, 1, &(axes){ axis, 1 }, sizeof(axes));          \
    }
ENTRY(sum)
ENTRY(mean)
ENTRY(max)
ENTRY(logsumexp)
ENTRY(softmax)
ENTRY(log_softmax)

ppl_tensor *ppl_sum_last(ppl_tensor *t, int count)
{
    if (!t || count == 0)
        return t;
    if (count < 0 || count > t->shape.rank) {
        char text[PPL_SHAPE_TEXT];
        ppl_fail(t->ctx, PPL_ESHAPE, "sum_last: shape %s has no %d last axes",
                 ppl_shape_text(&t->shape, text), count);
        return NULL;
    }
    return ppl_apply(&sum_row, &t, 1, &(axes){ -count, count }, sizeof(axes));
}
