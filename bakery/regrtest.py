"""CPython's own test suite, run inside an image: Lib/test comes from the verified tarball, the image ships none."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bakery.containers import run
from bakery.engine import Engine
from bakery.errors import BuildError
from bakery.models import Catalog, Image, Layout
from bakery.tables import read_toml
from bakery.tags import references

__all__ = ["Verdict", "expected_failures", "failed_tests", "run_regrtest", "suite_archive"]

USER = "nobody:nogroup"
"""The suite is meant for an ordinary user, who has a name: as root many tests of permissions are skipped or fail."""


@dataclass(frozen=True)
class Verdict:
    """Names of test files that failed, and what of that was or was not expected."""

    failed: tuple[str, ...]
    unexpected: tuple[str, ...]
    recovered: tuple[str, ...]


def expected_failures(root: Path, series: str) -> dict[str, str]:
    """Test files that may fail on ``series``, with the reason; :exc:`bakery.errors.ConfigError` for a wrong entry."""
    found = {}
    for entry in read_toml(root / "shared" / "regrtest.toml").entries("expected"):
        test, series_of, reason = (
            entry.text("test", "a test file's name", r"test\w+"),
            entry.words("series"),
            entry.text("reason"),
        )
        entry.done()
        if series in series_of:
            found[test] = reason
    return found


def suite_archive(tarball: Path, library: str) -> bytes:
    """Lib/test of ``tarball`` as a tar that unpacks below ``library`` (such as ``lib/python3.13``)."""
    buffer = io.BytesIO()
    with tarfile.open(tarball) as source, tarfile.open(fileobj=buffer, mode="w") as tests:
        for member in source:
            _, _, inner = member.name.partition("/Lib/")
            if not inner.startswith("test/"):
                continue
            stream = source.extractfile(member) if member.isfile() else None
            member.name = f"{library}/{inner}"
            member.uid = member.gid = 0
            tests.addfile(member, stream)
    return buffer.getvalue()


def failed_tests(output: str) -> set[str]:
    """The test files that regrtest lists at its end as failed, or that it ended for running too long."""
    failed = set()
    for block in re.findall(r"(?m)^\d+ tests? (?:failed|crashed|timed out|altered).*:\n((?: {4}.*\n)+)", output):
        failed |= set(re.findall(r"\btest\w+", block))
    return failed


def run_regrtest(
    layout: Layout,
    catalog: Catalog,
    engine: Engine,
    image: Image,
    tarball: Path,
    arguments: tuple[str, ...],
    write: Callable[[str], object],
) -> Verdict:
    """Run the suite (or what ``arguments`` select of it) and compare with what is expected to fail.

    Raises :exc:`BuildError` where it does not run to its end.
    """
    expected = expected_failures(layout.root, image.series.name)
    finished = run(
        engine,
        references(catalog, image)[0],
        ["python", "-m", "test", "-j0", "--timeout=900", "-w", *arguments],
        files=("/usr/local", suite_archive(tarball, f"lib/python{image.series.name}")),
        write=write,
        environment={"HOME": "/tmp", "TMPDIR": "/tmp"},
        user=USER,
    )
    code = finished.code
    output = "".join(f"{line}\n" for line in finished.lines)
    if "Result: " not in output:
        raise BuildError(f"CPython's test suite in {image.name} ended with code {code} and without a result")
    failed = failed_tests(output[output.rindex("== Tests result") :] if "== Tests result" in output else output)
    if code and not failed:
        raise BuildError(f"CPython's test suite in {image.name} ended with code {code} and names no failed test")
    ran = set(re.findall(r"(?m)^\S+ \S+ \[ *\d+/\d+[^\]]*\] (test\w+)", output))
    recovered = sorted((set(expected) & ran) - failed)
    return Verdict(tuple(sorted(failed)), tuple(sorted(failed - set(expected))), tuple(recovered))
