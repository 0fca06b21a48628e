/* SPDX-License-Identifier: MIT */
/*
 * langevin.h - the Langevin function L(h) = coth h - 1/h, its integral and derivatives,
 * by their series (of Bernoulli numbers) where the closed forms cancel.
 */
#ifndef KILN_LANGEVIN_H
#define KILN_LANGEVIN_H

#include <math.h>

/* The sum of c_n weight(n) h^(2n) over n >= 1, L(h) = sum of c_n h^(2n-1); which weight by
 * the order of differentiation: -1 is the integral from 0. |h| <= 1/2. */
static inline double ppl__langevin_series(int order, double h)
{
    static const double c[] = {
        1.0 / 3, -1.0 / 45, 2.0 / 945, -1.0 / 4725, 2.0 / 93555, -1382.0 / 638512875,
        4.0 / 18243225, -2.22146087899796791e-8, 2.25078465168089929e-9,
        -2.28051512045921829e-10
    };
    double sum = 0;
    for (int n = 10; n > 0; n--) {
        const double k = 2 * n - 1;
        const double weight = order < 0 ? 1 / (k + 1) : order == 0 ? 1
                              : order == 1 ? k : k * (k - 1);
        sum = (sum + c[n - 1] * weight) * h * h;
    }
    return sum;
}

/* log(sinh h / h). */
static inline double ppl__log_sinhc(double h)
{
    const double a = fabs(h);
    return a <= 0.5 ? ppl__langevin_series(-1, h) : a - log(2 * a) + log1p(-exp(-2 * a));
}

static inline double ppl__langevin(double h)
{
    if (h == 0)
        return 0;
    return fabs(h) <= 0.5 ? ppl__langevin_series(0, h) / h : 1 / tanh(h) - 1 / h;
}

static inline double ppl__langevin_slope(double h)
{
    const double s = fabs(h) < 300 ? sinh(h) : INFINITY;
    if (h == 0)
        return 1.0 / 3;
    return fabs(h) <= 0.5 ? ppl__langevin_series(1, h) / (h * h)
                          : 1 / (h * h) - 1 / (s * s);
}

static inline double ppl__langevin_curvature(double h)
{
    const double s = fabs(h) < 300 ? sinh(h) : INFINITY;
    if (h == 0)
        return 0;
    return fabs(h) <= 0.5 ? ppl__langevin_series(2, h) / (h * h * h)
                          : 2 / (tanh(h) * s * s) - 2 / (h * h * h);
}

#endif
