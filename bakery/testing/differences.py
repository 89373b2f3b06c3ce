"""Compares what users can observe in an image (shared/facts.py and its configuration) with the reference image.

Each difference needs a reason in shared/differences.toml. shared/facts has records, JSON packed by xz: the facts of
reference images, and the differences of ours, from which docs/differences.md is rendered.
"""

import json
import lzma
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from debian.debian_support import NativeVersion

from bakery.catalog import Catalog, Image, RecipeName, references, require_match
from bakery.display import Column, Report, tell
from bakery.engine import Engine, idle_container, tar_of
from bakery.errors import BuildError, InputError, reason_of
from bakery.files import staged_file
from bakery.options import Output
from bakery.regular_files import MEDIUM, read_regular
from bakery.toml import Pattern, Rule, read_toml
from bakery.xz import decompress_xz

Facts = dict[str, str]
"""Texts by name; a name begins with a kind, as in ``names: os: fork``."""
COLUMNS = (Column("image"), Column("facts", right=True), Column("example"), Column("reason"))
MAX_LINES = 40
HINT = "Fix the image or give a reason in shared/differences.toml; remove reasons for what no longer differs."
RECORD_HINT = "Build and record both images: inv build, inv reference, inv differences --record, all for this image."
VERSION = re.compile(r"(?:\D+\s)?(\d\S{0,99})(?!\S)")
"""A Debian package's version, or the version in ``OpenSSL 3.0.22 25 Aug 2026``; comparing long ones is quadratic."""
COMMIT = re.compile("git [0-9a-f]{40}")
"""The origin of a source tree that a commit identifies, as in a pin; any other tree may change."""


class Difference(NamedTuple):
    """A fact that differs; ``None`` for an image that does not have it. A list of three in JSON."""

    name: str
    ours: str | None
    theirs: str | None

    @property
    def side(self) -> str:
        """The image that has the fact: ``ours``, ``theirs`` or ``both``."""
        return "ours" if self.theirs is None else "theirs" if self.ours is None else "both"

    @property
    def newer(self) -> bool:
        """Whether both values begin with a version, after words without a number, and our image's is newer."""
        matches = [VERSION.match(value) for value in (self.ours, self.theirs) if value]
        try:
            ours, theirs = (NativeVersion(match[1]) for match in matches if match)
        except ValueError:  # one value has none, or it is not a version by Debian's rules
            return False
        return bool(ours > theirs)


class FactsRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The facts of a reference image; or the differences of an image of ours, and the number of facts compared.

    ``tree`` says which source tree they were made from instead of a release, as in the pin.
    """

    image: str
    platform: str
    facts: Facts = {}
    compared: int = 0
    differences: list[Difference] = []
    tree: str = ""


@dataclass(frozen=True)
class Reason:
    """Why facts differ; the head of shared/differences.toml explains the keys."""

    facts: Pattern
    reason: Annotated[str, Rule("a reason of at least four words", r"\S+(\s+\S+){3,}\s*")]
    side: Annotated[str, Rule("ours, theirs or both", "ours|theirs|both")] = ""
    images: Pattern = ".*"
    optional: bool = False
    newer: bool = False

    def explains(self, difference: Difference) -> bool:
        """Whether it is the reason for ``difference``."""
        matches = self.side in ("", difference.side) and re.fullmatch(self.facts, difference.name, re.DOTALL)
        return bool(matches) and (difference.newer or not self.newer)


UNEXPLAINED = Reason(".*", "", optional=True)
Groups = list[tuple[Reason, list[Difference]]]


LONGEST = 300.0
"""Seconds after which shared/facts.py has failed. It takes seconds, and minutes in an emulated image."""


def short(value: str | None, length: int = 60) -> str:
    """A value for one line, cut after ``length`` characters."""
    return repr(value) if value is None or len(value) <= length else f"{value[:length]!r}..."


def observe(engine: Engine, root: Path, reference: str, image: Image | None = None) -> Facts:
    """The facts of the image ``reference``, observed as root in a container without a network.

    Raises :exc:`BuildError` if it is missing, shared/facts.py fails in it, or it has another release than ``image``.
    """
    engine.require(reference, RECORD_HINT)
    command = ["python3", "/tmp/facts.py", json.dumps(engine.configuration(reference))]
    with idle_container(engine, reference) as container:
        container.put("/tmp", tar_of(root / "shared" / "facts.py", "facts.py"))
        done = container.run(command, environment={"PYTHONDONTWRITEBYTECODE": "1"}, seconds=LONGEST)
    try:
        facts = msgspec.json.decode(done.stdout, type=Facts)
    except (ValueError, RecursionError):
        error = f"shared/facts.py ended with exit code {done.code} in {reference}"
        raise BuildError(f"{error}: {done.output[-500:].strip() or 'no output'}", hint=RECORD_HINT) from None
    version = facts.get("interpreter: version")
    if image and version != image.pin.release:
        raise BuildError(f"{reference} has Python {version}, not {image.pin.release}", hint=RECORD_HINT)
    return facts


def observe_built(engine: Engine, root: Path, catalog: Catalog, image: Image) -> Facts:
    """The facts of the engine's ``image``; :exc:`BuildError` as by :func:`observe`, or if it is another one."""
    reference = references(catalog, image)[0]
    require_match(image, engine.require(reference, RECORD_HINT))
    return observe(engine, root, reference, image)


