# SPDX-License-Identifier: MIT
# Each public header compiles alone and without a warning, as C11 and as C++11.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
warnings='-Wall -Wextra -Wconversion -Wshadow -Werror -pedantic'
cxx=${CXX:-c++}
command -v "$cxx" > /dev/null 2>&1 || { echo "no C++ compiler: C alone"; cxx=; }

cd "$top_srcdir/include"
for header in kiln.h kiln/*.h; do
    echo "$header"
    printf '#include <%s>\n#include <%s>\nint unit;\n' "$header" "$header" > "$work/unit.c"
    cp "$work/unit.c" "$work/unit.cc"
    $CC -std=c11 $warnings -I. -fsyntax-only "$work/unit.c"
    [ -z "$cxx" ] || $cxx -std=c++11 $warnings -I. -fsyntax-only "$work/unit.cc"
done
