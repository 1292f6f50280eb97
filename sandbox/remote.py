"""The sandboxes of other machines: a client of `selfplay sandbox serve`, of one server or of several.

    async with RemoteSandbox("http://127.0.0.1:7421") as sandbox: ...
    async with RemoteSandbox("https://box1,https://box2", token) as sandbox: ...      jobs go to each in turn

Expected values, verdicts and the answers to calls stay here, as with every backend; a server sees programs and inputs.
Its level is what it says of itself and what the probe finds when it is run there, whichever is lower; each result bears
that of the server it came from. A server that is down, slow, cut off or garbled costs time and then gives
`sandbox_error`; a server that is busy is waited for.

What it does not do: protect the way to the server. Whoever can write to it decides results; use https, a tunnel, or a
network of your own (docs/security.md).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from selfplay.errors import RunError, UsageError
from selfplay.sandbox import messages
from selfplay.sandbox.connection import About, Address, Busy, Connection, Refused, Trouble, parse_address
from selfplay.sandbox.inside.values import BadValue, decode
from selfplay.sandbox.levels import LAYERS, PROBE, level_of
from selfplay.sandbox.types import (
    SANDBOX_VERSION,
    Answer,
    Call,
    Case,
    CaseResult,
    ExecResult,
    Integrity,
    Isolation,
    Job,
    Level,
    Reply,
    Status,
)

CONNECTIONS = 8
PATIENCE_S = 60.0
SILENCE_S = 30.0
BUSY_S = 600.0
"""How long a busy server is waited for."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Server:
    address: Address
    about: About
    level: Level
    """Proven."""


