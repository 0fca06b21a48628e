/* SPDX-License-Identifier: MIT */
/*
 * test_categories.c - OneHotCategorical, Multinomial, DirichletMultinomial and
 * OrderedLogistic: what the table of test_multivariate does not ask. Values beside the
 * support, weights of 0, extreme parameters, KL between forms, what is refused.
 */
#include "fixture.h"

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_tensor *counts(ppl_ctx *c, int64_t rows, int64_t n, const int64_t *k)
{
    return ppl_from_integers(c, rows ? PPL_SHAPE(rows, n) : PPL_SHAPE(n), k);
}
#define COUNTS(c, ...)                                                                   \
    counts(c, 0, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t),                   \
           (int64_t[]){ __VA_ARGS__ })

static ppl_ctx *lenient(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .no_validation = 1 });
}

/* ---- Values, weights --------------------------------------------------------------- */

START_TEST(a_one_hot_vector_is_its_index)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *w = numbers(c, 1, 6, 3);
    ppl_dist *d[] = { ppl_one_hot_categorical(w),
                      ppl_one_hot_categorical_logits(ppl_log(w)) };
    for (int i = 0; i < 2; i++) {
        ppl_tensor *all = d[i]->family->enumerate(d[i]);
        assert_shape(all, 3, 3);
        assert_values(all, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1);
        assert_values(ppl_exp(ppl_log_prob(d[i], all)), 4 * rounding(_i), 0.1, 0.6, 0.3);
        ppl_dist *many = ppl_expand_dist(d[i], PPL_SHAPE(50));
        ppl_dist *index = ppl_expand_dist(ppl_categorical(w), PPL_SHAPE(50));
        ppl_tensor *x = ppl_dist_sample(many, &rng), *k = ppl_dist_sample(index, &rng);
        ppl_tensor *gap = ppl_sub(ppl_log_prob(many, x), ppl_log_prob(index, k));
        ck_assert(is_near(ppl_total(gap), 0, 50 * rounding(_i)));
    }
    stop(c);
}
END_TEST

/* What a straight-through draw needs: the formula between corners, with a gradient. */
START_TEST(a_one_hot_density_has_a_gradient_in_its_value)
{
    ppl_ctx *c = lenient(_i);
    ppl_tensor *x = variable(c, 0.5, 0.25, 0.25), *w = numbers(c, 1, 2, 1);
    ppl_tensor *y = ppl_log_prob(ppl_one_hot_categorical(w), x);
    assert_values(y, 4 * rounding(_i), 0.75 * log(0.25) + 0.25 * log(0.5));
    assert_ok(c, ppl_backward(y));
    assert_values(ppl_grad(x), 4 * rounding(_i), log(0.25), log(0.5), log(0.25));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(outside_the_support_log_prob_is_minus_infinity)
{
    ppl_ctx *c = lenient(_i);
    ppl_tensor *w = variable(c, 1, 2, 3), *five = ppl_scalar(c, 5);
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_tensor *off[] = { COUNTS(c, 1, 1, 1), COUNTS(c, -1, 3, 3), COUNTS(c, 6, 0, 0) };
    for (int i = 0; i < COUNT_OF(off); i++) {
        ppl_dist *d[] = { ppl_multinomial(five, w), ppl_multinomial_logits(five, w),
                          ppl_dirichlet_multinomial(five, w) };
        for (int k = 0; k < COUNT_OF(d); k++) {
            ppl_tensor *y = ppl_log_prob(d[k], off[i]);
            ck_assert_msg(ppl_item(y) == -INFINITY, "%s", d[k]->family->name);
            assert_ok(c, ppl_backward(y));
        }
    }
    assert_values(ppl_grad(w), 0, 0, 0, 0);
    ppl_tensor *y = ppl_log_prob(ppl_ordered_logistic(one, w), COUNTS(c, -1, 4));
    ck_assert(isinf(ppl_total(y)));
    assert_ok(c, ppl_backward(ppl_sum(y, PPL_ALL)));
    assert_values(ppl_grad(w), 0, 0, 0, 0);
    ppl_ctx_free(c);
}
END_TEST

/* A weight of 0 rules a category out, and no more. */
START_TEST(weights_of_0_are_exact)
{
    ppl_ctx *c = start(_i);
    double k[300];
    ppl_tensor *w = variable(c, 0, 1, 3), *five = ppl_scalar(c, 5);
    ppl_tensor *y = ppl_log_prob(ppl_multinomial(five, w), COUNTS(c, 0, 2, 3));
    assert_values(y, 8 * rounding(_i), log(10) + 2 * log(0.25) + 3 * log(0.75));
    assert_ok(c, ppl_backward(y));
    assert_values(ppl_grad(w), 8 * rounding(_i), -1.25, 2 - 1.25, 1 - 1.25);
    ck_assert(ppl_item(ppl_log_prob(ppl_multinomial(five, w), COUNTS(c, 1, 2, 2))) ==
              -INFINITY);
    ppl_dist *d[] = { ppl_multinomial(five, w),
                      ppl_multinomial_logits(five, numbers(c, -INFINITY, 0, 1)),
                      ppl_multinomial(five, numbers(c, 0, 1, 0)) };
    for (int i = 0; i < COUNT_OF(d); i++) {
        ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(d[i], PPL_SHAPE(100)), &rng);
        ppl_read(x, k, 300);
        for (int j = 0; j < 100; j++)
            ck_assert(k[3 * j] == 0 && k[3 * j + 1] + k[3 * j + 2] == 5 &&
                      k[3 * j + 1] >= 0 && (i < 2 || k[3 * j + 2] == 0));
    }
    ck_assert(isfinite(ppl_item(ppl_entropy(d[0]))));
    stop(c);
}
END_TEST

