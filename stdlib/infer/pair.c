/* SPDX-License-Identifier: MIT */
/*
 * pair.c - running a guide and its model as a pair, the checks that they fit each other,
 * and the dependence of latents in the guide, from the provenance that messages carry.
 */
#include "pair.h"

#include <string.h>

static int is_latent(const ppl_msg *m)
{
    return m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0;
}

/* ---- Model and guide must fit ------------------------------------------------------ */

/* Why a latent of the guide does not fit the model's site of that address (NULL: none). */
static void fail_fit(ppl_ctx *c, const ppl_msg *q, const ppl_msg *p)
{
    char site[128];

    ppl_site_text(q, site, sizeof site);
    if ((q->flags & PPL_AUXILIARY) != 0)
        ppl_fail(c, PPL_EMISMATCH, "guide site %s is auxiliary and the model has it "
                 "too; sample it with ppl_sample, or rename it", site);
    else if (p == NULL)
        ppl_fail(c, PPL_EMISMATCH, "guide site %s is not in the model; give it the name "
                 "of a latent of the model, or sample it with ppl_sample_auxiliary",
                 site);
    else if (!is_latent(p))
        ppl_fail(c, PPL_EMISMATCH, "guide site %s is %s in the model; the guide samples "
                 "the model's latents only", site,
                 p->kind == PPL_SITE_SAMPLE ? "observed" : "no sample");
    else
        ppl_fail(c, PPL_EMISMATCH, "event dims disagree at site %s: %d in the model, %d "
                 "in the guide; make them equal with ppl_event", site,
                 p->dist->event_dim, q->dist->event_dim);
}

static int check_guide_site(ppl_ctx *c, const ppl_msg *q, const ppl_trace *model)
{
    const ppl_msg *p = ppl_trace_find(model, q->name, q->index);
    const int fits = (q->flags & PPL_AUXILIARY) != 0
                         ? p == NULL
                         : p != NULL && is_latent(p) &&
                               p->dist->event_dim == q->dist->event_dim;

    if (!fits)
        fail_fit(c, q, p);
    return ppl_ok(c);
}

static int check_model_site(ppl_ctx *c, const ppl_msg *p, const ppl_trace *guide)
{
    char site[128];

    if (ppl_trace_find(guide, p->name, p->index) == NULL)
        ppl_fail(c, PPL_EMISMATCH, "model site %s is latent and the guide does not "
                 "sample it; sample it in the guide, or observe it",
                 ppl_site_text(p, site, sizeof site));
    return ppl_ok(c);
}

/* Each latent of the guide that is not auxiliary has one of the model to itself; if the
 * model has as many, none is left. */
static int check_fit(ppl_ctx *c, const ppl_trace *model, const ppl_trace *guide)
{
    int left = 0;

    for (int i = 0; i < ppl_trace_count(model); i++)
        left += is_latent(ppl_trace_at(model, i));
    for (int i = 0; i < ppl_trace_count(guide); i++) {
        const ppl_msg *q = ppl_trace_at(guide, i);

        if (is_latent(q) && !check_guide_site(c, q, model))
            return 0;
        left -= is_latent(q) && (q->flags & PPL_AUXILIARY) == 0;
    }
    for (int i = 0; left > 0 && i < ppl_trace_count(model); i++) {
        const ppl_msg *p = ppl_trace_at(model, i);

        if (is_latent(p) && !check_model_site(c, p, guide))
            return 0;
    }
    return 1;
}

/* ---- Making ------------------------------------------------------------------------ */

static int number_sites(ppl__pair *pair)
{
    int count = ppl_trace_count(pair->guide);
    ppl_ctx *c = pair->ctx;

    for (int i = 0; i < count; i++)
        if (ppl_trace_at(pair->guide, i)->site >= pair->ids)
            pair->ids = ppl_trace_at(pair->guide, i)->site + 1;
    pair->position = ppl_alloc(c, (size_t)pair->ids * sizeof *pair->position);
    pair->kl = ppl_alloc(c, (size_t)count * sizeof *pair->kl);
    pair->stamp = ppl_alloc(c, (size_t)count * sizeof *pair->stamp);
    pair->stack = ppl_alloc(c, (size_t)count * sizeof *pair->stack);
    if (pair->position == NULL || pair->kl == NULL || pair->stamp == NULL || pair->stack == NULL)
        return 0;
    memset(pair->position, 0xff, (size_t)pair->ids * sizeof *pair->position);
    for (int i = 0; i < count; i++)
        if (is_latent(ppl_trace_at(pair->guide, i)))
            pair->position[ppl_trace_at(pair->guide, i)->site] = i;
    return 1;
}

