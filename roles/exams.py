"""What exams consist of: different tasks out of random draws, the same ones for every run on every machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


def different(
    draw: Callable[[], T | None], count: int, *, key: Callable[[T], Hashable] | None = None, patience: int = 2000
) -> tuple[T, ...]:
    """Up to `count` different things, in the order in which `draw` first gave them.

    Args:
        draw: one more at random; `None` is none.
        key: what makes two of them the same; by default that they are equal.
        patience: after so many draws without a new one there hardly is another, and fewer are returned.
    """
    found: dict[Hashable, T] = {}
    fruitless = 0
    while len(found) < count and fruitless < patience:
        one = draw()
        name = one if key is None or one is None else key(one)
        fruitless += 1
        if one is not None and name not in found:
            found[name] = one
            fruitless = 0
    return tuple(found.values())
