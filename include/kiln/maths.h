/* SPDX-License-Identifier: MIT */
/*
 * kiln/maths.h - functions over arrays and special functions, for operations and
 * distributions of your own (and for ours).
 *
 * The functions of PPL_MATHS_MAP map n elements of `dtype` (PPL_F32 or PPL_F64) from x
 * to y, which may be the same array. The widest instruction set of the processor is used;
 * an element's result does not depend on its position or on n. Each has a twin for one
 * double, ppl_maths_<name>_at, of the same bits. Edges as C's <math.h>; outside a
 * function's domain, and at poles where the two sides differ, NaN.
 *
 * Accuracy is held to 4 ULP in float and 1e-13 relative in double or, if more, to what
 * one ULP of the argument does to the function, as near roots (tests/test_special.c,
 * against mpmath). The largest errors found, in the bulk, tails and edges:
 *
 *   float   1 ULP; sigmoid, softplus 2
 *   double  2e-16 relative: exp log log1p expm1 sqrt sin cos atan tanh lgamma erf erfc
 *           3e-16: sigmoid softplus log_bessel_i0; 9e-16: the others, but
 *           4e-14: log_bessel_i1 (1e-6 from its root), digamma (near its roots below 0)
 */
#ifndef KILN_MATHS_H
#define KILN_MATHS_H

#include <kiln/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_MATHS_MAP(X)                                                                 \
    X(exp)                                                                               \
    X(log)                                                                               \
    X(log1p)                                                                             \
    X(expm1)                                                                             \
    X(sqrt)                                                                              \
    X(sin)                                                                               \
    X(cos)                                                                               \
    X(atan)                                                                              \
    X(tanh)                                                                              \
    X(sigmoid)                                                                           \
    X(softplus)                                                                          \
    X(lgamma)           /* log |Gamma(x)| */                                             \
    X(digamma)          /* its derivative, */                                            \
    X(trigamma)         /* and the second; inf at the poles */                           \
    X(erf)                                                                               \
    X(erfc)             /* 1 - erf(x) */                                                 \
    X(erfinv)           /* on [-1,1] */                                                  \
    X(ndtr)             /* the standard normal distribution function */                  \
    X(ndtri)            /* its inverse, on [0,1] */                                      \
    X(log_ndtr)         /* its logarithm, accurate far into the tail */                  \
    X(log_bessel_i0)    /* log I0(x), modified Bessel function of the first kind */      \
    X(log_bessel_i1)    /* log I1(x), x >= 0 */                                          \
    X(bessel_ratio)     /* I1(x) / I0(x) */

#define PPL_MATHS_DECLARE(name)                                                          \
    PPL_API void ppl_maths_##name(ppl_dtype dtype, size_t n, const void *x, void *y);    \
    PPL_API double ppl_maths_##name##_at(double x);
PPL_MATHS_MAP(PPL_MATHS_DECLARE)
#undef PPL_MATHS_DECLARE

/* Sines and cosines of n doubles. */
PPL_API void ppl_maths_sincos(size_t n, const double *x, double *sine, double *cosine);
/* The sum of n elements in double, in a fixed order. */
PPL_API double ppl_maths_sum(ppl_dtype dtype, size_t n, const void *x);
/* The same of (scale x)^2, x clamped to [-limit, limit] first; limit may be INFINITY. */
PPL_API double ppl_maths_squares(ppl_dtype dtype, size_t n, double limit, double scale,
                                 const void *x);

/* ---- Threads ----------------------------------------------------------------------- */

/* Part of a loop over 0 .. n - 1: from `from` to `to` - 1. */
typedef void ppl_maths_part(void *arg, size_t from, size_t to);
/* Runs part(arg, ..) over 0 .. n - 1, cut evenly into as many pieces as the context has
 * threads, or fewer, so that each has at least `least`; in one where there is one thread,
 * and within another split. For the loops of your own operations. A part writes only what
 * no other part reads or writes; it may call the functions of this header, with the
 * context too, but not outer sums; it does not allocate, fail, or make tensors. A piece
 * should be a microsecond's work or more. */
PPL_API void ppl_maths_split(ppl_ctx *c, size_t n, size_t least, ppl_maths_part *part,
                             void *arg);

/* ---- Special functions of several arguments ---------------------------------------- */

/*
 * Of one point each, in double; the relative error is held to 1e-13 wherever the result
 * is a normal number or, if more, to what one ULP of the arguments does to it. The largest
 * found where long double has 64 bits: 5e-16, and 6e-15 of the slopes of gamma. NaN for
 * an argument outside the domain. Sources: the NIST Digital Library of Mathematical
 * Functions (DLMF), chapters 5, 7, 8 and 10.
 */

/* The n-th derivative of digamma at x > 0, n >= 0. */
PPL_API double ppl_maths_polygamma(int n, double x);
/* psi(a + b) - psi(a), a > 0, b >= 0, to the last digits also where those are close; NaN
 * elsewhere. */
PPL_API double ppl_maths_digamma_rise(double a, double b);
/* log Beta(a, b) = log (Gamma(a) Gamma(b) / Gamma(a + b)), a, b > 0, also where the
 * lgammas would cancel. */
PPL_API double ppl_maths_log_beta(double a, double b);

/* The regularised incomplete gamma functions, x >= 0: P(a, x), the distribution function
 * of Gamma(a, rate 1), and Q = 1 - P; a > 0. */
