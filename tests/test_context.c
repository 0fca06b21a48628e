/* SPDX-License-Identifier: MIT */
/*
 * test_context.c - contexts and what belongs to them: memory, the first error, boundary
 * calls, epochs, names, sets of sites, running a model.
 */
#include "fixture.h"

#include <stdint.h>

/* ---- Contexts ---------------------------------------------------------------------- */

/* No options are the defaults; a context is of a floating dtype or not at all. */
START_TEST(options_have_defaults)
{
    ppl_ctx *c = ppl_ctx_new(NULL);
    uint64_t seed = 1, step = 1;
    ck_assert_int_eq(ppl_ctx_dtype(c), PPL_F32);
    ck_assert(ppl_validating(c));
    ppl_rng_state(c, &seed, &step);
    ck_assert_uint_eq(seed, 0);
    ck_assert_uint_eq(step, 0);
    ppl_ctx_free(c);
    c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64, .seed = 9, .no_validation = 1 });
    ck_assert_int_eq(ppl_ctx_dtype(c), PPL_F64);
    ck_assert(!ppl_validating(c));
    ppl_rng_state(c, &seed, &step);
    ck_assert_uint_eq(seed, 9);
    ppl_ctx_free(c);
    ck_assert_ptr_null(ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_I64 }));
    ck_assert_ptr_null(ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_MASK }));
    ppl_ctx_free(NULL);
}
END_TEST

static void sample_some(ppl_ctx *c, const void *arg)
{
    ppl_tensor *w = ppl_param(c, "w", PPL_SHAPE(40, 50), PPL_ONES, PPL_POSITIVE);
    (void)arg;
    for (int t = 0; t < 100; t++)
        ppl_sample_at(c, "z", t, ppl_normal(ppl_row(w, t % 40), ppl_scalar(c, 1)));
    ppl_param(c, "v", PPL_SHAPE(3000), ppl_init_normal(0, 1), PPL_REAL);
}

static void release_block(ppl_ctx *c, void *object)
{
    ppl_persistent_free(c, object, 10);
}

/* Takes some of every kind of memory that there is. */
static ppl_status take_memory(ppl_ctx *c)
{
    static const char key;
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "name%d", i);
        if (ppl_intern(c, name) == NULL || ppl_intern_join(c, name, ".weight") == NULL)
            return ppl_error(c);
    }
    void *block = ppl_persistent_alloc(c, 10);
    if (block == NULL || ppl_own(c, &key, block, release_block) != PPL_OK)
        return ppl_error(c);
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *t;
    ppl_handler *trace = ppl_trace_into(c, &t);
    ppl_status status = ppl_run(c, sample_some, NULL, handlers(trace));
    ppl_epoch_end(c, mark);
    return status;
}

/* What the context says it holds is what the allocator gave it; the end of a context
 * gives every byte back, with epochs open, handlers pushed and an error recorded. */
START_TEST(every_byte_comes_back)
{
    ppl_ctx *c = start(_i);
    ck_assert_uint_eq(ppl_memory_in_use(c), memory.held);
    assert_ok(c, take_memory(c));
    ck_assert_uint_eq(ppl_memory_in_use(c), memory.held);
    ppl_epoch_begin(c);
    ppl_epoch_begin(c);
    ppl_full(c, PPL_SHAPE(100000), 1);
    ppl_push(c, ppl_scale(c, 2));
    ppl_push(c, ppl_scale(c, 3));
    ppl_fail(c, PPL_EINVAL, "left as it is");
    ck_assert_uint_eq(ppl_memory_in_use(c), memory.held);
    stop(c);
}
END_TEST

/* Whichever allocation is refused: no context, or an error that the next attempt has
 * forgotten; nothing is lost. */
START_TEST(memory_may_run_out_anywhere)
{
    int refusals = 0;
    for (ppl_status status = PPL_ENOMEM; status != PPL_OK; refusals++) {
        memory = (counting){ .refuse_at = refusals + 1 };
        ppl_ctx *c = counted_context(_i);
        if (c == NULL)
            continue;
        status = take_memory(c);
        if (status != PPL_OK) {
            ck_assert_int_eq(status, PPL_ENOMEM);
            ck_assert_int_eq(strncmp(ppl_error_text(c), "out of memory: ", 15), 0);
            ck_assert_int_eq(ppl_param_count(c), 0);
            ppl_clear_error(c);
            assert_ok(c, take_memory(c));
        }
        ck_assert_int_eq(ppl_param_count(c), 2);
        ppl_ctx_free(c);
        ck_assert_uint_eq(memory.held, 0);
    }
    ck_assert_int_gt(refusals, 90);
}
END_TEST

