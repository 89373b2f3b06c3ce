"""A fake source of CPython: a tarball that configures, "trains" and installs in a second.

Only the tarball is fake: Dockerfile, compile.sh, engine, base and everything in bakery are real.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bakery.build.builder import Builder
from bakery.catalog.labels import LABELS
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.compression import Compression, parse_compression
from bakery.display.progress import Display
from bakery.engine.engine import Engine
from bakery.options import Building
from bakery.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]

RELEASE = "3.13.15"
REPOSITORY = f"bakery-tests/python-{os.getpid()}"
"""Unique to this process, so that two test runs on one engine do not overwrite each other's images."""
SALT = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(time.time_ns())
"""Makes the engine compile the fake source once in each test run, for all tests that do not need a fresh build."""

CONFIGURE = """#!/bin/sh
cat >Makefile <<'END'
BUILDPYTHON = python
all build_all: python
python-config:
\t@touch $@
python: Modules/config.c
\t@echo compiling; sleep $(SECONDS_TO_COMPILE); echo compiled >>compiled
\t@printf '#!/bin/sh\\necho Python 3.13.15\\necho 1 test OK.\\necho Result: SUCCESS\\n' >python; chmod +x python
\t@echo '# $(SALT)' >>python
profile-gen-stamp:
\t@echo instrumenting; touch $@
profile-run-stamp:
\t@echo training with $(PROFILE_TASK)
\t@mkdir -p profiles; for i in 1 2 3 4 5 6 7; do for j in 0 1 2 3 4 5 6 7; do touch profiles/$$i$$j.gcda; done; done
\t@touch $@
install:
\t@mkdir -p $(DESTDIR)/usr/local/bin $(DESTDIR)/usr/local/lib/python3.13/test
\t@mkdir -p $(DESTDIR)/usr/local/lib/python3.13/ensurepip/_bundled $(DESTDIR)/usr/local/lib/python3.13/site-packages
\t@touch $(DESTDIR)/usr/local/lib/python3.13/ensurepip/_bundled/pip.whl
\t@cp python $(DESTDIR)/usr/local/bin/python3
\t@cp python $(DESTDIR)/usr/local/bin/pip3
\t@touch $(DESTDIR)/usr/local/lib/python3.13/os.py $(DESTDIR)/usr/local/lib/python3.13/os.pyc
\t@cp compiled $(DESTDIR)/usr/local/lib/python3.13/
sharedmods: python
\t@mkdir -p build/lib; echo build/lib >pybuilddir.txt
\t@cp compiled build/lib/_testcapi.so; touch build/lib/_json.so
END
echo "SECONDS_TO_COMPILE = $(cat seconds)" >>Makefile
echo "SALT = $(cat salt)" >>Makefile
case "$*" in *--disable-test-modules*) echo "TEST_MODULES = no" ;; *) echo "TEST_MODULES = yes" ;; esac >>Makefile
printf '#!/bin/sh\necho "%s"\n' "$*" >config.status
chmod +x config.status
# compile.sh strips the interpreter, which is a script here.
printf '#!/bin/sh\ncp "$4" "$3"\n' >/usr/local/bin/strip
chmod +x /usr/local/bin/strip
mkdir -p Lib/test/data Lib/idlelib/tests Modules Programs
touch Lib/test/test_os.py Lib/test/data/text Lib/idlelib/tests/test_idle.py Modules/config.c pyconfig.h
"""


def source(folder: Path, *, configure: str = CONFIGURE, seconds: int = 0, salt: str = "") -> Path:
    """Write the tarball below ``folder`` in the mirror's layout; ``salt`` makes the engine rebuild it.

    The salt is part of the interpreter, so that a builder has not seen the image in an earlier run.
    """
    file = folder / RELEASE / f"Python-{RELEASE}.tar.xz"
    file.parent.mkdir(parents=True, exist_ok=True)
    files = {
        "configure": (configure, 0o755),
        "Modules/Setup": ("", 0o644),
        "Include/object.h": ("PyAPI_DATA(PyTypeObject) PyType_Type;\n", 0o644),
        "Include/cpython/object.h": ("PyAPI_DATA(int) const Py_Answer;\n", 0o644),
        "seconds": (f"{seconds}\n", 0o644),
        "salt": (salt, 0o644),
    }
    with tarfile.open(file, "w:xz") as tar:
        for name, (text, mode) in files.items():
            member = tarfile.TarInfo(f"Python-{RELEASE}/{name}")
            member.size, member.mode = len(text.encode()), mode
            tar.addfile(member, io.BytesIO(text.encode()))
    return file


