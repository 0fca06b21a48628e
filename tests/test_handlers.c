/* SPDX-License-Identifier: MIT */
/*
 * test_handlers.c - what the oldest handlers do to the statements of a model, exactly:
 * trace, replay, condition, substitute, block, scale, mask, seed. After tests/poutine of
 * Pyro, where its semantics are the same.
 */
#include "handlers.h"

/* ---- trace ------------------------------------------------------------------------- */

/* Every message is recorded once, in order of visit, with what it was. */
START_TEST(trace_records)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, everything, NULL, NULL);
    ck_assert_str_eq(names_of(t), "w z[0] z[1] n d x f aux[4]");
    ck_assert_int_eq(ppl_trace_count(t), 8);
    ck_assert_ptr_eq(ppl_trace_at(t, 1), site_of(t, "z", 0));
    ck_assert_ptr_null(ppl_trace_at(t, -1));
    ck_assert_ptr_null(ppl_trace_at(t, 8));
    ck_assert_ptr_null(ppl_trace_find(t, "z", NO));
    ck_assert_ptr_null(ppl_trace_find(t, "z", 2));
    ck_assert_ptr_null(ppl_trace_find(t, "y", NO));
    ck_assert_ptr_eq(ppl_trace_find(t, "n", -7), site_of(t, "n", NO));

    const ppl_msg *w = site_of(t, "w", NO), *z = site_of(t, "z", 1);
    const ppl_msg *x = site_of(t, "x", NO);
    ck_assert_int_eq(w->kind, PPL_SITE_PARAM);
    ck_assert_ptr_eq(w->leaf, w->value);
    ck_assert_int_eq(z->kind, PPL_SITE_SAMPLE);
    ck_assert_uint_eq(z->flags, PPL_DONE);
    ck_assert_double_eq(z->scale, 1);
    ck_assert_ptr_null(z->mask);
    ck_assert_ptr_null(z->plates);
    ck_assert_int_eq(site_of(t, "d", NO)->kind, PPL_SITE_DETERMINISTIC);
    ck_assert_uint_eq(x->flags, PPL_OBSERVED | PPL_DONE);
    assert_values(x->value, 0, 1, 2);
    ck_assert_uint_eq(site_of(t, "f", NO)->flags, PPL_OBSERVED | PPL_DONE);
    ck_assert_uint_eq(site_of(t, "aux", 4)->flags, PPL_AUXILIARY | PPL_DONE);
    assert_values(value_of(t, "d"), 0, 2 * ppl_item(value_of(t, "n")) + 1);
    stop(c);
}
END_TEST

START_TEST(no_trace_has_nothing)
{
    ck_assert_int_eq(ppl_trace_count(NULL), 0);
    ck_assert_ptr_null(ppl_trace_at(NULL, 0));
    ck_assert_ptr_null(ppl_trace_find(NULL, "z", NO));
    ck_assert_int_eq(ppl_trace_write(NULL, stderr), PPL_EINVAL);
}
END_TEST

/* The log-probability of a trace is the sum over samples, in closed form here. */
START_TEST(trace_log_prob_sums)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, chain, NULL, NULL);
    double a[2], b[2], expected = 0;
    ppl_read(value_of(t, "latent1"), a, 2);
    ppl_read(value_of(t, "latent2"), b, 2);
    for (int i = 0; i < 2; i++)
        expected += log_normal(a[i], 0, 1) + log_normal(b[i], a[i], 5) +
                    log_normal(1, b[i], 1);
    ck_assert(is_near(ppl_trace_log_prob(t), expected, 10 * rounding(_i)));
    ck_assert_ptr_nonnull(site_of(t, "obs", NO)->log_prob);
    ppl_msg *obs = site_of(t, "obs", NO);
    ck_assert_ptr_eq(ppl_site_log_prob(obs), obs->log_prob);
    t = trace_of(c, everything, NULL, NULL);
    double without = ppl_trace_log_prob(t);
    ck_assert(isfinite(without));
    ck_assert(is_near(ppl_total(site_of(t, "f", NO)->log_prob), -7, rounding(_i)));
    stop(c);
}
END_TEST

