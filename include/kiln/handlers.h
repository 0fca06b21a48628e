/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers.h - the effect handlers: each changes what the statements inside it mean.
 *
 * Push one around part of a model (ppl_push, ppl_pop) or around a run (ppl_run). Handlers
 * live until the end of the epoch they were made in. Constructors return NULL on error,
 * with the error recorded; a NULL handler installs nothing.
 */
#ifndef KILN_HANDLERS_H
#define KILN_HANDLERS_H

#include <kiln/effects.h>
#include <kiln/functions.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPL_NO_INDEX (-1)

/* ---- trace: record every message that reaches it ----------------------------------- */

typedef struct ppl_trace ppl_trace;

/* A handler that records into a new trace, which *out points to at once. Pushed again, it
 * begins anew. */
PPL_API ppl_handler *ppl_trace_into(ppl_ctx *c, ppl_trace **out);
/* Runs trace(handlers(model)) and returns the trace; NULL with the error recorded. */
PPL_API ppl_trace *ppl_get_trace(ppl_ctx *c, ppl_model model, const void *arg,
                                 ppl_handler *const *handlers);
PPL_API ppl_ctx *ppl_trace_ctx(const ppl_trace *t);      /* NULL gives NULL */
/* Messages in order of their visit; a parameter visited again is recorded once. */
PPL_API int ppl_trace_count(const ppl_trace *t);
PPL_API ppl_msg *ppl_trace_at(const ppl_trace *t, int i);
/* By address; NULL if the site is not there. index PPL_NO_INDEX for a plain site. */
PPL_API ppl_msg *ppl_trace_find(const ppl_trace *t, const char *name, int64_t index);
/* Sum of the log-probabilities of all sample sites, scaled and masked, in nats, in double;
 * NaN with the error recorded if one fails. */
PPL_API double ppl_trace_log_prob(ppl_trace *t);
/* The table of shapes: site, distribution, role, batch | event of the distribution, value,
 * log_prob if it was computed, plates. Also of a run that failed: up to where it did. */
PPL_API PPL_MUST_CHECK ppl_status ppl_trace_write(const ppl_trace *t, FILE *out);
/* Runs trace(handlers(model)) in an epoch of its own, computes the log-probabilities and
 * writes the table, whether the run fails or not; returns the first error. */
PPL_API PPL_MUST_CHECK ppl_status ppl_write_shapes(ppl_ctx *c, ppl_model model,
                                                   const void *arg,
                                                   ppl_handler *const *handlers, FILE *out);
/* Adds the table's last rows to the text of the error, as far as there is room. (Errors of
 * shapes in ppl_get_trace have them already.) */
PPL_API void ppl_trace_annotate_error(const ppl_trace *t);

/* ---- Values supplied from outside -------------------------------------------------- */

/* One value for one address; a list ends with a NULL name. */
typedef struct ppl_value {
    const char *name;
    int64_t index;                  /* PPL_NO_INDEX for a plain site */
    ppl_tensor *value;
} ppl_value;

/* Latent sites take the values they have in `t`; sites that `t` lacks are drawn. A site
 * that is not a latent sample in `t` is an error (PPL_EMISMATCH). */
PPL_API ppl_handler *ppl_replay(ppl_ctx *c, const ppl_trace *t);
/* Sample sites become observed. Around another condition, the outer one wins. A value
 * that was never reached fails the run (PPL_EUNUSED) when the handler is left; with
 * `unused` not NULL their number is written there instead. */
PPL_API ppl_handler *ppl_condition(ppl_ctx *c, const ppl_value *values, int *unused);
/* Parameters take the values given, which have no gradient; `unused` as above. */
PPL_API ppl_handler *ppl_substitute(ppl_ctx *c, const ppl_value *values, int *unused);

/* ---- Hiding ------------------------------------------------------------------------ */

enum {
    PPL_HIDE_LATENT = 1,
    PPL_HIDE_OBSERVED = 2,
    PPL_HIDE_PARAM = 4,
    PPL_HIDE_DETERMINISTIC = 8
};

/* What block hides. Lists of names end with NULL. One of `predicate`, `hide`, `expose`
 * and `kinds` decides; giving more than one hides what any of them hides. */
typedef struct ppl_block_opts {
    int (*predicate)(const ppl_msg *m, void *user);     /* nonzero hides */
    void *user;
    const char *const *hide;        /* these names */
    const char *const *expose;      /* all but these names */
    unsigned kinds;                 /* PPL_HIDE_* */
} ppl_block_opts;

/* Handlers outside do not see what it hides. NULL opts hides everything. */
PPL_API ppl_handler *ppl_block(ppl_ctx *c, const ppl_block_opts *opts);

/* ---- Weighting --------------------------------------------------------------------- */

/* Multiplies log-probabilities by factor > 0, finite. (To leave sites out, use ppl_mask.) */
PPL_API ppl_handler *ppl_scale(ppl_ctx *c, double factor);
/* Elements where `mask` is 0 do not count. PPL_MASK, broadcast to each site's batch. */
PPL_API ppl_handler *ppl_mask(ppl_ctx *c, ppl_tensor *mask);

/* ---- Randomness -------------------------------------------------------------------- */

/* Draws inside are keyed by `seed` alone: every run gives the same ones. The inner of two
 * wins. */
PPL_API ppl_handler *ppl_seed(ppl_ctx *c, uint64_t seed);

/* ---- Independence ------------------------------------------------------------------ */

typedef struct ppl_plate_opts {
    int64_t subsample_size;         /* 0: all */
    int dim;                        /* batch axis from the right, < 0; 0: first free one */
    ppl_tensor *indices;            /* [subsample_size] of integers: use these, do not draw */
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

/* ---- Handlers as functions of functions -------------------------------------------- */

/*
 * Each handler has a form that takes a function and gives a function of the same signature
 * (functions.h): ppl_condition_fn(f, values, NULL) is f under ppl_condition(c, values,
 * NULL). The handler is made once, when the function is, and pushed at each call; of
 * ppl_trace_into_fn, *out is the trace of the latest call. A row a handler: its name, the
 * form's parameters, the constructor's arguments; a new handler gets its form by its row.
 */
#define PPL_HANDLER_MAP(X)                                                                 \
    X(block, (ppl_fn *f, const ppl_block_opts *opts), (c, opts))                           \
    X(condition, (ppl_fn *f, const ppl_value *values, int *unused), (c, values, unused))   \
    X(mask, (ppl_fn *f, ppl_tensor *mask), (c, mask))                                      \
    X(replay, (ppl_fn *f, const ppl_trace *t), (c, t))                                     \
    X(scale, (ppl_fn *f, double factor), (c, factor))                                      \
    X(seed, (ppl_fn *f, uint64_t seed), (c, seed))                                         \
    X(substitute, (ppl_fn *f, const ppl_value *values, int *unused), (c, values, unused))  \
    X(trace_into, (ppl_fn *f, ppl_trace **out), (c, out))

#define PPL__ROW(name, params, args) PPL_API ppl_fn *ppl_##name##_fn params;
PPL_HANDLER_MAP(PPL__ROW)
#undef PPL__ROW
/* A plate draws its indices anew at each call; opts->indices must live as long. */
PPL_API ppl_fn *ppl_plate_fn(ppl_fn *f, const char *name, int64_t size,
                             const ppl_plate_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
