"""Averaged weights: what is examined and kept is the running mean of the weights, not where the last step landed.

    average <- d * average + (1 - d) * weights,   d = min(decay, 1 - 1 / (updates + 1))

Policy-gradient steps are noisy; averaging iterates takes the noise out without slowing learning down (Polyak & Juditsky
1992, https://doi.org/10.1137/0330046). Play and learning go on with the weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

_FILE = "average.safetensors"


class Average:
    """The running mean of a model's weights.

    Args:
        model: the one that learns.
        decay: 0 means no averaging: the average is the model itself.
    """

    def __init__(self, model: PreTrainedModel, decay: float) -> None:
        self._model, self._decay = model, decay
        self._mean = [p.detach().clone() for p in model.parameters()] if decay > 0 else []

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take the weights after update number `updates` (from 1) in."""
        keep = min(self._decay, 1.0 - 1.0 / (updates + 1))
        for mean, weight in zip(self._mean, self._model.parameters(), strict=bool(self._mean)):
            mean.lerp_(weight, 1.0 - keep)

    @torch.no_grad()
    def reset(self) -> None:
        """Begin again from the model as it is now."""
        for mean, weight in zip(self._mean, self._model.parameters(), strict=bool(self._mean)):
            mean.copy_(weight)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model has the averaged weights. Nothing may learn meanwhile."""
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
        weights = list(self._model.parameters()) if self._mean else []
        for i, weight in enumerate(weights):
            weight.data, self._mean[i] = self._mean[i], weight.data
