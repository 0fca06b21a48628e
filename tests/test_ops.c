/* SPDX-License-Identifier: MIT */
/*
 * test_ops.c - every operation: its values, its gradient, its errors.
 *
 * Gradients are compared with differences (gradients.h). The elementwise operations come
 * from elementwise.def: a new row there needs a line among the CASE_ macros here, or this
 * file does not compile. The others have rows in `cases`.
 */
#include "gradients.h"

#include <kiln/distributions.h>

/* ---- Elementwise: reference and range of each row ---------------------------------- */

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double relu(double x) { return x > 0 ? x : 0; }
static double negative(double x) { return -x; }
static double plus(double a, double b) { return a + b; }
static double minus(double a, double b) { return a - b; }
static double times(double a, double b) { return a * b; }
static double over(double a, double b) { return a / b; }

/* Recurrence to x >= 20, then the asymptotic series (Abramowitz and Stegun, 6.3.18). */
static double digamma(double x)
{
    double shift = 0;
    for (; x < 20; x++)
        shift -= 1 / x;
    double r = 1 / (x * x);
    return shift + log(x) - 0.5 / x -
           r * (1. / 12 - r * (1. / 120 - r * (1. / 252 - r / 240)));
}

static double trigamma(double x)
{
    double sum = 0;
    for (; x < 20; x++)
        sum += 1 / (x * x);
    double r = 1 / (x * x);
    return sum + (1 + 0.5 / x + r * (1. / 6 - r * (1. / 30 - r * (1. / 42 - r / 30)))) / x;
}

static double ndtr(double x) { return erfc(-x * sqrt(0.5)) / 2; }
static double log_ndtr(double x) { return log(ndtr(x)); }

