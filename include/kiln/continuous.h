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
/* BetaProportion: the Beta of this mean, between 0 and 1, and sum of concentrations.
 * Reparameterised as Beta is. */
PPL_API ppl_dist *ppl_beta_proportion(ppl_tensor *mean, ppl_tensor *concentration);
/* Cauchy: median `loc`, half of the mass within `scale` of it; its mean and variance are NaN.
 * Reparameterised. */
PPL_API ppl_dist *ppl_cauchy(ppl_tensor *loc, ppl_tensor *scale);
/* Chi2: Gamma(df / 2, 1 / 2). Reparameterised as Gamma is. */
PPL_API ppl_dist *ppl_chi2(ppl_tensor *df);
/* ContinuousBernoulli on [0,1], density proportional to probs^x (1 - probs)^(1-x), by probs or
 * by logits; stable near 1/2. Reparameterised. */
PPL_API ppl_dist *ppl_continuous_bernoulli(ppl_tensor *probs);
PPL_API ppl_dist *ppl_continuous_bernoulli_logits(ppl_tensor *logits);
/* Exponential: density rate exp(-rate x). Reparameterised. */
PPL_API ppl_dist *ppl_exponential(ppl_tensor *rate);
/* FisherSnedecor: Chi2(df1) / df1 over Chi2(df2) / df2. Reparameterised as Gamma is. */
PPL_API ppl_dist *ppl_fisher_snedecor(ppl_tensor *df1, ppl_tensor *df2);
/* Gamma: shape `concentration` and `rate`, both > 0; mean concentration / rate.
 * Reparameterised by implicit differentiation (Figurnov et al. 2018). */
PPL_API ppl_dist *ppl_gamma(ppl_tensor *concentration, ppl_tensor *rate);
/* Gompertz: hazard concentration * rate * exp(rate x). Reparameterised. (Its variance has no
 * closed form here.) */
PPL_API ppl_dist *ppl_gompertz(ppl_tensor *concentration, ppl_tensor *rate);
/* Gumbel (of maxima): mode `loc`. Reparameterised. */
PPL_API ppl_dist *ppl_gumbel(ppl_tensor *loc, ppl_tensor *scale);
/* HalfCauchy: |Cauchy(0, scale)|. Reparameterised. */
PPL_API ppl_dist *ppl_half_cauchy(ppl_tensor *scale);
/* HalfNormal: |Normal(0, scale)|. Reparameterised. */
PPL_API ppl_dist *ppl_half_normal(ppl_tensor *scale);
/* InverseGamma: 1 / Gamma(concentration, rate). Reparameterised as Gamma is. */
PPL_API ppl_dist *ppl_inverse_gamma(ppl_tensor *concentration, ppl_tensor *rate);
/* Kumaraswamy on [0,1]: P(X > x) = (1 - x^a)^b, a = concentration1, b = concentration0.
 * Reparameterised. */
PPL_API ppl_dist *ppl_kumaraswamy(ppl_tensor *concentration1,
                                    ppl_tensor *concentration0);
/* Laplace: density exp(-|x - loc| / scale) / (2 scale). Reparameterised. */
PPL_API ppl_dist *ppl_laplace(ppl_tensor *loc, ppl_tensor *scale);
/* Levy: loc + scale / Z^2 with Z standard normal. Reparameterised. */
PPL_API ppl_dist *ppl_levy(ppl_tensor *loc, ppl_tensor *scale);
/* LogNormal: exp of Normal(loc, scale). Reparameterised. */
PPL_API ppl_dist *ppl_log_normal(ppl_tensor *loc, ppl_tensor *scale);
/* LogUniform: exp of a number that is uniform between log low and log high, 0 < low < high.
 * Reparameterised. */
