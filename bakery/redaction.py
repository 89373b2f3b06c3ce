"""Removes secrets from texts before they are shown, logged or recorded: logins in URLs, keys and tokens by name."""

import re

HIDDEN = "..."
_SECRET = re.compile(
    r"(?i)secret|token|passw|pwd|credential|(access|account|api|private)[_-]?key|^x-.*signature$|^(sig|auth)$"
)
_VALUE = re.compile(r"""(?<![\w.-])([\w.-]+)=("[^"]*"|[^\s&,"']+)""")
_HEADER = re.compile(r"(?i)(authorization\W{1,4}(?:(?:basic|bearer) +)?)[^\s,\"']+")


def redact(text: str) -> str:
    """``text`` without passwords; a login ends at the last ``@``, because passwords contain slashes and more.

    >>> redact("http://name:pass/w@rd@proxy:3128 type=s3,secret_access_key=abc,name=x https://h/?token=abc&a=1")
    'http://...@proxy:3128 type=s3,secret_access_key=...,name=x https://h/?token=...&a=1'
    >>> redact("docker-image://debian:12@sha256:abc")
    'docker-image://debian:12@sha256:abc'
    """
    if "@" in text:
        text = re.sub(r"\S+", lambda word: _without_login(word[0]), text)
    text = _VALUE.sub(lambda pair: f"{pair[1]}={HIDDEN}" if _SECRET.search(pair[1]) else pair[0], text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)


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
