/* SPDX-License-Identifier: MIT */
/*
 * special.c - the parts that special functions of several arguments are made of
 * (special.h), and polygamma and log_beta.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "special.h"

real ppl__log_gap(real t, real r)
{
    if (fabsl(t) > 0.25L)
        return t - logl(r);
    /* With y = t / (2 + t), log(1 + t) = 2 artanh y and t - 2 y = t y. */
    const real y = t / (2 + t), w = y * y;
    real power = 1, sum = 0;
    for (int k = 3; k < 27; k += 2) {
        power *= w;
        sum += power / (real)k;
    }
    return t * y - 2 * y * sum;
}

/* sum over k >= 2 of (-1)^k (zeta(k) - 1) t^k / k, |t| <= 1/2: log Gamma(2 + t) less
 * (1 - Euler's constant) t (DLMF 5.7.3). */
static real log_gamma_2p(real t)
{
    static const real zeta_minus_1[] = {
        6.44934066848226436472e-01L, 2.02056903159594285400e-01L,
        8.23232337111381915160e-02L, 3.69277551433699263314e-02L,
        1.73430619844491397145e-02L, 8.34927738192282683980e-03L,
        4.07735619794433937869e-03L, 2.00839282608221441785e-03L,
        9.94575127818085337146e-04L, 4.94188604119464558702e-04L,
        2.46086553308048298638e-04L, 1.22713347578489146752e-04L,
        6.12481350587048292585e-05L, 3.05882363070204935517e-05L,
        1.52822594086518717326e-05L, 7.63719763789976227360e-06L,
        3.81729326499983985646e-06L, 1.90821271655393892566e-06L,
        9.53962033872796113152e-07L, 4.76932986787806463117e-07L,
        2.38450502727732990004e-07L, 1.19219925965311073068e-07L,
        5.96081890512594796125e-08L, 2.98035035146522801861e-08L,
        1.49015548283650412347e-08L, 7.45071178983542949199e-09L,
        3.72533402478845705482e-09L, 1.86265972351304900640e-09L,
        9.31327432419668182872e-10L, 4.65662906503378407299e-10L
    };
    const real euler = 0.57721566490153286060651209008240243L;
    real power = -t, sum = (1 - euler) * t;
    for (int k = 2; k < 2 + (int)(sizeof zeta_minus_1 / sizeof *zeta_minus_1); k++) {
        power *= -t;
        sum += power * zeta_minus_1[k - 2] / (real)k;
    }
    return sum;
}

real ppl__log_gamma_1p(real a)
{
    if (a <= 0.5L)
        return log_gamma_2p(a) - log1pl(a);
    if (a <= 1.5L)
        return log_gamma_2p(a - 1);
    const real z = 1 + a;
    return (z - 0.5L) * logl(z) - z + PPL__LOG_TWO_PI / 2 + ppl__stirling_error(z);
}

/* B_2k / (2k (2k - 1)) (DLMF 5.11.1). */
static const real stirling_series[] = {
    1 / 12.0L, -1 / 360.0L, 1 / 1260.0L, -1 / 1680.0L, 1 / 1188.0L, -691 / 360360.0L,
    1 / 156.0L, -3617 / 122400.0L, 43867 / 244188.0L
};
enum { STIRLING_TERMS = sizeof stirling_series / sizeof *stirling_series };

real ppl__stirling_error(real a)
{
    real z = a, product = 1;
    for (; z < 12; z++)
        product *= z;
    const real inverse = 1 / z, square = inverse * inverse;
    real sum = 0;
    for (int k = STIRLING_TERMS - 1; k >= 0; k--)
        sum = sum * square + stirling_series[k];
    sum *= inverse;
    if (z != a)
        sum += (z - 0.5L) * logl(z) - (z - a) - (a - 0.5L) * logl(a) - logl(product);
    return sum;
}

/* As ppl__digamma_rise, below. */
real ppl__log_gamma_rise(real a, real b)
{
    real sum = 0;
    for (; a < 14; a++)
        sum -= log1pl(b / a);
    const real square = 1 / (a * a), rise = log1pl(b / a);
    real power = 1 / a;
    for (int k = 0; k < STIRLING_TERMS; k++, power *= square)
        sum += stirling_series[k] * power * expm1l(-(real)(2 * k + 1) * rise);
    return sum + b * logl(a) + (b - 0.5L) * rise - a * ppl__log_gap(b / a, 1 + b / a);
}

/* The sum over k >= 0 of (-1)^(n-1) n! / (x + k)^(n+1), n >= 1: the first terms, then
 * the asymptotic series (DLMF 5.15.1, 5.15.8). */