PPL_API ppl_dist *ppl_log_uniform(ppl_tensor *low, ppl_tensor *high);
/* Logistic: P(X <= x) = 1 / (1 + exp(-(x - loc) / scale)). Reparameterised. */
PPL_API ppl_dist *ppl_logistic(ppl_tensor *loc, ppl_tensor *scale);
/* Normal: mean `loc`, standard deviation `scale` > 0. Reparameterised. */
PPL_API ppl_dist *ppl_normal(ppl_tensor *loc, ppl_tensor *scale);
/* Pareto: P(X > x) = (scale / x)^alpha for x >= scale. Reparameterised. */
PPL_API ppl_dist *ppl_pareto(ppl_tensor *scale, ppl_tensor *alpha);
/* SoftLaplace: density proportional to 1 / cosh((x - loc) / scale). Reparameterised. */
PPL_API ppl_dist *ppl_soft_laplace(ppl_tensor *loc, ppl_tensor *scale);
/* Stable laws in Nolan's parameterisation S0 (1997): stability in (0,2], skew in [-1,1].
 * All is smooth through stability 1. log_prob, cdf and its logarithms by quadrature along
 * the contour of constant phase, about 0.1 ms each: right to 1e-12 or so relative to
 * themselves, gradients to 1e-10, tails and all (stability 0.05 and above; with 1 - |skew|
 * or 2 - stability of d, to 1e-16/d where a light tail lies). The mean is loc - scale skew
 * tan(pi stability / 2), NaN where stability <= 1; the variance is infinite where
 * stability < 2. The entropy is an integral of some 1,000 densities (0.1 s), to 1e-12; NaN where
 * stability < 0.25; its slope is infinite at stability 2, and at skew 1 and -1. Reparameterised
 * (Chambers, Mallows and Stuck 1976). */
PPL_API ppl_dist *ppl_stable(ppl_tensor *stability, ppl_tensor *skew, ppl_tensor *scale,
                             ppl_tensor *loc);
/* StudentT of `df` degrees of freedom. Its mean is NaN where df <= 1, its variance infinite where
 * df <= 2 and NaN where df <= 1. Reparameterised, as Normal over the root of a Gamma (implicit
 * differentiation). */
PPL_API ppl_dist *ppl_student_t(ppl_tensor *df, ppl_tensor *loc, ppl_tensor *scale);
/* TruncatedNormal: Normal(loc, scale) given low <= x <= high, which may be infinite; NULL: no
 * bound on that side. Right however far in a tail. Reparameterised. */
PPL_API ppl_dist *ppl_truncated_normal(ppl_tensor *loc, ppl_tensor *scale, ppl_tensor *low,
                                         ppl_tensor *high);
/* Uniform on low <= x <= high, both ends included, low < high. Reparameterised. */
PPL_API ppl_dist *ppl_uniform(ppl_tensor *low, ppl_tensor *high);
/* VonMises: angles in radians, density proportional to exp(concentration cos(x - loc)) at any
 * x; draws lie in [-pi, pi), and cdf is of those. Mean and variance are those of directions.
 * Reparameterised by implicit differentiation. */
PPL_API ppl_dist *ppl_von_mises(ppl_tensor *loc, ppl_tensor *concentration);
/* Weibull: P(X > x) = exp(-(x / scale)^concentration). Reparameterised. */
PPL_API ppl_dist *ppl_weibull(ppl_tensor *scale, ppl_tensor *concentration);

PPL_API extern const ppl_family ppl_family_asymmetric_laplace;
PPL_API extern const ppl_family ppl_family_beta;
PPL_API extern const ppl_family ppl_family_beta_proportion;
PPL_API extern const ppl_family ppl_family_cauchy;
PPL_API extern const ppl_family ppl_family_chi2;
PPL_API extern const ppl_family ppl_family_continuous_bernoulli;
PPL_API extern const ppl_family ppl_family_continuous_bernoulli_logits;
PPL_API extern const ppl_family ppl_family_exponential;
PPL_API extern const ppl_family ppl_family_fisher_snedecor;
PPL_API extern const ppl_family ppl_family_gamma;
PPL_API extern const ppl_family ppl_family_gompertz;
PPL_API extern const ppl_family ppl_family_gumbel;
PPL_API extern const ppl_family ppl_family_half_cauchy;
PPL_API extern const ppl_family ppl_family_half_normal;
PPL_API extern const ppl_family ppl_family_inverse_gamma;
PPL_API extern const ppl_family ppl_family_kumaraswamy;
PPL_API extern const ppl_family ppl_family_laplace;
PPL_API extern const ppl_family ppl_family_levy;
PPL_API extern const ppl_family ppl_family_log_normal;
PPL_API extern const ppl_family ppl_family_log_uniform;
PPL_API extern const ppl_family ppl_family_logistic;
PPL_API extern const ppl_family ppl_family_normal;
PPL_API extern const ppl_family ppl_family_pareto;
PPL_API extern const ppl_family ppl_family_soft_laplace;
PPL_API extern const ppl_family ppl_family_stable;
PPL_API extern const ppl_family ppl_family_student_t;
PPL_API extern const ppl_family ppl_family_truncated_normal;
PPL_API extern const ppl_family ppl_family_uniform;
PPL_API extern const ppl_family ppl_family_von_mises;
PPL_API extern const ppl_family ppl_family_weibull;

#ifdef __cplusplus
}
#endif
#endif
