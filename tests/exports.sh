# SPDX-License-Identifier: MIT
# The shared library exports what the headers declare PPL_API, and nothing else.
set -eu

dlname=$(sed -n "s/^dlname='\(.*\)'/\1/p" "$top_builddir/libkiln.la")
[ -n "$dlname" ] || { echo "no shared library in this build"; exit 77; }
${NM:-nm} --version > /dev/null 2>&1 || { echo "no nm"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration begins at PPL_API's attribute and ends at its first ";"; the name stands
# before its first "(" or "[", other attributes aside.
echo '#include <kiln.h>' > "$work/all.c"
$CC -std=c11 -E -P -I"$top_srcdir/include" "$work/all.c" | tr '\n' ' ' \
    | sed 's/__attribute__((visibility("default")))/\
@ /g' | sed -n '/^@ /{
s/;.*//
s/__attribute__((warn_unused_result))//g
s/[[(].*//
s/[[:space:]]*$//
s/.*[^A-Za-z0-9_]//
p
}' | sort -u > "$work/declared"
[ "$(wc -l < "$work/declared")" -gt 0 ] || { echo "no declaration found"; exit 1; }

case $dlname in
*.dylib) $NM -gU "$top_builddir/.libs/$dlname" | sed 's/ _/ /' ;;
*) $NM -D --defined-only "$top_builddir/.libs/$dlname" ;;
esac | awk '{ print $NF }' | sort -u > "$work/exported"

comm -23 "$work/declared" "$work/exported" > "$work/lacking"
comm -13 "$work/declared" "$work/exported" > "$work/surplus"
sed 's/^/declared, not exported: /' "$work/lacking"
sed 's/^/exported, not declared: /' "$work/surplus"
if [ -s "$work/lacking" ] || [ -s "$work/surplus" ]; then exit 1; fi
echo "$(wc -l < "$work/declared") names"
