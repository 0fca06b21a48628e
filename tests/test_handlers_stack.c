/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_stack.c - how messages travel through the stack of handlers, what scopes
 * must be, and what statements take and refuse.
 */
#include "handlers.h"

/* ---- The stack --------------------------------------------------------------------- */

/* A handler that writes down what is called: p(name) process, q(name) postprocess, + and
 * - for being pushed and popped, with the status. */
typedef struct spy {
    ppl_handler base;
    char letter;
    int stops;                          /* hides what it sees */
    int says;                           /* makes a statement in each function */
} spy;

static char diary[2000];

static void note(const ppl_handler *h, const char *what, const char *name)
{
    size_t used = strlen(diary);
    snprintf(diary + used, sizeof diary - used, "%s%c%s%s", used ? " " : "",
             ((const spy *)h)->letter, what, name);
}

static void spy_process(ppl_handler *h, ppl_msg *m)
{
    const spy *self = (const spy *)h;
    note(h, ">", m->name);
    if (self->stops)
        m->flags |= PPL_STOP;
    if (self->says)
        ppl_deterministic(m->ctx, self->letter == 'a' ? "pa" : "pb",
                          ppl_scalar(m->ctx, 1));
}

static void spy_postprocess(ppl_handler *h, ppl_msg *m)
{
    const spy *self = (const spy *)h;
    note(h, "<", m->name);
    if (self->says)
        ppl_deterministic(m->ctx, self->letter == 'a' ? "qa" : "qb",
                          ppl_scalar(m->ctx, 1));
}

static void spy_enter(ppl_handler *h, ppl_ctx *c)
{
    (void)c;
    note(h, "+", "");
}

static void spy_leave(ppl_handler *h, ppl_ctx *c, ppl_status why)
{
    (void)c;
    note(h, "-", ppl_status_name(why) + 4);
}

static ppl_handler *make_spy(ppl_ctx *c, char letter, int stops, int says)
{
    static const ppl_handler_ops ops = { .name = "spy", .process = spy_process,
                                         .postprocess = spy_postprocess,
                                         .enter = spy_enter, .leave = spy_leave };
    spy *s = ppl_alloc(c, sizeof *s);
    *s = (spy){ { .ops = &ops }, letter, stops, says };
    diary[0] = '\0';
    return &s->base;
}

static void sample_z(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
}

/* process goes innermost first, postprocess outermost first, on those that were reached;
 * all are left, innermost first. */
START_TEST(messages_travel_out_and_back)
{
    ppl_ctx *c = start(_i);
    ppl_handler *a = make_spy(c, 'a', 0, 0), *b = make_spy(c, 'b', 0, 0);
    ppl_handler *s = make_spy(c, 's', 1, 0);
    assert_ok(c, ppl_run(c, sample_z, NULL, handlers(a, b)));
    ck_assert_str_eq(diary, "a+ b+ b>z a>z a<z b<z b-OK a-OK");
    diary[0] = '\0';
    assert_ok(c, ppl_run(c, sample_z, NULL, handlers(a, s, b)));
    ck_assert_str_eq(diary, "a+ s+ b+ b>z s>z s<z b<z b-OK s-OK a-OK");
    stop(c);
}
END_TEST

/* What a handler says in its functions goes outward: not to itself, not to inner ones. */
START_TEST(statements_of_handlers_go_outward)
{
    ppl_ctx *c = start(_i);
    ppl_handler *a = make_spy(c, 'a', 0, 0), *b = make_spy(c, 'b', 0, 1);
    ppl_handler *inner = make_spy(c, 'i', 0, 0);
    assert_ok(c, ppl_run(c, sample_z, NULL, handlers(a, b, inner)));
    ck_assert_str_eq(diary, "a+ b+ i+ i>z b>z a>pb a<pb a>z a<z b<z a>qb a<qb i<z "
                     "i-OK b-OK a-OK");
    stop(c);
}
END_TEST

