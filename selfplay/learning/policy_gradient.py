"""TRL's GRPOTrainer, fed with our rows: `policy_gradient` and `offline_clip`.

`RowTrainer` goes over micro-batches of one (role, tag), each with its own `beta`. Loss, clipping, KL and mixed
precision are TRL's. What TRL calls `old_per_token_logps` are the rows' behaviour log-probabilities, really used, which
stock TRL does only with vLLM.

`offline_clip` is its clipped loss with one ratio for a whole row, against the reference. Its examples go through the
CISPO loss with old = new: a ratio of exactly 1, so what is left is -w log pi.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from selfplay.errors import UsageError
from selfplay.learning.batches import MicroBatch, Whole
from selfplay.learning.learner import Acting, LearnerSettings, Loss, Rule
from selfplay.learning.seams import RowSeams, common_arguments

FAR = -40.0
"""Reference log-probability of tokens not learned from: low, so that the KL term is finite where it is masked."""


class _Clip(NamedTuple):
    """What TRL's loss is told about one micro-batch."""

    loss_type: str
    level: str
    epsilon_high: float


EXAMPLES = _Clip("cispo", "token", 1.0)


def grpo_config(settings: LearnerSettings) -> GRPOConfig:
    """TRL's configuration for rows that come from outside: its generation, reward and reporting parts are idle."""
    clip = _clip(settings)
    return GRPOConfig(
        **common_arguments(settings),
        loss_type=clip.loss_type,
        importance_sampling_level=clip.level,
        epsilon=settings.epsilon_low,
        epsilon_high=clip.epsilon_high,
        temperature=settings.temperature,
        beta=0.0,  # set per micro-batch; above 0 here, TRL would load a reference model of its own
        num_generations=2,
        num_iterations=1,
        use_vllm=False,
        use_bias_correction_kl=True,
        disable_dropout=True,
    )


class RowTrainer(RowSeams, GRPOTrainer):
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
        acting: Acting = nullcontext,
    ) -> None:
        _check(args, settings)
        self._scores: Any = None
        super().__init__(model, tokenizer, args, settings, acting, reward_funcs=_no_reward)
        self._hook = model.register_forward_hook(self._keep_scores)

    def micro_loss(self, model: torch.nn.Module, micro: MicroBatch, counts: Whole) -> torch.Tensor:
        offline = self.settings.rule is Rule.OFFLINE_CLIP
        example = offline and not micro.sampled
        clip = EXAMPLES if example else _clip(self.settings)
        self.beta, self.loss_type = micro.kl, clip.loss_type
        self.importance_sampling_level = clip.level
        self.epsilon_low, self.epsilon_high = self.settings.epsilon_low, clip.epsilon_high
        batch = _collate(micro, counts.example_tokens if example else counts.tokens, offline, self.args.device)
        if example:
            del batch["old_per_token_logps"]
        loss: torch.Tensor = self.compute_loss(model, batch)
        mask = batch["tool_mask"].bool()
        logprobs, entropy = (x[:, -mask.shape[1] :][mask] for x in (self._scores.log_probs, self._scores.entropy))
        self._scores = None
        self._tally.add(micro, logprobs, entropy)
        if example:
            return self.settings.example_weight * loss
        return loss * (len(micro.rows) / counts.rows) if offline else loss  # TRL's mean over these rows, over all rows

    def retire(self) -> None:
        super().retire()
        self._hook.remove()

    def _keep_scores(self, module: torch.nn.Module, args: object, output: Any) -> None:
        self._scores = output


def _clip(settings: LearnerSettings) -> _Clip:
    if settings.rule is Rule.OFFLINE_CLIP:
        return _Clip("grpo", "sequence", settings.clip_high)
    return _Clip(settings.loss.value, "token", settings.clip_high)


def _collate(micro: MicroBatch, tokens: int, offline: bool, device: torch.device) -> dict[str, torch.Tensor]:
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
        before = row.ref_logprobs if offline and row.ref_logprobs is not None else row.logprobs
        old[i, begin:end], advantages[i, begin:end] = before, row.advantages
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


def _check(args: GRPOConfig, settings: LearnerSettings) -> None:
    wanted = {
        "gradient_accumulation_steps": 1,
        "num_iterations": 1,
        "steps_per_generation": 1,
        "use_vllm": False,
        "importance_sampling_level": _clip(settings).level,
        "beta": 0.0,
        "world_size": 1,
    }
    for name, value in wanted.items():
        if getattr(args, name) != value:
            raise UsageError(f"RowTrainer: {name} is {getattr(args, name)!r}; only {value!r} works with rows")
    allowed = list(Loss) if settings.rule is Rule.POLICY_GRADIENT else [_clip(settings).loss_type]
    if args.loss_type not in allowed:
        raise UsageError(f"RowTrainer: loss_type is {args.loss_type!r}; only these work: {', '.join(allowed)}")
