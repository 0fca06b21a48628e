/* SPDX-License-Identifier: MIT */
/*
 * test_density.c - formulas as operations (stdlib/dist/density.h), by the log_prob of
 * Normal and of Laplace: over many blocks, with inputs stretched in every way, one tensor
 * in two places or parts of one, gradients that something stands in already. Each against the same
 * composed of plain operations; and adjoints that are one number.
 */
#include "tensors.h"

#include <kiln/distributions.h>

#define HALF_LOG_TWO_PI 0.91893853320467274178

static ppl_tensor *normal(ppl_tensor *x, ppl_tensor *loc, ppl_tensor *scale)
{
    return ppl_log_prob(ppl_normal(loc, scale), x);
}

static ppl_tensor *composed_normal(ppl_tensor *x, ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *z = ppl_div(ppl_sub(x, loc), scale);
    return ppl_sub(ppl_affine(ppl_mul(z, z), -0.5, -HALF_LOG_TWO_PI), ppl_log(scale));
}

/* Worked in double for both dtypes, by one input at a time. */
static ppl_tensor *laplace(ppl_tensor *x, ppl_tensor *loc, ppl_tensor *scale)
{
    return ppl_log_prob(ppl_laplace(loc, scale), x);
}

static ppl_tensor *composed_laplace(ppl_tensor *x, ppl_tensor *loc, ppl_tensor *scale)
{
    return ppl_sub(ppl_neg(ppl_div(ppl_abs(ppl_sub(x, loc)), scale)),
                   ppl_log(ppl_affine(scale, 2, 0)));
}

typedef ppl_tensor *(*density)(ppl_tensor *x, ppl_tensor *loc, ppl_tensor *scale);

static const density formula[] = { normal, laplace };
static const density twin[] = { composed_normal, composed_laplace };

static int64_t elements(const ppl_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++)
        n *= shape->dim[i];
    return n;
}

/* Numbers from 0.5 to 1.5 that differ with `salt`. */
static ppl_tensor *leaf(ppl_ctx *c, ppl_shape shape, int salt)
{
    int64_t n = elements(&shape);
    double *value = calloc((size_t)n + 1, sizeof *value);
    for (int64_t i = 0; i < n; i++)
        value[i] = 0.5 + fmod(0.6180339887498949 * (double)(i + 1) + 0.3 * salt, 1);
    ppl_tensor *t = ppl_variable(c, shape, value);
    free(value);
    return t;
}

