/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_plate.c - independence beyond the plain plate (test_plate.c): loops,
 * stacks, plates blocked, data and parameters by plate, broadcast, markov. After
 * test_mapdata.py and test_valid_models.py of Pyro.
 */
#include "handlers.h"

/* ---- Loops ------------------------------------------------------------------------- */

typedef struct sized {
    int64_t size, subsample;
} sized;

/* Two loops, one in the other, whose sites have both indices in one number. */
static void loops(ppl_ctx *c, const void *arg)
{
    const sized *s = arg;
    ppl_handler *outer = ppl_plate(c, "outer", s[0].size, &(ppl_plate_opts){
        .subsample_size = s[0].subsample, .sequential = 1 });
    ppl_handler *inner = ppl_plate(c, "inner", s[1].size, &(ppl_plate_opts){
        .subsample_size = s[1].subsample, .sequential = 1 });
    ppl_scope first = ppl_push(c, outer);
    for (int64_t i; (i = ppl_plate_next(outer)) >= 0;) {
        ppl_sample_at(c, "a", i, standard(c, PPL_SCALAR));
        ppl_scope second = ppl_push(c, inner);
        for (int64_t k; (k = ppl_plate_next(inner)) >= 0;)
            ppl_sample_at(c, "b", 10 * i + k, standard(c, PPL_SHAPE(2)));
        ppl_pop(c, second);
    }
    ppl_pop(c, first);
    ppl_sample(c, "end", standard(c, PPL_SCALAR));
}

/* Each copy is run once, sites know which one they are in, no axis is taken; subsampled
 * loops scale as plates do: 2 of 8 times 3 of 6 is 8. */
START_TEST(plates_as_loops)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, loops, (sized[]){ { 2, 0 }, { 3, 0 } }, NULL);
    ck_assert_str_eq(names_of(t), "outer inner a[0] b[0] b[1] b[2] a[1] b[10] b[11] b[12] "
                     "end");
    const ppl_frame *f = site_of(t, "b", 12)->plates;
    ck_assert_str_eq(f->name, "outer");
    ck_assert(f->dim == 0 && f->copy == 1 && f->size == 2);
    ck_assert_str_eq(f->inner->name, "inner");
    ck_assert(f->inner->dim == 0 && f->inner->copy == 2 && f->inner->inner == NULL);
    ck_assert_int_eq(site_of(t, "b", 0)->plates->copy, 0);
    assert_shape(site_of(t, "b", 12)->value, 2);
    ck_assert_ptr_null(site_of(t, "end", NO)->plates);

    t = trace_of(c, loops, (sized[]){ { 8, 2 }, { 6, 3 } }, NULL);
    ck_assert_int_eq(ppl_trace_count(t), 2 + 2 + 6 + 1);
    for (int i = 0; i < ppl_trace_count(t); i++) {
        const ppl_msg *m = ppl_trace_at(t, i);
        if (m->kind == PPL_SITE_SAMPLE)
            ck_assert_double_eq(m->scale, m->name[0] == 'a' ? 4 : m->name[0] == 'b' ? 8 : 1);
    }
    ppl_trace *again = trace_of(c, loops, (sized[]){ { 8, 2 }, { 6, 3 } },
                                handlers(ppl_replay(c, t)));
    for (int i = 0; i < ppl_trace_count(t); i++)
        assert_same("replayed", ppl_trace_at(again, i)->value, ppl_trace_at(t, i)->value);
    stop(c);
}
END_TEST

/* A loop and an axis give the same log-density for the same data. */
static void summed(ppl_ctx *c, const void *arg)
{
    const double x[] = { 1, 2, 4, 8 };
    ppl_handler *n = ppl_plate(c, "n", 4, arg);
    ppl_scope s = ppl_push(c, n);
    if (((const ppl_plate_opts *)arg)->sequential)
        for (int64_t i; (i = ppl_plate_next(n)) >= 0;)
            ppl_observe_at(c, "x", i, standard(c, PPL_SCALAR), ppl_scalar(c, x[i]));
    else
        ppl_observe(c, "x", standard(c, PPL_SCALAR),
                    ppl_plate_take(n, ppl_from_doubles(c, PPL_SHAPE(4), x), 0));
    ppl_pop(c, s);
}

