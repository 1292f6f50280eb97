"""What does the sandbox cost? CPU milliseconds per execution, everybody's processes included.

    python benchmarks/sandbox.py [--runs 7] [--json FILE]

1. *one program*: ``print(1)`` in all layers (own pid, ipc and mount namespaces, tmpfs, rlimits, Landlock, seccomp), and
   the same without a scratch folder. Wanted: at most 3.5 ms.
2. *isolation=case*: a function, 50 cases, a process for each. Wanted: 600 cases/s on two idle cores (aim: 800).
3. *isolation=submission*: 2000 cases in one process. Wanted: 10,000 cases/s.

Beside them, in the same run, the same program in a fresh ``python -I -S`` under bubblewrap (wanted: 4 times our cost;
apt-get install bubblewrap) and through ``docker exec`` of a warm container (20 times; scripts/container-engine start).
Runs alternate; each line is the median of all runs, each ratio the median of the paired ratios theirs / ours. CPU time,
because the rate of a busy machine says nothing; on idle cores the rate is what the CPU allows, on two 2000 / ms.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selfplay.errors import MissingExtra, RunError
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.subprocess import SubprocessSandbox
from selfplay.sandbox.types import Case, Isolation, Job, Status

WANTED_MS = {
    "one program, all layers": 3.5,
    "one program, no scratch folder": 3.5,
    "isolation=case": 2000 / 600,
    "isolation=submission": 2000 / 10_000,
}
WANTED_RATIO = {"python -I -S in bubblewrap": 4.0, "docker exec": 20.0}
OURS = "one program, all layers"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SUBREAPER = 36
_IN_BUBBLEWRAP = 20
SOURCE = "def f(n):\n    return sum(i * i for i in range(n % 10))\n"

Measure = Callable[[], float]
"""CPU milliseconds per execution."""


def own_s() -> float:
    """CPU seconds of this process and of all it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def alone_s(pid: int) -> float:
    """CPU seconds of a process and of all that it has waited for."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) * _TICK_S
    return 0.0


def tree_s(pid: int) -> float:
    """CPU seconds of a process, of its children, and of all that these have waited for."""
    total = alone_s(pid)
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(tree_s(int(child)) for child in file.read_text().split())
    return total


def of_sandbox(box: LocalSandbox, jobs: list[Job], executions: int) -> Measure:
    """Run the jobs in a sandbox whose workers are started."""

    def used_s() -> float:
        workers = [thread.worker for thread in box._pool.threads if thread.worker]
        return own_s() + sum(tree_s(worker.process.process.pid) for worker in workers)  # type: ignore[attr-defined]

    def measure() -> float:
        before = used_s()
        results = asyncio.run(box.run(jobs))
        spent = used_s() - before
        assert {result.status for result in results} == {Status.OK}
        return spent / executions * 1000

    return measure


def of_bubblewrap() -> Measure:
    """A fresh process per program, with the mounts that our reference backend gives it."""
    if shutil.which("bwrap") is None:
        raise RunError("not installed")
    command = [sys.executable, __file__, "--bubblewrap", str(_IN_BUBBLEWRAP)]
    return lambda: float(subprocess.run(command, capture_output=True, check=True).stdout) / _IN_BUBBLEWRAP * 1000


def in_bubblewrap_s(count: int) -> float:
    """CPU seconds of so many programs. bwrap does not wait for what it starts: we inherit that, and wait for it."""
    launch = SubprocessSandbox(1)._launch(numpy=False)
    command = [*launch.python, "-I", "-S", "-c", "print(1)"]
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    before = own_s()
    for _ in range(count):
        said = subprocess.run(command, capture_output=True, env={}, stdin=subprocess.DEVNULL, check=True)
        assert said.stdout == b"1\n"
        with suppress(ChildProcessError):
            while True:
                os.wait()
    return own_s() - before


@contextmanager
def of_docker() -> Iterator[Measure]:
    """The same Python in a warm container; the engine's processes count."""
    from selfplay.sandbox.containers.engine import connect, remove
    from selfplay.sandbox.containers.image import local_image

    engine = connect()
    image = local_image(engine)
    sleep = [image.python, "-c", "import time; time.sleep(1e6)"]
    made = engine.create_container(image.name, sleep, host_config=engine.create_host_config(network_mode="none"))["Id"]
    engine.start(made)

    def used_s() -> float:
        names = {path.parent: path.read_text().strip() for path in _comms()}
        engines = [int(path.name) for path, name in names.items() if name.startswith(("dockerd", "containerd"))]
        return own_s() + sum(alone_s(pid) for pid in engines)

    def measure(count: int = 10) -> float:
        before = used_s()
        for _ in range(count):
            said = engine.exec_start(engine.exec_create(made, [image.python, "-I", "-S", "-c", "print(1)"])["Id"])
            assert said == b"1\n", said
        return (used_s() - before) / count * 1000

    try:
        yield measure
    finally:
        remove(engine, made)
        engine.close()


def _comms() -> Iterator[Path]:
    for path in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            path.read_text()
            yield path


@contextmanager
def measures() -> Iterator[tuple[dict[str, Measure], dict[str, str]]]:
    """What can be measured here, and why the rest cannot."""
    box = LocalSandbox(2)
    box.start()
    one = [Job("print(1)", None, (Case("0"),), writable=writable) for writable in (True, False)]
    many = [Case(str(n), (n,)) for n in range(2000)]
    found: dict[str, Measure] = {
        OURS: of_sandbox(box, [one[0]] * 200, 200),
        "one program, no scratch folder": of_sandbox(box, [one[1]] * 200, 200),
        "isolation=case": of_sandbox(box, [Job(SOURCE, "f", tuple(many[:50]))] * 6, 300),
        "isolation=submission": of_sandbox(box, [Job(SOURCE, "f", tuple(many), Isolation.SUBMISSION)] * 4, 8000),
    }
    missing: dict[str, str] = {}
    try:
        found["python -I -S in bubblewrap"] = of_bubblewrap()
    except RunError as error:
        missing["python -I -S in bubblewrap"] = str(error)
    docker = of_docker()
    try:
        found["docker exec"] = docker.__enter__()
    except (RunError, MissingExtra) as error:
        missing["docker exec"] = str(error).splitlines()[0]
    yield found, missing
    if "docker exec" in found:
        docker.__exit__(None, None, None)
    asyncio.run(box.close())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--bubblewrap", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bubblewrap:
        print(in_bubblewrap_s(options.bubblewrap))
        return 0
    with measures() as (found, missing):
        times: dict[str, list[float]] = {name: [] for name in found}
        start = time.monotonic()
        for run in range(options.runs + 1):  # the first run warms up
            for name, measure in found.items():
                spent = measure()
                if run:
                    times[name].append(spent)
    medians = {name: statistics.median(each) for name, each in times.items()}
    ratios = {
        name: statistics.median(b / a for a, b in zip(times[OURS], times[name], strict=True))
        for name in WANTED_RATIO
        if name in times
    }
    print(f"CPU ms per execution, {options.runs} runs, load {os.getloadavg()[0]:.1f}, {time.monotonic() - start:.0f} s")
    print(f"{'':32} median     min     max   wanted   two cores   theirs / ours")
    for name, each in times.items():
        wanted = f"<= {WANTED_MS[name]:.2f}" if name in WANTED_MS else ""
        ratio = f"{ratios[name]:.1f} (wanted {WANTED_RATIO[name]:.0f})" if name in ratios else ""
        line = f"{name:32} {medians[name]:6.2f}  {min(each):6.2f}  {max(each):6.2f}  {wanted:>7}"
        print(f"{line}  {2000 / medians[name]:7.0f}/s   {ratio}")
    for name, why in missing.items():
        print(f"{name:32} skipped: {why}")
    missed = [name for name, most in WANTED_MS.items() if medians[name] > most]
    missed += [name for name, least in WANTED_RATIO.items() if name in ratios and ratios[name] < least]
    if options.json:
        numbers = {"cpu_ms": times, "median": medians, "ratio": ratios, "missing": missing, "missed": missed}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
