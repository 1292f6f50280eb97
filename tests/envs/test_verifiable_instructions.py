"""Verifiable instructions: what is kept, what is dropped, who is paid; all programs run in the sandbox."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest

from selfplay.check import check_game
from selfplay.envs.verifiable_constraints import TABLE, Instruction, all_words, random_instruction
from selfplay.envs.verifiable_instructions import VerifiableInstructions
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.policies.bots import Replies
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.pool import CodePool, use_pool
from selfplay.types import Ending, MatchRecord, Outcome, Verdict

Playing = Callable[..., MatchRecord]

TASK = {"instruction": "at least 2 letters; starts with b"}
RIGHT = "len(r)>=2 and r[0]=='b'"
LOOSE = "len(r)>=2"
OPPOSITE = "r[0]=='a'"
BROKEN = "len(r"
CASES = ["bca yes", "ba yes", "b no", "ab no"]
READ = "at least 2 letters; starts with b"


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[CodePool]:
    pool = CodePool(lambda: LocalSandbox(workers=1))
    use_pool(pool)
    yield pool
    pool.close()


def played(
    play: Playing, functions: Sequence[str], cases: Sequence[str], responses: Sequence[str], read: Sequence[str] = (),
    **settings: Any,
) -> MatchRecord:  # fmt: skip
    counts = {"functions": len(functions), "cases": len(cases), "responses": len(responses) or 1}
    game = VerifiableInstructions(**{**counts, "measured": 0.0, **settings})
    replies = {"writer": functions, "tester": cases, "responder": responses, "translator": read}
    record = play(game, replies, task=TASK)
    assert record.ending is Ending.OK, record.error
    return record


def rewards(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def noted(record: MatchRecord) -> dict[str, Any]:
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}


def preferred(record: MatchRecord) -> list[tuple[str, str]]:
    texts = {move.id: move.text for move in record.moves}
    pairs = [fact.data for fact in record.facts if fact.kind == "prefer"]
    return [(texts[pair["better"]["move"]], texts[pair["worse"]["move"]]) for pair in pairs]


def test_programs_and_cases_verify_each_other_and_then_judge_responses(play: Playing) -> None:
    functions = [RIGHT, "r.startswith('b') and len(r) > 1", LOOSE, BROKEN, "no\nprogram"]
    responses = ["bb", "ab", "b", "bb?"]
    record = played(play, functions, [*CASES, "cc yes"], responses, [READ, READ, "at least 2 letters"])
    # more than half of the 4 programs agree with the first three cases, with which LOOSE agrees as well
    assert rewards(record, "writer") == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert rewards(record, "tester") == [1.0, 1.0, 1.0, 2 / 3, 1 / 3]
    assert rewards(record, "responder") == [1.0, 1 / 3, 0.0, 0.0]
    assert [move.keep for move in record.moves if move.role == "responder"] == [True, False, False, False]
    assert preferred(record)[-2:] == [("bb", "b"), ("bb", "bb?")]
    assert preferred(record)[:2] == [(RIGHT, BROKEN), (RIGHT, "no\nprogram")]
    facts = noted(record)
    assert (facts["usable"], facts["functions_kept"], facts["cases_kept"], facts["cases_right"]) == (1.0, 3, 3, 0.8)
    assert facts["responses_right"] == 0.25 == (record.result or {})["responder"]
    assert [move.learn for move in record.moves if move.role == "translator"] == [False] * 3


def test_the_released_rule_is_looser_for_cases_and_stricter_for_programs(play: Playing) -> None:
    functions, cases = [RIGHT, RIGHT, LOOSE], [*CASES, "cc yes"]
    paper = played(play, functions, cases, ["bb"], [READ, READ])
    code = played(play, functions, cases, ["bb", "ab"], [READ, READ], keep="code")
    assert (noted(paper)["functions_kept"], noted(paper)["cases_kept"]) == (3, 4)
    assert (noted(code)["functions_kept"], noted(code)["cases_kept"]) == (3, 5)
    assert [move.keep for move in code.moves if move.role == "responder"] == [True, True], "more than 0 is enough"
    strict = played(play, functions, cases, [], [READ, READ], keep="code", least_functions=3)
    assert noted(strict)["usable"] == 0.0, "two different ones are not three"
    assert not rewards(strict, "responder")


def test_a_program_that_is_read_as_something_else_is_dropped(play: Playing) -> None:
    functions = [RIGHT, LOOSE, "len(r)>1 and r[0]=='b'"]
    read = [READ, "at most 1 letters", "hm"]  # fine, a contradiction, and nobody can read it
    record = played(play, functions, CASES, ["bb"], read)
    assert rewards(record, "writer") == [1.0, 0.0, 0.0] and noted(record)["functions_kept"] == 1
    neutral = played(play, functions, CASES, ["bb"], [READ, "ends with c", READ])
    assert noted(neutral)["functions_kept"] == 3, "what does not contradict may stay"
    trusting = played(play, functions, CASES, ["bb"], [], back_translation=False)
    assert noted(trusting)["functions_kept"] == 3


def test_saying_yes_to_everything_pays_only_without_the_two_sided_rule(play: Playing) -> None:
    functions, cases, read = ["True"] * 3, ["a yes", "ab yes"], ["at least 2 letters"]
    record = played(play, functions, cases, [], read)
    assert rewards(record, "writer") == [None] * 3 and rewards(record, "tester") == [None] * 2
    assert noted(record)["usable"] == 0.0
    paid = played(play, functions, cases, ["a", "c"], read, two_sided=False)
    assert {move.reward for move in paid.moves if move.learn} == {1.0} and noted(paid)["response_gap"] == 1.0
    for seed in range(3):
        record = play(
            VerifiableInstructions(), bots=dict.fromkeys(VerifiableInstructions.seats(), "agreeable"), seed=seed
        )
        assert {move.reward for move in record.moves} == {None}


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os')._exit(0)",
        "exec('while 1: pass')",
        "1)\n    return bool(1",
        "[r for r in ()].append",
        "r*10**9",
    ],
)
def test_hostile_programs_are_outvoted(play: Playing, hostile: str) -> None:
    record = played(play, [RIGHT, RIGHT, hostile], CASES, ["bb"], [READ])
    assert rewards(record, "writer")[:2] == [1.0, 1.0]
    assert (rewards(record, "writer")[2] or 0.0) <= 0.5 and noted(record)["functions_kept"] == 2


def test_a_cell_without_a_verdict_masks_what_it_is_about(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = CodePool.judge

    def unlucky(self: CodePool, checks: Sequence[tuple[Any, Any]]) -> list[Verdict]:
        def lost(checker: Any, program: str) -> bool:
            return "startswith" in program if len(checker.cases) > 1 else checker.cases[0][0] == ("ba",)

        found = zip(checks, judge(self, checks), strict=True)
        nothing = Verdict(Outcome.NO_VERDICT, status="sandbox_error")
        return [nothing if lost(*check) else verdict for check, verdict in found]

    monkeypatch.setattr(CodePool, "judge", unlucky)
    record = played(play, [RIGHT, "r.startswith('b')", LOOSE], CASES, ["bb", "ba"], [READ, READ])
    assert rewards(record, "writer") == [1.0, None, 1.0]
    assert rewards(record, "responder") == [1.0, None]


def test_the_notes_know_which_programs_are_right(play: Playing) -> None:
    facts = noted(played(play, [RIGHT, LOOSE, OPPOSITE], CASES, ["bb"], [READ, READ], measured=1.0))
    assert (facts["functions_right"], facts["kept_right"]) == (1 / 3, 1 / 2)


def test_exact_players_get_everything(play: Playing) -> None:
    game = VerifiableInstructions(measured=1.0)
    usable = 0
    for seed in range(4):
        record = play(game, bots=dict.fromkeys(game.seats(), "exact"), seed=seed)
        assert record.ending is Ending.OK and not Instruction.parse(record.moves[0].messages[-1].text).held_out
        facts = noted(record)
        assert facts["cases_right"] == facts["functions_right"] == 1.0
        if facts["usable"]:  # all six cases may say the same
            usable += 1
            assert {move.reward for move in record.moves if move.learn} == {1.0}
            assert record.result is not None and record.result["responder"] == 1.0
    assert usable >= 2


def test_the_exam_asks_for_responses_to_held_out_instructions(play: Playing) -> None:
    game = VerifiableInstructions(exam_size=10)
    exam = game.exam()
    assert list(exam.levels) == ["1 constraint", "2 constraints"]
    for task in [*exam.levels["1 constraint"][:2], *exam.levels["2 constraints"][:3]]:
        instruction = Instruction.from_task(task)
        wrong = next(word for word in all_words() if not instruction.kept_by(word))
        assert instruction.held_out
        for said, score in ((instruction.words()[0], 1.0), (wrong, 0.0), ("?", 0.0)):
            record = play(game, {"responder": [said]}, task=task)
            assert (record.result or {})["responder"] == score and not record.moves[0].learn


def test_demonstrations_are_right_and_look_like_play(play: Playing) -> None:
    game = VerifiableInstructions()
    for demo in islice(game.demos(random.Random(0)), 200):
        value, asked = game.roles[demo.role].parse(demo.reply), demo.messages[-1].text
        if demo.role == "translator":
            assert Instruction.parse(demo.reply).code() in asked
            continue
        instruction = Instruction.parse(asked)
        assert not instruction.held_out
        if demo.role == "writer":
            assert demo.reply == instruction.code()
        elif demo.role == "tester":
            assert instruction.kept_by(value.word) == value.keeps
        else:
            assert instruction.kept_by(value)
    replies = Replies({"writer": [RIGHT], "tester": CASES, "translator": [READ], "responder": ["bb"]})
    play(VerifiableInstructions(functions=1, cases=4, responses=1, measured=0.0), replies, task=TASK)
    asked = {request.role: request.messages[-1].text for request in replies.requests}
    assert asked == {"writer": READ, "tester": READ, "responder": READ, "translator": game.writer.parse(RIGHT)}


def test_what_constraints_say_in_words_and_in_code_is_the_same() -> None:
    for constraint in TABLE.values():
        program = eval(f"lambda r: {constraint.code}")  # our own table
        assert all(bool(program(word)) == constraint.kept_by(word) for word in all_words())
    rng = random.Random(0)
    for parts in (1, 2, 3):
        for held_out in (False, True):
            drawn = random_instruction(rng, parts, held_out=held_out)
            assert Instruction.parse(drawn.text()) == drawn and drawn.held_out == held_out
    assert Instruction.parse("starts with a; no c").contradicts(Instruction.parse("starts with b"))
    assert not Instruction.parse("starts with a").contradicts(Instruction.parse("no c"))


@pytest.mark.parametrize("text", ["", ";", "no d", "no c;", "no a; no b; no c; no a", "x" * 10_000, "No c"])
def test_what_is_no_instruction_is_refused(text: str) -> None:
    with pytest.raises(Foul):
        Instruction.parse(text)
    with pytest.raises(UsageError, match="instruction"):
        Instruction.from_task({"instruction": text})


@pytest.mark.parametrize("text", ["", "abc", "abc maybe", "abd yes", "yes", "abcabcabc yes", "a b yes"])
def test_what_is_no_case_is_a_foul(text: str) -> None:
    with pytest.raises(Foul):
        VerifiableInstructions.tester.parse(text)


def test_it_keeps_the_rules_of_games() -> None:
    report = check_game(VerifiableInstructions(exam_size=2, functions=3, cases=3, responses=2, measured=0.5), seeds=3)
    assert report.ok, report.findings


def test_wrong_settings_are_refused() -> None:
    for name, value in {
        "functions": 0,
        "cases": 0,
        "responses": 0,
        "parts": (),
        "measured": 2.0,
        "keep": "all",
    }.items():
        with pytest.raises(UsageError, match=name):
            VerifiableInstructions(**{name: value})
