/* SPDX-License-Identifier: MIT */
/*
 * queue.c - every execution of a model with discrete latents, one run each (or a few).
 *
 * A run is a function of its choices: which value each enumerable latent takes, in order
 * of visit. Draws are keyed by site and step, and the step is the same in each run. So
 * what waits in the queue is a prefix of choices, a path in a tree of nodes {parent,
 * value}, and no tensor. A run follows its prefix; at the first latent beyond it the tree
 * grows by one node for each value. Depth first, the run goes on with the first of them,
 * so each run is an execution; otherwise it escapes, and the best prefix is run next.
 */
#include "address.h"
#include "kind.h"

#include <kiln/handlers_trace.h>

#include <string.h>

#define MOST_RUNS 1000000           /* by default; Pyro's number */

const ppl_option_key ppl_option_enumerate = { "enumerate" };

typedef struct node {
    int64_t parent;                 /* -1: the root, where nothing is chosen */
    int64_t value;                  /* number of the joint value among those of the site */
    ppl__address site;
    double priority;                /* the largest in the queue is run next */
} node;

struct ppl_queue {
    ppl_ctx *ctx;
    ppl_queue_opts opts;
    node *node;                     /* only ever appended to */
    int64_t *heap;                  /* of nodes that wait, by priority */
    size_t nodes, node_capacity, heap_count, heap_capacity;
    int64_t runs;
    uint64_t seed, step;            /* the random state of every run */
};

/* One run. */
typedef struct chooser {
    ppl_handler base;
    ppl_queue *queue;
    int64_t *path;                  /* nodes of the prefix, in order */
    int64_t length, at;
    int64_t last;                   /* the node of the latest choice */
    int branched;                   /* the run was ended where the tree has grown: */
    ppl_msg where;
} chooser;

/* ---- What waits -------------------------------------------------------------------- */

/* Doubles a persistent array; 0 with PPL_ENOMEM recorded. */
static int grow(ppl_ctx *c, void **array, size_t *capacity, size_t size)
{
    size_t larger = *capacity != 0 ? 2 * *capacity : 64;
    void *block = ppl_persistent_alloc(c, larger * size);

    if (block == NULL)
        return 0;
    if (*capacity > 0)
        memcpy(block, *array, *capacity * size);
    ppl_persistent_free(c, *array, *capacity * size);
    *array = block;
    *capacity = larger;
    return 1;
}

static int add_node(ppl_queue *q, const node *n)
{
    if (q->nodes == q->node_capacity &&
        !grow(q->ctx, (void **)&q->node, &q->node_capacity, sizeof *q->node))
        return 0;
    q->node[q->nodes++] = *n;
    return 1;
}

/* Of two that are equal, the older one. */
static int before(const ppl_queue *q, size_t a, size_t b)
{
    double first = q->node[q->heap[a]].priority, second = q->node[q->heap[b]].priority;

    return first > second || (!(first < second) && q->heap[a] < q->heap[b]);
}

static void swap(ppl_queue *q, size_t a, size_t b)
{
    int64_t n = q->heap[a];

    q->heap[a] = q->heap[b];
    q->heap[b] = n;
}

/* Room for `more` to wait; 0 with PPL_ENOMEM recorded. */
static int reserve(ppl_queue *q, size_t more)
{
    while (q->heap_capacity < q->heap_count + more)
        if (!grow(q->ctx, (void **)&q->heap, &q->heap_capacity, sizeof *q->heap))
            return 0;
    return 1;
}

static void push(ppl_queue *q, int64_t n)
{
    size_t i = q->heap_count++;

    q->heap[i] = n;
    for (; i > 0 && before(q, i, (i - 1) / 2); i = (i - 1) / 2)
        swap(q, i, (i - 1) / 2);
}

static int64_t pop(ppl_queue *q)
{
    int64_t top = q->heap[0];
    size_t i = 0, child = 1;

    q->heap[0] = q->heap[--q->heap_count];
    for (; child < q->heap_count; child = 2 * i + 1) {
        if (child + 1 < q->heap_count && before(q, child + 1, child))
            child++;
        if (!before(q, child, i))
            break;
        swap(q, i, child);
        i = child;
    }
    return top;
}

/* ---- The values of a site ---------------------------------------------------------- */

static int64_t numel(ppl_shape shape)
{
    int64_t n = 1;

    for (int a = 0; a < shape.rank; a++)
        n *= shape.dim[a];
    return n;
}

/* How many joint values the site has: K for each of its elements. More than may be run is
 * an error, and gives 0. */
static int64_t count_values(const ppl_queue *q, const ppl_msg *m, const ppl_tensor *support)
{
    int64_t k = ppl_dim(support, 0), elements = numel(m->dist->shape), count = 1;
    char site[128];

    if (k > 0)
        elements = elements * k / ppl_numel(support);
    for (int64_t i = 0; i < elements && count <= q->opts.max_runs; i++)
        count *= k;
    if (count <= q->opts.max_runs)
        return count;
    ppl_fail(q->ctx, PPL_EINVAL, "queue: site %s has %lld elements of %lld values, which is "
             "more than %lld runs; raise max_runs, or set ppl_option_enumerate to 0 there",
             ppl_site_text(m, site, sizeof site), (long long)elements, (long long)k,
             (long long)q->opts.max_runs);
    return 0;
}

