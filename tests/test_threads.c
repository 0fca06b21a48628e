/* SPDX-License-Identifier: MIT */
/* The threads of a context: loops and products in pieces, steps of the Deep Markov Model and
 * of a GRU on one, two and three threads, which agree to rounding and repeat themselves to
 * the last bit; memory; what cannot be. Under ThreadSanitizer (--enable-tsan) also that
 * nothing races.
 */
#include "inference.h"

#include <kiln/maths.h>
#include <kiln/nn.h>

#include "../examples/dmm/dmm.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static ppl_ctx *threaded(int i, int threads)
{
    ppl_ctx *made = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                                 .seed = 5, .threads = threads,
                                                 .allocator = counted_realloc,
                                                 .allocator_user = &memory });
    ck_assert_ptr_nonnull(made);
    ck_assert_int_eq(ppl_ctx_threads(made), threads);
    return made;
}

static void rest(void)
{
    nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
}

/* ---- Loops ------------------------------------------------------------------------- */

enum { MOST = 1000 };

typedef struct visits {
    ppl_ctx *ctx;
    unsigned char count[MOST];
    size_t least;
    int within;                     /* whether to split again, within */
} visits;

static void visit(void *arg, size_t from, size_t to)
{
    visits *v = arg;

    for (size_t i = from; i < to; i++)
        v->count[i]++;
}

static void visit_piece(void *arg, size_t from, size_t to)
{
    visits *v = arg;
    visits *part = v + 1 + from;    /* a piece's own */

    ck_assert_uint_ge(to - from, v->least);
    visit(arg, from, to);
    if (v->within) {
        ppl_maths_split(v->ctx, MOST, 1, visit, part);
        for (int i = 0; i < MOST; i++)
            ck_assert_int_eq(part->count[i], 1);
    }
}

/* Every number once, in pieces that are not too small, whether the threads look or sleep. */
START_TEST(loops)
{
    static const size_t sizes[] = { 0, 1, 2, 7, 64, 999 };

    for (int threads = 1; threads <= 8; threads = 2 * threads + threads % 2) {
        c = threaded(_i, threads);
        for (int round = 0; round < 200; round++)
            for (int s = 0; s < COUNT_OF(sizes); s++) {
                const size_t n = sizes[s];
                visits v = { .ctx = c, .least = n < 1 + (size_t)round % 5
                                                    ? n : 1 + (size_t)round % 5 };

                ppl_maths_split(c, n, 1 + (size_t)round % 5, visit_piece, &v);
                for (size_t i = 0; i < MOST; i++)
                    ck_assert_int_eq(v.count[i], i < n);
                if (round % 50 == 0)
                    rest();
            }
        ppl_ctx_free(c);
    }
    ck_assert_uint_eq(memory.held, 0);
}
END_TEST

START_TEST(loops_within_loops)
{
    enum { N = 6 };
    visits *v = calloc(N + 1, sizeof *v);

    c = threaded(_i, 3);
    v->ctx = c;
    v->within = 1;
    ppl_maths_split(c, N, 1, visit_piece, v);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(v->count[i], 1);
    ppl_ctx_free(c);
    free(v);
}
END_TEST

/* ---- Products ---------------------------------------------------------------------- */

/* Numbers in [-1,1), the same for the same seed; `n` of the context's dtype. */
static void *random_numbers(int i, size_t n, uint64_t seed)
{
    void *block = malloc(n * (i == 0 ? sizeof(float) : sizeof(double)));

    for (size_t k = 0; k < n; k++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (i == 0)
            ((float *)block)[k] = (float)(seed >> 40) * 0x1p-23f - 1;
        else
            ((double *)block)[k] = (double)(seed >> 11) * 0x1p-52 - 1;
    }
    return block;
}

static double number_at(int i, const void *x, size_t k)
{
    return i == 0 ? (double)((const float *)x)[k] : ((const double *)x)[k];
}

static void assert_alike(int i, const void *x, const void *y, size_t n, double size,
                         const char *what)
{
    for (size_t k = 0; k < n; k++) {
        const double a = number_at(i, x, k), b = number_at(i, y, k);

        ck_assert_msg(fabs(a - b) <= size * rounding(i), "%s: element %zu is %.17g and %.17g",
                      what, k, a, b);
    }
}

enum { GEMM = 4, PREPARED = 6, OUTER, WAYS };       /* of GEMM: bits of what is turned */

