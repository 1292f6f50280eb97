"""Code and tests: who is paid for what, why colluding does not pay, and what the hidden function says of it.

All programs run in the sandbox. Where a cell of the matrix has no verdict, the judge is told to have none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest

from selfplay.check import check_game
from selfplay.envs.code_and_tests import TESTS_SHOWN, CodeAndTests
from selfplay.envs.code_and_tests_problems import Problem
from selfplay.envs.short_functions import ShortFunction, held_out
from selfplay.envs.short_functions_interpreter import returns
from selfplay.errors import UsageError
from selfplay.game import Demo
from selfplay.policies.bots import Replies
from selfplay.sandbox import FunctionTask
from selfplay.sandbox.local import LocalSandbox
from selfplay.sandbox.pool import CodePool, use_pool
from selfplay.sandbox.suites import SuiteRun, SuiteWorth
from selfplay.types import Ending, MatchRecord, Outcome, Verdict

Playing = Callable[..., MatchRecord]

TASK = {"source": "def f(a, n): return sum([x for x in a if x>2])", "words": "keep those over 2->add up"}
PROBLEM = Problem.of(ShortFunction.from_task(TASK), 1)
EXAMPLE = PROBLEM.text().split("\n")[1]
(ARGS, VALUE) = PROBLEM.examples[0]
RIGHT = TASK["source"]
SAME = "def f(a, n):\n    return sum(x for x in a if x >= 3)"
FROM_2 = "def f(a, n): return sum([x for x in a if x>1])"  # wrong for 2 alone; keeps the public example
BREAKS = "def f(a, n): return -1"
CONSTANT = f"def f(a, n): return {VALUE}"
COPY = f"assert {EXAMPLE}"
EASY = "assert f([7, 1], 1) == 7"  # right, and blind for what happens at 2
SHARP = "assert f([2, 7], 1) == 7"
WRONG = "assert f([4, 4], 1) == 4"
ALWAYS = "assert f([1], 1) is not f"
NEVER_CALLS = "assert True"


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[CodePool]:
    pool = CodePool(lambda: LocalSandbox(workers=1))
    use_pool(pool)
    yield pool
    pool.close()


def played(play: Playing, programs: Sequence[str], suites: Sequence[str], **settings: Any) -> MatchRecord:
    alone = {"attempts": len(programs), "suites": len(suites), "examples": 1, "withheld": 0, "measured": 0.0}
    game = CodeAndTests(**{**alone, **settings})
    record = play(game, {"solver": programs, "verifier": suites}, task=TASK)
    assert record.ending is Ending.OK, record.error
    return record


def rewards(record: MatchRecord, role: str) -> list[float | None]:
    return [move.reward for move in record.moves if move.role == role]


def noted(record: MatchRecord) -> dict[str, Any]:
    return {key: value for fact in record.facts if fact.kind == "note" for key, value in fact.data.items()}


def preferred(record: MatchRecord) -> list[tuple[str, str]]:
    """Texts of the pairs."""
    texts = {move.id: move.text for move in record.moves}
    pairs = [fact.data for fact in record.facts if fact.kind == "prefer"]
    return [(texts[pair["better"]["move"]], texts[pair["worse"]["move"]]) for pair in pairs]


def test_the_task_is_what_these_tests_think() -> None:
    assert PROBLEM.text() == f"keep those over 2->add up\nf({ARGS[0]}, {ARGS[1]}) == {VALUE}" and not held_out(RIGHT)
    assert PROBLEM.tables() == [CONSTANT]
    assert returns(FROM_2, ARGS) == VALUE not in (7, 9), "it takes a 2 to see that it is wrong"


def test_right_programs_and_sharp_tests_earn_most(play: Playing) -> None:
    record = played(play, [RIGHT, SAME, FROM_2, BREAKS], [SHARP, EASY, WRONG, COPY])
    right, same, near, breaks = rewards(record, "solver")
    sharp, easy, wrong, copy = rewards(record, "verifier")
    assert right == same == 1.0 and breaks == 0.0
    assert 0.0 < near < 1.0, "the blind test still accepts it"
    assert sharp == 1.0 > easy > 0.0, "the sharp test rejects all: constant, mutants, the other answer"
    assert wrong == copy == 0.0
    assert near == easy / (sharp + easy)
    assert preferred(record) == [(RIGHT, BREAKS), (SHARP, WRONG)]
    assert {move.text for move in record.moves if move.keep} == {RIGHT, SAME, SHARP}
    assert noted(record)["agreed"] == 1.0


def test_without_the_discrimination_term_copying_the_example_pays_as_much_as_testing(play: Playing) -> None:
    programs, suites = [RIGHT, SAME, FROM_2], [SHARP, COPY, EASY]
    with_term, without = (played(play, programs, suites, discriminate=flag) for flag in (True, False))
    sharp, copy, easy = rewards(with_term, "verifier")
    assert sharp > easy > copy == 0.0
    assert rewards(without, "verifier") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("program", [CONSTANT, RIGHT])
@pytest.mark.parametrize("tests", [COPY, ALWAYS])
def test_colluding_pays_only_without_the_discrimination_term(play: Playing, program: str, tests: str) -> None:
    """Trivial code with trivial tests, and trivial tests alone."""
    with_term, without = (played(play, [program] * 3, [tests] * 2, discriminate=flag) for flag in (True, False))
    assert rewards(with_term, "verifier") == [0.0, 0.0]
    assert rewards(with_term, "solver") == [None, None, None], "no test tells right from wrong: nothing is learned"
    assert rewards(without, "verifier") == [1.0, 1.0] and rewards(without, "solver") == [1.0, 1.0, 1.0]
    assert not preferred(with_term) and not any(move.keep for move in with_term.moves)


def test_tests_that_expect_the_constant_do_not_help_it(play: Playing) -> None:
    record = played(play, [CONSTANT] * 3, [f"assert f([9, 9], 1) == {VALUE}", COPY])
    assert rewards(record, "solver") == [None] * 3 and rewards(record, "verifier") == [0.0, 0.0]


def test_the_colluding_bot_earns_nothing(play: Playing) -> None:
    for seed in range(3):
        record = play(CodeAndTests(measured=0.0), bots={"solver": "colluding", "verifier": "colluding"}, seed=seed)
        assert record.ending is Ending.OK
        assert {move.reward for move in record.moves} <= {None, 0.0}


@pytest.mark.parametrize(
    "tests",
    [
        NEVER_CALLS,
        "def test():\n    raise SystemExit(0)",
        "def test():\n    try:\n        assert f([9], 1) == 0\n    except BaseException:\n        pass",
        "def test():\n    f.__class__.__call__ = lambda *a: 0\n    f([1], 1)",
        "import os\ndef test():\n    f([1], 1)\n    os._exit(0)",
        f"assert {EXAMPLE} or f",
    ],
)
def test_hostile_tests_earn_nothing(play: Playing, tests: str) -> None:
    record = played(play, [RIGHT, SAME, FROM_2], [SHARP, tests])
    assert rewards(record, "verifier")[1] == 0.0
    assert rewards(record, "solver")[0] == 1.0


@pytest.mark.parametrize(
    "program",
    [
        "import os\ndef f(a, n): os._exit(0)",
        "class E(int):\n    def __eq__(self, other): return True\ndef f(a, n): return E()",
        "def f(a, n):\n    while True: pass",
        "import sys\ndef f(a, n): return sys._getframe(1).f_locals",
    ],
)
def test_hostile_programs_earn_nothing(play: Playing, program: str) -> None:
    record = played(play, [RIGHT, program], [SHARP])
    assert rewards(record, "solver") == [1.0, 0.0]


def test_on_a_tie_nobody_learns(play: Playing) -> None:
    record = played(play, [RIGHT, FROM_2], [SHARP, "assert f([2, 7], 1) == 9"])
    assert rewards(record, "solver") == [None, None] and rewards(record, "verifier") == [None, None]
    assert noted(record)["agreed"] == 0.0 and noted(record)["accepted"] == 0.5


@pytest.mark.parametrize("examples", [1, 2, 3])
def test_to_know_the_examples_by_heart_pays_nobody(play: Playing, examples: int) -> None:
    """Whatever the tests are: copies, right ones, or those that expect what the table says."""
    problem = Problem.of(ShortFunction.from_task(TASK), examples)
    for table in problem.tables():
        known = python(table)
        assert all(known(*args) == value for args, value in problem.examples)
        same = f"assert f([5, 5, 5], 5) == {known([5, 5, 5], 5)}"
        for tests in ([COPY] * 2, [SHARP, EASY], [same] * 2, [same, COPY]):
            record = played(play, [table] * 3, tests, examples=examples)
            assert rewards(record, "solver") == [None] * 3, (table, tests)
            assert set(rewards(record, "verifier")) == {0.0}
        record = played(play, [table, table, RIGHT, SAME, RIGHT], [SHARP, EASY, COPY], examples=examples)
        assert rewards(record, "solver") == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_where_the_withheld_example_leaves_nothing_to_reject_keeping_it_is_paid(play: Playing) -> None:
    settings = {"examples": 2, "withheld": 1, "mutants": 0}
    record = played(play, [RIGHT, SAME, BREAKS], [WRONG, "no test"], **settings)
    assert rewards(record, "solver") == [1.0, 1.0, 0.0] and rewards(record, "verifier") == [0.0, 0.0]
    assert noted(record)["wrong"] == 0 and preferred(record) == [(RIGHT, BREAKS)]
    told = played(play, [RIGHT, SAME, BREAKS], [WRONG, "no test"], **{**settings, "withheld": 0})
    assert rewards(told, "solver") == [None, None, 0.0], "examples that everybody knows prove nothing"
    near = played(play, [RIGHT, SAME, BREAKS], [WRONG, "no test"], **{**settings, "mutants": 8})
    assert noted(near)["wrong"] > 0 and rewards(near, "solver") == [None, None, 0.0], "a mutant keeps them all"


def test_a_withheld_example_is_kept_from_the_players_and_broken_by_tables(play: Playing) -> None:
    problem = Problem.of(ShortFunction.from_task(TASK), 2, 1)
    assert len(problem.known.cases) == 3 and len(problem.text().split("\n")) == 3
    assert problem.text() == Problem.of(ShortFunction.from_task(TASK), 2).text()
    for table in problem.tables():
        record = played(play, [table] * 3, [COPY, SHARP], examples=2, withheld=1)
        assert rewards(record, "solver") == [0.0] * 3


def test_a_table_that_keeps_even_the_withheld_example_is_paid_nothing(play: Playing) -> None:
    """Functions of few values: the withheld example may have one that is known."""
    task = {"source": "def f(a, n): return [x for x in a if x<1][:1]", "words": "keep those under 1->take the first 1"}
    problem = Problem.of(ShortFunction.from_task(task), 2, 1)
    args, value = problem.known.cases[-1]
    lucky = [table for table in problem.tables() if python(table)(*args) == value]
    assert lucky
    for table in lucky:
        game = CodeAndTests(attempts=3, suites=2, measured=0.0)
        record = play(game, {"solver": [table] * 3, "verifier": [COPY, "no test"]}, task=task)
        assert set(rewards(record, "solver")) <= {None, 0.0}


def python(source: str) -> Callable[..., Any]:
    """The function f of a program of ours."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names["f"]


