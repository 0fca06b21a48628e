# SPDX-License-Identifier: MIT
"""Golden numbers of a small Deep Markov Model -> dmm.json, dmm.safetensors (float64).

The architecture is that of Pyro's example (gated transition, Bernoulli emitter, combiner
over an RNN that runs back in time; Krishnan, Shalit and Sontag, AAAI 2017). It is written
twice:

- `terms`: formulas by hand in plain torch over the running sequences only, no padding, no
  RNN module, no distributions. What is exported comes from here.
- `Dmm`: a Pyro model and guide with plate, scale, mask and a packed nn.RNN, over padded
  data, run through Pyro's own Trace_ELBO and TraceMeanField_ELBO, step for step as SVI
  does.

Losses, gradients, log-probabilities and KLs of the two must agree to 1e-12. The noise is
fixed: z = loc + scale * eps. Parameters, data and noise are exact in float32, so that a
run in float32 starts from the same numbers.
"""

import math

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch import nn
from torch.distributions import kl_divergence
from torch.nn.functional import softplus
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import relative_error, write_json, write_safetensors

X, Z, EMISSION, TRANSITION, RNN = 9, 5, 6, 7, 8
LENGTHS = [6, 4, 3]
B, T = len(LENGTHS), LENGTHS[0]
ACTIVE = [sum(n > t for n in LENGTHS) for t in range(T)]
ANNEALING = 0.37


# By hand.

def terms(p, x, eps):
    """Per time step the log-probabilities and the KL, [n_t] each; z; the relu inputs."""
    relu_inputs = []

    def linear(name, value):
        return value @ p[name + ".weight"].T + p[name + ".bias"]

    def relu(value):
        relu_inputs.append(value)
        return value.clamp(min=0)

    def normal_log_prob(value, loc, scale):
        each = -((value - loc) / scale) ** 2 / 2 - scale.log() - math.log(2 * math.pi) / 2
        return each.sum(-1)

    # h[t] sees x[t:]; a sequence enters with h_0 at its own end.
    h, state = [None] * T, torch.zeros(0, RNN)
    for t in reversed(range(T)):
        state = torch.cat([state, p["h_0"].expand(ACTIVE[t] - len(state), RNN)])
        state = relu(x[:ACTIVE[t], t] @ p["rnn.weight_ih_l0"].T + p["rnn.bias_ih_l0"]
                     + state @ p["rnn.weight_hh_l0"].T + p["rnn.bias_hh_l0"])
        h[t] = state

    steps, zs = [], []
    z, z_q = p["z_0"].expand(B, Z), p["z_q_0"].expand(B, Z)
    for t, n in enumerate(ACTIVE):
        z, z_q = z[:n], z_q[:n]
        hidden = (torch.tanh(linear("combiner.lin_z_to_hidden", z_q)) + h[t]) / 2
        loc_q = linear("combiner.lin_hidden_to_loc", hidden)
        scale_q = softplus(linear("combiner.lin_hidden_to_scale", hidden))

        gate = torch.sigmoid(linear("trans.lin_gate_hidden_to_z",
                                    relu(linear("trans.lin_gate_z_to_hidden", z))))
        proposed = linear("trans.lin_proposed_mean_hidden_to_z",
                          relu(linear("trans.lin_proposed_mean_z_to_hidden", z)))
        loc_p = (1 - gate) * linear("trans.lin_z_to_loc", z) + gate * proposed
        scale_p = softplus(linear("trans.lin_sig", relu(proposed)))

        z = z_q = loc_q + scale_q * eps[t, :n]
        logits = relu(linear("emitter.lin_z_to_hidden", z))
        logits = linear("emitter.lin_hidden_to_input",
                        relu(linear("emitter.lin_hidden_to_hidden", logits)))
        ratio = scale_q / scale_p
        kl = (ratio ** 2 + ((loc_q - loc_p) / scale_p) ** 2 - 1) / 2 - ratio.log()
        steps.append({"z_model": normal_log_prob(z, loc_p, scale_p),
                      "z_guide": normal_log_prob(z, loc_q, scale_q), "kl": kl.sum(-1),
                      "x_model": (x[:n, t] * logits - softplus(logits)).sum(-1)})
        zs.append(z)
    return steps, zs, relu_inputs


