/* SPDX-License-Identifier: MIT */
/*
 * stand_in.h - a family that is another by other parameters. STAND_IN(as), of a function
 * that makes the other of one, defines the functions of its row: all that the other has.
 */
#ifndef KILN_STAND_IN_H
#define KILN_STAND_IN_H

#include "density.h"

/* `other`, of d's shape: d may have been expanded. */
static inline ppl_dist *ppl__in_shape_of(const ppl_dist *d, ppl_dist *other)
{
    if (other)
        other->shape = d->shape;
    return other;
}

#define STAND_IN_MOMENT(name, as)                                                        \
    static ppl_tensor *name(const ppl_dist *d)                                           \
    {                                                                                    \
        const ppl_dist *other = ppl__in_shape_of(d, as(d));                              \
        return other ? other->family->name(other) : NULL;                                \
    }
#define STAND_IN_AT(name, as)                                                            \
    static ppl_tensor *name(const ppl_dist *d, ppl_tensor *x)                            \
    {                                                                                    \
        const ppl_dist *other = ppl__in_shape_of(d, as(d));                              \
        return other ? other->family->name(other, x) : NULL;                             \
    }
#define STAND_IN(as)                                                                     \
    STAND_IN_MOMENT(entropy, as)                                                         \
    STAND_IN_MOMENT(mean, as)                                                            \
    STAND_IN_MOMENT(variance, as)                                                        \
    STAND_IN_AT(log_prob, as)                                                            \
    STAND_IN_AT(cdf, as)                                                                 \
    STAND_IN_AT(icdf, as)                                                                \
    STAND_IN_AT(log_cdf, as)                                                             \
    STAND_IN_AT(log_survival, as)                                                        \
    STAND_IN_AT(inverse_survival, as)                                                    \
    static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)                     \
    {                                                                                    \
        const ppl_dist *other = ppl__in_shape_of(d, as(d));                              \
        return other ? other->family->sample(other, rng) : NULL;                         \
    }                                                                                    \
    static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)                          \
    {                                                                                    \
        const ppl_dist *other_q = as(q), *other_p = as(p);                               \
        return other_q && other_p ? other_q->family->kl(other_q, other_p) : NULL;        \
    }

#define STAND_IN_FUNCTIONS                                                               \
    .sample = sample, .log_prob = log_prob, .entropy = entropy, .mean = mean,            \
    .variance = variance, .kl = kl, .cdf = cdf, .icdf = icdf, .log_cdf = log_cdf,        \
    .log_survival = log_survival, .inverse_survival = inverse_survival

#endif