def test_a_program_that_no_test_of_worth_tells_from_the_chosen_one_is_masked(play: Playing) -> None:
    """The wrong test accepts it besides: it is another program, and yet none that a test of worth rejects."""
    record = played(play, [RIGHT, RIGHT, SAME, FROM_2], [EASY, "assert f([2, 7], 1) == 9"])
    assert rewards(record, "solver") == [1.0, 1.0, 1.0, None]
    easy, wrong = rewards(record, "verifier")
    assert wrong == 0.0 and 0.0 < easy < 1.0, "it does not reject the other program either"


def test_trouble_with_a_mutant_makes_tests_worth_no_more(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = CodePool.judge
    calm = played(play, [RIGHT, SAME], [EASY])

    def unlucky(self: CodePool, checks: Sequence[tuple[Any, Any]]) -> list[Verdict]:
        lost = Verdict(Outcome.NO_VERDICT, status="sandbox_error")
        found = zip(checks, judge(self, checks), strict=True)
        mutant = [isinstance(checker, FunctionTask) and claim not in (RIGHT, SAME) for checker, claim in checks]
        return [lost if one else verdict for one, (_, verdict) in zip(mutant, found, strict=True)]

    monkeypatch.setattr(CodePool, "judge", unlucky)
    record = played(play, [RIGHT, SAME], [EASY])
    assert noted(record)["wrong"] > noted(calm)["wrong"]
    assert rewards(record, "solver") == rewards(calm, "solver") == [1.0, 1.0]


def test_a_program_that_only_a_masked_suite_accepts_is_masked(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the suite is worth could not be told, so what the program earns cannot be told either."""
    judge = CodePool.judge

    def unlucky(self: CodePool, checks: Sequence[tuple[Any, Any]]) -> list[Verdict]:
        lost = Verdict(Outcome.NO_VERDICT, status="sandbox_error")
        found = zip(checks, judge(self, checks), strict=True)
        return [lost if isinstance(checker, SuiteWorth) and "7, 1" in claim else verdict
                for (checker, claim), verdict in found]  # fmt: skip

    monkeypatch.setattr(CodePool, "judge", unlucky)
    record = played(play, [RIGHT, SAME, RIGHT, FROM_2], [SHARP, EASY])
    assert rewards(record, "verifier") == [1.0, None]
    assert rewards(record, "solver") == [1.0, 1.0, 1.0, None]


def test_only_what_breaks_the_example_is_wrong_for_sure(play: Playing) -> None:
    record = played(play, [BREAKS, "def f(a, n): return 1 // 0", "no program"], [SHARP, "no test"])
    assert rewards(record, "solver") == [0.0, 0.0, 0.0]
    assert rewards(record, "verifier") == [None, 0.0], "nobody ran the tests; what is no test is a foul"


def test_a_cell_without_a_verdict_masks_what_it_is_about(play: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = CodePool.judge

    def unlucky(self: CodePool, checks: Sequence[tuple[Any, Any]]) -> list[Verdict]:
        lost = Verdict(Outcome.NO_VERDICT, status="sandbox_error")
        about = [isinstance(checker, SuiteRun) and claim.source == SAME and "7, 1" in claim.tests
                 for checker, claim in checks]  # fmt: skip
        found = zip(about, judge(self, checks), strict=True)
        return [lost if trouble else verdict for trouble, verdict in found]

    monkeypatch.setattr(CodePool, "judge", unlucky)
    record = played(play, [RIGHT, SAME, FROM_2, RIGHT], [SHARP, EASY])
    assert rewards(record, "solver") == [1.0, None, 0.0, 1.0]
    assert rewards(record, "verifier") == [1.0, None]
    masked = [move for move in record.moves if move.why_masked]
    assert {(move.text, move.why_masked) for move in masked} == {(SAME, "no_verdict"), (EASY, "no_verdict")}


def test_the_notes_compare_with_the_hidden_function(play: Playing) -> None:
    """Everybody agrees, and is wrong: only the measure knows."""
    record = played(play, [FROM_2] * 3 + [RIGHT, "?"], ["assert f([2, 7], 1) == 9"] * 2 + [EASY, COPY], measured=1.0)
    assert rewards(record, "solver")[0] == 1.0
    facts = noted(record)
    assert (facts["solver_right"], facts["chosen_right"], facts["tests_right"]) == (0.2, 0.0, 0.5)
    assert len(PROBLEM.hard_mutants()) == 2 and facts["kill_rate"] == 0.0, (
        "neither the copy nor the blind test sees what happens at 2"
    )
    assert noted(played(play, [RIGHT], [SHARP], measured=1.0))["kill_rate"] == 1.0


def test_the_exam_asks_for_programs_and_for_tests(play: Playing) -> None:
    game = CodeAndTests(exam_size=6)
    exam = game.exam()
    assert {"2 code", "2 tests"} <= set(exam.levels) and all(exam.levels.values())
    for task in exam.levels["2 code"]:
        assert held_out(task["source"])
        assert play(game, {"solver": [task["source"]]}, task=task).result == {"solver": 1.0, "verifier": 1.0}
    for task in exam.levels["2 tests"][:3]:
        problem = Problem.of(ShortFunction.from_task(task), 1)
        example = problem.text().split("\n")[1]
        solved = play(game, {"verifier": [killer(problem, task["mutant"])]}, task=task)
        assert solved.result == {"solver": 1.0, "verifier": 1.0} and not solved.moves[0].learn
        copied = play(game, {"verifier": [f"assert {example}"]}, task=task)
        assert copied.result == {"solver": 0.0, "verifier": 0.0}


def killer(problem: Problem, mutant: str) -> str:
    """A test that the function passes and the mutant does not."""
    for args, value in problem.function.cases(random.Random(0), 100):
        if returns(mutant, args) != value:
            return f"assert f({args[0]}, {args[1]}) == {value}"
    raise AssertionError("a mutant of the exam behaves differently")


def test_demonstrations_are_right_and_look_like_play(play: Playing) -> None:
    game = CodeAndTests()
    for solver, *verifiers in islice(zip(*[game.demos(random.Random(0))] * (1 + TESTS_SHOWN), strict=False), 40):
        assert [demo.role for demo in (solver, *verifiers)] == ["solver"] + TESTS_SHOWN * ["verifier"]
        assert not held_out(solver.reply)
        words = solver.messages[-1].text.split("\n")[0]
        problem = Problem.of(ShortFunction(solver.reply, words), game.examples)
        assert {demo.messages[-1].text for demo in (solver, *verifiers)} == {problem.text()}
        for line in "\n".join(demo.reply for demo in verifiers).split("\n"):
            call, _, value = line.removeprefix("assert ").partition(" == ")
            assert returns(solver.reply, args_of(call)) == eval(value)  # ours: 3*2+5*2, [7//2]
    verifier = verifiers[0]
    replies = Replies({"solver": [solver.reply], "verifier": [verifier.reply]})
    play(CodeAndTests(attempts=1, suites=1, measured=0.0), replies, task=problem.function.task())
    assert tuple(replies.requests[0].conversation()) == solver.messages
    assert tuple(replies.requests[1].conversation()) == verifier.messages


def args_of(call: str) -> tuple[list[int], int]:
    """The arguments in ``f([1, 2], 3)``."""
    items, _, n = call.removeprefix("f([").removesuffix(")").partition("], ")
    return [int(item) for item in items.split(", ")], int(n)


class OneProblem(CodeAndTests):
    """Always the same problem, so that legal replies meet it."""

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        prompt = PROBLEM.text()
        while True:
            yield self.solver.demo(prompt, rng.choice([RIGHT, SAME, FROM_2, BREAKS, CONSTANT]))
            yield self.verifier.demo(prompt, rng.choice([SHARP, EASY, COPY, WRONG, NEVER_CALLS]))


def test_it_keeps_the_rules_of_games() -> None:
    report = check_game(OneProblem(exam_size=2, attempts=3, suites=3, measured=0.5), seeds=3, tasks=[TASK])
    assert report.ok, report.findings
    report = check_game(CodeAndTests(exam_size=2, attempts=2, suites=2), seeds=2)
    assert report.ok, report.findings


@pytest.mark.parametrize("name", ["attempts", "suites", "steps", "examples", "measured", "mutants"])
def test_wrong_settings_are_refused(name: str) -> None:
    bad = {"steps": (4,), "measured": 1.5, "mutants": -1}
    with pytest.raises(UsageError, match=rf"code_and_tests\.{name} = .*: expected"):
        CodeAndTests(**{name: bad.get(name, 0)})
