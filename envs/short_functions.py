"""Short Python functions over a list of ints and an int: drawn at random, each with a recipe in words.

    keep those over 2->multiply each by n->add up        ->  def f(a, n): return sum([x*n for x in a if x>2])

A function is a *recipe* of one to three steps, each of which changes a list, makes a number of it, or changes a number;
operands are n or 1 to 5. All return something for every input: a list of 2 to 4 ints from 0 to 9, and n from 1 to 5.

There are about 100 functions of one step, 6,000 of two and many more of three. One in eight is *held out*, by a hash of
its code: exams consist of such functions, nobody is ever trained on one, and no demonstration shows one. What a model
wrote has a hash too. That other numbers in the same code make another function is on purpose: of code whose like it has
never seen a tiny model knows next to nothing, however long it plays.

A game may ask for the function (from its words, from examples), for what it returns, or for its arguments. What models
write is run in the sandbox; the functions drawn here are worked out by an interpreter of their own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from selfplay import seeds
from selfplay.envs.short_functions_interpreter import Args, NotInLanguage, Value, canonical, returns
from selfplay.errors import UsageError
from selfplay.roles.exams import different
from selfplay.types import Json

HELD_OUT = 8
"""One function in so many is held out."""
HEADER = "def f(a, n): return "
LONGEST_LIST, HIGHEST, LARGEST_N = 4, 9, 5
STEPS = (1, 2, 3)
"""How many steps a function may have."""
PROBES = 16
"""Inputs on which a function has to show that it does something."""

Kind = Literal["list", "keep", "each", "reduce", "number"]


class Step(NamedTuple):
    """One step of a recipe; ``{k}`` is its operand, ``{}`` in the code what it is applied to."""

    kind: Kind
    words: str
    code: str
    """`keep` and `each`: in terms of x, an item."""
    may_empty: bool = False
    """What it leaves of a list may be nothing."""
    needs_item: bool = False
    """It cannot be applied to nothing."""


TABLE = (
    Step("list", "sort", "sorted({})"),
    Step("list", "reverse", "{}[::-1]"),
    Step("list", "take every second", "{}[::2]"),
    Step("list", "take the first {k}", "{}[:{k}]"),
    Step("list", "drop the first {k}", "{}[{k}:]", may_empty=True),
    Step("keep", "keep those over {k}", "x>{k}", may_empty=True),
    Step("keep", "keep those under {k}", "x<{k}", may_empty=True),
    Step("keep", "keep those other than {k}", "x!={k}", may_empty=True),
    Step("keep", "keep the even ones", "x%2==0", may_empty=True),
    Step("each", "add {k} to each", "x+{k}"),
    Step("each", "take {k} off each", "x-{k}"),
    Step("each", "multiply each by {k}", "x*{k}"),
    Step("each", "square each", "x*x"),
    Step("each", "halve each", "x//2"),
    Step("reduce", "add up", "sum({})"),
    Step("reduce", "count", "len({})"),
    Step("reduce", "count each {k}", "{}.count({k})"),
    Step("reduce", "the largest", "max({})", needs_item=True),
    Step("reduce", "the smallest", "min({})", needs_item=True),
    Step("reduce", "the first", "{}[0]", needs_item=True),
    Step("reduce", "the last", "{}[-1]", needs_item=True),
    Step("number", "add {k}", "{}+{k}"),
    Step("number", "take {k} off", "{}-{k}"),
    Step("number", "multiply by {k}", "{}*{k}"),
    Step("number", "the remainder by {k}", "{}%{k}"),
    Step("number", "at most {k}", "min({}, {k})"),
    Step("number", "at least {k}", "max({}, {k})"),
    Step("number", "0 unless a starts over {k}", "{} if a[0]>{k} else 0"),
    Step("number", "0 unless n is in a", "{} if n in a else 0"),
)


@dataclass(frozen=True, slots=True)
class ShortFunction:
    """A function, and how to say it."""

    source: str
    words: str
    """The steps, joined by ``->``."""

    @property
    def held_out(self) -> bool:
        return held_out(self.source)

    def value(self, args: Args) -> Value:
        """What it returns."""
        return returns(self.source, args)

    def cases(self, rng: random.Random, count: int) -> list[tuple[Args, Value]]:
        """Different inputs with their values; not all values are the same."""
        while True:
            inputs = random_inputs(rng, count)
            cases = [(args, self.value(args)) for args in inputs]
            if count == 1 or any(value != cases[0][1] for _, value in cases):
                return cases

    def task(self) -> dict[str, Json]:
        return {"source": self.source, "words": self.words}

    @classmethod
    def from_task(cls, task: Json) -> ShortFunction:
        """Read what `task` wrote.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"source": str(source), "words": str(words)}:
                return cls(source, words)
        example = {"source": "def f(a, n): return a[:n]", "words": "take the first n"}
        raise UsageError(f"the task {task!r} is no short function; one is {example}")


