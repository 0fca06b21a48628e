/* SPDX-License-Identifier: MIT */
/*
 * counts_fit.h - whether draws of integers fit a distribution of one integer: chi-square
 * over bins of its masses.
 */
#ifndef KILN_TESTS_COUNTS_FIT_H
#define KILN_TESTS_COUNTS_FIT_H

#include <kiln/distributions.h>

#include "statistics.h"

#include <check.h>

enum { COUNTS_EXPECTED = 16 };          /* draws in a bin, at least */

/* The expected numbers of `draws` at the integers low .. low + n - 1; to be freed. */
static inline double *expected_counts(ppl_dist *d, int draws, double low, int n)
{
    double *mass = malloc((size_t)n * sizeof *mass);
    int64_t *value = malloc((size_t)n * sizeof *value);
    for (int k = 0; k < n; k++)
        value[k] = (int64_t)low + k;
    ppl_tensor *at = ppl_wrap(d->ctx, PPL_I64, PPL_SHAPE(n), value);
    ck_assert_int_eq(ppl_read(ppl_exp(ppl_log_prob(d, at)), mass, n), n);
    for (int k = 0; k < n; k++)
        mass[k] *= draws;
    free(value);
    return mass;
}

/* The probability of a worse fit of draws x from low to high: neighbours share a bin
 * until it expects COUNTS_EXPECTED draws; what lies beyond all is in the last. */
static inline double counts_fit(ppl_dist *d, int draws, const double *x, double low,
                                double high)
{
    int n = (int)(high - low) + 1, bins = 1;
    double *mass = expected_counts(d, draws, low, n);
    double *drawn = calloc((size_t)n, sizeof *drawn);
    double *count = calloc((size_t)n, sizeof *count), rest = draws;
    double *expected = calloc((size_t)n, sizeof *expected);
    for (int i = 0; i < draws; i++)
        drawn[(int)(x[i] - low)]++;
    for (int k = 0; k < n; k++) {
        if (expected[bins - 1] >= COUNTS_EXPECTED && rest >= COUNTS_EXPECTED)
            bins++;
        expected[bins - 1] += mass[k];
        count[bins - 1] += drawn[k];
        rest -= mass[k];
    }
    expected[bins - 1] += rest;
    double p = chi_square_probability(count, expected, bins);
    free(mass);
    free(drawn);
    free(count);
    free(expected);
    return p;
}

#endif
