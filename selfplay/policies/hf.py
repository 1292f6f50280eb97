"""`hf:PATH_OR_ID` - a local transformers model as a policy.

Conversations are kept as the ids that were sampled: a request's prompt is the ids of its turns so far plus the ids of
its new messages (`chat`). Loading is the business of `loading`.
A `LocalPolicy` shares its model with whoever trains it; the trainer raises `weights_version` after each update. It may
be called from a worker thread, by one caller at a time, and not while the same model is being updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from selfplay.policies.chat import Chat
from selfplay.policies.ends import Ends, Pieces
from selfplay.policies.sampler import Reply, Sampler
from selfplay.types import Completion, FinishReason, Request, Sampling

if TYPE_CHECKING:
    from selfplay.types import TokenIds

ROWS = {"cpu": 256}
"""Replies sampled together by default, per kind of device; 512 on those not listed."""


class _Prompt(NamedTuple):
    ids: list[int]
    """The whole prefix."""
    new: TokenIds
    """Its end: what this request adds."""
    over: bool
    """The reply to be continued has already ended; it is continued by nothing."""


class LocalPolicy:
    """A model in this process, as a `selfplay.types.Policy`.

    Args:
        model: a causal language model; not copied.
        tokenizer: its tokenizer; the chat template is taken from it.
        rows: most replies sampled together; by default what suits the device. Halved whenever memory runs out.
        weights_version: stamped on every completion.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        rows: int | None = None,
        weights_version: int = 0,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.weights_version = weights_version
        self.sampler = Sampler(model, rows=rows or ROWS.get(model.device.type, 512))
        self.chat = Chat(tokenizer)
        self.pieces = Pieces(tokenizer)
        self.end_ids = self._find_end_ids()
        self._ends: dict[tuple[str, ...], Ends] = {}

    def complete(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Replies for each request, one per seed, in order."""
        out: list[list[Completion]] = [[] for _ in requests]
        groups: dict[Sampling, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(request.sampling, []).append(i)
        for sampling, members in groups.items():
            for i, completions in zip(members, self._sample([requests[i] for i in members], sampling), strict=True):
                out[i] = completions
        return out

    def _sample(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Completion]]:
        prompts = [self._prompt(request) for request in requests]
        ends = self._ends_for(sampling.stop)
        replies = self.sampler.sample(
            [prompt.ids for prompt in prompts],
            [() if prompt.over else request.seeds for request, prompt in zip(requests, prompts, strict=True)],
            sampling,
            ends,
        )
        nothing = Reply(np.zeros(0, np.int32), np.zeros(0, np.float32), True)
        return [
            [self._completion(prompt, reply, ends) for reply in own or [nothing] * len(request.seeds)]
            for request, prompt, own in zip(requests, prompts, replies, strict=True)
        ]

    def _prompt(self, request: Request) -> _Prompt:
        prefix = self.chat.prefix_ids(request.parent)
        if not request.messages:
            return _Prompt(prefix, np.zeros(0, np.int32), over=prefix[-1] in self.end_ids)
        new = self.chat.new_ids(request.messages, prefix)
        return _Prompt(prefix + new, np.array(new, np.int32), over=False)

    def _completion(self, prompt: _Prompt, reply: Reply, ends: Ends) -> Completion:
        before = () if prompt.new.size else prompt.ids[-8:]
        return Completion(
            text=ends.cut(self.pieces.decode(reply.token_ids.tolist(), before)),
            prompt_ids=prompt.new,
            token_ids=reply.token_ids,
            logprobs=reply.logprobs,
            finish_reason=FinishReason.STOP if reply.stopped else FinishReason.LENGTH,
            weights_version=self.weights_version,
        )

    def _ends_for(self, stop: tuple[str, ...]) -> Ends:
        if stop not in self._ends:
            vocabulary = self.model.config.get_text_config(decoder=True).vocab_size
            self._ends[stop] = Ends(vocabulary, self.end_ids, self.pieces, stop)
        return self._ends[stop]

    def _find_end_ids(self) -> frozenset[int]:
        """Every token that ends a reply, as model, tokenizer and chat template name them."""
        found: set[int] = set()
        generation = getattr(self.model, "generation_config", None)
        for ids in (getattr(generation, "eos_token_id", None), self.tokenizer.eos_token_id, self.chat.end_of_turn):
            found.update(ids if isinstance(ids, Iterable) else [] if ids is None else [ids])
        return frozenset(found)
