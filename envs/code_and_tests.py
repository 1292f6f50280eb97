"""Code and tests: solvers write a function, verifiers write tests for it, and each is the other's only judge.

    keep those over 2->add up          solver      def f(a, n): return sum([x for x in a if x>2])
    f([3, 1, 5], 2) == 8               verifier    assert f([2, 4], 1) == 4
    f([0, 2], 4) == 0

After Sol-Ver (arXiv 2502.14948: one model in both roles, code and tests executed against each other, SFT and then DPO;
no answer key). How it pairs them is not published; here, as CodeT does (arXiv 2207.10397):

1. Programs that break an example, a public one or one that is withheld, earn 0. The others are run against all suites.
2. Dual agreement: of the programs that the same suites accept, the group with the largest product of programs and
   suites is *chosen*; the examples count as one more suite. On a tie, nobody knows, and nobody learns.
3. A suite that rejects the chosen program earns 0, and so does one that accepts a table, which knows the public
   examples by heart. What another one is worth is its kill rate: the share that it rejects of programs which are wrong
   if the chosen one is right, namely tables, its mutants that keep the examples, and other answers of this match. With
   `discriminate = false` it is 1, tables or not.
4. A chosen program earns 1, another one the share of all suites' worth that accepts it; if that is all of it, nobody
   can tell the two apart, and it is masked. If no suite is worth anything, nobody can tell at all; but where the
   withheld example leaves no table, mutant or other answer to reject, it is test enough, and what keeps it earns 1.
5. Pairs, and what is kept: the chosen programs against those that earn 0, the suites of most worth against those of 0.

Why it does not pay to collude: tests that accept everything, or repeat an example, kill nothing; programs that know the
public examples by heart break the withheld one, and tests have to reject them. Without the discrimination term such
tests are paid in full. What remains: all programs and all tests of a problem wrong in the same way, which no agreement
can see. So the exam, and the notes of every few matches (`measured`), compare with the hidden function.

Tests and programs never share an interpreter: `selfplay.sandbox.suites`. A cell of the matrix that nobody could judge
masks its program and its suite.

A good solver is right; a good verifier tests where programs that look right go wrong: edges, empty lists, equal items.

Notes: ``accepted`` (share of the matrix), ``agreed`` (1: a group was chosen), ``wrong`` (programs to be rejected),
``worth`` (mean of the suites); and if measured ``solver_right``, ``chosen_right``, ``tests_right`` (suites that accept
the function) and ``kill_rate`` (of the function's hard mutants, 0 for a suite that rejects the function).
Exam: ``code`` asks for a program, ``tests`` for a suite that accepts the function and rejects one hard mutant of it; so
its rate is a kill rate. Both are asked of whoever is examined.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from selfplay.envs.code_and_tests_problems import ENTRY, Problem, accepts, colluding_bot, worth
from selfplay.envs.short_functions import STEPS, ShortFunction, exam_functions, random_function
from selfplay.game import Demo, Exam, Expected, Game
from selfplay.match import Match
from selfplay.roles import duties
from selfplay.roles.cross_checks import Agreement, dual_agreement, shares_of_worth
from selfplay.roles.programs import function, suite
from selfplay.sandbox import Trial
from selfplay.sandbox.mutants import mutants
from selfplay.types import Json, Move, Outcome, Verdict

TESTS_SHOWN = 4
"""Suites for each program in demonstrations: what a function returns is harder to learn than how it is written."""


class Crossed(NamedTuple):
    """The matrix of a match: what could be judged."""

    programs: list[Move]
    suites: list[Move]
    accepts: list[list[bool]]


class CodeAndTests(Game):
    """Programs and tests that judge each other."""

    id = "code_and_tests"
    result_range = (0.0, 1.0)
    bots = {"colluding": colluding_bot}

    solver = duties.solver("Write the Python function f(a, n), for a list of ints a and an int n.", function(ENTRY))
    verifier = duties.solver("Write tests of the function f(a, n): lines like assert f([1, 2], 3) == 4.", suite(ENTRY))

    attempts: int = 6
    """Programs for each problem."""
    suites: int = 4
    """Suites of tests for each problem."""
    steps: tuple[int, ...] = (1, 2)
    """How many steps the functions have."""
    examples: int = 2
    """Public examples of each function."""
    withheld: int = 1
    """Examples that programs have to keep, too, and that nobody is told."""
    discriminate: bool = True
    """A suite is worth what it rejects; otherwise accepting the chosen program is enough."""
    mutants: int = 8
    """Of the chosen program at most."""
    pairs: int = 2
    """Preferences per role that a match gives at most, and replies that it keeps."""
    measured: float = 0.25
    """Share of the matches in which the notes compare with the hidden function. No reward does."""
    exam_size: int = 100
    """Tasks of each exam level."""

    def expected(self) -> Iterator[Expected]:
        yield "attempts", self.attempts >= 1, "at least 1"
        yield "suites", self.suites >= 1, "at least 1"
        yield "steps", self.steps and set(self.steps) <= set(STEPS), f"some of {STEPS}"
        yield "examples", 1 <= self.examples <= 5, "1 to 5"
        yield "withheld", 0 <= self.withheld <= 5, "0 to 5"
        yield "mutants", self.mutants >= 0, "0 or more"
        yield "pairs", self.pairs >= 0, "0 or more"
        yield "measured", 0.0 <= self.measured <= 1.0, "0 to 1"

    async def play(self, match: Match) -> None:
        task = match.task
        if task is None:
            function = random_function(match.rng, match.rng.choice(self.steps))
        else:
            function = ShortFunction.from_task(task)
        problem = Problem.of(function, self.examples, self.withheld)
        if task is not None and "graded" in task:
            await self.examine(match, problem, task)
            return
        prompt, learn = problem.text(), not problem.function.held_out
        programs, suites = await match.gather(
            match.ask(self.solver, prompt, n=self.attempts, learn=learn),
            match.ask(self.verifier, prompt, n=self.suites, learn=learn),
        )
        measured = match.rng.random() < self.measured
        crossed = await self.cross(match, problem, programs, suites)
        agreed = dual_agreement(crossed.accepts, discriminating=self.discriminate, passed=1)
        if agreed is None:
            for move in (*crossed.programs, *crossed.suites):
                move.mask("no agreement")
        else:
            await self.reward(match, problem, crossed, agreed)
        self.prefer(match, programs)
        self.prefer(match, suites)
        report(match, crossed, agreed, programs, suites)
        if measured:
            chosen = crossed.programs[agreed.programs[0]] if agreed else None
            await measure(match, problem, programs, suites, chosen)

    async def cross(self, match: Match, problem: Problem, programs: list[Move], suites: list[Move]) -> Crossed:
        """Run the programs that keep the examples against all suites."""

        async def keeps_example(program: Move) -> bool:
            verdict = await match.check(problem.known, program.value, about=program)
            program.reward = 0.0  # unless it is compared with others
            return verdict.outcome is Outcome.PASS

        async def tried(program: Move, tests: Move) -> Verdict:
            return await match.check(accepts(), Trial(program.value, tests.value), about=[program, tests])

        async def row(program: Move) -> list[Verdict]:
            return await match.gather(*(tried(program, tests) for tests in columns))

        rows, columns = sound(programs), sound(suites)
        kept = await match.gather(*map(keeps_example, rows))
        rows = [program for program, fine in zip(rows, kept, strict=True) if fine]
        matrix = await match.gather(*map(row, rows))
        for number, tests in enumerate(columns):
            for verdict in (verdicts[number] for verdicts in matrix):
                if verdict.outcome is Outcome.INVALID_CLAIM and tests.foul is None:
                    tests.penalise(verdict.detail, 0.0)
        judged = [
            [bool(verdict) for verdict, tests in zip(verdicts, columns, strict=True) if ok(tests)]
            for verdicts, program in zip(matrix, rows, strict=True)
            if ok(program)
        ]
        return Crossed(sound(rows), sound(columns), judged)

    async def reward(self, match: Match, problem: Problem, crossed: Crossed, agreed: Agreement) -> None:
        """Pay suites for their worth, and programs for the worth that accepts them."""
        wrong = await self.wrong_programs(match, problem, crossed, agreed)
        await self.pay_suites(match, problem, crossed, agreed, wrong)
        unknown = [number for number, tests in enumerate(crossed.suites) if tests.reward is None]
        shares = shares_of_worth(crossed.accepts, [tests.reward or 0.0 for tests in crossed.suites])
        for number, program in enumerate(crossed.programs):
            if shares is None and (wrong or not self.withheld):
                program.mask("no test tells right from wrong")
            elif number in agreed.programs:
                program.reward = 1.0
            elif (
                shares is not None
                and shares[number] < 1.0
                and not any(crossed.accepts[number][suite] for suite in unknown)
            ):
                program.reward = shares[number]
            else:
                program.mask("no test tells it from the chosen program")

    async def pay_suites(
        self, match: Match, problem: Problem, crossed: Crossed, agreed: Agreement, wrong: list[str]
    ) -> None:
        """Kill rates as the suites' rewards."""
        chosen: str = crossed.programs[agreed.programs[0]].value
        tables = problem.tables()
        others = [program for program in wrong if program not in tables]

        async def rejected(programs: list[str], tests: Move) -> float:
            verdict = await match.check(worth(chosen, programs), tests.value, about=tests)
            return verdict.score or 0.0 if verdict.outcome is Outcome.PASS else 0.0

        async def judge(number: int, tests: Move) -> None:
            if number not in agreed.suites:
                tests.reward = 0.0
            elif not self.discriminate:
                tests.reward = 1.0
            elif await rejected(tables, tests) < 1.0:
                tests.reward = 0.0
            else:
                kills = len(others) * await rejected(others, tests) if others else 0.0
                tests.reward = (len(tables) + kills) / (len(tables) + len(others))

        await match.gather(*(judge(number, tests) for number, tests in enumerate(crossed.suites)))

    async def wrong_programs(self, match: Match, problem: Problem, crossed: Crossed, agreed: Agreement) -> list[str]:
        """Other programs that keep the examples, and are wrong if the chosen one is right."""
        chosen: str = crossed.programs[agreed.programs[0]].value
        made = [*problem.tables(), *(mutant.source for mutant in mutants(chosen, self.mutants))]

        async def survives(source: str) -> bool:
            verdict = await match.check(problem.known, source)
            return verdict.outcome in (Outcome.PASS, Outcome.NO_VERDICT)  # who breaks an example is wrong all the same

        kept = await match.gather(*map(survives, made))
        near = [source for source, fine in zip(made, kept, strict=True) if fine]
        others = [program.value for number, program in enumerate(crossed.programs) if number not in agreed.programs]
        wrong = list(dict.fromkeys([*near, *others]))
        match.note(wrong=len(wrong))
        return wrong

    def prefer(self, match: Match, replies: list[Move]) -> None:
        """Keep the replies that earned most, and prefer them to those that earned nothing."""
        paid = {move.text: move for move in replies if move.reward is not None}  # each text once
        best = max((move.reward or 0.0 for move in paid.values()), default=0.0)
        good = [move for move in paid.values() if best > 0.0 and move.reward == best][: self.pairs]
        for move in good:
            move.keep = True
        bad = [move for move in paid.values() if move.reward == 0.0]
        for better, worse in zip(good, bad, strict=False):
            match.prefer(better, worse, weight=best)

    async def examine(self, match: Match, problem: Problem, task: dict[str, Json]) -> None:
        """One program, or one suite, judged by the hidden function."""
        if task["graded"] == "tests":
            (move,) = await match.ask(self.verifier, problem.text(), n=1, learn=False)
            checker: Any = worth(problem.function.source, [task["mutant"]])
        else:
            (move,) = await match.ask(self.solver, problem.text(), n=1, learn=False)
            checker = problem.hidden
        solved = float(move.foul is None and bool(await match.check(checker, move.value)))
        match.result(solver=solved, verifier=solved)

    def exam(self) -> Exam:
        levels: dict[str, list[Json]] = {}
        for steps in self.steps:
            held_out = [Problem.of(function, self.examples) for function in exam_functions(steps, self.exam_size)]
            levels[f"{steps} code"] = [{**problem.function.task(), "graded": "code"} for problem in held_out]
            levels[f"{steps} tests"] = [
                {**problem.function.task(), "graded": "tests", "mutant": mutant}
                for problem in held_out
                if (mutant := problem.hard_mutant()) is not None
            ]
        return Exam("solver", {level: tasks for level, tasks in levels.items() if tasks})

    def demos(self, rng: random.Random) -> Iterator[Demo]:
        while True:
            problem = Problem.of(random_function(rng, rng.choice(self.steps)), self.examples)
            yield self.solver.demo(problem.text(), problem.function.source)
            for _ in range(TESTS_SHOWN):
                yield self.verifier.demo(problem.text(), problem.tests(rng, rng.choice((1, 2))))


