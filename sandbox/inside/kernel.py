"""Linux calls that Python does not offer, by ctypes. Each raises `OSError` like the functions of `os`.

`PyDLL` keeps the GIL, which is cheaper and safe here: the server has no threads. Elsewhere than on Linux nothing of
this is called; `LINUX` says so.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

LINUX = sys.platform == "linux"
MACHINE = platform.machine()

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
_MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CAPABILITY_VERSION_3 = 0x2008_0522
_ADDR_NO_RANDOMIZE = 0x0040000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.PyDLL(None, use_errno=True)


def call(name: str, *args: object) -> int:
    """``name(*args)`` of the C library."""
    return _checked(getattr(_libc, name)(*args), name)


def syscall(number: int, *args: object) -> int:
    """A system call by its number; ints travel as C longs."""
    longs = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _checked(_libc.syscall(ctypes.c_long(number), *longs), f"syscall {number}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def pivot_root_to(folder: str) -> None:
    """Make `folder`, a mount point, the root directory, and let go of the old one."""
    os.chdir(folder)
    syscall(_PIVOT_ROOT[MACHINE], b".", b".")
    call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def prctl(option: int, argument: int = 0, second: int = 0) -> int:
    zero = ctypes.c_ulong(0)
    return call("prctl", option, ctypes.c_ulong(argument), ctypes.c_ulong(second), zero, zero)


def die_with_parent() -> None:
    prctl(_PR_SET_PDEATHSIG, 9)


def let_proc_be_ours() -> None:
    """After a change of user id the files in /proc/self belong to root until this is called."""
    prctl(_PR_SET_DUMPABLE, 1)


def forbid_new_privileges() -> None:
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def empty_bounding_set() -> None:
    """No program started from here can gain a capability. What the kernel does not let us drop, we do not have."""
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            return


_capabilities_of_self = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
_no_capabilities = bytes(24)
if LINUX:
    _capset = _libc.capset  # looked up once: for every child to do it costs it 40 pages


def drop_capabilities() -> None:
    _checked(_capset(_capabilities_of_self, _no_capabilities), "capset")


def fix_addresses() -> None:
    """Programs started from here have the same addresses every time, so `id` and what follows from it repeat."""
    try:
        call("personality", ctypes.c_ulong(call("personality", ctypes.c_ulong(0xFFFF_FFFF)) | _ADDR_NO_RANDOMIZE))
    except OSError:
        return  # some containers forbid it
