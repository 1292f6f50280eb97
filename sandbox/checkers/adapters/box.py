"""Runs a program that is not ours on a text that nobody trusts: provers, which read hostile files.

The program starts without a shell and with next to no environment, as a process tree of its own. Where the kernel
allows it, that tree lives in a box (`selfplay.sandbox.inside.namespaces`): it sees the system's programs and libraries
and its own folder, read-only, an empty scratch folder, and no network; when its first process ends, so does the rest.
Elsewhere it gets a temporary folder and a process group. CPU time and memory are limited per process by rlimits, wall
time and output by killing the tree.

Not here: what the text may say. Grammars refuse escape hatches before anything runs; the box is the second line.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfplay.sandbox.checkers.types import Limits, ProofStatus
from selfplay.sandbox.inside import kernel, namespaces

READABLE = (
    *("/usr", "/bin", "/lib", "/lib64", "/proc"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/mono", "/etc/ocamlfind.conf"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
SCRATCH = 64 << 20
OUTPUT = 1 << 20
"""Bytes of output, stdout and stderr together, beyond which a program is killed."""
_GRACE_S = 10.0
"""Kept back of a claim's wall time, so that we end a program before somebody ends us."""
_FIRST_SIGNAL = 128
_PROC = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_boxes = {"possible": kernel.LINUX}
"""Until one could not be made."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended."""

    exit_code: int
    output: str
    """stdout and stderr as they came, at most `OUTPUT` bytes."""
    trouble: ProofStatus | None = None
    """TIMEOUT, or UNKNOWN for too much output; the exit code says nothing then."""
    boxed: bool = True


def run(command: Sequence[str], files: Mapping[str, str], limits: Limits, *, memory_mb: int = 0) -> Ran:
    """Run a program in a folder that holds `files`.

    Args:
        command: the program's path and its arguments.
        files: text by name.
        limits: `cpu_s`, `wall_s` and `memory_mb` count.
        memory_mb: what the program needs to run at all, if that is more than the limit.

    Raises:
        OSError: it cannot be started.
    """
    memory = max(limits.memory_mb, memory_mb) << 20
    for boxed in (True, False) if _boxes["possible"] else (False,):
        with tempfile.TemporaryDirectory(prefix="selfplay-prover-") as folder:
            setup = _setup(command[0], folder, files, boxed=boxed, cpu_s=limits.cpu_s, memory=memory)
            try:
                process = _start(command, folder, setup, boxed=boxed)
            except subprocess.SubprocessError:  # `setup` failed
                if not boxed:
                    raise OSError(f"{command[0]} could not be locked in") from None
                _boxes["possible"] = False
                continue
            return _watch(process, limits, boxed=boxed)
    raise AssertionError("the last attempt returns or raises")


def note() -> str:
    """What to tell about programs that ran without a box; empty where they have one."""
    return "" if _boxes["possible"] else "the prover ran without a box of its own: this machine allows no namespaces"


def _start(command: Sequence[str], folder: str, setup: Callable[[], None], *, boxed: bool) -> subprocess.Popen[bytes]:
    home = namespaces.SCRATCH if boxed else folder
    path = f"{os.path.dirname(command[0])}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "TZ": "UTC"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=setup,
        start_new_session=True,
    )


def _setup(
    program: str, folder: str, files: Mapping[str, str], *, boxed: bool, cpu_s: float, memory: int
) -> Callable[[], None]:
    """What the child does before it becomes the program."""
    readable = [*READABLE, *_home_of(program)]

    def setup() -> None:
        if boxed:
            namespaces.enter(readable, DEVICES, ())
            namespaces.fresh_ipc_and_files(SCRATCH, 1024)
            os.chdir(namespaces.SCRATCH)
            with contextlib.suppress(OSError):  # in some containers; the outer one, read-only, remains then
                kernel.mount("proc", "/proc", "proc", _PROC)
            _leave_first_process()
        elif kernel.LINUX:
            kernel.die_with_parent()
        for name, text in files.items():
            Path(name).write_text(text, encoding="utf-8")
        _limit(resource.RLIMIT_CPU, int(cpu_s) + 1)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, SCRATCH)
        if kernel.LINUX:
            _limit(resource.RLIMIT_AS, memory)
            kernel.forbid_new_privileges()
        if boxed:
            kernel.drop_capabilities()

    return setup


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _leave_first_process() -> None:
    """Go on in a child: process 1 is spared by signals that end others, and ends everything when it ends."""
    child = os.fork()
    if child == 0:
        return
    os.closerange(0, 1024)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else _FIRST_SIGNAL - code)


def _home_of(program: str) -> list[str]:
    """Folders that a program outside the system's needs: the one it lies in and, for ``x/bin/program``, x."""
    found = []
    for path in (Path(program).absolute(), Path(program).resolve()):
        folder = path.parent
        whole = folder.name == "bin" and folder.parent not in (Path.home(), Path("/"))
        found.append(str(folder.parent if whole else folder))
    return [path for path in dict.fromkeys(found) if not path.startswith("/usr") and path != "/bin"]


def _watch(process: subprocess.Popen[bytes], limits: Limits, *, boxed: bool) -> Ran:
    deadline = time.monotonic() + max(limits.wall_s - _GRACE_S, limits.wall_s / 2)
    with process:
        output, trouble = _read(process, deadline)
        if trouble:
            _kill(process)
        try:
            code = process.wait(max(deadline - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired:
            trouble, code = ProofStatus.TIMEOUT, 0
        finally:
            _kill(process)
    ended_by = code - _FIRST_SIGNAL if code > _FIRST_SIGNAL else -code
    if trouble is None and ended_by in (signal.SIGXCPU, signal.SIGKILL):
        trouble = ProofStatus.TIMEOUT
    return Ran(code, output.decode(errors="replace"), trouble, boxed)


def _read(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, ProofStatus | None]:
    assert process.stdout
    output, file = b"", process.stdout.fileno()
    while True:
        ready, _, _ = select.select([file], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return output, ProofStatus.TIMEOUT
        piece = os.read(file, 1 << 16)
        output += piece
        if not piece:
            return output, None
        if len(output) > OUTPUT:
            return output[:OUTPUT], ProofStatus.UNKNOWN


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole tree: what is in a box dies with the process that we started, what is not is in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
