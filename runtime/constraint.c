/* SPDX-License-Identifier: MIT */
/*
 * constraint.c - the constraints of parameters and supports: which values satisfy them,
 * and the smooth maps between them and all real numbers.
 *
 * Two rules check all but the simplex: strictly between two bounds (so that infinity is
 * outside), or between them with the bounds included. The maps follow transform_to of
 * torch.distributions. At a bound that is included the unconstrained value is infinite.
 *
 * An interval whose lower bound is not below its upper is made without complaint, since
 * ppl_interval has no context to complain to: no value satisfies it, and its maps fail
 * with an error that names both bounds.
 */
#include "constraint.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define SIMPLEX_TOLERANCE 1e-6      /* of the sum: several roundings of a float softmax */

/* ---- Checks ------------------------------------------------------------------------ */

#define INSIDE_OPEN(x) ((lower < (x)) & ((x) < upper))
#define INSIDE_CLOSED(x) ((lower <= (x)) & ((x) <= upper))
#define INSIDE_INTEGERS(x) (INSIDE_CLOSED(x) && floor(x) == (x))
#define INSIDE_BOOLEAN(x) (((x) == lower) | ((x) == upper))

#define CHECK(name, inside)                                                              \
    static int name(const ppl_constraint *self, const double *value, int64_t n)          \
    {                                                                                    \
        const double lower = self->lower, upper = self->upper;                           \
        for (int64_t i = 0; i < n; i++)                                                  \
            if (!inside(value[i]))                                                       \
                return 0;                                                                \
        return 1;                                                                        \
    }
CHECK(check_open, INSIDE_OPEN)
CHECK(check_closed, INSIDE_CLOSED)
CHECK(check_integers, INSIDE_INTEGERS)
CHECK(check_boolean, INSIDE_BOOLEAN)

static int check_simplex(const ppl_constraint *self, const double *value, int64_t n)
{
    double sum = 0;
    (void)self;
    for (int64_t i = 0; i < n; i++) {
        if (!(value[i] >= 0))
            return 0;
        sum += value[i];
    }
    return fabs(sum - 1) <= SIMPLEX_TOLERANCE;
}

/* ---- To and from all real numbers -------------------------------------------------- */

static ppl_tensor *identity(const ppl_constraint *self, ppl_tensor *t)
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

/* PPL_OK if there is anything between the bounds. */
static ppl_status check_bounds(const ppl_constraint *self, const ppl_tensor *t)
{
    if (!t || self->lower < self->upper)
        return PPL_OK;
    return ppl_fail(ppl_tensor_ctx(t), PPL_ECONSTRAINT, "interval: nothing lies between "
                    "%g and %g; the lower bound must be below the upper", self->lower,
                    self->upper);
}

static ppl_tensor *to_interval(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bounds(self, t) != PPL_OK)
        return NULL;
    return ppl_affine(ppl_sigmoid(t), self->upper - self->lower, self->lower);
}

static ppl_tensor *from_interval(const ppl_constraint *self, ppl_tensor *t)
{
    if (check_bounds(self, t) != PPL_OK)
        return NULL;
    const double width = self->upper - self->lower;
    ppl_tensor *below = ppl_affine(t, 1 / width, -self->lower / width);
    ppl_tensor *above = ppl_affine(t, -1 / width, self->upper / width);
    return ppl_sub(ppl_log(below), ppl_log(above));
}

static ppl_tensor *to_greater(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_affine(ppl_exp(t), 1, self->lower);
}

static ppl_tensor *from_greater(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_log(ppl_affine(t, 1, -self->lower));
}

static ppl_tensor *to_less(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_affine(ppl_exp(t), -1, self->upper);
}

static ppl_tensor *from_less(const ppl_constraint *self, ppl_tensor *t)
{
    return ppl_log(ppl_affine(t, -1, self->upper));
}

static ppl_tensor *to_simplex(const ppl_constraint *self, ppl_tensor *t)
{
    (void)self;
    return ppl_softmax(t, -1);
}

/* ---- The kinds --------------------------------------------------------------------- */

