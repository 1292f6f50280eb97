"""Rows: what the learner takes, merged from moves that continue one another.

A row is one trajectory piece. It starts with a move's whole context as its prompt; the next move of the same
conversation is appended, its new prompt tokens with mask False, because they extend the previous prompt + completion
exactly (conversations are append-only, see `selfplay.types.Turn`). A new row begins where the conversation branches a
second time, or where player, weights version, role or tag change. One row per move would encode T turns T(T+1)/2 times.

Only moves with an advantage are learned from; others in between stay as context with mask False. Every sampled token is
learned from at most once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from selfplay.types import MatchRecord, Move, Row, Turn


class RowBatch(NamedTuple):
    """Rows of a batch, and how many moves with an advantage could not become part of one."""

    rows: list[Row]
    without_tokens: int
    """Moves (or their contexts) whose policy does not know its tokens, and empty replies."""


@dataclass
class _Open:
    """A row that may still grow."""

    move: Move
    """The last move learned from; only its continuation may be appended."""
    match: str
    prompt: list[np.ndarray]
    ids: list[np.ndarray] = field(default_factory=list)
    mask: list[np.ndarray] = field(default_factory=list)
    logprobs: list[np.ndarray] = field(default_factory=list)
    advantages: list[np.ndarray] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)

    def context(self, ids: np.ndarray) -> None:
        """Append tokens that are not learned from."""
        self._append(ids, False, np.zeros(len(ids), np.float32), 0.0)

    def learn(self, move: Move, advantage: float) -> None:
        """Append a reply."""
        assert move.completion.token_ids is not None and move.completion.logprobs is not None
        self._append(move.completion.token_ids, True, move.completion.logprobs, advantage)
        self.moves.append(move.id)
        self.move = move

    def _append(self, ids: np.ndarray, mask: bool, logprobs: np.ndarray, advantage: float) -> None:
        self.ids.append(ids)
        self.mask.append(np.full(len(ids), mask))
        self.logprobs.append(logprobs)
        self.advantages.append(np.full(len(ids), advantage, np.float32))

    def closed(self) -> Row:
        return Row(
            prompt_ids=np.concatenate(self.prompt).astype(np.int32),
            completion_ids=np.concatenate(self.ids).astype(np.int32),
            mask=np.concatenate(self.mask),
            logprobs=np.concatenate(self.logprobs).astype(np.float32),
            advantages=np.concatenate(self.advantages),
            role=self.move.role,
            tag=self.move.tag,
            player=self.move.player,
            weights_version=self.move.completion.weights_version,
            match=self.match,
            moves=tuple(self.moves),
        )


def rows_from(records: Iterable[MatchRecord], advantages: Mapping[tuple[str, str], float]) -> RowBatch:
    """Rows for every move that has an advantage, in match and move order.

    Args:
        records: finished matches.
        advantages: (match id, move id) -> advantage, as `credit` gives them.
    """
    rows: list[_Open] = []
    without_tokens = 0
    for record in records:
        owners: dict[int, _Open] = {}  # id of a learned turn -> its row
        for move in record.moves:
            advantage = advantages.get((record.id, move.id))
            if advantage is None:
                continue
            line = _line(move.turn)
            if not all(_has_tokens(turn) for turn in line) or _is_empty(line[-1]):
                without_tokens += 1
                continue
            row = _row_to_extend(move, line, owners)
            if row is None:
                row = _Open(move, record.id, prompt=[*_ids(line[:-1]), _prompt(line[-1])])
                rows.append(row)
            row.learn(move, advantage)
            owners[id(move.turn)] = row
    return RowBatch([row.closed() for row in rows], without_tokens)


def _row_to_extend(move: Move, line: list[Turn], owners: dict[int, _Open]) -> _Open | None:
    """The row that this move continues, with the context up to the reply appended; `None` if a new one begins."""
    for depth in range(len(line) - 2, -1, -1):
        row = owners.get(id(line[depth]))
        if row is None:
            continue
        if row.move.turn is not line[depth] or not _alike(row.move, move):
            return None
        for ids in [*_ids(line[depth + 1 : -1]), _prompt(line[-1])]:
            row.context(ids)
        return row
    return None


def _alike(a: Move, b: Move) -> bool:
    return (a.player, a.role, a.tag, a.completion.weights_version) == (
        b.player, b.role, b.tag, b.completion.weights_version,
    )  # fmt: skip


def _line(turn: Turn | None) -> list[Turn]:
    """The conversation's turns, oldest first."""
    turns: list[Turn] = []
    while turn is not None:
        turns.append(turn)
        turn = turn.parent
    return turns[::-1]


def _has_tokens(turn: Turn) -> bool:
    c = turn.completion
    return c.prompt_ids is not None and c.token_ids is not None and c.logprobs is not None


def _is_empty(turn: Turn) -> bool:
    return turn.completion.token_ids is None or len(turn.completion.token_ids) == 0


def _prompt(turn: Turn) -> np.ndarray:
    assert turn.completion.prompt_ids is not None
    return turn.completion.prompt_ids


def _ids(turns: list[Turn]) -> list[np.ndarray]:
    """All tokens of these turns."""
    out: list[np.ndarray] = []
    for turn in turns:
        assert turn.completion.token_ids is not None
        out += [_prompt(turn), turn.completion.token_ids]
    return out
