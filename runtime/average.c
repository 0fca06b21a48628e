/* SPDX-License-Identifier: MIT */
/*
 * average.c - moving averages: state beside the parameters, that a step changes only if
 * it succeeds.
 *
 * What is to move is noted with the step that asked for it, in memory of its own, since
 * the epochs within a step may end before it; ppl_param_commit moves what is of the step
 * that is open, in the order asked, and forgets the rest: that of steps that failed or
 * were only evaluated.
 */
#include "ops.h"

#include <inttypes.h>
#include <string.h>

typedef struct move {
    struct move *next;
    ppl_name name;
    int depth;                      /* of the step's epoch; 0: a run outside a step */
    uint32_t serial;                /* of that epoch */
    uint64_t run;
    double weight;
    int64_t count;
    size_t size;                    /* of all, for the allocator */
    double values[];
} move;

typedef struct moves {
    move *first, **end;
} moves;

static const char key;

/* ---- The list ---------------------------------------------------------------------- */

static void forget(ppl_ctx *c, moves *m)
{
    while (m->first != NULL) {
        move *next = m->first->next;

        ppl_persistent_free(c, m->first, m->first->size);
        m->first = next;
    }
    m->end = &m->first;
}

static void release(ppl_ctx *c, void *object)
{
    forget(c, object);
    ppl_persistent_free(c, object, sizeof(moves));
}

static moves *moves_of(ppl_ctx *c)
{
    moves *m = ppl_owned(c, &key);

    if (m != NULL)
        return m;
    m = ppl_persistent_alloc(c, sizeof *m);
    if (m == NULL || ppl_own(c, &key, m, release) != PPL_OK)
        return NULL;
    m->end = &m->first;
    return m;
}

static int is_live(const ppl_ctx *c, const move *m)
{
    return m->depth > 0 ? ppl__epoch_open(c, m->depth, m->serial)
                        : c->running && m->run == c->run;
}

/* Those of steps that are over. */
static void sweep(ppl_ctx *c, moves *list)
{
    move **at = &list->first;

    while (*at != NULL) {
        move *m = *at;

        if (is_live(c, m)) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        ppl_persistent_free(c, m, m->size);
    }
    list->end = at;
}

/* ---- Moving ------------------------------------------------------------------------ */

static void apply(ppl_ctx *c, const char *name, double weight, const double *values,
                  int64_t count)
{
    const ppl_param_info *p = ppl_param_at(c, ppl_param_find(c, name));
    const ppl_slab slab = ppl_param_slab(c);

    for (int64_t i = 0; p != NULL && i < count && i < p->count; i++)
        if (slab.dtype == PPL_F32) {
            float *x = (float *)slab.value + p->offset + i;
            *x = (float)((double)*x + weight * (values[i] - (double)*x));
        } else {
            double *x = (double *)slab.value + p->offset + i;
            *x += weight * (values[i] - *x);
        }
}

static int check(ppl_ctx *c, const char *name, double weight, const double *values,
                 int64_t count)
{
    const ppl_param_info *p =
        name != NULL ? ppl_param_at(c, ppl_param_find(c, name)) : NULL;

    if (p == NULL || values == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_param_average: %s %s", name != NULL ? name : "(NULL)",
                 p == NULL ? "is not there; make it with ppl_param_write"
                           : "is given no values");
    else if (p->constraint.type != NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_param_average: %s is a parameter that a model asks for; "
                 "an average is state beside them, under a name of its own", name);
    else if (p->count != count)
        ppl_fail(c, PPL_ESHAPE, "ppl_param_average: %s has %" PRId64 " elements, not %"
                 PRId64, name, p->count, count);
    else if (!(weight >= 0 && weight <= 1))
        ppl_fail(c, PPL_EINVAL, "ppl_param_average: %s is to move by weight %g; it must be "
                 "from 0 to 1", name, weight);
    return ppl_ok(c);
}

/* The depth of the step's epoch that is open, or 0. */
static int step_of(const ppl_ctx *c)
{
    int e = 1;

    while (e <= c->epoch_depth && !c->epoch[e].stepped)
        e++;
    return e <= c->epoch_depth ? e : 0;
}

ppl_status ppl_param_average(ppl_ctx *c, const char *name, double weight,
                             const double *values, int64_t count)
{
    const int depth = step_of(c);
    const size_t size = sizeof(move) + (size_t)(count > 0 ? count : 0) * sizeof(double);
    ppl_name interned;
    moves *list;
    move *m;

    if (!ppl_ok(c) || !check(c, name, weight, values, count))
        return ppl_error(c);
    if (depth == 0 && !c->running) {
        apply(c, name, weight, values, count);
        return PPL_OK;
    }
    interned = ppl_intern(c, name);
    list = interned != NULL ? moves_of(c) : NULL;
    m = list != NULL ? ppl_persistent_alloc(c, size) : NULL;
    if (m == NULL)
        return ppl_error(c);
    *m = (move){ .name = interned, .depth = depth,
                 .serial = c->epoch[depth].serial, .run = c->run, .weight = weight,
                 .count = count, .size = size };
    memcpy(m->values, values, (size_t)count * sizeof *values);
    sweep(c, list);
    *list->end = m;
    list->end = &m->next;
    return ppl_error(c);
}

void ppl_param_commit(ppl_ctx *c)
{
    moves *list = ppl_owned(c, &key);

    if (list == NULL || !ppl_ok(c))
        return;
    sweep(c, list);
    for (const move *m = list->first; m != NULL; m = m->next)
        apply(c, m->name, m->weight, m->values, m->count);
    forget(c, list);
}

void ppl__averages_gather(ppl_ctx *c, const ppl_ctx *r)
{
    const moves *list = ppl_owned(r, &key);

    for (const move *m = list != NULL ? list->first : NULL; m != NULL; m = m->next)
        if (is_live(r, m) && ppl_param_average(c, m->name, m->weight, m->values,
                                               m->count) != PPL_OK)
            return;
}
