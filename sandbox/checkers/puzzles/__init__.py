"""The checker named ``puzzles``: knights and knaves, zebra puzzles, graph colouring, sudoku 4x4.

Each kind is a module that reads a short text into a problem of `selfplay.sandbox.checkers.algebra`, which answers all
questions about it. A new kind is a module with a `read` and a line in `FAMILIES`. Reading, and trying out small
puzzles, needs the standard library only, so games may do it too.
"""

from __future__ import annotations

from collections.abc import Callable

from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.puzzles import colouring, knights, sudoku, zebra
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle

FAMILIES: dict[str, Callable[[str], Puzzle]] = {
    "knights": knights.read,
    "zebra": zebra.read,
    "colouring": colouring.read,
    "sudoku": sudoku.read,
}


def read_puzzle(family: str, text: str) -> Puzzle:
    """Read a puzzle of that kind.

    Raises:
        Fault: there is no such kind, or the text is no puzzle of it.
    """
    if family not in FAMILIES:
        raise malformed(0, f"there are no {family[:40]!r} puzzles; known are {', '.join(FAMILIES)}")
    return FAMILIES[family](text)


__all__ = ["FAMILIES", "Puzzle", "read_puzzle"]
