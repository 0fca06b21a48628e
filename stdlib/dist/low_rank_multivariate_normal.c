/* SPDX-License-Identifier: MIT */
/*
 * low_rank_multivariate_normal.c - Normal(loc m, covariance S = W W^T + diag(D)) of
 * vectors of n numbers, W (cov_factor) [n,r], D (cov_diag) [n] > 0.
 *
 *   log p(x)   -maha / 2 - (log det S + n log(2 pi)) / 2,  d = x - m,
 *              maha = min over u of |D^-1/2 (d - W u)|^2 + |u|^2
 *              by x -y, by m y, y = S^-1 d, by W y u^T - S^-1 W,
 *              by D (y^2 - diag S^-1) / 2
 *   mean and mode m, entropy (n (1 + log(2 pi)) + log det S) / 2
 *   draw       m + W e_r + D^1/2 e_n, e standard normal
 *   KL(q||p)   (log det S_p - log det S_q + tr S_p^-1 S_q - n + maha_p(m_q)) / 2
 *              by m_q y_p, by W_q (S_p^-1 - S_q^-1) W_q, by W_p A W_p, A = S_p^-1
 *              - S_p^-1 (S_q + d d^T) S_p^-1; by D half the diagonals of these
 *
 * Woodbury's identity by least squares: [D^-1/2 W; I] = Q R, Q = [Q1; Q2] orthonormal, so
 * that nothing is subtracted that nearly cancels and conditions are not squared:
 *
 *   log det S = sum log D + 2 sum log R_ii,  S^-1 = D^-1/2 (I - Q1 Q1^T) D^-1/2,
 *   S^-1 W = D^-1/2 Q1 Q2^T
 *
 * Cost: n r for each value, also where a batch shares W and D; n r^2 for a factor. A KL
 * with a normal (event_dim 1) on either side counts it as of rank 0; with a full
 * multivariate normal on either side it makes the full covariance of this, at n^3.
 * Source: Kotz, Balakrishnan, Johnson, Continuous Multivariate Distributions 1, 2000,
 * chapter 45; Hager, Updating the Inverse of a Matrix, 1989.
 */
#include "multivariate_normal.h"

#include "../shape_text.h"

#include <kiln/matrix.h>

#include <string.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- A factored covariance --------------------------------------------------------- */

typedef struct factored {
    size_t n, r;
    double *Q;                              /* [r, n + r]: Q^T */
    double *scale;                          /* D^-1/2 */
    double *log_det;                        /* of S */
    double *c;                              /* room: r */
    double *normals, *R;                    /* room: [r, n + r], [r,r] */
} factored;

static size_t factored_size(size_t n, size_t r)
{
    return 2 * r * (n + r) + r * r + n + r + 1;
}

static factored lay_out(size_t n, size_t r, double *work)
{
    factored f = { .n = n, .r = r, .Q = work };
    f.normals = f.Q + r * (n + r);
    f.R = f.normals + r * (n + r);
    f.scale = f.R + r * r;
    f.c = f.scale + n;
    f.log_det = f.c + r;
    return f;
}

static void factor(const factored *f, const double *W, const double *D)
{
    const size_t n = f->n, r = f->r, q = n + r;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        f->scale[i] = 1 / sqrt(D[i]);
        sum += log(D[i]);
    }
    memset(f->normals, 0, r * q * sizeof *f->normals);
    for (size_t k = 0; k < r; k++) {
        for (size_t i = 0; i < n; i++)
            f->normals[k * q + i] = f->scale[i] * W[i * r + k];
        f->normals[k * q + n + k] = 1;
    }
    ppl__triangularise(r, q, f->normals, f->R);
    ppl__orthonormal_rows(r, q, f->normals, f->Q);
    *f->log_det = sum + 2 * ppl__log_diagonal(r, f->R);
}

