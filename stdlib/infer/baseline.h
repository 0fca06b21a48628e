/* SPDX-License-Identifier: MIT */
/*
 * baseline.h - what is taken off the cost of a score-function site, so that less of it is
 * noise: a running average, a value of the user's, or both.
 */
#ifndef KILN_BASELINE_H
#define KILN_BASELINE_H

#include "ledger.h"
#include "pair.h"

typedef struct ppl__baseline {
    ppl_tensor *excess;             /* the cost less its baseline, of the cost's shape */
    ppl_tensor *learned;            /* the user's value at that shape if it is to learn */
    ppl_tensor *error;              /* of `learned`: it less what it should have been */
} ppl__baseline;

/* The baseline of the guide's site at `position`, whose cost (nats) is noted for the
 * average. 0 with the error recorded. */
int ppl__baseline_of(ppl__ledger *ledger, ppl__pair *pair, int position, ppl_tensor *cost,
                     ppl__baseline *b);

#endif
