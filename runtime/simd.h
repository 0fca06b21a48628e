/* SPDX-License-Identifier: MIT */
/*
 * simd.h - vectors of REAL, and functions over them.
 *
 * Included by kernels.inc, first with REAL double and then with REAL float, in a file
 * that says what the vectors are: VECTOR_BYTES; SLEEF_double and SLEEF_float, which make
 * the name of SLEEF's function for a vector of that many bytes (without them its scalar
 * functions are mapped over the lanes); GET_FIRST and PUT_FIRST of both, if there are
 * instructions for part of a vector, ROOT of both, and WIDEN_float, if the compiler does not
 * know the best way from half a vector of float to one of double. V is the vector, M what a
 * comparison of two vectors gives (all bits of a lane set, or none), W the lanes of a V in
 * double; the rest is operators, which gcc and clang have on vector types. FN(name) is
 * name_double or name_float.
 *
 * SLEEF's functions are the 1 ULP ones (https://sleef.org; erfc 1.5; float's tanh 3.5, which
 * takes a third of the time: layers spend theirs in it). The others stand in
 * portable.inc and special.inc.
 */

#ifndef FN
#include <math.h>
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
#define WIDEN_double(x) (x)
#ifndef WIDEN_float
#define WIDEN_float(x) __builtin_convertvector(x, vector_double)
#endif
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
#define V_TETRAGAMMA(x) FN(v_tetragamma)(x)
#define V_SIN(x) FN(v_sin)(x)
#define V_COS(x) FN(v_cos)(x)
#define V_ATAN(x) FN(v_atan)(x)
#define V_ERF(x) FN(v_erf)(x)
#define V_ERFC(x) FN(v_erfc)(x)
#define V_ERFINV(x) FN(v_erfinv)(x)
#define V_ERFINV_SLOPE(x, y) FN(v_erfinv_slope)(x, y)
#define V_NDTR(x) FN(v_ndtr)(x)
#define V_NDTRI(x) FN(v_ndtri)(x)
#define V_NDTRI_SLOPE(x, y) FN(v_ndtri_slope)(x, y)
#define V_LOG_NDTR(x) FN(v_log_ndtr)(x)
#define V_LOG_NDTR_SLOPE(x) FN(v_log_ndtr_slope)(x)
#define V_LOG_BESSEL_I0(x) FN(v_log_bessel_i0)(x)
#define V_LOG_BESSEL_I1(x) FN(v_log_bessel_i1)(x)
#define V_LOG_BESSEL_I1_SLOPE(x) FN(v_log_bessel_i1_slope)(x)
#define V_BESSEL_RATIO(x) FN(v_bessel_ratio)(x)
#define V_BESSEL_RATIO_SLOPE(x) FN(v_bessel_ratio_slope)(x)
#define V_POW(a, b) FN(v_pow)(a, b)