static void assert_same(ppl_tensor *t, ppl_tensor *expected, double tolerance)
{
    int64_t n = ppl_numel(expected);
    double *a = calloc((size_t)n + 1, sizeof *a), *b = calloc((size_t)n + 1, sizeof *b);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(ppl_numel(t), n);
    ppl_read(t, a, n);
    ppl_read(expected, b, n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(is_near(a[i], b[i], tolerance), "element %d is %.17g, not %.17g",
                      (int)i, a[i], b[i]);
    free(a);
    free(b);
}

/* Weights of the elements of y, of which every fifth is 0. */
static ppl_tensor *weights(ppl_ctx *c, const ppl_tensor *y)
{
    int64_t n = ppl_numel(y);
    double *value = calloc((size_t)n + 1, sizeof *value);
    for (int64_t i = 0; i < n; i++)
        value[i] = i % 5 == 0 ? 0 : 1 - fmod(0.377 * (double)i, 2);
    ppl_tensor *t = ppl_from_doubles(c, ppl_tensor_shape(y), value);
    free(value);
    return t;
}

/* The value, then the gradients of leaves of these shapes, twice over: the second sweep
 * adds to what the first has left. */
static void compare(int dtype, int f, const ppl_shape shape[3])
{
    ppl_ctx *c = context(dtype);
    ppl_tensor *a[3], *b[3];
    for (int i = 0; i < 3; i++) {
        a[i] = leaf(c, shape[i], i);
        b[i] = leaf(c, shape[i], i);
    }
    const double tolerance = 400 * rounding(dtype);
    for (int sweep = 0; sweep < 2; sweep++) {
        ppl_tensor *y = formula[f](a[0], a[1], a[2]), *z = twin[f](b[0], b[1], b[2]);
        assert_same(y, z, tolerance);
        ppl_tensor *seed = weights(c, y);
        ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
        ck_assert_int_eq(ppl_backward_from(&z, &seed, 1), PPL_OK);
        for (int i = 0; i < 3; i++)
            assert_same(ppl_grad(a[i]), ppl_grad(b[i]), tolerance);
    }
    ppl_ctx_free(c);
}

START_TEST(inputs_of_every_shape)
{
    const ppl_shape cases[][3] = {
        { PPL_SCALAR, PPL_SCALAR, PPL_SCALAR },
        { PPL_SHAPE(1, 1), PPL_SCALAR, PPL_SHAPE(1) },
        { PPL_SHAPE(255), PPL_SHAPE(255), PPL_SHAPE(255) },
        { PPL_SHAPE(256), PPL_SCALAR, PPL_SHAPE(1) },
        { PPL_SHAPE(1000), PPL_SHAPE(1000), PPL_SCALAR },
        { PPL_SHAPE(300, 7), PPL_SHAPE(7), PPL_SHAPE(300, 1) },
        { PPL_SHAPE(7, 300), PPL_SHAPE(300), PPL_SHAPE(7, 1) },
        { PPL_SHAPE(3, 2, 400), PPL_SHAPE(2, 1), PPL_SHAPE(3, 1, 400) },
        { PPL_SHAPE(2, 4, 3, 5, 9), PPL_SHAPE(4, 1, 5, 1), PPL_SHAPE(2, 1, 3, 1, 9) },
        { PPL_SHAPE(0), PPL_SCALAR, PPL_SHAPE(1) },
        { PPL_SHAPE(3, 0), PPL_SHAPE(3, 1), PPL_SHAPE(1, 0) },
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        for (int f = 0; f < COUNT_OF(formula); f++)
            compare(_i, f, cases[i]);
}
END_TEST

/* One tensor as value and parameter; views of one; a gradient that others add to. */
START_TEST(one_tensor_in_two_places)
{
    for (int f = 0; f < COUNT_OF(formula); f++) {
        ppl_ctx *c = context(_i);
        const density by[] = { formula[f], twin[f] };
        ppl_tensor *grad[2][2];
        for (int k = 0; k < 2; k++) {
            ppl_tensor *x = leaf(c, PPL_SHAPE(2, 300), 1), *s = leaf(c, PPL_SHAPE(300), 2);
            ppl_tensor *e = ppl_exp(x), *total = ppl_sum(by[k](e, ppl_affine(e, 2, 0), e),
                                                         PPL_ALL);
            total = ppl_add(total, ppl_sum(by[k](ppl_row(x, 0), s, ppl_row(x, 1)), PPL_ALL));
            total = ppl_add(total, ppl_sum(by[k](s, s, s), PPL_ALL));
            ck_assert_int_eq(ppl_backward(ppl_add(total, ppl_sum(x, PPL_ALL))), PPL_OK);
            grad[k][0] = ppl_grad(x);
            grad[k][1] = ppl_grad(s);
        }
        assert_same(grad[0][0], grad[1][0], 400 * rounding(_i));
        assert_same(grad[0][1], grad[1][1], 400 * rounding(_i));
        ppl_ctx_free(c);
    }
}
END_TEST

/* The gradient of the same in a program. */
static ppl_tensor *by_program(ppl_ctx *c, density by, int n, int order)
{
    double value;
    ppl_program *p = ppl_program_begin(c);
    ppl_tensor *x = leaf(c, PPL_SHAPE(n), 1), *e = ppl_exp(x);
    ppl_tensor *part[] = { ppl_slice(e, 0, 0, n - 1), ppl_slice(e, 0, 1, n) };
    ppl_tensor *y = by(part[order], part[!order], part[!order]);
    ck_assert_int_eq(ppl_program_end(p, &y, NULL, 1), PPL_OK);
    ck_assert_int_eq(ppl_program_run(p, 1, &value), PPL_OK);
    return ppl_grad(x);
}

/* Parts of one computed tensor that overlap, as x_t and x_(t-1), longer than a block. */
static void compare_overlapping(int dtype, int f, int order)
{
    enum { N = 700 };
    ppl_ctx *c = context(dtype);
    const density by[] = { formula[f], twin[f] };
    ppl_tensor *grad[2];
    for (int k = 0; k < 2; k++) {
        ppl_tensor *x = leaf(c, PPL_SHAPE(N), 1), *e = ppl_exp(x);
        ppl_tensor *part[] = { ppl_slice(e, 0, 0, N - 1), ppl_slice(e, 0, 1, N) };
        ppl_tensor *y = by[k](part[order], part[!order], part[!order]);
        ck_assert_int_eq(ppl_backward(ppl_sum(y, PPL_ALL)), PPL_OK);
        grad[k] = ppl_grad(x);
    }
    assert_same(grad[0], grad[1], 400 * rounding(dtype));
    assert_same(by_program(c, formula[f], N, order), grad[1], 400 * rounding(dtype));
    ppl_ctx_free(c);
}

START_TEST(overlapping_parts)
{
    for (int f = 0; f < COUNT_OF(formula); f++)
        for (int order = 0; order < 2; order++)
            compare_overlapping(_i, f, order);
}
END_TEST

/* A zero adjoint is zero whatever the slope: for whole, single and stretched inputs. */
START_TEST(zero_adjoints)
{
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = (ppl_dtype)_i, .no_validation = 1 });
    ppl_tensor *x = ppl_variable(c, PPL_SHAPE(2, 3), LIST(1, NAN, INFINITY, 1, 1, 1));
    ppl_tensor *loc = ppl_variable(c, PPL_SHAPE(2, 1), LIST(0.5, NAN));
    ppl_tensor *scale = variable(c, 1);
    ppl_tensor *y = normal(x, loc, scale);
    ppl_tensor *seed = ppl_from_doubles(c, PPL_SHAPE(2, 3), LIST(1, 0, 0, 0, 0, 0));
    ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
    assert_values(ppl_grad(x), rounding(_i), -0.5, 0, 0, 0, 0, 0);
    assert_values(ppl_grad(loc), rounding(_i), 0.5, 0);
    assert_values(ppl_grad(scale), rounding(_i), -0.75);
    ppl_ctx_free(c);
}
END_TEST

