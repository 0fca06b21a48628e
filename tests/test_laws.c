/* SPDX-License-Identifier: MIT */
/*
 * test_laws.c - laws that hold for every model under every handler that they speak of.
 * They are checked over the tables of ways.h and both dtypes, at fixed random states.
 * After tests/poutine/test_properties.py of Pyro.
 */
#include "ways.h"

/* ---- The same trace ---------------------------------------------------------------- */

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
