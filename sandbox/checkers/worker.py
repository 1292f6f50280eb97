"""A process that decides claims, one JSON line in, one out; started, watched and killed by `pool`.

The process limits itself: memory by RLIMIT_AS, CPU time by a timer whose signal nobody catches, so that even a prover
lost in C is ended by the kernel. CPU time is nearly independent of the machine's load, wall time (the pool's part) is
not; both are kill switches only and say nothing about the claim.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys

from selfplay.sandbox.checkers.registry import checker
from selfplay.sandbox.checkers.types import Claim, Limits

MB = 1 << 20


def main() -> None:
    """Answer claims until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not end up among the answers
    for line in sys.stdin:
        claim = Claim.from_json(json.loads(line))
        _limit(claim.limits)
        verdict = checker(claim.checker).check(claim)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(verdict.to_json()) + "\n")
        answers.flush()


def _limit(limits: Limits) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = limits.memory_mb * MB
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)


if __name__ == "__main__":
    main()
