/* SPDX-License-Identifier: MIT */
/*
 * collapse.c - latents integrated out of conjugate pairs: p(z) p(x | z) as p(x) p(z | x).
 *
 * A latent z is held back: the model gets a placeholder, drawn under another name, which
 * nothing may use but children that have it for a parameter. Each child x, as it passes,
 * gets the density p(x | the children before), z integrated out, and z's distribution is
 * updated by x. Where the handler is left, z is sampled from its posterior.
 *
 * The density of x follows from the posterior alone (Besag 1989): for any z*,
 * log p(x) = log p(x | z*) + log p(z*) - log p(z* | x). z* is the posterior's mean, where
 * the terms are of the size of the result, and has no gradient: the identity holds at
 * every z*. The last two terms are shared out evenly among the x of each z.
 */
#include "address.h"
#include "kind.h"
#include "plate.h"
#include "supply.h"

#include <kiln/handlers_weight.h>

#include <string.h>

#define MOST_STATISTICS 2

/* A latent that is held back. */
typedef struct held {
    struct held *next;
    ppl_msg msg;                    /* as it came: the site that is made at the end */
    ppl_dist *dist;                 /* given the children so far; no masks, no ppl_event */
    ppl_tensor *value;              /* the placeholder */
} held;

/* A child of one. */
typedef struct child {
    held *of;
    const ppl_conjugacy *rule;
    const ppl_dist *prior, *likelihood;
} child;

typedef struct collapse {
    ppl_handler base;
    ppl_ctx *ctx;
    const ppl_conjugacy *table;
    ppl__addresses names;
    unsigned char *reached;
    int all;                        /* no names were given */
    held *first, **last;
    held **by_site;                 /* placeholders, by site id */
    int sites;
    held *holding;                  /* the one whose placeholder is on its way */
    child *meeting;                 /* the child that is */
} collapse;

/* ---- A child's density ------------------------------------------------------------- */

/* `shape` without its last n axes. */
static ppl_shape without(ppl_shape shape, int n)
{
    for (; n > 0; n--)
        shape.dim[--shape.rank] = 0;
    return shape;
}

/* t summed to `shape`, which broadcasts to its own. */
static ppl_tensor *sum_to(ppl_tensor *t, ppl_shape shape)
{
    ppl_shape from = ppl_tensor_shape(t);
    int lead = from.rank - shape.rank;

    for (int a = from.rank; a-- > 0;)
        if (a < lead || (shape.dim[a - lead] == 1 && from.dim[a] != 1))
            t = ppl_sum(t, a);
    return ppl_reshape(t, shape);
}

/* The mask with an axis of 1 for each of n more axes. */
static ppl_tensor *widened(ppl_tensor *mask, int n)
{
    ppl_shape shape = ppl_tensor_shape(mask);

    while (n-- > 0 && shape.rank < PPL_MAX_RANK)
        shape.dim[shape.rank++] = 1;
    return ppl_reshape(mask, shape);
}

/* How many axes of x's values the likelihood's mask does not see. */
static int unseen(const ppl_dist *likelihood)
{
    return likelihood->event_dim - likelihood->family->event_dim;
}

/* The latent given x [values], of which the elements count where `mask` (of x's batch, or
 * NULL) is set. */
static ppl_dist *posterior_of(const child *k, ppl_tensor *x, ppl_tensor *mask)
{
    ppl_tensor *sum[MOST_STATISTICS] = { NULL };
    ppl_shape each = without(ppl_tensor_shape(x), k->likelihood->family->event_dim);
    int axes = k->prior->family->event_dim;

    k->rule->statistic(k->likelihood, x, sum);
    for (int a = k->prior->shape.rank - axes; a < k->prior->shape.rank; a++)
        each.dim[each.rank++] = k->prior->shape.dim[a];
    for (int i = 0; i < k->rule->statistics; i++) {
        sum[i] = ppl_expand(sum[i], each);
        if (mask != NULL)
            sum[i] = ppl_where(widened(mask, unseen(k->likelihood) + axes), sum[i],
                               ppl_scalar(k->prior->ctx, 0));
        sum[i] = sum_to(sum[i], k->prior->shape);
    }
    return ppl_ok(k->prior->ctx) ? k->rule->posterior(k->prior, sum) : NULL;
}

