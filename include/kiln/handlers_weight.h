/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_weight.h - what counts how much, and which random numbers are drawn.
 */
#ifndef KILN_HANDLERS_WEIGHT_H
#define KILN_HANDLERS_WEIGHT_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Multiplies log-probabilities by factor > 0, finite. (To leave sites out, use ppl_mask.) */
PPL_API ppl_handler *ppl_scale(ppl_ctx *c, double factor);
/* Elements where `mask` is 0 do not count. PPL_MASK, broadcast to each site's batch. */
PPL_API ppl_handler *ppl_mask(ppl_ctx *c, ppl_tensor *mask);

/* Draws inside are keyed by `seed` alone: every run gives the same ones. The inner of two
 * wins. */
PPL_API ppl_handler *ppl_seed(ppl_ctx *c, uint64_t seed);
/* The same by a key, made from another by ppl_rng_split. */
PPL_API ppl_handler *ppl_seed_key(ppl_ctx *c, ppl_rng key);
/* Key number `n` of those under `key`: as far from each other, and from the draws of
 * `key`, as from any. */
PPL_API ppl_rng ppl_rng_split(const ppl_rng *key, uint64_t n);
/* A key for random numbers of a model's own (a dropout, a shuffle), as the site of that
 * address would have; it makes no site. Give it a name that no site has. */
PPL_API ppl_rng ppl_rng_at(ppl_ctx *c, const char *name, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
