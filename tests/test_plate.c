/* SPDX-License-Identifier: MIT */
/*
 * test_plate.c - plates: axes, nesting, subsampling and its scale, indices replayed and
 * given, what does not fit. After test_mapdata.py and test_poutines.py of Pyro.
 */
#include "fixture.h"

#define NO PPL_NO_INDEX

/* A plate of a test model: what ppl_plate gets. */
typedef struct sized {
    int64_t size, subsample;
    int dim;
} sized;

/* Sites inside and outside of two nested plates: z, a [outer], b [outer, inner], c. */
static void nested(ppl_ctx *c, const void *arg)
{
    const sized *s = arg;
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_handler *outer = ppl_plate(c, "outer", s[0].size, &(ppl_plate_opts){
        .subsample_size = s[0].subsample, .dim = s[0].dim });
    ppl_scope first = ppl_push(c, outer);
    ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ppl_handler *inner = ppl_plate(c, "inner", s[1].size, &(ppl_plate_opts){
        .subsample_size = s[1].subsample, .dim = s[1].dim });
    ppl_scope second = ppl_push(c, inner);
    ppl_sample(c, "b", standard(c, PPL_SCALAR));
    ppl_param(c, "p", PPL_SHAPE(2), PPL_ZEROS, PPL_REAL);
    ppl_pop(c, second);
    ppl_sample(c, "c", standard(c, PPL_SCALAR));
    ppl_pop(c, first);
    ppl_sample(c, "y", standard(c, PPL_SCALAR));
}

/* ---- Axes -------------------------------------------------------------------------- */

static void assert_frame(const ppl_frame *f, const char *name, int dim, int64_t size,
                         int64_t full_size)
{
    ck_assert_ptr_nonnull(f);
    ck_assert_str_eq(f->name, name);
    ck_assert_int_eq(f->dim, dim);
    ck_assert_int_eq(f->size, size);
    ck_assert_int_eq(f->full_size, full_size);
}

/* Each plate takes the first free axis from the right; sites inside are expanded to it,
 * and know the plates around them, outermost first. Parameters keep their shape. */
START_TEST(plates_take_axes)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, nested, (sized[]){ { 4, 0, 0 }, { 3, 0, 0 } }, NULL);
    ck_assert_int_eq(ppl_rank(value_of(t, "z")), 0);
    assert_shape(value_of(t, "a"), 4);
    assert_shape(value_of(t, "b"), 3, 4);
    assert_shape(value_of(t, "c"), 4);
    assert_shape(value_of(t, "p"), 2);
    ck_assert_int_eq(ppl_rank(value_of(t, "y")), 0);
    ck_assert_ptr_null(site_of(t, "z", NO)->plates);
    ck_assert_ptr_null(site_of(t, "y", NO)->plates);
    const ppl_frame *outer = site_of(t, "b", NO)->plates;
    assert_frame(outer, "outer", -1, 4, 4);
    assert_frame(outer->inner, "inner", -2, 3, 3);
    ck_assert_ptr_null(outer->inner->inner);
    assert_frame(site_of(t, "c", NO)->plates, "outer", -1, 4, 4);
    ck_assert_ptr_null(site_of(t, "c", NO)->plates->inner);
    for (int i = 0; i < ppl_trace_count(t); i++)
        ck_assert_double_eq(ppl_trace_at(t, i)->scale, 1);
    assert_values(value_of(t, "outer"), 0, 0, 1, 2, 3);
    ck_assert_int_eq(site_of(t, "outer", NO)->kind, PPL_SITE_SUBSAMPLE);
    stop(c);
}
END_TEST

/* An axis may be named; free ones go round it. */
START_TEST(plates_may_name_their_axis)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, nested, (sized[]){ { 4, 0, -2 }, { 3, 0, 0 } }, NULL);
    assert_shape(value_of(t, "a"), 4, 1);
    assert_shape(value_of(t, "b"), 4, 3);
    t = trace_of(c, nested, (sized[]){ { 4, 0, -1 }, { 3, 0, -3 } }, NULL);
    assert_shape(value_of(t, "b"), 3, 1, 4);
    t = trace_of(c, nested, (sized[]){ { 4, 0, -8 }, { 3, 0, 0 } }, NULL);
    assert_shape(value_of(t, "b"), 4, 1, 1, 1, 1, 1, 1, 3);
    stop(c);
}
END_TEST

