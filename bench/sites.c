/* SPDX-License-Identifier: MIT */
/*
 * sites.c - what an effect costs: nanoseconds per scalar sample site, from running to a
 * step of SVI. Median, minimum and maximum of 15 timings.
 *
 *     bench/sites [SITES]        (1000)
 */
#include <kiln.h>

#include "bench.h"

enum { REPEATS = 15, ROUNDS = 20 };

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

static void run_replay(ppl_ctx *c, void *user)
{
    ppl_handler *replay = ppl_replay(c, ppl_get_trace(c, model, NULL, NULL));

    (void)user;
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

static void measure(ppl_ctx *c, const char *what, void (*run)(ppl_ctx *, void *), void *user)
{
    double seconds[REPEATS];

    for (int r = -3; r < REPEATS; r++) {        /* three to warm up */
        double start = bench_now();

        for (int k = 0; k < ROUNDS; k++) {
            ppl_epoch mark = ppl_epoch_begin(c);

            run(c, user);
            ppl_epoch_end(c, mark);
        }
        if (r >= 0)
            seconds[r] = (bench_now() - start) / ROUNDS / sites;
    }
    bench_report(what, seconds, REPEATS, 1e9, "ns per site");
}

static void measure_svi(ppl_ctx *c, const char *what, ppl_elbo *elbo)
{
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, ppl_adam(c, NULL));

    if (svi == NULL)
        exit(1);
    measure(c, what, run_step, svi);
    ppl_svi_free(svi);
}

int main(int argc, char **argv)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });

    if (argc > 1)
        sites = atoi(argv[1]);
    if (c == NULL || sites < 1)
        return 1;
    printf("%d scalar sites, f64, one thread\n", sites);
    measure(c, "run", run_plain, NULL);
    measure(c, "traced", run_trace, NULL);
    measure(c, "traced, a distribution made at each site", run_fresh, NULL);
    measure(c, "traced, then replayed and traced", run_replay, NULL);
    measure(c, "traced under eight scale handlers", run_deep, NULL);
    measure_svi(c, "step of trace ELBO", ppl_trace_elbo(c, NULL));
    measure_svi(c, "step of mean-field ELBO", ppl_trace_mean_field_elbo(c, NULL));
    ppl_ctx_free(c);
    return 0;
}
