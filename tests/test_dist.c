/* SPDX-License-Identifier: MIT */
/*
 * test_dist.c - what all distributions share (runtime/dist.c): shapes, events, masks,
 * expansion, and what is refused, with the texts.
 */
#include "tensors.h"

#include "families.h"

#include <kiln/handlers.h>

static const ppl_rng rng = { { 0x12345678, 0x9abcdef0 } };

/* ---- Shapes, events, masks --------------------------------------------------------- */

static ppl_dist *normal_of(ppl_ctx *c, ppl_shape loc, ppl_shape scale)
{
    return ppl_normal(ppl_full(c, loc, 1), ppl_full(c, scale, 2));
}

START_TEST(shapes_broadcast_to_the_batch)
{
    ppl_ctx *c = context(_i);
    ppl_dist *d = normal_of(c, PPL_SHAPE(3, 1), PPL_SHAPE(4));
    ck_assert(ppl_dist_batch_shape(d).rank == 2 && d->event_dim == 0);
    assert_shape(ppl_dist_sample(d, &rng), 3, 4);
    assert_shape(ppl_dist_mean(d), 3, 4);
    assert_shape(ppl_entropy(d), 3, 4);
    assert_shape(ppl_log_prob(d, ppl_full(c, PPL_SHAPE(3, 4), 0)), 3, 4);
    assert_shape(ppl_log_prob(d, ppl_full(c, PPL_SHAPE(2, 3, 4), 0)), 2, 3, 4);

    d = ppl_expand_dist(ppl_event(d, 1), PPL_SHAPE(5, 3));
    assert_shape(ppl_dist_sample(d, &rng), 5, 3, 4);
    assert_shape(ppl_dist_variance(d), 5, 3, 4);
    assert_shape(ppl_entropy(d), 5, 3);
    assert_shape(ppl_log_prob(d, ppl_dist_sample(d, &rng)), 5, 3);

    ppl_tensor *weights = ppl_full(c, PPL_SHAPE(3, 1, 6), 1);
    d = ppl_expand_dist(ppl_categorical(weights), PPL_SHAPE(3, 2));
    ppl_tensor *k = ppl_dist_sample(d, &rng);
    assert_shape(k, 3, 2);
    ck_assert_int_eq(ppl_tensor_dtype(k), PPL_I64);
    assert_shape(ppl_log_prob(d, k), 3, 2);
    assert_shape(ppl_entropy(d), 3, 2);
    assert_shape(d->family->enumerate(d), 6);

    d = normal_of(c, PPL_SHAPE(0, 2), PPL_SCALAR);
    assert_shape(ppl_log_prob(d, ppl_dist_sample(d, &rng)), 0, 2);
    ck_assert_ptr_eq(ppl_event(d, 0), d);
    ck_assert_ptr_eq(ppl_masked(d, NULL), d);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(events_are_summed)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *loc = ppl_reshape(numbers(c, 0, 1, 2, 3, 4, 5), PPL_SHAPE(2, 3));
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(2, 3), 1);
    ppl_dist *d = ppl_normal(loc, ppl_scalar(c, 1));
    ppl_tensor *each = ppl_log_prob(d, x);
    double sums[2], all = ppl_total(each);
    ppl_read(ppl_sum_last(each, 1), sums, 2);
    assert_values(ppl_log_prob(ppl_event(d, 1), x), rounding(_i), sums[0], sums[1]);
    assert_values(ppl_log_prob(ppl_event(ppl_event(d, 1), 1), x), rounding(_i), all);
    assert_values(ppl_entropy(ppl_event(d, 2)), rounding(_i), 6 * 1.4189385332046727);
    ck_assert_int_eq(d->event_dim, 0);
    ppl_ctx_free(c);
}
END_TEST

