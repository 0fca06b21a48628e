/* SPDX-License-Identifier: MIT */
/*
 * growth.c - seconds per epoch of the Deep Markov Model against the length of the
 * sequences, their number in a batch, the width of the networks and the number of threads,
 * a shard each (as far as the machine has processors), one of them varied at a time; as a
 * table, and with --log FILE as a picture (SVG). 80 sequences of random notes; the example's
 * options set what is not varied. Medians of five epochs after one to warm up.
 *
 *     OPENBLAS_NUM_THREADS=1 bench/growth --log bench/growth.svg
 */
#include "bench.h"
#include "train.h"

#include <math.h>
#include <stdint.h>
#include <unistd.h>

enum { SEQUENCES = 80, LENGTH = 64, REPEATS = 5, POINTS = 5 };
enum { STEPS, BATCH, WIDTH, THREADS, CURVES };

typedef struct curve {
    const char *name;
    int at[POINTS];                 /* ends at a 0 where fewer */
    double seconds[POINTS];
} curve;

static curve curves[CURVES] = {
    [STEPS] = { "time steps", { 16, 32, 64, 128, 256 }, { 0 } },
    [BATCH] = { "batch", { 5, 10, 20, 40, 80 }, { 0 } },
    [WIDTH] = { "width of the RNN, others in proportion", { 75, 150, 300, 600, 1200 },
                { 0 } },
    [THREADS] = { "threads", { 1, 2, 4, 8, 16 }, { 0 } },
};

static int points(const curve *k)
{
    int count = 0;

    while (count < POINTS && k->at[count] > 0)
        count++;
    return count;
}

/* More threads than processors would measure the scheduler. */
static void limit_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    for (int i = 1; i < POINTS; i++)
        if (curves[THREADS].at[i] > processors)
            curves[THREADS].at[i] = 0;
}

/* The same random notes for every run; valid and test are one short sequence each. */
static int draw(chorales *data, int length)
{
    uint64_t state = 1;

    for (int s = 0; s < CHORALES_SPLITS; s++) {
        chorale_split *split = &data->splits[s];

        if (chorale_split_alloc(split, s == CHORALES_TRAIN ? SEQUENCES : 1) != 0)
            return -1;
        for (int i = 0; i < split->count; i++) {
            if (chorale_alloc(&split->pieces[i], length) != 0)
                return -1;
            for (int t = 0; t < length; t++)
                for (int voice = 0; voice < 4; voice++) {
                    state = state * 6364136223846793005u + 1442695040888963407u;
                    slice_add(&split->pieces[i].slices[t], (int)(state >> 33) % KEYS);
                }
        }
    }
    return 0;
}

/* The median of some epochs; negative with the error set. */
static double epoch_seconds(options o, int length, char *error, size_t size)
{
    static const volatile sig_atomic_t never;
    chorales data = { { { 0, NULL } } };
    trainer *t = NULL;
    double seconds[REPEATS], result = -1;

    o.epochs = REPEATS + 1;
    o.lr = 1e-7;                    /* random notes teach nothing: nothing is to diverge */
    if (draw(&data, length) != 0) {
        failure(error, size, "out of memory");
        goto done;
    }
    t = trainer_new(&o, &data, o.elbo, error, size);
    if (t == NULL || trainer_epoch(t, &never, error, size) != 0)
        goto done;
    for (int i = 0; i < REPEATS; i++) {
        double before = t->seconds;

        if (trainer_epoch(t, &never, error, size) != 0)
            goto done;
        seconds[i] = t->seconds - before;
    }
    qsort(seconds, REPEATS, sizeof *seconds, bench_compare);
    result = seconds[REPEATS / 2];
done:
    trainer_free(t);
    chorales_free(&data);
    return result;
}

static options varied(options o, int c, int at, int *length)
{
    *length = c == STEPS ? at : LENGTH;
    if (c == BATCH)
        o.batch = at;
    if (c == THREADS)
        o.threads = at;
    if (c == WIDTH) {
        o.z_dim = o.z_dim * at / o.rnn_dim;
        o.emission_dim = o.emission_dim * at / o.rnn_dim;
        o.transition_dim = o.transition_dim * at / o.rnn_dim;
        o.rnn_dim = at;
    }
    return o;
}

/* Across a panel, 0 to 1, logarithmic. */
static double across(const curve *k, int i)
{
    int last = points(k) - 1;
    double span = log((double)k->at[last] / k->at[0]);

    return last > 0 ? log((double)k->at[i] / k->at[0]) / span : 0;
}

/* Panels side by side, both axes logarithmic. */
static void picture(FILE *out)
{
    const double width = 240, height = 200, low = log10(0.01), high = log10(10);

    fprintf(out, "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='280' "
            "font-family='sans-serif' font-size='11'>\n"
            "<rect width='%d' height='280' fill='white'/>\n"
            "<text x='8' y='16'>seconds per epoch</text>\n", 300 * CURVES + 20,
            300 * CURVES + 20);
    for (int c = 0; c < CURVES; c++) {
        const curve *k = &curves[c];
        double left = 40 + c * 300;

        fprintf(out, "<text x='%.0f' y='268'>%s</text>\n<path fill='none' "
                "stroke='#ccc' d='M%.0f 30v%.0fh%.0f'/>\n<polyline fill='none' "
                "stroke='#06c' stroke-width='2' points='", left, k->name, left, height,
                width);
        for (int i = 0; i < points(k); i++)
            fprintf(out, "%.1f,%.1f ", left + width * across(k, i),
                    30 + height * (high - log10(k->seconds[i])) / (high - low));
        fprintf(out, "'/>\n");
        for (int i = 0; i < points(k); i++)
            fprintf(out, "<text x='%.1f' y='246' text-anchor='middle'>%d</text>\n",
                    left + width * across(k, i), k->at[i]);
        for (double tick = 0.01; tick < 11; tick *= 10)
            fprintf(out, "<text x='%.0f' y='%.1f' text-anchor='end'>%g</text>\n", left - 4,
                    34 + height * (high - log10(tick)) / (high - low), tick);
    }
    fprintf(out, "</svg>\n");
}

int main(int argc, char **argv)
{
    options o;
    char error[ERROR_SIZE];
    FILE *log;

    if (options_parse(&o, argc, argv, error, sizeof error) != 0)
        goto failed;
    limit_threads();
    printf("%d sequences; of %d steps, batch %d, rnn %d where not varied; f32, "
           "threads %d\n", SEQUENCES, LENGTH, o.batch, o.rnn_dim, o.threads);
    for (int c = 0; c < CURVES; c++)
        for (int i = 0; i < points(&curves[c]); i++) {
            int length;
            options v = varied(o, c, curves[c].at[i], &length);

            curves[c].seconds[i] = epoch_seconds(v, length, error, sizeof error);
            if (curves[c].seconds[i] < 0)
                goto failed;
            printf("%-42s %6d %10.3f s\n", curves[c].name, curves[c].at[i],
                   curves[c].seconds[i]);
        }
    if (o.log != NULL && (log = fopen(o.log, "w")) != NULL) {
        picture(log);
        fclose(log);
    }
    return 0;
failed:
    fprintf(stderr, "bench/growth: %s\n", error);
    return 1;
}
