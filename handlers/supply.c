/* SPDX-License-Identifier: MIT */
/*
 * supply.c - values by address; one that no site asked for is reported, since a typo must
 * not leave a model unconditioned. Sites that come in the order of the list are found at
 * once, others by a table.
 */
#include "supply.h"

#include <string.h>

/* Enters a row; 0 with the error recorded. */
static int enter_value(ppl_ctx *c, ppl__supply *s, const ppl_value *v)
{
    const char *handler = s->base.ops->name;
    int64_t index = v->index < 0 ? PPL_NO_INDEX : v->index;
    ppl_name name = ppl_intern(c, v->name);
    char site[128];
    int i;

    if (name == NULL)
        return 0;
    ppl__address_text(name, index, site, sizeof site);
    if (v->value == NULL) {
        ppl_fail(c, PPL_EINVAL, "%s: the value for site %s is NULL", handler, site);
        return 0;
    }
    i = ppl__address_enter(c, &s->address, name, index);
    if (i >= 0 && i != s->count)
        ppl_fail(c, PPL_EDUPLICATE, "%s: site %s is given two values; give it one",
                 handler, site);
    if (i < 0 || i != s->count)
        return 0;
    s->value[s->count++] = v->value;
    return 1;
}

ppl_handler *ppl__supply_make(ppl_ctx *c, const ppl_handler_ops *ops, const char *what,
                              const ppl_value *values, int *unused)
{
    ppl__supply *s = ppl_alloc(c, sizeof *s);
    size_t count = 0;

    if (s == NULL)
        return NULL;
    s->base.ops = ops;
    s->what = what;
    s->unused = unused;
    while (values != NULL && values[count].name != NULL)
        count++;
    s->value = ppl_alloc(c, count * sizeof *s->value);
    s->reached = ppl_alloc(c, count);
    if (s->value == NULL || s->reached == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!enter_value(c, s, &values[i]))
            return NULL;
    return &s->base;
}

ppl_tensor *ppl__supply_take(ppl_handler *h, const ppl_msg *m)
{
    ppl__supply *s = (ppl__supply *)h;
    int i = s->next;

    if (i >= s->count || s->address.entry[i].name != m->name ||
        s->address.entry[i].index != m->index)
        i = ppl__address_find(&s->address, m->name, m->index);
    if (i < 0)
        return NULL;
    s->reached[i] = 1;
    s->next = i + 1;
    return s->value[i];
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
    int missed = 0;

    if (why != PPL_OK)
        return;
    for (int i = 0; i < s->count; i++) {
        const ppl__address *a = &s->address.entry[i];

        if (s->reached[i])
            continue;
        missed++;
        if (s->unused == NULL)
            ppl__fail_unused(c, h->ops->name, s->what, a->name, a->index, 1);
    }
    if (s->unused != NULL)
        *s->unused = missed;
}
