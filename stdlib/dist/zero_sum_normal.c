/* SPDX-License-Identifier: MIT */
/*
 * zero_sum_normal.c - ZeroSumNormal(scale s, event shape n_1, n_2, ..): independent
 * normal numbers of mean 0 and standard deviation s > 0 less their means along each of
 * the last axes, so that along each they sum to 0.
 *
 *   log p(x)   -|x|^2 / (2 s^2) - m (log s + log(2 pi) / 2), m the product of n_a - 1: a
 *              density in m orthogonal coordinates of the subspace
 *   mean and mode 0, variance s^2 times the product of 1 - 1/n_a
 *   entropy    m (1/2 + log(2 pi) / 2 + log s)
 *   KL(q||p)   m times that of one number
 *
 * The support's bijection is isometric: along an axis of n, with t the n - 1 numbers and
 * c their sum over sqrt(n) + n, the value is t - c and at its end -sum t / sqrt(n).
 * Source: NumPyro's ZeroSumNormal, after PyMC's.
 */
#include "event.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <string.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

enum { MOST_AXES = PPL__EVENT_AXES };

/* ---- The support ------------------------------------------------------------------- */

/* Sums are of roundings of the numbers' own size. */
static int check_zero_sum(const ppl_constraint *self, double *value,
                          const ppl_shape *event)
{
    size_t all = 1, stride = 1;
    double most = 0;

    (void)self;
    for (int a = 0; a < event->rank; a++)
        all *= (size_t)event->dim[a];
    for (size_t i = 0; i < all; i++)
        most += fabs(value[i]);
    for (int a = event->rank; a-- > 0;) {
        const size_t n = (size_t)event->dim[a];
        for (size_t i = 0; i < all; i++) {
            double sum = 0;
            for (size_t k = 0; i / stride % n == 0 && k < n; k++)
                sum += value[i + k * stride];
            if (!(fabs(sum) <= 1e-5 * most))
                return 0;
        }
        stride *= n;
    }
    return 1;
}

/* The sum along an axis, which is kept. */
static ppl_tensor *kept_sum(ppl_tensor *t, int axis)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t)
        return NULL;
    shape.dim[shape.rank + axis] = 1;
    return ppl_reshape(ppl_sum(t, axis), shape);
}

static ppl_tensor *to_zero_sum(const ppl_constraint *self, ppl_tensor *t)
{
    for (int axis = -self->type->event_dim; t && axis < 0; axis++) {
        const double n = (double)ppl_dim(t, axis) + 1, root = sqrt(n);
        ppl_tensor *sum = kept_sum(t, axis), *c = ppl_affine(sum, 1 / (root + n), 0);
        ppl_tensor *parts[] = { ppl_sub(t, c), ppl_affine(sum, -1 / root, 0) };
        t = ppl_concat(parts, 2, axis);
    }
    return t;
}

static ppl_tensor *from_zero_sum(const ppl_constraint *self, ppl_tensor *t)
{
    for (int axis = -self->type->event_dim; t && axis < 0; axis++) {
        const int64_t n = ppl_dim(t, axis);
        const double root = sqrt((double)n);
        ppl_tensor *end = ppl_slice(t, axis, n - 1, n);
        t = ppl_add(ppl_slice(t, axis, 0, n - 1),
                    ppl_affine(end, -root / (root + (double)n), 0));
    }
    return t;
}

static ppl_tensor *zero_sum_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    ppl_shape batch = ppl_tensor_shape(t);
    for (int a = 0; a < self->type->event_dim; a++)
        batch.dim[--batch.rank] = 0;
    return t ? ppl_full(ppl_tensor_ctx(t), batch, 0) : NULL;
}

static int zero_sum_shape(const ppl_constraint *self, ppl_shape *shape)
{
    for (int a = 1; a <= self->type->event_dim; a++)
        if (a > shape->rank || --shape->dim[shape->rank - a] < 0)
            return 0;
    return 1;
}

