# SPDX-License-Identifier: MIT
# The tables of doc/distributions.md and doc/kl.md are what the families of the headers say of
# themselves, and ppl_kl_find of each pair. `make check` compares; after a change, write them
# anew with
#     make check TESTS=tests/tables.sh TABLES=write
set -eu

case $(ls "$top_builddir"/.libs/libkiln.* 2> /dev/null) in
*.so* | *.dylib*) ;;
*) echo "no shared library was built"; exit 77 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
    printf '#include <kiln.h>\n#include <stdio.h>\n#include <string.h>\n'
    printf 'static const struct { const ppl_family *family; const char *header; } row[] = {\n'
    for header in "$top_srcdir"/include/kiln/*.h; do
        name=$(basename "$header" .h)
        sed -n 's/^PPL_API extern const ppl_family \(ppl_family_[a-z0-9_]*\);/\1/p' "$header" |
            sort -u | sed "s/.*/    { \&&, \"$name\" },/"
    done
    cat << 'END'
};
enum { COUNT = sizeof row / sizeof *row };

static void show_constraint(const ppl_constraint *k)
{
    printf("%s", k->type->name);
    if (strstr(k->type->name, "interval"))
        printf(" %g..%g", k->lower, k->upper);
}

static void show_parameters(const ppl_family *f)
{
    for (int i = 0; i < f->params; i++) {
        const ppl_constraint *k = f->param_constraint[i];

        printf("%s%s", i ? ", " : "", f->param_name[i]);
        if (k && strcmp(k->type->name, "real") != 0) {
            printf(" (");
            show_constraint(k);
            printf(")");
        }
    }
}

static void show_family(const ppl_family *f)
{
    const struct { const char *name; int has; } has[] = {
        { "reparameterised", f->flags & PPL_REPARAM }, { "enumerated", f->enumerate != NULL },
        { "entropy", f->entropy != NULL }, { "mean", f->mean != NULL },
        { "variance", f->variance != NULL }, { "covariance", f->covariance != NULL },
        { "mode", f->mode != NULL }, { "cdf", f->cdf != NULL }, { "icdf", f->icdf != NULL },
    };
    int shown = 0;

    printf("| %s | ", f->name);
    show_parameters(f);
    printf(" | ");
    if (f->support)
        show_constraint(f->support);
    else
        printf("its parts'");
    printf("%s | ", f->bounds ? ", within bounds" : "");
    for (size_t i = 0; i < sizeof has / sizeof *has; i++)
        if (has[i].has)
            printf("%s%s", shown++ ? ", " : "", has[i].name);
    printf(" |\n");
}

static void show_families(void)
{
    for (int i = 0; i < COUNT; i++) {
        if (i == 0 || strcmp(row[i].header, row[i - 1].header) != 0)
            printf("\n## kiln/%s.h\n\n| family | parameters | support | has |\n"
                   "|---|---|---|---|\n", row[i].header);
        show_family(row[i].family);
    }
}

static void show_kl(void)
{
    ppl_ctx *c = ppl_ctx_new(NULL);

    printf("| q | p |\n|---|---|\n");
    for (int q = 0; q < COUNT; q++) {
        int pairs = 0, shown = 0;

        for (int p = 0; p < COUNT; p++)
            pairs += ppl_kl_find(c, row[q].family, row[p].family) != NULL;
        if (pairs > 0)
            printf("| %s | ", row[q].family->name);
        for (int p = 0; p < COUNT && pairs < COUNT; p++)
            if (ppl_kl_find(c, row[q].family, row[p].family) != NULL)
                printf("%s%s", shown++ ? ", " : "", row[p].family->name);
        if (pairs > 0)
            printf("%s |\n", pairs == COUNT ? "every family" : "");
    }
    ppl_ctx_free(c);
}

int main(int count, char **argument)
{
    if (count == 2 && strcmp(argument[1], "kl") == 0)
        show_kl();
    else
        show_families();
    return 0;
}
END
} > "$work/tables.c"
$CC $CFLAGS -I"$top_srcdir/include" -o "$work/tables" "$work/tables.c" \
    -L"$top_builddir/.libs" -lkiln -Wl,-rpath,"$(cd "$top_builddir/.libs" && pwd)"

for name in distributions kl; do
    page=$top_srcdir/doc/$name.md
    sed '/^<!-- table -->/q' "$page" > "$work/page"
    "$work/tables" $name >> "$work/page"
    if [ "${TABLES-}" = write ]; then
        cp "$work/page" "$page"
    elif ! diff -u "$page" "$work/page"; then
        echo "$page is not of this code: make check TESTS=tests/tables.sh TABLES=write" >&2
        exit 1
    fi
done