/* Joint value number `value`: its digits to base K choose the elements' values. */
static ppl_tensor *joint_value(const ppl_msg *m, ppl_tensor *support, int64_t value)
{
    int64_t k = ppl_dim(support, 0), count = numel(m->dist->shape), *digit;

    if (k < 1)
        return NULL;
    count = count * k / ppl_numel(support);
    digit = ppl_alloc(m->ctx, (size_t)count * sizeof *digit);
    for (int64_t i = count; i-- > 0 && digit != NULL; value /= k)
        digit[i] = value % k;
    if (digit == NULL)
        return NULL;
    return ppl_reshape(ppl_index_select(support, 0,
                                        ppl_from_integers(m->ctx, PPL_SHAPE(count), digit)),
                       m->dist->shape);
}

/* ---- A run ------------------------------------------------------------------------- */

/* The tree grows by a node for each value. Depth first the first of them is taken now, and
 * the second is to be run before the others. */
static void branch(chooser *self, ppl_msg *m, int64_t values)
{
    ppl_queue *q = self->queue;
    int64_t first = (int64_t)q->nodes;

    for (int64_t v = 0; v < values; v++) {
        double order = q->opts.order == PPL_BREADTH_FIRST ? -(double)(first + v)
                                                          : (double)(first + values - v);

        if (!add_node(q, &(node){ self->last, v, { m->name, m->index }, order }))
            return;
    }
    if (q->opts.order == PPL_DEPTH_FIRST) {
        self->last = first;
        return;
    }
    self->branched = 1;
    self->where = *m;
    ppl_fail(m->ctx, PPL_ESCAPE, "queue: the run has come to a site not chosen yet");
}

static int is_choice(const ppl_msg *m)
{
    const int *enumerate = ppl_msg_option(m, &ppl_option_enumerate);

    return ppl__is_open_latent(m) && (m->dist->family->flags & PPL_ENUMERABLE) != 0 &&
           m->dist->family->enumerate != NULL && (enumerate == NULL || *enumerate != 0);
}

/* The choice of the prefix at this site; a run that comes elsewhere is no function of its
 * choices. */
static int64_t follow(chooser *self, const ppl_msg *m)
{
    const node *n = &self->queue->node[self->path[self->at++]];
    char site[128], wanted[128];

    self->last = self->path[self->at - 1];
    if (n->site.name == m->name && n->site.index == m->index)
        return n->value;
    ppl_fail(m->ctx, PPL_EMISMATCH, "queue: the run has come to site %s where it had %s "
             "before, with the same choices; a model must be a function of its samples",
             ppl_site_text(m, site, sizeof site),
             ppl__address_text(n->site.name, n->site.index, wanted, sizeof wanted));
    return 0;
}

static void chooser_process(ppl_handler *h, ppl_msg *m)
{
    chooser *self = (chooser *)h;
    ppl_tensor *support;
    int64_t value = 0, values;

    if (m->kind != PPL_SITE_SAMPLE || !is_choice(m))
        return;
    support = m->dist->family->enumerate(m->dist);
    if (support == NULL)
        return;
    if (self->at < self->length) {
        value = follow(self, m);
    } else {
        values = count_values(self->queue, m, support);
        if (values > 0)
            branch(self, m, values);
    }
    if (!ppl_ok(m->ctx))
        return;
    m->value = joint_value(m, support, value);
    m->flags |= PPL_DONE;
}

static const ppl_handler_ops chooser_ops = { .name = "queue", .process = chooser_process };

/* The handler of a run along the path to node n; NULL with the error recorded. */
static chooser *make_chooser(ppl_queue *q, int64_t n)
{
    chooser *self = ppl_alloc(q->ctx, sizeof *self);
    int64_t length = 0;

    if (self == NULL)
        return NULL;
    self->base.ops = &chooser_ops;
    self->queue = q;
    self->last = n;
    for (int64_t up = n; up > 0; up = q->node[up].parent)
        length++;
    self->length = length;
    self->path = ppl_alloc(q->ctx, (size_t)length * sizeof *self->path);
    for (int64_t up = n; up > 0 && self->path != NULL; up = q->node[up].parent)
        self->path[--length] = up;
    return self->path != NULL ? self : NULL;
}

/* The priorities of the nodes from `first` on, by the log-density of the sites so far and
 * of the value there. */
static void weigh(chooser *self, ppl_trace *t, size_t first)
{
    ppl_queue *q = self->queue;
    ppl_msg *m = &self->where;
    double sum = ppl_trace_log_prob(t);
    ppl_tensor *support = m->dist->family->enumerate(m->dist);

    for (size_t n = first; n < q->nodes && ppl_ok(q->ctx); n++) {
        m->value = joint_value(m, support, q->node[n].value);
        m->log_prob = NULL;
        q->node[n].priority = sum + m->scale * ppl_total(ppl_site_log_prob(m));
    }
}

