/* SPDX-License-Identifier: MIT */
/*
 * transformed.c - the distribution of y = T(x), x of a base distribution, T a transform.
 *
 *   log p(y)   log p(x) - log |det dy/dx|,  x = T^-1(y)
 *   draw       T of a draw of the base, with its gradient
 *   cdf        P(Y <= y) = P(X <= x), or P(X >= x) where T decreases
 *   mean       T(mean of x), where T is linear
 *   entropy    that of x + log |det dy/dx|, where T is linear
 *   KL(q||p)   that of the bases, where both have the same T
 *
 * The inverse may be slow (of an autoregressive flow), and mostly log p is asked of a
 * value just drawn. So a draw is remembered: the tensor, by its serial number, which no
 * other tensor has, and with it x and log |det dy/dx|. This is right only where y's
 * gradient goes the same way, through x: not if the draw was not recorded and gradients
 * are wanted now. A density that was computed from x still counts as depending on y.
 *
 * A family is made for each distribution, since what it can do depends on base and T; all
 * are of the kind ppl_family_transformed.
 */
#include "density.h"

#include <kiln/transforms.h>

#include "../shape_text.h"

#include <string.h>

/* The attr. */
typedef struct image {
    const ppl_transform *map;
    ppl_constraint codomain;                /* with as many axes as an event of y has */
    ppl_shape event;                        /* of y */
    /* the last draw */
    uint64_t drawn;                         /* its serial number; 0: there is none */
    int recorded;
    ppl_tensor *x, *log_abs_det;
} image;

static image *image_of(const ppl_dist *d)
{
    return (image *)(uintptr_t)d->attr;
}

static int same_shape(const ppl_shape *a, const ppl_shape *b)
{
    if (a->rank != b->rank)
        return 0;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

/* The base with d's batch. */
static ppl_dist *base_of(const ppl_dist *d)
{
    ppl_dist *base = (ppl_dist *)(uintptr_t)d->parts->dist[0];
    ppl_shape batch = d->shape, own = ppl_dist_batch_shape(base);
    for (int i = 0; i < d->family->event_dim; i++)
        batch.dim[--batch.rank] = 0;
    return same_shape(&batch, &own) ? base : ppl_expand_dist(base, batch);
}

/* log |det J| of a whole event of the base, which may have more axes than the map's. */
static ppl_tensor *whole(const ppl_dist *d, ppl_tensor *log_abs_det)
{
    const int more = d->parts->dist[0]->event_dim -
                     ppl_constraint_event_dim(&image_of(d)->map->domain);
    return more > 0 ? ppl_sum_last(log_abs_det, more) : log_abs_det;
}

static int recording(ppl_ctx *c)
{
    const int was = ppl_set_grad_enabled(c, 0);
    ppl_set_grad_enabled(c, was);
    return was;
}

/* ---- Drawing ----------------------------------------------------------------------- */

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    image *m = image_of(d);
    ppl_dist *base = base_of(d);
    ppl_tensor *x = ppl_dist_sample(base, rng), *log_abs_det = NULL;
    ppl_tensor *y = ppl_transform_forward(m->map, x, &log_abs_det);

    m->drawn = 0;
    if (!y)
        return NULL;
    if (!(d->family->flags & PPL_REPARAM))
        return ppl_detach(y);               /* the score function's: no path through T */
    m->x = x;
    m->log_abs_det = log_abs_det;
    m->recorded = recording(d->ctx);
    m->drawn = ppl_tensor_serial(y);
    return y;
}

static ppl_tensor *map(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_transform_forward(image_of(d)->map, x, NULL);
}

/* ---- Density ----------------------------------------------------------------------- */

