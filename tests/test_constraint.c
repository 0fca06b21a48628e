/* SPDX-License-Identifier: MIT */
/*
 * test_constraint.c - which values the constraints admit, their maps to and from all real
 * numbers (inverse to each other, gradients, log |det J| against the determinant of the
 * Jacobian), and what is said of values that violate them.
 */
#include "gradients.h"

#include <kiln/distributions.h>

#include <float.h>

#define INF INFINITY

static int admits(ppl_constraint k, ppl_shape event, const double *value)
{
    double copy[16];
    memcpy(copy, value, (size_t)elements(event) * sizeof *copy);
    return k.type->check(&k, copy, &event);
}

/* ---- Numbers ----------------------------------------------------------------------- */

/* Every constraint of numbers, values inside and outside. NaN ends a list; it is outside
 * of all. */
typedef struct sample {
    const char *name;
    ppl_constraint constraint;
    double inside[6], outside[6];
} sample;

enum { SAMPLES = 18 };

static void make_samples(sample *s)
{
    const double end = NAN;
    const sample all[SAMPLES] = {
        { "real", PPL_REAL, { 0, -1e300, DBL_MAX, end }, { INF, -INF, end } },
        { "positive", PPL_POSITIVE, { 1, 5e-324, 1e300, end }, { 0, -1, INF, end } },
        { "softplus_positive", PPL_SOFTPLUS_POSITIVE, { 1, 1e-9, end },
          { 0, -1, INF, end } },
        { "nonnegative", PPL_NONNEGATIVE, { 0, 1, DBL_MAX, end }, { -1e-300, INF, end } },
        { "interval", PPL_UNIT_INTERVAL, { 0, 0.5, 1, end },
          { -1e-9, 1.0000001, INF, end } },
        { "boolean", ppl_constraint_boolean, { 0, 1, end }, { 0.5, 2, -1, INF, end } },
        { "integer", ppl_constraint_integer, { 0, -7, 1e15, end }, { 0.5, INF, end } },
        { "nonnegative_integer", ppl_constraint_nonnegative_integer, { 0, 1, 1e15, end },
          { 0.5, -1, INF, end } },
        { "positive_integer", ppl_constraint_positive_integer, { 1, 2, 1e15, end },
          { 0, 1.5, -1, INF, end } },
        { "interval", ppl_interval(-2, 3), { -2, 0, 3, end },
          { -2.1, 3.1, INF, -INF, end } },
        { "open_interval", ppl_open_interval(-2, 3), { -1.9999, 0, 2.9999, end },
          { -2, 3, INF, -INF, end } },
        { "half_open_interval", ppl_half_open_interval(-2, 3), { -2, 0, 2.9999, end },
          { -2.1, 3, INF, -INF, end } },
        { "greater_than", ppl_greater_than(2), { 2.1, 1e300, end }, { 2, -5, INF, end } },
        { "greater_than_eq", ppl_greater_than_eq(2), { 2, 1e300, end },
          { 1.9999, -5, INF, end } },
        { "less_than", ppl_less_than(-2), { -2.1, -1e300, end }, { -2, 5, -INF, end } },
        { "integer_interval", ppl_integer_interval(-1, 2), { -1, 0, 2, end },
          { -2, 3, 0.5, INF, end } },
        { "interval", ppl_interval(3, 1), { end }, { 1, 2, 3, 0, end } },
        { "half_open_interval", ppl_half_open_interval(2, 2), { end }, { 1, 2, 3, end } },
    };
    memcpy(s, all, sizeof all);
}

START_TEST(numbers_are_told_apart)
{
    sample s[SAMPLES];
    const double nan = NAN;
    make_samples(s);
    (void)_i;
    for (int i = 0; i < SAMPLES; i++) {
        const ppl_constraint *k = &s[i].constraint;
        ck_assert_str_eq(k->type->name, s[i].name);
        ck_assert_int_eq(ppl_constraint_event_dim(k), 0);
        for (const double *x = s[i].inside; !isnan(*x); x++)
            ck_assert_msg(admits(*k, PPL_SCALAR, x), "%s (%d) refuses %g", s[i].name, i,
                          *x);
        for (const double *x = s[i].outside; !isnan(*x); x++)
            ck_assert_msg(!admits(*k, PPL_SCALAR, x), "%s (%d) admits %g", s[i].name, i,
                          *x);
        ck_assert_msg(!admits(*k, PPL_SCALAR, &nan), "%s admits nan", s[i].name);
    }
}
END_TEST

/* ---- Vectors and matrices ---------------------------------------------------------- */

/* A constraint, the shape of one value, values inside and outside of it. */
typedef struct event_sample {
    const ppl_constraint *constraint;
    ppl_shape event;
    int inside, outside;            /* how many of `value` are, in this order */
    double value[7][9];
} event_sample;

#define EVENT(name, ...) &ppl_constraint_##name, { COUNT_OF(((int[]){ __VA_ARGS__ })),   \
                                                   { __VA_ARGS__ } }

