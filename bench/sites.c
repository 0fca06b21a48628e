/* SPDX-License-Identifier: MIT */
/*
 * sites.c - what an effect costs: per scalar sample site, from running to a step of SVI,
 * and how that grows. Median, minimum and maximum of 15 timings; or one timing for each
 * line read (serve.h).
 *
 *     bench/sites [SITES]        (1000)
 *     bench/sites --serve
 */
#include <kiln.h>

#include "bench.h"
#include "serve.h"

#include <string.h>

enum { REPEATS = 15 };

static int sites = 1000;

static void model(ppl_ctx *c, const void *arg)
{
    ppl_dist *d = ppl_normal(ppl_scalar(c, 0), ppl_scalar(c, 1));

    (void)arg;
    for (int i = 0; i < sites; i++)
        ppl_sample_at(c, "z", i, d);
}

static void fresh_model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *zero = ppl_scalar(c, 0), *one = ppl_scalar(c, 1);

    (void)arg;
    for (int i = 0; i < sites; i++)
        ppl_sample_at(c, "z", i, ppl_normal(zero, one));
}

static void guide(ppl_ctx *c, const void *arg)
{
    ppl_tensor *loc = ppl_param(c, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL);
    ppl_tensor *scale = ppl_param(c, "scale", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);

    (void)arg;
    for (int i = 0; i < sites; i++)
        ppl_sample_at(c, "z", i, ppl_normal(loc, scale));
}

static void run_plain(ppl_ctx *c, void *user)
{
    (void)user;
    if (ppl_run(c, model, NULL, NULL) != PPL_OK)
        exit(1);
}

static void run_trace(ppl_ctx *c, void *user)
{
    (void)user;
    if (ppl_get_trace(c, model, NULL, NULL) == NULL)
        exit(1);
}

static void run_fresh(ppl_ctx *c, void *user)
{
    (void)user;
    if (ppl_get_trace(c, fresh_model, NULL, NULL) == NULL)
        exit(1);
}

/* The replayed run alone; the trace it is replayed from is made before. */
static void run_replay(ppl_ctx *c, void *user)
{
    ppl_handler *replay = ppl_replay(c, *(ppl_trace **)user);

    if (ppl_get_trace(c, model, NULL, (ppl_handler *[]){ replay, NULL }) == NULL)
        exit(1);
}

static void run_deep(ppl_ctx *c, void *user)
{
    ppl_handler *stack[9] = { NULL };

    (void)user;
    for (int i = 0; i < 8; i++)
        stack[i] = ppl_scale(c, 1);
    if (ppl_get_trace(c, model, NULL, stack) == NULL)
        exit(1);
}

static void run_step(ppl_ctx *c, void *user)
{
    (void)c;
    if (ppl_svi_step(user, NULL, NULL) != PPL_OK)
        exit(1);
}

/* Seconds of one run, the mean of `rounds`, each an epoch. */
static double seconds_of(ppl_ctx *c, void (*run)(ppl_ctx *, void *), void *user, int rounds)
{
    double start = bench_now();

    for (int k = 0; k < rounds; k++) {
        ppl_epoch mark = ppl_epoch_begin(c);

        run(c, user);
        ppl_epoch_end(c, mark);
    }
    return (bench_now() - start) / rounds;
}

/* What is measured: a name, what is run, how many sites it has. */
typedef struct row {
    const char *name;
    void (*run)(ppl_ctx *c, void *user);
    void *user;
    int sites;                      /* 0: the number is in microseconds a run */
} row;

static double measure(ppl_ctx *c, const row *r)
{
    const int all = sites;
    double seconds;

    sites = r->sites > 0 ? r->sites : -r->sites;
    seconds = seconds_of(c, r->run, r->user, sites < 1000 ? 20000 / (sites + 9) : 10);
    if (r->sites > 0)
        seconds = 1e9 * seconds / sites;
    else
        seconds *= 1e6;
    sites = all;
    return seconds;
}

static void report(ppl_ctx *c, const row *rows, int count)
{
    double number[REPEATS];

    for (int k = 0; k < count; k++) {
        for (int r = -3; r < REPEATS; r++)          /* three to warm up */
            number[r < 0 ? 0 : r] = measure(c, &rows[k]);
        bench_report(rows[k].name, number, REPEATS, 1, "");
    }
}

static void serve(ppl_ctx *c, const row *rows, int count)
{
    for (int k = 0; k < count; k++)
        measure(c, &rows[k]);
    serve_about(1, "effects, f64");
    while (serve_next()) {
        int measures = 0;

        for (int k = 0; k < count; k++)
            serve_measure(&measures, rows[k].name, measure(c, &rows[k]));
        serve_end(&measures);
    }
}

static ppl_svi *svi_of(ppl_ctx *c, ppl_elbo *elbo)
{
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, ppl_adam(c, NULL));

    if (svi == NULL)
        exit(1);
    return svi;
}

int main(int argc, char **argv)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });
    int serving = argc > 1 && strcmp(argv[1], "--serve") == 0;
    ppl_trace *trace;

    if (argc > 1 && !serving)
        sites = atoi(argv[1]);
    if (c == NULL || sites < 1 || (trace = ppl_get_trace(c, model, NULL, NULL)) == NULL)
        return 1;
    ppl_svi *sampled = svi_of(c, ppl_trace_elbo(c, NULL));
    ppl_svi *analytic = svi_of(c, ppl_trace_mean_field_elbo(c, NULL));
    const row rows[] = {
        { "run, ns per site", run_plain, NULL, sites },
        { "traced, ns per site", run_trace, NULL, sites },
        { "traced, a distribution made at each site, ns per site", run_fresh, NULL, sites },
        { "replayed and traced, ns per site", run_replay, &trace, sites },
        { "traced under eight scale handlers, ns per site", run_deep, NULL, sites },
        { "step of trace ELBO, ns per site", run_step, sampled, sites },
        { "step of mean-field ELBO, ns per site", run_step, analytic, sites },
        { "step of mean-field ELBO, 1 site, us", run_step, analytic, -1 },
        { "step of mean-field ELBO, 10 sites, us", run_step, analytic, -10 },
        { "step of mean-field ELBO of 10,000 sites, ns per site", run_step, analytic, 10000 },
        { "step of mean-field ELBO of 100,000 sites, ns per site", run_step, analytic,
          100000 },
    };
    const int count = (int)(sizeof rows / sizeof *rows);

    if (serving)
        serve(c, rows, count);
    else
        printf("%d scalar sites, f64, one thread\n", sites), report(c, rows, count);
    ppl_svi_free(sampled);
    ppl_svi_free(analytic);
    ppl_ctx_free(c);
    return 0;
}
