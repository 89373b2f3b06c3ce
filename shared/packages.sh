#!/bin/sh
# packages.sh - the distribution's packages of an image: which versions the archive has, and the installation of exactly
# these. Runs inside the build, in the target's base.
#
# packages.sh resolve OUT VARIANT_PACKAGES PACKAGE...
#     Write to OUT/packages what would be upgraded in the base ("base"), installed for PACKAGE... on top of that
#     ("runtime"), and for VARIANT_PACKAGES on top of both ("variant"), a line for each package:
#         STAGE NAME=VERSION ARCHITECTURE SHA256 SUITE[,SUITE]
#     and to OUT/releases "SUITE SECONDS" for each Release file that was read: its Date, in seconds since 1970.
# packages.sh install STAGE LIST [PACKAGE...]
#     Upgrade the base (STAGE base) or install PACKAGE... with exactly the packages of LIST, which has such lines without
#     STAGE and SUITE. apt makes the choice again, but only among these versions; the packages that it downloads must be
#     those of LIST by their digests, all of them and no others, before anything is unpacked.
# packages.sh newer OUT FOLDER
#     FOLDER has files "packages", with lines NAME VERSION, and "architecture". Write to OUT/newer a line for each of these
#     packages that the archive has newer versions of, and the suites of all newer versions:
#         NAME VERSION CANDIDATE SECONDS SUITE[,SUITE]
#     SECONDS is the time that the mirror has for the candidate's file (Last-Modified), in seconds since 1970, 0 if
#     unknown. CANDIDATE is "-" for a package that the archive does not have.
#
# The secrets are those of apt-install.sh, which installs the compilers: its text is part of the cached compilation, so
# changing it compiles everything again.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
secrets=${SECRETS:-/run/secrets}
work=$(mktemp -d -p /dev/shm) # is part of no layer
trap 'rm -rf "$work"' EXIT

{
    if [ -n "${APT_CONFIG:-}" ]; then cat "$APT_CONFIG"; fi
    if [ -e "$secrets/apt.conf" ]; then cat "$secrets/apt.conf"; fi
    # Phased updates of Ubuntu: otherwise apt chooses the machines that get an update first by a machine ID, which a container
    # does not have.
    echo 'APT::Get::Always-Include-Phased-Updates "true";'
    if [ -e "$secrets/apt.mirror" ]; then
        mkdir "$work/sources"
        for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
            [ -e "$file" ] || continue
            sed -E -f "$secrets/apt.mirror" "$file" >"$work/sources/${file##*/}"
        done
        printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' "$work/sources"
    fi
} >"$work/apt.conf"
export APT_CONFIG="$work/apt.conf"

# A list that cannot be fetched is an error: without it, fixes would be silently missed. So is one of another release,
# about which apt only warns, because the keys of a distribution sign all of its releases.
update() {
    "$@" apt-get update --error-on=any >&2
    for file in /var/lib/apt/lists/*_dists_*Release; do
        if grep -Eqs '^(Suite|Codename):' "$file" && ! grep -Eq "^(Suite|Codename): *$(suite_of "$file")\$" "$file"; then
            echo "The mirror has another release as $(suite_of "$file"): $(grep -E '^(Suite|Codename):' "$file" | xargs)." >&2
            echo "Use another mirror (--apt-mirror)." >&2
            exit 1
        fi
    done
}

# suite_of FILE - the suite that apt has downloaded a Release file for.
suite_of() {
    suite=${1##*_dists_}
    echo "${suite%_*Release}"
}

# asking COMMAND... - run a program of apt with uncompressed lists and a cache of them, which slim bases switch off to save
# space. For steps that query apt several times and are part of no image.
asking() {
    program=$1
    shift
    "$program" -o Acquire::GzipIndexes=false -o Dir::Cache::pkgcache=/tmp/pkgcache.bin \
        -o Dir::Cache::srcpkgcache=/tmp/srcpkgcache.bin "$@"
}

# simulated COMMAND... - NAME VERSION of each package that apt would unpack. apt prints
# "Inst NAME [OLD] (VERSION ORIGIN:RELEASE/SUITE [ARCHITECTURE])".
simulated() {
    asking apt-get --simulate --no-install-recommends --no-remove "$@" >"$work/simulated" || { cat "$work/simulated" >&2 && exit 1; }
    sed -nE 's/^Inst ([^ :]+)[^ ]* (\[[^]]*\] )?\(([^ ]+) .*/\1 \3/p' "$work/simulated" | sort
}

