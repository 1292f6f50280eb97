"""Autoformalize: which contracts say what the words say, what segments earn, where a reply ends."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from selfplay.check import check_game
from selfplay.envs.autoformalize import ARROW, Autoformalize, slip
from selfplay.envs.described_functions import KINDS, Described, described, fixed
from selfplay.envs.short_contracts import Contract
from selfplay.errors import UsageError
from selfplay.learning.returns import bounded_returns
from selfplay.sandbox.checkers import Pool
from selfplay.types import MatchRecord, Outcome, Verdict

Playing = Callable[..., MatchRecord]
LARGER = {"words": "the larger of a and b plus 1", "solution": "max(a,b+1)"}
FAITHFUL = "result>=a;result>=b+1;result==a or result==b+1"


def notes(record: MatchRecord) -> dict[str, Any]:
    return {name: value for fact in record.facts if fact.kind == "note" for name, value in fact.data.items()}


def faithful(contract: str) -> bool:
    one = Described.from_task(LARGER)
    with Pool(1) as pool:
        found = pool.check_many([one.meets(Contract.parse(contract)), one.is_all_of(Contract.parse(contract))])
    return all(verdict.outcome is Outcome.PASS for verdict in found)


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (FAITHFUL, True),
        ("result==max(a,b+1)", True),
        ("result>=a;result>=b+1", False),  # says less: any larger number will do
        (f"{FAITHFUL};result>0", False),  # says more
        ("result>a;result<a", False),  # nothing meets it
        ("1//result==1", False),  # has no value where the result is 0
        ("result==max(a,b+1", False),
        ("other==result", False),  # a name of ours
    ],
)
def test_a_contract_is_faithful_if_it_says_no_less_and_no_more(contract: str, said: bool) -> None:
    assert faithful(contract) is said


def test_generated_contracts_are_faithful() -> None:
    rng = random.Random(1)
    made = [described(rng, kind) for kind in KINDS for _ in range(3)]
    claims = [claim(Contract.parse(one.contract)) for one in made for claim in (one.meets, one.is_all_of)]
    with Pool(1) as pool:
        assert {found.outcome for found in pool.check_many(claims)} == {Outcome.PASS}


def test_descriptions_of_the_exam_are_never_demonstrated() -> None:
    held_out = {one.words for kind in KINDS for one in fixed(kind, 40, held_out=True)}
    demos = list(itertools.islice(Autoformalize().demos(random.Random(0)), 1500))
    assert not held_out & {demo.messages[-1].text for demo in demos}
    replies = [demo.reply.split(ARROW) for demo in demos]
    assert {tuple(parts[1::2]) for parts in replies} == {("right",), ("wrong", "right")}
    assert all(Contract.parse(parts[i]).ensures for parts in replies for i in range(0, len(parts), 2))


def test_a_slip_is_never_the_contract_itself() -> None:
    rng = random.Random(2)
    for _ in range(300):
        contract = described(rng, rng.choice(list(KINDS))).contract
        assert slip(contract, rng) != contract


def test_segments_earn_for_the_contract_and_for_what_is_said_of_it(play: Playing) -> None:
    replies = ["result==a=>", "wrong=>", f"{FAITHFUL}=>", "right"]
    record = play(Autoformalize(attempts=1), {"formalizer": replies}, task=LARGER)
    assert [(move.tag, move.reward) for move in record.moves] == [
        ("statement", 0.0), ("critique", 0.5), ("statement", 1.0), ("critique", 0.5),
    ]  # fmt: skip
    assert record.moves[1].parent is record.moves[0] and not record.moves[1].messages
    assert record.result == {"formalizer": 1.0}
    assert notes(record) == {"faithful": 1.0, "first": 0.0, "critic": 1.0, "accepts": 0.5, "statements": 2.0}
    returns = bounded_returns(record.moves, 1.0, -1.0, 1.0)
    assert list(returns.values()) == [0.5, 1.0, 1.0, 1.0]


def test_who_always_accepts_loses_by_it(play: Playing) -> None:
    record = play(Autoformalize(attempts=1), {"formalizer": ["result==a=>", "right=>"]}, task=LARGER)
    assert [move.reward for move in record.moves] == [0.0, -0.5]
    record = play(Autoformalize(attempts=1, critique=0.0), {"formalizer": ["result==a=>", "right=>"]}, task=LARGER)
    assert [move.reward for move in record.moves] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("replies", "segments"),
    [
        ([FAITHFUL], 1),  # no arrow: the reply is over
        ([f"{FAITHFUL}=>", "wrong"], 2),
        ([f"{FAITHFUL}=>", "perhaps=>"], 2),
        (["x=>", "wrong=>", "y=>", "wrong=>"], 4),  # two rounds, no more
    ],
)
def test_where_a_reply_ends(play: Playing, replies: list[str], segments: int) -> None:
    record = play(Autoformalize(attempts=1), {"formalizer": replies}, task=LARGER)
    assert len(record.moves) == segments and record.error is None


def test_one_round_is_one_pass(play: Playing) -> None:
    record = play(Autoformalize(attempts=1, rounds=1), {"formalizer": [f"{FAITHFUL}=>", "wrong=>"]}, task=LARGER)
    assert len(record.moves) == 2 and record.result == {"formalizer": 1.0}


def test_a_precondition_is_not_in_the_words(play: Playing) -> None:
    record = play(Autoformalize(attempts=1), {"formalizer": [f"a>b|{FAITHFUL}"]}, task=LARGER)
    assert record.result == {"formalizer": 0.0} and record.moves[0].reward == 0.0


def test_what_cannot_be_told_masks_what_depends_on_it(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(claim: Any) -> Verdict:
        return Verdict(Outcome.UNDECIDED, status="UNKNOWN")

    monkeypatch.setattr("selfplay.envs.autoformalize.Proofs", lambda: silent)
    record = play(Autoformalize(attempts=1), {"formalizer": ["result==a=>", "right=>"]}, task=LARGER)
    assert [move.reward for move in record.moves] == [None, None]
    assert "critic" not in notes(record)


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(Autoformalize(attempts=2, exam_size=2), seeds=6).findings


def test_the_exact_bot_passes_the_exam(play: Playing) -> None:
    game = Autoformalize(attempts=1)
    for kind, tasks in game.exam().levels.items():
        assert play(game, bots={"formalizer": "exact"}, task=tasks[0]).result == {"formalizer": 1.0}, kind


def test_tasks_and_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(UsageError, match="describes no function"):
        Described.from_task({"words": 3})
    with pytest.raises(UsageError, match="rounds = 0: expected at least 1"):
        Autoformalize(rounds=0)
