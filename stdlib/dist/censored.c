/* SPDX-License-Identifier: MIT */
/*
 * censored.c - values of a base distribution that were seen to lie below, above, between or
 * outside numbers, or seen exactly.
 *
 *   left       log F(x) where censored, else log p(x)
 *   right      log S(x) where censored, else log p(x)
 *   interval   of a pair (a, b): log (S(a) - S(b)), log F(b), log S(a), log (F(a) + S(b)),
 *              log p(a) where a = b; F = P(X <= .) and S = P(X > .)
 *   draw       the base's, and so are mean and variance; of a pair at both ends
 *
 * Tails are the base's own logarithms and differences of them (tails.h). The indicators are
 * parameters, floating numbers 0 and 1. A family is made for each distribution.
 * Source: Klein, Moeschberger, Survival Analysis, 2003, chapter 3.5. Semantics of
 * numpyro.distributions.LeftCensoredDistribution and its like, but that an interval is a
 * point where its ends are equal, not where they are close.
 */
#include "event.h"
#include "pointwise.h"
#include "tails.h"

#include <kiln/censored.h>

#include "../shape_text.h"

static ppl_dist *base_of(const ppl_dist *d)
{
    return (ppl_dist *)(uintptr_t)d->parts->dist[0];
}

static ppl_tensor *is_set(const ppl_dist *d, int i)
{
    return ppl_not(ppl_equal(d->param[i], ppl_scalar(d->ctx, 0)));
}

static ppl_tensor *exactly(const ppl_dist *d, ppl_tensor *x)
{
    return base_of(d)->family->log_prob(base_of(d), x);
}

/* ---- One number ---------------------------------------------------------------------- */

static ppl_tensor *left_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_where(is_set(d, 0), ppl_log_cdf(base_of(d), x), exactly(d, x));
}

static ppl_tensor *right_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_where(is_set(d, 0), ppl_log_survival(base_of(d), x), exactly(d, x));
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    return ppl_dist_sample(ppl_expand_dist(base_of(d), d->shape), rng);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_dist_mean(base_of(d));
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_dist_variance(base_of(d));
}

static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    base_of(d)->family->bounds(base_of(d), lower, upper);
}

/* ---- Pairs --------------------------------------------------------------------------- */

/* Number i of the pairs x. */
static ppl_tensor *end_of(ppl_tensor *x, int i)
{
    ppl_shape shape = ppl_tensor_shape(x);
    if (shape.rank > 0)
        shape.dim[--shape.rank] = 0;
    return ppl_reshape(ppl_slice(x, -1, i, i + 1), shape);
}

/* Which pair is the first out of order, counted from 1: told through the attr, as a number
 * that C code reads counts as what all that follows depends on. */
typedef struct order {
    int64_t *found;
} order;

static double ordered(const order *o, size_t i, double lower, double upper, double left,
                      double right)
{
    if (left == 0 && right == 0 && lower > upper && *o->found == 0)
        *o->found = (int64_t)i + 1;
    return 0;
}

PPL__POINTWISE_VALUE(ordered, 4, "interval_censored",
                     ordered(s->attr, s->start + i, PPL__IN_4(0)))

static int check_order(const ppl_dist *d, ppl_tensor *x, ppl_tensor *lower,
                       ppl_tensor *upper)
{
    const order o = { ppl_alloc(d->ctx, sizeof *o.found) };
    ppl_tensor *in[] = { lower, upper, d->param[0], d->param[1] };
    ppl_tensor *all = o.found ? ppl_apply(&ordered_op, in, 4, &o, sizeof o) : NULL;
    if (all && *o.found)
        ppl_fail(d->ctx, PPL_ECONSTRAINT, "%s: in the value of shape %s the lower end of "
                 "interval %lld of %s is above its upper end; give lower, then upper",
                 d->family->name, SHAPE_OF(x), (long long)*o.found - 1, SHAPE_OF(all));
    return ppl_ok(d->ctx);
}

static ppl_tensor *interval_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *lower = end_of(x, 0), *upper = end_of(x, 1);
    if (ppl_validating(d->ctx) && !check_order(d, x, lower, upper))
        return NULL;
    const ppl__tails a = ppl__tails_at(base_of(d), lower);
    const ppl__tails b = ppl__tails_at(base_of(d), upper);
    ppl_tensor *seen = ppl_where(ppl_equal(lower, upper), exactly(d, lower),
                                 ppl__log_between(a, b));
    ppl_tensor *both = ppl__log_beyond(a.log_cdf, b.log_survival);
    ppl_tensor *right = is_set(d, 1);
    return ppl_where(is_set(d, 0), ppl_where(right, both, b.log_cdf),
                     ppl_where(right, a.log_survival, seen));
}

static ppl_tensor *twice(ppl_tensor *x)
{
    return ppl_stack((ppl_tensor *[]){ x, x }, 2, -1);
}

