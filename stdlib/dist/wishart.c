/* SPDX-License-Identifier: MIT */
/*
 * wishart.c - Wishart(df v, scale V = L L^T) of positive definite matrices of n rows,
 * v > n - 1: what v normal vectors of covariance V make, summed as x x^T.
 *
 *   log p(X)   (v - n - 1)/2 log |X| - tr(V^-1 X)/2 - v n/2 log 2 - v/2 log |V|
 *              - log Gamma_n(v/2)
 *              by X ((v - n - 1) X^-1 - V^-1)/2,
 *              by L tril(L^-T M M^T) - v diag(1 / L_ii),  M = L^-1 chol X
 *   mean v V, mode (v - n - 1) V (v >= n + 1, else NaN), variance v (V_ij^2 + V_ii V_jj)
 *   entropy and KL: wishart.h
 *   draw       (L A)(L A)^T, A Bartlett's factor, differentiated implicitly in v
 *
 * Only the lower triangle of X is read; gradients are symmetric, as of functions of
 * symmetric matrices. log_prob is worked by pivots (wishart.h); -inf where X is not
 * positive definite.
 * Source: Gupta, Nagar, Matrix Variate Distributions, 2000, chapter 3.
 */
#include "multivariate_normal.h"
#include "wishart.h"

#include <kiln/matrix.h>

#include <string.h>

/* ---- log_prob: X, v, L ------------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    return 3 * e->dim[0][0] * e->dim[0][0];
}

/* 0 if X is not positive definite. */
static int standardise(const ppl__event *e, double *C, double *M)
{
    const size_t n = e->dim[0][0];

    if (ppl__cholesky(n, e->in[0], C) < n)
        return 0;
    memcpy(M, C, n * n * sizeof *M);
    ppl__solve_lower(n, n, e->in[2], M);
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
    *y = ppl__pivots_log_prob(n, e->in[1][0], M, (ptrdiff_t)n + 1, NULL) - below / 2 -
         (double)(n + 1) * ppl__log_diagonal(n, C);
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0], nn = n * n;
    const double v = e->in[1][0], g = e->g[0];
    double *C = e->work, *M = C + nn, *t = M + nn, slope;

    if (!standardise(e, C, M))
        return;
    ppl__pivots_log_prob(n, v, M, (ptrdiff_t)n + 1, &slope);
    if (e->d[1])
        e->d[1][0] += g * slope;
    if (e->d[2]) {
        memset(t, 0, nn * sizeof *t);
        ppl__add_product(1, 'N', 'T', n, n, n, M, M, t);
        ppl__solve_lower_transposed(n, n, e->in[2], t);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j <= i; j++)
                e->d[2][i * n + j] += g * t[i * n + j];
            e->d[2][i * n + i] -= g * v / e->in[2][i * n + i];
        }
    }
    if (e->d[0]) {
        ppl__invert_lower(n, C, t);
        ppl__add_product(g * (v - (double)n - 1) / 2, 'T', 'N', n, n, n, t, t, e->d[0]);
        ppl__invert_lower(n, e->in[2], t);
        ppl__add_product(-g / 2, 'T', 'N', n, n, n, t, t, e->d[0]);
    }
}

/* ---- Drawing: v, L ----------------------------------------------------------------- */

static ppl_shape like_scale(const ppl__event *e)
{
    return PPL_SHAPE((int64_t)e->dim[1][0], (int64_t)e->dim[1][0]);
}

static size_t draw_work(const ppl__event *e)
{
    return 4 * e->dim[1][0] * e->dim[1][0];
}

/* Y = L A. */
static void fill_draw(const ppl__event *e, double *A, double *L, double *Y)
{
    const size_t n = e->dim[1][0];

    ppl__bartlett_fill(e->attr, e->index, n, e->in[0][0], A);
    ppl__copy_lower(n, e->in[1], L);
    memset(Y, 0, n * n * sizeof *Y);
    ppl__add_product(1, 'N', 'N', n, n, n, L, A, Y);
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0], nn = n * n;
    double *A = e->work, *L = A + nn, *Y = L + nn;

    fill_draw(e, A, L, Y);
    memset(y, 0, nn * sizeof *y);
    ppl__add_product(1, 'N', 'T', n, n, n, Y, Y, y);
}

/* dY = (g + g^T) Y, dL = tril(dY A^T), dA = L^T dY. */
static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0], nn = n * n;
    double *A = e->work, *L = A + nn, *Y = L + nn, *dY = Y + nn;

    fill_draw(e, A, L, Y);
    memset(dY, 0, nn * sizeof *dY);
    ppl__add_product(1, 'N', 'N', n, n, n, e->g, Y, dY);
    ppl__add_product(1, 'T', 'N', n, n, n, e->g, Y, dY);
    for (size_t i = 0; i < n; i++) {
        double along = 0;                               /* dA_ii */
        for (size_t k = i; k < n; k++)
            along += L[k * n + i] * dY[k * n + i];
        if (e->d[0])
            e->d[0][0] += along * ppl__bartlett_slope(e->attr, e->index, n, e->in[0][0],
                                                      i);
        for (size_t j = 0; e->d[1] && j <= i; j++)
            e->d[1][i * n + j] += ppl__dot(n, dY + i * n, A + j * n);
    }
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
PPL__EVENT_OP(log_prob_op, "wishart log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "wishart sample", draw_formula)

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
    return ppl__wishart_entropy(d->param[0], d->param[1], 1);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_mul(ppl__beside_matrices(d->param[0]),
                   ppl__times_own_transpose(d->param[1]));
}

static ppl_tensor *mode(const ppl_dist *d)
{
    const double n = (double)ppl_dim(d->param[1], -1);
    ppl_tensor *v = ppl__beside_matrices(d->param[0]), *none = ppl_scalar(d->ctx, NAN);
    ppl_tensor *at = ppl_mul(ppl_affine(v, 1, -n - 1),
                             ppl__times_own_transpose(d->param[1]));
    return ppl_where(ppl_less(v, ppl_scalar(d->ctx, n + 1)), none, at);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *V = ppl__times_own_transpose(d->param[1]);
    ppl_tensor *on = ppl_matrix_extract(V, PPL_DIAGONAL);
    return ppl_mul(ppl__beside_matrices(d->param[0]),
                   ppl_add(ppl_mul(V, V), ppl_outer(on, on)));
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl__wishart_kl(q->param[0], q->param[1], p->param[0], p->param[1], 1);
}

ppl_dist *ppl_wishart_cholesky(ppl_tensor *df, ppl_tensor *scale_tril)
{
    ppl_tensor *params[] = { df, scale_tril };
    if (!df || !ppl__square("wishart", "scale_tril", scale_tril))
        return NULL;
    const ppl_family *family = ppl__wishart_family(
        &ppl_family_wishart, ppl_tensor_ctx(df), ppl_dim(scale_tril, -1));
    return family ? ppl_dist_make(family, params, NULL) : NULL;
}

ppl_dist *ppl_wishart(ppl_tensor *df, ppl_tensor *scale)
{
    return ppl_wishart_cholesky(df, ppl__scale_tril("wishart", "scale", scale, 0));
}

const ppl_family ppl_family_wishart = {
    .name = "wishart",
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
