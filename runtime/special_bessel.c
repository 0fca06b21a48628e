/* SPDX-License-Identifier: MIT */
/*
 * special_bessel.c - log I_v(x), and Owen's T.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "special.h"

/* (x/2)^v / Gamma(v + 1) sum_k (x^2/4)^k / (k! (v+1) .. (v+k)) (DLMF 10.25.2). */
static real log_by_series(real v, real x)
{
    const real t = x * x / 4;
    real term = 1, sum = 0;
    for (real k = 1; k < 5000; k++) {
        term *= t / (k * (v + k));
        sum += term;
        if (term < 1e-20L * sum)
            break;
    }
    return v * logl(x / 2) - ppl__log_gamma_1p(v) + log1pl(sum);
}

/* exp(x) / sqrt(2 pi x) (1 - (m - 1) / (8x) + (m - 1)(m - 9) / (2 (8x)^2) - ..),
 * m = 4 v^2 (10.40.1). */
static real log_far(real v, real x)
{
    real term = 1, sum = 0;
    for (real k = 1; k < 100; k++) {
        const real odd = 2 * k - 1;
        term *= -(4 * v * v - odd * odd) / (k * 8 * x);
        sum += term;
        if (fabsl(term) < 1e-20L)
            break;
    }
    return x - 0.5L * (PPL__LOG_TWO_PI + logl(x)) + log1pl(sum);
}

/* exp(v eta) / (sqrt(2 pi v) (1 + z^2)^(1/4)) sum_k U_k(p) / v^k, x = v z, p =
 * (1 + z^2)^(-1/2), eta = sqrt(1 + z^2) + log(z / (1 + sqrt(1 + z^2))) (10.41.3). The
 * polynomials come from U_(k+1) = p^2 (1 - p^2) U_k' / 2 + int_0^p (1 - 5 t^2) U_k / 8
 * (10.41.9). */
static real log_uniform(real v, real x)
{
    enum { TERMS = 14, DEGREE = 3 * TERMS + 3 };
    real u[DEGREE + 1] = { 1 }, next[DEGREE + 1];
    const real z = x / v, root = sqrtl(1 + z * z), p = 1 / root;
    real sum = 0, scale = 1;
    for (int k = 0; k + 1 < TERMS; k++) {
        for (int i = 0; i <= DEGREE; i++)
            next[i] = 0;
        for (int i = 0; i <= 3 * k; i++) {
            const real n = (real)i;
            next[i + 1] += u[i] * (n / 2 + 1 / (8 * (n + 1)));
            next[i + 3] -= u[i] * (n / 2 + 5 / (8 * (n + 3)));
        }
        scale /= v;
        real value = 0;
        for (int i = 3 * k + 3; i >= 0; i--) {
            u[i] = next[i];
            value = value * p + u[i];
        }
        sum += value * scale;
        if (fabsl(value * scale) < 1e-20L)
            break;
    }
    return v * (root + logl(z / (1 + root))) - 0.5L * (PPL__LOG_TWO_PI + logl(v)) -
           0.5L * logl(root) + log1pl(sum);
}

double ppl_maths_log_bessel_i(double v, double x)
{
    if (!(v >= 0 && x >= 0 && v < INFINITY))
        return NAN;
    if (x == 0 || isinf(x))
        return isinf(x) ? x : v == 0 ? 0 : -INFINITY;
    if (v >= 40)
        return (double)log_uniform(v, x);
    return (double)(x > 40 && x > v * v / 2 ? log_far(v, x) : log_by_series(v, x));
}

/* Gauss and Legendre's rule of 20 points, by Newton's method on the polynomial. */
static real gauss(real low, real high, real h)
{
    enum { N = 20 };
    real sum = 0;
    for (int i = 0; i < N; i++) {
        real t = cosl(PPL__PI * ((real)i + 0.75L) / (N + 0.5L)), slope = 1;
        for (int k = 0; k < 8; k++) {
            real here = t, before = 1;
            for (int n = 2; n <= N; n++) {
                const real odd = 2 * (real)n - 1;
                const real next = (odd * t * here - (real)(n - 1) * before) / (real)n;
                before = here;
                here = next;
            }
            slope = N * (t * here - before) / (t * t - 1);
            t -= here / slope;
        }
        const real x = low + (high - low) * (t + 1) / 2;
        sum += 2 / ((1 - t * t) * slope * slope) * expl(-h * h * x * x / 2) / (1 + x * x);
    }
    return sum * (high - low) / 2;
}

/* T(h, a) for h, a >= 0. */
static real owens_t(real h, real a)
{
    if (isinf(h))
        return 0;
    if (a <= 1) {
        /* Beyond 14 / h the integrand is below 1e-42 of its first value. */
        const real end = h * a > 14 ? 14 / h : a;
        real sum = 0;
        for (int k = 0; k < 4; k++)
            sum += gauss(end * (real)k / 4, end * (real)(k + 1) / 4, h);
        return sum * expl(-h * h / 2) / (2 * PPL__PI);
    }
    /* T(h, a) + T(a h, 1/a) = (Q(h) + Q(a h)) / 2 - Q(h) Q(a h), Q the upper tail. */
    const real q = erfcl(h / sqrtl(2)) / 2;
    const real r = isinf(a) && h == 0 ? 0 : erfcl(a * h / sqrtl(2)) / 2;
    return (q + r) / 2 - q * r - (isinf(a) ? 0 : owens_t(a * h, 1 / a));
}

double ppl_maths_owens_t(double h, double a)
{
    if (isnan(h) || isnan(a))
        return NAN;
    const real t = owens_t(fabsl((real)h), fabsl((real)a));
    return (double)(a < 0 ? -t : t);
}
