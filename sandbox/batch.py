"""A batch of jobs on its way: jobs are taken apart into executions, and their results put together.

Made in the event loop's thread, carried out in the workers' threads (`selfplay.sandbox.workers`), awaited in the loop.
"""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass, field, replace

from selfplay.errors import RunError, UsageError
from selfplay.sandbox import outcome
from selfplay.sandbox.inside import values
from selfplay.sandbox.types import (
    Answer,
    Call,
    CaseResult,
    ExecResult,
    Isolation,
    Job,
    Level,
    Reply,
    Status,
)
from selfplay.sandbox.worker import Worker

_LOOK_S = 1.0
"""Time between two looks whether anybody still answers."""


class Batch:
    """The executions of one call of `Sandbox.run`. Await `done`: it is set when none is left, or when one failed."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer = answer
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.abandoned = False
        """Nobody waits any more; what has not begun need not begin."""
        self._left = 0
        self._lock = threading.Lock()

    def executions(self, submissions: list[Submission]) -> list[Execution]:
        """All that is to be done."""
        found = [
            Execution(self, submission, numbers) for submission in submissions for numbers in _shares(submission.job)
        ]
        self._left = len(found)
        return found

    def count_down(self) -> None:
        """One execution less."""
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._tell(None)

    def fail(self, error: BaseException) -> None:
        """What awaits `done` is to raise this."""
        self.abandoned = True
        self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody awaits anything any more
            self.loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class Submission:
    """A job, and what it has used and achieved so far."""

    job: Job
    args: list[str]
    """Wire texts of the cases' arguments."""
    results: dict[int, CaseResult] = field(default_factory=dict)
    stdout: bytes = b""
    stderr: bytes = b""
    """Of the process that cases share, if they do."""
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def result(self, backend: str, level: Level) -> ExecResult:
        """All cases are finished."""
        cases = tuple(self.results[number] for number in range(len(self.job.cases)))
        deciding = next((case for case in cases if case.status is not Status.OK), cases[0])
        shared = self.job.isolation is Isolation.SUBMISSION
        return ExecResult(
            status=deciding.status,
            cases=cases,
            backend=backend,
            level=level,
            integrity=self.job.integrity,
            code_sha256=self.job.code_sha256,
            stdout=self.stdout if shared else deciding.stdout,
            stderr=self.stderr if shared else deciding.stderr,
        )


@dataclass(frozen=True, slots=True)
class Execution:
    """One process to be: some cases of a submission, by number."""

    batch: Batch
    submission: Submission
    numbers: range

    def run_on(self, worker: Worker, attempt: int) -> None:
        """Run it and keep the results.

        Raises:
            WorkerDied: nothing came of it.
        """
        submission, job = self.submission, self.submission.job
        cpu_s = min(job.limits.cpu_s * len(self.numbers), job.limits.total_s - submission.cpu_s)
        wall_s = min(3 * cpu_s + 1, 3 * job.limits.total_s + 1 - submission.wall_s)
        if cpu_s <= 0 or wall_s <= 0:
            return self._set_all(Status.CPU_LIMIT if cpu_s <= 0 else Status.TIMEOUT, "the job's total time is used up")
        report = worker.execute(
            job,
            [submission.args[number] for number in self.numbers],
            job.cases[self.numbers[0]].stdin,
            cpu_s=cpu_s,
            wall_s=wall_s,
            answer=self._answer if self.batch.answer else None,
        )
        cases = [job.cases[number] for number in self.numbers]
        found = outcome.results(cases, report, job.limits, script=job.entry is None)
        submission.results.update(
            {number: replace(result, attempts=attempt) for number, result in zip(self.numbers, found, strict=True)}
        )
        submission.cpu_s += report.cpu_s
        submission.wall_s += report.wall_s
        if job.isolation is Isolation.SUBMISSION:
            submission.stdout, submission.stderr = report.stdout, report.stderr

    def give_up(self, why: str, attempts: int) -> None:
        """No worker could run it."""
        self._set_all(Status.SANDBOX_ERROR, why, attempts)

    def _set_all(self, status: Status, detail: str, attempts: int = 1) -> None:
        for number in self.numbers:
            case = self.submission.job.cases[number]
            self.submission.results[number] = CaseResult(case.id, status, detail=detail, attempts=attempts)

    def _answer(self, index: int, name: str, args: bytes) -> bytes:
        """What the child receives for a call; the parent's event loop finds it."""
        assert self.batch.answer is not None
        case = self.submission.job.cases[self.numbers[index]]
        asked = _reply(self.batch.answer, Call(self.submission.job, case, name, args))
        asking = asyncio.run_coroutine_threadsafe(asked, self.batch.loop)
        while not wait([asking], _LOOK_S).done:
            if self.batch.loop.is_closed():  # whoever awaited the batch has gone, and the answer will never come
                raise RunError("the event loop that had to answer a call is closed")
        reply = asking.result()
        if reply.error is not None:
            return json.dumps([False, *reply.error]).encode()
        return json.dumps([True, (reply.value or b"null").decode("ascii")]).encode()


def submission(job: Job) -> Submission:
    """`job`, ready to run.

    Raises:
        UsageError: an argument cannot travel.
    """
    args = []
    for case in job.cases:
        try:
            args.append(values.encode(case.args))
        except values.BadValue as error:
            raise UsageError(f"the arguments of case {case.id!r} cannot be sent: {error}") from error
    return Submission(job, args)


async def _reply(answer: Answer, call: Call) -> Reply:
    return await answer(call)


def _shares(job: Job) -> list[range]:
    """Which cases share a process."""
    if job.isolation is Isolation.SUBMISSION:
        return [range(len(job.cases))]
    return [range(number, number + 1) for number in range(len(job.cases))]
