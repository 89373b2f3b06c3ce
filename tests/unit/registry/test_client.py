"""What a registry answers: references as docker reads them, anonymous tokens, manifests, and what is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bakery.oci.manifests import ManifestError, manifest_of, pick
from bakery.registry import client as registry
from bakery.registry.client import Registry, RegistryUnavailable, manifest_digest, split_reference
from tests.archives import Archive, digest_of, make_tar

HUB = "registry-1.docker.io"
DIGEST = "sha256:" + "a" * 64
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
def test_a_reference_is_read_as_docker_reads_it(reference: str, expected: tuple[str, str, str]) -> None:
    assert split_reference(reference) == expected


def test_a_manifest_is_asked_for_by_its_head_over_http_on_loopback(serve: Any) -> None:
    server = serve({MANIFEST: (200, b"", {"Docker-Content-Digest": DIGEST})})
    assert manifest_digest(f"{server.address}/library/debian:bookworm") == DIGEST
    assert server.asked == [f"HEAD {MANIFEST}"]
    assert "application/vnd.oci.image.index.v1+json" in server.headers[0]["accept"]
    assert "authorization" not in server.headers[0]


def test_a_digest_that_was_asked_for_is_the_answer_where_the_registry_names_none(serve: Any) -> None:
    server = serve(default=(200, b"", {}))
    assert manifest_digest(f"{server.address}/x@{DIGEST}") == DIGEST
    assert manifest_digest(f"{server.address}/x:tag") == ""


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_an_anonymous_token_is_fetched_where_the_registry_asks_for_one(serve: Any, key: str) -> None:
    def manifest(request: Any) -> Any:
        if request.headers.get("Authorization") == "Bearer secret":
            return (200, b"", {"Docker-Content-Digest": DIGEST})
        scope = "repository:library/debian:pull"
        return (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token",service="hub",scope="{scope}"'})

    server = serve({"/token": b'{"%s": "secret"}' % key.encode()})
    server.routes[MANIFEST] = lambda request: manifest(request)
    assert manifest_digest(f"{server.address}/library/debian:bookworm") == DIGEST
    assert server.asked == [
        f"HEAD {MANIFEST}", "GET /token?service=hub&scope=repository%3Alibrary%2Fdebian%3Apull", f"HEAD {MANIFEST}",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_any_other_answer_than_yes_is_none_and_says_which(serve: Any, status: int) -> None:
    server = serve(default=status)
    with pytest.raises(RegistryUnavailable, match=f"answered {status} for library/debian"):
        manifest_digest(f"{server.address}/library/debian:bookworm")


def test_a_token_that_does_not_help_is_no_answer(serve: Any) -> None:
    server = serve({"/token": 403})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryUnavailable, match="answered 401"):
        manifest_digest(f"{server.address}/x:tag")


@pytest.mark.parametrize("challenge", ['Basic realm="x"', "", 'Bearer realm="file:///etc/passwd"', "Bearer"])
def test_a_registry_that_wants_a_login_is_no_answer(serve: Any, challenge: str) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": challenge} if challenge else {}))
    with pytest.raises(RegistryUnavailable, match="login"):
        manifest_digest(f"{server.address}/x:tag")


def test_a_registry_that_is_not_there_is_no_answer(nowhere: str) -> None:
    host = nowhere.removeprefix("http://")
    with pytest.raises(RegistryUnavailable, match=f"{host} cannot be reached"):
        manifest_digest(f"{host}/x:tag")


def test_a_token_server_that_is_not_there_is_no_answer(serve: Any, nowhere: str) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": f'Bearer realm="{nowhere}/token"'}))
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        manifest_digest(f"{server.address}/x:tag")


def test_a_registry_that_does_not_answer_in_time_is_no_answer(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TIMEOUT", (2.0, 0.4))
    server = serve(default=lambda request: request.server.told.released.wait(10) and 404)
    with pytest.raises(RegistryUnavailable, match=r"cannot be reached \(ReadTimeout\)"):
        manifest_digest(f"{server.address}/x:tag")


def test_a_token_answer_that_is_no_json_is_no_answer(serve: Any) -> None:
    server = serve({"/token": b"<html>"})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryUnavailable):
        manifest_digest(f"{server.address}/x:tag")


def test_a_token_answer_that_is_no_object_is_no_answer(serve: Any) -> None:
    server = serve({"/token": b"[1]"})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryUnavailable):
        manifest_digest(f"{server.address}/x:tag")


def test_only_loopback_itself_is_asked_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    asked = []

    def request(verb: str, url: str, **_: Any) -> None:
        asked.append(url)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "request", request)
    for host in ("localhost.example.org", "ghcr.io"):
        with pytest.raises(RegistryUnavailable):
            manifest_digest(f"{host}/x:tag")
    assert [url.partition("://")[0] for url in asked] == ["https", "https"]


LAYERS = [make_tar({"var/lib/dpkg/status": b"x" * 900}), make_tar({"usr/local/bin/python3": b"y" * 900})]
DOCKER = {
    "application/vnd.oci.image.index.v1+json": "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


@pytest.fixture
def archive() -> Archive:
    """An image for two platforms with the attestation that BuildKit puts beside each."""
    one = Archive()
    one.image(LAYERS, config={"Env": ["PYTHON_VERSION=3.13.15"]}, created="2026-09-19T01:00:00Z")
    one.image(LAYERS[:1], platform="linux/arm64")
    one.descriptors[1]["platform"]["variant"] = "v8"
    attestation = one.image([make_tar({"statement": b"{}" * 5000})], platform="unknown/unknown")
    attestation["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    return one


def publish(server: Any, archive: Archive, *, change: Any = lambda data: data) -> None:
    """Put an archive's index and blobs where a registry has those of the repository `name`."""
    index = change(archive.index())
    server.routes["/v2/name/manifests/tag"] = index
    server.routes[f"/v2/name/manifests/{digest_of(index)}"] = index
    for digest, data in archive.blobs.items():
        server.routes[f"/v2/name/blobs/{digest}"] = data
        server.routes[f"/v2/name/manifests/{digest}"] = data


