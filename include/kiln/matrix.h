/* SPDX-License-Identifier: MIT */
/*
 * kiln/matrix.h - operations on the square matrices in the last two axes of a tensor:
 * factors, solves, parts. Leading axes are a batch. All are differentiable, and work in
 * double for both dtypes.
 */
#ifndef KILN_MATRIX_H
#define KILN_MATRIX_H

#include <kiln/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which elements of a square matrix; the triangles are read row by row. */
typedef enum ppl_part {
    PPL_DIAGONAL,                   /* n elements */
    PPL_LOWER,                      /* n (n+1) / 2: on and below the diagonal */
    PPL_STRICTLY_LOWER              /* n (n-1) / 2: below it */
} ppl_part;

/* The elements of a part: [..,n,n] gives [..,m], m as above. */
PPL_API ppl_tensor *ppl_matrix_extract(ppl_tensor *t, ppl_part part);
/* A matrix of them, 0 elsewhere: [..,m] gives [..,n,n]. An m of no n is PPL_ESHAPE. */
PPL_API ppl_tensor *ppl_matrix_embed(ppl_tensor *t, ppl_part part);
/* The matrix with its other elements 0: PPL_LOWER is NumPy's tril. */
PPL_API ppl_tensor *ppl_matrix_keep(ppl_tensor *t, ppl_part part);
/* [..,m] and [..,n] give [..,m,n]; leading axes broadcast. */
PPL_API ppl_tensor *ppl_outer(ppl_tensor *a, ppl_tensor *b);

/* t + jitter I. */
PPL_API ppl_tensor *ppl_add_jitter(ppl_tensor *t, double jitter);
/* The lower triangular L with L L^T = t + jitter I; of t the lower triangle is read, and
 * its gradient is symmetric. Where t is not positive definite: PPL_ESINGULAR, naming the
 * matrix, the pivot and what jitter would mend it. */
PPL_API ppl_tensor *ppl_cholesky(ppl_tensor *t, double jitter);

enum {
    PPL_UPPER = 1,                  /* the matrix is upper triangular, else lower */
    PPL_TRANSPOSED = 2,             /* solve with its transpose */
    PPL_UNIT_DIAGONAL = 4           /* its diagonal is taken as 1 and not read */
};

/* X with A X = b: A [..,n,n] triangular (the other triangle is not read), b [..,n,m];
 * leading axes broadcast. A zero on the diagonal is PPL_ESINGULAR. */
PPL_API ppl_tensor *ppl_triangular_solve(ppl_tensor *a, ppl_tensor *b, unsigned flags);
/* The same for vectors: b [..,n] gives [..,n]. */
PPL_API ppl_tensor *ppl_triangular_solve_vector(ppl_tensor *a, ppl_tensor *b,
                                                unsigned flags);
/* log |det A| of a triangular A [..,n,n], the sum of log |diagonal|: [..]. Of L L^T it is
 * half the logarithm of the determinant. */
PPL_API ppl_tensor *ppl_triangular_log_det(ppl_tensor *a);

/* Running sums along an axis, each with the element itself: of those before it, or, for
 * reverse_cumsum, of those after it. */
PPL_API ppl_tensor *ppl_cumsum(ppl_tensor *t, int axis);
PPL_API ppl_tensor *ppl_reverse_cumsum(ppl_tensor *t, int axis);

#ifdef __cplusplus
}
#endif
#endif