def ok(move: Move) -> bool:
    """It could be read and judged so far."""
    return move.foul is None and move.why_masked is None


def sound(moves: Sequence[Move]) -> list[Move]:
    return [move for move in moves if ok(move)]


def mean(numbers: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def report(match: Match, crossed: Crossed, agreed: Agreement | None, programs: list[Move], suites: list[Move]) -> None:
    """Tell the world how it went, as far as the players themselves can tell."""
    paid = [mean(move.reward for move in moves) or 0.0 for moves in (programs, suites)]
    match.result(solver=paid[0], verifier=paid[1])
    facts = {
        "agreed": float(agreed is not None),
        "accepted": mean(float(cell) for row in crossed.accepts for cell in row),
        "worth": mean(tests.reward for tests in suites),
    }
    match.note(**{name: value for name, value in facts.items() if value is not None})
    match.show(
        "\n".join("".join("+" if cell else "-" for cell in row) for row in crossed.accepts) or "nothing to compare"
    )


async def measure(
    match: Match, problem: Problem, programs: list[Move], suites: list[Move], chosen: Move | None
) -> None:
    """Note what the hidden function says of programs and tests. Nothing here touches a reward."""
    hard = problem.hard_mutants()

    async def right(program: Move) -> float | None:
        if program.foul is not None:
            return 0.0
        verdict = await match.check(problem.hidden, program.value)
        return None if verdict.outcome is Outcome.NO_VERDICT else float(bool(verdict))

    async def examined(tests: Move) -> Verdict | None:
        if tests.value is None:
            return Verdict(Outcome.INVALID_CLAIM)
        verdict = await match.check(worth(problem.function.source, hard), tests.value)
        return None if verdict.outcome is Outcome.NO_VERDICT else verdict

    rights = await match.gather(*map(right, programs))
    verdicts = await match.gather(*map(examined, suites)) if hard else []
    facts = {
        "solver_right": mean(rights),
        "chosen_right": rights[programs.index(chosen)] if chosen is not None else None,
        "tests_right": mean(float(v.outcome is not Outcome.INVALID_CLAIM) for v in verdicts if v is not None),
        "kill_rate": mean(v.score or 0.0 for v in verdicts if v is not None),
    }
    match.note(**{name: value for name, value in facts.items() if value is not None})
