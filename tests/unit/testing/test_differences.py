"""Differences from the reference: each needs a reason, each reason a difference, and a record is of one release."""

from __future__ import annotations

import dataclasses
import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.errors import BuildError, ConfigError, InputError
from bakery.platforms import ARM64
from bakery.testing import differences
from bakery.testing.differences import (
    Difference,
    Facts,
    FactsRecord,
    Reason,
    compare_facts,
    differences_part,
    explain,
    failure_of,
    find_differences,
    read_facts,
    record_file,
    write_facts,
)

THEIRS = {"interpreter: version": "3.13.15", "names: os: fork": "yes", "limits: depth": "4000"}
OURS = {"interpreter: version": "3.13.15", "limits: depth": "8000", "commands: pip": "program"}
ENTRY = '[[difference]]\nfacts = "{}"\nreason = "a reason of five words"\n{}\n'


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., Path]:
    """Writes shared/differences.toml with an entry for each pattern, or for each pair of a pattern and more keys."""
    (tmp_path / "shared").mkdir()

    def write(*entries: str | tuple[str, str]) -> Path:
        pairs = (entry if isinstance(entry, tuple) else (entry, "") for entry in entries)
        text = "".join(ENTRY.format(*pair) for pair in pairs)
        (tmp_path / "shared" / "differences.toml").write_text(
            f"schema = 1\n{text}" if text else "schema = 1\ndifference = []"
        )
        return tmp_path

    return write


@pytest.fixture
def record(image: Callable[..., Image]) -> FactsRecord:
    return compare_facts(image("3.13"), OURS, THEIRS)


def test_facts_of_only_one_image_and_different_values_are_differences(record: FactsRecord) -> None:
    assert (record.image, record.platform, record.compared) == ("3.13.15-bookworm", "linux/amd64", 4)
    assert [(difference.name, difference.side) for difference in record.differences] == [
        ("commands: pip", "ours"),
        ("limits: depth", "both"),
        ("names: os: fork", "theirs"),
    ]


def test_a_difference_without_a_reason_names_the_fact_both_values_and_what_to_do(
    data: Callable[..., Path], record: FactsRecord
) -> None:
    _, lines = explain(data("names: .*", "commands: .*"), record)
    assert lines == ["3.13.15-bookworm: limits: depth: ours '8000', theirs '4000'"]
    failure = failure_of(lines)
    assert failure and failure.exit_code == 1
    assert "shared/differences.toml" in failure.hint


def test_many_differences_are_counted_after_the_first_ones() -> None:
    failure = failure_of([f"line {number}" for number in range(1500)])
    assert failure and failure.message.endswith("line 39\nand 1,460 more")


def test_every_difference_has_the_first_reason_that_matches_all_of_its_name(
    data: Callable[..., Path], record: FactsRecord
) -> None:
    groups, lines = explain(data("limits: .*", "names", ".*"), record)
    assert [(reason.facts, len(matches)) for reason, matches in groups] == [("limits: .*", 1), (".*", 2)]
    assert lines == ["3.13.15-bookworm: names: no longer differs"]


@pytest.mark.parametrize(
    ("keys", "stale"),
    [
        ("", True),
        ("optional = true", False),
        ('images = "3\\\\.13.*"', True),
        ('images = "3\\\\.13.*-minimal.*"', False),
        ('side = "theirs"', True),
    ],
)
def test_a_reason_without_a_difference_is_reported_unless_it_is_optional_or_for_other_images(
    data: Callable[..., Path], record: FactsRecord, keys: str, stale: bool
) -> None:
    _, lines = explain(data(".*", ("users: .*", keys)), record)
    assert lines == (["3.13.15-bookworm: users: .*: no longer differs"] if stale else [])
    assert explain(data(".*", ("users: .*", keys)), record, stale=False)[1] == []


