"""Landlock: which files a process may still open, whatever its user id. https://docs.kernel.org/userspace-api/landlock.html

Traps: a rule on a folder that later becomes a mount point is ignored, so it is put on the folder above. A ruleset is
built once and only applied for each execution.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator

from selfplay.sandbox.inside import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on all architectures
_GET_ABI = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights exist in an ABI; 16 from 5 on."""
READ = _READ_FILE | _READ_DIR
READ_WRITE = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def abi() -> int:
    """The kernel's version of Landlock; 0 where there is none."""
    try:
        return kernel.syscall(_CREATE, None, 0, _GET_ABI) if kernel.LINUX else 0
    except OSError:
        return 0


def ruleset(readable: Iterable[str], writable: Iterable[str], hidden: Iterable[str] = ()) -> int:
    """A file descriptor for `restrict`: forbids all that is not below one of these paths. Missing ones are skipped.

    Of what is below `hidden`, which lies below readable folders, only the names can be seen.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = abi()
    known = (1 << _FS_RIGHTS.get(version, 16)) - 1
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("=QQQ", known, _TCP, _ABSTRACT_SOCKETS_AND_SIGNALS)[:size]
    rules = kernel.syscall(_CREATE, attributes, size, 0)
    closed = {os.path.realpath(path) for path in hidden}
    for folder in readable:
        _allow(rules, folder, _READ_DIR)
        for path in _around(os.path.realpath(folder), closed):
            _allow(rules, path, READ)
    for path in writable:
        _allow(rules, path, READ_WRITE & known)
    return rules


def restrict(rules: int) -> None:
    """Apply a ruleset to this process, for good. Needs no-new-privileges."""
    kernel.syscall(_RESTRICT, rules, 0)


def _around(path: str, closed: set[str]) -> Iterator[str]:
    """Paths that hold all that is below `path` except for what is closed. Links lead to what has rules of its own."""
    if not any(f"{each}/".startswith(f"{path}/") for each in closed):
        yield path
    elif path not in closed:
        with os.scandir(path) as entries:
            names = [entry.path for entry in entries if not entry.is_symlink()]
        for name in names:
            yield from _around(name, closed)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _READ_FILE | _WRITE_FILE | _EXECUTE | _TRUNCATE
        if not rights:
            return
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, file))
        kernel.syscall(_ADD, rules, _PATH_BENEATH, rule, 0)
    finally:
        os.close(file)
