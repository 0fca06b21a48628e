/* SPDX-License-Identifier: MIT */
/*
 * flow_affine.c - affine flows: autoregressive (IAF) and coupling (Real NVP). Both are
 *
 *   y = m + exp(s) x,  log |det J| = sum s,
 *
 * s clipped without its gradient being so, m and s from a network that does not see what
 * it scales. The stable form of the former: y = g x + (1 - g) m, g = sigmoid(s + 2).
 *
 * Sources: Kingma et al., Improving variational inference with inverse autoregressive
 * flow, 2016; Dinh, Sohl-Dickstein and Bengio, Density estimation using real NVP, 2017.
 */
#include "flow.h"

#include "../dist/density.h"

#define SIGMOID_BIAS 2.0

/* ---- The map ----------------------------------------------------------------------- */

typedef struct clip {
    double low, high;
} clip;

static double clipped(const ppl__span *span, double s)
{
    const clip *c = span->attr;
    return s < c->low ? c->low : s > c->high ? c->high : s;
}

static void clip_value(const ppl__span *span, void *out)
{
    const double *s = span->in[0];
    double *y = out;
    for (size_t i = 0; i < span->n; i++)
        y[i] = clipped(span, s[i]);
}

static void clip_slope(const ppl__span *span, int input, void *slope)
{
    double *d = slope;
    (void)input;
    for (size_t i = 0; i < span->n; i++)
        d[i] = 1;
}

static void scale_value(const ppl__span *span, void *out)
{
    const double *x = span->in[0], *m = span->in[1], *s = span->in[2];
    double *y = out;
    for (size_t i = 0; i < span->n; i++)
        y[i] = m[i] + exp(clipped(span, s[i])) * x[i];
}

static void scale_slope(const ppl__span *span, int input, void *slope)
{
    const double *x = span->in[0], *s = span->in[2];
    double *d = slope;
    for (size_t i = 0; i < span->n; i++)
        d[i] = input == 1 ? 1 : exp(clipped(span, s[i])) * (input == 0 ? 1 : x[i]);
}

static void unscale_value(const ppl__span *span, void *out)
{
    const double *y = span->in[0], *m = span->in[1], *s = span->in[2];
    double *x = out;
    for (size_t i = 0; i < span->n; i++)
        x[i] = (y[i] - m[i]) * exp(-clipped(span, s[i]));
}

static void unscale_slope(const ppl__span *span, int input, void *slope)
{
    const double *x = span->y, *s = span->in[2];
    double *d = slope;
    for (size_t i = 0; i < span->n; i++)
        d[i] = input == 2 ? -x[i]
               : exp(-clipped(span, s[i])) * (input == 0 ? 1 : -1);
}

static const ppl__formula clip_formula = PPL__IN_DOUBLE(1, clip_value, clip_slope);
static const ppl__formula scale_formula = PPL__IN_DOUBLE(3, scale_value, scale_slope);
static const ppl__formula unscale_formula =
    PPL__IN_DOUBLE(3, unscale_value, unscale_slope);
PPL__FORMULA_OP(clip_op, "flow clip", clip_formula)
PPL__FORMULA_OP(scale_op, "flow scale", scale_formula)
PPL__FORMULA_OP(unscale_op, "flow unscale", unscale_formula)

static clip bounds_of(const ppl__flow *f)
{
    return (clip){ f->opts.log_scale_min, f->opts.log_scale_max };
}

static ppl_tensor *flow_clip(const ppl__flow *f, ppl_tensor *s)
{
    const clip c = bounds_of(f);
    return ppl_apply(&clip_op, &s, 1, &c, sizeof c);
}

static ppl_tensor *flow_scale(const ppl__flow *f, ppl_tensor *x, ppl_tensor *m,
                              ppl_tensor *s)
{
    const clip c = bounds_of(f);
    return ppl_apply(&scale_op, (ppl_tensor *[]){ x, m, s }, 3, &c, sizeof c);
}

static ppl_tensor *flow_unscale(const ppl__flow *f, ppl_tensor *y, ppl_tensor *m,
                                ppl_tensor *s)
{
    const clip c = bounds_of(f);
    return ppl_apply(&unscale_op, (ppl_tensor *[]){ y, m, s }, 3, &c, sizeof c);
}

/* ---- Autoregressive ---------------------------------------------------------------- */

/* Mean and log scale (stable: logit of the scale) from x. */
static void hyper(const ppl__flow *f, ppl_tensor *x, ppl_tensor **m, ppl_tensor **s)
{
    ppl_tensor *out = ppl__flow_run(f, x);
    *m = ppl__flow_slice(out, 0, f->dim);
    *s = ppl__flow_slice(out, f->dim, 2 * f->dim);
    if (f->opts.stable)
        *s = ppl_affine(*s, 1, SIGMOID_BIAS);
}