# described STAGE <LIST - the lines of OUT/packages for NAME VERSION. apt-cache madison prints
# "NAME | VERSION | URI SUITE/COMPONENT ARCHITECTURE Packages".
described() {
    cat >"$work/list"
    [ -s "$work/list" ] || return 0
    # shellcheck disable=SC2046 # names
    asking apt-cache madison $(cut -d' ' -f1 "$work/list") >"$work/madison"
    # shellcheck disable=SC2046 # names and versions
    asking apt-cache show $(tr ' ' '=' <"$work/list") | awk -v stage="$1" -v madison="$work/madison" '
        BEGIN {
            while ((getline line <madison) > 0) {
                split(line, field, / *[|] */)
                split(field[3], source, " ")
                sub("/.*", "", source[2])
                sub(/^ */, "", field[1])
                suites[field[1] " " field[2]] = suites[field[1] " " field[2]] "," source[2]
            }
        }
        /^Package: / { name = $2 }
        /^Version: / { version = $2 }
        /^Architecture: / { architecture = $2 }
        /^SHA256: / { print stage, name "=" version, architecture, $2, substr(suites[name " " version], 2) }
    ' | sort -u
}

resolve() {
    out=$1 variant=$2
    shift 2
    update asking
    mkdir -p "$out"
    simulated upgrade --with-new-pkgs >"$work/base"
    # shellcheck disable=SC2046,SC2086 # names
    {
        simulated install "$@" $(cut -d' ' -f1 "$work/base") >"$work/runtime"
        cp "$work/runtime" "$work/variant"
        if [ -n "$variant" ]; then simulated install "$@" $(cut -d' ' -f1 "$work/base") $variant >"$work/variant"; fi
    }
    {
        described base <"$work/base"
        comm -13 "$work/base" "$work/runtime" | described runtime
        comm -13 "$work/runtime" "$work/variant" | described variant
    } >"$out/packages"
    for file in /var/lib/apt/lists/*Release; do
        date=$(sed -n 's/^Date: *//p' "$file" | head -n 1)
        seconds=$(date --date="${date:?"$file has no date"}" +%s)
        echo "$(suite_of "$file") $seconds"
    done >"$out/releases"
    echo "resolved: $(wc -l <"$out/packages") packages, $(wc -l <"$work/base") of them upgrades of the base" >&2
}

install() {
    stage=$1 list=$2
    shift 2
    # Nothing to install: then everything that is needed is there.
    if [ ! -s "$list" ]; then dpkg-query --show "$@" && return; fi
    update
    {
        # Only the packages of the list and those that are installed already ("now") can be chosen.
        printf 'Package: *\nPin: release %s\nPin-Priority: %s\n\n' a=now 500 '*' -1
        sed -E 's/^([^=]+)=([^ ]+) .*/Package: \1\nPin: version \2\nPin-Priority: 990\n/' "$list"
    } >"$work/preferences"
    printf 'Dir::Etc::preferences "%s";\n' "$work/preferences" >>"$work/apt.conf"
    if [ "$stage" = base ]; then set -- upgrade --with-new-pkgs; else set -- install "$@"; fi
    set -- --yes --no-install-recommends --no-remove "$@"
    if ! apt-get --download-only "$@"; then
        echo "The archive does not have these versions now. If they were resolved today, start the build again; versions of" >&2
        echo "an earlier day are in a snapshot archive (--apt-mirror)." >&2
        exit 1
    fi
    cut -d' ' -f3 "$list" | sort >"$work/expected"
    find /var/cache/apt/archives -name '*.deb' -exec sha256sum {} + | cut -d' ' -f1 | sort >"$work/found"
    if ! cmp -s "$work/expected" "$work/found"; then
        echo "These are not the packages of the list: expected (-) and found (+) by digest." >&2
        diff -U0 "$work/expected" "$work/found" >&2 || exit 1
    fi
    apt-get --no-download "$@"
    # As apt-install.sh does.
    apt-get clean
    rm -f /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache
    find /var/lib/apt/lists /var/log -type f -exec rm -f {} +
}

newer() {
    out=$1 list=$2/packages
    sed -E 's#.*#APT::Architecture "&"; APT::Architectures "&"; Dir::State::status "/dev/null";#' "$2/architecture" >>"$work/apt.conf"
    update asking
    mkdir -p "$out" /tmp/deb
    # shellcheck disable=SC2046 # names
    asking apt-cache policy $(cut -d' ' -f1 "$list" | sort -u) |
        awk '/^[^ ]/ { sub(/:.*/, ""); name = $0 } /^  Candidate: / && $2 != "(none)" { print name, $2 }' >"$work/candidates"
    while read -r name version; do
        candidate=$(awk -v name="$name" '$1 == name { print $2 }' "$work/candidates")
        if [ -z "$candidate" ]; then
            echo "$name $version - 0 "
        elif dpkg --compare-versions "$version" lt "$candidate"; then
            # apt gives a file the time that the server has for it.
            (cd /tmp/deb && asking apt-get download -qq -o APT::Sandbox::User=root "$name=$candidate" >&2) || true
            seconds=$(find /tmp/deb -follow -name '*.deb' -printf '%Ts' -delete)
            suites=$(asking apt-cache madison "$name" | while IFS=' |' read -r _ other _ suite _; do
                if dpkg --compare-versions "$other" gt "$version"; then echo "${suite%%/*}"; fi
            done | sort -u | paste -sd, -)
            echo "$name $version $candidate ${seconds:-0} $suites"
        fi
    done <"$list" >"$out/newer"
}

"$@"
