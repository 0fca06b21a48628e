/* SPDX-License-Identifier: MIT */
/*
 * statistics.h - distribution functions and tests of fit, for tests of samplers. Written
 * from the textbook formulas, apart from the library.
 */
#ifndef KILN_TESTS_STATISTICS_H
#define KILN_TESTS_STATISTICS_H

#include <math.h>
#include <stdlib.h>

/* P(a,x), the regularised lower incomplete gamma function: series, or Lentz's continued
 * fraction (Numerical Recipes, 6.2). */
static inline double gamma_p(double a, double x)
{
    double scale = exp(a * log(x) - x - lgamma(a)), sum = 1 / a, term = sum;
    if (!(x > 0))
        return 0;
    if (x < a + 1) {
        for (int n = 1; n < 100000 && term > 1e-17 * sum; n++)
            sum += term *= x / (a + n);
        return sum * scale;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int n = 1; n < 100000; n++) {
        double an = -n * (n - a), step;
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        h *= step = c * d;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return 1 - scale * h;
}

/* I_x(a,b), the regularised incomplete beta function (Numerical Recipes, 6.4). */
static inline double beta_i(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x > 0;
    if (x > (a + 1) / (a + b + 2))
        return 1 - beta_i(b, a, 1 - x);
    double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), step;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        h *= c * d;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        h *= step = c * d;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h / a *
           exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
}

/* Sorts n numbers from 0 to 1 that are about uniform: in buckets, then by insertion. */
static inline void sort_uniforms(double *u, int n)
{
    int *start = calloc((size_t)n + 1, sizeof *start);
    double *sorted = malloc((size_t)n * sizeof *sorted);
    for (int i = 0; i < n; i++)
        start[u[i] < 1 ? (int)(u[i] * n) + 1 : n]++;
    for (int i = 0; i < n; i++)
        start[i + 1] += start[i];
    for (int i = 0; i < n; i++)
        sorted[start[u[i] < 1 ? (int)(u[i] * n) : n - 1]++] = u[i];
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && u[k - 1] > sorted[i]; k--)
            u[k] = u[k - 1];
        u[k] = sorted[i];
    }
    free(start);
    free(sorted);
}

/* Probability of a Kolmogorov-Smirnov distance at least as large as that of n numbers
 * (which are sorted) from a uniform distribution; 0 if one is not from 0 to 1. */
static inline double ks_probability(double *u, int n)
{
    double distance = 0, root = sqrt(n), p = 0;
    for (int i = 0; i < n; i++)
        if (!(u[i] >= 0 && u[i] <= 1))
            return 0;
    sort_uniforms(u, n);
    for (int i = 0; i < n; i++)
        distance = fmax(distance, fmax(u[i] - (double)i / n, (double)(i + 1) / n - u[i]));
    double lambda = (root + 0.12 + 0.11 / root) * distance;
    for (int j = 1; j <= 100; j++)
        p += (j % 2 ? 2 : -2) * exp(-2 * j * j * lambda * lambda);
    return lambda < 0.2 ? 1 : p;
}

/* Probability of a chi-square statistic at least as large, of `count` outcomes; those of
 * expected number 0 must not have occurred. */
static inline double chi_square_probability(const double *observed,
                                            const double *expected, int count)
{
    double chi = 0;
    int freedom = -1;
    for (int k = 0; k < count; k++) {
        if (expected[k] > 0) {
            chi += (observed[k] - expected[k]) * (observed[k] - expected[k]) /
                   expected[k];
            freedom++;
        } else if (observed[k] > 0) {
            return 0;
        }
    }
    return freedom > 0 ? 1 - gamma_p(freedom / 2.0, chi / 2) : 1;
}

/* Mean and standard error of the mean of n values. */
typedef struct mean_error {
    double mean, error;
} mean_error;

static inline mean_error mean_of(const double *value, int n)
{
    double sum = 0, square = 0;
    for (int i = 0; i < n; i++)
        sum += value[i];
    for (int i = 0; i < n; i++)
        square += (value[i] - sum / n) * (value[i] - sum / n);
    return (mean_error){ sum / n, sqrt(square / ((double)n * (n - 1))) };
}

#endif