/* A block that outlives epochs is zeroed; NULL means an error, so 0 bytes are a block. */
START_TEST(persistent_blocks)
{
    ppl_ctx *c = start(_i);
    size_t before = ppl_memory_in_use(c);
    unsigned char *block = ppl_persistent_alloc(c, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(block[i], 0);
    void *none = ppl_persistent_alloc(c, 0);
    ck_assert_ptr_nonnull(none);
    ppl_persistent_free(c, none, 0);
    ppl_persistent_free(c, block, 100);
    ppl_persistent_free(c, NULL, 100);
    ck_assert_uint_eq(ppl_memory_in_use(c), before);
    stop(c);
}
END_TEST

static char order[8];

static void note_release(ppl_ctx *c, void *object)
{
    (void)c;
    strcat(order, object);
}

/* What a context owns is found by key, newest first, and released newest first. */
START_TEST(owns_objects)
{
    static const char key, other, unknown;
    char a[] = "a", b[] = "b", x[] = "x", late[] = "!";
    ppl_ctx *c = start(_i);
    order[0] = '\0';
    ck_assert_int_eq(ppl_own(c, &key, a, note_release), PPL_OK);
    ck_assert_int_eq(ppl_own(c, &other, x, note_release), PPL_OK);
    ck_assert_int_eq(ppl_own(c, &key, b, note_release), PPL_OK);
    ck_assert_ptr_eq(ppl_owned(c, &key), b);
    ck_assert_ptr_eq(ppl_owned(c, &other), x);
    ck_assert_ptr_null(ppl_owned(c, &unknown));
    ck_assert_str_eq(order, "");
    memory.refuse_at = memory.calls + 1;
    ck_assert_int_eq(ppl_own(c, &key, late, note_release), PPL_ENOMEM);
    ck_assert_str_eq(order, "!");
    stop(c);
    ck_assert_str_eq(order, "!bxa");
}
END_TEST

/* ---- The first error --------------------------------------------------------------- */

START_TEST(statuses_have_names)
{
    ck_assert_str_eq(ppl_status_name(PPL_OK), "PPL_OK");
    ck_assert_str_eq(ppl_status_name(PPL_ENOMEM), "PPL_ENOMEM");
    ck_assert_str_eq(ppl_status_name(PPL_ESCAPE), "PPL_ESCAPE");
    ck_assert_str_eq(ppl_status_name(PPL_STATUS_COUNT), "PPL_?");
    ck_assert_str_eq(ppl_status_name((ppl_status)-1), "PPL_?");
}
END_TEST

typedef struct hooked {
    int calls;
    ppl_status status;
    char text[64];
} hooked;

static void hook(void *user, ppl_status status, const char *text)
{
    hooked *h = user;
    h->calls++;
    h->status = status;
    snprintf(h->text, sizeof h->text, "%s", text);
}

/* The first error stays until it is cleared; the hook is called once for it. */
START_TEST(first_error_stays)
{
    ppl_ctx *c = start(_i);
    hooked seen = { 0, PPL_OK, "" };
    ppl_set_error_hook(c, hook, &seen);
    ck_assert_int_eq(ppl_error(c), PPL_OK);
    ck_assert_str_eq(ppl_error_text(c), "");
    ck_assert_int_eq(ppl_fail(c, PPL_OK, "no error"), PPL_OK);
    ck_assert(ppl_ok(c));
    ck_assert_int_eq(ppl_fail(c, PPL_ESHAPE, "add: %d", 1), PPL_ESHAPE);
    ck_assert_int_eq(ppl_fail(c, PPL_EIO, "later"), PPL_ESHAPE);
    ck_assert(!ppl_ok(c));
    assert_error_is(c, PPL_ESHAPE, "add: 1");
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(seen.status, PPL_ESHAPE);
    ck_assert_str_eq(seen.text, "add: 1");
    ppl_clear_error(c);
    ck_assert(ppl_ok(c));
    ck_assert_str_eq(ppl_error_text(c), "");
    ppl_fail(c, PPL_EIO, "second");
    ck_assert_int_eq(seen.calls, 2);
    ppl_clear_error(c);
    ppl_fail(c, PPL_ESCAPE, "no error");
    ck_assert_int_eq(seen.calls, 2);
    ppl_set_error_hook(c, NULL, NULL);
    ppl_clear_error(c);
    ppl_fail(c, PPL_EIO, "third");
    ck_assert_int_eq(seen.calls, 2);
    stop(c);
}
END_TEST

/* A text longer than there is room for is cut, and stays a text. */
START_TEST(long_texts_are_cut)
{
    ppl_ctx *c = start(_i);
    char most[5000];
    memset(most, 'x', sizeof most - 1);
    most[sizeof most - 1] = '\0';
    ppl_fail(c, PPL_EINVAL, "%s", most);
    ck_assert_uint_gt(strlen(ppl_error_text(c)), 1000);
    ck_assert_int_eq(strncmp(ppl_error_text(c), most, strlen(ppl_error_text(c))), 0);
    stop(c);
}
END_TEST

/* arg: how many steps to take before the error; 0: before any site. */
static void model_that_fails(ppl_ctx *c, const void *arg)
{
    int steps = *(const int *)arg;
    for (int t = 0; t < steps; t++) {
        ppl_param(c, "w", PPL_SCALAR, PPL_ONES, PPL_REAL);
        ppl_sample_at(c, "z", t, standard(c, PPL_SHAPE(2)));
    }
    if (steps == 3)
        ppl_sample(c, "y", ppl_normal(ppl_scalar(c, 0), ppl_scalar(c, -1)));
    else
        ppl_observe(c, "x", standard(c, PPL_SHAPE(2)), ppl_full(c, PPL_SHAPE(3), 0));
}

/* The second line of an error within a run: the site it is at, or the one before. */
START_TEST(errors_tell_the_place)
{
    ppl_ctx *c = start(_i);
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 3 }, NULL), PPL_ECONSTRAINT);
    ck_assert_str_eq(ppl_error_text(c), "normal: scale is -1; it must be positive\n"
                     "  after site z[2]; 3 sites and 1 parameter visited");
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 2 }, NULL), PPL_ESHAPE);
    ck_assert_str_eq(ppl_error_text(c), "normal: a value of shape [3] does not fit the "
                     "distribution's shape [2]; reshape the value or the parameters\n"
                     "  at site x; 3 sites and 1 parameter visited");
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 0 }, NULL), PPL_ESHAPE);
    ck_assert_str_eq(strchr(ppl_error_text(c), '\n'),
                     "\n  at site x; 1 site and 0 parameters visited");
    ck_assert(isfinite(ppl_trace_log_prob(trace_of(c, sample_some, NULL, NULL))));
    ppl_fail(c, PPL_EIO, "outside of a run");
    ck_assert_str_eq(ppl_error_text(c), "outside of a run");
    stop(c);
}
END_TEST

