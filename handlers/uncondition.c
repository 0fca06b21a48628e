/* SPDX-License-Identifier: MIT */
/*
 * uncondition.c - observed sites become latent again, and are drawn: posterior predictive
 * draws of a model that holds its data. The data travel on as an option. A factor has no
 * value that was observed, and stays.
 */
#include <kiln/handlers_values.h>

const ppl_option_key ppl_option_data = { "data" };

static void uncondition_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_OBSERVED) == 0 || m->value == NULL)
        return;
    ppl_msg_set_option(m, &ppl_option_data, m->value);
    m->flags &= ~(unsigned)(PPL_OBSERVED | PPL_DONE);
    m->value = NULL;
}

static const ppl_handler_ops uncondition_ops = { .name = "uncondition",
                                                 .process = uncondition_process };

ppl_handler *ppl_uncondition(ppl_ctx *c)
{
    ppl_handler *self = ppl_alloc(c, sizeof *self);

    if (self != NULL)
        self->ops = &uncondition_ops;
    return self;
}