/* trace(chooser(handlers(model))); NULL with the error recorded. */
static ppl_handler **stack(chooser *self, ppl_handler *const *handlers, ppl_trace **t)
{
    size_t count = 0;
    ppl_handler **all;

    while (handlers != NULL && handlers[count] != NULL)
        count++;
    all = ppl_alloc(self->queue->ctx, (count + 3) * sizeof *all);
    if (all == NULL)
        return NULL;
    all[0] = ppl_trace_into(self->queue->ctx, t);
    all[1] = &self->base;
    if (count > 0)
        memcpy(all + 2, handlers, count * sizeof *all);
    return all;
}

/* Runs along the path to node n. 1: it was an execution, *trace, or has come to a branch,
 * *trace NULL. 0 with the error recorded. */
static int run(ppl_queue *q, int64_t n, ppl_model model, const void *arg,
               ppl_handler *const *handlers, ppl_trace **trace)
{
    chooser *self = make_chooser(q, n);
    size_t first = q->nodes;
    ppl_handler **all;
    ppl_trace *t;
    ppl_status status;

    all = self != NULL ? stack(self, handlers, &t) : NULL;
    if (all == NULL)
        return 0;
    ppl_set_rng_state(q->ctx, q->seed, q->step);
    status = ppl_run(q->ctx, model, arg, all);
    *trace = status == PPL_OK ? t : NULL;
    if (status != PPL_ESCAPE || !self->branched)
        return status == PPL_OK;
    ppl_clear_error(q->ctx);
    if (q->opts.order == PPL_LIKELY_FIRST)
        weigh(self, t, first);
    return ppl_ok(q->ctx);
}

/* The same for the first that waits: what the run found waits then, and after an error all
 * is as it was. */
static int run_first(ppl_queue *q, ppl_model model, const void *arg,
                     ppl_handler *const *handlers, ppl_trace **trace)
{
    size_t first = q->nodes;
    int64_t n = pop(q);

    if (!run(q, n, model, arg, handlers, trace) || !reserve(q, q->nodes - first)) {
        q->nodes = first;
        push(q, n);
        return 0;
    }
    for (size_t i = first; i < q->nodes; i++)
        if (q->opts.order != PPL_DEPTH_FIRST || q->node[i].value > 0)
            push(q, (int64_t)i);
    q->runs++;
    return 1;
}

/* The root of the tree, where nothing is chosen, and the random state of every run. */
static int plant(ppl_queue *q)
{
    if (!reserve(q, 1) || !add_node(q, &(node){ .parent = -1 }))
        return 0;
    push(q, 0);
    ppl_rng_state(q->ctx, &q->seed, &q->step);
    return 1;
}

ppl_status ppl_queue_next(ppl_queue *q, ppl_model model, const void *arg,
                          ppl_handler *const *handlers, ppl_trace **t)
{
    *t = NULL;
    if (q == NULL)
        return PPL_EINVAL;
    if (ppl_boundary_enter(q->ctx) != PPL_OK)
        return ppl_error(q->ctx);
    if (q->nodes == 0)
        plant(q);
    while (*t == NULL && q->heap_count > 0 && ppl_ok(q->ctx)) {
        if (q->runs == q->opts.max_runs)
            ppl_fail(q->ctx, PPL_EINVAL, "queue: %lld runs were made and there is more to "
                     "run; raise max_runs", (long long)q->opts.max_runs);
        else if (!run_first(q, model, arg, handlers, t))
            *t = NULL;
    }
    return ppl_boundary_leave(q->ctx);
}

ppl_queue *ppl_queue_new(ppl_ctx *c, const ppl_queue_opts *opts)
{
    ppl_queue *q;

    if (opts != NULL && (opts->max_runs < 0 || opts->order < PPL_DEPTH_FIRST ||
                         opts->order > PPL_LIKELY_FIRST)) {
        ppl_fail(c, PPL_EINVAL, "ppl_queue_new: order %d, max_runs %lld; order must be one "
                 "of ppl_queue_order, max_runs 0 or more", (int)opts->order,
                 (long long)opts->max_runs);
        return NULL;
    }
    q = ppl_persistent_alloc(c, sizeof *q);
    if (q == NULL)
        return NULL;
    q->ctx = c;
    if (opts != NULL)
        q->opts = *opts;
    if (q->opts.max_runs == 0)
        q->opts.max_runs = MOST_RUNS;
    return q;
}

void ppl_queue_free(ppl_queue *q)
{
    if (q == NULL)
        return;
    ppl_persistent_free(q->ctx, q->node, q->node_capacity * sizeof *q->node);
    ppl_persistent_free(q->ctx, q->heap, q->heap_capacity * sizeof *q->heap);
    ppl_persistent_free(q->ctx, q, sizeof *q);
}
