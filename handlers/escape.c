/* SPDX-License-Identifier: MIT */
/*
 * escape.c - end the run early: an error that is none, so that the rest drains in no-ops
 * and nothing jumps over a model's frames.
 */
#include "kind.h"

#include <kiln/handlers_trace.h>

typedef struct escape {
    ppl_handler base;
    int (*when)(const ppl_msg *m, void *user);
    void *user;
    ppl_msg *at;
} escape;

static int any_latent(const ppl_msg *m, void *user)
{
    (void)user;
    return ppl__is_open_latent(m);
}

static void escape_process(ppl_handler *h, ppl_msg *m)
{
    const escape *self = (const escape *)h;
    char site[128];

    if (m->kind == PPL_SITE_INSPECT || !self->when(m, self->user))
        return;
    if (self->at != NULL)
        *self->at = *m;
    ppl_fail(m->ctx, PPL_ESCAPE, "escape: the run was ended at site %s",
             ppl_site_text(m, site, sizeof site));
}

static const ppl_handler_ops escape_ops = { .name = "escape", .process = escape_process };

ppl_handler *ppl_escape(ppl_ctx *c, int (*when)(const ppl_msg *m, void *user), void *user,
                        ppl_msg *at)
{
    escape *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    *self = (escape){ { .ops = &escape_ops }, when != NULL ? when : any_latent, user, at };
    return &self->base;
}