/* 1 / the number of elements of x that count for each z, of z's shape. */
static ppl_tensor *share_of(const child *k, ppl_shape x, ppl_shape z, ppl_tensor *mask)
{
    ppl_ctx *c = k->prior->ctx;
    ppl_tensor *one = ppl_scalar(c, 1), *n = ppl_expand(one, x);

    if (mask != NULL)
        n = ppl_where(widened(mask, unseen(k->likelihood)), n, ppl_scalar(c, 0));
    n = sum_to(n, z);
    return ppl_div(one, ppl_where(ppl_less(n, one), one, n));
}

/* The child with its parameter z at a value. */
static ppl_dist at(const child *k, ppl_tensor *z)
{
    ppl_dist d = *k->likelihood;

    d.param[k->rule->param] = z;
    d.mask = NULL;
    return d;
}

static ppl_tensor *collapsed_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    const child *k = d->attr;
    const ppl_dist *prior = k->prior;
    ppl_shape z_shape = without(prior->shape, prior->family->event_dim);
    ppl_dist *posterior = posterior_of(k, x, d->mask), likelihood;
    ppl_tensor *z, *log_prob, *rest;

    if (posterior == NULL)
        return NULL;
    z = ppl_detach(ppl_dist_mean(posterior));
    if (z == NULL)
        return NULL;
    likelihood = at(k, z);
    log_prob = likelihood.family->log_prob(&likelihood, x);
    rest = ppl_sub(prior->family->log_prob(prior, z),
                   posterior->family->log_prob(posterior, z));
    return ppl_add(log_prob, ppl_mul(rest, share_of(k, ppl_tensor_shape(log_prob), z_shape,
                                                    d->mask)));
}

static ppl_tensor *collapsed_sample(const ppl_dist *d, const ppl_rng *rng)
{
    const child *k = d->attr;
    ppl_rng of_z = ppl_rng_split(rng, 0), of_x = ppl_rng_split(rng, 1);
    ppl_tensor *z = k->prior->family->sample(k->prior, &of_z);
    ppl_dist likelihood;

    if (z == NULL)
        return NULL;
    likelihood = at(k, z);
    return likelihood.family->sample(&likelihood, &of_x);
}

/* A family made at run time, of which the latent and the child's other parameters are
 * parts; what it says of values it has from the likelihood. */
static ppl_family *collapsed_family(ppl_ctx *c, const ppl_dist *prior, const ppl_dist *x)
{
    ppl_family *f = ppl_alloc(c, sizeof *f);

    if (f == NULL)
        return NULL;
    *f = (ppl_family){
        .name = ppl_intern_join(c, ppl_intern_join(c, prior->family->name, "-"),
                                x->family->name),
        .support = x->family->support,
        .event_dim = x->family->event_dim,
        .flags = x->family->flags & (prior->family->flags | ~(unsigned)PPL_REPARAM),
        .value_dtype = x->family->value_dtype,
        .sample = collapsed_sample,
        .log_prob = collapsed_log_prob,
        .enumerate = x->family->enumerate,
    };
    return f;
}

static ppl_dist *collapsed(ppl_ctx *c, const child *k)
{
    const ppl_dist *x = k->likelihood;
    ppl_dist *d = ppl_alloc(c, sizeof *d);
    ppl_dist_parts *parts = ppl_alloc(c, sizeof *parts);
    const ppl_dist **dist = ppl_alloc(c, sizeof *dist);
    ppl_tensor **tensor = ppl_alloc(c, PPL_MAX_PARAMS * sizeof *tensor);
    ppl_family *family = collapsed_family(c, k->prior, x);

    if (d == NULL || parts == NULL || dist == NULL || tensor == NULL || family == NULL)
        return NULL;
    *dist = k->prior;
    *parts = (ppl_dist_parts){ .dist = dist, .dists = 1, .tensor = tensor };
    for (int i = 0; i < x->family->params; i++)
        if (i != k->rule->param)
            tensor[parts->tensors++] = x->param[i];
    *d = *x;
    d->family = family;
    d->parts = parts;
    d->attr = k;
    return d;
}

/* ---- Messages ---------------------------------------------------------------------- */

static int has_rule(const collapse *self, const ppl_family *prior)
{
    const ppl_conjugacy *r = self->table;

    while (r->prior != NULL && r->prior != prior)
        r++;
    return r->prior != NULL;
}

