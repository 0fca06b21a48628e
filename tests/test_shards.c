/* SPDX-License-Identifier: MIT */
/* Shards: their losses and gradients are those of the batch, the bits do not depend on the
 * threads, draws differ and are unbiased; parameters that one shard alone asks for; moving
 * averages; the ledger; errors leave no mark; memory. Under ThreadSanitizer (--enable-tsan)
 * also that nothing races.
 */
#include "inference.h"

#include <kiln/shards.h>

#include "../examples/dmm/dmm.h"

#include <pthread.h>
#include <stdlib.h>

enum { N = 12, MOST = 5, LOSSES = 4 };

/* x_i ~ Normal(z_i, 0.5), z_i ~ Normal(mu, 1); guide: z_i ~ Normal(a x_i + b, s). */
typedef struct rows {
    int n;
    const double *x, *noise;        /* of the guide's draws; NULL: its own */
    double *z;                      /* where they are left, or NULL */
    const char *extra;              /* a parameter that is asked for, or NULL */
    ppl_constraint constraint;      /* of that */
    const char *average;            /* one to move to the mean of x, or NULL */
    int fails;
} rows;

static const double data[N] = { 0.5, -1.25, 2, 0.75, 3.5, -0.5, 1, 1.5, -2, 0.25, 4, -0.75 };
static const double noise[N] = { 0.25, -1, 0.5, 1.5, -0.75, 0, 2, -0.5, 1, -1.25, 0.125, 3 };

static ppl_tensor *tensor_of(ppl_ctx *in, const double *x, int n)
{
    return ppl_from_doubles(in, PPL_SHAPE(n), x);
}

static void model(ppl_ctx *in, const void *arg)
{
    const rows *r = arg;
    ppl_tensor *mu = ppl_param(in, "mu", PPL_SCALAR, ppl_init_constant(0.5), PPL_REAL), *z;

    z = ppl_sample(in, "z", ppl_normal(ppl_expand(mu, PPL_SHAPE(r->n)), ppl_scalar(in, 1)));
    if (r->z != NULL)
        ppl_read(z, r->z, r->n);
    if (r->extra != NULL)
        z = ppl_mul(z, ppl_param(in, r->extra, PPL_SCALAR, ppl_init_uniform(1, 2),
                                 r->constraint));
    ppl_observe(in, "x", ppl_normal(z, ppl_scalar(in, r->fails ? -0.5 : 0.5)),
                tensor_of(in, r->x, r->n));
}

typedef struct given_noise {
    ppl_handler base;
    const double *noise;
} given_noise;

static void give_noise(ppl_handler *h, ppl_msg *m)
{
    ppl_tensor *e = tensor_of(m->ctx, ((const given_noise *)h)->noise,
                            (int)ppl_dist_batch_shape(m->dist).dim[0]);

    if (m->kind != PPL_SITE_SAMPLE)
        return;
    m->value = ppl_add(m->dist->param[0], ppl_mul(m->dist->param[1], e));
    m->flags |= PPL_DONE;
}

static void guide(ppl_ctx *in, const void *arg)
{
    static const ppl_handler_ops ops = { .name = "noise", .process = give_noise };
    const rows *r = arg;
    ppl_tensor *a = ppl_param(in, "a", PPL_SCALAR, ppl_init_constant(0.25), PPL_REAL);
    ppl_tensor *b = ppl_param(in, "b", PPL_SCALAR, ppl_init_normal(0, 1), PPL_REAL);
    ppl_tensor *s = ppl_param(in, "s", PPL_SCALAR, ppl_init_constant(0.75), PPL_POSITIVE);
    ppl_dist *q = ppl_normal(ppl_add(ppl_mul(a, tensor_of(in, r->x, r->n)), b), s);
    given_noise *h = ppl_alloc(in, sizeof *h);
    double mean = 0;

    if (h == NULL)
        return;
    *h = (given_noise){ { .ops = &ops }, r->noise };
    const ppl_scope scope = ppl_push(in, r->noise != NULL ? &h->base : NULL);
    ppl_sample(in, "z", q);
    ppl_pop(in, scope);
    for (int i = 0; i < r->n; i++)
        mean += r->x[i] / r->n;
    if (r->average != NULL)
        OK(ppl_param_average(in, r->average, 0.5, &mean, 1));
}

