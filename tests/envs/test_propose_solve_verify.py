"""Propose, solve, verify: what enters the pool, what a verdict earns, and what unsound verifiers let in."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from selfplay.check import check_game
from selfplay.envs.contract_families import FAMILIES, LEVELS, fixed, sample, starting
from selfplay.envs.propose_solve_verify import POOL, ProposeSolveVerify, body
from selfplay.envs.short_contracts import Contract
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.sandbox.checkers import Pool, ProofStatus
from selfplay.types import MatchRecord, Outcome, Verdict

Playing = Callable[..., MatchRecord]
LARGER = {"contract": "result>=a;result>=b;result==a or result==b"}
WISH = {"wanted": "hard", "examples": [{"label": "easy", "item": {"contract": "result-3==a"}}]}
ROOT = """r = 0
while (r + 1) * (r + 1) <= a:
    invariant(0 <= r, r * r <= a)
    decreases(a - r)
    r += 1
return r"""


def notes(record: MatchRecord, name: str) -> list[Any]:
    return [fact.data[name] for fact in record.facts if fact.kind == "note" and name in fact.data]


def published(record: MatchRecord) -> list[tuple[Any, ...]]:
    facts = [fact.data for fact in record.facts if fact.kind == "publish"]
    assert all(fact["source"] == POOL for fact in facts)
    return [(fact["key"], fact["solved"], fact["of"]) for fact in facts]


def rewards(record: MatchRecord, role: str = "solver") -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


# ------------------------------------------------------------------- contracts


def test_needless_spaces_make_no_new_contract() -> None:
    contract = Contract.parse(" b <= c | result >= b ;result == a  or result == b; ")
    assert contract == Contract(("b<=c",), ("result>=b", "result==a or result==b"))
    assert contract.text == "b<=c|result>=b;result==a or result==b"
    assert Contract.from_task(contract.task()) == contract


@pytest.mark.parametrize("text", ["", " \n", "x" * 500, "result==a\nimport os", "result==\u0430"])
def test_what_is_not_one_plain_line_is_a_foul(text: str) -> None:
    with pytest.raises(Foul):
        Contract.parse(text)


def test_a_contract_is_the_same_whatever_its_variables_are_called() -> None:
    def canonical(text: str) -> str:
        return Contract.parse(text).canonical

    assert canonical("result+3==a+b") == canonical("result + 3 == c+a") == "result+3==x+y"
    assert canonical("result==a+a") != canonical("result==a+b")
    assert canonical("result==a+1") != canonical("result==a+2")


def test_held_out_starting_and_demonstrated_contracts_are_apart() -> None:
    held_out = {one.contract.canonical for level in LEVELS for one in fixed(level, 40, held_out=True)}
    first = starting(60)
    assert len({one.contract.text for one in first}) == 60
    demos = itertools.islice(ProposeSolveVerify().demos(random.Random(0)), 2000)
    told = {Contract.parse(d.messages[-1].text if d.role == "solver" else d.reply).canonical for d in demos}
    assert not held_out & (told | {one.contract.canonical for one in first})
    assert all(len(fixed(level, 40, held_out=True)) == 40 for level in LEVELS)


def test_generated_solutions_are_proved_and_contracts_worth_posing() -> None:
    rng = random.Random(3)
    made = [Contract.parse(text) for level in LEVELS for family in FAMILIES[level] for text, _ in [family(rng)]]
    solutions = [sample(rng, level) for level in LEVELS]
    claims = [contract.worth_posing() for contract in made]
    claims += [one.contract.met_by(body(f"return {one.solution}")) for one in solutions]
    with Pool(1) as pool:
        assert {found.status for found in pool.check_many(claims)} == {ProofStatus.PROVED}


def test_generated_solutions_survive_many_inputs() -> None:
    rng = random.Random(4)
    drawn = [sample(rng, level, held_out=rng.random() < 0.5) for level in LEVELS for _ in range(60)]
    claims = [one.contract.met_by(body(f"return {one.solution}"), checker="random_tests") for one in drawn]
    with Pool(1) as pool:
        wrong = [
            one for one, found in zip(drawn, pool.check_many(claims), strict=True) if found.reason != "60 tests passed"
        ]
    assert not wrong


# ------------------------------------------------------------------------ game


def test_it_keeps_the_rules_of_games() -> None:
    small = ProposeSolveVerify(attempts=2, proposals=2, tries=2, exam_size=2)
    assert not check_game(small, seeds=6, tasks=(None, WISH)).findings


def test_proved_solutions_earn_one_and_refuted_ones_nothing(play: Playing) -> None:
    game = ProposeSolveVerify(attempts=4)
    record = play(
        game, {"solver": ["return max(a, b)", "def f(a, b, c):\n    return a", "import os", "``` x"]}, task=LARGER
    )
    assert rewards(record) == [1.0, 0.0, 0.0, 0.0]
    assert published(record) == [(LARGER["contract"], 1.0, 4)]
    assert record.result == {"proposer": 0.0, "solver": 0.25}


def test_a_loop_is_proved_with_its_invariant_and_undecided_without(play: Playing) -> None:
    """What could not be proved teaches nothing and counts as unsolved."""
    task = {"contract": "a>=0|0<=result;result*result<=a<(result+1)*(result+1)"}
    weak = ROOT.replace("    invariant(0 <= r, r * r <= a)\n", "    invariant(r == r)\n")
    record = play(ProposeSolveVerify(attempts=2), {"solver": [ROOT, weak]}, task=task)
    assert rewards(record) == [1.0, None]
    assert notes(record, "undecided") == [0.5] and published(record)[0][1:] == (1.0, 2)


def test_only_contracts_worth_posing_enter_the_pool(play: Playing) -> None:
    held_out = fixed(3, 1, held_out=True)[0].contract.text
    proposals = [
        "result==a+2",
        "result==result",
        "result>a;result<a",
        "a>b;a<b|result==1",
        "1//a==result",
        "",
        held_out,
    ]
    record = play(ProposeSolveVerify(proposals=7), {"proposer": proposals}, task=WISH)
    assert published(record) == [("result==a+2", None, None)]
    assert rewards(record, "proposer") == [None, 0.0, 0.0, 0.0, 0.0, 0.0, None]
    blame = [fact.data["blame"] for fact in record.facts if fact.kind == "check" and fact.data["outcome"] != "pass"]
    assert blame == ["proposer"] * 4
    assert notes(record, "valid") == [pytest.approx(1 / 7)]


def test_the_proposer_is_told_difficulties_or_not(play: Playing) -> None:
    asked = [
        play(ProposeSolveVerify(proposals=1, labels=labels), {"proposer": ["result==a"]}, task=WISH)
        .moves[0]
        .messages[-1]
        for labels in (True, False)
    ]
    assert [message.text for message in asked] == ["easy result-3==a\nhard", "result-3==a\nanother"]


def test_with_tries_a_proposer_is_paid_for_what_is_solved_now_and_then(play: Playing) -> None:
    game = ProposeSolveVerify(proposals=1, tries=2)
    record = play(game, {"proposer": ["result==a+2"], "solver": ["return a+2", "return b"]}, task=WISH)
    assert rewards(record, "proposer") == [2.0]  # 4p(1-p), without bias from two
    assert published(record) == [("result==a+2", 1.0, 2)] and notes(record, "rate_hard") == [0.5]


@pytest.mark.parametrize(
    ("verifier", "earned", "clean"),
    [("proof", [1.0, 0.0], []), ("tests", [1.0, 1.0], [1.0, 0.0]), ("none", [1.0, 1.0], [1.0, 0.0])],
)
def test_unsound_verifiers_let_wrong_solutions_in_and_it_is_noted(
    play: Playing, verifier: str, earned: list[float], clean: list[float]
) -> None:
    game = ProposeSolveVerify(attempts=2, verifier=verifier, tests=3)
    replies = {"solver": ["return a+1", "return a+1 if a<90000 else 0"]}
    record = play(game, replies, task={"contract": "result==a+1"})
    assert rewards(record) == earned and notes(record, "accepted_right") == clean


def test_trouble_with_the_machine_is_no_failure(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(claim: Any) -> Verdict:
        return Verdict(Outcome.NO_VERDICT, status="CRASH")

    monkeypatch.setattr("selfplay.envs.propose_solve_verify.Proofs", lambda: crashes)
    record = play(ProposeSolveVerify(attempts=2), {"solver": ["return 1", ""]}, task=LARGER)
    assert rewards(record) == [None, 0.0] and published(record) == [(LARGER["contract"], 0.0, 1)]
    record = play(ProposeSolveVerify(attempts=1), {"solver": ["return 1"]}, task=LARGER)
    assert not published(record) and record.result is None


def test_without_a_task_a_starting_contract_is_solved(play: Playing) -> None:
    record = play(ProposeSolveVerify(attempts=1), bots={"proposer": "random", "solver": "knowing"})
    assert record.result == {"proposer": 0.0, "solver": 1.0}
    assert published(record)[0][0] in {one.contract.text for one in starting(60)}


def test_the_exam_is_proved_and_publishes_nothing(play: Playing) -> None:
    exam = ProposeSolveVerify(verifier="none").exam()
    assert list(exam.levels) == ["1", "2", "3", "4", "5"]
    game = ProposeSolveVerify(**{"verifier": "none", **exam.settings})
    record = play(game, {"solver": ["return 7"]}, task=exam.levels["3"][0])
    assert record.result == {"proposer": 0.0, "solver": 0.0} and not published(record) and not record.moves[0].learn


def test_tasks_that_are_none_and_settings_out_of_range_are_named() -> None:
    with pytest.raises(UsageError, match="is no contract"):
        Contract.from_task({"sum": 3})
    with pytest.raises(UsageError, match="attempts = 0: expected at least 1"):
        ProposeSolveVerify(attempts=0)
