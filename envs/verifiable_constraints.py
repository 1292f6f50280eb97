"""Constraints on short words over the letters a, b and c, said in words, as code, and decided exactly.

    at least 3 letters; starts with b        len(r)>=3 and r[0]=='b'        bca

An *instruction* is one constraint, or several joined by ``; ``. All words of at most `LONGEST` letters are looked at to
say whether two instructions contradict each other, which is exact for these words. One instruction in eight is *held
out*, by hash of its constraints.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.types import Json

LETTERS = "abc"
LONGEST = 5
"""Letters of the words that are enumerated."""
HELD_OUT = 8
"""One instruction in so many is held out."""
FEWEST_WORDS = 3
"""So many words keep an instruction that is drawn, at least."""


class Kind(NamedTuple):
    """A kind of constraint; ``{x}`` is a letter, ``{k}`` a number."""

    words: str
    code: str
    """A Python expression over the word r."""
    keeps: Callable[[str, str, int], bool]
    """Of word, letter, number."""
    numbers: tuple[int, ...] = (0,)


KINDS = (
    Kind("at least {k} letters", "len(r)>={k}", lambda r, x, k: len(r) >= k, (2, 3, 4, 5)),
    Kind("at most {k} letters", "len(r)<={k}", lambda r, x, k: len(r) <= k, (1, 2, 3, 4)),
    Kind("exactly {k} letters", "len(r)=={k}", lambda r, x, k: len(r) == k, (1, 2, 3, 4)),
    Kind("all letters equal", "len(set(r))==1", lambda r, x, k: len(set(r)) == 1),
    Kind("starts with {x}", "r[0]=='{x}'", lambda r, x, k: r[0] == x),
    Kind("ends with {x}", "r[-1]=='{x}'", lambda r, x, k: r[-1] == x),
    Kind("no {x}", "'{x}' not in r", lambda r, x, k: x not in r),
    Kind("{k} times {x}", "r.count('{x}')=={k}", lambda r, x, k: r.count(x) == k, (1, 2, 3)),
)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing that a word must be."""

    kind: Kind
    letter: str
    number: int

    @property
    def words(self) -> str:
        return self.kind.words.format(x=self.letter, k=self.number)

    @property
    def code(self) -> str:
        return self.kind.code.format(x=self.letter, k=self.number)

    def kept_by(self, word: str) -> bool:
        return self.kind.keeps(word, self.letter, self.number)


def _all() -> dict[str, Constraint]:
    each = (Constraint(kind, x, k) for kind in KINDS for x in LETTERS for k in kind.numbers)
    return {constraint.words: constraint for constraint in each}


TABLE = _all()
"""All constraints, by their words."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """Constraints that a word has to keep, all of them."""

    parts: tuple[Constraint, ...]

    @classmethod
    def parse(cls, text: str) -> Instruction:
        """Read its words.

        Raises:
            Foul: it is no instruction.
        """
        parts = [TABLE.get(part.strip()) for part in text[:200].split(";")]
        known = tuple(part for part in parts if part is not None)
        if len(known) < len(parts) or len(parts) > 3:
            raise Foul("one to three constraints were expected, like this: starts with b; at least 3 letters")
        return cls(known)

    @classmethod
    def from_task(cls, task: Json) -> Instruction:
        """Read a task, ``{"instruction": "no c"}``.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"instruction": str(text)}:
                try:
                    return cls.parse(text)
                except Foul as foul:
                    raise UsageError(f"the task's instruction {text!r} cannot be read: {foul}") from None
        raise UsageError(f'the task {task!r} has no instruction; one is {{"instruction": "no c"}}')

    def text(self) -> str:
        return "; ".join(part.words for part in self.parts)

    def code(self) -> str:
        """A Python expression over the word r."""
        return " and ".join(part.code for part in self.parts)

    def kept_by(self, word: str) -> bool:
        """Of a word that is not empty."""
        return all(part.kept_by(word) for part in self.parts)

    def words(self) -> list[str]:
        """The words that keep it, up to `LONGEST` letters."""
        return [word for word in all_words() if self.kept_by(word)]

    def contradicts(self, other: Instruction) -> bool:
        """No word keeps both."""
        return not any(map(other.kept_by, self.words()))

    @property
    def held_out(self) -> bool:
        return seeds.derive(0, "instruction", *sorted(part.words for part in self.parts)) % HELD_OUT == 0


@cache
def all_words() -> tuple[str, ...]:
    """All words of 1 to `LONGEST` letters, short ones first."""
    return tuple("".join(letters) for n in range(1, LONGEST + 1) for letters in product(LETTERS, repeat=n))


def random_instruction(rng: random.Random, parts: int, *, held_out: bool = False) -> Instruction:
    """A random instruction that is (not) held out; each of its constraints rules something out."""
    while True:
        drawn = rng.sample(list(TABLE.values()), parts)
        instruction = Instruction(tuple(drawn))
        kept = len(instruction.words())
        without = [Instruction(tuple(part for part in drawn if part is not left_out)) for left_out in drawn]
        matters = all(len(rest.words()) > kept for rest in without)
        if kept >= FEWEST_WORDS and matters and instruction.held_out == held_out:
            return instruction