/* What a mask leaves out is 0 and moves nothing, whatever it would have been. */
START_TEST(masks_keep_nan_out)
{
    const unsigned char bits[] = { 1, 0, 1 };
    const double nan = NAN;
    ppl_ctx *c = context(_i);
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(3), bits);
    ppl_tensor *loc = variable(c, 1, 2, 3), *scale = variable(c, 1, 1, 1);
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(3), (double[]){ 2, nan, 3 });
    ppl_tensor *log_prob = ppl_log_prob(ppl_masked(ppl_normal(loc, scale), mask), x);
    ck_assert_msg(log_prob != NULL, "%s", ppl_error_text(c));
    assert_values(log_prob, rounding(_i), -1.4189385332046727, 0, -0.9189385332046727);
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(loc), rounding(_i), 1, 0, 0);
    assert_values(ppl_grad(scale), rounding(_i), 0, 0, -1);
    assert_values(ppl_grad(x), rounding(_i), -1, 0, 0);
    assert_values(ppl_entropy(ppl_masked(ppl_normal(loc, scale), mask)), rounding(_i),
                  1.4189385332046727, 0, 1.4189385332046727);

    /* Joined by and; over whole events; over a larger value than the distribution. */
    ppl_tensor *other = ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[]){ 1, 1, 0 });
    ppl_dist *twice = ppl_masked(ppl_masked(ppl_normal(loc, scale), mask), other);
    assert_values(ppl_log_prob(twice, x), rounding(_i), -1.4189385332046727, 0, 0);
    ppl_tensor *rows = ppl_reshape(numbers(c, 0, 0, nan, nan, 1, 1), PPL_SHAPE(3, 2));
    ppl_dist *events = ppl_event(normal_of(c, PPL_SHAPE(3, 2), PPL_SCALAR), 1);
    ppl_tensor *summed = ppl_log_prob(ppl_masked(events, mask), rows);
    ck_assert_msg(summed != NULL, "%s", ppl_error_text(c));
    ck_assert_int_eq(ppl_numel(summed), 3);
    ck_assert(isfinite(ppl_total(summed)));
    ppl_dist *one = ppl_masked(ppl_normal(ppl_full(c, PPL_SHAPE(3), 0), ppl_scalar(c, 1)),
                               mask);
    ppl_tensor *wide = ppl_reshape(numbers(c, 0, nan, 0, 1, nan, 1), PPL_SHAPE(2, 3));
    ck_assert(isfinite(ppl_total(ppl_log_prob(one, wide))));

    /* Any axis of a mask may be 1. */
    ppl_dist *plane = normal_of(c, PPL_SHAPE(3, 2), PPL_SCALAR);
    ppl_tensor *across = ppl_reshape(mask, PPL_SHAPE(3, 1));
    ck_assert(isfinite(ppl_total(ppl_log_prob(ppl_masked(plane, across), rows))));
    ppl_tensor *left = ppl_from_mask(c, PPL_SHAPE(1, 2), (unsigned char[]){ 0, 1 });
    ppl_tensor *columns = ppl_reshape(numbers(c, nan, 0, nan, 1, nan, 1),
                                      PPL_SHAPE(3, 2));
    ck_assert(isfinite(ppl_total(ppl_log_prob(ppl_masked(plane, left), columns))));
    ck_assert_ptr_null(ppl_log_prob(ppl_masked(plane, left), rows));
    ck_assert_str_eq(ppl_error_text(c),
                     "normal: value[1,1] is nan; it must be a finite number");
    ppl_clear_error(c);

    /* A mask of one number for each event survives becoming part of a larger one. */
    ppl_dist *grown = ppl_event(ppl_masked(plane, across), 1);
    ck_assert(isfinite(ppl_total(ppl_log_prob(grown, rows))));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(masked_categories_may_be_out_of_range)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *logits = ppl_variable(c, PPL_SHAPE(3), (double[]){ 0, 0, 0 });
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    ppl_dist *d = ppl_expand_dist(ppl_categorical_logits(logits), PPL_SHAPE(2));
    ppl_tensor *log_prob = ppl_log_prob(ppl_masked(d, mask), integers(c, 1, -7));
    ck_assert_msg(log_prob != NULL, "%s", ppl_error_text(c));
    assert_values(log_prob, rounding(_i), -log(3), 0);
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(logits), rounding(_i), -1.0 / 3, 2.0 / 3, -1.0 / 3);

    /* Nor does the infinite derivative at a weight of 0 come through. */
    ppl_tensor *weights = variable(c, 0, 1, 1);
    d = ppl_expand_dist(ppl_categorical(weights), PPL_SHAPE(2));
    log_prob = ppl_log_prob(ppl_masked(d, mask), integers(c, 1, 0));
    ck_assert_int_eq(ppl_backward(ppl_sum(log_prob, PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(weights), rounding(_i), -0.5, 0.5, -0.5);
    ppl_ctx_free(c);
}
END_TEST

/* That two tensors hold the same, to a share of the largest. */
static void assert_alike(const char *what, const ppl_tensor *a, const ppl_tensor *b,
                         double tolerance)
{
    const int64_t n = ppl_numel(a);
    double *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y), top = 0;
    ck_assert_int_eq(ppl_read(a, x, n), n);
    ck_assert_int_eq(ppl_read(b, y, n), n);
    for (int64_t i = 0; i < n; i++)
        top = isfinite(y[i]) && fabs(y[i]) > top ? fabs(y[i]) : top;
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(x[i] == y[i] || fabs(x[i] - y[i]) <= tolerance * top,
                      "%s: element %lld is %.17g, not %.17g", what, (long long)i, x[i], y[i]);
    free(x);
    free(y);
}