/* ---- Boundary calls ---------------------------------------------------------------- */

static void empty_model(ppl_ctx *c, const void *arg)
{
    (void)c, (void)arg;
}

static int ran;

static void model_that_counts(ppl_ctx *c, const void *arg)
{
    (void)c, (void)arg;
    ran++;
}

/* An error that nobody was told of is returned by the next boundary call, which then does
 * nothing; told of, it is gone. */
START_TEST(untold_errors_are_returned_at_once)
{
    ppl_ctx *c = start(_i);
    ran = 0;
    ck_assert_ptr_null(ppl_scale(c, -1));
    assert_error(c, ppl_run(c, model_that_counts, NULL, NULL), PPL_EINVAL, "ppl_scale: "
                 "the factor is -1; it must be finite and > 0 (to leave sites out, use "
                 "ppl_mask)");
    ck_assert_int_eq(ran, 0);
    assert_ok(c, ppl_run(c, model_that_counts, NULL, NULL));
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(ppl_error(c), PPL_OK);
    ck_assert_str_eq(ppl_error_text(c), "");
    stop(c);
}
END_TEST

/* An error that a boundary call has returned can still be asked for, and is in nobody's
 * way: what is made for the next call is made. */
START_TEST(told_errors_are_in_nobodys_way)
{
    ppl_ctx *c = start(_i);
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 0 }, NULL), PPL_ESHAPE);
    ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
    ck_assert(ppl_ok(c));
    ppl_tensor *x = ppl_full(c, PPL_SHAPE(2), 5);
    ppl_handler *condition = ppl_condition(c, values({ "x", PPL_NO_INDEX, x }), NULL);
    ck_assert_ptr_nonnull(condition);
    ck_assert_int_eq(ppl_error(c), PPL_ESHAPE);
    assert_error(c, ppl_run(c, empty_model, NULL, handlers(condition)), PPL_EUNUSED,
                 "condition: no sample site x was reached; check name and index, or pass "
                 "`unused` to have such values counted");
    /* A new error before the next call is a first error again. */
    ck_assert_ptr_null(ppl_scale(c, 0));
    ck_assert_int_eq(ppl_error(c), PPL_EINVAL);
    ck_assert_int_eq(ppl_run(c, empty_model, NULL, NULL), PPL_EINVAL);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    stop(c);
}
END_TEST

