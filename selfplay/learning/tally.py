"""Statistics of one update, the same for every learner, per kind of move; see `learner.RoleStats`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import torch

from selfplay.learning.batches import MicroBatch
from selfplay.learning.forward import flat, row_sums
from selfplay.learning.learner import LearnerSettings, Loss, RoleStats, Rule

Numbers = dict[str, torch.Tensor]
"""By name, values of all tokens, rows or pairs."""


@dataclass
class _Sums:
    rows: int = 0
    tokens: int = 0
    totals: dict[str, list[torch.Tensor]] = field(default_factory=lambda: defaultdict(list))
    """Each (2,): sum and count."""
    highest: list[torch.Tensor] = field(default_factory=list)
    """Of ratios."""


class Tally:
    """Collects micro-batches; nothing is read back from the device before `roles`."""

    def __init__(self, settings: LearnerSettings) -> None:
        self._settings = settings
        self._sums: dict[str, _Sums] = defaultdict(_Sums)

    @torch.no_grad()
    def add(
        self, micro: MicroBatch, logprobs: torch.Tensor, entropy: torch.Tensor, divergence: torch.Tensor | None = None
    ) -> None:
        """Count one micro-batch.

        Args:
            logprobs: (N,) of the learnable tokens of `micro.sequences`, row by row.
            entropy: (N,)
            divergence: KTO's z.
        """
        sums = self._sums[micro.kind]
        sums.rows += len(micro.rows)
        sums.tokens += len(logprobs)
        numbers = {"entropy": entropy, **self._numbers(micro, logprobs, divergence)}
        for name, values in numbers.items():
            sums.totals[name].append(torch.stack([values.sum(), values.new_tensor(len(values))]))
        if "ratio_mean" in numbers:
            sums.highest.append(numbers["ratio_mean"].max())

    def _numbers(self, micro: MicroBatch, logprobs: torch.Tensor, divergence: torch.Tensor | None) -> Numbers:
        rule, beta, device = self._settings.rule, self._settings.beta, logprobs.device
        if rule is Rule.SFT or (not micro.sampled and rule is Rule.OFFLINE_CLIP):
            return {"nll": -logprobs}
        if rule is Rule.POLICY_GRADIENT:
            ratio = torch.exp(logprobs - flat(micro.rows, "logprobs", device))
            kl = k3(logprobs, flat(micro.rows, "ref_logprobs", device)) if micro.kl > 0 else torch.zeros_like(ratio)
            return {"ratio_mean": ratio, "kl": kl, "clip_fraction": self._clipped(ratio, micro)}
        gains = row_sums(logprobs - flat(micro.sequences, "ref_logprobs", device), micro.sequences)
        count = len(micro.rows)
        if rule is Rule.OFFLINE_CLIP:
            ratio = torch.exp(gains / gains.new_tensor([int(row.mask.sum()) for row in micro.rows]))
            return {"ratio_mean": ratio}
        if rule is Rule.DPO:
            margin = beta * (gains[:count] - gains[count:])
            better = sum(int(row.mask.sum()) for row in micro.rows)
            return {"margin": margin, "accuracy": (margin > 0).float(), "nll": -logprobs[:better]}
        side = gains.new_tensor([1.0 if row.advantages[row.mask][0] > 0 else -1.0 for row in micro.rows])
        margin = side * beta * (gains if divergence is None else gains - divergence)
        return {"margin": margin, "accuracy": (margin > 0).float()}

    def _clipped(self, ratio: torch.Tensor, micro: MicroBatch) -> torch.Tensor:
        if self._settings.loss is Loss.VESPO:
            return torch.zeros_like(ratio)
        advantages = flat(micro.rows, "advantages", ratio.device)
        if self._settings.loss is Loss.CISPO:
            return ((ratio > self._settings.clip_high) & (advantages > 0)).float()
        high = (ratio > 1 + self._settings.clip_high) & (advantages > 0)
        low = (ratio < 1 - self._settings.epsilon_low) & (advantages < 0)
        return (high | low).float()

    def roles(self) -> dict[str, RoleStats]:
        """Means per kind of move."""
        out: dict[str, RoleStats] = {}
        for kind, sums in self._sums.items():
            means: dict[str, float] = {}
            for name, parts in sums.totals.items():
                total, count = torch.stack(parts).sum(0).tolist()
                means[name] = total / count
            highest = float(torch.stack(sums.highest).max()) if sums.highest else None
            out[kind] = RoleStats(sums.rows, sums.tokens, ratio_max=highest, **means)
        return out


def k3(logprobs: torch.Tensor, ref: torch.Tensor) -> torch.Tensor:
    """Estimate of KL(policy || reference), never negative: Schulman 2020, joschu.net/blog/kl-approx.html."""
    gap = ref - logprobs
    return torch.exp(gap) - gap - 1