def test_a_reason_for_facts_of_one_image_does_not_explain_other_differences(
    data: Callable[..., Path], record: FactsRecord
) -> None:
    groups, lines = explain(data((".*", 'side = "ours"')), record)
    assert [difference.name for difference in groups[0][1]] == ["commands: pip"]
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "explained"),
    [
        ("packages: libpam0g", "1.5.2-6+deb12u3", "1.5.2-6+deb12u2", True),
        ("packages: libpam0g", "1.5.2-6+deb12u2", "1.5.2-6+deb12u3", False),
        ("packages: libpam0g", "1.5.2-6+deb12u10", "1.5.2-6+deb12u9", True),
        ("packages: libpam0g", "1.5.2-6", "1.5.2-6~deb12u1", True),
        ("packages: libpam0g", None, "1.5.2-6+deb12u2", False),
        ("packages: libpam0g", "1.5.2-6+deb12u2", None, False),
        ("packages: libpam0g", "", "1.5.2-6+deb12u2", False),
        ("packages: libpam0g", "1_5", "1.5.2-6+deb12u2", False),
        pytest.param("packages: libpam0g", "2" * 5000, "1" * 5000, False, id="a number that int() refuses"),
        pytest.param("packages: libpam0g", f"1{'a' * 1_000_000}b", f"1{'a' * 1_000_000}", False, id="a megabyte"),
        ("libraries: ssl.OPENSSL_VERSION", "OpenSSL 3.0.23 1 Dec 2026", "OpenSSL 3.0.22 25 Aug 2026", True),
        ("libraries: ssl.OPENSSL_VERSION", "OpenSSL 3.0.9 1 Dec 2026", "OpenSSL 3.0.22 25 Aug 2026", False),
        ("libraries: ssl certificates", "0", "148", False),
        ("libraries: readline", "readline 8.3", "readline 8.2", False),
    ],
)
def test_only_a_package_that_is_newer_than_in_the_recorded_reference_has_a_reason(
    root: Path, name: str, ours: str | None, theirs: str | None, explained: bool
) -> None:
    record = FactsRecord("3.13.15-bookworm", "linux/amd64", compared=1, differences=[Difference(name, ours, theirs)])
    _, lines = explain(root, record, stale=False)
    assert (lines == []) == explained