/* Elements of a plate are draws of their own: those of the expanded distribution. */
static void expanded(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, "b", ppl_expand_dist(standard(c, PPL_SCALAR), PPL_SHAPE(3, 4)));
}

START_TEST(plates_draw_copies)
{
    ppl_ctx *c = start(_i);
    ppl_set_rng_state(c, 0, 5);
    ppl_trace *t = trace_of(c, nested, (sized[]){ { 4, 0, 0 }, { 3, 0, 0 } }, NULL);
    ppl_set_rng_state(c, 0, 5);
    assert_same("b", value_of(t, "b"), value_of(trace_of(c, expanded, NULL, NULL), "b"));
    double x[12];
    ppl_read(value_of(t, "b"), x, 12);
    for (int i = 1; i < 12; i++)
        ck_assert_double_ne(x[i], x[0]);
    stop(c);
}
END_TEST

/* One plate in several places, at other axes. */
static void moved(ppl_ctx *c, const void *arg)
{
    ppl_handler *n = ppl_plate(c, "n", 4, NULL), *k = ppl_plate(c, "k", 3, NULL);
    (void)arg;
    ppl_scope s = ppl_push(c, n);
    ppl_sample(c, "alone", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    s = ppl_push(c, k);
    ppl_push(c, n);
    ppl_sample(c, "inside", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
    s = ppl_push(c, n);
    ppl_push(c, k);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_push(c, ppl_block(c, NULL));
    ppl_sample(c, "hidden", standard(c, PPL_SCALAR));
    ppl_pop(c, s + 2);
    ppl_sample(c, "epoch", standard(c, PPL_SCALAR));
    ppl_epoch_end(c, mark);
    ppl_full(c, PPL_SHAPE(500), 1);
    ppl_sample(c, "around", standard(c, PPL_SCALAR));
    ppl_sample(c, "late", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
}

/* A plate may be pushed again and again; what was recorded of it stays as it was. */
START_TEST(plates_are_pushed_again)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t;
    ppl_handler *trace = ppl_trace_into(c, &t);
    assert_ok(c, ppl_run(c, moved, NULL, handlers(trace)));
    assert_shape(value_of(t, "alone"), 4);
    assert_shape(value_of(t, "inside"), 4, 3);
    assert_shape(value_of(t, "around"), 3, 4);
    assert_shape(value_of(t, "late"), 3, 4);
    assert_frame(site_of(t, "alone", NO)->plates, "n", -1, 4, 4);
    assert_frame(site_of(t, "inside", NO)->plates, "k", -1, 3, 3);
    assert_frame(site_of(t, "inside", NO)->plates->inner, "n", -2, 4, 4);
    assert_frame(site_of(t, "around", NO)->plates, "n", -1, 4, 4);
    assert_frame(site_of(t, "around", NO)->plates->inner, "k", -2, 3, 3);
    assert_frame(site_of(t, "late", NO)->plates->inner, "k", -2, 3, 3);
    stop(c);
}
END_TEST

/* Axes that collide, a plate in itself, more axes than tensors have. */
START_TEST(plates_collide)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, nested, (sized[]){ { 4, 0, -2 }, { 3, 0, -2 } }, NULL),
                 PPL_ESHAPE, "plates outer and inner collide at dim -2; try moving one "
                 "to the left, e.g. dim -3");
    assert_ok(c, ppl_run(c, nested, (sized[]){ { 4, 0, -2 }, { 3, 0, -1 } }, NULL));

    ppl_handler *a = ppl_plate(c, "same", 2, NULL), *b = ppl_plate(c, "same", 2, NULL);
    ppl_scope s = ppl_push(c, a);
    ppl_push(c, b);
    assert_error_is(c, PPL_ENEST,
                    "plate same is nested in itself; give the plates names of their own");
    ppl_clear_error(c);
    ppl_pop(c, s);

    char name[] = "a";
    for (; name[0] <= 'i'; name[0]++)
        ppl_push(c, ppl_plate(c, name, 2, NULL));
    assert_error_is(c, PPL_ESHAPE, "plate i needs axis -9; tensors have 8 axes at most");
    ppl_pop(c, s);
    ppl_clear_error(c);
    assert_ok(c, ppl_run(c, nested, (sized[]){ { 4, 0, 0 }, { 3, 0, 0 } }, NULL));
    stop(c);
}
END_TEST