static void *product_of(ppl_ctx *in, int i, int way, size_t m, size_t n, size_t k)
{
    const ppl_dtype dtype = ppl_ctx_dtype(in);
    void *a = random_numbers(i, m * k, 1), *b = random_numbers(i, k * n, 2);
    void *out = random_numbers(i, m * n, 3);

    if (way < GEMM)
        ppl_maths_gemm(in, dtype, way & 1, way >> 1, m, n, k, a, way & 1 ? m : k, b,
                       way >> 1 ? k : n, out, n, 1);
    else if (way < OUTER) {
        void *prepared = random_numbers(i, k * n, 4);

        ppl_maths_gemm_prepare(in, dtype, way - GEMM, n, k, b, prepared);
        ppl_maths_gemm_prepared(in, dtype, m, n, k, a, k, prepared, out, n, 0);
        free(prepared);
    } else {
        ppl_epoch mark = ppl_epoch_begin(in);
        ppl_outer_sum *sum = ppl_outer_sum_begin(in, m, n, out);

        ppl_outer_sum_add(sum, k, a, m, b, n);
        ppl_outer_sum_end(sum);
        ppl_epoch_end(in, mark);
    }
    free(a);
    free(b);
    return out;
}

START_TEST(products)
{
    static const size_t shapes[][3] = { { 1, 600, 600 }, { 3, 600, 200 }, { 20, 600, 100 },
                                        { 33, 47, 129 }, { 600, 88, 250 }, { 2, 3, 40000 },
                                        { 300, 1, 300 }, { 100, 100, 7 } };
    ppl_ctx *one = threaded(_i, 1), *two = threaded(_i, 2), *three = threaded(_i, 3);

    for (int s = 0; s < COUNT_OF(shapes); s++)
        for (int way = 0; way < WAYS; way++) {
            const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
            const size_t bytes = m * n * (_i == 0 ? sizeof(float) : sizeof(double));
            void *expected = product_of(one, _i, way, m, n, k);
            void *first = product_of(two, _i, way, m, n, k);
            void *again = product_of(two, _i, way, m, n, k);
            void *third = product_of(three, _i, way, m, n, k);

            ck_assert_mem_eq(first, again, bytes);
            assert_alike(_i, first, expected, m * n, 4 * sqrt((double)k), "two threads");
            assert_alike(_i, third, expected, m * n, 4 * sqrt((double)k), "three threads");
            free(expected);
            free(first);
            free(again);
            free(third);
        }
    ppl_ctx_free(one);
    ppl_ctx_free(two);
    ppl_ctx_free(three);
}
END_TEST

/* ---- Steps ------------------------------------------------------------------------- */

enum { STEPS = 7, KEYS = 88, ROWS = 24 + 24 + 23 + 15 + 8 + 2 + 1, LOSSES = 5 };

static const int active[STEPS] = { 24, 24, 23, 15, 8, 2, 1 };

/* Wide enough that everything is split. */
typedef struct run {
    double loss[LOSSES];
    size_t count;
    double *values;                 /* of all parameters after the last step */
} run;

static void keep_parameters(ppl_ctx *in, run *r)
{
    const ppl_slab slab = ppl_param_slab(in);

    r->count = (size_t)slab.size;
    r->values = calloc(r->count, sizeof *r->values);
    for (size_t k = 0; k < r->count; k++)
        r->values[k] = number_at(slab.dtype == PPL_F64, slab.value, k);
}

static run run_model(int i, int threads, ppl_model model, ppl_model guide, const void *arg,
                     int analytic)
{
    run r = { { 0 }, 0, NULL };
    ppl_ctx *in = c = threaded(i, threads);
    ppl_elbo *elbo = analytic ? ppl_trace_mean_field_elbo(in, NULL)
                              : ppl_trace_elbo(in, NULL);
    ppl_svi *svi = ppl_svi_new(in, model, guide, elbo,
                               ppl_clipped_adam(in, &(ppl_optim_opts){ .lr = 1e-3 }));

    for (int n = 0; n < LOSSES; n++) {
        const long calls = memory.calls;

        OK(ppl_svi_step(svi, arg, &r.loss[n]));
        ck_assert_msg(n < 2 || memory.calls == calls, "step %d takes memory", n + 1);
    }
    keep_parameters(in, &r);
    ppl_svi_free(svi);
    ppl_ctx_free(in);
    ck_assert_uint_eq(memory.held, 0);
    return r;
}

