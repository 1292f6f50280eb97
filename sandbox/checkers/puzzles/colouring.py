"""Graph colouring: ends of an edge have different colours.

    3: a-b b-c a-c c-d a=1 b=2       three colours, four edges, two nodes whose colour is given

Nodes are words of small letters and digits. Colours are numbers; solutions that differ in the names of colours alone
are different solutions, so a puzzle with one solution fixes some nodes. An answer is ``a=1 b=2 c=3 d=1``.
"""

from __future__ import annotations

import re

from selfplay.sandbox.checkers.algebra.problem import Constraint, Domain, Problem
from selfplay.sandbox.checkers.algebra.tree import Assignment, Compare, Num, Var
from selfplay.sandbox.checkers.contracts.faults import malformed
from selfplay.sandbox.checkers.puzzles.puzzle import Puzzle, check_text

MAX_NODES = 20
MAX_EDGES = 60
_NODE = r"[a-z][a-z0-9]{0,7}"
_HEAD = re.compile(r"\s*([1-9])\s*:(.*)", re.DOTALL)
_PART = re.compile(rf"({_NODE})(?:-({_NODE})|=([1-9]))")


def read(text: str) -> Puzzle:
    """Read a puzzle.

    Raises:
        Fault: it is none.
    """
    head = _HEAD.fullmatch(check_text(text))
    if head is None:
        raise malformed(0, "a puzzle is a number of colours and a graph, such as 3: a-b b-c a=1")
    colours = int(head[1])
    clues = [_clue(part, colours) for part in head[2].split()]
    nodes = sorted({node for part in head[2].split() for node in re.findall(_NODE, part)})
    if not 1 <= len(nodes) <= MAX_NODES or len(clues) > MAX_EDGES:
        raise malformed(0, f"1 to {MAX_NODES} nodes and at most {MAX_EDGES} edges and given colours")
    problem = Problem({node: Domain("int", 1, colours) for node in nodes}, tuple(clues))
    return Puzzle(problem, lambda answer: _answer(answer, nodes), _shown)


def _clue(part: str, colours: int) -> Constraint:
    found = _PART.fullmatch(part)
    if found is None or found[1] == found[2] or (found[3] and int(found[3]) > colours):
        raise malformed(0, f"{part[:40]!r} is neither an edge a-b nor a given colour a=1")
    if found[2]:
        return Constraint(part, Compare("!=", Var(found[1]), Var(found[2])))
    return Constraint(part, Compare("==", Var(found[1]), Num(int(found[3]))))


def _answer(text: str, nodes: list[str]) -> Assignment:
    parts = [part.partition("=") for part in check_text(text).split()]
    found = {node: int(colour) for node, _, colour in parts if re.fullmatch("[0-9]", colour)}
    if sorted(found) != nodes or len(parts) != len(nodes):
        raise malformed(0, f"an answer gives each node one colour: {' '.join(f'{node}=1' for node in nodes[:3])} ...")
    return dict(found)


def _shown(assignment: Assignment) -> str:
    return " ".join(f"{node}={colour}" for node, colour in sorted(assignment.items()))
