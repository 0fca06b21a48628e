/* SPDX-License-Identifier: MIT */
/*
 * mask.c - leave elements of sites out: masks of nested handlers are joined by and.
 */
#include <kiln/handlers_weight.h>

typedef struct mask {
    ppl_handler base;
    ppl_tensor *mask;
} mask;

static void mask_process(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *own = ((const mask *)h)->mask;

    m->mask = m->mask != NULL ? ppl_and(own, m->mask) : own;
}

static const ppl_handler_ops mask_ops = { .name = "mask", .process = mask_process };

ppl_handler *ppl_mask(ppl_ctx *c, ppl_tensor *tensor)
{
    mask *self;

    if (tensor == NULL || ppl_tensor_dtype(tensor) != PPL_MASK) {
        ppl_fail(c, PPL_EDTYPE, "ppl_mask: expected a mask (PPL_MASK); make one with "
                 "ppl_from_mask, ppl_less or ppl_equal");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &mask_ops;
    self->mask = tensor;
    return &self->base;
}
