"""From values to tables and files: units, the slowest benchmark, and notes for the reader."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from bakery.benchmarks.results import (
    COLUMNS,
    BenchmarkEnvironment,
    BenchmarkResult,
    BenchmarkSettings,
    MeasuredImage,
    MeasuredImages,
    is_wide,
    markdown,
    notes_of,
    read_results,
    rows_of,
    save,
    seconds_text,
    summary_of,
    times_of,
)
from bakery.benchmarks.run import has_settled
from bakery.benchmarks.session import Pair, Session
from bakery.catalog import Catalog, select_images
from bakery.display.progress import Display
from bakery.errors import BakeryError, ConfigError, InputError
from bakery.options import Measuring
from bakery.report.charts import benchmark_page, image_of, summaries_chart
from bakery.workspace import Workspace

replace = msgspec.structs.replace


def read_result(file: Path) -> BenchmarkResult:
    return msgspec.json.decode(file.read_bytes(), type=BenchmarkResult)


BENCHMARKS = [
    times_of("json_loads", [[0.010, 0.011], [0.012]], [[0.013], [0.0156]]),
    times_of("go", [[0.1], [0.1]], [[0.095], [0.097]]),
]


def image(reference: str, cpu_share: float | None = 0.99) -> MeasuredImage:
    return MeasuredImage(image=reference, id="sha256:0", created=None, python="3.13.15", build="", cpu_share=cpu_share)


RESULT = BenchmarkResult(
    schema=1,
    kind="bench",
    name="3.13.15-bookworm-amd64",
    created="2026-01-02T03:04:05+00:00",
    seconds=1.5,
    settings=BenchmarkSettings(rounds=2, cpu=3, clock="wall", full=False, only=()),
    environment=BenchmarkEnvironment(
        cpu_model="A CPU", cpus=4, cpu=3, memory_bytes=1, kernel="6", engine="e", storage="a store", bakery="0"
    ),
    images=MeasuredImages(ours=image("infra7/python:3.13"), reference=image("reference/python:3.13", 0.98)),
    benchmarks=BENCHMARKS,
    left_out={"dask": "needs Python >=3.12"},
    summary=summary_of(BENCHMARKS),
)
STARTUP = replace(
    RESULT, kind="startup", settings=BenchmarkSettings(rounds=2, cpu=3, clock="wall", fresh_engine=None), summary=None
)


def test_a_comparison_with_another_image_has_its_own_file_and_command_and_is_not_an_official_figure() -> None:
    settings = BenchmarkSettings(rounds=2, cpu=3, clock="cpu", against="debian")
    images = MeasuredImages(ours=image("infra7/python:3.13"), reference=image("debian/python:trixie"))
    name = "3.13.15-trixie-amd64-against-debian-python-trixie"
    peer = replace(RESULT, name=name, settings=settings, images=images)
    assert peer.stem == f"bench-{name}"
    assert peer.command == "inv bench --version=3.13.15 --target=trixie --rounds=2 --against=debian --clock=cpu"
    assert image_of(peer) == "3.13.15-trixie on amd64 against debian/python:trixie"
    assert summaries_chart([peer]) is None


@pytest.mark.parametrize(
    ("name", "version"),
    [("3.10.7-local", "3.10"), ("3.14.7t-local", "3.14t"), ("3.15.0b3-local-minimal", "3.15"), ("3.14.4", "3.14.4")],
)
def test_the_command_for_a_source_tree_names_its_series_as_its_release_may_not_be_pinned(
    catalog: Catalog, name: str, version: str
) -> None:
    command = replace(RESULT, name=f"{name}-bookworm-amd64").command
    assert command.startswith(f"inv bench --version={version} --target=bookworm --rounds=2")
    assert ("--source=PATH" in command) is ("-local" in name)
    select_images(catalog, [version])


def test_applications_threads_and_memory_name_their_option_and_memory_is_in_bytes() -> None:
    applications, threads = replace(RESULT, kind="applications"), replace(RESULT, kind="threads")
    assert applications.command == "inv bench --version=3.13.15 --target=bookworm --rounds=2 --applications"
    assert threads.command == "inv bench --version=3.13.15 --target=bookworm --rounds=2 --threads"
    assert any(f" on {threads.environment.cpus} CPUs " in note for note in notes_of(threads))
    images = replace(RESULT.images, ours=replace(RESULT.images.ours, cpu_share=0.9))
    assert any("used the CPU" in note for note in notes_of(replace(RESULT, images=images)))
    assert not any("used the CPU" in note for note in notes_of(replace(threads, images=images))), "there are two CPUs"
    memory = replace(RESULT, kind="memory", benchmarks=[times_of("pass", [[8.25e6]] * 2, [[9.9e6]] * 2)])
    assert memory.stem == "memory-3.13.15-bookworm-amd64"
    assert rows_of(memory)[0] == {
        "benchmark": "pass", "ours": "8.2 MB", "reference": "9.9 MB", "ratio": "1.200x", "interval": "1.200 to 1.200",
    }  # fmt: skip
    assert notes_of(memory)[0].endswith("Above 1, ours needs less.")


@pytest.mark.parametrize(
    ("settings", "cpus", "error"),
    [
        (Measuring(threads=True), 1, "--threads needs two CPUs"),
        (Measuring(cpu=2), 2, "--cpu=2: the engine's machine has CPUs 0 to 1"),
        (
            Measuring(fresh_engine="overlay2"),
            2,
            "a second engine can only run next to the embedded one, not next to unix:///x",
        ),
        (Measuring(pull=(0,)), 2, "a second engine can only run next to the embedded one, not next to unix:///x"),
    ],
)
def test_a_measurement_that_the_engine_cannot_make_is_rejected_first(
    tmp_path: Path, settings: Measuring, cpus: int, error: str
) -> None:
    engine = SimpleNamespace(info=SimpleNamespace(cpus=cpus), kind="system", host="unix:///x")
    workspace, pair = Workspace(tmp_path, tmp_path), Pair("p", "a", "b")
    with pytest.raises(InputError, match=error):
        Session(workspace, engine, pair, settings, Display(io.StringIO()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (1.0, "1.00 s"), (0.9996, "1.00 s"), (0.123456, "123 ms"), (0.0123456, "12.3 ms"),
     (0.00123, "1.23 ms"), (0.000999, "999 us"), (7.5e-8, "75.0 ns"), (2e-10, "0.200 ns"), (123.4, "123 s")],
)  # fmt: skip
def test_times_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_the_summary_has_the_mean_and_the_slowest_benchmark() -> None:
    summary = summary_of(BENCHMARKS)
    assert (summary.count, summary.slowest.name) == (2, "go")
    assert summary.slowest.ratio == pytest.approx((0.95 * 0.97) ** 0.5)
    assert summary.geometric_mean == pytest.approx((1.3 * (0.95 * 0.97) ** 0.5) ** 0.5)


def test_every_value_is_written_and_read_back(tmp_path: Path) -> None:
    file = save(tmp_path / "bench", RESULT)
    assert file.name == "bench-3.13.15-bookworm-amd64.json"
    assert read_result(file) == RESULT
    assert file.with_suffix(".md").read_text(encoding="utf-8") == markdown(RESULT)
    assert json.loads(file.read_text(encoding="utf-8"))["benchmarks"][0]["ours"] == [[0.010, 0.011], [0.012]]


def test_published_results_are_rewritten_byte_for_byte(root: Path, tmp_path: Path) -> None:
    files = sorted((root / "docs" / "results").glob("*.json"))
    assert files
    for file in files:
        result = read_result(file)
        copy = save(tmp_path, result)
        assert (copy.name, copy.read_bytes()) == (file.name, file.read_bytes())
        assert file.with_suffix(".md").read_text(encoding="utf-8") == markdown(result)
        for times in result.benchmarks[::8]:  # each takes 8 ms of bootstrap
            assert times == times_of(times.name, times.ours, times.reference, times.benchmark, times.loops)
        is_start = result.kind in ("startup", "pull")
        assert result.summary == (None if is_start else summary_of(result.benchmarks))


def test_a_file_that_is_not_a_result_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text('{"schema": 2}', encoding="utf-8")
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 2"):
        read_result(file)


def test_cold_starts_in_different_image_stores_have_different_files(tmp_path: Path) -> None:
    names = [
        save(tmp_path, replace(STARTUP, settings=replace(STARTUP.settings, fresh_engine=store))).name
        for store in (None, "containerd", "overlay2")
    ]
    assert names == [f"startup-3.13.15-bookworm-amd64{end}.json" for end in ("", "-containerd", "-overlay2")]


def test_cold_starts_have_no_common_mean() -> None:
    assert [row["benchmark"] for row in rows_of(STARTUP)] == ["json_loads", "go"]
    assert not [note for note in notes_of(STARTUP) if "Slowest" in note]


def test_a_single_round_has_ratios_without_intervals() -> None:
    benchmarks = [times_of("go", [[0.1]], [[0.12]])]
    rows = rows_of(replace(RESULT, benchmarks=benchmarks, summary=summary_of(benchmarks)))
    assert [(row["ratio"], row["interval"]) for row in rows] == [("1.200x", None)] * 2


@pytest.mark.parametrize(("rounds", "text"), [(1, "1 round on CPU 3 (A CPU)"), (2, "2 rounds on CPU 3 (A CPU)")])
def test_a_note_has_the_number_of_rounds(rounds: int, text: str) -> None:
    result = replace(RESULT, settings=replace(RESULT.settings, rounds=rounds))
    assert [note for note in notes_of(result) if note.startswith(f"{text}, wall clock, Python 3.13.15 ")]


def test_a_note_reports_that_other_processes_used_the_cpu() -> None:
    busy = replace(RESULT, images=replace(RESULT.images, ours=image("infra7/python:3.13", 0.6)))
    cpu_time = replace(busy, settings=replace(busy.settings, clock="cpu"))
    assert [note for note in notes_of(busy) if "ours ran 60% of the time and the reference 98%" in note]
    for result in (RESULT, cpu_time):
        assert not [note for note in notes_of(result) if "--clock=cpu" in note]


def test_benchmarks_that_were_left_out_are_listed_with_the_reason() -> None:
    assert notes_of(RESULT)[-1] == "Left out: dask: needs Python >=3.12."


def test_a_session_writes_its_result_and_reports_it_with_notes(tmp_path: Path) -> None:
    display = Display(io.StringIO())
    session = Session(Workspace(tmp_path, tmp_path), None, None, Measuring(rounds=1), display)  # type: ignore[arg-type]
    report = session.report(lambda _: RESULT)
    assert list(report.columns) == list(COLUMNS)
    assert report.rows == rows_of(RESULT)
    assert report.text.startswith("\nRatio: ")
    assert report.text.endswith(".md\n")
    assert len(list((tmp_path / "build" / "bench").iterdir())) == 2


def test_a_wide_interval_is_marked_and_counted() -> None:
    wide = replace(BENCHMARKS[0], ratio=1.0, low=0.94, high=1.05)
    narrow = replace(BENCHMARKS[0], name="narrow", ratio=1.0, low=0.96, high=1.05)
    result = replace(RESULT, benchmarks=[wide, narrow])
    assert [row["interval"] for row in rows_of(result)[:2]] == ["0.940 to 1.050 (wide)", "0.960 to 1.050"]
    assert any(note.startswith("Wide intervals, over 10% of the ratio: 1 of 2 results") for note in notes_of(result))
    assert not is_wide(1.0, None, None), "a single round has no interval"


def test_the_noise_of_the_machine_is_in_the_notes() -> None:
    noisy = replace(RESULT, environment=replace(RESULT.environment, noise_wall=0.21, noise_cpu=0.01))
    assert any("varied by 21.0% in wall time and 1.0% in CPU time" in note for note in notes_of(noisy))
    assert not any("identical work" in note for note in notes_of(RESULT))


@pytest.mark.parametrize(
    ("clock", "printed", "text"),
    [
        ("wall", "0.2\n0.01\n", "noisy: expect wide intervals; --clock=cpu is less affected"),
        ("wall", "0.01\n0.01\n", "the machine is quiet"),
        ("cpu", "0.2\n0.01\n", "the machine is quiet"),
        ("cpu", "0.2\n0.2\n", "the machine is noisy: expect wide intervals"),
    ],
)
def test_the_noise_to_expect_is_reported_before_a_run(clock: str, printed: str, text: str, tmp_path: Path) -> None:
    shown = io.StringIO()
    pair = Pair("x", "ours", "reference")
    workspace = Workspace(tmp_path, tmp_path)
    session = Session(workspace, None, pair, Measuring(clock=clock), Display(shown))  # type: ignore[arg-type]
    session.check_quiet(SimpleNamespace(run=lambda _: SimpleNamespace(stdout=printed)))  # type: ignore[arg-type]
    assert text in " ".join(shown.getvalue().split())


def test_the_quiet_check_prints_the_spread_of_both_clocks() -> None:
    program = Path(__file__).resolve().parents[3] / "benchmarks" / "quiet.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert len([float(line) for line in done.stdout.split()]) == 2


@pytest.mark.parametrize(("last", "settled"), [(1.0, True), (1.3, False)])
def test_rounds_are_added_until_the_mean_has_settled(last: float, settled: bool) -> None:
    values = {"a": {"ours": [[1.0], [1.0], [1.0]], "reference": [[1.2], [1.2], [1.2 * last]]}}
    assert has_settled(values) is settled
    assert has_settled({}), "nothing is left to measure"
    assert not has_settled({"a": {"ours": [[1.0]], "reference": [[1.2]]}}), "a single round has no interval"


def test_the_page_of_a_result_has_its_table_chart_and_notes() -> None:
    page = benchmark_page([RESULT])
    for row in rows_of(RESULT):
        assert str(row["ratio"]) in page
    assert "<svg" in page and "</html>" in page and "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert all(note.split(":")[0] in page for note in notes_of(RESULT))


@pytest.mark.parametrize(
    ("key", "value"),
    [("ours", [[0.0]]), ("ours", [[-1.0]]), ("ours", []), ("reference", [[]]), ("ratio", 0.0), ("low", -1.0)],
)
def test_a_published_figure_that_cannot_have_been_measured_is_an_error(tmp_path: Path, key: str, value: object) -> None:
    content = json.loads(save(tmp_path, RESULT).read_text(encoding="utf-8"))
    content["benchmarks"][0][key] = value
    (tmp_path / "x.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"x\.json: expected .*\$\.benchmarks\[0\]\.{key}"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("pulled_bytes", {"a": 10**400}), ("instructions", {"a": [1]}), ("seconds", 10**400)]
)
def test_a_published_number_that_is_too_large_or_missing_is_an_error(tmp_path: Path, key: str, value: object) -> None:
    content = json.loads(save(tmp_path, RESULT).read_text(encoding="utf-8")) | {key: value}
    (tmp_path / "x.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.json: expected a result"):
        read_results(tmp_path)


@pytest.mark.parametrize("name", ["a | b", "a\nb", "<!-- speed:end -->", "\x1b[31m", "\u202etxt", "`a`", "x" * 201])
def test_a_published_name_that_could_end_its_cell_or_chart_is_an_error(tmp_path: Path, name: str) -> None:
    file = save(tmp_path, RESULT)
    content = json.loads(file.read_text(encoding="utf-8"))
    for place in (
        content["benchmarks"][0], content["summary"]["slowest"], content["images"]["ours"], content["environment"],
    ):  # fmt: skip
        key = next(key for key in ("name", "image", "cpu_model") if key in place)
        place[key], before = name, place[key]
        file.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"{file.name}: expected a result .*\.{key}"):
            read_results(tmp_path)
        place[key] = before
    file.write_text(json.dumps(content), encoding="utf-8")
    assert len(read_results(tmp_path)) == 1


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("summary", "geometric_mean", 9.9),
        ("summary", "low", 5.0),
        ("summary", "count", 44),
        ("benchmarks", "ratio", 2.5),
    ],
)
def test_a_published_figure_that_is_not_that_of_its_rounds_is_an_error(
    tmp_path: Path, place: str, key: str, value: float
) -> None:
    file = save(tmp_path, RESULT)
    content = json.loads(file.read_text(encoding="utf-8"))
    part = content["summary"] if place == "summary" else content["benchmarks"][0]
    part[key] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{file.name}: expected a result .* its rounds give"):
        read_results(tmp_path)


def test_a_result_in_a_file_that_is_named_after_another_image_is_an_error(tmp_path: Path) -> None:
    file = save(tmp_path, RESULT)
    assert read_results(tmp_path) == [RESULT]
    file.rename(file.with_name("bench-3.14.7-bookworm-amd64.json"))
    with pytest.raises(ConfigError, match=rf"bench-3\.14.*\.json: .* it is the result {re.escape(file.stem)}"):
        read_results(tmp_path)


def session_in(folder: Path) -> Session:
    return Session(Workspace(folder, folder), None, None, Measuring(), Display(io.StringIO()))  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(BakeryError, match=r"build/bench: Not a directory"):
        session_in(tmp_path).report(lambda _: pytest.fail("was measured"))


def test_a_result_that_cannot_be_written_is_still_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def measure(_: Session) -> BenchmarkResult:
        (tmp_path / "build" / "bench" / f"{RESULT.stem}.json").mkdir()
        return RESULT

    with pytest.raises(BakeryError, match=rf"{RESULT.stem}\.json"):
        session_in(tmp_path).report(measure).show()
    printed = capsys.readouterr().out
    assert RESULT.benchmarks[0].name in printed
    assert "Written" not in printed