/* After an error no further function runs, but every handler is left, and told of it: of
 * one that came up while leaving too. */
START_TEST(every_handler_is_left)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *three = ppl_full(c, PPL_SHAPE(3), 0);
    ppl_tensor *fits = ppl_full(c, PPL_SHAPE(2), 0);
    ppl_handler *a = make_spy(c, 'a', 0, 0), *b = make_spy(c, 'b', 0, 0);
    ppl_handler *misfit = ppl_condition(c, values({ "latent2", NO, three }), NULL);
    ck_assert_int_eq(ppl_run(c, chain, NULL, handlers(a, misfit, b)), PPL_ESHAPE);
    ck_assert_str_eq(diary, "a+ b+ b>latent1 a>latent1 a<latent1 b<latent1 b>latent2 "
                     "a>latent2 b-ESHAPE a-ESHAPE");
    diary[0] = '\0';
    ppl_handler *typo = ppl_condition(c, values({ "latent3", NO, fits }), NULL);
    ck_assert_int_eq(ppl_run(c, many, NULL, handlers(ppl_block(c, NULL))), PPL_OK);
    ck_assert_int_eq(ppl_run(c, sample_z, NULL, handlers(a, typo, b)), PPL_EUNUSED);
    ck_assert_str_eq(diary, "a+ b+ b>z a>z a<z b<z b-OK a-EUNUSED");
    stop(c);
}
END_TEST

/* arg: what to do wrong. */
static void out_of_step(ppl_ctx *c, const void *arg)
{
    ppl_scope first = ppl_push(c, ppl_scale(c, 2));
    ppl_scope second = ppl_push(c, ppl_scale(c, 3));
    switch (*(const int *)arg) {
    case 0: break;                              /* pops nothing */
    case 1: ppl_pop(c, second); break;          /* pops one of two */
    case 2: ppl_pop(c, first); break;           /* pops both: fine */
    case 3: ppl_pop(c, first); ppl_pop(c, second); break;
    case 4: ppl_pop(c, 0); break;               /* also what is around the run */
    case 5: ppl_pop(c, -1); break;
    case 6: ppl_pop(c, second); ppl_pop(c, second); ppl_pop(c, first); break;   /* fine */
    }
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
}

/* Scopes that do not match are errors; the stack is repaired, whoever is around. */
START_TEST(scopes_must_match)
{
    static const char *const text[] = {
        "the model returned with 2 handlers still pushed; match each ppl_push with a "
        "ppl_pop",
        "the model returned with 1 handlers still pushed; match each ppl_push with a "
        "ppl_pop",
        NULL,
        "ppl_pop: this scope has ended already, with one around it; pop in the reverse "
        "order of ppl_push",
        "ppl_pop: this scope was not begun here but further out; pop what you have "
        "pushed",
        "ppl_pop: this scope was not begun here but further out; pop what you have "
        "pushed",
        NULL,
    };
    ppl_ctx *c = start(_i);
    ppl_trace *outer, *inner;
    ppl_scope around = ppl_push(c, ppl_trace_into(c, &outer));
    for (int i = 0; i < COUNT_OF(text); i++) {
        ppl_handler *trace = ppl_trace_into(c, &inner);
        ppl_status status = ppl_run(c, out_of_step, &i, handlers(trace));
        if (text[i])
            assert_error(c, status, PPL_ENEST, text[i]);
        else
            assert_ok(c, status);
        ck_assert_int_eq(ppl_trace_count(inner), i < 3 || i == 6);
        ck_assert(!trace->installed);
    }
    ppl_sample(c, "outside", standard(c, PPL_SCALAR));
    ck_assert_str_eq(names_of(outer), "z outside");
    ppl_pop(c, around);
    ppl_sample(c, "untraced", standard(c, PPL_SCALAR));
    ck_assert_int_eq(ppl_trace_count(outer), 2);
    stop(c);
}
END_TEST

static void push_in_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    ppl_push(m->ctx, ppl_scale(m->ctx, 2));
    ppl_push(m->ctx, ppl_scale(m->ctx, 2));
}

