/* SPDX-License-Identifier: MIT */
/*
 * regression.c - Bayesian linear regression: one model, used three ways.
 *
 * It simulates the data (condition fixes slope and intercept), it is fitted to them
 * (condition fixes the observations), and the fit is compared with the exact posterior,
 * which is Gaussian: covariance S = (X'X / noise^2 + I)^-1, mean S X'y / noise^2.
 */
#include <kiln.h>

#include <math.h>
#include <stdio.h>

enum { N = 40 };
static const double noise = 0.5;

/* [N,2]: a column of ones and a column of positions in -1..1. */
static ppl_tensor *design(ppl_ctx *c)
{
    double x[2 * N];

    for (int i = 0; i < N; i++) {
        x[2 * i] = 1;
        x[2 * i + 1] = -1 + 2.0 * i / (N - 1);
    }
    return ppl_from_doubles(c, PPL_SHAPE(N, 2), x);
}

/* w ~ Normal(0, 1), two of them; y ~ Normal(X w, noise). Nothing is observed in here. */
static void model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *zero = ppl_full(c, PPL_SHAPE(2), 0), *w, *mean;

    (void)arg;
    w = ppl_sample(c, "w", ppl_event(ppl_normal(zero, ppl_scalar(c, 1)), 1));
    mean = ppl_reshape(ppl_matmul(design(c), ppl_reshape(w, PPL_SHAPE(2, 1))), PPL_SHAPE(N));
    ppl_sample(c, "y", ppl_event(ppl_normal(mean, ppl_scalar(c, noise)), 1));
}

/* The same, given y: `arg` holds N doubles. */
static void conditioned(ppl_ctx *c, const void *arg)
{
    ppl_tensor *y = ppl_from_doubles(c, PPL_SHAPE(N), arg);
    ppl_scope s =
        ppl_push(c, ppl_condition(c, (ppl_value[]){ { "y", PPL_NO_INDEX, y }, { 0 } }, NULL));

    model(c, NULL);
    ppl_pop(c, s);
}

/* Two independent Gaussians. */
static void guide(ppl_ctx *c, const void *arg)
{
    ppl_tensor *loc = ppl_param(c, "loc", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL);
    ppl_tensor *scale = ppl_param(c, "scale", PPL_SHAPE(2), PPL_ONES, PPL_POSITIVE);

    (void)arg;
    ppl_sample(c, "w", ppl_event(ppl_normal(loc, scale), 1));
}

/* y drawn from the model at w = (1, -2). */
static int simulate(ppl_ctx *c, double y[N])
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *w = ppl_from_doubles(c, PPL_SHAPE(2), (double[]){ 1, -2 });
    ppl_handler *truth =
        ppl_condition(c, (ppl_value[]){ { "w", PPL_NO_INDEX, w }, { 0 } }, NULL);
    ppl_trace *trace = ppl_get_trace(c, model, NULL, (ppl_handler *[]){ truth, NULL });

    if (trace != NULL)
        ppl_read(ppl_trace_find(trace, "y", PPL_NO_INDEX)->value, y, N);
    ppl_epoch_end(c, mark);
    return trace != NULL;
}

/* Mean and standard deviations of the exact posterior. Positions are symmetric, so X'X is
 * diagonal and a Gaussian without correlation can be exact. */
static void exact(const double y[N], double mean[2], double sd[2])
{
    double squares[2] = { 0, 0 }, product[2] = { 0, 0 };

    for (int i = 0; i < N; i++) {
        double x = -1 + 2.0 * i / (N - 1);

        squares[0] += 1;
        squares[1] += x * x;
        product[0] += y[i];
        product[1] += x * y[i];
    }
    for (int k = 0; k < 2; k++) {
        double precision = squares[k] / (noise * noise) + 1;

        mean[k] = product[k] / (noise * noise) / precision;
        sd[k] = 1 / sqrt(precision);
    }
}

static int fit(ppl_ctx *c, const double y[N])
{
    ppl_svi *svi = ppl_svi_new(
        c, conditioned, guide, ppl_trace_mean_field_elbo(c, NULL),
        ppl_adam(c, &(ppl_optim_opts){ .lr = 0.05, .lr_decay = 0.998 }));
    ppl_status status = svi != NULL ? PPL_OK : PPL_EINVAL;

    for (int step = 0; step < 3000 && status == PPL_OK; step++)
        status = ppl_svi_step(svi, y, NULL);
    ppl_svi_free(svi);
    return status == PPL_OK;
}

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64, .seed = 3 });
    double y[N], loc[2], scale[2], mean[2], sd[2];
    int ok = c != NULL && simulate(c, y) && fit(c, y) &&
             ppl_param_read(c, "loc", loc, 2) == PPL_OK &&
             ppl_param_read(c, "scale", scale, 2) == PPL_OK;

    if (ok) {
        exact(y, mean, sd);
        for (int k = 0; k < 2; k++)
            printf("%-9s posterior %.4f +- %.4f, exact %.4f +- %.4f\n",
                   k == 0 ? "intercept" : "slope", loc[k], scale[k], mean[k], sd[k]);
    } else if (c != NULL) {
        fprintf(stderr, "regression: %s\n", ppl_error_text(c));
    }
    ppl_ctx_free(c);
    return !ok;
}
