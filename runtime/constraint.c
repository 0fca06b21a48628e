/* SPDX-License-Identifier: MIT */
/*
 * constraint.c - constraints of single numbers, and checking tensors against any.
 *
 * Few rules check all of them: between two bounds, strictly or not (so that infinity is
 * outside), and integers. The maps follow transform_to and biject_to of
 * torch.distributions. At a bound that is included the unconstrained value is infinite.
 *
 * An interval whose lower bound is not below its upper is made without complaint, since
 * ppl_interval has no context to complain to: no value satisfies it, and its maps fail
 * with an error that names both bounds.
 */
#include "constraint.h"

#include <float.h>
#include <math.h>

/* ---- Checks ------------------------------------------------------------------------ */

#define INSIDE_OPEN(x) ((lower < (x)) & ((x) < upper))
#define INSIDE_CLOSED(x) ((lower <= (x)) & ((x) <= upper))
#define INSIDE_HALF_OPEN(x) ((lower <= (x)) & ((x) < upper))
#define INSIDE_INTEGERS(x) (INSIDE_CLOSED(x) && floor(x) == (x))
#define INSIDE_BOOLEAN(x) (((x) == lower) | ((x) == upper))

#define CHECK(name, inside)                                                              \
    static int name(const ppl_constraint *self, double *value, const ppl_shape *event)   \
    {                                                                                    \
        const double lower = self->lower, upper = self->upper;                           \
        const int64_t n = ppl__shape_numel(event);                                       \
        for (int64_t i = 0; i < n; i++)                                                  \
            if (!inside(value[i]))                                                       \
                return 0;                                                                \
        return 1;                                                                        \
    }
CHECK(check_open, INSIDE_OPEN)
CHECK(check_closed, INSIDE_CLOSED)
CHECK(check_half_open, INSIDE_HALF_OPEN)
CHECK(check_integers, INSIDE_INTEGERS)
CHECK(check_boolean, INSIDE_BOOLEAN)

/* ---- To and from all real numbers -------------------------------------------------- */

ppl_tensor *ppl__identity(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return t;
}

ppl_tensor *ppl__zeros_without(const ppl_tensor *t, int axes)
{
    if (!t || t->shape.rank < axes)
        return NULL;
    ppl_shape shape = t->shape;
    while (axes-- > 0)
        shape.dim[--shape.rank] = 0;
    return ppl_full(t->ctx, shape, 0);
}

static ppl_tensor *identity_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl__zeros_without(t, self->type->event_dim);
}

/* The slope of exp t, and of lower + exp t. */
static ppl_tensor *exp_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return t;
}

static ppl_tensor *to_positive(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_exp(t);
}

static ppl_tensor *from_positive(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_log(t);
}

static ppl_tensor *to_softplus_positive(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_softplus(t);
}

/* log(exp t - 1) = t + log(1 - exp -t), which does not overflow. */
static ppl_tensor *from_softplus_positive(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_add(t, ppl_log(ppl_neg(ppl_expm1(ppl_neg(t)))));
}

static ppl_tensor *softplus_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_neg(ppl_softplus(ppl_neg(t)));
}

/* PPL_OK if there is anything between the bounds, and they are finitely far apart. */
static ppl_status check_bounds(const ppl_constraint *self, const ppl_tensor *t)
{
    if (!t || (self->lower < self->upper && isfinite(self->upper - self->lower)))
        return PPL_OK;
    if (self->lower < self->upper)
        return ppl_fail(ppl_tensor_ctx(t), PPL_EUNSUPPORTED, "interval: there is no map "
                        "onto all from %g to %g; of one bound are ppl_greater_than and "
                        "ppl_less_than, of none PPL_REAL", self->lower, self->upper);
    return ppl_fail(ppl_tensor_ctx(t), PPL_ECONSTRAINT, "interval: nothing lies between "
                    "%g and %g; the lower bound must be below the upper", self->lower,
                    self->upper);
}

/* The number next to `from` in the direction of `to`, as t has numbers. */
static double next_to(double from, double to, const ppl_tensor *t)
{
    return t->dtype == PPL_F32 ? (double)nextafterf((float)from, (float)to)
                               : nextafter(from, to);
}

