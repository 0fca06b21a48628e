/* SPDX-License-Identifier: MIT */
/*
 * gated.c - making counts behind a gate (gated.h), and what both kinds of them share.
 */
#include "gated.h"

#include "pointwise.h"

#include "../shape_text.h"

static const ppl_dist *part(const ppl_dist *d)
{
    return d->parts->dist[0];
}

int ppl__gate_by_logits(const ppl_dist *d)
{
    return d->family->param_constraint[0] == &ppl_constraint_real;
}

ppl_dist *ppl__gated_base(const ppl_dist *d)
{
    ppl_dist *base = (ppl_dist *)(uintptr_t)part(d);
    int same = base->shape.rank == d->shape.rank;

    for (int i = 0; same && i < d->shape.rank; i++)
        same = base->shape.dim[i] == d->shape.dim[i];
    return same ? base : ppl_expand_dist(base, d->shape);
}

ppl_tensor *ppl__gate_open(const ppl_dist *d)
{
    ppl_tensor *gate = d->param[0];
    return ppl__gate_by_logits(d) ? ppl_sigmoid(ppl_neg(gate)) : ppl_affine(gate, -1, 1);
}

ppl_tensor *ppl__no_count(ppl_ctx *c)
{
    const int64_t zero = 0;
    return ppl_from_integers(c, PPL_SCALAR, &zero);
}

ppl_tensor *ppl__is_no_count(ppl_tensor *x)
{
    return x ? ppl_equal(ppl_to_float(x), ppl_scalar(ppl_tensor_ctx(x), 0)) : NULL;
}

/* The gate's random numbers are its own. */
ppl_tensor *ppl__gate_draw(const ppl_dist *d, const ppl_rng *rng, ppl_tensor *x)
{
    const ppl_rng own = ppl_rng_part(rng, 0);
    ppl_dist *gate = ppl__gate_by_logits(d) ? ppl_bernoulli_logits(d->param[0])
                                            : ppl_bernoulli(d->param[0]);
    ppl_tensor *closed = ppl_dist_sample(ppl_expand_dist(gate, d->shape), &own);
    return ppl_where(ppl_less(ppl_scalar(d->ctx, 0.5), closed), ppl__no_count(d->ctx), x);
}

/* The base's, and 0 before them if it is none of them, as of one that is cut. */
ppl_tensor *ppl__gated_enumerate(const ppl_dist *d)
{
    ppl_tensor *own = part(d)->family->enumerate(part(d));
    const int64_t *v = own && ppl_tensor_dtype(own) == PPL_I64 ? ppl_data(own) : NULL;
    const int64_t n = v ? ppl_numel(own) : 0;

    for (int64_t i = 0; i < n; i++)
        if (v[i] == 0)
            return own;
    int64_t *all = n > 0 ? ppl_alloc(d->ctx, (size_t)(n + 1) * sizeof *all) : NULL;
    if (!all)
        return own;
    all[0] = 0;
    memcpy(all + 1, v, (size_t)n * sizeof *all);
    return ppl_wrap(d->ctx, PPL_I64, PPL_SHAPE(n + 1), all);
}

/* The base's least count may be above 0, which the gate gives. */
void ppl__gated_bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    part(d)->family->bounds(part(d), lower, upper);
    *lower = NULL;
}

/* ---- Entropy, quantiles ------------------------------------------------------------- */

/* The attr of what is made of the gate. */
typedef struct gate_attr {
    int logits, closed, upper, least;
} gate_attr;

static double gate_share(const gate_attr *a, double x)
{
    const ppl__odds o = ppl__odds_of(a->logits, x);
    return -ppl__times_log(o.p[a->closed], o.log_p[a->closed]);
}

/* 0 where a probability is, as the entropy of a Bernoulli. */
static double gate_share_slope(const gate_attr *a, double x)
{
    const ppl__odds o = ppl__odds_of(a->logits, x);
    const double slope = o.p[a->closed] == 0 ? 0 : 1 + o.log_p[a->closed];
    return (a->closed ? -slope : slope) * (a->logits ? o.p[0] * o.p[1] : 1);
}

PPL__POINTWISE(gate_share, 1, "entropy of a gate", gate_share(s->attr, PPL__IN(0)),
               input == 0 ? gate_share_slope(s->attr, PPL__IN(0)) : 0)

ppl_tensor *ppl__gate_share(const ppl_dist *d, int closed)
{
    const gate_attr a = { .logits = ppl__gate_by_logits(d), .closed = closed };
    return ppl_apply(&gate_share_op, d->param, 1, &a, sizeof a);
}

static double share(double log_p)
{
    return log_p == -INFINITY ? 0 : -exp(log_p) * log_p;
}

PPL__POINTWISE(share, 1, "entropy of a mass", share(PPL__IN(0)),
               ((void)input, share(PPL__IN(0)) - exp(PPL__IN(0))))

ppl_tensor *ppl__entropy_share(ppl_tensor *log_p)
{
    return ppl_apply(&share_op, &log_p, 1, NULL, 0);
}

/* Whether p is reached at 0, by the gate alone. */
static int is_none(const gate_attr *a, const ppl__odds *o, double p)
{
    return a->upper ? p >= o->p[0] : p <= o->p[1];
}

