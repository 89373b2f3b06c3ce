#!/bin/bash
# install.sh - install what compile.sh built and remove what an image does not need. Runs inside the build stage.
#
# Options of the catalog (shared/catalog.toml), each a list of words, in INSTALL_OPTIONS:
#   prune        what to leave out: shell patterns relative to /usr/local
#   source_only  modules without byte code: shell patterns relative to the standard library
#
# EXTRAS_SHA256   the files that EXTRAS has to have, as sha256sum prints them; they are verified like the tarball
#
# Folders:
#   TREE=/usr/src/python  the compiled source
#   SYSCONFIG=/sysconfig  the configuration for the target's own compiler (compile.sh sysconfig)
#   EXTRAS=/mnt/extras    Debian packages of wheels (python3-*-whl) to install as well; may be empty
#   OUT=/out              becomes / of the image; OUT.packages lists the packages that its libraries come from, and OUT.pip has
#                         pip and the wheels of ensurepip, for a layer of their own
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

TREE=${TREE:-/usr/src/python}
SYSCONFIG=${SYSCONFIG:-/sysconfig}
EXTRAS=${EXTRAS:-/mnt/extras}
OUT=${OUT:-/out}
prefix=$OUT/usr/local

read_options "${INSTALL_OPTIONS:-}" prune source_only
read -r -a prune <<<"${option[prune]}"
read -r -a source_only <<<"${option[source_only]}"

extras=("$EXTRAS"/*)
mapfile -t digests < <(printf '%s' "${EXTRAS_SHA256:-}" | sed -n "s#  #&$EXTRAS/#p")
if [ "${#extras[@]}" -ne "${#digests[@]}" ]; then fail "expected ${#digests[@]} files in $EXTRAS, found ${#extras[@]}"; fi
if [ "${#digests[@]}" -gt 0 ]; then printf '%s\n' "${digests[@]}" | sha256sum --check --strict -; fi

phase install
cd "$TREE"
# -o all: everything is up to date already (compile.sh).
# SHAREDMODS: upstream's list of files for lib-dynload, and ours (compile.sh).
# -x . : compileall would write three .pyc for each module, all of which are removed below.
stubs=(stubs/*)
# Without that program, pip in a build tree writes scripts for `python` instead (distlib 0.3.6, in pip 22 and 23).
ln -sf "$PWD/python" "/usr/local/bin/python$(value VERSION)"
make --no-print-directory -o all "${SKIP_HELPERS[@]}" "DESTDIR=$OUT" "SHAREDMODS=$(value SHAREDMODS) ${stubs[*]}" \
    "COMPILEALL_OPTS=-j0 -x ." install

# With the interpreter of the build tree: so pip writes scripts for the one that is being installed.
for package in "$EXTRAS"/*.deb; do
    unpacked=$(mktemp -d)
    dpkg-deb --extract "$package" "$unpacked"
    # By name: for a file, pip would record its path (direct_url.json, PEP 610), which differs in each build.
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
(cd "$prefix" && for pattern in "${prune[@]}"; do compgen -G "$pattern" || true; done | xargs --no-run-if-empty rm -rf)

# Extensions are compiled by the target's own compiler, whichever compiled the interpreter.
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
# All text files are searched: 3.14 added two (_sysconfig_vars_*.json, build-details.json).
for folder in "$prefix"/lib/python3.*/config-*; do
    { grep --recursive --files-with-matches --null -I --fixed-strings -e "$TREE" "$prefix" || true; } |
        xargs --null --no-run-if-empty \
            sed -i -E -e "s#$TREE/(coverage.info|lcov-report)#\1#g" -e "s#$TREE#${folder#"$OUT"}#g"
done

# A free-threaded build installs python3.13t twice, the second time as python3.13: one file is enough.
for name in "$prefix"/bin/python3.*[0-9]; do
    if [ -e "${name}t" ]; then ln -sf "$(basename "${name}t")" "$name"; fi
done

link_unversioned "$prefix/bin" python pip pydoc python-config

# The packages whose libraries the tree is linked with. Not _tkinter's: users who need it install Tk.
find "$prefix" -type f \( -perm /111 -o -name '*.so*' \) -not -name '*tkinter*' -print0 |
    LD_LIBRARY_PATH="$prefix/lib" linked_libraries "$OUT" | owners >"$OUT.packages"
echo "libraries come from: $(tr '\n' ' ' <"$OUT.packages")"

# Byte code for the standard library: otherwise a fresh container would compile it at each start, because nothing that it
# writes outlives it. Validated by the hash of the source (PEP 552): new time stamps change nothing, and an edited .py is used.
# What marshal writes depends on what the process compiled before (cpython #92132): so each process has a fixed batch of files.
# Modules that are frozen into the interpreter have none, because it would never be read. In site-packages, two things have it:
# _distutils_hack, which setuptools' distutils-precedence.pth imports at every start up to 3.11 (3.11.2: in 0.3 ms, not 2.9),
# and the modules that pip imports at every start: 126 of 404, with which `pip --version` takes half the time (docs/trials.md).
# In 3.9 pip also imports plistlib, which source_only names and which gets byte code nevertheless.
FROZEN='
import _imp, pathlib, sys
for file in pathlib.Path(sys.argv[1]).rglob("*.py"):
    name = file.relative_to(sys.argv[1])
    if _imp.is_frozen(".".join(name.with_suffix("").parts)):
        print(name)
'
PIP='
import _imp, contextlib, sys
tree, library = (f"{folder}/" for folder in sys.argv[1:])
sys.path.append(f"{library}site-packages")
import pip.__main__
from pip._internal.cli.main import main
with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit):
    main(["--version"])
