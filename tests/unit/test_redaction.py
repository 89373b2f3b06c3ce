"""No secret is shown, logged or recorded: errors, messages, tables, progress, logs of builds and records redact it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from urllib.parse import quote

import pytest

from bakery.display import Column, Display, show, tell
from bakery.engine import BuildxOptions
from bakery.engine.build_log import Tracker
from bakery.engine.buildx import BuildxProcesses
from bakery.errors import BakeryError, InputError, Unavailable
from bakery.records.builds import json_text
from bakery.redaction import redact
from tests.records import local_record

SECRET = "S3cr/et"
TEXTS = [
    f"http://name:{SECRET}@proxy.example:3128/", f"name:{SECRET}@proxy.example:3128", f"https://{SECRET}@host/path",
    f"https://name:a%40{SECRET}@host", f"http://name:p@{SECRET}@host/x", f"({SECRET}:{SECRET}@host)",
    f"https://host/?token={SECRET}&x=1", f"https://host/?x=1&X-Amz-Signature={SECRET}", f"https://host/x?sig={SECRET}",
    f"type=s3,bucket=b,secret_access_key={SECRET},name=x", f"type=s3,access_key_id={SECRET}",
    f"type=azblob,account_url=https://host/?sig={SECRET}", f"type=azblob,account_url=https://host/?sv=1;sig={SECRET}",
    f"type=azblob,connection_string=AccountName=a;AccountKey={SECRET}", f'type=azblob,"secret_access_key=x,{SECRET}"',
    f"type=azblob,Secret_Access_Key = {SECRET}", "a=" * 5_000 + f"token={SECRET}",
    f"type=s3,session_token={SECRET}", f"type=gha,token={SECRET}", f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"COSIGN_PASSWORD={SECRET}", f"Authorization: Bearer {SECRET}", f"Authorization: Basic {SECRET}",
    f"https://host/?x=1\\u0026sig={SECRET}", f'{{"password": "{SECRET}", "x": 1}}', f"https://host/?Signature={SECRET}",
    f"type=azblob,account_url=https://host/%3Fsv%3D1%26sig%3D{quote(SECRET, safe='')}",
    f"https://host/?url={quote(f'https://name:{SECRET}@host/?x=1', safe='')}", f"https://host/?%73ig={SECRET}",
    f"https://host/?url={quote(quote(f'https://host/?sig={SECRET}%26{SECRET}', safe=''), safe='')}",
    f"SharedAccessSignature=sv%3D1&sig%3d{SECRET}", f"https://host/?a=%0A%1b%3Fsig=%{SECRET}",
    f"http_proxy=name:{SECRET}@host", f"docker-image://name:{SECRET}@host/image@sha256:{'a' * 64}",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_redacted_and_the_rest_stays(text: str) -> None:
    assert SECRET not in redact(f"before {text} after")
    assert redact(f"before {text} after").startswith("before ")
    assert redact(f"before {text} after").endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        f"docker-image://debian:12@sha256:{'a' * 64}", "oci-layout:///home/x/bases/bookworm@sha256:abc", "a@b.example",
        "--secret id=apt.conf,env=BAKERY_SECRET_APT_CONF", "--label x.source.signature=good", "type=s3,name=x,mode=max",
        "https://www.python.org/ftp/python/3.13.5/Python-3.13.5.tar.xz", "git@host.example:owner/name",
        "https://host/a%20b%2Fc%3Fd%3De%25", "100 %", "%zz%",
    ],
)  # fmt: skip
def test_what_is_not_a_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "start", ["a" * 100_000, "=:" * 50_000, "token-" * 20_000, "@sha256:" * 5_000, ":" * 100_000, "%41" * 30_000]
)
def test_a_long_hostile_text_is_redacted_in_linear_steps(start: str) -> None:
    assert redact(f"{start} https://a:{SECRET}@host").endswith(" https://...@host")


def test_what_is_encoded_endlessly_is_hidden() -> None:
    assert redact(f"a %{'25' * 50_000}41 b") == "a ... b"


@pytest.mark.parametrize("text", TEXTS)
def test_errors_messages_tables_and_progress_redact(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell(text)
    show([{"url": text}], [Column("url", "url")], "table")
    show([{"url": text}], [Column("url", "url")], "json")
    display = Display(io.StringIO())
    display.note("image", text)
    display.phase("image", text)
    printed = "".join(capsys.readouterr()) + display.stream.getvalue()  # type: ignore[attr-defined]
    errors = f"{BakeryError(text)} {BakeryError('x', hint=text)} {BakeryError(text)!r} {Unavailable(text)}"
    assert SECRET not in printed + errors


@pytest.mark.parametrize("text", TEXTS)
def test_logs_of_builds_redact_and_only_their_owner_reads_them(text: str, tmp_path: Path) -> None:
    log = io.StringIO()
    tracker = Tracker(log, lambda _: None)
    data = base64.b64encode(f"{text}\n".encode()).decode()
    vertex = {"digest": "d", "name": text, "started": "now", "error": text}
    tracker.take({"vertexes": [vertex], "logs": [{"vertex": "d", "data": data}]})
    tracker.take(text)
    assert SECRET not in log.getvalue()
    file = tmp_path / "image.log"
    file.touch(0o644)
    BuildxProcesses().run(["echo", text], tmp_path, {}, file, lambda _: None)
    assert SECRET not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", TEXTS)
def test_records_redact(text: str) -> None:
    import msgspec

    record = local_record(tags=(text,))
    assert SECRET not in json_text(record)
    msgspec.json.decode(json_text(record))


@pytest.mark.parametrize(
    "cache",
    [
        f"type=s3,bucket=b,secret_access_key={SECRET}", f'type=s3,"secret_access_key=a,{SECRET}"',
        f"type=gha,url=https://x,token={SECRET}", f"type=registry,ref=name:{SECRET}@host/cache",
        f"type=s3,endpoint_url=https://name:{SECRET}@host", f"name:{SECRET}@host/cache",
        f"type=azblob,account_url=https://host/%3Fsig%3D{SECRET}", f"type=azblob,account_url=https://host/%253Fs%2569g%3D{SECRET}",
    ],
)  # fmt: skip
def test_a_cache_with_a_key_is_refused_because_arguments_of_processes_are_public(cache: str) -> None:
    for options in (BuildxOptions(cache_to=(cache,)), BuildxOptions(cache_from=(cache,))):
        with pytest.raises(InputError, match="must not contain keys") as caught:
            options.arguments("image")
        assert SECRET not in str(caught.value)
        assert "$AWS_SECRET_ACCESS_KEY" in caught.value.hint
