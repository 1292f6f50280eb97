"""How fast is learning? Two ratios, each of runs that alternate on the same machine (higher is better for us).

    python benchmarks/training.py [--runs 7] [--json FILE]

1. *step*: one update on the same 256 rows with the plain learner and with the TRL learner (micro-batching, collating,
   loss, backward pass, clipping, AdamW and all statistics), against a bare torch loop that gets ready-made tensors in
   the same micro-batches and computes nothing but the update. Wanted: at least 0.85 of the bare loop's speed. Two
   shapes: short replies to short prompts, and longer ones.
2. *generation and step*: 32 prompts x 8 replies x 8 tokens, one role, sampled, rewarded and learned from: the arena
   with our sampler, credit, rows and `RowTrainer` against stock `GRPOTrainer`, same model, prompts, loss and optimiser.
   Wanted: at least 1.0 of its samples per second.

Model: a random Llama of 1.8 M parameters. One torch thread; CPU seconds; medians over paired runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before torch starts: its setting does not reach other threads

import numpy as np
import torch

from selfplay import Game, Match, Role
from selfplay.arena import Arena
from selfplay.learning.batches import micro_batches
from selfplay.learning.credit import credit
from selfplay.learning.learner import LearnerSettings, UpdateStats
from selfplay.learning.plain import PlainLearner
from selfplay.learning.rows import rows_from
from selfplay.learning.trl_learner import TrlLearner
from selfplay.policies.hf import LocalPolicy
from selfplay.tiny.model import Shape, build_model
from selfplay.tiny.tokenizer import build_tokenizer
from selfplay.types import Pairing, Player, Row, Sampling

SHAPE = Shape(hidden=192, layers=4, intermediate=512)
PROMPTS, REPLIES, TOKENS = 32, 8, 8
SETTINGS = LearnerSettings(lr=1e-4)
TOKENIZER = build_tokenizer()


class Line(NamedTuple):
    """One result."""

    name: str
    ours: float
    """Median, CPU seconds."""
    theirs: float
    ratio: float
    """Median of the paired ratios theirs / ours: above 1, we are faster."""
    wanted: float
    runs: int


def paired(name: str, wanted: float, runs: int, ours: Callable[[], float], theirs: Callable[[], float]) -> Line:
    """Time both in turn, the first pair unrecorded, each first every other time."""
    pairs = []
    for i in range(runs + 1):
        pair = (ours(), theirs()) if i % 2 else (theirs(), ours())[::-1]
        pairs.append(pair)
    mine, other = zip(*pairs[1:], strict=True)
    ratio = statistics.median(b / a for a, b in pairs[1:])
    return Line(name, statistics.median(mine), statistics.median(other), ratio, wanted, runs)


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# ------------------------------------------------------------------------------------------------ 1. the update alone


def random_rows(count: int, prompt: int, completion: int) -> list[Row]:
    """Rows of about these lengths, with advantages for every token."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        p, t = prompt + int(rng.integers(-2, 3)), int(rng.integers(completion // 2, completion + 1))
        ids = [rng.integers(0, 256, n).astype(np.int32) for n in (p, t)]
        old = np.full(t, -np.log(len(TOKENIZER)), np.float32)
        advantages = rng.normal(size=t).astype(np.float32)
        rows.append(Row(*ids, np.ones(t, bool), old, advantages, "solver", "", "learner", 0))
    return rows


