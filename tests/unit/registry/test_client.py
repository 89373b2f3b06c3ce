"""Reads from a registry: references, tokens and logins, manifests, retries, and every kind of unusable answer."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from bakery.oci.manifests import ManifestError, layer_sizes, parse_config, parse_index, parse_manifest
from bakery.registry import client, transport
from bakery.registry.client import Registry, require_manifest
from bakery.registry.errors import RegistryError
from bakery.registry.references import split_reference
from bakery.registry.transport import PULL
from tests.archives import Archive, digest_of, make_tar

HUB = "registry-1.docker.io"
DIGEST = "sha256:" + "a" * 64
DESCRIPTOR = {"mediaType": "m", "digest": DIGEST, "size": 1}
MANIFEST = "/v2/library/debian/manifests/bookworm"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("debian", (HUB, "library/debian", "latest")),
        ("debian:bookworm-slim", (HUB, "library/debian", "bookworm-slim")),
        ("infra7/python:3.13", (HUB, "infra7/python", "3.13")),
        ("docker.io/library/debian:12", (HUB, "library/debian", "12")),
        ("ghcr.io/owner/name:tag", ("ghcr.io", "owner/name", "tag")),
        ("localhost/name", ("localhost", "name", "latest")),
        ("localhost:5000/a/b/c:tag", ("localhost:5000", "a/b/c", "tag")),
        ("localhost:5000/name", ("localhost:5000", "name", "latest")),
        ("127.0.0.1:5000/name:tag", ("127.0.0.1:5000", "name", "tag")),
        (f"debian@{DIGEST}", (HUB, "library/debian", DIGEST)),
        (f"debian:bookworm-slim@{DIGEST}", (HUB, "library/debian", DIGEST)),
        (f"reg.example:5000/x@{DIGEST}", ("reg.example:5000", "x", DIGEST)),
    ],
)
def test_references_are_parsed_as_docker_parses_them(reference: str, expected: tuple[str, str, str]) -> None:
    assert split_reference(reference) == expected


def test_a_manifest_is_requested_with_head_over_http_on_loopback(serve: Any) -> None:
    server = serve({MANIFEST: (200, b"", {})})
    require_manifest(f"{server.address}/library/debian:bookworm")
    assert server.requests == [f"HEAD {MANIFEST}"]
    assert "application/vnd.oci.image.index.v1+json" in server.headers[0]["accept"]
    assert "authorization" not in server.headers[0]


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_an_anonymous_token_is_fetched_if_the_registry_requires_one(serve: Any, key: str) -> None:
    def manifest(request: Any) -> Any:
        if request.headers.get("Authorization") == "Bearer secret":
            return (200, b"", {})
        scope = "repository:library/debian:pull"
        return (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token",service="hub",scope="{scope}"'})

    server = serve({"/token": b'{"%s": "secret"}' % key.encode()})
    server.routes[MANIFEST] = manifest
    require_manifest(f"{server.address}/library/debian:bookworm")
    assert server.requests == [
        f"HEAD {MANIFEST}", "GET /token?service=hub&scope=repository%3Alibrary%2Fdebian%3Apull", f"HEAD {MANIFEST}",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_an_error_status_is_reported(serve: Any, status: int) -> None:
    server = serve(default=status)
    with pytest.raises(RegistryError, match=f"answered {status} for library/debian"):
        require_manifest(f"{server.address}/library/debian:bookworm")


def test_a_refused_token_is_reported_as_a_missing_login(serve: Any) -> None:
    server = serve({"/token": 403})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryError, match="requires a login for x, or has no such repository"):
        require_manifest(f"{server.address}/x:tag")


@pytest.mark.parametrize("challenge", ['Basic realm="x"', "", 'Bearer realm="file:///etc/passwd"', "Bearer"])
def test_a_missing_login_is_reported(serve: Any, challenge: str) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": challenge} if challenge else {}))
    with pytest.raises(RegistryError, match="login"):
        require_manifest(f"{server.address}/x:tag")


def test_a_registry_that_cannot_be_reached_is_reported(nowhere: str) -> None:
    host = nowhere.removeprefix("http://")
    with pytest.raises(RegistryError, match=f"{host} cannot be reached"):
        require_manifest(f"{host}/x:tag")


def test_a_token_server_that_cannot_be_reached_is_reported(serve: Any, nowhere: str) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": f'Bearer realm="{nowhere}/token"'}))
    with pytest.raises(RegistryError, match="cannot be reached"):
        require_manifest(f"{server.address}/x:tag")


def test_a_registry_that_does_not_answer_in_time_is_reported(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PULL", dataclasses.replace(PULL, timeout=(2.0, 0.4)))
    server = serve(default=lambda request: request.server.state.released.wait(10) and 404)
    with pytest.raises(RegistryError, match="did not answer in time"):
        require_manifest(f"{server.address}/x:tag")


def test_a_token_answer_that_is_not_json_is_reported(serve: Any) -> None:
    server = serve({"/token": b"<html>"})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryError, match="answered without a token"):
        require_manifest(f"{server.address}/x:tag")


def test_a_token_answer_that_is_not_an_object_is_reported(serve: Any) -> None:
    server = serve({"/token": b"[1]"})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryError, match="answered without a token"):
        require_manifest(f"{server.address}/x:tag")


def test_only_loopback_is_used_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = []

    def request(self: Any, verb: str, url: str, **_: Any) -> None:
        urls.append(url)
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "request", request)
    for host in ("localhost.example.org", "ghcr.io"):
        with pytest.raises(RegistryError):
            require_manifest(f"{host}/x:tag")
    assert [url.partition("://")[0] for url in urls] == ["https", "https"]


LAYERS = [make_tar({"var/lib/dpkg/status": b"x" * 900}), make_tar({"usr/local/bin/python3": b"y" * 900})]
DOCKER = {
    "application/vnd.oci.image.index.v1+json": "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


@pytest.fixture
def archive() -> Archive:
    """An image for two platforms, with an attestation as BuildKit adds it."""
    archive = Archive()
    archive.image(LAYERS, config={"Env": ["PYTHON_VERSION=3.13.15"]}, created="2026-09-19T01:00:00Z")
    archive.image(LAYERS[:1], platform="linux/arm64")
    archive.descriptors[1]["platform"]["variant"] = "v8"
    attestation = archive.image([make_tar({"statement": b"{}" * 5000})], platform="unknown/unknown")
    attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    return archive


def publish(server: Any, archive: Archive, *, change: Any = lambda data: data) -> None:
    """Serve an archive's index and blobs as the repository `name` of a registry."""
    index = change(archive.index())
    server.routes["/v2/name/manifests/tag"] = index
    server.routes[f"/v2/name/manifests/{digest_of(index)}"] = index
    for digest, data in archive.blobs.items():
        server.routes[f"/v2/name/blobs/{digest}"] = data
        server.routes[f"/v2/name/manifests/{digest}"] = data


