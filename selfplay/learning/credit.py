"""Credit: from rewards to advantages, move by move.

The advantage of a move is ``(reward - center) / scale``; an *estimator* finds center and scale for one sample of moves
that are compared with one another (see `estimators`, and `groups` for which these are by default). A *trajectory* is a
move and everything of its tag that continues it: however many moves it has in a group, it counts once in the baseline,
with their mean reward as its return.

Masked moves (no reward, `learn=False`, matches that ended in an error) are in no baseline and get no advantage. A group
of one trajectory and a group whose rewards are all equal teach nothing: their advantages are exactly 0, and counted.

Everything here is pure. What must be known of earlier batches goes in and out as a `CreditState`, which the run keeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from selfplay.errors import UnknownName, UsageError
from selfplay.learning.estimators import ESTIMATORS, Estimator, Floats, Pool, RunningMean, Sample, Unit
from selfplay.learning.groups import GroupBy, GroupKey, batch_key, group_key, group_name, start_of
from selfplay.learning.keys import kind_of, pick
from selfplay.learning.returns import bounded_returns
from selfplay.types import Ending, MatchRecord, Move

CreditState = Mapping[str, RunningMean]
"""``game/player/kind of move`` -> mean return so far; as JSON, a pair of numbers for each name."""


@dataclass(frozen=True)
class CreditRule:
    """How one kind of move gets its advantages.

    Raises:
        UnknownName: no such estimator.
        UsageError: a number that cannot work.
        ValueError: no such grouping.
    """

    estimator: str = "group_zscore"
    group_by: GroupBy = GroupBy.MATCH
    """For estimators that compare within a group."""
    weight: float = 1.0
    """Multiplies the advantages: below 1 this role learns more slowly than others that share its weights."""
    decay: float = 0.95
    """``role_baseline``: how much of the running mean stays with each match."""
    discount: float = 1.0
    """``bounded_returns``: what a later reward loses with each segment before it."""
    bounds: tuple[float, float] = (-1.0, 1.0)
    """``bounded_returns``: lowest and highest return of a segment."""

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise UnknownName("credit estimator", self.estimator, ESTIMATORS)
        object.__setattr__(self, "group_by", GroupBy(self.group_by))
        if not 0.0 <= self.decay < 1.0:
            raise UsageError(f"baseline decay is {self.decay!r}; 0 or more and less than 1 was expected")
        low, high = self.bounds
        if not low < high:
            raise UsageError(f"return bounds are {low:g} and {high:g}; the first must be below the second")

    @property
    def how(self) -> Estimator:
        """The estimator itself."""
        return ESTIMATORS[self.estimator]


@dataclass
class CreditCounts:
    """What became of the moves of one kind."""

    moves: int = 0
    """Moves that were meant to be learned from (`learn` is set)."""
    masked: int = 0
    """Of these, moves without a reward, before a masked segment, or in a match that ended in an error."""
    groups: int = 0
    """Samples that were compared with one another; for ``per_class``, classes."""
    singletons: int = 0
    """Groups of one trajectory (or of one seat's match, or of one segment, where the estimator counts these)."""
    zero_variance: int = 0
    """Groups of several whose rewards are all equal."""


@dataclass
class CreditResult:
    """Advantages of all moves that may be learned from, and what was left out."""

    advantages: dict[tuple[str, str], float] = field(default_factory=dict)
    """(match id, move id) -> advantage."""
    counts: dict[str, CreditCounts] = field(default_factory=dict)
    """Kind of move (``role`` or ``role/tag``) -> counts."""
    state: dict[str, RunningMean] = field(default_factory=dict)
    """For the next batch."""


class _Entry(NamedTuple):
    """A move in a sample."""

    match: str
    move: str
    value: float
    """Its reward, or its bounded return."""
    unit: Hashable
    """What it counts as a part of."""
    class_: str
    rule: CreditRule
    counts: CreditCounts


def credit(
    records: Iterable[MatchRecord], rules: Mapping[str, CreditRule], state: CreditState | None = None
) -> CreditResult:
    """Advantages for one closed batch of matches.

    Args:
        records: the batch, in any order.
        rules: by ``role/tag``, ``role`` or ``*``; without any, `CreditRule()` applies.
        state: what the batch before gave; without it, the run begins here.
    """
    result = CreditResult(state=dict(state or {}))
    samples: dict[GroupKey, list[_Entry]] = defaultdict(list)
    for record in sorted(records, key=lambda r: (r.pairing.generation, r.pairing.number)):
        for key, entry in _entries(record, rules, result.counts):
            samples[key].append(entry)
    for key, entries in samples.items():
        for entry, advantage in zip(entries, _advantages(key, entries, result.state), strict=True):
            result.advantages[entry.match, entry.move] = entry.rule.weight * advantage
    return result


def learnable(record: MatchRecord, move: Move) -> bool:
    """May this move be learned from: it is meant to be, it has a reward, and its match is sound."""
    return move.learn and move.reward is not None and record.ending is not Ending.ERROR


def _entries(
    record: MatchRecord, rules: Mapping[str, CreditRule], all_counts: dict[str, CreditCounts]
) -> Iterator[tuple[GroupKey, _Entry]]:
    """The moves that may be learned from, each with the key of its sample; the others are counted as masked."""
    segments: dict[CreditRule, dict[str, float]] = {}
    for move in record.moves:
        if not move.learn:
            continue
        counts = all_counts.setdefault(kind_of(move.role, move.tag), CreditCounts())
        counts.moves += 1
        rule = pick(rules, move.role, move.tag, _DEFAULT)
        value, unit = move.reward, move.seat
        if rule.how.unit is Unit.SEGMENT:
            if rule not in segments:
                segments[rule] = bounded_returns(record.moves, rule.discount, *rule.bounds)
            value, unit = segments[rule].get(move.id), move.id
        elif rule.how.unit is Unit.TRAJECTORY:
            unit = start_of(move).id
        if value is None or not learnable(record, move):
            counts.masked += 1
            continue
        class_ = (group_name(move) or "") if rule.how.by_class else ""
        yield _key(record, move, rule), _Entry(record.id, move.id, value, (record.id, unit), class_, rule, counts)


def _key(record: MatchRecord, move: Move, rule: CreditRule) -> GroupKey:
    """What `move` shares with those it is compared with."""
    how = rule.how
    if how.pool is Pool.RUN:
        return (f"{record.pairing.game}/{move.player}/{kind_of(move.role, move.tag)}",)
    if how.pool is Pool.BATCH:
        return (rule.estimator, *batch_key(move))
    return (rule.estimator, *group_key(record, move, rule.group_by, across_tags=how.unit is Unit.SEGMENT))


def _advantages(key: GroupKey, entries: list[_Entry], state: dict[str, RunningMean]) -> list[float]:
    """Advantages of the moves of one sample; what an estimator remembers is put into `state`."""
    rule, counts = entries[0].rule, entries[0].counts
    numbers: dict[Hashable, int] = {}
    unit = np.array([numbers.setdefault(e.unit, len(numbers)) for e in entries])
    first = np.unique(unit, return_index=True)[1].tolist()
    values = np.array([e.value for e in entries])
    returns = np.bincount(unit, values) / np.bincount(unit)
    classes = [entries[i].class_ for i in first]
    _count(returns, classes, counts)
    if np.ptp(returns) == 0.0 and not rule.how.absolute:
        return [0.0] * len(entries)
    name = str(key[0])
    matches = [entries[i].match for i in first]
    sample = Sample(returns, classes, matches, rule.decay, state.get(name, RunningMean()))
    baseline = rule.how.baseline(sample)
    if baseline.mean is not None:
        state[name] = baseline.mean
    advantages: Floats = (values - baseline.center[unit]) / baseline.scale[unit]
    return [float(a) for a in advantages]


def _count(returns: Floats, classes: list[str], counts: CreditCounts) -> None:
    for name in set(classes):
        own = returns[[c == name for c in classes]]
        counts.groups += 1
        counts.singletons += len(own) == 1
        counts.zero_variance += len(own) > 1 and float(np.ptp(own)) == 0.0


_DEFAULT = CreditRule()
