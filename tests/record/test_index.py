"""The index finds moves, and is a function of the logs alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from selfplay.errors import UnknownName
from selfplay.record import RunFolder, RunWriter, events
from selfplay.record.codec import from_json
from selfplay.record.index import Index, rebuild, remove
from selfplay.record.log import read_at
from selfplay.types import Edit, Ending, MatchRecord

Make = Callable[..., MatchRecord]


def test_rebuilt_equals_incremental(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer, Index(folder) as index:
        for generation in range(3):
            for number in range(4):
                writer.match(record_of(number, generation))
                if number % 2:
                    index.catch_up()
            writer.event(events.edits(generation, [Edit(f"g{generation:04d}-m0001", "0", 9.5 + generation, "why")]))
            index.catch_up()
        incremental = index.dump()
    assert len(incremental["match"]) == 12 and len(incremental["move"]) == len(incremental["text"]) == 48
    with rebuild(folder) as index:
        assert index.dump() == incremental
        assert sorted(hit.reward for hit in index.search(role="proposer", limit=99) if (hit.reward or 0) > 9) == [
            9.5, 10.5, 11.5,
        ]  # fmt: skip
    remove(folder)
    with Index(folder) as index:
        assert index.dump() == incremental


def test_a_cut_log_makes_the_index_start_over(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        writer.match(record_of(0))
        size = folder.matches(0).stat().st_size
        writer.match(record_of(1))
    with Index(folder) as index:
        assert index.place("g0000-m0001") is not None
        os.truncate(folder.matches(0), size)
        index.catch_up()
        assert index.place("g0000-m0001") is None and index.place("g0000-m0000") is not None


def test_search_by_words_and_filters(folder: RunFolder, record_of: Make) -> None:
    lost = record_of(1)
    lost.result, lost.ending, lost.forfeit = {"solver": -1.0, "proposer": 1.0}, Ending.FOUL, "solver"
    with RunWriter(folder) as writer:
        writer.match(record_of(0))
        writer.match(lost)
    with Index(folder) as index:
        assert [(h.match, h.move, h.outcome) for h in index.search("BANANA", outcome="win")] == [
            ("g0000-m0000", "2.1", "win")
        ]
        assert "[banana]" in index.search("banana")[0].snippet
        assert {h.match for h in index.search("solve", outcome="forfeit")} == {"g0000-m0001"}
        assert {h.outcome for h in index.search(role="proposer")} == {"loss", "win"}
        assert len(index.search(limit=3)) == 3
        assert index.search('" OR x* NEAR(') == [], "operators are plain words"
        assert index.search("banana", game="kuhn_poker") == []
        with pytest.raises(UnknownName, match="did you mean 'forfeit'"):
            index.search("x", outcome="forfiet")
        with pytest.raises(UnknownName, match="search filter"):
            index.search("x", colour="red")


def test_the_place_of_a_match_leads_to_its_record(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        for number in range(3):
            writer.match(record_of(number))
    with Index(folder) as index:
        place = index.place("g0000-m0002")
        assert place is not None and from_json(read_at(*place)).pairing.number == 2
        assert index.place("nope") is None


def test_a_damaged_index_is_made_anew(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        writer.match(record_of(0))
    folder.index.write_bytes(b"this is no database, but long enough to have a header" * 50)
    with Index(folder) as index:
        assert len(index.search(limit=9)) == 4
