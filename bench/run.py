# SPDX-License-Identifier: MIT
"""Runs every program of the comparison in turns and writes bench/results.md (run.sh).

    run.py --build DIR --python PYTHON --data FILE [--rounds 7] [--only dmm,gradients,...]

Each program is started once, pinned to as many cores as it has threads, and does its work
once a round (serve.py, serve.h). The table gives the median of the rounds, the least and
the most, and each program's median over kiln's, which runs on one thread.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Seconds between two turns: threads of some libraries (XLA's, 0.1 s) go on after their answer,
# on the core of the program whose turn is next.
SETTLE = 0.5


class Program:
    """One program: its command, what it says of itself, and its measures by name."""

    def __init__(self, group, label, command, threads, env=None):
        self.group, self.label, self.threads = group, label, threads
        self.command, self.env = [str(word) for word in command], env or {}
        self.about, self.measures, self.process = {}, {}, None

    def start(self):
        threads = str(self.threads)
        env = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
               "MKL_NUM_THREADS": threads, **self.env}
        cores = ",".join(str(i) for i in range(self.threads))
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *self.command], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.about = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"run: {self.label} ended early: {' '.join(self.command)}")
        return json.loads(line)

    def round(self):
        time.sleep(SETTLE)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for name, value in self.read().items():
            self.note(name, value)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def note(self, name, value):
        self.measures.setdefault(name, []).append(value)

    def shown(self):
        """The command without the paths of this machine."""
        words = [Path(w).name if w.startswith("/") and w.endswith(".json") else w
                 for w in self.command]
        words = [w.replace(str(HERE.parent) + "/", "") for w in words]
        return " ".join(Path(w).name if w.endswith(("/python", "/python3")) else w
                        for w in words)


class Once(Program):
    """A program that is run anew in every round; `first` is what its first line ends."""

    def __init__(self, *words, first="", **named):
        super().__init__(*words, **named)
        self.first = first

    def start(self):
        self.round()
        self.measures.clear()           # that was to warm the disk's cache

    def round(self):
        began = time.perf_counter()
        super().start()
        seconds = time.perf_counter() - began
        _, _, usage = os.wait4(self.process.pid, 0)
        if self.first:
            self.note(self.first, 1e3 * seconds)
        self.note("peak resident memory, MB", usage.ru_maxrss / 1024)

    def stop(self):
        self.process.stdin.close()


class Run(Program):
    """A program that knows nothing of rounds: what it takes from its start to its end."""

    def start(self):
        self.about = {"program": "kiln"}

    def round(self):
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                   env={**os.environ, **self.env})
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"run: {self.label} failed: {' '.join(self.command)}")
        self.note("peak resident memory, MB", usage.ru_maxrss / 1024)

    def stop(self):
        pass


class Size(Program):
    """No program: how large a library is."""

    def start(self):
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, self.command[-1]], check=True)
            self.note("stripped, MB", os.path.getsize(stripped.name) / 1e6)
        self.about = {"program": "kiln"}

    def round(self):
        pass

    def stop(self):
        pass


def programs(build, python, data):
    """What is compared: a row a program."""
    skylake = {"OPENBLAS_CORETYPE": "SkylakeX"} if "avx512" in cpu_flags() else {}
    rows = []
    single = {**skylake, "OPENBLAS_NUM_THREADS": "1"}
    for threads in (1, 2):
        rows.append(Run("dmm", "kiln, a training run of its own", [
            build / "examples/dmm/dmm", "--data", data, "--threads", threads, "--epochs", 2,
            "--quiet"], threads, single))
    for threads in (1, 2):
        rows.append(Program("dmm", "kiln", [
            build / "bench/dmm", "--serve", "--data", data, "--threads", threads],
            threads, single))
    rows.append(Program("dmm", "kiln, threads that share operations", [
        build / "bench/dmm", "--serve", "--data", data, "--threads", 2, "--shards", 1],
        2, single))
    for threads in (1, 2):
        for name, script, flags in (
                ("Pyro, meanfield", "pyro_dmm.py", []),
                ("Pyro, trace", "pyro_dmm.py", ["--elbo", "trace"]),
                ("PyTorch, by hand, meanfield", "torch_dmm.py", []),
                ("PyTorch, by hand, batched over time, meanfield", "torch_dmm.py",
                 ["--batched"]),
                ("NumPyro, meanfield", "numpyro_dmm.py", [])):
            rows.append(Program("dmm", name, [
                python, HERE / "peers" / script, "--data", data, "--threads", threads,
                *flags], threads))
    rows.append(Program("effects", "kiln", [build / "bench/sites", "--serve"], 1))
    rows.append(Program("effects", "Pyro", [python, HERE / "peers/pyro_sites.py"], 1))
    rows.append(Program("gradients", "kiln", [build / "bench/gradient", "--serve"], 1, skylake))
    for peer in ("numpyro", "stanli"):
        rows.append(Program("gradients", {"numpyro": "NumPyro"}.get(peer, peer), [
            python, HERE / "peers/gradients.py", "--peer", peer], 1))
    first = "from exec to the first finished step, ms"
    rows.append(Once("start", "kiln", [build / "bench/start"], 1, first=first))
    for peer, label in (("pyro", "Pyro"), ("numpyro", "NumPyro")):
        rows.append(Once("start", label, [
            python, HERE / "peers/start.py", "--peer", peer], 1, first=first))
    rows.append(Size("size", "libkiln.so", ["strip", build / ".libs/libkiln.so"], 1))
    rows.append(Program("distributions", "kiln", [build / "bench/distributions", "--serve"], 1))
    for peer, label in (("torch", "PyTorch"), ("numpyro", "NumPyro")):
        for dtype in ("f32", "f64"):
            rows.append(Program("distributions", label, [
                python, HERE / "peers/distributions.py", "--peer", peer, "--dtype", dtype], 1))
    return rows


def growth(build, picture):
    """Seconds per epoch against one size at a time: the table, and the picture in a file."""
    command = [build / "bench/growth", "--log", picture]
    shown = subprocess.run(command, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, text=True,
                           stdout=subprocess.PIPE, check=True).stdout.splitlines()
    rows = (re.fullmatch(r"(.*?) {2,}(\d+) +(\S+) s", line) for line in shown[1:])
    return "\n".join([f"## growth\n\n`bench/growth`: {shown[0]}\n", "| varied | to | epoch, s |",
                      "|---|---|---|", *("| %s | %s | %s |" % row.groups() for row in rows if row),
                      f"\n![seconds per epoch, both axes logarithmic]({picture.name})\n"])


def cpu_flags():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return next((line for line in text.splitlines() if line.startswith("flags")), "")


def machine():
    model = next((line.split(":", 1)[1].strip()
                  for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    compiler = subprocess.run(["cc", "--version"], text=True, capture_output=True)
    vectors = "AVX-512" if "avx512f" in cpu_flags() else "AVX2" if "avx2" in cpu_flags() else "none"
    return (f"{model}, {os.cpu_count()} cores, vectors {vectors}; {platform.system()} "
            f"{platform.release().split('-')[0]}; {compiler.stdout.splitlines()[0]}")


def number(x):
    return f"{x:.3g}" if abs(x) < 1000 else f"{x:,.0f}"


def table(rows, measure):
    """The rows that have the measure, with kiln's as the unit."""
    lines = ["| program | threads | median | least .. most | times kiln's |",
             "|---|---|---|---|---|"]
    base = None
    for row in rows:
        values = row.measures.get(measure)
        if values and base is None and row.about.get("program") == "kiln":
            base = statistics.median(values)
    for row in rows:
        values = row.measures.get(measure)
        if not values:
            continue
        median = statistics.median(values)
        ratio = f"{median / base:.2f}" if base else ""
        lines.append(f"| {row.label} | {row.threads} | {number(median)} | "
                     f"{number(min(values))} .. {number(max(values))} | {ratio} |")
    return "\n".join(lines)


