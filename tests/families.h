/* SPDX-License-Identifier: MIT */
/*
 * families.h - the table of families of one number that the tests of distributions and of
 * KL go by; the rows stand in families/<header>.inc. A family of kiln/continuous.h,
 * discrete.h, constructed.h or relaxed.h without a row fails test_distributions. A family that is
 * made of others may have several rows, each with its own maker and golden file.
 */
#ifndef KILN_TESTS_FAMILIES_H
#define KILN_TESTS_FAMILIES_H

#include <kiln/distributions.h>

#include "statistics.h"

#include <check.h>

enum { MOST_PARAMS = 8, MOST_POINTS = 4 };

typedef struct family_row {
    const ppl_family *family;
    const char *golden;                 /* its key in the golden files */
    ppl_dist *(*make)(ppl_tensor *const *params);
    double (*cdf)(double x, const double *params);      /* NULL: ask the family, if it has
                                                           one and is not discrete */
    int weights;                        /* 0, or a point is one tensor [weights] */
    double point[MOST_POINTS][MOST_PARAMS];     /* ordinary parameters; all 0 ends them */
    double beyond[2];                   /* values outside the support; NaN: none */
    unsigned heavy;                     /* bit i: at point i there is no 8th moment, or what
                                           counts is too rare (a fold in 160,000 draws),
                                           and moments of draws are not compared */
    int params;                         /* of `make`; 0: as many as the family has */
    unsigned integers;                  /* which of those are; params 0: the family says */
    int composed;                       /* made of other families' functions, each of
                                           which is rounded: draws in float are near those
                                           in double, not the same rounded */
    int counts;                         /* its values are counts; its kind's need not be */
    int slow;                           /* quantiles are a search with integrals: how draws
                                           move is left to the family's own test, and how
                                           the entropy does */
} family_row;

static const ppl_rng test_rng = { { 0x12345678, 0x9abcdef0 } };

#define MAKE_1(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p) { return ppl_##name(p[0]); }
#define MAKE_2(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p)                            \
    {                                                                                    \
        return ppl_##name(p[0], p[1]);                                                   \
    }
#define MAKE_3(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p)                            \
    {                                                                                    \
        return ppl_##name(p[0], p[1], p[2]);                                             \
    }
#define MAKE_4(name)                                                                     \
    static inline ppl_dist *make_##name(ppl_tensor *const *p)                            \
    {                                                                                    \
        return ppl_##name(p[0], p[1], p[2], p[3]);                                       \
    }
#include "families/makers.h"

