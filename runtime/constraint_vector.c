/* SPDX-License-Identifier: MIT */
/*
 * constraint_vector.c - constraints of vectors: the simplex, ordered vectors, the sphere,
 * and counts.
 *
 * The bijection of the simplex is stick-breaking: element k takes the share sigmoid(u_k),
 * u_k = t_k - log(K - 1 - k), of what the elements before it left; t = 0 is the centre.
 * It is worked in logarithms, forward and back, so that elements of any size survive; an
 * element that is 0 goes to that of the smallest normal number. Source: Stan Reference
 * Manual, Unit simplex; the offsets are those of torch.distributions.
 */
#include "constraint.h"

#include <kiln/matrix.h>

#include <float.h>
#include <math.h>

#define SUM_TOLERANCE 1e-6          /* of sums of 1: roundings of a float softmax */

static double sum_of(const double *value, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += value[i];
    return sum;
}

static int64_t last(const ppl_tensor *t)
{
    return t->shape.dim[t->shape.rank - 1];
}

/* 1 if t has an axis of events; else with the error recorded, unless t is NULL. */
static int is_vector(const ppl_constraint *self, const ppl_tensor *t)
{
    if (t && t->shape.rank == 0)
        ppl_fail(t->ctx, PPL_ESHAPE, "%s: its maps take vectors, not a scalar",
                 self->type->name);
    return t && t->shape.rank > 0;
}

/* ---- Real vectors, the simplex ----------------------------------------------------- */

static int check_real_vector(const ppl_constraint *self, double *value,
                             const ppl_shape *event)
{
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++)
        if (!isfinite(value[i]))
            return 0;
    return 1;
}

static int check_simplex(const ppl_constraint *self, double *value,
                         const ppl_shape *event)
{
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++)
        if (!(value[i] >= 0))
            return 0;
    return fabs(sum_of(value, event->dim[0]) - 1) <= SUM_TOLERANCE;
}

static ppl_tensor *to_softmax(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_softmax(t, -1);
}

static ppl_tensor *from_softmax(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_log(t);
}

/* [m]: log m, log (m - 1), .. 0; or m, m - 1, .. 1. */
static ppl_tensor *countdown(ppl_ctx *c, int64_t m, int logarithm)
{
    double *left = ppl_alloc(c, (size_t)m * sizeof *left);
    for (int64_t k = 0; left && k < m; k++)
        left[k] = logarithm ? log((double)(m - k)) : (double)(m - k);
    return left ? ppl_from_doubles(c, PPL_SHAPE(m), left) : NULL;
}

/* One element of zeros at the end of the last axis. */
static ppl_tensor *zero_after(ppl_tensor *t, int before)
{
    ppl_shape shape = ppl_tensor_shape(t);
    if (!t)
        return NULL;
    shape.dim[shape.rank - 1] = 1;
    ppl_tensor *zero = ppl_full(t->ctx, shape, 0);
    return ppl_concat(before ? (ppl_tensor *[]){ zero, t } : (ppl_tensor *[]){ t, zero },
                      2, -1);
}

static ppl_tensor *to_stick(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t))
        return NULL;
    ppl_tensor *u = ppl_sub(t, countdown(t->ctx, last(t), 1));
    ppl_tensor *taken = ppl_neg(ppl_softplus(ppl_neg(u)));      /* log sigmoid u */
    ppl_tensor *left = ppl_cumsum(ppl_neg(ppl_softplus(u)), -1);
    return ppl_exp(ppl_add(zero_after(taken, 0), zero_after(left, 1)));
}

static ppl_tensor *from_stick(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t))
        return NULL;
    const int64_t m = last(t) - 1;
    const double tiny = t->dtype == PPL_F32 ? (double)FLT_MIN : DBL_MIN;
    if (m < 0) {
        ppl_fail(t->ctx, PPL_ESHAPE, "simplex: no simplex has 0 elements");
        return NULL;
    }
    ppl_tensor *y = ppl_clamp(t, tiny, 2);
    ppl_tensor *after = ppl_slice(ppl_reverse_cumsum(y, -1), -1, 1, m + 1);
    ppl_tensor *u = ppl_sub(ppl_log(ppl_slice(y, -1, 0, m)), ppl_log(after));
    return ppl_add(u, countdown(t->ctx, m, 1));
}

/* The Jacobian is triangular: at k, y_k (1 - sigmoid u_k). */
static ppl_tensor *stick_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t))
        return NULL;
    const int64_t m = last(t);
    ppl_tensor *u = ppl_sub(t, countdown(t->ctx, m, 1));
    ppl_tensor *left = ppl_mul(countdown(t->ctx, m, 0), ppl_softplus(u));
    return ppl_neg(ppl_sum(ppl_add(ppl_softplus(ppl_neg(u)), left), -1));
}

static int stick_shape(const ppl_constraint *self, ppl_shape *shape)
{
    (void)self;
    return shape->rank > 0 && shape->dim[shape->rank - 1]-- > 0;
}

/* ---- Ordered vectors --------------------------------------------------------------- */

static int check_ordered(const ppl_constraint *self, double *value,
                         const ppl_shape *event)
{
    for (int64_t i = 0; i < event->dim[0]; i++)
        if (!isfinite(value[i]) || !(value[i] > self->lower) ||
            (i > 0 && !(value[i] >= value[i - 1])))
            return 0;
    return 1;
}