static held *held_at(const collapse *self, int site)
{
    return site >= 0 && site < self->sites ? self->by_site[site] : NULL;
}

/* The latent that is parameter r->param of `x`, by a rule of the table; or NULL. */
static held *parent_of(const collapse *self, const ppl_dist *x, const ppl_conjugacy **rule)
{
    for (const ppl_conjugacy *r = self->table; r->prior != NULL; r++) {
        const ppl_tensor *z;
        held *h;

        if (x->family != r->likelihood || x->parts != NULL)
            continue;
        z = x->param[r->param];
        h = held_at(self, ppl_sites_next(ppl_tensor_sites(z), 0));
        if (h != NULL && h->value == z && h->dist->family == r->prior) {
            *rule = r;
            return h;
        }
    }
    return NULL;
}

/* A scale within the handler would not be that of the whole. */
static int is_whole(const ppl_msg *m)
{
    char site[128];

    if (m->scale < 1 || m->scale > 1)
        ppl_fail(m->ctx, PPL_EUNSUPPORTED, "collapse: site %s is scaled by %g further in, "
                 "as by a plate's subsample; a marginal density has no such scale: push "
                 "collapse inside of it, or take the latent out of the names",
                 ppl_site_text(m, site, sizeof site), m->scale);
    return ppl_ok(m->ctx);
}

/* Wanted, by name or, where it can be, for its family. */
static int is_wanted(const collapse *self, const ppl_msg *m)
{
    int i;

    if (self->all)
        return has_rule(self, m->dist->family) && m->mask == NULL &&
               m->dist->mask == NULL && !(m->scale < 1 || m->scale > 1);
    i = ppl__address_find(&self->names, m->name, PPL_NO_INDEX);
    if (i >= 0)
        self->reached[i] = 1;
    return i >= 0;
}

static void hold(collapse *self, ppl_msg *m)
{
    held *h;
    ppl_rng rng;
    char site[128];

    if (!has_rule(self, m->dist->family) || m->mask != NULL || m->dist->mask != NULL) {
        ppl_fail(m->ctx, PPL_EUNSUPPORTED, "collapse: site %s (%s) %s; take it out of the "
                 "names", ppl_site_text(m, site, sizeof site), m->dist->family->name,
                 has_rule(self, m->dist->family) ? "is masked further in"
                                                 : "is no prior in the table");
        return;
    }
    h = is_whole(m) ? ppl_alloc(m->ctx, sizeof *h) : NULL;
    if (h == NULL)
        return;
    m->dist = ppl__dist_in_plates(m);
    if (m->dist == NULL)
        return;
    h->msg = *m;
    h->dist = ppl_alloc(m->ctx, sizeof *h->dist);
    if (h->dist == NULL)
        return;
    *h->dist = *m->dist;
    h->dist->event_dim = m->dist->family->event_dim;
    m->name = ppl_intern_join(m->ctx, m->name, "__prior");
    rng = ppl_site_rng(m);
    m->value = ppl_dist_sample(m->dist, &rng);
    m->flags |= PPL_DONE | PPL_STOP;
    self->holding = h;
}

/* The plates that the latent is in as well: others make x's dependent, z integrated out. */
static const ppl_frame *common_plates(ppl_ctx *c, const ppl_frame *x, const ppl_frame *z)
{
    const ppl_frame *inner;
    ppl_frame *f;

    if (x == NULL)
        return NULL;
    inner = common_plates(c, x->inner, z);
    while (z != NULL && (z->name != x->name || z->copy != x->copy))
        z = z->inner;
    if (z == NULL || x->inner == inner)
        return z == NULL ? inner : x;
    f = ppl_alloc(c, sizeof *f);
    if (f == NULL)
        return NULL;
    *f = *x;
    f->inner = inner;
    return f;
}

static void meet(collapse *self, ppl_msg *m, held *h, const ppl_conjugacy *rule)
{
    child *k = is_whole(m) ? ppl_alloc(m->ctx, sizeof *k) : NULL;

    if (k == NULL)
        return;
    *k = (child){ h, rule, h->dist, ppl__dist_in_plates(m) };
    if (k->likelihood == NULL)
        return;
    m->dist = collapsed(m->ctx, k);
    m->plates = common_plates(m->ctx, m->plates, h->msg.plates);
    self->meeting = k;
}

