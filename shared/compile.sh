#!/bin/bash
# compile.sh PHASE - compile CPython from a verified tarball. Runs inside the build stages of the Dockerfiles.
#
# Each phase is a build step, so that an interrupted build resumes after the last one that finished:
#   sysconfig  unpack the tarball, configure it with the target's own compiler, keep the files that say how extensions
#              are compiled and, if there is a profile, the modules that upstream freezes into the interpreter
#   train      unpack and configure; unless there is a recorded profile, compile with instrumentation and run the training
#   compile    compile for use, with the profile if there is one
# install.sh takes over from there; it is a separate script so that a change to it does not compile anything again.
#
# Options of the catalog (shared/catalog.toml), each a list of words. The script knows no series by name: what differs
# from series to series is an option. Option lists below must match this text and the catalog (tests/unit/shared).
# CONFIGURE_OPTIONS, for both configure runs:
#   configure_flags     flags for ./configure
#   builtin             extension modules to link into libpython; those that a series does not have are skipped. `compile`
#                       still gives some of them a file, see modules_with_files and stubs
# COMPILE_OPTIONS, for `train` and `compile`:
#   cc, cxx             the compilers
#   compiler_path       folder of their programs, empty if they are on PATH
#   compiler_configure  further flags for ./configure, after configure_flags
#   compiler_flags      flags for the compiler, after upstream's own, so that they win
#   linker_flags        flags for the linker; exported-data.list and /mnt/startup.order (shared/startup.order) exist when
#                       they are used
#   executable_flags    flags for linking the executable only
#   expat_flags         further compiler flags for the bundled expat only
#   ceval_flags         further compiler flags for ceval.c only, the interpreter's loop; for series from 3.14 on
#   profile_generate    compiler flags for instrumentation
#   profile_use         compiler flags for using the profile
#   profile_again       flags in addition to profile_use for a second round of instrumentation and training, of the code
#                       that the first round's profile made; the linker gets profile_use too. Empty: one round
#   programs            names of files in shared/training, programs that the training runs first
#   training            arguments of the training run (PROFILE_TASK in CPython's Makefile)
#
# Facts about the image, as environment variables:
#   PYTHON_SHA256       digest of the tarball, 64 hexadecimal digits
#   PGO                 1: compile with a profile; 0: compile once, without
#   PROFILE_SHA256      digest of the recorded profile, empty if there is none
#   SOURCE_DATE_EPOCH   seconds since 1970 of the day of the release, which the interpreter reports as its build date
#
# Folders:
#   PROFILE=/mnt/profile   one recorded profile of clang's, packed with xz, or the folder shared/training, or nothing;
#                          read-only
#   SOURCE=/mnt/source     exactly one tarball; read-only
#   SYSCONFIG=/sysconfig   written by `sysconfig`, mounted for `compile`
#   PROFILES=/profiles     the profile of a training, packed the same way, and the compiler's version, for `inv profile`
#   TREE=/usr/src/python   the unpacked source
#   LINKED=/usr/src/linked written by `compile`: executables and shared objects with their symbols, in the folders of TREE
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

SOURCE=${SOURCE:-/mnt/source}
SYSCONFIG=${SYSCONFIG:-/sysconfig}
PROFILE=${PROFILE:-/mnt/profile}
PROFILES=${PROFILES:-/profiles}
LINKED=${LINKED:-/usr/src/linked}
TREE=${TREE:-/usr/src/python}
JOBS=$(nproc)

read_compile_options() {
    read_options "${COMPILE_OPTIONS:-}" cc cxx compiler_path compiler_configure compiler_flags linker_flags \
        executable_flags expat_flags ceval_flags profile_generate profile_use profile_again programs training
    if [ -n "${option[compiler_path]}" ]; then export PATH="${option[compiler_path]}:$PATH"; fi
}

