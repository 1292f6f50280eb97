"""A few seconds of `soak` and of `attack`; `make soak` and `make attack` do the whole of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from selfplay.sandbox.types import Level

HERE = Path(__file__).parent


def test_nothing_is_lost_and_nothing_left_when_workers_are_killed() -> None:
    command = [sys.executable, HERE / "soak.py", "--executions", "200", "--kill-every", "0.7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "left: nothing" in done.stdout
    assert " 0 workers killed" not in done.stdout


@pytest.mark.parametrize(
    ("said", "code", "shown"),
    [
        ('{"level": "L3", "programs": 2, "forgeries": 1, "wrong": []}', 0, "ok   x "),
        ('{"level": "L2", "programs": 2, "forgeries": 1, "wrong": []}', 1, "the level is L2, not L3"),
        ('{"level": "L3", "programs": 2, "forgeries": 1, "wrong": ["10 fork: no"]}', 1, "10 fork: no"),
        ("", 1, "it broke"),
    ],
)
def test_a_place_that_does_not_hold_is_noticed(
    said: str, code: int, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    attack = importlib.import_module("attack")
    place = attack.Place("x", Level.L3, "local", lambda command: [sys.executable, "-c", f"print({said!r})"])
    monkeypatch.setattr(attack, "PLACES", [place])
    monkeypatch.setattr(sys, "argv", ["attack.py"])
    assert attack.main() == code
    assert shown in capsys.readouterr().out
