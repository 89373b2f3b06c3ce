#!/bin/bash
# debug-symbols.sh - separate the debug information of a tree that was compiled with it: functions, files and lines.
#
# Its code is the published code: every loaded section is compared with that of the file in the image, byte for byte, and
# differs in the build id only, which ld derives from the whole file, debug information included. So the separate files get
# the published files' ids, by which gdb, perf and elfutils find them:
# https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
#
# Line tables only (-gline-tables-only): with full debug information (-g) clang 19 compiles libpython 3.13.15 to other code, in
# sections of other sizes. In unicodedata line tables swap two instructions, too: such a module is left out.
#
# Next to libpython's symbols are the types of the interpreter's data, and the commands that gdb loads by itself: py-bt, ...
#
# OUT=/mnt/out           the published installation
# TREE=/usr/src/python   the tree, which `compile.sh compile` compiled with line tables
# SYMBOLS=/symbols       written: usr/lib/debug
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

OUT=${OUT:-/mnt/out} SYMBOLS=${SYMBOLS:-/symbols} TREE=${TREE:-/usr/src/python}

phase "debug symbols"
cd "$TREE"

# The build id of $1; empty if it has none, or is no ELF file but a script.
build_id() { { readelf --notes "$1" 2>/dev/null || true; } | sed -n 's/.*Build ID: //p'; }

# The loaded sections of $1 with their addresses, without the build id, as one file.
loaded() {
    objcopy --output-target=binary --remove-section=.note.gnu.build-id "$1" "$2"
    readelf --wide --segments "$1" | grep -E '^ +(LOAD|DYNAMIC|GNU_RELRO|TLS) ' >"$2.segments"
}

count=0 left_out=()
while IFS= read -r -d '' published; do
    id=$(build_id "$published")
    [ -n "$id" ] || continue # the stubs of public modules, see compile.sh
    name=$(basename "$published")
    case $name in
    python3*) own=python ;;
    libpython*) own=$name ;;
    *) own=$(cat pybuilddir.txt)/$name ;;
    esac
    own=$(readlink --canonicalize-existing "$own")
    loaded "$published" /tmp/published
    loaded "$own" /tmp/own
    if ! cmp /tmp/published /tmp/own || ! cmp /tmp/published.segments /tmp/own.segments; then
        if [[ $name == python3* || $name == libpython* ]]; then
            fail "expected the code of $name with debug information to be the published code, but it differs"
        fi
        left_out+=("$name")
        continue
    fi
    objcopy --dump-section ".note.gnu.build-id=/tmp/id" "$published" /dev/null
    symbols=$SYMBOLS/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
    mkdir -p "$(dirname "$symbols")"
    objcopy --update-section .note.gnu.build-id=/tmp/id "$own" /tmp/own
    objcopy --only-keep-debug --compress-debug-sections=zlib /tmp/own "$symbols"
    chmod 644 "$symbols"
    count=$((count + 1))
done < <(find "$OUT/usr/local" -type f \( -perm /111 -o -name '*.so*' \) -print0)
if [ "$count" -le "${#left_out[@]}" ]; then
    fail "expected the code of most files in $OUT/usr/local to be the published code; it differs in: ${left_out[*]}"
fi

# gdb searches its folder of debug files for a script of a library's name (Auto-loading extensions in its manual). gcc and
# clang lay data out alike; its layout depends on the tree's own configuration (pyconfig.h).
script=$SYMBOLS/usr/lib/debug/usr/local/lib/$(value INSTSONAME)
mkdir -p "$(dirname "$script")"
gcc -g -fno-eliminate-unused-debug-types -I. -IInclude -IInclude/internal -IObjects -c /mnt/debug-types.c -o "$script.types"
objcopy --compress-debug-sections=zlib "$script.types"
cp Tools/gdb/libpython.py "$(dirname "$script")/libpython.py"
cp /mnt/debug-frames.py "$script-gdb.py"
chmod 644 "$(dirname "$script")"/*
echo "$count files have debug symbols, $(du --summarize --human-readable "$SYMBOLS" | cut -f 1); left out: ${left_out[*]:-none}"
