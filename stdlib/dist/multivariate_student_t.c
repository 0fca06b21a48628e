/* SPDX-License-Identifier: MIT */
/*
 * multivariate_student_t.c - StudentT(df v, loc m, scale_tril L) of vectors of n numbers:
 * m + L e sqrt(v / c), e standard normal, c chi-squared of v degrees.
 *
 *   log p(x)   a(v) - (v + n)/2 log(1 + |z|^2 / v) - sum_i log L_ii,  z = L^-1 (x - m),
 *              a(v) = log Gamma((v + n)/2) - log Gamma(v/2) - n/2 log(pi v)
 *              by x -k w, by m k w, by L k tril(w z^T) - diag(1 / L_ii),
 *              k = (v + n) / (v + |z|^2), w = L^-T z
 *   mean m (v > 1), mode m, covariance v / (v - 2) L L^T (v > 2; inf down to 1); else NaN
 *   entropy    sum_i log L_ii - a(v) + (v + n)/2 (psi((v + n)/2) - psi(v/2))
 *   draw       m + L e sqrt(v / (2 g)), g of Gamma(v/2, 1), differentiated implicitly
 *
 * As v grows to infinity (the normal distribution) large terms cancel in a(v) and its
 * derivatives; so they are taken together (stirling.h). v must be finite.
 * Source: Kotz, Nadarajah, Multivariate t Distributions and Their Applications, 2004.
 */
#include "multivariate_normal.h"
#include "stirling.h"

#include <kiln/matrix.h>

#include <string.h>

/* ---- log_prob: x, v, m, L ---------------------------------------------------------- */

/* z and w, and the sum of the logarithms, which stays while L does. */
static size_t log_prob_work(const ppl__event *e)
{
    return 2 * e->dim[0][0] + 1;
}

/* z; returns |z|^2. */
static double standardise(const ppl__event *e, double *z)
{
    const size_t n = e->dim[0][0];

    for (size_t i = 0; i < n; i++)
        z[i] = e->in[0][i] - e->in[2][i];
    ppl__solve_lower(n, 1, e->in[3], z);
    return ppl__dot(n, z, z);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    const double v = e->in[1][0], half = (double)n / 2;
    double *log_diagonal = e->work + 2 * n;

    if (e->fresh & 8)
        *log_diagonal = ppl__log_diagonal(n, e->in[3]);
    *y = ppl__lgamma_step(v / 2, half) - half * 2 * PPL__HALF_LOG_TWO_PI -
         (v / 2 + half) * log1p(standardise(e, e->work) / v) - *log_diagonal;
}

/* (v + n) u / (v + q) - log(1 + u), u = q / v. */
static double tail(double v, double n, double q)
{
    const double u = q / v;
    return u < 0.1 ? u * (n - q) / (v + q) - ppl__log1p_minus_f64(u)
                   : (v + n) * u / (v + q) - log1p(u);
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    const double v = e->in[1][0], g = e->g[0];
    double *z = e->work, *w = z + n;
    const double q = standardise(e, z), k = g * (v + (double)n) / (v + q);

    if (e->d[1])
        e->d[1][0] += g / 2 * (ppl__digamma_step(v / 2, (double)n / 2) +
                               tail(v, (double)n, q));
    memcpy(w, z, n * sizeof *w);
    ppl__solve_lower_transposed(n, 1, e->in[3], w);
    for (size_t i = 0; i < n; i++) {
        if (e->d[0])
            e->d[0][i] -= k * w[i];
        if (e->d[2])
            e->d[2][i] += k * w[i];
    }
    if (!e->d[3])
        return;
    ppl__add_lower_outer(n, k, w, z, e->d[3]);
    for (size_t i = 0; i < n; i++)
        e->d[3][i * n + i] -= g / e->in[3][i * n + i];
}

/* ---- Drawing: v, m, L -------------------------------------------------------------- */

typedef struct draw_attr {
    ppl_rng rng;
    const double *eps;
    double *log_g;                          /* of each value's Gamma */
} draw_attr;

/* sqrt(v / (2 g)). */
static double stretch(double v, double log_g)
{
    return exp((log(v / 2) - log_g) / 2);
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const draw_attr *attr = e->attr;
    double *log_g = &attr->log_g[e->index];

    ppl_rng_gamma(&attr->rng, 1, e->index, e->in[0][0] / 2, log_g);
    memset(y, 0, n * sizeof *y);
    ppl__add_lower_times(n, e->in[2], attr->eps + e->index * n, y);
    for (size_t i = 0; i < n; i++)
        y[i] = e->in[1][i] + stretch(e->in[0][0], *log_g) * y[i];
}

