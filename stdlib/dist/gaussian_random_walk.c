/* SPDX-License-Identifier: MIT */
/*
 * gaussian_random_walk.c - GaussianRandomWalk(scale s, steps T): x_t the sum of t
 * independent normal numbers of mean 0 and standard deviation s > 0, t = 1 .. T.
 *
 *   log p(x)   -sum_t z_t^2 / 2 - T (log s + log(2 pi) / 2), z_t = (x_t - x_(t-1)) / s,
 *              x_0 = 0; by x_t (z_(t+1) - z_t) / s, by s sum_t (z_t^2 - 1) / s
 *   mean and mode 0, variance t s^2, covariance min(t, u) s^2
 *   entropy    T (1/2 + log(2 pi) / 2 + log s)
 *   draw       the running sums of s e, e standard normal
 *   KL(q||p)   T times that of the steps
 */
#include "event.h"

#include <kiln/matrix.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- log_prob: x, s ---------------------------------------------------------------- */

static double step_at(const ppl__event *e, size_t t)
{
    const double *x = e->in[0];
    return (x[t] - (t > 0 ? x[t - 1] : 0)) / e->in[1][0];
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t T = e->dim[0][0];
    double sum = 0;

    for (size_t t = 0; t < T; t++)
        sum += step_at(e, t) * step_at(e, t);
    *y = -sum / 2 - (double)T * (log(e->in[1][0]) + HALF_LOG_TWO_PI);
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t T = e->dim[0][0];
    const double g = e->g[0] / e->in[1][0];

    for (size_t t = 0; t < T; t++) {
        const double z = step_at(e, t);
        if (e->d[0])
            e->d[0][t] += g * ((t + 1 < T ? step_at(e, t + 1) : 0) - z);
        if (e->d[1])
            e->d[1][0] += g * (z * z - 1);
    }
}

/* ---- Drawing: s -------------------------------------------------------------------- */

typedef struct draw_attr {
    size_t T;
    const double *eps;
} draw_attr;

static ppl_shape walk(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)((const draw_attr *)e->attr)->T);
}

static void draw_value(const ppl__event *e, double *y)
{
    const draw_attr *attr = e->attr;
    double sum = 0;

    for (size_t t = 0; t < attr->T; t++)
        y[t] = e->in[0][0] * (sum += attr->eps[e->index * attr->T + t]);
}

static void draw_gradient(const ppl__event *e)
{
    const draw_attr *attr = e->attr;
    double sum = 0;

    for (size_t t = 0; t < attr->T; t++)
        e->d[0][0] += e->g[t] * (sum += attr->eps[e->index * attr->T + t]);
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 2, .axes = { 1, 0 }, .value = log_prob_value, .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 1, .event = walk, .value = draw_value, .gradient = draw_gradient
};
PPL__EVENT_OP(log_prob_op, "gaussian_random_walk log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "gaussian_random_walk sample", draw_formula)

static int64_t steps_of(const ppl_dist *d)
{
    return *(const int64_t *)d->attr;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return PPL_SHAPE(steps_of(d));
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const draw_attr attr = { (size_t)steps_of(d), ppl__noise(d, rng, ppl_rng_normals) };
    return attr.eps ? draw_op_apply(d->param, d, &attr, sizeof attr) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const double T = (double)steps_of(d);
    return ppl_affine(ppl_log(d->param[0]), T, T * (0.5 + HALF_LOG_TWO_PI));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_scalar(d->ctx, 0);
}

/* s^2 min(i, j) of the steps i = 1 .. T in `rows` rows; of one row s^2 j. */
static ppl_tensor *squares(const ppl_dist *d, int64_t rows)
{
    const int64_t T = steps_of(d);
    double *least = ppl_alloc(d->ctx, (size_t)(rows * T) * sizeof *least);
    ppl_tensor *s = ppl__one_more_axis(d->param[0]);

    if (!least)
        return NULL;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < T; j++)
            least[i * T + j] = (double)(rows > 1 && i < j ? i + 1 : j + 1);
    if (rows == 1)
        return ppl_mul(ppl_mul(s, s), ppl_from_doubles(d->ctx, PPL_SHAPE(T), least));
    s = ppl__one_more_axis(s);
    return ppl_mul(ppl_mul(s, s), ppl_from_doubles(d->ctx, PPL_SHAPE(rows, T), least));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return squares(d, 1);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    const int64_t T = steps_of(d);
    return T == 1 ? ppl__one_more_axis(squares(d, 1)) : squares(d, T);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *zero = ppl_scalar(q->ctx, 0);
    ppl_tensor *step = ppl_kl(ppl_normal(zero, q->param[0]),
                              ppl_normal(zero, p->param[0]));
    return ppl_affine(step, (double)steps_of(q), 0);
}

ppl_dist *ppl_gaussian_random_walk(ppl_tensor *scale, int64_t steps)
{
    if (!scale)
        return NULL;
    if (steps < 1) {
        ppl_fail(ppl_tensor_ctx(scale), PPL_EINVAL, "gaussian_random_walk: %lld steps; "
                 "at least 1 is needed", (long long)steps);
        return NULL;
    }
    int64_t *T = ppl_alloc(ppl_tensor_ctx(scale), sizeof *T);
    if (!T)
        return NULL;
    *T = steps;
    return ppl_dist_make(&ppl_family_gaussian_random_walk, &scale, T);
}

const ppl_family ppl_family_gaussian_random_walk = {
    .name = "gaussian_random_walk",
    .params = 1,
    .param_name = { "scale" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &ppl_constraint_real_vector,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
    .mode = mean,
    .kl = kl,
};
