"""A started server's stdin and stdout, wherever it runs. Blocking, and used by one thread at a time."""

from __future__ import annotations

import select
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from selfplay.sandbox.inside import wire

_END_S = 1.0
"""How long an idle server may take to end by itself."""


class Process(Protocol):
    """A running server. Trouble with it is `OSError` or `EOFError`."""

    def write(self, data: bytes) -> None:
        """All of `data`."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to read, or nothing will ever be, before the time is over."""
        ...

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, however long that takes."""
        ...

    def kill(self) -> None:
        """End it at once; `close` is still to be called."""
        ...

    def close(self) -> None:
        """End it and everything in it, and let go of what was needed to talk to it."""
        ...


class Start(Protocol):
    """Starts a server."""

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Run `command` with no other environment.

        Raises:
            OSError: it cannot be started.
        """
        ...


class LocalProcess:
    """A process of this machine. See `Process`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        assert self.process.stdin and self.process.stdout
        self._to, self._from = self.process.stdin, self.process.stdout
        self._readable = select.poll()
        self._readable.register(self._from, select.POLLIN)

    def write(self, data: bytes) -> None:
        wire.write(self._to.fileno(), [data])

    def wait(self, timeout_s: float) -> bool:
        return bool(self._readable.poll(timeout_s * 1000))

    def read(self, size: int) -> bytes:
        return wire.read(self._from.fileno(), size)

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self._to.close()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._from.close()
