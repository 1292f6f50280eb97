"""One worker: a fork server in a process of its own, and the pipe to it, as seen by the trusted parent.

Blocking, and used by one thread at a time. Whatever goes wrong with the worker itself is `WorkerDied`, which says
nothing about the code that was running. What the code sent is handed on as it came; `sandbox.outcome` reads it.
"""

from __future__ import annotations

import json
import marshal
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from selfplay.errors import SelfplayError
from selfplay.sandbox.inside import wire
from selfplay.sandbox.process import LocalProcess, Start
from selfplay.sandbox.types import Job, Profile

_SHIPPED = (
    "values", "wire", "kernel", "syscalls", "seccomp", "landlock", "namespaces", "runner", "child", "execution",
    "server",
)  # fmt: skip
_PACKAGE = "selfplay.sandbox.inside"
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "MALLOC_ARENA_MAX": "1",  # otherwise every thread reserves 64 MB of the address space that rlimits count
    "OPENBLAS_NUM_THREADS": "1",
}
PYTHON_FLAGS = ("-sSPB", "-X", "utf8")
"""Isolated as by -I, which would ignore PYTHONHASHSEED as well: no user or site packages, no script folder, no .pyc."""
_START_S = 60.0
_GRACE_S = 15.0
"""How much longer than its execution a worker may be silent."""
_HOLD_S = 600.0
"""How long the parent may take to answer one call."""
_RECORD_SPACE = 64 << 10
"""Room for records besides values: exceptions, headers."""


class WorkerDied(SelfplayError):
    """The worker failed; nothing is known about the code it was running."""


class CannotStart(WorkerDied):
    """The machine does not allow what the settings ask for."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker."""

    python: Sequence[str]
    """The command line up to Python itself."""
    settings: Mapping[str, Any]
    """See `selfplay.sandbox.inside.server.Settings`; without ``scratch`` the worker gets a folder if it needs one."""
    start: Start = LocalProcess
    """What makes a process of the command line."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the server says about an execution, and what the code sent."""

    status: int
    """Wait status."""
    killed: str | None
    """Why the server killed it: ``cpu``, ``wall`` or ``output``."""
    cpu_s: float
    wall_s: float
    max_rss_kb: int
    stdout: bytes
    stderr: bytes
    cut: tuple[bool, bool]
    sent: bytes


class Worker:
    """A running fork server.

    Raises:
        CannotStart: it says that the machine does not allow what it was asked for.
        WorkerDied: it did not start at all.
    """

    def __init__(self, launch: Launch) -> None:
        own_scratch = launch.settings["namespaces"] or "scratch" in launch.settings
        self.scratch = None if own_scratch else _scratch()
        try:
            self.process = launch.start([*launch.python, *PYTHON_FLAGS, "-c", _source("boot")], _ENVIRONMENT)
        except OSError as error:
            self._remove_scratch()
            raise WorkerDied(f"it could not be started: {error}") from error
        try:
            settings = {"scratch": self.scratch, **launch.settings}
            shipped = json.dumps({"sources": _sources(), "settings": settings}).encode()
            self._write(wire.LENGTH.pack(len(shipped)), shipped)
            self.claims, _ = self._read_frame(_START_S)
            if self.claims["trouble"]:
                raise CannotStart(self.claims["trouble"])
        except BaseException:
            self.close()
            raise

    def execute(
        self,
        job: Job,
        args: Sequence[str],
        stdin: bytes = b"",
        *,
        cpu_s: float,
        wall_s: float,
        answer: Callable[[int, str, bytes], bytes] | None = None,
    ) -> Report:
        """Run `job` in one process for cases with these wire texts of arguments.

        `answer` is given the number of the case, a called name and the wire text of the arguments, and returns what
        the child is to receive.

        Raises:
            WorkerDied: the worker failed; start another one.
        """
        fields = {"source": job.source, "entry": job.entry, "cases": list(args), "proxies": list(job.proxies)}
        task = marshal.dumps(fields, wire.MARSHAL)
        head = _head(job, len(args), cpu_s, wall_s) | {"task": len(task)}
        self._write(wire.frame(head, len(task) + len(stdin)), task, stdin)
        calls = _Calls(self, job, len(args), answer) if answer and job.proxies else None
        while True:
            said, body = self._read_frame(wall_s + _GRACE_S)
            if said["kind"] == "said" and calls:
                calls.hear(body)
                self.tell({"kind": "more"})
            elif said["kind"] == "done":
                return _report(said, body, bytes(calls.heard + calls.rest) if calls else b"")
            else:
                raise WorkerDied(said.get("why", f"unexpected answer {said['kind']!r}"))

    def tell(self, head: wire.Head, body: bytes = b"") -> None:
        """Say something about the running execution."""
        self._write(wire.frame(head, len(body)), body)

    def close(self) -> None:
        """End the worker and everything in it."""
        self.process.close()
        self._remove_scratch()

    def _remove_scratch(self) -> None:
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _write(self, *parts: bytes) -> None:
        try:
            self.process.write(b"".join(parts))
        except OSError as error:
            raise WorkerDied(f"the worker is gone: {error}") from error

    def _read_frame(self, timeout_s: float) -> tuple[wire.Head, bytes]:
        try:
            if not self.process.wait(timeout_s):
                raise WorkerDied(f"the worker was silent for {timeout_s:.0f} s")
            head, body = wire.FRAME.unpack(self.process.read(wire.FRAME.size))
            return json.loads(self.process.read(head)), self.process.read(body)
        except (EOFError, OSError, ValueError) as error:
            raise WorkerDied(f"the worker is gone: {type(error).__name__}: {error}") from error


