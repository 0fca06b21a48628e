/* SPDX-License-Identifier: MIT */
/*
 * tail_moments.h - mean, variance and entropy of a law of which the tails and the density are
 * known, by quadrature or sums (search.h has the law).
 */
#ifndef KILN_TAIL_MOMENTS_H
#define KILN_TAIL_MOMENTS_H

#include "search.h"

/* With gradients in all that the law depends on. Infinite where the law falls off too slowly
 * for there to be one: the mean by the sign of that side, NaN where both sides do. Numbers
 * are read into C. law->d has quantiles. */
ppl_tensor *ppl__tail_mean(const ppl__searched *law);
ppl_tensor *ppl__tail_variance(const ppl__searched *law);
/* The same; law->log_prob need not be finite at the ends. Of numbers the gradient is right
 * where the density has no jumps but at the ends (in float to a thousandth where it has a
 * kink); NaN where not all mass is found. */
ppl_tensor *ppl__tail_entropy(const ppl__searched *law);
/* The same where all jumps of the density stay where they are: its gradient then is right also
 * where they are not at the ends. */
ppl_tensor *ppl__tail_entropy_still(const ppl__searched *law);

#endif
