/* SPDX-License-Identifier: MIT */
/* The ledger: its rows against terms computed here from traces of the same draws, mean
 * and variance against two passes over them; the table; what failed steps leave.
 */
#include "inference.h"

#include <stdio.h>

enum { STEPS = 40 };

/* z[0] -> z[1], k discrete, x[0], x[1] read, e auxiliary. */
static void model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = number(0.3), *k;

    (void)arg;
    for (int t = 0; t < 2; t++) {
        z = ppl_sample_at(ctx, "z", t, ppl_normal(z, number(0.8)));
        ppl_observe_at(ctx, "x", t, ppl_normal(z, number(1)), reals(0.2 * t, 1));
    }
    k = ppl_sample(ctx, "k", ppl_bernoulli(number(0.4)));
    ppl_factor(ctx, "f", ppl_mul(k, z));
}

static void guide(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z;

    (void)arg;
    z = ppl_sample_at(ctx, "z", 0, ppl_normal(number(0.1), number(0.7)));
    ppl_sample_at(ctx, "z", 1, ppl_normal(ppl_affine(z, 0.5, 0), number(0.9)));
    ppl_sample_auxiliary(ctx, "e", -1, ppl_normal(number(0), number(1)));
    ppl_sample(ctx, "k", ppl_bernoulli(number(0.7)));
}

static const struct {
    const char *name;
    int64_t index;
    ppl_estimator estimator;
    const char *reason;
    int p, q;                   /* the trace that the term is of */
} sites[] = {
    { "z", 0, PPL_SAMPLED_RATIO, "trace ELBO", 1, 1 },
    { "z", 1, PPL_SAMPLED_RATIO, "trace ELBO", 1, 1 },
    { "e", -1, PPL_SAMPLED_RATIO, "auxiliary: the guide's own", 0, 1 },
    { "k", -1, PPL_SCORE_FUNCTION, "bernoulli is not reparameterised", 1, 1 },
    { "x", 0, PPL_LIKELIHOOD, "observed", 1, 0 },
    { "x", 1, PPL_LIKELIHOOD, "observed", 1, 0 },
    { "f", -1, PPL_LIKELIHOOD, "observed", 1, 0 },
};

static double log_prob_of(const ppl_trace *t, int i)
{
    return ppl_total(ppl_site_log_prob(site_of(t, sites[i].name, sites[i].index)));
}

/* The terms of particle k of the step that comes next are added to `term`. */
static void add_terms(uint64_t k, double *term)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_trace *q, *p;

    ppl_next_step(c);
    ppl_set_particle(c, k);
    q = trace_of(c, guide, NULL, NULL);
    p = trace_of(c, model, NULL, handlers(ppl_replay(c, q)));
    ppl_set_particle(c, 0);
    for (int i = 0; i < COUNT_OF(sites); i++) {
        if (sites[i].p)
            term[i] += log_prob_of(p, i);
        if (sites[i].q)
            term[i] -= log_prob_of(q, i);
    }
    ppl_epoch_end(c, mark);
    again();
}

/* Rows in the order of the guide, then of what is observed. */
static void check_rows(const ppl_elbo *elbo, double (*term)[STEPS], int steps)
{
    ck_assert_int_eq(ppl_ledger_count(elbo), COUNT_OF(sites));
    for (int i = 0; i < COUNT_OF(sites); i++) {
        const ppl_ledger_row *row = ppl_ledger_at(elbo, i);
        double mean = 0, squares = 0;

        for (int n = 0; n < steps; n++)
            mean += term[i][n] / steps;
        for (int n = 0; n < steps; n++)
            squares += (term[i][n] - mean) * (term[i][n] - mean);
        ck_assert_str_eq(row->name, sites[i].name);
        ck_assert_int_eq(row->index, sites[i].index);
        ck_assert_int_eq(row->estimator, sites[i].estimator);
        ck_assert_str_eq(row->reason, sites[i].reason);
        ck_assert_int_eq(row->steps, steps);
        NEAR(row->mean, mean, tight);
        NEAR(row->variance, steps > 1 ? squares / (steps - 1) : 0, tight);
        ck_assert_ptr_eq(ppl_ledger_find(elbo, sites[i].name, sites[i].index), row);
    }
}

