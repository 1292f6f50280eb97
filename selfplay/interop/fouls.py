"""Fouls that only the foreign library can see: a reply that reads well and is no legal move.

They end a match as a parser's foul does, in order, with the seat named in the record. Who fouls scores worst; that is
no skill of the others, so nothing is learned from their moves, nor from what the seat did before.
"""

from __future__ import annotations

from collections.abc import Mapping

from selfplay.game import Game
from selfplay.match import Match
from selfplay.steps import Forfeit
from selfplay.types import Move


async def forfeit(match: Match, game: Game, move: Move, why: str, scores: Mapping[str, float] | None = None) -> None:
    """End the match here, because `move` is illegal.

    Args:
        scores: what each seat gets for it, where the library says so. Otherwise the seat gets the worst result, and in
            a zero-sum game the others share what it loses.
    """
    seats, lowest = game.seats(), game.result_range[0]
    for earlier in match.moves:
        if earlier is not move:
            earlier.mask("the match was ended by a foul")
    move.penalise(why, game.roles[move.role].foul.reward)
    others = -lowest / max(1, len(seats) - 1) if game.zero_sum else max(lowest, 0.0)
    match.result(scores or {seat: lowest if seat == move.seat else others for seat in seats})
    await Forfeit(move)


def try_again(move: Move, why: str) -> None:
    """`move` is illegal, but its seat gets another try: nothing is learned from it."""
    move.penalise(why, None)
    move.mask("retried")