def repository(root: Path, original: Path, tarball: Path) -> None:
    """Make ``root`` a copy of the repository whose lock pins ``tarball`` for RELEASE, with tags of REPOSITORY."""
    root.mkdir(parents=True)
    shutil.copyfile(original / "tasks.py", root / "tasks.py")
    for name in ("bakery", "commands", "debian", "ubuntu", "shared", "tests/image"):
        shutil.copytree(original / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    lock = root / "shared" / "lock.toml"
    head, start, rest = lock.read_text().partition(f'[releases."{RELEASE}"]\n')
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    entry = f'file = "{tarball.name}"\nsha256 = "{digest}"\nrecorded_by = "tests"\n'
    lock.write_text(f"{head}{start}{entry}\n{rest[rest.index('[releases') :]}")
    trust = root / "shared" / "upstream.toml"
    # The fake tarball is not signed, and python.org's signature would not match it.
    head, _, _ = trust.read_text().partition("\n[series.")
    trust.write_text(f"{head}\n[series]\n")
    catalog = root / "shared" / "catalog.toml"
    text = catalog.read_text().replace('"infra7/python"', f'"{REPOSITORY}"')
    # Without this, a test's fake reference would replace the real one in the engine.
    text = text.replace('"reference/python"', f'"{REPOSITORY}-reference"')
    # No compiler is called; installing compilers and headers would only take time.
    catalog.write_text(text.replace('compiler = "clang"', 'compiler = "gcc"'))
    family, dockerfile = root / "debian" / "family.toml", root / "debian" / "Dockerfile"
    packages = 'build = ["dpkg-dev", "make", "xz-utils"]'
    family.write_text(re.sub(r"(?ms)^build = \[$.*?^\]$", packages, family.read_text(), count=1))
    dockerfile.write_text(dockerfile.read_text().replace("g++ libc6-dev", "make"))


def in_variant(engine: Engine, reference: str, infix: str) -> str:
    """The name of another variant of the image under test; the test is skipped if it is not built."""
    base, target, _ = reference.partition(f"-{engine.require(reference).labels.get(f'{LABELS}.target')}")
    name = f"{base}-{infix}{target}"
    if not engine.find(name):
        pytest.skip(f"{name} is not built (inv build --variant={infix})")
    return name


def output_of(
    engine: Engine, image: str, command: Sequence[str] = (), options: Sequence[str] = ("--network=none",), *,
    stderr: bool = False,
) -> str:  # fmt: skip
    """What ``command``, or the image's default command, writes to stdout in a new container; with ``stderr``, to both.

    Uses ``docker run``, which attaches before the container starts. ``containers.run`` of Docker's client reads the log
    afterwards, and sometimes returned nothing for a command that ended at once.
    """
    errors = subprocess.STDOUT if stderr else None
    run = ["docker", "run", "--rm", *options, image, *command]
    return subprocess.run(
        run, env=engine.environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=True
    ).stdout


def blobs_of(engine: Engine, reference: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest of an image in the engine, and all blobs by digest, read without this project's code."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.save(reference)))) as tar:
        blobs = {
            member.name.removeprefix("blobs/").replace("/", ":"): tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar
            if member.isfile()
        }
    content = json.loads(blobs["index.json"])
    while "layers" not in content:
        content = json.loads(blobs[content["manifests"][0]["digest"]])
    return content, blobs


def manifest_of(engine: Engine, reference: str) -> dict[str, Any]:
    return blobs_of(engine, reference)[0]


def install_step() -> str:
    """The first step of the families' Dockerfile that installs packages, those of $BUILD_PACKAGES."""
    dockerfile = (ROOT / "debian/Dockerfile").read_text()
    return re.findall(r"(?ms)^RUN .*?\$\{BUILD_PACKAGES\}", dockerfile)[0]


def remove_images(engine: Engine) -> None:
    """Remove all tags of this process."""
    for name in (REPOSITORY, f"{REPOSITORY}-regrtest", f"{REPOSITORY}-reference"):
        for tag in [tag for image in engine.client.api.images(name=name) for tag in image["RepoTags"]]:
            if tag.startswith(f"{name}:"):
                engine.remove(tag)


class Bench:
    """A copy of the repository and a mirror of tarballs, both in a path with a space.

    Builds with the same ``salt`` share the engine's build cache, those with the same folder ``layers`` the compressed
    layers of the base; by default nothing is cached. ``packages`` is a resolution of packages to use, because querying
    the archive takes longer than the rest of a build.
    """

    def __init__(
        self, folder: Path, engine: Engine, home: Path, *, salt: str = "", layers: Path | None = None,
        packages: Path | None = None, **options: object,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.mirror = folder / "a mirror"
        self.root = folder / "a clone"
        self.packages = str(packages) if packages else None
        repository(self.root, ROOT, source(self.mirror, salt=salt or str(time.time_ns()), **options))  # type: ignore[arg-type]
        catalog = load_catalog(self.root)
        # Twins with gzip:12 take 16 s for the base of each test; tests/unit/oci covers that level.
        quick = Compression("gzip", 1, marked=True)
        self.catalog = dataclasses.replace(catalog, compressions={**catalog.compressions, "twin": quick})
        self.workspace = Workspace(self.root, folder / "home")
        self.workspace.home.mkdir()
        (home / "bases").mkdir(parents=True, exist_ok=True)
        (self.workspace.home / "bases").symlink_to(home / "bases")
        (self.workspace.home / "engine").symlink_to(home / "engine")
        if layers:
            (self.workspace.home / "layers").symlink_to(layers)
        self.shown = io.StringIO()

    def image(self, recipe: RecipeName = RecipeName.FULL) -> Image:
        return dataclasses.replace(select_images(self.catalog, [RELEASE])[0], recipe=recipe)

    def builder(self, packing: str = "gzip", **more: Any) -> Builder:
        more.setdefault("packages", self.packages)
        building = Building(str(self.mirror), compression=parse_compression(packing), **more)
        return Builder(self.workspace, self.catalog, self.engine, Display(self.shown), building)

    def phases(self) -> list[str]:
        return [line.partition(": ")[2] for line in self.shown.getvalue().splitlines()]

    def remove_images(self) -> None:
        """Remove the tags of this process only: another process may have tagged the same image."""
        remove_images(self.engine)
