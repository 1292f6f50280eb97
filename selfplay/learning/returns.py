"""Bounded returns: what a segment of a reply is worth, counted from there to the end of the reply.

    G_t = clip(r_t + discount * G_(t+1), low, high),   G = clip(r, low, high) for the last segment

Prospective bounded sequence optimisation: ReForm, arXiv 2510.24592. The segments are made with `match.extend`, each
with a reward of its own (0 where only what follows counts); tags may differ between them. The bounds keep early
segments of long replies from collecting more than the task itself is worth.

A later segment without a reward (masked, not judged) leaves the returns before it unknown, which is not the same as 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from selfplay.types import Move


def bounded_returns(moves: Sequence[Move], discount: float, low: float, high: float) -> dict[str, float]:
    """Move id -> return; moves whose return is not known are left out.

    Args:
        moves: of one match, each after the one it continues. Where several continue one move, their mean goes on.
        discount: what a later reward loses with each segment before it.
        low, high: what every return is cut to.
    """
    known: dict[str, float] = {}
    later: dict[str, list[Move]] = defaultdict(list)
    for move in reversed(moves):
        ahead = [known.get(next_.id) for next_ in later[move.id]]
        if move.parent is not None:
            later[move.parent.id].append(move)
        values = [value for value in ahead if value is not None]
        if move.reward is None or len(values) < len(ahead):
            continue
        following = discount * sum(values) / len(values) if values else 0.0
        known[move.id] = min(high, max(low, move.reward + following))
    return known
