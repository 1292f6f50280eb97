"""Watching costs little, whatever the size of the run."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from selfplay.record import Run, RunFolder
from selfplay.record import log as log_module
from selfplay.watch.state import RunState


def test_a_refresh_reads_only_what_is_new(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    real = log_module.json.loads

    def counted(raw: str | bytes) -> object:
        parsed.append(raw if isinstance(raw, bytes) else raw.encode())
        return real(raw)

    state = RunState(Run(folder))
    state.refresh()
    monkeypatch.setattr(log_module.json, "loads", counted)
    state.refresh()
    own = [raw for raw in parsed if b'"pairing"' in raw]
    assert len(own) <= 1, "of the match logs only the last line"
    assert len(parsed) <= 2, "nothing of the events and metrics read before (the other one is run.json)"


def test_speed_is_that_of_the_last_updates(run_of: Callable[..., RunFolder]) -> None:
    folder = run_of(generations=30)
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    for line in lines[:8]:  # the beginning was slow
        line["wall_s"] -= 1000
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = RunState(Run(folder))
    state.refresh()
    assert state.tokens_per_s == pytest.approx(540)
