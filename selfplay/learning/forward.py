"""The plain learner's forward pass: log-probabilities of rows under a model, with gradient.

Rows are laid out one below the other from position 0, padding at the end. A causal model cannot look ahead, so padding
is invisible to real tokens and no attention mask is needed.

    input  (B, S-1)  all tokens but the last
    logits (B, K, V) at the last K positions, the first of which predicts the first completion token of any row
    picked (N,)      only what is learned from: N sampled tokens of all rows, row by row
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from selfplay.learning.learner import Acting
from selfplay.learning.packing import shared_prompts
from selfplay.types import Row


class Scores(NamedTuple):
    """What a model says about the sampled tokens of some rows, row by row."""

    logprobs: torch.Tensor
    """(N,) with gradient."""
    entropy: torch.Tensor
    """(N,) of the whole next-token distribution, in nats, without gradient."""


@contextmanager
def meeting(model: PreTrainedModel, rows: Sequence[Row], acting: Acting) -> Iterator[None]:
    """Where rows meet the model: inside, it is their player, and its forward passes run shared prompts once.

    Args:
        rows: of one player; exactly those that are passed through the model.
    """
    with acting(rows[0].player), shared_prompts(model, rows):
        yield


def score(model: PreTrainedModel, rows: Sequence[Row], temperature: float, acting: Acting = nullcontext) -> Scores:
    """Run `model` over `rows`."""
    first = min(len(row.prompt_ids) for row in rows)
    tokens, learned = laid_out(rows, next(model.parameters()).device)
    mask = learned[:, first:]
    with meeting(model, rows, acting):
        logits = model(input_ids=tokens[:, :-1], use_cache=False, logits_to_keep=mask.shape[1]).logits
    logprobs = torch.log_softmax(logits[mask].float() / temperature, dim=-1)
    picked = logprobs.gather(-1, tokens[:, first:][mask].unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs).sum(-1)
    return Scores(picked, entropy)


def laid_out(rows: Sequence[Row], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (B, S) of rows, padded on the right, and which of them are learned from."""
    shape = len(rows), max(len(row.prompt_ids) + len(row.completion_ids) for row in rows)
    ids, learned = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for i, row in enumerate(rows):
        start, end = len(row.prompt_ids), len(row.prompt_ids) + len(row.completion_ids)
        ids[i, :start], ids[i, start:end], learned[i, start:end] = row.prompt_ids, row.completion_ids, row.mask
    return torch.from_numpy(ids).to(device), torch.from_numpy(learned).to(device)


def flat(
    rows: Sequence[Row], field: Literal["logprobs", "ref_logprobs", "advantages"], device: torch.device
) -> torch.Tensor:
    """(N,) a field of the tokens that are learned from, row by row."""
    return torch.from_numpy(np.concatenate([getattr(row, field)[row.mask] for row in rows])).to(device)


def row_sums(values: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """(B,) sums over each row of `values` (N,), its learned tokens."""
    lengths = torch.tensor([int(row.mask.sum()) for row in rows], device=values.device)
    row_of = torch.repeat_interleave(torch.arange(len(rows), device=values.device), lengths)
    return torch.zeros(len(rows), device=values.device, dtype=values.dtype).index_add(0, row_of, values)
