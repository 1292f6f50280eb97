"""What a client and a server of sandboxes say to each other: jobs one way, results and calls the other.

    client -> server    job (body: source), then a frame `case` for each of its cases (body: wire text of args, stdin)
                        reply (body: wire text of a value)
    server -> client    about: what it is; open: the stream's name; beat: still there
                        call (body: wire text of arguments)
                        result (body: stdout, stderr), then a frame `case` for each case (body: value, stdout, stderr)
                        end: all results have come; failed: there are none

Messages are frames, see `selfplay.sandbox.frames`. What is read here is well-formed, not true: that results are of the
jobs that were sent, and of an allowed level, is for the reader to compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields

from selfplay.errors import UsageError
from selfplay.sandbox.frames import (
    Garbled,
    Head,
    Read,
    Reader,
    frame,
    maybe,
    number,
    one_of,
    read_frame,
    size,
    split,
    take,
)
from selfplay.sandbox.inside.values import BadValue, decode, encode
from selfplay.sandbox.types import (
    Call,
    Case,
    CaseResult,
    ExecResult,
    Integrity,
    Isolation,
    Job,
    Level,
    Limits,
    Profile,
    Raised,
    Reply,
    Status,
)

PROTOCOL = "1"
MEDIA_TYPE = "application/x-selfplay-sandbox"
"""No browser sends this to another site without asking it first."""
ABOUT, RUN, RUN_CALLS, REPLY = "/v1/about", "/v1/run", "/v1/run-calls", "/v1/reply"
"""Calls come from jobs with proxies; these have places of their own, so that what they call can still run."""
MAX_ID = 1000
"""Characters of a case's id."""


def level(head: Head) -> Level:
    """The field `level`."""
    name = take(head, "level", str)
    if name not in Level.__members__:
        raise Garbled("level is no Level")
    return Level[name]


def job_to_bytes(job: Job) -> bytes:
    """A job and its cases.

    Raises:
        UsageError: an argument cannot travel.
    """
    head = {
        "entry": job.entry,
        "isolation": str(job.isolation),
        "profile": str(job.profile),
        "writable": job.writable,
        "proxies": list(job.proxies),
        "limits": asdict(job.limits),
        "cases": len(job.cases),
    }
    return b"".join([frame("job", head, job.source.encode("utf-8", "surrogatepass")), *map(_case_to_bytes, job.cases)])


def _case_to_bytes(case: Case) -> bytes:
    if len(case.id) > MAX_ID:
        raise UsageError(f"the id of case {case.id[:20]!r}... is longer than {MAX_ID} characters")
    try:
        args = encode(case.args).encode()
    except BadValue as error:
        raise UsageError(f"the arguments of case {case.id!r} cannot be sent: {error}") from error
    return frame("case", {"id": case.id, "args": len(args)}, args, case.stdin)


def jobs_from_bytes(data: bytes, allowed: Limits) -> Iterator[Job]:
    """The jobs in a request.

    Raises:
        Garbled: it is no sequence of jobs.
        UsageError: a job that cannot be, or whose limits are above what is allowed.
    """
    read = Reader(data)
    try:
        while read.left:
            yield _job(read, len(data), allowed)
    except EOFError as error:
        raise Garbled(str(error)) from None


def _job(read: Read, most: int, allowed: Limits) -> Job:
    kind, head, source = read_frame(read, most)
    if kind != "job":
        raise Garbled(f"a job was expected, not {kind!r:.40}")
    proxies, limits = take(head, "proxies", list), take(head, "limits", dict)
    if any(type(name) is not str for name in proxies):
        raise Garbled("proxies are names")
    return Job(
        source=_text(source),
        entry=maybe(head, "entry", str),
        cases=tuple(_case(read, most) for _ in range(size(head, "cases"))),
        isolation=one_of(head, "isolation", Isolation),
        limits=_limits(limits, allowed),
        profile=one_of(head, "profile", Profile),
        writable=take(head, "writable", bool),
        proxies=tuple(proxies),
    )


def _case(read: Read, most: int) -> Case:
    kind, head, body = read_frame(read, most)
    if kind != "case":
        raise Garbled(f"a case was expected, not {kind!r:.40}")
    packed, stdin = split(body, size(head, "args"))
    try:
        args = decode(packed)
    except BadValue as error:
        raise Garbled(str(error)) from None
    if type(args) is not tuple:
        raise Garbled("arguments are a tuple")
    return Case(take(head, "id", str), args, stdin)


