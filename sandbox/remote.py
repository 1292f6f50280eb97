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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from selfplay.errors import RunError, UsageError
from selfplay.sandbox import messages
from selfplay.sandbox.connection import About, Address, Connection, Refused, Trouble, parse_address
from selfplay.sandbox.errand import Errand, Server
from selfplay.sandbox.inside.values import BadValue, decode
from selfplay.sandbox.levels import LAYERS, PROBE, level_of
from selfplay.sandbox.types import (
    SANDBOX_VERSION,
    Answer,
    Case,
    ExecResult,
    Job,
    Level,
)

CONNECTIONS = 8
PATIENCE_S = 60.0
SILENCE_S = 30.0


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
        self._servers: list[Server] = []
        self._threads: dict[bool, ThreadPoolExecutor] = {}
        """For jobs with and without calls: the latter must get through while the former wait for them."""
        self._next = itertools.count()
        self.trouble_since: float | None = None
        """No request has succeeded since."""
        self.rests_until = 0.0
        """Nothing is tried before this time."""

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

    def _meet(self, address: Address) -> Server:
        connection = Connection(address, self.token, self.silence_s)
        try:
            about = connection.about()
            if about.version != SANDBOX_VERSION:
                raise Refused(f"its sandbox has version {about.version[:20]!r}, ours {SANDBOX_VERSION!r}")
            return Server(address, about, min(about.level, self._probe(address)))
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
        server = Server(address, About("", "", Level.L3, {}, 0, 0), Level.L3)
        (result,) = Errand(self, [job], messages.job_to_bytes(job), server=server).carry_out()
        try:
            found: Any = decode(result.cases[0].value or b"")
            return level_of(**found)
        except (BadValue, TypeError):
            raise Trouble(f"the probe failed there: {result.status} {result.cases[0].detail}") from None

    def next_server(self) -> Server:
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

    def _errands(self, batch: Sequence[Job], answer: Answer | None, loop: asyncio.AbstractEventLoop) -> list[Errand]:
        """The batch in pieces that a server takes; jobs with calls alone, the others in as many as there are ways."""
        about = [server.about for server in self._servers]
        size, count = min(each.max_body for each in about), min(each.max_jobs for each in about)
        count = min(count, -(-len(batch) // self.connections))
        errands: list[Errand] = []
        for job in batch:
            body, last = messages.job_to_bytes(job), errands[-1] if errands else None
            if job.proxies:
                errands.append(Errand(self, [job], body, answer, loop))
            elif last and not last.answer and len(last.jobs) < count and len(last.body) + len(body) <= size:
                last.jobs.append(job)
                last.body += body
            else:
                errands.append(Errand(self, [job], body))
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
