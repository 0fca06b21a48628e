/* SPDX-License-Identifier: MIT */
/*
 * flow_spline.c - monotone rational splines: elementwise, autoregressive and coupling.
 *
 * Between -bound and bound a spline has `bins` pieces; outside it is the identity. Widths
 * and heights of the pieces are softmaxes, slopes at the knots softplus, each no smaller
 * than a minimum; the slopes at both ends are near 1. A quadratic piece is a ratio of
 * quadratic polynomials (Durkan, Bekasov, Murray and Papamakarios, Neural spline flows,
 * 2019); a linear one is two ratios of linear ones that meet within the piece, where
 * lambda says (Dolatabadi, Erfani and Leckie, Invertible generative modeling using linear
 * rational splines, 2020). Constants are Pyro's, so that weights trained there agree.
 */
#include "flow.h"

#include <kiln/matrix.h>

#include <inttypes.h>
#include <math.h>

#define MIN_LENGTH 1e-3
#define MIN_SLOPE 1e-3
#define MIN_LAMBDA 0.025

/* As parameters or a network give them: [..,D,bins], slopes [..,D,bins-1]. */
typedef struct raw_knots {
    ppl_tensor *widths, *heights, *slopes, *lambdas;    /* lambdas NULL: quadratic */
} raw_knots;

/* ---- Which piece ------------------------------------------------------------------- */

/* The index of the piece that x [..,D] lies in, from knots [..,D,bins+1]: integers. */
static ppl_status piece_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = PPL_I64;
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

static void piece_forward(ppl_tensor *out)
{
    const int64_t knots = ppl_dim(ppl_op_input(out, 1), -1);
    const int floats = ppl_tensor_dtype(ppl_op_input(out, 0)) == PPL_F32;
    const void *x = ppl_operand(out, 0), *knot = ppl_operand(out, 1);
    int64_t *piece = ppl_result(out);
    for (int64_t i = 0; i < ppl_numel(out); i++) {
        const double at = floats ? (double)((const float *)x)[i] : ((const double *)x)[i];
        int64_t k = 0;
        while (k + 2 < knots) {
            const int64_t n = i * knots + k + 1;
            const double next = floats ? (double)((const float *)knot)[n]
                                       : ((const double *)knot)[n];
            if (!(at >= next))
                break;
            k++;
        }
        piece[i] = k;
    }
}

static const ppl_op piece_op = {
    .name = "spline piece", .inputs = 2, .shape = piece_shape, .forward = piece_forward
};

/* t [..,D,n] with x's batch. */
static ppl_tensor *widen(ppl_tensor *t, const ppl_tensor *x)
{
    ppl_shape shape = ppl_tensor_shape(x);
    if (!t || shape.rank == PPL_MAX_RANK)
        return NULL;
    shape.dim[shape.rank++] = ppl_dim(t, -1);
    return ppl_expand(t, shape);
}

/* ---- Knots ------------------------------------------------------------------------- */

/* [..,1] of one value, beside t. */
static ppl_tensor *edge(const ppl_tensor *t, double value)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t)
        return NULL;
    shape.dim[shape.rank - 1] = 1;
    return ppl_full(ppl_tensor_ctx(t), shape, value);
}

/* The knots [..,D,bins+1] from -bound to bound, of lengths given raw. */
static ppl_tensor *knots_of(const ppl__flow *f, ppl_tensor *raw)
{
    const double bound = f->opts.bound;
    const double rest = 1 - MIN_LENGTH * (double)f->opts.bins;
    ppl_tensor *share = ppl_affine(ppl_softmax(raw, -1), rest, MIN_LENGTH);
    ppl_tensor *inner = ppl_slice(ppl_cumsum(share, -1), -1, 0, f->opts.bins - 1);
    ppl_tensor *parts[] = { edge(raw, -bound), ppl_affine(inner, 2 * bound, -bound),
                            edge(raw, bound) };
    return ppl_concat(parts, 3, -1);
}

