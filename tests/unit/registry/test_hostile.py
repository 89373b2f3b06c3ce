"""Registries that lie, stall or send too much: nothing unverified is read, memory and requests stay within limits."""

from __future__ import annotations

import base64
import functools
import io
import json
import lzma
import re
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard

from bakery.oci.manifests import ManifestError, parse_manifest
from bakery.registry import Registry, RegistryError, Repository, Transport, client, require_manifest, transport
from bakery.registry.client import ATTESTATIONS, ERRORS
from bakery.registry.errors import retry_after
from bakery.registry.transport import PULL, PUSH
from tests.archives import Archive, digest_of, make_tar
from tests.loopback import QuietHandler
from tests.unit.registry.test_client import log_in, publish

MEMORY = 300_000_000
BOMB = 400 << 20
DIGEST = "sha256:" + "a" * 64


def compressed(parts: Any, packer: Any = None) -> bytes:
    packer = packer or zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(packer.compress(part) for part in parts) + packer.flush()


def empty_files(folders: int, files: int) -> Any:
    """The headers of many files, a folder at a time: the same bytes as :func:`header`'s, without its 20 us each."""
    empty = bytearray(header("", 0))
    start = sum(empty) - sum(empty[148:156]) + 8 * ord(" ")
    for name in ([f"{n}/{m}".encode() for m in range(files)] for n in range(folders)):
        yield b"".join(
            b"%b%b%06o\0 %b" % (text, bytes(empty[len(text) : 148]), start + sum(text), empty[156:]) for text in name
        )


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def zeros(size: int) -> Any:
    return (bytes(1 << 20) for _ in range(size >> 20))


@functools.cache
def layer_bomb(kind: str) -> bytes:
    """A small layer that takes much memory if it is read without limits."""
    if kind == "files":
        assert b"".join(empty_files(2, 2)) == b"".join(header(f"{n}/{m}", 0) for n in range(2) for m in range(2))
        return compressed(empty_files(600, 1000))
    if kind == "sparse map":
        pax = b"".join(
            b"%d %s=%s\n" % (len(key) + len(value) + 5, key, value)
            for key, value in [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"x")]
        )
        start = header("x", len(pax), tarfile.XHDTYPE) + pax.ljust(512, b"\0") + header("x", BOMB)
        return compressed((start, b"99999999\n", *[b"1\n" * (1 << 19)] * 256))
    if kind == "headers in headers":
        return compressed([header("x", 1 << 20, tarfile.XHDTYPE) + b"9 a=" + bytes((1 << 20) - 4)] * 400)
    if kind == "status":
        return compressed(
            part for n in range(20) for part in (header(f"var/lib/dpkg/status.d/{n}", 31 << 20), *zeros(31 << 20))
        )
    if kind == "xz":
        # An encoder allocates many times the dictionary, so the size that the decoder reads (1 GiB) is patched in:
        # byte 4 of the block header, whose CRC-32 ends it (https://tukaani.org/xz/xz-file-format.txt, 3.1 and 5.3.1).
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
        stream = bytearray(compressed(zeros(BOMB), lzma.LZMACompressor(filters=filters)))
        size = (stream[12] + 1) * 4
        stream[16] = 36
        stream[8 + size : 12 + size] = zlib.crc32(stream[12 : 8 + size]).to_bytes(4, "little")
        return bytes(stream)
    kinds = {"pax": tarfile.XHDTYPE, "global": tarfile.XGLTYPE, "name": tarfile.GNUTYPE_LONGNAME}
    if kind in kinds:
        return compressed([header("x", BOMB, kinds[kind]), *zeros(BOMB)])
    return compressed([header("x", 1 << 50), *zeros(BOMB)])


SCRIPT = r"""
import re, sys
from bakery import oci
from bakery.errors import BakeryError
from bakery.registry import Registry
from bakery.sbom.outdated import _attested, _status_files
from bakery.platforms import AMD64
registry = Registry(patience=0)
try:
    remote = registry.image(sys.argv[1], AMD64)
    _attested(registry, remote)
    print(_status_files(registry, remote).keys())
except BakeryError as error:
    print(type(error).__name__, error)
# Not getrusage: its maximum includes the process that started this one.
print(1024 * int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]))
"""


