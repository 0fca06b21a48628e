/* SPDX-License-Identifier: MIT */
/*
 * test_stable.c - Stable beyond golden numbers: its closed forms, stability 1 and what is
 * beside it, extremes, and how draws move with the parameters.
 */
#include "fixture.h"
#include "statistics.h"

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_dist *stable(ppl_ctx *c, double a, double b, double scale, double loc)
{
    return ppl_stable(ppl_scalar(c, a), ppl_scalar(c, b), ppl_scalar(c, scale),
                      ppl_scalar(c, loc));
}

/* ---- Closed forms ------------------------------------------------------------------ */

/* At values above `least`. */
static void assert_same_law(const char *name, ppl_dist *a, ppl_dist *b, double least,
                            int dtype)
{
    static ppl_tensor *(*const of[])(ppl_dist *d, ppl_tensor *x) = {
        ppl_log_prob, ppl_cdf, ppl_log_cdf, ppl_log_survival
    };
    double at[] = { -40, -3, -1.25, -0.625, 0.5, 0.53125, 2, 7, 25, 1e3 }, expected[10];
    for (int i = 0; i < 10; i++)
        at[i] = fmax(at[i], least);
    ppl_tensor *x = vector(a->ctx, 10, at);

    for (int i = 0; i < COUNT_OF(of); i++) {
        ppl_read(of[i](b, x), expected, 10);
        assert_elements(name, of[i](a, x), 10, expected, dtype ? 2e-12 : 2e-6);
    }
}

START_TEST(closed_forms_are_met)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *loc = ppl_scalar(c, 0.5), *scale = ppl_scalar(c, 1.25);
    assert_same_law("normal", stable(c, 2, 0, 1.25, 0.5),
                    ppl_normal(loc, ppl_scalar(c, 1.25 * sqrt(2))), -40, _i);
    assert_same_law("normal", stable(c, 2, -0.75, 1.25, 0.5),
                    ppl_normal(loc, ppl_scalar(c, 1.25 * sqrt(2))), -40, _i);
    assert_same_law("cauchy", stable(c, 1, 0, 1.25, 0.5), ppl_cauchy(loc, scale), -40,
                    _i);
    assert_same_law("levy", stable(c, 0.5, 1, 1.25, 0.5),
                    ppl_levy(ppl_scalar(c, -0.75), scale), -0.625, _i);
    ck_assert(ppl_item(ppl_dist_variance(stable(c, 2, 0, 3, 1))) > 17.9999);
    ck_assert(isinf(ppl_item(ppl_dist_variance(stable(c, 1.99, 0, 3, 1)))));
    ck_assert(isnan(ppl_item(ppl_dist_mean(stable(c, 1, 0, 3, 1)))));
    assert_values(ppl_dist_mean(stable(c, 1.5, -0.5, 3, 1)), rounding(_i), 1 - 1.5);
    stop(c);
}
END_TEST

/* By a mirror, x and skew change their signs. */
START_TEST(laws_are_mirrored)
{
    ppl_ctx *c = start(_i);
    const double a[] = { 0.375, 0.875, 1, 1.125, 1.75, 2 };
    for (int i = 0; i < COUNT_OF(a); i++) {
        ppl_dist *d = stable(c, a[i], 0.625, 2, 0), *e = stable(c, a[i], -0.625, 2, 0);
        ppl_tensor *x = numbers(c, -30, -1, 0, 0.25, 4, 1e6), *y = ppl_neg(x);
        double expected[6];
        ppl_read(ppl_log_prob(e, y), expected, 6);
        assert_elements("log_prob", ppl_log_prob(d, x), 6, expected, _i ? 1e-13 : 2e-6);
        ppl_read(ppl_log_survival(e, y), expected, 6);
        assert_elements("log_cdf", ppl_log_cdf(d, x), 6, expected, _i ? 1e-13 : 2e-6);
    }
    stop(c);
}
END_TEST

/* ---- Beside stability 1 ------------------------------------------------------------ */

