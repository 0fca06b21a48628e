/* SPDX-License-Identifier: MIT */
/*
 * test_gated.c - ZeroInflated and Hurdle beyond the table of test_distributions: any base,
 * draws where the base is nearly always 0, batches, masks, what is refused.
 */
#include "fixture.h"

#include "counts_fit.h"

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_dist *without_cdf(ppl_dist *d)
{
    ppl_family *lesser = ppl_alloc(d->ctx, sizeof *lesser);
    *lesser = *d->family;
    lesser->kind = d->family;
    lesser->cdf = lesser->icdf = NULL;
    lesser->log_cdf = lesser->log_survival = lesser->inverse_survival = NULL;
    d->family = lesser;
    return d;
}

static ppl_dist *base_of(ppl_ctx *c, int i)
{
    ppl_tensor *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2), *few = ppl_scalar(c, 1e-3);
    switch (i) {
    case 0:
        return ppl_poisson(ppl_scalar(c, 3.5));
    case 1:
        return ppl_poisson(few);
    case 2:
        return ppl_negative_binomial(few, ppl_scalar(c, 0.999));
    case 3:
        return ppl_beta_binomial(few, two, ppl_scalar(c, 30));
    case 4:
        return without_cdf(ppl_categorical(numbers(c, 0.9, 0.04, 0.06)));
    case 5:
        return ppl_geometric_logits(two);
    case 6:
        return ppl_binomial_logits(ppl_scalar(c, 20), one);
    case 7:
        return ppl_mixture_same_family(ppl_categorical(numbers(c, 1, 3)),
                                       ppl_poisson(numbers(c, 0.01, 9)));
    }
    return ppl_zero_inflated(ppl_scalar(c, 0.999), ppl_poisson(ppl_scalar(c, 40)));
}

enum { BASES = 9, DRAWS = 100000 };

static ppl_dist *member(ppl_ctx *c, int i)
{
    ppl_tensor *gate = ppl_scalar(c, 0.3);
    ppl_dist *base = base_of(c, i / 2);
    return i % 2 ? ppl_hurdle(gate, base) : ppl_zero_inflated(gate, base);
}

