"""Regular expressions over the letters 0 and 1, without Python's `re`: read, matched and compared exactly.

    regex = branch | branch ...      branch = piece piece ...      piece = atom, atom*, atom+ or atom?
    atom  = 0, 1, . (either) or (regex)

A text of at most `LONGEST` characters becomes the minimal deterministic automaton of its language, through Glushkov's
positions (1961) and subsets of them; one that would need more than `MOST_STATES` states on the way is refused. So
nothing backtracks, any text is read in bounded time, and two expressions mean the same exactly if their automata are
equal: ``(0|1)*`` and ``.*``. (The letters are digits because the tiny models read digits one by one.)

One language in eight is *held out*, by hash of the automaton.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import product

from selfplay import seeds
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.types import Json

LETTERS = "01"
LONGEST = 16
LONGEST_DRAWN = 8
"""Characters of the expressions that are drawn here."""
MOST_STATES = 128
HELD_OUT = 8
"""One language in so many is held out."""
EITHER = (0, 1)
"""What ``.`` stands for: indices of letters."""

Automaton = tuple[tuple[bool, int, int], ...]
"""Per state: does a word that ends here match, the state after 0, the state after 1. The first state is the start."""


@dataclass(frozen=True, slots=True)
class Regex:
    """An expression and its language. Equal if the languages are."""

    text: str = field(compare=False)
    automaton: Automaton

    @classmethod
    def parse(cls, text: str) -> Regex:
        """Read an expression.

        Raises:
            Foul: it is none, too long, or its automaton is too large.
        """
        text = text.strip()
        if not 1 <= len(text) <= LONGEST:
            raise Foul(f"a regular expression of 1 to {LONGEST} characters was expected, not {len(text)}")
        return cls(text, _minimal(_Reader(text).automaton()))

    @classmethod
    def from_task(cls, task: Json) -> Regex:
        """Read a task's ``regex``.

        Raises:
            UsageError: it has none.
        """
        match task:
            case {"regex": str(text)}:
                try:
                    return cls.parse(text)
                except Foul as foul:
                    raise UsageError(f"the task's regex {text!r} cannot be read: {foul}") from None
        raise UsageError(f'the task {task!r} has no regex; one is {{"regex": "0*1"}}')

    def matches(self, word: str) -> bool:
        """Does the whole word, letters 0 and 1, belong to the language?"""
        state = 0
        for letter in word:
            state = self.automaton[state][1 + LETTERS.index(letter)]
        return self.automaton[state][0]

    @property
    def held_out(self) -> bool:
        return seeds.derive(0, "regex", repr(self.automaton)) % HELD_OUT == 0


@cache
def words(longest: int) -> tuple[str, ...]:
    """All words of at most so many letters, short ones first."""
    return tuple("".join(letters) for length in range(longest + 1) for letters in product(LETTERS, repeat=length))


def random_regex(rng: random.Random, *, held_out: bool = False) -> Regex:
    """A random expression of two or three pieces whose language is (not) held out; short words tell what it means."""
    while True:
        text = "".join(_piece(rng) for _ in range(rng.choice((2, 2, 2, 3))))
        if text.isdigit() or len(text) > LONGEST_DRAWN:
            continue
        regex = Regex.parse(text)
        matched = sum(map(regex.matches, words(4)))
        if 2 <= matched <= len(words(4)) - 2 and regex.held_out == held_out:
            return regex


@cache
def library(draws: int = 2000) -> tuple[Regex, ...]:
    """Different languages, held-out ones too; those first that are drawn most often, each by its shortest text."""
    rng = seeds.rng(0, "regex library")
    drawn = Counter(random_regex(rng, held_out=number % HELD_OUT == 0).text for number in range(draws))
    texts: dict[Regex, list[str]] = {}
    for text in drawn:
        texts.setdefault(Regex.parse(text), []).append(text)
    often = sorted(texts.items(), key=lambda item: (-sum(drawn[text] for text in item[1]), item[0].text))
    return tuple(Regex(min(same, key=lambda text: (len(text), text)), regex.automaton) for regex, same in often)


@cache
def exam_regexes(count: int) -> tuple[Regex, ...]:
    """Different held-out languages, the same ones always; fewer than `count` where there hardly are more."""
    rng = seeds.rng(0, "regex exam")
    return tuple(dict.fromkeys(random_regex(rng, held_out=True) for _ in range(5 * count)))[:count]


@cache
def library_matches(word: str) -> int:
    """Which expressions of the library match a word: a bit for each."""
    return sum(1 << number for number, regex in enumerate(library()) if regex.matches(word))


def _piece(rng: random.Random) -> str:
    atom = rng.choice(("0", "1", "0", "1", ".", "01", "10"))
    quantifier = rng.choice(("", "*", "+", "?"))
    return (atom if len(atom) == 1 else f"({atom})") + quantifier


@dataclass(slots=True)
class _Part:
    """A piece of an expression: can it be empty, and at which positions may it begin and end?"""

    nullable: bool
    first: frozenset[int]
    last: frozenset[int]


class _Reader:
    """Reads a text from left to right; every letter in it is a *position*, and `follow` says which may come next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._letters: list[tuple[int, ...]] = []
        self._follow: list[set[int]] = []

    def automaton(self) -> Automaton:
        """The subset automaton of the whole text.

        Raises:
            Foul: the text is no expression, or the automaton is too large.
        """
        whole = self._branches()
        if self._at < len(self._text):
            raise Foul(f"{self._text[self._at]!r} at place {self._at + 1} is out of place")
        start = frozenset([-1])  # before the first letter
        numbers: dict[frozenset[int], int] = {start: 0}
        table: list[tuple[bool, int, int]] = []
        for state in (queue := [start]):
            possible = whole.first if state is start else frozenset().union(*(self._follow[at] for at in state))
            steps = []
            for letter in EITHER:
                following = frozenset(at for at in possible if letter in self._letters[at])
                if following not in numbers:
                    if len(numbers) == MOST_STATES:
                        raise Foul("this expression is too complicated")
                    numbers[following] = len(numbers)
                    queue.append(following)
                steps.append(numbers[following])
            ends = whole.nullable if state is start else bool(state & whole.last)
            table.append((ends, steps[0], steps[1]))
        return tuple(table)

    def _branches(self) -> _Part:
        part = self._branch()
        while self._next() == "|":
            self._at += 1
            other = self._branch()
            part = _Part(part.nullable or other.nullable, part.first | other.first, part.last | other.last)
        return part

    def _branch(self) -> _Part:
        part = self._repeated()
        while self._next() not in ("", "|", ")"):
            other = self._repeated()
            for at in part.last:
                self._follow[at] |= other.first
            part = _Part(
                part.nullable and other.nullable,
                part.first | other.first if part.nullable else part.first,
                part.last | other.last if other.nullable else other.last,
            )
        return part

    def _repeated(self) -> _Part:
        part = self._atom()
        sign = self._next()
        if sign in ("*", "+", "?"):
            self._at += 1
            if sign != "?":
                for at in part.last:
                    self._follow[at] |= part.first
            part.nullable |= sign != "+"
        return part

    def _atom(self) -> _Part:
        sign = self._next()
        self._at += 1
        if sign == "(":
            part = self._branches()
            if self._next() != ")":
                raise Foul("a bracket is not closed")
            self._at += 1
            return part
        if sign == "" or sign not in LETTERS + ".":
            what = repr(sign) if sign else "the end"
            raise Foul(f"0, 1, . or ( was expected at place {self._at}, not {what}")
        self._letters.append(EITHER if sign == "." else (LETTERS.index(sign),))
        self._follow.append(set())
        here = frozenset([len(self._letters) - 1])
        return _Part(False, here, here)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]


def _minimal(table: Automaton) -> Automaton:
    """The smallest automaton of the same language (Moore 1956), its states numbered as they are met."""
    classes = [int(ends) for ends, _, _ in table]
    while True:
        kinds = [(classes[state], classes[a], classes[b]) for state, (_, a, b) in enumerate(table)]
        numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        if len(numbers) == len(set(classes)):
            break
        classes = [numbers[kind] for kind in kinds]
    member = dict(zip(classes, range(len(table)), strict=True))
    order = {classes[0]: 0}
    found: list[tuple[bool, int, int]] = []
    for kind in (queue := [classes[0]]):
        ends, a, b = table[member[kind]]
        for after in (classes[a], classes[b]):
            if after not in order:
                order[after] = len(order)
                queue.append(after)
        found.append((ends, order[classes[a]], order[classes[b]]))
    return tuple(found)
