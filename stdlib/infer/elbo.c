/* SPDX-License-Identifier: MIT */
/*
 * elbo.c - both ELBOs: the terms of a pair of traces, the estimator of each, their sum in
 * double, and the gradient of the loss by seeding the tape at every term.
 *
 * The surrogate whose gradient is taken is a weighted sum of tensors (log p, log q, KL),
 * so it is never built: each tensor is a root of the sweep, seeded with its weight.
 * Derivation: doc/mean-field.md. References: Kingma and Welling 2014 (pathwise gradient),
 * Ranganath, Gerrish and Blei 2014 (score function), Krishnan et al. 2017 (analytic KL).
 */
#include <kiln/distributions.h>
#include <kiln/maths.h>

#include "baseline.h"
#include "ledger.h"
#include "pair.h"
#include "score.h"

#include <math.h>
#include <string.h>

const ppl_option_key ppl_option_estimator = { "estimator" };

struct ppl_elbo {
    ppl_ctx *ctx;
    const char *name;
    int particles;
    int analytic;                   /* swap in the analytic KL where that is valid */
    ppl__ledger ledger;
};

/* The roots of one particle's reverse sweep and what each is weighted by. */
typedef struct roots {
    ppl_tensor **root, **seed;
    int count;
} roots;

/* One estimate in the making. */
typedef struct estimate {
    ppl_elbo *elbo;
    ppl__pair *pair;
    roots roots;
    double value;                   /* the ELBO of this particle, nats */
    double weight;                  /* of its gradient in the loss: -1 / particles */
    int gradient;
    int scores;                     /* sites without a pathwise gradient */
    ppl_tensor *seed;               /* the latest one of add_weighted, and its number */
    double seed_number;
} estimate;

ppl__ledger *ppl__ledger_of(const ppl_elbo *elbo)
{
    return &((ppl_elbo *)(uintptr_t)elbo)->ledger;
}

/* ---- Terms ------------------------------------------------------------------------- */

/* Adds a root; `seed` is of one element or of the root's shape. */
static void add_root(estimate *e, ppl_tensor *root, ppl_tensor *seed)
{
    if (!e->gradient || !ppl_requires_grad(root))
        return;
    e->roots.root[e->roots.count] = root;
    e->roots.seed[e->roots.count++] = seed;
}

/* Adds a root that is weighted by a number; like numbers share a seed. */
static void add_weighted(estimate *e, ppl_tensor *root, double number)
{
    if (!e->gradient || !ppl_requires_grad(root))
        return;
    if (e->seed == NULL || e->seed_number != number)
        e->seed = ppl_scalar(e->elbo->ctx, number);
    e->seed_number = number;
    add_root(e, root, e->seed);
}

/* sign * scale * log-probability of a site: returns it and makes it a root. */
static double add_log_prob(estimate *e, ppl_msg *m, double sign)
{
    ppl_tensor *log_prob = ppl_site_log_prob(m);

    add_weighted(e, log_prob, e->weight * sign * m->scale);
    return sign * m->scale * ppl_total(log_prob);
}

/* -scale * KL(q || p) of the guide's site at `position`: returns it and makes it a root. */
static double add_kl(estimate *e, const ppl_msg *q, const ppl_msg *p, int position)
{
    ppl_tensor *kl = ppl_kl(ppl_masked(q->dist, q->mask), p->dist);

    e->pair->kl[position] = kl;
    add_weighted(e, kl, -e->weight * q->scale);
    return -q->scale * ppl_total(kl);
}

/* ---- Which estimator --------------------------------------------------------------- */

static int same_bytes(ppl_tensor *a, ppl_tensor *b, ppl_shape batch)
{
    ppl_tensor *x = ppl_expand(a, batch), *y = ppl_expand(b, batch);

    return x != NULL && y != NULL &&
           memcmp(ppl_data(x), ppl_data(y), (size_t)ppl_numel(x)) == 0;
}

/* The whole mask of a site: the distribution's and the handlers'. */
static ppl_tensor *whole_mask(const ppl_msg *m)
{
    if (m->mask == NULL || m->dist->mask == NULL)
        return m->mask != NULL ? m->mask : m->dist->mask;
    return ppl_and(m->mask, m->dist->mask);
}

