/* SPDX-License-Identifier: MIT */
/*
 * store_replica.c - a replica's parameters (shards.c): laid out as the context's, with its
 * values; their gradients into its own.
 */
#include "ops.h"
#include "store.h"

#include <string.h>

/* Whether p, of a replica, may stand for q. */
static int stands_for(const struct param *p, const struct param *q)
{
    const ppl_constraint *a = &p->info.constraint, *b = &q->info.constraint;

    return strcmp(p->info.name, q->info.name) == 0 && p->info.offset == q->info.offset &&
           p->info.count == q->info.count && ppl__same_shape(&p->info.shape, &q->info.shape) &&
           p->constrained == q->constrained &&
           (a->type == NULL || same_constraint(a, b));
}

/* At the same place of the slab; 0 with PPL_ENOMEM recorded. The model that asks for it says
 * what its constraint is, as of one that was loaded. */
static int add_stand_in(ppl_ctx *r, const struct param *q)
{
    ppl_name name = ppl_intern(r, q->info.name);
    struct param *p = name != NULL ? ppl__store_add(r, name, q->info.shape, q->leaf_shape) : NULL;

    if (p == NULL)
        return 0;
    p->info.offset = q->info.offset;
    p->constrained = q->constrained;
    return 1;
}

void ppl__store_follow(ppl_ctx *r, const ppl_ctx *c)
{
    const int count = ppl_param_count(c);
    int same = 0;

    if (!ppl__store_make(r))
        return;
    r->store->followed = count;
    while (same < count && same < r->store->count &&
           stands_for(r->store->param[same], c->store->param[same]))
        same++;
    ppl_param_rollback(r, same);
    if (count > 0 && !ppl__store_grow(r, c->store->used))
        return;
    for (int i = same; i < count; i++)
        if (!add_stand_in(r, c->store->param[i]))
            return;
    for (int i = 0; i < count; i++)
        r->store->param[i]->info.steps = c->store->param[i]->info.steps;
    if (count > 0)
        r->store->used = c->store->used;
}

const void *ppl__store_values(ppl_ctx *c)
{
    if (c->store == NULL || c->store->slab == NULL)
        return NULL;
    ppl__store_keep(c);
    return array_at(c->store->slab, c->dtype, 0);
}

void ppl__store_take(ppl_ctx *r, const void *values)
{
    const ppl_slab slab = ppl_param_slab(r);

    if (slab.size > 0)
        memcpy(slab.value, values, (size_t)slab.size * ppl__dtype_size(r->dtype));
    ppl_zero_grad(r);
}

int ppl__store_follows(const ppl_ctx *r, const ppl_ctx *c)
{
    const int count = r->store->count;
    int i = 0;

    if (r->store->followed != count)
        return 0;
    while (i < count && (!r->store->param[i]->info.touched ||
                         stands_for(r->store->param[i], c->store->param[i])))
        i++;
    return i == count;
}

static void add_lines(void *arg, size_t from, size_t to)
{
    ppl_ctx *const *pair = arg;
    char *const to_grad = array_at(pair[0]->store->slab, pair[0]->dtype, 1);
    const char *const grad = array_at(pair[1]->store->slab, pair[1]->dtype, 1);

    pair[0]->kernels->add((to - from) * LINE / ppl__dtype_size(pair[0]->dtype),
                          grad + from * LINE, to_grad + from * LINE);
}

void ppl__store_gather(ppl_ctx *c, ppl_ctx *r)
{
    const size_t bytes = (size_t)r->store->used * ppl__dtype_size(c->dtype);

    if (bytes > 0)
        ppl_maths_split(c, bytes / LINE, 1000, add_lines, (ppl_ctx *[]){ c, r });
    for (int i = 0; i < r->store->count; i++)
        c->store->param[i]->info.touched |= r->store->param[i]->info.touched;
}
