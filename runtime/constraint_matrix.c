/* SPDX-License-Identifier: MIT */
/*
 * constraint_matrix.c - constraints of square matrices: triangular, symmetric, positive
 * definite, correlations.
 *
 * Unconstrained, a matrix is a vector: its elements below the diagonal row by row, then
 * those of the diagonal where they are free. For correlations, tanh of element (i,k) of
 * the vector is a partial correlation; row i of the factor is
 *
 *   L_ik = tanh t_ik prod_{j<k} sech t_ij,    L_ii = prod_{j<i} sech t_ij,
 *
 * worked in logarithms. Source: Lewandowski, Kurowicka and Joe, Generating random
 * correlation matrices based on vines and extended onion method, 2009; Stan Reference
 * Manual, Cholesky factors of correlation matrices. The Jacobians of L L^T are classical
 * (Muirhead, Aspects of Multivariate Statistical Theory, theorem 2.1.9).
 */
#include "constraint.h"

#include <kiln/matrix.h>

#include <math.h>

#define TOLERANCE 1e-6              /* of what is to be equal: roundings of floats */

/* ---- Checks: of a [n,n] event ------------------------------------------------------ */

/* n if the event is square and its elements finite, else 0. */
static int64_t finite_square(const double *value, const ppl_shape *event)
{
    const int64_t n = event->dim[0];
    if (event->dim[1] != n)
        return 0;
    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(value[i]))
            return 0;
    return n;
}

static int is_lower(const double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            if (value[i * n + j] < 0 || value[i * n + j] > 0)
                return 0;
    return n > 0;
}

static int is_symmetric(const double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            const double a = value[i * n + j], b = value[j * n + i];
            if (!(fabs(a - b) <= TOLERANCE * (1 + 10 * fabs(b))))
                return 0;
        }
    return n > 0;
}

/* The diagonal, within a tolerance, is 1 (or whatever if `one` is 0) and above 0. */
static int has_positive_diagonal(const double *value, int64_t n, int one)
{
    for (int64_t i = 0; i < n; i++)
        if (!(value[i * n + i] > 0) ||
            (one && !(fabs(value[i * n + i] - 1) <= TOLERANCE)))
            return 0;
    return n > 0;
}

/* Gaussian elimination of a symmetric matrix, in place: 1 if no pivot is below 0; with
 * `strictly`, if all are above. Where one is 0, up to rounding, so is its column. */
static int eliminate(double *a, int64_t n, int strictly)
{
    double top = 0, slack;
    for (int64_t i = 0; i < n; i++)
        top = fmax(top, a[i * n + i]);
    slack = strictly ? 0 : TOLERANCE * (double)n * top;
    for (int64_t k = 0; k < n; k++) {
        const double pivot = a[k * n + k];
        if (!(pivot > slack)) {
            if (strictly || !(pivot >= -slack))
                return 0;
            for (int64_t i = k + 1; i < n; i++)
                if (!(fabs(a[i * n + k]) <= sqrt(slack * top)))
                    return 0;
            continue;
        }
        for (int64_t i = k + 1; i < n; i++)
            for (int64_t j = k + 1; j <= i; j++)
                a[i * n + j] -= a[i * n + k] * a[j * n + k] / pivot;
    }
    return n > 0;
}

#define CHECK(name, condition)                                                           \
    static int check_##name(const ppl_constraint *self, double *value,                   \
                            const ppl_shape *event)                                      \
    {                                                                                    \
        const int64_t n = finite_square(value, event);                                   \
        (void)self;                                                                      \
        return n > 0 && (condition);                                                     \
    }
CHECK(square, 1)
CHECK(lower_triangular, is_lower(value, n))
CHECK(symmetric, is_symmetric(value, n))
CHECK(lower_cholesky, is_lower(value, n) && has_positive_diagonal(value, n, 0))
CHECK(softplus_lower_cholesky, is_lower(value, n) && has_positive_diagonal(value, n, 0))
CHECK(unit_lower_cholesky, is_lower(value, n) && has_positive_diagonal(value, n, 1))
CHECK(positive_definite, is_symmetric(value, n) && eliminate(value, n, 1))
CHECK(positive_semidefinite, is_symmetric(value, n) && eliminate(value, n, 0))
CHECK(corr_matrix, is_symmetric(value, n) && has_positive_diagonal(value, n, 1) &&
                   eliminate(value, n, 1))

