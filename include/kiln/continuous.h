/* SPDX-License-Identifier: MIT */
/*
 * kiln/continuous.h - distributions of one real number.
 *
 * Parameters broadcast against each other to the batch; constructors check shapes and,
 * when the context validates, values, and return NULL on error. Each family stands in a
 * file of its own under stdlib/dist, with its formulas. In alphabetical order.
 */
#ifndef KILN_CONTINUOUS_H
#define KILN_CONTINUOUS_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* AsymmetricLaplace: peak at `loc`, falling off by `scale` * `asymmetry` on its left, `scale` /
 * `asymmetry` on its right. Reparameterised. */
PPL_API ppl_dist *ppl_asymmetric_laplace(ppl_tensor *loc, ppl_tensor *scale,
                                           ppl_tensor *asymmetry);
/* Beta: density x^(a-1) (1-x)^(b-1) / B(a,b), a = concentration1, b = concentration0.
 * Reparameterised, as a ratio of two Gammas. */
PPL_API ppl_dist *ppl_beta(ppl_tensor *concentration1, ppl_tensor *concentration0);
/* Cauchy: median `loc`, half of the mass within `scale` of it; its mean and variance are NaN.
 * Reparameterised. */
PPL_API ppl_dist *ppl_cauchy(ppl_tensor *loc, ppl_tensor *scale);
/* Exponential: density rate exp(-rate x). Reparameterised. */
PPL_API ppl_dist *ppl_exponential(ppl_tensor *rate);
/* Gamma: shape `concentration` and `rate`, both > 0; mean concentration / rate.
 * Reparameterised by implicit differentiation (Figurnov et al. 2018). */
PPL_API ppl_dist *ppl_gamma(ppl_tensor *concentration, ppl_tensor *rate);
/* Laplace: density exp(-|x - loc| / scale) / (2 scale). Reparameterised. */
PPL_API ppl_dist *ppl_laplace(ppl_tensor *loc, ppl_tensor *scale);
/* Logistic: P(X <= x) = 1 / (1 + exp(-(x - loc) / scale)). Reparameterised. */
PPL_API ppl_dist *ppl_logistic(ppl_tensor *loc, ppl_tensor *scale);
/* Normal: mean `loc`, standard deviation `scale` > 0. Reparameterised. */
PPL_API ppl_dist *ppl_normal(ppl_tensor *loc, ppl_tensor *scale);
/* SoftLaplace: density proportional to 1 / cosh((x - loc) / scale). Reparameterised. */
PPL_API ppl_dist *ppl_soft_laplace(ppl_tensor *loc, ppl_tensor *scale);

PPL_API extern const ppl_family ppl_family_asymmetric_laplace;
PPL_API extern const ppl_family ppl_family_beta;
PPL_API extern const ppl_family ppl_family_cauchy;
PPL_API extern const ppl_family ppl_family_exponential;
PPL_API extern const ppl_family ppl_family_gamma;
PPL_API extern const ppl_family ppl_family_laplace;
PPL_API extern const ppl_family ppl_family_logistic;
PPL_API extern const ppl_family ppl_family_normal;
PPL_API extern const ppl_family ppl_family_soft_laplace;

#ifdef __cplusplus
}
#endif
#endif
