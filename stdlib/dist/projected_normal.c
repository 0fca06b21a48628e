/* SPDX-License-Identifier: MIT */
/*
 * projected_normal.c - ProjectedNormal(concentration m [..,D]) on the unit sphere,
 * D >= 2: z / |z| of a normal vector z of mean m and covariance I.
 *
 *   log p(x)   -|m|^2 / 2 - D log(2 pi) / 2 + h(t),  t = m.x,  h(t) = log of the integral
 *              of r^(D-1) e^(r t - r^2/2) over r > 0; by x h'(t) m, by m h'(t) x - m
 *   mean       sqrt(2/pi) m J, J the integral of e^(-|m|^2 sin^2 a / 2) cos^D a over a
 *              from 0 to pi/2: a point inside the sphere
 *   covariance B (I - u u^T) + V u u^T, u = m / |m|; B the variance across, the integral of
 *              e^(-|m|^2 sin^2 a / 2) cos^(D-1) a sin a; V that of c = u.x, B + |m|^2 A less
 *              that of the mean, A as B with cos^(D+1); where |m| > 12 that of 1 - c, of a
 *              normal number along m and a chi across, by a product of quadratures
 *   mode       m / |m|
 *   draw       z / |z|, with its gradient
 *
 * The integrand of h is greatest at c = (t + sqrt(t^2 + 4 (D-1))) / 2, and at c + w less
 * by e^-d, d = w^2/2 + (D-1) (u - log(1 + u)), u = w/c. So for every D one quadrature on
 * either side of c gives the integral, and with w as a factor h'(t), the mean of r. With
 * q = (D-1)/c = c - t, h(t) = t^2/2 + (D-1) log c - q^2/2 + log of that of e^-d; and
 * |m|^2 - t^2 = |m - t x|^2 + t^2 (1 - |x|^2): nothing cancels where |m| is large.
 * Sources: Hernandez-Stumpfhauser, Breidt, van der Woerd, The general projected normal
 * distribution of arbitrary dimension, 2017; Presnell, Morrison, Littell, 1998.
 */
#include "event.h"
#include "matrix.h"
#include "quadrature.h"

#include <kiln/matrix.h>

#include "../shape_text.h"

#define HALF_LOG_TWO_PI 0.91893853320467274178
#define ROOT_TWO_OVER_PI 0.79788456080286535588

/* ---- h ----------------------------------------------------------------------------- */

/* The mode c and q = c - t; and of r: log of the integral of e^-d, the mean of r - c. */
typedef struct radius {
    double c, q, log_mass, beyond;
} radius;

static double depth(double w, double c, double power)
{
    const double u = w / c;
    return w * w / 2 + power * ppl__excess_f64(u, log1p(u));
}

/* How far from c on a side the depth is 40, or r is 0: Newton's method from beyond, as
 * the depth is convex. */
static double reach(double c, double power, int side)
{
    double w = side < 0 ? fmin(9, -c * expm1(-1 - 40 / power)) : 9;

    for (int n = 0; n < 60 && (side > 0 || w < c * (1 - 1e-12)); n++) {
        const double slope = w + side * power * (side * w / c) / (c + side * w);
        const double step = (depth(side * w, c, power) - 40) / slope;
        w -= step;
        if (!(step > 1e-3 * w))
            break;
    }
    return w;
}

static radius radius_of(double t, size_t D)
{
    const double power = (double)D - 1, root = sqrt(t * t + 4 * power);
    radius r = { .c = t > 0 ? (t + root) / 2 : 2 * power / (root - t) };
    double mass = 0, moment = 0;

    r.q = power / r.c;
    for (int side = -1; side <= 1; side += 2) {
        const double end = reach(r.c, power, side);
        for (int i = 0; i < PPL__NODES; i++) {
            const double w = side * ppl__node(i, 0, end);
            const double term = ppl__weight(i, 0, end) * exp(-depth(w, r.c, power));
            mass += term;
            moment += w * term;
        }
    }
    r.log_mass = log(mass);
    r.beyond = moment / mass;
    return r;
}

/* ---- log_prob: x, m ---------------------------------------------------------------- */

/* 1 - |x|^2, its roundings made good. */
static double missing(size_t n, const double *x)
{
    double sum = -1, rest = 0;

    for (size_t k = 0; k < n; k++) {
        const double square = x[k] * x[k], next = sum + square, part = next - sum;
        rest += fma(x[k], x[k], -square) + (sum - (next - part)) + (square - part);
        sum = next;
    }
    return -(sum + rest);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[0], *m = e->in[1], t = ppl__dot(n, x, m);
    const radius r = radius_of(t, n);
    double across = t * missing(n, x) * t;

    for (size_t k = 0; k < n; k++)
        across += (m[k] - t * x[k]) * (m[k] - t * x[k]);
    *y = -across / 2 - (double)n * HALF_LOG_TWO_PI + ((double)n - 1) * log(r.c) -
         r.q * r.q / 2 + r.log_mass;
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *x = e->in[0], *m = e->in[1], t = ppl__dot(n, x, m), g = e->g[0];
    const radius r = radius_of(t, n);

    for (size_t k = 0; e->d[0] && k < n; k++)
        e->d[0][k] += g * (r.c + r.beyond) * m[k];
    for (size_t k = 0; e->d[1] && k < n; k++)
        e->d[1][k] += g * ((r.q + r.beyond) * x[k] - (m[k] - t * x[k]));
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 2, .axes = { 1, 1 }, .value = log_prob_value, .gradient = log_prob_gradient
};
PPL__EVENT_OP(log_prob_op, "projected_normal log_prob", log_prob_formula)

