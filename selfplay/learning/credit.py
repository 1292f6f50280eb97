"""Credit: from rewards to advantages, move by move.

The advantage of a move is ``(reward - center) / scale``; an *estimator* finds center and scale for one group (see
`groups`). A *trajectory* is a root move and everything continued from it: however many moves it has in a group, it
counts once in the baseline, with their mean reward as its return. ``G`` is the number of trajectories in a group.

Masked moves (no reward, `learn=False`, matches that ended in an error) are in no baseline and get no advantage. A group
of one trajectory and a group whose rewards are all equal teach nothing: their advantages are exactly 0, and counted.

Estimators are pure and stateless; add the next one to `ESTIMATORS`. Baselines that remember earlier batches are not
here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfplay.errors import UnknownName
from selfplay.learning.groups import GroupBy, GroupKey, group_key, root_of
from selfplay.learning.keys import kind_of, pick
from selfplay.types import Ending, MatchRecord, Move

Floats = NDArray[np.float64]


class Baseline(NamedTuple):
    """Advantage of trajectory i: ``(returns[i] - center[i]) / scale``."""

    center: Floats
    """(G,)"""
    scale: float


def group_zscore(returns: Floats) -> Baseline:
    """(r - mean) / (std + 1e-4), sample standard deviation as in TRL: GRPO, arXiv 2402.03300, section 4.1.2."""
    return Baseline(_mean(returns), float(np.std(returns, ddof=1)) + 1e-4)


def mean_only(returns: Floats) -> Baseline:
    """r - mean: Dr. GRPO, arXiv 2503.20783, section 3.2 (no std, so easy and hard groups weigh alike)."""
    return Baseline(_mean(returns), 1.0)


def leave_one_out(returns: Floats) -> Baseline:
    """r - mean of the others: RLOO, arXiv 2402.14740, section 2.4; equals mean_only times G/(G-1)."""
    return Baseline((returns.sum() - returns) / (len(returns) - 1), 1.0)


def raw(returns: Floats) -> Baseline:
    """r itself: no baseline, so groups of one and of equal rewards teach as well (SPC's +-1, arXiv 2504.19162)."""
    return Baseline(np.zeros_like(returns), 1.0)


def _mean(returns: Floats) -> Floats:
    return np.full_like(returns, returns.mean())


ESTIMATORS: dict[str, Callable[[Floats], Baseline]] = {
    "group_zscore": group_zscore,
    "mean_only": mean_only,
    "leave_one_out": leave_one_out,
    "raw": raw,
}
"""Estimator by the name a recipe uses. Called with G >= 2 returns that are not all equal, except for ``raw``."""


@dataclass(frozen=True)
class CreditRule:
    """How one kind of move gets its advantages.

    Raises:
        UnknownName: no such estimator.
        ValueError: no such grouping.
    """

    estimator: str = "group_zscore"
    group_by: GroupBy = GroupBy.MATCH
    weight: float = 1.0
    """Multiplies the advantages: below 1 this role learns more slowly than others that share its weights."""

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise UnknownName("credit estimator", self.estimator, ESTIMATORS)
        object.__setattr__(self, "group_by", GroupBy(self.group_by))


@dataclass
class CreditCounts:
    """What became of the moves of one kind."""

    moves: int = 0
    """Moves that were meant to be learned from (`learn` is set)."""
    masked: int = 0
    """Of these, moves without a reward or in a match that ended in an error."""
    groups: int = 0
    singletons: int = 0
    """Groups of one trajectory."""
    zero_variance: int = 0
    """Groups of several trajectories whose rewards are all equal."""


@dataclass
class CreditResult:
    """Advantages of all moves that may be learned from, and what was left out."""

    advantages: dict[tuple[str, str], float] = field(default_factory=dict)
    """(match id, move id) -> advantage."""
    counts: dict[str, CreditCounts] = field(default_factory=dict)
    """Kind of move (``role`` or ``role/tag``) -> counts."""


class _Entry(NamedTuple):
    """A move in a group."""

    match: str
    move: str
    root: str
    reward: float


def credit(records: Iterable[MatchRecord], rules: Mapping[str, CreditRule]) -> CreditResult:
    """Advantages for one closed batch of matches.

    Args:
        records: the batch; baselines never look beyond it.
        rules: by ``role/tag``, ``role`` or ``*``; without any, `CreditRule()` applies.
    """
    result = CreditResult()
    groups: dict[GroupKey, list[_Entry]] = defaultdict(list)
    about: dict[GroupKey, tuple[CreditRule, CreditCounts]] = {}
    for record in records:
        for move in record.moves:
            if not move.learn:
                continue
            counts = result.counts.setdefault(kind_of(move.role, move.tag), CreditCounts())
            counts.moves += 1
            if not learnable(record, move):
                counts.masked += 1
                continue
            rule = pick(rules, move.role, move.tag, CreditRule())
            key = group_key(record, move, rule.group_by)
            about[key] = (rule, counts)
            assert move.reward is not None
            groups[key].append(_Entry(record.id, move.id, root_of(move).id, move.reward))
    for key, entries in groups.items():
        rule, counts = about[key]
        for entry, advantage in zip(entries, _advantages(entries, rule.estimator, counts), strict=True):
            result.advantages[entry.match, entry.move] = rule.weight * float(advantage)
    return result


def learnable(record: MatchRecord, move: Move) -> bool:
    """May this move be learned from: it is meant to be, it has a reward, and its match is sound."""
    return move.learn and move.reward is not None and record.ending is not Ending.ERROR


def _advantages(entries: list[_Entry], estimator: str, counts: CreditCounts) -> Floats:
    """Advantages (M,) of the moves of one group."""
    rewards = np.array([e.reward for e in entries])
    numbers: dict[tuple[str, str], int] = {}
    unit = np.array([numbers.setdefault((e.match, e.root), len(numbers)) for e in entries])
    returns = np.bincount(unit, rewards) / np.bincount(unit)
    flat = float(np.ptp(returns)) == 0.0
    counts.groups += 1
    counts.singletons += len(returns) == 1
    counts.zero_variance += len(returns) > 1 and flat
    if flat and estimator != "raw":
        return np.zeros_like(rewards)
    baseline = ESTIMATORS[estimator](returns)
    advantages: Floats = (rewards - baseline.center[unit]) / baseline.scale
    return advantages
