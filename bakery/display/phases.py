"""Measures how long the phases of a build take."""

import time
from collections.abc import Callable


class Clock:
    """Adds up the wall time of phases, in seconds."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.show, self.phases, self.current, self.since = show, dict[str, float](), "", time.monotonic()

    def enter(self, phase: str) -> None:
        """Begin ``phase`` and end the current one."""
        if phase == self.current:
            return
        self.stop()
        self.current = phase
        self.show(phase)

    def stop(self) -> dict[str, float]:
        """End the current phase and return the seconds of all phases, in the order of their first beginning."""
        now = time.monotonic()
        if self.current:
            self.phases[self.current] = self.phases.get(self.current, 0.0) + now - self.since
        self.since, self.current = now, ""
        return self.phases
