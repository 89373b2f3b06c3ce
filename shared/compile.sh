#!/bin/bash
# compile.sh PHASE - compile CPython from a verified tarball. Runs inside the build stage of every Dockerfile.
#
# Phases, each a build step of its own so that an interrupted build goes on after the last one that finished:
#   train     check and unpack the tarball, configure, compile with instrumentation, run upstream's training
#   compile   compile for use, with the profile where there is one
#   install   install to $OUT, drop what nobody can use, list the packages whose libraries are needed at run time
#
# Arguments come as environment variables from the catalog (shared/catalog.toml); nothing here knows a series by name.
#   PYTHON_RELEASE    for messages, e.g. 3.13.15
#   PYTHON_SHA256     of the tarball in $SOURCE, 64 hex digits
#   CONFIGURE_FLAGS   words for ./configure
#   EXTRA_CFLAGS      words for the compiler, after upstream's own, so that they win
#   EXTRA_LDFLAGS     words for the linker
#   PGO               1: instrument, train and use the profile; 0: compile once
#   TRAINING          arguments of the training run (PROFILE_TASK in CPython's Makefile)
#   PRUNE             what to leave out, shell patterns below /usr/local
# Folders:
#   SOURCE=/mnt/source   holds exactly one tarball, mounted read-only
#   TREE=/usr/src/python the unpacked source
#   OUT=/out             becomes / of the image; OUT.packages lists the packages that its libraries come from
#
# A line "##phase NAME" tells the progress display where the build is.
set -euo pipefail

SOURCE=${SOURCE:-/mnt/source}
TREE=${TREE:-/usr/src/python}
OUT=${OUT:-/out}
JOBS=$(nproc)

phase() { printf '##phase %s\n' "$1"; }

read -r -a configure_flags <<<"${CONFIGURE_FLAGS:-}"

# Given on make's command line, as the official images do: so they shape this build and stay out of the installed
# Makefile, from which every C extension takes its flags (sysconfig).
ldflags=${EXTRA_LDFLAGS:-}
run_make() { make --no-print-directory -j "$JOBS" "EXTRA_CFLAGS=${EXTRA_CFLAGS:-}" "LDFLAGS=$ldflags" "$@"; }

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
}

install() {
    phase install
    cd "$TREE"
    ldflags="$ldflags -Wl,-rpath='\$\$ORIGIN/../lib'"
    # -x . : compileall would write three .pyc for each module, all of which are removed below.
    run_make "DESTDIR=$OUT" "COMPILEALL_OPTS=-j0 -x ." install
    local prefix=$OUT/usr/local prune pattern tool versioned
    find "$prefix" -depth \
        \( -type d \( -name test -o -name tests -o -name idle_test -o -name __pycache__ \) \) -exec rm -rf {} + -o \
        -type f \( -name '*.pyc' -o -name '*.pyo' -o -name '*.a' -o -path '*/config-*/*.o' \) -exec rm -f {} +
    read -r -a prune <<<"${PRUNE:-}"
    (cd "$prefix" && for pattern in "${prune[@]}"; do compgen -G "$pattern" || true; done | xargs --no-run-if-empty rm -rf)
    # The unversioned names that every user of the official images types.
    for tool in python pip pydoc python-config; do
        versioned="${tool/python/python3}"
        [ "$versioned" != "$tool" ] || versioned="${tool}3"
        if [ -e "$prefix/bin/$versioned" ]; then ln -sfT "$versioned" "$prefix/bin/$tool"; fi
    done
    # Packages that own the libraries which the tree is linked with. Not _tkinter's: Tk is installed by who wants it.
    LD_LIBRARY_PATH="$prefix/lib" find "$prefix" -type f \( -perm /111 -o -name '*.so*' \) -not -name '*tkinter*' -exec ldd {} \; 2>/dev/null |
        awk '/=>/ && $3 ~ "^/" && $3 !~ "^'"$OUT"'/" { so = $3; gsub("^/(usr/)?", "", so); print "*/" so }' |
        sort -u | xargs --no-run-if-empty dpkg-query --search |
        sed 's/:.*//' | sort -u >"$OUT.packages"
    echo "libraries come from: $(tr '\n' ' ' <"$OUT.packages")"
}

case "${1:-}" in
train | compile | install) "$1" ;;
*)
    echo "usage: compile.sh train|compile|install" >&2
    exit 2
    ;;
esac
