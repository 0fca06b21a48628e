/* SPDX-License-Identifier: MIT */
/*
 * shards.c - work in shards, each in a context of its own, on the threads of the first.
 *
 * The other contexts are replicas, kept from call to call. Their slabs are laid out as the
 * context's (store_replica.c), so that following its values is one copy and adding their
 * gradients one sum. Shards are cut by number and gathered in order: who does which when never matters.
 * Only the context makes parameters: a shard that made some in its replica is done again in
 * the context.
 */
#include "impl.h"

#include <kiln/shards.h>

typedef struct replicas {
    ppl_ctx **ctx;                  /* of shards 1, 2, .. */
    size_t capacity;
    int count;
} replicas;

typedef struct work {
    ppl_ctx *ctx;
    ppl_ctx *const *replica;
    const void *values;             /* of the parameters, as they were at the call */
    int shards;
    ppl_shard run;
    void *user;
} work;

/* ---- Replicas ---------------------------------------------------------------------- */

static const char key;

static void release(ppl_ctx *c, void *object)
{
    replicas *r = object;

    for (int i = 0; i < r->count; i++)
        ppl_ctx_free(r->ctx[i]);
    ppl__free(c, r->ctx, r->capacity * sizeof *r->ctx);
    ppl_persistent_free(c, r, sizeof *r);
}

size_t ppl__replicas_memory(const ppl_ctx *c)
{
    const replicas *r = ppl_owned(c, &key);
    size_t sum = 0;

    for (int i = 0; r != NULL && i < r->count; i++)
        sum += ppl_memory_in_use(r->ctx[i]);
    return sum;
}

static replicas *replicas_of(ppl_ctx *c)
{
    replicas *r = ppl_owned(c, &key);

    if (r != NULL)
        return r;
    r = ppl_persistent_alloc(c, sizeof *r);
    return r != NULL && ppl_own(c, &key, r, release) == PPL_OK ? r : NULL;
}

static int add_replica(ppl_ctx *c, replicas *r)
{
    const ppl_ctx_opts opts = { .dtype = c->dtype, .no_validation = !c->validating,
                                .allocator = c->allocator,
                                .allocator_user = c->allocator_user };
    void *all = r->ctx;

    if (ppl__grow(c, &all, &r->capacity, (size_t)r->count + 1, sizeof *r->ctx) != PPL_OK)
        return 0;
    r->ctx = all;
    r->ctx[r->count] = ppl_ctx_new(&opts);
    if (r->ctx[r->count] == NULL)
        ppl_fail(c, PPL_ENOMEM, "out of memory: no context for shard[%d]", r->count + 1);
    else
        r->count++;
    return ppl_ok(c);
}

/* At least `count`; NULL with PPL_ENOMEM recorded. */
static ppl_ctx *const *have_replicas(ppl_ctx *c, int count)
{
    replicas *r = replicas_of(c);

    while (r != NULL && r->count < count)
        if (!add_replica(c, r))
            return NULL;
    return r != NULL ? r->ctx : NULL;
}

/* ---- Before, during and after ------------------------------------------------------ */

/* Makes a replica what the context is but for the values, in an epoch that counts as a step:
 * what its runs ask for is the context's to do. */
static void prepare(const work *w, int shard)
{
    ppl_ctx *c = w->ctx, *r = w->replica[shard - 1];

    ppl_clear_error(r);
    r->grad_enabled = c->grad_enabled;
    r->seed = ppl__shard_seed(c, (uint64_t)shard);
    r->step = c->step;
    r->particle = c->particle;
    r->epoch[ppl_epoch_begin(r)].stepped = 1;
    ppl__store_follow(r, c);
}

static void run(void *arg, size_t from, size_t to)
{
    const work *w = arg;

    for (size_t shard = from; shard < to; shard++) {
        ppl_ctx *c = shard == 0 ? w->ctx : w->replica[shard - 1];

        if (ppl_boundary_enter(c) != PPL_OK)
            continue;
        if (shard > 0)
            ppl__store_take(c, w->values);
        w->run(c, (int)shard, w->user);
        ppl_boundary_leave(c);
    }
}

/* In the context, on one thread as in a replica. */
static void run_again(const work *w, int shard)
{
    ppl_ctx *c = w->ctx;
    const uint64_t seed = c->seed;
    const int splitting = ppl__set_splitting(c, 0);

    c->seed = ppl__shard_seed(c, (uint64_t)shard);
    w->run(c, shard, w->user);
    c->seed = seed;
    ppl__set_splitting(c, splitting);
}

/* What a shard that has ended did in its replica, into the context. */
static void gather(const work *w, int shard)
{
    ppl_ctx *c = w->ctx, *r = w->replica[shard - 1];

    if (ppl_error(r) != PPL_OK) {
        ppl_fail(c, ppl_error(r), "%s", ppl_error_text(r));
    } else if (!ppl__store_follows(r, c)) {
        run_again(w, shard);
    } else {
        ppl__store_gather(c, r);
        ppl__averages_gather(c, r);
    }
}

/* A replica of a call that failed forgets its parameters, as the context may. */
static void end(const work *w, int shard)
{
    ppl_ctx *r = w->replica[shard - 1];

    ppl_epoch_end(r, 1);
    if (!ppl_ok(w->ctx))
        ppl_param_rollback(r, 0);
}

/* ---- All --------------------------------------------------------------------------- */

static int can_run(ppl_ctx *c, const work *w)
{
    if (w->shards < 1 || w->shards > PPL_MOST_SHARDS)
        ppl_fail(c, PPL_EINVAL, "ppl_run_shards: %d shards; give 1 to %d", w->shards,
                 PPL_MOST_SHARDS);
    else if (w->run == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_run_shards: the function is NULL");
    else if (w->shards > 1 && c->running)
        ppl_fail(c, PPL_ENEST, "ppl_run_shards inside a run; have the shards make the runs");
    else if (w->shards > 1 && c->depth > 0)
        ppl_fail(c, PPL_ENEST, "ppl_run_shards: only shard[0] would see the %s handler "
                 "around it; push it in the model", c->top->ops->name);
    return ppl_ok(c);
}

ppl_status ppl_run_shards(ppl_ctx *c, int shards, ppl_shard function, void *user)
{
    work w = { c, NULL, NULL, shards, function, user };
    int done = 0;

    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    if (can_run(c, &w) && shards > 1)
        w.replica = have_replicas(c, shards - 1);
    if (!ppl_ok(c))
        return ppl_boundary_leave(c);
    for (int i = 1; i < shards; i++)
        prepare(&w, i);
    w.values = ppl__store_values(c);
    ppl_maths_split(c, (size_t)shards, 1, run, &w);
    while (ppl_ok(c) && ++done < shards)
        gather(&w, done);
    if (shards > 1)
        ppl_error_append(c, "\n  in shard[%d] of %d", done, shards);
    for (int i = 1; i < shards; i++)
        end(&w, i);
    return ppl_boundary_leave(c);
}
