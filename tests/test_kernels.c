/* SPDX-License-Identifier: MIT */
/*
 * test_kernels.c - every loop of every instruction set that this processor runs against a
 * slow twin: plain loops in long double on the C library. Errors of elementwise functions
 * are in ULP of the dtype. Then matrix products, and the public functions against golden
 * numbers.
 */
#include "tensors.h"

#include "golden_json.h"
#include "runtime/impl.h"

#include <float.h>

typedef long double real;

static ppl_dtype dtype_of(int i)
{
    return i == 0 ? PPL_F32 : PPL_F64;
}

/* ---- Arrays of either dtype -------------------------------------------------------------- */

typedef union element {
    float f32;
    double f64;
} element;

/* Room for `MOST` elements and some beyond, which no loop may touch. */
enum { MOST = 4096, BEYOND = 80 };
typedef struct array {
    int i;
    union {
        float f32[MOST + BEYOND];
        double f64[MOST + BEYOND];
    };
} array;

static double get(const array *a, size_t at)
{
    return a->i == 0 ? (double)a->f32[at] : a->f64[at];
}

static void set(array *a, size_t at, double value)
{
    if (a->i == 0)
        a->f32[at] = (float)value;
    else
        a->f64[at] = value;
}

static void *from(array *a, size_t at)
{
    return a->i == 0 ? (void *)&a->f32[at] : (void *)&a->f64[at];
}

/* Arrays are kept until the process ends: Check forks one per test. */
static array *make(int i, double fill)
{
    array *a = malloc(sizeof *a);
    ck_assert_ptr_nonnull(a);
    a->i = i;
    for (size_t k = 0; k < MOST + BEYOND; k++)
        set(a, k, fill);
    return a;
}

static array *copy(const array *a)
{
    array *b = make(a->i, 0);
    memcpy(b, a, sizeof *b);
    return b;
}

static int same_bits(const array *a, size_t x, const array *b, size_t y)
{
    return a->i == 0 ? memcmp(&a->f32[x], &b->f32[y], sizeof(float)) == 0
                     : memcmp(&a->f64[x], &b->f64[y], sizeof(double)) == 0;
}

/* Uniform on [low, high), from a generator of its own. */
static double uniform(uint64_t *state, double low, double high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*state >> 11) * 0x1p-53;
}

static array *scattered(int i, uint64_t seed, double low, double high)
{
    array *a = make(i, 0);
    for (size_t k = 0; k < MOST + BEYOND; k++)
        set(a, k, uniform(&seed, low, high));
    return a;
}

static const double specials[] = { 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1e-30, -1e-30,
                                   1e-40, -1e-40, 5e-324, 1e30, -1e30, 88, -88, 104, -104,
                                   700, -745, INFINITY, -INFINITY, NAN };

/* Specials, then magnitudes from 1e-6 to 1e6 of both signs, then numbers around 1. */
static array *assorted(int i, uint64_t seed)
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
static double ulps(int i, double x, real want)
{
    double w = i == 0 ? (double)(float)want : (double)want, size = fabs(w);
    if (x == w || (isnan(x) && isnan(w)))
        return 0;
    if (!isfinite(x) || !isfinite(w))
        return INFINITY;
    double next = i == 0 ? (double)nextafterf((float)size, INFINITY) : nextafter(size, INFINITY);
    if (!isfinite(next))
        next = size + size * (i == 0 ? FLT_EPSILON : DBL_EPSILON) / 2;
    return (double)(fabsl((real)x - want) / (real)(next - size));
}

/* ---- Slow twins of the elementwise functions ------------------------------------------------- */

static real digamma(real x)
{
    if (x <= 0 && (x == floorl(x) || isnan(x)))
        return NAN;
    if (x < 0)
        return digamma(1 - x) - acosl(-1) / tanl(acosl(-1) * (x - roundl(x)));
    real sum = 0;
    for (; x < 40; x++)
        sum -= 1 / x;
    real s = 1 / (x * x);
    real tail = s * (1 / 12.0L - s * (1 / 120.0L - s * (1 / 252.0L - s * (1 / 240.0L
                - s * (1 / 132.0L - s * (691 / 32760.0L))))));
    return sum + logl(x) - 0.5L / x - (isinf(x) ? 0 : tail);
}

