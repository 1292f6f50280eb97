"""TRL's SFTTrainer, DPOTrainer and KTOTrainer, fed with our rows: `sft`, `dpo` and `kto`.

Their losses know no weights, and DPO's NLL term is a mean over the tokens it is given. So a micro-batch goes through
the model once, and what the model said is then handed to TRL's untouched `compute_loss` in parts of equal weight (and,
with an NLL term, of equal length), by a stand-in for the model that repeats it. Where all weights are equal there is
one part.

Rows bring their ids, masks and reference log-probabilities with them: TRL tokenises and precomputes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer
from trl.trainer.utils import disable_dropout_in_model

from selfplay.learning.batches import MicroBatch, Whole
from selfplay.learning.forward import flat, laid_out
from selfplay.learning.learner import Acting, LearnerSettings
from selfplay.learning.seams import RowSeams, common_arguments
from selfplay.types import Row

K = TypeVar("K", bound=Hashable)


class Said(NamedTuple):
    """What the model said about some sequences; the first token of each is no prediction, so S-1 of S remain."""

    ids: torch.Tensor
    """(B, S)"""
    learned: torch.Tensor
    """(B, S) bool"""
    outputs: dict[str, torch.Tensor]
    """(B, S-1) each, 0 where nothing is learned: log_probs with gradient, entropy and what else TRL counts."""

    def inputs(self, index: Sequence[int]) -> dict[str, torch.Tensor]:
        """What TRL's collators would have made of the sequences `index`."""
        ids, learned = self.ids[index], self.learned[index].long()
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "completion_mask": learned}

    def model(self, index: Sequence[int]) -> Any:
        """A stand-in for the model: says it again about the sequences `index`."""
        answer = SimpleNamespace(aux_loss=None, **{name: values[index] for name, values in self.outputs.items()})
        return lambda **_: answer


class _Trainer(RowSeams):
    """What the three share."""

    def _say(self, model: torch.nn.Module, rows: Sequence[Row]) -> Said:
        ids, learned = laid_out(rows, self.args.device)
        labels = ids.masked_fill(~learned, -100)
        out = model(input_ids=ids, labels=labels, fused_lm_head=True)
        names = ("log_probs", "entropy", "mean_logits", "is_top1", "label_mask")
        outputs = {name: getattr(out, name) for name in names if getattr(out, name) is not None}
        return Said(ids, learned, outputs)

    def _trl_loss(self, model: Any, inputs: dict[str, Any], tokens: int | None = None) -> torch.Tensor:
        """The trainer's own loss: a mean over the sequences, for `SftRows` over so many tokens."""
        loss = self.compute_loss(model, inputs, num_items_in_batch=tokens)
        assert isinstance(loss, torch.Tensor)
        return loss

    def _tell(self, micro: MicroBatch, said: Said, divergence: torch.Tensor | None = None) -> None:
        """Count a micro-batch."""
        mask = said.learned[:, 1:]
        self._tally.add(micro, said.outputs["log_probs"][mask], said.outputs["entropy"][mask], divergence)


