/* SPDX-License-Identifier: MIT */
/*
 * mixture.c - mixtures: x of component k with probability w_k, k summed out.
 *
 *   log p(x)   log sum over k of w_k p_k(x)
 *   mean       sum over k of w_k m_k
 *   variance   sum over k of w_k (v_k + (m_k - mean)^2)
 *   P(X <= x)  sum over k of w_k P_k(X <= x); its logarithms from those of both tails
 *   quantile   by search between the least and the greatest of the components' (search.h)
 *   entropy    by quadrature, or a sum (tail_moments.h)
 *   draw       one of each component, of which the categorical chooses
 *
 * The parts are the categorical and the components: one distribution with an axis of K at
 * the end of its batch, or K of them. What follows sees one way only: a quantity of every
 * component, along a last axis. A family is made for each mixture, since what it can do is
 * what its components can; all are of the kind ppl_family_mixture.
 */
#include "event.h"
#include "tail_moments.h"

#include <kiln/kl.h>
#include <kiln/mixture.h>

#include "../shape_text.h"

typedef struct mixture {
    int same;                       /* one distribution has all components */
    int count;                      /* K */
} mixture;

static const mixture *mixture_of(const ppl_dist *d)
{
    return d->attr;
}

static ppl_dist *part(const ppl_dist *d, int i)
{
    return (ppl_dist *)(uintptr_t)d->parts->dist[i];
}

/* The batch of d, and behind it K. */
static ppl_shape wide_batch(const ppl_dist *d, int with_count)
{
    ppl_shape batch = d->shape;
    for (int i = 0; i < d->family->event_dim; i++)
        batch.dim[--batch.rank] = 0;
    if (with_count)
        batch.dim[batch.rank++] = mixture_of(d)->count;
    return batch;
}

/* ---- Along a last axis of components ----------------------------------------------- */

typedef ppl_tensor *question(ppl_dist *component, ppl_tensor *x);

/* t [.., event] as [.., K, event], the same for each component. */
static ppl_tensor *for_each(ppl_tensor *t, int event_dim, int count)
{
    ppl_shape s = ppl_tensor_shape(t);
    for (int i = s.rank; i > s.rank - event_dim; i--)
        s.dim[i] = s.dim[i - 1];
    s.dim[s.rank - event_dim] = 1;
    s.rank++;
    t = ppl_reshape(t, s);
    s.dim[s.rank - 1 - event_dim] = count;
    return ppl_expand(t, s);
}

/* What `ask` says of each component, [.., event, K]; x is NULL where there is none to give.
 * `axes` of the answer are the event's. */
static ppl_tensor *of_components(const ppl_dist *d, question *ask, ppl_tensor *x, int axes)
{
    const mixture *m = mixture_of(d);
    ppl_tensor **each, *t;

    if (x && d->family->event_dim == 0) {       /* x may have fewer axes than d */
        const ppl_shape own = ppl_tensor_shape(x);
        ppl_shape batch = wide_batch(d, 0);
        x = ppl__widen(&batch, &own, own.rank) ? ppl__at_batch(x, batch, 0) : NULL;
        if (!x)
            return NULL;
    }
    if (m->same) {
        t = ask(part(d, 1), x ? for_each(x, d->family->event_dim, m->count) : NULL);
        for (int i = 0; t && i < axes; i++)          /* K moves behind the event */
            t = ppl_transpose(t, -1 - axes + i, -axes + i);
        return t;
    }
    each = ppl_alloc(d->ctx, (size_t)m->count * sizeof *each);
    for (int k = 0; each && k < m->count; k++) {
        ppl_shape to = x ? ppl_tensor_shape(x) : wide_batch(d, 0);
        each[k] = ask(part(d, k + 1), x);
        if (!x)
            for (int i = 0; i < axes; i++)
                to.dim[to.rank++] = d->shape.dim[d->shape.rank - axes + i];
        else
            to.rank -= d->family->event_dim - axes;
        each[k] = each[k] ? ppl_expand(each[k], to) : NULL;
    }
    return each ? ppl_stack(each, m->count, -1) : NULL;
}

