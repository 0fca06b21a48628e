/* SPDX-License-Identifier: MIT */
/*
 * replay.c - latent sites take the values of another trace: how a model sees what its
 * guide has drawn. Plates take its indices likewise. The values keep their gradients. Of
 * two replays the outer one has the last word, as messages travel outward.
 */
#include <kiln/handlers_trace.h>

typedef struct replay {
    ppl_handler base;
    const ppl_trace *trace;
} replay;

static const char *role(const ppl_msg *m)
{
    switch (m->kind) {
    case PPL_SITE_SAMPLE:
        return (m->flags & PPL_OBSERVED) != 0 ? "observed" : "a latent";
    case PPL_SITE_SUBSAMPLE:
        return "a plate";
    case PPL_SITE_PARAM:
        return "a parameter";
    default:
        return "a deterministic value";
    }
}

static void replay_process(ppl_handler *h, ppl_msg *m)
{
    const ppl_msg *drawn;
    char site[128];

    if ((m->kind != PPL_SITE_SAMPLE && m->kind != PPL_SITE_SUBSAMPLE) ||
        (m->flags & PPL_OBSERVED) != 0)
        return;
    drawn = ppl_trace_find(((replay *)h)->trace, m->name, m->index);
    if (drawn == NULL)
        return;
    if (drawn->kind != m->kind ||
        (m->kind == PPL_SITE_SAMPLE && (drawn->flags & PPL_OBSERVED) != 0)) {
        ppl_fail(m->ctx, PPL_EMISMATCH, "replay: site %s is %s here and %s in the trace; "
                 "it must be the same in both",
                 ppl_site_text(m, site, sizeof site), role(m), role(drawn));
        return;
    }
    m->value = drawn->value;
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops replay_ops = { .name = "replay", .process = replay_process };

ppl_handler *ppl_replay(ppl_ctx *c, const ppl_trace *t)
{
    replay *self;

    if (t == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_replay: the trace is NULL; the run that was to make "
                 "it may have failed");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    self->base.ops = &replay_ops;
    self->trace = t;
    return &self->base;
}
