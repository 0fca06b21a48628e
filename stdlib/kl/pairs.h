/* SPDX-License-Identifier: MIT */
/*
 * pairs.h - the built-in KL rules between two families; a family's own rule for two of
 * its members stands in its row.
 */
#ifndef KILN_PAIRS_H
#define KILN_PAIRS_H

#include <kiln/distributions.h>

typedef struct ppl__kl_pair {
    const ppl_family *q, *p;        /* p NULL: any family */
    ppl_kl_rule rule;
} ppl__kl_pair;

/* Looked through in order; the last has q NULL. */
extern const ppl__kl_pair ppl__kl_pairs[];

ppl_tensor *ppl__bernoulli_poisson_kl(const ppl_dist *q, const ppl_dist *p);
/* To a Bernoulli or a Binomial. */
ppl_tensor *ppl__poisson_trials_kl(const ppl_dist *q, const ppl_dist *p);
/* The rule of two families of one real number by the expectations of the one that the
 * density of the other needs (cross.c), or NULL. */
ppl_kl_rule ppl__kl_cross(const ppl_family *q, const ppl_family *p);
/* The rule of two families of counts, by summation (counts.c), or NULL. */
ppl_kl_rule ppl__kl_counts(const ppl_family *q, const ppl_family *p);
/* The rule of two families by those that they are special cases of (relations.c), or NULL. */
ppl_kl_rule ppl__kl_related(const ppl_family *q, const ppl_family *p);
/* The built-in rule of two families as they are, or NULL. */
ppl_kl_rule ppl__kl_direct(const ppl_family *q, const ppl_family *p);

#endif
