/* SPDX-License-Identifier: MIT */
/*
 * substitute.c - parameters take given values, in constrained space and without a
 * gradient; the store is neither read nor filled for them. By a function, latents take
 * values too, and stay latent. The outer of two has the last word.
 */
#include "supply.h"

static void substitute_process(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *value = m->kind == PPL_SITE_PARAM ? ppl__supply_take(h, m) : NULL;

    if (value == NULL)
        return;
    m->value = value;
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops substitute_ops = { .name = "substitute",
                                                .process = substitute_process,
                                                .enter = ppl__supply_enter,
                                                .leave = ppl__supply_leave };

ppl_handler *ppl_substitute(ppl_ctx *c, const ppl_value *values, int *unused)
{
    return ppl__supply_make(c, &substitute_ops, "parameter", values, unused);
}

/* ---- By a function ----------------------------------------------------------------- */

typedef struct substitute_by {
    ppl_handler base;
    ppl_value_function value;
    void *user;
} substitute_by;

static void by_process(ppl_handler *h, ppl_msg *m)
{
    const substitute_by *self = (const substitute_by *)h;
    ppl_tensor *value;

    if (m->kind != PPL_SITE_PARAM &&
        (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_OBSERVED) != 0))
        return;
    value = self->value(m, self->user);
    if (value == NULL)
        return;
    m->value = value;
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops by_ops = { .name = "substitute_by", .process = by_process };

ppl_handler *ppl_substitute_by(ppl_ctx *c, ppl_value_function value, void *user)
{
    substitute_by *self;

    if (value == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_substitute_by: the function is NULL");
        return NULL;
    }
    self = ppl_alloc(c, sizeof *self);
    if (self == NULL)
        return NULL;
    *self = (substitute_by){ { .ops = &by_ops }, value, user };
    return &self->base;
}
