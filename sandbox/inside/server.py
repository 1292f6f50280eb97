"""The fork server: warm, small, without threads, without any secret; one execution at a time.

It begins in a clean Python, moves into its box, imports what submissions like to import, and then forks once for each
request. A child does the dangerous part; the server never sees code, inputs or outputs except in passing.
"""

from __future__ import annotations

import builtins
import fcntl
import gc
import importlib
import itertools
import marshal
import os
import posix
import random
import select
import sys
from typing import Any, NoReturn

from selfplay.sandbox.inside import child, kernel, landlock, namespaces, runner, seccomp, wire
from selfplay.sandbox.inside.execution import Execution

PRELOADED = (
    "abc array bisect calendar cmath collections contextlib copy dataclasses datetime decimal enum fractions functools "
    "hashlib heapq io itertools math numbers operator queue random re statistics string struct tempfile textwrap "
    "threading time types typing"
)
ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC", "HOME": namespaces.SCRATCH}
_WARM_RUNS = 20
"""Python specialises what it has done a few times."""
_SETUP_S = 10.0
"""How long a child may take to lock itself in."""

Settings = dict[str, Any]
"""``namespaces``, ``landlock``, ``seccomp``: whether to use them. ``readable``, ``devices``, ``hidden``: paths (see
`namespaces.enter`). ``packages``: folders to import from, and ``preload``: modules to import besides `PRELOADED`.
``scratch``: where scratch folders are made without namespaces."""


def serve(settings: Settings) -> NoReturn:
    """Answer requests until nobody makes any more."""
    gc.disable()
    try:
        server = Server(settings)
    except OSError as error:
        wire.write(1, [wire.frame({"kind": "ready", "trouble": str(error)}, 0)])
        sys.exit(1)
    wire.write(1, [wire.frame({"kind": "ready", "trouble": None, **server.claims()}, 0)])
    while True:
        try:
            head, size = wire.read_head(0)
        except EOFError:
            server.close()
            sys.exit(0)
        try:
            server.execute(head, size)
        except OSError as error:
            wire.write(1, [wire.frame({"kind": "broken", "why": str(error)}, 0)])
            sys.exit(1)


class Server:
    """Everything that is the same for all executions, made once.

    Raises:
        OSError: the machine does not allow what the settings ask for.
    """

    def __init__(self, settings: Settings) -> None:
        self.namespaces: bool = settings["namespaces"]
        if self.namespaces:
            namespaces.enter(settings["readable"], settings["devices"], settings["hidden"])
            self.own = _out_of_the_way(os.pidfd_open(os.getpid()))
        self.scratch: str | None = settings["scratch"]
        self.folder = namespaces.SCRATCH
        """Where executions may write."""
        if self.scratch and not self.namespaces:
            self.folder = os.path.join(self.scratch, "work")
            os.mkdir(self.folder, 0o700)
        _preload(settings["packages"], settings["preload"])
        if kernel.LINUX:
            kernel.forbid_new_privileges()
            kernel.empty_bounding_set()
        self.rules: dict[bool, int] = {}
        """Landlock rulesets, by whether the scratch folder may be written."""
        if settings["landlock"] and landlock.abi():
            writable = namespaces.SCRATCH_PARENT if self.namespaces else self.folder
            readable, devices = settings["readable"], settings["devices"]
            hidden = () if self.namespaces else settings["hidden"]  # in the box they are empty
            self.rules[False] = _out_of_the_way(landlock.ruleset(readable, devices, hidden))
            self.rules[True] = _out_of_the_way(landlock.ruleset(readable, [*devices, writable], hidden))
        self.filters: dict[tuple[bool, bool], seccomp.Filter | bytes] = {}
        """seccomp programs, by whether they allow an event loop, and processes."""
        if settings["seccomp"] and seccomp.supported():
            for loop, fork in itertools.product((False, True), repeat=2):
                program = seccomp.program(event_loop=loop, fork=fork, alone=self.namespaces)
                self.filters[loop, fork] = seccomp.Filter(program, 1) if self.namespaces else program
        nothing = os.open(os.devnull, os.O_RDWR)
        for place in (runner.SENT, runner.REPLIES):  # so that pipes get higher numbers, and a child can move them here
            os.dup2(nothing, place)
        _warm_up()

    def claims(self) -> dict[str, object]:
        """What is in force for every execution."""
        return {"namespaces": self.namespaces, "landlock": bool(self.rules), "seccomp": bool(self.filters)}

    def execute(self, head: wire.Head, size: int) -> None:
        """Run one execution to its end, and report it. If it cannot be set up, report that and end."""
        pipes = [os.pipe() for _ in range(4 if head["live"] else 3)]
        cage = self._cage(head)
        if self.namespaces:
            namespaces.fresh_pids(self.own)
        pid = os.fork()
        if pid == 0:
            stdout, stderr, sent = (write for _, write in pipes[:3])
            replies = pipes[3][0] if head["live"] else None
            child.main(head, size, child.Pipes(stdout, stderr, sent, replies), cage)
        for _, write in pipes[:3]:
            os.close(write)
        stdout, stderr, sent = (read for read, _ in pipes[:3])
        replies = None
        if head["live"]:
            os.close(pipes[3][0])
            replies = pipes[3][1]
            os.set_blocking(replies, False)
        self._wait_until_started(pid, sent)
        execution = Execution(
            head, pid, alone=self.namespaces, stdout=stdout, stderr=stderr, sent=sent, replies=replies
        )
        execution.finish()
        if not self.namespaces:
            _bury_orphans()
            if head["scratch"][0]:
                _empty(self.folder)

    def close(self) -> None:
        """Leave nothing behind, even if the parent cannot clean up any more."""
        if self.scratch and not self.namespaces:
            try:
                os.rmdir(self.folder)
                os.rmdir(self.scratch)
            except OSError:
                return  # not ours to remove

    def _cage(self, head: wire.Head) -> child.Cage:
        writable = head["scratch"][0] > 0
        folder = self.folder if self.namespaces or writable else "/"
        program = self.filters.get((head["event_loop"], head["processes"] > 1))
        return child.Cage(self.namespaces, self.rules.get(writable), program, folder)

    def _wait_until_started(self, pid: int, sent: int) -> None:
        """Until the child says that everything holds. If it does not, its stdin is in an unknown state: end."""
        poll = select.poll()
        poll.register(sent, select.POLLIN)
        started = poll.poll(_SETUP_S * 1000) and os.read(sent, 1)
        if started == wire.STARTED:
            return
        os.kill(pid, 9)
        why = started + os.read(sent, 1000) if started else b"it did not start in time"
        raise OSError(why.decode(errors="replace"))


