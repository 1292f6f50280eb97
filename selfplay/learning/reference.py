"""The frozen reference that KL terms are measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from transformers import PreTrainedModel

from selfplay.learning.batches import kl_of
from selfplay.learning.learner import LearnerSettings
from selfplay.policies.scoring import token_logprobs
from selfplay.types import Row

M = TypeVar("M", bound=PreTrainedModel)


def frozen_copy(model: M) -> M:
    """A copy of `model` that never changes, on the same device.

    Built from the config and the weights. `copy.deepcopy` would not do: TRL replaces `forward` of the model it trains
    by a closure over that very model, which a deep copy goes on calling.
    """
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    copy.to(device=model.device, dtype=model.dtype)  # type: ignore[call-arg]  # transformers' wrapper hides self
    copy.requires_grad_(False)
    copy.train(False)
    return copy


def fill_reference(rows: Sequence[Row], reference: PreTrainedModel, settings: LearnerSettings) -> None:
    """Set `ref_logprobs` of the rows whose kind of move has a KL coefficient above 0, and of no others."""
    wanted = [row for row in rows if kl_of(row, settings) > 0]
    scores = token_logprobs(
        reference,
        [row.prompt_ids.tolist() for row in wanted],
        [row.completion_ids.tolist() for row in wanted],
        temperature=settings.temperature,
        micro_tokens=settings.micro_tokens,
    )
    for row, logprobs in zip(wanted, scores, strict=True):
        row.ref_logprobs = logprobs.astype(np.float32, copy=False)
