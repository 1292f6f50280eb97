"""What the trusted parent asks of a program: a function with expected values, or a script with expected output.

    FunctionTask("solve", [((1, 2), 3), ...])       claim: source that defines `solve`
    ScriptTask([("1 2\\n", "3\\n"), ...])             claim: source that reads stdin and prints

Both are checkers: `await match.check(FunctionTask(...), source, about=move)`. The program sees one input at a time, in
a process of its own; expected values, the other inputs and this file stay outside. The verdict's score is the share of
cases that passed, and `parts` says how each case went, in the task's order: ``ok``, ``wrong``, or a status of
`selfplay.sandbox.types`. A limit that was reached is a failure; only trouble with the sandbox itself gives no verdict.

A *checker* here says what to run (`orders`) and what to make of it (`verdict`); both are pure. `selfplay.sandbox.judge`
does the running.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.sandbox.cache import key_of
from selfplay.sandbox.comparators import Comparator, Exact, Lines
from selfplay.sandbox.inside.values import BadValue, decode, encode
from selfplay.sandbox.types import Case, CaseResult, Isolation, Job, Limits, Profile, Raised, Status
from selfplay.seeds import rng
from selfplay.types import CheckerPool, Outcome, PooledChecker, Verdict


class Order(NamedTuple):
    """One job to run, and the program that answers for its proxies."""

    job: Job
    solution: Job | None = None
    """Calls of the proxies run this job, with the arguments as its one case."""
    calls: int = 0
    """So many calls are answered per case."""


class Report(NamedTuple):
    """What came of an order."""

    cases: tuple[CaseResult, ...]
    calls: int = 0
    """Answered calls of proxies."""
    died: str = ""
    """How the call of the solution ended that gave neither a value nor an exception; no further one was made."""


class CodeChecker(PooledChecker):
    """A checker of programs."""

    @property
    def pool(self) -> CheckerPool:
        """Where its claims are judged."""
        from selfplay.sandbox.pool import current_pool

        return current_pool()

    @functools.cached_property
    def digest(self) -> str:
        """Tells this checker from all that could decide otherwise."""
        return key_of(type(self).__name__, repr(self))

    @abstractmethod
    def texts(self, claim: object) -> tuple[str, ...]:
        """The programs in a claim.

        Raises:
            TypeError: this is not what such a checker judges.
        """

    @abstractmethod
    def orders(self, *texts: str) -> list[Order] | Verdict:
        """What to run to judge a claim, or a verdict that needs no run."""

    @abstractmethod
    def verdict(self, reports: Sequence[Report]) -> Verdict:
        """The judgement; `reports` are in the order of `orders`."""


@dataclass(frozen=True)
class _CaseTask(CodeChecker):
    """What function and script tasks share: each case is run, and its answer compared with the expected one."""

    limits: Limits = field(default_factory=Limits, kw_only=True)
    profile: Profile = field(default=Profile.STD, kw_only=True)
    isolation: Isolation = field(default=Isolation.CASE, kw_only=True)
    """`Isolation.SUBMISSION` runs all cases in one process. Fast, but one case can learn from the next: the judge
    refuses it unless low integrity is allowed."""
    writable: bool = field(default=False, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    """Decides the order in which the cases are run."""

    @abstractmethod
    def called(self) -> str | None:
        """The function that is called; `None` for a script."""

    @abstractmethod
    def inputs(self) -> list[Case]:
        """The cases in the task's order."""

    @abstractmethod
    def right(self, number: int, result: CaseResult) -> bool:
        """Whether the answer to this case is the expected one.

        Raises:
            BadValue: there is no answer that could be compared.
        """

    def texts(self, claim: object) -> tuple[str, ...]:
        return (program(claim),)

    def orders(self, *texts: str) -> list[Order] | Verdict:
        why = not_a_program(texts[0], self.limits)
        if why:
            return Verdict(Outcome.FAIL, 0.0, why)
        inputs = self.inputs()
        cases = tuple(replace(inputs[number], id=str(place)) for place, number in enumerate(self._running_order))
        return [Order(Job(texts[0], self.called(), cases, self.isolation, self.limits, self.profile, self.writable))]

    def verdict(self, reports: Sequence[Report]) -> Verdict:
        (report,) = reports
        found = dict(zip(self._running_order, report.cases, strict=True))
        marks = [self._mark(number, found[number]) for number in range(len(found))]
        return case_verdict(marks, [found[number].raised for number in range(len(found))])

    @functools.cached_property
    def _running_order(self) -> list[int]:
        numbers = list(range(len(self.inputs())))
        rng(self.seed, self.digest).shuffle(numbers)
        return numbers

    def _mark(self, number: int, result: CaseResult) -> str:
        if result.status is not Status.OK:
            return str(result.status)
        try:
            return "ok" if self.right(number, result) else "wrong"
        except BadValue:
            return str(Status.INVALID_RESULT)


