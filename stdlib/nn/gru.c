/* SPDX-License-Identifier: MIT */
/*
 * gru.c - gated recurrent layers, as torch.nn.GRU and GRUCell (Cho et al. 2014, with the
 * reset gate after the product):
 *
 *     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
 *     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
 *     n = tanh(W_in x + b_in + r (W_hn h + b_hn))
 *     h' = (1 - z) n + z h
 */
#include "recurrent.h"

ppl_tensor *ppl_nn_gru_cell(ppl_ctx *c, const char *name, ppl_tensor *x, ppl_tensor *h)
{
    ppl__cell_weights w;
    if (!ppl__cell_params(c, name, PPL__GRU, x, h, &w))
        return NULL;
    const int64_t size = ppl_dim(h, -1);
    ppl_tensor *in = ppl_linear(x, w.weight_ih, w.bias_ih, PPL_IDENTITY);
    ppl_tensor *back = ppl_linear(h, w.weight_hh, w.bias_hh, PPL_IDENTITY);
    ppl_tensor *gates = ppl_sigmoid(ppl_add(ppl_slice(in, -1, 0, 2 * size),
                                            ppl_slice(back, -1, 0, 2 * size)));
    ppl_tensor *reset = ppl_slice(gates, -1, 0, size);
    ppl_tensor *update = ppl_slice(gates, -1, size, 2 * size);
    ppl_tensor *candidate =
        ppl_tanh(ppl_add(ppl_slice(in, -1, 2 * size, 3 * size),
                         ppl_mul(reset, ppl_slice(back, -1, 2 * size, 3 * size))));
    return ppl_lerp(candidate, h, update);
}

ppl_tensor *ppl_nn_gru(ppl_ctx *c, const char *name, ppl_tensor *x,
                       const ppl_ragged *ragged, const ppl_rnn_opts *opts)
{
    return ppl__recurrent(c, name, PPL__GRU, x, ragged, opts);
}
