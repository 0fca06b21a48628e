/* SPDX-License-Identifier: MIT */
/*
 * hmm.h - what hidden Markov models of discrete and of Gaussian states share: time axes.
 */
#ifndef KILN_DIST_HMM_H
#define KILN_DIST_HMM_H

#include "event.h"

#include <kiln/hmm.h>

/* A shape with one more axis, which has `behind` axes behind it. */
ppl_shape ppl__insert_axis(ppl_shape shape, int behind, int64_t size);
/* t with a time axis of 1 before its `own` axes, if it has none. */
ppl_tensor *ppl__with_time(ppl_tensor *t, int own);
/* Step `step` of t, whose time axis has `own` axes behind it and goes. An axis of 1 is
 * the same for all steps. */
ppl_tensor *ppl__at_step(ppl_tensor *t, int64_t step, int own);
/* Joins a time axis of `steps` into *T, which starts from the duration, or from 1 where
 * that is 0; fails, naming `what`, and gives 0 if it does not fit. */
int ppl__join_time(ppl_ctx *c, const char *family, const char *what, int64_t steps,
                   int64_t duration, int64_t *T);
/* 1 if `value` is of d's shape, batch axes apart, as what is asked beside log_prob needs
 * it; else the error is recorded, or there is none where value is NULL. */
int ppl__is_sequence(const ppl_dist *d, const ppl_tensor *value);
/* 1 if d is of this kind; `what` asks. */
int ppl__is_hmm(const char *what, const ppl_dist *d, const ppl_family *kind);

#endif
