/* SPDX-License-Identifier: MIT */
/* From the third step of a model with stable shapes on, the library takes no memory: no
 * call of the context's allocator, and none of malloc or its kin, which this program
 * defines itself where it can (glibc, no sanitizer) and counts. What a BLAS allocates
 * within itself is its own affair (OpenBLAS does for small products).
 */
#define _GNU_SOURCE                     /* dladdr */
#include "inference.h"

#include <examples/dmm/dmm.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

/* ---- Counting malloc --------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

static atomic_long mallocs;

#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS_MALLOC 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count(void *caller)
{
    Dl_info where;

    if (dladdr(caller, &where) == 0 || where.dli_fname == NULL ||
        strstr(where.dli_fname, "blas") == NULL)
        mallocs++;
}

PPL_API void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

PPL_API void *calloc(size_t number_of, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(number_of, size);
}

PPL_API void *realloc(void *old, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(old, size);
}

PPL_API void *aligned_alloc(size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_memalign(alignment, size);
}

PPL_API int posix_memalign(void **out, size_t alignment, size_t size)
{
    count(__builtin_return_address(0));
    *out = __libc_memalign(alignment, size);
    return *out != NULL ? 0 : ENOMEM;
}
#else
#define COUNTS_MALLOC 0
#endif

/* ---- Models ------------------------------------------------------------------------ */

static void scalar_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *z = ppl_sample(ctx, "z", ppl_normal(number(0), number(1)));

    ppl_observe(ctx, "x", ppl_normal(z, number(1)), number(*(const double *)arg));
}

static void scalar_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *loc = ppl_param(ctx, "loc", PPL_SCALAR, PPL_ZEROS, PPL_REAL);
    ppl_tensor *scale = ppl_param(ctx, "scale", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);

    (void)arg;
    ppl_sample(ctx, "z", ppl_normal(loc, scale));
}

/* A mixture: a gamma, discrete assignments in a subsampled plate, a masked reading, a C
 * branch on a draw. */
static ppl_handler *half(void)
{
    return ppl_plate(c, "plate", 12, &(ppl_plate_opts){ .subsample_size = 6 });
}

static void mixed_model(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *g = ppl_sample(ctx, "g", ppl_gamma(number(2), number(2))), *k;
    ppl_handler *plate = half();
    ppl_scope s = ppl_push(ctx, plate);

    (void)arg;
    k = ppl_sample(ctx, "k", ppl_bernoulli(number(0.3)));
    ppl_push(ctx, ppl_mask(ctx, ppl_less(ppl_to_float(ppl_plate_indices(plate)),
                                         number(9))));
    ppl_observe(ctx, "x", ppl_normal(ppl_mul(k, g), number(ppl_item(g) > 1 ? 1 : 2)),
                reals(1, 0, 2, 1, 3, 0));
    ppl_pop(ctx, s);
}

static void mixed_guide(ppl_ctx *ctx, const void *arg)
{
    ppl_tensor *a = ppl_param(ctx, "a", PPL_SCALAR, PPL_ONES, PPL_POSITIVE);
    ppl_tensor *p = ppl_param(ctx, "p", PPL_SCALAR, ppl_init_constant(0.5),
                              PPL_UNIT_INTERVAL);
    ppl_scope s;

    (void)arg;
    ppl_sample(ctx, "g", ppl_gamma(a, number(1)));
    s = ppl_push(ctx, half());
    ppl_sample(ctx, "k", ppl_bernoulli(p));
    ppl_pop(ctx, s);
}

/* ---- Steps ------------------------------------------------------------------------- */

static void check_steps(ppl_model model, ppl_model guide, const void *arg, ppl_elbo *elbo,
                        ppl_optim *optim)
{
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, optim);
    double loss;

    ck_assert_msg(svi != NULL, "%s", ppl_error_text(c));
    for (int n = 0; n < 12; n++) {
        const long calls = memory.calls, before = mallocs;
        ppl_status status = ppl_svi_step(svi, arg, &loss);
        const long more = memory.calls - calls, others = mallocs - before;

        OK(status);
        ck_assert_msg(n < 2 || (more == 0 && others == 0), "step %d: %ld calls of the "
                      "allocator, %ld of malloc", n + 1, more, others);
        ck_assert(n > 0 || !COUNTS_MALLOC || others > 0);
    }
    for (int n = 0; n < 2; n++) {
        const long calls = memory.calls, before = mallocs;
        ppl_status status = ppl_svi_evaluate(svi, arg, &loss);

        const long more = memory.calls - calls, others = mallocs - before;

        OK(status);
        ck_assert_int_eq(more, 0);
        ck_assert_int_eq(others, 0);
    }
    ppl_svi_free(svi);
}

START_TEST(scalar)
{
    const double datum = 0.7;

    begin(_i);
    check_steps(scalar_model, scalar_guide, &datum, ppl_trace_elbo(c, NULL),
                ppl_sgd(c, NULL));
    end();
    begin(_i);
    check_steps(scalar_model, scalar_guide, &datum, ppl_trace_mean_field_elbo(c, NULL),
                ppl_adam(c, NULL));
    end();
}
END_TEST

START_TEST(mixed)
{
    begin(_i);
    check_steps(mixed_model, mixed_guide, NULL,
                ppl_trace_elbo(c, &(ppl_elbo_opts){ .particles = 3 }),
                ppl_clipped_adam(c, NULL));
    end();
}
END_TEST

/* Ragged sequences of the Deep Markov Model. */
START_TEST(deep_markov_model)
{
    enum { STEPS = 9, WIDE = 88 };
    static const int active[STEPS] = { 6, 6, 6, 5, 5, 3, 1, 1, 1 };
    static double doubles[34 * WIDE];
    static float floats[34 * WIDE];
    int offset[STEPS], rows = 0;

    for (int t = 0; t < STEPS; t++) {
        offset[t] = rows;
        rows += active[t];
    }
    ck_assert_int_eq(rows, 34);
    for (int i = 0; i < rows * WIDE; i++)
        floats[i] = (float)(doubles[i] = i % 7 == 0);
    for (int analytic = 0; analytic < 2; analytic++) {
        dmm_batch batch = { .dims = { WIDE, 20, 24, 28, 32 }, .steps = STEPS,
                            .active = active, .offset = offset, .rows = rows,
                            .x = _i == 0 ? (void *)floats : (void *)doubles,
                            .kl_weight = 0.4 };

        begin(_i);
        check_steps(dmm_model, dmm_guide, &batch, elbo_of(analytic),
                    ppl_clipped_adam(c, NULL));
        end();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { scalar, mixed, deep_markov_model, NULL };

    return run_tests("steady state", tests);
}