/* The rows of `all` in consecutive shards. */
static void cut(const rows *all, int shards, rows shard[MOST], const void *arg[MOST])
{
    for (int k = 0; k < shards; k++) {
        const int from = all->n * k / shards;

        shard[k] = *all;
        shard[k].n = all->n * (k + 1) / shards - from;
        shard[k].x += from;
        shard[k].noise += shard[k].noise != NULL ? from : 0;
        shard[k].z += shard[k].z != NULL ? from : 0;
        arg[k] = &shard[k];
    }
}

static ppl_ctx *threaded(int dtype, int threads)
{
    ppl_ctx *made = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = dtype == 0 ? PPL_F32 : PPL_F64,
                                                 .seed = 7, .threads = threads });

    ck_assert_ptr_nonnull(made);
    return made;
}

/* Steps of a new context c, which is left open. */
typedef struct run {
    double loss[LOSSES];
    int params;
    double value[8], grad[8];
} run;

static run steps(int dtype, int threads, int analytic, const void *const *arg, int shards)
{
    const int before = c != NULL;
    run r = { .params = 0 };

    if (!before)
        c = threaded(dtype, threads);
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo_of(analytic),
                               ppl_adam(c, &(ppl_optim_opts){ .lr = 0.05 }));

    for (int n = 0; n < LOSSES; n++)
        OK(ppl_svi_step_shards(svi, arg, shards, &r.loss[n]));
    r.params = ppl_param_count(c);
    for (int i = 0; i < r.params; i++) {
        const char *name = ppl_param_at(c, i)->name;

        OK(ppl_param_read(c, name, &r.value[i], 1));
        OK(ppl_param_grad(c, name, &r.grad[i], 1));
    }
    ppl_svi_free(svi);
    return r;
}

static void close_context(void)
{
    ppl_ctx_free(c);
    c = NULL;
}

static void assert_same_bits(const run *a, const run *b)
{
    ck_assert_int_eq(a->params, b->params);
    ck_assert_mem_eq(a->loss, b->loss, sizeof a->loss);
    ck_assert_mem_eq(a->value, b->value, (size_t)a->params * sizeof *a->value);
    ck_assert_mem_eq(a->grad, b->grad, (size_t)a->params * sizeof *a->grad);
}

static void assert_alike(const run *a, const run *b)
{
    ck_assert_int_eq(a->params, b->params);
    for (int n = 0; n < LOSSES; n++)
        NEAR(a->loss[n], b->loss[n], tight);
    for (int i = 0; i < a->params; i++) {
        NEAR(a->value[i], b->value[i], tight);
        NEAR(a->grad[i], b->grad[i], 10 * tight);
    }
}

/* ---- What they compute ------------------------------------------------------------- */

/* Of given draws, the batch's losses and gradients, however it is cut. */
START_TEST(shards_add_up)
{
    const rows all = { .n = N, .x = data, .noise = noise };
    const void *const whole[] = { &all };

    tight = _i == 0 ? 2e-5 : 1e-12;
    for (int analytic = 0; analytic < 2; analytic++) {
        const run expected = steps(_i, 1, analytic, whole, 1);

        close_context();
        for (int shards = 2; shards <= MOST; shards++) {
            rows shard[MOST];
            const void *arg[MOST];
            run r;

            cut(&all, shards, shard, arg);
            r = steps(_i, 2, analytic, arg, shards);
            assert_alike(&r, &expected);
            close_context();
        }
    }
}
END_TEST

START_TEST(threads_do_not_matter)
{
    const rows all = { .n = N, .x = data };

    for (int shards = 2; shards <= MOST; shards += 3) {
        rows shard[MOST];
        const void *arg[MOST];
        run first, other;

        cut(&all, shards, shard, arg);
        first = steps(_i, 1, 0, arg, shards);
        close_context();
        for (int threads = 2; threads <= 4; threads++)
            for (int round = 0; round < 5; round++) {
                other = steps(_i, threads, 0, arg, shards);
                close_context();
                assert_same_bits(&first, &other);
            }
    }
}
END_TEST

