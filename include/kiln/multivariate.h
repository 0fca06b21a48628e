/* SPDX-License-Identifier: MIT */
/*
 * kiln/multivariate.h - distributions of vectors and matrices.
 *
 * The last axis of a vector parameter, the last two of a matrix, belong to one value; the
 * axes before them broadcast against each other to the batch. Constructors check shapes
 * and, when the context validates, values, and return NULL on error. Each family stands in
 * a file of its own under stdlib/dist, with its formulas. In alphabetical order.
 */
#ifndef KILN_MULTIVARIATE_H
#define KILN_MULTIVARIATE_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Dirichlet over the simplex of K components: concentration [..,K], each > 0; value [..,K].
 * Reparameterised, as Gammas over their sum (implicit differentiation), in logarithms, so
 * that tiny concentrations do no harm. */
PPL_API ppl_dist *ppl_dirichlet(ppl_tensor *concentration);
/* Normal vectors of n numbers: mean loc [..,n]; covariance [..,n,n], or precision, its
 * inverse, or scale_tril, the lower triangular L with covariance L L^T, which the family
 * keeps. Where the first two are not positive definite: PPL_ESINGULAR, naming the matrix,
 * the pivot and the jitter that mends it (ppl_add_jitter). Reparameterised. */
PPL_API ppl_dist *ppl_multivariate_normal(ppl_tensor *loc, ppl_tensor *covariance);
PPL_API ppl_dist *ppl_multivariate_normal_cholesky(ppl_tensor *loc,
                                                   ppl_tensor *scale_tril);
PPL_API ppl_dist *ppl_multivariate_normal_precision(ppl_tensor *loc,
                                                    ppl_tensor *precision);

PPL_API extern const ppl_family ppl_family_dirichlet;
PPL_API extern const ppl_family ppl_family_multivariate_normal;

#ifdef __cplusplus
}
#endif
#endif
