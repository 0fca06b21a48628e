/* SPDX-License-Identifier: MIT */
/*
 * handlers.c - what a handler costs a message that is none of its business: nanoseconds
 * per message and handler, from runs of scalar sites under eight of them and under none,
 * taken in turns. Each handler is given what makes it look: a list of a hundred other
 * sites, a function that says no.
 *
 *     bench/handlers [SITES]        (1000)
 */
#include <kiln.h>

#include "bench.h"

#include <math.h>
#include <stdint.h>

enum { REPEATS = 15, ROUNDS = 40, DEEP = 8, OTHERS = 100 };

static int sites = 1000;

static void model(ppl_ctx *c, const void *arg)
{
    ppl_dist *d = ppl_normal(ppl_scalar(c, 0), ppl_scalar(c, 1));

    (void)arg;
    for (int i = 0; i < sites; i++)
        ppl_sample_at(c, "z", i, d);
}

/* ---- Handlers that look and leave it ----------------------------------------------- */

static const ppl_value *others(ppl_ctx *c)
{
    ppl_value *list = ppl_alloc(c, (OTHERS + 1) * sizeof *list);

    for (int i = 0; i < OTHERS; i++)
        list[i] = (ppl_value){ "other", i, ppl_scalar(c, 0) };
    return list;
}

static const char *const other_names[] = { "other", "another", NULL };
static int unused;

static int never(const ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return 0;
}

static void look(ppl_msg *m, void *user)
{
    (void)m, (void)user;
}

static ppl_tensor *no_value(ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return NULL;
}

static ppl_dist *no_prior(ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return NULL;
}

static ppl_handler *empty_replay(ppl_ctx *c)
{
    ppl_trace *t;

    ppl_trace_into(c, &t);
    return ppl_replay(c, t);
}

#define LOOKS(name, expression)                                                            \
    static ppl_handler *make_##name(ppl_ctx *c)                                            \
    {                                                                                      \
        return expression;                                                                 \
    }
LOOKS(block, ppl_block(c, &(ppl_block_opts){ .hide = other_names }))
LOOKS(broadcast, ppl_broadcast(c))
LOOKS(collapse, ppl_collapse(c, ppl_conjugate_pairs, (const char *const[]){ NULL }))
LOOKS(condition, ppl_condition(c, others(c), &unused))
LOOKS(do, ppl_do(c, others(c), &unused))
LOOKS(escape, ppl_escape(c, never, NULL, NULL))
LOOKS(infer_config, ppl_infer_config(c, look, NULL))
LOOKS(init_to_value, ppl_init_to_value(c, others(c), &unused))
LOOKS(lift, ppl_lift_by(c, no_prior, NULL))
LOOKS(markov, ppl_markov(c, 1))
LOOKS(name_scope, ppl_name_scope(c, "a", &(ppl_name_scope_opts){ .keep = ~0u }))
LOOKS(reparam, ppl_reparam(c, (ppl_reparam_row[]){
    { NULL, &ppl_transform_reparam }, { NULL, NULL } }))
LOOKS(replay, empty_replay(c))
LOOKS(scale, ppl_scale(c, 1))
LOOKS(seed, ppl_seed(c, 1))
LOOKS(substitute, ppl_substitute(c, others(c), &unused))
LOOKS(substitute_by, ppl_substitute_by(c, no_value, NULL))
LOOKS(uncondition, ppl_uncondition(c))
LOOKS(watch, ppl_watch(c, NULL, NULL, NULL))

#define ROW(name) { #name, make_##name }
static const struct {
    const char *name;
    ppl_handler *(*make)(ppl_ctx *c);
} rows[] = {
    ROW(block), ROW(broadcast), ROW(collapse), ROW(condition), ROW(do), ROW(escape),
    ROW(infer_config), ROW(init_to_value), ROW(lift), ROW(markov), ROW(name_scope),
    ROW(reparam), ROW(replay), ROW(scale), ROW(seed), ROW(substitute), ROW(substitute_by),
    ROW(uncondition), ROW(watch),
};

/* ---- Timing ------------------------------------------------------------------------ */

/* Of this thread alone: others on the machine do not count. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of a run under `count` of a handler: the least of several. */
static double seconds(ppl_ctx *c, ppl_handler *(*make)(ppl_ctx *c), int count)
{
    double least = INFINITY;

    for (int k = 0; k < ROUNDS; k++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_handler *stack[DEEP + 1] = { NULL };
        double start;

        for (int i = 0; i < count; i++)
            stack[i] = make(c);
        start = now();
        if (ppl_run(c, model, NULL, stack) != PPL_OK)
            exit(1);
        least = fmin(least, now() - start);
        ppl_epoch_end(c, mark);
    }
    return least;
}

int main(int argc, char **argv)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });

    if (argc > 1)
        sites = atoi(argv[1]);
    if (c == NULL || sites < 1)
        return 1;
    printf("%d scalar sites, f64, one thread; eight of a handler against none\n", sites);
    for (size_t h = 0; h < sizeof rows / sizeof *rows; h++) {
        double each[REPEATS];

        for (int r = -3; r < REPEATS; r++) {    /* three to warm up */
            double none = seconds(c, rows[h].make, 0);
            double deep = seconds(c, rows[h].make, DEEP);

            if (r >= 0)
                each[r] = (deep - none) / DEEP / sites;
        }
        bench_report(rows[h].name, each, REPEATS, 1e9, "ns per message");
    }
    ppl_ctx_free(c);
    return 0;
}
