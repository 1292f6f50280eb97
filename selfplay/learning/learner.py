"""The learner's contract: rows in, better weights out, one optimiser step per batch.

Two learners keep it: `trl_learner.TrlLearner` (production, on TRL) and `plain.PlainLearner` (small and readable, on
accelerate; the oracle the other is tested against). On the same rows their gradients agree to 1e-5.

What they do with rows is named by `Rule`. A token's advantage multiplies its loss, whatever the rule (see
`selfplay.types.Row`). The loss of an update does not depend on its split into micro-batches: it is a mean over the
learnable tokens of all rows (`policy_gradient`, `sft`: DAPO, arXiv 2503.14476, equation 8) or over all rows (`dpo`,
`kto`, `offline_clip`).

Policy gradients use the behaviour log-probabilities in the rows as the old ones: rows from older weights are off-policy
and are treated so. Dropout is off, because its noise would enter every ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selfplay.errors import UsageError
from selfplay.types import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


Acting = Callable[[str], AbstractContextManager[object]]
"""Given a player, a context in which the model is that player."""


class LearnerKind(StrEnum):
    """Which implementation takes the steps."""

    TRL = "trl"
    """TRL's trainers, their losses untouched."""
    PLAIN = "plain"
    """About two hundred lines on accelerate."""