/* A Categorical of stretched weights works every row once: draws, densities and gradients
 * are those of rows of their own. */
START_TEST(stretched_weights_are_as_rows_of_their_own)
{
    const ppl_shape from[] = { PPL_SHAPE(5), PPL_SHAPE(1, 5), PPL_SHAPE(3, 1, 5),
                               PPL_SHAPE(700, 5), PPL_SHAPE(3, 700, 5), PPL_SHAPE(2, 1, 1, 5) };
    ppl_ctx *c = context(_i);
    double numbers_of[3 * 700 * 5];
    for (int i = 0; i < COUNT_OF(numbers_of); i++)
        numbers_of[i] = i % 5 == 2 && i % 3 ? 0 : 1 + sin(i);
    for (int i = 0; i < 2 * COUNT_OF(from); i++) {
        ppl_dist *(*const family)(ppl_tensor *) = i % 2 ? ppl_categorical_logits
                                                        : ppl_categorical;
        const ppl_shape batch = from[i / 2].rank < 4 ? PPL_SHAPE(3, 700)
                                                     : PPL_SHAPE(2, 3, 700);
        ppl_shape whole = batch;
        whole.dim[whole.rank++] = 5;
        ppl_tensor *shared = ppl_variable(c, from[i / 2], numbers_of);
        ppl_tensor *own = ppl_variable(c, from[i / 2], numbers_of);
        ppl_dist *d = ppl_expand_dist(family(shared), batch);
        ppl_dist *e = family(ppl_expand(own, whole));
        ppl_tensor *x = ppl_dist_sample(d, &rng), *y = ppl_dist_sample(e, &rng);
        assert_alike("draws", x, y, 0);
        ppl_tensor *p = ppl_log_prob(d, x), *q = ppl_log_prob(e, x);
        assert_alike("log_prob", p, q, 0);
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_mul(p, ppl_exp(p)), PPL_ALL)), PPL_OK);
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_mul(q, ppl_exp(q)), PPL_ALL)), PPL_OK);
        assert_alike("gradient", ppl_grad(shared), ppl_grad(own), 100 * rounding(_i));
    }
    ppl_dist *none = ppl_expand_dist(ppl_categorical(numbers(c, 1, 2)), PPL_SHAPE(0, 2));
    assert_shape(ppl_log_prob(none, ppl_dist_sample(none, &rng)), 0, 2);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* Beyond some number the standard normals of a draw are not kept: it is the same, and so are
 * its gradients. */