def losses(steps):
    """-ELBO with the annealing factor on the z sites: sampled, and with analytic KL."""
    def total(key):
        return sum(step[key].sum() for step in steps)

    return (-(total("x_model") + ANNEALING * (total("z_model") - total("z_guide"))),
            -(total("x_model") - ANNEALING * total("kl")))


# In Pyro.

class Emitter(nn.Module):
    """p(x_t | z_t): probabilities."""

    def __init__(self):
        super().__init__()
        self.lin_z_to_hidden = nn.Linear(Z, EMISSION)
        self.lin_hidden_to_hidden = nn.Linear(EMISSION, EMISSION)
        self.lin_hidden_to_input = nn.Linear(EMISSION, X)

    def forward(self, z):
        hidden = torch.relu(self.lin_z_to_hidden(z))
        hidden = torch.relu(self.lin_hidden_to_hidden(hidden))
        return torch.sigmoid(self.lin_hidden_to_input(hidden))


class GatedTransition(nn.Module):
    """p(z_t | z_{t-1}): loc and scale."""

    def __init__(self):
        super().__init__()
        self.lin_gate_z_to_hidden = nn.Linear(Z, TRANSITION)
        self.lin_gate_hidden_to_z = nn.Linear(TRANSITION, Z)
        self.lin_proposed_mean_z_to_hidden = nn.Linear(Z, TRANSITION)
        self.lin_proposed_mean_hidden_to_z = nn.Linear(TRANSITION, Z)
        self.lin_sig = nn.Linear(Z, Z)
        self.lin_z_to_loc = nn.Linear(Z, Z)

    def forward(self, z):
        gate = torch.relu(self.lin_gate_z_to_hidden(z))
        gate = torch.sigmoid(self.lin_gate_hidden_to_z(gate))
        proposed = torch.relu(self.lin_proposed_mean_z_to_hidden(z))
        proposed = self.lin_proposed_mean_hidden_to_z(proposed)
        loc = (1 - gate) * self.lin_z_to_loc(z) + gate * proposed
        return loc, softplus(self.lin_sig(torch.relu(proposed)))


class Combiner(nn.Module):
    """q(z_t | z_{t-1}, x_{t:T}): loc and scale."""

    def __init__(self):
        super().__init__()
        self.lin_z_to_hidden = nn.Linear(Z, RNN)
        self.lin_hidden_to_loc = nn.Linear(RNN, Z)
        self.lin_hidden_to_scale = nn.Linear(RNN, Z)

    def forward(self, z, h):
        hidden = 0.5 * (torch.tanh(self.lin_z_to_hidden(z)) + h)
        return self.lin_hidden_to_loc(hidden), softplus(self.lin_hidden_to_scale(hidden))


def reverse(batch):
    """Each sequence of [B,T,...] reversed within its own length."""
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]])
                        for row, n in zip(batch, LENGTHS)])


class NoisyNormal(dist.Normal):
    """A Normal whose draw uses the noise it is given."""

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new.eps = self.eps.expand(batch_shape)
        return new

    def rsample(self, sample_shape=torch.Size()):
        assert not sample_shape and self.eps.shape == self.batch_shape
        return self.loc + self.scale * self.eps


class Dmm(nn.Module):
    def __init__(self):
        super().__init__()
        self.emitter, self.trans, self.combiner = Emitter(), GatedTransition(), Combiner()
        self.rnn = nn.RNN(X, RNN, nonlinearity="relu", batch_first=True)
        self.z_0 = nn.Parameter(torch.randn(Z))
        self.z_q_0 = nn.Parameter(torch.randn(Z))
        self.h_0 = nn.Parameter(torch.randn(1, 1, RNN))

    def model(self, x, mask, eps):
        pyro.module("dmm", self)
        z = self.z_0.expand(B, Z)
        with pyro.plate("sequences", B):
            for t in pyro.markov(range(T)):
                loc, scale = self.trans(z)
                running = mask[:, t:t + 1]
                prior = dist.Normal(loc, scale).mask(running).to_event(1)
                with poutine.scale(scale=ANNEALING):
                    z = pyro.sample(f"z[{t}]", prior)
                emission = dist.Bernoulli(self.emitter(z)).mask(running).to_event(1)
                pyro.sample(f"x[{t}]", emission, obs=x[:, t])

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
                with poutine.scale(scale=ANNEALING):
                    z = pyro.sample(f"z[{t}]", normal.mask(mask[:, t:t + 1]).to_event(1))


