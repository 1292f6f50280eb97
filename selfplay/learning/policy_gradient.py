"""The production learner: TRL's GRPOTrainer, fed with our rows.

`RowTrainer` overrides four seams of the Trainer and nothing of its mathematics:

    get_train_dataloader   one step of rows from an iterator, pulled only after the previous update is finished (no
                           accelerate loader, which would look one batch ahead and start rollouts on old weights)
    _prepare_inputs        identity: the rows are ready, nothing is generated or scored here
    training_step          forward and backward over micro-batches of one (role, tag), each with its own `beta`
    create_optimizer       our AdamW and schedule

Loss, clipping, KL and mixed precision are TRL's. What TRL calls `old_per_token_logps` are the rows' behaviour
log-probabilities, really used, which stock TRL does only with vLLM. One process; no network, reports or files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from selfplay.errors import UsageError
from selfplay.learning.batches import MicroBatch, learnable_tokens, micro_batches
from selfplay.learning.learner import LearnerSettings, Loss, UpdateStats
from selfplay.learning.optimiser import load_learner, make_optimiser, save_learner
from selfplay.learning.packing import shared_prompts
from selfplay.learning.tally import Tally
from selfplay.types import Row

ENDLESS = 2**40
"""Trainer steps; the iterator of batches decides when training is over."""
FAR = -40.0
"""Reference log-probability of tokens not learned from: low, so that the KL term is finite where it is masked."""


class TrlLearner:
    """A `selfplay.learning.learner.Learner` around a `RowTrainer`."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LearnerSettings) -> None:
        self.trainer = RowTrainer(model, tokenizer, grpo_config(settings), settings)

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        self.trainer.batches, self.trainer.on_update = batches, on_update
        self.trainer.train()

    def save(self, folder: Path) -> None:
        t = self.trainer
        save_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser(), t.updates)

    def load(self, folder: Path) -> None:
        t = self.trainer
        t.updates = load_learner(folder, t.accelerator.unwrap_model(t.model), *t.optimiser())


def grpo_config(settings: LearnerSettings) -> GRPOConfig:
    """TRL's configuration for rows that come from outside: its generation, reward and reporting parts are idle."""
    return GRPOConfig(
        output_dir=tempfile.gettempdir(),  # must exist; nothing is written there
        loss_type=settings.loss.value,
        epsilon=settings.epsilon_low,
        epsilon_high=settings.clip_high,
        temperature=settings.temperature,
        max_grad_norm=settings.max_grad_norm,
        learning_rate=settings.lr,
        max_steps=ENDLESS,
        beta=0.0,  # set per micro-batch; above 0 here, TRL would load a reference model of its own
        per_device_train_batch_size=2,
        num_generations=2,
        gradient_accumulation_steps=1,
        num_iterations=1,
        use_vllm=False,
        bf16=settings.bf16,
        activation_checkpointing=False,
        use_bias_correction_kl=True,
        disable_dropout=True,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
    )


class RowTrainer(GRPOTrainer):
    """A GRPOTrainer that takes rows; see the module.

    Raises:
        UsageError: `args` ask for something that the overridden seams do not carry.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        args: GRPOConfig,
        settings: LearnerSettings,
    ) -> None:
        _check(args)
        self.settings = settings
        self.batches: Iterator[Sequence[Row]] = iter(())
        self.on_update: Callable[[UpdateStats], None] = lambda stats: None
        self.updates = 0
        self._tally = Tally(settings)
        self._loss = self._started = 0.0
        self._rows: Sequence[Row] = ()
        self._scores: Any = None
        super().__init__(
            model=model,
            args=args,
            processing_class=tokenizer,
            reward_funcs=_no_reward,
            train_dataset=Dataset.from_dict({"prompt": [""]}),
        )
        self.current_gradient_accumulation_steps = 1
        self.remove_callback(PrinterCallback)
        self.add_callback(_AfterUpdate(self))
        model.register_forward_hook(self._keep_scores)

    def get_train_dataloader(self) -> Any:
        """One step of rows at a time."""
        return _Steps(self)

    def _prepare_inputs(self, generation_batch: dict[str, Any]) -> dict[str, Any]:
        return generation_batch

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Add the gradient of the update's loss, and return the loss; 0 where there is nothing to learn from."""
        model.train()
        self._rows, self._tally, self._started = inputs["rows"], Tally(self.settings), time.perf_counter()
        tokens = learnable_tokens(self._rows)
        total = torch.zeros((), device=self.args.device)
        for micro in micro_batches(self._rows, self.settings):
            self.beta = micro.kl
            batch = _collate(micro, tokens, self.args.device)
            with self.compute_loss_context_manager(), shared_prompts(self.accelerator.unwrap_model(model), micro.rows):
                loss = self.compute_loss(model, batch)
            self.accelerator.backward(loss)
            total += loss.detach()
            self._count(micro, batch)
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

    def optimiser(self) -> tuple[torch.optim.Optimizer, LambdaLR]:
        """Optimiser and schedule, also before `train`."""
        optimiser = self.create_optimizer()
        assert isinstance(self.lr_scheduler, LambdaLR)
        return optimiser, self.lr_scheduler

    def _keep_scores(self, module: torch.nn.Module, args: object, output: Any) -> None:
        self._scores = output

    def _count(self, micro: MicroBatch, batch: dict[str, torch.Tensor]) -> None:
        """Put what the forward pass found into the tally."""
        mask = batch["tool_mask"].bool()
        width = mask.shape[1]
        logprobs, entropy = (x[:, -width:][mask] for x in (self._scores.log_probs, self._scores.entropy))
        ref = batch["ref_per_token_logps"][mask] if micro.kl > 0 else None
        self._tally.add(micro, logprobs, entropy, batch["old_per_token_logps"][mask], batch["advantages"][mask], ref)
        self._scores = None

    def finished(self, grad_norm: float, lr: float) -> UpdateStats:
        """Count an update and describe it."""
        self.updates += 1
        tokens, seconds = learnable_tokens(self._rows), time.perf_counter() - self._started
        return UpdateStats(
            self.updates, self._loss, grad_norm, lr, len(self._rows), tokens, seconds, self._tally.roles()
        )