@pytest.mark.parametrize(
    ("entry", "message"), [((".*", 'side = "nobody"'), "ours, theirs or both"), ((".*", 'where = "x"'), "unknown key")]
)
def test_an_invalid_reason_names_file_and_key(
    data: Callable[..., Path], record: FactsRecord, entry: tuple[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"differences\.toml: difference\[0\].*{message}"):
        explain(data(entry), record)


@pytest.mark.parametrize("key", ["facts", "images"])
def test_an_invalid_pattern_is_an_error_that_names_it(data: Callable[..., Path], record: FactsRecord, key: str) -> None:
    entry = "*" if key == "facts" else (".*", 'images = "*"')
    with pytest.raises(ConfigError, match=rf"difference\[0\]\.{key}: expected a regular expression, found '\*'"):
        explain(data(entry), record)


def test_reasons_match_a_name_that_repeats_a_part_of_itself_in_linear_time(root: Path) -> None:
    records = [read_facts(file) for file in (root / "shared/facts").glob("*.xz")]
    groups = [group for record in records for group in explain(root, record)[0]]
    names = {reason.facts: matches[0].name for reason, matches in groups}
    for facts, name in names.items():  # a pattern rejects names of other kinds at their beginning
        for start, end in itertools.product(range(len(name)), ("", "\n", "!")):
            for pattern in (r"\w+|.", "/[^/]*|."):
                part = re.match(pattern, name[start:])[0]  # type: ignore[index]
                repeated = f"{name[:start]}{part * (20_000 // len(part))}{end}"
                began = time.process_time()
                Reason(facts, "").explains(Difference(repeated, None, ""))
                assert time.process_time() - began < 0.2, (facts, repeated[:200])


def test_a_record_is_read_as_it_was_written_and_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_facts(first, FactsRecord("3.13.15-bookworm", "linux/amd64", facts=THEIRS))
    write_facts(second, FactsRecord("3.13.15-bookworm", "linux/amd64", facts=dict(reversed(THEIRS.items()))))
    assert first.read_bytes() == second.read_bytes()
    assert read_facts(first).facts == THEIRS


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_a_record_that_is_missing_or_damaged_is_an_error_that_says_how_to_renew_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "record.json.xz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BuildError, match=r"record\.json\.xz: expected a record") as raised:
        read_facts(file)
    assert "inv differences --record" in raised.value.hint


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fakes the facts that an engine observes in images; the list collects the images' references."""
    references: list[str] = []

    def observe(engine: object, root: Path, reference: str, image: Image | None = None) -> Facts:
        references.append(reference)
        return THEIRS if reference.startswith("reference/") else OURS

    def built(engine: object, root: Path, catalog: Catalog, image: Image) -> Facts:
        return observe(engine, root, differences.references(catalog, image)[0])

    monkeypatch.setattr(differences, "observe", observe)
    monkeypatch.setattr(differences, "observe_built", built)
    return references


def test_the_record_replaces_the_reference_until_it_is_renewed(
    data: Callable[..., Path], catalog: Catalog, image: Callable[..., Image], observed: list[str]
) -> None:
    root, ours = data(), image("3.13")
    with pytest.raises(BuildError, match=r"3\.13-bookworm-amd64-reference\.json\.xz"):
        find_differences(root, catalog, None, ours, None, record=False)  # type: ignore[arg-type]
    recorded = find_differences(root, catalog, None, ours, None, record=True)  # type: ignore[arg-type]
    assert observed == ["reference/python:3.13.15-bookworm", "infra7/python:3.13.15-bookworm"]
    assert find_differences(root, catalog, None, ours, None, record=False) == recorded  # type: ignore[arg-type]
    assert len(observed) == 3
    assert read_facts(record_file(root, ours)) == recorded


def test_a_source_tree_is_compared_with_its_own_reference_and_replaces_no_record(
    data: Callable[..., Path], catalog: Catalog, image: Callable[..., Image], observed: list[str]
) -> None:
    root, release = data(), image("3.13")
    tree = dataclasses.replace(release, pin=dataclasses.replace(release.pin, local="a folder"))
    find_differences(root, catalog, None, tree, None, record=False)  # type: ignore[arg-type]
    names = ["reference/python:3.13.15-local-bookworm", "infra7/python:3.13.15-local-bookworm"]
    assert observed == names
    for ours, against in ((tree, None), (release, "python:3.13-slim")):
        with pytest.raises(InputError, match="--record takes no --against, and a --source only if it is a commit"):
            find_differences(root, catalog, None, ours, against, record=True)  # type: ignore[arg-type]
    assert observed == names and not (root / "shared" / "facts").exists()


def test_the_record_of_a_commit_replaces_the_reference_of_that_commit_only(
    data: Callable[..., Path], catalog: Catalog, image: Callable[..., Image], observed: list[str]
) -> None:
    root, release = data(), image("3.13")
    commits = [f"git {digit * 40}" for digit in "ab"]
    first, second = (dataclasses.replace(release, pin=dataclasses.replace(release.pin, local=c)) for c in commits)
    recorded = find_differences(root, catalog, None, first, None, record=True)  # type: ignore[arg-type]
    assert recorded.tree == commits[0]
    reference, ours = observed
    for tree, seen in ((first, [ours]), (second, [reference, ours])):
        observed.clear()
        result = find_differences(root, catalog, None, tree, None, record=False)  # type: ignore[arg-type]
        assert (result.differences, observed) == (recorded.differences, seen)
    with pytest.raises(BuildError, match=f"the recorded facts are of .*-local-bookworm, linux/amd64, {commits[0]}; "):
        find_differences(root, catalog, None, release, None, record=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["release", "target", "platform"])
def test_a_record_of_another_release_target_or_platform_is_refused(
    data: Callable[..., Path], catalog: Catalog, image: Callable[..., Image], observed: list[str], other: str
) -> None:
    root, ours = data(), image("3.13")
    others = {
        "release": image("3.13.5"),
        "target": image("3.13", "trixie"),
        "platform": dataclasses.replace(ours, platform=ARM64),
    }
    foreign = others[other]
    file = record_file(root, dataclasses.replace(ours, recipe=RecipeName.REFERENCE))
    write_facts(file, FactsRecord(foreign.name, str(foreign.platform), THEIRS))
    with pytest.raises(BuildError, match=rf"are of {foreign.name}, {foreign.platform}; expected 3\.13\.15-bookworm"):
        find_differences(root, catalog, None, ours, None, record=False)  # type: ignore[arg-type]


def test_the_page_lists_reasons_by_kind_with_some_of_their_facts(
    data: Callable[..., Path], image: Callable[..., Image]
) -> None:
    root = data("names: .*", "limits: .*")
    theirs = {f"names: os: {letter}": "yes" for letter in "abcdefg"} | {"limits: depth": "4000"}
    write_facts(record_file(root, image("3.13")), compare_facts(image("3.13"), {"limits: depth": "8000"}, theirs))
    part = differences_part(root)["differences"]
    assert part.startswith("## 3.13.15-bookworm, linux/amd64\n\n8 of 8 facts differ.\n")
    assert part.index("### Limits") < part.index("### Names")
    assert "1 different:\n  `depth` ('4000'; in this image '8000')" in part
    assert "7 only in the reference:\n  `os: a`,\n" in part and "and 2 more" in part


def test_the_page_is_not_rendered_from_differences_without_a_reason(
    data: Callable[..., Path], image: Callable[..., Image], record: FactsRecord
) -> None:
    root = data("names: .*")
    write_facts(record_file(root, image("3.13")), record)
    with pytest.raises(BuildError, match="limits: depth: ours '8000', theirs '4000'"):
        differences_part(root)


def test_a_long_value_is_shortened(data: Callable[..., Path]) -> None:
    record = FactsRecord("3.13.15-bookworm", "linux/amd64", {}, 1, [Difference("sysconfig: CFLAGS", "-O3 " * 99, None)])
    (line,) = explain(data(), record)[1]
    assert len(line) < 140 and line.endswith("'..., theirs None")
