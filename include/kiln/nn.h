/* SPDX-License-Identifier: MIT */
/*
 * kiln/nn.h - layers: functions from tensors to tensors that look up their parameters.
 *
 * Names, layouts and initial values are PyTorch's: ppl_nn_linear(c, "emit", ...) uses the
 * parameters emit.weight [out,in] and emit.bias [out], uniform within 1/sqrt(in), so
 * weights that PyTorch saved as safetensors load by name (kiln/io.h).
 */
#ifndef KILN_NN_H
#define KILN_NN_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* activation(x weight^T + bias): x [..,I] gives [..,out]. */
PPL_API ppl_tensor *ppl_nn_linear(ppl_ctx *c, const char *name, ppl_tensor *x, int64_t out,
                                  ppl_activation activation);
/* `count` linear layers of `sizes`, `activation` between them and none after the last.
 * Named as in torch.nn.Sequential: name.0, name.2, name.4, ... */
PPL_API ppl_tensor *ppl_nn_mlp(ppl_ctx *c, const char *name, ppl_tensor *x,
                               const int64_t *sizes, int count, ppl_activation activation);

/* ---- Recurrent layers -------------------------------------------------------------- */

/* Sequences of unequal length, longest first, packed in order of time: the rows of step t
 * are the active[t] sequences that still run at t. active never increases; a packed
 * tensor has sum of active[t] rows. */
typedef struct ppl_ragged {
    int steps;
    const int *active;
} ppl_ragged;

/* The number of rows; 0 if it is not valid. */
PPL_API int64_t ppl_ragged_rows(const ppl_ragged *r);
/* The rows [active[t], ..] of step t, without a copy. */
PPL_API ppl_tensor *ppl_ragged_step(ppl_tensor *packed, const ppl_ragged *r, int t);

/* One step: x [n,I], h [n,H] or [H] gives [n,H]. Parameters as torch.nn.RNNCell and
 * GRUCell: name.weight_ih, weight_hh, bias_ih, bias_hh (GRU: gates r, z, n, stacked). */
PPL_API ppl_tensor *ppl_nn_rnn_cell(ppl_ctx *c, const char *name, ppl_tensor *x,
                                    ppl_tensor *h, ppl_activation activation);
PPL_API ppl_tensor *ppl_nn_gru_cell(ppl_ctx *c, const char *name, ppl_tensor *x,
                                    ppl_tensor *h);

typedef struct ppl_rnn_opts {
    int64_t hidden;                 /* H > 0 */
    ppl_activation activation;      /* RNN: PPL_RELU or PPL_TANH */
    int reverse;                    /* nonzero: each sequence from its end to its start;
                                       row t of the output still belongs to time t */
    ppl_tensor *h_0;                /* [H] or [active[0],H]; NULL: zeros */
} ppl_rnn_opts;

/* Whole sequences as one operation: x packed [rows,I] gives packed [rows,H]. Parameters
 * as torch.nn.RNN and GRU: name.weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0. */
PPL_API ppl_tensor *ppl_nn_rnn(ppl_ctx *c, const char *name, ppl_tensor *x,
                               const ppl_ragged *ragged, const ppl_rnn_opts *opts);
PPL_API ppl_tensor *ppl_nn_gru(ppl_ctx *c, const char *name, ppl_tensor *x,
                               const ppl_ragged *ragged, const ppl_rnn_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
