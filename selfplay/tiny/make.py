"""Make a tiny model: warm start by supervised fine-tuning on demonstrations, then say on a card what came out.

The loss is the mean negative log-likelihood of the replies' tokens (prompts are not learned); AdamW, a short linear
warm-up and a linear decay to zero. The result is a function of demonstrations, settings and seed, on one machine with
one number of torch threads. What the model can do is measured by the caller (`evaluate`), because this module knows no
games; it is measured on the files as written, after rounding to float16.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from torch import Tensor
from transformers import LlamaForCausalLM

from selfplay.errors import UsageError
from selfplay.game import Demo
from selfplay.policies.chat import Chat
from selfplay.policies.hf import LocalPolicy
from selfplay.policies.loading import save_hf
from selfplay.policies.scoring import chosen_logprobs
from selfplay.tiny.model import Shape, build_model
from selfplay.tiny.store import load_tiny
from selfplay.tiny.tokenizer import build_tokenizer, find_phrases
from selfplay.types import Json

SURVEYED = 4000
"""Demonstrations read to find phrases; they are learned from as well."""
STEPS = 290
"""Steps by default: what `tiny:countdown` was made with."""
WARM_UP = 20
"""Steps until the full learning rate."""
TOGETHER = 64
"""Rows that go through the model at once."""
LOOK = 10
"""Steps between two looks whether the model knows enough."""


@dataclass(slots=True)
class Card:
    """How a tiny model was made and what it can do; ``card.json`` beside the weights."""

    name: str
    games: list[str]
    parameters: int
    vocabulary: int
    shape: dict[str, float]
    steps: int
    rows: int
    """Demonstrations per step."""
    lr: float
    seed: int
    demonstrations: int
    """Learned from in all."""
    roles: dict[str, int]
    """Of these, per role."""
    loss: float
    """Mean over the last tenth of the steps, nats per token."""
    cpu_seconds: float
    versions: dict[str, str]
    commit: str
    sha256: str
    """Of the weights file."""
    scores: dict[str, Json] = field(default_factory=dict)
    """What `evaluate` found: parse rates, held-out solve rates."""


class _Row(NamedTuple):
    role: str
    prompt: list[int]
    reply: list[int]


def make_tiny(
    demos: Iterable[Demo],
    *,
    name: str,
    out: Path,
    steps: int = STEPS,
    batch: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
    shape: Shape | None = None,
    games: Sequence[str] = (),
    commit: str = "",
    evaluate: Callable[[LocalPolicy], dict[str, Json]] | None = None,
    enough: Callable[[LocalPolicy], bool] | None = None,
    on_progress: Callable[[int, int, float], None] | None = None,
) -> Card:
    """Train a model on a stream of demonstrations and write it to the folder `out`.

    Args:
        demos: an endless stream, or at least `steps` * `batch` of them.
        evaluate: given the finished model as a policy, returns the card's scores.
        enough: looks at the model now and then; once it returns True, training ends before its last step.
        on_progress: called after each step with (step, steps, loss).

    Raises:
        UsageError: there are too few demonstrations, or one does not fit the model's context.
    """
    started = time.process_time()
    shape = shape or Shape()
    stream = iter(demos)
    first = list(itertools.islice(stream, min(SURVEYED, steps * batch)))
    tokenizer = build_tokenizer(find_phrases(first))
    model = build_model(tokenizer, shape, seed)
    chat = Chat(tokenizer)
    rows = (_row(chat, demo, shape.context) for demo in itertools.chain(first, stream))
    stop = (lambda: enough(LocalPolicy(model, tokenizer))) if enough else (lambda: False)
    losses, roles = _train(model, rows, steps, batch, lr, stop, on_progress)
    steps = len(losses)
    save_hf(model.half(), tokenizer, out)
    card = Card(
        name=name, games=list(games), parameters=model.num_parameters(), vocabulary=len(tokenizer),
        shape=asdict(shape), steps=steps, rows=batch, lr=lr, seed=seed, demonstrations=steps * batch, roles=roles,
        loss=sum(losses[-max(1, steps // 10) :]) / max(1, steps // 10),
        cpu_seconds=round(time.process_time() - started, 1),
        versions={"torch": torch.__version__, "transformers": transformers.__version__}, commit=commit,
        sha256=hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest(),
    )  # fmt: skip
    if evaluate is not None:
        card.scores = evaluate(load_tiny(out))
    (out / "card.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    return card


def _row(chat: Chat, demo: Demo, context: int) -> _Row:
    row = _Row(demo.role, chat.opening(demo.messages), chat.reply(demo.reply))
    if len(row.prompt) + len(row.reply) > context:
        raise UsageError(
            f"a demonstration of role {demo.role!r} takes {len(row.prompt) + len(row.reply)} tokens;"
            f" the model's context holds {context}\n  shorten it, or give the model a longer context"
        )
    return row


def _train(
    model: LlamaForCausalLM,
    rows: Iterator[_Row],
    steps: int,
    batch: int,
    lr: float,
    stop: Callable[[], bool],
    on_progress: Callable[[int, int, float], None] | None,
) -> tuple[list[float], dict[str, int]]:
    """The loop itself; returns the loss of each step and how many rows each role had."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, 1.0) * (1.0 - step / steps)
    )
    losses: list[float] = []
    roles: dict[str, int] = {}
    model.train()
    for step in range(1, steps + 1):
        chunk = list(itertools.islice(rows, batch))
        if len(chunk) < batch:
            raise UsageError(f"the demonstrations ended in step {step} of {steps}; {steps * batch} were expected")
        for row in chunk:
            roles[row.role] = roles.get(row.role, 0) + 1
        optimizer.zero_grad()
        losses.append(_backward(model, chunk))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if on_progress is not None:
            on_progress(step, steps, losses[-1])
        if step % LOOK == 0 and step > WARM_UP:
            model.eval()
            if stop():
                break
            model.train()
    model.eval()
    return losses, roles


def _backward(model: LlamaForCausalLM, rows: Sequence[_Row]) -> float:
    """Gradients of the mean negative log-likelihood of all replies' tokens, and that mean.

    Rows of similar length go through the model together: padded to the longest of all, most of the work is padding.
    """
    tokens = sum(len(row.reply) for row in rows)
    ordered = sorted(rows, key=lambda row: len(row.prompt) + len(row.reply))
    total = 0.0
    for start in range(0, len(ordered), TOGETHER):
        loss = _loss(model, ordered[start : start + TOGETHER]) / tokens
        loss.backward()
        total += loss.item()
    return total


def _loss(model: LlamaForCausalLM, rows: Sequence[_Row]) -> Tensor:
    """Negative log-likelihood of the replies' tokens, summed; logits are computed only where a reply token follows."""
    width = max(len(row.prompt) + len(row.reply) for row in rows) - 1
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    places: list[int] = []
    for i, row in enumerate(rows):
        tokens = (row.prompt + row.reply)[:-1]
        ids[i, : len(tokens)] = torch.tensor(tokens)
        places += range(i * width + len(row.prompt) - 1, i * width + len(tokens))
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden.flatten(0, 1)[places])
    return -chosen_logprobs(logits, torch.tensor([t for row in rows for t in row.reply])).sum()
