"""A key-value cache whose rows can be dropped one by one, on transformers' `Cache` interface.

A *slot* is a row of the cache. Storage is allocated once with room to grow and written in place. When rows finish, the
last live slots move into the holes, so live slots are always the first `rows` and every step works on plain views;
dropping k rows copies at most k rows. All layers keep all tokens: models with sliding windows mask what they must not
see, they do not forget it. Models with recurrent state (Mamba and its hybrids) are not covered; `layer_kinds` tells.

Source: the interface is that of transformers 5 (https://huggingface.co/docs/transformers/kv_cache).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

ROOM = 64
"""Tokens of free room made whenever a cache has to grow (or half its length, whichever is more)."""


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, each (slots, heads, capacity, head size)."""

    is_sliding = False
    keys: Tensor  # None until the first update
    values: Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows = 0
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = key_states, value_states
        self.rows, self.length = key_states.shape[0], key_states.shape[2]
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append the states of new tokens, (rows, heads, new, head size); returns all states so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            return key_states, value_states
        start, self.length = self.length, self.length + key_states.shape[2]
        if self.length > self.keys.shape[2]:
            self.take(None, self.length + max(ROOM, self.length // 2), start)
        self.keys[: self.rows, :, start : self.length] = key_states
        self.values[: self.rows, :, start : self.length] = value_states
        return self.keys[: self.rows, :, : self.length], self.values[: self.rows, :, : self.length]

    def take(self, slots: Tensor | None, capacity: int, filled: int) -> None:
        """Move to new storage of `capacity` tokens: the given slots (with repeats), or all live ones."""
        index = torch.arange(self.rows, device=self.keys.device) if slots is None else slots
        self.rows = len(index)
        self.keys = _moved(self.keys, index, capacity, filled)
        self.values = _moved(self.values, index, capacity, filled)

    def drop(self, holes: Tensor, movers: Tensor, rows: int) -> None:
        """Keep `rows` slots, after slots `movers` were copied over slots `holes`."""
        for store in (self.keys, self.values):
            store[holes, :, : self.length] = store[movers, :, : self.length]
        self.rows = rows

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1


def _moved(old: Tensor, slots: Tensor, capacity: int, filled: int) -> Tensor:
    new = old.new_empty((len(slots), old.shape[1], capacity, old.shape[3]))
    new[:, :, :filled] = old[:, :, :filled].index_select(0, slots)
    return new


class SlotCache(Cache):
    """`SlotLayer` for every layer of a model. Fill it with one forward pass over the prompts, then `spread` it."""

    layers: list[SlotLayer]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=SlotLayer)

    def spread(self, sources: Tensor, room: int) -> None:
        """Make one slot per entry of `sources` (the slot it starts from), with room for that many more tokens."""
        for layer in self.layers:
            layer.take(sources, layer.length + room, layer.length)

    def drop(self, holes: Tensor, movers: Tensor, rows: int) -> None:
        """See `SlotLayer.drop`."""
        for layer in self.layers:
            layer.drop(holes, movers, rows)


def layer_kinds(model: PreTrainedModel) -> set[type]:
    """What transformers' own cache would use for this model's layers."""
    return {type(layer) for layer in DynamicCache(config=model.config).layers}
