/* SPDX-License-Identifier: MIT */
/*
 * test_laws.c - laws that hold for every model under every handler that they speak of.
 * They are checked over a table of models, a table of handlers and both dtypes, at fixed
 * random states. After tests/poutine/test_properties.py of Pyro.
 *
 * A handler of the public headers without a row in the table does not build.
 */
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

/* One law over one model. */
typedef struct law {
    ppl_ctx *c;
    ppl_model model;
    ppl_trace *own;                 /* of the model alone, at state 0 */
} law;

static ppl_trace *at(const law *l, uint64_t state, ppl_handler *const *list)
{
    ppl_set_rng_state(l->c, 11, 100 * state);
    return trace_of(l->c, l->model, NULL, list);
}

static law begin(int i)
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

static void assert_same_sites(const char *what, const ppl_sites *a, const ppl_sites *b)
{
    int s = -1;
    do {
        int next = ppl_sites_next(a, s + 1);
        ck_assert_msg(ppl_sites_next(b, s + 1) == next, "%s: the parents differ", what);
        s = next;
    } while (s >= 0);
}

static void assert_same_message(const char *what, ppl_msg *a, ppl_msg *b)
{
    char text[200], name[64];
    snprintf(text, sizeof text, "%s: site %s", what, ppl_site_text(a, name, sizeof name));
    ck_assert_msg(a->name == b->name && a->index == b->index && a->site == b->site,
                  "%s: the address differs", text);
    ck_assert_msg(a->kind == b->kind &&
                  ((a->flags ^ b->flags) & ~(unsigned)PPL_STOP) == 0,
                  "%s: the kind differs", text);
    ck_assert_msg(fabs(a->scale - b->scale) < 1e-15 * a->scale, "%s: scales %g and "
                  "%g", text,
                  a->scale, b->scale);
    assert_same(text, a->value, b->value);
    if (a->kind == PPL_SITE_SAMPLE) {
        assert_same(text, ppl_site_log_prob(a), ppl_site_log_prob(b));
        assert_same_sites(text, a->parents, b->parents);
    }
    const ppl_frame *f = a->plates, *g = b->plates;
    for (; f && g; f = f->inner, g = g->inner)
        ck_assert_msg(f->name == g->name && f->dim == g->dim && f->size == g->size,
                      "%s: the plates differ", text);
    ck_assert_msg(!f && !g, "%s: the plates differ", text);
}

static void assert_same_traces(const char *what, const ppl_trace *a, const ppl_trace *b)
{
    ck_assert_msg(ppl_trace_count(a) == ppl_trace_count(b), "%s: %d sites and %d", what,
                  ppl_trace_count(a), ppl_trace_count(b));
    for (int i = 0; i < ppl_trace_count(a); i++)
        assert_same_message(what, ppl_trace_at(a, i), ppl_trace_at(b, i));
}

static void assert_close(const char *what, int i, double x, double expected)
{
    ck_assert_msg(is_near(x, expected, 50 * rounding(i % DTYPES)), "%s: %.17g is not "
                  "%.17g",
                  what, x, expected);
}

/* ---- Handlers ---------------------------------------------------------------------- */

/* The values of a trace's sites of one kind (latents of samples), from `first` on every
 * `step`th, as a list for condition or substitute. */
