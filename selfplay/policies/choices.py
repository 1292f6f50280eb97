"""How a local model divides its probability among given replies: its strategy, where a game offers few choices.

Each reply is scored as a conversation would hold it, with its end-of-turn token, and the probabilities are divided by
their sum. A reply has other spellings (upper case, other tokens for the same text), which are not counted; `covered`
says how much probability the given ones had in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfplay.policies.hf import LocalPolicy
from selfplay.policies.scoring import token_logprobs
from selfplay.types import Message


class Choices(NamedTuple):
    """For N conversations and K replies."""

    probabilities: NDArray[np.float64]
    """(N, K), rows add up to 1."""
    covered: NDArray[np.float64]
    """(N,) probability that the reply is one of these."""


def choices(policy: LocalPolicy, conversations: Sequence[Sequence[Message]], replies: Sequence[str]) -> Choices:
    """The chance (temperature 1) of each of `replies` as the next one in each conversation."""
    prompts = [policy.chat.opening(messages) for messages in conversations]
    texts = [policy.chat.reply(reply) for reply in replies]
    scores = token_logprobs(
        policy.model, [prompt for prompt in prompts for _ in texts], [text for _ in prompts for text in texts]
    )
    sums = np.array([score.sum(dtype=np.float64) for score in scores]).reshape(len(prompts), len(texts))
    likely = np.exp(sums)
    covered = likely.sum(axis=1)
    return Choices(likely / covered[:, None], covered)