/* In f64, as floats do not come so near. */
START_TEST(nothing_jumps_at_stability_1)
{
    ppl_ctx *c = start(1);
    const double off[] = { 0, 1e-15, -1e-13, 1e-10, -1e-8, 1e-6 };
    const double skew[] = { 0, 1e-9, 0.5, -1, 1 };
    (void)_i;
    for (int k = 0; k < COUNT_OF(skew); k++) {
        double at[6], by[4] = { 0 }, drawn[64];
        for (int i = 0; i < COUNT_OF(off); i++) {
            ppl_tensor *p[] = { ppl_variable(c, PPL_SCALAR, LIST(1 + off[i])),
                                ppl_variable(c, PPL_SCALAR, &skew[k]), ppl_scalar(c, 1),
                                ppl_scalar(c, 0) };
            ppl_dist *d = ppl_stable(p[0], p[1], p[2], p[3]);
            ppl_tensor *x = numbers(c, -5, -0.5, 0, 0.25, 1, 20);
            ppl_tensor *y = ppl_log_prob(d, x);
            ppl_tensor *z = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(64)), &rng);
            const double far = 1e5 * fabs(off[i]) + 1e-12;
            ck_assert_int_eq(ppl_backward(ppl_sum(ppl_slice(y, 0, 1, 5), PPL_ALL)), PPL_OK);
            if (i == 0) {
                ppl_read(y, at, 6);
                ppl_read(z, drawn, 64);
                by[0] = ppl_item(ppl_grad(p[0]));
                by[1] = ppl_item(ppl_grad(p[1]));
                continue;
            }
            assert_elements("log_prob", y, 6, at, far);
            assert_elements("draws", z, 64, drawn, far);
            assert_values(ppl_grad(p[0]), 10 * far, by[0]);
            if (fabs(skew[k]) < 1)
                assert_values(ppl_grad(p[1]), 10 * far, by[1]);
        }
    }
    stop(c);
}
END_TEST

/* ---- Extremes ---------------------------------------------------------------------- */

START_TEST(extremes_have_densities)
{
    ppl_ctx *c = start(_i);
    const double a[] = { 0.05, 0.25, 0.75, 0.9375, 1, 1.0625, 1.5, 1.984375, 2 };
    const double b[] = { -1, -0.9990234375, -0.25, 0, 0.5, 1 };
    ppl_tensor *x = numbers(c, -1e30, -1e10, -50, -1, 0, 1e-30, 0.5, 3, 1e3, 1e20, 1e37);
    for (int i = 0; i < COUNT_OF(a); i++)
        for (int k = 0; k < COUNT_OF(b); k++) {
            ppl_dist *d = stable(c, a[i], b[k], 1, 0);
            double y[11], tail[2][11];
            ppl_read(ppl_log_prob(d, x), y, 11);
            ppl_read(ppl_log_cdf(d, x), tail[0], 11);
            ppl_read(ppl_log_survival(d, x), tail[1], 11);
            for (int n = 0; n < 11; n++) {
                const double both = exp(tail[0][n]) + exp(tail[1][n]);
                ck_assert_msg(y[n] < 200 && tail[0][n] <= 0 && tail[1][n] <= 0 &&
                                  fabs(both - 1) < 1e-5,
                              "stable(%g, %g), %d: %g, %g, %g", a[i], b[k], n, y[n],
                              tail[0][n], tail[1][n]);
                ck_assert(n == 0 || tail[0][n] >= tail[0][n - 1] - 1e-6);
            }
        }
    stop(c);
}
END_TEST

/* sin(pi a / 2) Gamma(a) (1 + b) / pi x^-a far out. */
START_TEST(tails_are_powers)
{
    ppl_ctx *c = start(1);
    const double a[] = { 0.25, 0.75, 1, 1.25, 1.875 }, at[] = { 1e18, 1e60, 1e150, 1e300 };
    (void)_i;
    for (int i = 0; i < COUNT_OF(a); i++)
        for (int k = 0; k < COUNT_OF(at); k++) {
            const double x = pow(at[k], fmin(1, 1 / a[i]));
            const double expected = log(sin(1.57079632679489662 * a[i]) *
                                        1.25 / 3.14159265358979324) + lgamma(a[i]) -
                                    a[i] * log(x);
            ppl_dist *d = stable(c, a[i], 0.25, 1, 0);
            assert_values(ppl_log_survival(d, ppl_scalar(c, x)), 1e-4, expected);
            assert_values(ppl_log_prob(d, ppl_scalar(c, x)), 1e-4,
                          expected + log(a[i] / x));
        }
    stop(c);
}
END_TEST

/* ---- Draws ------------------------------------------------------------------------- */

static const double point[][4] = {
    { 1.5, 0.25, 1, 0 }, { 0.75, -0.5, 2, 1 }, { 1, 0.5, 0.5, -1 },
    { 1.0000001, -0.75, 1, 0 }, { 1.96875, 0, 3, 0 }, { 0.25, 0.875, 1, 0 },
};

enum { DRAWS = 256 };

static void draw_at(ppl_ctx *c, const double *p, double *x)
{
    ppl_dist *d = ppl_expand_dist(stable(c, p[0], p[1], p[2], p[3]), PPL_SHAPE(DRAWS));
    ck_assert_int_eq(ppl_read(ppl_dist_sample(d, &rng), x, DRAWS), DRAWS);
}

