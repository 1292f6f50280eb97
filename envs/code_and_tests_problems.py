"""The problems of `selfplay.envs.code_and_tests`: what players are told, and what only the examiners know.

    keep those over 2->add up            the words of a short function (`selfplay.envs.short_functions`)
    f([3, 1, 5], 2) == 8                 public examples: true, and no secret

A few examples are the only truth that self-play is given; some are *withheld*, or whoever writes the others down would
seem to be right. Two kinds of programs keep the public ones and are wrong all the same: *tables*, which know them by
heart and nothing else, and *hard mutants* of a right program. Tests that do no more than repeat an example reject
neither.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from selfplay import seeds
from selfplay.envs.short_functions import LARGEST_N, ShortFunction, call_text
from selfplay.envs.short_functions_interpreter import Args, NotInLanguage, Value, returns
from selfplay.envs.worked_numbers import Worked
from selfplay.sandbox import FunctionTask, Limits, SuiteRun, SuiteWorth
from selfplay.sandbox.mutants import mutants
from selfplay.types import Request

ENTRY = "f"
CASES = 10
"""By which the examiners call a program right."""
PROBES = 24
"""Inputs on which a hard mutant has to differ from the function at least `DIFFERS` times."""
DIFFERS = 3
SHORT_LIST, SMALL = 3, 7
"""Demonstrated tests have lists of at most so many ints, none larger."""
_LIMITS = Limits(cpu_s=1.0)
_CALL_LIMITS = Limits(cpu_s=0.5)
_CALLS = 20
"""In one test."""


@dataclass(frozen=True)
class Problem:
    """A function to be written, its public examples, and examples that are withheld from the players."""

    function: ShortFunction
    examples: tuple[tuple[Args, Value], ...]
    withheld: int = 0

    @classmethod
    def of(cls, function: ShortFunction, count: int, withheld: int = 0) -> Problem:
        """The same examples for the same function, whoever asks."""
        rng = seeds.rng(0, "code_and_tests", function.source)
        return cls(function, tuple(function.cases(rng, count)), withheld)

    def text(self) -> str:
        """What both roles are told."""
        return "\n".join([self.function.words, *(_claim(*example) for example in self.examples)])

    @cached_property
    def known(self) -> FunctionTask:
        """Does a program keep the public examples, and those that are withheld? These have other values, if they can:
        or a table would keep them by luck."""
        public = [value for _, value in self.examples]
        others = sorted(self._others("withheld", PROBES), key=lambda case: case[1] in public)
        return FunctionTask(ENTRY, [*self.examples, *others[: self.withheld]], limits=_LIMITS)

    @cached_property
    def hidden(self) -> FunctionTask:
        """Is a program right, as far as `CASES` other cases tell?"""
        return FunctionTask(ENTRY, self._others("hidden", CASES), limits=_LIMITS)

    def tables(self) -> list[str]:
        """Programs that know the examples by heart; each says what another example says of all other inputs."""
        return [
            by_heart(
                [(repr(tuple(args)), repr(value)) for args, value in self.examples[number:] + self.examples[:number]]
            )
            for number in range(len(self.examples))
        ]

    def hard_mutants(self) -> list[str]:
        """Mutants of the function that keep the public examples and are clearly wrong elsewhere."""
        probes = self._others("probes", PROBES)
        found = []
        for mutant in mutants(self.function.source, most=40):
            wrong = sum(_says(mutant.source, args) != value for args, value in probes)
            if wrong >= DIFFERS and all(_says(mutant.source, args) == value for args, value in self.examples):
                found.append(mutant.source)
        return found

    def hard_mutant(self) -> str | None:
        """One of them, always the same one."""
        hard = self.hard_mutants()
        return seeds.rng(0, "code_and_tests mutant", self.function.source).choice(hard) if hard else None

    def tests(self, rng: random.Random, count: int) -> str:
        """Right tests of other inputs, one a line, as people write them: ``assert f([3, 5], 2) == 3*2+5*2``."""
        public = [args for args, _ in self.examples]
        chosen: list[Args] = []
        while len(chosen) < count:
            args = [rng.randint(0, SMALL) for _ in range(rng.randint(2, SHORT_LIST))], rng.randint(1, LARGEST_N)
            if args not in [*public, *chosen]:
                chosen.append(args)
        return "\n".join(f"assert {_claim(args, self._worked(args))}" for args in chosen)

    def _worked(self, args: Args) -> Value:
        """Its value, which says how it was worked out."""
        items, n = args
        return self.function.value(([Worked(item) for item in items], Worked(n)))

    def _others(self, name: str, count: int) -> list[tuple[Args, Value]]:
        rng = seeds.rng(0, "code_and_tests", name, self.function.source)
        public = [args for args, _ in self.examples]
        return [case for case in self.function.cases(rng, count + len(public)) if case[0] not in public][:count]


def accepts() -> SuiteRun:
    """Does a suite accept a program?"""
    return SuiteRun(ENTRY, limits=_LIMITS, call_limits=_CALL_LIMITS, max_calls=_CALLS, blame="verifier")


def worth(right: str, wrong: Iterable[str]) -> SuiteWorth:
    """Does a suite accept the right program, and which of the wrong ones does it reject?"""
    return SuiteWorth(
        ENTRY, [right], tuple(wrong),
        limits=_LIMITS, call_limits=_CALL_LIMITS, max_calls=_CALLS, blame="verifier",
    )  # fmt: skip


def by_heart(examples: Sequence[tuple[str, str]]) -> str:
    """A program that looks its arguments up among examples, and says what the last one says if they are not there."""
    *known, (_, other) = examples
    return (
        f"def {ENTRY}(a, n): return " + "".join(f"{value} if (a, n) == {args} else " for args, value in known) + other
    )


def colluding_bot(request: Request, rng: random.Random) -> str:
    """The cheapest players there are: a program that knows the examples by heart, and a test that repeats one."""
    examples = request.messages[-1].text.split("\n")[1:]
    if request.role == "verifier":
        return f"assert {examples[0]}"
    claims = (example.partition(" == ") for example in examples)
    return by_heart([(call.removeprefix(ENTRY), value) for call, _, value in claims])


def _claim(args: Args, value: Value) -> str:
    return f"{call_text(args)} == {value!r}"


def _says(source: str, args: Args) -> Value | None:
    """What a mutant of a function of ours returns; `None` if it does not."""
    try:
        return returns(source, args)
    except NotInLanguage:
        return None