# make with our flags. They are given on its command line, as the official images do: so they shape this build and stay out
# of the installed Makefile, from which every C extension takes its flags (sysconfig).
run_make() {
    local more=() renames
    # Private names for the init functions of modules that have files, see stubs.
    mapfile -t renames < <(modules_with_files | sed 's/.*/-DPyInit_&=_PyInit_&/')
    # The Makefile's own text, not its expanded value, which would lack what this command line adds.
    if [ -n "${option[expat_flags]}" ]; then
        more=("LIBEXPAT_CFLAGS=$(sed -n 's/^LIBEXPAT_CFLAGS=//p' Makefile) ${option[expat_flags]}")
    fi
    if [ -n "${option[ceval_flags]}" ]; then
        more+=("CFLAGS_CEVAL=$(sed -n 's/^CFLAGS_CEVAL=//p' Makefile) ${option[ceval_flags]}")
    fi
    make --no-print-directory -j "$JOBS" "EXTRA_CFLAGS=${option[compiler_flags]} ${renames[*]}" \
        "LDFLAGS=${option[linker_flags]}" \
        "LINKFORSHARED=-Xlinker -export-dynamic ${option[executable_flags]}" "${more[@]}" "$@"
}

unpack() {
    unpack_tarball "$SOURCE" "$PYTHON_SHA256" "$TREE"
    cd "$TREE"
    builtin_modules >Modules/Setup.linked
    cp Modules/Setup.linked Modules/Setup.local
    exported_data >exported-data.list
}

# Modules/Setup.local, by which makesetup links modules into the interpreter: upstream's own line for each module. Upstream
# has these lines in two dialects, and neither is in effect by itself. The first that is found is taken:
#   Modules/Setup.stdlib.in, from 3.11 on   @MODULE_ARRAY_TRUE@array arraymodule.c
#                        becomes                               array arraymodule.c
#   Modules/Setup, a line that is a comment and may have one:
#                                           #math mathmodule.c _math.c -DPy_BUILD_CORE_MODULE # -lm # math library functions
#                        becomes             math mathmodule.c _math.c -DPy_BUILD_CORE_MODULE
# A C file tells such a line from prose that begins with the name of a module.
builtin_modules() {
    local module
    echo '*static*'
    for module in "${builtin[@]}"; do
        sed -n -E -e "s/^@MODULE_\w+_TRUE@($module\s.*)$/\1/p" -e "s/^#($module\s[^#]*\.c\b[^#]*)(#.*)?$/\1/p" \
            Modules/Setup.stdlib.in Modules/Setup 2>/dev/null | head -n 1 || true
    done
}

# The data that CPython's headers export, as a list that linkers read (--dynamic-list): internal headers as well, because
# programs that Nuitka compiles use _PyRuntime (Include/internal/pycore_runtime.h). Declarations look like
#   PyAPI_DATA(PyTypeObject) PyType_Type;
#   PyAPI_DATA(int) (*PyOS_InputHook)(void);
#   PyAPI_DATA(const unsigned char) const _Py_ctype_tolower[256];
# and may continue on the next line. A name before a parenthesis is a function's.
exported_data() {
    local headers=(Include/*.h Include/*/*.h) names
    if ! names=$(sed '/^ *#/d' "${headers[@]}" /dev/null | tr '\n' ' ' |
        grep --only-matching --perl-regexp 'PyAPI_DATA\([^)]*\)[\s*(]*(const\s+)?\K\w+(?!\w|\s*\()' | sort --unique); then
        fail "expected data that Include/*.h or Include/*/*.h declare (PyAPI_DATA), found none in" \
            "${#headers[@]} headers; is this CPython's source?"
    fi
    printf '{\n%s;\n};\n' "${names//$'\n'/$';\n'}"
}

# The names of sections with debug data that the source of module $1 declares (pycore_debug_offsets.h, from 3.14 on).
debug_sections() {
    local line file
    line=$(sed -n "s/^$1\s//p" Modules/Setup.linked)
    for file in $line; do
        if [[ $file == *.c ]]; then sed -n 's/^GENERATE_DEBUG_SECTION(\(\w*\),.*/.\1/p' "Modules/$file"; fi
    done
}

