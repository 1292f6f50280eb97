"""Verdicts that were found before, by content hash of the claim."""

from __future__ import annotations

from collections import OrderedDict

from selfplay.sandbox.checkers.types import INFRASTRUCTURE, ProofVerdict


class Cache:
    """The `most` verdicts asked for last. Keeps only what the same claim would give again on any machine."""

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self.hits = 0
        self._kept: OrderedDict[str, ProofVerdict] = OrderedDict()

    def get(self, key: str) -> ProofVerdict | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return found.but(cached=True)

    def put(self, key: str, verdict: ProofVerdict) -> None:
        if verdict.status in INFRASTRUCTURE:
            return
        self._kept[key] = verdict
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
