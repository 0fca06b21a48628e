/* SPDX-License-Identifier: MIT */
/*
 * test_handlers_trace.c - runs that end early (escape), and all the runs there are
 * (queue). After tests/poutine of Pyro: escape and queue in test_poutines.py,
 * test_nesting.py.
 */
#include "handlers.h"

/* ---- escape ------------------------------------------------------------------------ */

static int is_discrete(const ppl_msg *m, void *user)
{
    (void)user;
    return m->kind == PPL_SITE_SAMPLE && (m->flags & PPL_OBSERVED) == 0 &&
           (m->dist->family->flags & PPL_DISCRETE) != 0;
}

static int visited;

/* A continuous latent, a discrete one, another continuous one. */
static void mixed(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_param(c, "w", PPL_SCALAR, PPL_ONES, PPL_REAL);
    ppl_tensor *a = ppl_sample(c, "a", standard(c, PPL_SHAPE(2)));
    ppl_observe(c, "x", standard(c, PPL_SCALAR), ppl_scalar(c, 0));
    ppl_sample_at(c, "k", 3, ppl_bernoulli(ppl_scalar(c, 0.5)));
    ppl_sample(c, "b", ppl_normal(a, ppl_scalar(c, 1)));
    visited++;
}

/* The run ends with PPL_ESCAPE at the message that was asked for; a trace around has what
 * came before it, handlers are left and told, and nobody is called an error's name. */
START_TEST(escape_ends_the_run)
{
    static const struct {
        int (*when)(const ppl_msg *m, void *user);
        const char *site, *seen;
    } rows[] = { { is_discrete, "k[3]", "w a x" }, { NULL, "a", "w" } };
    ppl_ctx *c = start(_i);
    char site[64];
    for (int i = 0; i < COUNT_OF(rows); i++) {
        ppl_trace *t;
        ppl_msg at = { 0 };
        ppl_handler *trace = ppl_trace_into(c, &t);
        ppl_handler *escape = ppl_escape(c, rows[i].when, NULL, &at);
        snprintf(site, sizeof site, "escape: the run was ended at site %s", rows[i].site);
        assert_error(c, ppl_run(c, mixed, NULL, handlers(trace, escape)), PPL_ESCAPE, site);
        ck_assert_str_eq(names_of(t), rows[i].seen);
        ck_assert_str_eq(ppl_site_text(&at, site, sizeof site), rows[i].site);
        ck_assert_ptr_null(at.value);
        ck_assert(!trace->installed && !escape->installed);
        ck_assert_int_eq(ppl_param_count(c), 0);    /* an ended run has made nothing */
    }
    ck_assert_int_eq(visited, 2);                   /* the model returned by itself */
    visited = 0;
    stop(c);
}
END_TEST

/* Sites that are given a value further in are none to escape at; those hidden neither. */
START_TEST(escape_goes_on_where_values_are)
{
    ppl_ctx *c = start(_i);
    ppl_trace *t = trace_of(c, mixed, NULL, NULL);
    trace_of(c, mixed, NULL, handlers(ppl_escape(c, NULL, NULL, NULL), ppl_replay(c, t)));
    trace_of(c, mixed, NULL, handlers(ppl_escape(c, NULL, NULL, NULL), ppl_block(c, NULL)));
    ck_assert_int_eq(ppl_run(c, mixed, NULL, handlers(
        ppl_replay(c, t), ppl_escape(c, NULL, NULL, NULL))), PPL_ESCAPE);
    stop(c);
}
END_TEST

/* An escape within scopes of the model leaves them all, two deep as one. */
static void nested_scopes(ppl_ctx *c, const void *arg)
{
    ppl_scope s = ppl_push(c, ppl_scale(c, 2));
    ppl_push(c, ppl_escape(c, is_discrete, NULL, NULL));
    ppl_push(c, ppl_plate(c, "n", 2, NULL));
    ppl_sample(c, "a", standard(c, PPL_SCALAR));
    ppl_sample(c, "k", ppl_bernoulli(ppl_scalar(c, 0.5)));
    ppl_pop(c, s);
    (void)arg;
}

START_TEST(escape_unwinds_scopes)
{
    ppl_ctx *c = start(_i);
    ppl_handler *outer = ppl_scale(c, 3);
    ck_assert_int_eq(ppl_run(c, nested_scopes, NULL, handlers(outer)), PPL_ESCAPE);
    ck_assert(!outer->installed);
    assert_ok(c, ppl_run(c, mixed, NULL, NULL));
    stop(c);
}
END_TEST

/* ---- queue ------------------------------------------------------------------------- */

/* The next execution, or NULL after the last. */
static ppl_trace *next(ppl_ctx *c, ppl_queue *q, ppl_model model, ppl_handler *const *list)
{
    ppl_trace *t;
    assert_ok(c, ppl_queue_next(q, model, NULL, list, &t));
    return t;
}