static int same_mask(ppl_ctx *c, const ppl_msg *q, const ppl_msg *p)
{
    ppl_tensor *a, *b, *all;

    if (q->mask == p->mask && q->dist->mask == p->dist->mask)
        return 1;
    a = whole_mask(q);
    b = whole_mask(p);
    all = ppl_from_mask(c, (ppl_shape){ 0, { 0 } }, (const unsigned char[]){ 1 });
    return same_bytes(a != NULL ? a : all, b != NULL ? b : all,
                      ppl_dist_batch_shape(q->dist));
}

/* Whether the analytic KL may take the place of the ratio; else why not. */
static int swap_is_valid(estimate *e, const ppl_msg *q, const ppl_msg *p, int position,
                         ppl__reason *reason)
{
    ppl_ctx *c = e->elbo->ctx;
    const ppl_msg *latent;

    if (ppl_kl_rule_of(q->dist, p->dist) == NULL) {
        *reason = (ppl__reason){ .why = PPL__WHY_NO_RULE, .q = q->dist->family->name,
                                 .p = p->dist->family->name };
        return 0;
    }
    if (q->scale < p->scale || q->scale > p->scale) {
        *reason = (ppl__reason){ .why = PPL__WHY_SCALE, .q_scale = q->scale,
                                 .p_scale = p->scale };
        return 0;
    }
    if (!same_mask(c, q, p)) {
        *reason = (ppl__reason){ .why = PPL__WHY_MASK };
        return 0;
    }
    latent = ppl__pair_dependence(e->pair, p->parents, position);
    if (latent != NULL) {
        *reason = (ppl__reason){ .why = PPL__WHY_DEPENDENCE, .name = latent->name,
                                 .index = latent->index };
        return 0;
    }
    *reason = (ppl__reason){ .why = PPL__WHY_VALID };
    return 1;
}

static int reparameterised(const ppl_msg *q)
{
    return (q->dist->family->flags & PPL_REPARAM) != 0;
}

/* ---- One particle ------------------------------------------------------------------ */

/* Notes a term; a value that is not finite ends the estimate, naming the site. */
static int enter_term(estimate *e, const ppl_msg *m, ppl_estimator estimator,
                      const ppl__reason *reason, double value)
{
    ppl_ctx *c = e->elbo->ctx;
    char site[128];

    if (!ppl_ok(c))
        return 0;
    if (!isfinite(value)) {
        ppl_fail(c, PPL_ENONFINITE, "%s: the term of site %s (%s, %s) is %g; check its "
                 "parameters and its value", e->elbo->name,
                 ppl_site_text(m, site, sizeof site), m->dist->family->name,
                 ppl_estimator_name(estimator), isnan(value) ? NAN : value);
        return 0;
    }
    e->value += value;
    return ppl__ledger_note(&e->elbo->ledger, m,
                            &(ppl__note){ estimator, *reason, value });
}

/* log p - log q at the sample, each with its own scale and mask. A site that is not
 * reparameterised gets its score-function weight later, when all costs are known. */
static int enter_ratio(estimate *e, ppl_msg *q, ppl_msg *p, ppl__reason reason)
{
    double value = p != NULL ? add_log_prob(e, p, 1) : 0;

    if (reparameterised(q)) {
        value += add_log_prob(e, q, -1);
        return enter_term(e, q, PPL_SAMPLED_RATIO, &reason, value);
    }
    value -= q->scale * ppl_total(ppl_site_log_prob(q));
    if (reason.why == PPL__WHY_SAMPLED)
        reason = (ppl__reason){ .why = PPL__WHY_NOT_REPARAMETERISED,
                                .q = q->dist->family->name };
    return enter_term(e, q, PPL_SCORE_FUNCTION, &reason, value);
}

/* A site that asks for its analytic KL and cannot have it. */
static int refuse(estimate *e, const ppl_msg *q, const ppl__reason *reason)
{
    char site[128], text[192];

    ppl_fail(e->elbo->ctx, PPL_EUNSUPPORTED, "%s: site %s asks for an analytic KL "
             "(ppl_option_estimator), which it cannot have: %s", e->elbo->name,
             ppl_site_text(q, site, sizeof site),
             ppl__reason_text(reason, text, sizeof text));
    return 0;
}

