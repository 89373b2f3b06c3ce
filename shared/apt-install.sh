#!/bin/sh
# apt-install.sh [PACKAGE...] - install packages into an image layer and leave nothing else behind; without packages do
# nothing.
#
# Runs inside the build. Lists, logs and caches are removed in the step that made them, so that no layer holds them.
#
# Secrets of the step describe the user's network and leave no trace (bakery/net/build_secrets.py):
#   apt.conf     settings for apt: proxies, and that ca.pem is trusted
#   apt.mirror   a script of `sed -E` that replaces the archives' URLs in apt's sources with those of a mirror
#   ca.pem       certificates of the user's own authorities
set -eu
[ $# -gt 0 ] || exit 0
export DEBIAN_FRONTEND=noninteractive
secrets=/run/secrets
if [ -e $secrets/apt.conf ]; then export APT_CONFIG=$secrets/apt.conf; fi
if [ -e $secrets/apt.mirror ]; then
    work=$(mktemp -d -p /dev/shm) # is part of no layer
    mkdir "$work/sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [ -e "$file" ] || continue
        sed -E -f $secrets/apt.mirror "$file" >"$work/sources/${file##*/}"
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
# The rest is what apt, dpkg and ldconfig write in addition to the packages. Only files: if a folder of the base were removed,
# the layer would keep a mark (whiteout) for it.
rm -f /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
find /var/lib/apt/lists /var/log -type f -exec rm -f {} +
