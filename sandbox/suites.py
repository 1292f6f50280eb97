"""Tests that a model wrote, judged by what they do to programs that are known to be right or wrong.

    SuiteRun("solve")                       claim: Trial(source, tests)   does the suite accept this program?
    SuiteWorth("solve", right, wrong)       claim: tests                   is the suite any good?

A *suite* is source with functions ``def test_...()`` at its left margin; a test passes if it returns. It calls the
program as `solve(...)`, finds it there without an import, and never shares an interpreter with it: the trusted parent
carries each call over and back, runs the program in a process of its own for it, counts, and remembers whether the
program died, so a test that catches everything cannot hide that. Which tests there are is read from the source by the
parent; the suite's own word counts for nothing else than its opinion of one program (`SuiteRun`), and that opinion is
worth what `SuiteWorth` measures: it must accept the right programs, twice and each time in the same way, and reject
wrong ones. A suite that accepts everything is worth nothing.

Wrong programs come from `selfplay.sandbox.mutants`, from wrong answers of players, from both; make sure that they are
wrong with a `FunctionTask`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from selfplay.errors import UsageError
from selfplay.sandbox.tasks import CodeChecker, Order, Report, not_a_program, program
from selfplay.sandbox.types import KIB, Case, Job, Limits, Status
from selfplay.types import Outcome, Verdict

_TEST = re.compile(r"^def[ \t]+(test\w*)[ \t]*\(", re.MULTILINE | re.ASCII)
_BROKEN = {Status.VIOLATION, Status.SIGNAL, Status.NO_RESULT, Status.INVALID_RESULT}
"""Endings of a test that no program's answers bring about."""


class Trial(NamedTuple):
    """A program and a suite."""

    source: str
    tests: str


@dataclass(frozen=True)
class _Suite(CodeChecker):
    """What checkers of suites share."""

    entry: str
    limits: Limits = field(default_factory=lambda: Limits(value=32 * KIB), kw_only=True)
    """For each test. `value` is for one call; all that a test sends is held to a multiple of it."""
    call_limits: Limits = field(default_factory=lambda: Limits(cpu_s=0.5), kw_only=True)
    """For each call of the program. Lower than those of a test, which waits for it."""
    max_tests: int = field(default=30, kw_only=True)
    max_calls: int = field(default=100, kw_only=True)
    """Calls of the program in one test; one that makes more does not pass."""
    blame: str | None = field(default=None, kw_only=True)
    """The role that writes the suites: who is named when one is no good."""

    def orders_for(self, source: str, tests: str) -> list[Order]:
        """One execution per test. A program that cannot be run dies at the first call."""
        solution = None
        if not_a_program(source, self.call_limits) is None:
            solution = Job(source, self.entry, (Case("0"),), limits=self.call_limits)
        return [
            Order(Job(tests, name, (Case("0"),), limits=self.limits, proxies=(self.entry,)), solution, self.max_calls)
            for name in test_names(tests)
        ]

    def unusable(self, tests: str) -> Verdict | None:
        """Why a suite is not even run, if it is not."""
        why = not_a_program(tests, self.limits)
        if why is not None:
            return self.invalid(why)
        names = test_names(tests)
        if not names:
            return self.invalid("there is no function that is called test...")
        if len(names) > self.max_tests:
            return self.invalid(f"there are {len(names)} tests; at most {self.max_tests} are allowed")
        if len(set(names)) < len(names):
            return self.invalid("two tests have the same name")
        return None

    def invalid(self, why: str) -> Verdict:
        return Verdict(Outcome.INVALID_CLAIM, status="invalid_tests", blame=self.blame, detail=why)

    def broken(self, reports: Sequence[Report]) -> Verdict | None:
        """What is wrong with a suite whatever the program is, if anything."""
        for report in reports:
            if report.cases[0].status in _BROKEN:
                return self.invalid(f"a test ended with {report.cases[0].status}")
        if not any(report.calls for report in reports):
            return self.invalid(f"no test ever calls {self.entry}")
        return None


