/* SPDX-License-Identifier: MIT */
/*
 * matrix.c - loops over small matrices (matrix.h), and Cholesky factors of parameters.
 *
 * Inner loops go along rows. Cost: n^3 / 6 multiplications for a factor, about 7 n^3 / 6
 * for its adjoint, n^2 m / 2 for a solve.
 *
 * A precision P is factored from its last row up, P = U^T U with U = L^-1 lower
 * triangular (that is Cholesky of P with rows and columns in reverse), so that the factor
 * of its inverse needs no inverse but that of a triangle.
 * Source of the adjoint: I. Murray, Differentiation of the Cholesky decomposition, 2016.
 */
#include "matrix.h"

#include "event.h"

#include "../shape_text.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

double ppl__dot(size_t n, const double *x, const double *y)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

size_t ppl__cholesky(size_t n, const double *a, double *l)
{
    for (size_t i = 0; i < n; i++) {
        double *row = l + i * n;
        for (size_t j = 0; j <= i; j++) {
            const double left = a[i * n + j] - ppl__dot(j, row, l + j * n);
            if (j < i) {
                row[j] = left / l[j * n + j];
            } else if (left > 0 && left <= DBL_MAX) {
                row[i] = sqrt(left);
            } else {
                row[i] = left;
                return i;
            }
        }
        memset(row + i + 1, 0, (n - i - 1) * sizeof *row);
    }
    return n;
}

void ppl__copy_lower(size_t n, const double *l, double *to)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(to + i * n, l + i * n, (i + 1) * sizeof *to);
        memset(to + i * n + i + 1, 0, (n - i - 1) * sizeof *to);
    }
}

void ppl__solve_lower(size_t n, size_t m, const double *l, double *x)
{
    for (size_t i = 0; i < n; i++) {
        double *row = x + i * m;
        for (size_t k = 0; k < i; k++)
            for (size_t j = 0; j < m; j++)
                row[j] -= l[i * n + k] * x[k * m + j];
        for (size_t j = 0; j < m; j++)
            row[j] /= l[i * n + i];
    }
}

void ppl__solve_lower_transposed(size_t n, size_t m, const double *l, double *x)
{
    for (size_t i = n; i-- > 0;) {
        double *row = x + i * m;
        for (size_t j = 0; j < m; j++)
            row[j] /= l[i * n + i];
        for (size_t k = 0; k < i; k++)
            for (size_t j = 0; j < m; j++)
                x[k * m + j] -= l[i * n + k] * row[j];
    }
}

void ppl__invert_lower(size_t n, const double *l, double *inverse)
{
    memset(inverse, 0, n * n * sizeof *inverse);
    for (size_t i = 0; i < n; i++) {
        double *row = inverse + i * n;
        for (size_t k = 0; k < i; k++)
            for (size_t j = 0; j <= k; j++)
                row[j] -= l[i * n + k] * inverse[k * n + j];
        for (size_t j = 0; j < i; j++)
            row[j] /= l[i * n + i];
        row[i] = 1 / l[i * n + i];
    }
}

/* row -= 2 (v . row) / (v . v) v, unless v is 0. */
static void reflect(size_t n, const double *v, double *row)
{
    const double square = ppl__dot(n, v, v), f = 2 * ppl__dot(n, v, row);

    for (size_t j = 0; square > 0 && j < n; j++)
        row[j] -= f / square * v[j];
}

/* Row i becomes norm e_i under the normal v with v_i = first - norm, which for first > 0
 * is written so that nothing cancels. */
void ppl__triangularise(size_t p, size_t q, double *a, double *l)
{
    for (size_t i = 0; i < p; i++) {
        double *v = a + i * q + i;
        const size_t n = q - i;
        const double rest = ppl__dot(n - 1, v + 1, v + 1), first = v[0];
        const double norm = sqrt(first * first + rest);
        memcpy(l + i * p, a + i * q, i * sizeof *l);
        memset(l + i * p + i, 0, (p - i) * sizeof *l);
        l[i * p + i] = norm;
        v[0] = first > 0 ? -rest / (first + norm) : first - norm;
        for (size_t r = i + 1; r < p; r++)
            reflect(n, v, a + r * q + i);
    }
}

