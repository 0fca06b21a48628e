/* SPDX-License-Identifier: MIT */
/*
 * test_constructed.c - Unit, ImproperUniform and Empirical: what golden numbers
 * (test_multivariate.c) do not say of them, in models and out of them.
 */
#include "fixture.h"
#include "golden_json.h"
#include "statistics.h"

#include <kiln/log_density.h>
#include <kiln/transforms.h>

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

static ppl_ctx *lenient(int i)
{
    return ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                        .no_validation = 1 });
}

/* ---- Unit -------------------------------------------------------------------------- */

START_TEST(a_unit_has_no_numbers)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *factor = variable(c, -1, 2.5);
    ppl_dist *d = ppl_expand_dist(ppl_unit(factor), PPL_SHAPE(3, 2));
    ppl_tensor *x = ppl_dist_sample(d, &rng), *log_prob = ppl_log_prob(d, x);
    assert_shape(x, 3, 2, 0);
    assert_shape(log_prob, 3, 2);
    assert_values(log_prob, 0, -1, 2.5, -1, 2.5, -1, 2.5);
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(factor), 0, 3, 3);
    assert_values(ppl_log_prob(ppl_event(ppl_unit(factor), 1),
                               ppl_full(c, PPL_SHAPE(2, 0), 0)), 0, 1.5);
    stop(c);
}
END_TEST

static void with_factor(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 3, NULL));
    ppl_factor(c, "f", ppl_scalar(c, -2));
    ppl_pop(c, s);
}

START_TEST(a_factor_is_a_unit)
{
    ppl_ctx *c = start(_i);
    ppl_epoch_begin(c);
    ppl_msg *m = site_of(trace_of(c, with_factor, NULL, NULL), "f", PPL_NO_INDEX);
    ck_assert_ptr_eq(m->dist->family, &ppl_family_unit);
    ck_assert(m->flags & PPL_OBSERVED);
    assert_shape(m->value, 3, 0);
    assert_values(ppl_site_log_prob(m), 0, -2, -2, -2);
    stop(c);
}
END_TEST

/* ---- ImproperUniform --------------------------------------------------------------- */

START_TEST(an_improper_density_is_0_within_the_support)
{
    ppl_ctx *c = lenient(_i);
    ppl_dist *d = ppl_improper_uniform(c, PPL_POSITIVE, PPL_SHAPE(2), PPL_SHAPE(2));
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(2, 2), LIST(1, 1e30, 3, -1));
    ppl_tensor *log_prob = ppl_log_prob(d, x);
    assert_shape(log_prob, 2);
    assert_values(log_prob, 0, 0, -INFINITY);
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(x), 0, 0, 0, 0, 0);
    d = ppl_improper_uniform(c, PPL_SIMPLEX, PPL_SCALAR, PPL_SHAPE(2, 3));
    x = ppl_from_doubles(c, PPL_SHAPE(3, 2, 3),
                         LIST(0.5, 0.25, 0.25, 0, 0, 1, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0, 1,
                              0, NAN, 0, 1));
    assert_values(ppl_log_prob(d, x), 0, 0, -INFINITY, NAN);
    d = ppl_improper_uniform(c, ppl_interval(-1, 2), PPL_SHAPE(3), PPL_SCALAR);
    assert_values(ppl_log_prob(d, numbers(c, -1, 2, 2.5)), 0, 0, 0, -INFINITY);
    d = ppl_expand_dist(d, PPL_SHAPE(2, 3));
    assert_shape(ppl_log_prob(d, ppl_full(c, PPL_SHAPE(2, 3), 1)), 2, 3);
    d = ppl_masked(d, ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[]){ 1, 0, 1 }));
    x = ppl_from_doubles(c, PPL_SHAPE(2, 3), LIST(0, 5, 0, 5, 9, 2));
    assert_values(ppl_log_prob(d, x), 0, 0, 0, 0, -INFINITY, 0, 0);
    d = ppl_improper_uniform(c, PPL_REAL, PPL_SHAPE(0), PPL_SHAPE(3));
    assert_shape(ppl_log_prob(d, ppl_full(c, PPL_SHAPE(0, 3), 1)), 0);
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(an_improper_uniform_cannot_be_drawn_from)
{
    ppl_ctx *c = start(_i);
    ppl_dist *d = ppl_improper_uniform(c, PPL_POSITIVE, PPL_SCALAR, PPL_SCALAR);
    assert_null(c, ppl_dist_sample(d, &rng), PPL_EUNSUPPORTED,
                "improper_uniform: nothing can be drawn from it, as it is no "
                "distribution; give the site a value (ppl_condition, a guide) or a start "
                "within the support (ppl_init_to_uniform, ppl_init_to_value)");
    assert_null(c, ppl_log_prob(d, ppl_scalar(c, -2)), PPL_ECONSTRAINT,
                "improper_uniform: value is -2; it must be positive");
    assert_null(c, ppl_improper_uniform(c, (ppl_constraint){ 0 }, PPL_SCALAR, PPL_SCALAR),
                PPL_EINVAL, "improper_uniform: the support is no constraint; give "
                "PPL_REAL or another of kiln/constraint.h");
    assert_null(c, ppl_improper_uniform(c, PPL_SIMPLEX, PPL_SHAPE(4), PPL_SCALAR),
                PPL_ESHAPE, "improper_uniform: no events of shape []; they must have 1 "
                "to 8 axes, as a value is to be nonnegative, with sum 1");
    assert_null(c, ppl_improper_uniform(c, PPL_REAL, PPL_SCALAR, PPL_SHAPE(2, -1)),
                PPL_ESHAPE, "improper_uniform: no events of shape [2,-1]; they must "
                "have 0 to 8 axes, as a value is to be a finite number");
    assert_null(c, ppl_entropy(d), PPL_EUNSUPPORTED, "improper_uniform: it has no "
                "entropy in closed form; estimate it from samples");
    stop(c);
}
END_TEST