START_TEST(trace_finds_among_many)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, many, NULL, NULL);
    ck_assert_int_eq(ppl_trace_count(t), 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_ptr_eq(ppl_trace_find(t, i % 2 ? "odd" : "even", i / 2),
                         ppl_trace_at(t, i));
    ck_assert_ptr_null(ppl_trace_find(t, "odd", 500));
    stop(c);
}
END_TEST

/* A trace that is pushed again begins anew. */
START_TEST(trace_begins_anew)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t;
    ppl_handler *trace = ppl_trace_into(c, &t);
    assert_ok(c, ppl_run(c, many, NULL, handlers(trace)));
    ck_assert_int_eq(ppl_trace_count(t), 1000);
    assert_ok(c, ppl_run(c, chain, NULL, handlers(trace)));
    ck_assert_str_eq(names_of(t), "latent1 latent2 obs");
    ck_assert_ptr_null(ppl_trace_find(t, "even", 0));
    ppl_tensor *first = value_of(t, "latent1");
    assert_ok(c, ppl_run(c, chain, NULL, handlers(trace)));
    ck_assert_ptr_ne(value_of(t, "latent1"), first);
    stop(c);
}
END_TEST

/* Pushed by hand, it holds an address once, though an epoch begins while it is there. */
START_TEST(trace_goes_on_in_an_epoch)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t;
    ppl_scope traced = ppl_push(c, ppl_trace_into(c, &t));
    ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ppl_epoch epoch = ppl_epoch_begin(c);
    ppl_sample(c, "b", standard(c, PPL_SCALAR));
    ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ck_assert_str_eq(names_of(t), "a b");
    ppl_epoch_end(c, epoch);
    ppl_sample(c, "c", standard(c, PPL_SCALAR));
    ppl_sample(c, "b", standard(c, PPL_SCALAR));
    ck_assert_str_eq(names_of(t), "a b c");
    ppl_pop(c, traced);
    stop(c);
}
END_TEST

/* Out of memory in the middle leaves a trace of what came before. */
START_TEST(trace_survives_failures)
{
    for (int refused = 1; refused < 6; refused++) {
        ppl_ctx *c = start(_i);
        ppl_trace *t;
        ppl_handler *trace = ppl_trace_into(c, &t);
        assert_ok(c, ppl_run(c, chain, NULL, NULL));
        memory.refuse_at = memory.calls + refused;
        ck_assert_int_eq(ppl_run(c, many, NULL, handlers(trace)), PPL_ENOMEM);
        int count = ppl_trace_count(t);
        for (int i = 0; i < count; i++)
            ck_assert_ptr_eq(ppl_trace_find(t, i % 2 ? "odd" : "even", i / 2),
                             ppl_trace_at(t, i));
        ck_assert_ptr_null(ppl_trace_find(t, "odd", 499));
        stop(c);
    }
}
END_TEST

/* ---- replay ------------------------------------------------------------------------ */

/* Latents take the values of the trace, with their gradients; what the trace lacks is
 * drawn; what is observed stays. */
START_TEST(replay_takes_values)
{
    ppl_ctx *c = start(_i);
    ppl_trace *guide = trace_of(c, chain_guide, NULL, NULL);
    ppl_trace *model = trace_of(c, chain, NULL, handlers(ppl_replay(c, guide)));
    assert_same("latent1", value_of(model, "latent1"), value_of(guide, "latent1"));
    assert_same("latent2", value_of(model, "latent2"), value_of(guide, "latent2"));
    ck_assert(ppl_requires_grad(value_of(model, "latent2")));
    assert_values(value_of(model, "obs"), 0, 1, 1);
    ck_assert_str_eq(names_of(model), "latent1 latent2 obs");
    assert_ok(c, ppl_backward(ppl_sum(ppl_site_log_prob(site_of(model, "obs", NO)), 0)));
    ck_assert_double_ne(ppl_total(ppl_grad(site_of(guide, "loc2", NO)->leaf)), 0);

    ppl_trace *hidden;
    const char *const names[] = { "latent1", NULL };
    ppl_handler *block = ppl_block(c, &(ppl_block_opts){ .hide = names });
    ppl_handler *trace = ppl_trace_into(c, &hidden);
    assert_ok(c, ppl_run(c, chain_guide, NULL, handlers(trace, block)));
    ppl_trace *t = trace_of(c, chain, NULL, handlers(ppl_replay(c, hidden)));
    assert_same("latent2", value_of(t, "latent2"), value_of(hidden, "latent2"));
    ck_assert_double_ne(ppl_total(value_of(t, "latent1")),
                        ppl_total(value_of(guide, "latent1")));
    stop(c);
}
END_TEST