# The modules of Modules/Setup.linked that have files nevertheless:
#   - those whose names begin with a letter, which are public: the table of built-in modules is searched before any file, so
#     an application's own resource.py would never be imported, and math would have no __file__;
#   - those with debug data, which tools search for in the module's own file: `python -m asyncio ps` looks for .AsyncioDebug
#     in the file _asyncio.cpython-*.so that the process has mapped (Modules/_remote_debugging_module.c).
modules_with_files() {
    local module
    sed -n -E 's/^(\w+)\s.*/\1/p' Modules/Setup.linked | while read -r module; do
        if [[ $module == [[:alpha:]]* || -n $(debug_sections "$module") ]]; then echo "$module"; fi
    done
}

# Leave these modules, as arguments, out of Modules/Setup.local, so that configure, sysconfig and upstream's check of the
# build expect files for them.
leave_out() {
    local module
    for module in "$@"; do sed -i "/^$module\s/d" Modules/Setup.local; done
}

# Take these modules, as arguments, off the interpreter's table of built-in modules, which makesetup wrote.
unlist() {
    local module
    for module in "$@"; do sed -i "/^ *{\"$module\", PyInit_$module},/d" Modules/config.c; done
}

# Link a small shared object for each of these modules, as arguments. Its code stays in libpython, where link-time
# optimisation and the profile reach it; here PyInit_NAME only calls _PyInit_NAME, the name under which libpython exports it (`renames`).
# There it must not be called PyInit_NAME: the dynamic linker searches libpython first, so a shared object of an embedding
# program that has a PyInit_NAME of its own would get libpython's.
# Two segments, one relocation, and no libc: each segment is one more mmap when the module is imported. Debug data are
# constants, so a copy of libpython's section is as good.
stubs() {
    local module section folder suffix file source
    folder=$(cat pybuilddir.txt)
    suffix=$(value EXT_SUFFIX)
    mkdir -p stubs "$folder"
    for module in "$@"; do
        file=stubs/$module$suffix
        source="void *_PyInit_$module(void); void *PyInit_$module(void) { return _PyInit_$module(); }"
        for section in $(debug_sections "$module"); do
            objcopy --output-target=binary --only-section="$section" "$(value LDLIBRARY)" "$module$section"
            if [ ! -s "$module$section" ]; then fail "expected section $section of $module in $(value LDLIBRARY)"; fi
            source+=" __asm__(\".section $section,\\\"a\\\"; .incbin \\\"$module$section\\\"; .text\");"
        done
        "${option[cc]}" -O2 -fPIC -fno-plt -fno-asynchronous-unwind-tables -shared -nostdlib -o "$file" -x c - -x none \
            "./$(value LDLIBRARY)" -Wl,-z,relro,-z,now,-z,noseparate-code,--strip-all,--build-id=none \
            "-Wl,-rpath,\$ORIGIN/../.." <<<"$source" # for ldd, in a tree that was copied elsewhere
        ln -sf "$PWD/$file" "$folder/"
        # Up to 3.11 setup.py removes that link, because it takes the module for a built-in one; then ensurepip and setup.py
        # itself have no math. Lib is on the path of a build tree as well, and installs no shared objects.
        ln -sf "$PWD/$file" "Lib/$module.so"
    done
}

# Strip what was linked, of symbols for debuggers and for the linker; debug-symbols.sh needs the files as they were. The stubs
# were linked without symbols.
strip_files() {
    local file
    find . -path ./stubs -prune -o -type f \( -name '*.so*' -o -path "./$(value BUILDPYTHON)" \) -print | while read -r file; do
        mkdir -p "$LINKED/$(dirname "$file")"
        mv "$file" "$LINKED/$file"
        strip --strip-all -o "$file" "$LINKED/$file"
    done
}

# Run configure with the options' flags and these arguments.
configure() {
    local flags
    read -r -a flags <<<"${option[configure_flags]}"
    ./configure --build="$(dpkg-architecture --query DEB_BUILD_GNU_TYPE)" "${flags[@]}" "$@"
}