class SftRows(_Trainer, SFTTrainer):
    """An SFTTrainer that takes rows."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: LearnerSettings,
        acting: Acting = nullcontext,
    ) -> None:
        super().__init__(model, tokenizer, SFTConfig(**common_arguments(settings)), settings, acting)
        disable_dropout_in_model(model)  # no setting of this trainer's

    def micro_loss(self, model: torch.nn.Module, micro: MicroBatch, counts: Whole) -> torch.Tensor:
        said = self._say(model, micro.rows)
        self._tell(micro, said)
        everything = list(range(len(micro.rows)))
        loss = torch.zeros((), device=self.args.device)
        weights = torch.zeros_like(said.ids, dtype=torch.float32)
        weights[said.learned] = flat(micro.rows, "advantages", self.args.device)
        for weight in weights[said.learned].unique().tolist():
            chosen = said.learned & (weights == weight)
            outputs = {name: values * chosen[:, 1:] for name, values in said.outputs.items()}
            part = said._replace(learned=chosen, outputs=outputs)
            loss = loss + weight * self._trl_loss(part.model(everything), part.inputs(everything), counts.tokens)
        return loss


class DpoRows(_Trainer, DPOTrainer):
    """A DPOTrainer that takes rows, each with its `worse`."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: LearnerSettings,
        acting: Acting = nullcontext,
    ) -> None:
        args = DPOConfig(
            **common_arguments(settings),
            precompute_ref_log_probs=True,  # the rows bring them; otherwise it would load a reference model
            disable_dropout=True,
        )
        super().__init__(model, tokenizer, args, settings, acting)

    def micro_loss(self, model: torch.nn.Module, micro: MicroBatch, counts: Whole) -> torch.Tensor:
        self.beta, self.loss_types = self.settings.beta, ["sigmoid", "sft"] if self.settings.nll else ["sigmoid"]
        self.loss_weights = [1.0, self.settings.nll][: len(self.loss_types)]
        said = self._say(model, micro.sequences)
        self._tell(micro, said)
        count, reference = len(micro.rows), _reference(micro.sequences, self.args.device)
        loss = torch.zeros((), device=self.args.device)
        keys = ((_weight(row), int(row.mask.sum()) if self.settings.nll else 0) for row in micro.rows)
        for (weight, _), pairs in _parts(keys):
            worse = [count + i for i in pairs]
            inputs = said.inputs(pairs + worse)
            inputs |= {"ref_chosen_logps": reference[pairs], "ref_rejected_logps": reference[worse]}
            mean = self._trl_loss(said.model(pairs + worse), inputs)
            loss = loss + weight * len(pairs) / counts.rows * mean
        return loss


class KtoRows(_Trainer, KTOTrainer):
    """A KTOTrainer that takes rows, desirable where their weight is above 0."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: LearnerSettings,
        acting: Acting = nullcontext,
    ) -> None:
        args = KTOConfig(
            **common_arguments(settings),
            precompute_ref_log_probs=True,  # the rows bring them; otherwise it would load a reference model
            disable_dropout=True,
        )
        self._divergence = torch.zeros(())
        super().__init__(model, tokenizer, args, settings, acting)

    @torch.no_grad()
    def before_update(self, model: torch.nn.Module, micros: Sequence[MicroBatch]) -> None:
        """Estimate z, see `Rule.KTO`; TRL only clamps it."""
        gains = [torch.zeros(0, device=self.args.device)]
        for micro in micros:
            if micro.sampled:
                with self.meeting(model, micro.rows):
                    said = self._say(model, micro.rows)
                gains.append(said.outputs["log_probs"].sum(-1) - _reference(micro.rows, self.args.device))
        every = torch.cat(gains)
        self._divergence = every.mean() if len(every) else every.sum()

    def _compute_kl_logps(self, model: object, batch: object) -> torch.Tensor:
        return self._divergence

    def micro_loss(self, model: torch.nn.Module, micro: MicroBatch, counts: Whole) -> torch.Tensor:
        self.beta = self.settings.beta
        said = self._say(model, micro.rows)
        self._tell(micro, said, self._divergence.clamp(min=0))
        reference = _reference(micro.rows, self.args.device)
        loss = torch.zeros((), device=self.args.device)
        for weight, part in _parts(abs(_weight(row)) for row in micro.rows):
            label = torch.tensor([_weight(micro.rows[i]) > 0 for i in part], device=self.args.device)
            inputs = said.inputs(part) | {"label": label, "ref_logps": reference[part]}
            inputs["ref_KL_logps"] = torch.zeros_like(self._divergence)
            loss = loss + weight * len(part) / counts.rows * self._trl_loss(said.model(part), inputs)
        return loss


def _weight(row: Row) -> float:
    return float(row.advantages[row.mask][0])


def _reference(rows: Sequence[Row], device: torch.device) -> torch.Tensor:
    """(B,) log-probability of each row's learned tokens under the reference."""
    sums = [float(row.ref_logprobs[row.mask].sum(dtype=np.float64)) for row in rows if row.ref_logprobs is not None]
    return torch.tensor(sums, device=device)


def _parts(keys: Iterable[K]) -> Iterable[tuple[K, list[int]]]:
    """Each key with the numbers of those that have it, in order of appearance."""
    parts: dict[K, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        parts[key].append(i)
    return parts.items()
