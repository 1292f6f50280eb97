"""The plain learner: every update rule on accelerate, with the formulas of `formulas`, in one readable page.

It is the oracle for `trl_learner` and shares no loss code with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import PreTrainedModel

from selfplay.learning.batches import MicroBatch, learnable_tokens, micro_batches, whole
from selfplay.learning.formulas import FORMULAS, Scored
from selfplay.learning.forward import flat, row_sums, score
from selfplay.learning.learner import Acting, LearnerSettings, Rule, UpdateStats
from selfplay.learning.optimiser import load_learner, make_optimiser, save_learner, set_rate
from selfplay.learning.tally import Tally
from selfplay.types import Row


class PlainLearner:
    """A `selfplay.learning.learner.Learner` on one process."""

    def __init__(self, model: PreTrainedModel, settings: LearnerSettings, acting: Acting = nullcontext) -> None:
        self.settings, self._acting = settings, acting
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
        counts, micros = whole(rows, self.settings), micro_batches(rows, self.settings)
        divergence = self._divergence(micros) if self.settings.rule is Rule.KTO else None
        total = 0.0
        for micro in micros:
            with self.accelerator.autocast():
                logprobs, entropy = score(self.model, micro.sequences, self.settings.temperature, self._acting)
                tally.add(micro, logprobs, entropy, divergence)
                scored = Scored(self.settings, micro, counts, logprobs, divergence)
                loss = FORMULAS[self.settings.rule](scored)
            self.accelerator.backward(loss)
            total += float(loss.detach())
        return total

    @torch.no_grad()
    def _divergence(self, micros: Sequence[MicroBatch]) -> torch.Tensor:
        """KTO's z, see `Rule.KTO`."""
        gains = [torch.zeros(0, device=self.accelerator.device)]
        for micro in micros:
            if micro.sampled:
                logprobs, _ = score(self.model, micro.rows, self.settings.temperature, self._acting)
                gains.append(row_sums(logprobs - flat(micro.rows, "ref_logprobs", logprobs.device), micro.rows))
        every = torch.cat(gains)
        return every.mean().clamp(min=0) if len(every) else every.sum()

    def configure(self, settings: LearnerSettings) -> None:
        self.settings = settings
        set_rate(self.optimiser, self.scheduler, settings)

    def forget(self) -> None:
        self.optimiser.state.clear()

    def save(self, folder: Path) -> None:
        save_learner(folder, self.accelerator.unwrap_model(self.model), self.optimiser, self.scheduler, self.updates)

    def load(self, folder: Path) -> None:
        model = self.accelerator.unwrap_model(self.model)
        self.updates = load_learner(folder, model, self.optimiser, self.scheduler, self.settings)
