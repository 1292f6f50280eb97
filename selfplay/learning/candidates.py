"""What may be learned from without an advantage: replies of players, texts nobody sampled, pairs of them.

    Reply    Sampled, a move with its tokens, or Written, an example that answers a prompt of its own or of a move
    Chosen   a reply with a weight
    Pair     two replies to the same prompt, the first preferred

Selections and pair builders (`selection`, `pairs`) are pure generators over finished matches. They yield these, and for
what they leave out a few words that say why, which are counted. `material` makes rows of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.learning.credit import learnable
from selfplay.types import Ending, MatchRecord, Message, Move


@dataclass(frozen=True)
class Choice:
    """How replies are chosen; see the recipe's ``[learning]``.

    Raises:
        UsageError: a value that cannot work.
    """

    select: tuple[str, ...] = ("kept", "examples")
    """Selections, joined."""
    pairs: str = "preferred"
    """Pair builder."""
    threshold: float = 0.5
    """Rewards of at least this much are good."""
    per_prompt: int = 0
    """Most rows or pairs of one prompt; 0: as many as the selection or builder finds."""
    tier: float = 0.3
    """Of `length_tiered`: share of the range of rewards that makes up the top tier, and the bottom tier."""
    weighted: bool = True
    """Pairs weigh as much as their rewards differ; otherwise all weigh 1."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.tier < 0.5:
            raise UsageError(f"tier is {self.tier!r}; from 0 to below 0.5 was expected, or the two tiers would overlap")
        if self.per_prompt < 0:
            raise UsageError(f"per_prompt is {self.per_prompt!r}; 0 or more was expected")


class Sampled(NamedTuple):
    """A reply of a player."""

    record: MatchRecord
    move: Move

    @property
    def reward(self) -> float:
        """Of a move that has one."""
        assert self.move.reward is not None
        return self.move.reward


class Written(NamedTuple):
    """A reply that nobody sampled, at least not to this prompt."""

    record: MatchRecord
    role: str
    prompt: str
    text: str
    asked: Move | None
    """The first move of this role and match that answered the same prompt: the example then stands in its place, with
    all that its seat had seen before. Without one, the prompt opens a conversation."""
    source: Move | None = None
    """Where the text was sampled as an answer to something else; its tokens are kept."""


Reply = Sampled | Written


class Chosen(NamedTuple):
    """Something to be imitated."""

    reply: Reply
    weight: float = 1.0


class Pair(NamedTuple):
    """`better` is preferred to `worse`; both answer the same prompt."""

    better: Reply
    worse: Reply
    weight: float = 1.0


def written(record: MatchRecord, role: str, prompt: str, text: str) -> Written:
    """An example, put where its prompt was asked."""
    for move in record.moves:
        if move.role == role and move.messages and move.messages[-1].text == prompt:
            return Written(record, role, prompt, text, move)
    return Written(record, role, prompt, text, None)


def sound(records: Iterable[MatchRecord]) -> Iterator[MatchRecord]:
    """Without matches that ended in an error."""
    return (record for record in records if record.ending is not Ending.ERROR)


def by_prompt(records: Iterable[MatchRecord]) -> list[list[Sampled]]:
    """All moves that may be learned from, those with the same role, tag and conversation before them together."""
    groups: dict[tuple[str, str, tuple[Message, ...]], list[Sampled]] = {}
    for record in records:
        for move in record.moves:
            if learnable(record, move):
                groups.setdefault((move.role, move.tag, conversation_before(move)), []).append(Sampled(record, move))
    return list(groups.values())


def conversation_before(move: Move) -> tuple[Message, ...]:
    """All that the seat had seen when it replied."""
    earlier = move.turn.parent.conversation() if move.turn.parent is not None else []
    return (*earlier, *move.messages)