class BareLoop:
    """What one would write by hand for these rows and no others: tensors made beforehand, the clipped loss, AdamW."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.model = build_model(TOKENIZER, SHAPE, seed=0).train()
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=SETTINGS.lr, betas=SETTINGS.betas, weight_decay=0.0, fused=True
        )
        self.batches = [self._tensors(micro.rows) for micro in micro_batches(rows, SETTINGS)]
        self.tokens = sum(int(picked.sum()) for _, picked, _, _ in self.batches)

    def _tensors(self, rows: Sequence[Row]) -> tuple[torch.Tensor, ...]:
        width = max(len(r.prompt_ids) + len(r.completion_ids) for r in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        picked, old, advantages = (torch.zeros((len(rows), width)) for _ in range(3))
        for i, row in enumerate(rows):
            a, b = len(row.prompt_ids), len(row.prompt_ids) + len(row.completion_ids)
            ids[i, :b] = torch.from_numpy(np.concatenate([row.prompt_ids, row.completion_ids]))
            picked[i, a:b] = 1
            old[i, a:b], advantages[i, a:b] = torch.from_numpy(row.logprobs), torch.from_numpy(row.advantages)
        return ids, picked[:, 1:].bool(), old[:, 1:], advantages[:, 1:]

    def update(self) -> None:
        for ids, picked, old, advantages in self.batches:
            logits = self.model(input_ids=ids[:, :-1], use_cache=False).logits[picked]
            logprobs = torch.log_softmax(logits, -1).gather(-1, ids[:, 1:][picked][:, None])[:, 0]
            ratio = torch.exp(logprobs - old[picked])
            a = advantages[picked]
            loss = -torch.minimum(ratio * a, ratio.clamp(0.8, 1.28) * a).sum() / self.tokens
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), SETTINGS.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()


def step_lines(runs: int, count: int, prompt: int, completion: int) -> Iterator[Line]:
    rows = random_rows(count, prompt, completion)
    bare = BareLoop(rows)
    plain = PlainLearner(build_model(TOKENIZER, SHAPE, seed=0), SETTINGS)
    shape = f"{count} rows of {prompt} + {completion // 2}-{completion} tokens"

    def bare_step() -> float:
        return cpu_seconds(bare.update)

    with Alternating(TrlLearner(build_model(TOKENIZER, SHAPE, seed=0), TOKENIZER, SETTINGS)) as trl:
        plain_step = partial(cpu_seconds, partial(plain.update, rows))
        yield paired(f"plain / bare, {shape}", 0.85, runs, plain_step, bare_step)
        yield paired(f"TRL learner / bare, {shape}", 0.85, runs, partial(trl.step, lambda: rows), bare_step)


# ------------------------------------------------------------------------------------------- 2. generation and update


class Digits(Game):
    """Write digits: a task that costs nothing to judge."""

    writer = Role("Write digits.")

    async def play(self, match: Match) -> None:
        for move in await match.ask(self.writer, f"{match.rng.randint(100, 999)}", n=REPLIES):
            move.reward = digits(move.text)


def digits(text: str) -> float:
    """Share of digits in a reply."""
    return sum(c.isdigit() for c in text) / max(1, len(text))


class Alternating:
    """Runs a learner, whose loop owns its thread, one update at a time."""

    def __init__(self, learner: TrlLearner) -> None:
        self._learner = learner
        self._make: Callable[[], Sequence[Row]] | None = None
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=lambda: learner.train(self._batches(), self._finished), daemon=True)

    def __enter__(self) -> Alternating:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._make = None
        self._go.release()
        self._thread.join()

    def _batches(self) -> Iterator[Sequence[Row]]:
        while True:
            self._go.acquire()
            if self._make is None:
                return
            yield self._make()

    def _finished(self, stats: UpdateStats) -> None:
        self._done.release()

    def step(self, make: Callable[[], Sequence[Row]]) -> float:
        """CPU seconds from asking for rows to having learned from them."""
        self._make = make
        start = time.process_time()
        self._go.release()
        self._done.acquire()
        return time.process_time() - start


class Stock:
    """TRL's own GRPOTrainer on the same task, one step at a time."""

    def __init__(self) -> None:
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl.trainer.grpo_config import GRPOConfig
        from trl.trainer.grpo_trainer import GRPOTrainer

        go, done = self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)

        class Turns(TrainerCallback):
            def on_train_begin(self, *_: object, **__: object) -> None:
                go.acquire()

            def on_step_end(self, args: object, state: object, control: Any, **_: object) -> None:
                done.release()
                go.acquire()

        args = GRPOConfig(
            output_dir=tempfile.mkdtemp(),
            learning_rate=SETTINGS.lr,
            lr_scheduler_type="constant",
            max_steps=10_000,
            per_device_train_batch_size=PROMPTS * REPLIES,
            num_generations=REPLIES,
            max_completion_length=TOKENS,
            epsilon_high=SETTINGS.clip_high,
            beta=0.0,
            bf16=False,
            activation_checkpointing=False,
            disable_tqdm=True,
            report_to="none",
            save_strategy="no",
            logging_steps=10_000,
        )
        system = {"role": "system", "content": Digits.writer.instructions}
        numbers = np.random.default_rng(0).integers(100, 1000, 4096)
        prompts = [[system, {"role": "user", "content": str(number)}] for number in numbers]
        self._trainer = GRPOTrainer(
            model=build_model(TOKENIZER, SHAPE, seed=0),
            reward_funcs=lambda completions, **_: [digits(c[0]["content"]) for c in completions],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            processing_class=TOKENIZER,
            callbacks=[Turns()],
        )
        threading.Thread(target=self._trainer.train, daemon=True).start()

    def step(self) -> float:
        """CPU seconds of one step, generation included."""
        start = time.process_time()
        self._go.release()
        self._done.acquire()
        return time.process_time() - start


class OurStep:
    """The same task through the whole of this framework: matches, credit, rows."""

    def __init__(self) -> None:
        self.model = build_model(TOKENIZER, SHAPE, seed=0)
        player = Player("learner", LocalPolicy(self.model, TOKENIZER), Sampling(max_tokens=TOKENS))
        self._arena = Arena({"digits": Digits()}, {"learner": player})
        self._generation = 0

    def rows(self) -> list[Row]:
        self._generation += 1
        g = self._generation
        order = [
            Pairing("digits", {"writer": "learner"}, {"writer": True}, i, i, g, sampling_seed=g) for i in range(PROMPTS)
        ]
        records = list(self._arena.play(order))
        made = rows_from(records, credit(records, {}).advantages).rows
        assert len(made) == PROMPTS * REPLIES and {str(r.ending) for r in records} == {"ok"}
        return made


def whole_line(runs: int) -> Line:
    stock, ours = Stock(), OurStep()
    with Alternating(TrlLearner(ours.model, TOKENIZER, SETTINGS)) as learner:
        name = f"generation + update / stock GRPOTrainer, {PROMPTS} x {REPLIES} x {TOKENS} tokens"
        return paired(name, 1.0, runs, lambda: learner.step(ours.rows), stock.step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        *step_lines(options.runs, 256, 24, 16),
        *step_lines(options.runs, 64, 64, 128),
        whole_line(options.runs),
    ]
    print(f"{'':62} {'ours':>9} {'theirs':>9} {'ratio':>6} {'wanted':>7}")
    for line in lines:
        times = f"{line.ours * 1e3:6.0f} ms {line.theirs * 1e3:6.0f} ms {line.ratio:6.2f} {line.wanted:7.2f}"
        print(f"{line.name:62} {times}{'' if line.ratio >= line.wanted else '  MISSED'}")
    samples = PROMPTS * REPLIES
    print(f"samples per CPU second: ours {samples / lines[-1].ours:.0f}, stock {samples / lines[-1].theirs:.0f}")
    if options.json:
        options.json.write_text(json.dumps([line._asdict() for line in lines], indent=2) + "\n")


if __name__ == "__main__":
    main()