/* ---- Drawing, mode: m, and e behind it or nothing ---------------------------------- */

/* z = m + e over |z|; returns |z|. */
static double project(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *noise = *(const double *const *)e->attr;
    double most = 0, sum = 0;

    for (size_t k = 0; k < n; k++) {
        y[k] = e->in[0][k] + (noise ? noise[e->index * n + k] : 0);
        most = fmax(most, fabs(y[k]));
    }
    for (size_t k = 0; k < n; k++) {
        y[k] /= most;
        sum += y[k] * y[k];
    }
    for (size_t k = 0; k < n; k++)
        y[k] /= sqrt(sum);
    return most * sqrt(sum);
}

static void project_value(const ppl__event *e, double *y)
{
    project(e, y);
}

static void project_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double length = project(e, e->work), along = ppl__dot(n, e->g, e->work);

    for (size_t k = 0; e->d[0] && k < n; k++)
        e->d[0][k] += (e->g[k] - along * e->work[k]) / length;
}

static size_t one_event(const ppl__event *e)
{
    return e->dim[0][0];
}

static const ppl__event_formula project_formula = {
    .inputs = 1, .axes = { 1 }, .event = ppl__event_like_first, .work = one_event,
    .value = project_value, .gradient = project_gradient
};
PPL__EVENT_OP(sample_op, "projected_normal sample", project_formula)
PPL__EVENT_OP(mode_op, "projected_normal mode", project_formula)

/* ---- Mean: m ----------------------------------------------------------------------- */

/* Where e^(-|m|^2 sin^2 a / 2) cos^D a is all but 0. */
static double end_of(size_t D, double square)
{
    const double s = 80 / square, most = acos(exp(-40 / (double)D));
    return s < 1 ? fmin(asin(sqrt(s)), most) : most;
}

/* sqrt(2/pi) J and its derivative by |m|^2. */
static void share_of(size_t D, double square, double out[2])
{
    const double end = end_of(D, square);

    out[0] = out[1] = 0;
    for (int i = 0; i < PPL__NODES; i++) {
        const double a = ppl__node(i, 0, end), sine = sin(a) * sin(a);
        const double term = ROOT_TWO_OVER_PI * ppl__weight(i, 0, end) *
                            exp(-square * sine / 2 + (double)D / 2 * log1p(-sine));
        out[0] += term;
        out[1] -= term * sine / 2;
    }
}

static void mean_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *m = e->in[0];
    double share[2];

    share_of(n, ppl__dot(n, m, m), share);
    for (size_t k = 0; k < n; k++)
        y[k] = share[0] * m[k];
}

static void mean_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *m = e->in[0], along = ppl__dot(n, e->g, m);
    double share[2];

    share_of(n, ppl__dot(n, m, m), share);
    for (size_t k = 0; e->d[0] && k < n; k++)
        e->d[0][k] += share[0] * e->g[k] + 2 * share[1] * along * m[k];
}

static const ppl__event_formula mean_formula = {
    .inputs = 1, .axes = { 1 }, .event = ppl__event_like_first, .value = mean_value,
    .gradient = mean_gradient
};
PPL__EVENT_OP(mean_op, "projected_normal mean", mean_formula)

/* ---- Covariance: m ----------------------------------------------------------------- */

/* The variances across m and along it and (along - across) / |m|^2, and their derivatives by
 * |m|^2: of the first and the last. */
typedef struct spread {
    double across, along, excess, across_slope, excess_slope;
} spread;

static void add_near(spread *s, size_t D, double square)
{
    const double end = end_of(D, square);
    double share[2], sums[2] = { 0 }, slopes[2] = { 0 };

    share_of(D, square, share);
    for (int i = 0; i < PPL__NODES; i++) {
        const double a = ppl__node(i, 0, end), sine = sin(a) * sin(a);
        const double term = ppl__weight(i, 0, end) * sin(a) *
                            exp(-square * sine / 2 + ((double)D - 1) / 2 * log1p(-sine));
        sums[0] += term;
        sums[1] += term * (1 - sine);
        slopes[0] -= term * sine / 2;
        slopes[1] -= term * (1 - sine) * sine / 2;
    }
    s->across = sums[0];
    s->across_slope = slopes[0];
    s->excess = sums[1] - share[0] * share[0];
    s->excess_slope = slopes[1] - 2 * share[0] * share[1];
    s->along = s->across + s->excess * square;
}

/* 1 / (a + sqrt(a)), a = 1 + (w / z)^2, times (w / z)^2: 1 - c. */
static double short_of(double z, double w)
{
    const double ratio = w * w / (z * z);
    return ratio / (1 + ratio + sqrt(1 + ratio));
}

