"""The three functions of the package do their work inside a running event loop too, as in a notebook."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import selfplay
from selfplay.errors import UnknownName, UsageError
from selfplay.record.codec import dumps
from selfplay.types import MatchRecord


def test_play_league_and_open_run_inside_an_event_loop(recipe_file: Path, tmp_path: Path) -> None:
    async def notebook() -> None:
        done = selfplay.league(recipe_file, root=tmp_path / "runs", overrides=["schedule.generations=1"])
        run = selfplay.open_run("last", tmp_path / "runs")
        assert run.path == done.path.resolve() and run.status() == "done"
        assert len(list(run.matches())) == 6
        record = selfplay.play("countdown", {"solver": "scripted:exhaustive"}, seed=1)
        assert record.error is None and record.result is not None and record.result["solver"] == 1.0

    asyncio.run(notebook())


def test_a_match_is_the_same_inside_and_outside() -> None:
    async def inside() -> MatchRecord:
        return selfplay.play("hidden_number", seed=3)

    assert dumps(asyncio.run(inside())) == dumps(selfplay.play("hidden_number", seed=3))


def test_wrong_arguments_are_the_errors_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'countdown'"):
        selfplay.play("countdwn")
    with pytest.raises(UnknownName, match="did you mean 'solver'"):
        selfplay.play("countdown", {"solvr": "random"})
    with pytest.raises(UsageError, match="cannot read recipe"):
        selfplay.league(tmp_path / "nowhere.toml")
    with pytest.raises(UnknownName, match="unknown run 'last'"):
        selfplay.open_run("last", tmp_path)
