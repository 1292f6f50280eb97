"""Many claims at once, on worker processes that can be killed.

Verdicts come in the order of the claims and do not depend on which worker gave them. A worker that dies, hangs past the
wall clock or runs out of memory is replaced, and its claim is tried once more on a fresh one; what fails twice is
TIMEOUT, MEMORY or CRASH, which say nothing about the claim. Equal claims are decided once, known ones not at all.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from selfplay.sandbox.checkers.cache import Cache
from selfplay.sandbox.checkers.registry import checker
from selfplay.sandbox.checkers.types import INFRASTRUCTURE, Blame, Claim, ProofStatus, ProofVerdict

RECYCLE_AFTER = 500
"""Claims that one process decides before it is replaced."""
_STARTUP_S = 60.0
"""Added to the wall clock of a worker's first claim."""


class Worker:
    """One process, started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._done = 0

    def check(self, claim: Claim) -> ProofVerdict:
        """Decide a claim, trying again on a fresh process if there is trouble."""
        found = self._once(claim)
        if found.status in INFRASTRUCTURE and found.status is not ProofStatus.UNAVAILABLE:
            self.close()
            found = self._once(claim)
            if found.status in INFRASTRUCTURE:
                self.close()
        return found

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # what was not written yet has nobody to read it
                    if pipe:
                        pipe.close()
            self._process = None

    def _once(self, claim: Claim) -> ProofVerdict:
        if self._done >= RECYCLE_AFTER:
            self.close()
        grace = 0.0
        if self._process is None:
            self._process, self._done, grace = _start(), 0, _STARTUP_S
        process = self._process
        assert process.stdin and process.stdout
        self._done += 1
        try:
            process.stdin.write(json.dumps(claim.to_json()).encode() + b"\n")
            process.stdin.flush()
            line = _read_line(process.stdout.fileno(), claim.limits.wall_s + grace)
        except OSError:
            line = b""
        if line is None:
            return _trouble(ProofStatus.TIMEOUT, f"killed after {claim.limits.wall_s:g} s")
        if not line.endswith(b"\n"):
            return self._death(process, claim)
        return ProofVerdict.from_json(json.loads(line))

    def _death(self, process: subprocess.Popen[bytes], claim: Claim) -> ProofVerdict:
        code = process.wait()
        self.close()
        if code == -signal.SIGPROF:
            return _trouble(ProofStatus.TIMEOUT, f"killed after {claim.limits.cpu_s:g} s of CPU time")
        return _trouble(ProofStatus.CRASH, f"the worker ended with exit code {code}")


class Pool:
    """Decides claims on `workers` processes (by default one for each CPU).

    Use it as a context manager, or `close` it; otherwise its workers end with the program.
    """

    def __init__(self, workers: int | None = None, cache: Cache | None = None) -> None:
        self.cache = Cache() if cache is None else cache
        count = workers or len(os.sched_getaffinity(0))
        self._workers = [Worker() for _ in range(count)]
        self._lock = threading.Lock()
        atexit.register(self.close)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers. They are started again when they are needed."""
        for worker in self._workers:
            worker.close()

    def check(self, claim: Claim) -> ProofVerdict:
        """Decide one claim."""
        return self.check_many([claim])[0]

    def check_many(self, claims: Sequence[Claim]) -> list[ProofVerdict]:
        """A verdict for each claim, in order. One call at a time; others wait.

        Raises:
            UnknownName: a claim names no checker; nothing was decided.
        """
        keys = [claim.key(checker(claim.checker).version) for claim in claims]
        with self._lock:
            found = {key: kept for key in keys if (kept := self.cache.get(key))}
            due = {key: claim for key, claim in zip(keys, claims, strict=True) if key not in found}
            found |= self._decide(due)
        return [found[key] for key in keys]

    def _decide(self, due: dict[str, Claim]) -> dict[str, ProofVerdict]:
        waiting: queue.SimpleQueue[tuple[str, Claim]] = queue.SimpleQueue()
        for item in due.items():
            waiting.put(item)
        found: dict[str, ProofVerdict] = {}
        threads = [
            threading.Thread(target=_work, args=(worker, waiting, found), daemon=True)
            for worker in self._workers[: len(due)]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for key, verdict in found.items():
            self.cache.put(key, verdict)
        return found


def _work(worker: Worker, waiting: queue.SimpleQueue[tuple[str, Claim]], found: dict[str, ProofVerdict]) -> None:
    while True:
        try:
            key, claim = waiting.get_nowait()
        except queue.Empty:
            return
        found[key] = worker.check(claim)


def _start() -> subprocess.Popen[bytes]:
    """A worker process; it inherits nothing that could change a verdict."""
    keep = {"PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "HOME", "LANG"}
    keep |= {"SELFPLAY_LEAN_URL", "SELFPLAY_LEAN_KEY"}  # where the checker `lean` asks
    env = {name: value for name, value in os.environ.items() if name in keep} | {"PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "selfplay.sandbox.checkers.worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)


def _read_line(file: int, seconds: float) -> bytes | None:
    """Bytes up to a newline (or what there is when the pipe closes), or None when the time is over."""
    line, deadline = b"", time.monotonic() + seconds
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([file], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return None
        piece = os.read(file, 1 << 16)
        if not piece:
            break
        line += piece
    return line


def _trouble(status: ProofStatus, reason: str) -> ProofVerdict:
    return ProofVerdict(status, reason, Blame.CHECKER, "worker")
