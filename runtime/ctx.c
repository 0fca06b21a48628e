/* SPDX-License-Identifier: MIT */
/*
 * ctx.c - contexts: their making and end, their allocator, epochs, what they own.
 */
#ifdef __linux__
#define _DEFAULT_SOURCE             /* madvise */
#include <sys/mman.h>
#endif

#include "impl.h"

#include <stdlib.h>
#include <string.h>

/* Asks for pages of 2 MB: a step passes over more memory than the processor keeps small
 * pages of at hand. */
static void use_large_pages(void *block, size_t size)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t page = (uintptr_t)2 << 20, at = (uintptr_t)block;
    const uintptr_t from = (at + page - 1) / page * page, to = (at + size) / page * page;

    if (to > from)
        (void)madvise((char *)block + (from - at), to - from, MADV_HUGEPAGE);
#else
    (void)block;
    (void)size;
#endif
}

static void *system_allocator(void *user, void *old, size_t old_size, size_t new_size)
{
    void *block;

    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    block = realloc(old, new_size);
    if (block != NULL)
        use_large_pages(block, new_size);
    return block;
}

ppl_ctx *ppl_ctx_new(const ppl_ctx_opts *opts)
{
    static const ppl_ctx_opts defaults;
    ppl_allocator allocator;
    ppl_ctx *c;

    if (opts == NULL)
        opts = &defaults;
    if (opts->dtype != PPL_F32 && opts->dtype != PPL_F64)
        return NULL;
    if (opts->threads < 0 || opts->threads > PPL_MOST_THREADS)
        return NULL;
    allocator = opts->allocator != NULL ? opts->allocator : system_allocator;
    c = allocator(opts->allocator_user, NULL, 0, sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->allocator = allocator;
    c->allocator_user = opts->allocator_user;
    c->in_use = sizeof *c;
    c->dtype = opts->dtype;
    c->seed = opts->seed;
    c->validating = !opts->no_validation;
    c->grad_enabled = 1;
    c->kernels = ppl__kernels_for(c->dtype);
    c->data.ctx = c->nodes.ctx = c;
    c->nodes.readable = 1;
    c->last_index = -1;
    c->gemm = ppl__gemm_new(c);
    if (opts->threads > 1)
        c->pool = ppl__pool_new(c, opts->threads);
    if (c->gemm == NULL || (opts->threads > 1 && c->pool == NULL)) {
        ppl_ctx_free(c);
        return NULL;
    }
    return c;
}

void ppl_ctx_free(ppl_ctx *c)
{
    ppl_allocator allocator;

    if (c == NULL)
        return;
    ppl__unwind(c, 0);
    ppl__pool_free(c, c->pool);
    while (c->owned != NULL) {
        ppl__owned *o = c->owned;

        c->owned = o->next;
        o->release(c, o->object);
        ppl_persistent_free(c, o, sizeof *o);
    }
    ppl__store_free(c);
    ppl__names_free(c);
    ppl__gemm_free(c, c->gemm);
    ppl__free(c, c->site, c->site_capacity * sizeof *c->site);
    ppl__free(c, c->tape, c->tape_capacity * sizeof *c->tape);
    ppl__arena_free(&c->data);
    ppl__arena_free(&c->nodes);
    allocator = c->allocator;
    allocator(c->allocator_user, c, sizeof *c, 0);
}

ppl_dtype ppl_ctx_dtype(const ppl_ctx *c)
{
    return c->dtype;
}

int ppl_validating(const ppl_ctx *c)
{
    return c->validating;
}

/* ---- Memory ------------------------------------------------------------------------ */

void *ppl__realloc(ppl_ctx *c, void *old, size_t old_size, size_t new_size)
{
    void *block = c->allocator(c->allocator_user, old, old_size, new_size);

    if (block == NULL && new_size > 0) {
        ppl_fail(c, PPL_ENOMEM, "out of memory: %zu bytes asked for, %zu in use",
                 new_size, c->in_use);
        return NULL;
    }
    c->in_use += new_size - old_size;
    return block;
}

void ppl__free(ppl_ctx *c, void *block, size_t size)
{
    if (block != NULL)
        ppl__realloc(c, block, size, 0);
}

int ppl__grow(ppl_ctx *c, void **array, size_t *capacity, size_t need, size_t size)
{
    size_t larger = *capacity != 0 ? *capacity : 64;
    void *block;

    if (need <= *capacity)
        return PPL_OK;
    while (larger < need)
        larger *= 2;
    block = ppl__realloc(c, *array, *capacity * size, larger * size);
    if (block == NULL)
        return PPL_ENOMEM;
    *array = block;
    *capacity = larger;
    return PPL_OK;
}

void *ppl_alloc(ppl_ctx *c, size_t size)
{
    void *block = ppl__arena_alloc(&c->data, size);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void *ppl_alloc_raw(ppl_ctx *c, size_t size)
{
    return ppl__arena_alloc(&c->data, size);
}

/* Nothing is a byte: an allocator takes 0 for a free, and NULL is an error. */
void *ppl_persistent_alloc(ppl_ctx *c, size_t size)
{
    void *block = ppl__realloc(c, NULL, 0, size > 0 ? size : 1);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void ppl_persistent_free(ppl_ctx *c, void *block, size_t size)
{
    ppl__free(c, block, size > 0 ? size : 1);
}

/* Of a known size, also one known from a caller, it would be `rep stos`, which takes longer
 * to begin than the rest of a statement takes. */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((noipa))
#endif
void ppl__clear(void *bytes, size_t size)
{
    memset(bytes, 0, size);
}

size_t ppl_memory_in_use(const ppl_ctx *c)
{
    return c->in_use + ppl__replicas_memory(c);
}

/* ---- Epochs ------------------------------------------------------------------------ */

ppl_epoch ppl_epoch_begin(ppl_ctx *c)
{
    ppl__epoch *e;

    if (c->epoch_depth + 1 >= PPL__MAX_EPOCHS) {
        ppl_fail(c, PPL_ENEST, "ppl_epoch_begin: %d epochs are open; end some",
                 c->epoch_depth);
        return c->epoch_depth + 1;      /* ending it is harmless */
    }
    e = &c->epoch[++c->epoch_depth];
    e->serial = ++c->epoch_serial;
    e->data = ppl__arena_here(&c->data);
    e->nodes = ppl__arena_here(&c->nodes);
    e->tape = c->tape_count;
    e->handlers = c->depth;
    e->stepped = 0;
    e->taint = c->taint;
    e->site_space = c->site_space;
    e->site_count = c->site_count;
    if (c->epoch_depth == 1 && c->depth == 0 && !c->running) {
        c->site_space = e->serial;
        c->site_count = 0;
    }
    return c->epoch_depth;
}

/* Gives memory back. What a run has read of its latents outlasts an epoch within it,
 * whose memory may hold the set: it goes by way of the arena of records, which stays
 * readable. */
static void release_memory(ppl_ctx *c, const ppl__epoch *e)
{
    int moves = c->running && c->taint != e->taint;
    const ppl_sites *taint = moves ? ppl__sites_copy(&c->nodes, c->taint) : NULL;

    ppl__arena_release(&c->data, e->data);
    ppl__arena_release(&c->nodes, e->nodes);
    if (moves)
        c->taint = ppl__sites_copy(&c->data, taint);
    else if (!c->running)
        c->taint = NULL;
}

void ppl_epoch_end(ppl_ctx *c, ppl_epoch mark)
{
    const ppl__epoch *e;

    if (mark < 1 || mark > c->epoch_depth)
        return;
    e = &c->epoch[mark];
    if (c->depth > e->handlers) {
        ppl_fail(c, PPL_ENEST, "ppl_epoch_end: %d handlers pushed in the epoch are still "
                 "there; match each ppl_push with a ppl_pop", c->depth - e->handlers);
        ppl__unwind(c, e->handlers);
    }
    ppl__store_epoch_end(c, mark);
    ppl__program_epoch_end(c, mark);
    release_memory(c, e);
    c->tape_count = e->tape;
    if (c->site_space == e->serial) {
        c->site_space = e->site_space;
        c->site_count = e->site_count;
    }
    c->epoch_depth = mark - 1;
}

/* ---- What belongs to the context --------------------------------------------------- */

ppl_status ppl_own(ppl_ctx *c, const void *key, void *object,
                   void (*release)(ppl_ctx *c, void *object))
{
    ppl__owned *o = ppl_persistent_alloc(c, sizeof *o);

    if (o == NULL) {
        release(c, object);
        return c->status;
    }
    *o = (ppl__owned){ c->owned, key, object, release };
    c->owned = o;
    return PPL_OK;
}

void *ppl_owned(const ppl_ctx *c, const void *key)
{
    for (const ppl__owned *o = c->owned; o != NULL; o = o->next)
        if (o->key == key)
            return o->object;
    return NULL;
}
