"""Check a small package with mypy in pure Python, without a cache."""

import os
import tempfile
from pathlib import Path

import mypy.api
import mypy.build
import pyperf

MODULES = {
    "shapes.py": '''
from __future__ import annotations
from dataclasses import dataclass
from typing import Generic, Iterable, Protocol, TypeVar, overload

T = TypeVar("T")

class Shape(Protocol):
    def area(self) -> float: ...

@dataclass(frozen=True)
class Square:
    side: float
    def area(self) -> float:
        return self.side ** 2

@dataclass(frozen=True)
class Circle:
    radius: float
    def area(self) -> float:
        return 3.14159 * self.radius ** 2

class Stack(Generic[T]):
    def __init__(self, items: Iterable[T] = ()) -> None:
        self.items: list[T] = list(items)
    def push(self, item: T) -> Stack[T]:
        self.items.append(item)
        return self
    def pop(self) -> T | None:
        return self.items.pop() if self.items else None

@overload
def double(value: int) -> int: ...
@overload
def double(value: str) -> str: ...
def double(value: int | str) -> int | str:
    return value * 2
''',
    "use.py": '''
from shapes import Circle, Shape, Square, Stack, double

def total(shapes: list[Shape]) -> float:
    return sum(shape.area() for shape in shapes)

stack: Stack[Shape] = Stack([Square(2.0), Circle(1.5)])
stack.push(Square(3.0))
result: float = total(stack.items)
text: str = double("ab")
wrong: int = double("ab")
''',
}  # fmt: skip


def main():
    """Check the package; one error is expected."""
    assert mypy.build.__file__.endswith(".py"), "compiled by mypyc"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in MODULES.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        os.chdir(folder)

        def work():
            output, errors, code = mypy.api.run(["--no-incremental", "--cache-dir=/dev/null", "use.py"])
            assert code == 1 and "Found 1 error" in output, output + errors

        pyperf.Runner().bench_func("mypy", work)
        os.chdir("/")


if __name__ == "__main__":
    main()
