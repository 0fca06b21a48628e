/* SPDX-License-Identifier: MIT */
/*
 * kiln/distributions.h - the families of distributions, and KL divergences between them.
 *
 * Constructors check shapes and, when the context validates, values; they return NULL on
 * error. Parameters broadcast against each other to the batch. Each family stands in a
 * file of its own under stdlib/dist, with its formulas.
 */
#ifndef KILN_DISTRIBUTIONS_H
#define KILN_DISTRIBUTIONS_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Normal: mean `loc`, standard deviation `scale` > 0. Reparameterised. */
PPL_API ppl_dist *ppl_normal(ppl_tensor *loc, ppl_tensor *scale);
/* Bernoulli: a value 0 or 1 (floating); P(1) = probs, or sigmoid(logits). */
PPL_API ppl_dist *ppl_bernoulli(ppl_tensor *probs);
PPL_API ppl_dist *ppl_bernoulli_logits(ppl_tensor *logits);
/* Categorical: an integer k in 0..K-1 with probability probs[..,k] / sum of probs[..,:],
 * or softmax(logits[..,:])[k]. */
PPL_API ppl_dist *ppl_categorical(ppl_tensor *probs);
PPL_API ppl_dist *ppl_categorical_logits(ppl_tensor *logits);
/* Gamma: shape `concentration` and `rate`, both > 0; mean concentration / rate.
 * Reparameterised by implicit differentiation (Figurnov et al. 2018). */
PPL_API ppl_dist *ppl_gamma(ppl_tensor *concentration, ppl_tensor *rate);
/* Beta: density x^(a-1) (1-x)^(b-1) / B(a,b), a = concentration1, b = concentration0.
 * Reparameterised, as a ratio of two Gammas. */
PPL_API ppl_dist *ppl_beta(ppl_tensor *concentration1, ppl_tensor *concentration0);
/* Exponential: density rate exp(-rate x). Reparameterised. */
PPL_API ppl_dist *ppl_exponential(ppl_tensor *rate);
/* Delta: all mass at `value`, whose last event_dim axes are one event; log_prob is
 * log_density (NULL: 0; [batch]) at the value and -inf elsewhere. Reparameterised. */
PPL_API ppl_dist *ppl_delta(ppl_tensor *value, ppl_tensor *log_density, int event_dim);

PPL_API extern const ppl_family ppl_family_normal;
PPL_API extern const ppl_family ppl_family_bernoulli;
PPL_API extern const ppl_family ppl_family_bernoulli_logits;
PPL_API extern const ppl_family ppl_family_categorical;
PPL_API extern const ppl_family ppl_family_categorical_logits;
PPL_API extern const ppl_family ppl_family_gamma;
PPL_API extern const ppl_family ppl_family_beta;
PPL_API extern const ppl_family ppl_family_exponential;
PPL_API extern const ppl_family ppl_family_delta;

/* ---- KL divergence ----------------------------------------------------------------- */

/* KL(q || p) of two distributions, one number for each value (events not yet summed). */
typedef ppl_tensor *(*ppl_kl_rule)(const ppl_dist *q, const ppl_dist *p);

/* The rule for a pair of families, or NULL if there is none: a context's own additions
 * first (newest first), then the family's own rule, then the built-in pairs. */
PPL_API ppl_kl_rule ppl_kl_find(const ppl_ctx *c, const ppl_family *q, const ppl_family *p);
/* Adds a rule to one context; p NULL: for every second argument. */
PPL_API PPL_MUST_CHECK ppl_status ppl_kl_register(ppl_ctx *c, const ppl_family *q,
                                                  const ppl_family *p, ppl_kl_rule rule);
/* [batch], in nats; the arguments are always (q, p). Event dims must agree (PPL_ESHAPE);
 * masks are joined by and. No rule: PPL_EUNSUPPORTED, naming both families. */
PPL_API ppl_tensor *ppl_kl(ppl_dist *q, ppl_dist *p);

#ifdef __cplusplus
}
#endif
#endif
