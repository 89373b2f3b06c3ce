"""The components that a bill of materials lists, and the names that it gives them."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from pathlib import Path

import pytest

from bakery.catalog import Pin
from bakery.errors import BakeryError, ConfigError, SourceError
from bakery.oci.contents import contents_of
from bakery.sbom import components
from bakery.sbom.components import Licences, debian_licences, dpkg_packages, installed, python_packages
from bakery.sbom.document import FILES, load_licences
from bakery.sbom.vendored import bundled_in, cpython
from tests.archives import Archive, make_release, make_tar

SITE = "usr/local/lib/python3.13/site-packages"
STATUS = b"""Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u14
Description: GNU C Library
 Shared libraries
Homepage: https://www.gnu.org/software/libc/libc.html

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: purged
Status: unknown ok not-installed
Architecture: amd64

Package: libacl1
Status: install ok installed
Architecture: amd64
Source: acl (2.3.1-3)
Version: 2.3.1-3+b1
"""


@pytest.fixture(scope="module")
def licences(root: Path) -> Licences:
    return load_licences(root)


def test_only_installed_packages_are_listed_with_dpkgs_version() -> None:
    packages = dpkg_packages({"var/lib/dpkg/status": STATUS}, "debian", "debian-12")
    assert [(package.name, package.version, package.source) for package in packages] == [
        ("libacl1", "2.3.1-3+b1", "acl"),
        ("libc6", "2.36-9+deb12u14", "glibc"),
    ]
    acl, libc = (package.purl for package in packages)
    assert acl == "pkg:deb/debian/libacl1@2.3.1-3%2Bb1?arch=amd64&distro=debian-12&upstream=acl%402.3.1-3"
    assert libc == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12&upstream=glibc"


@pytest.mark.parametrize("files", [{}, {"var/lib/dpkg/status": b""}, {"var/lib/dpkg/status": b"\xff" * 100}])
def test_an_image_that_lists_no_distribution_packages_has_no_bill_of_materials(files: dict[str, bytes]) -> None:
    with pytest.raises(BakeryError, match="lists no distribution packages"):
        dpkg_packages(files, "debian", "debian-12")


def test_packages_of_an_image_without_dpkg_are_read_from_status_d() -> None:
    files = {
        "var/lib/dpkg/status.d/libc6": STATUS.partition(b"\n\n")[0],
        "var/lib/dpkg/status.d/libc6.md5sums": b"0  Package: x\n",
    }
    assert [package.name for package in dpkg_packages(files, "debian", "debian-12")] == ["libc6"]


FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{FORMAT}Files: *\nLicense: GPL-2+\n text\n\nFiles: a\nLicense: Expat\n", ("GPL-2.0-or-later", "MIT")),
        (f"{FORMAT}Files: *\nLicense: GPL-1+ or Artistic\n", ("(GPL-1.0-or-later OR Artistic-1.0-Perl)",)),
        (f"{FORMAT}Files: *\nLicense: public-domain\n", ("LicenseRef-Debian-public-domain",)),
        (f"{FORMAT}Files: *\nLicense: The main library, which is (mostly) free\n", ()),
        (f"{FORMAT}License: GPL-2+\n of no file\n", ()),
        ("This package was debianized by hand.\n\nFiles: *\nLicense: GPL-2\n", ()),
        ("", ()),
    ],
)
def test_debians_licence_names_become_spdx_expressions_and_prose_is_not_guessed(
    licences: Licences, text: str, expected: tuple[str, ...]
) -> None:
    assert debian_licences(text, licences) == expected


def test_python_packages_are_listed_with_the_packages_that_they_vendor(licences: Licences) -> None:
    files = {
        f"{SITE}/pip-26.2.1.dist-info/METADATA": b"Metadata-Version: 2.4\nName: pip\nVersion: 26.2.1\n\nName: words\n",
        f"{SITE}/pip/_vendor/vendor.txt": b"requests==2.34.2\n    certifi==2026.6.17 # text\npyproject-hooks==1.2.0\n",
        f"{SITE}/setuptools-65.5.0.dist-info/METADATA": b"Name: setuptools\nVersion: 65.5.0\n",
        f"{SITE}/setuptools/_vendor/__init__.py": b"",
        f"{SITE}/setuptools/_vendor/ordered_set.py": b'__version__ = "3.1"\n',
        f"{SITE}/setuptools/_vendor/packaging/__init__.py": b"from .__about__ import __version__\n",
        f"{SITE}/setuptools/_vendor/packaging/__about__.py": b'__version__ = "21.3"\n',
        f"{SITE}/setuptools/_vendor/zipp.py": b"import io\n",
    }
    components = python_packages(files, licences)
    assert [(component.within, component.name, component.version, component.licence) for component in components] == [
        ("", "pip", "26.2.1", "MIT"),
        ("pip", "certifi", "2026.6.17", "MPL-2.0"),
        ("pip", "pyproject-hooks", "1.2.0", "MIT"),
        ("pip", "requests", "2.34.2", "Apache-2.0"),
        ("", "setuptools", "65.5.0", "MIT"),
        ("setuptools", "ordered_set", "3.1", "MIT"),
        ("setuptools", "packaging", "21.3", "Apache-2.0 OR BSD-2-Clause"),
        ("setuptools", "zipp", "", "MIT"),
    ]
    assert {component.name: component.purl for component in components}["ordered_set"] == "pkg:pypi/ordered-set@3.1"


HEADERS = {
    "Modules/expat/expat.h": "#define XML_MAJOR_VERSION 2\n#define XML_MINOR_VERSION 8\n#define XML_MICRO_VERSION 2\n",
    "Modules/_decimal/libmpdec/mpdecimal.h": '#define MPD_VERSION "2.5.1"\n',
    "Include/internal/mimalloc/mimalloc.h": "#define MI_MALLOC_VERSION 212   // major\n",
    "Lib/ctypes/macholib/__init__.py": "__version__ = '1.0'\n",
    "Modules/_blake2/impl/blake2.h": "",
}
LISTED = {
    "packages": [
        {
            "name": "libb2", "versionInfo": "0.98.1", "downloadLocation": "https://example.org/libb2.tar.gz",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "b" * 64}], "originator": "Organization: BLAKE2",
            "externalRefs": [{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:blake2:libb2:1:*"}],
        },
        {"name": "pip", "versionInfo": "24.0", "downloadLocation": "https://example.org/pip"},
    ]
}  # fmt: skip


def test_upstreams_list_takes_precedence_over_headers(tmp_path: Path, licences: Licences) -> None:
    file = make_release(tmp_path, {**HEADERS, "Misc/sbom.spdx.json": json.dumps(LISTED)})
    components = bundled_in(file, "3.13.15", licences)
    assert [(component.name, component.version, component.licence) for component in components] == [
        ("expat", "2.8.2", "MIT"),
        ("libb2", "0.98.1", "CC0-1.0"),
        ("macholib", "1.0", "MIT"),
        ("mimalloc", "2.1.2", "MIT"),
        ("mpdecimal", "2.5.1", "BSD-2-Clause"),
    ]
    assert components[0].cpe == "cpe:2.3:a:libexpat_project:libexpat:2.8.2:*:*:*:*:*:*:*"
    assert (components[1].sha256, components[1].supplier) == ("b" * 64, "Organization: BLAKE2")
    assert {component.within for component in components} == {"CPython"}


def test_components_of_a_release_without_a_list_are_read_from_headers(tmp_path: Path, licences: Licences) -> None:
    names = [component.name for component in bundled_in(make_release(tmp_path, HEADERS), "3.13.15", licences)]
    assert names == ["blake2", "expat", "macholib", "mimalloc", "mpdecimal"]


@pytest.mark.parametrize("define", ["#define", "#  define"])
def test_the_version_of_expat_is_read_from_its_header(tmp_path: Path, licences: Licences, define: str) -> None:
    text = HEADERS["Modules/expat/expat.h"].replace("#define", define)
    (expat,) = bundled_in(make_release(tmp_path, {"Modules/expat/expat.h": text}), "3.13.15", licences)
    assert (expat.name, expat.version) == ("expat", "2.8.2")


def test_a_header_that_repeats_its_definitions_is_read_in_linear_time(tmp_path: Path, licences: Licences) -> None:
    text = "".join(line * 2000 for line in HEADERS["Modules/expat/expat.h"].splitlines(keepends=True)[:2])
    began = time.process_time()
    (expat,) = bundled_in(make_release(tmp_path, {"Modules/expat/expat.h": text}), "3.13.15", licences)
    assert time.process_time() - began < 1
    assert expat.version == ""


def test_a_component_whose_header_states_its_version_in_another_way_is_listed_without_one(
    tmp_path: Path, licences: Licences
) -> None:
    files = dict.fromkeys(HEADERS, "/* nothing that is known */")
    components = bundled_in(make_release(tmp_path, files), "3.13.15", licences)
    assert {component.name for component in components} == {"blake2", "expat", "macholib", "mimalloc", "mpdecimal"}
    assert {component.version for component in components} == {""}
    (expat,) = (component for component in components if component.name == "expat")
    assert (expat.purl, expat.cpe) == ("pkg:generic/expat", "cpe:2.3:a:libexpat_project:libexpat:*:*:*:*:*:*:*:*")


def test_an_invalid_list_is_an_error_that_names_the_tarball(tmp_path: Path, licences: Licences) -> None:
    with pytest.raises(SourceError, match=r"Python-3.13.15.tar.xz: the components that it bundles cannot be read"):
        bundled_in(make_release(tmp_path, {"Misc/sbom.spdx.json": "<html>"}), "3.13.15", licences)


@pytest.mark.parametrize(
    ("release", "folder", "cpe"), [("3.13.15", "3.13.15", "3.13.15:*"), ("3.15.0b3", "3.15.0", "3.15.0:b3")]
)
def test_cpython_is_listed_with_its_download_url_and_cpe(release: str, folder: str, cpe: str) -> None:
    component = cpython(Pin(release, f"Python-{release}.tar.xz", "c" * 64, "a test"))
    assert component.download == f"https://www.python.org/ftp/python/{folder}/Python-{release}.tar.xz"
    assert component.cpe == f"cpe:2.3:a:python:python:{cpe}:*:*:*:*:*:*"


def test_the_users_own_source_tree_has_no_download_url() -> None:
    component = cpython(Pin("3.14.7+", "Python-3.14.7+.tar.xz", "c" * 64, "--source", local="a folder"))
    assert (component.version, component.download, component.sha256) == ("3.14.7", "", "c" * 64)


def contents(*layers: bytes, method: str = "zstd") -> dict[str, bytes]:
    archive = Archive()
    archive.image(layers, method)
    return dict(contents_of(io.BytesIO(archive.save()), "linux/amd64", re.compile("etc/.*")).files)


@pytest.mark.parametrize("method", ["gzip", "zstd", "none"])
def test_files_are_read_as_a_container_sees_them(method: str) -> None:
    below = make_tar({"etc/a": b"old", "./etc/b": b"b", "etc/gone": b"x", "etc/d/e": b"x", "usr/x": b"not asked for"})
    above = make_tar({"etc/a": b"new", "etc/.wh.gone": b"", "etc/d/.wh..wh..opq": b"", "etc/d/f": b"f"})
    assert contents(below, above, method=method) == {"etc/a": b"new", "etc/b": b"b", "etc/d/f": b"f"}


def test_a_file_replaced_by_a_link_or_folder_is_not_read() -> None:
    above = make_tar({"etc/a": "b", "etc/b/c": b"c"}, folders=["etc/b"])
    assert contents(make_tar({"etc/a": b"a", "etc/b": b"b", "etc/c": b"c"}), above) == {"etc/b/c": b"c", "etc/c": b"c"}


def test_a_copyright_file_in_a_linked_folder_is_read() -> None:
    archive = Archive()
    doc = "usr/share/doc"
    archive.image(
        [make_tar({f"{doc}/libtinfo6/copyright": b"text", f"{doc}/libncursesw6": "libtinfo6", f"{doc}/l": "l"})]
    )
    contents = contents_of(io.BytesIO(archive.save()), "linux/amd64", FILES)
    assert contents.read(f"{doc}/libncursesw6/copyright") == "text"
    assert contents.read(f"{doc}/l/copyright") == contents.read(f"{doc}/nothing/copyright") == ""


def test_a_damaged_layer_raises_bakery_error() -> None:
    archive = Archive()
    archive.image([gzip.compress(make_tar({"etc/a": bytes(9000)}))[:-20] + bytes(20)], "none")
    with pytest.raises(BakeryError, match="cannot be read"):
        contents_of(io.BytesIO(archive.save()), "linux/amd64", FILES)


def test_hostile_fields_of_an_image_neither_stop_nor_delay_its_bill(licences: Licences) -> None:
    site = "usr/local/lib/python3.13/site-packages"
    files = {
        "var/lib/dpkg/status": b"Package: /\nVersion: 1\n\nPackage: a\nMaintainer: x" + b" " * 1_000_000 + b"<\n",
        f"{site}/x-1.dist-info/METADATA": b"Name: /\nVersion: 1\n\n",
        f"{site}/pip-1.dist-info/METADATA": b"Name: pip\nVersion: 1\n\n",
        f"{site}/pip/_vendor/vendor.txt": b"\n" * 1_000_000 + b"\xff\n  idna==1.0 # why\n",
    }
    packages = dpkg_packages(files, "debian", "debian-12")
    assert [(part.name, bool(part.purl), part.supplier) for part in packages] == [("/", False, ""), ("a", True, "x")]
    assert [(part.name, bool(part.purl)) for part in python_packages(files, licences)] == [
        ("pip", True), ("idna", True), ("/", False),
    ]  # fmt: skip
    for licence in (f"GPL-2{' ' * 1_000_000}x", "/", "___ or a__b", "\u00e9"):
        assert debian_licences(f"Format: x\n\nFiles: *\nLicense: {licence}\n", licences) == ()


def test_an_image_with_too_many_packages_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "MOST", 1000)
    status = "".join(f"Package: p{number}\n\n" for number in range(1000)).encode()
    assert len(installed({"var/lib/dpkg/status": status})) == 1000
    with pytest.raises(BakeryError, match="more packages than 1,000"):
        installed({"var/lib/dpkg/status": status + b"Package: q\n\nPackage: r\n"})


def test_an_invalid_pattern_of_a_version_is_an_error_that_names_its_key(tmp_path: Path, root: Path) -> None:
    (tmp_path / "shared").mkdir()
    text = (root / "shared" / "licences.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^version = .*$", "version = '('", text, count=1)
    (tmp_path / "shared" / "licences.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"licences\.toml: headers\.\w+\.version: expected a regular expression"):
        load_licences(tmp_path)
