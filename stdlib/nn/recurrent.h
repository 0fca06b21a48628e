/* SPDX-License-Identifier: MIT */
/*
 * recurrent.h - what the recurrent layers share: parameters, and one operation that runs
 * a cell over whole ragged sequences.
 */
#ifndef KILN_RECURRENT_H
#define KILN_RECURRENT_H

#include <kiln/nn.h>

typedef enum ppl__cell { PPL__RNN_RELU, PPL__RNN_TANH, PPL__GRU } ppl__cell;

/* Blocks of [H] rows in a cell's weights: 1, or the gates r, z, n. */
static inline int ppl__cell_gates(ppl__cell cell)
{
    return cell == PPL__GRU ? 3 : 1;
}

static inline const char *ppl__cell_name(ppl__cell cell)
{
    return cell == PPL__GRU ? "gru" : "rnn";
}

/* gates x H rows each; from x [..,I] and from the state [..,H]. */
typedef struct ppl__cell_weights {
    ppl_tensor *weight_ih, *weight_hh, *bias_ih, *bias_hh;
} ppl__cell_weights;

/* The cell of an activation, or -1 with an error naming the layer. */
int ppl__rnn_cell_of(ppl_ctx *c, const char *name, ppl_activation activation);

/* 1, or 0 with an error that begins "<what> <name>:". */
int ppl__ragged_check(ppl_ctx *c, const char *what, const char *name,
                      const ppl_tensor *packed, const ppl_ragged *r);

/* The parameters name.weight_ih, ... for one step's x [n,I] and h [n,H] or [H], which are
 * checked; 1, or 0 with an error. */
int ppl__cell_params(ppl_ctx *c, const char *name, ppl__cell cell, ppl_tensor *x,
                     ppl_tensor *h, ppl__cell_weights *w);

/* ppl_nn_rnn and ppl_nn_gru. */
ppl_tensor *ppl__recurrent(ppl_ctx *c, const char *name, ppl__cell cell, ppl_tensor *x,
                           const ppl_ragged *ragged, const ppl_rnn_opts *opts);

#endif
