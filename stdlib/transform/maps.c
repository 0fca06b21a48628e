/* SPDX-License-Identifier: MIT */
/*
 * maps.c - the maps of constraints as transforms: exp, sigmoid, stick-breaking, ... are
 * all of this one kind.
 */
#include "transform.h"

#include <string.h>

/* The attr: a constraint, and which of its maps. */
typedef struct onto {
    ppl_constraint constraint;
    const ppl_constraint_map *map;
} onto;

static ppl_tensor *log_abs_det_at(const onto *o, ppl_tensor *x)
{
    return o->map->log_abs_det(&o->constraint, x);
}

static ppl_tensor *forward(const ppl_transform *self, ppl_tensor *x,
                           ppl_tensor **log_abs_det)
{
    const onto *o = self->attr;
    if (log_abs_det)
        *log_abs_det = log_abs_det_at(o, x);
    return o->map->to_constrained(&o->constraint, x);
}

static ppl_tensor *inverse(const ppl_transform *self, ppl_tensor *y,
                           ppl_tensor **log_abs_det)
{
    const onto *o = self->attr;
    ppl_tensor *x = o->map->from_constrained(&o->constraint, y);
    if (log_abs_det)
        *log_abs_det = x ? log_abs_det_at(o, x) : NULL;
    return x;
}

/* Constrained shapes are known by mapping zeros: a map tells the way back alone. */
static int mapped_shape(const ppl_transform *self, ppl_shape *shape)
{
    const onto *o = self->attr;
    const int axes = ppl__domain_dim(self), batch = shape->rank - axes;
    const int recording = ppl_set_grad_enabled(self->ctx, 0);
    ppl_shape event = { axes, { 0 } };
    for (int a = 0; a < axes; a++)
        event.dim[a] = shape->dim[batch + a];
    const ppl_tensor *y = o->map->to_constrained(&o->constraint,
                                                 ppl_full(self->ctx, event, 0));
    ppl_set_grad_enabled(self->ctx, recording);
    if (!y || batch + ppl_rank(y) > PPL_MAX_RANK)
        return 0;
    shape->rank = batch + ppl_rank(y);
    for (int a = 0; a < PPL_MAX_RANK - batch; a++)
        shape->dim[batch + a] = a < ppl_rank(y) ? ppl_dim(y, a) : 0;
    return 1;
}

static int shape_of(const ppl_transform *self, ppl_shape *shape, int back)
{
    const onto *o = self->attr;
    if (!o->map->shape)
        return 1;
    return back ? o->map->shape(&o->constraint, shape) : mapped_shape(self, shape);
}

/* A map of numbers goes one way throughout: whichever way it goes from 0 to FAR, which is
 * far enough that a bound of 1e30 does not swallow the difference. */
enum { FAR = 80 };
static ppl_tensor *decreasing(const ppl_transform *self)
{
    const onto *o = self->attr;
    const int recording = ppl_set_grad_enabled(self->ctx, 0);
    ppl_tensor *y[2];
    for (int i = 0; i < 2; i++)
        y[i] = o->map->to_constrained(&o->constraint, ppl_scalar(self->ctx, i * FAR));
    ppl_set_grad_enabled(self->ctx, recording);
    return ppl_less(y[1], y[0]);
}

static int same(const ppl_transform *a, const ppl_transform *b)
{
    const onto *o = a->attr, *p = b->attr;
    return o->map == p->map && o->constraint.type == p->constraint.type &&
           o->constraint.parts == p->constraint.parts &&
           memcmp(&o->constraint.lower, &p->constraint.lower, sizeof(double)) == 0 &&
           memcmp(&o->constraint.upper, &p->constraint.upper, sizeof(double)) == 0;
}

/* A row a name, for error texts; all are the same kind. */
#define KIND(id, text, more)                                                             \
    static const ppl_transform_type id = {                                               \
        .name = text, .flags = more, .forward = forward, .inverse = inverse,             \
        .shape = shape_of, .decreasing = decreasing, .same = same                        \
    };
KIND(vectors, "bijection", 0)
KIND(numbers, "bijection", PPL_ELEMENTWISE)
KIND(surjection, "surjection", PPL_NOT_INJECTIVE)

static ppl_transform *make(ppl_ctx *c, ppl_constraint k, const ppl_constraint_map *map,
                           const ppl_transform_type *type)
{
    onto *o = c && ppl_ok(c) ? ppl_alloc(c, sizeof *o) : NULL;
    if (!o)
        return NULL;
    if (!map) {
        ppl_fail(c, PPL_EUNSUPPORTED, "the constraint %s has no %s",
                 k.type ? k.type->name : "(none)",
                 type == &surjection ? "map" : "bijection; ppl_transform_to gives what "
                                               "map there is");
        return NULL;
    }
    if (!type)
        type = !map->log_abs_det ? &surjection
               : ppl_constraint_event_dim(&k) == 0 ? &numbers : &vectors;
    *o = (onto){ k, map };
    return ppl_transform_make(&(ppl_transform){
        .ctx = c, .type = type,
        .domain = ppl__real_of(c, ppl_constraint_unconstrained_dim(&k)), .codomain = k,
        .attr = o });
}

ppl_transform *ppl_transform_to(ppl_ctx *c, ppl_constraint k)
{
    const ppl_constraint_map *map = ppl_constraint_optimise(&k);
    return make(c, k, map, map ? NULL : &surjection);
}

ppl_transform *ppl_biject_to(ppl_ctx *c, ppl_constraint k)
{
    return make(c, k, ppl_constraint_bijection(&k), NULL);
}

/* ---- By name ----------------------------------------------------------------------- */

#define NAMED(name, flags, choice, constraint)                                           \
    KIND(name##_type, #name, flags)                                                      \
    ppl_transform *ppl_transform_##name(ppl_ctx *c)                                      \
    {                                                                                    \
        return make(c, constraint, ppl_constraint_##choice(&constraint), &name##_type);  \
    }
NAMED(exp, PPL_ELEMENTWISE, bijection, PPL_POSITIVE)
NAMED(sigmoid, PPL_ELEMENTWISE, bijection, PPL_UNIT_INTERVAL)
NAMED(softplus, PPL_ELEMENTWISE, bijection, PPL_SOFTPLUS_POSITIVE)
NAMED(softmax, PPL_NOT_INJECTIVE, optimise, PPL_SIMPLEX)
NAMED(stick_breaking, 0, bijection, PPL_SIMPLEX)
NAMED(ordered, 0, bijection, PPL_ORDERED_VECTOR)
NAMED(lower_cholesky, 0, bijection, PPL_LOWER_CHOLESKY)
NAMED(corr_cholesky, 0, bijection, PPL_CORR_CHOLESKY)
NAMED(positive_definite, 0, bijection, PPL_POSITIVE_DEFINITE)
