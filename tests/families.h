/* SPDX-License-Identifier: MIT */
/*
 * families.h - the table of families that the tests of distributions and of KL go by. A
 * family of kiln/distributions.h without a row here fails test_distributions.
 */
#ifndef KILN_TESTS_FAMILIES_H
#define KILN_TESTS_FAMILIES_H

#include <kiln/distributions.h>

#include "statistics.h"

enum { MOST_PARAMS = 8, MOST_POINTS = 4 };

typedef struct family_row {
    const ppl_family *family;
    const char *golden;                 /* its key in the golden files */
    ppl_dist *(*make)(ppl_tensor *const *params);
    double (*cdf)(double x, const double *params);      /* NULL: discrete, or a delta */
    int weights;                        /* 0, or a point is one tensor [weights] */
    double point[MOST_POINTS][MOST_PARAMS];     /* ordinary parameters; all 0 ends them */
    double beyond[2];                   /* values outside the support; NaN: none */
} family_row;

#define MAKE_1(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p) { return ppl_##name(p[0]); }
#define MAKE_2(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p)                            \
    {                                                                                    \
        return ppl_##name(p[0], p[1]);                                                   \
    }
MAKE_2(normal)
MAKE_1(bernoulli)
MAKE_1(bernoulli_logits)
MAKE_1(categorical)
MAKE_1(categorical_logits)
MAKE_2(gamma)
MAKE_2(beta)
MAKE_1(exponential)

static inline ppl_dist *make_delta(ppl_tensor *const *p)
{
    return ppl_delta(p[0], p[1], 0);
}

static inline double normal_cdf(double x, const double *p)
{
    return erfc((p[0] - x) / p[1] / sqrt(2)) / 2;
}

static inline double gamma_cdf(double x, const double *p)
{
    return gamma_p(p[0], p[1] * x);
}

static inline double beta_cdf(double x, const double *p)
{
    return beta_i(p[0], p[1], x);
}

static inline double exponential_cdf(double x, const double *p)
{
    return -expm1(-p[0] * x);
}

static const family_row families[] = {
    { &ppl_family_normal, "normal", make_normal, normal_cdf, 0,
      { { 0, 1 }, { -3, 0.25 }, { 100, 50 } }, { NAN, NAN } },
    { &ppl_family_bernoulli, "bernoulli_probs", make_bernoulli, NULL, 0,
      { { 0.03125 }, { 0.75 }, { 0.5 } }, { NAN, NAN } },
    { &ppl_family_bernoulli_logits, "bernoulli_logits", make_bernoulli_logits, NULL, 0,
      { { -3 }, { 0.25 }, { 2.5 } }, { NAN, NAN } },
    { &ppl_family_categorical, "categorical_probs", make_categorical, NULL, 4,
      { { 0.125, 0.25, 0.5, 0.125 }, { 3, 0, 1, 8 } }, { -1, 4 } },
    { &ppl_family_categorical_logits, "categorical_logits", make_categorical_logits, NULL,
      4, { { 0.5, -1, 2, 0 }, { 100, 101, 98, 99 } }, { -1, 4 } },
    { &ppl_family_gamma, "gamma", make_gamma, gamma_cdf, 0,
      { { 0.125, 1 }, { 1, 3 }, { 2.5, 0.5 }, { 300, 7 } }, { -1, -1e30 } },
    { &ppl_family_beta, "beta", make_beta, beta_cdf, 0,
      { { 0.5, 0.375 }, { 2, 5 }, { 30, 3 }, { 1, 1 } }, { -0.5, 1.5 } },
    { &ppl_family_exponential, "exponential", make_exponential, exponential_cdf, 0,
      { { 0.25 }, { 4 } }, { -1, -1e30 } },
    { &ppl_family_delta, "delta", make_delta, NULL, 0, { { 1.5, 0.25 }, { -2, 0.5 } },
      { 1, -2.5 } },
};

enum { FAMILIES = sizeof families / sizeof *families };

static inline int has_point(const family_row *row, int i)
{
    int any = 0;
    for (int k = 0; i < MOST_POINTS && k < MOST_PARAMS; k++)
        any |= row->point[i][k] < 0 || row->point[i][k] > 0;
    return any;
}

/* The parameters of one member as tensors: constants, or variables. */
static inline void make_params(ppl_ctx *c, const family_row *row, const double *values,
                               int count, int variable, ppl_tensor **params)
{
    if (row->weights) {
        ppl_shape shape = PPL_SHAPE(count);
        params[0] = variable ? ppl_variable(c, shape, values)
                             : ppl_from_doubles(c, shape, values);
        return;
    }
    for (int i = 0; i < row->family->params; i++)
        params[i] = variable ? ppl_variable(c, PPL_SCALAR, values + i)
                             : ppl_scalar(c, values[i]);
}

static inline ppl_dist *make_member(ppl_ctx *c, const family_row *row,
                                    const double *values)
{
    ppl_tensor *params[PPL_MAX_PARAMS];
    make_params(c, row, values, row->weights, 0, params);
    return row->make(params);
}

/* A value of the family's dtype. */
static inline ppl_tensor *make_values(ppl_ctx *c, const family_row *row, ppl_shape shape,
                                      const double *values)
{
    int64_t integers[256] = { 0 };
    if (row->family->value_dtype != PPL_I64)
        return ppl_from_doubles(c, shape, values);
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    for (int i = 0; i < n; i++)
        integers[i] = (int64_t)values[i];
    return ppl_from_integers(c, shape, integers);
}

#endif