/* Of equal rows, and each differently in each step; one shard draws what the batch does. */
START_TEST(shards_draw_for_themselves)
{
    static const double equal[6] = { 1, 1, 1, 1, 1, 1 };
    double z[2 * 6];
    rows shard[MOST], all = { .n = 6, .x = equal, .z = z };
    const void *arg[MOST];

    for (int k = 0; k < 2; k++) {
        cut(&all, 3, shard, arg);
        c = threaded(_i, 2);
        ppl_set_rng_state(c, 7, (uint64_t)k);
        steps(_i, 2, 0, arg, 3);
        close_context();
        all.z += 6;
    }
    for (int i = 0; i < COUNT_OF(z); i++)
        for (int j = 0; j < i; j++)
            ck_assert_msg(fabs(z[i] - z[j]) > 1e-4, "draws %d and %d are %g and %g", j, i, z[j],
                          z[i]);
}
END_TEST

/* The loss of N rows in closed form: KL(q || p) - E log p(x | z). */
static double expected_loss(double mu, double a, double b, double s)
{
    double sum = 0;

    for (int i = 0; i < N; i++) {
        const double m = a * data[i] + b, off = data[i] - m;

        sum += -log(s) + (s * s + (m - mu) * (m - mu) - 1) / 2;
        sum += 0.5 * log(8 * atan(1)) + log(0.5) + (off * off + s * s) / (2 * 0.25);
    }
    return sum;
}

START_TEST(unbiased)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    moments loss = { .n = 0 }, slope = { .n = 0 };
    double b, step = 1e-4;

    begin(_i);
    ppl_elbo *elbo = elbo_of(0);
    cut(&all, 3, shard, arg);
    for (int n = 0; n < 4000; n++) {
        const ppl_epoch mark = ppl_epoch_begin(c);
        double drawn;

        ppl_next_step(c);
        ppl_zero_grad(c);
        OK(ppl_elbo_estimate_shards(elbo, model, guide, arg, 3, 1, &drawn));
        ppl_epoch_end(c, mark);
        add_to(&loss, drawn);
        add_to(&slope, gradient_of("b"));
    }
    OK(ppl_param_read(c, "b", &b, 1));
    IN_MEAN(&loss, expected_loss(0.5, 0.25, b, 0.75));
    IN_MEAN(&slope, (expected_loss(0.5, 0.25, b + step, 0.75) -
                     expected_loss(0.5, 0.25, b - step, 0.75)) / (2 * step));
    end();
}
END_TEST

/* x_i ~ Normal(w, 1), w ~ Normal(0, 1); guide: w ~ Normal(m, 0.5). Each of three shards draws a
 * w of its own, which counts as a third. */
static void shared_model(ppl_ctx *in, const void *arg)
{
    const rows *r = arg;
    const ppl_scope s = ppl_push(in, ppl_scale(in, 1.0 / 3));
    ppl_tensor *w = ppl_sample(in, "w", ppl_normal(ppl_scalar(in, 0), ppl_scalar(in, 1)));

    ppl_pop(in, s);
    ppl_observe(in, "x", ppl_normal(ppl_expand(w, PPL_SHAPE(r->n)), ppl_scalar(in, 1)),
                tensor_of(in, r->x, r->n));
}

static void shared_guide(ppl_ctx *in, const void *arg)
{
    const ppl_scope s = ppl_push(in, ppl_scale(in, 1.0 / 3));
    ppl_tensor *m = ppl_param(in, "m", PPL_SCALAR, ppl_init_constant(0.25), PPL_REAL);

    (void)arg;
    ppl_sample(in, "w", ppl_normal(m, ppl_scalar(in, 0.5)));
    ppl_pop(in, s);
}