START_TEST(plates_refuse_options)
{
    ppl_ctx *c = start(_i);
    assert_null(c, ppl_plate(c, "n", 0, NULL), PPL_EINVAL, "plate n: size 0, "
                "subsample_size 0; size must be 1 or more and subsample_size between 1 "
                "and size (0: all)");
    assert_null(c, ppl_plate(c, "n", 5, &(ppl_plate_opts){ .subsample_size = 6 }),
                PPL_EINVAL, "plate n: size 5, subsample_size 6; size must be 1 or more "
                "and subsample_size between 1 and size (0: all)");
    assert_null(c, ppl_plate(c, "n", 5, &(ppl_plate_opts){ .subsample_size = -1 }),
                PPL_EINVAL, "plate n: size 5, subsample_size -1; size must be 1 or more "
                "and subsample_size between 1 and size (0: all)");
    assert_null(c, ppl_plate(c, "n", 5, &(ppl_plate_opts){ .dim = 1 }), PPL_EINVAL,
                "plate n: dim 1; axes count from the right, -1 to -8");
    assert_null(c, ppl_plate(c, "n", 5, &(ppl_plate_opts){ .dim = -9 }), PPL_EINVAL,
                "plate n: dim -9; axes count from the right, -1 to -8");
    assert_null(c, ppl_plate(c, NULL, 5, NULL), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    assert_null(c, ppl_plate(c, "", 0, NULL), PPL_EINVAL,
                "a name is empty; give it at least one character");
    ck_assert_ptr_null(ppl_plate_indices(NULL));
    ck_assert_ptr_null(ppl_plate_indices(ppl_scale(c, 2)));
    stop(c);
}
END_TEST

/* ---- What fits --------------------------------------------------------------------- */

/* A site of the given batch and event within plates n at dim -1 and k at dim -2. */
typedef struct shaped {
    ppl_shape shape;
    int event;
} shaped;

static void of_shape(ppl_ctx *c, const void *arg)
{
    const shaped *s = arg;
    ppl_scope scope = ppl_push(c, ppl_plate(c, "n", 4, NULL));
    ppl_push(c, ppl_plate(c, "k", 3, NULL));
    ppl_sample_at(c, "s", 7, ppl_event(standard(c, s->shape), s->event));
    ppl_pop(c, scope);
}

/* A batch of the plate's size, or of 1, or without the axis fits; other axes are let
 * be. */
START_TEST(sites_fit_their_plates)
{
    static const struct {
        shaped given;
        ppl_shape expected;
    } fits[] = {
        { { { 0, { 0 } }, 0 }, { 2, { 3, 4 } } },
        { { { 1, { 4 } }, 0 }, { 2, { 3, 4 } } },
        { { { 1, { 1 } }, 0 }, { 2, { 3, 4 } } },
        { { { 2, { 3, 1 } }, 0 }, { 2, { 3, 4 } } },
        { { { 3, { 5, 1, 4 } }, 0 }, { 3, { 5, 3, 4 } } },
        { { { 1, { 2 } }, 1 }, { 3, { 3, 4, 2 } } },
        { { { 3, { 4, 2, 6 } }, 2 }, { 4, { 3, 4, 2, 6 } } },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(fits); i++) {
        ppl_trace *t = trace_of(c, of_shape, &fits[i].given, NULL);
        assert_shaped("s", site_of(t, "s", 7)->value, fits[i].expected);
    }
    stop(c);
}
END_TEST

START_TEST(sites_that_do_not_fit)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, of_shape, &(shaped){ PPL_SHAPE(5), 0 }, NULL), PPL_ESHAPE,
                 "site s[7] does not fit plate n: its batch has 5 at dim -1 and the "
                 "plate 4; reshape the parameters, or make the axis part of the event "
                 "(ppl_event)");
    assert_error(c, ppl_run(c, of_shape, &(shaped){ PPL_SHAPE(4, 4), 0 }, NULL),
                 PPL_ESHAPE, "site s[7] does not fit plate k: its batch has 4 at dim -2 "
                 "and the plate 3; reshape the parameters, or make the axis part of the "
                 "event (ppl_event)");
    stop(c);
}
END_TEST

/* ---- Subsampling ------------------------------------------------------------------- */

