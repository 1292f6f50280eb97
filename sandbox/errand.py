"""Jobs on their way to a server of sandboxes, tried until there is an answer or no hope. See `remote`."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from selfplay.sandbox.connection import About, Address, Busy, Connection, Refused, Trouble
from selfplay.sandbox.types import (
    Answer,
    Call,
    CaseResult,
    ExecResult,
    Job,
    Level,
    Reply,
    Status,
)

if TYPE_CHECKING:
    from selfplay.sandbox.remote import RemoteSandbox

BUSY_S = 600.0
"""How long a busy server is waited for."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_REST = 10
"""What failed after so long, although patience has run out, is not tried again for so many times as long."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    address: Address
    about: About
    level: Level
    """Proven."""


class Errand:
    """Some jobs for one request; carried out in a thread."""

    def __init__(
        self,
        sandbox: RemoteSandbox,
        jobs: list[Job],
        body: bytes,
        answer: Answer | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        server: Server | None = None,
    ) -> None:
        self.jobs, self.body, self.answer = jobs, bytearray(body), answer
        self._sandbox, self._loop, self._server = sandbox, loop, server
        self._cancelled = threading.Event()
        self._connection: Connection | None = None
        self._answering: Future[Reply] | None = None
        self._answered = False
        """Calls cannot be answered twice: whoever answers keeps count."""

    def carry_out(self) -> list[ExecResult]:
        """The results; of a server's failure, `sandbox_error`."""
        sandbox, first, began, pause, failures = self._sandbox, None, time.monotonic(), _FIRST_PAUSE_S, 0
        if began < sandbox.rests_until:
            return self._lost("no server has answered for some time", failures)
        while not self._cancelled.is_set():
            tried = time.monotonic()
            try:
                results = self._try(self._server or sandbox.next_server())
                sandbox.trouble_since = None
                return [_later(result, failures) for result in results]
            except Busy as error:
                sandbox.trouble_since, why = None, str(error)
                hopeless = time.monotonic() > began + BUSY_S
            except Trouble as error:
                now, why, failures = time.monotonic(), str(error), failures + 1
                first = first or now
                out_of_patience = self._note_trouble(why, first, tried, now)
                hopeless = out_of_patience or self._answered or isinstance(error, Refused)
            if hopeless:
                return self._lost(why, failures)
            self._cancelled.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        raise Trouble("cancelled")

    def _note_trouble(self, why: str, first: float, tried: float, now: float) -> bool:
        """Has it lasted too long, for this errand or for all of them?"""
        sandbox = self._sandbox
        if sandbox.trouble_since is None:
            _log.warning("trouble with a sandbox server: %s", why)
            sandbox.trouble_since = now
        for_all = now - sandbox.trouble_since >= sandbox.patience_s
        if for_all:
            sandbox.rests_until = now + _REST * (now - tried)
        return for_all or now - first >= sandbox.patience_s

    def _lost(self, why: str, failures: int) -> list[ExecResult]:
        level = self._server.level if self._server else self._sandbox.level
        return [_lost(job, why, failures, level) for job in self.jobs]

    def _try(self, server: Server) -> list[ExecResult]:
        self._connection = Connection(server.address, self._sandbox.token, self._sandbox.silence_s)
        try:
            return self._connection.run(self.jobs, bytes(self.body), server.level, self._ask if self.answer else None)
        finally:
            self._connection.close()

    def _ask(self, call: Call) -> Reply:
        assert self.answer is not None and self._loop is not None, "only then does it have calls"
        self._answered = True
        self._answering = asyncio.run_coroutine_threadsafe(_reply(self.answer, call), self._loop)
        return self._answering.result()

    def cancel(self) -> None:
        """Nobody waits for the results any more, if they have not come yet."""
        self._cancelled.set()
        if self._answering is not None:
            self._answering.cancel()
        if self._connection is not None:
            self._connection.abort()


async def _reply(answer: Answer, call: Call) -> Reply:
    return await answer(call)


def _later(result: ExecResult, failures: int) -> ExecResult:
    """With the attempts that failed on the way."""
    cases = tuple(replace(case, attempts=case.attempts + failures) for case in result.cases)
    return replace(result, cases=cases) if failures else result


def _lost(job: Job, why: str, failures: int, level: Level) -> ExecResult:
    """The result of a job that no server ran."""
    cases = tuple(CaseResult(case.id, Status.SANDBOX_ERROR, attempts=failures, detail=why) for case in job.cases)
    return ExecResult(Status.SANDBOX_ERROR, cases, "remote", level, job.integrity, job.code_sha256)
