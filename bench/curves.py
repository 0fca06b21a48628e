# SPDX-License-Identifier: MIT
"""Draws the bounds of training runs over epochs and over seconds, from the logs of
examples/dmm (--log), and prints some of them: picture and table of doc/dmm.md. Needs
matplotlib.

    curves.py --output PICTURE.svg [--seconds S] [--every N] NAME=LOG.csv ...

With --seconds an epoch takes S seconds (as measured on a quiet machine) in place of what the
logs say. The table has every Nth epoch (500).
"""

import argparse
import csv

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "kiln", "font.size": 9, "svg.fonttype": "none"})
import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)


def read(path):
    """The evaluated rows: epochs, seconds, validation bounds, test bounds."""
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["valid_bound"]]
    return [[float(row[name]) for row in rows]
            for name in ("epoch", "seconds", "valid_bound", "test_bound")]


def print_table(runs, every):
    """Validation (test) bounds as Markdown, a column a run."""
    names = list(runs)
    print("| epoch | " + " | ".join(names) + " |\n|" + "---|" * (len(names) + 1))
    bounds = {name: {int(e): (v, t) for e, _, v, t in zip(*runs[name])} for name in names}
    for epoch in sorted({e for of in bounds.values() for e in of if e % every == 0}):
        cells = (f"{of[epoch][0]:.3f} ({of[epoch][1]:.3f})" if epoch in of else ""
                 for of in bounds.values())
        print(f"| {epoch} | " + " | ".join(cells) + " |")
    for name, of in bounds.items():
        best = min(of, key=lambda e: of[e][0])
        print(f"{name}: the best validation bound, {of[best][0]:.3f}, is that of epoch "
              f"{best}, whose test bound is {of[best][1]:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("logs", nargs="+", metavar="NAME=LOG.csv")
    options = parser.parse_args()
    runs = {name: read(path) for name, path in (log.split("=", 1) for log in options.logs)}
    print_table(runs, options.every)
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for name, (epochs, seconds, valid, test) in runs.items():
        if options.seconds:
            seconds = [options.seconds * e for e in epochs]
        for panel, x in zip(panels, (epochs, [s / 60 for s in seconds])):
            line, = panel.plot(x, test, label=f"{name}, test")
            panel.plot(x, valid, ":", color=line.get_color(), label=f"{name}, validation")
    for panel, name in zip(panels, ("epochs", "minutes")):
        panel.axhline(6.87, color="0.5", linewidth=0.8)
        panel.set(xlabel=name, ylim=(6.7, 10))
        panel.grid(color="0.92")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].annotate("Pyro's tutorial, test: 6.87", (0.98, 6.86), color="0.4", fontsize=8,
                       xycoords=("axes fraction", "data"), va="top", ha="right")
    panels[0].set_ylabel("nats per time step")
    panels[1].legend(frameon=False)
    figure.savefig(options.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
