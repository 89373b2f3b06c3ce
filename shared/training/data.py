"""Data processing: json, pickle, csv, XML, settings, databases, dates, paths, URLs, logging, copies, compression."""

import ast
import base64
import configparser
import copy
import csv
import datetime
import email.message
import email.parser
import hashlib
import html
import io
import json
import logging
import pathlib
import pickle
import random
import sqlite3
import struct
import tempfile
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
import zlib
from typing import Any, Dict, List, Optional, Union

try:
    import tomllib
except ImportError:
    tomllib = None


class Entry:
    def __init__(self, name, values):
        self.name = name
        self.values = values
        self.parent = None

    def __reduce__(self):
        return Entry, (self.name, self.values)


def records(rng, count):
    return [
        {
            "id": number,
            "name": f"n\u00e4me {number}",
            "score": rng.random(),
            "active": bool(number % 2),
            "tags": [f"t{rng.randrange(30)}" for _ in range(4)],
            "nested": {"a": None, "b": [number, str(number), {"deep": -number}]},
        }
        for number in range(count)
    ]


def texts(rows):
    packed = json.dumps(rows)
    again = json.loads(packed)
    json.dumps(again, indent=2, sort_keys=True, ensure_ascii=False)
    json.loads(b'{"e": 1.5e3, "u": "\\u00e9\\n", "l": [1, -2, true, false, null]}')
    for row in rows[:40]:
        json.loads(json.dumps(row, separators=(",", ":"), default=str))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "score"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    read = list(csv.DictReader(io.StringIO(out.getvalue())))
    return len(packed), len(read)


def binaries(rows):
    for protocol in (2, 4, 5):
        pickle.loads(pickle.dumps(rows, protocol))
    entries = [Entry(row["name"], row["tags"]) for row in rows[:100]]
    pickle.loads(pickle.dumps(entries))
    pickle.loads(pickle._dumps(rows[:40]))
    pickle._loads(pickle.dumps(rows[:40]))
    copies = copy.deepcopy(rows[:80])
    shallow = [copy.copy(entry) for entry in copy.deepcopy(entries[:40])]
    raw = b"".join(struct.pack("<IdH", row["id"], row["score"], len(row["tags"])) for row in rows)
    back = [values for values in struct.iter_unpack("<IdH", raw)]
    small = zlib.compress(raw, 6)
    digest = hashlib.sha256(small).hexdigest() + hashlib.blake2b(raw).hexdigest()
    base64.urlsafe_b64decode(base64.urlsafe_b64encode(small))
    return len(copies), len(shallow), len(back), zlib.decompress(small) == raw, digest


def documents(rows):
    root = ET.Element("rows")
    for row in rows[:200]:
        node = ET.SubElement(root, "row", id=str(row["id"]))
        ET.SubElement(node, "name").text = row["name"]
        for tag in row["tags"]:
            ET.SubElement(node, "tag", kind=tag).text = html.escape(f"<{tag}>")
    text = ET.tostring(root, encoding="unicode")
    again = ET.fromstring(text)
    found = [node.findtext("name") for node in again.iter("row") if node.get("id", "").endswith("7")]
    for _, node in ET.iterparse(io.StringIO(text), events=("end",)):
        if node.tag == "row":
            node.clear()
    return len(found), len(again.findall("./row/tag[@kind='t7']"))


def settings():
    text = "".join(f"[section{n}]\nname = value {n}\nsize = {n}\n; comment\nlist = a, b, {n}\n\n" for n in range(40))
    parser = configparser.ConfigParser()
    parser.read_string(text)
    total = sum(parser.getint(section, "size") for section in parser.sections())
    if tomllib is not None:
        toml = "".join(
            f'[table{n}]\nname = "value {n}"\nsizes = [1, 2.5, {n}]\nwhen = 2026-11-{n % 28 + 1:02}\n'
            f"inline = {{ a = true, b = 'x' }}\n"
            for n in range(60)
        )
        total += len(tomllib.loads(toml))
    return total