class RemoteSandbox:
    """See `selfplay.sandbox.types.Sandbox`.

    Args:
        urls: of the servers, separated by commas.
        token: that they want to see.
        connections: requests under way at a time, and as many again for jobs whose calls are answered here.
        patience_s: how long trouble may last before what it hits gives `sandbox_error`.
        silence_s: seconds without a byte after which a server counts as gone; it sends one every 5 seconds.

    Raises:
        UsageError: not the URL of a server.
    """

    backend = "remote"

    def __init__(
        self,
        urls: str,
        token: str | None = None,
        *,
        connections: int | None = None,
        patience_s: float = PATIENCE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._addresses = [parse_address(url.strip()) for url in urls.split(",")]
        self.token, self.patience_s, self.silence_s = token, patience_s, silence_s
        self.connections = connections or CONNECTIONS
        self._servers: list[_Server] = []
        self._threads: dict[bool, ThreadPoolExecutor] = {}
        """For jobs with and without calls: the latter must get through while the former wait for them."""
        self._next = itertools.count()
        self.trouble_since: float | None = None
        """No exchange has succeeded since."""

    @property
    def level(self) -> Level:
        """The lowest of the servers'.

        Raises:
            RunError: it was not started.
        """
        if not self._servers:
            raise RunError("the sandbox is not started\n  use it as: async with RemoteSandbox(url) as sandbox")
        return min(server.level for server in self._servers)

    def start(self) -> None:
        """Get to know all servers, and prove their levels.

        Raises:
            UsageError: one of them refuses the token, or runs another version.
            RunError: one of them does not answer as a sandbox server does.
        """
        if not self._servers:
            self._servers = [self._meet(address) for address in self._addresses]

    def _meet(self, address: Address) -> _Server:
        connection = Connection(address, self.token, self.silence_s)
        try:
            about = connection.about()
            if about.version != SANDBOX_VERSION:
                raise Refused(f"its sandbox has version {about.version[:20]!r}, ours {SANDBOX_VERSION!r}")
            return _Server(address, about, min(about.level, self._probe(address)))
        except Refused as error:
            raise UsageError(f"the sandbox server at {address} cannot be used: {error}") from error
        except Trouble as error:
            raise RunError(
                f"no sandbox server answers at {address}: {error}\n  start one there with: selfplay sandbox serve"
            ) from error
        finally:
            connection.close()

    def _probe(self, address: Address) -> Level:
        job = Job(PROBE, "probe", (Case("probe"),))
        server = _Server(address, About("", "", Level.L3, {}, 0, 0), Level.L3)
        (result,) = _Errand(self, [job], messages.job_to_bytes(job), server=server).carry_out()
        try:
            found: Any = decode(result.cases[0].value or b"")
            return level_of(**found)
        except (BadValue, TypeError):
            raise Trouble(f"the probe failed there: {result.status} {result.cases[0].detail}") from None

    def next_server(self) -> _Server:
        """They take turns."""
        return self._servers[next(self._next) % len(self._servers)]

    async def run(self, batch: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        """See `selfplay.sandbox.types.Sandbox.run`."""
        if answer is None and any(job.proxies for job in batch):
            raise UsageError("a job has proxies, but there is no `answer` for their calls")
        loop = asyncio.get_running_loop()
        errands = self._errands(batch, answer, loop)
        try:
            found = await asyncio.gather(
                *(loop.run_in_executor(self._pool(errand.answer is not None), errand.carry_out) for errand in errands)
            )
        finally:
            for errand in errands:
                errand.cancel()
        return [result for results in found for result in results]

    def _errands(self, batch: Sequence[Job], answer: Answer | None, loop: asyncio.AbstractEventLoop) -> list[_Errand]:
        """The batch in pieces that a server takes; jobs with calls alone, the others in as many as there are ways."""
        about = [server.about for server in self._servers]
        size, count = min(each.max_body for each in about), min(each.max_jobs for each in about)
        count = min(count, -(-len(batch) // self.connections))
        errands: list[_Errand] = []
        for job in batch:
            body, last = messages.job_to_bytes(job), errands[-1] if errands else None
            if job.proxies:
                errands.append(_Errand(self, [job], body, answer, loop))
            elif last and not last.answer and len(last.jobs) < count and len(last.body) + len(body) <= size:
                last.jobs.append(job)
                last.body += body
            else:
                errands.append(_Errand(self, [job], body))
        return errands

    def _pool(self, calls: bool) -> ThreadPoolExecutor:
        if calls not in self._threads:
            self._threads[calls] = ThreadPoolExecutor(self.connections, "selfplay-remote")
        return self._threads[calls]

    def describe(self) -> dict[str, object]:
        layers = dict.fromkeys(LAYERS, "in force")
        for server in self._servers:
            layers |= {layer: state for layer, state in server.about.layers.items() if state != "in force"}
        servers = {str(each.address): f"{each.about.backend}, level {each.level.name}" for each in self._servers}
        return {"backend": self.backend, "level": self.level.name, "layers": layers, "servers": servers}

    async def close(self) -> None:
        """No more requests; the servers go on."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        self._threads.clear()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Errand:
    """Some jobs on their way to a server, tried until there is an answer or no hope. Carried out in a thread."""

    def __init__(
        self,
        sandbox: RemoteSandbox,
        jobs: list[Job],
        body: bytes,
        answer: Answer | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        server: _Server | None = None,
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
        while not self._cancelled.is_set():
            try:
                results = self._try(self._server or sandbox.next_server())
                sandbox.trouble_since = None
                return [_later(result, failures) for result in results]
            except Busy as error:
                sandbox.trouble_since, why = None, str(error)
                hopeless = time.monotonic() > began + BUSY_S
            except Trouble as error:
                now, why, failures = time.monotonic(), str(error), failures + 1
                if sandbox.trouble_since is None:
                    _log.warning("trouble with a sandbox server: %s", why)
                    sandbox.trouble_since = now
                first = first or now
                hopeless = now - min(first, sandbox.trouble_since) >= sandbox.patience_s
                hopeless = hopeless or self._answered or isinstance(error, Refused)
            if hopeless:
                return [_lost(job, why, failures, sandbox, self._server) for job in self.jobs]
            self._cancelled.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        raise Trouble("cancelled")

    def _try(self, server: _Server) -> list[ExecResult]:
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


def _lost(job: Job, why: str, failures: int, sandbox: RemoteSandbox, server: _Server | None) -> ExecResult:
    """The result of a job that no server ran."""
    cases = tuple(CaseResult(case.id, Status.SANDBOX_ERROR, attempts=failures, detail=why) for case in job.cases)
    shared = job.isolation is Isolation.SUBMISSION
    return ExecResult(
        Status.SANDBOX_ERROR,
        cases,
        sandbox.backend,
        server.level if server else sandbox.level,
        Integrity.LOW if shared else Integrity.HIGH,
        sha256(job.source.encode("utf-8", "surrogatepass")).hexdigest(),
    )
