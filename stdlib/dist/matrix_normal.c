/* SPDX-License-Identifier: MIT */
/*
 * matrix_normal.c - MatrixNormal(loc M, scale_tril_row A, scale_tril_column B) of
 * matrices of n rows and p columns: M + A E B^T, E standard normal. The columns, stacked,
 * have the covariance (B B^T) x (A A^T) (Kronecker's product).
 *
 *   log p(X)   -|Z|^2 / 2 - p sum log A_ii - n sum log B_jj - n p log(2 pi) / 2,
 *              Z = A^-1 (X - M) B^-T
 *              by X -W, by M W, W = A^-T Z B^-1,
 *              by A tril(A^-T Z Z^T) - p diag(1 / A_ii),
 *              by B tril(B^-T Z^T Z) - n diag(1 / B_jj)
 *   mean and mode M, variance the outer product of the rows' and the columns'
 *   entropy    n p (1 + log(2 pi)) / 2 + p sum log A_ii + n sum log B_jj
 *   KL(q||p)   p K(A) + n K(B) + ab/2 + |A_p^-1 (M_q - M_p) B_p^-T|^2 / 2, K the KL of
 *              normals of these factors, a = |A_p^-1 A_q|^2 - n, b likewise
 *
 * Source: Gupta, Nagar, Matrix Variate Distributions, 2000, chapter 2.
 */
#include "multivariate_normal.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <string.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- log_prob: X, M, A, B ---------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1], most = n > p ? n : p;
    return 3 * n * p + most * most;
}

static void transpose(size_t rows, size_t columns, const double *x, double *y)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            y[j * rows + i] = x[i * columns + j];
}

/* Z^T [p,n], by way of Z [n,p]. */
static void standardise(const ppl__event *e, double *Z, double *turned)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];

    for (size_t i = 0; i < n * p; i++)
        Z[i] = e->in[0][i] - e->in[1][i];
    ppl__solve_lower(n, p, e->in[2], Z);
    transpose(n, p, Z, turned);
    ppl__solve_lower(p, n, e->in[3], turned);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];
    double *Z = e->work, *turned = Z + n * p;

    standardise(e, Z, turned);
    *y = -ppl__dot(n * p, turned, turned) / 2 -
         (double)p * ppl__log_diagonal(n, e->in[2]) -
         (double)n * ppl__log_diagonal(p, e->in[3]) - (double)(n * p) * HALF_LOG_TWO_PI;
}

/* d += g (tril(L^-T x x^T) - other diag(1 / L_ii)), x [n,m]; product is room. */
static void factor_gradient(size_t n, size_t m, double g, const double *l, double other,
                            const double *x, double *product, double *d)
{
    memset(product, 0, n * n * sizeof *product);
    ppl__add_product(1, 'N', 'T', n, n, m, x, x, product);
    ppl__solve_lower_transposed(n, n, l, product);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            d[i * n + j] += g * product[i * n + j];
        d[i * n + i] -= g * other / l[i * n + i];
    }
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];
    const double g = e->g[0];
    double *Z = e->work, *turned = Z + n * p, *W = turned + n * p, *product = W + n * p;

    standardise(e, W, turned);
    transpose(p, n, turned, Z);
    if (e->d[2])
        factor_gradient(n, p, g, e->in[2], (double)p, Z, product, e->d[2]);
    if (e->d[3])
        factor_gradient(p, n, g, e->in[3], (double)n, turned, product, e->d[3]);
    ppl__solve_lower_transposed(p, n, e->in[3], turned);
    transpose(p, n, turned, W);
    ppl__solve_lower_transposed(n, p, e->in[2], W);
    for (size_t i = 0; i < n * p; i++) {
        if (e->d[0])
            e->d[0][i] -= g * W[i];
        if (e->d[1])
            e->d[1][i] += g * W[i];
    }
}

/* ---- Drawing: M, A, B -------------------------------------------------------------- */

static const double *noise_of(const ppl__event *e)
{
    return *(const double *const *)e->attr + e->index * e->dim[0][0] * e->dim[0][1];
}

static size_t draw_work(const ppl__event *e)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];
    return n * n + p * p + n * p;
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];
    double *A = e->work, *B = A + n * n, *AE = B + p * p;

    ppl__copy_lower(n, e->in[1], A);
    ppl__copy_lower(p, e->in[2], B);
    memset(AE, 0, n * p * sizeof *AE);
    ppl__add_product(1, 'N', 'N', n, p, n, A, noise_of(e), AE);
    memcpy(y, e->in[0], n * p * sizeof *y);
    ppl__add_product(1, 'N', 'T', n, p, p, AE, B, y);
}

