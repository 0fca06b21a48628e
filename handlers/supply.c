/* SPDX-License-Identifier: MIT */
/*
 * supply.c - values by address for condition and substitute; one that no site asked for
 * is reported, since a typo must not leave a model unconditioned. Sites that come in the
 * order of the list are found at once.
 */
#include "supply.h"

#include <string.h>

static const char *address_text(const ppl_value *v, char *buffer, size_t size)
{
    const ppl_msg m = { .name = v->name, .index = v->index };

    return ppl_site_text(&m, buffer, size);
}

/* A copy with names interned; 0 with the error recorded. */
static int copy_values(ppl_ctx *c, ppl__supply *s, const ppl_value *values)
{
    char site[128];

    for (int i = 0; i < s->count; i++) {
        s->value[i] = values[i];
        s->value[i].name = ppl_intern(c, values[i].name);
        if (s->value[i].name == NULL)
            return 0;
        if (values[i].index < 0)
            s->value[i].index = PPL_NO_INDEX;
        if (values[i].value == NULL) {
            ppl_fail(c, PPL_EINVAL, "%s: the value for site %s is NULL",
                     s->base.ops->name, address_text(&values[i], site, sizeof site));
            return 0;
        }
    }
    return 1;
}

ppl_handler *ppl__supply_make(ppl_ctx *c, const ppl_handler_ops *ops, ppl_kind kind,
                              unsigned flags, const ppl_value *values, int *unused)
{
    ppl__supply *s = ppl_alloc(c, sizeof *s);

    if (s == NULL)
        return NULL;
    s->base.ops = ops;
    s->kind = kind;
    s->flags = flags;
    s->unused = unused;
    while (values != NULL && values[s->count].name != NULL)
        s->count++;
    s->value = ppl_alloc(c, (size_t)s->count * sizeof *s->value);
    s->reached = ppl_alloc(c, (size_t)s->count);
    if (s->value == NULL || s->reached == NULL || !copy_values(c, s, values))
        return NULL;
    return &s->base;
}

void ppl__supply_process(ppl_handler *h, ppl_msg *m)
{
    ppl__supply *s = (ppl__supply *)h;

    if (m->kind != s->kind)
        return;
    for (int k = 0; k < s->count; k++) {
        int i = (s->next + k) % s->count;

        if (s->value[i].name == m->name && s->value[i].index == m->index) {
            m->value = s->value[i].value;
            m->flags |= s->flags;
            s->reached[i] = 1;
            s->next = i + 1;
            return;
        }
    }
}

void ppl__supply_enter(ppl_handler *h, ppl_ctx *c)
{
    ppl__supply *s = (ppl__supply *)h;

    (void)c;
    s->next = 0;
    memset(s->reached, 0, (size_t)s->count);
}

void ppl__supply_leave(ppl_handler *h, ppl_ctx *c, ppl_status why)
{
    const ppl__supply *s = (const ppl__supply *)h;
    char site[128];
    int missed = 0;

    if (why != PPL_OK)
        return;
    for (int i = 0; i < s->count; i++) {
        if (s->reached[i])
            continue;
        missed++;
        if (s->unused == NULL)
            ppl_fail(c, PPL_EUNUSED, "%s: no %s %s was reached; check name and index, or "
                     "pass `unused` to have such values counted", h->ops->name,
                     s->kind == PPL_SITE_PARAM ? "parameter" : "sample site",
                     address_text(&s->value[i], site, sizeof site));
    }
    if (s->unused != NULL)
        *s->unused = missed;
}
