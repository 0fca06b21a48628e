# SPDX-License-Identifier: MIT
# The table of doc/kl.md is what ppl_kl_find says of every pair of families in the headers.
# `make check` compares them; after a change, write it anew with
#     make check TESTS=tests/kl_table.sh KL_TABLE=write
set -eu

case $(ls "$top_builddir"/.libs/libkiln.* 2> /dev/null) in
*.so* | *.dylib*) ;;
*) echo "no shared library was built"; exit 77 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
page=$top_srcdir/doc/kl.md
families=$(sed -n 's/^PPL_API extern const ppl_family ppl_family_\([a-z0-9_]*\);/\1/p' \
    "$top_srcdir"/include/kiln/*.h | sort -u)

{
    printf '#include <kiln.h>\n#include <stdio.h>\n'
    printf 'static const ppl_family *const family[] = {\n'
    for family in $families; do printf '    &ppl_family_%s,\n' "$family"; done
    cat << 'END'
};
enum { COUNT = sizeof family / sizeof *family };

int main(void)
{
    ppl_ctx *c = ppl_ctx_new(NULL);

    printf("| q | p |\n|---|---|\n");
    for (int q = 0; q < COUNT; q++) {
        int pairs = 0;

        for (int p = 0; p < COUNT; p++) {
            if (ppl_kl_find(c, family[q], family[p]) == NULL)
                continue;
            if (pairs++ == 0)
                printf("| %s | %s", family[q]->name, family[p]->name);
            else
                printf(", %s", family[p]->name);
        }
        if (pairs > 0)
            printf(" |\n");
    }
    ppl_ctx_free(c);
    return 0;
}
END
} > "$work/table.c"
$CC $CFLAGS -I"$top_srcdir/include" -o "$work/table" "$work/table.c" \
    -L"$top_builddir/.libs" -lkiln -Wl,-rpath,"$(cd "$top_builddir/.libs" && pwd)"
"$work/table" > "$work/new"

sed '/^<!-- table -->/q' "$page" > "$work/page"
cat "$work/new" >> "$work/page"
if [ "${KL_TABLE-}" = write ]; then
    cp "$work/page" "$page"
elif ! diff -u "$page" "$work/page"; then
    echo 'doc/kl.md is not of this code: make check TESTS=tests/kl_table.sh KL_TABLE=write' >&2
    exit 1
fi