/* y = S^-1 d, u = W^T y (or NULL); returns maha. y may be d. */
static double solve(const factored *f, const double *d, double *y, double *u)
{
    const size_t n = f->n, r = f->r, q = n + r;
    double maha = 0;

    for (size_t i = 0; i < n; i++)
        y[i] = f->scale[i] * d[i];
    for (size_t k = 0; k < r; k++)
        f->c[k] = ppl__dot(n, f->Q + k * q, y);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < r; k++)
            y[i] -= f->Q[k * q + i] * f->c[k];
    maha = ppl__dot(n, y, y);
    for (size_t i = 0; i < n; i++)
        y[i] *= f->scale[i];
    for (size_t j = 0; j < r; j++) {
        double least = 0;
        for (size_t k = 0; k < r; k++)
            least += f->Q[k * q + n + j] * f->c[k];
        maha += least * least;
        if (u)
            u[j] = least;
    }
    return maha;
}

/* d += weight S^-1 W. */
static void add_solved_factor(const factored *f, double weight, double *d)
{
    const size_t n = f->n, r = f->r, q = n + r;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < r; k++) {
            const double w = weight * f->scale[i] * f->Q[k * q + i];
            for (size_t j = 0; j < r; j++)
                d[i * r + j] += w * f->Q[k * q + n + j];
        }
}

/* (S^-1)_ii. */
static double precision_at(const factored *f, size_t i)
{
    double left = 1;

    for (size_t k = 0; k < f->r; k++)
        left -= f->Q[k * (f->n + f->r) + i] * f->Q[k * (f->n + f->r) + i];
    return left * f->scale[i] * f->scale[i];
}

/* ---- log_prob: x, m, W, D ---------------------------------------------------------- */

static size_t log_prob_work(const ppl__event *e)
{
    const size_t n = e->dim[2][0], r = e->dim[2][1];
    return factored_size(n, r) + n + r;
}

static factored factored_of(const ppl__event *e, int i)
{
    const factored f = lay_out(e->dim[i][0], e->dim[i][1], e->work);

    if (e->fresh & (3u << i))
        factor(&f, e->in[i], e->in[i + 1]);
    return f;
}

static void log_prob_value(const ppl__event *e, double *y)
{
    const factored f = factored_of(e, 2);
    double *d = e->work + factored_size(f.n, f.r);

    for (size_t i = 0; i < f.n; i++)
        d[i] = e->in[0][i] - e->in[1][i];
    *y = -(solve(&f, d, d, NULL) + *f.log_det) / 2 - (double)f.n * HALF_LOG_TWO_PI;
}

static void log_prob_gradient(const ppl__event *e)
{
    const factored f = factored_of(e, 2);
    const double g = e->g[0];
    double *y = e->work + factored_size(f.n, f.r), *u = y + f.n;

    for (size_t i = 0; i < f.n; i++)
        y[i] = e->in[0][i] - e->in[1][i];
    solve(&f, y, y, u);
    for (size_t i = 0; i < f.n; i++) {
        if (e->d[0])
            e->d[0][i] -= g * y[i];
        if (e->d[1])
            e->d[1][i] += g * y[i];
        if (e->d[3])
            e->d[3][i] += g / 2 * (y[i] * y[i] - precision_at(&f, i));
    }
    if (!e->d[2])
        return;
    ppl__add_product(g, 'N', 'N', f.n, f.r, 1, y, u, e->d[2]);
    add_solved_factor(&f, -g, e->d[2]);
}

/* ---- Drawing: m, W, D -------------------------------------------------------------- */

/* e_n, then e_r, of each value. */
static const double *noise_of(const ppl__event *e)
{
    return *(const double *const *)e->attr + e->index * (e->dim[1][0] + e->dim[1][1]);
}

static void draw_value(const ppl__event *e, double *y)
{
    const size_t n = e->dim[1][0], r = e->dim[1][1];
    const double *eps = noise_of(e);

    for (size_t i = 0; i < n; i++)
        y[i] = e->in[0][i] + ppl__dot(r, e->in[1] + i * r, eps + n) +
               sqrt(e->in[2][i]) * eps[i];
}

static void draw_gradient(const ppl__event *e)
{
    const size_t n = e->dim[1][0], r = e->dim[1][1];
    const double *eps = noise_of(e);

    for (size_t i = 0; i < n; i++) {
        if (e->d[0])
            e->d[0][i] += e->g[i];
        if (e->d[2] && (e->g[i] < 0 || e->g[i] > 0))
            e->d[2][i] += e->g[i] * eps[i] / (2 * sqrt(e->in[2][i]));
    }
    if (e->d[1])
        ppl__add_product(1, 'N', 'N', n, r, 1, e->g, eps + n, e->d[1]);
}

