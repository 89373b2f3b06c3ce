#!/bin/bash
# debug-symbols.sh - separate the debug information of a tree that was compiled with it.
#
# Its code is the published one: every loaded section is compared with that of the file in the image, byte for byte, and
# differs in the build id only, which ld derives from the whole file, debug information included. So the separate files get
# the published files' ids, by which gdb, perf and elfutils find them:
# https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
#
# OUT=/mnt/out           the published installation
# TREE=/usr/src/python   the tree, which `compile.sh compile` compiled with -g
# SYMBOLS=/symbols       written: usr/lib/debug/.build-id, and gdb's Python helpers where it loads them together with libpython
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

count=0
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
    for suffix in "" .segments; do
        if ! cmp /tmp/published$suffix /tmp/own$suffix; then
            fail "expected the code of $published with debug information to be the published code, but it differs"
        fi
    done
    objcopy --dump-section ".note.gnu.build-id=/tmp/id" "$published" /dev/null
    symbols=$SYMBOLS/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
    mkdir -p "$(dirname "$symbols")"
    objcopy --update-section .note.gnu.build-id=/tmp/id "$own" /tmp/own
    objcopy --only-keep-debug --compress-debug-sections=zlib /tmp/own "$symbols"
    chmod 644 "$symbols"
    count=$((count + 1))
done < <(find "$OUT/usr/local" -type f \( -perm /111 -o -name '*.so*' \) -print0)
if [ "$count" -lt 2 ]; then fail "expected files with a build id in $OUT/usr/local, found $count"; fi
echo "$count files have debug symbols: $(du --summarize --human-readable "$SYMBOLS" | cut -f 1)"

# gdb loads NAME-gdb.py for the library NAME from there (its "auto-load" directory).
for library in "$OUT"/usr/local/lib/libpython3.*.so.*; do
    helpers=$SYMBOLS/usr/share/gdb/auto-load${library#"$OUT"}-gdb.py
    mkdir -p "$(dirname "$helpers")"
    cp Tools/gdb/libpython.py "$helpers"
done
