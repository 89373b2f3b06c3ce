"""Hostile files, answers and arguments: every reader returns a result, or raises an error that the user can read.

Hypothesis generates unexpected inputs; those that once caused a traceback or a hang are named examples. Tests that
would hang open a FIFO that has no writer, or a device that never ends.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bakery import oci
from bakery.bases import BaseResolver
from bakery.benchmarks import read_results
from bakery.build.export import stages_after_compiling
from bakery.build.reproducibility import LAYER_LIMIT
from bakery.catalog.loader import load_catalog
from bakery.catalog.models import Catalog
from bakery.catalog.selection import select_images
from bakery.compression import parse_compression
from bakery.display.tables import FORMATS, Column, render
from bakery.engine.daemons import version_of
from bakery.engine.discovery import running_engine
from bakery.engine.engine import Engine
from bakery.errors import BakeryError, ConfigError, InputError
from bakery.files import write_whole
from bakery.machine.doctor import _check_server
from bakery.net import docker_config, read_location, users_bundle
from bakery.oci.archives import image_archive
from bakery.oci.manifests import parse_config, parse_index, parse_manifest
from bakery.options import Building, Measuring, Publishing, Scanning, Selection, make_groups, options_of, parse
from bakery.platforms import AMD64, parse_platforms
from bakery.publish import read_digests
from bakery.publish.push import Payload
from bakery.records import LocalRecord, local_records, read_resolution, read_status
from bakery.records.status import adopt
from bakery.redaction import printable, redact
from bakery.registry.credentials import find_login
from bakery.registry.references import split_reference
from bakery.report.readme import update_files, update_readme
from bakery.report.site import packages_of, write_site
from bakery.sbom.vulnerabilities import parse_bill
from bakery.sizes import read_baseline
from bakery.sources.openpgp import BadSignature, dearmor
from bakery.sources.published import parse_source_index
from bakery.sources.tarballs import SourceCache
from bakery.sources.trust import load_trust
from bakery.testing.differences import read_facts
from bakery.trees import from_source
from bakery.workspace import Workspace, find_workspace, require_own_cache
from tests.archives import Archive, make_tar
from tests.records import local_record

EXAMPLES = settings(
    max_examples=25, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
DIGITS = "9" * 5000
DEEP = 100_000
DEEP_JSON = b"[" * DEEP + b"]" * DEEP
DEEP_OBJECT = b'{"a":' * DEEP + b"1" + b"}" * DEEP
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BYTES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())
NAMES = st.text(max_size=40) | st.from_regex(r"3\.\d{1,6}(\.\d+)*[a-z]*\d*", fullmatch=True)
HOSTILE_JSON = (DEEP_JSON, DEEP_OBJECT, DIGITS.encode(), b'"\xff"', b'"\\ud800"', b"")


def hostile(function: Callable[..., None]) -> Callable[..., None]:
    """A test of ``data``: each of :data:`HOSTILE_JSON`, and bytes and JSON that Hypothesis makes."""
    for data in HOSTILE_JSON:
        function = example(data)(function)
    return EXAMPLES(given(BYTES)(function))


def attempt(reader: Callable[[], Any], *more: type[Exception]) -> None:
    """Call ``reader``, which may raise errors that are meant for the user, and nothing else."""
    try:
        reader()
    except (BakeryError, *more) as error:
        str(error).encode()


def damaged(value: Any, paths: st.DataObject, other: st.SearchStrategy[Any] = JSON) -> Any:
    """``value``, a JSON value, with one of its parts replaced."""
    if isinstance(value, dict) and value and paths.draw(st.booleans() | st.just(True)):
        key = paths.draw(st.sampled_from(sorted(value)))
        return {**value, key: damaged(value[key], paths, other)}
    if isinstance(value, list) and value and paths.draw(st.booleans()):
        return [damaged(value[0], paths, other), *value[1:]]
    return paths.draw(other)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The top of a repository with an empty folder shared/."""
    (tmp_path / "shared").mkdir()
    return tmp_path


# --- answers and JSON files


@hostile
def test_manifests(data: bytes) -> None:
    for reader in (parse_index, parse_manifest, parse_config):
        attempt(lambda reader=reader: reader(data))


