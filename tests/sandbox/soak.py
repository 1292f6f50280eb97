"""Hundreds of thousands of executions, a third of them hostile, while workers are killed at random. `make soak`

    python tests/sandbox/soak.py [--executions N] [--backend local | local-L2 | subprocess | docker] [--seed N]

What must hold in the end: every honest program has the verdict that it deserves (it may have been tried again, as the
judge does when the sandbox is to blame), no hostile one has another than it may have, memory has not grown, and nothing
is left: no process, descriptor, mount, cgroup, temporary file, shared memory or container. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attack import BOXES
from soak_programs import Probe, honest, hostile

from selfplay.errors import RunError
from selfplay.sandbox.inside import values
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.types import Call, ExecResult, Reply, Status

BATCH = 100
"""Jobs at a time."""
_SUBREAPER = 36
_AGAIN = 5
"""Tries of an honest program whose failure may be the machine's."""
_SLACK_KB = 16 << 10
"""Memory may differ by so much between the first and the last quarter."""


def children(pid: int) -> list[int]:
    """Processes below one, as far as they still are there."""
    below: list[int] = []
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            below += map(int, file.read_text().split())
    return [each for child in below for each in (child, *children(child))]


def rss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def traces(run: str) -> dict[str, set[str]]:
    """All that could be left, by kind."""
    folders = {Path(tempfile.gettempdir()), Path("/dev/shm"), Path("/tmp")}
    return {
        "descriptors": set(os.listdir("/proc/self/fd")),
        "mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()),
        "cgroups": {folder for folder, *_ in os.walk("/sys/fs/cgroup") if "selfplay" in folder},
        "temporary files": {
            str(path) for folder in folders for path in folder.glob(f"selfplay-sandbox-{os.getpid()}-*")
        },
        "shared memory": {line for file in Path("/proc/sysvipc").glob("*") for line in file.read_text().splitlines()},
        "containers": set(_containers(run)),
    }


def _containers(run: str) -> Iterator[str]:
    try:
        from selfplay.sandbox.containers.engine import RUN, connect

        engine = connect()
    except (RunError, ImportError):
        return
    yield from (each["Id"] for each in engine.containers(all=True, filters={"label": f"{RUN}={run}"}))
    engine.close()


@dataclass
class Killer:
    """Kills workers (the server, or what waits for it outside) now and then."""

    box: LocalSandbox
    chance: random.Random
    every_s: float
    count: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        while not self.over.wait(self.chance.expovariate(1 / self.every_s)):
            workers = [thread.worker for thread in self.box._pool.threads if thread.worker]
            if not workers:
                continue
            process = self.chance.choice(workers).process
            outside = getattr(process, "process", None)
            with suppress(OSError):
                if outside is None:  # a container
                    process.kill()
                else:
                    below = children(outside.pid)[:1] if self.box.layers["namespaces"] else []
                    os.kill(self.chance.choice([outside.pid, *below]), signal.SIGKILL)
                self.count += 1


class Soak:
    """One sandbox under load."""

    def __init__(self, box: LocalSandbox, executions: int, seed: int) -> None:
        self.box, self.executions, self.chance = box, executions, random.Random(seed)
        self.done = self.hostile = self.retried = self.again = 0
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.memory: list[tuple[int, int]] = []
        """Of this process and of an idle server, after each batch."""
        self.idle: dict[str, set[int]] = {"descriptors": set(), "mounts": set(), "children": set()}
        """What idle servers had."""

    async def run(self, killer: Killer) -> None:
        start = last = time.monotonic()
        while self.done < self.executions or not killer.count:
            probes = [hostile(self.chance) if self.hostile_is_due() else honest(self.chance) for _ in range(BATCH)]
            results = await self.box.run([probe.job for probe in probes], _double)
            for probe, result in zip(probes, results, strict=True):
                await self.judge(probe, result)
            self.look_at_servers()
            if time.monotonic() - last > 5:
                last = time.monotonic()
                rate = self.done / (last - start)
                left = max(0, self.executions - self.done) / rate / 60
                counts = f"{killer.count} kills  {self.retried} retried  {len(self.wrong)} wrong  {left:.1f} min left"
                print(
                    f"\r{self.done:,} of {self.executions:,}  {rate:.0f}/s  {counts}  ",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )

    def hostile_is_due(self) -> bool:
        return self.chance.random() < 0.53  # an honest job has more executions: that is a third of them all

    async def judge(self, probe: Probe, result: ExecResult) -> None:
        self.done += probe.executions
        self.hostile += probe.executions * probe.hostile
        for _ in range(_AGAIN):
            late = sum(case.attempts > 1 for case in result.cases)
            self.retried += late if probe.executions > 1 else min(late, 1)
            if result.status is not Status.SANDBOX_ERROR and (probe.hostile or result.status is not Status.TIMEOUT):
                break
            self.again += 1
            (result,) = await self.box.run([probe.job], _double)
        self.statuses[result.status] += 1
        trouble = probe.trouble(result)
        if trouble:
            self.wrong.append(f"{probe.name}: {trouble}")

    def look_at_servers(self) -> None:
        """Between two batches nothing runs, so that a server shows what it keeps."""
        sizes = []
        for thread in self.box._pool.threads:
            outside = getattr(thread.worker.process, "process", None) if thread.worker else None
            inside = children(outside.pid) if outside else []
            server = inside[0] if self.box.layers["namespaces"] and inside else outside.pid if outside else 0
            with suppress(OSError):
                if server and thread.used and os.path.exists(f"/proc/{server}/fd"):
                    kept = len(os.listdir(f"/proc/{server}/fd"))
                    mounts = len(Path(f"/proc/{server}/mountinfo").read_text().splitlines())
                    below = len(children(server))
                    sizes.append(rss_kb(server))
                    for kind, number in (("descriptors", kept), ("mounts", mounts), ("children", below)):
                        if number:  # 0: it died while we looked
                            self.idle[kind].add(number)
        self.memory.append((rss_kb(os.getpid()), max(sizes, default=0)))


