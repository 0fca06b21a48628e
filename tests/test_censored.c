/* SPDX-License-Identifier: MIT */
/*
 * test_censored.c - censored values: golden densities and gradients, counts, draws, what
 * they are made of, what is refused.
 */
#include "tensors.h"

#include <kiln/censored.h>
#include <kiln/distributions.h>

#include "golden_json.h"
#include "statistics.h"

static const ppl_rng rng = { { 31, 7 } };

/* ---- Golden numbers ---------------------------------------------------------------- */

static ppl_dist *base_by_name(const char *name, ppl_tensor *a, ppl_tensor *b)
{
    return strcmp(name, "gumbel") == 0    ? ppl_gumbel(a, b)
           : strcmp(name, "laplace") == 0 ? ppl_laplace(a, b)
           : strcmp(name, "normal") == 0  ? ppl_normal(a, b) : ppl_weibull(a, b);
}

static ppl_dist *censor(const char *kind, ppl_dist *base, ppl_tensor *left,
                        ppl_tensor *right)
{
    return strcmp(kind, "left") == 0    ? ppl_left_censored(base, left)
           : strcmp(kind, "right") == 0 ? ppl_right_censored(base, left)
                                        : ppl_interval_censored(base, left, right);
}

static void assert_close(int record, const char *what, double x, double expected,
                         double tolerance)
{
    ck_assert_msg(x == expected || fabs(x - expected) <= tolerance * (1 + fabs(expected)),
                  "record %d: %s is %.17g, not %.17g", record, what, x, expected);
}

static void check_record(ppl_ctx *c, int i, int record, const json_t *golden)
{
    const char *kind = json_string_value(json_object_get(golden, "kind"));
    const char *base = json_string_value(json_object_get(golden, "base"));
    double params[2], censored[2] = { 0 }, value[2], log_prob = NAN, slope[4];
    const double tolerance = i ? 1e-10 : 1e-5;
    golden_numbers(golden, "params", params, 2);
    golden_numbers(golden, "censored", censored, 2);
    const int ends = golden_numbers(golden, "value", value, 2);
    golden_numbers(golden, "log_prob", &log_prob, 1);
    golden_numbers(golden, "d_value", slope, 2);
    golden_numbers(golden, "d_params", slope + 2, 2);
    ppl_tensor *leaf[] = { ppl_variable(c, PPL_SCALAR, params),
                           ppl_variable(c, PPL_SCALAR, params + 1),
                           ppl_variable(c, ends == 2 ? PPL_SHAPE(2) : PPL_SCALAR, value) };
    ppl_dist *d = censor(kind, base_by_name(base, leaf[0], leaf[1]),
                         ppl_scalar(c, censored[0]), ppl_scalar(c, censored[1]));
    ppl_tensor *t = ppl_log_prob(d, leaf[2]);
    ck_assert_msg(ppl_backward(t) == PPL_OK, "record %d: %s", record, ppl_error_text(c));
    assert_close(record, "log_prob", ppl_item(t), log_prob, tolerance);
    double by_value[2];
    ck_assert_int_eq(ppl_read(ppl_grad(leaf[2]), by_value, 2), ends);
    for (int k = 0; k < ends; k++)
        assert_close(record, "d_value", by_value[k], slope[k], tolerance);
    for (int k = 0; k < 2; k++)
        assert_close(record, "d_params", ppl_item(ppl_grad(leaf[k])), slope[2 + k],
                     tolerance);
}

START_TEST(golden_numbers_are_met)
{
    ppl_ctx *c = context(_i);
    json_t *root = golden_load("censored.json");
    const json_t *records = json_object_get(root, "records");
    ck_assert_int_ge((int)json_array_size(records), 100);
    for (size_t k = 0; k < json_array_size(records); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        check_record(c, _i, (int)k, json_array_get(records, k));
        ppl_epoch_end(c, epoch);
    }
    json_decref(root);
    ppl_ctx_free(c);
}
END_TEST

/* ---- What they are made of --------------------------------------------------------- */

/* Indicators as masks, integers and numbers; they and the base broadcast. */
START_TEST(indicators_broadcast)
{
    ppl_ctx *c = context(_i);
    ppl_dist *base = ppl_exponential(ppl_scalar(c, 0.5));
    const unsigned char set[] = { 0, 1, 0 };
    const int64_t whole[] = { 0, 1, 0 };
    ppl_tensor *kinds[] = { ppl_from_mask(c, PPL_SHAPE(3), set),
                            ppl_from_integers(c, PPL_SHAPE(3), whole),
                            numbers(c, 0, 1, 0) };
    for (int k = 0; k < 3; k++) {
        ppl_dist *right = ppl_right_censored(base, kinds[k]);
        ck_assert_str_eq(right->family->name, "right_censored(exponential)");
        assert_elements("right", ppl_log_prob(right, numbers(c, 2, 3, 4)), 3,
                        LIST(log(0.5) - 1, -1.5, log(0.5) - 2), 4 * rounding(_i));
    }
    ppl_dist *left = ppl_expand_dist(ppl_left_censored(base, kinds[0]), PPL_SHAPE(2, 3));
    assert_shape(ppl_log_prob(left, ppl_full(c, PPL_SHAPE(2, 3), 1)), 2, 3);
    assert_shape(ppl_log_prob(ppl_event(left, 1), ppl_dist_sample(left, &rng)), 2);
    base = ppl_masked(ppl_exponential(numbers(c, 1, 1, 1)), kinds[0]);
    assert_elements("masked", ppl_log_prob(ppl_right_censored(base, ppl_scalar(c, 1)),
                                           numbers(c, 2, 3, 4)),
                    3, LIST(0, -3, 0), 0);
    ppl_ctx_free(c);
}
END_TEST

