"""What this machine has and what builds left on it."""

from bakery.machine.cleaning import KINDS, removals, remove
from bakery.machine.doctor import State, examine

__all__ = [
    "KINDS", "State", "examine", "removals", "remove",
]  # fmt: skip