async def _double(call: Call) -> Reply:
    args, _ = values.decode(call.args)  # type: ignore[misc]
    return Reply(values.encode(args[0] * 2).encode())


def left_processes() -> list[str]:
    """Those that orphaned processes of ours have become, after those that are ending have ended."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            return []
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:80] for pid in children(os.getpid())]


def quarters(series: list[int]) -> tuple[float, float]:
    """Medians of the first and the last quarter."""
    size = max(1, len(series) // 4)
    return statistics.median(series[:size]), statistics.median(series[-size:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=200_000)
    parser.add_argument("--backend", default="local", choices=sorted(set(BOXES) - {"remote"}))
    parser.add_argument("--kill-every", type=float, default=2.0, metavar="SECONDS", help="on average; at least once")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # orphans become our children, so none is overlooked
    box = BOXES[options.backend]()
    assert isinstance(box, LocalSandbox)
    box.run_name = run = f"soak-{os.getpid()}"  # type: ignore[attr-defined] # of containers
    before = traces(run)
    soak = Soak(box, options.executions, options.seed)
    killer = Killer(box, random.Random(options.seed + 1), options.kill_every)
    start, cpu = time.monotonic(), os.times()

    async def play() -> None:
        async with box:
            thread = killer.start()
            try:
                await soak.run(killer)
            finally:
                killer.over.set()
                await asyncio.to_thread(thread.join)

    asyncio.run(play())
    gc.collect()
    wall_s, used = time.monotonic() - start, os.times()
    processes = left_processes()
    left = {kind: found - before[kind] for kind, found in traces(run).items()} | {"processes": set(processes)}
    cpu_s = sum(used[:4]) - sum(cpu[:4])
    ours, servers = (quarters([each[place] for each in soak.memory]) for place in (0, 1))
    where = f"{options.backend} ({box.level.name}), {soak.hostile / soak.done:.0%} hostile"
    print(
        f"\n{soak.done:,} executions on {where}, {killer.count} workers killed, {wall_s:.0f} s ({cpu_s:.0f} s of CPU)"
    )
    print(
        f"  retried on another worker: {soak.retried}; asked again: {soak.again}; wrong in the end: {len(soak.wrong)}"
    )
    print("  " + ", ".join(f"{status} {count:,}" for status, count in soak.statuses.most_common()))
    print(f"  memory, first and last quarter: parent {ours[0] / 1024:.1f} and {ours[1] / 1024:.1f} MB, "
          f"server {servers[0] / 1024:.1f} and {servers[1] / 1024:.1f} MB")  # fmt: skip
    print("  idle servers had " + ", ".join(f"{sorted(numbers)} {kind}" for kind, numbers in soak.idle.items()))
    print("  left: " + (", ".join(f"{len(found)} {kind}" for kind, found in left.items() if found) or "nothing"))
    for line in [*soak.wrong[:20], *(f"{kind}: {each}" for kind, found in left.items() for each in sorted(found)[:5])]:
        print(f"    {line}")
    grown = [name for name, (first, last) in {"parent": ours, "server": servers}.items() if last > first + _SLACK_KB]
    grown += [f"{kind} of a server" for kind, numbers in soak.idle.items() if kind == "children" and numbers]
    for what in grown:
        print(f"    grown: {what}")
    return 1 if soak.wrong or grown or any(left.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