/* ---- log det S: W, D --------------------------------------------------------------- */

static size_t log_det_work(const ppl__event *e)
{
    return factored_size(e->dim[0][0], e->dim[0][1]);
}

static void log_det_value(const ppl__event *e, double *y)
{
    *y = *factored_of(e, 0).log_det;
}

static void log_det_gradient(const ppl__event *e)
{
    const factored f = factored_of(e, 0);

    if (e->d[0])
        add_solved_factor(&f, 2 * e->g[0], e->d[0]);
    for (size_t i = 0; e->d[1] && i < f.n; i++)
        e->d[1][i] += e->g[0] * precision_at(&f, i);
}

/* ---- tr S_p^-1 S_q + maha_p(m_q): m_q, W_q, D_q, m_p, W_p, D_p --------------------- */

/* Behind the factor of p: y [n], Y = S_p^-1 W_q [n,r_q], Z = S_p^-1 W_p [n,r_p], a column
 * and its solution, G = Q1^T diag(D_q / D_p) Q1 [r_p,r_p]. */
typedef struct distance {
    factored p;
    size_t r;                               /* r_q */
    double *y, *Y, *Z, *column, *u, *G;
} distance;

static size_t distance_work(const ppl__event *e)
{
    const size_t n = e->dim[1][0], r = e->dim[1][1], s = e->dim[4][1];
    return factored_size(n, s) + 2 * n + n * r + n * s + s + s * s;
}

static distance distance_of(const ppl__event *e)
{
    const size_t n = e->dim[1][0], r = e->dim[1][1], s = e->dim[4][1];
    distance w = { .p = factored_of(e, 4), .r = r };

    w.y = e->work + factored_size(n, s);
    w.Y = w.y + n;
    w.Z = w.Y + n * r;
    w.column = w.Z + n * s;
    w.u = w.column + n;
    w.G = w.u + s;
    return w;
}

/* Fills Y; returns tr W_q^T S_p^-1 W_q. */
static double solve_columns(const distance *w, const double *W, size_t r, double *Y)
{
    const size_t n = w->p.n;
    double sum = 0;

    for (size_t j = 0; j < r; j++) {
        for (size_t i = 0; i < n; i++)
            w->column[i] = W[i * r + j];
        sum += solve(&w->p, w->column, w->column, NULL);
        for (size_t i = 0; i < n; i++)
            Y[i * r + j] = w->column[i];
    }
    return sum;
}

static void distance_value(const ppl__event *e, double *out)
{
    const distance w = distance_of(e);
    const size_t n = w.p.n;
    double sum = solve_columns(&w, e->in[1], w.r, w.Y);

    for (size_t i = 0; i < n; i++) {
        sum += e->in[2][i] * precision_at(&w.p, i);
        w.y[i] = e->in[0][i] - e->in[3][i];
    }
    *out = sum + solve(&w.p, w.y, w.y, NULL);
}

/* diag of S_p^-1 diag(D_q) S_p^-1, at i. */
static double sandwich_at(const ppl__event *e, const distance *w, size_t i)
{
    const factored *f = &w->p;
    const size_t q = f->n + f->r;
    const double scale = f->scale[i] * f->scale[i], own = e->in[2][i] * scale;
    double across = 0, around = 0;

    for (size_t k = 0; k < f->r; k++) {
        const double x = f->Q[k * q + i];
        across += x * x;
        for (size_t l = 0; l < f->r; l++)
            around += x * w->G[k * f->r + l] * f->Q[l * q + i];
    }
    return scale * (own * (1 - 2 * across) + around);
}

static void fill_G(const ppl__event *e, const distance *w)
{
    const factored *f = &w->p;
    const size_t q = f->n + f->r;

    memset(w->G, 0, f->r * f->r * sizeof *w->G);
    for (size_t i = 0; i < f->n; i++)
        for (size_t k = 0; k < f->r; k++)
            for (size_t l = 0; l < f->r; l++)
                w->G[k * f->r + l] += e->in[2][i] * f->scale[i] * f->scale[i] *
                                      f->Q[k * q + i] * f->Q[l * q + i];
}