START_TEST(rows)
{
    for (int particles = 1; particles <= 3; particles += 2) {
        double term[COUNT_OF(sites)][STEPS];

        begin(_i);
        ppl_elbo *elbo = ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = particles });
        ck_assert_int_eq(ppl_ledger_count(elbo), 0);
        for (int n = 0; n < STEPS; n++) {
            double now[COUNT_OF(sites)] = { 0 }, loss = 0;

            for (int k = 0; k < particles; k++)
                add_terms((uint64_t)k, now);
            for (int i = 0; i < COUNT_OF(sites); i++) {
                term[i][n] = now[i] / particles;
                loss -= term[i][n];
            }
            NEAR(estimate(elbo, model, guide, NULL, n % 2), loss, tight);
            check_rows(elbo, term, n + 1);
        }
        ck_assert_ptr_null(ppl_ledger_at(elbo, -1));
        ck_assert_ptr_null(ppl_ledger_at(elbo, COUNT_OF(sites)));
        ck_assert_ptr_null(ppl_ledger_find(elbo, "z", -1));
        ck_assert_ptr_null(ppl_ledger_find(elbo, "y", 0));
        ppl_ledger_reset(elbo);
        ck_assert_int_eq(ppl_ledger_count(elbo), 0);
        ck_assert_ptr_null(ppl_ledger_find(elbo, "z", 0));
        memset(term, 0, sizeof term);
        for (int i = 0; i < COUNT_OF(sites); i++) {
            double now[COUNT_OF(sites)] = { 0 };

            for (int k = 0; k < particles; k++)
                add_terms((uint64_t)k, now);
            term[i][0] = now[i] / particles;
        }
        estimate(elbo, model, guide, NULL, 0);
        check_rows(elbo, term, 1);
        end();
    }
}
END_TEST

START_TEST(names_of_estimators)
{
    begin(_i);
    ck_assert_str_eq(ppl_estimator_name(PPL_LIKELIHOOD), "likelihood");
    ck_assert_str_eq(ppl_estimator_name(PPL_ANALYTIC_KL), "analytic KL");
    ck_assert_str_eq(ppl_estimator_name(PPL_SAMPLED_RATIO), "sampled ratio");
    ck_assert_str_eq(ppl_estimator_name(PPL_SCORE_FUNCTION), "score function");
    ck_assert_str_eq(ppl_estimator_name((ppl_estimator)99), "?");
    ck_assert_int_eq(ppl_ledger_count(NULL), 0);
    ck_assert_ptr_null(ppl_ledger_at(NULL, 0));
    ck_assert_ptr_null(ppl_ledger_find(NULL, "z", 0));
    ck_assert_int_eq(ppl_ledger_write(NULL, stdout), PPL_EINVAL);
    ppl_ledger_reset(NULL);
    end();
}
END_TEST

/* ---- The table --------------------------------------------------------------------- */

/* Guides whose draws are certain, so that the table's numbers are: z[t] at t, and z. */
typedef struct table {
    int first, last, backward, plain;
    double scale;               /* of the guide at index 2 */
} table;

static void table_guide(ppl_ctx *ctx, const void *arg)
{
    const table *d = arg;

    if (d->plain)
        ppl_sample(ctx, "z", ppl_delta(number(0.5), NULL, 0));
    for (int n = 0; n <= d->last - d->first; n++) {
        int t = d->backward ? d->last - n : d->first + n;
        int scaled = t == 2 && d->scale > 0;
        ppl_scope s = ppl_push(ctx, scaled ? ppl_scale(ctx, d->scale) : NULL);

        ppl_sample_at(ctx, "z", t, ppl_delta(number(t), NULL, 0));
        ppl_pop(ctx, s);
    }
}

static void table_model(ppl_ctx *ctx, const void *arg)
{
    const table *d = arg;

    if (d->plain)
        ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));
    for (int t = d->first; t <= d->last; t++) {
        ppl_tensor *z = ppl_sample_at(ctx, "z", t, ppl_normal(number(0), number(1)));

        ppl_observe_at(ctx, "observation of a long name", t, ppl_normal(z, number(1)),
                       number(t));
    }
}

static void table_is(const ppl_elbo *elbo, const char *text)
{
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);

    OK(ppl_ledger_write(elbo, out));
    fclose(out);
    ck_assert_str_eq(written, text);
    free(written);
}

#define HEAD                                                                               \
    "site                 estimator               mean     variance  why\n"

#define EVEN "          -0.9189       0.0000  observed\n"

