"""Programs and what they do: what a proposal has to be, the three problems, what they pay, and what stays hidden."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import pytest

from selfplay.check import check_game
from selfplay.envs.program_io import ProgramIO
from selfplay.envs.program_io_formats import KINDS, Kind, Problem, read_answer, read_proposal, read_value
from selfplay.envs.short_functions import held_out
from selfplay.errors import UsageError
from selfplay.game import Foul
from selfplay.learning.credit import CreditRule, credit
from selfplay.policies.bots import Replies
from selfplay.types import Ending, MatchRecord

Playing = Callable[..., MatchRecord]
ADD = "def f(a, n): return sum(a)+n"
CALL = "\nf([3, 1, 2], 4)"
CALLS = "".join(f"\nf([1, {number}], {number})" for number in (1, 2, 3, 4))


def game(kind: Kind, attempts: int = 2, **settings: object) -> ProgramIO:
    return ProgramIO(attempts=attempts, kinds=(kind,), shown=2, hidden=2, **settings)


def rewards(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def facts(record: MatchRecord, kind: str) -> list[dict[str, object]]:
    return [fact.data for fact in record.facts if fact.kind == kind]


def propose(play: Playing, kind: Kind, proposal: str, answers: Sequence[str] = ("0", "0")) -> MatchRecord:
    record = play(game(kind, len(answers)), {"proposer": [proposal], "solver": list(answers)})
    assert record.ending in (Ending.OK, Ending.FOUL), record.error
    return record


def test_it_keeps_the_rules_of_games() -> None:
    assert not check_game(ProgramIO(attempts=2), seeds=3).findings


def test_what_a_call_gives_is_found_by_the_sandbox(play: Playing) -> None:
    replies = Replies({"proposer": [ADD + CALL], "solver": ["10", "11", "10.0", "ten"]})
    record = play(game("deduction", 4), replies)
    assert replies.requests[1].messages[-1].text == f"{ADD}\nf([3, 1, 2], 4) gives ?"
    assert rewards(record, "solver") == [1.0, -0.5, -0.5, -1.0]
    assert rewards(record, "proposer") == [0.75]
    assert record.result == {"proposer": 0.0, "solver": 0.25}
    (published,) = facts(record, "publish")
    assert (published["solved"], published["of"]) == (1.0, 4)


def test_any_arguments_with_that_output_will_do(play: Playing) -> None:
    replies = Replies({"proposer": [ADD + CALL], "solver": ["[3, 1, 2], 4", "[], 10", "[10], 1", "[10]", "10", ADD]})
    record = play(game("abduction", 6), replies)
    assert replies.requests[1].messages[-1].text == f"{ADD}\nf(?) gives 10"
    assert rewards(record, "solver") == [1.0, 1.0, -0.5, -0.5, -0.5, -1.0]


def test_an_induced_function_has_to_be_right_on_hidden_calls(play: Playing) -> None:
    by_heart = "def f(a, n): return {1: 3, 2: 5}.get(n)"
    other_words = "def f(b, k):\n  total = k\n  for x in b:\n    total += x\n  return total"
    replies = Replies({"proposer": [ADD + CALLS], "solver": [other_words, by_heart, "def f(): return 3", "10"]})
    record = play(game("induction", 4), replies)
    assert replies.requests[1].messages[-1].text == "f([1, 1], 1) gives 3\nf([1, 2], 2) gives 5\nf is ?"
    assert rewards(record, "solver") == [1.0, -0.5, -0.5, -1.0]


@pytest.mark.parametrize(("right", "paid"), [(0, 0.0), (1, 0.75), (3, 0.25), (4, 0.0)])
def test_a_proposal_earns_more_the_harder_it_is_unless_nobody_solves_it(play: Playing, right: int, paid: float) -> None:
    record = propose(play, "deduction", ADD + CALL, ["10"] * right + ["9"] * (4 - right))
    assert rewards(record, "proposer") == [paid]


@pytest.mark.parametrize(
    ("kind", "proposal", "reward"),
    [
        ("deduction", ADD, -1.0),  # no call
        ("deduction", "sum" + CALL, -1.0),
        ("deduction", "def f(a, n) return a" + CALL, -1.0),
        ("deduction", ADD + "\nf(open('x'), 1)", -1.0),
        ("deduction", ADD + CALL + CALL, -1.0),  # one was wanted
        ("induction", ADD + CALL, -1.0),
        ("induction", ADD + CALL * 4, -0.5),  # always the same
        ("deduction", "def f(a, n): return a[n]" + CALL, -0.5),  # an exception
        ("deduction", "def f(a, n): return id(a)+__import__('time').time_ns()" + CALL, -0.5),
        ("deduction", "def f(a, n): return open('/etc/passwd').read()" + CALL, -0.5),
        ("deduction", "def f(a, n): return lambda: n" + CALL, -0.5),
        ("deduction", "def f(a, n): return 'x'*1000" + CALL, -0.5),  # too long to be asked for
        ("deduction", "def f(a, n): return float('nan')" + CALL, -0.5),
        ("deduction", "def f(a, n): __import__('os')._exit(0)" + CALL, -0.5),
    ],
)
def test_a_proposal_that_is_no_task_costs(play: Playing, kind: Kind, proposal: str, reward: float) -> None:
    record = propose(play, kind, proposal)
    assert rewards(record, "proposer") == [reward]
    assert not rewards(record, "solver")


def test_held_out_functions_are_never_learned_from(play: Playing) -> None:
    held = "def f(a, n): return max(a)+n"
    assert held_out(held) and not held_out(ADD)
    record = propose(play, "deduction", held + CALL)
    assert record.moves[0].why_masked == "held out for the exam"
    exam = game("deduction").exam()
    task = exam.levels["deduction"][0]
    answer = Problem.from_task(task).answer
    record = play(ProgramIO(attempts=1), {"solver": [answer]}, task=task)
    assert record.result is not None and record.result["solver"] == 1.0
    assert not record.moves[0].learn


def test_exam_problems_are_of_held_out_functions_and_have_answers(play: Playing) -> None:
    exam = ProgramIO(exam_size=30).exam()
    assert list(exam.levels) == list(KINDS)
    for tasks in exam.levels.values():
        problems = [Problem.from_task(task) for task in tasks]
        assert len(problems) == 30 and all(held_out(problem.program) for problem in problems)
        for problem in problems[:3]:
            record = play(ProgramIO(attempts=1), {"solver": [problem.answer]}, task=problem.task())
            assert record.result is not None and record.result["solver"] == 1.0, problem


def test_the_witness_is_a_secret(play: Playing) -> None:
    induction = propose(play, "induction", ADD + CALLS, [ADD, ADD])
    abduction = propose(play, "abduction", ADD + CALL, ["1", "1"])
    assert [fact["text"] for record in (induction, abduction) for fact in facts(record, "secret")] == [
        ADD, "[3, 1, 2], 4",
    ]  # fmt: skip


def test_earlier_problems_are_shown_to_the_proposer(play: Playing) -> None:
    earlier = Problem("abduction", ADD, (([3, 1], 4),), (8,))
    task = {"wanted": "hard", "examples": [{"label": "easy", "item": earlier.task()}]}
    replies = Replies({"proposer": [ADD + CALL], "solver": ["10", "9"]})
    play(game("deduction"), replies, task=task)
    assert replies.requests[0].messages[-1].text == (
        f"Unlike these:\n{ADD}\nf([3, 1], 4) gives 8\nFor deduction, 1 call:"
    )


def test_each_kind_of_problem_and_role_has_a_baseline_of_its_own(play: Playing) -> None:
    records = [
        propose(play, "deduction", ADD + CALL, ["10", "9"]),
        propose(play, "abduction", ADD + CALL, ["[], 10", "[], 10"]),
        propose(play, "abduction", ADD + CALL, ["[], 10", "3"]),
    ]
    for number, record in enumerate(records):
        record.pairing.number = number
    rule = CreditRule("per_role")
    found = credit(records, {"proposer": rule, "solver": rule}).advantages
    sums: dict[tuple[str, str], float] = {}
    for record in records:
        for move in record.moves:
            gain = found[record.id, move.id]
            sums[move.role, move.tag] = sums.get((move.role, move.tag), 0.0) + gain
    assert len(sums) == 4 and any(found.values())
    assert list(sums.values()) == pytest.approx([0.0] * 4, abs=1e-6)


def test_scripted_players_solve(play: Playing) -> None:
    solved: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for kind, seed in itertools.product(KINDS, range(4)):
        bots = {"proposer": "random", "solver": "searching"}
        record = next(
            record
            for record in (play(game(kind, 1), bots=bots, seed=seed + 100 * more) for more in range(20))
            if record.result is not None
        )
        solved[kind] += (record.result or {})["solver"] / 4
    assert solved["deduction"] == 1.0 and solved["abduction"] >= 0.5 and solved["induction"] > 0.0


def test_demonstrations_are_right(play: Playing) -> None:
    rules = ProgramIO()
    for demo in itertools.islice(rules.demos(random.Random(0)), 60):
        value = rules.roles[demo.role].parse(demo.reply)
        program = value.program if demo.role == "proposer" else getattr(value, "source", ADD)
        assert not held_out(program)


@pytest.mark.parametrize("text", ["f(1)", "1e", "__import__('os')", "lambda: 0", "1+2j", "x", "[" * 200, "(" * 99, ""])
def test_only_literals_are_values(text: str) -> None:
    with pytest.raises(Foul):
        read_value(text)


def test_formats() -> None:
    assert read_proposal(f"{ADD}\nf((1, 2),)").inputs == (((1, 2),),)
    assert read_proposal(f"{ADD}\nf([1], 2)\nf('a')").inputs == (([1], 2), ("a",))
    assert read_answer(" [1], 2 ").args == ([1], 2)  # type: ignore[union-attr]
    problem = Problem("abduction", ADD, (((1, 2),),), ((1,),))
    assert problem.answer == "(1, 2)," and Problem.from_task(problem.task()) == problem


@pytest.mark.parametrize(
    "task", [3, {"kind": "deduction"}, {"kind": "x", "program": ADD, "inputs": ["1"], "outputs": ["1"]}]
)
def test_a_strange_task_is_refused(play: Playing, task: object) -> None:
    record = play(ProgramIO(), task=task)
    assert record.error is not None and "task" in record.error


def test_strange_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="attempts = 0"):
        ProgramIO(attempts=0)
    with pytest.raises(UsageError, match="proposer reward"):
        ProgramIO(pay="much")
