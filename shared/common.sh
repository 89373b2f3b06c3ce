#!/bin/bash
# common.sh - what the scripts that run inside the build share; they source it. Each build step that runs such a script
# mounts this file as well, so a change here compiles everything again.

# Print why the step fails, and end it.
fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Tell the progress display where the build is.
phase() { printf '##phase %s\n' "$1"; }

# read_options TEXT NAME... - read TEXT, which has one line NAME=VALUE for each NAME, into the array `option`.
#
# TEXT is a build argument that the plan makes from the catalog (bakery/plan/bake.py). VALUE is a list of words separated by
# spaces, which may be empty. Words are data: quotes, `$` and `*` in them mean nothing here.
declare -A option=()
read_options() {
    local text=$1 line name
    shift
    while read -r line; do
        name=${line%%=*}
        if [[ -z $line ]]; then continue; fi
        if [[ " $* " != *" $name "* ]]; then fail "unknown option '$name', expected one of: $*"; fi
        option[$name]=${line#*=}
    done <<<"$text"
    for name in "$@"; do
        if [[ ! -v option[$name] ]]; then fail "option '$name' is missing; declare it in shared/catalog.toml"; fi
    done
}

# unpack_tarball FOLDER SHA256 TREE - unpack the only file in FOLDER to TREE after its digest was checked.
unpack_tarball() {
    local files=("$1"/*)
    if [ "${#files[@]}" -ne 1 ]; then fail "expected one tarball in $1, found ${#files[@]}"; fi
    echo "$2  ${files[0]}" | sha256sum --check --strict -
    mkdir -p "$3"
    tar --extract --file "${files[0]}" --directory "$3" --strip-components=1
}

# Arguments for make: do not build what only the build itself uses, each of which would be one more link of the whole
# interpreter.
# shellcheck disable=SC2034 # used by compile.sh and install.sh
SKIP_HELPERS=(-o Programs/_freeze_module -o _bootstrap_python -o Programs/_testembed)

# A variable of ./Makefile, expanded.
value() { printf 'include Makefile\nprint-value: ; @echo "%s"\n' "\$($1)" | make --no-print-directory -f - print-value; }

# link_unversioned BIN TOOL... - give tools in BIN the names that users of the official images type: pip is pip3.
link_unversioned() {
    local bin=$1 tool versioned
    shift
    for tool in "$@"; do
        case $tool in
        python*) versioned=python3${tool#python} ;;
        *) versioned=${tool}3 ;;
        esac
        if [ -e "$bin/$versioned" ]; then ln -sfT "$versioned" "$bin/$tool"; fi
    done
}

# stdin: paths; stdout: the packages that own them.
#
# A package lists a library below /lib or below /usr/lib, whichever it was made for, so the search is for */lib/...
# dpkg-query answers "libc6:amd64: /usr/lib/x86_64-linux-gnu/libc.so.6", and "diversion by dash from: /bin/sh" for a path
# that was diverted; only the former has a colon at the end of its first word.
owners() {
    sed -E 's#^/(usr/)?#*/#' | sort -u | xargs --no-run-if-empty dpkg-query --search |
        awk '$1 ~ ":$" { sub(/:.*/, "", $1); print $1 }' | sort -u
}

# stdin: programs and libraries, each ending in NUL; stdout: the libraries that they are linked with, except those below
# the folder $1. Of "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x...)" the third word counts.
linked_libraries() {
    { xargs --null --no-run-if-empty ldd 2>/dev/null || true; } |
        awk -v except="$1/" '/=>/ && $3 ~ "^/" && index($3, except) != 1 { print $3 }' | sort -u
}
