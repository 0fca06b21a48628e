/* SPDX-License-Identifier: MIT */
/*
 * matrix.h - plain loops over small dense matrices in double, row-major, for the kernels
 * of multivariate families (n up to about 100); and factors of parameters as operations.
 *
 * L is lower triangular; what is above its diagonal is not read. Functions that give an L
 * write zeros there.
 */
#ifndef KILN_DIST_MATRIX_H
#define KILN_DIST_MATRIX_H

#include <kiln/tensor.h>

/* L with L L^T = a, of which the lower triangle is read; may be in place. Returns n, or
 * which pivot is not positive (or not finite), whose value is left in l[k,k]. */
size_t ppl__cholesky(size_t n, const double *a, double *l);
/* The adjoint of a (symmetric) from g, that of its factor L; uses g's lower triangle. s
 * may not be g. */
void ppl__cholesky_adjoint(size_t n, const double *l, const double *g, double *s);
/* to = L, with zeros above the diagonal. */
void ppl__copy_lower(size_t n, const double *l, double *to);
/* sum of log L_ii. */
double ppl__log_diagonal(size_t n, const double *l);

/* x [n,m] becomes L^-1 x, or L^-T x. */
void ppl__solve_lower(size_t n, size_t m, const double *l, double *x);
void ppl__solve_lower_transposed(size_t n, size_t m, const double *l, double *x);
/* inverse = L^-1. */
void ppl__invert_lower(size_t n, const double *l, double *inverse);
/* L [p,p] with L L^T = a a^T and a diagonal >= 0, of a [p,q], p <= q, by Householder's
 * reflections; their normals stay in a. */
void ppl__triangularise(size_t p, size_t q, double *a, double *l);
/* The Q [p,q] with a = L Q and Q Q^T = I, from the normals. */
void ppl__orthonormal_rows(size_t p, size_t q, const double *normals, double *rows);

/* c [m,n] += scale a b, a [m,k] or with 'T' its transpose, [k,m]; b likewise. 'N': as
 * they stand. c overlaps neither. */
void ppl__add_product(double scale, char turn_a, char turn_b, size_t m, size_t n,
                      size_t k, const double *a, const double *b, double *c);
/* y [n] += L x, or L^T x. */
void ppl__add_lower_times(size_t n, const double *l, const double *x, double *y);
/* d [n,n] += scale (a b^T), on and below the diagonal. */
void ppl__add_lower_outer(size_t n, double scale, const double *a, const double *b,
                          double *d);
/* Sum of x_i y_i. */
double ppl__dot(size_t n, const double *x, const double *y);

/* ---- Factors of parameters --------------------------------------------------------- */

/*
 * The lower triangular L with L L^T = t, or with `inverse` L L^T = t^-1: the scale_tril
 * of a covariance or of a precision t [..,n,n]. Gradients are symmetric. Where t is not
 * positive definite PPL_ESINGULAR, naming `family`, `param`, the matrix and its pivot,
 * and what jitter on the diagonal would mend it; where the context validates and t is not
 * symmetric, PPL_ECONSTRAINT. The names are string literals.
 */
ppl_tensor *ppl__scale_tril(const char *family, const char *param, ppl_tensor *t,
                            int inverse);
/* 1 if the last two axes of t are a square matrix; else 0 with the error recorded, or
 * with none where t is NULL. */
int ppl__square(const char *family, const char *param, ppl_tensor *t);
/* 1 if `vector` [..,n] and `matrix` [..,n,n] go together, n > 0; else as ppl__square. */
int ppl__matrix_of(const char *family, const char *vector_name, ppl_tensor *vector,
                   const char *matrix_name, ppl_tensor *matrix);

#endif