static const ppl_value *values_in(const law *l, const ppl_trace *t, ppl_kind kind,
                                  int first, int step)
{
    ppl_value *list = ppl_alloc(l->c, 20 * sizeof *list);
    int found = 0, count = 0;
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        if (m->kind == kind && (kind == PPL_SITE_PARAM || is_latent(m)) &&
            found++ % step == first)
            list[count++] = (ppl_value){ m->name, m->index, m->value };
    }
    ck_assert_int_lt(count, 20);
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
    ppl_value *list = ppl_alloc(l->c, 20 * sizeof *list);
    int count = 0;
    for (int i = 0; i < ppl_trace_count(l->own); i++) {
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

/* ---- Laws -------------------------------------------------------------------------- */

/* A run is a function of the random state. */
START_TEST(runs_repeat)
{
    law l = begin(_i);
    assert_same_traces(models[_i / DTYPES].name, at(&l, 0, NULL), l.own);
    stop(l.c);
}
END_TEST

/* p(m) under a way, at a state. */
static ppl_trace *under(const law *l, const way *w, uint64_t state)
{
    ppl_handler *inner = w->make(l);
    return at(l, state, w->around ? handlers(w->around(l), inner) : handlers(inner));
}

/* id(m) = m, and what is undone. */
START_TEST(identities_change_nothing)
{
    law l = begin(_i);
    char text[100];
    const way *w;
    for (int i = 0; (w = way_at(i, text)) != NULL; i++)
        if (w->laws & IDENTITY) {
            ppl_epoch mark = ppl_epoch_begin(l.c);
            assert_same_traces(text, under(&l, w, 0), l.own);
            ppl_epoch_end(l.c, mark);
        }
    stop(l.c);
}
END_TEST

/* Sums that tell runs apart, and outlast their epochs. */
typedef struct digest {
    int count;
    double log_prob, values;
} digest;

static digest digest_of(ppl_trace *t)
{
    digest d = { ppl_trace_count(t), ppl_trace_log_prob(t), 0 };
    for (int i = 0; i < d.count; i++)
        d.values += (i + 1) * ppl_total(ppl_trace_at(t, i)->value);
    return d;
}

/* A handler is pushed again and again, in epochs that end, and does the same each time. */
START_TEST(handlers_are_pushed_again)
{
    law l = begin(_i);
    char text[100];
    const way *w;
    for (int i = 0; (w = way_at(i, text)) != NULL; i++) {
        ppl_handler *inner = w->make(&l), *around = w->around ? w->around(&l) : inner;
        ppl_handler *const *list = w->around ? handlers(around, inner) : handlers(inner);
        digest first = { 0 };
        for (int run = 0; run < 3; run++) {
            ppl_epoch mark = ppl_epoch_begin(l.c);
            digest now = digest_of(at(&l, 2, list));
            if (run == 0)
                first = now;
            ck_assert_msg(now.count == first.count && now.log_prob == first.log_prob &&
                          (now.values == first.values || isnan(now.values)),
                          "%s: run %d differs", text, run);
            ppl_epoch_end(l.c, mark);
        }
    }
    stop(l.c);
}
END_TEST

/* trace(replay(m, trace(m))) = trace(m), at any state. */
START_TEST(replay_gives_the_trace_again)
{
    law l = begin(_i);
    for (uint64_t state = 0; state < 4; state++)
        assert_same_traces("replay", at(&l, state, handlers(ppl_replay(l.c, l.own))),
                           l.own);
    stop(l.c);
}
END_TEST

/* p(p(m)) = p(m), at any state. */
START_TEST(some_are_idempotent)
{
    law l = begin(_i);
    char text[100];
    const way *w;
    for (int i = 0; (w = way_at(i, text)) != NULL; i++)
        for (uint64_t state = 0; state < 3 && (w->laws & IDEMPOTENT) != 0; state++) {
            ppl_epoch mark = ppl_epoch_begin(l.c);
            ppl_handler *inner = w->make(&l);
            ppl_trace *twice = at(&l, state, handlers(w->make(&l), inner));
            assert_same_traces(text, under(&l, w, state), twice);
            ppl_epoch_end(l.c, mark);
        }
    stop(l.c);
}
END_TEST

/* p(q(m)) = q(p(m)) for any two of those that commute. */
START_TEST(some_commute)
{
    law l = begin(_i);
    char first[100], second[100], text[210];
    const way *p, *q;
    for (int i = 0; (p = way_at(i, first)) != NULL; i++)
        for (int k = 0; k < i && (p->laws & COMMUTES) != 0; k++) {
            q = way_at(k, second);
            if ((q->laws & COMMUTES) == 0)
                continue;
            snprintf(text, sizeof text, "%s and %s", first, second);
            for (uint64_t state = 0; state < 2; state++) {
                ppl_epoch mark = ppl_epoch_begin(l.c);
                ppl_handler *inner = q->make(&l), *outer = p->make(&l);
                ppl_trace *pq = at(&l, state, handlers(outer, inner));
                inner = p->make(&l);
                outer = q->make(&l);
                assert_same_traces(text, pq, at(&l, state, handlers(outer, inner)));
                ppl_epoch_end(l.c, mark);
            }
        }
    stop(l.c);
}
END_TEST

/* p(trace(m)) = trace(p(m)): the message has all that was said when it comes back. */
START_TEST(traces_see_the_whole_message)
{
    law l = begin(_i);
    char text[100];
    const way *w;
    for (int i = 0; (w = way_at(i, text)) != NULL; i++) {
        ppl_epoch mark = ppl_epoch_begin(l.c);
        ppl_trace *inner;
        ppl_handler *inside = ppl_trace_into(l.c, &inner), *handler = w->make(&l);
        ppl_handler *around = w->around ? w->around(&l) : NULL;
        ppl_trace *outer = at(&l, 2, around ? handlers(around, handler, inside)
                                            : handlers(handler, inside));
        if (w->laws & INSIDE)
            assert_same_traces(text, inner, outer);
        ppl_epoch_end(l.c, mark);
    }
    stop(l.c);
}
END_TEST

/* Names compose: prefix by prefix is prefix of prefix. */
START_TEST(prefixes_compose)
{
    law l = begin(_i);
    ppl_handler *inner = ppl_name_scope(l.c, "b", NULL);
    ppl_trace *two = at(&l, 1, handlers(ppl_name_scope(l.c, "a", NULL), inner));
    assert_same_traces("a of b", two, at(&l, 1, handlers(ppl_name_scope(l.c, "a/b", NULL))));
    stop(l.c);
}
END_TEST

/* Every constructor of a handler in the public headers has its row in PPL_HANDLER_MAP, and
 * so in the table here; but for plate, which is a statement. */
START_TEST(every_handler_has_its_row)
{
    static const char *const headers[] = { "plate", "sites", "trace", "values", "weight" };
    static const char start_of[] = "PPL_API ppl_handler *ppl_";
    const char *top = getenv("top_srcdir");
    char path[600], line[200], name[64];
    int found = 0;
    for (int h = 0; h < COUNT_OF(headers); h++) {
        snprintf(path, sizeof path, "%s/include/kiln/handlers_%s.h", top ? top : ".",
                 headers[h]);
        FILE *file = fopen(path, "r");
        ck_assert_msg(file != NULL, "%s cannot be read", path);
        while (fgets(line, sizeof line, file))
            if (strncmp(line, start_of, sizeof start_of - 1) == 0 &&
                sscanf(line + sizeof start_of - 1, "%63[a-z_]", name) == 1 &&
                strcmp(name, "plate") != 0) {
                int i = 0;
                while (i < COUNT_OF(table_of_ways) &&
                       strcmp(table_of_ways[i].handler, name) != 0)
                    i++;
                ck_assert_msg(i < COUNT_OF(table_of_ways), "ppl_%s has no row in "
                              "PPL_HANDLER_MAP", name);
                found++;
            }
        fclose(file);
    }
    ck_assert_int_eq(found, COUNT_OF(table_of_ways));
}
END_TEST

/* Of two conditions, or replays, on the same sites the outer one counts. */
START_TEST(the_outer_wins)
{
    law l = begin(_i);
    ppl_trace *other = at(&l, 1, NULL);
    ppl_trace *replay = at(&l, 2, handlers(ppl_replay(l.c, other), replayed(&l)));
    for (int i = 0; i < ppl_trace_count(other); i++) {
        const ppl_msg *m = ppl_trace_at(other, i);
        const ppl_msg *found = ppl_trace_find(replay, m->name, m->index);
        ck_assert_ptr_nonnull(found);
        assert_same("replay", found->value, m->value);
    }
    const ppl_value *list = values_in(&l, other, PPL_SITE_SAMPLE, 0, 1);
    ppl_handler *inner = ppl_condition(l.c, values_in(&l, l.own, PPL_SITE_SAMPLE, 0, 1),
                                       &unused);
    ppl_trace *t = at(&l, 2, handlers(ppl_condition(l.c, list, NULL), inner));
    for (; list->name; list++)
        ck_assert_ptr_eq(site_of(t, list->name, list->index)->value, list->value);
    stop(l.c);
}
END_TEST

/* Conditioning on a trace's own values: its log-probability, with no latent left. */
START_TEST(condition_on_itself_keeps_the_density)
{
    law l = begin(_i);
    ppl_trace *t = at(&l, 3, handlers(conditioned(&l), replayed(&l)));
    ck_assert_int_eq(ppl_trace_count(t), ppl_trace_count(l.own));
    for (int i = 0; i < ppl_trace_count(t); i++) {
        ck_assert(!is_latent(ppl_trace_at(t, i)));
        assert_same("value", ppl_trace_at(t, i)->value, ppl_trace_at(l.own, i)->value);
    }
    assert_close("log_prob", _i, ppl_trace_log_prob(t), ppl_trace_log_prob(l.own));
    stop(l.c);
}
END_TEST

/* 1 if the density at `m` depends on site `s`, through the latents before it. */
static int descends(const ppl_trace *t, const ppl_msg *m, int s)
{
    if (ppl_sites_has(m->parents, s))
        return 1;
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *up = ppl_trace_at(t, i);
        if (up == m)
            return 0;
        if (is_latent(up) && ppl_sites_has(m->parents, up->site) && descends(t, up, s))
            return 1;
    }
    return 0;
}

