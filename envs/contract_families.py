"""A generator of short contracts with solutions, in five levels, easiest first:

    1  result+3==a                      equations with a number on the side of the result
    2  2*a-result==b+1                  with another variable there, or a result squeezed between two bounds
    3  result>=a;result>=b;...          the larger, the smaller, absolute values, two cases
    4  3*result<=a<3*result+3           division and remainders, clamping, cases that are equations
    5  implies(a>b,result>=a and ...)   three cases, the largest of three, an extremum within a case

The *starting* contracts are a fixed few that are not held out (see `short_contracts`).

What it does not do: loops, lists, contracts that several different results meet.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from selfplay import seeds
from selfplay.envs.short_contracts import PARAMS, Contract
from selfplay.roles.exams import different

LEVELS = (1, 2, 3, 4, 5)


class Sample(NamedTuple):
    """A contract with an expression that meets it."""

    contract: Contract
    solution: str


class Term(NamedTuple):
    """A sum: coefficients of a, b and c, and a number."""

    of: tuple[int, int, int]
    number: int = 0

    def plus(self, other: Term, times: int = 1) -> Term:
        a, b, c = (x + times * y for x, y in zip(self.of, other.of, strict=True))
        return Term((a, b, c), self.number + times * other.number)

    @property
    def text(self) -> str:
        parts = [(k, name if abs(k) == 1 else f"{abs(k)}*{name}") for k, name in zip(self.of, PARAMS, strict=True) if k]
        if self.number or not parts:
            parts.append((self.number, str(abs(self.number))))
        parts.sort(key=lambda part: part[0] < 0)  # no sum begins with a minus if it can be helped
        shown = "".join(("-" if k < 0 else "+") + text for k, text in parts)
        return shown.removeprefix("+")

    @property
    def atom(self) -> str:
        """Its text, in brackets unless it is a single name."""
        return self.text if self.text in PARAMS else f"({self.text})"


ZERO, ONE = Term((0, 0, 0)), Term((0, 0, 0), 1)


def variable(rng: random.Random, *, besides: str = "") -> Term:
    """One of a, b, c, but none of those in `besides`."""
    name = rng.choice([name for name in PARAMS if name not in besides])
    return Term((int(name == "a"), int(name == "b"), int(name == "c")))


def shifted(rng: random.Random) -> Term:
    """A variable, often plus or minus a number."""
    return variable(rng).plus(ONE, rng.choice((0, 1, 2, 3, -1, -2)))


def mixed(rng: random.Random) -> Term:
    """Two variables, one of them perhaps twice or subtracted."""
    first = variable(rng)
    other = variable(rng, besides=first.text)
    return first.plus(first, rng.choice((0, 0, 1))).plus(other, rng.choice((1, -1)))


def equation(rng: random.Random, result: Term, side: Term) -> str:
    """`result` is the only solution; `side` stands on the same side of the equation."""
    if side == ZERO:
        return f"result=={result.text}"
    if rng.random() < 0.5:
        sign = "" if side.text.startswith("-") else "+"
        return f"result{sign}{side.text}=={result.plus(side).text}"
    return f"{side.text}-result=={side.plus(result, -1).text}"


def numbered(rng: random.Random) -> Term:
    """The side of an easy equation: a number, or nothing."""
    return ZERO.plus(ONE, rng.choice((0, 1, 2, 3, 4, 5, -1, -2, -3)))


def condition(rng: random.Random) -> tuple[str, str]:
    """A comparison and its opposite."""
    left = variable(rng)
    right = rng.choice((variable(rng, besides=left.text).text, str(rng.randint(0, 5))))
    than, not_than = rng.choice(((">", "<="), ("<", ">="), ("==", "!=")))
    return f"{left.text}{than}{right}", f"{left.text}{not_than}{right}"


def _extremum(rng: random.Random, count: int = 2) -> tuple[list[str], str]:
    """Conditions for the largest or smallest of some terms, and an expression for it."""
    terms: list[str] = []
    while len(terms) < count:
        term = shifted(rng).text
        if term[0] not in "".join(terms):
            terms.append(term)
    bound, name = rng.choice(((">=", "max"), ("<=", "min")))
    conditions = [f"result{bound}{term}" for term in terms]
    return [*conditions, " or ".join(f"result=={term}" for term in terms)], f"{name}({','.join(terms)})"


def easy_equation(rng: random.Random) -> tuple[str, str]:
    result = shifted(rng)
    if rng.random() < 0.4:  # twice or three times a variable, or subtracted from a number
        result = ZERO.plus(ONE, result.number).plus(variable(rng), rng.choice((2, 3, -1)))
    return equation(rng, result, numbered(rng)), result.text


def two_sided(rng: random.Random) -> tuple[str, str]:
    result = rng.choice((shifted, mixed))(rng)
    return equation(rng, result, rng.choice((shifted, variable))(rng)), result.text


def squeeze(rng: random.Random) -> tuple[str, str]:
    low = rng.choice((shifted, mixed))(rng)
    left, right, width, above = rng.choice((("<", "<", 2, 1), ("<=", "<", 1, 0), ("<", "<=", 1, 1)))
    return f"{low.text}{left}result{right}{low.plus(ONE, width).text}", low.plus(ONE, above).text


def extremum(rng: random.Random) -> tuple[str, str]:
    conditions, solution = _extremum(rng)
    return ";".join(conditions), solution


def absolute(rng: random.Random) -> tuple[str, str]:
    term = rng.choice((shifted, mixed))(rng)
    negative = ZERO.plus(term, -1)
    bound, solution = rng.choice(((">=", f"abs({term.text})"), ("<=", f"-abs({term.text})")))
    return f"result{bound}0;result=={term.text} or result=={negative.text}", solution


def cases(rng: random.Random, side: Callable[[random.Random], Term] | None = None) -> tuple[str, str]:
    """Two cases; with `side`, each is an equation to be solved."""
    test, otherwise = condition(rng)
    first, second = rng.choice((shifted, mixed))(rng), shifted(rng)
    sides = [side(rng) if side else ZERO for _ in range(2)]
    left, right = equation(rng, first, sides[0]), equation(rng, second, sides[1])
    return f"implies({test},{left});implies({otherwise},{right})", f"{first.text} if {test} else {second.text}"


def division(rng: random.Random) -> tuple[str, str]:
    term, k = rng.choice((variable, shifted, mixed))(rng), rng.randint(2, 5)
    if rng.random() < 0.5:
        return f"{k}*result<={term.text}<{k}*result+{k}", f"{term.atom}//{k}"
    return f"0<=result<{k};({term.text}-result)%{k}==0", f"{term.atom}%{k}"


def clamp(rng: random.Random) -> tuple[str, str]:
    x, low, high = rng.sample(PARAMS, 3)
    if rng.random() < 0.5:
        x = variable(rng, besides=low + high).plus(ONE, rng.randint(1, 3)).text
    within = f"{low}<=result<={high};result=={x} or result=={low} and {x}<{low} or result=={high} and {x}>{high}"
    return f"{low}<={high}|{within}", f"min(max({x},{low}),{high})"


def equations_by_case(rng: random.Random) -> tuple[str, str]:
    return cases(rng, rng.choice((numbered, variable)))


def of_three(rng: random.Random) -> tuple[str, str]:
    conditions, solution = _extremum(rng, 3)
    return ";".join(conditions), solution


def three_cases(rng: random.Random) -> tuple[str, str]:
    left = variable(rng)
    right = rng.choice((variable(rng, besides=left.text).text, "0"))
    results = [rng.choice((numbered, shifted))(rng) for _ in range(3)]
    more, same, less = (f"{left.text}{than}{right}" for than in (">", "==", "<"))
    tests = zip((more, same, less), results, strict=True)
    clauses = [f"implies({test},{equation(rng, result, numbered(rng))})" for test, result in tests]
    first, second, third = (result.text for result in results)
    return ";".join(clauses), f"{first} if {more} else {second} if {same} else {third}"


def extremum_in_case(rng: random.Random) -> tuple[str, str]:
    test, otherwise = condition(rng)
    (*bounds, one_of), solution = _extremum(rng)
    other = shifted(rng)
    inner = f"{' and '.join(bounds)} and ({one_of})"
    second = equation(rng, other, rng.choice((numbered, variable))(rng))
    return f"implies({test},{inner});implies({otherwise},{second})", f"{solution} if {test} else {other.text}"


FAMILIES: dict[int, tuple[Callable[[random.Random], tuple[str, str]], ...]] = {
    1: (easy_equation,),
    2: (two_sided, squeeze),
    3: (extremum, absolute, cases),
    4: (division, clamp, equations_by_case),
    5: (of_three, three_cases, extremum_in_case),
}


def sample(rng: random.Random, level: int, *, held_out: bool = False) -> Sample:
    """A contract of this level that is (not) held out, with a solution."""
    while True:
        text, solution = rng.choice(FAMILIES[level])(rng)
        contract = Contract.parse(text)
        if contract.held_out == held_out:
            return Sample(contract, solution)


@cache
def fixed(level: int, count: int, *, held_out: bool) -> tuple[Sample, ...]:
    """Different contracts of a level, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "contracts", level, held_out)
    return different(lambda: sample(rng, level, held_out=held_out), count, key=lambda one: one.contract.text)


def starting(count: int) -> list[Sample]:
    """So many fixed contracts to start from, spread over the levels."""
    return [one for level in LEVELS for one in fixed(level, -(-count // len(LEVELS)), held_out=False)][:count]
