/* SPDX-License-Identifier: MIT */
/*
 * kernel_tests.h - what the tests of the loops behind the operations (test_kernels*.c) share:
 * arrays of either dtype with room that no loop may touch, numbers to fill them with, errors
 * in units of the last place, and every table that this processor runs.
 */
#ifndef KILN_KERNEL_TESTS_H
#define KILN_KERNEL_TESTS_H

#include "tensors.h"

#include "runtime/impl.h"

#include <float.h>

typedef long double real;

static inline ppl_dtype dtype_of(int i)
{
    return i == 0 ? PPL_F32 : PPL_F64;
}

/* ---- Arrays of either dtype -------------------------------------------------------- */

typedef union element {
    float f32;
    double f64;
} element;

/* Room for `MOST` elements and some beyond, which no loop may touch. */
enum { MOST = 4096, BEYOND = 80 };
typedef struct array {
    struct array *next;             /* of those that the test has made */
    int i;
    union {
        float f32[MOST + BEYOND];
        double f64[MOST + BEYOND];
    };
} array;

static inline double get(const array *a, size_t at)
{
    return a->i == 0 ? (double)a->f32[at] : a->f64[at];
}

static inline void set(array *a, size_t at, double value)
{
    if (a->i == 0)
        a->f32[at] = (float)value;
    else
        a->f64[at] = value;
}

static inline void *from(array *a, size_t at)
{
    return a->i == 0 ? (void *)&a->f32[at] : (void *)&a->f64[at];
}

static array *made;

/* An array that lives until release() or the end of the process: Check forks one per test. */
static inline array *make(int i, double fill)
{
    array *a = malloc(sizeof *a);
    ck_assert_ptr_nonnull(a);
    a->next = made;
    made = a;
    a->i = i;
    for (size_t k = 0; k < MOST + BEYOND; k++)
        set(a, k, fill);
    return a;
}

static inline void release(array *a)
{
    array **at = &made;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    free(a);
}

static inline void release_all(void)
{
    while (made)
        release(made);
}

static inline size_t bytes(const array *a)
{
    return (MOST + BEYOND) * (a->i == 0 ? sizeof(float) : sizeof(double));
}

static inline array *copy(array *a)
{
    array *b = make(a->i, 0);
    memcpy(from(b, 0), from(a, 0), bytes(a));
    return b;
}

static inline int same_bits(const array *a, size_t x, const array *b, size_t y)
{
    return a->i == 0 ? memcmp(&a->f32[x], &b->f32[y], sizeof(float)) == 0
                     : memcmp(&a->f64[x], &b->f64[y], sizeof(double)) == 0;
}

/* Uniform on [low, high), from a generator of its own. */
static inline double uniform(uint64_t *state, double low, double high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}

static inline array *scattered(int i, uint64_t seed, double low, double high)
{
    array *a = make(i, 0);
    for (size_t k = 0; k < MOST + BEYOND; k++)
        set(a, k, uniform(&seed, low, high));
    return a;
}

static const double specials[] = {
    0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1e-30, -1e-30, 1e-40, -1e-40, 5e-324, 1e30,
    -1e30, 88, -88, 104, -104, 700, -745, INFINITY, -INFINITY, NAN
};

/* Specials, then magnitudes from 1e-6 to 1e6 of both signs, then numbers around 1. */
static inline array *assorted(int i, uint64_t seed)
{
    array *a = make(i, 0);
    for (size_t k = 0; k < MOST + BEYOND; k++) {
        double sign = uniform(&seed, 0, 1) < 0.5 ? -1 : 1;
        if (k < (size_t)COUNT_OF(specials))
            set(a, k, specials[k]);
        else if (k % 2 == 0)
            set(a, k, sign * exp(uniform(&seed, -14, 14)));
        else
            set(a, k, sign * uniform(&seed, 0, 12));
    }
    return a;
}

/* |x - want| in units of the last place of `want` rounded to the dtype. */
static inline double ulps(int i, double x, real want)
{
    double w = i == 0 ? (double)(float)want : (double)want, size = fabs(w);
    if (x == w || (isnan(x) && isnan(w)))
        return 0;
    if (!isfinite(x) || !isfinite(w))
        return INFINITY;
    double next = i == 0 ? (double)nextafterf((float)size, INFINITY)
                         : nextafter(size, INFINITY);
    if (!isfinite(next))
        next = size + size * (i == 0 ? FLT_EPSILON : DBL_EPSILON) / 2;
    return (double)(fabsl((real)x - want) / (real)(next - size));
}

static inline double epsilon(int i)
{
    return i == 0 ? (double)FLT_EPSILON : DBL_EPSILON;
}

/* ---- What every room asks ---------------------------------------------------------- */

/* The body for every table, `k`, of dtype _i. */
#define EACH_TABLE(k)                                                                    \
    const ppl__kernels *k;                                                               \
    for (int isa = 0; (k = ppl__kernels_at(dtype_of(_i), isa)) != NULL; isa++)

/* Adjoints of which every fifth is 0. */
static inline array *adjoints(int i)
{
    array *g = scattered(i, 3, -2, 2);
    for (size_t n = 0; n < MOST; n += 5)
        set(g, n, n % 2 == 0 ? 0.0 : -0.0);
    return g;
}

/* got[n] is near want, a few roundings of numbers as large as `size` away. */
static inline void check_near(int i, const char *what, size_t n, double got, double want,
                              double size)
{
    ck_assert_msg(got == want || (isnan(got) && isnan(want)) ||
                      fabs(got - want) <= 4 * epsilon(i) * size,
                  "%s at %zu is %.17g, not %.17g", what, n, got, want);
}

/* Twins of the activations, and their slopes. */
static inline real twin_relu(real x) { return x <= 0 ? 0 : x; }
static inline real twin_sigmoid(real x)
{
    return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}
static inline real twin_softplus(real x) { return twin_relu(x) + log1pl(expl(-fabsl(x))); }
static inline real slope_tanh(real x) { return 1 / (coshl(x) * coshl(x)); }
static inline real slope_sigmoid(real x) { return twin_sigmoid(x) * twin_sigmoid(-x); }
static inline real slope_relu(real x) { return x <= 0 ? 0 : 1; }

#define RUN_KERNELS(name, ...)                                                           \
    int main(void)                                                                       \
    {                                                                                    \
        atexit(release_all);                                                             \
        return run_tests(name, (const TTest *const[]){ __VA_ARGS__, NULL });             \
    }

#endif
