/* SPDX-License-Identifier: MIT */
/*
 * sparse_rows.c - products with data that are mostly zeros, as notes, words and categories
 * are: a row of the product is a sum of few rows of a matrix, so that of 8 in 100 elements
 * an eighth of the time is left of a dense product's at full speed.
 */
#include "ops.h"

/* Fewer rows are not worth turning a matrix for; fewer columns not a loop for each element. */
enum { LEAST_ROWS = 64, LEAST_COLUMNS = 64, SHARE = 8 };

/* Elements in a line of the cache: columns are cut there. */
static size_t in_line(ppl_dtype dtype)
{
    return 64 / ppl__dtype_size(dtype);
}

static double element(ppl_dtype dtype, const void *x, size_t i)
{
    return dtype == PPL_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

int ppl__is_sparse(ppl_dtype dtype, size_t rows, size_t columns, size_t k, const void *x)
{
    const size_t all = rows * k;
    size_t set = 0;
    if (rows < LEAST_ROWS || columns < LEAST_COLUMNS)
        return 0;
    for (size_t i = 0; i < all && set <= all / SHARE; i++)
        set += element(dtype, x, i) != 0;
    return set <= all / SHARE;
}

/* Rows of y [..,columns] = x [..,k] b [k,columns], or columns of b += x^T y; the other. */
typedef struct sparse_product {
    ppl_ctx *ctx;
    size_t rows, columns, k;
    const void *x;
    char *y, *b;
} sparse_product;

static void multiply_rows(void *arg, size_t from, size_t to)
{
    const sparse_product *p = arg;
    const ppl__kernels *kernels = p->ctx->kernels;
    const size_t line = p->columns * ppl__dtype_size(p->ctx->dtype);
    for (size_t r = from; r < to; r++) {
        int begun = 0;
        for (size_t i = 0; i < p->k; i++) {
            const double x = element(p->ctx->dtype, p->x, r * p->k + i);
            if (x == 0)
                continue;
            if (begun)
                kernels->axpy(p->columns, x, p->b + i * line, p->y + r * line);
            else
                kernels->affine(p->columns, x, 0, p->b + i * line, p->y + r * line);
            begun = 1;
        }
        if (!begun)
            kernels->fill(p->columns, 0, p->y + r * line);
    }
}

void ppl__sparse_multiply(ppl_ctx *c, size_t rows, size_t columns, size_t k, const void *x,
                          const void *weight, void *y)
{
    const ppl__arena_mark mark = ppl__arena_here(&c->data);
    void *turned = ppl__arena_alloc(&c->data, k * columns * ppl__dtype_size(c->dtype));
    if (!turned)
        return;
    c->kernels->transpose(columns, k, weight, turned);
    ppl_maths_split(c, rows, 40000 / (columns * (k / SHARE + 1)) + 1, multiply_rows,
                    &(sparse_product){ c, rows, columns, k, x, y, turned });
    ppl__arena_release(&c->data, mark);
}

/* Rows whose adjoint is all zero do not enter, whatever x holds. */
static void add_columns(void *arg, size_t from, size_t to)
{
    const sparse_product *p = arg;
    const ppl_dtype dtype = p->ctx->dtype;
    const size_t size = ppl__dtype_size(dtype), first = from * in_line(dtype);
    const size_t end = to * in_line(dtype) < p->columns ? to * in_line(dtype) : p->columns;
    for (size_t begin, stop = 0;
         ppl__next_run(dtype, p->rows, p->columns, p->y, p->columns, &begin, &stop);)
        for (size_t i = begin * p->k; i < stop * p->k; i++) {
            const double x = element(dtype, p->x, i);
            if (x != 0)
                p->ctx->kernels->axpy(end - first, x,
                                      p->y + (i / p->k * p->columns + first) * size,
                                      p->b + (i % p->k * p->columns + first) * size);
        }
}

void ppl__sparse_add_outer(ppl_ctx *c, size_t rows, size_t columns, size_t k, const void *d,
                           const void *x, void *grad)
{
    const ppl__arena_mark mark = ppl__arena_here(&c->data);
    const size_t size = ppl__dtype_size(c->dtype), lines = in_line(c->dtype);
    char *sum = ppl__arena_alloc(&c->data, 2 * k * columns * size);
    if (!sum)
        return;
    c->kernels->fill(k * columns, 0, sum);
    ppl_maths_split(c, (columns + lines - 1) / lines, 40000 / (rows * (k / SHARE + 1)) + 1,
                    add_columns,
                    &(sparse_product){ c, rows, columns, k, x, (char *)(uintptr_t)d, sum });
    c->kernels->transpose(k, columns, sum, sum + k * columns * size);
    c->kernels->add(k * columns, sum + k * columns * size, grad);
    ppl__arena_release(&c->data, mark);
}
