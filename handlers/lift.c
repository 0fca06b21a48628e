/* SPDX-License-Identifier: MIT */
/*
 * lift.c - parameters become latent samples.
 *
 * A parameter is global, so its prior is a statement made where lift stands: the message
 * goes on outward as a sample without the plates, scales and masks that it has met so
 * far. Asked for again in the run, the parameter is the value that was drawn.
 */
#include "address.h"

#include <kiln/handlers_sites.h>

#include <float.h>
#include <string.h>

typedef struct lift {
    ppl_handler base;
    ppl_prior_function prior;
    void *user;
    /* The rows, where there are any: prior is then row_prior. */
    ppl__addresses row;
    ppl_dist **dist, *rest;
    unsigned char *reached;
    int *unused;
    /* What was lifted in this run. */
    ppl__addresses lifted;
    ppl_tensor **value;
    int capacity;
    int pending;                    /* the one whose message is on its way, or -1 */
} lift;

/* ---- The prior of a parameter ------------------------------------------------------ */

static int is_any_number(const ppl_constraint *k)
{
    return k->type == NULL || k->type == PPL_REAL.type ||
           k->type == ppl_constraint_real_vector.type ||
           k->type == ppl_constraint_square.type;
}

/* Whether all that `inner` allows is in `outer`; a prior that does not say what it allows
 * is believed. */
static int lies_within(const ppl_constraint *inner, const ppl_constraint *outer)
{
    if (inner == NULL || is_any_number(outer))
        return 1;
    if (ppl_constraint_event_dim(inner) > 0 || ppl_constraint_event_dim(outer) > 0)
        return inner->type == outer->type && inner->parts == outer->parts;
    return (inner->lower >= outer->lower || outer->lower <= -DBL_MAX) &&
           (inner->upper <= outer->upper || outer->upper >= DBL_MAX);
}

/* The prior over all of the parameter, one event; NULL with the error recorded. */
static ppl_dist *at_shape(const ppl_msg *m, ppl_dist *d)
{
    ppl_shape wanted = m->shape, is = d->shape;
    char text[2][PPL_SHAPE_TEXT];
    int axes = d->event_dim, fits = is.rank <= wanted.rank;

    for (int a = 1; fits && a <= is.rank; a++)
        fits = is.dim[is.rank - a] == wanted.dim[wanted.rank - a] ||
               (a > axes && is.dim[is.rank - a] == 1);
    if (!fits) {
        ppl_fail(m->ctx, PPL_ESHAPE, "lift: the prior of parameter %s has shape %s and the "
                 "parameter %s; give a prior that broadcasts to it", m->name,
                 ppl_shape_text(&is, text[0]), ppl_shape_text(&wanted, text[1]));
        return NULL;
    }
    wanted.rank -= axes;
    d = ppl_expand_dist(d, wanted);
    return d != NULL ? ppl_event(d, wanted.rank) : NULL;
}

static ppl_dist *prior_of(lift *self, ppl_msg *m)
{
    ppl_dist *d = self->prior(m, self->user);
    char must[PPL_CONSTRAINT_TEXT];

    if (d == NULL)
        return NULL;
    if (!lies_within(d->family->support, &m->constraint)) {
        ppl_fail(m->ctx, PPL_ECONSTRAINT, "lift: parameter %s must be %s, and its prior "
                 "(%s) reaches beyond that; give a prior within it", m->name,
                 ppl_constraint_text(&m->constraint, must), d->family->name);
        return NULL;
    }
    return at_shape(m, d);
}

/* ---- The handler ------------------------------------------------------------------- */

static void lift_process(ppl_handler *h, ppl_msg *m)
{
    lift *self = (lift *)h;
    ppl_dist *prior;
    int i;

    if (m->kind != PPL_SITE_PARAM || (m->flags & PPL_DONE) != 0)
        return;
    i = ppl__address_find(&self->lifted, m->name, m->index);
    if (i >= 0) {
        m->value = self->value[i];
        m->flags |= PPL_DONE | PPL_SKIP;
        return;
    }
    prior = prior_of(self, m);
    if (prior == NULL || !ppl__make_room(m->ctx, (void **)&self->value, &self->capacity,
                                         self->lifted.count + 1, sizeof *self->value))
        return;
    self->pending = ppl__address_enter(m->ctx, &self->lifted, m->name, m->index);
    m->kind = PPL_SITE_SAMPLE;
    m->dist = prior;
    m->scale = 1;
    m->mask = NULL;
    m->plates = NULL;
    m->options = NULL;
}

