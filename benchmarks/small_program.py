"""Does a little of what most programs do: what benchmarks/startup_order.py runs as an example of one."""

import argparse
import collections
import csv
import dataclasses
import datetime
import decimal
import enum
import hashlib
import io
import json
import logging
import pathlib
import re
import subprocess
import tempfile
import threading
import typing
import urllib.parse
import zipfile


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    """A class with generated methods."""

    x: int
    y: float = 1.5
    color: typing.Optional[Color] = None


def numbers(count: int) -> typing.Iterator[object]:
    """Numbers and the texts of errors."""
    for number in range(count):
        try:
            if number % 7 == 3:
                raise ValueError(number)
            yield number**2
        except ValueError as error:  # noqa: PERF203 (what is measured)
            yield str(error)


def main() -> None:
    """Run each part once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int)
    count = parser.parse_args(["--count", "20"]).count
    logging.basicConfig(level=logging.INFO, stream=io.StringIO())
    logging.info("%d numbers", count)
    by_type = collections.defaultdict(list)
    for number in numbers(count):
        by_type[type(number).__name__].append(number)
    by_type["int"].sort(key=lambda number: -number)
    _, *rest = tuple(by_type["int"][1:5])
    texts = json.loads(json.dumps(by_type, indent=1))
    words = " ".join({str(number): number for number in rest}).upper()
    match = re.search(r"(?P<word>\w+)-(\d+)", "abc-123")
    digest = hashlib.sha256(bytes(3) + bytearray(words.encode())).hexdigest().split("a")
    lines = [f"{Point(1)!r} {datetime.datetime(2024, 1, 1):%Y}", f"{decimal.Decimal('1.1') * 3} {10**40 // 7:.3e}"]
    out = io.StringIO()
    print(sum(rest), max(rest), urllib.parse.urlsplit("http://host/path?q=1"), match, digest, texts, *lines, file=out)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "table.csv")
        with file.open("w", newline="") as table:
            csv.writer(table).writerows([[1, 2], ["x", "y"]])
        with zipfile.ZipFile(file.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(file)
    thread = threading.Thread(target=subprocess.run, args=[["true"]])
    thread.start()
    thread.join()


main()