@hostile
@example(b'"\xff"')
def test_attested_statements(data: bytes) -> None:
    subject = f'[{{"digest": {{"sha256": "{"a" * 64}"}}}}]'.encode()
    digest = f"sha256:{'a' * 64}"
    for statement in (data, b'{"subject": %s, "predicateType": "x", "predicate": %s}' % (subject, data)):
        attempt(lambda statement=statement: (oci.statement_about(digest, statement) or ("", b""))[1].decode())


@hostile
def test_records_of_this_clone(folder: Path, data: bytes) -> None:
    workspace = Workspace(folder, folder / "home")
    workspace.records.mkdir(parents=True, exist_ok=True)
    (workspace.records / local_record().file_name).write_bytes(data)
    assert local_records(workspace) == []


@hostile
def test_published_records(folder: Path, data: bytes) -> None:
    (folder / "shared" / "status.json").write_bytes(data)
    with pytest.raises(ConfigError, match=r"status\.json"):
        read_status(folder)


@EXAMPLES
@given(st.data())
def test_a_record_with_one_wrong_value_does_not_stop_the_others(folder: Path, data: st.DataObject) -> None:
    record = damaged(json.loads(msgspec.json.encode(local_record(), enc_hook=str)), data)
    workspace = Workspace(folder, folder / "home")
    workspace.records.mkdir(parents=True, exist_ok=True)
    (workspace.records / local_record().file_name).write_text(json.dumps(record))
    adopt(local_records(workspace), local_records(workspace))


@pytest.mark.parametrize(
    "change",
    [{"disk_bytes": "1 MB"}, {"release": f"3.{DIGITS}.1"}, {"release": "latest"}, {"anatomy": {"a": ["x", 1]}}],
)
def test_a_record_with_text_for_a_size_or_an_impossible_release_is_not_valid(folder: Path, change: Any) -> None:
    record = {**json.loads(msgspec.json.encode(local_record(), enc_hook=str)), **change}
    workspace = Workspace(folder, folder / "home")
    workspace.records.mkdir(parents=True)
    (workspace.records / local_record().file_name).write_text(json.dumps(record))
    assert local_records(workspace) == []


@hostile
def test_official_sizes(folder: Path, data: bytes) -> None:
    (folder / "shared" / "official-sizes.json").write_bytes(data)
    attempt(lambda: read_baseline(folder))


@hostile
def test_facts(folder: Path, data: bytes) -> None:
    for content in (data, lzma.compress(data)[:-1], lzma.compress(data)):
        (folder / "facts.xz").write_bytes(content)
        attempt(lambda: read_facts(folder / "facts.xz"))


@hostile
def test_image_layouts(folder: Path, data: bytes) -> None:
    (folder / "index.json").write_bytes(data)
    (folder / "rootfs.tar").write_bytes(data)
    attempt(lambda: oci.layout_digest(folder))
    assert not oci.verified(folder, "amd64")
    attempt(lambda: oci.check_root_file_system(folder / "rootfs.tar"))
    with (folder / "rootfs.tar").open("rb") as stream:
        attempt(lambda: image_archive(stream, AMD64).__enter__())


@EXAMPLES
@given(st.dictionaries(st.sampled_from(["credsStore", "credHelpers", "auths", "registry"]), JSON))
@example({"credsStore": 5})
@example({"credsStore": "\0"})
@example({"credHelpers": {"registry": ["x"]}})
@example({"auths": {"registry": {"auth": "\ud800"}}})
def test_logins(config: dict[str, object]) -> None:
    attempt(lambda: find_login("registry", config).encoded)


@hostile
@example(b"[]")
def test_the_users_docker_configuration(folder: Path, data: bytes) -> None:
    (folder / "config.json").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(folder))
        attempt(lambda: find_login("registry", docker_config()))