/* One draw's derivative is the difference of draws of one key. */
/* Heavy tails far out, of skew 1: with T = tan(pi a / 2), y = x + T and c = sqrt(1 + T^2),
 * the sum over n of (-1)^(n+1) c^n y^(-n a) / (n! Gamma(1 - n a)), by mpmath. No NaN where the
 * other tail is light. */
START_TEST(skew_1_has_exact_tails)
{
    static const struct { double a, x, log_survival; } row[] = {
        { 0.0625, 1e100, -14.425721098541880515 }, { 0.0625, 1e190, -27.377761976931154706 },
        { 0.25, 1e45, -26.028189655706225933 }, { 0.5, 1e22, -25.554227375579229957 }
    };
    ppl_ctx *c = context(1);
    for (int i = 0; i < 4; i++) {
        ppl_tensor *x = ppl_scalar(c, row[i].x);
        assert_values(ppl_log_survival(stable(c, row[i].a, 1, 1, 0), x), 1e-13,
                      row[i].log_survival);
        assert_values(ppl_log_cdf(stable(c, row[i].a, -1, 1, 0), ppl_neg(x)), 1e-13,
                      row[i].log_survival);
    }
    for (double t = 3; t < 8; t += 0.01)
        ck_assert(ppl_item(ppl_log_cdf(stable(c, 1.5, 1, 1, 0), ppl_scalar(c, -t))) < -6);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(draws_move_as_their_gradients_say)
{
    ppl_ctx *c = start(1);
    (void)_i;
    for (int i = 0; i < COUNT_OF(point); i++) {
        ppl_tensor *p[4];
        double x[4][DRAWS], slope[DRAWS];
        for (int k = 0; k < 4; k++) {
            double same[DRAWS];
            for (int n = 0; n < DRAWS; n++)
                same[n] = point[i][k];
            p[k] = ppl_variable(c, PPL_SHAPE(DRAWS), same);
        }
        ppl_tensor *z = ppl_dist_sample(ppl_stable(p[0], p[1], p[2], p[3]), &rng);
        ck_assert_int_eq(ppl_backward(ppl_sum(z, PPL_ALL)), PPL_OK);
        for (int k = 0; k < 4; k++) {
            const double step[] = { -2e-5, -1e-5, 1e-5, 2e-5 };
            for (int s = 0; s < 4; s++) {
                double moved[4];
                memcpy(moved, point[i], sizeof moved);
                moved[k] += step[s];
                draw_at(c, moved, x[s]);
            }
            ppl_read(ppl_grad(p[k]), slope, DRAWS);
            for (int n = 0; n < DRAWS; n++) {
                const double d = (8 * (x[2][n] - x[1][n]) - (x[3][n] - x[0][n])) / 12e-5;
                const double size = 1 + fabs(x[0][n]) + fabs(d);
                ck_assert_msg(fabs(slope[n] - d) <= 1e-8 * size,
                              "point %d, parameter %d, draw %d: %.12g, not %.12g", i, k, n,
                              slope[n], d);
            }
        }
    }
    stop(c);
}
END_TEST

enum { PATHS = 3000 };

/* With F the cdf, E[F(x)] moves with a parameter as -E[dF]. */
START_TEST(pathwise_gradients_are_unbiased)
{
    static double slope[PATHS], by[PATHS];
    ppl_ctx *c = start(1);
    const double *at = point[_i];
    ppl_tensor *p[2][4];
    for (int k = 0; k < 4; k++) {
        for (int n = 0; n < PATHS; n++)
            slope[n] = at[k];
        p[0][k] = ppl_variable(c, PPL_SHAPE(PATHS), slope);
        p[1][k] = ppl_variable(c, PPL_SHAPE(PATHS), slope);
    }
    ppl_dist *fixed = stable(c, at[0], at[1], at[2], at[3]);
    ppl_tensor *x = ppl_dist_sample(ppl_stable(p[0][0], p[0][1], p[0][2], p[0][3]), &rng);
    ppl_tensor *F = ppl_cdf(ppl_stable(p[1][0], p[1][1], p[1][2], p[1][3]), ppl_detach(x));
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_cdf(fixed, x), PPL_ALL)), PPL_OK);
    ck_assert_int_eq(ppl_backward(ppl_sum(F, PPL_ALL)), PPL_OK);
    for (int k = 0; k < 4; k++) {
        ppl_read(ppl_grad(p[0][k]), slope, PATHS);
        ppl_read(ppl_grad(p[1][k]), by, PATHS);
        const double size = fabs(mean_of(by, PATHS).mean);
        for (int n = 0; n < PATHS; n++)
            slope[n] += by[n];
        const mean_error m = mean_of(slope, PATHS);
        ck_assert_msg(fabs(m.mean) <= 4 * m.error + 1e-9,
                      "parameter %d: %g +- %g off %g", k, m.mean, m.error, size);
    }
    stop(c);
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------ */

