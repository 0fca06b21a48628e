/* SPDX-License-Identifier: MIT */
/*
 * test_relaxed.c - relaxed distributions beyond the tables: draws against differences at
 * fixed noise and against known expectations, extreme parameters, straight-through draws
 * and their gradients, KL, what is refused.
 */
#include "fixture.h"

#include "statistics.h"

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_ctx *lenient(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .no_validation = 1 });
}

/* The member of form i: temperature, then one weight or three. */
static ppl_dist *member(int i, ppl_tensor *temperature, ppl_tensor *weights)
{
    switch (i) {
    case 0:
        return ppl_relaxed_bernoulli(temperature, weights);
    case 1:
        return ppl_relaxed_bernoulli_logits(temperature, weights);
    case 2:
        return ppl_relaxed_one_hot_categorical(temperature, weights);
    }
    return ppl_relaxed_one_hot_categorical_logits(temperature, weights);
}

enum { FORMS = 4 };

static const double weights[FORMS][3] = {
    { 0.3, 0.6, 0.8 }, { -1, 0.5, 2 }, { 0.2, 0.5, 1 }, { -1, 0.5, 2 }
};

/* sum w x of draws, at moved parameters. */
static ppl_tensor *objective(ppl_ctx *c, int form, const double *at, ppl_tensor **leaf)
{
    leaf[0] = ppl_variable(c, PPL_SCALAR, at);
    leaf[1] = ppl_variable(c, PPL_SHAPE(3), at + 1);
    ppl_dist *d = member(form, leaf[0], leaf[1]);
    ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(d, form < 2 ? PPL_SHAPE(4, 3)
                                                                : PPL_SHAPE(4)), &rng);
    return ppl_sum(ppl_mul(x, numbers(c, 1, -2, 3)), PPL_ALL);
}

/* With its noise kept a draw is a function of the parameters. */
START_TEST(draws_move_as_differences_say)
{
    ppl_ctx *c = context(_i), *exact = context(1);
    for (int form = 0; form < FORMS; form++) {
        double at[4] = { 0.75, weights[form][0], weights[form][1], weights[form][2] };
        double found[4];
        ppl_tensor *leaf[2], *unused[2];
        ck_assert_int_eq(ppl_backward(objective(c, form, at, leaf)), PPL_OK);
        ppl_read(ppl_grad(leaf[0]), found, 1);
        ppl_read(ppl_grad(leaf[1]), found + 1, 3);
        for (int i = 0; i < 4; i++) {
            const double x = at[i], h = 1e-6;
            double f[2];
            for (int up = 0; up < 2; up++) {
                at[i] = up ? x + h : x - h;
                f[up] = ppl_item(objective(exact, form, at, unused));
            }
            at[i] = x;
            const double slope = (f[1] - f[0]) / (2 * h);
            ck_assert_msg(is_near(found[i], slope, _i ? 1e-7 : 1e-4),
                          "form %d: by number %d %.10g, not %.10g", form, i, found[i],
                          slope);
        }
    }
    ppl_ctx_free(c);
    ppl_ctx_free(exact);
}
END_TEST

/* log x_0 - log x_1 has the mean (a_0 - a_1) / t: so have its derivatives. */
START_TEST(pathwise_gradients_are_unbiased)
{
    enum { N = 20000 };
    static double slope[3 * N], same[3 * N], one[N];
    ppl_ctx *c = context(_i);
    for (int i = 0; i < N; i++) {
        one[i] = 0.75;
        memcpy(same + 3 * i, weights[3], 3 * sizeof *same);
    }
    ppl_tensor *t = ppl_variable(c, PPL_SHAPE(N), one);
    ppl_tensor *a = ppl_variable(c, PPL_SHAPE(N, 3), same);
    ppl_tensor *x = ppl_dist_sample(ppl_relaxed_one_hot_categorical_logits(t, a), &rng);
    ppl_tensor *y = ppl_mul(ppl_log(x), numbers(c, 1, -1, 0));
    ck_assert_int_eq(ppl_backward(ppl_sum(y, PPL_ALL)), PPL_OK);
    ppl_read(ppl_grad(t), slope, N);
    mean_error m = mean_of(slope, N);
    ck_assert(fabs(m.mean - 1.5 / 0.75 / 0.75) <= 4 * m.error + 1e-5);
    ppl_read(ppl_grad(a), slope, 3 * N);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++)
            one[i] = slope[3 * i + k];
        m = mean_of(one, N);
        ck_assert(fabs(m.mean - (k == 0 ? 1 : k == 1 ? -1 : 0) / 0.75) <=
                  4 * m.error + 1e-4);
    }
    ppl_ctx_free(c);
}
END_TEST