/* x with f(x) = y, f increasing between low and high. */
static double inverse(double (*f)(double), double y, double low, double high)
{
    for (int k = 0; k < 200; k++) {
        double middle = (low + high) / 2;
        if (f(middle) < y)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double ndtri(double p) { return inverse(ndtr, p, -10, 10); }
static double erfinv(double x) { return inverse(erf, x, -5, 5); }

static double bessel(int v, double x)
{
    double term = v == 0 ? 1 : x / 2, sum = term;
    for (int k = 1; k < 60; k++)
        sum += term *= x * x / 4 / (k * (k + v));
    return sum;
}

static double log_bessel_i0(double x) { return log(bessel(0, x)); }
static double log_bessel_i1(double x) { return log(bessel(1, x)); }
static double bessel_ratio(double x) { return bessel(1, x) / bessel(0, x); }

/* What C computes, and between which points. */
#define CASE_neg negative, -3, 3
#define CASE_exp exp, -3, 3
#define CASE_log log, 0.1, 4
#define CASE_log1p log1p, -0.8, 4
#define CASE_expm1 expm1, -3, 3
#define CASE_sqrt sqrt, 0.1, 4
#define CASE_sin sin, -4, 4
#define CASE_cos cos, -4, 4
#define CASE_atan atan, -4, 4
#define CASE_tanh tanh, -3, 3
#define CASE_sigmoid sigmoid, -5, 5
#define CASE_softplus softplus, -5, 5
#define CASE_relu relu, -2, 2
#define CASE_abs fabs, -2, 2
#define CASE_lgamma lgamma, 0.2, 9
#define CASE_digamma digamma, 0.2, 9
#define CASE_trigamma trigamma, 0.3, 9
#define CASE_erf erf, -3, 3
#define CASE_erfc erfc, -3, 3
#define CASE_erfinv erfinv, -0.9, 0.9
#define CASE_ndtr ndtr, -4, 4
#define CASE_ndtri ndtri, 0.05, 0.95
#define CASE_log_ndtr log_ndtr, -5, 4
#define CASE_log_bessel_i0 log_bessel_i0, 0.1, 20
#define CASE_log_bessel_i1 log_bessel_i1, 0.2, 20
#define CASE_bessel_ratio bessel_ratio, -5, 16
#define CASE_add plus, -3, 3
#define CASE_sub minus, -3, 3
#define CASE_mul times, -3, 3
#define CASE_div over, 0.3, 3
#define CASE_pow pow, 0.2, 3

typedef struct unary_case {
    const char *name;
    ppl_tensor *(*op)(ppl_tensor *);
    double (*reference)(double);
    double low, high;
} unary_case;

typedef struct binary_case {
    const char *name;
    ppl_tensor *(*op)(ppl_tensor *, ppl_tensor *);
    double (*reference)(double, double);
    double low, high;
} binary_case;

static const unary_case unary[] = {
#define UNARY(name, forward, derivative) { #name, ppl_##name, CASE_##name },
#define BINARY(name, forward, da, db)
#include "runtime/elementwise.def"
#undef UNARY
#undef BINARY
};

static const binary_case binary[] = {
#define UNARY(name, forward, derivative)
#define BINARY(name, forward, da, db) { #name, ppl_##name, CASE_##name },
#include "runtime/elementwise.def"
#undef UNARY
#undef BINARY
};

/* ---- The cases --------------------------------------------------------------------- */

static ppl_tensor *alternating(ppl_tensor *t)
{
    const unsigned char mask[] = { 1, 0, 0, 1, 0 };
    return ppl_from_mask(ppl_tensor_ctx(t), PPL_SHAPE(5), mask);
}

BUILD(unary, ((const unary_case *)g->row)->op(in[0]))
BUILD(binary, ((const binary_case *)g->row)->op(in[0], in[1]))
BUILD(affine, ppl_affine(in[0], -1.5, 0.25))
BUILD(axpby, ppl_axpby(-1.5, in[0], 0.25, in[1]))
BUILD(clamp, ppl_clamp(in[0], -0.9, 1.1))
BUILD(lerp, ppl_lerp(in[0], in[1], in[2]))
BUILD(where, ppl_where(alternating(in[0]), in[0], in[1]))
BUILD(sum, ppl_sum(in[0], g->number))
BUILD(sum_last, ppl_sum_last(in[0], g->number))
BUILD(mean, ppl_mean(in[0], g->number))
BUILD(max, ppl_max(in[0], g->number))
BUILD(logsumexp, ppl_logsumexp(in[0], g->number))
BUILD(softmax, ppl_softmax(in[0], g->number))
BUILD(log_softmax, ppl_log_softmax(in[0], g->number))
BUILD(matmul, ppl_matmul(in[0], in[1]))
BUILD(linear, ppl_linear(in[0], in[1], g->inputs > 2 ? in[2] : NULL,
                         (ppl_activation)g->number))
BUILD(reshape, ppl_exp(ppl_reshape(in[0], PPL_SHAPE(-1, 2))))
BUILD(slice, ppl_exp(ppl_slice(in[0], g->number, 1, 3)))
BUILD(head, ppl_exp(ppl_head(in[0], 2)))
BUILD(row, ppl_exp(ppl_row(in[0], 1)))
BUILD(transpose, ppl_transpose(in[0], g->number, -1))
BUILD(expand, ppl_expand(in[0], PPL_SHAPE(2, 3, 4)))
BUILD(concat, ppl_concat(in, 3, g->number))
BUILD(stack, ppl_stack(in, 3, g->number))
BUILD(index_select, ppl_index_select(in[0], g->number,
                                     integers(ppl_tensor_ctx(in[0]), 2, 0, 2, 1)))
BUILD(gather_last, ppl_gather_last(in[0], integers(ppl_tensor_ctx(in[0]), 3, 0, 3)))

static const grad_case cases[] = {
    CASE(affine, -3, 3, 0, 1, S(3, 5)),
    CASE(axpby, -3, 3, 0, 2, S(3, 5), S(3, 5)),
    CASE(axpby, -3, 3, 0, 2, S(5), S(3, 1)),
    CASE(clamp, -3, 3, 0, 1, S(3, 5)),
    CASE(lerp, -2, 2, 0, 3, S(3, 5), S(3, 5), S(3, 5)),
    CASE(lerp, -2, 2, 0, 3, S(3, 1), S(5), PPL_SCALAR),
    CASE(where, -2, 2, 0, 2, S(5), S(5)),
    CASE(where, -2, 2, 0, 2, S(3, 5), S(3, 1)),
    CASE(where, -2, 2, 0, 2, PPL_SCALAR, PPL_SCALAR),
    CASE(sum, -2, 2, PPL_ALL, 1, S(3, 5, 2)),
    CASE(sum, -2, 2, PPL_ALL, 1, PPL_SCALAR),
    CASE(sum, -2, 2, 0, 1, S(3, 5, 2)),
    CASE(sum, -2, 2, 1, 1, S(3, 5, 2)),
    CASE(sum, -2, 2, -1, 1, S(3, 5, 2)),
    CASE(sum, -2, 2, 1, 1, S(3, 0, 2)),
    CASE(sum_last, -2, 2, 2, 1, S(3, 5, 2)),
    CASE(sum_last, -2, 2, 0, 1, S(3, 5, 2)),
    CASE(mean, -2, 2, PPL_ALL, 1, S(3, 5, 2)),
    CASE(mean, -2, 2, 1, 1, S(3, 5, 2)),
    CASE(max, -2, 2, PPL_ALL, 1, S(3, 5, 2)),
    CASE(max, -2, 2, 0, 1, S(3, 5, 2)),
    CASE(max, -2, 2, 2, 1, S(3, 5, 20 / 4)),
    CASE(logsumexp, -2, 2, PPL_ALL, 1, S(3, 5, 2)),
    CASE(logsumexp, -2, 2, 1, 1, S(3, 5, 2)),
    CASE(logsumexp, -2, 2, -1, 1, S(3, 19)),
    CASE(softmax, -2, 2, 0, 1, S(3, 5, 2)),
    CASE(softmax, -2, 2, 2, 1, S(2, 3, 19)),
    CASE(log_softmax, -2, 2, 1, 1, S(3, 5, 2)),
    CASE(log_softmax, -2, 2, -1, 1, S(3, 19)),
    CASE(matmul, -2, 2, 0, 2, S(3, 4), S(4, 5)),
    CASE(matmul, -2, 2, 0, 2, S(2, 3, 4), S(4, 5)),
    CASE(matmul, -2, 2, 0, 2, S(2, 3, 4), S(2, 4, 5)),
    CASE(matmul, -2, 2, 0, 2, S(2, 1, 3, 2), S(3, 2, 4)),
    CASE(matmul, -2, 2, 0, 2, S(3, 2), S(2, 1, 2, 4)),
    CASE(matmul, -2, 2, 0, 2, S(3, 0), S(0, 2)),
    CASE(linear, -1, 1, PPL_IDENTITY, 3, S(4, 3), S(5, 3), S(5)),
    CASE(linear, -1, 1, PPL_IDENTITY, 2, S(3), S(5, 3)),
    CASE(linear, -1, 1, PPL_RELU, 3, S(4, 3), S(5, 3), S(5)),
    CASE(linear, -1, 1, PPL_TANH, 3, S(2, 2, 3), S(5, 3), S(5)),
    CASE(linear, -1, 1, PPL_SIGMOID, 2, S(4, 3), S(5, 3)),
    CASE(linear, -1, 1, PPL_SOFTPLUS, 3, S(4, 3), S(5, 3), S(5)),
    CASE(linear, -1, 1, PPL_SOFTPLUS, 3, S(0, 3), S(5, 3), S(5)),
    CASE(reshape, -1, 1, 0, 1, S(3, 4)),
    CASE(slice, -1, 1, 0, 1, S(4, 4, 2)),
    CASE(slice, -1, 1, 1, 1, S(4, 4, 2)),
    CASE(slice, -1, 1, -1, 1, S(4, 4, 3)),
    CASE(head, -1, 1, 0, 1, S(3, 4)),
    CASE(row, -1, 1, 0, 1, S(3, 4)),
    CASE(transpose, -1, 1, 0, 1, S(3, 5)),
    CASE(transpose, -1, 1, 1, 1, S(2, 3, 5)),
    CASE(transpose, -1, 1, 0, 1, S(2, 3, 5)),
    CASE(transpose, -1, 1, 0, 1, S(2, 0, 5)),
    CASE(expand, -1, 1, 0, 1, S(3, 1)),
    CASE(expand, -1, 1, 0, 1, S(2, 1, 4)),
    CASE(expand, -1, 1, 0, 1, PPL_SCALAR),
    CASE(concat, -1, 1, 0, 3, S(2, 3), S(1, 3), S(4, 3)),
    CASE(concat, -1, 1, -1, 3, S(2, 3), S(2, 0), S(2, 4)),
    CASE(stack, -1, 1, 0, 3, S(2, 3), S(2, 3), S(2, 3)),
    CASE(stack, -1, 1, -1, 3, S(2, 3), S(2, 3), S(2, 3)),
    CASE(stack, -1, 1, 0, 3, PPL_SCALAR, PPL_SCALAR, PPL_SCALAR),
    CASE(index_select, -1, 1, 0, 1, S(3, 4)),
    CASE(index_select, -1, 1, 1, 1, S(2, 3, 4)),
    CASE(gather_last, -1, 1, 0, 1, S(3, 4))
};

START_TEST(gradients)
{
    for (int k = 0; k < COUNT_OF(cases); k++)
        check_gradient(_i, &cases[k]);
}
END_TEST

static grad_case unary_grad(const unary_case *u, ppl_shape shape)
{
    return (grad_case){ u->name, build_unary, 1, { shape }, u->low, u->high, 0, u };
}

static grad_case binary_grad(const binary_case *b, ppl_shape left, ppl_shape right)
{
    return (grad_case){ b->name, build_binary, 2, { left, right }, b->low, b->high, 0,
                        b };
}

START_TEST(elementwise_gradients)
{
    const ppl_shape one[] = { PPL_SCALAR, S(3, 13), S(0, 2) };
    const ppl_shape two[][2] = {
        { PPL_SCALAR, PPL_SCALAR }, { S(3, 13), S(3, 13) }, { S(2, 5), PPL_SCALAR },
        { PPL_SCALAR, S(2, 5) }, { S(3, 5), S(5) }, { S(3, 1), S(3, 5) },
        { S(2, 1, 3, 1), S(4, 1, 2) }, { S(1), PPL_SCALAR }, { S(2, 0), S(2, 1) }
    };
    for (int k = 0; k < COUNT_OF(unary); k++)
        for (int s = 0; s < COUNT_OF(one); s++) {
            grad_case g = unary_grad(&unary[k], one[s]);
            check_gradient(_i, &g);
        }
    for (int k = 0; k < COUNT_OF(binary); k++)
        for (int s = 0; s < COUNT_OF(two); s++) {
            grad_case g = binary_grad(&binary[k], two[s][0], two[s][1]);
            check_gradient(_i, &g);
        }
}
END_TEST

/* The law: with a zero adjoint everywhere, gradients are exactly zero, whatever the
 * inputs and so the derivatives are. */
static void check_zero_law(int dtype, const grad_case *g)
{
    const double odd[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, 0, -1 };
    for (int start = 0; start < COUNT_OF(odd); start++) {
        ppl_ctx *c = context(dtype);
        double x[MOST_ELEMENTS];
        ppl_tensor *in[MOST_INPUTS];
        for (int i = 0; i < g->inputs; i++) {
            for (int k = 0; k < elements(g->shape[i]); k++)
                x[k] = odd[(start + k * (i + 1)) % COUNT_OF(odd)];
            in[i] = ppl_variable(c, g->shape[i], x);
        }
        ppl_tensor *y = g->build(in, g), *zero = ppl_scalar(c, 0);
        ck_assert_int_eq(ppl_backward_from(&y, &zero, 1), PPL_OK);
        for (int i = 0; i < g->inputs; i++) {
            int64_t n = ppl_read(ppl_grad(in[i]), x, MOST_ELEMENTS);
            for (int k = 0; k < n; k++)
                ck_assert_msg(x[k] == 0, "%s: input %d has gradient %g where the adjoint "
                              "is 0", g->name, i, x[k]);
        }
        ppl_ctx_free(c);
    }
}

START_TEST(zero_adjoints_stay_zero)
{
    for (int k = 0; k < COUNT_OF(cases); k++)
        check_zero_law(_i, &cases[k]);
    for (int k = 0; k < COUNT_OF(unary); k++) {
        grad_case g = unary_grad(&unary[k], S(11));
        check_zero_law(_i, &g);
    }
    for (int k = 0; k < COUNT_OF(binary); k++) {
        grad_case g = binary_grad(&binary[k], S(3, 5), S(5));
        check_zero_law(_i, &g);
    }
    /* A factor that is infinite, and one element that is masked out of a row in use. */
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 2, 0, 3), *y = ppl_affine(x, (double)INFINITY, 0);
    ppl_tensor *seed = numbers(c, 0, 0, 0);
    ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
    assert_values(ppl_grad(x), 0, 0, 0, 0);
    ppl_tensor *mask = ppl_less(numbers(c, 0, 1, 0), ppl_scalar(c, 0.5));
    y = ppl_sum(ppl_where(mask, ppl_log(x), ppl_scalar(c, 0)), PPL_ALL);
    ck_assert_int_eq(ppl_backward(y), PPL_OK);
    assert_values(ppl_grad(x), rounding(_i), 0.5, 0, 1. / 3);
    ppl_ctx_free(c);
}
END_TEST

/* A masked row of NaN reaches neither the weight nor the bias. */
START_TEST(masked_rows_stay_out_of_weights)
{
    ppl_ctx *c = context(_i);
    const double row[] = { 1, 2, (double)NAN, (double)NAN, 3, 4 };
    ppl_tensor *x = ppl_from_doubles(c, S(3, 2), row);
    ppl_tensor *w = ppl_variable(c, S(1, 2), (double[]){ 1, 1 }), *b = variable(c, 0);
    ppl_tensor *mask = ppl_from_mask(c, S(3, 1), (unsigned char[]){ 1, 0, 1 });
    ppl_tensor *y[] = { ppl_linear(x, w, b, PPL_SOFTPLUS),
                        ppl_matmul(x, ppl_transpose(w, 0, 1)) };
    double slope = 1 / (1 + exp(-3)) + 3 / (1 + exp(-7)) + 4;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ppl_backward(ppl_sum(ppl_where(mask, y[i], ppl_scalar(c, 0)),
                                              PPL_ALL)), PPL_OK);
    assert_values(ppl_grad(w), 2 * rounding(_i), slope,
                  slope + 2 + 1 / (1 + exp(-3)) + 1 / (1 + exp(-7)));
    assert_values(ppl_grad(b), rounding(_i), 1 / (1 + exp(-3)) + 1 / (1 + exp(-7)));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Values ------------------------------------------------------------------------ */

START_TEST(elementwise_values)
{
    enum { N = 37 };
    ppl_ctx *c = context(_i);
    double x[N], z[N], y[N];
    for (int k = 0; k < COUNT_OF(unary); k++) {
        const unary_case *u = &unary[k];
        for (int i = 0; i < N; i++) {
            x[i] = (float)(u->low + (u->high - u->low) * even(i));
            y[i] = u->reference(x[i]);
        }
        assert_elements(u->name, u->op(vector(c, N, x)), N, y, 4 * rounding(_i));
    }
    for (int k = 0; k < COUNT_OF(binary); k++) {
        const binary_case *b = &binary[k];
        for (int i = 0; i < N; i++) {
            x[i] = (float)(b->low + (b->high - b->low) * even(i));
            z[i] = (float)(b->low + (b->high - b->low) * even(i + N));
            y[i] = b->reference(x[i], z[i]);
        }
        assert_elements(b->name, b->op(vector(c, N, x), vector(c, N, z)), N, y,
                        4 * rounding(_i));
    }
    ppl_ctx_free(c);
}
END_TEST

START_TEST(broadcasting)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *column = ppl_reshape(numbers(c, 10, 20), S(2, 1));
    ppl_tensor *row = numbers(c, 1, 2, 3);
    assert_shape(ppl_add(column, row), 2, 3);
    assert_values(ppl_add(column, row), 0, 11, 12, 13, 21, 22, 23);
    assert_values(ppl_sub(row, column), 0, -9, -8, -7, -19, -18, -17);
    assert_values(ppl_mul(ppl_scalar(c, 2), row), 0, 2, 4, 6);
    ck_assert_int_eq(ppl_rank(ppl_mul(ppl_scalar(c, 2), ppl_scalar(c, 3))), 0);
    assert_shape(ppl_add(column, ppl_full(c, S(0), 1)), 2, 0);
    assert_shape(ppl_add(ppl_full(c, S(2, 1, 3, 1), 1), ppl_full(c, S(4, 1, 5), 1)),
                 2, 4, 3, 5);
    /* Every pair of a kept and a stretched axis, against one by one. */
    ppl_tensor *t = counted(c, S(2, 1, 3, 1)), *u = ppl_expand(t, S(5, 2, 2, 3, 2));
    double from[6], to[120];
    ppl_read(t, from, 6);
    ck_assert_int_eq(ppl_read(u, to, 120), 120);
    for (int i = 0; i < 120; i++)
        ck_assert_double_eq(to[i], from[i / 12 % 2 * 3 + i / 2 % 3]);
    assert_fails(c, ppl_add(ppl_full(c, S(20, 100), 0), ppl_full(c, S(20, 88), 0)),
                 PPL_ESHAPE,
                 "add: shapes [20,100] and [20,88] do not broadcast: axis 1 is 100 "
                 "against 88; make them equal or 1");
    assert_fails(c, ppl_lerp(ppl_full(c, S(4, 2), 0), ppl_full(c, S(2), 0),
                             ppl_full(c, S(3, 1), 0)),
                 PPL_ESHAPE, "lerp: shapes [4,2] and [3,1] do not broadcast: axis 0 is "
                 "4 against 3; make them equal or 1");
    assert_fails(c, ppl_exp(integers(c, 1)), PPL_EDTYPE, _i == 0
                 ? "exp: input 0 is integers where f32 must be; ppl_to_float converts"
                 : "exp: input 0 is integers where f64 must be; ppl_to_float converts");
    assert_fails(c, ppl_axpby(0.5, row, (double)INFINITY, row), PPL_EINVAL,
                 "axpby: factors 0.5 and inf; give finite ones");
    assert_fails(c, ppl_clamp(row, 2, 1), PPL_EINVAL,
                 "clamp: nothing is within [2, 1]; low must be at most high");
    assert_fails(c, ppl_clamp(row, 0, (double)NAN), PPL_EINVAL,
                 "clamp: nothing is within [0, nan]; low must be at most high");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(numbers_and_kinks)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, -2, 0, 2);
    assert_values(ppl_affine(x, 3, 1), 0, -5, 1, 7);
    assert_values(ppl_axpby(3, x, -1, numbers(c, 0, 1, 4)), 0, -6, -1, 2);
    assert_values(ppl_clamp(x, -1, 2), 0, -1, 0, 2);
    assert_values(ppl_clamp(numbers(c, (double)NAN), -1, 2), 0, (double)NAN);
    assert_values(ppl_lerp(x, numbers(c, 0, 1, 4), ppl_scalar(c, 0.5)), 0, -1, 0.5, 3);
    ppl_tensor *y[] = { ppl_relu(x), ppl_abs(x), ppl_clamp(x, -1, 2) };
    ppl_tensor *seeds[] = { ppl_scalar(c, 1), ppl_scalar(c, 10), ppl_scalar(c, 100) };
    ck_assert_int_eq(ppl_backward_from(y, seeds, 3), PPL_OK);
    assert_values(ppl_grad(x), 0, -10, 100, 111);
    assert_values(ppl_softplus(numbers(c, 800, -800)), 0, 800, 0);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(masks)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = variable(c, 1, 2, 3, (double)NAN), *two = ppl_scalar(c, 2);
    ppl_tensor *less = ppl_less(x, two), *equal = ppl_equal(x, two);
    ck_assert_int_eq(ppl_tensor_dtype(less), PPL_MASK);
    ck_assert(!ppl_requires_grad(less));
    assert_values(less, 0, 1, 0, 0, 0);
    assert_values(equal, 0, 0, 1, 0, 0);
    assert_values(ppl_not(equal), 0, 1, 0, 1, 1);
    assert_values(ppl_and(ppl_not(equal), ppl_not(less)), 0, 0, 0, 1, 1);
    assert_values(ppl_less(integers(c, 1, 2, 3), integers(c, 2)), 0, 1, 0, 0);
    assert_values(ppl_equal(integers(c, 1, 2), integers(c, 1, 3)), 0, 1, 0);
    assert_values(ppl_to_float(less), 0, 1, 0, 0, 0);
    assert_values(ppl_to_float(integers(c, 5, -6)), 0, 5, -6);
    ck_assert_int_eq(ppl_tensor_dtype(ppl_to_float(less)), ppl_ctx_dtype(c));
    ck_assert_ptr_eq(ppl_to_float(x), x);
    assert_values(ppl_where(less, x, two), 0, 1, 2, 2, 2);
    assert_values(ppl_where(less, integers(c, 5, 6, 7, 8), integers(c, 0)), 0,
                  5, 0, 0, 0);
    assert_fails(
        c, ppl_where(x, x, x), PPL_EDTYPE,
        _i == 0
            ? "where: input 0 is f32 where a mask must be; ppl_less and ppl_from_mask "
              "make one"
            : "where: input 0 is f64 where a mask must be; ppl_less and ppl_from_mask "
              "make one");
    assert_fails(c, ppl_less(integers(c, 1), x), PPL_EDTYPE, _i == 0
                 ? "less: input 1 is f32 where integers must be; ppl_from_integers makes "
                   "them"
                 : "less: input 1 is f64 where integers must be; ppl_from_integers makes "
                   "them");
    assert_fails(c, ppl_and(less, integers(c, 1)), PPL_EDTYPE,
                 "and: input 1 is integers where a mask must be; ppl_less and "
                 "ppl_from_mask make one");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(reductions)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, S(2, 3, 2)), *empty = ppl_full(c, S(2, 0), 1);
    const double inf = (double)INFINITY, r = 4 * rounding(_i);
    assert_shape(ppl_sum(t, 1), 2, 2);
    assert_values(ppl_sum(t, 1), 0, 9, 12, 27, 30);
    assert_values(ppl_sum(t, -1), 0, 3, 7, 11, 15, 19, 23);
    assert_values(ppl_sum(t, PPL_ALL), 0, 78);
    assert_values(ppl_sum_last(t, 2), 0, 21, 57);
    ck_assert_int_eq(ppl_rank(ppl_sum_last(t, 3)), 0);
    ck_assert_ptr_eq(ppl_sum_last(t, 0), t);
    assert_values(ppl_mean(t, 0), 0, 4, 5, 6, 7, 8, 9);
    assert_values(ppl_max(t, 1), 0, 5, 6, 11, 12);
    assert_values(ppl_max(numbers(c, 1, (double)NAN, 3), 0), 0, (double)NAN);
    assert_values(ppl_logsumexp(numbers(c, 1000, 1000), 0), r, 1000 + log(2));
    assert_values(ppl_logsumexp(numbers(c, -inf, -inf), 0), 0, -inf);
    assert_values(ppl_softmax(numbers(c, 0, log(3)), 0), r, 0.25, 0.75);
    assert_values(ppl_log_softmax(numbers(c, 0, log(3)), 0), r, log(0.25), log(0.75));
    assert_values(ppl_sum(empty, 1), 0, 0, 0);
    assert_values(ppl_logsumexp(empty, 1), 0, -inf, -inf);
    assert_values(ppl_mean(empty, 1), 0, (double)NAN, (double)NAN);
    assert_shape(ppl_max(empty, 0), 0);

    /* The first of equal maxima takes the gradient. */
    ppl_tensor *x = variable(c, 1, 4, 4, 2);
    ck_assert_int_eq(ppl_backward(ppl_max(x, 0)), PPL_OK);
    assert_values(ppl_grad(x), 0, 0, 1, 0, 0);

    assert_fails(c, ppl_max(empty, 1), PPL_ESHAPE,
                 "max: shape [2,0] has no elements to take one of");
    assert_fails(c, ppl_sum(t, 3), PPL_ESHAPE,
                 "sum: shape [2,3,2] has no axis 3; axes are 0 to 2, or -1 to -3 from "
                 "the end");
    assert_fails(c, ppl_sum(ppl_scalar(c, 1), 0), PPL_ESHAPE,
                 "sum: a scalar, of shape [], has no axis 0");
    assert_fails(c, ppl_softmax(t, PPL_ALL), PPL_ESHAPE,
                 "softmax: takes one axis, not PPL_ALL; flatten with ppl_reshape");
    assert_fails(c, ppl_sum_last(t, 4), PPL_ESHAPE,
                 "sum_last: shape [2,3,2] has no 4 last axes");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(products)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *a = counted(c, S(2, 2)), *b = counted(c, S(2, 2, 2));
    assert_values(ppl_matmul(a, a), 0, 7, 10, 15, 22);
    assert_shape(ppl_matmul(b, a), 2, 2, 2);
    assert_values(ppl_matmul(b, a), 0, 7, 10, 15, 22, 23, 34, 31, 46);
    assert_values(ppl_matmul(a, b), 0, 7, 10, 15, 22, 19, 22, 43, 50);
    assert_shape(ppl_matmul(ppl_full(c, S(3, 1, 2, 2), 1), b), 3, 2, 2, 2);
    assert_values(ppl_matmul(ppl_full(c, S(2, 0), 1), ppl_full(c, S(0, 2), 1)), 0,
                  0, 0, 0, 0);
    assert_fails(c, ppl_matmul(a, numbers(c, 1, 2)), PPL_ESHAPE,
                 "matmul: shapes [2,2] and [2]; both need rank 2 at least");
    assert_fails(c, ppl_matmul(a, counted(c, S(3, 2))), PPL_ESHAPE,
                 "matmul: shapes [2,2] and [3,2] do not multiply: rows of 2 against "
                 "columns of 3");
    assert_fails(c, ppl_matmul(b, counted(c, S(3, 2, 2))), PPL_ESHAPE,
                 "matmul: shapes [2,2,2] and [3,2,2] do not broadcast: axis 0 is 2 "
                 "against 3; make them equal or 1");

    ppl_tensor *x = counted(c, S(2, 3)), *w = counted(c, S(2, 3));
    ppl_tensor *bias = numbers(c, 1, -40);
    assert_values(ppl_linear(x, w, bias, PPL_IDENTITY), 0, 15, -8, 33, 37);
    assert_values(ppl_linear(x, w, bias, PPL_RELU), 0, 15, 0, 33, 37);
    assert_values(ppl_linear(ppl_row(x, 0), w, NULL, PPL_IDENTITY), 0, 14, 32);
    assert_fails(
        c, ppl_linear(a, w, bias, PPL_RELU), PPL_ESHAPE,
        "linear: weight [2,3] does not fit x [2,2]; x [..,I] needs weight [O,I]");
    assert_fails(
        c, ppl_linear(x, w, numbers(c, 1), PPL_RELU), PPL_ESHAPE,
        "linear: bias [1] does not fit weight [2,3]; weight [O,I] needs bias [O]");
    assert_fails(c, ppl_linear(x, w, NULL, (ppl_activation)9), PPL_EINVAL,
                 "linear: there is no activation 9");
    ppl_ctx_free(c);
}
END_TEST

