"""The end table: right numbers, honest words, and it copes with unfinished and odd runs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from selfplay.record import Run, RunFolder, RunWriter, events
from selfplay.record.intervals import gain, wilson
from selfplay.watch.panels import marks_of
from selfplay.watch.summary import summarise, summary, to_json


def shown(run: Run) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(summary(run))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_numbers(run: Run) -> None:
    found = summarise(run)
    assert (found.matches, found.moves, found.tokens, found.wall_s) == (96, 480, 8640, 16.0)
    assert found.generate_share == pytest.approx(0.6) and found.learn_share == pytest.approx(0.35)
    canaries = [marks_of(event) for event in run.events("canary")]
    assert found.held_out is not None
    assert found.held_out.before["4"] == wilson(sum(canaries[0]["4"]), 100)
    assert found.held_out.gain == gain(canaries[0], canaries[-1]) and found.held_out.best_generation == 8
    first, last = found.notes["size"]
    assert len(first) == len(last) == 12 and set(first) <= {3, 4, 5}
    data = json.loads(json.dumps(to_json(found)))
    assert data["held_out"]["after"]["mean"]["value"] == pytest.approx(0.94 / 3)
    assert data["tokens_per_s"] == 540 and sum(data["notes"]["size"]["first"].values()) == 12


def test_words(run: Run, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.path.parents[1])
    folder.snapshot(7).mkdir()
    with RunWriter(folder) as writer:
        writer.event(events.snapshot(7, 7, "best", "snapshots/gen-0007"))
    text = shown(run)
    assert re.search(r"│ mean  │ \.21 \(\.18 to \.26\) │ \.31 \(\.27 to \.37\) │ \+0\.100 │", text)
    assert "paired by task): it got better" in text and "30 moves/s, 540 tokens/s" in text
    assert re.search(r"│ size +│ 3: \d+%  4: \d+%  5: \d+% +│ 3: \d+%", text) and "mean  0." in text
    assert f"selfplay snapshot export {run.info.id}@best DIR" in text
    assert f"selfplay eval {run.info.id}@best --game countdown" in text and str(run.path) in text.replace("\n", "")
    monkeypatch.chdir("runs")
    assert f"selfplay snapshot export {run.path.name}@best DIR" in shown(run)


def test_a_fall_and_a_standstill_are_called_that(run: Run, folder: RunFolder) -> None:
    start = next(run.events("canary"))
    with RunWriter(folder) as writer:
        writer.event(events.canary(8, 8, marks_of(start), start["mean"]))
    text = shown(run)
    assert "no difference that these tasks could show" in text and "best was .31 after generation 8" in text
    with RunWriter(folder) as writer:
        writer.event(events.canary(9, 9, {level: [0] * 100 for level in marks_of(start)}, 0.0))
    assert "it got worse" in shown(run)


def test_exams_of_different_length_are_compared_on_what_they_share(run: Run, folder: RunFolder) -> None:
    start = marks_of(next(run.events("canary")))
    with RunWriter(folder) as writer:
        writer.event(events.canary(8, 8, {"3": [1 - mark for mark in start["3"][:40]], "9": [1]}, 0.5))
    held = summarise(run).held_out
    solved = sum(start["3"][:40])
    assert held is not None and held.tasks == 40 and set(held.after) == {"3", "mean"}
    assert held.before["3"] == wilson(solved, 40) and held.gain.value == pytest.approx(1 - 2 * solved / 40)


def test_a_run_that_has_only_begun(run_of: Callable[..., RunFolder]) -> None:
    text = shown(Run(run_of(generations=0)))
    assert "no update was finished" in text and "what next" in text


def test_notes_of_every_kind(run_of: Callable[..., RunFolder], match_of: Callable[..., object], hostile: str) -> None:
    folder = run_of(generations=2, text=hostile)
    with RunWriter(folder) as writer:
        for generation in (0, 1):
            record = match_of(generation, 99, 0.5)
            for name, value in {"flag": True, "nan": float("nan"), "list": [1], "one": 0.5, hostile: 1}.items():
                record.facts[1].data[name] = value  # type: ignore[attr-defined]
            writer.match(record)  # type: ignore[arg-type]
    text = shown(Run(folder))
    assert "True: 100%" in text and "mean  0.50" in text and "nan" not in text and "list" not in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text) and "␛[2J" in text
