# SPDX-License-Identifier: MIT
"""What table.py is for families of single numbers, for families of vectors and matrices:
records -> distributions/<family>.json and kl/<family>.json.

Parameters and values are numbers, vectors (lists) or matrices (lists of rows). A family is
its log-density in mpmath; derivatives are central differences at many digits, independent
of the hand-written gradients under test. How an input may move:

    free        element by element
    lower       only on and below the diagonal; the derivative above it is 0
    symmetric   [i,j] and [j,i] together; each gets half of the derivative
    count       not at all: the derivative is not defined
"""

from pathlib import Path

import numpy as np
from mpmath import inf, mp, mpf, nan, workdps

from golden import write_json

mp.dps = 50


def exact(x):
    return [exact(item) for item in x] if isinstance(x, (list, tuple)) else mpf(x)


def moved(x, places, h):
    """x with h added at some places, tuples of indices."""
    if () in places:
        return x + h
    return [moved(item, [p[1:] for p in places if p[0] == i], h)
            if any(p[0] == i for p in places) else item for i, item in enumerate(x)]


def elements(x, place=()):
    if isinstance(x, list):
        for i, item in enumerate(x):
            yield from elements(item, place + (i,))
    else:
        yield place, x


def filled(x, values, place=()):
    """The shape of x with values[place] as its elements."""
    if isinstance(x, list):
        return [filled(item, values, place + (i,)) for i, item in enumerate(x)]
    return values[place]


def slopes(f, x, kind="free"):
    """The derivatives of f at x, in the shape of x; nan where f is not defined nearby."""
    values = {}
    for place, at in elements(x):
        if kind == "count" or abs(at) == inf:
            values[place] = nan
            continue
        mirrored = place[:-2] + (place[-1], place[-2]) if len(place) > 1 else place
        if kind == "lower" and place[-1] > place[-2]:
            values[place] = mpf(0)
            continue
        if kind == "symmetric" and mirrored in values:
            values[place] = values[mirrored]
            continue
        both = kind == "symmetric" and mirrored != place
        places = [place, mirrored] if both else [place]
        digits = 100 + int(abs(mp.log10(abs(at)))) if at else 100
        with workdps(digits):  # so that a step from 1e-300 shows
            h = mpf(10) ** -30 * (abs(at) or mpf(1))
            try:
                d = (f(moved(x, places, h)) - f(moved(x, places, -h))) / (2 * h)
            except (ValueError, ZeroDivisionError, TypeError):
                d = nan
            values[place] = d / 2 if both else d
    return filled(x, values)


def record(log_prob, params, value, kinds=None, value_kind="free", attr=None,
           discrete=False, f64_only=False, **answers):
    """One point. `answers`: entropy(*params), mean, variance, covariance, mode. f64_only:
    worse conditioned than a float parameter can be."""
    params, x = exact(list(params)), exact(value)
    kinds = kinds or ["free"] * len(params)
    r = {"params": params, "value": value if discrete else x}
    if attr:
        r["attr"] = list(attr)
    if f64_only:
        r["f64_only"] = 1
    r["log_prob"] = log_prob(x, *params)
    if not discrete:
        r["d_value"] = slopes(lambda t: log_prob(t, *params), x, value_kind)
    r["d_params"] = [
        slopes(lambda t, i=i: log_prob(x, *params[:i], t, *params[i + 1:]), p, kind)
        for i, (p, kind) in enumerate(zip(params, kinds))]
    for name, f in answers.items():
        r[name] = f(*params)
    return r


def write_family(name, records, points):
    """At least 20 records; `points`: ordinary parameters, of one shape, to sample at."""
    assert len(records) >= 20, (name, len(records))
    assert 2 <= len(points) <= 4, (name, len(points))
    points = [p if isinstance(p, dict) else {"params": exact(list(p))} for p in points]
    folder = Path(__file__).with_name("distributions")
    folder.mkdir(exist_ok=True)
    write_json(folder / name, {"records": records, "points": points})


def kl_record(kl, q, p, kinds=None, attr=None, f64_only=False):
    """One pair of members; `kl(q, p)` of two lists of parameters."""
    q, p = exact(list(q)), exact(list(p))
    kinds = kinds or ["free"] * len(q)
    r = {"q": q, "p": p, "kl": kl(q, p)}
    if attr:
        r["attr"] = list(attr)
    if f64_only:
        r["f64_only"] = 1
    r["d_q"] = [slopes(lambda t, i=i: kl(q[:i] + [t] + q[i + 1:], p), x, kind)
                for i, (x, kind) in enumerate(zip(q, kinds))]
    r["d_p"] = [slopes(lambda t, i=i: kl(q, p[:i] + [t] + p[i + 1:]), x, kind)
                for i, (x, kind) in enumerate(zip(p, kinds))]
    return r


def write_kl(name, records):
    assert len(records) >= 8, (name, len(records))
    folder = Path(__file__).with_name("kl")
    folder.mkdir(exist_ok=True)
    write_json(folder / name, {"records": records})


def plain(x):
    """As NumPy takes it."""
    return np.array([plain(item) for item in x]) if isinstance(x, list) else float(x)


def rounded(S):
    """A symmetric matrix of the nearest doubles."""
    return [[mpf(float(S[max(i, j)][min(i, j)])) for j in range(len(S))]
            for i in range(len(S))]


def near(a, b, tolerance=1e-11):
    """Asserts that two numbers, or nested lists or arrays of them, agree."""
    a, b = (x.tolist() if hasattr(x, "tolist") else x for x in (a, b))
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b), (a, b)
        for x, y in zip(a, b):
            near(x, y, tolerance)
    else:
        assert abs(mpf(a) - mpf(b)) <= tolerance * (1 + abs(mpf(b))), (a, b)
