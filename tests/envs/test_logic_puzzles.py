"""Logic puzzles with replies written down: who earns what, what is held out, what is refused, in every family."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

import pytest

from selfplay.check import check_game
from selfplay.envs.logic_puzzles import WISHES, LogicPuzzles, exam_puzzles, is_held_out
from selfplay.errors import UsageError
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]
SIZES = {"knights": 3, "zebra": 3, "colouring": 4, "sudoku": 8}


def earned(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def proposed(play: Playing, text: str, answers: list[str], size: int = 2, **settings: object) -> MatchRecord:
    game = LogicPuzzles(attempts=max(1, len(answers)), sizes=(size,), **settings)
    return play(game, {"proposer": [text], "solver": answers})


def free(*texts: str) -> str:
    return next(text for text in texts if not is_held_out(text))


def test_right_answers_and_a_proposal_in_between(play: Playing) -> None:
    puzzle = free("A:!A|!B", "A:!B|!A", "A:!A|!B B:!A")
    record = proposed(play, puzzle, ["KN", "NK", "KN", "K"])
    assert earned(record, "solver") == [1.0, 0.0, 1.0, 0.0]
    assert earned(record, "proposer") == [pytest.approx(4 * 2 * 2 / (4 * 3))]
    assert record.result == {"proposer": 0.0, "solver": 0.5}


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (("A:B", "A:B B:A", "B:A"), "at least two solutions"),
        (("A:!A B:A", "B:!B A:B", "A:!A B:!A"), "no solution"),
        (("A:B&C", "A:B|C", "A:C&B"), "size 3, not 2"),
        (("A says B", "import os", "__import__('os').system('x')"), "list of statements"),
    ],
)
def test_what_is_no_valid_puzzle_costs(play: Playing, texts: tuple[str, ...], why: str) -> None:
    (move,) = proposed(play, free(*texts), ["KN"]).moves
    assert move.reward == -1.0 and why in str(move.foul)


def test_a_clue_too_many_costs_where_puzzles_have_to_be_minimal(play: Playing) -> None:
    puzzle = free("A:!A|!B B:!A", "A:!A|!B B:!A&B", "A:!B|!A B:!A")
    (move,) = proposed(play, puzzle, ["KN"], minimal=True).moves
    assert move.reward == -1.0 and "could be left out" in str(move.foul)
    assert earned(proposed(play, puzzle, ["KN"]), "solver") == [1.0]


def test_replies_without_sense_are_fouls(play: Playing) -> None:
    for text in ("", " ", "A" * 5000):
        record = proposed(play, text, ["KN"])
        assert earned(record, "proposer") == [0.0] and record.ending is Ending.FOUL


def test_held_out_puzzles_teach_nobody(play: Playing) -> None:
    (held,) = exam_puzzles("knights", 3, 1)
    assert [move.why_masked for move in proposed(play, held, ["KKK"], 3).moves] == ["held out for the exam"]
    game = LogicPuzzles(attempts=1, sizes=(3,), exam_size=40)
    asked = play(game, {"solver": ["KKK"]}, task={"puzzle": held})
    assert [move.learn for move in asked.moves] == [False]
    exam = game.exam()
    tasks = {task["puzzle"] for task in exam.levels["3"]}  # type: ignore[index, call-overload]
    assert len(tasks) == 40 and all(map(is_held_out, tasks))
    assert not tasks & {demo.messages[-1].text for demo in islice(game.demos(random.Random(1)), 40)}


@pytest.mark.parametrize("family", SIZES)
def test_every_family_can_be_proposed_and_solved(play: Playing, family: str) -> None:
    size = SIZES[family]
    game = LogicPuzzles(family=family, sizes=(size,), attempts=2)
    record = play(game, bots={"proposer": "random", "solver": "exact"}, seed=3)
    assert earned(record, "solver") == [1.0, 1.0] and earned(record, "proposer") == [0.0]
    for demo in islice(game.demos(random.Random(2)), 3):
        if demo.role == "solver":
            solved = play(game, {"solver": [demo.reply, "?"]}, task={"puzzle": demo.messages[-1].text})
            assert earned(solved, "solver") == [1.0, 0.0]
        else:
            assert demo.messages[-1].text == WISHES[family].format(size)  # type: ignore[index]


def test_it_keeps_the_rules() -> None:
    report = check_game(LogicPuzzles(attempts=2, sizes=(2, 3), exam_size=4), seeds=4)
    assert report.ok, report.findings


def test_wrong_settings_and_tasks_say_what_is_wrong() -> None:
    for settings, words in [({"sizes": (1,)}, "2 to 10"), ({"family": "chess"}, "sudoku"), ({"reward": "x"}, "reward")]:
        with pytest.raises(UsageError, match=words):
            LogicPuzzles(**settings)
    with pytest.raises(UsageError, match="is no knights puzzle"):
        LogicPuzzles().from_task({"puzzle": "?"})
    with pytest.raises(UsageError, match="2 to 6"):
        LogicPuzzles(family="zebra", sizes=(7,))