static ppl_tensor *ask_log_prob(ppl_dist *component, ppl_tensor *x)
{
    const ppl_family *f = component->family;
    ppl_tensor *t = f->log_prob(component, x);
    return component->event_dim > f->event_dim
               ? ppl_sum_last(t, component->event_dim - f->event_dim) : t;
}

static ppl_tensor *ask_cdf(ppl_dist *component, ppl_tensor *x)
{
    return ppl_cdf(component, x);
}

static ppl_tensor *ask_log_cdf(ppl_dist *component, ppl_tensor *x)
{
    return ppl_log_cdf(component, x);
}

static ppl_tensor *ask_log_survival(ppl_dist *component, ppl_tensor *x)
{
    return ppl_log_survival(component, x);
}

static ppl_tensor *ask_icdf(ppl_dist *component, ppl_tensor *p)
{
    return ppl_icdf(component, p);
}

static ppl_tensor *ask_inverse_survival(ppl_dist *component, ppl_tensor *p)
{
    return ppl_inverse_survival(component, p);
}

static ppl_tensor *ask_mean(ppl_dist *component, ppl_tensor *x)
{
    (void)x;
    return ppl_dist_mean(component);
}

static ppl_tensor *ask_variance(ppl_dist *component, ppl_tensor *x)
{
    (void)x;
    return ppl_dist_variance(component);
}

/* ---- Weights ----------------------------------------------------------------------- */

/* [.., K] */
static ppl_tensor *log_weights(const ppl_dist *d)
{
    const ppl_dist *w = part(d, 0);
    ppl_tensor *t = w->param[0];

    if (w->family == &ppl_family_categorical_logits)
        return ppl_log_softmax(t, -1);
    ppl_shape total = ppl_tensor_shape(t);
    total.dim[total.rank - 1] = 1;
    return ppl_sub(ppl_log(t), ppl_log(ppl_reshape(ppl_sum_last(t, 1), total)));
}

/* sum over k of w_k t_k, t [.., event, K]. */
static ppl_tensor *weighted(const ppl_dist *d, ppl_tensor *t, int axes)
{
    ppl_tensor *w = ppl_exp(log_weights(d));
    ppl_shape s = ppl_tensor_shape(w);
    int64_t count = s.rank > 0 ? s.dim[s.rank - 1] : 0;

    for (int i = 0; i < axes; i++) {
        s.dim[s.rank - 1] = 1;
        s.dim[s.rank++] = count;
    }
    return ppl_sum_last(ppl_mul(ppl_reshape(w, s), t), 1);
}

/* ---- The family -------------------------------------------------------------------- */

/* log of the sum over k of w_k e^(t_k), t_k what `ask` says. */
static ppl_tensor *log_sum(const ppl_dist *d, question *ask, ppl_tensor *x)
{
    return ppl_logsumexp(ppl_add(of_components(d, ask, x, 0), log_weights(d)), -1);
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return log_sum(d, ask_log_prob, x);
}

static ppl_tensor *log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return ppl__log_share(log_sum(d, ask_log_cdf, x), log_sum(d, ask_log_survival, x));
}

static ppl_tensor *log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return ppl__log_share(log_sum(d, ask_log_survival, x), log_sum(d, ask_log_cdf, x));
}

static ppl_tensor *cdf(const ppl_dist *d, ppl_tensor *x)
{
    return weighted(d, of_components(d, ask_cdf, x, 0), 0);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    const int axes = d->family->event_dim;
    return weighted(d, of_components(d, ask_mean, NULL, axes), axes);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    const int axes = d->family->event_dim;
    ppl_tensor *m = of_components(d, ask_mean, NULL, axes), *all = weighted(d, m, axes);
    ppl_shape s = ppl_tensor_shape(all);

    s.dim[s.rank++] = 1;
    ppl_tensor *off = ppl_sub(m, ppl_reshape(all, s));
    return weighted(d, ppl_add(of_components(d, ask_variance, NULL, axes),
                               ppl_mul(off, off)), axes);
}

