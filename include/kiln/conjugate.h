/* SPDX-License-Identifier: MIT */
/*
 * kiln/conjugate.h - the conjugate pairs that ppl_collapse knows (handlers_sites.h).
 */
#ifndef KILN_CONJUGATE_H
#define KILN_CONJUGATE_H

#include <kiln/handlers_sites.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the order of stdlib/conjugate/pairs.c, which has the formulas:
 *
 *     latent       children
 *     Normal       Normal, LogNormal (their locs)
 *     Beta         Bernoulli, Binomial (their probs)
 *     Gamma        Exponential, Gamma, Poisson (their rates)
 *     Dirichlet    Categorical, Multinomial, OneHotCategorical (their probs)
 *
 * The last row's prior is NULL. */
PPL_API extern const ppl_conjugacy ppl_conjugate_pairs[];

#ifdef __cplusplus
}
#endif
#endif
