"""Closed logs, packed: ``gen-0007.jsonl`` becomes ``gen-0007.jsonl.zst``, a tenth of its size.

A log keeps its name: whoever opens ``gen-0007.jsonl`` reads the packed file where that is the one there, and offsets
are those of the text. Only logs that will never be appended to are packed. By hand: ``zstd -dc gen-0007.jsonl.zst``.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from selfplay.errors import RunError

SUFFIX = ".zst"
_HEADER = 18
"""Bytes of a frame that tell how much text is in it, at most (RFC 8878, section 3.1.1)."""


def packed(log: Path) -> Path:
    """Where the log lies once it is packed."""
    return log.with_name(log.name + SUFFIX)


def open_log(log: Path) -> BinaryIO:
    """The text of a log, packed or not, from its beginning.

    Raises:
        FileNotFoundError: there is neither.
        RunError: the packed file is damaged.
    """
    with suppress(FileNotFoundError):
        return log.open("rb")
    import zstandard

    data = packed(log).read_bytes()
    try:
        return io.BytesIO(zstandard.decompress(data))
    except zstandard.ZstdError as error:
        raise _damaged(log, error) from error


def size_of(log: Path) -> int:
    """Bytes of text in a log, packed or not; 0 for a missing one.

    Raises:
        RunError: the packed file is damaged.
    """
    with suppress(FileNotFoundError):
        return log.stat().st_size
    import zstandard

    try:
        with packed(log).open("rb") as file:
            return zstandard.frame_content_size(file.read(_HEADER))
    except FileNotFoundError:
        return 0
    except zstandard.ZstdError as error:
        raise _damaged(log, error) from error


def pack(log: Path) -> None:
    """Replace a log by its packed form. Killed or without room in the middle of it, the log is still there.

    Raises:
        OSError: the disk refused; nothing has changed.
    """
    import zstandard

    draft = packed(log).with_suffix(".draft")
    try:
        with draft.open("wb") as file:
            file.write(zstandard.compress(log.read_bytes()))
            os.fsync(file.fileno())
        draft.replace(packed(log))
    finally:
        draft.unlink(missing_ok=True)
    log.unlink()


def remove(log: Path) -> None:
    """Delete a log in both forms."""
    packed(log).unlink(missing_ok=True)
    log.unlink(missing_ok=True)


def _damaged(log: Path, error: Exception) -> RunError:
    return RunError(
        f"{packed(log)} is damaged: {error}\n  something changed it from outside; restore it from a copy of the run"
    )
