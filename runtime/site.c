/* SPDX-License-Identifier: MIT */
/*
 * site.c - the heart: statements become messages, messages travel through the handlers.
 *
 * ppl_send applies a message by recursion: process on the way out, the default at the
 * end, postprocess on the way back, on exactly the handlers that were reached. While a
 * handler runs, c->top is what lies outside it. Cost: no allocation beyond the value.
 */
#include "impl.h"

#include <kiln/constructed.h>

#include <stdio.h>
#include <string.h>

/* ---- Addresses --------------------------------------------------------------------- */

/* Eight indices that follow each other stay side by side, since sites are visited so: of
 * many sites a table would else cost a cache miss for each. */
static size_t hash_of(ppl_name name, int64_t index)
{
    const uint64_t eight = (uint64_t)index >> 3;
    uint64_t h = eight * UINT64_C(0x9e3779b97f4a7c15) ^ (uintptr_t)name;

    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return (size_t)((h ^ h >> 32) << 3 | ((uint64_t)index & 7));
}

size_t ppl_address_hash(ppl_name name, int64_t index)
{
    return hash_of(name, index);
}

static ppl__site *find_slot(const ppl_ctx *c, ppl__site *table, size_t capacity,
                            ppl_name name, int64_t index)
{
    size_t i = hash_of(name, index) & (capacity - 1);

    while (table[i].space == c->site_space && table[i].name != NULL &&
           (table[i].name != name || table[i].index != index))
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

/* Doubles the table; rows of other spaces are left behind. */
static int grow_sites(ppl_ctx *c)
{
    size_t capacity = c->site_capacity != 0 ? 2 * c->site_capacity : 64;
    ppl__site *table = ppl_persistent_alloc(c, capacity * sizeof *table);

    if (table == NULL)
        return 0;
    for (size_t i = 0; i < c->site_capacity; i++) {
        const ppl__site *s = &c->site[i];

        if (s->space == c->site_space && s->name != NULL)
            *find_slot(c, table, capacity, s->name, s->index) = *s;
    }
    ppl__free(c, c->site, c->site_capacity * sizeof *c->site);
    c->site = table;
    c->site_capacity = capacity;
    return 1;
}

/* The row of an address, made on its first visit in the epoch. */
static ppl__site *site_row(ppl_ctx *c, ppl_name name, int64_t index)
{
    ppl__site *s;

    if (2 * ((size_t)c->site_count + 1) > c->site_capacity && !grow_sites(c))
        return NULL;
    s = find_slot(c, c->site, c->site_capacity, name, index);
    if (s->space != c->site_space || s->name == NULL)
        *s = (ppl__site){ name, index, c->site_space, 0, PPL_SITE_SAMPLE,
                          c->site_count++ };
    return s;
}

const char *ppl_site_text(const ppl_msg *m, char *buffer, size_t size)
{
    if (m->index >= 0)
        snprintf(buffer, size, "%s[%lld]", m->name, (long long)m->index);
    else
        snprintf(buffer, size, "%s", m->name);
    return buffer;
}

static const char *kind_text(ppl_kind kind)
{
    static const char *const text[] = { "a sample", "a parameter",
                                        "a deterministic value", "a plate",
                                        "an inspection" };

    return text[kind];
}

/* Gives the message its id; an address may be visited once in a run. */
static void visit(ppl_ctx *c, ppl_msg *m)
{
    ppl__site *s = site_row(c, m->name, m->index);
    char text[128];

    if (s == NULL)
        return;
    m->site = s->id;
    if (c->running && s->run == c->run &&
        (s->kind != PPL_SITE_PARAM || m->kind != PPL_SITE_PARAM)) {
        ppl_site_text(m, text, sizeof text);
        if (s->kind == m->kind && m->kind == PPL_SITE_SUBSAMPLE)
            ppl_fail(c, PPL_EDUPLICATE, "plate %s is made twice in one run; make it once "
                     "and push it as often as needed, or give the other its own name",
                     text);
        else if (s->kind == m->kind)
            ppl_fail(c, PPL_EDUPLICATE,
                     "site %s is visited twice in one run; give each visit its own index "
                     "(ppl_sample_at, ppl_observe_at) or name", text);
        else
            ppl_fail(c, PPL_EDUPLICATE, "site %s is %s here and was %s before in this "
                     "run; rename one of them", text, kind_text(m->kind),
                     kind_text(s->kind));
        return;
    }
    if (m->kind == PPL_SITE_PARAM)
        c->run_params += s->run != c->run;
    else
        c->run_sites++;
    s->run = c->run;
    s->kind = m->kind;
}

/* ---- The default ------------------------------------------------------------------- */

/* What the density at this site depends on. */
static const ppl_sites *density_parents(ppl_ctx *c, const ppl_msg *m)
{
    const ppl_sites *set = ppl__sites_join(c, c->taint, ppl_dist_sites(m->dist));

    if ((m->flags & PPL_OBSERVED) != 0 && m->value != NULL)
        set = ppl__sites_join(c, set, m->value->sites);
    return m->mask != NULL ? ppl__sites_join(c, set, m->mask->sites) : set;
}

/* A latent's value depends on this very site. A tensor older than the draw belongs to
 * somebody else and is not retagged: its place is taken by a view of it. */
static void tag_latent(ppl_ctx *c, ppl_msg *m, uint64_t before)
{
    if (m->value == NULL)
        return;
    if (m->value->sites != NULL && m->value->sites->space == c->site_space &&
        ppl_sites_next(m->value->sites, 0) == m->site &&
        ppl_sites_next(m->value->sites, m->site + 1) < 0)
        return;                         /* replayed from a trace of this epoch */
    if (m->value->serial <= before || (m->value->flags & PPL__LEAF) != 0)
        m->value = ppl__view(m->value, m->value->shape, 0);
    if (m->value != NULL)
        m->value->sites = ppl__sites_single(c, m->site);
}

static void check_supplied(ppl_ctx *c, const ppl_msg *m)
{
    if (ppl__check(c, m->value, "the value of the site") == PPL_OK)
        ppl__dist_fits(m->dist, m->value);
}

/* The site's distribution without the elements that handlers mask out; NULL, with the
 * error recorded, if the mask does not fit the batch. */
static ppl_dist *masked_dist(const ppl_msg *m)
{
    return m->mask != NULL ? ppl_masked(m->dist, m->mask) : m->dist;
}

/* An observation whose value nobody gave (ppl_factor) is drawn like a latent. */
static void sample_default(ppl_ctx *c, ppl_msg *m)
{
    uint64_t before = c->tensor_serial;

    if ((m->flags & PPL_OBSERVED) != 0 && m->value != NULL)
        m->flags |= PPL_DONE;
    if (m->kind == PPL_SITE_SAMPLE && masked_dist(m) == NULL)
        return;
    if ((m->flags & PPL_DONE) != 0) {
        if (m->kind == PPL_SITE_SAMPLE)
            check_supplied(c, m);
    } else {
        ppl_rng rng = ppl__site_rng(c, m->seed, m->name, m->index);

        m->value = ppl_dist_sample(m->dist, &rng);
        m->flags |= PPL_DONE;
    }
    m->parents = density_parents(c, m);
    if (m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0)
        tag_latent(c, m, before);
}

static void apply_default(ppl_ctx *c, ppl_msg *m)
{
    if (m->kind == PPL_SITE_INSPECT)
        return;
    c->last_name = m->name;
    c->last_index = m->index;
    c->at_site = 1;
    visit(c, m);
    if (c->status == PPL_OK) {
        if (m->kind == PPL_SITE_SAMPLE || m->kind == PPL_SITE_SUBSAMPLE)
            sample_default(c, m);
        else if (m->kind == PPL_SITE_PARAM)
            ppl__store_default(m);
    }
    c->at_site = 0;
}

/* ---- The stack --------------------------------------------------------------------- */

/* Calls a function of a handler (NULL: none) with what lies outside it as the stack; what
 * the function pushes it must pop, and it can pop nothing else. */
static void call(ppl_ctx *c, ppl_handler *h, void (*function)(ppl_handler *h, ppl_msg *m),
                 ppl_msg *m)
{
    int depth = c->depth, floor = c->floor;

    if (function == NULL || c->status != PPL_OK)
        return;
    c->top = h->outer;
    c->floor = depth;
    function(h, m);
    if (c->depth > depth) {
        ppl_fail(c, PPL_ENEST, "the %s handler left %d handlers pushed; match each "
                 "ppl_push with a ppl_pop", h->ops->name, c->depth - depth);
        ppl__unwind(c, depth);
    }
    c->floor = floor;
}

static void descend(ppl_ctx *c, ppl_handler *h, ppl_msg *m)
{
    if (h == NULL) {
        apply_default(c, m);
        return;
    }
    call(c, h, h->ops->process, m);
    if (c->status == PPL_OK && (m->flags & PPL_SKIP) == 0)
        descend(c, (m->flags & PPL_STOP) != 0 ? NULL : h->outer, m);
    call(c, h, h->ops->postprocess, m);
}

/* Whether a message has what it takes to travel; one filled in by hand may not. */
static int complete(ppl_ctx *c, const ppl_msg *m)
{
    if (m->kind == PPL_SITE_INSPECT || c->status != PPL_OK)
        return c->status == PPL_OK;
    if (m->name == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_send: the message has no name; make one with "
                 "ppl_intern");
    else if (m->dist == NULL &&
             (m->kind == PPL_SITE_SAMPLE || m->kind == PPL_SITE_SUBSAMPLE))
        ppl_fail(c, PPL_EINVAL, "the distribution of site %s is NULL", m->name);
    return c->status == PPL_OK;
}

void ppl_send(ppl_msg *m)
{
    ppl_ctx *c = m->ctx;
    ppl_handler *top = c->top;

    if (!complete(c, m))
        return;
    descend(c, top, m);
    c->top = top;
}

const void *ppl_msg_option(const ppl_msg *m, const ppl_option_key *key)
{
    for (const ppl_option *o = m->options; o != NULL; o = o->older)
        if (o->key == key)
            return o->value;
    return NULL;
}

void ppl_msg_set_option(ppl_msg *m, const ppl_option_key *key, const void *value)
{
    ppl_option *o = ppl_alloc(m->ctx, sizeof *o);

    if (o == NULL)
        return;
    *o = (ppl_option){ m->options, key, value };
    m->options = o;
}

ppl_rng ppl_site_rng(const ppl_msg *m)
{
    ppl_msg probe = { .ctx = m->ctx, .kind = PPL_SITE_INSPECT, .inspected = m->kind,
                      .name = m->name, .index = m->index, .flags = m->flags & PPL_OBSERVED,
                      .scale = 1, .seed = m->seed };

    ppl_send(&probe);
    if (probe.name == NULL)
        return (ppl_rng){ { 0, 0 } };   /* it could not be made: the error is recorded */
    return ppl__site_rng(m->ctx, probe.seed, probe.name, probe.index);
}

ppl_tensor *ppl_sample_beside(const ppl_msg *m, const char *suffix, ppl_dist *d)
{
    ppl_msg beside = *m;

    if (!ppl_ok(m->ctx))
        return NULL;
    beside.name = ppl_intern_join(m->ctx, m->name, suffix);
    beside.flags &= PPL_AUXILIARY;
    beside.dist = d;
    beside.value = NULL;
    ppl_send(&beside);
    return ppl_ok(m->ctx) ? beside.value : NULL;
}

ppl_scope ppl_push(ppl_ctx *c, ppl_handler *h)
{
    ppl_scope mark = c->depth;

    if (h == NULL || c->status != PPL_OK)
        return mark;
    if (h->installed) {
        ppl_fail(c, PPL_ENEST, "ppl_push: this %s handler is installed already; make "
                 "another one", h->ops->name);
        return mark;
    }
    if (h->ops->enter != NULL)
        h->ops->enter(h, c);
    h->outer = c->top;
    h->installed = 1;
    c->top = h;
    c->depth++;
    return mark;
}

void ppl__unwind(ppl_ctx *c, int depth)
{
    while (c->depth > depth && c->top != NULL) {
        ppl_handler *h = c->top;

        c->top = h->outer;
        c->depth--;
        h->outer = NULL;
        h->installed = 0;
        if (h->ops->leave != NULL)
            h->ops->leave(h, c, c->status);
    }
}

void ppl_pop(ppl_ctx *c, ppl_scope mark)
{
    if (mark > c->depth)
        ppl_fail(c, PPL_ENEST, "ppl_pop: this scope has ended already, with one around "
                 "it; pop in the reverse order of ppl_push");
    else if (mark < c->floor)
        ppl_fail(c, PPL_ENEST, "ppl_pop: this scope was not begun here but further out; "
                 "pop what you have pushed");
    else
        ppl__unwind(c, mark);
}

/* ---- Statements -------------------------------------------------------------------- */

static void begin_message(ppl_msg *m, ppl_ctx *c, ppl_kind kind, const char *name,
                          int64_t index)
{
    ppl__clear(m, sizeof *m);
    m->ctx = c;
    m->kind = kind;
    m->name = ppl_intern(c, name);
    m->index = index;
    m->scale = 1;
}

static ppl_tensor *sample_statement(ppl_ctx *c, const char *name, int64_t index,
                                    ppl_dist *d, ppl_tensor *value, unsigned flags)
{
    ppl_msg m;

    if (c->status != PPL_OK)
        return NULL;
    begin_message(&m, c, PPL_SITE_SAMPLE, name, index);
    m.dist = d;
    m.value = value;
    m.flags = flags;
    ppl_send(&m);
    return c->status == PPL_OK ? m.value : NULL;
}

static int index_ok(ppl_ctx *c, const char *name, int64_t index)
{
    if (index < 0)
        ppl_fail(c, PPL_EINVAL, "site %s has index %lld; an index is 0 or more",
                 name != NULL ? name : "(NULL)", (long long)index);
    return c->status == PPL_OK;
}

ppl_tensor *ppl_sample(ppl_ctx *c, const char *name, ppl_dist *d)
{
    return sample_statement(c, name, -1, d, NULL, 0);
}

ppl_tensor *ppl_sample_at(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d)
{
    return index_ok(c, name, index) ? sample_statement(c, name, index, d, NULL, 0) : NULL;
}

ppl_tensor *ppl_sample_auxiliary(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d)
{
    return sample_statement(c, name, index < 0 ? -1 : index, d, NULL, PPL_AUXILIARY);
}

ppl_tensor *ppl_observe(ppl_ctx *c, const char *name, ppl_dist *d, ppl_tensor *value)
{
    return sample_statement(c, name, -1, d, value, PPL_OBSERVED | PPL_DONE);
}

ppl_tensor *ppl_observe_at(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d,
                           ppl_tensor *value)
{
    if (!index_ok(c, name, index))
        return NULL;
    return sample_statement(c, name, index, d, value, PPL_OBSERVED | PPL_DONE);
}

static ppl_tensor *deterministic_statement(ppl_ctx *c, const char *name, int64_t index,
                                           ppl_tensor *value)
{
    ppl_msg m;

    if (c->status != PPL_OK)
        return NULL;
    if (ppl__check(c, value, "ppl_deterministic: the value") != PPL_OK)
        return NULL;
    begin_message(&m, c, PPL_SITE_DETERMINISTIC, name, index);
    m.value = value;
    m.flags = PPL_DONE;
    ppl_send(&m);
    return c->status == PPL_OK ? m.value : NULL;
}

ppl_tensor *ppl_deterministic(ppl_ctx *c, const char *name, ppl_tensor *value)
{
    return deterministic_statement(c, name, -1, value);
}

ppl_tensor *ppl_deterministic_at(ppl_ctx *c, const char *name, int64_t index,
                                 ppl_tensor *value)
{
    return index_ok(c, name, index) ? deterministic_statement(c, name, index, value)
                                    : NULL;
}

ppl_tensor *ppl_param(ppl_ctx *c, const char *name, ppl_shape shape, ppl_init init,
                      ppl_constraint constraint)
{
    ppl_msg m;

    if (c->status != PPL_OK)
        return NULL;
    begin_message(&m, c, PPL_SITE_PARAM, name, -1);
    m.shape = shape;
    m.init = init;
    m.constraint = constraint;
    ppl_send(&m);
    return c->status == PPL_OK ? m.value : NULL;
}

/* An observation whose log-probability is given. */
void ppl_factor(ppl_ctx *c, const char *name, ppl_tensor *log_factor)
{
    if (c->status != PPL_OK ||
        ppl__check(c, log_factor, "ppl_factor: log_factor") != PPL_OK)
        return;
    sample_statement(c, name, -1, ppl_unit(log_factor), NULL, PPL_OBSERVED);
}

/* ---- Log-probability of a site ----------------------------------------------------- */

ppl_tensor *ppl_site_log_prob(ppl_msg *m)
{
    ppl_ctx *c = m->ctx;

    if (m->log_prob == NULL && c->status == PPL_OK) {
        c->last_name = m->name;
        c->last_index = m->index;
        c->at_site = 1;
        m->log_prob = ppl_log_prob(masked_dist(m), m->value);
        c->at_site = 0;
    }
    return m->log_prob;
}

/* ---- Running a model --------------------------------------------------------------- */

/* Whether an epoch that is open is a step: of its runs none counts on its own. */
static int in_step(const ppl_ctx *c)
{
    for (int e = 1; e <= c->epoch_depth; e++)
        if (c->epoch[e].stepped)
            return 1;
    return 0;
}

static void begin_run(ppl_ctx *c)
{
    c->run++;
    c->running = 1;
    c->run_sites = c->run_params = 0;
    c->last_name = NULL;
    c->taint = NULL;
    c->step += !in_step(c);
}

/* After a run that failed: parameters and random state are what they were. */
static void undo_run(ppl_ctx *c, int params, uint64_t step)
{
    ppl_param_rollback(c, params);
    c->step = step;
}

ppl_status ppl_run(ppl_ctx *c, ppl_model model, const void *arg,
                   ppl_handler *const *handlers)
{
    int depth = c->depth, floor = c->floor, params = ppl_param_count(c);
    uint64_t step = c->step;

    if (c->running)
        return ppl_fail(c, PPL_ENEST, "ppl_run inside a run; use another context for "
                        "inference within a model");
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    if (model == NULL) {
        ppl_fail(c, PPL_EINVAL, "ppl_run: the model is NULL; give a function");
        return ppl_boundary_leave(c);
    }
    begin_run(c);
    for (; handlers != NULL && *handlers != NULL; handlers++)
        ppl_push(c, *handlers);
    c->floor = c->depth;
    if (c->status == PPL_OK)
        model(c, arg);
    if (c->depth > c->floor)
        ppl_fail(c, PPL_ENEST, "the model returned with %d handlers still pushed; match "
                 "each ppl_push with a ppl_pop", c->depth - c->floor);
    c->floor = floor;
    ppl__unwind(c, depth);
    if (c->status != PPL_OK)
        undo_run(c, params, step);
    else if (!in_step(c))
        ppl_param_commit(c);
    c->running = 0;
    return ppl_boundary_leave(c);
}