static int enter_latent(estimate *e, ppl_msg *q, ppl_msg *p, int position)
{
    const ppl_estimator *asked = ppl_msg_option(q, &ppl_option_estimator);
    ppl__reason reason = { .why = PPL__WHY_SAMPLED };

    e->scores += !reparameterised(q);
    if (p == NULL)
        reason.why = PPL__WHY_AUXILIARY;
    else if (e->elbo->analytic && asked != NULL && *asked == PPL_SAMPLED_RATIO)
        reason.why = PPL__WHY_ASKED;
    else if (e->elbo->analytic && swap_is_valid(e, q, p, position, &reason))
        return enter_term(e, q, PPL_ANALYTIC_KL, &reason, add_kl(e, q, p, position));
    if (asked != NULL && *asked == PPL_ANALYTIC_KL)
        return refuse(e, q, &reason);
    return enter_ratio(e, q, p, reason);
}

/* Latents in the guide's order, then what is observed. */
static int enter_terms(estimate *e)
{
    const ppl__reason observed = { .why = PPL__WHY_OBSERVED };
    const ppl__reason of_guide = { .why = PPL__WHY_GUIDE };

    for (int i = 0; i < ppl_trace_count(e->pair->guide); i++) {
        ppl_msg *q = ppl_trace_at(e->pair->guide, i);

        if (q->kind != PPL_SITE_SAMPLE)
            continue;
        if ((q->flags & PPL_OBSERVED) != 0) {
            if (!enter_term(e, q, PPL_LIKELIHOOD, &of_guide, add_log_prob(e, q, -1)))
                return 0;
        } else if (!enter_latent(e, q, ppl_trace_find(e->pair->model, q->name, q->index),
                                 i)) {
            return 0;
        }
    }
    for (int i = 0; i < ppl_trace_count(e->pair->model); i++) {
        ppl_msg *p = ppl_trace_at(e->pair->model, i);

        if (p->kind == PPL_SITE_SAMPLE && (p->flags & PPL_OBSERVED) != 0 &&
            !enter_term(e, p, PPL_LIKELIHOOD, &observed, add_log_prob(e, p, 1)))
            return 0;
    }
    return 1;
}

/* log q of a draw. A mask takes a site's terms out of the ELBO, but the draw was made and
 * may matter elsewhere: its score is that of the whole distribution. */
static ppl_tensor *score_of(ppl_msg *q)
{
    ppl_dist *whole;

    if (q->mask == NULL && q->dist->mask == NULL)
        return ppl_site_log_prob(q);
    whole = ppl_alloc(q->ctx, sizeof *whole);
    if (whole == NULL)
        return NULL;
    *whole = *q->dist;
    whole->mask = NULL;
    return ppl_log_prob(whole, q->value);
}

/* The score of the guide's site at `position`, weighted by the cost downstream of it less
 * its baseline, which learns from that cost. */
static void add_score(estimate *e, ppl_msg *q, int position)
{
    ppl_tensor *score = score_of(q), *cost;
    ppl__baseline b;

    if (!ppl_requires_grad(score))
        return;
    cost = ppl__downstream_cost(e->pair, position);
    if (!ppl__baseline_of(&e->elbo->ledger, e->pair, position, cost, &b))
        return;
    add_root(e, score, ppl_affine(b.excess, e->weight, 0));
    if (b.learned != NULL)
        add_root(e, b.learned, ppl_affine(b.error, -2 * e->weight, 0));
}

/* The score of each site without a pathwise gradient. */
static void add_scores(estimate *e)
{
    for (int i = 0; e->scores > 0 && i < ppl_trace_count(e->pair->guide) &&
                    ppl_ok(e->elbo->ctx); i++) {
        ppl_msg *q = ppl_trace_at(e->pair->guide, i);

        if (q->kind == PPL_SITE_SAMPLE && (q->flags & PPL_OBSERVED) == 0 &&
            !reparameterised(q))
            add_score(e, q, i);
    }
}

static int make_roots(estimate *e)
{
    size_t most = 3 * (size_t)ppl_trace_count(e->pair->guide) +
                  (size_t)ppl_trace_count(e->pair->model);

    e->roots.root = ppl_alloc_raw(e->elbo->ctx, most * sizeof *e->roots.root);
    e->roots.seed = ppl_alloc_raw(e->elbo->ctx, most * sizeof *e->roots.seed);
    return e->roots.root != NULL && e->roots.seed != NULL;
}

enum { SHARES = 64, SMALL = 4096 }; /* of the gradient, to be looked at apart; of a small
                                       one there is one */
typedef struct look {
    ppl_slab slab;
    size_t shares;
    double sum[SHARES];
} look;