START_TEST(loops_and_axes_agree)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *some = integers(c, 3, 0, 2);
    for (int k = 0; k < 2; k++) {
        ppl_tensor *indices = k ? some : NULL;
        double a = ppl_trace_log_prob(trace_of(c, summed, &(ppl_plate_opts){
            .indices = indices }, NULL));
        double b = ppl_trace_log_prob(trace_of(c, summed, &(ppl_plate_opts){
            .indices = indices, .sequential = 1 }, NULL));
        ck_assert(is_near(a, b, 10 * rounding(_i)));
        if (k)
            ck_assert(is_near(a, 4.0 / 3 * (log_normal(8, 0, 1) + log_normal(1, 0, 1) +
                                            log_normal(4, 0, 1)), 10 * rounding(_i)));
    }
    stop(c);
}
END_TEST

/* arg: what to do wrong. */
static void wrong_loop(ppl_ctx *c, const void *arg)
{
    const int kind = *(const int *)arg;
    ppl_handler *n = ppl_plate(c, "n", 2, &(ppl_plate_opts){ .sequential = kind != 3 });
    ppl_scope s;
    if (kind == 2)
        ppl_plate_next(n);
    s = ppl_push(c, n);
    if (kind == 0)
        ppl_sample(c, "early", standard(c, PPL_SCALAR));
    while (ppl_plate_next(n) >= 0)
        if (kind == 4)
            ppl_plate_take(n, ppl_scalar(c, 1), 0);
    if (kind == 1)
        ppl_sample(c, "late", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    ppl_push(c, ppl_plate(c, "m", 2, &(ppl_plate_opts){ .sequential = 1, .dim = -1 }));
}

START_TEST(loops_out_of_step)
{
    static const char *const text[] = {
        "plate n is a loop, and this is in none of its copies; make statements after "
        "ppl_plate_next has given an index, and before it gives -1",
        "plate n is a loop, and this is in none of its copies; make statements after "
        "ppl_plate_next has given an index, and before it gives -1",
        "ppl_plate_next: plate n is not pushed; push it around the loop",
        "ppl_plate_next: plate n is no loop; make it with .sequential = 1",
        "ppl_plate_take: plate n is a loop; take the copy by its index (ppl_row)",
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(text); i++)
        assert_error(c, ppl_run(c, wrong_loop, &i, NULL), PPL_ENEST, text[i]);
    assert_error(c, ppl_run(c, wrong_loop, &(int){ 9 }, NULL), PPL_EINVAL, "plate m: a loop "
                 "has no axis, and dim is -1; leave it 0");
    ck_assert_int_eq(ppl_plate_next(NULL), -1);
    ck_assert_int_eq(ppl_plate_next(ppl_scale(c, 2)), -1);
    ck_assert_ptr_null(ppl_plate_take(NULL, ppl_scalar(c, 1), 0));
    stop(c);
}
END_TEST

/* The table of sites says which copy a site is of. */
START_TEST(loops_in_the_table)
{
    ppl_ctx *c = start(_i);
    char text[2000] = "";
    ppl_trace *t = trace_of(c, loops, (sized[]){ { 1, 0 }, { 3, 1 } }, NULL);
    FILE *file = tmpfile();
    assert_ok(c, ppl_trace_write(t, file));
    rewind(file);
    fread(text, 1, sizeof text - 1, file);
    fclose(file);
    ck_assert_msg(strstr(text, "outer copy 0: 1\n") && strstr(text, "inner copy ") &&
                  strstr(text, ": 1 of 3\n"), "%s", text);
    stop(c);
}
END_TEST

/* ---- Stacks, plates blocked -------------------------------------------------------- */

static void stacked(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_plate_stack(c, "p", PPL_SHAPE(4, 3, 2), *(const int *)arg);
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    ppl_sample(c, "y", standard(c, PPL_SCALAR));
}

START_TEST(stacks_of_plates)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, stacked, &(int){ 0 }, NULL);
    ck_assert_str_eq(names_of(t), "p_0 p_1 p_2 z y");
    assert_shape(value_of(t, "z"), 4, 3, 2);
    ck_assert_int_eq(ppl_rank(value_of(t, "y")), 0);
    t = trace_of(c, stacked, &(int){ -2 }, NULL);
    assert_shape(value_of(t, "z"), 4, 3, 2, 1);
    assert_error(c, ppl_run(c, stacked, &(int){ -7 }, NULL), PPL_EINVAL,
                 "plate p_2: dim -9; axes count from the right, -1 to -8");
    stop(c);
}
END_TEST