/* A flat prior on a scale and on shares, and data. */
static void flat(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_dist *scale = ppl_improper_uniform(c, PPL_POSITIVE, PPL_SCALAR, PPL_SCALAR);
    ppl_dist *shares = ppl_improper_uniform(c, PPL_SIMPLEX, PPL_SCALAR, PPL_SHAPE(3));
    ppl_tensor *s = ppl_sample(c, "scale", scale), *w = ppl_sample(c, "shares", shares);
    ppl_observe(c, "x", ppl_normal(ppl_scalar(c, 0), s), ppl_scalar(c, 0.75));
    ppl_observe(c, "k", ppl_categorical(w), ppl_from_integers(c, PPL_SCALAR,
                                                              (int64_t[]){ 1 }));
}

/* All that counts is the data's density and the Jacobians. */
START_TEST(a_log_density_needs_the_support_alone)
{
    ppl_ctx *c = start(_i);
    const double u[] = { 0.25, -0.5, 0.75 };
    double value, gradient[3], z[4];
    ppl_epoch_begin(c);
    ppl_log_density *d = ppl_log_density_of(c, flat, NULL, NULL);
    ck_assert_msg(d != NULL, "%s", ppl_error_text(c));
    ck_assert_int_eq(ppl_log_density_size(d), 3);
    assert_ok(c, ppl_log_density_at(d, u, &value, gradient));
    assert_ok(c, ppl_log_density_constrain(d, u, z));
    ppl_tensor *t = numbers(c, -0.5, 0.75);
    const ppl_constraint_map *map = ppl_constraint_bijection(&PPL_SIMPLEX);
    const double s = exp(0.25), expected = -0.91893853320467274 - 0.25 -
        0.75 * 0.75 / (s * s) / 2 + log(z[2]) + 0.25 +
        ppl_item(map->log_abs_det(&PPL_SIMPLEX, t));
    ck_assert_msg(is_near(value, expected, _i ? 1e-13 : 1e-6), "%.17g, not %.17g", value,
                  expected);
    ck_assert(is_near(gradient[0], 0.5625 / (s * s), _i ? 1e-13 : 1e-6));
    stop(c);
}
END_TEST

