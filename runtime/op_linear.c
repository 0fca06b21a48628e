/* SPDX-License-Identifier: MIT */
/*
 * op_linear.c - products of matrices: matmul, and linear with its bias and activation.
 *
 * linear is what a step spends its time in. W is prepared for the products of either
 * direction once for each weight and epoch. Backward, the adjoint goes through the
 * activation once; the gradient of W is a sum over the rows of all nodes that used it.
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
        ppl__gemm_run(c->gemm, &(ppl__product){ c->dtype, turn_a, turn_b, accumulate, 0, m,
                                                n, k, a, b, to, turn_a ? m : k,
                                                turn_b ? k : n, n });
    else if (!accumulate)
        c->kernels->fill(m * n, 0, to);
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
    for (size_t i = 0; i < s.batches; i++) {
        const void *left = ppl__matrix_at(out, a, a->data, i);
        const void *right = ppl__matrix_at(out, b, b->data, i);
        void *to = ppl__at(out, out->data, i * s.m * s.n);
        if (s.n == 1)
            out->ctx->kernels->times_vector(s.m, s.k, left, right, to);
        else
            product(out->ctx, 0, 0, s.m, s.n, s.k, left, right, to, 0);
    }
}

/* ga [m,k] += g [m,n] b^T, of the rows of g that are not all zero. */
static void add_left(ppl_ctx *c, const sizes *s, const char *g, const void *b, char *ga)
{
    size_t size = ppl__dtype_size(c->dtype);
    for (size_t from, to = 0; ppl__next_run(c->dtype, s->m, s->n, g, s->n, &from, &to);)
        product(c, 0, 1, to - from, s->k, s->n, g + from * s->n * size, b,
                ga + from * s->k * size, 1);
}

/* gb [k,n] += a^T g. */
static void add_right(ppl_ctx *c, const sizes *s, const void *a, const void *g, void *gb)
{
    if (s->n == 1) {
        c->kernels->add_turned_times_vector(s->m, s->k, a, g, gb);
        return;
    }
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    ppl_outer_sum *sum = ppl__outer_sum_begin(c, s->n, s->k, gb, 1, 0, 0);
    ppl_outer_sum_add(sum, s->m, g, s->n, a, s->k);
    ppl_outer_sum_end(sum);
    ppl__arena_release(&c->data, mark);
}

static void matmul_vjp(ppl_tensor *out, int input, void *grad)
{
    const ppl_tensor *a = out->input[0], *b = out->input[1];
    sizes s = sizes_of(out);
    for (size_t i = 0; i < s.batches; i++) {
        const void *g = ppl__at(out, out->grad, i * s.m * s.n);
        void *to = ppl__matrix_at(out, out->input[input], grad, i);
        if (input == 0)
            add_left(out->ctx, &s, g, ppl__matrix_at(out, b, b->data, i), to);
        else
            add_right(out->ctx, &s, ppl__matrix_at(out, a, a->data, i), g, to);
    }
}

