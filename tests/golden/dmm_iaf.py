# SPDX-License-Identifier: MIT
"""Golden numbers of a small Deep Markov Model whose guide has inverse autoregressive flows
-> dmm_iaf.json, dmm_iaf.safetensors (float64).

The model is that of dmm.py; the guide is Pyro's with num_iafs > 0: z_t is drawn from
TransformedDistribution(Normal, iafs), masked by sequence. Loss and gradients come from
Pyro's Trace_ELBO; TraceMeanField_ELBO, which has no closed form here, must give the same
ones, and the losses must agree with log q = log Normal(x) - sum of the log scales, by hand.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.distributions.transforms import affine_autoregressive
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import dmm as plain
from dmm import ACTIVE, ANNEALING, B, LENGTHS, RNN, T, X, Z, NoisyNormal, close, reverse
from golden import write_json, write_safetensors

IAFS, IAF_DIM = 2, 11


class Dmm(plain.Dmm):
    def __init__(self):
        super().__init__()
        self.iafs = [affine_autoregressive(Z, hidden_dims=[IAF_DIM]) for _ in range(IAFS)]
        self.iafs_modules = nn.ModuleList(self.iafs)

    def guide(self, x, mask, eps):
        pyro.module("dmm", self)
        packed = pack_padded_sequence(reverse(x), torch.tensor(LENGTHS), batch_first=True)
        packed, _ = self.rnn(packed, self.h_0.expand(1, B, RNN).contiguous())
        h = reverse(pad_packed_sequence(packed, batch_first=True)[0])
        z = self.z_q_0.expand(B, Z)
        with pyro.plate("sequences", B):
            for t in pyro.markov(range(T)):
                normal = NoisyNormal(*self.combiner(z, h[:, t]))
                normal.eps = eps[t]
                q = dist.TransformedDistribution(normal, self.iafs).mask(mask[:, t])
                with poutine.scale(scale=ANNEALING):
                    z = pyro.sample(f"z[{t}]", q)


def log_q(dmm, z, loc, scale, eps):
    """By hand: the base's density at loc + scale eps, less the log scales on the way."""
    value = loc + scale * eps
    total = dist.Normal(loc, scale).log_prob(value).sum(-1)
    for iaf in dmm.iafs:
        mean, log_scale = iaf.arn(value)
        log_scale = log_scale.clamp(-5, 3)
        value = value * log_scale.exp() + mean
        total = total - log_scale.sum(-1)
    assert close(value, z)
    return total


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.manual_seed(287)
    pyro.enable_validation(True)
    dmm = Dmm()
    plain.initialise(dmm)
    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    x = torch.randint(0, 2, (B, T, X)) * mask[:, :, None].double()
    eps = torch.randn(T, B, Z).float().double()
    args = x, mask, eps

    found = []
    for elbo in Trace_ELBO(), TraceMeanField_ELBO():
        pyro.clear_param_store()
        dmm.zero_grad()
        loss = torch.tensor(elbo.loss_and_grads(dmm.model, dmm.guide, *args))
        found.append((loss, {n: v.grad.clone() for n, v in dmm.named_parameters()}))
    (loss, grads), (other, other_grads) = found
    assert close(other, loss)
    assert all(close(other_grads[name], grads[name]) for name in grads)

    guide = poutine.trace(dmm.guide).get_trace(*args)
    model = poutine.trace(poutine.replay(dmm.model, trace=guide)).get_trace(*args)
    sites, by_hand, draws = {}, 0, torch.zeros(T, B, Z)
    for t, n in enumerate(ACTIVE):
        q, p, seen = guide.nodes[f"z[{t}]"], model.nodes[f"z[{t}]"], model.nodes[f"x[{t}]"]
        z, normal = q["value"], q["fn"].base_dist.base_dist.base_dist
        log_p = p["fn"].log_prob(z)[:n]
        log_qs = log_q(dmm, z, normal.loc, normal.scale, eps[t])[:n]
        log_x = seen["fn"].log_prob(seen["value"])[:n]
        assert close(q["fn"].log_prob(z)[:n], log_qs)
        by_hand = by_hand - (log_x + ANNEALING * (log_p - log_qs)).sum()
        sites[f"z[{t}]"] = {"model_log_prob": log_p.tolist(),
                            "guide_log_prob": log_qs.tolist()}
        sites[f"x[{t}]"] = {"model_log_prob": log_x.tolist()}
        draws[t, :n] = z[:n].detach()
    assert close(by_hand, loss)

    tensors = {name: value.reshape(-1 if name == "h_0" else value.shape)
               for name, value in dmm.named_parameters()}
    tensors |= {f"grad.trace.{name}": grads[name].reshape(value.shape)
                for name, value in tensors.items()}
    tensors |= {f"iafs_modules.{i}.arn.permutation": iaf.arn.permutation.double()
                for i, iaf in enumerate(dmm.iafs)}
    tensors |= {"data.x": x, "data.eps": eps, "data.z": draws}
    write_safetensors(__file__, tensors)
    dims = {"x": X, "z": Z, "emission": plain.EMISSION, "transition": plain.TRANSITION,
            "rnn": RNN, "iafs": IAFS, "iaf": IAF_DIM}
    write_json(__file__, {"dims": dims, "lengths": LENGTHS, "active": ACTIVE,
                          "annealing": ANNEALING, "loss": {"trace": loss}, "sites": sites})


if __name__ == "__main__":
    main()
