/* SPDX-License-Identifier: MIT */
/*
 * graph.c - the sites of a run and the parents of each, from provenance.
 *
 * Provenance tells of latents alone. So that parameters and deterministic sites are
 * parents too, a handler outside of the model makes their values latents: after each comes
 * a sample of a distribution with all its mass at the value, the site's shadow, whose draw
 * takes the value's place.
 */
#include <kiln/structure.h>

#include <string.h>

/* ---- Shadows ----------------------------------------------------------------------- */

static const char shadow_suffix[] = "\x1f";

static ppl_tensor *point_sample(const ppl_dist *d, const ppl_rng *rng)
{
    (void)rng;
    return d->param[0];
}

static ppl_tensor *point_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return ppl_full(d->ctx, ppl_tensor_shape(x), 0);
}

static const ppl_family point = { .name = "point",
                                  .params = 1,
                                  .param_name = { "value" },
                                  .flags = PPL_REPARAM,
                                  .sample = point_sample,
                                  .log_prob = point_log_prob };

typedef struct shade {
    ppl_handler base;
    const ppl_trace *trace;         /* that is being made, outside */
    int parameters;
} shade;

/* The value of a site as a latent; the same at every visit. */
static ppl_tensor *shadow_of(const shade *s, const ppl_msg *m)
{
    ppl_ctx *c = m->ctx;
    ppl_name name = ppl_intern_join(c, m->name, shadow_suffix);
    const ppl_msg *known = name != NULL ? ppl_trace_find(s->trace, name, m->index) : NULL;
    ppl_msg shadow = { .ctx = c, .kind = PPL_SITE_SAMPLE, .name = name, .index = m->index,
                       .scale = 1 };

    if (known != NULL)
        return known->value;
    if (name == NULL || ppl_tensor_dtype(m->value) != ppl_ctx_dtype(c))
        return m->value;
    shadow.dist = ppl_dist_make(&point, &m->value, NULL);
    if (shadow.dist == NULL)
        return NULL;
    ppl_send(&shadow);
    return shadow.value;
}

static void shade_process(ppl_handler *h, ppl_msg *m)
{
    const shade *s = (const shade *)h;

    if (m->kind == PPL_SITE_PARAM && s->parameters) {
        ppl_msg own = *m;

        ppl_send(&own);
        if (!ppl_ok(m->ctx))
            return;
        m->leaf = own.leaf;
        m->value = shadow_of(s, &own);
        m->flags |= PPL_DONE | PPL_SKIP;
    } else if (m->kind == PPL_SITE_DETERMINISTIC) {
        m->value = shadow_of(s, m);
    }
}

static const ppl_handler_ops shade_ops = { .name = "shade", .process = shade_process };

/* A trace of the run with shadows. */
static ppl_trace *shaded_trace(ppl_ctx *c, ppl_model model, const void *arg,
                               const ppl_graph_opts *opts)
{
    shade *s = ppl_alloc(c, sizeof *s);
    ppl_trace *t;
    ppl_handler *trace = ppl_trace_into(c, &t);
    ppl_scope mark;
    ppl_status status;

    if (s == NULL || trace == NULL)
        return NULL;
    s->base.ops = &shade_ops;
    s->trace = t;
    s->parameters = opts->parameters;
    mark = ppl_push(c, trace);
    ppl_push(c, &s->base);
    status = ppl_run(c, model, arg, opts->handlers);
    ppl_pop(c, mark);
    return status == PPL_OK ? t : NULL;
}

/* ---- Nodes ------------------------------------------------------------------------- */

static int is_shadow(const ppl_msg *m)
{
    return m->dist != NULL && m->dist->family == &point;
}

/* The site that a shadow is of. */
static const ppl_msg *caster(const ppl_trace *t, const ppl_msg *m)
{
    char name[512];
    size_t length = strlen(m->name) - strlen(shadow_suffix);

    if (length >= sizeof name)
        return NULL;
    memcpy(name, m->name, length);
    name[length] = '\0';
    return ppl_trace_find(t, name, m->index);
}

static int is_node(const ppl_msg *m, int parameters)
{
    return m->kind != PPL_SITE_SUBSAMPLE && !is_shadow(m) &&
           (m->kind != PPL_SITE_PARAM || parameters);
}

/* node[id]: the number of the node that a site is, or whose shadow it is; -1 for none.
 * Returns NULL when out of memory; *ids is the length. */