/* What the piece of each element of x is like, all [..,D]. */
typedef struct piece {
    ppl_tensor *width, *left, *height, *bottom, *slope, *next, *lambda;
    ppl_tensor *delta;                      /* height / width */
} piece;

static piece piece_of(const ppl__flow *f, const raw_knots *k, ppl_tensor *x, int inverse)
{
    const int64_t n = f->opts.bins;
    ppl_tensor *across = widen(knots_of(f, k->widths), x);
    ppl_tensor *up = widen(knots_of(f, k->heights), x);
    ppl_tensor *inner = ppl_affine(ppl_softplus(k->slopes), 1, MIN_SLOPE);
    ppl_tensor *slopes[] = { edge(k->widths, 1 - MIN_SLOPE), inner,
                             edge(k->widths, 1 - MIN_SLOPE) };
    ppl_tensor *slope = widen(ppl_concat(slopes, 3, -1), x);
    ppl_tensor *at = ppl_apply(&piece_op, (ppl_tensor *[]){ x, inverse ? up : across }, 2,
                               NULL, 0);
    piece p = { .left = ppl_gather_last(ppl_slice(across, -1, 0, n), at),
                .bottom = ppl_gather_last(ppl_slice(up, -1, 0, n), at),
                .slope = ppl_gather_last(ppl_slice(slope, -1, 0, n), at),
                .next = ppl_gather_last(ppl_slice(slope, -1, 1, n + 1), at) };
    p.width = ppl_sub(ppl_gather_last(ppl_slice(across, -1, 1, n + 1), at), p.left);
    p.height = ppl_sub(ppl_gather_last(ppl_slice(up, -1, 1, n + 1), at), p.bottom);
    p.delta = ppl_div(p.height, p.width);
    if (k->lambdas)
        p.lambda = ppl_gather_last(widen(ppl_affine(ppl_sigmoid(k->lambdas),
                                                    1 - 2 * MIN_LAMBDA, MIN_LAMBDA), x),
                                   at);
    return p;
}

/* ---- Quadratic pieces -------------------------------------------------------------- */

static ppl_tensor *square(ppl_tensor *t)
{
    return ppl_mul(t, t);
}

/* 1 - t. */
static ppl_tensor *rest_of(ppl_tensor *t)
{
    return ppl_affine(t, -1, 1);
}

/* slope + next - 2 delta. */
static ppl_tensor *excess(const piece *p)
{
    return ppl_sub(ppl_add(p->slope, p->next), ppl_affine(p->delta, 2, 0));
}

/* log dy/dx at `theta`, how far across the piece; its denominator in *below. */
static ppl_tensor *quadratic_slope(const piece *p, ppl_tensor *theta, ppl_tensor **below)
{
    ppl_tensor *both = ppl_mul(theta, rest_of(theta));
    *below = ppl_add(p->delta, ppl_mul(excess(p), both));
    ppl_tensor *above = ppl_add(ppl_mul(p->next, square(theta)),
                                ppl_affine(ppl_mul(p->delta, both), 2, 0));
    above = ppl_add(above, ppl_mul(p->slope, square(rest_of(theta))));
    return ppl_sub(ppl_add(ppl_affine(ppl_log(p->delta), 2, 0), ppl_log(above)),
                   ppl_affine(ppl_log(*below), 2, 0));
}

static ppl_tensor *quadratic_forward(const piece *p, ppl_tensor *x, ppl_tensor **slope)
{
    ppl_tensor *theta = ppl_div(ppl_sub(x, p->left), p->width), *below;
    *slope = quadratic_slope(p, theta, &below);
    ppl_tensor *both = ppl_mul(theta, rest_of(theta));
    ppl_tensor *above = ppl_mul(p->height, ppl_add(ppl_mul(p->delta, square(theta)),
                                                   ppl_mul(p->slope, both)));
    return ppl_add(p->bottom, ppl_div(above, below));
}