static int has_unit_rows(const double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++)
            sum += value[i * n + j] * value[i * n + j];
        if (!(fabs(sum - 1) <= 10 * TOLERANCE))
            return 0;
    }
    return 1;
}
CHECK(corr_cholesky, is_lower(value, n) && has_positive_diagonal(value, n, 0) &&
                     has_unit_rows(value, n))

/* ---- Shapes ------------------------------------------------------------------------ */

/* Replaces [..,n,n] by [..,m], m the elements below the diagonal and `diagonal` n more; 0
 * if the matrix is not square or empty. */
static int vector_shape(ppl_shape *shape, int diagonal)
{
    const int64_t n = shape->rank >= 2 ? shape->dim[shape->rank - 1] : 0;
    if (n == 0 || shape->dim[shape->rank - 2] != n)
        return 0;
    shape->dim[--shape->rank] = 0;
    shape->dim[shape->rank - 1] = n * (n - 1) / 2 + (diagonal ? n : 0);
    return 1;
}

static int whole_shape(const ppl_constraint *self, ppl_shape *shape)
{
    (void)self;
    return vector_shape(shape, 1);
}

static int strict_shape(const ppl_constraint *self, ppl_shape *shape)
{
    (void)self;
    return vector_shape(shape, 0);
}

static int square_shape(const ppl_constraint *self, ppl_shape *shape)
{
    ppl_shape copy = *shape;
    return whole_shape(self, &copy);
}

/* ---- Triangles: below the diagonal, then on it ------------------------------------- */

typedef struct halves {
    ppl_tensor *below, *on;
    int64_t n;
} halves;

/* The two halves of an unconstrained [..,n(n+1)/2]; NULL in both on error. */
static halves split(const ppl_constraint *self, ppl_tensor *t)
{
    halves h = { NULL, NULL, 0 };
    char text[PPL_SHAPE_TEXT];
    if (!t)
        return h;
    const int64_t m = t->shape.rank > 0 ? t->shape.dim[t->shape.rank - 1] : 0;
    while (h.n * (h.n + 1) / 2 < m)
        h.n++;
    if (m == 0 || h.n * (h.n + 1) / 2 != m) {
        ppl_fail(t->ctx, PPL_ESHAPE, "%s: unconstrained elements %s make no matrix; the "
                 "last axis must have n(n+1)/2", self->type->name,
                 ppl_shape_text(&t->shape, text));
        return h;
    }
    h.below = ppl_slice(t, -1, 0, m - h.n);
    h.on = ppl_slice(t, -1, m - h.n, m);
    return h;
}

static ppl_tensor *triangle(ppl_tensor *below, ppl_tensor *on)
{
    return ppl_add(ppl_matrix_embed(below, PPL_STRICTLY_LOWER),
                   ppl_matrix_embed(on, PPL_DIAGONAL));
}

/* The vector of a triangle, its diagonal through `inverse` (NULL: as it is). */
static ppl_tensor *vector_of(ppl_tensor *t, ppl_tensor *(*inverse)(ppl_tensor *))
{
    ppl_tensor *on = ppl_matrix_extract(t, PPL_DIAGONAL);
    ppl_tensor *below = ppl_matrix_extract(t, PPL_STRICTLY_LOWER);
    return ppl_concat((ppl_tensor *[]){ below, inverse ? inverse(on) : on }, 2, -1);
}

static ppl_tensor *turned(ppl_tensor *t)
{
    return ppl_transpose(t, -1, -2);
}

static ppl_tensor *to_lower_triangular(const ppl_constraint *self, ppl_tensor *t)
{
    const halves h = split(self, t);
    return triangle(h.below, h.on);
}

static ppl_tensor *from_lower_triangular(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return vector_of(t, NULL);
}

static ppl_tensor *zero_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl__zeros_without(t, 1);
}

static ppl_tensor *square_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl__zeros_without(t, 2);
}

static ppl_tensor *to_symmetric(const ppl_constraint *self, ppl_tensor *t)
{
    const halves h = split(self, t);
    return ppl_add(triangle(h.below, h.on),
                   turned(ppl_matrix_embed(h.below, PPL_STRICTLY_LOWER)));
}

static ppl_tensor *to_lower_cholesky(const ppl_constraint *self, ppl_tensor *t)
{
    const halves h = split(self, t);
    return triangle(h.below, ppl_exp(h.on));
}