static ppl_tensor *head_and_rest(ppl_tensor *t, ppl_tensor *rest)
{
    return ppl_concat((ppl_tensor *[]){ ppl_slice(t, -1, 0, 1), rest }, 2, -1);
}

static ppl_tensor *to_ordered(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t) || last(t) == 0)
        return t && t->shape.rank > 0 ? t : NULL;
    ppl_tensor *steps = ppl_exp(ppl_slice(t, -1, 1, last(t)));
    return ppl_cumsum(head_and_rest(t, steps), -1);
}

static ppl_tensor *from_ordered(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t) || last(t) == 0)
        return t && t->shape.rank > 0 ? t : NULL;
    ppl_tensor *steps = ppl_sub(ppl_slice(t, -1, 1, last(t)),
                                ppl_slice(t, -1, 0, last(t) - 1));
    return head_and_rest(t, ppl_log(steps));
}

static ppl_tensor *ordered_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t))
        return NULL;
    return ppl_sum(ppl_slice(t, -1, last(t) > 0, last(t)), -1);
}

static ppl_tensor *to_positive_ordered(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_exp(to_ordered(self, t));
}

static ppl_tensor *from_positive_ordered(const ppl_constraint *self, ppl_tensor *t)
{
    return from_ordered(self, ppl_log(t));
}

static ppl_tensor *positive_ordered_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_add(ordered_log_abs_det(self, t), ppl_sum(to_ordered(self, t), -1));
}

/* ---- The sphere, counts ------------------------------------------------------------ */

static int check_sphere(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    double sum = 0;
    (void)self;
    for (int64_t i = 0; i < event->dim[0]; i++)
        sum += value[i] * value[i];
    return fabs(sum - 1) <= SUM_TOLERANCE;
}

/* One number for each of t's events, as [..,1]. */
static ppl_tensor *column(ppl_tensor *number, const ppl_tensor *t)
{
    ppl_shape shape = ppl_tensor_shape(t);
    shape.dim[shape.rank - 1] = 1;
    return ppl_reshape(number, shape);
}

/* Its largest element is made 1 first, lest squares leave the range of numbers; that has
 * no gradient, as it turns nothing. 0, which has no direction, goes where (1, 1, ..) does. */
static ppl_tensor *to_sphere(const ppl_constraint *self, ppl_tensor *t)
{
    if (!is_vector(self, t))
        return NULL;
    ppl_tensor *one = ppl_scalar(t->ctx, 1);
    ppl_tensor *top = column(ppl_max(ppl_abs(ppl_detach(t)), -1), t);
    ppl_tensor *none = ppl_equal(top, ppl_scalar(t->ctx, 0));
    t = ppl_where(none, one, ppl_div(t, ppl_where(none, one, top)));
    return t ? ppl_div(t, column(ppl_sqrt(ppl_sum(ppl_mul(t, t), -1)), t)) : NULL;
}

static int check_counts(const ppl_constraint *self, double *value, const ppl_shape *event)
{
    const int64_t n = event->dim[0];
    for (int64_t i = 0; i < n; i++)
        if (!(value[i] >= 0) || floor(value[i]) != value[i])
            return 0;
    return !(sum_of(value, n) < self->upper) && !(sum_of(value, n) > self->upper);
}

/* ---- The kinds --------------------------------------------------------------------- */

#define MAP(name, to, from, det, size)                                                   \
    static const ppl_constraint_map name = {                                             \
        .to_constrained = to, .from_constrained = from, .log_abs_det = det,              \
        .shape = size                                                                    \
    };
MAP(softmax_map, to_softmax, from_softmax, NULL, NULL)
MAP(stick_map, to_stick, from_stick, stick_log_abs_det, stick_shape)
MAP(ordered_map, to_ordered, from_ordered, ordered_log_abs_det, NULL)
MAP(positive_ordered_map, to_positive_ordered, from_positive_ordered,
    positive_ordered_log_abs_det, NULL)
MAP(sphere_map, to_sphere, ppl__identity, NULL, NULL)

#define KIND(id, low, high, text, rule, optimiser, one_to_one)                           \
    static const ppl_constraint_type id##_type = {                                       \
        .name = #id, .must = text, .event_dim = 1, .check = rule, .optimise = optimiser, \
        .bijection = one_to_one                                                          \
    };                                                                                   \
    const ppl_constraint ppl_constraint_##id = {                                         \
        .type = &id##_type, .lower = low, .upper = high                                  \
    };
KIND(real_vector, -INFINITY, INFINITY, "finite numbers", check_real_vector,
     &ppl__identity_map, &ppl__identity_map)
KIND(simplex, 0, 1, "nonnegative, with sum 1", check_simplex, &softmax_map, &stick_map)
KIND(ordered_vector, -INFINITY, INFINITY, "finite and never decreasing", check_ordered,
     &ordered_map, &ordered_map)
KIND(positive_ordered_vector, 0, INFINITY, "positive and never decreasing", check_ordered,
     &positive_ordered_map, &positive_ordered_map)
KIND(sphere, -1, 1, "a vector of length 1", check_sphere, &sphere_map, NULL)
KIND(one_hot, 0, 1, "0 but for one element, which is 1", check_counts, NULL, NULL)

static const ppl_constraint_type multinomial_type = {
    .name = "multinomial", .must = "nonnegative integers with sum {upper}",
    .event_dim = 1, .check = check_counts
};

ppl_constraint ppl_multinomial_counts(int64_t total)
{
    return (ppl_constraint){ .type = &multinomial_type, .lower = 0,
                             .upper = (double)total };
}