/* ---- Quantiles, entropy ------------------------------------------------------------ */

static ppl__tails law_tails(const ppl__searched *law, ppl_tensor *x)
{
    return (ppl__tails){ log_cdf(law->d, x), log_survival(law->d, x) };
}

/* Beyond 0 and 1 a Bernoulli would go by its formula. */
static ppl_tensor *law_log_prob(const ppl__searched *law, ppl_tensor *x)
{
    ppl_ctx *c = law->d->ctx;
    ppl_tensor *t = log_prob(law->d, x), *none = ppl_scalar(c, -INFINITY);

    if (law->d->family->support != &ppl_constraint_boolean)
        return t;
    t = ppl_where(ppl_less(x, ppl_scalar(c, 0)), none, t);
    return ppl_where(ppl_less(ppl_scalar(c, 1), x), none, t);
}

static ppl__searched law_of(const ppl_dist *d)
{
    return (ppl__searched){ d, NULL, (d->family->flags & PPL_DISCRETE) != 0, law_tails,
                            law_log_prob };
}

/* The greatest of t [..,K] over the components that have any weight, or with sign -1 the
 * least. */
static ppl_tensor *extreme(const ppl_dist *d, ppl_tensor *t, double sign)
{
    ppl_tensor *none = ppl_scalar(d->ctx, -INFINITY);
    ppl_tensor *has_weight = ppl_less(none, log_weights(d));
    return ppl_affine(ppl_max(ppl_where(has_weight, ppl_affine(t, sign, 0), none), -1), sign, 0);
}

static int all_have_quantiles(const ppl_dist *d)
{
    int all = 1;
    for (int k = 1; k < d->parts->dists; k++)
        all &= d->parts->dist[k]->family->icdf != NULL;
    return all;
}

/* Between those of the components, each by the lesser tail; the other is asked of NaN. */
static ppl_tensor *quantile_value(const ppl_dist *d, ppl_tensor *below, ppl_tensor *above)
{
    const ppl__searched law = law_of(d);
    ppl_tensor *lower = ppl_less(below, above), *none = ppl_scalar(d->ctx, NAN);

    if (!all_have_quantiles(d))
        return ppl__search(&law, NULL, NULL, below, above);
    ppl_tensor *q[] = {
        of_components(d, ask_icdf, ppl_where(lower, below, none), 0),
        of_components(d, ask_inverse_survival, ppl_where(lower, none, above), 0)
    };
    ppl_tensor *known = ppl_where(ppl_equal(q[0], q[0]), q[0], q[1]);
    ppl_tensor *least = extreme(d, known, -1), *greatest = extreme(d, known, 1);
    if (!law.whole)
        return ppl__search(&law, least, greatest, below, above);
    ppl_tensor *k = ppl__search(&law, ppl_affine(least, 1, -1), greatest, below, above);
    return ppl_where(ppl_less(k, least), least, k);         /* of probability 0 */
}

static ppl_tensor *quantile(const ppl_dist *d, ppl_tensor *below, ppl_tensor *above)
{
    const ppl__searched law = law_of(d);
    const int was = ppl_set_grad_enabled(d->ctx, 0);
    ppl_tensor *x = quantile_value(d, below, above);

    ppl_set_grad_enabled(d->ctx, was);
    return was && !law.whole ? ppl__moved(&law, x, below) : x;
}

static ppl_tensor *icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, probability, ppl_affine(probability, -1, 1));
}

static ppl_tensor *inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return quantile(d, ppl_affine(probability, -1, 1), probability);
}

static int is_mixture(const ppl_dist *d)
{
    return d->family->kind == &ppl_family_mixture;
}

/* A component, of d or of a component of it, whose support has ends that depend on what
 * gradients are recorded of; NULL: none. */
