/* SPDX-License-Identifier: MIT */
/* The command line of the example.
 *
 *     options o;
 *     if (options_parse(&o, argc, argv, error, sizeof error) != 0) ... exit status 2
 *     if (o.help)
 *         options_print_help(stdout, "dmm");
 *
 * The defaults are those of Pyro's examples/dmm.py 1.9.1. Nothing is printed except by
 * options_print_help. Not for several threads at once: getopt_long keeps global state.
 */
#ifndef DMM_OPTIONS_H
#define DMM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { ELBO_MEANFIELD, ELBO_TRACE, ELBO_BOTH } elbo_choice;

/* Every option, for options.given. */
enum {
    OPTION_DATA, OPTION_ELBO, OPTION_EPOCHS, OPTION_BATCH, OPTION_SEED, OPTION_THREADS,
    OPTION_SHARDS, OPTION_Z_DIM, OPTION_EMISSION_DIM, OPTION_TRANSITION_DIM, OPTION_RNN_DIM,
    OPTION_NUM_IAFS, OPTION_IAF_DIM, OPTION_LR, OPTION_LR_DECAY, OPTION_CLIP_VALUE,
    OPTION_WEIGHT_DECAY, OPTION_ANNEAL_EPOCHS, OPTION_MIN_ANNEAL, OPTION_AVERAGE_FROM,
    OPTION_TRANSPOSE, OPTION_DROPOUT, OPTION_EVAL_EVERY, OPTION_IS_SAMPLES,
    OPTION_CHECKPOINT, OPTION_RESUME, OPTION_LOG, OPTION_PICTURES, OPTION_MIDI,
    OPTION_GENERATE, OPTION_QUIET, OPTION_HELP, OPTION_COUNT
};

enum { MOST_SHARDS = 64 };

/* Texts point into argv, NULL where the option is absent. */
typedef struct {
    const char *data;       /* JSON file; NULL: synthetic chorales */
    int elbo;               /* an elbo_choice */
    int epochs, batch;
    uint64_t seed;
    int threads;            /* of each context */
    int shards;             /* of a minibatch in training; 0: one a thread */
    int z_dim, emission_dim, transition_dim, rnn_dim, num_iafs, iaf_dim;
    double lr, lr_decay, clip_value, weight_decay; /* as in ppl_optim_opts */
    int anneal_epochs;      /* 0: no annealing */
    double min_anneal;      /* in (0, 1] */
    int average_from;       /* epoch; 0: no averages */
    int transpose;          /* semitones; 0: as the data is */
    double dropout;         /* of the model's hidden units, in [0, 1) */
    int eval_every;         /* epochs */
    int is_samples;         /* 0: no importance-sampled NLL */
    const char *checkpoint; /* file */
    bool resume;
    const char *log;        /* CSV file */
    const char *pictures;   /* folder */
    const char *midi;       /* file */
    int generate;           /* time steps */
    bool quiet, help;
    bool given[OPTION_COUNT]; /* was the option on the command line? */
} options;

/* Fills `o` from the command line (argv may be reordered). --help ends the reading. On
 * failure the sentence names option, value and what is accepted. */
int options_parse(options *o, int argc, char **argv, char *error, size_t size);

/* Each option with its meaning, unit, range and default. */
void options_print_help(FILE *file, const char *program);

#endif
