/* SPDX-License-Identifier: MIT */
/*
 * broadcast.c - expand distributions to the plates around their sites, as the plates
 * themselves have done with the distributions that they saw.
 */
#include "plate.h"

static void broadcast_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind != PPL_SITE_SAMPLE)
        return;
    for (const ppl_frame *f = m->plates; f != NULL && m->dist != NULL; f = f->inner)
        m->dist = ppl__dist_in_plate(m, f);
}

static const ppl_handler_ops broadcast_ops = { .name = "broadcast",
                                               .process = broadcast_process };

ppl_handler *ppl_broadcast(ppl_ctx *c)
{
    ppl_handler *self = ppl_alloc(c, sizeof *self);

    if (self != NULL)
        self->ops = &broadcast_ops;
    return self;
}
