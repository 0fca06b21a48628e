/* SPDX-License-Identifier: MIT */
/*
 * recurrent.c - a recurrent cell over whole ragged sequences as one operation.
 *
 * Its inputs are the projections W_ih x + b_ih of all rows [rows,G], W_hh [G,H], b_hh [G]
 * and h_0 [H] or [active[0],H]; G is H, or 3 H for a GRU. Forward is one product a step,
 * with W_hh prepared once. Backward (through time) is one product a step for the adjoints of
 * the states, then a sum of outer products for W_hh. It is run for the first
 * input that a sweep asks about and kept for the others; a question asked twice begins
 * another sweep.
 *
 * At a step the first `carried` of its rows go on from the step before (in reverse: the
 * one after) and the rest begin with h_0: at the first step all, in reverse also those of
 * sequences that end there. Where h_0 is one state for all, its product is made once.
 */
#include "recurrent.h"

#include "../shape_text.h"

#include <kiln/maths.h>

#include <math.h>
#include <string.h>

enum { PROJECTED, WEIGHT, BIAS, START, INPUTS };

/* The operation's record, and what its functions leave there for each other. */
typedef struct recurrence {
    ppl__cell cell;
    ppl_activation activation;      /* of an RNN */
    int reverse, steps;
    size_t rows, hidden, width;     /* width: H times the gates */
    size_t start_stride;            /* of h_0 from sequence to sequence: 0 or H */
    const int *active;
    const size_t *first;            /* [steps]: row at which a step begins */
    void *forth, *back;             /* W_hh prepared for products forward and backward */
    void *start;                    /* [G]: W_hh h_0 + b_hh, where h_0 is one state */
    void *pre;                      /* GRU: the products of a step */
    void *saved;                    /* GRU [rows,4,H]: r, z, n and W_hn h + b_hn */
    unsigned asked;                 /* inputs that this sweep has asked about */
    void *d_projected;              /* [rows,G], adjoint of the first input */
    void *d_recurrent;              /* [rows,G], of W_hh h + b_hh; RNN: the same */
    void *d_start;                  /* [active[0],H]; NULL: not there */
} recurrence;

/* The k-th step in order of processing. */
typedef struct step {
    size_t row, count;              /* its rows */
    size_t carried, source;         /* how many go on, from which row on */
} step;

static step step_at(const recurrence *r, int k)
{
    const int t = r->reverse ? r->steps - 1 - k : k;
    step s = { r->first[t], (size_t)r->active[t], 0, 0 };
    if (k > 0) {
        s.carried = (size_t)r->active[r->reverse ? t + 1 : t];
        s.source = r->first[r->reverse ? t + 1 : t - 1];
    }
    return s;
}

/* Rows that are worth a thread; of fewer the product alone is split, by columns. */
static size_t least_rows(const recurrence *r)
{
    const size_t worth = 40000 / (r->hidden * r->width);
    return worth > 3 ? worth : 3;
}

enum { LINE = 16 };                 /* columns are split at lines of the cache */

#define REAL float
#define DTYPE PPL_F32
#define NAME(name) name##_f32
#include "recurrent.inc"
#undef REAL
#undef DTYPE
#undef NAME
#define REAL double
#define DTYPE PPL_F64
#define NAME(name) name##_f64
#include "recurrent.inc"
#undef REAL
#undef DTYPE
#undef NAME

/* ---- The row ----------------------------------------------------------------------- */

static ppl_status recurrent_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                  void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const recurrence *r = attr;
    const int64_t hidden = (int64_t)r->hidden, width = (int64_t)r->width;
    const ppl_tensor *weight = inputs[WEIGHT], *bias = inputs[BIAS];
    (void)op;
    *dtype = ppl_ctx_dtype(ppl_tensor_ctx(weight));
    *shape = PPL_SHAPE((int64_t)r->rows, hidden);
    for (int i = 0; i < count; i++)
        if (ppl_tensor_dtype(inputs[i]) != *dtype)
            return ppl_fail(ppl_tensor_ctx(weight), PPL_EDTYPE,
                            "%s: x, h_0 and parameters must be floating; ppl_to_float "
                            "converts", ppl__cell_name(r->cell));
    if (ppl_rank(weight) != 2 || ppl_dim(weight, 0) != width ||
        ppl_dim(weight, 1) != hidden || ppl_rank(bias) != 1 ||
        ppl_dim(bias, 0) != width || ppl_rank(inputs[PROJECTED]) != 2 ||
        ppl_dim(inputs[PROJECTED], 1) != width)
        return ppl_fail(ppl_tensor_ctx(weight), PPL_ESHAPE,
                        "%s: weight_hh is %s and bias_hh %s; they must be [%lld,%lld] "
                        "and [%lld], as must be weight_ih's axis 0",
                        ppl__cell_name(r->cell), SHAPE_OF(weight), SHAPE_OF(bias),
                        (long long)width, (long long)hidden, (long long)width);
    return PPL_OK;
}

