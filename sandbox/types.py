"""What is run, under which limits, and what came of it.

    Job (one submission) -> Case (one input) -> CaseResult;  Sandbox.run: [Job] -> [ExecResult], in order

A *submission* is source code that nobody trusts. An *execution* is one process that runs it: for one case, or for all
of them. A *status* says how an execution ended; whether its answer is right is judged elsewhere, by the trusted parent,
which alone knows what was expected. Values cross the border as wire texts (`selfplay.sandbox.inside.values`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from hashlib import sha256
from types import TracebackType
from typing import Protocol, Self

from selfplay.errors import UsageError

SANDBOX_VERSION = "2"
"""Changes whenever the same code could end in another way; part of the name under which verdicts are kept."""


class Status(StrEnum):
    """How an execution ended."""

    OK = "ok"
    """It exited with 0 and everything it had to send came, whole."""
    EXCEPTION = "exception"
    """The code raised something (running out of memory raises `MemoryError`), or exited with another code than 0."""
    TIMEOUT = "timeout"
    """It used too much wall time, though not too much CPU time: it slept, waited, or the machine was busy."""
    CPU_LIMIT = "cpu_limit"
    MEMORY_LIMIT = "memory_limit"
    """The kernel killed it for its memory, which it did not ask for at once."""
    OUTPUT_LIMIT = "output_limit"
    """It wrote more to stdout, stderr or as its result than was allowed."""
    SIGNAL = "signal"
    """A signal killed it, often SIGSEGV."""
    VIOLATION = "violation"
    """It made a system call that no honest program makes, and was killed for it."""
    NO_RESULT = "no_result"
    """It ended without sending its result, whatever its exit code."""
    INVALID_RESULT = "invalid_result"
    """What it returned cannot travel, or what it sent is not a result."""
    SANDBOX_ERROR = "sandbox_error"
    """The sandbox failed; nothing is known about the code. Never a verdict."""


class Level(IntEnum):
    """What stands between the code and the machine."""

    L0 = 0
    """rlimits and a process group. Not secure."""
    L1 = 1
    """And a seccomp allow-list: no network, no processes; files are open to it. Not secure."""
    L2 = 2
    """And a closed file system (Landlock, or a mount namespace): what a container without user namespaces can have."""
    L3 = 3
    """All of it: namespaces, Landlock, seccomp, rlimits."""


class Integrity(StrEnum):
    """Whether a result can be forged or carried over by the code."""

    HIGH = "high"
    LOW = "low"
    """Cases shared an interpreter."""


class Isolation(StrEnum):
    """What a process is for."""

    CASE = "case"
    """One process per case: no case knows of another."""
    SUBMISSION = "submission"
    """One process for all cases of a submission: faster, integrity low. Functions only."""


class Profile(StrEnum):
    """What an honest program may need beyond the usual."""

    STD = "std"
    SCI = "sci"
    """numpy, already imported."""
    ASYNCIO = "asyncio"
    """Socket pairs and epoll, for an event loop; no network."""


KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one execution may use; sizes in bytes, times in seconds."""

    cpu_s: float = 2.0
    """Per case."""
    total_s: float = 20.0
    """CPU time of all cases of a job together; of wall time, three times as much and a second."""
    memory: int = 512 * MIB
    """Address space of a process."""
    threads: int = 16
    processes: int = 1
    """1: it may not fork. No execution can start another program."""
    files: int = 64
    """Open at a time."""
    file_size: int = 16 * MIB
    tmpfs_size: int = 16 * MIB
    tmpfs_inodes: int = 1024
    stdout: int = 64 * KIB
    stderr: int = 16 * KIB
    value: int = 1_000_000
    """A returned value's wire text, and a call's or a reply's."""
    source: int = 64 * KIB
    stack: int = 8 * MIB

    @property
    def wall_s(self) -> float:
        """Wall time per case: a backstop, generous so that a busy machine does not decide."""
        return 3 * self.cpu_s + 1


