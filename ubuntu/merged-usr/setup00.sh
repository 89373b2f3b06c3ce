#!/bin/sh
# A hook of mmdebstrap for Ubuntu 22.04: /bin and the like are links before anything is unpacked, as in ubuntu:jammy.
# mmdebstrap's own hook needs the package usr-is-merged, which this release does not have yet; in later ones base-files
# has the links.
set -eu

eval "$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-config shell architecture APT::Architecture)"
folders='bin sbin lib'
# shellcheck disable=SC2154 # set by eval
[ "$architecture" != amd64 ] || folders="$folders lib32 lib64 libx32"
for folder in $folders; do
    mkdir -p "$1/usr/$folder"
    ln -s "usr/$folder" "$1/$folder"
done
