/* SPDX-License-Identifier: MIT */
/*
 * op_linear.c - products of matrices: matmul, and linear with its bias and activation.
 *
 * linear is what a step spends its time in. Forward, x W^T is a product of matrices as
 * they stand once W has been turned, which is done once for each weight and epoch.
 * Backward, the adjoint goes through the activation once; the gradient of W is one
 * product over the rows of all nodes that used it.
 *
 * The law of zero adjoints holds by rows: a row whose adjoint is all zero (masked out)
 * does not enter the products of the backward pass, whatever the matrices hold.
 */
#include "ops.h"

#include <inttypes.h>
#include <string.h>

/* C [m,n] = A B, or += with `accumulate`; sizes of 0 are allowed. */
static void product(ppl_ctx *c, int turn_a, int turn_b, size_t m, size_t n, size_t k,
                    const void *a, const void *b, void *to, int accumulate)
{
    if (m == 0 || n == 0)
        return;
    if (k > 0)
        ppl__gemm_run(c->gemm, &(ppl__product){ c->dtype, turn_a, turn_b, accumulate, m, n,
                                                k, a, b, to, turn_a ? m : k,
                                                turn_b ? k : n, n });
    else if (!accumulate)
        c->kernels->fill(m * n, 0, to);
}

/* ---- Rows that have an adjoint ----------------------------------------------------- */

static int all_zero(ppl_dtype dtype, size_t n, const void *row)
{
    size_t i = 0;
    if (dtype == PPL_F32)
        while (i < n && ((const float *)row)[i] == 0)
            i++;
    else
        while (i < n && ((const double *)row)[i] == 0)
            i++;
    return i == n;
}

/* The next run of rows of d [rows,n], from row *to on, that are not all zero: rows *from
 * to *to - 1; 0 when there are no more. */
static int next_run(ppl_dtype dtype, size_t rows, size_t n, const char *d, size_t *from,
                    size_t *to)
{
    size_t row = n * ppl__dtype_size(dtype);
    for (*from = *to; *from < rows && all_zero(dtype, n, d + *from * row);)
        ++*from;
    for (*to = *from; *to < rows && !all_zero(dtype, n, d + *to * row);)
        ++*to;
    return *from < rows;
}

/* gx [rows,nx] += d [rows,nd] B, where B is [nd,nx], or [nx,nd] with turn_b; gx = d B with
 * `first`. */
static void add_product(ppl_ctx *c, int turn_b, size_t rows, size_t nx, size_t nd,
                        const char *d, const void *b, char *gx, int first)
{
    size_t size = ppl__dtype_size(c->dtype), done = 0;
    for (size_t from, to = 0; next_run(c->dtype, rows, nd, d, &from, &to); done = to) {
        if (first)
            memset(gx + done * nx * size, 0, (from - done) * nx * size);
        product(c, 0, turn_b, to - from, nx, nd, d + from * nd * size, b,
                gx + from * nx * size, !first);
    }
    if (first)
        memset(gx + done * nx * size, 0, (rows - done) * nx * size);
}

/* Rows of x [rows,nx] and of their adjoints d [rows,nd], gathered from several nodes. */
typedef struct gathered {
    size_t nx, nd, rows;
    char *x, *d;
} gathered;

static void gather(ppl_dtype dtype, gathered *g, size_t rows, const char *x,
                   const char *d)
{
    size_t size = ppl__dtype_size(dtype), x_bytes = g->nx * size, d_bytes = g->nd * size;
    for (size_t from, to = 0; next_run(dtype, rows, g->nd, d, &from, &to);) {
        memcpy(g->x + g->rows * x_bytes, x + from * x_bytes, (to - from) * x_bytes);
        memcpy(g->d + g->rows * d_bytes, d + from * d_bytes, (to - from) * d_bytes);
        g->rows += to - from;
    }
}

/* Room for `rows` rows under the caller's mark; 0 if there is none. */
static int gather_begin(ppl_ctx *c, gathered *g, size_t rows, size_t nx, size_t nd)
{
    size_t size = ppl__dtype_size(c->dtype);
    *g = (gathered){ .nx = nx, .nd = nd };
    g->x = ppl__arena_alloc(&c->data, rows * nx * size);
    g->d = g->x ? ppl__arena_alloc(&c->data, rows * nd * size) : NULL;
    return g->d != NULL;
}

/* ---- matmul ------------------------------------------------------------------------ */

typedef struct sizes {
    size_t batches, m, n, k;
} sizes;

static sizes sizes_of(const ppl_tensor *out)
{
    const ppl_tensor *a = out->input[0], *b = out->input[1];
    sizes s = { 1, (size_t)out->shape.dim[out->shape.rank - 2],
                (size_t)out->shape.dim[out->shape.rank - 1],
                (size_t)a->shape.dim[a->shape.rank - 1] };
    for (int i = 0; i < out->shape.rank - 2; i++)
        s.batches *= (size_t)out->shape.dim[i];
    /* One matrix on the right of many is one product with more rows. */
    if ((size_t)b->numel == s.k * s.n && (size_t)a->numel == s.batches * s.m * s.k) {
        s.m *= s.batches;
        s.batches = 1;
    }
    return s;
}

