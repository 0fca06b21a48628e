/* SPDX-License-Identifier: MIT */
/*
 * kiln/censored.h - observations of which it is only known where they lie: those of
 * survival analysis.
 *
 * Conventions as in kiln/continuous.h; semantics as of NumPyro's distributions of these
 * names. The base is of single numbers, continuous or discrete, and has a cdf (else
 * PPL_EUNSUPPORTED); its mask is one of the whole. Indicators broadcast with its batch:
 * masks, or numbers 0 and 1. Far in a tail nothing underflows. A draw is of the base, not
 * censored or clipped to anything (no bound is known before a value is), and reparameterised
 * where that is; mean and variance are those of draws, the base's own.
 */
#ifndef KILN_CENSORED_H
#define KILN_CENSORED_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* IntervalCensored: a value is a pair [batch,2], lower and upper end. log_prob is
 *   log P(lower < X <= upper)       where neither is set: seen to lie between; the log
 *                                   density where the ends are equal: seen exactly
 *   log P(X <= upper)               where left_censored is: the lower end counts not
 *   log P(X > lower)                where right_censored is: the upper end counts not
 *   log (1 - P(lower < X <= upper)) where both are: seen not to lie between
 * PPL_ECONSTRAINT where both ends count and lower is above upper. A draw is [x, x]: mean and
 * variance are the base's at both ends, and so are all of the covariance. */
PPL_API ppl_dist *ppl_interval_censored(ppl_dist *base, ppl_tensor *left_censored,
                                        ppl_tensor *right_censored);
/* LeftCensored: log_prob is that of base at the value, seen exactly, or log P(X <= value)
 * where `censored` is set: it happened before. */
PPL_API ppl_dist *ppl_left_censored(ppl_dist *base, ppl_tensor *censored);
/* RightCensored: the same with log P(X > value): it had not happened yet. */
PPL_API ppl_dist *ppl_right_censored(ppl_dist *base, ppl_tensor *censored);

PPL_API extern const ppl_family ppl_family_interval_censored;
PPL_API extern const ppl_family ppl_family_left_censored;
PPL_API extern const ppl_family ppl_family_right_censored;

#ifdef __cplusplus
}
#endif
#endif
