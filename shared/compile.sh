#!/bin/bash
# compile.sh PHASE - compile CPython from a verified tarball. Runs inside the build stages of every Dockerfile.
#
# Phases, each a build step of its own so that an interrupted build goes on after the last one that finished:
#   sysconfig  check and unpack the tarball, configure it with the target's own compiler, keep what extensions are compiled
#              by and, where there is a profile, the modules that are frozen into the interpreter
#   train      unpack and configure; where there is no profile, compile with instrumentation and run the training
#   compile    compile for use, with the profile where there is one
# install.sh takes over from there; it is a script of its own so that a change to it compiles nothing again.
#
# Arguments come as environment variables from the catalog (shared/catalog.toml); nothing here knows a series by name.
#   PYTHON_RELEASE      for messages, e.g. 3.13.15
#   PYTHON_SHA256       of the tarball in $SOURCE, 64 hex digits
#   CONFIGURE_FLAGS     words for ./configure
#   CC, CXX             the compiler
#   COMPILER_PATH       folder of the compiler's programs, empty where they are on PATH
#   COMPILER_CONFIGURE  further words for ./configure, after CONFIGURE_FLAGS
#   COMPILER_FLAGS      words for the compiler, after upstream's own, so that they win
#   LINKER_FLAGS        words for the linker; public-data.list is written before they are used
#   EXECUTABLE_FLAGS    words for the linker of the executable alone
#   EXPAT_FLAGS         further words for the compiler of the bundled expat alone
#   BUILTIN             extension modules that become part of the interpreter, as far as the series has them
#   FROZEN              modules to freeze into it beside upstream's own, as far as the series freezes any
#   PGO                 1: instrument, train and use the profile; 0: compile once
#   PROFILE_GENERATE, PROFILE_USE   words for the compiler when it instruments, and when it has the profile
#   PROFILE_AGAIN       words beside PROFILE_USE for a second round of instrumentation and training, of what the first one's
#                       profile made; where there are any, the linker has PROFILE_USE, too. Empty: one round
#   TRAINING            arguments of the training run (PROFILE_TASK in CPython's Makefile)
#   SOURCE_DATE_EPOCH   seconds since 1970, the day of the release: what the interpreter says it was built at
# Folders:
#   PROFILE=/mnt/profile   may hold one profile of an earlier training by clang, xz-packed, or else programs (*.py) that a
#                          training runs beside TRAINING; mounted read-only
#   SOURCE=/mnt/source     holds exactly one tarball, mounted read-only
#   SYSCONFIG=/sysconfig   what `sysconfig` keeps, mounted for `compile`
#   PROFILES=/profiles     the profile of a training, packed in the same way, for who wants to keep it
#   TREE=/usr/src/python   the unpacked source
#
# A line "##phase NAME" tells the progress display where the build is.
set -euo pipefail
shopt -s nullglob

SOURCE=${SOURCE:-/mnt/source}
SYSCONFIG=${SYSCONFIG:-/sysconfig}
PROFILE=${PROFILE:-/mnt/profile}
PROFILES=${PROFILES:-/profiles}
TREE=${TREE:-/usr/src/python}
JOBS=$(nproc)

phase() { printf '##phase %s\n' "$1"; }

read -r -a configure_flags <<<"${CONFIGURE_FLAGS:-}"
read -r -a builtin_modules <<<"${BUILTIN:-}"
read -r -a frozen_modules <<<"${FROZEN:-}"

# Given on make's command line, as the official images do: so they shape this build and stay out of the installed
# Makefile, from which every C extension takes its flags (sysconfig).
run_make() {
    local more=()
    # As the Makefile has it, not its value: that one would be without what this command line says, ours and PGO's.
    if [ -n "${EXPAT_FLAGS:-}" ]; then
        more=("LIBEXPAT_CFLAGS=$(sed -n 's/^LIBEXPAT_CFLAGS=//p' Makefile) $EXPAT_FLAGS")
    fi
    make --no-print-directory -j "$JOBS" "EXTRA_CFLAGS=${COMPILER_FLAGS:-}" "LDFLAGS=${LINKER_FLAGS:-}" \
        "LINKFORSHARED=-Xlinker -export-dynamic ${EXECUTABLE_FLAGS:-}" "${more[@]}" "$@"
}

