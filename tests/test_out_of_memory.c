/* SPDX-License-Identifier: MIT */
/* Out of memory at every single allocation, one after another, of all that a program
 * does: making a context, an ELBO, an optimiser, steps of SVI (a subsampled plate, masks,
 * an RNN, discrete draws), a checkpoint saved and loaded, the ledger. Each failure is a
 * NULL or PPL_ENOMEM and changes nothing; the same call then succeeds and gives what it
 * gives in a program that never failed; nothing leaks.
 */
#include "inference.h"

#include <kiln/io.h>
#include <kiln/nn.h>

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Refuses the calls first, .. last, counted from 0. */
typedef struct meter {
    long calls, first, last;
    long refused;
    size_t held;
} meter;

static meter mem;

static void *metered(void *user, void *old, size_t old_size, size_t new_size)
{
    meter *m = user;

    if (new_size == 0) {
        m->held -= old_size;
        free(old);
        return NULL;
    }
    if (m->calls >= m->first && m->calls <= m->last) {
        m->calls++;
        m->refused++;
        return NULL;
    }
    m->calls++;
    m->held += new_size - old_size;
    return realloc(old, new_size);
}

static void refuse_no_more(void)
{
    mem.first = mem.last = -1;
}

/* ---- The program ------------------------------------------------------------------- */

enum { LOSSES = 4, ROWS = 5, WIDE = 3, HIDDEN = 40 };

typedef struct task {
    int analytic, dtype;
    const char *path;
} task;

static ppl_tensor *features(void)
{
    static const int active[] = { 2, 2, 1 };
    static const ppl_ragged ragged = { 3, active };
    double x[ROWS * WIDE];

    for (int i = 0; i < ROWS * WIDE; i++)
        x[i] = sin(i);
    return ppl_nn_rnn(c, "rnn", ppl_from_doubles(c, PPL_SHAPE(ROWS, WIDE), x), &ragged,
                      &(ppl_rnn_opts){ .hidden = HIDDEN, .activation = PPL_TANH,
                                       .reverse = 1 });
}

static void model(ppl_ctx *ctx, const void *arg)
{
    const task *t = arg;
    ppl_tensor *h = features(), *g, *w, *k = number(0);
    ppl_handler *rows = ppl_plate(ctx, "rows", 2 * ROWS,
                                  &(ppl_plate_opts){ .subsample_size = ROWS });
    ppl_scope s;

    g = ppl_sample(ctx, "g", ppl_gamma(number(2), number(1.5)));
    w = ppl_sample(ctx, "w", ppl_event(ppl_normal(ppl_full(ctx, PPL_SHAPE(HIDDEN), 0),
                                                  ppl_sqrt(g)), 1));
    if (!t->analytic)
        k = ppl_sample(ctx, "k", ppl_bernoulli(number(0.3)));
    s = ppl_push(ctx, rows);
    ppl_push(ctx, ppl_mask(ctx, bits(1, 0, 1, 1, 1)));
    ppl_observe(ctx, "x", ppl_normal(ppl_add(ppl_sum(ppl_mul(h, w), 1), k),
                                     ppl_param(ctx, "noise", PPL_SCALAR, PPL_ONES,
                                               PPL_POSITIVE)),
                reals(0.5, NAN, 1, 2, -0.3));
    ppl_observe(ctx, "y", ppl_bernoulli_logits(ppl_reshape(ppl_nn_linear(ctx, "out", h, 1,
                                                                        PPL_IDENTITY),
                                                           PPL_SHAPE(ROWS))),
                reals(0, 1, 1, 0, 1));
    ppl_pop(ctx, s);
}

static void guide(ppl_ctx *ctx, const void *arg)
{
    const task *t = arg;
    ppl_shape shape = PPL_SHAPE(HIDDEN);
    ppl_tensor *loc = ppl_param(ctx, "loc", shape, ppl_init_normal(0, 0.1), PPL_REAL);
    ppl_tensor *scale = ppl_param(ctx, "scale", shape, ppl_init_constant(0.3),
                                  PPL_SOFTPLUS_POSITIVE);
    ppl_tensor *a = ppl_param(ctx, "a", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    ppl_tensor *b = ppl_param(ctx, "b", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);

    ppl_sample(ctx, "g", ppl_gamma(a, b));
    ppl_sample(ctx, "w", ppl_event(ppl_normal(loc, scale), 1));
    if (!t->analytic)
        ppl_sample(ctx, "k", ppl_bernoulli(ppl_param(ctx, "p", PPL_SCALAR,
                                                     ppl_init_constant(0.4),
                                                     PPL_UNIT_INTERVAL)));
}

/* ---- One run of it ----------------------------------------------------------------- */

/* Everything that a failed call may not change. */
typedef struct snapshot {
    int params, rows;
    uint64_t seed, step;
    size_t bytes;
    char *slab;
} snapshot;

static snapshot take(const ppl_elbo *elbo)
{
    const ppl_slab slab = ppl_param_slab(c);
    snapshot s = { .params = ppl_param_count(c), .rows = ppl_ledger_count(elbo) };
    const void *part[] = { slab.value, slab.moment[0], slab.moment[1] };

    ppl_rng_state(c, &s.seed, &s.step);
    s.bytes = (size_t)slab.size * (slab.dtype == PPL_F32 ? 4 : 8);
    s.slab = malloc(3 * s.bytes + 1);
    ck_assert_ptr_nonnull(s.slab);
    for (size_t i = 0; i < 3 && s.bytes > 0; i++)
        memcpy(s.slab + i * s.bytes, part[i], s.bytes);
    return s;
}

static void unchanged(const snapshot *a, const ppl_elbo *elbo)
{
    snapshot b = take(elbo);

    ck_assert_int_eq(a->params, b.params);
    ck_assert_int_eq(a->rows, b.rows);
    ck_assert(a->seed == b.seed && a->step == b.step && a->bytes == b.bytes);
    ck_assert(memcmp(a->slab, b.slab, 3 * a->bytes) == 0);
    free(b.slab);
}

/* Calls until it succeeds: at once, or after one PPL_ENOMEM that changed nothing. */
#define INSIST(elbo, status_of_call)                                                       \
    do {                                                                                   \
        const long refused_before = mem.refused;                                           \
        snapshot s = take(elbo);                                                           \
        ppl_status told = (status_of_call);                                                \
        if (told != PPL_OK) {                                                              \
            ck_assert_msg(told == PPL_ENOMEM && mem.refused > refused_before, "%s: %s",    \
                          ppl_status_name(told), ppl_error_text(c));                       \
            ck_assert_msg(strncmp(ppl_error_text(c), "out of memory: ", 15) == 0, "%s",    \
                          ppl_error_text(c));                                              \
            unchanged(&s, elbo);                                                           \
            refuse_no_more();                                                              \
            told = (status_of_call);                                                       \
        }                                                                                  \
        OK(told);                                                                          \
        free(s.slab);                                                                      \
    } while (0)

static int exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static ppl_svi *new_svi(ppl_elbo **elbo, int analytic)
{
    *elbo = analytic ? ppl_trace_mean_field_elbo(c, NULL)
                     : ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = 2 });
    return ppl_svi_new(c, model, guide, *elbo, ppl_clipped_adam(c, NULL));
}

