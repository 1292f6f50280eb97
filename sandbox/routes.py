"""What a server of sandboxes does with each request. `serve` puts it behind a guard and on a port.

The request's size is known to be allowed before it is read, and its jobs before they are run. More requests than there
are places are told to come back (503).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfplay.errors import UsageError
from selfplay.sandbox import fusion, messages
from selfplay.sandbox.frames import Garbled, frame
from selfplay.sandbox.messages import MEDIA_TYPE
from selfplay.sandbox.stream import Stream
from selfplay.sandbox.types import KIB, MIB, SANDBOX_VERSION, Job, Limits, Sandbox

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

_BODY_S = 60.0
"""A request's body has to arrive within this time."""
MOST = Limits(
    cpu_s=60.0,
    total_s=600.0,
    memory=4096 * MIB,
    threads=64,
    processes=64,
    files=1024,
    file_size=256 * MIB,
    tmpfs_size=256 * MIB,
    tmpfs_inodes=16 * KIB,
    stdout=4 * MIB,
    stderr=MIB,
    source=MIB,
    stack=64 * MIB,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client may ask for."""

    max_body: int = 16 * MIB
    max_jobs: int = 256
    max_cases: int = 10_000
    """Of all jobs of a request together."""
    concurrency: int = 32
    """Requests at a time; as many again whose calls are answered."""
    limits: Limits = MOST
    """The highest of each."""


DEFAULT = Settings()


class Server:
    """The routes, and who is being served.

    Args:
        sandbox: started already.
        settings: what may be asked for.
    """

    def __init__(self, sandbox: Sandbox, settings: Settings) -> None:
        self.sandbox, self.settings = sandbox, settings
        self._streams: dict[str, Stream] = {}
        self._free = {True: settings.concurrency, False: settings.concurrency}

    async def about(self, request: Request) -> Response:
        from starlette.responses import Response

        described = self.sandbox.describe()
        layers = described.get("layers")
        head = {
            "protocol": messages.PROTOCOL,
            "version": SANDBOX_VERSION,
            "backend": str(described["backend"]),
            "level": self.sandbox.level.name,
            "layers": {str(layer): str(state) for layer, state in (layers if isinstance(layers, dict) else {}).items()},
            "max_body": self.settings.max_body,
            "max_jobs": self.settings.max_jobs,
        }
        return Response(frame("about", head), media_type=MEDIA_TYPE)

    async def run(self, scope: Scope, receive: Receive, send: Send, *, calls: bool) -> None:
        """Jobs, whose calls are answered or who have none."""
        from starlette.requests import Request

        with self._place(calls=calls):
            jobs = self._jobs(await self._body(Request(scope, receive), MEDIA_TYPE), calls=calls)
            stream = Stream(self.sandbox, jobs)
            self._streams[stream.name] = stream
            try:
                await stream.send_all(receive, send)
            finally:
                del self._streams[stream.name]

    async def reply(self, request: Request) -> Response:
        from starlette.exceptions import HTTPException
        from starlette.responses import Response

        try:
            name, number, reply = messages.reply_from_bytes(await self._body(request, MEDIA_TYPE))
        except Garbled as error:
            raise HTTPException(422, str(error)) from None
        if name not in self._streams or not self._streams[name].reply(number, reply):
            raise HTTPException(404, "no such call waits for a reply")
        return Response(media_type=MEDIA_TYPE)

    async def run_code(self, request: Request) -> Response:
        from starlette.exceptions import HTTPException
        from starlette.responses import JSONResponse

        with self._place(calls=False):
            body = await self._body(request, "application/json")
            try:
                job = fusion.job_from(body, self.settings.limits)
            except UsageError as error:
                raise HTTPException(422, str(error)) from None
            (result,) = await self.sandbox.run([job])
            return JSONResponse(fusion.response_of(result))

    @contextmanager
    def _place(self, *, calls: bool) -> Iterator[None]:
        """Raises: HTTPException: there is none left."""
        from starlette.exceptions import HTTPException

        if not self._free[calls]:
            raise HTTPException(503, "busy", {"Retry-After": "1"})
        self._free[calls] -= 1
        try:
            yield
        finally:
            self._free[calls] += 1

    async def _body(self, request: Request, kind: str) -> bytes:
        """Raises: HTTPException: it is of another kind, too large, or does not come."""
        from starlette.exceptions import HTTPException

        if request.headers.get("content-type", "").partition(";")[0].strip() != kind:
            raise HTTPException(415, f"Content-Type must be {kind}")
        most, parts, size = self.settings.max_body, list[bytes](), int(request.headers.get("content-length") or 0)
        try:
            async with asyncio.timeout(_BODY_S):
                if size <= most:
                    size = 0
                    async for part in request.stream():
                        parts.append(part)
                        size += len(part)
                        if size > most:
                            break
        except TimeoutError:
            raise HTTPException(408, f"the body did not come within {_BODY_S:.0f} s") from None
        if size > most:
            raise HTTPException(413, f"at most {most} bytes are taken", {"Connection": "close"})
        return b"".join(parts)

    def _jobs(self, body: bytes, *, calls: bool) -> list[Job]:
        """Raises: HTTPException: these are no jobs that may be run."""
        from starlette.exceptions import HTTPException

        jobs, cases = list[Job](), 0
        try:
            for job in messages.jobs_from_bytes(body, self.settings.limits):
                jobs.append(job)
                cases += len(job.cases)
                if len(jobs) > self.settings.max_jobs or cases > self.settings.max_cases:
                    raise UsageError(f"more than {self.settings.max_jobs} jobs or {self.settings.max_cases} cases")
                if bool(job.proxies) is not calls:
                    raise UsageError(f"jobs whose calls are to be answered go to {messages.RUN_CALLS}, others do not")
        except (Garbled, UsageError) as error:
            raise HTTPException(422, str(error)) from None
        return jobs


class Run:
    """`Server.run` as an application of its own: starlette takes functions for something simpler."""

    def __init__(self, server: Server, *, calls: bool) -> None:
        self._server, self._calls = server, calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.run(scope, receive, send, calls=self._calls)