def compare_facts(image: Image, ours: Facts, theirs: Facts) -> FactsRecord:
    """The record of the differences between ``image`` and another one."""
    names = sorted({*ours, *theirs})
    values = ((name, ours.get(name), theirs.get(name)) for name in names)
    differences = [Difference(*value) for value in values if value[1] != value[2]]
    return FactsRecord(image.name, str(image.platform), {}, len(names), differences, image.pin.local)


def record_file(root: Path, image: Image) -> Path:
    """The record of ``image``, whatever its release: a new release replaces it."""
    variant = image.recipe if image.recipe is RecipeName.REFERENCE else image.variant.name
    name = f"{image.series.name}-{image.target.name}-{image.platform.architecture}-{variant}.json.xz"
    return root / "shared" / "facts" / name


def write_facts(file: Path, record: FactsRecord) -> None:
    """Write ``record``: the same bytes for the same facts."""
    data = msgspec.json.encode(record, order="deterministic")
    with staged_file(file) as stream:
        stream.write(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def read_facts(file: Path) -> FactsRecord:
    """The record in ``file``; :exc:`BuildError` if it is missing or not valid."""
    try:
        return msgspec.json.decode(decompress_xz(read_regular(file, MEDIUM), MEDIUM), type=FactsRecord)
    except (OSError, lzma.LZMAError, EOFError, ValueError, RecursionError) as error:
        problem = f"shared/facts/{file.name}: expected a record of facts: {reason_of(error)}"
        raise BuildError(problem, hint=RECORD_HINT) from None


def recorded_facts(root: Path, reference: Image) -> Facts | None:
    """The recorded facts of ``reference``; ``None`` if it is made from a source tree that has no record.

    Raises :exc:`BuildError` if the record of a release is missing, or of another release, target or platform.
    """
    file, local = record_file(root, reference), reference.pin.local
    if local and not (COMMIT.fullmatch(local) and file.exists()):
        return None
    recorded, expected = read_facts(file), (reference.name, str(reference.platform), local)
    actual = (recorded.image, recorded.platform, recorded.tree)
    if actual == expected:
        return recorded.facts
    if local:
        return None
    text = f"the recorded facts are of {', '.join(filter(None, actual))}; expected {', '.join(expected[:2])}"
    raise BuildError(text, hint=RECORD_HINT)


def find_differences(
    root: Path, catalog: Catalog, engine: Engine, image: Image, against: str | None, *, record: bool
) -> FactsRecord:
    """How the built ``image`` differs from ``against``, any image; by default, from the record of its reference.

    With ``record``, the reference in the engine is observed, and both records are written. For a source tree, the
    reference in the engine is used unless the record is of the same commit. Raises :exc:`BuildError` if an image or a
    record is missing, or the record is of another release, target or platform; :exc:`InputError` if ``record`` is given
    for a source tree that is not a commit.
    """
    if record and (against or (image.pin.local and not COMMIT.fullmatch(image.pin.local))):
        raise InputError("--record takes no --against, and a --source only if it is a commit (CHECKOUT@COMMIT)")
    reference = replace(image, recipe=RecipeName.REFERENCE, variant=catalog.default_variant)
    if against:
        theirs = observe(engine, root, (engine.find(against) or engine.pull(against, tell)).id)
    else:
        recorded = None if record else recorded_facts(root, reference)
        theirs = recorded or observe_built(engine, root, catalog, reference)
    result = compare_facts(image, observe_built(engine, root, catalog, image), theirs)
    if record:
        observed = FactsRecord(reference.name, str(image.platform), theirs, tree=image.pin.local)
        write_facts(record_file(root, reference), observed)
        write_facts(record_file(root, image), result)
    return result


def explain(root: Path, record: FactsRecord, *, stale: bool = True) -> tuple[Groups, list[str]]:
    """The differences with the first reason that explains each; a line for each reason and difference without a match.

    Without ``stale``, there are no lines for reasons. Raises :exc:`bakery.errors.ConfigError` for an invalid reason.
    """
    entries = [entry.read(Reason) for entry in read_toml(root / "shared" / "differences.toml").entries("difference")]
    reasons = [*(reason for reason in entries if re.fullmatch(reason.images, record.image)), UNEXPLAINED]
    groups = {reason: list[Difference]() for reason in reasons}
    for difference in record.differences:
        next(matches for reason, matches in groups.items() if reason.explains(difference)).append(difference)
    lines = [f"{name}: ours {short(ours)}, theirs {short(theirs)}" for name, ours, theirs in groups[UNEXPLAINED]]
    unused = [reason for reason, matches in groups.items() if stale and not matches and not reason.optional]
    lines += [f"{reason.facts}: no longer differs" for reason in unused]
    return [group for group in groups.items() if group[1]], [f"{record.image}: {line}" for line in lines]


def failure_of(lines: Sequence[str]) -> BuildError | None:
    """The error that lists the differences and reasons without a match; ``None`` if there are none."""
    if not lines:
        return None
    more = [f"and {len(lines) - MAX_LINES:,} more"] if len(lines) > MAX_LINES else []
    text = "\n".join(("differences and reasons do not match:", *lines[:MAX_LINES], *more))
    return BuildError(text, hint=HINT)


def differences_report(
    root: Path, catalog: Catalog, engine: Engine, pairs: Iterable[tuple[Image, str | None]], output: Output
) -> Report:
    """A row for each reason; as JSON, for each difference. It fails if a difference or a reason has no match.

    ``pairs`` are images and what each is compared with, as in :func:`find_differences`.
    """
    rows: list[dict[str, object]] = []
    lines: list[str] = []
    for image, against in pairs:
        record = find_differences(root, catalog, engine, image, against, record=output.record)
        groups, unmatched = explain(root, record, stale=not against)
        lines += unmatched
        for reason, matches in groups:
            common: dict[str, object] = {"image": image.name, "reason": reason.reason.strip() or None}
            if output.format == "json":
                rows += [common | difference._asdict() for difference in matches]
            else:
                rows.append(common | {"facts": len(matches), "example": matches[0].name})
    return Report(rows, COLUMNS, failure=failure_of(lines))


def differences_part(root: Path) -> dict[str, str]:
    """The generated part of docs/differences.md by the name of its markers; raises what `inv differences` raises."""
    from jinja2 import Template

    records = map(read_facts, sorted((root / "shared" / "facts").glob("*.xz")))
    images = [(record, *explain(root, record)) for record in records if record.compared]
    if failure := failure_of([line for _, _, lines in images for line in lines]):
        raise failure
    text = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    return {"differences": Template(text, trim_blocks=True, lstrip_blocks=True).render(images=images, short=short)}
