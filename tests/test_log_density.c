/* SPDX-License-Identifier: MIT */
/*
 * test_log_density.c - a model's log density over unconstrained numbers: it integrates to
 * 1, its gradient is that of differences, constrain and unconstrain are inverse, what is
 * recorded is what the C code computes; and what has no such density says so.
 */
#include "inference.h"

#include <kiln/distributions.h>
#include <kiln/log_density.h>

#include <stdio.h>

/* ---- One number: the density is one, whatever the bijection ------------------------- */

static int which;

/* A latent of each kind of support, without data. */
static void one_latent(ppl_ctx *ctx, const void *arg)
{
    ppl_dist *d[] = {
        ppl_normal(number(0.3), number(0.7)),
        ppl_gamma(number(2.5), number(1.5)),
        ppl_beta(number(2), number(3.5)),
        ppl_exponential(number(0.8)),
    };

    (void)arg;
    ppl_sample(ctx, "z", d[which]);
}

START_TEST(densities_integrate_to_one)
{
    for (which = 0; which < 4; which++) {
        double sum = 0, value;

        begin(_i);
        ppl_log_density *d = ppl_log_density_of(c, one_latent, NULL, NULL);
        ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
        ck_assert_int_eq(ppl_log_density_size(d), 1);
        ck_assert(ppl_log_density_is_recorded(d));
        /* The trapezoid rule, far into both tails. */
        for (int k = -4000; k <= 4000; k++) {
            OK(ppl_log_density_at(d, &(double){ k / 200.0 }, &value, NULL));
            sum += exp(value) / 200;
        }
        NEAR(sum, 1, _i == 0 ? 1e-5 : 1e-8);
        end();
    }
}
END_TEST

/* ---- A model of several kinds ------------------------------------------------------ */

static const double data[] = { 0.4, 1.9, -0.3, 2.2 };

/* `arg` not NULL: it reads a latent into C, though it does nothing with it. */
static void mixed(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *scale = ppl_param(ctx, "scale", PPL_SCALAR, ppl_init_constant(1.5),
                                  PPL_POSITIVE);
    ppl_tensor *mean = ppl_sample(ctx, "mean", ppl_normal(number(0), scale));
    ppl_tensor *rate = ppl_sample(ctx, "rate", ppl_gamma(number(2), number(1))), *each;
    ppl_scope s;

    if (arg != NULL)
        (void)ppl_item(rate);
    s = ppl_push(ctx, ppl_plate(ctx, "row", 4, NULL));
    each = ppl_sample(ctx, "each", ppl_normal(mean, rate));
    ppl_observe(ctx, "x", ppl_normal(each, number(0.8)), ppl_from_doubles(ctx, PPL_SHAPE(4),
                                                                          data));
    ppl_pop(ctx, s);
    s = ppl_push(ctx, ppl_scale(ctx, 0.25));
    ppl_sample_at(ctx, "share", 3, ppl_beta(rate, number(2)));
    ppl_pop(ctx, s);
}

static double log_normal_of(double x, double loc, double scale)
{
    double z = (x - loc) / scale;

    return -z * z / 2 - log(scale) - 0.91893853320467274;
}

/* By hand: u = mean, log rate, each [4], logit share. */
static double by_hand(const double *u)
{
    double rate = exp(u[1]), share = 1 / (1 + exp(-u[6]));
    double sum = log_normal_of(u[0], 0, 1.5) + log(rate) - rate + u[1];

    for (int i = 0; i < 4; i++)
        sum += log_normal_of(u[2 + i], u[0], rate) + log_normal_of(data[i], u[2 + i], 0.8);
    sum += 0.25 * ((rate - 1) * log(share) + log1p(-share) + lgamma(rate + 2) -
                   lgamma(rate) - lgamma(2));
    return sum + log(share) + log1p(-share);
}

static void fill(double *u, int k)
{
    for (int i = 0; i < 7; i++)
        u[i] = 0.8 * sin(1 + 1.9 * i + 0.7 * k);
}

START_TEST(values_and_gradients)
{
    static const struct {
        const char *name;
        int64_t index, offset, count;
    } latent[] = { { "mean", -1, 0, 1 }, { "rate", -1, 1, 1 }, { "each", -1, 2, 4 },
                   { "share", 3, 6, 1 } };

    for (int reads = 0; reads < 2; reads++) {
        double u[7], g[7], value, up, down;

        begin(_i);
        ppl_log_density *d = ppl_log_density_of(c, mixed, reads ? &reads : NULL, NULL);
        ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
        ck_assert_int_eq(ppl_log_density_is_recorded(d), !reads);
        ck_assert_int_eq(ppl_log_density_size(d), 7);
        ck_assert_int_eq(ppl_log_density_latents(d), COUNT_OF(latent));
        for (int i = 0; i < COUNT_OF(latent); i++) {
            const ppl_latent *l = ppl_log_density_latent(d, i);

            ck_assert_str_eq(l->name, latent[i].name);
            ck_assert(l->index == latent[i].index && l->offset == latent[i].offset &&
                      l->count == latent[i].count);
        }
        for (int k = 0; k < 4; k++) {
            fill(u, k);
            OK(ppl_log_density_at(d, u, &value, g));
            NEAR(value, by_hand(u), _i == 0 ? 2e-6 : 1e-12);
            for (int i = 0; i < 7; i++) {
                double x = u[i];

                u[i] = x + 1e-5;
                up = by_hand(u);
                u[i] = x - 1e-5;
                down = by_hand(u);
                u[i] = x;
                NEAR(g[i], (up - down) / 2e-5, _i == 0 ? 1e-4 : 1e-8);
            }
            OK(ppl_log_density_at(d, u, &up, NULL));
            NEAR(up, value, 0);
        }
        end();
    }
}
END_TEST

