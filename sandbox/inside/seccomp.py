"""The allow-list of system calls, as a classic BPF program. https://docs.kernel.org/userspace-api/seccomp_filter.html

A binary tree over ranges of call numbers ends in *leaves*: allow, refuse (EPERM), deny that the call exists (ENOSYS, so
that the C library falls back), kill, or a look at one argument. Another architecture's calls (32 bit, x32) kill.

Traps: `clone3` hides its flags behind a pointer, so it must not exist: `clone` is used then, whose flags are visible.
A process may signal itself alone; it is number 1 where it has a pid namespace, and otherwise its number is written into
the program for each execution.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

from selfplay.sandbox.inside import kernel
from selfplay.sandbox.inside.syscalls import (
    EVENT_LOOP,
    FILES,
    FORK,
    HOSTILE,
    MEMORY,
    MODES_AND_TIMES,
    NUMBERS,
    PROCESS,
    SIGNALS_AND_TIME,
)

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: a `struct sock_filter`."""
Leaf = tuple[Instruction, ...]

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER_EQUAL, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; of an argument the low 32 bits come first."""
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_X32 = 0x4000_0000
_NEWEST = 450
"""Calls with larger numbers are younger than any C library that must be able to do without them."""

_ALLOW: Leaf = ((_RETURN, 0, 0, 0x7FFF_0000),)
_REFUSE: Leaf = ((_RETURN, 0, 0, 0x0005_0001),)  # EPERM
_UNKNOWN: Leaf = ((_RETURN, 0, 0, 0x0005_0026),)  # ENOSYS
_KILL: Leaf = ((_RETURN, 0, 0, 0x8000_0000),)

_OWN_PID = 0x7FFF_5E1F
"""Stands for the process's own number until there is a `Filter`; no process has a number as large."""
_CLONE_THREAD = 0x0001_0000
_CLONE_NEW = 0x7E02_0000
_FCNTL = (0, 1, 2, 3, 4, 1030, 1034)  # F_DUPFD, F_[GS]ETFD, F_[GS]ETFL, F_DUPFD_CLOEXEC, F_GET_SEALS: no locks, leases
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIO[N]CLEX
_PRCTL = (15, 16)  # the thread's name
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, (0, 0x800, 0x8_0000, 0x8_0800)  # non-blocking, close on exec

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


def supported() -> bool:
    return kernel.LINUX and kernel.MACHINE in NUMBERS


def program(
    *, event_loop: bool = False, fork: bool = False, alone: bool = True, machine: str = kernel.MACHINE
) -> bytes:
    """The filter for executions with an event loop, or with several processes; `alone`: in namespaces."""
    leaves: dict[str, Leaf] = dict.fromkeys(FILES | MEMORY | SIGNALS_AND_TIME | PROCESS, _ALLOW)
    if alone:
        leaves |= dict.fromkeys(MODES_AND_TIMES, _ALLOW)
    leaves |= dict.fromkeys(HOSTILE, _KILL)
    leaves |= {
        "clone": _clone(fork),
        "clone3": _UNKNOWN,
        "openat2": _UNKNOWN,
        "kill": _one_of(0, [_OWN_PID]),
        "tgkill": _one_of(0, [_OWN_PID]),
        "prlimit64": _one_of(0, [0]),
        "fcntl": _one_of(1, _FCNTL),
        "ioctl": _one_of(1, _IOCTL),
        "prctl": _one_of(0, _PRCTL),
    }
    if event_loop:
        leaves |= dict.fromkeys(EVENT_LOOP, _ALLOW) | {"socketpair": _STREAMS}
    if fork:
        leaves |= dict.fromkeys(FORK, _ALLOW)
    numbers = NUMBERS[machine]
    by_number = {numbers[name]: leaf for name, leaf in leaves.items() if name in numbers}
    start: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        *_KILL,
        (_LOAD, 0, 0, _NUMBER),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in start + _tree(_ranges(by_number)))


class Filter:
    """A program in memory, ready to be installed by the process with number `pid` in its own pid namespace."""

    def __init__(self, program: bytes, pid: int) -> None:
        steps = program.replace(struct.pack("=I", _OWN_PID), struct.pack("=I", pid))
        self._steps = ctypes.create_string_buffer(steps, len(steps))
        self._whole = ctypes.create_string_buffer(struct.pack("@HP", len(steps) // 8, ctypes.addressof(self._steps)))
        self._address = ctypes.addressof(self._whole)

    def install(self) -> None:
        """Filter this process's system calls, for good. Needs no-new-privileges."""
        kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._address)


def _one_of(argument: int, values: Sequence[int]) -> Leaf:
    """Allow the call if the low 32 bits of an argument are one of `values`."""
    tests = [(_JUMP_IF_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return ((_LOAD, 0, 0, _ARGUMENTS + 8 * argument), *tests, *_REFUSE, *_ALLOW)


def _clone(fork: bool) -> Leaf:
    """Threads, and with `fork` processes; never with a new namespace."""
    thread: Leaf = _ALLOW if fork else ((_JUMP_IF_SET, 1, 0, _CLONE_THREAD), *_REFUSE, *_ALLOW)
    return ((_LOAD, 0, 0, _ARGUMENTS), (_JUMP_IF_SET, 0, 1, _CLONE_NEW), *_KILL, *thread)


# Datagram sockets could send to any socket in the file system, which Landlock lets pass as well.
_STREAM_TYPES = _one_of(1, [_SOCK_STREAM | flags for flags in _SOCK_FLAGS])
_STREAMS: Leaf = ((_LOAD, 0, 0, _ARGUMENTS), (_JUMP_IF_EQUAL, 1, 0, _AF_UNIX), *_REFUSE, *_STREAM_TYPES)


def _ranges(by_number: dict[int, Leaf]) -> list[tuple[int, Leaf]]:
    """Where each range of numbers with one leaf begins; the first begins with 0."""
    ranges: list[tuple[int, Leaf]] = []
    for number in range(_NEWEST + 1):
        leaf = by_number.get(number, _REFUSE)
        if not ranges or ranges[-1][1] != leaf:
            ranges.append((number, leaf))
    return [*ranges, (_NEWEST + 1, _UNKNOWN), (_X32, _KILL)]


def _tree(ranges: list[tuple[int, Leaf]]) -> list[Instruction]:
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    return [(_JUMP_IF_GREATER_EQUAL, len(below), 0, ranges[middle][0]), *below, *above]
