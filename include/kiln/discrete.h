/* SPDX-License-Identifier: MIT */
/*
 * kiln/discrete.h - distributions of one integer: outcomes, categories, counts.
 *
 * Conventions as in kiln/continuous.h. Values are integers (PPL_I64), but for those of a
 * Bernoulli, which are floating. In alphabetical order.
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
/* Categorical: an integer k in 0..K-1 with probability probs[..,k] / sum of probs[..,:],
 * or softmax(logits[..,:])[k]. */
PPL_API ppl_dist *ppl_categorical(ppl_tensor *probs);
PPL_API ppl_dist *ppl_categorical_logits(ppl_tensor *logits);

PPL_API extern const ppl_family ppl_family_bernoulli;
PPL_API extern const ppl_family ppl_family_bernoulli_logits;
PPL_API extern const ppl_family ppl_family_categorical;
PPL_API extern const ppl_family ppl_family_categorical_logits;

#ifdef __cplusplus
}
#endif
#endif
