"""Run the image's tests with the interpreter of the image and report in one line of JSON.

    python -B run.py [-k PATTERN]...

Progress goes to stderr as unittest prints it. The last line of stdout is one JSON object:

    {"python": "3.13.15", "run": N, "passed": N, "failed": N, "skipped": N,
     "failures": ["id: first line of the reason", ...], "skips": ["id: reason", ...]}

"run" counts the tests, each once, and is the sum of the three numbers after it; "failures" has an entry for every
failed subtest. Exit status: 0 passed, 1 something failed, 3 the patterns select no test, 4 all that they select was
skipped.

Facts about the image come from the environment:
    PYTHON_VERSION   the release the image says it holds; the image sets it
    IMAGE_RECIPE     "full" (profile-guided and link-time optimised) or "quick"; unset: not checked
    IMAGE_LACKS      what the image's variant leaves out, words of support.FEATURES; unset: nothing
"""

import argparse
import faulthandler
import json
import os
import platform
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS_BEFORE_GIVING_UP = 900

LONGEST_REASON = 500


def first_line(text):
    """The first line of `text` that says something, not too much of it."""
    for line in str(text).splitlines():
        line = line.strip()
        if line:
            return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "..."
    return ""


class Result(unittest.TextTestResult):
    """A result that keeps one verdict for each test, however many subtests it has."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.verdicts = {}
        self.reasons = []
        self.skip_reasons = []

    def _fail(self, test, name, reason):
        self.verdicts[test.id()] = "failed"
        self.reasons.append(f"{name}: {reason}")

    def _error(self, test, name, err):
        kind, value = err[0], err[1]
        line = first_line(value)
        if kind is not test.failureException:
            line = f"{kind.__name__}: {line}"
        self._fail(test, name, line)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.verdicts.setdefault(test.id(), "passed")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.verdicts.setdefault(test.id(), "passed")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._fail(test, test.id(), "passed although it is marked as an expected failure")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        owner = getattr(test, "test_case", test)
        # A skipped subtest says nothing about the rest of its test.
        if owner is test:
            self.verdicts.setdefault(test.id(), "skipped")
        self.skip_reasons.append(f"{test.id()}: {first_line(reason)}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._error(getattr(test, "test_case", test), test.id(), err)

    def addError(self, test, err):
        super().addError(test, err)
        # setUpClass and setUpModule report through a stand-in that has no failureException.
        if not hasattr(test, "failureException"):
            self._fail(test, test.id(), f"{err[0].__name__}: {first_line(err[1])}")
        elif type(test).__name__ == "_FailedTest":
            self._fail(test, test.id(), first_line(str(err[1]).strip().splitlines()[-1]))
        else:
            self._error(test, test.id(), err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._error(test, subtest.id(), err)

    def count(self, verdict):
        return list(self.verdicts.values()).count(verdict)


def as_pattern(text):
    """What unittest makes of -k: without a star it may match anywhere in the name."""
    return text if "*" in text else f"*{text}*"


def main(argv=None):
    parser = argparse.ArgumentParser(description="Run the image's tests; see the head of run.py.")
    parser.add_argument(
        "-k",
        dest="patterns",
        action="append",
        type=as_pattern,
        metavar="PATTERN",
        help="only tests whose name contains PATTERN, or matches it if it has a *; may be repeated",
    )
    options = parser.parse_args(argv)

    # Whatever a test or its children leave behind lies in this folder and goes with it.
    scratch = tempfile.mkdtemp(prefix="image-tests-")
    sys.path.insert(0, HERE)
    import support

    support.use_scratch(scratch)
    try:
        loader = unittest.TestLoader()
        loader.testNamePatterns = options.patterns
        suite = loader.discover(HERE, pattern="test_*.py", top_level_dir=HERE)
        selected = suite.countTestCases()
        runner = unittest.TextTestRunner(stream=sys.stderr, verbosity=2, resultclass=Result)
        faulthandler.dump_traceback_later(SECONDS_BEFORE_GIVING_UP, exit=True, file=sys.__stderr__)
        result = runner.run(suite)
        faulthandler.cancel_dump_traceback_later()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

    report = {
        "python": platform.python_version(),
        "run": len(result.verdicts),
        "passed": result.count("passed"),
        "failed": result.count("failed"),
        "skipped": result.count("skipped"),
        "failures": result.reasons,
        "skips": result.skip_reasons,
    }
    sys.stderr.flush()
    sys.stdout.flush()
    print(json.dumps(report), flush=True)
    if report["failed"] or not result.wasSuccessful():
        return 1
    if not selected:
        return 3
    if report["run"] == report["skipped"]:
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