START_TEST(tables)
{
    static const char valid[] = "p depends on no later draw of the guide";
    char text[1000];

    begin(_i);
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    table_is(elbo, HEAD);
    /* Indices that follow each other share a line: the averages of one of them. */
    estimate(elbo, table_model, table_guide, &(table){ .first = 1, .last = 3 }, 0);
    snprintf(text, sizeof text, HEAD
             "z[1..3]              analytic KL          -3.2523       0.0000  %s\n"
             "observation of a long name[1..3] likelihood " EVEN, valid);
    table_is(elbo, text);
    /* A plain z is another site; a line ends where the reason changes. */
    ppl_ledger_reset(elbo);
    estimate(elbo, table_model, table_guide,
             &(table){ .first = 0, .last = 4, .plain = 1, .scale = 2 }, 0);
    snprintf(text, sizeof text, HEAD
             "z                    analytic KL          -1.0439       0.0000  %s\n"
             "z[0..1]              analytic KL          -1.1689       0.0000  %s\n"
             "z[2]                 sampled ratio        -2.9189       0.0000  "
             "scale 2 in the guide, 1 in the model\n"
             "z[3..4]              analytic KL          -7.1689       0.0000  %s\n"
             "observation of a long name[0..4] likelihood " EVEN, valid, valid, valid);
    table_is(elbo, text);
    /* In order of the index, also where the guide goes backward; gaps are gaps. */
    ppl_ledger_reset(elbo);
    estimate(elbo, table_model, table_guide, &(table){ .first = 6, .last = 7,
                                                       .backward = 1 }, 0);
    estimate(elbo, table_model, table_guide, &(table){ .first = 1, .last = 4,
                                                       .backward = 1 }, 0);
    snprintf(text, sizeof text, HEAD
             "z[1..4]              analytic KL          -4.6689       0.0000  %s\n"
             "z[6..7]              analytic KL         -22.1689       0.0000  %s\n"
             "observation of a long name[1..4] likelihood " EVEN
             "observation of a long name[6..7] likelihood " EVEN, valid, valid);
    table_is(elbo, text);
    end();
}
END_TEST

/* As comma-separated values: every digit of what the rows have, texts in quotes. */
static void quoted_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "the \"first\", z", ppl_normal(number(1), number(2)));
    ppl_sample_at(ctx, "z", 3, ppl_normal(number(0), number(2)));
}

static void quoted_model(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "the \"first\", z", ppl_normal(number(0), number(1)));
    ppl_sample_at(ctx, "z", 3, ppl_normal(number(0), number(1)));
}

START_TEST(comma_separated_values)
{
    char *written = NULL, text[1000];
    const ppl_ledger_row *first, *z;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    ppl_elbo *elbo;

    begin(_i);
    elbo = ppl_trace_elbo(c, NULL);
    for (int i = 0; i < 3; i++)
        estimate(elbo, quoted_model, quoted_guide, NULL, 0);
    OK(ppl_ledger_write_csv(elbo, out));
    fclose(out);
    first = ppl_ledger_at(elbo, 0);
    z = ppl_ledger_at(elbo, 1);
    snprintf(text, sizeof text,
             "site,index,estimator,steps,mean,variance,why\n"
             "\"the \"\"first\"\", z\",,sampled ratio,3,%.17g,%.17g,\"trace ELBO\"\n"
             "\"z\",3,sampled ratio,3,%.17g,%.17g,\"trace ELBO\"\n", first->mean,
             first->variance, z->mean, z->variance);
    ck_assert_str_eq(written, text);
    free(written);
    ck_assert_int_eq(ppl_ledger_write_csv(NULL, stdout), PPL_EINVAL);
    end();
}
END_TEST

START_TEST(a_full_disk)
{
    FILE *full = fopen("/dev/full", "w");

    begin(_i);
    ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
    estimate(elbo, model, guide, NULL, 0);
    if (full != NULL) {
        FAILS(ppl_ledger_write(elbo, full), PPL_EIO,
              "ppl_ledger_write: the file could not be written");
        FAILS(ppl_ledger_write_csv(elbo, full), PPL_EIO,
              "ppl_ledger_write_csv: the file could not be written");
        fclose(full);
    }
    /* It was told of; the next call begins anew. */
    OK(ppl_run(c, guide, NULL, NULL));
    end();
}
END_TEST

/* ---- Sites that come and go -------------------------------------------------------- */