static void recurrent_forward(ppl_tensor *out)
{
    if (ppl_tensor_dtype(out) == PPL_F32)
        forward_f32(out, ppl_op_attr(out));
    else
        forward_f64(out, ppl_op_attr(out));
}

/* The adjoint of the projections is worked out in place, where nothing is there yet. */
static void recurrent_vjp(ppl_tensor *out, int i, void *grad)
{
    recurrence *r = ppl_op_attr(out);
    const int single = ppl_tensor_dtype(out) == PPL_F32, first = ppl_op_first(out);
    const int in_place = i == PROJECTED && first;
    if (in_place || r->asked == 0 || (r->asked & (1u << i))) {
        r->asked = 0;
        r->d_start = NULL;
        r->d_projected = in_place ? grad : NULL;
        (single ? backward_f32 : backward_f64)(out, r);
    }
    r->asked |= 1u << i;
    if (!r->d_start || in_place)
        return;
    if (first)
        memset(grad, 0, (size_t)ppl_numel(ppl_op_input(out, i)) * (single ? 4 : 8));
    (single ? add_adjoint_f32 : add_adjoint_f64)(out, r, i, grad);
}

static const ppl_op rnn_row = {
    .name = "rnn", .inputs = INPUTS, .flags = PPL_OP_WRITES, .shape = recurrent_shape,
    .forward = recurrent_forward, .vjp = recurrent_vjp
};
static const ppl_op gru_row = {
    .name = "gru", .inputs = INPUTS, .flags = PPL_OP_WRITES, .shape = recurrent_shape,
    .forward = recurrent_forward, .vjp = recurrent_vjp
};

/* ---- Layers ------------------------------------------------------------------------ */

/* All four uniform within 1/sqrt(H), as torch.nn.RNNBase and RNNCellBase. */
static int params_of(ppl_ctx *c, const char *name, const char *const suffix[4],
                     ppl__cell cell, int64_t inputs, int64_t hidden, ppl__cell_weights *w)
{
    const int64_t width = ppl__cell_gates(cell) * hidden;
    const double bound = 1 / sqrt((double)hidden);
    const ppl_init init = ppl_init_uniform(-bound, bound);
    w->weight_ih = ppl_param(c, ppl_intern_join(c, name, suffix[0]),
                             PPL_SHAPE(width, inputs), init, PPL_REAL);
    w->weight_hh = ppl_param(c, ppl_intern_join(c, name, suffix[1]),
                             PPL_SHAPE(width, hidden), init, PPL_REAL);
    w->bias_ih = ppl_param(c, ppl_intern_join(c, name, suffix[2]), PPL_SHAPE(width), init,
                           PPL_REAL);
    w->bias_hh = ppl_param(c, ppl_intern_join(c, name, suffix[3]), PPL_SHAPE(width), init,
                           PPL_REAL);
    return w->weight_ih && w->weight_hh && w->bias_ih && w->bias_hh;
}

int ppl__cell_params(ppl_ctx *c, const char *name, ppl__cell cell, ppl_tensor *x,
                     ppl_tensor *h, ppl__cell_weights *w)
{
    static const char *const suffix[] = { ".weight_ih", ".weight_hh", ".bias_ih",
                                          ".bias_hh" };
    const int rank = ppl_rank(h);
    if (!name || !h || ppl_rank(x) != 2 || ppl_dim(x, 1) < 1 || rank < 1 || rank > 2 ||
        ppl_dim(h, -1) < 1 || (rank == 2 && ppl_dim(h, 0) != ppl_dim(x, 0))) {
        ppl_fail(c, name && x && h ? PPL_ESHAPE : PPL_EINVAL,
                 "%s_cell %s: x is %s and h is %s; x must be [n,I] and h [n,H] or [H]",
                 ppl__cell_name(cell), name ? name : "(NULL)", SHAPE_OF(x), SHAPE_OF(h));
        return 0;
    }
    return params_of(c, name, suffix, cell, ppl_dim(x, 1), ppl_dim(h, -1), w);
}