class _Calls:
    """Takes the calls out of what the child sends, answers them, and keeps the rest, unless it is too much."""

    def __init__(self, worker: Worker, job: Job, cases: int, answer: Callable[[int, str, bytes], bytes]) -> None:
        self.worker, self.names, self.cases, self.answer = worker, job.proxies, cases, answer
        self.heard, self.rest = bytearray(), bytearray()
        self.most = job.limits.value * (cases + 1) + _RECORD_SPACE
        """Bytes that are kept: more than all results and an unfinished call is no honest child's."""

    def hear(self, data: bytes) -> None:
        if len(self.heard) + len(self.rest) > self.most:
            return  # it was told to stop
        self.rest += data
        at = 0
        while at + wire.RECORD.size <= len(self.rest):
            kind, index, _, size = wire.RECORD.unpack_from(self.rest, at)
            start, end = at + wire.RECORD.size, at + wire.RECORD.size + size
            if end > len(self.rest):
                break
            name, _, args = bytes(self.rest[start:end]).partition(b"\0")
            if kind == b"c" and index < self.cases and name.decode(errors="replace") in self.names:
                self._answer(index, name.decode(), args)
            else:
                self.heard += self.rest[at:end]  # `outcome` says what it thinks of it
            at = end
        del self.rest[:at]
        if len(self.heard) + len(self.rest) > self.most:
            self.worker.tell({"kind": "stop"})

    def _answer(self, index: int, name: str, args: bytes) -> None:
        self.worker.tell({"kind": "hold", "at_most": _HOLD_S})
        try:
            text = self.answer(index, name, args)
        except BaseException:
            self.worker.close()
            raise
        self.worker.tell({"kind": "reply", "at_most": _HOLD_S}, wire.LENGTH.pack(len(text)) + text)


def _head(job: Job, cases: int, cpu_s: float, wall_s: float) -> wire.Head:
    limits = job.limits
    calls = 1000 if job.proxies else 0
    return {
        "kind": "run",
        "live": bool(job.proxies),
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "stdout": limits.stdout,
        "stderr": limits.stderr,
        "sent": limits.value * (cases + calls) + _RECORD_SPACE,
        "memory": limits.memory,
        "threads": limits.threads,
        "processes": limits.processes,
        "files": limits.files,
        "file_size": limits.file_size,
        "stack": limits.stack,
        "scratch": [limits.tmpfs_size, limits.tmpfs_inodes] if job.writable else [0, 0],
        "event_loop": job.profile is Profile.ASYNCIO,
    }


def _report(done: wire.Head, body: bytes, heard: bytes) -> Report:
    first, second = done["stdout"], done["stdout"] + done["stderr"]
    return Report(
        status=done["status"],
        killed=done["killed"],
        cpu_s=done["cpu_s"],
        wall_s=done["wall_s"],
        max_rss_kb=done["max_rss_kb"],
        stdout=body[:first],
        stderr=body[first:second],
        cut=(done["cut"][0], done["cut"][1]),
        sent=heard + body[second:],
    )


def _scratch() -> str:
    """A new folder for scratch folders; in memory where that is possible, since hostile code makes many files."""
    memory = "/dev/shm"
    return tempfile.mkdtemp(
        prefix=f"selfplay-sandbox-{os.getpid()}-", dir=memory if os.access(memory, os.W_OK) else None
    )


def _source(name: str) -> str:
    return (Path(__file__).parent / "inside" / f"{name}.py").read_text()


@cache
def _sources() -> dict[str, str]:
    """The files that run inside, by module name; the packages above them are empty there."""
    packages = dict.fromkeys(["selfplay", "selfplay.sandbox", _PACKAGE], "")
    return packages | {f"{_PACKAGE}.{name}": _source(name) for name in _SHIPPED}