ppl__pair *ppl__pair_make(ppl_ctx *c, ppl_model model, ppl_model guide, const void *arg)
{
    ppl__pair *pair = ppl_alloc(c, sizeof *pair);

    if (pair == NULL)
        return NULL;
    pair->ctx = c;
    pair->guide = ppl_get_trace(c, guide, arg, NULL);
    if (pair->guide == NULL)
        return NULL;
    pair->model = ppl_get_trace(c, model, arg,
                                (ppl_handler *[]){ ppl_replay(c, pair->guide), NULL });
    if (pair->model == NULL || !check_fit(c, pair->model, pair->guide) ||
        !number_sites(pair))
        return NULL;
    return pair;
}

/* ---- Dependence -------------------------------------------------------------------- */

static int position_of(const ppl__pair *pair, int site)
{
    return site < pair->ids ? pair->position[site] : -1;
}

/* Whether the guide's site at `from` is the one at `target` or descends from it: a search
 * up through parents that stays at or after `target`. */
static int descends_from(ppl__pair *pair, int from, int target)
{
    int depth = 0;

    pair->stamps++;
    pair->stack[depth++] = from;
    pair->stamp[from] = pair->stamps;
    while (depth > 0) {
        int at = pair->stack[--depth];
        const ppl_sites *set = ppl_trace_at(pair->guide, at)->parents;

        if (at == target)
            return 1;
        for (int s = ppl_sites_next(set, 0); s >= 0; s = ppl_sites_next(set, s + 1)) {
            int up = position_of(pair, s);

            if (up >= target && pair->stamp[up] != pair->stamps) {
                pair->stamp[up] = pair->stamps;
                pair->stack[depth++] = up;
            }
        }
    }
    return 0;
}

const ppl_msg *ppl__pair_dependence(ppl__pair *pair, const ppl_sites *parents,
                                    int position)
{
    for (int s = ppl_sites_next(parents, 0); s >= 0; s = ppl_sites_next(parents, s + 1)) {
        int at = position_of(pair, s);

        if (at >= position && descends_from(pair, at, position))
            return ppl_trace_at(pair->guide, at);
    }
    return NULL;
}

ppl__reach ppl__shared_axes(const ppl_msg *a, const ppl_msg *b)
{
    unsigned shared = 0;

    for (const ppl_frame *f = a->plates; f != NULL; f = f->inner)
        for (const ppl_frame *g = b->plates; g != NULL; g = g->inner)
            if (f->name == g->name && f->dim == g->dim && f->dim != 0)
                shared |= 1u << -f->dim;
    return (ppl__reach)shared;
}

ppl__reach ppl__pair_depends(const ppl__pair *pair, const ppl_sites *parents,
                             const ppl__reach *reach)
{
    unsigned common = ~0u;
    int any = 0;

    for (int s = ppl_sites_next(parents, 0); s >= 0; s = ppl_sites_next(parents, s + 1)) {
        int at = position_of(pair, s);

        if (at >= 0 && reach[at] != 0) {
            common &= reach[at];
            any = 1;
        }
    }
    return any ? (ppl__reach)common : 0;
}

void ppl__pair_descendants(const ppl__pair *pair, int position, ppl__reach *reach)
{
    const ppl_msg *site = ppl_trace_at(pair->guide, position);
    int count = ppl_trace_count(pair->guide);

    memset(reach, 0, (size_t)count * sizeof *reach);
    reach[position] = (ppl__reach)(1 | ppl__shared_axes(site, site));
    for (int i = position + 1; i < count; i++) {
        const ppl_msg *m = ppl_trace_at(pair->guide, i);

        if (is_latent(m))
            reach[i] = (ppl__reach)(ppl__pair_depends(pair, m->parents, reach) &
                                    (1 | ppl__shared_axes(site, m)));
    }
}
