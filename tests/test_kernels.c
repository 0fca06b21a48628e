/* SPDX-License-Identifier: MIT */
/*
 * test_kernels.c - the elementwise loops of every instruction set that this processor runs
 * against slow twins: functions in long double on the C library. Errors are in ULP of the
 * dtype. The rooms of the other loops are test_kernels_*.c.
 */
#include "kernel_tests.h"

#include <stdio.h>

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
static real slope_neg(real x) { return (void)x, -1; }
static real slope_log(real x) { return 1 / x; }
static real slope_log1p(real x) { return 1 / (1 + x); }
static real slope_sqrt(real x) { return 0.5L / sqrtl(x); }
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
    [PPL__UNARY_tanh] = { tanhl, slope_tanh, 3.5, 4, 2, 1 },
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

RUN_KERNELS("kernels", unary_values, unary_slopes, binary_values_and_slopes,
            position_and_length_do_not_matter)