static const ppl_constraint_map zero_sum_map = {
    to_zero_sum, from_zero_sum, zero_sum_log_abs_det, zero_sum_shape
};

#define ZERO_SUM(axes, text)                                                             \
    { .name = "zero_sum", .must = text, .event_dim = axes, .check = check_zero_sum,      \
      .optimise = &zero_sum_map, .bijection = &zero_sum_map }
static const ppl_constraint_type zero_sum_type[MOST_AXES] = {
    ZERO_SUM(1, "numbers with sum 0"),
    ZERO_SUM(2, "numbers with sum 0 along both axes"),
    ZERO_SUM(3, "numbers with sum 0 along each of three axes"),
};
static const ppl_constraint zero_sum[MOST_AXES] = {
    { .type = &zero_sum_type[0], .lower = -INFINITY, .upper = INFINITY },
    { .type = &zero_sum_type[1], .lower = -INFINITY, .upper = INFINITY },
    { .type = &zero_sum_type[2], .lower = -INFINITY, .upper = INFINITY },
};

/* ---- log_prob: x (its elements in a row), s ---------------------------------------- */

typedef struct space {
    ppl_shape event;
    int64_t all, free;                      /* numbers of an event, and m */
} space;

static void log_prob_value(const ppl__event *e, double *y)
{
    const space *w = e->attr;
    const size_t all = (size_t)w->all;
    double sum = 0;

    for (size_t i = 0; i < all; i++) {
        const double z = e->in[0][i] / e->in[1][0];
        sum += z * z;
    }
    *y = -sum / 2 - (double)w->free * (log(e->in[1][0]) + HALF_LOG_TWO_PI);
}

static void log_prob_gradient(const ppl__event *e)
{
    const space *w = e->attr;
    const double s = e->in[1][0], g = e->g[0] / s;
    double sum = 0;

    for (size_t i = 0; i < (size_t)w->all; i++) {
        const double z = e->in[0][i] / s;
        if (e->d[0])
            e->d[0][i] -= g * z;
        sum += z * z;
    }
    if (e->d[1])
        e->d[1][0] += g * (sum - (double)w->free);
}

/* ---- Drawing: s -------------------------------------------------------------------- */

typedef struct draw_attr {
    space space;
    double *eps;                            /* less their means once drawn from */
} draw_attr;

static ppl_shape event_of(const ppl__event *e)
{
    return ((const space *)e->attr)->event;
}

static void remove_means(const ppl_shape *event, size_t all, double *x)
{
    size_t stride = 1;

    for (int a = event->rank; a-- > 0;) {
        const size_t n = (size_t)event->dim[a];
        for (size_t i = 0; i < all; i++) {
            double sum = 0;
            if (i / stride % n > 0)
                continue;
            for (size_t k = 0; k < n; k++)
                sum += x[i + k * stride];
            for (size_t k = 0; k < n; k++)
                x[i + k * stride] -= sum / (double)n;
        }
        stride *= n;
    }
}

static void draw_value(const ppl__event *e, double *y)
{
    const draw_attr *attr = e->attr;
    const size_t all = (size_t)attr->space.all;
    double *eps = attr->eps + e->index * all;

    remove_means(&attr->space.event, all, eps);
    for (size_t i = 0; i < all; i++)
        y[i] = e->in[0][0] * eps[i];
}

