"""Results with their uncertainty: what viewers, reports and benchmarks print beside every rate.

- one share: Wilson's score interval (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953)
- mean of several shares: Wilson's intervals combined by MOVER (Zou & Donner 2008, https://doi.org/10.1002/sim.3095)
- gain between two answers to the same tasks: bootstrap over tasks, paired, within each level

*Marks* are 0 or 1 per held-out task, by level. All intervals are two-sided, 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Marks = Mapping[str, Sequence[int]]

_Z = 1.959963984540054
_DRAWS = 4000


class Estimate(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def wilson(solved: int, of: int) -> Estimate:
    """Share of `of` tasks that were solved; with no tasks anything from 0 to 1 is possible."""
    if of == 0:
        return Estimate(math.nan, 0.0, 1.0)
    share, spread = solved / of, _Z * _Z / of
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))


def level_rates(levels: Marks) -> dict[str, Estimate]:
    """Solve rate of each level."""
    return {level: wilson(sum(marks), len(marks)) for level, marks in levels.items()}


def mean_rate(levels: Marks) -> Estimate:
    """Mean of the levels' solve rates, each level counting alike."""
    rates = [rate for rate in level_rates(levels).values() if not math.isnan(rate.value)]
    if not rates:
        return Estimate(math.nan, 0.0, 1.0)
    mean = math.fsum(rate.value for rate in rates) / len(rates)
    below = math.hypot(*(rate.value - rate.low for rate in rates)) / len(rates)
    above = math.hypot(*(rate.high - rate.value for rate in rates)) / len(rates)
    return Estimate(mean, mean - below, mean + above)


def gain(before: Marks, after: Marks, *, seed: int = 0) -> Estimate:
    """By how much the mean solve rate over the levels rose, on the same tasks.

    Args:
        before, after: marks of the same levels and tasks in the same order.
        seed: fixes the bootstrap's draws.

    Raises:
        ValueError: the two are not about the same tasks.
    """
    import numpy as np

    if {k: len(v) for k, v in before.items()} != {k: len(v) for k, v in after.items()}:
        raise ValueError("a paired gain needs the same levels and numbers of tasks before and after")
    rng = np.random.default_rng(seed)
    differences = [np.subtract(after[level], before[level], dtype=float) for level in before if len(before[level])]
    if not differences:
        return Estimate(math.nan, -1.0, 1.0)
    draws = np.zeros(_DRAWS)
    for difference in differences:
        draws += difference[rng.integers(0, len(difference), (_DRAWS, len(difference)))].mean(axis=1)
    low, high = np.quantile(draws / len(differences), [0.025, 0.975])
    return Estimate(float(np.mean([d.mean() for d in differences])), float(low), float(high))