def _out_of_the_way(file: int) -> int:
    """The same open file under a number that a child does not need for its pipes."""
    moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 50)
    os.close(file)
    return moved


def _preload(packages: list[str], modules: list[str]) -> None:
    """Import what submissions import, so that none of them pays for it, and make this Python look like any other."""
    import _sitebuiltins

    sys.path += packages
    for name in (*PRELOADED.split(), *modules):
        importlib.import_module(name)
    os.register_at_fork = posix.register_at_fork  # `boot` had replaced it
    random.seed(0)
    for name in ("exit", "quit"):  # scripts use them; Python without `site` lacks them
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    sys.argv[:] = [""]
    sys.setrecursionlimit(1000)


def _warm_up() -> None:
    """Do what every child does, so that it finds the memory touched and the code specialised; then hide the heap from
    the collector. What these runs send goes to /dev/null, which is open in the pipes' places."""
    source = "class C:\n    x = [i for i in range(9)]\ndef f(a, b):\n    return {a: (b, a / b)}\n"
    task = {"source": source, "entry": "f", "cases": ['["t","i1","i2"]', '["t","i1","i0"]'], "proxies": []}
    text = marshal.dumps(task, wire.MARSHAL)
    for _ in range(_WARM_RUNS):
        runner.run(marshal.loads(text))
    del sys.modules["submission"]
    gc.collect()
    gc.freeze()


def _bury_orphans() -> None:
    """As process 1 of a container the server inherits what executions leave behind, dead already."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _empty(folder: str) -> None:
    """Delete what an execution left in its folder: it may be deep, closed to us, and full of links.

    Goes down by `chdir`, so that no path grows long, no descriptor stays open and nothing recurs.
    """
    os.chmod(folder, 0o700)
    os.chdir(folder)
    todo = [_empty_but_for_folders()]
    while todo:
        if todo[-1]:
            os.chmod(todo[-1][-1], 0o700)
            os.chdir(todo[-1][-1])
            todo.append(_empty_but_for_folders())
        else:
            todo.pop()
            os.chdir("..")
            if todo:
                os.rmdir(todo[-1].pop())
    os.chdir("/")


def _empty_but_for_folders() -> list[str]:
    """Delete the files in the working directory; the names of the folders in it."""
    with os.scandir() as entries:
        folders = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    for name, is_folder in folders.items():
        if not is_folder:
            os.unlink(name)
    return [name for name, is_folder in folders.items() if is_folder]
