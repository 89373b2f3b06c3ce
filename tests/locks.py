"""Changes one file in two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from bakery.files import Tell, changing


def change_while_locked(root: Path, name: str, change: Callable[[Tell], object], other: Callable[[], object]) -> None:
    """Start ``change``, which has to wait, while this thread holds the lock of the file ``name`` and runs ``other``."""
    waiting = threading.Event()
    thread = threading.Thread(target=change, args=[lambda _: waiting.set()])
    with changing(root, name, print):
        thread.start()
        assert waiting.wait(30), "the change does not wait for the lock"
        other()
    thread.join(30)
    assert not thread.is_alive()