/* d[4] -= 2 g S_p^-1 (S_q + d d^T) S_p^-1 W_p, column by column. */
static void factor_back(const ppl__event *e, const distance *w)
{
    const size_t n = w->p.n, r = w->r, s = w->p.r;

    for (size_t j = 0; j < s; j++) {
        for (size_t i = 0; i < n; i++)
            w->column[i] = e->in[2][i] * w->Z[i * s + j];
        for (size_t k = 0; k < r; k++) {
            double share = 0;
            for (size_t i = 0; i < n; i++)
                share += e->in[1][i * r + k] * w->Z[i * s + j];
            for (size_t i = 0; i < n; i++)
                w->column[i] += e->in[1][i * r + k] * share;
        }
        solve(&w->p, w->column, w->column, NULL);
        for (size_t i = 0; i < n; i++)
            e->d[4][i * s + j] -= 2 * e->g[0] * (w->column[i] + w->y[i] * w->u[j]);
    }
}

static void distance_gradient(const ppl__event *e)
{
    const distance w = distance_of(e);
    const size_t n = w.p.n, r = w.r, s = w.p.r;
    const double g = e->g[0];

    for (size_t i = 0; i < n; i++)
        w.y[i] = e->in[0][i] - e->in[3][i];
    solve(&w.p, w.y, w.y, w.u);
    solve_columns(&w, e->in[1], r, w.Y);
    fill_G(e, &w);
    memset(w.Z, 0, n * s * sizeof *w.Z);
    add_solved_factor(&w.p, 1, w.Z);
    for (size_t i = 0; i < n; i++) {
        const double *row = w.Y + i * r;
        if (e->d[0])
            e->d[0][i] += 2 * g * w.y[i];
        if (e->d[3])
            e->d[3][i] -= 2 * g * w.y[i];
        for (size_t k = 0; e->d[1] && k < r; k++)
            e->d[1][i * r + k] += 2 * g * row[k];
        if (e->d[2])
            e->d[2][i] += g * precision_at(&w.p, i);
        if (e->d[5])
            e->d[5][i] -= g * (sandwich_at(e, &w, i) + ppl__dot(r, row, row) +
                               w.y[i] * w.y[i]);
    }
    if (e->d[4])
        factor_back(e, &w);
}

/* ---- Rows -------------------------------------------------------------------------- */

static const ppl__event_formula log_prob_formula = {
    .inputs = 4, .axes = { 1, 1, 2, 1 }, .work = log_prob_work, .value = log_prob_value,
    .gradient = log_prob_gradient
};
static const ppl__event_formula draw_formula = {
    .inputs = 3, .axes = { 1, 2, 1 }, .event = ppl__event_like_first, .value = draw_value,
    .gradient = draw_gradient
};
static const ppl__event_formula log_det_formula = {
    .inputs = 2, .axes = { 2, 1 }, .work = log_det_work, .value = log_det_value,
    .gradient = log_det_gradient
};
static const ppl__event_formula distance_formula = {
    .inputs = 6, .axes = { 1, 2, 1, 1, 2, 1 }, .work = distance_work,
    .value = distance_value, .gradient = distance_gradient
};
PPL__EVENT_OP(log_prob_op, "low_rank_multivariate_normal log_prob", log_prob_formula)
PPL__EVENT_OP(draw_op, "low_rank_multivariate_normal sample", draw_formula)
PPL__EVENT_OP(log_det_op, "low_rank_multivariate_normal log_det", log_det_formula)
PPL__EVENT_OP(distance_op, "low_rank_multivariate_normal kl", distance_formula)

static ppl_shape event_shape(const ppl_dist *d)
{
    return ppl__event_of_param(d, 0, 1);
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const size_t n = (size_t)ppl_dim(d->param[1], -2);
    const size_t r = (size_t)ppl_dim(d->param[1], -1);
    const size_t count = ppl__dist_numel(d) / n * (n + r);
    double *eps = ppl_alloc(d->ctx, count * sizeof *eps);

    if (!eps)
        return NULL;
    ppl_rng_normals(rng, 0, count, eps);
    return draw_op_apply(d->param, d, &eps, sizeof eps);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1], d->param[2] };
    return log_prob_op_apply(in, d, NULL, 0);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_tensor *log_det = log_det_op_apply(d->param + 1, NULL, NULL, 0);
    return ppl_affine(log_det, 0.5,
                      (double)ppl_dim(d->param[1], -2) * (0.5 + HALF_LOG_TWO_PI));
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return d->param[0];
}

