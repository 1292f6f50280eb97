"""Self-correction's rules under each scheme, with replies written down; its exam, demonstrations and bots."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.envs.self_correction import AGAIN, SelfCorrection
from selfplay.envs.sums import Sum, running_totals, slip
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.learning.credit import CreditRule, credit
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]

TASK = {"numbers": [47, 85, 69]}
RIGHT, WRONG = "201", "191"
SUM = Sum((47, 85, 69))


def notes(record: MatchRecord) -> dict[str, object]:
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}


def tried(play: Playing, scheme: str, first: str, second: str, **settings: object) -> MatchRecord:
    record = play(SelfCorrection(scheme=scheme, attempts=1, **settings), {"solver": [first, second]}, task=TASK)
    assert record.ending is Ending.OK, record.error
    return record


PAID = {
    # scheme: rewards of (first, second) after right-right, wrong-right, right-wrong, wrong-wrong
    "each": [(1, 1), (0, 1), (1, 0), (0, 0)],
    "last": [(1, 1), (1, 1), (0, 0), (0, 0)],
    "progress": [(1, 1), (0, 11), (1, -10), (0, 0)],
}


@pytest.mark.parametrize("scheme", PAID)
def test_each_scheme_pays_what_its_paper_says(play: Playing, scheme: str) -> None:
    assert not SUM.held_out
    for (first, second), paid in zip([(1, 1), (0, 1), (1, 0), (0, 0)], PAID[scheme], strict=True):
        record = tried(play, scheme, [WRONG, RIGHT][first], [WRONG, RIGHT][second])
        assert tuple(move.reward for move in record.moves) == paid
        assert all(move.learn for move in record.moves)
        assert record.result == {"solver": float(second), "reflector": 0.0}


def test_single_turn_learning_asks_a_second_time_only_to_measure(play: Playing) -> None:
    record = tried(play, "single", WRONG, RIGHT)
    assert [(move.tag, move.learn) for move in record.moves] == [("first", True), ("second", False)]
    assert record.moves[0].reward == 0.0
    assert record.moves[1].messages[0].text == AGAIN


def test_differences_pay_for_digits_and_train_the_second_attempt_alone(play: Playing) -> None:
    record = tried(play, "differences", WRONG, "211")  # 1 digit right ("191" against "201"), then 2
    assert [move.learn for move in record.moves] == [False, True]
    assert record.moves[1].reward == 0.5 * 1 + (2 - 1)


def test_seconds_at_one_first_are_compared_with_each_other(play: Playing) -> None:
    """CoCoS's trainer: the shared first turn cancels in the baseline."""
    game = SelfCorrection(scheme="differences", attempts=1, seconds=2)
    for first in (WRONG, RIGHT, "7"):
        record = play(game, {"solver": [first, RIGHT, WRONG]}, task=TASK)
        found = credit([record], {"*": CreditRule("leave_one_out")}).advantages
        assert [found[record.id, move.id] for move in record.moves[1:]] == [2.0, -2.0]  # 3 digits right, or 1


def test_only_the_reflection_learns_and_only_after_a_wrong_answer(play: Playing) -> None:
    game = SelfCorrection(scheme="reflection", attempts=2)
    record = play(game, {"solver": [RIGHT, WRONG, RIGHT], "reflector": ["carry the 2"]}, task=TASK)
    first, wrong, thought, second = record.moves
    assert [(move.role, move.learn) for move in record.moves] == [
        ("solver", False), ("solver", False), ("reflector", True), ("solver", False),
    ]  # fmt: skip
    assert (thought.reward, second.parent, first.value) == (1.0, wrong, 201)
    assert second.messages[0].text == "That is wrong. carry the 2 Answer again."
    assert notes(record) == {"acc1": 0.5, "acc2": 1.0, "fixed": 0.5, "broken": 0.0, "edited": 0.5}


def test_a_reflection_that_does_not_help_earns_nothing(play: Playing) -> None:
    game = SelfCorrection(scheme="reflection", attempts=1, seconds=2)
    record = play(game, {"solver": [WRONG, RIGHT, WRONG], "reflector": ["carry", "hm"]}, task=TASK)
    assert [move.reward for move in record.moves if move.role == "reflector"] == [1.0, 0.0]
    assert record.result == {"solver": 0.5, "reflector": 0.0}


def test_a_reply_that_cannot_be_read_never_pays_better_than_a_wrong_answer(play: Playing) -> None:
    for first in (RIGHT, "no idea"):
        wrong, unread = (tried(play, "progress", first, second).moves[1].reward for second in (WRONG, "twenty"))
        assert wrong == unread == (-10.0 if first == RIGHT else 0.0)


