"""buildx's output is turned into phases, a log and the message of a failure; displays show progress."""

from __future__ import annotations

import base64
import errno
import io
import itertools
import json
from typing import Any

import pytest

from bakery.display.progress import Display, LiveDisplay, duration, make_display, phases_text
from bakery.engine.build_log import Tracker, status_messages

VERTEX, LOG = (
    {"vertexes": [{"digest": "sha256:1", "name": "[a] söme {step}"}]},
    {"logs": [{"vertex": "x", "data": "eA=="}]},
)
PRETTY, LINES = (lambda value: json.dumps(value, indent=1, ensure_ascii=False), lambda value: json.dumps(value))


def feed(data: bytes, *cuts: int) -> list[Any]:
    return list(status_messages(data[start:end] for start, end in itertools.pairwise((0, *cuts, len(data)))))


@pytest.mark.parametrize("form", [PRETTY, LINES], ids=["many lines", "one line"])
def test_objects_are_parsed_on_one_line_or_on_many(form: Any) -> None:
    assert feed(f"{form(VERTEX)}\n{form(LOG)}\n".encode()) == [VERTEX, LOG]
    assert feed(f"{form(VERTEX)}{form(LOG)}".encode()) == [VERTEX, LOG]


def test_text_between_objects_is_returned_line_by_line() -> None:
    text = f"WARNING: x\n\n{PRETTY(VERTEX)}\nERROR: fäiled: }}{{\n  more\n{LINES(LOG)}\nlast without newline"
    assert feed(text.encode()) == ["WARNING: x", VERTEX, "ERROR: fäiled: }{", "more", LOG, "last without newline"]


@pytest.mark.parametrize("form", [PRETTY, LINES], ids=["many lines", "one line"])
def test_the_stream_can_be_split_anywhere(form: Any) -> None:
    data = f"first\n{form(VERTEX)}\nERROR: ü\n{form(LOG)}\n".encode()
    expected = ["first", VERTEX, "ERROR: ü", LOG]
    for cut in range(len(data) + 1):
        assert feed(data, cut) == expected, cut
    assert feed(data, *range(1, len(data))) == expected


def test_complete_objects_are_returned_at_once() -> None:
    chunks = iter([f"{LINES(VERTEX)}\n{{".encode(), b"}\n"])
    messages = status_messages(chunks)
    assert next(messages) == VERTEX
    assert next(chunks) == b"}\n", "the first object was returned before the second chunk was read"


def test_an_incomplete_object_is_returned_as_text() -> None:
    assert feed(b'{"vertexes": [\n') == ['{"vertexes": [']


@pytest.mark.parametrize(
    "line",
    [
        '{"a":' + "[" * 100_000, f'{{"a":{"9" * 5000}}}', '{"vertexes": [1]}', '{"vertexes": [{"name": "x"}]}',
        '{"vertexes": [{"digest": "a", "name": null, "started": "x"}]}', '{"logs": [{"vertex": "a", "data": "!"}]}',
    ],
)  # fmt: skip
def test_a_line_of_buildx_that_is_not_understood_is_logged_as_text(line: str) -> None:
    log = io.StringIO()
    tracker = Tracker(log, lambda _: None)
    for message in feed(f"{line}\n{LINES(VERTEX)}\nlast\n".encode()):
        tracker.take(message)
    assert tracker.text == [line, "last"]
    assert log.getvalue() == f"{line}\nlast\n"
    assert tracker.names == {"sha256:1": "[a] söme {step}"}


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert feed(b"ERROR: \xff\xfe\n") == ["ERROR: \ufffd\ufffd"]


