/* SPDX-License-Identifier: MIT */
/*
 * rnn.c - Elman recurrent layers, as torch.nn.RNN and RNNCell:
 * h_t = activation(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh).
 */
#include "recurrent.h"

int ppl__rnn_cell_of(ppl_ctx *c, const char *name, ppl_activation activation)
{
    if (activation == PPL_RELU)
        return PPL__RNN_RELU;
    if (activation == PPL_TANH)
        return PPL__RNN_TANH;
    ppl_fail(c, PPL_EINVAL, "rnn %s: its activation is neither PPL_RELU nor PPL_TANH",
             name ? name : "(NULL)");
    return -1;
}

ppl_tensor *ppl_nn_rnn_cell(ppl_ctx *c, const char *name, ppl_tensor *x, ppl_tensor *h,
                            ppl_activation activation)
{
    const int cell = ppl__rnn_cell_of(c, name, activation);
    ppl__cell_weights w;
    if (cell < 0 || !ppl__cell_params(c, name, (ppl__cell)cell, x, h, &w))
        return NULL;
    ppl_tensor *sum = ppl_add(ppl_linear(x, w.weight_ih, w.bias_ih, PPL_IDENTITY),
                              ppl_linear(h, w.weight_hh, w.bias_hh, PPL_IDENTITY));
    return activation == PPL_RELU ? ppl_relu(sum) : ppl_tanh(sum);
}

ppl_tensor *ppl_nn_rnn(ppl_ctx *c, const char *name, ppl_tensor *x,
                       const ppl_ragged *ragged, const ppl_rnn_opts *opts)
{
    const int cell = opts ? ppl__rnn_cell_of(c, name, opts->activation) : PPL__RNN_TANH;
    return cell < 0 ? NULL : ppl__recurrent(c, name, (ppl__cell)cell, x, ragged, opts);
}
