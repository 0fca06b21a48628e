/* SPDX-License-Identifier: MIT */
/*
 * address.c - tables of addresses: open addressing over an array that keeps the order.
 */
#include "address.h"

#include <string.h>

#define FIRST 32                    /* entries of a new table */

static size_t slot_of(const ppl__addresses *t, ppl_name name, int64_t index)
{
    size_t i = ppl_address_hash(name, index) & (t->slots - 1);

    for (; t->slot[i] != 0; i = (i + 1) & (t->slots - 1)) {
        const ppl__address *a = &t->entry[t->slot[i] - 1];

        if (a->name == name && a->index == index)
            break;
    }
    return i;
}

/* Doubles the table, leaving the old arrays to the epoch. */
static int grow(ppl_ctx *c, ppl__addresses *t)
{
    int capacity = t->capacity != 0 ? 2 * t->capacity : FIRST;
    size_t slots = 2 * (size_t)capacity;
    ppl__address *entry = ppl_alloc(c, (size_t)capacity * sizeof *entry);
    int *slot = ppl_alloc(c, slots * sizeof *slot);

    if (entry == NULL || slot == NULL)
        return 0;
    if (t->count > 0)
        memcpy(entry, t->entry, (size_t)t->count * sizeof *entry);
    *t = (ppl__addresses){ entry, t->count, capacity, slot, slots };
    for (int i = 0; i < t->count; i++)
        slot[slot_of(t, entry[i].name, entry[i].index)] = i + 1;
    return 1;
}

int ppl__address_find(const ppl__addresses *t, ppl_name name, int64_t index)
{
    return t->count > 0 ? t->slot[slot_of(t, name, index)] - 1 : -1;
}

int ppl__address_enter(ppl_ctx *c, ppl__addresses *t, ppl_name name, int64_t index)
{
    size_t slot;

    if (t->count == t->capacity && !grow(c, t))
        return -1;
    slot = slot_of(t, name, index);
    if (t->slot[slot] == 0) {
        t->entry[t->count] = (ppl__address){ name, index };
        t->slot[slot] = ++t->count;
    }
    return t->slot[slot] - 1;
}

int ppl__address_enter_names(ppl_ctx *c, ppl__addresses *t, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++) {
        ppl_name name = ppl_intern(c, *names);

        if (name == NULL || ppl__address_enter(c, t, name, PPL_NO_INDEX) < 0)
            return 0;
    }
    return 1;
}

const char *ppl__address_text(const char *name, int64_t index, char *buffer, size_t size)
{
    const ppl_msg m = { .name = name != NULL ? name : "(NULL)", .index = index };

    return ppl_site_text(&m, buffer, size);
}

void ppl__fail_unused(ppl_ctx *c, const char *handler, const char *what, const char *name,
                      int64_t index, int may_count)
{
    char site[128];

    ppl_fail(c, PPL_EUNUSED, "%s: no %s %s was reached; check name and index%s", handler,
             what, ppl__address_text(name, index, site, sizeof site),
             may_count ? ", or pass `unused` to have such values counted" : "");
}
