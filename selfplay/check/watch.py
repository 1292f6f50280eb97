"""Sees a script use chance or a clock that a replay cannot know: the global generators, the time, the environment.

Python's profiler hook reports every call while a match is being driven; calls into the things listed here are offences,
unless it is the engine that makes them. numpy's global generator is compiled, so its state is compared instead.
Foreign code that `selfplay.interop.chance` runs is judged by what comes of it alone: the match repeats, or not. Tools
and the sandbox are outside the match, and what they say is recorded: they may use anything.
Not seen: the order of a set of strings, which `PYTHONHASHSEED` decides per process, and what other C libraries do.
"""

from __future__ import annotations

import datetime
import gc
import os
import random
import sys
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import selfplay.driver
from selfplay.match import Match

_ENGINE = os.path.dirname(selfplay.driver.__file__)
_LENDER = os.path.join(_ENGINE, "interop", "chance.py")
_LIBRARY = os.path.dirname(os.__file__)
_GLOBAL: Any = random._inst
_OUTSIDE = {selfplay.driver.Driver._call.__code__, selfplay.driver.pooled_verdict.__code__}

_BUILTINS: dict[Any, str] = {
    function: f"{module.__name__}.{function.__name__}"
    for module, names in (
        (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time")),
        (os, ("urandom", "getpid")),
        (datetime.datetime, ("now", "utcnow", "today")),
        (datetime.date, ("today",)),
    )
    for function in (getattr(module, name) for name in names)
}
_MATCH_RNG = Match.rng.fget.__code__  # type: ignore[attr-defined]
_FUNCTIONS: dict[Any, str] = {
    os.getenv.__code__: "os.getenv",
    type(os.environ).__getitem__.__code__: "os.environ",
}


class Offence(NamedTuple):
    """A script used what it must not."""

    what: str
    where: str
    """File and line."""
    step: str
    """Path of the step that the script was preparing."""


class Watch:
    """Context manager; `step` tells where in the match the script is. Offences gather in `offences`."""

    def __init__(self, step: Callable[[], str]) -> None:
        self.offences: list[Offence] = []
        self.used_chance = False
        """The script asked for `match.rng`."""
        self._step = step
        self._before: Any = None
        self._numpy: Any = None
        self._began = ""
        self._collecting = True

    def __enter__(self) -> Watch:
        self._before, self._numpy, self._began = sys.getprofile(), _numpy_state(), self._step()
        self._collecting = gc.isenabled()
        gc.disable()  # finalisers and hooks of others would run, and be taken for the script
        sys.setprofile(self._event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(self._before)
        if self._collecting:
            gc.enable()
        if self._numpy != _numpy_state():
            self.offences.append(Offence("numpy.random's global generator", "", self._began))

    def _event(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            what = "random" if getattr(called, "__self__", None) is _GLOBAL else _name_of(called)
            caller: FrameType | None = frame
        elif event == "call":
            self.used_chance |= frame.f_code is _MATCH_RNG
            what, caller = _python_call(frame), frame.f_back
        else:
            return
        if what is None or caller is None or os.path.dirname(caller.f_code.co_filename) == _ENGINE:
            return
        if (what == "random" and caller.f_code.co_filename == random.__file__) or _lent(caller):
            return  # the module's own plumbing (the call from outside was seen already), or foreign code
        while caller.f_back is not None and caller.f_code.co_filename.startswith(_LIBRARY + os.sep) and _ours(caller):
            caller = caller.f_back
        where = f"{os.path.basename(caller.f_code.co_filename)}:{caller.f_lineno}"
        shown = "the global generator of `random`" if what == "random" else what
        self.offences.append(Offence(shown, where, self._step()))


def _lent(frame: FrameType | None) -> bool:
    """Called, however deeply, by code to which the global generators have been lent, or by a tool or the sandbox."""
    while frame is not None and frame.f_code.co_filename != _LENDER and frame.f_code not in _OUTSIDE:
        frame = frame.f_back
    return frame is not None


def _ours(frame: FrameType) -> bool:
    """The standard library's own code, not a package installed below it."""
    return "site-packages" not in frame.f_code.co_filename


def _name_of(called: Any) -> str | None:
    try:
        return _BUILTINS.get(called)
    except TypeError:  # not hashable
        return None


def _python_call(frame: FrameType) -> str | None:
    code = frame.f_code
    if code.co_filename == random.__file__:
        if code is random.Random.__init__.__code__ and frame.f_locals.get("x") is None:
            return "random.Random() without a seed"
        return "random" if frame.f_locals.get("self") is _GLOBAL else None
    return _FUNCTIONS.get(code)


def _numpy_state() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or "numpy.random" not in sys.modules:
        return None
    name, keys, *rest = numpy.random.get_state()
    return name, keys.tobytes(), rest
