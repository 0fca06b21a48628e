/* SPDX-License-Identifier: MIT */
/*
 * score.h - what weighs a score-function gradient: the cost downstream of a site.
 */
#ifndef KILN_SCORE_H
#define KILN_SCORE_H

#include "pair.h"

/* The sum of the terms (log p and -log q, or -KL in the place of both; scaled and masked)
 * whose value depends on the draw of the guide's site at `position`, as a constant of its
 * log_prob's shape: what lies in another slice of a plate that both are in is left out (Rao
 * and Blackwell). NULL with the error recorded. */
ppl_tensor *ppl__downstream_cost(ppl__pair *pair, int position);

#endif
