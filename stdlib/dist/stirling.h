/* SPDX-License-Identifier: MIT */
/*
 * stirling.h - what Stirling's formula leaves over: log Gamma and digamma of large
 * numbers without the terms that cancel in a density (a log a grows, the density does
 * not).
 *
 *   log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + r(a)
 *   psi(a)       = log a - 1 / (2 a) + r'(a)
 *
 * Source: NIST Digital Library of Mathematical Functions, 5.11.1 and 5.11.2.
 */
#ifndef KILN_STIRLING_H
#define KILN_STIRLING_H

#include "density.h"

#define PPL__HALF_LOG_TWO_PI 0.91893853320467274178

/* r(a) / w and -r'(a) / w^2 of w = 1 / a for a >= 1, in powers of t = w - 1/2: Chebyshev
 * interpolations made with mpmath (chebyfit on [-1/2,1/2]), of errors 3e-16 and 3e-15 in
 * double, 3e-9 and 2e-8 in float. */
#define PPL__CUBIC(REAL, c, k)                                                           \
    (((REAL)c[k] + (REAL)c[(k) + 1] * t) +                                               \
     ((REAL)c[(k) + 2] + (REAL)c[(k) + 3] * t) * square)

static inline double ppl__series_f64(const double c[20], double w)
{
    const double t = w - 0.5, square = t * t, fourth = square * square;
    const double high = PPL__CUBIC(double, c, 12) + fourth * PPL__CUBIC(double, c, 16);
    return PPL__CUBIC(double, c, 0) +
           fourth * (PPL__CUBIC(double, c, 4) + fourth * (PPL__CUBIC(double, c, 8) +
                                                          fourth * high));
}

static inline float ppl__series_f32(const float c[8], float w)
{
    const float t = w - 0.5f, square = t * t;
    return PPL__CUBIC(float, c, 0) + square * square * PPL__CUBIC(float, c, 4);
}

static inline double ppl__stirling_rest_f64(double w)
{
    static const double c[] = {
        0.08268139191081852, -0.002460020129811598, -0.0019404175523502103,
        0.0008061463947995759, -2.0194635739155316e-05, -0.00020492933224613335,
        0.00016303176864073933, -5.470927492887751e-05, -3.0003980397448836e-05,
        6.657961789140438e-05, -6.122640962230965e-05, 3.112654788858533e-05,
        4.397448020125905e-06, -3.11664529041763e-05, 5.016429583528748e-05,
        -6.131840589678738e-05, 3.174788802414846e-05, 4.3209792026718406e-05,
        -7.612759944852201e-05, 3.339372329568171e-05
    };
    return ppl__series_f64(c, w);
}

static inline double ppl__stirling_fall_f64(double w)
{
    static const double c[] = {
        0.08145138184591305, -0.006860457812026082, -0.004612033065057357,
        0.0031841963208642243, -0.0006132964886807059, -0.0007404816446789101,
        0.0009497391299749089, -0.0005576585633171114, 2.9587408465724108e-05,
        0.0003591021836726914, -0.0005024522179929805, 0.00040576770644183317,
        -0.0001444489196799501, -0.00012210161794056135, 0.0002891741757107451,
        -0.0005891779827320701, 0.0009133473120261388, -0.00018882579042560889,
        -0.0011340128054363125, 0.0009094338379714327
    };
    return ppl__series_f64(c, w);
}

static inline float ppl__stirling_rest_f32(float w)
{
    static const float c[] = {
        0.08268139365488575f, -0.0024600224001237046f, -0.0019406392716443226f,
        0.000806436760940172f, -1.5925500425715654e-05f, -0.0002107097931126614f,
        0.0001384712984391088f, -1.831591874660523e-05f
    };
    return ppl__series_f32(c, w);
}

static inline float ppl__stirling_fall_f32(float w)
{
    static const float c[] = {
        0.08145138865796246f, -0.006860473429742306f, -0.004612889921280858f,
        0.0031861878663956627f, -0.0005977916972299222f, -0.000779487849266622f,
        0.0008771228408430768f, -0.0003225929694988573f
    };
    return ppl__series_f32(c, w);
}

/* r(a), a > 0; below 1 by r(a) = r(a + 1) + (a + 1/2) log(1 + 1/a) - 1. */
double ppl__stirling(double a);

/* r'(a), a > 0. */
double ppl__stirling_slope(double a);

/* log a - psi(a). */
static inline double ppl__lambda(double a)
{
    return 0.5 / a - ppl__stirling_slope(a);
}

/* psi'(a) - 1 / a - 1 / (2 a^2) >= 0, a > 0 (NIST DLMF 5.15.8). */
double ppl__trigamma_rest(double a);

/* (a - n) psi'(a) - 1: to 0 as a grows. */
static inline double ppl__trigamma_excess(double a, double n)
{
    return -((n - 0.5) / a + n / (2 * a * a)) + (a - n) * ppl__trigamma_rest(a);
}

/* log(1 + t) - t, t > -1. */
static inline double ppl__log1p_rest(double t)
{
    return fabs(t) <= 0.1 ? ppl__log1p_minus_f64(t) : log1p(t) - t;
}

/* log Gamma(a + step) - log Gamma(a) - step log a, a > 0, step >= 0: to 0 as a grows. */
double ppl__lgamma_step(double a, double step);

/* psi(a + step) - psi(a) - step / a, likewise. */
double ppl__digamma_step(double a, double step);

/* r(p) - r(q) - (p - q) r'(q) >= 0; of numbers close to each other, where that cancels, the
 * integral over u of d^2 (1 - u) r''(q + d u), d = p - q: by the rule of Gauss and Jacobi,
 * whose nodes were made with mpmath, to 3e-14 of it. */
double ppl__stirling_divergence(double q, double p);

/* log Gamma(p) - log Gamma(q) + (q - p) psi(q) >= 0, the KL of Gammas of one rate, less p
 * log(p/q) - p + q: by (p - q)/q - log(p/q) >= 0 and what Stirling leaves over. */
double ppl__gamma_divergence_rest(double q, double p);

/* All of it. */
double ppl__gamma_divergence(double q, double p);

/* The derivative of the rest in p if `of_p`, else in q. */
double ppl__gamma_divergence_rest_slope(int of_p, double q, double p);

/* The derivative of the KL of two Dirichlets in one concentration a_q, or a_p if `of_p`, of
 * those that sum to q and p. */
double ppl__dirichlet_kl_slope(int of_p, double a_q, double q, double a_p, double p);

#endif