@pytest.mark.parametrize(
    "answer", [DEEP_OBJECT, b"[]", b'{"Username": "a", "Secret": "\\ud800"}', b"\xff", b'{"Username": 1}']
)
def test_answers_of_a_credential_helper(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    (folder / "answer").write_bytes(answer)
    (folder / "docker-credential-fake").write_text(f"#!/bin/sh\ncat {folder}/answer\n")
    (folder / "docker-credential-fake").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    with pytest.raises(BakeryError, match="docker's login for registry cannot be read"):
        find_login("registry", {"credsStore": "fake"})


@hostile
@example(b"[1, 2]")
@example(b'[{"image": 1, "platform": 2, "names": 3, "entries": 4}]')
def test_digests_files(folder: Path, data: bytes) -> None:
    (folder / "digests.json").write_bytes(data)
    with pytest.raises(InputError, match=r"digests\.json"):
        read_digests([str(folder / "digests.json")])


@hostile
@example(b'[{"Config": 5, "Layers": 5}]')
@example(b'[{"Config": "manifest.json", "Layers": 5}]')
def test_what_docker_save_writes(folder: Path, data: bytes) -> None:
    for name in ("manifest.json", "index.json"):
        stream = io.BytesIO(make_tar({name: data}))
        with pytest.raises(BakeryError), image_archive(stream, AMD64):
            pass


@hostile
def test_records_of_bases(folder: Path, catalog: Catalog, data: bytes) -> None:
    base = folder / "home" / "bases" / "bookworm-amd64"
    base.mkdir(parents=True, exist_ok=True)
    (base / "base.json").write_bytes(data)
    (target,) = (target for target in catalog.targets if target.name == "bookworm")
    assert BaseResolver(Workspace(folder, folder / "home"), catalog).cached(target, AMD64) is None


@pytest.mark.parametrize("content", [b"[]", b'{"currentContext": 5}', b'{"currentContext": []}', DEEP_OBJECT])
def test_current_docker_context(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setattr("bakery.engine.discovery.SYSTEM_SOCKET", folder / "missing")
    attempt(lambda: running_engine(Workspace(folder, folder / "home")))


@pytest.mark.parametrize("host", ["https://[::1", "tcp://[::1", "x://", "tcp://a:99999999", "\ud800", "://"])
def test_addresses_of_engines(folder: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    engine = Engine("DOCKER_HOST", host, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is not the address of an engine"):
        _ = engine.client


@EXAMPLES
@given(st.binary(max_size=300))
@example(b"-----BEGIN PGP SIGNATURE-----\nComment: \xff\n\n\xff\n-----END PGP SIGNATURE-----")
def test_armour(data: bytes) -> None:
    for text in (data, b"-----BEGIN PGP SIGNATURE-----\n" + data + b"\n-----END PGP SIGNATURE-----"):
        attempt(lambda text=text: dearmor(text, "SIGNATURE", "it"), BadSignature)


@EXAMPLES
@given(st.text(max_size=200))
@example(
    f"Package: p\nDirectory: pool/p\nVersion: 3.{DIGITS}.1-1\nChecksums-Sha256:\n {'a' * 64} {DIGITS} p.orig.tar.xz\n"
)
def test_source_indexes(text: str) -> None:
    attempt(lambda: list(parse_source_index(text, "a test")))


# --- TOML


LOCK = 'schema = 1\n[releases."{}"]\nfile = "Python-{}.tar.xz"\nsha256 = "{}"\nrecorded_by = "x"\n'
HOSTILE_TOML = {
    "arrays": "a = " + "[" * DEEP + "]" * DEEP,
    "tables": "a = " + "{a=" * DEEP + "1" + "}" * DEEP,
    "dotted keys": f"schema = 1\n{'.'.join(['a'] * 5000)} = 1",
    "dotted keys in a table": f"schema = 1\nx = {{{'.'.join(['long'] * 20_000)} = 1}}",
    "dotted keys with spaces": f"schema = 1\n[{' . '.join(['a'] * 20_000)}]",
    "a large file": "#" * (2 << 20),
    "digits": f"schema = {DIGITS}",
    "hexadecimal digits": f"schema = 0x{'f' * 5000}",
    "not UTF-8": b"a = '\xff'",
    "a version of 5,000 digits": LOCK.format(f"3.{DIGITS}.1", f"3.{DIGITS}.1", "a" * 64),
    **{
        f"not a release: {text!r}": LOCK.format(text.replace("\n", "\\n"), "3.13.5", "a" * 64)
        for text in ("v3.13.5", "1!3.13.5", "3.13.5.post1", "3.13.5+x", " 3.13.5", "3.13.5\n", "3.13.99999999")
    },
    "no such day": LOCK.format("3.13.5", "3.13.5", "a" * 64) + 'date = "9999-99-99"\n',
    "the week of a day": LOCK.format("3.13.5", "3.13.5", "a" * 64) + 'date = "2026-W01-1"\n',
}


@pytest.mark.parametrize("name", HOSTILE_TOML)
def test_toml_of_the_lock(folder: Path, name: str) -> None:
    text = HOSTILE_TOML[name]
    (folder / "shared" / "lock.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=r"lock\.toml"):
        load_catalog(folder)


@pytest.mark.parametrize(
    "text", [f'schema = "{DIGITS}"', f'schema = 1\n[releases."{DIGITS}"]', f"schema = 1\n{DIGITS} = 1"]
)
def test_an_error_does_not_repeat_a_long_value_or_key(folder: Path, text: str) -> None:
    (folder / "shared" / "lock.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"lock\.toml") as caught:
        load_catalog(folder)
    assert len(str(caught.value)) < 2500


@EXAMPLES
@given(st.text(max_size=200), st.sampled_from(["lock", "upstream"]))
def test_toml(folder: Path, text: str, name: str) -> None:
    (folder / "shared" / f"{name}.toml").write_text(f"schema = 1\n{text}", encoding="utf-8", errors="replace")
    attempt(lambda: load_catalog(folder) if name == "lock" else load_trust(folder))


# --- anything other than regular files


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A FIFO that has no writer."""
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


@pytest.mark.parametrize("path", ["fifo", "/dev/zero", "/dev/stdin"])
def test_base_and_source_that_are_not_regular_files_are_refused(fifo: Path, catalog: Catalog, path: str) -> None:
    name = str(fifo) if path == "fifo" else path
    if path == "/dev/stdin" and Path(path).is_file():
        pytest.skip("standard input is a file")
    workspace, (target, *_) = Workspace(fifo.parent, fifo.parent / "home"), catalog.targets
    with pytest.raises(InputError, match="expected a file or a folder"):
        BaseResolver(workspace, catalog, name).resolve(target, AMD64)
    with pytest.raises(InputError, match="expected a file or a folder"):
        from_source(name, select_images(catalog, ["3.13"]), ["3.13"], workspace.home, print)


def test_cached_tarball_that_is_a_fifo_is_refused(fifo: Path, catalog: Catalog) -> None:
    (image,) = select_images(catalog, ["3.13"])
    cache = SourceCache(Workspace(fifo.parent, fifo.parent / "home"), None, print)
    cache.folder(image.pin).mkdir(parents=True)
    fifo.rename(cache.folder(image.pin) / image.pin.file)
    with pytest.raises(BakeryError, match="is a FIFO"):
        cache.fetch(image.pin, image.series, "inv build")


def test_data_files_that_are_fifos_are_refused(folder: Path) -> None:
    for name in ("lock.toml", "status.json", "official-sizes.json", "facts.xz"):
        os.mkfifo(folder / "shared" / name)
    os.mkfifo(folder / "index.json")
    for reader in (
        lambda: load_catalog(folder), lambda: read_status(folder), lambda: read_baseline(folder),
        lambda: read_facts(folder / "shared" / "facts.xz"), lambda: oci.layout_digest(folder),
    ):  # fmt: skip
        with pytest.raises(BakeryError):
            reader()


def test_scripts_and_documents_of_the_clone_that_are_fifos_are_refused(folder: Path, catalog: Catalog) -> None:
    for name in ("base.sh", "Dockerfile", "README.md"):
        os.mkfifo(folder / "shared" / name)
    bases = BaseResolver(Workspace(folder, folder / "home"), catalog, "")
    for reader in (
        lambda: bases._recipe(catalog.targets[0]), lambda: stages_after_compiling(folder / "shared" / "Dockerfile"),
        lambda: update_readme(folder / "shared" / "README.md", {}, check=True),
        lambda: update_files(folder / "shared", ".md", {}, check=True),
    ):  # fmt: skip
        with pytest.raises(OSError, match="expected a regular file, not a FIFO"):
            reader()


def test_documents_of_the_clone_that_are_not_utf_8_are_refused_by_name(folder: Path) -> None:
    (folder / "shared" / "README.md").write_bytes(b"a\xff")
    (folder / "shared" / "Dockerfile").write_bytes(b"a\xff")
    for reader, name in (
        (lambda: stages_after_compiling(folder / "shared" / "Dockerfile"), "Dockerfile"),
        (lambda: update_readme(folder / "shared" / "README.md", {}, check=True), "README.md"),
        (lambda: update_files(folder / "shared", ".md", {}, check=True), "README.md"),
    ):
        with pytest.raises(OSError, match="expected UTF-8, but byte 1 is invalid") as caught:
            reader()
        assert caught.value.filename == str(folder / "shared" / name)


def test_ca_bundle_and_digests_file_that_are_fifos_are_refused(fifo: Path) -> None:
    with pytest.raises(InputError, match="expected a file with CA certificates"):
        users_bundle(str(fifo))
    with pytest.raises(InputError, match="expected a regular file, not a FIFO"):
        read_digests([str(fifo)])


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_file_that_is_written_replaces_no_device_and_no_link(fifo: Path, kind: str) -> None:
    file = fifo
    if kind == "link":
        (file := fifo.with_name("link")).symlink_to("/dev/null")
    with pytest.raises(BakeryError, match="expected a regular file"):
        write_whole(file, "text")
    assert file.is_symlink() or file.is_fifo()


def test_names_that_are_not_utf_8_are_written_as_escapes(folder: Path) -> None:
    write_whole(folder / "file", "a \udcff")
    assert (folder / "file").read_text() == "a \\udcff"


# --- arguments


@EXAMPLES
@given(NAMES)
@example(f"3.{DIGITS}")
@example(f"3.13.{DIGITS}t")
@example("\udcff")
@example("~nobody-at-all/x")
@example("x" * 5000)
def test_arguments(catalog: Catalog, text: str) -> None:
    root = Path("/nonexistent")
    for reader in (
        lambda: select_images(catalog, [text], [text], [text]), lambda: select_images(catalog, ["3.13"], [text]),
        lambda: select_images(catalog, ["3.13"], [], [text]), lambda: parse_platforms(catalog.platforms, [text]),
        lambda: parse_compression(text), lambda: parse("jobs", text, {"repeats": False, "minimum": 1}),
        lambda: split_reference(text), lambda: version_of(text),
    ):  # fmt: skip
        attempt(reader)
    if "\0" not in text and not text.startswith("/") and "/" not in text:
        images = select_images(catalog, ["3.13"])
        with pytest.raises(InputError, match="--source="):
            from_source(text + "/no-such-file", images, [], root, print)
        base = BaseResolver(Workspace(root, root), catalog, text + "-none")
        attempt(lambda: base.preview(catalog.targets[0], AMD64))


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "٣", f"1{DIGITS}", "1e3", " 1"])
def test_numbers_that_no_option_takes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"expected a number, 1 or more|expected at most 4096"):
        parse("jobs", text, {"repeats": False, "minimum": 1})


def test_mirrors_without_a_valid_url_are_findings_of_the_doctor() -> None:
    finding = _check_server("mirror", "https://[::1", "Mend it.")
    assert (finding.state, finding.details, finding.advice) == ("warning", "not a valid URL", "Mend it.")


def test_a_cache_that_cannot_be_written_is_reported(catalog: Catalog) -> None:
    (image,) = select_images(catalog, ["3.13"])
    home = Path("/proc/self/fdinfo/none")
    with pytest.raises(BakeryError, match="/proc/self/fdinfo/none") as caught:
        SourceCache(Workspace(home, home), None, print).fetch(image.pin, image.series, "inv build")
    assert "$BAKERY_HOME" in caught.value.hint


def test_unset_home_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "BAKERY_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="HOME is not set") as caught:
        require_own_cache(find_workspace(tmp_path).home)
    assert "BAKERY_HOME=FOLDER" in caught.value.hint


# --- output


@EXAMPLES
@given(st.text(max_size=60))
@example("\x1b]0;title\x07\x1b[2J")
@example("\x9b31m\u202e\udcff")
def test_no_control_character_reaches_a_message_or_a_table(text: str) -> None:
    allowed = {"\n", "\t"}
    shown = [str(BakeryError(text, hint=text)), printable(text)]
    shown += [redact(render([{"a": text}], (Column("a"),), form)) for form in FORMATS]
    for result in shown:
        result.encode()
        assert not [char for char in result if (ord(char) < 32 or 127 <= ord(char) < 160) and char not in allowed]
    assert json.loads(redact(render([{"a": text}], (Column("a"),), "json")))


def test_colours_are_removed_and_carriage_returns_begin_lines() -> None:
    assert printable("\x1b[1;31merror:\x1b[0m no\rtwo") == "error: no\ntwo"


@pytest.mark.parametrize("text", ["a|b", "`rm`", "a\\|b", "a\nb", "a\r\nb", "|||"])
def test_a_cell_stays_one_cell_of_a_markdown_table(text: str) -> None:
    *_, line = render([{"a": text, "b": "end"}], (Column("a"), Column("b")), "markdown").splitlines()
    assert render([{"a": text}], (Column("a"),), "markdown").count("\n") == 3
    plain = line.replace("\\\\", "").replace("\\|", "").replace("\\`", "")
    assert plain.count("|") == 3 and "`" not in plain


@pytest.mark.parametrize("name", ["packages", "base", "source", "apt_mirror", "builder", "bill", "html"])
def test_an_option_that_is_given_without_a_value_is_refused(name: str) -> None:
    options = options_of([Selection, Building, Measuring, Scanning], name, {})
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}= is empty"):
        parse(name.replace("_", "-"), " \n", options[name].metadata)
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}= is empty"):
        make_groups([Selection, Building, Measuring, Scanning], options, {name: ""})


def test_a_file_that_is_too_large_to_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakery.records.packages.MEDIUM", 10)
    (tmp_path / "x").write_bytes(bytes(11))
    with pytest.raises(InputError, match="expected at most 10 bytes"):
        read_resolution(tmp_path / "x")


def test_a_record_of_facts_that_is_a_bomb_or_damaged_is_refused(tmp_path: Path) -> None:
    for data in (lzma.compress(bytes(130 << 20), preset=0), lzma.compress(b"{")[:-9], b"\xfd7zXZ\0", b""):
        (tmp_path / "a.json.xz").write_bytes(data)
        with pytest.raises(BakeryError, match="expected a record of facts"):
            read_facts(tmp_path / "a.json.xz")


@hostile
def test_resolutions_of_packages(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match="not a resolution of packages"):
        read_resolution(tmp_path / "x.json")


@pytest.mark.parametrize("part", range(3))
def test_a_blob_that_has_changed_in_the_engine_is_not_pushed(part: int) -> None:
    archive = Archive()
    archive.image([make_tar({"a": b"1"})])
    digest = list(archive.blobs)[part]
    archive.blobs[digest] = archive.blobs[digest].replace(b"a", b"b") + b" "
    data = io.BytesIO(archive.save())
    with pytest.raises(BakeryError, match=f"damaged: {digest} has other bytes"), tarfile.open(fileobj=data) as tar:
        payload = Payload(tar, AMD64)
        for blob in payload.blobs:
            payload.open(blob).read()


@pytest.mark.parametrize(
    "location",
    ["https://[::1", "http://127.0.0.1:1/x", "http://me:marker@127.0.0.1:1/?token=marker", "http://h:99999999/x"],
)
def test_a_location_that_cannot_be_reached_is_an_error(location: str) -> None:
    with pytest.raises(InputError, match="cannot be reached") as caught:
        read_location(location, 10)
    assert "marker" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "../../x"}, {"series": "3.13/.."}, {"target": ".."}, {"platform": "linux/../../x"}, {"image": "a\n"},
        {"base": {"name": "x", "digest": "", "origin": "../x"}},
    ],
)  # fmt: skip
def test_a_record_cannot_name_a_page_in_another_folder(change: Any) -> None:
    record = {**json.loads(msgspec.json.encode(local_record(), enc_hook=str)), **change}
    with pytest.raises(msgspec.ValidationError, match="regex"):
        msgspec.convert(record, LocalRecord)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("reader", ["base", "source"])
def test_a_tar_that_is_cut_between_two_members_is_rejected(
    tmp_path: Path, catalog: Catalog, reader: str, pack: Callable[[bytes], bytes]
) -> None:
    files = {"etc/hostname": b"a", "configure": b"b", "usr/bin/env": b"c"}
    whole = make_tar(files)
    (tmp_path / "whole.tar").write_bytes(pack(whole))
    (tmp_path / "cut.tar").write_bytes(pack(whole[: whole.index(b"usr/bin/env\0")]))
    if reader == "base":
        oci.check_root_file_system(tmp_path / "whole.tar")
        with pytest.raises(InputError, match="it was cut off"):
            oci.check_root_file_system(tmp_path / "cut.tar")
    else:
        for name, message in (("whole", "Include/patchlevel.h"), ("cut", "it was cut off")):
            with pytest.raises(InputError, match=message):
                from_source(str(tmp_path / f"{name}.tar"), select_images(catalog, ["3.13"]), ["3.13"], tmp_path, print)


def test_a_file_to_write_that_is_a_folder_or_a_device_is_not_to_be_removed(tmp_path: Path) -> None:
    for file in (tmp_path, Path("/dev/full")):
        with pytest.raises(BakeryError, match="expected a regular file") as caught:
            write_whole(file, "x")
        assert caught.value.hint.startswith("Write to another file")


def test_a_site_does_not_replace_another_one(root: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("images/mine.html", "index.html"):
        (tmp_path / name).write_text("x")
    workspace = Workspace(root, tmp_path / "home")
    with pytest.raises(InputError, match=r"files that `inv site` did not write: images, index\.html"):
        write_site(workspace, tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"images", "mine.html", "index.html"}
    assert "index.html written" in write_site(workspace, tmp_path / "new") == write_site(workspace, tmp_path / "new")


@pytest.mark.parametrize("location", ["ftp://host/x", "file:///etc/passwd", "s3://bucket"])
def test_a_location_of_another_protocol_is_an_error_that_says_which_are_read(location: str) -> None:
    with pytest.raises(InputError, match="expected a file, or a URL that begins with https"):
        read_location(location, 10)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"version": ("3.13",)}, "--version"), ({"all": True, "source": "x"}, "--source --all"),
        ({"platform": ("amd64", "arm64")}, "all but one --platform"),
    ],
)  # fmt: skip
def test_images_are_not_selected_twice(more: dict[str, Any], found: str) -> None:
    Selection(platform=("amd64",)).refuse("--image")
    with pytest.raises(InputError, match=f"--image already says which images: leave out {found}$"):
        Selection(**more).refuse("--image")


@pytest.mark.parametrize("name", ["version", "packages", "jobs", "compression", "builder"])
def test_a_value_of_100_000_characters_is_not_repeated(name: str) -> None:
    rules = options_of([Selection, Building], name, {})[name].metadata
    with pytest.raises(InputError, match=f"^--{name} has 100000 characters: expected at most 4096$"):
        parse(name, ["x" * 100_000] if rules["repeats"] else "x" * 100_000, rules)


@pytest.mark.parametrize("typed", ["", " ", ",", ", ,", "\n", "\t,\u3000"])
@pytest.mark.parametrize("name", ["version", "target", "variant", "platform", "only", "k", "cache_from", "merge"])
def test_a_repeatable_option_without_a_value_is_refused(name: str, typed: str) -> None:
    groups = [Selection, Building, Measuring, Publishing]
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}= is empty"):
        make_groups(groups, options_of(groups, name, {}), {name: ["x", typed]})
    make_groups(groups, options_of(groups, name, {}), {name: []})


def test_documents_that_would_take_too_much_memory_are_refused(tmp_path: Path) -> None:
    """JSON can take 25 times as much memory as it has bytes, xz and empty objects more."""
    large = b"[" + b" " * (9 << 20) + b"]"
    shared, results, facts = (tmp_path / name for name in ("shared", "docs/results", "facts.json.xz"))
    for file in (shared / "status.json", shared / "official-sizes.json", results / "a.json", tmp_path / "sbom.json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(large)
    facts.write_bytes(lzma.compress(large, preset=0))
    page: Any = None  # not read
    readers: list[Callable[[], object]] = [
        lambda: read_status(tmp_path), lambda: read_baseline(tmp_path), lambda: read_results(results),
        lambda: packages_of(tmp_path / "sbom.json", page), lambda: read_facts(facts),
    ]  # fmt: skip
    for reader in readers:
        with pytest.raises(BakeryError, match=r"expected at most 8388608 bytes|unpacks to more than 8388608 bytes"):
            reader()
    with pytest.raises(InputError, match="it has more than 300,000 objects"):
        parse_bill(b'{"documentNamespace": "x", "packages": [' + b"{}," * (2 << 20) + b"{}]}")
    assert 2 * LAYER_LIMIT <= 128 << 20, "two images are compared"