/* The nearest number of a dtype that is not beyond `bound` on the side of `outer`. */
static double inwards(ppl_dtype dtype, double bound, double outer)
{
    const float near = (float)bound;
    if (dtype == PPL_F64 || (outer < 0 ? (double)near >= bound : (double)near <= bound))
        return dtype == PPL_F64 ? bound : (double)near;
    return (double)nextafterf(near, (float)-outer);
}

/* Moved into two bounds; gradients are those of what was moved, so that none is stuck. */
static void moved_forward(ppl_tensor *out)
{
    const double *bound = out->attr;
    out->ctx->kernels->clamp((size_t)out->numel, bound[0], bound[1], out->input[0]->data,
                             out->data);
}

static void moved_vjp(ppl_tensor *out, int i, void *grad)
{
    (void)i;
    out->ctx->kernels->add((size_t)out->numel, out->grad, grad);
}

static const ppl_op moved_row = {
    "inside", 1, PPL_OP_BROADCAST, NULL, moved_forward, moved_vjp, NULL, NULL, NULL
};

/* y where rounding should leave it: inside a bound that is not included, at most at one
 * that is (the float next to 0.7 lies below it). What is infinite stays so, and is told. */
static ppl_tensor *inside(const ppl_constraint *self, ppl_tensor *y, int open_below,
                          int open_above)
{
    if (!y)
        return NULL;
    const double lower = self->lower, upper = self->upper < DBL_MAX ? self->upper : INFINITY;
    const ppl_dtype dtype = (ppl_dtype)y->dtype;
    const double bound[2] = {
        !(lower > -INFINITY) ? -INFINITY
        : open_below ? next_to(lower, INFINITY, y) : inwards(dtype, lower, -INFINITY),
        !(upper < INFINITY) ? INFINITY
        : open_above ? next_to(upper, -INFINITY, y) : inwards(dtype, upper, INFINITY)
    };
    return ppl_apply(&moved_row, &y, 1, bound, sizeof bound);
}

static ppl_tensor *between(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bounds(self, t) != PPL_OK)
        return NULL;
    return ppl_affine(ppl_sigmoid(t), self->upper - self->lower, self->lower);
}

static ppl_tensor *to_interval(const ppl_constraint *self, ppl_tensor *t)
{
    return inside(self, between(self, t), 0, 0);
}

static ppl_tensor *to_half_open(const ppl_constraint *self, ppl_tensor *t)
{
    return inside(self, between(self, t), 0, 1);
}

static ppl_tensor *to_open(const ppl_constraint *self, ppl_tensor *t)
{
    return inside(self, between(self, t), 1, 1);
}

/* Distances from the bounds, which next to one are exact. */
static ppl_tensor *from_interval(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bounds(self, t) != PPL_OK)
        return NULL;
    return ppl_sub(ppl_log(ppl_affine(t, 1, -self->lower)),
                   ppl_log(ppl_affine(t, -1, self->upper)));
}

static ppl_tensor *interval_log_abs_det(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bounds(self, t) != PPL_OK)
        return NULL;
    ppl_tensor *both = ppl_add(ppl_softplus(t), ppl_softplus(ppl_neg(t)));
    return ppl_affine(both, -1, log(self->upper - self->lower));
}

/* PPL_OK if the bound of one with a single bound is a number. */
static ppl_status check_bound(const ppl_constraint *self, double bound, const ppl_tensor *t)
{
    if (!t || isfinite(bound))
        return PPL_OK;
    return ppl_fail(ppl_tensor_ctx(t), PPL_EUNSUPPORTED, "%s: there is no map onto what is "
                    "beyond %g; give a finite bound, or take PPL_REAL", self->type->name,
                    bound);
}

static ppl_tensor *to_greater(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bound(self, self->lower, t) != PPL_OK)
        return NULL;
    return inside(self, ppl_affine(ppl_exp(t), 1, self->lower),
                  self->type->check == check_open, 0);
}

static ppl_tensor *from_greater(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_log(ppl_affine(t, 1, -self->lower));
}

