/* SPDX-License-Identifier: MIT */
/*
 * ways.h - models of every kind, and every handler of the public headers made in one way
 * or another, with the laws that it then obeys. What laws and memory are tested over.
 *
 * A handler of PPL_HANDLER_MAP without a row here does not build.
 */
#ifndef KILN_TESTS_WAYS_H
#define KILN_TESTS_WAYS_H

#include "fixture.h"

#include <kiln/conjugate.h>

#define NO PPL_NO_INDEX

/* ---- Models ------------------------------------------------------------------------ */

static void empty(ppl_ctx *c, const void *arg)
{
    (void)c, (void)arg;
}

/* z_t ~ N(w z_{t-1}, s), x_t ~ N(z_t, 1) observed. */
static void time_series(ppl_ctx *c, const void *arg)
{
    ppl_tensor *w = ppl_param(c, "w", PPL_SHAPE(2), ppl_init_normal(0, 1), PPL_REAL);
    ppl_tensor *s = ppl_param(c, "s", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    ppl_tensor *z = ppl_full(c, PPL_SHAPE(3, 2), 1);
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(3, 2), 0.5);
    (void)arg;
    for (int t = 0; t < 5; t++) {
        z = ppl_sample_at(c, "z", t, ppl_event(ppl_normal(ppl_mul(z, w), s), 1));
        ppl_observe_at(c, "x", t, ppl_event(ppl_normal(z, ppl_scalar(c, 1)), 1), x);
    }
}

/* Every kind of statement and several families. */
static void statements(ppl_ctx *c, const void *arg)
{
    ppl_tensor *half = ppl_full(c, PPL_SHAPE(3), 0.5), *two = ppl_scalar(c, 2);
    (void)arg;
    ppl_tensor *b = ppl_sample(c, "b", ppl_bernoulli(half));
    ppl_tensor *k = ppl_sample(c, "k", ppl_categorical(half));
    ppl_tensor *g = ppl_sample(c, "g", ppl_gamma(two, ppl_affine(b, 1, 1)));
    ppl_tensor *beta = ppl_sample(c, "beta", ppl_beta(two, g));
    ppl_tensor *d = ppl_deterministic(c, "d", ppl_mul(beta, ppl_to_float(k)));
    ppl_sample(c, "e", ppl_exponential(ppl_affine(ppl_exp(d), 1, 1)));
    ppl_sample_auxiliary(c, "aux", NO, ppl_normal(g, two));
    ppl_factor(c, "f", ppl_neg(g));
    ppl_sample(c, "late", standard(c, PPL_SHAPE(2)));
}

/* Some rows and some columns of a table, with latents for both. */
static void table(ppl_ctx *c, const void *arg)
{
    ppl_tensor *data = counted(c, PPL_SHAPE(5, 6));
    ppl_tensor *loc = ppl_sample(c, "loc", standard(c, PPL_SCALAR));
    ppl_handler *columns = ppl_plate(c, "columns", 6,
                                     &(ppl_plate_opts){ .subsample_size = 4 });
    (void)arg;
    ppl_scope s = ppl_push(c, columns);
    ppl_tensor *column = ppl_sample(c, "column", ppl_normal(loc, ppl_scalar(c, 2)));
    ppl_handler *rows = ppl_plate(c, "rows", 5, &(ppl_plate_opts){ .subsample_size = 2 });
    ppl_push(c, rows);
    ppl_tensor *row = ppl_sample(c, "row", standard(c, PPL_SCALAR));
    data = ppl_index_select(ppl_index_select(data, 0, ppl_plate_indices(rows)), 1,
                            ppl_plate_indices(columns));
    ppl_observe(c, "cell", ppl_normal(ppl_add(row, column), ppl_scalar(c, 1)), data);
    ppl_pop(c, s);
}

/* Handlers within the model. What is hidden there no one else can hold, so nothing that
 * is seen depends on it. */
