"""HTML from data: every text and every attribute is escaped, unless it was made here. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["Html", "el", "join", "table"]

VOID = ("br", "meta", "col")


class Html(str):
    """Text that is markup already; anything else is escaped where it is put into an element."""

    __slots__ = ()


def join(parts: Iterable[str | None], between: str = "") -> Html:
    """One piece of markup from several; text is escaped, ``None`` left out."""
    return Html(between.join(part if isinstance(part, Html) else escape(part) for part in parts if part is not None))


def el(name: str, /, *children: str | None, **attributes: object) -> Html:
    """An element. A trailing underscore of an attribute's name falls away, the others become hyphens.

    >>> el("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    words = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    if name in VOID:
        return Html(f"<{name}{''.join(words)}>")
    return Html(f"<{name}{''.join(words)}>{join(children)}</{name}>")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    total: bool = False,
) -> Html:
    """A table with a caption that screen readers tell; columns in ``numbers`` stand right, the first heads its row.

    With ``total`` the last row is a sum.
    """

    def cells(row: Sequence[str]) -> Html:
        return join(
            el("th" if at == 0 else "td", text, scope="row" if at == 0 else None, class_="n" if at in numbers else None)
            for at, text in enumerate(row)
        )

    lines = [el("tr", cells(row)) for row in rows]
    body, foot = (lines[:-1], lines[-1:]) if total else (lines, [])
    return el(
        "div",
        el(
            "table",
            el("caption", caption),
            el(
                "thead",
                el(
                    "tr",
                    join(
                        el("th", head, scope="col", class_="n" if at in numbers else None)
                        for at, head in enumerate(heads)
                    ),
                ),
            ),
            el("tbody", join(body)),
            el("tfoot", join(foot)) if foot else None,
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )
