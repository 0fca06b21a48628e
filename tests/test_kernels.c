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

static array *made;

/* An array that lives until release() or the end of the process: Check forks one per test. */
static array *make(int i, double fill)
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

static void release(array *a)
{
    array **at = &made;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    free(a);
}

static void release_all(void)
{
    while (made)
        release(made);
}

static size_t bytes(const array *a)
{
    return (MOST + BEYOND) * (a->i == 0 ? sizeof(float) : sizeof(double));
}

static array *copy(array *a)
{
    array *b = make(a->i, 0);
    memcpy(from(b, 0), from(a, 0), bytes(a));
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

static const double specials[] = {
    0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1e-30, -1e-30, 1e-40, -1e-40, 5e-324, 1e30,
    -1e30, 88, -88, 104, -104, 700, -745, INFINITY, -INFINITY, NAN
};

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
    double next = i == 0 ? (double)nextafterf((float)size, INFINITY)
                         : nextafter(size, INFINITY);
    if (!isfinite(next))
        next = size + size * (i == 0 ? FLT_EPSILON : DBL_EPSILON) / 2;
    return (double)(fabsl((real)x - want) / (real)(next - size));
}

/* ---- Slow twins of the elementwise functions --------------------------------------- */

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

static real tetragamma(real x)
{
    if (isinf(x))
        return x > 0 ? 0 : NAN;
    if (x <= 0 && x == floorl(x))
        return NAN;
    if (x < 0) {
        real pi = acosl(-1), r = x - roundl(x), sine = sinl(pi * r);
        return tetragamma(1 - x) - 2 * pi * pi * pi * cosl(pi * r) / (sine * sine * sine);
    }
    real sum = 0;
    for (; x < 40; x++)
        sum -= 2 / (x * x * x);
    real s = 1 / (x * x);
    real tail = s * (1 / 2.0L - s * (1 / 6.0L - s * (1 / 6.0L - s * (3 / 10.0L
                - s * (5 / 6.0L)))));
    return sum - s * (1 + 1 / x + tail);
}

static real slope_atan(real x) { return 1 / (1 + x * x); }
static real minus_sin(real x) { return -sinl(x); }
static real slope_erf(real x) { return 2 / sqrtl(acosl(-1)) * expl(-x * x); }
static real slope_erfc(real x) { return -slope_erf(x); }
static real twin_ndtr(real x) { return erfcl(-x * sqrtl(0.5L)) / 2; }
static real slope_ndtr(real x) { return slope_erf(x * sqrtl(0.5L)) / sqrtl(8); }

static real twin_log_ndtr(real x)
{
    real tail = -1 / (x * x);
    if (x < -100)
        return log1pl(tail * (1 + tail * (3 + tail * 15))) - logl(-x) - x * x / 2 -
               logl(2 * acosl(-1)) / 2;
    return x > 0 ? log1pl(-twin_ndtr(-x)) : logl(twin_ndtr(x));
}

static real slope_log_ndtr(real x)
{
    real t = -1 / (x * x);
    return x < -100 ? -x / (1 + t * (1 + t * (3 + t * (15 + t * 105))))
                    : slope_ndtr(x) / twin_ndtr(x);
}

/* By Newton's method on the logarithm of the lower tail, which is concave. */
static real twin_ndtri(real p)
{
    if (!(p > 0 && p < 1))
        return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
    if (p >= 0.5L)
        return p == 0.5L ? 0 : -twin_ndtri(1 - p);
    real x = -sqrtl(-2 * logl(p));
    for (int k = 0; k < 60; k++)
        x -= (twin_log_ndtr(x) - logl(p)) / slope_log_ndtr(x);
    return x;
}
static real slope_ndtri(real p) { return 1 / slope_ndtr(twin_ndtri(p)); }

static real twin_erfinv(real x)
{
    real y = x * sqrtl(acosl(-1)) / 2;
    if (!(fabsl(x) < 0.5L))
        return copysignl(twin_ndtri((1 - fabsl(x)) / 2) * sqrtl(0.5L), x);
    for (int k = 0; k < 60; k++)
        y -= (erfl(y) - x) / slope_erf(y);
    return y;
}
static real slope_erfinv(real x) { return 1 / slope_erf(twin_erfinv(x)); }

/* I_v(x) for v = 0 and 1, x >= 0, times exp(-x): the series, or far off the asymptotic
 * one. */
