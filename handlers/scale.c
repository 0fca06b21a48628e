/* SPDX-License-Identifier: MIT */
/*
 * scale.c - multiply log-probabilities: an annealed KL, a weight of the data. Zero is
 * refused, since 0 times an infinite log-probability is no zero; mask leaves sites out.
 */
#include <kiln/handlers_weight.h>

#include <math.h>

typedef struct scale {
    ppl_handler base;
    double factor;
} scale;

static void scale_process(ppl_handler *h, ppl_msg *m)
{
    m->scale *= ((const scale *)h)->factor;
}

static const ppl_handler_ops scale_ops = { .name = "scale", .process = scale_process };

ppl_handler *ppl_scale(ppl_ctx *c, double factor)
{
    scale *self;

    if (!(factor > 0) || isinf(factor)) {
        ppl_fail(c, PPL_EINVAL, "ppl_scale: the factor is %g; it must be finite and > 0 "
                 "(to leave sites out, use ppl_mask)", factor);
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &scale_ops;
    self->factor = factor;
    return &self->base;
}
