/* SPDX-License-Identifier: MIT */
/*
 * tails.h - the probability that X lies between two numbers, by whichever of its tails
 * loses nothing: what cut and censored distributions are made of.
 *
 * With F and S the two tails, P(X <= x) and P(X > x), P(a < X <= b) is S(a) - S(b) where
 * most of X lies below a, F(b) - F(a) where most lies above b, else 1 - F(a) - S(b); the
 * differences are taken of logarithms.
 */
#ifndef KILN_TAILS_H
#define KILN_TAILS_H

#include "density.h"

/* log P(X <= x) and log P(X > x) of one x, elementwise; NULL, NULL: there is no bound. */
typedef struct ppl__tails {
    ppl_tensor *log_cdf, *log_survival;
} ppl__tails;

/* d's, at x; those of no bound if x is NULL. */
ppl__tails ppl__tails_at(const ppl_dist *d, ppl_tensor *x);
/* log P(a < X <= b) of the tails at a and at b; -inf where b does not lie above a. NULL
 * where neither is a bound. */
ppl_tensor *ppl__log_between(ppl__tails a, ppl__tails b);
/* log P(X <= a or X > b), from log P(X <= a) and log P(X > b). */
ppl_tensor *ppl__log_beyond(ppl_tensor *log_cdf, ppl_tensor *log_survival);
/* log of a share, which is `own` or 1 - exp(other), by the one that is exact. */
ppl_tensor *ppl__log_share(ppl_tensor *own, ppl_tensor *other);

#endif
