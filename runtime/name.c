/* SPDX-License-Identifier: MIT */
/*
 * name.c - interned names: one copy of each text, so that equal names are equal pointers.
 *
 * A statement in a time loop passes the same literal again and again; a small cache by
 * address answers it with one comparison of the text and no hashing. Joins ("rnn" and
 * ".weight_hh_l0") are cached by the addresses of their parts likewise.
 */
#include "hash.h"

#include <stddef.h>
#include <string.h>

#define CACHE 256                   /* a power of two */

struct entry {
    UT_hash_handle hh;
    uint64_t hash;
    char text[];                    /* the name: a ppl_name points here */
};

struct recent {
    const char *prefix, *suffix;    /* as passed; suffix NULL for a plain name */
    ppl_name name;
    size_t prefix_length;
};

struct ppl__names {
    struct entry *table;
    struct recent recent[CACHE];
};

/* FNV-1a, 64 bits (Fowler, Noll, Vo): fixed for ever, since draws are keyed by it. */
static uint64_t stable_hash(const char *text, size_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t ppl__name_hash(ppl_name name)
{
    const void *entry = name - offsetof(struct entry, text);

    return ((const struct entry *)entry)->hash;
}

static struct recent *recent_slot(ppl__names *names, const char *prefix,
                                  const char *suffix)
{
    uintptr_t h = (uintptr_t)prefix * 31 + (uintptr_t)suffix;

    h ^= h >> 9;
    return &names->recent[h & (CACHE - 1)];
}

static ppl_name find_or_add(ppl_ctx *c, const char *text, size_t length)
{
    struct entry *e;
    size_t size = sizeof *e + length + 1;

    HASH_FIND(hh, c->names->table, text, length, e);
    if (e != NULL)
        return e->text;
    e = ppl__realloc(c, NULL, 0, size);
    if (e == NULL)
        return NULL;
    memcpy(e->text, text, length);
    e->text[length] = '\0';
    e->hash = stable_hash(text, length);
    HASH_ADD(hh, c->names->table, text, length, e);
    if (e->hh.tbl == NULL) {
        ppl__free(c, e, size);
        return NULL;
    }
    return e->text;
}

static int have_table(ppl_ctx *c)
{
    if (c->names == NULL)
        c->names = ppl_persistent_alloc(c, sizeof *c->names);
    return c->names != NULL;
}

/* Whether two texts are the same: names are short, and a call would take longer. */
static int same_text(const char *a, const char *b)
{
    for (int i = 0; i < 16; i++)
        if (a[i] != b[i] || a[i] == '\0')
            return a[i] == b[i];
    return strcmp(a + 16, b + 16) == 0;
}

/* NULL with the error recorded. */
static ppl_name refuse(ppl_ctx *c, const char *is)
{
    ppl_fail(c, PPL_EINVAL, "a name is %s; give it at least one character", is);
    return NULL;
}

ppl_name ppl_intern(ppl_ctx *c, const char *text)
{
    struct recent *r;
    ppl_name name;

    if (text == NULL || text[0] == '\0')
        return refuse(c, text == NULL ? "NULL" : "empty");
    if (!have_table(c))
        return NULL;
    r = recent_slot(c->names, text, NULL);
    if (r->prefix == text && r->suffix == NULL &&
        (r->name == text || same_text(r->name, text)))   /* itself a name: never changes */
        return r->name;
    name = find_or_add(c, text, strlen(text));
    if (name != NULL)
        *r = (struct recent){ text, NULL, name, 0 };
    return name;
}

/* The parts may have changed behind their addresses: compare the text. */
static int is_join(const struct recent *r, const char *prefix, const char *suffix)
{
    return r->prefix == prefix && r->suffix == suffix && r->name != NULL &&
           strncmp(r->name, prefix, r->prefix_length) == 0 &&
           prefix[r->prefix_length] == '\0' &&
           strcmp(r->name + r->prefix_length, suffix) == 0;
}

ppl_name ppl_intern_join(ppl_ctx *c, const char *prefix, const char *suffix)
{
    struct recent *r;
    size_t length, rest;
    char local[256], *text;
    ppl_name name;

    if (prefix == NULL || suffix == NULL)
        return refuse(c, "NULL");
    if (prefix[0] == '\0' && suffix[0] == '\0')
        return refuse(c, "empty");
    if (!have_table(c))
        return NULL;
    r = recent_slot(c->names, prefix, suffix);
    if (is_join(r, prefix, suffix))
        return r->name;
    length = strlen(prefix);
    rest = strlen(suffix);
    text = length + rest < sizeof local ? local
           : ppl__realloc(c, NULL, 0, length + rest + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, prefix, length);
    memcpy(text + length, suffix, rest + 1);
    name = find_or_add(c, text, length + rest);
    if (text != local)
        ppl__free(c, text, length + rest + 1);
    if (name != NULL)
        *r = (struct recent){ prefix, suffix, name, length };
    return name;
}

void ppl__names_free(ppl_ctx *c)
{
    struct entry *e, *next;

    if (c->names == NULL)
        return;
    HASH_ITER (hh, c->names->table, e, next) {
        HASH_DEL(c->names->table, e);
        ppl__free(c, e, sizeof *e + strlen(e->text) + 1);
    }
    ppl_persistent_free(c, c->names, sizeof *c->names);
    c->names = NULL;
}
