/* SPDX-License-Identifier: MIT */
/*
 * multivariate_normal.c - Normal(loc m, covariance S = L L^T) of vectors of n numbers.
 *
 *   log p(x)   -|z|^2 / 2 - sum_i log L_ii - n log(2 pi) / 2,  z = L^-1 (x - m)
 *              by x -w, by m w, by L tril(w z^T) - diag(1 / L_ii),  w = L^-T z
 *   mean and mode m, covariance L L^T, entropy n (1 + log(2 pi)) / 2 + sum_i log L_ii
 *   draw       m + L eps, eps standard normal
 *   KL(q||p)   sum_i (t_i^2 / 2 + t_i - log(1 + t_i)) + sum_(j<i) M_ij^2 / 2 + |z|^2 / 2,
 *              M = L_p^-1 L_q, 1 + t_i = M_ii, z = L_p^-1 (m_q - m_p)
 *              by m_q u = L_p^-T z, by L_q tril(L_p^-T (M - diag(1 / M_ii))),
 *              by L_p -tril(L_p^-T (M M^T + z z^T - I))
 *
 * The family's parameter is L, made once from a covariance or a precision (matrix.h);
 * what is above its diagonal is not read. In the KL every term is at least 0, so that
 * nothing cancels as q approaches p. Cost: n^2 for each value, also where a batch shares
 * L; n^3 for a KL and for a factor.
 * Source: Kotz, Balakrishnan, Johnson, Continuous Multivariate Distributions 1, 2000,
 * chapter 45.
 */
#include "multivariate_normal.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <string.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- log_prob: x, m, L ------------------------------------------------------------- */


static void standardise(const ppl__event *e, double *z)
{
    const size_t n = e->dim[0][0];

    for (size_t i = 0; i < n; i++)
        z[i] = e->in[0][i] - e->in[1][i];
    ppl__solve_lower(n, 1, e->in[2], z);
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    double *z = e->work, *log_diagonal = z + n;

    if (e->fresh & 4)
        *log_diagonal = ppl__log_diagonal(n, e->in[2]);
    standardise(e, z);
    *y = -ppl__dot(n, z, z) / 2 - *log_diagonal - (double)n * HALF_LOG_TWO_PI;
}

static void log_prob_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    double *z = e->work, *w = z + n, g = e->g[0];

    standardise(e, z);
    memcpy(w, z, n * sizeof *w);
    ppl__solve_lower_transposed(n, 1, e->in[2], w);
    for (size_t i = 0; i < n; i++) {
        if (e->d[0])
            e->d[0][i] -= g * w[i];
        if (e->d[1])
            e->d[1][i] += g * w[i];
    }
    if (!e->d[2])
        return;
    ppl__add_lower_outer(n, g, w, z, e->d[2]);
    for (size_t i = 0; i < n; i++)
        e->d[2][i * n + i] -= g / e->in[2][i * n + i];
}

static size_t two_vectors(const ppl__event *e)
{
    return 2 * e->dim[0][0];
}

/* ---- Drawing: m, L ----------------------------------------------------------------- */

static const double *noise_of(const ppl__event *e)
{
    return *(const double *const *)e->attr + e->index * e->dim[0][0];
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];

    memcpy(y, e->in[0], n * sizeof *y);
    ppl__add_lower_times(n, e->in[1], noise_of(e), y);
}

static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];

    for (size_t i = 0; e->d[0] && i < n; i++)
        e->d[0][i] += e->g[i];
    if (e->d[1])
        ppl__add_lower_outer(n, 1, e->g, noise_of(e), e->d[1]);
}

/* ---- KL: m_q, L_q, m_p, L_p -------------------------------------------------------- */

/* M, z, and room for one more matrix. */
static size_t kl_work(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    return 2 * n * n + n;
}

/* t_i = M_ii - 1. */
static double excess_at(const ppl__event *e, size_t i)
{
    const size_t at = i * e->dim[0][0] + i;
    return (e->in[1][at] - e->in[3][at]) / e->in[3][at];
}

static void compare(const ppl__event *e, double *M, double *z)
{
    const size_t n = e->dim[0][0];

    ppl__copy_lower(n, e->in[1], M);
    for (size_t i = 0; i < n; i++)
        z[i] = e->in[0][i] - e->in[2][i];
    ppl__solve_lower(n, n, e->in[3], M);
    ppl__solve_lower(n, 1, e->in[3], z);
}

static void kl_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[0][0];
    double *M = e->work, *z = M + 2 * n * n, sum = 0;

    compare(e, M, z);
    for (size_t i = 0; i < n; i++) {
        const double t = excess_at(e, i), log_ratio = log(M[i * n + i]);
        sum += z[i] * z[i] / 2 + t * t / 2 + ppl__excess_f64(t, log_ratio) +
               ppl__dot(i, M + i * n, M + i * n) / 2;
    }
    *y = sum;
}

/* d += scale times the lower triangle of L_p^-T K; K is used up. */
static void add_solved(const ppl__event *e, double scale, double *K, double *d)
{
    const size_t n = e->dim[0][0];

    ppl__solve_lower_transposed(n, n, e->in[3], K);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            d[i * n + j] += scale * K[i * n + j];
}

