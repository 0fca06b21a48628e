/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_values.h - values from outside: data, interventions, starting points.
 */
#ifndef KILN_HANDLERS_VALUES_H
#define KILN_HANDLERS_VALUES_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One value for one address; a list ends with a NULL name. An address given twice is an
 * error (PPL_EDUPLICATE).
 *
 * A value that was never reached fails the run (PPL_EUNUSED) when its handler is left, as
 * a typo must not pass unseen; where a handler takes `unused` that is not NULL, their
 * number is written there instead. */
typedef struct ppl_value {
    const char *name;
    int64_t index;                  /* PPL_NO_INDEX for a plain site */
    ppl_tensor *value;
} ppl_value;

/* ---- Data -------------------------------------------------------------------------- */

/* Sample sites become observed at the values given. */
PPL_API ppl_handler *ppl_condition(ppl_ctx *c, const ppl_value *values, int *unused);
/* Observed sites become latent and are drawn: a model that holds its data predicts them.
 * Factors stay. */
PPL_API ppl_handler *ppl_uncondition(ppl_ctx *c);
/* Set by uncondition: the tensor that the site was observed at. */
PPL_API extern const ppl_option_key ppl_option_data;

/* A site of which some elements are known: `value` where `mask` (PPL_MASK, broadcast to
 * the batch) is set, latent elsewhere. Returns the whole. Makes the sites NAME_observed
 * (at `value`, which may be anything where the mask is not set) and NAME_unobserved, each
 * masked to its elements, and the deterministic value NAME. index may be PPL_NO_INDEX. A
 * guide samples NAME_unobserved. */
PPL_API ppl_tensor *ppl_observe_masked(ppl_ctx *c, const char *name, int64_t index,
                                       ppl_dist *d, ppl_tensor *value, ppl_tensor *mask);

/* ---- Interventions ----------------------------------------------------------------- */

/* Pearl's do: what follows in the model sees the value given, whatever the site's own
 * mechanism. The site itself remains: it is drawn (or observed) as ever, and handlers
 * outside see it, while the deterministic value NAME__CF records the intervention. A value
 * broadcasts to the site's shape. A site intervened on twice is an error
 * (PPL_EDUPLICATE). */
PPL_API ppl_handler *ppl_do(ppl_ctx *c, const ppl_value *values, int *unused);

/* ---- Substitutes ------------------------------------------------------------------- */

/* Parameters take the values given, which have no gradient. */
PPL_API ppl_handler *ppl_substitute(ppl_ctx *c, const ppl_value *values, int *unused);
/* Parameters and latents take the value that `value` returns; NULL: the site is as it was.
 * Latents stay latent, and their densities count. */
typedef ppl_tensor *(*ppl_value_function)(ppl_msg *m, void *user);
PPL_API ppl_handler *ppl_substitute_by(ppl_ctx *c, ppl_value_function value, void *user);

/* ---- Starting points --------------------------------------------------------------- */

/* Latents that have no value yet take one to start an inference from; it has no gradient.
 * Nested, the inner one counts, and the outer one is for the sites that it leaves.
 *
 * Where a strategy is not defined it is replaced: mean by median (discrete families, no
 * closed form, no finite mean), median by feasible (families of vectors), feasible and
 * uniform by sample (supports that cannot be moved through smoothly). */

/* One draw. */
PPL_API ppl_handler *ppl_init_to_sample(ppl_ctx *c);
PPL_API ppl_handler *ppl_init_to_mean(ppl_ctx *c);
/* Exact where the family has an inverse cdf, else of `draws` draws, an odd number up to
 * 255 (0: 15), element by element. */
PPL_API ppl_handler *ppl_init_to_median(ppl_ctx *c, int draws);
/* Uniform between -radius and radius (0: 2) in unconstrained space. */
PPL_API ppl_handler *ppl_init_to_uniform(ppl_ctx *c, double radius);
/* What 0 in unconstrained space stands for. */
PPL_API ppl_handler *ppl_init_to_feasible(ppl_ctx *c);
/* The values given; other sites are left to an outer handler. */
PPL_API ppl_handler *ppl_init_to_value(ppl_ctx *c, const ppl_value *values, int *unused);

#ifdef __cplusplus
}
#endif
#endif
