/* SPDX-License-Identifier: MIT */
/*
 * simd.h - vectors of REAL, and functions over them.
 *
 * Included by kernels.inc, first with REAL double and then with REAL float, in a file
 * that says what the vectors are: VECTOR_BYTES; SLEEF_double and SLEEF_float, which make
 * the name of SLEEF's function for a vector of that many bytes (without them its scalar
 * functions are mapped over the lanes); GET_FIRST and PUT_FIRST of both, if there are
 * instructions for part of a vector. V is the vector, M what a comparison of two vectors
 * gives (all bits of a lane set, or none), W the lanes of a V in double; the rest is
 * operators, which gcc and clang have on vector types. FN(name) is name_double or
 * name_float.
 *
 * SLEEF's functions are the 1 ULP ones (https://sleef.org). Digamma and trigamma are
 * ours, computed in double for both.
 */

#ifndef FN
#include <sleef.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(name) PASTE(name, REAL)
#define V FN(vector)
#define M FN(mask)
#define W FN(wide)
#define UNROLL _Pragma("GCC unroll 16")
#define LANES (VECTOR_BYTES / sizeof(REAL))
#define PARTS (sizeof(double) / sizeof(REAL))

/* The names that elementwise.def is written in. */
#define V_SPLAT(c) FN(v_splat)(c)
#define V_SELECT(m, a, b) FN(v_select)(m, a, b)
#define V_ABS(x) FN(v_abs)(x)
#define V_COPYSIGN(size, sign) FN(v_copysign)(size, sign)
#define V_EXP(x) FN(v_exp)(x)
#define V_LOG(x) FN(v_log)(x)
#define V_LOG1P(x) FN(v_log1p)(x)
#define V_EXPM1(x) FN(v_expm1)(x)
#define V_SQRT(x) FN(v_sqrt)(x)
#define V_TANH(x) FN(v_tanh)(x)
#define V_SIGMOID(x) FN(v_sigmoid)(x)
#define V_SOFTPLUS(x) FN(v_softplus)(x)
#define V_LGAMMA(x) FN(v_lgamma)(x)
#define V_DIGAMMA(x) FN(v_digamma)(x)
#define V_TRIGAMMA(x) FN(v_trigamma)(x)
#define V_POW(a, b) FN(v_pow)(a, b)

