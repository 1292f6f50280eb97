"""Countdown's rules, with replies written down; what its exam, demonstrations and bots promise."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from selfplay.envs.arithmetic import Expression
from selfplay.envs.countdown import Countdown
from selfplay.envs.puzzles import Puzzle
from selfplay.errors import UnknownName, UsageError
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]

WITNESS = "7+3*5"
PUZZLE = Puzzle((3, 5, 7), 22)


def facts(record: MatchRecord, kind: str) -> list[dict[str, object]]:
    return [fact.data for fact in record.facts if fact.kind == kind]


def notes(record: MatchRecord) -> dict[str, object]:
    return {key: value for note in facts(record, "note") for key, value in note.items()}


def test_answers_are_rewarded_by_arithmetic_and_the_proposal_by_learnability(play: Playing) -> None:
    game = Countdown(attempts=4, sizes=[3])
    record = play(game, {"proposer": [WITNESS], "solver": ["3*5+7", "3+5+7", "5*3+7", "22"]})
    proposal, *answers = record.moves
    assert record.ending is Ending.OK and record.error is None
    assert [answer.reward for answer in answers] == [1.0, 0.0, 1.0, 0.0]
    assert proposal.reward == pytest.approx(4 * 2 * 2 / (4 * 3))
    assert record.result == {"proposer": 0.0, "solver": 0.5}
    assert notes(record) == {"size": 3, "target": 22, "solve_rate": 0.5, "times": 0.5}
    (published,) = facts(record, "publish")
    assert published["item"] == {"numbers": [3, 5, 7], "target": 22}
    assert (published["source"], published["solved"], published["of"]) == ("pool", 2, 4)


def test_fouls_among_the_answers_count_as_wrong(play: Playing) -> None:
    record = play(Countdown(attempts=2, sizes=[3]), {"proposer": [WITNESS], "solver": ["no idea", "3*5+7"]})
    _, wrong, right = record.moves
    assert (wrong.foul is None, wrong.reward, right.reward) == (False, 0.0, 1.0)
    assert record.result == {"proposer": 0.0, "solver": 0.5}


def test_players_may_think_first(play: Playing) -> None:
    replies = {"proposer": [f"Hm. <answer>{WITNESS}</answer>"], "solver": ["3*5 is 15. <answer>3*5+7</answer>"]}
    record = play(Countdown(attempts=1, sizes=[3]), replies)
    assert record.result == {"proposer": 0.0, "solver": 1.0}
    (secret,) = facts(record, "secret")
    assert secret == {"seat": "proposer", "text": WITNESS}


def test_solvers_see_numbers_in_order_and_never_the_witness(play: Playing) -> None:
    replies = Replies({"proposer": [WITNESS], "solver": ["1"] * 2})
    play(Countdown(attempts=2, sizes=[3]), replies)
    asked = {request.role: request for request in replies.requests}
    assert asked["proposer"].messages[-1].text == "Expression over 3 numbers:"
    seen = [message.text for message in asked["solver"].conversation()]
    assert seen[-1] == "Numbers: 3 5 7 Target: 22"
    assert not any(WITNESS in text for text in seen)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("3*5", "2 numbers"),
        ("3+4+5+6", "4 numbers"),
        ("3+10+4", "10 is above 9"),
        ("3-5-7", "-9"),
        ("9*9*9*9", "4 numb"),
    ],
)
def test_a_proposal_that_was_not_asked_for_is_a_foul_and_nobody_answers_it(play: Playing, reply: str, why: str) -> None:
    record = play(Countdown(sizes=[3]), {"proposer": [reply]})
    (proposal,) = record.moves
    assert proposal.foul is not None and why in proposal.foul
    assert (proposal.reward, record.result, record.error) == (0.0, None, None)


def test_targets_have_a_limit(play: Playing) -> None:
    record = play(Countdown(sizes=[4]), {"proposer": ["9*9*9*9"]})
    assert record.moves[0].foul == "the value 6561 is not in 0 to 999"


def test_an_unreadable_proposal_ends_the_match_in_order(play: Playing) -> None:
    record = play(Countdown(), {"proposer": ["let me think"]})
    assert (record.ending, record.forfeit, record.moves[0].reward) == (Ending.FOUL, "proposer", 0.0)


def test_the_naive_proposer_chooses_its_size(play: Playing) -> None:
    game = Countdown(assign_size=False, attempts=1)
    replies = Replies({"proposer": ["1+2+3+4+5"], "solver": ["5+4+3+2+1"]})
    record = play(game, replies)
    assert replies.requests[0].messages[-1].text == "Your expression:"
    assert notes(record)["size"] == 5
    assert play(game, {"proposer": ["1+2"]}).moves[0].foul == "2 numbers, not 3 or 4 or 5"


def test_sizes_are_all_asked_for(play: Playing) -> None:
    sizes = Counter()
    for seed in range(60):
        record = play(Countdown(), {"proposer": ["?"]}, seed=seed)
        sizes[record.moves[0].messages[-1].text] += 1
    assert set(sizes) == {f"Expression over {n} numbers:" for n in (3, 4, 5)} and min(sizes.values()) > 8


def test_a_target_rate_replaces_learnability(play: Playing) -> None:
    game = Countdown(attempts=4, sizes=[3], target_rate=0.75)
    record = play(game, {"proposer": [WITNESS], "solver": ["3*5+7", "1", "1", "1"]})
    assert record.moves[0].reward == pytest.approx(1 - abs(0.25 - 0.75))


def test_a_task_is_answered_without_a_proposer(play: Playing) -> None:
    record = play(Countdown(attempts=2), {"solver": ["3*5+7", "7"]}, task=PUZZLE.task())
    assert [move.role for move in record.moves] == ["solver", "solver"]
    assert record.result == {"proposer": 0.0, "solver": 0.5}


@pytest.mark.parametrize("task", [{}, {"numbers": [], "target": 1}, {"numbers": "345", "target": 1}, [3], "x",
                                  {"numbers": [3, True], "target": 4}, {"numbers": [3, 4]}])  # fmt: skip
def test_a_task_that_is_no_puzzle_is_explained(play: Playing, task: object) -> None:
    record = play(Countdown(), task=task)
    assert record.ending is Ending.ERROR and "is no Countdown puzzle" in (record.error or "")


def a_held_out_witness() -> Expression:
    rng = random.Random(0)
    while True:
        witness = Expression.parse("+".join(str(rng.randint(1, 9)) for _ in range(3)))
        if Puzzle.of(witness).held_out:
            return witness


def test_nobody_is_trained_on_a_held_out_puzzle(play: Playing) -> None:
    witness = a_held_out_witness()
    proposed = play(Countdown(sizes=[3]), {"proposer": [witness.text]})
    assert [(move.reward, move.why_masked) for move in proposed.moves] == [(None, "held out for the exam")]
    given = play(Countdown(attempts=2), {"solver": ["1", witness.text]}, task=Puzzle.of(witness).task())
    assert [move.learn for move in given.moves] == [False, False]
    assert given.result == {"proposer": 0.0, "solver": 0.5}


def test_the_exam_is_held_out_solvable_distinct_and_always_the_same() -> None:
    exam = Countdown().exam()
    assert {level: len(tasks) for level, tasks in exam.levels.items()} == {"3": 150, "4": 150, "5": 150}
    assert exam == Countdown(attempts=3, assign_size=False, novelty=0.0).exam()
    for level, tasks in exam.levels.items():
        puzzles = [Puzzle.from_task(task) for task in tasks]
        assert len(set(puzzles)) == len(puzzles)
        assert all(puzzle.held_out and len(puzzle.numbers) == int(level) for puzzle in puzzles)
    assert exam.levels["3"][0] == {"numbers": [1, 2, 3], "target": 6}  # the same on every machine


def test_the_exhaustive_bot_passes_the_whole_exam(play: Playing) -> None:
    exam = Countdown().exam()
    game = Countdown(**exam.settings)
    for tasks in exam.levels.values():
        for task in tasks:
            record = play(game, bots={"solver": "exhaustive", "proposer": "random"}, task=task)
            assert record.result == {"proposer": 0.0, "solver": 1.0}


def test_bots_play_whole_matches(play: Playing) -> None:
    results = []
    for seed in range(30):
        record = play(Countdown(), bots={"solver": "random", "proposer": "random"}, seed=seed)
        assert record.ending is Ending.OK and all(move.foul is None for move in record.moves)
        assert len(record.moves) == 9, "a random proposal is never held out"
        results.append((record.result or {})["solver"])
    assert 0.0 < sum(results) < 15.0
    solved = play(Countdown(), bots={"solver": "exhaustive", "proposer": "exhaustive"})
    assert (solved.result, solved.moves[0].reward) == ({"proposer": 0.0, "solver": 1.0}, 0.0)


def test_demonstrations_are_legal_and_never_held_out(play: Playing) -> None:
    game = Countdown()
    demos = list(islice(game.demos(random.Random(3)), 600))
    assert Counter(demo.role for demo in demos) == {"proposer": 150, "solver": 450}
    asked = Counter(demo.messages[-1].text for demo in demos if demo.role == "proposer")
    assert set(asked) == {"Your expression:", *(f"Expression over {n} numbers:" for n in (3, 4, 5))}
    for demo in demos:
        expression = game.roles[demo.role].parse(demo.reply)
        assert not Puzzle.of(expression).held_out
        if demo.role == "solver":
            assert demo.messages[-1].text == Puzzle.of(expression).text()


def test_demonstrations_show_what_players_will_see(play: Playing) -> None:
    game = Countdown(sizes=[3], attempts=1)
    replies = Replies({"proposer": [WITNESS], "solver": ["1"]})
    play(game, replies)
    seen = {request.role: tuple(request.conversation()) for request in replies.requests}
    assert seen["proposer"] == game.proposer.demo("Expression over 3 numbers:", WITNESS).messages
    assert seen["solver"] == game.solver.demo(PUZZLE.text(), "").messages


def test_equal_proposals_pay_for_it(play: Playing) -> None:
    game = Countdown(attempts=2, sizes=[3], novelty=0.5)
    texts = [WITNESS, "5*3+7", "2+2+4", "???"]
    assert not Puzzle.of(Expression.parse("2+2+4")).held_out
    records = [play(game, {"proposer": [text], "solver": ["3*5+7", "1"]}) for text in texts]
    edits = list(game.settle(records))
    assert [(edit.match, edit.move, edit.reward) for edit in edits] == [
        (record.id, "0", pytest.approx(2.0 - 0.5 * 0.5)) for record in records[:2]
    ]
    assert list(Countdown().settle([])) == []


def test_settings_have_names_and_bounds() -> None:
    assert Countdown(sizes=[6], highest=25).settings()["sizes"] == [6]
    with pytest.raises(UnknownName, match="did you mean 'attempts'"):
        Countdown(attempt=3)
    for wrong in ({"attempts": 0}, {"sizes": []}, {"sizes": [1]}, {"sizes": [9]}, {"highest": 1}, {"target_rate": 2.0}):
        (name,) = wrong
        with pytest.raises(UsageError, match=rf"countdown\.{name} = .*expected"):
            Countdown(**wrong)
