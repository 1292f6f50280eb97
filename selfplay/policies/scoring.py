"""Log-probabilities of given completions under a model, in padded batches; no gradient.

Used for the reference of a KL term, for behaviour log-probabilities that a policy did not report, and as the plain
forward pass that the sampler is tested against. Learners that need gradients run their own forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from selfplay.types import Logprobs

LOGITS = 2**26
"""Most logits computed at once (256 MB as float32)."""


def token_logprobs(
    model: PreTrainedModel,
    prompt_ids: Sequence[Sequence[int]],
    completion_ids: Sequence[Sequence[int]],
    *,
    temperature: float = 1.0,
    micro_tokens: int | None = None,
) -> list[Logprobs]:
    """One float32 array per row: the log-probability of each completion token after what stands before it.

    Args:
        prompt_ids: at least one token per row.
        completion_ids: as many rows; empty rows are fine.
        temperature: that of the distribution asked about; 0 (greedy) counts as 1, as in `chance.draw`.
        micro_tokens: most tokens, padding included, in one forward pass; by default what keeps logits under 256 MB.
    """
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    budget = micro_tokens or max(1, min(16384, LOGITS // vocabulary))
    rows = [[*map(int, p), *map(int, c)] for p, c in zip(prompt_ids, completion_ids, strict=True)]
    starts = [len(p) for p in prompt_ids]
    out: list[Logprobs] = [np.zeros(0, np.float32)] * len(rows)
    training = model.training
    model.eval()
    try:
        for batch in _batches([len(row) for row in rows], budget):
            scores = _forward(model, [rows[i] for i in batch], temperature)
            for i, score in zip(batch, scores, strict=True):
                out[i] = score[starts[i] - 1 : len(rows[i]) - 1].copy()
    finally:
        model.train(training)
    return out


def _batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Row numbers, longest rows first, cut so that rows times longest row stays within `budget`."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _forward(model: PreTrainedModel, rows: list[list[int]], temperature: float) -> Logprobs:
    """(B, T - 1) log-probability of every token but the first; what lies beyond a row's end means nothing."""
    # Padding stands on the right, where a causal model cannot see it, so no mask is needed.
    ids = torch.zeros((len(rows), len(rows[0])), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    ids = ids.to(model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        scores: Tensor = chosen_logprobs(logits, ids[:, 1:], temperature)
        return scores.cpu().numpy()


def chosen_logprobs(logits: Tensor, ids: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of `ids` (...,) under `logits` (..., V) at a temperature; differentiable."""
    if temperature not in (0.0, 1.0):
        logits = logits / temperature
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
