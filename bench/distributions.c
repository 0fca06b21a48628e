/* SPDX-License-Identifier: MIT */
/*
 * distributions.c - what densities and draws cost, per value: log_prob of a million values
 * summed with its gradients in values and parameters, and a million draws, through the
 * public functions, with validation on. One thread. Median, minimum and maximum of 15
 * timings; or one timing of each for each line read (serve.h).
 *
 *     bench/distributions
 *     bench/distributions --serve
 */
#include <kiln.h>

#include "bench.h"
#include "serve.h"

#include <string.h>

enum { REPEATS = 15, VALUES = 1000000, CATEGORIES = 100 };

/* Values and parameters of the densities, between 0.5 and 2.5. */
static double *numbers[3];

static void check(int fine)
{
    if (!fine) {
        fprintf(stderr, "bench/distributions: a computation failed\n");
        exit(1);
    }
}

static void fill_numbers(void)
{
    uint64_t state = 1;

    for (int k = 0; k < 3; k++) {
        numbers[k] = malloc(VALUES * sizeof *numbers[k]);
        check(numbers[k] != NULL);
        for (int i = 0; i < VALUES; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            numbers[k][i] = 0.5 + 2 * (double)(state >> 11) * 0x1p-53;
        }
    }
}

/* Seconds of one sum of log_prob with gradients; parameters as many as values, or one. */
static double density(ppl_ctx *c, ppl_dist *(*family)(ppl_tensor *, ppl_tensor *), int single)
{
    const ppl_shape shape = single ? PPL_SCALAR : PPL_SHAPE(VALUES);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(VALUES), numbers[0]);
    ppl_tensor *a = ppl_variable(c, shape, numbers[1]);
    ppl_tensor *b = ppl_variable(c, shape, numbers[2]);
    double start = bench_now(), seconds;

    check(ppl_backward(ppl_sum(ppl_log_prob(family(a, b), x), PPL_ALL)) == PPL_OK);
    seconds = bench_now() - start;
    ppl_epoch_end(c, mark);
    return seconds;
}

/* Seconds of a million draws of a distribution expanded to them. */
static double draws(ppl_ctx *c, ppl_dist *d)
{
    static const ppl_rng rng = { { 1, 2 } };
    double start = bench_now();

    check(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(VALUES)), &rng) != NULL);
    (void)c;
    return bench_now() - start;
}

static double normal_density(ppl_ctx *c) { return density(c, ppl_normal, 0); }
static double normal_density_1(ppl_ctx *c) { return density(c, ppl_normal, 1); }
static double gamma_density(ppl_ctx *c) { return density(c, ppl_gamma, 0); }
static double gamma_density_1(ppl_ctx *c) { return density(c, ppl_gamma, 1); }

static double normal_draws(ppl_ctx *c)
{
    return draws(c, ppl_normal(ppl_scalar(c, 1), ppl_scalar(c, 2)));
}

static double gamma_draws(ppl_ctx *c)
{
    return draws(c, ppl_gamma(ppl_scalar(c, 2.5), ppl_scalar(c, 1.5)));
}

static double small_gamma_draws(ppl_ctx *c)
{
    return draws(c, ppl_gamma(ppl_scalar(c, 0.5), ppl_scalar(c, 1.5)));
}

static double categorical_draws(ppl_ctx *c)
{
    return draws(c, ppl_categorical(
                        ppl_from_doubles(c, PPL_SHAPE(CATEGORIES), numbers[0])));
}

static const struct workload {
    const char *name;
    double (*run)(ppl_ctx *c);
} workloads[] = {
    { "Normal log_prob and gradients", normal_density },
    { "Normal log_prob and gradients, single parameters", normal_density_1 },
    { "Gamma log_prob and gradients", gamma_density },
    { "Gamma log_prob and gradients, single parameters", gamma_density_1 },
    { "Normal draws", normal_draws },
    { "Gamma(2.5) draws", gamma_draws },
    { "Gamma(0.5) draws", small_gamma_draws },
    { "Categorical draws, 100 categories", categorical_draws },
};
enum { WORKLOADS = sizeof workloads / sizeof *workloads };
static const char *const dtype_name[] = { "f32", "f64" };

static double run(ppl_ctx *c, const struct workload *w)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    double seconds = w->run(c);

    ppl_epoch_end(c, mark);
    return seconds;
}

static void name_of(char *name, size_t size, int w, int dtype)
{
    snprintf(name, size, "%s, %s", workloads[w].name, dtype_name[dtype]);
}

static void serve(ppl_ctx *const c[2])
{
    int count = 0;
    char name[100];

    for (int w = 0; w < WORKLOADS; w++)         /* to warm up, as the peers do */
        for (int dtype = 0; dtype < 2; dtype++)
            run(c[dtype], &workloads[w]);
    serve_about(1, "a million values, ns per value");
    while (serve_next()) {
        for (int w = 0; w < WORKLOADS; w++)
            for (int dtype = 0; dtype < 2; dtype++) {
                name_of(name, sizeof name, w, dtype);
                serve_measure(&count, name, run(c[dtype], &workloads[w]) * 1e9 / VALUES);
            }
        serve_end(&count);
    }
}

int main(int argc, char **argv)
{
    ppl_ctx *c[2];
    double seconds[REPEATS];
    char name[100];

    fill_numbers();
    for (int dtype = 0; dtype < 2; dtype++)
        check((c[dtype] = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = (ppl_dtype)dtype })) != NULL);
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        serve(c);
        return 0;
    }
    for (int w = 0; w < WORKLOADS; w++)
        for (int dtype = 0; dtype < 2; dtype++) {
            for (int r = -2; r < REPEATS; r++) {        /* two to warm up */
                double taken = run(c[dtype], &workloads[w]);

                if (r >= 0)
                    seconds[r] = taken / VALUES;
            }
            name_of(name, sizeof name, w, dtype);
            bench_report(name, seconds, REPEATS, 1e9, "ns per value");
        }
    ppl_ctx_free(c[0]);
    ppl_ctx_free(c[1]);
    for (int k = 0; k < 3; k++)
        free(numbers[k]);
    return 0;
}