static void pop_in_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    ppl_pop(m->ctx, 3);                 /* the model's */
}

static void scope_in_process(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    ppl_scope s = ppl_push(m->ctx, ppl_scale(m->ctx, 5));
    ppl_deterministic(m->ctx, "scaled", ppl_scalar(m->ctx, 1));
    ppl_pop(m->ctx, s);
}

static void sample_in_scope(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_scale(c, 1));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
}

/* A handler may use scopes while it runs; it must end them, and no others. */
START_TEST(handlers_must_match_scopes)
{
    static const ppl_handler_ops ops[] = {
        { .name = "pusher", .process = push_in_process },
        { .name = "popper", .process = pop_in_process },
        { .name = "scoper", .postprocess = scope_in_process },
    };
    ppl_handler pusher = { .ops = &ops[0] }, popper = { .ops = &ops[1] };
    ppl_handler scoper = { .ops = &ops[2] };
    ppl_ctx *c = start(_i);
    ppl_trace *t;
    ppl_handler *trace = ppl_trace_into(c, &t), *inner = ppl_scale(c, 3);
    assert_error(c, ppl_run(c, sample_in_scope, NULL, handlers(trace, &pusher, inner)),
                 PPL_ENEST, "the pusher handler left 2 handlers pushed; match each "
                 "ppl_push with a ppl_pop");
    assert_error(c, ppl_run(c, sample_in_scope, NULL, handlers(trace, &popper, inner)),
                 PPL_ENEST, "ppl_pop: this scope was not begun here but further out; pop "
                 "what you have pushed");
    assert_ok(c, ppl_run(c, sample_in_scope, NULL, handlers(trace, &scoper, inner)));
    ck_assert_str_eq(names_of(t), "z scaled");
    ck_assert_double_eq(site_of(t, "z", NO)->scale, 3);
    ck_assert_double_eq(site_of(t, "scaled", NO)->scale, 5);
    ck_assert(!trace->installed && !scoper.installed && !inner->installed);
    stop(c);
}
END_TEST

/* A handler is installed once at a time; no handler installs nothing. */
START_TEST(handlers_are_installed_once)
{
    ppl_ctx *c = start(_i);
    ppl_handler *scale = ppl_scale(c, 2);
    assert_error(c, ppl_run(c, chain, NULL, handlers(scale, scale)), PPL_ENEST,
                 "ppl_push: this scale handler is installed already; make another one");
    assert_ok(c, ppl_run(c, chain, NULL, handlers(scale)));
    ppl_scope s = ppl_push(c, NULL);
    ck_assert_int_eq(ppl_push(c, NULL), s);
    ppl_trace *t = trace_of(c, chain, NULL, handlers(scale));
    ck_assert_double_eq(ppl_trace_at(t, 0)->scale, 2);
    ppl_pop(c, s);
    stop(c);
}
END_TEST

static void inspect(ppl_ctx *c, const void *arg)
{
    ppl_msg *m = *(ppl_msg *const *)arg;
    ppl_scope s = ppl_push(c, ppl_mask(c, mask_of(c, 1, 0)));
    *m = (ppl_msg){ .ctx = c, .kind = PPL_SITE_INSPECT, .index = -1, .scale = 1 };
    ppl_send(m);
    ppl_pop(c, s);
}

/* An inspection collects scale and mask, and is no site. */
START_TEST(inspections_collect)
{
    ppl_ctx *c = start(_i);
    ppl_msg m, *where = &m;
    ppl_trace *t = trace_of(c, inspect, &where, handlers(ppl_scale(c, 2), ppl_scale(c, 4),
                                                         ppl_block(c, NULL)));
    ck_assert_double_eq(m.scale, 8);
    assert_values(m.mask, 0, 1, 0);
    ck_assert_int_eq(ppl_trace_count(t), 0);
    stop(c);
}
END_TEST

/* ---- Options, answers, sites beside others ----------------------------------------- */

