"""Format a module of black with black, in pure Python."""

from pathlib import Path

import black
import pyperf


def main():
    """Format the module as the command line does, with its comparison of syntax trees."""
    folder = Path(black.__file__).parent
    assert black.__file__.endswith(".py"), "compiled by mypyc"
    text = (folder / "comments.py").read_text(encoding="utf-8").replace("    ", "  ")

    def work():
        assert black.format_file_contents(text, fast=False, mode=black.Mode())

    pyperf.Runner().bench_func("black", work)


if __name__ == "__main__":
    main()
