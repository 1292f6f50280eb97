"""What was asked of endpoints, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selfplay.types.values import Json


@dataclass(slots=True)
class Bill:
    """Totals; money is in US dollars, at the prices the person gave."""

    requests: int = 0
    """Calls that were answered."""
    replies: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    """Cost of the answered calls."""
    unclear: int = 0
    """Calls without a readable answer, which may have been charged."""
    unclear_usd: float = 0.0
    """The most that these can have cost."""
    reused: int = 0
    """Replies taken by this process from what had been paid for earlier."""

    def add(self, replies: int, tokens_in: int, tokens_out: int, usd: float) -> None:
        """Enter a call; one without replies is unclear."""
        if not replies:
            self.unclear += 1
            self.unclear_usd += usd
            return
        self.requests += 1
        self.replies += replies
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.usd += usd

    def add_line(self, line: Mapping[str, Json]) -> None:
        """Enter a line of ``paid.jsonl``."""
        tokens_in, tokens_out = line["tokens"]
        self.add(len(line["replies"]), tokens_in, tokens_out, line["usd"])

    def __bool__(self) -> bool:
        return self.requests + self.unclear + self.reused > 0

    def __str__(self) -> str:
        priced = self.usd or self.unclear_usd
        words = [f"{self.requests:,} requests to endpoints, {self.tokens_in:,} tokens in, {self.tokens_out:,} out"]
        words += [f"${self.usd:.4f}" if priced else "cost unknown, no prices given"]
        words += [f"{self.reused:,} replies paid earlier used again"] if self.reused else []
        if self.unclear:
            most = f", at most ${self.unclear_usd:.4f}" if priced else ""
            words.append(f"{self.unclear:,} requests without an answer, perhaps charged{most}")
        return "; ".join(words)
