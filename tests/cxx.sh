# SPDX-License-Identifier: MIT
# Functions and models in C++: functions.cc compiles without a warning as C++11, links the
# library, and runs.
set -eu

[ -n "${CXX:-}" ] || { echo "no C++ compiler"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

$CXX -std=c++11 -g $SANITIZER_FLAGS -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic \
    -I"$top_srcdir/include" -c -o "$work/functions.o" "$top_srcdir/tests/functions.cc"
$LIBTOOL --silent --tag=CC --mode=link $CXX $SANITIZER_FLAGS -o "$work/functions" \
    "$work/functions.o" "$top_builddir/libkiln.la"
"$work/functions"
