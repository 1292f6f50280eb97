"""``live.jsonl``: the turns of the match that viewers watch right now. Disposable, and rewritten as a whole.

    {"kind": "start", "match", "game", "generation", "seed", "seats": {seat: player}}
    {"kind": "move", "match", "id", "parent", "seat", "player", "prompt", "text", "foul", "reward", "tokens"}
    {"kind": "end", "match", "ending", "result"}

Only one match is featured at a time, so a run pays for this file only a few times per second. Rewards are those known
when the line was made; the match log has the final ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from selfplay.record.writer import RunWriter
from selfplay.types import Json, MatchRecord, Move, Pairing


class LiveFeed:
    """Features one match after another; hand it to the engine as `on_move`.

    Args:
        writer: of the run.
        period_s: shortest time between two writes of the file.
    """

    def __init__(
        self, writer: RunWriter, *, period_s: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._writer, self._period, self._clock = writer, period_s, clock
        self._start: dict[str, Json] = {}
        self._moves: list[Move] = []
        self._written = float("-inf")

    def on_move(self, pairing: Pairing, move: Move) -> None:
        """Take note of a move that was just made, in any match; the first match seen is featured until it ends."""
        if not self._start:
            self._start = {
                "kind": "start", "match": pairing.id, "game": pairing.game, "generation": pairing.generation,
                "seed": pairing.seed, "seats": dict(pairing.seats),
            }  # fmt: skip
        if pairing.id == self._start["match"]:
            self._moves.append(move)
            self._write(None)

    def on_end(self, record: MatchRecord) -> None:
        """A match is over; if it was the featured one, the next match to move takes its place."""
        if self._start and record.id == self._start["match"]:
            self._moves = record.moves
            self._write(record)
            self._start, self._moves = {}, []

    def _write(self, ended: MatchRecord | None) -> None:
        now = self._clock()
        if now - self._written < self._period:
            return
        self._written = now
        lines = [self._start, *(move_line(self._start["match"], move) for move in self._moves)]
        if ended is not None:
            lines.append({"kind": "end", "match": ended.id, "ending": ended.ending.value, "result": ended.result})
        self._writer.live(lines)


def move_line(match: str, move: Move) -> dict[str, Json]:
    """A ``move`` line."""
    tokens = move.completion.token_ids
    return {
        "kind": "move", "match": match, "id": move.id, "parent": move.parent.id if move.parent else None,
        "seat": move.seat, "player": move.player, "prompt": move.messages[-1].text if move.messages else "",
        "text": move.text, "foul": move.foul, "reward": move.reward, "tokens": None if tokens is None else len(tokens),
    }  # fmt: skip