static void scopes(ppl_ctx *c, const void *arg)
{
    ppl_tensor *mask = ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 });
    ppl_tensor *a = ppl_sample(c, "a", standard(c, PPL_SHAPE(2)));
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_scale(c, 3));
    ppl_push(c, ppl_mask(c, mask));
    ppl_tensor *b = ppl_sample(c, "b", ppl_normal(a, ppl_scalar(c, 1)));
    ppl_push(c, ppl_condition(c, values({ "seen", 2, ppl_full(c, PPL_SHAPE(2), 1) }),
                              NULL));
    ppl_sample_at(c, "seen", 2, ppl_normal(b, ppl_scalar(c, 1)));
    ppl_pop(c, s);
    s = ppl_push(c, ppl_block(c, NULL));
    ppl_sample(c, "hidden", standard(c, PPL_SHAPE(2)));
    ppl_pop(c, s);
    s = ppl_push(c, ppl_seed(c, 4));
    ppl_sample(c, "fixed", ppl_normal(b, ppl_scalar(c, 1)));
    ppl_pop(c, s);
    s = ppl_push(c, ppl_mask(c, ppl_less(a, b)));
    ppl_observe(c, "masked", standard(c, PPL_SHAPE(2)), ppl_full(c, PPL_SHAPE(2), 1));
    ppl_pop(c, s);
    ppl_observe(c, "own_mask", ppl_masked(standard(c, PPL_SHAPE(2)), ppl_less(b, a)),
                ppl_full(c, PPL_SHAPE(2), 1));
    ppl_observe(c, "copy", standard(c, PPL_SHAPE(2)), ppl_exp(a));
    ppl_sample(c, "last", ppl_normal(b, ppl_scalar(c, 1)));
}

/* A branch on a draw: which sites there are depends on it. */
static void branches(ppl_ctx *c, const void *arg)
{
    ppl_tensor *before = ppl_sample(c, "before", standard(c, PPL_SCALAR));
    (void)arg;
    if (ppl_item(ppl_sample(c, "coin", ppl_bernoulli(ppl_scalar(c, 0.5)))) > 0.5)
        ppl_sample(c, "heads", ppl_normal(before, ppl_scalar(c, 1)));
    else
        ppl_sample_at(c, "tails", 3, standard(c, PPL_SHAPE(2)));
    ppl_sample(c, "after", standard(c, PPL_SCALAR));
}

/* Loops and their windows, names with prefixes, sites known in part. */
static void loops(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z = ppl_scalar(c, 0), *data = numbers(c, 1, NAN);
    ppl_handler *n = ppl_plate(c, "n", 3, &(ppl_plate_opts){ .sequential = 1 });
    (void)arg;
    ppl_scope s = ppl_push(c, n);
    for (int64_t i; (i = ppl_plate_next(n)) >= 0;)
        ppl_observe_masked(c, "x", i, standard(c, PPL_SHAPE(2)), data,
                           ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 1, 0 }));
    ppl_pop(c, s);
    s = ppl_push(c, ppl_name_scope(c, "walk", NULL));
    ppl_push(c, ppl_markov(c, 1));
    for (int t = 0; t < 3; t++) {
        ppl_tensor *scale = ppl_param(c, "scale", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
        z = ppl_sample_at(c, "z", t, ppl_normal(z, scale));
        ppl_deterministic_at(c, "square", t, ppl_mul(z, z));
    }
    ppl_pop(c, s);
}

static const struct {
    const char *name;
    ppl_model model;
} models[] = {
    { "empty", empty },   { "time_series", time_series }, { "statements", statements },
    { "table", table },   { "scopes", scopes },           { "branches", branches },
    { "loops", loops },
};
#define CASES (DTYPES * COUNT_OF(models))

/* ---- Traces at fixed states -------------------------------------------------------- */

/* One model and a run of it, which some handlers are made from. */
typedef struct law {
    ppl_ctx *c;
    ppl_model model;
    ppl_trace *own;                 /* of the model alone, at state 0 */
} law;

static inline ppl_trace *at(const law *l, uint64_t state, ppl_handler *const *list)
{
    ppl_set_rng_state(l->c, 11, 100 * state);
    return trace_of(l->c, l->model, NULL, list);
}

static inline law begin(int i)
{
    law l = { start(i % DTYPES), models[i / DTYPES].model, NULL };
    ppl_epoch_begin(l.c);
    l.own = at(&l, 0, NULL);
    ppl_trace_log_prob(l.own);          /* in this epoch, not in one that a law opens */
    return l;
}

static int is_latent(const ppl_msg *m)
{
    return m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0;
}

/* ---- Handlers ---------------------------------------------------------------------- */

/* The values of a trace's sites of one kind (latents of samples), from `first` on every
 * `step`th, as a list for condition or substitute. */
