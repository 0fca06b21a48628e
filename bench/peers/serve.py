# SPDX-License-Identifier: MIT
"""How a peer's program is measured: it gets ready, prints one line of JSON about itself,
and then does its work once for each line it reads, printing the measures as one line of
JSON. So the programs of a comparison run in turns, each with its set-up behind it.
"""

import json
import resource
import sys
import time


def peak_mb():
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(about, work):
    """`work()` gives {measure: number}; seconds are taken by `timed`."""
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        measures = work()
        measures["peak resident memory, MB"] = peak_mb()
        print(json.dumps(measures), flush=True)


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
