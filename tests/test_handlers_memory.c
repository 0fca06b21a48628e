/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_memory.c - every allocation refused, one after another, of runs of every
 * model under every handler: each failure is a NULL with PPL_ENOMEM recorded, the same
 * then succeeds and gives what it gives where nothing was refused, and nothing leaks.
 */
#include "ways.h"

/* Sums that tell runs apart. */
typedef struct digest {
    int count;
    double log_prob, values;
} digest;

static void add_trace(digest *d, ppl_trace *t)
{
    d->log_prob += ppl_trace_log_prob(t);
    for (int i = 0; i < ppl_trace_count(t); i++) {
        double x = ppl_total(ppl_trace_at(t, i)->value);
        d->values += isnan(x) ? 1 : ++d->count * x;
    }
}

/* What is done: 1, or 0 with the error recorded. */
typedef int (*task)(ppl_ctx *c, const void *arg, digest *d);

static void assert_out_of_memory(ppl_ctx *c, const char *text)
{
    ck_assert_msg(ppl_error(c) == PPL_ENOMEM &&
                  strncmp(ppl_error_text(c), "out of memory: ", 15) == 0, "%s: %s: %s", text,
                  ppl_status_name(ppl_error(c)), ppl_error_text(c));
}

/* The task in a context whose allocation number `refused` fails (-1: none). Returns how
 * many allocations there were; d->count is -1 if there was no context. */
static long attempt(int dtype, const char *text, task what, const void *arg, long refused,
                    digest *d)
{
    memory = (counting){ .refuse_at = refused };
    ppl_ctx *c = counted_context(dtype);
    if (c == NULL) {
        ck_assert_uint_eq(memory.held, 0);
        d->count = -1;
        return memory.calls;
    }
    for (int again = 0;; again++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        *d = (digest){ 0 };
        int done = what(c, arg, d) && ppl_ok(c);
        ppl_epoch_end(c, mark);
        if (done)
            break;
        ck_assert_msg(again == 0 && memory.calls >= refused, "%s: %s", text,
                      ppl_error_text(c));
        assert_out_of_memory(c, text);
        ppl_clear_error(c);
    }
    ppl_ctx_free(c);
    ck_assert_msg(memory.held == 0, "%s: %zu bytes are not given back", text, memory.held);
    return memory.calls;
}

static void check(int dtype, const char *text, task what, const void *arg)
{
    digest calm, d;
    attempt(dtype, text, what, arg, -1, &calm);
    ck_assert_int_ge(memory.calls, 3);
    for (long k = 1; k <= attempt(dtype, text, what, arg, k, &d); k++)
        ck_assert_msg(d.count < 0 || (d.count == calm.count && d.values == calm.values &&
                                      d.log_prob == calm.log_prob),
                      "%s: without allocation %ld %.17g is not %.17g", text, k, d.log_prob,
                      calm.log_prob);
}

/* ---- Every way of every handler ---------------------------------------------------- */

typedef struct subject {
    ppl_model model;
    const way *way;
} subject;

static int run_way(ppl_ctx *c, const void *arg, digest *d)
{
    const subject *s = arg;
    law l = { c, s->model, NULL };
    ppl_trace *t;
    ppl_set_rng_state(c, 11, 0);
    l.own = ppl_get_trace(c, s->model, NULL, NULL);
    if (l.own == NULL)
        return 0;
    ppl_handler *inner = s->way->make(&l);
    ppl_handler *around = s->way->around ? s->way->around(&l) : NULL;
    ppl_set_rng_state(c, 11, 0);
    t = ppl_get_trace(c, s->model, NULL, around ? handlers(around, inner) : handlers(inner));
    if (t == NULL)
        return 0;
    add_trace(d, t);
    return 1;
}

START_TEST(handlers_out_of_memory)
{
    char text[100];
    subject s = { models[_i / DTYPES].model, NULL };
    for (int i = 0; (s.way = way_at(i, text)) != NULL; i++)
        check(_i % DTYPES, text, run_way, &s);
}
END_TEST

/* ---- What is no handler of a run --------------------------------------------------- */

static void coins(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *x = ppl_sample(c, "x", standard(c, PPL_SCALAR));
    if (ppl_item(ppl_sample(c, "coin", ppl_bernoulli(ppl_sigmoid(x)))) > 0.5)
        ppl_sample(c, "pair", ppl_bernoulli(numbers(c, 0.3, 0.6)));
    else
        ppl_sample(c, "die", ppl_categorical(ppl_full(c, PPL_SHAPE(70), 1)));
}

/* After a failure a queue is as it was: it goes on, and misses no execution. */
static int run_queue(ppl_ctx *c, const void *arg, digest *d)
{
    ppl_queue *q = ppl_queue_new(c, arg);
    ppl_trace *t;
    int failures = 0;
    if (q == NULL)
        return 0;
    ppl_set_rng_state(c, 1, 1);
    do {
        if (ppl_queue_next(q, coins, NULL, NULL, &t) != PPL_OK) {
            assert_out_of_memory(c, "queue");
            ck_assert_int_eq(failures++, 0);
        } else {
            add_trace(d, t);
        }
    } while (ppl_ok(c) && (t != NULL || ppl_error(c) != PPL_OK));
    ppl_queue_free(q);
    return ppl_ok(c);
}

START_TEST(queues_out_of_memory)
{
    for (ppl_queue_order order = PPL_DEPTH_FIRST; order <= PPL_LIKELY_FIRST; order++)
        check(_i, "queue", run_queue, &(ppl_queue_opts){ .order = order });
}
END_TEST

static void tosses(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *z = ppl_sample(c, "z", ppl_beta(ppl_scalar(c, 2), ppl_scalar(c, 3)));
    ppl_scope s = ppl_plate_stack(c, "p", PPL_SHAPE(2, 3), 0);
    ppl_observe(c, "x", ppl_bernoulli(z), ppl_full(c, PPL_SHAPE(2, 3), 1));
    ppl_pop(c, s);
    ppl_observe(c, "y", ppl_bernoulli(z), ppl_scalar(c, 0));
}

static int run_collapse(ppl_ctx *c, const void *arg, digest *d)
{
    ppl_trace *t;
    (void)arg;
    ppl_set_rng_state(c, 1, 1);
    t = ppl_get_trace(c, tosses, NULL, handlers(ppl_collapse(c, ppl_conjugate_pairs, NULL)));
    if (t != NULL)
        add_trace(d, t);
    return t != NULL;
}

START_TEST(collapse_out_of_memory)
{
    check(_i, "collapse", run_collapse, NULL);
}
END_TEST

int main(void)
{
    const TTest *const of_models[] = { handlers_out_of_memory, NULL };
    const TTest *const others[] = { queues_out_of_memory, collapse_out_of_memory, NULL };
    int failed = run_loop_tests("handlers_memory", of_models, CASES);
    return run_tests("handlers_memory, others", others) != 0 || failed != 0;
}