void ppl__orthonormal_rows(size_t p, size_t q, const double *normals, double *rows)
{
    memset(rows, 0, p * q * sizeof *rows);
    for (size_t r = 0; r < p; r++) {
        rows[r * q + r] = 1;
        for (size_t i = p; i-- > 0;)
            reflect(q - i, normals + i * q + i, rows + r * q + i);
    }
}

double ppl__log_diagonal(size_t n, const double *l)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += log(l[i * n + i]);
    return sum;
}

void ppl__add_product(double scale, char turn_a, char turn_b, size_t m, size_t n,
                      size_t k, const double *a, const double *b, double *c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++) {
            const double f = scale * (turn_a == 'T' ? a[p * m + i] : a[i * k + p]);
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += f * (turn_b == 'T' ? b[j * k + p] : b[p * n + j]);
        }
}

void ppl__add_lower_times(size_t n, const double *l, const double *x, double *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += ppl__dot(i + 1, l + i * n, x);
}

void ppl__add_lower_outer(size_t n, double scale, const double *a, const double *b,
                          double *d)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            d[i * n + j] += scale * a[i] * b[j];
}

static void transpose(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double t = x[i * n + j];
            x[i * n + j] = x[j * n + i];
            x[j * n + i] = t;
        }
}

/* L^-T S L^-1 / 2, where S is L^T g with its lower triangle mirrored. */
void ppl__cholesky_adjoint(size_t n, const double *l, const double *g, double *s)
{
    memset(s, 0, n * n * sizeof *s);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i <= k; i++)
            for (size_t j = 0; j <= i; j++)
                s[i * n + j] += l[k * n + i] * g[k * n + j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            s[j * n + i] = s[i * n + j];
    ppl__solve_lower_transposed(n, n, l, s);
    transpose(n, s);
    ppl__solve_lower_transposed(n, n, l, s);
    for (size_t i = 0; i < n * n; i++)
        s[i] *= 0.5;
}

/* ---- Factors of parameters --------------------------------------------------------- */

typedef struct factor_attr {
    const char *family, *param;
    int inverse;
} factor_attr;

/* x with rows and columns in reverse. */
static void reverse(size_t n, const double *x, double *y)
{
    for (size_t i = 0; i < n * n; i++)
        y[n * n - 1 - i] = x[i];
}

static size_t factor_work(const ppl__event *e)
{
    return 4 * e->dim[0][0] * e->dim[0][0];
}

/* "covariance[2,1]": the parameter and which matrix of the batch. */
static const char *which(const ppl__event *e, char text[2 * PPL_SHAPE_TEXT])
{
    const factor_attr *attr = e->attr;
    char index[PPL_SHAPE_TEXT];

    snprintf(text, 2 * PPL_SHAPE_TEXT, "%s%s", attr->param, ppl__event_index(e, index));
    return text;
}

static void fail_pivot(const ppl__event *e, size_t k, double pivot)
{
    const factor_attr *attr = e->attr;
    const size_t n = e->dim[0][0];
    const double epsilon = ppl_tensor_dtype(e->out) == PPL_F32 ? (double)FLT_EPSILON
                                                               : DBL_EPSILON;
    char text[2 * PPL_SHAPE_TEXT];
    double top = 0;

    for (size_t i = 0; i < n; i++)
        top = fmax(top, fabs(e->in[0][i * n + i]));
    if (!isfinite(pivot))
        ppl_fail(ppl_tensor_ctx(e->out), PPL_ESINGULAR, "%s: %s is not positive definite: "
                 "pivot %zu is %g; its elements must be finite, and their products too",
                 attr->family, which(e, text), k, pivot);
    else
        ppl_fail(ppl_tensor_ctx(e->out), PPL_ESINGULAR, "%s: %s is not positive definite: "
                 "pivot %zu is %g; if that is rounding, ppl_add_jitter(%s, %.1g) mends it",
                 attr->family, which(e, text), k, pivot, attr->param,
                 10 * (double)n * epsilon * (top > 0 ? top : 1));
}