/* Against the masses; where the base has no cdf too, and where it is nearly always 0. */
START_TEST(draws_fit_whatever_the_base)
{
    static double x[DRAWS];
    ppl_ctx *c = context(1);
    ppl_dist *d = member(c, _i);
    ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
    ppl_dist *many = ppl_expand_dist(d, PPL_SHAPE(DRAWS));
    ck_assert_int_eq(ppl_read(ppl_dist_sample(many, &rng), x, DRAWS), DRAWS);
    double high = 1;
    for (int i = 0; i < DRAWS; i++) {
        ck_assert(x[i] >= 0);
        high = fmax(high, x[i]);
    }
    if (d->family->enumerate)
        high = (double)ppl_numel(d->family->enumerate(d)) - 1;
    const double p = counts_fit(d, DRAWS, x, 0, high);
    ck_assert_msg(p > 1e-4, "%s: fits with probability %g", d->family->name, p);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* Sums over masses. */
START_TEST(masses_and_moments_agree)
{
    enum { MOST = 200 };
    ppl_ctx *c = context(_i);
    int64_t k[MOST];
    double p[MOST];
    for (int i = 0; i < MOST; i++)
        k[i] = i;
    for (int i = 0; i < 2 * BASES; i++) {
        if (i / 2 == 2)
            continue;                       /* its tail is long */
        ppl_dist *d = member(c, i);
        ppl_tensor *listed = d->family->enumerate ? d->family->enumerate(d) : NULL;
        const int all = listed ? (int)ppl_numel(listed) : MOST;
        ppl_tensor *at = ppl_from_integers(c, PPL_SHAPE(all), k);
        ppl_read(ppl_exp(ppl_log_prob(d, at)), p, all);
        double sum = 0, mean = 0, square = 0, entropy = 0;
        for (int n = 0; n < all; n++) {
            sum += p[n];
            mean += n * p[n];
            square += n * (double)n * p[n];
            entropy -= p[n] > 0 ? p[n] * log(p[n]) : 0;
        }
        const double tolerance = _i ? 1e-10 : 1e-4;
        ck_assert_msg(is_near(sum, 1, tolerance), "%s: %g", d->family->name, sum);
        if (d->family->mean)
            ck_assert(is_near(ppl_item(ppl_dist_mean(d)), mean, tolerance));
        if (d->family->entropy)
            ck_assert_msg(is_near(ppl_item(ppl_entropy(d)), entropy, tolerance),
                          "%s: %.17g, not %.17g", d->family->name, ppl_item(ppl_entropy(d)),
                          entropy);
        if (d->family->variance)
            ck_assert(is_near(ppl_item(ppl_dist_variance(d)), square - mean * mean,
                              5 * tolerance));
    }
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* Of a base that is nearly always 0: log p(1) is how little lies above 1. */
START_TEST(entropies_keep_their_digits)
{
    ppl_ctx *c = context(_i);
    const double none = 0;
    for (double rate = 1; rate > (_i ? 1e-12 : 1e-7); rate /= 64) {
        double more = 0, term = 1, sum = 0;
        ppl_tensor *r = ppl_variable(c, PPL_SCALAR, &rate);
        ppl_tensor *gate = ppl_variable(c, PPL_SCALAR, &none);
        ppl_tensor *entropy = ppl_entropy(ppl_hurdle(gate, ppl_poisson(r)));
        for (int k = 2; k < 40; k++)
            more += term *= rate / k;
        term = 1 / (1 + more);
        for (int k = 1; k < 40; term *= rate / ++k)
            sum += term * (log1p(more) - (k - 1) * log(rate) + lgamma(k + 1));
        ck_assert_msg(is_near(ppl_item(entropy) / sum, 1, _i ? 1e-12 : 3e-5),
                      "rate %g: %.17g, not %.17g", rate, ppl_item(entropy), sum);
        ck_assert_int_eq(ppl_backward(entropy), PPL_OK);
        ck_assert(rate > 1e-6 || is_near(ppl_item(ppl_grad(r)) / log(rate), -0.5, 0.1));
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(batches_broadcast_and_masks_go_through)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *gate = ppl_reshape(variable(c, 0.25, 0.5, 0.75), PPL_SHAPE(3, 1));
    ppl_tensor *rate = variable(c, 1, 4);
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    for (int hurdle = 0; hurdle < 2; hurdle++) {
        ppl_dist *base = ppl_masked(ppl_poisson(rate), mask);
        ppl_dist *d = hurdle ? ppl_hurdle(gate, base) : ppl_zero_inflated(gate, base);
        ppl_tensor *x = ppl_dist_sample(d, &rng), *y = ppl_log_prob(d, x);
        assert_shape(x, 3, 2);
        assert_shape(y, 3, 2);
        assert_shape(ppl_cdf(d, x), 3, 2);
        assert_shape(ppl_dist_mean(d), 3, 2);
        double p[6];
        ppl_read(y, p, 6);
        ck_assert(p[0] < 0 && p[1] == 0 && p[3] == 0);
        assert_ok(c, ppl_backward(ppl_sum(y, PPL_ALL)));
        d = ppl_expand_dist(d, PPL_SHAPE(0, 3, 2));
        assert_shape(ppl_log_prob(d, ppl_dist_sample(d, &rng)), 0, 3, 2);
    }
    double g[2];
    ppl_read(ppl_grad(rate), g, 2);
    ck_assert(g[0] != 0 && g[1] == 0);
    stop(c);
}
END_TEST

/* Whose draws are of no distribution, and gates at their ends. */
START_TEST(ends_and_nan)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = _i ? PPL_F64 : PPL_F32,
                                              .no_validation = 1 });
    ppl_tensor *three = integers(c, 0, 3), *rate = ppl_scalar(c, 2);
    ppl_dist *d = ppl_zero_inflated(ppl_scalar(c, 1), ppl_poisson(rate));
    assert_values(ppl_log_prob(d, three), 0, 0, -INFINITY);
    assert_values(ppl_dist_sample(d, &rng), 0, 0);
    d = ppl_hurdle(ppl_scalar(c, 0), ppl_poisson(rate));
    ck_assert(ppl_item(ppl_log_prob(d, integers(c, 0))) == -INFINITY);
    d = ppl_hurdle(ppl_scalar(c, 0), ppl_poisson(ppl_scalar(c, NAN)));
    assert_values(ppl_dist_sample(d, &rng), 0, -1);
    /* All of the base's mass is at 0: there is nothing else to draw. */
    d = ppl_hurdle(ppl_scalar(c, 0.5), ppl_poisson(ppl_scalar(c, 0)));
    ck_assert_ptr_nonnull(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(20)), &rng));
    ck_assert(isnan(ppl_item(ppl_log_prob(d, integers(c, 2)))));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* The cdf at 0 is the gate, and has its slope where the gate is 0 as well. */
