"""Makes texts safe to be shown, logged or recorded: without logins in URLs, keys, tokens and control characters."""

import re
from collections.abc import Mapping

HIDDEN = "..."
_SECRET = re.compile(
    r"(?i)secret|token|pass(w|phrase)|pwd|credential|(access|account|api|private)[_-]?key|^x-.*signature$"
    r"|accesssignature|^(sig|signature|auth)$"
)
_NAME = re.compile(r'(?<![\w.-])([\w.-]++)( *= *|" *: *)')
_VALUE = re.compile(r"""("[^"]*"|[^\s&,"']+)""")
_FIELD = re.compile(r'[^"\\]*')
"""The value in a quoted field, which may have commas, as in CSV."""
_JSON = re.compile(r"(?i)\\u00([0-7][0-9a-f])")
_PERCENT = re.compile("(?i)(?:%[0-9a-f]{2})+")
DEPTH = 8
"""How often a word may be encoded; what is encoded more often is hidden."""
_CONTROL = re.compile("\x1b\\[[0-9;]*m|[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HEADER = re.compile(r"(?i)(authorization\W{1,4}(?:(?:basic|bearer) +)?)[^\s,\"']+")


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
    """``text`` without passwords; a login ends at the last ``@``, because passwords contain slashes and more.

    >>> redact("http://name:pass/w@rd@proxy:3128 type=s3,secret_access_key=abc,name=x https://h/?token=abc&a=1")
    'http://...@proxy:3128 type=s3,secret_access_key=...,name=x https://h/?token=...&a=1'
    >>> redact("https://h/%3Fsv%3D1%26sig%3Dabc https://h/a%20b")
    'https://h/?sv=1&sig=... https://h/a%20b'
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


def _redact(text: str) -> str:
    if "@" in text:
        text = re.sub(r"\S+", lambda word: _without_login(word[0]), text)
    text = _without_values(text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)


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
        if name.start() >= end and _SECRET.search(name[1]):
            pattern = _FIELD if text[name.start() - 1 : name.start()] == '"' and "=" in name[2] else _VALUE
            if value := pattern.match(text, name.end()):
                parts += [text[end : name.end()], HIDDEN]
                end = value.end()
    return "".join(parts) + text[end:]


def _without_login(word: str) -> str:
    head, at, host = word.rpartition("@")
    while re.match(r"sha\d+:", host):  # not a host, but the digest of an image
        head, at, before = head.rpartition("@")
        host = f"{before}@{host}"
        if not at:
            return word
    scheme, slashes, login = head.partition("://")
    if not slashes:  # NAME:PASSWORD@HOST, as a proxy without its scheme
        start = max(head.rfind(mark, 0, head.find(":")) for mark in "=([{\"'<,") + 1 if ":" in head else len(head)
        scheme, login = head[:start], head[start:]
    return f"{scheme}{slashes}{HIDDEN}@{host}" if at and login else word