static const ppl_value *values_in(const law *l, const ppl_trace *t, ppl_kind kind,
                                  int first, int step)
{
    ppl_value *list = ppl_alloc(l->c, ((size_t)ppl_trace_count(t) + 1) * sizeof *list);
    int found = 0, count = 0;
    for (int i = 0; i < ppl_trace_count(t) && list != NULL; i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        if (m->kind == kind && (kind == PPL_SITE_PARAM || is_latent(m)) &&
            found++ % step == first)
            list[count++] = (ppl_value){ m->name, m->index, m->value };
    }
    return list;
}

static int unused;                  /* a branch not taken is none of a law's business */

static ppl_handler *traced(const law *l)
{
    ppl_trace *t;
    return ppl_trace_into(l->c, &t);
}
static ppl_handler *replayed(const law *l) { return ppl_replay(l->c, l->own); }
static ppl_handler *not_replayed(const law *l)
{
    ppl_trace *t;
    ppl_trace_into(l->c, &t);
    return ppl_replay(l->c, t);
}
static ppl_handler *conditioned(const law *l)
{
    return ppl_condition(l->c, values_in(l, l->own, PPL_SITE_SAMPLE, 0, 1), NULL);
}
static ppl_handler *half_conditioned(const law *l)
{
    return ppl_condition(l->c, values_in(l, l->own, PPL_SITE_SAMPLE, 1, 2), &unused);
}
static ppl_handler *not_conditioned(const law *l)
{
    return ppl_condition(l->c, NULL, NULL);
}
static ppl_handler *not_done(const law *l) { return ppl_do(l->c, NULL, NULL); }
static ppl_handler *half_done(const law *l)
{
    return ppl_do(l->c, values_in(l, l->own, PPL_SITE_SAMPLE, 0, 2), &unused);
}
static ppl_handler *substituted(const law *l)
{
    return ppl_substitute(l->c, values_in(l, l->own, PPL_SITE_PARAM, 0, 1), NULL);
}
static ppl_tensor *own_value(ppl_msg *m, void *user)
{
    const law *l = user;
    const ppl_msg *own = ppl_trace_find(l->own, m->name, m->index);
    return own != NULL ? own->value : NULL;
}
static ppl_tensor *no_value(ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return NULL;
}
static ppl_handler *substituted_by(const law *l)
{
    return ppl_substitute_by(l->c, own_value, (void *)(uintptr_t)l);
}
static ppl_handler *not_substituted_by(const law *l)
{
    return ppl_substitute_by(l->c, no_value, NULL);
}
static ppl_handler *not_blocked(const law *l)
{
    static const char *const names[] = { NULL };
    return ppl_block(l->c, &(ppl_block_opts){ .hide = names });
}
static ppl_handler *blocked(const law *l)
{
    return ppl_block(l->c, &(ppl_block_opts){ .kinds = PPL_HIDE_DETERMINISTIC });
}
static ppl_handler *plate_around(const law *l)
{
    return ppl_plate(l->c, "around", 2, &(ppl_plate_opts){ .dim = -5, .subsample_size = 1 });
}
static ppl_handler *without_plate(const law *l)
{
    return ppl_block_plate(l->c, "around", 0);
}
static ppl_handler *broadcast(const law *l) { return ppl_broadcast(l->c); }
static ppl_handler *not_collapsed(const law *l)
{
    static const char *const names[] = { NULL };
    return ppl_collapse(l->c, ppl_conjugate_pairs, names);
}
static int never(const ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return 0;
}
static ppl_handler *not_escaped(const law *l) { return ppl_escape(l->c, never, NULL, NULL); }
static void look(ppl_msg *m, void *user)
{
    (void)m, (void)user;
}
static void give_option(ppl_msg *m, void *user)
{
    (void)user;
    ppl_msg_set_option(m, &ppl_option_data, m->name);
}
static ppl_handler *not_configured(const law *l)
{
    return ppl_infer_config(l->c, look, NULL);
}
static ppl_handler *configured(const law *l)
{
    return ppl_infer_config(l->c, give_option, NULL);
}
static ppl_handler *at_feasible(const law *l) { return ppl_init_to_feasible(l->c); }
static ppl_handler *at_mean(const law *l) { return ppl_init_to_mean(l->c); }
static ppl_handler *at_median(const law *l) { return ppl_init_to_median(l->c, 5); }
static ppl_handler *at_sample(const law *l) { return ppl_init_to_sample(l->c); }
static ppl_handler *at_uniform(const law *l) { return ppl_init_to_uniform(l->c, 0.5); }
static ppl_handler *at_value(const law *l)
{
    return ppl_init_to_value(l->c, values_in(l, l->own, PPL_SITE_SAMPLE, 0, 1), &unused);
}
static ppl_handler *at_no_value(const law *l) { return ppl_init_to_value(l->c, NULL, NULL); }
static ppl_handler *not_lifted(const law *l) { return ppl_lift(l->c, NULL, NULL); }
static ppl_handler *lifted(const law *l)
{
    const ppl_prior rows[] = { { NULL, ppl_exponential(ppl_scalar(l->c, 1)) }, { 0 } };
    return ppl_lift(l->c, rows, NULL);
}
static ppl_dist *unit_prior(ppl_msg *m, void *user)
{
    (void)user;
    return m->constraint.type == PPL_REAL.type ? standard(m->ctx, PPL_SCALAR) : NULL;
}
static ppl_dist *no_prior(ppl_msg *m, void *user)
{
    (void)m, (void)user;
    return NULL;
}
static ppl_handler *lifted_by(const law *l) { return ppl_lift_by(l->c, unit_prior, NULL); }
static ppl_handler *not_lifted_by(const law *l) { return ppl_lift_by(l->c, no_prior, NULL); }
static ppl_handler *in_window(const law *l) { return ppl_markov(l->c, 1000); }
static ppl_handler *masked(const law *l)
{
    return ppl_mask(l->c, ppl_from_mask(l->c, PPL_SCALAR, (unsigned char[]){ 0 }));
}
static ppl_handler *not_masked(const law *l)
{
    return ppl_mask(l->c, ppl_from_mask(l->c, PPL_SCALAR, (unsigned char[]){ 1 }));
}
static ppl_handler *not_renamed(const law *l)
{
    return ppl_name_scope(l->c, "part", &(ppl_name_scope_opts){ .keep = ~0u });
}
static ppl_handler *renamed(const law *l) { return ppl_name_scope(l->c, "part", NULL); }
static ppl_handler *not_rewritten(const law *l) { return ppl_reparam(l->c, NULL); }
static ppl_handler *rewritten(const law *l)
{
    static const ppl_reparam_row rows[] = { { NULL, &ppl_loc_scale_reparam_learned }, { 0 } };
    return ppl_reparam(l->c, rows);
}
static ppl_handler *scaled(const law *l) { return ppl_scale(l->c, 2); }
static ppl_handler *halved(const law *l) { return ppl_scale(l->c, 0.5); }
static ppl_handler *not_scaled(const law *l) { return ppl_scale(l->c, 1); }
static ppl_handler *seeded(const law *l) { return ppl_seed(l->c, 77); }
static ppl_handler *keyed(const law *l)
{
    return ppl_seed_key(l->c, (ppl_rng){ { 3, 4 } });
}
static ppl_handler *unconditioned(const law *l) { return ppl_uncondition(l->c); }
static ppl_handler *observed_again(const law *l)
{
    ppl_value *list = ppl_alloc(l->c, ((size_t)ppl_trace_count(l->own) + 1) * sizeof *list);
    int count = 0;
    for (int i = 0; i < ppl_trace_count(l->own) && list != NULL; i++) {
        const ppl_msg *m = ppl_trace_at(l->own, i);
        if (m->kind == PPL_SITE_SAMPLE && !is_latent(m))
            list[count++] = (ppl_value){ m->name, m->index, m->value };
    }
    return ppl_condition(l->c, list, &unused);
}
static ppl_handler *watched(const law *l) { return ppl_watch(l->c, look, look, NULL); }

