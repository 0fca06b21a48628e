/* SPDX-License-Identifier: MIT */
/*
 * kiln/constraint.h - which values a parameter or a distribution's support admits, and
 * smooth maps between them and all real numbers.
 */
#ifndef KILN_CONSTRAINT_H
#define KILN_CONSTRAINT_H

#include <kiln/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ppl_constraint;

/* A smooth map from all real numbers onto the values of a constraint, and back. An event
 * is one value: the last axes of its tensor. */
typedef struct ppl_constraint_map {
    ppl_tensor *(*to_constrained)(const struct ppl_constraint *self, ppl_tensor *t);
    ppl_tensor *(*from_constrained)(const struct ppl_constraint *self, ppl_tensor *t);
    /* At unconstrained t, in nats, one number for each event: log |det d y / d t|, y being
     * as many of the value's elements as determine it (all but the last of a simplex, a
     * triangle of a symmetric matrix). NULL: the map is no bijection. */
    ppl_tensor *(*log_abs_det)(const struct ppl_constraint *self, ppl_tensor *t);
    /* NULL: unconstrained elements have the value's shape. Else turns a value's shape,
     * batch axes and all, into theirs ([5,K] into [5,K-1]); 0 if no value has it. */
    int (*shape)(const struct ppl_constraint *self, ppl_shape *shape);
} ppl_constraint_map;

/* A kind of constraint: a const row. */
typedef struct ppl_constraint_type {
    const char *name;                   /* "positive" */
    const char *must;                   /* what a value must be, for error texts: "greater
                                           than {lower}"; NULL: its name says it */
    int event_dim;                      /* axes of one value: 1 for a simplex, ... */
    /* 1 if an event of this shape satisfies it. `value` is a copy that it may change. */
    int (*check)(const struct ppl_constraint *self, double *value,
                 const ppl_shape *event);
    /* For optimisers, and for what needs each value to have one source (MCMC, changes of
     * variables). NULL: there is none, as for integers; such a parameter is refused. */
    const ppl_constraint_map *optimise, *bijection;
} ppl_constraint_type;

typedef struct ppl_constraint {
    const ppl_constraint_type *type;
    double lower, upper;                /* bounds, where the type has any */
    const struct ppl_constraint_parts *parts;   /* of one made of others, else NULL */
} ppl_constraint;

/* How many axes one value has, and its unconstrained elements; the maps, NULL where there
 * is none. (A row's own fields do not tell of the parts of a constraint made of others.) */
PPL_API int ppl_constraint_event_dim(const ppl_constraint *k);
PPL_API int ppl_constraint_unconstrained_dim(const ppl_constraint *k);
PPL_API const ppl_constraint_map *ppl_constraint_optimise(const ppl_constraint *k);
PPL_API const ppl_constraint_map *ppl_constraint_bijection(const ppl_constraint *k);
/* "greater than 2", "lower triangular with a positive diagonal", into a buffer; returns
 * it. What a value must be, for error texts. */
#define PPL_CONSTRAINT_TEXT 192
PPL_API const char *ppl_constraint_text(const ppl_constraint *k,
                                        char buffer[PPL_CONSTRAINT_TEXT]);

/* Numbers. The maps: exp of the distance from a bound, sigmoid between two. */
PPL_API extern const ppl_constraint ppl_constraint_real;             /* finite numbers */
PPL_API extern const ppl_constraint ppl_constraint_positive;
PPL_API extern const ppl_constraint ppl_constraint_softplus_positive;    /* softplus */
PPL_API extern const ppl_constraint ppl_constraint_nonnegative;      /* 0 too */
PPL_API extern const ppl_constraint ppl_constraint_unit_interval;    /* 0 and 1 too */
PPL_API extern const ppl_constraint ppl_constraint_open_unit_interval;   /* neither */
PPL_API ppl_constraint ppl_interval(double lower, double upper);     /* both included */
PPL_API ppl_constraint ppl_open_interval(double lower, double upper);    /* neither */
PPL_API ppl_constraint ppl_half_open_interval(double lower, double upper); /* not upper */
PPL_API ppl_constraint ppl_greater_than(double lower);
PPL_API ppl_constraint ppl_greater_than_eq(double lower);
PPL_API ppl_constraint ppl_less_than(double upper);