typedef struct blocked {
    const char *name;
    int dim;
} blocked;

/* In plates rows (-1) and columns (-2), one of which is blocked for b. */
static void with_blocked(ppl_ctx *c, const void *arg)
{
    const blocked *b = arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "rows", 4, &(ppl_plate_opts){
        .subsample_size = 2 }));
    ppl_push(c, ppl_plate(c, "columns", 3, NULL));
    ppl_scope in = ppl_push(c, ppl_block_plate(c, b->name, b->dim));
    ppl_sample(c, "b", standard(c, PPL_SCALAR));
    ppl_pop(c, in);
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
}

/* What is blocked has no axis, no scale, no frame; others have theirs. */
START_TEST(block_plate_takes_sites_out)
{
    ppl_ctx *c = start(_i);
    for (int i = 0; i < 2; i++) {
        ppl_trace *t = trace_of(c, with_blocked, &(blocked){ i ? "rows" : NULL, i ? 0 : -1 },
                                NULL);
        assert_shape(value_of(t, "b"), 3, 1);
        ck_assert_double_eq(site_of(t, "b", NO)->scale, 1);
        ck_assert_str_eq(site_of(t, "b", NO)->plates->name, "columns");
        ck_assert_ptr_null(site_of(t, "b", NO)->plates->inner);
        assert_shape(value_of(t, "z"), 3, 2);
        ck_assert_double_eq(site_of(t, "z", NO)->scale, 2);
    }
    ppl_trace *t = trace_of(c, with_blocked, &(blocked){ "columns", 0 }, NULL);
    assert_shape(value_of(t, "b"), 2);
    assert_error(c, ppl_run(c, with_blocked, &(blocked){ "typo", 0 }, NULL), PPL_ENEST,
                 "block_plate: there is no plate typo around; check the name, or push it "
                 "inside the plate");
    assert_error(c, ppl_run(c, with_blocked, &(blocked){ NULL, -3 }, NULL), PPL_ENEST,
                 "block_plate: there is no plate around at dim -3; check dim, or push it "
                 "inside the plate");
    assert_null(c, ppl_block_plate(c, NULL, 0), PPL_EINVAL, "ppl_block_plate: name is NULL "
                "and dim 0; give the name, or the axis as -1, -2, ..");
    stop(c);
}
END_TEST

/* The axis of a blocked plate is free for another; of a loop too. */
static void reuse(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 4, NULL));
    ppl_push(c, ppl_block_plate(c, "n", 0));
    ppl_push(c, ppl_plate(c, "m", 3, NULL));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    ppl_handler *loop = ppl_plate(c, "loop", 2, &(ppl_plate_opts){ .sequential = 1 });
    s = ppl_push(c, loop);
    for (int64_t i; (i = ppl_plate_next(loop)) >= 0;) {
        ppl_scope out = ppl_push(c, ppl_block_plate(c, "loop", 0));
        ppl_sample_at(c, "y", i, standard(c, PPL_SCALAR));
        ppl_pop(c, out);
    }
    ppl_pop(c, s);
    (void)arg;
}

START_TEST(block_plate_frees_the_axis)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, reuse, NULL, NULL);
    assert_shape(value_of(t, "z"), 3);
    ck_assert_int_eq(site_of(t, "z", NO)->plates->dim, -1);
    ck_assert_ptr_null(site_of(t, "y", 1)->plates);
    stop(c);
}
END_TEST

/* ---- Data and parameters by plate -------------------------------------------------- */

typedef struct taken {
    ppl_shape shape;
    int event;
} taken;

