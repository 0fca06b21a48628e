# SPDX-License-Identifier: MIT
# Pictures of models are what Graphviz takes without a word, and show every site.
set -eu

render=$top_builddir/examples/render${EXEEXT:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$render" > "$work/usage" 2>&1 && { echo "no model, and no error"; exit 1; }
grep -q '^usage: ' "$work/usage"
dot -V > /dev/null 2>&1 || { echo "no dot"; exit 77; }

# Model, and names that its picture shows.
while read -r model names; do
    "$render" "$model" > "$work/dot"
    dot -Tsvg "$work/dot" > "$work/svg" 2> "$work/errors"
    if [ -s "$work/errors" ]; then cat "$work/errors"; exit 1; fi
    for name in $names; do
        grep -q ">$name<" "$work/svg" || { echo "$model lacks $name"; exit 1; }
    done
    echo "ok: $model"
done <<'TABLE'
schools mu tau eta theta y
dmm z\[0\] z\[1\] z\[2\] z\[3..9\] x\[0\] x\[3..9\]
dmm-guide z\[0\] z_q_0 rnn.weight_hh_l0 combiner.lin_hidden_to_loc.bias
TABLE
