"""Algebra duel with replies written down: who earns what for which problem, what is held out, what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice

import pytest

from selfplay.check import check_game
from selfplay.envs.algebra_duel import WISHES, AlgebraDuel, Equations, exam_equations, random_equations, read_values
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.rewards import uncertainty
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]
KINDS = ("once", "twice", "pair")
OPEN = {kind: random_equations(random.Random(0), kind, 20) for kind in KINDS}


def earned(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def duel(play: Playing, proposal: str, answers: list[str], kind: str = "once", **settings: object) -> MatchRecord:
    game = AlgebraDuel(attempts=max(1, len(answers)), kinds=(kind,), **settings)
    return play(game, {"proposer": [proposal], "solver": answers})


def free(*texts: str) -> str:
    return next(text for text in texts if not Equations("".join(text.split())).held_out)


def test_right_answers_and_a_proposal_in_between(play: Playing) -> None:
    record = duel(play, free("3*x+4=19", "3*x+5=20", "4*x-1=19"), ["5", "6", "5", "five"])
    assert earned(record, "solver") == [1.0, 0.0, 1.0, 0.0]
    assert earned(record, "proposer") == [uncertainty([1.0, 0.0, 1.0, 0.0])] == [1.0]
    assert record.result == {"proposer": 0.0, "solver": 0.5} and record.ending is Ending.OK


def test_pairs_need_both_values(play: Playing) -> None:
    record = duel(play, free("x+y=12; x-y=4", "x-y=4; x+y=12"), ["8 4", "4 8", "8", "<answer>8, 4</answer>"], "pair")
    assert earned(record, "solver") == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("proposal", "kind", "why"),
    [
        ("(x-2)*(x-3)=0", "twice", "two solutions"),
        ("2*x=7", "once", "no solution"),
        ("x-x=0", "twice", "two solutions"),
        ("x+30=1", "once", "no solution"),
        ("3*x+4=19", "twice", "not the kind"),
        ("x+y=5;x-y=1;x=3", "pair", "not the kind"),
        ("y+y=4", "pair", "not the kind"),
    ],
)
def test_what_is_no_valid_problem_costs(play: Playing, proposal: str, kind: str, why: str) -> None:
    record = duel(play, proposal, ["0"], kind)
    (move,) = record.moves
    if move.reward is None:
        assert "held out" in str(move.why_masked) and Equations("".join(proposal.split())).held_out
    else:
        assert move.reward == -1.0 and why in str(move.foul), move.foul


def test_the_last_condition_is_really_tested(play: Playing) -> None:
    fouls = [move.foul for text in ("2*x=7", "2*x=9", "2*x=11") for move in duel(play, text, ["0"]).moves]
    assert any("no solution" in str(foul) for foul in fouls)


@pytest.mark.parametrize(
    "text",
    ["", "x", "3*x", "x=1=2", "x==1", "x<3", "x**2=4", "x^2=4", "x/2=3", "z=1", "9" * 60 + "=x", "x=", "import os=x",
     "(((((((((((x)=1", "__import__('os')=x", "x=1;", "x=\uff11", "x//2=1", "()=x", "*x=1"],
)  # fmt: skip
def test_proposals_outside_the_language_are_fouls(play: Playing, text: str) -> None:
    with pytest.raises(Foul):
        Equations.parse(text)
    record = duel(play, text, ["1"])
    assert earned(record, "proposer") == [0.0] and record.ending is Ending.FOUL


def test_answers_are_one_or_two_numbers() -> None:
    assert read_values(" 8, 4 ") == (8, 4) and read_values("7") == (7,)
    for text in ("", "x=5", "-3", "1 2 3", "5.0", "\u0665", "99999"):
        with pytest.raises(Foul):
            read_values(text)


def test_held_out_problems_teach_nobody(play: Playing) -> None:
    held = exam_equations("once", 20, 1)[0]
    record = duel(play, held.text, ["1"])
    assert [move.why_masked for move in record.moves] == ["held out for the exam"]
    asked = play(AlgebraDuel(attempts=1), {"solver": ["1"]}, task={"equations": held.text})
    assert [move.learn for move in asked.moves] == [False]
    shown = {demo.messages[-1].text for demo in islice(AlgebraDuel().demos(random.Random(1)), 400)}
    exam = AlgebraDuel().exam()
    tasks = {task["equations"] for level in exam.levels.values() for task in level}  # type: ignore[index, call-overload]
    assert len(tasks) == 300 and not tasks & shown


@pytest.mark.parametrize("kind", KINDS)
def test_demonstrations_are_right(play: Playing, kind: str) -> None:
    game = AlgebraDuel(kinds=(kind,), attempts=1)
    for demo in islice(game.demos(random.Random(2)), 12):
        if demo.role == "solver":
            record = play(game, {"solver": [demo.reply]}, task={"equations": demo.messages[-1].text})
            assert earned(record, "solver") == [1.0]
        else:
            assert demo.messages[-1].text == WISHES[kind] and Equations.parse(demo.reply).kind == kind


def test_the_exact_bot_solves_everything(play: Playing) -> None:
    for kind in KINDS:
        record = play(AlgebraDuel(kinds=(kind,)), bots={"proposer": "random", "solver": "exact"}, seed=4)
        assert set(earned(record, "solver")) == {1.0} and earned(record, "proposer") == [0.0]


def test_it_keeps_the_rules() -> None:
    report = check_game(AlgebraDuel(kinds=KINDS, attempts=2, exam_size=5), seeds=4)
    assert report.ok, report.findings


def test_wrong_settings_and_tasks_say_what_is_wrong(play: Playing) -> None:
    for settings, words in [
        ({"highest": 0}, "1 to 99"),
        ({"kinds": ()}, "once"),
        ({"reward": "bands"}, "did you mean"),
    ]:
        with pytest.raises(UsageError, match=words):
            AlgebraDuel(**settings)
    with pytest.raises(UsageError, match="is no problem"):
        Equations.from_task({"equations": "import os"})