static ppl_queue *queue_of(ppl_ctx *c, ppl_queue_order order)
{
    ppl_queue *q = ppl_queue_new(c, &(ppl_queue_opts){ .order = order });
    ck_assert_ptr_nonnull(q);
    return q;
}

/* Three coins of probability .2, .5, .9. */
static void three_coins(ppl_ctx *c, const void *arg)
{
    static const double p[] = { 0.2, 0.5, 0.9 };
    (void)arg;
    for (int i = 0; i < 3; i++)
        ppl_sample_at(c, "coin", i, ppl_bernoulli(ppl_scalar(c, p[i])));
    visited++;
}

/* Three coins have 2^3 executions, each given once, in any order; depth first in that of
 * binary numbers and without a run in vain, the most likely one first. Their
 * probabilities sum to 1. */
START_TEST(queue_gives_every_execution)
{
    static const int runs[] = { 8, 15, 15 };
    ppl_ctx *c = start(_i);
    for (ppl_queue_order order = PPL_DEPTH_FIRST; order <= PPL_LIKELY_FIRST; order++) {
        ppl_queue *q = queue_of(c, order);
        ppl_trace *t;
        double sum = 0, last = INFINITY;
        int seen = 0, count = 0;
        visited = 0;
        for (; (t = next(c, q, three_coins, NULL)) != NULL; count++) {
            int number = 0;
            double p = exp(ppl_trace_log_prob(t));
            for (int i = 0; i < 3; i++)
                number = 2 * number + (int)ppl_item(site_of(t, "coin", i)->value);
            if (order == PPL_DEPTH_FIRST)
                ck_assert_int_eq(number, count);
            if (order == PPL_LIKELY_FIRST)
                ck_assert_double_le(p, last * (1 + 1e-6));
            ck_assert_int_eq(seen >> number & 1, 0);
            seen |= 1 << number;
            sum += p;
            last = p;
        }
        ck_assert_int_eq(count, 8);
        ck_assert_int_eq(visited, runs[order]);
        ck_assert(is_near(sum, 1, rounding(_i)));
        ck_assert_ptr_null(next(c, q, three_coins, NULL));
        ppl_queue_free(q);
    }
    stop(c);
}
END_TEST

/* Which sites there are depends on the values; a batch has every combination; integers
 * and draws. */
static void branching(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *x = ppl_sample(c, "x", standard(c, PPL_SCALAR));
    if (ppl_item(ppl_sample(c, "coin", ppl_bernoulli(ppl_sigmoid(x)))) > 0.5)
        ppl_sample(c, "pair", ppl_bernoulli(numbers(c, 0.3, 0.6)));
    else
        ppl_sample(c, "die", ppl_categorical(numbers(c, 1, 2, 3)));
}

/* 4 executions with heads and 3 with tails; what is not enumerated is the same draw. */
START_TEST(queue_follows_branches)
{
    ppl_ctx *c = start(_i);
    for (ppl_queue_order order = PPL_DEPTH_FIRST; order <= PPL_LIKELY_FIRST; order++) {
        ppl_queue *q = queue_of(c, order);
        ppl_trace *t;
        double sum = 0, x = NAN;
        int pairs = 0, dice = 0;
        while ((t = next(c, q, branching, NULL)) != NULL) {
            const ppl_msg *pair = ppl_trace_find(t, "pair", NO);
            double now = ppl_item(value_of(t, "x")), two[2];
            ck_assert(isnan(x) || x == now);
            x = now;
            if (pair) {
                ppl_read(pair->value, two, 2);
                pairs |= 1 << (int)(2 * two[0] + two[1]);
            } else {
                dice |= 1 << (int)ppl_item(value_of(t, "die"));
            }
            sum += exp(ppl_trace_log_prob(t) -
                       ppl_total(ppl_site_log_prob(site_of(t, "x", NO))));
        }
        ck_assert_int_eq(pairs, 15);
        ck_assert_int_eq(dice, 7);
        ck_assert(is_near(sum, 1, rounding(_i)));
        ppl_queue_free(q);
    }
    stop(c);
}
END_TEST

static int count_executions(ppl_ctx *c, ppl_model model, ppl_handler *const *list)
{
    ppl_queue *q = queue_of(c, PPL_DEPTH_FIRST);
    int count = 0;
    while (next(c, q, model, list) != NULL)
        count++;
    ppl_queue_free(q);
    return count;
}

static void leave_middle(ppl_msg *m, void *user)
{
    static const int no = 0;
    (void)user;
    if (m->index == 1)
        ppl_msg_set_option(m, &ppl_option_enumerate, &no);
}

/* What a handler gives a value is not enumerated, nor what is told not to be. */
START_TEST(queue_leaves_sites_alone)
{
    ppl_ctx *c = start(_i);
    ppl_tensor *one = ppl_scalar(c, 1);
    ck_assert_int_eq(count_executions(c, three_coins, NULL), 8);
    ck_assert_int_eq(count_executions(c, three_coins, handlers(ppl_condition(
        c, values({ "coin", 2, one }), NULL))), 4);
    ck_assert_int_eq(count_executions(c, three_coins, handlers(ppl_infer_config(
        c, leave_middle, NULL))), 4);
    ck_assert_int_eq(count_executions(c, chain, NULL), 1);
    ck_assert_int_eq(count_executions(c, mixed, NULL), 2);
    stop(c);
}
END_TEST

