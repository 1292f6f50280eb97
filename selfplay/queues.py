"""Queues of the arena: what waits for a policy or for a pool of checkers, and the batch that is being served.

    Driver -> Ask   -> PolicyQueue -> policy.complete(requests) -> replies
    Driver -> Check -> CheckQueue  -> pool.judge(checks)        -> verdicts

A queue serves one batch at a time, on a worker thread of its own (`Inline` policies: at once). When a batch leaves is
the arena's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from selfplay.driver import Driver, pooled_verdict
from selfplay.errors import RunError, UsageError
from selfplay.steps import Ask, Check
from selfplay.types import (
    CheckerPool,
    Completion,
    Inline,
    Interruptible,
    Path,
    Policy,
    PooledChecker,
    Request,
    Unanswered,
    Verdict,
)

PLAYER_FAILED = "player "
"""How the error of a match begins whose player failed; others begin with an exception's name, or ``tool``."""

S = TypeVar("S", Ask, Check)


@dataclass(slots=True)
class Pending(Generic[S]):
    """A step that waits, and the match that waits for it."""

    driver: Driver
    step: S
    since: float

    @property
    def order(self) -> tuple[int, Path]:
        """Where it comes in a batch."""
        return self.driver.pairing.number, self.step.path


@dataclass(slots=True)
class PendingAsk(Pending[Ask]):
    request: Request


@dataclass(slots=True)
class PendingCheck(Pending[Check]):
    checker: PooledChecker


P = TypeVar("P", bound=Pending[Any])


class Queue(ABC, Generic[P]):
    """What waits for one server."""

    def __init__(self, server: object) -> None:
        self.waiting: list[P] = []
        self.running: Future[Any] | None = None
        self._server = server
        self._worker = None if isinstance(server, Inline) else ThreadPoolExecutor(1, "selfplay-queue")
        self._batch: list[P] = []

    @abstractmethod
    def serve(self, batch: Sequence[P]) -> Any:
        """Do the work; on the worker's thread."""

    @abstractmethod
    def deliver(self, batch: Sequence[P], done: Future[Any]) -> None:
        """Hand what came of it to the matches; on the arena's thread."""

    def send(self, most: int) -> None:
        """Serve the first steps that wait."""
        self._batch, self.waiting = self.waiting[:most], self.waiting[most:]
        if self._worker is not None:
            self.running = self._worker.submit(self.serve, self._batch)
            return
        self.running = Future()
        try:
            self.running.set_result(self.serve(self._batch))
        except Exception as error:
            self.running.set_exception(error)

    def receive(self) -> list[Driver]:
        """Wait for the batch to be served; returns the matches that can go on then."""
        assert self.running is not None
        if not self.running.done():
            wait([self.running])  # Ctrl-C arrives here, and `drop` must still know what runs
        running, self.running = self.running, None
        batch, self._batch = self._batch, []
        self.deliver(batch, running)
        return [pending.driver for pending in batch]

    def drop(self) -> None:
        """Forget what waits and what is being served; a server that cannot be interrupted ends its batch in peace."""
        if self.running is not None and not self.running.cancel() and isinstance(self._server, Interruptible):
            self._server.interrupt()
        self.waiting, self._batch, self.running = [], [], None

    def close(self) -> None:
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)


class PolicyQueue(Queue[PendingAsk]):
    """Asks that wait for a policy."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.policy = policy

    def serve(self, batch: Sequence[PendingAsk]) -> list[list[Completion]]:
        return self.policy.complete([pending.request for pending in batch])

    def deliver(self, batch: Sequence[PendingAsk], done: Future[list[list[Completion]]]) -> None:
        replies: Sequence[list[Completion] | str]
        try:
            replies = done.result()
            wanted, given = [len(pending.request.seeds) for pending in batch], [len(each) for each in replies]
            if given != wanted:
                raise ValueError(f"gave {given} replies to requests for {wanted}")
        except (RunError, UsageError):
            raise
        except Unanswered as some:
            replies = some.replies
        except Exception as error:  # a policy's failure costs its matches, not the run; the tally stops a dead policy
            replies = [f"{type(error).__name__}: {error}"] * len(batch)
        for pending, reply in zip(batch, replies, strict=True):
            if isinstance(reply, str):
                player = pending.driver.pairing.seats[pending.step.seat]
                pending.driver.fail(f"{PLAYER_FAILED}{player} failed: {reply}")
            else:
                pending.driver.answer(pending.step, reply)


class CheckQueue(Queue[PendingCheck]):
    """Claims that wait for a pool of checkers."""

    def __init__(self, pool: CheckerPool) -> None:
        super().__init__(pool)
        self.pool = pool

    def serve(self, batch: Sequence[PendingCheck]) -> list[Verdict]:
        try:
            verdicts = self.pool.judge([(pending.checker, pending.step.claim) for pending in batch])
            if len(verdicts) != len(batch):
                raise ValueError(f"the pool gave {len(verdicts)} verdicts on {len(batch)} claims")
            return verdicts
        except (RunError, UsageError):
            raise
        except Exception:  # whose claim it was is not known: each for itself
            return [pooled_verdict(pending.checker, pending.step.claim) for pending in batch]

    def deliver(self, batch: Sequence[PendingCheck], done: Future[list[Verdict]]) -> None:
        for pending, verdict in zip(batch, done.result(), strict=True):
            pending.driver.judged(pending.step, verdict)