START_TEST(shapes)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, S(2, 3));
    assert_values(ppl_slice(t, 1, 1, 3), 0, 2, 3, 5, 6);
    assert_shape(ppl_slice(t, 1, 2, 2), 2, 0);
    assert_values(ppl_transpose(t, 0, 1), 0, 1, 4, 2, 5, 3, 6);
    assert_values(ppl_transpose(counted(c, S(2, 1, 2, 2)), 0, 2), 0, 1, 2, 5, 6, 3, 4, 7,
                  8);
    assert_values(ppl_transpose(ppl_reshape(integers(c, 1, 2, 3, 4), S(2, 2)), 0, -1), 0,
                  1, 3, 2, 4);
    ck_assert_ptr_eq(ppl_transpose(t, 1, -1), t);
    assert_values(ppl_expand(numbers(c, 1, 2), S(2, 2)), 0, 1, 2, 1, 2);
    assert_values(ppl_expand(integers(c, 3), S(3)), 0, 3, 3, 3);
    ck_assert_ptr_eq(ppl_expand(t, S(2, 3)), t);
    ppl_tensor *two[] = { t, ppl_neg(t) };
    assert_shape(ppl_concat(two, 2, 0), 4, 3);
    assert_values(ppl_concat(two, 2, 1), 0, 1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6);
    assert_shape(ppl_stack(two, 2, 0), 2, 2, 3);
    assert_values(ppl_stack(two, 2, -1), 0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6);
    assert_values(ppl_index_select(t, 1, integers(c, 2, 2, 0)), 0, 3, 3, 1, 6, 6, 4);
    assert_values(ppl_gather_last(t, integers(c, 2, 0)), 0, 3, 4);
    ck_assert_double_eq(
        ppl_item(ppl_gather_last(ppl_row(t, 1), ppl_row(integers(c, 1), 0))), 5);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(shape_errors)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *t = counted(c, S(2, 3));
    assert_fails(
        c, ppl_expand(t, S(2, 4)), PPL_ESHAPE,
        "expand: shape [2,3] does not stretch to [2,4]; from the last axis on, "
        "dimensions must be equal or 1");
    assert_fails(c, ppl_expand(t, S(3)), PPL_ESHAPE, "expand: shape [2,3] does not "
                 "stretch to [3]; from the last axis on, dimensions must be equal or 1");
    assert_fails(c, ppl_expand(t, S(-1, 3)), PPL_ESHAPE,
                 "expand: shape [-1,3]: dimensions are 0 or more");
    assert_fails(
        c, ppl_concat((ppl_tensor *[]){ t, numbers(c, 1) }, 2, 0), PPL_ESHAPE,
        "concat: input 0 has shape [2,3], input 1 [1]; they must agree but for the axis "
        "joined");
    assert_fails(
        c, ppl_concat((ppl_tensor *[]){ t, integers(c, 1) }, 2, 5), PPL_ESHAPE,
        "concat: shape [2,3] has no axis 5; axes are 0 to 1, or -1 to -2 from the end");
    assert_fails(c, ppl_stack((ppl_tensor *[]){ t, numbers(c, 1) }, 2, 0), PPL_ESHAPE,
                 "stack: input 0 has shape [2,3], input 1 [1]; they must agree");
    assert_fails(c, ppl_stack((ppl_tensor *[]){ numbers(c, 1), integers(c, 1) }, 2, 0),
                 PPL_EDTYPE, _i == 0
                 ? "stack: input 1 is integers where f32 must be; ppl_to_float converts"
                 : "stack: input 1 is integers where f64 must be; ppl_to_float converts");
    ppl_tensor *most = ppl_full(c, S(1, 1, 1, 1, 1, 1, 1, 1), 0);
    assert_fails(c, ppl_stack(&most, 1, 0), PPL_ESHAPE,
                 "stack: the inputs have rank 8, the most there is; ppl_concat joins "
                 "along an axis they have");
    ck_assert_ptr_null(ppl_concat(NULL, 0, 0));
    assert_fails(c, ppl_index_select(t, -1, integers(c, 0, 3)), PPL_EINVAL,
                 "index_select: index 3 at position 1, but axis 1 has 3 elements");
    assert_fails(c, ppl_index_select(t, 0, integers(c, -1)), PPL_EINVAL,
                 "index_select: index -1 at position 0, but axis 0 has 2 elements");
    assert_fails(
        c, ppl_index_select(t, 0, t), PPL_EDTYPE,
        _i == 0
            ? "index_select: input 1 is f32 where integers must be; ppl_from_integers "
              "makes them"
            : "index_select: input 1 is f64 where integers must be; ppl_from_integers "
              "makes them");
    assert_fails(c, ppl_gather_last(t, integers(c, 1, 2, 0)), PPL_ESHAPE,
                 "gather_last: indices [3] do not fit shape [2,3]; t [..,K] needs index "
                 "[..]");
    assert_fails(c, ppl_gather_last(t, integers(c, 1, 3)), PPL_EINVAL,
                 "gather_last: index 3 at position 1, but axis 1 has 3 elements");
    assert_fails(c, ppl_transpose(t, 0, 2), PPL_ESHAPE,
                 "transpose: shape [2,3] has no axis 2; axes are 0 to 1, or -1 to -2 "
                 "from the end");
    ppl_ctx_free(c);
}
END_TEST

