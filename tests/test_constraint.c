/* SPDX-License-Identifier: MIT */
/*
 * test_constraint.c - which values the constraints admit, their maps to and from all real
 * numbers (inverse to each other, with right gradients), and what distributions say of
 * values that violate them.
 */
#include "tensors.h"

#include <float.h>

/* Every constraint, values inside and outside. NaN ends a list; it is outside of all. */
typedef struct sample {
    const char *name;
    ppl_constraint constraint;
    double inside[6], outside[6];
} sample;

enum { SAMPLES = 12 };

static void make_samples(sample *s)
{
    const double inf = INFINITY, end = NAN;
    const sample all[SAMPLES] = {
        { "real", PPL_REAL, { 0, -1e300, DBL_MAX, end }, { inf, -inf, end } },
        { "positive", PPL_POSITIVE, { 1, 5e-324, 1e300, end }, { 0, -1, inf, end } },
        { "softplus_positive", PPL_SOFTPLUS_POSITIVE, { 1, 1e-9, end },
          { 0, -1, inf, end } },
        { "nonnegative", PPL_NONNEGATIVE, { 0, 1, DBL_MAX, end }, { -1e-300, inf, end } },
        { "interval", PPL_UNIT_INTERVAL, { 0, 0.5, 1, end },
          { -1e-9, 1.0000001, inf, end } },
        { "boolean", ppl_constraint_boolean, { 0, 1, end }, { 0.5, 2, -1, inf, end } },
        { "nonnegative_integer", ppl_constraint_nonnegative_integer, { 0, 1, 1e15, end },
          { 0.5, -1, inf, end } },
        { "interval", ppl_interval(-2, 3), { -2, 0, 3, end },
          { -2.1, 3.1, inf, -inf, end } },
        { "greater_than", ppl_greater_than(2), { 2.1, 1e300, end }, { 2, -5, inf, end } },
        { "less_than", ppl_less_than(-2), { -2.1, -1e300, end }, { -2, 5, -inf, end } },
        { "integer_interval", ppl_integer_interval(-1, 2), { -1, 0, 2, end },
          { -2, 3, 0.5, inf, end } },
        { "interval", ppl_interval(3, 1), { end }, { 1, 2, 3, 0, end } },
    };
    memcpy(s, all, sizeof all);
}

static int admits(const ppl_constraint *k, double value)
{
    return k->type->check(k, &value, 1);
}

START_TEST(values_are_told_apart)
{
    sample s[SAMPLES];
    make_samples(s);
    (void)_i;
    for (int i = 0; i < SAMPLES; i++) {
        const ppl_constraint *k = &s[i].constraint;
        ck_assert_str_eq(k->type->name, s[i].name);
        ck_assert_int_eq(k->type->event_dim, 0);
        for (const double *x = s[i].inside; !isnan(*x); x++)
            ck_assert_msg(admits(k, *x), "%s (%d) refuses %g", s[i].name, i, *x);
        for (const double *x = s[i].outside; !isnan(*x); x++)
            ck_assert_msg(!admits(k, *x), "%s (%d) admits %g", s[i].name, i, *x);
        ck_assert_msg(!admits(k, NAN), "%s admits nan", s[i].name);
        ck_assert(k->type->check(k, (const double[]){ NAN, NAN }, 0));
    }
}
END_TEST

START_TEST(a_simplex_is_nonnegative_with_sum_1)
{
    const ppl_constraint *k = &PPL_SIMPLEX;
    (void)_i;
    ck_assert_int_eq(k->type->event_dim, 1);
    ck_assert(k->type->check(k, LIST(0.25, 0.5, 0.25), 3));
    ck_assert(k->type->check(k, LIST(0, 1), 2));
    ck_assert(k->type->check(k, LIST(0.3, 0.7 + 1e-7), 2));
    ck_assert(!k->type->check(k, LIST(0.3, 0.71), 2));
    ck_assert(!k->type->check(k, LIST(-0.5, 1.5), 2));
    ck_assert(!k->type->check(k, LIST(NAN, 1), 2));
    ck_assert(!k->type->check(k, LIST(INFINITY, 1), 2));
    ck_assert(!k->type->check(k, LIST(1), 0));
}
END_TEST