@dataclass(frozen=True)
class SuiteRun(_Suite):
    """Does the suite accept the program? The opinion of a suite that nobody has judged: never pay its author for it.

    The score is the share of tests that passed; `parts` says how each went.
    """

    def texts(self, claim: object) -> tuple[str, ...]:
        if not isinstance(claim, Trial):
            raise TypeError(f"the claim is {claim!r:.80} ({type(claim).__name__}); Trial(source, tests) was expected")
        return program(claim.source), program(claim.tests)

    def orders(self, *texts: str) -> list[Order] | Verdict:
        source, tests = texts
        unusable = self.unusable(tests)
        return self.orders_for(source, tests) if unusable is None else unusable

    def verdict(self, reports: Sequence[Report]) -> Verdict:
        marks = tuple(map(mark, reports))
        if Status.SANDBOX_ERROR in marks:
            return Verdict(Outcome.NO_VERDICT, status=str(Status.SANDBOX_ERROR), parts=marks)
        broken = self.broken(reports)
        if broken is not None:
            return broken
        if accepts(marks):
            return Verdict(Outcome.PASS, 1.0, "ok", parts=marks)
        first = next(found for found in marks if found != "ok")
        return Verdict(Outcome.FAIL, marks.count("ok") / len(marks), first, parts=marks)


@dataclass(frozen=True)
class SuiteWorth(_Suite):
    """Does the suite accept every right program and reject wrong ones?

    ``invalid_claim``: it is ill-formed, flaky, or rejects a right program. ``fail``: it rejects no wrong one. The score
    is the share of wrong programs that it rejects; `parts` says ``killed`` or ``survived`` for each.

    Raises:
        UsageError: without a right and a wrong program there is nothing to measure by.
    """

    right: Sequence[str]
    wrong: Sequence[str]

    def __post_init__(self) -> None:
        if not self.right or not self.wrong:
            raise UsageError(
                f"the worth of a suite was asked with {len(self.right)} right and {len(self.wrong)} wrong programs; "
                "at least one of each is needed"
            )

    def texts(self, claim: object) -> tuple[str, ...]:
        return (program(claim),)

    def orders(self, *texts: str) -> list[Order] | Verdict:
        (tests,) = texts
        programs = [*self.right, *self.right, *self.wrong]
        unusable = self.unusable(tests)
        if unusable is not None:
            return unusable
        return [order for source in programs for order in self.orders_for(source, tests)]

    def verdict(self, reports: Sequence[Report]) -> Verdict:
        each = len(reports) // (2 * len(self.right) + len(self.wrong))
        runs = [tuple(map(mark, reports[at : at + each])) for at in range(0, len(reports), each)]
        if any(Status.SANDBOX_ERROR in marks for marks in runs):
            return Verdict(Outcome.NO_VERDICT, status=str(Status.SANDBOX_ERROR))
        once, again, wrong = (
            runs[: len(self.right)],
            runs[len(self.right) : 2 * len(self.right)],
            runs[2 * len(self.right) :],
        )
        broken = self.broken(reports)
        if broken is not None:
            return broken
        if once != again:
            return self.invalid("flaky: the same tests of the same program ended in another way the second time")
        if not all(map(accepts, once)):
            return self.invalid("a right program was rejected")
        parts = tuple("survived" if accepts(marks) else "killed" for marks in wrong)
        killed = parts.count("killed")
        outcome = Outcome.PASS if killed else Outcome.FAIL
        return Verdict(outcome, killed / len(parts), "ok" if killed else "kills_nothing", parts=parts)


def test_names(tests: str) -> list[str]:
    """The tests of a suite, found without parsing it: a hostile text can do no harm here. What the pattern finds in a
    string is no function, fails when it is called, and with it the suite."""
    return _TEST.findall(tests)


def mark(report: Report) -> str:
    """How one test went: the program's death comes before what the test made of it."""
    return report.died or str(report.cases[0].status)


def accepts(marks: Sequence[str]) -> bool:
    return all(found == "ok" for found in marks)
