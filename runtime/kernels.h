/* SPDX-License-Identifier: MIT */
/*
 * kernels.h - the loops behind the operations: one table per dtype and instruction set.
 *
 * kernels.inc holds every loop once, written with REAL; it is compiled for float and
 * double, each for the instruction sets of the machine's family (generic, AVX2, AVX-512
 * on x86-64), and the best that the processor runs is chosen once per context. Arrays are
 * contiguous; outputs may not overlap inputs unless said. `g` is an adjoint; a backward
 * loop adds to its last argument, and where g is 0 it adds 0 whatever the derivative is.
 */
#ifndef KILN_KERNELS_H
#define KILN_KERNELS_H

#include <kiln/tensor.h>

/* Elementwise rows stand in elementwise.def; these number them. */
enum {
#define UNARY(name, forward, derivative) PPL__UNARY_##name,
#define BINARY(name, forward, da, db)
#include "elementwise.def"
#undef UNARY
#undef BINARY
    PPL__UNARY_COUNT
};
enum {
#define UNARY(name, forward, derivative)
#define BINARY(name, forward, da, db) PPL__BINARY_##name,
#include "elementwise.def"
#undef UNARY
#undef BINARY
    PPL__BINARY_COUNT
};

/* Between the bounds; or at one of them at the most; or at one or the other. */
enum { PPL__OPEN, PPL__CLOSED, PPL__EITHER };

/* Which random numbers (effects.h): from `element` on. */
typedef struct ppl__draws {
    uint32_t key[2], stream, attempt;
    uint64_t element;
} ppl__draws;

typedef struct ppl__kernels {
    const char *isa;
    /* y = f(x);  gx += g f'(x), with y = f(x) at hand. */
    void (*unary[PPL__UNARY_COUNT])(size_t n, const void *x, void *y);
    void (*unary_vjp[PPL__UNARY_COUNT])(size_t n, const void *x, const void *y,
                                        const void *g, void *gx);
    /* y = f(a, b);  ga += g df/da;  gb += g df/db. */
    void (*binary[PPL__BINARY_COUNT])(size_t n, const void *a, const void *b, void *y);
    void (*binary_vjp_a[PPL__BINARY_COUNT])(size_t n, const void *a, const void *b,
                                            const void *y, const void *g, void *ga);
    void (*binary_vjp_b[PPL__BINARY_COUNT])(size_t n, const void *a, const void *b,
                                            const void *y, const void *g, void *gb);
    /* y = factor x + shift;  y += factor x;  y += x. */
    void (*affine)(size_t n, double factor, double shift, const void *x, void *y);
    void (*axpy)(size_t n, double factor, const void *x, void *y);
    void (*add)(size_t n, const void *x, void *y);
    void (*fill)(size_t n, double value, void *y);
    void (*clamp)(size_t n, double low, double high, const void *x, void *y);
    void (*clamp_vjp)(size_t n, double low, double high, const void *x, const void *g,
                      void *gx);
    void (*where)(size_t n, const unsigned char *mask, const void *a, const void *b,
                  void *y);
    /* gx += g where mask equals `taken`. */
    void (*where_vjp)(size_t n, const unsigned char *mask, int taken, const void *g,
                      void *gx);
    /* y = a + w (b - a), and its three adjoints. */
    void (*lerp)(size_t n, const void *a, const void *b, const void *w, void *y);
    void (*lerp_vjp)(size_t n, int input, const void *a, const void *b, const void *w,
                     const void *g, void *gx);
    void (*sincos)(size_t n, const void *x, void *sine, void *cosine);
    /* Sum in double, fixed order; of (scale x)^2, x clamped to [-limit, limit]; 1 if all are
     * finite. */
    double (*sum)(size_t n, const void *x);
    double (*squares)(size_t n, double limit, double scale, const void *x);
    int (*all_finite)(size_t n, const void *x);
    /* How many of the first elements were found to lie between two bounds (see PPL__OPEN),
     * a whole number of pieces: all n, or one that does not is in the next piece. */
    size_t (*within)(size_t n, int kind, double low, double high, const void *x);
    /* Over the middle of x [outer, n, inner] to y [outer, inner]. */
    void (*sum_axis)(size_t outer, size_t n, size_t inner, const void *x, void *y);
    void (*max_axis)(size_t outer, size_t n, size_t inner, const void *x, void *y);
    void (*logsumexp_axis)(size_t outer, size_t n, size_t inner, const void *x, void *y);
    void (*softmax_axis)(size_t outer, size_t n, size_t inner, const void *x, void *y);
    void (*log_softmax_axis)(size_t outer, size_t n, size_t inner, const void *x,
                             void *y);
    /* Adjoints; g is [outer, inner] for the reductions, [outer, n, inner] otherwise. */
    void (*sum_axis_vjp)(size_t outer, size_t n, size_t inner, double factor,
                         const void *g, void *gx);
    void (*max_axis_vjp)(size_t outer, size_t n, size_t inner, const void *x,
                         const void *y, const void *g, void *gx);
    void (*logsumexp_axis_vjp)(size_t outer, size_t n, size_t inner, const void *x,
                               const void *y, const void *g, void *gx);
    void (*softmax_axis_vjp)(size_t outer, size_t n, size_t inner, const void *y,
                             const void *g, void *gx);
    void (*log_softmax_axis_vjp)(size_t outer, size_t n, size_t inner, const void *y,
                                 const void *g, void *gx);
    /* y[r,:] = activation(y[r,:] + more[r,:] + bias), in place, NULL for none; and what it
     * does to an adjoint: d = (g + more) activation'(by y), overwriting d, which may be g;
     * more NULL for none. */
    void (*bias_activation)(size_t rows, size_t columns, const void *bias,
                            const void *more, int activation, void *y);
    void (*activation_vjp)(size_t n, int activation, const void *y, const void *g,
                           const void *more, void *d);
    /* y [columns, rows] = x [rows, columns] transposed, and the same where the rows of x
     * start ldx elements apart; column sums: y [columns] += x, rows likewise. */
    void (*transpose)(size_t rows, size_t columns, const void *x, void *y);
    void (*transpose_from)(size_t rows, size_t columns, const void *x, size_t ldx,
                           void *y);
    void (*add_rows)(size_t rows, size_t columns, const void *x, size_t ldx, void *y);
    /* Into panels of `width` columns, the last one narrower: row r of x goes to row first + r,
     * of `room`, of each. */
    void (*pack)(size_t rows, const void *const *x, size_t columns, size_t width,
                 size_t room, size_t first, void *panels);
    /* y [rows] = A x, and y [columns] += A^T g, A [rows,columns]; rows of A where g is 0 do
     * not count, whatever they hold. */
    void (*times_vector)(size_t rows, size_t columns, const void *a, const void *x, void *y);
    void (*add_turned_times_vector)(size_t rows, size_t columns, const void *a,
                                    const void *g, void *y);
    /* In double, for either dtype (random.inc). n uniforms or normals: with `both`, the two
     * of every element; otherwise the first. n draws of Gamma(a, 1), with a[0] for all if
     * `single`, of three streams and all attempts; their logarithms, NULL: not asked for. */
    void (*uniforms)(const ppl__draws *from, size_t n, int both, double *out);
    void (*normals)(const ppl__draws *from, size_t n, int both, double *out);
    void (*gammas)(const ppl__draws *from, size_t n, const double *a, int single, double *x,
                   double *log_x);
} ppl__kernels;

