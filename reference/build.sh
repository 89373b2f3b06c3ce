#!/bin/bash
# build.sh - the official image's recipe in our own words: compile, install, prune, drop the toolchain again.
#
# Built only to be measured against, so what it does is what is publicly known of python:X-slim and nothing more
# (one `make`, so that upstream's own order of training and LTO holds; everything in one layer).
#
# Arguments come as environment variables from [reference] of shared/catalog.toml:
#   PYTHON_SHA256     of the tarball in $SOURCE, 64 hex digits
#   BUILD_PACKAGES    installed to compile, purged afterwards
#   CONFIGURE_FLAGS   words for ./configure
#   COMPILER_FLAGS    words for the compiler, after dpkg-buildflags' own
#   LINKER_FLAGS      words for the linker, after dpkg-buildflags' own
# Folders:
#   SOURCE=/mnt/source   holds exactly one tarball
#   EXTRAS=/mnt/extras   Debian packages with wheels in them (python3-*-whl); may be empty
#
# A line "##phase NAME" tells the progress display where the build is.
set -euo pipefail
shopt -s nullglob

SOURCE=${SOURCE:-/mnt/source}
EXTRAS=${EXTRAS:-/mnt/extras}
TREE=/usr/src/python

phase() { printf '##phase %s\n' "$1"; }

phase toolchain
read -r -a packages <<<"$BUILD_PACKAGES"
apt-mark showmanual >/tmp/manual
apt-get update
apt-get install --yes --no-install-recommends "${packages[@]}"

phase configure
tarballs=("$SOURCE"/*)
echo "$PYTHON_SHA256  ${tarballs[0]}" | sha256sum --check --strict -
mkdir -p "$TREE"
tar --extract --file "${tarballs[0]}" --directory "$TREE" --strip-components=1
cd "$TREE"
read -r -a configure_flags <<<"${CONFIGURE_FLAGS:-}"
./configure --build="$(dpkg-architecture --query DEB_BUILD_GNU_TYPE)" "${configure_flags[@]}"

phase build
cflags="$(dpkg-buildflags --get CFLAGS) ${COMPILER_FLAGS:-}"
ldflags="$(dpkg-buildflags --get LDFLAGS) ${LINKER_FLAGS:-}"
make -j "$(nproc)" "EXTRA_CFLAGS=$cflags" "LDFLAGS=$ldflags"
rm python
make -j "$(nproc)" "EXTRA_CFLAGS=$cflags" "LDFLAGS=$ldflags -Wl,-rpath='\$\$ORIGIN/../lib'" python

phase install
make install
cd /
rm -rf "$TREE"
ldconfig
for package in "$EXTRAS"/*.deb; do
    unpacked=$(mktemp -d)
    dpkg-deb --extract "$package" "$unpacked"
    python3 -m pip --disable-pip-version-check install --no-index --no-deps --no-compile --no-cache-dir \
        "$unpacked"/usr/share/python-wheels/*.whl
    rm -rf "$unpacked"
done
find /usr/local -depth \
    \( -type d \( -name test -o -name tests -o -name idle_test \) -o \
    -type f \( -name '*.pyc' -o -name '*.pyo' -o -name 'libpython*.a' \) \) -exec rm -rf {} +

# Packages that own what the tree is linked with stay, the rest of the toolchain goes.
apt-mark auto '.*' >/dev/null
xargs apt-mark manual </tmp/manual >/dev/null
find /usr/local -type f -executable -not -name '*tkinter*' -exec ldd {} \; 2>/dev/null |
    awk '/=>/ && $3 ~ "^/" && $3 !~ "^/usr/local/" { so = $3; gsub("^/(usr/)?", "", so); print "*/" so }' |
    sort -u | xargs --no-run-if-empty dpkg-query --search |
    awk '$1 ~ ":$" { sub(":.*", "", $1); print $1 }' | sort -u | xargs --no-run-if-empty apt-mark manual
apt-get purge --yes --auto-remove --option APT::AutoRemove::RecommendsImportant=false
rm -rf /var/lib/apt/lists/* /tmp/manual
export PYTHONDONTWRITEBYTECODE=1
python3 --version
pip3 --version

for tool in idle pip pydoc python python-config; do
    case $tool in
    python*) versioned=python3${tool#python} ;;
    *) versioned=${tool}3 ;;
    esac
    if [ -e "/usr/local/bin/$versioned" ]; then ln -sfT "$versioned" "/usr/local/bin/$tool"; fi
done
