"""Run a suite of 300 tests with pytest: fixtures, parameters, assertion rewriting, and a few failures."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import pyperf
import pytest

SUITE = """
import pytest

@pytest.fixture
def numbers():
    return list(range(20))

@pytest.fixture(params=["a", "b", "c"])
def letter(request):
    return request.param

@pytest.mark.parametrize("number", range(80))
def test_parameters(number, numbers):
    assert number not in numbers or numbers[number] == number

@pytest.mark.parametrize("number", range(70))
def test_fixtures(letter, number, tmp_path):
    assert letter * number == "".join(letter for _ in range(number))

@pytest.mark.parametrize("number", range(10))
def test_failures(number, numbers):
    assert {"number": number, "rest": numbers} == {"number": number + 1, "rest": numbers[1:]}
"""


def main():
    """Run the suite in this process, collected and rewritten each time."""
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "test_suite.py")
        file.write_text(SUITE, encoding="utf-8")
        os.chdir(folder)

        def work():
            sys.modules.pop("test_suite", None)
            with contextlib.redirect_stdout(io.StringIO()) as output:
                pytest.main(["-q", "-p", "no:cacheprovider", f"--basetemp={folder}/temporary", str(file)])
            assert "10 failed, 290 passed" in output.getvalue(), output.getvalue()[-2000:]

        pyperf.Runner().bench_func("pytest", work)
        os.chdir("/")


if __name__ == "__main__":
    main()
