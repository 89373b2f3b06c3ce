"""Text: splitting, joining, formatting, regular expressions, a parser, a template language, a word count."""

import difflib
import io
import random
import re
import string
import textwrap
from collections import Counter

WORDS = [
    "interpreter",
    "image",
    "layer",
    "digest",
    "platform",
    "series",
    "release",
    "target",
    "module",
    "package",
    "compile",
    "profile",
    "measure",
    "library",
    "object",
    "string",
    "number",
    "value",
    "table",
    "index",
    "entry",
    "record",
    "field",
    "level",
    "branch",
]
TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<op>\*\*|[-+*/()=,]))")
LOG = re.compile(r"^(\d{4}-\d\d-\d\d) (\d\d):(\d\d):(\d\d) \[(\w+)\] (\S+): (.*)$", re.MULTILINE)


def prose(rng, count):
    return " ".join(rng.choice(WORDS).capitalize() if n % 13 == 0 else rng.choice(WORDS) for n in range(count))


def words(text):
    counted = Counter(word.strip(string.punctuation).lower() for word in text.split())
    lines = [f"{word:<12}|{count:>6d}|{count / len(text):8.4%}" for word, count in counted.most_common()]
    lines += ["%-10s %5d %r" % (word, count, word[::-1]) for word, count in counted.items()]
    lines += ["{0}: {1!r:>10} {2:#x}".format(word, word[:3], count) for word, count in counted.items()]
    return "\n".join(lines)


def logs(rng, count):
    text = "".join(
        f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} {rng.randrange(24):02}:{rng.randrange(60):02}:07 "
        f"[{rng.choice(('INFO', 'WARN', 'ERROR'))}] {rng.choice(WORDS)}.py: {rng.choice(WORDS)}={rng.randrange(999)}\n"
        for _ in range(count)
    )
    errors = {}
    for match in LOG.finditer(text):
        day, hour, level, message = match.group(1, 2, 5, 7)
        if level == "ERROR":
            errors.setdefault((day[:7], int(hour) // 6), []).append(message.partition("=")[2])
    for line in text.splitlines():
        head, _, tail = line.partition(": ")
        if tail.endswith("9") or not head.startswith("2026-0"):
            errors.pop((head[:7], 0), None)
    masked = re.sub(r"(\w+)=(\d+)", lambda found: f"{found[1]}=<{len(found[2])}>", text)
    return len(errors), len(masked), len(re.findall(r"\b[a-f]\w+e\b", text)), len(re.split(r"[\s\[\]:=]+", text))


class Parser:
    """Parse sums, products, powers, calls and names by recursive descent."""

    def __init__(self, text):
        self.tokens = [(match.lastgroup, match.group(match.lastgroup)) for match in TOKEN.finditer(text)]
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, None)

    def take(self, value=None):
        kind, text = self.peek()
        if value is not None and text != value:
            raise SyntaxError(f"expected {value}, found {text}")
        self.at += 1
        return kind, text

    def sum(self):
        left = self.product()
        while self.peek()[1] in ("+", "-"):
            left = (self.take()[1], left, self.product())
        return left

    def product(self):
        left = self.atom()
        while self.peek()[1] in ("*", "/"):
            left = (self.take()[1], left, self.atom())
        return left

    def atom(self):
        kind, text = self.take()
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "name":
            if self.peek()[1] != "(":
                return text
            self.take("(")
            arguments = []
            while self.peek()[1] != ")":
                arguments.append(self.sum())
                if self.peek()[1] == ",":
                    self.take()
            self.take(")")
            return ("call", text, arguments)
        if text == "-":
            return ("neg", self.atom())
        if text == "(":
            inner = self.sum()
            self.take(")")
            return inner
        raise SyntaxError(text)


def evaluate(node, names):
    if isinstance(node, (int, float)):
        return node
    if isinstance(node, str):
        return names[node]
    kind = node[0]
    if kind == "call":
        return names[node[1]](*[evaluate(argument, names) for argument in node[2]])
    if kind == "neg":
        return -evaluate(node[1], names)
    left, right = evaluate(node[1], names), evaluate(node[2], names)
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * right
    return left / right if right else 0


def formulas(rng):
    names = {"x": 3, "y": 4.5, "max": max, "min": min, "abs": abs}
    total = 0
    for _ in range(150):
        text = (
            f"max(x * {rng.randrange(9)}, y - {rng.random():.3f}) + (x + {rng.randrange(5)}) / abs(-y * 2) - min(1, x)"
        )
        total += evaluate(Parser(text).sum(), names)
    try:
        Parser("max(1, ").sum()
    except SyntaxError as error:
        total += len(str(error))
    return total


def page(rows):
    """Render a page like a template engine: look up values, escape them and collect the pieces in a list."""
    out = io.StringIO()
    write = out.write
    context = {"title": "A & B", "rows": rows}
    pieces = re.split(r"(\{\{.*?\}\})", "<h1>{{title}}</h1><table>{{rows}}</table>")
    for piece in pieces:
        if not piece.startswith("{{"):
            write(piece)
            continue
        value = context[piece[2:-2]]
        if isinstance(value, list):
            for row in value:
                write("<tr>")
                for cell in row:
                    cell = str(cell).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                    write(f"<td>{cell}</td>")
                write("</tr>\n")
        else:
            write(value.replace("&", "&amp;"))
    return out.getvalue()


def cipher(text):
    table = str.maketrans(string.ascii_lowercase, string.ascii_lowercase[13:] + string.ascii_lowercase[:13])
    turned = text.translate(table)
    shifted = "".join(chr((ord(c) - 97 + 3) % 26 + 97) if c.isalpha() and c.islower() else c for c in text)
    raw = bytes(b ^ 0x2A for b in text.encode())
    return len(turned), len(shifted), raw.hex()[:20], raw.decode("latin-1").encode("utf-8")


def main():
    rng = random.Random(5)
    for _ in range(120):
        text = prose(rng, 3000)
        words(text)
        logs(rng, 400)
        formulas(rng)
        page([[n, rng.choice(WORDS), "<" + rng.choice(WORDS)] for n in range(400)])
        cipher(text[:4000])
        textwrap.fill(text[:3000], 60)
        difflib.unified_diff(text[:600].split(), text[300:900].split())
        "\u00e4\u00f6\u03b1\u4e2d".join(text.split()[:500]).casefold().encode("utf-8").decode("utf-8").title()


if __name__ == "__main__":
    main()