START_TEST(strategies_start_within_the_support)
{
    ppl_ctx *c = start(_i);
    ppl_epoch_begin(c);
    ppl_handler *how[] = { ppl_init_to_feasible(c), ppl_init_to_uniform(c, 2),
                           ppl_init_to_mean(c), ppl_init_to_median(c, 0) };
    for (int k = 0; k < COUNT_OF(how); k++) {
        ppl_trace *t = trace_of(c, flat, NULL, handlers(how[k]));
        ck_assert(ppl_item(value_of(t, "scale")) > 0);
        ck_assert(is_near(ppl_total(value_of(t, "shares")), 1, rounding(_i)));
    }
    ck_assert_ptr_null(ppl_get_trace(c, flat, NULL, NULL));
    ck_assert_int_eq(ppl_error(c), PPL_EUNSUPPORTED);
    ppl_clear_error(c);
    stop(c);
}
END_TEST

/* ---- Empirical --------------------------------------------------------------------- */

START_TEST(equal_samples_share_their_weight)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = numbers(c, 3, -1, 3, 0.5);
    ppl_tensor *v = variable(c, log(1), log(2), log(3), log(4));
    ppl_dist *d = ppl_empirical(x, v);
    ck_assert_int_eq(d->event_dim, 0);
    ck_assert_int_eq(d->shape.rank, 0);
    assert_values(ppl_exp(ppl_log_prob(d, numbers(c, -1, 0.5, 3, 7))), rounding(_i), 0.2,
                  0.4, 0.4, 0);
    ck_assert_int_eq(ppl_backward(ppl_log_prob(d, ppl_scalar(c, 3))), PPL_OK);
    assert_values(ppl_grad(v), rounding(_i), 0.25 - 0.1, -0.2, 0.75 - 0.3, -0.4);
    assert_values(ppl_dist_mean(d), rounding(_i), 1.2);
    assert_values(ppl_dist_variance(d), 4 * rounding(_i), 3.9 - 1.44);
    assert_values(d->family->enumerate(d), 0, -1, 0.5, 3);
    ck_assert(d->family->flags & PPL_ENUMERABLE);
    ck_assert_ptr_eq(d->family->kind, &ppl_family_empirical);
    stop(c);
}
END_TEST

START_TEST(samples_may_be_integers)
{
    ppl_ctx *c = start(_i);
    ppl_dist *d = ppl_empirical(integers(c, 4, 2, 4), numbers(c, 0, 0, 0));
    ppl_tensor *x = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(50)), &rng);
    ck_assert_int_eq(ppl_tensor_dtype(x), PPL_I64);
    assert_values(ppl_log_prob(d, integers(c, 2, 3, 4)), rounding(_i), log(1.0 / 3),
                  -INFINITY, log(2.0 / 3));
    assert_values(d->family->enumerate(d), 0, 2, 4);
    assert_values(ppl_dist_mean(d), rounding(_i), 10.0 / 3);
    assert_values(ppl_dist_variance(d), 4 * rounding(_i), 8.0 / 9);
    assert_null(c, ppl_log_prob(d, numbers(c, 2)), PPL_EDTYPE,
                "empirical: the value is not integers (ppl_from_integers makes them)");
    stop(c);
}
END_TEST

/* Samples and weights of each element of a batch, of events of two axes. */
START_TEST(the_rank_of_the_weights_tells_batch_from_event)
{
    ppl_ctx *c = start(_i);
    double x[2 * 3 * 4], v[2 * 3] = { 0, 1, 2, -1, -2, 0.5 };
    for (int i = 0; i < COUNT_OF(x); i++)
        x[i] = i;
    ppl_tensor *samples = ppl_from_doubles(c, PPL_SHAPE(2, 3, 2, 2), x);
    ppl_dist *d = ppl_empirical(samples, ppl_from_doubles(c, PPL_SHAPE(2, 3), v));
    ck_assert_int_eq(d->event_dim, 2);
    assert_shaped("shape", ppl_dist_sample(d, &rng), PPL_SHAPE(2, 2, 2));
    ck_assert_ptr_null(d->family->enumerate);
    ppl_tensor *at = ppl_from_doubles(c, PPL_SHAPE(2, 2, 2),
                                      LIST(4, 5, 6, 7, 20, 21, 22, 23));
    double total[2] = { 0 }, mean[2] = { 0 }, variance[2] = { 0 };
    for (int b = 0; b < 2; b++) {
        for (int i = 0; i < 3; i++) {
            total[b] += exp(v[3 * b + i]);
            mean[b] += exp(v[3 * b + i]) * x[12 * b + 4 * i];
        }
        mean[b] /= total[b];
        for (int i = 0; i < 3; i++)
            variance[b] += exp(v[3 * b + i]) / total[b] *
                           pow(x[12 * b + 4 * i] - mean[b], 2);
    }
    assert_values(ppl_log_prob(d, at), rounding(_i), 1 - log(total[0]),
                  0.5 - log(total[1]));
    assert_values(ppl_dist_mean(d), 4 * rounding(_i), mean[0], mean[0] + 1, mean[0] + 2,
                  mean[0] + 3, mean[1], mean[1] + 1, mean[1] + 2, mean[1] + 3);
    assert_values(ppl_dist_variance(d), 20 * rounding(_i), variance[0], variance[0],
                  variance[0], variance[0], variance[1], variance[1], variance[1],
                  variance[1]);
    stop(c);
}
END_TEST

