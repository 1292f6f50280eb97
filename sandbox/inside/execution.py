"""One execution as the server sees it: a child to wait for, three pipes to empty, and limits to keep.

What comes through the pipes is kept in buffers that are overwritten once they are sent, because every later child gets
a copy of this process's memory.
"""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass, field

from selfplay.sandbox.inside import wire

_PARENT = 0
_CHUNK = 1 << 16
_scratch = bytearray(_CHUNK)
_zeros = bytes(_CHUNK)
_POLL_S = 0.01
"""The shortest time between two looks at the child's CPU clock."""
_CORES = os.cpu_count() or 1


@dataclass(slots=True)
class Stream:
    """What came through one pipe, up to a limit."""

    limit: int
    chunks: list[bytearray] = field(default_factory=list)
    size: int = 0

    def take(self, file: int) -> int:
        """Read what there is; how many bytes came (0: closed). The limit is exceeded when `size` is above it."""
        count = os.readv(file, [_scratch])
        kept = min(count, self.limit - self.size)
        if kept > 0:
            self.chunks.append(_scratch[:kept])
        self.size += count
        _scratch[:count] = _zeros[:count]
        return count

    def wipe(self) -> None:
        for chunk in self.chunks:
            chunk[:] = bytes(len(chunk))
        self.chunks.clear()


class Execution:
    """A running child.

    Args:
        head: of the `run` frame.
        alone: the child has a pid namespace, so what it started dies with it.
        replies: where answers to calls are written, if the child may call.
    """

    def __init__(
        self, head: wire.Head, pid: int, *, alone: bool, stdout: int, stderr: int, sent: int, replies: int | None
    ) -> None:
        self.pid, self.alone, self.replies = pid, alone, replies
        self.cpu_s: float = head["cpu_s"]
        self.start = time.monotonic()
        self.deadline: float = self.start + head["wall_s"]
        self.held_since: float | None = None
        self.killed: str | None = None
        self.reaped = False
        self.streams = {stdout: Stream(head["stdout"]), stderr: Stream(head["stderr"]), sent: Stream(head["sent"])}
        self.sent = sent
        self.parent_is_busy = False
        """It has not dealt yet with what the child said; until then nothing more is said."""
        self.pending = bytearray()
        self.waiting_to_write = False
        self.ended = _end_of(pid)
        self.poll = select.poll()
        for file in (*self.streams, *([] if self.ended is None else [self.ended])):
            self.poll.register(file, select.POLLIN)
        self.poll.register(_PARENT, 0 if replies is None else select.POLLIN)

    def finish(self) -> None:
        """Wait for the end, and send `done`."""
        wait = self.cpu_s / _CORES
        usage = None
        while usage is None:
            wait = min(wait, self.deadline - time.monotonic())
            ready = self.poll.poll(max(1, wait * 1000) if self.ended is not None else 2)
            for file, event in ready:
                self._serve(file, event)
            usage = self._reap()
            if usage is None:
                wait = self._enforce()
        while self.parent_is_busy:
            self._listen()
        self._drain()
        self._send_done(*usage)

    def _serve(self, file: int, event: int) -> None:
        if file == _PARENT:
            self._listen()
        elif file == self.replies:
            self._write_reply()
        elif file in self.streams:
            self._take(file)

    def _take(self, file: int) -> None:
        stream = self.streams[file]
        if not stream.take(file):
            self.poll.unregister(file)
        elif stream.size > stream.limit:
            self.kill("output")
            self.poll.unregister(file)
        elif file == self.sent and self.replies is not None and not self.reaped:
            size = sum(map(len, stream.chunks))
            wire.write(1, [wire.frame({"kind": "said"}, size), *stream.chunks])
            stream.wipe()
            self.poll.unregister(file)
            self.parent_is_busy = True

    def _reap(self) -> tuple[int, float, int] | None:
        """Wait status, CPU seconds and peak memory of the child, once it has ended."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.reaped = pid != 0
        return (status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss) if pid else None

    def _enforce(self) -> float:
        """Kill the child if its time is up; otherwise how many seconds it cannot be."""
        if time.monotonic() >= self.deadline:
            self.kill("wall")
        used = _cpu_clock(self.pid)
        if used >= self.cpu_s:
            self.kill("cpu")
        return max((self.cpu_s - used) / _CORES, _POLL_S)

    def kill(self, why: str) -> None:
        """Kill the child and, where that is possible, all that it started. The first reason counts."""
        self.killed = self.killed or why
        if not self.reaped:
            os.kill(self.pid, signal.SIGKILL)
        self._kill_group()

    def _kill_group(self) -> None:
        if not self.alone:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return

    def _drain(self) -> None:
        """Take what is still in the pipes, of which nobody can write any more."""
        self._kill_group()
        while ready := [file for file, _ in self.poll.poll(0) if file in self.streams]:
            for file in ready:
                self._take(file)

    def _send_done(self, status: int, cpu_s: float, max_rss_kb: int) -> None:
        stdout, stderr, sent = self.streams.values()
        done = {
            "kind": "done",
            "status": status,
            "killed": self.killed,
            "cpu_s": round(cpu_s, 6),
            "wall_s": round(time.monotonic() - self.start, 6),
            "max_rss_kb": max_rss_kb,
            "stdout": min(stdout.size, stdout.limit),
            "stderr": min(stderr.size, stderr.limit),
            "cut": [stdout.size > stdout.limit, stderr.size > stderr.limit],
        }
        chunks = [*stdout.chunks, *stderr.chunks, *sent.chunks]
        wire.write(1, [wire.frame(done, sum(map(len, chunks))), *chunks])
        for stream in self.streams.values():
            stream.wipe()
        for file in (*self.streams, self.ended, self.replies):
            if file is not None:
                os.close(file)

    def _listen(self) -> None:
        """Do what the parent says; if it is gone, go too."""
        try:
            head, size = wire.read_head(_PARENT)
            body = wire.read(_PARENT, size)
        except EOFError:
            os._exit(1)
        if head["kind"] == "hold":
            self.held_since = time.monotonic()
            self.deadline += head["at_most"]
        elif head["kind"] == "reply" and self.replies is not None and self.held_since is not None:
            self.deadline += time.monotonic() - self.held_since - head["at_most"]
            self.held_since = None
            self.pending += body
            self._write_reply()
        elif head["kind"] == "stop":
            self.kill("output")
        elif head["kind"] == "more":
            self.parent_is_busy = False
            self.poll.register(self.sent, select.POLLIN)

    def _write_reply(self) -> None:
        """Write as much of the answer as the child takes, which may never read it."""
        assert self.replies is not None
        try:
            count = os.write(self.replies, self.pending)
        except BlockingIOError:
            count = 0
        except BrokenPipeError:
            count = len(self.pending)
        self.pending[:count] = bytes(count)
        del self.pending[:count]
        if self.pending:
            self.poll.register(self.replies, select.POLLOUT)
        elif self.waiting_to_write:
            self.poll.unregister(self.replies)
        self.waiting_to_write = bool(self.pending)


def _end_of(pid: int) -> int | None:
    """A descriptor that can be read when the process has ended; None where there are none (macOS, gVisor)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _cpu_clock(pid: int) -> float:
    """CPU seconds of a process and its threads; 0 where the system does not tell."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