/* A site counts size / subsample_size times, the product over its plates. */
START_TEST(subsampling_scales)
{
    static const struct {
        sized outer, inner;
        double a, b;
    } rows[] = {
        { { 8, 2, 0 }, { 6, 3, 0 }, 4, 8 },
        { { 2, 1, 0 }, { 2, 1, 0 }, 2, 4 },
        { { 2, 1, 0 }, { 2, 2, 0 }, 2, 2 },
        { { 2, 2, 0 }, { 2, 1, 0 }, 1, 2 },
        { { 2, 2, 0 }, { 2, 2, 0 }, 1, 1 },
        { { 5, 3, 0 }, { 7, 0, 0 }, 5.0 / 3, 5.0 / 3 },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(rows); i++) {
        const sized both[] = { rows[i].outer, rows[i].inner };
        ppl_trace *t = trace_of(c, nested, both, handlers(ppl_scale(c, 0.5)));
        ck_assert_double_eq(site_of(t, "z", NO)->scale, 0.5);
        ck_assert_double_eq(site_of(t, "a", NO)->scale, 0.5 * rows[i].a);
        ck_assert_double_eq(site_of(t, "b", NO)->scale, 0.5 * rows[i].b);
        ck_assert_double_eq(site_of(t, "c", NO)->scale, 0.5 * rows[i].a);
        int64_t outer = both[0].subsample, inner = both[1].subsample;
        assert_shape(value_of(t, "b"), inner ? inner : both[1].size, outer);
        assert_frame(site_of(t, "b", NO)->plates, "outer", -1, outer, both[0].size);
    }
    stop(c);
}
END_TEST

/* Indices are drawn anew in each run: distinct, each as often as any other, in any
 * place. */
START_TEST(indices_are_drawn_evenly)
{
    enum { RUNS = 6000, SIZE = 5, TAKEN = 3 };
    int seen[TAKEN][SIZE] = { { 0 } };
    ppl_ctx *c = start(_i);
    for (int run = 0; run < RUNS; run++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        ppl_trace *t = trace_of(c, nested, (sized[]){ { SIZE, TAKEN, 0 }, { 2, 0, 0 } },
                                NULL);
        double index[TAKEN];
        ck_assert_int_eq(ppl_read(value_of(t, "outer"), index, TAKEN), TAKEN);
        for (int i = 0; i < TAKEN; i++) {
            ck_assert(index[i] >= 0 && index[i] < SIZE);
            for (int k = 0; k < i; k++)
                ck_assert_double_ne(index[k], index[i]);
            seen[i][(int)index[i]]++;
        }
        ppl_epoch_end(c, mark);
    }
    for (int i = 0; i < TAKEN; i++)
        for (int k = 0; k < SIZE; k++) {
            double p = 1.0 / SIZE, error = seen[i][k] - RUNS * p;
            ck_assert_double_lt(fabs(error), 4 * sqrt(RUNS * p * (1 - p)));
        }
    stop(c);
}
END_TEST

/* Observes x = 0, 1, .. 5 at loc 0, some of them. */
static void minibatch(ppl_ctx *c, const void *arg)
{
    const int64_t *count = arg;
    ppl_tensor *data = numbers(c, 0, 1, 2, 3, 4, 5);
    ppl_handler *n = ppl_plate(c, "n", 6, &(ppl_plate_opts){ .subsample_size = *count });
    ppl_scope s = ppl_push(c, n);
    ppl_observe(c, "x", standard(c, PPL_SCALAR),
                ppl_index_select(data, 0, ppl_plate_indices(n)));
    ppl_pop(c, s);
}

/* The log-density of a subsample is an unbiased estimate of the whole. */
START_TEST(subsampling_is_unbiased)
{
    enum { RUNS = 4000 };
    const double squares = 0 + 1 + 4 + 9 + 16 + 25, fourth = 1 + 16 + 81 + 256 + 625;
    ppl_ctx *c = start(_i);
    double sum = 0;
    double whole = ppl_trace_log_prob(trace_of(c, minibatch, &(int64_t){ 0 }, NULL));
    for (int run = 0; run < RUNS; run++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        sum += ppl_trace_log_prob(trace_of(c, minibatch, &(int64_t){ 2 }, NULL));
        ppl_epoch_end(c, mark);
    }
    /* 3 times the sum of 2 of the 6 values -x^2 / 2, without replacement. */
    double variance = 9.0 * 2 * (fourth / 6 - squares / 6 * squares / 6) / 4 * 4 / 5;
    ck_assert_double_lt(fabs(sum / RUNS - whole), 4 * sqrt(variance / RUNS));
    stop(c);
}
END_TEST

/* ---- Indices from elsewhere -------------------------------------------------------- */

static void one_plate(ppl_ctx *c, const void *arg)
{
    const sized *s = arg;
    ppl_plate_opts opts = { .subsample_size = s->subsample };
    ppl_scope scope = ppl_push(c, ppl_plate(c, "n", s->size, &opts));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, scope);
}

