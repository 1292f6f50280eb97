"""The client: whatever a server or the way to it does, there is a true result, `sandbox_error`, or a clear error."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.errors import RunError, UsageError
from selfplay.sandbox.connection import parse_address
from selfplay.sandbox.frames import Garbled, Reader, frame, read_frame
from selfplay.sandbox.inside.values import encode
from selfplay.sandbox.judge import Claim, Judge
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.messages import job_to_bytes, jobs_from_bytes, reply_from_bytes
from selfplay.sandbox.pool import CodePool
from selfplay.sandbox.remote import RemoteSandbox
from selfplay.sandbox.routes import Settings
from selfplay.sandbox.selftest.forgeries import FUNCTION, HONEST, HONEST_TESTS, RUN
from selfplay.sandbox.serve import application
from selfplay.sandbox.suites import Trial
from selfplay.sandbox.types import (
    Answer,
    Call,
    Case,
    ExecResult,
    Integrity,
    Isolation,
    Job,
    Level,
    Limits,
    Reply,
    Status,
)
from selfplay.types import Outcome

from .conftest import Run, listening

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "a token that is long enough".replace(" ", "-")
DOUBLE = Job("def f(x):\n    return x + x\n", "f", (Case("a", (3,)), Case("b", ("é\x00",))))
ASKING = Job("def f(x):\n    return other(x) + 1\n", "f", (Case("0", (3,)), Case("1", (4,))), proxies=("other",))
CODE = sha256(DOUBLE.source.encode()).hexdigest().encode()
Alter = Callable[[bytes], bytes]


class Meddling:
    """A server's application, and somebody on the way who changes what comes from `/v1/run`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.alter: Alter | None = None
        self.altered = 0
        """Requests that were."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        alter = self.alter if scope["type"] == "http" and scope["path"].startswith("/v1/run") else None
        self.altered += alter is not None

        async def changed(message: Message) -> None:
            if alter is not None and message["type"] == "http.response.body":
                message = {**message, "body": alter(message["body"])}
            await send(message)

        await self.app(scope, receive, changed)


class Closable(LocalSandbox):
    """Servers come and go; the sandbox they share stays."""

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def inner() -> Iterator[Closable]:
    sandbox = Closable(workers=2)
    sandbox.start()
    yield sandbox
    asyncio.run(LocalSandbox.close(sandbox))


@pytest.fixture(scope="module")
def way(inner: Closable) -> Iterator[tuple[Meddling, str]]:
    app = Meddling(application(inner, TOKEN))
    with listening(app) as url:
        yield app, url


@pytest.fixture
def remote(way: tuple[Meddling, str]) -> Iterator[RemoteSandbox]:
    app, url = way
    app.alter = None
    sandbox = RemoteSandbox(url, TOKEN, patience_s=0)
    sandbox.start()
    yield sandbox
    app.alter = None
    asyncio.run(sandbox.close())


def test_results_are_those_of_the_server(remote: RemoteSandbox, inner: Closable, run: Run) -> None:
    jobs = [
        DOUBLE,
        Job("print(input())", None, (Case("0", stdin=b"\xff\n"),)),
        Job("1 / 0", None, (Case("0"),)),
        replace(DOUBLE, isolation=Isolation.SUBMISSION),
        Job("open('x', 'w').write('x'); print('x' * 60_000)", None, (Case("0"),), writable=True),
    ]

    def told(sandbox: RemoteSandbox | Closable) -> list[ExecResult]:
        """Without what no two executions share."""
        return [
            replace(
                result,
                backend="",
                cases=tuple(replace(case, cpu_s=0, wall_s=0, max_rss_kb=0) for case in result.cases),
            )
            for result in run(sandbox, *jobs)
        ]

    assert told(remote) == told(inner)
    assert run(remote) == []


def test_calls_come_back_here_and_their_answers_go_there(remote: RemoteSandbox, run: Run) -> None:
    seen: list[tuple[str, bytes]] = []

    async def answer(call: Call) -> Reply:
        seen.append((call.case.id, call.args))
        return Reply(value=encode(40).encode()) if call.case.id == "0" else Reply(error=("KeyError", "none"))

    (result,) = run(remote, ASKING, answer=answer)
    assert [case.status for case in result.cases] == [Status.OK, Status.EXCEPTION]
    assert result.cases[0].value == encode(41).encode()
    assert result.cases[1].raised is not None and result.cases[1].raised.type == "KeyError"
    assert sorted(seen) == [("0", encode(((3,), {})).encode()), ("1", encode(((4,), {})).encode())]
    with pytest.raises(UsageError, match="no `answer`"):
        run(remote, ASKING)


def test_what_an_answer_raises_ends_the_run(remote: RemoteSandbox, run: Run) -> None:
    async def answer(call: Call) -> Reply:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(remote, ASKING, answer=answer)
    assert run(remote, DOUBLE)[0].status is Status.OK


def test_a_pool_judges_on_it(way: tuple[Meddling, str]) -> None:
    pool = CodePool(lambda: RemoteSandbox(way[1], TOKEN, connections=1))
    try:
        wrong = "def solve(x):\n    return 9\n"
        claims = [(FUNCTION, HONEST), (FUNCTION, wrong), (RUN, Trial(HONEST, HONEST_TESTS))]
        found = [verdict.outcome for verdict in pool.judge(claims)]
        assert found == [Outcome.PASS, Outcome.FAIL, Outcome.PASS]
    finally:
        pool.close()


GARBAGE: dict[str, Alter] = {
    "other bytes": lambda data: b"\xff" * len(data),
    "nothing": lambda data: b"",
    "JSON": lambda data: b'{"status": "ok"}',
    "a byte less each": lambda data: data[:-1],
    "a huge length": lambda data: b"\xff\xff\xff\xff" + data[4:],
    "another status": lambda data: data.replace(b'"sok"', b'"sno"'),
    "better than it was": lambda data: data.replace(b"sexception", b"sok"),
    "another case": lambda data: data.replace(b'"sa"', b'"sz"'),
    "other code": lambda data: data.replace(CODE, CODE[::-1]),
    "a level it has not": lambda data: data.replace(b"sL3", b"sL9"),
    "no end": lambda data: b"" if b'"send"' in data else data,
    "results twice": lambda data: data + data if b'"sresult"' in data else data,
    "negative time": lambda data: data.replace(b'"f0x1.', b'"f-0x1.'),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_garbled_answer_is_no_result(what: str, remote: RemoteSandbox, way: tuple[Meddling, str], run: Run) -> None:
    way[0].alter = GARBAGE[what]
    raising = Job("def f(x):\n    raise ValueError\n", "f", (Case("a", (1,)),))
    jobs = [raising] if what == "better than it was" else [DOUBLE]
    for result in run(remote, *jobs):
        assert result.status is Status.SANDBOX_ERROR
        assert [case.status for case in result.cases] == [Status.SANDBOX_ERROR] * len(result.cases)
        assert "garbled" in result.cases[0].detail or "cut short" in result.cases[0].detail


def test_a_cut_connection_is_tried_again(way: tuple[Meddling, str], run: Run) -> None:
    app, url = way
    app.alter = None
    remote = RemoteSandbox(url, TOKEN, patience_s=30)
    remote.start()

    def cut_once(data: bytes) -> bytes:
        app.alter = None
        raise ConnectionResetError

    app.alter = cut_once
    (result,) = run(remote, DOUBLE)
    assert result.status is Status.OK and [case.attempts for case in result.cases] == [2, 2]
    asyncio.run(remote.close())


def test_a_lost_verdict_is_masked_and_never_a_failure(remote: RemoteSandbox, way: tuple[Meddling, str]) -> None:
    way[0].alter = GARBAGE["other bytes"]
    (verdict,) = asyncio.run(Judge(remote).judge([Claim(FUNCTION, (HONEST,))]))
    assert verdict.outcome is Outcome.NO_VERDICT and verdict.status == "sandbox_error"


@contextmanager
def mute() -> Iterator[str]:
    """The URL of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_silent_server_is_left_in_time() -> None:
    began = time.monotonic()
    with mute() as url, pytest.raises(RunError, match="no sandbox server answers at http"):
        RemoteSandbox(url, silence_s=0.3).start()
    assert time.monotonic() - began < 5