/* Sums of a million floats keep their digits. */
START_TEST(sums_are_in_double)
{
    ppl_ctx *c = context(_i);
    enum { N = 1000000 };
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(N), 0.1), *loc = variable(c, 0);
    ppl_tensor *y = normal(x, loc, ppl_scalar(c, 1));
    ck_assert_int_eq(ppl_backward_from(&y, NULL, 1), PPL_OK);
    double want = N * (_i == 0 ? (double)0.1f : 0.1);
    ck_assert(fabs(ppl_item(ppl_grad(loc)) - want) <= want * (_i == 0 ? 6e-8 : 1e-12));
    ppl_ctx_free(c);
}
END_TEST

/* A node of one number is worked without blocks: as an element of three is. */
START_TEST(a_number_is_as_an_element)
{
    const double x[] = { 0.3, -1.2, 2 }, loc[] = { 0.1, 0.7, 2 }, scale[] = { 1.1, 0.4, 3 };
    for (int f = 0; f < COUNT_OF(formula); f++) {
        ppl_ctx *c = context(_i);
        ppl_tensor *of[] = { ppl_variable(c, PPL_SHAPE(3), x),
                             ppl_variable(c, PPL_SHAPE(3), loc),
                             ppl_variable(c, PPL_SHAPE(3), scale) };
        ppl_tensor *y = formula[f](of[0], of[1], of[2]);
        ck_assert_int_eq(ppl_backward_from(&y, NULL, 1), PPL_OK);
        for (int i = 0; i < 3; i++) {
            ppl_tensor *a = ppl_variable(c, PPL_SCALAR, &x[i]);
            ppl_tensor *b = ppl_variable(c, PPL_SCALAR, &loc[i]);
            ppl_tensor *s = ppl_variable(c, PPL_SCALAR, &scale[i]);
            ppl_tensor *z = formula[f](a, b, s);
            ck_assert_int_eq(ppl_backward_from(&z, NULL, 1), PPL_OK);
            assert_same(z, ppl_row(y, i), rounding(_i));
            assert_same(ppl_grad(a), ppl_row(ppl_grad(of[0]), i), rounding(_i));
            assert_same(ppl_grad(b), ppl_row(ppl_grad(of[1]), i), rounding(_i));
            assert_same(ppl_grad(s), ppl_row(ppl_grad(of[2]), i), rounding(_i));
        }
        ppl_ctx_free(c);
    }
}
END_TEST

/* Root k of y [n], and what weight elements below `some` and from there on have in it. */
static ppl_tensor *even_root(int k, ppl_tensor *y, int64_t some, double weight[2])
{
    ppl_tensor *all = ppl_sum(y, PPL_ALL), *part = ppl_sum(ppl_head(y, some), PPL_ALL);

    weight[1] = k == 0 ? -1.5 : k == 1 ? 1 / (double)ppl_numel(y) : k == 2 ? 0 : 1;
    weight[0] = k < 3 ? weight[1] : 2;
    return k == 1 ? ppl_mean(y, PPL_ALL) : k == 3 ? ppl_add(all, part)
           : k == 4 ? ppl_add(ppl_sum(y, PPL_ALL), part)
                    : ppl_affine(all, weight[1], 0);
}

/* The adjoint of a sum or mean, which is one number, is as all of them; also where others
 * add to it, before or after. */
START_TEST(even_adjoints)
{
    enum { N = 700, SOME = 10, ROOTS = 5 };
    for (int f = 0; f < COUNT_OF(formula); f++)
        for (int k = 0; k < ROOTS; k++) {
            ppl_ctx *c = context(_i);
            double weight[2], seed[N];
            ppl_tensor *a[2][3], *y[2];
            for (int j = 0; j < 2; j++) {
                for (int i = 0; i < 3; i++)
                    a[j][i] = leaf(c, i == 1 ? PPL_SCALAR : PPL_SHAPE(N), i);
                y[j] = formula[f](a[j][0], a[j][1], a[j][2]);
            }
            ck_assert_int_eq(ppl_backward(even_root(k, y[0], SOME, weight)), PPL_OK);
            for (int i = 0; i < N; i++)
                seed[i] = weight[i >= SOME];
            ppl_tensor *s = ppl_from_doubles(c, PPL_SHAPE(N), seed);
            ck_assert_int_eq(ppl_backward_from(&y[1], &s, 1), PPL_OK);
            for (int i = 0; i < 3; i++)
                assert_same(ppl_grad(a[0][i]), ppl_grad(a[1][i]), rounding(_i));
            ppl_ctx_free(c);
        }
}
END_TEST

int main(void)
{
    return run_tests("density", (const TTest *const[]){
        inputs_of_every_shape, one_tensor_in_two_places, overlapping_parts, zero_adjoints,
        sums_are_in_double, a_number_is_as_an_element, even_adjoints, NULL });
}