/* Giving one latent another value changes draws and densities of its descendants, and no
 * other's: provenance misses nothing. */
START_TEST(others_stay_as_they_are)
{
    law l = begin(_i);
    ppl_trace *other = at(&l, 1, NULL);
    for (const ppl_value *v = values_in(&l, other, PPL_SITE_SAMPLE, 0, 1); v->name; v++) {
        const ppl_msg *given = ppl_trace_find(l.own, v->name, v->index);
        const ppl_value one[] = { *v, { 0 } };
        if (!given)
            continue;                   /* on the branch not taken */
        ppl_trace *t = at(&l, 0, handlers(ppl_condition(l.c, one, NULL)));
        for (int i = 0; i < ppl_trace_count(l.own); i++) {
            ppl_msg *m = ppl_trace_at(l.own, i), *now;
            if (m == given || m->kind != PPL_SITE_SAMPLE ||
                descends(l.own, m, given->site))
                continue;
            now = ppl_trace_find(t, m->name, m->index);
            ck_assert_ptr_nonnull(now);
            assert_same(m->name, now->value, m->value);
            assert_same(m->name, ppl_site_log_prob(now), ppl_site_log_prob(m));
        }
    }
    stop(l.c);
}
END_TEST

/* scale(a) scale(b) = scale(ab), on the whole density too; mask(0) leaves nothing. */
START_TEST(weights_multiply)
{
    law l = begin(_i);
    ppl_trace *both = at(&l, 0, handlers(ppl_scale(l.c, 3), ppl_scale(l.c, 0.25)));
    assert_same_traces("scale", both, at(&l, 0, handlers(ppl_scale(l.c, 0.75))));
    assert_close("scale", _i, ppl_trace_log_prob(both), 0.75 * ppl_trace_log_prob(l.own));
    ck_assert_double_eq(ppl_trace_log_prob(at(&l, 0, handlers(masked(&l)))), 0);
    assert_same_traces("masks", at(&l, 0, handlers(masked(&l), not_masked(&l))),
                       at(&l, 0, handlers(not_masked(&l), masked(&l))));
    stop(l.c);
}
END_TEST

