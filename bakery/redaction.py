"""Makes texts safe to be shown, logged or recorded: without logins in URLs, keys, tokens and control characters."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

HIDDEN = "..."
_SECRET = re.compile(
    r"(?i)secret|token|pass(w|phrase)|pwd|credential|(access|account|api|private)[_-]?key|^x-.*signature$"
    r"|accesssignature|^(sig|signature|pin-value)$|(^|[_-])(auth|pass|pw|jwt)$"
)
_PUBLIC = re.compile(r"(?i)^(old)?pwd$|(^|_)gpg_key$|_(file|path|dir|sock|url|uri)$")
"""Environment variables without a secret, whatever their names say: python's official images set $GPG_KEY."""
_COMMON = re.compile(r"(?s).{,5}|[A-Z]?[a-z-]{,11}|[A-Z]{,11}|[\d.:]*")
"""Short texts, words and numbers, which occur in other texts too: hidden only where a secret is expected."""
_NAME = re.compile(r"""(?<![\w.-])([\w.-]++)(\\*["'] *[:=] *| *= *|: +)""")
_SETTING = re.compile(
    r"(?i)(?<!/)(?:[\w-]*(secret|token|passw(or)?d|passphrase|(access|account|api|private)[_-]?key)|([\w-]*[_-])?(pass|pw|pwd|jwt))"
)
"""Names before a colon, as in YAML; ``token.c: In function`` and ``/etc/passwd: no such file`` are not settings."""
_VALUE = re.compile(r"""(?s:"(?:\\.|[^"\\])*+"?|'(?:\\.|[^'\\])*+'?|\\+"[^"]*"?|\\+'[^']*'?|[^\s&,"']+)""")
_FIELD = {mark: re.compile(rf"(?:\\[^{mark}]|[^{mark}\\])*") for mark in "\"'"}
"""The value in a quoted field, which may have commas, as in CSV, and spaces."""
_JSON = re.compile(r"(?i)\\u00([0-7][0-9a-f])")
_PERCENT = re.compile("(?i)(?:%[0-9a-f]{2})+")
DEPTH = 8
"""How often a word may be encoded; what is encoded more often is hidden."""
_CONTROL = re.compile("\x1b\\[[0-9;]*m|[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LOGIN = re.compile(
    r"(?i)(?<=[a-z\d]://)(?<!image://)[\w.%+~-]*:(?!\d{1,5}(?:[^\w@]|\Z))(?:(?!://)[\s\S]){,300}@(?!sha\d+:)"
)
"""A user and a password, which may have white space; not a host and its port, nor an image and its tag."""
_QUERY = re.compile(r"""\?((?:=["'][^"']*["']|[^\s?"'<>\\])+)""")
_PARAMETER = re.compile("([^&;=]*=)[^&;]*|[^&;]+")
_HEADER = re.compile(
    rf"""(?i)((?:authorization|cookie|x-registry-(?:auth|config))(\\*["'])? *[:=] *)(?(2){_VALUE.pattern}|.+)"""
)
_NETRC = re.compile(r"(?i)(\b(?:machine|login|account)\s+\S+\s+password\s+)\S+")
_TOKEN = re.compile(
    r"(?i)(?<![a-z\d])(?:(?:gh[opsur]|github_pat|dckr_pat)_\w+|gl[a-z]{1,6}-[\w-]{6,}|(?<![\w-])eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"
    r"""|(?<=bearer )(?=\S*\d|\S{16})[^\s,"']+)"""
)
"""Tokens of GitHub, Docker Hub and GitLab, JSON web tokens, and what follows the word bearer."""
_known: list[str] = []
"""Secrets that the user gave to this process, the longest first."""


def remember(values: Iterable[object], variables: Mapping[str, str] | None = None) -> None:
    """Hide the user's secrets wherever they are shown from now on, whatever text is around them.

    These are the logins of URLs in the ``values`` of options (texts, lists of them, or others) and of environment
    ``variables``, and the values of variables whose names say that they are secret.
    """
    variables = variables or {}
    given = [text for value in values for text in (value if isinstance(value, list) else [value])]
    texts = [text for text in (*given, *variables.values()) if isinstance(text, str)]
    secrets = {part for text in texts for part in _secrets(text)}
    for name, value in variables.items():
        if (_SECRET.search(name) or re.search("(?i)(^|_)key(_id)?$", name)) and not _PUBLIC.search(name):
            secrets.add(value)
    secrets |= {_PERCENT.sub(_unquote, secret) for secret in secrets}
    secrets |= {word for secret in secrets for word in secret.split()}  # logs show lines, programs their arguments
    secrets = {secret for secret in secrets if not _COMMON.fullmatch(secret)}
    shown = {*map(printable, secrets), *(json.dumps(secret)[1:-1] for secret in secrets)}
    _known[:] = sorted(shown.union(_known), key=len, reverse=True)


def _secrets(text: str) -> Iterator[str]:
    """The logins and passwords in ``text``, as a whole and in each word, and query values with white space."""
    for part in {text, *text.split()} if "@" in text else ():
        before, login, _ = _split_login(part)
        user, colon, password = login.partition(":")
        if colon:
            yield from (f"{login}@", password)
        elif not before.endswith("ssh://"):  # a token
            yield user
    if "://" in text:
        values = (match[0].partition("=")[2] for match in _PARAMETER.finditer(text.partition("?")[2]))
        yield from (value for value in values if re.search(r"\s", value))