enum { DRAWS = 1000000 };

START_TEST(draws_have_their_weights)
{
    static double x[DRAWS];
    ppl_ctx *c = start(_i);
    const double outcome[] = { -1, 2, 3, 5 };
    double count[4] = { 0 }, expected[] = { 0.1, 0.35, 0.55, 0 };
    ppl_dist *d = ppl_empirical(numbers(c, 3, -1, 2, 3, 5),
                                numbers(c, 500 + log(0.3), 500 + log(0.1),
                                        500 + log(0.35), 500 + log(0.25), -INFINITY));
    ppl_read(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(DRAWS)), &rng), x, DRAWS);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < DRAWS; i++)
            count[k] += x[i] == outcome[k];
        expected[k] *= DRAWS;
    }
    double p = chi_square_probability(count, expected, 4);
    ck_assert_msg(p > 1e-4, "they fit with probability %g", p);
    stop(c);
}
END_TEST

enum { MOST_SAMPLES = 8 };

static void assert_close(int record, const char *what, int k, double x, double expected,
                         double tolerance)
{
    ck_assert_msg(x == expected || isnan(expected) ||
                      fabs(x - expected) <= tolerance * fabs(expected) + 1e-13,
                  "record %d: %s %d is %.17g, not %.17g", record, what, k, x, expected);
}

static void check_slopes(int record, const char *what, int n, const json_t *golden,
                         ppl_tensor *root, ppl_tensor *v)
{
    double found[MOST_SAMPLES], expected[MOST_SAMPLES];
    ck_assert_int_eq(golden_numbers(golden, what, expected, MOST_SAMPLES), n);
    ck_assert_int_eq(ppl_backward(root), PPL_OK);
    ck_assert_int_eq(ppl_read(ppl_grad(v), found, n), n);
    for (int k = 0; k < n; k++)
        assert_close(record, what, k, found[k], expected[k], 1e-10);
}

static void check_empirical(ppl_ctx *c, int record, const json_t *golden)
{
    double x[MOST_SAMPLES], w[MOST_SAMPLES], at = NAN, expected = NAN;
    const int n = golden_numbers(golden, "samples", x, MOST_SAMPLES);
    const json_t *points = json_object_get(golden, "points");
    const json_t *quantiles = json_object_get(golden, "quantiles");
    golden_numbers(golden, "log_weights", w, MOST_SAMPLES);
    ppl_tensor *v = ppl_variable(c, PPL_SHAPE(n), w);
    ppl_dist *d = ppl_empirical(ppl_from_doubles(c, PPL_SHAPE(n), x), v);
#define SAME(what, k, call, key, of)                                                     \
    (golden_numbers(of, key, &expected, 1),                                              \
     assert_close(record, what, (int)(k), ppl_item(call), expected, 1e-10))
    SAME("entropy", 0, ppl_entropy(d), "entropy", golden);
    check_slopes(record, "d_entropy", n, golden, ppl_entropy(d), v);
    for (size_t k = 0; k < json_array_size(points); k++) {
        const json_t *p = json_array_get(points, k);
        v = ppl_variable(c, PPL_SHAPE(n), w);
        d = ppl_empirical(ppl_from_doubles(c, PPL_SHAPE(n), x), v);
        golden_numbers(p, "value", &at, 1);
        ppl_tensor *value = ppl_variable(c, PPL_SCALAR, &at), *cdf = ppl_cdf(d, value);
        SAME("cdf", k, cdf, "cdf", p);
        SAME("log_cdf", k, ppl_log_cdf(d, value), "log_cdf", p);
        SAME("log_survival", k, ppl_log_survival(d, value), "log_survival", p);
        check_slopes(record, "d_cdf", n, p, cdf, v);
        assert_values(ppl_grad(value), 0, 0);
    }
    for (size_t k = 0; k < json_array_size(quantiles); k++) {
        const json_t *q = json_array_get(quantiles, k);
        const int upper = golden_numbers(q, "survival", &at, 1);
        golden_numbers(q, "probability", &at, 1);
        ppl_tensor *p = ppl_scalar(c, at);
        SAME(upper ? "inverse_survival" : "icdf", k,
             upper ? ppl_inverse_survival(d, p) : ppl_icdf(d, p), "value", q);
    }
#undef SAME
}

