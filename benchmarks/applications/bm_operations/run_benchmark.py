"""Single operations of built-in types and of the standard library's modules in C, on data large enough to show a loop.

pyperformance's programs hardly search text, split lines or calculate with large integers, so a compiler option that
makes one of these slow does not show there.
"""

import pyperf

TEXT = "'the quick brown fox jumps over the lazy dog, ' * 800"
OPERATIONS = {
    "str_find": ("text = 'a' * 20000 + 'b'", "text.find('ab')"),
    "str_find_words": (f"text = {TEXT} + 'cat'", "text.find('cat')"),
    "str_in": ("text = 'x' * 5000 + 'needle'", "'needle' in text"),
    "str_rfind": ("text = 'b' + 'a' * 20000", "text.rfind('ba')"),
    "str_count": (f"text = {TEXT}", "text.count('fox')"),
    "str_replace": (f"text = {TEXT}", "text.replace('fox', 'cat')"),
    "str_split": (f"text = {TEXT}", "text.split()"),
    "str_split_comma": (f"text = {TEXT}", "text.split(', ')"),
    "str_splitlines": ("text = 'a line of text\\n' * 2000", "text.splitlines()"),
    "str_join": ("words = ['word'] * 5000", "' '.join(words)"),
    "str_translate": (f"text = {TEXT}; table = str.maketrans('aeiou', 'AEIOU')", "text.translate(table)"),
    "str_upper": (f"text = {TEXT}", "text.upper()"),
    "str_compare": ("one = 'x' * 20000; other = 'x' * 19999 + 'y'", "one == other"),
    "str_format": ("", "'%s: %d (%.2f)' % ('name', 12345, 1.5)"),
    "str_fstring": ("number, value = 12345, 1.2345", "f'{number:>10,} {value:.3f} {value!r}'"),
    "bytes_find": ("data = b'a' * 20000 + b'b'", "data.find(b'ab')"),
    "bytes_replace": (f"data = ({TEXT}).encode()", "data.replace(b'fox', b'cats')"),
    "bytes_split": (f"data = ({TEXT}).encode()", "data.split()"),
    "bytes_hex": ("data = bytes(range(256)) * 40", "data.hex()"),
    "bytes_fromhex": ("text = (bytes(range(256)) * 40).hex()", "bytes.fromhex(text)"),
    "bytes_translate": ("data, table = bytes(range(256)) * 40, bytes(range(256))", "data.translate(table)"),
    "decode_ascii": (f"data = ({TEXT}).encode()", "data.decode('ascii')"),
    "decode_utf8": ("data = ('naïve café ' * 1500).encode()", "data.decode()"),
    "encode_utf8": ("text = 'naïve café ' * 1500", "text.encode()"),
    "decode_utf16": ("data = ('naïve café ' * 1500).encode('utf-16')", "data.decode('utf-16')"),
    "decode_utf32": ("data = ('naïve café ' * 1500).encode('utf-32')", "data.decode('utf-32')"),
    "decode_cp1252": ("data = ('naïve café ' * 1500).encode('cp1252')", "data.decode('cp1252')"),
    "normalize": ("import unicodedata; text = 'naïve café ' * 500", "unicodedata.normalize('NFD', text)"),
    "int_add": ("one, other = 7**9000, 7**8999", "one + other"),
    "int_and": ("one, other = 7**9000, 7**8999", "one & other"),
    "int_multiply": ("one, other = 7**3000, 11**3000", "one * other"),
    "int_divide": ("one, other = 7**6000, 11**2000", "one // other"),
    "int_power": ("one, modulus = 7**300, 11**300", "pow(one, one, modulus)"),
    "int_to_str": ("number = 7**4000", "str(number)"),
    "int_from_str": ("text = '7' * 4000", "int(text)"),
    "int_hex": ("number = 7**9000", "hex(number)"),
    "int_small_to_str": ("numbers = [number * 7919 for number in range(1000)]", "[str(number) for number in numbers]"),
    "float_repr": ("values = [value * 1.1 for value in range(1000)]", "[repr(value) for value in values]"),
    "float_from_str": ("texts = [repr(value * 1.1) for value in range(1000)]", "[float(text) for text in texts]"),
    "float_ratio": (
        "values = [value * 1.1 for value in range(1000)]",
        "[value.as_integer_ratio() for value in values]",
    ),
    "fsum": ("import math; values = [0.1] * 5000", "math.fsum(values)"),
    "list_delete_first": ("", "items = list(range(900))\nwhile items: del items[0]"),
    "list_insert_first": ("", "items = []\nfor item in range(900): items.insert(0, item)"),
    "list_index": ("items = list(range(9000))", "items.index(8999)"),
    "list_reverse": ("items = list(range(9000))", "items.reverse()"),
    "sort_floats": ("values = [value * 7919.5 % 1009 for value in range(3000)]", "sorted(values)"),
    "sort_strings": ("texts = [str(value * 7919 % 10007) for value in range(3000)]", "sorted(texts)"),
    "sort_tuples": ("rows = [(value * 7919 % 1009, value) for value in range(3000)]", "sorted(rows)"),
    "set_and": ("one, other = set(range(3000)), set(range(1000, 4000))", "one & other"),
    "dict_update": ("one = dict.fromkeys(range(3000))", "copy = dict(one); copy.update(one)"),
    "dict_of_strings": ("keys = [str(key) for key in range(3000)]", "{key: 1 for key in keys}"),
    "counter": ("import collections; text = 'hello world' * 300", "collections.Counter(text)"),
    "deque": (
        "import collections",
        "items = collections.deque(maxlen=50)\nfor item in range(2000): items.append(item)",
    ),
    "heapq": (
        "import heapq; values = [value * 7919 % 1009 for value in range(2000)]",
        "heap = values[:]; heapq.heapify(heap)\nwhile heap: heapq.heappop(heap)",
    ),
    "array_byteswap": ("import array; items = array.array('i', range(9000))", "items.byteswap()"),
    "struct": ("import struct; pack = struct.Struct('<IHfdq10s')", "pack.unpack(pack.pack(1, 2, 0.5, 0.25, 7, b'x'))"),
    "base64_encode": ("import binascii; data = bytes(range(256)) * 100", "binascii.b2a_base64(data)"),
    "base64_decode": (
        "import binascii; data = binascii.b2a_base64(bytes(range(256)) * 100)",
        "binascii.a2b_base64(data)",
    ),
    "md5": ("import hashlib; data = bytes(50000)", "hashlib.md5(data).digest()"),
    "blake2b": ("import hashlib; data = bytes(50000)", "hashlib.blake2b(data).digest()"),
    "crc32": ("import zlib; data = bytes(50000)", "zlib.crc32(data)"),
    "csv_read": ("import csv; lines = ['a,b,\"c d\",1.5'] * 500", "list(csv.reader(lines))"),
    "csv_write": ("import csv, io; rows = [['a', 'b', 'c d', 1.5]] * 500", "csv.writer(io.StringIO()).writerows(rows)"),
    "json_dumps_text": ("import json; text = ['naïve café ' * 50] * 50", "json.dumps(text)"),
    "marshal": (
        "import marshal; value = {'a': [1, 2.5, 'é', None, (1, 2)] * 200}",
        "marshal.loads(marshal.dumps(value))",
    ),
    "regex_words": (f"import re; text = {TEXT}; words = re.compile(r'\\b\\w+\\b')", "words.findall(text)"),
    "regex_search": (
        f"import re; text = {TEXT} + 'a@b.com'; mail = re.compile(r'\\w+@\\w+\\.com')",
        "mail.search(text)",
    ),
    "read_lines": (
        "import io; data = b'a line of text\\r\\n' * 1000",
        "for line in io.TextIOWrapper(io.BytesIO(data), 'utf-8'): pass",
    ),
    "decimal": ("import decimal; value = decimal.Decimal('1.234567890123456789')", "value * value + value / 7 - value"),
    "datetime_iso": ("import datetime; day = datetime.datetime(2026, 1, 1)", "day.isoformat()"),
    "compile": (
        "source = 'def f(a, b):\\n    return [a + b for c in range(10) if c]\\n' * 50",
        "compile(source, 'x', 'exec')",
    ),
}


def main():
    """Time each of the operations."""
    runner = pyperf.Runner()
    for name, (setup, statement) in OPERATIONS.items():
        runner.timeit(name, statement, setup)


if __name__ == "__main__":
    main()
