/* SPDX-License-Identifier: MIT */
/*
 * tail_moments.h - mean and variance of a law of which the tails are known, by quadrature or
 * sums (search.h has the law).
 */
#ifndef KILN_TAIL_MOMENTS_H
#define KILN_TAIL_MOMENTS_H

#include "search.h"

/* With gradients in all that the law depends on. Infinite where the law falls off too slowly
 * for there to be one: the mean by the sign of that side, NaN where both sides do. Numbers
 * are read into C. law->d has quantiles. */
ppl_tensor *ppl__tail_mean(const ppl__searched *law);
ppl_tensor *ppl__tail_variance(const ppl__searched *law);

#endif
