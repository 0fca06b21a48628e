/* SPDX-License-Identifier: MIT */
/*
 * kiln/multivariate.h - distributions of vectors and matrices.
 *
 * The last axis of a vector parameter, the last two of a matrix, belong to one value; the
 * axes before them broadcast against each other to the batch. Constructors check shapes
 * and, when the context validates, values, and return NULL on error. Each family stands
 * in a file of its own under stdlib/dist, with its formulas. In alphabetical order.
 */
#ifndef KILN_MULTIVARIATE_H
#define KILN_MULTIVARIATE_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CAR, the conditional autoregressive normal of n sites: mean loc [..,n], precision
 * conditional_precision (D - correlation adjacency), D the sums of adjacency's rows.
 * adjacency [..,n,n] is dense, symmetric and nonnegative, with a neighbour in each row;
 * correlation is above -1 and below 1. Cost: n^3 for a distribution. Reparameterised. */
PPL_API ppl_dist *ppl_car(ppl_tensor *loc, ppl_tensor *correlation,
                          ppl_tensor *conditional_precision, ppl_tensor *adjacency);
/* Dirichlet over the simplex of K components: concentration [..,K], each > 0; value
 * [..,K]. Reparameterised, as Gammas over their sum (implicit differentiation), in
 * logarithms, so that tiny concentrations do no harm. */
PPL_API ppl_dist *ppl_dirichlet(ppl_tensor *concentration);
/* Gaussian random walk: running sums of `steps` independent normal numbers of mean 0 and
 * standard deviation `scale` > 0; value [..,steps]. Reparameterised. */
PPL_API ppl_dist *ppl_gaussian_random_walk(ppl_tensor *scale, int64_t steps);
/* InverseWishart: positive definite matrices [..,n,n] whose inverse is Wishart of df and
 * the inverse of scale [..,n,n], or of scale_tril, its Cholesky factor; df > n - 1. Mean
 * scale / (df - n - 1). Reparameterised, df by implicit differentiation. */
PPL_API ppl_dist *ppl_inverse_wishart(ppl_tensor *df, ppl_tensor *scale);
PPL_API ppl_dist *ppl_inverse_wishart_cholesky(ppl_tensor *df, ppl_tensor *scale_tril);
/* LKJ: correlation matrices [..,n,n] with density proportional to
 * |R|^(concentration - 1), concentration > 0 (1: uniform), and their Cholesky factors.
 * Reparameterised. */
PPL_API ppl_dist *ppl_lkj(int64_t n, ppl_tensor *concentration);
PPL_API ppl_dist *ppl_lkj_cholesky(int64_t n, ppl_tensor *concentration);
/* LogisticNormal on the simplex of K components: normals loc, scale [..,K-1], made shares
 * by stick-breaking; value [..,K]. Reparameterised. */
PPL_API ppl_dist *ppl_logistic_normal(ppl_tensor *loc, ppl_tensor *scale);
/* A normal vector of covariance cov_factor cov_factor^T + diag(cov_diag): loc [..,n],
 * cov_factor [..,n,r], cov_diag [..,n] > 0. Cost: n r for each value (Woodbury).
 * Reparameterised. */
PPL_API ppl_dist *ppl_low_rank_multivariate_normal(ppl_tensor *loc,
                                                   ppl_tensor *cov_factor,
                                                   ppl_tensor *cov_diag);
/* MatrixNormal: loc + A E B^T, E standard normal, A = scale_tril_row [..,n,n] and B =
 * scale_tril_column [..,p,p] lower triangular; value [..,n,p]. Reparameterised. */
PPL_API ppl_dist *ppl_matrix_normal(ppl_tensor *loc, ppl_tensor *scale_tril_row,
                                    ppl_tensor *scale_tril_column);
/* Normal vectors of n numbers: mean loc [..,n]; covariance [..,n,n], or precision, its
 * inverse, or scale_tril, the lower triangular L with covariance L L^T, which the family
 * keeps. Where the first two are not positive definite: PPL_ESINGULAR, naming the matrix,
 * the pivot and the jitter that mends it (ppl_add_jitter). Reparameterised. */
PPL_API ppl_dist *ppl_multivariate_normal(ppl_tensor *loc, ppl_tensor *covariance);
PPL_API ppl_dist *ppl_multivariate_normal_cholesky(ppl_tensor *loc,
                                                   ppl_tensor *scale_tril);
PPL_API ppl_dist *ppl_multivariate_normal_precision(ppl_tensor *loc,
                                                    ppl_tensor *precision);
/* StudentT vectors: df > 0 degrees of freedom, loc [..,n], scale_tril [..,n,n].
 * Reparameterised, df by implicit differentiation. */
PPL_API ppl_dist *ppl_multivariate_student_t(ppl_tensor *df, ppl_tensor *loc,
                                             ppl_tensor *scale_tril);
/* ProjectedNormal: directions [..,D], vectors of length 1, of normal vectors of mean
 * concentration [..,D] and covariance I, D >= 2: its direction is the mode, its length
 * says how much directions keep to it. The mean lies inside the sphere. Cost of a
 * log_prob: 64 logarithms and exponentials, for every D; variance and covariance are those of
 * the vector's numbers. Reparameterised. */
PPL_API ppl_dist *ppl_projected_normal(ppl_tensor *concentration);
/* Wishart: positive definite matrices [..,n,n]: sums of x x^T of df normal vectors of
 * covariance scale [..,n,n], or scale_tril, its Cholesky factor; any df > n - 1. Mean df
 * scale. Reparameterised, df by implicit differentiation. */
PPL_API ppl_dist *ppl_wishart(ppl_tensor *df, ppl_tensor *scale);
PPL_API ppl_dist *ppl_wishart_cholesky(ppl_tensor *df, ppl_tensor *scale_tril);
/* Normal numbers of standard deviation `scale` > 0 less their means along each axis of an
 * event of that shape (1 to 3 axes), so that along each they sum to 0.
 * Reparameterised. */
PPL_API ppl_dist *ppl_zero_sum_normal(ppl_tensor *scale, ppl_shape event);

PPL_API extern const ppl_family ppl_family_car;
PPL_API extern const ppl_family ppl_family_dirichlet;
PPL_API extern const ppl_family ppl_family_gaussian_random_walk;
PPL_API extern const ppl_family ppl_family_inverse_wishart;
PPL_API extern const ppl_family ppl_family_lkj;
PPL_API extern const ppl_family ppl_family_lkj_cholesky;
PPL_API extern const ppl_family ppl_family_logistic_normal;
PPL_API extern const ppl_family ppl_family_low_rank_multivariate_normal;
PPL_API extern const ppl_family ppl_family_matrix_normal;
PPL_API extern const ppl_family ppl_family_multivariate_normal;
PPL_API extern const ppl_family ppl_family_multivariate_student_t;
PPL_API extern const ppl_family ppl_family_projected_normal;
PPL_API extern const ppl_family ppl_family_wishart;
PPL_API extern const ppl_family ppl_family_zero_sum_normal;

#ifdef __cplusplus
}
#endif
#endif
