#!/bin/bash
# debug-symbols.sh - separate the debug information of what compile.sh linked: functions, files and lines.
#
# compile.sh strips copies of these files, and the copies are installed: so both have the same code, which is checked below, and
# the same build id, by which gdb, perf and elfutils find the separate files:
# https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
#
# Next to libpython's symbols are the types of the interpreter's data, and the commands that gdb loads by itself: py-bt, ...
#
# OUT=/out                the published installation
# TREE=/usr/src/python    the compiled source
# LINKED=/usr/src/linked  executables and shared objects with their symbols, in the folders of TREE
# SYMBOLS=/symbols        written: usr/lib/debug
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

OUT=${OUT:-/out} SYMBOLS=${SYMBOLS:-/symbols} TREE=${TREE:-/usr/src/python} LINKED=${LINKED:-/usr/src/linked}

phase "debug symbols"
cd "$TREE"

# The build id of $1; empty if it has none, or is a script and not an ELF file.
build_id() { { readelf --notes "$1" 2>/dev/null || true; } | sed -n 's/.*Build ID: //p'; }

# The loaded sections of $1 with their addresses, as one file, and its segments.
loaded() {
    objcopy --output-target=binary "$1" "$2"
    readelf --wide --segments "$1" | grep -E '^ +(LOAD|DYNAMIC|GNU_RELRO|TLS) ' >"$2.segments"
}

count=0
while IFS= read -r -d '' published; do
    id=$(build_id "$published")
    [ -n "$id" ] || continue # the stubs of public modules, see compile.sh
    name=$(basename "$published")
    case $name in
    python3*) own=$(value BUILDPYTHON) ;;
    libpython*) own=$name ;;
    *) own=$(realpath --relative-to=. "$(cat pybuilddir.txt)/$name") ;;
    esac
    own=$LINKED/$own
    loaded "$published" /tmp/published
    loaded "$own" /tmp/own
    if [ "$(build_id "$own")" != "$id" ] || ! cmp /tmp/published /tmp/own ||
        ! diff /tmp/published.segments /tmp/own.segments; then
        fail "expected $name to be $own without its symbols, but their code differs"
    fi
    symbols=$SYMBOLS/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
    mkdir -p "$(dirname "$symbols")"
    objcopy --only-keep-debug --compress-debug-sections=zlib "$own" "$symbols"
    chmod 644 "$symbols"
    count=$((count + 1))
done < <(find "$OUT/usr/local" -type f \( -perm /111 -o -name '*.so*' \) -print0)
if [ "$count" = 0 ]; then fail "expected executables and shared objects in $OUT/usr/local"; fi

# gdb searches its folder of debug files for a script that is named after a library (Auto-loading extensions in its manual).
# The types are compiled by gcc: clang uses the same data layout, which depends on the tree's own pyconfig.h.
script=$SYMBOLS/usr/lib/debug/usr/local/lib/$(value INSTSONAME)
mkdir -p "$(dirname "$script")"
gcc -g -fno-eliminate-unused-debug-types -I. -IInclude -IInclude/internal -IObjects -c /mnt/debug-types.c -o "$script.types"
objcopy --compress-debug-sections=zlib "$script.types"
cp Tools/gdb/libpython.py "$(dirname "$script")/libpython.py"
cp /mnt/debug-frames.py "$script-gdb.py"
chmod 644 "$(dirname "$script")"/*
echo "$count files have debug symbols, $(du --summarize --human-readable "$SYMBOLS" | cut -f 1)"