unpack() {
    local tarballs=("$SOURCE"/*)
    if [ "${#tarballs[@]}" -ne 1 ]; then
        echo "compile.sh: expected one tarball in $SOURCE, found ${#tarballs[@]}" >&2
        exit 1
    fi
    echo "$PYTHON_SHA256  ${tarballs[0]}" | sha256sum --check --strict -
    mkdir -p "$TREE"
    tar --extract --file "${tarballs[0]}" --directory "$TREE" --strip-components=1
    cd "$TREE"
    # Upstream's own lines for these modules: from 3.11 on in Setup.stdlib.in, before that as comments in Setup.
    local module
    printf '*static*\n' >Modules/Setup.local
    for module in "${builtin_modules[@]}"; do
        sed -n -E -e "s/^@MODULE_\w+_TRUE@($module\s.*)$/\1/p" -e "s/^#($module\s[^#]*\.c\b[^#]*)(#.*)?$/\1/p" \
            Modules/Setup.stdlib.in Modules/Setup 2>/dev/null | head -n 1 >>Modules/Setup.local || true
    done
    freeze
    public_data >public-data.list
}

# The data that CPython's public headers declare, as a list that linkers read (--dynamic-list).
public_data() {
    local headers=(Include/*.h Include/cpython/*.h) names
    if ! names=$(sed '/^ *#/d' "${headers[@]}" /dev/null | tr '\n' ' ' |
        grep --only-matching --perl-regexp 'PyAPI_DATA\([^)]*\)[\s*(]*(const\s+)?\K\w+' | sort --unique); then
        echo "compile.sh: expected data that Include/*.h or Include/cpython/*.h declare (PyAPI_DATA), found none in" \
            "${#headers[@]} headers; is this CPython's source?" >&2
        exit 1
    fi
    printf '{\n%s;\n};\n' "${names//$'\n'/$';\n'}"
}

# Upstream's own script writes what is frozen into its sources, from a list that is part of it (from 3.11 on).
freeze() {
    local scripts=(Tools/*/freeze_modules.py) place="^( *)#'<encodings\\.\\*>'," words
    if [ "${#frozen_modules[@]}" -eq 0 ] || ! grep -q -E "$place" "${scripts[@]}" /dev/null; then return 0; fi
    words=$(printf "'%s', " "${frozen_modules[@]}")
    sed -i -E "s/$place/\\1$words/" "${scripts[0]}"
    python3 "${scripts[0]}"
}

# The Python that the distribution has here is for freeze() alone: what is installed must not name it.
configure() {
    PYTHON_FOR_REGEN=python3 ./configure --build="$(dpkg-architecture --query DEB_BUILD_GNU_TYPE)" \
        "${configure_flags[@]}" "$@"
}

sysconfig() {
    unpack
    configure
    make --no-print-directory python-config
    mkdir -p "$SYSCONFIG"
    cp Makefile pyconfig.h python-config "$SYSCONFIG"
    [ "$PGO" = 1 ] || return 0
    # Frozen modules are the same whoever freezes them. From here they save the optimised build two links of a whole
    # interpreter, and this one needs no optimisation: configure's own words, LTO among them, come after EXTRA_CFLAGS. Up to
    # 3.9 the tarball has them, in 3.11 and 3.12 they are C as well.
    local goals deep=Python/deepfreeze/deepfreeze.c
    read -r -a goals <<<"$(value FROZEN_FILES_OUT)"
    if grep -q "^$deep:" Makefile; then goals+=("$deep"); fi
    [ "${#goals[@]}" -gt 0 ] || return 0
    make --no-print-directory -j "$JOBS" EXTRA_CFLAGS=-O0 \
        "CONFIGURE_CFLAGS_NODIST=$(value CONFIGURE_CFLAGS_NODIST) -g0 -fno-lto" "${goals[@]}"
    # The folders whole: one of them, getpath's, is no goal of its own.
    local folder
    for folder in Python/frozen_modules Python/deepfreeze; do
        if [ -d "$folder" ]; then find "$folder" -name '*.[ch]' -exec cp --parents --target-directory="$SYSCONFIG" {} +; fi
    done
}

# Make every file of the tree equally old: then nothing is out of date for `make`.
settle() { find . -type f -exec touch --no-create --reference="$1" {} +; }