def memory_of(reference: str) -> tuple[str, int]:
    """The output of a process that reads the packages of a remote image, and its peak memory in bytes."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, reference], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *lines, peak = done.stdout.splitlines()
    return "\n".join(lines), int(peak)


def endless(request: Any) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(700):
        request.wfile.write(bytes(1 << 20))


def moved(request: Any) -> None:
    request.send_response(307)
    request.send_header("Location", request.path)
    request.end_headers()
    for _ in range(700):
        request.wfile.write(bytes(1 << 20))


ANSWERS: dict[str, Callable[[], Any]] = {
    "a long body": lambda: endless,
    "a redirect with a long body": lambda: moved,
    "gzip": lambda: (200, compressed(zeros(BOMB), zlib.compressobj(wbits=31)), {"Content-Encoding": "gzip"}),
    "zstd": lambda: (200, compressed(zeros(BOMB)), {"Content-Encoding": "zstd"}),
    "many objects": lambda: b'{"manifests":[' + b"{}," * 1_390_000 + b"{}]}",
    "deep": lambda: b'{"a":' + b"[" * 2_000_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_hostile_manifest_takes_little_memory(serve: Any, kind: str) -> None:
    server = serve(default=ANSWERS[kind]())
    text, peak = memory_of(f"{server.address}/name:tag")
    assert re.match("RegistryError|ManifestError|Unreachable", text), text
    assert peak < MEMORY


@pytest.mark.parametrize("kind", ["gzip", "many objects"])
def test_a_hostile_token_takes_little_memory(serve: Any, kind: str) -> None:
    server = serve({"/token": ANSWERS[kind]()})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    text, peak = memory_of(f"{server.address}/name:tag")
    assert text.startswith("RegistryError"), text
    assert peak < MEMORY


LAYERS = ["files", "sparse map", "headers in headers", "status", "xz", "pax", "global", "name", "a large file"]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_hostile_layer_takes_little_memory(serve: Any, kind: str) -> None:
    archive = Archive()
    descriptor = archive.image([make_tar({"x": b""})])
    manifest = json.loads(archive.blobs[descriptor["digest"]])
    manifest["layers"] = [archive.blob(layer_bomb(kind), "application/vnd.oci.image.layer.v1.tar+zstd")]
    archive.descriptors = [
        archive.blob(json.dumps(manifest).encode(), descriptor["mediaType"], platform=descriptor["platform"])
    ]
    server = serve()
    publish(server, archive)
    text, peak = memory_of(f"{server.address}/name:tag")
    assert re.match("ManifestError|RegistryError", text), text
    assert peak < MEMORY


@pytest.fixture
def archive() -> Archive:
    """An image for one platform."""
    archive = Archive()
    archive.image([make_tar({"var/lib/dpkg/status": b"x" * 900})])
    return archive


@pytest.mark.parametrize("change", [lambda data: data + b" ", lambda data: data[:-1], lambda data: b"y" + data[1:]])
def test_a_blob_is_verified_before_it_is_used(serve: Any, archive: Archive, change: Any) -> None:
    server = serve()
    publish(server, archive)
    registry, reference = Registry(patience=0), f"{server.address}/name:tag"
    image = registry.image(reference, "linux/amd64")
    assert image.config
    for digest, data in archive.blobs.items():
        server.routes[f"/v2/name/blobs/{digest}"] = change(data)
    assert registry.image(reference, "linux/amd64").config == {}
    (layer,) = image.layers
    with (
        pytest.raises(RegistryError, match=r"do not match|broke the connection"),
        registry.open_blob(reference, layer.digest, layer.compressed_bytes),
    ):
        pytest.fail("unverified bytes were returned")
    with pytest.raises(RegistryError, match="do not match"):
        registry.read_blob(reference, {"mediaType": "", "digest": layer.digest, "size": layer.compressed_bytes})


@pytest.mark.parametrize("digest", ["sha256:..", "latest", DIGEST + "\n", "md5:" + "a" * 32, "sha256:" + "A" * 64])
def test_a_digest_in_a_header_must_be_valid(serve: Any, digest: str) -> None:
    server = serve(default=(200, b"", {"Docker-Content-Digest": digest.strip() + "x"}))
    with pytest.raises(RegistryError, match="answered with another digest"):
        require_manifest(f"{server.address}/x:tag")


def test_a_digest_in_a_header_must_match_the_request(serve: Any) -> None:
    server = serve(default=(200, b"", {"Docker-Content-Digest": "sha256:" + "b" * 64}))
    with pytest.raises(RegistryError, match="answered with another digest"):
        require_manifest(f"{server.address}/x@{DIGEST}")


def test_a_blob_must_have_the_size_in_its_manifest(serve: Any, archive: Archive) -> None:
    server = serve()
    publish(server, archive)
    registry, reference = Registry(patience=0), f"{server.address}/name:tag"
    (layer,) = registry.image(reference, "linux/amd64").layers
    for size in (layer.compressed_bytes - 1, layer.compressed_bytes + 1):
        with pytest.raises(RegistryError, match="do not match"), registry.open_blob(reference, layer.digest, size):
            pytest.fail("unverified bytes were returned")


RETRY_AFTER = [
    "0", "-1", "", "soon", "9" * 400, "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 99 Dec 9999 99:99:99 GMT", "Mon, 01 Jan 0001 00:00:00 -0000", "\u00b2", "1" * 7,
]  # fmt: skip


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_retry_after_never_shortens_the_pause_before_another_attempt(
    serve: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", waits.append)
    now = [0.0]
    monkeypatch.setattr(transport.time, "monotonic", lambda: now[0] + sum(waits))
    server = serve(default=(503, b"", {"Retry-After": text}))
    with pytest.raises(RegistryError, match="answered 503"):
        Registry().image(f"{server.address}/name:tag", "linux/amd64")
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0][: len(waits)]
    assert sum(waits) <= PULL.patience
    assert len(server.requests) == len(waits) + 1
    assert retry_after(text, 1.0) >= 0


PASSWORD = {"auth": base64.b64encode(b"name:S3cret").decode()}
REFRESH = {"identitytoken": "S3cret"}


@pytest.mark.parametrize("entry", [PASSWORD, REFRESH])
@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_token_request_with_a_login_follows_no_redirect(serve: Any, status: int, entry: dict[str, str]) -> None:
    server, other = serve(), serve(default=b'{"token": "x"}')
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    server.routes["/token"] = (status, b"", {"Location": f"{other.url}/token"})
    log_in(server.address, **entry)
    repository = Repository(Transport(server.address, "name", PUSH))
    with pytest.raises(RegistryError, match=f"answered {status} for a token") as caught:
        repository.check()
    assert other.requests == []
    assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize("entry", [PASSWORD, REFRESH])
@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_storage_gets_no_login_even_if_it_asks_for_one(serve: Any, kind: str, entry: dict[str, str]) -> None:
    server, storage = serve(), serve()
    storage.default = (401, b"", {"WWW-Authenticate": f'{kind} realm="{storage.url}/token"'})
    storage.routes["/token"] = b'{"token": "x"}'
    server.default = (307, b"", {"Location": f"{storage.url}/blob"})
    log_in(server.address, **entry)
    with pytest.raises(RegistryError):
        Registry(patience=0).read_blob(f"{server.address}/name:tag", {"mediaType": "", "digest": DIGEST, "size": 1})
    assert storage.requests == ["GET /blob"]
    assert not any("authorization" in headers for headers in storage.headers)


def test_netrc_is_not_sent_to_registries(
    serve: Any, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(transport, "is_loopback", lambda host: host != "127.0.0.1")
    server, storage = serve(), serve()
    publish(storage, archive)
    server.default = lambda request: (307, b"", {"Location": f"{storage.url}{request.path}"})
    Registry(patience=0).image(f"{server.address}/name:tag", "linux/amd64")
    assert not any("authorization" in headers for headers in (*server.headers, *storage.headers))


@pytest.mark.parametrize("realm", ["https://[::1", "http://[", "//", "https://a]b/"])
def test_an_invalid_realm_is_reported(serve: Any, realm: str) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}"'}))
    with pytest.raises(RegistryError):
        require_manifest(f"{server.address}/x:tag")


@pytest.mark.parametrize("location", ["https://[::1", "http://[", "http://a b/"])
def test_an_invalid_location_is_reported(serve: Any, location: str) -> None:
    server = serve(default=(307, b"", {"Location": location}))
    with pytest.raises(RegistryError):
        require_manifest(f"{server.address}/x:tag")
    server.default = lambda request: 404 if request.command == "HEAD" else (202, b"", {"Location": location})
    with pytest.raises(RegistryError) as caught:
        Repository(Transport(server.address, "x", PUSH)).put_blob(digest_of(b"x"), 1, lambda: io.BytesIO(b"x"))
    assert not caught.value.transient, "three minutes of attempts at what cannot succeed"


@pytest.mark.parametrize("policy", [PULL, PUSH])
@pytest.mark.parametrize("further", ["", "x"])
def test_a_registry_that_redirects_in_circles_is_asked_a_few_times_and_not_again(
    serve: Any, policy: Any, further: str
) -> None:
    server = serve(default=lambda request: (307, b"", {"Location": f"{request.path}{further}"}))
    with pytest.raises(RegistryError, match="redirects too often") as caught:
        Transport(server.address, "x", policy).ask("GET", "manifests/1")
    assert not caught.value.transient
    assert len(server.requests) <= 8


def moved_on(request: Any) -> Any:
    return 307, b"", {"Location": f"{request.path}x"}


FAILURES: dict[str, tuple[Any, int]] = {
    "500": (500, 1), "403": (403, 1), "no manifest": (b"[]", 1), "no layers": (b"{}", 1),
    "other bytes": (b'{"layers": []}', 1), "too many bytes": (b"[" * (5 << 20), 1), "redirects": (moved_on, 6),
    "an unknown login": (401, 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILURES)
def test_a_registry_in_error_is_asked_at_most_once_a_second_and_then_abandoned(
    serve: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(client.time, "sleep", waits.append)
    monkeypatch.setattr(client.time, "monotonic", lambda: sum(waits))
    answer, requests = FAILURES[kind]
    server, registry = serve(default=answer), Registry(patience=0)
    for number in range(25):
        reference = f"{server.address}/name:{number}"
        with pytest.raises(RegistryError) as caught:
            registry.manifest(reference, DIGEST if kind == "other bytes" else str(number))
    assert len([path for path in server.requests if path != "GET /v2/"]) <= ERRORS * requests
    if kind != "redirects":  # the first one already makes the registry unreachable
        assert sum(waits) >= ERRORS - 1
        assert "is not asked again after 3 errors" in str(caught.value)


def test_a_missing_image_does_not_count_as_an_error_of_the_registry(serve: Any) -> None:
    server, registry = serve(default=404), Registry(patience=0)
    for number in range(25):
        with pytest.raises(RegistryError):
            registry.platforms(f"{server.address}/name:{number}")
    assert server.requests[-1] == "GET /v2/name/manifests/24"


def test_an_image_of_thousands_of_layers_is_refused(archive: Archive) -> None:
    manifest = json.loads(archive.blobs[archive.descriptors[0]["digest"]])
    parse_manifest({**manifest, "layers": manifest["layers"] * 127})
    with pytest.raises(ManifestError, match="not an image manifest"):
        parse_manifest({**manifest, "layers": manifest["layers"] * 10_000})


def test_only_a_few_attestations_of_an_image_are_read(serve: Any, archive: Archive) -> None:
    (image,) = archive.descriptors
    manifest = json.loads(archive.blobs[image["digest"]])
    entries = []
    for number in range(200):
        data = json.dumps({**manifest, "layers": [], "annotations": {"n": str(number)}}).encode()
        notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
        entries.append({**archive.blob(data, image["mediaType"]), "annotations": notes})
    archive.descriptors += entries
    server, registry = serve(), Registry(patience=0)
    publish(server, archive)
    remote = registry.image(f"{server.address}/name:tag", "linux/amd64")
    server.requests.clear()
    assert registry.attestation(remote, "https://spdx.dev/Document") is None
    assert len(server.requests) == 1 + ATTESTATIONS


OUTSIDE = [
    "manifests/../../../x",
    "manifests/a/b",
    "manifests/x?y=1",
    "blobs/latest",
    "blobs/uploads/?a",
    "_catalog",
    "",
]


@pytest.mark.parametrize("resource", OUTSIDE)
def test_a_path_that_leaves_the_repository_is_not_requested(serve: Any, resource: str) -> None:
    server = serve(default=b"{}")
    for path, name in (("x", resource), ("x/../y", "manifests/1"), ("", "manifests/1")):
        with pytest.raises(RegistryError, match="not a manifest or a blob") as caught:
            Transport(server.address, path, PUSH).ask("GET", name)
        assert not caught.value.transient
    assert server.requests in ([], ["GET /v2/"])


def test_a_long_challenge_is_refused_at_once(serve: Any) -> None:
    server = serve(default=(401, b"", {"WWW-Authenticate": "Bearer " + "a" * 60_000}))
    with pytest.raises(RegistryError, match="header of more than 4096 characters") as caught:
        Repository(Transport(server.address, "x", PUSH)).check()
    assert not caught.value.transient


def test_a_challenge_of_letters_is_read_in_linear_time() -> None:
    begin = time.process_time()
    with pytest.raises(RegistryError, match="unsupported kind of login"):
        Transport("127.0.0.1:1", "x", PUSH)._authorise("Bearer " + "a" * 4000)
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize("token", ["a\r\nX: y", "\u2603", "\0", "a b", "\ud800", [1, 2]])
def test_a_token_that_cannot_be_sent_is_refused_at_once(serve: Any, token: object) -> None:
    server = serve({"/token": json.dumps({"token": token}).encode()})
    server.default = (401, b"", {"WWW-Authenticate": f'Bearer realm="{server.url}/token"'})
    with pytest.raises(RegistryError, match="answered with an invalid token") as caught:
        Repository(Transport(server.address, "x", PUSH)).check()
    assert not caught.value.transient


@pytest.mark.parametrize("location", ["ftp://host/x", "http://\xff\xfe/", "x://"])
def test_a_redirect_that_cannot_be_followed_is_not_repeated(serve: Any, location: str) -> None:
    server = serve(default=(307, b"", {"Location": location}))
    with pytest.raises(RegistryError, match="invalid URL or header") as caught:
        Repository(Transport(server.address, "x", PUSH)).check()
    assert not caught.value.transient


@pytest.mark.parametrize("base", ["https://127.0.0.1", "http://127.0.0.1"])
def test_an_upload_is_not_directed_from_https_to_another_protocol(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    requested: list[str] = []

    def once(verb: str, resource: str, **_: object) -> transport.Answer:
        requested.append(resource)
        location = "ftp://host/x" if base.startswith("http:") else "http://host/x"
        return transport.Answer(404 if verb == "HEAD" else 202, {"Location": location}, b"")

    connection = Transport("127.0.0.1", "x", PUSH)
    monkeypatch.setitem(vars(connection), "base", base)
    monkeypatch.setattr(connection, "once", once)
    with pytest.raises(RegistryError, match="directs the upload to a protocol other than https") as caught:
        Repository(connection).put_blob(DIGEST, 1, lambda: io.BytesIO(b"x"))
    assert not caught.value.transient
    assert requested == [f"blobs/{DIGEST}", "blobs/uploads/"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_page_is_not_mistaken_for_a_stored_manifest(serve: Any, status: int) -> None:
    """Gateways redirect a request without a session to a page, which answers 200 to every verb."""
    server = serve({"/login": b"<html>"}, default=(status, b"", {"Location": "/login"}))
    with pytest.raises(RegistryError, match=r"confirmed 3\.13, but has sha256:"):
        Repository(Transport(server.address, "x", PUSH)).put_manifest("3.13", b"{}", "m")


def test_a_manifest_that_is_accepted_with_status_200_is_read_back(serve: Any) -> None:
    server = serve({"/v2/x/manifests/3.13": b"{}"})
    Repository(Transport(server.address, "x", PUSH)).put_manifest("3.13", b"{}", "m")
    assert server.requests[-2:] == ["PUT /v2/x/manifests/3.13", "GET /v2/x/manifests/3.13"]


MISMATCHES: dict[str, dict[str, tuple[int, bytes, dict[str, str]]]] = {
    "another size": {"HEAD": (200, b"", {"Content-Length": "99"})},
    "another digest": {"HEAD": (200, b"", {"Docker-Content-Digest": DIGEST})},
    "another digest after the upload": {"PUT": (201, b"", {"Docker-Content-Digest": DIGEST})},
    "a long digest": {"PUT": (201, b"", {"Docker-Content-Digest": "x" * 60_000})},
    "an upload without a location": {"POST": (202, b"", {})},
}


@pytest.mark.parametrize("kind", MISMATCHES)
def test_a_blob_with_another_size_or_digest_is_not_counted_as_stored(serve: Any, kind: str) -> None:
    usual = {"HEAD": 404, "POST": (202, b"", {"Location": "/up"}), "PUT": 201}

    def answer(request: Any) -> Any:
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        response = MISMATCHES[kind].get(request.command)
        if request.command != "HEAD" or not response:
            return response or usual.get(request.command, 404)
        request.send_response(response[0])
        for name, value in response[2].items():
            request.send_header(name, value)
        return request.end_headers()

    server = serve(default=answer)
    with pytest.raises(RegistryError, match=r"with 99 bytes, expected 1$|reports the digest|an invalid URL") as caught:
        Repository(Transport(server.address, "x", PUSH)).put_blob(digest_of(b"x"), 1, lambda: io.BytesIO(b"x"))
    assert not caught.value.transient
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("kept", [True, False])
def test_the_digest_of_an_upload_is_in_the_query_of_its_url_and_the_blob_must_be_there_afterwards(
    serve: Any, kept: bool
) -> None:
    """The URL has a fragment, too. Not every registry refuses a manifest whose layers it has lost."""
    uploaded = f"PUT /up?a=b&digest={digest_of(b'x')}"

    def answer(request: Any) -> Any:
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        location, stored = {"Location": "/up?a=b#part"}, kept and uploaded in server.requests
        return {"HEAD": 200 if stored else 404, "POST": (202, b"", location), "PUT": 201}.get(request.command, 404)

    server = serve(default=answer)
    with nullcontext() if kept else pytest.raises(RegistryError, match="but does not have it"):
        transport = Transport(server.address, "x", replace(PUSH, patience=0))
        assert Repository(transport).put_blob(digest_of(b"x"), 1, lambda: io.BytesIO(b"x"))
    assert server.requests[-2] == uploaded


def test_a_long_answer_is_shortened_in_a_message(serve: Any) -> None:
    long = "x" * 3_000_000
    layer = {"mediaType": long, "digest": DIGEST, "size": 1}
    manifest = {"config": {**layer, "mediaType": "m"}, "layers": [layer]}
    other = {"manifests": [{**layer, "mediaType": "m", "platform": {"os": "linux", "architecture": long}}]}
    for content in (manifest, other):
        server = serve(default=json.dumps(content).encode())
        with pytest.raises((ManifestError, RegistryError)) as caught:
            Registry(patience=0).image(f"{server.address}/x:tag", "linux/amd64")
        assert len(str(caught.value)) < 1100


@pytest.mark.parametrize("size", [1 << 62, 10**400])
def test_an_impossible_size_of_a_blob_is_refused(size: int) -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": size}
    with pytest.raises(ManifestError, match=r"Expected `int` <= .*layers\[0\].size"):
        parse_manifest({"config": {**layer, "size": 1}, "layers": [layer]})


@pytest.mark.parametrize("name", ["Layers", "LAYERS", "Config", "MediaType", "layer\u017f"])
def test_a_field_that_docker_reads_in_another_case_is_refused(name: str) -> None:
    descriptor = {"mediaType": "m", "digest": DIGEST, "size": 1}
    manifest: dict[str, object] = {"config": descriptor, "layers": [descriptor]}
    assert parse_manifest({**manifest, "annotations": {name: "x"}})
    for content in ({**manifest, name: []}, {**manifest, "layers": [{**descriptor, "URLs": ["https://x"]}]}):
        with pytest.raises(
            ManifestError, match=r": the field '\w+' would be read as '(layers|config|mediaType|urls)' by"
        ):
            parse_manifest(content)


def test_a_statement_of_another_type_or_about_another_image_is_not_used(serve: Any, archive: Archive) -> None:
    """Its type must be the one in its layer's annotation, and its subject must be the image."""
    (image,) = archive.descriptors
    spdx = "https://spdx.dev/Document"
    notes = {"vnd.docker.reference.digest": image["digest"], "vnd.docker.reference.type": "attestation-manifest"}

    def attest(kind: str, subject: str) -> None:
        digest = {"sha256": subject.removeprefix("sha256:")}
        statement = {"predicateType": kind, "subject": [{"digest": digest}], "predicate": {"a": 1}}
        layer = archive.json(statement, "application/vnd.in-toto+json")
        layer["annotations"] = {"in-toto.io/predicate-type": spdx}
        manifest = {**json.loads(archive.blobs[image["digest"]]), "layers": [layer]}
        archive.descriptors[1:] = [archive.json(manifest, image["mediaType"], annotations=notes)]
        publish(server, archive)

    server = serve()
    repository = Repository(Transport(server.address, "name", PUSH))
    for kind, subject, used in (
        (spdx, image["digest"], b'{"a":1}'), ("x", image["digest"], None), (spdx, DIGEST, None),
    ):  # fmt: skip
        attest(kind, subject)
        registry, attestation = Registry(patience=0), repository.manifest(archive.descriptors[1])
        remote = registry.image(f"{server.address}/name:tag", "linux/amd64")
        assert registry.attestation(remote, spdx) == used
        if subject == DIGEST:
            with pytest.raises(RegistryError, match=f"is a statement about another image than {image['digest']}"):
                list(repository.statements(attestation, image["digest"]))
        elif kind != spdx:
            with pytest.raises(RegistryError, match=f"is of the type {kind}, in its manifest '{spdx}'"):
                list(repository.statements(attestation, image["digest"]))
        else:
            assert list(repository.statements(attestation, image["digest"])) == [(kind, b'{"a":1}')]


