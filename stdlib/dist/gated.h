/* SPDX-License-Identifier: MIT */
/*
 * gated.h - what ZeroInflated and Hurdle share: counts that are 0 where a gate says so, and
 * else come from a base distribution, which is asked for its own formulas only.
 *
 * The gate is parameter 0 (a probability or its logit), the base the only part. A family is
 * made for each distribution, since what it can do is what its base can.
 */
#ifndef KILN_GATED_H
#define KILN_GATED_H

#include "odds.h"

/* A member: of the kind's row, or of it by logits; whether that has an entropy is
 * the kind's to say. NULL on error. */
ppl_dist *ppl__gated(const ppl_family *kind, int logits, ppl_tensor *gate, ppl_dist *base,
                     int has_entropy);

/* For the functions of a kind's row. */
int ppl__gate_by_logits(const ppl_dist *d);
/* The base with d's batch. */
ppl_dist *ppl__gated_base(const ppl_dist *d);
/* P(gate is open) = 1 - gate. */
ppl_tensor *ppl__gate_open(const ppl_dist *d);
/* 0 where the gate is closed, x elsewhere. */
ppl_tensor *ppl__gate_draw(const ppl_dist *d, const ppl_rng *rng, ppl_tensor *x);
/* The integer 0; where x, of integers or floating, is 0. */
ppl_tensor *ppl__no_count(ppl_ctx *c);
ppl_tensor *ppl__is_no_count(ppl_tensor *x);
/* -p log p of P(gate is open), or of P(gate is closed). */
ppl_tensor *ppl__gate_share(const ppl_dist *d, int closed);
/* -p log p of log p. */
ppl_tensor *ppl__entropy_share(ppl_tensor *log_p);
/* The least count with P(X <= x) >= p or, `upper`, P(X > x) <= p: 0 where the gate is closed
 * so often, else the base's, at least `least`, given that it is not what has log_none. */
ppl_tensor *ppl__gated_quantile(const ppl_dist *d, ppl_tensor *log_none, int least,
                                ppl_tensor *p, int upper);
/* Of a row: those of the base, with 0 among them. */
ppl_tensor *ppl__gated_enumerate(const ppl_dist *d);
void ppl__gated_bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper);

/* What both rows have in common; the functions are the file's own. */
#define PPL__GATED_ROW                                                                   \
    .params = 1, .param_name = { "gate" },                                               \
    .param_constraint = { &ppl_constraint_unit_interval },                               \
    .support = &ppl_constraint_nonnegative_integer,                                      \
    .flags = PPL_DISCRETE | PPL_ENUMERABLE, .value_dtype = PPL_I64,                      \
    .sample = sample, .log_prob = log_prob, .mean = mean, .variance = variance,          \
    .enumerate = ppl__gated_enumerate, .bounds = ppl__gated_bounds, .cdf = cdf,          \
    .log_cdf = log_cdf, .log_survival = log_survival, .entropy = entropy,                \
    .icdf = icdf, .inverse_survival = inverse_survival

#endif
