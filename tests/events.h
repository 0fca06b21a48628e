/* SPDX-License-Identifier: MIT */
/*
 * events.h - the table of families of vectors and matrices that test_multivariate goes
 * by; the rows stand in families/multivariate.inc and categories.inc. A family of
 * kiln/multivariate.h or hmm.h without a row fails there; one of another header has its
 * row either here or in families.h.
 *
 * What is known of a family lies in golden/distributions/<golden>.json: records, and
 * points: ordinary parameters of one shape to sample at (golden/event_table.py).
 */
#ifndef KILN_TESTS_EVENTS_H
#define KILN_TESTS_EVENTS_H

#include <kiln/distributions.h>
#include <kiln/matrix.h>

#include "golden_json.h"
#include "statistics.h"

enum { MOST_ELEMENTS = 900, EVENT_PARAMS = 8, EVENT_POINTS = 4, EVENT_ATTRS = 4 };

/* A parameter or a value: a number, a vector or a matrix. */
typedef struct event {
    ppl_shape shape;
    int n;                              /* elements */
    double x[MOST_ELEMENTS];
} event;

/* What a family makes a distribution of. */
typedef struct member {
    int params;
    event param[EVENT_PARAMS];
    double attr[EVENT_ATTRS];           /* numbers beside the parameters: sizes, counts */
} member;

typedef struct event_row {
    const ppl_family *family;
    const char *golden;                 /* its key in the golden files */
    ppl_dist *(*make)(ppl_tensor *const *params, const double *attr);
    /* How each parameter, then the value, may move: 'f' freely, 'l' on and below the
     * diagonal, 's' symmetrically; '-' not at all in a log_prob, which would jump, 'n' not
     * at all. */
    const char *moves;
    /* A number made of a draw, and its distribution function; or NULL. A cdf alone is that
     * of each element, less its mean and over its deviation. */
    double (*statistic)(const double *x, const member *m);
    double (*cdf)(double s, const member *m);
    /* Of integers (or 0 and 1): how element k of a draw is distributed. */
    ppl_dist *(*marginal)(ppl_ctx *c, const member *m, int k);
} event_row;

#include "families/multivariate.h"
#include "families/categories.h"

static const event_row event_rows[] = {
#include "families/categories.inc"
#include "families/multivariate.inc"
};

enum { EVENT_ROWS = sizeof event_rows / sizeof *event_rows };

/* 1 if the family of this name has a row, or cannot have one: nothing can be drawn from an
 * improper_uniform (test_constructed.c). */
static inline int has_event_row(const char *name)
{
    int has = strcmp(name, "improper_uniform") == 0;
    for (int i = 0; i < EVENT_ROWS; i++)
        has |= strcmp(event_rows[i].family->name, name) == 0;
    return has;
}

/* ---- Reading ----------------------------------------------------------------------- */

static inline void read_nested(const json_t *value, int depth, event *e)
{
    if (!json_is_array(value)) {
        ck_assert_int_lt(e->n, MOST_ELEMENTS);
        e->x[e->n++] = golden_number(value);
        return;
    }
    ck_assert_int_lt(depth, PPL_MAX_RANK);
    e->shape.rank = e->shape.rank > depth ? e->shape.rank : depth + 1;
    e->shape.dim[depth] = (int64_t)json_array_size(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        read_nested(json_array_get(value, i), depth + 1, e);
}

/* record[key]; n is 0 if there is no such key. */
static inline event golden_event(const json_t *record, const char *key)
{
    const json_t *value = json_object_get(record, key);
    event e = { .n = 0 };
    if (value)
        read_nested(value, 0, &e);
    return e;
}

/* The list of parameters under `key`, and the attr, if any. */
static inline member golden_member(const json_t *record, const char *key)
{
    const json_t *list = json_object_get(record, key);
    member m = { .params = (int)json_array_size(list) };
    ck_assert_int_le(m.params, EVENT_PARAMS);
    for (int i = 0; i < m.params; i++)
        read_nested(json_array_get(list, (size_t)i), 0, &m.param[i]);
    golden_numbers(record, "attr", m.attr, EVENT_ATTRS);
    return m;
}

/* ---- Making ------------------------------------------------------------------------ */

/* `count` copies of e along a new first axis; count 0: e itself. */
static inline ppl_tensor *event_tensor(ppl_ctx *c, const event *e, int count,
                                       int variable)
{
    const int copies = count > 0 ? count : 1;
    ppl_shape shape = e->shape;
    double *x = malloc((size_t)(copies * e->n + 1) * sizeof *x);
    if (count > 0) {
        shape.dim[0] = count;
        for (int a = 0; a < e->shape.rank; a++)
            shape.dim[a + 1] = e->shape.dim[a];
        shape.rank++;
    }
    for (int i = 0; i < copies; i++)
        memcpy(x + i * e->n, e->x, (size_t)e->n * sizeof *x);
    ppl_tensor *t = variable ? ppl_variable(c, shape, x) : ppl_from_doubles(c, shape, x);
    free(x);
    return t;
}

static inline ppl_dist *make_event_member(ppl_ctx *c, const event_row *row,
                                          const member *m, int count, int variable,
                                          ppl_tensor **leaf)
{
    for (int i = 0; i < m->params; i++)
        leaf[i] = event_tensor(c, &m->param[i], count, variable);
    return row->make(leaf, m->attr);
}

/* A value of the family's dtype. */
static inline ppl_tensor *make_event_values(ppl_ctx *c, const event_row *row,
                                            ppl_shape shape, const double *x)
{
    int64_t n = 1;
    if (row->family->value_dtype != PPL_I64)
        return ppl_from_doubles(c, shape, x);
    for (int a = 0; a < shape.rank; a++)
        n *= shape.dim[a];
    int64_t *integers = malloc((size_t)(n + 1) * sizeof *integers);
    for (int64_t i = 0; i < n; i++)
        integers[i] = (int64_t)x[i];
    ppl_tensor *t = ppl_from_integers(c, shape, integers);
    free(integers);
    return t;
}

#endif
