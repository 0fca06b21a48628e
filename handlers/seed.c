/* SPDX-License-Identifier: MIT */
/*
 * seed.c - key the draws inside by a seed of their own. The message keeps the first seed
 * it meets on its way out, which is the innermost.
 */
#include <kiln/handlers.h>

typedef struct seed {
    ppl_handler base;
    uint64_t seed;
} seed;

static void seed_process(ppl_handler *h, ppl_msg *m)
{
    if (m->seed == NULL)
        m->seed = &((const seed *)h)->seed;
}

static const ppl_handler_ops seed_ops = { .name = "seed", .process = seed_process };

ppl_handler *ppl_seed(ppl_ctx *c, uint64_t value)
{
    seed *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    self->base.ops = &seed_ops;
    self->seed = value;
    return &self->base;
}