static const ppl_constraint_type real = { "real", 0, check_open, identity, identity };
static const ppl_constraint_type positive = {
    "positive", 0, check_open, to_positive, from_positive
};
static const ppl_constraint_type softplus_positive = {
    "softplus_positive", 0, check_open, to_softplus_positive, from_softplus_positive
};
static const ppl_constraint_type nonnegative = {
    "nonnegative", 0, check_closed, to_positive, from_positive
};
static const ppl_constraint_type interval = {
    "interval", 0, check_closed, to_interval, from_interval
};
static const ppl_constraint_type greater_than = {
    "greater_than", 0, check_open, to_greater, from_greater
};
static const ppl_constraint_type less_than = {
    "less_than", 0, check_open, to_less, from_less
};
static const ppl_constraint_type simplex = {
    "simplex", 1, check_simplex, to_simplex, from_positive
};
static const ppl_constraint_type boolean = { "boolean", 0, check_boolean, NULL, NULL };
static const ppl_constraint_type nonnegative_integer = {
    "nonnegative_integer", 0, check_integers, NULL, NULL
};
static const ppl_constraint_type integer_interval = {
    "integer_interval", 0, check_integers, NULL, NULL
};

const ppl_constraint ppl_constraint_real = { &real, -INFINITY, INFINITY };
const ppl_constraint ppl_constraint_positive = { &positive, 0, INFINITY };
const ppl_constraint ppl_constraint_softplus_positive = {
    &softplus_positive, 0, INFINITY
};
const ppl_constraint ppl_constraint_nonnegative = { &nonnegative, 0, DBL_MAX };
const ppl_constraint ppl_constraint_unit_interval = { &interval, 0, 1 };
const ppl_constraint ppl_constraint_simplex = { &simplex, 0, 1 };
const ppl_constraint ppl_constraint_boolean = { &boolean, 0, 1 };
const ppl_constraint ppl_constraint_nonnegative_integer = {
    &nonnegative_integer, 0, DBL_MAX
};

ppl_constraint ppl_interval(double lower, double upper)
{
    return (ppl_constraint){ &interval, lower, upper };
}

ppl_constraint ppl_greater_than(double lower)
{
    return (ppl_constraint){ &greater_than, lower, INFINITY };
}

ppl_constraint ppl_less_than(double upper)
{
    return (ppl_constraint){ &less_than, -INFINITY, upper };
}

ppl_constraint ppl_integer_interval(int64_t lower, int64_t upper)
{
    return (ppl_constraint){ &integer_interval, (double)lower, (double)upper };
}

/* ---- For distributions ------------------------------------------------------------- */

/* The commonest checks as loops over an array; any other is asked about each element. */
#define SKIP_WHILE(inside)                                                               \
    while (i < n && inside((double)x[i]))                                                \
        i++;
#define ASKED(x) k->type->check(k, &(double){ x }, 1)
#define SCAN(name, element)                                                              \
    static size_t name(const ppl_constraint *k, const element *x, size_t i, size_t n)    \
    {                                                                                    \
        const double lower = k->lower, upper = k->upper;                                 \
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

size_t ppl__constraint_scan(const ppl_constraint *k, ppl_dtype dtype, const void *data,
                            size_t start, size_t n)
{
    return dtype == PPL_F32 ? scan_f32(k, data, start, n)
           : dtype == PPL_F64 ? scan_f64(k, data, start, n)
                              : scan_i64(k, data, start, n);
}

const char *ppl__constraint_text(const ppl_constraint *k,
                                 char buffer[PPL__CONSTRAINT_TEXT])
{
    const ppl_constraint_type *type = k->type;
    if (type == &real)
        return "a finite number";
    if (type == &positive || type == &softplus_positive)
        return "positive";
    if (type == &boolean)
        return "0 or 1";
    if (type == &nonnegative_integer)
        return "a nonnegative integer";
    if (type == &simplex)
        return "nonnegative, with sum 1";
    if (type == &greater_than)
        snprintf(buffer, PPL__CONSTRAINT_TEXT, "greater than %g", k->lower);
    else if (type == &less_than)
        snprintf(buffer, PPL__CONSTRAINT_TEXT, "less than %g", k->upper);
    else if (type == &integer_interval)
        snprintf(buffer, PPL__CONSTRAINT_TEXT, "an integer from %.0f to %.0f", k->lower,
                 k->upper);
    else if (type == &interval)
        snprintf(buffer, PPL__CONSTRAINT_TEXT, "between %g and %g%s", k->lower, k->upper,
                 k->lower < k->upper ? "" : ", and nothing is");
    else
        return type->name;
    return buffer;
}