START_TEST(many_normals_are_as_few)
{
    enum { FEW = 1000, MANY = 20001 };
    static double x[MANY], y[FEW];
    ppl_ctx *c = context(_i);
    ppl_tensor *loc = ppl_variable(c, PPL_SCALAR, (double[]){ 0.5 });
    ppl_tensor *scale = ppl_variable(c, PPL_SCALAR, (double[]){ 2 });
    ppl_dist *d = ppl_normal(loc, scale);
    ppl_tensor *many = ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(MANY)), &rng);
    ck_assert_int_eq(ppl_read(many, x, MANY), MANY);
    ck_assert_int_eq(ppl_read(ppl_dist_sample(ppl_expand_dist(d, PPL_SHAPE(FEW)), &rng), y,
                              FEW), FEW);
    ck_assert_mem_eq(x, y, sizeof y);
    ck_assert_int_eq(ppl_backward(ppl_sum(many, PPL_ALL)), PPL_OK);
    double sum = 0;
    for (int i = 0; i < MANY; i++)
        sum += (x[i] - 0.5) / 2;
    assert_values(ppl_grad(loc), rounding(_i), MANY);
    ck_assert(fabs(ppl_item(ppl_grad(scale)) - sum) <= MANY * rounding(_i));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(a_delta_has_its_density_once_for_each_event)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *value = ppl_reshape(variable(c, 1, 2, 3, 4, 5, 6), PPL_SHAPE(2, 3));
    ppl_tensor *density = variable(c, 0.5, -2);
    ppl_dist *d = ppl_delta(value, density, 1);
    assert_values(ppl_log_prob(d, value), 0, 0.5, -2);
    assert_values(ppl_entropy(d), 0, -0.5, 2);
    assert_values(ppl_log_prob(ppl_event(d, 1), value), 0, -1.5);
    ppl_tensor *other = ppl_reshape(numbers(c, 1, 2, 3, 4, 5, 7), PPL_SHAPE(2, 3));
    assert_values(ppl_log_prob(d, other), 0, 0.5, -INFINITY);
    ck_assert_ptr_eq(ppl_dist_sample(d, &rng), value);
    ck_assert_int_eq(ppl_backward(ppl_sum(ppl_log_prob(d, value), PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(density), 0, 1, 1);
    assert_values(ppl_log_prob(ppl_delta(value, NULL, 2), value), 0, 0);
    ppl_ctx_free(c);
}
END_TEST

/* ---- What is refused --------------------------------------------------------------- */

START_TEST(parameters_outside_their_constraint_are_refused)
{
    const double nan = NAN;
    ppl_ctx *c = context(_i);
    double scale[20 * 6];
    for (int i = 0; i < COUNT_OF(scale); i++)
        scale[i] = i == 3 * 6 + 5 ? -0.2 : 1;
    ppl_tensor *one = ppl_scalar(c, 1);
    assert_fails(c, ppl_normal(one, ppl_from_doubles(c, PPL_SHAPE(20, 6), scale)),
                 PPL_ECONSTRAINT, "normal: scale[3,5] is -0.2; it must be positive");
    assert_fails(c, ppl_normal(numbers(c, nan, 1), one), PPL_ECONSTRAINT,
                 "normal: loc[0] is nan; it must be a finite number");
    assert_fails(c, ppl_normal(one, ppl_scalar(c, INFINITY)), PPL_ECONSTRAINT,
                 "normal: scale is inf; it must be positive and finite");
    assert_fails(c, ppl_bernoulli(ppl_scalar(c, 1.5)), PPL_ECONSTRAINT,
                 "bernoulli: probs is 1.5; it must be between 0 and 1");
    assert_fails(c, ppl_bernoulli_logits(ppl_scalar(c, INFINITY)), PPL_ECONSTRAINT,
                 "bernoulli_logits: logits is inf; it must be a finite number");
    assert_fails(c, ppl_exponential(ppl_scalar(c, 0)), PPL_ECONSTRAINT,
                 "exponential: rate is 0; it must be positive");
    assert_fails(c, ppl_beta(one, numbers(c, 1, 1, -1e30)), PPL_ECONSTRAINT,
                 "beta: concentration0[2] is -1e+30; it must be positive");
    ppl_tensor *probs = ppl_reshape(numbers(c, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0),
                                    PPL_SHAPE(2, 5));
    assert_fails(
        c, ppl_categorical(probs), PPL_ECONSTRAINT,
        "categorical: probs[1] is (0, 0, 0, 0, ...); it must be nonnegative, finite "
        "and not all 0");
    assert_fails(
        c, ppl_categorical_logits(numbers(c, 0, nan)), PPL_ECONSTRAINT,
        "categorical_logits: logits is (0, nan); it must be numbers below infinity, "
        "and not all -inf");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(values_outside_the_support_are_refused)
{
    const double nan = NAN;
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    assert_fails(c, ppl_log_prob(ppl_normal(one, one), numbers(c, 0, 1, nan)),
                 PPL_ECONSTRAINT, "normal: value[2] is nan; it must be a finite number");
    assert_fails(c, ppl_log_prob(ppl_bernoulli(one), ppl_scalar(c, 0.5)), PPL_ECONSTRAINT,
                 "bernoulli: value is 0.5; it must be 0 or 1");
    assert_fails(c, ppl_log_prob(ppl_gamma(one, one), ppl_scalar(c, -3)), PPL_ECONSTRAINT,
                 "gamma: value is -3; it must be nonnegative");
    assert_fails(c, ppl_log_prob(ppl_categorical(numbers(c, 1, 2, 3)), integers(c, 1, 3)),
                 PPL_ECONSTRAINT,
                 "categorical: value[1] is 3; it must be an integer from 0 to 2");
    for (int i = 0; i < FAMILIES; i++) {
        const family_row *row = &families[i];
        if (row->family == &ppl_family_delta || isnan(row->beyond[0]))
            continue;
        ppl_tensor *x = make_values(c, row, PPL_SCALAR, row->beyond);
        ck_assert_ptr_null(ppl_log_prob(make_member(c, row, row->point[0]), x));
        ck_assert_int_eq(ppl_error(c), PPL_ECONSTRAINT);
        ppl_clear_error(c);
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    ppl_ctx *c = context(_i);
    assert_fails(c, normal_of(c, PPL_SHAPE(20, 100), PPL_SHAPE(20, 88)), PPL_ESHAPE,
                 "normal: loc [20,100] and scale [20,88] do not broadcast: axis 1 is 100 "
                 "against 88; make them equal or 1");
    ppl_dist *column = normal_of(c, PPL_SHAPE(5, 1), PPL_SCALAR);
    assert_fails(
        c, ppl_log_prob(column, ppl_full(c, PPL_SHAPE(5), 0)), PPL_ESHAPE,
        "normal: a value of shape [5] does not fit the distribution's shape [5,1]; "
        "reshape the value or the parameters");
    assert_fails(
        c, ppl_log_prob(column, ppl_scalar(c, 0)), PPL_ESHAPE,
        "normal: a value of shape [] does not fit the distribution's shape [5,1]; "
        "reshape the value or the parameters");
    assert_fails(
        c, ppl_event(column, 3), PPL_ESHAPE,
        "event: normal has batch [5,1], which has not 3 axes to become part of the "
        "event; 0 to 2 can");
    assert_fails(
        c, ppl_event(column, -1), PPL_ESHAPE,
        "event: normal has batch [5,1], which has not -1 axes to become part of the "
        "event; 0 to 2 can");
    assert_fails(c, ppl_expand_dist(column, PPL_SHAPE(4, 2)), PPL_ESHAPE,
                 "expand_dist: the batch [5,1] of normal does not broadcast to [4,2]");
    assert_fails(
        c, ppl_categorical(ppl_full(c, PPL_SHAPE(3, 0), 1)), PPL_ESHAPE,
        "categorical: probs has shape [3,0], which is no category at all; its last "
        "axis counts the categories");
    assert_fails(
        c, ppl_categorical_logits(ppl_full(c, PPL_SHAPE(0), 1)), PPL_ESHAPE,
        "categorical_logits: logits has shape [0], which is no category at all; its last "
        "axis counts the categories");
    assert_fails(c, ppl_categorical_logits(ppl_scalar(c, 1)), PPL_ESHAPE,
                 "categorical_logits: logits has shape []; it needs 1 axis at least");
    assert_fails(c, ppl_delta(ppl_full(c, PPL_SHAPE(3), 1), NULL, 2), PPL_ESHAPE,
                 "delta: event_dim is 2; a value of shape [3] has 0 to 1 event axes");
    assert_fails(
        c, ppl_delta(ppl_full(c, PPL_SHAPE(3, 0), 1), ppl_full(c, PPL_SHAPE(3), 0), 1),
        PPL_ESHAPE, "delta: no place for a log_density [3] beside an event of shape [0]");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(masks_that_do_not_fit_are_refused)
{
    ppl_ctx *c = context(_i);
    ppl_dist *d = ppl_event(normal_of(c, PPL_SHAPE(3, 2), PPL_SCALAR), 1);
    ppl_tensor *six = ppl_from_mask(c, PPL_SHAPE(3, 2), (unsigned char[6]){ 0 });
    assert_fails(c, ppl_masked(d, ppl_full(c, PPL_SHAPE(3), 1)), PPL_EDTYPE,
                 _i == 0 ? "masked: expected a mask (PPL_MASK), got f32; make one with "
                           "ppl_from_mask or ppl_less"
                         : "masked: expected a mask (PPL_MASK), got f64; make one with "
                           "ppl_from_mask or ppl_less");
    assert_fails(
        c, ppl_masked(d, six), PPL_ESHAPE,
        "masked: a mask of shape [3,2] does not broadcast to the batch [3] of normal; "
        "it counts batch axes only, not those of an event");
    ppl_dist *masked = ppl_masked(normal_of(c, PPL_SHAPE(3, 2), PPL_SCALAR), six);
    assert_fails(c, ppl_event(masked, 1), PPL_ESHAPE,
                 "event: the mask [3,2] of normal tells elements of one event apart; use "
                 "ppl_event first, then ppl_masked with a mask of whole events");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(arguments_of_another_kind_are_refused)
{
    ppl_ctx *c = context(_i), *other = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    assert_fails(
        c, ppl_normal(one, integers(c, 1)), PPL_EDTYPE,
        "normal: scale is integers; it must be floating (ppl_to_float converts)");
    assert_fails(
        c, ppl_log_prob(ppl_bernoulli(one), integers(c, 1)), PPL_EDTYPE,
        "bernoulli: the value is not floating (ppl_to_float converts integers and "
        "masks)");
    assert_fails(c, ppl_log_prob(ppl_categorical(numbers(c, 1, 2)), one), PPL_EDTYPE,
                 "categorical: the value is not integers (ppl_from_integers makes them)");
    assert_fails(c, ppl_dist_mean(ppl_categorical(numbers(c, 1, 2))), PPL_EUNSUPPORTED,
                 "categorical: it has no mean in closed form; estimate it from samples");
    assert_fails(c, ppl_normal(one, ppl_scalar(other, 1)), PPL_EINVAL,
                 "normal: scale belongs to another context");
    assert_fails(c, ppl_normal(one, NULL), PPL_EINVAL, "normal: scale is NULL");

    /* After an error all is NULL, and the first error stays. */
    ppl_dist *d = ppl_normal(one, one);
    ppl_fail(c, PPL_EINVAL, "first");
    ck_assert_ptr_null(ppl_normal(one, ppl_scalar(c, -1)));
    ck_assert_ptr_null(ppl_normal(NULL, NULL));
    ck_assert_ptr_null(ppl_event(d, 5));
    ck_assert_ptr_null(ppl_log_prob(d, one));
    ck_assert_ptr_null(ppl_log_prob(NULL, NULL));
    ck_assert_ptr_null(ppl_dist_sample(d, &rng));
    ck_assert_ptr_null(ppl_dist_sample(NULL, &rng));
    ck_assert_ptr_null(ppl_dist_mean(NULL));
    ck_assert_ptr_null(ppl_entropy(NULL));
    ck_assert_ptr_null(ppl_masked(NULL, NULL));
    ck_assert_ptr_null(ppl_expand_dist(NULL, PPL_SCALAR));
    ck_assert_ptr_null(ppl_delta(NULL, NULL, 0));
    ck_assert_int_eq(ppl_dist_batch_shape(NULL).rank, 0);
    ck_assert_str_eq(ppl_error_text(c), "first");
    ppl_ctx_free(c);
    ppl_ctx_free(other);
}
END_TEST

START_TEST(a_tensor_of_an_ended_epoch_is_refused)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_tensor *gone = ppl_scalar(c, 1);
    ppl_epoch_end(c, epoch);
    ck_assert_ptr_null(ppl_normal(one, gone));
    ck_assert_int_eq(ppl_error(c), PPL_ESTALE);
    ck_assert_ptr_nonnull(
        strstr(ppl_error_text(c), "normal: scale was made in an epoch"));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Parts, bounds, cdf ------------------------------------------------------------- */

/* A family whose support ends at its parameter, and a family made of another. */
static ppl_tensor *below_sample(const ppl_dist *d, const ppl_rng *r)
{
    (void)r;
    return ppl_expand(d->param[0], d->shape);
}

static ppl_tensor *below_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_sub(x, d->param[0]);
}

static ppl_tensor *below_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_exp(ppl_sub(x, d->param[0]));
}

static void below_bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    (void)lower;
    *upper = d->param[0];
}

static const ppl_family below = {
    .name = "below", .params = 1, .param_name = { "top" },
    .param_constraint = { &ppl_constraint_real }, .support = &ppl_constraint_real,
    .sample = below_sample, .log_prob = below_log_prob, .cdf = below_cdf,
    .bounds = below_bounds,
};

static ppl_tensor *shifted_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_dist part = *d->parts->dist[0];
    return ppl_log_prob(&part, ppl_sub(x, d->parts->tensor[0]));
}

static const ppl_family shifted = {
    .name = "shifted", .support = &ppl_constraint_real, .sample = below_sample,
    .log_prob = shifted_log_prob,
};

static ppl_dist *shift_of(ppl_dist *d, ppl_tensor *by)
{
    const ppl_dist *part[] = { d };
    ppl_tensor *tensor[] = { by };
    return ppl_dist_make_of(&shifted, NULL,
                            &(ppl_dist_parts){ part, 1, tensor, 1, ppl_dist_batch_shape(d) },
                            NULL);
}

START_TEST(bounds_that_depend_on_parameters)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *top = numbers(c, 1, 2.5);
    ppl_dist *d = ppl_dist_make(&below, &top, NULL);
    assert_values(ppl_log_prob(d, numbers(c, 1, 2)), rounding(_i), 0, -0.5);
    ck_assert_ptr_null(ppl_log_prob(d, numbers(c, 1, 2.75)));
    ck_assert_str_eq(ppl_error_text(c),
                     "below: value[1] is 2.75; it must be at most 2.5");
    ppl_clear_error(c);
    /* What the mask leaves out may lie anywhere. */
    ppl_tensor *first = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    assert_values(ppl_log_prob(ppl_masked(d, first), numbers(c, 0.5, 9)), rounding(_i),
                  -0.5, 0);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(cdfs_broadcast_and_may_be_missing)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *top = numbers(c, 1, 2);
    ppl_dist *d = ppl_dist_make(&below, &top, NULL);
    assert_values(ppl_cdf(d, ppl_scalar(c, 1)), rounding(_i), 1, exp(-1));
    ck_assert_ptr_null(ppl_icdf(d, ppl_scalar(c, 0.5)));
    ck_assert_str_eq(ppl_error_text(c), "below: it has no icdf in closed form");
    ppl_clear_error(c);
    ck_assert_ptr_null(ppl_cdf(d, numbers(c, 1, 1, 1)));
    ck_assert_str_eq(ppl_error_text(c), "below: the cdf of [3] does not broadcast to the "
                                        "distribution's shape [2]");
    ppl_ctx_free(c);
}
END_TEST

