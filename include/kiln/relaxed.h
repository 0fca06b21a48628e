/* SPDX-License-Identifier: MIT */
/*
 * kiln/relaxed.h - relaxations of discrete distributions: continuous, with draws that move
 * with the parameters, and nearing the discrete ones as the temperature nears 0.
 *
 * Conventions as in kiln/continuous.h and multivariate.h. Sources: Maddison, Mnih and Teh,
 * The Concrete Distribution (2017); Jang, Gu and Poole, Categorical Reparameterization with
 * Gumbel-Softmax (2017). In alphabetical order.
 */
#ifndef KILN_RELAXED_H
#define KILN_RELAXED_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RelaxedBernoulli: sigmoid((logits + a standard logistic number) / temperature), a number
 * above 0 and below 1; logits = log(probs / (1 - probs)). temperature > 0.
 * Reparameterised. Mean, variance and entropy are quadratures to the last digits of a
 * double, of some hundred terms, with gradients. */
PPL_API ppl_dist *ppl_relaxed_bernoulli(ppl_tensor *temperature, ppl_tensor *probs);
PPL_API ppl_dist *ppl_relaxed_bernoulli_logits(ppl_tensor *temperature, ppl_tensor *logits);
/* RelaxedOneHotCategorical: softmax((logits[..,K] + K standard Gumbel numbers) /
 * temperature), a point [..,K] of the simplex; logits = log probs. temperature > 0, of the
 * batch. Worked in logarithms; a component that would be 0 is the least normal number.
 * Reparameterised. */
PPL_API ppl_dist *ppl_relaxed_one_hot_categorical(ppl_tensor *temperature,
                                                  ppl_tensor *probs);
PPL_API ppl_dist *ppl_relaxed_one_hot_categorical_logits(ppl_tensor *temperature,
                                                         ppl_tensor *logits);
/* The straight-through form of one of the above: a draw is that of the relaxed, made 0 and
 * 1 (its largest component is 1; above a half is 1), with the gradient of the relaxed draw,
 * as if it had not been changed. That is biased. As values are exactly those of a Bernoulli
 * or a OneHotCategorical, so are log_prob (which has a gradient in the value), moments,
 * entropy and KL. (Pyro's density is that of the relaxed, at the draw before it was made 0
 * and 1.) */
PPL_API ppl_dist *ppl_straight_through(ppl_dist *relaxed);

PPL_API extern const ppl_family ppl_family_relaxed_bernoulli;
PPL_API extern const ppl_family ppl_family_relaxed_bernoulli_logits;
PPL_API extern const ppl_family ppl_family_relaxed_one_hot_categorical;
PPL_API extern const ppl_family ppl_family_relaxed_one_hot_categorical_logits;
PPL_API extern const ppl_family ppl_family_straight_through;

#ifdef __cplusplus
}
#endif
#endif
