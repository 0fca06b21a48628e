/* SPDX-License-Identifier: MIT */
/*
 * test_transforms.c - transforms (kiln/transforms.h): both ways, gradients, log |det J|
 * against the determinant of the Jacobian, shapes, equality, errors.
 */
#include "gradients.h"

#include <kiln/transforms.h>

/* ---- Every transform --------------------------------------------------------------- */

typedef struct transform_case {
    const char *name;
    ppl_transform *(*make)(ppl_ctx *c);
    ppl_shape x, y;                 /* one event, or for numbers a few */
    int axes;                       /* of the domain */
    double low, high;               /* points of the domain between them */
    int reduced;                    /* y has more elements than x: no square Jacobian */
} transform_case;

static ppl_transform *affine(ppl_ctx *c)
{
    return ppl_transform_affine(numbers(c, 1, -2, 0.5), numbers(c, 2, -0.5, 3));
}

static ppl_transform *scaled(ppl_ctx *c)
{
    return ppl_transform_affine(ppl_scalar(c, 0.25), ppl_scalar(c, -2));
}

static ppl_transform *power(ppl_ctx *c)
{
    return ppl_transform_power(numbers(c, 2, -0.5, 0.75));
}

static ppl_transform *permute(ppl_ctx *c)
{
    return ppl_transform_permute(c, (int64_t[]){ 2, 0, 3, 1 }, 4);
}

static ppl_transform *reshape(ppl_ctx *c)
{
    return ppl_transform_reshape(c, PPL_SHAPE(2, 3), PPL_SHAPE(6));
}

static ppl_transform *inverse(ppl_ctx *c)
{
    return ppl_transform_invert(ppl_transform_tanh(c));
}

static ppl_transform *compose(ppl_ctx *c)
{
    ppl_transform *const t[] = { affine(c), ppl_transform_tanh(c), scaled(c),
                                 ppl_transform_exp(c) };
    return ppl_transform_compose(t, 4);
}

/* Numbers, then vectors, then numbers again: events have one axis. */
static ppl_transform *mixed(ppl_ctx *c)
{
    ppl_transform *const t[] = { scaled(c), permute(c), ppl_transform_ordered(c),
                                 ppl_transform_sigmoid(c) };
    return ppl_transform_compose(t, 4);
}

static ppl_transform *independent(ppl_ctx *c)
{
    return ppl_transform_independent(ppl_transform_softplus(c), 2);
}

static ppl_transform *cat(ppl_ctx *c)
{
    ppl_transform *const t[] = { ppl_transform_exp(c), ppl_transform_ordered(c),
                                 scaled(c) };
    return ppl_transform_cat(t, (int64_t[]){ 1, 3, 2 }, 3, -1);
}

static ppl_transform *cat_rows(ppl_ctx *c)
{
    ppl_transform *const t[] = { ppl_transform_ordered(c), affine(c) };
    return ppl_transform_cat(t, (int64_t[]){ 2, 1 }, 2, -2);
}

static ppl_transform *stack(ppl_ctx *c)
{
    ppl_transform *const t[] = { ppl_transform_ordered(c),
                                 ppl_transform_independent(affine(c), 1) };
    return ppl_transform_stack(t, 2);
}

static ppl_transform *cat_sticks(ppl_ctx *c)
{
    ppl_transform *const t[] = { ppl_transform_stick_breaking(c), ppl_transform_exp(c) };
    return ppl_transform_cat(t, (int64_t[]){ 2, 1 }, 2, -1);
}

static ppl_transform *simplexes(ppl_ctx *c)
{
    return ppl_biject_to(c, ppl_constraint_independent(c, PPL_SIMPLEX, 1));
}

static ppl_transform *below(ppl_ctx *c)
{
    return ppl_biject_to(c, ppl_less_than(2));
}