static const ppl_dist *moving_component(const ppl_dist *d)
{
    const ppl_dist *found = NULL;
    for (int k = 1; k < d->parts->dists && !found; k++) {
        ppl_dist *c = part(d, k);
        if (is_mixture(c))
            found = moving_component(c);
        else if (c->family->bounds &&
                 ppl_requires_grad(ask_log_prob(c, ppl_full(d->ctx, c->shape, 0))))
            found = c;
    }
    return found;
}

/* The density jumps where a component's support ends, which must not move. */
static ppl_tensor *entropy(const ppl_dist *d)
{
    const ppl__searched law = law_of(d);
    const ppl_dist *moving = law.whole ? NULL : moving_component(d);

    if (!moving)
        return ppl__tail_entropy_still(&law);
    ppl_fail(d->ctx, PPL_EUNSUPPORTED, "%s: its entropy has no gradient, as a component (%s) has "
             "ends, where the density jumps, that depend on parameters; detach these (ppl_detach) "
             "or turn gradients off (ppl_set_grad_enabled)", d->family->name,
             moving->family->name);
    return NULL;
}

/* ---- Draws ------------------------------------------------------------------------- */

/* The random numbers of part i are its own. */
static ppl_tensor *draw_part(const ppl_dist *d, int i, ppl_shape batch, const ppl_rng *rng)
{
    const ppl_rng own = ppl_rng_part(rng, (uint64_t)i);
    return ppl_dist_sample(ppl_expand_dist(part(d, i), batch), &own);
}

static ppl_tensor *draw_components(const ppl_dist *d, const ppl_rng *rng)
{
    const mixture *m = mixture_of(d);
    const int axes = d->family->event_dim;
    ppl_tensor **each, *t;

    if (m->same) {
        t = draw_part(d, 1, wide_batch(d, 1), rng);
        for (int i = 0; t && i < axes; i++)
            t = ppl_transpose(t, -1 - axes + i, -axes + i);
        return t;
    }
    each = ppl_alloc(d->ctx, (size_t)m->count * sizeof *each);
    for (int k = 0; each && k < m->count; k++)
        each[k] = draw_part(d, k + 1, wide_batch(d, 0), rng);
    return each ? ppl_stack(each, m->count, -1) : NULL;
}

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    ppl_tensor *k = draw_part(d, 0, wide_batch(d, 0), rng);
    ppl_shape s = ppl_tensor_shape(k);

    for (int i = 0; i < d->family->event_dim; i++)
        s.dim[s.rank++] = 1;
    k = k ? ppl_expand(ppl_reshape(k, s), d->shape) : NULL;
    return ppl_detach(ppl_gather_last(draw_components(d, rng), k));
}

static ppl_shape event_shape(const ppl_dist *d)
{
    const ppl_dist *c = part(d, 1);
    ppl_shape s = { c->event_dim, { 0 } };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = c->shape.dim[c->shape.rank - s.rank + i];
    return s;
}

const ppl_family ppl_family_mixture = {
    .name = "mixture",
    .sample = sample,
    .log_prob = log_prob,
    .event_shape = event_shape,
};

/* ---- Making ------------------------------------------------------------------------ */

static int is_categorical(const ppl_dist *w)
{
    return w->family == &ppl_family_categorical ||
           w->family == &ppl_family_categorical_logits;
}