CHALLENGES = [
    ['Negotiate, Bearer realm="{}"'], ["Negotiate", 'Bearer realm="{}"'], ['Bearer realm="{}", Basic realm="x"'],
    ['Basic realm="x"', 'Bearer realm="{}"'], ['Bearer Realm="{}"'], ['bearer  realm = "{}"'], ['Bearer\trealm="{}"'],
    ['Bearer realm="{}"', 'Digest realm="x", nonce="y"'], ['Bearer service=x, realm="{}"'],
    ['Basic realm="Acme, Bearer of news"', 'Bearer realm="{}"'],
]  # fmt: skip


@pytest.mark.parametrize("challenges", CHALLENGES)
def test_a_token_is_fetched_if_it_is_one_of_several_kinds_of_login(serve: Any, challenges: list[str]) -> None:
    server = serve({"/token": b'{"token": "x"}'})
    challenge = ", ".join(challenges).format(f"{server.url}/token")

    def answer(request: Any) -> Any:
        logged_in = request.headers.get("Authorization") == "Bearer x"
        return 404 if logged_in else (401, b"", {"WWW-Authenticate": challenge})

    server.default = answer
    Repository(Transport(server.address, "x", PUSH)).check()
    assert server.requests[-2].startswith("GET /token?")


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="Acme, Bearer of news"', 'Basic realm="x", Bearer', 'Bearer, Basic realm="http://localhost/token"',
        r'Basic realm="\", Bearer realm=\"http://localhost/token\""',
    ],
)  # fmt: skip
def test_a_password_is_used_unless_the_registry_names_a_server_for_tokens(serve: Any, challenge: str) -> None:
    server = serve(
        default=lambda request: (
            404 if "Authorization" in request.headers else (401, b"", {"WWW-Authenticate": challenge})
        )
    )
    log_in(server.address, **PASSWORD)
    Repository(Transport(server.address, "x", PUSH)).check()
    assert server.headers[-1]["authorization"].startswith("Basic ")


