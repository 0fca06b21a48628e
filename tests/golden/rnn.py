# SPDX-License-Identifier: MIT
"""Golden outputs and gradients of recurrent layers over ragged sequences, float64 ->
rnn.json, rnn.safetensors.

torch.nn.RNN (relu, tanh) and torch.nn.GRU, one layer, over a packed batch, forward and
reversed in time. Reversed: each sequence is reversed within its own length, run, and its
outputs are put back, so that row t belongs to time t. Every result is checked against a
plain loop over one sequence at a time. Inputs and parameters are exact in float32, so
that both precisions start from the same.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from golden import relative_error, write_json, write_safetensors

LENGTHS, INPUT, HIDDEN = [5, 3, 2], 3, 4
ACTIVE = [sum(n > t for n in LENGTHS) for t in range(LENGTHS[0])]
KINDS = {"rnn_relu": lambda: nn.RNN(INPUT, HIDDEN, nonlinearity="relu"),
         "rnn_tanh": lambda: nn.RNN(INPUT, HIDDEN), "gru": lambda: nn.GRU(INPUT, HIDDEN)}
# Row of (sequence b, time t) in packed order: all that run at time 0, then at 1, ...
ROW = {(b, t): sum(ACTIVE[:t]) + b for b, n in enumerate(LENGTHS) for t in range(n)}


def reversal():
    """The row that takes each row's place when all sequences are reversed."""
    source = [0] * len(ROW)
    for (b, t), row in ROW.items():
        source[row] = ROW[b, LENGTHS[b] - 1 - t]
    return torch.tensor(source)


def run(layer, x, h_0, reverse):
    """Outputs [N,hidden] of the packed rows x [N,input]."""
    if reverse:
        x = x[reversal()]
    start = h_0.expand(1, len(LENGTHS), HIDDEN).contiguous()
    output = layer(PackedSequence(x, torch.tensor(ACTIVE)), start)[0].data
    return output[reversal()] if reverse else output


def step(kind, layer, x, h):
    """One step by the defining equations, and the input of the activation."""
    inner = layer.weight_ih_l0 @ x + layer.bias_ih_l0
    outer = layer.weight_hh_l0 @ h + layer.bias_hh_l0
    if kind != "gru":
        before = inner + outer
        return torch.relu(before) if kind == "rnn_relu" else torch.tanh(before), before
    (r_i, z_i, n_i), (r_h, z_h, n_h) = inner.chunk(3), outer.chunk(3)
    r, z = torch.sigmoid(r_i + r_h), torch.sigmoid(z_i + z_h)
    return (1 - z) * torch.tanh(n_i + r * n_h) + z * h, inner


def by_loop(kind, layer, x, h_0, reverse):
    rows = [None] * len(ROW)
    for b, n in enumerate(LENGTHS):
        h = h_0
        for t in reversed(range(n)) if reverse else range(n):
            h, before = step(kind, layer, x[ROW[b, t]], h)
            assert before.abs().min() > 1e-3
            rows[ROW[b, t]] = h
    return torch.stack(rows)


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.manual_seed(16)  # no dead relu, none within 1e-3 of its kink

    def draw(*shape):
        return torch.randn(*shape).float().double()

    x, h_0 = draw(len(ROW), INPUT).requires_grad_(), draw(HIDDEN).requires_grad_()
    w = draw(len(ROW), HIDDEN)
    tensors, losses = {"x": x, "h_0": h_0, "w": w}, {}
    for kind, build in KINDS.items():
        layer = build()
        params = dict(layer.named_parameters())
        for name, value in params.items():
            value.data = value.data.float().double()
            tensors[f"{kind}.{name}"] = value
        for direction in ("forward", "reversed"):
            reverse, wanted = direction == "reversed", {**params, "x": x, "h_0": h_0}
            output = run(layer, x, h_0, reverse)
            expected = by_loop(kind, layer, x, h_0, reverse)
            loss, loss_by_loop = ((w * out).sum() for out in (output, expected))
            grads = torch.autograd.grad(loss, list(wanted.values()))
            checks = torch.autograd.grad(loss_by_loop, list(wanted.values()))
            for a, b in zip((output, loss, *grads), (expected, loss_by_loop, *checks)):
                assert relative_error(a, b) < 1e-13
            prefix = f"{kind}.{direction}."
            tensors[prefix + "output"] = output
            tensors |= {prefix + "grad." + name: g for name, g in zip(wanted, grads)}
            losses[prefix[:-1]] = loss.detach()
    write_safetensors(__file__, tensors)
    write_json(__file__, {"lengths": LENGTHS, "active": ACTIVE, "input": INPUT,
                          "hidden": HIDDEN, "loss": losses})


if __name__ == "__main__":
    main()
