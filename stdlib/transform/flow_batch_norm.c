/* SPDX-License-Identifier: MIT */
/*
 * flow_batch_norm.c - batch normalization as a flow: each element by a mean m and a variance
 * v of its own,
 *
 *   y = (x - beta) / g sqrt(v + epsilon) + m,  log |dy/dx| = log(v + epsilon) / 2 - log g,
 *   g = relu(gamma) + 1e-6
 *
 * m and v are moving averages; in training the inverse, which data goes through, takes those
 * of the batch at hand instead (v over n - 1), gradients through them and all, and the
 * averages move by `momentum` towards them when the step has succeeded (ppl_param_average).
 * log |dy/dx| is that at m and v as they are, though they depend on the batch.
 *
 * Source: Dinh, Sohl-Dickstein and Bengio, Density estimation using real NVP, 2017,
 * section 3.7, after Ioffe and Szegedy, Batch normalization, 2015.
 */
#include "flow.h"

#include <inttypes.h>

#define LEAST_GAMMA 1e-6

typedef struct batch_norm {
    ppl_tensor *beta, *g, *mean, *variance;     /* [dim]; the averages */
} batch_norm;

static const batch_norm *own_of(const ppl_transform *t)
{
    return ppl__flow_of(t)->own;
}

/* sqrt(v + epsilon). */
static ppl_tensor *spread(const ppl_transform *self, ppl_tensor *variance)
{
    return ppl_sqrt(ppl_affine(variance, 1, ppl__flow_of(self)->opts.epsilon));
}

static ppl_tensor *log_det(const ppl_transform *self, ppl_tensor *variance,
                           const ppl_tensor *like)
{
    ppl_tensor *t = ppl_sub(ppl_log(spread(self, variance)), ppl_log(own_of(self)->g));
    return ppl_expand(t, ppl_tensor_shape(like));
}

static ppl_tensor *forward(const ppl_transform *self, ppl_tensor *x,
                           ppl_tensor **log_abs_det)
{
    const batch_norm *b = own_of(self);

    if (!ppl__flow_fits(self, x))
        return NULL;
    if (log_abs_det)
        *log_abs_det = log_det(self, b->variance, x);
    return ppl_add(ppl_mul(ppl_div(ppl_sub(x, b->beta), b->g), spread(self, b->variance)),
                   b->mean);
}

/* The averages move towards a batch's mean or variance, [dim]. */
static void move(const ppl__flow *f, const char *suffix, const ppl_tensor *to)
{
    double *values = ppl_alloc(f->ctx, (size_t)f->dim * sizeof *values);
    ppl_name name = ppl_intern_join(f->ctx, f->name, suffix);

    if (!values || !name || !to)
        return;
    ppl_read(to, values, f->dim);
    if (ppl_param_average(f->ctx, name, f->opts.momentum, values, f->dim) != PPL_OK)
        return;                             /* recorded */
}

/* Mean and variance of the batch; 0 with the error recorded. */
static int of_batch(const ppl__flow *f, ppl_tensor *y, ppl_tensor **mean,
                    ppl_tensor **variance)
{
    const int64_t n = ppl_numel(y) / f->dim;

    if (n < 2) {
        ppl_fail(f->ctx, PPL_ESHAPE, "batch_norm %s: a value of shape %s is a batch of %"
                 PRId64 "; in training it takes 2 at least, whose variance is known",
                 f->name, SHAPE_OF(y), n);
        return 0;
    }
    y = ppl_reshape(y, PPL_SHAPE(n, f->dim));
    *mean = ppl_mean(y, 0);
    ppl_tensor *away = ppl_sub(y, *mean);
    *variance = ppl_affine(ppl_sum(ppl_mul(away, away), 0), 1 / (double)(n - 1), 0);
    move(f, ".moving_mean", *mean);
    move(f, ".moving_variance", *variance);
    return *variance && ppl_ok(f->ctx);
}

static ppl_tensor *inverse(const ppl_transform *self, ppl_tensor *y,
                           ppl_tensor **log_abs_det)
{
    const ppl__flow *f = ppl__flow_of(self);
    const batch_norm *b = own_of(self);
    ppl_tensor *mean = b->mean, *variance = b->variance;

    if (!ppl__flow_fits(self, y) || (f->opts.training && !of_batch(f, y, &mean, &variance)))
        return NULL;
    if (log_abs_det)
        *log_abs_det = log_det(self, variance, y);
    return ppl_add(ppl_mul(ppl_div(ppl_sub(y, mean), spread(self, variance)), b->g),
                   b->beta);
}

static const ppl_transform_type batch_norm_type = {
    .name = "batch_norm", .flags = PPL_ELEMENTWISE, .forward = forward, .inverse = inverse,
    .shape = ppl__flow_shape, .same = ppl__flow_same
};

/* NAME.suffix as a constant; NULL with the error recorded. */
static ppl_tensor *average(ppl__flow *f, const char *suffix, double first)
{
    double *values = ppl_alloc(f->ctx, 2 * (size_t)f->dim * sizeof *values);

    for (int64_t i = 0; values && i < f->dim; i++)
        values[i] = first;
    if (!values || !ppl__flow_state(f, suffix, f->dim, values, values + f->dim))
        return NULL;
    return f->tensor[f->tensors++] = ppl_from_doubles(f->ctx, PPL_SHAPE(f->dim),
                                                      values + f->dim);
}

ppl_transform *ppl_flow_batch_norm(ppl_ctx *c, const char *name, int64_t dim,
                                   const ppl_flow_opts *opts)
{
    ppl__flow *f = ppl__flow_begin(c, "batch_norm", name, dim, opts, NULL, 0);
    batch_norm *b = f ? ppl_alloc(c, sizeof *b) : NULL;

    if (!b)
        return NULL;
    if (f->opts.context)
        ppl_fail(c, PPL_EUNSUPPORTED, "batch_norm %s: it takes no context; a conditional "
                 "affine or spline flow does", f->name);
    else if (!(f->opts.momentum > 0 && f->opts.momentum <= 1) || !(f->opts.epsilon > 0))
        ppl_fail(c, PPL_EINVAL, "batch_norm %s: momentum is %g, epsilon %g; they must be "
                 "above 0, and momentum at most 1", f->name, f->opts.momentum,
                 f->opts.epsilon);
    if (!ppl_ok(c))
        return NULL;
    ppl_tensor *gamma = ppl__flow_param(f, ".gamma", PPL_SHAPE(dim), PPL_ONES);
    *b = (batch_norm){
        .beta = ppl__flow_param(f, ".beta", PPL_SHAPE(dim), PPL_ZEROS),
        .g = ppl_affine(ppl_relu(gamma), 1, LEAST_GAMMA),
        .mean = average(f, ".moving_mean", 0),
        .variance = average(f, ".moving_variance", 1)
    };
    f->own = b;
    return b->mean && b->variance ? ppl__flow_make(f, &batch_norm_type) : NULL;
}
