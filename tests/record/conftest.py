"""Records and run folders to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from selfplay.record import RunFolder, new_info
from selfplay.types import Completion, Ending, Fact, FinishReason, MatchRecord, Message, Move, Pairing, Task, Turn

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/] <script>alert(1)</script> \u2028 \ud800 \x00 \r\n ✓"


def make_move(
    id: str,
    seat: str,
    text: str,
    *,
    parent: Move | None = None,
    said: str = "go",
    tokens: int | None = 3,
    **more: object,
) -> Move:
    messages = (Message("user", said),) if parent else (Message("system", f"You are {seat}."), Message("user", said))
    rng = np.random.default_rng([len(text), len(id)])
    arrays = {} if tokens is None else {
        "prompt_ids": rng.integers(0, 999, 5, dtype=np.int32),
        "token_ids": rng.integers(0, 999, tokens, dtype=np.int32),
        "logprobs": -rng.random(tokens, dtype=np.float32),
    }  # fmt: skip
    completion = Completion(text, finish_reason=FinishReason.LENGTH, weights_version=4, **arrays)  # type: ignore[arg-type]
    turn = Turn(parent.turn if parent else None, messages, completion, ((0,), (1, 2)))
    move = Move(
        id, parent, seat.partition("#")[0], seat, "", None, f"p-{seat}", True, False, messages, completion, turn
    )
    for name, value in more.items():
        setattr(move, name, value)
    return move


def make_record(number: int = 0, generation: int = 0) -> MatchRecord:
    """A match with a reply thread, siblings, a foul, a mask, a bot without tokens, verdicts, notes and hostile text."""
    first = make_move("0", "proposer", f"3*4+{number}", said="Make a puzzle", _reward=0.1 + 0.2)
    again = make_move("1", "proposer", HOSTILE, parent=first, said="Again", tokens=0)
    good = make_move("2.0", "solver", "4*3", said="Solve 12", _reward=1.0, keep=True)
    bad = make_move("2.1", "solver", "banana", said="Solve 12", tokens=None)
    bad.penalise("not an expression", None)
    facts = [
        Fact(
            (3,),
            "check",
            {"outcome": "pass", "score": 1.0, "status": "OK", "blame": None, "detail": "", "about": ["2.0"]},
        ),
        Fact((4,), "note", {"size": 3 + number % 2, "solve_rate": 0.5}),
    ]
    pairing = Pairing(
        "countdown", {"solver": "p-solver", "proposer": "p-proposer"}, {"solver": True, "proposer": True},
        seed=2**64 - 1 - number, number=number, generation=generation, task=Task({"z": 1, "a": [1, None]}, "pool", "k"),
        sampling_seed=2**63 + 5,
    )  # fmt: skip
    result = {"solver": 1.0, "proposer": -1.0}
    return MatchRecord(pairing, {"attempts": 2}, [first, again, good, bad], facts, result, Ending.OK)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(
        tmp_path / "runs", "test run", "a = 1\n", "a = 1 # one\n", new_info("test run", 7, game="countdown")
    )


@pytest.fixture
def record_of() -> Callable[..., MatchRecord]:
    return make_record


@pytest.fixture
def move_of() -> Callable[..., Move]:
    return make_move


@pytest.fixture
def hostile() -> str:
    return HOSTILE
