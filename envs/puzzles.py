"""Countdown's puzzles: what they are, random ones, held-out ones, and scripted players that solve them."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from selfplay import seeds
from selfplay.envs.arithmetic import Expression, random_expression, reach
from selfplay.errors import UsageError
from selfplay.roles.exams import different
from selfplay.types import Json, Request

LARGEST = 999
"""Targets lie in 0 .. LARGEST."""
HELD_OUT = 8
"""One puzzle in so many is held out, by hash: for every run, on every machine, the same ones."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Numbers, each to be used once, and the value to reach."""

    numbers: tuple[int, ...]
    """Sorted: their order must not give the witness away."""
    target: int

    @classmethod
    def of(cls, witness: Expression) -> Puzzle:
        """The puzzle that this expression solves."""
        return cls(witness.numbers, witness.value)

    @classmethod
    def from_task(cls, task: Json) -> Puzzle:
        """Read what `task` wrote.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"numbers": [_, *_] as numbers, "target": int(target)} if all(type(n) is int for n in numbers):
                return cls(tuple(sorted(numbers)), target)
        raise UsageError(f'the task {task!r} is no Countdown puzzle; one is {{"numbers": [3, 5, 7], "target": 22}}')

    def task(self) -> dict[str, Json]:
        return {"numbers": list(self.numbers), "target": self.target}

    def text(self) -> str:
        """What the solver sees."""
        return f"Numbers: {' '.join(map(str, self.numbers))} Target: {self.target}"

    @property
    def key(self) -> str:
        """Equal for equal puzzles only."""
        return f"{' '.join(map(str, self.numbers))} = {self.target}"

    @property
    def held_out(self) -> bool:
        """Belongs to the exam; nobody may be trained on it."""
        return seeds.derive(0, "countdown", self.key) % HELD_OUT == 0

    def solved_by(self, answer: Expression | None) -> bool:
        """Uses every number once and hits the target; `None`, the value of a foul, does not."""
        return answer is not None and answer.numbers == self.numbers and answer.value == self.target


def random_witness(rng: random.Random, size: int, highest: int = 9, *, held_out: bool = False) -> Expression:
    """A random expression whose puzzle is (not) held out."""
    while True:
        witness = random_expression(rng, size, highest, LARGEST)
        if Puzzle.of(witness).held_out == held_out:
            return witness


@cache
def exam_puzzles(size: int, highest: int, count: int) -> tuple[Puzzle, ...]:
    """Different held-out puzzles, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "countdown exam", size, highest)

    def draw() -> Puzzle | None:
        puzzle = Puzzle.of(random_expression(rng, size, highest, LARGEST))
        return puzzle if puzzle.held_out else None

    return different(draw, count, patience=20_000)


def random_bot(request: Request, rng: random.Random) -> str:
    """Proposes a random expression of the wanted size; answers with the numbers in random order, random operators."""
    prompt = request.messages[-1].text
    given = [int(number) for number in re.findall("[0-9]+", prompt)]
    if request.role == "proposer":
        return random_witness(rng, given[0] if given else 4).text
    numbers = rng.sample(given[:-1], len(given) - 1)
    return str(numbers[0]) + "".join(rng.choice("+-*") + str(number) for number in numbers[1:])


def exhaustive_bot(request: Request, rng: random.Random) -> str:
    """Solves every puzzle; proposes at random."""
    if request.role == "proposer":
        return random_bot(request, rng)
    *numbers, target = [int(number) for number in re.findall("[0-9]+", request.messages[-1].text)]
    return reach(numbers, target) or "impossible"