def test_a_login_is_sent_to_a_host_in_capital_letters() -> None:
    """It is added by the URL of the request, in which the host is in lower case."""
    connection = Transport("GHCR.io", "x", PUSH, token="secret")
    request = requests.Request("GET", f"{connection.base}/v2/", auth=connection._sign).prepare()
    assert request.headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("policy", [PULL, replace(PUSH, patience=0)])
def test_a_server_that_the_registry_refers_to_is_named_if_it_cannot_be_reached(
    serve: Any, nowhere: str, policy: Any
) -> None:
    other = nowhere.removeprefix("http://")
    token = (401, b"", {"WWW-Authenticate": f'Bearer realm="{nowhere}/token"'})
    for answer in (token, (307, b"", {"Location": f"{nowhere}/blob?sig=S3cret"})):
        server = serve(default=answer)
        message = f"{other}, to which {server.address} refers, cannot be reached"
        with pytest.raises(RegistryError, match=message) as caught:
            Transport(server.address, "x", policy).ask("GET", f"blobs/{DIGEST}")
        assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize(("status", "transient"), [(407, False), (403, False), (502, True), (None, True)])
def test_a_proxy_that_does_not_connect_is_reported_as_such(
    serve: Any, nowhere: str, monkeypatch: pytest.MonkeyPatch, status: int | None, transient: bool
) -> None:
    """Not as a registry that broke the connection, after three minutes of retries."""
    server = serve()
    monkeypatch.setattr(QuietHandler, "do_CONNECT", lambda request: request.send_error(status), raising=False)
    address = server.address if status else nowhere.removeprefix("http://")
    monkeypatch.setenv("https_proxy", f"http://name:S3cretS3cret@{address}")
    message = rf"^registry\.example cannot be reached through the proxy{f', which answered {status}' if status else ''}"
    for policy in (PULL, replace(PUSH, patience=0)):
        with pytest.raises(RegistryError, match=message) as caught:
            Transport("registry.example", "x", policy).ask("GET", "manifests/1")
        assert bool(caught.value.transient) == (transient and policy.pushes)
        assert "S3cret" not in str(caught.value)


