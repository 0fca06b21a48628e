/* SPDX-License-Identifier: MIT */
/*
 * kiln/constructed.h - distributions made of values or of other distributions.
 *
 * Conventions as in kiln/continuous.h. Event dims, masks and expansion are fields of every
 * distribution, not families: ppl_event, ppl_masked, ppl_expand_dist (kiln/effects.h).
 */
#ifndef KILN_CONSTRUCTED_H
#define KILN_CONSTRUCTED_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Delta: all mass at `value`, whose last event_dim axes are one event; log_prob is
 * log_density (NULL: 0; [batch]) at the value and -inf elsewhere. Reparameterised. The cdf is 0
 * below the value and 1 from it on, whatever log_density is, with gradients of 0 (also at the
 * step, where there is none); a quantile is the value, and moves with it. Cut (ppl_truncated) it
 * is itself where the value lies between the bounds; folded and transformed it has no cdf. */
PPL_API ppl_dist *ppl_delta(ppl_tensor *value, ppl_tensor *log_density, int event_dim);
/* Empirical: one of S samples [batch,S,event] by log_weights [batch,S] in nats (of any
 * sum; -inf: never), whose rank tells batch from event. Samples may be integers.
 * log_prob is the log of the weights of all samples equal to the value, -inf where none
 * is. entropy is that of the distinct samples, equal ones taken together. No gradient by the
 * samples but of mean and variance. Numbers can be enumerated, and have a cdf, with gradients in
 * log_weights (0 in the value), and an icdf, the least sample that reaches the probability, with
 * none. Cut (ppl_truncated) it is the Empirical of the samples between the bounds. */
PPL_API ppl_dist *ppl_empirical(ppl_tensor *samples, ppl_tensor *log_weights);
/* Folded: |X| of `base`, of single real numbers (not integers); log_prob is the log of the
 * sum of both densities, at 0 as well. Reparameterised where base is. Where base has a cdf
 * so has this, and icdf, mean, variance and entropy, these by quadrature as a Truncated's. A
 * mask of the base is one of the whole. */
PPL_API ppl_dist *ppl_folded(ppl_dist *base);
/* Hurdle: 0 with probability `gate`, else a draw of `base`, a distribution of counts (of
 * integers 0, 1, 2, ..), given that it is not 0. Draws are exact; but of a base without a
 * cdf whose draws are nearly always 0 no count above 65,535 is drawn. Moments, cdf and icdf
 * are made of the base's, where it has them; where it has quantiles there is an entropy, a
 * sum as a Truncated's. */
PPL_API ppl_dist *ppl_hurdle(ppl_tensor *gate, ppl_dist *base);
/* ImproperUniform: log_prob 0 at values [batch,event] within the support, -inf outside;
 * the last axes of an event are the support's. A flat prior, for what gives a latent its
 * value: a guide, ppl_init_to_uniform and its like, ppl_log_density_of. Drawing from it
 * is PPL_EUNSUPPORTED. */
PPL_API ppl_dist *ppl_improper_uniform(ppl_ctx *c, ppl_constraint support,
                                       ppl_shape batch, ppl_shape event);
/* Truncated: X of `base` given low <= X <= high, both included; either may be NULL, there is
 * no bound then (both: base itself). They broadcast with the base's batch. The base is of
 * single numbers and has a cdf (else PPL_EUNSUPPORTED); it may be of integers, its bounds then
 * integers too, but no mixture of densities with probabilities of numbers or of several
 * Empiricals of them (PPL_ATOMS), of which the parts are to be cut. log_prob is -inf outside,
 * and has gradients in the bounds, the base and the value. However far in a tail: masses are
 * differences of the logarithms of tails (those of very narrow intervals cancel).
 * Reparameterised where the base is continuous. cdf, icdf and their like. Mean, variance and
 * entropy, with gradients: a Normal's in closed form (it is its TruncatedNormal), others by
 * quadrature or sums, of the base's tails and, for the entropy, of its density: some thousands
 * of values, and as exact as those are; their making reads numbers as ppl_item does. A mean is
 * infinite, or NaN if both sides are, where the law falls off at the largest numbers as |x|^-2
 * or slower, a variance where it does as |x|^-3. An entropy is NaN where numbers are too
 * coarse to find all of the mass; its gradient holds where the density has no jump between its
 * ends (in float to a thousandth where it has a kink). Integers between two ends can be
 * enumerated. PPL_ECONSTRAINT where low is not below high (integers: where it is above) and,
 * when validating, where there is no mass between; without validation log_prob and draws are
 * NaN then. A mask of the base is one of the whole. A VonMises is to be cut within [-pi, pi),
 * where its cdf is. */
PPL_API ppl_dist *ppl_truncated(ppl_dist *base, ppl_tensor *low, ppl_tensor *high);
/* Unit: the value [batch,0], of no numbers, with log_prob log_factor [batch], in nats.
 * The distribution of ppl_factor's sites. */
PPL_API ppl_dist *ppl_unit(ppl_tensor *log_factor);
/* ZeroInflated: 0 with probability `gate`, or sigmoid(gate_logits), else a draw of `base`,
 * a distribution of counts (of integers 0, 1, 2, ..). Values can be listed where the
 * base's can, and moments, entropy, cdf and icdf are there where the base's are, as for a
 * Hurdle. */
PPL_API ppl_dist *ppl_zero_inflated(ppl_tensor *gate, ppl_dist *base);
PPL_API ppl_dist *ppl_zero_inflated_logits(ppl_tensor *gate_logits, ppl_dist *base);

PPL_API extern const ppl_family ppl_family_delta;
PPL_API extern const ppl_family ppl_family_empirical;
PPL_API extern const ppl_family ppl_family_folded;
PPL_API extern const ppl_family ppl_family_hurdle;
PPL_API extern const ppl_family ppl_family_improper_uniform;
PPL_API extern const ppl_family ppl_family_truncated;
PPL_API extern const ppl_family ppl_family_unit;
PPL_API extern const ppl_family ppl_family_zero_inflated;

#ifdef __cplusplus
}
#endif
#endif
