#!/bin/bash
# profile-fit.sh - find out what share of a recorded profile belongs to functions that are unchanged in this source tree.
#
# clang uses the counts of a function only if its name and the hash of its structure are those of the profile. So the tree is
# compiled with instrumentation once more, without running a training: what that interpreter would count is what fits.
# The weight of a function is the sum of its counts. Runs in the tree that `compile.sh train` unpacked.
#
# COMPILE_OPTIONS    as for compile.sh
# SYSCONFIG=/sysconfig, TREE=/usr/src/python   as for compile.sh
# FIT=/fit           written: its file `fit` has the share, between 0 and 1, and then the heaviest functions that do not fit,
#                    each as SHARE NAME
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

# A function of an instrumented program writes two such lines, and further ones with its counts:
#   Objects/listobject.c;list_resize:
#     Hash: 0x0000000b1a3d2c7f
#     Function count: 1234                (clang's counts belong to the source)
#     Block counts: [12, 0, 7]
# shellcheck disable=SC2016 # the program is awk's
WEIGHTS='
    /^  [^ ].*:$/ { name = substr($0, 3, length($0) - 3) }
    /^    Hash: / { key = name " " $2; if (NR == FNR) known[key] = 1; else weight[key] = 0 }
    NR != FNR && /^    (Function count|Block counts): / {
        gsub(/[^0-9 ]/, "", $0)
        for (field = 1; field <= NF; field++) weight[key] += $field
    }
    END {
        for (key in weight) { total += weight[key]; if (key in known) fits += weight[key] }
        if (!total) exit 1
        printf "%.4f\n", fits / total
        for (key in weight) if (!(key in known) && weight[key] >= total / 1000) {
            name = key; sub(/ 0x[0-9a-f]+$/, "", name)
            printf "%.4f %s\n", weight[key] / total, name | "sort --reverse | head -n 20"
        }
    }'

# The functions of the profile data $1, and their counts.
functions() { llvm-profdata show --all-functions --counts "$1"; }

if [ "${1:-}" = share ]; then # share KNOWN PROFILE: two outputs of `functions`, for the tests
    awk "$WEIGHTS" "$2" "$3"
    exit
fi

words() { sed -n "s/^$1=//p" <<<"$COMPILE_OPTIONS"; }

cd "${TREE:-/usr/src/python}"
SYSCONFIG=${SYSCONFIG:-/sysconfig} FIT=${FIT:-/fit}
PATH="$(words compiler_path):$PATH"
flags=$(words profile_generate)
mkdir -p "$FIT"
if [ -d "$SYSCONFIG/Python" ]; then cp -R "$SYSCONFIG/Python" .; fi
touch /tmp/now
find . -type f -exec touch --no-create --reference=/tmp/now {} +
level=
# These counts belong to the source, so no optimisation changes them.
if [[ " $flags " == *" -fprofile-instr-generate "* ]]; then level=-O0; fi
phase "profile's fit"
instrumented=(
    "${SKIP_HELPERS[@]}" "EXTRA_CFLAGS=$(words compiler_flags) -Wno-error -U_FORTIFY_SOURCE $level"
    "CFLAGS_NODIST=$(value CFLAGS_NODIST) $flags" "LDFLAGS_NODIST=$(value LDFLAGS_NODIST) $flags"
)
export LLVM_PROFILE_FILE=/tmp/fit/%m.profraw LD_LIBRARY_PATH=$PWD
read -r -a goals <<<"$(value LDLIBRARY) $(value BUILDPYTHON)"
make --no-print-directory -j "$(nproc)" "${instrumented[@]}" "${goals[@]}"
make --no-print-directory -j "$(nproc)" "${instrumented[@]}" build_all
# Each shared object writes what it would count once it was loaded.
./python -S - "$(cat pybuilddir.txt)" <<'PYTHON'
import importlib, pathlib, sys
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.so")):
    try:
        importlib.import_module(file.name.partition(".")[0])
    except ImportError as error:
        print(error)
PYTHON
llvm-profdata merge -output=/tmp/fit/tree.profdata /tmp/fit/*.profraw
functions /tmp/fit/tree.profdata >/tmp/fit/known
functions code.profclangd >/tmp/fit/recorded
awk "$WEIGHTS" /tmp/fit/known /tmp/fit/recorded >"$FIT/fit" || fail "the recorded profile has no counts"
cat "$FIT/fit"
