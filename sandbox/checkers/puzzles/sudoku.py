"""Sudoku 4x4: every row, column and 2x2 box has each of 1 to 4 once.

    1..4/..2./.3../4..1        rows from the top; a dot is an empty cell

An answer is the same without dots. The clues are the given cells.
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.algebra.problem import Constraint, Domain, Problem
from selfplay.sandbox.checkers.algebra.tree import Assignment, Compare, Distinct, Num, Var
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle, check_text

SIDE = 4
CELLS = [f"r{row}c{column}" for row in range(1, SIDE + 1) for column in range(1, SIDE + 1)]
_GRID = re.compile(r"([1-4.]{4})[/\s]?" * 3 + r"([1-4.]{4})")


def read(text: str) -> Puzzle:
    """Read a puzzle.

    Raises:
        Fault: it is none.
    """
    given = _cells(text)
    clues = [
        Constraint(f"{cell}={mark}", Compare("==", Var(cell), Num(int(mark))))
        for cell, mark in given.items()
        if mark != "."
    ]
    problem = Problem({cell: Domain("int", 1, SIDE) for cell in CELLS}, (*_rules(), *clues))
    return Puzzle(problem, _answer, _shown)


def _rules() -> list[Constraint]:
    lines = range(SIDE)
    rows = [(f"row {i + 1}", CELLS[SIDE * i : SIDE * i + SIDE]) for i in lines]
    columns = [(f"column {i + 1}", CELLS[i::SIDE]) for i in lines]
    corners = [0, 2, 8, 10]
    boxes = [(f"box {i + 1}", [CELLS[corner + step] for step in (0, 1, 4, 5)]) for i, corner in enumerate(corners)]
    return [
        Constraint(f"{name} has each number once", Distinct(tuple(map(Var, cells))), rule=True)
        for name, cells in (*rows, *columns, *boxes)
    ]


def _cells(text: str) -> dict[str, str]:
    found = _GRID.fullmatch(check_text(text).strip())
    if found is None:
        raise malformed(0, "a sudoku has four rows of four, such as 1..4/..2./.3../4..1")
    return dict(zip(CELLS, "".join(found.groups()), strict=True))


def _answer(text: str) -> Assignment:
    marks = _cells(text)
    if "." in marks.values():
        raise malformed(0, "an answer has no empty cells")
    return {cell: int(mark) for cell, mark in marks.items()}


def _shown(assignment: Assignment) -> str:
    marks = "".join(str(assignment[cell]) for cell in CELLS)
    return "/".join(marks[i : i + SIDE] for i in range(0, SIDE * SIDE, SIDE))
