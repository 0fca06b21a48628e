/* SPDX-License-Identifier: MIT */
/*
 * op_elementwise.c - operations that act on each element by itself.
 *
 * The rows of elementwise.def need nothing here: their op rows and entry points are made
 * from it, and their loops by kernels.inc. Below them stand those that carry numbers
 * (affine, axpby, clamp), three inputs (lerp, where) or other element types (comparisons).
 * Cost: one pass, and one more for each input that is stretched.
 */
#include "ops.h"

#include <math.h>
#include <string.h>

/* ---- Loops, split among threads ---------------------------------------------------- */

/* Elements from `from` on, n of them, of a node forward (grad NULL), or of its vjp; where
 * ppl_op_first(out), to a gradient that holds nothing yet. */
typedef void element_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n);

typedef struct task {
    element_loop *loop;
    ppl_tensor *out;
    int i;
    void *grad;
} task;

/* Elements are cut by LINE, whole lines of a cache; a thread's are at least LEAST lines. */
enum { LINE = 16, LEAST = 128 };
/* Flags of the rows whose loops these are. */
enum { SPLIT = PPL_OP_BROADCAST | PPL_OP_WRITES };

static void run_lines(void *arg, size_t from, size_t to)
{
    const task *t = arg;
    size_t all = (size_t)t->out->numel, first = from * LINE, end = to * LINE;
    t->loop(t->out, t->i, t->grad, first, (end < all ? end : all) - first);
}

static void run(element_loop *loop, ppl_tensor *out, int i, void *grad)
{
    size_t n = (size_t)out->numel;
    if (n < 2 * LINE * LEAST)
        loop(out, i, grad, 0, n);
    else
        ppl_maths_split(out->ctx, (n + LINE - 1) / LINE, LEAST, run_lines,
                        &(task){ loop, out, i, grad });
}

/* An array of floating elements, from `from` on. */
#define FROM(array) ppl__at(out, array, from)

/* The place in a gradient that a loop is to add to. */
static void *to_add_to(const ppl_tensor *out, void *grad, size_t from, size_t n)
{
    void *to = FROM(grad);
    return out->flags & PPL__FIRST ? memset(to, 0, n * ppl__dtype_size(out->ctx->dtype)) : to;
}

/* grad = factor g, or += where something is there. */
static void put_scaled(const ppl_tensor *out, double factor, void *grad, size_t from,
                       size_t n)
{
    const ppl__kernels *k = out->ctx->kernels;
    if (out->flags & PPL__FIRST)
        k->affine(n, factor, 0, FROM(out->grad), FROM(grad));
    else
        k->axpy(n, factor, FROM(out->grad), FROM(grad));
}

/* ---- The rows of elementwise.def --------------------------------------------------- */

static const ppl_op unary_row[PPL__UNARY_COUNT], binary_row[PPL__BINARY_COUNT];

static void unary_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n)
{
    const ppl__kernels *k = out->ctx->kernels;
    (void)i;
    if (grad)
        k->unary_vjp[out->op - unary_row](n, FROM(ppl__operand(out, 0)), FROM(out->data),
                                          FROM(out->grad), to_add_to(out, grad, from, n));
    else
        k->unary[out->op - unary_row](n, FROM(ppl__operand(out, 0)), FROM(out->data));
}

static void unary_forward(ppl_tensor *out) { run(unary_loop, out, 0, NULL); }
static void unary_vjp(ppl_tensor *out, int i, void *grad) { run(unary_loop, out, i, grad); }

static void binary_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n)
{
    const ppl__kernels *k = out->ctx->kernels;
    const void *a = FROM(ppl__operand(out, 0)), *b = FROM(ppl__operand(out, 1));
    if (grad)
        (i == 0 ? k->binary_vjp_a : k->binary_vjp_b)[out->op - binary_row](
            n, a, b, FROM(out->data), FROM(out->grad), to_add_to(out, grad, from, n));
    else
        k->binary[out->op - binary_row](n, a, b, FROM(out->data));
}

static void binary_forward(ppl_tensor *out) { run(binary_loop, out, 0, NULL); }
static void binary_vjp(ppl_tensor *out, int i, void *grad)
{
    run(binary_loop, out, i, grad);
}

