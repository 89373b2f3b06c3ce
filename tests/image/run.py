"""Run the image's tests with the image's interpreter and print a summary as one line of JSON.

    python -B run.py [-k PATTERN]...

unittest's progress goes to stderr. The last line of stdout is a JSON object:

    {"python": "3.13.15", "run": N, "passed": N, "failed": N, "skipped": N,
     "failures": ["id: first line of the reason", ...], "skips": ["id: reason", ...]}

"run" counts each test once and is the sum of the three numbers after it. "failures" has an entry for every failed
subtest. Exit status: 0 passed, 1 a test failed, 3 the patterns match no test, 4 all matching tests were skipped.

Environment variables describe the image:
    PYTHON_VERSION   the image's release; the image sets it
    IMAGE_RECIPE     "full" (PGO and LTO) or "quick"; if unset, the recipe is not checked
    IMAGE_LACKS      keys of support.FEATURES that the image's variant leaves out; if unset, none
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
TIMEOUT = 900  # seconds for all tests

LONGEST_REASON = 500


def first_line(text):
    """Return the first non-empty line of `text`, truncated to LONGEST_REASON characters."""
    for line in str(text).splitlines():
        line = line.strip()
        if line:
            return line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "..."
    return ""


class Result(unittest.TextTestResult):
    """A result with one verdict per test, however many subtests it has."""

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
        # A skipped subtest does not decide the verdict of its test.
        if owner is test:
            self.verdicts.setdefault(test.id(), "skipped")
        self.skip_reasons.append(f"{test.id()}: {first_line(reason)}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._error(getattr(test, "test_case", test), test.id(), err)

    def addError(self, test, err):
        super().addError(test, err)
        # Errors of setUpClass and setUpModule come with a placeholder that has no failureException.
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
    """Convert -k as unittest does: without an asterisk it matches anywhere in the name."""
    return text if "*" in text else f"*{text}*"


def main(argv=None):
    parser = argparse.ArgumentParser(description="Run the image's tests; see the head of run.py.")
    parser.add_argument(
        "-k",
        dest="patterns",
        action="append",
        type=as_pattern,
        metavar="PATTERN",
        help="run only tests whose names contain PATTERN, or match it if it contains *; repeatable",
    )
    options = parser.parse_args(argv)

    # Files that tests and their child processes leave behind are in this folder and removed with it.
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
        faulthandler.dump_traceback_later(TIMEOUT, exit=True, file=sys.__stderr__)
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