START_TEST(shared_latents_are_unbiased)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    double expected = -log(0.5) + (0.25 + 0.0625 - 1) / 2, slope = 0.25;
    moments loss = { .n = 0 }, gradient = { .n = 0 };

    for (int i = 0; i < N; i++) {
        expected += 0.5 * log(8 * atan(1)) + ((data[i] - 0.25) * (data[i] - 0.25) + 0.25) / 2;
        slope += 0.25 - data[i];
    }
    begin(_i);
    cut(&all, 3, shard, arg);
    for (int analytic = 0; analytic < 2; analytic++) {
        ppl_elbo *elbo = elbo_of(analytic);

        for (int n = 0; n < 2000; n++) {
            const ppl_epoch mark = ppl_epoch_begin(c);
            double drawn;

            ppl_next_step(c);
            ppl_zero_grad(c);
            OK(ppl_elbo_estimate_shards(elbo, shared_model, shared_guide, arg, 3, 1, &drawn));
            ppl_epoch_end(c, mark);
            add_to(&loss, drawn);
            add_to(&gradient, gradient_of("m"));
        }
        IN_MEAN(&loss, expected);
        IN_MEAN(&gradient, slope);
        loss = gradient = (moments){ .n = 0 };
    }
    end();
}
END_TEST

/* ---- Parameters -------------------------------------------------------------------- */

/* Made, adopted from a file's values or from written ones by the last shard alone: as if the
 * batch had asked for it, and on any number of threads the same. */
START_TEST(one_shard_asks)
{
    enum { MADE, WRITTEN, DECLARED, WAYS };
    const rows all = { .n = N, .x = data, .noise = noise };

    for (int way = 0; way < WAYS; way++) {
        run r[3];

        for (int threads = 1; threads <= 3; threads++) {
            rows shard[MOST];
            const void *arg[MOST];

            cut(&all, 3, shard, arg);
            shard[2].extra = "extra";
            shard[2].constraint = PPL_POSITIVE;
            c = threaded(_i, threads);
            if (way == WRITTEN)
                OK(ppl_param_write(c, "extra", PPL_SCALAR, LIST(1.5)));
            else if (way == DECLARED)
                ck_assert_int_eq(ppl_param_declare(c, "extra", PPL_SCALAR, 1), 0);
            r[threads - 1] = steps(_i, threads, 1, arg, 3);
            const ppl_param_info *extra = ppl_param_at(c, ppl_param_find(c, "extra"));
            ck_assert_int_eq(extra->steps, LOSSES);
            ck_assert_ptr_eq(extra->constraint.type, PPL_POSITIVE.type);
            close_context();
        }
        ck_assert_int_eq(r[0].params, 5);
        assert_same_bits(&r[0], &r[1]);
        assert_same_bits(&r[0], &r[2]);
    }
}
END_TEST

/* What is written between steps, and other parameters from then on. */
START_TEST(replicas_follow)
{
    const rows all = { .n = N, .x = data, .noise = noise };
    rows shard[MOST];
    const void *arg[MOST];
    run expected, r;

    tight = _i == 0 ? 2e-5 : 1e-12;
    for (int shards = 1; shards <= 3; shards += 2) {
        cut(&all, shards, shard, arg);
        c = threaded(_i, 2);
        steps(_i, 2, 1, arg, shards);
        OK(ppl_param_write(c, "b", PPL_SCALAR, LIST(-2)));
        ppl_param_rollback(c, 3);
        for (int k = 0; k < shards; k++) {
            shard[k].extra = "other";
            shard[k].constraint = PPL_REAL;
        }
        r = steps(_i, 2, 1, arg, shards);
        close_context();
        if (shards == 1)
            expected = r;
    }
    ck_assert_int_eq(r.params, 5);
    assert_alike(&r, &expected);
}
END_TEST

