/* SPDX-License-Identifier: MIT */
/*
 * kiln/maths.h - vectorised functions over arrays, for operations and distributions of
 * your own (and for ours).
 *
 * Each maps n elements of `dtype` (PPL_F32 or PPL_F64) from x to y, which may be the same
 * array. The widest instruction set of the processor is used; an element's result does
 * not depend on its position or on n. Accuracy: 1 ULP for exp, log, log1p, expm1, tanh
 * and lgamma (SLEEF), 4 ULP for the others; absolute, not relative, at the negative roots
 * of lgamma and digamma. Edges as C's <math.h>; digamma is NaN at its poles.
 */
#ifndef KILN_MATHS_H
#define KILN_MATHS_H

#include <kiln/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_MATHS_MAP(X)                                                                   \
    X(exp)                                                                                 \
    X(log)                                                                                 \
    X(log1p)                                                                               \
    X(expm1)                                                                               \
    X(sqrt)                                                                                \
    X(tanh)                                                                                \
    X(sigmoid)                                                                             \
    X(softplus)                                                                            \
    X(lgamma)                                                                              \
    X(digamma)

#define PPL_MATHS_DECLARE(name)                                                            \
    PPL_API void ppl_maths_##name(ppl_dtype dtype, size_t n, const void *x, void *y);
PPL_MATHS_MAP(PPL_MATHS_DECLARE)
#undef PPL_MATHS_DECLARE

/* Sines and cosines of n doubles. */
PPL_API void ppl_maths_sincos(size_t n, const double *x, double *sine, double *cosine);
/* The derivative of digamma, of one number. */
PPL_API double ppl_maths_trigamma(double x);
/* The sum of n elements in double, in a fixed order. */
PPL_API double ppl_maths_sum(ppl_dtype dtype, size_t n, const void *x);

/* out [m,n] = A B, or += with accumulate; row-major, lda, ldb, ldc elements from row to
 * row. A is [m,k], or [k,m] if transposed_a; B is [k,n], or [n,k] if transposed_b. As they
 * stand is fastest: a B used many times is worth turning. out may overlap neither. */
PPL_API void ppl_maths_gemm(ppl_ctx *c, ppl_dtype dtype, int transposed_a,
                            int transposed_b, size_t m, size_t n, size_t k, const void *a,
                            size_t lda, const void *b, size_t ldb, void *out, size_t ldc,
                            int accumulate);
/* y [columns,rows] = x [rows,columns] transposed; apart from each other. */
PPL_API void ppl_maths_transpose(ppl_dtype dtype, size_t rows, size_t columns,
                                 const void *x, void *y);

#ifdef __cplusplus
}
#endif
#endif