static void collapse_process(ppl_handler *h, ppl_msg *m)
{
    collapse *self = (collapse *)h;
    const ppl_conjugacy *rule = NULL;
    held *z;

    if (m->kind != PPL_SITE_SAMPLE)
        return;
    z = self->first != NULL ? parent_of(self, m->dist, &rule) : NULL;
    if (z != NULL)
        meet(self, m, z, rule);
    else if (ppl__is_open_latent(m) && (m->flags & PPL_AUXILIARY) == 0 && is_wanted(self, m))
        hold(self, m);
}

/* No site may depend on a placeholder in another way. */
static void check_use(const collapse *self, const ppl_msg *m)
{
    const ppl_sites *set = m->kind == PPL_SITE_SAMPLE          ? m->parents
                           : m->kind == PPL_SITE_DETERMINISTIC ? ppl_tensor_sites(m->value)
                                                               : NULL;
    char site[128], latent[128];

    for (int s = ppl_sites_next(set, 0); s >= 0; s = ppl_sites_next(set, s + 1)) {
        const held *h = held_at(self, s);

        if (h == NULL)
            continue;
        ppl_fail(m->ctx, PPL_EUNSUPPORTED, "collapse: site %s depends on %s other than as "
                 "the parameter of a conjugate pair; take %s out of the names",
                 ppl_site_text(m, site, sizeof site),
                 ppl_site_text(&h->msg, latent, sizeof latent), h->msg.name);
        return;
    }
}

static void collapse_postprocess(ppl_handler *handler, ppl_msg *m)
{
    collapse *self = (collapse *)handler;
    held *h = self->holding;
    const child *k = self->meeting;

    self->holding = NULL;
    self->meeting = NULL;
    if (h != NULL) {
        if (!ppl__make_room(m->ctx, (void **)&self->by_site, &self->sites, m->site + 1,
                            sizeof *self->by_site))
            return;
        h->value = m->value;
        self->by_site[m->site] = h;
        *self->last = h;
        self->last = &h->next;
        return;
    }
    if (self->first != NULL)
        check_use(self, m);
    if (k != NULL) {
        ppl_dist *seen = m->mask != NULL ? ppl_masked(m->dist, m->mask) : m->dist;

        if (seen != NULL)
            k->of->dist = posterior_of(k, m->value, seen->mask);
    }
}

static void collapse_enter(ppl_handler *h, ppl_ctx *c)
{
    collapse *self = (collapse *)h;

    (void)c;
    self->first = NULL;
    self->last = &self->first;
    self->sites = 0;                /* an epoch may have ended since the last run */
    self->holding = NULL;
    self->meeting = NULL;
    memset(self->reached, 0, (size_t)self->names.count);
}

/* The latents, given all that was met. */
static void collapse_leave(ppl_handler *handler, ppl_ctx *c, ppl_status why)
{
    const collapse *self = (const collapse *)handler;

    for (int i = 0; why == PPL_OK && i < self->names.count; i++)
        if (!self->reached[i])
            ppl__fail_unused(c, "collapse", "latent site", self->names.entry[i].name,
                             PPL_NO_INDEX, 0);
    for (held *h = self->first; why == PPL_OK && h != NULL && ppl_ok(c); h = h->next) {
        h->msg.dist = ppl_event(h->dist, h->msg.dist->event_dim - h->dist->event_dim);
        ppl_send(&h->msg);
    }
}

static const ppl_handler_ops collapse_ops = { .name = "collapse",
                                              .process = collapse_process,
                                              .postprocess = collapse_postprocess,
                                              .enter = collapse_enter,
                                              .leave = collapse_leave };

ppl_handler *ppl_collapse(ppl_ctx *c, const ppl_conjugacy *table, const char *const *names)
{
    collapse *self;

    if (table == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_collapse: the table is NULL; pass "
                 "ppl_conjugate_pairs, or one of your own");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &collapse_ops;
    self->ctx = c;
    self->table = table;
    self->all = names == NULL;
    if (!ppl__address_enter_names(c, &self->names, names))
        return NULL;
    self->reached = ppl_alloc(c, (size_t)self->names.count);
    return self->reached != NULL ? &self->base : NULL;
}
