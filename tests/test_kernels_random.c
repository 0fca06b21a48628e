/* SPDX-License-Identifier: MIT */
/*
 * test_kernels_random.c - random numbers: what their words say, whatever the vectors are.
 */
#include "kernel_tests.h"

/* ---- Random numbers ---------------------------------------------------------------- */

static const ppl_rng random_key = { { 0xdeadbeef, 77 } };
static const uint32_t random_stream = 3;

/* What a block's words make, from the definitions and the C library in long double. */
static void reference_draws(uint64_t block, uint32_t attempt, real uniform[2],
                            real normal[2])
{
    uint32_t w[4];
    ppl_rng_block(&random_key, random_stream, block, attempt, w);
    for (int i = 0; i < 2; i++) {
        uint64_t bits = (uint64_t)w[2 * i] << 32 | w[2 * i + 1];
        uniform[i] = (real)(2 * (bits >> 12) + 1) * 0x1p-53L;
    }
    const real radius = sqrtl(-2 * logl(uniform[0])), angle = 2 * acosl(-1) * uniform[1];
    normal[0] = radius * cosl(angle);
    normal[1] = radius * sinl(angle);
}

/* Uniforms are exact, normals right to the last bits. */
START_TEST(random_numbers_are_what_the_words_say)
{
    const ppl__draws at = { { random_key.key[0], random_key.key[1] }, random_stream, 2,
                            (1ull << 32) - 50 };
    double u[MOST], z[MOST];
    EACH_TABLE(k) {
        k->uniforms(&at, MOST, 1, u);
        k->normals(&at, MOST, 1, z);
        for (size_t i = 0; i < MOST; i++) {
            real uniform[2], normal[2];
            reference_draws(at.element + i / 2, at.attempt, uniform, normal);
            ck_assert_msg((real)u[i] == uniform[i % 2], "%s uniform %zu", k->isa, i);
            ck_assert_msg(fabsl((real)z[i] - normal[i % 2]) <=
                              1e-15L * (1 + fabsl(normal[i % 2])),
                          "%s normal %zu is %.17g, not %.17Lg", k->isa, i, z[i],
                          normal[i % 2]);
        }
    }
}
END_TEST

static void assert_same_draws(const char *isa, const char *what, size_t n, const double *x,
                              const double *expected)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(memcmp(&x[i], &expected[i], sizeof *x) == 0,
                      "%s %s: element %zu of %zu is %.17g, not %.17g", isa, what, i, n, x[i],
                      expected[i]);
}

/* To the last bit the same on every instruction set, whatever n is, and one by one. */
START_TEST(random_numbers_do_not_depend_on_the_vectors)
{
    double u[MOST], z[MOST], x[MOST], pair[2];
    EACH_TABLE(k)
        for (size_t n = 0; n <= MOST; n = n < 40 ? n + 1 : n + 977) {
            const ppl__draws at = { { random_key.key[0], random_key.key[1] },
                                    random_stream, 1, 7 };
            for (int both = 0; both < 2; both++) {
                for (size_t i = 0; i < n; i++) {
                    const uint64_t block = both ? 7 + i / 2 : 7 + i;
                    ppl_rng_uniform_pair(&random_key, random_stream, block, 1, pair);
                    u[i] = pair[both && i % 2];
                    ppl_rng_normal_pair(&random_key, random_stream, block, 1, pair);
                    z[i] = pair[both && i % 2];
                }
                x[n % MOST] = -77;
                k->uniforms(&at, n, both, x);
                assert_same_draws(k->isa, "uniforms", n, x, u);
                k->normals(&at, n, both, x);
                assert_same_draws(k->isa, "normals", n, x, z);
                ck_assert(n == MOST || x[n] == -77);
            }
        }
}
END_TEST

/* The same of Gammas, of shapes from 1e-3 to 1e300 and of none. */
START_TEST(gammas_do_not_depend_on_the_vectors)
{
    const double shapes[] = { 2.5, 1, 0.5, 1e-3, 1e3, 1e300, NAN, -1, INFINITY, 0 };
    const ppl__draws at = { { random_key.key[0], random_key.key[1] }, random_stream, 0, 7 };
    double a[MOST], x[MOST], log_x[MOST], y[MOST], log_y[MOST];
    EACH_TABLE(k)
        for (int which = -1; which < COUNT_OF(shapes); which++)
            for (size_t n = 0; n <= MOST; n = n < 20 ? n + 1 : n + 997) {
                for (size_t i = 0; i < n; i++) {
                    a[i] = shapes[which < 0 ? i % COUNT_OF(shapes) : (size_t)which];
                    y[i] = ppl_rng_gamma(&random_key, random_stream, 7 + i, a[i], &log_y[i]);
                    if (!(a[i] > 0 && a[i] < INFINITY))
                        ck_assert(isnan(y[i]) && isnan(log_y[i]));
                }
                k->gammas(&at, n, n > 0 ? a : shapes, which >= 0, x, log_x);
                for (size_t i = 0; i < n; i++)
                    if (isnan(y[i]) && isnan(x[i]) && isnan(log_x[i]))
                        y[i] = x[i], log_y[i] = log_x[i];
                assert_same_draws(k->isa, "gammas", n, x, y);
                assert_same_draws(k->isa, "logarithms of gammas", n, log_x, log_y);
                k->gammas(&at, n, n > 0 ? a : shapes, 0, x, NULL);
                for (size_t i = 0; i < n; i++)
                    y[i] = isnan(x[i]) ? x[i] : y[i];
                assert_same_draws(k->isa, "gammas alone", n, x, y);
            }
}
END_TEST

RUN_KERNELS("kernels_random", random_numbers_are_what_the_words_say,
            random_numbers_do_not_depend_on_the_vectors, gammas_do_not_depend_on_the_vectors)