/* A row: the maker and the golden files have the family's name. */
#define FAMILY(name, ...)                                                                \
    { .family = &ppl_family_##name, .golden = #name, .make = make_##name, __VA_ARGS__ }

/* A row of a family made of others, by a maker and golden files of its own. */
#define MADE(kind, name, count, ...)                                                     \
    { .family = &ppl_family_##kind, .golden = #name, .make = make_##name,                \
      .params = count, .composed = 1, __VA_ARGS__ }

static const family_row families[] = {
#include "families/constructed.inc"
#include "families/continuous.inc"
#include "families/discrete.inc"
#include "families/relaxed.inc"
};

enum { FAMILIES = sizeof families / sizeof *families };

static inline int differentiable(const family_row *row)
{
    return !row->counts && !(row->family->flags & PPL_DISCRETE);
}

/* Whether its cdf has steps, though it is not of integers. */
static inline int has_atoms(const family_row *row)
{
    return (row->family->flags & PPL_ATOMS) != 0;
}

static inline int has_whole_values(const family_row *row)
{
    return row->counts || row->family->value_dtype == PPL_I64;
}

/* How many arguments `make` takes. */
static inline int param_count(const family_row *row)
{
    return row->params ? row->params : row->family->params;
}

/* Whether parameter i is a count: it has no gradient. */
static inline int is_integer(const family_row *row, int i)
{
    return row->params ? (int)(row->integers >> i & 1)
                       : row->family->param_dtype[i] == PPL_I64;
}

static inline int has_point(const family_row *row, int i)
{
    int any = 0;
    for (int k = 0; i < MOST_POINTS && k < MOST_PARAMS; k++)
        any |= row->point[i][k] < 0 || row->point[i][k] > 0;
    return any;
}

/* Parameter i as a tensor: a constant, or a variable; of integers where it is a count and
 * they can hold it. */
static inline ppl_tensor *make_param(ppl_ctx *c, const family_row *row, int i,
                                     ppl_shape shape, const double *values, int variable)
{
    int64_t whole[16], n = 1;
    int integers = is_integer(row, i);
    for (int a = 0; a < shape.rank; a++)
        n *= shape.dim[a];
    for (int64_t k = 0; integers && k < n; k++) {
        integers = k < 16 && fabs(values[k]) < 0x1p62;
        if (integers)
            whole[k] = (int64_t)values[k];
    }
    if (integers)
        return ppl_from_integers(c, shape, whole);
    return variable ? ppl_variable(c, shape, values) : ppl_from_doubles(c, shape, values);
}

/* The parameters of one member. */
static inline void make_params(ppl_ctx *c, const family_row *row, const double *values,
                               int count, int variable, ppl_tensor **params)
{
    for (int i = 0; i < (row->weights ? 1 : param_count(row)); i++)
        params[i] = make_param(c, row, i, row->weights ? PPL_SHAPE(count) : PPL_SCALAR,
                               values + i, variable);
}

static inline ppl_dist *make_member(ppl_ctx *c, const family_row *row,
                                    const double *values)
{
    ppl_tensor *params[PPL_MAX_PARAMS];
    make_params(c, row, values, row->weights, 0, params);
    return row->make(params);
}

/* NaN is "not defined" in golden files, and not compared. */
static inline void assert_near(const char *family, int record, const char *what, double x,
                               double expected, double relative, double absolute)
{
    int same = x == expected || isnan(expected) ||
               fabs(x - expected) <= relative * fabs(expected) + absolute;
    ck_assert_msg(same, "%s, record %d: %s is %.17g, not %.17g", family, record, what, x,
                  expected);
}

/* What reached the leaves of a member of `count` parameters; NaN for counts. */
static inline void read_gradients(const family_row *row, ppl_tensor *const *leaf,
                                  int count, double *out)
{
    if (row->weights)
        ppl_read(ppl_grad(leaf[0]), out, count);
    for (int i = 0; i < count && !row->weights; i++)
        out[i] = is_integer(row, i) ? (double)NAN : ppl_item(ppl_grad(leaf[i]));
}

/* Rounds to float; 0 if that makes another kind of number of it. */
static inline int round_to_float(double *x, int count)
{
    for (int i = 0; i < count; i++) {
        double rounded = (double)(float)x[i];
        if ((rounded == 0) != (x[i] == 0) || (rounded == 1) != (x[i] == 1) ||
            isinf(rounded) != isinf(x[i]))
            return 0;
        x[i] = rounded;
    }
    return 1;
}

/* The same of parameters and a value: counts stay as they are. */
static inline int round_member(const family_row *row, double *params, int count,
                               double *value)
{
    int kept = 1;
    for (int i = 0; i < count; i++)
        kept &= (!row->weights && is_integer(row, i)) || round_to_float(&params[i], 1);
    return kept && (!value || has_whole_values(row) || round_to_float(value, 1));
}

/* A value of the family's dtype. */
static inline ppl_tensor *make_values(ppl_ctx *c, const family_row *row, ppl_shape shape,
                                      const double *values)
{
    int64_t integers[256] = { 0 };
    if (!has_whole_values(row))
        return ppl_from_doubles(c, shape, values);
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++)
        n *= shape.dim[i];
    for (int i = 0; i < n; i++)
        integers[i] = (int64_t)values[i];
    return ppl_from_integers(c, shape, integers);
}

#endif
