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
    int first;                      /* the sum holds nothing yet */
    int turned;                     /* the sum is that of x_r^T d_r */
    int later;                      /* products are jobs, in whose rooms d and x are */
};

/* What a job is told, before its panels. */
typedef struct told {
    _Alignas(64) ppl__gemm *gemm;
    ppl__product product;
} told;

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
    ppl__gemm_pack(c->gemm, c->dtype, d_side(o), to - from, o->m, o->d_row + from, ROOM, from,
                   o->d);
    ppl__gemm_pack(c->gemm, c->dtype, !d_side(o), to - from, o->n, o->x_row + from, ROOM,
                   from, o->x);
}

static void run_told(void *room)
{
    const told *t = room;
    ppl__gemm_run_alone(t->gemm, &t->product);
}

/* Room for the panels of a job; 0 if there is no memory. */
static int make_room(ppl_outer_sum *o)
{
    size_t size = ppl__dtype_size(o->ctx->dtype), d = (ROOM * o->m * size + 63) / 64 * 64;
    told *t = ppl__job_room(o->ctx, sizeof *t + d + ROOM * o->n * size);
    if (!t)
        return 0;
    o->d = t + 1;
    o->x = (char *)(t + 1) + d;
    return 1;
}

static void multiply(ppl_outer_sum *o)
{
    ppl_ctx *c = o->ctx;
    const size_t rows = o->rows, padding = (UNIT - rows % UNIT) % UNIT;
    o->rows = 0;
    if (rows == 0 || (o->later && !make_room(o)))
        return;
    ppl_maths_split(c, rows, 8000 / (o->m + o->n) + 1, pack_rows, o);
    ppl__gemm_pack_zeros(c->gemm, c->dtype, d_side(o), padding, o->m, ROOM, rows, o->d);
    ppl__gemm_pack_zeros(c->gemm, c->dtype, !d_side(o), padding, o->n, ROOM, rows, o->x);
    ppl__product p = { c->dtype, 1, 0, !o->first, 1, o->m, o->n, rows + padding, o->d, o->x,
                       o->sum, ROOM, ROOM, o->n };
    if (o->turned) {
        p.m = o->n;
        p.n = p.ldc = o->m;
        p.a = o->x;
        p.b = o->d;
    }
    o->first = 0;
    if (!o->later) {
        ppl__gemm_run(c->gemm, &p);
        return;
    }
    *((told *)o->d - 1) = (told){ c->gemm, p };
    ppl__job_start(c, run_told, o->sum);
}

ppl_outer_sum *ppl__outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum, int turned,
                                    int later, int first)
{
    size_t size = ppl__dtype_size(c->dtype);
    ppl_outer_sum *o = ppl__arena_alloc(&c->data, sizeof *o);
    void *d = o && !later ? ppl__arena_alloc(&c->data, ROOM * m * size) : NULL;
    void *x = d ? ppl__arena_alloc(&c->data, ROOM * n * size) : NULL;
    if (!o || (!x && !later))
        return NULL;
    o->ctx = c;
    o->m = m;
    o->n = n;
    o->rows = 0;
    o->d = d;
    o->x = x;
    o->sum = sum;
    o->turned = turned;
    o->later = later;
    o->first = first;
    return o;
}

ppl_outer_sum *ppl_outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum)
{
    return ppl__outer_sum_begin(c, m, n, sum, 0, 0, 0);
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

void ppl__outer_sum_share(ppl_outer_sum *o)
{
    ppl__jobs_finish(o->ctx, o->sum);
    if (o->first)
        o->ctx->kernels->fill(o->m * o->n, 0, o->sum);
    o->first = 0;
}

void ppl_outer_sum_end(ppl_outer_sum *o)
{
    if (!o)
        return;
    multiply(o);
    if (o->first)
        ppl__outer_sum_share(o);
}
