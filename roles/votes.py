"""Votes: what a group of answers agrees on, for games that have no answer key or do without it.

A *ballot* is what one answer says, compared with ``==``; `None` is a reply that cannot be read, which counts as cast
but never wins. A masked move ("could not tell") casts no ballot at all. All functions are pure.

    the label            Self-Questioning Language Models (arXiv 2508.03682), SRT (arXiv 2505.21444), LMSI (2210.11610)
    the pair and weight  ScPO, section 2 (arXiv 2411.04109): most against least voted, (V(y+) - V(y-)) / k

What a vote cannot do: tell a right majority from a wrong one. Its optimum is any answer that everybody always gives.
So runs that learn from their own votes watch ``solver/answer_entropy`` and ``notes/label_gap``, or let a frozen model
vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from selfplay.types import Move

Ties = Literal["first", "nobody"]
"""Who wins among answers with equally many ballots: the one that was said first, or nobody. The answers to one ask are
exchangeable, so ``first`` is as good as a random draw."""
Key = Callable[[Any], Hashable]
"""What a parsed answer says: equal for answers that mean the same."""


@dataclass(frozen=True, slots=True)
class Vote:
    """The count of one group's ballots."""

    winner: Hashable | None
    """`None`: nobody won, because nothing could be read, because of a tie, or below the threshold."""
    count: int
    """Ballots for the most voted answer, whether it won or not."""
    of: int
    """All ballots, unreadable ones included."""

    @property
    def share(self) -> float:
        """Of the most voted answer among all ballots, in [0, 1]; 0 without any ballot."""
        return self.count / self.of if self.of else 0.0


class Pair(NamedTuple):
    """A member of the most voted answers, one of the least voted, and the difference of their votes' shares."""

    better: Move
    worse: Move
    weight: float


def vote(ballots: Iterable[Hashable | None], *, ties: Ties = "first", threshold: float = 0.0) -> Vote:
    """Count ballots; the most voted answer wins if its share of all ballots is at least `threshold`."""
    cast = list(ballots)
    counts = Counter(ballot for ballot in cast if ballot is not None).most_common()
    if not counts:
        return Vote(None, 0, len(cast))
    (first, count), *others = counts  # `most_common` keeps the order of first mention among equals
    tied = ties == "nobody" and bool(others) and others[0][1] == count
    return Vote(None if tied or count < threshold * len(cast) else first, count, len(cast))


def ballots(answers: Iterable[Move], key: Key) -> list[Hashable | None]:
    """What each answer says: `None` after a foul; masked answers are left out."""
    return [None if a.foul is not None else key(a.value) for a in answers if a.why_masked is None]


def reward_by_vote(answers: Sequence[Move], result: Vote, key: Key) -> None:
    """1 for saying what won, else 0; fouls keep theirs. Without a winner there is no label, and no answer counts."""
    readable = [answer for answer in answers if answer.foul is None]
    if result.winner is None and readable:
        for answer in answers:
            answer.mask("no majority")
    for answer in readable:
        answer.reward = float(key(answer.value) == result.winner)


def shares(answers: Sequence[Move], key: Key) -> list[float | None]:
    """For each answer the share of all ballots that say the same, in [0, 1]: 0 after a foul, `None` where masked."""
    cast = ballots(answers, key)
    counts = Counter(ballot for ballot in cast if ballot is not None)

    def share(answer: Move) -> float | None:
        if answer.why_masked is not None:
            return None
        return 0.0 if answer.foul is not None else counts[key(answer.value)] / len(cast)

    return [share(answer) for answer in answers]


def widest_pair(answers: Iterable[Move], key: Key) -> Pair | None:
    """The first of the most voted answers against the first of the least voted; `None` if all are equally voted."""
    counted = [answer for answer in answers if answer.why_masked is None]
    readable = [answer for answer in counted if answer.foul is None]
    counts = Counter(key(answer.value) for answer in readable)
    if len(set(counts.values())) < 2:
        return None
    votes = [counts[key(answer.value)] for answer in readable]
    most, least = max(votes), min(votes)
    return Pair(readable[votes.index(most)], readable[votes.index(least)], (most - least) / len(counted))