/* FN(v_name) from SLEEF's function of one or two arguments. */
#define SLEEF(name, accuracy) PASTE(SLEEF, REAL)(name, accuracy)
#ifdef SLEEF_double
#define MAP_1(name, accuracy)                                                            \
    static inline V FN(v_##name)(V x) { return SLEEF(name, accuracy)(x); }
#define MAP_2(name, accuracy)                                                            \
    static inline V FN(v_##name)(V a, V b) { return SLEEF(name, accuracy)(a, b); }
#define MAP_SINCOS()                                                                     \
    static inline V FN(v_sincos)(V x, V *cosine)                                         \
    {                                                                                    \
        __typeof__(SLEEF(sincos, u10)(x)) both = SLEEF(sincos, u10)(x);                  \
        *cosine = both.y;                                                                \
        return both.x;                                                                   \
    }
#else
#define SLEEF_double(name, accuracy) Sleef_##name##_##accuracy
#define SLEEF_float(name, accuracy) Sleef_##name##f_##accuracy
#define MAP_1(name, accuracy)                                                            \
    static inline V FN(v_##name)(V x)                                                    \
    {                                                                                    \
        for (size_t i = 0; i < LANES; i++)                                               \
            x[i] = SLEEF(name, accuracy)(x[i]);                                          \
        return x;                                                                        \
    }
#define MAP_2(name, accuracy)                                                            \
    static inline V FN(v_##name)(V a, V b)                                               \
    {                                                                                    \
        for (size_t i = 0; i < LANES; i++)                                               \
            a[i] = SLEEF(name, accuracy)(a[i], b[i]);                                    \
        return a;                                                                        \
    }
#define MAP_SINCOS()                                                                     \
    static inline V FN(v_sincos)(V x, V *cosine)                                         \
    {                                                                                    \
        for (size_t i = 0; i < LANES; i++) {                                             \
            (*cosine)[i] = SLEEF(cos, u10)(x[i]);                                        \
            x[i] = SLEEF(sin, u10)(x[i]);                                                \
        }                                                                                \
        return x;                                                                        \
    }
#endif
#endif

/* y [N, N] = x [N, N] transposed, N = BLOCK, in vectors of 16 bytes. */
#ifndef BLOCK
#define BLOCK (16 / sizeof(REAL))
typedef double pair __attribute__((vector_size(16)));
typedef int64_t pair_index __attribute__((vector_size(16)));
typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_index __attribute__((vector_size(16)));
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, (type##_index){ __VA_ARGS__ })
#endif

static inline void block_transpose_double(const double *x, size_t ldx, double *y,
                                          size_t ldy)
{
    pair a, b;
    memcpy(&a, x, sizeof a);
    memcpy(&b, x + ldx, sizeof b);
    pair upper = SHUFFLE(pair, a, b, 0, 2), lower = SHUFFLE(pair, a, b, 1, 3);
    memcpy(y, &upper, sizeof upper);
    memcpy(y + ldy, &lower, sizeof lower);
}

static inline void block_transpose_float(const float *x, size_t ldx, float *y, size_t ldy)
{
    quad row[4], half[4];
    UNROLL for (size_t i = 0; i < 4; i++)
        memcpy(&row[i], x + i * ldx, sizeof row[i]);
    UNROLL for (size_t i = 0; i < 4; i += 2) {
        half[i] = SHUFFLE(quad, row[i], row[i + 1], 0, 4, 1, 5);
        half[i + 1] = SHUFFLE(quad, row[i], row[i + 1], 2, 6, 3, 7);
    }
    UNROLL for (size_t i = 0; i < 2; i++) {
        row[2 * i] = SHUFFLE(quad, half[i], half[i + 2], 0, 1, 4, 5);
        row[2 * i + 1] = SHUFFLE(quad, half[i], half[i + 2], 2, 3, 6, 7);
    }
    UNROLL for (size_t i = 0; i < 4; i++)
        memcpy(y + i * ldy, &row[i], sizeof row[i]);
}
#endif

typedef REAL V __attribute__((vector_size(VECTOR_BYTES)));
typedef __typeof__(__builtin_choose_expr(sizeof(REAL) == 8, (int64_t)0, (int32_t)0))
    FN(bits);
typedef FN(bits) M __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL FN(part) __attribute__((vector_size(VECTOR_BYTES / PARTS), may_alias));
/* The second is there for float only, of which a vector has twice the lanes. */
typedef struct W {
    vector_double low, high;
} W;
/* One byte of a mask tensor for every lane. */
typedef signed char FN(bytes) __attribute__((vector_size(VECTOR_BYTES / sizeof(REAL))));

static inline V FN(v_splat)(double value)
{
    return (REAL)value - (V){ 0 };      /* keeps the sign of a zero */
}

/* m ? a : b, by bits: NaN and inf on the side not taken leave no trace. */
static inline V FN(v_select)(M m, V a, V b)
{
    return (V)(((M)a & m) | ((M)b & ~m));
}

static inline V FN(v_abs)(V x)
{
    return (V)((M)x & ~(M)FN(v_splat)(-0.0));
}

static inline V FN(v_copysign)(V size, V sign)
{
    return FN(v_select)((M)FN(v_splat)(-0.0), sign, size);
}

/* g d, and 0 where g is 0 whatever d is. */
static inline V FN(v_times)(V g, V d)
{
    return FN(v_select)(g == 0, FN(v_splat)(0), g * d);
}

/* The first `count` of LANES elements at p; the lanes beyond them hold `pad`. */
static inline V FN(v_get_pad)(const REAL *p, size_t count, double pad)
{
    V v = V_SPLAT(pad);
    if (count >= LANES)
        memcpy(&v, p, sizeof v);
    else
#ifdef GET_FIRST_double
        v = PASTE(GET_FIRST, REAL)(p, count, v);
#else
        memcpy(&v, p, count * sizeof *p);
#endif
    return v;
}

static inline V FN(v_get)(const REAL *p, size_t count)
{
    return FN(v_get_pad)(p, count, 0);
}

static inline void FN(v_put)(REAL *p, size_t count, V v)
{
    if (count >= LANES)
        memcpy(p, &v, sizeof v);
    else
#ifdef PUT_FIRST_double
        PASTE(PUT_FIRST, REAL)(p, count, v);
#else
        memcpy(p, &v, count * sizeof *p);
#endif
}

static inline W FN(v_widen)(V x)
{
    const FN(part) *part = (const FN(part) *)&x;
    W wide = { __builtin_convertvector(part[0], vector_double), { 0 } };
    if (PARTS == 2)
        wide.high = __builtin_convertvector(part[PARTS - 1], vector_double);
    return wide;
}

static inline V FN(v_narrow)(W wide)
{
    V x;
    FN(part) *part = (FN(part) *)&x;
    part[0] = __builtin_convertvector(wide.low, FN(part));
    if (PARTS == 2)
        part[PARTS - 1] = __builtin_convertvector(wide.high, FN(part));
    return x;
}

static inline W FN(v_accumulate)(W sum, V x)
{
    W wide = FN(v_widen)(x);
    return (W){ sum.low + wide.low, sum.high + wide.high };
}

/* The sum of all lanes, pairwise. */
static inline double FN(v_total)(W wide)
{
    vector_double sum = wide.low + wide.high;
    double lane[sizeof sum / sizeof(double)];
    memcpy(lane, &sum, sizeof sum);
    UNROLL for (size_t half = sizeof sum / sizeof(double) / 2; half > 0; half /= 2)
        UNROLL for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* ---- Functions --------------------------------------------------------------------- */

MAP_1(exp, u10)
MAP_1(log, u10)
MAP_1(log1p, u10)
MAP_1(expm1, u10)
MAP_1(sqrt, u05)
MAP_1(tanh, u10)
MAP_1(lgamma, u10)
MAP_SINCOS()
MAP_2(pow, u10)

/* 1 / (1 + exp(-x)) without overflow. */
static inline V FN(v_sigmoid)(V x)
{
    V e = FN(v_exp)(-FN(v_abs)(x));
    return FN(v_select)(x < 0, e, FN(v_splat)(1)) / (1 + e);
}

/* log(1 + exp x) = max(x, 0) + log1p(exp(-|x|)). */
static inline V FN(v_softplus)(V x)
{
    V above = FN(v_select)(x <= 0, FN(v_splat)(0), x);
    return above + FN(v_log1p)(FN(v_exp)(-FN(v_abs)(x)));
}

/* ---- Digamma and trigamma ---------------------------------------------------------- */

#ifndef PI
#define PI 3.141592653589793
MAP_1(sinpi, u05)
MAP_1(cospi, u05)

/* c[0] + c[1] t + ... */
static inline V v_polynomial(V t, const double *c, int count)
{
    V sum = v_splat_double(c[count - 1]);
    UNROLL for (int i = count - 2; i >= 0; i--)
        sum = sum * t + c[i];
    return sum;
}

/* x minus the nearest integer; 0 where x is too large to be anything else. */
static inline V v_from_integer(V x)
{
    const double big = 0x1.8p52;
    return v_select_double(v_abs_double(x) < 0x1p51, x - ((x + big) - big), 0 * x);
}

/* On [1,2]: (x - root) P(x - 3/2), the root in two doubles so that the relative error
 * stays small beside it. P is the Chebyshev fit of digamma(x) / (x - root), error 2e-17
 * (mpmath: chebyfit of psi(0, 1.5 + t) / (1.5 + t - root) on [-0.5, 0.5], 22 terms). */
static inline V v_digamma_near_root(V x)
{
    static const double fit[] = {
        0.951055876031833, -0.4236274212814605, 0.2405424842407742, -0.14840492305390884,
        0.09498872445494122, -0.061922133273064534, 0.04076083381242074,
        -0.02697579675613825, 0.0179072524394512, -0.011908218001568644,
        0.007926944646403797, -0.005279964873257405, 0.003519006401502276,
        -0.002345267632540769, 0.0015566317474486838, -0.0010376374098418604,
        0.0007233266279287554, -0.0004821990530566789, 0.0002272331660987376,
        -0.00015148586836773365, 0.00025968482126430747, -0.00017312261802727394
    };
    V distance = (x - 0x1.762d86356be3fp+0) - 9.549995429965697e-17;
    return distance * v_polynomial(x - 1.5, fit, sizeof fit / sizeof *fit);
}

/* Below 10 digamma(x + 1) = digamma(x) + 1 / x leads to [1,2], from 10 on the asymptotic
 * series holds (Abramowitz and Stegun 6.3.5, 6.3.18); below 0 it is reflected to
 * digamma(1 - x) - pi cot(pi x), whose roots have the absolute error of the terms. NaN
 * at the poles. */
static __attribute__((noinline)) V v_digamma_all(V x)
{
    /* B_2k / 2k. */
    static const double series[] = { 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240,
                                     1.0 / 132, -691.0 / 32760, 1.0 / 12,
                                     -3617.0 / 8160 };
    const V zero = v_splat_double(0), one = v_splat_double(1);
    M reflected = x < 0;
    V z = v_select_double(reflected, 1 - x, x), near = z, sum = zero;
    for (int i = 0; i < 8; i++) {
        M above = near > 2;
        near = near - v_select_double(above, one, zero);
        sum = sum + v_select_double(above, 1 / near, zero);
    }
    M below = z < 1;
    sum = sum - v_select_double(below, 1 / z, zero);
    near = near + v_select_double(below, one, zero);
    near = v_digamma_near_root(near) + sum;

    V inverse = 1 / z, square = inverse * inverse;
    V far = square * v_polynomial(square, series, sizeof series / sizeof *series);
    far = v_log_double(z) - (0.5 * inverse + far);

    V y = v_select_double(z < 10, near, far);
    V r = v_from_integer(x), sine = v_sinpi_double(r);
    y = v_select_double(reflected, y - PI * (v_cospi_double(r) / sine), y);
    M pole = (x <= 0) & (sine == 0);
    return v_select_double(pole, v_splat_double(__builtin_nan("")), y);
}

/* trigamma(x) = trigamma(x + 1) + 1 / x^2 up to 10, then the asymptotic series (6.4.6,
 * 6.4.12); below 0 pi^2 / sin^2(pi x) - trigamma(1 - x) (6.4.7). inf at the poles. */
static __attribute__((noinline)) V v_trigamma_all(V x)
{
    /* B_2k. */
    static const double series[] = { 1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66,
                                     -691.0 / 2730, 7.0 / 6, -3617.0 / 510,
                                     43867.0 / 798 };
    const V zero = v_splat_double(0), one = v_splat_double(1);
    M reflected = x < 0;
    V z = v_select_double(reflected, 1 - x, x), sum = zero;
    for (int i = 0; i < 10; i++) {
        M below = z < 10;
        sum = sum + v_select_double(below, 1 / (z * z), zero);
        z = z + v_select_double(below, one, zero);
    }
    V inverse = 1 / z, square = inverse * inverse;
    V y = v_polynomial(square, series, sizeof series / sizeof *series);
    y = sum + inverse * (1 + 0.5 * inverse + square * y);
    V ratio = PI / v_sinpi_double(v_from_integer(x));
    return v_select_double(reflected, ratio * ratio - y, y);
}
#endif

static inline V FN(v_digamma)(V x)
{
    W wide = FN(v_widen)(x);
    wide.low = v_digamma_all(wide.low);
    if (PARTS == 2)
        wide.high = v_digamma_all(wide.high);
    return FN(v_narrow)(wide);
}

static inline V FN(v_trigamma)(V x)
{
    W wide = FN(v_widen)(x);
    wide.low = v_trigamma_all(wide.low);
    if (PARTS == 2)
        wide.high = v_trigamma_all(wide.high);
    return FN(v_narrow)(wide);
}
