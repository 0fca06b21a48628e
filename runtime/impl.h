/* SPDX-License-Identifier: MIT */
/*
 * impl.h - the runtime's private structures and the functions its files share.
 *
 * Only files in runtime/ include it: handlers/ and stdlib/ are written on the public
 * headers, which is the proof that a user can do what they do.
 */
#ifndef KILN_IMPL_H
#define KILN_IMPL_H

#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <kiln/effects.h>
#include <kiln/maths.h>
#include <kiln/runtime.h>
#include <kiln/tensor.h>

#include "kernels.h"

#include <stdarg.h>

/* ---- Memory (arena.c, ctx.c) ------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
#define PPL__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PPL__ASAN 1
#endif
#endif
#ifdef PPL__ASAN
#include <sanitizer/asan_interface.h>
#define PPL__UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define PPL__UNPOISON(at, size) ((void)(at), (void)(size))
#endif

struct ppl__block;

/* Doubling blocks, kept until the context ends; a mark is a block and a fill. */
typedef struct ppl__arena {
    ppl_ctx *ctx;
    char *at, *end;                 /* what is free of the current block */
    struct ppl__block *first, *current;
    int readable;                   /* what is released may still be read: see tensors */
} ppl__arena;

typedef struct ppl__arena_mark {
    struct ppl__block *block;
    char *at;
} ppl__arena_mark;

#define PPL__ARENA_ALIGNMENT 64

/* From another block; also nothing and what is too much, which wrap below. */
void *ppl__arena_alloc_more(ppl__arena *a, size_t size);

/* 64-aligned, not zeroed; NULL with PPL_ENOMEM recorded. */
static inline void *ppl__arena_alloc(ppl__arena *a, size_t size)
{
    const size_t last = PPL__ARENA_ALIGNMENT - 1, whole = (size + last) & ~last;
    char *at = a->at;

    if (whole - 1 >= (size_t)(a->end - at))
        return ppl__arena_alloc_more(a, size);
    a->at = at + whole;
    PPL__UNPOISON(at, whole);
    return at;
}
ppl__arena_mark ppl__arena_here(const ppl__arena *a);
void ppl__arena_release(ppl__arena *a, ppl__arena_mark mark);
void ppl__arena_free(ppl__arena *a);

/* The context's allocator: as realloc; records PPL_ENOMEM. */
void *ppl__realloc(ppl_ctx *c, void *old, size_t old_size, size_t new_size);
void ppl__free(ppl_ctx *c, void *block, size_t size);
/* Makes room for `need` elements in a growing array; 0, or PPL_ENOMEM recorded. */
int ppl__grow(ppl_ctx *c, void **array, size_t *capacity, size_t need, size_t size);

/* Zeros, in vectors also where the size is known. */
void ppl__clear(void *bytes, size_t size);

/* ---- Names (name.c) ---------------------------------------------------------------- */

typedef struct ppl__names ppl__names;
uint64_t ppl__name_hash(ppl_name name);     /* stable across runs and machines */
void ppl__names_free(ppl_ctx *c);

/* ---- Provenance (provenance.c) ----------------------------------------------------- */

/* A set of site ids: a window of words. NULL is the empty set. Immutable. Ids count
 * anew in each outermost epoch that no handler is around; a set of another one is taken as
 * empty. */
struct ppl_sites {
    uint32_t space;                 /* c->site_space when it was made */
    int first, words;               /* word w holds ids 64 (first + w) .. + 63 */
    uint64_t word[];
};
const ppl_sites *ppl__sites_single(ppl_ctx *c, int site);
/* The union with the set of one of the parts, which mostly has none. */
static inline const ppl_sites *ppl__sites_join(ppl_ctx *c, const ppl_sites *a,
                                               const ppl_sites *b)
{
    return b == NULL || a == b ? a : ppl_sites_union(c, a, b);
}
/* NULL for NULL. */
const ppl_sites *ppl__sites_copy(ppl__arena *a, const ppl_sites *set);

/* ---- Tensors and the tape (tensor.c, ops.c, tape.c) -------------------------------- */

enum {
    PPL__REQUIRES_GRAD = 1,         /* a leaf that wants a gradient is behind it */
    PPL__LEAF = 2,                  /* ppl_variable or a parameter's leaf */
    PPL__VIEW = 4,                  /* shares the elements (and adjoint) of `base` */
    PPL__FOLDED = 8,                /* of linear: its adjoint went through the activation */
    PPL__MOVES = 16,                /* without a gradient of its own, but made of what has one
                                       (a mask, a detached value): for programs */
    PPL__FIRST = 32,                /* its vjp is to write: see ppl_op_first */
    PPL__ZEROS = 64,                /* of a leaf: nothing was added to its gradient yet */
    PPL__EVEN = 128                 /* all of its adjoint is as the first, the only one there */
};

#define PPL__ROOM 32

/* Four cache lines, all of one size: what a stale pointer points to is still a tensor. */

