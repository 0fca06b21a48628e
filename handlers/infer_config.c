/* SPDX-License-Identifier: MIT */
/*
 * infer_config.c - give sites options: data on the message, for whoever treats the site.
 */
#include <kiln/handlers_sites.h>

typedef struct infer_config {
    ppl_handler base;
    void (*configure)(ppl_msg *m, void *user);
    void *user;
} infer_config;

static void infer_config_process(ppl_handler *h, ppl_msg *m)
{
    const infer_config *self = (const infer_config *)h;

    if (m->kind == PPL_SITE_SAMPLE || m->kind == PPL_SITE_PARAM)
        self->configure(m, self->user);
}

static const ppl_handler_ops infer_config_ops = { .name = "infer_config",
                                                  .process = infer_config_process };

ppl_handler *ppl_infer_config(ppl_ctx *c, void (*configure)(ppl_msg *m, void *user),
                              void *user)
{
    infer_config *self;

    if (configure == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_infer_config: the function is NULL");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    *self = (infer_config){ { .ops = &infer_config_ops }, configure, user };
    return &self->base;
}