/* Integers, in tensors of either kind; no maps. */
PPL_API extern const ppl_constraint ppl_constraint_boolean;          /* 0 or 1 */
PPL_API extern const ppl_constraint ppl_constraint_integer;
PPL_API extern const ppl_constraint ppl_constraint_nonnegative_integer;
PPL_API extern const ppl_constraint ppl_constraint_positive_integer;
PPL_API ppl_constraint ppl_integer_interval(int64_t lower, int64_t upper); /* both too */

/* Vectors: the last axis is one value. */
PPL_API extern const ppl_constraint ppl_constraint_real_vector;
/* Nonnegative, with sum 1. Optimised by softmax [K]; bijection: stick-breaking, [K-1]. */
PPL_API extern const ppl_constraint ppl_constraint_simplex;
/* Never decreasing; the first element, then logarithms of the steps. */
PPL_API extern const ppl_constraint ppl_constraint_ordered_vector;
PPL_API extern const ppl_constraint ppl_constraint_positive_ordered_vector;  /* its exp */
/* Of length 1; t / |t|, which is no bijection (0 goes where (1, 1, ..) does). */
PPL_API extern const ppl_constraint ppl_constraint_sphere;
PPL_API extern const ppl_constraint ppl_constraint_one_hot;          /* no maps */
/* Nonnegative integers with this sum; no maps. */
PPL_API ppl_constraint ppl_multinomial_counts(int64_t total);

/* Square matrices [n,n]: the last two axes are one value. Unconstrained is a vector: the
 * elements below the diagonal, row by row, then those of the diagonal, [n(n+1)/2]; of
 * unit_lower_cholesky and the correlations only the former, [n(n-1)/2]. */
PPL_API extern const ppl_constraint ppl_constraint_square;           /* [n,n] as it is */
PPL_API extern const ppl_constraint ppl_constraint_lower_triangular;
PPL_API extern const ppl_constraint ppl_constraint_symmetric;
/* Lower triangular with a positive diagonal, by exp or softplus; or with ones on it. */
PPL_API extern const ppl_constraint ppl_constraint_lower_cholesky;
PPL_API extern const ppl_constraint ppl_constraint_softplus_lower_cholesky;
PPL_API extern const ppl_constraint ppl_constraint_unit_lower_cholesky;
/* L L^T of such an L. */
PPL_API extern const ppl_constraint ppl_constraint_positive_definite;
PPL_API extern const ppl_constraint ppl_constraint_positive_semidefinite;
/* L with rows of length 1 (tanh of partial correlations; Lewandowski, Kurowicka and Joe
 * 2009), and L L^T: a correlation matrix. */
PPL_API extern const ppl_constraint ppl_constraint_corr_cholesky;
PPL_API extern const ppl_constraint ppl_constraint_corr_matrix;

#define PPL_REAL ppl_constraint_real
#define PPL_POSITIVE ppl_constraint_positive
#define PPL_SOFTPLUS_POSITIVE ppl_constraint_softplus_positive
#define PPL_NONNEGATIVE ppl_constraint_nonnegative
#define PPL_UNIT_INTERVAL ppl_constraint_unit_interval
#define PPL_SIMPLEX ppl_constraint_simplex
#define PPL_ORDERED_VECTOR ppl_constraint_ordered_vector
#define PPL_LOWER_CHOLESKY ppl_constraint_lower_cholesky
#define PPL_POSITIVE_DEFINITE ppl_constraint_positive_definite
#define PPL_CORR_CHOLESKY ppl_constraint_corr_cholesky

/* Made of other constraints; kept by the context, and the same for the same parts. On
 * error, with the error recorded, their type is NULL. */
/* The last `axes` batch axes of the values become part of one value. */
PPL_API ppl_constraint ppl_constraint_independent(ppl_ctx *c, ppl_constraint part,
                                                  int axes);
/* Values joined along their axis `axis` (negative: from the end), which becomes the first
 * axis of one value: length[i] elements under part i. The axes of a part may lie behind
 * it, but not before: simplexes are joined along -1 into one vector, or along -2. */
PPL_API ppl_constraint ppl_constraint_cat(ppl_ctx *c, const ppl_constraint *part,
                                          const int64_t *length, int count, int axis);
/* The same of one row for each part, without the axis: all parts of one event_dim, which
 * is -1 - axis. */
PPL_API ppl_constraint ppl_constraint_stack(ppl_ctx *c, const ppl_constraint *part,
                                            int count);

#ifdef __cplusplus
}
#endif
#endif
