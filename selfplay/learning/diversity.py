"""Diverse replies: leave out those unlike all others, then take those that are least like each other.

DIVE (arXiv 2501.00747) filters outliers and then maximises diversity greedily, on sentence embeddings. Without an
embedding model, replies are compared by their tokens here:

    d(a, b) = 1 - |A n B| / |A u B|,   A and B the sets of pairs of neighbouring tokens (Jaccard distance)

An outlier's mean distance to the others lies more than three robust standard deviations (1.4826 MAD) above the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from selfplay.learning.candidates import Sampled

Grams = frozenset[tuple[object, object]]


def without_outliers(replies: Sequence[Sampled]) -> list[Sampled]:
    """The replies that are not unlike all others; fewer than four are too few to tell."""
    if len(replies) < 4:
        return list(replies)
    grams = [_grams(reply) for reply in replies]
    away = [fmean(distance(a, b) for j, b in enumerate(grams) if j != i) for i, a in enumerate(grams)]
    middle = median(away)
    spread = 1.4826 * median(abs(d - middle) for d in away)
    return [reply for reply, d in zip(replies, away, strict=True) if d <= middle + 3 * spread]


def most_different(replies: Sequence[Sampled], count: int) -> list[Sampled]:
    """`count` replies, or all: first the one with the best reward, then always the one farthest from all taken.

    Repetitions of one reply are never taken twice.
    """
    left = list(dict((reply.move.text, reply) for reply in reversed(replies)).values())[::-1]
    taken: list[Sampled] = []
    while left and len(taken) < count:
        best = max(left, key=lambda reply: (_away(reply, taken), reply.reward))
        taken.append(best)
        left.remove(best)
    return taken


def distance(a: Grams, b: Grams) -> float:
    """0 where both have the same pairs of tokens, 1 where they share none."""
    return 1.0 - len(a & b) / len(a | b)


def _away(reply: Sampled, taken: Sequence[Sampled]) -> float:
    """Distance to the nearest that was taken."""
    return min((distance(_grams(reply), _grams(other)) for other in taken), default=0.0)


def _grams(reply: Sampled) -> Grams:
    ids = reply.move.completion.token_ids
    tokens: list[object] = list(reply.move.text) if ids is None else ids.tolist()
    return frozenset(pairwise([None, *tokens, None]))  # with its ends, so that no reply is empty