/* Parameters of the plates' copies, of which some are in use. */
static void local_parameters(ppl_ctx *c, const void *arg)
{
    const taken *t = arg;
    ppl_handler *n = ppl_plate(c, "n", 5, &(ppl_plate_opts){ .indices = integers(c, 3, 1) });
    ppl_scope s = ppl_push(c, n);
    ppl_handler *k = ppl_plate(c, "k", 4, NULL);
    ppl_push(c, k);
    ppl_tensor *w = ppl_param(c, "w", t->shape, ppl_init_normal(0, 1), PPL_REAL);
    w = ppl_plate_take(k, ppl_plate_take(n, w, t->event), t->event);
    ppl_deterministic(c, "taken", w);
    ppl_sample(c, "z", ppl_event(ppl_normal(w, ppl_scalar(c, 1)), t->event));
    ppl_pop(c, s);
}

/* The rows of a parameter that the plate has in use, whatever other axes there are; its
 * gradient is that of the whole, zero elsewhere. */
START_TEST(parameters_by_plate)
{
    static const struct {
        taken given;
        ppl_shape expected;
    } rows[] = {
        { { { 1, { 5 } }, 0 }, { 1, { 2 } } },
        { { { 2, { 4, 5 } }, 0 }, { 2, { 4, 2 } } },
        { { { 2, { 4, 1 } }, 0 }, { 2, { 4, 1 } } },
        { { { 3, { 4, 5, 6 } }, 1 }, { 3, { 4, 2, 6 } } },
        { { { 1, { 6 } }, 1 }, { 1, { 6 } } },
        { { { 0, { 0 } }, 0 }, { 0, { 0 } } },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(rows); i++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_trace *t = trace_of(c, local_parameters, &rows[i].given, NULL);
        assert_shaped("taken", value_of(t, "taken"), rows[i].expected);
        if (i == 0) {
            double w[5], some[2], gradient[5];
            ppl_read(value_of(t, "w"), w, 5);
            ppl_read(value_of(t, "taken"), some, 2);
            ck_assert(some[0] == w[3] && some[1] == w[1]);
            assert_ok(c, ppl_backward(ppl_sum(value_of(t, "taken"), PPL_ALL)));
            assert_ok(c, ppl_param_grad(c, "w", gradient, 5));
            for (int k = 0; k < 5; k++)
                ck_assert_double_eq(gradient[k], k == 1 || k == 3);
        }
        ppl_epoch_end(c, mark);
        ppl_param_rollback(c, 0);
    }
    assert_error(c, ppl_run(c, local_parameters, &(taken){ PPL_SHAPE(4, 2), 0 }, NULL),
                 PPL_ESHAPE, "ppl_plate_take: [4,2], with 0 event axes, has 2 at dim -1, "
                 "where plate n has 5 copies; give all of them, or 1");
    ppl_handler *n = ppl_plate(c, "alone", 2, NULL);
    assert_null(c, ppl_plate_take(n, numbers(c, 1, 2), 0), PPL_ENEST, "ppl_plate_take: plate "
                "alone is not pushed; its axis is not known before");
    stop(c);
}
END_TEST

/* ---- broadcast --------------------------------------------------------------------- */

static void forget_batch(ppl_msg *m, void *user)
{
    (void)user;
    if (m->kind == PPL_SITE_SAMPLE)
        m->dist = standard(m->ctx, PPL_SCALAR);
}

static void change_inside(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 4, NULL));
    ppl_push(c, ppl_plate(c, "k", 2, &(ppl_plate_opts){ .dim = -3 }));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    (void)arg;
}

/* A distribution that a handler has put in another's place gets the axes of the plates
 * further in; those that have them are let be. */
START_TEST(broadcast_expands_to_plates)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, change_inside, NULL, handlers(ppl_watch(c, forget_batch, NULL,
                                                                      NULL)));
    ck_assert_int_eq(ppl_rank(value_of(t, "z")), 0);
    t = trace_of(c, change_inside, NULL, handlers(ppl_broadcast(c), ppl_watch(
        c, forget_batch, NULL, NULL)));
    assert_shape(value_of(t, "z"), 2, 1, 4);
    t = trace_of(c, change_inside, NULL, handlers(ppl_broadcast(c), ppl_broadcast(c)));
    assert_shape(value_of(t, "z"), 2, 1, 4);
    stop(c);
}
END_TEST

