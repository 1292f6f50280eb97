"""Append-only files of JSON lines: the source of truth of a run.

A line is written whole, by one write, or not at all. Whatever was torn by a kill or a full disk is the end of the file:
readers ignore it, and the next writer cuts it off. A broken line anywhere else is damage, and an error that names it.
Nothing here knows what a line means.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from selfplay.errors import RunError, UsageError
from selfplay.record.packed import open_log, size_of
from selfplay.types import Json

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Compact JSON on one line, keys in their own order, ASCII only: no line separator can hide in a text."""

_BLOCK = 1 << 16


class Span(NamedTuple):
    """Where a line lies in its file, in bytes, its newline included."""

    offset: int
    length: int


class Line(NamedTuple):
    """One line of a log and its place."""

    value: dict[str, Json]
    span: Span


class Tail(NamedTuple):
    """What `follow` found."""

    values: list[dict[str, Json]]
    offset: int
    """Pass this to the next call."""
    restarted: bool
    """The file is not the one the old offset belonged to (a rewind): `values` starts from its beginning."""


class JsonlLog:
    """Appends to one file; one process at a time (see `RunFolder.lock`).

    Args:
        path: created with its folder if missing; a torn tail is cut off.
        fsync: after each line wait until it is on the disk (survives power loss, not only a killed process).

    Raises:
        UsageError: the file cannot be opened for writing.
        RunError: the disk is full.
    """

    def __init__(self, path: Path, *, fsync: bool = False) -> None:
        self.path, self._fsync = path, fsync
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise cannot_write(path, error.strerror) from error
            raise UsageError(f"cannot write {path}: {error.strerror}\n  choose a folder you may write to") from error
        self.size = sound_size(path)
        self._torn = True
        self._cut()

    def append(self, value: Mapping[str, Json]) -> Span:
        """Write one line; it is visible to readers when this returns.

        Raises:
            RunError: it could not be written whole; the file is as it was before.
        """
        return self.append_line(encode(value))

    def append_line(self, text: str) -> Span:
        """`append` for a value that is JSON already."""
        data = text.encode("utf-8") + b"\n"
        written = 0
        try:
            self._cut()
            self._torn = True
            while written < len(data):  # a second round happens only on a disk about to be full
                written += os.write(self._fd, data[written:])
            if self._fsync:
                os.fsync(self._fd)
        except OSError as error:
            with contextlib.suppress(OSError):  # if even this fails, the next append or the next process does it
                self._cut()
            raise cannot_write(self.path, error.strerror) from error
        self._torn = False
        span = Span(self.size, len(data))
        self.size += len(data)
        return span

    def sync(self) -> None:
        """Wait until everything written so far is on the disk.

        Raises:
            RunError: the disk refused.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise cannot_write(self.path, error.strerror) from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> JsonlLog:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _cut(self) -> None:
        """Drop half a line left at the end."""
        if self._torn:
            os.ftruncate(self._fd, self.size)
            self._torn = False


def cannot_write(path: Path, why: object) -> RunError:
    """The error to raise when the disk refused `path`."""
    free = shutil.disk_usage(next(place for place in path.absolute().parents if place.exists())).free
    return RunError(
        f"cannot write {path}: {why}\n  {free:,} bytes are free there; nothing written before is lost\n"
        "  free some space, or mend the disk"
    )


def read_lines(path: Path, start: int = 0, end: int | None = None) -> Iterator[Line]:
    """The lines of a log from byte `start` up to byte `end`; a torn last line is left out, a missing file is empty.

    Raises:
        RunError: a line in the middle is not JSON.
    """
    try:
        file = open_log(path)
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        offset, broken = start, None
        for number, raw in enumerate(file, start=1):
            if broken is not None:
                raise _damaged(path, start, *broken)
            if not raw.endswith(b"\n") or (end is not None and offset + len(raw) > end):
                return
            value = _parse(raw)
            if value is None:
                broken = (number, offset)
            else:
                yield Line(value, Span(offset, len(raw)))
            offset += len(raw)


def read(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, Json]]:
    """`read_lines` without places."""
    return (line.value for line in read_lines(path, start, end))


def read_at(path: Path, span: Span) -> dict[str, Json]:
    """The line at a known place.

    Raises:
        RunError: there is no whole line there.
    """
    with open_log(path) as file:
        file.seek(span.offset)
        value = _parse(file.read(span.length))
    if value is None:
        raise _damaged(path, 0, 0, span.offset)
    return value


def follow(path: Path, offset: int) -> Tail:
    """The whole lines added since `offset` (0 at first), for viewers of a file that grows meanwhile.

    Notices that the file was cut and written anew, as long as it is shorter than before or a line no longer ends at
    `offset`.

    Raises:
        RunError: a line in the middle is not JSON.
    """
    restarted = offset > 0 and not _line_ends_at(path, offset)
    start = 0 if restarted else offset
    lines = list(read_lines(path, start))
    new_offset = lines[-1].span.offset + lines[-1].span.length if lines else start
    return Tail([line.value for line in lines], new_offset, restarted)


def read_last(path: Path) -> Line | None:
    """The last whole line of a log, found from its end."""
    try:
        file = open_log(path)
    except FileNotFoundError:
        return None
    with file:
        end = file.seek(0, os.SEEK_END)
        while (newline := _find_newline(file, end)) >= 0:
            begin = _find_newline(file, newline) + 1
            value = _parse(_read_between(file, begin, newline + 1))
            if value is not None:
                return Line(value, Span(begin, newline + 1 - begin))
            end = newline
    return None


def sound_size(path: Path) -> int:
    """Bytes up to the end of the last whole line: what a torn file is cut to (0 for a missing one)."""
    last = read_last(path)
    return last.span.offset + last.span.length if last else 0


def check_size(log: Path, size: int) -> None:
    """Raises: RunError: the log is shorter than it was when it had `size` bytes."""
    found = size_of(log)
    if found < size:
        raise RunError(
            f"{log} has {found} bytes, but the checkpoint was made when it had {size}\n"
            "  it was changed from outside; restore it from a copy, or start a new run"
        )


def _find_newline(file: BinaryIO, end: int) -> int:
    """Offset of the last newline before byte `end`, or -1."""
    while end > 0:
        begin = max(0, end - _BLOCK)
        at = _read_between(file, begin, end).rfind(b"\n")
        if at >= 0:
            return begin + at
        end = begin
    return -1


def _read_between(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin)


def _line_ends_at(path: Path, offset: int) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(offset - 1)
            return file.read(1) == b"\n"
    except FileNotFoundError:
        return False


def _parse(raw: bytes) -> dict[str, Json] | None:
    try:
        value = json.loads(raw)
    except ValueError:  # UnicodeDecodeError is one of them
        return None
    return value if isinstance(value, dict) else None


def _damaged(path: Path, start: int, number: int, offset: int) -> RunError:
    where = f"line {number}" if start == 0 and number else f"the line at byte {offset}"
    return RunError(
        f"{path} is damaged: {where} is not a JSON object, and it is not the last one\n"
        "  a killed run can only tear the last line, so something else changed this file; restore it from a copy,\n"
        "  or delete that line and everything after it"
    )