/* Replay gives a model the indices of its guide, if they name one size or none. */
START_TEST(replayed_indices)
{
    enum { NONE = 0 };
    static const struct {
        int64_t model, guide;
        const char *text;
    } rows[] = {
        { 20, 20, NULL }, { 20, NONE, NULL }, { 5, 5, NULL },
        { NONE, 20, NULL }, { NONE, 5, NULL }, { NONE, NONE, NULL },
        { 20, 5, "plate n: subsample_size 20 here and 5 indices given; use one "
          "subsample_size in model and guide" },
        { 5, 20, "plate n: subsample_size 5 here and 20 indices given; use one "
          "subsample_size in model and guide" },
        { 5, NONE, "plate n: subsample_size 5 here and 20 indices given; use one "
          "subsample_size in model and guide" },
    };
    ppl_ctx *c = start(_i);
    for (int i = 0; i < COUNT_OF(rows); i++) {
        const sized model = { 20, rows[i].model, 0 }, guide = { 20, rows[i].guide, 0 };
        ppl_trace *t = trace_of(c, one_plate, &guide, NULL), *m;
        ppl_handler *trace = ppl_trace_into(c, &m);
        ppl_status status = ppl_run(c, one_plate, &model,
                                    handlers(trace, ppl_replay(c, t)));
        if (rows[i].text) {
            assert_error(c, status, PPL_ESHAPE, rows[i].text);
            continue;
        }
        assert_ok(c, status);
        assert_same("n", value_of(m, "n"), value_of(t, "n"));
        assert_same("z", value_of(m, "z"), value_of(t, "z"));
        ck_assert_double_eq(site_of(m, "z", NO)->scale, site_of(t, "z", NO)->scale);
    }
    ppl_trace *larger = trace_of(c, one_plate, &(sized){ 20, 0, 0 }, NULL);
    assert_error(c, ppl_run(c, one_plate, &(sized){ 10, 0, 0 },
                            handlers(ppl_replay(c, larger))), PPL_EINVAL,
                 "plate n: index 10 is 10; they are 0 to 9 in a plate of size 10");
    stop(c);
}
END_TEST

static void given_indices(ppl_ctx *c, const void *arg)
{
    const ppl_plate_opts *opts = arg;
    ppl_handler *n = ppl_plate(c, "n", 10, opts);
    ck_assert(n == NULL || ppl_plate_indices(n) == opts->indices);
    ppl_scope s = ppl_push(c, n);
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
    ppl_pop(c, s);
}

/* Indices that are given are taken as they are, whatever a replay has; a model that gives
 * none gets its guide's. */
START_TEST(indices_may_be_given)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *given = integers(c, 7, 0, 7);
    const ppl_plate_opts opts = { .indices = given }, both = { .indices = given,
                                                               .subsample_size = 3 };
    ppl_trace *drawn = trace_of(c, one_plate, &(sized){ 10, 3, 0 }, NULL);
    for (int k = 0; k < 3; k++) {
        ppl_handler *replay = k == 2 ? ppl_block(c, &(ppl_block_opts){ .hide =
            (const char *[]){ "z", NULL } }) : NULL;
        ppl_trace *t = k == 2 ? trace_of(c, given_indices, &both,
                                         handlers(ppl_replay(c, drawn), replay))
                              : trace_of(c, given_indices, k ? &both : &opts, NULL);
        ck_assert_ptr_eq(value_of(t, "n"), given);
        ck_assert(is_near(site_of(t, "n", NO)->scale, 1, 0));
        if (k < 2) {
            assert_shape(value_of(t, "z"), 3);
            ck_assert_double_eq(site_of(t, "z", NO)->scale, 10.0 / 3);
        }
    }
    ppl_trace *guide = trace_of(c, given_indices, &opts, NULL);
    ppl_trace *model = trace_of(c, one_plate, &(sized){ 10, 0, 0 },
                                handlers(ppl_replay(c, guide)));
    assert_values(value_of(model, "n"), 0, 7, 0, 7);
    stop(c);
}
END_TEST