/* The root of a theta^2 + b theta + c that lies in the piece: of its two forms the one
 * whose terms have one sign. c <= 0, so a > 0 where b < 0. */
static ppl_tensor *quadratic_inverse(const piece *p, ppl_tensor *y, ppl_tensor **slope)
{
    ppl_tensor *over = ppl_sub(y, p->bottom), *more = ppl_mul(over, excess(p)), *below;
    ppl_tensor *a = ppl_add(more, ppl_mul(p->height, ppl_sub(p->delta, p->slope)));
    ppl_tensor *b = ppl_sub(ppl_mul(p->height, p->slope), more);
    ppl_tensor *c = ppl_neg(ppl_mul(p->delta, over));
    ppl_tensor *under = ppl_sub(square(b), ppl_affine(ppl_mul(a, c), 4, 0));
    ppl_tensor *root = ppl_sqrt(ppl_clamp(under, 0, INFINITY));
    ppl_tensor *falls = ppl_less(b, ppl_scalar(ppl_tensor_ctx(y), 0));
    ppl_tensor *half = ppl_affine(ppl_add(root, ppl_where(falls, ppl_neg(b), b)), 0.5, 0);
    ppl_tensor *theta = ppl_where(falls, ppl_div(half, a), ppl_div(ppl_neg(c), half));
    *slope = quadratic_slope(p, theta, &below);
    return ppl_add(ppl_mul(theta, p->width), p->left);
}

/* ---- Linear pieces ----------------------------------------------------------------- */

/* Weights in the middle and at the right of a piece (1 at its left); how far y rises up to
 * the middle and from there. All is worked in such differences, whose sums do not cancel. */
typedef struct halves {
    ppl_tensor *middle, *right, *first, *second;
    ppl_tensor *rest;                       /* 1 - lambda */
} halves;

static halves halves_of(const piece *p)
{
    halves h = { .right = ppl_sqrt(ppl_div(p->slope, p->next)),
                 .rest = rest_of(p->lambda) };
    ppl_tensor *pull = ppl_mul(p->lambda, h.right), *both = ppl_add(h.rest, pull);
    h.middle = ppl_div(ppl_add(ppl_mul(p->lambda, p->slope),
                               ppl_mul(ppl_mul(h.rest, h.right), p->next)), p->delta);
    h.first = ppl_div(ppl_mul(pull, p->height), both);
    h.second = ppl_div(ppl_mul(h.rest, p->height), both);
    return h;
}

/* log of the numerator of dy/dtheta, in the half that `late` says. */
static ppl_tensor *log_rise(const piece *p, const halves *h, ppl_tensor *late)
{
    ppl_tensor *first = ppl_mul(ppl_mul(h->middle, p->lambda), h->first);
    ppl_tensor *second = ppl_mul(ppl_mul(ppl_mul(h->right, h->middle), h->rest), h->second);
    return ppl_log(ppl_where(late, second, first));
}

static ppl_tensor *linear_forward(const piece *p, ppl_tensor *x, ppl_tensor **slope)
{
    const halves h = halves_of(p);
    ppl_tensor *theta = ppl_div(ppl_sub(x, p->left), p->width);
    ppl_tensor *late = ppl_less(p->lambda, theta);
    ppl_tensor *before = ppl_sub(p->lambda, theta), *passed = ppl_mul(h.middle, theta);
    ppl_tensor *right = ppl_neg(ppl_mul(h.right, before));
    ppl_tensor *below = ppl_where(late, ppl_add(ppl_mul(h.middle, rest_of(theta)), right),
                                  ppl_add(before, passed));
    ppl_tensor *rise = ppl_div(ppl_where(late, ppl_mul(right, h.second),
                                         ppl_mul(passed, h.first)), below);
    *slope = ppl_sub(ppl_sub(log_rise(p, &h, late), ppl_log(p->width)),
                     ppl_affine(ppl_log(below), 2, 0));
    return ppl_add(p->bottom, ppl_where(late, ppl_add(h.first, rise), rise));
}

