"""Micro-batches: rows of one kind that go through the model together, within a token budget.

They are pure in (role, tag), because KL coefficients (and, with adapters, weights) belong to a kind of move. Rows of
similar length are put together; the order is fixed, so equal rows give equal gradients bit for bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.learning.keys import kind_of, pick
from selfplay.learning.learner import LearnerSettings
from selfplay.types import Row


class MicroBatch(NamedTuple):
    """One forward pass."""

    kind: str
    kl: float
    rows: list[Row]


def learnable_tokens(rows: Sequence[Row]) -> int:
    """How many tokens of these rows may be learned from: what the loss is divided by."""
    return sum(int(row.mask.sum()) for row in rows)


def micro_batches(rows: Sequence[Row], settings: LearnerSettings) -> list[MicroBatch]:
    """The forward passes of one update. Rows that cannot move the weights are left out.

    Raises:
        UsageError: a row has no reference log-probabilities although its kind of move has a KL coefficient.
    """
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kind, kl = kind_of(row.role, row.tag), kl_of(row, settings)
        if kl > 0 and row.ref_logprobs is None:
            raise UsageError(
                f"kl is {kl} for {kind!r}, but a row of match {row.match!r} has no reference log-probabilities\n"
                "  fill them with selfplay.learning.reference.fill_reference, or set the coefficient to 0"
            )
        if row.mask.any() and (kl > 0 or row.advantages[row.mask].any()):
            by_kind[kind].append(row)
    return [
        MicroBatch(kind, kl_of(part[0], settings), part)
        for kind in sorted(by_kind)
        for part in split_by_size(by_kind[kind], settings.micro_tokens)
    ]


def kl_of(row: Row, settings: LearnerSettings) -> float:
    """The KL coefficient of this row."""
    return pick(settings.kl, row.role, row.tag, 0.0)


def split_by_size(rows: Sequence[Row], tokens: int) -> list[list[Row]]:
    """Runs of rows of similar length, each at most `tokens` when padded (a longer row is alone).

    Rows with the same prompt stand together, since they can share it (`selfplay.learning.packing`).
    """
    longest: dict[bytes, int] = {}
    for row in rows:
        prompt = row.prompt_ids.tobytes()
        longest[prompt] = max(longest.get(prompt, 0), _length(row))

    def place(row: Row) -> tuple[int, bytes, int]:
        prompt = row.prompt_ids.tobytes()
        return longest[prompt], prompt, _length(row)

    parts: list[list[Row]] = []
    for row in sorted(rows, key=place):
        if not parts or place(row)[0] * (len(parts[-1]) + 1) > tokens:  # no row so far is longer than this
            parts.append([])
        parts[-1].append(row)
    return parts


def _length(row: Row) -> int:
    return len(row.prompt_ids) + len(row.completion_ids)