/* Exact inference by summing: P(z = 1 | x) for z ~ Bernoulli(.3), x ~ N(2 z, 1) = 1.5. */
static void mixture(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_tensor *z = ppl_sample(c, "z", ppl_bernoulli(ppl_scalar(c, 0.3)));
    ppl_observe(c, "x", ppl_normal(ppl_affine(z, 2, 0), ppl_scalar(c, 1)),
                ppl_scalar(c, 1.5));
}

START_TEST(queue_sums_exactly)
{
    ppl_ctx *c = start(_i);
    ppl_queue *q = queue_of(c, PPL_LIKELY_FIRST);
    double p[2] = { 0 };
    ppl_trace *t;
    while ((t = next(c, q, mixture, NULL)) != NULL)
        p[(int)ppl_item(value_of(t, "z"))] = exp(ppl_trace_log_prob(t));
    double one = 0.3 * exp(log_normal(1.5, 2, 1)), zero = 0.7 * exp(log_normal(1.5, 0, 1));
    ck_assert(is_near(p[1] / (p[0] + p[1]), one / (one + zero), rounding(_i)));
    ppl_queue_free(q);
    stop(c);
}
END_TEST

static void flighty(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample(c, visited++ % 2 ? "odd" : "even", ppl_bernoulli(ppl_scalar(c, 0.5)));
}

static void forty(ppl_ctx *c, const void *arg)
{
    (void)arg;
    ppl_sample_at(c, "bits", 1, ppl_bernoulli(ppl_full(c, PPL_SHAPE(40), 0.5)));
}

static void misfit(ppl_ctx *c, const void *arg)
{
    if (visited == 2)
        ppl_fail(c, PPL_EINVAL, "the third run fails");
    three_coins(c, arg);
}

/* Too many runs, too many values, a model that is no function of its samples; after an
 * error the queue is as it was, and goes on. */
START_TEST(queue_errors)
{
    ppl_ctx *c = start(_i);
    ppl_queue *q = ppl_queue_new(c, &(ppl_queue_opts){ .max_runs = 3 });
    ppl_trace *t;
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(next(c, q, three_coins, NULL));
    assert_error(c, ppl_queue_next(q, three_coins, NULL, NULL, &t), PPL_EINVAL, "queue: 3 runs "
                "were made and there is more to run; raise max_runs");
    ppl_queue_free(q);

    q = queue_of(c, PPL_DEPTH_FIRST);
    assert_error(c, ppl_queue_next(q, forty, NULL, NULL, &t), PPL_EINVAL, "queue: site bits[1] "
                "has 40 elements of 2 values, which is more than 1000000 runs; raise "
                "max_runs, or set ppl_option_enumerate to 0 there");
    ppl_queue_free(q);

    q = queue_of(c, PPL_DEPTH_FIRST);
    visited = 0;
    ck_assert_ptr_nonnull(next(c, q, flighty, NULL));
    assert_error(c, ppl_queue_next(q, flighty, NULL, NULL, &t), PPL_EMISMATCH, "queue: the run "
                "has come to site odd where it had even before, with the same choices; a "
                "model must be a function of its samples");
    ppl_queue_free(q);

    for (ppl_queue_order order = PPL_DEPTH_FIRST; order <= PPL_LIKELY_FIRST; order++) {
        int count = 0, failures = 0;
        q = queue_of(c, order);
        visited = 0;
        do {
            ppl_status status = ppl_queue_next(q, misfit, NULL, NULL, &t);
            count += t != NULL;
            failures += status != PPL_OK;
            if (status != PPL_OK)
                assert_error_is(c, PPL_EINVAL, "the third run fails");
            else if (t == NULL)
                break;
        } while (failures < 2);
        ck_assert_int_eq(count, 8);
        ck_assert_int_eq(failures, 1);
        ppl_queue_free(q);
    }

    assert_null(c, ppl_queue_new(c, &(ppl_queue_opts){ .max_runs = -1 }), PPL_EINVAL,
                "ppl_queue_new: order 0, max_runs -1; order must be one of "
                "ppl_queue_order, max_runs 0 or more");
    ck_assert_int_eq(ppl_queue_next(NULL, three_coins, NULL, NULL, &t), PPL_EINVAL);
    ppl_queue_free(NULL);
    stop(c);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        escape_ends_the_run, escape_goes_on_where_values_are, escape_unwinds_scopes,
        queue_gives_every_execution, queue_follows_branches, queue_leaves_sites_alone,
        queue_sums_exactly, queue_errors, NULL
    };
    return run_tests("handlers_trace", tests);
}
