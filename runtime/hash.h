/* SPDX-License-Identifier: MIT */
/*
 * hash.h - the one place where uthash is configured: the context's allocator, and running
 * out of memory leaves the element out instead of ending the program. A file that
 * includes it has `c`, the context, in scope wherever it adds or deletes.
 */
#ifndef KILN_HASH_H
#define KILN_HASH_H

#include "impl.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) ppl__realloc(c, NULL, 0, size)
#define uthash_free(block, size) ppl__free(c, block, size)

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif
#include <uthash.h>

#endif
