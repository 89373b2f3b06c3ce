#!/bin/sh
# apt-install.sh PACKAGE... - install packages into an image layer and leave nothing else behind.
#
# Runs inside the build, in the toolchain stage and in the runtime stage. Lists, logs and caches go in the same
# step that made them, so that no layer holds them.
#
# Secrets of this step say how the user's network is left, and leave no trace (bakery/net/build_secrets.py):
#   apt.conf     settings for apt: proxies, and that ca.pem is believed
#   apt.mirror   where the archives lie instead: a URL with {archive} in the place of debian, debian-security or ubuntu
#   ca.pem       certificates of the user's own authorities
set -eu
export DEBIAN_FRONTEND=noninteractive
secrets=/run/secrets
if [ -e $secrets/apt.conf ]; then export APT_CONFIG=$secrets/apt.conf; fi
if [ -e $secrets/apt.mirror ]; then
    work=$(mktemp -d -p /dev/shm) # is part of no layer
    mkdir "$work/sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -e "$file" ] || continue
        sed -E "s#https?://[^/ ]+/([^/ ]+)#$(sed 's#{archive}#\\1#' $secrets/apt.mirror)#" "$file" >"$work/sources/${file##*/}"
    done
    {
        if [ -e $secrets/apt.conf ]; then cat $secrets/apt.conf; fi
        printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' "$work/sources"
    } >"$work/apt.conf"
    export APT_CONFIG="$work/apt.conf"
fi
apt-get update
apt-get install --yes --no-install-recommends "$@"
# A base without the docker-clean setting would keep the downloaded packages.
apt-get clean
# docker-clean in the base keeps .deb files away; the rest is what apt, dpkg and ldconfig write beside the packages.
# Files only: a removed folder of the base would stay in the layer as a mark that it is gone.
rm -f /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
find /var/lib/apt/lists /var/log -type f -exec rm -f {} +
