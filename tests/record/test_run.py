"""Reading a run back, finished or being played."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from selfplay.errors import UnknownName, UsageError
from selfplay.record import RunFolder, RunWriter, Status, events, open_run
from selfplay.record.live import LiveFeed
from selfplay.record.log import read
from selfplay.types import Edit, MatchRecord

Make = Callable[..., MatchRecord]


def test_a_run_reads_back_what_was_written(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder, clock=lambda: 12.5) as writer:
        writer.event(events.run_started("3f2a", "countdown", "recipe.toml", 2, {"solver": [""]}))
        for generation in range(2):
            for number in range(3):
                writer.match(record_of(number, generation))
            writer.close_generation(generation)
            writer.event(events.edits(generation, [Edit(f"g{generation:04d}-m0001", "0", 0.25, "duplicate")]))
        writer.event(events.snapshot(1, 8, "best", "snapshots/gen-0001", 0.4))
        writer.event(events.snapshot(0, 4, "gone", "snapshots/gen-0000", 0.3))
        folder.snapshot(1).mkdir()
        writer.metrics({"update": 1, "generation": 0})  # type: ignore[typeddict-item]
        run = open_run(folder.path)
        assert run.alive and run.status() == "running"
        writer.end(Status.DONE)
    assert run.status() == "done" and run.info.ended == 12.5 and not run.alive
    assert run.generations == [0, 1] and [e["name"] for e in run.snapshots] == ["best"]
    assert [r.id for r in run.matches(1)] == ["g0001-m0000", "g0001-m0001", "g0001-m0002"]
    assert [r.moves[0].reward for r in run.matches(0)] == [0.1 + 0.2, 0.25, 0.1 + 0.2]
    assert [r.moves[0].reward for r in run.matches(0, settled=False)] == [0.1 + 0.2] * 3
    assert run.match("g0001-m0001").moves[0].reward == 0.25
    last = run.last_match()
    assert last is not None and last.id == "g0001-m0002"
    assert [m["time"] for m in run.metrics()] == [12.5]
    assert next(run.events("edits"))["schema"] == 1 and run.config == "a = 1\n"


def test_what_is_not_there_is_named(folder: RunFolder, record_of: Make) -> None:
    run = open_run(folder.path)
    assert run.last_match() is None and list(run.matches()) == [] and list(run.events()) == []
    with RunWriter(folder) as writer:
        writer.match(record_of(0, 3))
    with pytest.raises(UsageError, match=r"no generation 7\n  it has: 3 to 3"):
        next(run.matches(7))
    with pytest.raises(UnknownName, match="did you mean 'g0003-m0000'"):
        run.match("g0003-m0001")
    with pytest.raises(UnknownName, match="ids look like"):
        run.match("m12")


def test_events_of_a_newer_version_are_refused(folder: RunFolder) -> None:
    folder.events.write_text('{"schema":2,"event":"run_started"}\n')
    with pytest.raises(UsageError, match=r"(?s)schema 2.*upgrade"):
        list(open_run(folder.path).events())


def test_the_live_feed_shows_one_match_at_a_time(folder: RunFolder, record_of: Make) -> None:
    now = 0.0
    with RunWriter(folder) as writer:
        feed = LiveFeed(writer, period_s=0.5, clock=lambda: now)
        one, two = record_of(1), record_of(2)
        for record in (one, two):
            feed.on_move(record.pairing, record.moves[0])
        lines = list(read(folder.live))
        assert [(line["kind"], line["match"]) for line in lines] == [("start", one.id), ("move", one.id)]
        feed.on_move(one.pairing, one.moves[1])
        assert len(list(read(folder.live))) == 2, "not twice within half a second"
        now = 1.0
        feed.on_end(two)
        feed.on_end(one)
        lines = list(read(folder.live))
        assert [line["kind"] for line in lines] == ["start"] + ["move"] * 4 + ["end"]
        assert lines[4]["foul"] == "not an expression" and lines[-1]["result"] == {"solver": 1.0, "proposer": -1.0}
        now = 2.0
        feed.on_move(two.pairing, two.moves[0])
        assert next(read(folder.live))["match"] == two.id
