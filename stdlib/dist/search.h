/* SPDX-License-Identifier: MIT */
/*
 * search.h - quantiles of a law of which the tails and the density are known: for cut and
 * folded distributions, whose bases may be any.
 */
#ifndef KILN_SEARCH_H
#define KILN_SEARCH_H

#include "tails.h"

/* The law of d, its tails and log density at x; `more` is the owner's own. */
typedef struct ppl__searched ppl__searched;
struct ppl__searched {
    const ppl_dist *d;
    const void *more;
    int whole;                              /* of integers */
    ppl__tails (*tails)(const ppl__searched *law, ppl_tensor *x);
    ppl_tensor *(*log_prob)(const ppl__searched *law, ppl_tensor *x);
};

/* The x between low and high (NULL: no such bound) with P(X <= x) = below = 1 - above; of
 * integers the least above low at which it is not less. NaN of no probability. Recording is to
 * be off. */
ppl_tensor *ppl__search(const ppl__searched *law, ppl_tensor *low, ppl_tensor *high,
                        ppl_tensor *below, ppl_tensor *above);
/* x, which moves as P(X <= x) = below says. */
ppl_tensor *ppl__moved(const ppl__searched *law, ppl_tensor *x, ppl_tensor *below);
/* Whether gradients are recorded. */
int ppl__recording(ppl_ctx *c);

#endif