def _limits(found: dict[str, object], allowed: Limits) -> Limits:
    given: dict[str, float] = {}
    for name in (field.name for field in fields(Limits)):
        most = getattr(allowed, name)
        value = number(found, name) if type(most) is float else size(found, name)
        if value > most:
            raise UsageError(f"limits.{name} = {value:g} is more than this server allows ({most:g})")
        given[name] = value
    return Limits(**given)  # type: ignore[arg-type]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Garbled("the source is no text") from None


def result_to_bytes(result: ExecResult) -> bytes:
    """A result and its cases."""
    head = {
        "status": str(result.status),
        "level": result.level.name,
        "integrity": str(result.integrity),
        "code": result.code_sha256,
        "stdout": len(result.stdout),
    }
    return b"".join([frame("result", head, result.stdout, result.stderr), *map(_case_result_to_bytes, result.cases)])


def _case_result_to_bytes(case: CaseResult) -> bytes:
    raised = case.raised
    head = {
        "id": case.id,
        "status": str(case.status),
        "value": None if case.value is None else len(case.value),
        "stdout": len(case.stdout),
        "cut": [case.stdout_truncated, case.stderr_truncated],
        "raised": None if raised is None else {"type": raised.type, "message": raised.message, "line": raised.line},
        "exit_code": case.exit_code,
        "signal": case.signal,
        "cpu_s": float(case.cpu_s),
        "wall_s": float(case.wall_s),
        "max_rss_kb": case.max_rss_kb,
        "attempts": case.attempts,
        "detail": case.detail[:MAX_ID],
    }
    return frame("case", head, case.value or b"", case.stdout, case.stderr)


def case_result_from(head: Head, body: bytes) -> CaseResult:
    """A frame `case` of the server.

    Raises:
        Garbled: it is none.
    """
    value = maybe(head, "value", int)
    value_part, stdout, stderr = split(body, size(head, "value") if value is not None else 0, size(head, "stdout"))
    cut = take(head, "cut", list)
    if [type(each) for each in cut] != [bool, bool]:
        raise Garbled("cut is no pair of bools")
    return CaseResult(
        id=take(head, "id", str),
        status=one_of(head, "status", Status),
        value=None if value is None else value_part,
        stdout=stdout,
        stderr=stderr,
        stdout_truncated=cut[0],
        stderr_truncated=cut[1],
        raised=_raised(maybe(head, "raised", dict)),
        exit_code=maybe(head, "exit_code", int),
        signal=maybe(head, "signal", int),
        cpu_s=number(head, "cpu_s"),
        wall_s=number(head, "wall_s"),
        max_rss_kb=size(head, "max_rss_kb"),
        attempts=size(head, "attempts"),
        detail=take(head, "detail", str),
    )


def _raised(head: Head | None) -> Raised | None:
    if head is None:
        return None
    return Raised(take(head, "type", str), take(head, "message", str), maybe(head, "line", int))


def result_from(head: Head, body: bytes, cases: tuple[CaseResult, ...]) -> ExecResult:
    """A frame `result`, with its cases.

    Raises:
        Garbled: it is none, or its status is not that of its cases.
    """
    stdout, stderr = split(body, size(head, "stdout"))
    status = one_of(head, "status", Status)
    if status is not next((case.status for case in cases if case.status is not Status.OK), Status.OK):
        raise Garbled("the status of a result is not that of its cases")
    integrity, code = one_of(head, "integrity", Integrity), take(head, "code", str)
    return ExecResult(status, cases, "remote", level(head), integrity, code, stdout, stderr)


def call_to_bytes(call: Call, job: int, case: int, number: int) -> bytes:
    """A call of a proxy, by the numbers of its job and case; `number` tells it from other calls."""
    return frame("call", {"job": job, "case": case, "number": number, "name": call.name}, call.args)


def reply_to_bytes(stream: str, number: int, reply: Reply) -> bytes:
    """The answer to a call of this stream."""
    error = None if reply.error is None else list(reply.error)
    head = {"stream": stream, "number": number, "value": reply.value is not None, "error": error}
    return frame("reply", head, reply.value or b"")


def reply_from_bytes(data: bytes) -> tuple[str, int, Reply]:
    """Stream, number of the call, answer.

    Raises:
        Garbled: it is no reply.
    """
    try:
        kind, head, body = read_frame(Reader(data), len(data))
    except EOFError as error:
        raise Garbled(str(error)) from None
    raised = maybe(head, "error", list)
    if kind != "reply" or (raised is not None and [type(each) for each in raised] != [str, str]):
        raise Garbled("no reply")
    reply = Reply(body if take(head, "value", bool) else None, None if raised is None else (raised[0], raised[1]))
    return take(head, "stream", str), size(head, "number"), reply
