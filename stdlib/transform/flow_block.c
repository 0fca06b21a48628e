/* SPDX-License-Identifier: MIT */
/*
 * flow_block.c - block neural autoregressive flow: each element of y is a network of the
 * elements of x up to its own, increasing in the last.
 *
 * A layer's weights are blocks [a,b], one for each pair of elements: those on the
 * diagonal are exponentials, those below it free, those above it 0; rows are normalised to
 * a learned length, as Pyro's are: w / (|w| + 1e-8). The logarithm of dy_i/dx_i is carried
 * along, layer by layer, as a product of the diagonal blocks and the activation's slopes,
 * in logarithms. (Pyro's are those of w / sqrt(|w|^2 + 1e-8), which where w is small is
 * another number, by nats; here they are those of the weights that are used.)
 *
 * The inverse goes element by element: bisection finds x_i to the last digits, without
 * gradients; one step of Newton's method from there, recorded, gives x_i its gradient. The
 * step itself is 0: where y hardly rises, what is left of rounding would be a wild one.
 * Source: De Cao, Titov and Aziz, Block neural autoregressive flow, 2019.
 */
#include "flow.h"

#include <math.h>
#include <stdio.h>

#define EPSILON 1e-8
#define HALVINGS 70

/* A layer as it is used: weights [D b,D a], bias, log of the diagonal blocks [D,b,a]. */
typedef struct block_layer {
    ppl_tensor *weight, *bias, *log_blocks;
    int64_t in, out;                        /* units for each element */
} block_layer;

typedef struct block {
    block_layer *layer;
    int count;
    ppl_tensor *gate;                       /* sigmoid of it, or NULL */
} block;

/* ---- Weights ----------------------------------------------------------------------- */

/* 1 where row i and column j are of the same element (`equal`), or j's comes before. */
static ppl_tensor *mask_of(ppl_ctx *c, int64_t dim, int64_t out, int64_t in, int equal)
{
    const int64_t rows = dim * out, columns = dim * in;
    unsigned char *mask = ppl_alloc(c, (size_t)(rows * columns));
    for (int64_t i = 0; mask && i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            mask[i * columns + j] = equal ? i / out == j / in : j / in < i / out;
    return mask ? ppl_wrap(c, PPL_MASK, PPL_SHAPE(rows, columns), mask) : NULL;
}

/* The diagonal blocks [D,out,in] of t [D out,D in]. */
static ppl_tensor *diagonal_blocks(ppl_ctx *c, ppl_tensor *t, int64_t dim, int64_t out,
                                   int64_t in)
{
    int64_t *at = ppl_alloc(c, (size_t)dim * sizeof *at);
    for (int64_t i = 0; at && i < dim; i++)
        at[i] = i * (dim + 1);
    if (!at)
        return NULL;
    t = ppl_transpose(ppl_reshape(t, PPL_SHAPE(dim, out, dim, in)), 1, 2);
    t = ppl_reshape(t, PPL_SHAPE(dim * dim, out * in));
    t = ppl_index_select(t, 0, ppl_from_integers(c, PPL_SHAPE(dim), at));
    return ppl_reshape(t, PPL_SHAPE(dim, out, in));
}

/* Layer i of the flow, its parameters looked up and worked into weights. */
static int make_layer(ppl__flow *f, int i, block_layer *l)
{
    const int64_t rows = f->dim * l->out, columns = f->dim * l->in;
    const double bound = sqrt(6.0 / (double)(l->out + columns));
    char suffix[3][48];
    snprintf(suffix[0], sizeof suffix[0], ".layers.%d._weight", i);
    snprintf(suffix[1], sizeof suffix[1], ".layers.%d._diag_weight", i);
    snprintf(suffix[2], sizeof suffix[2], ".layers.%d.bias", i);
    ppl_tensor *raw = ppl__flow_param(f, ppl_intern(f->ctx, suffix[0]),
                                      PPL_SHAPE(rows, columns),
                                      ppl_init_uniform(-bound, bound));
    ppl_tensor *length = ppl__flow_param(f, ppl_intern(f->ctx, suffix[1]),
                                         PPL_SHAPE(rows, 1), ppl_init_uniform(-2, 0));
    l->bias = ppl__flow_param(f, ppl_intern(f->ctx, suffix[2]), PPL_SHAPE(rows),
                              ppl__flow_uniform(rows));
    ppl_tensor *zero = ppl_scalar(f->ctx, 0);
    ppl_tensor *w = ppl_where(mask_of(f->ctx, f->dim, l->out, l->in, 0), raw, zero);
    w = ppl_where(mask_of(f->ctx, f->dim, l->out, l->in, 1), ppl_exp(raw), w);
    ppl_tensor *norm = ppl_affine(ppl_sqrt(ppl__flow_dot(w, w)), 1, EPSILON);
    l->weight = ppl_mul(ppl_div(ppl_exp(length), norm), w);
    ppl_tensor *log_weight = ppl_sub(ppl_add(length, raw), ppl_log(norm));
    l->log_blocks = diagonal_blocks(f->ctx, log_weight, f->dim, l->out, l->in);
    return l->weight && l->bias && l->log_blocks;
}

/* ---- Forward ----------------------------------------------------------------------- */

/* The activation of t, and the logarithm of its slope. */
static ppl_tensor *activate(const ppl__flow *f, ppl_tensor *t, ppl_tensor **log_slope)
{
    ppl_transform *kind = f->opts.activation == PPL_SIGMOID
                          ? ppl_transform_sigmoid(f->ctx) : ppl_transform_tanh(f->ctx);
    return ppl_transform_forward(kind, t, log_slope);
}

/* t [..,D n] as [..,D,n], or with `row` as [..,D,1,n]. */
static ppl_tensor *by_element(const ppl__flow *f, ppl_tensor *t, int row)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t || shape.rank + 1 + row > PPL_MAX_RANK)
        return NULL;
    const int64_t n = shape.dim[shape.rank - 1] / f->dim;
    shape.dim[shape.rank - 1] = f->dim;
    if (row)
        shape.dim[shape.rank++] = 1;
    shape.dim[shape.rank++] = n;
    return ppl_reshape(t, shape);
}

