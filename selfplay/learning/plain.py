"""The plain learner: policy gradient on accelerate in one readable page.

It is the oracle for `policy_gradient` and shares no loss code with it. Formulas as in TRL 1.16
(`GRPOTrainer._compute_loss`), token level; see `learner.Loss` for the papers. The KL term is k3 times the ratio, whose
gradient is that of the reverse KL (DeepSeek-V3.2, arXiv 2512.02556).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from transformers import PreTrainedModel

from selfplay.learning.batches import MicroBatch, learnable_tokens, micro_batches
from selfplay.learning.forward import score
from selfplay.learning.learner import LearnerSettings, Loss, UpdateStats
from selfplay.learning.optimiser import load_learner, make_optimiser, save_learner
from selfplay.learning.tally import Tally, k3
from selfplay.types import Row

VESPO_K_POS, VESPO_LAMBDA_POS, VESPO_K_NEG, VESPO_LAMBDA_NEG = 2.0, 3.0, 3.0, 2.0


class PlainLearner:
    """A `selfplay.learning.learner.Learner` on one process."""

    def __init__(self, model: PreTrainedModel, settings: LearnerSettings) -> None:
        self.settings = settings
        self.accelerator = Accelerator(mixed_precision="bf16" if settings.bf16 else "no")
        optimiser, self.scheduler = make_optimiser(model, settings)
        self.model, self.optimiser = self.accelerator.prepare(model, optimiser)
        self.updates = 0

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        for rows in batches:
            on_update(self.update(rows))

    def update(self, rows: Sequence[Row]) -> UpdateStats:
        """One optimiser step."""
        start = time.perf_counter()
        tally = Tally(self.settings)
        loss = self.backward(rows, tally)
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm))
        lr = float(self.scheduler.get_last_lr()[0])
        self.optimiser.step()
        self.scheduler.step()
        self.optimiser.zero_grad()
        self.updates += 1
        seconds = time.perf_counter() - start
        tokens = learnable_tokens(rows)
        return UpdateStats(self.updates, loss, norm, lr, len(rows), tokens, seconds, tally.roles())

    def backward(self, rows: Sequence[Row], tally: Tally) -> float:
        """Add the gradient of the update's loss, and return the loss; 0 where there is nothing to learn from."""
        self.model.eval()  # no dropout; gradients flow all the same
        tokens = learnable_tokens(rows)
        total = 0.0
        for micro in micro_batches(rows, self.settings):
            with self.accelerator.autocast():
                loss = self._token_losses(micro, tally).sum() / tokens
            self.accelerator.backward(loss)
            total += float(loss.detach())
        return total

    def _token_losses(self, micro: MicroBatch, tally: Tally) -> torch.Tensor:
        """(N,) one loss for each learnable token."""
        device = self.accelerator.device
        old = torch.from_numpy(np.concatenate([r.logprobs[r.mask] for r in micro.rows])).to(device)
        advantages = torch.from_numpy(np.concatenate([r.advantages[r.mask] for r in micro.rows])).to(device)
        refs = [r.ref_logprobs[r.mask] for r in micro.rows if r.ref_logprobs is not None and micro.kl > 0]
        ref = torch.from_numpy(np.concatenate(refs)).to(device) if refs else None
        logprobs, entropy = score(self.model, micro.rows, self.settings.temperature)
        tally.add(micro, logprobs, entropy, old, advantages, ref)
        ratio = torch.exp(logprobs - old)
        losses = self._policy_losses(ratio, logprobs, old, advantages, micro.rows)
        return losses if ref is None else losses + micro.kl * ratio * k3(logprobs, ref)

    def _policy_losses(
        self,
        ratio: torch.Tensor,
        logprobs: torch.Tensor,
        old: torch.Tensor,
        advantages: torch.Tensor,
        rows: list[Row],
    ) -> torch.Tensor:
        s = self.settings
        if s.loss is Loss.DAPO:
            clipped = ratio.clamp(1 - s.epsilon_low, 1 + s.clip_high)
            return -torch.minimum(ratio * advantages, clipped * advantages)
        if s.loss is Loss.CISPO:
            return -ratio.detach().clamp(max=s.clip_high) * advantages * logprobs
        return -_gamma_weights((logprobs - old).detach(), advantages, rows) * advantages * logprobs

    def save(self, folder: Path) -> None:
        save_learner(folder, self.accelerator.unwrap_model(self.model), self.optimiser, self.scheduler, self.updates)

    def load(self, folder: Path) -> None:
        model = self.accelerator.unwrap_model(self.model)
        self.updates = load_learner(folder, model, self.optimiser, self.scheduler)


def _gamma_weights(log_ratio: torch.Tensor, advantages: torch.Tensor, rows: list[Row]) -> torch.Tensor:
    """VESPO's phi(w) = e^(lambda + k log w - lambda w), (N,), where w is the ratio of the token's whole row."""
    lengths = torch.tensor([int(row.mask.sum()) for row in rows], device=log_ratio.device)
    row_of = torch.repeat_interleave(torch.arange(len(rows), device=log_ratio.device), lengths)
    sums = torch.zeros(len(rows), device=log_ratio.device, dtype=log_ratio.dtype)
    log_w = sums.index_add(0, row_of, log_ratio.clamp(-20, 20)).clamp(float(np.log(1e-8)), 20)[row_of]
    good = advantages >= 0
    k = torch.where(good, VESPO_K_POS, VESPO_K_NEG)
    rate = torch.where(good, VESPO_LAMBDA_POS, VESPO_LAMBDA_NEG)
    return torch.exp(rate + k * log_w - rate * torch.exp(log_w))