/* The best table for a floating dtype on this processor. */
const ppl__kernels *ppl__kernels_for(ppl_dtype dtype);
/* Those that it runs, best first; NULL past the last (for the tests). */
const ppl__kernels *ppl__kernels_at(ppl_dtype dtype, int index);

extern const ppl__kernels ppl__kernels_generic_float, ppl__kernels_generic_double;
#ifdef PPL__X86
extern const ppl__kernels ppl__kernels_avx2_float, ppl__kernels_avx2_double;
extern const ppl__kernels ppl__kernels_avx512_float, ppl__kernels_avx512_double;
#endif

/* ---- Matrix products (gemm.c) ------------------------------------------------------ */

typedef struct ppl__gemm ppl__gemm;

/* One product: C [m,n] = A B, or += with accumulate; row-major, ld* elements from row to
 * row. The flags are 0 or 1. With `panels`, B is in panels, and so is A where it is
 * transposed; the ld of what is in panels is the number of rows there is room for. */
typedef struct ppl__product {
    ppl_dtype dtype;
    int transposed_a, transposed_b, accumulate, panels;
    size_t m, n, k;
    const void *a, *b;
    void *c;
    size_t lda, ldb, ldc;
} ppl__product;

ppl__gemm *ppl__gemm_new(ppl_ctx *c);           /* NULL when out of memory */
void ppl__gemm_free(ppl_ctx *c, ppl__gemm *g);
/* A is [m,k], or [k,m] when transposed_a; B is [k,n], or [n,k] when transposed_b, which is
 * slower for few rows. C overlaps neither. LIBXSMM where it was built in, the BLAS
 * otherwise and for large products. Results depend on the arguments alone. */
void ppl__gemm_run(ppl__gemm *g, const ppl__product *p);
/* The same by the calling thread alone. */
void ppl__gemm_run_alone(ppl__gemm *g, const ppl__product *p);
/* Panels of [room,columns], as the operand that `side` says: as many elements. Copies rows
 * x [rows] to where row `first` is; sets rows to zero; and B [k,n] from x [n,k], its
 * transpose. An A in panels is the transposed one, [k,m]. */
enum { PPL__PANEL_A, PPL__PANEL_B };
void ppl__gemm_pack(const ppl__gemm *g, ppl_dtype dtype, int side, size_t rows,
                    size_t columns, const void *const *x, size_t room, size_t first,
                    void *panels);
void ppl__gemm_pack_zeros(const ppl__gemm *g, ppl_dtype dtype, int side, size_t rows,
                          size_t columns, size_t room, size_t first, void *panels);
void ppl__gemm_turn(const ppl__gemm *g, ppl_dtype dtype, size_t n, size_t k, const void *x,
                    void *panels);
/* `watch` sees every product before it is computed, and meanwhile nothing is split among
 * threads; NULL: nobody does. For benchmarks. */
void ppl__gemm_watch(ppl__gemm *g, void (*watch)(void *user, const ppl__product *p),
                     void *user);
int ppl__gemm_watched(const ppl__gemm *g);

#endif
