"""One writer per run folder: an advisory lock that the kernel takes back when its holder dies, even by `kill -9`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from selfplay.errors import UsageError

_NAME = ".lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the only holder of `folder`.

    Raises:
        UsageError: another process holds it (its number is in the message), or the folder cannot be written.
    """
    try:
        fd = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f"cannot write in run folder {folder}: {error.strerror}\n  copy it to a place you may write to"
        ) from error
    try:
        if not _try(fd, patience_s=0.5):
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise UsageError(
                f"run folder {folder} is in use by process {holder}\n"
                "  look at it with `selfplay watch`, or stop that process first"
            )
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def is_held(folder: Path) -> bool:
    """Whether some process on this machine holds `folder` now."""
    try:
        fd = os.open(folder / _NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(fd, patience_s=0.0, shared=True)
    finally:
        os.close(fd)


def _try(fd: int, *, patience_s: float, shared: bool = False) -> bool:
    """`flock`, retried a little: a viewer that tests the lock holds it for a moment."""
    import fcntl

    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
