/* SPDX-License-Identifier: MIT */
/* bench.h - what the benchmarks share: a clock, and the median of repeated timings. */
#ifndef KILN_BENCH_H
#define KILN_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the timings and prints "what: median (min .. max) unit". Returns the median. */
static inline double bench_report(const char *what, double *seconds, int count, double scale,
                                  const char *unit)
{
    qsort(seconds, (size_t)count, sizeof *seconds, bench_compare);
    printf("%-46s %10.2f  (%.2f .. %.2f) %s\n", what, scale * seconds[count / 2],
           scale * seconds[0], scale * seconds[count - 1], unit);
    return seconds[count / 2];
}

#endif
