"""The site in headless Chromium, from file://: both widths, both colour schemes, with and without JavaScript."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bakery.report.site import write_site
from bakery.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

# The lowest contrast of a text with the nearest background that is not transparent, and that text.
CONTRAST = """() => {
  const channels = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      if (at.tagName === "svg") return getComputedStyle(at.querySelector("rect")).fill;
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return getComputedStyle(at).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = [21, ""];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("title, desc, style, option") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const pair = [colour, background(element)].map((text) => light(channels(text)));
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 200)];
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(Workspace(ROOT, tmp_path_factory.mktemp("home")), folder)
    return folder


@pytest.fixture(scope="module")
def open_page(site: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page of the site; its messages and errors are collected in ``page.problems``."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_api.sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.callback(browser.close)

        def start(name: str, script: bool = True) -> Any:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=script)
            page, problems = context.new_page(), []
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("requestfailed", lambda request: problems.append(request.url))
            page.problems = problems
            page.goto((site / name).as_uri())
            return page

        yield start


def names(site: Path) -> list[str]:
    return ["index.html", *(f"images/{file.name}" for file in sorted(site.glob("images/*.html")))]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.extended)])
def test_pages_fit_are_readable_and_have_no_errors(every: bool, site: Path, open_page: Callable[..., Any]) -> None:
    pages = names(site)
    assert len(pages) > 6
    if not every:
        # One page of each variant, and of a source tree: others of the same variant differ only in their figures.
        images = [page for page in pages if re.search("3.13.15-.*bookworm|t-local-bookworm", page)]
        pages = ["index.html", *images]
        assert len(pages) > 3
    for name in pages:
        page = open_page(name)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            ratio, text = page.evaluate(CONTRAST)
            assert ratio >= 4.5, f"{name}, {scheme}: {text}"
        assert page.problems == [], name
        page.context.close()


def test_the_filter_shows_matching_images_only(open_page: Callable[..., Any]) -> None:
    page = open_page("index.html")
    fields = ("series", "target", "variant", "platform")
    rows = page.locator("#images tbody tr").all()
    images = [tuple(row.get_attribute(f"data-{field}") for field in fields) for row in rows]

    def select(*values: str) -> int:
        """The number of rows that are visible when ``values`` are selected."""
        for field, value in zip(fields, values, strict=True):
            page.select_option(f"select[name={field}]", value)
        return page.locator("#images tbody tr:visible").count()

    trixie = [image for image in images if image[1] == "trixie"]
    assert select("", "trixie", "", "") == len(trixie)
    assert 0 < len(trixie) < len(images)
    assert page.inner_text("#count") == f"{len(trixie)} of {len(images)} images"
    assert not page.is_visible("#none")
    for image in images[:3]:
        assert select(*image) == images.count(image)
    absent = [each for each in product(*map(set, zip(*images, strict=True))) if each not in images]
    for values in absent[:1]:
        assert select(*values) == 0
        assert page.is_visible("#none")


def test_links_between_pages_work_from_a_file(open_page: Callable[..., Any]) -> None:
    page = open_page("index.html")
    first = page.inner_text("#images tbody a >> nth=0")
    page.click("#images tbody a >> nth=0")
    assert first in page.inner_text("main")
    page.click("text=All images")
    assert page.is_visible("#images")
    assert page.problems == []


def test_a_copy_button_copies_the_text_next_to_it_or_selects_it(open_page: Callable[..., Any]) -> None:
    page = open_page("index.html")
    page.click("button[data-copy] >> nth=0")
    page.wait_for_function("document.querySelector('button[data-copy]').textContent !== 'Copy'")
    assert page.inner_text("button[data-copy] >> nth=0") in ("Copied", "Selected")


def test_everything_can_be_read_without_javascript(site: Path, open_page: Callable[..., Any]) -> None:
    page = open_page("index.html", script=False)
    assert page.locator("#images tbody tr:visible").count() == len(names(site)) - 1
    assert not page.is_visible("#filter") and not page.is_visible("button")
