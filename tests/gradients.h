/* SPDX-License-Identifier: MIT */
/*
 * gradients.h - gradients of operations compared with central differences of fourth
 * order, taken in double at points that float holds exactly: to 1e-7 for f64, to float's
 * own roundings for f32.
 */
#ifndef KILN_TESTS_GRADIENTS_H
#define KILN_TESTS_GRADIENTS_H

#include "tensors.h"

#define MOST_INPUTS 4
#define MOST_ELEMENTS 128

/* A function of `inputs` tensors with elements between low and high. */
typedef struct grad_case {
    const char *name;
    ppl_tensor *(*build)(ppl_tensor *const *in, const struct grad_case *g);
    int inputs;
    ppl_shape shape[MOST_INPUTS];
    double low, high;
    int number;                     /* an axis, an activation, ... */
    const void *row;                /* of the elementwise ones */
} grad_case;

typedef double points[MOST_INPUTS][MOST_ELEMENTS];

/* The i-th number between 0 and 1 of a sequence that fills the interval evenly. */
static inline double even(int i)
{
    return fmod(0.5 + 0.6180339887498949 * (i + 1), 1);
}

static inline int64_t elements(ppl_shape shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    ck_assert_int_le(n, MOST_ELEMENTS);
    return n;
}

/* sum_k weight_k y_k, with weights that tell the elements apart; some are zero. */
static inline double weight(int k)
{
    return k % 7 == 3 ? 0 : 0.5 + even(3 * k);
}

static inline double loss(ppl_ctx *c, const grad_case *g, points x)
{
    double y[MOST_ELEMENTS], sum = 0;
    ppl_tensor *in[MOST_INPUTS];
    ppl_epoch epoch = ppl_epoch_begin(c);
    for (int i = 0; i < g->inputs; i++)
        in[i] = ppl_from_doubles(c, g->shape[i], x[i]);
    int64_t n = ppl_read(g->build(in, g), y, MOST_ELEMENTS);
    for (int k = 0; k < n; k++)
        sum += weight(k) * y[k];
    ppl_epoch_end(c, epoch);
    return sum;
}

/* d loss / d x[i][k], by differences. */
static inline double slope(ppl_ctx *c, const grad_case *g, points x, int i, int64_t k)
{
    const double h = 1e-3, at = x[i][k];
    double value[4];
    for (int s = 0; s < 4; s++) {
        x[i][k] = at + h * (double[]){ -2, -1, 1, 2 }[s];
        value[s] = loss(c, g, x);
    }
    x[i][k] = at;
    return (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * h);
}

/* A variable for every input, at points that differ by input and element. */
static inline void make_inputs(ppl_ctx *c, const grad_case *g, points x, ppl_tensor **in)
{
    for (int i = 0; i < g->inputs; i++) {
        for (int k = 0; k < elements(g->shape[i]); k++)
            x[i][k] = (float)(g->low + (g->high - g->low) * even(k + 31 * i));
        in[i] = ppl_variable(c, g->shape[i], x[i]);
    }
}

/* Compares the gradient by every input, in a context of dtype _i, with differences. */
static inline void check_gradient(int dtype, const grad_case *g)
{
    ppl_ctx *c = context(dtype), *exact = context(1);
    points x;
    ppl_tensor *in[MOST_INPUTS];
    make_inputs(c, g, x, in);
    ppl_tensor *y = g->build(in, g);
    ck_assert_msg(y != NULL, "%s: %s", g->name, ppl_error_text(c));
    double seed[MOST_ELEMENTS];
    for (int k = 0; k < elements(ppl_tensor_shape(y)); k++)
        seed[k] = weight(k);
    ppl_tensor *seeds = ppl_from_doubles(c, ppl_tensor_shape(y), seed);
    ck_assert_int_eq(ppl_backward_from(&y, &seeds, 1), PPL_OK);
    for (int i = 0; i < g->inputs; i++) {
        double grad[MOST_ELEMENTS];
        int64_t n = ppl_read(ppl_grad(in[i]), grad, MOST_ELEMENTS);
        ck_assert_int_eq(n, elements(g->shape[i]));
        for (int64_t k = 0; k < n; k++) {
            double expected = slope(exact, g, x, i, k);
            ck_assert_msg(is_near(grad[k], expected, dtype == 0 ? 2e-5 : 1e-7),
                          "%s: gradient of element %d of input %d is %.12g, not %.12g",
                          g->name, (int)k, i, grad[k], expected);
        }
    }
    ck_assert_msg(ppl_ok(c) && ppl_ok(exact), "%s", ppl_error_text(c));
    ppl_ctx_free(exact);
    ppl_ctx_free(c);
}

/* ---- Cases ------------------------------------------------------------------------- */

#define BUILD(name, expression)                                                          \
    static ppl_tensor *build_##name(ppl_tensor *const *in, const grad_case *g)           \
    {                                                                                    \
        (void)g;                                                                         \
        return expression;                                                               \
    }

/* name, between, number, inputs, shapes */
#define CASE(name, low, high, number, inputs, ...)                                       \
    { #name, build_##name, inputs, { __VA_ARGS__ }, low, high, number, NULL }
#define S PPL_SHAPE

#endif
