"""From what a worker reports to results: reads what the code sent, of which not a byte can be trusted.

A case is `ok` only if its process exited with 0, everything it had to send came whole and once, nothing came after it,
and nobody had to kill it. Anything else has its own status; "the sandbox failed" is never one of them here, because
from the first line of the code on every failure is the code's.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selfplay.sandbox.inside import wire
from selfplay.sandbox.types import Case, CaseResult, Limits, Raised, Status
from selfplay.sandbox.worker import Report

_KILLED = {
    "cpu": Status.CPU_LIMIT,
    "wall": Status.TIMEOUT,
    "output": Status.OUTPUT_LIMIT,
}
_TEXT = 1000
"""Characters of an exception's message that are kept."""
_LINES = 1_000_000
"""More than any submission has."""


@dataclass(frozen=True, slots=True)
class _Record:
    kind: bytes
    cpu_s: float
    content: bytes


@dataclass(frozen=True, slots=True)
class _Sent:
    """What one process sent."""

    records: dict[int, _Record]
    """By case."""
    complete: bool
    wrong: str
    """Why it is no sequence of records."""


def results(cases: Sequence[Case], report: Report, limits: Limits, *, script: bool) -> list[CaseResult]:
    """One result per case of the process that `report` is about."""
    sent = _read(report.sent, len(cases))
    ended = _how_it_ended(report, limits)
    if len(cases) == 1:
        blank = CaseResult(
            cases[0].id,
            ended or Status.OK,
            stdout=report.stdout,
            stderr=report.stderr,
            stdout_truncated=report.cut[0],
            stderr_truncated=report.cut[1],
            exit_code=os.WEXITSTATUS(report.status) if os.WIFEXITED(report.status) else None,
            signal=os.WTERMSIG(report.status) if os.WIFSIGNALED(report.status) else None,
            cpu_s=report.cpu_s,
            wall_s=report.wall_s,
            max_rss_kb=report.max_rss_kb,
        )
        return [blank if ended else _judged(blank, sent, 0, script=script)]
    return _shared(cases, report, sent, ended)


def _shared(cases: Sequence[Case], report: Report, sent: _Sent, ended: Status | None) -> list[CaseResult]:
    """Cases of one process: those that were finished count; the next one bears how the process ended."""
    found = []
    for index, case in enumerate(cases):
        blank = CaseResult(case.id, Status.OK, max_rss_kb=report.max_rss_kb)
        if index in sent.records or sent.wrong:
            found.append(_judged(blank, replace(sent, complete=True), index, script=False))
        elif ended and index == len(sent.records):
            found.append(replace(blank, status=ended))
        else:
            found.append(replace(blank, status=Status.NO_RESULT, detail="the process ended before this case"))
    return found


def _how_it_ended(report: Report, limits: Limits) -> Status | None:
    """The status that the end of the process alone gives; None if it depends on what it sent."""
    if report.killed:
        return _KILLED[report.killed]
    if not os.WIFSIGNALED(report.status):
        return None
    number = os.WTERMSIG(report.status)
    if number == signal.SIGSYS:
        return Status.VIOLATION
    if number == signal.SIGXCPU or (number == signal.SIGKILL and report.cpu_s >= limits.cpu_s):
        return Status.CPU_LIMIT
    if number == signal.SIGKILL and report.max_rss_kb * 1024 > limits.memory // 2:
        return Status.MEMORY_LIMIT
    return Status.SIGNAL


def _judged(blank: CaseResult, sent: _Sent, index: int, *, script: bool) -> CaseResult:
    """`blank` with what was sent for the case."""
    record = sent.records.get(index)
    if sent.wrong:
        return replace(blank, status=Status.INVALID_RESULT, detail=sent.wrong)
    if record and record.kind == b"x":
        cpu_s = blank.cpu_s or record.cpu_s
        return replace(blank, status=Status.EXCEPTION, raised=_raised(record.content), cpu_s=cpu_s)
    if not sent.complete:
        return replace(blank, status=Status.NO_RESULT, detail="the process ended without its last record")
    if blank.exit_code:
        return replace(blank, status=Status.NO_RESULT, detail=f"the process ended with exit code {blank.exit_code}")
    if script:
        return blank
    if record is None:
        return replace(blank, status=Status.NO_RESULT, detail="no value was sent")
    cpu_s = blank.cpu_s or record.cpu_s
    if record.kind == b"i":
        return replace(blank, status=Status.INVALID_RESULT, detail=_text(record.content), cpu_s=cpu_s)
    return replace(blank, value=record.content, cpu_s=cpu_s)


def _read(data: bytes, cases: int) -> _Sent:
    """Split what was sent into records; at most one for each case and one end, with nothing after it."""
    records: dict[int, _Record] = {}
    at = 0
    while at + wire.RECORD.size <= len(data):
        kind, index, micros, size = wire.RECORD.unpack_from(data, at)
        at += wire.RECORD.size
        if kind == b"e":
            wrong = "" if (index, size, at) == (cases, 0, len(data)) else "something follows the last record"
            return _Sent(records, complete=True, wrong=wrong)
        if kind not in (b"v", b"i", b"x") or index >= cases or index in records:
            return _Sent(records, complete=False, wrong="not a record, or a second one for the same case")
        if at + size > len(data):
            at -= wire.RECORD.size
            break
        records[index] = _Record(kind, micros / 1e6, data[at : at + size])
        at += size
    return _Sent(records, complete=False, wrong="" if at == len(data) else "the last record is cut short")


def _raised(content: bytes) -> Raised:
    """The exception that the code says it raised."""
    try:
        kind, message, line = json.loads(content)
    except (ValueError, TypeError, RecursionError):
        return Raised("Exception", "(not described)", None)
    return Raised(_text(str(kind)), _text(str(message)), line if type(line) is int and 0 < line < _LINES else None)


def _text(text: str | bytes) -> str:
    """As valid text of bounded length."""
    data = text if isinstance(text, bytes) else text[:_TEXT].encode(errors="replace")
    return data.decode(errors="replace")[:_TEXT]
