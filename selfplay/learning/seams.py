"""How TRL's trainers take rows: four seams of the Trainer that `RowSeams` overrides, and nothing of its mathematics.

    get_train_dataloader   one step of rows from an iterator, pulled only after the previous update is finished (no
                           accelerate loader, which would look one batch ahead and start rollouts on old weights)
    _prepare_inputs        identity: the rows are ready; so nothing is tokenised, generated, scored or padded here, and
                           token ids are those that were sampled
    training_step          forward and backward over micro-batches
    create_optimizer       our AdamW and schedule

A trainer for rows is ``class X(RowSeams, trl.SomeTrainer)`` with a `micro_loss`. One process; no network, reports or
files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback

from selfplay.learning.batches import MicroBatch, Whole, learnable_tokens, micro_batches, whole
from selfplay.learning.forward import meeting
from selfplay.learning.learner import Acting, LearnerSettings, UpdateStats
from selfplay.learning.optimiser import make_optimiser
from selfplay.learning.tally import Tally
from selfplay.types import Row

ENDLESS = 2**40
"""Trainer steps; the iterator of batches decides when training is over."""


def common_arguments(settings: LearnerSettings) -> dict[str, Any]:
    """Arguments of every TRL configuration for rows that come from outside: data, report and file parts are idle."""
    return {
        "output_dir": tempfile.gettempdir(),  # must exist; nothing is written there
        "max_grad_norm": settings.max_grad_norm,
        "learning_rate": settings.lr,
        "max_steps": ENDLESS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "bf16": settings.bf16,
        "activation_checkpointing": False,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "push_to_hub": False,
        "disable_tqdm": True,
    }


class RowSeams(Trainer):
    """The part that all trainers for rows share; comes before the TRL trainer among the bases.

    Args:
        more: what the TRL trainer wants besides.
    """

    _metrics: dict[str, Any]
    """TRL's own statistics, made by its trainers."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        args: Any,
        settings: LearnerSettings,
        acting: Acting,
        **more: Any,
    ) -> None:
        self.settings = settings
        self.acting = acting
        self.batches: Iterator[Sequence[Row]] = iter(())
        self.on_update: Callable[[UpdateStats], None] = lambda stats: None
        self.updates = 0
        self._tally = Tally(settings)
        self._loss = self._started = 0.0
        self._rows: Sequence[Row] = ()
        self._plain_forward = model.forward  # TRL's trainers put their own in its place
        super().__init__(
            model=model,
            args=args,
            processing_class=tokenizer,
            train_dataset=Dataset.from_dict({"prompt": [""]}),  # it wants one
            **more,
        )
        self.current_gradient_accumulation_steps = 1
        self.remove_callback(PrinterCallback)
        self.add_callback(_AfterUpdate(self))

    # ---------------------------------------------------------------- the seams

    def get_train_dataloader(self) -> Any:
        """One step of rows at a time."""
        return _Steps(self)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return inputs

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Add the gradient of the update's loss, and return the loss; 0 where there is nothing to learn from."""
        model.train()
        self._rows, self._tally, self._started = inputs["rows"], Tally(self.settings), time.perf_counter()
        counts, micros = whole(self._rows, self.settings), micro_batches(self._rows, self.settings)
        self.before_update(model, micros)
        total = torch.zeros((), device=self.args.device)
        for micro in micros:
            with self.meeting(model, micro.sequences):
                loss = self.micro_loss(model, micro, counts)
                self.accelerator.backward(loss)
            total += loss.detach()
        self._metrics["train"].clear()  # TRL's own statistics do not know roles; ours are in the tally
        self._loss = float(total)
        return total

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW and its schedule, made once and kept over several calls of `train`."""
        if self.optimizer is None:
            target = self.model if model is None else model
            assert target is not None
            self.optimizer, self.lr_scheduler = make_optimiser(target, self.settings)
        return self.optimizer

    # ------------------------------------------------------- what trainers fill in

    def before_update(self, model: torch.nn.Module, micros: Sequence[MicroBatch]) -> None:
        """Find out what must be known about the whole update."""

    def micro_loss(self, model: torch.nn.Module, micro: MicroBatch, counts: Whole) -> torch.Tensor:
        """What a micro-batch adds to the loss of the update, by TRL's `compute_loss`; counts it in the tally."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the rest

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    @contextmanager
    def meeting(self, model: torch.nn.Module, rows: Sequence[Row]) -> Iterator[None]:
        """Around forward and backward of rows; see `forward.meeting`."""
        with self.compute_loss_context_manager(), meeting(self.accelerator.unwrap_model(model), rows, self.acting):
            yield

    def optimiser(self) -> tuple[torch.optim.Optimizer, LambdaLR]:
        """Optimiser and schedule, also before `train`."""
        optimiser = self.create_optimizer()
        assert isinstance(self.lr_scheduler, LambdaLR)
        return optimiser, self.lr_scheduler

    def retire(self) -> None:
        """Leave the model as it was: another trainer takes over."""
        assert self.model is not None
        self.model.forward = self._plain_forward

    def finished(self, grad_norm: float, lr: float) -> UpdateStats:
        """Count an update and describe it."""
        self.updates += 1
        tokens, seconds = learnable_tokens(self._rows), time.perf_counter() - self._started
        return UpdateStats(
            self.updates, self._loss, grad_norm, lr, len(self._rows), tokens, seconds, self._tally.roles()
        )


class _Steps:
    """The iterable that the Trainer's loop runs over; it has no length."""

    def __init__(self, trainer: RowSeams) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[dict[str, Sequence[Row]]]:
        for rows in self._trainer.batches:
            yield {"rows": rows}
        self._trainer.control.should_training_stop = True


class _AfterUpdate(TrainerCallback):
    """Hands the statistics on; the Trainer logs after each optimiser step and before it pulls the next batch."""

    def __init__(self, trainer: RowSeams) -> None:
        self._trainer = trainer

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        state.log_history.clear()  # grows for ever otherwise
        if logs and "grad_norm" in logs:
            self._trainer.on_update(self._trainer.finished(float(logs["grad_norm"]), logs["learning_rate"]))
