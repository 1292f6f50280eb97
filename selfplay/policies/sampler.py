"""Batched sampling from any transformers causal language model, with the log-probabilities of what was drawn.

A *prompt* is a list of token ids; a *row* is one reply to it; siblings are rows of one prompt. A prompt is prefilled
once however many rows it has. Rows that ended leave the batch (`SlotCache`), so a batch costs what its rows need and
not what its longest row needs. Batches hold prompts of similar length, left-padded; what all
prompts of a batch begin with (instructions, mostly) is run as a single row.

What a row becomes depends on (prompt ids, seed, sampling) alone - see `chance` - apart from float noise: batch shapes
change the last bits of logits, which can flip a draw that lies within 1e-6 of a boundary.

Not here: text, templates and requests (`hf`), and several models.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from selfplay.errors import RunError, UsageError
from selfplay.policies.cache import ROOM, SlotCache, layer_kinds
from selfplay.policies.chance import draw, uniforms
from selfplay.policies.ends import Ends
from selfplay.types import Sampling

if TYPE_CHECKING:
    from selfplay.types import Logprobs, TokenIds

DROP_SHARE = 1 / 32
"""Share of a batch that must have ended before its slots are dropped: moving one row costs more than running it."""

WORTH_SHARING = 256
"""Prompt tokens that must be saved for a common prefix to be run on its own, which costs a forward pass."""


class Reply(NamedTuple):
    """What was sampled for one row."""

    token_ids: TokenIds
    logprobs: Logprobs
    stopped: bool
    """An end token or a stop string ended it; otherwise a length limit did."""


class Sampler:
    """Samples from one model.

    Args:
        model: any causal language model of transformers with attention layers only.
        rows: most rows in one batch; halved, and remembered, whenever memory runs out.

    Raises:
        UsageError: the model keeps recurrent state, which cannot be batched this way.
    """

    def __init__(self, model: PreTrainedModel, *, rows: int = 256) -> None:
        kinds = layer_kinds(model)
        if unknown := kinds - {DynamicLayer, DynamicSlidingWindowLayer}:
            raise UsageError(
                f"cannot sample from a {model.config.model_type!r} model: it has layers that need a"
                f" {unknown.pop().__name__}\n  supported: full or sliding-window attention in every layer"
            )
        self.model = model
        self.slides = DynamicSlidingWindowLayer in kinds
        self.rows = rows
        config = model.config.get_text_config(decoder=True)
        self.context: int = getattr(config, "max_position_embeddings", None) or 2**31 - 1
        """Most tokens the model can see."""
        base = getattr(model, "get_base_model", lambda: model)()  # an adapter's forward hides the model's own
        accepted = inspect.signature(base.forward).parameters
        self._extra = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._wants_positions = "position_ids" in accepted

    def sample(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[Sequence[int]], sampling: Sampling, ends: Ends
    ) -> list[list[Reply]]:
        """One reply per seed of each prompt, in order.

        Raises:
            RunError: not even one row fits into memory, or the model's logits are not numbers.
        """
        if sampling.max_tokens < 1:
            raise UsageError(f"max_tokens is {sampling.max_tokens}; at least 1 was expected")
        jobs = [(p, s) for p, own in enumerate(seeds) for s in range(len(own))]
        jobs.sort(key=lambda job: (-len(prompts[job[0]]), tuple(prompts[job[0]])))
        replies: dict[tuple[int, int], Reply] = {}
        training = self.model.training
        self.model.eval()
        try:
            while jobs:
                now = jobs[: self.rows]
                work = [(prompts[p], seeds[p][s]) for p, s in now]
                try:
                    replies.update(zip(now, self._batch(work, sampling, ends), strict=True))
                except RuntimeError as error:
                    self._back_off(error, len(now))
                else:
                    jobs = jobs[len(now) :]
        finally:
            self.model.train(training)
        return [[replies[p, s] for s in range(len(own))] for p, own in enumerate(seeds)]

    def _batch(self, work: list[tuple[Sequence[int], int]], sampling: Sampling, ends: Ends) -> list[Reply]:
        with torch.inference_mode():
            return _Batch(self, work, sampling, ends).run()

    def _back_off(self, error: Exception, rows: int) -> None:
        """Halve the batch after an out-of-memory error; anything else goes on up."""
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise error
        if rows == 1:
            raise RunError(
                f"out of memory while sampling a single reply ({error})\n"
                "  use a shorter max_tokens, a smaller model or a smaller dtype"
            ) from error
        self.rows = rows // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def forward(self, ids: Tensor, mask: Tensor | None, positions: Tensor, cache: SlotCache) -> Tensor:
        """(B, V) logits after the last of `ids`."""
        where = {"position_ids": positions} if self._wants_positions else {}
        out = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **where, **self._extra
        )
        return out.logits[:, -1]  # type: ignore[no-any-return]


class _Batch:
    """Rows sampled together. Slots are places in the batch; `row[slot]` is the row that lives there."""

    def __init__(self, sampler: Sampler, work: list[tuple[Sequence[int], int]], sampling: Sampling, ends: Ends) -> None:
        self.sampler, self.sampling, self.ends = sampler, sampling, ends
        self.device = sampler.model.device
        places: dict[tuple[int, ...], int] = {}
        self.prompt = np.array([places.setdefault(tuple(ids), len(places)) for ids, _ in work])
        self.prompts = list(places)
        self.seeds = np.array([seed for _, seed in work], dtype=np.uint64)
        room = np.array([sampler.context - len(ids) for ids, _ in work])
        self.limit = np.minimum(room, sampling.max_tokens).clip(min=0)
        self.row = np.arange(len(work))
        self.live = np.ones(len(work), dtype=np.bool_)
        longest = int(self.limit.max())
        self.ids = np.zeros((len(work), longest), dtype=np.int32)
        self.logprobs = np.zeros((len(work), longest), dtype=np.float32)
        self.length = np.zeros(len(work), dtype=np.int64)
        self.stopped = np.zeros(len(work), dtype=np.bool_)
        self.cache = SlotCache()
        self.mask: Tensor | None = None
        self.tokens: Tensor
        self.positions: Tensor

    def run(self) -> list[Reply]:
        self._leave(self.limit == 0, 0)
        if self.live.any():
            logits = self._prefill()
            step = 0
            while True:
                self._take_tokens(logits, step)
                step += 1
                if not self.live.any():
                    break
                self._drop()
                mask = None if self.mask is None else self.mask[:, : self.width + step]
                logits = self.sampler.forward(self.tokens, mask, self.positions, self.cache)
                self.positions = self.positions + 1
        if np.isnan(self.logprobs).any():
            raise RunError("the model's logits are not finite: its weights are broken, go back to an earlier snapshot")
        return [
            Reply(self.ids[r, :n].copy(), self.logprobs[r, :n].copy(), bool(self.stopped[r]))
            for r, n in enumerate(self.length)
        ]

    def _prefill(self) -> Tensor:
        """Run the prompts once each; (slots, V) logits of the first new token.

        Layout of the cache: what all prompts begin with (run as one row), padding, the rest of the prompt, new tokens.
        """
        room = int(self.limit.max())
        shared = self._shared_prefix()
        if shared:
            ids = torch.tensor([self.prompts[0][:shared]], device=self.device)
            self.sampler.forward(ids, None, torch.arange(shared, device=self.device)[None], self.cache)
        rests = [prompt[shared:] for prompt in self.prompts]
        lengths = torch.tensor([len(rest) for rest in rests])
        width = int(lengths.max())
        self.width = shared + width
        if shared:
            self.cache.spread(torch.zeros(len(rests), dtype=torch.long, device=self.device), width + min(room, ROOM))
        ids = torch.zeros((len(rests), width), dtype=torch.long)
        for i, rest in enumerate(rests):
            ids[i, width - len(rest) :] = torch.tensor(rest)
        pads = (width - lengths)[:, None]
        mask = None
        if bool(pads.any()):
            mask = torch.nn.functional.pad((torch.arange(width) >= pads).long(), (shared, 0), value=1).to(self.device)
        positions = (shared + torch.arange(width) - pads).clamp_(min=shared).to(self.device)
        logits = self.sampler.forward(ids.to(self.device), mask, positions, self.cache)
        source = torch.from_numpy(self.prompt).to(self.device)
        if len(source) > len(rests):
            self.cache.spread(source, min(room, ROOM))
        if mask is not None:
            self.mask = torch.nn.functional.pad(mask[source], (0, room), value=1)
        self.positions = (shared + lengths)[:, None].to(self.device)[source]
        return logits[source]

    def _shared_prefix(self) -> int:
        """How many first tokens of all prompts to run only once; 0 where that is not worth it, or not possible."""
        first, last = min(self.prompts), max(self.prompts)
        longest = min(map(len, self.prompts)) - 1  # every prompt keeps a token of its own, whose logits are needed
        same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), longest)
        shared = min(same, longest)
        # Padding after the prefix would push it out of sliding windows.
        return 0 if self.sampler.slides or shared * (len(self.prompts) - 1) < WORTH_SHARING else shared

    def _take_tokens(self, logits: Tensor, step: int) -> None:
        """Draw token number `step` of every slot, and see which rows it ends."""
        uniform = torch.from_numpy(uniforms(self.seeds[self.row], step))[:, None].to(self.device)
        self.tokens, logprobs = draw(logits, uniform, self.sampling)
        tokens = self.tokens[:, 0].cpu().numpy()
        self.ids[self.row, step] = tokens
        self.logprobs[self.row, step] = logprobs[:, 0].cpu().numpy()
        ended = self.live & self.ends.after(tokens, self.ids, self.row, step)
        self.stopped[self.row[ended]] = True
        self._leave(ended | (self.limit[self.row] == step + 1), step + 1)

    def _leave(self, slots: NDArray[np.bool_], length: int) -> None:
        leaving = slots & self.live
        self.length[self.row[leaving]] = length
        self.live &= ~leaving

    def _drop(self) -> None:
        """Fill the slots of ended rows with the last live ones, when enough of them have ended."""
        slots, rows = len(self.live), int(self.live.sum())
        if rows == slots or slots - rows < slots * DROP_SHARE:
            return
        holes = np.flatnonzero(~self.live[:rows])
        movers = rows + np.flatnonzero(self.live[rows:])
        to, source = torch.from_numpy(holes).to(self.device), torch.from_numpy(movers).to(self.device)
        self.cache.drop(to, source, rows)
        self.tokens, self.positions = _filled(self.tokens, to, source, rows), _filled(self.positions, to, source, rows)
        if self.mask is not None:
            self.mask = _filled(self.mask, to, source, rows)
        self.row[holes] = self.row[movers]
        self.row = self.row[:rows]
        self.live = np.ones(rows, dtype=np.bool_)


def _filled(values: Tensor, holes: Tensor, movers: Tensor, rows: int) -> Tensor:
    values[holes] = values[movers]
    return values[:rows]
