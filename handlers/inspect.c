/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - look at messages: at each one that passes, by functions of the caller's, or
 * at what a message would become here.
 */
#include <kiln/handlers_sites.h>

typedef struct watch {
    ppl_handler base;
    void (*before)(ppl_msg *m, void *user);
    void (*after)(ppl_msg *m, void *user);
    void *user;
} watch;

static void watch_process(ppl_handler *h, ppl_msg *m)
{
    const watch *self = (const watch *)h;

    if (self->before != NULL && m->kind != PPL_SITE_INSPECT)
        self->before(m, self->user);
}

static void watch_postprocess(ppl_handler *h, ppl_msg *m)
{
    const watch *self = (const watch *)h;

    if (self->after != NULL && m->kind != PPL_SITE_INSPECT)
        self->after(m, self->user);
}

static const ppl_handler_ops watch_ops = { .name = "watch",
                                           .process = watch_process,
                                           .postprocess = watch_postprocess };

ppl_handler *ppl_watch(ppl_ctx *c, void (*before)(ppl_msg *m, void *user),
                       void (*after)(ppl_msg *m, void *user), void *user)
{
    watch *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    *self = (watch){ { .ops = &watch_ops }, before, after, user };
    return &self->base;
}

ppl_msg ppl_inspect(ppl_ctx *c)
{
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_INSPECT, .index = PPL_NO_INDEX, .scale = 1 };

    ppl_send(&m);
    return m;
}