/* Under a seed the random state does not count, but for plain parameters. */
START_TEST(seeds_fix_runs)
{
    law l = begin(_i);
    ppl_trace *first = at(&l, 0, handlers(seeded(&l)));
    assert_same_traces("seed", at(&l, 5, handlers(seeded(&l))), first);
    assert_same_traces("inner "
                       "seed", at(&l, 5, handlers(ppl_seed(l.c, 1), seeded(&l))), first);
    stop(l.c);
}
END_TEST

static int hides_third(const ppl_msg *m, void *user)
{
    const law *l = user;
    for (int i = 0; i < ppl_trace_count(l->own); i += 3)
        if (ppl_trace_at(l->own, i)->name == m->name)
            return 1;
    return 0;
}

/* block hides outward only, what it is told to: inside all is as without it, outside the
 * rest, in order; hiding a and hiding b is hiding both. */
START_TEST(block_hides_outward_only)
{
    law l = begin(_i);
    const ppl_block_opts third = { .predicate = hides_third, .user = &l };
    const ppl_block_opts latents = { .kinds = PPL_HIDE_LATENT };
    const ppl_block_opts either = { .predicate = hides_third, .user = &l,
                                    .kinds = PPL_HIDE_LATENT };
    ppl_trace *inner;
    ppl_handler *inside = ppl_trace_into(l.c, &inner);
    ppl_trace *outer = at(&l, 0, handlers(ppl_block(l.c, &third), inside));
    int seen = 0;
    assert_same_traces("inside", inner, l.own);
    for (int i = 0; i < ppl_trace_count(l.own); i++)
        if (!hides_third(ppl_trace_at(l.own, i), &l))
            assert_same_message("outside", ppl_trace_at(outer, seen++),
                                ppl_trace_at(l.own, i));
    ck_assert_int_eq(ppl_trace_count(outer), seen);
    assert_same_traces("both", at(&l, 0, handlers(ppl_block(l.c, &third),
                                                  ppl_block(l.c, &latents))),
                       at(&l, 0, handlers(ppl_block(l.c, &either))));
    assert_same_traces("twice", at(&l, 0, handlers(ppl_block(l.c, &third),
                                                   ppl_block(l.c, &third))), outer);
    stop(l.c);
}
END_TEST

int main(void)
{
    const TTest *const laws[] = {
        runs_repeat, identities_change_nothing, handlers_are_pushed_again,
        replay_gives_the_trace_again, some_are_idempotent, some_commute,
        traces_see_the_whole_message, prefixes_compose, every_handler_has_its_row,
        the_outer_wins, condition_on_itself_keeps_the_density, others_stay_as_they_are,
        weights_multiply, seeds_fix_runs, block_hides_outward_only, NULL
    };
    return run_loop_tests("laws", laws, CASES);
}
