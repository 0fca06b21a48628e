# SPDX-License-Identifier: MIT
# Every example runs and prints what it is there to show. A row: program under examples/,
# its arguments, an extended regular expression for a line of its output.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

failed=0
while IFS='|' read -r name arguments wanted; do
    status=0
    "$top_builddir/examples/$name${EXEEXT:-}" $arguments > output 2>&1 < /dev/null \
        || status=$?
    if [ "$status" -ne 0 ] || ! grep -Eq -- "$wanted" output; then
        echo "FAIL: $name $arguments: status $status, wanted a line with \"$wanted\" in:"
        cat output
        failed=1
    else
        echo "ok: $name: $(grep -E -- "$wanted" output | head -n 1)"
    fi
done <<'TABLE'
coin||^posterior mean 0\.[56][0-9]+, exact 0\.6000$
functions||^mean effect of dose 10: (19\.[6-9]|20\.[0-4])[0-9]?, exact 20; at sensitivity 3: (29\.9|30\.0)[0-9], exact 30$
handler||^10 sites changed; the walk ends at
latent_rnn||^free energy: -?[0-9]+\.[0-9]+ nats per sequence$
mini||^trace +-4\.9669426294
regression||^slope +posterior -1\.9[0-9]+ \+- 0\.1[0-9]+, exact -1\.9493
TABLE
exit $failed
