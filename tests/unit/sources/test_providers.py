"""The registry of providers: their order, and adding one, which takes a single function."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bakery import urls
from bakery.catalog.models import Series
from bakery.catalog.pins import Pin
from bakery.errors import SourceError, Unavailable
from bakery.programs import Finished
from bakery.sources import providers
from bakery.sources.providers import PROVIDERS, Attempt, Request, from_package_index, from_user_mirror
from bakery.sources.tarballs import SourceCache
from bakery.workspace import Workspace

DATA = b"a tarball"


def from_usb_stick(request: Request) -> Iterator[Attempt]:
    """A new provider, complete: it has the tarball of 3.13.5 and the wrong bytes for 3.13.6."""

    def download(file: Path) -> None:
        if request.release not in ("3.13.5", "3.13.6"):
            raise Unavailable("has only 3.13.5 and 3.13.6")
        file.write_bytes(DATA if request.release == "3.13.5" else b"other bytes")

    yield Attempt("the USB stick", download, is_served=lambda: request.release == "3.13.5")


@pytest.fixture
def cache(
    workspace: Workspace, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[SourceCache, list[str]]]:
    monkeypatch.setattr(urls, "PYTHON_ORG", nowhere)

    def make() -> tuple[SourceCache, list[str]]:
        messages: list[str] = []
        return SourceCache(workspace, None, messages.append, (*PROVIDERS, from_usb_stick)), messages

    return make


@pytest.fixture
def pip_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes pip use an index and no other settings."""

    def use(index: str) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index)

    return use


@pytest.mark.parametrize("answer", [204, 302, 400, 401, 429, 500, 503, lambda _: None])
def test_a_mirror_in_error_is_asked_about_one_release_and_not_about_all(serve: Any, answer: Any) -> None:
    server = serve(default=answer)
    for micro in range(20):
        request = Request(f"Python-3.13.{micro}.tar.xz", 1, f"3.13.{micro}", mirror=server.url)
        assert not any(attempt.is_served() for attempt in from_user_mirror(request))
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [403, 404, 410])
def test_a_mirror_that_lacks_a_release_is_asked_about_others(serve: Any, answer: int) -> None:
    server = serve(default=answer)
    for micro in range(3):
        request = Request(f"Python-3.13.{micro}.tar.xz", 1, f"3.13.{micro}", mirror=server.url)
        assert not any(attempt.is_served() for attempt in from_user_mirror(request))
    assert len(server.requests) == 6