/* Of counts, P(X <= 2), P(X > 2) and P(1 < X <= 3) are sums of masses. */
START_TEST(counts_are_censored)
{
    ppl_ctx *c = context(_i);
    const int64_t two = 2, pair[] = { 1, 3 };
    ppl_dist *base = ppl_poisson(ppl_scalar(c, 1.5));
    ppl_tensor *at = ppl_from_integers(c, PPL_SCALAR, &two), *one = ppl_scalar(c, 1);
    ppl_tensor *zero = ppl_scalar(c, 0);
    const double p[] = { exp(-1.5), 1.5 * exp(-1.5), 1.125 * exp(-1.5),
                         0.5625 * exp(-1.5) };
    assert_values(ppl_log_prob(ppl_left_censored(base, one), at), 8 * rounding(_i),
                  log(p[0] + p[1] + p[2]));
    assert_values(ppl_log_prob(ppl_right_censored(base, one), at), 8 * rounding(_i),
                  log(1 - p[0] - p[1] - p[2]));
    assert_values(ppl_log_prob(ppl_right_censored(base, zero), at), 8 * rounding(_i),
                  log(p[2]));
    assert_values(ppl_log_prob(ppl_interval_censored(base, zero, zero),
                               ppl_from_integers(c, PPL_SHAPE(2), pair)),
                  8 * rounding(_i), log(p[2] + p[3]));
    ck_assert_int_eq(ppl_tensor_dtype(ppl_dist_sample(ppl_left_censored(base, one), &rng)),
                     PPL_I64);
    ppl_dist *coin = ppl_right_censored(ppl_bernoulli(numbers(c, 0.25, 0.75)), one);
    assert_elements("a Bernoulli above 0, above 1", ppl_log_prob(coin, numbers(c, 0, 1)), 2,
                    LIST(log(0.25), -INFINITY), rounding(_i));
    ppl_ctx_free(c);
}
END_TEST

/* Infinite ends are none: an interval is then censored on one side. */
START_TEST(infinite_ends_are_none)
{
    ppl_ctx *c = context(_i);
    const double scale = 3, ends[] = { 4, INFINITY, -INFINITY, 2, -INFINITY, INFINITY };
    ppl_tensor *s = ppl_variable(c, PPL_SCALAR, &scale), *zero = ppl_scalar(c, 0);
    ppl_dist *base = ppl_logistic(zero, s), *d = ppl_interval_censored(base, zero, zero);
    ppl_tensor *t = ppl_log_prob(d, ppl_from_doubles(c, PPL_SHAPE(3, 2), ends));
    assert_elements("ends", t, 3,
                    LIST(-log1p(exp(4.0 / 3)), -log1p(exp(-2.0 / 3)), 0), 8 * rounding(_i));
    ck_assert_int_eq(ppl_backward(ppl_sum(t, PPL_ALL)), PPL_OK);
    ck_assert(isfinite(ppl_item(ppl_grad(s))));
    ppl_ctx_free(c);
}
END_TEST

/* A draw is the base's, with its gradient; of intervals it stands at both ends. */
START_TEST(draws_are_of_the_base)
{
    enum { N = 1000 };
    ppl_ctx *c = context(_i);
    const double loc = 2;
    double x[2 * N];
    ppl_tensor *l = ppl_variable(c, PPL_SCALAR, &loc), *one = ppl_scalar(c, 1);
    ppl_dist *d = ppl_interval_censored(ppl_normal(l, one), ppl_scalar(c, 0), one);
    ck_assert(d->family->flags & PPL_REPARAM);
    ppl_tensor *draws = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(N)), &rng);
    assert_shape(draws, N, 2);
    ck_assert_int_eq(ppl_backward(ppl_sum(draws, PPL_ALL)), PPL_OK);
    ck_assert(ppl_item(ppl_grad(l)) == 2 * N);
    ppl_read(draws, x, 2 * N);
    for (int k = 0; k < N; k++) {
        ck_assert(x[2 * k] == x[2 * k + 1]);
        x[k] = x[2 * k];
    }
    mean_error m = mean_of(x, N);
    ck_assert(fabs(m.mean - 2) <= 4 * m.error);
    ppl_ctx_free(c);
}
END_TEST

/* Mean and variance are those of draws, within 4 standard errors: the base's, not what is left
 * of it after clipping; of intervals at both ends. What the base has none of there is not. */
