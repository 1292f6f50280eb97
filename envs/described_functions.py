"""Functions of three whole numbers described in words, with an expression that computes each and a contract for it.

    the smaller of b and c minus 2     min(b,c-2)     result<=b;result<=c-2;result==b or result==c-2

Four levels: sums, extrema, cases, divisions. One description in eight, whatever its numbers, is held
out for the exam. Contracts are those of `short_contracts`, without preconditions: what is described is described
for all numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple, cast

from selfplay import seeds
from selfplay.envs.contract_families import ONE, Term, mixed, shifted, variable
from selfplay.envs.short_contracts import HELD_OUT, LIMITS, NAME, PARAMS, Contract
from selfplay.errors import UsageError
from selfplay.roles.exams import different
from selfplay.sandbox.checkers import Claim
from selfplay.types import Json

OTHER = "other"
"""Parameter that stands for any result that a contract allows."""
_COUNTS = {1: "", 2: "twice ", 3: "three times "}
_THAN = {">": ("greater than", "<="), "<": ("less than", ">="), "==": ("equal to", "!=")}


class Described(NamedTuple):
    """A function in words."""

    words: str
    solution: str
    """An expression over a, b, c."""
    contract: str
    """One of the contracts that say the same."""

    @classmethod
    def from_task(cls, task: Json) -> Described:
        """Read a task, ``{"words": "a plus 2", "solution": "a+2"}``.

        Raises:
            UsageError: it is something else.
        """
        match task:
            case {"words": str(words), "solution": str(solution)}:
                return cls(words, solution, f"result=={solution}")
        raise UsageError(f'the task {task!r} describes no function; one is {{"words": "a plus 2", "solution": "a+2"}}')

    def task(self) -> dict[str, Json]:
        return {"words": self.words, "solution": self.solution}

    @property
    def held_out(self) -> bool:
        """Belongs to the exam."""
        structure = re.sub("[0-9]+", "0", self.words)
        return seeds.derive(0, "described", structure) % HELD_OUT == 0

    def meets(self, contract: Contract) -> Claim:
        """The claim that the function described meets a contract."""
        return contract.met_by(f"def {NAME}({', '.join(PARAMS)}):\n    return {self.solution}")

    def is_all_of(self, contract: Contract) -> Claim:
        """The claim that whatever meets a contract is the function described."""
        params = (*PARAMS, OTHER)
        problem: dict[str, Json] = {
            "name": NAME, "params": dict.fromkeys(params, "int"), "returns": "int", "ensures": [f"result=={OTHER}"],
            "requires": [re.sub(r"\bresult\b", OTHER, clause) for clause in contract.ensures],
        }  # fmt: skip
        solution = f"def {NAME}({', '.join(params)}):\n    return {self.solution}"
        return Claim(
            "contracts", "solution", cast("dict[str, Json]", {"problem": problem, "solution": solution}), LIMITS
        )


def spoken(term: Term) -> str:
    """A sum in words."""
    parts = [(k, f"{_COUNTS[abs(k)]}{name}") for k, name in zip(term.of, PARAMS, strict=True) if k]
    if term.number:
        parts.append((term.number, str(abs(term.number))))
    parts.sort(key=lambda part: part[0] < 0)
    return " ".join(f"{'plus' if k > 0 else 'minus'} {text}" for k, text in parts).removeprefix("plus ")


def _term(rng: random.Random) -> Term:
    """One or two variables, and often a number."""
    return rng.choice((variable, mixed))(rng).plus(ONE, rng.choice((0, *range(-4, 10))))


def _sum(rng: random.Random) -> Described:
    term = _term(rng)
    return Described(spoken(term), term.text, f"result=={term.text}")


def _extremum(rng: random.Random) -> Described:
    first = shifted(rng)
    second = variable(rng, besides=first.text).plus(ONE, rng.choice((0, 1, 2, -1)))
    word, name, bound = rng.choice((("larger", "max", ">="), ("smaller", "min", "<=")))
    x, y = first.text, second.text
    clauses = f"result{bound}{x};result{bound}{y};result=={x} or result=={y}"
    return Described(f"the {word} of {spoken(first)} and {spoken(second)}", f"{name}({x},{y})", clauses)


def _cases(rng: random.Random) -> Described:
    left, first, second = variable(rng), shifted(rng), shifted(rng)
    right = rng.choice((variable(rng, besides=left.text).text, str(rng.randint(0, 5))))
    than = rng.choice(list(_THAN))
    said, opposite = _THAN[than]
    test = f"{left.text}{than}{right}"
    return Described(
        f"{spoken(first)} if {left.text} is {said} {right}, otherwise {spoken(second)}",
        f"{first.text} if {test} else {second.text}",
        f"implies({test},result=={first.text});implies({left.text}{opposite}{right},result=={second.text})",
    )


def _division(rng: random.Random) -> Described:
    term, k = _term(rng), rng.randint(2, 9)
    if rng.random() < 0.5:
        contract = f"{k}*result<={term.text}<{k}*result+{k}"
        return Described(f"{spoken(term)}, divided by {k} and rounded down", f"{term.atom}//{k}", contract)
    contract = f"0<=result<{k};({term.text}-result)%{k}==0"
    return Described(f"the remainder of {spoken(term)} after division by {k}", f"{term.atom}%{k}", contract)


KINDS: dict[str, Callable[[random.Random], Described]] = {
    "sums": _sum,
    "extrema": _extremum,
    "cases": _cases,
    "divisions": _division,
}


def described(rng: random.Random, kind: str, *, held_out: bool = False) -> Described:
    """A function of this kind whose description is (not) held out."""
    while True:
        found = KINDS[kind](rng)
        if found.held_out == held_out:
            return found


@cache
def fixed(kind: str, count: int, *, held_out: bool) -> tuple[Described, ...]:
    """Different descriptions, the same ones always; fewer than `count` only where there hardly are more."""
    rng = seeds.rng(0, "described", kind, held_out)
    return different(lambda: described(rng, kind, held_out=held_out), count, key=lambda one: one.words)
