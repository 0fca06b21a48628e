/* SPDX-License-Identifier: MIT */
/*
 * test_folded.c - folded distributions: the folded Normal's mean and its draws' gradients,
 * folds of bases on one side, expansion and masks, what is refused. Golden numbers,
 * differences and samplers: the rows of families.h.
 */
#include "tensors.h"

#include <kiln/distributions.h>

#include "statistics.h"

static const ppl_rng rng = { { 5, 17 } };

/* E |X| = s sqrt(2/pi) exp(-m^2 / 2 s^2) + m erf(m / s sqrt 2), whose derivatives are
 * erf(m / s sqrt 2) by m and sqrt(2/pi) exp(-m^2 / 2 s^2) by s. */
START_TEST(draws_move_as_the_mean_does)
{
    enum { N = 20000 };
    ppl_ctx *c = context(_i);
    static double loc[N], scale[N], x[N], by_loc[N], by_scale[N];
    for (int k = 0; k < N; k++) {
        loc[k] = 0.75;
        scale[k] = 1.5;
    }
    ppl_tensor *m = ppl_variable(c, PPL_SHAPE(N), loc);
    ppl_tensor *s = ppl_variable(c, PPL_SHAPE(N), scale);
    ppl_dist *d = ppl_folded(ppl_normal(m, s));
    ck_assert_str_eq(d->family->name, "folded(normal)");
    ppl_tensor *draws = ppl_dist_sample(d, &rng);
    ck_assert_int_eq(ppl_backward(ppl_sum(draws, PPL_ALL)), PPL_OK);
    ppl_read(draws, x, N);
    ppl_read(ppl_grad(m), by_loc, N);
    ppl_read(ppl_grad(s), by_scale, N);
    const double bell = sqrt(2 / acos(-1)) * exp(-0.125), share = erf(0.5 / sqrt(2));
    mean_error e = mean_of(x, N);
    ck_assert(fabs(e.mean - (1.5 * bell + 0.75 * share)) <= 4 * e.error);
    e = mean_of(by_loc, N);
    ck_assert(fabs(e.mean - share) <= 4 * e.error);
    e = mean_of(by_scale, N);
    ck_assert(fabs(e.mean - bell) <= 4 * e.error);
    ppl_ctx_free(c);
}
END_TEST

/* Folding what has nothing below 0 changes nothing; a half Normal is a folded one. */
START_TEST(known_folds)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = numbers(c, 0.25, 1, 4), *one = ppl_scalar(c, 1);
    ppl_dist *positive = ppl_exponential(one), *half = ppl_half_normal(one);
    ppl_dist *normal = ppl_normal(ppl_scalar(c, 0), one);
    double expected[3];
    ppl_read(ppl_log_prob(positive, x), expected, 3);
    assert_elements("exponential", ppl_log_prob(ppl_folded(positive), x), 3, expected, 0);
    ppl_read(ppl_log_prob(half, x), expected, 3);
    assert_elements("normal", ppl_log_prob(ppl_folded(normal), x), 3, expected,
                    8 * rounding(_i));
    ppl_read(ppl_log_survival(half, x), expected, 3);
    assert_elements("normal", ppl_log_survival(ppl_folded(normal), x), 3, expected,
                    8 * rounding(_i));
    /* Far out, where both sides underflow. */
    assert_values(ppl_log_survival(ppl_folded(ppl_laplace(ppl_scalar(c, 0), one)),
                                   ppl_scalar(c, 2000)), 4 * rounding(_i), -2000);
    assert_values(ppl_log_prob(ppl_folded(normal), ppl_scalar(c, 0)), 8 * rounding(_i),
                  log(sqrt(2 / acos(-1))));
    ppl_ctx_free(c);
}
END_TEST

/* A half Normal's, and how they move: by the scale as they are, by p as 1 / density. */
START_TEST(quantiles)
{
    ppl_ctx *c = context(_i);
    const double at[] = { 0.03125, 0.25, 0.5, 0.875, 0.9990234375 };
    ppl_tensor *scale = ppl_variable(c, PPL_SCALAR, LIST(1.5)), *zero = ppl_scalar(c, 0);
    ppl_tensor *p = ppl_variable(c, PPL_SHAPE(5), at);
    ppl_dist *half = ppl_half_normal(ppl_scalar(c, 1.5));
    ppl_dist *d = ppl_folded(ppl_normal(zero, scale));
    ppl_tensor *x = ppl_icdf(d, p);
    double expected[5], density[5], total = 0;
    ppl_read(ppl_icdf(half, p), expected, 5);
    assert_elements("icdf", x, 5, expected, 16 * rounding(_i));
    ppl_read(ppl_inverse_survival(half, p), expected, 5);
    assert_elements("inverse_survival", ppl_inverse_survival(d, p), 5, expected,
                    64 * rounding(_i));
    ck_assert_int_eq(ppl_backward(ppl_sum(x, PPL_ALL)), PPL_OK);
    ppl_read(ppl_log_prob(half, x), density, 5);
    ppl_read(x, expected, 5);
    for (int k = 0; k < 5; k++) {
        total += expected[k] / 1.5;
        density[k] = exp(-density[k]);
    }
    assert_values(ppl_grad(scale), 64 * rounding(_i), total);
    assert_elements("by p", ppl_grad(p), 5, density, 64 * rounding(_i));
    assert_values(ppl_icdf(d, numbers(c, 0, -0.5)), rounding(_i), 0, NAN);
    ppl_ctx_free(c);
}
END_TEST

