"""Whether a registry answers: references as docker reads them, anonymous tokens, and what counts as no answer."""

from __future__ import annotations

from typing import Any

import pytest

from bakery import registry
from bakery.registry import RegistryUnavailable, manifest_digest, split_reference

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

    def head(url: str, **_: Any) -> None:
        asked.append(url)
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "head", head)
    for host in ("localhost.example.org", "ghcr.io"):
        with pytest.raises(RegistryUnavailable):
            manifest_digest(f"{host}/x:tag")
    assert [url.partition("://")[0] for url in asked] == ["https", "https"]
