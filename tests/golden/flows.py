# SPDX-License-Identifier: MIT
"""Golden numbers of normalizing flows -> flows.safetensors (float64).

Each flow is Pyro's own, with weights large enough to bend. Of x: y, log |det J|, and the
gradient of sum c y + sum e log |det J| (c, e as in `weights`) by x and every parameter.
log |det J| is checked here against the determinant of autograd's Jacobian, to 1e-10.

Sylvester is written by hand from the paper's equation: Pyro's applies Q as if it were
transposed, and its log |det J| is then off by more than 1e-3 for these weights, which
this script asserts. The block flows' weights are Pyro's, w / (|w| + 1e-8), but not their
logarithms: Pyro's are those of w / sqrt(|w|^2 + 1e-8), off by nats where w is small.
"""

import sys

import pyro.distributions.transforms as T
import torch
from pyro.nn import (AutoRegressiveNN, ConditionalAutoRegressiveNN, ConditionalDenseNN,
                     DenseNN)
from torch import nn

from golden import relative_error, write_safetensors

D, C, N = 4, 3, 5
ORDER = torch.tensor([2, 0, 3, 1])


class Sylvester(nn.Module):
    """y = x + Q R tanh(S Q^T x + b), Q a product of reflections; Pyro's parameters."""

    def __init__(self, pyros):
        super().__init__()
        for name, value in pyros.named_parameters():
            setattr(self, name, nn.Parameter(value.detach().clone()))

    def __call__(self, x):
        u = self.u_unnormed / self.u_unnormed.norm(dim=-1, keepdim=True)
        q = torch.eye(D)
        for row in u:
            q = q @ (torch.eye(D) - 2 * torch.outer(row, row))
        r = self.R_dense.triu(1) + torch.diag(torch.tanh(self.R_diag))
        s = self.S_dense.triu(1) + torch.diag(torch.tanh(self.S_diag))
        t = torch.tanh(x @ q @ s.T + self.b)
        self.log_det = torch.log1p((1 - t ** 2) * r.diagonal() * s.diagonal()).sum(-1)
        return x + t @ r.T @ q.T

    def log_abs_det_jacobian(self, x, y):
        return self.log_det


def bend(module, scale=0.6):
    """Weights that are not near those of the identity, exact in float32."""
    with torch.no_grad():
        for value in module.parameters():
            value.copy_((scale * torch.randn_like(value)).float().double())
    return module


def exact_block_weights():
    """Makes Pyro's block flows take the logarithms of the weights that they use."""
    linear = sys.modules["pyro.distributions.transforms.block_autoregressive"
                         ].MaskedBlockLinear
    pyros = linear.get_weights

    def get_weights(self):
        w, logs = pyros(self)
        return w, w[self.mask_d.bool()].log().view(logs.shape)

    linear.get_weights = get_weights


def flows(context):
    """name, transform, module with the parameters."""
    made = AutoRegressiveNN(D, [7, 6], permutation=ORDER, skip_connections=True)
    plain = [
        ("iaf", bend(T.AffineAutoregressive(
            AutoRegressiveNN(D, [9], permutation=ORDER)))),
        ("clipped", bend(T.AffineAutoregressive(
            AutoRegressiveNN(D, [9], permutation=ORDER), log_scale_min_clip=-0.1,
            log_scale_max_clip=0.2))),
        ("stable", bend(T.AffineAutoregressive(made, stable=True))),
        ("coupling", bend(T.AffineCoupling(1, DenseNN(1, [8], [D - 1, D - 1])))),
        ("planar", bend(T.Planar(D), 1.5)),
        ("radial", bend(T.Radial(D))),
        ("householder", bend(T.Householder(D, 3))),
        ("spline", bend(T.Spline(D, 5, bound=2.0))),
        ("quadratic", bend(T.Spline(D, 5, bound=2.0, order="quadratic"))),
        ("spline_autoregressive", bend(T.SplineAutoregressive(
            D, AutoRegressiveNN(D, [9], permutation=ORDER, param_dims=[4, 4, 3, 4]), 4))),
        ("spline_coupling", bend(T.SplineCoupling(
            D, 1, DenseNN(1, [8], [3 * 4, 3 * 4, 3 * 3, 3 * 4]), 4))),
        ("quadratic_coupling", bend(T.SplineCoupling(
            D, 2, DenseNN(2, [8], [2 * 4, 2 * 4, 2 * 3]), 4, order="quadratic",
            identity=True))),
    ]
    for name, module in plain:
        yield name, module, module
    pyros = bend(T.Sylvester(D, 2))
    own = Sylvester(pyros)
    x = torch.randn(D)
    y = pyros(x)
    exact = torch.autograd.functional.jacobian(lambda at: pyros(at), x).slogdet()[1]
    assert abs(exact - pyros.log_abs_det_jacobian(x, y)) > 1e-3
    yield "sylvester", own, own
    conditional = [
        ("conditional_iaf", T.ConditionalAffineAutoregressive(
            ConditionalAutoRegressiveNN(D, C, [9], permutation=ORDER))),
        ("conditional_coupling", T.ConditionalAffineCoupling(
            2, ConditionalDenseNN(2, C, [8], [D - 2, D - 2]))),
        ("conditional_planar", T.ConditionalPlanar(DenseNN(C, [6, 5], [1, D, D]))),
        ("conditional_radial", T.ConditionalRadial(DenseNN(C, [6, 5], [D, 1, 1]))),
        ("conditional_householder", T.ConditionalHouseholder(
            D, DenseNN(C, [6, 5], [D, D]), 2)),
        ("conditional_spline", T.ConditionalSpline(
            DenseNN(C, [6], [D * 4, D * 4, D * 3, D * 4]), D, 4)),
    ]
    for name, module in conditional:
        bend(module)
        yield name, module.condition(context), module
    exact_block_weights()
    block = [
        ("block", bend(T.BlockAutoregressive(D, [3, 2]), 0.3)),
        ("block_residual", bend(T.BlockAutoregressive(D, [3], "sigmoid", "normal"), 0.3)),
        ("block_gated", bend(T.BlockAutoregressive(D, [3, 2], residual="gated"), 0.3)),
    ]
    for name, module in block:
        yield name, module, module


