"""The frozen reference that KL terms are measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedModel

from selfplay.learning.batches import kl_of
from selfplay.learning.learner import LearnerSettings
from selfplay.policies.scoring import token_logprobs
from selfplay.types import Row


def fill_reference(rows: Sequence[Row], reference: PreTrainedModel, settings: LearnerSettings) -> None:
    """Set `ref_logprobs` of the rows whose kind of move has a KL coefficient above 0, and of no others."""
    wanted = [row for row in rows if kl_of(row, settings) > 0]
    scores = token_logprobs(
        reference,
        [row.prompt_ids.tolist() for row in wanted],
        [row.completion_ids.tolist() for row in wanted],
        temperature=settings.temperature,
    )
    for row, logprobs in zip(wanted, scores, strict=True):
        row.ref_logprobs = logprobs.astype(np.float32, copy=False)