static const ppl_option_key colour = { "colour" }, size = { "size" };

typedef struct painter {
    ppl_handler base;
    const char *colour;
} painter;

static void paint(ppl_handler *h, ppl_msg *m)
{
    ppl_msg_set_option(m, &colour, ((painter *)h)->colour);
}

/* Options travel with the message; of two under one key the outer handler's counts. */
START_TEST(options_travel)
{
    static const ppl_handler_ops ops = { .name = "painter", .process = paint };
    ppl_ctx *c = start(_i);
    painter red = { { .ops = &ops }, "red" }, blue = { { .ops = &ops }, "blue" };
    ppl_trace *t = trace_of(c, chain, NULL, handlers(&red.base, &blue.base));
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        ck_assert_str_eq(ppl_msg_option(m, &colour), "red");
        ck_assert_str_eq(m->options->older->value, "blue");
        ck_assert_ptr_null(ppl_msg_option(m, &size));
    }
    stop(c);
}
END_TEST

static void answer(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind != PPL_SITE_SAMPLE || (m->flags & PPL_OBSERVED) != 0)
        return;
    m->value = ppl_full(m->ctx, m->dist->shape, 7);
    m->flags |= PPL_DONE | PPL_SKIP;
}

static void twice_latent1(ppl_ctx *c, const void *arg)
{
    chain(c, arg);
    ppl_sample(c, "latent1", standard(c, PPL_SHAPE(2)));
}

/* An answered message is no site: nobody further out sees it, its address stays free. */
START_TEST(answers_are_no_sites)
{
    static const ppl_handler_ops ops = { .name = "answer", .process = answer };
    ppl_ctx *c = start(_i);
    ppl_handler answers = { .ops = &ops };
    ppl_trace *inner;
    ppl_handler *inside = ppl_trace_into(c, &inner);
    ppl_trace *t = trace_of(c, twice_latent1, NULL, handlers(&answers, inside));
    ck_assert_str_eq(names_of(t), "obs");
    ck_assert_str_eq(names_of(inner), "latent1 latent2 obs");
    assert_values(value_of(inner, "latent2"), 0, 7, 7);
    ck_assert_ptr_null(ppl_tensor_sites(value_of(inner, "latent2")));
    stop(c);
}
END_TEST

static void shadow(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind == PPL_SITE_SAMPLE)
        ppl_sample_beside(m, "_shadow", m->dist);
}

static void indexed_in_scope(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_scale(c, 3));
    ppl_sample_at(c, "z", 4, standard(c, PPL_SHAPE(2)));
    ppl_observe(c, "x", standard(c, PPL_SCALAR), ppl_scalar(c, 1));
    ppl_pop(c, s);
}

/* A site beside another has its index and what was said of it, but is a latent. */
START_TEST(sites_beside_others)
{
    static const ppl_handler_ops ops = { .name = "shadow", .process = shadow };
    ppl_ctx *c = start(_i);
    ppl_handler shadows = { .ops = &ops };
    ppl_trace *t = trace_of(c, indexed_in_scope, NULL,
                            handlers(ppl_scale(c, 2), &shadows));
    ck_assert_str_eq(names_of(t), "z_shadow[4] z[4] x_shadow x");
    ck_assert_double_eq(site_of(t, "z_shadow", 4)->scale, 6);
    ck_assert_uint_eq(site_of(t, "x_shadow", NO)->flags, PPL_DONE);
    ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(value_of(t, "x_shadow")), 0),
                     site_of(t, "x_shadow", NO)->site);
    stop(c);
}
END_TEST

static void draw_again(ppl_handler *h, ppl_msg *m)
{
    (void)h;
    if (m->kind != PPL_SITE_SAMPLE)
        return;
    ppl_rng rng = ppl_site_rng(m);
    m->value = ppl_dist_sample(m->dist, &rng);
    m->flags |= PPL_DONE;
}