static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_tensor *W = d->param[1];
    return ppl_add(ppl_sum(ppl_mul(W, W), -1), d->param[2]);
}

static ppl_tensor *covariance(const ppl_dist *d)
{
    ppl_tensor *W = d->param[1];
    return ppl_add(ppl_matmul(W, ppl_transpose(W, -1, -2)),
                   ppl_matrix_embed(d->param[2], PPL_DIAGONAL));
}

/* m, W, D of a low-rank normal, or of a normal, which is of rank 0. */
static void fill_terms(const ppl_dist *d, ppl_tensor **in)
{
    if (d->family == &ppl_family_low_rank_multivariate_normal) {
        for (int i = 0; i < 3; i++)
            in[i] = d->param[i];
        return;
    }
    ppl_tensor *scale = ppl__whole_param(d, 1);
    in[0] = ppl__whole_param(d, 0);
    in[1] = ppl_full(d->ctx, PPL_SHAPE(ppl_dim(scale, -1), 0), 0);
    in[2] = ppl_mul(scale, scale);
}

ppl_tensor *ppl__low_rank_kl(const ppl_dist *q, const ppl_dist *p)
{
    ppl_tensor *in[6];

    fill_terms(q, in);
    fill_terms(p, in + 3);
    ppl_tensor *log_det_q = log_det_op_apply(in + 1, NULL, NULL, 0);
    ppl_tensor *log_det_p = log_det_op_apply(in + 4, NULL, NULL, 0);
    ppl_tensor *sum = ppl_add(distance_op_apply(in, NULL, NULL, 0),
                              ppl_sub(log_det_p, log_det_q));
    return ppl_affine(sum, 0.5, -(double)ppl_dim(in[0], -1) / 2);
}

/* loc and scale_tril of any of the three. */
static ppl_tensor *full_factor(const ppl_dist *d)
{
    if (d->family == &ppl_family_multivariate_normal)
        return d->param[1];
    if (d->family == &ppl_family_normal)
        return ppl_matrix_embed(ppl__whole_param(d, 1), PPL_DIAGONAL);
    return ppl__scale_tril(d->family->name, "covariance", covariance(d), 0);
}

ppl_tensor *ppl__full_normal_kl(const ppl_dist *q, const ppl_dist *p)
{
    const int elements[] = { q->family == &ppl_family_normal,
                             p->family == &ppl_family_normal };
    return ppl__normal_kl(elements[0] ? ppl__whole_param(q, 0) : q->param[0],
                          full_factor(q),
                          elements[1] ? ppl__whole_param(p, 0) : p->param[0],
                          full_factor(p));
}

ppl_dist *ppl_low_rank_multivariate_normal(ppl_tensor *loc, ppl_tensor *cov_factor,
                                           ppl_tensor *cov_diag)
{
    ppl_tensor *params[] = { loc, cov_factor, cov_diag };
    const int64_t n = ppl_dim(loc, -1);

    if (!loc || !cov_factor || !cov_diag)
        return NULL;
    if (n > 0 && ppl_rank(cov_factor) >= 2 && ppl_dim(cov_factor, -2) == n &&
        ppl_rank(cov_diag) >= 1 && ppl_dim(cov_diag, -1) == n)
        return ppl_dist_make(&ppl_family_low_rank_multivariate_normal, params, NULL);
    ppl_fail(ppl_tensor_ctx(loc), PPL_ESHAPE, "low_rank_multivariate_normal: loc has "
             "shape %s, cov_factor %s and cov_diag %s; they must be [..,n], [..,n,r] and "
             "[..,n], n at least 1", SHAPE_OF(loc), SHAPE_OF(cov_factor),
             SHAPE_OF(cov_diag));
    return NULL;
}

const ppl_family ppl_family_low_rank_multivariate_normal = {
    .name = "low_rank_multivariate_normal",
    .params = 3,
    .param_name = { "loc", "cov_factor", "cov_diag" },
    .param_constraint = { &ppl_constraint_real, &ppl_constraint_real,
                          &ppl_constraint_positive },
    .param_event_dim = { 1, 2, 1 },
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
    .kl = ppl__low_rank_kl,
};