def printable(text: str) -> str:
    r"""``text`` without colours; other control characters, and bytes of names that are not UTF-8, as escapes.

    They could move the cursor, retitle the terminal or hide a part of a line; a lone surrogate cannot be encoded.

    >>> printable("\x1b[31mred\x1b[0m \x1b]0;title\x07 \udcff")
    'red \\u001b]0;title\\u0007 \\udcff'
    """
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    if match[0] == "\r":
        return "\n"
    return "" if len(match[0]) > 1 else f"\\u{ord(match[0]):04x}"


def redact(text: str) -> str:
    """``text`` without passwords, tokens and the values in URLs' queries.

    A login ends at the last ``@``, because passwords contain slashes, spaces and more.

    >>> redact("http://name:pass/w@rd@proxy:3128 type=s3,secret_access_key=abc,name=x https://h/?token=abc&a=1")
    'http://...@proxy:3128 type=s3,secret_access_key=...,name=x https://h/?token=...&a=...'
    >>> redact("https://h/%3Fsv%3D1%26sig%3Dabc https://h/a%20b")
    'https://h/?sv=...&sig=... https://h/a%20b'
    >>> redact("docker-image://debian:12@sha256:abc")
    'docker-image://debian:12@sha256:abc'
    """
    text = _redact(printable(text))
    return re.sub(r"\S+", lambda word: _redact_encoded(word[0]), text) if "%" in text or "\\u00" in text else text


def redacted(value: object) -> object:
    """``value`` with all texts in it redacted, before it is encoded as JSON: afterwards quotes and escapes could break.

    >>> redacted({"url": ["https://h/%3Ftoken%3D%22a%22"], "size": 1})
    {'url': ['https://h/?token=...'], 'size': 1}
    """
    if isinstance(value, Mapping):
        return {redacted(key): redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def shorten(text: str, longest: int) -> str:
    """``text`` redacted, then cut after ``longest`` characters: a login without its ``@`` would not be recognised.

    >>> shorten("https://name:password@h/x", 20)
    'https://...@h/x'
    """
    text = redact(text)
    return text if len(text) <= longest else f"{text[:longest]}..."


def _redact(text: str) -> str:
    for secret in _known:
        text = text.replace(secret, HIDDEN)
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    if "@" in text or "?" in text:
        text = re.sub(r"\S+", lambda word: _without_query(_without_login(word[0])), text)
    text = _without_values(text)
    for pattern in (_HEADER, _NETRC):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, text)


def _redact_encoded(word: str) -> str:
    """``word``, or what it encodes if that has a secret: in URLs, in URLs that are parameters of others, in JSON."""
    decoded = word
    for _ in range(DEPTH):
        before, decoded = decoded, _PERCENT.sub(_unquote, _JSON.sub(r"%\1", decoded))
        if decoded == before:
            return word
        if (redacted := _redact(printable(decoded))) != printable(decoded):
            word = decoded = redacted
    return HIDDEN


def _unquote(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode(errors="replace")


def _without_values(text: str) -> str:
    """A value can have names and values itself: ``account_url=https://host/?sig=x``, ``AccountName=a;AccountKey=b``."""
    parts, end = [], 0
    for name in _NAME.finditer(text):
        known = _SETTING.fullmatch(text, *name.span(1)) if name[2][0] == ":" else _SECRET.search(name[1])
        if known and name.start() >= end:
            mark = text[name.start() - 1 : name.start()] if name[2].strip() == "=" else ""
            pattern = _FIELD.get(mark, _VALUE)
            if value := pattern.match(text, name.end()):
                parts += [text[end : name.end()], HIDDEN]
                end = value.end()
    return "".join(parts) + text[end:]


def _without_query(word: str) -> str:
    """``word`` without the values in the query of a URL, or of a path with parameters as HTTP clients report it."""
    path = re.match(r"\W*/", word) and "=" in word
    if "?" not in word or ("://" not in word and not path):
        return word
    return _QUERY.sub(lambda query: "?" + _PARAMETER.sub(rf"\1{HIDDEN}", query[1]), word)


def _without_login(word: str) -> str:
    before, login, after = _split_login(word)
    return f"{before}{HIDDEN}{after}" if login else word


def _split_login(word: str) -> tuple[str, str, str]:
    """What is before, in and after the login of a URL or of a host; the login is empty if there is none."""
    head, at, host = word.rpartition("@")
    while re.match(r"sha\d+:", host):  # not a host, but the digest of an image
        head, at, before = head.rpartition("@")
        host = f"{before}@{host}"
    if not at:
        return word, "", ""
    scheme, slashes, login = head.partition("://")
    if not slashes:  # NAME:PASSWORD@HOST, as a proxy without its scheme
        start = max(head.rfind(mark, 0, head.find(":")) for mark in "=([{\"'<,") + 1 if ":" in head else len(head)
        scheme, login = head[:start], head[start:]
    return f"{scheme}{slashes}", login, f"@{host}"
