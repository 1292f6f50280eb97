"""The values that travel between the parts of the framework; everybody may import them, they import nobody.

    Pairing -> Match -> Request -> policy -> Completion -> Move -> MatchRecord -> Row -> learner

Vocabulary: a *match* is one play of a game; a *seat* is a role's slot in it (``solver`` or ``solver#2``); a *move* is
one reply of one seat; a *turn* is a node of a seat's conversation; a *row* is what the learner takes.
Array suffixes: ``T`` tokens. Token ids are ``int32``, log-probabilities ``float32`` natural logarithms of the
distribution that was sampled from (after temperature).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfplay.types.bills import Bill
from selfplay.types.matches import Edit, Ending, Example, Fact, MatchRecord, Move, Pairing, Task
from selfplay.types.rows import Row
from selfplay.types.talk import (
    Completion,
    FinishReason,
    Inline,
    Interruptible,
    Message,
    Player,
    Policy,
    Request,
    Sampling,
    Turn,
    Unanswered,
)
from selfplay.types.values import Json, Path, finite, plain
from selfplay.types.verdicts import Checker, CheckerPool, Outcome, PooledChecker, Verdict

if TYPE_CHECKING:
    from selfplay.types.talk import Logprobs as Logprobs
    from selfplay.types.talk import TokenIds as TokenIds

__all__ = [
    "Bill",
    "Checker",
    "CheckerPool",
    "Completion",
    "Edit",
    "Ending",
    "Example",
    "Fact",
    "FinishReason",
    "Inline",
    "Interruptible",
    "Json",
    "MatchRecord",
    "Message",
    "Move",
    "Outcome",
    "Pairing",
    "Path",
    "Player",
    "Policy",
    "PooledChecker",
    "Request",
    "Row",
    "Sampling",
    "Task",
    "Turn",
    "Unanswered",
    "Verdict",
    "finite",
    "plain",
]
