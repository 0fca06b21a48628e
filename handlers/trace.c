/* SPDX-License-Identifier: MIT */
/*
 * trace.c - record the messages of a run: the handler that all inference stands on.
 *
 * Messages are copied on the way back, when values are known, into chunks that never
 * move; a table finds them by address. All of it is epoch memory. A trace that is pushed
 * again begins anew.
 */
#include "address.h"

#include <kiln/handlers_trace.h>

#include <limits.h>
#include <string.h>

#define CHUNK 32                    /* messages allocated together */
#define AHEAD 8                     /* messages looked at before the table is */

struct ppl_trace {
    ppl_handler base;
    ppl_ctx *ctx;
    ppl__addresses address;         /* of the messages, in order of visit */
    ppl_msg **msg;
    int count, capacity, next;      /* next: where to look first */
    int newest;                     /* the largest of their ids, which count up */
    ppl_msg *chunk;
    int chunk_left;
};

/* Room for one more message. */
static int make_room(ppl_trace *t)
{
    if (t->chunk_left == 0) {
        t->chunk = ppl_alloc_raw(t->ctx, CHUNK * sizeof *t->chunk);
        t->chunk_left = t->chunk != NULL ? CHUNK : 0;
    }
    return t->chunk_left > 0 &&
           (t->count < t->capacity ||
            ppl__make_room(t->ctx, (void **)&t->msg, &t->capacity, t->count + 1,
                           sizeof *t->msg));
}

/* A parameter visited again is there already; a larger id than all before is of an address
 * that was not met before. What was answered on the way has no id, and may be met again. */
static void record(ppl_trace *t, const ppl_msg *m)
{
    int at;

    if (!make_room(t))
        return;
    at = m->site > t->newest
             ? ppl__address_add(t->ctx, &t->address, m->name, m->index)
             : ppl__address_enter(t->ctx, &t->address, m->name, m->index);
    if ((m->flags & PPL_SKIP) != 0)
        t->newest = INT_MAX;
    else if (m->site > t->newest)
        t->newest = m->site;
    if (at != t->count)
        return;
    *t->chunk = *m;
    t->msg[t->count++] = t->chunk++;
    t->chunk_left--;
}

static void trace_postprocess(ppl_handler *h, ppl_msg *m)
{
    if (m->kind != PPL_SITE_INSPECT)
        record((ppl_trace *)h, m);
}

/* Anew, in memory of the epoch that it is now: an earlier one may have ended. */
static void trace_enter(ppl_handler *h, ppl_ctx *c)
{
    ppl_trace *t = (ppl_trace *)h;

    *t = (ppl_trace){ .base = t->base, .ctx = c, .newest = -1 };
}

static const ppl_handler_ops trace_ops = { .name = "trace",
                                           .postprocess = trace_postprocess,
                                           .enter = trace_enter };

ppl_handler *ppl_trace_into(ppl_ctx *c, ppl_trace **out)
{
    ppl_trace *t = ppl_alloc(c, sizeof *t);

    *out = t;
    if (t == NULL)
        return NULL;
    t->base.ops = &trace_ops;
    t->ctx = c;
    return &t->base;
}

ppl_trace *ppl_get_trace(ppl_ctx *c, ppl_model model, const void *arg,
                         ppl_handler *const *handlers)
{
    size_t count = 0;
    ppl_handler **all;
    ppl_trace *t;

    while (handlers != NULL && handlers[count] != NULL)
        count++;
    all = ppl_alloc(c, (count + 2) * sizeof *all);
    if (all == NULL)
        return NULL;
    all[0] = ppl_trace_into(c, &t);
    if (count > 0)
        memcpy(all + 1, handlers, count * sizeof *all);
    if (ppl_run(c, model, arg, all) == PPL_OK)
        return t;
    if (ppl_error(c) == PPL_ESHAPE)
        ppl_trace_annotate_error(t);
    return NULL;
}

ppl_ctx *ppl_trace_ctx(const ppl_trace *t)
{
    return t != NULL ? t->ctx : NULL;
}

int ppl_trace_count(const ppl_trace *t)
{
    return t != NULL ? t->count : 0;
}

ppl_msg *ppl_trace_at(const ppl_trace *t, int i)
{
    return t != NULL && i >= 0 && i < t->count ? t->msg[i] : NULL;
}

/* Where an address is that is asked for in order, after a few that are not asked for or at
 * the beginning again; -1 if it is not there. */
static int find_next(const ppl_trace *t, ppl_name name, int64_t index)
{
    const int first = t->next < t->count ? t->next : 0;

    for (int at = first; at < t->count && at < first + AHEAD; at++)
        if (t->msg[at]->name == name && t->msg[at]->index == index)
            return at;
    return -1;
}

ppl_msg *ppl_trace_find(const ppl_trace *t, const char *name, int64_t index)
{
    ppl_name interned;
    int at;

    if (t == NULL || t->count == 0)
        return NULL;
    index = index < 0 ? PPL_NO_INDEX : index;
    at = find_next(t, name, index);             /* most names are interned ones */
    if (at < 0) {
        interned = ppl_intern(t->ctx, name);
        at = interned != NULL ? ppl__address_find(&t->address, interned, index) : -1;
    }
    if (at < 0)
        return NULL;
    ((ppl_trace *)(uintptr_t)t)->next = at + 1;     /* most are asked for in order */
    return t->msg[at];
}

double ppl_trace_log_prob(ppl_trace *t)
{
    double sum = 0;

    for (int i = 0; i < ppl_trace_count(t); i++) {
        ppl_msg *m = t->msg[i];

        if (m->kind == PPL_SITE_SAMPLE)
            sum += m->scale * ppl_total(ppl_site_log_prob(m));
    }
    return sum;
}