static const event_sample event_samples[] = {
    { EVENT(real_vector, 2), 1, 3, { { -1, 1e300 }, { 1, INF }, { NAN, 1 }, { -INF } } },
    { EVENT(simplex, 3), 3, 5,
      { { 0.25, 0.5, 0.25 }, { 0, 0, 1 }, { 0.3, 0.7 + 1e-7 },
        { 0.3, 0.71 }, { -0.5, 1.5, 0 }, { NAN, 1, 0 }, { INF, 1 } } },
    { EVENT(ordered_vector, 3), 2, 4,
      { { -1, 0, 1e300 }, { 1, 1, 1 },
        { 0, -1, 1 }, { 1, 2, NAN }, { 1, 2, INF }, { -INF, 1, 2 } } },
    { EVENT(positive_ordered_vector, 3), 1, 3,
      { { 1e-300, 2, 2 }, { 0, 1, 2 }, { 2, 1, 3 }, { 1, 2, INF } } },
    { EVENT(sphere, 2), 2, 3, { { 0.6, -0.8 }, { -1, 0 }, { 1, 1 }, { 0, 0 }, { NAN } } },
    { EVENT(one_hot, 3), 2, 4,
      { { 0, 1, 0 }, { 0, 0, 1 }, { 1, 1, 0 }, { 0, 0, 0 }, { 0.5, 0.5 }, { NAN, 1 } } },
    { EVENT(square, 2, 2), 1, 1, { { 1, -2, 3, 1e300 }, { 1, 2, INF, 4 } } },
    { EVENT(square, 2, 3), 0, 1, { { 1, 2, 3, 4, 5, 6 } } },
    { EVENT(lower_triangular, 2, 2), 1, 2,
      { { -1, 0, 3, 0 }, { 1, 1e-300, 0, 1 }, { NAN, 0, 0, 1 } } },
    { EVENT(lower_triangular, 1, 4), 0, 1, { { 1, 0, 0, 0 } } },
    { EVENT(symmetric, 2, 2), 2, 2,
      { { -1, 2, 2, 0 }, { 1, 2, 2 + 1e-7, 1 }, { 1, 2, 3, 1 }, { 1, 2, INF, 1 } } },
    { EVENT(lower_cholesky, 2, 2), 1, 3,
      { { 1, 0, -3, 1e-300 }, { 1, 0, 1, 0 }, { -1, 0, 1, 1 }, { 1, 1, 0, 1 } } },
    { EVENT(softplus_lower_cholesky, 2, 2), 1, 1, { { 1, 0, -3, 2 }, { 1, 0, 1, 0 } } },
    { EVENT(unit_lower_cholesky, 2, 2), 1, 1, { { 1, 0, -3, 1 }, { 1, 0, 1, 2 } } },
    { EVENT(positive_definite, 2, 2), 2, 4,
      { { 2, -1, -1, 1 }, { 1e-30, 0, 0, 1e-30 },
        { 1, 1, 1, 1 }, { 1, 2, 2, 1 }, { 1, 0, 0.5, 1 }, { NAN, 0, 0, 1 } } },
    { EVENT(positive_semidefinite, 2, 2), 3, 3,
      { { 2, -1, -1, 1 }, { 1, 1, 1, 1 }, { 0, 0, 0, 0 },
        { 1, 2, 2, 1 }, { 0, 1, 1, 0 }, { -1, 0, 0, 1 } } },
    { EVENT(positive_semidefinite, 3, 3), 2, 1,
      { { 1, 2, 3, 2, 4, 6, 3, 6, 9 }, { 0, 0, 0, 0, 4, 2, 0, 2, 1 },
        { 1, 1, 1, 1, 1, 2, 1, 2, 1 } } },
    { EVENT(corr_cholesky, 2, 2), 1, 3,
      { { 1, 0, 0.6, 0.8 }, { 1, 0, 0.6, 0.7 }, { 1, 0, 1, 0 }, { 1, 0.1, 0, 1 } } },
    { EVENT(corr_matrix, 2, 2), 1, 3,
      { { 1, -0.9, -0.9, 1 }, { 1, 1, 1, 1 }, { 2, 0, 0, 1 }, { 1, 0.5, 0.4, 1 } } },
};

START_TEST(events_are_told_apart)
{
    (void)_i;
    for (int i = 0; i < COUNT_OF(event_samples); i++) {
        const event_sample *s = &event_samples[i];
        ck_assert_int_eq(ppl_constraint_event_dim(s->constraint), s->event.rank);
        for (int n = 0; n < s->inside + s->outside; n++)
            ck_assert_msg(admits(*s->constraint, s->event, s->value[n]) ==
                          (n < s->inside), "%s: value %d is %s",
                          s->constraint->type->name, n,
                          n < s->inside ? "refused" : "admitted");
    }
    ck_assert(admits(ppl_multinomial_counts(4), PPL_SHAPE(3), LIST(1, 0, 3)));
    ck_assert(!admits(ppl_multinomial_counts(4), PPL_SHAPE(3), LIST(1, 0, 2)));
    ck_assert(!admits(ppl_multinomial_counts(4), PPL_SHAPE(3), LIST(-1, 2, 3)));
    ck_assert(!admits(ppl_multinomial_counts(4), PPL_SHAPE(3), LIST(0.5, 0.5, 3)));
    ck_assert(admits(ppl_multinomial_counts(0), PPL_SHAPE(2), LIST(0, 0)));
    ck_assert(!admits(PPL_SIMPLEX, PPL_SHAPE(0), LIST(0)));
}
END_TEST

/* ---- Maps -------------------------------------------------------------------------- */

/* Which elements of a value, in their order, are the y of log |det dy / dt|. */
typedef enum determining {
    ALL, ALL_BUT_LAST, BELOW_THEN_ON, BELOW
} determining;

typedef struct map_case {
    ppl_constraint constraint;
    ppl_shape value, free;          /* one event; its unconstrained shape */
    determining by;
} map_case;

enum { MAPS = 25 };

static void make_maps(map_case *m)
{
    const map_case all[MAPS] = {
        { PPL_REAL, PPL_SCALAR, PPL_SCALAR, ALL },
        { PPL_POSITIVE, PPL_SCALAR, PPL_SCALAR, ALL },
        { PPL_SOFTPLUS_POSITIVE, PPL_SCALAR, PPL_SCALAR, ALL },
        { PPL_NONNEGATIVE, PPL_SCALAR, PPL_SCALAR, ALL },
        { PPL_UNIT_INTERVAL, PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_interval(-2, 3), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_open_interval(-2, 3), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_half_open_interval(-2, 3), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_greater_than(2), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_greater_than_eq(2), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_less_than(-2), PPL_SCALAR, PPL_SCALAR, ALL },
        { ppl_constraint_real_vector, S(3), S(3), ALL },
        { PPL_SIMPLEX, S(5), S(4), ALL_BUT_LAST },
        { PPL_SIMPLEX, S(1), S(0), ALL_BUT_LAST },
        { PPL_ORDERED_VECTOR, S(4), S(4), ALL },
        { ppl_constraint_positive_ordered_vector, S(4), S(4), ALL },
        { ppl_constraint_square, S(2, 2), S(2, 2), ALL },
        { ppl_constraint_lower_triangular, S(3, 3), S(6), BELOW_THEN_ON },
        { ppl_constraint_symmetric, S(3, 3), S(6), BELOW_THEN_ON },
        { PPL_LOWER_CHOLESKY, S(3, 3), S(6), BELOW_THEN_ON },
        { ppl_constraint_softplus_lower_cholesky, S(3, 3), S(6), BELOW_THEN_ON },
        { ppl_constraint_unit_lower_cholesky, S(3, 3), S(3), BELOW },
        { PPL_POSITIVE_DEFINITE, S(3, 3), S(6), BELOW_THEN_ON },
        { PPL_CORR_CHOLESKY, S(4, 4), S(6), BELOW },
        { ppl_constraint_corr_matrix, S(4, 4), S(6), BELOW },
    };
    memcpy(m, all, sizeof all);
}

