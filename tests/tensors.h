/* SPDX-License-Identifier: MIT */
/*
 * tensors.h - what the tests of tensors, operations and the tape share: contexts of both
 * dtypes, and assertions about elements and errors. Each test is run for dtype 0 and 1
 * (tcase_add_loop_test), which Check hands to it as _i.
 */
#ifndef KILN_TESTS_TENSORS_H
#define KILN_TESTS_TENSORS_H

#include <kiln/effects.h>
#include <kiln/tensor.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DTYPES 2
#define COUNT_OF(array) ((int)(sizeof(array) / sizeof *(array)))

static inline ppl_ctx *context(int i)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64 });
    ck_assert_ptr_nonnull(c);
    return c;
}

/* A few roundings of numbers around 1. */
static inline double rounding(int i)
{
    return i == 0 ? 2e-6 : 1e-14;
}

static inline ppl_tensor *vector(ppl_ctx *c, int64_t n, const double *values)
{
    return ppl_from_doubles(c, PPL_SHAPE(n), values);
}
/* numbers(c, 1, 2, 3) is the constant [1,2,3]; variable(c, 1, 2, 3) wants a gradient. */
#define LIST(...) (double[]){ __VA_ARGS__ }
#define LENGTH(...) ((int64_t)(sizeof(LIST(__VA_ARGS__)) / sizeof(double)))
#define numbers(c, ...) vector(c, LENGTH(__VA_ARGS__), LIST(__VA_ARGS__))
#define variable(c, ...)                                                                 \
    ppl_variable(c, PPL_SHAPE(LENGTH(__VA_ARGS__)), LIST(__VA_ARGS__))
#define integers(c, ...)                                                                 \
    ppl_from_integers(c, PPL_SHAPE(LENGTH(__VA_ARGS__)), (int64_t[]){ __VA_ARGS__ })

/* 1, 2, 3, ... in a shape. */
static inline ppl_tensor *counted(ppl_ctx *c, ppl_shape shape)
{
    double value[256];
    for (int i = 0; i < COUNT_OF(value); i++)
        value[i] = i + 1;
    return ppl_from_doubles(c, shape, value);
}

/* Relative to 1 or to the expected number, whichever is larger; NaN is near NaN. */
static inline int is_near(double x, double expected, double tolerance)
{
    double size = fabs(expected) > 1 ? fabs(expected) : 1;
    return x == expected || (isnan(x) && isnan(expected)) ||
           fabs(x - expected) <= tolerance * size;
}

static inline void assert_elements(const char *text, const ppl_tensor *t, int64_t n,
                                   const double *expected, double tolerance)
{
    double value[256];
    ck_assert_msg(t != NULL, "%s is NULL", text);
    ck_assert_msg(ppl_numel(t) == n, "%s has %d elements, not %d", text,
                  (int)ppl_numel(t), (int)n);
    ck_assert_int_eq(ppl_read(t, value, COUNT_OF(value)), n);
    for (int i = 0; i < n; i++)
        ck_assert_msg(is_near(value[i], expected[i], tolerance),
                      "%s: element %d is %.17g, not %.17g", text, i, value[i],
                      expected[i]);
}
#define assert_values(t, tolerance, ...)                                                 \
    assert_elements(#t, t, LENGTH(__VA_ARGS__), LIST(__VA_ARGS__), tolerance)

static inline void assert_shaped(const char *text, const ppl_tensor *t, ppl_shape shape)
{
    ck_assert_msg(t != NULL, "%s is NULL", text);
    ck_assert_msg(ppl_rank(t) == shape.rank, "%s has rank %d, not %d", text, ppl_rank(t),
                  shape.rank);
    for (int i = 0; i < shape.rank; i++)
        ck_assert_msg(ppl_dim(t, i) == shape.dim[i], "%s: dimension %d is %d, not %d",
                      text, i, (int)ppl_dim(t, i), (int)shape.dim[i]);
}
#define assert_shape(t, ...) assert_shaped(#t, t, PPL_SHAPE(__VA_ARGS__))

/* The expression gives NULL and this error, which is then cleared. */
#define assert_fails(c, expression, status, text)                                        \
    do {                                                                                 \
        ck_assert_ptr_null(expression);                                                  \
        ck_assert_str_eq(ppl_status_name(ppl_error(c)), ppl_status_name(status));        \
        ck_assert_str_eq(ppl_error_text(c), text);                                       \
        ppl_clear_error(c);                                                              \
    } while (0)

/* Runs a suite of one case whose tests (a NULL-ended list) are run for _i below `count`. */
static inline int run_loop_tests(const char *name, const TTest *const *tests, int count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    for (; *tests; tests++)
        tcase_add_loop_test(tcase, *tests, 0, count);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The same for both dtypes. */
static inline int run_tests(const char *name, const TTest *const *tests)
{
    return run_loop_tests(name, tests, DTYPES);
}

#endif
