"""Runs one submission, as the last thing of a process that is already locked in.

From the first line of `load` on, everything in this process belongs to the submission: it may have replaced any
function used below. That changes what it reports about itself and nothing else.
"""

from __future__ import annotations

import atexit
import builtins
import json
import os
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from selfplay.sandbox.inside import values, wire

SENT, REPLIES = 3, 4
"""File descriptors: where records go, and where answers to calls come from."""
FILENAME = "<submission>"
_MESSAGE, _TRACEBACK = 1000, 4000
"""Characters of an exception that are reported, and of its traceback that go to stderr."""


class SolutionCrashed(Exception):
    """The function that was called through a proxy failed in a way that is no exception of Python's own."""


def run(task: Mapping[str, Any]) -> int:
    """Run a submission for all its cases, send the records and return the exit code."""
    entry, cases = task["entry"], task["cases"]
    try:
        module = load(task["source"], "__main__" if entry is None else "submission", task["proxies"])
        code = 0
        if entry is None:
            threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as Python does at its end
            atexit._run_exitfuncs()
    except BaseException as error:
        code = _report(error, len(cases), script=entry is None)
    else:
        if entry is not None:
            for index, arguments in enumerate(cases):
                _current["case"] = index
                _call(module, entry, index, arguments)
    _flush()
    _send(b"e", len(cases), b"")
    return code


def load(source: str, name: str, proxies: list[str]) -> dict[str, Any]:
    """Execute the submission as the module `name`; its namespace."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    module.__dict__.update({proxy: _proxy(proxy) for proxy in proxies})
    exec(compile(source, FILENAME, "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def _call(module: dict[str, Any], entry: str, index: int, arguments: str) -> None:
    """Call the function for one case and send what came of it."""
    start = time.process_time_ns()
    try:
        args = values.decode(arguments)
        if entry not in module:
            raise NameError(f"the code defines no function {entry!r}")
        value = module[entry](*args)  # type: ignore[misc]
    except BaseException as error:
        _report(error, 1, first=index)
        return
    try:
        kind, text = b"v", values.encode(value).encode()
    except BaseException as error:  # the value's own methods may run and raise anything
        kind, text = b"i", _first_line(error)
    _send(kind, index, text, (time.process_time_ns() - start) // 1000)


def _send(kind: bytes, index: int, text: bytes, micros: int = 0) -> None:
    wire.write(SENT, [wire.RECORD.pack(kind, index, min(micros, 0xFFFF_FFFF), len(text)) + text])


def _report(error: BaseException, cases: int, *, first: int = 0, script: bool = False) -> int:
    """Send the exception as the outcome of so many cases; the exit code that Python would end with."""
    code = 1
    if script and isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code & 0xFF if isinstance(error.code, int) else 1
        if code == 0:
            return 0
    try:
        line = _line(error)
        text = json.dumps([type(error).__name__[:100], str(error)[:_MESSAGE], line]).encode()
        _complain(error)
    except BaseException:
        text = b'["Exception","(it could not be shown)",null]'
    for index in range(first, first + cases):
        _send(b"x", index, text)
    return code


def _line(error: BaseException) -> int | None:
    """The innermost line of the submission that the exception came through."""
    if isinstance(error, SyntaxError) and error.filename == FILENAME:
        return error.lineno
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _complain(error: BaseException) -> None:
    """Print the traceback to stderr as Python would, without our own frames and not more than fits."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != FILENAME:
        trace = trace.tb_next
    _flush()
    text = "".join(traceback.format_exception(type(error), error, trace, limit=20))
    os.write(2, text[:_TRACEBACK].encode(errors="backslashreplace"))


def _first_line(error: BaseException) -> bytes:
    return f"{type(error).__name__}: {error}"[:_MESSAGE].encode(errors="replace")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except BaseException:
            continue  # closed or replaced by the submission: what it did not write is not output


_one_call_at_a_time = threading.Lock()
_current = {"case": 0}


def _proxy(name: str) -> Callable[..., object]:
    """A function that the parent answers."""

    def call(*args: object, **kwargs: object) -> object:
        request = f"{name}\0{values.encode((args, kwargs))}".encode()
        with _one_call_at_a_time:
            _send(b"c", _current["case"], request)
            (size,) = wire.LENGTH.unpack(wire.read(REPLIES, wire.LENGTH.size))
            answer = json.loads(wire.read(REPLIES, size))
        if answer[0]:
            return values.decode(answer[1])
        raise _exception(answer[1], answer[2])

    call.__name__ = call.__qualname__ = name
    return call


def _exception(kind: str, message: str) -> Exception:
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except TypeError:
            pass  # needs other arguments
    return SolutionCrashed(f"{kind}: {message}")