/* The first input, which counts as depending on the others too. */
static ppl_status first_shape(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr, (void)dtype;
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

static void first_forward(ppl_tensor *out)
{
    memcpy(ppl_result(out), ppl_operand(out, 0), (size_t)ppl_numel(out) *
           (ppl_tensor_dtype(out) == PPL_F32 ? sizeof(float) : sizeof(double)));
}

static void first_vjp(ppl_tensor *out, int i, void *grad)
{
    const int64_t n = i == 0 ? ppl_numel(out) : 0;
    for (int64_t k = 0; k < n; k++)
        if (ppl_tensor_dtype(out) == PPL_F32)
            ((float *)grad)[k] += ((const float *)ppl_adjoint(out))[k];
        else
            ((double *)grad)[k] += ((const double *)ppl_adjoint(out))[k];
}

static const ppl_op first_op = {
    .name = "transformed log_prob", .inputs = -1, .shape = first_shape,
    .forward = first_forward, .vjp = first_vjp
};

/* The base's, of whole events. x was made from a value that was checked. */
static ppl_tensor *base_log_prob(const ppl_dist *base, ppl_tensor *x)
{
    const int more = base->event_dim - base->family->event_dim;
    ppl_tensor *t = x ? base->family->log_prob(base, x) : NULL;
    return more > 0 ? ppl_sum_last(t, more) : t;
}

/* t, a density computed from x, as one of y and of what the map depends on. */
static ppl_tensor *depending(const ppl_dist *d, ppl_tensor *t, ppl_tensor *y)
{
    const int n = d->parts->tensors;
    ppl_tensor **in = ppl_alloc(d->ctx, (2 + (size_t)n) * sizeof *in);
    if (!in)
        return NULL;
    in[0] = t;
    in[1] = y;
    for (int i = 0; i < n; i++)
        in[2 + i] = d->parts->tensor[i];
    return ppl_apply(&first_op, in, 2 + n, NULL, 0);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *y)
{
    const image *m = image_of(d);
    const int known = m->drawn != 0 && ppl_tensor_serial(y) == m->drawn &&
                      (m->recorded || !recording(d->ctx));
    ppl_tensor *x = m->x, *log_abs_det = m->log_abs_det;

    if (!known)
        x = ppl_transform_inverse(m->map, y, &log_abs_det);
    ppl_tensor *t = ppl_sub(base_log_prob(d->parts->dist[0], x), whole(d, log_abs_det));
    return known ? depending(d, t, y) : t;
}

static ppl_shape event_shape(const ppl_dist *d)
{
    return image_of(d)->event;
}

/* ---- Elementwise transforms: order is kept, or reversed ---------------------------- */

static ppl_tensor *decreasing(const ppl_dist *d)
{
    const ppl_transform *t = image_of(d)->map;
    return t->type->decreasing ? t->type->decreasing(t) : NULL;
}

/* `down` where the transform decreases, `up` elsewhere. */
static ppl_tensor *by_direction(ppl_tensor *mask, ppl_tensor *up, ppl_tensor *down)
{
    return mask ? ppl_where(mask, down, up) : up;
}

/* The ends of the base's support, infinite where there are none. */
static void base_ends(const ppl_dist *base, ppl_tensor *end[2])
{
    const ppl_constraint *k = base->family->support;
    const int numbers = k && !k->parts && ppl_constraint_event_dim(k) == 0;
    if (base->family->bounds)
        base->family->bounds(base, &end[0], &end[1]);
    for (int i = 0; i < 2; i++) {
        const double bound = numbers ? (i ? k->upper : k->lower) : NAN;
        if (!end[i])
            end[i] = ppl_scalar(base->ctx, fabs(bound) < 1e300 ? bound
                                           : i ? INFINITY : -INFINITY);
    }
}

/* Those of the image; no gradient goes through them. */
static void bounds(const ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper)
{
    ppl_tensor *end[2] = { NULL, NULL }, *mask;
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    base_ends(d->parts->dist[0], end);
    for (int i = 0; i < 2; i++)             /* a flow asks for its number of elements */
        end[i] = ppl_transform_forward(image_of(d)->map,
                                       ppl_expand(end[i], d->parts->dist[0]->shape),
                                       NULL);
    mask = decreasing(d);
    *lower = by_direction(mask, end[0], end[1]);
    *upper = by_direction(mask, end[1], end[0]);
    ppl_set_grad_enabled(d->ctx, was);
}

/* x of y moved to the nearest end of the support where it is outside. */
static ppl_tensor *x_within(const ppl_dist *d, ppl_tensor *y)
{
    ppl_tensor *lower, *upper;
    bounds(d, &lower, &upper);
    y = ppl_where(ppl_less(y, lower), lower, y);
    y = ppl_where(ppl_less(upper, y), upper, y);
    return ppl_transform_inverse(image_of(d)->map, y, NULL);
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *y)
{
    ppl_tensor *x = x_within(d, y), *mask = decreasing(d);
    ppl_dist *base = base_of(d);
    return by_direction(mask, ppl_log_cdf(base, x),
                        mask ? ppl_log_survival(base, x) : NULL);
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *y)
{
    ppl_tensor *x = x_within(d, y), *mask = decreasing(d);
    ppl_dist *base = base_of(d);
    return by_direction(mask, ppl_log_survival(base, x),
                        mask ? ppl_log_cdf(base, x) : NULL);
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *y)
{
    ppl_tensor *x = x_within(d, y), *mask = decreasing(d);
    ppl_dist *base = base_of(d);
    return by_direction(mask, ppl_cdf(base, x),
                        mask ? ppl_exp(ppl_log_survival(base, x)) : NULL);
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    ppl_tensor *mask = decreasing(d);
    ppl_dist *base = base_of(d);
    return map(d, by_direction(mask, ppl_icdf(base, probability),
                               mask ? ppl_inverse_survival(base, probability) : NULL));
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    ppl_tensor *mask = decreasing(d);
    ppl_dist *base = base_of(d);
    return map(d, by_direction(mask, ppl_inverse_survival(base, probability),
                               mask ? ppl_icdf(base, probability) : NULL));
}

/* ---- Linear transforms ------------------------------------------------------------- */

static ppl_tensor *mean(const ppl_dist *d)
{
    return map(d, ppl_dist_mean(base_of(d)));
}

/* Each element of y is one of x, scaled and shifted: so are standard deviations. */
static ppl_tensor *variance(const ppl_dist *d)
{
    ppl_dist *base = base_of(d);
    ppl_tensor *deviation = ppl_sqrt(ppl_dist_variance(base));
    ppl_tensor *scaled = ppl_sub(map(d, deviation),
                                 map(d, ppl_full(d->ctx, base->shape, 0)));
    return ppl_mul(scaled, scaled);
}

static ppl_tensor *entropy(const ppl_dist *d)
{
    ppl_dist *base = base_of(d);
    ppl_tensor *log_abs_det = NULL;
    ppl_transform_forward(image_of(d)->map, ppl_full(d->ctx, base->shape, 0),
                          &log_abs_det);
    return ppl_add(ppl_entropy(base), whole(d, log_abs_det));
}

/* ---- KL: a bijection changes none -------------------------------------------------- */

static ppl_tensor *kl(const ppl_dist *q, const ppl_dist *p)
{
    return ppl_kl(base_of(q), base_of(p));
}

static int kl_holds(const ppl_dist *q, const ppl_dist *p)
{
    const ppl_dist *from = q->parts->dist[0], *to = p->parts->dist[0];
    return from->event_dim == to->event_dim &&
           ppl_transform_equal(image_of(q)->map, image_of(p)->map) &&
           ppl_kl_rule_of(from, to) != NULL;
}

/* ---- Making ------------------------------------------------------------------------ */

const ppl_family ppl_family_transformed = {
    .name = "transformed",
    .sample = sample,
    .log_prob = log_prob,
    .event_shape = event_shape,
    .kl = kl,
    .kl_holds = kl_holds,
    .image = map,
};

/* What the distribution can do, of what its base and its map can. */
static const ppl_family *family_of(const ppl_dist *base, const image *m)
{
    ppl_ctx *c = base->ctx;
    const ppl_family *of = base->family;
    const unsigned flags = ppl_transform_flags(m->map);
    const int atoms = (of->flags & PPL_ATOMS) != 0;     /* which an inverse would round away */
    ppl_family *f = ppl_alloc(c, sizeof *f);
    if (!f)
        return NULL;
    *f = ppl_family_transformed;
    f->kind = &ppl_family_transformed;
    f->name = ppl_intern_join(c, ppl_intern_join(c, "transformed(", of->name), ")");
    f->support = &m->codomain;
    f->event_dim = m->event.rank;
    f->flags = of->flags & (PPL_REPARAM | PPL_ATOMS);
    if (flags & PPL_ELEMENTWISE) {
        f->bounds = bounds;
        f->cdf = of->cdf && !atoms ? cdf : NULL;
        f->icdf = of->icdf && !atoms ? icdf : NULL;
        f->log_cdf = f->cdf ? log_cdf : NULL;
        f->log_survival = f->cdf ? log_survival : NULL;
        f->inverse_survival = f->icdf ? inverse_survival : NULL;
    }
    if (flags & PPL_LINEAR) {
        f->mean = of->mean ? mean : NULL;
        f->variance = of->variance ? variance : NULL;
        f->entropy = of->entropy ? entropy : NULL;
    }
    return f->name ? f : NULL;
}

static int count_tensors(const ppl_transform *t)
{
    int n = t->tensors;
    for (int i = 0; i < t->parts; i++)
        n += count_tensors(t->part[i]);
    return n;
}

static ppl_tensor **list_tensors(const ppl_transform *t, ppl_tensor **to)
{
    for (int i = 0; i < t->tensors; i++)
        *to++ = t->tensor[i];
    for (int i = 0; i < t->parts; i++)
        to = list_tensors(t->part[i], to);
    return to;
}

/* The base with events of at least the map's axes, without its mask, and of the batch
 * that the map makes of its own; the shape of y in *y. NULL on error. */
static ppl_dist *fit_base(ppl_dist *base, const ppl_transform *t, ppl_shape *y)
{
    const int into = ppl_constraint_event_dim(&t->domain);
    ppl_shape x, batch;
    ppl_dist *copy;
    if (into > base->event_dim)
        base = ppl_event(base, into - base->event_dim);
    copy = base ? ppl_alloc(base->ctx, sizeof *copy) : NULL;
    if (!copy)
        return NULL;
    *copy = *base;
    copy->mask = NULL;
    *y = base->shape;
    if (!ppl_transform_shape(t, y, 0))
        return NULL;
    x = *y;
    if (!ppl_transform_shape(t, &x, 1))
        return NULL;
    batch = x;
    for (int i = 1; i <= base->event_dim; i++) {
        if (x.dim[x.rank - i] != base->shape.dim[base->shape.rank - i]) {
            ppl_fail(base->ctx, PPL_ESHAPE, "transformed: %s stretches the events of %s, "
                     "of shape %s; give the base that shape with ppl_expand_dist before "
                     "ppl_event", t->type->name, base->family->name,
                     SHAPE_TEXT(base->shape));
            return NULL;
        }
        batch.dim[--batch.rank] = 0;
    }
    return same_shape(&x, &base->shape) ? copy : ppl_expand_dist(copy, batch);
}

static int can_be_transformed(const ppl_dist *base, const ppl_transform *t)
{
    if ((base->family->flags & PPL_DISCRETE) || base->family->value_dtype == PPL_I64)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "transformed: %s is discrete; a change of "
                 "variables is of densities", base->family->name);
    else if (ppl_transform_flags(t) & PPL_NOT_INJECTIVE)
        ppl_fail(base->ctx, PPL_EUNSUPPORTED, "transformed: several values have one "
                 "image under %s; take a bijection", t->type->name);
    else if (t->ctx != base->ctx)
        ppl_fail(base->ctx, PPL_EINVAL, "transformed: %s and %s belong to two contexts",
                 base->family->name, t->type->name);
    return ppl_ok(base->ctx);
}