/* FN(v_name) from SLEEF's function of one or two arguments. */
#define MAP_1(name, accuracy) MAP_1_AS(name, name, accuracy)
#define SLEEF(name, accuracy) PASTE(SLEEF, REAL)(name, accuracy)
#ifdef SLEEF_double
#define MAP_1_AS(as, name, accuracy)                                                     \
    static inline V FN(v_##as)(V x) { return SLEEF(name, accuracy)(x); }
#define MAP_2(name, accuracy)                                                            \
    static inline V FN(v_##name)(V a, V b) { return SLEEF(name, accuracy)(a, b); }
#define MAP_SINCOS()                                                                     \
    static inline V FN(v_sincos_alike)(V x, V *cosine)                                   \
    {                                                                                    \
        __typeof__(SLEEF(sincos, u10)(x)) both = SLEEF(sincos, u10)(x);                  \
        *cosine = both.y;                                                                \
        return both.x;                                                                   \
    }
#else
#define SLEEF_double(name, accuracy) Sleef_##name##_##accuracy
#define SLEEF_float(name, accuracy) Sleef_##name##f_##accuracy
#define MAP_1_AS(as, name, accuracy)                                                     \
    static inline V FN(v_##as)(V x)                                                      \
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
    static inline V FN(v_sincos_alike)(V x, V *cosine)                                   \
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

/* The first `count` of LANES elements at p; the lanes beyond them hold `pad`. One goes by itself:
 * a load of part of a vector waits until what was stored just before is in the cache. */
static inline V FN(v_get_pad)(const REAL *p, size_t count, double pad)
{
    V v = V_SPLAT(pad);
    if (count >= LANES)
        memcpy(&v, p, sizeof v);
    else if (count == 1)
        v[0] = *p;
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
    else if (count == 1)
        *p = v[0];
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
    W wide = { PASTE(WIDEN, REAL)(part[0]), { 0 } };
    if (PARTS == 2)
        wide.high = PASTE(WIDEN, REAL)(part[PARTS - 1]);
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

/* The sum of all lanes, halves to halves: as vectors while they are more than 16 bytes, or the
 * compiler takes every lane out by itself. */
static inline REAL FN(v_across)(V v)
{
    enum { LAST = 16 / sizeof(REAL) };
    typedef REAL last __attribute__((vector_size(16), may_alias));
    const last *part = (const last *)&v;
#if VECTOR_BYTES == 64
    last sum = (part[0] + part[2]) + (part[1] + part[3]);
#elif VECTOR_BYTES == 32
    last sum = part[0] + part[1];
#else
    last sum = part[0];
#endif
    UNROLL for (size_t half = LAST / 2; half > 0; half /= 2)
        UNROLL for (size_t i = 0; i < half; i++)
            sum[i] += sum[i + half];
    return sum[0];
}

static inline double FN(v_total)(W wide)
{
    return v_across_double(wide.low + wide.high);
}

/* ---- Functions --------------------------------------------------------------------- */

typedef __typeof__(__builtin_choose_expr(sizeof(REAL) == 8, (uint64_t)0, (uint32_t)0))
    FN(word);
typedef FN(word) FN(v_words) __attribute__((vector_size(VECTOR_BYTES)));

/* Of portable.inc all in double, which random.inc goes on with; in float the logarithm. */
#define N V
#define WORDS FN(v_words)
#define MASK M
#define BITS(x) ((WORDS)(x))
#define NUMBER(x) ((V)(x))
#define SELECT FN(v_select)
#ifndef PORTABLE
#define PORTABLE(name) FN(v_portable_##name)
typedef WORDS v_words;
#include "portable.inc"
MAP_1(tanh, u10)
#else
#define NARROW
#include "logarithm.inc"
#undef NARROW
MAP_1(tanh, u35)
#endif
#undef N

/* Below 1 ULP for all x: numbers too small to be normal are taken times 2^54. */
static inline V FN(v_log)(V x)
{
    const M small = x < (REAL)(sizeof(REAL) == 8 ? 0x1p-1022 : 0x1p-126);
    const M number = (x > 0) & (x < FN(v_splat)(INFINITY));
    V k, f = FN(v_portable_split)(V_SELECT(small, x * 0x1p54f, x), &k) - 1;
    k = V_SELECT(small, k - 54, k);
    const V zero = V_SELECT(x == 0, FN(v_splat)(-INFINITY), FN(v_splat)(NAN));
    return V_SELECT(number, FN(v_portable_log_sum)(k, f, FN(v_portable_log_gap)(f)),
                    V_SELECT(x > 0, x, zero));
}

MAP_1(exp, u10)
MAP_1(log1p, u10)
MAP_1(expm1, u10)
MAP_1(lgamma, u10)
MAP_1(atan, u10)
MAP_1(erf, u10)
MAP_1(erfc, u15)
MAP_2(pow, u10)

/* The processor's, if it has one: as exact as SLEEF's. */
#ifdef ROOT_float
static inline V FN(v_sqrt)(V x) { return (V)PASTE(ROOT, REAL)(x); }
#else
MAP_1(sqrt, u05)
#endif

static inline int FN(v_any)(M m)
{
    uint64_t word[sizeof m / 8], any = 0;
    memcpy(word, &m, sizeof m);
    UNROLL for (size_t i = 0; i < sizeof m / 8; i++)
        any |= word[i];
    return any != 0;
}

/* SLEEF reduces the angles of a vector by the cheapest of three ways that serves the
 * largest of them, and the ways differ in the last place. So that a result does not
 * depend on its neighbours, angles beyond either bound go by themselves. */
#ifndef ANGLE
enum { near_angle_double = 15, near_angle_float = 125, middle_angle_float = 39000 };
static const double middle_angle_double = 1e14;
#define ANGLE(name)                                                                      \
    MAP_1_AS(name##_alike, name, u10)                                                    \
    static inline V FN(v_##name)(V x)                                                    \
    {                                                                                    \
        V z = V_ABS(x), other = V_SPLAT(FN(middle_angle)), y;                            \
        M beyond = ~(z <= FN(near_angle)), far = ~(z <= other);                          \
        y = FN(v_##name##_alike)(V_SELECT(beyond, V_SPLAT(0), x));                       \
        if (FN(v_any)(beyond))                                                           \
            y = V_SELECT(beyond, FN(v_##name##_alike)(V_SELECT(beyond & ~far, x,         \
                                                               other / 2)), y);          \
        if (FN(v_any)(far))                                                              \
            y = V_SELECT(far, FN(v_##name##_alike)(V_SELECT(far, x, 2 * other)), y);     \
        return y;                                                                        \
    }
#endif
ANGLE(sin)
ANGLE(cos)
MAP_SINCOS()

static inline V FN(v_sincos)(V x, V *cosine)
{
    M beyond = ~(V_ABS(x) <= FN(near_angle));
    V sine = FN(v_sincos_alike)(V_SELECT(beyond, V_SPLAT(0), x), cosine);
    if (!FN(v_any)(beyond))
        return sine;
    *cosine = V_SELECT(beyond, V_COS(x), *cosine);
    return V_SELECT(beyond, V_SIN(x), sine);
}

/* 1 / (1 + exp(-x)) without overflow. */
static inline V FN(v_sigmoid)(V x)
{
    V e = FN(v_exp)(-FN(v_abs)(x));
    return FN(v_select)(x < 0, e, FN(v_splat)(1)) / (1 + e);
}

/* log(1 + t) for 0 <= t <= 1, below 1 ULP and a quarter of the cost of one for all t: with
 * s = t / (2 + t) it is 2 artanh s = 2 s + s r(s^2), and t - 2 s = s t, so that what is
 * rounded is small beside t. r(z) / z up to z = 1/9 as Chebyshev interpolation (mpmath's
 * chebyfit), error 9e-17 and for float 3e-7, of which at most 1/27 is seen. */
static inline V FN(v_log1p_of_unit)(V t)
{
    static const double wide[] = {
        0.6666666666666666, 0.40000000000014585, 0.2857142856710876, 0.22222222717427864,
        0.18181789436132859, 0.15385570064958623, 0.13314144209654935, 0.12001072809590713,
        0.08800738486144674, 0.1616404561194353
    };
    static const double narrow[] = {
        0.6666664033669923, 0.40007560644911205, 0.2823661980531048, 0.2685149802283715
    };
    const double *fit = sizeof(REAL) == sizeof(double) ? wide : narrow;
    const size_t last = sizeof(REAL) == sizeof(double) ? 9 : 3;
    const V s = t / (2 + t), z = s * s, square = z * z;
    V even = FN(v_splat)(fit[last - 1]), odd = FN(v_splat)(fit[last]);

    UNROLL for (size_t k = last - 1; k > 0; k -= 2) {
        even = even * square + (REAL)fit[k - 2];
        odd = odd * square + (REAL)fit[k - 1];
    }
    return t - s * (t - z * (even + odd * z));
}

/* log(1 + exp x) = max(x, 0) + log1p(exp(-|x|)). */
static inline V FN(v_softplus)(V x)
{
    V above = FN(v_select)(x <= 0, FN(v_splat)(0), x);
    return above + FN(v_log1p_of_unit)(FN(v_exp)(-FN(v_abs)(x)));
}

#include "special.inc"
