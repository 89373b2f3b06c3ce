#!/bin/sh
# base.sh setup ROOT PACKAGE...            - mmdebstrap's setup hook: before packages are unpacked
# base.sh finish ROOT SOURCES KEYRING...   - mmdebstrap's customize hook: after they are configured
#
# Together they give a root file system the settings that the published slim images carry (shared/rootfs), so that
# `apt-get install` in a derived image behaves the same.
#   PACKAGE  must not be chosen while the base is made
#   SOURCES  file to put into /etc/apt/sources.list.d/: a deb822 stanza for each suite, without Signed-By
#   KEYRING  candidates for Signed-By; the first that exists in the root file system is used
set -eu
verb=$1 root=$2
shift 2
overlay=$(dirname "$0")/rootfs
settings=$root/etc/dpkg/dpkg.cfg.d/docker
pin=$root/etc/apt/preferences.d/bootstrap

setup() {
    mkdir -p "$(dirname "$settings")" "$(dirname "$pin")"
    cp "$overlay/etc/dpkg/dpkg.cfg.d/docker" "$settings"
    mkdir -p "$root/usr/sbin"
    cp "$overlay/usr/sbin/policy-rc.d" "$root/usr/sbin/"
    for package in "$@"; do
        printf 'Package: %s\nPin: release *\nPin-Priority: -1\n\n' "$package"
    done >"$pin"
}

# Delete what dpkg's path filter would have excluded if it had been active from the first package on.
slim() {
    includes=$(sed -n 's/^path-include //p' "$settings")
    set -f # the patterns are find's, not the shell's
    set --
    for pattern in $includes; do set -- "$@" -not -path "$root$pattern"; done
    excludes=$(sed -n 's/^path-exclude //p' "$settings")
    for pattern in $excludes; do
        folder=$root${pattern%/*}
        [ -d "$folder" ] || continue
        find "$folder" -mindepth 1 -not -type d "$@" -delete
        find "$folder" -mindepth 1 -depth -type d -empty -delete
    done
    set +f
}

finish() {
    sources=$1
    shift
    rm -f "$pin" "$root/etc/resolv.conf" "$root/etc/hostname"
    slim
    cp -R "$overlay/." "$root/"
    for keyring in "$@"; do
        [ -e "$root$keyring" ] || continue
        rm -f "$root/etc/apt/sources.list"
        sed "s|^Components:.*|&\nSigned-By: $keyring|" "$sources" >"$root/etc/apt/sources.list.d/$(basename "$sources")"
        break
    done
    # mmdebstrap lets apt clean up, but with docker-clean's empty Dir::Cache::pkgcache apt does not find its caches (47 MB).
    find "$root/var/lib/apt/lists" "$root/var/cache/apt" -type f -delete
    rm -rf "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root/var/cache/ldconfig/aux-cache" "$root"/var/log/apt \
        "$root"/var/log/*.log
}

case $verb in
setup) setup "$@" ;;
finish) finish "$@" ;;
*)
    echo "usage: base.sh setup|finish ROOT ..." >&2
    exit 2
    ;;
esac
