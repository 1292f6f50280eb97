"""Stops code that computes without ever yielding, from inside the same thread.

A repeating timer (SIGALRM) looks at a deadline that is set just before a game's coroutine is resumed and cleared right
after, so the price per step is two attribute writes instead of two system calls. The handler runs between bytecodes: it
ends ``while True``, not one endless call into C, and not a script that catches `BaseException` for ever. Signals reach
the main thread only; on other threads, and where the program already uses SIGALRM, there is no alarm and `active` says
so. Alarms may be nested; the innermost watches.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

from selfplay.errors import GameHung

TICK_S = 0.1

T = TypeVar("T")


class _Expired(BaseException):
    """Not an `Exception`, so that a script's ``except Exception`` does not keep it alive."""


class Alarm:
    """A context manager within which `guard` stops what takes longer than `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.active = False
        self._deadline: float | None = None
        self._before: Any = None

    def __enter__(self) -> Alarm:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGALRM)
            free = self._before in (signal.SIG_DFL, signal.SIG_IGN, None)
            if free or _is_ours(self._before):
                signal.signal(signal.SIGALRM, self._tick)
                signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
                self.active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.active:
            if not _is_ours(self._before):
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)
            self.active = False

    def guard(self, action: Callable[..., T], *args: Any) -> T:
        """Call `action(*args)`.

        Raises:
            GameHung: it ran for more than `limit_s` seconds.
        """
        self._deadline = time.monotonic() + self.limit_s
        try:
            return action(*args)
        except _Expired as expired:
            hung = GameHung(f"computed for more than {self.limit_s:g} s without awaiting a match verb")
            raise hung.with_traceback(expired.__traceback__) from None
        finally:
            self._deadline = None

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        if self._deadline is None or time.monotonic() <= self._deadline:
            return
        if frame is None or frame.f_code is not Alarm.guard.__code__:  # else `guard` is on its way out already
            raise _Expired


def _is_ours(handler: object) -> bool:
    return isinstance(getattr(handler, "__self__", None), Alarm)
