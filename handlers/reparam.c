/* SPDX-License-Identifier: MIT */
/*
 * reparam.c - latents as functions of other latents: the handler, which knows nothing of
 * how, and the rows for families with loc and scale and for images of other families.
 */
#include "kind.h"
#include "supply.h"

#include <string.h>

typedef struct reparam {
    ppl_handler base;
    ppl__addresses row;             /* by name */
    const ppl_reparameteriser **how;
    unsigned char *reached;
    const ppl_reparameteriser *rest;
} reparam;

/* ---- The handler ------------------------------------------------------------------- */

/* What is to be done with a site; *named: by its name. */
static const ppl_reparameteriser *row_of(reparam *self, const ppl_msg *m, int *named)
{
    int i = ppl__address_find(&self->row, m->name, PPL_NO_INDEX);

    *named = i >= 0;
    if (i < 0)
        return self->rest;
    self->reached[i] = 1;
    return self->how[i];
}

static void reparam_process(ppl_handler *h, ppl_msg *m)
{
    const ppl_reparameteriser *how;
    ppl_tensor *value;
    char site[128];
    int named;

    if (m->kind != PPL_SITE_SAMPLE)
        return;
    how = row_of((reparam *)h, m, &named);
    if (how == NULL || !ppl__is_open_latent(m)) {
        if (how != NULL && named && (m->flags & PPL_OBSERVED) != 0)
            ppl_fail(m->ctx, PPL_EUNSUPPORTED, "reparam: site %s is observed; only "
                     "latents are rewritten: leave it out, or observe it further out",
                     ppl_site_text(m, site, sizeof site));
        return;
    }
    value = how->rewrite(how, m);
    if (value == NULL) {
        if (named && ppl_ok(m->ctx))
            ppl_fail(m->ctx, PPL_EUNSUPPORTED, "reparam: %s does not fit site %s (%s); it "
                     "needs %s", how->name, ppl_site_text(m, site, sizeof site),
                     m->dist->family->name, how->needs);
        return;
    }
    m->kind = PPL_SITE_DETERMINISTIC;
    m->dist = NULL;
    m->value = value;
    m->flags |= PPL_DONE;
}

static void reparam_enter(ppl_handler *h, ppl_ctx *c)
{
    reparam *self = (reparam *)h;

    (void)c;
    memset(self->reached, 0, (size_t)self->row.count);
}

static void reparam_leave(ppl_handler *h, ppl_ctx *c, ppl_status why)
{
    const reparam *self = (const reparam *)h;

    for (int i = 0; why == PPL_OK && i < self->row.count; i++)
        if (!self->reached[i])
            ppl__fail_unused(c, "reparam", "sample site", self->row.entry[i].name,
                             PPL_NO_INDEX, 0);
}

static const ppl_handler_ops reparam_ops = { .name = "reparam",
                                             .process = reparam_process,
                                             .enter = reparam_enter,
                                             .leave = reparam_leave };

/* Enters a row; 0 with the error recorded. */
static int enter_row(ppl_ctx *c, reparam *self, const ppl_reparam_row *row)
{
    ppl_name name = row->name != NULL ? ppl_intern(c, row->name) : NULL;
    int i = name != NULL ? ppl__address_enter(c, &self->row, name, PPL_NO_INDEX) : -1;

    if (row->name != NULL && i < 0)
        return 0;
    if (i >= 0 ? self->how[i] != NULL : self->rest != NULL)
        ppl_fail(c, PPL_EDUPLICATE, "ppl_reparam: %s is given two rows; give it one",
                 row->name != NULL ? row->name : "the rest of the sites");
    else if (i >= 0)
        self->how[i] = row->how;
    else
        self->rest = row->how;
    return ppl_ok(c);
}

ppl_handler *ppl_reparam(ppl_ctx *c, const ppl_reparam_row *rows)
{
    reparam *self = ppl_alloc(c, sizeof *self);
    size_t count = 0;

    if (self == NULL)
        return NULL;
    self->base.ops = &reparam_ops;
    while (rows != NULL && rows[count].how != NULL)
        count++;
    self->how = ppl_alloc(c, count * sizeof *self->how);
    self->reached = ppl_alloc(c, count);
    if (self->how == NULL || self->reached == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!enter_row(c, self, &rows[i]))
            return NULL;
    return &self->base;
}

/* ---- Families with loc and scale --------------------------------------------------- */

/* The number of a parameter by its name, or -1. */
static int param_named(const ppl_family *f, const char *name)
{
    for (int i = 0; i < f->params; i++)
        if (strcmp(f->param_name[i], name) == 0)
            return i;
    return -1;
}

