"""Frames: what a message between a client and a server of sandboxes is made of, and how its fields are read.

A *frame* is two big-endian uint32 (length of head, length of body), the head (wire text of a dict, see
`selfplay.sandbox.inside.values`), and the body (bytes, of lengths that the head tells). No pickle, no JSON numbers;
nothing is read before its length is known to be allowed, and no field is used before its type is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from selfplay.errors import UsageError
from selfplay.sandbox.inside import wire
from selfplay.sandbox.inside.values import BadValue, decode, encode

MAX_HEAD = 64 << 10
"""Bytes; a case's head holds one exception."""

Head = Mapping[str, object]
Read = Callable[[int], bytes]
"""Gives exactly so many bytes, or raises `EOFError`."""
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class Garbled(ValueError):
    """These bytes are no message of ours."""


def frame(kind: str, head: Head, *parts: bytes) -> bytes:
    """A message.

    Raises:
        UsageError: the head cannot travel.
    """
    try:
        text = encode({"kind": kind, **head}).encode()
    except BadValue as error:
        raise UsageError(f"a {kind} cannot be sent: {error}") from error
    if len(text) > MAX_HEAD:
        raise UsageError(f"a {kind} cannot be sent: names, ids or texts of more than {MAX_HEAD} bytes")
    body = b"".join(parts)
    return b"".join((wire.FRAME.pack(len(text), len(body)), text, body))


def read_frame(read: Read, most: int) -> tuple[str, Head, bytes]:
    """The next message's kind, head and body, which has at most `most` bytes.

    Raises:
        Garbled: it is none.
        EOFError: there are no more bytes.
    """
    head, body = wire.FRAME.unpack(read(wire.FRAME.size))
    if head > MAX_HEAD or body > most:
        raise Garbled(f"a message of {head} and {body} bytes; allowed are {MAX_HEAD} and {most}")
    try:
        found = decode(read(head))
    except BadValue as error:
        raise Garbled(str(error)) from None
    if not isinstance(found, dict) or any(type(key) is not str for key in found):
        raise Garbled("the head of a message is a dict of names")
    return take(found, "kind", str), found, read(body)


class Reader:
    """Reads from bytes that are here already."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes that are still to be read."""
        return len(self._data) - self._at

    def __call__(self, size: int) -> bytes:
        if size > self.left:
            raise EOFError(f"{size - self.left} bytes are missing")
        self._at += size
        return self._data[self._at - size : self._at]


def take(head: Head, name: str, kind: type[T]) -> T:
    """A field of exactly this type.

    Raises:
        Garbled: it is not.
    """
    found = head.get(name)
    if type(found) is not kind:
        raise Garbled(f"{name} is no {kind.__name__}")
    return found


def maybe(head: Head, name: str, kind: type[T]) -> T | None:
    """A field of this type, or None."""
    return None if head.get(name) is None else take(head, name, kind)


def number(head: Head, name: str, least: float = 0.0) -> float:
    """A finite float of at least so much; an int counts as one."""
    found = head.get(name)
    if type(found) not in (int, float) or not (least <= found < math.inf):  # type: ignore[operator]
        raise Garbled(f"{name} is no number of at least {least:g}")
    return float(found)  # type: ignore[arg-type]


def size(head: Head, name: str) -> int:
    """A natural number."""
    found = take(head, name, int)
    if found < 0:
        raise Garbled(f"{name} is negative")
    return found


def one_of(head: Head, name: str, kind: type[E]) -> E:
    """A member of an enumeration."""
    try:
        return kind(take(head, name, str))
    except ValueError:
        raise Garbled(f"{name} is no {kind.__name__}") from None


def split(body: bytes, *sizes: int) -> list[bytes]:
    """Parts of these sizes, and the rest."""
    if sum(sizes) > len(body):
        raise Garbled("a body is shorter than its parts")
    parts, at = [], 0
    for part in sizes:
        parts.append(body[at : at + part])
        at += part
    return [*parts, body[at:]]