def test_an_index_that_never_ends_is_abandoned(
    serve: Callable[..., Any], pip_settings: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve()
    server.default = lambda _: server.released.wait(60) and None
    pip_settings(server.url)
    monkeypatch.setattr(providers, "TIMEOUT", 3)
    (attempt,) = from_package_index(Request("uv-0.13.9-py3-none-any.whl", 1))
    with pytest.raises(Unavailable, match=r"did not send uv==0\.13\.9: pip took more than 3 s"):
        attempt.download(tmp_path / "wheel")


def test_pip_asks_for_no_login_and_runs_no_code_from_the_current_folder(
    serve: Callable[..., Any], pip_settings: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip_settings(serve(default=(401, b"", {"WWW-Authenticate": "Basic realm=x"})).url)
    monkeypatch.setenv("PYTHONINSPECT", "1")
    monkeypatch.setattr(providers, "TIMEOUT", 20)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resource.py").write_text("open('executed', 'w')")
    reader, writer = os.pipe()  # never answers, like a terminal
    standard_input = os.dup(0)
    os.dup2(reader, 0)
    try:
        (attempt,) = from_package_index(Request(file=WHEEL, limit=100))
        with pytest.raises(Unavailable, match=r"does not have uv==0\.13\.9: ERROR: "):
            attempt.download(tmp_path / WHEEL)
    finally:
        os.dup2(standard_input, 0)
        for descriptor in (reader, writer, standard_input):
            os.close(descriptor)
    assert not (tmp_path / "executed").exists()


def test_providers_are_in_the_documented_order() -> None:
    request = Request("Python-3.13.5.tar.xz", 1, "3.13.5", "pool/p", "0" * 64, "/mirror")
    names = [attempt.name for provider in PROVIDERS for attempt in provider(request)]
    assert names == ["the mirror /mirror", "python.org", "the host's Debian mirror"]


def test_providers_skip_files_that_they_cannot_have() -> None:
    assert [attempt for provider in PROVIDERS for attempt in provider(Request("python3-wheel-whl.deb", 1))] == []


def test_added_provider_is_used_and_its_bytes_are_verified(cache: Any, pin: Any, fake_series: Any) -> None:
    sources, messages = cache()
    good: Pin = pin("3.13.5", DATA)
    series: Series = fake_series(good)
    assert (sources.fetch(good, series, "{version}") / good.file).read_bytes() == DATA
    assert messages == ["Python-3.13.5.tar.xz from the USB stick, sha256 verified"]
    bad = pin("3.13.6", DATA)
    with pytest.raises(SourceError, match="from the USB stick is not the pinned file"):
        sources.fetch(bad, fake_series(bad), "{version}")


def test_added_provider_is_listed_in_the_error_and_suggests_what_it_serves(
    cache: Any, pin: Any, fake_series: Any
) -> None:
    sources, _ = cache()
    missing = pin("3.13.4", DATA)
    with pytest.raises(SourceError, match="the USB stick: has only") as caught:
        sources.fetch(missing, fake_series(missing, pin("3.13.5", DATA)), "inv build --version={version}")
    assert caught.value.hint.splitlines() == [
        "The nearest release that is available is 3.13.5: inv build --version=3.13.5",
        "  `inv images --releases` lists what is available; --source=PATH builds your own source tree.",
    ]


def test_the_nearest_release_is_suggested_and_all_available_ones_are_listed(
    cache: Any, pin: Any, fake_series: Any
) -> None:
    sources, _ = cache()
    releases = ["3.13.9", "3.13.8", "3.13.5", "3.13.4", "3.13.1"]
    pins = {release: pin(release, DATA) for release in releases}
    (sources.folder(pins["3.13.9"])).mkdir(parents=True)
    (sources.folder(pins["3.13.9"]) / pins["3.13.9"].file).write_bytes(DATA)
    (sources.folder(pins["3.13.1"])).mkdir()
    (sources.folder(pins["3.13.1"]) / pins["3.13.1"].file).write_bytes(b"corrupt")
    assert [sources.where(pins[release]) for release in releases] == ["cache", "", "the USB stick", "", ""]
    series = fake_series(*pins.values())
    for wanted, nearest in (("3.13.8", "3.13.9"), ("3.13.4", "3.13.5")):
        with pytest.raises(SourceError, match=f"is available is {nearest}:"):
            sources.fetch(pins[wanted], series, "{version}")


def test_a_mirror_says_what_it_has_without_a_download(workspace: Workspace, pin: Any, tmp_path: Path) -> None:
    (tmp_path / "3.13.5").mkdir()
    (tmp_path / "3.13.5" / pin("3.13.5", DATA).file).write_bytes(DATA)
    sources = SourceCache(workspace, str(tmp_path), print, PROVIDERS[:1])
    assert sources.where(pin("3.13.5", DATA)) == f"the mirror {tmp_path}"
    assert sources.where(pin("3.13.4", DATA)) == ""


def test_a_mirror_that_has_nothing_is_reported_once(
    workspace: Workspace, pin: Any, nowhere: str, tmp_path: Path
) -> None:
    for mirror, problem in ((f"{tmp_path}/none", "is not a folder"), (nowhere, "does not answer")):
        told = list[str]()
        sources = SourceCache(workspace, mirror, told.append, PROVIDERS[:1])
        assert [sources.where(pin(release, DATA)) for release in ("3.13.4", "3.13.5")] == ["", ""]
        assert told == [f"--mirror={mirror} {problem}: it is left out"]


def test_signature_and_unpinned_release_are_requested_without_a_digest(
    workspace: Workspace, pin: Any, tmp_path: Path
) -> None:
    requests: list[Request] = []

    def from_recorder(request: Request) -> Iterator[Attempt]:
        requests.append(request)
        yield Attempt("a recorder", lambda file: file.touch())

    sources = SourceCache(workspace, None, print, (from_recorder,))
    release = pin("3.15.0b3", DATA, pool="pool/p.orig.tar.xz")
    sources.download_unverified(release, ".asc", tmp_path / "signature", 5)
    sources.download_unverified(release, "", tmp_path / "tarball", 6)
    file, digest = "Python-3.15.0b3.tar.xz", hashlib.sha256(DATA).hexdigest()
    assert requests == [
        Request(f"{file}.asc", 5, "3.15.0", "pool/p.orig.tar.xz.asc"),
        Request(file, 6, "3.15.0", "pool/p.orig.tar.xz", digest),
    ]


WHEEL = "uv-0.13.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


class Pip:
    """A stand-in for the process of pip, which needs an index: records the arguments, and writes ``file``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: str = WHEEL, error: str = "") -> None:
        self.file, self.error = file, error
        monkeypatch.setattr("bakery.sources.providers.run_program", self.run)

    def run(self, command: list[str], *_: object) -> Finished:
        self.command = command
        folder = next(word.removeprefix("--dest=") for word in command if word.startswith("--dest="))
        if not self.error:
            (Path(folder) / self.file).write_bytes(b"wheel")
        return Finished(int(bool(self.error)), b"", self.error.encode(), 0, None)


def test_a_wheel_comes_from_pips_index_for_its_own_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip = Pip(monkeypatch)
    (attempt,) = from_package_index(Request(file=WHEEL, limit=100))
    attempt.download(tmp_path / WHEEL)
    assert (tmp_path / WHEEL).read_bytes() == b"wheel"
    assert "uv==0.13.9" in pip.command
    assert {"--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64", "--no-deps"} <= set(pip.command)


def test_a_wheel_may_have_a_build_tag_and_another_name_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip = Pip(monkeypatch, file="a-1-2-py3-none-any.whl")
    (attempt,) = from_package_index(Request(file=pip.file, limit=100))
    attempt.download(tmp_path / pip.file)
    assert {"a==1", "--implementation=py", "--abi=none", "--platform=any"} <= set(pip.command)
    (attempt,) = from_package_index(Request(file="a.whl", limit=100))
    with pytest.raises(Unavailable, match=r"cannot have a\.whl: Invalid wheel filename"):
        attempt.download(tmp_path / "a.whl")


def test_only_wheels_come_from_pips_index() -> None:
    assert not list(from_package_index(Request(file="Python-3.13.15.tar.xz", limit=100)))


def test_pips_reason_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Pip(monkeypatch, error="WARNING: x\nERROR: No matching distribution found for uv==0.13.9\n")
    (attempt,) = from_package_index(Request(file=WHEEL, limit=100))
    with pytest.raises(Unavailable, match=r"does not have uv==0.13.9: ERROR: No matching distribution"):
        attempt.download(tmp_path / WHEEL)


def endless(handler: Any) -> None:
    """Sends a page of pip's index without end, at most 2 GB."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    for _ in range(2048):
        handler.wfile.write(b" " * (1 << 20))


def test_pip_does_not_take_all_memory_for_an_endless_index(
    serve: Callable[..., Any], pip_settings: Callable[[str], None], tmp_path: Path
) -> None:
    pip_settings(serve(default=endless).url)
    (attempt,) = from_package_index(Request(file=WHEEL, limit=100))
    # A child counts its parent's memory until it starts its program.
    before = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    with pytest.raises(Unavailable, match=r"sent an index page for uv==0.13.9 that needs more than 256 MiB of memory"):
        attempt.download(tmp_path / WHEEL)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 350 << 10), "in KiB"


def test_a_file_of_a_mirrors_folder_is_limited_before_it_is_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "file", tmp_path / "copy"
    source.touch()
    os.truncate(source, 1 << 30)
    (attempt,) = from_user_mirror(Request("file", 1000, mirror=str(tmp_path)))
    with pytest.raises(Unavailable, match=r"cannot be read \(expected at most 1000 bytes\)"):
        attempt.download(target)
    assert not target.exists()
    os.truncate(source, 1000)
    attempt.download(target)
    assert target.read_bytes() == bytes(1000)