static ppl_tensor *from_lower_cholesky(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return vector_of(t, ppl_log);
}

static ppl_tensor *lower_cholesky_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_sum(split(self, t).on, -1);
}

static ppl_tensor *to_softplus_lower(const ppl_constraint *self, ppl_tensor *t)
{
    const halves h = split(self, t);
    return triangle(h.below, ppl_softplus(h.on));
}

static ppl_tensor *softplus_inverse(ppl_tensor *t)
{
    const ppl_constraint *k = &ppl_constraint_softplus_positive;
    return k->type->bijection->from_constrained(k, t);
}

static ppl_tensor *from_softplus_lower(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return vector_of(t, softplus_inverse);
}

static ppl_tensor *softplus_lower_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_neg(ppl_sum(ppl_softplus(ppl_neg(split(self, t).on)), -1));
}

static ppl_tensor *to_unit_lower(const ppl_constraint *self, ppl_tensor *t)
{
    ppl_tensor *below = ppl_matrix_embed(t, PPL_STRICTLY_LOWER);
    (void)self;
    if (!below)
        return NULL;
    ppl_tensor *ones = ppl_full(t->ctx, PPL_SHAPE(ppl_dim(below, -1)), 1);
    return ppl_add(below, ppl_matrix_embed(ones, PPL_DIAGONAL));
}

static ppl_tensor *from_unit_lower(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_matrix_extract(t, PPL_STRICTLY_LOWER);
}

/* ---- Positive definite matrices ---------------------------------------------------- */

static ppl_tensor *square_of(ppl_tensor *l)
{
    return ppl_matmul(l, turned(l));
}

static ppl_tensor *to_positive_definite(const ppl_constraint *self, ppl_tensor *t)
{
    return square_of(to_lower_cholesky(self, t));
}

static ppl_tensor *from_positive_definite(const ppl_constraint *self, ppl_tensor *t)
{
    return from_lower_cholesky(self, ppl_cholesky(t, 0));
}

/* 2^n prod_i L_ii^(n-i) for L L^T, times that of exp: L_ii. */
static ppl_tensor *positive_definite_log_abs_det(const ppl_constraint *self,
                                                 ppl_tensor *t)
{
    const halves h = split(self, t);
    double *weight = h.on ? ppl_alloc(t->ctx, (size_t)h.n * sizeof *weight) : NULL;
    for (int64_t i = 0; weight && i < h.n; i++)
        weight[i] = (double)(h.n - i + 1);
    if (!weight)
        return NULL;
    ppl_tensor *weights = ppl_from_doubles(t->ctx, PPL_SHAPE(h.n), weight);
    return ppl_affine(ppl_sum(ppl_mul(weights, h.on), -1), 1, (double)h.n * log(2));
}

/* ---- Correlations ------------------------------------------------------------------ */

/* log sech t = log 2 - t - log(1 + exp(-2t)). */
static ppl_tensor *log_sech(ppl_tensor *t)
{
    return ppl_sub(ppl_affine(t, -1, log(2)), ppl_softplus(ppl_affine(t, -2, 0)));
}

static ppl_tensor *to_corr_cholesky(const ppl_constraint *self, ppl_tensor *t)
{
    ppl_tensor *partial = to_unit_lower(self, ppl_tanh(t));
    ppl_tensor *own = ppl_matrix_embed(log_sech(t), PPL_STRICTLY_LOWER);
    return ppl_mul(partial, ppl_exp(ppl_sub(ppl_cumsum(own, -1), own)));
}

/* tanh t_ik = L_ik / s, s^2 = sum_{j>=k} L_ij^2; with r the same sum over j > k, which is
 * (s - L_ik) (s + L_ik), t = log((s + L_ik) / sqrt r) without a cancellation for L_ik
 * above 0, and its mirror image below. */
