"""A private registry on the loopback interface: Debian's docker-registry, unpacked but not installed."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from bakery.bases import apt
from bakery.catalog.models import Catalog
from bakery.errors import BakeryError
from bakery.files import locked, staged_folder
from bakery.workspace import Workspace
from tests.archives import Archive, digest_of

PACKAGE = "docker-registry"
BASE = {"libc6", "libcrypt1", "libgcc-s1"}
"""Libraries that every Debian and Ubuntu has."""
CONFIG = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}", secret: tests}}
log: {{level: error}}
"""
SECURED = """
http: {{addr: "127.0.0.1:{port}", secret: tests, tls: {{certificate: {data}/server.pem, key: {data}/server.pem}}}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""
DATA = Path(__file__).resolve().parents[1] / "image" / "data"
"""The folder with the certificates of a loopback server and of its authority."""
NAME, PASSWORD = "tester", "open sesame"
HTPASSWD = "$2b$05$eveBro7bab7qBPUe0Lptae4n8J9t7zIVrSPYN3Tqo2to86rWYNUwe"
"""bcrypt hash of the password; the registry supports no other."""
TRUST: dict[str, Any] = {"auth": (NAME, PASSWORD), "verify": str(DATA / "ca.pem")}
"""Arguments of requests for a registry that is secured."""


def libraries(private: apt.PrivateApt, package: str) -> list[str]:
    """The libraries that a package needs, directly or through other libraries."""
    names, new = set[str](), {package}
    while new:
        command = ["apt-cache", "depends", "--important", *sorted(new)]
        listed = subprocess.run(command, env=private.env, capture_output=True, text=True, check=True).stdout
        new = set(re.findall(r"^ +Depends: (lib[\w.+-]+)$", listed, re.MULTILINE)) - BASE - names
        names |= new
    return sorted(names)


def program(workspace: Workspace, catalog: Catalog, package: str = PACKAGE, release: str = "") -> Path:
    """The unpacked program of a package and its libraries, downloaded once per machine; :exc:`BakeryError` on failure.

    The package is from the host's release of its distribution, or from ``release`` (a codename). The libraries are
    found by the dynamic linker with $LD_LIBRARY_PATH.
    """
    root = workspace.home / "tests" / "-".join(filter(None, [package, release]))
    executable = root / "usr/bin" / package
    with locked(root.with_suffix(".lock"), f"fetching {package}", print):
        if not executable.exists():
            mirror = apt.host_mirror()
            archives = (family.archive for family in catalog.families if family.archive.id == apt.host_id())
            archive = next(archives, None)
            if archive is None:
                raise BakeryError("this host is neither Debian nor Ubuntu")
            release = release or mirror.codename
            private = apt.PrivateApt(workspace.home / "apt" / release, mirror.sources(release, archive))
            private.update()
            with staged_folder(root) as stage:
                private.unpack([package, *libraries(private, package)], stage)
    return executable


@contextmanager
def running(workspace: Workspace, catalog: Catalog, folder: Path, *, secured: bool = False) -> Iterator[str]:
    """The address of a registry that stores its data in ``folder`` and runs until the end of the block.

    If ``secured``, it uses TLS and requires NAME and PASSWORD.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    text = CONFIG.format(folder=folder / "data", port=port)
    if secured:
        (folder / "htpasswd").write_text(f"{NAME}:{HTPASSWD}\n")
        text = re.sub("http:.*\n", "", text) + SECURED.format(folder=folder, port=port, data=DATA)
    config.write_text(text)
    url = f"{'https' if secured else 'http'}://127.0.0.1:{port}/v2/"
    with subprocess.Popen(
        [program(workspace, catalog), "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            for _ in range(200):
                with suppress(requests.ConnectionError):
                    requests.get(url, timeout=5, **(TRUST if secured else {})).raise_for_status()
                    break
                assert process.poll() is None, "the registry ended"
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def upload(archive: Archive, host: str, name: str, tag: str) -> None:
    """Push an archive's blobs, manifests and index to the registry."""
    manifests = {entry["digest"]: entry["mediaType"] for entry in archive.descriptors}
    for digest, data in archive.blobs.items():
        if digest not in manifests:
            start = requests.post(f"http://{host}/v2/{name}/blobs/uploads/", timeout=5)
            url = start.headers["Location"]
            sign = "&" if "?" in url else "?"
            requests.put(f"{url}{sign}digest={digest}", data=data, timeout=5).raise_for_status()
    for digest, media_type in manifests.items():
        _put(host, name, digest, archive.blobs[digest], media_type)
    _put(host, name, tag, archive.index(), "application/vnd.oci.image.index.v1+json")
    assert raw(host, name, tag)[1] == digest_of(archive.index())


def _put(host: str, name: str, reference: str, data: bytes, media_type: str) -> None:
    url, headers = f"http://{host}/v2/{name}/manifests/{reference}", {"Content-Type": media_type}
    answer = requests.put(url, data=data, headers=headers, timeout=5)
    assert answer.ok, answer.text


def raw(host: str, name: str, reference: str, *, secured: bool = False) -> tuple[dict[str, Any], str]:
    """A manifest in the registry and its digest, read without this project's code."""
    kinds = ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2")
    accept = ", ".join(f"application/vnd.{kind}+json" for kind in kinds)
    url = f"{'https' if secured else 'http'}://{host}/v2/{name}/manifests/{reference}"
    answer = requests.get(url, headers={"Accept": accept}, timeout=5, **(TRUST if secured else {}))
    answer.raise_for_status()
    return answer.json(), answer.headers["Docker-Content-Digest"]


def stored(host: str, name: str, digest: str) -> int:
    """The size of a blob in the registry, in bytes."""
    answer = requests.head(
        f"http://{host}/v2/{name}/blobs/{digest}", timeout=5, headers={"Accept-Encoding": "identity"}
    )
    answer.raise_for_status()
    return int(answer.headers["Content-Length"])


def tags(host: str, name: str) -> list[str]:
    """All tags of a repository; empty if it does not exist."""
    answer = requests.get(f"http://{host}/v2/{name}/tags/list", timeout=5)
    return sorted(answer.json().get("tags") or []) if answer.ok else []


def platform_digests(host: str, name: str, tag: str) -> dict[str, str]:
    """The digests of a tag's images by platform, after checking that everything they refer to exists."""
    images = {}
    for entry in raw(host, name, tag)[0]["manifests"]:
        manifest, digest = raw(host, name, entry["digest"])
        assert digest == entry["digest"]
        for blob in (manifest["config"], *manifest["layers"]):
            assert stored(host, name, blob["digest"]) == blob["size"]
        platform = entry["platform"]
        if platform["os"] != "unknown":
            images[f"{platform['os']}/{platform['architecture']}"] = digest
    return images
