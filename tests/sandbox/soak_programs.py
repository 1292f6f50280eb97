"""What `soak` runs: programs with numbers in them that differ each time, so that no answer is right for another one."""

# ruff: noqa: E501 - programs read best on one line each

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from selfplay.sandbox.inside import values
from selfplay.sandbox.types import KIB, MIB, Case, ExecResult, Isolation, Job, Limits, Status

OK, EXCEPTION, INVALID, NO_RESULT = Status.OK, Status.EXCEPTION, Status.INVALID_RESULT, Status.NO_RESULT
BUSY = {Status.CPU_LIMIT, Status.TIMEOUT}
FEW = Limits(cpu_s=0.02, memory=64 * MIB, stdout=4 * KIB, stderr=4 * KIB, value=4 * KIB)
USUAL = Limits(memory=192 * MIB)


@dataclass(frozen=True)
class Probe:
    """A job and what must come of it."""

    name: str
    job: Job
    hostile: bool
    expected: set[Status]
    answers: tuple[object, ...] | bytes | None = None
    """Of the cases, or what is printed; None: that is no matter."""

    @property
    def executions(self) -> int:
        return 1 if self.job.isolation is Isolation.SUBMISSION else len(self.job.cases)

    def trouble(self, result: ExecResult) -> str:
        """What went otherwise than it must; empty if nothing did."""
        statuses = {case.status for case in result.cases}
        if not statuses <= self.expected:
            return f"{[str(each) for each in statuses]} {result.cases[0].detail} {result.cases[0].raised or ''}"
        if self.answers is None:
            return ""
        found = (
            result.stdout
            if isinstance(self.answers, bytes)
            else tuple(values.decode(case.value or b"") for case in result.cases)
        )
        return "" if found == self.answers else f"answered {found!r:.80}, not {self.answers!r:.80}"


# Honest: (source, what it returns for x), with {k} a number of its own

Function = tuple[str, Callable[[int, int], object]]
FUNCTIONS: list[Function] = [
    ("def f(x): return x * {k} + 1", lambda x, k: x * k + 1),
    ("import math\ndef f(x): return math.gcd(x, {k}), str({k})", lambda x, k: (math.gcd(x, k), str(k))),
    ("class A:\n    def __init__(s, x): s.x = x\n    def __add__(s, o): return A(s.x + o)\ndef f(x): return (A(x) + {k}).x",
     lambda x, k: x + k),
    ("from collections import Counter\ndef f(x): return dict(Counter(str(x) + '{k}'))",
     lambda x, k: {digit: (str(x) + str(k)).count(digit) for digit in str(x) + str(k)}),
    ("import threading\ndef f(x):\n    out = []\n    ts = [threading.Thread(target=out.append, args=(x + {k},)) for _ in '123']\n"
     "    [t.start() for t in ts]; [t.join() for t in ts]\n    return out", lambda x, k: [x + k] * 3),
    ("def f(x):\n    try: return {k} // (x - x)\n    except ZeroDivisionError: return [x, {k}]", lambda x, k: [x, k]),
    ("import sys\nsys.setrecursionlimit(5000)\ndef g(n): return 0 if n == 0 else 1 + g(n - 1)\ndef f(x): return g(2000) + x + {k}",
     lambda x, k: 2000 + x + k),
]  # fmt: skip
PROXIED = ("def f(x): return twice(x) + {k}", lambda x, k: 2 * x + k)
WRITING = "import os, tempfile\nwith tempfile.NamedTemporaryFile('w+') as t:\n    t.write(input() * {k})\n    t.seek(0)\n    print(len(t.read()), len(os.listdir('.')))"


def honest(chance: random.Random) -> Probe:
    """One to five cases apart, twenty together, a script, or a function whose calls the parent answers."""
    k, kind = chance.randrange(2, 1000), chance.random()
    if kind < 0.2:
        numbers = [chance.randrange(10**6) for _ in range(chance.randint(1, 3))]
        cases = tuple(Case(str(at), stdin=f"{number}\n".encode()) for at, number in enumerate(numbers))
        job = Job(f"print(int(input()) * {k})", None, cases, limits=USUAL)
        return Probe("script", job, False, {OK}, f"{numbers[0] * k}\n".encode())
    if kind < 0.3:
        job = Job(WRITING.format(k=k), None, (Case("0", stdin=b"ab"),), limits=USUAL, writable=True)
        return Probe("scratch", job, False, {OK}, f"{2 * k} 1\n".encode())
    source, right = PROXIED if kind < 0.35 else chance.choice(FUNCTIONS)
    together = kind > 0.8
    numbers = [chance.randrange(1, 10**6) for _ in range(20 if together else chance.randint(1, 5))]
    job = Job(
        source.replace("{k}", str(k)),
        "f",
        tuple(Case(str(at), (number,)) for at, number in enumerate(numbers)),
        Isolation.SUBMISSION if together else Isolation.CASE,
        USUAL,
        proxies=("twice",) if kind < 0.35 else (),
    )
    return Probe("function", job, False, {OK}, tuple(right(number, k) for number in numbers))