START_TEST(numbers_have_tails_and_quantiles)
{
    ppl_ctx *c = start(1);
    json_t *root = golden_load("empirical.json");
    const json_t *records = json_object_get(root, "records");
    ck_assert_int_ge((int)json_array_size(records), 7);
    for (size_t k = 0; k < json_array_size(records); k++) {
        ppl_epoch epoch = ppl_epoch_begin(c);
        check_empirical(c, (int)k, json_array_get(records, k));
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_epoch_end(c, epoch);
    }
    json_decref(root);
    stop(c);
    /* Of a batch, of integers, in either dtype. */
    c = start(_i);
    ppl_dist *d = ppl_empirical(ppl_from_doubles(c, PPL_SHAPE(2, 3), LIST(1, 2, 2, 7, 5, 6)),
                                ppl_from_doubles(c, PPL_SHAPE(2, 3),
                                                 LIST(log(2), log(1), log(5), log(2), log(1),
                                                      log(5))));
    assert_values(ppl_cdf(d, numbers(c, 1, 5.5)), rounding(_i), 0.25, 0.125);
    assert_values(ppl_icdf(d, ppl_scalar(c, 0.2)), 0, 1, 6);
    assert_values(ppl_inverse_survival(d, ppl_scalar(c, 0.3)), 0, 2, 6);
    assert_values(ppl_icdf(d, numbers(c, -0.5, 1.5)), 0, NAN, NAN);
    assert_values(ppl_cdf(d, numbers(c, NAN, INFINITY)), 0, NAN, 1);
    assert_values(ppl_entropy(d), 4 * rounding(_i), log(4) - 0.75 * log(3),
                  (2 * log(4) + 3 * log(2) + 5 * log(1.6)) / 8);
    d = ppl_empirical(integers(c, 4, 2, 4), numbers(c, 0, 0, 0));
    assert_values(ppl_cdf(d, integers(c, 1)), 0, 0);
    assert_values(ppl_cdf(d, integers(c, 3)), rounding(_i), 1.0 / 3);
    assert_values(ppl_icdf(d, numbers(c, 0, 0.3, 0.4, 1)), 0, 2, 2, 4, 4);
    assert_values(ppl_entropy(d), 4 * rounding(_i), log(3) - log(4) / 3);
    d = ppl_empirical(ppl_from_doubles(c, PPL_SHAPE(3, 2), LIST(1, 2, 1, 2, 2, 1)),
                      numbers(c, 0, 0, 0));
    assert_null(c, ppl_cdf(d, ppl_scalar(c, 0)), PPL_EUNSUPPORTED,
                "empirical: it has no cdf in closed form");
    stop(c);
}
END_TEST