/* The moments of y = 1 - c over z and w, with dy/dz: mass, y, y^2, dy, y dy. */
static void add_far(double length, double power, double low, double high, double sums[5])
{
    const double peak = sqrt(power);

    for (int i = 0; i < PPL__NODES; i++) {
        const double w = ppl__node(i, low, high), over = w / fmax(peak, 1);
        const double chi = ppl__weight(i, low, high) *
                           exp(power * log(over) - (w * w - peak * peak) / 2);
        for (int k = 0; k < 2 * PPL__NODES; k++) {
            const int side = k < PPL__NODES ? -1 : 1;
            const double e = ppl__node(k % PPL__NODES, 0, side * 9.0), z = length + e;
            const double mass = chi * fabs(ppl__weight(k % PPL__NODES, 0, side * 9.0)) *
                                exp(-e * e / 2);
            const double y = short_of(z, w), slope = -w * w / pow(z * z + w * w, 1.5);
            sums[0] += mass;
            sums[1] += mass * y;
            sums[2] += mass * y * y;
            sums[3] += mass * slope;
            sums[4] += mass * y * slope;
        }
    }
}

static void make_far(spread *s, size_t D, double square)
{
    const double power = (double)D - 2, peak = sqrt(power), length = sqrt(square);
    double sums[5] = { 0 };

    add_far(length, power, fmax(peak - 9, 0), fmax(peak, 4), sums);
    add_far(length, power, fmax(peak, 4), peak + 10, sums);
    for (int i = 1; i < 5; i++)
        sums[i] /= sums[0];
    s->along = sums[2] - sums[1] * sums[1];
    s->excess = (s->along - s->across) / square;
    s->excess_slope = ((sums[4] - sums[1] * sums[3]) / length - s->across_slope - s->excess) /
                      square;
}

static spread spread_of(size_t n, const double *m)
{
    const double square = ppl__dot(n, m, m);
    spread s = { 0 };

    add_near(&s, n, square);
    if (square > 144)
        make_far(&s, n, square);
    return s;
}

static ppl_shape square_event(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[0][0], (int64_t)e->dim[0][0]);
}

static void covariance_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double *m = e->in[0], square = ppl__dot(n, m, m);
    const spread s = spread_of(n, m);

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            y[i * n + k] = s.excess * m[i] * m[k];
    /* So that neither variance is lost in the other. */
    for (size_t i = 0; i < n; i++) {
        const double part = square > 0 ? m[i] * m[i] / square : 0;
        y[i * n + i] = s.across * (1 - part) + s.along * part;
    }
}

static void covariance_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double *m = e->in[0];
    const spread s = spread_of(n, m);
    double by_square = 0;

    for (size_t i = 0; i < n; i++) {
        by_square += e->g[i * n + i] * s.across_slope;
        for (size_t k = 0; k < n; k++)
            by_square += e->g[i * n + k] * s.excess_slope * m[i] * m[k];
    }
    for (size_t i = 0; e->d[0] && i < n; i++) {
        e->d[0][i] += 2 * by_square * m[i];
        for (size_t k = 0; k < n; k++)
            e->d[0][i] += s.excess * (e->g[i * n + k] + e->g[k * n + i]) * m[k];
    }
}

static const ppl__event_formula covariance_formula = {
    .inputs = 1, .axes = { 1 }, .event = square_event, .value = covariance_value,
    .gradient = covariance_gradient
};
PPL__EVENT_OP(covariance_op, "projected_normal covariance", covariance_formula)

/* ---- The row ----------------------------------------------------------------------- */

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const double *noise = ppl__noise(d, rng, ppl_rng_normals);
    return noise ? sample_op_apply(d->param, d, &noise, sizeof noise) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return mean_op_apply(d->param, NULL, NULL, 0);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return covariance_op_apply(d->param, NULL, NULL, 0);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_matrix_extract(covariance(d), PPL_DIAGONAL);
}

static ppl_tensor *mode(const ppl_dist *d)
{
    const double *none = NULL;
    return mode_op_apply(d->param, NULL, &none, sizeof none);
}

ppl_dist *ppl_projected_normal(ppl_tensor *concentration)
{
    ppl_dist *d = ppl_dist_make(&ppl_family_projected_normal, &concentration, NULL);

    if (d && ppl_dim(concentration, -1) < 2) {
        ppl_fail(d->ctx, PPL_ESHAPE, "projected_normal: concentration %s; its last axis "
                 "is a direction, of 2 numbers at least", SHAPE_OF(concentration));
        return NULL;
    }
    return d;
}

const ppl_family ppl_family_projected_normal = {
    .name = "projected_normal",
    .params = 1,
    .param_name = { "concentration" },
    .param_constraint = { &ppl_constraint_real_vector },
    .param_event_dim = { 1 },
    .support = &ppl_constraint_sphere,
    .event_dim = 1,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .mean = mean,
    .variance = variance,
    .covariance = covariance,
    .mode = mode,
};
