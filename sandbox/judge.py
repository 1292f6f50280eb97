"""The judge: runs what checkers order, in sandboxes, and is alone in knowing what was expected.

What it holds itself to:

- Everything that is due is run side by side; then whatever the machine may be to blame for is run again alone. A second
  wall-clock kill, alone, is the program's own doing (it sleeps); trouble with the sandbox is tried `RETRIES` times and
  then gives no verdict, never a wrong one.
- Results of a weaker isolation or integrity than was asked for are refused, with an error and not with a verdict.
- A verdict is kept and given again only if neither clock nor limits had a say in it.
- If more than `Rules.masked_share` of the verdicts come to nothing, the sandbox is broken and the run has to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.cache import VerdictCache, key_of
from selfplay.sandbox.calls import Calls
from selfplay.sandbox.tasks import CodeChecker, Order, Report
from selfplay.sandbox.types import Answer, ExecResult, Integrity, Isolation, Job, Level, Reply, Sandbox, Status
from selfplay.types import Outcome, Verdict

RETRIES = 2
_TROUBLE = {str(Status.SANDBOX_ERROR), str(Status.TIMEOUT)}
_REPEATABLE = {Status.OK, Status.EXCEPTION}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a judge accepts."""

    min_level: Level = Level.L2
    allow_weak_sandbox: bool = False
    """Run hostile code although the sandbox is weaker than `min_level`."""
    allow_low_integrity: bool = False
    """Believe results that one case of a program could have forged for another."""
    masked_share: float = 0.01
    """Stop when more than this share of all verdicts is lost to trouble with the sandbox ..."""
    masked_count: int = 8
    """... and at least this many are."""


class Claim(NamedTuple):
    """A claim and who judges it."""

    checker: CodeChecker
    texts: tuple[str, ...]