/* What lies at a bound counts. */
START_TEST(atoms_are_cut_with_their_ends)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *v = variable(c, log(1), log(2), log(3), log(4));
    ppl_dist *base = ppl_empirical(numbers(c, 3, -1, 2, 0.5), v);
    ppl_dist *d = ppl_truncated(base, ppl_scalar(c, 0.5), ppl_scalar(c, 2));
    ck_assert_ptr_eq(d->family->kind, &ppl_family_empirical);
    ppl_tensor *log_prob = ppl_log_prob(d, numbers(c, 2, 0.5, 3));
    assert_values(log_prob, rounding(_i), log(3.0 / 7), log(4.0 / 7), -INFINITY);
    ck_assert_int_eq(ppl_backward(ppl_row(log_prob, 0)), PPL_OK);
    assert_values(ppl_grad(v), rounding(_i), 0, 0, 4.0 / 7, -4.0 / 7);
    assert_values(ppl_cdf(d, numbers(c, 0, 0.5, 2)), rounding(_i), 0, 4.0 / 7, 1);
    assert_values(ppl_icdf(d, numbers(c, 0, 0.6, 1)), 0, 0.5, 2, 2);
    assert_values(ppl_dist_mean(d), rounding(_i), 8.0 / 7);
    assert_values(ppl_entropy(d), 4 * rounding(_i), log(7) - (3 * log(3) + 4 * log(4)) / 7);
    assert_values(ppl_log_prob(ppl_truncated(base, ppl_scalar(c, 3), NULL), ppl_scalar(c, 3)),
                  0, 0);
    d = ppl_truncated(ppl_expand_dist(base, PPL_SHAPE(2)), NULL, numbers(c, -1, 0.75));
    assert_values(ppl_log_prob(d, numbers(c, -1, -1)), rounding(_i), 0, -log(3));
    d = ppl_truncated(ppl_empirical(integers(c, 4, 2, 7), numbers(c, 0, 0, 0)),
                      ppl_from_integers(c, PPL_SCALAR, (const int64_t[]){ 4 }), NULL);
    assert_values(d->family->enumerate(d), 0, 2, 4, 7);
    assert_values(ppl_log_prob(d, integers(c, 2, 4, 7)), rounding(_i), -INFINITY, -log(2),
                  -log(2));
    ppl_tensor *at = variable(c, 1.5, 2.5), *density = numbers(c, 0.25, 0);
    for (int k = 0; k < 3; k++) {
        const double low[] = { -3, 1.5, 1.5 }, high[] = { 2.5, 2.5, INFINITY };
        d = ppl_truncated(ppl_delta(at, density, 0), ppl_scalar(c, low[k]),
                          ppl_scalar(c, high[k]));
        ck_assert_msg(d && d->family == &ppl_family_delta, "%s", ppl_error_text(c));
        assert_values(ppl_log_prob(d, numbers(c, 1.5, 2)), 0, 0.25, -INFINITY);
        assert_values(ppl_dist_sample(d, &rng), 0, 1.5, 2.5);
    }
    ck_assert_int_eq(ppl_backward(ppl_row(ppl_icdf(d, numbers(c, 0.25)), 1)), PPL_OK);
    assert_values(ppl_grad(at), 0, 0, 1);
    stop(c);
    /* Unchecked, what has no mass has no density. */
    c = lenient(_i);
    d = ppl_truncated(ppl_empirical(numbers(c, 1, 2), numbers(c, 0, 0)), ppl_scalar(c, 3), NULL);
    assert_values(ppl_dist_sample(d, &rng), 0, NAN);
    ck_assert(isnan(ppl_item(ppl_log_prob(d, ppl_scalar(c, 2)))));
    ck_assert(isnan(ppl_item(ppl_entropy(d))));
    d = ppl_truncated(ppl_delta(ppl_scalar(c, 1), NULL, 0), ppl_scalar(c, 3), NULL);
    ck_assert(isnan(ppl_item(ppl_log_prob(d, ppl_scalar(c, 1)))));
    assert_values(ppl_dist_sample(d, &rng), 0, NAN);
    ppl_ctx_free(c);
}
END_TEST

