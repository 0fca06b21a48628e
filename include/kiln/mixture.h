/* SPDX-License-Identifier: MIT */
/*
 * kiln/mixture.h - mixtures of distributions, with the choice of the component summed out.
 *
 * Conventions as in kiln/continuous.h. A mixture is drawn from by choosing a component; it
 * is not reparameterised. Masks of components are refused (PPL_EUNSUPPORTED): mask the
 * mixture.
 *
 * Of numbers whose components have cdfs there are a cdf, an icdf by search between those of
 * the components, with gradients but of integers, and an entropy by quadrature or sums, which
 * reads numbers as ppl_item does and is as exact as the components' tails. Its gradient is
 * right where the density has no kink (else to 1e-7, in float to a thousandth); it is refused
 * (PPL_EUNSUPPORTED) where a component of real numbers has ends that depend on parameters. NaN
 * where numbers are too coarse to find all of the mass. Where some components have densities
 * and others give numbers probabilities (PPL_ATOMS) there is a cdf alone.
 */
#ifndef KILN_MIXTURE_H
#define KILN_MIXTURE_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* K members of one family: `weights` a categorical of batch [..] over K, `components` of
 * batch [..,K]. Density sum over k of P(k) p_k(x); values are [..] and a component's event. */
PPL_API ppl_dist *ppl_mixture_same_family(ppl_dist *weights, ppl_dist *components);
/* The same of `count` = K distributions of any families, whose values have one event shape
 * and element type and whose batches broadcast with that of `weights`. */
PPL_API ppl_dist *ppl_mixture(ppl_dist *weights, ppl_dist *const *components, int count);

PPL_API extern const ppl_family ppl_family_mixture;

/* [batch], in nats: an upper bound of KL(q || p) of two mixtures of as many components, the
 * k-th of q against the k-th of p: KL(weights) + sum over k of P_q(k) KL(q_k || p_k) (by the
 * convexity of KL; Cover and Thomas 2006, theorem 2.7.2). There is no closed form of the KL
 * itself, and ppl_kl does not take the bound for it. PPL_EUNSUPPORTED where a pair of
 * components has no rule. */
PPL_API ppl_tensor *ppl_kl_mixture_upper_bound(ppl_dist *q, ppl_dist *p);

#ifdef __cplusplus
}
#endif
#endif