/* ---- Maps -------------------------------------------------------------------------- */

/* One constrained value of a point, and its derivative. */
static double constrained(ppl_ctx *c, const ppl_constraint *k, double x, double *slope)
{
    ppl_tensor *t = ppl_variable(c, PPL_SCALAR, &x);
    ppl_tensor *y = k->type->to_constrained(k, t);
    ck_assert_msg(ppl_backward(y) == PPL_OK, "%s: %s", k->type->name, ppl_error_text(c));
    *slope = ppl_item(ppl_grad(t));
    return ppl_item(y);
}

START_TEST(maps_are_inverse_to_each_other)
{
    static const double point[] = { -3, -0.75, 0, 0.5, 2.5 };
    ppl_ctx *c = context(_i), *exact = context(1);
    sample s[SAMPLES];
    make_samples(s);
    for (int i = 0; i < SAMPLES; i++) {
        const ppl_constraint *k = &s[i].constraint;
        if (!k->type->to_constrained || isnan(s[i].inside[0]))
            continue;
        for (int n = 0; n < COUNT_OF(point); n++) {
            double slope, unused, h = 1e-6, y = constrained(c, k, point[n], &slope);
            double low = constrained(exact, k, point[n] - h, &unused);
            double high = constrained(exact, k, point[n] + h, &unused);
            ck_assert_msg(admits(k, y), "%s: %g goes to %g", s[i].name, point[n], y);
            ck_assert_msg(is_near(slope, (high - low) / (2 * h), _i ? 1e-8 : 1e-5),
                          "%s at %g", s[i].name, point[n]);
            double back = ppl_item(k->type->from_constrained(k, ppl_scalar(c, y)));
            ck_assert_msg(is_near(back, point[n], 50 * rounding(_i)),
                          "%s: %g comes back as %g", s[i].name, point[n], back);
        }
    }
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
    ppl_ctx_free(exact);
}
END_TEST