def database(rows):
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute("create table entry (id integer primary key, name text, score real, kind text)")
    connection.create_function("double", 1, lambda value: value * 2)
    with connection:
        connection.executemany(
            "insert into entry values (?, ?, ?, ?)", ((r["id"], r["name"], r["score"], r["tags"][0]) for r in rows)
        )
    total = 0
    for row in connection.execute("select *, double(score) as twice from entry where score > ? order by name", (0.3,)):
        total += row["twice"] + len(row["name"])
    best = connection.execute(
        "select kind, count(*), avg(score) from entry group by kind having count(*) > 1"
    ).fetchall()
    connection.close()
    return total, len(best)


def calendar(rng):
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    total = datetime.timedelta()
    for number in range(500):
        later = day + datetime.timedelta(days=number, minutes=rng.randrange(2000))
        text = later.isoformat()
        again = datetime.datetime.fromisoformat(text)
        total += again - day
        if number % 10 == 0:
            datetime.datetime.strptime(later.strftime("%Y-%m-%d %H:%M"), "%Y-%m-%d %H:%M")
        later.astimezone(datetime.timezone(datetime.timedelta(hours=2))).replace(microsecond=0)
    return total


def places():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        for number in range(30):
            file = top / f"d{number % 5}" / f"f{number}.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"line {number}\n" * 20, encoding="utf-8")
        names = sorted(path.relative_to(top).with_suffix(".bak").as_posix() for path in top.rglob("*.txt"))
        lines = 0
        for file in top.glob("*/*.txt"):
            with open(file, encoding="utf-8") as stream:
                for line in stream:
                    lines += len(line.rstrip("\n").split())
        for file in top.glob("d1/*"):
            file.unlink()
    return len(names), lines


def addresses(rng):
    total = 0
    for number in range(300):
        url = urllib.parse.urlunsplit(("https", f"host{number}.example:8443", "/a b/c", f"q={number}&q=x%20y", "top"))
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qs(parts.query)
        total += len(urllib.parse.urljoin(url, "../d?e=1")) + len(urllib.parse.quote(parts.path)) + len(query["q"])
        total += len(urllib.parse.urlencode({"a": number, "b": ["x", "y"]}, doseq=True)) + len(
            str(uuid.UUID(int=number))
        )
    message = email.message.EmailMessage()
    message["Subject"], message["From"], message["To"] = "Gr\u00fc\u00dfe", "a@example.org", "b@example.org"
    message.set_content("text " * 200)
    message.add_alternative("<p>text</p>" * 50, subtype="html")
    return total, len(email.parser.Parser().parsestr(message.as_string()).get_payload())


def journal(rng):
    out = io.StringIO()
    logger = logging.getLogger(f"training{rng.random()}")
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    for number in range(400):
        logger.debug("hidden %s", number)
        logger.info("shown %d of %s", number, "many")
        if number % 50 == 0:
            try:
                number / 0
            except ZeroDivisionError:
                logger.exception("failed")
    return len(out.getvalue())


def program(rng):
    source = "\n".join(
        f"def f{n}(a, b={n}, *c, d: int = 3, **e) -> List[int]:\n"
        f"    '''doc {n}'''\n"
        f"    if a > b and not c or d in e:\n"
        f"        return [x ** {n} for x in range(a) if x % 2]\n"
        f"    for i, (j, k) in enumerate(zip(c, c)):\n"
        f"        try:\n            e[f'{{i}}-{{j!r}}'] = lambda y: (y, j, k)\n"
        f"        except (KeyError, ValueError) as error:\n            raise RuntimeError(i) from error\n"
        f"    return {{a: b, 'c': {rng.random()}}}\n"
        f"class C{n}(object):\n    x: int = {n}\n    def m(self):\n        return super().m() + self.x\n"
        for n in range(40)
    )
    tree = ast.parse(source)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    exec(compile(tree, "training", "exec"), {"List": List})
    alias = Dict[str, Union[int, Optional[List[Any]]]]
    return len(names), ast.literal_eval("{'a': [1, 2.5, None, (True, b'x')]}"), repr(alias)


def main():
    rng = random.Random(17)
    for _ in range(40):
        rows = records(rng, 250)
        texts(rows)
        binaries(rows)
        documents(rows)
        settings()
        database(rows)
        calendar(rng)
        places()
        addresses(rng)
        journal(rng)
        program(rng)


if __name__ == "__main__":
    main()
