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

#if defined(__SANITIZE_ADDRESS__)
#define PPL__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PPL__ASAN 1
#endif
#endif
#ifdef PPL__ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define POISON(at, size) ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define ALIGNMENT 64
#define FIRST_BLOCK ((size_t)64 * 1024)

struct ppl__block {
    struct ppl__block *next;
    size_t capacity, used;          /* of bytes, aligned */
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
    b->used = 0;
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

void *ppl__arena_alloc(ppl__arena *a, size_t size)
{
    struct ppl__block *b = a->current;
    void *at;

    if (size > SIZE_MAX / 4) {
        ppl_fail(a->ctx, PPL_ENOMEM, "out of memory: %zu bytes asked for, %zu in use",
                 size, a->ctx->in_use);
        return NULL;
    }
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size == 0)
        size = ALIGNMENT;
    while (b == NULL || b->capacity - b->used < size) {
        struct ppl__block *next = b == NULL ? a->first : b->next;

        if (next == NULL && (next = add_block(a, size)) == NULL)
            return NULL;
        a->current = b = next;
    }
    at = b->bytes + b->used;
    b->used += size;
    UNPOISON(at, size);
    return at;
}

ppl__arena_mark ppl__arena_here(const ppl__arena *a)
{
    ppl__arena_mark mark = { a->current, a->current != NULL ? a->current->used : 0 };

    return mark;
}

void ppl__arena_release(ppl__arena *a, ppl__arena_mark mark)
{
    struct ppl__block *b = mark.block != NULL ? mark.block : a->first;
    size_t used = mark.block != NULL ? mark.used : 0;

    a->current = b;
    for (; b != NULL; b = b->next) {
        if (!a->readable)
            POISON(b->bytes + used, b->capacity - used);
        b->used = used;
        used = 0;
    }
}

void ppl__arena_free(ppl__arena *a)
{
    struct ppl__block *b = a->first;

    while (b != NULL) {
        struct ppl__block *next = b->next;

        UNPOISON(b->bytes, b->capacity);
        ppl__free(a->ctx, b, block_size(b->capacity));
        b = next;
    }
    a->first = a->current = NULL;
}