static const ppl_op unary_row[] = {
#define UNARY(name, forward, derivative)                                                 \
    { #name, 1, SPLIT, NULL, unary_forward, unary_vjp, NULL, NULL, NULL },
#define BINARY(name, forward, da, db)
#include "elementwise.def"
#undef UNARY
#undef BINARY
};

static const ppl_op binary_row[] = {
#define UNARY(name, forward, derivative)
#define BINARY(name, forward, da, db)                                                    \
    { #name, 2, SPLIT, NULL, binary_forward, binary_vjp, NULL, NULL, NULL },
#include "elementwise.def"
#undef UNARY
#undef BINARY
};

#define UNARY(name, forward, derivative)                                                 \
    ppl_tensor *ppl_##name(ppl_tensor *t)                                                \
    {                                                                                    \
        return ppl_apply(&unary_row[PPL__UNARY_##name], &t, 1, NULL, 0);                 \
    }
#define BINARY(name, forward, da, db)                                                    \
    ppl_tensor *ppl_##name(ppl_tensor *a, ppl_tensor *b)                                 \
    {                                                                                    \
        return ppl_apply(&binary_row[PPL__BINARY_##name], (ppl_tensor *[]){ a, b }, 2,   \
                         NULL, 0);                                                       \
    }
#include "elementwise.def"
#undef UNARY
#undef BINARY

/* ---- affine, axpby, clamp: two plain numbers --------------------------------------- */

static void affine_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n)
{
    const double *number = out->attr;
    (void)i;
    if (grad)
        put_scaled(out, number[0], grad, from, n);
    else
        out->ctx->kernels->affine(n, number[0], number[1], FROM(out->input[0]->data),
                                  FROM(out->data));
}

static void affine_forward(ppl_tensor *out) { run(affine_loop, out, 0, NULL); }

static void affine_vjp(ppl_tensor *out, int i, void *grad)
{
    const double *number = out->attr;
    const ppl__kernels *k = out->ctx->kernels;
    size_t n = (size_t)out->numel;
    if (isfinite(number[0])) {
        run(affine_loop, out, i, grad);
        return;
    }
    /* The law: a zero adjoint stays zero; times an infinite factor it would be NaN. */
    ppl__arena_mark mark = ppl__arena_here(&out->ctx->data);
    void *f = ppl__arena_alloc(&out->ctx->data, n * ppl__dtype_size(out->ctx->dtype));
    if (f) {
        k->fill(n, number[0], f);
        k->binary_vjp_a[PPL__BINARY_mul](n, f, f, f, out->grad,
                                         to_add_to(out, grad, 0, n));
    }
    ppl__arena_release(&out->ctx->data, mark);
}

static const ppl_op affine_row = {
    "affine", 1, SPLIT, NULL, affine_forward, affine_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_affine(ppl_tensor *t, double factor, double shift)
{
    const double number[2] = { factor, shift };
    return ppl_apply(&affine_row, &t, 1, number, sizeof number);
}

static void axpby_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n)
{
    const double *number = out->attr;
    const ppl__kernels *k = out->ctx->kernels;
    if (grad) {
        put_scaled(out, number[i], grad, from, n);
        return;
    }
    k->affine(n, number[0], 0, FROM(ppl__operand(out, 0)), FROM(out->data));
    k->axpy(n, number[1], FROM(ppl__operand(out, 1)), FROM(out->data));
}

static void axpby_forward(ppl_tensor *out) { run(axpby_loop, out, 0, NULL); }
static void axpby_vjp(ppl_tensor *out, int i, void *grad) { run(axpby_loop, out, i, grad); }

static const ppl_op axpby_row = {
    "axpby", 2, SPLIT, NULL, axpby_forward, axpby_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_axpby(double alpha, ppl_tensor *a, double beta, ppl_tensor *b)
{
    const double number[2] = { alpha, beta };
    ppl_ctx *c = a ? ppl_tensor_ctx(a) : ppl_tensor_ctx(b);
    if (c && !(isfinite(alpha) && isfinite(beta))) {
        ppl_fail(c, PPL_EINVAL, "axpby: factors %g and %g; give finite ones", alpha, beta);
        return NULL;
    }
    return ppl_apply(&axpby_row, (ppl_tensor *[]){ a, b }, 2, number, sizeof number);
}

static void clamp_forward(ppl_tensor *out)
{
    const double *bound = out->attr;
    out->ctx->kernels->clamp((size_t)out->numel, bound[0], bound[1], out->input[0]->data,
                             out->data);
}

static void clamp_vjp(ppl_tensor *out, int i, void *grad)
{
    const double *bound = out->attr;
    (void)i;
    out->ctx->kernels->clamp_vjp((size_t)out->numel, bound[0], bound[1],
                                 out->input[0]->data, out->grad, grad);
}

static const ppl_op clamp_row = {
    "clamp", 1, PPL_OP_BROADCAST, NULL, clamp_forward, clamp_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_clamp(ppl_tensor *t, double low, double high)
{
    const double bound[2] = { low, high };
    if (t && !(low <= high)) {
        ppl_fail(t->ctx, PPL_EINVAL, "clamp: nothing is within [%g, %g]; low must be at "
                 "most high", low, high);
        return NULL;
    }
    return ppl_apply(&clamp_row, &t, 1, bound, sizeof bound);
}

/* ---- lerp, where: three inputs ----------------------------------------------------- */

static void lerp_loop(ppl_tensor *out, int i, void *grad, size_t from, size_t n)
{
    const void *a = FROM(ppl__operand(out, 0)), *b = FROM(ppl__operand(out, 1));
    const void *weight = FROM(ppl__operand(out, 2));
    if (grad)
        out->ctx->kernels->lerp_vjp(n, i, a, b, weight, FROM(out->grad),
                                    to_add_to(out, grad, from, n));
    else
        out->ctx->kernels->lerp(n, a, b, weight, FROM(out->data));
}

static void lerp_forward(ppl_tensor *out) { run(lerp_loop, out, 0, NULL); }
static void lerp_vjp(ppl_tensor *out, int i, void *grad) { run(lerp_loop, out, i, grad); }

static const ppl_op lerp_row = {
    "lerp", 3, SPLIT, NULL, lerp_forward, lerp_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_lerp(ppl_tensor *a, ppl_tensor *b, ppl_tensor *weight)
{
    return ppl_apply(&lerp_row, (ppl_tensor *[]){ a, b, weight }, 3, NULL, 0);
}

static ppl_status where_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)attr;
    if (inputs[1]->dtype == PPL_I64)
        *dtype = PPL_I64;
    for (int i = 0; i < count; i++) {
        ppl_status status = ppl__need_dtype(op->name, inputs[i], i,
                                            i == 0 ? PPL_MASK : *dtype);
        if (status != PPL_OK)
            return status;
    }
    return ppl__broadcast_shape(op->name, inputs, count, 0, shape);
}

static void where_integers(ppl_tensor *out)
{
    const unsigned char *mask = ppl__operand(out, 0);
    const int64_t *a = ppl__operand(out, 1), *b = ppl__operand(out, 2);
    int64_t *y = out->data;
    for (int64_t i = 0; i < out->numel; i++)
        y[i] = mask[i] ? a[i] : b[i];
}

static void where_forward(ppl_tensor *out)
{
    if (out->dtype == PPL_I64)
        where_integers(out);
    else
        out->ctx->kernels->where((size_t)out->numel, ppl__operand(out, 0),
                                 ppl__operand(out, 1), ppl__operand(out, 2), out->data);
}

static void where_vjp(ppl_tensor *out, int i, void *grad)
{
    out->ctx->kernels->where_vjp((size_t)out->numel, ppl__operand(out, 0), i == 1,
                                 out->grad, grad);
}

static const ppl_op where_row = {
    "where", 3, PPL_OP_BROADCAST, where_shape, where_forward, where_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_where(ppl_tensor *mask, ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&where_row, (ppl_tensor *[]){ mask, a, b }, 3, NULL, 0);
}

/* ---- Masks, and out of them -------------------------------------------------------- */

/* Floats with floats, integers with integers. */
static ppl_status compare_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)attr;
    ppl_dtype first = inputs[0]->dtype == PPL_I64 ? PPL_I64 : *dtype;
    *dtype = PPL_MASK;
    for (int i = 0; i < count; i++) {
        ppl_status status = ppl__need_dtype(op->name, inputs[i], i, first);
        if (status != PPL_OK)
            return status;
    }
    return ppl__broadcast_shape(op->name, inputs, count, 0, shape);
}

static ppl_status mask_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                             void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)attr;
    *dtype = PPL_MASK;
    for (int i = 0; i < count; i++) {
        ppl_status status = ppl__need_dtype(op->name, inputs[i], i, PPL_MASK);
        if (status != PPL_OK)
            return status;
    }
    return ppl__broadcast_shape(op->name, inputs, count, 0, shape);
}

/* forward of a mask whose element i is `test` of elements a[i], b[i] of a C type. */
#define MASK_LOOP(type, test)                                                            \
    do {                                                                                 \
        const type *a = ppl__operand(out, 0), *b = ppl__operand(out, out->inputs - 1);   \
        unsigned char *y = out->data;                                                    \
        for (int64_t i = 0; i < out->numel; i++)                                         \
            y[i] = (test);                                                               \
    } while (0)

#define MASK_FORWARD(name, test)                                                         \
    static void name##_forward(ppl_tensor *out)                                          \
    {                                                                                    \
        if (out->input[0]->dtype == PPL_F32)                                             \
            MASK_LOOP(float, test);                                                      \
        else if (out->input[0]->dtype == PPL_F64)                                        \
            MASK_LOOP(double, test);                                                     \
        else                                                                             \
            MASK_LOOP(int64_t, test);                                                    \
    }

MASK_FORWARD(less, a[i] < b[i])
MASK_FORWARD(equal, a[i] == b[i])

static void and_forward(ppl_tensor *out) { MASK_LOOP(unsigned char, a[i] & b[i]); }
/* With one input, b is a. */
static void not_forward(ppl_tensor *out) { MASK_LOOP(unsigned char, !(a[i] & b[i])); }

static const ppl_op less_row = {
    "less", 2, PPL_OP_BROADCAST, compare_shape, less_forward, NULL, NULL, NULL, NULL
};
static const ppl_op equal_row = {
    "equal", 2, PPL_OP_BROADCAST, compare_shape, equal_forward, NULL, NULL, NULL, NULL
};
static const ppl_op and_row = {
    "and", 2, PPL_OP_BROADCAST, mask_shape, and_forward, NULL, NULL, NULL, NULL
};
static const ppl_op not_row = {
    "not", 1, PPL_OP_BROADCAST, mask_shape, not_forward, NULL, NULL, NULL, NULL
};

ppl_tensor *ppl_less(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&less_row, (ppl_tensor *[]){ a, b }, 2, NULL, 0);
}

