/* SPDX-License-Identifier: MIT */
/*
 * fixture.h - what the tests of contexts, sites and handlers share, over tensors.h:
 * contexts whose memory is counted, assertions about errors, runs and traces.
 *
 * A test begins with start(_i) and ends with stop(c), which asserts that freeing the
 * context has given every byte back.
 */
#ifndef KILN_TESTS_FIXTURE_H
#define KILN_TESTS_FIXTURE_H

#include "tensors.h"

#include <kiln/distributions.h>
#include <kiln/handlers.h>

/* ---- Contexts whose memory is counted ---------------------------------------------- */

/* What the allocator of the tests has done, and which of its calls it shall refuse. */
typedef struct counting {
    long calls, refuse_at;          /* refuse_at 0: none */
    size_t held;                    /* bytes */
    int contexts;
} counting;

static counting memory;

static inline void *counted_realloc(void *user, void *old, size_t old_size,
                                    size_t new_size)
{
    counting *count = user;
    if (new_size > 0 && ++count->calls == count->refuse_at)
        return NULL;
    count->held += new_size - old_size;
    if (new_size > 0)
        return realloc(old, new_size);
    free(old);
    return NULL;
}

/* NULL only if the allocator refuses. */
static inline ppl_ctx *counted_context(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .allocator = counted_realloc,
                                        .allocator_user = &memory });
}

static inline ppl_ctx *start(int i)
{
    if (memory.contexts == 0)
        memory = (counting){ 0 };
    ppl_ctx *c = counted_context(i);
    ck_assert_ptr_nonnull(c);
    memory.contexts++;
    return c;
}

static inline void stop(ppl_ctx *c)
{
    ppl_ctx_free(c);
    if (--memory.contexts == 0)
        ck_assert_msg(memory.held == 0, "%zu bytes are not given back", memory.held);
}

/* ---- Errors ------------------------------------------------------------------------ */

/* The status, and the first line of the text (the second says where the run stood). */
static inline void assert_error_is(ppl_ctx *c, ppl_status status, const char *line)
{
    const char *text = ppl_error_text(c);
    size_t length = strcspn(text, "\n");
    ck_assert_str_eq(ppl_status_name(ppl_error(c)), ppl_status_name(status));
    ck_assert_msg(strlen(line) == length && strncmp(text, line, length) == 0,
                  "the error is \"%s\", not \"%s\"", text, line);
}
/* The expression gives this status, by this error. */
#define assert_error(c, expression, status, line)                                        \
    do {                                                                                 \
        ck_assert_str_eq(ppl_status_name(expression), ppl_status_name(status));          \
        assert_error_is(c, status, line);                                                \
    } while (0)
/* The expression gives NULL and records this error, which is then cleared. */
#define assert_null(c, expression, status, line)                                         \
    do {                                                                                 \
        ck_assert_ptr_null(expression);                                                  \
        assert_error_is(c, status, line);                                                \
        ppl_clear_error(c);                                                              \
    } while (0)
#define assert_ok(c, expression)                                                         \
    ck_assert_msg((expression) == PPL_OK, "%s", ppl_error_text(c))

/* ---- Runs and traces --------------------------------------------------------------- */

/* handlers(a, b) is the list that ppl_run takes: a around b around the model. */
#define handlers(...) ((ppl_handler *[]){ __VA_ARGS__, NULL })
/* values({ "z", 3, t }, { "w", PPL_NO_INDEX, u }) is the list that ppl_condition
 * takes. */
#define values(...) ((ppl_value[]){ __VA_ARGS__, { NULL, 0, NULL } })

static inline ppl_trace *trace_of(ppl_ctx *c, ppl_model model, const void *arg,
                                  ppl_handler *const *list)
{
    ppl_trace *t = ppl_get_trace(c, model, arg, list);
    ck_assert_msg(t != NULL, "%s", ppl_error_text(c));
    return t;
}

static inline ppl_msg *site_of(const ppl_trace *t, const char *name, int64_t index)
{
    ppl_msg *m = ppl_trace_find(t, name, index);
    ck_assert_msg(m != NULL, "there is no site %s[%d]", name, (int)index);
    return m;
}

static inline ppl_tensor *value_of(const ppl_trace *t, const char *name)
{
    return site_of(t, name, PPL_NO_INDEX)->value;
}

/* A standard normal of some shape. */
static inline ppl_dist *standard(ppl_ctx *c, ppl_shape shape)
{
    return ppl_normal(ppl_full(c, shape, 0), ppl_scalar(c, 1));
}

/* Equal element by element, bit for bit. */
static inline void assert_same(const char *what, const ppl_tensor *a, const ppl_tensor *b)
{
    double x[256], y[256];
    ck_assert_msg(a != NULL && b != NULL, "%s is NULL", what);
    int64_t n = ppl_read(a, x, COUNT_OF(x));
    ck_assert_int_le(n, COUNT_OF(x));
    ck_assert_msg(ppl_rank(a) == ppl_rank(b) && ppl_read(b, y, COUNT_OF(y)) == n,
                  "%s: the shapes differ", what);
    for (int i = 0; i < n; i++)
        ck_assert_msg(memcmp(&x[i], &y[i], sizeof *x) == 0,
                      "%s: element %d is %.17g and %.17g", what, i, x[i], y[i]);
}

#endif
