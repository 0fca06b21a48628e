/* SPDX-License-Identifier: MIT */
/*
 * trace.c - record the messages of a run: the handler that all inference stands on.
 *
 * Messages are copied on the way back, when values are known, into chunks that never
 * move; an open-addressed table finds them by address. All of it is epoch memory. A trace
 * that is pushed again begins anew.
 */
#include <kiln/handlers.h>

#include <string.h>

#define CHUNK 32                    /* messages allocated together */

struct ppl_trace {
    ppl_handler base;
    ppl_ctx *ctx;
    ppl_msg **msg;                  /* in order of visit */
    int count, capacity;
    int *slot;                      /* 1 + position, 0 for empty; a power of two */
    size_t slots;
    ppl_msg *chunk;
    int chunk_left;
};

static size_t slot_of(const ppl_trace *t, ppl_name name, int64_t index)
{
    size_t i = ppl_address_hash(name, index) & (t->slots - 1);

    for (; t->slot[i] != 0; i = (i + 1) & (t->slots - 1)) {
        const ppl_msg *m = t->msg[t->slot[i] - 1];

        if (m->name == name && m->index == index)
            break;
    }
    return i;
}

/* Room for one more message: doubles, leaving the old arrays to the epoch. */
static int make_room(ppl_trace *t)
{
    int capacity = t->capacity != 0 ? 2 * t->capacity : CHUNK;
    size_t slots = 2 * (size_t)capacity;
    ppl_msg **msg;
    int *slot;

    if (t->count < t->capacity)
        return 1;
    msg = ppl_alloc(t->ctx, (size_t)capacity * sizeof *msg);
    slot = ppl_alloc(t->ctx, slots * sizeof *slot);
    if (msg == NULL || slot == NULL)
        return 0;
    if (t->count > 0)
        memcpy(msg, t->msg, (size_t)t->count * sizeof *msg);
    t->msg = msg;
    t->capacity = capacity;
    t->slot = slot;
    t->slots = slots;
    for (int i = 0; i < t->count; i++)
        t->slot[slot_of(t, t->msg[i]->name, t->msg[i]->index)] = i + 1;
    return 1;
}

static void record(ppl_trace *t, const ppl_msg *m)
{
    size_t slot;

    if (!make_room(t))
        return;
    slot = slot_of(t, m->name, m->index);
    if (t->slot[slot] != 0)
        return;                     /* a parameter visited again */
    if (t->chunk_left == 0) {
        t->chunk = ppl_alloc(t->ctx, CHUNK * sizeof *t->chunk);
        t->chunk_left = t->chunk != NULL ? CHUNK : 0;
    }
    if (t->chunk_left == 0)
        return;
    *t->chunk = *m;
    t->msg[t->count] = t->chunk++;
    t->chunk_left--;
    t->slot[slot] = ++t->count;
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

    *t = (ppl_trace){ .base = t->base, .ctx = c };
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

ppl_msg *ppl_trace_find(const ppl_trace *t, const char *name, int64_t index)
{
    ppl_name interned;
    int at;

    if (t == NULL || t->count == 0)
        return NULL;
    interned = ppl_intern(t->ctx, name);
    if (interned == NULL)
        return NULL;
    at = t->slot[slot_of(t, interned, index < 0 ? -1 : index)];
    return at != 0 ? t->msg[at - 1] : NULL;
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
