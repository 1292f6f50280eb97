"""Rewards for proposers: how good was a task, judged by how the answers to it went.

A *success* is an answer's reward cut to [0, 1], so a foul that costs -1 is simply not solved. Answers are moves or
plain rewards; masked ones (`None`) are left out of numerator and denominator alike. Every function is pure and gives
`None` where too few answers are left to say anything: assigning that to `proposal.reward` masks the proposal.

p is the probability that an answer succeeds, x_1 .. x_n are the successes seen, k their sum.

This module does not know groups, baselines or learning: see `selfplay.learning.credit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from selfplay.types import Move

Answers = Iterable[Move | float | None]
"""Moves, or their rewards; `None` is a masked answer."""


def successes(answers: Answers) -> list[float]:
    """The rewards that count, each cut to [0, 1]."""
    rewards = [a.reward if isinstance(a, Move) else a for a in answers]
    return [min(1.0, max(0.0, float(r))) for r in rewards if r is not None]


def solve_rate(answers: Answers) -> float | None:
    """k/n, the plain estimate of p; `None` without a single answer that counts."""
    x = successes(answers)
    return sum(x) / len(x) if x else None


def learnability(answers: Answers) -> float | None:
    """4p(1-p), estimated without bias: highest where half of the answers succeed. `None` below two answers.

    4k(n-k)/(n(n-1)) for successes of 0 and 1, in [0, n/(n-1)]; the plain 4(k/n)(1-k/n) is too small by (n-1)/n on
    average. It is the mean of 4x_i(1-x_j) over all pairs of different answers, unbiased for partial credit too.
    p(1-p) as a task's value: Florensa et al. 2018 (arXiv 1705.06366), Foster & Foerster 2025 (arXiv 2502.12272).
    """
    x = successes(answers)
    n, k = len(x), sum(x)
    if n < 2:
        return None
    same = sum(v * (1.0 - v) for v in x)
    return 4.0 * max(0.0, k * (n - k) - same) / (n * (n - 1))


def hardness(answers: Answers) -> float | None:
    """1-p: the harder, the better, unsolvable tasks best of all."""
    p = solve_rate(answers)
    return None if p is None else 1.0 - p


def solved_hardness(answers: Answers) -> float | None:
    """1-p, but 0 where nobody succeeded: Absolute Zero Reasoner, equation 4 (arXiv 2505.03335)."""
    p = solve_rate(answers)
    return None if p is None else (0.0 if p == 0.0 else 1.0 - p)


def target_difficulty(answers: Answers, target: float) -> float | None:
    """1-|p-target|, where the proposer was told the wanted solve rate: DARC's questioner (arXiv 2601.13761).

    A target that is part of the prompt stands still while solvers get better, unlike a p(1-p) that follows them.

    Raises:
        ValueError: `target` is not in [0, 1].
    """
    if not 0.0 <= target <= 1.0:
        raise ValueError(f"target_difficulty: target is {target!r}; a solve rate in [0, 1] was expected")
    p = solve_rate(answers)
    return None if p is None else 1.0 - abs(p - target)


def duplicate_share(keys: Sequence[Hashable]) -> list[float]:
    """For each key the share of the *other* keys that equal it, in [0, 1]; a lone key has 0.

    Subtracted from proposals' rewards in `Game.settle` it is R-Zero's repetition penalty (arXiv 2508.05004, section
    3.2), with equality in place of BLEU clusters.
    """
    seen = Counter(keys)
    others = max(1, len(keys) - 1)
    return [(seen[key] - 1) / others for key in keys]