class Build:
    """A tracker with its log and the phases that it entered."""

    def __init__(self) -> None:
        self.log, self.phases = io.StringIO(), list[str]()
        self.tracker = Tracker(self.log, self.phases.append)

    def step(self, digest: str, name: str, **more: Any) -> None:
        self.tracker.take({"vertexes": [{"digest": digest, "name": name, "started": "now", **more}]})

    def say(self, digest: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        self.tracker.take({"logs": [{"vertex": digest, "data": base64.b64encode(data).decode()}]})

    @property
    def lines(self) -> list[str]:
        return self.log.getvalue().splitlines()


def test_phases_are_derived_from_step_names_and_markers_in_order() -> None:
    build = Build()
    build.step("0", "[internal] load build definition from Dockerfile")
    build.step("1", "[toolchain 1/1] RUN apt")
    build.step("2", "[build 1/3] RUN compile.sh")
    for phase in ("configure", "compile", "train"):
        build.say("2", f"##phase {phase}\nsomething\n")
    build.step("3", "[packages 1/1] RUN apt")
    build.step("4", "[installed 1/2] COPY --link")
    build.step("5", "exporting to docker image format")
    assert build.phases == ["toolchain", "configure", "compile", "train", "packages", "install", "export"]
    assert build.tracker.compiled


def test_a_cached_step_enters_no_phase_and_is_logged_as_cached() -> None:
    build = Build()
    build.step("1", "[toolchain 1/1] RUN apt", cached=True)
    assert build.phases == []
    assert build.lines == ["#1 [toolchain 1/1] RUN apt (cached)"]
    assert not build.tracker.compiled


def test_a_step_that_has_not_started_or_is_only_a_from_enters_no_phase() -> None:
    build = Build()
    build.tracker.take({"vertexes": [{"digest": "1", "name": "[toolchain 1/1] RUN apt"}]})
    build.step("2", "[packages 1/2] FROM base")
    assert build.phases == []
    build.step("1", "[toolchain 1/1] RUN apt")
    build.step("1", "[toolchain 1/1] RUN apt", completed="now")
    assert build.phases == ["toolchain"]
    assert build.lines == ["#2 [packages 1/2] FROM base", "#1 [toolchain 1/1] RUN apt"]


def test_a_marker_counts_only_at_the_start_of_a_line() -> None:
    build = Build()
    build.step("1", "[build 1/1] RUN x")
    build.say("1", "+ echo '##phase compile'\n")
    assert build.phases == [] and not build.tracker.compiled


def test_partial_lines_are_joined_for_each_step() -> None:
    build = Build()
    build.step("1", "[build 1/2] RUN x")
    build.step("2", "[build 2/2] RUN y")
    for digest, text in (
        ("1", "##pha"),
        ("2", "two"),
        ("1", "se comp"),
        ("1", "ile\nne"),
        ("2", " lines\n"),
        ("1", "xt\r\n"),
    ):
        build.say(digest, text)
    assert build.phases == ["compile"]
    assert build.lines[2:] == ["#1 ##phase compile", "#2 two lines", "#1 next"]


def test_messages_of_buildx_itself_are_logged() -> None:
    build = Build()
    build.tracker.take("ERROR: no builder")
    assert build.lines == ["ERROR: no builder"]
    assert build.tracker.failure() == ["ERROR: no builder"]


def test_a_failure_has_the_steps_name_and_its_last_lines() -> None:
    build = Build()
    build.step("1", "[build 1/2] RUN make")
    build.step("2", "[packages 1/1] RUN apt")
    build.say("1", "".join(f"line {number}\n" for number in range(100)) + "and no newline")
    build.say("2", "harmless\n")
    build.step("2", "[packages 1/1] RUN apt", error="rpc error: context canceled")
    build.step("1", "[build 1/2] RUN make", error="exit code: 2")
    build.step("2", "[packages 1/1] RUN apt", error="exit code: 9")
    build.tracker.take("ERROR: failed to solve")
    assert build.tracker.failure(3) == ["[build 1/2] RUN make", "line 98", "line 99", "and no newline"]
    assert len(build.tracker.failure()) == 21
    assert "#1 ERROR exit code: 2" in build.lines


def test_a_step_that_failed_without_output_is_reported_with_buildx_messages() -> None:
    build = Build()
    build.step("1", "[installed 1/1] COPY x", error="not found")
    build.tracker.take("ERROR: x: not found")
    assert build.tracker.failure() == ["[installed 1/1] COPY x", "ERROR: x: not found"]


def test_a_multibyte_character_that_is_split_is_joined() -> None:
    build, text = Build(), "grün\n".encode()
    build.step("1", "[build 1/1] RUN x")
    build.say("1", text[:3])
    build.say("1", text[3:])
    assert build.lines[-1] == "#1 grün"


def test_a_last_line_without_a_newline_is_logged() -> None:
    build = Build()
    build.step("1", "[build 1/1] RUN x")
    build.say("1", "make: *** Killed")
    build.step("1", "[build 1/1] RUN x", completed="now", error="exit code: 2")
    assert "#1 make: *** Killed" in build.lines


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.4, "0 s"), (8, "8 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"), (3720, "1 h 02 min"), (36000, "10 h 00 min"),
    ],
)  # fmt: skip
def test_durations_are_short_and_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_plain_lines_start_with_the_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Display(out) as display:
        display.phase("3.13.5-jammy", "compile")
        now[0] += 65
        display.note("", "no engine answers")
        now[0] += 3600 * 2
        display.done("3.13.5-jammy", "failed", ok=False)
    assert out.getvalue().splitlines() == [
        "[  0:00] 3.13.5-jammy: compile", "[  1:05] no engine answers", "[121:05] 3.13.5-jammy: failed",
    ]  # fmt: skip


def test_the_live_display_shows_all_images_and_keeps_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with LiveDisplay(out) as display:
        display.phase("3.13.5-jammy", "compile")
        display.note("3.13.5-jammy", "[bold]from python.org[/bold]")
        display.note("", "no engine answers")
        display.phase("3.12.13-noble", "toolchain")
        display.done("3.13.5-jammy", "built, 3 s")
        display.done("3.12.13-noble", "failed", ok=False)
        display.done("never started", "failed", ok=False)
    text = out.getvalue()
    for part in (
        "3.13.5-jammy: [bold]from python.org[/bold]\n", "no engine answers\n", "built, 3 s", "3.12.13-noble",
        "never started",
    ):  # fmt: skip
        assert part in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [
        (Terminal(), "xterm", LiveDisplay),
        (Terminal(), "dumb", Display),
        (Terminal(), None, Display),
        (io.StringIO(), "xterm", Display),
    ],
)
def test_the_live_display_is_used_on_terminals_that_can_move_the_cursor(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str | None, kind: type
) -> None:
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    assert isinstance(make_display(stream), kind)


def test_phases_are_listed_in_order_and_short_ones_are_left_out() -> None:
    assert phases_text({"source": 0.4, "configure": 30.2, "compile": 691.8}) == "configure 30 s, compile 11 min 32 s"


def test_a_terminal_that_was_closed_does_not_hide_the_signal() -> None:
    class Closed(Terminal):
        closed_terminal = False

        def write(self, text: str) -> int:
            if self.closed_terminal:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(text)

        flush = lambda self: self.write("") and None  # noqa: E731

    out = Closed()
    with pytest.raises(KeyboardInterrupt), LiveDisplay(out) as display:
        display.phase("3.13-bookworm", "compile")
        out.closed_terminal = True
        raise KeyboardInterrupt(1)