sysconfig() {
    local with_files
    unpack
    mapfile -t with_files < <(modules_with_files)
    leave_out "${with_files[@]}"
    configure
    make --no-print-directory python-config
    mkdir -p "$SYSCONFIG"
    cp Makefile pyconfig.h python-config "$SYSCONFIG"
    [ "$PGO" = 1 ] || return 0
    # Frozen modules do not depend on the compiler. Made here, they save the optimised build two links of a whole
    # interpreter, and this interpreter needs no optimisation; -fno-lto because configure's own flags come after
    # EXTRA_CFLAGS. The tarballs up to 3.9 contain them; in 3.11 and 3.12 they are C as well.
    local goals deep=Python/deepfreeze/deepfreeze.c helpers status=0
    read -r -a goals <<<"$(value FROZEN_FILES_OUT)"
    # Upstream spells this rule in two ways, so ask make: 2 if it knows no rule, 1 if it would make the file.
    make --question "$deep" &>/dev/null || status=$?
    if [ "$status" -lt 2 ]; then goals+=("$deep"); fi
    [ "${#goals[@]}" -gt 0 ] || return 0
    make --no-print-directory -j "$JOBS" EXTRA_CFLAGS=-O0 \
        "CONFIGURE_CFLAGS_NODIST=$(value CONFIGURE_CFLAGS_NODIST) -g0 -fno-lto" "${goals[@]}"
    # The optimised build, which has no helpers, would fail after the training if something were left for them to make.
    read -r -a goals <<<"$(value LDLIBRARY) $(value BUILDPYTHON)"
    make --dry-run "${SKIP_HELPERS[@]}" "${goals[@]}" >/tmp/commands
    helpers=$(printf '%s\n' "${SKIP_HELPERS[@]}" | sed '/^-o$/d' | paste --serial --delimiters='|')
    if grep --extended-regexp --after-context=2 "^\s*(\./)?($helpers) " /tmp/commands; then
        fail "expected make to have generated everything here, but the optimised build would still run a helper (above)"
    fi
    # All files of the folders: one of them, getpath's, is not a goal of its own.
    local folder
    for folder in Python/frozen_modules Python/deepfreeze; do
        if [ -d "$folder" ]; then find "$folder" -name '*.[ch]' -exec cp --parents --target-directory="$SYSCONFIG" {} +; fi
    done
}

# Give all files of the tree the time of file $1: then nothing is out of date for make.
settle() { find . -type f -exec touch --no-create --reference="$1" {} +; }

# One round: compile with the instrumentation flags $1, train, and merge the counts (clang: code.profclangd).
instrument() {
    phase "instrumented build"
    rm -f profile-gen-stamp profile-run-stamp
    run_make "PGO_PROF_GEN_FLAG=$1" profile-gen-stamp
    phase training
    # An absolute path: tests run in folders of their own, which they remove together with what was written there.
    local counts=$PWD/code-%p.profclangr
    local programs
    read -r -a programs <<<"${option[programs]}"
    if [ "${#programs[@]}" -gt 0 ]; then
        printf '%s\0' "${programs[@]/#/"$PROFILE/"}" |
            LLVM_PROFILE_FILE=$counts LD_LIBRARY_PATH=$PWD xargs --null --max-args=1 --max-procs="$JOBS" ./python
    fi
    run_make "PROFILE_TASK=${option[training]} -j $JOBS" "LLVM_PROF_FILE=LLVM_PROFILE_FILE=$counts" profile-run-stamp
    rm -f -- *.profclangr
}

