"""docs/writing-a-game.md does what it says: its Python runs, and so do its commands, in order."""

from __future__ import annotations

import random
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from selfplay.arena import Arena
from selfplay.game import Game
from selfplay.policies.bots import Replies
from selfplay.types import Pairing, Player

PAGE = Path(__file__).parents[1] / "docs" / "writing-a-game.md"

SHORTER = {
    "tiny": ["--steps", "3"],
    "league": ["--no-live", "--set", "schedule.generations=2", "--set", "schedule.matches=4"],
}
"""Added to the commands that take minutes."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's Python, run from top to bottom as one module."""
    module = ModuleType("writing_a_game")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for i, code in enumerate(blocks("python")):
        exec(compile(code, f"{PAGE.name}, block {i}", "exec"), vars(module))
    return module


def test_the_python_on_the_page_runs(page: ModuleType) -> None:
    assert [move.text for move in page.record.moves] == ["nation", "station"]


def test_programs_are_judged_as_the_page_says(page: ModuleType) -> None:
    coder = Player("p", Replies({"coder": ["```python\ndef double(x):\n    return 2 * x if x else 1\n```"]}))
    with Arena({"doubling": page.Doubling()}, {"p": coder}) as arena:
        (record,) = arena.play([Pairing("doubling", {"coder": "p"}, {}, 0)])
    assert record.error is None and record.moves[0].reward == 2 / 3
    assert record.facts[-1].data == {"cases": ["wrong", "ok", "ok"]}


def test_demonstrations_on_the_page_are_right(page: ModuleType) -> None:
    game: Game = page.PrimeWithExam()
    for demo, _ in zip(game.demos(random.Random(0)), range(100), strict=False):
        low = int(re.findall("[0-9]+", demo.messages[-1].text)[0])
        assert page.is_prime(int(demo.reply)) and int(demo.reply) > low


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_commands_on_the_page_run(tmp_path: Path) -> None:
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    commands = [shlex.split(line) for line in lines]
    assert len(commands) >= 6 and {command[0] for command in commands} == {"selfplay"}
    for command in commands:
        run = [sys.executable, "-m", *command, *SHORTER.get(command[1], [])]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