void *ppl__matrix_at(const ppl_tensor *out, const ppl_tensor *t, const void *elements,
                     size_t batch)
{
    size_t index = 0, step = 1;
    for (int i = 3; i <= t->shape.rank; i++) {
        size_t all = (size_t)out->shape.dim[out->shape.rank - i];
        size_t dim = (size_t)t->shape.dim[t->shape.rank - i];
        index += dim > 1 ? batch % all * step : 0;
        step *= dim;
        batch /= all;
    }
    size_t rows = (size_t)t->shape.dim[t->shape.rank - 2];
    return ppl__at(t, elements, index * rows * (size_t)t->shape.dim[t->shape.rank - 1]);
}

static ppl_status matmul_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_shape *a = &inputs[0]->shape, *b = &inputs[1]->shape;
    char text[2][PPL_SHAPE_TEXT];
    (void)attr;
    for (int i = 0; i < count; i++)
        if (ppl__need_dtype(op->name, inputs[i], i, *dtype) != PPL_OK)
            return PPL_EDTYPE;
    if (a->rank < 2 || b->rank < 2)
        return ppl_fail(inputs[0]->ctx, PPL_ESHAPE,
                        "%s: shapes %s and %s; both need rank 2 at least",
                        op->name, ppl_shape_text(a, text[0]),
                        ppl_shape_text(b, text[1]));
    if (a->dim[a->rank - 1] != b->dim[b->rank - 2])
        return ppl_fail(inputs[0]->ctx, PPL_ESHAPE,
                        "%s: shapes %s and %s do not multiply: "
                        "rows of %" PRId64 " against columns of %" PRId64,
                        op->name, ppl_shape_text(a, text[0]),
                        ppl_shape_text(b, text[1]), a->dim[a->rank - 1],
                        b->dim[b->rank - 2]);
    ppl_status status = ppl__broadcast_shape(op->name, inputs, count, 2, shape);
    shape->dim[shape->rank - 2] = a->dim[a->rank - 2];
    shape->dim[shape->rank - 1] = b->dim[b->rank - 1];
    return status;
}

static void matmul_forward(ppl_tensor *out)
{
    const ppl_tensor *a = out->input[0], *b = out->input[1];
    sizes s = sizes_of(out);
    for (size_t i = 0; i < s.batches; i++)
        product(out->ctx, 0, 0, s.m, s.n, s.k, ppl__matrix_at(out, a, a->data, i),
                ppl__matrix_at(out, b, b->data, i),
                ppl__at(out, out->data, i * s.m * s.n), 0);
}

static void matmul_vjp(ppl_tensor *out, int input, void *grad)
{
    const ppl_tensor *a = out->input[0], *b = out->input[1];
    ppl_ctx *c = out->ctx;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    sizes s = sizes_of(out);
    gathered rows;
    if (input == 1 && !gather_begin(c, &rows, s.m, s.k, s.n))
        return;
    for (size_t i = 0; i < s.batches; i++) {
        const void *g = ppl__at(out, out->grad, i * s.m * s.n);
        void *to = ppl__matrix_at(out, out->input[input], grad, i);
        if (input == 0) {
            add_product(c, 1, s.m, s.k, s.n, g, ppl__matrix_at(out, b, b->data, i), to, 0);
        } else {
            rows.rows = 0;
            gather(c->dtype, &rows, s.m, ppl__matrix_at(out, a, a->data, i), g);
            product(c, 1, 0, s.k, s.n, rows.rows, rows.x, rows.d, to, 1);
        }
    }
    ppl__arena_release(&c->data, mark);
}

static const ppl_op matmul_row = {
    "matmul", 2, 0, matmul_shape, matmul_forward, matmul_vjp, NULL
};

ppl_tensor *ppl_matmul(ppl_tensor *a, ppl_tensor *b)
{
    return ppl_apply(&matmul_row, (ppl_tensor *[]){ a, b }, 2, NULL, 0);
}

/* ---- linear ------------------------------------------------------------------------ */

static size_t inputs_of(const ppl_tensor *out)
{
    return (size_t)out->input[1]->shape.dim[1];
}
static size_t outputs_of(const ppl_tensor *out)
{
    return (size_t)out->input[1]->shape.dim[0];
}

static size_t rows_of(const ppl_tensor *out)
{
    size_t rows = 1;
    for (int i = 0; i < out->shape.rank - 1; i++)
        rows *= (size_t)out->shape.dim[i];
    return rows;
}

