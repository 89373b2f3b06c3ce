"""How much faster one image is than the other, from paired rounds: ratios, their geometric mean, and intervals.

A round runs each benchmark once in each image, one right after the other, and yields a few values for each. An image's
time in a round is the minimum of its values: within a process, disturbances only add to a measurement. The ratio of a
round is reference / ours, so above 1 ours is faster; dividing within the round cancels drift between rounds. The ratio
of a benchmark is the median over the rounds, taken of logarithms: between processes (address layout, hash seed)
differences go both ways, so the minimum would be a matter of luck, and the median ignores a single bad round.
Logarithms make the swapped comparison the exact reciprocal.
"""

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A ratio and its confidence interval (``None`` after a single round)."""

    ratio: float
    low: float | None
    high: float | None


def round_logs(ours: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The logarithm of each round's ratio; both arguments hold the values of each round in the same order."""
    return tuple(math.log(min(slow) / min(fast)) for fast, slow in zip(ours, reference, strict=True))


def estimate(logs: Sequence[float]) -> Estimate:
    """The ratio of one benchmark, from the logarithms of its rounds."""
    return geometric_mean({"": logs})


def geometric_mean(benchmarks: Mapping[str, Sequence[float]]) -> Estimate:
    """The geometric mean of the benchmarks' ratios, from the logarithms of their rounds, with its interval.

    Whole rounds are resampled, the same rounds for every benchmark, and everything is recomputed from each draw: what
    the benchmarks of a round have in common (hash seed, the machine's state) stays together. The set of benchmarks is
    fixed: the interval describes another run of it, not other programs.

    The interval is the percentile interval of the logarithms, widened by sqrt(n / (n - 1)). A bootstrap of n rounds has
    the variance of a population of n, which is too small by (n - 1) / n; with the few rounds of a benchmark run that
    matters (Davison and Hinkley, Bootstrap Methods and their Application, 2.3).
    """
    (rounds,) = {len(logs) for logs in benchmarks.values()}

    def mean(draw: Sequence[int]) -> float:
        return statistics.fmean(statistics.median([logs[index] for index in draw]) for logs in benchmarks.values())

    centre = mean(range(rounds))
    if rounds < 2:
        return Estimate(math.exp(centre), None, None)
    source = random.Random(rounds)  # noqa: S311 (no secret; the same draws each time)
    draws = sorted(mean(source.choices(range(rounds), k=rounds)) for _ in range(RESAMPLES))
    edge = (1 - CONFIDENCE) / 2 * (RESAMPLES - 1)
    low, high = draws[math.floor(edge)] - centre, draws[math.ceil(RESAMPLES - 1 - edge)] - centre
    wider = math.sqrt(rounds / (rounds - 1))
    return Estimate(math.exp(centre), math.exp(centre + low * wider), math.exp(centre + high * wider))
