"""The production learner: TRL's trainers, one for each update rule, fed with our rows (see `seams`).

Where the rule changes on the way, the next trainer takes over model, optimiser, schedule and count of the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from selfplay.learning.learner import Acting, LearnerSettings, Rule, UpdateStats
from selfplay.learning.optimiser import load_learner, save_learner, set_rate
from selfplay.learning.seams import RowSeams
from selfplay.types import Row


class TrlLearner:
    """A `selfplay.learning.learner.Learner` around a trainer of TRL."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: LearnerSettings,
        acting: Acting = nullcontext,
    ) -> None:
        self._make: Callable[[LearnerSettings], RowSeams] = lambda settings: _trainer(
            model, tokenizer, settings, acting
        )
        self._settings = settings
        self.trainer = self._make(settings)

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        rows = next(batches, None)

        def under_one_rule() -> Iterator[Sequence[Row]]:
            nonlocal rows
            while rows is not None and self.trainer.settings.rule is self._settings.rule:
                yield rows
                rows = next(batches, None)  # may bring other settings with it

        while rows is not None:
            self._take_over()
            self.trainer.batches, self.trainer.on_update = under_one_rule(), on_update
            self.trainer.train()

    def configure(self, settings: LearnerSettings) -> None:
        self._settings = settings
        if settings.rule is self.trainer.settings.rule:
            self.trainer.settings = settings
            set_rate(*self.trainer.optimiser(), settings)

    def _take_over(self) -> None:
        """If the rule has changed, go on with its trainer."""
        old = self.trainer
        if self._settings.rule is old.settings.rule:
            return
        old.retire()
        self.trainer = self._make(self._settings)
        (optimiser, schedule), (before, schedule_before) = self.trainer.optimiser(), old.optimiser()
        optimiser.load_state_dict(before.state_dict())
        schedule.load_state_dict(schedule_before.state_dict())
        set_rate(optimiser, schedule, self._settings)
        self.trainer.updates = old.updates

    def forget(self) -> None:
        self.trainer.optimiser()[0].state.clear()

    def save(self, folder: Path) -> None:
        t = self.trainer
        save_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser(), t.updates)

    def load(self, folder: Path) -> None:
        t = self.trainer
        t.updates = load_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser(), self._settings)


def _trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LearnerSettings, acting: Acting
) -> RowSeams:
    if settings.rule.rewarded:
        from selfplay.learning.policy_gradient import RowTrainer, grpo_config

        return RowTrainer(model, tokenizer, grpo_config(settings), settings, acting)
    from selfplay.learning.preferences import DpoRows, KtoRows, SftRows

    kinds: dict[Rule, type[SftRows | DpoRows | KtoRows]] = {Rule.SFT: SftRows, Rule.DPO: DpoRows, Rule.KTO: KtoRows}
    return kinds[settings.rule](model, tokenizer, settings, acting)