/* The last two axes as one. */
static ppl_tensor *flat(ppl_tensor *t)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t)
        return NULL;
    shape.dim[shape.rank - 2] *= shape.dim[shape.rank - 1];
    shape.dim[--shape.rank] = 0;
    return ppl_reshape(t, shape);
}

/* y, and log dy_i/dx_i [..,D]. */
static ppl_tensor *network(const ppl__flow *f, ppl_tensor *x, ppl_tensor **log_slope)
{
    const block *b = f->own;
    ppl_tensor *y = x, *sum = NULL, *own;
    *log_slope = NULL;
    if (!ppl__flow_has_room(f, x, 2))
        return NULL;
    for (int i = 0; i < b->count; i++) {
        const block_layer *l = &b->layer[i];
        y = ppl_linear(y, l->weight, l->bias, PPL_IDENTITY);
        /* [..,D,1,in] + [D,out,in], summed over `in` in logarithms. */
        sum = sum ? flat(ppl_logsumexp(ppl_add(by_element(f, sum, 1), l->log_blocks), -1))
                  : flat(ppl_sum(l->log_blocks, -1));
        if (i + 1 < b->count) {
            y = activate(f, y, &own);
            sum = ppl_add(sum, own);
        }
    }
    *log_slope = sum;
    if (b->gate) {
        ppl_tensor *rest = ppl_affine(b->gate, -1, 1);
        y = ppl_add(ppl_mul(b->gate, x), ppl_mul(rest, y));
        *log_slope = ppl_add(ppl_log(b->gate), ppl_softplus(ppl_add(
            ppl_sub(ppl_log(rest), ppl_log(b->gate)), sum)));
    } else if (f->opts.residual == PPL_RESIDUAL) {
        y = ppl_add(y, x);
        *log_slope = ppl_softplus(sum);
    }
    return y;
}

static ppl_tensor *forward(const ppl_transform *self, ppl_tensor *x,
                           ppl_tensor **log_abs_det)
{
    ppl_tensor *slope, *y;
    if (!ppl__flow_fits(self, x))
        return NULL;
    y = network(ppl__flow_of(self), x, &slope);
    if (log_abs_det)
        *log_abs_det = ppl_sum(slope, -1);
    return y;
}

/* ---- Inverse ----------------------------------------------------------------------- */

/* A mask [dim] of one element. */
static ppl_tensor *only(ppl_ctx *c, int64_t dim, int64_t i)
{
    unsigned char *mask = ppl_alloc(c, (size_t)dim);
    if (!mask)
        return NULL;
    mask[i] = 1;
    return ppl_wrap(c, PPL_MASK, PPL_SHAPE(dim), mask);
}

