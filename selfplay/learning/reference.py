"""The frozen reference that losses compare with: the weights a run, or a generation, started from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
from transformers import PreTrainedModel

from selfplay.learning.batches import compared
from selfplay.learning.learner import Acting, LearnerSettings
from selfplay.policies.scoring import token_logprobs
from selfplay.types import Row


def fill_reference(
    rows: Sequence[Row], reference: PreTrainedModel, settings: LearnerSettings, acting: Acting = nullcontext
) -> None:
    """Set `ref_logprobs` of the rows that the loss compares with the reference (see `compared`), and of no others.

    Args:
        acting: as for `make_learner`; matters where the reference is the learning model as it is now.
    """
    by_player: dict[str, list[Row]] = defaultdict(list)
    for row in compared(rows, settings):
        by_player[row.player].append(row)
    for player, wanted in by_player.items():
        with acting(player):
            scores = token_logprobs(
                reference,
                [row.prompt_ids.tolist() for row in wanted],
                [row.completion_ids.tolist() for row in wanted],
                temperature=settings.temperature,
            )
        for row, logprobs in zip(wanted, scores, strict=True):
            row.ref_logprobs = logprobs.astype(np.float32, copy=False)