static ppl_status linear_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                               void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_shape *x = &inputs[0]->shape, *w = &inputs[1]->shape;
    ppl_ctx *c = inputs[0]->ctx;
    char text[2][PPL_SHAPE_TEXT];
    int activation = *(int *)attr;
    if (activation < PPL_IDENTITY || activation > PPL_SOFTPLUS)
        return ppl_fail(c, PPL_EINVAL, "%s: there is no activation %d", op->name,
                        activation);
    for (int i = 0; i < count; i++)
        if (ppl__need_dtype(op->name, inputs[i], i, *dtype) != PPL_OK)
            return PPL_EDTYPE;
    if (x->rank < 1 || w->rank != 2 || x->dim[x->rank - 1] != w->dim[1])
        return ppl_fail(c, PPL_ESHAPE, "%s: weight %s does not fit x %s; x [..,I] needs "
                        "weight [O,I]", op->name, ppl_shape_text(w, text[0]),
                        ppl_shape_text(x, text[1]));
    if (count > 2 && (inputs[2]->shape.rank != 1 || inputs[2]->shape.dim[0] != w->dim[0]))
        return ppl_fail(c, PPL_ESHAPE, "%s: bias %s does not fit weight %s; weight [O,I] "
                        "needs bias [O]", op->name,
                        ppl_shape_text(&inputs[2]->shape, text[0]),
                        ppl_shape_text(w, text[1]));
    *shape = *x;
    shape->dim[x->rank - 1] = w->dim[0];
    return PPL_OK;
}

/* The weight [O,I] as [I,O]; made once in the epoch. */
static const void *turned(ppl_tensor *weight)
{
    ppl_ctx *c = weight->ctx;
    if (weight->turned && ppl__epoch_open(c, weight->turned_depth, weight->turned_epoch))
        return weight->turned;
    weight->turned = ppl__arena_alloc(&c->data, (size_t)weight->numel *
                                      ppl__dtype_size(c->dtype));
    weight->turned_depth = (unsigned char)c->epoch_depth;
    weight->turned_epoch = c->epoch[c->epoch_depth].serial;
    if (weight->turned)
        c->kernels->transpose((size_t)weight->shape.dim[0], (size_t)weight->shape.dim[1],
                              weight->data, weight->turned);
    return weight->turned;
}

static void linear_forward(ppl_tensor *out)
{
    ppl_ctx *c = out->ctx;
    size_t rows = rows_of(out), columns = outputs_of(out);
    int activation = *(int *)out->attr;
    const void *weight = turned(out->input[1]);
    const void *bias = out->inputs > 2 ? out->input[2]->data : NULL;
    if (!weight)
        return;
    product(c, 0, 0, rows, columns, inputs_of(out), out->input[0]->data, weight,
            out->data, 0);
    if (bias || activation != PPL_IDENTITY)
        c->kernels->bias_activation(rows, columns, bias, activation, out->data);
}

/* d root / d (x W^T + b): the adjoint, taken through the activation in place, once. */
static const void *folded(ppl_tensor *out)
{
    int activation = *(int *)out->attr;
    if (activation != PPL_IDENTITY && !(out->flags & PPL__FOLDED))
        out->ctx->kernels->activation_vjp((size_t)out->numel, activation, out->data,
                                          out->grad, out->grad);
    out->flags |= PPL__FOLDED;
    return out->grad;
}

/* One product for the weight, or sums of rows for the bias, over all nodes of `outs`. */
static int linear_together(ppl_tensor *const *outs, int count, int i, void *grad)
{
    ppl_ctx *c = outs[0]->ctx;
    size_t columns = outputs_of(outs[0]), total = 0;
    if (i == 0)
        return 0;
    for (int k = 0; k < count; k++) {
        total += rows_of(outs[k]);
        if (i == 2)
            c->kernels->add_rows(rows_of(outs[k]), columns, folded(outs[k]), grad);
    }
    if (i == 2)
        return 1;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    gathered all;
    if (gather_begin(c, &all, total, inputs_of(outs[0]), columns)) {
        for (int k = 0; k < count; k++)
            gather(c->dtype, &all, rows_of(outs[k]), outs[k]->input[0]->data,
                   folded(outs[k]));
        product(c, 1, 0, columns, all.nx, all.rows, all.d, all.x, grad, 1);
    }
    ppl__arena_release(&c->data, mark);
    return 1;
}

static void linear_vjp(ppl_tensor *out, int i, void *grad)
{
    const int first = ppl_op_first(out);
    if (i == 0) {
        add_product(out->ctx, 0, rows_of(out), inputs_of(out), outputs_of(out),
                    folded(out), out->input[1]->data, grad, first);
        return;
    }
    if (first)
        out->ctx->kernels->fill((size_t)out->input[i]->numel, 0, grad);
    linear_together(&out, 1, i, grad);
}

static const ppl_op linear_row = {
    "linear", -1, PPL_OP_WRITES, linear_shape, linear_forward, linear_vjp, linear_together
};

ppl_tensor *ppl_linear(ppl_tensor *x, ppl_tensor *weight, ppl_tensor *bias,
                       ppl_activation activation)
{
    int kind = (int)activation;
    return ppl_apply(&linear_row, (ppl_tensor *[]){ x, weight, bias }, bias ? 3 : 2,
                     &kind, sizeof kind);
}