ppl_tensor *ppl_equal(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&equal_row, (ppl_tensor *[]){ a, b }, 2, NULL, 0);
}

ppl_tensor *ppl_and(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&and_row, (ppl_tensor *[]){ a, b }, 2, NULL, 0);
}

ppl_tensor *ppl_not(ppl_tensor *mask)
{
    return ppl_apply(&not_row, &mask, 1, NULL, 0);
}

static ppl_status to_float_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                 void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr, (void)dtype;
    *shape = inputs[0]->shape;
    return PPL_OK;
}

#define FLOAT_LOOP(from, to)                                                             \
    do {                                                                                 \
        const from *x = out->input[0]->data;                                             \
        to *y = out->data;                                                               \
        for (int64_t i = 0; i < out->numel; i++)                                         \
            y[i] = (to)x[i];                                                             \
    } while (0)

static void to_float_forward(ppl_tensor *out)
{
    int integers = out->input[0]->dtype == PPL_I64;
    if (out->dtype == PPL_F32 && integers)
        FLOAT_LOOP(int64_t, float);
    else if (out->dtype == PPL_F32)
        FLOAT_LOOP(unsigned char, float);
    else if (integers)
        FLOAT_LOOP(int64_t, double);
    else
        FLOAT_LOOP(unsigned char, double);
}

static const ppl_op to_float_row = {
    "to_float", 1, 0, to_float_shape, to_float_forward, NULL, NULL, NULL, NULL
};

ppl_tensor *ppl_to_float(ppl_tensor *t)
{
    return t && t->dtype <= PPL_F64 ? t : ppl_apply(&to_float_row, &t, 1, NULL, 0);
}