def initialise(dmm):
    """PyTorch's own values, lin_z_to_loc near the identity; all rounded to float32."""
    with torch.no_grad():
        dmm.trans.lin_z_to_loc.weight.copy_(torch.eye(Z) + 0.1 * torch.randn(Z, Z))
        dmm.trans.lin_z_to_loc.bias.copy_(0.1 * torch.randn(Z))
        for value in dmm.parameters():
            value.copy_(value.float().double())


def close(value, expected):
    return relative_error(value, expected) < 1e-12


def check_pyro(dmm, elbo, loss, grads, *args):
    """Pyro's ELBO as SVI runs it: the loss and what lands in .grad of every parameter."""
    pyro.clear_param_store()
    dmm.zero_grad()
    found = elbo.loss_and_grads(dmm.model, dmm.guide, *args)
    assert close(torch.tensor(found), loss)
    for name, value in dmm.named_parameters():
        assert close(value.grad.reshape(grads[name].shape), grads[name]), name


def check_sites(dmm, steps, *args):
    """Each site's log-probabilities and KL in Pyro; 0 beyond a sequence's end."""
    guide = poutine.trace(dmm.guide).get_trace(*args)
    model = poutine.trace(poutine.replay(dmm.model, trace=guide)).get_trace(*args)
    for t, (step, n) in enumerate(zip(steps, ACTIVE)):
        q, p, x = guide.nodes[f"z[{t}]"], model.nodes[f"z[{t}]"], model.nodes[f"x[{t}]"]
        z = q["value"]
        # A plate of full size scales by B and 1 / B, which may round.
        assert all(abs(site["scale"] - ANNEALING) < 1e-15 for site in (q, p))
        assert x["scale"] == 1
        found = {"z_guide": q["fn"].log_prob(z), "z_model": p["fn"].log_prob(z),
                 "kl": kl_divergence(q["fn"], p["fn"]),
                 "x_model": x["fn"].log_prob(x["value"])}
        for key, value in found.items():
            assert close(value[:n], step[key]) and not value[n:].any(), (t, key)


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.manual_seed(285)  # few dead units, and no relu input within 1e-3 of its kink
    pyro.enable_validation(True)

    dmm = Dmm()
    initialise(dmm)
    mask = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
    x = torch.randint(0, 2, (B, T, X)) * mask[:, :, None].double()
    eps = torch.randn(T, B, Z).float().double()

    params = {name: value.detach().clone().reshape(-1 if name == "h_0" else value.shape)
              .requires_grad_() for name, value in dmm.named_parameters()}
    steps, zs, relu_inputs = terms(params, x, eps)
    assert min(value.abs().min() for value in relu_inputs) > 1e-3

    # Noise beyond a sequence's end reaches Pyro's padded rows; nothing may depend on it.
    args = x, mask, eps
    other = x, mask, torch.where(mask.T[:, :, None], eps, -3 * eps)
    check_sites(dmm, steps, *args)
    padded_z = torch.zeros(T, B, Z)
    for t, z in enumerate(zs):
        padded_z[t, :len(z)] = z.detach()
    tensors = {**params, "data.x": x, "data.eps": eps, "data.z": padded_z}
    found = {}
    for name, loss, elbo in zip(("trace", "meanfield"), losses(steps),
                                (Trace_ELBO(), TraceMeanField_ELBO())):
        grads = dict(zip(params, torch.autograd.grad(loss, list(params.values()),
                                                     retain_graph=True)))
        check_pyro(dmm, elbo, loss, grads, *args)
        check_pyro(dmm, elbo, loss, grads, *other)
        tensors |= {f"grad.{name}.{key}": value for key, value in grads.items()}
        found[name] = loss.detach()
    write_safetensors(__file__, tensors)

    sites = {}
    for t, step in enumerate(steps):
        step = {key: value.tolist() for key, value in step.items()}
        sites[f"z[{t}]"] = {"model_log_prob": step["z_model"],
                            "guide_log_prob": step["z_guide"], "kl": step["kl"]}
        sites[f"x[{t}]"] = {"model_log_prob": step["x_model"]}
    dims = {"x": X, "z": Z, "emission": EMISSION, "transition": TRANSITION, "rnn": RNN}
    write_json(__file__, {"dims": dims, "lengths": LENGTHS, "active": ACTIVE,
                          "annealing": ANNEALING, "loss": found, "sites": sites})


if __name__ == "__main__":
    main()
