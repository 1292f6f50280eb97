"""Statistics of one update, the same for every learner: entropy, KL, ratio and clipping per kind of move."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import torch

from selfplay.learning.batches import MicroBatch
from selfplay.learning.learner import LearnerSettings, Loss, RoleStats


@dataclass
class _Sums:
    rows: int = 0
    tokens: int = 0
    totals: list[torch.Tensor] = field(default_factory=list)
    """Each (4,): sums of entropy, KL, ratio and clipped tokens."""
    highest: list[torch.Tensor] = field(default_factory=list)


class Tally:
    """Collects micro-batches; nothing is read back from the device before `roles`."""

    def __init__(self, settings: LearnerSettings) -> None:
        self._settings = settings
        self._sums: dict[str, _Sums] = defaultdict(_Sums)

    @torch.no_grad()
    def add(
        self,
        micro: MicroBatch,
        logprobs: torch.Tensor,
        entropy: torch.Tensor,
        old: torch.Tensor,
        advantages: torch.Tensor,
        ref: torch.Tensor | None,
    ) -> None:
        """Count one micro-batch; all tensors are (N,), its learnable tokens."""
        ratio = torch.exp(logprobs - old)
        kl = k3(logprobs, ref) if ref is not None else torch.zeros_like(ratio)
        clipped = self._clipped(ratio, advantages)
        sums = self._sums[micro.kind]
        sums.rows += len(micro.rows)
        sums.tokens += len(ratio)
        sums.totals.append(torch.stack([entropy.sum(), kl.sum(), ratio.sum(), clipped.sum()]))
        sums.highest.append(ratio.max())

    def _clipped(self, ratio: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
        if self._settings.loss is Loss.VESPO:
            return torch.zeros_like(ratio)
        if self._settings.loss is Loss.CISPO:
            return ((ratio > self._settings.clip_high) & (advantages > 0)).float()
        high = (ratio > 1 + self._settings.clip_high) & (advantages > 0)
        low = (ratio < 1 - self._settings.epsilon_low) & (advantages < 0)
        return (high | low).float()

    def roles(self) -> dict[str, RoleStats]:
        """Means per kind of move."""
        out: dict[str, RoleStats] = {}
        for kind, sums in self._sums.items():
            entropy, kl, ratio, clipped = (torch.stack(sums.totals).sum(0) / sums.tokens).tolist()
            highest = float(torch.stack(sums.highest).max())
            out[kind] = RoleStats(sums.rows, sums.tokens, entropy, kl, ratio, highest, clipped)
        return out


def k3(logprobs: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    """Estimate of KL(policy || reference), never negative: Schulman 2020, joschu.net/blog/kl-approx.html."""
    gap = ref - logprobs
    return torch.exp(gap) - gap - 1