static ppl_tensor *to_less(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bound(self, self->upper, t) != PPL_OK)
        return NULL;
    return inside(self, ppl_affine(ppl_exp(t), -1, self->upper), 0, 1);
}

static ppl_tensor *from_less(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_log(ppl_affine(t, -1, self->upper));
}

/* ---- The kinds --------------------------------------------------------------------- */

#define MAP(name, to, from, det)                                                         \
    static const ppl_constraint_map name = {                                             \
        .to_constrained = to, .from_constrained = from, .log_abs_det = det               \
    };
MAP(positive_map, to_positive, from_positive, exp_log_abs_det)
MAP(softplus_map, to_softplus_positive, from_softplus_positive, softplus_log_abs_det)
MAP(interval_map, to_interval, from_interval, interval_log_abs_det)
MAP(open_map, to_open, from_interval, interval_log_abs_det)
MAP(half_open_map, to_half_open, from_interval, interval_log_abs_det)
MAP(greater_map, to_greater, from_greater, exp_log_abs_det)
MAP(less_map, to_less, from_less, exp_log_abs_det)

const ppl_constraint_map ppl__identity_map = {
    .to_constrained = ppl__identity, .from_constrained = ppl__identity,
    .log_abs_det = identity_log_abs_det
};

/* With one map, or with none (NULL). */
#define KIND(id, text, rule, map)                                                        \
    static const ppl_constraint_type id = {                                              \
        .name = #id, .must = text, .check = rule, .optimise = map, .bijection = map      \
    };
KIND(real, "a finite number", check_open, &ppl__identity_map)
KIND(positive, NULL, check_open, &positive_map)
KIND(softplus_positive, "positive", check_open, &softplus_map)
KIND(nonnegative, NULL, check_closed, &positive_map)
KIND(interval, "between {lower} and {upper}", check_closed, &interval_map)
KIND(open_interval, "between {lower} and {upper}, and neither", check_open, &open_map)
KIND(half_open_interval, "at least {lower} and below {upper}", check_half_open,
     &half_open_map)
KIND(greater_than, "greater than {lower}", check_open, &greater_map)
KIND(greater_than_eq, "at least {lower}", check_closed, &greater_map)
KIND(less_than, "less than {upper}", check_open, &less_map)
KIND(boolean, "0 or 1", check_boolean, NULL)
KIND(integer, "an integer", check_integers, NULL)
KIND(nonnegative_integer, "a nonnegative integer", check_integers, NULL)
KIND(positive_integer, "a positive integer", check_integers, NULL)
KIND(integer_interval, "an integer from {lower} to {upper}", check_integers, NULL)

#define CONSTRAINT(id, low, high)                                                        \
    const ppl_constraint ppl_constraint_##id = {                                         \
        .type = &id, .lower = low, .upper = high                                         \
    };
CONSTRAINT(real, -INFINITY, INFINITY)
CONSTRAINT(positive, 0, INFINITY)
CONSTRAINT(softplus_positive, 0, INFINITY)
CONSTRAINT(nonnegative, 0, DBL_MAX)
CONSTRAINT(boolean, 0, 1)
CONSTRAINT(integer, -DBL_MAX, DBL_MAX)
CONSTRAINT(nonnegative_integer, 0, DBL_MAX)
CONSTRAINT(positive_integer, 1, DBL_MAX)
const ppl_constraint ppl_constraint_unit_interval = {
    .type = &interval, .lower = 0, .upper = 1
};
const ppl_constraint ppl_constraint_open_unit_interval = {
    .type = &open_interval, .lower = 0, .upper = 1
};

#define BOUNDED(name, kind, arguments, low, high)                                        \
    ppl_constraint name arguments                                                        \
    {                                                                                    \
        return (ppl_constraint){ .type = &kind, .lower = low, .upper = high };           \
    }
BOUNDED(ppl_interval, interval, (double lower, double upper), lower, upper)
BOUNDED(ppl_open_interval, open_interval, (double lower, double upper), lower, upper)
BOUNDED(ppl_half_open_interval, half_open_interval, (double lower, double upper), lower,
        upper)
