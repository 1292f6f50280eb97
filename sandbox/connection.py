"""One request to a server of sandboxes, and what comes back, read with suspicion. Blocking; `remote` has the threads.

Whatever is wrong with the server or the way to it is `Trouble`, which says nothing about the code that was sent. An
answer counts only if it came whole, in time, and is about exactly the jobs that were sent.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from selfplay.errors import SelfplayError, UsageError
from selfplay.sandbox import messages
from selfplay.sandbox.frames import MAX_HEAD, Garbled, Head, read_frame, size, take
from selfplay.sandbox.messages import MEDIA_TYPE
from selfplay.sandbox.types import Call, CaseResult, ExecResult, Job, Level, Reply

CONNECT_S = 10.0
_TEXT = 300
"""Characters of a server's complaint that are shown."""
_SPARE_S = 60.0
"""What an exchange may take beyond what its jobs may."""
_ANSWERS_S = 600.0
"""And beyond that, if their calls have to be answered."""

AnswerNow = Callable[[Call], Reply]


class Trouble(SelfplayError):
    """The server failed, or the way to it; nothing is known about the code."""


class Busy(Trouble):
    """The server has enough to do at the moment."""


class Refused(Trouble):
    """Asking this again would give the same answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is."""

    secure: bool
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}{f':{self.port}' if self.port else ''}{self.path}"


