"""Multiplication's rules with replies written down: every label, both band rules, what is masked, what is held out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from selfplay.envs.countdown_votes import CountdownVotes
from selfplay.envs.multiplication import Multiplication, Product, fixed_products, random_product
from selfplay.errors import UsageError
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord, Sampling

Playing = Callable[..., MatchRecord]
RIGHT = "1234"  # 617*2


def facts(record: MatchRecord, kind: str) -> list[dict[str, object]]:
    return [fact.data for fact in record.facts if fact.kind == kind]


def notes(record: MatchRecord) -> dict[str, object]:
    return {key: value for note in facts(record, "note") for key, value in note.items()}


def propose(play: Playing, answers: list[str], labeller: list[str] | None = None, **settings: object) -> MatchRecord:
    replies = {"proposer": ["617*2"], "solver": answers, "labeller": labeller or []}
    return play(Multiplication(attempts=len(answers), **settings), replies)


def earned(record: MatchRecord, role: str = "solver") -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def test_the_majority_is_the_answer_key_even_where_it_is_wrong(play: Playing) -> None:
    record = propose(play, ["1224", "1224", RIGHT, "1224"])
    assert record.ending is Ending.OK
    assert earned(record) == [1.0, 1.0, 0.0, 1.0]
    assert record.result == {"proposer": 0.0, "solver": 0.25, "labeller": 0.0}, "results tell the truth"
    assert notes(record) == {"solve_rate": 0.25, "vote_share": 0.75, "label_right": 0.0, "label_gap": 0.5}
    assert [move.keep for move in record.moves] == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("answers", "formula", "code"),
    [
        (["1", "2", "3", "4"], 1.0, 0.0),  # count = 1: the trap
        (["1", "1", "3", "4"], 1.0, 1.0),
        (["1", "1", "1", "4"], 1.0, 1.0),
        (["1", "1", "1", "1"], 0.0, 0.0),
        (["?", "?", "?", "?"], 0.0, 0.0),  # None never wins
        (["?", "?", "?", "4"], 1.0, 0.0),
    ],
)
def test_both_band_rules(play: Playing, answers: list[str], formula: float, code: float) -> None:
    assert earned(propose(play, answers, band="formula"), "proposer") == [formula]
    assert earned(propose(play, answers, band="code"), "proposer") == [code]


def test_unreadable_answers_never_win(play: Playing) -> None:
    record = propose(play, ["well", "hm", "dunno", "5"])
    assert earned(record) == [0.0, 0.0, 0.0, 1.0]
    assert notes(record)["vote_share"] == 0.25


def test_ties_and_thresholds(play: Playing) -> None:
    tied = [RIGHT, "7", "7", RIGHT]
    assert earned(propose(play, tied)) == [1.0, 0.0, 0.0, 1.0]
    for record in (propose(play, tied, ties="nobody"), propose(play, tied, threshold=0.6)):
        assert earned(record) == [None] * 4 and earned(record, "proposer") == [None]
        assert not any(move.keep for move in record.moves) and not facts(record, "prefer")
        assert "label_right" not in notes(record)


def test_the_oracle_and_the_format(play: Playing) -> None:
    answers = ["1224", "1224", RIGHT, "?"]
    assert earned(propose(play, answers, labels="exact")) == [0.0, 0.0, 1.0, 0.0]
    assert earned(propose(play, answers, labels="format")) == [1.0, 1.0, 1.0, 0.0]


def test_a_large_enough_share_is_right_whether_the_majority_or_not(play: Playing) -> None:
    answers = ["7", "7", "7", RIGHT, RIGHT, "8", "?", "7"]
    for threshold, expected in ((0.25, [1, 1, 1, 1, 1, 0, 0, 1]), (0.5, [1, 1, 1, 0, 0, 0, 0, 1]), (0.6, [0] * 8)):
        record = propose(play, answers, labels="share", threshold=threshold)
        assert earned(record) == expected and (record.result or {})["solver"] == 0.25
        assert [move.keep for move in record.moves if move.role == "solver"] == [bool(each) for each in expected]
        assert notes(record)["scores"] == [0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.0, 0.5]
        assert notes(record)["correct"] == [each == RIGHT for each in answers]


def test_frozen_labels_come_from_the_labeller_who_never_learns(play: Playing) -> None:
    record = propose(play, ["1224", "1224", "1224", RIGHT], labeller=[RIGHT, RIGHT, "9", "?"], labels="frozen")
    assert earned(record) == [0.0, 0.0, 0.0, 1.0]
    assert not any(move.learn for move in record.moves if move.role == "labeller")
    assert notes(record)["label_right"] == 1.0 and notes(record)["label_gap"] == 0.0
    assert notes(record)["vote_share"] == 0.75, "of the solvers' own answers"


def test_a_labeller_that_says_nothing_labels_nothing(play: Playing) -> None:
    record = propose(play, [RIGHT, "1"], labeller=["?", "?"], labels="frozen")
    assert earned(record) == [None, None], "the truth must not slip in"


def test_hard_tasks_are_left_out(play: Playing) -> None:
    record = propose(play, ["1"] * 4, labeller=["1", "2", "1", "3"], easy=0.6)
    assert {move.role for move in record.moves} == {"proposer", "labeller"}
    assert (notes(record), record.result, earned(record, "proposer")) == ({"left_out": True}, None, [None])
    easy = propose(play, [RIGHT, "1", "1", "1"], labeller=[RIGHT, RIGHT, RIGHT, "3"], easy=0.6)
    assert notes(easy)["left_out"] is False
    assert earned(easy) == [0.0, 1.0, 1.0, 1.0], "easy chooses tasks; the labels are still the answers' own"


def test_most_voted_is_preferred_to_least_voted(play: Playing) -> None:
    (preferred,) = facts(propose(play, ["8", "7", "9", "7", "8", "7", "?", "7"]), "prefer")
    assert preferred == {"better": {"move": "1.1"}, "worse": {"move": "1.2"}, "weight": pytest.approx(3 / 8)}
    assert not facts(propose(play, ["7", "7"]), "prefer") and not facts(propose(play, ["7", "8"]), "prefer")


def test_only_so_many_right_answers_are_kept(play: Playing) -> None:
    record = propose(play, [RIGHT] * 5, labels="exact", keep=2)
    assert [move.keep for move in record.moves] == [False, True, True, False, False, False]


@pytest.mark.parametrize(
    ("reply", "why"), [("?", "two whole numbers"), ("61*2", "2 by 1 digits"), ("0*2", "two whole")]
)
def test_a_proposal_that_was_not_asked_for_teaches_nobody(play: Playing, reply: str, why: str) -> None:
    record = play(Multiplication(), {"proposer": [reply]})
    (proposal,) = record.moves
    assert why in (proposal.foul or "") and (proposal.reward, proposal.why_masked) == (None, "foul")
    assert (record.ending, record.result) == (Ending.OK, None)
    punished = play(Multiplication(invalid=-1.0), {"proposer": [reply]})
    assert earned(punished, "proposer") == [-1.0]


def test_nobody_is_trained_on_a_held_out_product(play: Playing) -> None:
    product = random_product(random.Random(0), (3, 1), held_out=True)
    record = play(Multiplication(), {"proposer": [f"{product.a} * {product.b}"]})
    assert [(move.reward, move.why_masked) for move in record.moves] == [(None, "held out for the exam")]
    given = play(Multiplication(attempts=2), {"solver": ["1", str(product.value)]}, task=list(product))
    assert [move.learn for move in given.moves] == [False, False]
    assert Product(12, 34).held_out == Product(34, 12).held_out


def test_fixed_prompts_need_no_proposer(play: Playing) -> None:
    game = Multiplication(prompts=5, attempts=2)
    asked = set()
    for seed in range(40):
        record = play(game, {"solver": ["1", "2"]}, seed=seed)
        assert {move.role for move in record.moves} == {"solver"}
        asked.add(record.moves[0].messages[-1].text)
    assert len(asked) == 5 and asked == {product.text() for product in fixed_products((3, 1), 5, held_out=False)}


def test_the_exam_is_held_out_distinct_and_asks_for_the_truth(play: Playing) -> None:
    exam = Multiplication(labels="frozen", easy=0.9, prompts=3).exam()
    assert exam == Multiplication().exam()
    products = [Product.from_task(task) for task in exam.levels["3x1"]]
    assert len(set(products)) == 200 and all(p.held_out and p.digits == (3, 1) for p in products)
    game = Multiplication(**{"labels": "frozen", **exam.settings})
    for product in products[:20]:
        record = play(game, bots={"solver": "calculator"}, task=list(product))
        assert record.result == {"proposer": 0.0, "solver": 1.0, "labeller": 0.0}


def test_fewer_products_than_wanted_are_all_there_are() -> None:
    found = fixed_products((1, 1), 1000, held_out=False)
    assert len(found) == len(set(found)) == sum(not Product(a, b).held_out for a in range(1, 10) for b in range(1, 10))


def test_a_task_that_is_no_product_is_explained(play: Playing) -> None:
    for task in ([3], "3*4", [3, -4], {"a": 3}):
        record = play(Multiplication(), task=task)
        assert record.ending is Ending.ERROR and "is no product" in (record.error or "")


def test_bots_play_whole_matches(play: Playing) -> None:
    for seed in range(20):
        record = play(Multiplication(digits=[2, 2]), bots={"solver": "calculator", "proposer": "random"}, seed=seed)
        assert (record.result or {})["solver"] == 1.0 and earned(record, "proposer") == [0.0]
        at_random = play(Multiplication(), bots={"solver": "random", "proposer": "random"}, seed=seed)
        assert all(move.foul is None for move in at_random.moves) and len(at_random.moves) == 9


def test_demonstrations_are_right_unless_errors_are_planted(play: Playing) -> None:
    game = Multiplication(careless=0.0)
    demos = list(islice(game.demos(random.Random(1)), 400))
    assert Counter(demo.role for demo in demos) == {"proposer": 100, "solver": 200, "labeller": 100}
    for demo in demos:
        asked = demo.messages[-1].text
        product = Product.parse(demo.reply if demo.role == "proposer" else asked.removesuffix("="))
        assert not product.held_out and product.digits == (3, 1)
        assert demo.role == "proposer" or int(demo.reply) == product.value
    careless = Multiplication(careless=0.3).demos(random.Random(1))
    pairs = [
        (str(Product.parse(demo.messages[-1].text.removesuffix("=")).value), demo.reply)
        for demo in islice(careless, 2000)
        if demo.role == "solver"
    ]
    assert all(len(right) == len(said) and said.isdigit() for right, said in pairs)
    wrong = [r != s for right, said in pairs for r, s in zip(right, said, strict=True)]
    assert sum(wrong) / len(wrong) == pytest.approx(0.3 * 0.9, abs=0.03)


def test_an_exam_may_be_answered_by_one_sample(play: Playing) -> None:
    game = Multiplication(exam_temperature=0.7, **Multiplication().exam().settings)
    replies = Replies({"solver": ["1", "2"]})
    play(game, replies, task=game.exam().levels["3x1"][0])
    play(game, replies, task=[617, 2])
    assert not Product(617, 2).held_out
    assert [request.sampling.temperature for request in replies.requests] == [0.7, Sampling().temperature]


def test_demonstrations_show_what_players_will_see(play: Playing) -> None:
    game = Multiplication(attempts=1, labels="frozen")
    replies = Replies({"proposer": ["617*2"], "solver": ["1"], "labeller": ["1"]})
    play(game, replies)
    seen = {request.role: tuple(request.conversation()) for request in replies.requests}
    assert seen["proposer"] == game.proposer.demo(game.wish(), "").messages
    assert seen["solver"] == seen["labeller"] == game.solver.demo("617*2=", "").messages


def test_settings_have_bounds() -> None:
    for wrong in (
        {"attempts": 0}, {"digits": [0, 1]}, {"threshold": 1.5}, {"easy": -1.0}, {"careless": 2.0}, {"keep": 0},
        {"prompts": -1}, {"exam_size": 0}, {"exam_temperature": -1.0},
    ):  # fmt: skip
        (name,) = wrong
        with pytest.raises(UsageError, match=rf"multiplication\.{name} = .*expected"):
            Multiplication(**wrong)
    with pytest.raises(UsageError, match="labels"):
        Multiplication(labels="guess")


def test_countdown_answers_agree_when_they_solve_the_same_puzzle(play: Playing) -> None:
    game = CountdownVotes(attempts=5, sizes=[3])
    replies = {"proposer": ["7+3*5"], "solver": ["3*5+7", "5*3+7", "3+5+7", "7+5*3", "(3+5+7)"]}
    record = play(game, replies)
    assert earned(record) == [1.0, 1.0, 0.0, 1.0, 0.0]
    assert (notes(record)["label_right"], notes(record)["vote_share"]) == (1.0, 0.6)
    wrong = play(game, {"proposer": ["7+3*5"], "solver": ["3+5+7", "7+3+5", "3*5+7", "1", "5+3+7"]})
    assert earned(wrong) == [1.0, 1.0, 0.0, 0.0, 1.0] and (wrong.result or {})["solver"] == 0.2


def test_countdown_votes_is_examined_like_countdown(play: Playing) -> None:
    exam = CountdownVotes(labels="frozen").exam()
    game = CountdownVotes(**{"labels": "frozen", **exam.settings})
    record = play(game, bots={"solver": "exhaustive"}, task=exam.levels["3"][0])
    assert record.result == {"proposer": 0.0, "solver": 1.0, "labeller": 0.0}
