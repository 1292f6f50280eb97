"""Zebra puzzles: houses in a row, each with one item of every category. Which item is where? (Life magazine, 1962)

    color: red green blue; pet: cat dog fish; red=cat; green<blue; dog~fish; cat=1

Categories come as ``name: items``, all with equally many. A clue relates two items, or an item and a house number:
``=`` same house, ``!=`` another house, ``<`` somewhere to the left of, ``<<`` directly left of, ``~`` next to.
An answer lists the items of every category from the first house on, as in ``color: green red blue; pet: dog cat fish``.
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.algebra.problem import Constraint, Domain, Problem, texts
from selfplay.sandbox.checkers.algebra.tree import (
    Apply,
    Arith,
    Assignment,
    Compare,
    Condition,
    Distinct,
    Expr,
    Num,
    Var,
)
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle, check_text

MAX_HOUSES = 6
MAX_CATEGORIES = 6
_WORD = r"[a-z][a-z0-9_]{0,15}"
_CATEGORY = re.compile(rf"\s*({_WORD})\s*:((?:\s*{_WORD})+)\s*")
_CLUE = re.compile(rf"\s*({_WORD})\s*(=|!=|<<|<|~)\s*({_WORD}|[1-9])\s*")

Categories = dict[str, tuple[str, ...]]


def read(text: str) -> Puzzle:
    """Read a puzzle.

    Raises:
        Fault: it is none.
    """
    lines = texts(check_text(text), "clues")
    categories = _categories([line for line in lines if ":" in line])
    houses = len(next(iter(categories.values())))
    items = [item for category in categories.values() for item in category]
    rules = [
        Constraint(f"one {name} in each house", Distinct(tuple(map(Var, category))), rule=True)
        for name, category in categories.items()
    ]
    clues = [_clue(line, items, houses) for line in lines if ":" not in line]
    problem = Problem({item: Domain("int", 1, houses) for item in items}, (*rules, *clues))
    return Puzzle(problem, lambda answer: _answer(answer, categories), lambda found: _shown(found, categories))


def _categories(lines: list[str]) -> Categories:
    found: Categories = {}
    for line in lines:
        parts = _CATEGORY.fullmatch(line)
        if parts is None or parts[1] in found:
            raise malformed(0, f"{line.strip()[:40]!r} is no category; one is color: red green blue")
        found[parts[1]] = tuple(parts[2].split())
    sizes = {len(items) for items in found.values()}
    if not 1 <= len(found) <= MAX_CATEGORIES or len(sizes) != 1 or not 2 <= max(sizes) <= MAX_HOUSES:
        raise malformed(0, f"1 to {MAX_CATEGORIES} categories, each with the same number of items, 2 to {MAX_HOUSES}")
    items = [item for category in found.values() for item in category]
    if len(set(items)) < len(items):
        raise malformed(0, "an item is named twice")
    return found


def _clue(line: str, items: list[str], houses: int) -> Constraint:
    parts = _CLUE.fullmatch(line)
    if parts is None:
        raise malformed(0, f"{line.strip()[:40]!r} is no clue; clues are a=b a!=b a<b a<<b a~b a=1")
    left, relation, right = parts[1], parts[2], parts[3]
    for item in (left, right):
        if item not in items and not (item.isdigit() and int(item) <= houses):
            raise malformed(0, f"{item!r} is neither an item nor a house")
    other: Expr = Num(int(right)) if right.isdigit() else Var(right)
    return Constraint(line.strip(), _relation(Var(left), relation, other))


def _relation(a: Expr, relation: str, b: Expr) -> Condition:
    match relation:
        case "=":
            return Compare("==", a, b)
        case "!=":
            return Compare("!=", a, b)
        case "<":
            return Compare("<", a, b)
        case "<<":
            return Compare("==", Arith("+", a, Num(1)), b)
    return Compare("==", Apply("abs", (Arith("-", a, b),)), Num(1))


def _answer(text: str, categories: Categories) -> Assignment:
    found = _categories(texts(check_text(text), "answers"))
    if {name: sorted(items) for name, items in found.items()} != {n: sorted(c) for n, c in categories.items()}:
        raise malformed(0, f"an answer lists the items of {', '.join(categories)}, from the first house on")
    return {item: house for items in found.values() for house, item in enumerate(items, 1)}


def _shown(assignment: Assignment, categories: Categories) -> str:
    rows = (
        f"{name}: {' '.join(sorted(items, key=lambda item: assignment[item]))}" for name, items in categories.items()
    )
    return "; ".join(rows)