/* On one thread, on two (twice the same bits), on three. */
static void compare_runs(int i, ppl_model model, ppl_model guide, const void *arg,
                         int analytic)
{
    const double tolerance = i == 0 ? 2e-4 : 1e-9;
    run r[4];

    for (int k = 0; k < 4; k++)
        r[k] = run_model(i, k == 0 ? 1 : k < 3 ? 2 : 3, model, guide, arg, analytic);
    ck_assert_mem_eq(r[1].loss, r[2].loss, sizeof r[1].loss);
    ck_assert_mem_eq(r[1].values, r[2].values, r[1].count * sizeof(double));
    for (int k = 1; k < 4; k++) {
        for (int n = 0; n < LOSSES; n++)
            ck_assert_msg(fabs(r[k].loss[n] - r[0].loss[n]) <=
                              tolerance * fabs(r[0].loss[n]),
                          "loss %d is %.17g and %.17g", n, r[k].loss[n], r[0].loss[n]);
        for (size_t n = 0; n < r[0].count; n++)
            ck_assert_msg(fabs(r[k].values[n] - r[0].values[n]) <= tolerance,
                          "parameter %zu is %.17g and %.17g", n, r[k].values[n],
                          r[0].values[n]);
    }
    for (int k = 0; k < 4; k++)
        free(r[k].values);
}

static const void *notes(int i)
{
    static float floats[ROWS * KEYS];
    static double doubles[ROWS * KEYS];

    for (int k = 0; k < ROWS * KEYS; k++)
        floats[k] = (float)(doubles[k] = k % 9 == 0);
    return i == 0 ? (void *)floats : (void *)doubles;
}

START_TEST(deep_markov_model)
{
    int offset[STEPS] = { 0 };
    dmm_batch batch = { .dims = { KEYS, 60, 70, 100, 200 }, .steps = STEPS,
                        .active = active, .offset = offset, .rows = ROWS, .x = notes(_i),
                        .kl_weight = 0.4 };

    for (int t = 1; t < STEPS; t++)
        offset[t] = offset[t - 1] + active[t - 1];
    for (int analytic = 0; analytic < 2; analytic++)
        compare_runs(_i, dmm_model, dmm_guide, &batch, analytic);
}
END_TEST

static void gru_model(ppl_ctx *ctx, const void *arg)
{
    ppl_ragged ragged = { STEPS, active };
    ppl_tensor *x = ppl_wrap(ctx, ppl_ctx_dtype(ctx), PPL_SHAPE(ROWS, KEYS), arg);
    ppl_tensor *h_0 = ppl_param(ctx, "h_0", PPL_SHAPE(active[0], 120), PPL_ZEROS, PPL_REAL);
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(ppl_scalar(ctx, 0), ppl_scalar(ctx, 1)));
    ppl_tensor *h = ppl_nn_gru(ctx, "gru", ppl_mul(x, z), &ragged,
                               &(ppl_rnn_opts){ .hidden = 120, .h_0 = h_0 });
    ppl_tensor *logits = ppl_nn_linear(ctx, "out", ppl_tanh(h), KEYS, PPL_IDENTITY);

    ppl_observe(ctx, "x", ppl_event(ppl_bernoulli_logits(logits), 1), x);
}

static void gru_guide(ppl_ctx *ctx, const void *arg)
{
    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(ppl_param(ctx, "loc", PPL_SCALAR, PPL_ONES, PPL_REAL),
                                    ppl_param(ctx, "scale", PPL_SCALAR, PPL_ONES,
                                              PPL_POSITIVE)));
}

START_TEST(gated)
{
    compare_runs(_i, gru_model, gru_guide, notes(_i), 1);
}
END_TEST

enum { LAYERS = 20, WIDE = 60 };

/* More jobs at a time than there is room for, and weights that other operations use too. */
static void deep_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *x = ppl_wrap(ctx, ppl_ctx_dtype(ctx), PPL_SHAPE(ROWS, KEYS), arg);
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(ppl_scalar(ctx, 0), ppl_scalar(ctx, 1)));
    ppl_tensor *h = ppl_nn_linear(ctx, "in", ppl_mul(x, z), WIDE, PPL_TANH);
    ppl_tensor *size = ppl_scalar(ctx, 0);

    for (int k = 0; k < LAYERS; k++) {
        char name[8];
        ppl_tensor *weight;

        snprintf(name, sizeof name, "w%d", k);
        weight = ppl_param(ctx, ppl_intern(ctx, name), PPL_SHAPE(WIDE, WIDE),
                           ppl_init_uniform(-0.2, 0.2), PPL_REAL);
        size = ppl_add(size, ppl_sum(ppl_mul(weight, weight), PPL_ALL));
        h = ppl_linear(h, weight, NULL, PPL_TANH);
        h = ppl_linear(h, weight, NULL, k % 2 ? PPL_SOFTPLUS : PPL_IDENTITY);
    }
    ppl_observe(ctx, "h", ppl_normal(h, ppl_scalar(ctx, 1)),
                ppl_full(ctx, PPL_SHAPE(ROWS, WIDE), 0.5));
    ppl_observe(ctx, "size", ppl_normal(ppl_affine(size, 1e-3, 0), ppl_scalar(ctx, 1)),
                ppl_scalar(ctx, 0));
}

