#!/bin/bash
# test-modules.sh - collect what CPython's own test suite needs and no image ships: its tests, and its C modules.
# Runs on top of the finished build stage, only for `inv regrtest`. Compiles only what is missing, so the tested interpreter is
# the image's own.
#
# Folders:
#   TREE=/usr/src/python the compiled source
#   OUT=/out             what the image gets; only read
#   TESTS=/tests         becomes a layer on top of the image
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

TREE=${TREE:-/usr/src/python}
OUT=${OUT:-/out}
TESTS=${TESTS:-/tests}

cd "$TREE"
library=$(echo "$OUT"/usr/local/lib/python3.*)
inside=$TESTS${library#"$OUT"}

compile() {
    phase "test modules"
    # The flags that the tree was configured with, except those that leave the modules out or shape optimised code.
    # They match the interpreter by its pyconfig.h, which stays as it is; the compiler need not be the same.
    # config.status prints them quoted for a shell; xargs removes the quotes.
    local words flags=() word
    mapfile -t words < <(./config.status --config | xargs --no-run-if-empty printf '%s\n')
    for word in "${words[@]}"; do
        case $word in
        --disable-test-modules | --enable-optimizations | --with-lto*) ;;
        --*) flags+=("$word") ;;
        esac
    done
    # What is in libpython is not compiled again.
    cp -p Modules/Setup.linked Modules/Setup.local
    cp -p pyconfig.h pyconfig.h.shipped
    ./configure --quiet "${flags[@]}" CC=gcc CXX=g++ MODULE_BUILDTYPE=shared
    mv pyconfig.h.shipped pyconfig.h
    rm -f pybuilddir.txt
    # -o FILE: used as it is, however old. So neither the interpreter nor its library is linked again.
    local kept=() file
    for file in pyconfig.h Modules/config.c $(value BUILDPYTHON) $(value LDLIBRARY) $(value INSTSONAME) $(value LIBRARY); do
        kept+=(-o "$file")
    done
    make --no-print-directory -j "$(nproc)" "${kept[@]}" \
        EXTRA_CFLAGS='-O1 -g0' LDFLAGS=-Wl,--strip-all sharedmods
}

# Series up to 3.9 have no such variable and always compile these modules.
if [ "$(value TEST_MODULES)" = no ]; then compile; fi

mkdir -p "$inside/lib-dynload"
for module in "$(cat pybuilddir.txt)"/*test*.so "$(cat pybuilddir.txt)"/xx*.so; do
    cp --dereference "$module" "$inside/lib-dynload/"
done
# Some test files skip themselves if sysconfig says "no" here. From 3.14 on, test_sysconfig compares it with a JSON file.
for data in "$library"/_sysconfigdata_*.py "$library"/_sysconfig_vars_*.json; do
    [ -e "$data" ] || continue
    sed -E "s/(['\"]TEST_MODULES['\"]: ['\"])no/\1yes/" "$data" >"$inside/${data##*/}"
done
echo "test modules: $(cd "$inside/lib-dynload" && echo *)"

# The folders of tests that install.sh left out, for packages that the image has.
cd Lib
find . -type d \( -name test -o -name tests \) -prune | while read -r folder; do
    [ -d "$library/${folder%/*}" ] || continue
    mkdir -p "$inside/${folder%/*}"
    cp -R "$folder" "$inside/${folder%/*}/"
done
find "$inside" -depth -name __pycache__ -exec rm -rf {} +
