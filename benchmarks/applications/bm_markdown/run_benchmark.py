"""Convert a page to HTML with Python-Markdown and its extensions."""

import markdown
import pyperf

PART = """
# Section {0}

Some *emphasised* and **strong** text with `code`, a [link](https://example.org/{0} "Title"), an image
![alt](picture-{0}.png), and a footnote[^{0}]. HTML &amp; entities; a line
that goes on.

* first item of {0}
* second item
    1. nested
    2. again

> A quotation with `code {0}`
> of two lines.

| name | value |
| ---- | ----: |
| a{0} | {0}   |
| b    | 2     |

```python
def function_{0}(argument):
    return argument + {0}
```

[^{0}]: The footnote of {0}.
"""


def main():
    """Convert a page of forty sections."""
    text = "".join(PART.format(number) for number in range(40))

    def work():
        return markdown.markdown(text, extensions=["extra", "toc", "sane_lists"])

    assert work().count("<table>") == 40
    pyperf.Runner().bench_func("markdown", work)


if __name__ == "__main__":
    main()