class Judge:
    """Judges claims about programs.

    Args:
        sandbox: started already, and used by the event loop that `judge` is called in.
        cache: where verdicts are kept; an empty one by default.

    Raises:
        UsageError: the sandbox is weaker than the rules allow.
    """

    def __init__(self, sandbox: Sandbox, rules: Rules = Rules(), cache: VerdictCache | None = None) -> None:
        self.rules = rules
        self.cache = VerdictCache() if cache is None else cache
        self.judged = self.masked = 0
        """Verdicts so far, and how many of them came to nothing."""
        self._sandbox = sandbox
        self._known: dict[tuple[str, str, str], Reply] = {}
        self._check_level(sandbox.level)

    async def judge(self, claims: Sequence[Claim]) -> list[Verdict]:
        """A verdict for each claim, in order.

        Raises:
            UsageError: a checker wants an isolation that the rules do not allow.
            RunError: the sandbox gave results of a lower level, or too many claims got no verdict.
        """
        keys = [key_of(claim.checker.digest, *claim.texts) for claim in claims]
        found = {key: kept for key in keys if (kept := self.cache.get(key)) is not None}
        due = {key: claim for key, claim in zip(keys, claims, strict=True) if key not in found}
        found |= await self._judge_all(due)
        self._count([found[key] for key in keys])
        return [found[key] for key in keys]

    async def _judge_all(self, due: dict[str, Claim]) -> dict[str, Verdict]:
        found: dict[str, Verdict] = {}
        orders: dict[str, list[Order]] = {}
        for key, claim in due.items():
            planned = claim.checker.orders(*claim.texts)
            if isinstance(planned, Verdict):
                found[key] = planned
            else:
                orders[key] = planned
        reports = await self.carry_out([order for planned in orders.values() for order in planned])
        at = 0
        for key, planned in orders.items():
            mine, at = reports[at : at + len(planned)], at + len(planned)
            found[key] = due[key].checker.verdict(mine)
            if all(case.status in _REPEATABLE and not report.died for report in mine for case in report.cases):
                self.cache.put(key, found[key])
        return found

    async def carry_out(self, orders: Sequence[Order]) -> list[Report]:
        """Run what is ordered: first side by side, then again alone what the machine may be to blame for.

        Raises:
            UsageError, RunError: see `judge`.
        """
        for order in orders:
            if order.job.isolation is not Isolation.CASE and not self.rules.allow_low_integrity:
                raise UsageError(
                    f"isolation={str(order.job.isolation)!r}: one case of a program could forge the result of another\n"
                    "  use isolation='case', or allow_low_integrity=True where nobody earns anything by cheating"
                )
        self._known.clear()
        reports = await self._side_by_side(orders)
        return [
            await self._alone(order, report) if _TROUBLE & set(_fates(report).values()) else report
            for order, report in zip(orders, reports, strict=True)
        ]

    async def _side_by_side(self, orders: Sequence[Order]) -> list[Report]:
        programs = [order.job for order in orders if not order.job.proxies]
        results, tests = await asyncio.gather(
            self._run(programs), asyncio.gather(*(self._test(order) for order in orders if order.job.proxies))
        )
        next_result, next_test = iter(results), iter(tests)
        return [next(next_test) if order.job.proxies else Report(next(next_result).cases) for order in orders]

    async def _alone(self, order: Order, report: Report) -> Report:
        """Run those cases again that the machine may be to blame for, with nothing beside them.

        Of several that were killed by the wall clock the first speaks for all: if it sleeps again, so do they.
        """
        first: list[str] = []
        for attempt in range(RETRIES):
            fates = _fates(report)
            again = [id for id, fate in fates.items() if fate == Status.SANDBOX_ERROR]
            asleep = [id for id, fate in fates.items() if fate == Status.TIMEOUT]
            if attempt == 0:
                first = asleep[:1]
                again += first
            elif not set(first) & set(asleep):
                again += asleep
            if not again:
                break
            job = replace(order.job, cases=tuple(case for case in order.job.cases if case.id in again))
            new = await self._report(order._replace(job=job))
            cases = {case.id: case for case in (*report.cases, *new.cases)}
            report = new._replace(cases=tuple(cases.values()))
        return report

    async def _report(self, order: Order) -> Report:
        return await self._test(order) if order.job.proxies else Report((await self._run([order.job]))[0].cases)

    async def _test(self, order: Order) -> Report:
        calls = Calls(order, self._run, self._known)
        (result,) = await self._run([order.job], calls.answer)
        return Report(result.cases, calls.count, calls.died)

    async def _run(self, jobs: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        """Run jobs, and refuse results that are not what was asked for."""
        results = await self._sandbox.run(jobs, answer) if jobs else []
        for job, result in zip(jobs, results, strict=True):
            self._check_level(result.level)
            forgeable = job.isolation is Isolation.CASE and result.integrity is not Integrity.HIGH
            if forgeable or [case.id for case in result.cases] != [case.id for case in job.cases]:
                raise RunError(
                    f"sandbox {result.backend} gave {len(result.cases)} results of integrity {result.integrity} "
                    f"for {len(job.cases)} cases with isolation {job.isolation}; nothing was judged"
                )
        return results

    def _check_level(self, level: Level) -> None:
        if level < self.rules.min_level and not self.rules.allow_weak_sandbox:
            raise UsageError(
                f"the sandbox holds level {level.name} on this machine, but {self.rules.min_level.name} is demanded\n"
                "  `selfplay sandbox selftest` says what is missing; "
                "allow_weak_sandbox = true, under [sandbox] of a recipe, runs hostile code all the same"
            )

    def _count(self, verdicts: Sequence[Verdict]) -> None:
        self.judged += len(verdicts)
        lost = [verdict for verdict in verdicts if verdict.outcome is Outcome.NO_VERDICT]
        self.masked += len(lost)
        if lost and self.masked >= self.rules.masked_count and self.masked > self.rules.masked_share * self.judged:
            raise RunError(
                f"the sandbox failed for {self.masked} of {self.judged} claims "
                f"(allowed: {self.rules.masked_share:.0%}); the last: {lost[-1].status}"
            )


def _fates(report: Report) -> dict[str, str]:
    """How each case went; the death of the program that a test calls comes before what the test made of it."""
    return {case.id: report.died or str(case.status) for case in report.cases}