/* By A tril(g B E^T), by B tril(g^T A E). */
static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0], p = e->dim[0][1];
    double *A = e->work, *B = A + n * n, *t = B + p * p;
    const double *eps = noise_of(e);

    ppl__copy_lower(n, e->in[1], A);
    ppl__copy_lower(p, e->in[2], B);
    for (size_t i = 0; e->d[0] && i < n * p; i++)
        e->d[0][i] += e->g[i];
    memset(t, 0, n * p * sizeof *t);
    ppl__add_product(1, 'N', 'N', n, p, p, e->g, B, t);
    for (size_t i = 0; e->d[1] && i < n; i++)
        for (size_t j = 0; j <= i; j++)
            e->d[1][i * n + j] += ppl__dot(p, t + i * p, eps + j * p);
    memset(t, 0, n * p * sizeof *t);
    ppl__add_product(1, 'N', 'N', n, p, n, A, eps, t);
    for (size_t k = 0; e->d[2] && k < n; k++)
        ppl__add_lower_outer(p, 1, e->g + k * p, t + k * p, e->d[2]);
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 4, .axes = { 2, 2, 2, 2 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 3, .axes = { 2, 2, 2 }, .event = ppl__event_like_first, .work = draw_work,
    .value = draw_value, .gradient = draw_gradient
};
PPL__EVENT_OP(log_prob_op, "matrix_normal log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "matrix_normal sample", draw_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 2);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const double *eps = ppl__noise(d, rng, ppl_rng_normals);
    return eps ? draw_op_apply(d->param, d, &eps, sizeof eps) : NULL;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1], d->param[2] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    const double n = (double)ppl_dim(d->param[0], -2);
    const double p = (double)ppl_dim(d->param[0], -1);
    return ppl_add(ppl_affine(ppl_triangular_log_det(d->param[1]), p,
                              n * p * (0.5 + HALF_LOG_TWO_PI)),
                   ppl_affine(ppl_triangular_log_det(d->param[2]), n, 0));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_outer(ppl__row_squares(d->param[1]), ppl__row_squares(d->param[2]));
}

/* |L_p^-1 L_q|^2 - n. */
static ppl_tensor *excess(ppl_tensor *q, ppl_tensor *p)
{
    ppl_tensor *ratio = ppl_triangular_solve(p, ppl_matrix_keep(q, PPL_LOWER), 0);
    return ppl_affine(ppl_sum_last(ppl_mul(ratio, ratio), 2), 1,
                      -(double)ppl_dim(q, -1));
}

static ppl_tensor *factor_kl(ppl_tensor *q, ppl_tensor *p)
{
    ppl_tensor *zero = ppl_full(ppl_tensor_ctx(q), PPL_SHAPE(ppl_dim(q, -1)), 0);
    return ppl__normal_kl(zero, q, zero, p);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *const *s = q->param, *const *t = p->param;
    const double rows = (double)ppl_dim(s[0], -2), columns = (double)ppl_dim(s[0], -1);
    ppl_tensor *z = ppl_triangular_solve(t[1], ppl_sub(s[0], t[0]), 0);
    z = ppl_triangular_solve(t[2], ppl_transpose(z, -1, -2), 0);
    ppl_tensor *product = ppl_mul(excess(s[1], t[1]), excess(s[2], t[2]));
    ppl_tensor *half = ppl_affine(ppl_add(product, ppl_sum_last(ppl_mul(z, z), 2)), 0.5,
                                  0);
    return ppl_add(half, ppl_add(ppl_affine(factor_kl(s[1], t[1]), columns, 0),
                                 ppl_affine(factor_kl(s[2], t[2]), rows, 0)));
}

ppl_dist *ppl_matrix_normal(ppl_tensor *loc, ppl_tensor *scale_tril_row,
                            ppl_tensor *scale_tril_column)
{
    ppl_tensor *params[] = { loc, scale_tril_row, scale_tril_column };
    if (!loc || !ppl__square("matrix_normal", "scale_tril_row", scale_tril_row) ||
        !ppl__square("matrix_normal", "scale_tril_column", scale_tril_column))
        return NULL;
    if (ppl_rank(loc) >= 2 && ppl_dim(loc, -2) == ppl_dim(scale_tril_row, -1) &&
        ppl_dim(loc, -1) == ppl_dim(scale_tril_column, -1))
        return ppl_dist_make(&ppl_family_matrix_normal, params, NULL);
    ppl_fail(ppl_tensor_ctx(loc), PPL_ESHAPE, "matrix_normal: loc has shape %s, "
             "scale_tril_row %s and scale_tril_column %s; they must be [..,n,p], "
             "[..,n,n] and [..,p,p]", SHAPE_OF(loc), SHAPE_OF(scale_tril_row),
             SHAPE_OF(scale_tril_column));
    return NULL;
}

const ppl_family ppl_family_matrix_normal = {
    .name = "matrix_normal",
    .params = 3,
    .param_name = { "loc", "scale_tril_row", "scale_tril_column" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_lower_cholesky,
                          &ppl_constraint_lower_cholesky },
    .param_event_dim = { 2, 2, 2 },
    .support = &ppl_constraint_real,
    .event_dim = 2,
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
