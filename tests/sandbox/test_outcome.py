"""Reading what hostile code sent."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.sandbox import outcome
from selfplay.sandbox.inside import wire
from selfplay.sandbox.types import Case, CaseResult, Limits, Status
from selfplay.sandbox.worker import Report

LIMITS = Limits()
BLANK = Report(
    status=0,
    killed=None,
    cpu_s=0.01,
    wall_s=0.02,
    max_rss_kb=9000,
    stdout=b"",
    stderr=b"",
    cut=(False, False),
    sent=b"",
)


def record(kind: bytes, content: bytes = b"", index: int = 0) -> bytes:
    return wire.RECORD.pack(kind, index, 7, len(content)) + content


END = record(b"e", index=1)
RIGHT = record(b"v", b'"i1"') + END


def result(sent: bytes = RIGHT, *, script: bool = False, **changes: object) -> CaseResult:
    report = replace(BLANK, sent=sent, **changes)  # type: ignore[arg-type]
    return outcome.results([Case("a")], report, LIMITS, script=script)[0]


def test_a_value() -> None:
    assert (result().status, result().value) == (Status.OK, b'"i1"')
    assert result(END, script=True).status is Status.OK


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", Status.NO_RESULT),
        (END, Status.NO_RESULT),
        (record(b"v", b"x"), Status.NO_RESULT),
        (RIGHT[:-1], Status.INVALID_RESULT),
        (RIGHT[:5], Status.INVALID_RESULT),
        (RIGHT + b"x", Status.INVALID_RESULT),
        (RIGHT + RIGHT, Status.INVALID_RESULT),
        (record(b"v", b"x") + RIGHT, Status.INVALID_RESULT),
        (record(b"v", b"x", index=1) + END, Status.INVALID_RESULT),
        (record(b"v", b"x") + record(b"e", index=2), Status.INVALID_RESULT),
        (record(b"c", b"f\0") + RIGHT, Status.INVALID_RESULT),
        (record(b"i", b"why") + END, Status.INVALID_RESULT),
        (record(b"x", b'["A", "b", 3]') + END, Status.EXCEPTION),
        (record(b"x", b"[" * 100_000) + END, Status.EXCEPTION),
    ],
)
def test_anything_else(sent: bytes, status: Status) -> None:
    found = result(sent)
    assert (found.status, found.value) == (status, None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"killed": "cpu", "status": 9}, Status.CPU_LIMIT),
        ({"killed": "wall", "status": 9}, Status.TIMEOUT),
        ({"killed": "output"}, Status.OUTPUT_LIMIT),
        ({"status": signal.SIGSYS}, Status.VIOLATION),
        ({"status": signal.SIGSEGV}, Status.SIGNAL),
        ({"status": signal.SIGKILL}, Status.SIGNAL),
        ({"status": signal.SIGKILL, "cpu_s": 2.1}, Status.CPU_LIMIT),
        ({"status": signal.SIGKILL, "max_rss_kb": 500_000}, Status.MEMORY_LIMIT),
        ({"status": 3 << 8}, Status.NO_RESULT),
    ],
)
def test_how_the_process_ended_comes_before_what_it_sent(changes: dict[str, object], status: Status) -> None:
    assert result(**changes).status is status


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([RIGHT, END, record(b"v", b"x"), record(b"x")]))))
def test_only_the_one_right_sequence_is_ok(parts: list[bytes]) -> None:
    sent = b"".join(parts)
    found = result(sent)
    assert (found.status is Status.OK) == (found.value is not None)
    if found.value is not None:
        assert len(sent) == 2 * wire.RECORD.size + len(found.value)
        assert sent[: wire.RECORD.size].startswith(b"v") and sent[-wire.RECORD.size :].startswith(b"e")