FAULTS = {
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, ...": "is not valid for this",
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, ...": "is not valid for this",
    "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required": "requires a client certificate",
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate": "is not trusted",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_error_says_what_is_wrong_with_a_certificate(fault: str) -> None:
    connection = Transport("r.example", "x", PUSH)
    with pytest.raises(RegistryError, match=f"r.example {FAULTS[fault]}") as caught, connection._network_errors():
        raise requests.exceptions.SSLError(fault)
    assert not caught.value.transient


def test_a_layer_of_an_impossible_size_is_not_reported_as_a_full_disk(serve: Any) -> None:
    server = serve()
    with (
        pytest.raises(RegistryError, match=f"a blob of {1 << 62} bytes, expected at most"),
        Registry(patience=0).open_blob(f"{server.address}/x:tag", DIGEST, 1 << 62),
    ):
        pytest.fail("unverified bytes were returned")
    assert server.requests == []


@pytest.mark.parametrize(("data", "stated"), [(b"", 0), (b"", 5), (b"x", 1), (b"xx", 1)])
def test_an_upload_is_sent_with_its_own_length_and_never_as_chunks(serve: Any, data: bytes, stated: int) -> None:
    """requests sends an empty file as chunked, also if a header has its length: the registry waits for more bytes."""
    server, stored = serve(), list[bytes]()

    def answer(request: Any) -> Any:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.command == "PUT":
            stored.append(body)
        return {"HEAD": 200 if stored else 404, "POST": (202, b"", {"Location": "/up"}), "PUT": 201}[request.command]

    server.default = answer
    transport = Transport(server.address, "x", replace(PUSH, patience=0, timeout=(1, 1)))
    assert Repository(transport).put_blob(digest_of(data), stated, lambda: io.BytesIO(data))
    (sent,) = (each for each, line in zip(server.headers, server.requests, strict=True) if line.startswith("PUT"))
    assert (sent["content-length"], "transfer-encoding" in sent, stored) == (str(len(data)), False, [data])
