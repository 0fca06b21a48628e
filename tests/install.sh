# SPDX-License-Identifier: MIT
# `make install` gives all that a program needs: an example compiles against it with
# pkg-config's flags alone, links the shared and the static library, runs; and
# `make uninstall` leaves nothing.
set -eu

[ -n "${PKG_CONFIG:-}" ] || { echo "no pkg-config"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
# The outer make's flags (its jobs, its targets' variables) are not for the inner one.
unset MAKEFLAGS MFLAGS MAKELEVEL

cd "$top_builddir"
$MAKE install DESTDIR="$root" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }

# The installed kiln.pc, moved to where DESTDIR put it.
pc=$(find "$root" -name kiln.pc)
sed -e "s|^\([a-z_]*\)=/|\1=$root/|" "$pc" > "$work/kiln.pc"
PKG_CONFIG_PATH=$work${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
libdir=$($PKG_CONFIG --variable=libdir kiln)

# build_and_run PROGRAM PKG_CONFIG_OPTIONS...
build_and_run()
{
    program=$work/$1
    shift
    $CC -std=c11 $CFLAGS $($PKG_CONFIG --cflags kiln) -o "$program" \
        "$top_srcdir/examples/coin.c" $($PKG_CONFIG "$@" --libs kiln)
    LD_LIBRARY_PATH=$libdir DYLD_LIBRARY_PATH=$libdir "$program"
}

if [ -n "$(sed -n "s/^dlname='\(.*\)'/\1/p" libkiln.la)" ]; then
    echo "shared:"
    build_and_run shared
fi
if [ -f "$libdir/libkiln.a" ]; then
    echo "static:"
    rm -f "$libdir"/libkiln.so* "$libdir"/libkiln*.dylib
    build_and_run static --static
fi

$MAKE uninstall DESTDIR="$root" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
left=$(find "$root" ! -type d)
[ -z "$left" ] || { echo "make uninstall left:"; echo "$left"; exit 1; }