/* 1 -> half way to the mean of each shard in turn. */
START_TEST(averages_move_in_order)
{
    const rows all = { .n = N, .x = data, .average = "mean of x" };
    rows shard[MOST];
    const void *arg[MOST];
    double at = 1, x;

    cut(&all, 3, shard, arg);
    c = threaded(_i, 2);
    OK(ppl_param_write(c, "mean of x", PPL_SCALAR, LIST(1)));
    steps(_i, 2, 1, arg, 3);
    for (int n = 0; n < 3 * LOSSES; n++) {
        double mean = 0;

        for (int i = 0; i < N / 3; i++)
            mean += data[n % 3 * (N / 3) + i] / (N / 3);
        at += 0.5 * (mean - at);
    }
    OK(ppl_param_read(c, "mean of x", &x, 1));
    NEAR(x, at, 1e-6);
    close_context();
}
END_TEST

/* ---- The ledger -------------------------------------------------------------------- */

static void bits_model(ppl_ctx *in, const void *arg)
{
    const rows *r = arg;
    ppl_tensor *k = ppl_sample(in, "k", ppl_bernoulli(ppl_full(in, PPL_SHAPE(r->n), 0.4)));

    ppl_observe(in, "x", ppl_normal(k, ppl_scalar(in, 1)), tensor_of(in, r->x, r->n));
}

static void give_baseline(ppl_msg *m, void *user)
{
    static ppl_baseline_opts opts = { .decay = 0.9 };

    (void)user;
    ppl_msg_set_option(m, &ppl_baseline, &opts);
}

static void bits_guide(ppl_ctx *in, const void *arg)
{
    const rows *r = arg;
    ppl_tensor *p = ppl_param(in, "p", PPL_SCALAR, ppl_init_constant(0.3), PPL_UNIT_INTERVAL);
    const ppl_scope s = ppl_push(in, ppl_infer_config(in, give_baseline, NULL));

    ppl_sample(in, "k", ppl_bernoulli(ppl_expand(p, PPL_SHAPE(r->n))));
    ppl_pop(in, s);
}

START_TEST(the_ledger_sums)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    double loss, sum = 0;

    c = threaded(_i, 3);
    ppl_elbo *elbo = elbo_of(0);
    ppl_svi *svi = ppl_svi_new(c, bits_model, bits_guide, elbo, ppl_sgd(c, NULL));
    cut(&all, 3, shard, arg);
    for (int n = 0; n < 3; n++) {
        OK(ppl_svi_step_shards(svi, arg, 3, &loss));
        sum += loss;
    }
    ck_assert_int_eq(ppl_ledger_count(elbo), 2);
    const ppl_ledger_row *k = ppl_ledger_at(elbo, 0), *x = ppl_ledger_at(elbo, 1);
    ck_assert_str_eq(k->name, "k");
    ck_assert_int_eq(k->estimator, PPL_SCORE_FUNCTION);
    ck_assert_str_eq(k->reason, "bernoulli is not reparameterised");
    ck_assert(k->baseline < 0);
    ck_assert_int_eq(k->steps, 3);
    ck_assert_int_eq(x->steps, 3);
    NEAR(k->mean + x->mean, -sum / 3, 1e-9);
    ppl_svi_free(svi);
    close_context();
}
END_TEST

/* Averages of the shards as well: the step is that of an ELBO that is new. */
START_TEST(the_ledger_forgets)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    double p[2], start;
    uint64_t seed, step;

    c = threaded(_i, 2);
    ppl_elbo *elbo = elbo_of(0);
    cut(&all, 3, shard, arg);
    for (int k = 0; k < 2; k++) {
        ppl_svi *svi = ppl_svi_new(c, bits_model, bits_guide, k == 0 ? elbo : elbo_of(0),
                                   ppl_sgd(c, &(ppl_optim_opts){ .lr = 1e-3 }));
        for (int n = 0; k == 0 && n < 3; n++)
            OK(ppl_svi_step_shards(svi, arg, 3, NULL));
        if (k == 0) {
            ppl_ledger_reset(elbo);
            ppl_rng_state(c, &seed, &step);
            OK(ppl_param_read(c, "p", &start, 1));
        }
        OK(ppl_param_write(c, "p", PPL_SCALAR, &start));
        ppl_set_rng_state(c, seed, step);
        OK(ppl_svi_step_shards(svi, arg, 3, NULL));
        OK(ppl_param_read(c, "p", &p[k], 1));
        ppl_svi_free(svi);
    }
    ck_assert_double_eq(p[0], p[1]);
    ck_assert_double_ne(p[0], start);
    close_context();
}
END_TEST