def report(rows, rounds):
    parts = [f"# What kiln costs, beside its peers\n\nWritten by `bench/run.sh`. Machine: "
             f"{machine()}. {rounds} rounds; in each, every program of a table works once, "
             "in turns, pinned to as many cores as it has threads.\n"]
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        parts.append(f"## {group}\n")
        for measure in dict.fromkeys(m for row in members for m in row.measures):
            parts.append(f"### {measure}\n\n{table(members, measure)}\n")
        parts.append("Programs:\n")
        for row in members:
            about = ", ".join(f"{k} {v}" for k, v in row.about.items()
                              if k not in ("program", "threads"))
            parts.append(f"- {row.label}, {row.threads} thread{'s' * (row.threads > 1)}: "
                         f"`{row.shown()}`; {about}")
        parts.append("")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=HERE.parent)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--data", default="")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, default=HERE / "results.md")
    options = parser.parse_args()
    rows = programs(options.build, options.python, options.data)
    if options.only:
        rows = [row for row in rows if row.group in options.only.split(",")]
    if not options.data:
        print("run: no --data FILE: the DMM is left out")
        rows = [row for row in rows if row.group != "dmm"]
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        for row in members:
            print(f"run: starting {row.group}: {row.label}, {row.threads} threads", flush=True)
            row.start()
        for r in range(options.rounds):
            print(f"run: {group}, round {r + 1} of {options.rounds}", flush=True)
            for row in members:
                row.round()
        for row in members:
            row.stop()
    text = report(rows, options.rounds)
    if not options.only or "growth" in options.only.split(","):
        print("run: growth", flush=True)
        text += "\n" + growth(options.build, options.output.with_name("growth.svg"))
    options.output.write_text(text)
    print(f"run: wrote {options.output}")


if __name__ == "__main__":
    main()