def sizes(archive: Archive, number: int) -> list[int]:
    manifest = json.loads(archive.blobs[archive.descriptors[number]["digest"]])
    return [len(archive.blobs[layer["digest"]]) for layer in manifest["layers"]]


def test_layer_sizes_come_from_the_manifest(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    registry, reference = Registry(), f"{server.address}/name:tag"
    assert registry.platforms(reference) == ("linux/amd64", "linux/arm64")
    for number, platform in enumerate(registry.platforms(reference)):
        image = registry.image(reference, platform)
        assert [layer.compressed_bytes for layer in image.layers] == sizes(archive, number)
        assert image.compressed_bytes == sum(sizes(archive, number))
        assert image.digest == archive.descriptors[number]["digest"]
    assert not [path for path in server.requests if any(layer.digest in path for layer in image.layers)], (
        "layers pulled"
    )


def test_docker_media_types_are_supported(serve: Any) -> None:
    archive = Archive()
    image = archive.image(LAYERS)
    text = archive.blobs.pop(image["digest"]).decode()
    for oci, docker in DOCKER.items():
        text = text.replace(oci, docker)
    archive.descriptors = [archive.blob(text.encode(), DOCKER[image["mediaType"]], platform=image["platform"])]
    server = serve()
    publish(
        server,
        archive,
        change=lambda data: data.replace(b"vnd.oci.image.index.v1", b"vnd.docker.distribution.manifest.list.v2"),
    )
    remote = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert [(layer.method, layer.compressed_bytes) for layer in remote.layers] == [
        ("gzip", size) for size in sizes(archive, 0)
    ]


def test_an_image_without_an_index_must_be_for_the_platform(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    server.routes["/v2/name/manifests/tag"] = archive.blobs[archive.descriptors[0]["digest"]]
    registry, reference = Registry(), f"{server.address}/name:tag"
    assert registry.platforms(reference) == ("linux/amd64",)
    assert registry.image(reference, "linux/amd64").digest == archive.descriptors[0]["digest"]
    with pytest.raises(ManifestError, match="is an image for linux/amd64, not for linux/arm64"):
        registry.image(reference, "linux/arm64")


def test_an_image_must_be_for_the_platform_that_the_index_lists_it_for(serve: Any) -> None:
    archive = Archive()
    archive.image(LAYERS, platform="linux/amd64")["platform"] = {"os": "linux", "architecture": "arm64"}
    server = serve()
    publish(server, archive)
    with pytest.raises(ManifestError, match="is an image for linux/amd64, not for linux/arm64"):
        Registry().image(f"{server.address}/name:tag", "linux/arm64")


@pytest.mark.parametrize("variant", [None, "", "v8", "v8.0"])
def test_the_first_variant_of_a_platform_is_the_platform(serve: Any, variant: str | None) -> None:
    archive = Archive()
    image = archive.image(LAYERS, platform="linux/arm64", variant=variant)
    server = serve()
    publish(server, archive)
    assert Registry().image(f"{server.address}/name:tag", "linux/arm64").digest == image["digest"]


def test_a_missing_platform_is_reported_with_the_available_ones(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    with pytest.raises(ManifestError, match=r"no image for linux/s390x; available: linux/amd64, linux/arm64$"):
        Registry().image(f"{server.address}/name:tag", "linux/s390x")


def test_an_image_by_digest_must_have_that_digest(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    digest = archive.descriptors[0]["digest"]
    assert Registry().image(f"{server.address}/name@{digest}", "linux/amd64").digest == digest
    server.routes[f"/v2/name/manifests/{digest}"] = archive.blobs[digest] + b" "
    for reference in (f"{server.address}/name@{digest}", f"{server.address}/name:tag"):
        with pytest.raises(RegistryError, match="bytes that do not match sha256:"):
            Registry().image(reference, "linux/amd64")


def test_an_image_is_read_without_its_configuration_if_that_fails(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    image = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert image.config["config"]["Env"] == ["PYTHON_VERSION=3.13.15"]
    config = json.loads(archive.blobs[image.digest])["config"]["digest"]
    server.routes[f"/v2/name/blobs/{config}"] = 404
    again = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert (again.layers, again.config) == (image.layers, {})


def test_a_token_is_reused_for_its_repository(serve: Any, archive: Archive) -> None:
    server, answers = serve({"/token": b'{"token": "secret"}'}), serve()
    publish(answers, archive)

    def guarded(request: Any) -> Any:
        if request.headers.get("Authorization") != "Bearer secret":
            return (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
        return answers.routes.get(request.path, 404)

    server.default = guarded
    Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert len([path for path in server.requests if path.startswith("GET /token")]) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}])
def test_a_busy_registry_is_asked_again(
    serve: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(transport, "PAUSE", 0.01)
    server = serve()
    publish(server, archive)
    index, left = server.routes["/v2/name/manifests/tag"], [1, 1]
    server.routes["/v2/name/manifests/tag"] = lambda _: (status, b"", headers) if left and left.pop() else index
    assert Registry().image(f"{server.address}/name:tag", "linux/amd64").compressed_bytes == sum(sizes(archive, 0))
    assert left == []


def test_a_rate_limit_longer_than_the_tool_waits_is_reported(serve: Any) -> None:
    server = serve(default=(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(RegistryError, match="answered 429 for name/manifests/tag: too many requests"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert len(server.requests) == 1


def test_an_unreachable_host_is_tried_once_per_run(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, tried, real = Registry(), [], requests.Session.request
    monkeypatch.setattr(
        requests.Session, "request", lambda *args, **more: tried.append(args[1:]) or real(*args, **more)
    )
    for name in ("a:1", "b:2"):
        with pytest.raises(RegistryError, match="cannot be reached"):
            registry.image(f"{nowhere.removeprefix('http://')}/{name}", "linux/amd64")
    assert [args[1].rpartition("/v2/")[2] for args in tried] == ["", "a/manifests/1"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"7"])
def test_an_answer_that_is_not_a_manifest_is_reported(serve: Any, body: bytes) -> None:
    server = serve(default=body)
    with pytest.raises(RegistryError, match="something other than a manifest"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")


@pytest.mark.parametrize(
    "content",
    [
        {}, {"layers": []}, {"config": DESCRIPTOR, "layers": [{}]}, {"config": DESCRIPTOR, "layers": 1},
        {"config": {"digest": "x"}, "layers": []}, {"config": None, "layers": [DESCRIPTOR]},
        {"config": DESCRIPTOR, "layers": [{"digest": "d", "size": "many", "mediaType": "a.tar"}]},
        {"config": DESCRIPTOR, "layers": [{"digest": "d", "size": 1, "mediaType": "application/wasm"}]},
        {"config": DESCRIPTOR, "layers": [{"digest": "d", "size": 1}]},
    ],
)  # fmt: skip
def test_nonsense_instead_of_a_manifest_is_rejected(content: Any) -> None:
    with pytest.raises(ManifestError):
        layer_sizes(parse_manifest(content))


def test_an_answer_that_is_too_long_is_rejected(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 1 << 20)
    server = serve(default=b"[" * (3 << 20))
    with pytest.raises(RegistryError, match="more than 1048576 bytes"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")


def test_unreachable_blob_storage_does_not_make_the_registry_unreachable(
    serve: Any, archive: Archive, nowhere: str
) -> None:
    server = serve()
    publish(server, archive)
    for path in [path for path in server.routes if "/blobs/" in path]:
        server.routes[path] = (307, b"", {"Location": f"{nowhere}/elsewhere"})
    registry = Registry()
    for platform in ("linux/amd64", "linux/arm64"):
        assert registry.image(f"{server.address}/name:tag", platform).config == {}


@pytest.mark.parametrize("manifests", [5, [1], [{}], [{"digest": 5}], [None], [{**DESCRIPTOR, "platform": 3}]])
def test_nonsense_instead_of_an_index_is_rejected(manifests: Any) -> None:
    with pytest.raises(ManifestError, match="not an image index"):
        parse_index({"manifests": manifests})


@pytest.mark.parametrize(
    "content",
    [
        {"os": 1}, {"config": [1]}, {"config": {"Env": "A=b"}}, {"config": {"Labels": {"a": 1}}}, {"rootfs": 1},
        {"rootfs": {"diff_ids": [1]}}, {"history": [1]},
    ],
)  # fmt: skip
def test_nonsense_instead_of_a_configuration_is_rejected(content: Any) -> None:
    with pytest.raises(ManifestError, match="not an image configuration"):
        parse_config(content)


def log_in(host: str, **entry: str) -> None:
    """Write a login for ``host`` to docker's configuration."""
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry}}))


AUTH = base64.b64encode(b"tester:open sesame").decode()


def test_a_private_image_is_read_with_dockers_login_and_storage_never_sees_it(serve: Any, archive: Archive) -> None:
    server, images, storage = serve(), serve(), serve()
    publish(images, archive)

    def guarded(request: Any) -> Any:
        if request.headers.get("Authorization") != f"Basic {AUTH}":
            return (401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
        if "/blobs/" in request.path:
            return (307, b"", {"Location": f"{storage.url}{request.path}"})
        return images.routes.get(request.path, 404)

    server.default, storage.routes = guarded, images.routes
    with pytest.raises(RegistryError, match="requires a login") as caught:
        Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert caught.value.hint == f"Log in first: docker login {server.address}"
    log_in(server.address, auth=AUTH)
    registry, reference = Registry(), f"{server.address}/name:tag"
    image = registry.image(reference, "linux/amd64")
    assert image.config["config"]["Env"] == ["PYTHON_VERSION=3.13.15"]
    layer, size = image.layers[0].digest, image.layers[0].compressed_bytes
    with registry.open_blob(reference, layer, size) as stream:
        assert stream.read() == archive.blobs[layer]
    assert len(storage.headers) == 2
    assert not any("authorization" in headers for headers in storage.headers)


def test_an_outdated_login_does_not_prevent_reading_a_public_image(serve: Any, archive: Archive) -> None:
    server, images = serve(), serve()
    publish(images, archive)

    def guarded(request: Any) -> Any:
        if request.path.startswith("/token"):
            return (401, b"", {}) if request.headers.get("Authorization") else b'{"token": "anonymous"}'
        if request.headers.get("Authorization") != "Bearer anonymous":
            return (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token",service="hub"'})
        return images.routes.get(request.path, 404)

    server.default = guarded
    log_in(server.address, auth=base64.b64encode(b"tester:wrong").decode())
    assert Registry().platforms(f"{server.address}/name:tag") == ("linux/amd64", "linux/arm64")


def test_a_blob_that_ends_too_early_is_reported(serve: Any) -> None:
    def cut(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"x")

    server = serve(default=cut)
    with (
        pytest.raises(RegistryError, match="broke the connection"),
        Registry().open_blob(f"{server.address}/name:tag", DIGEST, 100) as stream,
    ):
        stream.read()


@pytest.mark.parametrize("problem", ["certificate has expired", "certificate is not yet valid"])
def test_a_certificate_that_is_not_valid_today_is_reported_with_this_machines_date(problem: str) -> None:
    """`--ca-bundle` would not help."""
    connection = transport.Transport("r.example", "x", PULL)

    def fail(*_: object, **__: object) -> None:
        raise requests.exceptions.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] verify failed: {problem} (_ssl.c:1006)")

    vars(connection)["session"] = SimpleNamespace(request=fail)
    with pytest.raises(
        RegistryError, match=f"the TLS {problem.replace('certificate', 'certificate of r.example')}"
    ) as caught:
        connection.ask("GET", "manifests/1")
    assert "clock says 20" in caught.value.hint and "--ca-bundle" not in caught.value.hint