static int *number_sites(ppl_ctx *c, const ppl_trace *t, int parameters, int *ids)
{
    int *node, next = 0;

    *ids = 0;
    for (int i = 0; i < ppl_trace_count(t); i++)
        if (ppl_trace_at(t, i)->site >= *ids)
            *ids = ppl_trace_at(t, i)->site + 1;
    node = ppl_alloc(c, (size_t)*ids * sizeof *node);
    if (node == NULL)
        return NULL;
    memset(node, 0xff, (size_t)*ids * sizeof *node);
    for (int i = 0; i < ppl_trace_count(t); i++)
        if (is_node(ppl_trace_at(t, i), parameters))
            node[ppl_trace_at(t, i)->site] = next++;
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        const ppl_msg *of = is_shadow(m) ? caster(t, m) : NULL;

        if (of != NULL)
            node[m->site] = node[of->site];
    }
    return node;
}

/* What a site depends on directly. */
static const ppl_sites *parents_of(const ppl_trace *t, const ppl_msg *m)
{
    const ppl_msg *shadow;
    ppl_name name;

    if (m->kind == PPL_SITE_SAMPLE)
        return m->parents;
    if (m->kind != PPL_SITE_DETERMINISTIC)
        return NULL;
    name = ppl_intern_join(m->ctx, m->name, shadow_suffix);
    shadow = name != NULL ? ppl_trace_find(t, name, m->index) : NULL;
    return shadow != NULL ? shadow->parents : ppl_tensor_sites(m->value);
}

/* The numbers of the nodes in `set`, but for `self`; 0 when out of memory. */
static int fill_parents(ppl_ctx *c, ppl_node *n, const ppl_sites *set, const int *number,
                        int ids, int self)
{
    int count = 0, *parent;

    for (int s = ppl_sites_next(set, 0); s >= 0; s = ppl_sites_next(set, s + 1))
        count += s < ids && number[s] >= 0 && number[s] != self;
    if (count == 0)
        return 1;
    parent = ppl_alloc(c, (size_t)count * sizeof *parent);
    if (parent == NULL)
        return 0;
    for (int s = ppl_sites_next(set, 0); s >= 0; s = ppl_sites_next(set, s + 1))
        if (s < ids && number[s] >= 0 && number[s] != self) {
            int at = n->parents++;

            /* ascending, each once: ids ascend, and nodes nearly always with them */
            for (; at > 0 && parent[at - 1] > number[s]; at--)
                parent[at] = parent[at - 1];
            parent[at] = number[s];
        }
    for (int i = count = 0; i < n->parents; i++)
        if (count == 0 || parent[count - 1] != parent[i])
            parent[count++] = parent[i];
    n->parents = count;
    n->parent = parent;
    return 1;
}

static ppl_graph *make_graph(ppl_ctx *c, const ppl_trace *t, int parameters)
{
    int ids, *number = number_sites(c, t, parameters, &ids);
    ppl_graph *g = ppl_alloc(c, sizeof *g);
    ppl_node *node = ppl_alloc(c, (size_t)ppl_trace_count(t) * sizeof *node);

    if (number == NULL || g == NULL || node == NULL)
        return NULL;
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        ppl_node *n = &node[g->count];

        if (!is_node(m, parameters))
            continue;
        n->name = m->name;
        n->index = m->index;
        n->kind = m->kind;
        n->flags = m->flags & (PPL_OBSERVED | PPL_AUXILIARY);
        n->family = m->kind == PPL_SITE_SAMPLE ? m->dist->family->name : NULL;
        n->plates = m->kind == PPL_SITE_PARAM ? NULL : m->plates;
        if (!fill_parents(c, n, parents_of(t, m), number, ids, g->count))
            return NULL;
        g->count++;
    }
    g->ctx = c;
    g->node = node;
    return g;
}

const ppl_graph *ppl_get_graph(ppl_ctx *c, ppl_model model, const void *arg,
                               const ppl_graph_opts *opts)
{
    static const ppl_graph_opts none;
    const ppl_trace *t;
    ppl_graph *g = NULL;

    if (ppl_boundary_enter(c) != PPL_OK)
        return NULL;
    opts = opts != NULL ? opts : &none;
    t = shaded_trace(c, model, arg, opts);
    if (t != NULL)
        g = make_graph(c, t, opts->parameters);
    return ppl_boundary_leave(c) == PPL_OK ? g : NULL;
}

const ppl_node *ppl_graph_find(const ppl_graph *g, const char *name, int64_t index)
{
    for (int i = 0; g != NULL && i < g->count; i++)
        if (strcmp(g->node[i].name, name) == 0 &&
            g->node[i].index == (index < 0 ? PPL_NO_INDEX : index))
            return &g->node[i];
    return NULL;
}
