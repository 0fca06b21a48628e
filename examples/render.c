/* SPDX-License-Identifier: MIT */
/*
 * render.c - pictures of models, in the DOT language:
 *
 *     examples/render schools | dot -Tsvg > doc/schools.svg
 *     examples/render dmm | dot -Tsvg > doc/dmm.svg
 *     examples/render dmm-guide | dot -Tsvg              (with its parameters)
 *
 * The eight schools of Rubin (1981), after Gelman et al., Bayesian Data Analysis, section
 * 5.5, with the effects written as theta = mu + tau eta; and the Deep Markov Model of
 * examples/dmm over ten steps, of which the first three are drawn.
 */
#include "dmm/dmm.h"

#include <kiln.h>

#include <stdio.h>
#include <string.h>

enum { SCHOOLS = 8, STEPS = 10, KEYS = 88 };

static void schools(ppl_ctx *c, const void *arg)
{
    static const double effect[SCHOOLS] = { 28, 8, -3, 7, -1, 1, 18, 12 };
    static const double error[SCHOOLS] = { 15, 10, 16, 11, 9, 11, 10, 18 };
    ppl_tensor *zero = ppl_scalar(c, 0), *one = ppl_scalar(c, 1), *eta, *theta;
    ppl_tensor *mu = ppl_sample(c, "mu", ppl_normal(zero, ppl_scalar(c, 5)));
    ppl_tensor *tau = ppl_sample(c, "tau", ppl_half_cauchy(ppl_scalar(c, 5)));
    ppl_scope s = ppl_push(c, ppl_plate(c, "schools", SCHOOLS, NULL));

    (void)arg;
    eta = ppl_sample(c, "eta", ppl_normal(zero, one));
    theta = ppl_deterministic(c, "theta", ppl_add(mu, ppl_mul(tau, eta)));
    ppl_observe(c, "y", ppl_normal(theta, ppl_from_doubles(c, PPL_SHAPE(SCHOOLS), error)),
                ppl_from_doubles(c, PPL_SHAPE(SCHOOLS), effect));
    ppl_pop(c, s);
}

/* One piece of ten steps of silence. */
static void dmm(ppl_ctx *c, const void *arg)
{
    static const float silence[STEPS * KEYS];
    int active[STEPS], offset[STEPS];
    dmm_batch b = { .dims = { KEYS, 10, 10, 10, 10 }, .steps = STEPS, .active = active,
                    .offset = offset, .rows = STEPS, .x = silence, .kl_weight = 1 };

    for (int t = 0; t < STEPS; t++) {
        active[t] = 1;
        offset[t] = t;
    }
    if (strcmp(arg, "guide") == 0)
        dmm_guide(c, &b);
    else
        dmm_model(c, &b);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *title;
        ppl_model model;
        const char *arg;
        int parameters, indices;
    } row[] = {
        { "schools", "Eight schools", schools, NULL, 0, 0 },
        { "dmm", "Deep Markov Model", dmm, "model", 0, 3 },
        { "dmm-guide", "The guide of the Deep Markov Model", dmm, "guide", 1, 3 },
    };
    ppl_ctx *c = ppl_ctx_new(NULL);
    ppl_status status = PPL_EINVAL;

    for (size_t i = 0; i < sizeof row / sizeof *row && c != NULL; i++)
        if (argc == 2 && strcmp(argv[1], row[i].name) == 0) {
            const ppl_render_opts opts = { .graph.parameters = row[i].parameters,
                                           .indices = row[i].indices,
                                           .title = row[i].title };

            status = ppl_render_model(c, row[i].model, row[i].arg, &opts, stdout);
            if (status != PPL_OK)
                fprintf(stderr, "render: %s\n", ppl_error_text(c));
        }
    if (argc != 2)
        fprintf(stderr, "usage: render schools|dmm|dmm-guide\n");
    ppl_ctx_free(c);
    return status != PPL_OK;
}
