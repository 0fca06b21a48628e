/* SPDX-License-Identifier: MIT */
/*
 * dmm.c - seconds per epoch of the Deep Markov Model on chorales, at the example's default
 * sizes or any other (the example's options), and the peak memory. Both ELBOs, their epochs
 * interleaved; median, minimum and maximum over --epochs (default 7) after one to warm up.
 *
 *     OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 bench/dmm --data FILE
 */
#include "bench.h"
#include "train.h"

#include <string.h>
#include <sys/resource.h>

enum { MOST = 100 };

int main(int argc, char **argv)
{
    static const volatile sig_atomic_t never;
    static const elbo_choice choice[2] = { ELBO_MEANFIELD, ELBO_TRACE };
    double seconds[2][MOST];
    struct rusage usage;
    trainer *t[2] = { NULL, NULL };
    chorales data;
    options o;
    char error[ERROR_SIZE];
    int epochs, status = 1;

    if (options_parse(&o, argc, argv, error, sizeof error) != 0 || o.data == NULL ||
        chorales_load(&data, o.data, error, sizeof error) != 0) {
        fprintf(stderr, "bench/dmm: %s\n", o.data == NULL ? "give --data FILE" : error);
        return 2;
    }
    epochs = o.given[OPTION_EPOCHS] && o.epochs < MOST ? o.epochs : 7;
    o.epochs = epochs + 1;
    for (int i = 0; i < 2; i++)
        if ((t[i] = trainer_new(&o, &data, choice[i], error, sizeof error)) == NULL)
            goto done;
    for (int epoch = 0; epoch <= epochs; epoch++)
        for (int i = 0; i < 2; i++) {
            double before = t[i]->seconds;

            if (trainer_epoch(t[i], &never, error, sizeof error) != 0)
                goto done;
            if (epoch > 0)
                seconds[i][epoch - 1] = t[i]->seconds - before;
        }
    printf("z %d, emission %d, transition %d, rnn %d, batch %d, f32, one thread\n", o.z_dim,
           o.emission_dim, o.transition_dim, o.rnn_dim, o.batch);
    bench_report("epoch, mean-field ELBO", seconds[0], epochs, 1, "s");
    bench_report("epoch, trace ELBO", seconds[1], epochs, 1, "s");
    getrusage(RUSAGE_SELF, &usage);
    printf("%-46s %10.1f MB (two trainers and the data)\n", "peak resident memory",
           (double)usage.ru_maxrss / 1024);
    status = 0;
done:
    if (status != 0)
        fprintf(stderr, "bench/dmm: %s\n", error);
    trainer_free(t[0]);
    trainer_free(t[1]);
    chorales_free(&data);
    return status;
}