@lru_cache(maxsize=10_000)
def held_out(source: str) -> bool:
    """Does this function belong to the exam? `source` may be any Python function called f.

    Raises:
        NotInLanguage: it is none.
    """
    return seeds.derive(0, "short function", canonical(source)) % HELD_OUT == 0


def random_function(rng: random.Random, steps: int, *, held_out: bool = False) -> ShortFunction:
    """A random function of so many steps that is (not) held out."""
    while True:
        function = any_function(rng, steps)
        if function.held_out == held_out and _does_something(function.source):
            return function


@cache
def exam_functions(steps: int, count: int) -> tuple[ShortFunction, ...]:
    """Different held-out functions, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "short functions exam", steps)

    def draw() -> ShortFunction | None:
        function = any_function(rng, steps)
        return function if function.held_out and _does_something(function.source) else None

    return different(draw, count)


def random_args(rng: random.Random) -> Args:
    """A random input."""
    return [rng.randint(0, HIGHEST) for _ in range(rng.randint(2, LONGEST_LIST))], rng.randint(1, LARGEST_N)


def random_inputs(rng: random.Random, count: int) -> list[Args]:
    """Different random inputs."""
    found: list[Args] = []
    while len(found) < count:
        args = random_args(rng)
        if args not in found:
            found.append(args)
    return found


def call_text(args: Sequence[object]) -> str:
    """A call as it is written: ``f([3, 1, 2], 4)``."""
    return f"f({', '.join(map(repr, args))})"


def any_function(rng: random.Random, steps: int) -> ShortFunction:
    """A random function, held out or not; it may always return the same."""
    return _compose([(step, _operand(rng, step)) for step in _recipe(rng, steps)])


def _recipe(rng: random.Random, steps: int) -> list[Step]:
    """Steps that fit together: no two of a kind next to each other say the same, and nothing fails."""
    while True:
        lists = steps if rng.random() < 0.4 else rng.randint(max(0, steps - 2), steps - 1)
        kinds = [("list", "keep", "each")] * lists + [("reduce",)] * (lists < steps)
        kinds += [("number",)] * (steps - lists - 1)
        recipe = [rng.choice([step for step in TABLE if step.kind in kind]) for kind in kinds]
        repeats = any(one is other for one, other in pairwise(recipe))
        empty = any(step.may_empty for step in recipe)
        if not repeats and not (empty and any(step.needs_item for step in recipe)):
            return recipe


def _operand(rng: random.Random, step: Step) -> str:
    if "{k}" not in step.words:
        return ""
    return "n" if rng.random() < 0.4 else str(rng.randint(2 if "%" in step.code or "*" in step.code else 1, LARGEST_N))


def _compose(recipe: Sequence[tuple[Step, str]]) -> ShortFunction:
    """The function of a recipe; keeping and then changing each becomes one comprehension."""
    code, each, test = "a", "x", ""
    for step, k in recipe:
        part = step.code.replace("{k}", k)
        if step.kind == "keep" and each == "x" and not test:
            test = part
        elif step.kind == "each" and each == "x":
            each = part
        elif step.kind in ("keep", "each"):
            code = _comprehension(code, each, test)
            each, test = ("x", part) if step.kind == "keep" else (part, "")
        else:
            code, each, test = part.replace("{}", _comprehension(code, each, test)), "x", ""
    words = "->".join(step.words.replace("{k}", k) for step, k in recipe)
    return ShortFunction(HEADER + _comprehension(code, each, test), words)


def _comprehension(code: str, each: str, test: str) -> str:
    if each == "x" and not test:
        return code
    return f"[{each} for x in {code}{f' if {test}' if test else ''}]"


@cache
def _probes() -> list[Args]:
    return random_inputs(seeds.rng(0, "short functions probes"), PROBES)


@lru_cache(maxsize=10_000)
def _does_something(source: str) -> bool:
    """It returns for every probe, several different values, and not just its first argument."""
    try:
        values = [returns(source, args) for args in _probes()]
    except NotInLanguage:
        return False
    same = sum(value == args[0] for value, args in zip(values, _probes(), strict=True))
    return len({repr(value) for value in values}) > 3 and same < PROBES // 2
