"""What this machine has and what builds left on it."""

from bakery.machine.cleaning import KINDS, clean
from bakery.machine.doctor import examine_machine, failure_of
