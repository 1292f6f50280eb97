"""Judgements from outside the players."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from selfplay.errors import NoVerdict


class Outcome(StrEnum):
    """What a check found. "Could not tell" is never "wrong"."""

    PASS = "pass"
    """The claim holds."""
    FAIL = "fail"
    """The claim does not hold, or a deterministic budget (CPU, output, memory, rlimit) was spent."""
    UNDECIDED = "undecided"
    """A sound but incomplete checker neither proved nor refuted it: 0 for selection, masked for policy gradient."""
    INVALID_CLAIM = "invalid_claim"
    """The claim itself is no good (vacuous, ill-formed); `blame` names the role that made it."""
    NO_VERDICT = "no_verdict"
    """Infrastructure trouble: nothing is known about the claim. The moves it is about are masked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement from outside the players.

    Raises:
        NoVerdict: on `bool(verdict)` when `outcome` is `NO_VERDICT`.
    """

    outcome: Outcome
    score: float | None = None
    """Partial credit in [0, 1] where the checker gives it."""
    status: str = ""
    """The checker's own finer word, for example ``PROVED`` or ``TIMEOUT``."""
    blame: str | None = None
    detail: str = ""
    parts: tuple[str, ...] = ()
    """What was found for each part of the claim, in the checker's order: test cases, mutants."""

    def __bool__(self) -> bool:
        if self.outcome is Outcome.NO_VERDICT:
            why = f"{self.status or 'no status'}: {self.detail}"
            raise NoVerdict(f"the check gave no verdict ({why}); that is not a failure")
        return self.outcome is Outcome.PASS


Checker = Callable[[Any], "Verdict | bool | float"]
"""Judges one claim. A bool is pass or fail, a float in [0, 1] a score (1 passes). Raising means "could not tell"."""


class CheckerPool(Protocol):
    """Judges many claims at once, on workers of its own: sandboxes, provers."""

    def judge(self, checks: Sequence[tuple[PooledChecker, Any]]) -> list[Verdict]:
        """A verdict for each (checker, claim), in order; each is a function of its checker and claim alone. What the
        machine may be to blame for has been tried again. Called from any thread, but from one at a time.

        Raises:
            RunError, UsageError: nothing can be judged here; the run has to stop.
        """


class PooledChecker:
    """Base of checkers that have a pool. The arena hands a pool the claims of many matches together, on a thread of its
    own; everywhere else the checker is called like any other."""

    @property
    def pool(self) -> CheckerPool:
        raise NotImplementedError

    def __call__(self, claim: Any) -> Verdict:
        return self.pool.judge([(self, claim)])[0]