/* Temperatures and logits far out: draws within the support, densities not NaN. */
START_TEST(extremes_are_safe)
{
    static const double temperature[] = { 1e-30, 1e-3, 0.1, 10, 1e3, 1e30 };
    static const double scale[] = { 1e-30, 1, 1e3, 1e30 };
    ppl_ctx *c = context(_i);
    double x[96];
    for (int i = 0; i < COUNT_OF(temperature); i++)
        for (int k = 0; k < COUNT_OF(scale); k++)
            for (int one_hot = 0; one_hot < 2; one_hot++) {
                ppl_tensor *t = ppl_variable(c, PPL_SCALAR, &temperature[i]);
                ppl_tensor *a = variable(c, -scale[k], 0, scale[k]);
                ppl_dist *d = member(one_hot ? 3 : 1, t, a);
                d = ppl_expand_dist(d, one_hot ? PPL_SHAPE(32) : PPL_SHAPE(32, 3));
                ppl_tensor *draw = ppl_dist_sample(d, &rng), *y = ppl_log_prob(d, draw);
                ck_assert_msg(y != NULL, "%s", ppl_error_text(c));
                ppl_read(draw, x, 96);
                for (int n = 0; n < 96; n++)
                    ck_assert(x[n] > 0 && (one_hot ? x[n] <= 1 : x[n] < 1));
                ck_assert_msg(!isnan(ppl_total(y)), "t %g, scale %g", temperature[i],
                              scale[k]);
                ck_assert_int_eq(ppl_backward(ppl_sum(draw, PPL_ALL)), PPL_OK);
                ck_assert(isfinite(ppl_total(ppl_grad(a))));
                ck_assert(isfinite(ppl_total(ppl_grad(t))));
            }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(faces_and_ends)
{
    ppl_ctx *c = lenient(_i);
    ppl_tensor *w = variable(c, 1, 1, 1), *value;
    value = ppl_reshape(numbers(c, 0, 0.5, 0.5, -0.5, 0.5, 1, 0, 0, 1), PPL_SHAPE(3, 3));
    ppl_tensor *y = ppl_log_prob(ppl_relaxed_one_hot_categorical(ppl_scalar(c, 0.25), w),
                                 value);
    assert_values(y, 0, INFINITY, -INFINITY, INFINITY);
    y = ppl_log_prob(ppl_relaxed_one_hot_categorical(ppl_scalar(c, 4), w), value);
    assert_values(y, 0, -INFINITY, -INFINITY, -INFINITY);
    assert_ok(c, ppl_backward(ppl_sum(y, PPL_ALL)));
    assert_values(ppl_grad(w), 0, 0, 0, 0);
    /* Probabilities of 0 and 1 have draws all the same. */
    ppl_dist *d = ppl_relaxed_bernoulli(ppl_scalar(c, 0.5), numbers(c, 0, 1));
    double x[2];
    ppl_read(ppl_dist_sample(d, &rng), x, 2);
    ck_assert(x[0] > 0 && x[0] < 1e-30 && x[1] < 1 && x[1] > 0.999);
    assert_values(ppl_log_prob(d, numbers(c, 0.5, 0.5)), 0, -INFINITY, -INFINITY);
    ppl_ctx_free(c);
}
END_TEST

/* ---- Straight through -------------------------------------------------------------- */

START_TEST(hard_draws_have_soft_gradients)
{
    ppl_ctx *c = start(_i);
    for (int form = 0; form < FORMS; form++) {
        double x[12], y[12], g[2][3], by_t[2];
        for (int hard = 0; hard < 2; hard++) {
            ppl_tensor *t = ppl_variable(c, PPL_SCALAR, LIST(0.75));
            ppl_tensor *w = ppl_variable(c, PPL_SHAPE(3), weights[form]);
            ppl_dist *d = member(form, t, w);
            d = ppl_expand_dist(hard ? ppl_straight_through(d) : d,
                                form < 2 ? PPL_SHAPE(4, 3) : PPL_SHAPE(4));
            ppl_tensor *draw = ppl_dist_sample(d, &rng);
            ppl_read(draw, hard ? y : x, 12);
            assert_ok(c, ppl_backward(ppl_sum(ppl_mul(draw, numbers(c, 1, -2, 3)),
                                              PPL_ALL)));
            ppl_read(ppl_grad(w), g[hard], 3);
            by_t[hard] = ppl_item(ppl_grad(t));
            if (hard)
                ck_assert(isfinite(ppl_total(ppl_log_prob(d, draw))));
        }
        for (int k = 0; k < 12; k++) {
            const double *row = x + k / 3 * 3;
            const double top = fmax(row[0], fmax(row[1], row[2]));
            ck_assert(y[k] == (form < 2 ? x[k] > 0.5 : x[k] == top));
        }
        ck_assert(memcmp(g[0], g[1], sizeof g[0]) == 0 && by_t[0] == by_t[1]);
    }
    stop(c);
}
END_TEST

/* As often as the discrete distribution says, at any temperature. */
START_TEST(hard_draws_fit)
{
    enum { N = 200000 };
    static double x[3 * N];
    ppl_ctx *c = context(_i);
    for (int form = 0; form < FORMS; form++) {
        double count[3] = { 0 }, expected[3], p[3];
        ppl_dist *d = member(form, ppl_scalar(c, 0.3), vector(c, 3, weights[form]));
        d = ppl_straight_through(d);
        ppl_read(ppl_dist_mean(d), p, 3);
        d = ppl_expand_dist(d, form < 2 ? PPL_SHAPE(N, 3) : PPL_SHAPE(N));
        ppl_read(ppl_dist_sample(d, &rng), x, 3 * N);
        for (int i = 0; i < 3 * N; i++)
            count[i % 3] += x[i];
        for (int k = 0; k < 3; k++)
            expected[k] = p[k] * N;
        if (form >= 2) {
            ck_assert(chi_square_probability(count, expected, 3) > 1e-4);
            continue;
        }
        for (int k = 0; k < 3; k++)
            ck_assert(chi_square_probability((double[]){ count[k], N - count[k] },
                                             (double[]){ expected[k], N - expected[k] },
                                             2) > 1e-4);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(hard_kls_are_those_of_the_discrete)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *w = numbers(c, 1, 6, 3), *v = numbers(c, 2, 4, 4);
    ppl_tensor *half = ppl_scalar(c, 0.5), *p = numbers(c, 0.25, 0.25);
    ppl_dist *q = ppl_straight_through(ppl_relaxed_one_hot_categorical(half, w));
    const double tolerance = _i ? 1e-9 : 1e-6;
    assert_values(ppl_kl(q, ppl_one_hot_categorical(v)), tolerance, 0.0876597251);
    assert_values(ppl_kl(q, ppl_one_hot_categorical_logits(ppl_log(v))), tolerance,
                  0.0876597251);
    assert_values(ppl_kl(q, ppl_straight_through(ppl_relaxed_one_hot_categorical(half, v))),
                  tolerance, 0.0876597251);
    q = ppl_straight_through(ppl_relaxed_bernoulli(half, numbers(c, 0.5, 0.25)));
    assert_values(ppl_kl(q, ppl_bernoulli(p)), tolerance, 0.1438410362, 0);
    assert_values(ppl_kl(ppl_event(q, 1), ppl_event(ppl_bernoulli(p), 1)), tolerance,
                  0.1438410362);
    ck_assert_ptr_null(ppl_kl_rule_of(q, ppl_poisson(half)));
    ck_assert_ptr_null(ppl_kl_rule_of(ppl_event(q, 1), ppl_one_hot_categorical(w)));
    stop(c);
}
END_TEST

/* Guide and model on hard values: the gradient of the prior's term reaches the guide. */
START_TEST(a_prior_moves_the_draw)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *a = variable(c, 0.5, -1, 2), *p = numbers(c, 1, 2, 5);
    ppl_dist *q = ppl_straight_through(
        ppl_relaxed_one_hot_categorical_logits(ppl_scalar(c, 0.5), a));
    ppl_tensor *z = ppl_dist_sample(q, &rng);
    assert_ok(c, ppl_backward(ppl_log_prob(ppl_one_hot_categorical(p), z)));
    double g[3];
    ppl_read(ppl_grad(a), g, 3);
    ck_assert(fabs(g[0]) + fabs(g[1]) + fabs(g[2]) > 1e-6);
    ck_assert(fabs(g[0] + g[1] + g[2]) < 1e-5);
    stop(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

START_TEST(what_does_not_fit_is_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *half = ppl_scalar(c, 0.5), *w = numbers(c, 1, 2), *zero = ppl_scalar(c, 0);
    assert_null(c, ppl_relaxed_bernoulli(zero, half), PPL_ECONSTRAINT,
                "relaxed_bernoulli: temperature is 0; it must be positive");
    assert_null(c, ppl_relaxed_bernoulli(half, numbers(c, 0.5, 1.5)), PPL_ECONSTRAINT,
                "relaxed_bernoulli: probs[1] is 1.5; it must be between 0 and 1");
    assert_null(c, ppl_relaxed_bernoulli_logits(half, ppl_scalar(c, NAN)), PPL_ECONSTRAINT,
                "relaxed_bernoulli_logits: logits is nan; it must be a finite number");
    assert_null(c, ppl_log_prob(ppl_relaxed_bernoulli(half, half), numbers(c, 0.5, 1)),
                PPL_ECONSTRAINT,
                "relaxed_bernoulli: value[1] is 1; it must be between 0 and 1, and neither");
    assert_null(c, ppl_relaxed_one_hot_categorical(numbers(c, 1, -1), w), PPL_ECONSTRAINT,
                "relaxed_one_hot_categorical: temperature[1] is -1; it must be positive");
    assert_null(c, ppl_relaxed_one_hot_categorical(half, ppl_full(c, PPL_SHAPE(2, 0), 1)),
                PPL_ESHAPE,
                "relaxed_one_hot_categorical: probs has shape [2,0], which is no category "
                "at all; its last axis counts the categories");
    assert_null(c, ppl_log_prob(ppl_relaxed_one_hot_categorical(half, w),
                                numbers(c, 0.5, 0.75)), PPL_ECONSTRAINT,
                "relaxed_one_hot_categorical: value is (0.5, 0.75); it must be "
                "nonnegative, with sum 1");
    assert_null(c, ppl_straight_through(ppl_bernoulli(half)), PPL_EUNSUPPORTED,
                "straight_through: bernoulli is not relaxed; it takes a relaxed_bernoulli "
                "or a relaxed_one_hot_categorical");
    assert_null(c, ppl_log_prob(ppl_straight_through(ppl_relaxed_one_hot_categorical(
                                    half, w)), numbers(c, 1, 1)), PPL_ECONSTRAINT,
                "straight_through(relaxed_one_hot_categorical): value is (1, 1); it must "
                "be 0 but for one element, which is 1");
    ck_assert_ptr_null(ppl_relaxed_bernoulli(NULL, half));
    ck_assert_ptr_null(ppl_relaxed_one_hot_categorical(half, NULL));
    ck_assert_ptr_null(ppl_straight_through(NULL));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        draws_move_as_differences_say, pathwise_gradients_are_unbiased, extremes_are_safe,
        faces_and_ends, hard_draws_have_soft_gradients, hard_draws_fit,
        hard_kls_are_those_of_the_discrete, a_prior_moves_the_draw,
        what_does_not_fit_is_refused, NULL
    };
    return run_tests("relaxed", tests);
}
