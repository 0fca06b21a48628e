/* SPDX-License-Identifier: MIT */
/*
 * rules.h - what the optimisers share: a rule with its options and loop, and one update
 * that walks the slab for all of them.
 */
#ifndef KILN_RULES_H
#define KILN_RULES_H

#include <kiln/optim.h>

/* One step of a run of elements, its constants prepared in double. The gradient that the
 * loops use is factor * clamp(grad, -limit, limit) + decay * value. */
typedef struct ppl__step {
    size_t n;
    void *value, *moment[2];
    const void *grad;
    double limit, factor, decay;
    double rate;                /* of the update; before `prepare` the learning rate */
    double shrink;              /* value *= shrink before it (Adam) */
    double beta1, beta2, epsilon;
} ppl__step;

typedef struct ppl__rule {
    const char *name;
    ppl_optim_opts defaults;    /* NAN: not an option of this optimiser */
    /* Fills the constants of step t = 1, 2, ... */
    void (*prepare)(const ppl_optim_opts *o, double t, ppl__step *s);
    void (*loop[2])(const ppl__step *s);        /* by dtype */
} ppl__rule;

ppl_optim *ppl__optim_new(ppl_ctx *c, const ppl__rule *rule, const ppl_optim_opts *opts);

/* v = beta1 v + g, p -= rate v. */
void ppl__sgd_f32(const ppl__step *s);
void ppl__sgd_f64(const ppl__step *s);
/* m = beta1 m + (1-beta1) g, v = beta2 v + (1-beta2) g^2,
 * p = shrink p - rate m / (sqrt(v) + epsilon). */
void ppl__adam_f32(const ppl__step *s);
void ppl__adam_f64(const ppl__step *s);
#endif
