"""Ratios, geometric means and their intervals, with numbers whose answers are known."""

from __future__ import annotations

import math
import random

import pytest

from bakery.benchmarks.statistics import estimate, geometric_mean, median_ratio, round_logs, summarise


def test_more_than_one_is_faster_and_a_round_is_the_least_of_its_values() -> None:
    (log,) = round_logs([[2.0, 1.0, 5.0]], [[3.0, 1.5]])
    assert math.exp(log) == pytest.approx(1.5)


def test_what_drifts_from_round_to_round_does_not_touch_the_ratio() -> None:
    ours, reference = [[1.0], [4.0], [9.0]], [[1.2], [4.8], [10.8]]
    assert [math.exp(log) for log in round_logs(ours, reference)] == pytest.approx([1.2, 1.2, 1.2])


def test_one_disturbed_round_does_not_move_the_median() -> None:
    logs = round_logs([[1.0], [1.0], [1.0]], [[1.1], [1.1], [40.0]])
    assert median_ratio(logs) == pytest.approx(1.1)


def test_the_swapped_comparison_is_the_reciprocal_also_of_an_even_number_of_rounds() -> None:
    one, other = [[1.0], [1.1], [0.9], [1.3]], [[1.5], [1.2], [1.4], [1.1]]
    forth, back = estimate(round_logs(one, other)), estimate(round_logs(other, one))
    assert forth.ratio * back.ratio == pytest.approx(1)
    assert forth.low is not None and forth.high is not None and back.low is not None and back.high is not None
    assert forth.low * back.high == pytest.approx(1, rel=0.02)


def test_rounds_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        round_logs([[1.0], [1.0]], [[1.0]])


def test_the_geometric_mean_weighs_double_and_half_alike() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1)
    assert geometric_mean([1.1, 1.2, 1.5]) == pytest.approx((1.1 * 1.2 * 1.5) ** (1 / 3))


def test_the_summary_is_the_geometric_mean_of_the_benchmarks_ratios() -> None:
    logs = {
        "one": round_logs([[1.0]] * 3, [[1.1], [1.2], [1.3]]),
        "two": round_logs([[1.0]] * 3, [[1.5], [1.4], [1.6]]),
    }
    found = summarise(logs)
    assert found.ratio == pytest.approx(geometric_mean([1.2, 1.5]))
    assert found.ratio == pytest.approx(geometric_mean([median_ratio(one) for one in logs.values()]))
    assert found.low is not None and found.high is not None
    assert found.low < found.ratio < found.high


def test_a_single_round_has_no_interval() -> None:
    assert estimate([0.0]).low is None
    assert summarise({"one": [0.1]}).high is None


def test_rounds_that_agree_have_an_interval_without_width() -> None:
    found = estimate([math.log(1.25)] * 5)
    assert (found.low, found.ratio, found.high) == (pytest.approx(1.25),) * 3


def test_benchmarks_that_deviate_together_in_a_round_are_not_taken_for_independent_ones() -> None:
    """Resampling each benchmark on its own would average the rounds' common part away."""
    rounds = [0.10, 0.20, 0.15, 0.12, 0.18, 0.11]
    one, twenty = summarise({"a": rounds}), summarise({str(number): rounds for number in range(20)})
    assert (twenty.low, twenty.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_the_interval_of_the_mean_covers_the_truth_about_as_often_as_it_says() -> None:
    source, hits, trials = random.Random(1), 0, 40
    for _ in range(trials):
        logs = {str(number): [source.gauss(0.2, 0.03) for _ in range(6)] for number in range(3)}
        found = summarise(logs)
        assert found.low is not None and found.high is not None
        hits += found.low <= math.exp(0.2) <= found.high
    assert hits / trials > 0.85


def test_the_same_values_give_the_same_interval() -> None:
    logs = [0.1, 0.3, 0.2, 0.25]
    assert estimate(logs) == estimate(logs)
