/* SPDX-License-Identifier: MIT */
/*
 * floor.c - recording the products of a context, and running them again (floor.h).
 *
 * All take their operands from the same three places, which so stay as near to the core
 * as their size allows: the arithmetic is measured, not the way to the memory.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "floor.h"

#include "bench.h"
#include "runtime/impl.h"

#include <cblas.h>
#include <string.h>

enum { OURS, BLAS, GEMMS };
enum { SHAPES = 4096 };

typedef struct shape {
    ppl__product like;
    size_t count;
    double seconds[GEMMS];          /* of one, the fastest of some */
} shape;

struct gemm_floor {
    ppl_ctx *ctx;
    ppl__product *product;
    int *shape_of;
    size_t count, capacity;
    shape *shape;
    int shapes, failed;
    void *a, *b, *c;                /* the operands of all */
};

static size_t element(const ppl__product *p)
{
    return ppl__dtype_size(p->dtype);
}

static size_t bytes_of(const ppl__product *p, size_t lines, size_t length, size_t ld)
{
    return ((lines - 1) * ld + length) * element(p);
}

/* What is in panels has no gaps but at the end. */
static size_t bytes_a(const ppl__product *p)
{
    if (p->panels && p->transposed_a)
        return bytes_of(p, p->lda, p->m, p->m);
    return p->transposed_a ? bytes_of(p, p->k, p->m, p->lda)
                           : bytes_of(p, p->m, p->k, p->lda);
}

static size_t bytes_b(const ppl__product *p)
{
    if (p->panels)
        return bytes_of(p, p->ldb, p->n, p->n);
    return p->transposed_b ? bytes_of(p, p->n, p->k, p->ldb)
                           : bytes_of(p, p->k, p->n, p->ldb);
}

static size_t bytes_c(const ppl__product *p)
{
    return bytes_of(p, p->m, p->n, p->ldc);
}

static double flop(const ppl__product *p)
{
    return 2 * (double)p->m * (double)p->n * (double)p->k;
}

/* ---- Recording --------------------------------------------------------------------- */

static void note(void *user, const ppl__product *p)
{
    gemm_floor *f = user;

    if (p->m == 0 || p->n == 0 || p->k == 0)
        return;
    if (f->count == f->capacity) {
        size_t larger = f->capacity != 0 ? 2 * f->capacity : 4096;
        void *block = realloc(f->product, larger * sizeof *f->product);

        if (block == NULL) {
            f->failed = 1;
            return;
        }
        f->product = block;
        f->capacity = larger;
    }
    f->product[f->count++] = *p;
}

gemm_floor *floor_record(ppl_ctx *c)
{
    gemm_floor *f = calloc(1, sizeof *f);

    if (f != NULL) {
        f->ctx = c;
        ppl__gemm_watch(c->gemm, note, f);
    }
    return f;
}

void floor_free(gemm_floor *f)
{
    if (f == NULL)
        return;
    free(f->product);
    free(f->shape_of);
    free(f->shape);
    free(f->a);
    free(f->b);
    free(f->c);
    free(f);
}

/* ---- Operands ---------------------------------------------------------------------- */

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void *numbers(ppl_dtype dtype, size_t size)
{
    const size_t all = (size + 63) / 64 * 64;
    uint64_t state = 1;
    char *block = aligned_alloc(64, all);

    for (size_t i = 0; block != NULL && i < all / ppl__dtype_size(dtype); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (dtype == PPL_F64)
            ((double *)(void *)block)[i] = (double)(state >> 32) * 0x1p-32 - 0.5;
        else
            ((float *)(void *)block)[i] = (float)(state >> 40) * 0x1p-24f - 0.5f;
    }
    return block;
}

static int make_operands(gemm_floor *f)
{
    size_t a = 0, b = 0, c = 0;

    for (size_t i = 0; i < f->count; i++) {
        a = most(a, bytes_a(&f->product[i]));
        b = most(b, bytes_b(&f->product[i]));
        c = most(c, bytes_c(&f->product[i]));
    }
    f->a = numbers(f->ctx->dtype, a);
    f->b = numbers(f->ctx->dtype, b);
    f->c = numbers(f->ctx->dtype, c);
    for (size_t i = 0; i < f->count; i++) {
        f->product[i].a = f->a;
        f->product[i].b = f->b;
        f->product[i].c = f->c;
    }
    return f->a != NULL && f->b != NULL && f->c != NULL ? 0 : -1;
}

/* ---- Which GEMM -------------------------------------------------------------------- */