static ppl_svi *insist_on_svi(ppl_elbo **elbo, int analytic)
{
    ppl_svi *svi = new_svi(elbo, analytic);

    if (svi == NULL) {
        ck_assert_int_eq(ppl_error(c), PPL_ENOMEM);
        ck_assert_int_gt(mem.refused, 0);
        refuse_no_more();
        svi = new_svi(elbo, analytic);
    }
    ck_assert_ptr_nonnull(svi);
    return svi;
}

static void save_and_load(const task *t, const ppl_elbo *elbo)
{
    const long refused = mem.refused;
    ppl_status status = ppl_checkpoint_save(c, t->path, NULL);

    if (status != PPL_OK) {
        ck_assert_int_eq(status, PPL_ENOMEM);
        ck_assert(mem.refused > refused && !exists(t->path));
        refuse_no_more();
        OK(ppl_checkpoint_save(c, t->path, NULL));
    }
    ck_assert(exists(t->path));
    INSIST(elbo, ppl_checkpoint_load(c, t->path, NULL, NULL));
    remove(t->path);
}

/* The losses; 0 if the context could not even be made, -1 if nothing was refused. */
static int run_program(const task *t, long first, long last, double *loss)
{
    const ppl_ctx_opts opts = { .dtype = t->dtype == 0 ? PPL_F32 : PPL_F64, .seed = 5,
                                .allocator = metered, .allocator_user = &mem };
    ppl_elbo *elbo;
    ppl_svi *svi;
    FILE *out;

    mem = (meter){ .first = first, .last = last };
    c = ppl_ctx_new(&opts);
    if (c == NULL) {
        ck_assert_int_gt(mem.refused, 0);
        ck_assert_uint_eq(mem.held, 0);
        return 0;
    }
    svi = insist_on_svi(&elbo, t->analytic);
    for (int n = 0; n < LOSSES - 1; n++)
        INSIST(elbo, ppl_svi_step(svi, t, &loss[n]));
    if (mem.refused == 0)               /* or it would only be slow */
        save_and_load(t, elbo);
    INSIST(elbo, ppl_svi_step(svi, t, &loss[LOSSES - 1]));
    out = tmpfile();
    ck_assert_ptr_nonnull(out);
    INSIST(elbo, ppl_ledger_write(elbo, out));
    fclose(out);
    ppl_svi_free(svi);
    ppl_ctx_free(c);
    ck_assert_msg(mem.held == 0, "%zu bytes are not given back", mem.held);
    return mem.refused > 0 ? 1 : -1;
}

/* `all`: from the k-th allocation on none succeeds until the failure has been told. */
static void check_program(int dtype, int analytic, int all)
{
    char path[] = "/tmp/kiln-out-of-memory-XXXXXX";
    double calm[LOSSES], loss[LOSSES];
    const int file = mkstemp(path);
    task t = { .analytic = analytic, .dtype = dtype, .path = path };
    long k = 0;
    int outcome;

    ck_assert_int_ge(file, 0);
    close(file);
    remove(path);
    ck_assert_int_eq(run_program(&t, -1, -1, calm), -1);
    do {
        outcome = run_program(&t, k, all ? LONG_MAX : k, loss);
        for (int n = 0; n < LOSSES && outcome != 0; n++)
            ck_assert_msg(memcmp(&loss[n], &calm[n], sizeof loss[n]) == 0,
                          "allocation %ld, step %d: %.17g is not %.17g", k, n, loss[n],
                          calm[n]);
        k++;
    } while (outcome >= 0);
    ck_assert_int_gt(k, 20);
}

START_TEST(trace_elbo)
{
    for (int all = 0; all < 2; all++)
        check_program(_i, 0, all);
}
END_TEST

START_TEST(mean_field_elbo)
{
    for (int all = 0; all < 2; all++)
        check_program(_i, 1, all);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { trace_elbo, mean_field_elbo, NULL };

    return run_tests("out of memory", tests);
}
