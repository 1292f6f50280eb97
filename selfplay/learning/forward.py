"""The plain learner's forward pass: log-probabilities of rows under a model, with gradient.

Rows are laid out one below the other from position 0, padding at the end. A causal model cannot look ahead, so padding
is invisible to real tokens and no attention mask is needed.

    input  (B, S-1)  all tokens but the last
    logits (B, K, V) at the last K positions, the first of which predicts the first completion token of any row
    picked (N,)      only what is learned from: N sampled tokens of all rows, row by row
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from selfplay.learning.packing import shared_prompts
from selfplay.types import Row


class Scores(NamedTuple):
    """What a model says about the sampled tokens of some rows, row by row."""

    logprobs: torch.Tensor
    """(N,) with gradient."""
    entropy: torch.Tensor
    """(N,) of the whole next-token distribution, in nats, without gradient."""


def score(model: PreTrainedModel, rows: Sequence[Row], temperature: float) -> Scores:
    """Run `model` over `rows`."""
    device = next(model.parameters()).device
    first = min(len(row.prompt_ids) for row in rows)
    width = max(len(row.prompt_ids) + len(row.completion_ids) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    sampled = np.zeros((len(rows), width), bool)
    for i, row in enumerate(rows):
        start, end = len(row.prompt_ids), len(row.prompt_ids) + len(row.completion_ids)
        ids[i, :start], ids[i, start:end], sampled[i, start:end] = row.prompt_ids, row.completion_ids, row.mask
    tokens, mask = torch.from_numpy(ids).to(device), torch.from_numpy(sampled[:, first:]).to(device)
    with shared_prompts(model, rows):
        logits = model(input_ids=tokens[:, :-1], use_cache=False, logits_to_keep=width - first).logits
    logprobs = torch.log_softmax(logits[mask].float() / temperature, dim=-1)
    picked = logprobs.gather(-1, tokens[:, first:][mask].unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        entropy = -(logprobs.exp() * logprobs).sum(-1)
    return Scores(picked, entropy)