def sizes(archive: Archive, number: int) -> list[int]:
    manifest = json.loads(archive.blobs[archive.descriptors[number]["digest"]])
    return [len(archive.blobs[layer["digest"]]) for layer in manifest["layers"]]


def test_every_layer_has_the_size_that_the_manifest_gives_it(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    client, reference = Registry(), f"{server.address}/name:tag"
    assert client.platforms(reference) == ("linux/amd64", "linux/arm64")
    for number, platform in enumerate(client.platforms(reference)):
        image = client.image(reference, platform)
        assert [layer.compressed_bytes for layer in image.manifest.layers] == sizes(archive, number)
        assert image.manifest.compressed_bytes == sum(sizes(archive, number))
        assert image.digest == archive.descriptors[number]["digest"]
    assert not [path for path in server.asked if any(layer.digest in path for layer in image.manifest.layers)], "a pull"


def test_dockers_own_media_types_are_read_as_well(serve: Any) -> None:
    archive = Archive()
    one = archive.image(LAYERS)
    text = archive.blobs.pop(one["digest"]).decode()
    for oci, docker in DOCKER.items():
        text = text.replace(oci, docker)
    moved = {**archive.blob(text.encode(), DOCKER[one["mediaType"]]), "platform": one["platform"]}
    archive.descriptors = [moved]
    server = serve()
    publish(
        server,
        archive,
        change=lambda data: data.replace(b"vnd.oci.image.index.v1", b"vnd.docker.distribution.manifest.list.v2"),
    )
    image = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert [(layer.method, layer.compressed_bytes) for layer in image.manifest.layers] == [
        ("gzip", size) for size in sizes(archive, 0)
    ]


def test_a_single_manifest_needs_no_index_and_must_be_for_the_platform(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    server.routes["/v2/name/manifests/tag"] = archive.blobs[archive.descriptors[0]["digest"]]
    client, reference = Registry(), f"{server.address}/name:tag"
    assert client.platforms(reference) == ()
    assert client.image(reference, "linux/amd64").digest == archive.descriptors[0]["digest"]
    with pytest.raises(ManifestError, match="is an image for linux/amd64, not for linux/arm64"):
        client.image(reference, "linux/arm64")


def test_a_platform_that_is_not_there_is_told_with_those_that_are(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    with pytest.raises(ManifestError, match=r"no image for linux/s390x; there are: linux/amd64, linux/arm64$"):
        Registry().image(f"{server.address}/name:tag", "linux/s390x")


def test_an_image_by_its_digest_must_be_the_bytes_that_the_digest_says(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    digest = archive.descriptors[0]["digest"]
    assert Registry().image(f"{server.address}/name@{digest}", "linux/amd64").digest == digest
    server.routes[f"/v2/name/manifests/{digest}"] = archive.blobs[digest] + b" "
    for reference in (f"{server.address}/name@{digest}", f"{server.address}/name:tag"):
        with pytest.raises(RegistryUnavailable, match="other bytes than sha256:"):
            Registry().image(reference, "linux/amd64")


def test_a_configuration_that_cannot_be_had_does_not_matter(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    image = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert image.config["config"]["Env"] == ["PYTHON_VERSION=3.13.15"]
    server.routes[f"/v2/name/blobs/{image.manifest.config}"] = 404
    again = Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert (again.manifest, again.config) == (image.manifest, {})


def test_one_token_serves_a_repository(serve: Any, archive: Archive) -> None:
    server, answers = serve({"/token": b'{"token": "secret"}'}), serve()
    publish(answers, archive)

    def guarded(request: Any) -> Any:
        if request.headers.get("Authorization") != "Bearer secret":
            return (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
        return answers.routes.get(request.path, 404)

    server.default = lambda request: guarded(request)
    Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert len([path for path in server.asked if path.startswith("GET /token")]) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}])
def test_a_registry_that_asks_for_patience_gets_it(
    serve: Any, archive: Archive, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(registry, "PAUSE", 0.01)
    server = serve()
    publish(server, archive)
    index, left = server.routes["/v2/name/manifests/tag"], [1, 1]
    server.routes["/v2/name/manifests/tag"] = lambda _: (status, b"", headers) if left and left.pop() else index
    assert Registry().image(f"{server.address}/name:tag", "linux/amd64").manifest.compressed_bytes == sum(
        sizes(archive, 0)
    )
    assert left == []


def test_patience_has_an_end_and_a_rate_limit_is_named(serve: Any) -> None:
    server = serve(default=(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(RegistryUnavailable, match="answered 429 for name: too many requests"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert len(server.asked) == 1


def test_a_host_that_cannot_be_reached_is_asked_once_in_a_run(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    client, tried, real = Registry(), [], requests.request
    monkeypatch.setattr(requests, "request", lambda *args, **more: tried.append(args) or real(*args, **more))
    for name in ("a:1", "b:2"):
        with pytest.raises(RegistryUnavailable, match="cannot be reached"):
            client.image(f"{nowhere.removeprefix('http://')}/{name}", "linux/amd64")
    assert len(tried) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"7"])
def test_an_answer_that_is_no_manifest_is_no_answer(serve: Any, body: bytes) -> None:
    server = serve(default=body)
    with pytest.raises(RegistryUnavailable, match="something else than a manifest"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")


@pytest.mark.parametrize(
    "content",
    [
        {}, {"layers": []}, {"config": {"digest": "x"}, "layers": [{}]}, {"config": {"digest": "x"}, "layers": 1},
        {"config": {"digest": "x"}, "layers": [{"digest": "d", "size": "many", "mediaType": "a.tar"}]},
        {"config": {"digest": "x"}, "layers": [{"digest": "d", "size": 1, "mediaType": "application/wasm"}]},
        {"config": {"digest": "x"}, "layers": [{"digest": "d", "size": 1}]},
    ],
)  # fmt: skip
def test_what_is_no_image_manifest_is_told(content: Any) -> None:
    with pytest.raises(ManifestError):
        manifest_of(content)


def test_an_endless_answer_is_given_up(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LARGEST", 1 << 20)
    server = serve(default=b"[" * (3 << 20))
    with pytest.raises(RegistryUnavailable, match="more than 1048576 bytes"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")


def test_blobs_that_lie_out_of_reach_do_not_make_the_registry_unreachable(
    serve: Any, archive: Archive, nowhere: str
) -> None:
    server = serve()
    publish(server, archive)
    for path in [path for path in server.routes if "/blobs/" in path]:
        server.routes[path] = (307, b"", {"Location": f"{nowhere}/elsewhere"})
    client = Registry()
    for platform in ("linux/amd64", "linux/arm64"):
        assert client.image(f"{server.address}/name:tag", platform).config == {}


@pytest.mark.parametrize("manifests", [5, [1], [{}], [{"digest": 5}], [None], [{"digest": "d", "platform": 3}]])
def test_an_index_of_something_else_is_told(manifests: Any) -> None:
    with pytest.raises(ManifestError, match="no image index"):
        pick({"manifests": manifests}, "linux/amd64")