/* Of panels it knows nothing: the same product of matrices that stand row by row. */
static void by_blas(const ppl__product *p)
{
    int lda = (int)(p->panels && p->transposed_a ? p->m : p->lda);
    int ldb = (int)(p->panels ? p->n : p->ldb);
    CBLAS_TRANSPOSE a = p->transposed_a ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE b = p->transposed_b ? CblasTrans : CblasNoTrans;

    if (p->dtype == PPL_F64)
        cblas_dgemm(CblasRowMajor, a, b, (int)p->m, (int)p->n, (int)p->k, 1, p->a,
                    lda, p->b, ldb, p->accumulate, p->c, (int)p->ldc);
    else
        cblas_sgemm(CblasRowMajor, a, b, (int)p->m, (int)p->n, (int)p->k, 1, p->a,
                    lda, p->b, ldb, (float)p->accumulate, p->c, (int)p->ldc);
}

static void run(const gemm_floor *f, const ppl__product *p, int gemm)
{
    if (gemm == OURS)
        ppl__gemm_run(f->ctx->gemm, p);
    else
        by_blas(p);
}

static int same_shape(const ppl__product *p, const ppl__product *q)
{
    return p->m == q->m && p->n == q->n && p->k == q->k && p->lda == q->lda &&
           p->ldb == q->ldb && p->ldc == q->ldc && p->dtype == q->dtype &&
           p->transposed_a == q->transposed_a && p->transposed_b == q->transposed_b &&
           p->accumulate == q->accumulate && p->panels == q->panels;
}

static int number_shapes(gemm_floor *f)
{
    f->shape = calloc(SHAPES, sizeof *f->shape);
    f->shape_of = calloc(f->count, sizeof *f->shape_of);
    if (f->shape == NULL || f->shape_of == NULL)
        return -1;
    for (size_t i = 0; i < f->count; i++) {
        int s = 0;

        while (s < f->shapes && !same_shape(&f->shape[s].like, &f->product[i]))
            s++;
        if (s == SHAPES)
            return -1;
        f->shapes += s == f->shapes;
        f->shape[s].like = f->product[i];
        f->shape[s].count++;
        f->shape_of[i] = s;
    }
    return 0;
}

/* Some runs of at least 50 us each; the fastest of them. */
static double time_one(const gemm_floor *f, const ppl__product *p, int gemm)
{
    int repeats = 1 + (int)(5e6 / flop(p));
    double best = 1e30;

    for (int i = 0; i < 5; i++) {
        double start = bench_now(), seconds;

        for (int k = 0; k < repeats; k++)
            run(f, p, gemm);
        seconds = (bench_now() - start) / repeats;
        best = i > 0 && seconds < best ? seconds : best;
    }
    return best;
}

int floor_finish(gemm_floor *f)
{
    ppl__gemm_watch(f->ctx->gemm, NULL, NULL);
    if (f->failed || f->count == 0 || make_operands(f) != 0 || number_shapes(f) != 0)
        return -1;
    for (int s = 0; s < f->shapes; s++)
        for (int gemm = 0; gemm < GEMMS; gemm++)
            f->shape[s].seconds[gemm] = time_one(f, &f->shape[s].like, gemm);
    return 0;
}

/* ---- Running ----------------------------------------------------------------------- */

static int fastest(const shape *s)
{
    return s->seconds[BLAS] < s->seconds[OURS] ? BLAS : OURS;
}

double floor_run(gemm_floor *f)
{
    double start = bench_now();

    for (size_t i = 0; i < f->count; i++)
        run(f, &f->product[i], fastest(&f->shape[f->shape_of[i]]));
    return bench_now() - start;
}

double floor_gflop(const gemm_floor *f)
{
    double sum = 0;

    for (size_t i = 0; i < f->count; i++)
        sum += flop(&f->product[i]);
    return 1e-9 * sum;
}

static int by_cost(const void *a, const void *b)
{
    const shape *x = a, *y = b;
    double cx = (double)x->count * x->seconds[fastest(x)];
    double cy = (double)y->count * y->seconds[fastest(y)];

    return (cx < cy) - (cx > cy);
}

void floor_print(const gemm_floor *f, FILE *out)
{
    shape *sorted = calloc((size_t)f->shapes, sizeof *sorted);

    if (sorted == NULL)
        return;
    memcpy(sorted, f->shape, (size_t)f->shapes * sizeof *sorted);
    qsort(sorted, (size_t)f->shapes, sizeof *sorted, by_cost);
    fprintf(out, "%-6s %-24s %8s %8s %8s %9s\n", "", "m x n x k", "count", "here", "BLAS",
            "ms in all");
    for (int s = 0; s < f->shapes; s++) {
        const ppl__product *p = &sorted[s].like;
        char size[64];

        snprintf(size, sizeof size, "%zux%zux%zu", p->m, p->n, p->k);
        fprintf(out, "%c%c %-3s %-24s %8zu %8.1f %8.1f %9.2f\n", p->transposed_a ? 't' : 'n',
                p->transposed_b ? 't' : 'n', p->accumulate ? "+=" : "=", size,
                sorted[s].count, 1e-9 * flop(p) / sorted[s].seconds[OURS],
                1e-9 * flop(p) / sorted[s].seconds[BLAS],
                1e3 * (double)sorted[s].count * sorted[s].seconds[fastest(&sorted[s])]);
    }
    free(sorted);
}