/* Which laws a handler, made in one way or another, obeys. */
enum {
    IDENTITY = 1,                   /* p(m) = m, at the state that `own` was drawn at; of
                                       two handlers p(q(m)) = m: q undoes p */
    IDEMPOTENT = 2,                 /* p(p(m)) = p(m) */
    COMMUTES = 4,                   /* p(q(m)) = q(p(m)) for all q that do */
    INSIDE = 8                      /* trace(p(m)) = p(trace(m)): a trace sees the same
                                       further in as further out */
};

typedef struct way {
    const char *name;
    unsigned laws;
    ppl_handler *(*make)(const law *l);
    ppl_handler *(*around)(const law *l);   /* another handler around it, or NULL */
} way;

/* The ways of each handler of the public headers, as ways_HANDLER. */
#define WAYS(handler, ...) static const way ways_##handler[] = { __VA_ARGS__ };
WAYS(block, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_blocked, NULL },
     { "deterministic", IDEMPOTENT, blocked, NULL })
WAYS(block_plate, { "around", IDENTITY | INSIDE, without_plate, plate_around })
WAYS(broadcast, { "", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, broadcast, NULL })
WAYS(collapse, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_collapsed, NULL })
WAYS(condition, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_conditioned,
                  NULL },
     { "all", IDEMPOTENT | COMMUTES | INSIDE, conditioned, NULL },
     { "half", IDEMPOTENT | COMMUTES | INSIDE, half_conditioned, NULL })
