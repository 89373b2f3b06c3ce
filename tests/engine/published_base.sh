#!/bin/bash
# published_base.sh TOOLS ROOT TAR SUITE MIRROR KEYRING - make TAR as debuerreotype's examples/debian.sh makes the published
# slim image, from today's archive instead of a snapshot.
#
#   TOOLS    folder in which debuerreotype and debootstrap are unpacked
#   ROOT     folder for the root file system; does not exist yet
#   KEYRING  verifies the archive
set -euo pipefail
# In memory: dpkg waits for the disk after each file.
[ "${PRIVATE-}" ] || PRIVATE=yes exec unshare --mount "$0" "$@"
tools=$1 root=$2 tar=$3 suite=$4 mirror=$5 keyring=$6
export DEBOOTSTRAP_DIR=$tools/usr/share/debootstrap
export PATH=$tools/usr/share/debuerreotype/scripts:$tools/usr/sbin:$PATH

# debuerreotype-debian-sources-list asks a server of snapshots which suites exist. All of them do.
write_sources() (
    # shellcheck disable=SC2329 # called by debuerreotype
    wget() { true; }
    export -f wget
    debuerreotype-debian-sources-list --deb822 "$root" "$suite"
)

mkdir "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
debuerreotype-init --non-debian --debootstrap-script "$DEBOOTSTRAP_DIR/scripts/$suite" --keyring "$keyring" \
    "$root" "$suite" "$mirror"
write_sources
debuerreotype-minimizing-config "$root"
debuerreotype-apt-get "$root" update -qq
debuerreotype-apt-get "$root" full-upgrade -yqq
debuerreotype-slimify "$root"
write_sources
debuerreotype-tar --exclude ./etc/machine-id "$root" "$tar"
