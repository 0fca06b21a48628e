/* SPDX-License-Identifier: MIT */
/*
 * op_part.c - parts of square matrices (diagonal, triangles) as vectors and back, and
 * running sums.
 *
 * Extracting and embedding are each other's adjoints: both copy the runs of a part's
 * elements that stand together in the rows of the matrix. Cost: one pass.
 */
#include "ops.h"

#include <kiln/matrix.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Parts ------------------------------------------------------------------------- */

static const char *const part_name[] = { "diagonal", "lower triangle",
                                         "strictly lower triangle" };

static size_t part_size(ppl_part part, size_t n)
{
    return part == PPL_DIAGONAL ? n
           : part == PPL_LOWER  ? n * (n + 1) / 2
                                : n * (n - (n > 0)) / 2;
}

/* The run of the part in row i: `length` elements from column *first on. */
static size_t run_in_row(ppl_part part, size_t i, size_t *first)
{
    *first = part == PPL_DIAGONAL ? i : 0;
    return part == PPL_DIAGONAL ? 1 : part == PPL_LOWER ? i + 1 : i;
}

/* matrix [n,n] gives vector [m], or the other way with `embed`; added with `add`. */
static void move_part(const ppl_tensor *like, ppl_part part, size_t n, char *matrix,
                      char *vector, int embed, int add)
{
    const size_t size = ppl__dtype_size((ppl_dtype)like->dtype);
    for (size_t i = 0; i < n; i++) {
        size_t first, length = run_in_row(part, i, &first);
        char *at = matrix + (i * n + first) * size;
        const char *from = embed ? vector : at;
        char *to = embed ? at : vector;
        if (add)
            like->ctx->kernels->add(length, from, to);
        else
            memcpy(to, from, length * size);
        vector += length * size;
    }
}

static void move_parts(const ppl_tensor *out, const ppl_shape *matrices, void *matrix,
                       void *vector, int embed, int add)
{
    const ppl_part part = *(const ppl_part *)out->attr;
    const size_t n = (size_t)matrices->dim[matrices->rank - 1], m = part_size(part, n);
    const size_t count = n > 0 ? (size_t)ppl__shape_numel(matrices) / (n * n) : 0;
    for (size_t b = 0; b < count; b++)
        move_part(out, part, n, ppl__at(out, matrix, b * n * n),
                  ppl__at(out, vector, b * m), embed, add);
}

static ppl_status extract_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    const int rank = t->shape.rank;
    char text[PPL_SHAPE_TEXT];
    (void)count;
    if (ppl__need_dtype(op->name, t, 0, *dtype) != PPL_OK)
        return PPL_EDTYPE;
    if (rank < 2 || t->shape.dim[rank - 1] != t->shape.dim[rank - 2])
        return ppl_fail(t->ctx, PPL_ESHAPE, "%s: shape %s; its last two axes must be a "
                        "square matrix", op->name, ppl_shape_text(&t->shape, text));
    *shape = t->shape;
    shape->rank--;
    shape->dim[rank - 1] = 0;
    shape->dim[rank - 2] = (int64_t)part_size(*(const ppl_part *)attr,
                                              (size_t)t->shape.dim[rank - 1]);
    return PPL_OK;
}

static void extract_forward(ppl_tensor *out)
{
    move_parts(out, &out->input[0]->shape, out->input[0]->data, out->data, 0, 0);
}

static void extract_vjp(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    move_parts(out, &out->input[0]->shape, grad, out->grad, 1, 1);
}

static const ppl_op extract_row = {
    "matrix_extract", 1, 0, extract_shape, extract_forward, extract_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_matrix_extract(ppl_tensor *t, ppl_part part)
{
    return ppl_apply(&extract_row, &t, 1, &part, sizeof part);
}

/* The n of a part of m elements, or -1; of none, 1. */
static int64_t side_of(ppl_part part, int64_t m)
{
    const double root = (sqrt(8 * (double)m + 1) - 1) / 2;
    const int64_t n = part == PPL_DIAGONAL ? m
                      : llround(root) + (part == PPL_STRICTLY_LOWER);
    return (int64_t)part_size(part, (size_t)n) == m ? n : -1;
}

static ppl_status embed_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    const ppl_part part = *(const ppl_part *)attr;
    const int rank = t->shape.rank;
    char text[PPL_SHAPE_TEXT];
    (void)count;
    if (ppl__need_dtype(op->name, t, 0, *dtype) != PPL_OK)
        return PPL_EDTYPE;
    const int64_t n = rank > 0 ? side_of(part, t->shape.dim[rank - 1]) : -1;
    if (n < 0 || rank == PPL_MAX_RANK)
        return ppl_fail(t->ctx, PPL_ESHAPE, "%s: shape %s makes no %s; its last axis "
                        "must have n%s elements, and its rank be below %d", op->name,
                        ppl_shape_text(&t->shape, text), part_name[part],
                        part == PPL_DIAGONAL ? ""
                        : part == PPL_LOWER  ? "(n+1)/2"
                                             : "(n-1)/2", PPL_MAX_RANK);
    *shape = t->shape;
    shape->dim[shape->rank++ - 1] = n;
    shape->dim[shape->rank - 1] = n;
    return PPL_OK;
}