/* Exactly at a step, and beside it; a jump is no density. */
START_TEST(atoms_among_others)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_scalar(c, 1), *zero = ppl_scalar(c, 0);
    ppl_dist *at = ppl_delta(ppl_scalar(c, 2), NULL, 0);
    assert_values(ppl_log_prob(ppl_left_censored(at, one), numbers(c, 1, 2, 3)), 0, -INFINITY,
                  0, 0);
    assert_values(ppl_log_prob(ppl_right_censored(at, one), numbers(c, 1, 2, 3)), 0, 0,
                  -INFINITY, -INFINITY);
    ppl_tensor *pairs = ppl_from_doubles(c, PPL_SHAPE(4, 2), LIST(1, 2, 2, 3, 2, 2, 1, 1.5));
    ppl_dist *of_pairs = ppl_interval_censored(at, zero, zero);
    assert_values(ppl_log_prob(of_pairs, pairs), 0, 0, -INFINITY, 0, -INFINITY);
    ppl_dist *law = ppl_empirical(numbers(c, 1, 2, 2, 4), numbers(c, 0, 0, 0, 0));
    assert_values(ppl_log_prob(ppl_left_censored(law, one), numbers(c, 1, 2)), rounding(_i),
                  log(0.25), log(0.75));
    assert_values(ppl_log_prob(ppl_interval_censored(law, zero, zero), pairs), rounding(_i),
                  log(0.5), -INFINITY, log(0.5), -INFINITY);
    ppl_dist *parts[] = { at, ppl_normal(zero, one) };
    ppl_dist *spiked = ppl_mixture(ppl_categorical(numbers(c, 1, 3)), parts, 2);
    ck_assert((spiked->family->flags & PPL_ATOMS) && !(spiked->family->flags & PPL_DISCRETE));
    assert_values(ppl_cdf(spiked, numbers(c, 0, 2)), rounding(_i), 0.375,
                  0.25 + 0.75 * 0.97724986805182079);
    ppl_dist *folded = ppl_folded(at);
    assert_values(ppl_log_prob(folded, numbers(c, 2, 3)), 0, 0, -INFINITY);
    assert_null(c, ppl_cdf(folded, one), PPL_EUNSUPPORTED,
                "folded(delta): it has no cdf in closed form");
    ppl_transform *up = ppl_transform_affine(zero, one);
    ck_assert_ptr_null(ppl_cdf(ppl_transformed(at, &up, 1), one));
    ppl_clear_error(c);
    assert_null(c, ppl_hurdle(ppl_scalar(c, 0.5),
                              ppl_empirical(integers(c, 0, 2), numbers(c, 0, 0))),
                PPL_EUNSUPPORTED, "hurdle: empirical is not a distribution of counts, integers "
                "0, 1, 2, ..; take one that is (ppl_poisson, ppl_binomial, ..)");
    stop(c);
}
END_TEST

START_TEST(a_bad_empirical_is_refused)
{
    static const char text[] = "empirical: samples [3,2] and log_weights %s; the last "
                               "axis of log_weights counts the samples, at least one, "
                               "and is that axis of samples";
    ppl_ctx *c = start(_i);
    char line[256];
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(3, 2), 0);
    const ppl_shape shape[] = { PPL_SHAPE(2), PPL_SCALAR, PPL_SHAPE(3, 3),
                                PPL_SHAPE(1, 3, 2) };
    const char *const name[] = { "[2]", "[]", "[3,3]", "[1,3,2]" };
    for (int i = 0; i < COUNT_OF(name); i++) {
        snprintf(line, sizeof line, text, name[i]);
        assert_null(c, ppl_empirical(x, ppl_full(c, shape[i], 0)), PPL_ESHAPE, line);
    }
    assert_null(c, ppl_empirical(x, numbers(c, 0, INFINITY, 1)), PPL_ECONSTRAINT,
                "empirical: log_weights is (0, inf, 1); it must be numbers below "
                "infinity, and not all -inf");
    assert_null(c, ppl_empirical(numbers(c, 0, NAN), numbers(c, 0, 1)), PPL_ECONSTRAINT,
                "empirical: samples[1] is nan; it must be a finite number");
    ck_assert_ptr_null(ppl_empirical(NULL, NULL));
    ck_assert_ptr_null(ppl_unit(NULL));
    ck_assert(ppl_ok(c));
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_unit_has_no_numbers, a_factor_is_a_unit,
        an_improper_density_is_0_within_the_support,
        an_improper_uniform_cannot_be_drawn_from, a_log_density_needs_the_support_alone,
        strategies_start_within_the_support, equal_samples_share_their_weight,
        samples_may_be_integers, the_rank_of_the_weights_tells_batch_from_event,
        draws_have_their_weights, numbers_have_tails_and_quantiles,
        atoms_are_cut_with_their_ends, atoms_among_others, a_bad_empirical_is_refused, NULL
    };
    return run_tests("constructed", tests);
}
