/* SPDX-License-Identifier: MIT */
/*
 * dmm.c - seconds per epoch of the Deep Markov Model on chorales, at the example's default
 * sizes or any other (the example's options), beside the floor: the same matrix products
 * and nothing else (floor.h). Both ELBOs and the floor, their epochs interleaved; median,
 * minimum and maximum over --epochs (default 7) after two to warm up. With --threads N all
 * of it on as many, and the round trip between two cores, on which splitting depends. With
 * --log FILE the products by shape.
 *
 *     OPENBLAS_NUM_THREADS=1 bench/dmm [--serve] --data FILE
 *
 * With --serve, one epoch of each for each line read (serve.h).
 */
#include "bench.h"
#include "floor.h"
#include "round_trip.h"
#include "serve.h"
#include "train.h"

#include <string.h>
#include <sys/resource.h>

enum { MOST = 100, WARM = 2 };

typedef struct bench {
    trainer *trainer[2];
    gemm_floor *floor;
    double seconds[3][MOST];        /* of the ELBOs, of the floor */
} bench;

static const elbo_choice choice[2] = { ELBO_MEANFIELD, ELBO_TRACE };

static int run_epoch(trainer *t, double *seconds, char *error, size_t size)
{
    static const volatile sig_atomic_t never;
    double before = t->seconds;

    t->rows = 0;                    /* served, it runs more epochs than its log has room for */
    if (trainer_epoch(t, &never, error, size) != 0)
        return -1;
    *seconds = t->seconds - before;
    return 0;
}

/* The second epoch of the first trainer is recorded, of whole minibatches: its parameters are
 * in place. */
static int warm_up(bench *b, char *error, size_t size)
{
    const int shards = b->trainer[0]->shards;
    double unused;

    for (int i = 0; i < 2; i++)
        if (run_epoch(b->trainer[i], &unused, error, size) != 0)
            return -1;
    b->floor = floor_record(b->trainer[0]->ctx);
    b->trainer[0]->shards = 1;
    for (int i = 0; i < 2; i++)
        if (run_epoch(b->trainer[i], &unused, error, size) != 0)
            return -1;
    b->trainer[0]->shards = shards;
    if (b->floor == NULL || floor_finish(b->floor) != 0)
        return failure(error, size, "the floor cannot be measured: out of memory");
    return 0;
}

static int measure(bench *b, int epochs, char *error, size_t size)
{
    for (int epoch = 0; epoch < epochs; epoch++) {
        for (int i = 0; i < 2; i++)
            if (run_epoch(b->trainer[i], &b->seconds[i][epoch], error, size) != 0)
                return -1;
        b->seconds[2][epoch] = floor_run(b->floor);
    }
    return 0;
}

/* One epoch of each whenever a line is read. */
static int serve(bench *b, int threads, char *error, size_t size)
{
    char of[80];

    snprintf(of, sizeof of, "two trainers (mean-field, trace) and the floor, f32, shards: %d",
             b->trainer[0]->shards);
    serve_about(threads, of);
    while (serve_next()) {
        int measures = 0;

        if (measure(b, 1, error, size) != 0)
            return -1;
        serve_measure(&measures, "epoch, s", b->seconds[0][0]);
        serve_measure(&measures, "epoch of the trace ELBO, s", b->seconds[1][0]);
        serve_measure(&measures, "the matrix products alone, s", b->seconds[2][0]);
        if (threads > 1)
            serve_measure(&measures, "round trip between two cores, ns", 1e9 * round_trip());
        serve_end(&measures);
    }
    return 0;
}

static void report(bench *b, const options *o, int epochs)
{
    double gflop = floor_gflop(b->floor), median[3];

    printf("z %d, emission %d, transition %d, rnn %d, batch %d, f32, threads %d, "
           "shards %d\n", o->z_dim, o->emission_dim, o->transition_dim, o->rnn_dim, o->batch,
           o->threads, b->trainer[0]->shards);
    median[0] = bench_report("epoch, mean-field ELBO", b->seconds[0], epochs, 1, "s");
    median[1] = bench_report("epoch, trace ELBO", b->seconds[1], epochs, 1, "s");
    median[2] = bench_report("floor: the matrix products alone", b->seconds[2], epochs, 1,
                             "s");
    printf("%-46s %10.1f GFLOP, %.1f GF/s\n", "", gflop, gflop / median[2]);
    printf("%-46s %10.2f and %.2f (of the minima %.2f and %.2f)\n", "times the floor",
           median[0] / median[2], median[1] / median[2],
           b->seconds[0][0] / b->seconds[2][0], b->seconds[1][0] / b->seconds[2][0]);
    if (o->threads > 1)
        printf("%-46s %10.0f ns\n", "round trip between two cores", 1e9 * round_trip());
}

int main(int argc, char **argv)
{
    static bench b;
    chorales data;
    options o;
    char error[ERROR_SIZE];
    struct rusage usage;
    FILE *log;
    const int serving = argc > 1 && strcmp(argv[1], "--serve") == 0;
    int epochs, status = 1;

    if (options_parse(&o, argc - serving, argv + serving, error, sizeof error) != 0 ||
        o.data == NULL || chorales_load(&data, o.data, error, sizeof error) != 0) {
        fprintf(stderr, "bench/dmm: %s\n", o.data == NULL ? "give --data FILE" : error);
        return 2;
    }
    epochs = o.given[OPTION_EPOCHS] && o.epochs < MOST ? o.epochs : 7;
    o.epochs = epochs + WARM;
    for (int i = 0; i < 2; i++)
        if ((b.trainer[i] = trainer_new(&o, &data, choice[i], error, sizeof error)) == NULL)
            goto done;
    if (warm_up(&b, error, sizeof error) != 0)
        goto done;
    if (serving) {
        status = serve(&b, o.threads, error, sizeof error) != 0;
        goto done;
    }
    if (measure(&b, epochs, error, sizeof error) != 0)
        goto done;
    report(&b, &o, epochs);
    getrusage(RUSAGE_SELF, &usage);
    printf("%-46s %10.1f MB (two trainers, the floor and the data)\n", "peak resident memory",
           (double)usage.ru_maxrss / 1024);
    if (o.log != NULL && (log = fopen(o.log, "w")) != NULL) {
        floor_print(b.floor, log);
        fclose(log);
    }
    status = 0;
done:
    if (status != 0)
        fprintf(stderr, "bench/dmm: %s\n", error);
    floor_free(b.floor);
    trainer_free(b.trainer[0]);
    trainer_free(b.trainer[1]);
    chorales_free(&data);
    return status;
}
