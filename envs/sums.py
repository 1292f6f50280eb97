"""Sums of a few numbers: what they are, slips that answers to them contain, and scripted players that answer them."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.types import Json, Request

HELD_OUT = 8
"""One sum in so many is held out, by hash."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Numbers to be added."""

    numbers: tuple[int, ...]

    @classmethod
    def draw(cls, rng: random.Random, size: int, *, held_out: bool = False) -> Sum:
        """So many random numbers from 1 to 9."""
        while True:
            found = cls(tuple(rng.randint(1, 9) for _ in range(size)))
            if found.held_out == held_out:
                return found

    @classmethod
    def from_task(cls, task: Json) -> Sum:
        """Read what the exam or a file of tasks says.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"numbers": [_, *_] as numbers} if all(type(n) is int and n > 0 for n in numbers):
                return cls(tuple(numbers))
        raise UsageError(f'the task {task!r} is no sum; one is {{"numbers": [7, 5, 8, 6]}}')

    def text(self) -> str:
        """What the solver sees."""
        return "+".join(map(str, self.numbers))

    @property
    def total(self) -> int:
        return sum(self.numbers)

    @property
    def held_out(self) -> bool:
        """Belongs to the exam, in any order of the numbers."""
        return seeds.derive(0, "self_correction", *sorted(self.numbers)) % HELD_OUT == 0

    def digits_right(self, answer: int | None) -> int:
        """How many digits of the total an answer has in their places; digits it has beyond count against it."""
        if answer is None or answer < 0:
            return 0
        right = str(self.total)
        given = str(answer).zfill(len(right))
        extra = len(given) - len(right)
        return max(0, sum(a == b for a, b in zip(given[extra:], right, strict=True)) - extra)


def slip(total: int, rng: random.Random) -> int:
    """Another number that differs in one digit, usually by a forgotten or a superfluous carry."""
    place: int = 10 ** rng.randrange(len(str(total)))
    other = total + place * rng.choice([-2, -1, -1, 1, 1, 2])
    return other if other >= 0 else total + place


def running_totals(problem: Sum) -> str:
    """The sum of the first two numbers, of the first three, and so on."""
    return " ".join(map(str, itertools.accumulate(problem.numbers))).partition(" ")[2]


def _numbers(request: Request) -> list[int]:
    question = request.conversation()[1].text.partition(" ")[0]
    return [int(number) for number in re.findall("[0-9]+", question)]


def exact_bot(request: Request, rng: random.Random) -> str:
    """Adds; as the reflector, writes down running totals."""
    problem = Sum(tuple(_numbers(request)))
    return running_totals(problem) if request.role == "reflector" else str(problem.total)


def careless_bot(request: Request, rng: random.Random) -> str:
    """Slips in every second first attempt, and gets the second one right."""
    problem = Sum(tuple(_numbers(request)))
    again = request.parent is not None
    if request.role == "solver" and not again and rng.random() < 0.5:
        return str(slip(problem.total, rng))
    return exact_bot(request, rng)


def random_bot(request: Request, rng: random.Random) -> str:
    """A number that could be the total; as the reflector, empty words."""
    if request.role == "reflector":
        return "look again"
    size = len(_numbers(request))
    return str(rng.randint(size, 9 * size))
