# SPDX-License-Identifier: MIT
# Models whose bodies are Python callables: python/coin.py trains them by the shared
# library, and prints what it is there to show.
set -eu

python=${PYTHON:-python3}
"$python" -c 'import ctypes' > /dev/null 2>&1 || { echo "no python3 with ctypes"; exit 77; }
dlname=$(sed -n "s/^dlname='\(.*\)'/\1/p" "$top_builddir/libkiln.la")
[ -n "$dlname" ] || { echo "no shared library in this build"; exit 77; }

# The sanitizers' run-time libraries must be there before Python; its own leaks are not
# ours.
preload=
case $SANITIZER_FLAGS in
*address*) preload=$($CC -print-file-name=libasan.so) ;;
*thread*) preload=$($CC -print-file-name=libtsan.so) ;;
esac
case $preload in
'' | /*) ;;
*) echo "no shared sanitizer library"; exit 77 ;;
esac

output=$(KILN_LIBRARY=$top_builddir/.libs/$dlname LD_PRELOAD=$preload \
    ASAN_OPTIONS=detect_leaks=0 PYTHONDONTWRITEBYTECODE=1 \
    "$python" "$top_srcdir/python/coin.py")
echo "$output"
for wanted in \
    '^posterior mean 0\.(59[5-9]|60[0-4])[0-9]*, exact 0\.6000$' \
    '^refused: guide: argument 3 is declared "double prior" and given long long 10; give' \
    "^raised: KeyError 'toss'\$"; do
    echo "$output" | grep -Eq -- "$wanted" || { echo "lacks \"$wanted\""; exit 1; }
done