/* Where a family has nothing better, by way of its cdf. */
START_TEST(tails_come_from_the_cdf)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *top = numbers(c, 1, 2);
    ppl_dist *d = ppl_dist_make(&below, &top, NULL);
    assert_values(ppl_log_cdf(d, numbers(c, 0.5, 0)), rounding(_i), -0.5, -2);
    assert_values(ppl_log_survival(d, numbers(c, 0, -1)), rounding(_i),
                  log1p(-exp(-1)), log1p(-exp(-3)));
    assert_fails(c, ppl_inverse_survival(d, ppl_scalar(c, 0.5)), PPL_EUNSUPPORTED,
                 "below: it has no icdf in closed form");
    ck_assert_ptr_null(ppl_log_cdf(NULL, top));
    ck_assert_ptr_null(ppl_log_survival(NULL, top));
    ck_assert_ptr_null(ppl_inverse_survival(NULL, top));
    ppl_ctx_free(c);
}
END_TEST

static const ppl_family between = {
    .name = "between", .params = 2, .param_name = { "low", "high" }, .ascending = 1,
    .sample = below_sample, .log_prob = below_log_prob,
};

START_TEST(parameters_that_ascend)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *in[] = { numbers(c, 1, 2), ppl_scalar(c, 2.5) };
    ck_assert_ptr_nonnull(ppl_dist_make(&between, in, NULL));
    in[0] = ppl_reshape(numbers(c, 1, 2, 3), PPL_SHAPE(3, 1));
    in[1] = numbers(c, 4, 3);
    assert_fails(c, ppl_dist_make(&between, in, NULL), PPL_ECONSTRAINT,
                 "between: low[2,1] is 3 and high[2,1] is 3; low must be below high");
    in[0] = ppl_scalar(c, NAN);
    in[1] = ppl_scalar(c, 1);
    assert_fails(c, ppl_dist_make(&between, in, NULL), PPL_ECONSTRAINT,
                 "between: low is nan and high is 1; low must be below high");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(a_distribution_made_of_others)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *top = numbers(c, 1, 2);
    ppl_dist *d = shift_of(ppl_dist_make(&below, &top, NULL), ppl_scalar(c, 10));
    ck_assert_ptr_nonnull(d);
    ck_assert(ppl_dist_batch_shape(d).rank == 1 && d->shape.dim[0] == 2);
    assert_values(ppl_log_prob(d, numbers(c, 11, 11)), rounding(_i), 0, -1);
    ck_assert_ptr_null(shift_of(NULL, ppl_scalar(c, 1)));
    ppl_ctx_free(c);
}
END_TEST

