"""Workers and the threads that own them.

Each thread takes executions from its lane's queue, runs them on its worker, and replaces the worker when it died or has
grown old. A *lane* is a queue with workers of one kind: plain, with numpy, and (apart, so that what they call can still
run) for code whose calls the parent answers. A lane's workers start with its first job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from selfplay.errors import UsageError
from selfplay.sandbox.batch import Batch, Execution, Submission, submission
from selfplay.sandbox.inside import kernel
from selfplay.sandbox.types import Answer, ExecResult, Job, Level, Profile
from selfplay.sandbox.worker import Worker, WorkerDied

ATTEMPTS = 3
"""Of an execution whose worker dies."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What its workers can do."""

    numpy: bool = False
    calls: bool = False


Start = Callable[[Lane], Worker]
"""Starts a worker, or raises `WorkerDied`."""
Queue = SimpleQueue[Execution | None]
"""None: there is nothing more to do."""


class Pool:
    """Runs jobs on workers.

    Args:
        start: starts a worker.
        workers: how many at a time, per lane.
        recycle_after: executions after which a worker is replaced.
        apart: a worker is replaced before another submission comes to it.
    """

    def __init__(self, start: Start, workers: int, recycle_after: int, *, apart: bool = False) -> None:
        self.start, self.workers, self.recycle_after, self.apart = start, workers, recycle_after, apart
        self.queues: dict[Lane, Queue] = {}
        self.threads: list[_Thread] = []

    async def run(self, jobs: Sequence[Job], answer: Answer | None, *, backend: str, level: Level) -> list[ExecResult]:
        """See `Sandbox.run`."""
        if answer is None and any(job.proxies for job in jobs):
            raise UsageError("a job has proxies, but there is no `answer` for their calls")
        batch = Batch(answer)
        submissions = [submission(job) for job in jobs]
        executions = batch.executions(submissions)
        for execution in executions:
            self.queue(lane_of(execution.submission.job)).put(execution)
        try:
            if executions:
                await batch.done
        finally:
            batch.abandoned = True
        return [each.result(backend, level) for each in submissions]

    def queue(self, lane: Lane) -> Queue:
        """Of the lane, whose workers are started if they are not yet."""
        if lane not in self.queues:
            queue = self.queues[lane] = SimpleQueue()
            for _ in range(self.workers):
                thread = _Thread(self, queue, lambda: self.start(lane))
                self.threads.append(thread)
                thread.start()
        return self.queues[lane]

    def close(self) -> None:
        """End all workers. Running executions are finished first; waiting ones too, unless nobody awaits them."""
        for queue in self.queues.values():
            for _ in range(self.workers):
                queue.put(None)
        for thread in self.threads:
            thread.join()
        self.queues.clear()
        self.threads.clear()


def lane_of(job: Job) -> Lane:
    return Lane(numpy=job.profile is Profile.SCI, calls=bool(job.proxies))


class _Thread(threading.Thread):
    """Owns one worker."""

    def __init__(self, pool: Pool, queue: Queue, start: Callable[[], Worker]) -> None:
        super().__init__(name="sandbox", daemon=True)
        self.pool, self.queue, self.start_worker = pool, queue, start
        self.worker: Worker | None = None
        self.used = 0
        self.last: Submission | None = None
        """Whose execution the worker carried out last."""

    def run(self) -> None:
        if kernel.LINUX:
            kernel.fix_addresses()  # of the programs this thread starts
        while (execution := self.queue.get()) is not None:
            if not execution.batch.abandoned:
                self._carry_out(execution)
            execution.batch.count_down()
        self._replace_worker()

    def _carry_out(self, execution: Execution) -> None:
        why = ""
        if self.pool.apart and execution.submission is not self.last:
            self._replace_worker()
        self.last = execution.submission
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.worker = self.worker or self.start_worker()
                execution.run_on(self.worker, attempt)
            except WorkerDied as error:
                why = str(error)
                self._replace_worker()
            except BaseException as error:  # raised by the `answer` of whoever awaits the batch
                self._replace_worker()
                return execution.batch.fail(error)
            else:
                self.used += 1
                return self._replace_worker() if self.used >= self.pool.recycle_after else None
        execution.give_up(why, ATTEMPTS)

    def _replace_worker(self) -> None:
        """End the worker; the next execution starts another one."""
        if self.worker is not None:
            self.worker.close()
        self.worker, self.used = None, 0