/* A replayed value depends on its site here, not on what it was computed from there. */
START_TEST(replay_keeps_provenance)
{
    ppl_ctx *c = start(_i);
    ppl_trace *first = trace_of(c, chain, NULL, NULL);
    ppl_trace *again = trace_of(c, chain, NULL, handlers(ppl_replay(c, first)));
    for (int i = 0; i < 2; i++) {
        const ppl_msg *m = ppl_trace_at(again, i);
        ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(m->value), 0), m->site);
        ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(m->value), m->site + 1), -1);
        ck_assert_int_eq(m->site, ppl_trace_at(first, i)->site);
    }
    ck_assert_int_eq(ppl_sites_next(ppl_trace_at(again, 1)->parents, 0),
                     ppl_trace_at(again, 0)->site);
    stop(c);
}
END_TEST

START_TEST(of_two_replays_the_outer_wins)
{
    ppl_ctx *c = start(_i);
    ppl_trace *one = trace_of(c, chain_guide, NULL, NULL);
    ppl_trace *two = trace_of(c, chain_guide, NULL, NULL);
    ppl_trace *t = trace_of(c, chain, NULL,
                            handlers(ppl_replay(c, one), ppl_replay(c, two)));
    assert_same("latent1", value_of(t, "latent1"), value_of(one, "latent1"));
    stop(c);
}
END_TEST

/* What is a latent here must be one in the trace; observed sites and parameters are left
 * alone whatever the trace has. */
START_TEST(replay_refuses_another_kind)
{
    static const char *const text[] = {
        NULL,
        "replay: site s is a latent here and observed in the trace; it must be the same "
        "in both",
        "replay: site s is a latent here and a parameter in the trace; it must be the "
        "same in both",
        "replay: site s is a latent here and a deterministic value in the trace; it must "
        "be the same in both",
        "replay: site s is a latent here and a plate in the trace; it must be the same "
        "in both",
    };
    ppl_ctx *c = start(_i);
    for (int there = 0; there < 5; there++) {
        ppl_trace *t = trace_of(c, one_of_a_kind, &there, NULL);
        for (int here = 1; here < 4; here++)
            trace_of(c, one_of_a_kind, &here, handlers(ppl_replay(c, t)));
        if (text[there])
            assert_error(c, ppl_run(c, one_of_a_kind, &(int){ 0 },
                                    handlers(ppl_replay(c, t))),
                         PPL_EMISMATCH, text[there]);
    }
    ppl_trace *latent = trace_of(c, one_of_a_kind, &(int){ 0 }, NULL);
    assert_error(c, ppl_run(c, one_of_a_kind, &(int){ 4 },
                            handlers(ppl_replay(c, latent))),
                 PPL_EMISMATCH, "replay: site s is a plate here and a latent in the "
                 "trace; it must be the same in both");
    assert_null(c, ppl_replay(c, NULL), PPL_EINVAL, "ppl_replay: the trace is NULL; the "
                "run that was to make it may have failed");
    stop(c);
}
END_TEST

/* ---- condition --------------------------------------------------------------------- */