START_TEST(a_closed_gate_has_a_slope)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *gate = ppl_variable(c, PPL_SCALAR, (double[]){ 0 });
    ppl_dist *d = ppl_hurdle(gate, ppl_poisson(ppl_scalar(c, 2)));
    ppl_tensor *cdf = ppl_cdf(d, ppl_from_integers(c, PPL_SHAPE(2), (int64_t[]){ -1, 0 }));
    assert_elements("hurdle cdf", cdf, 2, LIST(0, 0), 0);
    ck_assert_int_eq(ppl_backward(ppl_sum(cdf, PPL_ALL)), PPL_OK);
    ck_assert_double_eq(ppl_item(ppl_grad(gate)), 1);
    stop(c);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *half = ppl_scalar(c, 0.5), *one = ppl_scalar(c, 1), *two = ppl_scalar(c, 2);
    ppl_dist *base = ppl_poisson(two);
    assert_null(c, ppl_zero_inflated(half, ppl_normal(one, two)), PPL_EUNSUPPORTED,
                "zero_inflated: normal is not a distribution of counts, integers 0, 1, 2, "
                "..; take one that is (ppl_poisson, ppl_binomial, ..)");
    assert_null(c, ppl_hurdle(half, ppl_bernoulli(half)), PPL_EUNSUPPORTED,
                "hurdle: bernoulli is not a distribution of counts, integers 0, 1, 2, ..; "
                "take one that is (ppl_poisson, ppl_binomial, ..)");
    assert_null(c, ppl_hurdle(half, ppl_multinomial(two, numbers(c, 1, 2))),
                PPL_EUNSUPPORTED,
                "hurdle: multinomial is not a distribution of counts, integers 0, 1, 2, "
                "..; take one that is (ppl_poisson, ppl_binomial, ..)");
    assert_null(c, ppl_zero_inflated(half, ppl_event(ppl_poisson(numbers(c, 1, 2)), 1)),
                PPL_ESHAPE,
                "zero_inflated: the base, poisson of shape [2], has events; take ppl_event "
                "of the result");
    assert_null(c, ppl_zero_inflated(numbers(c, 0.5, 1.5), base), PPL_ECONSTRAINT,
                "zero_inflated(poisson): gate[1] is 1.5; it must be between 0 and 1");
    assert_null(c, ppl_zero_inflated_logits(ppl_scalar(c, INFINITY), base),
                PPL_ECONSTRAINT,
                "zero_inflated(poisson): gate_logits is inf; it must be a finite number");
    assert_null(c, ppl_hurdle(numbers(c, 0.5, 0.5), ppl_poisson(numbers(c, 1, 2, 3))),
                PPL_ESHAPE,
                "hurdle(poisson): parameters of batch [2] and parts of batch [3] do not "
                "broadcast; make their axes equal or 1");
    assert_null(c, ppl_log_prob(ppl_hurdle(half, base), integers(c, 1, -2)),
                PPL_ECONSTRAINT,
                "hurdle(poisson): value[1] is -2; it must be a nonnegative integer");
    assert_null(c, ppl_log_prob(ppl_hurdle(half, ppl_binomial(two, half)), integers(c, 3)),
                PPL_ECONSTRAINT, "hurdle(binomial): value[0] is 3; it must be at most 2");
    assert_null(c, ppl_log_prob(ppl_zero_inflated(half, ppl_categorical(numbers(c, 1, 1))),
                                integers(c, 2)), PPL_ECONSTRAINT,
                "zero_inflated(categorical): value[0] is 2; it must be an integer from 0 "
                "to 1");
    assert_null(c, ppl_dist_mean(ppl_hurdle(half, ppl_categorical(numbers(c, 1, 1)))),
                PPL_EUNSUPPORTED,
                "hurdle(categorical): it has no mean in closed form; estimate it from "
                "samples");
    ck_assert_ptr_null(ppl_hurdle(NULL, base));
    ck_assert_ptr_null(ppl_zero_inflated(half, NULL));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        masses_and_moments_agree, batches_broadcast_and_masks_go_through, ends_and_nan,
        entropies_keep_their_digits,
        a_closed_gate_has_a_slope, what_does_not_fit_is_refused, NULL
    };
    Suite *suite = suite_create("gated");
    TCase *quick = tcase_create("quick"), *slow = tcase_create("samples");
    for (const TTest *const *t = tests; *t; t++)
        tcase_add_loop_test(quick, *t, 0, DTYPES);
    tcase_add_loop_test(slow, draws_fit_whatever_the_base, 0, 2 * BASES);
    tcase_set_timeout(quick, 60);
    tcase_set_timeout(slow, 60);
    suite_add_tcase(suite, quick);
    suite_add_tcase(suite, slow);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