static void lift_postprocess(ppl_handler *h, ppl_msg *m)
{
    lift *self = (lift *)h;

    if (self->pending < 0)
        return;
    if (ppl_rank(m->value) != m->shape.rank)
        ppl_fail(m->ctx, PPL_ENEST, "lift: parameter %s is lifted inside plate %s, which "
                 "makes copies of it; push lift around the plate", m->name,
                 m->plates != NULL ? m->plates->name : "");
    self->value[self->pending] = m->value;
    self->pending = -1;
}

static void lift_enter(ppl_handler *h, ppl_ctx *c)
{
    lift *self = (lift *)h;

    (void)c;
    self->lifted = (ppl__addresses){ 0 };   /* an epoch may have ended since the last run */
    self->capacity = 0;
    self->pending = -1;
    if (self->reached != NULL)
        memset(self->reached, 0, (size_t)self->row.count);
}

static void lift_leave(ppl_handler *h, ppl_ctx *c, ppl_status why)
{
    const lift *self = (const lift *)h;
    int missed = 0;

    for (int i = 0; why == PPL_OK && i < self->row.count; i++) {
        if (self->reached[i])
            continue;
        missed++;
        if (self->unused == NULL)
            ppl__fail_unused(c, "lift", "parameter", self->row.entry[i].name,
                             PPL_NO_INDEX, 1);
    }
    if (why == PPL_OK && self->unused != NULL)
        *self->unused = missed;
}

static const ppl_handler_ops lift_ops = { .name = "lift",
                                          .process = lift_process,
                                          .postprocess = lift_postprocess,
                                          .enter = lift_enter,
                                          .leave = lift_leave };

ppl_handler *ppl_lift_by(ppl_ctx *c, ppl_prior_function prior, void *user)
{
    lift *self;

    if (prior == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_lift_by: the function is NULL");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &lift_ops;
    self->prior = prior;
    self->user = user;
    return &self->base;
}

/* ---- By rows ----------------------------------------------------------------------- */

static ppl_dist *row_prior(ppl_msg *m, void *user)
{
    lift *self = user;
    int i = ppl__address_find(&self->row, m->name, PPL_NO_INDEX);

    if (i < 0)
        return self->rest;
    self->reached[i] = 1;
    return self->dist[i];
}

/* Enters a row; 0 with the error recorded. */
static int enter_row(ppl_ctx *c, lift *self, const ppl_prior *row)
{
    ppl_name name;
    int i;

    if (row->name == NULL && self->rest != NULL)
        ppl_fail(c, PPL_EDUPLICATE, "ppl_lift: two rows have no name; the rest of the "
                 "parameters has one prior");
    if (row->name == NULL) {
        self->rest = row->dist;
        return ppl_ok(c);
    }
    name = ppl_intern(c, row->name);
    i = name != NULL ? ppl__address_enter(c, &self->row, name, PPL_NO_INDEX) : -1;
    if (i < 0)
        return 0;
    if (self->dist[i] != NULL)
        ppl_fail(c, PPL_EDUPLICATE, "ppl_lift: parameter %s is given two priors; give it "
                 "one", name);
    self->dist[i] = row->dist;
    return ppl_ok(c);
}

ppl_handler *ppl_lift(ppl_ctx *c, const ppl_prior *priors, int *unused)
{
    lift *self = ppl_ok(c) ? (lift *)ppl_lift_by(c, row_prior, NULL) : NULL;
    size_t count = 0;

    if (self == NULL)
        return NULL;
    self->user = self;
    self->unused = unused;
    while (priors != NULL && priors[count].dist != NULL)
        count++;
    self->dist = ppl_alloc(c, count * sizeof *self->dist);
    self->reached = ppl_alloc(c, count);
    if (self->dist == NULL || self->reached == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!enter_row(c, self, &priors[i]))
            return NULL;
    return &self->base;
}
