/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers_forms.h - handlers as functions of functions.
 *
 * Each handler has a form that takes a function and gives a function of the same signature
 * (functions.h): ppl_condition_fn(f, values, NULL) is f under ppl_condition(c, values,
 * NULL). The handler is made once, when the function is, and pushed at each call; of
 * ppl_trace_into_fn, *out is the trace of the latest call.
 */
#ifndef KILN_HANDLERS_FORMS_H
#define KILN_HANDLERS_FORMS_H

#include <kiln/functions.h>
#include <kiln/handlers_plate.h>
#include <kiln/handlers_sites.h>
#include <kiln/handlers_trace.h>
#include <kiln/handlers_values.h>
#include <kiln/handlers_weight.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A row a handler: its name, the form's parameters, the constructor's arguments; a new
 * handler gets its form by its row. */
#define PPL_HANDLER_MAP(X)                                                                 \
    X(block, (ppl_fn *f, const ppl_block_opts *opts), (c, opts))                           \
    X(block_plate, (ppl_fn *f, const char *name, int dim), (c, name, dim))                 \
    X(broadcast, (ppl_fn *f), (c))                                                         \
    X(collapse, (ppl_fn *f, const ppl_conjugacy *table, const char *const *names),         \
      (c, table, names))                                                                   \
    X(condition, (ppl_fn *f, const ppl_value *values, int *unused), (c, values, unused))   \
    X(do, (ppl_fn *f, const ppl_value *values, int *unused), (c, values, unused))          \
    X(escape, (ppl_fn *f, int (*when)(const ppl_msg *m, void *user), void *user,           \
               ppl_msg *at), (c, when, user, at))                                          \
    X(infer_config, (ppl_fn *f, void (*configure)(ppl_msg *m, void *user), void *user),    \
      (c, configure, user))                                                                \
    X(init_to_feasible, (ppl_fn *f), (c))                                                  \
    X(init_to_mean, (ppl_fn *f), (c))                                                      \
    X(init_to_median, (ppl_fn *f, int draws), (c, draws))                                  \
    X(init_to_sample, (ppl_fn *f), (c))                                                    \
    X(init_to_uniform, (ppl_fn *f, double radius), (c, radius))                            \
    X(init_to_value, (ppl_fn *f, const ppl_value *values, int *unused),                    \
      (c, values, unused))                                                                 \
    X(lift, (ppl_fn *f, const ppl_prior *priors, int *unused), (c, priors, unused))        \
    X(lift_by, (ppl_fn *f, ppl_prior_function prior, void *user), (c, prior, user))        \
    X(markov, (ppl_fn *f, int64_t history), (c, history))                                  \
    X(mask, (ppl_fn *f, ppl_tensor *mask), (c, mask))                                      \
    X(name_scope, (ppl_fn *f, const char *prefix, const ppl_name_scope_opts *opts),        \
      (c, prefix, opts))                                                                   \
    X(reparam, (ppl_fn *f, const ppl_reparam_row *rows), (c, rows))                        \
    X(replay, (ppl_fn *f, const ppl_trace *t), (c, t))                                     \
    X(scale, (ppl_fn *f, double factor), (c, factor))                                      \
    X(seed, (ppl_fn *f, uint64_t seed), (c, seed))                                         \
    X(seed_key, (ppl_fn *f, ppl_rng key), (c, key))                                        \
    X(substitute, (ppl_fn *f, const ppl_value *values, int *unused), (c, values, unused))  \
    X(substitute_by, (ppl_fn *f, ppl_value_function value, void *user), (c, value, user))  \
    X(trace_into, (ppl_fn *f, ppl_trace **out), (c, out))                                  \
    X(uncondition, (ppl_fn *f), (c))                                                       \
    X(watch, (ppl_fn *f, void (*before)(ppl_msg *m, void *user),                           \
              void (*after)(ppl_msg *m, void *user), void *user), (c, before, after, user))

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
