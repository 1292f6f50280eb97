"""Digits frontier: what is kept and what is not, with replies written down; no look at the answer; exam and bots."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.envs import long_sums
from selfplay.envs.digits_frontier import DigitsFrontier
from selfplay.envs.long_sums import LongSum, added, named, named_digits
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord, Move, Request, Sampling

Playing = Callable[..., MatchRecord]

GOOD, OTHER, SHORT = "a0b1c1d1", "a1b1c1d1", "a0b1"


def notes(record: MatchRecord) -> dict[str, object]:
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}


def kept(record: MatchRecord) -> list[str]:
    return [move.text for move in record.moves if move.keep]


def labelled(play: Playing, replies: Sequence[str], **settings: object) -> MatchRecord:
    """One match on sums of four digits, answered in the order in which they are asked."""
    game = DigitsFrontier(start=3, frontier=3, new_share=1.0, examples=0, **settings)
    record = play(game, {"solver": replies})
    assert record.ending is Ending.OK, record.error
    return record


def test_a_majority_in_both_orders_is_kept_once_for_each(play: Playing) -> None:
    record = labelled(play, [GOOD, GOOD, OTHER, OTHER, GOOD, GOOD], problems=1, votes=3, majority=0.6)
    assert [move.keep for move in record.moves] == [True, False, False, False, True, False]
    assert [move.reward for move in record.moves] == [1.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    assert notes(record)["consistency"] == pytest.approx(4 / 6)
    assert notes(record)["kept"] == 1.0


def test_below_the_majority_nothing_is_kept_or_learned(play: Playing) -> None:
    record = labelled(play, [GOOD, GOOD, OTHER, OTHER, GOOD, GOOD], problems=1, votes=3, majority=0.7)
    assert kept(record) == [] and all(move.reward is None for move in record.moves)
    assert notes(record)["kept"] == 0.0 and "precision" not in notes(record)


def test_orders_that_disagree_make_no_label(play: Playing) -> None:
    replies = [GOOD, GOOD, GOOD, OTHER, OTHER, GOOD]
    assert kept(labelled(play, replies, problems=1, votes=3, majority=0.0)) == []
    alone = labelled(play, replies[:3], problems=1, votes=3, majority=0.0, commute=False)
    assert kept(alone) == [GOOD] and len(alone.moves) == 3


def test_labels_much_shorter_than_the_longest_are_dropped(play: Playing) -> None:
    settings = {"problems": 2, "votes": 1, "commute": False}
    assert kept(labelled(play, [GOOD, SHORT], slack=1, **settings)) == [GOOD]
    assert kept(labelled(play, [GOOD, SHORT], slack=2, **settings)) == [GOOD, SHORT]
    assert kept(labelled(play, [SHORT, SHORT], slack=0, **settings)) == [SHORT, SHORT]


def test_replies_that_cannot_be_read_vote_for_nothing(play: Playing) -> None:
    record = labelled(play, ["?", "?", GOOD, "?", GOOD, GOOD], problems=1, votes=3, majority=0.5)
    assert kept(record) == [GOOD, GOOD]
    assert notes(record)["consistency"] == 0.5
    assert kept(labelled(play, ["?"] * 6, problems=1, votes=3, majority=0.0)) == []


def test_without_votes_the_first_answer_is_the_label(play: Playing) -> None:
    settings = {"problems": 1, "commute": False, "by_vote": False}
    record = labelled(play, [OTHER, GOOD, GOOD], votes=3, **settings)
    assert [move.keep for move in record.moves] == [True, False, False]
    assert notes(record)["consistency"] == pytest.approx(2 / 3)  # what moves the frontier is the vote all the same
    assert kept(labelled(play, ["?", GOOD, GOOD], votes=3, **settings)) == []


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_does_not_depend_on_the_true_sums(play: Playing, seed: int) -> None:
    """The same replies to other sums: the same rewards and the same kept moves (only measuring may look)."""
    rng = random.Random(seed)
    replies = [rng.choice([GOOD, GOOD, GOOD, OTHER, SHORT, "?"]) for _ in range(16)]
    game = DigitsFrontier(start=3, frontier=3, new_share=1.0, examples=0, problems=4, votes=2, majority=0.5)
    one, two = (play(game, {"solver": replies}, seed=s) for s in (1, 2))
    assert one.moves[0].messages != two.moves[0].messages
    assert [(m.keep, m.reward) for m in one.moves] == [(m.keep, m.reward) for m in two.moves]


def test_exact_players_keep_everything_and_forgetful_ones_agree_on_what_is_wrong(play: Playing) -> None:
    game = DigitsFrontier()
    for seed in range(20):
        record = play(game, bots={"solver": "exact"}, seed=seed)
        assert notes(record)["precision"] == notes(record)["kept"] == 1.0
        assert record.result == {"solver": 1.0}
    record = play(game, bots={"solver": "forgetful"})
    assert notes(record)["consistency"] == 1.0 and float(str(notes(record)["precision"])) < 0.5


def test_the_frontier_sets_the_length_and_examples_stay_below_the_start(play: Playing) -> None:
    game = DigitsFrontier(start=4, frontier=9, new_share=0.5)
    seen, examples = set(), set()
    for seed in range(60):
        record = play(game, bots={"solver": "exact"}, seed=seed)
        lengths = {len(long_sums.read(request_of(move)).a) for move in record.moves}
        seen |= lengths
        assert ("consistency" in notes(record)) == (lengths == {10})
        for fact in record.facts:
            if fact.kind == "example":
                examples.add(len(fact.data["prompt"].partition("\n")[2].replace("-", "")) // 3)
                assert game.solver.parse(fact.data["text"])
        assert sum(fact.kind == "example" for fact in record.facts) == game.examples
    assert seen == {5, 6, 7, 8, 9, 10} and examples == {1, 2, 3, 4}


def request_of(move: Move) -> Request:
    return Request("solver", "solver", None, move.messages, Sampling(), (0,))


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(2, 10))
def test_addition_is_addition(a: int, b: int, base: int) -> None:
    def digits(n: int, width: int) -> str:
        out = ""
        while n or len(out) < width:
            n, digit = divmod(n, base)
            out += str(digit)
        return out

    width = max(len(digits(a, 1)), len(digits(b, 1)))
    total = added(digits(a, width), digits(b, width), base)
    assert sum(int(d) * base**i for i, d in enumerate(total)) == a + b


def test_the_exam_is_held_out_and_passed_by_the_exact_bot(play: Playing) -> None:
    game = DigitsFrontier(exam_size=4)
    exam = game.exam()
    assert list(exam.levels) == [str(digits) for digits in range(6, 13)]
    for level, tasks in exam.levels.items():
        for task in tasks:
            problem = LongSum.from_task(task, 2)
            assert problem.held_out and problem.swapped.held_out and len(problem.a) == int(level)
            record = play(game, bots={"solver": "exact"}, task=task)
            assert record.result == {"solver": 1.0} and not any(move.learn or move.keep for move in record.moves)
            assert play(game, bots={"solver": "random"}, task=task).ending is Ending.OK


@pytest.mark.parametrize("base", [2, 3, 10])
def test_demonstrations_are_right_and_look_like_play(play: Playing, base: int) -> None:
    game = DigitsFrontier(base=base)
    for demo in islice(game.demos(random.Random(3)), 200):
        request = Request("solver", "solver", None, demo.messages, Sampling(), (0,))
        problem = long_sums.read(request)
        assert not problem.held_out and len(problem.a) <= game.start
        assert game.solver.parse(demo.reply) == problem.answer == long_sums.exact_bot(request, random.Random(0))
        replies = Replies({"solver": [demo.reply]})
        assert play(game, replies, task=problem.task()).result == {"solver": 1.0}
        *before, asked = replies.requests[0].conversation()
        assert (*before, asked.text) == (*demo.messages[:-1], demo.messages[-1].text.replace("-", ""))


@pytest.mark.parametrize("text", ["", "a", "1", "a1b", "A1", "a1 b1", "ab1", "a1" * 27, "a1\u0661", "a1=" * 10**5])
def test_hostile_replies_are_fouls(text: str) -> None:
    with pytest.raises(Foul):
        named_digits(text)


def test_names_go_round_the_alphabet() -> None:
    assert named("012", 25) == "z0a1b2"
    assert LongSum("11", "01", 24, 2).text() == "Base 2.\ny10z11a="


def test_wrong_settings_and_tasks_are_refused() -> None:
    for wrong in ({"base": 11}, {"start": 2}, {"frontier": 25}, {"majority": 2.0}, {"votes": 0}):
        (name,) = wrong
        with pytest.raises(UsageError, match=rf"digits_frontier\.{name}"):
            DigitsFrontier(**wrong)
    for task in ({"a": "12", "b": "01", "first": 0}, {"a": "1", "b": "01", "first": 0}, {"a": 1, "b": 2}, "1+1"):
        with pytest.raises(UsageError, match="no sum in base 2"):
            LongSum.from_task(task, 2)
