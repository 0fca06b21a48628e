/* SPDX-License-Identifier: MIT */
/*
 * block_plate.c - statements inside a plate that are not in it. The message carries the
 * plate's name or axis outward, and that plate leaves it alone.
 */
#include "plate.h"

typedef struct block_plate {
    ppl_handler base;
    ppl__blocked_plate blocked;
} block_plate;

static void block_plate_process(ppl_handler *h, ppl_msg *m)
{
    ppl_msg_set_option(m, &ppl__option_block_plate, &((block_plate *)h)->blocked);
}

/* An inspection with the option tells whether there is such a plate. */
static void block_plate_enter(ppl_handler *h, ppl_ctx *c)
{
    ppl__blocked_plate *blocked = &((block_plate *)h)->blocked;
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_INSPECT, .index = PPL_NO_INDEX, .scale = 1 };

    blocked->met = 0;
    ppl_msg_set_option(&m, &ppl__option_block_plate, blocked);
    ppl_send(&m);
    if (blocked->met)
        return;
    if (blocked->name != NULL)
        ppl_fail(c, PPL_ENEST, "block_plate: there is no plate %s around; check the name, "
                 "or push it inside the plate", blocked->name);
    else
        ppl_fail(c, PPL_ENEST, "block_plate: there is no plate around at dim %d; check "
                 "dim, or push it inside the plate", blocked->dim);
}

static const ppl_handler_ops block_plate_ops = { .name = "block_plate",
                                                 .process = block_plate_process,
                                                 .enter = block_plate_enter };

ppl_handler *ppl_block_plate(ppl_ctx *c, const char *name, int dim)
{
    block_plate *self;

    if (name == NULL && dim >= 0) {
        ppl_fail(c, PPL_EINVAL, "ppl_block_plate: name is NULL and dim %d; give the name, "
                 "or the axis as -1, -2, ..", dim);
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &block_plate_ops;
    self->blocked.dim = dim;
    if (name != NULL)
        self->blocked.name = ppl_intern(c, name);
    return ppl_ok(c) ? &self->base : NULL;
}
