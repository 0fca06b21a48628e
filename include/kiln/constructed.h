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
 * log_density (NULL: 0; [batch]) at the value and -inf elsewhere. Reparameterised. */
PPL_API ppl_dist *ppl_delta(ppl_tensor *value, ppl_tensor *log_density, int event_dim);

PPL_API extern const ppl_family ppl_family_delta;

#ifdef __cplusplus
}
#endif
#endif
