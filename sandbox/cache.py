"""Verdicts that need not be found again: the same code, checker and limits give the same verdict.

Kept under a hash of all that a verdict follows from, in memory, the most recently used ones. Who fills it (the judge)
offers verdicts of programs that answered or raised; what a clock or a limit had a say in, and trouble with the sandbox,
is found anew each time. A program that draws random numbers keeps the verdict of its first run.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from selfplay.sandbox.types import SANDBOX_VERSION
from selfplay.types import Verdict


def key_of(*parts: str) -> str:
    """The name of a verdict: a hash of everything that decides it, and of the sandbox's version."""
    found = hashlib.sha256(SANDBOX_VERSION.encode())
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(encoded) + encoded)  # with lengths, so that ("ab", "c") is not ("a", "bc")
    return found.hexdigest()


class VerdictCache:
    """The `most` verdicts that were asked for last."""

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self.hits = 0
        self._kept: OrderedDict[str, Verdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Verdict | None:
        verdict = self._kept.get(key)
        if verdict is not None:
            self.hits += 1
            self._kept.move_to_end(key)
        return verdict

    def put(self, key: str, verdict: Verdict) -> None:
        self._kept[key] = verdict
        self._kept.move_to_end(key)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