START_TEST(moments_are_of_the_draws)
{
    enum { N = 4000 };
    ppl_ctx *c = context(_i);
    double x[N];
    ppl_tensor *one = ppl_scalar(c, 1), *zero = ppl_scalar(c, 0), *scale = numbers(c, 2, 3);
    ppl_dist *d = ppl_left_censored(ppl_gumbel(one, scale), numbers(c, 1, 0));
    ppl_read(ppl_dist_sample(ppl_expand_dist(ppl_left_censored(ppl_gumbel(one, one), one),
                                             PPL_SHAPE(N)), &rng), x, N);
    const double euler = 0.57721566490153286, of_unit = acos(-1) * acos(-1) / 6;
    mean_error m = mean_of(x, N);
    ck_assert(fabs(m.mean - 1 - euler) <= 4 * m.error);
    for (int k = 0; k < N; k++)
        x[k] = (x[k] - 1 - euler) * (x[k] - 1 - euler);
    m = mean_of(x, N);
    ck_assert(fabs(m.mean - of_unit) <= 4 * m.error);
    assert_elements("mean", ppl_dist_mean(d), 2, LIST(1 + 2 * euler, 1 + 3 * euler),
                    4 * rounding(_i));
    assert_elements("variance", ppl_dist_variance(ppl_expand_dist(d, PPL_SHAPE(2, 2))), 4,
                    LIST(4 * of_unit, 9 * of_unit, 4 * of_unit, 9 * of_unit),
                    4 * rounding(_i));
    d = ppl_interval_censored(ppl_normal(scale, scale), zero, one);
    assert_elements("mean", ppl_dist_mean(d), 4, LIST(2, 2, 3, 3), 0);
    assert_elements("variance", ppl_dist_variance(d), 4, LIST(4, 4, 9, 9), 0);
    assert_elements("covariance", ppl_dist_covariance(d), 8, LIST(4, 4, 4, 4, 9, 9, 9, 9), 0);
    d = ppl_interval_censored(ppl_normal(zero, one), numbers(c, 0, 1, 0), one);
    assert_elements("mean", ppl_dist_mean(d), 6, LIST(0, 0, 0, 0, 0, 0), 0);
    ppl_dist *base = ppl_gompertz(one, one);    /* as it were without a variance */
    ppl_family lesser = *base->family;
    lesser.variance = NULL;
    base->family = &lesser;
    d = ppl_right_censored(base, one);
    ck_assert(d->family->mean && !d->family->variance);
    ppl_ctx_free(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

START_TEST(bad_input_is_explained)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1), *zero = ppl_scalar(c, 0);
    ppl_dist *base = ppl_exponential(one);
#define REFUSED(call, status, text)                                                      \
    do {                                                                                 \
        ck_assert_ptr_null(call);                                                        \
        ck_assert_int_eq(ppl_error(c), status);                                          \
        ck_assert_msg(strstr(ppl_error_text(c), text) != NULL, "%s", ppl_error_text(c)); \
        ppl_clear_error(c);                                                              \
    } while (0)
    REFUSED(ppl_left_censored(ppl_right_censored(base, one), one), PPL_EUNSUPPORTED,
            "left_censored: right_censored(exponential) has no cdf, which tells the "
            "probability of a censored value; take a base that has one");
    REFUSED(ppl_right_censored(ppl_event(ppl_exponential(numbers(c, 1, 2)), 1), one),
            PPL_ESHAPE, "right_censored: exponential is of events of 1 axes");
    REFUSED(ppl_right_censored(base, ppl_scalar(c, 0.5)), PPL_ECONSTRAINT,
            "right_censored(exponential): censored is 0.5");
    REFUSED(ppl_left_censored(ppl_exponential(numbers(c, 1, 2)), numbers(c, 1, 0, 1)),
            PPL_ESHAPE, "do not broadcast");
    REFUSED(ppl_log_prob(ppl_right_censored(base, one), ppl_scalar(c, -1)),
            PPL_ECONSTRAINT, "right_censored(exponential): value is -1");
    ppl_dist *d = ppl_interval_censored(base, zero, zero);
    REFUSED(ppl_log_prob(d, numbers(c, 2, 1)), PPL_ECONSTRAINT,
            "interval_censored(exponential): in the value of shape [2] the lower end of "
            "interval 0 of [] is above its upper end; give lower, then upper");
    REFUSED(ppl_log_prob(d, numbers(c, 1, 2, 3)), PPL_ESHAPE, "does not fit");
    ck_assert_ptr_nonnull(ppl_log_prob(ppl_interval_censored(base, one, zero),
                                       numbers(c, 2, 1)));
    ck_assert_ptr_null(ppl_left_censored(NULL, one));
    ck_assert_ptr_null(ppl_left_censored(base, NULL));
#undef REFUSED
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        golden_numbers_are_met, indicators_broadcast, counts_are_censored,
        infinite_ends_are_none, draws_are_of_the_base, moments_are_of_the_draws,
        bad_input_is_explained, NULL
    };
    return run_tests("censored", tests);
}