/* x with its element i so that y_i is met, by bisection; NaN where no number does it. */
static ppl_tensor *bisect(const ppl__flow *f, ppl_tensor *x, ppl_tensor *y,
                          ppl_tensor *mask)
{
    const double far = 1e3;
    ppl_tensor *low = ppl_where(mask, ppl_scalar(f->ctx, -far), x), *slope, *middle;
    ppl_tensor *high = ppl_where(mask, ppl_scalar(f->ctx, far), x);
    ppl_tensor *reached = ppl_and(ppl_not(ppl_less(y, network(f, low, &slope))),
                                  ppl_not(ppl_less(network(f, high, &slope), y)));
    for (int i = 0; i < HALVINGS && high; i++) {
        middle = ppl_affine(ppl_add(low, high), 0.5, 0);
        ppl_tensor *above = ppl_less(y, network(f, middle, &slope));
        high = ppl_where(ppl_and(mask, above), middle, high);
        low = ppl_where(ppl_and(mask, ppl_not(above)), middle, low);
    }
    middle = ppl_affine(ppl_add(low, high), 0.5, 0);
    return ppl_where(reached, middle, ppl_scalar(f->ctx, NAN));
}

/* Whose exp is a number still. */
static double most_exponent(const ppl_tensor *t)
{
    return ppl_tensor_dtype(t) == PPL_F32 ? 88 : 709;
}

static ppl_tensor *inverse(const ppl_transform *self, ppl_tensor *y,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *x, *slope = NULL;
    if (!ppl__flow_fits(self, y))
        return NULL;
    x = ppl_full(f->ctx, ppl_tensor_shape(y), 0);
    for (int64_t i = 0; i < f->dim && x; i++) {
        ppl_tensor *mask = only(f->ctx, f->dim, i);
        const int recording = ppl_set_grad_enabled(f->ctx, 0);
        ppl_tensor *found = bisect(f, x, y, mask);
        ppl_set_grad_enabled(f->ctx, recording);
        x = ppl_where(mask, found, x);
        ppl_tensor *step = ppl_sub(y, network(f, x, &slope));
        step = ppl_sub(step, ppl_detach(step));
        step = ppl_mul(step, ppl_exp(ppl_clamp(ppl_neg(ppl_detach(slope)), -INFINITY,
                                               most_exponent(x))));
        x = ppl_where(mask, ppl_add(x, step), x);
    }
    if (log_abs_det && x) {
        network(f, x, &slope);
        *log_abs_det = ppl_sum(slope, -1);
    }
    return x;
}

static const ppl_transform_type type = {
    .name = "block_autoregressive", .forward = forward, .inverse = inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

ppl_transform *ppl_flow_block_autoregressive(ppl_ctx *c, const char *name, int64_t dim,
                                             const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 8, 8 };
    ppl__flow *f = ppl__flow_begin(c, "block_autoregressive", name, dim, opts, hidden, 2);
    block *b = f ? ppl_alloc(c, sizeof *b) : NULL;
    if (!b)
        return NULL;
    if (f->opts.context || (f->opts.activation != PPL_IDENTITY &&
                            f->opts.activation != PPL_TANH &&
                            f->opts.activation != PPL_SIGMOID)) {
        ppl_fail(c, PPL_EUNSUPPORTED, "block_autoregressive %s: it takes no context, and "
                 "increases if its activation does: PPL_TANH or PPL_SIGMOID", f->name);
        return NULL;
    }
    b->count = f->opts.layers + 1;
    b->layer = ppl_alloc(c, (size_t)b->count * sizeof *b->layer);
    for (int i = 0; b->layer && i < b->count; i++) {
        b->layer[i].in = i > 0 ? f->opts.hidden[i - 1] : 1;
        b->layer[i].out = i < f->opts.layers ? f->opts.hidden[i] : 1;
        if (!make_layer(f, i, &b->layer[i]))
            return NULL;
    }
    if (f->opts.residual == PPL_GATED_RESIDUAL)
        b->gate = ppl_sigmoid(ppl__flow_param(f, ".gate", PPL_SHAPE(1),
                                              ppl_init_normal(0, 1)));
    f->own = b;
    return b->layer ? ppl__flow_make(f, &type) : NULL;
}