/* ---- Errors ------------------------------------------------------------------------ */

/* In any shard; the step after it is the one that a context takes that never failed. */
START_TEST(errors_leave_no_mark)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    char text[600];

    cut(&all, 3, shard, arg);
    const run expected = steps(_i, 2, 0, arg, 3);
    close_context();
    for (int at = 0; at < 3; at++)
        for (int first = 0; first < 2; first++) {
            c = threaded(_i, 2);
            ppl_svi *svi = ppl_svi_new(c, model, guide, elbo_of(0), ppl_sgd(c, NULL));
            const uint64_t step = (uint64_t)!first;
            double loss;

            if (!first)
                OK(ppl_svi_step_shards(svi, arg, 3, NULL));
            shard[at].fails = 1;
            snprintf(text, sizeof text, "normal: scale is -0.5; it must be positive\n  after "
                     "site z; 1 site and 1 parameter visited\n  in shard[%d] of 3", at);
            FAILS(ppl_svi_step_shards(svi, arg, 3, &loss), PPL_ECONSTRAINT, text);
            ck_assert(isnan(loss));
            ck_assert_int_eq(ppl_param_count(c), first ? 0 : 4);
            shard[at].fails = 0;
            uint64_t seed, now;
            ppl_rng_state(c, &seed, &now);
            ck_assert(seed == 7 && now == step);
            ppl_svi_free(svi);
            if (first) {
                run r = steps(_i, 2, 0, arg, 3);
                assert_same_bits(&r, &expected);
            }
            close_context();
        }
}
END_TEST

static void count_calls(ppl_ctx *in, int shard, void *user)
{
    (void)in;
    ((int *)user)[shard]++;
}

static void shards_within(ppl_ctx *in, const void *arg)
{
    (void)arg;
    ck_assert_int_eq(ppl_run_shards(in, 2, count_calls, NULL), PPL_ENEST);
}

START_TEST(misuse)
{
    const rows all = { .n = N, .x = data };
    const void *const arg[] = { &all, &all };
    int calls[3] = { 0 };

    begin(_i);
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo_of(0), ppl_sgd(c, NULL));
    FAILS(ppl_svi_step_shards(svi, arg, 0, NULL), PPL_EINVAL,
          "ppl_run_shards: 0 shards; give 1 to 1024");
    FAILS(ppl_svi_step_shards(svi, arg, 1025, NULL), PPL_EINVAL,
          "ppl_run_shards: 1025 shards; give 1 to 1024");
    FAILS(ppl_svi_step_shards(svi, NULL, 2, NULL), PPL_EINVAL,
          "ppl_elbo_estimate_shards: the array of arguments is NULL; give one for each shard");
    FAILS(ppl_run_shards(c, 2, NULL, NULL), PPL_EINVAL,
          "ppl_run_shards: the function is NULL");
    FAILS(ppl_run(c, shards_within, NULL, NULL), PPL_ENEST,
          "ppl_run_shards inside a run; have the shards make the runs");
    const ppl_epoch mark = ppl_epoch_begin(c);
    const ppl_scope s = ppl_push(c, ppl_scale(c, 2));
    FAILS(ppl_run_shards(c, 2, count_calls, calls), PPL_ENEST,
          "ppl_run_shards: only shard[0] would see the scale handler around it; push it in "
          "the model");
    OK(ppl_run_shards(c, 1, count_calls, calls));
    ppl_pop(c, s);
    ppl_epoch_end(c, mark);
    OK(ppl_run_shards(c, 3, count_calls, calls));
    ck_assert(calls[0] == 2 && calls[1] == 1 && calls[2] == 1);
    ck_assert_int_eq(ppl_svi_step_shards(NULL, arg, 2, NULL), PPL_EINVAL);
    ppl_svi_free(svi);
    end();
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------ */