@dataclass(frozen=True, slots=True)
class Case:
    """One input: the arguments of a function, or what a script reads."""

    id: str
    args: tuple[object, ...] = ()
    """Values that can travel: None, bool, int, float, str, bytes, list, tuple, dict, set."""
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Job:
    """One submission with its cases.

    Raises:
        UsageError: no case, two cases of one id, a source beyond the limit, or a script with `Isolation.SUBMISSION`.
    """

    source: str
    entry: str | None
    """The function that is called with a case's `args`; its return value is sent back. None: a script, which reads
    `stdin` as ``__main__``."""
    cases: tuple[Case, ...]
    isolation: Isolation = Isolation.CASE
    limits: Limits = field(default_factory=Limits)
    profile: Profile = Profile.STD
    writable: bool = False
    """The working directory is an empty tmpfs of its own. Otherwise nothing can be written anywhere."""
    proxies: tuple[str, ...] = ()
    """Functions that the code finds as builtins, and the parent answers."""

    def __post_init__(self) -> None:
        if not self.cases:
            raise UsageError("a job needs at least one case")
        if len({case.id for case in self.cases}) < len(self.cases):
            raise UsageError(f"two cases of a job have the same id: {[case.id for case in self.cases]}")
        if len(self.source.encode("utf-8", "surrogatepass")) > self.limits.source:
            raise UsageError(f"the source is longer than the limit of {self.limits.source} bytes")
        if self.entry is None and self.isolation is Isolation.SUBMISSION:
            raise UsageError("scripts cannot share a process\n  use isolation='case', or name the function to call")

    @property
    def code_sha256(self) -> str:
        """Of the source, which may contain what is no text."""
        return sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def integrity(self) -> Integrity:
        """Of its results: cases that share a process can change each other's."""
        return Integrity.LOW if self.isolation is Isolation.SUBMISSION else Integrity.HIGH


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception, in the code's own words: for people to read, never to decide by."""

    type: str
    message: str
    line: int | None
    """In the submission."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went."""

    id: str
    status: Status
    value: bytes | None = None
    """Wire text of what the function returned, exactly as it came: decode it with `values.decode`."""
    stdout: bytes = b""
    """With `Isolation.SUBMISSION` what the shared process wrote is in `ExecResult` alone."""
    stderr: bytes = b""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    raised: Raised | None = None
    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    max_rss_kb: int = 0
    attempts: int = 1
    detail: str = ""
    """Why, where the status alone does not say: what is wrong with the value, or with the sandbox."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How one job went."""

    status: Status
    """`ok` if every case is; otherwise that of the first case that is not."""
    cases: tuple[CaseResult, ...]
    """In the order of the job's cases."""
    backend: str
    level: Level
    integrity: Integrity
    code_sha256: str
    stdout: bytes = b""
    """Of the case that gave `status`; with `Isolation.SUBMISSION` of the process."""
    stderr: bytes = b""
    version: str = SANDBOX_VERSION

    @property
    def cpu_s(self) -> float:
        return sum(case.cpu_s for case in self.cases)

    @property
    def wall_s(self) -> float:
        """Sum over the cases, although they may have run at the same time."""
        return sum(case.wall_s for case in self.cases)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the parent answers to a call of a proxy: a value, or an error that the call raises."""

    value: bytes | None = None
    """Wire text."""
    error: tuple[str, str] | None = None
    """Type and message. A builtin exception's name raises that; any other raises `SolutionCrashed`."""


@dataclass(frozen=True, slots=True)
class Call:
    """The code calls a proxy."""

    job: Job
    case: Case
    name: str
    """One of the job's `proxies`."""
    args: bytes
    """Wire text of ``(args tuple, kwargs dict)``, says the caller; it may be anything."""


Answer = Callable[[Call], Awaitable[Reply]]
"""Answers calls. What it raises ends `Sandbox.run`."""


class Sandbox(Protocol):
    """A place where submissions run. An async context manager; it may be used by several tasks at once."""

    @property
    def level(self) -> Level:
        """What was proven to hold when the sandbox was started."""
        ...

    async def run(self, batch: Sequence[Job], answer: Answer | None = None) -> list[ExecResult]:
        """Run all jobs, side by side; the results are in the order of `batch`.

        Raises:
            UsageError: a job has proxies and there is no `answer`.
        """
        ...

    def describe(self) -> dict[str, object]:
        """Backend, level and what holds, as plain JSON."""
        ...

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
