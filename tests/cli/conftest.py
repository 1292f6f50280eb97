"""The command line in this process, and a run folder as a league leaves it, with matches really played by bots."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from selfplay.arena import Arena
from selfplay.cli import run as run_command
from selfplay.cli import screen
from selfplay.games import make_game
from selfplay.policies.bots import ScriptedPolicy
from selfplay.record import RunFolder, RunWriter, Status, events, new_info
from selfplay.run.recipe_file import recipe_from, to_toml
from selfplay.types import Pairing, Player

SETTINGS = {"attempts": 2, "sizes": [3]}


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def selfplay(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Call with the words of a command line; nothing is shown as on a terminal."""

    def call(*args: object) -> Result:
        capsys.readouterr()
        screen._console.cache_clear()
        code = run_command([str(arg) for arg in args])
        return Result(code, *capsys.readouterr())

    yield call
    screen.configure(quiet=False, verbose=False)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of two generations; read-only by agreement (tests that change it take `copied_run`)."""
    root = tmp_path_factory.mktemp("runs")
    recipe = recipe_from({"name": "bots", "game": {"id": "countdown", "settings": SETTINGS}})
    info = new_info("bots", 0, game="countdown", command=["selfplay", "league"])
    folder = RunFolder.create(root, "bots", to_toml(recipe), "", info)
    game = make_game("countdown", SETTINGS)
    players = {"exhaustive": Player("exhaustive", ScriptedPolicy("exhaustive", game))}
    players["random"] = Player("random", ScriptedPolicy("random", game))
    seats = {"proposer": "random", "solver": "exhaustive"}
    learns = dict.fromkeys(seats, True)
    with RunWriter(folder, clock=lambda: 1e9) as writer:
        writer.event(events.run_started(info.id, "countdown", "bots", 2))
        for generation in range(2):
            writer.event(events.generation_started(generation, 3))
            pairings = [
                Pairing("countdown", seats, learns, 10 * generation + i, i, generation, sampling_seed=i)
                for i in range(3)
            ]
            with Arena({"countdown": game}, players) as arena:
                records = list(arena.play(pairings))
            for record in records:
                writer.match(record)
            moves = sum(len(record.moves) for record in records)
            writer.event(events.generation_closed(generation, 3, moves, 0, {"ok": 3}, {"solver": 1.0}))
            solved = [1, 0, 0, 0] if generation == 0 else [1, 1, 1, 0]
            writer.event(events.canary(generation, generation + 1, {"3": solved}, sum(solved) / 4))
        writer.event(events.error("learner", "one thing went wrong\nsecond line", "logs/attempt-1/main.log"))
        writer.event(events.run_ended("done"))
        writer.end(Status.DONE)
    return folder


@pytest.fixture
def copied_run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of `finished_run` in a root of its own."""
    import shutil

    target = tmp_path / "runs" / finished_run.path.name
    shutil.copytree(finished_run.path, target)
    return RunFolder(target)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a very small untrained model and its tokenizer."""
    import torch

    from selfplay.policies.loading import save_hf
    from selfplay.tiny.model import Shape, build_model
    from selfplay.tiny.tokenizer import build_tokenizer

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(["Your expression:"])
    save_hf(
        build_model(tokenizer, Shape(hidden=16, layers=1, heads=2, kv_heads=2, intermediate=16), 0), tokenizer, folder
    )
    return folder
