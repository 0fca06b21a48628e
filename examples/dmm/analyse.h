/* SPDX-License-Identifier: MIT */
/* What a trained Deep Markov Model has to show: the importance-sampled NLL, the terms and
 * the reconstruction of one piece, a generated piece, and the variance of the gradient
 * under both ELBOs. Functions return 0, or -1 with `error` filled.
 */
#ifndef DMM_ANALYSE_H
#define DMM_ANALYSE_H

#include "train.h"

/* Negative log-likelihood of a split in nats per time step: for each sequence, `samples`
 * draws of the guide, -log of the mean of p(x,z)/q(z|x) (Krishnan et al. 2017, section 5;
 * the estimate is above the true value in expectation). */
int importance_nll(trainer *t, int split, int samples, double *nll, char *error,
                   size_t size);

/* One sequence under one draw of the guide. */
typedef struct {
    int length;
    double *kl;             /* [length]: KL(q || p) of z_t, nats */
    double *reconstruction; /* [length]: -log p(x_t | z_t), nats */
    float *probability;     /* [length, KEYS]: of each key, given z_t */
} piece_terms;

int analyse_piece(trainer *t, int split, int index, piece_terms *terms, char *error,
                  size_t size);
void piece_terms_free(piece_terms *terms);

/* What the ledgers of both ELBOs say of one sequence after LEDGER_DRAWS draws of the guide:
 * per time step the mean and the variance of a site's term, in nats. */
typedef struct {
    char label[64];          /* "z: analytic KL (meanfield)" */
    double *mean, *variance; /* [length]; NaN where the site has another estimator */
} site_terms;

enum { LEDGER_DRAWS = 200, SITES_MAX = 6 };

typedef struct {
    int length, count;
    site_terms sites[SITES_MAX];
} piece_ledger;

int analyse_ledger(trainer *t, int split, int index, piece_ledger *ledger, char *error,
                   size_t size);
void piece_ledger_free(piece_ledger *ledger);

/* A piece drawn from the model. `piece->slices` is the caller's to free. */
int generate_piece(trainer *t, int length, chorale *piece, char *error, size_t size);

/* Variance of the gradient, summed over the elements of a group of parameters. */
typedef struct {
    char name[32];          /* "emitter", "trans", "combiner", "rnn", "z_0", ... */
    int64_t count;          /* parameters in the group */
    double trace, meanfield;
} group_variance;

enum { GROUPS_MAX = 16, VARIANCE_DRAWS = 500 };

/* Both estimators at the weights of `t`, one minibatch, VARIANCE_DRAWS draws each. */
int gradient_variance(trainer *t, group_variance groups[GROUPS_MAX], int *count, char *error,
                      size_t size);

#endif