static real trigamma(real x)
{
    if (isinf(x))
        return x > 0 ? 0 : NAN;
    if (x < 0) {
        real sine = sinl(acosl(-1) * (x - roundl(x)));
        return acosl(-1) * acosl(-1) / (sine * sine) - trigamma(1 - x);
    }
    real sum = 0;
    for (; x < 40; x++)
        sum += 1 / (x * x);
    real s = 1 / (x * x);
    real tail = s * (1 / 6.0L - s * (1 / 30.0L - s * (1 / 42.0L - s * (1 / 30.0L
                - s * (5 / 66.0L)))));
    return sum + (1 + 0.5L / x + tail) / x;
}

static real twin_neg(real x) { return -x; }
static real twin_relu(real x) { return x <= 0 ? 0 : x; }
static real twin_sigmoid(real x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
static real twin_softplus(real x) { return twin_relu(x) + log1pl(expl(-fabsl(x))); }
static real slope_neg(real x) { return (void)x, -1; }
static real slope_log(real x) { return 1 / x; }
static real slope_log1p(real x) { return 1 / (1 + x); }
static real slope_sqrt(real x) { return 0.5L / sqrtl(x); }
static real slope_tanh(real x) { return 1 / (coshl(x) * coshl(x)); }
static real slope_sigmoid(real x) { return twin_sigmoid(x) * twin_sigmoid(-x); }
static real slope_relu(real x) { return x <= 0 ? 0 : 1; }
static real slope_abs(real x) { return x == 0 ? 0 : copysignl(1, x); }

/* Errors allowed: of the value in ULP; of the slope in ULP plus some epsilons, which is
 * what it loses by being made of the rounded value. */
static const struct unary_twin {
    real (*value)(real), (*slope)(real);
    double value_ulps, slope_ulps, slope_eps;
} unary_twin[PPL__UNARY_COUNT] = {
    [PPL__UNARY_neg] = { twin_neg, slope_neg, 0, 0, 0 },
    [PPL__UNARY_exp] = { expl, expl, 1, 1, 0 },
    [PPL__UNARY_log] = { logl, slope_log, 1, 1, 0 },
    [PPL__UNARY_log1p] = { log1pl, slope_log1p, 1, 2, 0 },
    [PPL__UNARY_expm1] = { expm1l, expl, 1, 1, 0 },
    [PPL__UNARY_sqrt] = { sqrtl, slope_sqrt, 0.5001, 2, 0 },
    [PPL__UNARY_tanh] = { tanhl, slope_tanh, 1, 4, 2 },
    [PPL__UNARY_sigmoid] = { twin_sigmoid, slope_sigmoid, 4, 8, 1 },
    [PPL__UNARY_softplus] = { twin_softplus, twin_sigmoid, 4, 4, 0 },
    [PPL__UNARY_relu] = { twin_relu, slope_relu, 0, 0, 0 },
    [PPL__UNARY_abs] = { fabsl, slope_abs, 0, 0, 0 },
    [PPL__UNARY_lgamma] = { lgammal, digamma, 1, 4, 0 },
    [PPL__UNARY_digamma] = { digamma, trigamma, 4, 4, 0 },
};

static real twin_add(real a, real b) { return a + b; }
static real twin_sub(real a, real b) { return a - b; }
static real twin_mul(real a, real b) { return a * b; }
static real twin_div(real a, real b) { return a / b; }
static real one(real a, real b) { return (void)a, (void)b, 1; }
static real minus_one(real a, real b) { return (void)a, (void)b, -1; }
static real first(real a, real b) { return (void)b, a; }
static real second(real a, real b) { return (void)a, b; }
static real div_da(real a, real b) { return (void)a, 1 / b; }
static real div_db(real a, real b) { return -(a / b) / b; }
static real pow_da(real a, real b) { return b == 0 ? 0 : b * powl(a, b - 1); }
static real pow_db(real a, real b)
{
    return a == 0 && b >= 0 ? 0 : powl(a, b) * logl(a);
}

static const struct binary_twin {
    real (*value)(real, real), (*da)(real, real), (*db)(real, real);
    double value_ulps, slope_ulps;
} binary_twin[PPL__BINARY_COUNT] = {
    [PPL__BINARY_add] = { twin_add, one, one, 0.5001, 0 },
    [PPL__BINARY_sub] = { twin_sub, one, minus_one, 0.5001, 0 },
    [PPL__BINARY_mul] = { twin_mul, second, first, 0.5001, 0 },
    [PPL__BINARY_div] = { twin_div, div_da, div_db, 0.5001, 2 },
    [PPL__BINARY_pow] = { powl, pow_da, pow_db, 1, 4 },
};

static const char *const unary_name[] = {
#define UNARY(name, forward, derivative) #name,
#define BINARY(name, forward, da, db)
#include "runtime/elementwise.def"
#undef UNARY
#undef BINARY
};

static const char *const binary_name[] = {
#define UNARY(name, forward, derivative)
#define BINARY(name, forward, da, db) #name,
#include "runtime/elementwise.def"
#undef UNARY
#undef BINARY
};

/* ---- Elementwise functions -------------------------------------------------------------------- */

static double epsilon(int i)
{
    return i == 0 ? (double)FLT_EPSILON : DBL_EPSILON;
}

/* The body for every table, `k`, of dtype _i. */
#define EACH_TABLE(k)                                                                      \
    const ppl__kernels *k;                                                                 \
    for (int isa = 0; (k = ppl__kernels_at(dtype_of(_i), isa)) != NULL; isa++)

START_TEST(unary_values)
{
    array *x = assorted(_i, 1), *y = make(_i, 0);
    EACH_TABLE(k)
        for (int row = 0; row < PPL__UNARY_COUNT; row++) {
            const struct unary_twin *twin = &unary_twin[row];
            ck_assert_msg(twin->value != NULL, "%s has no twin", unary_name[row]);
            k->unary[row](MOST, from(x, 0), from(y, 0));
            for (size_t n = 0; n < MOST; n++) {
                real at = (real)get(x, n), want = twin->value(at), slack = 0;
                /* The reflection subtracts, so that roots lose relative accuracy. */
                if (at < 0 && (row == PPL__UNARY_lgamma || row == PPL__UNARY_digamma))
                    slack = 4 * (real)epsilon(_i) * (1 + fabsl(twin->value(1 - at)));
                ck_assert_msg(ulps(_i, get(y, n), want) <= twin->value_ulps ||
                                  fabsl((real)get(y, n) - want) <= slack,
                              "%s %s(%.17g) = %.17g, not %.17Lg", k->isa, unary_name[row],
                              get(x, n), get(y, n), want);
            }
        }
}
END_TEST

/* What a backward loop made of the adjoint `before`, at g times a slope. */
static void check_slope(int i, const char *what, double before, double after, double g,
                        real slope, double most_ulps, double most_eps)
{
    real want = (real)before + (g == 0 ? 0 : (real)g * slope);
    double size = fabs(before) + fabs(g * (double)slope), eps = epsilon(i);
    int fine = ulps(i, after, want) <= most_ulps + 1 ||
               fabsl((real)after - want) <= (real)(eps * (size * (most_ulps + 1) +
                                                          fabs(g) * most_eps));
    ck_assert_msg(fine, "%s: %.17g + %.17g * %.17Lg gave %.17g", what, before, g, slope,
                  after);
    ck_assert_msg(g != 0 || after == before, "%s: an adjoint of 0 changed %.17g to %.17g",
                  what, before, after);
}

/* Adjoints of which every fifth is 0. */
static array *adjoints(int i)
{
    array *g = scattered(i, 3, -2, 2);
    for (size_t n = 0; n < MOST; n += 5)
        set(g, n, n % 2 == 0 ? 0.0 : -0.0);
    return g;
}

START_TEST(unary_slopes)
{
    array *x = assorted(_i, 1), *y = make(_i, 0), *g = adjoints(_i), *before, *after;
    before = scattered(_i, 4, -1, 1);
    EACH_TABLE(k)
        for (int row = 0; row < PPL__UNARY_COUNT; row++) {
            const struct unary_twin *twin = &unary_twin[row];
            char what[100];
            after = copy(before);
            k->unary[row](MOST, from(x, 0), from(y, 0));
            k->unary_vjp[row](MOST, from(x, 0), from(y, 0), from(g, 0), from(after, 0));
            for (size_t n = 0; n < MOST; n++) {
                double at = get(x, n), slack = 0;
                real slope = twin->slope((real)at);
                if (at < 0 && row == PPL__UNARY_lgamma)
                    slack = 4 + 4 * fabs((double)digamma(1 - (real)at));
                snprintf(what, sizeof what, "%s %s'(%.17g)", k->isa, unary_name[row], at);
                check_slope(_i, what, get(before, n), get(after, n), get(g, n), slope,
                            twin->slope_ulps, twin->slope_eps + slack);
            }
            free(after);
        }
}
END_TEST

/* Every special number with some of them, then pairs of assorted ones. */
static void make_pairs(int i, array **a, array **b)
{
    const double others[] = { 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 30, -31, INFINITY,
                              -INFINITY, NAN };
    size_t count = (size_t)COUNT_OF(others), pairs = count * (size_t)COUNT_OF(specials);
    *a = assorted(i, 5);
    *b = scattered(i, 6, -6, 6);
    for (size_t n = 0; n < pairs; n++) {
        set(*a, n, specials[n / count]);
        set(*b, n, others[n % count]);
    }
    for (size_t n = pairs; n < MOST; n += 3)
        set(*b, n, round(get(*b, n)));
}

START_TEST(binary_values_and_slopes)
{
    array *a, *b, *y = make(_i, 0), *g = adjoints(_i), *before = scattered(_i, 4, -1, 1);
    make_pairs(_i, &a, &b);
    EACH_TABLE(k)
        for (int row = 0; row < PPL__BINARY_COUNT; row++) {
            const struct binary_twin *twin = &binary_twin[row];
            array *ga = copy(before), *gb = copy(before);
            ck_assert_msg(twin->value != NULL, "%s has no twin", binary_name[row]);
            k->binary[row](MOST, from(a, 0), from(b, 0), from(y, 0));
            k->binary_vjp_a[row](MOST, from(a, 0), from(b, 0), from(y, 0), from(g, 0),
                                 from(ga, 0));
            k->binary_vjp_b[row](MOST, from(a, 0), from(b, 0), from(y, 0), from(g, 0),
                                 from(gb, 0));
            for (size_t n = 0; n < MOST; n++) {
                real l = (real)get(a, n), r = (real)get(b, n), want = twin->value(l, r);
                double slope_ulps = twin->slope_ulps;
                char what[100];
                snprintf(what, sizeof what, "%s %s(%.17Lg, %.17Lg)", k->isa,
                         binary_name[row], l, r);
                if (row == PPL__BINARY_pow && l != 0)       /* b - 1 was rounded */
                    slope_ulps += fabs((double)(logl(fabsl(l)) * (r - 1)));
                ck_assert_msg(ulps(_i, get(y, n), want) <= twin->value_ulps,
                              "%s = %.17g, not %.17Lg", what, get(y, n), want);
                check_slope(_i, what, get(before, n), get(ga, n), get(g, n),
                            twin->da(l, r), slope_ulps, 0);
                check_slope(_i, what, get(before, n), get(gb, n), get(g, n),
                            twin->db(l, r), twin->slope_ulps, 0);
            }
        }
}
END_TEST

int main(void)
{
    return run_tests("kernels", (const TTest *const[]){ unary_values, unary_slopes, binary_values_and_slopes, NULL });
}