def test_what_does_not_even_refuse_is_not_asked_for_every_job(remote: RemoteSandbox, run: Run) -> None:
    remote.silence_s = 0.3
    with mute() as url:
        remote._servers = [replace(remote._servers[0], address=parse_address(url))]
        began = time.monotonic()
        lost = [run(remote, DOUBLE)[0] for _ in range(20)]
        assert time.monotonic() - began < 2
    assert {result.status for result in lost} == {Status.SANDBOX_ERROR}
    assert [result.cases[0].attempts for result in lost[:2]] == [1, 0]


def test_a_server_that_is_gone_costs_time_and_then_gives_no_verdict(inner: Closable, run: Run) -> None:
    with listening(application(inner)) as url:
        remote = RemoteSandbox(url, patience_s=0.3)
        remote.start()
        assert run(remote, DOUBLE)[0].status is Status.OK
    first = run(remote, DOUBLE)[0]
    assert first.status is Status.SANDBOX_ERROR and first.cases[0].attempts > 1
    assert first.level is Level.L3 and first.integrity is Integrity.HIGH
    second = run(remote, DOUBLE)[0]
    assert second.cases[0].attempts <= 1, "nobody waits again for what has been down for so long"
    time.sleep(max(0.0, remote.rests_until - time.monotonic()))
    with listening(application(inner), int(url.rpartition(":")[2])):
        assert run(remote, DOUBLE)[0].status is Status.OK
    asyncio.run(remote.close())


def test_another_server_takes_over(inner: Closable, run: Run) -> None:
    with listening(application(inner)) as one:
        with listening(application(inner)) as two:
            remote = RemoteSandbox(f"{one}, {two}")
            remote.start()
        results = run(remote, DOUBLE, DOUBLE, DOUBLE)
        assert [result.status for result in results] == [Status.OK] * 3
    asyncio.run(remote.close())


