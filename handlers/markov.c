/* SPDX-License-Identifier: MIT */
/*
 * markov.c - the window of dependence of a loop over time, checked.
 *
 * In Pyro markov tells enumeration how far dependences reach, and is believed. Here sites
 * carry their time as their index and tensors carry the latents they depend on, so the
 * claim is a test: of each density within, against the latents within.
 */
#include "address.h"

#include <kiln/handlers_plate.h>

typedef struct markov {
    ppl_handler base;
    ppl_ctx *ctx;
    int64_t history;
    /* The latents within, by site id; name NULL for the others. */
    ppl__address *latent;
    int capacity;
} markov;

static void check_parents(const markov *self, const ppl_msg *m)
{
    char site[128], parent[128];

    for (int s = ppl_sites_next(m->parents, 0); s >= 0 && s < self->capacity;
         s = ppl_sites_next(m->parents, s + 1)) {
        const ppl__address *a = &self->latent[s];
        int64_t away = m->index > a->index ? m->index - a->index : a->index - m->index;

        if (a->name == NULL || away <= self->history)
            continue;
        ppl_fail(self->ctx, PPL_EMISMATCH, "markov: site %s depends on %s, %lld away, and "
                 "the history is %lld; make the history longer, or carry what it needs "
                 "in nearer sites", ppl_site_text(m, site, sizeof site),
                 ppl__address_text(a->name, a->index, parent, sizeof parent),
                 (long long)away, (long long)self->history);
        return;
    }
}

static void markov_postprocess(ppl_handler *h, ppl_msg *m)
{
    markov *self = (markov *)h;

    if (m->kind != PPL_SITE_SAMPLE || m->index < 0 || (m->flags & PPL_SKIP) != 0)
        return;
    check_parents(self, m);
    if ((m->flags & PPL_OBSERVED) == 0 &&
        ppl__make_room(self->ctx, (void **)&self->latent, &self->capacity, m->site + 1,
                       sizeof *self->latent))
        self->latent[m->site] = (ppl__address){ m->name, m->index };
}

static void markov_enter(ppl_handler *h, ppl_ctx *c)
{
    markov *self = (markov *)h;

    (void)c;
    self->capacity = 0;             /* an epoch may have ended since the last run */
}

static const ppl_handler_ops markov_ops = { .name = "markov",
                                            .postprocess = markov_postprocess,
                                            .enter = markov_enter };

ppl_handler *ppl_markov(ppl_ctx *c, int64_t history)
{
    markov *self;

    if (history < 0) {
        ppl_fail(c, PPL_EINVAL, "ppl_markov: the history is %lld; it must be 0 or more",
                 (long long)history);
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &markov_ops;
    self->ctx = c;
    self->history = history;
    return &self->base;
}
