# SPDX-License-Identifier: MIT
# kiln.pc gives the header's version and the flags to compile and link.
set -eu

[ -n "${PKG_CONFIG:-}" ] || { echo "no pkg-config"; exit 77; }
PKG_CONFIG_PATH=$top_builddir${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
# Paths that pkg-config would leave out as the system's are to be seen.
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS

# expect WHAT TEXT WANTED: TEXT has WANTED among its words.
expect()
{
    case " $2 " in
    *" $3 "*) echo "$1: $2" ;;
    *) echo "$1 is \"$2\" and lacks \"$3\""; exit 1 ;;
    esac
}

version=$(sed -n 's/^#define PPL_VERSION "\(.*\)"/\1/p' "$top_srcdir/include/kiln.h")
expect version "$($PKG_CONFIG --modversion kiln)" "$version"
expect cflags "$($PKG_CONFIG --cflags kiln)" "-I$($PKG_CONFIG --variable=includedir kiln)"
expect libs "$($PKG_CONFIG --libs kiln)" "-L$($PKG_CONFIG --variable=libdir kiln)"
expect libs "$($PKG_CONFIG --libs kiln)" -lkiln
expect "static libs" "$($PKG_CONFIG --static --libs kiln)" -lffi
expect "static libs" "$($PKG_CONFIG --static --libs kiln)" -ljansson
expect "static libs" "$($PKG_CONFIG --static --libs kiln)" -lsleef
# A program that links the shared library needs none of what stands behind it.
case $($PKG_CONFIG --libs kiln) in
*ffi* | *jansson* | *sleef* | *blas* | *xsmm*) echo "libs names private libraries"; exit 1 ;;
esac
