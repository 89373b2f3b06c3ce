"""A comparison of fixed images in every output format; the JSON is validated by docs/compare.schema.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from bakery.catalog.models import Budget, Catalog, Image
from bakery.catalog.selection import select_images
from bakery.display.tables import render
from bakery.platforms import Platform
from bakery.records.builds import PartSize
from bakery.report.html import STYLE, page
from bakery.report.text import SUMMARY_COLUMNS, comparison_report, full_report
from bakery.sizes.baseline import official_size, read_baseline
from bakery.sizes.breakdown import Share, divide
from bakery.sizes.budget import budget_of, compact, explain_excess
from bakery.sizes.comparison import Comparison, SizeReport, document
from bakery.sizes.layers import saved_image
from bakery.sizes.measure import recorded_report
from tests.archives import Archive, make_tar
from tests.records import local_record

Golden = Callable[[str, str], None]
ROOT = Path(__file__).resolve().parents[2]
LIB = "usr/local/lib/python3.13"
BASE = make_tar({"var/lib/dpkg/status": b"Package: x\n" * 900, "usr/bin/bash": b"\x7fELF" * 9000, "bin": "usr/bin"})
PACKAGES = make_tar({"usr/lib/libssl.so.3": b"\x7fELF" * 4000, "etc/ssl/certs/ca.crt": b"MII\n" * 700})
OURS = make_tar(
    {
        "usr/local/bin/python3.13": b"\x7fELF" * 3000,
        "usr/local/bin/python3": "python3.13",
        f"{LIB}/os.py": b"import this\n" * 400,
        f"{LIB}/__pycache__/os.cpython-313.pyc": b"\xe3\x00" * 1500,
        f"{LIB}/lib-dynload/_ssl.so": b"\x7fELF" * 700,
        f"{LIB}/site-packages/pip/<script>alert(1)</script>.py": b"'&\"\n" * 300,
        f"{LIB}/ensurepip/_bundled/pip-25.0-py3-none-any.whl": b"PK" * 900,
        "usr/local/include/python3.13/Python.h": b"#include\n" * 100,
    }
)
THEIRS = make_tar(
    {
        "usr/local/bin/python3.13": b"\x7fELF" * 2500,
        "usr/local/bin/python3": "python3.13",
        "usr/local/lib/libpython3.13.so.1.0": b"\x7fELF" * 2500,
        f"{LIB}/os.py": b"import this\n" * 400,
        **{f"{LIB}/idlelib/part{number:02}.py": b"import tkinter\n" * (20 + number) for number in range(14)},
        f"{LIB}/lib-dynload/_ssl.so": b"\x7fELF" * 700,
        "usr/local/include/python3.13/Python.h": b"#include\n" * 100,
        "usr/local/share/man/man1/python3.1": b".TH\n" * 50,
    }
)
STEPS = ["# debian.sh --arch 'amd64'", "RUN /bin/sh -c apt-get install -y x # buildkit", "COPY /out/ / # buildkit"]


def measured(reference: str, layers: list[bytes], method: str) -> SizeReport:
    archive = Archive()
    archive.image(layers, method, history=[{"created_by": step} for step in STEPS])
    saved = saved_image([archive.save()], Platform("linux/amd64"))
    # The results of zlib and zstd differ between their releases, so the compressed sizes are made up. Sizes on disk are
    # a thousand times those of the files, to look like those of an image.
    sizes = [
        dataclasses.replace(layer, digest=f"sha256:{at:064x}", compressed_bytes=1_000_000 * (10 - at) + at)
        for at, layer in enumerate(saved.layers)
    ]
    total = sum(layer.compressed_bytes for layer in sizes)
    shares = divide(total, {part: share.disk_bytes for part, share in saved.parts.items()})
    parts = {part: Share(1000 * share.disk_bytes, shares[part], share.files) for part, share in saved.parts.items()}
    files = {path: dataclasses.replace(file, disk_bytes=1000 * file.disk_bytes) for path, file in saved.files.items()}
    return SizeReport(
        reference=reference, source="engine", about="docker save, sha256:0123456789ab",
        platform=Platform("linux/amd64"),
        compressed_bytes=total, layers=tuple(sizes),
        disk_bytes=1000 * saved.size.disk_bytes, parts=parts, files=files, digest="sha256:" + "01" * 32,
        release="3.13.15", date="2026-11-24",
    )  # fmt: skip


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    from bakery.catalog.loader import load_catalog

    catalog: Catalog = load_catalog(ROOT)

    def select(version: str, target: str) -> Image:
        (image,) = select_images(catalog, [version], [target], platform=Platform("linux/amd64"))
        return image

    image = select("3.13", "bookworm")
    tight = dataclasses.replace(catalog, budgets={("3.13", "default", "bookworm"): Budget(25_000_000, 100_000_000)})
    ours = measured("infra7/python:3.13.15-bookworm", [BASE, PACKAGES, OURS], "zstd")
    reference = measured("reference/python:3.13-bookworm", [BASE, PACKAGES, THEIRS], "gzip")
    recorded = official_size(read_baseline(ROOT), catalog, image)
    assert recorded is not None
    official = recorded_report(recorded, image.platform)
    first = Comparison(image, ours, official, reference, notes=("registry.example cannot be reached.",))
    assert first.size is not None
    before = {**compact(ours.parts), "bytecode": PartSize(0, 0), "interpreter": PartSize(11_000_000, 4_100_000)}
    record = local_record(release="3.13.14", anatomy=before)
    over = explain_excess(tight, image, first.size, compact(ours.parts), [record])
    noble = Comparison(select("3.13", "noble"), None, official, notes=("<b>& a note</b>",))
    return [dataclasses.replace(first, budget=budget_of(tight, image), over_budget=over), noble]


@pytest.mark.parametrize(("form", "suffix"), [("table", "txt"), ("markdown", "md")])
def test_comparison_as_text(comparisons: list[Comparison], golden: Golden, form: str, suffix: str) -> None:
    summary = render([comparison.summary for comparison in comparisons], SUMMARY_COLUMNS, form)
    golden(f"compare.{suffix}", f"{summary}\n{full_report(comparisons, form)}")


def test_comparison_as_json_matches_its_schema(comparisons: list[Comparison], golden: Golden) -> None:
    text = render([document(comparison) for comparison in comparisons], (), "json")
    schema = json.loads((ROOT / "docs" / "compare.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    golden("compare.json", text)


def test_comparison_as_a_page(comparisons: list[Comparison], golden: Golden) -> None:
    golden(
        "compare.html",
        page(comparisons).replace(STYLE.read_text(encoding="utf-8"), "/* bakery/report/templates/page.css */"),
    )


def test_excess_with_the_parts_that_grew(comparisons: list[Comparison], golden: Golden) -> None:
    golden("compare-over-budget.txt", f"{comparisons[0].over_budget}\n")


def test_images_that_are_not_built_are_listed_with_the_command_that_builds_one(comparisons: list[Comparison]) -> None:
    report = comparison_report([comparisons[0], *[comparisons[1]] * 8], "table", 80, brief=True, check=False)
    assert report.failure is not None
    names = ", ".join(["3.13.15-noble"] * 5)
    assert report.failure.message == f"not built: {names} and 3 more"
    assert report.failure.hint == "Build them first, such as: inv build --version=3.13 --target=noble"
    brief = comparison_report(comparisons, "json", 80, brief=True, check=False)
    assert brief.rows == [comparison.summary for comparison in comparisons]
