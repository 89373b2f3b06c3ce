"""The documentation: links lead somewhere, every page is in the index, and README is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if not re.match(r"[a-z]+:", link):
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), link
            assert not anchor or anchor in anchors(file), link


def names_of_tests(path: Path) -> str:
    """The names of the test functions in a file or folder, and of the scripts that some of them run."""
    files = [*path.rglob("*.py")] if path.is_dir() else [path]
    functions = [name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))]
    scripts = path.parent.glob("use/*.sh") if path.name == "test_use.py" else ()
    return " ".join((*functions, *(script.name for script in scripts)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_for_pytest_name_tests_that_exist(page: Path) -> None:
    for command in re.findall(r"`(?:\w+=\S+ )?pytest ([^`]+)`", page.read_text(encoding="utf-8")):
        words = command.split()
        paths = [ROOT / word for word in words if "/" in word]
        assert paths and all(path.exists() for path in paths), command
        if "-k" in words:
            selected = words[words.index("-k") + 1]
            assert any(selected in names_of_tests(path) for path in paths), command


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [
        page.name for page in ROOT.glob("docs/*.md") if f"({page.name})" not in index and page.name != "README.md"
    ] == []


def test_readme_is_for_users_builders_and_contributors_in_that_order_and_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## (.+)$", text)
    assert headings == ["Use an image", "Build an image", "Contribute"]
    assert len(text.splitlines()) <= 150
    first = text.index("FROM ")
    assert "published" in text[first : first + 200], "whether an image is published is next to the first FROM"
