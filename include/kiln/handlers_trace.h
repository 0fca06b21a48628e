/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_trace.h - runs as data: recording one, repeating it, ending it early,
 * going through all that a model with discrete latents can have.
 */
#ifndef KILN_HANDLERS_TRACE_H
#define KILN_HANDLERS_TRACE_H

#include <kiln/effects.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* ---- replay: the values of a run before -------------------------------------------- */

/* Latent sites take the values they have in `t`; sites that `t` lacks are drawn. A site
 * that is not a latent sample in `t` is an error (PPL_EMISMATCH). */
PPL_API ppl_handler *ppl_replay(ppl_ctx *c, const ppl_trace *t);

/* ---- escape: end the run early ----------------------------------------------------- */

/* The run ends with PPL_ESCAPE at the first message for which `when` is nonzero, asked on
 * the message's way out (NULL: at the first latent without a value); the message is copied
 * to *at, if that is not NULL. What follows in the model drains, as after an error: loops
 * whose end depends on sampled values must test ppl_ok. A trace around keeps the sites
 * before. */
PPL_API ppl_handler *ppl_escape(ppl_ctx *c, int (*when)(const ppl_msg *m, void *user),
                                void *user, ppl_msg *at);

/* ---- queue: every execution of a model with discrete latents ----------------------- */

typedef struct ppl_queue ppl_queue;

typedef enum ppl_queue_order {
    PPL_DEPTH_FIRST,                /* the values of the last site change fastest */
    PPL_BREADTH_FIRST,              /* short executions before long ones */
    PPL_LIKELY_FIRST                /* by the log-density of what has been run so far */
} ppl_queue_order;

typedef struct ppl_queue_opts {
    ppl_queue_order order;
    int64_t max_runs;               /* 0: a million; more is an error (PPL_EINVAL) */
} ppl_queue_opts;

/* NULL opts: defaults. NULL with the error recorded. */
PPL_API PPL_MUST_CHECK ppl_queue *ppl_queue_new(ppl_ctx *c, const ppl_queue_opts *opts);
PPL_API void ppl_queue_free(ppl_queue *q);
/* *t becomes the trace of handlers(model) in an execution not given before, or NULL when
 * there is none left. Each latent of an enumerable family that nothing else gives a value
 * takes every value of its support, a site of n elements every combination (K^n). Other
 * latents are drawn, the same in every execution. Model, argument and handlers must be the
 * same at each call; memory is of the caller's epoch. After an error the queue is as it
 * was. */
PPL_API PPL_MUST_CHECK ppl_status ppl_queue_next(ppl_queue *q, ppl_model model,
                                                 const void *arg,
                                                 ppl_handler *const *handlers,
                                                 ppl_trace **t);
/* Option of a site, const int: 0 has a queue draw it instead of going through it. */
PPL_API extern const ppl_option_key ppl_option_enumerate;

#ifdef __cplusplus
}
#endif
#endif
