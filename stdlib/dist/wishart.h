/* SPDX-License-Identifier: MIT */
/*
 * wishart.h - what Wishart and InverseWishart share: Bartlett's factor, moments of its
 * logarithms, the divergence of their degrees of freedom.
 *
 * Of B = A A^T, B Wishart(v, I) of n rows, A is lower triangular with A_ii^2 chi-squared
 * of v - i degrees (i = 0 .. n-1) and standard normals below (Bartlett 1933).
 */
#ifndef KILN_WISHART_H
#define KILN_WISHART_H

#include "event.h"
#include "matrix.h"

typedef struct ppl__bartlett {
    ppl_rng rng;
    const double *eps;                      /* n n normals of each draw */
    double *log_g;                          /* n of each: log(A_ii^2 / 2) */
} ppl__bartlett;

/* For the draws of d; eps NULL when out of memory. */
ppl__bartlett ppl__bartlett_of(const ppl_dist *d, const ppl_rng *rng);
/* A of draw `index`. */
void ppl__bartlett_fill(const ppl__bartlett *b, size_t index, size_t n, double df,
                        double *A);
/* dA_ii / dv. */
double ppl__bartlett_slope(const ppl__bartlett *b, size_t index, size_t n, double df,
                           size_t i);

/*
 * The density by its pivots: with w_i = M_i^2 / 2, a_i = (v - i) / 2 and M_i the i-th
 * diagonal element of Bartlett's factor,
 *
 *   sum_i (-a_i (w_i/a_i - 1 - log(w_i/a_i)) + log(a_i)/2 - log(2 pi)/2 - r(a_i)
 *          + i log M_i) - n (n-1)/4 log(2 pi)
 *
 * in which nothing grows with v (stirling.h). diagonal[i * stride] is M_i; *slope, unless
 * NULL, becomes the derivative by v.
 */
double ppl__pivots_log_prob(size_t n, double df, const double *diagonal, ptrdiff_t stride,
                            double *slope);

/* Entropy: that of matrices whose log |det| has the factor `sign` (n + 1) against that of
 * Bartlett's: 1 for Wishart, -1 for its inverse; beside (n + 1) sum log L_ii. */
ppl_tensor *ppl__wishart_entropy(ppl_tensor *df, ppl_tensor *scale_tril, int sign);
/* KL of Wishart(v_q, L_q L_q^T) and Wishart(v_p, L_p L_p^T). */
ppl_tensor *ppl__wishart_kl(ppl_tensor *df_q, ppl_tensor *scale_tril_q, ppl_tensor *df_p,
                            ppl_tensor *scale_tril_p, int sign);
/* A copy of `family` whose df must exceed n - 1; the row that validation goes by. */
const ppl_family *ppl__wishart_family(const ppl_family *family, ppl_ctx *c, int64_t n);
/* df with two axes of 1 behind it. */
ppl_tensor *ppl__beside_matrices(ppl_tensor *df);

#endif
