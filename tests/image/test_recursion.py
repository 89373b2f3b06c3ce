"""Deep recursion, in the main thread and in other threads.

If a thread's stack is too small for the interpreter's frames, a program crashes without a traceback instead of
raising RecursionError. This happened with musl's small stacks
(https://github.com/alpinelinux/aports/commit/2026e1259422d4e0cf92391ca2d3844356c649d0).
"""

import sys
import unittest

import support

DEPTH = 5000

RECURSE = """
import sys, threading
sys.setrecursionlimit({limit})

def descend(n):
    return 0 if n == 0 else 1 + descend(n - 1)

reached = []
thread = threading.Thread(target=lambda: reached.append(descend({depth})))
thread.start()
thread.join()
print(reached)
"""

# The official images reach 3,332 levels with 3.13 (a fixed limit) and 7,453 with 3.14 (8 MB of stack); 3.14 with an
# interpreter loop of 2.4 KB per level reached 2,834.
RECURSE_THROUGH_C = """
import functools, sys
sys.setrecursionlimit(20000)

@functools.lru_cache(None)
def descend(n):
    return 0 if n == 0 else 1 + descend(n - 1)

print(descend(3000))
"""

EXHAUST = """
import threading

def run(function):
    try:
        function()
        outcome.append("no error")
    except RecursionError:
        outcome.append("RecursionError")

outcome = []
{setup}
run(descend)
thread = threading.Thread(target=run, args=(descend,))
thread.start()
thread.join()
print(*outcome)
"""

EXHAUSTING = {
    "function": "def descend(): return descend()",
    "method in C": "class A:\n    def __repr__(self): return repr(self)\ndescend = A().__repr__",
    "json": "import json\ndescend = lambda: json.loads('[' * 200000)",
    "pickle": "import pickle\nx = []\nfor _ in range(200000): x = [x]\ndescend = lambda: pickle.dumps(x)",
    "regular expression": "import re\ndescend = lambda: re.compile('(' * 20000 + ')' * 20000)",
    # The parser reports excessive nesting by one of these exceptions.
    "parser": "def descend():\n    try: eval('-' * 200000 + '1')\n"
    "    except (MemoryError, SyntaxError, RecursionError): raise RecursionError",
}

# 3.13.15 needs up to 1.6 MB for these, the official recipe's 0.8 MB.
SLOTS = [
    ("__getattr__(self, name)", "getattr(self, name + 'x')", "A().a"),
    ("__add__(self, other)", "self + other", "A() + A()"),
    ("__format__(self, form)", "f'{self}'", "f'{A()}'"),
    ("__len__(self)", "len(self)", "len(A())"),
]


class RecursionTest(unittest.TestCase):
    def check(self, code):
        with support.temporary_folder() as folder:
            done = support.run_python("-c", code, cwd=folder, preexec_fn=support.no_core_file)
        self.assertEqual(
            done.returncode, 0, f"{support.signal_name(done.returncode)}: {support.last_line(done.stderr)}"
        )
        return done.stdout.strip()

    def test_thread_can_recurse_deeply(self):
        """A thread with the default stack size can recurse thousands of frames deep."""
        self.assertEqual(self.check(RECURSE.format(limit=DEPTH + 100, depth=DEPTH)), f"[{DEPTH}]")

    def test_recursion_through_c_goes_deep(self):
        """A cached function, which is called from C, can call itself thousands of times."""
        self.assertEqual(self.check(RECURSE_THROUGH_C), "3000")

    def test_infinite_recursion_raises(self):
        """Infinite recursion raises RecursionError in the main thread and in another, and never crashes."""
        for label, setup in EXHAUSTING.items():
            with self.subTest(recursion=label):
                if label == "parser" and sys.version_info < (3, 9, 10):
                    self.skipTest("this release's parser has no recursion limit (bpo-46110)")
                self.assertEqual(self.check(EXHAUST.format(setup=setup)), "RecursionError RecursionError")

    def test_a_thread_with_little_stack_raises(self):
        """Nested calls from C, which take most of the stack, end in RecursionError at the default limit.

        From 3.12 on 1 MB is enough, as in the official images.
        """
        megabytes = 1 if sys.version_info >= (3, 12) else 2
        form = "class A:\n    def {}: return {}\ndescend = lambda: {}"
        setups = [form.format(*slot) for slot in SLOTS]
        for setup in (*setups, "def descend(x=1): return list(map(descend, [x]))"):
            with self.subTest(setup=setup):
                setup += f"\nthreading.stack_size({megabytes} * 1024 * 1024)"
                self.assertEqual(self.check(EXHAUST.format(setup=setup)), "RecursionError RecursionError")

    def test_deeply_nested_objects_can_be_freed(self):
        """Freeing a list that is nested a million levels deep does not overflow a thread's stack."""
        self.assertEqual(
            self.check(
                "import threading\n"
                "def nest():\n    x = []\n    for _ in range(10**6): x = [x]\n"
                "t = threading.Thread(target=nest); t.start(); t.join(); print('freed')"
            ),
            "freed",
        )


if __name__ == "__main__":
    unittest.main()