/* ---- markov ------------------------------------------------------------------------ */

typedef struct series {
    int64_t history;                    /* what markov is told */
    int lag, backward, reads, deterministic;
} series;

/* z[t] depends on a global g and on z[t - lag]; x[t] on z[t]. */
static void time_series(ppl_ctx *c, const void *arg)
{
    const series *m = arg;
    ppl_tensor *one = ppl_scalar(c, 1), *z[8] = { NULL };
    ppl_tensor *g = ppl_sample_at(c, "g", 100, standard(c, PPL_SCALAR));
    ppl_scope s = ppl_push(c, ppl_markov(c, m->history));
    for (int step = 0; step < 8; step++) {
        int t = m->backward ? 7 - step : step;
        ppl_tensor *loc = step >= m->lag ? ppl_add(g, z[step - m->lag]) : g;
        if (m->reads && step > 0)
            loc = ppl_affine(g, 1, ppl_item(z[step - 1]));
        z[step] = ppl_sample_at(c, "z", t, ppl_normal(loc, one));
        ppl_observe_at(c, "x", t, ppl_normal(z[step], one), one);
    }
    ppl_sample(c, "after", ppl_normal(z[0], one));
    ppl_pop(c, s);
    ppl_sample_at(c, "beyond", 50, ppl_normal(z[0], one));
}

/* A window that is wide enough is none the wiser; one that is too narrow names both
 * sites. Time may run backward; sites outside, or without an index, are free. */
START_TEST(markov_checks_the_window)
{
    static const struct {
        series given;
        const char *text;
    } rows[] = {
        { { .history = 1, .lag = 1 }, NULL },
        { { .history = 2, .lag = 2 }, NULL },
        { { .history = 9, .lag = 3 }, NULL },
        { { .history = 1, .lag = 1, .backward = 1 }, NULL },
        { { .history = 1, .lag = 2 }, "markov: site z[2] depends on z[0], 2 away, and the "
          "history is 1; make the history longer, or carry what it needs in nearer "
          "sites" },
        { { .history = 0, .lag = 1, .backward = 1 }, "markov: site z[6] depends on z[7], 1 "
          "away, and the history is 0; make the history longer, or carry what it needs in "
          "nearer sites" },
        /* A number read from z[0] may have led to z[2]. */
        { { .history = 1, .lag = 8, .reads = 1 }, "markov: site z[2] depends on z[0], 2 "
          "away, and the history is 1; make the history longer, or carry what it needs in "
          "nearer sites" },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].text == NULL)
            trace_of(c, time_series, &rows[i].given, NULL);
        else
            assert_error(c, ppl_run(c, time_series, &rows[i].given, NULL), PPL_EMISMATCH,
                         rows[i].text);
    assert_null(c, ppl_markov(c, -1), PPL_EINVAL,
                "ppl_markov: the history is -1; it must be 0 or more");
    stop(c);
}
END_TEST

/* Independence of the copies of a loop: a history of 0. Pushed again, it starts anew. */
static void copies(ppl_ctx *c, const void *arg)
{
    ppl_scope s;
    for (int k = 0; k < 2; k++) {
        s = ppl_push(c, *(ppl_handler *const *)arg);
        for (int t = 0; t < 200; t++) {
            ppl_tensor *z = ppl_sample_at(c, k ? "a" : "b", t, standard(c, PPL_SCALAR));
            ppl_sample_at(c, k ? "c" : "d", t, ppl_normal(z, ppl_scalar(c, 1)));
        }
        ppl_pop(c, s);
    }
}

START_TEST(markov_of_independent_copies)
{
    ppl_ctx *c = start(_i);
    ppl_handler *independent = ppl_markov(c, 0);
    ppl_trace *t = trace_of(c, copies, &independent, NULL);
    ck_assert_int_eq(ppl_trace_count(t), 800);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        plates_as_loops, loops_and_axes_agree, loops_out_of_step, loops_in_the_table,
        stacks_of_plates, block_plate_takes_sites_out, block_plate_frees_the_axis,
        parameters_by_plate, broadcast_expands_to_plates, markov_checks_the_window,
        markov_of_independent_copies, NULL
    };
    return run_tests("handlers_plate", tests);
}
