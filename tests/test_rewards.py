"""Proposer rewards: unbiased, bounded, blind to order, and masked answers never count."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.errors import UnknownName
from selfplay.rewards import (
    PROPOSER_REWARDS,
    band,
    band_code,
    duplicate_share,
    hardness,
    learnability,
    progress_bonus,
    proposer_reward,
    relative_hardness,
    solve_rate,
    solved_hardness,
    successes,
    target_difficulty,
    turn_differences,
    uncertainty,
    variance_bump,
)
from selfplay.types import Completion, Message, Move, Turn

rewards = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(-2, 2))
answers = st.lists(rewards, max_size=12)
usable = answers.filter(lambda a: sum(r is not None for r in a) >= 2)
FUNCTIONS = [*PROPOSER_REWARDS.values(), solve_rate, lambda a: target_difficulty(a, 0.3)]
BOUNDED = [f for f in FUNCTIONS if f is not learnability]
scores = st.lists(st.integers(-20, 20).map(lambda i: i / 4), min_size=1, max_size=6)


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
    for function in BOUNDED:
        assert 0 <= function(a) <= 1


@given(answers, st.randoms())
def test_order_does_not_matter(a: list[float | None], random) -> None:
    shuffled = random.sample(a, len(a))
    for function in FUNCTIONS:
        if function in (band, band_code) and abs(sum(successes(a)) - round(sum(successes(a)))) < 1e-9:
            continue  # a sum of fractions may fall on either side of a step
        assert function(a) == pytest.approx(function(shuffled), abs=1e-9)


@given(answers, st.integers(0, 5))
def test_masked_answers_are_in_no_denominator(a: list[float | None], masked: int) -> None:
    for function in FUNCTIONS:
        assert function(a) == function([*a, *[None] * masked])


def test_too_few_answers_mask_the_proposal() -> None:
    assert learnability([1.0, None]) is None
    assert relative_hardness([1.0, None]) is None
    for function in FUNCTIONS:
        assert function([]) is None and function([None]) is None


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


@pytest.mark.parametrize("n", [2, 4, 5, 8])
def test_published_formulas_for_solved_and_unsolved(n: int) -> None:
    for k in range(n + 1):
        a, p = [1.0] * k + [0.0] * (n - k), k / n
        assert band(a) == (0 < k < n)
        assert band_code(a) == (1 < k < n)
        assert relative_hardness(a) == ((n - k) / (n - 1) if 0 < k < n else 0)
        assert uncertainty(a) == pytest.approx(2 * min(p, 1 - p))
        assert variance_bump(a) == pytest.approx(exp(-((p * (1 - p) - 0.25) ** 2) / 0.02))
        assert solved_hardness(a) == (1 - p if k else 0)


def test_the_two_bands_differ_where_one_answer_stands_alone() -> None:
    """SQLM with n = 4: the code pays for 2 or 3 equal answers only (trap 1 of its sources)."""
    counts = range(1, 5)
    assert [band([1.0] * k + [0.0] * (4 - k)) for k in counts] == [1, 1, 1, 0]
    assert [band_code([1.0] * k + [0.0] * (4 - k)) for k in counts] == [0, 1, 1, 0]


def test_proposer_rewards_are_found_by_name() -> None:
    assert proposer_reward("uncertainty") is uncertainty
    with pytest.raises(UnknownName, match="did you mean 'band_code'"):
        proposer_reward("bandcode")


@given(scores)
def test_without_a_discount_turn_differences_add_up_to_the_last_score(values: list[float]) -> None:
    assert sum(turn_differences(values, discount=1.0)) == pytest.approx(values[-1])


def test_turn_differences_of_two_attempts() -> None:
    assert turn_differences([2.0, 3.0]) == [0.5 * 2.0, 1.0]
    assert turn_differences([2.0, None, 5.0]) == [0.25 * 2.0, None, None]
    assert turn_differences([]) == []


@given(st.floats(-5, 5), scores.filter(lambda s: len(s) >= 2))
def test_a_shared_first_turn_cancels_in_the_baseline(first: float, seconds: list[float]) -> None:
    """Trap 9: with one first turn for all, the accumulated difference and the last score teach the same."""
    totals = [sum(turn_differences([first, second])) for second in seconds]
    centred = [t - sum(totals) / len(totals) for t in totals]
    assert centred == pytest.approx([s - sum(seconds) / len(seconds) for s in seconds], abs=1e-9)


def test_progress_is_paid_and_regress_costs_as_much() -> None:
    assert (progress_bonus(0.0, 1.0), progress_bonus(1.0, 0.0), progress_bonus(1.0, 1.0)) == (10.0, -10.0, 0.0)
    assert progress_bonus(0.0, 1.0, alpha=2.0) == 2.0
    assert progress_bonus(None, 1.0) is None and progress_bonus(0.0, None) is None
