/* SPDX-License-Identifier: MIT */
/*
 * provenance.c - sets of latent sites, carried by tensors.
 *
 * A set is a window of 64-bit words over the epoch's dense site ids, immutable and
 * shared: the union of a set with a part of it is the set itself, so a chain of
 * operations on one latent carries one set. After the idea of Pyro's ProvenanceTensor.
 */
#include "impl.h"

#include <string.h>

static ppl_sites *make_set(ppl_ctx *c, int first, int words)
{
    size_t size = sizeof(ppl_sites) + (size_t)words * sizeof(uint64_t);
    ppl_sites *s = ppl__arena_alloc(&c->data, size);

    if (s != NULL) {
        s->space = c->site_space;
        s->first = first;
        s->words = words;
        memset(s->word, 0, (size_t)words * sizeof s->word[0]);
    }
    return s;
}

const ppl_sites *ppl__sites_single(ppl_ctx *c, int site)
{
    ppl_sites *s = make_set(c, site / 64, 1);

    if (s != NULL)
        s->word[0] = UINT64_C(1) << (site % 64);
    return s;
}

const ppl_sites *ppl__sites_copy(ppl__arena *a, const ppl_sites *set)
{
    size_t size;
    ppl_sites *s;

    if (set == NULL)
        return NULL;
    size = sizeof *set + (size_t)set->words * sizeof set->word[0];
    s = ppl__arena_alloc(a, size);
    return s != NULL ? memcpy(s, set, size) : NULL;
}

static uint64_t word_at(const ppl_sites *s, int w)
{
    return w >= s->first && w < s->first + s->words ? s->word[w - s->first] : 0;
}

static int contains(const ppl_sites *set, const ppl_sites *part)
{
    for (int w = part->first; w < part->first + part->words; w++)
        if ((word_at(part, w) & ~word_at(set, w)) != 0)
            return 0;
    return 1;
}

const ppl_sites *ppl_sites_union(ppl_ctx *c, const ppl_sites *a, const ppl_sites *b)
{
    ppl_sites *s;
    int first, last;

    if (b == NULL || a == b || b->space != c->site_space)
        return a;
    if (a == NULL || a->space != c->site_space)
        return b;
    if (contains(a, b))
        return a;
    if (contains(b, a))
        return b;
    first = a->first < b->first ? a->first : b->first;
    last = a->first + a->words > b->first + b->words ? a->first + a->words
                                                     : b->first + b->words;
    s = make_set(c, first, last - first);
    if (s != NULL)
        for (int w = first; w < last; w++)
            s->word[w - first] = word_at(a, w) | word_at(b, w);
    return s;
}

int ppl_sites_has(const ppl_sites *set, int site)
{
    return set != NULL && site >= 0 && (word_at(set, site / 64) >> (site % 64) & 1) != 0;
}

int ppl_sites_next(const ppl_sites *set, int from)
{
    if (set == NULL)
        return -1;
    if (from < 64 * set->first)
        from = 64 * set->first;
    while (from < 64 * (set->first + set->words)) {
        uint64_t rest = word_at(set, from / 64) >> (from % 64);

        if (rest != 0)
            return from + __builtin_ctzll(rest);
        from = 64 * (from / 64 + 1);
    }
    return -1;
}

const ppl_sites *ppl_tensor_sites(const ppl_tensor *t)
{
    return t != NULL ? t->sites : NULL;
}