/* Makes boundary calls after an error, as a model may that knows nothing of it. */
static void model_with_boundary_calls(ppl_ctx *c, const void *arg)
{
    double out[1];
    (void)arg;
    ppl_fail(c, PPL_EUNSUPPORTED, "the first error");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ppl_param_read(c, "nothing", out, 1), PPL_EUNSUPPORTED);
    ck_assert(!ppl_ok(c));
    ck_assert_ptr_null(ppl_scalar(c, 1));
}

/* Boundary calls within a boundary call forget nothing: the outermost returns the first
 * error, whatever was called in between. */
START_TEST(inner_boundary_calls_forget_nothing)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, model_with_boundary_calls, NULL, NULL), PPL_EUNSUPPORTED,
                 "the first error");
    assert_ok(c, ppl_boundary_enter(c));
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 0 }, NULL), PPL_ESHAPE);
    ck_assert(!ppl_ok(c));
    ck_assert_int_eq(ppl_run(c, empty_model, NULL, NULL), PPL_ESHAPE);
    ck_assert_int_eq(ppl_boundary_enter(c), PPL_ESHAPE);
    ck_assert_int_eq(ppl_boundary_leave(c), PPL_ESHAPE);
    ck_assert(ppl_ok(c));
    ck_assert_int_eq(ppl_boundary_leave(c), PPL_ESHAPE);
    assert_ok(c, ppl_boundary_enter(c));
    ck_assert_int_eq(ppl_error(c), PPL_OK);
    ck_assert_int_eq(ppl_boundary_leave(c), PPL_OK);
    stop(c);
}
END_TEST

/* ---- Epochs ------------------------------------------------------------------------ */

/* Memory of an epoch is zeroed and aligned to 64, and zeroed again when it is reused. */
START_TEST(epoch_memory_is_zeroed)
{
    ppl_ctx *c = start(_i);
    const size_t size[] = { 0, 1, 63, 64, 65, 100000, 3, 1000000 };
    for (int k = 0; k < 2; k++) {
        ppl_epoch mark = ppl_epoch_begin(c);
        for (int i = 0; i < COUNT_OF(size); i++) {
            unsigned char *block = ppl_alloc(c, size[i]);
            ck_assert_ptr_nonnull(block);
            ck_assert_uint_eq((uintptr_t)block % 64, 0);
            for (size_t at = 0; at < size[i]; at++)
                ck_assert_msg(block[at] == 0, "byte %zu of %zu", at, size[i]);
            memset(block, 0xff, size[i]);
        }
        ppl_epoch_end(c, mark);
    }
    ck_assert_ptr_null(ppl_alloc(c, SIZE_MAX / 2));
    ck_assert_int_eq(ppl_error(c), PPL_ENOMEM);
    stop(c);
}
END_TEST

