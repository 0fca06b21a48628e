/* SPDX-License-Identifier: MIT */
/*
 * gemm.c - matrix products.
 *
 * Row-major C = A B is column-major C^T = B^T A^T, so what LIBXSMM calls A is our B: its
 * m, n are our columns n and rows m. Its kernels are compiled at run time for one shape;
 * a product is cut into blocks of few shapes, and the kernels met last are kept here (its
 * own registry, which is shared by the process, keeps all).
 *
 * An operand that is used often, or copied anyway, is laid out in panels: the columns of a
 * block side by side, row after row, so that a kernel reads memory in order. That is worth
 * 10 % for B and 20 % where A is transposed too (20x600x600 from 145 to 160 GF/s, 1x100x600
 * from 33 to 65, 600x600x184 tn from 164 to 193; with AVX2 alone, of 102 GF/s at most, from
 * 83 to 96, 23 to 32 and 77 to 92). Without LIBXSMM or AVX2 there is one panel, as wide as
 * the matrix: the matrix as it stands.
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
 * Hence LIBXSMM below 10^9 multiplications and the BLAS from there on; without AVX-512 and
 * panels LIBXSMM is ahead (87 to 75) for few rows only and behind (86 to 101) for many.
 * What LIBXSMM calls A cannot be transposed: such a B is packed, 0.12 to 0.2 ns an element.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "impl.h"

#include <cblas.h>
#include <limits.h>
#include <stdatomic.h>
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
enum { SLOTS = 4096, NEXT = 4, ROWS = 45, DEPTH = 256 };
/* Those of panels: B_BYTES of B; where A stands as it is, at most PANEL_ROWS. */
enum { B_BYTES = 128, PANEL_ROWS = 42, PANEL_DEPTH = 640 };

/* Columns of a panel of a transposed A, and terms at a time: with 32 registers, with 16. */
typedef struct tile {
    size_t width, depth;
} tile;
static const tile tile_avx512 = { 28, PANEL_DEPTH }, tile_avx2 = { 36, 96 };

/* What a kernel is made for; 0 is nothing. */
typedef struct key {
    uint64_t low, high;
} key;

/* Filled once, by the thread that finds it empty. */
enum { EMPTY, FILLING, FILLED };
typedef struct slot {
    _Atomic int state;              /* EMPTY, FILLING or FILLED */
    key key;
    libxsmm_xmmfunction kernel;
} slot;
#endif

struct ppl__gemm {
    ppl_ctx *ctx;
    void (*watch)(void *user, const product *p);
    void *watch_user;
#ifdef USE_LIBXSMM
    int wide;                       /* kernels use AVX and leave the upper halves dirty,
                                     * which would cost the next SSE instruction 100 ns */
    const tile *panels;             /* of a transposed A; NULL: there are no panels */
    double large;                   /* multiplications, from which on the BLAS wins */
    slot slot[SLOTS];               /* by hash of the key, or one of the NEXT after it */
#endif
};

