/* SPDX-License-Identifier: MIT */
/*
 * outer_sum.c - sums of outer products over rows that come in pieces (kiln/maths.h): the
 * gradient of a weight. Rows are noted until there are as many as a product runs at full
 * speed with and the caches hold, then copied side by side in the panels that it reads them
 * from, and multiplied.
 */
#include "ops.h"

/* UNIT: so that products of few shapes do. */
enum { ROOM = PPL__TOGETHER, UNIT = 8 };

struct ppl_outer_sum {
    ppl_ctx *ctx;
    size_t m, n, rows;
    const void *d_row[ROOM], *x_row[ROOM];
    void *d, *x, *sum;              /* panels of d and of x */
    int turned;                     /* the sum is that of x_r^T d_r */
};

static int all_zero(ppl_dtype dtype, size_t n, const void *row)
{
    size_t i = 0;
    if (dtype == PPL_F32)
        while (i < n && ((const float *)row)[i] == 0)
            i++;
    else
        while (i < n && ((const double *)row)[i] == 0)
            i++;
    return i == n;
}

int ppl__next_run(ppl_dtype dtype, size_t rows, size_t n, const void *d, size_t ldd,
                  size_t *from, size_t *to)
{
    size_t row = ldd * ppl__dtype_size(dtype);
    const char *first = d;
    for (*from = *to; *from < rows && all_zero(dtype, n, first + *from * row);)
        ++*from;
    for (*to = *from; *to < rows && !all_zero(dtype, n, first + *to * row);)
        ++*to;
    return *from < rows;
}

static int d_side(const ppl_outer_sum *o)
{
    return o->turned ? PPL__PANEL_B : PPL__PANEL_A;
}

static void pack_rows(void *arg, size_t from, size_t to)
{
    const ppl_outer_sum *o = arg;
    const ppl_ctx *c = o->ctx;
    for (size_t r = from; r < to; r++) {
        ppl__gemm_pack(c->gemm, c->dtype, d_side(o), 1, o->m, o->d_row[r], o->m, ROOM, r,
                       o->d);
        ppl__gemm_pack(c->gemm, c->dtype, !d_side(o), 1, o->n, o->x_row[r], o->n, ROOM, r,
                       o->x);
    }
}

static void multiply(ppl_outer_sum *o)
{
    ppl_ctx *c = o->ctx;
    size_t padding = (UNIT - o->rows % UNIT) % UNIT;
    if (o->rows == 0)
        return;
    ppl_maths_split(c, o->rows, 8000 / (o->m + o->n) + 1, pack_rows, o);
    ppl__gemm_pack_zeros(c->gemm, c->dtype, d_side(o), padding, o->m, ROOM, o->rows, o->d);
    ppl__gemm_pack_zeros(c->gemm, c->dtype, !d_side(o), padding, o->n, ROOM, o->rows, o->x);
    ppl__product p = { c->dtype, 1, 0, 1, 1, o->m, o->n, o->rows + padding, o->d, o->x,
                       o->sum, ROOM, ROOM, o->n };
    if (o->turned) {
        p.m = o->n;
        p.n = p.ldc = o->m;
        p.a = o->x;
        p.b = o->d;
    }
    ppl__gemm_run(c->gemm, &p);
    o->rows = 0;
}

ppl_outer_sum *ppl__outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum, int turned)
{
    size_t size = ppl__dtype_size(c->dtype);
    ppl_outer_sum *o = ppl__arena_alloc(&c->data, sizeof *o);
    void *d = o ? ppl__arena_alloc(&c->data, ROOM * m * size) : NULL;
    void *x = d ? ppl__arena_alloc(&c->data, ROOM * n * size) : NULL;
    if (!x)
        return NULL;
    o->ctx = c;
    o->m = m;
    o->n = n;
    o->rows = 0;
    o->d = d;
    o->x = x;
    o->sum = sum;
    o->turned = turned;
    return o;
}

ppl_outer_sum *ppl_outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum)
{
    return ppl__outer_sum_begin(c, m, n, sum, 0);
}

void ppl_outer_sum_add(ppl_outer_sum *o, size_t rows, const void *d, size_t ldd, const void *x,
                   size_t ldx)
{
    if (!o)
        return;
    ppl_dtype dtype = o->ctx->dtype;
    const char *d_row = d, *x_row = x;
    size_t size = ppl__dtype_size(dtype);
    for (size_t from, to = 0; ppl__next_run(dtype, rows, o->m, d, ldd, &from, &to);)
        for (; from < to; from++) {
            o->d_row[o->rows] = d_row + from * ldd * size;
            o->x_row[o->rows++] = x_row + from * ldx * size;
            if (o->rows == ROOM)
                multiply(o);
        }
}

void ppl_outer_sum_end(ppl_outer_sum *o)
{
    if (o)
        multiply(o);
}
