/* SPDX-License-Identifier: MIT */
/*
 * block.c - hide messages from the handlers further out, by predicate, name or kind.
 */
#include <kiln/handlers.h>

typedef struct block {
    ppl_handler base;
    ppl_block_opts opts;
    int all;
} block;

/* The list with its names interned, as epoch memory; NULL for NULL. */
static const char *const *intern_list(ppl_ctx *c, const char *const *names)
{
    size_t count = 0;
    const char **list;

    if (names == NULL)
        return NULL;
    while (names[count] != NULL)
        count++;
    list = ppl_alloc(c, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count && list != NULL; i++)
        list[i] = ppl_intern(c, names[i]);
    return list;
}

static int listed(const char *const *names, ppl_name name)
{
    for (; *names != NULL; names++)
        if (*names == name)
            return 1;
    return 0;
}

static unsigned kind_bit(const ppl_msg *m)
{
    switch (m->kind) {
    case PPL_SITE_SAMPLE:
        return (m->flags & PPL_OBSERVED) != 0 ? PPL_HIDE_OBSERVED : PPL_HIDE_LATENT;
    case PPL_SITE_PARAM:
        return PPL_HIDE_PARAM;
    case PPL_SITE_DETERMINISTIC:
        return PPL_HIDE_DETERMINISTIC;
    default:
        return 0;
    }
}

static void block_process(ppl_handler *h, ppl_msg *m)
{
    const block *self = (const block *)h;
    const ppl_block_opts *o = &self->opts;

    if (m->kind == PPL_SITE_INSPECT)
        return;
    if (self->all || (o->predicate != NULL && o->predicate(m, o->user)) ||
        (o->hide != NULL && listed(o->hide, m->name)) ||
        (o->expose != NULL && !listed(o->expose, m->name)) ||
        (o->kinds & kind_bit(m)) != 0)
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
    self->opts.hide = intern_list(c, self->opts.hide);
    self->opts.expose = intern_list(c, self->opts.expose);
    self->all = opts == NULL || (opts->predicate == NULL && opts->hide == NULL &&
                                 opts->expose == NULL && opts->kinds == 0);
    return ppl_ok(c) ? &self->base : NULL;
}
