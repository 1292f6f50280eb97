"""What the learner takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from selfplay.types.talk import Logprobs, TokenIds


@dataclass(slots=True, eq=False)
class Row:
    """One trajectory piece for the learner: consecutive moves of one seat whose prompts extend each other exactly.

    The arrays of length ``T`` belong to `completion_ids`: everything after the first prompt, the tokens of later
    prompts included (their `mask` is False). What nobody sampled (an example) has no `moves`, `logprobs` of 0 and
    `weights_version` -1.
    """

    prompt_ids: TokenIds
    completion_ids: TokenIds
    mask: NDArray[np.bool_]
    """(T,) True where the policy sampled the token and may learn from it."""
    logprobs: Logprobs
    """(T,) log-probabilities under the policy that sampled them."""
    advantages: NDArray[np.float32]
    """(T,) what multiplies the loss of each token: the advantage, or a weight. `dpo` and `kto` know one weight a row,
    the same at all its tokens, which for `kto` is below 0 where the reply is undesirable."""
    role: str
    tag: str
    player: str
    weights_version: int
    match: str = ""
    moves: tuple[str, ...] = ()
    ref_logprobs: Logprobs | None = None
    """(T,) log-probabilities under the frozen reference, where the loss asks for them."""
    worse: Row | None = None
    """For `dpo`: the reply to the same prompt that this one is preferred to."""