static ppl_tensor *interval_sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_shape batch = d->shape;
    batch.dim[--batch.rank] = 0;
    return twice(ppl_dist_sample(ppl_expand_dist(base_of(d), batch), rng));
}

static ppl_tensor *interval_mean(const ppl_dist *d)
{
    return twice(mean(d));
}

static ppl_tensor *interval_variance(const ppl_dist *d)
{
    return twice(variance(d));
}

static ppl_tensor *interval_covariance(const ppl_dist *d)
{
    return twice(interval_variance(d));
}

static ppl_shape pair(const ppl_dist *d)
{
    (void)d;
    return PPL_SHAPE(2);
}

/* ---- Making -------------------------------------------------------------------------- */

const ppl_family ppl_family_left_censored = {
    .name = "left_censored",
    .params = 1,
    .param_name = { "censored" },
    .param_constraint = { &ppl_constraint_boolean },
    .sample = sample,
    .log_prob = left_log_prob,
    .mean = mean,
    .variance = variance,
};

const ppl_family ppl_family_right_censored = {
    .name = "right_censored",
    .params = 1,
    .param_name = { "censored" },
    .param_constraint = { &ppl_constraint_boolean },
    .sample = sample,
    .log_prob = right_log_prob,
    .mean = mean,
    .variance = variance,
};

const ppl_family ppl_family_interval_censored = {
    .name = "interval_censored",
    .params = 2,
    .param_name = { "left_censored", "right_censored" },
    .param_constraint = { &ppl_constraint_boolean, &ppl_constraint_boolean },
    .event_dim = 1,
    .event_shape = pair,
    .sample = interval_sample,
    .log_prob = interval_log_prob,
    .mean = interval_mean,
    .variance = interval_variance,
    .covariance = interval_covariance,
};

/* The family of `kind` over a base. */
static const ppl_family *family_of(const ppl_family *kind, const ppl_dist *base)
{
    const ppl_family *of = base->family;
    ppl_family *f = ppl_alloc(base->ctx, sizeof *f);
    if (!f)
        return NULL;
    *f = *kind;
    f->kind = kind;
    f->name = ppl_intern_join(base->ctx, kind->name, "(");
    f->name = ppl_intern_join(base->ctx, f->name, of->name);
    f->name = ppl_intern_join(base->ctx, f->name, ")");
    f->value_dtype = of->value_dtype;
    f->flags = of->flags & (PPL_REPARAM | PPL_DISCRETE | PPL_ATOMS);
    if (!of->mean)
        f->mean = NULL;
    if (!of->variance)
        f->variance = f->covariance = NULL;
    if (f->event_dim == 0) {
        f->support = of->support;
        f->bounds = of->bounds ? bounds : NULL;
    }
    return f->name ? f : NULL;
}

static int can_be_censored(const ppl_family *kind, const ppl_dist *base)
{
    const ppl_family *f = base->family;
    if (f->event_dim > 0 || base->event_dim > 0)
        ppl_fail(base->ctx, PPL_ESHAPE, "%s: %s is of events of %d axes; take a "
                 "distribution of single numbers, and make events of the result with "
                 "ppl_event", kind->name, f->name, base->event_dim);
    else if (!f->cdf)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "%s: %s has no cdf, which tells the "
                 "probability of a censored value; take a base that has one "
                 "(doc/distributions.md)", kind->name, f->name);
    return ppl_ok(base->ctx);
}

static ppl_dist *make(const ppl_family *kind, ppl_dist *base,
                      ppl_tensor *const *indicators)
{
    ppl_tensor *params[2] = { NULL };
    if (!base || !ppl_ok(base->ctx) || !can_be_censored(kind, base))
        return NULL;
    for (int i = 0; i < kind->params; i++) {
        const ppl_dtype dtype = indicators[i] ? ppl_tensor_dtype(indicators[i]) : PPL_F32;
        params[i] = dtype == PPL_MASK || dtype == PPL_I64 ? ppl_to_float(indicators[i])
                                                          : indicators[i];
    }
    const ppl_family *f = family_of(kind, base);
    ppl_dist *plain = ppl_alloc(base->ctx, sizeof *plain);
    if (!f || !plain)
        return NULL;
    *plain = *base;
    plain->mask = NULL;
    const ppl_dist_parts parts = { .dist = (const ppl_dist *[]){ plain }, .dists = 1,
                                   .batch = base->shape };
    return ppl_masked(ppl_dist_make_of(f, params, &parts, NULL), base->mask);
}

ppl_dist *ppl_left_censored(ppl_dist *base, ppl_tensor *censored)
{
    return make(&ppl_family_left_censored, base, &censored);
}

ppl_dist *ppl_right_censored(ppl_dist *base, ppl_tensor *censored)
{
    return make(&ppl_family_right_censored, base, &censored);
}

ppl_dist *ppl_interval_censored(ppl_dist *base, ppl_tensor *left_censored,
                                ppl_tensor *right_censored)
{
    ppl_tensor *indicators[] = { left_censored, right_censored };
    return make(&ppl_family_interval_censored, base, indicators);
}