/* log |det| by elimination with pivots. */
static double log_det(int n, double a[16][16])
{
    double sum = 0;
    for (int k = 0; k < n; k++) {
        int top = k;
        for (int i = k; i < n; i++)
            top = fabs(a[i][k]) > fabs(a[top][k]) ? i : top;
        for (int j = 0; j < n; j++) {
            double swap = a[k][j];
            a[k][j] = a[top][j];
            a[top][j] = swap;
        }
        sum += log(fabs(a[k][k]));
        for (int i = k + 1; i < n; i++)
            for (int j = n; j-- > k;)
                a[i][j] -= a[i][k] / a[k][k] * a[k][j];
    }
    return sum;
}

/* The determining elements as indices into one value; returns their number. */
static int determine(const map_case *m, int at[16])
{
    const int n = (int)elements(m->value), side = m->value.rank == 2
                                                  ? (int)m->value.dim[0] : 0;
    int count = 0;
    for (int i = 0; i < n; i++)
        if (m->by == ALL || (m->by == ALL_BUT_LAST && i < n - 1) ||
            (m->by >= BELOW_THEN_ON && i % side < i / side))
            at[count++] = i;
    for (int i = 0; i < side && m->by == BELOW_THEN_ON; i++)
        at[count++] = i * side + i;
    return count;
}

/* log |det| of the Jacobian at t, from gradients of the map's elements. */
static double jacobian(ppl_ctx *c, const map_case *m, const double *t)
{
    const ppl_constraint *k = &m->constraint;
    int at[16], n = determine(m, at), size = (int)elements(m->value);
    double rows[16][16], one[16];
    ck_assert_int_eq(n, elements(m->free));
    for (int i = 0; i < n; i++) {
        ppl_tensor *x = ppl_variable(c, m->free, t);
        ppl_tensor *y = ppl_constraint_bijection(k)->to_constrained(k, x);
        for (int j = 0; j < size; j++)
            one[j] = j == at[i];
        ppl_tensor *seed = ppl_from_doubles(c, m->value, one);
        ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
        ppl_read(ppl_grad(x), rows[i], n);
    }
    return log_det(n, rows);
}

static ppl_shape batched(ppl_shape event)
{
    ppl_shape shape = { event.rank + 1, { 2 } };
    for (int i = 0; i < event.rank; i++)
        shape.dim[i + 1] = event.dim[i];
    return shape;
}

/* Values at several points are inside, come back, and have the determinant said. */
static void check_map(ppl_ctx *c, const map_case *m, const double *t, double tolerance)
{
    const ppl_constraint *k = &m->constraint;
    const ppl_constraint_map *map = ppl_constraint_bijection(k);
    const int n = (int)elements(m->free), size = (int)elements(m->value);
    ppl_tensor *x = ppl_from_doubles(c, batched(m->free), t);
    ppl_tensor *y = map->to_constrained(k, x), *det = map->log_abs_det(k, x);
    double value[32], sum[2];
    assert_shaped(k->type->name, y, batched(m->value));
    assert_shaped(k->type->name, det, PPL_SHAPE(2));
    ppl_read(y, value, 32);
    ppl_read(det, sum, 2);
    assert_elements(k->type->name, map->from_constrained(k, y), 2 * n, t, tolerance);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(admits(*k, m->value, value + i * size), "%s leaves its constraint",
                      k->type->name);
        ck_assert_msg(is_near(sum[i], jacobian(c, m, t + i * n), tolerance),
                      "%s: log |det J| is %.17g, not %.17g", k->type->name, sum[i],
                      jacobian(c, m, t + i * n));
    }
    ppl_shape shape = batched(m->value);
    ck_assert(!map->shape || map->shape(k, &shape));
    assert_shaped("unconstrained", x, shape);
}