/* Draws of no distribution are -1; large ones have their sum. */
START_TEST(draws_have_their_total)
{
    ppl_ctx *c = lenient(_i);
    ppl_tensor *w = numbers(c, 1e-30, 1, 1e30), *a = numbers(c, 1e-30, 1e-10, 1e-30);
    ppl_tensor *big = ppl_from_integers(c, PPL_SCALAR, (int64_t[]){ 1ll << 40 });
    ppl_dist *d[] = { ppl_multinomial(big, w), ppl_dirichlet_multinomial(big, a),
                      ppl_dirichlet_multinomial(big, w) };
    double k[3];
    for (int i = 0; i < COUNT_OF(d); i++) {
        ppl_read(ppl_dist_sample(d[i], &rng), k, 3);
        ck_assert(k[0] >= 0 && k[1] >= 0 && k[2] >= 0);
        ck_assert(k[0] + k[1] + k[2] == (double)(1ll << 40));
    }
    ppl_tensor *none = ppl_scalar(c, -2), *two = ppl_scalar(c, 2);
    assert_values(ppl_dist_sample(ppl_multinomial(none, w), &rng), 0, -1, -1, -1);
    assert_values(ppl_dist_sample(ppl_multinomial(two, numbers(c, 0, 0, 0)), &rng), 0, -1,
                  -1, -1);
    ppl_dist *bad = ppl_dirichlet_multinomial(two, numbers(c, NAN, 1));
    assert_values(ppl_dist_sample(bad, &rng), 0, -1, -1);
    bad = ppl_ordered_logistic(ppl_scalar(c, NAN), w);
    assert_values(ppl_dist_sample(bad, &rng), 0, -1);
    ppl_ctx_free(c);
}
END_TEST

/* ---- KL ---------------------------------------------------------------------------- */

