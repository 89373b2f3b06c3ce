#!/bin/bash
# install.sh - put what compile.sh made where it belongs and drop what nobody can use. Runs inside the build stage.
#
# Arguments come as environment variables from the catalog (shared/catalog.toml).
#   PRUNE                what to leave out, shell patterns below /usr/local
#   SOURCE_ONLY          modules without byte code, shell patterns below the standard library
# Folders:
#   TREE=/usr/src/python the compiled source
#   SYSCONFIG=/sysconfig what the target's own compiler was configured to (compile.sh sysconfig)
#   EXTRAS=/mnt/extras   Debian packages with wheels in them (python3-*-whl) that are installed as well; may be empty
#   OUT=/out             becomes / of the image; OUT.packages lists the packages that its libraries come from
#
# A line "##phase NAME" tells the progress display where the build is.
set -euo pipefail
shopt -s nullglob

TREE=${TREE:-/usr/src/python}
SYSCONFIG=${SYSCONFIG:-/sysconfig}
EXTRAS=${EXTRAS:-/mnt/extras}
OUT=${OUT:-/out}
prefix=$OUT/usr/local
# Read without a look at what the patterns would match here.
set -f
read -r -a source_only <<<"${SOURCE_ONLY:-}"
set +f

printf '##phase install\n'
cd "$TREE"
# -o: what only the build itself uses was never linked (compile.sh), and nothing else is out of date.
# -x . : compileall would write three .pyc for each module, all of which are removed below.
make --no-print-directory -o all -o Programs/_freeze_module -o _bootstrap_python -o Programs/_testembed \
    "DESTDIR=$OUT" "COMPILEALL_OPTS=-j0 -x ." install

# By the interpreter of the build tree: pip then writes scripts for the one that will be installed.
for package in "$EXTRAS"/*.deb; do
    unpacked=$(mktemp -d)
    dpkg-deb --extract "$package" "$unpacked"
    # By their names: of a file that it is given pip notes the path (direct_url.json, PEP 610), another one in each build.
    names=()
    for wheel in "$unpacked"/usr/share/python-wheels/*.whl; do
        wheel=${wheel##*/}
        names+=("${wheel%%-*}")
    done
    for site in "$prefix"/lib/python3.*/site-packages; do
        PYTHONPATH="$site" LD_LIBRARY_PATH="$PWD" ./python -m pip --disable-pip-version-check install --no-index --no-deps \
            --no-compile --no-cache-dir --root "$OUT" --find-links "$unpacked/usr/share/python-wheels" "${names[@]}"
    done
    rm -rf "$unpacked"
done

find "$prefix" -depth \
    \( -type d \( -name test -o -name tests -o -name idle_test -o -name __pycache__ \) \) -exec rm -rf {} + -o \
    -type f \( -name '*.pyc' -o -name '*.pyo' -o -name '*.a' -o -path '*/config-*/*.o' \) -exec rm -f {} +
read -r -a prune <<<"${PRUNE:-}"
(cd "$prefix" && for pattern in "${prune[@]}"; do compgen -G "$pattern" || true; done | xargs --no-run-if-empty rm -rf)

# Extensions are compiled by the target's own compiler, whatever compiled the interpreter.
for folder in "$prefix"/lib/python3.*/config-*; do
    cp "$SYSCONFIG/Makefile" "$folder/Makefile"
    number=${folder%/config-*}
    number=${number##*/python}
    for name in "$number" "${number}t"; do
        if [ -d "$prefix/include/python$name" ]; then cp "$SYSCONFIG/pyconfig.h" "$prefix/include/python$name/"; fi
        if [ -e "$prefix/bin/python$name-config" ]; then cp "$SYSCONFIG/python-config" "$prefix/bin/python$name-config"; fi
    done
done

# sysconfig would name the folder of this build, which no image has. Its installed counterpart is where the Makefile is.
for makefile in "$prefix"/lib/python3.*/config-*/Makefile; do
    folder=${makefile%/Makefile}
    sed -i -E -e "s#$TREE/(coverage.info|lcov-report)#\1#g" -e "s#$TREE#${folder#"$OUT"}#g" \
        "$makefile" "${folder%/*}"/_sysconfigdata_*.py
done

# A free-threaded build installs python3.13t twice, the second time as python3.13: one file is enough.
for name in "$prefix"/bin/python3.*[0-9]; do
    if [ -e "${name}t" ]; then ln -sf "$(basename "${name}t")" "$name"; fi
done

# The unversioned names that every user of the official images types.
for tool in python pip pydoc python-config; do
    case $tool in
    python*) versioned=python3${tool#python} ;;
    *) versioned=${tool}3 ;;
    esac
    if [ -e "$prefix/bin/$versioned" ]; then ln -sfT "$versioned" "$prefix/bin/$tool"; fi
done

# Packages that own the libraries which the tree is linked with. Not _tkinter's: Tk is installed by who wants it.
# dpkg knows a library below /usr/lib or below /lib, whichever its package says, and tells of diversions on lines of
# their own.
LD_LIBRARY_PATH="$prefix/lib" find "$prefix" -type f \( -perm /111 -o -name '*.so*' \) -not -name '*tkinter*' \
    -exec ldd {} \; 2>/dev/null |
    awk -v own="$OUT/" '/=>/ && $3 ~ "^/" && index($3, own) != 1 { so = $3; gsub("^/(usr/)?", "", so); print "*/" so }' |
    sort -u | xargs --no-run-if-empty dpkg-query --search |
    awk '$1 ~ ":$" { sub(":.*", "", $1); print $1 }' | sort -u >"$OUT.packages"
echo "libraries come from: $(tr '\n' ' ' <"$OUT.packages")"

# Byte code for the standard library: a fresh container would compile it again at every start, because nothing that it
# writes outlives it. Checked by the hash of the source (PEP 552): it survives new time stamps, and an edited .py counts.
# What marshal writes depends on what a process compiled before (cpython #92132): so each handful of files has its own.
# None for what is frozen into the interpreter, which is not looked for here.
FROZEN='
import _imp, pathlib, sys
for file in pathlib.Path(sys.argv[1]).rglob("*.py"):
    name = file.relative_to(sys.argv[1])
    if _imp.is_frozen(".".join(name.with_suffix("").parts)):
        print(name)
'
for library in "$prefix"/lib/python3.*[0-9] "$prefix"/lib/python3.*t; do
    [ -d "$library" ] || continue
    sources=(-name '*.py' -not -path '*/site-packages/*' -not -path '*/lib2to3/tests/*')
    # A build tree does without frozen modules unless it is told.
    frozen=$(LD_LIBRARY_PATH="$PWD" ./python -E -S -X frozen_modules=on -c "$FROZEN" "$library")
    while read -r pattern; do sources+=(-not -path "$library/$pattern"); done < <(
        printf '%s\n' "${source_only[@]}" "$frozen"
    )
    find "$library" -type f "${sources[@]}" -print0 | LC_ALL=C sort --zero-terminated |
        PYTHONHASHSEED=0 LD_LIBRARY_PATH="$PWD" xargs --null --max-procs="$(nproc)" --max-args=24 \
            ./python -E -S -m compileall -q --invalidation-mode checked-hash -s "$OUT" -p /
done