/* A conditioned site is observed at its value; others are as they were. */
START_TEST(condition_observes)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *two = ppl_full(c, PPL_SHAPE(2), 2), *nine = ppl_full(c, PPL_SHAPE(2), 9);
    ppl_set_rng_state(c, 0, 0);
    ppl_trace *plain = trace_of(c, chain, NULL, NULL);
    ppl_set_rng_state(c, 0, 0);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(ppl_condition(
        c, values({ "latent2", NO, two }, { "obs", NO, nine }), NULL)));
    ck_assert_uint_eq(site_of(t, "latent2", NO)->flags, PPL_OBSERVED | PPL_DONE);
    ck_assert_ptr_eq(value_of(t, "latent2"), two);
    ck_assert_ptr_null(ppl_tensor_sites(two));
    ck_assert_ptr_eq(value_of(t, "obs"), nine);
    assert_same("latent1", value_of(t, "latent1"), value_of(plain, "latent1"));
    ck_assert_uint_eq(site_of(t, "latent1", NO)->flags, PPL_DONE);
    stop(c);
}
END_TEST

START_TEST(of_two_conditions_the_outer_wins)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_full(c, PPL_SHAPE(2), 1), *two = ppl_full(c, PPL_SHAPE(2), 2);
    ppl_tensor *six = ppl_full(c, PPL_SHAPE(2), 6);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(
        ppl_condition(c, values({ "latent1", NO, one }), NULL),
        ppl_condition(c, values({ "latent1", NO, two }, { "latent2", NO, six }), NULL)));
    assert_values(value_of(t, "latent1"), 0, 1, 1);
    assert_values(value_of(t, "latent2"), 0, 6, 6);
    stop(c);
}
END_TEST

/* Conditioning and replaying: the condition wins, on either side. */
START_TEST(condition_beats_replay)
{
    ppl_ctx *c = start(_i);
    ppl_trace *first = trace_of(c, chain, NULL, NULL);
    const ppl_value *list = values({ "latent1", NO, ppl_full(c, PPL_SHAPE(2), 3) });
    for (int inside = 0; inside < 2; inside++) {
        ppl_handler *condition = ppl_condition(c, list, NULL);
        ppl_handler *replay = ppl_replay(c, first);
        ppl_trace *t = trace_of(c, chain, NULL, inside ? handlers(replay, condition)
                                                       : handlers(condition, replay));
        assert_values(value_of(t, "latent1"), 0, 3, 3);
        ck_assert_uint_eq(site_of(t, "latent1", NO)->flags, PPL_OBSERVED | PPL_DONE);
        assert_same("latent2", value_of(t, "latent2"), value_of(first, "latent2"));
    }
    stop(c);
}
END_TEST

/* A value that no site took fails the run, or is counted; parameters take none. */
START_TEST(condition_wants_to_be_reached)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(2), 1);
    const ppl_value *typo = values({ "latent1", NO, x }, { "latent3", NO, x },
                                   { "latent2", 4, x });
    int unused = -1;
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_condition(c, typo, NULL))),
                 PPL_EUNUSED, "condition: no sample site latent3 was reached; check name "
                 "and index, or pass `unused` to have such values counted");
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_condition(c, typo + 2, NULL))),
                 PPL_EUNUSED, "condition: no sample site latent2[4] was reached; check "
                 "name and index, or pass `unused` to have such values counted");
    ppl_handler *lenient = ppl_condition(c, typo, &unused);
    assert_ok(c, ppl_run(c, chain, NULL, handlers(lenient)));
    ck_assert_int_eq(unused, 2);
    assert_ok(c, ppl_run(c, many, NULL, handlers(lenient)));
    ck_assert_int_eq(unused, 3);
    assert_ok(c, ppl_run(c, chain_guide, NULL, handlers(ppl_condition(
        c, values({ "loc1", NO, x }), &unused))));
    ck_assert_int_eq(unused, 1);
    assert_ok(c, ppl_run(c, chain, NULL, handlers(ppl_condition(
        c, values({ "obs", NO, x }), &unused))));
    ck_assert_int_eq(unused, 0);
    const ppl_value none = { NULL, 0, NULL };
    assert_ok(c, ppl_run(c, chain, NULL, handlers(ppl_condition(c, &none, NULL),
                                                  ppl_condition(c, NULL, NULL))));
    stop(c);
}
END_TEST