static ppl_tensor *log_scale(const ppl__flow *f, ppl_tensor *s)
{
    s = f->opts.stable ? ppl_neg(ppl_softplus(ppl_neg(s))) : flow_clip(f, s);
    return ppl_sum(s, -1);
}

static ppl_tensor *forward(const ppl_transform *self, ppl_tensor *x,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *m, *s;
    if (!ppl__flow_fits(self, x))
        return NULL;
    hyper(f, x, &m, &s);
    if (log_abs_det)
        *log_abs_det = log_scale(f, s);
    return f->opts.stable ? ppl_lerp(m, x, ppl_sigmoid(s)) : flow_scale(f, x, m, s);
}

/* x = m + (1 + exp(-s)) (y - m), or the affine map's inverse. */
static ppl_tensor *undo(const ppl__flow *f, ppl_tensor *y, ppl_tensor *m, ppl_tensor *s)
{
    if (!f->opts.stable)
        return flow_unscale(f, y, m, s);
    return ppl_lerp(m, y, ppl_affine(ppl_exp(ppl_neg(s)), 1, 1));
}

/* A mask [dim] of one element. */
static ppl_tensor *only(ppl_ctx *c, int64_t dim, int64_t i)
{
    unsigned char *mask = ppl_alloc(c, (size_t)dim);
    if (!mask)
        return NULL;
    mask[i] = 1;
    return ppl_wrap(c, PPL_MASK, PPL_SHAPE(dim), mask);
}

/* Element after element, in their order: each needs those before it alone. Those not yet
 * known are 0, and what is computed for them is not taken. */
static ppl_tensor *inverse(const ppl_transform *self, ppl_tensor *y,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const int64_t *order = f->own;
    ppl_tensor *x, *m, *s = NULL;
    if (!ppl__flow_fits(self, y))
        return NULL;
    x = ppl_full(f->ctx, ppl_tensor_shape(y), 0);
    for (int64_t i = 0; i < f->dim && x; i++) {
        hyper(f, x, &m, &s);
        x = ppl_where(only(f->ctx, f->dim, order[i]), undo(f, y, m, s), x);
    }
    if (log_abs_det)
        *log_abs_det = log_scale(f, s);
    return x;
}

static const ppl_transform_type autoregressive = {
    .name = "affine_autoregressive", .forward = forward, .inverse = inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

ppl_transform *ppl_flow_affine_autoregressive(ppl_ctx *c, const char *name, int64_t dim,
                                              const ppl_flow_opts *opts)
{
    const int64_t hidden = 3 * dim + 1;
    ppl__flow *f = ppl__flow_begin(c, "affine_autoregressive", name, dim, opts, &hidden,
                                   1);
    const int64_t *order;
    if (!f || !ppl__flow_made(f, 2, &order))
        return NULL;
    f->own = order;
    return ppl__flow_make(f, &autoregressive);
}

/* ---- Coupling ---------------------------------------------------------------------- */

/* What stays, and mean and log scale of the rest. */
static ppl_tensor *couple(const ppl__flow *f, ppl_tensor *t, ppl_tensor **m,
                          ppl_tensor **s)
{
    const int64_t rest = f->dim - f->opts.split;
    ppl_tensor *stays = ppl__flow_slice(t, 0, f->opts.split);
    ppl_tensor *out = ppl__flow_run(f, stays);
    *m = ppl__flow_slice(out, 0, rest);
    *s = ppl__flow_slice(out, rest, 2 * rest);
    return stays;
}

static ppl_tensor *coupled(const ppl_transform *self, ppl_tensor *t, int back,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    ppl_tensor *m, *s;
    if (!ppl__flow_fits(self, t))
        return NULL;
    ppl_tensor *stays = couple(f, t, &m, &s);
    ppl_tensor *rest = ppl__flow_slice(t, f->opts.split, f->dim);
    if (log_abs_det)
        *log_abs_det = ppl_sum(flow_clip(f, s), -1);
    rest = (back ? flow_unscale : flow_scale)(f, rest, m, s);
    return ppl_concat((ppl_tensor *[]){ stays, rest }, 2, -1);
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
    .name = "affine_coupling", .forward = coupling_forward, .inverse = coupling_inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

ppl_transform *ppl_flow_affine_coupling(ppl_ctx *c, const char *name, int64_t dim,
                                        const ppl_flow_opts *opts)
{
    const int64_t hidden = 10 * dim;
    ppl__flow *f = ppl__flow_begin(c, "affine_coupling", name, dim, opts, &hidden, 1);
    if (!f || !ppl__flow_split_ok(f) ||
        !ppl__flow_dense(f, "nn", f->opts.split, 2 * (dim - f->opts.split)))
        return NULL;
    return ppl__flow_make(f, &coupling);
}