/* `d` with the batch, event and mask of `like`. */
static ppl_dist *shaped_as(ppl_dist *d, const ppl_dist *like)
{
    ppl_shape batch = like->shape;

    if (d == NULL)
        return NULL;
    batch.rank -= d->event_dim;
    d = ppl_expand_dist(d, batch);
    return d != NULL ? ppl_masked(ppl_event(d, like->event_dim - d->event_dim), like->mask)
                     : NULL;
}

/* k NULL: it is 0. */
static ppl_tensor *decentre(ppl_msg *m, int loc, int scale, ppl_tensor *k)
{
    const ppl_dist *d = m->dist;
    ppl_tensor *param[PPL_MAX_PARAMS], *zero = ppl_scalar(m->ctx, 0);
    ppl_tensor *shift, *stretch, *base;

    memcpy(param, d->param, sizeof param);
    shift = k != NULL ? ppl_mul(k, param[loc]) : zero;
    stretch = k != NULL ? ppl_pow(param[scale], ppl_affine(k, -1, 1)) : param[scale];
    param[loc] = shift;
    param[scale] = k != NULL ? ppl_pow(param[scale], k) : ppl_scalar(m->ctx, 1);
    base = ppl_sample_beside(m, "_decentered",
                             shaped_as(ppl_dist_make(d->family, param, d->attr), d));
    return ppl_add(d->param[loc], ppl_mul(stretch, ppl_sub(base, shift)));
}

static int has_loc_and_scale(const ppl_dist *d, int *loc, int *scale)
{
    const ppl_family *f = d->family;

    *loc = param_named(f, "loc");
    *scale = param_named(f, "scale");
    return *loc >= 0 && *scale >= 0 && d->parts == NULL && f->support != NULL &&
           f->support->type == PPL_REAL.type && f->param_event_dim[*loc] == 0 &&
           f->param_event_dim[*scale] == 0;
}

static ppl_tensor *loc_scale(const ppl_reparameteriser *self, ppl_msg *m)
{
    int loc, scale;

    if (!has_loc_and_scale(m->dist, &loc, &scale))
        return NULL;
    if (!(self->number >= 0 && self->number <= 1)) {
        ppl_fail(m->ctx, PPL_EINVAL, "loc_scale: centered is %g; it must be from 0 (loc "
                 "and scale taken out) to 1 (as it was)", self->number);
        return NULL;
    }
    return decentre(m, loc, scale,
                    self->number > 0 ? ppl_scalar(m->ctx, self->number) : NULL);
}

static ppl_tensor *loc_scale_learned(const ppl_reparameteriser *self, ppl_msg *m)
{
    ppl_shape event = PPL_SCALAR;
    int loc, scale, batch = m->dist->shape.rank - m->dist->event_dim;

    (void)self;
    if (!has_loc_and_scale(m->dist, &loc, &scale))
        return NULL;
    for (int a = batch; a < m->dist->shape.rank; a++)
        event.dim[event.rank++] = m->dist->shape.dim[a];
    return decentre(m, loc, scale,
                    ppl_param(m->ctx, ppl_intern_join(m->ctx, m->name, "_centered"), event,
                              ppl_init_constant(0.5), PPL_UNIT_INTERVAL));
}

#define LOC_SCALE_NEEDS "a family with loc and scale on all real numbers"

ppl_reparameteriser ppl_loc_scale_reparam(double centered)
{
    return (ppl_reparameteriser){ .name = "loc_scale", .needs = LOC_SCALE_NEEDS,
                                  .rewrite = loc_scale, .number = centered };
}

const ppl_reparameteriser ppl_loc_scale_reparam_learned = {
    .name = "loc_scale_learned",
    .needs = LOC_SCALE_NEEDS,
    .rewrite = loc_scale_learned,
};

/* ---- Images of other families ------------------------------------------------------ */

/* A base of the image's batch; of its own event, to which the batch axes that the image
 * has made part of its event are added. */
static ppl_tensor *transform(const ppl_reparameteriser *self, ppl_msg *m)
{
    const ppl_dist *d = m->dist;
    ppl_shape batch = d->shape;
    ppl_dist *base;
    int more = d->event_dim - d->family->event_dim;

    (void)self;
    if (d->family->image == NULL || d->parts == NULL || d->parts->dists < 1)
        return NULL;
    base = (ppl_dist *)(uintptr_t)d->parts->dist[0];
    batch.rank -= d->family->event_dim;
    base = ppl_event(ppl_expand_dist(base, batch), more);
    return d->family->image(d, ppl_sample_beside(m, "_base", ppl_masked(base, d->mask)));
}

const ppl_reparameteriser ppl_transform_reparam = {
    .name = "transform",
    .needs = "a family whose members are images of another's",
    .rewrite = transform,
};
