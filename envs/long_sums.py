"""Sums of two long numbers, written column by column from the ones up, and scripted players that answer them.

    Base 2. a11b10c01d=       ->        a0b0c0d1        that is 3 + 5 = 8: a names the ones, b the twos, ...

The ones come first, so that each digit can be written when all it depends on has been read. Columns are named by
letters (index hints: Zhou et al. 2023, arXiv 2310.16028), so that a model finds them by name instead of counting. So is
the column of the last carry, which every answer ends with, be it 0: where to stop is looked up like everything else.
Names begin at any letter, and a follows z: then every name is known before numbers are long enough to need it.
Demonstrations leave random room between columns (``a11-b10--c01d=``), so that distances do not give away how long a sum
is: randomised positions (Ruoss et al. 2023, arXiv 2305.16843), as far as text can have them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.types import Json, Request

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ROOM = 2
"""Most dashes after a column."""
HELD_OUT = 8
"""One sum in so many is held out, by hash."""


@dataclass(frozen=True, slots=True)
class LongSum:
    """Two numbers of equally many digits, to be added."""

    a: str
    b: str
    """Digits, the ones first."""
    first: int
    """Which letter names the ones."""
    base: int

    @classmethod
    def draw(cls, rng: random.Random, digits: int, base: int, *, held_out: bool = False) -> LongSum:
        """Two random numbers of so many digits, the last one not 0 unless it is alone."""
        while True:
            a, b = (_random_digits(rng, digits, base) for _ in range(2))
            found = cls(a, b, rng.randrange(len(LETTERS)), base)
            if found.held_out == held_out:
                return found

    @classmethod
    def from_task(cls, task: Json, base: int) -> LongSum:
        """Read what `task` wrote.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"a": str(a), "b": str(b), "first": int(first)} if len(a) == len(b) < len(LETTERS) > first >= 0:
                if re.fullmatch("[0-9]+", a + b) and max(map(int, a + b)) < base:
                    return cls(a, b, first, base)
        raise UsageError(
            f"the task {task!r} is no sum in base {base}\n"
            '  one is {"a": "110", "b": "101", "first": 0}: digits, the ones first, and the letter that names the ones'
        )

    def task(self) -> dict[str, Json]:
        return {"a": self.a, "b": self.b, "first": self.first}

    def text(self, chance: random.Random | None = None) -> str:
        """What the solver sees; with `chance`, with random room after each column."""
        room = ["-" * chance.randint(0, ROOM) if chance else "" for _ in self.a]
        columns = [*(x + y + gap for x, y, gap in zip(self.a, self.b, room, strict=True)), ""]
        return f"Base {self.base}.\n{named(columns, self.first)}="

    @property
    def answer(self) -> str:
        """What the solver should write."""
        return named(added(self.a, self.b, self.base), self.first)

    @property
    def swapped(self) -> LongSum:
        return LongSum(self.b, self.a, self.first, self.base)

    @property
    def held_out(self) -> bool:
        """Belongs to the exam, in either order and under any names. Sums of one or two digits are too few for that."""
        return len(self.a) > 2 and seeds.derive(0, "digits", *sorted((self.a, self.b))) % HELD_OUT == 0


def added(a: str, b: str, base: int, *, carry_over: bool = True) -> str:
    """The digits of a+b, the ones first and the last carry at the end; without carrying it is what a forgetful pupil
    writes."""
    out, carry = [], 0
    for x, y in zip(a, b, strict=True):
        carry, digit = divmod(int(x) + int(y) + carry * carry_over, base)
        out.append(str(digit))
    return "".join([*out, str(carry * carry_over)])


def named(columns: Sequence[str], first: int) -> str:
    """What each column holds, after the column's letter."""
    return "".join(LETTERS[(first + i) % len(LETTERS)] + column for i, column in enumerate(columns))


def named_digits(text: str) -> str:
    """Parser: letters and digits in turn, nothing else."""
    text = text.strip()
    if not re.fullmatch(rf"(?:[a-z][0-9]){{1,{len(LETTERS)}}}", text):
        raise Foul("a letter and a digit for each column were expected, the ones first, such as a0b1")
    return text


def _random_digits(rng: random.Random, digits: int, base: int) -> str:
    low = [str(rng.randrange(base)) for _ in range(digits - 1)]
    return "".join([*low, str(rng.randrange(base) if digits == 1 else rng.randrange(1, base))])


def read(request: Request) -> LongSum:
    """The sum that the solver was asked."""
    found = re.fullmatch(r"Base ([0-9]+)\.\n((?:[a-z][0-9][0-9]-*)+)[a-z]=", request.messages[-1].text)
    assert found, "bots of this game play this game"
    base, columns = found[1], found[2].replace("-", "")
    return LongSum(columns[1::3], columns[2::3], LETTERS.index(columns[0]), int(base))


def exact_bot(request: Request, rng: random.Random) -> str:
    """Adds."""
    return read(request).answer


def forgetful_bot(request: Request, rng: random.Random) -> str:
    """Never carries: always of one opinion, and often wrong."""
    asked = read(request)
    return named(added(asked.a, asked.b, asked.base, carry_over=False), asked.first)


def random_bot(request: Request, rng: random.Random) -> str:
    """Random digits, about as many as there should be."""
    asked = read(request)
    return named(_random_digits(rng, len(asked.a) + rng.randrange(2), asked.base), asked.first)
