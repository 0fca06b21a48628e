/* SPDX-License-Identifier: MIT */
/*
 * address.c - tables of addresses: open addressing over an array that keeps the order.
 */
#include "address.h"

#include <string.h>

#define FIRST 32                    /* elements of a new array */

int ppl__make_room(ppl_ctx *c, void **array, int *capacity, int need, size_t size)
{
    int larger = *capacity != 0 ? *capacity : FIRST;
    void *block;

    if (need <= *capacity)
        return 1;
    while (larger < need)
        larger *= 2;
    block = ppl_alloc(c, (size_t)larger * size);
    if (block == NULL)
        return 0;
    if (*capacity > 0)
        memcpy(block, *array, (size_t)*capacity * size);
    *array = block;
    *capacity = larger;
    return 1;
}

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

/* Puts what was added since somebody looked last into its slots, which are cleared for the
 * first. */
static void fill_slots(ppl__addresses *t)
{
    if (t->filled == 0)
        memset(t->slot, 0, t->slots * sizeof *t->slot);
    for (; t->filled < t->count; t->filled++) {
        const ppl__address *a = &t->entry[t->filled];

        t->slot[slot_of(t, a->name, a->index)] = t->filled + 1;
    }
}

/* Makes room for one more entry; with the entries the slots grow fourfold, since all are
 * entered anew, when somebody looks. */
static int make_room(ppl_ctx *c, ppl__addresses *t)
{
    size_t slots;
    int *slot;

    if (t->count < t->capacity)
        return 1;
    if (!ppl__make_room(c, (void **)&t->entry, &t->capacity,
                        t->count > 0 ? 4 * t->count : 1, sizeof *t->entry))
        return 0;
    slots = 4 * (size_t)t->capacity;
    slot = ppl_alloc_raw(c, slots * sizeof *slot);
    if (slot == NULL) {
        t->capacity = t->count;     /* as if there were no room: the slots are the old */
        return 0;
    }
    t->slot = slot;
    t->slots = slots;
    t->filled = 0;
    return 1;
}

int ppl__address_find(const ppl__addresses *t, ppl_name name, int64_t index)
{
    if (t->count == 0)
        return -1;
    fill_slots((ppl__addresses *)(uintptr_t)t);
    return t->slot[slot_of(t, name, index)] - 1;
}

int ppl__address_add(ppl_ctx *c, ppl__addresses *t, ppl_name name, int64_t index)
{
    if (t->count == t->capacity && !make_room(c, t))
        return -1;
    t->entry[t->count] = (ppl__address){ name, index };
    return t->count++;
}

int ppl__address_enter(ppl_ctx *c, ppl__addresses *t, ppl_name name, int64_t index)
{
    size_t slot;

    if (t->count == t->capacity && !make_room(c, t))
        return -1;
    fill_slots(t);
    slot = slot_of(t, name, index);
    if (t->slot[slot] == 0) {
        t->entry[t->count] = (ppl__address){ name, index };
        t->slot[slot] = ++t->count;
        t->filled = t->count;
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
