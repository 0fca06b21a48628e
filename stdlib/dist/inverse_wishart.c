/* SPDX-License-Identifier: MIT */
/*
 * inverse_wishart.c - InverseWishart(df v, scale V = L L^T) of positive definite matrices
 * of n rows, v > n - 1: X whose inverse is Wishart(v, V^-1).
 *
 *   log p(X)   v/2 log |V| - (v + n + 1)/2 log |X| - tr(V X^-1)/2 - v n/2 log 2
 *              - log Gamma_n(v/2)
 *              by X C^-T (M M^T - (v + n + 1) I) C^-1 / 2, by L v diag(1 / L_ii)
 *              - tril(C^-T M),  C = chol X, M = C^-1 L
 *   mean V / (v - n - 1) (v > n + 1), mode V / (v + n + 1); for v > n + 3 the variance
 *   ((v - n + 1) V_ij^2 + (v - n - 1) V_ii V_jj) / ((v - n)(v - n - 1)^2 (v - n - 3))
 *   (inf where the integral diverges, NaN where the mean does)
 *   entropy and KL: wishart.h
 *   draw       (L A^-T)(L A^-T)^T, A Bartlett's factor, differentiated implicitly in v
 *
 * Only the lower triangle of X is read; gradients are symmetric. log_prob is worked by
 * pivots (wishart.h): M^T M = L^T X^-1 L is Wishart(v, I), and M its factor from the last
 * row up. -inf where X is not positive definite.
 * Source: Gupta, Nagar, Matrix Variate Distributions, 2000, section 3.4; the moments by
 * von Rosen, Moments for the Inverted Wishart Distribution, 1988.
 */
#include "multivariate_normal.h"
#include "wishart.h"

#include <kiln/matrix.h>

#include <string.h>

/* ---- log_prob: X, v, L ------------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    return 4 * e->dim[0][0] * e->dim[0][0];
}

/* 0 if X is not positive definite. */
static int standardise(const ppl__event *e, double *C, double *M)
{
    const size_t n = e->dim[0][0];

    if (ppl__cholesky(n, e->in[0], C) < n)
        return 0;
    for (size_t i = 0; i < n * n; i++)
        M[i] = i % n <= i / n ? e->in[2][i] : 0;
    ppl__solve_lower(n, n, C, M);
    return 1;
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    double *C = e->work, *M = C + n * n, below = 0;

    if (!standardise(e, C, M)) {
        *y = isnan(ppl__dot(n * n, e->in[0], e->in[0])) ? NAN : -INFINITY;
        return;
    }
    for (size_t i = 0; i < n; i++)
        below += ppl__dot(i, M + i * n, M + i * n);
    *y = ppl__pivots_log_prob(n, e->in[1][0], M + n * n - 1, -(ptrdiff_t)n - 1, NULL) -
         below / 2 - (double)(n + 1) * ppl__log_diagonal(n, C);
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0], nn = n * n;
    const double v = e->in[1][0], g = e->g[0];
    double *C = e->work, *M = C + nn, *t = M + nn, *inverse = t + nn, slope;

    if (!standardise(e, C, M))
        return;
    ppl__pivots_log_prob(n, v, M + nn - 1, -(ptrdiff_t)n - 1, &slope);
    if (e->d[1])
        e->d[1][0] += g * slope;
    if (e->d[0]) {
        memset(t, 0, nn * sizeof *t);
        ppl__add_product(0.5, 'N', 'T', n, n, n, M, M, t);
        for (size_t i = 0; i < n; i++)
            t[i * n + i] -= (v + (double)n + 1) / 2;
        ppl__solve_lower_transposed(n, n, C, t);
        ppl__invert_lower(n, C, inverse);
        ppl__add_product(g, 'N', 'N', n, n, n, t, inverse, e->d[0]);
    }
    if (!e->d[2])
        return;
    ppl__solve_lower_transposed(n, n, C, M);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            e->d[2][i * n + j] -= g * M[i * n + j];
        e->d[2][i * n + i] += g * v / e->in[2][i * n + i];
    }
}

/* ---- Drawing: v, L ----------------------------------------------------------------- */

static ppl_shape like_scale(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[1][0], (int64_t)e->dim[1][0]);
}

static size_t draw_work(const ppl__event *e)
{
    return 5 * e->dim[1][0] * e->dim[1][0];
}

/* T = A^-1, Y = L T^T. */
static void fill_draw(const ppl__event *e, double *L, double *T, double *Y)
{
    const size_t n = e->dim[1][0];

    ppl__bartlett_fill(e->attr, e->index, n, e->in[0][0], L);
    ppl__invert_lower(n, L, T);
    ppl__copy_lower(n, e->in[1], L);
    memset(Y, 0, n * n * sizeof *Y);
    ppl__add_product(1, 'N', 'T', n, n, n, L, T, Y);
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0], nn = n * n;
    double *L = e->work, *T = L + nn, *Y = T + nn;

    fill_draw(e, L, T, Y);
    memset(y, 0, nn * sizeof *y);
    ppl__add_product(1, 'N', 'T', n, n, n, Y, Y, y);
}

