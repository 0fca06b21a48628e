/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_plate.h - independence: plates as batch axes and as loops, and the windows
 * of dependence of time series.
 */
#ifndef KILN_HANDLERS_PLATE_H
#define KILN_HANDLERS_PLATE_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- plate ------------------------------------------------------------------------- */

typedef struct ppl_plate_opts {
    int64_t subsample_size;         /* 0: all */
    int dim;                        /* batch axis from the right, < 0; 0: first free one */
    ppl_tensor *indices;            /* [subsample_size] of integers: use these, do not draw */
    int sequential;                 /* nonzero: a loop, see ppl_plate_next; no axis */
} ppl_plate_opts;

/* `size` independent copies along one batch axis: distributions inside are expanded to it,
 * log-probabilities are multiplied by size / subsample_size. Call it inside the model: the
 * indices are drawn there, at a site named after the plate, so that replay gives model
 * and guide the same ones; a plate that names no size takes the size it is given. It may
 * be pushed several times in a run. Errors: the axis is taken by another plate, a site's
 * batch does not fit, model and guide name different sizes (PPL_ESHAPE). */
PPL_API ppl_handler *ppl_plate(ppl_ctx *c, const char *name, int64_t size,
                               const ppl_plate_opts *opts);
/* [subsample_size] of integers: the copies in use. */
PPL_API ppl_tensor *ppl_plate_indices(ppl_handler *plate);
/* The copies in use of `data` (a tensor, a parameter), whose axis before the last event_dim
 * ones is the plate's at dim -1, the next to the left at dim -2, and so on. An axis of 1,
 * or none, is left as it is; one of another size than the plate's is an error
 * (PPL_ESHAPE). Call it while the plate is pushed. */
PPL_API ppl_tensor *ppl_plate_take(ppl_handler *plate, ppl_tensor *data, int event_dim);

/* Of a sequential plate, which is pushed around a loop:
 *
 *     ppl_scope s = ppl_push(c, plate);
 *     for (int64_t i; (i = ppl_plate_next(plate)) >= 0;)
 *         ppl_sample_at(c, "z", i, d);
 *     ppl_pop(c, s);
 *
 * The index of the next copy, or -1 after the last (and after an error). Sites within are
 * of that copy, and are scaled by size / subsample_size; statements before the first call
 * and after the last copy are an error (PPL_ENEST). */
PPL_API int64_t ppl_plate_next(ppl_handler *plate);

/* Pushes a plate PREFIX_0, PREFIX_1, .. for each of `sizes`, the last of them on axis
 * rightmost_dim (0: -1) and named PREFIX_0, the others to the left of it. Returns the mark
 * to pop. */
PPL_API ppl_scope ppl_plate_stack(ppl_ctx *c, const char *prefix, ppl_shape sizes,
                                  int rightmost_dim);

/* Inside it a plate further out is as if it were not there: by name, or if that is NULL by
 * axis. Its axis may be taken by another plate. No such plate is an error (PPL_ENEST). */
PPL_API ppl_handler *ppl_block_plate(ppl_ctx *c, const char *name, int dim);

/* Expands each site's batch to the axes of the plates around it, as plates themselves do:
 * for distributions that a handler has put in the place of others. */
PPL_API ppl_handler *ppl_broadcast(ppl_ctx *c);

/* ---- markov ------------------------------------------------------------------------ */

/* Around a loop over time whose sites carry the time as their index: asserts that each
 * site depends, of the latents within that have an index, only on those at most `history`
 * away from its own (0: the copies are independent). Where provenance says otherwise, the
 * run fails (PPL_EMISMATCH) and the text names both sites. */
PPL_API ppl_handler *ppl_markov(ppl_ctx *c, int64_t history);

#ifdef __cplusplus
}
#endif
#endif
