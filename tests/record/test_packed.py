"""Packed logs: the same lines at the same places, whatever moment the process dies at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.errors import RunError
from selfplay.record import RunFolder, RunWriter, open_run
from selfplay.record.codec import to_json
from selfplay.record.index import Index
from selfplay.record.log import JsonlLog, read, read_at, read_last, read_lines
from selfplay.record.packed import pack, packed, size_of
from selfplay.types import MatchRecord

Make = Callable[..., MatchRecord]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "gen-0001.jsonl"
    with JsonlLog(path) as lines:
        for i in range(3000):
            lines.append({"i": i, "text": "the same words again " * (i % 5)})
    return path


def test_a_packed_log_reads_as_before(log: Path) -> None:
    before, size, last = list(read_lines(log)), size_of(log), read_last(log)
    pack(log)
    assert not log.exists() and packed(log).stat().st_size < size / 10
    assert size_of(log) == size and read_last(log) == last
    assert list(read_lines(log)) == before
    assert list(read_lines(log, before[7].span.offset)) == before[7:]
    assert read_at(log, before[2999].span) == before[2999].value


def test_killed_between_the_two_halves_of_packing_both_files_are_there(log: Path) -> None:
    before, text = list(read(log)), log.read_bytes()
    pack(log)
    log.write_bytes(text)
    assert list(read(log)) == before and size_of(log) == len(text)
    pack(log)
    assert list(read(log)) == before and not log.exists()


def test_no_room_leaves_the_log_alone(log: Path) -> None:
    before = log.read_bytes()
    packed(log).with_suffix(".draft").mkdir()  # the draft cannot be written
    with pytest.raises(OSError, match="draft"):
        pack(log)
    assert log.read_bytes() == before and not packed(log).exists()


def test_a_packed_log_without_a_header_is_named_when_its_size_is_asked(log: Path) -> None:
    pack(log)
    packed(log).write_bytes(b"garbage")
    with pytest.raises(RunError, match=r"gen-0001\.jsonl\.zst is damaged"):
        size_of(log)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x28\xb5\x2f\xfd garbage"])
def test_a_damaged_packed_log_is_named(log: Path, damage: bytes) -> None:
    pack(log)
    packed(log).write_bytes(damage)
    with pytest.raises(RunError, match=r"gen-0001\.jsonl\.zst is damaged"):
        list(read(log))


def test_a_run_packs_what_its_checkpoint_holds_and_rewinds_over_it(folder: RunFolder, record_of: Make) -> None:
    with RunWriter(folder) as writer:
        for generation in range(3):
            writer.match(record_of(0, generation))
            writer.close_generation(generation)
            if generation < 2:
                (path := folder.checkpoints / f"gen-{generation:04d}").mkdir()
                writer.checkpoint(path, generation, update=generation)
    names = sorted(path.name for path in folder.matches_dir.iterdir())
    assert names == ["gen-0000.jsonl.zst", "gen-0001.jsonl.zst", "gen-0002.jsonl"]
    run = open_run(folder.path)
    assert run.generations == [0, 1, 2] and [r.id for r in run.matches()] == [f"g{n:04d}-m0000" for n in range(3)]
    assert to_json(run.match("g0001-m0000")) == to_json(record_of(0, 1))
    with Index(folder) as index:
        place = index.place("g0001-m0000")
        assert place is not None and read_at(*place)["id"] == "g0001-m0000"
    folder.rewind()
    assert run.generations == [0, 1]
    folder.rewind(0)
    assert [path.name for path in folder.matches_dir.iterdir()] == ["gen-0000.jsonl.zst"]
    folder.rewind(-1)
    assert not list(folder.matches_dir.iterdir())
