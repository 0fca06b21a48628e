/* SPDX-License-Identifier: MIT */
/*
 * kiln/hmm.h - hidden Markov models with their states summed out, as distributions of the
 * sequence that is observed; and what is known of the states once it has been.
 *
 * A chain of states z_0, z_1, .. z_T, of which x_1, .. x_T are observed: z_0 comes from
 * the initial distribution, z_t from z_(t-1) by a transition, x_t from z_t. (So there is
 * a transition before the first observation, as in Pyro.) A value is a whole sequence:
 * its first event axis is time. What may differ from step to step has a time axis of T
 * before its own axes; one of 1, or none, is the same for all steps.
 */
#ifndef KILN_HMM_H
#define KILN_HMM_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* S states. initial_logits [..,S]; transition_logits [..,T,S,S] or [S,S], of the next
 * state in the last axis; observation: a distribution of batch [..,T,S] or [S], of x_t in
 * each state. Logits are normalised. `duration` is T; 0: as the time axes say. Values are
 * [..,T] and the observation's event. Cost of a log_prob: T S^2. Draws are not
 * reparameterised. A mask of the observation leaves steps unobserved. */
PPL_API ppl_dist *ppl_discrete_hmm(ppl_tensor *initial_logits,
                                   ppl_tensor *transition_logits, ppl_dist *observation,
                                   int64_t duration);
/* z_T given x_1 .. x_T: categorical of logits [..,S]. */
PPL_API ppl_dist *ppl_discrete_hmm_filter(ppl_dist *hmm, ppl_tensor *value);
/* z_t given x_1 .. x_T, for t = 1 .. T: categorical of logits [..,T,S]. */
PPL_API ppl_dist *ppl_discrete_hmm_posterior(ppl_dist *hmm, ppl_tensor *value);

/* States of n numbers, k observed: z_t = z_(t-1) transition_matrix + noise, x_t = z_t
 * observation_matrix + noise (row vectors, as in Pyro). initial [..,n], transition (the
 * noise) [..,T,n] and observation [..,T,k] are multivariate normals, or normals with
 * event_dim 1; transition_matrix [..,T,n,n], observation_matrix [..,T,n,k]; time axes as
 * above. Values are [..,T,k]. log_prob is a Kalman filter of square roots, with gradients
 * in all parameters; cost T (n + k)^2 (2 n + k). Reparameterised. */
PPL_API ppl_dist *ppl_gaussian_hmm(ppl_dist *initial, ppl_tensor *transition_matrix,
                                   ppl_dist *transition, ppl_tensor *observation_matrix,
                                   ppl_dist *observation, int64_t duration);
/* z_T given x_1 .. x_T: a multivariate normal of n numbers. */
PPL_API ppl_dist *ppl_gaussian_hmm_filter(ppl_dist *hmm, ppl_tensor *value);
/* z_t given x_1 .. x_T, for t = 1 .. T: multivariate normals [..,T,n]. */
PPL_API ppl_dist *ppl_gaussian_hmm_posterior(ppl_dist *hmm, ppl_tensor *value);

PPL_API extern const ppl_family ppl_family_discrete_hmm;
PPL_API extern const ppl_family ppl_family_gaussian_hmm;

#ifdef __cplusplus
}
#endif
#endif
