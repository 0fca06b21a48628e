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

/* cost += weight * `term`, [batch], summed over the axes not shared. */
static void add_term(downstream *d, ppl_tensor *term, unsigned shared, double weight)
{
    ppl_shape narrow = shared_shape(d->shape, shared), from = ppl_tensor_shape(term);
    int floats = ppl_tensor_dtype(term) == PPL_F32;
    const void *element = ppl_data(term);

    if (element == NULL)
        return;
    memset(d->sum, 0, (size_t)d->count * sizeof *d->sum);
    for (int64_t i = 0; i < ppl_numel(term); i++)
        d->sum[matching(from, i, narrow)] += floats ? (double)((const float *)element)[i]
                                                    : ((const double *)element)[i];
    for (int64_t i = 0; i < d->count; i++)
        d->cost[i] += weight * d->sum[matching(d->shape, i, narrow)];
}

/* Two ways to depend on the site, or one: slice by slice where both do. */
static unsigned joined(unsigned a, unsigned b)
{
    return a == 0 || b == 0 ? a | b : a & b;
}

/* Where the guide draws m's value; -1 if it does not. */
static int guide_position(const ppl__pair *pair, const ppl_msg *m)
{
    return (m->flags & PPL_OBSERVED) == 0 && m->site < pair->ids ? pair->position[m->site]
                                                                 : -1;
}

/* The log-probabilities of a trace, but of sites where a KL stands for them: they depend
 * on the site by their parents, and by their own value if that is latent. */
static void add_trace(downstream *d, const ppl_trace *trace, double sign)
{
    for (int i = 0; i < ppl_trace_count(trace); i++) {
        ppl_msg *m = ppl_trace_at(trace, i);
        int at = m->kind == PPL_SITE_SAMPLE ? guide_position(d->pair, m) : -1;
        unsigned how;

        if (m->kind != PPL_SITE_SAMPLE || (at >= 0 && d->pair->kl[at] != NULL))
            continue;
        how = joined(ppl__pair_depends(d->pair, m->parents, d->reach),
                     at >= 0 ? d->reach[at] : 0);
        if (how != 0)
            add_term(d, ppl_site_log_prob(m), how & ppl__shared_axes(d->site, m),
                     sign * m->scale);
    }
}

/* The KLs, which depend on the parents of q and of p, and not on the draw itself. */
static void add_divergences(downstream *d)
{
    for (int i = 0; i < ppl_trace_count(d->pair->guide); i++) {
        const ppl_msg *q = ppl_trace_at(d->pair->guide, i), *p;
        unsigned how;

        if (d->pair->kl[i] == NULL)
            continue;
        p = ppl_trace_find(d->pair->model, q->name, q->index);
        how = joined(ppl__pair_depends(d->pair, q->parents, d->reach),
                     ppl__pair_depends(d->pair, p->parents, d->reach));
        if (how != 0)
            add_term(d, d->pair->kl[i], how & ppl__shared_axes(d->site, q), -q->scale);
    }
}

ppl_tensor *ppl__downstream_cost(ppl__pair *pair, int position)
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
    add_divergences(&d);
    return ppl_from_doubles(c, d.shape, d.cost);
}
