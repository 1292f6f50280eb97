"""Frames and records, as described in the package's docstring. Both ends of each pipe use this file."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from typing import Any

FRAME = struct.Struct(">II")
"""Lengths of head and body."""
RECORD = struct.Struct(">cIII")
"""Kind, index of the case, microseconds, length."""
LENGTH = struct.Struct(">I")
MARSHAL = 4
"""Format of a task, the same in all versions of Python; half as many pages as JSON are touched to read it."""
STARTED = b"a"
"""What a child sends before its first record: all protections hold, the code comes next."""

Head = dict[str, Any]


def frame(head: Head, body_size: int) -> bytes:
    """The beginning of a frame, up to its body."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return FRAME.pack(len(text), body_size) + text


def read_head(file: int) -> tuple[Head, int]:
    """The next frame's head, and how many bytes of its body are to be read.

    Raises:
        EOFError: nobody writes any more.
    """
    head, body = FRAME.unpack(read(file, FRAME.size))
    return json.loads(read(file, head)), body


def read(file: int, size: int) -> bytes:
    """Exactly `size` bytes.

    Raises:
        EOFError: there are fewer.
    """
    data = os.read(file, size) if size else b""
    if len(data) == size:
        return data
    parts = [data]
    while size := size - len(parts[-1]):
        parts.append(os.read(file, size))
        if not parts[-1]:
            raise EOFError(f"{size} bytes are missing")
    return b"".join(parts)


def write(file: int, parts: Iterable[bytes | bytearray]) -> None:
    """All of `parts`, whatever a single call takes."""
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(file, rest) :]