static ppl_tensor *from_corr_cholesky(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    if (!t)
        return NULL;
    ppl_tensor *sums = ppl_reverse_cumsum(ppl_mul(t, t), -1);
    ppl_tensor *below = ppl_matrix_extract(t, PPL_STRICTLY_LOWER);
    if (!below)
        return NULL;
    ppl_tensor *first = ppl_slice(sums, -1, 0, 1);
    ppl_tensor *shifted = ppl_concat((ppl_tensor *[]){
        ppl_slice(sums, -1, 1, ppl_dim(sums, -1)), first }, 2, -1);
    ppl_tensor *s = ppl_sqrt(ppl_matrix_extract(sums, PPL_STRICTLY_LOWER));
    ppl_tensor *r = ppl_matrix_extract(shifted, PPL_STRICTLY_LOWER);
    ppl_tensor *half = ppl_affine(ppl_log(r), 0.5, 0);
    return ppl_where(ppl_less(below, ppl_scalar(t->ctx, 0)),
                     ppl_sub(half, ppl_log(ppl_sub(s, below))),
                     ppl_sub(ppl_log(ppl_add(s, below)), half));
}

/* sum over k < i of weight log sech t_ik: i - k + 1 for L, n - k for L L^T. */
static ppl_tensor *corr_log_abs_det(ppl_tensor *t, int matrix)
{
    const int64_t m = ppl_dim(t, -1);
    double *weight = t ? ppl_alloc(t->ctx, (size_t)m * sizeof *weight) : NULL;
    int64_t n = 1;
    if (!weight)
        return NULL;
    while (n * (n - 1) / 2 < m)
        n++;
    for (int64_t at = 0, i = 0; at < m; i++)
        for (int64_t k = 0; k < i && at < m; k++)
            weight[at++] = (double)(matrix ? n - k : i - k + 1);
    return ppl_sum(ppl_mul(ppl_from_doubles(t->ctx, PPL_SHAPE(m), weight), log_sech(t)),
                   -1);
}

static ppl_tensor *corr_cholesky_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return corr_log_abs_det(t, 0);
}

static ppl_tensor *to_corr_matrix(const ppl_constraint *self, ppl_tensor *t)
{
    return square_of(to_corr_cholesky(self, t));
}

static ppl_tensor *from_corr_matrix(const ppl_constraint *self, ppl_tensor *t)
{
    return from_corr_cholesky(self, ppl_cholesky(t, 0));
}

static ppl_tensor *corr_matrix_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return corr_log_abs_det(t, 1);
}

/* ---- The kinds --------------------------------------------------------------------- */

#define KIND(id, text, to, from, det, size)                                              \
    static const ppl_constraint_map id##_map = {                                         \
        .to_constrained = to, .from_constrained = from, .log_abs_det = det,              \
        .shape = size                                                                    \
    };                                                                                   \
    static const ppl_constraint_type id##_type = {                                       \
        .name = #id, .must = "a square matrix, " text, .event_dim = 2,                   \
        .check = check_##id, .optimise = &id##_map, .bijection = &id##_map               \
    };                                                                                   \
    const ppl_constraint ppl_constraint_##id = {                                         \
        .type = &id##_type, .lower = -INFINITY, .upper = INFINITY                        \
    };

KIND(square, "of finite numbers", ppl__identity, ppl__identity, square_log_abs_det,
     square_shape)
KIND(lower_triangular, "lower triangular", to_lower_triangular, from_lower_triangular,
     zero_log_abs_det, whole_shape)
KIND(symmetric, "symmetric", to_symmetric, from_lower_triangular, zero_log_abs_det,
     whole_shape)
KIND(lower_cholesky, "lower triangular with a positive diagonal", to_lower_cholesky,
     from_lower_cholesky, lower_cholesky_log_abs_det, whole_shape)
KIND(softplus_lower_cholesky, "lower triangular with a positive diagonal",
     to_softplus_lower, from_softplus_lower, softplus_lower_log_abs_det, whole_shape)
KIND(unit_lower_cholesky, "lower triangular with ones on its diagonal", to_unit_lower,
     from_unit_lower, zero_log_abs_det, strict_shape)
KIND(positive_definite, "symmetric and positive definite", to_positive_definite,
     from_positive_definite, positive_definite_log_abs_det, whole_shape)
KIND(positive_semidefinite, "symmetric and positive semidefinite", to_positive_definite,
     from_positive_definite, positive_definite_log_abs_det, whole_shape)
KIND(corr_cholesky, "lower triangular with a positive diagonal and rows of length 1",
     to_corr_cholesky, from_corr_cholesky, corr_cholesky_log_abs_det, strict_shape)
KIND(corr_matrix, "symmetric and positive definite with ones on its diagonal",
     to_corr_matrix, from_corr_matrix, corr_matrix_log_abs_det, strict_shape)
