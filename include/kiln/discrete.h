/* SPDX-License-Identifier: MIT */
/*
 * kiln/discrete.h - distributions of integers: outcomes, categories, counts, and vectors
 * of them.
 *
 * Conventions as in kiln/continuous.h. Values are integers (PPL_I64), but for those of a
 * Bernoulli and of a OneHotCategorical, which are floating. Parameters that are counts
 * (total_count, low, high) may be integers as well, exact beyond 2^24 in float too; they
 * have no gradient. Formulas work in double: integers beyond 2^53 are rounded. A draw whose
 * parameters make no distribution (unchecked) is -1; one too large is INT64_MAX. cdfs may
 * be asked at floating numbers, and quantiles are floating numbers. Entropies that have no
 * closed form, and a BetaBinomial's cdf, are sums in double, of some hundred or thousand terms
 * however wide the distribution is, with gradients. In alphabetical order.
 */
#ifndef KILN_DISCRETE_H
#define KILN_DISCRETE_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bernoulli: a value 0 or 1 (floating); P(1) = probs, or sigmoid(logits). */
PPL_API ppl_dist *ppl_bernoulli(ppl_tensor *probs);
PPL_API ppl_dist *ppl_bernoulli_logits(ppl_tensor *logits);
/* BetaBinomial: successes among total_count trials whose probability is drawn from
 * Beta(concentration1, concentration0). */
PPL_API ppl_dist *ppl_beta_binomial(ppl_tensor *concentration1, ppl_tensor *concentration0,
                                    ppl_tensor *total_count);
/* Binomial: successes among total_count trials, each of probability probs, or
 * sigmoid(logits). */
PPL_API ppl_dist *ppl_binomial(ppl_tensor *total_count, ppl_tensor *probs);
PPL_API ppl_dist *ppl_binomial_logits(ppl_tensor *total_count, ppl_tensor *logits);
/* Categorical: an integer k in 0..K-1 with probability probs[..,k] / sum of probs[..,:],
 * or softmax(logits[..,:])[k]. */
PPL_API ppl_dist *ppl_categorical(ppl_tensor *probs);
PPL_API ppl_dist *ppl_categorical_logits(ppl_tensor *logits);
/* DirichletMultinomial: counts [..,K] of K categories in total_count draws whose
 * probabilities are drawn from Dirichlet(concentration [..,K]). The entropy is by sums, with
 * gradients in concentration: of a million draws some seconds' work. */
PPL_API ppl_dist *ppl_dirichlet_multinomial(ppl_tensor *total_count,
                                            ppl_tensor *concentration);
/* DiscreteUniform: the integers low .. high, both included. */
PPL_API ppl_dist *ppl_discrete_uniform(ppl_tensor *low, ppl_tensor *high);
/* GammaPoisson: Poisson with a rate drawn from Gamma(concentration, rate); mean
 * concentration / rate. A NegativeBinomial. */
PPL_API ppl_dist *ppl_gamma_poisson(ppl_tensor *concentration, ppl_tensor *rate);
/* Geometric: failures before the first success, of probability probs or sigmoid(logits);
 * mean (1 - probs) / probs. */
PPL_API ppl_dist *ppl_geometric(ppl_tensor *probs);
PPL_API ppl_dist *ppl_geometric_logits(ppl_tensor *logits);
/* Multinomial: counts [..,K] of K categories in total_count draws from probs[..,K] over
 * their sum, or from softmax(logits[..,K]). Its entropy is exact: a sum of at most some
 * 460 terms for each category. The KL of two with different totals is infinite. */
PPL_API ppl_dist *ppl_multinomial(ppl_tensor *total_count, ppl_tensor *probs);
PPL_API ppl_dist *ppl_multinomial_logits(ppl_tensor *total_count, ppl_tensor *logits);
/* NegativeBinomial: successes, each of probability probs (or sigmoid(logits)), before the
 * total_count-th failure, for a real total_count > 0; mean total_count probs / (1 - probs).
 * Or by its mean and concentration: variance mean + mean^2 / concentration. */
PPL_API ppl_dist *ppl_negative_binomial(ppl_tensor *total_count, ppl_tensor *probs);
PPL_API ppl_dist *ppl_negative_binomial_logits(ppl_tensor *total_count, ppl_tensor *logits);
PPL_API ppl_dist *ppl_negative_binomial_mean(ppl_tensor *mean, ppl_tensor *concentration);
/* OneHotCategorical: a vector [..,K] (floating), 0 but for one element, which is 1: element
 * k with the probability that a Categorical has of k. log_prob is the sum of x[k] log p[k]
 * for any x, with that gradient in x; the values are listed as [K,K]. */
PPL_API ppl_dist *ppl_one_hot_categorical(ppl_tensor *probs);
PPL_API ppl_dist *ppl_one_hot_categorical_logits(ppl_tensor *logits);
/* OrderedLogistic: the category k in 0..K-1 whose interval, between elements k - 1 and k
 * of cutpoints[..,K-1] (never decreasing), holds a logistic number of location
 * `predictor` and scale 1: P(X <= k) = sigmoid(cutpoints[..,k] - predictor). */
PPL_API ppl_dist *ppl_ordered_logistic(ppl_tensor *predictor, ppl_tensor *cutpoints);
/* Poisson: counts of mean `rate` >= 0. */
PPL_API ppl_dist *ppl_poisson(ppl_tensor *rate);

PPL_API extern const ppl_family ppl_family_bernoulli;
PPL_API extern const ppl_family ppl_family_bernoulli_logits;
PPL_API extern const ppl_family ppl_family_beta_binomial;
PPL_API extern const ppl_family ppl_family_binomial;
PPL_API extern const ppl_family ppl_family_binomial_logits;
PPL_API extern const ppl_family ppl_family_categorical;
PPL_API extern const ppl_family ppl_family_categorical_logits;
PPL_API extern const ppl_family ppl_family_dirichlet_multinomial;
PPL_API extern const ppl_family ppl_family_discrete_uniform;
PPL_API extern const ppl_family ppl_family_gamma_poisson;
PPL_API extern const ppl_family ppl_family_geometric;
PPL_API extern const ppl_family ppl_family_geometric_logits;
PPL_API extern const ppl_family ppl_family_multinomial;
PPL_API extern const ppl_family ppl_family_multinomial_logits;
PPL_API extern const ppl_family ppl_family_negative_binomial;
PPL_API extern const ppl_family ppl_family_negative_binomial_logits;
PPL_API extern const ppl_family ppl_family_negative_binomial_mean;
PPL_API extern const ppl_family ppl_family_one_hot_categorical;
PPL_API extern const ppl_family ppl_family_one_hot_categorical_logits;
PPL_API extern const ppl_family ppl_family_ordered_logistic;
PPL_API extern const ppl_family ppl_family_poisson;

#ifdef __cplusplus
}
#endif
#endif