/* A list in any order, with indices. */
START_TEST(condition_finds_indices)
{
    ppl_ctx *c = start(_i);
    ppl_value list[101] = { { NULL, 0, NULL } };
    for (int i = 0; i < 100; i++)
        list[i] = (ppl_value){ i % 2 ? "odd" : "even", 99 - i, ppl_scalar(c, i) };
    ppl_trace *t = trace_of(c, many, NULL, handlers(ppl_condition(c, list, NULL)));
    for (int i = 0; i < 100; i++)
        assert_values(site_of(t, i % 2 ? "odd" : "even", 99 - i)->value, 0, i);
    stop(c);
}
END_TEST

START_TEST(condition_refuses_values)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *three = ppl_full(c, PPL_SHAPE(3), 1);
    assert_null(c, ppl_condition(c, values({ "z", 3, NULL }), NULL), PPL_EINVAL,
                "condition: the value for site z[3] is NULL");
    assert_null(c, ppl_condition(c, values({ "", NO, three }), NULL), PPL_EINVAL,
                "a name is empty; give it at least one character");
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_condition(
        c, values({ "latent1", NO, three }), NULL))), PPL_ESHAPE, "normal: a value of "
        "shape [3] does not fit the distribution's shape [2]; reshape the value or the "
        "parameters");
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_condition(
        c, values({ "latent1", NO, integers(c, 1, 2) }), NULL))), PPL_EDTYPE, "normal: "
        "the value is not floating (ppl_to_float converts integers and masks)");
    ppl_epoch mark = ppl_epoch_begin(c);
    for (int i = 0; i < 100; i++)
        ppl_scalar(c, i);               /* so that the run puts nothing in its place */
    ppl_tensor *stale = ppl_full(c, PPL_SHAPE(2), 1);
    ppl_epoch_end(c, mark);
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_condition(
        c, values({ "latent1", NO, stale }), NULL))), PPL_ESTALE, "the value of the site "
        "was made in an epoch that has ended; copy it out with ppl_read, or open the "
        "epoch around both uses");
    stop(c);
}
END_TEST

static void condition_in_part(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1);
    ppl_scope s = ppl_push(c, ppl_condition(c, values({ arg, NO, one }), NULL));
    ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    ppl_sample(c, "b", standard(c, PPL_SCALAR));
}

/* As a scope within a model it reaches what is inside; the pop tells what it missed. */
START_TEST(condition_as_a_scope)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, condition_in_part, "a", NULL);
    ck_assert_uint_eq(site_of(t, "a", NO)->flags, PPL_OBSERVED | PPL_DONE);
    ck_assert_uint_eq(site_of(t, "b", NO)->flags, PPL_DONE);
    ck_assert_int_eq(ppl_run(c, condition_in_part, "b", NULL), PPL_EUNUSED);
    ck_assert_str_eq(ppl_error_text(c), "condition: no sample site b was reached; check "
                     "name and index, or pass `unused` to have such values counted\n"
                     "  after site a; 1 site and 0 parameters visited");
    stop(c);
}
END_TEST

/* ---- substitute -------------------------------------------------------------------- */

/* Parameters take values, which have no leaf; the store is not asked. The outer wins. */
START_TEST(substitute_gives_parameters)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_full(c, PPL_SHAPE(2), 1), *two = ppl_full(c, PPL_SHAPE(2), 2);
    ppl_trace *t = trace_of(c, chain_guide, NULL, handlers(
        ppl_substitute(c, values({ "loc1", NO, one }), NULL),
        ppl_substitute(c, values({ "loc1", NO, two }, { "scale2", NO, two }), NULL)));
    ck_assert_ptr_eq(value_of(t, "loc1"), one);
    ck_assert_ptr_eq(value_of(t, "scale2"), two);
    ck_assert_ptr_null(site_of(t, "loc1", NO)->leaf);
    ck_assert_ptr_nonnull(site_of(t, "loc2", NO)->leaf);
    ck_assert_int_eq(ppl_param_count(c), 2);
    ck_assert_int_eq(ppl_param_find(c, "loc1"), -1);
    stop(c);
}
END_TEST

