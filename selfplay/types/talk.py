"""Conversations, and what travels between the arena and a policy: requests, completions, players."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from selfplay.errors import UsageError
from selfplay.types.values import Path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    TokenIds = NDArray[np.int32]
    Logprobs = NDArray[np.float32]


class Message(NamedTuple):
    """One entry of a conversation."""

    role: str
    """``system``, ``user`` or ``assistant``."""
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a policy draws its tokens."""

    temperature: float = 1.0
    """0 means greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 means all."""
    max_tokens: int = 256
    """Longest reply, in tokens."""
    stop: tuple[str, ...] = ()
    """The reply ends after the first of these strings, which stays part of it."""

    def __post_init__(self) -> None:
        for name, allowed, fine in (
            ("temperature", "a number of at least 0", _number(self.temperature) and self.temperature >= 0),
            ("top_p", "a number in (0, 1]", _number(self.top_p) and 0 < self.top_p <= 1),
            ("top_k", "a whole number of at least 0", type(self.top_k) is int and self.top_k >= 0),
            ("max_tokens", "a whole number of at least 1", type(self.max_tokens) is int and self.max_tokens >= 1),
            ("stop", "strings that are not empty", all(isinstance(text, str) and text for text in self.stop)),
        ):
            if not fine:
                raise UsageError(f"sampling setting {name} is {getattr(self, name)!r}; allowed: {allowed}")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and value - value == 0.0  # neither nan nor infinite


class FinishReason(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    """The policy ended it: end-of-turn token or a stop string."""
    LENGTH = "length"
    """It ran into `Sampling.max_tokens` or the model's context."""


@dataclass(slots=True, eq=False)
class Completion:
    """One reply as a policy gives it, with the tokens exactly as they were sampled.

    Policies that do not know their tokens (people, bots, most HTTP endpoints) leave the three arrays `None`; such moves
    cannot be trained on.
    """

    text: str
    prompt_ids: TokenIds | None = None
    """The ids that this request added to the conversation before the reply (not the whole prefix)."""
    token_ids: TokenIds | None = None
    logprobs: Logprobs | None = None
    finish_reason: FinishReason = FinishReason.STOP
    weights_version: int = 0


@dataclass(slots=True, eq=False)
class Turn:
    """A node of a seat's conversation: what was said to the seat since `parent`, and what it replied.

    Append-only: a turn is never rendered again, so the tokens of a prefix are those that were really sampled.
    """

    parent: Turn | None
    messages: tuple[Message, ...]
    completion: Completion
    told: tuple[Path, ...] = ()
    """Which `tell`s this turn delivered."""

    def conversation(self) -> list[Message]:
        """All messages up to and including this reply."""
        turns: list[Turn] = []
        node: Turn | None = self
        while node is not None:
            turns.append(node)
            node = node.parent
        out: list[Message] = []
        for turn in reversed(turns):
            if turn.messages:
                out += [*turn.messages, Message("assistant", turn.completion.text)]
            else:  # `extend`: the same reply went on
                out[-1] = Message("assistant", out[-1].text + turn.completion.text)
        return out


@dataclass(slots=True, eq=False)
class Request:
    """Ask a policy for `n` replies to one conversation."""

    role: str
    seat: str
    parent: Turn | None
    """The conversation so far; `None` at its start."""
    messages: tuple[Message, ...]
    """What is new since `parent`; empty means: go on with the same reply, no template in between."""
    sampling: Sampling
    seeds: tuple[int, ...]
    """One 64-bit seed per wanted reply; reply i depends on seeds[i] and the conversation alone."""
    number: int = 0
    """The match's number in its generation; with `path`, the order of requests within a batch."""
    path: Path = ()

    def conversation(self) -> list[Message]:
        """All messages the seat sees."""
        return [*(self.parent.conversation() if self.parent else ()), *self.messages]


class Policy(Protocol):
    """What writes text: a local model, an endpoint, a script, a person."""

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Replies for each request, `len(request.seeds)` of them, in order. Called from one thread at a time.

        Raises:
            Unanswered: some requests got replies, others did not.
        """


class Unanswered(Exception):
    """Infrastructure trouble with some requests of a batch: it costs their matches, and no others.

    Args:
        replies: for each request its replies, or why there are none.
    """

    def __init__(self, replies: list[list[Completion] | str]) -> None:
        super().__init__(next((reply for reply in replies if isinstance(reply, str)), ""))
        self.replies = replies


@runtime_checkable
class Interruptible(Protocol):
    """A policy that waits for others, and can be told that nobody wants the replies of its batch any more."""

    def interrupt(self) -> None:
        """Ask for nothing more; `complete` returns or raises soon. Called from another thread."""


@dataclass(frozen=True, slots=True)
class Player:
    """A named entry of the league: a policy with sampling settings."""

    name: str
    policy: Policy
    sampling: Sampling = field(default_factory=Sampling)


class Inline:
    """Mix-in for policies that answer at once or talk to the person at the terminal: the arena calls them on its own
    thread instead of giving them a worker."""
