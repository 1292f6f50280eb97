"""Shared prompts: rows that begin with the same prompt go through the model as one sequence, the prompt only once.

    rows      [p p p a a] [p p p b b b] [p p p c]            prompt p, replies a, b, c
    packed    [p p p a a b b b c]                            positions 0 1 2 3 4 3 4 5 3
    mask      every token sees the prompt and its own reply, never another one

The hidden states are put back where they would have been, so whoever called the model notices nothing but the time:
the eight answers to one puzzle cost a fraction of eight rows, and the gradient is the same up to rounding. It works
below the head of the model, inside its `base_model`, so it serves the plain learner and TRL's loss alike.

Where a model cannot take such a mask (no scaled-dot-product attention, sliding windows, recurrent layers), and where
nothing is shared, rows run as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from selfplay.types import Row

MOST_TOKENS = 512
"""Longest packed sequence: attention grows with its square."""


@contextmanager
def shared_prompts(model: PreTrainedModel, rows: Sequence[Row]) -> Iterator[None]:
    """Inside, forward passes of `model` over exactly these rows run equal prompts once.

    Args:
        model: called with ``input_ids`` (B, S): the rows one below the other, from position 0, padded on the right.
        rows: the B rows.
    """
    packing = _Packing(rows)
    base = model.base_model
    if packing.saving < 0.2 or not _takes_masks(model):
        yield
        return
    original = base.forward

    def packed(input_ids: torch.Tensor, **options: Any) -> Any:
        for name in ("attention_mask", "position_ids"):  # the rows' own; the packed ones say the same
            options.pop(name, None)
        ids, positions, mask, places = packing.laid_out(input_ids)
        out = original(input_ids=ids, position_ids=positions, attention_mask=mask, **options)
        hidden = out.last_hidden_state
        out.last_hidden_state = hidden.flatten(0, 1)[places.flatten()].view(*places.shape, -1)
        return out

    base.forward = packed
    try:
        yield
    finally:
        base.forward = original


class _Packing:
    """Which rows go into which packed sequence, and where."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._starts = [len(row.prompt_ids) for row in rows]
        self._ends = [len(row.prompt_ids) + len(row.completion_ids) for row in rows]
        self._packs: list[list[int]] = []
        open_packs: dict[bytes, int] = {}
        lengths: list[int] = []
        for i, row in enumerate(rows):
            key, extra = row.prompt_ids.tobytes(), len(row.completion_ids)
            pack = open_packs.get(key)
            if pack is None or lengths[pack] + extra > MOST_TOKENS:
                pack = open_packs[key] = len(self._packs)
                self._packs.append([])
                lengths.append(len(row.prompt_ids))
            self._packs[pack].append(i)
            lengths[pack] += extra
        self._width = max(lengths, default=0)
        self.saving = 1.0 - len(lengths) * self._width / max(1, len(rows) * max(self._ends, default=0))
        """Share of tokens, padding included, that need not be computed."""

    def laid_out(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """For rows `ids` (B, S): packed ids and positions (G, L), mask (G, 1, L, L), and the place in G * L of each of
        the rows' tokens (B, S); padding has place 0."""
        source = np.zeros((len(self._packs), self._width), np.int64)
        positions = np.zeros_like(source)
        owner = np.full_like(source, -2)  # -2 padding, -1 prompt, else the row
        places = np.zeros(tuple(ids.shape), np.int64)
        for g, members in enumerate(self._packs):
            start, at = self._starts[members[0]], self._starts[members[0]]
            source[g, :start] = members[0] * ids.shape[1] + np.arange(start)
            positions[g, :start], owner[g, :start] = np.arange(start), -1
            for i in members:
                count = min(self._ends[i], ids.shape[1]) - start
                span = slice(at, at + count)
                source[g, span] = i * ids.shape[1] + start + np.arange(count)
                positions[g, span], owner[g, span] = start + np.arange(count), i
                places[i, :start] = g * self._width + np.arange(start)
                places[i, start : start + count] = g * self._width + np.arange(at, at + count)
                at += count
        earlier = np.tri(self._width, dtype=bool)
        mask = ((owner[:, None, :] == -1) | (owner[:, None, :] == owner[:, :, None])) & earlier
        tensors = [torch.from_numpy(a).to(ids.device) for a in (source, positions, mask[:, None], places)]
        return ids.flatten()[tensors[0]], tensors[1], tensors[2], tensors[3]


def _takes_masks(model: PreTrainedModel) -> bool:
    """Full attention in every layer, through torch's scaled-dot-product attention."""
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    recurrent = bool(getattr(model, "_is_stateful", False))
    return config._attn_implementation == "sdpa" and kinds == {"full_attention"} and not windowed and not recurrent