/* From the third like epoch on the allocator is not called. */
START_TEST(third_epoch_takes_no_memory)
{
    ppl_ctx *c = start(_i);
    long calls = 0;
    for (int k = 0; k < 6; k++) {
        if (k == 2)
            calls = memory.calls;
        ppl_epoch mark = ppl_epoch_begin(c);
        for (int i = 0; i < 50; i++) {
            ppl_alloc(c, (size_t)(i * i * 100));
            ppl_epoch inner = ppl_epoch_begin(c);
            ppl_full(c, PPL_SHAPE(i, i, i), 1);
            ppl_epoch_end(c, inner);
        }
        ppl_trace *t = trace_of(c, sample_some, NULL, NULL);
        ck_assert_int_eq(ppl_trace_count(t), 102);
        ppl_epoch_end(c, mark);
    }
    ck_assert_int_eq(memory.calls, calls);
    stop(c);
}
END_TEST

/* Ending an epoch ends those within it; marks that name no open epoch end nothing. */
START_TEST(epochs_nest)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *outside = numbers(c, 1);
    ppl_epoch outer = ppl_epoch_begin(c);
    ppl_tensor *kept = numbers(c, 2);
    ppl_epoch inner = ppl_epoch_begin(c);
    ppl_epoch innermost = ppl_epoch_begin(c);
    ppl_tensor *lost = numbers(c, 3);
    ppl_epoch_end(c, inner);
    assert_values(kept, 0, 2);
    assert_null(c, ppl_neg(lost), PPL_ESTALE, "neg: input 0 was made in an epoch that "
                "has ended; copy it out with ppl_read, or open the epoch around both "
                "uses");
    ppl_epoch_end(c, innermost);
    ppl_epoch_end(c, inner);
    ppl_epoch_end(c, 0);
    ppl_epoch_end(c, -1);
    ppl_epoch_end(c, 77);
    assert_values(kept, 0, 2);
    ppl_epoch_end(c, outer);
    assert_values(outside, 0, 1);
    ck_assert(ppl_ok(c));
    stop(c);
}
END_TEST

/* Too many epochs are an error; ending the one that was not begun ends no other. */
START_TEST(epochs_have_a_limit)
{
    ppl_ctx *c = start(_i);
    ppl_epoch mark[40];
    int most = 0;
    while (most < COUNT_OF(mark) && ppl_ok(c))
        mark[most++] = ppl_epoch_begin(c);
    ck_assert_int_eq(most, 32);
    ppl_tensor *t = NULL;
    assert_null(c, t, PPL_ENEST, "ppl_epoch_begin: 31 epochs are open; end some");
    t = numbers(c, 1);
    ppl_epoch_end(c, mark[most - 1]);
    assert_values(t, 0, 1);
    ppl_epoch_end(c, mark[0]);
    ck_assert_int_eq(ppl_epoch_begin(c), mark[0]);
    stop(c);
}
END_TEST

/* Handlers live as long as their epoch: those still pushed at its end are popped. */
START_TEST(epochs_end_scopes)
{
    ppl_ctx *c = start(_i);
    ppl_scope outer = ppl_push(c, ppl_scale(c, 2));
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_scope first = ppl_push(c, ppl_scale(c, 3));
    ppl_push(c, ppl_scale(c, 3));
    ppl_pop(c, first);
    ppl_push(c, ppl_scale(c, 3));
    ppl_push(c, ppl_scale(c, 3));
    ppl_epoch_end(c, mark);
    assert_error(c, ppl_error(c), PPL_ENEST, "ppl_epoch_end: 2 handlers pushed in the "
                 "epoch are still there; match each ppl_push with a ppl_pop");
    ppl_pop(c, outer);
    stop(c);
}
END_TEST

/* ---- Names ------------------------------------------------------------------------- */

/* Equal names are equal pointers, wherever the texts lie and whatever becomes of them. */
START_TEST(names_are_interned)
{
    ppl_ctx *c = start(_i);
    char text[] = "loc", same[] = "loc", long_text[3000];
    ppl_name loc = ppl_intern(c, text);
    ck_assert_str_eq(loc, "loc");
    ck_assert_ptr_eq(ppl_intern(c, same), loc);
    ck_assert_ptr_eq(ppl_intern(c, loc), loc);
    memcpy(text, "abc", 3);
    ck_assert_str_eq(ppl_intern(c, text), "abc");
    ck_assert_str_eq(loc, "loc");
    memcpy(text, "loc", 3);
    ck_assert_ptr_eq(ppl_intern(c, text), loc);
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_assert_str_eq(ppl_intern(c, long_text), long_text);
    stop(c);
}
END_TEST