class _Steps:
    """The iterable that the Trainer's loop runs over; it has no length."""

    def __init__(self, trainer: RowTrainer) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[dict[str, Sequence[Row]]]:
        for rows in self._trainer.batches:
            yield {"rows": rows}
        self._trainer.control.should_training_stop = True


class _AfterUpdate(TrainerCallback):
    """Hands the statistics on; the Trainer logs after each optimiser step and before it pulls the next batch."""

    def __init__(self, trainer: RowTrainer) -> None:
        self._trainer = trainer

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        state.log_history.clear()  # grows for ever otherwise
        if logs and "grad_norm" in logs:
            self._trainer.on_update(self._trainer.finished(float(logs["grad_norm"]), logs["learning_rate"]))


def _collate(micro: MicroBatch, tokens: int, device: torch.device) -> dict[str, torch.Tensor]:
    """The tensors TRL's loss reads, each (B, ...).

    The shortest prompt's length is cut off every row as "prompt", so nothing is padded on the left; `tool_mask` says
    what is learned from. Padding on the right needs no attention mask, since a causal model cannot look ahead, and
    without one attention is faster.
    """
    start = min(len(row.prompt_ids) for row in micro.rows)
    shape = len(micro.rows), max(len(row.prompt_ids) + len(row.completion_ids) for row in micro.rows)
    ids, learned = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    old, advantages, ref = (np.full(shape, fill, np.float32) for fill in (0.0, 0.0, FAR))
    for i, row in enumerate(micro.rows):
        begin, end = len(row.prompt_ids), len(row.prompt_ids) + len(row.completion_ids)
        ids[i, :begin], ids[i, begin:end], learned[i, begin:end] = row.prompt_ids, row.completion_ids, row.mask
        old[i, begin:end], advantages[i, begin:end] = row.logprobs, row.advantages
        if micro.kl > 0 and row.ref_logprobs is not None:
            ref[i, begin:end] = np.where(row.mask, row.ref_logprobs, FAR)
    arrays: dict[str, NDArray[Any]] = {
        "prompt_ids": ids[:, :start],
        "prompt_mask": np.ones_like(ids[:, :start]),
        "completion_ids": ids[:, start:],
        "completion_mask": np.ones_like(ids[:, start:]),
        "tool_mask": learned[:, start:],
        "old_per_token_logps": old[:, start:],
        "ref_per_token_logps": ref[:, start:],
        "advantages": advantages[:, start:],
    }
    batch = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    batch["num_items_in_batch"] = torch.tensor(float(tokens), device=device)
    return batch


def _no_reward(**_: Any) -> list[float | None]:
    raise AssertionError("rewards come with the rows; TRL must not ask for any")


def _check(args: GRPOConfig) -> None:
    wanted = {
        "gradient_accumulation_steps": 1,
        "num_iterations": 1,
        "steps_per_generation": 1,
        "use_vllm": False,
        "importance_sampling_level": "token",
        "beta": 0.0,
        "world_size": 1,
    }
    for name, value in wanted.items():
        if getattr(args, name) != value:
            raise UsageError(f"RowTrainer: {name} is {getattr(args, name)!r}; only {value!r} works with rows")
    if args.loss_type not in list(Loss):
        raise UsageError(f"RowTrainer: loss_type is {args.loss_type!r}; only token sums work: {', '.join(Loss)}")
