#!/bin/bash
# minimal.sh python CONF OUT     - copy what the system at / needs to run Python, and nothing else
# minimal.sh shell PACKAGE OUT   - copy a static busybox from PACKAGE, with a link for each of its programs
#
# Runs in a stage of its own. dpkg's lists of files and the dynamic linker determine which files are needed; CONF (minimal.conf)
# adds some and leaves some out.
#   OUT/system   the distribution's part
#   OUT/python   /usr/local, and the linker's cache
# The packages are recorded in var/lib/dpkg/status.d, where scanners look because distroless images have their records there:
# NAME (the package's stanza of dpkg's status file) and NAME.md5sums (of the files that were copied).
set -euo pipefail
export LC_ALL=C
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

NONROOT=65532

# Folders that are links in a system with a merged /usr. dpkg's lists have paths from before the merge.
merged=()
for top in /bin /sbin /lib*; do
    if [ -L "$top" ]; then merged+=("$top"); fi
done

# stdin: paths as dpkg lists them; stdout: their real paths (for /lib/x, /usr/lib/x).
below_usr() {
    local path top
    while read -r path; do
        for top in "${merged[@]}"; do
            if [[ $path == "$top"/* ]]; then path=/usr$path && break; fi
        done
        echo "$path"
    done
}

# The values of keyword $1 in CONF.
values() { sed -n "s/^$1 //p" "$CONF"; }

# stdin: paths; stdout: the paths that the rules of CONF do not exclude.
kept() {
    local path rule rules keep
    mapfile -t rules < <(grep '^path-' "$CONF")
    while read -r path; do
        keep=1
        for rule in "${rules[@]}"; do
            # shellcheck disable=SC2053 # a pattern
            if [[ $path == ${rule#* } ]]; then keep=${rule%% *}; fi
        done
        if [ "$keep" != path-exclude ]; then echo "$path"; fi
    done
}

# Print the files and links of the packages given as arguments. Folders are left out: `copy` makes them.
files_of() {
    local path
    dpkg-query --listfiles "$@" | grep '^/' | below_usr | sort -u | kept |
        while read -r path; do
            if [ -L "$path" ] || [ -f "$path" ]; then echo "$path"; fi
        done
}

# stdin: files; stdout: the libraries that they need, both the paths that the linker looks up and the targets of those links.
libraries() {
    local path
    while read -r path; do
        if [ ! -L "$path" ]; then echo "$path"; fi
    done | grep -E '\.so(\.|$)|/bin/' | { xargs --no-run-if-empty ldd 2>/dev/null || true; } |
        awk '/=> \// { print $3 } /^\t\// { print $1 }' | sort -u |
        while read -r path; do
            echo "$(readlink --canonicalize "${path%/*}")/${path##*/}"
            readlink --canonicalize "$path"
        done | sort -u
}

# Print the copyright file of package $1: its own, or that of another package of the same source. Some packages (gcc's
# libraries) have only a link to the other package's folder, and slim systems leave such links out.
licence() {
    local own=/usr/share/doc/$1/copyright name source
    if [ ! -e "$own" ]; then
        source=$(dpkg-query --show --showformat '${source:Package}\n' "$1" | head --lines=1)
        for name in $(dpkg-query --show --showformat '${source:Package}:${Package}\n' | sed -n "s/^$source://p"); do
            own=/usr/share/doc/$name/copyright
            if [ -e "$own" ]; then break; fi
        done
    fi
    readlink --canonicalize-existing "$own"
}

# Copy the paths on stdin to folder $1 with owner, mode and time.
copy() {
    mkdir -p "$1"
    tar --create --directory=/ --no-recursion --verbatim-files-from --files-from=<(sort -u | sed 's#^/##') |
        tar --extract --directory="$1" --same-permissions --same-owner
}

# Write the records of packages (the other arguments) below folder $1.
records() {
    local root=$1 name sum path real folder=$1/var/lib/dpkg/status.d
    shift
    mkdir -p "$folder"
    for name in "$@"; do
        dpkg-query --status "$name" >"$folder/$name"
        while read -r sum path; do
            real=$(below_usr <<<"/$path")
            if [ -f "$root$real" ]; then echo "$sum  $path"; fi
        done <"$(dpkg-query --control-path "$name" md5sums)" >"$folder/$name.md5sums"
    done
}

# The layer depends on its packages, not on the time of the build.
same_time() { find "$@" -exec touch --no-dereference --reference=/usr/lib/os-release {} +; }

skeleton() {
    local root=$1 name top
    install -d -m 0755 "$root"/{dev,etc,home,mnt,opt,proc,run,srv,sys,var}
    install -d -m 0700 "$root/root"
    install -d -m 0700 -o $NONROOT -g $NONROOT "$root/home/nonroot"
    install -d -m 1777 "$root/tmp" "$root/var/tmp"
    for top in "${merged[@]}"; do
        mkdir -p "$root/usr$top"
        cp --no-dereference --preserve=all "$top" "$root$top"
    done
    for name in root nobody; do grep "^$name:" /etc/passwd; done | sed 's#:[^:]*$#:/usr/sbin/nologin#' >"$root/etc/passwd"
    echo "nonroot:x:$NONROOT:$NONROOT:nonroot:/home/nonroot:/usr/sbin/nologin" >>"$root/etc/passwd"
    for name in root tty staff nogroup; do grep "^$name:" /etc/group; done >"$root/etc/group"
    echo "nonroot:x:$NONROOT:" >>"$root/etc/group"
}

python() {
    local system=$OUT/system local=$OUT/python work name names path before=
    work=$(mktemp -d)
    find /usr/local -not -type d | kept | sort >"$work/local"
    # Byte code of a module that was left out is useless: nothing imports it from __pycache__.
    # lib/os.py for lib/__pycache__/os.cpython-313.pyc must be in the list.
    awk '{ seen[$0] = 1; lines[NR] = $0 }
        END {
            for (n = 1; n <= NR; n++) {
                module = lines[n]
                if (sub("/__pycache__/", "/", module)) sub(/\.[^.\/]*\.pyc$/, ".py", module)
                if (module in seen) print lines[n]
            }
        }' "$work/local" >"$work/python"
    mapfile -t names < <(values package)
    # Files of a package may need libraries of other packages: repeat until no package is added.
    while [ "$before" != "${names[*]}" ]; do
        before=${names[*]}
        files_of "${names[@]}" >"$work/system"
        cat "$work/python" "$work/system" | libraries >"$work/libraries"
        for name in "${names[@]}"; do licence "$name"; done >>"$work/system"
        grep --invert-match '^/usr/local/' "$work/libraries" >>"$work/system"
        grep -E '\.so(\.|$)|/copyright$' "$work/system" >"$work/owned"
        mapfile -t names < <({ owners <"$work/owned" && printf '%s\n' "${names[@]}"; } | sort -u)
    done
    values file >>"$work/system"
    values optional | while read -r path; do
        if [ -e "$path" ]; then echo "$path"; fi
    done >>"$work/system"
    { cat "$work/python" && grep '^/usr/local/' "$work/libraries" || true; } | copy "$local"
    skeleton "$system"
    copy "$system" <"$work/system"
    # OpenSSL's file of CA certificates. Ubuntu 22.04 has only a folder of links by hash, which are left out.
    if [ ! -e "$system/usr/lib/ssl/cert.pem" ] && [ ! -L "$system/usr/lib/ssl/cert.pem" ]; then
        mkdir -p "$system/usr/lib/ssl"
        ln -s /etc/ssl/certs/ca-certificates.crt "$system/usr/lib/ssl/cert.pem"
    fi
    for name in "${names[@]}"; do
        path=$(licence "$name")
        if [ ! -e "$system/usr/share/doc/$name" ]; then ln -sT "$(basename "${path%/*}")" "$system/usr/share/doc/$name"; fi
    done
    records "$system" "${names[@]}"
    # The linker's cache also lists libraries below /usr/local, so it belongs to that layer.
    mkdir -p "$local/etc"
    mkdir "$work/root"
    cp --recursive --no-dereference "$system/." "$local/." "$work/root/"
    ldconfig -r "$work/root" -X
    cp "$work/root/etc/ld.so.cache" "$local/etc/"
    rm -rf "$work"
    same_time "$system"
    same_time "$local" -type d
    echo "files come from: ${names[*]}"
}

shell() {
    local package=$1 program path
    program=$(dpkg-query --listfiles "$package" | below_usr | grep -x '/usr/bin/busybox')
    copy "$OUT" <<<"$program"$'\n'"/usr/share/doc/$package/copyright"
    # Without its dpkg and rpm, which would be package managers without packages, and ar, which only unpacks for dpkg.
    "$program" --list-full | sed -E -e 's#^(usr/)?#usr/#' -e '/\/(ar|dpkg[^\/]*|rpm[^\/]*)$/d' | while read -r path; do
        mkdir -p "$OUT/${path%/*}"
        if [ ! -e "$OUT/$path" ]; then ln -s "$program" "$OUT/$path"; fi
    done
    records "$OUT" "$package"
    same_time "$OUT"
}

if [ $# -ne 3 ]; then set -- help; fi
OUT=${3:-}
case $1 in
python) CONF=$2 && python ;;
shell) shell "$2" ;;
*)
    echo "usage: minimal.sh python CONF OUT | shell PACKAGE OUT" >&2
    exit 2
    ;;
esac
