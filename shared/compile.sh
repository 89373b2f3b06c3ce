#!/bin/bash
# compile.sh PHASE - compile CPython from a verified tarball. Runs inside the build stage of every Dockerfile.
#
# Phases, each a build step of its own so that an interrupted build goes on after the last one that finished:
#   train     check and unpack the tarball, configure, compile with instrumentation, run upstream's training
#   compile   compile for use, with the profile where there is one
# install.sh takes over from there; it is a script of its own so that a change to it compiles nothing again.
#
# Arguments come as environment variables from the catalog (shared/catalog.toml); nothing here knows a series by name.
#   PYTHON_RELEASE    for messages, e.g. 3.13.15
#   PYTHON_SHA256     of the tarball in $SOURCE, 64 hex digits
#   CONFIGURE_FLAGS   words for ./configure
#   COMPILER_FLAGS    words for the compiler, after upstream's own, so that they win
#   LINKER_FLAGS      words for the linker
#   PGO               1: instrument, train and use the profile; 0: compile once
#   TRAINING          arguments of the training run (PROFILE_TASK in CPython's Makefile)
# Folders:
#   SOURCE=/mnt/source   holds exactly one tarball, mounted read-only
#   TREE=/usr/src/python the unpacked source
#
# A line "##phase NAME" tells the progress display where the build is.
set -euo pipefail

SOURCE=${SOURCE:-/mnt/source}
TREE=${TREE:-/usr/src/python}
JOBS=$(nproc)

phase() { printf '##phase %s\n' "$1"; }

read -r -a configure_flags <<<"${CONFIGURE_FLAGS:-}"

# Given on make's command line, as the official images do: so they shape this build and stay out of the installed
# Makefile, from which every C extension takes its flags (sysconfig).
ldflags=${LINKER_FLAGS:-}
run_make() { make --no-print-directory -j "$JOBS" "EXTRA_CFLAGS=${COMPILER_FLAGS:-}" "LDFLAGS=$ldflags" "$@"; }

train() {
    phase configure
    local tarballs=("$SOURCE"/*)
    if [ "${#tarballs[@]}" -ne 1 ]; then
        echo "compile.sh: expected one tarball in $SOURCE, found ${#tarballs[@]}" >&2
        exit 1
    fi
    echo "$PYTHON_SHA256  ${tarballs[0]}" | sha256sum --check --strict -
    mkdir -p "$TREE"
    tar --extract --file "${tarballs[0]}" --directory "$TREE" --strip-components=1
    cd "$TREE"
    ./configure --build="$(dpkg-architecture --query DEB_BUILD_GNU_TYPE)" "${configure_flags[@]}"
    # Up to 3.13 upstream's LTO works in one partition and generates code twice (cpython #132257): the link alone took
    # 10m15s there against 2m28s, with no loss of speed. Without fat objects a link step without LTO cannot read what
    # was compiled: _bootstrap_python's is one (3.11 and later).
    local lto='-flto=auto -fuse-linker-plugin -fno-fat-lto-objects'
    sed -i -e "s/-flto -fuse-linker-plugin -ffat-lto-objects -flto-partition=none/$lto/" Makefile
    if grep -q -e "$lto" Makefile; then sed -i -e "s/^CONFIGURE_LDFLAGS_NOLTO=.*/CONFIGURE_LDFLAGS_NOLTO=$lto/" Makefile; fi
    [ "$PGO" = 1 ] || return 0

    phase "instrumented build"
    # The instrumented interpreter is thrown away after training: LTO would cost its link time for nothing.
    run_make "PGO_PROF_GEN_FLAG=-fprofile-generate -fno-lto" profile-gen-stamp
    phase training
    run_make "PROFILE_TASK=$TRAINING -j $JOBS" profile-run-stamp
    local profiles
    profiles=$(find . -name '*.gcda' | wc -l)
    echo "training wrote $profiles profiles"
    if [ "$profiles" -lt 50 ]; then
        echo "compile.sh: training left $profiles profiles, expected one for nearly each of CPython's C files;" \
            "the interpreter would be optimised for nothing" >&2
        exit 1
    fi
}

compile() {
    cd "$TREE"
    if [ "$PGO" = 1 ]; then phase "optimised build"; else phase build; fi
    run_make
    # The interpreter finds its own libpython wherever the tree lies, and never a distribution's of the same version
    # (docker-library/python #784).
    rm python
    ldflags="$ldflags -Wl,-rpath='\$\$ORIGIN/../lib'"
    run_make python
    # make hands its command-line variables to its children, and sysconfig takes from the environment what a Makefile
    # does not set: write the flags for extensions once more, without ours.
    LD_LIBRARY_PATH="$PWD" ./python -E -S -m sysconfig --generate-posix-vars
}

case "${1:-}" in
train | compile) "$1" ;;
*)
    echo "usage: compile.sh train|compile" >&2
    exit 2
    ;;
esac