BOUNDED(ppl_greater_than, greater_than, (double lower), lower, INFINITY)
BOUNDED(ppl_greater_than_eq, greater_than_eq, (double lower), lower, DBL_MAX)
BOUNDED(ppl_less_than, less_than, (double upper), -INFINITY, upper)
BOUNDED(ppl_integer_interval, integer_interval, (int64_t lower, int64_t upper),
        (double)lower, (double)upper)

/* ---- Whole tensors ----------------------------------------------------------------- */

/* The commonest checks as loops over an array; any other is asked about each element. */
#define SKIP_WHILE(inside)                                                               \
    while (i < n && inside((double)x[i]))                                                \
        i++;
#define ASKED(x) k->type->check(k, &(double){ x }, &scalar)
#define SCAN(name, element)                                                              \
    static size_t name(const ppl_constraint *k, const element *x, size_t i, size_t n)    \
    {                                                                                    \
        const double lower = k->lower, upper = k->upper;                                 \
        const ppl_shape scalar = PPL_SCALAR;                                             \
        if (k->type->check == check_open)                                                \
            SKIP_WHILE(INSIDE_OPEN)                                                      \
        else if (k->type->check == check_closed)                                         \
            SKIP_WHILE(INSIDE_CLOSED)                                                    \
        else if (k->type->check == check_boolean)                                        \
            SKIP_WHILE(INSIDE_BOOLEAN)                                                   \
        else                                                                             \
            SKIP_WHILE(ASKED)                                                            \
        return i;                                                                        \
    }
SCAN(scan_f32, float)
SCAN(scan_f64, double)
SCAN(scan_i64, int64_t)

/* Events of several elements, each copied to where its check may change it; of none there
 * is nothing to check. */
static size_t scan_events(const ppl_constraint *k, const ppl_tensor *t, size_t start)
{
    const size_t n = (size_t)t->numel, event = ppl__event_size(k, t);
    ppl__arena_mark mark = ppl__arena_here(&t->ctx->data);
    double *copy = n > 0 ? ppl__arena_alloc(&t->ctx->data, event * sizeof *copy) : NULL;
    ppl_shape shape = { ppl_constraint_event_dim(k), { 0 } };
    size_t i = copy ? start : n;

    for (int a = 0; a < shape.rank; a++)
        shape.dim[a] = t->shape.dim[t->shape.rank - shape.rank + a];
    for (; copy && event > 0 && i + event <= n; i += event) {
        for (size_t j = 0; j < event; j++)
            copy[j] = ppl__number_at(t, i + j);
        if (!k->type->check(k, copy, &shape))
            break;
    }
    ppl__arena_release(&t->ctx->data, mark);
    return i + event <= n ? i : n;
}

/* How far whole vectors of elements get from `start` on. */
static size_t skip_vectors(const ppl_constraint *k, const ppl_tensor *t, size_t start)
{
    int kind = k->type->check == check_open     ? PPL__OPEN
               : k->type->check == check_closed ? PPL__CLOSED
                                                : PPL__EITHER;
    if (t->dtype != t->ctx->dtype || (kind == PPL__EITHER &&
                                      k->type->check != check_boolean))
        return start;
    const double lower = inwards((ppl_dtype)t->dtype, k->lower, -INFINITY);
    const double upper = inwards((ppl_dtype)t->dtype, k->upper, INFINITY);
    if (kind != PPL__CLOSED && (lower != k->lower || upper != k->upper))
        return start;
    return start + t->ctx->kernels->within((size_t)t->numel - start, kind, lower, upper,
                                           ppl__at(t, t->data, start));
}

enum { FEW = 4 };                   /* numbers, which are as quick one by one */

size_t ppl__first_violation(const ppl_constraint *k, const ppl_tensor *t, size_t start)
{
    const size_t n = (size_t)t->numel;
    if (ppl_constraint_event_dim(k) > 0)
        return scan_events(k, t, start);
    if (start + FEW <= n)
        start = skip_vectors(k, t, start);
    return t->dtype == PPL_F32   ? scan_f32(k, t->data, start, n)
           : t->dtype == PPL_F64 ? scan_f64(k, t->data, start, n)
                                 : scan_i64(k, t->data, start, n);
}