START_TEST(substitute_refuses_values)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *three = ppl_full(c, PPL_SHAPE(3), 1), *two = ppl_full(c, PPL_SHAPE(2), 1);
    int unused = -1;
    assert_error(c, ppl_run(c, chain_guide, NULL, handlers(ppl_substitute(
        c, values({ "loc1", NO, three }), NULL))), PPL_ESHAPE, "the value given for "
        "parameter loc1 has shape [3] and the model asks for [2]; give one of that "
        "shape");
    assert_error(c, ppl_run(c, chain_guide, NULL, handlers(ppl_substitute(
        c, values({ "latent1", NO, two }), NULL))), PPL_EUNUSED, "substitute: no "
        "parameter latent1 was reached; check name and index, or pass `unused` to have "
        "such values counted");
    assert_ok(c, ppl_run(c, chain_guide, NULL, handlers(ppl_substitute(
        c, values({ "latent1", NO, two }, { "loc1", NO, two }), &unused))));
    ck_assert_int_eq(unused, 1);
    assert_null(c, ppl_substitute(c, values({ "loc1", NO, NULL }), NULL), PPL_EINVAL,
                "substitute: the value for site loc1 is NULL");
    stop(c);
}
END_TEST

/* ---- block ------------------------------------------------------------------------- */

static int is_indexed(const ppl_msg *m, void *user)
{
    return m->index == *(const int64_t *)user;
}

/* Every way to say what is hidden, and what an outer trace then sees of `everything`. */
START_TEST(block_hides)
{
    int64_t one = 1;
    const char *const some[] = { "w", "n", "f", NULL }, *const none[] = { NULL };
    const struct {
        ppl_block_opts opts;
        const char *seen;
    } modes[] = {
        { { 0 }, "" },
        { { .hide = some }, "z[0] z[1] d x aux[4]" },
        { { .expose = some }, "w n f" },
        { { .hide = none }, "w z[0] z[1] n d x f aux[4]" },
        { { .expose = none }, "" },
        { { .kinds = PPL_HIDE_LATENT }, "w d x f" },
        { { .kinds = PPL_HIDE_OBSERVED }, "w z[0] z[1] n d aux[4]" },
        { { .kinds = PPL_HIDE_PARAM }, "z[0] z[1] n d x f aux[4]" },
        { { .kinds = PPL_HIDE_DETERMINISTIC }, "w z[0] z[1] n x f aux[4]" },
        { { .kinds = PPL_HIDE_LATENT | PPL_HIDE_PARAM }, "d x f" },
        { { .predicate = is_indexed, .user = &one }, "w z[0] n d x f aux[4]" },
        { { .predicate = is_indexed, .user = &one, .hide = some,
            .kinds = PPL_HIDE_OBSERVED }, "z[0] d aux[4]" },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(modes); i++) {
        ppl_trace *inner, *t;
        ppl_handler *inside = ppl_trace_into(c, &inner), *outside = ppl_trace_into(c, &t);
        ppl_handler *block = ppl_block(c, &modes[i].opts);
        assert_ok(c, ppl_run(c, everything, NULL, handlers(outside, block, inside)));
        ck_assert_str_eq(names_of(t), modes[i].seen);
        ck_assert_str_eq(names_of(inner), "w z[0] z[1] n d x f aux[4]");
    }
    ck_assert_int_eq(ppl_trace_count(trace_of(c, everything, NULL,
                                              handlers(ppl_block(c, NULL)))), 0);
    stop(c);
}
END_TEST

/* What is hidden is hidden from effects too: outer handlers do nothing to it. */
START_TEST(block_hides_from_every_handler)
{
    ppl_ctx *c = start(_i);
    ppl_trace *inner, *plain = trace_of(c, chain, NULL, NULL);
    ppl_tensor *two = ppl_full(c, PPL_SHAPE(2), 2);
    int unused;
    const char *const name[] = { "latent1", NULL };
    ppl_handler *block = ppl_block(c, &(ppl_block_opts){ .hide = name });
    assert_ok(c, ppl_run(c, chain, NULL, handlers(
        ppl_condition(c, values({ "latent1", NO, two }), &unused), ppl_replay(c, plain),
        ppl_scale(c, 3), block, ppl_trace_into(c, &inner))));
    ck_assert_int_eq(unused, 1);
    ck_assert_double_eq(site_of(inner, "latent1", NO)->scale, 1);
    ck_assert_double_eq(site_of(inner, "latent2", NO)->scale, 3);
    ck_assert_double_ne(ppl_total(value_of(inner, "latent1")),
                        ppl_total(value_of(plain, "latent1")));
    assert_same("latent2", value_of(inner, "latent2"), value_of(plain, "latent2"));
    stop(c);
}
END_TEST