/* A join is the name of the two texts in one, by whichever parts it is asked for. */
START_TEST(names_are_joined)
{
    ppl_ctx *c = start(_i);
    char prefix[] = "rnn", suffix[] = ".weight";
    ppl_name joined = ppl_intern_join(c, prefix, suffix);
    ck_assert_ptr_eq(joined, ppl_intern(c, "rnn.weight"));
    ck_assert_ptr_eq(ppl_intern_join(c, "rnn.w", "eight"), joined);
    ck_assert_ptr_eq(ppl_intern_join(c, prefix, suffix), joined);
    memcpy(prefix, "gru", 3);
    ck_assert_str_eq(ppl_intern_join(c, prefix, suffix), "gru.weight");
    memcpy(suffix, ".offset", 7);
    ck_assert_str_eq(ppl_intern_join(c, prefix, suffix), "gru.offset");
    prefix[1] = '\0';
    ck_assert_str_eq(ppl_intern_join(c, prefix, suffix), "g.offset");
    ck_assert_ptr_eq(ppl_intern_join(c, "", "loc"), ppl_intern(c, "loc"));
    ck_assert_ptr_eq(ppl_intern_join(c, "loc", ""), ppl_intern(c, "loc"));
    stop(c);
}
END_TEST

/* Many names, more than any cache or table begins with, keep apart. */
START_TEST(names_keep_apart)
{
    ppl_ctx *c = start(_i);
    ppl_name name[2000];
    char text[16];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNT_OF(name); i++) {
            snprintf(text, sizeof text, "n%d", i);
            ppl_name interned = ppl_intern(c, text);
            ck_assert_str_eq(interned, text);
            if (round == 0)
                name[i] = interned;
            ck_assert_ptr_eq(interned, name[i]);
        }
    stop(c);
}
END_TEST

START_TEST(names_are_not_empty)
{
    ppl_ctx *c = start(_i);
    assert_null(c, ppl_intern(c, NULL), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    assert_null(c, ppl_intern(c, ""), PPL_EINVAL,
                "a name is empty; give it at least one character");
    assert_null(c, ppl_intern_join(c, "", ""), PPL_EINVAL,
                "a name is empty; give it at least one character");
    assert_null(c, ppl_intern_join(c, NULL, "x"), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    assert_null(c, ppl_intern_join(c, "x", NULL), PPL_EINVAL,
                "a name is NULL; give it at least one character");
    assert_null(c, ppl_sample(c, "", standard(c, PPL_SCALAR)), PPL_EINVAL,
                "a name is empty; give it at least one character");
    stop(c);
}
END_TEST

/* ---- Sets of sites ----------------------------------------------------------------- */

/* z[0], z[1], ... drawn apart, z[0] and z[149] joined again by an operation. */
static void model_of_sets(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z[150];
    const ppl_sites *all = NULL;
    (void)arg;
    for (int t = 0; t < COUNT_OF(z); t++) {
        z[t] = ppl_sample_at(c, "z", t, standard(c, PPL_SHAPE(2)));
        all = ppl_sites_union(c, all, ppl_tensor_sites(z[t]));
    }
    int first = ppl_sites_next(ppl_tensor_sites(z[0]), 0);
    int last = ppl_sites_next(ppl_tensor_sites(z[149]), 0);
    ck_assert_int_eq(last - first, 149);
    ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(z[0]), first + 1), -1);

    const ppl_sites *two = ppl_tensor_sites(ppl_mul(ppl_exp(z[149]), ppl_detach(z[0])));
    ck_assert(ppl_sites_has(two, first) && ppl_sites_has(two, last));
    ck_assert(!ppl_sites_has(two, first + 1) && !ppl_sites_has(two, last + 1));
    ck_assert(!ppl_sites_has(two, -1) && !ppl_sites_has(two, 1 << 30));
    ck_assert_int_eq(ppl_sites_next(two, -5), first);
    ck_assert_int_eq(ppl_sites_next(two, first + 1), last);
    ck_assert_int_eq(ppl_sites_next(two, last + 1), -1);
    /* A union with a part of itself is itself. */
    ck_assert_ptr_eq(ppl_sites_union(c, two, ppl_tensor_sites(z[0])), two);
    ck_assert_ptr_eq(ppl_sites_union(c, ppl_tensor_sites(z[149]), two), two);
    ck_assert_ptr_eq(ppl_sites_union(c, two, NULL), two);
    ck_assert_ptr_eq(ppl_sites_union(c, NULL, two), two);
    int count = 0;
    for (int s = ppl_sites_next(all, 0); s >= 0; s = ppl_sites_next(all, s + 1))
        ck_assert_int_eq(s, first + count++);
    ck_assert_int_eq(count, 150);
    ck_assert_ptr_null(ppl_tensor_sites(ppl_scalar(c, 1)));
    ck_assert_ptr_null(ppl_tensor_sites(NULL));
    ck_assert_int_eq(ppl_sites_next(NULL, 0), -1);
    ck_assert(!ppl_sites_has(NULL, 0));
}

