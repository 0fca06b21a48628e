/* SPDX-License-Identifier: MIT */
/* round_trip.c - two threads that answer each other through two lines of the cache. */
#include "round_trip.h"

#include "bench.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum { TRIPS = 5000, TIMES = 20 };

static struct {
    _Alignas(64) _Atomic int asked;
    _Alignas(64) _Atomic int answered;
} lines;

static void await(const _Atomic int *line, int value)
{
    while (atomic_load_explicit(line, memory_order_acquire) != value)
        ;
}

static void *answer(void *unused)
{
    for (int i = 1; i <= TRIPS * TIMES; i++) {
        await(&lines.asked, i);
        atomic_store_explicit(&lines.answered, i, memory_order_release);
    }
    return unused;
}

double round_trip(void)
{
    double least = INFINITY;
    pthread_t other;

    atomic_store(&lines.asked, 0);
    atomic_store(&lines.answered, 0);
    if (pthread_create(&other, NULL, answer, NULL) != 0)
        return NAN;
    for (int k = 0; k < TIMES; k++) {
        const double start = bench_now();

        for (int i = k * TRIPS + 1; i <= (k + 1) * TRIPS; i++) {
            atomic_store_explicit(&lines.asked, i, memory_order_release);
            await(&lines.answered, i);
        }
        least = fmin(least, (bench_now() - start) / TRIPS);
    }
    pthread_join(other, NULL);
    return least;
}
