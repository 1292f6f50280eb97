"""Averaged weights: what is examined and kept is the running mean of the weights, not where the last step landed.

    average <- d * average + (1 - d) * weights,   d = min(decay, 1 - 1 / (updates + 1))

Policy-gradient steps are noisy; averaging iterates takes the noise out without slowing learning down (Polyak & Juditsky
1992, https://doi.org/10.1137/0330046). Play and learning go on with the weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_FILE = "average.safetensors"


class Average:
    """The running mean of a set of weights.

    Args:
        weights: what learns.
        decay: 0 means no averaging: the average is the weights themselves.
    """

    def __init__(self, weights: Iterable[torch.nn.Parameter], decay: float) -> None:
        self._weights, self._decay = list(weights), decay
        self._mean = [p.detach().clone() for p in self._weights] if decay > 0 else []

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take the weights after update number `updates` (from 1) in."""
        keep = min(self._decay, 1.0 - 1.0 / (updates + 1))
        for mean, weight in zip(self._mean, self._weights, strict=bool(self._mean)):
            mean.lerp_(weight, 1.0 - keep)

    @torch.no_grad()
    def reset(self) -> None:
        """Begin again from the weights as they are now."""
        for mean, weight in zip(self._mean, self._weights, strict=bool(self._mean)):
            mean.copy_(weight)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the weights are the averaged ones. Nothing may learn meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def save(self, folder: Path) -> None:
        """Write the average beside a learner's state."""
        if self._mean:
            save_file({str(i): mean for i, mean in enumerate(self._mean)}, folder / _FILE)

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote."""
        if self._mean:
            tensors = load_file(folder / _FILE)
            self._mean = [tensors[str(i)].to(mean.device) for i, mean in enumerate(self._mean)]

    def _swap(self) -> None:
        weights = self._weights if self._mean else []
        for i, weight in enumerate(weights):
            weight.data, self._mean[i] = self._mean[i], weight.data