static ppl_tensor *linear_inverse(const piece *p, ppl_tensor *y, ppl_tensor **slope)
{
    const halves h = halves_of(p);
    ppl_tensor *rise = ppl_sub(y, p->bottom), *late = ppl_less(h.first, rise);
    ppl_tensor *beyond = ppl_sub(rise, h.first);        /* the middle */
    ppl_tensor *middle = ppl_mul(h.middle, beyond);
    ppl_tensor *right = ppl_mul(h.right, ppl_sub(h.second, beyond));
    ppl_tensor *above = ppl_where(late, ppl_add(middle, ppl_mul(p->lambda, right)),
                                  ppl_mul(p->lambda, rise));
    ppl_tensor *below = ppl_where(late, ppl_add(middle, right), ppl_sub(rise, middle));
    /* log dx/dy, turned round. */
    *slope = ppl_neg(ppl_sub(ppl_add(log_rise(p, &h, late), ppl_log(p->width)),
                             ppl_affine(ppl_log(below), 2, 0)));
    return ppl_add(ppl_mul(ppl_div(above, below), p->width), p->left);
}

/* ---- The spline -------------------------------------------------------------------- */

/* y of x [..,D], or x of y with `inverse`; log dy/dx of each in *log_slope. */
static ppl_tensor *bend(const ppl__flow *f, const raw_knots *k, ppl_tensor *x,
                        int inverse, ppl_tensor **log_slope)
{
    ppl_tensor *bound = ppl_scalar(f->ctx, f->opts.bound), *slope = NULL, *y;
    ppl_tensor *inside = ppl_and(ppl_not(ppl_less(x, ppl_neg(bound))),
                                 ppl_not(ppl_less(bound, x)));
    if (!ppl__flow_has_room(f, x, 1))
        return NULL;
    const piece p = piece_of(f, k, x, inverse);
    if (!ppl_ok(f->ctx))
        return NULL;
    if (k->lambdas)
        y = (inverse ? linear_inverse : linear_forward)(&p, x, &slope);
    else
        y = (inverse ? quadratic_inverse : quadratic_forward)(&p, x, &slope);
    *log_slope = ppl_where(inside, slope, ppl_scalar(f->ctx, 0));
    return ppl_where(inside, y, x);
}

/* The parameters of n splines: NAME.prefix.unnormalized_... */
static int own_knots(ppl__flow *f, const char *prefix, int64_t n, raw_knots *k)
{
    const char *const kind[] = { "widths", "heights", "derivatives", "lambdas" };
    ppl_tensor **const to[] = { &k->widths, &k->heights, &k->slopes, &k->lambdas };
    for (int i = 0; i < 4 - f->opts.quadratic; i++) {
        ppl_name suffix = ppl_intern_join(
            f->ctx, ppl_intern_join(f->ctx, prefix, ".unnormalized_"), kind[i]);
        *to[i] = ppl__flow_param(f, suffix, PPL_SHAPE(n, f->opts.bins - (i == 2)),
                                 i == 3 ? ppl_init_uniform(0, 1) : ppl_init_normal(0, 1));
        if (!*to[i])
            return 0;
    }
    return 1;
}

/* Numbers that a network gives for each element. */
static int64_t numbers_each(const ppl__flow *f)
{
    return (f->opts.quadratic ? 3 : 4) * f->opts.bins - 1;
}

/* The knots of n splines in a network's output: each kind of number in turn, for dense
 * networks [n,bins] of it, for autoregressive ones (`across`) [bins,n]. */