/* What a handler draws with a site's numbers is what the default would have drawn. */
START_TEST(handlers_draw_as_the_default)
{
    static const ppl_handler_ops ops = { .name = "draw", .process = draw_again };
    ppl_ctx *c = start(_i);
    ppl_handler draws = { .ops = &ops };
    for (int seeded = 0; seeded < 2; seeded++) {
        ppl_handler *seed = seeded ? ppl_seed(c, 5) : ppl_scale(c, 1);
        ppl_set_rng_state(c, 3, 3);
        ppl_trace *t = trace_of(c, indexed_in_scope, NULL, handlers(seed));
        ppl_set_rng_state(c, 3, 3);
        ppl_trace *again = trace_of(c, indexed_in_scope, NULL, handlers(seed, &draws));
        assert_same("z", site_of(t, "z", 4)->value, site_of(again, "z", 4)->value);
    }
    stop(c);
}
END_TEST

/* ---- Statements -------------------------------------------------------------------- */

/* arg: two kinds of one_of_a_kind. */
static void two_of_kinds(ppl_ctx *c, const void *arg)
{
    const int *kind = arg;
    one_of_a_kind(c, &kind[0]);
    one_of_a_kind(c, &kind[1]);
}

/* An address is visited once in a run, but for parameters. */
START_TEST(addresses_are_visited_once)
{
    static const char *const role[] = { "a sample", "a sample", "a parameter",
                                        "a deterministic value", "a plate" };
    ppl_ctx *c = start(_i);
    char text[200];
    for (int a = 0; a < 5; a++)
        for (int b = 0; b < 5; b++) {
            ppl_status status = ppl_run(c, two_of_kinds, (int[]){ a, b }, NULL);
            if (a == 2 && b == 2) {
                assert_ok(c, status);
                continue;
            }
            if (a == 4 && b == 4)
                snprintf(text, sizeof text, "plate s is made twice in one run; make it "
                         "once and push it as often as needed, or give the other its "
                         "own name");
            else if (role[a] == role[b] || a + b == 1)
                snprintf(text, sizeof text, "site s is visited twice in one run; give "
                         "each visit its own index (ppl_sample_at, ppl_observe_at) or "
                         "name");
            else
                snprintf(text, sizeof text, "site s is %s here and was %s before in this "
                         "run; rename one of them", role[b], role[a]);
            assert_error(c, status, PPL_EDUPLICATE, text);
        }
    stop(c);
}
END_TEST

/* Outside a run a statement is its default: no address is taken, nothing is wrong. */
START_TEST(statements_outside_a_run)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = numbers(c, 1, 2);
    for (int k = 0; k < 2; k++) {
        ck_assert_ptr_eq(ppl_observe(c, "x", standard(c, PPL_SHAPE(2)), x), x);
        assert_shape(ppl_sample(c, "z", standard(c, PPL_SHAPE(2))), 2);
        ck_assert_ptr_eq(ppl_deterministic(c, "d", x), x);
        assert_values(ppl_param(c, "p", PPL_SCALAR, PPL_ONES, PPL_REAL), 0, 1);
        ppl_factor(c, "f", x);
    }
    ck_assert(ppl_ok(c));
    stop(c);
}
END_TEST

