#!/bin/sh
# SPDX-License-Identifier: MIT
#
# bootstrap.sh [--yes] [argument of configure]... - from a fresh clone to a Makefile.
#
# Installs the packages that are missing (with apt, dnf or brew), makes `configure` and
# runs it. Says first what is missing and what it will run; asks before it uses sudo,
# unless --yes is given. What is up to date is left alone.
set -eu
cd "$(dirname "$0")"

# A row: commands of which one must be there ("-": the package manager knows), then the
# package in Debian and Ubuntu, in Fedora, in Homebrew ("-": it has none).
required='
cc,gcc,clang            build-essential   gcc                 gcc
make                    make              make                make
autoconf                autoconf          autoconf            autoconf
automake                automake          automake            automake
libtoolize,glibtoolize  libtool           libtool             libtool
pkg-config              pkg-config        pkgconf-pkg-config  pkgconf
cmp                     diffutils         diffutils           diffutils
find                    findutils         findutils           findutils
-                       libffi-dev        libffi-devel        libffi
-                       uthash-dev        uthash-devel        uthash
-                       check             check-devel         check
-                       libopenblas-dev   openblas-devel      openblas
-                       libsleef-dev      sleef-devel         sleef
-                       librandom123-dev  Random123-devel     -
-                       libjansson-dev    jansson-devel       jansson
'
# Installed where they are on offer: pictures, and fast small matrix products on x86-64.
optional='
-                       libcairo2-dev     cairo-devel         cairo
'
[ "$(uname -m)" != x86_64 ] || optional="$optional
-                       libxsmm-dev       libxsmm-devel       -
"

say() { printf 'bootstrap: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

# packages COLUMN ROWS: the names of a column (1 Debian, 2 Fedora, 3 Homebrew).
packages()
{
    echo "$2" | while read -r commands debian fedora homebrew; do
        case $1 in 1) name=$debian ;; 2) name=$fedora ;; *) name=$homebrew ;; esac
        [ "${name:--}" = - ] || echo "$commands $name"
    done
}

have_one_of()
{
    for command in $(echo "$1" | tr ',' ' '); do
        if command -v "$command" > /dev/null 2>&1; then return 0; fi
    done
    return 1
}

# missing COLUMN ROWS: of those, the names that are to be installed, on one line.
missing()
{
    packages "$1" "$2" | while read -r commands name; do
        if [ "$commands" = - ]; then installed "$name"; else have_one_of "$commands"; fi \
            || printf '%s ' "$name"
    done
}

# The package manager: its column, its commands (run through sudo for those that need
# it), and whether it has a package installed or on offer.
sudo=
if command -v apt-get > /dev/null 2>&1; then
    column=1 sudo=sudo update='apt-get -q update'
    install='env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends'
    installed() { dpkg-query -W -f '${Status}' "$1" 2> /dev/null | grep -q ' installed$'; }
    offered() { apt-cache show "$1" > /dev/null 2>&1; }
elif command -v dnf > /dev/null 2>&1; then
    column=2 sudo=sudo update='' install='dnf install -y'
    installed() { rpm -q "$1" > /dev/null 2>&1; }
    offered() { dnf -q info "$1" > /dev/null 2>&1; }
elif command -v brew > /dev/null 2>&1; then
    column=3 update='' install='brew install'
    installed() { brew list --formula "$1" > /dev/null 2>&1; }
    offered() { brew info --formula "$1" > /dev/null 2>&1; }
else
    say "no apt, dnf or brew here. Install these, by their names in Debian:" >&2
    packages 1 "$required$optional" | sed 's/.* /  /' >&2
    fail "then run: autoreconf -fi && ./configure"
fi
[ "$(id -u)" -ne 0 ] || sudo=

# Whether the commands may be run: at once as root, else by sudo if the user says yes.
permitted()
{
    [ -n "$sudo" ] || return 0
    if ! command -v sudo > /dev/null 2>&1; then
        say "you are not root and there is no sudo: have root run that"
        return 1
    fi
    [ "$yes" = no ] || return 0
    printf 'bootstrap: use sudo for that? (--yes: do not ask) [y/N] '
    read -r answer || { answer=; echo; }
    case $answer in y | Y | yes | Yes) ;; *) return 1 ;; esac
}

install_packages()
{
    wanted=$(missing $column "$required")
    extra=$(missing $column "$optional")
    if [ -z "$wanted$extra" ]; then
        say "nothing to install"
        return
    fi
    [ -z "$wanted" ] || say "missing: $wanted"
    [ -z "$extra" ] || say "missing, but optional: $extra"
    say "to run: ${update:+${sudo:+sudo }$update; }${sudo:+sudo }$install $wanted$extra"
    if ! permitted; then
        [ -z "$wanted" ] || fail "nothing was installed"
        say "going on without $extra"
        return
    fi
    if [ -n "$update" ]; then
        # shellcheck disable=SC2086
        $sudo $update || say "going on with the package lists at hand"
    fi
    for name in $extra; do
        if offered "$name"; then
            wanted="$wanted$name "
        else
            say "going on without $name, which is not on offer"
        fi
    done
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || $sudo $install $wanted
}

# Homebrew keeps some packages out of the compiler's sight and has no Random123.
configure_for_homebrew()
{
    prefix=$(brew --prefix)
    if [ ! -f "$prefix/include/Random123/philox.h" ] && [ ! -d deps/random123 ]; then
        say "running: git clone https://github.com/DEShawResearch/random123 deps/random123"
        git clone --quiet --depth 1 https://github.com/DEShawResearch/random123 deps/random123
    fi
    for name in libffi openblas; do
        PKG_CONFIG_PATH="$(brew --prefix "$name")/lib/pkgconfig:${PKG_CONFIG_PATH:-}"
    done
    CPPFLAGS="-I$prefix/include -I$PWD/deps/random123/include ${CPPFLAGS:-}"
    LDFLAGS="-L$prefix/lib ${LDFLAGS:-}"
    export PKG_CONFIG_PATH CPPFLAGS LDFLAGS
}

yes=no
if [ "${1:-}" = --yes ]; then
    yes=yes
    shift
fi
install_packages
if [ ! -f configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
    say "running: autoreconf -fi"
    mkdir -p m4
    autoreconf -fi
fi
# A Makefile brings itself up to date, with the options that it was configured with.
if [ ! -f Makefile ] || [ $# -gt 0 ]; then
    [ $column -ne 3 ] || configure_for_homebrew
    say "running: ./configure $*"
    ./configure "$@"
fi