/* From the third step on none is taken; all of it is the context's, and given back. */
START_TEST(memory_is_bounded)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    long calls = 0;

    begin(_i);
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo_of(1), ppl_adam(c, NULL));
    cut(&all, 3, shard, arg);
    for (int n = 0; n < 6; n++) {
        ck_assert_msg(n < 3 || memory.calls == calls, "step %d takes memory", n);
        calls = memory.calls;
        OK(ppl_svi_step_shards(svi, arg, 3, NULL));
        ck_assert_uint_eq(ppl_memory_in_use(c), memory.held);
    }
    ppl_svi_free(svi);
    end();
}
END_TEST

/* At every allocation of the first steps: an error, then what never failed. */
START_TEST(memory_runs_out)
{
    const rows all = { .n = N, .x = data };
    rows shard[MOST];
    const void *arg[MOST];
    double loss, expected = 0;
    int failed = 1;

    cut(&all, 3, shard, arg);
    for (long at = 0; failed; at += at < 200 ? 1 : 7) {
        begin(_i);
        ppl_svi *svi = ppl_svi_new(c, model, guide, elbo_of(1), ppl_adam(c, NULL));

        failed = 0;
        memory.refuse_at = at > 0 ? memory.calls + at : 0;
        for (int n = 0; n < 2; n++) {
            ppl_status status = ppl_svi_step_shards(svi, arg, 3, &loss);

            if (status != PPL_OK) {
                ck_assert_int_eq(status, PPL_ENOMEM);
                failed++;
                memory.refuse_at = 0;
                OK(ppl_svi_step_shards(svi, arg, 3, &loss));
            }
        }
        memory.refuse_at = 0;
        if (at == 0) {
            expected = loss;
            failed = 1;
        }
        ck_assert_int_le(failed, 1);
        ck_assert_double_eq(loss, expected);
        ppl_svi_free(svi);
        end();
    }
}
END_TEST

/* ---- Steps of the Deep Markov Model ------------------------------------------------ */

enum { STEPS = 7, KEYS = 88, HALF = 9 + 9 + 8 + 5 + 3 + 1 + 1 };

START_TEST(deep_markov_model)
{
    static const int active[STEPS] = { 9, 9, 8, 5, 3, 1, 1 };
    static float floats[2][HALF * KEYS];
    static double doubles[2][HALF * KEYS];
    int offset[STEPS] = { 0 };
    dmm_batch half[2];
    double loss[3][LOSSES];

    for (int t = 1; t < STEPS; t++)
        offset[t] = offset[t - 1] + active[t - 1];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < HALF * KEYS; i++)
            floats[k][i] = (float)(doubles[k][i] = i % (9 - k) == 0);
        half[k] = (dmm_batch){ .dims = { KEYS, 30, 40, 50, 100 }, .steps = STEPS,
                               .active = active, .offset = offset, .rows = HALF,
                               .x = _i == 0 ? (void *)floats[k] : (void *)doubles[k],
                               .kl_weight = 0.4, .dropout = 0.1 };
    }
    for (int threads = 1; threads <= 3; threads++) {
        c = threaded(_i, threads);
        ppl_svi *svi = ppl_svi_new(c, dmm_model, dmm_guide, elbo_of(1),
                                   ppl_clipped_adam(c, NULL));
        for (int n = 0; n < LOSSES; n++)
            OK(ppl_svi_step_shards(svi, (const void *[]){ &half[0], &half[1] }, 2,
                                   &loss[threads - 1][n]));
        ck_assert_mem_eq(loss[threads - 1], loss[0], sizeof loss[0]);
        ppl_svi_free(svi);
        close_context();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { shards_add_up, threads_do_not_matter,
                                   shards_draw_for_themselves, unbiased,
                                   shared_latents_are_unbiased, one_shard_asks,
                                   replicas_follow, averages_move_in_order,
                                   the_ledger_sums, the_ledger_forgets,
                                   errors_leave_no_mark, misuse,
                                   memory_is_bounded, memory_runs_out, deep_markov_model,
                                   NULL };

    return run_tests("shards", tests);
}