struct ppl_tensor {
    ppl_ctx *ctx;
    const ppl_op *op;               /* NULL: a leaf, a constant or a view */
    void *data;
    void *grad;                     /* adjoint, or NULL until something reached it */
    ppl_tensor *base;               /* of a view: never itself a view */
    int64_t offset;                 /* of a view: elements into base */
    const ppl_sites *sites;         /* the latent sites its value depends on */
    ppl_tensor **input;
    const void **operand;           /* inputs at the output's shape; NULL: as they are */
    void *attr;
    struct ppl__deferred *deferred; /* nodes whose vjp_together to this tensor is put off */
    int64_t numel;
    uint64_t serial;                /* counts up within a context: older or newer */
    uint32_t epoch;                 /* serial number of its epoch */
    int inputs;
    int holds;                      /* in a sweep: how many still need the adjoint */
    unsigned char dtype, flags, epoch_depth;
    unsigned char partly;           /* in a sweep: some of its adjoint is not there yet */
    unsigned char prepared_depth[2];    /* of the epochs that `prepared` are of, ... */
    uint32_t prepared_epoch[2];     /* ... and their serial numbers, 0: none */
    ppl_shape shape;
    union {
        double element[2];          /* of a tensor of one element: data and grad */
        void *prepared[2];          /* of more: a matrix as ppl_linear needs it, backward
                                       and forward */
    };
    _Alignas(16) char room[PPL__ROOM];  /* attr, then input, where they are that small */
};
_Static_assert(sizeof(struct ppl_tensor) <= 256, "a record is four cache lines");

/* A tensor with room for its elements (data NULL) or around given ones; not recorded. */
ppl_tensor *ppl__tensor_make(ppl_ctx *c, ppl_dtype dtype, ppl_shape shape, void *data);
/* The same elements (from `offset` on) under another shape. */
ppl_tensor *ppl__view(ppl_tensor *t, ppl_shape shape, int64_t offset);
/* PPL_OK if `t` may be used now; else records ESTALE or EINVAL naming `what`. NULL with
 * no error recorded in c is EINVAL. */
ppl_status ppl__check(ppl_ctx *c, const ppl_tensor *t, const char *what);
/* Records `t` (an op's output that requires a gradient) on the tape; 0 if there is no
 * memory. */
int ppl__tape_push(ppl_tensor *t);
/* Notes a node in the program that is being recorded; 0 if there is no memory. */
int ppl__program_note(struct ppl_program *p, ppl_tensor *out);
/* A number that moves was read into C. */
void ppl__program_read(struct ppl_program *p);
/* Forgets the one that is being recorded if it was begun in an epoch that ends. */
void ppl__program_epoch_end(ppl_ctx *c, ppl_epoch mark);
static inline size_t ppl__dtype_size(ppl_dtype dtype)
{
    static const unsigned char size[] = {
        [PPL_F32] = sizeof(float), [PPL_F64] = sizeof(double),
        [PPL_I64] = sizeof(int64_t), [PPL_MASK] = sizeof(unsigned char)
    };
    return size[dtype];
}
/* From where it is and in line: passing a shape would copy what was written only now. */
static inline int64_t ppl__shape_numel(const ppl_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++)
        n *= shape->dim[i];
    return n;
}
/* dst [shape] = src [from] stretched; and its transpose, of the context's floating dtype:
 * dst [from] += src [shape] summed. */
void ppl__expand_into(ppl_dtype dtype, ppl_shape shape, void *dst, ppl_shape from,
                      const void *src);
void ppl__reduce_into(const ppl_ctx *c, ppl_shape from, void *dst, ppl_shape shape,
                      const void *src);

/* ---- Threads (threads.c) ----------------------------------------------------------- */

typedef struct ppl__pool ppl__pool;
/* `threads` - 1 of them, as many as start (PPL_EUNSUPPORTED recorded if not all do); NULL
 * if there is no memory. */
ppl__pool *ppl__pool_new(ppl_ctx *c, int threads);
void ppl__pool_free(ppl_ctx *c, ppl__pool *p);
/* Into how many pieces ppl_maths_split would cut. */
size_t ppl__split_pieces(const ppl_ctx *c, size_t n, size_t least);
/* Whether it is to cut at all; returns whether it did. */
int ppl__set_splitting(ppl_ctx *c, int splitting);

/* A job: work that the caller does not wait for, done whole by one thread, the one that has
 * time first. They are possible from ppl__jobs_open on, unless loops are not split. Room of
 * `size` bytes for the next one's description, which stays until it is done; NULL without
 * memory. Then its start: run(room) is to add to `target`, to which nothing else is added,
 * and which nothing reads, until ppl__jobs_finish of it; that of NULL is of all, and no more
 * are possible. */
void ppl__jobs_open(ppl_ctx *c);
int ppl__jobs_possible(const ppl_ctx *c);
void *ppl__job_room(ppl_ctx *c, size_t size);
void ppl__job_start(ppl_ctx *c, void (*run)(void *room), const void *target);
void ppl__jobs_finish(ppl_ctx *c, const void *target);

/* ---- Parameters (store.c, store_replica.c) ----------------------------------------- */