static real bessel(int v, real x)
{
    real term, sum;
    if (x > 60) {
        term = sum = 1 / sqrtl(2 * acosl(-1) * x);
        for (int k = 1; k < 40 && isfinite(x); k++)
            sum += term *= -(4 * v - (real)((2 * k - 1) * (2 * k - 1))) / (8 * k * x);
        return sum;
    }
    term = sum = expl(-x) * (v == 0 ? 1 : x / 2);
    for (int k = 1; k < 200; k++)
        sum += term *= x * x / 4 / (real)(k * (k + v));
    return sum;
}

static real twin_bessel_ratio(real x)
{
    if (isinf(x))
        return copysignl(1, x);
    return copysignl(bessel(1, fabsl(x)) / bessel(0, fabsl(x)), x);
}

static real slope_bessel_ratio(real x)
{
    real r = twin_bessel_ratio(x), z = fabsl(x), i0 = 1, i1 = 1, sum = 1, d = 0;
    if (z < 60 || isinf(z) || isnan(z))
        return x == 0 ? 0.5L : 1 - r / x - r * r;
    /* 1 - r from the differences of the terms, of which the first is 0. */
    for (int k = 1; k < 40; k++) {
        real odd = (real)((2 * k - 1) * (2 * k - 1));
        i0 *= odd / (8 * k * z);
        i1 *= (odd - 4) / (8 * k * z);
        sum += i0;
        d += i0 - i1;
    }
    d /= sum;
    return 2 * d - d * d - (1 - d) / z;
}

static real twin_log_bessel_i0(real x)
{
    real z = fabsl(x), t = z * z / 4, term = 1, sum = 0;
    if (z > 1)
        return isinf(z) ? z : z + logl(bessel(0, z));
    for (int k = 1; k < 30; k++)
        sum += term *= t / (real)(k * k);
    return log1pl(sum);
}

static real twin_log_bessel_i1(real x)
{
    return x < 0 ? NAN : isinf(x) ? x : x + logl(bessel(1, x));
}

static real slope_log_bessel_i1(real x)
{
    return x < 0 ? NAN : x == 0 ? INFINITY : 1 / twin_bessel_ratio(x) - 1 / x;
}

static real twin_neg(real x) { return -x; }
static real twin_relu(real x) { return x <= 0 ? 0 : x; }
static real twin_sigmoid(real x)
{
    return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}
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
    double double_ulps;             /* of a double's value, where that differs */
} unary_twin[PPL__UNARY_COUNT] = {
    [PPL__UNARY_neg] = { twin_neg, slope_neg, 0, 0, 0 },
    [PPL__UNARY_exp] = { expl, expl, 1, 1, 0 },
    [PPL__UNARY_log] = { logl, slope_log, 1, 1, 0 },
    [PPL__UNARY_log1p] = { log1pl, slope_log1p, 1, 2, 0 },
    [PPL__UNARY_expm1] = { expm1l, expl, 1, 1, 0 },
    [PPL__UNARY_sqrt] = { sqrtl, slope_sqrt, 0.5001, 2, 0 },
    [PPL__UNARY_sin] = { sinl, cosl, 1, 1, 0 },
    [PPL__UNARY_cos] = { cosl, minus_sin, 1, 1, 0 },
    [PPL__UNARY_atan] = { atanl, slope_atan, 1, 4, 0 },
    [PPL__UNARY_tanh] = { tanhl, slope_tanh, 1, 4, 2 },
    [PPL__UNARY_sigmoid] = { twin_sigmoid, slope_sigmoid, 4, 8, 1 },
    [PPL__UNARY_softplus] = { twin_softplus, twin_sigmoid, 4, 4, 0 },
    [PPL__UNARY_relu] = { twin_relu, slope_relu, 0, 0, 0 },
    [PPL__UNARY_abs] = { fabsl, slope_abs, 0, 0, 0 },
    [PPL__UNARY_lgamma] = { lgammal, digamma, 1, 4, 0 },
    [PPL__UNARY_digamma] = { digamma, trigamma, 4, 4, 0 },
    [PPL__UNARY_trigamma] = { trigamma, tetragamma, 4, 6, 0 },
    [PPL__UNARY_erf] = { erfl, slope_erf, 1, 4, 0 },
    [PPL__UNARY_erfc] = { erfcl, slope_erfc, 1.5, 4, 0 },
    [PPL__UNARY_erfinv] = { twin_erfinv, slope_erfinv, 4, 10, 0, 10 },
    [PPL__UNARY_ndtr] = { twin_ndtr, slope_ndtr, 4, 4, 0, 8 },
    [PPL__UNARY_ndtri] = { twin_ndtri, slope_ndtri, 4, 10, 0, 10 },
    [PPL__UNARY_log_ndtr] = { twin_log_ndtr, slope_log_ndtr, 4, 6, 0, 8 },
    [PPL__UNARY_log_bessel_i0] = { twin_log_bessel_i0, twin_bessel_ratio, 4, 4, 0 },
    [PPL__UNARY_log_bessel_i1] = { twin_log_bessel_i1, slope_log_bessel_i1, 4, 8, 0 },
    [PPL__UNARY_bessel_ratio] = { twin_bessel_ratio, slope_bessel_ratio, 4, 8, 0, 8 },
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

/* ---- Elementwise functions --------------------------------------------------------- */

static double epsilon(int i)
{
    return i == 0 ? (double)FLT_EPSILON : DBL_EPSILON;
}

/* The body for every table, `k`, of dtype _i. */
#define EACH_TABLE(k)                                                                    \
    const ppl__kernels *k;                                                               \
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
                if (row == PPL__UNARY_log_bessel_i1)
                    slack = 4 * (real)epsilon(_i);
                if (at < 0 && (row == PPL__UNARY_lgamma || row == PPL__UNARY_digamma))
                    slack = 4 * (real)epsilon(_i) * (1 + fabsl(twin->value(1 - at)));
                double most = _i == 1 && twin->double_ulps > 0 ? twin->double_ulps
                                                               : twin->value_ulps;
                ck_assert_msg(ulps(_i, get(y, n), want) <= most ||
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
            release(after);
        }
}
END_TEST

