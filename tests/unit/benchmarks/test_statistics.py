"""Ratios, geometric means and their intervals, with inputs whose results are known."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from bakery.benchmarks.statistics import estimate, geometric_mean, round_logs


def test_a_round_is_the_minimum_of_its_values_and_ratios_above_one_are_faster() -> None:
    (log,) = round_logs([[2.0, 1.0, 5.0]], [[3.0, 1.5]])
    assert math.exp(log) == pytest.approx(1.5)


def test_drift_between_rounds_does_not_change_the_ratio() -> None:
    ours, reference = [[1.0], [4.0], [9.0]], [[1.2], [4.8], [10.8]]
    assert [math.exp(log) for log in round_logs(ours, reference)] == pytest.approx([1.2, 1.2, 1.2])


def test_a_single_disturbed_round_does_not_change_the_ratio() -> None:
    logs = round_logs([[1.0], [1.0], [1.0]], [[1.1], [1.1], [40.0]])
    assert estimate(logs).ratio == pytest.approx(1.1)


def test_swapping_the_images_gives_the_reciprocal_even_for_an_even_number_of_rounds() -> None:
    ours, reference = [[1.0], [1.1], [0.9], [1.3]], [[1.5], [1.2], [1.4], [1.1]]
    forth, back = estimate(round_logs(ours, reference)), estimate(round_logs(reference, ours))
    assert forth.ratio * back.ratio == pytest.approx(1)
    assert forth.low is not None and forth.high is not None and back.low is not None and back.high is not None
    assert forth.low * back.high == pytest.approx(1, rel=0.02)


def test_unpaired_rounds_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        round_logs([[1.0], [1.0]], [[1.0]])


def test_the_geometric_mean_weighs_double_and_half_equally() -> None:
    logs = [[math.log(2.0)], [math.log(0.5)]]
    assert geometric_mean(dict(zip("ab", logs, strict=True))).ratio == pytest.approx(1)
    logs = [[math.log(ratio)] for ratio in (1.1, 1.2, 1.5)]
    assert geometric_mean(dict(zip("abc", logs, strict=True))).ratio == pytest.approx((1.1 * 1.2 * 1.5) ** (1 / 3))


def test_the_summary_is_the_geometric_mean_of_the_benchmarks_ratios() -> None:
    logs = {
        "one": round_logs([[1.0]] * 3, [[1.1], [1.2], [1.3]]),
        "two": round_logs([[1.0]] * 3, [[1.5], [1.4], [1.6]]),
    }
    mean = geometric_mean(logs)
    assert mean.ratio == pytest.approx(statistics.geometric_mean([1.2, 1.5]))
    assert mean.ratio == pytest.approx(statistics.geometric_mean([estimate(rounds).ratio for rounds in logs.values()]))
    assert mean.low is not None and mean.high is not None
    assert mean.low < mean.ratio < mean.high


def test_a_single_round_has_no_interval() -> None:
    assert estimate([0.0]).low is None
    assert geometric_mean({"one": [0.1]}).high is None


def test_identical_rounds_have_an_interval_of_zero_width() -> None:
    mean = estimate([math.log(1.25)] * 5)
    assert (mean.low, mean.ratio, mean.high) == (pytest.approx(1.25),) * 3


def test_benchmarks_that_deviate_together_in_a_round_are_not_treated_as_independent() -> None:
    """Resampling each benchmark separately would average out what they have in common in a round."""
    rounds = [0.10, 0.20, 0.15, 0.12, 0.18, 0.11]
    single, twenty = geometric_mean({"a": rounds}), geometric_mean({str(number): rounds for number in range(20)})
    assert (twenty.low, twenty.high) == (pytest.approx(single.low), pytest.approx(single.high))


def test_the_interval_of_the_mean_covers_the_true_value_about_as_often_as_stated() -> None:
    source, hits, trials = random.Random(1), 0, 40
    for _ in range(trials):
        logs = {str(number): [source.gauss(0.2, 0.03) for _ in range(6)] for number in range(3)}
        mean = geometric_mean(logs)
        assert mean.low is not None and mean.high is not None
        hits += mean.low <= math.exp(0.2) <= mean.high
    assert hits / trials > 0.85


def test_the_same_values_give_the_same_interval() -> None:
    logs = [0.1, 0.3, 0.2, 0.25]
    assert estimate(logs) == estimate(logs)