# One round: compile with instrumentation by these words, train, and gather what was counted (clang: code.profclangd).
instrument() {
    phase "instrumented build"
    rm -f profile-gen-stamp profile-run-stamp
    run_make "PGO_PROF_GEN_FLAG=$1" profile-gen-stamp
    phase training
    # An absolute path: tests work in folders of their own, which they remove with what was written there.
    local counts=$PWD/code-%p.profclangr
    local programs=("$PROFILE"/*.py)
    if [ "${#programs[@]}" -gt 0 ]; then
        printf '%s\0' "${programs[@]}" |
            LLVM_PROFILE_FILE=$counts LD_LIBRARY_PATH=$PWD xargs --null --max-args=1 --max-procs="$JOBS" ./python
    fi
    run_make "PROFILE_TASK=$TRAINING -j $JOBS" "LLVM_PROF_FILE=LLVM_PROFILE_FILE=$counts" profile-run-stamp
    rm -f -- *.profclangr
}

train() {
    phase configure
    unpack
    if [ -n "${COMPILER_PATH:-}" ]; then export PATH="$COMPILER_PATH:$PATH"; fi
    read -r -a own_flags <<<"${COMPILER_CONFIGURE:-}"
    configure "${own_flags[@]}" "CC=$CC" "CXX=$CXX"
    # Up to 3.13 upstream's LTO by gcc works in one partition and generates code twice (cpython #132257): the link alone
    # took 10m15s there against 2m28s, with no loss of speed.
    sed -i -e 's/-flto -fuse-linker-plugin -ffat-lto-objects -flto-partition=none/-flto=auto -fuse-linker-plugin -fno-fat-lto-objects/' \
        Makefile
    [ "$PGO" = 1 ] || return 0
    mkdir -p "$PROFILES"
    local packed=("$PROFILE"/*.xz)
    if [ "${#packed[@]}" -gt 0 ]; then
        echo "${PROFILE_SHA256:-none}  ${packed[0]}" | sha256sum --check --strict -
        xz --decompress --stdout "${packed[0]}" >code.profclangd
        return 0
    fi

    # The instrumented interpreter is thrown away after training: LTO would cost its link time for nothing.
    instrument "$PROFILE_GENERATE"
    if [ -n "${PROFILE_AGAIN:-}" ]; then
        cp code.profclangd first.profclangd
        instrument "$PROFILE_USE $PROFILE_AGAIN"
        llvm-profdata merge -output=both.profclangd first.profclangd code.profclangd
        mv both.profclangd code.profclangd
        rm first.profclangd
        # Where the link had not been told, nothing would be counted there, and nobody would notice.
        if ! llvm-profdata show --showcs code.profclangd | grep -q '^Total functions: [1-9]'; then
            echo "compile.sh: expected counts of the second round beside those of the first, found none" >&2
            exit 1
        fi
    fi
    local profiles bytes
    profiles=$(find . -name '*.gcda' | wc -l)
    bytes=$(stat --format=%s code.profclangd 2>/dev/null || echo 0)
    echo "training wrote $profiles gcda files, $bytes bytes of clang's profile"
    if [ "$profiles" -lt 50 ] && [ "$bytes" -lt 500000 ]; then
        echo "compile.sh: expected a profile of nearly each of CPython's C files;" \
            "the interpreter would be optimised for nothing" >&2
        exit 1
    fi
    if [ "$bytes" -gt 0 ]; then xz -9e --threads=1 --stdout code.profclangd >"$PROFILES/code.profdata.xz"; fi
}

# Programs that only the build itself uses, each of which would be one more link of the whole interpreter.
HELPERS=(Programs/_freeze_module _bootstrap_python Programs/_testembed)

compile() {
    cd "$TREE"
    if [ -n "${COMPILER_PATH:-}" ]; then export PATH="$COMPILER_PATH:$PATH"; fi
    local goals
    # The library of the stable ABI has no name where the series or its build has none.
    read -r -a goals <<<"$(value LDLIBRARY) $(value BUILDPYTHON) $(value PY3LIBRARY)"
    if [ "$PGO" = 1 ]; then
        phase "optimised build"
        local helper kept=()
        for helper in "${HELPERS[@]}"; do kept+=(-o "$helper"); done
        if [ -d "$SYSCONFIG/Python" ]; then cp -R "$SYSCONFIG/Python" .; fi
        touch /tmp/now
        settle /tmp/now
        # What upstream's profile-opt does, without the helpers: make does not hand -o to the make that it calls.
        local use=("CFLAGS_NODIST=$PROFILE_USE")
        if [ -n "${PROFILE_AGAIN:-}" ]; then use+=("LDFLAGS_NODIST=$PROFILE_USE"); fi
        run_make "${kept[@]}" "${use[@]}" "${goals[@]}"
        run_make "${kept[@]}" "${use[@]}" build_all
    else
        phase build
        run_make "${goals[@]}" all
    fi
    # sysconfig tells extensions how to be compiled: by the target's own compiler, with upstream's flags and none of ours.
    # make hands its command-line variables to its children, and sysconfig takes from the environment what a Makefile
    # does not set: so this is done outside of make.
    local file
    diff -u pyconfig.h "$SYSCONFIG/pyconfig.h" || true
    for file in Makefile pyconfig.h; do
        cp -a "$file" "$file.own"
        cp "$SYSCONFIG/$file" "$file"
    done
    LD_LIBRARY_PATH="$PWD" ./python -E -S -m sysconfig --generate-posix-vars
    for file in Makefile pyconfig.h; do mv "$file.own" "$file"; done
    touch /tmp/now
    settle /tmp/now
}

# A value of the Makefile, its variables expanded.
value() { printf 'include Makefile\nprint-value: ; @echo "%s"\n' "\$($1)" | make --no-print-directory -f - print-value; }

case "${1:-}" in
sysconfig | train | compile) "$1" ;;
*)
    echo "usage: compile.sh sysconfig|train|compile" >&2
    exit 2
    ;;
esac