@dataclass(frozen=True)
class FunctionTask(_CaseTask):
    """Do calls of a function give the expected values?

    Args:
        entry: the function's name.
        cases: pairs of arguments and expected value; the values are those that can travel, see
            `selfplay.sandbox.inside.values`.

    Raises:
        UsageError: no case, a value that cannot travel, or one that not even itself is equal to.
    """

    entry: str
    cases: Sequence[tuple[tuple[object, ...], object]]
    compare: Comparator = field(default_factory=Exact)

    def __post_init__(self) -> None:
        for number, case in enumerate(self.cases):
            try:
                encode(tuple(case))
            except BadValue as error:
                raise UsageError(f"case {number} of {self.entry} has a value that cannot be sent: {error}") from None
        check_expected(self.compare, [expected for _, expected in self.cases])

    def called(self) -> str | None:
        return self.entry

    def inputs(self) -> list[Case]:
        return [Case("", tuple(args)) for args, _ in self.cases]

    def right(self, number: int, result: CaseResult) -> bool:
        if result.value is None:
            raise BadValue("no value came")
        return self.compare.same(self.cases[number][1], decode(result.value))


@dataclass(frozen=True)
class ScriptTask(_CaseTask):
    """Does a program print the expected output, all of it and nothing else?

    Args:
        cases: pairs of what it reads from stdin and what it has to print.

    Raises:
        UsageError: no case.
    """

    cases: Sequence[tuple[str, str]]
    compare: Comparator = field(default_factory=Lines)

    def __post_init__(self) -> None:
        check_expected(self.compare, [expected for _, expected in self.cases])

    def called(self) -> str | None:
        return None

    def inputs(self) -> list[Case]:
        return [Case("", stdin=stdin.encode()) for stdin, _ in self.cases]

    def right(self, number: int, result: CaseResult) -> bool:
        try:
            return not result.stdout_truncated and self.compare.same(self.cases[number][1], result.stdout.decode())
        except UnicodeDecodeError:
            raise BadValue("the output is not UTF-8") from None


def program(claim: object) -> str:
    """The source that a claim is.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(claim, str):
        raise TypeError(f"the claim is {claim!r:.80} ({type(claim).__name__}); the source of a program was expected")
    return claim


def not_a_program(text: str, limits: Limits) -> str | None:
    """Why a text cannot be run at all, if it cannot."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "not_text"
    return "too_long" if size > limits.source else None


def check_expected(compare: Comparator, expected: Sequence[object]) -> None:
    """Refuse a task that no program can pass.

    Raises:
        UsageError: there is no expected value, or one that is not even equal to itself.
    """
    if not expected:
        raise UsageError("a task needs at least one case")
    for number, value in enumerate(expected):
        if not compare.same(value, value):
            raise UsageError(
                f"case {number}: under {compare!r} the expected value {value!r:.80} is not even equal to itself\n"
                "  choose another comparator; for NaN, one with nan_equal=True"
            )


def case_verdict(marks: Sequence[str], raised: Sequence[Raised | None]) -> Verdict:
    """All cases have to pass; the score is the share that did."""
    if Status.SANDBOX_ERROR in marks:
        return Verdict(Outcome.NO_VERDICT, status=str(Status.SANDBOX_ERROR), parts=tuple(marks))
    passed = Counter(marks)["ok"]
    if passed == len(marks):
        return Verdict(Outcome.PASS, 1.0, "ok", parts=tuple(marks))
    first = next(number for number, mark in enumerate(marks) if mark != "ok")
    detail = f"{passed} of {len(marks)} cases passed; case {first + 1}: {marks[first]}{where(raised[first])}"
    return Verdict(Outcome.FAIL, passed / len(marks), marks[first], detail=detail, parts=tuple(marks))


def where(raised: Raised | None) -> str:
    """Type and line of an exception. Not its message, which could be anything and differ from run to run."""
    if raised is None or not raised.type.isidentifier() or len(raised.type) > 60:
        return ""
    return f" ({raised.type}{f' in line {raised.line}' if raised.line else ''})"