/* Every special number with some of them, then pairs of assorted ones. */
static void make_pairs(int i, array **a, array **b)
{
    const double others[] = { 0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 30, -31,
                              INFINITY, -INFINITY, NAN };
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
                if (row == PPL__BINARY_pow && l != 0 && isfinite(l) && isfinite(r))
                    /* b - 1 is rounded. */
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

/* ---- The other loops over elements ------------------------------------------------- */

/* got[n] is near want, a few roundings of numbers as large as `size` away. */
static void check_near(int i, const char *what, size_t n, double got, double want,
                       double size)
{
    ck_assert_msg(got == want || (isnan(got) && isnan(want)) ||
                      fabs(got - want) <= 4 * epsilon(i) * size,
                  "%s at %zu is %.17g, not %.17g", what, n, got, want);
}

/* Runs `call` (of which y is the output, 0.25 before) for every table, and holds each
 * element against `want`, an expression in n. */
#define CHECK_LOOP(call, want)                                                           \
    do {                                                                                 \
        EACH_TABLE(k) {                                                                  \
            array *y = make(_i, 0.25);                                                   \
            k->call;                                                                     \
            for (size_t n = 0; n < MOST; n++) {                                          \
                double expected = want;                                                  \
                check_near(_i, #call, n, get(y, n), expected,                            \
                           isfinite(expected) ? 8 + fabs(expected) : 0);                 \
            }                                                                            \
            release(y);                                                                     \
        }                                                                                \
    } while (0)
#define X get(x, n)
#define A get(a, n)
#define B get(b, n)
#define G get(g, n)

START_TEST(simple_loops)
{
    array *a = scattered(_i, 8, -3, 3), *b = scattered(_i, 9, -3, 3), *g = adjoints(_i);
    array *w = scattered(_i, 10, 0, 1), *x = assorted(_i, 7);
    unsigned char mask[MOST];
    for (size_t n = 0; n < MOST; n++)
        mask[n] = (unsigned char)(n * 7 % 3 == 0 ? 0 : n % 2 ? 1 : 255);
    CHECK_LOOP(affine(MOST, 1.5, -0.5, from(a, 0), from(y, 0)), 1.5 * A - 0.5);
    CHECK_LOOP(axpy(MOST, -2, from(x, 0), from(y, 0)), 0.25 - 2 * X);
    CHECK_LOOP(add(MOST, from(x, 0), from(y, 0)), 0.25 + X);
    CHECK_LOOP(fill(MOST, 3.5, from(y, 0)), 3.5);
    CHECK_LOOP(clamp(MOST, -1, 2, from(x, 0), from(y, 0)), X < -1 ? -1 : X > 2 ? 2 : X);
    CHECK_LOOP(clamp_vjp(MOST, -1, 2, from(x, 0), from(g, 0), from(y, 0)),
               0.25 + (X >= -1 && X <= 2 ? G : 0));
    CHECK_LOOP(where(MOST, mask, from(x, 0), from(b, 0), from(y, 0)), mask[n] ? X : B);
    CHECK_LOOP(where_vjp(MOST, mask, 1, from(x, 0), from(y, 0)),
               0.25 + (mask[n] ? X : 0));
    CHECK_LOOP(where_vjp(MOST, mask, 0, from(x, 0), from(y, 0)),
               0.25 + (mask[n] ? 0 : X));
    CHECK_LOOP(lerp(MOST, from(a, 0), from(b, 0), from(w, 0), from(y, 0)),
               A + get(w, n) * (B - A));
    CHECK_LOOP(lerp_vjp(MOST, 0, from(a, 0), from(b, 0), from(x, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * (1 - X)));
    CHECK_LOOP(lerp_vjp(MOST, 1, from(a, 0), from(b, 0), from(x, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * X));
    CHECK_LOOP(lerp_vjp(MOST, 2, from(x, 0), from(b, 0), from(w, 0), from(g, 0),
                        from(y, 0)),
               0.25 + (G == 0 ? 0 : G * (B - X)));
    CHECK_LOOP(sincos(MOST, from(a, 0), from(y, 0), from(w, 0)), sin(A));
    CHECK_LOOP(sincos(MOST, from(a, 0), from(w, 0), from(y, 0)), cos(A));
}
END_TEST

START_TEST(sums_and_finiteness)
{
    array *x = scattered(_i, 11, -1, 3), *bad = scattered(_i, 11, -1, 3);
    EACH_TABLE(k) {
        double want = 0, squares = 0;
        for (size_t n = 0; n < 300; n++) {
            double sum = k->sum(n, from(x, 1));
            ck_assert_msg(fabs(sum - want) <= 1e-13 * (double)(n + 1),
                          "%s sum of %zu is %.17g, not %.17g", k->isa, n, sum, want);
            ck_assert(sum == k->sum(n, from(x, 1)));
            ck_assert(k->all_finite(n, from(x, 1)));
            double least = fmin(fmax(get(x, n), -0.5), 0.5);
            squares += 4 * least * least;
            ck_assert_msg(fabs(k->squares(n + 1, 0.5, 2, from(x, 0)) - squares) <=
                          1e-13 * (double)(n + 1), "%s squares of %zu", k->isa, n + 1);
            want += get(x, n + 1);
        }
        set(bad, 1, INFINITY);
        ck_assert(k->squares(2, INFINITY, 1, from(bad, 0)) == INFINITY);
        ck_assert(k->squares(1, 2, 1, from(bad, 1)) == 4);
        set(bad, 1, NAN);
        ck_assert(isnan(k->squares(2, 2, 1, from(bad, 0))));
        set(bad, 1, -1e30);
        for (size_t n = 0; n < 70; n++) {
            set(bad, n, n % 3 == 0 ? NAN : n % 3 == 1 ? INFINITY : -INFINITY);
            ck_assert(k->all_finite(n, from(bad, 0)));
            ck_assert(!k->all_finite(n + 1, from(bad, 0)));
            set(bad, n, -1e30);
        }
    }
}
END_TEST

/* All elements but one lie inside: whole pieces are found good up to that one. */
START_TEST(elements_within_bounds)
{
    static const struct { int kind; double low, high, inside, outside[3]; } row[] = {
        { PPL__OPEN, 0, INFINITY, 1e-40, { 0, INFINITY, NAN } },
        { PPL__OPEN, -INFINITY, INFINITY, -1e30, { -INFINITY, INFINITY, NAN } },
        { PPL__CLOSED, 0, 1, 1, { -1e-30, 1.5, NAN } },
        { PPL__EITHER, 0, 1, 0, { 0.5, -1, NAN } },
    };
    EACH_TABLE(k)
        for (int r = 0; r < COUNT_OF(row); r++) {
            array *x = make(_i, row[r].inside);
            for (size_t n = 0; n < 300; n += 1 + n / 9) {
                ck_assert(k->within(n, row[r].kind, row[r].low, row[r].high, from(x, 1)) ==
                          n);
                for (size_t at = 0; at < n; at += 1 + n / 11) {
                    set(x, at + 1, row[r].outside[at % 3]);
                    size_t found = k->within(n, row[r].kind, row[r].low, row[r].high,
                                             from(x, 1));
                    ck_assert_msg(found <= at && found + 128 > at, "%s %d: %zu of %zu",
                                  k->isa, r, found, at);
                    set(x, at + 1, row[r].inside);
                }
            }
            release(x);
        }
}
END_TEST

/* An element's result depends neither on where it stands nor on how many there are, the
 * input may be the output, and nothing beyond the last is touched. */
START_TEST(position_and_length_do_not_matter)
{
    array *x = assorted(_i, 12), *all = make(_i, 0);
    EACH_TABLE(k)
        for (int row = 0; row < PPL__UNARY_COUNT; row++) {
            k->unary[row](MOST, from(x, 0), from(all, 0));
            for (size_t n = 0; n <= 70; n++) {
                size_t start = n * 53 % 2000;
                array *y = copy(x);
                k->unary[row](n, from(y, start), from(y, start));
                for (size_t m = 0; m < MOST; m++) {
                    int inside = m >= start && m < start + n;
                    ck_assert_msg(same_bits(y, m, inside ? all : x, m),
                                  "%s %s: element %zu of %zu", k->isa, unary_name[row],
                                  m - start, n);
                }
                release(y);
            }
        }
}
END_TEST

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

/* ---- Layers ------------------------------------------------------------------------ */

START_TEST(bias_and_activation)
{
    real (*const value[])(real) = { [PPL_RELU] = twin_relu, [PPL_TANH] = tanhl,
                                    [PPL_SIGMOID] = twin_sigmoid,
                                    [PPL_SOFTPLUS] = twin_softplus };
    real (*const slope[])(real) = { [PPL_RELU] = slope_relu, [PPL_TANH] = slope_tanh,
                                    [PPL_SIGMOID] = slope_sigmoid,
                                    [PPL_SOFTPLUS] = twin_sigmoid };
    array *x = scattered(_i, 14, -6, 6), *bias = scattered(_i, 15, -1, 1);
    array *g = adjoints(_i), *more = scattered(_i, 16, -1, 1);
    EACH_TABLE(k)
        for (int which = 0; which <= 4 * PPL_SOFTPLUS + 3; which++) {
            int activation = which / 4, biased = which % 2, added = which & 2;
            size_t rows = (size_t)which + 1, columns = 70 - 3 * (size_t)which;
            array *y = copy(x), *d = make(_i, 7);
            k->bias_activation(rows, columns, biased ? from(bias, 0) : NULL,
                               added ? from(more, 0) : NULL, activation, from(y, 0));
            k->activation_vjp(rows * columns, activation, from(y, 0), from(g, 0),
                              added ? from(more, 0) : NULL, from(d, 0));
            for (size_t n = 0; n < rows * columns; n++) {
                double m = added ? get(more, n) : 0;
                double z = get(x, n) + m + (biased ? get(bias, n % columns) : 0);
                double want = activation ? (double)value[activation]((real)z) : z;
                check_near(_i, "bias_activation", n, get(y, n), want, 8);
                want = get(g, n) + m;
                want *= activation ? (double)slope[activation]((real)z) : 1;
                check_near(_i, "activation_vjp", n, get(d, n), want, 8);
            }
            ck_assert(same_bits(y, rows * columns, x, rows * columns));
            ck_assert(get(d, rows * columns) == 7);
        }
}
END_TEST

START_TEST(transposition_and_row_sums)
{
    array *x = scattered(_i, 16, -1, 1);
    EACH_TABLE(k)
        for (size_t rows = 0; rows <= 45; rows += 1 + rows / 10)
            for (size_t columns = 0; columns <= 80; columns += 1 + columns / 7) {
                array *y = make(_i, 0), *z = make(_i, 0), *sum = make(_i, 2);
                size_t ldx = columns + 5 < MOST / 46 ? columns + 5 : columns;
                k->transpose(rows, columns, from(x, 0), from(y, 0));
                k->transpose_from(rows, columns, from(x, 0), ldx, from(z, 0));
                k->add_rows(rows, columns, from(x, 0), columns, from(sum, 0));
                for (size_t c = 0; c < columns; c++) {
                    double want = 2;
                    for (size_t r = 0; r < rows; r++) {
                        want += get(x, r * columns + c);
                        ck_assert(same_bits(y, c * rows + r, x, r * columns + c));
                        ck_assert(same_bits(z, c * rows + r, x, r * ldx + c));
                    }
                    check_near(_i, "add_rows", c, get(sum, c), want, 2 + fabs(want));
                }
                ck_assert(get(y, rows * columns) == 0 && get(z, rows * columns) == 0);
                ck_assert(get(sum, columns) == 2);
                release(y), release(z), release(sum);
            }
}
END_TEST

/* Rows of no numbers do not count where the vector is 0. */
START_TEST(matrices_by_vectors)
{
    array *a = scattered(_i, 17, -1, 1), *x = scattered(_i, 18, -1, 1);
    array *g = scattered(_i, 19, -1, 1);
    EACH_TABLE(k)
        for (size_t rows = 0; rows <= 45; rows += 1 + rows / 10)
            for (size_t columns = 0; columns <= 80; columns += 1 + columns / 7) {
                array *y = make(_i, 7), *sum = make(_i, 2), *hole = copy(a);
                for (size_t r = 0; r < rows; r += 3) {
                    set(g, r, 0);
                    set(hole, r * columns, columns > 0 ? (double)NAN : 1);
                }
                k->times_vector(rows, columns, from(a, 0), from(x, 0), from(y, 0));
                k->add_turned_times_vector(rows, columns, from(hole, 0), from(g, 0),
                                           from(sum, 0));
                for (size_t r = 0; r < rows; r++) {
                    double want = 0;
                    for (size_t c = 0; c < columns; c++)
                        want += get(a, r * columns + c) * get(x, c);
                    check_near(_i, "times_vector", r, get(y, r), want, 8);
                }
                for (size_t c = 0; c < columns; c++) {
                    double want = 2;
                    for (size_t r = 0; r < rows; r++)
                        want += r % 3 ? get(a, r * columns + c) * get(g, r) : 0;
                    check_near(_i, "add_turned_times_vector", c, get(sum, c), want, 8);
                }
                ck_assert(get(y, rows) == 7 && get(sum, columns) == 2);
                release(y), release(sum), release(hole);
            }
}
END_TEST

/* ---- Matrix products --------------------------------------------------------------- */

typedef struct matrix {
    int i, transposed;
    size_t ld;
    void *data;
} matrix;

static double entry(const matrix *a, size_t row, size_t column)
{
    size_t at = a->transposed ? column * a->ld + row : row * a->ld + column;
    return a->i == 0 ? (double)((float *)a->data)[at] : ((double *)a->data)[at];
}

/* [rows, columns], or transposed, with `gap` elements of NaN at the end of each row. */
static matrix matrix_make(int i, int transposed, size_t rows, size_t columns, size_t gap,
                          uint64_t seed)
{
    size_t lines = transposed ? columns : rows, length = transposed ? rows : columns;
    matrix a = { i, transposed, length + gap, NULL };
    a.data = malloc((lines * a.ld + 1) * (i == 0 ? sizeof(float) : sizeof(double)));
    ck_assert_ptr_nonnull(a.data);
    for (size_t n = 0; n < lines * a.ld; n++) {
        double value = n % a.ld < length ? uniform(&seed, -1, 1) : NAN;
        if (i == 0)
            ((float *)a.data)[n] = (float)value;
        else
            ((double *)a.data)[n] = value;
    }
    return a;
}

/* The matrix in panels with room for some more rows, which hold NaN; B turned if it is
 * transposed. */
static void *in_panels(int i, const ppl__gemm *gemm, int side, const matrix *x, size_t rows,
                       size_t columns, size_t room)
{
    size_t size = i == 0 ? sizeof(float) : sizeof(double);
    char *panels = malloc(room * columns * size + 1);
    ck_assert_ptr_nonnull(panels);
    memset(panels, -1, room * columns * size);
    if (x->transposed && side == PPL__PANEL_B) {
        ppl__gemm_turn(gemm, dtype_of(i), columns, rows, x->data, panels);
        return panels;
    }
    ppl__gemm_pack_zeros(gemm, dtype_of(i), side, rows, columns, room, 0, panels);
    for (size_t r = 0, count; r < rows; r += count) {
        count = rows - r < 7 ? rows - r : 7;
        ppl__gemm_pack(gemm, dtype_of(i), side, count, columns,
                       (char *)x->data + r * x->ld * size, x->ld, room, r, panels);
    }
    return panels;
}

/* The product p, of operands in panels. */
static void run_in_panels(int i, ppl__gemm *gemm, ppl__product p, const matrix *a,
                          const matrix *b)
{
    int turned = b->transposed;
    size_t room = turned ? p.k : p.k + 3;
    p.b = in_panels(i, gemm, PPL__PANEL_B, b, p.k, p.n, room);
    p.ldb = room;
    if (p.transposed_a) {
        p.lda = p.k + 3;
        p.a = in_panels(i, gemm, PPL__PANEL_A, a, p.k, p.m, p.lda);
    }
    p.transposed_b = 0;
    p.panels = 1;
    ppl__gemm_run(gemm, &p);
    free((void *)(uintptr_t)p.b);
    if (p.transposed_a)
        free((void *)(uintptr_t)p.a);
}

/* A product of the shape by every way to store it; of large ones only some entries are
 * computed again. With PANELS, of operands in panels. */
enum { PANELS = 16 };
static void check_product(int i, ppl__gemm *gemm, size_t m, size_t n, size_t k, int way)
{
    size_t gap = way & 8 ? 3 : 0, step = m * n * k > 1000000 ? m * n / 50 : 1;
    int accumulate = (way & 4) != 0;
    matrix a = matrix_make(i, (way & 1) != 0, m, k, gap, 17);
    matrix b = matrix_make(i, (way & 2) != 0, k, n, way & PANELS && way & 2 ? 0 : gap, 18);
    matrix before = matrix_make(i, 0, m, n, gap, 19);
    matrix c = matrix_make(i, 0, m, n, gap, 19), again = matrix_make(i, 0, m, n, gap, 19);
    size_t size = m * c.ld * (i == 0 ? sizeof(float) : sizeof(double));

    if (!accumulate)
        memset(c.data, -1, size), memset(again.data, -1, size);     /* NaN */
    ppl__product p = { dtype_of(i), a.transposed, b.transposed, accumulate, 0, m, n, k,
                       a.data, b.data, c.data, a.ld, b.ld, c.ld };
    for (int run = 0; run < 2; run++, p.c = again.data)
        if (way & PANELS)
            run_in_panels(i, gemm, p, &a, &b);
        else
            ppl__gemm_run(gemm, &p);
    ck_assert_msg(memcmp(c.data, again.data, size) == 0, "%zux%zux%zu varies", m, n, k);
    for (size_t e = 0; e < m * n; e += step) {
        size_t row = e / n, column = e % n;
        double want = accumulate ? entry(&before, row, column) : 0, sum = fabs(want);
        for (size_t l = 0; l < k; l++) {
            want += entry(&a, row, l) * entry(&b, l, column);
            sum += fabs(entry(&a, row, l) * entry(&b, l, column));
        }
        ck_assert_msg(fabs(entry(&c, row, column) - want) <=
                          epsilon(i) * (1 + sqrt((double)k)) * sum,
                      "%zux%zux%zu way %d: [%zu,%zu] is %.17g, not %.17g", m, n, k, way,
                      row, column, entry(&c, row, column), want);
    }
    for (size_t row = 0; row < m; row++)
        for (size_t column = n; column < c.ld; column++)
            ck_assert_msg(isnan(entry(&c, row, column)), "written beyond a row's end");
    free(a.data), free(b.data), free(c.data), free(before.data), free(again.data);
}

START_TEST(products)
{
    static const size_t shapes[][3] = {
        { 1, 1, 1 },     { 2, 3, 4 },     { 3, 5, 7 },      { 4, 4, 4 },
        { 1, 17, 33 },   { 2, 16, 20 },   { 3, 100, 9 },    { 5, 64, 13 },
        { 7, 48, 300 },  { 9, 33, 16 },   { 10, 88, 100 },  { 13, 47, 260 },
        { 20, 88, 100 }, { 20, 100, 200 }, { 45, 50, 60 },  { 46, 31, 513 },
        { 90, 65, 193 }, { 97, 200, 209 }, { 100, 1, 50 },  { 1, 100, 1 },
        { 60, 1, 1 },    { 0, 3, 4 },     { 3, 0, 4 },      { 3, 4, 0 },
        { 150, 600, 384 }, { 600, 88, 400 }, { 300, 300, 300 },
    };
    ppl_ctx *c = context(_i);
    for (int s = 0; s < COUNT_OF(shapes); s++)
        for (int way = 0; way < 2 * PANELS; way++)
            check_product(_i, c->gemm, shapes[s][0], shapes[s][1], shapes[s][2], way);
    check_product(_i, c->gemm, 1000, 1001, 1002, 1);        /* left to the BLAS */
    ppl_ctx_free(c);
}
END_TEST

/* More shapes than are remembered at a time. */
START_TEST(many_shapes)
{
    ppl_ctx *c = context(_i);
    for (size_t m = 1; m <= 40; m++)
        for (size_t n = 1; n <= 40; n += 3)
            check_product(_i, c->gemm, m, n, 20, (int)((m + n) % (2 * PANELS)));
    ppl_ctx_free(c);
}
END_TEST

/* ---- Public functions -------------------------------------------------------------- */

/* The golden [x, f(x)] at doubles that the dtype has; `of` may be NULL for trigamma. */
static void check_golden(int i, const char *name,
                         void (*of)(ppl_dtype, size_t, const void *, void *))
{
    json_t *root = golden_load("distributions.json");
    const json_t *pairs = json_object_get(root, name);
    size_t count = json_array_size(pairs);
    array *x = make(i, 1), *y = make(i, 0);
    ck_assert_uint_gt(count, 50);
    for (size_t n = 0; n < count; n++)
        set(x, n, golden_number(json_array_get(json_array_get(pairs, n), 0)));
    for (size_t n = 0; n < count && !of; n++)
        set(y, n, ppl_maths_trigamma_at(get(x, n)));
    if (of)
        of(dtype_of(i), count, from(x, 0), from(y, 0));
    for (size_t n = 0; n < count; n++) {
        double at = golden_number(json_array_get(json_array_get(pairs, n), 0));
        double want = golden_number(json_array_get(json_array_get(pairs, n), 1));
        if (get(x, n) != at)
            continue;
        double slack = epsilon(i) * (4 * fabs(want) + 4 * (at < 0));
        ck_assert_msg(fabs(get(y, n) - want) <= slack,
                      "%s(%.17g) = %.17g, not %.17g", name, at, get(y, n), want);
    }
    json_decref(root);
}

START_TEST(golden_numbers_of_gamma_functions)
{
    check_golden(_i, "lgamma", ppl_maths_lgamma);
    check_golden(_i, "digamma", ppl_maths_digamma);
    if (_i == 1)
        check_golden(_i, "trigamma", NULL);
}
END_TEST

START_TEST(edges)
{
    const struct { double x, digamma, trigamma, lgamma; } edge[] = {
        { 0.0, NAN, INFINITY, INFINITY },   { -0.0, NAN, INFINITY, INFINITY },
        { -3, NAN, INFINITY, INFINITY },    { -1e300, NAN, INFINITY, INFINITY },
        { INFINITY, INFINITY, 0, INFINITY }, { -INFINITY, NAN, NAN, INFINITY },
        { NAN, NAN, NAN, NAN },
    };
    for (int n = 0; n < COUNT_OF(edge); n++) {
        array *x = make(_i, edge[n].x), *y = make(_i, 0);
        ppl_maths_digamma(dtype_of(_i), 1, from(x, 0), from(y, 0));
        check_near(_i, "digamma", (size_t)n, get(y, 0), edge[n].digamma, 0);
        check_near(_i, "trigamma", (size_t)n, ppl_maths_trigamma_at(edge[n].x),
                   edge[n].trigamma, 0);
        ppl_maths_lgamma(dtype_of(_i), 1, from(x, 0), from(y, 0));
        check_near(_i, "lgamma", (size_t)n, get(y, 0), edge[n].lgamma, 0);
    }
}
END_TEST

START_TEST(public_functions_are_the_best_table)
{
    const ppl__kernels *k = ppl__kernels_at(dtype_of(_i), 0);
    array *x = assorted(_i, 20), *y = make(_i, 0), *z = make(_i, 0);
    ck_assert_ptr_eq(k, ppl__kernels_for(dtype_of(_i)));
#define CHECK_PUBLIC(name)                                                               \
    ppl_maths_##name(dtype_of(_i), MOST, from(x, 0), from(y, 0));                        \
    k->unary[PPL__UNARY_##name](MOST, from(x, 0), from(z, 0));                           \
    ck_assert_msg(memcmp(from(y, 0), from(z, 0), bytes(y)) == 0, #name);
    PPL_MATHS_MAP(CHECK_PUBLIC)
    x = scattered(_i, 21, -100, 100);
    ck_assert(ppl_maths_sum(dtype_of(_i), MOST, from(x, 0)) == k->sum(MOST, from(x, 0)));
    if (_i == 1) {
        ppl_maths_sincos(MOST, from(x, 0), from(y, 0), from(z, 0));
        for (size_t n = 0; n < MOST; n++) {
            ck_assert(ulps(_i, get(y, n), sinl((real)get(x, n))) <= 1);
            ck_assert(ulps(_i, get(z, n), cosl((real)get(x, n))) <= 1);
        }
    }
}
END_TEST

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

int main(void)
{
    atexit(release_all);
    return run_tests("kernels", (const TTest *const[]){
        unary_values, unary_slopes, binary_values_and_slopes, simple_loops,
        sums_and_finiteness, elements_within_bounds, position_and_length_do_not_matter,
        axis_values, axis_adjoints, bias_and_activation, transposition_and_row_sums,
        matrices_by_vectors, products, many_shapes, golden_numbers_of_gamma_functions, edges,
        random_numbers_are_what_the_words_say, random_numbers_do_not_depend_on_the_vectors,
        gammas_do_not_depend_on_the_vectors,
        public_functions_are_the_best_table, NULL });
}