static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0];
    const draw_attr *attr = e->attr;
    const double a = e->in[0][0] / 2, log_g = attr->log_g[e->index];
    double along = 0;

    for (size_t i = 0; i < n; i++) {
        if (e->d[1])
            e->d[1][i] += e->g[i];
        along += e->g[i] == 0 ? 0 : e->g[i] * (e->y[i] - e->in[1][i]);
    }
    if (e->d[0])
        e->d[0][0] += along / 4 * (1 / a - ppl_maths_gamma_slope(a, exp(log_g), log_g));
    if (e->d[2])
        ppl__add_lower_outer(n, stretch(2 * a, log_g), e->g, attr->eps + e->index * n,
                             e->d[2]);
}

/* ---- Entropy: v, L ----------------------------------------------------------------- */

static void entropy_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0];
    const double a = e->in[0][0] / 2, half = (double)n / 2;

    *y = ppl__log_diagonal(n, e->in[1]) - ppl__lgamma_step(a, half) +
         half * 2 * PPL__HALF_LOG_TWO_PI +
         (a + half) * (ppl__digamma_step(a, half) + half / a);
}

static void entropy_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0];
    const double a = e->in[0][0] / 2, half = (double)n / 2, g = e->g[0];

    if (e->d[0])
        e->d[0][0] += g / 2 * (half / a + (a + half) * (ppl_maths_trigamma_at(a + half) -
                                                        ppl_maths_trigamma_at(a)));
    for (size_t i = 0; e->d[1] && i < n; i++)
        e->d[1][i * n + i] += g / e->in[1][i * n + i];
}

/* ---- Rows -------------------------------------------------------------------------- */

static ppl_shape like_loc(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[1][0]);
}

static const ppl__event_formula log_prob_formula = {
    .inputs = 4, .axes = { 1, 0, 1, 2 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 3, .axes = { 0, 1, 2 }, .event = like_loc, .value = draw_value,
    .gradient = draw_gradient
};
static const ppl__event_formula entropy_formula = {
    .inputs = 2, .axes = { 0, 2 }, .value = entropy_value, .gradient = entropy_gradient
};
PPL__EVENT_OP(log_prob_op, "multivariate_student_t log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "multivariate_student_t sample", draw_formula)
PPL__EVENT_OP(entropy_op, "multivariate_student_t entropy", entropy_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 1, 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t count = ppl__dist_numel(d) / (size_t)ppl_dim(d->param[1], -1);
    const draw_attr attr = {
        *rng, ppl__noise(d, rng, ppl_rng_normals),
        ppl_alloc(d->ctx, count * sizeof(double))
    };
    return attr.eps && attr.log_g ? draw_op_apply(d->param, d, &attr, sizeof attr) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1], d->param[2] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *in[] = { d->param[0], d->param[2] };
    return entropy_op_apply(in, NULL, NULL, 0);
}

/* t where v > bound, `other` elsewhere; t has `own` axes more than v. */
static ppl_tensor *above(const ppl_dist *d, double bound, int own, ppl_tensor *t,
                         ppl_tensor *other)
{
    ppl_tensor *v = d->param[0];

    for (; own > 0; own--)
        v = ppl__one_more_axis(v);
    return ppl_where(ppl_less(ppl_scalar(d->ctx, bound), v), t, other);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return above(d, 1, 1, d->param[1], ppl_scalar(d->ctx, NAN));
}

static ppl_tensor *mode(const ppl_dist *d)
{
    return d->param[1];
}

/* t [..] v / (v - 2), as covariances are. */
static ppl_tensor *widened(const ppl_dist *d, ppl_tensor *t, int own)
{
    ppl_tensor *v = d->param[0], *beyond = ppl_scalar(d->ctx, INFINITY);

    for (int i = 0; i < own; i++)
        v = ppl__one_more_axis(v);
    beyond = above(d, 1, own, beyond, ppl_scalar(d->ctx, NAN));
    return above(d, 2, own, ppl_mul(t, ppl_div(v, ppl_affine(v, 1, -2))), beyond);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return widened(d, ppl__row_squares(d->param[2]), 1);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return widened(d, ppl__times_own_transpose(d->param[2]), 2);
}

ppl_dist *ppl_multivariate_student_t(ppl_tensor *df, ppl_tensor *loc,
                                     ppl_tensor *scale_tril)
{
    ppl_tensor *params[] = { df, loc, scale_tril };
    return ppl__matrix_of("multivariate_student_t", "loc", loc, "scale_tril", scale_tril)
               ? ppl_dist_make(&ppl_family_multivariate_student_t, params, NULL) : NULL;
}

const ppl_family ppl_family_multivariate_student_t = {
    .name = "multivariate_student_t",
    .params = 3,
    .param_name = { "df", "loc", "scale_tril" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_real,
                          &ppl_constraint_lower_cholesky },
    .param_event_dim = { 0, 1, 2 },
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
    .mode = mode,
};
