/* SPDX-License-Identifier: MIT */
/* Training the Deep Markov Model by Pyro's protocol: a random order of the sequences in
 * each epoch, minibatches sorted by length, the KL annealed linearly per minibatch,
 * ClippedAdam. Everything random is keyed by seed, epoch and step, so a run that was
 * killed and resumed gives the losses of the uninterrupted one, bit for bit.
 *
 *     trainer *t = trainer_new(&options, &data, ELBO_MEANFIELD, error, sizeof error);
 *     while (t->epoch < options.epochs && trainer_epoch(t, &stop, error, size) == 0) ...
 *     trainer_free(t);
 */
#ifndef DMM_TRAIN_H
#define DMM_TRAIN_H

#include "data.h"
#include "dmm.h"
#include "options.h"

#include <signal.h>

/* One row of the log; NAN for what was not measured in that epoch. */
typedef struct {
    int epoch;         /* finished */
    double seconds;    /* of training so far, without evaluation */
    double kl_weight;  /* of the last minibatch */
    double train_bound, valid_bound, test_bound; /* nats per time step */
    double grad_norm;  /* mean over the minibatches */
} log_row;

typedef struct {
    const options *options;
    const chorales *data;
    elbo_choice choice;
    ppl_ctx *ctx;
    ppl_elbo *elbo, *evaluation_elbo;
    ppl_svi *svi, *evaluation;
    dmm_dims dims;
    batch *batch;
    int shards;        /* of a minibatch in training, where it has as many sequences */
    batch *shard[MOST_SHARDS]; /* [shards], where there are several */
    int *order;        /* [sequences] of the current epoch */
    int *semitones;    /* [sequences]: how far each is transposed in it */
    int minibatches;
    /* where training stands */
    int epoch, minibatch;
    double loss_sum, norm_sum; /* over the minibatches of this epoch */
    double seconds;
    int averaged;      /* epochs whose weights are in the mean */
    int shows_average; /* the mean is in the weights' place */
    log_row *log;      /* [epochs] */
    int rows;
} trainer;

const char *elbo_text(elbo_choice choice); /* "meanfield", "trace", "both" */

trainer *trainer_new(const options *o, const chorales *data, elbo_choice choice,
                     char *error, size_t size);
void trainer_free(trainer *t);

/* Trains to the end of the epoch and appends its row to the log; 1 if *stop was set (the
 * step is finished, the epoch is not), -1 on error. */
int trainer_epoch(trainer *t, const volatile sig_atomic_t *stop, char *error, size_t size);

/* A minibatch as the model sees it. */
dmm_batch trainer_view(const trainer *t, const batch *b, double kl_weight);

/* Puts the mean of the weights in their place, where there is one: for all that is done with
 * the model after training. A checkpoint is saved before. */
int trainer_use_average(trainer *t, char *error, size_t size);

/* The bound of a split at KL weight 1 in nats per time step, one sample per sequence, of
 * the mean of the weights where there is one; 0, or -1. Training is not disturbed. */
int trainer_bound(trainer *t, int split, double *bound, char *error, size_t size);

/* Bounds of the valid and test split into the newest row of the log. */
int trainer_evaluate(trainer *t, char *error, size_t size);

/* The checkpoint holds parameters, moments, random state and where training stands. */
int trainer_save(const trainer *t, const char *path, char *error, size_t size);
int trainer_resume(trainer *t, const char *path, char *error, size_t size);

/* The log as CSV; reading keeps the rows of finished epochs and tolerates no other file. */
int trainer_write_log(const trainer *t, const char *path, char *error, size_t size);
int trainer_read_log(trainer *t, const char *path, char *error, size_t size);

#endif