static void many_guide(ppl_ctx *ctx, const void *arg)
{
    const int *range = arg;

    for (int t = range[0]; t < range[1]; t++)
        ppl_sample_at(ctx, "z", t, ppl_normal(number(0), number(1)));
    if (range[2])
        ppl_fail(ctx, PPL_ESCAPE, "enough");
}

static void many_model(ppl_ctx *ctx, const void *arg)
{
    many_guide(ctx, (const int[]){ ((const int *)arg)[0], ((const int *)arg)[1], 0 });
    if (((const int *)arg)[3])
        ppl_factor(ctx, "f", number(-INFINITY));
}

/* Hundreds of rows; a failed step adds none and none of its terms, also when its error is
 * the very last term. */
START_TEST(failed_steps_leave_no_mark)
{
    static const int good[] = { 0, 100, 0, 0 }, other[] = { 50, 400, 0, 0 };
    static const int escapes[] = { 0, 900, 1, 0 }, infinite[] = { 90, 900, 0, 1 };
    double loss;

    begin(_i);
    ppl_elbo *elbo = ppl_trace_elbo(c, NULL);
    for (int n = 0; n < 3; n++) {
        const double mean = n > 0 ? ppl_ledger_find(elbo, "z", 95)->mean : 0;

        for (int k = 0; k < 2; k++) {
            ppl_epoch mark = ppl_epoch_begin(c);

            ck_assert_int_ne(ppl_elbo_estimate(elbo, many_model, many_guide,
                                               k == 0 ? escapes : infinite, 0, &loss),
                             PPL_OK);
            ppl_epoch_end(c, mark);
            ck_assert_int_eq(ppl_ledger_count(elbo), n == 0 ? 0 : n == 1 ? 100 : 400);
            ck_assert_ptr_null(ppl_ledger_find(elbo, "z", 800));
            ck_assert_ptr_null(ppl_ledger_find(elbo, "f", -1));
        }
        if (n > 0)
            ck_assert_double_eq(ppl_ledger_find(elbo, "z", 95)->mean, mean);
        estimate(elbo, many_model, many_guide, n == 1 ? other : good, 0);
    }
    for (int t = 0; t < 400; t++)
        ck_assert_int_eq(ppl_ledger_find(elbo, "z", t)->steps,
                         t < 50 ? 2 : t < 100 ? 3 : 1);
    end();
}
END_TEST

/* ---- What a site asks for ---------------------------------------------------------- */

static void ask(ppl_msg *m, void *user)
{
    if (strcmp(m->name, "z") == 0 && m->index == 1)
        ppl_msg_set_option(m, &ppl_option_estimator, user);
}

/* The guide, of whose sites z[1] asks for an estimator. */
static void asking_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_scope s = ppl_push(ctx, ppl_infer_config(ctx, ask, (void *)(uintptr_t)arg));

    guide(ctx, NULL);
    ppl_pop(ctx, s);
}

/* A ratio is sampled where the site asks for it; a KL that cannot be had is an error that
 * says why. */
START_TEST(sites_ask_for_estimators)
{
    static const ppl_estimator ratio = PPL_SAMPLED_RATIO, kl = PPL_ANALYTIC_KL;
    ppl_elbo *elbo;
    double loss;

    begin(_i);
    elbo = ppl_trace_mean_field_elbo(c, NULL);
    estimate(elbo, model, asking_guide, &ratio, 0);
    ck_assert_int_eq(ppl_ledger_find(elbo, "z", 0)->estimator, PPL_ANALYTIC_KL);
    ck_assert_int_eq(ppl_ledger_find(elbo, "z", 1)->estimator, PPL_SAMPLED_RATIO);
    ck_assert_str_eq(ppl_ledger_find(elbo, "z", 1)->reason, "asked for");
    estimate(elbo, model, asking_guide, &kl, 0);
    ck_assert_int_eq(ppl_ledger_find(elbo, "z", 1)->estimator, PPL_ANALYTIC_KL);
    FAILS(ppl_elbo_estimate(ppl_trace_elbo(c, NULL), model, asking_guide, &kl, 0, &loss),
          PPL_EUNSUPPORTED, "ppl_trace_elbo: site z[1] asks for an analytic KL "
          "(ppl_option_estimator), which it cannot have: trace ELBO");
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        rows,
        names_of_estimators,
        tables,
        comma_separated_values,
        a_full_disk,
        failed_steps_leave_no_mark,
        sites_ask_for_estimators,
        NULL
    };

    return run_tests("ledger", tests);
}
