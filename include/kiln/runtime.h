/* SPDX-License-Identifier: MIT */
/*
 * kiln/runtime.h - contexts, errors, memory and running a model.
 *
 * Ownership, for the whole library: what a `_new` function returns is yours until the
 * matching `_free`; everything else belongs to the context and lives until the end of the
 * epoch it was made in. One step of inference is an epoch; ppl_epoch_begin opens one of
 * your own; what is made outside every epoch lives as long as the context.
 *
 * Errors, for the whole library: the context keeps the first error. A function that
 * returns a pointer returns NULL on error, and takes NULL by returning NULL, so a failed
 * model drains in no-ops. Where control returns to the application (ppl_run, a step, load,
 * save) a ppl_status comes back. Nothing is printed; nothing aborts or exits.
 *
 * Threads: one thread of yours at a time per context; two contexts share nothing. A context
 * may have threads of its own (ppl_ctx_opts.threads), which share the work of its larger
 * operations (products of matrices, long loops) with the caller and otherwise wait; they
 * run code of a model, a handler or an allocator only in ppl_run_shards (shards.h), which
 * gives each the rows that are its own. What is computed does not depend on timing: the same
 * number of threads gives the same bits in every run, and another number the same to rounding
 * (or the same bits, in shards), since sums are not cut. A child of fork() has no such threads:
 * it is not to use the context.
 */
#ifndef KILN_RUNTIME_H
#define KILN_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define PPL_API __attribute__((visibility("default")))
#define PPL_MUST_CHECK __attribute__((warn_unused_result))
#define PPL_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PPL_API
#define PPL_MUST_CHECK
#define PPL_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ppl_ctx ppl_ctx;
typedef struct ppl_tensor ppl_tensor;
typedef struct ppl_handler ppl_handler;

/* ---- Status ------------------------------------------------------------------------ */

/* One row a status: its name after PPL_, and what it means. */
#define PPL_STATUS_MAP(X)                                                                  \
    X(OK, "no error")                                                                      \
    X(EINVAL, "invalid argument")                                                          \
    X(ENOMEM, "out of memory")                                                             \
    X(ESHAPE, "shapes do not agree")                                                       \
    X(EDTYPE, "element types do not agree")                                                \
    X(ESTALE, "a tensor was kept past its epoch")                                          \
    X(EDUPLICATE, "the same site twice in one run")                                        \
    X(EUNUSED, "a given value was never reached")                                          \
    X(ENEST, "handlers pushed and popped out of step")                                     \
    X(EMISMATCH, "model and guide do not fit each other")                                  \
    X(ECONSTRAINT, "a value outside its constraint or support")                            \
    X(ENONFINITE, "a loss or gradient that is not finite")                                 \
    X(ESINGULAR, "a matrix that is singular or not positive definite")                     \
    X(EUNSUPPORTED, "not available for this distribution or system")                       \
    X(EIO, "a file could not be read or written")                                          \
    X(EFORMAT, "a file is not what it should be")                                          \
    X(ESCAPE, "a handler ended the run early")

typedef enum ppl_status {
#define PPL_STATUS_ROW(name, text) PPL_##name,
    PPL_STATUS_MAP(PPL_STATUS_ROW)
#undef PPL_STATUS_ROW
    PPL_STATUS_COUNT
} ppl_status;

/* "PPL_ESHAPE" for PPL_ESHAPE; a static string, never NULL. */
PPL_API const char *ppl_status_name(ppl_status status);

/* ---- Contexts ---------------------------------------------------------------------- */

typedef enum ppl_dtype {
    PPL_F32,                    /* float: the default of a context */
    PPL_F64,                    /* double */
    PPL_I64,                    /* int64_t: categories, counts, indices */
    PPL_MASK                    /* unsigned char, 0 or 1 */
} ppl_dtype;

/* Resizes `old` (`old_size` bytes, NULL for none) to `new_size` bytes; 0 frees. Returns
 * NULL when it cannot, and then leaves `old` as it was. Blocks are aligned as malloc's. */
typedef void *(*ppl_allocator)(void *user, void *old, size_t old_size, size_t new_size);

#define PPL_MOST_THREADS 64

/* Options of a context. All zero is the default. */
typedef struct ppl_ctx_opts {
    ppl_dtype dtype;            /* of parameters, draws, arithmetic: PPL_F32 or PPL_F64 */
    uint64_t seed;              /* of every random draw; 0 is a seed as any other */
    int threads;                /* that work on its operations, the caller's included: 1 to
                                   PPL_MOST_THREADS, 0 for 1; more than there are cores
                                   slows down */
    int no_validation;          /* nonzero: leave the arguments and values of
                                   distributions unchecked */
    ppl_allocator allocator;    /* NULL: realloc and free */
    void *allocator_user;       /* its first argument */
} ppl_ctx_opts;

/* A context: parameters, tape, handlers, memory, the first error. NULL opts: defaults.
 * Returns NULL when out of memory, when opts->dtype is not a floating type or opts->threads
 * out of range. Where not all threads start, the context works with those that did, and the
 * next boundary call returns PPL_EUNSUPPORTED once. */