class Rule(StrEnum):
    """What an update does. r is how likelier a reply is than under the reference: log pi - log pi_ref, summed."""

    POLICY_GRADIENT = "policy_gradient"
    """Rewarded tokens become likelier, see `Loss`."""
    SFT = "sft"
    """-w log pi: selected replies and examples become likelier, whatever the reward."""
    DPO = "dpo"
    """-w log sigmoid(beta (r_better - r_worse)) - w nll log pi(better) / |better|: preferred replies against worse ones
    (DPO, arXiv 2305.18290, equation 7; weights and length-normalised NLL as in ScPO, arXiv 2411.04109, equation 2)."""
    KTO = "kto"
    """|w| (1 - sigmoid(+-beta (r - z))): desirable against undesirable replies, unpaired (arXiv 2402.01306, equation
    8). z, the divergence from the reference, is the mean r of the sampled replies, at least 0: in self-play they are
    samples of the policy itself, which the paper's mismatched pairs stand in for."""
    OFFLINE_CLIP = "offline_clip"
    """-min(rho A, clip(rho) A) with one ratio for the whole row, rho = exp(r / tokens), and `sft` on examples, times
    `example_weight` (SPC, arXiv 2504.19162)."""

    @property
    def compares(self) -> bool:
        """Do rows need `ref_logprobs` (examples under `offline_clip` do not)?"""
        return self in (Rule.DPO, Rule.KTO, Rule.OFFLINE_CLIP)

    @property
    def rewarded(self) -> bool:
        """Are rows made from rewards by credit? The others select moves or build pairs."""
        return self in (Rule.POLICY_GRADIENT, Rule.OFFLINE_CLIP)


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
    rule: Rule = Rule.POLICY_GRADIENT
    loss: Loss = Loss.DAPO
    """Of `policy_gradient`."""
    lr: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    """On matrices only, not on biases and norms."""
    max_grad_norm: float = 1.0
    epsilon_low: float = 0.2
    """Lower clip of DAPO and of `offline_clip`."""
    epsilon_high: float | None = None
    """Upper clip (default 0.28), or CISPO's cap on the ratio itself (default 5)."""
    kl: Mapping[str, float] = field(default_factory=dict)
    """KL coefficient by ``role/tag``, ``role`` or ``*``, of `policy_gradient`; its rows must carry `ref_logprobs`."""
    beta: float = 0.1
    """Of `dpo` and `kto`: how closely they stay to the reference."""
    nll: float = 0.0
    """Of `dpo`: how much the likelihood of the preferred reply counts besides."""
    example_weight: float = 0.15
    """Of `offline_clip`: how much the loss on examples counts."""
    temperature: float = 1.0
    """Of the distribution that log-probabilities belong to: that of sampling, or 1 for `sft`, `dpo` and `kto`."""
    micro_tokens: int = 4096
    """Most tokens, padding included, in one forward pass: bounds memory, changes nothing else."""
    warmup_updates: int = 0
    total_updates: int | None = None
    schedule: Schedule = Schedule.CONSTANT
    bf16: bool = False
    """Run forward passes under bfloat16 autocast (not on CPU)."""

    def __post_init__(self) -> None:
        for name, enum in (("kind", LearnerKind), ("rule", Rule), ("loss", Loss), ("schedule", Schedule)):
            value = getattr(self, name)
            if value not in list(enum):
                raise UsageError(f"learner setting {name} is {value!r}; allowed: {', '.join(enum)}")
            object.__setattr__(self, name, enum(value))
        for name in ("lr", "temperature", "max_grad_norm", "micro_tokens", "beta"):
            if not getattr(self, name) > 0:
                raise UsageError(f"learner setting {name} is {getattr(self, name)!r}; it must be above 0")
        for key, value in self.kl.items():
            if not value >= 0:
                raise UsageError(f"learner setting kl[{key!r}] is {value!r}; a coefficient of 0 or more was expected")
        if self.kl and self.rule is not Rule.POLICY_GRADIENT:
            own = "beta already keeps it near the reference" if self.rule.compares else "it compares with no reference"
            raise UsageError(
                f"learner setting kl is {dict(self.kl)} with rule {self.rule.value!r}; a KL term is part of "
                f"'policy_gradient' only ({own})"
            )
        if not self.rule.rewarded and self.temperature != 1.0:
            raise UsageError(
                f"learner setting temperature is {self.temperature!r} with rule {self.rule.value!r}; only 1 works there"
            )
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
    """One kind of move in one update; means are over what was trained on, `None` is what the rule does not know."""

    rows: int
    tokens: int
    entropy: float
    """Nats per token, of the weights before the update."""
    kl: float | None = None
    """To the reference (k3 estimator), 0 where there is none; `policy_gradient` only."""
    ratio_mean: float | None = None
    """Of `policy_gradient` per token, of `offline_clip` per row."""
    ratio_max: float | None = None
    clip_fraction: float | None = None
    """Share of tokens (of rows) whose gradient the clip removed or, with CISPO, bounded; 0 for VESPO."""
    nll: float | None = None
    """Nats per token of what is imitated: `sft`, `dpo`'s preferred replies, examples."""
    margin: float | None = None
    """`dpo`: beta (r_better - r_worse). `kto`: +-beta (r - z), above 0 where a reply is on its side already."""
    accuracy: float | None = None
    """Share of pairs (`dpo`) or rows (`kto`) whose margin is above 0."""


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

    def configure(self, settings: LearnerSettings) -> None:
        """Follow other settings from the next update on. What the optimiser was made with stays as it is."""

    def forget(self) -> None:
        """The weights were replaced from outside: drop what the optimiser remembers of the old ones."""

    def save(self, folder: Path) -> None:
        """Write model, optimiser, schedule and update count: all that a bit-identical continuation needs."""

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote; before `train`, or in `on_update` to roll back.

        Raises:
            RunError: the folder does not hold a learner of this shape.
        """


def make_learner(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: LearnerSettings,
    acting: Acting = nullcontext,
) -> Learner:
    """The learner that `settings.kind` names, on `model`.

    Args:
        acting: entered with a row's player around every forward pass over its rows: makes that player's weights, an
            adapter for example, the model's own.

    Raises:
        MissingExtra: TRL or accelerate is not installed.
    """
    if settings.kind is LearnerKind.PLAIN:
        from selfplay.learning.plain import PlainLearner

        return PlainLearner(model, settings, acting)
    from selfplay.learning.trl_learner import TrlLearner

    return TrlLearner(model, tokenizer, settings, acting)
