/* SPDX-License-Identifier: MIT */
/*
 * op_matrix.c - Cholesky factors and triangular solves, batched over leading axes.
 *
 * Plain loops in double for both dtypes. The matrices of this library are small (tens of
 * rows, many of them), where a LAPACK call costs more than the loops it runs; and a
 * float factor worked in double fails no sooner than the matrix does. All inner loops go
 * along rows, so compilers make vectors of them. Cost: n^3 / 3 multiplications for a
 * factor, about 7 n^3 / 3 for its adjoint; n^2 m for a solve, twice that for each
 * gradient. A matrix whose adjoint is all zero is left out (the law of zero adjoints).
 *
 * Source of the adjoints: I. Murray, Differentiation of the Cholesky decomposition, 2016.
 */
#include "ops.h"

#include <kiln/matrix.h>

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Matrices as doubles ----------------------------------------------------------- */

/* n elements as doubles: themselves, or converted into `room`. */
static const double *doubles(ppl_dtype dtype, const void *elements, size_t n,
                             double *room)
{
    const float *x = elements;
    if (dtype == PPL_F64)
        return elements;
    for (size_t i = 0; i < n; i++)
        room[i] = x[i];
    return room;
}

/* to = x, or += with `add`, in the dtype of the context. */
static void put(ppl_dtype dtype, size_t n, const double *x, void *to, int add)
{
    float *f = to;
    double *d = to;
    if (dtype == PPL_F32)
        for (size_t i = 0; i < n; i++)
            f[i] = (float)(add ? f[i] + x[i] : x[i]);
    else
        for (size_t i = 0; i < n; i++)
            d[i] = add ? d[i] + x[i] : x[i];
}

static int all_zero(size_t n, const double *x)
{
    size_t i = 0;
    while (i < n && x[i] == 0)
        i++;
    return i == n;
}

/* `count` blocks of n doubles in one, under the caller's mark; NULL if there is none. */
static double *workspace(ppl_ctx *c, size_t count, size_t n)
{
    return ppl__arena_alloc(&c->data, count * n * sizeof(double));
}

static size_t side(const ppl_tensor *t)
{
    return (size_t)t->shape.dim[t->shape.rank - 1];
}

static ppl_status need_square(const ppl_op *op, const ppl_tensor *t, int i)
{
    const ppl_shape *s = &t->shape;
    char text[PPL_SHAPE_TEXT];
    if (ppl__need_dtype(op->name, t, i, t->ctx->dtype) != PPL_OK)
        return PPL_EDTYPE;
    if (s->rank >= 2 && s->dim[s->rank - 1] == s->dim[s->rank - 2])
        return PPL_OK;
    return ppl_fail(t->ctx, PPL_ESHAPE, "%s: input %d has shape %s; its last two axes "
                    "must be a square matrix", op->name, i, ppl_shape_text(s, text));
}

/* "matrix [2,1]" of a batch, or "the matrix". */
static const char *which(const ppl_shape *shape, size_t index,
                         char text[PPL_SHAPE_TEXT + 8])
{
    ppl_shape at = { shape->rank - 2, { 0 } };
    if (at.rank == 0)
        return "the matrix";
    for (int a = at.rank; a-- > 0; index /= (size_t)shape->dim[a])
        at.dim[a] = (int64_t)(index % (size_t)shape->dim[a]);
    memcpy(text, "matrix ", 7);
    ppl_shape_text(&at, text + 7);
    return text;
}

/* ---- Cholesky ---------------------------------------------------------------------- */

/* U, upper triangular with U^T U = u + jitter I, in place; of u the upper triangle is
 * read. Returns how many pivots are positive; the next is left on the diagonal. */
static size_t factor(size_t n, double *u, double jitter)
{
    for (size_t k = 0; k < n; k++)
        u[k * n + k] += jitter;
    for (size_t k = 0; k < n; k++) {
        double *row = u + k * n, pivot = row[k];
        if (!(pivot > 0 && pivot <= DBL_MAX))
            return k;
        row[k] = sqrt(pivot);
        for (size_t j = k + 1; j < n; j++)
            row[j] /= row[k];
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = i; j < n; j++)
                u[i * n + j] -= row[i] * row[j];
    }
    return n;
}