static const ppl_op matmul_row = {
    "matmul", 2, 0, matmul_shape, matmul_forward, matmul_vjp, NULL, NULL, NULL
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

/* The weight [O,I] prepared for products with rows of [O] (backward), or, turned, with rows
 * of [I] (forward); made once in the epoch. NULL if there is no memory. */
static const void *prepared(ppl_tensor *weight, int turned)
{
    ppl_ctx *c = weight->ctx;
    size_t rows = (size_t)weight->shape.dim[0], columns = (size_t)weight->shape.dim[1];
    if (weight->numel <= 1)
        return weight->data;
    if (weight->prepared_epoch[turned] && ppl__epoch_open(c, weight->prepared_depth[turned],
                                                          weight->prepared_epoch[turned]))
        return weight->prepared[turned];
    void *to = ppl__arena_alloc(&c->data, (size_t)weight->numel *
                                ppl__dtype_size(c->dtype));
    if (!to)
        return NULL;
    ppl_maths_gemm_prepare(c, c->dtype, turned, turned ? rows : columns,
                           turned ? columns : rows, weight->data, to);
    weight->prepared_depth[turned] = (unsigned char)c->epoch_depth;
    weight->prepared_epoch[turned] = c->epoch[c->epoch_depth].serial;
    return weight->prepared[turned] = to;
}

/* Fewer rows than that are not split among threads: the product alone then is, by columns.
 * And a piece is to be worth it. */
static size_t least_rows(const ppl_tensor *out)
{
    size_t one = inputs_of(out) * outputs_of(out) + 1, worth = 40000 / one;
    return worth > 3 ? worth : 3;
}

/* Rows whose activation is worth a thread. */
static size_t least_active(const ppl_tensor *out)
{
    return 2000 / (outputs_of(out) + 1) + 1;
}

static void activate_rows(void *node, size_t from, size_t to)
{
    ppl_tensor *out = node;
    size_t columns = outputs_of(out);
    const void *bias = out->inputs > 2 ? out->input[2]->data : NULL;
    out->ctx->kernels->bias_activation(to - from, columns, bias, NULL, *(int *)out->attr,
                                       ppl__at(out, out->data, from * columns));
}

static void multiply_rows(void *node, size_t from, size_t to)
{
    ppl_tensor *out = node;
    ppl_ctx *c = out->ctx;
    size_t columns = outputs_of(out), inputs = inputs_of(out);
    const void *x = ppl__at(out, out->input[0]->data, from * inputs);
    void *y = ppl__at(out, out->data, from * columns);
    if (columns == 1)
        c->kernels->times_vector(to - from, inputs, x, out->input[1]->data, y);
    else
        ppl_maths_gemm_prepared(c, c->dtype, to - from, columns, inputs, x, inputs,
                                prepared(out->input[1], 1), y, columns, 0);
}

static void forward_rows(void *node, size_t from, size_t to)
{
    multiply_rows(node, from, to);
    activate_rows(node, from, to);
}

/* 1 if x is data, and mostly zeros. */
static int is_sparse(const ppl_tensor *out)
{
    const ppl_tensor *x = out->input[0];
    return !(x->flags & PPL__REQUIRES_GRAD) &&
           ppl__is_sparse((ppl_dtype)x->dtype, rows_of(out), outputs_of(out),
                          inputs_of(out), x->data);
}

static void linear_forward(ppl_tensor *out)
{
    ppl_ctx *c = out->ctx;
    const ppl_tensor *weight = out->input[1];
    size_t rows = rows_of(out);
    if (is_sparse(out) && c->kernels->all_finite((size_t)weight->numel, weight->data)) {
        ppl__sparse_multiply(c, rows, outputs_of(out), inputs_of(out), out->input[0]->data,
                             weight->data, out->data);
        ppl_maths_split(c, rows, least_active(out), activate_rows, out);
        return;
    }
    if (outputs_of(out) > 1 && !prepared(out->input[1], 1))
        return;
    if (out->inputs <= 2 && *(int *)out->attr == PPL_IDENTITY) {
        ppl_maths_split(c, rows, least_rows(out), multiply_rows, out);
    } else if (ppl__split_pieces(c, rows, least_rows(out)) > 1) {
        ppl_maths_split(c, rows, least_rows(out), forward_rows, out);
    } else {
        multiply_rows(out, 0, rows);
        ppl_maths_split(c, rows, least_active(out), activate_rows, out);
    }
}

/* d root / d (x W^T + b) of some rows: the adjoint, taken through the activation in place. */
static void fold_rows(void *node, size_t from, size_t to)
{
    ppl_tensor *out = node;
    size_t columns = outputs_of(out), first = from * columns;
    void *g = ppl__at(out, out->grad, first);
    int activation = *(int *)out->attr;
    if (activation != PPL_IDENTITY)
        out->ctx->kernels->activation_vjp((to - from) * columns, activation,
                                          ppl__at(out, out->data, first), g, NULL, g);
}

/* The same of all, once. */
static const void *folded(ppl_tensor *out)
{
    if (!(out->flags & PPL__FOLDED))
        ppl_maths_split(out->ctx, rows_of(out), least_active(out), fold_rows, out);
    out->flags |= PPL__FOLDED;
    return out->grad;
}

/* The rows of some columns of all nodes, summed up. */
typedef struct bias_sum {
    ppl_tensor *const *outs;
    int count;
    void *grad;
} bias_sum;

enum { LINE = 64 };                 /* columns are cut at cache lines */

static void sum_columns(void *arg, size_t from, size_t to)
{
    const bias_sum *s = arg;
    const ppl_ctx *c = s->outs[0]->ctx;
    size_t columns = outputs_of(s->outs[0]), in_line = LINE / ppl__dtype_size(c->dtype);
    size_t first = from * in_line, end = to * in_line < columns ? to * in_line : columns;
    for (int k = 0; k < s->count; k++) {
        const ppl_tensor *out = s->outs[k];
        c->kernels->add_rows(rows_of(out), end - first, ppl__at(out, out->grad, first),
                             columns, ppl__at(out, s->grad, first));
    }
}

static void add_bias(ppl_tensor *const *outs, int count, void *grad)
{
    ppl_ctx *c = outs[0]->ctx;
    bias_sum s = { outs, count, grad };
    size_t rows = 1, in_line = LINE / ppl__dtype_size(c->dtype);
    for (int k = 0; k < count; k++) {
        folded(outs[k]);
        rows += rows_of(outs[k]);
    }
    ppl_maths_split(c, (outputs_of(outs[0]) + in_line - 1) / in_line,
                    500 / rows + 1, sum_columns, &s);
}

enum { LATER = 2000 };              /* elements of a weight whose gradient is worth a job */

/* Sums over the rows of all nodes of `outs`: of outer products for the weight, of the rows
 * themselves for the bias. */
static int linear_together(ppl_tensor *const *outs, int count, int i, void *grad)
{
    ppl_ctx *c = outs[0]->ctx;
    size_t columns = outputs_of(outs[0]), inputs = inputs_of(outs[0]);
    const int first = ppl_op_first(outs[0]);
    if (i == 0)
        return 0;
    if (first && (i == 2 || columns == 1))
        c->kernels->fill((size_t)outs[0]->input[i]->numel, 0, grad);
    if (i == 2) {
        add_bias(outs, count, grad);
        return 1;
    }
    if (columns == 1) {
        for (int k = 0; k < count; k++)
            c->kernels->add_turned_times_vector(rows_of(outs[k]), inputs,
                                                outs[k]->input[0]->data, folded(outs[k]),
                                                grad);
        return 1;
    }
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    /* Nothing else waits for the gradient of a leaf. */
    int later = (outs[0]->input[1]->flags & PPL__LEAF) && columns * inputs >= LATER &&
                ppl__jobs_possible(c);
    ppl_outer_sum *sum = ppl__outer_sum_begin(c, columns, inputs, grad, 0, later, first);
    if (!sum && first)
        c->kernels->fill(columns * inputs, 0, grad);
    for (int k = 0; k < count && sum; k++) {
        const void *d = folded(outs[k]), *x = outs[k]->input[0]->data;
        if (is_sparse(outs[k])) {
            ppl__outer_sum_share(sum);
            ppl__sparse_add_outer(c, rows_of(outs[k]), columns, inputs, d, x, grad);
        } else {
            ppl_outer_sum_add(sum, rows_of(outs[k]), d, columns, x, inputs);
        }
    }
    ppl_outer_sum_end(sum);
    ppl__arena_release(&c->data, mark);
    return 1;
}

/* Fewer rows than that are not worth preparing the weight for. */
enum { FEW = 8 };

typedef struct input_sum {
    ppl_tensor *out;
    const void *prepared;           /* the weight, or NULL */
    char *gx;
    int first, fold;
} input_sum;

/* gx [rows,I] (+)= d [rows,O] W, of the rows of d that are not all zero. */
static void add_input(void *arg, size_t begin, size_t end)
{
    const input_sum *s = arg;
    ppl_tensor *out = s->out;
    ppl_ctx *c = out->ctx;
    const int first = s->first;
    size_t size = ppl__dtype_size(c->dtype), rows = end - begin, done = 0;
    size_t nx = inputs_of(out), nd = outputs_of(out);
    const char *d = (const char *)out->grad + begin * nd * size;
    char *gx = s->gx + begin * nx * size;
    if (s->fold)
        fold_rows(out, begin, end);
    for (size_t from, to = 0; ppl__next_run(c->dtype, rows, nd, d, nd, &from, &to);
         done = to) {
        char *to_rows = gx + from * nx * size;
        const char *d_rows = d + from * nd * size;
        if (first)
            memset(gx + done * nx * size, 0, (from - done) * nx * size);
        if (s->prepared)
            ppl_maths_gemm_prepared(c, c->dtype, to - from, nx, nd, d_rows, nd, s->prepared,
                                    to_rows, nx, !first);
        else
            product(c, 0, 0, to - from, nx, nd, d_rows, out->input[1]->data, to_rows,
                    !first);
    }
    if (first)
        memset(gx + done * nx * size, 0, (rows - done) * nx * size);
}

static void linear_vjp(ppl_tensor *out, int i, void *grad)
{
    const int first = ppl_op_first(out);
    if (i == 0) {
        const size_t rows = rows_of(out), least = least_rows(out);
        const void *weight = rows >= FEW ? prepared(out->input[1], 0) : NULL;
        if (ppl__split_pieces(out->ctx, rows, least) == 1)
            folded(out);
        input_sum s = { out, weight, grad, first, !(out->flags & PPL__FOLDED) };
        ppl_maths_split(out->ctx, rows, least, add_input, &s);
        out->flags |= PPL__FOLDED;
        return;
    }
    linear_together(&out, 1, i, grad);
}

static const ppl_op linear_row = {
    "linear", -1, PPL_OP_WRITES | PPL__TOGETHER_WRITES, linear_shape, linear_forward,
    linear_vjp, linear_together, NULL, NULL
};

ppl_tensor *ppl_linear(ppl_tensor *x, ppl_tensor *weight, ppl_tensor *bias,
                       ppl_activation activation)
{
    int kind = (int)activation;
    return ppl_apply(&linear_row, (ppl_tensor *[]){ x, weight, bias }, bias ? 3 : 2,
                     &kind, sizeof kind);
}
