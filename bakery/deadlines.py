"""A limit of time for a block that waits in a call which has none of its own."""

import threading
import time
from collections.abc import Callable
from typing import Self


class Deadline(threading.Thread):
    """Calls ``expire`` from a thread of its own ``seconds`` after the block began, unless the block has ended.

    ``end``, in seconds of :func:`time.monotonic`, may be moved to a later time meanwhile. ``late`` says whether it has
    passed.
    """

    def __init__(self, expire: Callable[[], object], seconds: float) -> None:
        super().__init__(daemon=True)
        self.expire, self.late, self.done = expire, False, threading.Event()
        self.end = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()

    def run(self) -> None:
        while (left := self.end - time.monotonic()) > 0:
            if self.done.wait(left):
                return
        self.late = True
        self.expire()