/* dY = (g + g^T) Y, dL = tril(dY T), dT = dY^T L, dA = -T^T dT T^T. */
static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0], nn = n * n;
    double *L = e->work, *T = L + nn, *Y = T + nn, *dY = Y + nn, *t = dY + nn;

    fill_draw(e, L, T, Y);
    memset(dY, 0, 2 * nn * sizeof *dY);
    ppl__add_product(1, 'N', 'N', n, n, n, e->g, Y, dY);
    ppl__add_product(1, 'T', 'N', n, n, n, e->g, Y, dY);
    for (size_t i = 0; e->d[1] && i < n; i++)
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j <= k && j <= i; j++)
                e->d[1][i * n + j] += dY[i * n + k] * T[k * n + j];
    if (!e->d[0])
        return;
    memset(Y, 0, nn * sizeof *Y);
    ppl__add_product(1, 'T', 'N', n, n, n, dY, L, Y);   /* dT */
    ppl__add_product(-1, 'T', 'N', n, n, n, T, Y, t);   /* -T^T dT */
    for (size_t i = 0; i < n; i++)
        e->d[0][0] += ppl__dot(n, t + i * n, T + i * n) *
                      ppl__bartlett_slope(e->attr, e->index, n, e->in[0][0], i);
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 2, 0, 2 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 0, 2 }, .event = like_scale, .work = draw_work,
    .value = draw_value, .gradient = draw_gradient
};
PPL__EVENT_OP(log_prob_op, "inverse_wishart log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "inverse_wishart sample", draw_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 1, 2);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const ppl__bartlett attr = ppl__bartlett_of(d, rng);
    return attr.eps ? draw_op_apply(d->param, d, &attr, sizeof attr) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl__wishart_entropy(d->param[0], d->param[1], -1);
}

/* t where v > n + `bound`, `other` elsewhere. */
static ppl_tensor *above(const ppl_dist *d, double bound, ppl_tensor *t, double other)
{
    const double n = (double)ppl_dim(d->param[1], -1);
    ppl_tensor *v = ppl__beside_matrices(d->param[0]);
    return ppl_where(ppl_less(ppl_scalar(d->ctx, n + bound), v), t,
                     ppl_scalar(d->ctx, other));
}

/* v - n + shift, beside matrices. */
static ppl_tensor *excess(const ppl_dist *d, double shift)
{
    const double n = (double)ppl_dim(d->param[1], -1);
    return ppl_affine(ppl__beside_matrices(d->param[0]), 1, shift - n);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    ppl_tensor *V = ppl__times_own_transpose(d->param[1]);
    return above(d, 1, ppl_div(V, excess(d, -1)), NAN);
}

static ppl_tensor *mode(const ppl_dist *d)
{
    const double n = (double)ppl_dim(d->param[1], -1);
    return ppl_div(ppl__times_own_transpose(d->param[1]),
                   ppl_affine(ppl__beside_matrices(d->param[0]), 1, n + 1));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *V = ppl__times_own_transpose(d->param[1]), *one = excess(d, -1);
    ppl_tensor *on = ppl_matrix_extract(V, PPL_DIAGONAL);
    ppl_tensor *top = ppl_add(ppl_mul(excess(d, 1), ppl_mul(V, V)),
                              ppl_mul(one, ppl_outer(on, on)));
    ppl_tensor *under = ppl_mul(ppl_mul(excess(d, 0), ppl_mul(one, one)), excess(d, -3));
    ppl_tensor *infinite = above(d, 1, ppl_scalar(d->ctx, INFINITY), NAN);
    ppl_tensor *v = ppl__beside_matrices(d->param[0]);
    const double n = (double)ppl_dim(d->param[1], -1);
    return ppl_where(ppl_less(ppl_scalar(d->ctx, n + 3), v), ppl_div(top, under),
                     infinite);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl__wishart_kl(q->param[0], q->param[1], p->param[0], p->param[1], -1);
}

ppl_dist *ppl_inverse_wishart_cholesky(ppl_tensor *df, ppl_tensor *scale_tril)
{
    ppl_tensor *params[] = { df, scale_tril };
    if (!df || !ppl__square("inverse_wishart", "scale_tril", scale_tril))
        return NULL;
    const ppl_family *family = ppl__wishart_family(
        &ppl_family_inverse_wishart, ppl_tensor_ctx(df), ppl_dim(scale_tril, -1));
    return family ? ppl_dist_make(family, params, NULL) : NULL;
}

ppl_dist *ppl_inverse_wishart(ppl_tensor *df, ppl_tensor *scale)
{
    return ppl_inverse_wishart_cholesky(
        df, ppl__scale_tril("inverse_wishart", "scale", scale, 0));
}

const ppl_family ppl_family_inverse_wishart = {
    .name = "inverse_wishart",
    .params = 2,
    .param_name = { "df", "scale_tril" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_lower_cholesky },
    .param_event_dim = { 0, 2 },
    .support = &ppl_constraint_positive_definite,
    .event_dim = 2,
    .flags = PPL_REPARAM,
    .event_shape = event_shape,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy,
    .mean = mean,
    .variance = variance,
    .mode = mode,
    .kl = kl,
};