ppl_dist *ppl_transformed(ppl_dist *base, ppl_transform *const *transforms, int n)
{
    if (!base || n == 0)
        return base;
    const ppl_transform *t = ppl_transform_compose(transforms, n);
    image *m = t && can_be_transformed(base, t) ? ppl_alloc(base->ctx, sizeof *m) : NULL;
    ppl_tensor *mask = base->mask;
    ppl_shape y;
    if (!m)
        return NULL;
    if (mask && ppl_constraint_event_dim(&t->domain) > base->event_dim) {
        base = ppl_event(base, ppl_constraint_event_dim(&t->domain) - base->event_dim);
        mask = base ? base->mask : NULL;
    }
    base = base ? fit_base(base, t, &y) : NULL;
    ppl_tensor **tensors = ppl_alloc(t->ctx, (size_t)count_tensors(t) * sizeof *tensors);
    if (!base || !tensors)
        return NULL;
    const int more = base->event_dim - ppl_constraint_event_dim(&t->domain);
    const int axes = ppl_constraint_event_dim(&t->codomain) + more;
    m->map = t;
    m->codomain = ppl_constraint_independent(t->ctx, t->codomain, more);
    m->event = (ppl_shape){ axes, { 0 } };
    for (int i = 0; i < axes; i++)
        m->event.dim[i] = y.dim[y.rank - axes + i];
    const ppl_family *f = family_of(base, m);
    const ppl_dist_parts parts = {
        .dist = (const ppl_dist *[]){ base }, .dists = 1, .tensor = tensors,
        .tensors = (int)(list_tensors(t, tensors) - tensors),
        .batch = ppl_dist_batch_shape(base)
    };
    return f ? ppl_masked(ppl_dist_make_of(f, NULL, &parts, m), mask) : NULL;
}