static real polygamma_sum(int n, real x)
{
    static const real bernoulli[] = {
        1 / 6.0L, -1 / 30.0L, 1 / 42.0L, -1 / 30.0L, 5 / 66.0L, -691 / 2730.0L, 7 / 6.0L,
        -3617 / 510.0L, 43867 / 798.0L, -174611 / 330.0L, 854513 / 138.0L
    };
    const real order = (real)n;
    real sum = 0;
    for (; x < 14 + order; x++)
        sum += powl(x, -order - 1);
    /* Of sum_k (x + k)^-(n+1): x^-n / n + x^-(n+1) / 2
     * + sum_k B_2k (n+1) .. (n+2k-1) / (2k)! x^-(n+2k). */
    real term = powl(x, -order - 1), tail = term * (x / order + 0.5L);
    real factor = (order + 1) / 2 * term / x;
    for (int k = 1; k <= (int)(sizeof bernoulli / sizeof *bernoulli); k++) {
        const real m = 2 * (real)k;
        tail += bernoulli[k - 1] * factor;
        factor *= (order + m) * (order + m + 1) / ((m + 1) * (m + 2)) / (x * x);
    }
    return (sum + tail) * (n % 2 == 0 ? -1 : 1) * tgammal(order + 1);
}

/* B_2k / 2k, of the asymptotic series of digamma (DLMF 5.11.2). */
static const real digamma_series[] = {
    1 / 12.0L, -1 / 120.0L, 1 / 252.0L, -1 / 240.0L, 1 / 132.0L, -691 / 32760.0L,
    1 / 12.0L, -3617 / 8160.0L, 43867 / 14364.0L
};
enum { DIGAMMA_TERMS = sizeof digamma_series / sizeof *digamma_series };

real ppl__digamma(real a)
{
    real sum = 0;
    for (; a < 14; a++)
        sum -= 1 / a;
    const real square = 1 / (a * a);
    real tail = 0;
    for (int k = DIGAMMA_TERMS - 1; k >= 0; k--)
        tail = (tail + digamma_series[k]) * square;
    return sum + logl(a) - 0.5L / a - tail;
}

/* With (a + b)^-m - a^-m = a^-m expm1(-m log1p(b / a)), nothing cancels. */
real ppl__digamma_rise(real a, real b)
{
    real sum = 0;
    for (; a < 14; a++)
        sum += b / (a * (a + b));
    const real square = 1 / (a * a), rise = log1pl(b / a);
    real power = square, tail = 0.5L / a * expm1l(-rise);
    for (int k = 0; k < DIGAMMA_TERMS; k++, power *= square)
        tail += digamma_series[k] * power * expm1l(-(real)(2 * k + 2) * rise);
    return sum + rise - tail;
}

double ppl_maths_digamma_rise(double a, double b)
{
    if (!(a > 0 && b >= 0))
        return NAN;
    return a >= INFINITY ? 0 : b >= INFINITY ? INFINITY : (double)ppl__digamma_rise(a, b);
}

double ppl_maths_polygamma(int n, double x)
{
    if (n < 0 || !(x > 0))
        return x == 0 && n > 0 ? (n % 2 == 0 ? -INFINITY : INFINITY) : NAN;
    if (isinf(x))
        return n == 0 ? x : 0;
    return (double)(n == 0 ? ppl__digamma(x) : polygamma_sum(n, x));
}

double ppl_maths_log_beta(double a, double b)
{
    if (!(a > 0 && b > 0))
        return a == 0 || b == 0 ? (a >= 0 && b >= 0 ? INFINITY : NAN) : NAN;
    if (isinf(a) || isinf(b))
        return -INFINITY;
    const real small = a < b ? a : b, large = a < b ? b : a, n = small + large;
    if (small < 1) {
        /* Gamma(1+a) / a, and Gamma(b) / Gamma(a + b). */
        real ratio = ppl__stirling_error(large) - ppl__stirling_error(n) + small -
                     (large - 0.5L) * log1pl(small / large) - small * logl(n);
        return (double)(ppl__log_gamma_1p(small) - logl(small) + ratio);
    }
    return (double)(ppl__stirling_error(small) + ppl__stirling_error(large) -
                    ppl__stirling_error(n) + PPL__LOG_TWO_PI / 2 - 0.5L * logl(large) +
                    (small - 0.5L) * logl(small / n) - large * log1pl(small / large));
}

real ppl__erfcx(real y)
{
    if (y < 12)
        return expl(y * y) * erfcl(y);
    /* 1 / (sqrt pi y) sum (-1)^k (2k-1)!! / (2 y^2)^k (DLMF 7.12.1). */
    const real t = 1 / (2 * y * y);
    real term = 1, sum = 1;
    for (int k = 1; k < 30; k++) {
        term *= -(real)(2 * k - 1) * t;
        sum += term;
        if (fabsl(term) < 1e-20L)
            break;
    }
    return sum / (y * sqrtl(PPL__PI));
}

real ppl__tail_integral(real (*term)(const void *p, real s), const void *p, real scale)
{
    const real step = 1 / 16.0L;
    real sum = 0;
    for (int k = -62; k <= 68; k++) {
        const real u = step * (real)k, e = expl(-u), s = scale * expl(u - e);
        sum += (1 + e) * s * term(p, s);
    }
    return step * sum;
}
