"""A run folder with plausible curves, written through the same writer as a real one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from selfplay.record import Run, RunFolder, RunWriter, events, new_info
from selfplay.record.events import Metrics
from selfplay.types import Completion, Ending, Fact, MatchRecord, Message, Move, Pairing, Task, Turn

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] [/nope] <script>alert(1)</script> \u202eevil \ud800 \x00 \r\nsecond ✓"


def make_move(id: str, seat: str, said: str, text: str, reward: float | None, parent: Move | None = None) -> Move:
    system = () if parent else (Message("system", f"You are the {seat}."),)
    messages = (*system, Message("user", said))
    ids = np.arange(len(text), dtype=np.int32)
    completion = Completion(text, ids[:3], ids, np.full(len(text), -0.5, np.float32))
    turn = Turn(parent.turn if parent else None, messages, completion)
    move = Move(id, parent, seat, seat, "", None, "learner", True, False, messages, completion, turn)
    move.reward = reward
    return move


def make_match(generation: int, number: int, skill: float, replies: int = 4, text: str | None = None) -> MatchRecord:
    rng = random.Random(f"{generation} {number}")
    size = rng.choice([3, 3, 4, 5] if generation < 3 else [3, 4, 4, 5, 5])
    puzzle = "*".join(str(rng.randint(1, 9)) for _ in range(size))
    moves = [make_move("0", "proposer", f"Expression over {size} numbers:", text or puzzle, 0.5)]
    marks = [int(rng.random() < skill) for _ in range(replies)]
    for i, mark in enumerate(marks):
        moves.append(make_move(f"1.{i}", "solver", f"Numbers {puzzle}", text or f"{puzzle}-{1 - mark}", float(mark)))
    if replies > 2:
        moves[-1].penalise("not an expression", 0.0)
    rate = sum(marks) / replies
    facts = [
        Fact((2,), "check", {"outcome": "pass", "score": 1.0, "status": "OK", "detail": text or "", "about": ["1.0"]}),
        Fact((3,), "note", {"size": size, "solve_rate": rate, "comment": text or "plain"}),
        Fact((4,), "show", {"text": text or f"board {puzzle}"}),
        Fact((5,), "tell", {"seats": ["solver"], "text": text or "well done"}),
        Fact((6,), "secret", {"seat": "proposer", "text": text or "the witness"}),
    ]
    seats = {"proposer": "learner", "solver": "learner"}
    pairing = Pairing("countdown", seats, dict.fromkeys(seats, True), 88213 + number, number, generation, task=Task())
    return MatchRecord(pairing, {}, moves, facts, {"solver": rate}, Ending.OK)


def metrics_of(update: int, matches: int) -> Metrics:
    wave = math.sin(update / 3) / 20
    role = {
        "reward_mean": 0.3 + update / 100, "reward_variance": 0.2, "foul_rate": 0.08 / (1 + update) + 0.01,
        "length": 14 + 3 * wave, "entropy": 0.7 - update / 100, "kl": 0.001 * update, "masked_share": 0.01,
        "zero_variance_share": 0.2 + wave,
    }  # fmt: skip
    return {
        "update": update, "generation": update, "wall_s": 2.0 * (update + 1), "matches": matches, "moves": matches * 5,
        "tokens": matches * 90, "roles": {"proposer": role, "solver": role}, "duplicate_share": 0.05 + wave / 5,
        "loss": 0.1, "grad_norm": 1.0, "lr": 1e-4, "timing": {"generate_s": 1.2, "learn_s": 0.7, "other_s": 0.1},
    }  # type: ignore[typeddict-item]  # fmt: skip


def canary_of(generation: int) -> events.Event:
    levels = {str(n): [int((i * 37 + n) % 100 < 100 * p) for i in range(100)] for n, p in (
        (3, 0.40 + generation / 60), (4, 0.18 + generation / 90), (5, 0.06 + generation / 120))}  # fmt: skip
    return events.canary(generation, generation, levels, sum(map(sum, levels.values())) / 300)


def play_generation(writer: RunWriter, generation: int, *, per: int = 12, text: str | None = None) -> None:
    writer.event(events.generation_started(generation, per))
    for number in range(per):
        writer.match(make_match(generation, number, 0.3 + generation / 50, text=text))
    writer.event(events.generation_closed(generation, per, per * 5, per * 90, {"ok": per}, {"solver": 0.4}))
    writer.metrics(metrics_of(generation, per * (generation + 1)))
    if generation % 2 == 1:
        writer.event(canary_of(generation + 1))


def make_run(root: Path, generations: int = 8, planned: int = 20, text: str | None = None) -> RunFolder:
    """A run that has played `generations` of `planned`; nobody is at it."""
    info = new_info(text or "countdown-tiny", 0, game="countdown")
    folder = RunFolder.create(root, "countdown-tiny", "", "", info)
    with RunWriter(folder) as writer:
        writer.event(events.run_started(info.id, "countdown", "recipe.toml", planned))
        writer.event(canary_of(0))
        for generation in range(generations):
            play_generation(writer, generation, text=text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "runs")


@pytest.fixture
def run(folder: RunFolder) -> Run:
    return Run(folder)


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., RunFolder]:
    return lambda **how: make_run(tmp_path / "other", **how)


@pytest.fixture
def match_of() -> Callable[..., MatchRecord]:
    return make_match


@pytest.fixture
def play() -> Callable[..., None]:
    return play_generation


@pytest.fixture
def hostile() -> str:
    return HOSTILE