/* What every component can do, the mixture can. */
static ppl_family *family_of(ppl_dist *const *components, int count)
{
    ppl_ctx *c = components[0]->ctx;
    const ppl_family *of = components[0]->family;
    ppl_family *f = ppl_alloc(c, sizeof *f);

    if (!f)
        return NULL;
    *f = ppl_family_mixture;
    f->kind = &ppl_family_mixture;
    f->name = ppl_intern_join(c, ppl_intern_join(c, "mixture(", of->name),
                              count > 1 ? ", ..)" : ")");
    f->value_dtype = of->value_dtype;
    f->event_dim = components[0]->event_dim;
    f->flags = of->flags & PPL_DISCRETE;
    f->support = of->bounds ? NULL : of->support;
    f->mean = mean;
    f->variance = variance;
    f->cdf = cdf;
    int positive = 1;
    for (int k = 0; k < count; k++) {
        of = components[k]->family;
        positive &= !of->bounds && of->support && !of->support->parts && of->support->lower >= 0;
        if ((of->flags ^ f->flags) & PPL_DISCRETE)      /* a density beside probabilities */
            f->flags = PPL_ATOMS;
        f->flags |= of->flags & PPL_ATOMS;
        if (of->bounds || of->support != f->support)
            f->support = NULL;      /* a component's density is 0 where it has none */
        f->mean = of->mean ? f->mean : NULL;
        f->variance = of->variance && of->mean ? f->variance : NULL;
        f->cdf = of->cdf && f->event_dim == 0 ? f->cdf : NULL;
    }
    if (!f->support && positive && f->event_dim == 0 && f->value_dtype != PPL_I64)
        f->support = &ppl_constraint_nonnegative;
    if (f->cdf) {
        f->log_cdf = log_cdf;
        f->log_survival = log_survival;
    }
    if (f->cdf && !(f->flags & PPL_ATOMS)) {
        f->icdf = icdf;
        f->inverse_survival = inverse_survival;
        f->entropy = entropy;
    }
    return f->name ? f : NULL;
}

/* Weights that are categorical over `count`, components without masks that fit. */
static int check(ppl_dist *weights, ppl_dist *const *components, int given, int64_t count)
{
    ppl_ctx *c = weights->ctx;
    const ppl_dist *one = components[0];
    ppl_shape w = ppl_tensor_shape(weights->param[0]);

    if (!is_categorical(weights))
        ppl_fail(c, PPL_EINVAL, "mixture: the weights are %s; they must be a categorical "
                 "over the components", weights->family->name);
    else if (w.dim[w.rank - 1] != count)
        ppl_fail(c, PPL_ESHAPE, "mixture: the weights have %lld categories and there are "
                 "%lld components; make them as many", (long long)w.dim[w.rank - 1],
                 (long long)count);
    for (int k = 0; k < given && ppl_ok(c); k++) {
        const ppl_dist *d = components[k];
        int same = d->event_dim == one->event_dim &&
                   d->family->value_dtype == one->family->value_dtype;
        for (int i = 1; same && i <= d->event_dim; i++)
            same = d->shape.dim[d->shape.rank - i] == one->shape.dim[one->shape.rank - i];
        if (d->mask)
            ppl_fail(c, PPL_EUNSUPPORTED, "mixture: component %d (%s) is masked; mask the "
                     "mixture (ppl_masked)", k, d->family->name);
        else if (!same)
            ppl_fail(c, PPL_ESHAPE, "mixture: component %d, %s of shape %s, and component "
                     "0, %s of shape %s, differ in event or element type; make them equal "
                     "with ppl_event", k, d->family->name, SHAPE_TEXT(d->shape),
                     one->family->name, SHAPE_TEXT(one->shape));
    }
    return ppl_ok(c);
}

/* `batch` widened by another; 0 if they do not broadcast, with the error recorded. */
static int widen(ppl_ctx *c, ppl_shape *batch, ppl_shape other)
{
    ppl_shape joined = batch->rank >= other.rank ? *batch : other;
    for (int i = 1; i <= batch->rank && i <= other.rank; i++) {
        int64_t a = batch->dim[batch->rank - i], b = other.dim[other.rank - i];
        if (a != b && a != 1 && b != 1) {
            ppl_fail(c, PPL_ESHAPE, "mixture: batches %s and %s do not broadcast; make "
                     "their axes equal or 1", SHAPE_TEXT(*batch), SHAPE_TEXT(other));
            return 0;
        }
        joined.dim[joined.rank - i] = a == 1 ? b : a;
    }
    *batch = joined;
    return 1;
}

