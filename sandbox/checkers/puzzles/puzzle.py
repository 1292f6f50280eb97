"""What the kinds of puzzles have in common: a text is a problem of `algebra` with a short form for its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from selfplay.sandbox.checkers.algebra.problem import Problem
from selfplay.sandbox.checkers.algebra.tree import Assignment
from selfplay.sandbox.checkers.contracts.faults import malformed

MAX_CHARS = 2_000
"""Of a puzzle, and of an answer."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One puzzle. Its constraints that are no rules are its clues."""

    problem: Problem
    read_answer: Callable[[str], Assignment]
    """From the short form; values may break the rules. Raises `Fault`."""
    show_answer: Callable[[Assignment], str]
    """The short form of a solution."""


def check_text(text: str) -> str:
    """A text of reasonable size.

    Raises:
        Fault: it is too long, or not ASCII.
    """
    if len(text) > MAX_CHARS or not text.isascii():
        raise malformed(0, f"a text of at most {MAX_CHARS} ASCII characters was expected")
    return text
