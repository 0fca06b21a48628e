/* SPDX-License-Identifier: MIT */
/*
 * serve.h - how bench/run.sh measures a program among its peers: the program prints a line
 * of JSON about itself, then works once for each line that it reads and prints the
 * measures as one line of JSON (the peers' side: peers/serve.py). So all of a comparison
 * run in turns, each with its set-up behind it.
 */
#ifndef KILN_BENCH_SERVE_H
#define KILN_BENCH_SERVE_H

#include <kiln.h>

#include <stdio.h>
#include <sys/resource.h>

/* Begins a line of measures: serve_measure(first = 1, ...), ..., serve_end(). */
static inline void serve_measure(int *count, const char *name, double value)
{
    printf("%s\"%s\": %.9g", (*count)++ > 0 ? ", " : "{", name, value);
}

static inline void serve_about(int threads, const char *of)
{
    printf("{\"program\": \"kiln\", \"version\": \"%s\", \"threads\": %d, \"of\": \"%s\"}\n",
           PPL_VERSION, threads, of);
    fflush(stdout);
}

/* 1 while another round is asked for. */
static inline int serve_next(void)
{
    int c;

    while ((c = getchar()) != EOF && c != '\n')
        ;
    return c == '\n';
}

static inline void serve_end(int *count)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    serve_measure(count, "peak resident memory, MB", (double)usage.ru_maxrss / 1024);
    printf("}\n");
    fflush(stdout);
    *count = 0;
}

#endif