static raw_knots net_knots(const ppl__flow *f, ppl_tensor *out, int64_t n, int across)
{
    raw_knots k = { NULL, NULL, NULL, NULL };
    ppl_tensor **const to[] = { &k.widths, &k.heights, &k.slopes, &k.lambdas };
    int64_t at = 0;
    for (int i = 0; i < 4 - f->opts.quadratic && out; i++) {
        const int64_t each = f->opts.bins - (i == 2);
        ppl_tensor *t = ppl__flow_slice(out, at, at + n * each);
        ppl_shape shape = ppl_tensor_shape(t);
        at += n * each;
        if (!t || shape.rank == PPL_MAX_RANK)
            return (raw_knots){ NULL, NULL, NULL, NULL };
        shape.dim[shape.rank - 1] = across ? each : n;
        shape.dim[shape.rank++] = across ? n : each;
        t = ppl_reshape(t, shape);
        *to[i] = across ? ppl_transpose(t, -1, -2) : t;
    }
    return k;
}

static int bins_ok(const ppl__flow *f)
{
    if (f->opts.bins < 2 || f->opts.bins > 999 || !(f->opts.bound > 0) ||
        !isfinite(f->opts.bound))
        ppl_fail(f->ctx, PPL_EINVAL, "%s %s: %" PRId64 " bins from -%g to %g; give 2 to "
                 "999, and a finite bound above 0", f->kind, f->name, f->opts.bins, f->opts.bound,
                 f->opts.bound);
    return ppl_ok(f->ctx);
}

/* ---- Elementwise ------------------------------------------------------------------- */

static ppl_tensor *apply(const ppl_transform *self, ppl_tensor *t, int inverse,
                         ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *slope;
    if (!ppl__flow_fits(self, t))
        return NULL;
    t = bend(f, f->own, t, inverse, &slope);
    if (log_abs_det)
        *log_abs_det = t ? slope : NULL;
    return t;
}

static ppl_tensor *spline_forward(const ppl_transform *self, ppl_tensor *x,
                                  ppl_tensor **log_abs_det)
{
    return apply(self, x, 0, log_abs_det);
}

static ppl_tensor *spline_inverse(const ppl_transform *self, ppl_tensor *y,
                                  ppl_tensor **log_abs_det)
{
    return apply(self, y, 1, log_abs_det);
}

static const ppl_transform_type spline = {
    .name = "spline", .flags = PPL_ELEMENTWISE, .forward = spline_forward,
    .inverse = spline_inverse, .shape = ppl__flow_shape,
    .same = ppl__flow_same
};

ppl_transform *ppl_flow_spline(ppl_ctx *c, const char *name, int64_t dim,
                               const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim };
    ppl__flow *f = ppl__flow_begin(c, "spline", name, dim, opts, hidden, 2);
    raw_knots *k = f && bins_ok(f) ? ppl_alloc(c, sizeof *k) : NULL;
    if (!k)
        return NULL;
    if (f->opts.context) {
        ppl_tensor *context = f->opts.context;
        f->opts.context = NULL;             /* it is the network's input, alone */
        if (!ppl__flow_dense(f, "nn", ppl_dim(context, -1), dim * numbers_each(f)))
            return NULL;
        *k = net_knots(f, ppl__flow_run(f, context), dim, 0);
        f->opts.context = context;
    } else if (!own_knots(f, "", dim, k)) {
        return NULL;
    }
    f->own = k;
    return ppl__flow_make(f, &spline);
}

/* ---- Autoregressive ---------------------------------------------------------------- */

static ppl_tensor *given(const ppl__flow *f, ppl_tensor *x, ppl_tensor *t, int inverse,
                         ppl_tensor **slope)
{
    const raw_knots k = net_knots(f, ppl__flow_run(f, x), f->dim, 1);
    return bend(f, &k, t, inverse, slope);
}

static ppl_tensor *autoregressive_forward(const ppl_transform *self, ppl_tensor *x,
                                          ppl_tensor **log_abs_det)
{
    ppl_tensor *slope, *y;
    if (!ppl__flow_fits(self, x))
        return NULL;
    y = given(ppl__flow_of(self), x, x, 0, &slope);
    if (log_abs_det)
        *log_abs_det = y ? ppl_sum(slope, -1) : NULL;
    return y;
}