static const transform_case table[] = {
    { "affine", affine, S(3), S(3), 0, -1, 1, 0 },
    { "exp", ppl_transform_exp, S(3), S(3), 0, -2, 2, 0 },
    { "sigmoid", ppl_transform_sigmoid, S(3), S(3), 0, -2, 2, 0 },
    { "softplus", ppl_transform_softplus, S(3), S(3), 0, -2, 2, 0 },
    { "tanh", ppl_transform_tanh, S(3), S(3), 0, -1.5, 1.5, 0 },
    { "power", power, S(3), S(3), 0, 0.25, 2, 0 },
    { "less_than", below, S(3), S(3), 0, -2, 2, 0 },
    { "stick_breaking", ppl_transform_stick_breaking, S(3), S(4), 1, -1, 1, 1 },
    { "ordered", ppl_transform_ordered, S(4), S(4), 1, -1, 1, 0 },
    { "lower_cholesky", ppl_transform_lower_cholesky, S(6), S(3, 3), 1, -1, 1, 1 },
    { "corr_cholesky", ppl_transform_corr_cholesky, S(3), S(3, 3), 1, -1, 1, 1 },
    { "positive_definite", ppl_transform_positive_definite, S(3), S(2, 2), 1, -1, 1, 1 },
    { "permute", permute, S(4), S(4), 1, -1, 1, 0 },
    { "reshape", reshape, S(2, 3), S(6), 2, -1, 1, 0 },
    { "inverse", inverse, S(3), S(3), 0, -0.8, 0.8, 0 },
    { "compose", compose, S(3), S(3), 0, -1, 1, 0 },
    { "compose, mixed", mixed, S(4), S(4), 1, -0.5, 0.5, 0 },
    { "independent", independent, S(2, 3), S(2, 3), 2, -1, 1, 0 },
    { "cat", cat, S(6), S(6), 1, -1, 1, 0 },
    { "cat of rows", cat_rows, S(3, 3), S(3, 3), 2, -1, 1, 0 },
    { "cat of sticks", cat_sticks, S(3), S(4), 1, -1, 1, 1 },
    { "stack", stack, S(2, 3), S(2, 3), 2, -1, 1, 0 },
    { "simplexes", simplexes, S(2, 2), S(2, 3), 2, -1, 1, 1 },
};

static ppl_shape batched(int n, ppl_shape event)
{
    ppl_shape shape = { event.rank + 1, { n } };
    for (int i = 0; i < event.rank; i++)
        shape.dim[i + 1] = event.dim[i];
    return shape;
}

static ppl_shape cut(ppl_shape shape, int axes)
{
    while (axes-- > 0)
        shape.dim[--shape.rank] = 0;
    return shape;
}

static void make_points(const transform_case *t, double *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)(t->low + (t->high - t->low) * even(i));
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

/* log |det| of the whole Jacobian at the points x [n]. */
static double jacobian(ppl_ctx *c, const transform_case *t, const double *x)
{
    const int n = (int)elements(t->x);
    double rows[16][16], one[16];
    for (int i = 0; i < n; i++) {
        ppl_tensor *at = ppl_variable(c, t->x, x);
        ppl_tensor *y = ppl_transform_forward(t->make(c), at, NULL);
        for (int j = 0; j < n; j++)
            one[j] = j == i;
        ppl_tensor *seed = ppl_from_doubles(c, t->y, one);
        ck_assert_int_eq(ppl_backward_from(&y, &seed, 1), PPL_OK);
        ppl_read(ppl_grad(at), rows[i], n);
    }
    return log_det(n, rows);
}