/* What the base is asked for, by its tail `side`, the lower one where that is the lesser and p
 * is of it; NaN of the other. Inputs: p, the gate, log f(0) or -inf. */
static double asked(const gate_attr *a, int side, double p, double x, double log_none)
{
    const ppl__odds o = ppl__odds_of(a->logits, x);
    const double some = -expm1(log_none), below = exp(log_none) + (p - o.p[1]) / o.p[0] * some;
    const int upper = a->upper || below > 0.5;
    if (!(p >= 0 && p <= 1) || side != upper)
        return NAN;
    return is_none(a, &o, p) ? side : upper ? (a->upper ? p : 1 - p) / o.p[0] * some : below;
}

/* Inputs: the base's by its lower tail or by its upper, p, the gate. */
static double placed(const gate_attr *a, double low, double high, double p, double x)
{
    const ppl__odds o = ppl__odds_of(a->logits, x);
    const double k = isnan(low) ? high : low;
    return isnan(k) ? k : is_none(a, &o, p) ? 0 : fmax(k, a->least);
}

PPL__POINTWISE_VALUE(asked, 3, "icdf behind a gate", asked(s->attr, 0, PPL__IN_3(0)))
PPL__POINTWISE_VALUE(asked_above, 3, "icdf behind a gate", asked(s->attr, 1, PPL__IN_3(0)))
PPL__POINTWISE_VALUE(placed, 4, "icdf behind a gate", placed(s->attr, PPL__IN_4(0)))

ppl_tensor *ppl__gated_quantile(const ppl_dist *d, ppl_tensor *log_none, int least,
                                ppl_tensor *p, int upper)
{
    const gate_attr a = { .logits = ppl__gate_by_logits(d), .upper = upper, .least = least };
    ppl_tensor *in[] = { p, d->param[0], log_none };
    ppl_dist *base = ppl__gated_base(d);
    ppl_tensor *low = ppl_icdf(base, ppl_apply(&asked_op, in, 3, &a, sizeof a));
    ppl_tensor *high = ppl_inverse_survival(base, ppl_apply(&asked_above_op, in, 3, &a,
                                                            sizeof a));
    ppl_tensor *found[] = { low, high, p, d->param[0] };
    return ppl_apply(&placed_op, found, 4, &a, sizeof a);
}

/* ---- Making ------------------------------------------------------------------------ */

static const ppl_family *family_of(const ppl_family *kind, int logits,
                                   const ppl_dist *base, int has_entropy)
{
    ppl_ctx *c = base->ctx;
    const ppl_family *of = base->family;
    ppl_family *f = ppl_alloc(c, sizeof *f);

    if (!f)
        return NULL;
    *f = *kind;
    f->kind = kind;
    f->name = ppl_intern_join(c, ppl_intern_join(c, ppl_intern_join(c, kind->name, "("),
                                                 of->name), ")");
    if (logits) {
        f->param_name[0] = "gate_logits";
        f->param_constraint[0] = &ppl_constraint_real;
    }
    if (!of->mean || !of->variance)
        f->variance = NULL;
    if (!of->mean)
        f->mean = NULL;
    if (!of->cdf)
        f->cdf = f->log_cdf = f->log_survival = NULL;
    if (!of->icdf)
        f->icdf = f->inverse_survival = NULL;
    if (!has_entropy)
        f->entropy = NULL;
    if (!of->enumerate) {
        f->enumerate = NULL;
        f->flags &= ~(unsigned)PPL_ENUMERABLE;
    }
    if (!of->bounds)
        f->bounds = NULL;
    return f->name ? f : NULL;
}

/* 1 if the base is of the counts 0, 1, 2, ..; a family made of others says no support
 * where theirs have ends. */
static int is_of_counts(const ppl_family *kind, const ppl_dist *base)
{
    const ppl_family *f = base->family;

    if ((f->flags & PPL_DISCRETE) && f->value_dtype == PPL_I64 && f->event_dim == 0 &&
        (!f->support || f->support == &ppl_constraint_nonnegative_integer)) {
        if (base->event_dim == 0)
            return 1;
        ppl_fail(base->ctx, PPL_ESHAPE, "%s: the base, %s of shape %s, has events; take "
                 "ppl_event of the result", kind->name, f->name, SHAPE_TEXT(base->shape));
        return 0;
    }
    ppl_fail(base->ctx, PPL_EUNSUPPORTED, "%s: %s is not a distribution of counts, "
             "integers 0, 1, 2, ..; take one that is (ppl_poisson, ppl_binomial, ..)",
             kind->name, f->name);
    return 0;
}

ppl_dist *ppl__gated(const ppl_family *kind, int logits, ppl_tensor *gate, ppl_dist *base,
                     int has_entropy)
{
    if (!base || !gate || !ppl_ok(base->ctx) || !is_of_counts(kind, base))
        return NULL;
    const ppl_family *f = family_of(kind, logits, base, has_entropy);
    ppl_dist *bare = f ? ppl_alloc(base->ctx, sizeof *bare) : NULL;
    if (!bare)
        return NULL;
    *bare = *base;
    bare->mask = NULL;
    const ppl_dist_parts parts = { .dist = (const ppl_dist *[]){ bare }, .dists = 1,
                                   .batch = ppl_dist_batch_shape(base) };
    return ppl_masked(ppl_dist_make_of(f, &gate, &parts, NULL), base->mask);
}