static void sum_shares(void *arg, size_t from, size_t to)
{
    look *l = arg;
    const size_t n = (size_t)l->slab.size, size = l->slab.dtype == PPL_F32 ? 4 : 8;

    for (size_t i = from; i < to; i++) {
        const size_t first = n * i / l->shares, end = n * (i + 1) / l->shares;

        l->sum[i] = ppl_maths_sum(l->slab.dtype, end - first,
                                  (const char *)l->slab.grad + first * size);
    }
}

/* A few sums tell whether there is anything to look for. */
static void check_gradient(const ppl_elbo *elbo)
{
    ppl_ctx *c = elbo->ctx;
    ppl_slab s = ppl_param_slab(c);
    look l;                         /* all sums are set */
    double sum = 0;

    if (s.grad == NULL)
        return;
    l.slab = s;
    l.shares = s.size < SMALL ? 1 : SHARES;
    ppl_maths_split(c, l.shares, SHARES * 4000 / ((size_t)s.size + 1) + 1, sum_shares, &l);
    for (size_t i = 0; i < l.shares; i++)
        sum += l.sum[i];
    if (isfinite(sum))
        return;
    for (int p = 0; p < ppl_param_count(c); p++) {
        const ppl_param_info *info = ppl_param_at(c, p);

        for (int64_t i = info->offset; i < info->offset + info->count; i++)
            if (!(s.dtype == PPL_F32 ? isfinite(((const float *)s.grad)[i])
                                     : isfinite(((const double *)s.grad)[i]))) {
                ppl_fail(c, PPL_ENONFINITE, "%s: the gradient of parameter %s is not "
                         "finite at element %lld; nothing was updated. Check scales near "
                         "0 and the learning rate", elbo->name, info->name,
                         (long long)(i - info->offset));
                return;
            }
    }
}

static double particle(ppl_elbo *elbo, ppl_model model, ppl_model guide, const void *arg,
                       int gradient)
{
    ppl_ctx *c = elbo->ctx;
    estimate e = { .elbo = elbo, .gradient = gradient, .weight = -1.0 / elbo->particles };

    e.pair = ppl__pair_make(c, model, guide, arg);
    if (e.pair == NULL || !make_roots(&e) || !enter_terms(&e))
        return NAN;
    if (gradient) {
        add_scores(&e);
        if (!ppl_ok(c) || ppl_backward_from(e.roots.root, e.roots.seed,
                                            e.roots.count) != PPL_OK)
            return NAN;
    }
    return e.value;
}

/* ---- The estimate ------------------------------------------------------------------ */

/* The particles of one shard: the sum of their ELBOs, nats. */
static double particles(ppl_elbo *elbo, ppl_model model, ppl_model guide, const void *arg,
                        int gradient)
{
    ppl_ctx *c = elbo->ctx;
    const int enabled = ppl_set_grad_enabled(c, gradient);
    double sum = 0;

    for (int k = 0; k < elbo->particles && ppl_ok(c); k++) {
        ppl_epoch mark = ppl_epoch_begin(c);

        ppl_set_particle(c, (uint64_t)k);
        if (ppl_ok(c))
            sum += particle(elbo, model, guide, arg, gradient);
        ppl_epoch_end(c, mark);
    }
    ppl_set_particle(c, 0);
    ppl_set_grad_enabled(c, enabled);
    return sum;
}

typedef struct shard {
    ppl_elbo *elbo;                 /* of the context that it ran in; NULL: it did not */
    double sum;
} shard;

typedef struct shards {
    ppl_elbo *elbo;
    ppl_model model, guide;
    const void *const *arg;
    int gradient;
    shard *shard;
    int resets;                     /* of the ledger, which shard 0 writes meanwhile */
} shards;

static ppl_elbo *make_elbo(ppl_ctx *c, const void *key, const ppl_elbo *like);

/* The ELBO as another context has it, under the ELBO's address. What it has noted is of a
 * shard that was done again elsewhere. */
static ppl_elbo *elbo_in(ppl_ctx *c, ppl_elbo *elbo, int resets)
{
    ppl_elbo *own = c == elbo->ctx ? elbo : ppl_owned(c, elbo);

    if (own == NULL)
        own = make_elbo(c, elbo, elbo);
    if (own == NULL || own == elbo)
        return own;
    ppl__ledger_drop(&own->ledger);
    if (own->ledger.resets != resets)
        ppl_ledger_reset(own);
    own->ledger.resets = resets;
    return own;
}

