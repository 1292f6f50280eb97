"""Which level a worker has: not what the kernel should do, but what a hostile program found when it tried."""

from __future__ import annotations

from selfplay.sandbox import outcome
from selfplay.sandbox.inside import values
from selfplay.sandbox.types import Case, Job, Level
from selfplay.sandbox.worker import Worker, WorkerDied

LAYERS = ("namespaces", "landlock", "seccomp")
PROBE = """
import os, socket

def denied(action, *args):
    try:
        action(*args)
    except OSError:
        return True
    return False

def fork():
    if os.fork() == 0:
        os._exit(0)

def probe():
    return {
        "namespaces": os.getpid() == 1 and os.getuid() == 1000 and os.uname().nodename == "sandbox",
        "landlock": denied(os.listdir, "/"),
        "seccomp": denied(socket.socket) and denied(fork) and denied(os.kill, -1, 0),
        "files": denied(open, "/etc/passwd") and denied(open, "/proc/self/status") and denied(open, "/dev/zero")
        and denied(os.listdir, "/sys") and denied(os.mkdir, "/selfplay-probe")  # no Python lives in /sys
        and denied(os.chmod, "/", os.stat("/").st_mode & 0o7777),
    }
"""


def prove(worker: Worker) -> Level:
    """Run the probe on a worker.

    Raises:
        WorkerDied: a layer that the worker says it has does not hold, or the probe did not run.
    """
    job = Job(PROBE, "probe", (Case("probe"),))
    limits = job.limits
    report = worker.execute(job, [values.encode(())], cpu_s=limits.cpu_s, wall_s=limits.wall_s)
    result = outcome.results(job.cases, report, limits, script=False)[0]
    found = values.decode(result.value) if result.value else None
    if not isinstance(found, dict):
        raise WorkerDied(f"the probe of a new worker failed: {result.status} {result.detail} {result.raised}")
    for layer in LAYERS:
        if worker.claims[layer] and not found[layer]:
            raise WorkerDied(f"a new worker says that {layer} hold, but its probe got through")
    return level_of(**found)


def level_of(namespaces: bool, landlock: bool, seccomp: bool, files: bool) -> Level:
    """The level for what held. `files`: nothing outside could be read or written, whatever the reason."""
    if namespaces and landlock and seccomp and files:
        return Level.L3
    if seccomp and files:
        return Level.L2
    return Level.L1 if seccomp else Level.L0
