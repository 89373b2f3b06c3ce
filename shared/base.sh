#!/bin/bash
# base.sh pin ROOT PACKAGE...                          - mmdebstrap's setup hook: packages that must not be chosen
# base.sh finish SETTINGS TOOLS ROOT TAR KEYRING...    - turn the root file system ROOT into TAR
#
# Give a root file system that mmdebstrap made from packages the settings of the published image. ROOT still has its package
# lists: what is newer than the main suite's Release file gets the date of that file, so the same packages give the same TAR.
#   SETTINGS  debuerreotype, the program that makes Debian's published images;
#             or a folder, from the top of the repository, with files to copy and dpkg's excludes
#   TOOLS     folder in which debuerreotype is unpacked
#   KEYRING   candidates for Signed-By of the sources; the first that ROOT has is used
set -euo pipefail

pin() {
    local root=$1 package
    for package in "${@:2}"; do
        printf 'Package: %s\nPin: release *\nPin-Priority: -1\n\n' "$package"
    done >"$root/etc/apt/preferences.d/bootstrap"
}

# The sources of the published images, which are public; the host's mirror may need a login, or be reachable from this host only.
# debuerreotype asks a server of snapshots which suites exist. All of them do.
sources_of_debuerreotype() ( # ROOT SUITE
    # shellcheck disable=SC2329 # called by debuerreotype
    wget() { true; }
    export -f wget
    debuerreotype-debian-sources-list --no-deb822 "$1" "$2"
)

# The sources that mmdebstrap uses if it is given none. The distribution is passed to it, because it may not know a new suite.
sources_of_mmdebstrap() { # ROOT SUITE ID TOOLS
    local components architecture
    components=$(sed -n -E '0,/^deb/s/^deb (\[[^]]*\] )?[^ ]+ [^ ]+ //p' "$1/etc/apt/sources.list")
    architecture=$(sed -n '0,/^Package: dpkg$/d; /^Architecture: /{s///p;q}' "$1/var/lib/dpkg/status")
    # Without what follows __END__, which perl does not read: sed would fail if it could not write that.
    # shellcheck disable=SC2016 # Perl
    sed '/^__END__$/,$d; s/^main();$/my %known = map { $_ => {} } qw(debian ubuntu tanglu kali); $known{$ARGV[3]}{$ARGV[0]} = 1;\
        print get_sourceslist_by_suite(@ARGV[0, 1], "", $ARGV[2], \\%known);/' "$4/usr/bin/mmdebstrap" |
        perl - "$2" "$architecture" "$components" "$3" >"$1/etc/apt/sources.list.public"
    mv "$1/etc/apt/sources.list.public" "$1/etc/apt/sources.list"
}

# One stanza for each archive, as in the published images.
write_sources() {
    local root=$1 id=$2 keyring uri suite rest components separator='' uris=()
    local -A suites=()
    for keyring in "${@:3}" ''; do
        if [[ $keyring && -e $root$keyring ]]; then break; fi
    done
    while read -r uri suite rest; do
        [[ ${suites[$uri]-} ]] || uris+=("$uri")
        suites[$uri]+=" $suite"
        components=$rest
    done < <(sed -n -E 's/^deb (\[[^]]*\] )?//p' "$root/etc/apt/sources.list")
    for uri in "${uris[@]}"; do
        printf '%sTypes: deb\nURIs: %s\nSuites:%s\nComponents: %s\n' "$separator" "$uri" "${suites[$uri]}" "$components"
        if [[ $keyring ]]; then echo "Signed-By: $keyring"; fi
        separator=$'\n'
    done >"$root/etc/apt/sources.list.d/$id.sources"
    rm "$root/etc/apt/sources.list"
}

# debuerreotype-init 0.15 calls these instead of debootstrap and wget.
adopt() { mv "$MADE" "${*: -3:1}"; }
wget() { echo "Date: @$SOURCE_DATE_EPOCH"; }

by_debuerreotype() {
    local root=$1 tar=$2 suite=$3
    shift 3
    export MADE=$root.made
    mv "$root" "$MADE"
    export -f adopt wget
    debuerreotype-init --non-debian --debootstrap=adopt --debootstrap-script=/dev/null "$root" "$suite" none:
    debuerreotype-minimizing-config "$root"
    debuerreotype-slimify "$root"
    sources_of_debuerreotype "$root" "$suite"
    write_sources "$root" debian "$@"
    rm -f "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
    # /etc/machine-id is left out by debuerreotype's examples/debian.sh, too: a container was never booted.
    debuerreotype-tar --exclude ./etc/machine-id "$root" "$tar"
}

by_folder() {
    local settings=$1 root=$2 tar=$3 filters=$2/etc/dpkg/dpkg.cfg.d/excludes pattern patterns includes=()
    # The modes and owners of a clone depend on its user.
    tar --create --directory="$settings" --owner=root:0 --group=root:0 --mode=u=rwX,go=rX . |
        tar --extract --directory="$root" --touch --no-overwrite-dir
    # A package that starts its service by upstart's program must not fail (configure_oci in Ubuntu's livecd-rootfs).
    chroot "$root" dpkg-divert --quiet --local --rename --add /sbin/initctl
    printf '#!/bin/sh\nexit 0\n' >"$root/sbin/initctl"
    chmod 755 "$root/sbin/initctl"
    set -f # the patterns are find's, not the shell's
    patterns=$(sed -n 's/^path-include=//p' "$filters")
    for pattern in $patterns; do includes+=(-not -path "$root$pattern"); done
    patterns=$(sed -n 's/^path-exclude=//p' "$filters")
    # Folders stay: update-alternatives links manual pages that packages have elsewhere into /usr/share/man/man1.
    for pattern in $patterns; do
        find "$root/usr/share" -path "$root$pattern" -not -type d "${includes[@]}" -delete
    done
    set +f
    rm -f "$root"/etc/{machine-id,hostname,resolv.conf} "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old \
        "$root/var/cache/ldconfig/aux-cache"
    find "$root"/var/lib/apt/lists "$root"/var/cache/apt "$root"/var/log -type f -delete
    tar --create --file="$tar" --directory="$root" --sort=name --numeric-owner --exclude='./dev/*' \
        --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime .
    touch --date="@$SOURCE_DATE_EPOCH" "$tar"
}

finish() {
    local settings tools=$2 root=$3 tar=$4 id suite date
    settings=$(dirname "$0")/../$1
    id=$(sed -n 's/^ID=//p' "$root/etc/os-release")
    suite=$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")
    date=$(sed -n 's/^Date: //p' "$root"/var/lib/apt/lists/*_dists_"$suite"_*Release)
    SOURCE_DATE_EPOCH=$(date --date="$date" +%s)
    export SOURCE_DATE_EPOCH PATH="$tools/usr/share/debuerreotype/scripts:$PATH"
    rm -f "$root/etc/apt/preferences.d/bootstrap" "$root/var/lib/dpkg/arch"
    if [[ -d $settings ]]; then
        sources_of_mmdebstrap "$root" "$suite" "$id" "$tools"
        write_sources "$root" "$id" "${@:5}"
        by_folder "$settings" "$root" "$tar"
    else
        by_debuerreotype "$root" "$tar" "$suite" "${@:5}"
    fi
}

"$@"