START_TEST(maps_are_bijections)
{
    static const double point[2][12] = {
        { -1.5, 0.5, 1.25, -0.75, 0, 1, -1, 1.5, 0.3, -1.5, 1, 0.1 },
        { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
    };
    map_case m[MAPS];
    make_maps(m);
    for (int i = 0; i < MAPS; i++)
        for (int n = 0; n < COUNT_OF(point); n++) {
            ppl_ctx *c = context(_i);
            check_map(c, &m[i], point[n], _i ? 1e-11 : 2e-4);
            ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
            ppl_ctx_free(c);
        }
}
END_TEST

#define BIJECT(g) ppl_constraint_bijection((g)->row)
BUILD(to, BIJECT(g)->to_constrained(g->row, in[0]))
BUILD(from, BIJECT(g)->from_constrained(g->row,
                                        BIJECT(g)->to_constrained(g->row, in[0])))
BUILD(det, BIJECT(g)->log_abs_det(g->row, in[0]))

START_TEST(maps_have_gradients)
{
    map_case m[MAPS];
    make_maps(m);
    for (int i = 0; i < MAPS; i++) {
        grad_case g = CASE(to, -1.5, 1.5, 0, 1, batched(m[i].free));
        g.row = &m[i].constraint;
        g.name = m[i].constraint.type->name;
        check_gradient(_i, &g);
        g.build = build_det;
        check_gradient(_i, &g);
        g.build = build_from;
        if (_i == 1)                /* float's roundings, amplified by the way back */
            check_gradient(_i, &g);
    }
}
END_TEST

BUILD(optimise, ppl_constraint_optimise(g->row)->to_constrained(g->row, in[0]))

/* The maps for optimisers that are no bijections. */
START_TEST(surjections)
{
    const ppl_constraint *k = &PPL_SIMPLEX, *sphere = &ppl_constraint_sphere;
    ppl_ctx *c = context(_i);
    ppl_tensor *t = ppl_reshape(numbers(c, 0, 1, 2, -5, 0, 5), PPL_SHAPE(2, 3));
    const ppl_constraint_map *map = ppl_constraint_optimise(k);
    ppl_tensor *y = map->to_constrained(k, t);
    double row[6];
    ppl_read(y, row, 6);
    ck_assert(admits(*k, PPL_SHAPE(3), row) && admits(*k, PPL_SHAPE(3), row + 3));
    ppl_tensor *again = map->to_constrained(k, map->from_constrained(k, y));
    assert_elements("again", again, 6, row, rounding(_i));
    ck_assert_ptr_null(map->log_abs_det);
    ck_assert_ptr_null(ppl_constraint_bijection(sphere));
    map = ppl_constraint_optimise(sphere);
    y = map->to_constrained(sphere, numbers(c, 0, 0));
    assert_values(y, rounding(_i), sqrt(0.5), sqrt(0.5));
    y = map->to_constrained(sphere, numbers(c, 3, -4));
    assert_values(y, rounding(_i), 0.6, -0.8);
    const double huge = _i ? 1e200 : 1e30, tiny = 1 / huge;
    y = map->to_constrained(sphere, numbers(c, 3 * huge, -4 * huge));
    assert_values(y, rounding(_i), 0.6, -0.8);
    y = map->to_constrained(sphere, numbers(c, 3 * tiny, -4 * tiny));
    assert_values(y, rounding(_i), 0.6, -0.8);
    ck_assert_ptr_eq(map->from_constrained(sphere, y), y);
    grad_case g = CASE(optimise, 0.5, 1.5, 0, 1, S(2, 3));
    for (g.row = k; g.row; g.row = g.row == k ? sphere : NULL)
        check_gradient(_i, &g);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* Far out, where sigmoid is 1 and tanh is 1 to the last digit. */
START_TEST(maps_survive_their_ends)
{
    ppl_ctx *c = context(_i);
    const ppl_constraint *k = &PPL_SOFTPLUS_POSITIVE, *l = &PPL_CORR_CHOLESKY;
    assert_values(ppl_constraint_optimise(k)->from_constrained(k, numbers(c, 1e4, 1e-6)),
                  rounding(_i), 1e4, log(expm1((double)(_i ? 1e-6 : (double)1e-6f))));
    assert_values(ppl_constraint_optimise(k)->to_constrained(k, ppl_scalar(c, 1e4)), 0,
                  1e4);
    const ppl_constraint open = ppl_half_open_interval(0, 3);
    double top = ppl_item(ppl_constraint_optimise(&open)->to_constrained(
        &open, ppl_scalar(c, 100)));
    ck_assert(top < 3 && top > 2.999999);
    const ppl_constraint *inside = &ppl_constraint_open_unit_interval;
    for (int sign = -1; sign <= 1; sign += 2) {
        ppl_tensor *y = ppl_constraint_optimise(inside)->to_constrained(
            inside, ppl_scalar(c, sign * 1e4));
        ck_assert(ppl_item(y) > 0 && ppl_item(y) < 1);
    }
    /* A stick of which nothing is left, in both directions. */
    k = &PPL_SIMPLEX;
    const ppl_constraint_map *stick = ppl_constraint_bijection(k);
    ppl_tensor *t = numbers(c, 300, -300, 5);
    assert_values(stick->to_constrained(k, t), rounding(_i), 1, 0, 0, 0);
    assert_values(stick->log_abs_det(k, t), 2e-6,
                  -900 + log(3) * 3 - 300 - log(2) - log1p(exp(-5)) - log1p(exp(5)));
    ppl_tensor *u = stick->from_constrained(k, numbers(c, 0.5, 0.5, 0, 0));
    double edge[3];
    ppl_read(u, edge, 3);
    ck_assert(edge[0] < 2 && edge[1] > 80 && fabs(edge[2]) < 1e-6);
    assert_values(stick->to_constrained(k, u), rounding(_i), 0.5, 0.5, 0, 0);
    ppl_tensor *far = numbers(c, 30, -40, 20);
    double row[9];
    ppl_read(ppl_constraint_bijection(l)->to_constrained(l, far), row, 9);
    ck_assert(is_near(row[3], 1, 0) && is_near(row[6], -1, 0));
    ck_assert(row[4] > 0 && row[8] > 0 && is_near(log(row[4]), log(2) - 30, 1e-5));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* Rounding takes no value out of its constraint, nor an end to where there is none back;
 * and however far, there is a gradient for as long as exp(-|t|) is a number. */
START_TEST(maps_stay_inside)
{
    static const double bound[][2] = {
        { -2.3, 3.1 }, { 0.1, 0.4 }, { 1000.7, 1001.3 }, { -0.1, 0.3 }, { 0.7, 5.9 }
    };
    for (int b = 0; b < COUNT_OF(bound); b++) {
        const double low = bound[b][0], high = bound[b][1];
        const ppl_constraint kinds[] = {
            ppl_interval(low, high), ppl_open_interval(low, high),
            ppl_half_open_interval(low, high), ppl_greater_than(low),
            ppl_greater_than_eq(low), ppl_less_than(high)
        };
        for (int i = 0; i < COUNT_OF(kinds); i++)
            for (int sign = -1; sign <= 1 - 2 * (i > 2); sign += 2)
                for (double far = 12; far < 80; far *= 1.5) {
                    const ppl_constraint *k = &kinds[i];
                    const ppl_constraint_map *map = ppl_constraint_bijection(k);
                    ppl_ctx *c = context(_i);
                    ppl_tensor *t = variable(c, sign * far), *y = map->to_constrained(k, t);
                    double value = ppl_total(y);
                    ck_assert_msg(admits(*k, PPL_SCALAR, &value), "%s: %g goes to %.17g",
                                  k->type->name, sign * far, value);
                    ck_assert_msg(!isnan(ppl_total(map->from_constrained(k, y))),
                                  "%s: %.17g comes from nan", k->type->name, value);
                    ck_assert_int_eq(ppl_backward(ppl_sum(y, 0)), PPL_OK);
                    ck_assert(sign > 0 || fabs(ppl_total(ppl_grad(t))) > 0);
                    ppl_ctx_free(c);
                }
    }
}
END_TEST

START_TEST(integers_have_no_maps)
{
    const ppl_constraint none[] = {
        ppl_constraint_boolean, ppl_constraint_integer, ppl_constraint_one_hot,
        ppl_constraint_nonnegative_integer, ppl_constraint_positive_integer,
        ppl_integer_interval(0, 3), ppl_multinomial_counts(3), { .type = NULL }
    };
    (void)_i;
    for (int i = 0; i < COUNT_OF(none); i++) {
        ck_assert_ptr_null(ppl_constraint_optimise(&none[i]));
        ck_assert_ptr_null(ppl_constraint_bijection(&none[i]));
    }
}
END_TEST

START_TEST(maps_say_what_is_wrong)
{
    const ppl_constraint empty = ppl_interval(3, 1), point = ppl_interval(2, 2);
    ppl_ctx *c = context(_i);
    ppl_tensor *t = ppl_scalar(c, 0);
#define TO(k, t) ppl_constraint_bijection(k)->to_constrained(k, t)
#define FROM(k, t) ppl_constraint_bijection(k)->from_constrained(k, t)
    assert_fails(c, TO(&empty, t), PPL_ECONSTRAINT, "interval: nothing lies between 3 "
                 "and 1; the lower bound must be below the upper");
    assert_fails(c, FROM(&point, t), PPL_ECONSTRAINT, "interval: nothing lies between 2 "
                 "and 2; the lower bound must be below the upper");
    const ppl_constraint half = ppl_interval(0, INF), none = ppl_greater_than(-INF),
                         all = ppl_less_than(INF);
    assert_fails(c, TO(&half, t), PPL_EUNSUPPORTED, "interval: there is no map onto all "
                 "from 0 to inf; of one bound are ppl_greater_than and ppl_less_than, of "
                 "none PPL_REAL");
    assert_fails(c, TO(&none, t), PPL_EUNSUPPORTED, "greater_than: there is no map onto "
                 "what is beyond -inf; give a finite bound, or take PPL_REAL");
    assert_fails(c, TO(&all, t), PPL_EUNSUPPORTED, "less_than: there is no map onto what "
                 "is beyond inf; give a finite bound, or take PPL_REAL");
    ck_assert_ptr_null(TO(&empty, NULL));
    assert_fails(c, TO(&PPL_SIMPLEX, t), PPL_ESHAPE, "simplex: its maps take vectors, "
                 "not a scalar");
    assert_fails(c, FROM(&PPL_SIMPLEX, ppl_full(c, PPL_SHAPE(2, 0), 1)), PPL_ESHAPE,
                 "simplex: no simplex has 0 elements");
    assert_fails(c, TO(&PPL_LOWER_CHOLESKY, numbers(c, 1, 2)), PPL_ESHAPE,
                 "lower_cholesky: unconstrained elements [2] make no matrix; the last "
                 "axis must have n(n+1)/2");
    assert_fails(c, TO(&PPL_CORR_CHOLESKY, numbers(c, 1, 2)), PPL_ESHAPE,
                 "matrix_embed: shape [2] makes no strictly lower triangle; its last "
                 "axis must have n(n-1)/2 elements, and its rank be below 8");
    assert_fails(c, FROM(&PPL_POSITIVE_DEFINITE, ppl_full(c, PPL_SHAPE(2, 2), 1)),
                 PPL_ESINGULAR, _i
                 ? "cholesky: the matrix is not positive definite: pivot 1 is 0; if that "
                   "is rounding, a jitter of 4e-15 on the diagonal mends it"
                 : "cholesky: the matrix is not positive definite: pivot 1 is 0; if that "
                   "is rounding, a jitter of 2e-06 on the diagonal mends it");
    for (int i = 0; i < COUNT_OF(event_samples); i++) {
        const ppl_constraint *k = event_samples[i].constraint;
        ck_assert(!ppl_constraint_bijection(k) || !TO(k, NULL));
        ck_assert(!ppl_constraint_bijection(k) || !FROM(k, NULL));
        ck_assert(!ppl_constraint_bijection(k) ||
                  !ppl_constraint_bijection(k)->log_abs_det(k, NULL));
    }
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Made of others ---------------------------------------------------------------- */

START_TEST(more_axes_to_one_value)
{
    ppl_ctx *c = context(_i);
    ppl_constraint k = ppl_constraint_independent(c, PPL_POSITIVE, 2);
    ppl_constraint rows = ppl_constraint_independent(c, PPL_SIMPLEX, 1);
    ck_assert_int_eq(ppl_constraint_event_dim(&k), 2);
    ck_assert_int_eq(ppl_constraint_event_dim(&rows), 2);
    ck_assert(admits(k, PPL_SHAPE(2, 2), LIST(1, 2, 3, 4)));
    ck_assert(!admits(k, PPL_SHAPE(2, 2), LIST(1, 2, 0, 4)));
    ck_assert(admits(rows, PPL_SHAPE(2, 2), LIST(1, 0, 0.5, 0.5)));
    ck_assert(!admits(rows, PPL_SHAPE(2, 2), LIST(1, 0, 0.5, 0.25)));
    ppl_tensor *t = counted(c, PPL_SHAPE(2, 2, 2));
    const ppl_constraint_map *map = ppl_constraint_bijection(&k);
    assert_values(map->log_abs_det(&k, t), 0, 10, 26);
    assert_values(map->from_constrained(&k, map->to_constrained(&k, t)), rounding(_i),
                  1, 2, 3, 4, 5, 6, 7, 8);
    ppl_shape shape = PPL_SHAPE(7, 2, 3);
    ck_assert(ppl_constraint_bijection(&rows)->shape(&rows, &shape));
    ck_assert(shape.rank == 3 && shape.dim[2] == 2);
    shape = PPL_SHAPE(7, 2, 3);
    ck_assert(ppl_constraint_optimise(&rows)->shape(&rows, &shape) && shape.dim[2] == 3);
    assert_shape(ppl_constraint_bijection(&rows)->log_abs_det(&rows, t), 2);
    ppl_constraint none = ppl_constraint_independent(c, PPL_REAL, 0);
    ck_assert_ptr_eq(none.type, PPL_REAL.type);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

/* Maps there and back, and the sum of the parts' log |det J|. */
static void check_joined(ppl_ctx *c, ppl_constraint k, ppl_shape free, ppl_shape value,
                         double det)
{
    const ppl_constraint_map *map = ppl_constraint_bijection(&k);
    double t[32], y[32], sum[1], back[32];
    int n = (int)elements(free), size = (int)elements(value);
    for (int i = 0; i < n; i++)
        t[i] = even(i) - 0.5;
    ppl_tensor *x = ppl_from_doubles(c, free, t), *to = map->to_constrained(&k, x);
    ck_assert_msg(to != NULL, "%s", ppl_error_text(c));
    assert_shaped("joined", to, value);
    ppl_read(to, y, 32);
    ck_assert(admits(k, value, y));
    ck_assert_int_eq(ppl_read(map->from_constrained(&k, to), back, 32), n);
    for (int i = 0; i < n; i++)
        ck_assert(is_near(back[i], t[i], 1e-5));
    ppl_tensor *total = map->log_abs_det(&k, x);
    assert_shaped("joined", total, PPL_SCALAR);
    ppl_read(total, sum, 1);
    ck_assert_msg(is_near(sum[0], det, 1e-5), "%g, not %g", sum[0], det);
    ck_assert(map->shape(&k, &value));
    assert_shaped("joined", x, value);
    y[size - 1] = NAN;
    ck_assert(!admits(k, ppl_tensor_shape(to), y));
}

/* log |det J| of a part at elements from..to-1 of the points of check_joined. */
static double part_det(ppl_ctx *c, ppl_constraint k, int from, int to)
{
    double t[32];
    for (int i = from; i < to; i++)
        t[i - from] = even(i) - 0.5;
    return ppl_total(ppl_constraint_bijection(&k)->log_abs_det(
        &k, ppl_from_doubles(c, PPL_SHAPE(to - from), t)));
}

START_TEST(joined_values)
{
    ppl_ctx *c = context(_i);
    const ppl_constraint parts[] = { PPL_POSITIVE, PPL_REAL, PPL_SIMPLEX };
    ppl_constraint k = ppl_constraint_cat(c, parts, (int64_t[]){ 2, 1, 3 }, 3, -1);
    check_joined(c, k, S(5), S(6), part_det(c, PPL_POSITIVE, 0, 2) +
                 part_det(c, PPL_SIMPLEX, 3, 5));
    ck_assert(!admits(k, PPL_SHAPE(5), LIST(1, 1, 0, 0.5, 0.5)));
    ck_assert(!admits(k, PPL_SHAPE(6), LIST(1, 0, 0, 0.5, 0.25, 0.25)));
    const ppl_constraint rows[] = { PPL_SIMPLEX, PPL_SIMPLEX };
    check_joined(c, ppl_constraint_cat(c, rows, (int64_t[]){ 1, 2 }, 2, -2), S(3, 2),
                 S(3, 3), part_det(c, PPL_SIMPLEX, 0, 2) +
                 part_det(c, PPL_SIMPLEX, 2, 4) + part_det(c, PPL_SIMPLEX, 4, 6));
    const ppl_constraint matrices[] = { PPL_LOWER_CHOLESKY, PPL_POSITIVE_DEFINITE };
    double both = part_det(c, PPL_LOWER_CHOLESKY, 0, 3) +
                  part_det(c, PPL_POSITIVE_DEFINITE, 3, 6);
    check_joined(c, ppl_constraint_stack(c, matrices, 2), S(2, 3), S(2, 2, 2), both);
    check_joined(c, ppl_constraint_cat(c, matrices, (int64_t[]){ 1, 1 }, 2, -3), S(2, 3),
                 S(2, 2, 2), both);
    const ppl_constraint single[] = { PPL_POSITIVE, PPL_REAL };
    ppl_constraint pair = ppl_constraint_stack(c, single, 2);
    check_joined(c, pair, S(2), S(2), part_det(c, PPL_POSITIVE, 0, 1));
    /* Of parts that are made of parts; with a part that has no map. */
    const ppl_constraint nested[] = { pair, pair };
    check_joined(c, ppl_constraint_stack(c, nested, 2), S(2, 2), S(2, 2),
                 part_det(c, PPL_POSITIVE, 0, 1) + part_det(c, PPL_POSITIVE, 2, 3));
    const ppl_constraint mixed[] = { PPL_POSITIVE, ppl_constraint_boolean };
    ppl_constraint no_map = ppl_constraint_stack(c, mixed, 2);
    ck_assert_ptr_null(ppl_constraint_optimise(&no_map));
    ck_assert_ptr_null(ppl_constraint_bijection(&no_map));
    ck_assert(admits(no_map, S(2), LIST(2, 1)) && !admits(no_map, S(2), LIST(1, 2)));
    /* Simplexes have no one size for both maps; a sphere has no bijection. */
    const ppl_constraint balls[] = { ppl_constraint_sphere, PPL_SIMPLEX };
    ppl_constraint some = ppl_constraint_stack(c, balls, 2);
    ck_assert_ptr_nonnull(ppl_constraint_optimise(&some));
    ck_assert_ptr_null(ppl_constraint_bijection(&some));
    ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
    ppl_ctx_free(c);
}
END_TEST

/* Made again, they are the same, and take no memory. */
START_TEST(equal_parts_are_one_constraint)
{
    ppl_ctx *c = context(_i);
    const ppl_constraint parts[] = { PPL_POSITIVE, ppl_interval(0, 1) };
    const ppl_constraint other[] = { PPL_POSITIVE, ppl_interval(0, 2) };
    const int64_t length[] = { 2, 3 };
    ppl_constraint a = ppl_constraint_cat(c, parts, length, 2, -1);
    ppl_constraint b = ppl_constraint_cat(c, other, length, 2, -1);
    size_t before = ppl_memory_in_use(c);
    ppl_constraint again = ppl_constraint_cat(c, parts, length, 2, -1);
    ck_assert_ptr_eq(a.parts, again.parts);
    ck_assert_ptr_ne(a.parts, b.parts);
    ck_assert_uint_eq(ppl_memory_in_use(c), before);
    ck_assert_ptr_ne(ppl_constraint_cat(c, parts, (int64_t[]){ 3, 2 }, 2, -1).parts,
                     a.parts);
    ck_assert_ptr_ne(ppl_constraint_stack(c, parts, 2).parts,
                     ppl_constraint_cat(c, parts, (int64_t[]){ 1, 1 }, 2, -1).parts);
    ppl_ctx_free(c);
}
END_TEST

#define assert_no_constraint(c, expression, status, text)                                \
    do {                                                                                 \
        ck_assert_ptr_null((expression).type);                                           \
        ck_assert_str_eq(ppl_error_text(c), text);                                       \
        ck_assert_int_eq(ppl_error(c), status);                                          \
        ppl_clear_error(c);                                                              \
    } while (0)

START_TEST(parts_that_do_not_fit)
{
    ppl_ctx *c = context(_i);
    const ppl_constraint k[] = { PPL_POSITIVE, PPL_SIMPLEX, PPL_LOWER_CHOLESKY };
    const ppl_constraint square[] = { PPL_LOWER_CHOLESKY, ppl_constraint_square };
    const ppl_constraint none = { .type = NULL };
    const int64_t length[] = { 1, 1, 1 };
    assert_no_constraint(c, ppl_constraint_cat(c, k, length, 3, -1), PPL_ESHAPE,
                         "cat: values of part 2 (lower_cholesky) have 2 axes and cannot "
                         "be joined along axis -1; the axis must lie before them");
    assert_no_constraint(c, ppl_constraint_cat(c, square, length, 2, -3), PPL_ESHAPE,
                         "cat: parts 0 (lower_cholesky) and 1 (square) are mapped to "
                         "other numbers of axes");
    assert_no_constraint(c, ppl_constraint_cat(c, k, length, 1, 0), PPL_EINVAL,
                         "cat: axis 0; it must be counted from the end, -1 to -8");
    assert_no_constraint(c, ppl_constraint_cat(c, k, (int64_t[]){ -1 }, 1, -1),
                         PPL_EINVAL, "cat: part 0 has length -1");
    assert_no_constraint(c, ppl_constraint_cat(c, k, length, 0, -1), PPL_EINVAL,
                         "cat: made of 0 constraints; one at least must be");
    assert_no_constraint(c, ppl_constraint_stack(c, k, 2), PPL_ESHAPE,
                         "stack: values of part 0 (positive) have 0 axes, those of part "
                         "1 (simplex) 1, or they are mapped to other numbers of axes; "
                         "ppl_constraint_independent gives axes to one value");
    assert_no_constraint(c, ppl_constraint_independent(c, PPL_SIMPLEX, -1), PPL_EINVAL,
                         "independent: -1 more axes to one value of simplex; 0 to 7 can "
                         "be");
    assert_no_constraint(c, ppl_constraint_independent(c, none, 1), PPL_EINVAL,
                         "independent: part 0 is no constraint");
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

static int check_even(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    (void)self;
    return event->rank == 0 && fmod(value[0], 2) == 0;
}

/* The error of a parameter of that shape under a constraint. */
static const char *complaint_of(ppl_ctx *c, ppl_constraint k, ppl_shape shape,
                                const double *x)
{
    const ppl_family family = {
        .name = "example", .params = 1, .param_name = { "value" },
        .param_constraint = { &k }, .param_event_dim = { ppl_constraint_event_dim(&k) },
        .sample = no_sample, .log_prob = same_log_prob
    };
    ppl_tensor *t = ppl_from_doubles(c, shape, x);
    ppl_dist_make(&family, &t, NULL);
    return ppl_error_text(c);
}

START_TEST(violations_are_spelled_out)
{
    const ppl_constraint_type even_type = { .name = "even", .check = check_even };
    const ppl_constraint even_numbers = { .type = &even_type };
    ppl_ctx *c = context(_i);
#define SAYS(k, x, text)                                                                 \
    ck_assert_str_eq(complaint_of(c, k, S(2), LIST(x, x)), text);                        \
    ppl_clear_error(c)
    SAYS(PPL_REAL, NAN, "example: value[0] is nan; it must be a finite number");
    SAYS(PPL_REAL, INF, "example: value[0] is inf; it must be a finite number");
    SAYS(PPL_POSITIVE, -0.25, "example: value[0] is -0.25; it must be positive");
    SAYS(PPL_POSITIVE, INF, "example: value[0] is inf; it must be positive and finite");
    SAYS(PPL_POSITIVE, -INF, "example: value[0] is -inf; it must be positive");
    SAYS(ppl_less_than(3), -INF,
         "example: value[0] is -inf; it must be less than 3 and finite");
    SAYS(PPL_UNIT_INTERVAL, INF,
         "example: value[0] is inf; it must be between 0 and 1");
    SAYS(PPL_SOFTPLUS_POSITIVE, 0, "example: value[0] is 0; it must be positive");
    SAYS(PPL_NONNEGATIVE, -3, "example: value[0] is -3; it must be nonnegative");
    SAYS(PPL_UNIT_INTERVAL, 1 + FLT_EPSILON,
         _i ? "example: value[0] is 1.0000001192092896; it must be between 0 and 1"
            : "example: value[0] is 1.00000012; it must be between 0 and 1");
    SAYS(ppl_interval(-2, 3), 4, "example: value[0] is 4; it must be between -2 and 3");
    SAYS(ppl_interval(3, 1), 2,
         "example: value[0] is 2; it must be between 3 and 1, and nothing is");
    SAYS(ppl_open_interval(-2, 3), -2,
         "example: value[0] is -2; it must be between -2 and 3, and neither");
    SAYS(ppl_half_open_interval(-2, 3), 3,
         "example: value[0] is 3; it must be at least -2 and below 3");
    SAYS(ppl_greater_than(2.5), 1,
         "example: value[0] is 1; it must be greater than 2.5");
    SAYS(ppl_greater_than_eq(2.5), 1,
         "example: value[0] is 1; it must be at least 2.5");
    SAYS(ppl_less_than(-2), 1, "example: value[0] is 1; it must be less than -2");
    SAYS(ppl_constraint_boolean, 0.5, "example: value[0] is 0.5; it must be 0 or 1");
    SAYS(ppl_constraint_integer, 1.5, "example: value[0] is 1.5; it must be an integer");
    SAYS(ppl_constraint_nonnegative_integer, 1.5,
         "example: value[0] is 1.5; it must be a nonnegative integer");
    SAYS(ppl_constraint_positive_integer, 0,
         "example: value[0] is 0; it must be a positive integer");
    SAYS(ppl_integer_interval(-1, 12), 13,
         "example: value[0] is 13; it must be an integer from -1 to 12");
    SAYS(even_numbers, 3, "example: value[0] is 3; it must be even");
    SAYS(even_numbers, 4, "");
    SAYS(ppl_constraint_real_vector, NAN,
         "example: value is (nan, nan); it must be finite numbers");
    SAYS(PPL_SIMPLEX, 1, "example: value is (1, 1); it must be nonnegative, with sum 1");
    ck_assert_str_eq(complaint_of(c, PPL_SIMPLEX, S(2, 6), LIST(0, 0, 0, 0, 0.5, 0.5, 0.5,
                                                                0.5, 0, 0, 0, NAN)),
                     "example: value[1] is (0.5, 0.5, 0, 0, ...), nan at [5]; it must be "
                     "nonnegative, with sum 1");
    ppl_clear_error(c);
    SAYS(ppl_constraint_ordered_vector, INF,
         "example: value is (inf, inf); it must be finite and never decreasing");
    SAYS(ppl_constraint_positive_ordered_vector, 0,
         "example: value is (0, 0); it must be positive and never decreasing");
    SAYS(ppl_constraint_sphere, 1,
         "example: value is (1, 1); it must be a vector of length 1");
    SAYS(ppl_constraint_one_hot, 1,
         "example: value is (1, 1); it must be 0 but for one element, which is 1");
    SAYS(ppl_multinomial_counts(3), 1,
         "example: value is (1, 1); it must be nonnegative integers with sum 3");
    SAYS(ppl_constraint_cat(c, (ppl_constraint[]){ PPL_REAL, PPL_POSITIVE },
                            (int64_t[]){ 1, 1 }, 2, -1), -1,
         "example: value is (-1, -1); it must be a finite number (1 along axis -1); "
         "positive (1 along axis -1)");
    SAYS(ppl_constraint_independent(c, PPL_POSITIVE, 1), 0,
         "example: value is (0, 0); it must be positive");
#undef SAYS
#define SAYS(name, is, must, ...)                                                        \
    ck_assert_str_eq(complaint_of(c, ppl_constraint_##name, S(2, 2, 2),                  \
                                  LIST(1, 0, 0, 1, __VA_ARGS__)),                        \
                     "example: value[1] is (" is "); it must be a square matrix, "       \
                     must);                                                              \
    ppl_clear_error(c)
    SAYS(square, "1, nan, 0, 1", "of finite numbers", 1, NAN, 0, 1);
    SAYS(lower_triangular, "1, 2, 0, 1", "lower triangular", 1, 2, 0, 1);
    SAYS(symmetric, "1, 2, 0, 1", "symmetric", 1, 2, 0, 1);
    SAYS(lower_cholesky, "1, 2, 0, 1", "lower triangular with a positive diagonal", 1, 2,
         0, 1);
    SAYS(softplus_lower_cholesky, "1, 0, 0, -1", "lower triangular with a positive "
         "diagonal", 1, 0, 0, -1);
    SAYS(unit_lower_cholesky, "1, 0, 0, 2", "lower triangular with ones on its diagonal",
         1, 0, 0, 2);
    SAYS(positive_definite, "1, 2, 2, 1", "symmetric and positive definite", 1, 2, 2, 1);
    SAYS(positive_semidefinite, "1, 2, 2, 1", "symmetric and positive semidefinite", 1, 2,
         2, 1);
    SAYS(corr_cholesky, "1, 0, 1, 1", "lower triangular with a positive diagonal and "
         "rows of length 1", 1, 0, 1, 1);
    SAYS(corr_matrix, "1, 1, 1, 1", "symmetric and positive definite with ones on its "
         "diagonal", 1, 1, 1, 1);
#undef SAYS
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        numbers_are_told_apart, events_are_told_apart, maps_are_bijections,
        maps_have_gradients, surjections, maps_survive_their_ends, maps_stay_inside,
        integers_have_no_maps, maps_say_what_is_wrong, more_axes_to_one_value, joined_values,
        equal_parts_are_one_constraint, parts_that_do_not_fit, violations_are_spelled_out,
        NULL
    };
    return run_tests("constraint", tests);
}