/* d is Delta at a tensor computed from z, and is drawn as that very tensor. */
static void model_of_delta(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z = ppl_sample(c, "z", standard(c, PPL_SCALAR)), *y = ppl_exp(z);
    ppl_tensor *d = ppl_sample(c, "d", ppl_delta(y, NULL, 0));
    (void)arg;
    int z_site = ppl_sites_next(ppl_tensor_sites(z), 0);
    ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(y), 0), z_site);
    ck_assert_int_eq(ppl_sites_next(ppl_tensor_sites(y), z_site + 1), -1);
    ck_assert(!ppl_sites_has(ppl_tensor_sites(d), z_site));
    ck_assert_int_ge(ppl_sites_next(ppl_tensor_sites(d), 0), 0);
    assert_same("d", d, y);
}

/* A tensor's set: the latents it was computed from, also through detach; of a latent,
 * that latent, whatever tensor it was drawn as. */
START_TEST(tensors_know_their_latents)
{
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, model_of_delta, NULL, NULL));
    assert_ok(c, ppl_run(c, model_of_sets, NULL, NULL));
    ppl_epoch mark = ppl_epoch_begin(c);
    assert_ok(c, ppl_run(c, model_of_sets, NULL, NULL));
    ppl_epoch_end(c, mark);
    stop(c);
}
END_TEST

/* An epoch within a run, at some depth, between the reading of a latent and its use. */
static void model_with_epoch(ppl_ctx *c, const void *arg)
{
    double scale[1], read;
    ppl_param(c, "scale", PPL_SHAPE(1), PPL_ONES, PPL_POSITIVE);
    ppl_tensor *a = ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ppl_tensor *z = ppl_sample(c, "z", standard(c, PPL_SCALAR));
    if (*(const int *)arg == 0) {
        read = ppl_item(z);                         /* then an epoch */
        assert_ok(c, ppl_param_read(c, "scale", scale, 1));
    } else {
        ppl_epoch mark = ppl_epoch_begin(c);        /* reading in the epoch itself */
        read = ppl_item(ppl_add(z, a));
        ppl_epoch_end(c, mark);
        ppl_full(c, PPL_SHAPE(1000), 0);            /* over what the epoch has left */
    }
    ppl_sample(c, "y", ppl_normal(ppl_scalar(c, read > 0 ? 1 : -1), ppl_scalar(c, 1)));
    ppl_sample(c, "z", standard(c, PPL_SCALAR));
}

/* An epoch within a run changes nothing about its sites: what was read of a latent is
 * remembered, and an address stays taken. */