ppl__gemm *ppl__gemm_new(ppl_ctx *c)
{
    ppl__gemm *g = ppl__realloc(c, NULL, 0, sizeof *g);

    if (g == NULL)
        return NULL;
    memset(g, 0, sizeof *g);
    g->ctx = c;
#ifdef USE_LIBXSMM
    g->wide = __builtin_cpu_supports("avx");
    g->panels = __builtin_cpu_supports("avx512f") ? &tile_avx512
                : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                    ? &tile_avx2 : NULL;
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
/* m < 64, n < 128, k < 1024 and leading dimensions below 2^31. */
static key key_of(const product *p)
{
    return (key){ (uint64_t)p->lda << 32 | (uint64_t)p->ldb,
                  (uint64_t)p->ldc << 32 | (uint64_t)p->m << 21 | (uint64_t)p->n << 14 |
                      (uint64_t)p->k << 4 | (uint64_t)p->dtype << 2 |
                      (uint64_t)p->transposed_a << 1 | (uint64_t)p->accumulate };
}

/* From LIBXSMM's registry, where it is compiled the first time. */
static libxsmm_xmmfunction dispatch(const product *p)
{
    libxsmm_descriptor_blob blob;

    return libxsmm_xmmdispatch(libxsmm_gemm_descriptor_dinit(
        &blob,
        p->dtype == PPL_F64 ? LIBXSMM_GEMM_PRECISION_F64 : LIBXSMM_GEMM_PRECISION_F32,
        (int)p->n, (int)p->m, (int)p->k, (int)p->ldb, (int)p->lda, (int)p->ldc, 1,
        p->accumulate,
        p->transposed_a ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE,
        LIBXSMM_GEMM_PREFETCH_NONE));
}

/* The kernel of p as a block; its xmm is NULL where LIBXSMM has none. Threads may ask at
 * the same time: a filled slot never changes, and one that is being filled is passed by. */
static libxsmm_xmmfunction kernel_for(ppl__gemm *g, const product *p)
{
    const key k = key_of(p);
    uint64_t hash = (k.low ^ k.high * UINT64_C(0x9e3779b97f4a7c15)) *
                    UINT64_C(0xd6e8feb86659fd93);

    hash ^= hash >> 32;
    for (size_t i = 0; i < NEXT; i++) {
        slot *s = &g->slot[(hash + i) % SLOTS];
        int state = atomic_load_explicit(&s->state, memory_order_acquire);

        if (state == FILLED && s->key.low == k.low && s->key.high == k.high)
            return s->kernel;
        if (state == EMPTY &&
            atomic_compare_exchange_strong(&s->state, &state, FILLING)) {
            s->key = k;
            s->kernel = dispatch(p);
            atomic_store_explicit(&s->state, FILLED, memory_order_release);
            return s->kernel;
        }
    }
    return dispatch(p);
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

static void clean(const ppl__gemm *g)
{
    if (g->wide)
        __asm__ volatile("vzeroupper" ::: "memory", "xmm0", "xmm1", "xmm2", "xmm3",
                         "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                         "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* Cleaned after each: the way to the next block may have SSE instructions. */
static void run_block(const ppl__gemm *g, libxsmm_xmmfunction kernel, const product *p)
{
    if (kernel.xmm == NULL) {
        blas(p);
        return;
    }
    kernel.xmm(p->b, p->a, p->c);
    clean(g);
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
        run_block(g, kernel, &q);
    }
}

/* The same with B transposed: column by column of blocks, its part of B packed first. */
static void by_columns(ppl__gemm *g, const product *p, size_t rows, size_t columns)
{
    const ppl__kernels *kernels = ppl__kernels_for(p->dtype);
    double packed[DEPTH * 32];      /* a block of B as it should have stood */

    for (size_t j = 0; j < p->n; j += columns) {
        product q = part(p, 0, p->m, j, least(columns, p->n - j), 0, p->k);

        kernels->transpose_from(q.n, q.k, q.b, q.ldb, packed);
        q.b = packed;
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
}

/* Columns j to j + n and terms l to l + k of a strip of p, whose B is in panels and j the
 * first column of one. */
static product panel_part(const product *p, size_t j, size_t n, size_t l, size_t k)
{
    product q = *p;

    q.n = n;
    q.k = k;
    q.a = at(p->dtype, p->a, p->transposed_a ? l * p->lda : l);
    q.b = at(p->dtype, p->b, j * p->ldb + l * n);
    q.ldb = n;
    q.c = (char *)(uintptr_t)at(p->dtype, p->c, j);
    q.accumulate = p->accumulate || l > 0;
    return q;
}

static void panel_strip(ppl__gemm *g, const product *p, size_t columns)
{
    size_t depth = cut(p->k, p->transposed_a ? g->panels->depth : PANEL_DEPTH, 8);

    for (size_t l = 0; l < p->k; l += depth) {
        libxsmm_xmmfunction kernel = { NULL };

        for (size_t j = 0, width = 0; j < p->n; j += columns) {
            product q = panel_part(p, j, least(columns, p->n - j), l,
                                   least(depth, p->k - l));

            if (q.n != width)
                kernel = kernel_for(g, &q);
            width = q.n;
            run_block(g, kernel, &q);
        }
    }
}

/* A strip is a panel of A, or rows of it as they stand. */
static void with_panels(ppl__gemm *g, const product *p)
{
    size_t columns = B_BYTES / ppl__dtype_size(p->dtype);
    size_t rows = p->transposed_a ? g->panels->width : cut(p->m, PANEL_ROWS, 14);

    for (size_t i = 0; i < p->m; i += rows) {
        product q = *p;

        q.m = least(rows, p->m - i);
        q.a = at(p->dtype, p->a, i * p->lda);
        q.lda = p->transposed_a ? q.m : p->lda;
        q.c = (char *)(uintptr_t)at(p->dtype, p->c, i * p->ldc);
        panel_strip(g, &q, columns);
    }
}
#endif

/* ---- Panels ------------------------------------------------------------------------ */

/* Columns of a panel, but of the last one, of a matrix of so many. */
static size_t panel_width(const ppl__gemm *g, ppl_dtype dtype, int side, size_t columns)
{
#ifdef USE_LIBXSMM
    if (g->panels != NULL)
        return side == PPL__PANEL_A ? g->panels->width : B_BYTES / ppl__dtype_size(dtype);
#endif
    (void)g, (void)dtype, (void)side;
    return columns;
}

void ppl__gemm_pack(const ppl__gemm *g, ppl_dtype dtype, int side, size_t rows,
                    size_t columns, const void *const *x, size_t room, size_t first,
                    void *panels)
{
    ppl__kernels_for(dtype)->pack(rows, x, columns, panel_width(g, dtype, side, columns),
                                  room, first, panels);
}

void ppl__gemm_pack_zeros(const ppl__gemm *g, ppl_dtype dtype, int side, size_t rows,
                          size_t columns, size_t room, size_t first, void *panels)
{
    const size_t size = ppl__dtype_size(dtype);
    const size_t width = panel_width(g, dtype, side, columns);

    for (size_t j = 0; rows > 0 && j < columns; j += width) {
        size_t n = columns - j < width ? columns - j : width;

        memset((char *)panels + (j * room + first * n) * size, 0, rows * n * size);
    }
}

typedef struct turn {
    ppl_dtype dtype;
    size_t n, k, width;
    const void *x;
    void *panels;
} turn;

static void turn_panels(void *arg, size_t from, size_t to)
{
    const turn *t = arg;
    const ppl__kernels *kernels = ppl__kernels_for(t->dtype);

    for (size_t j = from * t->width; j < t->n && j < to * t->width; j += t->width)
        kernels->transpose_from(t->n - j < t->width ? t->n - j : t->width, t->k,
                                at(t->dtype, t->x, j * t->k), t->k,
                                (char *)t->panels + j * t->k * ppl__dtype_size(t->dtype));
}

void ppl__gemm_turn(const ppl__gemm *g, ppl_dtype dtype, size_t n, size_t k, const void *x,
                    void *panels)
{
    const size_t width = panel_width(g, dtype, PPL__PANEL_B, n);

    if (n == 0)                     /* and so may be the width */
        return;
    ppl_maths_split(g->ctx, (n + width - 1) / width, 4000 / (width * k + 1) + 1, turn_panels,
                    &(turn){ dtype, n, k, width, x, panels });
}

/* ---- The product ------------------------------------------------------------------- */

void ppl__gemm_watch(ppl__gemm *g, void (*watch)(void *user, const product *p),
                     void *user)
{
    g->watch = watch;
    g->watch_user = user;
}

static void run_plain(ppl__gemm *g, const product *p)
{
    double work = (double)p->m * (double)p->n * (double)p->k;
    const size_t most = INT_MAX;

    (void)g;                        /* only LIBXSMM uses it */
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

static void run_panels(ppl__gemm *g, const product *p)
{
    product q = *p;

#ifdef USE_LIBXSMM
    if (g->panels != NULL) {
        with_panels(g, p);
        return;
    }
#endif
    q.panels = 0;
    q.lda = p->transposed_a ? p->m : p->lda;
    q.ldb = p->n;
    run_plain(g, &q);
}

int ppl__gemm_watched(const ppl__gemm *g)
{
    return g->watch != NULL;
}

/* ---- In pieces --------------------------------------------------------------------- */

/* Multiplications of a piece for a thread, rows of one at least: with fewer a kernel is
 * slower. */
enum { PIECE = 40000, PIECE_ROWS = 6 };

/* A product in pieces of whole units of rows (of C) or of columns. */
typedef struct pieces {
    ppl__gemm *gemm;
    const product *whole;
    size_t unit;
    int by_columns;
} pieces;

static void run_one(ppl__gemm *g, const product *p)
{
    (p->panels && p->k > 0 ? run_panels : run_plain)(g, p);
}

void ppl__gemm_run_alone(ppl__gemm *g, const product *p)
{
    if (p->m > 0 && p->n > 0)
        run_one(g, p);
}

static size_t edge(size_t units, size_t unit, size_t all)
{
    return units * unit < all ? units * unit : all;
}

static void run_piece(void *arg, size_t from, size_t to)
{
    const pieces *s = arg;
    const product *p = s->whole;
    const size_t all = s->by_columns ? p->n : p->m;
    const size_t first = edge(from, s->unit, all), n = edge(to, s->unit, all) - first;
    product q = *p;

    if (s->by_columns) {
        q.n = n;
        q.b = at(p->dtype, p->b, p->panels || p->transposed_b ? first * p->ldb : first);
        q.c = (char *)p->c + first * ppl__dtype_size(p->dtype);
    } else {
        q.m = n;
        q.a = at(p->dtype, p->a,
                 p->transposed_a && !p->panels ? first : first * p->lda);
        q.c = (char *)p->c + first * p->ldc * ppl__dtype_size(p->dtype);
    }
    run_one(s->gemm, &q);
}

/* How much larger than an even one the largest piece is: of n cut in units. */
static double unevenness(size_t count, size_t n, size_t unit)
{
    size_t units = (n + unit - 1) / unit, largest = (units + count - 1) / count * unit;

    return (double)(largest < n ? largest : n) * (double)count / (double)n;
}

/* By rows where there are enough of them, as what follows will be; else the way that cuts
 * more evenly. Panels stay whole. No sum is cut: the result is the same, with LIBXSMM to
 * the last bit. */
void ppl__gemm_run(ppl__gemm *g, const product *p)
{
    const double work = (double)p->m * (double)p->n * (double)p->k;
    size_t most, rows, columns;
    pieces s = { g, p, 1, 0 };

    if (g->watch != NULL)
        g->watch(g->watch_user, p);
    if (p->m == 0 || p->n == 0)
        return;
    most = work < 2 * PIECE ? 1 : ppl__split_pieces(g->ctx, (size_t)(work / PIECE), 1);
    if (most == 1) {
        run_one(g, p);
        return;
    }
    rows = p->panels && p->transposed_a ? panel_width(g, p->dtype, PPL__PANEL_A, p->m) : 1;
    columns = p->panels ? panel_width(g, p->dtype, PPL__PANEL_B, p->n)
                        : 64 / ppl__dtype_size(p->dtype);
    s.by_columns = p->m < most * PIECE_ROWS ||
                   unevenness(most, p->m, rows) > 1.1 * unevenness(most, p->n, columns);
    s.unit = s.by_columns ? columns : rows;
    ppl_maths_split(g->ctx, ((s.by_columns ? p->n : p->m) + s.unit - 1) / s.unit,
                    s.by_columns ? 1 : (PIECE_ROWS + rows - 1) / rows, run_piece, &s);
}
