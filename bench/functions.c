/* SPDX-License-Identifier: MIT */
/*
 * functions.c - what calling a model by its natural signature adds to a run: nanoseconds
 * per run of an empty model of three arguments. Median, minimum and maximum of 301 timings.
 *
 *     bench/functions
 */
#include <kiln.h>

#include "bench.h"

enum { REPEATS = 301, ROUNDS = 1000 };

static double seen;

static void model(ppl_ctx *c, const double *data, double beta, int n)
{
    (void)c;
    seen += data[0] * beta + n;
}

static void callback(ppl_ctx *c, const void *arg)
{
    model(c, arg, 0.5, 3);
}

typedef void model_code(ppl_ctx *c, const double *data, double beta, int n);

/* What is timed: by one of these pointers. */
typedef struct task {
    ppl_model model;
    ppl_fn *fn;
    model_code *code;
} task;

static const double data[1] = { 2 };

static double time_of(ppl_ctx *c, const task *t)
{
    const ppl_arg *args = PPL_ARGS(data, 0.5, 3);
    double start;
    int failed = 0;

    start = bench_now();
    for (int i = 0; i < ROUNDS; i++)
        if (t->code != NULL)
            t->code(c, data, 0.5, 3);
        else if (t->fn != NULL)
            failed |= ppl_fn_call(c, t->fn, args, PPL_ARG(NULL)) != PPL_OK;
        else
            failed |= ppl_run(c, t->model, t->model == callback ? (const void *)data : args,
                              NULL) != PPL_OK;
    if (failed)
        exit(1);
    return (bench_now() - start) / ROUNDS;
}

static double measure(ppl_ctx *c, const char *what, task t)
{
    double seconds[REPEATS];

    for (int r = -3; r < REPEATS; r++) {        /* three to warm up */
        double s = time_of(c, &t);

        if (r >= 0)
            seconds[r] = s;
    }
    return bench_report(what, seconds, REPEATS, 1e9, "ns");
}

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(NULL);
    ppl_fn *f, *scaled;
    double plain, natural;

    if (c == NULL)
        return 1;
    f = PPL_FN(c, void, model, (ppl_ctx *c, const double *data, double beta, int n));
    scaled = ppl_scale_fn(f, 0.5);
    if (scaled == NULL || ppl_fn_model(f) == NULL || ppl_fn_code(scaled) == NULL)
        return fprintf(stderr, "functions: %s\n", ppl_error_text(c)), 1;
    plain = measure(c, "run of a callback", (task){ .model = callback });
    natural = measure(c, "run of ppl_fn_model", (task){ .model = ppl_fn_model(f) });
    printf("%-46s %10.2f\n", "  added", 1e9 * (natural - plain));
    measure(c, "run of ppl_fn_model, under scale",
            (task){ .model = ppl_fn_model(scaled) });
    measure(c, "ppl_fn_call", (task){ .fn = f });
    measure(c, "code of scale(model)", (task){ .code = (model_code *)ppl_fn_code(scaled) });
    ppl_ctx_free(c);
    return seen > 0 ? 0 : 1;
}
