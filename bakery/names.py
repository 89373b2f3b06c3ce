"""Names of repositories and images, tags and digests, by the grammar of the distribution specification.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests. Docker adds the registry's host
in front (https://pkg.go.dev/github.com/distribution/reference).
"""

import hashlib
import io
import re
from typing import IO

from bakery.errors import InputError
from bakery.redaction import shorten

_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
DIGEST = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
_HOST = r"(?:localhost|(?=[^/]*[.:])[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
REPOSITORY = rf"(?=.{{1,255}}(?:[:@]|\Z))(?:{_HOST}/)?{_PART}(?:/{_PART})*"
REFERENCE = rf"{REPOSITORY}(?::{TAG})?(?:@{DIGEST})?"

GZIP = "-gzip"
"""The end of the tags of twins, the same content in gzip layers (:mod:`bakery.catalog.tags`)."""


def _require_match(pattern: str, text: str, problem: str, hint: str = "") -> str:
    if not re.fullmatch(pattern, text):
        raise InputError(problem, hint=hint)
    return text


def reference(text: str) -> str:
    """``text`` if it is an image's reference or identity; else :exc:`InputError`."""
    problem = f"{shorten(text, 300)!r} is not an image reference"
    return _require_match(REFERENCE, text, problem, "For example python:3.13-slim-bookworm.")


def repository(text: str) -> str:
    """``text`` if it is a repository, with or without its registry's host; else :exc:`InputError`."""
    problem = f"--repository={shorten(text, 300)}: expected a repository without a tag"
    return _require_match(
        REPOSITORY, text, problem, "For example 127.0.0.1:5000/infra7/python or ghcr.io/infra7/python."
    )


def stamp(text: str) -> str:
    """``text`` if it can be the end of a tag; else :exc:`InputError`."""
    problem = f"--stamp={shorten(text, 100)}: expected letters, digits and . _ - (at most 64), such as 20261122.2"
    _require_match(r"[A-Za-z0-9._-]{1,64}", text, problem)
    if f"-{text}".endswith(GZIP):
        hint = "Choose another stamp, such as 20261122.2."
        raise InputError(f"--stamp={text}: tags that end in {GZIP} are the names of images with gzip layers", hint=hint)
    return text


def builder(text: str) -> str:
    """``text`` if it can be the name of a builder, not an option of buildx; else :exc:`InputError`.

    A builder has a name of its own (buildx, store/util.go), or that of a docker context (docker's cli/context/store),
    which may begin with a digit and contain a plus.
    """
    expected = "expected letters, digits and _ . + -, beginning with a letter or a digit"
    problem, hint = f"--builder={shorten(text, 100)}: {expected}", "`docker buildx ls` lists the builders."
    return _require_match(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", text, problem, hint)


def tag(text: str) -> str:
    """``text`` if it is a tag; else :exc:`InputError`."""
    problem = f"{shorten(text, 300)!r} is not a tag: expected letters, digits and . _ - (at most 128)"
    return _require_match(TAG, text, problem)


def is_resource(repository: str, what: str) -> bool:
    """Whether ``what`` is the path of a manifest, a blob or an upload in ``repository``, and cannot leave it."""
    paths = rf"manifests/(?:{TAG}|{DIGEST})|blobs/(?:{DIGEST}|uploads/)"
    return bool(re.fullmatch(REPOSITORY, repository) and re.fullmatch(paths, what))


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest and not a tag."""
    return bool(re.fullmatch(DIGEST, text))


def is_digest_of(content: bytes | IO[bytes], digest: str) -> bool:
    """Whether ``content``, bytes or a stream that is read from its beginning, has this ``digest``."""
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    stream.seek(0)
    algorithm, _, expected = digest.partition(":")
    return is_digest(digest) and hashlib.file_digest(stream, algorithm).hexdigest() == expected  # type: ignore[arg-type]
