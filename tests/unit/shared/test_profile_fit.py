"""shared/profile-fit.sh, as far as it runs without a compiler: which functions of a profile fit, by weight."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "shared" / "profile-fit.sh"


def function(name: str, structure: int, *counts: int, first: int | None = None) -> str:
    """A function as ``llvm-profdata show --all-functions --counts`` of LLVM 19 prints it."""
    entry = "" if first is None else f"    Function count: {first}\n"
    head = f"  {name}:\n    Hash: 0x{structure:016x}\n    Counters: {len(counts)}\n"
    return f"{head}{entry}    Block counts: {list(counts)}\n"


def share(folder: Path, tree: str, profile: str) -> list[str]:
    (folder / "tree").write_text(f"Counters:\n{tree}Instrumentation level: Front-end\nTotal functions: 4\n")
    (folder / "profile").write_text(f"Counters:\n{profile}Instrumentation level: Front-end\nTotal functions: 4\n")
    command = ["bash", str(SCRIPT), "share", str(folder / "tree"), str(folder / "profile")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_share_is_of_the_counts_and_the_heaviest_misfits_come_first(tmp_path: Path) -> None:
    profile = (
        function("PyList_New", 7, 10, 20, first=70)
        + function("Objects/listobject.c;list_resize", 8, 100, first=200)  # gone
        + function("_PyEval_EvalFrameDefault", 9, 400, 100, first=100)  # has another structure now
    )
    tree = function("PyList_New", 7, 0, 0, first=0) + function("_PyEval_EvalFrameDefault", 10, 0, first=0)
    assert share(tmp_path, tree, profile) == [
        "0.1000", "0.6000 _PyEval_EvalFrameDefault", "0.3000 Objects/listobject.c;list_resize",
    ]  # fmt: skip


def test_a_profile_of_the_same_source_fits_whatever_was_not_counted(tmp_path: Path) -> None:
    profile = function("PyList_New", 7, 10, 20)  # as counted in LLVM's intermediate code: without a function count
    assert share(tmp_path, profile + function("PyList_Sort", 8, 0), profile) == ["1.0000"]