static void fail_pivot(const ppl_tensor *out, size_t batch, size_t k, double pivot,
                       double top)
{
    const double epsilon = out->dtype == PPL_F32 ? FLT_EPSILON : DBL_EPSILON;
    char text[PPL_SHAPE_TEXT + 8];
    if (!isfinite(pivot))
        ppl_fail(out->ctx, PPL_ESINGULAR, "cholesky: %s is not positive definite: pivot %zu "
                 "is %g; its elements must be finite, and their products too",
                 which(&out->shape, batch, text), k, pivot);
    else
        ppl_fail(out->ctx, PPL_ESINGULAR, "cholesky: %s is not positive definite: pivot %zu "
                 "is %g; if that is rounding, a jitter of %.1g on the diagonal mends it",
                 which(&out->shape, batch, text), k, pivot,
                 10 * (double)side(out) * epsilon * (top > 0 ? top : 1));
}

static ppl_status cholesky_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                                 void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)count, (void)attr, (void)dtype;
    *shape = inputs[0]->shape;
    return need_square(op, inputs[0], 0);
}

static void cholesky_forward(ppl_tensor *out)
{
    ppl_ctx *c = out->ctx;
    const size_t n = side(out), nn = n * n;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    double *room = workspace(c, 2, nn), *u = room + nn;
    for (size_t b = 0; room && b * nn < (size_t)out->numel; b++) {
        const double *a = doubles(c->dtype, ppl__at(out, out->input[0]->data, b * nn), nn,
                                  room);
        double top = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                u[i * n + j] = a[j * n + i];
        for (size_t i = 0; i < n; i++)
            top = fmax(top, fabs(u[i * n + i]));
        const size_t k = factor(n, u, *(const double *)out->attr);
        if (k < n) {
            fail_pivot(out, b, k, u[k * n + k], top);
            break;
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                room[i * n + j] = j <= i ? u[j * n + i] : 0;
        put(c->dtype, nn, room, ppl__at(out, out->data, b * nn), 0);
    }
    ppl__arena_release(&c->data, mark);
}

/* x = L^-T x for L and x [n,n]. */
static void solve_transposed(size_t n, const double *l, double *x)
{
    for (size_t i = n; i-- > 0;) {
        double *row = x + i * n;
        for (size_t k = i + 1; k < n; k++)
            for (size_t j = 0; j < n; j++)
                row[j] -= l[k * n + i] * x[k * n + j];
        for (size_t j = 0; j < n; j++)
            row[j] /= l[i * n + i];
    }
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

/* s = the adjoint of A = L L^T from g, that of L: L^-T S L^-1 / 2, where S is L^T g with
 * its lower triangle mirrored. */
static void cholesky_adjoint(size_t n, const double *l, const double *g, double *s)
{
    memset(s, 0, n * n * sizeof *s);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i <= k; i++)
            for (size_t j = 0; j <= i; j++)
                s[i * n + j] += l[k * n + i] * g[k * n + j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            s[j * n + i] = s[i * n + j];
    solve_transposed(n, l, s);
    transpose(n, s);
    solve_transposed(n, l, s);
    for (size_t i = 0; i < n * n; i++)
        s[i] *= 0.5;
}

static void cholesky_vjp(ppl_tensor *out, int i, void *grad)
{
    ppl_ctx *c = out->ctx;
    const size_t n = side(out), nn = n * n;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    double *room = workspace(c, 3, nn);
    (void)i;
    for (size_t b = 0; room && b * nn < (size_t)out->numel; b++) {
        const double *g = doubles(c->dtype, ppl__at(out, out->grad, b * nn), nn, room);
        if (all_zero(nn, g))
            continue;
        const double *l = doubles(c->dtype, ppl__at(out, out->data, b * nn), nn,
                                  room + nn);
        cholesky_adjoint(n, l, g, room + 2 * nn);
        put(c->dtype, nn, room + 2 * nn, ppl__at(out, grad, b * nn), 1);
    }
    ppl__arena_release(&c->data, mark);
}

static const ppl_op cholesky_row = {
    "cholesky", 1, 0, cholesky_shape, cholesky_forward, cholesky_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_cholesky(ppl_tensor *t, double jitter)
{
    return ppl_apply(&cholesky_row, &t, 1, &jitter, sizeof jitter);
}

ppl_tensor *ppl_add_jitter(ppl_tensor *t, double jitter)
{
    static const ppl_op named = { .name = "add_jitter" };
    if (!t || need_square(&named, t, 0) != PPL_OK)
        return NULL;
    ppl_tensor *diagonal = ppl_full(t->ctx, PPL_SHAPE((int64_t)side(t)), jitter);
    return ppl_add(t, ppl_matrix_embed(diagonal, PPL_DIAGONAL));
}

/* ---- Triangular solves ------------------------------------------------------------- */

/* b [n,m] becomes X with A X = b. */
static void solve(size_t n, size_t m, const double *a, double *b, unsigned flags)
{
    const int turned = (flags & PPL_TRANSPOSED) != 0;
    const int lower = ((flags & PPL_UPPER) != 0) == turned;
    const size_t along = turned ? n : 1, down = turned ? 1 : n;     /* steps in A */
    for (size_t step = 0; step < n; step++) {
        const size_t i = lower ? step : n - 1 - step;
        const size_t from = lower ? 0 : i + 1, to = lower ? i : n;
        double *row = b + i * m;
        for (size_t k = from; k < to; k++) {
            const double factor_ik = a[i * down + k * along];
            for (size_t j = 0; j < m; j++)
                row[j] -= factor_ik * b[k * m + j];
        }
        if (!(flags & PPL_UNIT_DIAGONAL))
            for (size_t j = 0; j < m; j++)
                row[j] /= a[i * n + i];
    }
}

/* s [n,n] = -g x^T on the triangle of A, 0 elsewhere and on a unit diagonal; turned where
 * A was. g is the adjoint of b, x the solution, both [n,m]. */
static void solve_adjoint(size_t n, size_t m, const double *g, const double *x, double *s,
                          unsigned flags)
{
    const int turned = (flags & PPL_TRANSPOSED) != 0;
    const int upper = (flags & PPL_UPPER) != 0, unit = (flags & PPL_UNIT_DIAGONAL) != 0;
    memset(s, 0, n * n * sizeof *s);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            const double *left = turned ? x + i * m : g + i * m;
            const double *right = turned ? g + k * m : x + k * m;
            double sum = 0;
            if (i == k ? unit : (k > i) != upper)
                continue;
            for (size_t j = 0; j < m; j++)
                sum += left[j] * right[j];
            s[i * n + k] = -sum;
        }
}

typedef struct solve_sizes {
    size_t batches, n, m;
} solve_sizes;

static solve_sizes solve_sizes_of(const ppl_tensor *out)
{
    const size_t n = (size_t)out->shape.dim[out->shape.rank - 2], m = side(out);
    return (solve_sizes){ n * m > 0 ? (size_t)out->numel / (n * m) : 0, n, m };
}

static ppl_status solve_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    const ppl_tensor *a = inputs[0], *b = inputs[1];
    char text[2][PPL_SHAPE_TEXT];
    (void)attr;
    if (need_square(op, a, 0) != PPL_OK ||
        ppl__need_dtype(op->name, b, 1, *dtype) != PPL_OK)
        return ppl_error(a->ctx);
    if (b->shape.rank < 2 ||
        b->shape.dim[b->shape.rank - 2] != a->shape.dim[a->shape.rank - 1])
        return ppl_fail(a->ctx, PPL_ESHAPE, "%s: a matrix %s and a right-hand side %s; "
                        "as many rows as the matrix has are due", op->name,
                        ppl_shape_text(&a->shape, text[0]),
                        ppl_shape_text(&b->shape, text[1]));
    ppl_status status = ppl__broadcast_shape(op->name, inputs, count, 2, shape);
    shape->dim[shape->rank - 2] = b->shape.dim[b->shape.rank - 2];
    shape->dim[shape->rank - 1] = b->shape.dim[b->shape.rank - 1];
    return status;
}

/* 1 if every element of the diagonal can be divided by. */
static int diagonal_ok(const ppl_tensor *out, size_t batch, const double *a,
                       unsigned flags)
{
    const size_t n = side(out->input[0]);
    char text[PPL_SHAPE_TEXT + 8];
    for (size_t i = 0; i < n && !(flags & PPL_UNIT_DIAGONAL); i++)
        if (a[i * n + i] == 0) {
            ppl_fail(out->ctx, PPL_ESINGULAR, "triangular_solve: %s is singular: element "
                     "%zu of its diagonal is 0; if it is a Cholesky factor, a jitter on "
                     "the diagonal of what was factored mends it",
                     which(&out->shape, batch, text), i);
            return 0;
        }
    return 1;
}

static void solve_forward(ppl_tensor *out)
{
    ppl_ctx *c = out->ctx;
    const unsigned flags = *(const unsigned *)out->attr;
    const ppl_tensor *a = out->input[0], *b = out->input[1];
    const solve_sizes s = solve_sizes_of(out);
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    double *room = workspace(c, 1, s.n * (s.n + s.m)), *x = room + s.n * s.n;
    const double *before = NULL, *matrix = NULL;
    for (size_t i = 0; room && i < s.batches; i++) {
        const double *stands = ppl__matrix_at(out, a, a->data, i);
        if (stands != before)                   /* shared by a batch: converted once */
            matrix = doubles(c->dtype, stands, s.n * s.n, room);
        if (stands != before && !diagonal_ok(out, i, matrix, flags))
            break;
        before = stands;
        const double *right = doubles(c->dtype, ppl__matrix_at(out, b, b->data, i),
                                      s.n * s.m, x);
        if (right != x)
            memcpy(x, right, s.n * s.m * sizeof *x);
        solve(s.n, s.m, matrix, x, flags);
        put(c->dtype, s.n * s.m, x, ppl__at(out, out->data, i * s.n * s.m), 0);
    }
    ppl__arena_release(&c->data, mark);
}

static void solve_vjp(ppl_tensor *out, int input, void *grad)
{
    ppl_ctx *c = out->ctx;
    const unsigned flags = *(const unsigned *)out->attr;
    const ppl_tensor *a = out->input[0];
    const solve_sizes s = solve_sizes_of(out);
    const size_t nn = s.n * s.n, nm = s.n * s.m;
    ppl__arena_mark mark = ppl__arena_here(&c->data);
    double *room = workspace(c, 1, 2 * nn + 2 * nm);
    for (size_t i = 0; room && i < s.batches; i++) {
        double *g = room + 2 * nn, *x = g + nm;
        const double *adjoint = doubles(c->dtype, ppl__at(out, out->grad, i * nm), nm, g);
        if (all_zero(nm, adjoint))
            continue;
        if (adjoint != g)
            memcpy(g, adjoint, nm * sizeof *g);
        solve(s.n, s.m, doubles(c->dtype, ppl__matrix_at(out, a, a->data, i), nn, room),
              g, flags ^ PPL_TRANSPOSED);
        void *to = ppl__matrix_at(out, out->input[input], grad, i);
        if (input == 1) {
            put(c->dtype, nm, g, to, 1);
            continue;
        }
        solve_adjoint(s.n, s.m, g,
                      doubles(c->dtype, ppl__at(out, out->data, i * nm), nm, x),
                      room + nn, flags);
        put(c->dtype, nn, room + nn, to, 1);
    }
    ppl__arena_release(&c->data, mark);
}

static const ppl_op solve_row = {
    "triangular_solve", 2, 0, solve_shape, solve_forward, solve_vjp, NULL, NULL, NULL
};

ppl_tensor *ppl_triangular_solve(ppl_tensor *a, ppl_tensor *b, unsigned flags)
{
    return ppl_apply(&solve_row, (ppl_tensor *[]){ a, b }, 2, &flags, sizeof flags);
}

ppl_tensor *ppl_triangular_solve_vector(ppl_tensor *a, ppl_tensor *b, unsigned flags)
{
    ppl_shape shape = ppl_tensor_shape(b);
    ppl_tensor *x;
    if (!b || shape.rank == PPL_MAX_RANK) {
        if (b)
            ppl_fail(b->ctx, PPL_ESHAPE, "triangular_solve_vector: a right-hand side of "
                     "rank %d; one less is the most", PPL_MAX_RANK);
        return NULL;
    }
    shape.dim[shape.rank++] = 1;
    x = ppl_triangular_solve(a, ppl_reshape(b, shape), flags);
    shape = ppl_tensor_shape(x);
    return x ? ppl_reshape(x, (shape.rank--, shape.dim[shape.rank] = 0, shape)) : NULL;
}

ppl_tensor *ppl_triangular_log_det(ppl_tensor *a)
{
    return ppl_sum_last(ppl_log(ppl_abs(ppl_matrix_extract(a, PPL_DIAGONAL))), 1);
}
