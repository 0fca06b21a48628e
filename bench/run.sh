#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [--data FILE] [--rounds N] [--only dmm,effects,gradients,...] - kiln beside its
# peers in one run: builds the benchmarks, installs the peers' packages (requirements.txt)
# into bench/venv, runs all in turns, writes bench/results.md. See run.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
data=
previous=
for word in "$@"; do
    [ "$previous" != --data ] || data=$word
    previous=$word
done
standard=../shared/data/jsb-chorales-quarter.json
[ -n "$data" ] || [ ! -f "$standard" ] || set -- --data "$standard" "$@"
[ -f Makefile ] || ./bootstrap.sh
make -s bench examples/dmm/dmm
venv=${KILN_VENV:-$here/venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r "$here/requirements.txt"
fi
exec "$venv/bin/python" "$here/run.py" --build . "$@"
