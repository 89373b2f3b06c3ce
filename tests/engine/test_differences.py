"""What users can observe in an image, compared with the record of the reference and with changed images.

Runs on $BAKERY_IMAGE, else on the default series' image if it is built (`inv build --version=3.13`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bakery.catalog.models import Catalog, Image
from bakery.catalog.recipes import RecipeName
from bakery.catalog.selection import select_images
from bakery.engine.engine import Engine
from bakery.testing.differences import compare_facts, explain, find_differences, observe, record_file
from bakery.workspace import Workspace

pytestmark = pytest.mark.engine

CHANGE = """
cd /usr/local/lib/python3.13
chmod 0700 json/decoder.py
echo '#!/bin/sh' >/usr/local/bin/another && chmod 0755 /usr/local/bin/another
echo 'added = 1' >>colorsys.py
rm nturl2path.py
"""


@pytest.fixture(scope="module")
def ours(catalog: Catalog, reference: str) -> Image:
    if os.environ.get("BAKERY_IMAGE"):
        pytest.skip("the image under test is not the catalog's")
    return select_images(catalog, ["3.13"])[0]


@pytest.fixture
def changed(engine: Engine, reference: str) -> Iterator[str]:
    """The image with other permissions, files, names and settings."""
    container = engine.client.containers.run(reference, ["sh", "-ec", CHANGE], detach=True, network_mode="none")
    name = f"bakery-tests/changed:{os.getpid()}"
    try:
        assert container.wait(timeout=60)["StatusCode"] == 0, container.logs()
        container.commit(name.partition(":")[0], name.partition(":")[2], changes='ENV LANG=C\nUSER nobody\nCMD ["sh"]')
        yield name
        engine.remove(name)
    finally:
        container.remove(force=True)


def test_every_difference_from_the_recorded_reference_has_a_reason(
    engine: Engine, catalog: Catalog, workspace: Workspace, ours: Image
) -> None:
    if not record_file(workspace.root, replace(ours, recipe=RecipeName.REFERENCE)).exists():
        pytest.skip("the reference is not recorded: inv reference, then inv differences --record")
    record = find_differences(workspace.root, catalog, engine, ours, None, record=False)
    assert explain(workspace.root, record)[1] == []


@pytest.mark.extended
def test_changes_to_an_image_are_reported_as_differences(
    engine: Engine, workspace: Workspace, ours: Image, reference: str, changed: str
) -> None:
    """Other facts are the same in both runs, which have the same rights whatever the image's user is."""
    first, second = observe(engine, workspace.root, reference), observe(engine, workspace.root, changed)
    names = [difference.name for difference in compare_facts(ours, second, first).differences]
    library = "/usr/local/lib/python3.13"
    for name in (
        f"files: {library}/json/decoder.py", f"files: {library}/colorsys.py", "files: /usr/local/bin/another",
        "commands: another", "modules: nturl2path", "names: colorsys: added", "configuration: User",
        "configuration: Cmd", "configuration: environment: LANG",
    ):  # fmt: skip
        assert name in names
    others = [name for name in names if name.startswith(("interpreter", "limits", "symbols"))]
    assert set(others) <= {f"interpreter: {fact}" for fact in ("locale", "flags", "encoding of streams")}
    assert not [name for name in names if name.startswith("packages: ")]