START_TEST(both_ways)
{
    for (int i = 0; i < COUNT_OF(table); i++) {
        const transform_case *t = &table[i];
        ppl_ctx *c = context(_i);
        const ppl_transform *map = t->make(c);
        const int n = (int)elements(t->x);
        const double tolerance = _i ? 1e-12 : 2e-5;
        ppl_tensor *det, *back;
        double x[32], sum = 0, part[32];
        make_points(t, x, 2 * n);
        ppl_tensor *in = ppl_from_doubles(c, batched(2, t->x), x);
        ppl_tensor *y = ppl_transform_forward(map, in, &det);
        ck_assert_msg(y != NULL, "%s: %s", t->name, ppl_error_text(c));
        assert_shaped(t->name, y, batched(2, t->y));
        assert_shaped(t->name, det, cut(batched(2, t->x), t->axes));
        assert_elements(t->name, ppl_transform_inverse(map, y, &back), 2 * n, x,
                        tolerance);
        int dets = (int)ppl_read(det, part, 32);
        assert_elements(t->name, back, dets, part, 4 * tolerance);
        for (int k = 0; k < dets / 2; k++)
            sum += part[k];
        ck_assert_msg(t->reduced || is_near(sum, jacobian(c, t, x), tolerance),
                      "%s: log |det J| is %.17g, not %.17g", t->name, sum,
                      jacobian(c, t, x));
        ppl_shape shape = batched(2, t->x);
        ck_assert(ppl_transform_shape(map, &shape, 0));
        assert_shaped(t->name, y, shape);
        ck_assert(ppl_transform_shape(map, &shape, 1));
        assert_shaped(t->name, in, shape);
        ck_assert_int_eq(ppl_constraint_event_dim(&map->domain), t->axes);
        ck_assert_msg(ppl_ok(c), "%s", ppl_error_text(c));
        ppl_ctx_free(c);
    }
}
END_TEST

static const transform_case *row_of(const grad_case *g)
{
    return g->row;
}

static ppl_tensor *det_of(const ppl_transform *t, ppl_tensor *x, int back)
{
    ppl_tensor *det = NULL;
    if (back)
        ppl_transform_inverse(t, ppl_transform_forward(t, x, NULL), &det);
    else
        ppl_transform_forward(t, x, &det);
    return det;
}

BUILD(forward, ppl_transform_forward(row_of(g)->make(ppl_tensor_ctx(in[0])), in[0], NULL))
BUILD(det, det_of(row_of(g)->make(ppl_tensor_ctx(in[0])), in[0], g->number))
BUILD(around, ppl_transform_inverse(row_of(g)->make(ppl_tensor_ctx(in[0])),
                                    ppl_transform_forward(
                                        row_of(g)->make(ppl_tensor_ctx(in[0])), in[0],
                                        NULL), NULL))

START_TEST(gradients)
{
    for (int i = 0; i < COUNT_OF(table); i++) {
        const transform_case *t = &table[i];
        grad_case g = CASE(forward, t->low, t->high, 0, 1, batched(2, t->x));
        g.name = t->name;
        g.row = t;
        check_gradient(_i, &g);
        g.build = build_det;
        check_gradient(_i, &g);
        g.number = 1;
        g.build = build_around;
        if (_i == 1)                /* roundings of float, amplified by the way back */
            check_gradient(_i, &g);
        g.build = build_det;
        if (_i == 1)
            check_gradient(_i, &g);
    }
}
END_TEST

/* Through the parameters, too. */
BUILD(affine, ppl_transform_inverse(ppl_transform_affine(in[0], in[1]), in[2], NULL))
BUILD(affine_det, det_of(ppl_transform_affine(in[0], in[1]), in[2], 1))
BUILD(power, ppl_transform_inverse(ppl_transform_power(in[0]), in[1], NULL))
BUILD(power_det, det_of(ppl_transform_power(in[0]), in[1], 0))

