/* SPDX-License-Identifier: MIT */
/*
 * gemm.c - matrix products.
 *
 * Row-major C = A B is column-major C^T = B^T A^T, so what LIBXSMM calls A is our B: its
 * m, n are our columns n and rows m. Its kernels are compiled at run time for one shape;
 * a product is cut into blocks of few shapes, and the kernels met last are kept here (its
 * own registry, which is shared by the process, keeps all).
 *
 * GF/s on one core of a Xeon with AVX-512 (peak about 175 and 88), m x n x k, tn with A
 * and nt with B transposed; OpenBLAS 0.3.21 at its AVX-512 kernels (at its AVX2 ones,
 * which it picks on processors newer than itself, 75 and 100 in place of 100 and 157):
 *
 *                       f32 here   BLAS      f64 here   BLAS
 *      1x600x600              47     44             9      9
 *      5x600x600             135     39            41     16
 *     20x600x600             155    100            69     43
 *     20x100x600             149     83            77     40
 *     20x600x100             168    100            86     50
 *     20x200x100             164    149            88     84
 *     20x88x100              157    135            88     80
 *     20x600x600 nt           85     68            40     43
 *   1200x600x88              166    141            86     64
 *   1200x600x600             162    157            76     66
 *    600x600x1200 tn         143    155            68     67
 *     88x600x1200 tn         154    135            75     61
 *    600x88x1200 tn          143    128            75     54
 *   1024x1024x1024           150    148            57     71
 *
 * Hence LIBXSMM below 10^9 multiplications and the BLAS from there on; without AVX-512
 * LIBXSMM is ahead (87 to 75) for few rows only and behind (86 to 101) for many. What
 * LIBXSMM calls A cannot be transposed: such a B is packed, 0.12 to 0.2 ns an element.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "impl.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

#if defined(HAVE_LIBXSMM) && defined(PPL__X86)
#define USE_LIBXSMM
#include <libxsmm.h>
#endif

#define TINY 64                     /* multiplications, below which plain loops win */

typedef ppl__product product;

static const char *at(ppl_dtype dtype, const void *elements, size_t i)
{
    return (const char *)elements + i * ppl__dtype_size(dtype);
}

#ifdef USE_LIBXSMM
/* Blocks are at most ROWS by 64 (of float, 32 of double) by DEPTH. */
enum { SLOTS = 2048, ROWS = 45, DEPTH = 256 };

typedef struct shape {
    int rows, columns, depth, lda, ldb, ldc, dtype, transposed_a, accumulate;
} shape;

typedef struct slot {
    shape shape;
    libxsmm_xmmfunction kernel;
} slot;
#endif

struct ppl__gemm {
    void (*watch)(void *user, const product *p);
    void *watch_user;
#ifdef USE_LIBXSMM
    int wide;                       /* kernels use AVX and leave the upper halves dirty,
                                     * which would cost the next SSE instruction 100 ns */
    double large;                   /* multiplications, from which on the BLAS wins */
    slot slot[SLOTS];               /* by hash of the shape; the newest stays */
    double packed[DEPTH * 32];      /* a block of B as it should have stood */
#endif
};

ppl__gemm *ppl__gemm_new(ppl_ctx *c)
{
    ppl__gemm *g = ppl__realloc(c, NULL, 0, sizeof *g);

    if (g == NULL)
        return NULL;
    memset(g, 0, sizeof *g);
#ifdef USE_LIBXSMM
    g->wide = __builtin_cpu_supports("avx");
    g->large = __builtin_cpu_supports("avx512f") ? 1e9 : 2e7;
#endif
    return g;
}

void ppl__gemm_free(ppl_ctx *c, ppl__gemm *g)
{
    ppl__free(c, g, sizeof *g);
}

/* ---- Without help, and the BLAS ---------------------------------------------------- */

