/* SPDX-License-Identifier: MIT */
/* The Deep Markov Model of Krishnan, Shalit and Sontag (AAAI 2017, arXiv 1609.09869) with
 * the architecture and initial values of Pyro's examples/dmm.py:
 *
 *     z_t ~ Normal(gated transition of z_{t-1})        [n_t, Z]
 *     x_t ~ Bernoulli(emitter(z_t))                    [n_t, X]
 *     guide: z_t ~ Normal(combiner(z_{t-1}, h_t))      h_t: an RNN over x_T .. x_t
 *
 * or, with iafs > 0, that Normal through as many inverse autoregressive flows.
 *
 * Sequences are packed by time, longest first; n_t of them still run at step t, so no
 * work is spent on padding.
 */
#ifndef DMM_DMM_H
#define DMM_DMM_H

#include <kiln.h>

typedef struct {
    int x_dim, z_dim, emission_dim, transition_dim, rnn_dim;
    int iafs, iaf_dim; /* flows of the guide, 0 to DMM_MOST_IAFS; their hidden units */
} dmm_dims;

enum { DMM_MOST_IAFS = 8 };

/* What model and guide see of a minibatch. */
typedef struct {
    dmm_dims dims;
    int steps;         /* T */
    const int *active; /* [T]: n_t, never increasing */
    const int *offset; /* [T]: first row of step t */
    int rows;          /* sum of n_t */
    const void *x;     /* [rows, X] in the context's dtype; NULL: the model draws x */
    double kl_weight;  /* of the z sites in both, > 0 */
    double dropout;    /* of the model's hidden units, in [0, 1): 0 but in training */
} dmm_batch;

/* Sites z[t] (latent) and x[t] (observed, or latent where x is NULL). arg: dmm_batch. */
void dmm_model(ppl_ctx *c, const void *arg);
void dmm_guide(ppl_ctx *c, const void *arg);

#endif
