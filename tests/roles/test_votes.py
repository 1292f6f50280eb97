"""Votes: who wins, by how much, and that what cannot be read or was masked never decides."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.roles.votes import Vote, ballots, reward_by_vote, shares, vote, widest_pair
from selfplay.types import Completion, Message, Move, Turn

cast = st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=12)
thresholds = st.floats(0.0, 1.0)


def answer(said: int | None, *, masked: bool = False) -> Move:
    """A readable answer, or a foul that costs nothing."""
    completion, messages = Completion(str(said)), (Message("user", "?"),)
    made = Move(
        "0", None, "solver", "solver", "", None, "p", True, False, messages, completion,
        Turn(None, messages, completion),
    )  # fmt: skip
    if said is None:
        made.penalise("cannot be read", 0.0)
    made.value = said
    if masked:
        made.mask("could not tell")
    return made


def identity(value: int) -> int:
    return value


@given(cast, thresholds)
def test_the_winner_has_the_most_ballots_and_is_never_none(said: list[int | None], threshold: float) -> None:
    result = vote(said, threshold=threshold)
    counts = Counter(ballot for ballot in said if ballot is not None)
    assert (result.of, result.count) == (len(said), max(counts.values(), default=0))
    assert 0.0 <= result.share <= 1.0
    won = bool(counts) and result.count >= threshold * len(said)
    assert (result.winner is not None) == won
    if won:
        assert counts[result.winner] == result.count


@given(cast, thresholds, thresholds)
def test_a_higher_threshold_never_makes_a_winner(said: list[int | None], one: float, two: float) -> None:
    low, high = sorted((one, two))
    if vote(said, threshold=high).winner is not None:
        assert vote(said, threshold=low).winner == vote(said, threshold=high).winner


@given(cast)
def test_ties_go_to_the_first_or_to_nobody(said: list[int | None]) -> None:
    counts = Counter(ballot for ballot in said if ballot is not None)
    best = [ballot for ballot in counts if counts[ballot] == max(counts.values())]
    assert vote(said).winner == (min(best, key=said.index) if best else None)
    assert vote(said, ties="nobody").winner == (best[0] if len(best) == 1 else None)


@given(cast, st.integers(0, 5))
def test_unreadable_ballots_count_but_never_win(said: list[int | None], more: int) -> None:
    before, after = vote(said), vote([*said, *[None] * more])
    assert (after.winner, after.count, after.of) == (before.winner, before.count, before.of + more)


def test_a_single_vote_and_none() -> None:
    assert vote([]) == Vote(None, 0, 0) and vote([]).share == 0.0
    assert vote([None, None]) == Vote(None, 0, 2)
    assert vote([7]) == Vote(7, 1, 1)
    assert vote([0, 0, 1]).winner == 0, "what is false may win as well"


def test_fouls_cast_for_nobody_and_masked_answers_not_at_all() -> None:
    assert ballots([answer(3), answer(None), answer(3, masked=True), answer(4)], lambda v: v * 10) == [30, None, 40]


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=10), st.booleans())
def test_rewards_follow_the_label(said: list[int | None], demanding: bool) -> None:
    answers = [answer(s) for s in said]
    result = vote(ballots(answers, identity), threshold=0.6 if demanding else 0.0)
    reward_by_vote(answers, result, identity)
    if result.winner is None and any(s is not None for s in said):
        assert all(a.reward is None and a.why_masked for a in answers), "no label: nothing to learn"
    else:
        assert [a.reward for a in answers] == [float(s is not None and s == result.winner) for s in said]


def test_a_label_from_elsewhere_may_reward_nobody() -> None:
    answers = [answer(1), answer(1), answer(None)]
    reward_by_vote(answers, Vote(5, 3, 3), identity)
    assert [a.reward for a in answers] == [0.0, 0.0, 0.0]
    reward_by_vote(answers, Vote(None, 0, 3), identity)
    assert [a.reward for a in answers] == [None, None, None]


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=10))
def test_the_pair_is_most_against_least_voted(said: list[int | None]) -> None:
    answers = [answer(s) for s in said]
    counts = Counter(s for s in said if s is not None)
    pair = widest_pair(answers, identity)
    if len(set(counts.values())) < 2:
        assert pair is None, "nothing to prefer where all are equally voted"
        return
    assert pair is not None
    most, least = counts[pair.better.value], counts[pair.worse.value]
    assert (most, least) == (max(counts.values()), min(counts.values()))
    assert pair.weight == pytest.approx((most - least) / len(said))
    assert 0.0 < pair.weight < 1.0


def test_each_answer_has_the_share_of_those_that_say_the_same() -> None:
    answers = [answer(3), answer(None), answer(3, masked=True), answer(4), answer(3)]
    assert shares(answers, identity) == [0.5, 0.0, None, 0.25, 0.5]
    assert shares([answer(None), answer(None)], identity) == [0.0, 0.0], "fouls do not agree with each other"
    assert shares([answer(3, masked=True)], identity) == [None]


@given(cast)
def test_the_largest_share_is_the_majoritys(said: list[int | None]) -> None:
    found = shares([answer(each) for each in said], identity)
    assert max((share for share in found if share is not None), default=0.0) == vote(said).share