#define PLAIN(type)                                                                      \
    static void plain_##type(const product *p)                                           \
    {                                                                                    \
        const type *a = p->a, *b = p->b;                                                 \
        type *c = p->c;                                                                  \
        size_t a_row = p->transposed_a ? 1 : p->lda;                                     \
        size_t b_row = p->transposed_b ? 1 : p->ldb;                                     \
        size_t a_column = p->transposed_a ? p->lda : 1;                                  \
        size_t b_column = p->transposed_b ? p->ldb : 1;                                  \
        for (size_t i = 0; i < p->m; i++)                                                \
            for (size_t j = 0; j < p->n; j++) {                                          \
                type sum = p->accumulate ? c[i * p->ldc + j] : 0;                        \
                for (size_t l = 0; l < p->k; l++)                                        \
                    sum += a[i * a_row + l * a_column] * b[l * b_row + j * b_column];    \
                c[i * p->ldc + j] = sum;                                                 \
            }                                                                            \
    }
PLAIN(float)
PLAIN(double)

static void plain(const product *p)
{
    if (p->dtype == PPL_F64)
        plain_double(p);
    else
        plain_float(p);
}

static void blas(const product *p)
{
    int m = (int)p->m, n = (int)p->n, k = (int)p->k;
    int lda = (int)p->lda, ldb = (int)p->ldb, ldc = (int)p->ldc;

#define GEMM(name)                                                                       \
    name(CblasRowMajor, p->transposed_a ? CblasTrans : CblasNoTrans,                     \
         p->transposed_b ? CblasTrans : CblasNoTrans, m, n, k, 1, p->a, lda, p->b, ldb,  \
         p->accumulate ? 1 : 0, p->c, ldc)
    if (p->dtype == PPL_F64)
        GEMM(cblas_dgemm);
    else
        GEMM(cblas_sgemm);
#undef GEMM
}

/* ---- LIBXSMM ----------------------------------------------------------------------- */