START_TEST(indices_must_fit)
{
    ppl_ctx *c = start(_i);
    ppl_epoch mark = ppl_epoch_begin(c);
    for (int i = 0; i < 50; i++)
        ppl_scalar(c, 0);
    ppl_tensor *stale = integers(c, 1);
    ppl_epoch_end(c, mark);
    const struct {
        ppl_plate_opts opts;
        ppl_status status;
        const char *text;
    } bad[] = {
        { { .indices = integers(c, 1, 10) }, PPL_EINVAL,
          "plate n: index 1 is 10; they are 0 to 9 in a plate of size 10" },
        { { .indices = integers(c, -1) }, PPL_EINVAL,
          "plate n: index 0 is -1; they are 0 to 9 in a plate of size 10" },
        { { .indices = numbers(c, 1, 2) }, PPL_ESHAPE, "plate n: the indices must be "
          "integers of rank 1, one at least (ppl_from_integers)" },
        { { .indices = ppl_reshape(integers(c, 1, 2), PPL_SHAPE(2, 1)) }, PPL_ESHAPE,
          "plate n: the indices must be integers of rank 1, one at least "
          "(ppl_from_integers)" },
        { { .indices = ppl_head(integers(c, 1, 2), 0) }, PPL_ESHAPE, "plate n: the "
          "indices must be integers of rank 1, one at least (ppl_from_integers)" },
        { { .indices = integers(c, 1, 2), .subsample_size = 3 }, PPL_ESHAPE, "plate n: "
          "subsample_size 3 here and 2 indices given; use one subsample_size in model "
          "and guide" },
        { { .indices = stale }, PPL_ESTALE, "data: the tensor was made in an epoch that "
          "has ended; copy it out with ppl_read, or open the epoch around both uses" },
    };
    for (int i = 0; i < COUNT_OF(bad); i++)
        assert_error(c, ppl_run(c, given_indices, &bad[i].opts, NULL), bad[i].status,
                     bad[i].text);
    stop(c);
}
END_TEST

/* ---- Together with other statements ------------------------------------------------ */

/* A factor, a masked site and a conditioned one in a plate of 2 of 4. */
static void in_company(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_scope s = ppl_push(c, ppl_plate(c, "n", 4,
                                        &(ppl_plate_opts){ .subsample_size = 2 }));
    ppl_factor(c, "f", ppl_scalar(c, -3));
    ppl_factor(c, "each", numbers(c, -1, -2));
    ppl_push(c, ppl_mask(c, ppl_from_mask(c, PPL_SHAPE(2), (unsigned char[]){ 0, 1 })));
    ppl_observe(c, "x", standard(c, PPL_SCALAR), numbers(c, 5, 0));
    ppl_pop(c, s);
}

/* What is in a plate counts for each of its copies, and for those not in the
 * subsample. */
START_TEST(plates_count_copies)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, in_company, NULL, NULL);
    const double log_normal_0 = -0.9189385332046727418;
    ck_assert(is_near(ppl_trace_log_prob(t),
                      2 * (-3 - 3) + 2 * (-1 - 2) + 2 * log_normal_0,
                      10 * rounding(_i)));
    assert_shape(site_of(t, "f", NO)->log_prob, 2);
    t = trace_of(c, one_plate, &(sized){ 4, 2, 0 }, handlers(ppl_condition(
        c, values({ "z", NO, numbers(c, 0, 1) }), NULL)));
    ck_assert(is_near(ppl_trace_log_prob(t), 2 * (2 * log_normal_0 - 0.5),
                      10 * rounding(_i)));
    assert_error(c, ppl_run(c, one_plate, &(sized){ 4, 2, 0 }, handlers(ppl_condition(
        c, values({ "z", NO, numbers(c, 0, 1, 2) }), NULL))), PPL_ESHAPE, "normal: a "
        "value of shape [3] does not fit the distribution's shape [2]; reshape the value "
        "or the parameters");
    stop(c);
}
END_TEST

static void twice(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_plate(c, "n", 4, NULL);
    ppl_plate(c, "n", 4, NULL);
}

/* A plate's name is an address: its indices are drawn once. */
START_TEST(plates_are_made_once)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, twice, NULL, NULL), PPL_EDUPLICATE, "plate n is made twice "
                 "in one run; make it once and push it as often as needed, or give the "
                 "other its own name");
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        plates_take_axes, plates_may_name_their_axis, plates_draw_copies,
        plates_are_pushed_again, plates_collide, plates_refuse_options,
        sites_fit_their_plates, sites_that_do_not_fit, subsampling_scales,
        indices_are_drawn_evenly, subsampling_is_unbiased, replayed_indices,
        indices_may_be_given, indices_must_fit, plates_count_copies, plates_are_made_once,
        NULL
    };
    return run_tests("plate", tests);
}
