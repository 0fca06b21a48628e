/* SPDX-License-Identifier: MIT */
/*
 * store.h - the parameter store as its files see it: parameters (store.c) and replicas
 * (store_replica.c).
 */
#ifndef KILN_STORE_H
#define KILN_STORE_H

#include "hash.h"
#include "impl.h"

#define ARRAYS 4                    /* value, grad, moment[0], moment[1] */
#define ALIGNMENT 64

/* A tensor and the epoch it lives in: its record is not asked, since a later epoch may
 * have made another tensor of it. */
struct held {
    ppl_tensor *tensor;
    int depth;
    uint32_t epoch;
};

struct param {
    ppl_param_info info;
    UT_hash_handle hh;              /* by info.name, the pointer */
    ppl_shape leaf_shape;           /* of the unconstrained elements */
    int constrained;                /* elements given by ppl_param_write before a model
                                       named the constraint: still in constrained space */
    struct held leaf, value;
    uint64_t version;               /* of the slab when `value` was computed */
};

struct block {
    struct block *next;
    char *bytes;                    /* aligned */
    int64_t capacity;               /* elements of one array */
    size_t size;                    /* of the whole, for the allocator */
    int depth;                      /* of the outermost epoch that has a leaf of it */
};

struct ppl__store {
    struct param **param;
    size_t capacity;
    int count;
    int64_t used;                   /* elements of the slab */
    uint64_t version;               /* counts whoever was handed the slab to change */
    int followed;                   /* of a replica: parameters there were to follow; -1: one
                                       was written since */
    struct param *table;
    struct block *slab, *outgrown;
};

enum { LINE = 64 };                 /* bytes that are not cut: a line of the cache */

static inline char *array_at(const struct block *b, ppl_dtype dtype, int array)
{
    return b->bytes + (size_t)array * (size_t)b->capacity * ppl__dtype_size(dtype);
}

/* But for their parts, which each context has made for itself. */
static inline int same_constraint(const ppl_constraint *a, const ppl_constraint *b)
{
    return a->type == b->type && !(a->lower < b->lower || a->lower > b->lower ||
                                   a->upper < b->upper || a->upper > b->upper);
}

/* The store, made on first use; room for `need` elements in each array; a parameter with zero
 * elements at the end. 0 or NULL with PPL_ENOMEM recorded. */
int ppl__store_make(ppl_ctx *c);
int ppl__store_grow(ppl_ctx *c, int64_t need);
struct param *ppl__store_add(ppl_ctx *c, ppl_name name, ppl_shape shape, ppl_shape leaf_shape);
/* The slab stays until the epoch that is open ends, should it be outgrown. */
void ppl__store_keep(ppl_ctx *c);

#endif
