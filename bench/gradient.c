/* SPDX-License-Identifier: MIT */
/*
 * gradient.c - nanoseconds per value and gradient of three log densities over unconstrained
 * numbers: eight schools (centred, 10 numbers), a logistic regression (1,000 x 20), a hidden
 * Markov model of 3 states over 500 steps (12 numbers). Models, data and points are those of
 * the peers (bench/peers/gradients.py); the log densities at the points are printed.
 *
 *     bench/gradient [--serve] [--model "eight schools"|logistic|hmm]
 */
#include <kiln.h>

#include "bench.h"
#include "serve.h"

#include <math.h>
#include <string.h>

enum { SCHOOLS = 8, ROWS = 1000, COLUMNS = 20, STATES = 3, STEPS = 500, REPEATS = 15 };

static double x[ROWS * COLUMNS], label[ROWS], series[STEPS];

static void eight_schools(ppl_ctx *c, const void *arg)
{
    static const double y[SCHOOLS] = { 28, 8, -3, 7, -1, 1, 18, 12 };
    static const double sigma[SCHOOLS] = { 15, 10, 16, 11, 9, 11, 10, 18 };
    ppl_tensor *five = ppl_scalar(c, 5), *theta;
    ppl_tensor *mu = ppl_sample(c, "mu", ppl_normal(ppl_scalar(c, 0), five));
    ppl_tensor *tau = ppl_sample(c, "tau", ppl_half_cauchy(five));
    ppl_scope s = ppl_push(c, ppl_plate(c, "school", SCHOOLS, NULL));

    (void)arg;
    theta = ppl_sample(c, "theta", ppl_normal(mu, tau));
    ppl_observe(c, "y", ppl_normal(theta, ppl_from_doubles(c, PPL_SHAPE(SCHOOLS), sigma)),
                ppl_from_doubles(c, PPL_SHAPE(SCHOOLS), y));
    ppl_pop(c, s);
}

static ppl_dist *normals(ppl_ctx *c, double scale, ppl_shape shape)
{
    ppl_dist *d = ppl_normal(ppl_scalar(c, 0), ppl_scalar(c, scale));

    return ppl_event(ppl_expand_dist(d, shape), shape.rank);
}

static void logistic(ppl_ctx *c, const void *arg)
{
    ppl_tensor *beta = ppl_sample(c, "beta", normals(c, 1, PPL_SHAPE(COLUMNS)));
    ppl_tensor *logits = ppl_matmul(ppl_wrap(c, PPL_F64, PPL_SHAPE(ROWS, COLUMNS), x),
                                    ppl_reshape(beta, PPL_SHAPE(COLUMNS, 1)));

    (void)arg;
    ppl_observe(c, "label",
                ppl_event(ppl_bernoulli_logits(ppl_reshape(logits, PPL_SHAPE(ROWS))), 1),
                ppl_wrap(c, PPL_F64, PPL_SHAPE(ROWS), label));
}

static void hmm(ppl_ctx *c, const void *arg)
{
    ppl_tensor *logits = ppl_sample(c, "logits", normals(c, 1, PPL_SHAPE(STATES, STATES)));
    ppl_tensor *loc = ppl_sample(c, "loc", normals(c, 2, PPL_SHAPE(STATES)));
    ppl_dist *emission = ppl_normal(loc, ppl_scalar(c, 1));

    (void)arg;
    ppl_observe(c, "series",
                ppl_discrete_hmm(ppl_full(c, PPL_SHAPE(STATES), 0), logits, emission, STEPS),
                ppl_wrap(c, PPL_F64, PPL_SHAPE(STEPS), series));
}

static void make_data(void)
{
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = sin(i * 0.7 + 1);
    for (int i = 0; i < ROWS; i++)
        label[i] = sin(i * 1.3) + x[i * COLUMNS] > 0;
    for (int i = 0; i < STEPS; i++)
        series[i] = sin(i * 0.31) * 2 + cos(i * 1.7);
}

/* One model: its name among the measures, and how many gradients a timing takes. */
typedef struct row {
    const char *name;
    ppl_model model;
    int loops;
    ppl_log_density *density;
} row;

static double measure(const row *r)
{
    double u[64], g[64], value, start;
    const int n = (int)ppl_log_density_size(r->density);

    for (int i = 0; i < n; i++)
        u[i] = 0.1 * sin(i + 1.0);
    start = bench_now();
    for (int k = 0; k < r->loops; k++) {
        if (ppl_log_density_at(r->density, u, &value, g) != PPL_OK)
            exit(1);
        for (int i = 0; i < n; i++)
            u[i] += 1e-12 * g[i];
    }
    return 1e9 * (bench_now() - start) / r->loops;
}

static double value_at_point(const row *r)
{
    double u[64], value = NAN;

    for (int i = 0; i < ppl_log_density_size(r->density); i++)
        u[i] = 0.1 * sin(i + 1.0);
    if (ppl_log_density_at(r->density, u, &value, NULL) != PPL_OK)
        exit(1);
    return value;
}

/* Keeps the rows whose name begins with `model`; returns their number. */
static int choose(row *rows, int count, const char *model)
{
    int kept = 0;

    for (int k = 0; k < count; k++)
        if (strncmp(rows[k].name, model, strlen(model)) == 0)
            rows[kept++] = rows[k];
    return kept;
}

int main(int argc, char **argv)
{
    row rows[] = {
        { "eight schools, ns per gradient", eight_schools, 200000, NULL },
        { "logistic, ns per gradient", logistic, 2000, NULL },
        { "hmm, ns per gradient", hmm, 1000, NULL },
    };
    int count = (int)(sizeof rows / sizeof *rows), serving = 0;
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });
    double ns[REPEATS];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--serve") == 0)
            serving = 1;
        else if (strcmp(argv[i], "--model") == 0 && i + 1 < argc)
            count = choose(rows, count, argv[++i]);
        else
            return fprintf(stderr, "bench/gradient: what is %s?\n", argv[i]), 2;
    }
    make_data();
    for (int k = 0; k < count; k++) {
        rows[k].density = c != NULL ? ppl_log_density_of(c, rows[k].model, NULL, NULL) : NULL;
        if (rows[k].density == NULL)
            return fprintf(stderr, "bench/gradient: %s\n", c ? ppl_error_text(c) : ""), 1;
    }
    if (serving) {
        serve_about(1, "gradients, f64");
        while (serve_next()) {
            int measures = 0;

            for (int k = 0; k < count; k++)
                serve_measure(&measures, rows[k].name, measure(&rows[k]));
            serve_end(&measures);
        }
    }
    for (int k = 0; k < count && !serving; k++) {
        for (int r = 0; r < REPEATS; r++)
            ns[r] = measure(&rows[k]);
        printf("log density %.15g, recorded: %d\n", value_at_point(&rows[k]),
               ppl_log_density_is_recorded(rows[k].density));
        bench_report(rows[k].name, ns, REPEATS, 1, "");
    }
    ppl_ctx_free(c);
    return 0;
}