#ifdef USE_LIBXSMM
/* The kernel of p as a block; its xmm is NULL where LIBXSMM has none. */
static libxsmm_xmmfunction kernel_for(ppl__gemm *g, const product *p)
{
    const shape s = { (int)p->m,   (int)p->n,     (int)p->k,       (int)p->lda, (int)p->ldb,
                      (int)p->ldc, (int)p->dtype, p->transposed_a, p->accumulate };
    unsigned hash = (unsigned)s.rows * 2654435761u ^ (unsigned)s.columns * 2246822519u ^
                    (unsigned)s.depth * 3266489917u ^ (unsigned)s.lda * 668265263u ^
                    (unsigned)s.ldb * 374761393u ^ (unsigned)s.ldc * 2869860233u ^
                    (unsigned)(s.dtype * 4 + s.transposed_a * 2 + s.accumulate) << 23;
    slot *found = &g->slot[(hash ^ hash >> 16) % SLOTS];

    if (memcmp(&found->shape, &s, sizeof s) != 0) {
        libxsmm_descriptor_blob blob;
        libxsmm_gemm_descriptor *d = libxsmm_gemm_descriptor_dinit(
            &blob,
            s.dtype == PPL_F64 ? LIBXSMM_GEMM_PRECISION_F64 : LIBXSMM_GEMM_PRECISION_F32,
            s.columns, s.rows, s.depth, s.ldb, s.lda, s.ldc, 1, s.accumulate,
            s.transposed_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE,
            LIBXSMM_GEMM_PREFETCH_NONE);
        found->kernel = libxsmm_xmmdispatch(d);
        found->shape = s;
    }
    return found->kernel;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The block's length when `n` is cut evenly into as few as possible of at most `most`,
 * and a multiple of `unit` if that is less than n. */
static size_t cut(size_t n, size_t most, size_t unit)
{
    size_t blocks = (n + most - 1) / most, even = (n + blocks - 1) / blocks;

    return least(n, (even + unit - 1) / unit * unit);
}

/* Columns of a block of so many rows: the width (in vectors of 16 floats) at which the
 * most of the 32 registers accumulate, the smaller one if it is close; a kernel takes up
 * to 14, 9 or 5 rows at a time beside 2, 3 or 4 vectors, and spreads the rows evenly. */
static size_t block_columns(ppl_dtype dtype, size_t rows)
{
    static const size_t limit[] = { 14, 9, 5 };
    size_t best = 0, columns = 0;

    if (dtype == PPL_F64)
        return 32;
    for (size_t i = 0; i < 3; i++) {
        size_t vectors = i + 2, passes = (rows + limit[i] - 1) / limit[i];
        size_t accumulators = (rows + passes - 1) / passes * vectors;
        if (10 * accumulators > 11 * best) {
            best = accumulators;
            columns = 16 * vectors;
        }
    }
    return columns;
}

/* Rows i to i + m, columns j to j + n and terms l to l + k of p. */
static product part(const product *p, size_t i, size_t m, size_t j, size_t n, size_t l,
                    size_t k)
{
    product q = *p;

    q.m = m;
    q.n = n;
    q.k = k;
    q.a = at(p->dtype, p->a, p->transposed_a ? l * p->lda + i : i * p->lda + l);
    q.b = at(p->dtype, p->b, p->transposed_b ? j * p->ldb + l : l * p->ldb + j);
    q.c = (char *)(uintptr_t)at(p->dtype, p->c, i * p->ldc + j);
    q.accumulate = p->accumulate || l > 0;
    return q;
}

/* A strip of rows of p, block by block; a kernel is looked up where the width changes. */
static void strip(ppl__gemm *g, const product *p, size_t columns)
{
    libxsmm_xmmfunction kernel = { NULL };

    for (size_t j = 0, width = 0; j < p->n; j += columns) {
        product q = part(p, 0, p->m, j, least(columns, p->n - j), 0, p->k);

        if (q.n != width)
            kernel = kernel_for(g, &q);
        width = q.n;
        if (kernel.xmm != NULL)
            kernel.xmm(q.b, q.a, q.c);
        else
            blas(&q);
    }
}

/* The same with B transposed: column by column of blocks, its part of B packed first. */
static void by_columns(ppl__gemm *g, const product *p, size_t rows, size_t columns)
{
    const ppl__kernels *kernels = ppl__kernels_for(p->dtype);

    for (size_t j = 0; j < p->n; j += columns) {
        product q = part(p, 0, p->m, j, least(columns, p->n - j), 0, p->k);

        kernels->transpose_from(q.n, q.k, q.b, q.ldb, g->packed);
        q.b = g->packed;
        q.ldb = q.n;
        q.transposed_b = 0;
        for (size_t i = 0; i < q.m; i += rows) {
            product block = part(&q, i, least(rows, q.m - i), 0, q.n, 0, q.k);
            strip(g, &block, columns);
        }
    }
}

/* With A transposed, k counts rows of data, which differ from call to call: of many, the
 * rest is cut at 16 so that few kernels serve them all. Otherwise it is a layer's width. */
static void with_libxsmm(ppl__gemm *g, const product *p)
{
    size_t depth = p->transposed_a && p->k > DEPTH ? 192 : cut(p->k, DEPTH, 8), k;
    size_t rows = cut(p->m, ROWS, 9), columns = block_columns(p->dtype, rows);

    for (size_t l = 0; l < p->k; l += k) {
        product q;

        k = least(depth, p->k - l);
        if (p->transposed_a && p->k > DEPTH && k < depth && k > 16)
            k -= k % 16;
        q = part(p, 0, p->m, 0, p->n, l, k);
        if (p->transposed_b)
            by_columns(g, &q, rows, columns);
        else
            for (size_t i = 0; i < p->m; i += rows) {
                product block = part(&q, i, least(rows, p->m - i), 0, p->n, 0, k);
                strip(g, &block, columns);
            }
    }
    if (g->wide)
        __asm__ volatile("vzeroupper" ::: "memory", "xmm0", "xmm1", "xmm2", "xmm3",
                         "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                         "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}
#endif

/* ---- The product ------------------------------------------------------------------- */

void ppl__gemm_watch(ppl__gemm *g, void (*watch)(void *user, const product *p),
                     void *user)
{
    g->watch = watch;
    g->watch_user = user;
}

void ppl__gemm_run(ppl__gemm *g, const product *p)
{
    double work = (double)p->m * (double)p->n * (double)p->k;
    const size_t most = INT_MAX;

    if (g->watch != NULL)
        g->watch(g->watch_user, p);
    if (work < TINY || p->m > most || p->n > most || p->k > most || p->lda > most ||
        p->ldb > most || p->ldc > most)
        plain(p);
#ifdef USE_LIBXSMM
    /* For a row or two, packing would cost more than the product. */
    else if (work < g->large && (p->m > 2 || !p->transposed_b))
        with_libxsmm(g, p);
#endif
    else
        blas(p);
}