START_TEST(constrain_and_unconstrain_are_inverse)
{
    for (int reads = 0; reads < 2; reads++) {
        double u[7], z[7], back[7];

        begin(_i);
        ppl_log_density *d = ppl_log_density_of(c, mixed, reads ? &reads : NULL, NULL);
        fill(u, 1);
        OK(ppl_log_density_constrain(d, u, z));
        NEAR(z[0], u[0], tight);
        NEAR(z[1], exp(u[1]), tight);
        NEAR(z[6], 1 / (1 + exp(-u[6])), tight);
        OK(ppl_log_density_unconstrain(d, z, back));
        for (int i = 0; i < 7; i++)
            NEAR(back[i], u[i], tight);
        z[1] = -2;
        ck_assert_int_ne(ppl_log_density_unconstrain(d, z, back), PPL_OK);
        /* And nothing has come of it. */
        OK(ppl_log_density_constrain(d, u, z));
        NEAR(z[1], exp(u[1]), tight);
        end();
    }
}
END_TEST

/* Conditioned, a latent is data; masked, its density is that of the bijection alone. */
START_TEST(handlers_apply)
{
    double u[6] = { 0.3, -0.2, 0.5, 0.1, 0.9, -0.4 }, all[7], value;

    begin(_i);
    ppl_tensor *no = ppl_from_mask(c, PPL_SCALAR, (const unsigned char[]){ 0 });
    ppl_value given[] = { { "rate", PPL_NO_INDEX, number(1.25) }, { NULL, 0, NULL } };
    ppl_handler *condition[] = { ppl_condition(c, given, NULL), NULL };
    ppl_log_density *d = ppl_log_density_of(c, mixed, NULL, condition);
    ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
    ck_assert_int_eq(ppl_log_density_size(d), 6);
    OK(ppl_log_density_at(d, u, &value, NULL));
    memcpy(all, (double[]){ u[0], log(1.25), u[1], u[2], u[3], u[4], u[5] }, sizeof all);
    NEAR(value, by_hand(all) - log(1.25), _i == 0 ? 2e-6 : 1e-12);
    which = 1;
    ppl_handler *mask[] = { ppl_mask(c, no), NULL };
    d = ppl_log_density_of(c, one_latent, NULL, mask);
    OK(ppl_log_density_at(d, u, &value, NULL));
    NEAR(value, u[0], tight);
    end();
}
END_TEST

/* ---- What has no such density ------------------------------------------------------ */

static void discrete(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "k", ppl_bernoulli(number(0.5)));
}

static void subsampled(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_plate(ctx, "row", 10,
                                          &(ppl_plate_opts){ .subsample_size = 2 }));

    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    ppl_pop(ctx, s);
}

/* Takes another way when the latent is positive. */
static void branches(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *a = ppl_sample(ctx, "a", ppl_normal(number(-9), number(1)));

    (void)arg;
    if (ppl_item(a) > 0)
        ppl_sample(ctx, "b", ppl_normal(number(0), number(1)));
    else
        ppl_sample(ctx, "c", ppl_normal(number(0), number(1)));
}

START_TEST(what_has_no_log_density)
{
    double u[2] = { 1, 0 }, value;

    begin(_i);
    assert_null(c, ppl_log_density_of(c, discrete, NULL, NULL), PPL_EUNSUPPORTED,
                "log_density: latent site k (bernoulli) is discrete and has no gradient; "
                "condition on it, or sum over it in the model");
    assert_null(c, ppl_log_density_of(c, subsampled, NULL, NULL), PPL_EUNSUPPORTED,
                "log_density: plate row draws a subsample, so the density is another in "
                "each run; use the whole plate, or give it indices");
    ppl_log_density *d = ppl_log_density_of(c, branches, NULL, NULL);
    ck_assert_msg(d != NULL && !ppl_log_density_is_recorded(d), "%s", ppl_error_text(c));
    assert_error(c, ppl_log_density_at(d, u, &value, NULL), PPL_EMISMATCH,
                 "log_density: site b is not the latent that was there when the model was "
                 "first run, or has another shape; a log density needs the same latents "
                 "whatever their values");
    ck_assert(isnan(value));
    u[0] = -1;
    OK(ppl_log_density_at(d, u, &value, NULL));
    NEAR(value, log_normal_of(-1, -9, 1) + log_normal_of(0, 0, 1), _i == 0 ? 1e-6 : 1e-12);
    ck_assert_int_eq(ppl_log_density_at(NULL, u, &value, NULL), PPL_EINVAL);
    end();
}
END_TEST

/* From then on no evaluation takes memory. */
START_TEST(evaluations_take_no_memory)
{
    for (int reads = 0; reads < 2; reads++) {
        double u[7], g[7], value;
        long calls;

        begin(_i);
        ppl_log_density *d = ppl_log_density_of(c, mixed, reads ? &reads : NULL, NULL);
        fill(u, 0);
        for (int n = 0; n < 3; n++)
            OK(ppl_log_density_at(d, u, &value, g));
        calls = memory.calls;
        for (int n = 0; n < 50; n++)
            OK(ppl_log_density_at(d, u, &value, g));
        ck_assert_int_eq(memory.calls, calls);
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        densities_integrate_to_one, values_and_gradients,
        constrain_and_unconstrain_are_inverse, handlers_apply, what_has_no_log_density,
        evaluations_take_no_memory, NULL
    };

    return run_tests("log_density", tests);
}
