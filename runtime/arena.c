/* SPDX-License-Identifier: MIT */
/*
 * arena.c - memory of an epoch: doubling blocks with marks.
 *
 * Allocation bumps a pointer; release goes back to a mark and keeps the blocks, so the
 * third of three like epochs takes nothing from the allocator. Released memory is
 * poisoned under AddressSanitizer, which then reports the line that uses it past its
 * epoch; but for the arena of tensors' records, which tell by themselves that they are
 * past theirs. Idea: stack_alloc.hpp of Stan Math.
 */
#include "impl.h"

#include <string.h>

#ifdef PPL__ASAN
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size) ((void)(at), (void)(size))
#endif

#define ALIGNMENT PPL__ARENA_ALIGNMENT
#define FIRST_BLOCK ((size_t)64 * 1024)

struct ppl__block {
    struct ppl__block *next;
    size_t capacity;                /* of bytes, aligned */
    char *bytes;                    /* the first aligned byte */
};

static size_t block_size(size_t capacity)
{
    return sizeof(struct ppl__block) + ALIGNMENT + capacity;
}

/* Appends a block after `a->current` that holds at least `size`. */
static struct ppl__block *add_block(ppl__arena *a, size_t size)
{
    size_t capacity = a->current != NULL ? 2 * a->current->capacity : FIRST_BLOCK;
    struct ppl__block *b;
    uintptr_t at;

    while (capacity < size)
        capacity *= 2;
    b = ppl__realloc(a->ctx, NULL, 0, block_size(capacity));
    if (b == NULL)
        return NULL;
    at = ((uintptr_t)(b + 1) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    b->bytes = (char *)at;
    b->capacity = capacity;
    b->next = NULL;
    POISON(b->bytes, capacity);
    if (a->current != NULL) {
        b->next = a->current->next;
        a->current->next = b;
    } else {
        a->first = b;
    }
    return b;
}

static void enter_block(ppl__arena *a, struct ppl__block *b, char *at)
{
    a->current = b;
    a->at = at;
    a->end = b != NULL ? b->bytes + b->capacity : NULL;
}

void *ppl__arena_alloc_more(ppl__arena *a, size_t size)
{
    if (size > SIZE_MAX / 4) {
        ppl_fail(a->ctx, PPL_ENOMEM, "out of memory: %zu bytes asked for, %zu in use",
                 size, a->ctx->in_use);
        return NULL;
    }
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size == 0)
        size = ALIGNMENT;
    while ((size_t)(a->end - a->at) < size) {
        struct ppl__block *next = a->current == NULL ? a->first : a->current->next;

        if (next == NULL && (next = add_block(a, size)) == NULL)
            return NULL;
        enter_block(a, next, next->bytes);
    }
    return ppl__arena_alloc(a, size);
}

ppl__arena_mark ppl__arena_here(const ppl__arena *a)
{
    return (ppl__arena_mark){ a->current, a->at };
}

void ppl__arena_release(ppl__arena *a, ppl__arena_mark mark)
{
    struct ppl__block *b = mark.block != NULL ? mark.block : a->first;

    enter_block(a, b, mark.block != NULL ? mark.at : b != NULL ? b->bytes : NULL);
    if (a->readable || b == NULL)
        return;
    POISON(a->at, (size_t)(a->end - a->at));
    while ((b = b->next) != NULL)
        POISON(b->bytes, b->capacity);
}

void ppl__arena_free(ppl__arena *a)
{
    struct ppl__block *b = a->first;

    while (b != NULL) {
        struct ppl__block *next = b->next;

        PPL__UNPOISON(b->bytes, b->capacity);
        ppl__free(a->ctx, b, block_size(b->capacity));
        b = next;
    }
    a->first = NULL;
    enter_block(a, NULL, NULL);
}