def test_pairs_are_counted(play: Playing) -> None:
    game = SelfCorrection(attempts=4)
    replies = ["201", "201", "191", "191", "201", "0", "201", "191"]  # four firsts, then their seconds
    record = play(game, {"solver": replies}, task=TASK)
    assert notes(record) == {"acc1": 0.5, "acc2": 0.5, "fixed": 0.25, "broken": 0.25, "edited": 0.5}


def test_exams_grade_both_attempts_at_the_same_sums(play: Playing) -> None:
    game = SelfCorrection(exam_size=5)
    exam = game.exam()
    assert list(exam.levels) == ["4 first", "4 second", "5 first", "5 second"]
    for level, tasks in exam.levels.items():
        assert len(tasks) == 5
        for task in tasks:
            problem = Sum.from_task(task)
            assert problem.held_out and len(problem.numbers) == int(level[0])
            assert task in exam.levels[level] and task["graded"] == level.partition(" ")[2]
            replies = {"solver": [str(problem.total), "0"]}
            record = play(SelfCorrection(attempts=1), replies, task=task)
            assert (record.result or {})["solver"] == float(level.endswith("first"))
            assert not any(move.learn for move in record.moves)


@pytest.mark.parametrize("scheme", ["progress", "reflection"])
def test_bots_play_and_the_exact_one_is_always_right(play: Playing, scheme: str) -> None:
    game = SelfCorrection(scheme=scheme, attempts=4)
    means = {}
    for bot in game.bots:
        records = [play(game, bots={"solver": bot, "reflector": bot}, seed=seed) for seed in range(30)]
        assert all(record.ending is Ending.OK for record in records)
        assert not any(Sum.from_task({"numbers": asked(record)}).held_out for record in records)
        means[bot] = [sum(float(notes(record)[name]) for record in records) / 30 for name in ("acc1", "acc2")]
    assert means["exact"] == [1.0, 1.0]
    assert 0.3 < means["careless"][0] < 0.7 and means["careless"][1] == 1.0
    assert max(means["random"]) < 0.1


def asked(record: MatchRecord) -> list[int]:
    """The numbers of the sum that was asked."""
    return [int(number) for number in record.moves[0].messages[-1].text.split("+")]


def test_demonstrations_are_right_and_look_like_play(play: Playing) -> None:
    game = SelfCorrection(attempts=1)
    second = reflected = 0
    for demo in islice(game.demos(random.Random(1)), 300):
        value = game.roles[demo.role].parse(demo.reply)
        problem = Sum(tuple(int(n) for n in demo.messages[1].text.partition(" ")[0].split("+")))
        assert not problem.held_out
        if demo.role == "reflector":
            reflected += value == running_totals(problem)
            continue
        assert value == problem.total
        if len(demo.messages) > 2 and demo.messages[-1].text == AGAIN:
            second += 1
            replies = Replies({"solver": [demo.messages[2].text, demo.reply]})
            play(game, replies, task={"numbers": list(problem.numbers)})
            assert tuple(replies.requests[1].conversation()) == demo.messages
    assert second == reflected == 50


@given(st.lists(st.integers(10, 99), min_size=2, max_size=6), st.integers(0, 2**32))
def test_slips_are_wrong_and_digits_are_counted(numbers: list[int], seed: int) -> None:
    problem = Sum(tuple(numbers))
    wrong = slip(problem.total, random.Random(seed))
    assert wrong != problem.total and wrong >= 0
    digits = len(str(problem.total))
    assert problem.digits_right(problem.total) == digits
    assert 0 <= problem.digits_right(wrong) < digits
    assert problem.digits_right(problem.total * 10) < digits and problem.digits_right(None) == 0


def test_wrong_settings_and_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match="alpha"):
        SelfCorrection(alpha=-1.0)
    with pytest.raises(UsageError, match="scheme"):
        SelfCorrection(scheme="score")
    for task in ({"numbers": []}, {"numbers": [1, "2"]}, [1, 2], {"numbers": [True, 3]}):
        with pytest.raises(UsageError, match="no sum"):
            Sum.from_task(task)


@pytest.mark.parametrize("text", ["", " ", "x" * 61, "two\nlines", "\x1b[31m"])
def test_reflections_are_one_short_line(text: str) -> None:
    with pytest.raises(Foul):
        SelfCorrection.reflector.parse(text)
