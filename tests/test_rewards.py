"""Proposer rewards: unbiased, bounded, blind to order, and masked answers never count."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.rewards import (
    duplicate_share,
    hardness,
    learnability,
    solve_rate,
    solved_hardness,
    successes,
    target_difficulty,
)
from selfplay.types import Completion, Message, Move, Turn

rewards = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(-2, 2))
answers = st.lists(rewards, max_size=12)
usable = answers.filter(lambda a: sum(r is not None for r in a) >= 2)
FUNCTIONS = [solve_rate, learnability, hardness, solved_hardness, lambda a: target_difficulty(a, 0.3)]


def move(reward: float | None) -> Move:
    completion = Completion("text")
    messages = (Message("user", "?"),)
    made = Move(
        "0",
        None,
        "solver",
        "solver",
        "",
        None,
        "p",
        True,
        False,
        messages,
        completion,
        Turn(None, messages, completion),
    )
    made.reward = reward
    return made


@pytest.mark.parametrize("n", [2, 3, 4, 8])
@pytest.mark.parametrize("p", [Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(9, 10), Fraction(1)])
def test_learnability_is_unbiased(n: int, p: Fraction) -> None:
    """The expectation over all 2**n outcomes, counted exactly, is 4p(1-p)."""
    expected = sum(
        comb(n, k) * p**k * (1 - p) ** (n - k) * Fraction(learnability([1.0] * k + [0.0] * (n - k)))
        for k in range(n + 1)
    )
    assert float(expected) == pytest.approx(float(4 * p * (1 - p)), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_learnability_is_the_stated_formula_for_solved_and_unsolved(n: int) -> None:
    for k in range(n + 1):
        assert learnability([1.0] * k + [0.0] * (n - k)) == pytest.approx(4 * k * (n - k) / (n * (n - 1)))


def test_learnability_is_unbiased_for_partial_credit() -> None:
    """Two independent answers worth 0, 1/2 or 1 with equal chance: p is 1/2, so 4p(1-p) is 1."""
    values = [0.0, 0.5, 1.0]
    mean = sum(learnability([a, b]) or 0.0 for a in values for b in values) / 9
    assert mean == pytest.approx(1.0)


@given(usable)
def test_ranges(a: list[float | None]) -> None:
    n = len(successes(a))
    assert 0 <= learnability(a) <= n / (n - 1) + 1e-12
    for function in (solve_rate, hardness, solved_hardness, lambda a: target_difficulty(a, 0.8)):
        assert 0 <= function(a) <= 1


@given(answers, st.randoms())
def test_order_does_not_matter(a: list[float | None], random) -> None:
    shuffled = random.sample(a, len(a))
    for function in FUNCTIONS:
        assert function(a) == pytest.approx(function(shuffled), abs=1e-12)


@given(answers, st.integers(0, 5))
def test_masked_answers_are_in_no_denominator(a: list[float | None], masked: int) -> None:
    for function in FUNCTIONS:
        assert function(a) == function([*a, *[None] * masked])


def test_too_few_answers_mask_the_proposal() -> None:
    assert learnability([1.0, None]) is None
    assert solve_rate([None]) is None and hardness([]) is None and target_difficulty([], 0.5) is None


def test_moves_are_read_by_their_reward_and_masked_ones_skipped() -> None:
    moves = [move(1.0), move(0.0), move(None)]
    masked = move(1.0)
    masked.mask("no verdict")
    assert solve_rate([*moves, masked]) == 0.5


def test_a_foul_with_a_penalty_is_simply_not_solved() -> None:
    foul = move(None)
    foul.penalise("does not parse", -1.0)
    assert solve_rate([foul, move(1.0)]) == 0.5


def test_hardness_variants_differ_only_where_nobody_succeeded() -> None:
    assert hardness([0.0, 0.0]) == 1.0 and solved_hardness([0.0, 0.0]) == 0.0
    assert hardness([1.0, 0.0]) == solved_hardness([1.0, 0.0]) == 0.5


def test_target_difficulty_peaks_at_the_target() -> None:
    assert target_difficulty([1.0, 0.0, 0.0, 0.0], 0.25) == 1.0
    assert target_difficulty([1.0, 1.0], 0.25) == 0.25
    with pytest.raises(ValueError, match=r"1\.5"):
        target_difficulty([1.0], 1.5)


@given(st.lists(st.integers(0, 3), max_size=20))
def test_duplicate_share_counts_the_others(keys: list[int]) -> None:
    shares = duplicate_share(keys)
    for i, share in enumerate(shares):
        others = keys[:i] + keys[i + 1 :]
        assert share == (sum(k == keys[i] for k in others) / len(others) if others else 0.0)
