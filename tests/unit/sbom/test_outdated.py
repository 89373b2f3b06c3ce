"""Which packages an image in a registry has, and what is reported of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from bakery import oci
from bakery.catalog.models import Catalog, Image
from bakery.catalog.tags import labels_that_name
from bakery.engine import Engine, EngineImage
from bakery.errors import BakeryError, BuildError, NothingSelected, UnknownResult
from bakery.platforms import AMD64
from bakery.registry import Registry
from bakery.sbom.components import TooManyPackages
from bakery.sbom.outdated import Outdated, Survey, _attested
from tests.archives import INDEX, MANIFEST, Archive, digest_of, make_tar


def test_the_attested_bill_is_found_where_other_annotations_are_null(serve: Any) -> None:
    """Absent and ``null`` mean the same: Go writes ``null`` for an empty map."""
    archive = Archive()
    image = {**archive.image([b""]), "annotations": None}
    package = {"externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/bash@5.2-1"}]}
    subject = {"digest": {"sha256": image["digest"].removeprefix("sha256:")}}
    statement = {"subject": [subject], "predicateType": oci.SPDX, "predicate": {"packages": [package]}}
    layers = [
        archive.json({}, "application/vnd.in-toto+json", annotations=None),
        archive.json(statement, "application/vnd.in-toto+json", annotations={"in-toto.io/predicate-type": oci.SPDX}),
    ]
    manifest = {"config": archive.json({}, "x"), "layers": layers, "annotations": None}
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    platform = {"os": "unknown", "architecture": "unknown"}
    attestation = archive.json(manifest, MANIFEST, annotations=about, platform=platform)
    index = oci.to_json({"mediaType": INDEX, "manifests": [image, attestation], "annotations": None})
    server = serve()
    for digest, data in {**archive.blobs, digest_of(index): index, "tag": index}.items():
        server.routes[f"/v2/name/manifests/{digest}"] = server.routes[f"/v2/name/blobs/{digest}"] = data
    registry = Registry()
    remote = registry.image(f"{server.address}/name:tag", AMD64)
    assert _attested(registry, remote) == {"bash": "5.2-1"}


ROW: dict[str, object] = {"image": "a", "reference": "r/python:1", "platform": "linux/amd64", "package": "openssl"}


@pytest.mark.parametrize(
    ("rows", "unknown", "check", "error"),
    [
        ([], [], True, None),
        ([ROW], [], False, None),
        ([ROW], [], True, BuildError),
        ([], ["r/python:2: it does not answer"], False, UnknownResult),
        ([ROW], ["r/python:2: it does not answer"], True, UnknownResult),
    ],
)
def test_an_unknown_result_is_a_failure_and_an_outdated_package_only_with_check(
    rows: list[dict[str, object]], unknown: list[str], check: bool, error: type[BakeryError] | None
) -> None:
    survey = Survey(rows, ["r/python:1"])
    for line in unknown:
        survey.could_not_check(*line.split(": "))
    report = survey.report(check=check)
    assert type(report.failure) is (error or type(None))
    assert report.failure is None or report.failure.exit_code == {BuildError: 1, UnknownResult: 2}[type(report.failure)]
    assert list(report.notes[-len(unknown) :] if unknown else []) == unknown
    assert report.rows == rows, "also then"


def test_images_of_a_registry_that_does_not_answer_share_one_line() -> None:
    survey = Survey()
    for tag in ("3.13", "3.14"):
        survey.could_not_check(f"r/python:{tag}", "r does not answer")
    survey.could_not_check("r/python:3.12", "it lists no packages")
    report = survey.report(check=False)
    assert report.notes == ["r/python:3.13, r/python:3.14: r does not answer", "r/python:3.12: it lists no packages"]
    assert report.failure and "3 failures" in report.failure.message


def test_examining_no_image_is_an_error() -> None:
    with pytest.raises(NothingSelected):
        Survey().report(check=False)


def test_an_image_with_too_many_packages_is_unknown_and_the_others_are_examined(
    catalog: Catalog, image: Callable[..., Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    def packages(_: Outdated, image: Image, *__: object) -> dict[str, str]:
        if image.pin.series == "3.12":
            raise TooManyPackages("the image lists more packages")
        return {"a": "1"}

    monkeypatch.setattr(Outdated, "_present", lambda _, images, __: [(each, each.name) for each in images])
    monkeypatch.setattr(Outdated, "_packages", packages)
    outdated = Outdated(catalog, cast(Engine, None), lambda *_: (), tell=lambda _: None)
    survey = outdated.survey([image("3.12"), image("3.13")])
    assert list(survey.causes) == ["the image lists more packages"]
    assert survey.images == [image("3.13").name]


def test_the_packages_of_another_image_that_the_engine_saves_are_not_read(
    catalog: Catalog, image: Callable[..., Image]
) -> None:
    archive = Archive()
    archive.image([make_tar({"var/lib/dpkg/status": b"Package: a\nVersion: 1\nStatus: install ok installed\n"})])
    built = EngineImage(digest_of(b"another"), labels=labels_that_name(image("3.13")))
    engine = SimpleNamespace(find=lambda _: built, require=lambda _: built, save=lambda _: [archive.save()])
    survey = Outdated(catalog, cast(Engine, engine), lambda *_: (), tell=lambda _: None).survey([image("3.13")])
    assert not survey.images
    assert [cause.partition(", ")[2] for cause in survey.causes] == [f"expected {digest_of(b'another')}"]


@pytest.mark.parametrize("status", [404, 500])
def test_an_image_in_a_registry_without_its_configuration_could_be_another_image(
    catalog: Catalog, image: Callable[..., Image], serve: Any, status: int
) -> None:
    archive, server = Archive(), serve()
    made = archive.image([make_tar({"var/lib/dpkg/status": b"Package: a\nVersion: 1\nStatus: install ok installed\n"})])
    for digest, data in {**archive.blobs, "3.13.15-bookworm": archive.index()}.items():
        server.routes[f"/v2/name/manifests/{digest}"] = server.routes[f"/v2/name/blobs/{digest}"] = data
    config = msgspec.json.decode(archive.blobs[made["digest"]])["config"]["digest"]
    server.routes[f"/v2/name/blobs/{config}"] = status
    outdated = Outdated(catalog, cast(Engine, None), lambda *_: (), f"{server.address}/name", lambda _: None)
    survey = outdated.survey([image("3.13")])
    assert (survey.images, list(survey.causes)) == (
        [], ["its configuration, whose labels name the image, cannot be read"],
    )  # fmt: skip
