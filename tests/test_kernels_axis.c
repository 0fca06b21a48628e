/* SPDX-License-Identifier: MIT */
/*
 * test_kernels_axis.c - the loops over the middle axis of an array, of every instruction set,
 * against one slice at a time.
 */
#include "kernel_tests.h"

/* ---- Over the middle axis ---------------------------------------------------------- */

typedef struct cube {
    size_t outer, n, inner;
} cube;

static const cube cubes[] = {
    { 1, 1, 1 }, { 3, 2, 1 }, { 5, 5, 1 }, { 2, 16, 1 }, { 3, 17, 1 }, { 2, 33, 1 },
    { 4, 70, 1 }, { 1, 600, 1 }, { 1, 1, 7 }, { 2, 3, 2 }, { 3, 5, 8 }, { 2, 4, 17 },
    { 1, 20, 40 }, { 2, 7, 33 }, { 3, 40, 5 }, { 0, 3, 4 }, { 2, 0, 3 }, { 2, 0, 1 },
};

/* One slice: its elements, and the adjoints of them and of what they are reduced to. */
typedef struct slice {
    size_t n;
    double x[600], g[600], top;
} slice;

typedef void slow(const slice *s, double *out);

static double slice_max(const slice *s)
{
    double max = -INFINITY;
    for (size_t k = 0; k < s->n && !isnan(max); k++)
        max = s->x[k] > max || isnan(s->x[k]) ? s->x[k] : max;
    return max;
}

static double slice_logsumexp(const slice *s)
{
    double max = slice_max(s), sum = 0;
    if (isinf(max) || isnan(max))
        return max;
    for (size_t k = 0; k < s->n; k++)
        sum += exp(s->x[k] - max);
    return max + log(sum);
}

static void slow_sum(const slice *s, double *out)
{
    *out = 0;
    for (size_t k = 0; k < s->n; k++)
        *out += s->x[k];
}

static void slow_max(const slice *s, double *out) { *out = slice_max(s); }
static void slow_logsumexp(const slice *s, double *out) { *out = slice_logsumexp(s); }

static void slow_log_softmax(const slice *s, double *out)
{
    double total = slice_logsumexp(s);
    for (size_t k = 0; k < s->n; k++)
        out[k] = isinf(total) ? NAN : s->x[k] - total;
}

static void slow_softmax(const slice *s, double *out)
{
    slow_log_softmax(s, out);
    for (size_t k = 0; k < s->n; k++)
        out[k] = exp(out[k]);
}

static void slow_sum_vjp(const slice *s, double *out)
{
    for (size_t k = 0; k < s->n; k++)
        out[k] = 1.5 * s->top;
}

static void slow_max_vjp(const slice *s, double *out)
{
    double max = slice_max(s);
    int found = 0;
    for (size_t k = 0; k < s->n; k++) {
        int here = !found && (s->x[k] == max || isnan(s->x[k]));
        out[k] = here ? s->top : 0;
        found |= here;
    }
}

static void slow_logsumexp_vjp(const slice *s, double *out)
{
    double total = slice_logsumexp(s);
    for (size_t k = 0; k < s->n; k++)
        out[k] = s->top == 0 || s->x[k] == -INFINITY ? 0 : s->top * exp(s->x[k] - total);
}

static void slow_softmax_vjp(const slice *s, double *out)
{
    double y[600], mean = 0;
    slow_softmax(s, y);
    for (size_t k = 0; k < s->n; k++)
        mean += s->g[k] == 0 ? 0 : s->g[k] * y[k];
    for (size_t k = 0; k < s->n; k++)
        out[k] = s->g[k] - mean == 0 ? 0 : y[k] * (s->g[k] - mean);
}

static void slow_log_softmax_vjp(const slice *s, double *out)
{
    double y[600], total = 0;
    slow_softmax(s, y);
    for (size_t k = 0; k < s->n; k++)
        total += s->g[k];
    for (size_t k = 0; k < s->n; k++)
        out[k] = s->g[k] - (total == 0 ? 0 : total * y[k]);
}

/* Holds `got` against the twin: an element a slice if it reduces, else one an element. It
 * was 0 before the call. */
