"""Arithmetic that players write: read with a whitelist, computed here, never evaluated as code.

    expression = product  { ("+" | "-") product }
    product    = atom     { "*" atom }
    atom       = number | "(" expression ")"
    number     = 1 .. 9999, no leading zero, no sign

An `Expression` knows its value and which numbers it uses. `random_expression` draws one; `reach` finds one for given
numbers and target by complete search. There is no division, so every value is a whole number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from selfplay.game import Foul

LONGEST = 200
"""Characters in an expression."""
DEEPEST = 20
"""Parentheses around parentheses."""

_TOKEN = re.compile(r"[1-9][0-9]{0,3}(?![0-9])|[-+*()]")


@dataclass(frozen=True, slots=True)
class Expression:
    """Sums, differences and products of positive whole numbers."""

    text: str
    """Without spaces."""
    numbers: tuple[int, ...]
    """Every number it uses, as often as it does, sorted."""
    value: int

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression; spaces are free.

        Raises:
            Foul: `text` is anything else, or too long or deep.
        """
        if len(text) > LONGEST:
            raise Foul(f"an expression may have {LONGEST} characters, this has {len(text)}")
        reader = _Reader(text)
        value = reader.sum()
        if reader.token:
            raise Foul(f"{reader.token!r} does not belong after {''.join(reader.read)!r}")
        return cls("".join(reader.read), tuple(sorted(reader.numbers)), value)

    @property
    def times_share(self) -> float:
        """How many of its operators are multiplications, in [0, 1]."""
        return self.text.count("*") / max(1, len(self.numbers) - 1)


class _Reader:
    """Recursive descent over the tokens; each method takes what it understands and returns its value."""

    def __init__(self, text: str) -> None:
        self.read: list[str] = []
        self.numbers: list[int] = []
        self._tokens = _tokens(text)
        self._depth = 0
        self.token = next(self._tokens, "")
        """The next one; empty at the end."""

    def sum(self) -> int:
        total = self._product()
        while self.token in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            total += sign * self._product()
        return total

    def _product(self) -> int:
        total = self._atom()
        while self.token == "*":
            self._take()
            total *= self._atom()
        return total

    def _atom(self) -> int:
        if self.token[:1].isdigit():
            self.numbers.append(int(self._take()))
            return self.numbers[-1]
        if self.token != "(":
            raise Foul(f"a number or ( was expected, not {self.token!r}" if self.token else "it stops too early")
        self._depth += 1
        if self._depth > DEEPEST:
            raise Foul(f"more than {DEEPEST} parentheses inside each other")
        self._take()
        total = self.sum()
        if self.token != ")":
            raise Foul("a ) is missing")
        self._take()
        self._depth -= 1
        return total

    def _take(self) -> str:
        taken = self.token
        self.read.append(taken)
        self.token = next(self._tokens, "")
        return taken


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif found := _TOKEN.match(text, at):
            at = found.end()
            yield found.group()
        else:
            raise Foul(f"{text[at : at + 5]!r}: only numbers from 1 to 9999, + - * and parentheses are allowed")


def random_expression(rng: random.Random, size: int, highest: int, largest: int) -> Expression:
    """Random numbers from 1 to `highest` and random operators, no parentheses; its value is in 0 .. `largest`."""
    while True:
        numbers = [str(rng.randint(1, highest)) for _ in range(size)]
        text = numbers[0] + "".join(rng.choice("+-*") + number for number in numbers[1:])
        expression = Expression.parse(text)
        if 0 <= expression.value <= largest:
            return expression


def reach(numbers: Sequence[int], target: int) -> str | None:
    """An expression that uses every number once and has the value `target`, or `None`: there is none.

    Complete. Values of subsets of up to three numbers are tabulated; larger sets are split in every way, the smaller
    part's values say what the larger part would have to reach. 6 numbers take a few milliseconds.
    """

    @cache
    def values(part: tuple[int, ...]) -> dict[int, str]:
        """Value -> how, for a sorted part of at most three numbers."""
        if len(part) == 1:
            return {part[0]: str(part[0])}
        table: dict[int, str] = {}
        for small, large in _splits(part):
            for a, how_a in values(small).items():
                for b, how_b in values(large).items():
                    table[a + b] = f"({how_a}+{how_b})"
                    table[a - b] = f"({how_a}-{how_b})"
                    table[b - a] = f"({how_b}-{how_a})"
                    table[a * b] = f"{how_a}*{how_b}"
        return table

    @cache
    def search(part: tuple[int, ...], wanted: int) -> str | None:
        if len(part) <= 3:
            return values(part).get(wanted)
        for small, large in _splits(part):
            for a, how_a in (values(small) if len(small) <= 3 else {}).items():
                needs = [(wanted - a, "({}+{})"), (a - wanted, "({}-{})"), (wanted + a, "({1}-{0})")]
                if a and wanted % a == 0:
                    needs.append((wanted // a, "{}*{}"))
                elif a == wanted == 0:
                    needs.append((sum(large), "{}*{}"))  # anything will do
                for need, form in needs:
                    if how_b := search(large, need):
                        return form.format(how_a, how_b)
        return None

    found = search(tuple(sorted(numbers)), target)
    return found[1:-1] if found and _wrapped(found) else found


def _wrapped(text: str) -> bool:
    """Is the first parenthesis closed by the last character?"""
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return at == len(text) - 1 and at > 0
    return False


def _splits(part: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All ways to cut a part in two, the smaller one first; most even cuts first, which settle most puzzles at once."""
    places = range(len(part))
    for size in range(len(part) // 2, 0, -1):
        for chosen in combinations(places, size):
            yield tuple(part[i] for i in chosen), tuple(part[i] for i in places if i not in chosen)
