/* SPDX-License-Identifier: MIT */
/* The mean of the weights over epochs (Polyak and Juditsky 1992; as stochastic weight
 * averaging, Izmailov et al. 2018): it stands beside them in the parameter store, weight X
 * as average.X, so a checkpoint holds it. Functions return a status, the error is the
 * context's.
 */
#ifndef DMM_AVERAGE_H
#define DMM_AVERAGE_H

#include <kiln.h>

/* Takes the weights into the mean as the count-th, count >= 1. */
ppl_status average_add(ppl_ctx *c, int count);

/* Exchanges the weights with their means; a second call puts both back to the last bit. */
ppl_status average_swap(ppl_ctx *c);

#endif