static void two_layers(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_tensor *a = ppl_sample(c, "a", ppl_normal(ppl_scalar(c, 0), one));
    ppl_tensor *b = ppl_sample(c, "b", ppl_normal(ppl_scalar(c, 0), one));
    ppl_sample(c, "x", shift_of(ppl_dist_make(&below, &a, NULL), b));
}

/* What a part or an extra tensor depends on, the site depends on. */
START_TEST(provenance_sees_the_parts)
{
    ppl_ctx *c = context(_i);
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_trace *t = ppl_get_trace(c, two_layers, NULL, NULL);
    ck_assert_msg(t != NULL, "%s", ppl_error_text(c));
    const ppl_sites *parents = ppl_trace_find(t, "x", PPL_NO_INDEX)->parents;
    ck_assert(ppl_sites_has(parents, ppl_trace_find(t, "a", PPL_NO_INDEX)->site));
    ck_assert(ppl_sites_has(parents, ppl_trace_find(t, "b", PPL_NO_INDEX)->site));
    ppl_epoch_end(c, epoch);
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        shapes_broadcast_to_the_batch, events_are_summed, masks_keep_nan_out,
        masked_categories_may_be_out_of_range, stretched_weights_are_as_rows_of_their_own,
        many_normals_are_as_few,
        a_delta_has_its_density_once_for_each_event,
        parameters_outside_their_constraint_are_refused,
        values_outside_the_support_are_refused, shapes_that_do_not_fit_are_refused,
        masks_that_do_not_fit_are_refused, arguments_of_another_kind_are_refused,
        a_tensor_of_an_ended_epoch_is_refused, bounds_that_depend_on_parameters,
        cdfs_broadcast_and_may_be_missing, tails_come_from_the_cdf, parameters_that_ascend,
        a_distribution_made_of_others,
        provenance_sees_the_parts, NULL
    };
    return run_tests("dist", tests);
}