static ppl_tensor *autoregressive_inverse(const ppl_transform *self, ppl_tensor *y,
                                          ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *slope = NULL, *x;
    if (!ppl__flow_fits(self, y))
        return NULL;
    x = ppl_full(f->ctx, ppl_tensor_shape(y), 0);
    /* After i rounds the first i elements of the order are right; splines are bounded, so
     * the others do no harm meanwhile. */
    for (int64_t i = 0; i < f->dim && x; i++)
        x = given(f, x, y, 1, &slope);
    if (log_abs_det)
        *log_abs_det = x ? ppl_sum(slope, -1) : NULL;
    return x;
}

static const ppl_transform_type autoregressive = {
    .name = "spline_autoregressive", .forward = autoregressive_forward,
    .inverse = autoregressive_inverse, .shape = ppl__flow_shape,
    .same = ppl__flow_same
};

ppl_transform *ppl_flow_spline_autoregressive(ppl_ctx *c, const char *name, int64_t dim,
                                              const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim };
    ppl__flow *f = ppl__flow_begin(c, "spline_autoregressive", name, dim, opts, hidden,
                                   2);
    const int64_t *order;
    if (!f || !bins_ok(f) || !ppl__flow_made(f, numbers_each(f), &order))
        return NULL;
    return ppl__flow_make(f, &autoregressive);
}

/* ---- Coupling ---------------------------------------------------------------------- */

static ppl_tensor *coupled(const ppl_transform *self, ppl_tensor *t, int inverse,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *slope[2] = { NULL, NULL };
    if (!ppl__flow_fits(self, t))
        return NULL;
    ppl_tensor *first = ppl__flow_slice(t, 0, f->opts.split), *bent = first;
    ppl_tensor *rest = ppl__flow_slice(t, f->opts.split, f->dim);
    if (!f->opts.identity)
        bent = bend(f, f->own, first, inverse, &slope[0]);
    const raw_knots k = net_knots(f, ppl__flow_run(f, inverse ? bent : first),
                                  f->dim - f->opts.split, 0);
    rest = bend(f, &k, rest, inverse, &slope[1]);
    if (log_abs_det && rest) {
        *log_abs_det = ppl_sum(slope[1], -1);
        if (slope[0])
            *log_abs_det = ppl_add(ppl_sum(slope[0], -1), *log_abs_det);
    }
    return rest ? ppl_concat((ppl_tensor *[]){ bent, rest }, 2, -1) : NULL;
}

static ppl_tensor *coupling_forward(const ppl_transform *self, ppl_tensor *x,
                                    ppl_tensor **log_abs_det)
{
    return coupled(self, x, 0, log_abs_det);
}

static ppl_tensor *coupling_inverse(const ppl_transform *self, ppl_tensor *y,
                                    ppl_tensor **log_abs_det)
{
    return coupled(self, y, 1, log_abs_det);
}

static const ppl_transform_type coupling = {
    .name = "spline_coupling", .forward = coupling_forward, .inverse = coupling_inverse,
    .shape = ppl__flow_shape,
    .same = ppl__flow_same
};

ppl_transform *ppl_flow_spline_coupling(ppl_ctx *c, const char *name, int64_t dim,
                                        const ppl_flow_opts *opts)
{
    const int64_t hidden[] = { 10 * dim, 10 * dim };
    ppl__flow *f = ppl__flow_begin(c, "spline_coupling", name, dim, opts, hidden, 2);
    raw_knots *k = f && bins_ok(f) && ppl__flow_split_ok(f) ? ppl_alloc(c, sizeof *k)
                                                            : NULL;
    if (!k || (!f->opts.identity && !own_knots(f, ".lower_spline", f->opts.split, k)) ||
        !ppl__flow_dense(f, "upper_spline.nn", f->opts.split,
                         (dim - f->opts.split) * numbers_each(f)))
        return NULL;
    f->own = k;
    return ppl__flow_make(f, &coupling);
}
