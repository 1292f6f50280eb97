"""The production learner: TRL's trainers, one for each update rule, fed with our rows (see `seams`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from selfplay.learning.learner import Acting, LearnerSettings, Rule, UpdateStats
from selfplay.learning.optimiser import load_learner, save_learner
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
        self.trainer = _trainer(model, tokenizer, settings, acting)

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        self.trainer.batches, self.trainer.on_update = batches, on_update
        self.trainer.train()

    def configure(self, settings: LearnerSettings) -> None:
        self.trainer.settings = settings

    def forget(self) -> None:
        self.trainer.optimiser()[0].state.clear()

    def save(self, folder: Path) -> None:
        t = self.trainer
        save_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser(), t.updates)

    def load(self, folder: Path) -> None:
        t = self.trainer
        t.updates = load_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser())


def _trainer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LearnerSettings, acting: Acting
) -> RowSeams:
    if settings.rule.rewarded:
        from selfplay.learning.policy_gradient import RowTrainer, grpo_config

        return RowTrainer(model, tokenizer, grpo_config(settings), settings, acting)
    from selfplay.learning.preferences import DpoRows, KtoRows, SftRows

    kinds: dict[Rule, type[SftRows | DpoRows | KtoRows]] = {Rule.SFT: SftRows, Rule.DPO: DpoRows, Rule.KTO: KtoRows}
    return kinds[settings.rule](model, tokenizer, settings, acting)
