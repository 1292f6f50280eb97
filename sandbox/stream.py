"""One request on the server: its jobs run, its calls go out and their replies come in, its results are sent."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from selfplay.errors import SelfplayError
from selfplay.sandbox import messages
from selfplay.sandbox.frames import frame
from selfplay.sandbox.types import Call, ExecResult, Job, Reply, Sandbox

if TYPE_CHECKING:
    from starlette.types import Receive, Send

BEAT_S = 5.0
"""The client hears from us at least this often."""
_REPLY_S = 600.0
"""How long a call waits for its reply."""
_SEND_S = 60.0
"""How long the client may not read."""
_log = logging.getLogger(__name__)


class Stream:
    """The jobs of one request.

    Args:
        sandbox: runs them.
        jobs: in the request's order.
    """

    def __init__(self, sandbox: Sandbox, jobs: Sequence[Job]) -> None:
        self.name = secrets.token_urlsafe(16)
        """Known to the client alone: who replies has it."""
        self._sandbox, self._jobs = sandbox, jobs
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()
        """Calls to be sent; None: something has ended."""
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._asked = 0
        self._over = False

    def reply(self, number: int, reply: Reply) -> bool:
        """Answer a call; False if it does not wait for that."""
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(reply)
        return True

    async def send_all(self, receive: Receive, send: Send) -> None:
        """Run everything and send what comes of it; stop when the client is gone. The request's body has been read."""
        gone = asyncio.ensure_future(receive())
        work = asyncio.ensure_future(self._sandbox.run(self._jobs, self._answer))
        for each in (gone, work):
            each.add_done_callback(lambda _: self._out.put_nowait(None))
        try:
            async with asyncio.timeout(_SEND_S):
                headers = [(b"content-type", messages.MEDIA_TYPE.encode())]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await self._send(send, frame("open", {"stream": self.name}))
            while (said := await self._next()) is not None:
                await self._send(send, said)
            if not gone.done():
                await self._send_results(send, work)
        finally:
            self._over = True
            gone.cancel()
            work.cancel()
            for waiting in self._waiting.values():
                waiting.cancel()

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(BEAT_S):
                return await self._out.get()
        except TimeoutError:
            return frame("beat", {})

    async def _send_results(self, send: Send, work: asyncio.Future[list[ExecResult]]) -> None:
        try:
            results = work.result()
        except Exception as error:
            if not isinstance(error, SelfplayError):
                _log.exception("a request failed")
            why = str(error) if isinstance(error, SelfplayError) else type(error).__name__
            await self._send(send, frame("failed", {"why": why[:1000]}))
        else:
            for result in results:
                await self._send(send, messages.result_to_bytes(result))
            await self._send(send, frame("end", {}))
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(_SEND_S):
            await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _answer(self, call: Call) -> Reply:
        """The client's answer to a call; see `selfplay.sandbox.types.Answer`."""
        if self._over:
            raise asyncio.CancelledError
        number, self._asked = self._asked, self._asked + 1
        job = next(at for at, job in enumerate(self._jobs) if job is call.job)
        case = next(at for at, case in enumerate(call.job.cases) if case is call.case)
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        self._out.put_nowait(messages.call_to_bytes(call, job, case, number))
        try:
            async with asyncio.timeout(_REPLY_S):
                return await waiting
        finally:
            del self._waiting[number]
