"""What a `MatchRecord` says, asked the way viewers, search and export ask it.

Facts are read tolerantly: a key that is not there is simply absent from the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from selfplay.types import Ending, Json, MatchRecord


class SeatOutcome(StrEnum):
    """How a match went for one seat."""

    WIN = "win"
    """The highest score, alone."""
    DRAW = "draw"
    """The highest score, shared."""
    LOSS = "loss"
    """Less than the highest score."""
    FORFEIT = "forfeit"
    """This seat's foul ended the match."""
    ERROR = "error"
    """The match failed."""
    NONE = "none"
    """The game states no result, or there is nobody to compare with."""


def seat_outcome(seat: str, result: Mapping[str, float] | None, ending: str, forfeit: str | None) -> SeatOutcome:
    """How a match with these entries in its record went for `seat`."""
    if ending == Ending.ERROR:
        return SeatOutcome.ERROR
    if forfeit == seat:
        return SeatOutcome.FORFEIT
    if result is None or seat not in result or len(result) < 2:
        return SeatOutcome.NONE
    best = max(result.values())
    if result[seat] < best:
        return SeatOutcome.LOSS
    return SeatOutcome.WIN if list(result.values()).count(best) == 1 else SeatOutcome.DRAW


def storable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 and so SQLite, Arrow and terminals cannot hold, shown as ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def verdicts(record: MatchRecord) -> dict[str, list[Mapping[str, Json]]]:
    """Move id -> the checks about it, in playing order."""
    found: dict[str, list[Mapping[str, Json]]] = {}
    for fact in record.facts:
        if fact.kind == "check":
            for move in fact.data.get("about", ()):
                found.setdefault(move, []).append(fact.data)
    return found


def notes(record: MatchRecord) -> dict[str, Json]:
    """All notes of a match in one dict; a later note with the same name wins."""
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}