def weights(t):
    """0.5, 0.75, .. 1.5 and again, in the shape of t."""
    return (0.5 + 0.25 * (torch.arange(t.numel()) % 5)).reshape(t.shape)


def batch_norm(x):
    """Of averages that are not those at first: forward as in evaluation; and the inverse in
    training, with the averages after it."""
    found = {}
    for name, training in ("batch_norm", False), ("batch_norm_training", True):
        flow = T.BatchNorm(D, momentum=0.25, epsilon=1e-5 if training else 1e-3)
        with torch.no_grad():
            flow.gamma.copy_(torch.tensor([1.5, 0.25, 2, 0.75]))
            flow.beta.copy_(torch.tensor([0.5, -1, 0.25, 0]))
            flow.moving_mean.copy_(torch.tensor([1, -0.5, 0.125, 2]))
            flow.moving_variance.copy_(torch.tensor([0.5, 2, 1, 0.25]))
        flow.train(training)
        at = x.clone().requires_grad_()
        found |= {f"{name}.{key}": value.clone() for key, value in flow.state_dict().items()}
        y = flow._inverse(at) if training else flow._call(at)
        log_det = flow.log_abs_det_jacobian(None, at).expand(at.shape)
        loss = (weights(y) * y).sum() + (weights(log_det) * log_det).sum()
        grads = torch.autograd.grad(loss, [at, flow.gamma, flow.beta])
        found |= {f"y.{name}": y, f"det.{name}": log_det, f"grad.{name}": grads[0],
                  f"grad.{name}.gamma": grads[1], f"grad.{name}.beta": grads[2]}
        if training:
            found |= {f"after.{name}.mean": flow.moving_mean,
                      f"after.{name}.variance": flow.moving_variance}
        else:
            each = torch.autograd.functional.jacobian(flow._call, at).diagonal(0, 0, 2)
            assert relative_error(log_det, each.diagonal(0, 0, 1).log()) < 1e-10
    return found


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(11)
    x = torch.randn(N, D).float().double().requires_grad_()
    context = torch.randn(N, C).float().double()
    tensors = {"data.x": x, "data.context": context}
    for name, transform, module in flows(context):
        y = transform(x)
        log_det = transform.log_abs_det_jacobian(x, y)
        jacobian = torch.autograd.functional.jacobian(lambda at: transform(at), x)
        each = torch.stack([jacobian[i, :, i, :].slogdet()[1] for i in range(N)])
        summed = log_det if log_det.dim() == 1 else log_det.sum(-1)
        # Pyro adds 1e-8 to a gate in logarithms.
        assert relative_error(summed, each) < (1e-6 if "gated" in name else 1e-10), name
        y = transform(x)
        log_det = transform.log_abs_det_jacobian(x, y)
        loss = (weights(y) * y).sum() + (weights(log_det) * log_det).sum()
        # Pyro registers the network of SplineAutoregressive under two names.
        values = {key: value for key, value in module.named_parameters()
                  if not key.startswith("spline.nn.") and
                  (name != "quadratic_coupling" or "lower_spline" not in key)}
        grads = torch.autograd.grad(loss, [x, *values.values()])
        tensors |= {f"{name}.{key}": value for key, value in values.items()}
        tensors |= {f"grad.{name}.{key}": grad
                    for key, grad in zip(values, grads[1:])}
        tensors |= {f"y.{name}": y, f"det.{name}": log_det, f"grad.{name}": grads[0]}
    tensors |= batch_norm(x.detach())
    write_safetensors(__file__, tensors)


if __name__ == "__main__":
    main()