static void twice(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_scope s = ppl_push(c, ppl_block(c, NULL));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
}

/* A hidden address is taken all the same: both draws would be one. */
START_TEST(block_hides_no_duplicates)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, twice, NULL, NULL), PPL_EDUPLICATE, "site z is visited "
                 "twice in one run; give each visit its own index (ppl_sample_at, "
                 "ppl_observe_at) or name");
    stop(c);
}
END_TEST

/* ---- scale and mask ---------------------------------------------------------------- */

/* Scales multiply, on every site inside. */
START_TEST(scale_multiplies)
{
    ppl_ctx *c = start(_i);
    ppl_trace *plain = trace_of(c, chain, NULL, NULL);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(ppl_scale(c, 3), ppl_scale(c, 0.5),
                                                     ppl_replay(c, plain)));
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(ppl_trace_at(t, i)->scale, 1.5);
    ck_assert(is_near(ppl_trace_log_prob(t), 1.5 * ppl_trace_log_prob(plain),
                      10 * rounding(_i)));
    stop(c);
}
END_TEST

START_TEST(scale_is_positive_and_finite)
{
    static const struct {
        double factor;
        const char *text;
    } bad[] = {
        { 0, "ppl_scale: the factor is 0; it must be finite and > 0 (to leave sites out, "
          "use ppl_mask)" },
        { -2, "ppl_scale: the factor is -2; it must be finite and > 0 (to leave sites "
          "out, use ppl_mask)" },
        { INFINITY, "ppl_scale: the factor is inf; it must be finite and > 0 (to leave "
          "sites out, use ppl_mask)" },
        { NAN, "ppl_scale: the factor is nan; it must be finite and > 0 (to leave sites "
          "out, use ppl_mask)" },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(bad); i++)
        assert_null(c, ppl_scale(c, bad[i].factor), PPL_EINVAL, bad[i].text);
    ck_assert_ptr_nonnull(ppl_scale(c, 1e-300));
    stop(c);
}
END_TEST

/* Masks are joined by and; elements left out do not count. */
START_TEST(masks_are_joined)
{
    ppl_ctx *c = start(_i);
    ppl_trace *plain = trace_of(c, chain, NULL, NULL);
    double expected = 0, log_prob[2];
    for (int i = 0; i < 3; i++) {
        ppl_read(ppl_site_log_prob(ppl_trace_at(plain, i)), log_prob, 2);
        expected += 2 * log_prob[1];
    }
    ppl_tensor *all = ppl_from_mask(c, PPL_SCALAR, (unsigned char[]){ 1 });
    ppl_trace *t = trace_of(c, chain, NULL, handlers(
        ppl_mask(c, mask_of(c, 0, 1)), ppl_scale(c, 2), ppl_mask(c, all),
        ppl_replay(c, plain)));
    assert_values(site_of(t, "obs", NO)->mask, 0, 0, 1);
    ck_assert(is_near(ppl_trace_log_prob(t), expected, 10 * rounding(_i)));
    t = trace_of(c, chain, NULL, handlers(ppl_mask(c, mask_of(c, 0, 1)),
                                          ppl_mask(c, mask_of(c, 1, 0))));
    ck_assert_double_eq(ppl_trace_log_prob(t), 0);
    stop(c);
}
END_TEST

/* Observes x [2] at loc [2], a variable that is handed on. */
static void observe_given(ppl_ctx *c, const void *arg)
{
    ppl_tensor *const *given = arg;
    ppl_observe(c, "x", ppl_normal(given[0], ppl_scalar(c, 1)), given[1]);
}