/* The folded Normal's mean as above, its variance m^2 + s^2 - mean^2, and derivatives; a
 * Cauchy has neither moment. */
START_TEST(moments)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *m = ppl_variable(c, PPL_SCALAR, LIST(0.75));
    ppl_tensor *s = ppl_variable(c, PPL_SCALAR, LIST(1.5));
    ppl_dist *d = ppl_folded(ppl_normal(m, s)), *cauchy = ppl_folded(ppl_cauchy(m, s));
    const double bell = sqrt(2 / acos(-1)) * exp(-0.125), share = erf(0.5 / sqrt(2));
    const double mean = 1.5 * bell + 0.75 * share, near = _i ? 1e-12 : 1e-5;
    ppl_tensor *variance = ppl_dist_variance(d);
    assert_values(ppl_dist_mean(d), near, mean);
    assert_values(variance, near, 0.5625 + 2.25 - mean * mean);
    ck_assert_int_eq(ppl_backward(variance), PPL_OK);
    assert_values(ppl_grad(m), 10 * near, 1.5 - 2 * mean * share);
    assert_values(ppl_grad(s), 10 * near, 3 - 2 * mean * bell);
    /* Folds of what is the same on both sides; one whose density jumps; one far from 0. */
    const double log_2 = log(2), pi = acos(-1);
    ppl_tensor *zero = ppl_scalar(c, 0), *one = ppl_scalar(c, 1), *far = ppl_scalar(c, 1e5);
    assert_values(ppl_entropy(ppl_folded(ppl_normal(zero, one))), near,
                  log(2 * pi * exp(1)) / 2 - log_2);
    assert_values(ppl_entropy(ppl_folded(ppl_cauchy(zero, one))), near, log(2 * pi));
    assert_values(ppl_entropy(ppl_folded(ppl_laplace(zero, one))), near, 1);
    assert_values(ppl_entropy(ppl_folded(ppl_uniform(ppl_scalar(c, -2), ppl_scalar(c, 3)))),
                  near, -0.8 * log(0.4) - 0.2 * log(0.2));
    assert_values(ppl_icdf(ppl_folded(ppl_normal(far, one)), ppl_scalar(c, 0.5)),
                  rounding(_i), 1e5);
    assert_values(ppl_dist_mean(cauchy), 0, INFINITY);
    assert_values(ppl_dist_variance(cauchy), 0, INFINITY);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(expanded_masked_made_events_of)
{
    ppl_ctx *c = context(_i);
    const unsigned char set[] = { 1, 0 };
    ppl_dist *base = ppl_masked(ppl_cauchy(numbers(c, 1, 2), ppl_scalar(c, 1)),
                                ppl_from_mask(c, PPL_SHAPE(2), set));
    ppl_dist *d = ppl_folded(base);
    double lp[2];
    ck_assert_int_eq(ppl_read(ppl_log_prob(d, numbers(c, 1, 1)), lp, 2), 2);
    ck_assert(lp[0] != 0 && lp[1] == 0);
    d = ppl_expand_dist(d, PPL_SHAPE(3, 2));
    ppl_tensor *x = ppl_dist_sample(d, &rng);
    assert_shape(x, 3, 2);
    assert_shape(ppl_cdf(d, x), 3, 2);
    d = ppl_event(ppl_folded(ppl_cauchy(numbers(c, 1, 2), ppl_scalar(c, 1))), 1);
    assert_shape(ppl_log_prob(d, numbers(c, 1, 1)));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(bad_input_is_explained)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_dist *d = ppl_folded(ppl_normal(one, one));
#define REFUSED(call, status, text)                                                      \
    do {                                                                                 \
        ck_assert_ptr_null(call);                                                        \
        ck_assert_int_eq(ppl_error(c), status);                                          \
        ck_assert_msg(strstr(ppl_error_text(c), text) != NULL, "%s", ppl_error_text(c)); \
        ppl_clear_error(c);                                                              \
    } while (0)
    REFUSED(ppl_folded(ppl_poisson(one)), PPL_EUNSUPPORTED, "folded: poisson is discrete");
    REFUSED(ppl_folded(ppl_event(ppl_normal(numbers(c, 1, 2), one), 1)), PPL_ESHAPE,
            "folded: normal is of events of 1 axes");
    REFUSED(ppl_log_prob(d, ppl_scalar(c, -1)), PPL_ECONSTRAINT,
            "folded(normal): value is -1");
    d = ppl_folded(ppl_improper_uniform(c, ppl_constraint_real, PPL_SCALAR, PPL_SCALAR));
    REFUSED(ppl_icdf(d, ppl_scalar(c, 0.5)), PPL_EUNSUPPORTED,
            "folded(improper_uniform): it has no icdf in closed form");
#undef REFUSED
    ck_assert_ptr_null(ppl_folded(NULL));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { draws_move_as_the_mean_does, known_folds, quantiles,
                                   moments, expanded_masked_made_events_of,
                                   bad_input_is_explained, NULL };
    return run_tests("folded", tests);
}
