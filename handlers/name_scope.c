/* SPDX-License-Identifier: MIT */
/*
 * name_scope.c - a prefix before the names inside. Joined names are interned, so that a
 * name in a time loop costs one look-up. Plates ask for their name when they are pushed
 * (an inspection), so the frames that messages carry have the prefix as well.
 */
#include "kind.h"

#include <kiln/handlers_sites.h>

typedef struct name_scope {
    ppl_handler base;
    ppl_name prefix;
    unsigned keep;
} name_scope;

static void name_scope_process(ppl_handler *h, ppl_msg *m)
{
    const name_scope *self = (const name_scope *)h;

    if (m->name != NULL && (self->keep & ppl__kind_bit(m)) == 0)
        m->name = ppl_intern_join(m->ctx, self->prefix, m->name);
}

static const ppl_handler_ops name_scope_ops = { .name = "name_scope",
                                                .process = name_scope_process };

ppl_handler *ppl_name_scope(ppl_ctx *c, const char *prefix, const ppl_name_scope_opts *opts)
{
    const char *divider = opts != NULL && opts->divider != NULL ? opts->divider : "/";
    ppl_name name = ppl_intern(c, prefix);
    name_scope *self = name != NULL ? ppl_alloc(c, sizeof *self) : NULL;

    if (self == NULL)
        return NULL;
    self->base.ops = &name_scope_ops;
    self->prefix = divider[0] != '\0' ? ppl_intern_join(c, name, divider) : name;
    self->keep = opts != NULL ? opts->keep : 0;
    return self->prefix != NULL ? &self->base : NULL;
}