@pytest.mark.parametrize("token", [None, TOKEN + "x"])
def test_the_wrong_token(way: tuple[Meddling, str], token: str | None) -> None:
    way[0].alter = None
    with pytest.raises(UsageError, match=r"refuses the token \(401\)"):
        RemoteSandbox(way[1], token).start()


def test_no_server_at_all() -> None:
    with pytest.raises(RunError, match="selfplay sandbox serve"):
        RemoteSandbox("http://127.0.0.1:1").start()
    with pytest.raises(RunError, match="not started"):
        _ = RemoteSandbox("http://127.0.0.1:1").level


@pytest.mark.parametrize(
    "url", ["", "box:7421", "ftp://box", "http://", "http://me:pw@box", "http://box?a=1", "http://a:b"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a sandbox server"):
        RemoteSandbox(url)


class Boasting:
    """A sandbox that says it is better than it is."""

    level = Level.L3

    def __init__(self, sandbox: LocalSandbox) -> None:
        self.sandbox = sandbox
        self.describe, self.close = sandbox.describe, sandbox.close

    async def run(self, jobs: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        return [replace(result, level=self.level) for result in await self.sandbox.run(jobs, answer)]


def test_the_level_is_what_the_probe_finds(run: Run) -> None:
    weak = LocalSandbox(workers=1, without=["namespaces"])
    weak.start()
    with listening(application(Boasting(weak))) as url:
        remote = RemoteSandbox(url, patience_s=0)
        remote.start()
        assert remote.level is Level.L2
        (result,) = run(remote, DOUBLE)
        assert result.status is Status.SANDBOX_ERROR and "only L2 was proven" in result.cases[0].detail
        asyncio.run(remote.close())


def test_jobs_beyond_what_a_server_allows(remote: RemoteSandbox, run: Run) -> None:
    with pytest.raises(UsageError, match=r"limits\.cpu_s = 9999 is more than this server allows \(60\)"):
        run(remote, replace(DOUBLE, limits=Limits(cpu_s=9999)))
    with pytest.raises(UsageError, match="the arguments of case '0' cannot be sent"):
        run(remote, Job("", "f", (Case("0", (object(),)),)))


def test_a_request_that_is_too_large_is_no_verdict(inner: Closable, run: Run) -> None:
    with listening(application(inner, settings=Settings(max_body=10_000))) as url:
        remote = RemoteSandbox(url)
        remote.start()
        large = Job("print(len(input()))", None, (Case("0", stdin=b"x" * 5_000_000),))
        lost, *others = run(remote, large, DOUBLE, DOUBLE)
        assert lost.status is Status.SANDBOX_ERROR and "too large" in lost.cases[0].detail
        assert [result.status for result in others] == [Status.OK] * 2
        asyncio.run(remote.close())


def test_a_busy_server_is_waited_for(inner: Closable, run: Run) -> None:
    with listening(application(inner, settings=Settings(concurrency=1))) as url:
        remote = RemoteSandbox(url, patience_s=0, connections=4)
        remote.start()
        slow = Job("import time; time.sleep(0.3)", None, (Case("0"),))
        assert [result.status for result in run(remote, *[slow] * 4)] == [Status.OK] * 4
        asyncio.run(remote.close())


def test_whoever_goes_away_leaves_their_place(inner: Closable) -> None:
    sleepy = Job("import time; time.sleep(1)", None, (Case("0"),))

    async def look(remote: RemoteSandbox) -> Status:
        waiting = asyncio.ensure_future(remote.run([sleepy]))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        began = time.monotonic()
        (result,) = await remote.run([DOUBLE])
        assert time.monotonic() - began < 6
        return result.status

    with listening(application(inner, settings=Settings(concurrency=1))) as url:
        remote = RemoteSandbox(url)
        remote.start()
        assert asyncio.run(look(remote)) is Status.OK
        asyncio.run(remote.close())
        time.sleep(1)  # until the program has ended too


WHOLE = job_to_bytes(DOUBLE) + job_to_bytes(ASKING)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_break_the_decoders(data: st.DataObject) -> None:
    mutated = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        mutated = mutated or bytearray(b"\0")
    for decode in (lambda: list(jobs_from_bytes(bytes(mutated), Limits())), lambda: reply_from_bytes(bytes(mutated))):
        with suppress(Garbled, UsageError):
            decode()


def test_what_travels_arrives() -> None:
    assert list(jobs_from_bytes(WHOLE, Limits())) == [DOUBLE, ASKING]
    odd = Job("x = '\ud800'", None, (Case("0", stdin=bytes(range(256))),))
    assert list(jobs_from_bytes(job_to_bytes(odd), Limits())) == [odd]
    kind, head, body = read_frame(Reader(frame("a", {"b": 1}, b"c", b"d")), 2)
    assert (kind, head["b"], body) == ("a", 1, b"cd")
    with pytest.raises(Garbled, match="allowed are"):
        read_frame(Reader(frame("a", {}, b"123")), 2)
