"""The learner's contract: rows in, better weights out, one optimiser step per batch.

Two learners keep it: `policy_gradient.TrlLearner` (production, on TRL) and `plain.PlainLearner` (small and readable, on
accelerate; the oracle the other is tested against). On the same rows their gradients agree to 1e-5.

Both use the behaviour log-probabilities in the rows as the old ones: rows from older weights are off-policy and are
treated so. Log-probabilities are taken at `LearnerSettings.temperature`, which must be the sampling temperature, over
the whole vocabulary; dropout is off, because its noise would enter the ratio. The loss of an update is the sum over all
learnable tokens divided by their number, whatever the split into micro-batches (DAPO, arXiv 2503.14476, equation 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selfplay.errors import UsageError
from selfplay.types import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class LearnerKind(StrEnum):
    """Which implementation takes the steps."""

    TRL = "trl"
    """TRL's GRPOTrainer, its loss untouched."""
    PLAIN = "plain"
    """About a hundred lines on accelerate."""


class Loss(StrEnum):
    """Policy-gradient losses; r is the ratio of new to behaviour probability of a token, A its advantage."""

    DAPO = "dapo"
    """-min(r A, clip(r, 1-low, 1+high) A): PPO's clipped loss with DAPO's token normalisation."""
    CISPO = "cispo"
    """-min(r, high) A log pi, the capped ratio a constant: MiniMax-M1, arXiv 2506.13585, equation 4."""
    VESPO = "vespo"
    """-phi(w) A log pi, w the ratio of the whole row, phi a gamma weight: VESPO, arXiv 2602.10693."""


class Schedule(StrEnum):
    """Learning rate after the linear warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    """Falls in equal steps, to 0 after `LearnerSettings.total_updates`."""


@dataclass(frozen=True)
class LearnerSettings:
    """How to learn.

    Raises:
        UsageError: a value that cannot work.
    """

    kind: LearnerKind = LearnerKind.TRL
    loss: Loss = Loss.DAPO
    lr: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    """On matrices only, not on biases and norms."""
    max_grad_norm: float = 1.0
    epsilon_low: float = 0.2
    """DAPO's lower clip."""
    epsilon_high: float | None = None
    """DAPO's upper clip (default 0.28), or CISPO's cap on the ratio itself (default 5)."""
    kl: Mapping[str, float] = field(default_factory=dict)
    """KL coefficient by ``role/tag``, ``role`` or ``*``; rows it applies to must carry `ref_logprobs`."""
    temperature: float = 1.0
    micro_tokens: int = 4096
    """Most tokens, padding included, in one forward pass: bounds memory, changes nothing else."""
    warmup_updates: int = 0
    total_updates: int | None = None
    schedule: Schedule = Schedule.CONSTANT
    bf16: bool = False
    """Run forward passes under bfloat16 autocast (not on CPU)."""

    def __post_init__(self) -> None:
        for name, enum in (("kind", LearnerKind), ("loss", Loss), ("schedule", Schedule)):
            value = getattr(self, name)
            if value not in list(enum):
                raise UsageError(f"learner setting {name} is {value!r}; allowed: {', '.join(enum)}")
            object.__setattr__(self, name, enum(value))
        for name in ("lr", "temperature", "max_grad_norm", "micro_tokens"):
            if not getattr(self, name) > 0:
                raise UsageError(f"learner setting {name} is {getattr(self, name)!r}; it must be above 0")
        for key, value in self.kl.items():
            if not value >= 0:
                raise UsageError(f"learner setting kl[{key!r}] is {value!r}; a coefficient of 0 or more was expected")
        if self.schedule is Schedule.LINEAR and not (self.total_updates or 0) > self.warmup_updates:
            raise UsageError(
                f"schedule = 'linear' needs total_updates above warmup_updates, not {self.total_updates!r} and "
                f"{self.warmup_updates}"
            )

    @property
    def clip_high(self) -> float:
        """`epsilon_high` with the loss's own default."""
        if self.epsilon_high is not None:
            return self.epsilon_high
        return 5.0 if self.loss is Loss.CISPO else 0.28

    def lr_factor(self, update: int) -> float:
        """What `lr` is multiplied by in update number `update`, the first one being 0; never 0 before the end."""
        if update < self.warmup_updates:
            return (update + 1) / self.warmup_updates
        if self.schedule is Schedule.CONSTANT or self.total_updates is None:
            return 1.0
        return max(0.0, (self.total_updates - update) / (self.total_updates - self.warmup_updates))


@dataclass(frozen=True)
class RoleStats:
    """One kind of move in one update; means are over the tokens that were trained on."""

    rows: int
    tokens: int
    entropy: float
    """Nats per token, of the weights before the update."""
    kl: float
    """To the reference (k3 estimator), 0 where there is none."""
    ratio_mean: float
    ratio_max: float
    clip_fraction: float
    """Share of tokens whose gradient the clip removed (DAPO) or bounded (CISPO); 0 for VESPO."""


@dataclass(frozen=True)
class UpdateStats:
    """One optimiser step. Without a single learnable token it is a step that changes no weight, and `tokens` is 0."""

    update: int
    """Steps taken so far, this one included."""
    loss: float
    grad_norm: float
    """Before clipping."""
    lr: float
    rows: int
    tokens: int
    """Learnable tokens; rows that cannot move the weights (advantage 0, no KL) count here but are not trained on."""
    seconds: float
    """From having the batch to having the new weights."""
    roles: dict[str, RoleStats]
    """By kind of move, ``role`` or ``role/tag``."""


class Learner(Protocol):
    """Takes optimiser steps on one model, in place."""

    def train(self, batches: Iterator[Sequence[Row]], on_update: Callable[[UpdateStats], None]) -> None:
        """For every batch: one optimiser step, then `on_update`, and only then is the next batch pulled.

        Raises:
            UsageError: a row lacks the reference log-probabilities its KL coefficient needs.
        """

    def save(self, folder: Path) -> None:
        """Write model, optimiser, schedule and update count: all that a bit-identical continuation needs."""

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote; before `train`, or in `on_update` to roll back.

        Raises:
            RunError: the folder does not hold a learner of this shape.
        """


def make_learner(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: LearnerSettings) -> Learner:
    """The learner that `settings.kind` names, on `model`.

    Raises:
        MissingExtra: TRL or accelerate is not installed.
    """
    if settings.kind is LearnerKind.PLAIN:
        from selfplay.learning.plain import PlainLearner

        return PlainLearner(model, settings)
    from selfplay.learning.policy_gradient import TrlLearner

    return TrlLearner(model, tokenizer, settings)
