# SPDX-License-Identifier: MIT
# The examples of doc/handlers.md print what the page says. (The program is built of them
# by make: tests/doc_handlers.)
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
(cd "$top_builddir" && $MAKE "tests/doc_handlers${EXEEXT:-}" > "$work/log" 2>&1) \
    || { cat "$work/log"; exit 1; }
awk -v want=text -f "$top_srcdir/tests/doc.awk" "$top_srcdir/doc/handlers.md" > "$work/wanted"
"$top_builddir/tests/doc_handlers${EXEEXT:-}" > "$work/printed"
diff -u "$work/wanted" "$work/printed"
echo "$(wc -l < "$work/wanted") lines"