/* 0 with the error recorded where the context validates and it is not symmetric. */
static int symmetric(const ppl__event *e)
{
    const factor_attr *attr = e->attr;
    const size_t n = e->dim[0][0];
    ppl_ctx *c = ppl_tensor_ctx(e->out);
    char text[2 * PPL_SHAPE_TEXT];

    for (size_t i = 0; i < n && ppl_validating(c); i++)
        for (size_t j = 0; j < i; j++) {
            const double a = e->in[0][i * n + j], b = e->in[0][j * n + i];
            if (fabs(a - b) <= 1e-6 * (1 + 10 * fabs(b)) || a == b || (isnan(a) && isnan(b)))
                continue;                   /* what is infinite, its pivot will tell */
            ppl_fail(c, PPL_ECONSTRAINT, "%s: %s is not symmetric: its element [%zu,%zu] "
                     "is %g and [%zu,%zu] is %g", attr->family, which(e, text), i, j, a,
                     j, i, b);
            return 0;
        }
    return 1;
}

static void factor_value(const ppl__event *e, double *y)
{
    const factor_attr *attr = e->attr;
    const size_t n = e->dim[0][0];
    double *a = e->work, *l = a + n * n;

    if (!symmetric(e))
        return;
    if (attr->inverse)
        reverse(n, e->in[0], a);
    const size_t k = ppl__cholesky(n, attr->inverse ? a : e->in[0],
                                   attr->inverse ? l : y);
    if (k < n) {
        fail_pivot(e, attr->inverse ? n - 1 - k : k, (attr->inverse ? l : y)[k * n + k]);
    } else if (attr->inverse) {
        reverse(n, l, a);
        transpose(n, a);
        ppl__invert_lower(n, a, y);
    }
}

/* Of the inverse S = P^-1 = L L^T: dP = -S dS S. */
static void factor_gradient(const ppl__event *e)
{
    const factor_attr *attr = e->attr;
    const size_t n = e->dim[0][0], nn = n * n;
    double *s = e->work, *g = s + nn, *t = g + nn;

    ppl__cholesky_adjoint(n, e->y, e->g, s);
    if (attr->inverse) {
        memset(g, 0, 2 * nn * sizeof *g);
        ppl__add_product(1, 'N', 'T', n, n, n, e->y, e->y, g);
        ppl__add_product(1, 'N', 'N', n, n, n, g, s, t);
        memset(s, 0, nn * sizeof *s);
        ppl__add_product(-1, 'N', 'N', n, n, n, t, g, s);
    }
    for (size_t i = 0; i < nn; i++)
        e->d[0][i] += s[i];
}

static const ppl__event_formula factor_formula = {
    .inputs = 1, .axes = { 2 }, .event = ppl__event_like_first, .work = factor_work,
    .value = factor_value, .gradient = factor_gradient
};
PPL__EVENT_OP(factor_op, "scale_tril", factor_formula)

ppl_tensor *ppl__scale_tril(const char *family, const char *param, ppl_tensor *t,
                            int inverse)
{
    const factor_attr attr = { family, param, inverse };

    return ppl__square(family, param, t) ? factor_op_apply(&t, NULL, &attr, sizeof attr)
                                         : NULL;
}

int ppl__square(const char *family, const char *param, ppl_tensor *t)
{
    const int rank = ppl_rank(t);

    if (!t)
        return 0;
    if (rank >= 2 && ppl_dim(t, -1) == ppl_dim(t, -2) && ppl_dim(t, -1) > 0)
        return 1;
    ppl_fail(ppl_tensor_ctx(t), PPL_ESHAPE, "%s: %s has shape %s; its last two axes must "
             "be a square matrix", family, param, SHAPE_OF(t));
    return 0;
}

int ppl__matrix_of(const char *family, const char *vector_name, ppl_tensor *vector,
                   const char *matrix_name, ppl_tensor *matrix)
{
    if (!vector || !ppl__square(family, matrix_name, matrix))
        return 0;
    if (ppl_rank(vector) >= 1 && ppl_dim(vector, -1) == ppl_dim(matrix, -1))
        return 1;
    ppl_fail(ppl_tensor_ctx(vector), PPL_ESHAPE, "%s: %s has shape %s and %s %s; the "
             "last axis of a vector must be as long as those of the matrix", family,
             vector_name, SHAPE_OF(vector), matrix_name, SHAPE_OF(matrix));
    return 0;
}