WAYS(do, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_done, NULL },
     { "half", COMMUTES, half_done, NULL })
WAYS(escape, { "never", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_escaped, NULL })
WAYS(infer_config, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_configured,
                     NULL },
     { "an option", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, configured, NULL })
WAYS(init_to_feasible, { "", IDEMPOTENT | INSIDE, at_feasible, NULL },
     { "replayed", IDENTITY | INSIDE, at_feasible, replayed })
WAYS(init_to_mean, { "", IDEMPOTENT | INSIDE, at_mean, NULL },
     { "replayed", IDENTITY | INSIDE, at_mean, replayed })
WAYS(init_to_median, { "", IDEMPOTENT | INSIDE, at_median, NULL },
     { "replayed", IDENTITY | INSIDE, at_median, replayed })
WAYS(init_to_sample, { "", IDENTITY | IDEMPOTENT | INSIDE, at_sample, NULL })
WAYS(init_to_uniform, { "", IDEMPOTENT | INSIDE, at_uniform, NULL },
     { "replayed", IDENTITY | INSIDE, at_uniform, replayed })
WAYS(init_to_value, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, at_no_value,
                      NULL },
     { "own", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, at_value, NULL })
WAYS(lift, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_lifted, NULL },
     { "all", IDEMPOTENT | INSIDE, lifted, NULL })
WAYS(lift_by, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_lifted_by, NULL },
     { "some", IDEMPOTENT | INSIDE, lifted_by, NULL })
WAYS(markov, { "a wide window", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, in_window, NULL })
WAYS(mask, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_masked, NULL },
     { "all", IDEMPOTENT | COMMUTES | INSIDE, masked, NULL })
WAYS(name_scope, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_renamed, NULL },
     { "all", INSIDE, renamed, NULL })
WAYS(reparam, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_rewritten, NULL },
     { "all", 0, rewritten, NULL })
WAYS(replay, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_replayed, NULL },
     { "own", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, replayed, NULL })
WAYS(scale, { "1", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, not_scaled, NULL },
     { "2", COMMUTES | INSIDE, scaled, NULL },
     { "half of twice", IDENTITY | INSIDE, halved, scaled })
WAYS(seed, { "", IDEMPOTENT | COMMUTES | INSIDE, seeded, NULL },
     { "replayed", IDENTITY | INSIDE, seeded, replayed })
WAYS(seed_key, { "", IDEMPOTENT | INSIDE, keyed, NULL },
     { "replayed", IDENTITY | INSIDE, keyed, replayed })
WAYS(substitute, { "own", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, substituted, NULL })
WAYS(substitute_by, { "nothing", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE,
                      not_substituted_by, NULL },
     { "own", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, substituted_by, NULL })
WAYS(trace_into, { "", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, traced, NULL })
WAYS(uncondition, { "", IDEMPOTENT | INSIDE, unconditioned, NULL },
     { "observed again", IDENTITY | INSIDE, unconditioned, observed_again })
WAYS(watch, { "", IDENTITY | IDEMPOTENT | COMMUTES | INSIDE, watched, NULL })

static const struct {
    const char *handler;
    const way *ways;
    int count;
} table_of_ways[] = {
#define ROW(handler, params, args) { #handler, ways_##handler, COUNT_OF(ways_##handler) },
    PPL_HANDLER_MAP(ROW)
};

/* Way number i of all; NULL after the last. *text gets its name. */
static const way *way_at(int i, char text[100])
{
    for (int h = 0; h < COUNT_OF(table_of_ways); i -= table_of_ways[h++].count)
        if (i < table_of_ways[h].count) {
            const way *w = &table_of_ways[h].ways[i];
            snprintf(text, 100, "%s of %s", table_of_ways[h].handler, w->name);
            return w;
        }
    return NULL;
}

#endif