START_TEST(forms_mix_and_totals_tell_apart)
{
    ppl_ctx *c = start(_i);
    const double kl = 0.0876597251;                 /* of the Categoricals */
    ppl_tensor *q = numbers(c, 1, 6, 3), *p = ppl_log(numbers(c, 2, 4, 4));
    ppl_tensor *n = numbers(c, 0, 1, 8), *m = numbers(c, 0, 1, 7);
    assert_values(ppl_kl(ppl_one_hot_categorical(q), ppl_one_hot_categorical_logits(p)),
                  _i ? 1e-9 : 1e-6, kl);
    assert_values(ppl_kl(ppl_multinomial(n, q), ppl_multinomial_logits(n, p)),
                  _i ? 1e-8 : 1e-5, 0, kl, 8 * kl);
    ppl_tensor *t = ppl_kl(ppl_multinomial_logits(n, p), ppl_multinomial(m, q));
    double x[3];
    ppl_read(t, x, 3);
    ck_assert(x[0] == 0 && isfinite(x[1]) && x[2] == INFINITY);
    /* No trial tells no two apart, whatever one of them excludes. */
    assert_values(ppl_kl(ppl_multinomial(n, numbers(c, 1, 1)),
                         ppl_multinomial(n, numbers(c, 1, 0))), 0, 0, INFINITY, INFINITY);
    stop(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

START_TEST(values_are_refused_with_their_place)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *w = numbers(c, 1, 2, 3), *n = numbers(c, 8, 5), *one = ppl_scalar(c, 1);
    ppl_dist *d = ppl_multinomial(n, w);
    const int64_t good[] = { 2, 4, 2, 5, 0, 0, 1, 1, 6, 0, 5, 0 };
    const int64_t bad[] = { 2, 4, 2, 5, 0, 0, 1, 1, 6, 0, 5, 1 };
    ppl_shape shape = PPL_SHAPE(2, 2, 3);
    ck_assert_ptr_nonnull(ppl_log_prob(d, ppl_from_integers(c, shape, good)));
    assert_null(c, ppl_log_prob(d, ppl_from_integers(c, shape, bad)), PPL_ECONSTRAINT,
                "multinomial: value[1,1] is (0, 5, 1); it must be nonnegative integers "
                "with sum 5");
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    ck_assert_ptr_nonnull(ppl_log_prob(ppl_masked(d, mask),
                                       ppl_from_integers(c, shape, bad)));
    assert_null(c, ppl_log_prob(ppl_dirichlet_multinomial(n, w),
                                counts(c, 2, 3, (int64_t[]){ 8, 0, 0, 7, 0, -2 })),
                PPL_ECONSTRAINT,
                "dirichlet_multinomial: value[1,2] is -2; it must be a nonnegative "
                "integer");
    assert_null(c, ppl_log_prob(ppl_one_hot_categorical(w), numbers(c, 0, 0.5, 0.5)),
                PPL_ECONSTRAINT,
                "one_hot_categorical: value is (0, 0.5, 0.5); it must be 0 but for one "
                "element, which is 1");
    assert_null(c, ppl_log_prob(ppl_one_hot_categorical_logits(w),
                                ppl_reshape(numbers(c, 0, 1, 0, 1, 0, 1),
                                            PPL_SHAPE(2, 3))),
                PPL_ECONSTRAINT,
                "one_hot_categorical_logits: value[1] is (1, 0, 1); it must be 0 but for "
                "one element, which is 1");
    assert_null(c, ppl_log_prob(ppl_one_hot_categorical(w), numbers(c, 0, NAN, 1)),
                PPL_ECONSTRAINT,
                "one_hot_categorical: value is (0, nan, 1); it must be 0 but for one "
                "element, which is 1");
    assert_null(c, ppl_log_prob(ppl_ordered_logistic(one, w), COUNTS(c, 0, 4)),
                PPL_ECONSTRAINT,
                "ordered_logistic: value[1] is 4; it must be an integer from 0 to 3");
    assert_null(c, ppl_log_prob(ppl_multinomial(one, w), numbers(c, 1, 0, 0)), PPL_EDTYPE,
                "multinomial: the value is not integers (ppl_from_integers makes them)");
    assert_null(c, ppl_log_prob(ppl_multinomial(one, w), COUNTS(c, 1, 0)), PPL_ESHAPE,
                "multinomial: a value of shape [2] does not fit the distribution's shape "
                "[3]; reshape the value or the parameters");
    stop(c);
}
END_TEST

START_TEST(parameters_are_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *none = ppl_full(c, PPL_SHAPE(3, 0), 1), *one = ppl_scalar(c, 1);
    ppl_tensor *w = numbers(c, 1, -2, 3), *good = numbers(c, 1, 2);
    assert_null(c, ppl_one_hot_categorical(none), PPL_ESHAPE,
                "one_hot_categorical: probs has shape [3,0], which is no category at "
                "all; its last axis counts the categories");
    assert_null(c, ppl_multinomial_logits(one, none), PPL_ESHAPE,
                "multinomial_logits: logits has shape [3,0], which is no category at "
                "all; its last axis counts the categories");
    assert_null(c, ppl_dirichlet_multinomial(one, none), PPL_ESHAPE,
                "dirichlet_multinomial: concentration has shape [3,0], which is no "
                "category at all; its last axis counts the categories");
    assert_null(c, ppl_one_hot_categorical_logits(one), PPL_ESHAPE,
                "one_hot_categorical_logits: logits has shape []; it needs 1 axis at "
                "least");
    assert_null(c, ppl_multinomial(one, w), PPL_ECONSTRAINT,
                "multinomial: probs is (1, -2, 3); it must be nonnegative, finite and "
                "not all 0");
    assert_null(c, ppl_dirichlet_multinomial(one, w), PPL_ECONSTRAINT,
                "dirichlet_multinomial: concentration[1] is -2; it must be positive");
    assert_null(c, ppl_multinomial(ppl_scalar(c, 2.5), good), PPL_ECONSTRAINT,
                "multinomial: total_count is 2.5; it must be a nonnegative integer");
    assert_null(c, ppl_multinomial(numbers(c, 1, INFINITY), good), PPL_ECONSTRAINT,
                "multinomial: total_count[1] is inf; it must be a nonnegative integer");
    assert_null(c, ppl_multinomial(numbers(c, 1, 2, 3),
                                   ppl_full(c, PPL_SHAPE(2, 4), 1)), PPL_ESHAPE,
                "multinomial: total_count [3] and probs [2,4] do not broadcast: axis 0 "
                "is 3 against 2; make them equal or 1");
    assert_null(c, ppl_ordered_logistic(one, w), PPL_ECONSTRAINT,
                "ordered_logistic: cutpoints is (1, -2, 3); it must be finite and never "
                "decreasing");
    assert_null(c, ppl_ordered_logistic(ppl_scalar(c, NAN), good), PPL_ECONSTRAINT,
                "ordered_logistic: predictor is nan; it must be a finite number");
    assert_null(c, ppl_kl(ppl_ordered_logistic(one, good),
                          ppl_ordered_logistic(one, numbers(c, 1))), PPL_ESHAPE,
                "kl: q has 3 categories and p has 2; they must have the same");
    ck_assert_ptr_null(ppl_one_hot_categorical(NULL));
    ck_assert_ptr_null(ppl_multinomial(NULL, good));
    ck_assert_ptr_null(ppl_multinomial(one, NULL));
    ck_assert_ptr_null(ppl_dirichlet_multinomial(one, NULL));
    ck_assert_ptr_null(ppl_ordered_logistic(NULL, good));
    stop(c);
}
END_TEST

/* No cutpoint leaves one category; equal ones leave one between them without mass. */
START_TEST(cutpoints_may_be_none_or_equal)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *h = ppl_variable(c, PPL_SCALAR, LIST(0.5));
    ppl_dist *d = ppl_ordered_logistic(h, ppl_full(c, PPL_SHAPE(0), 0));
    assert_values(ppl_log_prob(d, COUNTS(c, 0)), 0, 0);
    assert_values(ppl_dist_sample(d, &rng), 0, 0);
    d = ppl_ordered_logistic(h, numbers(c, 0, 1, 1));
    ppl_tensor *p = ppl_exp(ppl_log_prob(d, d->family->enumerate(d)));
    ck_assert(is_near(ppl_total(p), 1, 4 * rounding(_i)));
    double x[4];
    ppl_read(p, x, 4);
    ck_assert(x[2] == 0 && isfinite(ppl_item(ppl_entropy(d))));
    assert_values(ppl_cdf(d, numbers(c, -1, 0, 0.5, 1, 2, 3, INFINITY)), 4 * rounding(_i),
                  0, 1 / (1 + exp(0.5)), 1 / (1 + exp(0.5)), 1 / (1 + exp(-0.5)),
                  1 / (1 + exp(-0.5)), 1, 1);
    assert_values(ppl_icdf(d, numbers(c, 0, 0.3, 0.5, 0.7, 1)), 0, 0, 0, 1, 3, 3);
    assert_values(ppl_inverse_survival(d, numbers(c, 1, 0.7, 0.5, 0.3, 0)), 0, 0, 0, 1, 3, 3);
    ck_assert(isnan(ppl_item(ppl_icdf(d, ppl_scalar(c, 1.5)))));
    stop(c);
}
END_TEST