/* Whether the layer's arguments fit each other; else an error. */
static int layer_check(ppl_ctx *c, const char *name, const char *what,
                       const ppl_tensor *x, const ppl_ragged *ragged,
                       const ppl_rnn_opts *opts)
{
    if (!name || !opts || opts->hidden < 1)
        ppl_fail(c, PPL_EINVAL, "%s %s: %s", what, name ? name : "(NULL)",
                 !name  ? "the name is NULL"
                 : opts ? "opts.hidden is less than 1; say how wide the state is"
                        : "opts is NULL; give at least opts.hidden");
    else if (ppl__ragged_check(c, what, name, x, ragged)) {
        const ppl_tensor *h_0 = opts->h_0;
        const int rank = ppl_rank(h_0);
        if (ppl_rank(x) != 2 || ppl_dim(x, 1) < 1)
            ppl_fail(c, PPL_ESHAPE, "%s %s: x is %s; it must be [rows,I]", what, name,
                     SHAPE_OF(x));
        else if (h_0 && (rank < 1 || rank > 2 || ppl_dim(h_0, -1) != opts->hidden ||
                         (rank == 2 && ppl_dim(h_0, 0) != ragged->active[0])))
            ppl_fail(c, PPL_ESHAPE, "%s %s: h_0 is %s; it must be [%lld] or [%d,%lld]",
                     what, name, SHAPE_OF(h_0), (long long)opts->hidden,
                     ragged->active[0], (long long)opts->hidden);
        else
            return 1;
    }
    return 0;
}

/* Copies the caller's description, which backward will read again; 0 without memory. */
static int copy_ragged(ppl_ctx *c, recurrence *r, const ppl_ragged *ragged)
{
    const size_t steps = (size_t)ragged->steps;
    int *active = ppl_alloc(c, steps * sizeof *active);
    size_t *first = ppl_alloc(c, steps * sizeof *first);
    if (!active || !first)
        return 0;
    memcpy(active, ragged->active, steps * sizeof *active);
    for (size_t t = 1; t < steps; t++)
        first[t] = first[t - 1] + (size_t)active[t - 1];
    r->steps = ragged->steps;
    r->active = active;
    r->first = first;
    r->rows = first[steps - 1] + (size_t)active[steps - 1];
    return 1;
}

ppl_tensor *ppl__recurrent(ppl_ctx *c, const char *name, ppl__cell cell, ppl_tensor *x,
                           const ppl_ragged *ragged, const ppl_rnn_opts *opts)
{
    static const char *const suffix[] = { ".weight_ih_l0", ".weight_hh_l0", ".bias_ih_l0",
                                          ".bias_hh_l0" };
    ppl__cell_weights w;
    if (!layer_check(c, name, ppl__cell_name(cell), x, ragged, opts) ||
        !params_of(c, name, suffix, cell, ppl_dim(x, 1), opts->hidden, &w))
        return NULL;
    ppl_tensor *start = opts->h_0 ? opts->h_0 : ppl_full(c, PPL_SHAPE(opts->hidden), 0);
    recurrence r = { .cell = cell, .activation = opts->activation,
                     .reverse = opts->reverse, .hidden = (size_t)opts->hidden };
    r.width = r.hidden * (size_t)ppl__cell_gates(cell);
    r.start_stride = ppl_rank(start) == 2 ? r.hidden : 0;
    if (!copy_ragged(c, &r, ragged))
        return NULL;
    ppl_tensor *inputs[INPUTS] = {
        [PROJECTED] = ppl_linear(x, w.weight_ih, w.bias_ih, PPL_IDENTITY),
        [WEIGHT] = w.weight_hh, [BIAS] = w.bias_hh, [START] = start
    };
    return ppl_apply(cell == PPL__GRU ? &gru_row : &rnn_row, inputs, INPUTS, &r,
                     sizeof r);
}
