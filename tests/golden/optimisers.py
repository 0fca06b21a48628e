# SPDX-License-Identifier: MIT
"""Golden trajectories of SGD, Adam, AdamW (torch.optim) and ClippedAdam (pyro.optim),
float64 -> optimisers.json.

Every trajectory is checked here against the rule written out in plain Python, and
ClippedAdam also against numbers computed elsewhere.
"""

import math

import torch
from pyro.optim.clipped_adam import ClippedAdam

from golden import write_json

START = [1.0, -0.5, 3.0]
GRADIENTS = [[0.5, -0.1, 1e-3], [20.0, 0.0, 0.7], [-0.3, 20.0, -2.5], [-40.0, 1.5, 0.0],
             [0.0, -40.0, 1e-9], [9.5, -10.5, -0.2], [-1e-4, 3.0, 20.0],
             [2.25, 0.25, -40.0]]
# One parameter and five steps, with known results to twelve decimals.
SHORT = [[0.5], [20.0], [-0.3], [-40.0], [0.0]]
KNOWN = [
    (dict(lr=0.1, betas=(0.9, 0.999), lrd=0.99, weight_decay=0.1, clip_norm=10.0),
     [0.901000052178, 0.824299350079, 0.766950538330, 0.772898739737, 0.777592670810]),
    (dict(lr=3e-4, betas=(0.96, 0.999), lrd=0.99996, weight_decay=2.0, clip_norm=10.0),
     [0.999700012038, 0.999445795485, 0.999219623480, 0.999145045554, 0.999060780229])]

OPTIONS = ("lr", "momentum", "betas", "eps", "weight_decay", "clip_norm", "lrd")
SETTINGS = {
    "sgd": (torch.optim.SGD, [
        dict(lr=0.01), dict(lr=0.01, momentum=0.9), dict(lr=0.1, weight_decay=0.05),
        dict(lr=0.003, momentum=0.5, weight_decay=0.2)]),
    "adam": (torch.optim.Adam, [
        dict(lr=1e-3), dict(lr=0.1, betas=(0.8, 0.95), eps=1e-6),
        dict(lr=0.01, betas=(0.9, 0.999), weight_decay=0.1), dict(lr=0.05, eps=0.5)]),
    "adamw": (torch.optim.AdamW, [
        dict(lr=1e-3), dict(lr=0.1, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
        dict(lr=0.01, weight_decay=0.0)]),
    "clipped_adam": (ClippedAdam, [
        dict(lr=1e-3), *(options for options, _ in KNOWN),
        dict(lr=0.05, clip_norm=1.0, lrd=0.9),
        dict(lr=0.1, betas=(0.8, 0.95), eps=0.5, clip_norm=3.0)])}


def run(constructor, options, start, gradients):
    """The parameters after each step."""
    param = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = constructor([param], **options)
    trajectory = []
    for gradient in gradients:
        param.grad = torch.tensor(gradient, dtype=torch.float64)
        optimiser.step()
        trajectory.append(param.detach().tolist())
    return trajectory


def by_rule(name, options, start, gradients):
    """The same for one component of the vector, by the rule itself."""
    lr, decay = options["lr"], options["weight_decay"]
    p, m, v, trajectory = start, 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        if name == "clipped_adam":
            lr *= options["lrd"]
            g = min(max(g, -options["clip_norm"]), options["clip_norm"])
        if name == "adamw":
            p -= lr * decay * p
        else:
            g += decay * p
        if name == "sgd":
            m = options["momentum"] * m + g
            p -= lr * m
        else:
            (b1, b2), eps = options["betas"], options["eps"]
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            c1, c2 = 1 - b1 ** t, 1 - b2 ** t
            if name == "clipped_adam":
                p -= lr * math.sqrt(c2) / c1 * m / (math.sqrt(v) + eps)
            else:
                p -= lr / c1 * m / (math.sqrt(v / c2) + eps)
        trajectory.append(p)
    return trajectory


def main():
    cases = []
    for name, (constructor, settings) in SETTINGS.items():
        for options in settings:
            defaults = constructor([torch.zeros(1)], **options).defaults
            full = {key: defaults[key] for key in OPTIONS if key in defaults}
            known = [numbers for some, numbers in KNOWN if some is options]
            for start, gradients in [(START, GRADIENTS)] + [([1.0], SHORT)] * len(known):
                params = run(constructor, options, start, gradients)
                for first, column, found in zip(start, zip(*gradients), zip(*params)):
                    expected = by_rule(name, full, first, column)
                    assert all(abs(a - b) < 1e-13 for a, b in zip(found, expected))
                if gradients is SHORT:
                    assert all(abs(a[0] - b) < 1e-12 for a, b in zip(params, known[0]))
                cases.append({"optimiser": name, "options": full, "start": start,
                              "gradients": gradients, "params": params})
    write_json(__file__, {"cases": cases})


if __name__ == "__main__":
    main()