static void check_axis(int i, const char *what, cube d, int reduces, slow *twin,
                       const array *x, const array *g, const array *top, const array *got)
{
    for (size_t o = 0; o < d.outer; o++)
        for (size_t j = 0; j < d.inner; j++) {
            slice s = { .n = d.n, .top = get(top, o * d.inner + j) };
            double want[600];
            for (size_t k = 0; k < d.n; k++) {
                s.x[k] = get(x, (o * d.n + k) * d.inner + j);
                s.g[k] = get(g, (o * d.n + k) * d.inner + j);
            }
            twin(&s, want);
            for (size_t k = 0; k < (reduces ? 1 : d.n); k++) {
                size_t at = reduces ? o * d.inner + j : (o * d.n + k) * d.inner + j;
                check_near(i, what, at, get(got, at), want[k],
                           isfinite(want[k]) ? 16 + fabs(want[k]) : 0);
            }
        }
    size_t end = d.outer * d.inner * (reduces ? 1 : d.n);
    ck_assert_msg(get(got, end) == 0, "%s: written beyond its end", what);
}

/* Slices among random ones have -inf or a tie in them; with `infinite` others are all
 * -inf, or have +inf or NaN. */
static array *slices(int i, cube d, int infinite)
{
    const double odd[] = { -INFINITY, INFINITY, NAN, 9 };
    array *x = scattered(i, 13, -4, 4);
    for (size_t o = 0; o < d.outer; o++)
        for (size_t j = 0; j < d.inner && d.n > 0; j++) {
            size_t kind = (o * d.inner + j) % 8, first = o * d.n * d.inner + j;
            for (size_t k = 0; k < d.n && kind == 1 && infinite; k++)
                set(x, first + k * d.inner, -INFINITY);
            if (kind == 4 || kind == 7 || (kind > 4 && infinite))
                set(x, first + d.n / 2 * d.inner, odd[kind - 4]);
            if (kind == 7)
                set(x, first + (d.n - 1) * d.inner, 9);
        }
    return x;
}

START_TEST(axis_values)
{
    for (int which = 0; which < COUNT_OF(cubes); which++) {
        cube d = cubes[which];
        array *x = slices(_i, d, 1), *zero = make(_i, 0);
#define CHECK_AXIS(name, reduces)                                                        \
    do {                                                                                 \
        EACH_TABLE(k) {                                                                  \
            array *y = make(_i, 0);                                                      \
            k->name##_axis(d.outer, d.n, d.inner, from(x, 0), from(y, 0));               \
            check_axis(_i, #name, d, reduces, slow_##name, x, zero, zero, y);            \
            release(y);                                                                     \
        }                                                                                \
    } while (0)
        CHECK_AXIS(sum, 1);
        CHECK_AXIS(max, 1);
        CHECK_AXIS(logsumexp, 1);
        CHECK_AXIS(softmax, 0);
        CHECK_AXIS(log_softmax, 0);
    }
}
END_TEST

START_TEST(axis_adjoints)
{
    for (int which = 0; which < COUNT_OF(cubes); which++) {
        cube d = cubes[which];
        array *x = slices(_i, d, 0), *g = adjoints(_i), *top = adjoints(_i);
#define CHECK_AXIS_VJP(name, slow, ...)                                                  \
    do {                                                                                 \
        EACH_TABLE(k) {                                                                  \
            array *y = make(_i, 0), *gx = make(_i, 0);                                   \
            k->name##_axis(d.outer, d.n, d.inner, from(x, 0), from(y, 0));               \
            k->name##_axis_vjp(d.outer, d.n, d.inner, __VA_ARGS__, from(gx, 0));         \
            check_axis(_i, #name "_vjp", d, 0, slow, x, g, top, gx);                     \
            k->name##_axis_vjp(d.outer, d.n, d.inner, __VA_ARGS__, from(gx, 0));         \
            for (size_t n = 0; n < d.outer * d.n * d.inner; n++)                         \
                set(gx, n, get(gx, n) / 2);                                              \
            check_axis(_i, #name "_vjp twice", d, 0, slow, x, g, top, gx);               \
            release(gx);                                                                    \
            release(y);                                                                     \
        }                                                                                \
    } while (0)
        CHECK_AXIS_VJP(sum, slow_sum_vjp, 1.5, from(top, 0));
        CHECK_AXIS_VJP(max, slow_max_vjp, from(x, 0), from(y, 0), from(top, 0));
        CHECK_AXIS_VJP(logsumexp, slow_logsumexp_vjp, from(x, 0), from(y, 0),
                       from(top, 0));
        CHECK_AXIS_VJP(softmax, slow_softmax_vjp, from(y, 0), from(g, 0));
        CHECK_AXIS_VJP(log_softmax, slow_log_softmax_vjp, from(y, 0), from(g, 0));
        x = slices(_i, d, 1);
        CHECK_AXIS_VJP(max, slow_max_vjp, from(x, 0), from(y, 0), from(top, 0));
    }
}
END_TEST

RUN_KERNELS("kernels_axis", axis_values, axis_adjoints)
