"""Logs survive kills, full disks and torn tails, and say where they are damaged."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfplay.errors import RunError, UsageError
from selfplay.record.log import JsonlLog, follow, read, read_at, read_last, read_lines


def write(path: Path, *values: dict[str, object]) -> None:
    with JsonlLog(path) as log:
        for value in values:
            log.append(value)


def test_lines_come_back_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.jsonl"
    with JsonlLog(path, fsync=True) as log:
        spans = [log.append({"i": i, "text": "é\u2028\n" * i}) for i in range(4)]
    assert [line.span for line in read_lines(path)] == spans
    assert read_at(path, spans[2])["i"] == 2
    assert [v["i"] for v in read(path, spans[1].offset, spans[3].offset)] == [1, 2]
    last = read_last(path)
    assert last is not None and last.span == spans[3]
    assert list(read(tmp_path / "missing")) == [] and read_last(tmp_path / "missing") is None


@pytest.mark.parametrize("tail", [b'{"i": 2, "te', b'{"i": 2}', b"\x00\x00\x00\n", b"{\n", b"[1]\n", b"\xff\n"])
def test_a_torn_last_line_is_ignored_and_cut_off_by_the_next_writer(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.jsonl"
    write(path, {"i": 0}, {"i": 1})
    with path.open("ab") as file:
        file.write(tail)
    assert [v["i"] for v in read(path)] == [0, 1]
    assert [v["i"] for v in follow(path, 0).values] == [0, 1]
    write(path, {"i": 3})
    assert [v["i"] for v in read(path)] == [0, 1, 3]


def test_a_long_torn_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, {"text": "x" * 200_000})
    good = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"y" * 300_000)
    write(path)
    assert path.stat().st_size == good


def test_damage_in_the_middle_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"i":0}\n{"i":\n{"i":2}\n')
    with pytest.raises(RunError, match=r"a\.jsonl is damaged: line 2 "):
        list(read(path))


def test_a_follower_sees_each_line_once_and_notices_a_rewind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert follow(path, 0) == ([], 0, False)
    write(path, {"i": 0}, {"i": 1})
    first = follow(path, 0)
    assert [v["i"] for v in first.values] == [0, 1]
    assert follow(path, first.offset).values == []
    write(path, {"i": 2})
    second = follow(path, first.offset)
    assert [v["i"] for v in second.values] == [2] and not second.restarted
    os.truncate(path, first.offset // 2)
    third = follow(path, second.offset)
    assert third.restarted and [v["i"] for v in third.values] == [0]
    write(path, {"long": "x" * 100})
    assert [v.get("i") for v in follow(path, second.offset).values] == [0, None], "grown past the old place meanwhile"


def test_a_full_disk_leaves_no_half_line_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    real = os.write
    room = 30

    def short(fd: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[:room])
        room -= written
        return written

    with JsonlLog(path) as log:
        log.append({"i": 0})
        monkeypatch.setattr(os, "write", short)
        with pytest.raises(RunError, match=r"(?s)a\.jsonl: No space.*bytes are free.*free some space"):
            log.append({"text": "x" * 100})
        assert path.read_bytes() == b'{"i":0}\n'
        monkeypatch.setattr(os, "write", real)
        log.append({"i": 1})
    assert [v["i"] for v in read(path)] == [0, 1]


def test_a_half_line_that_could_not_be_undone_does_not_break_later_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    real_write, real_truncate = os.write, os.ftruncate

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def half(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", fail)
        return real_write(fd, data[: len(data) // 2])

    with JsonlLog(path) as log:
        log.append({"i": 0})
        monkeypatch.setattr(os, "write", half)
        monkeypatch.setattr(os, "ftruncate", fail)
        with pytest.raises(RunError):
            log.append({"i": "lost"})
        assert not path.read_bytes().endswith(b"\n")
        monkeypatch.setattr(os, "write", real_write)
        monkeypatch.setattr(os, "ftruncate", real_truncate)
        log.append({"i": 1})
    assert [v["i"] for v in read(path)] == [0, 1]


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a tiny disk needs root on Linux")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = disk / "a.jsonl"
        count = 0
        with JsonlLog(path) as log, pytest.raises(RunError, match="No space left"):
            for count in range(1000):
                log.append({"i": count, "text": "x" * 1000})
        assert [v["i"] for v in read(path)] == list(range(count)) and 30 < count < 70
        subprocess.run(["mount", "-o", "remount,nr_inodes=2", disk], check=True)  # the disk itself and a.jsonl
        with pytest.raises(RunError, match="No space left"):
            JsonlLog(disk / "b.jsonl")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        JsonlLog(tmp_path / "file" / "a.jsonl")  # not a folder: holds for root too


_APPENDER = """
import sys
from pathlib import Path
from selfplay.record.log import JsonlLog, read
path = Path(sys.argv[1])
start = sum(1 for _ in read(path))
with JsonlLog(path) as log:
    print("go", flush=True)
    for i in range(start, 10**9):
        log.append({"i": i, "text": "x" * (i * 7919 % 20000)})
"""


def test_killed_in_the_middle_of_appends_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    before = 0
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", _APPENDER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"go\n"
        time.sleep(0.02 + 0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = [v["i"] for v in read(path)]
        assert found == list(range(len(found))) and len(found) > before
        before = len(found)