for module in list(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    file = (getattr(module, "__file__", None) or "").replace(tree, library)
    if spec and not _imp.is_frozen(spec.name) and file.startswith(library) and file.endswith(".py"):
        print(file, end="\0")
'
for library in "$prefix"/lib/python3.*[0-9] "$prefix"/lib/python3.*t; do
    [ -d "$library" ] || continue
    sources=(-name '*.py' -not -path '*/lib2to3/tests/*')
    sources+=('(' -not -path '*/site-packages/*' -o -path '*/site-packages/_distutils_hack/__init__.py' ')')
    # In a build tree the interpreter uses frozen modules only on request.
    frozen=$(LD_LIBRARY_PATH="$PWD" ./python -E -S -X frozen_modules=on -c "$FROZEN" "$library")
    while read -r pattern; do sources+=(-not -path "$library/$pattern"); done < <(
        printf '%s\n' "${source_only[@]}" "$frozen"
    )
    {
        find "$library" -type f "${sources[@]}" -print0
        LD_LIBRARY_PATH="$PWD" ./python -B -E -S -X frozen_modules=on -c "$PIP" "$PWD/Lib" "$library"
    } | LC_ALL=C sort --zero-terminated --unique |
        PYTHONHASHSEED=0 LD_LIBRARY_PATH="$PWD" xargs --null --max-procs="$(nproc)" --max-args=24 \
            ./python -E -S -m compileall -q --invalidation-mode checked-hash -s "$OUT" -p /
done

# ensurepip's wheels have the same files as site-packages. Those that deflate poorly are stored in the wheels as they are:
# zstd finds that they are the same, if both are in one layer and not further apart than its window (8 MB). Of 3.13.15's pip
# 26.2.1 these are 369 of 476 files, with which the wheel has 3.35 MB instead of 1.74 (docs/trials.md).
STORE='
import os, sys, zipfile
for name in sys.argv[1:]:
    with zipfile.ZipFile(name) as old, zipfile.ZipFile(f"{name}.new", "w") as new:
        for member in old.infolist():
            data = old.read(member)
            poorly = member.compress_size > 0.28 * member.file_size
            member.compress_type = zipfile.ZIP_STORED if poorly else zipfile.ZIP_DEFLATED
            new.writestr(member, data, compresslevel=9)
    os.replace(f"{name}.new", name)
'
wheels=("$prefix"/lib/python3.*/ensurepip/_bundled/*.whl)
LD_LIBRARY_PATH="$PWD" ./python -E -S -c "$STORE" "${wheels[@]}"
for folder in "$prefix"/lib/python3.*/ensurepip/_bundled "$prefix"/lib/python3.*/site-packages; do
    own=$OUT.pip/${folder#"$OUT/"}
    mkdir -p "$(dirname "$own")"
    mv "$folder" "$own"
done