START_TEST(bad_parameters_are_refused)
{
    ppl_ctx *c = start(_i);
    assert_null(c, stable(c, 0, 0, 1, 0), PPL_ECONSTRAINT,
                "stable: stability is 0; it must be greater than 0 and at most 2");
    assert_null(c, stable(c, 2.5, 0, 1, 0), PPL_ECONSTRAINT,
                "stable: stability is 2.5; it must be greater than 0 and at most 2");
    assert_null(c, stable(c, 1, -1.5, 1, 0), PPL_ECONSTRAINT,
                "stable: skew is -1.5; it must be between -1 and 1");
    assert_null(c, stable(c, 1, 0, -1, 0), PPL_ECONSTRAINT,
                "stable: scale is -1; it must be positive");
    assert_null(c, ppl_stable(numbers(c, 1, 1), numbers(c, 0, 0, 0), ppl_scalar(c, 1),
                              ppl_scalar(c, 0)), PPL_ESHAPE,
                "stable: stability [2] and skew [3] do not broadcast: axis 0 is 2 against "
                "3; make them equal or 1");
    stop(c);
}
END_TEST

/* By two steps, one twice the other. Without digits, or without a slope, it says so. */
START_TEST(entropies_move_as_their_gradients_say)
{
    static const double at[][3] = { { 1.5, 0.25, 3 }, { 0.75, -0.9, 0.5 }, { 1, 0.5, 2 },
                                    { 0.3, 0.5, 1 } };
    ppl_ctx *c = context(1);
    for (int i = 0; i < COUNT_OF(at); i++) {
        ppl_tensor *leaf[3];
        for (int k = 0; k < 3; k++)
            leaf[k] = ppl_variable(c, PPL_SCALAR, &at[i][k]);
        ppl_tensor *zero = ppl_scalar(c, 0);
        ppl_tensor *h = ppl_entropy(ppl_stable(leaf[0], leaf[1], leaf[2], zero));
        ck_assert_int_eq(ppl_backward(h), PPL_OK);
        for (int k = 0; k < 3; k++) {
            double f[4];
            for (int n = 0; n < 4; n++) {
                double p[3] = { at[i][0], at[i][1], at[i][2] };
                p[k] += 1e-4 * (n < 2 ? n - 2 : n - 1);
                f[n] = ppl_item(ppl_entropy(stable(c, p[0], p[1], p[2], 0)));
            }
            const double expected = (8 * (f[2] - f[1]) - (f[3] - f[0])) / 12e-4;
            ck_assert_msg(is_near(ppl_item(ppl_grad(leaf[k])), expected, 1e-9),
                          "law %d by %d: %.15g, not %.15g", i, k, ppl_item(ppl_grad(leaf[k])),
                          expected);
        }
    }
    ck_assert(isnan(ppl_item(ppl_entropy(stable(c, 0.2, 0, 1, 0)))));
    const double one = 1;
    ppl_tensor *skew = ppl_variable(c, PPL_SCALAR, &one), *scale = ppl_scalar(c, 1);
    ck_assert_int_eq(ppl_backward(ppl_entropy(ppl_stable(ppl_scalar(c, 1.5), skew, scale,
                                                         scale))), PPL_OK);
    ck_assert(ppl_item(ppl_grad(skew)) == -INFINITY);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stable");
    TCase *of = tcase_create("stable");
    suite_add_tcase(suite, of);
    tcase_set_timeout(of, 120);
    tcase_add_loop_test(of, closed_forms_are_met, 0, DTYPES);
    tcase_add_loop_test(of, laws_are_mirrored, 0, DTYPES);
    tcase_add_loop_test(of, nothing_jumps_at_stability_1, 0, 1);
    tcase_add_loop_test(of, extremes_have_densities, 0, DTYPES);
    tcase_add_loop_test(of, tails_are_powers, 0, 1);
    tcase_add_loop_test(of, skew_1_has_exact_tails, 0, 1);
    tcase_add_loop_test(of, entropies_move_as_their_gradients_say, 0, 1);
    tcase_add_loop_test(of, draws_move_as_their_gradients_say, 0, 1);
    tcase_add_loop_test(of, pathwise_gradients_are_unbiased, 0, COUNT_OF(point));
    tcase_add_loop_test(of, bad_parameters_are_refused, 0, DTYPES);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
