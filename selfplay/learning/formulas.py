"""The plain learner's losses: what one micro-batch adds to the loss of an update, for every `Rule`.

Policy gradients as in TRL 1.16 (`GRPOTrainer._compute_loss`), token level; see `learner.Loss` for the papers. The KL
term is k3 times the ratio, whose gradient is that of the reverse KL (DeepSeek-V3.2, arXiv 2512.02556). The other rules
are written down as their papers do, see `learner.Rule`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from selfplay.learning.batches import MicroBatch, Whole
from selfplay.learning.forward import flat, row_sums
from selfplay.learning.learner import LearnerSettings, Loss, Rule
from selfplay.learning.tally import k3
from selfplay.types import Row

VESPO_K_POS, VESPO_LAMBDA_POS, VESPO_K_NEG, VESPO_LAMBDA_NEG = 2.0, 3.0, 3.0, 2.0


class Scored(NamedTuple):
    """A micro-batch that has been through the model."""

    settings: LearnerSettings
    micro: MicroBatch
    whole: Whole
    logprobs: torch.Tensor
    """(N,) of the learnable tokens of `micro.sequences`, with gradient."""
    divergence: torch.Tensor | None
    """KTO's z."""

    def advantages(self) -> torch.Tensor:
        """(N,) of the rows' learnable tokens."""
        return flat(self.micro.rows, "advantages", self.logprobs.device)

    def weights(self) -> torch.Tensor:
        """(B,) one for each row, that of its tokens."""
        first = [float(row.advantages[row.mask][0]) for row in self.micro.rows]
        return torch.tensor(first, device=self.logprobs.device)

    def lengths(self) -> torch.Tensor:
        """(B,) learnable tokens of each row."""
        return torch.tensor([int(row.mask.sum()) for row in self.micro.rows], device=self.logprobs.device)

    def gains(self) -> torch.Tensor:
        """How likelier than under the reference each of the micro-batch's sequences is: log pi - log pi_ref, summed."""
        sequences = self.micro.sequences
        return row_sums(self.logprobs - flat(sequences, "ref_logprobs", self.logprobs.device), sequences)


def policy_gradient(s: Scored) -> torch.Tensor:
    """`Rule.POLICY_GRADIENT`."""
    old, rows = flat(s.micro.rows, "logprobs", s.logprobs.device), s.micro.rows
    ratio, advantages, settings = torch.exp(s.logprobs - old), s.advantages(), s.settings
    if settings.loss is Loss.DAPO:
        clipped = ratio.clamp(1 - settings.epsilon_low, 1 + settings.clip_high)
        losses = -torch.minimum(ratio * advantages, clipped * advantages)
    elif settings.loss is Loss.CISPO:
        losses = -ratio.detach().clamp(max=settings.clip_high) * advantages * s.logprobs
    else:
        losses = -_gamma_weights((s.logprobs - old).detach(), advantages, rows) * advantages * s.logprobs
    if s.micro.kl > 0:
        losses = losses + s.micro.kl * ratio * k3(s.logprobs, flat(rows, "ref_logprobs", s.logprobs.device))
    return losses.sum() / s.whole.tokens


def sft(s: Scored) -> torch.Tensor:
    """`Rule.SFT`."""
    return -(s.advantages() * s.logprobs).sum() / s.whole.tokens


def dpo(s: Scored) -> torch.Tensor:
    """`Rule.DPO`."""
    count, gains = len(s.micro.rows), s.gains()
    losses = -logsigmoid(s.settings.beta * (gains[:count] - gains[count:]))
    better = row_sums(s.logprobs, s.micro.sequences)[:count]
    return (s.weights() * (losses - s.settings.nll * better / s.lengths())).sum() / s.whole.rows


def kto(s: Scored) -> torch.Tensor:
    """`Rule.KTO`."""
    assert s.divergence is not None
    margins = s.settings.beta * torch.sign(s.weights()) * (s.gains() - s.divergence)
    return (s.weights().abs() * (1 - torch.sigmoid(margins))).sum() / s.whole.rows


def offline_clip(s: Scored) -> torch.Tensor:
    """`Rule.OFFLINE_CLIP`."""
    if not s.micro.sampled:
        return -s.settings.example_weight * (s.advantages() * s.logprobs).sum() / s.whole.example_tokens
    lengths = s.lengths()
    ratio = torch.repeat_interleave(torch.exp(s.gains() / lengths), lengths)
    clipped = ratio.clamp(1 - s.settings.epsilon_low, 1 + s.settings.clip_high)
    losses = -torch.minimum(ratio * s.advantages(), clipped * s.advantages())
    return (row_sums(losses, s.micro.rows) / lengths).sum() / s.whole.rows


FORMULAS: dict[Rule, Callable[[Scored], torch.Tensor]] = {
    Rule.POLICY_GRADIENT: policy_gradient,
    Rule.SFT: sft,
    Rule.DPO: dpo,
    Rule.KTO: kto,
    Rule.OFFLINE_CLIP: offline_clip,
}


def _gamma_weights(log_ratio: torch.Tensor, advantages: torch.Tensor, rows: list[Row]) -> torch.Tensor:
    """VESPO's phi(w) = e^(lambda + k log w - lambda w), (N,), where w is the ratio of the token's whole row."""
    lengths = torch.tensor([int(row.mask.sum()) for row in rows], device=log_ratio.device)
    sums = row_sums(log_ratio.clamp(-20, 20), rows).clamp(float(np.log(1e-8)), 20)
    log_w = torch.repeat_interleave(sums, lengths)
    good = advantages >= 0
    k = torch.where(good, VESPO_K_POS, VESPO_K_NEG)
    rate = torch.where(good, VESPO_LAMBDA_POS, VESPO_LAMBDA_NEG)
    return torch.exp(rate + k * log_w - rate * torch.exp(log_w))