def parse_address(url: str) -> Address:
    """The server at `url`.

    Raises:
        UsageError: it is no http or https URL, or has a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts[3:] != ("", ""):
        raise UsageError(f"{url!r} is no address of a sandbox server\n  for example: http://127.0.0.1:7421")
    return Address(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class About:
    """What a server says of itself."""

    version: str
    backend: str
    level: Level
    layers: dict[str, str]
    max_body: int
    """Bytes of a request."""
    max_jobs: int


class Connection:
    """To one server, for one request.

    Args:
        address: of the server.
        token: that the server wants to see.
        silence_s: seconds without a byte after which the server counts as gone.
    """

    def __init__(self, address: Address, token: str | None, silence_s: float) -> None:
        self._address, self._token, self._silence_s = address, token, silence_s
        kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
        self._http = kind(address.host, address.port, timeout=min(CONNECT_S, silence_s))
        self._socket: socket.socket | None = None
        self._response: http.client.HTTPResponse | None = None
        self._deadline = time.monotonic() + _SPARE_S

    def about(self) -> About:
        """Ask the server what it is.

        Raises:
            Trouble: no proper answer.
        """
        self._ask("GET", messages.ABOUT)
        kind, head, _ = self._frame(0)
        try:
            layers = take(head, "layers", dict)
            if kind != "about" or take(head, "protocol", str) != messages.PROTOCOL:
                raise Refused("it speaks another version of the protocol; let both run the same version of selfplay")
            return About(
                take(head, "version", str),
                take(head, "backend", str)[:_TEXT],
                messages.level(head),
                {str(name)[:_TEXT]: str(state)[:_TEXT] for name, state in layers.items()},
                size(head, "max_body"),
                size(head, "max_jobs"),
            )
        except Garbled as error:
            raise Trouble(f"not the answer of a sandbox server: {error}") from None

    def run(self, jobs: Sequence[Job], body: bytes, most: Level, answer: AnswerNow | None = None) -> list[ExecResult]:
        """Have jobs run.

        Args:
            jobs: what is run.
            body: the same as bytes.
            most: the highest level that the server is known to hold.
            answer: answers calls; what it raises is raised.

        Raises:
            UsageError: the server says that such jobs cannot be.
            Trouble: no proper answer.
        """
        self._deadline += sum(3 * job.limits.total_s + 1 for job in jobs) + (_ANSWERS_S if answer else 0)
        self._ask("POST", messages.RUN_CALLS if answer else messages.RUN, body)
        results: list[ExecResult] = []
        stream = ""
        while True:
            kind, head, rest = self._frame(max(_room(job) for job in jobs))
            try:
                if kind == "open":
                    stream = take(head, "stream", str)
                elif kind == "call" and answer is not None:
                    reply = answer(_call(jobs, head, rest))
                    self._reply(messages.reply_to_bytes(stream, size(head, "number"), reply))
                elif kind == "result" and len(results) < len(jobs):
                    results.append(self._result(jobs[len(results)], head, rest, most))
                elif kind == "failed":
                    raise Trouble(f"the server failed: {take(head, 'why', str)[:_TEXT]}")
                elif kind == "end" and len(results) == len(jobs):
                    return results
                elif kind != "beat":
                    raise Garbled(f"{kind[:20]!r} after {len(results)} of {len(jobs)} results")
            except Garbled as error:
                raise Trouble(f"a garbled answer: {error}") from None

    def abort(self) -> None:
        """From another thread: whoever waits for the answer gets none."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._http.close()

    def _result(self, job: Job, head: Head, body: bytes, most: Level) -> ExecResult:
        cases: list[CaseResult] = []
        for case in job.cases:
            kind, case_head, rest = self._frame(_room(job))
            found = messages.case_result_from(case_head, rest)
            if kind != "case" or found.id != case.id:
                raise Garbled("the results are not those of the job's cases")
            cases.append(found)
        result = messages.result_from(head, body, tuple(cases))
        if result.level > most:
            raise Garbled(f"level {result.level.name}, but only {most.name} was proven")
        if result.code_sha256 != job.code_sha256:
            raise Garbled("the result is of other code")
        return result

    def _reply(self, body: bytes) -> None:
        beside = Connection(self._address, self._token, self._silence_s)
        try:
            beside._ask("POST", messages.REPLY, body)
        finally:
            beside.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> None:
        """Send the request; what follows can be read if this returns."""
        headers = {"Content-Type": MEDIA_TYPE} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        try:
            self._http.connect()
            self._socket = self._http.sock
            self._socket.settimeout(self._silence_s)
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had read everything
                self._http.request(method, self._address.path + path, body, headers)
            response = self._response = self._http.getresponse()
            if response.status == 200 and response.headers.get_content_type() == MEDIA_TYPE:
                return
            complaint = response.read(4 * _TEXT).decode(errors="replace")[:_TEXT].strip()
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f"{type(error).__name__}: {error}") from None
        raise _objection(response.status, complaint)

    def _frame(self, most: int) -> tuple[str, Head, bytes]:
        try:
            return read_frame(self._read, most)
        except Garbled as error:
            raise Trouble(f"a garbled answer: {error}") from None
        except (EOFError, OSError, http.client.HTTPException) as error:
            raise Trouble(f"the answer was cut short: {type(error).__name__}: {error}") from None

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        assert self._response is not None, "asked"
        while size:
            if time.monotonic() > self._deadline:
                raise Trouble("it did not finish in time")
            parts.append(self._response.read1(size))
            if not parts[-1]:
                raise EOFError(f"{size} bytes are missing")
            size -= len(parts[-1])
        return b"".join(parts)


def _objection(status: int, complaint: str) -> SelfplayError:
    """What to raise for an answer of this status."""
    if status == 422:
        return UsageError(f"the sandbox server refuses the job: {complaint}")
    if status in (429, 503):
        return Busy("it has enough to do")
    if status in (401, 403):
        return Refused(
            f"it refuses the token ({status})\n"
            "  the token is that of SELFPLAY_SANDBOX_TOKEN, or of the file that --token-file names"
        )
    if status == 413:
        return Refused(f"the request is too large for it: {complaint}")
    return Trouble(f"HTTP status {status}: {complaint}")


def _room(job: Job) -> int:
    """Bytes that a frame about this job may have besides its head."""
    return job.limits.value + job.limits.stdout + job.limits.stderr + MAX_HEAD


def _call(jobs: Sequence[Job], head: Head, args: bytes) -> Call:
    job, case, name = size(head, "job"), size(head, "case"), take(head, "name", str)
    if job >= len(jobs) or case >= len(jobs[job].cases) or name not in jobs[job].proxies:
        raise Garbled("a call that no job can have made")
    return Call(jobs[job], jobs[job].cases[case], name, args)