static void kl_gradient(const ppl__event *e)
{
    const size_t n = e->dim[0][0];
    double *M = e->work, *K = M + n * n, *z = K + n * n, g = e->g[0];

    compare(e, M, z);
    if (e->d[3]) {
        memset(K, 0, n * n * sizeof *K);
        ppl__add_product(1, 'N', 'T', n, n, n, M, M, K);
        ppl__add_product(1, 'N', 'T', n, n, 1, z, z, K);
        for (size_t i = 0; i < n; i++) {
            const double t = excess_at(e, i);
            K[i * n + i] = t * (2 + t) + ppl__dot(i, M + i * n, M + i * n) + z[i] * z[i];
        }
        add_solved(e, -g, K, e->d[3]);
    }
    if (e->d[1]) {
        memcpy(K, M, n * n * sizeof *K);
        for (size_t i = 0; i < n; i++) {
            const double t = excess_at(e, i);
            K[i * n + i] = t * (2 + t) / (1 + t);
        }
        add_solved(e, g, K, e->d[1]);
    }
    ppl__solve_lower_transposed(n, 1, e->in[3], z);
    for (size_t i = 0; i < n; i++) {
        if (e->d[0])
            e->d[0][i] += g * z[i];
        if (e->d[2])
            e->d[2][i] -= g * z[i];
    }
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 3, .axes = { 1, 1, 2 }, .work = two_vectors, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 2, .axes = { 1, 2 }, .event = ppl__event_like_first, .value = draw_value,
    .gradient = draw_gradient
};
static const ppl__event_formula kl_formula = {
    .inputs = 4, .axes = { 1, 2, 1, 2 }, .work = kl_work, .value = kl_value,
    .gradient = kl_gradient
};
PPL__EVENT_OP(log_prob_op, "multivariate_normal log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "multivariate_normal sample", draw_formula)
PPL__EVENT_OP(kl_op, "multivariate_normal kl", kl_formula)

ppl_tensor *ppl__normal_draw(const ppl_dist *d, const ppl_rng *rng, ppl_tensor *loc,
                             ppl_tensor *scale_tril)
{
    const double *eps = ppl__noise(d, rng, ppl_rng_normals);
    ppl_tensor *in[] = { loc, scale_tril };
    return eps ? draw_op_apply(in, d, &eps, sizeof eps) : NULL;
}

ppl_tensor *ppl__normal_log_prob(const ppl_dist *d, ppl_tensor *x, ppl_tensor *loc,
                                 ppl_tensor *scale_tril)
{
    ppl_tensor *in[] = { x, loc, scale_tril };
    return log_prob_op_apply(in, d, NULL, 0);
}

ppl_tensor *ppl__normal_entropy(ppl_tensor *scale_tril)
{
    return ppl_affine(ppl_triangular_log_det(scale_tril), 1,
                      (double)ppl_dim(scale_tril, -1) * (0.5 + HALF_LOG_TWO_PI));
}

ppl_tensor *ppl__normal_kl(ppl_tensor *loc_q, ppl_tensor *scale_tril_q, ppl_tensor *loc_p,
                           ppl_tensor *scale_tril_p)
{
    ppl_tensor *in[] = { loc_q, scale_tril_q, loc_p, scale_tril_p };
    return kl_op_apply(in, NULL, NULL, 0);
}

ppl_tensor *ppl__row_squares(ppl_tensor *scale_tril)
{
    ppl_tensor *l = ppl_matrix_keep(scale_tril, PPL_LOWER);
    return ppl_sum(ppl_mul(l, l), -1);
}

ppl_tensor *ppl__times_own_transpose(ppl_tensor *scale_tril)
{
    ppl_tensor *l = ppl_matrix_keep(scale_tril, PPL_LOWER);
    return ppl_matmul(l, ppl_transpose(l, -1, -2));
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return ppl__normal_draw(d, rng, d->param[0], d->param[1]);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl__normal_log_prob(d, x, d->param[0], d->param[1]);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    return ppl__normal_entropy(d->param[1]);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl__row_squares(d->param[1]);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    return ppl__times_own_transpose(d->param[1]);
}

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl__normal_kl(q->param[0], q->param[1], p->param[0], p->param[1]);
}

ppl_dist *ppl_multivariate_normal_cholesky(ppl_tensor *loc, ppl_tensor *scale_tril)
{
    ppl_tensor *params[] = { loc, scale_tril };
    return ppl__matrix_of("multivariate_normal", "loc", loc, "scale_tril", scale_tril)
               ? ppl_dist_make(&ppl_family_multivariate_normal, params, NULL) : NULL;
}

ppl_dist *ppl_multivariate_normal(ppl_tensor *loc, ppl_tensor *covariance_matrix)
{
    return ppl_multivariate_normal_cholesky(
        loc, ppl__matrix_of("multivariate_normal", "loc", loc, "covariance",
                            covariance_matrix)
                 ? ppl__scale_tril("multivariate_normal", "covariance", covariance_matrix,
                                   0) : NULL);
}

ppl_dist *ppl_multivariate_normal_precision(ppl_tensor *loc, ppl_tensor *precision)
{
    return ppl_multivariate_normal_cholesky(
        loc, ppl__matrix_of("multivariate_normal", "loc", loc, "precision", precision)
                 ? ppl__scale_tril("multivariate_normal", "precision", precision, 1)
                 : NULL);
}

const ppl_family ppl_family_multivariate_normal = {
    .name = "multivariate_normal",
    .params = 2,
    .param_name = { "loc", "scale_tril" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_lower_cholesky },
    .param_event_dim = { 1, 2 },
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