START_TEST(gradients_of_parameters)
{
    const grad_case cases[] = {
        CASE(affine, 0.5, 2, 0, 3, S(3), S(3), S(2, 3)),
        CASE(affine_det, 0.5, 2, 0, 3, S(3), S(2, 1), S(2, 3)),
        CASE(power, 0.5, 2, 0, 2, S(3), S(2, 3)),
        CASE(power_det, 0.5, 2, 0, 2, S(3), S(2, 3)),
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        check_gradient(_i, &cases[i]);
}
END_TEST

START_TEST(the_known_values)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *det, *x = numbers(c, 0, 1, 2, 3);
    assert_values(ppl_transform_forward(permute(c), x, &det), 0, 2, 0, 3, 1);
    assert_values(det, 0, 0);
    assert_values(ppl_transform_inverse(permute(c), x, NULL), 0, 1, 3, 0, 2);
    x = numbers(c, -1, 0, 2);
    assert_values(ppl_transform_forward(scaled(c), x, &det), 0, 2.25, 0.25, -3.75);
    assert_values(det, rounding(_i), log(2), log(2), log(2));
    assert_values(ppl_transform_forward(ppl_transform_exp(c), x, &det), rounding(_i),
                  exp(-1), 1, exp(2));
    assert_values(det, 0, -1, 0, 2);
    assert_values(ppl_transform_forward(ppl_transform_abs(c), x, NULL), 0, 1, 0, 2);
    ppl_tensor *p = ppl_transform_forward(ppl_transform_softmax(c), x, NULL);
    ck_assert(is_near(ppl_total(p), 1, rounding(_i)));
    assert_values(ppl_transform_forward(ppl_transform_softmax(c),
                                        ppl_transform_inverse(ppl_transform_softmax(c), p,
                                                              NULL), NULL), rounding(_i),
                  exp(-1) / (exp(-1) + 1 + exp(2)), 1 / (exp(-1) + 1 + exp(2)),
                  exp(2) / (exp(-1) + 1 + exp(2)));
    assert_values(ppl_transform_forward(ppl_transform_to(c, ppl_constraint_sphere),
                                        numbers(c, 3, 4), NULL), rounding(_i), 0.6, 0.8);
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

START_TEST(equal_transforms)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *loc = ppl_scalar(c, 1), *scale = ppl_scalar(c, 2);
    ppl_tensor *theta = variable(c, 2), *like_theta = variable(c, 2);
#define EQUAL(a, b) ck_assert(ppl_transform_equal(a, b))
#define DIFFERENT(a, b) ck_assert(!ppl_transform_equal(a, b))
    for (int i = 0; i < COUNT_OF(table); i++)
        for (int k = 0; k < COUNT_OF(table); k++)
            ck_assert_msg(ppl_transform_equal(table[i].make(c), table[k].make(c)) ==
                          (i == k), "%s and %s", table[i].name, table[k].name);
    EQUAL(ppl_transform_affine(loc, scale),
          ppl_transform_affine(ppl_scalar(c, 1), ppl_scalar(c, 2)));
    DIFFERENT(ppl_transform_affine(loc, scale),
              ppl_transform_affine(loc, ppl_scalar(c, 3)));
    DIFFERENT(ppl_transform_affine(loc, scale),
              ppl_transform_affine(loc, ppl_full(c, PPL_SHAPE(1), 2)));
    EQUAL(ppl_transform_affine(loc, theta), ppl_transform_affine(loc, theta));
    DIFFERENT(ppl_transform_affine(loc, theta), ppl_transform_affine(loc, like_theta));
    EQUAL(ppl_transform_exp(c), ppl_biject_to(c, PPL_POSITIVE));
    DIFFERENT(ppl_transform_exp(c), ppl_biject_to(c, ppl_greater_than(0)));
    DIFFERENT(ppl_transform_softmax(c), ppl_transform_stick_breaking(c));
    DIFFERENT(ppl_biject_to(c, ppl_interval(0, 1)), ppl_biject_to(c, ppl_interval(0, 2)));
    DIFFERENT(permute(c), ppl_transform_permute(c, (int64_t[]){ 0, 1, 2, 3 }, 4));
    DIFFERENT(ppl_transform_independent(ppl_transform_exp(c), 1),
              ppl_transform_independent(ppl_transform_exp(c), 2));
    DIFFERENT(NULL, NULL);
    ppl_transform *once = ppl_transform_exp(c);
    ck_assert_ptr_eq(ppl_transform_invert(ppl_transform_invert(once)), once);
    ck_assert_ptr_eq(ppl_transform_compose(&once, 1), once);
    ck_assert_ptr_eq(ppl_transform_independent(once, 0), once);
    ppl_ctx_free(c);
}
END_TEST

