"""Large data: each loop of a built-in type or a module in C, over thousands of characters, bytes, digits or items.

Upstream's tests use short data: their calls of `str.upper` change 1.8 characters on average. With such counts, LLVM
neither unrolls nor aligns these loops. Here few calls do many steps each, so that the loops become longer and the calls
not more frequent.
"""

import array
import base64
import binascii
import codecs
import csv
import io
import itertools
import json
import math
import operator
import pickle
import random
import re
import struct
import unicodedata
import zlib
from collections import Counter, deque

# The widths of a str's characters: 1 byte (ASCII and Latin-1), 2 and 4 bytes.
ALPHABETS = ["abcdefghij klmno.pqrst,", "abcdéàüß ñopqrst,", "абвгд ежзик,лмноп", "ab😀cd 🎉ef,gh🚀"]
ENCODINGS = ["utf-8", "utf-16", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "unicode_escape", "raw_unicode_escape"]
CHARSETS = ["ascii", "latin-1", "cp1252", "iso8859-15", "koi8-r", "mac_roman"]


def characters(text):
    """Methods that read each character, and those that convert each."""
    results = [text.upper(), text.lower(), text.title(), text.swapcase(), text.casefold(), text.capitalize()]
    results += [text.isalpha(), text.isdigit(), text.isascii(), text.isprintable(), text.isupper(), text.islower()]
    letters = text.replace(" ", "").replace(",", "").replace(".", "")
    results += [letters.isalpha(), letters.isalnum(), letters.islower(), letters.isidentifier(), letters.istitle()]
    results += [repr(text), hash(text), text[::-1], text[1:-1:3], text * 3, "%s" % text, f"{text:>20000}"]
    results += [text.expandtabs(), text.center(20001), text.zfill(20001), (" " * 3000 + text + " " * 3000).strip()]
    results += [("x" * 3000 + text + "x" * 3000).strip("x"), text.translate({97: 65, 98: "BB", 99: None})]
    results += [text.translate(str.maketrans("abcde", "vwxyz")), list(text), sorted(text), max(text), min(text)]
    results += [sum(map(ord, text)), [character for character in text], Counter(text), set(text), tuple(text)]
    results += [unicodedata.normalize(form, text[:3000]) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return len(results)


def searches(text):
    """Methods that search; what they look for is at the end, in many places or nowhere."""
    total = 0
    for needle in ("needle", "ed", "l", "\u0436", ", nowhere", text[100:150]):
        long = text + needle
        total += long.find(needle) + long.rfind(needle) + long.count(needle) + (needle in long) + long.index(needle)
        total += len(long.split(needle)) + len(long.rsplit(needle, 3)) + len(long.replace(needle, "found it"))
        total += len(long.partition(needle)) + len(long.rpartition(needle)) + len(long.replace(needle, needle[::-1]))
    total += ("a" * 20000 + "b").find("ab") + ("b" + "a" * 20000).rfind("ba")
    words = text.split()
    total += len(" ".join(words)) + len(", ".join(words)) + len("".join(words)) + len("\n".join(words).splitlines())
    total += len(text.split(",")) + len(text.rsplit()) + len("\r\n".join(words).splitlines(keepends=True))
    return total + (text == text[:-1] + "\0") + (text < text[:-1] + "\0") + text.startswith(text[:5000])


def octets(text):
    """The same with bytes, bytearray and memoryview."""
    total = 0
    for data in (text, bytearray(text)):
        for needle in (b"needle", b"ed", b"l", data[100:150]):
            long = data + needle
            total += long.find(needle) + long.rfind(needle) + long.count(needle) + (needle in long)
            total += len(long.split(needle)) + len(long.replace(needle, b"found it")) + len(long.rsplit(needle))
        total += len(data.upper()) + len(data.lower()) + len(data.title()) + len(data.swapcase()) + data.isascii()
        total += len(data.hex()) + len(data.hex(":")) + len(bytes.fromhex(data.hex())) + len(data.splitlines())
        total += len(data.split()) + len(b" ".join(data.split())) + len(data.translate(bytes(range(255, -1, -1))))
        total += len(data.translate(None, b"aeiou")) + sum(data) + max(data) + len(data[::-1]) + len(data[1:-1:3])
        total += len(list(data)) + len(bytes(list(data))) + len(repr(data)) + len(data.expandtabs()) + hash(bytes(data))
        total += (
            (data == data[:-1] + b"\0") + len(data.strip(b"abc")) + data.isalpha() + data.isalnum() + data.isspace()
        )
    view = memoryview(data)
    total += len(view.tolist()) + len(view[::2].tobytes()) + (view == data) + len(view.hex()) + len(bytes(view[::-1]))
    return total


def codings(texts):
    """Each codec in C, both ways."""
    size = 0
    for text in texts:
        for encoding in ENCODINGS:
            encoded = text.encode(encoding, "surrogatepass" if encoding.startswith("utf-") else "strict")
            size += len(encoded.decode(encoding))
        for charset in CHARSETS:
            encoded = text.encode(charset, "replace")
            size += len(encoded.decode(charset)) + len(text.encode(charset, "ignore"))
            size += len(text.encode(charset, "backslashreplace")) + len(text.encode(charset, "xmlcharrefreplace"))
        with io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\r\n") as lines:
            lines.write(text.replace(",", "\n"))
            lines.seek(0)
            size += sum(len(line) for line in lines)
        size += len(io.StringIO(text.replace(",", "\n")).readlines()) + len(codecs.escape_decode(text.encode())[0])
        size += len(json.loads(json.dumps(text))) + len(json.loads(json.dumps(text, ensure_ascii=False)))
        size += len(list(csv.reader(text.split(".")))) + len(pickle.loads(pickle.dumps(text)))
    data = texts[0].encode()
    for encode, decode in (
        (base64.b64encode, base64.b64decode),
        (binascii.hexlify, binascii.unhexlify),
        (binascii.b2a_qp, binascii.a2b_qp),
        (base64.b32encode, base64.b32decode),
    ):
        size += len(decode(encode(data)))
    size += sum(len(binascii.a2b_uu(binascii.b2a_uu(data[at : at + 45]))) for at in range(0, len(data), 45))
    return size + zlib.crc32(data) + binascii.crc32(data) + zlib.adler32(data) + binascii.crc_hqx(data, 0)


def integers(rng):
    """Integers of 900 to 9,000 bits."""
    total = 0
    for size in (300, 1000, 3000):
        a, b = rng.getrandbits(size * 3), rng.getrandbits(size * 3 - 40)
        for _ in range(600000 // size):
            total ^= (a + b) ^ (a - b)
        for _ in range(120000 // size):
            for left, right in ((a, b), (-a, b), (a, -b), (-a, -b)):
                total ^= (
                    (left + right) ^ (left - right) ^ (left & right) ^ (left | right) ^ (left << 77) ^ (right >> 77)
                )
                total ^= ~left ^ -right ^ abs(left)
                total += left == right
        total ^= a * b ^ a * 12345 ^ a * a ^ (a // 12345) ^ (a % 12345) ^ (a // (b >> size))
        total ^= pow(a >> size, 65537, b) ^ math.isqrt(a) ^ math.gcd(a, b)
        texts = [f"{a:x}", f"{a:o}", f"{a:b}", str(a), hex(-a), bin(b), oct(b), f"{a:,}"]
        total += int(texts[0], 16) + int(texts[1], 8) + int(texts[2], 2) + int(texts[3]) + len(texts) + hash(a)
        for order in ("little", "big"):
            total ^= int.from_bytes(a.to_bytes(size, order), order)
            total ^= int.from_bytes((-a).to_bytes(size, order, signed=True), order, signed=True)
    return total


def sequences(rng):
    """Lists, tuples, deques and arrays, from both ends and in the middle."""
    items = [rng.randrange(10000) for _ in range(4000)]
    reals = [item * 1.1 for item in items]
    texts = [str(item) for item in items]
    for _ in range(3):
        for values in (items, reals, texts, list(zip(items, texts)), [(item,) for item in reals], items + reals):
            ranked = sorted(values)
            ranked.sort(reverse=True)
            ranked.reverse()
            copies = [values[:], values[::-1], values[1:-1:2], values * 2, values + values, tuple(values)]
            assert all(copies) and min(values) <= max(values) and values == values[:] and values.count(values[0])
            values.index(values[-1])
            assert "nothing" not in values
            queue = deque(values)
            queue.rotate(700)
            queue.reverse()
            assert queue.count(values[0]) and values[-1] in queue
    for _ in range(2):
        queue = list(range(600))
        while queue:
            del queue[0]
        for item in range(600):
            queue.insert(0, item)
        while queue:
            queue.pop(0)
        queue = list(range(1200))
        for _ in range(300):
            del queue[100:103]
            queue[50:50] = [1, 2]
        for _ in range(100):
            queue.remove(queue[300])
        del queue[::3]
    for code in "bBhHiIlLqQfd":
        values = array.array(code, [item % 100 for item in items])
        values.byteswap()
        values.byteswap()
        values.reverse()
        values.extend(values[::2])
        values.tolist()
        assert values.count(3) >= 0 and values == values[:] and sum(values) and len(memoryview(values).tolist())
        assert struct.pack(f"<{len(items)}{code}", *values[: len(items)])
        assert len(list(struct.iter_unpack(f"={code}", values.tobytes()[:8000])))
    return len(items)


def totals(rng):
    """Functions and modules that go through many numbers or pairs."""
    items = [rng.randrange(1 << 20) for _ in range(5000)]
    reals = [rng.random() for _ in items]
    result = [sum(items), sum(reals), math.fsum(reals), math.prod(reals), any(map(operator.not_, items)), all(items)]
    result += [
        [real.as_integer_ratio() for real in reals],
        [repr(real) for real in reals],
        [real.hex() for real in reals],
    ]
    result += [[float(repr(real)) for real in reals], list(map(round, reals)), math.dist(reals, reals[::-1])]
    result += [list(zip(items, reals)), list(enumerate(items)), list(filter(None, items)), list(range(20000))]
    result += [
        list(itertools.accumulate(items)),
        list(itertools.chain(items, reals)),
        list(itertools.islice(items, 9, 3000)),
    ]
    result += [list(itertools.compress(items, items)), len(list(itertools.combinations(items[:80], 3)))]
    table, other = dict(zip(items, reals)), dict.fromkeys(items[:3000])
    result += [{**table, **other}, table | other if hasattr(table, "__or__") else None, table.copy(), table == other]
    result += [list(table.items()), list(table.values()), sum(table), dict(table.items()), list(reversed(table))]
    group, half = set(items), set(items[:2500])
    result += [
        group & half,
        group | half,
        group - half,
        group ^ half,
        half <= group,
        group.isdisjoint(half),
        frozenset(half),
    ]
    result += [
        pickle.loads(pickle.dumps([items, reals, table])),
        json.loads(json.dumps([items, reals])),
        bytes(2000).count(0),
    ]
    result += [re.findall(r"\d+", repr(items)), re.sub("1", "2", repr(items)), re.split("[, ]+", repr(items))]
    return len(result)


def main():
    rng = random.Random(20261129)
    texts = ["".join(rng.choices(alphabet, k=9000)) for alphabet in ALPHABETS]
    for turn in range(16):
        for text in texts:
            characters(text)
            searches(text)
        octets(texts[0].encode())
        codings(texts)
        integers(rng)
        if turn % 4 == 0:
            sequences(rng)
            totals(rng)


if __name__ == "__main__":
    main()
