"""Follows a build through the output of ``buildx --progress=rawjson`` and the markers that compile.sh prints.

``status_messages`` parses bytes, ``Tracker`` derives phases and a log from the messages.
"""

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import msgspec

from bakery.redaction import redact

MARKER = "##phase "
STAGES = (
    ("[toolchain", "toolchain"), ("[compiler", "toolchain"), ("[resolve", "packages"), ("[upgrades", "packages"),
    ("[distribution", "packages"), ("[packages", "packages"), ("[installed", "install"),
    ("exporting to ", "export"),
)  # fmt: skip
"""Prefixes of the names of build steps that print no marker, and the phases that these steps belong to."""


class _Vertex(msgspec.Struct):
    digest: str
    name: str = ""
    started: str | None = None
    completed: str | None = None
    cached: bool = False
    error: str = ""


class _Log(msgspec.Struct):
    vertex: str
    data: bytes | None = None


class _Status(msgspec.Struct):
    vertexes: list[_Vertex] | None = None
    logs: list[_Log] | None = None


def status_messages(chunks: Iterable[bytes]) -> Iterator[dict[str, Any] | str]:
    """The JSON objects and the lines of plain text in buildx's standard error, each as soon as it is complete.

    buildx 0.13 spreads an object over many lines, later versions write one per line; errors are text between objects.
    A line that cannot be parsed is text, and so is an incomplete object at the end.
    """
    parse, pending = json.JSONDecoder().raw_decode, ""
    for text in codecs.iterdecode(chunks, "utf-8", "replace"):
        pending += text
        if pending.startswith("{") and "}" not in text and len(pending) > len(text):
            continue  # the object is still incomplete
        while pending := pending.lstrip():
            message, end = None, 0
            if pending.startswith("{"):
                try:
                    message, end = parse(pending)
                except json.JSONDecodeError:
                    break
                except (ValueError, RecursionError):  # a number with too many digits, too many levels
                    pass
            if message is not None:
                pending = pending[end:]
            elif "\n" in pending:
                line, _, pending = pending.partition("\n")
                message = line.rstrip()
            else:
                break
            yield message
    if pending:
        yield pending.rstrip()


class Tracker:
    """Follows one build: calls ``enter`` at each new phase, writes a readable log, keeps each step's last lines."""

    def __init__(self, log: IO[str], enter: Callable[[str], None]) -> None:
        self.log, self.enter = log, enter
        self.numbers: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.tails: dict[str, list[str]] = {}
        self.partial: dict[str, str] = {}
        self.decoders: dict[str, codecs.IncrementalDecoder] = {}
        self.started: set[str] = set()
        self.failed: str | None = None
        self.compiled = False
        self.text: list[str] = []

    def write(self, line: str) -> None:
        """Write ``line`` to the log without secrets."""
        self.log.write(f"{redact(line)}\n")

    def take(self, status: dict[str, Any] | str) -> None:
        """Process one message of :func:`status_messages`."""
        try:
            parsed = msgspec.convert(status, _Status)
        except msgspec.ValidationError:
            text = status if isinstance(status, str) else json.dumps(status)
            self.text.append(text)
            self.write(text)
            return
        for vertex in parsed.vertexes or ():
            self._vertex(vertex)
        for entry in parsed.logs or ():
            decoder = self.decoders.setdefault(entry.vertex, codecs.getincrementaldecoder("utf-8")("replace"))
            data = decoder.decode(entry.data or b"")
            *lines, self.partial[entry.vertex] = (self.partial.get(entry.vertex, "") + data).split("\n")
            for line in lines:
                self._line(entry.vertex, line.rstrip("\r"))
        self.log.flush()

    def _vertex(self, vertex: _Vertex) -> None:
        digest, name = vertex.digest, vertex.name
        number = self.numbers.setdefault(digest, len(self.numbers) + 1)
        self.names[digest] = name
        if vertex.started and digest not in self.started:
            self.started.add(digest)
            self.write(f"#{number} {name}{' (cached)' if vertex.cached else ''}")
            if not vertex.cached:
                for start, phase in STAGES:
                    if name.startswith(start) and not name.endswith(" FROM base"):
                        self.enter(phase)
        if vertex.completed and self.partial.get(digest):
            self._line(digest, self.partial.pop(digest))
        error = vertex.error
        if error and not error.endswith("context canceled") and self.failed is None:
            self.failed = digest
            self.write(f"#{number} ERROR {error}")

    def _line(self, digest: str, line: str) -> None:
        self.write(f"#{self.numbers.get(digest, 0)} {line}")
        if line.startswith(MARKER):
            self.compiled = True
            self.enter(line.removeprefix(MARKER).strip())
            return
        tail = self.tails.setdefault(digest, [])
        tail.append(line)
        del tail[:-40]

    def failure(self, lines: int = 20) -> list[str]:
        """The failing step's name and its last ``lines`` lines; buildx's own messages if no step failed."""
        if self.failed is None:
            return self.text[-lines:]
        rest = self.partial.get(self.failed, "")
        tail = self.tails.get(self.failed, []) + ([rest] if rest else [])
        return [self.names[self.failed], *(tail[-lines:] or self.text[-lines:])]
