"""No secret is shown, logged or recorded: errors, messages, tables, progress, logs of builds and records redact it."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from bakery import names, process, redaction
from bakery.display import Column, Display, show, tell
from bakery.engine import BuildxOptions
from bakery.engine.build_log import Tracker
from bakery.engine.buildx import BuildxProcesses
from bakery.errors import BakeryError, InputError, Unavailable
from bakery.records.builds import json_text
from bakery.redaction import redact, shorten
from bakery.urls import is_public
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
    f"COSIGN_PASSWORD={SECRET}",
    f"https://host/?x=1\\u0026sig={SECRET}", f'{{"password": "{SECRET}", "x": 1}}', f"https://host/?Signature={SECRET}",
    f"type=azblob,account_url=https://host/%3Fsv%3D1%26sig%3D{quote(SECRET, safe='')}",
    f"https://host/?url={quote(f'https://name:{SECRET}@host/?x=1', safe='')}", f"https://host/?%73ig={SECRET}",
    f"https://host/?url={quote(quote(f'https://host/?sig={SECRET}%26{SECRET}', safe=''), safe='')}",
    f"SharedAccessSignature=sv%3D1&sig%3d{SECRET}", f"https://host/?a=%0A%1b%3Fsig=%{SECRET}",
    f"http_proxy=name:{SECRET}@host", f"docker-image://name:{SECRET}@host/image@sha256:{'a' * 64}",
    *(f"https://name:p{space}{SECRET}@host/x" for space in " \t\N{NO-BREAK SPACE}"), f"https://n:a@b {SECRET}@host",
    *(f"https://host/x?{name}={SECRET}" for name in ("pass", "pw", "key", "code", "jwt", "x")), f"/x?key={SECRET}",
    f"https://host/?{SECRET}", f"https://host/%3Fkey%3D'{SECRET}'", f"https://host/?a=b,{SECRET}",
    f"DB_PASS={SECRET}", f"password: {SECRET}", f"client_secret: {SECRET}", f"{{'token': '{SECRET}', 'x': 1}}",
    f"secret='a {SECRET}'", f"'--token=a {SECRET}'", f'"token"="{SECRET}"', f"PRIVATE-TOKEN: {SECRET}",
    f'{{"password": "a\\"{SECRET}", "x": 1}}', f'{{\\"password\\": \\"a {SECRET}\\"}}', f'"secret=a\\b{SECRET}"',
    f"machine host login name password {SECRET}", f"--key=pkcs11:token=x?module-path=/x&pin-value={SECRET}",
    f"Bearer 1{SECRET}", f"eyJhbGciOi.{SECRET.replace('/', '-')}.x",
    *(f"{start}{SECRET.replace('/', '_')}" for start in ("ghp_", "ghs_", "github_pat_", "glpat-", "dckr_pat_")),
]  # fmt: skip
HEADERS = [
    f"Authorization: Bearer {SECRET}", f"Authorization: Basic {SECRET}", f"Authorization: token {SECRET}",
    f'Authorization: Digest username="a b", response="{SECRET}"', f"Cookie: a=b; c={SECRET}",
    f"X-Registry-Auth: {SECRET}", f"Proxy-Authorization: {SECRET}",
    f'{{"Authorization": "Digest username=\\"a\\", response=\\"{SECRET}\\""}}',
    f"{{'Authorization': 'token {SECRET}'}}",
]  # fmt: skip
TEXTS += HEADERS


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", [])


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_redacted_and_the_rest_stays(text: str) -> None:
    end = "\nafter" if text in HEADERS else " after"  # a header is hidden to the end of its line
    assert "S3cr" not in redact(f"before {text}{end}")
    assert redact(f"before {text}{end}").startswith("before ")
    assert redact(f"before {text}{end}").endswith(end)


@pytest.mark.parametrize(
    "text",
    [
        f"docker-image://debian:12@sha256:{'a' * 64}", "oci-layout:///home/x/bases/bookworm@sha256:abc", "a@b.example",
        "--secret id=apt.conf,env=BAKERY_SECRET_APT_CONF", "--label x.source.signature=good", "type=s3,name=x,mode=max",
        "https://www.python.org/ftp/python/3.13.5/Python-3.13.5.tar.xz", "git@host.example:owner/name",
        "https://host/a%20b%2Fc%25", "100 %", "%zz%", "http://127.0.0.1:5000/x me@host", "http://HOST[:PORT], a@b",
        "docker-image://debian:bookworm-slim a@b", "Parser/token.c: In function", "test_secrets: passed",
        "/etc/passwd: not found",
        "a bearer token", "cache-key=abc", "https://host/?", "/usr/lib/python3.?/x",
    ],
)  # fmt: skip
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "start",
    [
        "a" * 100_000, "=:" * 50_000, "token-" * 20_000, "@sha256:" * 5_000, ":" * 100_000, "%41" * 30_000,
        "https://a:b" * 10_000, "?" * 100_000, "https://a?b=" * 10_000, '?a="' * 30_000, "eyJhbGciO-" * 10_000,
        "password " * 10_000, "login x " * 10_000, "token" + "\\" * 100_000, "bearer" + " " * 100_000,
        "bearer " * 10_000,
    ],
)  # fmt: skip
def test_a_long_hostile_text_is_redacted_in_linear_steps(start: str) -> None:
    assert redact(f"{start} https://a:{SECRET}@host").endswith(" https://...@host")


VARIABLES = {
    "https_proxy": "http://name:pa S3cr/et0@proxy.example:1", "BAKERY_MIRROR": "https://host/x?key=S3cr1 w0rd&a=b",
    "GITHUB_TOKEN": "S3cr/et2\n", "SIGNING_KEY": "-----BEGIN-----\nS3cr/et3\n", "ALL_PROXY": "me:S3cr%2Fet4@proxy",
    "PIP_EXTRA_INDEX_URL": "https://a:S3cr/et5@h/simple https://S3cr/et6@h/simple",
    "PWD": "/home/me/clone", "GPG_KEY": "A035C8C19219BA821ECEA86B64E628F8D684696D", "X_TOKEN_FILE": "/run/token1",
    "USE_TOKEN": "true", "VARIANT_SECRET": "bookworm", "DOCKER_HOST": "ssh://my-user1@host",
    "IMAGE": f"python:3.13-slim@sha256:{'a' * 64}",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Failed to parse: S3cr/et0", "name:pa S3cr/et0", "pa%20S3cr/et0", "S3cr1 w0rd", "a-S3cr/et2-b", "S3cr/et3",
        "S3cr%2Fet4", "S3cr/et4", "S3cr/et5", "S3cr/et6", "S3cr/et7",
    ],
)  # fmt: skip
def test_a_secret_of_the_environment_is_hidden_whatever_is_around_it(text: str) -> None:
    redaction.remember(["https://name:S3cr/et7@host"], VARIABLES)
    assert "S3cr" not in redact(f"before {text} after")


def test_values_in_the_environment_that_are_not_secret_stay() -> None:
    redaction.remember(["debian:12@sha256:" + "a" * 64], VARIABLES)
    text = f"{VARIABLES['PWD']} {VARIABLES['GPG_KEY']} /run/token1 true bookworm my-user1 python:3.13-slim debian:12"
    assert redact(text) == text


@pytest.mark.parametrize("space", [' "', "\t", "\n", "\N{NO-BREAK SPACE}", "ä"])
def test_a_secret_is_known_in_each_notation(space: str) -> None:
    secret = f"pa{space}S3cr/et"
    assert "S3cr" not in redact(f"https://name:{secret}@host")
    redaction.remember([f"https://name:{secret}@host"])
    notations = (secret, repr(secret), json.dumps(secret), f"name:{secret}", quote(secret, safe=""))
    for text in (*notations, *secret.splitlines()):
        assert "S3cr" not in redact(text)


def test_a_text_is_redacted_before_it_is_cut() -> None:
    login = f"https://name:{'X' * 400}@host/x"
    for check in (names.reference, names.repository, names.stamp):
        with pytest.raises(InputError) as caught:
            check(login)
        assert "XX" not in str(caught.value)
    # The file that it names has a random name without capitals (tempfile).
    assert "XX" not in str(process.describe(RuntimeError(login)))
    assert shorten("x" * 20, 10) == "xxxxxxxxxx..."


PUBLIC = [
    "https://ci.example/1", "https://github.com/me/x/actions/runs/1", "https://h", "k8s://a/b", "awskms:///alias/x",
    "awskms://localhost:4566/arn:aws:kms:us-east-1:0:key/x", "https://[::1]:8080/x",
]  # fmt: skip


@pytest.mark.parametrize("url", PUBLIC)
def test_a_url_without_secrets_may_be_published(url: str) -> None:
    assert is_public(url)


@pytest.mark.parametrize(
    "url",
    [
        *TEXTS, "not a uri", "https://h/x y", "https://me@h", "https://h/?x", "https://h/#x", "https://h/é", "", "x",
        "user:pass", "https://h/ghp_S3cr3t", "https://h/%3Ftoken%3Dx", "https://h/x\n", "https://",
    ],
)  # fmt: skip
def test_a_url_that_may_have_a_secret_is_not_published(url: str) -> None:
    assert not is_public(url)


def test_text_that_is_encoded_too_often_is_hidden() -> None:
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
    BuildxProcesses(tmp_path).run(["echo", text], tmp_path, {}, file, lambda _: None)
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
        f"type=s3,bucket=b,endpoint_url=https://name:pa {SECRET}@host", f"name:pa {SECRET}@host/cache",
        f"type=azblob,account_url=https://host/?pass={SECRET}", f"type=gha,url=https://host/?key={SECRET}",
        f"type=gha,url=https://host/?{SECRET}", f"type=s3,endpoint_url={SECRET}@host", f"name:x=a {SECRET}@host/cache",
        f'type=s3,"endpoint_url=https://a,b:{SECRET} x@host"', f"type=gha,scope=ghp_{SECRET}", f"type=s3,x=a\n{SECRET}",
        f"type=s3,{SECRET}",
    ],
)  # fmt: skip
def test_a_cache_with_a_key_is_refused_because_arguments_of_processes_are_public(cache: str) -> None:
    for options in (BuildxOptions(cache_to=(cache,)), BuildxOptions(cache_from=(cache,))):
        with pytest.raises(InputError, match="must not contain keys") as caught:
            options.arguments("image")
        assert SECRET not in str(caught.value)
        assert "$AWS_SECRET_ACCESS_KEY" in caught.value.hint
