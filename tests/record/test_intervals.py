"""Intervals against published values, and against what they promise: to cover the truth 95 % of the time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selfplay.record.intervals import gain, level_rates, mean_rate, wilson


@pytest.mark.parametrize(
    ("solved", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_newcombe_1998_table_1(solved: int, of: int, low: float, high: float) -> None:
    found = wilson(solved, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high) and found.value == solved / of


def test_no_tasks_means_no_knowledge() -> None:
    assert math.isnan(wilson(0, 0).value) and wilson(0, 0)[1:] == (0.0, 1.0)
    assert math.isnan(mean_rate({}).value) and math.isnan(gain({}, {}).value)


def test_the_mean_of_one_level_is_that_level() -> None:
    assert mean_rate({"3": [1, 0, 0, 1]}) == pytest.approx(wilson(2, 4))


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    truth, n, repeats = np.array([0.5, 0.2, 0.05]), 100, 300
    lift = np.array([0.1, 0.05, 0.05])
    inside_mean = inside_gain = 0
    for _ in range(repeats):
        before = rng.random((3, n)) < truth[:, None]
        after = before | (rng.random((3, n)) < (lift / (1 - truth))[:, None])
        a, b = ({str(i): row.astype(int).tolist() for i, row in enumerate(marks)} for marks in (before, after))
        mean, rise = mean_rate(a), gain(a, b)
        inside_mean += mean.low <= truth.mean() <= mean.high
        inside_gain += rise.low <= lift.mean() <= rise.high
    assert 0.92 <= inside_mean / repeats <= 0.99
    assert 0.90 <= inside_gain / repeats <= 0.99


def test_gain_is_paired_repeatable_and_picky() -> None:
    before, after = {"3": [0] * 50 + [1] * 50}, {"3": [0] * 40 + [1] * 60}
    rise = gain(before, after)
    assert rise == gain(before, after) and rise.value == pytest.approx(0.1)
    assert 0.0 < rise.low < 0.1 < rise.high < 0.2, "unpaired, this interval would reach below 0"
    assert level_rates(after)["3"].value == 0.6
    with pytest.raises(ValueError, match="same levels"):
        gain(before, {"3": [1]})
