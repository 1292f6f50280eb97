"""Rewards: how good was a task, judged by how the answers to it went; how much better is a second attempt.

    learnability      4p(1-p), without bias       solved_hardness     1-p, but 0 where p = 0 (AZR)
    band              1 where 0 < k < n (SQLM)    relative_hardness   (n-k)/(n-1) where 0 < k < n (Dr. Zero)
    band_code         1 where 1 < k < n (SQLM)    uncertainty         1-2|p-1/2| (R-Zero)
    hardness          1-p                         variance_bump       a Gaussian in p(1-p) (SPICE)
    target_difficulty 1-|p-target| (DARC)         turn_differences, progress_bonus   over attempts (CoCoS, SCoRe)

A *success* is an answer's reward cut to [0, 1], so a foul that costs -1 is simply not solved. Answers are moves or
plain rewards; masked ones (`None`) are left out of numerator and denominator alike. Every function is pure and gives
`None` where too few answers are left to say anything: assigning that to `proposal.reward` masks the proposal.

p is the probability that an answer succeeds, x_1 .. x_n are the successes seen, k their sum.

This module does not know groups, baselines or learning: see `selfplay.learning.credit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import exp

from selfplay.errors import UnknownName
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


def band(answers: Answers) -> float | None:
    """1 where some but not all succeed, 0 < k < n: SQLM's formula (arXiv 2508.03682).

    Successes are whatever the game pays for: agreement with the majority, or tests passed, as in SQLM's coding task.
    """
    return _within(answers, 0.0)


def band_code(answers: Answers) -> float | None:
    """1 where 1 < k < n: what SQLM's text says and its code does, so that a majority of one is worth nothing."""
    return _within(answers, 1.0)


def _within(answers: Answers, above: float) -> float | None:
    x = successes(answers)
    return float(above < sum(x) < len(x)) if x else None


def relative_hardness(answers: Answers) -> float | None:
    """(n-k)/(n-1) where 0 < k < n, else 0; best where one succeeds: Dr. Zero (arXiv 2601.07055), as its code has it.

    `None` below two answers. A partial success below 1 counts as 1, so that the reward stays in [0, 1].
    """
    x = successes(answers)
    n, k = len(x), sum(x)
    if n < 2:
        return None
    return (n - max(1.0, k)) / (n - 1) if 0.0 < k < n else 0.0


def uncertainty(answers: Answers) -> float | None:
    """1-2|p-1/2|: R-Zero's challenger (arXiv 2508.05004), there of agreement with the majority."""
    p = solve_rate(answers)
    return None if p is None else 1.0 - 2.0 * abs(p - 0.5)


def variance_bump(answers: Answers, width: float = 0.1) -> float | None:
    """exp(-(v-1/4)^2 / (2 width^2)), v the variance of the successes: SPICE (arXiv 2510.24684).

    v is p(1-p) for successes of 0 and 1, so p = 1/2 earns 1, and p = 0 or 1 still exp(-3.125) = 0.04.
    """
    x = successes(answers)
    if not x:
        return None
    p = sum(x) / len(x)
    v = sum((value - p) ** 2 for value in x) / len(x)
    return exp(-((v - 0.25) ** 2) / (2.0 * width**2))


PROPOSER_REWARDS: dict[str, Callable[[Answers], float | None]] = {
    function.__name__: function
    for function in (
        learnability, hardness, solved_hardness, band, band_code, relative_hardness, uncertainty, variance_bump,
    )
}  # fmt: skip
"""By the name that a setting of a game can have."""


def proposer_reward(name: str) -> Callable[[Answers], float | None]:
    """The proposer reward of this name.

    Raises:
        UnknownName: there is none.
    """
    if name not in PROPOSER_REWARDS:
        raise UnknownName("proposer reward", name, PROPOSER_REWARDS)
    return PROPOSER_REWARDS[name]


def turn_differences(scores: Sequence[float | None], discount: float = 0.5) -> list[float | None]:
    """Rewards of T attempts, one after the other: discount^(T-t) (c_t - c_(t-1)), c_0 = 0 (CoCoS, arXiv 2505.23060).

    Their sum is CoCoS's reward of the whole trajectory; for two attempts it is discount*c_1 + (c_2 - c_1). `None`
    where one of the two scores is not known.

    Attempts that share their first turn differ in c_T alone, so any baseline over them cancels everything earlier:
    paying the sum or c_T is then the same. CoCoS's trainer samples so; a game where every trajectory has a first turn
    of its own rewards both turns.
    """
    before = [0.0, *scores]
    last = len(scores) - 1
    return [
        None if was is None or now is None else discount ** (last - t) * (now - was)
        for t, (was, now) in enumerate(zip(before, scores, strict=False))
    ]


def progress_bonus(first: float | None, second: float | None, alpha: float = 10.0) -> float | None:
    """alpha (r_2 - r_1), to be added to the second attempt's reward: SCoRe's second stage (arXiv 2409.12917).

    With alpha above 1, spoiling a right answer costs more than a right second answer earns. `None` where one of the
    two rewards is not known.
    """
    return None if first is None or second is None else alpha * (second - first)


def duplicate_share(keys: Sequence[Hashable]) -> list[float]:
    """For each key the share of the *other* keys that equal it, in [0, 1]; a lone key has 0.

    Subtracted from proposals' rewards in `Game.settle` it is R-Zero's repetition penalty (arXiv 2508.05004, section
    3.2), with equality in place of BLEU clusters.
    """
    seen = Counter(keys)
    others = max(1, len(keys) - 1)
    return [(seen[key] - 1) / others for key in keys]