START_TEST(errors)
{
    ppl_ctx *c = context(_i);
    ppl_tensor *x = numbers(c, 1, 2, 3), *det;
    assert_fails(c, ppl_transform_forward(ppl_transform_abs(c), x, &det),
                 PPL_EUNSUPPORTED, "abs: several values have one image, so there is no "
                 "log |det J|; take a bijection");
    ck_assert_ptr_null(det);
    assert_fails(c, ppl_transform_forward(ppl_transform_ordered(c), ppl_scalar(c, 1),
                                          NULL), PPL_ESHAPE,
                 "ordered: a value of shape []; its events have 1 axes");
    assert_fails(c, ppl_transform_forward(permute(c), x, NULL), PPL_ESHAPE, "permute: a "
                 "value of shape [3]; the permutation has 4 elements");
    assert_fails(c, ppl_transform_permute(c, (int64_t[]){ 0, 0 }, 2), PPL_EINVAL,
                 "permute: element 1 is 0; each of 0 to 1 must be there once");
    assert_fails(c, ppl_transform_reshape(c, PPL_SHAPE(2), PPL_SHAPE(3)), PPL_ESHAPE,
                 "reshape: events [2] and [3] have 2 and 3 elements; both must have as "
                 "many");
    assert_fails(c, ppl_transform_forward(reshape(c), ppl_full(c, PPL_SHAPE(3, 2), 1),
                                          NULL), PPL_ESHAPE,
                 "reshape: it does not take values of shape [3,2]");
    assert_fails(c, ppl_transform_forward(cat(c), x, NULL), PPL_ESHAPE, "cat: a value of "
                 "shape [3]; axis -1 must have 6 elements for its parts");
    assert_fails(c, ppl_transform_permute(c, NULL, -1), PPL_EINVAL,
                 "permute: -1 elements; 0 at least must be");
    assert_fails(c, ppl_transform_reshape(c, (ppl_shape){ 2, { -1, -2 } }, PPL_SHAPE(2)),
                 PPL_ESHAPE, "reshape: events [-1,-2] and [2]; no axis can be shorter than "
                 "0");
    ppl_transform *const sized[] = { permute(c), cat(c), stack(c) };
    for (int i = 0; i < COUNT_OF(sized); i++)
        for (int back = 0; back < 2; back++) {
            ppl_shape seven = PPL_SHAPE(7, 7);
            ck_assert(!ppl_transform_shape(sized[i], &seven, back));
            ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
            ppl_clear_error(c);
        }
    ppl_tensor *wide = ppl_full(c, PPL_SHAPE(3, 3), 1);
    assert_fails(c, ppl_transform_forward(stack(c), wide, NULL), PPL_ESHAPE, "stack: a "
                 "value of shape [3,3]; axis -2 must have 2 elements for its parts");
    assert_fails(c, ppl_biject_to(c, ppl_constraint_boolean), PPL_EUNSUPPORTED,
                 "the constraint boolean has no bijection; ppl_transform_to gives what map "
                 "there is");
    assert_fails(c, ppl_transform_to(c, ppl_constraint_boolean), PPL_EUNSUPPORTED,
                 "the constraint boolean has no map");
    ppl_ctx *other = context(_i);
    ppl_transform *const two[] = { ppl_transform_exp(c), ppl_transform_exp(other) };
    assert_fails(c, ppl_transform_compose(two, 2), PPL_EINVAL, "compose: part 1, exp, "
                 "belongs to another context");
    ppl_ctx_free(other);
    ppl_transform *const none[] = { ppl_transform_exp(c), NULL };
    ck_assert_ptr_null(ppl_transform_compose(none, 2));
    ck_assert_ptr_null(ppl_transform_stack(none, 2));
    ck_assert_ptr_null(ppl_transform_cat(none, (int64_t[]){ 1, 1 }, 2, -1));
    ck_assert_ptr_null(ppl_transform_compose(none, 0));
    ck_assert_ptr_null(ppl_transform_invert(NULL));
    ck_assert_ptr_null(ppl_transform_independent(NULL, 1));
    ck_assert_ptr_null(ppl_transform_affine(NULL, x));
    ck_assert_ptr_null(ppl_transform_exp(NULL));
    ck_assert_ptr_null(ppl_transform_forward(NULL, x, &det));
    ck_assert_ptr_null(ppl_transform_forward(ppl_transform_exp(c), NULL, &det));
    ck_assert(ppl_ok(c));
    ppl_ctx_free(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        both_ways, gradients, gradients_of_parameters, the_known_values, equal_transforms,
        errors, NULL
    };
    return run_tests("transforms", tests);
}
