"""Settings that differ by kind of move: looked up by ``role/tag``, then ``role``, then ``*``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

V = TypeVar("V")


def kind_of(role: str, tag: str) -> str:
    """The name of a kind of move in settings and metrics: ``solver``, or ``solver/revise`` where there is a tag."""
    return f"{role}/{tag}" if tag else role


def pick(settings: Mapping[str, V], role: str, tag: str, default: V) -> V:
    """The most specific setting for this kind of move, `default` if none applies."""
    for key in (kind_of(role, tag), role, "*"):
        if key in settings:
            return settings[key]
    return default
