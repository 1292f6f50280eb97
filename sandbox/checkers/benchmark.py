"""The graded benchmark that ships with the contracts checker: problems with right and wrong solutions.

``problems/FAMILY.txt`` holds contract files one after the other. ``# problem: NAME, difficulty D`` (1 to 5) begins a
problem, whose contract file is its right solution; each ``# wrong`` begins a solution that breaks the contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from selfplay.sandbox.checkers.contracts.problem import Problem
from selfplay.sandbox.checkers.contracts.split import split_file
from selfplay.sandbox.checkers.types import Claim, Limits

_HEAD = re.compile(r"^# problem: (\w+), difficulty ([1-5])$", re.MULTILINE)
_WRONG = re.compile(r"^# wrong$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Graded:
    """One problem of the benchmark."""

    family: str
    difficulty: int
    problem: Problem
    solution: str
    wrong: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.problem.name

    def claims(self, limits: Limits | None = None) -> list[Claim]:
        """The right solution, then the wrong ones, as claims of the contracts checker."""
        limits = limits or Limits()
        stated = self.problem.to_json()
        texts = [self.solution, *self.wrong]
        return [Claim("contracts", "solution", {"problem": stated, "solution": text}, limits) for text in texts]


def load() -> list[Graded]:
    """All problems, by family and then in the order of their file."""
    folder = resources.files("selfplay.sandbox.checkers") / "problems"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=lambda file: file.name)
    return [graded for file in files for graded in _read(file.name.removesuffix(".txt"), file.read_text())]


def _read(family: str, text: str) -> list[Graded]:
    parts = _HEAD.split(text)[1:]
    found = []
    for _, difficulty, body in zip(*[iter(parts)] * 3, strict=True):
        right, *wrong = (part.strip() + "\n" for part in _WRONG.split(body))
        problem, solution = split_file(right)
        found.append(Graded(family, int(difficulty), problem, solution, tuple(wrong)))
    return found