SEND = "import sys\nsend = sys._getframe(1).f_globals['_send']\n"
SEVERAL = Limits(cpu_s=0.05, memory=64 * MIB, processes=4)
SCRIPTS: dict[str, tuple[str, set[Status]]] = {
    "forks": ("import os\nwhile True: os.fork()", {EXCEPTION}),
    "eats memory": ("x = []\nwhile True: x.append(bytes(1 << 22))", {EXCEPTION}),
    "eats descriptors": ("import os\nwhile True: os.dup(1)", {EXCEPTION}),
    "floods stdout": ("while True: print('x' * 999)", {Status.OUTPUT_LIMIT}),
    "floods stderr": ("import os\nwhile True: os.write(2, b'x' * 999)", {Status.OUTPUT_LIMIT}),
    "floods its results": ("import os\nwhile True: os.write(3, b'x' * 999)", {Status.OUTPUT_LIMIT}),
    "exits": ("import os\nprint('PASS', flush=True)\nos._exit(0)", {NO_RESULT}),
    "kills everybody": ("import os\nfor n in (-1, 0, 1, 2, 3, os.getppid()):\n    try: os.kill(n, 9)\n    except OSError: pass", {OK, Status.SIGNAL}),
    "reads a null pointer": ("import ctypes\nctypes.string_at(0)", {Status.SIGNAL}),
    "traces": ("import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)", {Status.VIOLATION}),
    "loops": ("while True: pass", BUSY),
    "loops in threads": ("import threading\nfor _ in range(4): threading.Thread(target=exec, args=('while True: pass',)).start()", BUSY),
    "raises": ("raise SystemExit(7)", {EXCEPTION}),
    "claims that the sandbox failed": ("import os\nos.write(3, b'OSError: no space'); os._exit(1)", {INVALID}),
    "ends twice": ("import os\nos.write(3, b'e' + bytes([0, 0, 0, 1]) + bytes(8))", {INVALID}),
    "junk everywhere": ("import os\nfor n in range(64):\n    try: os.write(n, b'junk' * 9)\n    except OSError: pass", {INVALID}),
    "reads files": ("open('/etc/passwd')", {EXCEPTION}),
    "connects": ("import socket\nsocket.create_connection(('127.0.0.1', 80))", {EXCEPTION}),
    "blocks signals": ("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass", BUSY),
}  # fmt: skip
WRITERS: dict[str, tuple[str, set[Status]]] = {
    "drops files": (
        "import os\nfor n in range(200): open(f'{n}\\n' * 9, 'w').write('x')\nos.symlink('/etc', 'l')",
        {OK},
    ),
    "drops folders": ("import os\nfor n in range(100):\n    os.mkdir('d'); os.chdir('d')\nos.mkdir('closed', 0)", {OK}),
    "fills the disk": ("for n in range(40): open(str(n), 'wb').write(bytes(1 << 20))", {OK, EXCEPTION, *BUSY}),
}
LEAVERS: dict[str, tuple[str, set[Status]]] = {
    "leaves a child": ("import os, time\nif os.fork() == 0: time.sleep(600)", {OK}),
    "leaves a grandchild": ("import os, time\nif os.fork() == 0:\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\nos._exit(0)", {NO_RESULT}),
    "leaves a busy child": ("import os\nif os.fork() == 0:\n    while True: open('x', 'w').close()", {OK}),
}  # fmt: skip
FORGERIES: dict[str, tuple[str, set[Status]]] = {
    "answers twice": (SEND + "def f(x):\n    send(b'v', 0, b'\"i1\"')\n    return 1", {INVALID}),
    "answers for another": (SEND + "def f(x):\n    send(b'v', 7, b'\"i1\"')\n    return 1", {INVALID}),
    "ends early": (SEND + "def f(x):\n    send(b'v', 0, b'\"i1\"'); send(b'e', 1, b'')\n    return 1", {INVALID}),
    "answers too much": ("def f(x): return 'x' * 2_000_000", {INVALID}),
    "is equal to all": ("class E:\n    __eq__ = lambda a, b: True\ndef f(x): return E()", {INVALID}),
    "is cyclic": ("def f(x):\n    x = []\n    x.append(x)\n    return x", {INVALID}),
    "exits with an answer": (SEND + "import os\ndef f(x):\n    send(b'v', 0, b'\"i1\"'); os._exit(0)", {NO_RESULT}),
}
SLOW = {
    "sleeps": "import time\ntime.sleep(99)",
    "stops itself": "import os, time\nos.kill(os.getpid(), 19)\ntime.sleep(99)",
}


def hostile(chance: random.Random) -> Probe:
    """Of each kind; those that cost a second of waiting are rare."""
    kind = chance.random()
    if kind < 0.003:
        name = chance.choice(list(SLOW))
        job = Job(SLOW[name], None, (Case("0"),), limits=FEW)
        return Probe(name, job, True, {Status.TIMEOUT})
    table, limits = (FORGERIES, USUAL) if kind < 0.3 else (WRITERS, FEW) if kind < 0.4 else (
        (LEAVERS, SEVERAL) if kind < 0.5 else (SCRIPTS, FEW)
    )  # fmt: skip
    name = chance.choice(list(table))
    source, statuses = table[name]
    entry, case = ("f", Case("0", (1,))) if table is FORGERIES else (None, Case("0"))
    job = Job(source, entry, (case,), limits=limits, writable=table in (WRITERS, LEAVERS))
    return Probe(name, job, True, {*statuses, *(BUSY if limits is FEW else ())})
