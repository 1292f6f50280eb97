"""A match from its pairing to its record: tasks, moves, facts, edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from selfplay.types.talk import Completion, Message, Turn
from selfplay.types.values import Json, Path, finite


class Move:
    """One reply of one seat. Games read `text` and `value` and set `reward`; all else is the engine's.

    `reward` starts as `None`: the move is masked, it teaches nothing and is in no baseline. A move that was a foul has
    the reward its role's foul policy gave it; setting it again changes nothing, so a loop over answers needs no special
    case. Set `keep` to select the move for supervised learning.
    """

    __slots__ = (
        "_reward",
        "completion",
        "foul",
        "group",
        "id",
        "keep",
        "learn",
        "messages",
        "parent",
        "player",
        "role",
        "seat",
        "secret",
        "tag",
        "turn",
        "value",
        "why_masked",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        parent: Move | None,
        role: str,
        seat: str,
        tag: str,
        group: str | None,
        player: str,
        learn: bool,
        secret: bool,
        messages: tuple[Message, ...],
        completion: Completion,
        turn: Turn,
    ) -> None:
        self.id = id
        """Path of the ask, and the sibling's number where one ask made several: ``3``, ``3.0``, ``4.1.0``."""
        self.parent = parent
        """The move whose conversation this one continues."""
        self.role = role
        self.seat = seat
        self.tag = tag
        """The kind of move, where a role makes several kinds; empty by default."""
        self.group = group
        """Baseline group given by `ask(group=)`; `None` means the default key of `selfplay.learning.groups`."""
        self.player = player
        self.learn = learn
        """May be trained on: the ask allowed it and the matchmaker lets this seat learn in this match."""
        self.secret = secret
        self.messages = messages
        """What was said to the seat just before this reply."""
        self.completion = completion
        self.turn = turn
        self.value: Any = None
        """What the role's parser made of the text; `None` after a foul."""
        self.foul: str | None = None
        """Why the reply does not count, or `None`."""
        self.why_masked: str | None = None
        """Set when the move must not be learned from (an undecided check, a masked foul)."""
        self.keep = False
        self._reward: float | None = None

    @property
    def text(self) -> str:
        """The reply as written. Hostile: never evaluate it."""
        return self.completion.text

    @property
    def reward(self) -> float | None:
        """What this reply earned; `None` masks it."""
        return None if self.why_masked else self._reward

    @reward.setter
    def reward(self, value: float | None) -> None:
        if self.foul is not None:
            return
        self._reward = finite(value, f"reward of move {self.id}")

    def penalise(self, why: str, reward: float | None) -> None:
        """Make this a foul that costs `reward` (`None`: masked)."""
        self.foul = why
        self._reward = finite(reward, f"foul reward of move {self.id}")
        if reward is None:
            self.why_masked = "foul"

    def mask(self, why: str) -> None:
        """Take the move out of learning and out of every baseline."""
        self.why_masked = why

    def __repr__(self) -> str:
        return f"<Move {self.id} {self.seat} {self.text[:40]!r} reward={self.reward}>"


@dataclass(frozen=True, slots=True)
class Example:
    """A target nobody sampled: a demonstration, a refined answer, a spliced recovery."""

    role: str
    prompt: str
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A match's input, and where it came from."""

    data: Json = None
    source: str = ""
    key: str = ""


@dataclass(slots=True)
class Pairing:
    """Who plays what: the order for one match."""

    game: str
    """Game id or ``path/to/file.py:Class``."""
    seats: Mapping[str, str]
    """Seat -> player."""
    learns: Mapping[str, bool]
    """Seat -> may the moves of this seat be trained on."""
    seed: int
    """Fixes the rules' chance; replicas of one deal share it."""
    number: int = 0
    """The match's number in its generation; matches are learned from in this order."""
    generation: int = 0
    replica: int = 0
    task: Task = field(default_factory=Task)
    sampling_seed: int = 0
    """Fixes the sampling: matches that share it give equal replies to equal asks; replicas of a deal differ in it."""

    @property
    def id(self) -> str:
        """The match's name in logs and commands, for example ``g0003-m0012``."""
        return f"g{self.generation:04d}-m{self.number:04d}"


class Fact(NamedTuple):
    """Something that happened in a match besides moves: a tell, a verdict, a tool result, a note."""

    path: Path
    kind: str
    """``tell secret show note publish remember prefer example check call``"""
    data: dict[str, Json]


class Ending(StrEnum):
    """How a match ended."""

    OK = "ok"
    """`play` returned."""
    FOUL = "foul"
    """A foul in a single ask ended it, in order; `MatchRecord.forfeit` names the seat."""
    ERROR = "error"
    """The game raised, hung, never ended, or a policy failed; nothing in it is learned from."""


@dataclass(slots=True, eq=False)
class MatchRecord:
    """All there is to know about a finished match: enough to replay it byte for byte without a model."""

    pairing: Pairing
    config: dict[str, Json]
    """The game's settings."""
    moves: list[Move]
    """In path order."""
    facts: list[Fact]
    """In path order."""
    result: dict[str, float] | None
    """Seat -> score, for ratings; `None` if the game states none."""
    ending: Ending
    forfeit: str | None = None
    error: str | None = None

    @property
    def id(self) -> str:
        return self.pairing.id


class Edit(NamedTuple):
    """A change of one move's reward that needed the whole batch to be known; made by `Game.settle`, logged."""

    match: str
    move: str
    reward: float | None
    why: str