static void draw_gradient(const ppl__event *e)
{
    const draw_attr *attr = e->attr;
    const size_t all = (size_t)attr->space.all;

    for (size_t i = 0; i < all; i++)
        e->d[0][0] += e->g[i] * attr->eps[e->index * all + i];
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula draw_formula = {
    .inputs = 1, .event = event_of, .value = draw_value, .gradient = draw_gradient
};
static const ppl__event_formula log_prob_formula[MOST_AXES] = {
    { .inputs = 2, .axes = { 1, 0 }, .value = log_prob_value,
      .gradient = log_prob_gradient },
    { .inputs = 2, .axes = { 2, 0 }, .value = log_prob_value,
      .gradient = log_prob_gradient },
    { .inputs = 2, .axes = { 3, 0 }, .value = log_prob_value,
      .gradient = log_prob_gradient },
};
PPL__EVENT_OP(draw_op, "zero_sum_normal sample", draw_formula)
PPL__EVENT_OP(log_prob_1_op, "zero_sum_normal log_prob", log_prob_formula[0])
PPL__EVENT_OP(log_prob_2_op, "zero_sum_normal log_prob", log_prob_formula[1])
PPL__EVENT_OP(log_prob_3_op, "zero_sum_normal log_prob", log_prob_formula[2])

static const space *space_of(const ppl_dist *d)
{
    return d->attr;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return space_of(d)->event;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = ppl__dist_numel(d);
    const draw_attr attr = { *space_of(d), ppl_alloc(d->ctx, n * sizeof(double)) };

    if (!attr.eps)
        return NULL;
    ppl_rng_normals(rng, 0, n, attr.eps);
    return draw_op_apply(d->param, d, &attr, sizeof attr);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    const int axes = space_of(d)->event.rank;
    return (axes == 1 ? log_prob_1_op_apply : axes == 2 ? log_prob_2_op_apply
            : log_prob_3_op_apply)(in, d, space_of(d), sizeof(space));
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const double m = (double)space_of(d)->free;
    return ppl_affine(ppl_log(d->param[0]), m, m * (0.5 + HALF_LOG_TWO_PI));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_scalar(d->ctx, 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    const ppl_shape *event = &space_of(d)->event;
    ppl_tensor *s = d->param[0];
    double share = 1;

    for (int a = 0; a < event->rank; a++) {
        share *= 1 - 1 / (double)event->dim[a];
        s = ppl__one_more_axis(s);
    }
    return ppl_affine(ppl_mul(s, s), share, 0);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *zero = ppl_scalar(q->ctx, 0);
    ppl_tensor *one = ppl_kl(ppl_normal(zero, q->param[0]),
                             ppl_normal(zero, p->param[0]));
    return ppl_affine(one, (double)space_of(q)->free, 0);
}

/* The row for events of so many axes. */
static const ppl_family *family_of(ppl_ctx *c, int axes)
{
    ppl_family *f = ppl_alloc(c, sizeof *f);
    if (f) {
        *f = ppl_family_zero_sum_normal;
        f->kind = &ppl_family_zero_sum_normal;
        f->event_dim = axes;
        f->support = &zero_sum[axes - 1];
    }
    return f;
}

ppl_dist *ppl_zero_sum_normal(ppl_tensor *scale, ppl_shape event)
{
    int good = event.rank >= 1 && event.rank <= MOST_AXES;

    if (!scale)
        return NULL;
    for (int a = 0; good && a < event.rank; a++)
        good = event.dim[a] >= 1;
    if (!good) {
        ppl_fail(ppl_tensor_ctx(scale), PPL_ESHAPE, "zero_sum_normal: events of shape "
                 "%s; they must have 1 to %d axes, none empty", SHAPE_TEXT(event),
                 MOST_AXES);
        return NULL;
    }
    space *w = ppl_alloc(ppl_tensor_ctx(scale), sizeof *w);
    const ppl_family *family = family_of(ppl_tensor_ctx(scale), event.rank);
    if (!w || !family)
        return NULL;
    *w = (space){ event, 1, 1 };
    for (int a = 0; a < event.rank; a++) {
        w->all *= event.dim[a];
        w->free *= event.dim[a] - 1;
    }
    return ppl_dist_make(family, &scale, w);
}

const ppl_family ppl_family_zero_sum_normal = {
    .name = "zero_sum_normal",
    .params = 1,
    .param_name = { "scale" },
    .param_constraint = { &ppl_constraint_positive },
    .support = &zero_sum[0],
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .mode = mean,
    .kl = kl,
};
