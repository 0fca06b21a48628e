/* SPDX-License-Identifier: MIT */
/*
 * block.c - hide messages from the handlers further out, by predicate, name or kind.
 */
#include "address.h"
#include "kind.h"

typedef struct block {
    ppl_handler base;
    ppl_block_opts opts;
    ppl__addresses hide, expose;
    int all;
} block;

static int listed(const ppl__addresses *names, ppl_name name)
{
    return ppl__address_find(names, name, PPL_NO_INDEX) >= 0;
}

static void block_process(ppl_handler *h, ppl_msg *m)
{
    const block *self = (const block *)h;
    const ppl_block_opts *o = &self->opts;

    if (m->kind == PPL_SITE_INSPECT)
        return;
    if (self->all || (o->predicate != NULL && o->predicate(m, o->user)) ||
        (o->hide != NULL && listed(&self->hide, m->name)) ||
        (o->expose != NULL && !listed(&self->expose, m->name)) ||
        (o->kinds & ppl__kind_bit(m)) != 0)
        m->flags |= PPL_STOP;
}

static const ppl_handler_ops block_ops = { .name = "block", .process = block_process };

ppl_handler *ppl_block(ppl_ctx *c, const ppl_block_opts *opts)
{
    block *self = ppl_alloc(c, sizeof *self);

    if (self == NULL)
        return NULL;
    self->base.ops = &block_ops;
    if (opts != NULL)
        self->opts = *opts;
    self->all = opts == NULL || (opts->predicate == NULL && opts->hide == NULL &&
                                 opts->expose == NULL && opts->kinds == 0);
    return ppl__address_enter_names(c, &self->hide, self->opts.hide) &&
                   ppl__address_enter_names(c, &self->expose, self->opts.expose)
               ? &self->base : NULL;
}