START_TEST(jobs)
{
    compare_runs(_i, deep_model, gru_guide, notes(_i), 1);
}
END_TEST

/* ---- Contexts ---------------------------------------------------------------------- */

static void *work_alone(void *arg)
{
    const int i = *(int *)arg;
    ppl_ctx *own = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = i == 0 ? PPL_F32 : PPL_F64,
                                                .threads = 2 });

    for (int round = 0; own != NULL && round < 20; round++)
        free(product_of(own, i, PREPARED - 1, 20, 200, 100));
    ppl_ctx_free(own);
    return NULL;
}

/* Contexts of different threads do not know of each other. */
START_TEST(contexts_at_once)
{
    pthread_t other[3];

    for (int k = 0; k < COUNT_OF(other); k++)
        ck_assert_int_eq(pthread_create(&other[k], NULL, work_alone, &_i), 0);
    work_alone(&_i);
    for (int k = 0; k < COUNT_OF(other); k++)
        pthread_join(other[k], NULL);
}
END_TEST

START_TEST(numbers_of_threads)
{
    ppl_ctx *alone = ppl_ctx_new(&(ppl_ctx_opts){ .threads = 0 });

    ck_assert_int_eq(ppl_ctx_threads(alone), 1);
    ppl_ctx_free(alone);
    ck_assert_ptr_null(ppl_ctx_new(&(ppl_ctx_opts){ .threads = -1 }));
    ck_assert_ptr_null(ppl_ctx_new(&(ppl_ctx_opts){ .threads = PPL_MOST_THREADS + 1 }));
}
END_TEST

START_TEST(memory_runs_out)
{
    int refused = 0;

    for (int at = 1; refused >= 0; at++) {
        memory = (counting){ .refuse_at = at };
        ppl_ctx *made = ppl_ctx_new(&(ppl_ctx_opts){ .threads = 2,
                                                     .allocator = counted_realloc,
                                                     .allocator_user = &memory });
        refused = made == NULL ? refused + 1 : -1;
        ppl_ctx_free(made);
        ck_assert_uint_eq(memory.held, 0);
        ck_assert_int_lt(refused, 10);
    }
}
END_TEST

#ifndef SANITIZED
/* From memory that is there already, never given back. */
static void *ready_made(void *user, void *old, size_t old_size, size_t new_size)
{
    static _Alignas(64) char room[1 << 23];
    size_t *used = user, at = *used;

    if (new_size == 0 || new_size > sizeof room - at)
        return NULL;
    *used += (new_size + 63) / 64 * 64;
    return old == NULL ? room + at
                       : memcpy(room + at, old, old_size < new_size ? old_size : new_size);
}
#endif

/* With no room for a stack there is no thread: one error, then a context of one thread. */
START_TEST(a_thread_does_not_start)
{
#ifndef SANITIZED
    struct rlimit before, none;
    size_t used = 0;
    ppl_ctx *few;

    getrlimit(RLIMIT_AS, &before);
    none = (struct rlimit){ 1 << 20, before.rlim_max };
    setrlimit(RLIMIT_AS, &none);
    few = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = _i == 0 ? PPL_F32 : PPL_F64, .threads = 3,
                                       .allocator = ready_made, .allocator_user = &used });
    setrlimit(RLIMIT_AS, &before);
    ck_assert_ptr_nonnull(few);
    ck_assert_int_eq(ppl_ctx_threads(few), 1);
    assert_error_is(few, PPL_EUNSUPPORTED,
                    "ctx_new: thread 2 of 3 does not start: Resource temporarily "
                    "unavailable; ask for fewer (opts.threads)");
    ck_assert_int_eq(ppl_boundary_enter(few), PPL_EUNSUPPORTED);
    ck_assert_int_eq(ppl_boundary_enter(few), PPL_OK);
    free(product_of(few, _i, 0, 20, 200, 100));
    ck_assert_int_eq(ppl_boundary_leave(few), PPL_OK);
    ppl_ctx_free(few);
#endif
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { loops, loops_within_loops, products, deep_markov_model,
                                   gated, jobs, contexts_at_once, numbers_of_threads,
                                   memory_runs_out, a_thread_does_not_start, NULL };

    return run_tests("threads", tests);
}