static void run_shard(ppl_ctx *c, int i, void *user)
{
    const shards *all = user;
    shard *s = &all->shard[i];

    s->elbo = elbo_in(c, all->elbo, all->resets);
    if (s->elbo != NULL)
        s->sum = particles(s->elbo, all->model, all->guide, all->arg[i], all->gradient);
}

/* What the shards have noted, in the ledger if all went well; the loss. */
static double enter_shards(const shards *all, int count)
{
    ppl_elbo *elbo = all->elbo;
    double sum = 0;
    int entered = ppl_ok(elbo->ctx);

    for (int i = 0; i < count; i++) {
        ppl_elbo *own = all->shard[i].elbo;

        if (entered && own != elbo)
            entered = ppl__ledger_gather(&elbo->ledger, &own->ledger);
        sum += all->shard[i].sum;
    }
    for (int i = 0; i < count; i++) {
        ppl_elbo *own = all->shard[i].elbo;

        if (own != NULL && entered)
            ppl__ledger_commit(&own->ledger, elbo->particles);
        else if (own != NULL)
            ppl__ledger_drop(&own->ledger);
    }
    return entered ? -sum / elbo->particles : NAN;
}

ppl_status ppl_elbo_estimate_shards(ppl_elbo *elbo, ppl_model model, ppl_model guide,
                                    const void *const *arg, int count, int gradient,
                                    double *loss)
{
    ppl_ctx *c;
    shards all = { elbo, model, guide, arg, gradient, NULL, 0 };
    ppl_epoch mark;

    *loss = NAN;
    if (elbo == NULL)
        return PPL_EINVAL;
    c = elbo->ctx;
    all.resets = elbo->ledger.resets;
    if (ppl_boundary_enter(c) != PPL_OK)
        return ppl_error(c);
    if (arg == NULL)
        ppl_fail(c, PPL_EINVAL, "ppl_elbo_estimate_shards: the array of arguments is NULL; "
                 "give one for each shard");
    mark = ppl_epoch_begin(c);
    all.shard = ppl_alloc(c, (size_t)(count > 0 ? count : 0) * sizeof *all.shard);
    if (ppl_ok(c) && ppl_run_shards(c, count, run_shard, &all) == PPL_OK && gradient)
        check_gradient(elbo);
    if (all.shard != NULL)
        *loss = enter_shards(&all, count);
    ppl_epoch_end(c, mark);
    return ppl_boundary_leave(c);
}

ppl_status ppl_elbo_estimate(ppl_elbo *elbo, ppl_model model, ppl_model guide,
                             const void *arg, int gradient, double *loss)
{
    return ppl_elbo_estimate_shards(elbo, model, guide, &arg, 1, gradient, loss);
}

static void release_elbo(ppl_ctx *c, void *object)
{
    ppl_elbo *elbo = object;

    ppl__ledger_free(&elbo->ledger);
    ppl_persistent_free(c, elbo, sizeof *elbo);
}

static ppl_elbo *make_elbo(ppl_ctx *c, const void *key, const ppl_elbo *like)
{
    ppl_elbo *elbo = ppl_persistent_alloc(c, sizeof *elbo);

    if (elbo == NULL)
        return NULL;
    elbo->ctx = elbo->ledger.ctx = c;
    elbo->name = like->name;
    elbo->particles = like->particles;
    elbo->analytic = like->analytic;
    return ppl_own(c, key, elbo, release_elbo) == PPL_OK ? elbo : NULL;
}

static ppl_elbo *new_elbo(ppl_ctx *c, const char *name, int analytic,
                          const ppl_elbo_opts *opts)
{
    static const char key;
    const int particles = opts != NULL && opts->particles != 0 ? opts->particles : 1;

    if (particles < 1) {
        ppl_fail(c, PPL_EINVAL, "%s: particles is %d; it must be 1 or more", name,
                 particles);
        return NULL;
    }
    return make_elbo(c, &key, &(ppl_elbo){ .name = name, .particles = particles,
                                           .analytic = analytic });
}

ppl_elbo *ppl_trace_elbo(ppl_ctx *c, const ppl_elbo_opts *opts)
{
    return new_elbo(c, "ppl_trace_elbo", 0, opts);
}

ppl_elbo *ppl_trace_mean_field_elbo(ppl_ctx *c, const ppl_elbo_opts *opts)
{
    return new_elbo(c, "ppl_trace_mean_field_elbo", 1, opts);
}
