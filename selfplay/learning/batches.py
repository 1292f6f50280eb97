"""Micro-batches: rows of one kind that go through the model together, within a token budget.

They are pure in player, role and tag, because adapters belong to a player and KL coefficients to a kind of move; and
examples, which nobody sampled, are kept apart. Rows of similar length are put together; the order is fixed, so equal
rows give equal gradients bit for bit. A pair (`Row.worse`) stays together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.learning.keys import kind_of, pick
from selfplay.learning.learner import LearnerSettings, Rule
from selfplay.seeds import rng
from selfplay.types import Row


class MicroBatch(NamedTuple):
    """One forward pass."""

    kind: str
    kl: float
    sampled: bool
    """False: examples."""
    rows: list[Row]

    @property
    def sequences(self) -> list[Row]:
        """All that goes through the model: the rows, then the worse replies of pairs."""
        return [*self.rows, *(row.worse for row in self.rows if row.worse is not None)]


class Whole(NamedTuple):
    """What the losses of micro-batches are divided by: counts of the whole update."""

    tokens: int
    """Learnable tokens."""
    rows: int
    """Rows with learnable tokens; under `offline_clip` without the examples."""
    example_tokens: int


def whole(rows: Sequence[Row], settings: LearnerSettings) -> Whole:
    """Counts of an update."""
    examples = [row for row in rows if not is_sampled(row)]
    counted = [row for row in rows if row.mask.any() and (is_sampled(row) or settings.rule is not Rule.OFFLINE_CLIP)]
    return Whole(learnable_tokens(rows), len(counted), learnable_tokens(examples))


def is_sampled(row: Row) -> bool:
    """Did a player write it in a match? Otherwise it is an example."""
    return bool(row.moves)


def learnable_tokens(rows: Sequence[Row]) -> int:
    """How many tokens of these rows, both replies of pairs included, may be learned from."""
    return sum(int(row.mask.sum()) for row in rows) + sum(int(r.worse.mask.sum()) for r in rows if r.worse is not None)


def micro_batches(rows: Sequence[Row], settings: LearnerSettings) -> list[MicroBatch]:
    """The forward passes of one update. Rows that cannot move the weights are left out.

    Raises:
        UsageError: a row lacks what its loss needs: reference log-probabilities, or the reply it is preferred to.
    """
    by_kind: dict[tuple[str, str, bool], list[Row]] = defaultdict(list)
    for row in rows:
        _check(row, settings)
        if row.mask.any() and (kl_of(row, settings) > 0 or row.advantages[row.mask].any()):
            by_kind[row.player, kind_of(row.role, row.tag), is_sampled(row)].append(row)
    return [
        MicroBatch(kind, kl_of(part[0], settings), sampled, part)
        for player, kind, sampled in sorted(by_kind)
        for part in split_by_size(by_kind[player, kind, sampled], settings.micro_tokens)
    ]


def kl_of(row: Row, settings: LearnerSettings) -> float:
    """The KL coefficient of this row."""
    return pick(settings.kl, row.role, row.tag, 0.0)


def minibatches(rows: Sequence[Row], epochs: int, size: int, seed: int) -> list[Sequence[Row]]:
    """The optimiser steps of an update: `epochs` times through the rows, `size` of them in each (0: all), in an order
    of chance. Without rows it is one step that changes nothing."""
    if size == 0 or not rows:
        return [rows] * epochs if rows else [rows]
    steps: list[Sequence[Row]] = []
    for epoch in range(epochs):
        order = rng(seed, epoch).sample(range(len(rows)), len(rows))
        steps += [[rows[i] for i in order[start : start + size]] for start in range(0, len(rows), size)]
    return steps


def compared(rows: Iterable[Row], settings: LearnerSettings) -> list[Row]:
    """What the loss compares with the reference: the rows (and worse replies) that must have `ref_logprobs`."""
    out: list[Row] = []
    for row in rows:
        always = settings.rule.compares and (is_sampled(row) or settings.rule is not Rule.OFFLINE_CLIP)
        if always or kl_of(row, settings) > 0:
            out += [row] if row.worse is None else [row, row.worse]
    return out


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
    """Tokens of a row; of a pair twice those of its longer reply, since both are padded to that."""
    if row.worse is not None:
        return 2 * (len(row.prompt_ids) + max(len(row.completion_ids), len(row.worse.completion_ids)))
    return len(row.prompt_ids) + len(row.completion_ids)


def _check(row: Row, settings: LearnerSettings) -> None:
    kind, rule = kind_of(row.role, row.tag), settings.rule
    if rule is Rule.DPO and row.worse is None:
        raise UsageError(
            f"rule is 'dpo', but a row of {kind!r} of match {row.match!r} is no pair\n"
            "  give it the reply it is preferred to as `worse`; selfplay.learning.material makes such rows"
        )
    if any(part.ref_logprobs is None for part in compared([row], settings)):
        kl = kl_of(row, settings)
        needed = f"kl is {kl} for {kind!r}" if kl > 0 else f"rule {rule.value!r} compares {kind!r} with a reference"
        raise UsageError(
            f"{needed}, but a row of match {row.match!r} has no reference log-probabilities\n"
            "  fill them with selfplay.learning.reference.fill_reference"
            + (", or set the coefficient to 0" if kl > 0 else "")
        )
