"""Random logic puzzles with exactly one solution, for demonstrations, exams and scripted players.

Each maker draws a puzzle of the wanted size and keeps it if trying everything finds one solution. What the size counts:

    knights     people, each with one statement          sudoku      given cells, 4 to 15
    colouring   nodes, three colours                     zebra       houses, two categories
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations, islice

from selfplay.sandbox.checkers.algebra.search import OutOfSteps, solutions
from selfplay.sandbox.checkers.puzzles import Puzzle, read_puzzle

TRIES = 3_000
"""Draws of one puzzle before the size is found to be too hard."""
STEPS = 40_000
COLOURS = 3
SIZES = {"knights": (2, 10), "zebra": (2, 6), "colouring": (3, 12), "sudoku": (4, 15)}
"""Smallest and largest size of each family."""
_WORDS = {"color": "red green blue white black pink", "pet": "cat dog fish bird horse snake"}


def count_solutions(puzzle: Puzzle, most: int = 2) -> int:
    """How many solutions there are, up to `most`; `most` too if that takes too long to tell."""
    try:
        return sum(1 for _ in islice(solutions(puzzle.problem, steps=STEPS), most))
    except OutOfSteps:
        return most


def solution(puzzle: Puzzle) -> str | None:
    """A solution in its short form; `None` if there is none, or trying takes too long."""
    try:
        found = next(solutions(puzzle.problem, steps=STEPS), None)
    except OutOfSteps:
        return None
    return None if found is None else puzzle.show_answer(found)


def random_puzzle(rng: random.Random, family: str, size: int, wanted: Callable[[str], bool]) -> str | None:
    """The text of a puzzle with exactly one solution that is also `wanted`; `None` if none was found."""
    for _ in range(TRIES):
        text = MAKERS[family](rng, size)
        if wanted(text) and count_solutions(read_puzzle(family, text)) == 1:
            return text
    return None


def _knights(rng: random.Random, size: int) -> str:
    people = "ABCDEFGHIJ"[:size]

    def literal(person: str) -> str:
        return ("!" if rng.random() < 0.4 else "") + person

    def statement(speaker: str) -> str:
        if rng.random() < 0.3:
            return literal(rng.choice([person for person in people if person != speaker]))
        return rng.choice("=&|").join(map(literal, rng.sample(people, 2)))  # perhaps about the speaker too

    return " ".join(f"{speaker}:{statement(speaker)}" for speaker in people)


def _colouring(rng: random.Random, size: int) -> str:
    nodes = "abcdefghijklmnopqrst"[:size]
    colour = {node: rng.randint(1, COLOURS) for node in nodes}
    edges = [f"{a}-{b}" for a, b in combinations(nodes, 2) if colour[a] != colour[b] and rng.random() < 0.7]
    touched = {node for edge in edges for node in edge.split("-")}
    given = [node for node in nodes if node not in touched]
    given += rng.sample(sorted(touched), min(2, len(touched)))
    return f"{COLOURS}: {' '.join([*edges, *(f'{node}={colour[node]}' for node in sorted(given))])}"


def _sudoku(rng: random.Random, size: int) -> str:
    names, swap = rng.sample("1234", 4), rng.random() < 0.5
    order = [pair[i] for pair in rng.sample([[0, 1], [2, 3]], 2) for i in rng.sample([0, 1], 2)]
    base = ("1234", "3412", "2143", "4321")
    rows = [[names[int(base[row][column]) - 1] for column in order] for row in order]
    grid = [list(column) for column in zip(*rows, strict=True)] if swap else rows
    kept = set(rng.sample(range(16), min(size, 16)))
    marks = "".join(mark if i in kept else "." for i, mark in enumerate(mark for row in grid for mark in row))
    return "/".join(marks[i : i + 4] for i in range(0, 16, 4))


def _zebra(rng: random.Random, size: int) -> str:
    order = {name: rng.sample(words.split()[:size], size) for name, words in _WORDS.items()}
    place = {item: house for items in order.values() for house, item in enumerate(items, 1)}
    items = sorted(place)

    def clue() -> str:
        a, b = rng.sample(items, 2)
        if rng.random() < 0.2:
            return f"{a}={place[a]}"
        gap = place[b] - place[a]
        true = ["="] if gap == 0 else ["!=", "<", *(["<<"] if gap == 1 else [])] if gap > 0 else ["!="]
        return f"{a}{rng.choice([*true, *(['~'] if abs(gap) == 1 else [])])}{b}"

    categories = [f"{name}: {' '.join(sorted(found))}" for name, found in order.items()]
    return "; ".join([*categories, *(clue() for _ in range(2 * size))])


MAKERS: dict[str, Callable[[random.Random, int], str]] = {
    "knights": _knights,
    "colouring": _colouring,
    "sudoku": _sudoku,
    "zebra": _zebra,
}
