"""The local backend: what it promises besides ending programs as they must."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from selfplay.errors import UsageError
from selfplay.sandbox.inside import values
from selfplay.sandbox.launch import launch
from selfplay.sandbox.levels import LAYERS, level_of, prove
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.types import Call, Case, ExecResult, Integrity, Isolation, Job, Level, Limits, Reply, Status
from selfplay.sandbox.worker import Worker, WorkerDied

Run = Callable[..., list[ExecResult]]

ROOT = Path(__file__).parents[2]


def function(source: str, *cases: tuple[object, ...], **settings: object) -> Job:
    numbered = tuple(Case(str(number), args) for number, args in enumerate(cases or [()]))
    return Job(source, "f", numbered, **settings)  # type: ignore[arg-type]


def script(source: str, **settings: object) -> Job:
    return Job(source, None, (Case("0"),), **settings)  # type: ignore[arg-type]


def value(result: ExecResult, case: int = 0) -> object:
    assert result.cases[case].status is Status.OK, result.cases[case]
    return values.decode(result.cases[case].value or b"")


# What a case knows of others


COUNTER = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"


def test_no_case_knows_of_another(local: LocalSandbox, run: Run) -> None:
    (result,) = run(local, function(COUNTER, (1,), (2,), (3,)))
    assert [value(result, case) for case in range(3)] == [1, 1, 1]
    assert result.integrity is Integrity.HIGH


def test_cases_of_a_shared_process_do_and_say_so(local: LocalSandbox, run: Run) -> None:
    (result,) = run(local, function(COUNTER, (1,), (2,), (3,), isolation=Isolation.SUBMISSION))
    assert [value(result, case) for case in range(3)] == [1, 2, 3]
    assert result.integrity is Integrity.LOW


def test_how_cases_of_a_shared_process_end(local: LocalSandbox, run: Run) -> None:
    source = (
        "import os\ndef f(x):\n    print(x)\n    if x == 3: os._exit(0)\n    return 1 // x if x < 2 else [object()]"
    )
    (result,) = run(local, function(source, (1,), (0,), (2,), (3,), (1,), isolation=Isolation.SUBMISSION))
    statuses = [case.status for case in result.cases]
    ended = Status.NO_RESULT
    assert statuses == [Status.OK, Status.EXCEPTION, Status.INVALID_RESULT, ended, ended]
    (result,) = run(
        local,
        function("import ctypes\ndef f(x): return ctypes.string_at(x)", (0,), (1,), isolation=Isolation.SUBMISSION),
    )
    assert [case.status for case in result.cases] == [Status.SIGNAL, ended]


def test_nothing_is_left_for_the_next_execution(local: LocalSandbox, run: Run) -> None:
    spoil = (
        "import builtins, os, sys, json\nopen('left', 'w').write('x')\nbuiltins.len = lambda x: 7\njson.dumps = None\n"
        "os.environ['LEFT'] = 'x'\nsys.modules['left'] = sys\nsys.path.append('/left')\nprint(len('a'))"
    )
    look = (
        "import json, os, sys\nprint(len('ab'), json.dumps(1), 'LEFT' in os.environ, 'left' in sys.modules,"
        " '/left' in sys.path, os.listdir('.'))"
    )
    for _ in range(2):
        first, second = run(local, script(spoil, writable=True), script(look, writable=True))
        assert (first.stdout, second.stdout) == (b"7\n", b"2 1 False False False []\n")


def test_memory_holds_nothing_of_executions_before(local: LocalSandbox, run: Run) -> None:
    """The server is forked for every execution, so what it had read before could be found there."""
    secret = "canary_7c1f9e"
    source = f"import sys\nprint(input(), '{secret}')\nprint('{secret}', file=sys.stderr)"
    told = Job(source, None, (Case("0", stdin=secret.encode() * 99),))
    search = (
        "import ctypes, os, sys\n"
        "needle = NEEDLE[::-1].encode()\n"
        "libc = ctypes.CDLL(None)\nread, write = os.pipe()\nfound = pages = 0\n"
        "for start in {id(x) >> 24 << 24 for x in (object(), sys, [], needle, libc, bytearray(9), print)}:\n"
        "    for address in range(start - (16 << 20), start + (32 << 20), 4096):\n"
        "        if libc.write(write, ctypes.c_void_p(address), 4096) == 4096:\n"
        "            pages += 1\n"
        "            found += os.read(read, 4096).count(needle)\n"
        "print(pages > 500, found)"
    )
    first, second, other = run(
        local,
        told,
        script(search.replace("NEEDLE", repr(secret[::-1]))),
        script(search.replace("NEEDLE", repr("nobody_ever_said_it"[::-1]))),
    )
    assert first.status is Status.OK and first.stdout.count(secret.encode()) == 100
    assert second.stdout == other.stdout  # the needle itself, as often as one that nobody used before
    assert second.stdout.startswith(b"True")


def test_the_same_code_gives_the_same_bytes(run: Run) -> None:
    source = "import random\nprint(hash('a'), {'a', 'b', 'c', 'xyz'}, random.random(), [1].__repr__)"
    seen = set()
    for _ in range(2):
        sandbox = LocalSandbox(workers=1)
        sandbox.start()
        seen |= {result.stdout for result in run(sandbox, *[script(source)] * 3)}
        asyncio.run(sandbox.close())
    assert len({line.partition(b"[1]")[0].partition(b"<")[0] for line in seen}) == 1, seen


# Limits


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(launch(dict.fromkeys(LAYERS, True), numpy=False))


@pytest.mark.parametrize(
    ("source", "cpu_s", "wall_s", "killed"),
    [
        ("while True: pass", 0.1, 60, "cpu"),
        ("import time; time.sleep(60)", 60, 0.2, "wall"),
        (
            "import threading\nfor _ in range(4): threading.Thread(target=exec, args=['while True: pass']).start()",
            0.1,
            60,
            "cpu",
        ),
    ],
)
def test_why_it_was_killed(worker: Worker, source: str, cpu_s: float, wall_s: float, killed: str) -> None:
    report = worker.execute(script(source), ["[]"], cpu_s=cpu_s, wall_s=wall_s)
    assert report.killed == killed
    assert report.cpu_s < 1


def test_a_job_has_a_total(local: LocalSandbox, run: Run) -> None:
    (result,) = run(local, function("def f(): return 1", (), (), limits=Limits(total_s=1e-4)))
    assert [case.status for case in result.cases][1] is Status.CPU_LIMIT
    assert "total" in result.cases[1].detail


def test_output_up_to_the_limit_is_kept(local: LocalSandbox, run: Run) -> None:
    (result,) = run(local, script("print('x' * 99)", limits=Limits(stdout=10)))
    assert (result.status, result.stdout) == (Status.OUTPUT_LIMIT, b"x" * 10)
    assert result.cases[0].stdout_truncated


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("def f(): return object()", "object"),
        ("def f(): return (i for i in [1])", "generator"),
        ("async def f(): pass", "coroutine"),
        ("def f():\n    x = []\n    x.append(x)\n    return x", "nested"),
        ("class I(int):\n    __eq__ = lambda *a: True\ndef f(): return I(1)", "I"),
        ("class D(dict): pass\ndef f(): return D()", "D"),
        ("def f(): return 10**5000", "bits"),
        ("def f(): return 'x' * 1_000_001", "longer"),
        ("def f(): return '\\ud800'", "surrogate"),
    ],
)
def test_a_value_that_cannot_travel(local: LocalSandbox, run: Run, source: str, detail: str) -> None:
    (result,) = run(local, function(source))
    assert result.status is Status.INVALID_RESULT
    assert detail in result.cases[0].detail


def test_where_an_exception_came_from(local: LocalSandbox, run: Run) -> None:
    (result,) = run(local, function("def g(x):\n    return 1 / x\ndef f():\n    return g(0)"))
    raised = result.cases[0].raised
    assert raised and (raised.type, raised.message, raised.line) == ("ZeroDivisionError", "division by zero", 2)
    assert b'File "<submission>", line 4' in result.stderr and b"runner" not in result.stderr
    (result,) = run(local, function("def g(): pass"))
    assert result.cases[0].raised and result.cases[0].raised.type == "NameError"


# Calls


Answers = Callable[[Call], Awaitable[Reply]]


async def double(call: Call) -> Reply:
    args, kwargs = values.decode(call.args)  # type: ignore[misc]
    return Reply(values.encode([call.name, call.case.id, args[0] * 2, kwargs]).encode())


def test_calls_are_answered(local: LocalSandbox, run: Run) -> None:
    job = function("def f(x): return [g(x), g(x + 1, k='a')]", (1,), (5,), proxies=("g",))
    (result,) = run(local, job, answer=double)
    assert value(result, 0) == [["g", "0", 2, {}], ["g", "0", 4, {"k": "a"}]]
    assert value(result, 1) == [["g", "1", 10, {}], ["g", "1", 12, {"k": "a"}]]


@pytest.mark.parametrize(
    ("error", "expected"), [(("ValueError", "no"), "ValueError no"), (("Odd", "no"), "SolutionCrashed Odd: no")]
)
def test_a_call_can_fail(local: LocalSandbox, run: Run, error: tuple[str, str], expected: str) -> None:
    async def fail(call: Call) -> Reply:
        return Reply(error=error)

    source = "def f():\n    try: g()\n    except Exception as e: return f'{type(e).__name__} {e}'"
    (result,) = run(local, function(source, proxies=("g",)), answer=fail)
    assert value(result) == expected


def test_an_answer_may_take_its_time_and_use_the_sandbox(local: LocalSandbox, run: Run) -> None:
    async def answer(call: Call) -> Reply:
        await asyncio.sleep(1.5)  # more wall time than the caller has
        (result,) = await local.run([function("def f(): return 42")])
        return Reply(result.cases[0].value)

    (result,) = run(local, function("def f(): return g()", proxies=("g",), limits=Limits(cpu_s=0.1)), answer=answer)
    assert value(result) == 42


def test_an_error_in_the_answer_ends_the_run_and_nothing_else(local: LocalSandbox, run: Run) -> None:
    async def answer(call: Call) -> Reply:
        raise KeyError("ours")

    job = function("def f(): return g()", proxies=("g",))
    with pytest.raises(KeyError, match="ours"):
        run(local, job, answer=answer)
    assert value(run(local, job, answer=double_nothing)[0]) == 0


def test_a_loop_that_closes_before_a_worker_is_done_costs_no_worker(local: LocalSandbox, run: Run) -> None:
    async def leave() -> None:
        slow = function("def f():\n    import time\n    time.sleep(0.3)")
        waiting = asyncio.create_task(local.run([slow]))
        await asyncio.sleep(0.1)
        waiting.cancel()

    for _ in range(8):
        asyncio.run(leave())
    assert value(run(local, function("def f(): return 7"))[0]) == 7


async def double_nothing(call: Call) -> Reply:
    return Reply(values.encode(0).encode())


@pytest.mark.parametrize(
    "source",
    [
        "def f(): import os; os.write(3, b'c' + bytes(11) + b'\\4bad\\0')",
        "def f(): import os; os.write(3, b'c' * 9); g()",
    ],
)
def test_a_false_call(local: LocalSandbox, run: Run, source: str) -> None:
    (result,) = run(local, function(source, proxies=("g",), limits=Limits(cpu_s=0.1)), answer=double_nothing)
    assert result.status in {Status.NO_RESULT, Status.INVALID_RESULT, Status.OUTPUT_LIMIT, Status.TIMEOUT}


def test_a_child_that_talks_while_it_is_answered_blocks_nobody(local: LocalSandbox, run: Run) -> None:
    """Parent and server would wait for each other for ever if both could write at the same time."""

    async def much(call: Call) -> Reply:
        return Reply(values.encode("x" * 900_000).encode())

    source = (
        'import os, struct, threading\ndef f():\n    args = b\'g\\0\' + b\'["t",["t"],["d"]]\'\n'
        "    call = struct.pack('>cIII', b'c', 0, 0, len(args)) + args\n"
        "    threading.Thread(target=os.write, args=(3, call * 20 + b'v' * 900_000), daemon=True).start()\n"
        "    print('x' * 60_000)\n    threading.Event().wait()"
    )
    start = time.monotonic()
    (result,) = run(local, function(source, proxies=("g",), limits=Limits(cpu_s=0.2)), answer=much)
    assert result.status in {Status.TIMEOUT, Status.OUTPUT_LIMIT, Status.CPU_LIMIT}
    assert time.monotonic() - start < 60
    assert value(run(local, job_that_calls, answer=double_nothing)[0]) == 0


job_that_calls = function("def f(): return g()", proxies=("g",))


def test_proxies_need_an_answer(local: LocalSandbox, run: Run) -> None:
    with pytest.raises(UsageError, match="answer"):
        run(local, function("def f(): return g()", proxies=("g",)))


# Levels


@pytest.mark.parametrize(
    ("without", "level"),
    [((), Level.L3), (("landlock",), Level.L2), (("namespaces", "landlock"), Level.L1), (LAYERS, Level.L0)],
)
def test_the_level_is_what_the_probe_finds(without: tuple[str, ...], level: Level, run: Run) -> None:
    sandbox = LocalSandbox(workers=1, without=without)
    sandbox.start()
    assert sandbox.level is level
    assert value(run(sandbox, function("def f(): return 1"))[0]) == 1
    asyncio.run(sandbox.close())


@pytest.mark.parametrize("claim", ["namespaces", "landlock", "seccomp"])
def test_a_worker_that_claims_too_much_is_not_used(claim: str) -> None:
    worker = Worker(launch(dict.fromkeys(LAYERS, False), numpy=False))
    assert prove(worker) is Level.L0
    worker.claims[claim] = True
    with pytest.raises(WorkerDied, match=claim):
        prove(worker)
    worker.close()


def test_levels() -> None:
    assert level_of(namespaces=True, landlock=True, seccomp=True, files=True) is Level.L3
    assert level_of(namespaces=True, landlock=False, seccomp=True, files=True) is Level.L2
    assert level_of(namespaces=False, landlock=False, seccomp=True, files=False) is Level.L1
    assert level_of(namespaces=True, landlock=True, seccomp=False, files=True) is Level.L0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_plain_user_reaches_the_same_level() -> None:
    program = (
        "import asyncio\nfrom selfplay.sandbox.local import LocalSandbox\n"
        "from selfplay.sandbox.types import Case, Job\n"
        "async def main():\n    async with LocalSandbox(workers=1) as s:\n"
        "        r = await s.run([Job('import os; print(os.getuid())', None, (Case('0'),))])\n"
        "        print(s.level.name, r[0].status, r[0].stdout.decode())\nasyncio.run(main())"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    if "No module named" in done.stderr or "Permission" in done.stderr:
        pytest.skip(f"that user cannot run this checkout: {done.stderr.splitlines()[-1]}")
    assert done.stdout.split() == ["L3", "ok", "1000"], done.stderr


def test_without_user_namespaces_there_is_level_two() -> None:
    """As in a container: a user namespace in which no other one may be made."""
    program = (
        "import asyncio\nfrom selfplay.sandbox.local import LocalSandbox\n"
        "async def main():\n    async with LocalSandbox(workers=1) as s:\n"
        "        print(s.level.name, s.describe()['layers']['namespaces'])\nasyncio.run(main())"
    )
    shell = f"echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -c {shlex.quote(program)}"
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", shell], capture_output=True, text=True, cwd=ROOT, check=False)
    if "unshare:" in done.stderr or "max_user_namespaces" in done.stderr:
        pytest.skip(f"this machine cannot pretend: {done.stderr.strip()}")
    level, _, why = done.stdout.partition(" ")
    assert level == "L2", done.stderr
    assert "in force" not in why
    assert "the sandbox reaches level L2 only" in done.stderr


# Trouble


def test_a_dead_worker_costs_no_verdict(run: Run) -> None:
    sandbox = LocalSandbox(workers=1)
    sandbox.start()

    def murder() -> None:
        while not (sandbox._pool.threads and sandbox._pool.threads[0].worker):
            time.sleep(0.01)
        time.sleep(0.5)
        sandbox._pool.threads[0].worker.process.kill()

    threading.Thread(target=murder).start()
    results = run(sandbox, script("import time; time.sleep(2); print(1)"), script("print(2)"))
    assert [result.stdout for result in results] == [b"1\n", b"2\n"]
    assert results[0].cases[0].attempts == 2
    asyncio.run(sandbox.close())


def test_a_sandbox_that_cannot_start_workers_gives_no_verdict(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = LocalSandbox(workers=1)
    sandbox.start()

    def fail(lane: object) -> Worker:
        raise WorkerDied("no memory")

    monkeypatch.setattr(sandbox._pool, "start", fail)
    (result,) = run(sandbox, script("print(1)"))
    assert result.status is Status.SANDBOX_ERROR
    assert (result.cases[0].attempts, result.cases[0].detail) == (3, "no memory")
    asyncio.run(sandbox.close())


def test_workers_are_replaced_when_they_have_grown_old(run: Run) -> None:
    sandbox = LocalSandbox(workers=1, recycle_after=3)
    sandbox.start()
    results = run(sandbox, *[script("print(1)")] * 7)
    assert {result.stdout for result in results} == {b"1\n"}
    assert sandbox._pool.threads[0].used == 1
    asyncio.run(sandbox.close())


def children(pid: int) -> list[int]:
    """Processes below one, itself included."""
    below = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    return [pid, *(each for child in below for each in children(int(child)))]


def test_nothing_survives_a_killed_parent() -> None:
    program = (
        "import asyncio\nfrom selfplay.sandbox.local import LocalSandbox\n"
        "from selfplay.sandbox.types import Case, Job\n"
        "async def main():\n    async with LocalSandbox(workers=1) as s:\n        print('ready', flush=True)\n"
        "        await s.run([Job('import time; time.sleep(60)', None, (Case('0'),))])\nasyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout and parent.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 30
    while len(pids := children(parent.pid)) < 4 and time.monotonic() < deadline:  # parent, outside, server, execution
        time.sleep(0.05)
    assert len(pids) == 4
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids[1:] if Path(f"/proc/{pid}").exists()]


def test_what_cannot_be_sent_is_an_error_of_the_caller(local: LocalSandbox, run: Run) -> None:
    with pytest.raises(UsageError, match="case '0' cannot be sent"):
        run(local, function("def f(x): pass", (object(),)))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"cases": ()}, "at least one"),
        ({"cases": (Case("a"), Case("a"))}, "same id"),
        ({"source": "#" * 70_000}, "longer"),
        ({"isolation": Isolation.SUBMISSION}, "share"),
    ],
)
def test_jobs_that_make_no_sense(settings: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Job(**{"source": "", "entry": None, "cases": (Case("0"),), **settings})  # type: ignore[arg-type]