train() {
    read_compile_options
    phase configure
    unpack
    local flags
    read -r -a flags <<<"${option[compiler_configure]}"
    configure "${flags[@]}" "CC=${option[cc]}" "CXX=${option[cxx]}"
    # Up to 3.13 upstream's LTO by gcc works in one partition and generates code twice (cpython #132257): the link alone
    # took 10m15s there against 2m28s, with no loss of speed.
    sed -i -e 's/-flto -fuse-linker-plugin -ffat-lto-objects -flto-partition=none/-flto=auto -fuse-linker-plugin -fno-fat-lto-objects/' \
        Makefile
    [ "$PGO" = 1 ] || return 0
    mkdir -p "$PROFILES"
    local packed=("$PROFILE"/*.xz)
    if [ -n "${PROFILE_SHA256:-}" ] && [ "${#packed[@]}" -eq 0 ]; then
        fail "expected the recorded profile (sha256 $PROFILE_SHA256) in $PROFILE, found no *.xz"
    fi
    if [ "${#packed[@]}" -gt 0 ]; then
        echo "${PROFILE_SHA256:-none}  ${packed[0]}" | sha256sum --check --strict -
        xz --decompress --stdout "${packed[0]}" >code.profclangd
        return 0
    fi

    # The instrumented interpreter is discarded after training: its flags switch LTO off, which would only cost link time.
    instrument "${option[profile_generate]}"
    if [ -n "${option[profile_again]}" ]; then
        cp code.profclangd first.profclangd
        instrument "${option[profile_use]} ${option[profile_again]}"
        llvm-profdata merge -output=both.profclangd first.profclangd code.profclangd
        mv both.profclangd code.profclangd
        rm first.profclangd
        # If the flags had not reached the link, nothing would be counted there, and nothing else would show it.
        if ! llvm-profdata show --showcs code.profclangd | grep -q '^Total functions: [1-9]'; then
            fail "expected counts of the second training round in the profile, found those of the first only"
        fi
    fi
    local profiles bytes
    profiles=$(find . -name '*.gcda' | wc -l)
    bytes=$(stat --format=%s code.profclangd 2>/dev/null || echo 0)
    echo "training wrote $profiles gcda files, $bytes bytes of clang's profile"
    if [ "$profiles" -lt 50 ] && [ "$bytes" -lt 500000 ]; then
        fail "expected the training to count in nearly all of CPython's C files (50 gcda files or 500,000 bytes of clang's" \
            "profile); this profile would optimise nothing"
    fi
    if [ "$bytes" -gt 0 ]; then
        xz -9e --threads=1 --stdout code.profclangd >"$PROFILES/code.profdata.xz"
        "${option[cc]}" --version >"$PROFILES/compiler"
    fi
}

compile() {
    read_compile_options
    cd "$TREE"
    local with_files goals options=()
    mapfile -t with_files < <(modules_with_files)
    unlist "${with_files[@]}"
    leave_out "${with_files[@]}"
    if [ "$PGO" = 1 ]; then
        phase "optimised build"
        if [ -d "$SYSCONFIG/Python" ]; then cp -R "$SYSCONFIG/Python" .; fi
        # What upstream's profile-opt does, without the helpers: make does not pass -o on to the make that it calls.
        options=("${SKIP_HELPERS[@]}" "CFLAGS_NODIST=${option[profile_use]}")
        if [ -n "${option[profile_again]}" ]; then options+=("LDFLAGS_NODIST=${option[profile_use]}"); fi
    else
        phase build
    fi
    touch /tmp/now
    settle /tmp/now
    # PY3LIBRARY, the library of the stable ABI, is empty if the series or this build does not have it.
    read -r -a goals <<<"$(value LDLIBRARY) $(value BUILDPYTHON) $(value PY3LIBRARY)"
    run_make "${options[@]}" "${goals[@]}"
    if [ "${#with_files[@]}" -gt 0 ]; then
        run_make "${options[@]}" pybuilddir.txt
        stubs "${with_files[@]}"
    fi
    run_make "${options[@]}" build_all
    # sysconfig says how extensions are compiled: by the target's own compiler, with upstream's flags and none of ours.
    # Outside of make, which passes its command-line variables on to its children, because sysconfig takes from the
    # environment what a Makefile does not set.
    local file
    diff -u pyconfig.h "$SYSCONFIG/pyconfig.h" || true
    for file in Makefile pyconfig.h; do
        cp -a "$file" "$file.own"
        cp "$SYSCONFIG/$file" "$file"
    done
    LD_LIBRARY_PATH="$PWD" ./python -E -S -m sysconfig --generate-posix-vars
    for file in Makefile pyconfig.h; do mv "$file.own" "$file"; done
    strip_files
    touch /tmp/now
    settle /tmp/now
}

read_options "${CONFIGURE_OPTIONS:-}" configure_flags builtin
read -r -a builtin <<<"${option[builtin]}"
case "${1:-}" in
sysconfig | train | compile) "$1" ;;
*)
    echo "usage: compile.sh sysconfig|train|compile" >&2
    exit 2
    ;;
esac