START_TEST(statements_refuse)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = numbers(c, 1, 2);
    ppl_dist *d = standard(c, PPL_SHAPE(2));
    assert_null(c, ppl_sample_at(c, "z", -1, d), PPL_EINVAL,
                "site z has index -1; an index is 0 or more");
    assert_null(c, ppl_observe_at(c, "z", -3, d, x), PPL_EINVAL,
                "site z has index -3; an index is 0 or more");
    assert_null(c, ppl_sample(c, "z", NULL), PPL_EINVAL, "the distribution of site z is "
                "NULL");
    assert_null(c, ppl_sample(c, NULL, d), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    assert_null(c, ppl_observe(c, "z", d, NULL), PPL_EINVAL, "the value of the site is "
                "NULL");
    assert_null(c, ppl_observe(c, "z", d, numbers(c, 1, 2, 3)), PPL_ESHAPE, "normal: a "
                "value of shape [3] does not fit the distribution's shape [2]; reshape "
                "the value or the parameters");
    assert_null(c, ppl_deterministic(c, "d", NULL), PPL_EINVAL,
                "ppl_deterministic: the value is NULL");
    assert_null(c, ppl_deterministic_at(c, "d", -1, x), PPL_EINVAL,
                "site d has index -1; an index is 0 or more");
    ppl_factor(c, "f", NULL);
    assert_error_is(c, PPL_EINVAL, "ppl_factor: log_factor is NULL");
    ppl_clear_error(c);
    ppl_factor(c, "f", integers(c, 1));
    assert_error_is(c, PPL_EDTYPE, "unit: log_factor is integers; it must be floating "
                    "(ppl_to_float converts)");
    stop(c);
}
END_TEST

/* After an error nothing happens: statements give NULL, nobody is asked. */
START_TEST(statements_drain)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *x = numbers(c, 1, 2);
    ppl_dist *d = standard(c, PPL_SHAPE(2));
    ppl_handler *a = make_spy(c, 'a', 0, 0);
    ppl_scope s = ppl_push(c, a);
    ppl_fail(c, PPL_EUNSUPPORTED, "first");
    ck_assert_ptr_null(ppl_sample(c, "z", d));
    ck_assert_ptr_null(ppl_sample_at(c, "z", -1, d));
    ck_assert_ptr_null(ppl_observe(c, "x", d, x));
    ck_assert_ptr_null(ppl_deterministic(c, "d", x));
    ck_assert_ptr_null(ppl_param(c, "p", PPL_SCALAR, PPL_ONES, PPL_REAL));
    ck_assert_ptr_null(ppl_plate(c, "n", 3, NULL));
    ppl_factor(c, "f", x);
    ppl_pop(c, ppl_push(c, ppl_scale(c, 2)));
    ppl_pop(c, s);
    ck_assert_str_eq(diary, "a+ a-EUNSUPPORTED");
    assert_error_is(c, PPL_EUNSUPPORTED, "first");
    ck_assert_int_eq(ppl_param_count(c), 0);
    stop(c);
}
END_TEST

/* A message that was filled in by hand must be complete. */
START_TEST(messages_must_be_complete)
{
    ppl_ctx *c = start(_i);
    ppl_msg m = { .ctx = c, .kind = PPL_SITE_SAMPLE, .index = -1, .scale = 1 };
    ppl_send(&m);
    assert_error_is(c, PPL_EINVAL, "ppl_send: the message has no name; make one with "
                    "ppl_intern");
    ppl_clear_error(c);
    m.name = ppl_intern(c, "z");
    ppl_send(&m);
    assert_error_is(c, PPL_EINVAL, "the distribution of site z is NULL");
    ppl_clear_error(c);
    m.dist = standard(c, PPL_SHAPE(2));
    ppl_send(&m);
    ck_assert(ppl_ok(c));
    assert_shape(m.value, 2);
    stop(c);
}
END_TEST

START_TEST(site_texts)
{
    char text[16];
    ppl_msg m = { .name = "z", .index = -1 };
    ck_assert_str_eq(ppl_site_text(&m, text, sizeof text), "z");
    m.index = 17;
    ck_assert_str_eq(ppl_site_text(&m, text, sizeof text), "z[17]");
    ck_assert_str_eq(ppl_site_text(&m, text, 4), "z[1");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        messages_travel_out_and_back, statements_of_handlers_go_outward,
        every_handler_is_left, scopes_must_match, handlers_must_match_scopes,
        handlers_are_installed_once, inspections_collect, options_travel,
        answers_are_no_sites, sites_beside_others, handlers_draw_as_the_default,
        addresses_are_visited_once,
        statements_outside_a_run, statements_refuse, statements_drain,
        messages_must_be_complete, site_texts, NULL
    };
    return run_tests("handlers_stack", tests);
}
