"""How much faster one side is than the other, from paired rounds: ratios, their geometric mean, and intervals.

A round measures each benchmark once on each side, the two right after one another, and gives a few values for each.
The figure of a side in a round is the least of its values: within one process whatever disturbs a measurement only adds
to it. The ratio of a round is reference / ours, so more than 1 is faster; dividing within the round takes out whatever
drifts from round to round. The ratio of a benchmark is the median over the rounds, taken of logarithms: between
processes (address layout, hash seed) differences go both ways, so the least would be luck there, and the median does
not follow one bad round. Logarithms make the swapped comparison the exact reciprocal.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "estimate", "geometric_mean", "median_ratio", "round_logs", "summarise"]

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A ratio and its confidence interval; without one (``None``) where there was a single round."""

    ratio: float
    low: float | None
    high: float | None


def round_logs(ours: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The logarithm of each round's ratio; both arguments hold the values of each round in the same order."""
    return tuple(math.log(min(theirs) / min(own)) for own, theirs in zip(ours, reference, strict=True))


def median_ratio(logs: Sequence[float]) -> float:
    """The ratio of one benchmark from the logarithms of its rounds."""
    return math.exp(statistics.median(logs))


def geometric_mean(ratios: Sequence[float]) -> float:
    """The geometric mean; each ratio counts once."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def _resamples(rounds: int) -> list[list[int]]:
    """Draws of ``rounds`` rounds with replacement; the same ones each time."""
    source = random.Random(rounds)  # noqa: S311 (no secret)
    return [source.choices(range(rounds), k=rounds) for _ in range(RESAMPLES)]


def _interval(centre: float, draws: Sequence[float], rounds: int) -> Estimate:
    """The percentile interval of logarithms, widened by sqrt(n / (n - 1)).

    A bootstrap of n rounds has the variance of a population of n, which is too small by (n - 1) / n; with the few
    rounds of a benchmark run that matters (Davison and Hinkley, Bootstrap Methods and their Application, 2.3).
    """
    ordered, wider = sorted(draws), math.sqrt(rounds / (rounds - 1))
    edge = (1 - CONFIDENCE) / 2 * (len(ordered) - 1)
    low, high = ordered[math.floor(edge)], ordered[math.ceil(len(ordered) - 1 - edge)]
    return Estimate(
        math.exp(centre), math.exp(centre + (low - centre) * wider), math.exp(centre + (high - centre) * wider)
    )


def estimate(logs: Sequence[float]) -> Estimate:
    """The ratio of one benchmark with the interval that resampling its rounds gives."""
    centre, rounds = statistics.median(logs), len(logs)
    if rounds < 2:
        return Estimate(math.exp(centre), None, None)
    draws = [statistics.median([logs[index] for index in draw]) for draw in _resamples(rounds)]
    return _interval(centre, draws, rounds)


def summarise(benchmarks: Mapping[str, Sequence[float]]) -> Estimate:
    """The geometric mean of the benchmarks' ratios, from the logarithms of their rounds, with its interval.

    Whole rounds are resampled, the same ones for every benchmark, and everything is computed anew from each draw: what
    benchmarks of a round have in common (hash seed, the machine's state) stays together. The set of benchmarks is
    taken as given: the interval is about measuring it again, not about other programs.
    """
    (rounds,) = {len(logs) for logs in benchmarks.values()}

    def mean(draw: Sequence[int]) -> float:
        return statistics.fmean(statistics.median([logs[index] for index in draw]) for logs in benchmarks.values())

    centre = mean(range(rounds))
    if rounds < 2:
        return Estimate(math.exp(centre), None, None)
    return _interval(centre, [mean(draw) for draw in _resamples(rounds)], rounds)
