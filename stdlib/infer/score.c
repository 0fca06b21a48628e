/* SPDX-License-Identifier: MIT */
/*
 * score.c - the cost downstream of a site: by provenance (terms that do not depend on the
 * site are left out) and by plate (slices that are independent of it are left out).
 * Ranganath et al. 2014; the plate-wise sums are those of Pyro's MultiFrameTensor.
 */
#include "score.h"

#include <string.h>

/* The costs in the making, one for each element of the site's log-probability. */
typedef struct downstream {
    const ppl__pair *pair;
    const ppl_msg *site;
    const ppl__reach *reach;
    ppl_shape shape;
    int64_t count;
    double *cost, *sum;             /* [count] each; `sum` is scratch */
} downstream;

/* `like` with the axes that are not shared made 1. */
static ppl_shape shared_shape(ppl_shape like, unsigned shared)
{
    for (int axis = 1; axis <= like.rank; axis++)
        if ((shared >> axis & 1) == 0)
            like.dim[like.rank - axis] = 1;
    return like;
}

/* The element of `to` at the place of element i of `from`; to's axes of 1 are summed. */
static int64_t matching(ppl_shape from, int64_t i, ppl_shape to)
{
    int64_t at = 0, stride = 1;

    for (int axis = 1; axis <= from.rank && axis <= to.rank; axis++) {
        int64_t n = from.dim[from.rank - axis], m = to.dim[to.rank - axis];

        if (m > 1)
            at += i % n * stride;
        i /= n;
        stride *= m;
    }
    return at;
}

/* cost += sign * scale * log-probability of `term`, summed over the axes not shared. */
static void add_term(downstream *d, ppl_msg *term, unsigned shared, double sign)
{
    ppl_shape narrow = shared_shape(d->shape, shared), from;
    ppl_tensor *log_prob = ppl_site_log_prob(term);
    const void *element;
    int floats;

    from = ppl_tensor_shape(log_prob);
    floats = ppl_tensor_dtype(log_prob) == PPL_F32;
    element = ppl_data(log_prob);
    if (element == NULL)
        return;
    memset(d->sum, 0, (size_t)d->count * sizeof *d->sum);
    for (int64_t i = 0; i < ppl_numel(log_prob); i++)
        d->sum[matching(from, i, narrow)] += floats ? (double)((const float *)element)[i]
                                                    : ((const double *)element)[i];
    for (int64_t i = 0; i < d->count; i++)
        d->cost[i] += sign * term->scale * d->sum[matching(d->shape, i, narrow)];
}

/* How a term depends on the site: by its parents, and by its own value if that is latent.
 * 0: not at all. */
static unsigned dependence(const downstream *d, const ppl_msg *m)
{
    unsigned by_parents, own = 0;

    if (m->kind != PPL_SITE_SAMPLE)
        return 0;
    by_parents = ppl__pair_depends(d->pair, m->parents, d->reach);
    if ((m->flags & PPL_OBSERVED) == 0 && m->site < d->pair->ids &&
        d->pair->position[m->site] >= 0)
        own = d->reach[d->pair->position[m->site]];
    return own == 0 || by_parents == 0 ? own | by_parents : own & by_parents;
}

static void add_trace(downstream *d, const ppl_trace *trace, double sign)
{
    for (int i = 0; i < ppl_trace_count(trace); i++) {
        ppl_msg *term = ppl_trace_at(trace, i);
        unsigned how = dependence(d, term);

        if (how != 0)
            add_term(d, term, how & ppl__shared_axes(d->site, term), sign);
    }
}

ppl_tensor *ppl__downstream_cost(ppl__pair *pair, int position, double factor)
{
    ppl_ctx *c = pair->ctx;
    ppl_msg *site = ppl_trace_at(pair->guide, position);
    ppl_tensor *log_q = ppl_site_log_prob(site);
    size_t count = (size_t)ppl_numel(log_q);
    ppl__reach *reach =
        ppl_alloc(c, (size_t)ppl_trace_count(pair->guide) * sizeof *reach);
    downstream d = { .pair = pair, .site = site, .reach = reach,
                     .shape = ppl_tensor_shape(log_q), .count = (int64_t)count,
                     .cost = ppl_alloc(c, count * sizeof *d.cost),
                     .sum = ppl_alloc(c, count * sizeof *d.sum) };

    if (reach == NULL || d.cost == NULL || d.sum == NULL)
        return NULL;
    ppl__pair_descendants(pair, position, reach);
    add_trace(&d, pair->model, 1);
    add_trace(&d, pair->guide, -1);
    for (size_t i = 0; i < count; i++)
        d.cost[i] *= factor;
    return ppl_from_doubles(c, d.shape, d.cost);
}