/* log S(t) where S itself is 0 or 1 to its last digit, and its slopes. */
START_TEST(ordered_tails_are_logistic)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *h = ppl_variable(c, PPL_SCALAR, LIST(-1)), *x = numbers(c, -1, 0, 1, 1.5, 2);
    ppl_tensor *cut = ppl_variable(c, PPL_SHAPE(2), LIST(-901, 799));
    ppl_dist *d = ppl_ordered_logistic(h, cut);
    ppl_tensor *below = ppl_log_cdf(d, x), *above = ppl_log_survival(d, x);
    assert_values(below, 0, -INFINITY, -900, 0, 0, 0);
    assert_values(above, 0, 0, 0, -800, -800, -INFINITY);
    assert_values(ppl_log_cdf(d, ppl_scalar(c, NAN)), 0, NAN);
    ck_assert_int_eq(ppl_backward(ppl_sum(below, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(cut), 0, 1, 0);
    assert_values(ppl_grad(h), 0, -1);
    ck_assert_int_eq(ppl_backward(ppl_sum(above, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(cut), 0, 1, -2);
    assert_values(ppl_grad(h), 0, 1);
    d = ppl_ordered_logistic(ppl_scalar(c, 1), numbers(c, 0.5, 41));
    x = numbers(c, 0, 1);
    assert_values(ppl_log_cdf(d, x), 4 * rounding(_i), -log1p(exp(0.5)), -exp(-40));
    assert_values(ppl_log_survival(d, x), 4 * rounding(_i), -log1p(exp(-0.5)), -40);
    ck_assert(is_near(ppl_item(ppl_log_cdf(d, ppl_scalar(c, 1))) * exp(40), -1, rounding(_i)));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_one_hot_vector_is_its_index, a_one_hot_density_has_a_gradient_in_its_value,
        outside_the_support_log_prob_is_minus_infinity, weights_of_0_are_exact,
        draws_have_their_total, forms_mix_and_totals_tell_apart,
        values_are_refused_with_their_place, parameters_are_refused,
        cutpoints_may_be_none_or_equal, ordered_tails_are_logistic, NULL
    };
    return run_tests("categories", tests);
}
