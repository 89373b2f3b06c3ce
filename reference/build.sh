#!/bin/bash
# build.sh - the official image's recipe in our own words: compile, install, prune, remove the toolchain again.
#
# Built only to be measured against, so it does what is publicly known of python:X-slim and nothing more (one `make`, so that
# upstream's own order of training and LTO holds; everything in one layer).
#
# Options of the catalog ([reference] in shared/catalog.toml), each a list of words:
#   configure_flags   flags for ./configure; in CONFIGURE_OPTIONS
#   compiler_flags    flags for the compiler, after those of dpkg-buildflags; in COMPILE_OPTIONS
#   linker_flags      flags for the linker, after those of dpkg-buildflags; in COMPILE_OPTIONS
# Environment variables:
#   PYTHON_SHA256     digest of the tarball, 64 hexadecimal digits
#   BUILD_PACKAGES    installed to compile, purged afterwards
# Folders:
#   SOURCE=/mnt/source   holds exactly one tarball
#   apt-install.sh       next to this script; the secrets of this step are those that it explains
#   EXTRAS=/mnt/extras   Debian packages of wheels (python3-*-whl); may be empty
set -euo pipefail
shopt -s nullglob
# shellcheck source-path=SCRIPTDIR source=../shared/common.sh
. "$(dirname "$0")/common.sh"

SOURCE=${SOURCE:-/mnt/source}
EXTRAS=${EXTRAS:-/mnt/extras}
TREE=/usr/src/python

read_options "${CONFIGURE_OPTIONS:-}" configure_flags
read_options "${COMPILE_OPTIONS:-}" compiler_flags linker_flags

phase toolchain
read -r -a packages <<<"$BUILD_PACKAGES"
apt-mark showmanual >/tmp/manual
sh "$(dirname "$0")/apt-install.sh" "${packages[@]}"

phase configure
unpack_tarball "$SOURCE" "$PYTHON_SHA256" "$TREE"
cd "$TREE"
read -r -a configure_flags <<<"${option[configure_flags]}"
./configure --build="$(dpkg-architecture --query DEB_BUILD_GNU_TYPE)" "${configure_flags[@]}"

phase build
cflags="$(dpkg-buildflags --get CFLAGS) ${option[compiler_flags]}"
ldflags="$(dpkg-buildflags --get LDFLAGS) ${option[linker_flags]}"
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

# The packages whose libraries the tree is linked with stay, the rest of the toolchain goes.
apt-mark auto '.*' >/dev/null
xargs apt-mark manual </tmp/manual >/dev/null
find /usr/local -type f -executable -not -name '*tkinter*' -print0 | linked_libraries /usr/local | owners |
    xargs --no-run-if-empty apt-mark manual
apt-get purge --yes --auto-remove --option APT::AutoRemove::RecommendsImportant=false
rm -rf /var/lib/apt/lists/* /tmp/manual
export PYTHONDONTWRITEBYTECODE=1
python3 --version
pip3 --version

link_unversioned /usr/local/bin idle pip pydoc python python-config