static ppl_dist *make(ppl_dist *weights, ppl_dist *const *components, int given,
                      const mixture *as, ppl_shape batch)
{
    ppl_ctx *c = weights->ctx;
    const ppl_family *family = family_of(components, given);
    const ppl_dist **part_array = ppl_alloc(c, (size_t)(given + 1) * sizeof *part_array);
    mixture *m = ppl_alloc(c, sizeof *m);

    if (!family || !part_array || !m)
        return NULL;
    *m = *as;
    part_array[0] = weights;
    for (int k = 0; k < given; k++)
        part_array[k + 1] = components[k];
    return ppl_dist_make_of(family, NULL, &(ppl_dist_parts){ .dist = part_array,
                            .dists = given + 1, .batch = batch }, m);
}

ppl_dist *ppl_mixture_same_family(ppl_dist *weights, ppl_dist *components)
{
    ppl_shape batch, own;
    int64_t count;

    if (!weights || !components || !ppl_ok(weights->ctx))
        return NULL;
    own = ppl_dist_batch_shape(components);
    if (own.rank == 0) {
        ppl_fail(weights->ctx, PPL_ESHAPE, "mixture: %s has no batch axis; the components "
                 "lie along the last one", components->family->name);
        return NULL;
    }
    count = own.dim[--own.rank];
    own.dim[own.rank] = 0;
    batch = ppl_dist_batch_shape(weights);
    if (!check(weights, &components, 1, count) || !widen(weights->ctx, &batch, own))
        return NULL;
    return make(weights, &components, 1, &(mixture){ 1, (int)count }, batch);
}

ppl_dist *ppl_mixture(ppl_dist *weights, ppl_dist *const *components, int count)
{
    ppl_shape batch;

    for (int k = 0; k < count; k++)
        if (!components[k])
            return NULL;
    if (!weights || !ppl_ok(weights->ctx))
        return NULL;
    if (count < 1) {
        ppl_fail(weights->ctx, PPL_EINVAL, "mixture: %d components; it needs one at least",
                 count);
        return NULL;
    }
    batch = ppl_dist_batch_shape(weights);
    if (!check(weights, components, count, count))
        return NULL;
    for (int k = 0; k < count; k++)
        if (!widen(weights->ctx, &batch, ppl_dist_batch_shape(components[k])))
            return NULL;
    return make(weights, components, count, &(mixture){ 0, count }, batch);
}

/* ---- The bound --------------------------------------------------------------------- */

static ppl_tensor *component_kls(const ppl_dist *q, const ppl_dist *p)
{
    const int count = mixture_of(q)->count;
    ppl_tensor **each;

    if (mixture_of(q)->same)
        return ppl_kl(part(q, 1), part(p, 1));
    each = ppl_alloc(q->ctx, (size_t)count * sizeof *each);
    for (int k = 0; each && k < count; k++) {
        each[k] = ppl_kl(part(q, k + 1), part(p, k + 1));
        each[k] = each[k] ? ppl_expand(each[k], wide_batch(q, 0)) : NULL;
    }
    return each ? ppl_stack(each, count, -1) : NULL;
}

ppl_tensor *ppl_kl_mixture_upper_bound(ppl_dist *q, ppl_dist *p)
{
    if (!q || !p || !ppl_ok(q->ctx))
        return NULL;
    if (!is_mixture(q) || !is_mixture(p) ||
        mixture_of(q)->count != mixture_of(p)->count ||
        mixture_of(q)->same != mixture_of(p)->same) {
        ppl_fail(q->ctx, PPL_EINVAL, "kl_mixture_upper_bound: it is between two mixtures of "
                 "as many components, made in one way; got %s and %s", q->family->name,
                 p->family->name);
        return NULL;
    }
    return ppl_add(ppl_kl(part(q, 0), part(p, 0)), weighted(q, component_kls(q, p), 0));
}
