/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_long.c - runs of ten thousand sites: what a handler does for each of them
 * does not grow with their number. Messages, bytes and looks into tables are counted, not
 * seconds.
 */
#include "ways.h"

#include "handlers/address.h"

static int length;

/* A chain with data: two sites a step. */
static void long_model(ppl_ctx *c, const void *arg)
{
    ppl_tensor *one = ppl_scalar(c, 1), *z = one;
    ppl_tensor *w = ppl_param(c, "w", PPL_SCALAR, PPL_ONES, PPL_REAL);
    (void)arg;
    for (int t = 0; t < length; t++) {
        z = ppl_sample_at(c, "z", t, ppl_normal(ppl_mul(w, z), one));
        ppl_observe_at(c, "x", t, ppl_normal(z, one), one);
    }
}

static void count_message(ppl_msg *m, void *user)
{
    (void)m;
    ++*(long *)user;
}

typedef struct cost {
    long messages;
    double bytes;
} cost;

/* What a run of `steps` steps takes, with one before it that the handler is made from. */
static cost cost_of(int dtype, const char *text, const way *w, int steps)
{
    length = steps;
    law l = { start(dtype), long_model, NULL };
    ppl_epoch_begin(l.c);
    l.own = at(&l, 0, NULL);
    cost now = { 0, 0 };
    ppl_handler *inner = w->make(&l), *around = w->around ? w->around(&l) : NULL;
    ppl_handler *watch = ppl_watch(l.c, count_message, NULL, &now.messages);
    ppl_status status = ppl_run(l.c, long_model, NULL, around ? handlers(watch, around, inner)
                                                              : handlers(watch, inner));
    ck_assert_msg(status == PPL_OK, "%s: %s", text, ppl_error_text(l.c));
    now.bytes = (double)ppl_memory_in_use(l.c);
    stop(l.c);
    return now;
}

/* Ten times the sites: ten times the messages, and ten times the bytes, or twice that
 * (blocks double). */
START_TEST(runs_grow_linearly)
{
    char text[100];
    const way *w;
    for (int i = 0; (w = way_at(i, text)) != NULL; i++) {
        cost some = cost_of(_i, text, w, 500), many = cost_of(_i, text, w, 5000);
        ck_assert_msg(some.messages <= 6 * 500 + 3 &&
                      many.messages <= 10 * some.messages + 3, "%s: %ld and %ld messages",
                      text, some.messages, many.messages);
        ck_assert_msg(many.bytes <= 20 * some.bytes, "%s: %g and %g bytes",
                      text, some.bytes, many.bytes);
    }
}
END_TEST

/* An address among ten thousand is found in two looks on average, and one that is not
 * there is missed in three. */
START_TEST(tables_find_at_once)
{
    enum { COUNT = 10000 };
    static const char *const name[] = { "z", "x", "loc", "scale" };
    ppl_ctx *c = start(_i);
    ppl__addresses t = { 0 };
    ppl_name interned[4];
    long looks = 0, misses = 0;
    for (int n = 0; n < 4; n++)
        interned[n] = ppl_intern(c, name[n]);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(ppl__address_enter(c, &t, interned[i % 4], i / 4 - 1), i);
    for (int i = 0; i < COUNT; i++) {
        size_t at = ppl_address_hash(interned[i % 4], i / 4 - 1);
        ck_assert_int_eq(ppl__address_find(&t, interned[i % 4], i / 4 - 1), i);
        ck_assert_int_eq(ppl__address_enter(c, &t, interned[i % 4], i / 4 - 1), i);
        ck_assert_int_eq(ppl__address_find(&t, interned[i % 4], i + COUNT), -1);
        for (looks++; t.slot[at & (t.slots - 1)] != i + 1; at++)
            looks++;
        at = ppl_address_hash(interned[i % 4], i + COUNT);
        for (misses++; t.slot[at & (t.slots - 1)] != 0; at++)
            misses++;
    }
    ck_assert_int_eq(t.count, COUNT);
    ck_assert_int_lt(looks, 2 * COUNT);
    ck_assert_int_lt(misses, 3 * COUNT);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { runs_grow_linearly, tables_find_at_once, NULL };
    return run_tests("handlers_long", tests);
}