PPL_API double ppl_maths_gamma_p(double a, double x);
PPL_API double ppl_maths_gamma_q(double a, double x);
/* x with P(a, x) = p, or Q(a, x) = q; for p (or q) from 0 to 1. */
PPL_API double ppl_maths_gamma_p_inverse(double a, double p);
PPL_API double ppl_maths_gamma_q_inverse(double a, double q);
/* dP(a, x) / da. */
PPL_API double ppl_maths_gamma_p_slope(double a, double x);
/* d log x / da of a draw x of Gamma(a, 1) at a fixed quantile, -(dP/da) / (x density):
 * implicit reparameterisation (Figurnov, Mohamed, Mnih 2018). x may have underflowed to
 * 0 with its logarithm at hand. */
PPL_API double ppl_maths_gamma_slope(double a, double x, double log_x);

/* The regularised incomplete beta function I_x(a, b), the distribution function of
 * Beta(a, b) at x in [0,1]; a, b > 0. Its complement is I_(1-x)(b, a): where x is near 1
 * and 1 - x is known better than x tells, ask for that. */
PPL_API double ppl_maths_beta_i(double a, double b, double x);
/* The same by x and rest = 1 - x, both with all their digits. */
PPL_API double ppl_maths_beta_i_split(double a, double b, double x, double rest);
/* x with I_x(a, b) = p, p from 0 to 1. */
PPL_API double ppl_maths_beta_i_inverse(double a, double b, double p);
/* slope[0] = dI/da, slope[1] = dI/db. */
PPL_API void ppl_maths_beta_i_slopes(double a, double b, double x, double slope[2]);
PPL_API void ppl_maths_beta_i_split_slopes(double a, double b, double x, double rest,
                                           double slope[2]);

/* log I_v(x), the modified Bessel function of the first kind of order v >= 0, x >= 0. */
PPL_API double ppl_maths_log_bessel_i(double v, double x);
/* Owen's T(h, a): 1/(2 pi) times the integral from 0 to a of exp(-h^2 (1 + t^2) / 2) /
 * (1 + t^2) dt. */
PPL_API double ppl_maths_owens_t(double h, double a);

/* ---- Matrices ---------------------------------------------------------------------- */

/* out [m,n] = A B, or += with accumulate; row-major, lda, ldb, ldc elements from row to
 * row. A is [m,k], or [k,m] if transposed_a; B is [k,n], or [n,k] if transposed_b. As they
 * stand is fastest: a B used many times is worth turning. out may overlap neither. */
PPL_API void ppl_maths_gemm(ppl_ctx *c, ppl_dtype dtype, int transposed_a,
                            int transposed_b, size_t m, size_t n, size_t k, const void *a,
                            size_t lda, const void *b, size_t ldb, void *out, size_t ldc,
                            int accumulate);
/* The same with a B [k,n] that was prepared, which is faster still: laid out in k n elements
 * from b, which is [n,k] if transposed_b, without gaps. */
PPL_API void ppl_maths_gemm_prepare(ppl_ctx *c, ppl_dtype dtype, int transposed_b, size_t n,
                                    size_t k, const void *b, void *prepared);
PPL_API void ppl_maths_gemm_prepared(ppl_ctx *c, ppl_dtype dtype, size_t m, size_t n,
                                     size_t k, const void *a, size_t lda,
                                     const void *prepared, void *out, size_t ldc,
                                     int accumulate);
/* Sums of outer products, for the gradient of a weight whose rows come in pieces: sum [m,n]
 * += d_r^T x_r over all rows, d [..,m] and x [..,n] with ld* elements from row to row (0:
 * one row again and again), of the context's dtype, which stay as they are until the end. A
 * row d_r that is all zero does not count, whatever x_r holds. begin gives NULL when out of
 * memory; end adds what is left. */
typedef struct ppl_outer_sum ppl_outer_sum;
PPL_API ppl_outer_sum *ppl_outer_sum_begin(ppl_ctx *c, size_t m, size_t n, void *sum);
PPL_API void ppl_outer_sum_add(ppl_outer_sum *o, size_t rows, const void *d, size_t ldd,
                           const void *x, size_t ldx);
PPL_API void ppl_outer_sum_end(ppl_outer_sum *o);
/* y [rows,columns] = activation(y + more + bias), the bias [columns] added to every row;
 * either may be NULL. And d = (g + more) activation'(at y, what that gave), 0 where g + more
 * is; d may be g. */
PPL_API void ppl_maths_activate(ppl_dtype dtype, size_t rows, size_t columns,
                                const void *bias, const void *more,
                                ppl_activation activation, void *y);
PPL_API void ppl_maths_activate_vjp(ppl_dtype dtype, size_t n, ppl_activation activation,
                                    const void *y, const void *g, const void *more,
                                    void *d);
/* y [columns] += the sum of the rows of x [rows,columns], taken in double; the rows start
 * ldx elements apart. */
PPL_API void ppl_maths_add_rows(ppl_dtype dtype, size_t rows, size_t columns,
                                const void *x, size_t ldx, void *y);
/* y [columns,rows] = x [rows,columns] transposed; apart from each other. */
PPL_API void ppl_maths_transpose(ppl_dtype dtype, size_t rows, size_t columns,
                                 const void *x, void *y);

#ifdef __cplusplus
}
#endif
#endif