START_TEST(runs_outlast_inner_epochs)
{
    ppl_ctx *c = start(_i);
    for (int outer = 0; outer < 2; outer++)
        for (int inside = 0; inside < 2; inside++) {
            ppl_trace *t;
            ppl_epoch mark = outer ? ppl_epoch_begin(c) : 0;
            ppl_handler *trace = ppl_trace_into(c, &t);
            assert_error(c, ppl_run(c, model_with_epoch, &inside, handlers(trace)),
                         PPL_EDUPLICATE, "site z is visited twice in one run; give each "
                         "visit its own index (ppl_sample_at, ppl_observe_at) or name");
            const ppl_msg *y = site_of(t, "y", PPL_NO_INDEX);
            ck_assert(ppl_sites_has(y->parents, site_of(t, "z", PPL_NO_INDEX)->site));
            const ppl_msg *a = site_of(t, "a", PPL_NO_INDEX);
            ck_assert_int_eq(ppl_sites_has(y->parents, a->site), inside);
            ck_assert(!ppl_sites_has(y->parents, y->site));
            if (outer)
                ppl_epoch_end(c, mark);
        }
    stop(c);
}
END_TEST

/* Reads z in one run; in the next, y must not be taken to depend on it. */
static void model_that_reads(ppl_ctx *c, const void *arg)
{
    ppl_tensor *z = ppl_sample(c, "z", standard(c, PPL_SCALAR));
    double read = *(const int *)arg ? ppl_item(z) : 1;
    ppl_sample(c, "y", ppl_normal(ppl_scalar(c, read), ppl_scalar(c, 1)));
}

/* Reading a latent as a number taints what follows, to the end of the run. */
START_TEST(reading_taints_the_run)
{
    ppl_ctx *c = start(_i);
    for (int reads = 1; reads >= 0; reads--) {
        ppl_trace *t = trace_of(c, model_that_reads, &reads, NULL);
        const ppl_msg *y = site_of(t, "y", PPL_NO_INDEX);
        ck_assert_int_eq(ppl_sites_has(y->parents, site_of(t, "z", PPL_NO_INDEX)->site),
                         reads);
    }
    stop(c);
}
END_TEST

/* ---- Running ----------------------------------------------------------------------- */

static void model_that_runs(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ck_assert_int_eq(ppl_run(c, empty_model, NULL, NULL), PPL_ENEST);
}

START_TEST(runs_do_not_nest)
{
    ppl_ctx *c = start(_i);
    assert_error(c, ppl_run(c, model_that_runs, NULL, NULL), PPL_ENEST, "ppl_run inside "
                 "a run; use another context for inference within a model");
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    stop(c);
}
END_TEST

static uint64_t step_of(const ppl_ctx *c)
{
    uint64_t seed, step;
    ppl_rng_state(c, &seed, &step);
    return step;
}

/* Each run counts the step up, in epochs of the user's too; within an estimator's step,
 * which has counted itself, none does; a run that fails has not been. */
START_TEST(runs_count_steps)
{
    ppl_ctx *c = start(_i);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    ck_assert_uint_eq(step_of(c), 1);
    ppl_epoch mark = ppl_epoch_begin(c);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    ck_assert_uint_eq(step_of(c), 3);
    ck_assert_int_eq(ppl_run(c, model_that_fails, &(int){ 2 }, NULL), PPL_ESHAPE);
    ck_assert_uint_eq(step_of(c), 3);
    ppl_epoch step = ppl_epoch_begin(c);
    ppl_next_step(c);
    ppl_epoch particle = ppl_epoch_begin(c);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    ck_assert_uint_eq(step_of(c), 4);
    ppl_epoch_end(c, particle);
    ppl_epoch_end(c, step);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    ck_assert_uint_eq(step_of(c), 5);
    ppl_epoch_end(c, mark);
    ppl_next_step(c);
    assert_ok(c, ppl_run(c, empty_model, NULL, NULL));
    ck_assert_uint_eq(step_of(c), 7);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        options_have_defaults, every_byte_comes_back, memory_may_run_out_anywhere,
        persistent_blocks, owns_objects, statuses_have_names, first_error_stays,
        long_texts_are_cut, errors_tell_the_place, untold_errors_are_returned_at_once,
        told_errors_are_in_nobodys_way, inner_boundary_calls_forget_nothing,
        epoch_memory_is_zeroed, third_epoch_takes_no_memory, epochs_nest,
        epochs_have_a_limit, epochs_end_scopes, names_are_interned, names_are_joined,
        names_keep_apart, names_are_not_empty, tensors_know_their_latents,
        runs_outlast_inner_epochs, reading_taints_the_run, runs_do_not_nest,
        runs_count_steps, NULL
    };
    return run_tests("context", tests);
}
