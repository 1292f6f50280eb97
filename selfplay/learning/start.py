"""Where a run's weights started, for rules that begin every update there again (ReST-EM, arXiv 2312.06585; PSV).

Only what it learns from then grows from update to update, so errors of one generation's weights do not add up.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from selfplay.learning.learner import Learner


class Start:
    """A copy of the weights that learn, as they are now.

    Args:
        weights: what learns.
        needed: False keeps no copy.
    """

    def __init__(self, weights: Iterable[torch.nn.Parameter], *, needed: bool) -> None:
        self._weights = list(weights) if needed else []
        self._copies = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def begin_again(self, learner: Learner) -> None:
        """Put the copy back; `learner`, whose weights they are, forgets what it did since."""
        for weight, copy in zip(self._weights, self._copies, strict=True):
            weight.copy_(copy)
        learner.forget()
