"""The way of a forked child into the cage: each step takes something away, and the code comes last.

Order matters: files and namespaces while it still may, then limits, capabilities, Landlock, and seccomp at the end.
When all hold, the child says `STARTED`; if a step fails, it says why instead and the code never runs.
"""

from __future__ import annotations

import gc
import marshal
import math
import os
import resource
from dataclasses import dataclass
from typing import Any

from selfplay.sandbox.inside import kernel, landlock, namespaces, runner, seccomp, wire

_LIMITS = {
    "cpu_s": resource.RLIMIT_CPU,
    "files": resource.RLIMIT_NOFILE,
    "file_size": resource.RLIMIT_FSIZE,
    "stack": resource.RLIMIT_STACK,
    "core": resource.RLIMIT_CORE,
    "locked": resource.RLIMIT_MEMLOCK,
    "memory": resource.RLIMIT_AS,
    "tasks": resource.RLIMIT_NPROC,
}
_HARD = {kind: resource.getrlimit(kind)[1] for kind in _LIMITS.values()}
_OUTSIDE_AND_SERVER = 2
"""Processes with the same user id as an execution that has namespaces."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """The child's ends."""

    stdout: int
    stderr: int
    sent: int
    replies: int | None


@dataclass(frozen=True, slots=True)
class Cage:
    """What this execution is locked in with; None or False where the machine does not have it."""

    namespaces: bool
    rules: int | None
    """A Landlock ruleset."""
    filter: seccomp.Filter | bytes | None
    """Ready for process 1, or the program for whatever number the child gets."""
    folder: str
    """Working directory."""


def main(head: wire.Head, body_size: int, pipes: Pipes, cage: Cage) -> None:
    """Become the execution that `head` describes; the body is still in the server's stdin. Does not return."""
    sent, code = pipes.sent, 1
    try:
        task, stdin = _read_request(head, body_size)
        _connect(pipes, stdin)
        sent = runner.SENT
        _lock_in(head, cage)
        gc.enable()
        os.write(sent, wire.STARTED)
    except BaseException as error:
        os.write(sent, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    try:
        code = runner.run(task)
    finally:
        os._exit(code)


def _read_request(head: wire.Head, body_size: int) -> tuple[dict[str, Any], bytes]:
    task = marshal.loads(wire.read(0, head["task"]))
    return task, wire.read(0, body_size - head["task"])


def _connect(pipes: Pipes, stdin: bytes) -> None:
    """Put the pipes where they belong and close everything else, the way to the parent above all."""
    wanted = [_as_file(stdin), pipes.stdout, pipes.stderr, pipes.sent]
    if pipes.replies is not None:
        wanted.append(pipes.replies)
    for place, file in enumerate(wanted):  # all of them lie above the places: see `Server`
        os.dup2(file, place, inheritable=False)


def _as_file(stdin: bytes) -> int:
    """An open file that holds `stdin`, positioned at its beginning."""
    if not stdin:
        return os.open(os.devnull, os.O_RDONLY)
    if not hasattr(os, "memfd_create"):
        import tempfile

        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            return os.dup(file.fileno())
    memory = os.memfd_create("stdin", 0)
    wire.write(memory, [stdin])
    os.lseek(memory, 0, os.SEEK_SET)
    return memory


def _lock_in(head: wire.Head, cage: Cage) -> None:
    if cage.namespaces:
        if os.getpid() != 1:
            raise OSError(f"expected to be process 1 of a new pid namespace, am {os.getpid()}")
        if head["scratch"][0] or cage.filter is None:  # the filter refuses all that the ipc namespace is about
            namespaces.fresh_ipc_and_files(*head["scratch"])
    else:
        os.setsid()
        if kernel.LINUX:
            kernel.die_with_parent()
    os.chdir(cage.folder)
    _limit(head, count_threads=cage.namespaces)
    if kernel.LINUX:
        kernel.drop_capabilities()
    if cage.rules is not None:
        landlock.restrict(cage.rules)
    os.closerange(runner.REPLIES + (1 if head["live"] else 0), 4096)
    if cage.filter is not None:
        filter = seccomp.Filter(cage.filter, os.getpid()) if isinstance(cage.filter, bytes) else cage.filter
        filter.install()


def _limit(head: wire.Head, *, count_threads: bool) -> None:
    """rlimits, soft and hard alike. Threads are counted per user, so only where the user id is this server's own."""
    wanted = head | {"core": 0, "locked": 0, "tasks": _OUTSIDE_AND_SERVER + head["processes"] + head["threads"]}
    wanted["cpu_s"] = math.ceil(head["cpu_s"]) + 1  # the server looks more closely; this is for when it cannot
    for name, kind in _LIMITS.items():
        if name != "tasks" or count_threads:
            hard = _HARD[kind]
            value = wanted[name] if hard == resource.RLIM_INFINITY else min(wanted[name], hard)
            resource.setrlimit(kind, (value, value))
