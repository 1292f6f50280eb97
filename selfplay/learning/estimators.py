"""Credit estimators: what is subtracted from a return, and what the difference is divided by.

    group_zscore     (r - mean) / std in the group            GRPO
    mean_only        r - mean                                 Dr. GRPO
    leave_one_out    r - mean of the others                   RLOO
    raw              r                                        SPC
    per_role         (r - mean) / std over the whole batch    TRR++
    per_class        the same within a class such as the hop count, over the whole batch    HRPO
    bounded_returns  (G - mean) / std over the segments in the group, G a bounded return    PBSO
    role_baseline    r - running mean over the run            RAE

An estimator sees the returns of the units that are compared (`Sample`) and gives their `Baseline`; which moves are
compared, and what counts as one unit, is written beside it in `ESTIMATORS`. Estimators are pure: what `role_baseline`
remembers is handed in and out. Forming samples from matches, and masks, are the business of `credit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EPSILON = 1e-4
"""Added to standard deviations, as in TRL."""
NOTHING = np.inf
"""The scale of what teaches nothing: its advantages are exactly 0."""


class RunningMean(NamedTuple):
    """An exponential moving average without the bias of its start: the first value counts in full."""

    value: float = 0.0
    mass: float = 0.0
    """1 - decay^k after k values; 0 means that nothing is known yet."""

    def fold(self, new: float, decay: float) -> RunningMean:
        """With one more value. Of values that are all equal, the mean is exactly that."""
        mass = decay * self.mass + (1.0 - decay)
        return RunningMean(self.value + (1.0 - decay) / mass * (new - self.value), mass)


class Sample(NamedTuple):
    """The U units that are compared with one another."""

    returns: Floats
    """(U,)"""
    classes: Sequence[str]
    """(U,) class names; all the same unless the estimator keeps classes apart."""
    matches: Sequence[str]
    """(U,) ids of the matches they come from, in the order in which these were begun."""
    decay: float
    earlier: RunningMean
    """Of the same kind of unit, over the batches before this one."""


class Baseline(NamedTuple):
    """Advantage of a move of unit i: ``(reward - center[i]) / scale[i]``."""

    center: Floats
    """(U,)"""
    scale: Floats
    """(U,)"""
    mean: RunningMean | None = None
    """What `Sample.earlier` is to be for the next batch."""


def group_zscore(sample: Sample) -> Baseline:
    """(r - mean) / (std + 1e-4), sample standard deviation as in TRL: GRPO, arXiv 2402.03300, section 4.1.2.

    Over a whole batch it is `per_role`, TRR++ of Absolute Zero (arXiv 2505.03335): one mean and deviation for each
    task and role. Over segments with their bounded returns it is `bounded_returns`, PBSO of ReForm (arXiv 2510.24592).
    """
    mean, deviation = _moments(sample.returns)
    return _constant(sample, mean, deviation + EPSILON)


def mean_only(sample: Sample) -> Baseline:
    """r - mean: Dr. GRPO, arXiv 2503.20783, section 3.2 (no std, so easy and hard groups weigh alike)."""
    return _constant(sample, _moments(sample.returns)[0], 1.0)


def leave_one_out(sample: Sample) -> Baseline:
    """r - mean of the others: RLOO, arXiv 2402.14740, section 2.4; equals mean_only times U/(U-1)."""
    r = sample.returns
    return Baseline((r.sum() - r) / (len(r) - 1), np.ones_like(r))


def raw(sample: Sample) -> Baseline:
    """r itself: no baseline, so groups of one and of equal rewards teach as well (SPC's +-1, arXiv 2504.19162)."""
    return _constant(sample, 0.0, 1.0)


def per_class(sample: Sample) -> Baseline:
    """(r - mean) / (std + 1e-4) within each class: HRPO of Dr. Zero, arXiv 2601.07055.

    So one sample per prompt is enough, and easy classes do not look better than hard ones. A unit that is alone in its
    class is measured against the whole sample; the paper's code gives it its raw reward, which is no baseline at all.
    """
    r, classes = sample.returns, np.array(sample.classes)
    center, scale = np.empty_like(r), np.empty_like(r)
    for name in dict.fromkeys(sample.classes):
        own = classes == name
        mean, deviation = _moments(r[own] if own.sum() > 1 else r)
        center[own], scale[own] = mean, deviation + EPSILON if deviation else NOTHING
    return Baseline(center, scale)


def role_baseline(sample: Sample) -> Baseline:
    """r - b, then b <- decay b + (1-decay) r: role-conditioned advantage estimation of SPIRAL, arXiv 2506.24119.

    One running mean for each game, player and kind of move: the group mean of zero-sum self-play is 0 whatever the
    policy does, and would credit the first mover's edge for ever. b is read before anything of the same match is
    folded in, so that it never depends on what it judges; it has no bias towards 0 (SPIRAL starts at b = 0). The first
    match of all has nothing to be compared with: its advantages are 0.
    """
    center, scale = np.empty_like(sample.returns), np.ones_like(sample.returns)
    read = mean = sample.earlier
    for i, value in enumerate(sample.returns.tolist()):
        if i and sample.matches[i] != sample.matches[i - 1]:
            read = mean
        center[i] = read.value
        if not read.mass:
            scale[i] = NOTHING
        mean = mean.fold(value, sample.decay)
    return Baseline(center, scale, mean)


def _moments(returns: Floats) -> tuple[float, float]:
    """Mean and sample standard deviation; exactly the value and 0 where all are equal."""
    if np.ptp(returns) == 0.0:
        return float(returns[0]), 0.0
    return float(returns.mean()), float(returns.std(ddof=1))


def _constant(sample: Sample, center: float, scale: float) -> Baseline:
    return Baseline(np.full_like(sample.returns, center), np.full_like(sample.returns, scale))


class Pool(Enum):
    """Which moves of one kind, player and weights version form a sample."""

    GROUP = auto()
    """Those of one group, as the rule says (see `groups`)."""
    BATCH = auto()
    """All of the batch."""
    RUN = auto()
    """All of the batch that are from one game, of any weights version, after those of earlier batches."""


class Unit(Enum):
    """What counts once."""

    TRAJECTORY = auto()
    """A move and everything of its tag that continues it; its return is their mean reward."""
    SEAT = auto()
    """All moves of a seat in a match; their mean reward."""
    SEGMENT = auto()
    """Each move, with the bounded return from there on (see `returns`)."""


class Estimator(NamedTuple):
    """A way to turn returns into advantages."""

    baseline: Callable[[Sample], Baseline]
    pool: Pool = Pool.GROUP
    unit: Unit = Unit.TRAJECTORY
    by_class: bool = False
    """It keeps classes apart (`Sample.classes`)."""
    absolute: bool = False
    """A sample of one unit, or of equal returns, teaches too; the others get exactly 0 and `baseline` is not asked."""


ESTIMATORS: dict[str, Estimator] = {
    "group_zscore": Estimator(group_zscore),
    "mean_only": Estimator(mean_only),
    "leave_one_out": Estimator(leave_one_out),
    "raw": Estimator(raw, absolute=True),
    "per_role": Estimator(group_zscore, Pool.BATCH),
    "per_class": Estimator(per_class, Pool.BATCH, by_class=True),
    "bounded_returns": Estimator(group_zscore, unit=Unit.SEGMENT),
    "role_baseline": Estimator(role_baseline, Pool.RUN, Unit.SEAT, absolute=True),
}
"""Estimator by the name a recipe uses."""