PPL_API PPL_MUST_CHECK ppl_ctx *ppl_ctx_new(const ppl_ctx_opts *opts);
PPL_API void ppl_ctx_free(ppl_ctx *c);

PPL_API ppl_dtype ppl_ctx_dtype(const ppl_ctx *c);
PPL_API int ppl_validating(const ppl_ctx *c);
/* Threads that work on its operations, the caller's included. */
PPL_API int ppl_ctx_threads(const ppl_ctx *c);

/* ---- Errors ------------------------------------------------------------------------ */

/* The status of the first error: the one that stands in the way now, or else what the last
 * boundary call returned (PPL_OK if it went well). */
PPL_API ppl_status ppl_error(const ppl_ctx *c);
/* 1 while no error stands in the way: none has happened, or a boundary call has returned
 * it. In a model, a loop whose end depends on sampled values tests it. */
PPL_API int ppl_ok(const ppl_ctx *c);
/* The first error for a reader of the model: operation, shapes, what mends it, and the
 * site the run had reached. "" when there is none. Valid until the next boundary call. */
PPL_API const char *ppl_error_text(const ppl_ctx *c);
/* Forgets the error. */
PPL_API void ppl_clear_error(ppl_ctx *c);
/* For boundary calls of your own, which may nest. Enter forgets what an earlier call has
 * returned; an error that nobody was told of (an argument could not be made) is returned
 * at once: the call then does nothing and returns it. Leave, only after an enter that
 * returned PPL_OK, gives the status to return. */
PPL_API PPL_MUST_CHECK ppl_status ppl_boundary_enter(ppl_ctx *c);
PPL_API ppl_status ppl_boundary_leave(ppl_ctx *c);
/* Records an error unless one is recorded already; returns the recorded status. For
 * models, handlers, ops and distributions of your own. */
PPL_API ppl_status ppl_fail(ppl_ctx *c, ppl_status status, const char *format, ...)
    PPL_PRINTF(3, 4);
/* Adds to the text of the error that there is, as far as there is room: for those who know
 * more of where it happened. */
PPL_API void ppl_error_append(ppl_ctx *c, const char *format, ...) PPL_PRINTF(2, 3);
/* Characters that an error's text can have. */
#define PPL_ERROR_TEXT 2047
/* `hook` is called once at each first error: a place for a breakpoint or a log line. It
 * may not jump. NULL removes it. (PPL_ESCAPE is no error, and does not call it.) */
typedef void (*ppl_error_hook)(void *user, ppl_status status, const char *text);
PPL_API void ppl_set_error_hook(ppl_ctx *c, ppl_error_hook hook, void *user);

/* ---- Memory ------------------------------------------------------------------------ */

typedef int ppl_epoch;

/* Opens an epoch and returns its mark; ppl_epoch_end releases everything made since, and
 * every epoch opened since, and pops the handlers among it that are still pushed. Epochs
 * nest. From the third like epoch on, no memory is taken from the allocator. A tensor used
 * after its epoch is an error (PPL_ESTALE). */
PPL_API ppl_epoch ppl_epoch_begin(ppl_ctx *c);
PPL_API void ppl_epoch_end(ppl_ctx *c, ppl_epoch mark);
/* `size` zeroed bytes, aligned to 64, that live until the end of the epoch. */
PPL_API void *ppl_alloc(ppl_ctx *c, size_t size);
/* The same without the zeros, for what is written whole. */
PPL_API void *ppl_alloc_raw(ppl_ctx *c, size_t size);
/* `size` bytes of the context's allocator, zeroed, beyond every epoch: for objects with a
 * `_free`. Sizes are the caller's to remember. NULL frees nothing. */
PPL_API PPL_MUST_CHECK void *ppl_persistent_alloc(ppl_ctx *c, size_t size);
PPL_API void ppl_persistent_free(ppl_ctx *c, void *block, size_t size);
/* Bytes the context holds now. */
PPL_API size_t ppl_memory_in_use(const ppl_ctx *c);

/* ---- Running ----------------------------------------------------------------------- */

/* A model or a guide. `arg` is whatever the caller of ppl_run or of a step passed. */
typedef void (*ppl_model)(ppl_ctx *c, const void *arg);

/* Runs `model` under `handlers` (outermost first, NULL at the end; NULL for none), so that
 * (ppl_handler *[]){ trace, replay, NULL } reads as trace(replay(model)). Forgets which
 * sites were visited, calls the model, pops what it left pushed (and reports it,
 * PPL_ENEST), leaves the handlers. An error in making the handlers is returned at once.
 * What the run made lives on until the epoch around the call ends. Parameters that a
 * failed run created are forgotten again. */
PPL_API PPL_MUST_CHECK ppl_status ppl_run(ppl_ctx *c, ppl_model model, const void *arg,
                                          ppl_handler *const *handlers);

#ifdef __cplusplus
}
#endif
#endif