typedef struct ppl__store ppl__store;
void ppl__store_default(ppl_msg *m);            /* the default of a PPL_PARAM message */
/* Frees the blocks outgrown in the epochs from `depth` on, which end. */
void ppl__store_epoch_end(ppl_ctx *c, int depth);
void ppl__store_free(ppl_ctx *c);
/* Lays out the slab of r, a replica, as that of c; and gives it those values of c, which stay
 * in place until the epoch that is open ends, without gradients. */
void ppl__store_follow(ppl_ctx *r, const ppl_ctx *c);
const void *ppl__store_values(ppl_ctx *c);
void ppl__store_take(ppl_ctx *r, const void *values);
/* Whether r has since made and written none, and asked for none that c knows otherwise. */
int ppl__store_follows(const ppl_ctx *r, const ppl_ctx *c);
/* Adds the gradients of r to those of c; touches there what is touched in r. */
void ppl__store_gather(ppl_ctx *c, ppl_ctx *r);
/* Asks in c for the moves (ppl_param_average) that r was asked for. */
void ppl__averages_gather(ppl_ctx *c, const ppl_ctx *r);
/* Bytes that the replicas of c hold (shards.c). */
size_t ppl__replicas_memory(const ppl_ctx *c);

/* ---- Sites (site.c, rng.c) --------------------------------------------------------- */

/* PPL_OK if `value` may be a value of `d`; else records why not (dist.c). */
ppl_status ppl__dist_fits(const ppl_dist *d, const ppl_tensor *value);
ppl_rng ppl__site_rng(ppl_ctx *c, const uint64_t *seed, ppl_name name, int64_t index);
/* The seed of shard 1, 2, .. beside the context's. */
uint64_t ppl__shard_seed(const ppl_ctx *c, uint64_t shard);
/* Pops to `depth`, leaving each handler with the status as it is then. */
void ppl__unwind(ppl_ctx *c, int depth);

/* ---- The context ------------------------------------------------------------------- */

#define PPL__MAX_EPOCHS 32

typedef struct ppl__epoch {
    uint32_t serial;
    ppl__arena_mark data, nodes;
    size_t tape;
    int handlers;                   /* installed when it began */
    int stepped;                    /* ppl_next_step was called in it: it is a step */
    const ppl_sites *taint;         /* when it began */
    uint32_t site_space;            /* of the epoch around it, to go back to */
    int site_count;
} ppl__epoch;

/* One row of the table of sites: an address and what happened to it. */
typedef struct ppl__site {
    ppl_name name;
    int64_t index;
    uint32_t space;                 /* a slot of another space is empty */
    uint32_t run;                   /* the run that visited it last */
    ppl_kind kind;                  /* of that visit */
    int id;                         /* dense, in order of first visit in the space */
} ppl__site;

typedef struct ppl__owned {
    struct ppl__owned *next;
    const void *key;
    void *object;
    void (*release)(ppl_ctx *c, void *object);
} ppl__owned;

/* The random key of one step and particle (rng.c). */
typedef struct ppl__step_key {
    int valid;
    uint64_t seed, step, particle;
    uint32_t key[2];
} ppl__step_key;

struct ppl_ctx {
    ppl_allocator allocator;
    void *allocator_user;
    size_t in_use;
    ppl_dtype dtype;
    int validating, grad_enabled;
    const ppl__kernels *kernels;    /* for the context's dtype */
    struct ppl__gemm *gemm;         /* kernels chosen per shape */
    struct ppl__pool *pool;         /* its threads; NULL: the caller's alone */

    ppl_status status;              /* PPL_OK once a boundary call has returned it */
    ppl_status reported;            /* the one that the latest boundary call returned */
    int boundaries;                 /* boundary calls that are open, one in another */
    char error[PPL_ERROR_TEXT + 1];
    ppl_error_hook hook;
    void *hook_user;

    ppl__arena data, nodes;         /* elements and records; tensor structs */
    ppl__epoch epoch[PPL__MAX_EPOCHS];
    int epoch_depth;                /* epoch[0] is the context's life */
    uint32_t epoch_serial;
    uint64_t tensor_serial;

    ppl__names *names;
    ppl_handler *top;               /* innermost handler */
    int depth, floor;               /* handlers; those that ppl_pop may not reach */

    ppl__site *site;                /* open addressing, a power of two */
    size_t site_capacity;
    uint32_t site_space;            /* of the outermost epoch; a run keeps its own */
    int site_count;                 /* ids given in this space */
    uint32_t run;
    int running;                    /* inside ppl_run */
    int at_site;                    /* a site is being worked on: for error texts */
    int run_sites, run_params;      /* visited so far, for error texts */
    ppl_name last_name;
    int64_t last_index;
    const ppl_sites *taint;         /* what a C double read in this run depends on */

    uint64_t seed, step, particle;
    ppl__step_key step_key;
    ppl__store *store;

    struct ppl_program *program;    /* the one being recorded, or NULL */
    ppl_tensor **tape;
    size_t tape_count, tape_capacity;
    ppl__owned *owned;
};

#endif
