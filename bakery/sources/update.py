"""`inv update` from end to end: discovers what is new, then applies it to shared/lock.toml and reports the diff."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from bakery.catalog import Catalog
from bakery.errors import BakeryError, BuildError, SourceError
from bakery.files import Tell, write_whole
from bakery.sources.discovery import make_discovery, select_subjects
from bakery.sources.lock_changes import apply_changes, lock_diff, lock_text, needed_changes
from bakery.workspace import Workspace

LOCK = "shared/lock.toml"


@dataclass(frozen=True)
class UpdateResult:
    """What an update changed, or would change.

    ``diff`` is a unified diff of the lock, empty if it is up to date. ``messages`` holds one complete commit message
    for each change. ``problems`` lists entries that failed verification and were left out. ``written`` tells whether
    the lock was replaced on disk.
    """

    diff: str
    messages: tuple[str, ...]
    problems: tuple[str, ...]
    written: bool

    @property
    def text(self) -> str:
        """The report for stdout, without a final newline."""
        lines = [self.diff or f"{LOCK} is up to date"]
        lines += [f"--- commit message\n{message}" for message in self.messages]
        return "\n".join([*lines, *([f"{LOCK} written"] if self.written else [])])

    @property
    def failure(self) -> BakeryError | None:
        """The error to raise after the report: failed verification, or a lock that is out of date and not written."""
        if self.problems:
            return SourceError("\n  ".join(["left out because verification failed:", *self.problems]))
        if self.diff and not self.written:
            return BuildError(f"{LOCK} is not up to date", hint="Bring it up to date: inv update")
        return None


def update_lock(
    workspace: Workspace, catalog: Catalog, versions: Sequence[str], targets: Sequence[str], tell: Tell, *, write: bool
) -> UpdateResult:
    """Look for newer releases and bases, verify them, and bring shared/lock.toml up to date.

    ``versions`` and ``targets`` are those of the command line; see :func:`bakery.sources.discovery.select_subjects`.
    The file is replaced only if ``write``. Notes for the user go to ``tell``. Raises :exc:`SourceError` if neither
    python.org nor a Debian mirror lists releases, and :exc:`bakery.errors.InputError` for unknown names.
    """
    findings = make_discovery(workspace, catalog, tell).find(select_subjects(catalog, versions, targets))
    for note in findings.notes:
        tell(note)
    file = workspace.root / LOCK
    old = file.read_text(encoding="utf-8")
    lock = tomllib.loads(old)
    changes = needed_changes(lock, findings.changes)
    new = lock_text(apply_changes(lock, changes)) if changes else old
    written = write and new != old
    if written:
        write_whole(file, new)
    messages = tuple(change.message for change in changes)
    return UpdateResult(lock_diff(old, new), messages, tuple(findings.problems), written)