/* ---- Provenance -------------------------------------------------------------------- */

static int depends(const ppl_tensor *t, const ppl_tensor *site)
{
    int id = ppl_sites_next(ppl_tensor_sites(site), 0);
    ck_assert_int_ge(id, 0);
    return ppl_sites_has(ppl_tensor_sites(t), id);
}

static void two_latents(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *zero = ppl_scalar(c, 0), *one = numbers(c, 1, 1);
    ppl_tensor *a = ppl_sample(c, "a", ppl_normal(zero, one));
    ppl_tensor *b = ppl_sample(c, "b", ppl_normal(zero, one));
    ppl_tensor *of_a[] = { ppl_exp(a), ppl_add(one, a), ppl_row(a, 0), ppl_detach(a),
                           ppl_less(a, zero), ppl_where(ppl_less(a, zero), one, zero) };
    for (int k = 0; k < COUNT_OF(of_a); k++)
        ck_assert(depends(of_a[k], a) && !depends(of_a[k], b));
    ppl_tensor *both = ppl_concat((ppl_tensor *[]){ one, a, ppl_neg(b) }, 3, 0);
    ck_assert(depends(both, a) && depends(both, b));
    ck_assert(!depends(ppl_add(one, zero), a));
}

START_TEST(provenance_is_the_union_of_the_inputs)
{
    ppl_ctx *c = context(_i);
    ck_assert_int_eq(ppl_run(c, two_latents, NULL, NULL), PPL_OK);
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        elementwise_values, elementwise_gradients, gradients, zero_adjoints_stay_zero,
        masked_rows_stay_out_of_weights, broadcasting, numbers_and_kinks, masks,
        reductions, products, shapes, shape_errors, provenance_is_the_union_of_the_inputs,
        NULL
    };
    return run_tests("ops", tests);
}