START_TEST(a_simplex_is_mapped_by_softmax)
{
    const ppl_constraint *k = &PPL_SIMPLEX;
    ppl_ctx *c = context(_i);
    ppl_tensor *t = ppl_reshape(numbers(c, 0, 1, 2, -5, 0, 5), PPL_SHAPE(2, 3));
    ppl_tensor *y = k->type->to_constrained(k, t);
    double row[6];
    ppl_read(y, row, 6);
    ck_assert(k->type->check(k, row, 3) && k->type->check(k, row + 3, 3));
    ppl_tensor *again = k->type->to_constrained(k, k->type->from_constrained(k, y));
    assert_elements("again", again, 6, row, rounding(_i));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(softplus_survives_its_ends)
{
    const ppl_constraint *k = &PPL_SOFTPLUS_POSITIVE;
    ppl_ctx *c = context(_i);
    double slope;
    assert_values(k->type->from_constrained(k, numbers(c, 1e4, 1e-6)), rounding(_i), 1e4,
                  log(expm1((double)(_i ? 1e-6 : (double)1e-6f))));
    ck_assert(is_near(constrained(c, k, 1e4, &slope), 1e4, 0));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(integers_have_no_maps)
{
    (void)_i;
    ck_assert(ppl_constraint_boolean.type->to_constrained == NULL);
    ck_assert(ppl_constraint_nonnegative_integer.type->to_constrained == NULL);
    ck_assert(ppl_integer_interval(0, 3).type->from_constrained == NULL);
}
END_TEST

START_TEST(an_empty_interval_names_its_bounds)
{
    const ppl_constraint empty = ppl_interval(3, 1), point = ppl_interval(2, 2);
    ppl_ctx *c = context(_i);
    ppl_tensor *t = ppl_scalar(c, 0);
    assert_fails(c, empty.type->to_constrained(&empty, t), PPL_ECONSTRAINT,
                 "interval: nothing lies between 3 and 1; the lower bound must be below "
                 "the upper");
    assert_fails(c, point.type->from_constrained(&point, t), PPL_ECONSTRAINT,
                 "interval: nothing lies between 2 and 2; the lower bound must be below "
                 "the upper");
    ck_assert_ptr_null(empty.type->to_constrained(&empty, NULL));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* ---- What distributions say -------------------------------------------------------- */

static ppl_tensor *same_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    (void)x;
    return d->param[0];
}

static ppl_tensor *no_sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return d->param[0];
}

static int check_even(const ppl_constraint *self, const double *value, int64_t n)
{
    (void)self;
    return n == 1 && fmod(value[0], 2) == 0;
}

/* The error of a value x under a support of its own. */
static const char *complaint(ppl_ctx *c, ppl_constraint support, double x)
{
    const ppl_family family = {
        .name = "example", .params = 1, .param_name = { "a" }, .support = &support,
        .sample = no_sample, .log_prob = same_log_prob
    };
    ppl_clear_error(c);
    ppl_tensor *zero = ppl_scalar(c, 0);
    ppl_log_prob(ppl_dist_make(&family, &zero, NULL), ppl_scalar(c, x));
    return ppl_error_text(c);
}

START_TEST(violations_are_spelled_out)
{
    const ppl_constraint_type even_type = { "even", 0, check_even, NULL, NULL };
    const ppl_constraint even = { &even_type, 0, 0 };
    ppl_ctx *c = context(_i);
#define SAYS(support, x, text) ck_assert_str_eq(complaint(c, support, x), text)
    SAYS(PPL_REAL, NAN, "example: value is nan; it must be a finite number");
    SAYS(PPL_REAL, INFINITY, "example: value is inf; it must be a finite number");
    SAYS(PPL_POSITIVE, -0.25, "example: value is -0.25; it must be positive");
    SAYS(PPL_SOFTPLUS_POSITIVE, 0, "example: value is 0; it must be positive");
    SAYS(PPL_NONNEGATIVE, -3, "example: value is -3; it must be nonnegative");
    SAYS(PPL_UNIT_INTERVAL, 1 + FLT_EPSILON,
         _i ? "example: value is 1.0000001192092896; it must be between 0 and 1"
            : "example: value is 1.00000012; it must be between 0 and 1");
    SAYS(ppl_interval(-2, 3), 4, "example: value is 4; it must be between -2 and 3");
    SAYS(ppl_interval(3, 1), 2,
         "example: value is 2; it must be between 3 and 1, and nothing is");
    SAYS(ppl_greater_than(2.5), 1, "example: value is 1; it must be greater than 2.5");
    SAYS(ppl_less_than(-2), 1, "example: value is 1; it must be less than -2");
    SAYS(ppl_constraint_boolean, 0.5, "example: value is 0.5; it must be 0 or 1");
    SAYS(ppl_constraint_nonnegative_integer, 1.5,
         "example: value is 1.5; it must be a nonnegative integer");
    SAYS(ppl_integer_interval(-1, 12), 13,
         "example: value is 13; it must be an integer from -1 to 12");
    SAYS(even, 3, "example: value is 3; it must be even");
    SAYS(even, 4, "");
#undef SAYS
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        values_are_told_apart, a_simplex_is_nonnegative_with_sum_1,
        maps_are_inverse_to_each_other, a_simplex_is_mapped_by_softmax,
        softplus_survives_its_ends, integers_have_no_maps,
        an_empty_interval_names_its_bounds, violations_are_spelled_out, NULL
    };
    return run_tests("constraint", tests);
}
