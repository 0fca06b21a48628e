/* SPDX-License-Identifier: MIT */
/*
 * kl.c - KL(q || p): finding the rule of a pair, and summing what it gives over events.
 *
 * A rule gives one number for each value; events and masks are fields of distributions
 * and are dealt with here, so that no rule knows of them. The result has q's batch, to
 * which p's broadcasts, as a draw of q has to be a value of p. In a rule of one's own p
 * may be NULL too, which is any family.
 */
#include "pairs.h"

#include "../shape_text.h"

/* A rule of the user's, owned by the context; the newest is found first. */
typedef struct added {
    struct added *older;
    ppl__kl_pair pair;
} added;

static const char key = 0;                  /* its address names the list */

static void release(ppl_ctx *c, void *object)
{
    ppl_persistent_free(c, object, sizeof(added));
}

static int fits(const ppl__kl_pair *pair, const ppl_family *q, const ppl_family *p)
{
    return pair->q == q && (pair->p == p || !pair->p);
}

ppl_status ppl_kl_register(ppl_ctx *c, const ppl_family *q, const ppl_family *p,
                           ppl_kl_rule rule)
{
    added *a;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    if (!q || !rule) {
        ppl_fail(c, PPL_EINVAL, "kl_register: %s is NULL", q ? "the rule" : "q");
    } else if ((a = ppl_persistent_alloc(c, sizeof *a)) != NULL) {
        *a = (added){ ppl_owned(c, &key), { q, p, rule } };
        ppl_own(c, &key, a, release);
    }
    return ppl_boundary_leave(c);
}

ppl_kl_rule ppl__kl_direct(const ppl_family *q, const ppl_family *p)
{
    const ppl__kl_pair *pair = ppl__kl_pairs;
    ppl_kl_rule rule;

    if (q == p && q->kl)
        return q->kl;
    while (pair->q && !fits(pair, q, p))
        pair++;
    rule = pair->rule ? pair->rule : ppl__kl_cross(q, p);
    return rule ? rule : ppl__kl_counts(q, p);
}

ppl_kl_rule ppl_kl_find(const ppl_ctx *c, const ppl_family *q, const ppl_family *p)
{
    ppl_kl_rule rule;

    q = q->kind ? q->kind : q;
    p = p->kind ? p->kind : p;
    for (const added *a = ppl_owned(c, &key); a; a = a->older)
        if (fits(&a->pair, q, p))
            return a->pair.rule;
    rule = ppl__kl_direct(q, p);
    return rule ? rule : ppl__kl_related(q, p);
}

ppl_kl_rule ppl_kl_rule_of(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_kl_rule rule = ppl_kl_find(q->ctx, q->family, p->family);

    return rule && rule == q->family->kl && q->family->kl_holds &&
           !q->family->kl_holds(q, p) ? NULL : rule;
}

/* 1 if `from` broadcasts to `to`; their last `own` axes must be the same. */
static int broadcasts(const ppl_shape *from, const ppl_shape *to, int own)
{
    for (int i = 1; i <= from->rank; i++)
        if (i > to->rank || ((i <= own || from->dim[from->rank - i] != 1) &&
                             from->dim[from->rank - i] != to->dim[to->rank - i]))
            return 0;
    return 1;
}

/* The axes of one value: of whichever family has more. */
static int value_axes(const ppl_dist *q, const ppl_dist *p)
{
    const int a = q->family->event_dim, b = p->family->event_dim;
    return a > b ? a : b;
}

static int comparable(const ppl_dist *q, const ppl_dist *p)
{
    const char *q_name = q->family->name, *p_name = p->family->name;

    if (q->ctx != p->ctx)
        ppl_fail(q->ctx, PPL_EINVAL, "kl: %s and %s belong to two contexts", q_name,
                 p_name);
    else if (q->event_dim != p->event_dim)
        ppl_fail(q->ctx, PPL_ESHAPE, "kl: %s has event_dim %d and %s has event_dim %d; "
                 "make them equal with ppl_event", q_name, q->event_dim, p_name,
                 p->event_dim);
    else if (!broadcasts(&p->shape, &q->shape, value_axes(q, p)))
        ppl_fail(q->ctx, PPL_ESHAPE, "kl: p, %s of shape %s, does not broadcast to q, %s "
                 "of shape %s; a draw of q must be a value of p", p_name,
                 SHAPE_TEXT(p->shape), q_name, SHAPE_TEXT(q->shape));
    return ppl_ok(q->ctx);
}

/* t [values of q, or what broadcasts to them] summed over what is left of the event. */
static ppl_tensor *sum_event(const ppl_dist *q, ppl_tensor *t, int family_axes)
{
    ppl_shape values = q->shape, shape = ppl_tensor_shape(t);
    int same;

    values.rank -= family_axes;
    same = shape.rank == values.rank;
    for (int i = 0; same && i < values.rank; i++)
        same = shape.dim[i] == values.dim[i];
    if (!same)
        t = ppl_expand(t, values);
    return q->event_dim > family_axes ? ppl_sum_last(t, q->event_dim - family_axes) : t;
}

ppl_tensor *ppl_kl(ppl_dist *q, ppl_dist *p)
{
    if (!q || !p || !ppl_ok(q->ctx) || !comparable(q, p))
        return NULL;
    const ppl_family *from = q->family, *to = p->family;
    ppl_kl_rule rule = ppl_kl_rule_of(q, p);
    if (!rule) {
        ppl_fail(q->ctx, PPL_EUNSUPPORTED, "kl: there is no rule for KL(%s || %s); add "
                 "one with ppl_kl_register, or estimate it from samples", from->name,
                 to->name);
        return NULL;
    }
    ppl_tensor *t = rule(q, p), *mask = q->mask;
    if (t)
        t = sum_event(q, t, value_axes(q, p));
    if (p->mask)
        mask = mask ? ppl_and(mask, p->mask) : p->mask;
    return t && mask ? ppl_where(mask, t, ppl_scalar(q->ctx, 0)) : t;
}