/* A NaN that is masked out is in no value, no gradient and no one's way. */
START_TEST(masks_keep_nan_out)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *loc = variable(c, 1, 1), *x = numbers(c, 3, NAN);
    ppl_tensor *given[] = { loc, x };
    ppl_trace *t = trace_of(c, observe_given, given,
                            handlers(ppl_mask(c, mask_of(c, 1, 0))));
    ck_assert(is_near(ppl_trace_log_prob(t), log_normal(3, 1, 1), rounding(_i)));
    assert_ok(c, ppl_backward(ppl_sum(ppl_site_log_prob(site_of(t, "x", NO)), 0)));
    assert_values(ppl_grad(loc), rounding(_i), 2, 0);
    t = trace_of(c, observe_given, given, NULL);
    ck_assert(isnan(ppl_trace_log_prob(t)));
    assert_error_is(c, PPL_ECONSTRAINT, "normal: value[1] is nan; it must be a finite "
                    "number");
    stop(c);
}
END_TEST

/* A mask must be one, and fit the batch: it cannot make a site count more than once. */
START_TEST(masks_must_fit)
{
    ppl_ctx *c = start(_i);
    assert_null(c, ppl_mask(c, numbers(c, 1, 0)), PPL_EDTYPE, "ppl_mask: expected a mask "
                "(PPL_MASK); make one with ppl_from_mask, ppl_less or ppl_equal");
    assert_null(c, ppl_mask(c, NULL), PPL_EDTYPE, "ppl_mask: expected a mask (PPL_MASK); "
                "make one with ppl_from_mask, ppl_less or ppl_equal");
    ppl_tensor *three = ppl_from_mask(c, PPL_SHAPE(3), (unsigned char[]){ 1, 1, 0 });
    ppl_tensor *more = ppl_reshape(three, PPL_SHAPE(3, 1));
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_mask(c, three))), PPL_ESHAPE,
                 "masked: a mask of shape [3] does not broadcast to the batch [2] of "
                 "normal; it counts batch axes only, not those of an event");
    assert_error(c, ppl_run(c, chain, NULL, handlers(ppl_mask(c, more))), PPL_ESHAPE,
                 "masked: a mask of shape [3,1] does not broadcast to the batch [2] of "
                 "normal; it counts batch axes only, not those of an event");
    stop(c);
}
END_TEST

/* ---- seed -------------------------------------------------------------------------- */

/* Inside a seed every run draws the same, at whatever step; the inner of two counts. */
START_TEST(seed_fixes_draws)
{
    ppl_ctx *c = start(_i);
    ppl_handler *seven = ppl_seed(c, 7), *eight = ppl_seed(c, 8);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(seven));
    ppl_set_rng_state(c, 99, 1234);
    ppl_trace *again = trace_of(c, chain, NULL, handlers(seven));
    ppl_trace *inner = trace_of(c, chain, NULL, handlers(eight, seven));
    ppl_trace *other = trace_of(c, chain, NULL, handlers(eight));
    for (int i = 0; i < 2; i++) {
        const char *name = ppl_trace_at(t, i)->name;
        assert_same(name, value_of(t, name), value_of(again, name));
        assert_same(name, value_of(t, name), value_of(inner, name));
        ck_assert_double_ne(ppl_total(value_of(t, name)),
                            ppl_total(value_of(other, name)));
    }
    uint64_t seed, step;
    ppl_rng_state(c, &seed, &step);
    ck_assert_uint_eq(seed, 99);
    ck_assert_uint_eq(step, 1234 + 3);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        trace_records, no_trace_has_nothing, trace_log_prob_sums, trace_finds_among_many,
        trace_begins_anew, trace_goes_on_in_an_epoch, trace_survives_failures,
        replay_takes_values, replay_keeps_provenance,
        of_two_replays_the_outer_wins, replay_refuses_another_kind, condition_observes,
        of_two_conditions_the_outer_wins, condition_beats_replay,
        condition_wants_to_be_reached, condition_finds_indices, condition_refuses_values,
        condition_as_a_scope, substitute_gives_parameters, substitute_refuses_values,
        block_hides, block_hides_from_every_handler, block_hides_no_duplicates,
        scale_multiplies, scale_is_positive_and_finite, masks_are_joined,
        masks_keep_nan_out, masks_must_fit, seed_fixes_draws, NULL
    };
    return run_tests("handlers", tests);
}