static void embed_forward(ppl_tensor *out)
{
    memset(out->data, 0, (size_t)out->numel * ppl__dtype_size((ppl_dtype)out->dtype));
    move_parts(out, &out->shape, out->data, out->input[0]->data, 1, 0);
}

static void embed_vjp(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    move_parts(out, &out->shape, out->grad, grad, 0, 1);
}

static const ppl_op embed_row = {
    "matrix_embed", 1, 0, embed_shape, embed_forward, embed_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_matrix_embed(ppl_tensor *t, ppl_part part)
{
    return ppl_apply(&embed_row, &t, 1, &part, sizeof part);
}

ppl_tensor *ppl_matrix_keep(ppl_tensor *t, ppl_part part)
{
    return ppl_matrix_embed(ppl_matrix_extract(t, part), part);
}

ppl_tensor *ppl_outer(ppl_tensor *a, ppl_tensor *b)
{
    ppl_shape down = ppl_tensor_shape(a), along = ppl_tensor_shape(b);
    if (!a || !b)
        return NULL;
    if (down.rank < 1 || along.rank < 1 || down.rank == PPL_MAX_RANK ||
        along.rank == PPL_MAX_RANK) {
        ppl_fail(a->ctx, PPL_ESHAPE, "outer: vectors of rank %d and %d; 1 to %d can be",
                 down.rank, along.rank, PPL_MAX_RANK - 1);
        return NULL;
    }
    down.dim[down.rank++] = 1;
    along.dim[along.rank] = along.dim[along.rank - 1];
    along.dim[along.rank++ - 1] = 1;
    return ppl_mul(ppl_reshape(a, down), ppl_reshape(b, along));
}

/* ---- Running sums ------------------------------------------------------------------ */

typedef struct running {
    int axis, reverse;
} running;

/* to[o,.,i] = the running sums of from[o,.,i], or += with `add`; summed in double. */
#define RUN(name, REAL)                                                                  \
    static void name(ppl__split s, int reverse, const REAL *from, REAL *to, int add)     \
    {                                                                                    \
        for (size_t o = 0; o < s.outer; o++)                                             \
            for (size_t i = 0; i < s.inner; i++) {                                       \
                double sum = 0;                                                          \
                for (size_t step = 0; step < s.n; step++) {                              \
                    size_t k = reverse ? s.n - 1 - step : step;                          \
                    size_t at = (o * s.n + k) * s.inner + i;                             \
                    sum += from[at];                                                     \
                    to[at] = (REAL)(add ? to[at] + sum : sum);                           \
                }                                                                        \
            }                                                                            \
    }
RUN(run_f32, float)
RUN(run_f64, double)

static void run(const ppl_tensor *out, int reverse, const void *from, void *to, int add)
{
    const running *r = out->attr;
    const ppl__split s = ppl__split_at(&out->shape, r->axis);
    if (out->dtype == PPL_F32)
        run_f32(s, reverse, from, to, add);
    else
        run_f64(s, reverse, from, to, add);
}

static ppl_status cumsum_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *t = inputs[0];
    running *r = attr;
    (void)count;
    if (ppl__need_dtype(op->name, t, 0, *dtype) != PPL_OK)
        return PPL_EDTYPE;
    if ((r->axis = ppl__axis(op->name, t, t->shape.rank, r->axis)) < 0)
        return PPL_ESHAPE;
    *shape = t->shape;
    return PPL_OK;
}

static void cumsum_forward(ppl_tensor *out)
{
    run(out, ((const running *)out->attr)->reverse, out->input[0]->data, out->data, 0);
}

static void cumsum_vjp(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    run(out, !((const running *)out->attr)->reverse, out->grad, grad, 1);
}

static const ppl_op cumsum_row = {
    "cumsum", 1, 0, cumsum_shape, cumsum_forward, cumsum_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_cumsum(ppl_tensor *t, int axis)
{
    const running r = { axis, 0 };
    return ppl_apply(&cumsum_row, &t, 1, &r, sizeof r);
}

ppl_tensor *ppl_reverse_cumsum(ppl_tensor *t, int axis)
{
    const running r = { axis, 1 };
    return ppl_apply(&cumsum_row, &t, 1, &r, sizeof r);
}
